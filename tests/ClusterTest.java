import static org.junit.jupiter.api.Assertions.*;

import java.io.*;
import java.net.*;
import java.nio.channels.*;
import java.nio.file.*;
import java.util.*;
import java.util.stream.Stream;
import org.apache.kafka.clients.admin.*;
import org.apache.kafka.common.Node;
import org.junit.jupiter.api.*;

/** cluster: up, down, status, logs. Runs after the others, because its second half needs the shared cluster's ports. */
@Order(80)
@Tag("lab")
class ClusterTest {
    private static TestCluster.Run cluster(Object dataDir, String... args) {
        List<String> all = new ArrayList<>(List.of(args));
        all.addAll(List.of("--data-dir", dataDir.toString()));
        return TestCluster.run(Cluster::run, all.toArray(String[]::new));
    }

    private static Set<Integer> registered() throws Exception {
        try (Admin admin = TestCluster.admin()) {
            return new TreeSet<>(
                    admin.describeCluster().nodes().get().stream().map(Node::id).toList());
        }
    }

    @Test
    @Order(1)
    void threeBrokersAreRegisteredAndStatusSaysSo() throws Exception {
        TestCluster.healthy();
        assertEquals(Set.of(1, 2, 3), registered());
        try (Admin admin = TestCluster.admin()) {
            assertEquals(
                    Set.of(1, 2, 3),
                    Set.copyOf(admin.describeMetadataQuorum().quorumInfo().get().voters().stream()
                            .map(QuorumInfo.ReplicaState::replicaId)
                            .toList()));
        }
        TestCluster.Run status = cluster(TestCluster.DATA, "status");
        assertEquals(0, status.code(), status.toString());
        for (int id : Cluster.IDS)
            assertTrue(
                    status.out()
                            .lines()
                            .anyMatch(l -> l.matches(
                                    Cluster.name(id) + " +" + id + " +\\d+ +up +" + Cluster.port(id) + " .*")),
                    status.out());
        assertEquals(
                List.of("up", "up", "up"),
                cluster(TestCluster.DATA, "status", "--json").events().stream()
                        .map(e -> e.get("state"))
                        .toList());
    }

    @Test
    @Order(2)
    void aSecondUpChangesNothing() throws Exception {
        TestCluster.healthy();
        Map<Integer, Object> pids = TestCluster.pids();
        TestCluster.Run up = cluster(TestCluster.DATA, "up");
        assertEquals(0, up.code(), up.toString());
        assertEquals("Already up: " + Cluster.bootstrap() + "\n", up.out());
        assertEquals(pids, TestCluster.pids());
        TestCluster.Run other = cluster(TestCluster.DATA, "up", "--timeouts", "default");
        assertEquals(12, other.code(), other.toString());
        assertEquals(pids, TestCluster.pids());
    }

    @Test
    @Order(3)
    void upStartsAKilledNodeAgain() throws Exception {
        TestCluster.healthy();
        Map<Integer, Object> pids = TestCluster.pids();
        assertEquals(0, TestCluster.killNode("2", "--force").code());
        assertTrue(TestCluster.isFree(29292) && TestCluster.isFree(29293), "killed, and the ports are still taken");
        TestCluster.Run status = cluster(TestCluster.DATA, "status");
        assertEquals(10, status.code(), status.toString());
        assertTrue(
                status.out()
                        .lines()
                        .anyMatch(l -> l.startsWith("kafka02") && l.contains("down") && l.contains("fault: kill")),
                status.out());
        TestCluster.Run up = cluster(TestCluster.DATA, "up", "--timeouts", "fast");
        assertEquals(0, up.code(), up.toString());
        assertTrue(up.out().startsWith("Up in "), up.out());
        assertEquals(Set.of(1, 2, 3), registered());
        Map<Integer, Object> after = TestCluster.pids();
        assertEquals(List.of(pids.get(1), pids.get(3)), List.of(after.get(1), after.get(3)));
        assertNotEquals(pids.get(2), after.get(2));
    }

    @Test
    @Order(4)
    void logsPrintsTheLastLines() throws Exception {
        TestCluster.healthy();
        TestCluster.Run logs = cluster(TestCluster.DATA, "logs", "kafka01", "-n", "5");
        assertEquals(0, logs.code(), logs.toString());
        assertEquals(5, logs.out().lines().count(), logs.out());
        assertTrue(TestCluster.log(1).contains(logs.out()), logs.out());
        assertEquals(2, cluster(TestCluster.DATA, "logs", "kafka04").code());
        assertEquals(2, cluster(TestCluster.DATA, "logs").code());
    }

    // ---- With the shared cluster down ----

    @Test
    @Order(5)
    void downEndsAllThree() throws Exception {
        TestCluster.healthy();
        TestCluster.Run down = cluster(TestCluster.DATA, "down");
        assertEquals(0, down.code(), down.toString());
        assertTrue(down.out().startsWith("Down: 3 nodes ended"), down.out());
        assertEquals(List.of(), TestCluster.processesOf(Path.of(TestCluster.DATA)));
        for (int port : TestCluster.ports()) assertTrue(TestCluster.isFree(port), "port " + port);
        assertEquals(10, cluster(TestCluster.DATA, "status").code());
        assertEquals("Nothing was running.\n", cluster(TestCluster.DATA, "down").out());
        TestCluster.Run none = TestCluster.run(FindController::run, "--timeout", "5s");
        assertEquals(10, none.code(), none.toString());
        assertEquals(1, none.err().lines().count(), none.err());
    }

    @Test
    @Order(6)
    void aTakenPortIsNamedWithItsProcess() throws Exception {
        TestCluster.down();
        Path data = TestCluster.HOME.resolve("taken");
        try (ServerSocket socket = new ServerSocket()) {
            socket.setReuseAddress(true);
            socket.bind(new InetSocketAddress("127.0.0.1", 29292));
            TestCluster.Run up = cluster(data, "up");
            assertEquals(1, up.code(), up.toString());
            assertTrue(
                    up.err()
                            .startsWith("Port 29292 is in use by pid "
                                    + ProcessHandle.current().pid() + " (java): "),
                    up.err());
            assertEquals(1, up.err().lines().count(), up.err());
        }
        assertEquals(List.of(), TestCluster.processesOf(data));
    }

    @Test
    @Order(7)
    void dataOfTwoClustersIsRefused() throws Exception {
        TestCluster.down();
        Path data = TestCluster.HOME.resolve("mixed");
        for (int id : List.of(1, 2)) {
            Path folder = data.resolve(Cluster.name(id));
            Files.writeString(
                    Files.createDirectories(folder.resolve("data")).resolve("meta.properties"),
                    "version=1\ncluster.id=cluster" + id + "\nnode.id=" + id + "\n");
            Files.writeString(
                    folder.resolve("server.properties"),
                    "log.dirs=" + folder.resolve("data") + "\n"); // as written before node folders had a marker file
        }
        TestCluster.Run up = cluster(data, "up");
        assertEquals(1, up.code(), up.toString());
        assertTrue(
                up.err().contains("is of different clusters {cluster1=[kafka01], cluster2=[kafka02]}")
                        && up.err().contains("--fresh"),
                up.err());
        assertEquals(List.of(), TestCluster.processesOf(data));
    }

    @Test
    @Order(8)
    void whatAKilledUpLeftBehindIsEndedByDown() throws Exception {
        TestCluster.down();
        Path data = TestCluster.HOME.resolve("interrupted");
        TestCluster.Child up = TestCluster.child(Cluster.class, "up", "--data-dir", data.toString());
        TestCluster.await(
                "a node's process",
                () -> !up.process().isAlive() || !TestCluster.processesOf(data).isEmpty());
        assertTrue(up.process().isAlive(), up.text());
        up.process().destroyForcibly().waitFor();
        assertFalse(TestCluster.processesOf(data).isEmpty());
        TestCluster.Run down = cluster(data, "down");
        assertEquals(0, down.code(), down.toString());
        assertTrue(down.out().startsWith("Down: "), down.out());
        assertEquals(List.of(), TestCluster.processesOf(data));
    }

    @Test
    @Order(9)
    void ctrlCWhileStartingEndsWhatWasStarted() throws Exception {
        TestCluster.down();
        Path data = TestCluster.HOME.resolve("interrupted");
        TestCluster.Child up = TestCluster.child(Cluster.class, "up", "--data-dir", data.toString());
        TestCluster.await(
                "a node's process",
                () -> !up.process().isAlive() || !TestCluster.processesOf(data).isEmpty());
        assertEquals(130, up.interrupt(), up.text());
        TestCluster.await("the nodes' end", () -> TestCluster.processesOf(data).isEmpty());
    }

    /** The archive comes from a node's first run, is created when no node runs, and leaves other files alone. */
    @Test
    @Order(20)
    void theClassArchiveIsCreatedInTheBackgroundAfterDown() throws Exception {
        TestCluster.down();
        Path home = Files.createDirectories(TestCluster.HOME.resolve("home"));
        Path data = Files.createDirectories(TestCluster.HOME.resolve("theirs"));
        Path theirs = Files.createDirectories(data.resolve("archive")).resolve("thesis.txt");
        Files.writeString(theirs, "theirs");
        Files.writeString(data.resolve("lock"), "theirs");
        atHome(home, data, "up", "");
        assertEquals(List.of(), creators(home), "while the nodes run");
        atHome(home, data, "down", "A CDS archive");
        assertEquals(1, creators(home).size());
        if (Files.exists(Path.of("/proc/self/stat"))) {
            long pid = creators(home).get(0).pid();
            String stat = Files.readString(Path.of("/proc/" + pid + "/stat"));
            assertEquals("19", stat.substring(stat.lastIndexOf(')') + 2).split(" ")[16], "niceness");
        }
        atHome(home, data, "down", "");
        assertEquals(1, creators(home).size(), "a second down creates no second one");
        atHome(home, data, "up", "");
        assertEquals(List.of(), creators(home), "it is abandoned when nodes start");
        TestCluster.await(
                "nothing to be left of it", () -> cached(home, ".*jsa.*").isEmpty());
        atHome(home, data, "down", "A CDS archive");
        TestCluster.await("the archive", () -> !cached(home, ".*[.]jsa").isEmpty());
        Path archive = home.resolve("cache").resolve(cached(home, ".*jsa.*").get(0));
        assertTrue(Files.size(archive) > 1 << 20, archive.toString());
        atHome(home, data, "up", "");
        assertTrue(Files.readString(data.resolve("kafka01/node.json")).contains("-XX:SharedArchiveFile=" + archive));
        atHome(home, data, "down", "");
        assertEquals(List.of(), creators(home), "once");
        assertEquals(
                List.of("theirs", "theirs"), List.of(Files.readString(theirs), Files.readString(data.resolve("lock"))));
    }

    private static void atHome(Path home, Path data, String action, String said) throws Exception {
        TestCluster.Child child = TestCluster.child(
                Map.of("KRAFT_LAB_HOME", home.toString()), Cluster.class, action, "--data-dir", data.toString());
        assertEquals(0, child.awaitExit(), child.text());
        assertTrue(child.text().contains(said), child.text());
        assertEquals(said.isEmpty() ? 1 : 2, child.text().lines().count(), child.text());
    }

    private static List<ProcessHandle> creators(Path home) {
        return LocalProcess.jvmsWith("-Dkraft-lab.archive=" + home).toList();
    }

    private static List<String> cached(Path home, String names) throws Exception {
        try (Stream<Path> files = Files.list(home.resolve("cache"))) {
            return files.map(f -> f.getFileName().toString())
                    .filter(f -> f.matches(names))
                    .toList();
        }
    }

    /** Otherwise a node that start-node is starting at that moment would be left running. */
    @Test
    @Order(22)
    void downWaitsForAnotherCommandThatIsAtWork() throws Exception {
        Path data = Files.createDirectories(TestCluster.HOME.resolve("busy"));
        StringWriter out = new StringWriter(), err = new StringWriter();
        Thread down = new Thread(() ->
                Cluster.run(new PrintWriter(out), new PrintWriter(err, true), "down", "--data-dir", data.toString()));
        try (FileChannel channel =
                        FileChannel.open(data.resolve("lock"), StandardOpenOption.CREATE, StandardOpenOption.WRITE);
                FileLock held = channel.lock()) {
            down.start();
            TestCluster.await(
                    "it says that it waits",
                    () -> err.toString().startsWith("Waiting for another command that is at work in " + data));
            assertEquals("", out.toString());
        }
        down.join(10_000);
        assertEquals("Nothing was running.\n", out.toString());
    }

    @Test
    @Order(21)
    void downEndsNobodyWhoOnlyMentionsANode() throws Exception {
        Path data = TestCluster.HOME.resolve("mentioned");
        Process other =
                new ProcessBuilder("sh", "-c", "read line; : -Dkraft-lab.node=" + data.resolve("kafka01")).start();
        try {
            assertEquals(0, cluster(data, "down").code());
            assertTrue(other.isAlive(), "a shell with the words in its text was ended");
        } finally {
            other.destroyForcibly();
        }
    }
}
