import static org.junit.jupiter.api.Assertions.*;

import java.io.*;
import java.nio.file.*;
import java.time.*;
import java.util.*;
import java.util.concurrent.Callable;
import java.util.stream.Stream;
import org.apache.kafka.clients.admin.TopicDescription;
import org.apache.kafka.common.Node;
import org.apache.kafka.common.TopicPartitionInfo;
import org.junit.jupiter.api.*;
import org.junit.jupiter.api.io.TempDir;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;

/** Checks kill-node and start-node without a cluster: the commands they run, the impact they report, Ctrl-C. */
class KillNodeTest {
    @TempDir
    Path temp;

    // ---- Values in a command ----

    private static String filled(int id, String host, int port) {
        return KillNode.Hooks.filled(
                "ssh {host} stop {id} {name} {mode}",
                new KillNode.Target(id, "kafka01", host, port, "broker", "unknown"),
                "kill");
    }

    @Test
    void startNodeHasAHelpOfItsOwn() {
        TestCluster.Run help = TestCluster.run(KillNode::run, "--restore", "--help");
        assertEquals(0, help.code(), help.toString());
        assertTrue(
                help.out().startsWith("Usage: start-node [OPTION...] NODE...\nUndoes the fault of a node"), help.out());
        assertTrue(TestCluster.run(KillNode::run, "--help").out().startsWith("Usage: kill-node "));
    }

    @Test
    void aHostThatIsNoneIsNotPutIntoACommand() {
        for (String host : List.of(
                "-oProxyCommand=touch${IFS}harm",
                "-l",
                "--",
                "a b",
                "a;b",
                "$(b)",
                "`b`",
                "a\nb",
                "a'b",
                "a%b",
                "\u0430",
                ".",
                "..",
                "",
                "a".repeat(300))) {
            KillNode.Exit refused = assertThrows(KillNode.Exit.class, () -> filled(1, host, 9092), host);
            assertEquals(12, refused.code, host);
            assertEquals(1, refused.getMessage().lines().count(), refused.getMessage());
        }
        assertEquals(12, assertThrows(KillNode.Exit.class, () -> filled(-9, "broker", 9092)).code);
        assertEquals(12, assertThrows(KillNode.Exit.class, () -> filled(1, "broker", 70_000)).code);
        KillNode.Target option = new KillNode.Target(1, "-9", "broker", 9092, "broker", "unknown");
        assertEquals(
                12,
                assertThrows(KillNode.Exit.class, () -> KillNode.Hooks.filled("docker kill {name}", option, "kill"))
                        .code);
    }

    @Test
    void hostsAndAddressesArePutIntoACommand() {
        for (String host : List.of(
                "broker-1.example.com",
                "broker_1",
                "_kafka.svc.",
                "10.0.0.1",
                "::1",
                "fe80::1%eth0",
                "2001:db8::ff00:42:8329",
                "3com.example")) assertEquals("ssh " + host + " stop 3000 kafka01 kill", filled(3000, host, 9092));
    }

    @Test
    void aControllerWithoutAnAddressNeedsACommandWithoutIt() {
        KillNode.Target unknown = new KillNode.Target(3000, "kafka3000", "", -1, "controller", "unknown");
        assertEquals("stop 3000", KillNode.Hooks.filled("stop {id}", unknown, "kill"));
        KillNode.Exit refused =
                assertThrows(KillNode.Exit.class, () -> KillNode.Hooks.filled("ssh {host}", unknown, "kill"));
        assertTrue(refused.getMessage().contains("give a command without {host}"), refused.getMessage());
    }

    // ---- Commands end ----

    @Test
    void aCommandThatPrintsMuchEndsAndIsQuotedInPart() throws Exception {
        new KillNode.Shell("head -c 10000000 /dev/zero | tr '\\0' x", Duration.ofSeconds(20)).run();
        KillNode.Exit failed = assertThrows(
                KillNode.Exit.class,
                () -> new KillNode.Shell(
                                "echo first; seq 1 200000; printf '\\033[31mlast\\n'; exit 7", Duration.ofSeconds(20))
                        .run());
        assertEquals(1, failed.code);
        String said = failed.getMessage();
        assertTrue(said.contains("ended with 7: first / 1 / 2 / "), said);
        assertTrue(said.endsWith(" / 200000 / \\u001b[31mlast."), said);
        assertTrue(said.length() < 4000 && said.matches(".*\\.\\.\\. \\(\\d{7} bytes\\) \\.\\.\\..*"), said);
    }

    @Test
    void aCommandThatIsGivenUpEndsWithAllThatItHasStarted() throws Exception {
        Path pids = temp.resolve("pids");
        // A child; a grandchild whose parent has exited; and a process in its own session.
        String line = ("sleep 301 & echo $! >> PIDS; (sleep 302 & echo $! >> PIDS); setsid sh -c 'echo $$ >> PIDS;"
                        + " exec sleep 303' & wait")
                .replace("PIDS", pids.toString());
        long began = System.nanoTime();
        KillNode.Exit missed =
                assertThrows(KillNode.Exit.class, () -> new KillNode.Shell(line, Duration.ofMillis(700)).run());
        assertEquals(15, missed.code);
        assertTrue(System.nanoTime() - began < Duration.ofSeconds(10).toNanos());
        List<Long> started =
                Files.readAllLines(pids).stream().map(Long::valueOf).toList();
        assertEquals(3, started.size());
        for (long pid : started) TestCluster.await("the end of " + pid, () -> !isAlive(pid));
    }

    @Test
    void whatACommandLeavesRunningIsLeft() throws Exception {
        Path pid = temp.resolve("pid");
        long began = System.nanoTime();
        new KillNode.Shell("sleep 304 & echo $! > " + pid, Duration.ofSeconds(20)).run();
        assertTrue(System.nanoTime() - began < Duration.ofSeconds(10).toNanos(), "it was waited for");
        ProcessHandle left =
                ProcessHandle.of(Long.parseLong(Files.readString(pid).trim())).orElseThrow();
        assertTrue(left.isAlive());
        left.destroyForcibly();
    }

    private static boolean isAlive(long pid) {
        try {
            return !Files.readString(Path.of("/proc/" + pid + "/stat")).matches("(?s).*\\) Z .*");
        } catch (IOException gone) {
            return ProcessHandle.of(pid).map(ProcessHandle::isAlive).orElse(false);
        }
    }

    // ---- Impact ----

    private static final Node[] NODES =
            Stream.of(0, 1, 2, 3).map(i -> new Node(i, "h", 1)).toArray(Node[]::new);

    private static TopicDescription topic(String name, int[]... leaderAndIsr) {
        List<TopicPartitionInfo> partitions = new ArrayList<>();
        for (int[] p : leaderAndIsr) {
            List<Node> isr = Arrays.stream(p).skip(1).mapToObj(i -> NODES[i]).toList();
            partitions.add(new TopicPartitionInfo(partitions.size(), p[0] == 0 ? null : NODES[p[0]], isr, isr));
        }
        return new TopicDescription(name, false, partitions);
    }

    private static KillNode.Partitions partitions(
            Set<Integer> left, int controller, List<Integer> nodes, Set<Integer> gone) {
        List<TopicDescription> topics = List.of(
                topic("a", new int[] {1, 1, 2, 3}, new int[] {2, 2, 3, 1}, new int[] {3, 3, 1, 2}),
                topic("b", new int[] {1, 1}, new int[] {0, 3}));
        return KillNode.partitions(
                new KillNode.Topics(topics, Map.of("a", 2, "b", 1)),
                nodes,
                gone,
                new KillNode.Voters(Set.of(1, 2, 3), left, controller));
    }

    @Test
    void withAQuorumLeftAnotherReplicaInSyncLeads() {
        assertEquals(new KillNode.Partitions(5, 0, 1), partitions(Set.of(2, 3), 2, List.of(1), Set.of()));
        assertEquals(new KillNode.Partitions(5, 3, 0), partitions(Set.of(1, 2), 1, List.of(2), Set.of(3)));
    }

    @Test
    void withoutAQuorumNobodyLeadsWhatTheKilledOnesLed() {
        // Killing two at once takes the quorum that would elect.
        assertEquals(new KillNode.Partitions(5, 1, 2), partitions(Set.of(1), 1, List.of(2, 3), Set.of()));
        // The quorum is lost already, and node 3 is down with what it led: killing node 1 takes two more.
        assertEquals(new KillNode.Partitions(5, 1, 2), partitions(Set.of(2), -1, List.of(1), Set.of(3)));
    }

    @Test
    void whatIsUnknownIsSaidToBe() {
        KillNode.Voters unknown = KillNode.configuredVoters(Set.of(), List.of(101), Set.of());
        KillNode.Impact impact = new KillNode.Impact(unknown, KillNode.Partitions.UNKNOWN, List.of(101));
        assertEquals(
                "there is no active controller, the voters are unknown; the impact on the partitions is unknown.",
                impact.sentence());
        assertTrue(impact.harmful());
        impact = new KillNode.Impact(
                new KillNode.Voters(Set.of(), Set.of(), KillNode.Voters.UNKNOWN),
                new KillNode.Partitions(6, 1, 0),
                List.of(101));
        assertEquals(
                "the impact on the quorum is unknown; of 6 partitions 1 fall under min ISR, 0 go offline.",
                impact.sentence());
        assertEquals("the impact on the quorum is unknown", impact.reason());
        assertTrue(impact.harmful(), "a principal with few rights needs --force");
        KillNode.Voters configured =
                KillNode.configuredVoters(Set.of(3000, 3001, 3002), List.of(101), Set.of(3000, 3001));
        impact = new KillNode.Impact(configured, new KillNode.Partitions(6, 0, 3), List.of(101));
        assertEquals(
                "there is no active controller, 1 of 3 voters left; by the metadata from before that, of 6 partitions"
                        + " 0 fall under min ISR, 3 go offline.",
                impact.sentence());
        assertEquals(
                "there is no active controller that could elect other leaders (1 of 3 voters left), and 3 of 6"
                        + " partitions would go offline",
                impact.reason());
    }

    @Test
    void votersAreReadFromTheirConfiguration() {
        Map<Integer, Node> voters = KillNode.configured("3000@controller-1:9093,3001@[::1]:9093, 3002@10.0.0.3:9093");
        assertEquals(
                List.of(
                        new Node(3000, "controller-1", 9093),
                        new Node(3001, "::1", 9093),
                        new Node(3002, "10.0.0.3", 9093)),
                List.copyOf(voters.values()));
        assertEquals(Map.of(), KillNode.configured(""));
        assertEquals(Map.of(), KillNode.configured(null));
    }

    // ---- Ctrl-C ----

    @Test
    void theCommandThatUndoesItReachesTheSameNodes() {
        KillNode script = new KillNode();
        script.common.configure(
                script,
                TestCluster.quiet(),
                TestCluster.quiet(),
                "3",
                "2",
                "-b",
                "b:1",
                "--for",
                "9s",
                "--force",
                "--kill-command",
                "false",
                "--start-command",
                "ssh {host} 'sudo start'");
        String command = script.undoCommand(List.of(3, 2));
        assertTrue(command.startsWith("start-node 3 2 "), command);
        assertTrue(
                command.contains(" --bootstrap-server b:1")
                        && command.contains(" --start-command 'ssh {host} '\\''sudo start'\\'''"),
                command);
        assertFalse(
                command.contains("--for") || command.contains("--kill-command") || command.contains("--force"),
                command);
    }

    /** A script that ignores interrupts, with the given patience. */
    @Command(name = "stubborn")
    static class Stubborn implements Callable<Integer> {
        @Mixin
        KillNode.Common common = new KillNode.Common();

        @Override
        public Integer call() {
            System.out.println("up");
            while (true)
                try {
                    Thread.sleep(60_000);
                } catch (InterruptedException e) {
                    System.out.println("interrupted");
                }
        }

        public static void main(String... args) {
            Stubborn script = new Stubborn();
            script.common.patience = Duration.parse(args[0]);
            script.common.leftover = () -> System.out.println("left");
            new KillNode.SecondInterrupt(script.common.leftover);
            script.common.run(script, new PrintWriter(System.out, true), new PrintWriter(System.err, true));
        }
    }

    @Test
    void whenPatienceIsOverWhatIsLeftIsNamed() throws Exception {
        TestCluster.Child child = TestCluster.child(Stubborn.class, "PT0.3S");
        TestCluster.await("it runs", () -> child.text().contains("up"));
        assertEquals(130, child.interrupt());
        assertEquals("up\ninterrupted\nleft\n", child.text());
    }

    @Test
    void aSecondCtrlCNamesWhatIsLeftAndEndsItAtOnce() throws Exception {
        TestCluster.Child child = TestCluster.child(Stubborn.class, "PT5M");
        TestCluster.await("it runs", () -> child.text().contains("up"));
        new ProcessBuilder("kill", "-INT", "" + child.process().pid()).start().waitFor();
        TestCluster.await("the first", () -> child.text().contains("interrupted"));
        TestCluster.await("the second", () -> {
            if (child.process().isAlive())
                new ProcessBuilder("kill", "-INT", "" + child.process().pid())
                        .start()
                        .waitFor();
            return !child.process().isAlive();
        });
        assertEquals(130, child.awaitExit());
        assertEquals("up\ninterrupted\nleft\n", child.text());
    }
}
