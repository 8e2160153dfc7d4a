import static org.junit.jupiter.api.Assertions.*;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import com.fasterxml.jackson.jr.ob.JSON;
import java.io.*;
import java.nio.channels.FileLock;
import java.nio.file.*;
import java.nio.file.attribute.PosixFilePermissions;
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

/** What kill-node and start-node do without a cluster: whom they trust, whom they signal, what they run, and what they say that it means. */
class KillNodeTest {
    private static final String MARK = "-Dkraft-lab.node=";

    @TempDir
    Path temp;

    private final List<Process> processes = new ArrayList<>();

    @AfterEach
    void end() {
        for (Process p : processes) {
            p.descendants().forEach(ProcessHandle::destroyForcibly);
            p.destroyForcibly();
        }
    }

    // ---- What a command gets ----

    private static String filled(int id, String host, int port) {
        return KillNode.Hooks.filled(
                "ssh {host} stop {id} {name} {mode}",
                new KillNode.Target(id, "kafka01", host, port, "broker", "unknown"),
                "kill");
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
        // A child; a grandchild whose parent has ended, so that it is nobody's descendant; and one in a session of its
        // own.
        String line =
                "sleep 301 & echo $! >> PIDS; (sleep 302 & echo $! >> PIDS); setsid sh -c 'echo $$ >> PIDS; exec sleep 303' & wait"
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

    // ---- A node.json that others may have written ----

    /** Of a node that is down, and whose start would leave a file. */
    private Path plant() throws Exception {
        Path data = Files.createDirectories(temp.resolve("cluster")),
                folder = Files.createDirectories(data.resolve("kafka01"));
        Map<String, Object> json = new LinkedHashMap<>();
        json.putAll(Map.of(
                "id",
                1,
                "name",
                "kafka01",
                "pid",
                0,
                "started",
                "2024-01-01T00:00:00Z",
                "port",
                1,
                "controllerPort",
                2));
        json.put("log", folder.resolve("server.log").toString());
        json.put("command", List.of("touch", temp.resolve("started").toString()));
        write(json);
        return data;
    }

    /** As cluster up makes it, whatever the umask here is: a file that only its owner may write to, and its folders likewise. */
    static void writeNode(Path file, Map<String, Object> json) throws Exception {
        Files.writeString(file, JSON.std.asString(json));
        Files.setPosixFilePermissions(file, PosixFilePermissions.fromString("rw-r--r--"));
        for (Path folder : List.of(file.getParent(), file.getParent().getParent()))
            Files.setPosixFilePermissions(folder, PosixFilePermissions.fromString("rwxr-xr-x"));
    }

    private Path file() {
        return temp.resolve("cluster/kafka01/node.json");
    }

    private void write(Map<String, Object> json) throws Exception {
        writeNode(file(), json);
    }

    private Map<String, Object> json() throws Exception {
        return JSON.std.mapFrom(file().toFile());
    }

    private TestCluster.Run run(String... args) {
        return TestCluster.run(
                KillNode::run,
                TestCluster.with(
                        args,
                        "--runtime",
                        "embedded",
                        "--data-dir",
                        temp.resolve("cluster").toString()));
    }

    private TestCluster.Run start() {
        return run("1", "--restore", "--no-wait");
    }

    private void isRefused(String reason) {
        for (TestCluster.Run run : List.of(
                start(),
                run("1", "--force"),
                TestCluster.run(
                        Nodes::run,
                        "--runtime",
                        "embedded",
                        "--data-dir",
                        temp.resolve("cluster").toString()))) {
            assertEquals(12, run.code(), run.toString());
            assertTrue(run.err().contains(file().toString()) && run.err().contains(reason), run.err());
        }
        assertFalse(Files.exists(temp.resolve("started")), "its command was run");
    }

    @Test
    void aNodesFileThatOthersMayWriteIsNotObeyed() throws Exception {
        Path data = plant();
        for (Path path : List.of(file(), file().getParent(), data)) {
            String before = PosixFilePermissions.toString(Files.getPosixFilePermissions(path));
            for (String open : List.of("rwxrwxr-x", "rwxr-xrwx")) {
                Files.setPosixFilePermissions(path, PosixFilePermissions.fromString(open));
                isRefused(path.equals(file()) ? "it can be written by others" : path + " can be written by others");
            }
            Files.setPosixFilePermissions(path, PosixFilePermissions.fromString(before));
        }
        assertEquals(0, start().code(), "as it was before");
        TestCluster.await("its command", () -> Files.exists(temp.resolve("started")));
    }

    @Test
    void aNodesFileOfAnotherUserIsNotObeyed() throws Exception {
        assumeTrue("root".equals(System.getProperty("user.name")), "only root can give a file away");
        Path data = plant();
        for (Path path : List.of(file(), file().getParent(), data)) {
            Files.setAttribute(path, "unix:uid", 65534);
            isRefused("belongs to ");
            Files.setAttribute(path, "unix:uid", 0);
        }
    }

    @Test
    void aNodesFileThatIsALinkIsNotObeyed() throws Exception {
        plant();
        Path elsewhere = Files.move(file(), temp.resolve("elsewhere.json"));
        Files.createSymbolicLink(file(), elsewhere);
        isRefused("it is a symbolic link");
        Files.delete(file());
        Files.move(elsewhere, file());
        Path folder = Files.move(file().getParent(), temp.resolve("folder"));
        Files.createSymbolicLink(temp.resolve("cluster/kafka01"), folder);
        isRefused("kafka01 is a symbolic link");
    }

    @Test
    void aNodesFileThatIsNoneIsOneSentence() throws Exception {
        plant();
        Files.writeString(file(), "{ cut o");
        TestCluster.Run run = start();
        assertEquals(1, run.code(), run.toString());
        assertEquals(1, run.err().lines().count(), run.err());
    }

    // ---- Which process is the node's ----

    private Process process(String... command) throws Exception {
        Process process = new ProcessBuilder(command).redirectErrorStream(true).start();
        processes.add(process);
        return process;
    }

    private static long ticks(long pid) throws Exception {
        String stat = Files.readString(Path.of("/proc/" + pid + "/stat"));
        return Long.parseLong(stat.substring(stat.lastIndexOf(')') + 2).split(" ")[19]);
    }

    private static String boot() throws Exception {
        return Files.readString(Path.of("/proc/sys/kernel/random/boot_id")).strip();
    }

    private void plantProcess(Process node, Instant started, Long ticks, String boot) throws Exception {
        plant();
        Map<String, Object> json = json();
        json.putAll(Map.of("pid", node.pid(), "started", started.toString()));
        if (ticks != null) json.putAll(Map.of("startTicks", ticks, "bootId", boot));
        write(json);
    }

    private void isLeftAlone(Process process) throws Exception {
        for (String mode : List.of("kill", "stop", "pause"))
            assertEquals(1, run("1", "--force", "--mode", mode).code());
        assertTrue(process.isAlive());
        assertFalse(
                Files.readString(Path.of("/proc/" + process.pid() + "/stat")).matches("(?s).*\\) T .*"),
                "it is stopped");
    }

    @Test
    void aStepOfTheClockMakesNoNodeDown() throws Exception {
        assumeTrue(Files.exists(Path.of("/proc/self/stat")), "no /proc here");
        Process node = process("sleep", "305");
        for (Duration step : List.of(Duration.ofSeconds(-10), Duration.ofSeconds(10), Duration.ofHours(1))) {
            plantProcess(node, Instant.now().plus(step), ticks(node.pid()), boot());
            TestCluster.Run nodes = TestCluster.run(
                    Nodes::run,
                    "--runtime",
                    "embedded",
                    "--data-dir",
                    temp.resolve("cluster").toString());
            assertTrue(
                    nodes.out().lines().anyMatch(l -> l.startsWith("1 ") && l.endsWith("broker,controller  running")),
                    nodes.toString());
            TestCluster.Run start = start();
            assertTrue(start.err().contains("kafka01 is already running."), start.toString());
            assertFalse(Files.exists(temp.resolve("started")), "a second process was started");
        }
        fault(KillNode.Mode.KILL);
        assertEquals(128 + 9, node.waitFor());
    }

    /** Without the cluster, of which kill-node would ask what it means. */
    private void fault(KillNode.Mode mode) throws Exception {
        KillNode script = new KillNode();
        script.common.configure(
                script,
                TestCluster.quiet(),
                TestCluster.quiet(),
                "1",
                "--runtime",
                "embedded",
                "--data-dir",
                temp.resolve("cluster").toString());
        KillNode.NodeRuntime runtime = script.runtime();
        runtime.fault(runtime.nodes().get(0), mode);
    }

    @Test
    void aProcessOfAnotherStartOrBootIsNotSignalled() throws Exception {
        assumeTrue(Files.exists(Path.of("/proc/self/stat")), "no /proc here");
        Process stranger = process("sleep", "306");
        Instant started = stranger.info().startInstant().orElseThrow();
        plantProcess(stranger, started, ticks(stranger.pid()) + 1, boot());
        isLeftAlone(stranger);
        plantProcess(stranger, started, ticks(stranger.pid()), "00000000-0000-0000-0000-000000000000");
        isLeftAlone(stranger);
    }

    /** A file of an older version, or of a system without /proc: the start instant, and the node's mark in the command line. */
    @Test
    void withoutTicksTheCommandLineSaysWhoseProcessItIs() throws Exception {
        String mark = MARK + temp.resolve("cluster/kafka01");
        Process stranger = process("sleep", "307"), node = process("sh", "-c", "sleep 308; true", mark);
        for (Process p : List.of(stranger, node)) {
            plantProcess(p, p.info().startInstant().orElseThrow(), null, null);
            Map<String, Object> json = json();
            json.put("command", List.of("touch", temp.resolve("started").toString(), mark));
            write(json);
            if (p == stranger) isLeftAlone(p);
        }
        fault(KillNode.Mode.KILL);
        assertEquals(128 + 9, node.waitFor());
    }

    // ---- One at a time ----

    /** Holds the lock on a file until it is ended. */
    static class Holder {
        public static void main(String... args) throws Exception {
            try (RandomAccessFile file = new RandomAccessFile(args[0], "rw");
                    FileLock lock = file.getChannel().lock()) {
                System.out.println("held " + lock.isValid());
                System.in.read();
                Thread.sleep(60_000);
            }
        }
    }

    private Process holding(Path file) throws Exception {
        Process holder = process(
                Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                "-cp",
                System.getProperty("java.class.path"),
                Holder.class.getName(),
                file.toString());
        assertEquals("held true", holder.inputReader().readLine());
        return holder;
    }

    @Test
    void noSecondProcessIsStartedOnTheSameData() throws Exception {
        plant();
        Path lock = Files.createDirectories(temp.resolve("other")).resolve(".lock");
        Files.writeString(temp.resolve("cluster/kafka01/server.properties"), "log.dirs=" + lock.getParent() + "\n");
        Process broker = holding(lock);
        TestCluster.Run run = start();
        assertEquals(12, run.code(), run.toString());
        assertTrue(run.err().contains("The data of kafka01 in " + lock.getParent() + " is in use"), run.err());
        assertFalse(Files.exists(temp.resolve("started")));
        broker.destroyForcibly().waitFor();
        assertEquals(0, start().code());
        TestCluster.await("its command", () -> Files.exists(temp.resolve("started")));
        Map<String, Object> json = json();
        assertTrue(json.get("pid") instanceof Number pid && pid.intValue() > 0, json.toString());
        assertEquals(
                "rw-r--r--",
                PosixFilePermissions.toString(Files.getPosixFilePermissions(file())),
                "whatever the umask");
    }

    @Test
    void nothingIsStartedWhileAnotherCommandIsAtWork() throws Exception {
        Path data = plant();
        Process up = holding(data.resolve("lock"));
        TestCluster.Run run = run("1", "--restore", "--no-wait", "--timeout", "300ms");
        assertEquals(15, run.code(), run.toString());
        assertTrue(run.err().contains("Another command") && run.err().contains(data.toString()), run.err());
        assertFalse(Files.exists(temp.resolve("started")));
        up.destroyForcibly().waitFor();
        assertEquals(0, start().code());
    }

    // ---- What it means ----

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
        // Two at once: with them goes the quorum that would elect.
        assertEquals(new KillNode.Partitions(5, 1, 2), partitions(Set.of(1), 1, List.of(2, 3), Set.of()));
        // It is lost already, and node 3 is gone with what it led: node 1 takes two more.
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

    /** A script that does not end when it is interrupted, and has as much patience as its argument says. */
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
