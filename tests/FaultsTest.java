import static org.junit.jupiter.api.Assertions.*;

import java.io.ByteArrayInputStream;
import java.io.InputStream;
import java.nio.file.*;
import java.time.Duration;
import java.util.*;
import java.util.concurrent.*;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.apache.kafka.clients.admin.*;
import org.apache.kafka.common.Node;
import org.apache.kafka.common.TopicPartitionInfo;
import org.junit.jupiter.api.*;

/** Runs find-controller, kill-node and start-node on real nodes, with real signals. */
@Order(40)
@Tag("faults")
class FaultsTest {
    @BeforeEach
    void healthy() throws Exception {
        TestCluster.healthy();
    }

    // ---- find-controller ----

    @Test
    @Order(1)
    void findControllerAgreesWithTheBrokersLogsThroughAKill() throws Exception {
        killControllers(1);
    }

    @Tag("soak")
    @Test
    void findControllerAgreesWithTheBrokersLogsThroughManyKills() throws Exception {
        killControllers(20);
    }

    private static void killControllers(int times) throws Exception {
        Map<String, Object> found = find();
        for (int kill = 1; kill <= times; kill++) {
            int id = (int) found.get("controller"), epoch = (int) found.get("epoch");
            TestCluster.Run killed = TestCluster.killNode("controller");
            assertEquals(0, killed.code(), killed.toString());
            assertEquals(Cluster.name(id) + " killed\n", killed.out());
            assertFalse(TestCluster.runs(id), "SIGKILL");
            found = find();
            assertNotEquals(id, found.get("controller"), "the dead node is named");
            assertTrue((int) found.get("epoch") > epoch, found + " after epoch " + epoch);
            TestCluster.Run started = TestCluster.startNode("" + id);
            assertEquals(0, started.code(), started.toString());
            assertEquals(Cluster.name(id) + " restored\n", started.out());
            assertTrue(TestCluster.runs(id));
            TestCluster.awaitInSync();
        }
    }

    /** Returns find-controller's answer after confirming it with that node's log and no other's. */
    private static Map<String, Object> find() throws Exception {
        TestCluster.Run run = TestCluster.run(FindController::run, "--json");
        assertEquals(0, run.code(), run.toString());
        Map<String, Object> event = run.events().get(0);
        int controller = (int) event.get("controller"), epoch = (int) event.get("epoch");
        TestCluster.await(
                "node " + controller + " logs that it is active in epoch " + epoch,
                () -> becameActive(controller, epoch));
        for (int id : Cluster.IDS)
            assertEquals(id == controller, becameActive(id, epoch), "node " + id + ", epoch " + epoch);
        assertEquals(controller + "\n", TestCluster.run(FindController::run).out());
        return event;
    }

    private static boolean becameActive(int id, int epoch) throws Exception {
        return Pattern.compile("Becoming the active controller at epoch " + epoch + "\\b")
                .matcher(TestCluster.log(id))
                .find();
    }

    @Test
    @Order(2)
    void findControllerLongShowsEveryVoter() throws Exception {
        List<String> lines =
                TestCluster.run(FindController::run, "--long").out().lines().toList();
        assertTrue(
                lines.get(0).startsWith("Active controller " + TestCluster.controller() + ", epoch "),
                lines.toString());
        for (int id : Cluster.IDS)
            assertTrue(
                    lines.stream().anyMatch(l -> l.matches(id + " +(leader|follower) .*localhost:" + Cluster.port(id))),
                    lines.toString());
    }

    // ---- Impact of a fault ----

    @Test
    @Order(3)
    void aDryRunSaysWhatItMeansAndChangesNothing() throws Exception {
        TestCluster.createTopic("strict", "--partitions", "2", "--config", "min.insync.replicas=3");
        TestCluster.createTopic("single", "--partitions", "5", "--replication-factor", "1");
        Map<Integer, Object> pids = TestCluster.pids();
        int id = TestCluster.follower();
        try (Admin admin = TestCluster.admin()) {
            int all = allPartitions(admin);
            long alone = partitions(admin, "single").stream()
                    .filter(p -> p.leader().id() == id)
                    .count();
            TestCluster.Run run = TestCluster.killNode("" + id, "--dry-run");
            assertEquals(0, run.code(), run.toString());
            assertEquals("", run.out());
            String sentence = "kill " + Cluster.name(id) + ": 2 of 3 voters left, the quorum holds; of " + all
                    + " partitions 2 fall under min ISR, " + alone + " go offline.";
            assertTrue(run.err().contains(sentence), sentence + " expected: " + run.err());
            String role = TestCluster.killNode("controller", "--dry-run").err();
            assertTrue(
                    role.contains("kill " + Cluster.name(TestCluster.controller())
                            + ": the active controller is among them; "),
                    role);

            assertTrue(alone > 0, "five partitions of one replica on three nodes");
            TestCluster.Run refused = TestCluster.killNode("" + id);
            assertEquals(12, refused.code(), refused.toString());
            assertTrue(refused.err().contains(alone + " of " + all + " partitions would go offline"), refused.err());
            assertEquals(pids, TestCluster.pids());
            for (int node : Cluster.IDS)
                assertTrue(TestCluster.runs(node) && TestCluster.node(node).get("fault") == null);
            admin.deleteTopics(List.of("strict", "single")).all().get();
        }
    }

    private static int allPartitions(Admin admin) throws Exception {
        return admin
                .describeTopics(admin.listTopics(new ListTopicsOptions().listInternal(true))
                        .names()
                        .get())
                .allTopicNames()
                .get()
                .values()
                .stream()
                .mapToInt(t -> t.partitions().size())
                .sum();
    }

    @Test
    @Order(4)
    void theQuorumIsNotLostWithoutForce() throws Exception {
        List<String> before = new ArrayList<>(), after = new ArrayList<>();
        for (int id : Cluster.IDS) before.add(Files.readString(TestCluster.nodeFile(id)));
        TestCluster.Run run = TestCluster.killNode("1", "kafka03");
        assertEquals(12, run.code(), run.toString());
        assertTrue(
                run.err().contains("Refused: the quorum would be lost (1 of 3 voters left)")
                        && run.err().contains("--force"),
                run.err());
        assertEquals("", run.out());
        for (int id : Cluster.IDS) after.add(Files.readString(TestCluster.nodeFile(id)));
        assertEquals(before, after);
        for (int id : Cluster.IDS) assertTrue(TestCluster.runs(id));
    }

    /** The cluster notices a dead node only after seconds; the second kill must not rely on its outdated view. */
    @Test
    @Order(4)
    void aSecondKillRightAfterTheFirstIsRefused() throws Exception {
        int controller = TestCluster.controller(), first = controller % 3 + 1, second = first % 3 + 1;
        assertEquals(0, TestCluster.killNode("" + first).code());
        TestCluster.Run run = TestCluster.killNode("" + second);
        assertEquals(12, run.code(), run.toString());
        assertTrue(run.err().contains("1 of 3 voters left"), run.err());
        assertTrue(TestCluster.runs(second));
        assertEquals(0, TestCluster.startNode("" + first).code());
    }

    // ---- Naming nodes ----

    @Test
    @Order(5)
    void nodesAreNamedByIdNameRoleAndOnStdin() throws Exception {
        TestCluster.createTopic("faults", "--partitions", "3");
        try (Admin admin = TestCluster.admin()) {
            for (TopicPartitionInfo p : partitions(admin, "faults"))
                assertEquals(List.of(p.leader().id()), chosen("leader:faults-" + p.partition()));
        }
        assertEquals(List.of(3), chosen("kafka03"));
        assertEquals(List.of(2, 1), chosen("2", "kafka01", "2"));
        assertEquals(List.of(1, 2, 3), chosen("all"));
        assertEquals(1, chosen("random").size());
        assertEquals(3, Set.copyOf(chosen("random", "random", "random")).size());
        InputStream stdin = System.in;
        try {
            System.setIn(new ByteArrayInputStream("3\n  1 \n".getBytes()));
            assertEquals(List.of(3, 1), chosen("-"));
        } finally {
            System.setIn(stdin);
        }
        for (String wrong : List.of("4", "kafka04", "leader:faults", "leader:faults-3", "leader:nothing-0")) {
            TestCluster.Run run = TestCluster.killNode(wrong, "--dry-run");
            assertEquals(2, run.code(), run.toString());
            assertEquals(
                    1, run.err().lines().filter(l -> !l.startsWith("Runtime")).count(), run.err());
        }
        assertEquals(2, TestCluster.killNode("--dry-run").code(), "no node named");
    }

    private static List<Integer> chosen(String... words) {
        String[] args = Arrays.copyOf(words, words.length + 1);
        args[words.length] = "--dry-run";
        TestCluster.Run run = TestCluster.killNode(args);
        assertEquals(0, run.code(), run.toString());
        Matcher m = Pattern.compile("(?m)^kill ([^:]+):").matcher(run.err());
        assertTrue(m.find(), run.err());
        return Arrays.stream(m.group(1).split(", "))
                .map(name -> Integer.parseInt(name.replace("kafka0", "")))
                .toList();
    }

    // ---- Modes ----

    @Test
    @Order(6)
    void stopLetsTheNodeShutDownInOrder() throws Exception {
        int id = TestCluster.follower();
        TestCluster.Run run = TestCluster.killNode("" + id, "--mode", "stop");
        assertEquals(0, run.code(), run.toString());
        assertEquals(Cluster.name(id) + " stopped\n", run.out());
        assertFalse(TestCluster.runs(id), "it waits for the end");
        assertEquals("stop", ((Map<?, ?>) TestCluster.node(id).get("fault")).get("mode"));
        String log = TestCluster.log(id);
        assertTrue(
                log.substring(log.lastIndexOf("Kafka Server started")).contains("shut down completed"),
                "the log has no orderly end");
        TestCluster.Run again = TestCluster.killNode("" + id);
        assertEquals(1, again.code(), again.toString());
        assertTrue(again.err().contains("is down already"), again.err());
        assertEquals(0, TestCluster.startNode(Cluster.name(id)).code());
        assertNull(TestCluster.node(id).get("fault"));
    }

    @Test
    @Order(7)
    void aPausedNodeLeavesTheIsrAndComesBack() throws Exception {
        int id = TestCluster.follower();
        Object pid = TestCluster.pids().get(id);
        TestCluster.Run run = TestCluster.killNode("" + id, "--mode", "pause", "--json");
        assertEquals(0, run.code(), run.toString());
        Map<String, Object> fault = run.events().get(0);
        assertEquals(List.of("fault", id, "pause"), List.of(fault.get("type"), fault.get("node"), fault.get("mode")));
        TestCluster.Run watch = TestCluster.run(WatchIsr::run, "--until", "under-replicated", "--topic", "faults");
        assertEquals(0, watch.code(), watch.toString());
        try (Admin admin = TestCluster.admin()) {
            TestCluster.await(
                    "node " + id + " out of every ISR",
                    () -> partitions(admin, "faults").stream()
                            .noneMatch(p -> p.isr().stream().anyMatch(n -> n.id() == id)));
            assertTrue(TestCluster.runs(id), "SIGSTOP, not SIGKILL");
            TestCluster.Run status = TestCluster.run(Cluster::run, "status", "--data-dir", TestCluster.DATA);
            assertEquals(10, status.code(), status.toString());
            assertTrue(
                    status.out()
                            .lines()
                            .anyMatch(l -> l.startsWith(Cluster.name(id))
                                    && l.contains("paused")
                                    && l.contains("fault: pause")),
                    status.out());

            TestCluster.Run started = TestCluster.startNode("" + id);
            assertEquals(0, started.code(), started.toString());
            assertEquals(
                    0,
                    TestCluster.run(WatchIsr::run, "--until", "in-sync", "--topic", "faults")
                            .code());
            for (TopicPartitionInfo p : partitions(admin, "faults"))
                assertEquals(
                        Set.of(1, 2, 3),
                        Set.copyOf(p.isr().stream().map(Node::id).toList()));
        }
        assertEquals(pid, TestCluster.pids().get(id), "the same process goes on");
    }

    /**
     * A client may first connect to the paused node, which is still in the metadata: it must turn to another one and
     * not report the quorum as lost.
     */
    @Test
    @Order(7)
    void aNodeThatWasJustPausedCanBeKilled() throws Exception {
        int id = TestCluster.follower();
        assertEquals(0, TestCluster.killNode("" + id, "--mode", "pause").code());
        ExecutorService pool = Executors.newFixedThreadPool(6); // each client picks a node at random
        try {
            List<Future<TestCluster.Run>> runs = new ArrayList<>();
            for (int i = 0; i < 6; i++) runs.add(pool.submit(() -> TestCluster.killNode("" + id, "--dry-run")));
            for (Future<TestCluster.Run> run : runs)
                assertTrue(
                        run.get().err().contains(": 2 of 3 voters left, the quorum holds; of "),
                        run.get().toString());
        } finally {
            pool.shutdown();
        }
        TestCluster.Run killed = TestCluster.killNode("" + id);
        assertEquals(0, killed.code(), killed.toString());
        assertFalse(TestCluster.runs(id));
        assertEquals(0, TestCluster.startNode("" + id).code());
    }

    private static List<TopicPartitionInfo> partitions(Admin admin, String topic) throws Exception {
        return admin.describeTopics(List.of(topic))
                .allTopicNames()
                .get()
                .get(topic)
                .partitions();
    }

    @Test
    @Order(8)
    void aFaultForAWhileIsUndone() throws Exception {
        int id = TestCluster.follower();
        Object pid = TestCluster.pids().get(id);
        long start = System.nanoTime();
        TestCluster.Run run = TestCluster.killNode("" + id, "--for", "2s", "--json");
        assertEquals(0, run.code(), run.toString());
        assertTrue(System.nanoTime() - start > Duration.ofSeconds(2).toNanos());
        assertEquals(
                List.of("fault", "restored"),
                run.events().stream().map(e -> e.get("type")).toList());
        assertTrue(TestCluster.runs(id));
        assertNotEquals(pid, TestCluster.pids().get(id));
        assertNull(TestCluster.node(id).get("fault"));
    }

    @Test
    @Order(9)
    void aFaultForAWhileIsUndoneOnCtrlCToo() throws Exception {
        int id = TestCluster.follower();
        TestCluster.Child child =
                TestCluster.child(KillNode.class, "" + id, "--for", "60s", "--data-dir", TestCluster.DATA);
        TestCluster.await("the kill", () -> child.text().contains(" killed"));
        assertFalse(TestCluster.runs(id));
        assertEquals(130, child.interrupt(), child.text());
        assertTrue(child.text().contains(Cluster.name(id) + " restored"), child.text());
        assertTrue(TestCluster.runs(id));
        TestCluster.await("it answers", () -> KillNode.Common.answers("localhost", Cluster.port(id), 1000));
    }

    /**
     * A paused node does not handle SIGTERM until it resumes, and a controller drains: the interrupt may come in the
     * middle of the stop.
     */
    @Test
    @Order(9)
    void anInterruptedStopForAWhileIsUndoneToo() throws Exception {
        int id = TestCluster.controller();
        TestCluster.Child child = TestCluster.child(
                KillNode.class, "" + id, "--mode", "stop", "--for", "60s", "--data-dir", TestCluster.DATA);
        TestCluster.await("the fault is noted", () -> TestCluster.node(id).get("fault") != null);
        assertEquals(130, child.interrupt(), child.text());
        assertTrue(TestCluster.runs(id));
        assertNull(TestCluster.node(id).get("fault"));
        TestCluster.await("it answers", () -> KillNode.Common.answers("localhost", Cluster.port(id), 1000));
    }

    // ---- Only the node's own process is signalled ----

    @Test
    @Order(12)
    void aStrangerWithTheNodesPidIsNotSignalled() throws Exception {
        Process sleep = new ProcessBuilder("sleep", "300").start();
        Path data = TestCluster.HOME.resolve("stranger"),
                file = Files.createDirectories(data.resolve("kafka01")).resolve("node.json");
        String begun = sleep.info().startInstant().orElseThrow().toString();
        Map<String, Object> json = TestCluster.node(1);
        json.put("pid", sleep.pid());
        json.put("started", "2024-01-01T00:00:00Z");
        NodeFileTest.writeNode(file, json);
        // Without a marker file, down would ignore the folder.
        OwnFiles.mark(file.getParent(), "a node", "cluster up", "a test deletes it");
        for (String mode : List.of("kill", "stop", "pause")) {
            TestCluster.Run run =
                    TestCluster.run(KillNode::run, "1", "--force", "--mode", mode, "--data-dir", data.toString());
            assertEquals(1, run.code(), run.toString());
        }
        assertEquals(
                "Nothing was running.\n",
                TestCluster.run(Cluster::run, "down", "--data-dir", data.toString())
                        .out());
        assertTrue(sleep.isAlive());
        // With the right start time it is the node and is killed: only the check above kept it alive.
        json.put("started", begun);
        String stat = Files.readString(Path.of("/proc/" + sleep.pid() + "/stat"));
        json.put(
                "startTicks",
                Long.valueOf(stat.substring(stat.lastIndexOf(')') + 2).split(" ")[19]));
        json.put(
                "bootId",
                Files.readString(Path.of("/proc/sys/kernel/random/boot_id")).strip());
        NodeFileTest.writeNode(file, json);
        TestCluster.Run run = TestCluster.run(KillNode::run, "1", "--data-dir", data.toString());
        assertEquals(0, run.code(), run.toString());
        assertEquals(128 + 9, sleep.waitFor());
    }

    @Test
    @Order(13)
    void aRoleOfAnotherClusterBreaksNoNodeHere() throws Exception {
        TestCluster.Run run = TestCluster.killNode("controller", "-b", "localhost:9092");
        assertEquals(12, run.code(), run.toString());
        for (int id : Cluster.IDS) assertTrue(TestCluster.runs(id));
    }
}
