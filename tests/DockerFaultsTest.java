import static org.junit.jupiter.api.Assertions.*;

import java.nio.file.*;
import java.time.*;
import java.util.*;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.common.*;
import org.junit.jupiter.api.*;

/** Runs kill-node and start-node on containers: each mode has its effect as Kafka and as the engine report it. */
@Tag("docker")
@Order(98)
class DockerFaultsTest {
    private static final String TOPIC = "docker-faults";
    private static final String NETWORKS =
            "{{range $n, $c := .NetworkSettings.Networks}}{{$n}}:{{join $c.Aliases \",\"}} {{end}}";

    @BeforeEach
    void healthy() throws Exception {
        TestEngine.up();
        TestCluster.createTopic(TOPIC, "--partitions", "3", "--if-not-exists");
    }

    private static TestCluster.Run killNode(String... args) {
        return TestCluster.run(KillNode::run, TestCluster.with(args, "--runtime", "docker"));
    }

    private static TestCluster.Run startNode(int id) {
        return TestCluster.run(KillNode::run, "" + id, "--restore", "--runtime", "docker");
    }

    private static String state(int id) {
        return TestEngine.inspect(Cluster.name(id), "{{.State.Status}}");
    }

    private static boolean answers(int id) {
        return KillNode.Common.answers("localhost", Cluster.port(id), 1000);
    }

    private static boolean inEveryIsr(int id) throws Exception {
        try (Admin admin = TestCluster.admin()) {
            return admin.describeTopics(List.of(TOPIC)).allTopicNames().get().get(TOPIC).partitions().stream()
                    .allMatch(p -> p.isr().stream().anyMatch(n -> n.id() == id));
        }
    }

    private static boolean inNoIsr(int id) throws Exception {
        try (Admin admin = TestCluster.admin()) {
            return admin.describeTopics(List.of(TOPIC)).allTopicNames().get().get(TOPIC).partitions().stream()
                    .noneMatch(p -> p.isr().stream().anyMatch(n -> n.id() == id));
        }
    }

    private static void comesBack(int id) throws Exception {
        TestCluster.Run started = startNode(id);
        assertEquals(0, started.code(), started.toString());
        assertEquals(Cluster.name(id) + " restored\n", started.out());
        assertEquals("running", state(id));
        assertTrue(answers(id), "its port");
        TestCluster.await("node " + id + " in every ISR", () -> inEveryIsr(id));
    }

    private static void isInTheNetwork(int id) {
        String networks = TestEngine.inspect(Cluster.name(id), NETWORKS);
        boolean alias = networks.startsWith("kraft-lab_default:") && networks.contains(Cluster.name(id));
        assertTrue(alias, "the others find it by its alias: " + networks);
    }

    @Test
    @Order(1)
    void theRunningContainersAreFoundByThemselves() throws Exception {
        TestCluster.Run run = TestCluster.run(
                KillNode::run,
                "controller",
                "--dry-run",
                "--data-dir",
                TestCluster.HOME.resolve("none").toString());
        assertEquals(0, run.code(), run.toString());
        assertTrue(
                run.err()
                        .startsWith("Runtime: docker\nkill " + Cluster.name(TestCluster.controller())
                                + ": the active controller is among them"),
                run.err());
        TestCluster.Run embedded = TestCluster.run(
                KillNode::run,
                "1",
                "--dry-run",
                "--runtime",
                "embedded",
                "--data-dir",
                TestCluster.HOME.resolve("none").toString());
        assertEquals(10, embedded.code(), embedded.toString());
    }

    @Test
    @Order(2)
    void killIsTimedByTheEngine() throws Exception {
        List<Long> apart = new ArrayList<>();
        int killed = killedController(apart);
        // One sample proves nothing on a machine that stalls; one of three must be in time.
        while (apart.size() < 3 && apart.get(apart.size() - 1) >= 500) {
            comesBack(killed);
            killed = killedController(apart);
        }
        assertTrue(apart.get(apart.size() - 1) < 500, apart + " ms between the event's time and the engine's");
        int id = killed;
        TestCluster.await("node " + id + " out of every ISR", () -> inNoIsr(id));
        TestCluster.Run again = killNode("" + id);
        assertEquals(1, again.code(), again.toString());
        assertTrue(again.err().contains(Cluster.name(id) + " is down already"), again.err());
        assertEquals(12, killNode("" + (id % 3 + 1)).code(), "the quorum would be lost");
        comesBack(id);
    }

    /**
     * Kills the controller, records how many milliseconds the event's time differs from the engine's, and returns the
     * node's id.
     */
    private static int killedController(List<Long> apart) throws Exception {
        int id = TestCluster.controller();
        TestCluster.Run run = killNode("controller", "--json");
        assertEquals(0, run.code(), run.toString());
        Map<String, Object> fault = run.events().get(0);
        assertEquals(
                List.of("fault", id, "kill", "docker"),
                List.of(fault.get("type"), fault.get("node"), fault.get("mode"), fault.get("runtime")));
        assertEquals("exited 137", TestEngine.inspect(Cluster.name(id), "{{.State.Status}} {{.State.ExitCode}}"));
        Instant at = Instant.parse((String) fault.get("at")),
                finished = Instant.parse(TestEngine.inspect(Cluster.name(id), "{{.State.FinishedAt}}"));
        apart.add(Duration.between(finished, at).abs().toMillis());
        return id;
    }

    @Test
    @Order(3)
    void stopLetsTheNodeShutDownInOrder() throws Exception {
        int id = TestCluster.follower();
        assertEquals(
                Cluster.name(id) + " stopped\n",
                killNode("" + id, "--mode", "stop").out());
        assertEquals("exited 143", TestEngine.inspect(Cluster.name(id), "{{.State.Status}} {{.State.ExitCode}}"));
        TestCluster.await(
                "an orderly end in its log",
                () -> TestEngine.docker("logs", "--tail", "200", Cluster.name(id))
                        .toString()
                        .contains("shut down completed"));
        comesBack(id);
    }

    @Test
    @Order(4)
    void aPausedNodeLeavesTheIsrAndComesBack() throws Exception {
        int id = TestCluster.follower();
        assertEquals(
                Cluster.name(id) + " paused\n",
                killNode("" + id, "--mode", "pause").out());
        assertEquals("paused", state(id));
        TestCluster.await("node " + id + " out of every ISR", () -> inNoIsr(id));
        TestCluster.Run again = killNode("" + id, "--mode", "pause");
        assertEquals(1, again.code(), again.toString());
        assertTrue(again.err().contains("is paused already; start-node " + id), again.err());
        comesBack(id);
    }

    @Test
    @Order(5)
    void aDisconnectedNodeLeavesTheIsrAndItsPortComesBack() throws Exception {
        int id = TestCluster.follower();
        String name = Cluster.name(id);
        assertEquals(
                name + " disconnected\n",
                killNode("" + id, "--mode", "disconnect").out());
        assertEquals("running", TestEngine.inspect(name, "{{.State.Status}} " + NETWORKS), "and in no network");
        assertFalse(Cli.Common.connects("127.0.0.1", Cluster.port(id), 1000), "its port goes with the network");
        TestCluster.await("node " + id + " out of every ISR", () -> inNoIsr(id));
        TestCluster.Run again = killNode("" + id, "--mode", "disconnect");
        assertEquals(1, again.code(), again.toString());
        assertTrue(again.err().contains("is disconnected already"), again.err());
        comesBack(id);
        isInTheNetwork(id);
    }

    @Test
    @Order(6)
    void aFaultForAWhileIsUndoneOnCtrlCToo() throws Exception {
        isUndoneOnCtrlC("disconnect");
    }

    /** A soak test, because the test of an interrupted stop also covers starting a node again. */
    @Test
    @Tag("soak")
    @Order(6)
    void aKillForAWhileIsUndoneOnCtrlCToo() throws Exception {
        isUndoneOnCtrlC("kill");
    }

    private static void isUndoneOnCtrlC(String mode) throws Exception {
        int id = TestCluster.follower();
        String name = Cluster.name(id), state = "{{.State.Status}} {{gt (len .NetworkSettings.Networks) 0}}";
        TestCluster.Child child =
                TestCluster.child(KillNode.class, "" + id, "--for", "60s", "--mode", mode, "--runtime", "docker");
        TestCluster.await(
                "the " + mode, () -> !child.process().isAlive() || child.text().contains("Undoing it in"));
        assertNotEquals("running true", TestEngine.inspect(name, state));
        assertEquals(130, child.interrupt(), child.text());
        assertTrue(child.text().contains(name + " restored"), child.text());
        assertEquals("running true", TestEngine.inspect(name, state));
        TestCluster.await("it answers", () -> answers(id));
        TestCluster.awaitInSync();
    }

    @Test
    @Order(7)
    void anInterruptedStopIsUndoneToo() throws Exception {
        int id = TestCluster.controller();
        String since = "" + Instant.now().getEpochSecond(),
                before = TestEngine.inspect(Cluster.name(id), "{{.State.StartedAt}}");
        TestCluster.Child child =
                TestCluster.child(KillNode.class, "" + id, "--mode", "stop", "--for", "60s", "--runtime", "docker");
        TestCluster.await(
                "it is being stopped",
                () -> !child.process().isAlive()
                        || !TestEngine.docker(
                                        "events",
                                        "--since",
                                        since,
                                        "--until",
                                        "" + (Instant.now().getEpochSecond() + 1),
                                        "--filter",
                                        "event=kill",
                                        "--filter",
                                        "container=" + Cluster.name(id))
                                .out()
                                .isBlank());
        assertEquals(130, child.interrupt(), child.text());
        assertTrue(child.text().contains(Cluster.name(id) + " restored"), child.text());
        TestCluster.await("it answers", () -> answers(id));
        assertEquals("running", state(id));
        assertNotEquals(
                before,
                TestEngine.inspect(Cluster.name(id), "{{.State.StartedAt}}"),
                "it was stopped, and started again");
    }

    /**
     * Files of an embedded cluster that was shut down do not select the embedded runtime; files of one with a broken
     * node make the choice ambiguous. Nodes that were paused or disconnected can be killed, and start again after both.
     */
    @Tag("soak")
    @Test
    @Order(8)
    void ofTwoDeadClustersTheOneThatWasBrokenIsMeant() throws Exception {
        Path data = TestCluster.HOME.resolve("leftover"),
                file = Files.createDirectories(data.resolve("kafka01")).resolve("node.json");
        Map<String, Object> json = new LinkedHashMap<>(Map.of(
                "id",
                1,
                "name",
                "kafka01",
                "port",
                Cluster.port(1),
                "pid",
                ProcessHandle.current().pid(),
                "started",
                "2024-01-01T00:00:00Z"));
        assertEquals("kafka01 paused\n", killNode("1", "--mode", "pause").out());
        assertEquals(
                "kafka02 disconnected\n",
                killNode("2", "--mode", "disconnect", "--force").out());
        assertEquals(
                "kafka01 killed\nkafka02 killed\nkafka03 killed\n",
                killNode("all", "--force").out());
        for (int id : Cluster.IDS) assertEquals("exited", state(id));
        json.put("fault", Map.of("mode", "kill", "since", "2024-01-01T00:00:00Z"));
        NodeFileTest.writeNode(file, json);
        TestCluster.Run unclear = TestCluster.run(KillNode::run, "all", "--restore", "--data-dir", data.toString());
        assertEquals(2, unclear.code(), unclear.toString());
        assertTrue(unclear.err().contains("say which you mean, --runtime embedded or --runtime docker"), unclear.err());
        json.put("fault", null);
        NodeFileTest.writeNode(file, json);
        TestCluster.Run clear =
                TestCluster.run(KillNode::run, "all", "--restore", "--timeout", "60s", "--data-dir", data.toString());
        assertEquals(0, clear.code(), clear.toString());
        assertTrue(clear.err().startsWith("Runtime: docker\n"), clear.err());
        for (int id : Cluster.IDS) {
            assertEquals("running", state(id));
            assertTrue(answers(id), "its port");
            isInTheNetwork(id);
            TestCluster.await("node " + id + " in every ISR", () -> inEveryIsr(id));
        }
    }

    @Test
    @Order(9)
    void aLabelledStrangerAndAnUnlabelledNamesakeAreLeftAlone() throws Exception {
        String label = "kraft-lab-stranger", namesake = "kafka04";
        try {
            assertEquals(
                    0,
                    TestEngine.docker(
                                    "run",
                                    "-d",
                                    "--name",
                                    label,
                                    "--label",
                                    "kraft-lab.node=4",
                                    "--network",
                                    "none",
                                    "--entrypoint",
                                    "sleep",
                                    TestEngine.IMAGE,
                                    "300")
                            .code());
            assertEquals(
                    0,
                    TestEngine.docker(
                                    "run",
                                    "-d",
                                    "--name",
                                    namesake,
                                    "--network",
                                    "none",
                                    "--entrypoint",
                                    "sleep",
                                    TestEngine.IMAGE,
                                    "300")
                            .code());
            for (String word : List.of("4", namesake, label)) {
                TestCluster.Run run = killNode(word, "--force");
                assertEquals(2, run.code(), run.toString());
                assertTrue(
                        run.err()
                                .contains("There is no node '" + word
                                        + "'; there are 1 (kafka01), 2 (kafka02), 3 (kafka03)."),
                        run.err());
            }
            TestCluster.Run all = killNode("all", "--mode", "pause", "--force");
            assertEquals("kafka01 paused\nkafka02 paused\nkafka03 paused\n", all.out());
            assertEquals(
                    "running running",
                    TestEngine.inspect(label, "{{.State.Status}}") + " "
                            + TestEngine.inspect(namesake, "{{.State.Status}}"));
            assertEquals(
                    0,
                    TestCluster.run(KillNode::run, "all", "--restore", "--runtime", "docker")
                            .code());
        } finally {
            TestEngine.docker("rm", "-f", "-v", label, namesake);
        }
    }
}
