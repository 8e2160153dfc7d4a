import static org.junit.jupiter.api.Assertions.*;

import java.io.*;
import java.net.ServerSocket;
import java.nio.file.*;
import java.util.*;
import java.util.concurrent.ExecutionException;
import org.apache.kafka.clients.admin.*;
import org.apache.kafka.common.Uuid;
import org.apache.kafka.metadata.storage.Formatter;
import org.junit.jupiter.api.*;

/**
 * Runs kill-node, start-node and nodes with hooks on the smallest cluster with a dedicated controller (3000) and a
 * broker (101).
 */
@Tag("records")
@Order(41)
class DedicatedFaultsTest {
    private static Path temp;
    private static String bootstrap, quorum, start, kill;

    @BeforeAll
    static void start() throws Exception {
        temp = Files.createDirectories(TestCluster.HOME.resolve("dedicated"));
        AllTests.needs("cluster");
        int broker, controller;
        try (ServerSocket a = new ServerSocket(0);
                ServerSocket b = new ServerSocket(0)) {
            broker = a.getLocalPort();
            controller = b.getLocalPort();
        }
        bootstrap = "localhost:" + broker;
        quorum = "127.0.0.1:" + controller;
        start = "sh " + temp + "/start {id}";
        kill = "kill -9 $(cat " + temp + "/{id}.pid)";
        String cluster = Uuid.randomUuid().toString();
        format(cluster, 3000, "process.roles=controller\nlisteners=CONTROLLER://" + quorum + "\n");
        format(
                cluster,
                101,
                "process.roles=broker\nlisteners=PLAINTEXT://127.0.0.1:" + broker
                        + "\nadvertised.listeners=PLAINTEXT://" + bootstrap + "\n");
        String java = Path.of(System.getProperty("java.home"), "bin", "java").toString();
        Files.writeString(
                temp.resolve("java.args"),
                "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC -Xmx256m -cp \"" + System.getProperty("java.class.path")
                        + "\"\n");
        Files.writeString(
                temp.resolve("start"),
                java + " @" + temp + "/java.args kafka.Kafka " + temp + "/$1.properties > " + temp
                        + "/$1.log 2>&1 < /dev/null & echo $! > " + temp + "/$1.pid\n");
        for (int id : List.of(3000, 101))
            assertEquals(
                    0,
                    new ProcessBuilder("sh", temp + "/start", "" + id).start().waitFor());
        TestCluster.await("the broker", () -> KillNode.Common.answers("localhost", broker, 1000));
        try (Admin admin = admin()) {
            TestCluster.await("a topic", () -> isCreated(admin));
        }
    }

    private static void format(String cluster, int id, String more) throws Exception {
        Path data = Files.createDirectories(temp.resolve("data" + id));
        Files.writeString(
                temp.resolve(id + ".properties"),
                more + "node.id=" + id + "\ncontroller.quorum.voters=3000@" + quorum
                        + "\ncontroller.listener.names=CONTROLLER\nlog.dirs=" + data
                        + "\n"
                        + "listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT\n"
                        + "offsets.topic.replication.factor=1\n");
        new Formatter()
                .setPrintStream(new PrintStream(OutputStream.nullOutputStream()))
                .setClusterId(cluster)
                .setNodeId(id)
                .setControllerListenerName("CONTROLLER")
                .setMetadataLogDirectory(data.toString())
                .addDirectory(data.toString())
                .run();
    }

    private static boolean isCreated(Admin admin) throws Exception {
        try {
            admin.createTopics(List.of(new NewTopic("led", 2, (short) 1))).all().get();
            return true;
        } catch (ExecutionException notYet) {
            return false;
        }
    }

    private static Admin admin() {
        return Admin.create(Map.of(
                "bootstrap.servers", (Object) bootstrap, "request.timeout.ms", 2000, "default.api.timeout.ms", 5000));
    }

    @AfterAll
    static void end() throws Exception {
        for (int id : List.of(101, 3000)) process(id).ifPresent(ProcessHandle::destroyForcibly);
        for (int id : List.of(101, 3000))
            TestCluster.await(
                    "the end of " + id, () -> process(id).map(p -> !p.isAlive()).orElse(true));
    }

    private static Optional<ProcessHandle> process(int id) throws IOException {
        Path pid = temp.resolve(id + ".pid");
        if (Files.notExists(pid)) return Optional.empty();
        return ProcessHandle.of(Long.parseLong(Files.readString(pid).trim()));
    }

    private static TestCluster.Run killNode(String... args) {
        return TestCluster.run(KillNode::run, TestCluster.with(args, "-b", bootstrap, "--kill-command", kill));
    }

    private static TestCluster.Run startNode(String... args) {
        return TestCluster.run(
                KillNode::run, TestCluster.with(args, "--restore", "-b", bootstrap, "--start-command", start));
    }

    private static void says(TestCluster.Run run, int code, String sentence) {
        assertEquals(code, run.code(), run.toString());
        assertTrue(run.err().contains(sentence), sentence + " expected: " + run.err());
    }

    @Test
    @Order(1)
    void nodesHaveTheirRoles() throws Exception {
        TestCluster.Run run = TestCluster.run(Nodes::run, "-b", bootstrap, "--kill-command", kill);
        assertEquals(0, run.code(), run.toString());
        List<String> rows =
                run.out().lines().skip(1).map(l -> l.replaceAll(" +", " ")).toList();
        assertEquals(
                List.of(
                        "101 kafka101 " + bootstrap + " broker unknown",
                        "3000 kafka3000 " + quorum + " controller unknown"),
                rows);
        run = TestCluster.run(Nodes::run, "--json", "-b", bootstrap, "--kill-command", kill);
        assertEquals(
                List.of("broker", "controller"),
                run.events().stream().map(e -> e.get("roles")).toList());
    }

    @Test
    @Order(2)
    void aBrokerIsNoVoter() throws Exception {
        says(
                killNode("101", "--dry-run"),
                0,
                "kill kafka101: 1 of 1 voters left, the quorum holds; of 2 partitions 0 fall under min ISR, 2 go"
                        + " offline.");
        says(
                killNode("controller", "--dry-run"),
                0,
                "kill kafka3000: the active controller is among them; 0 of 1 voters left, the quorum is lost; of 2"
                        + " partitions 0 fall under min ISR, 0 go offline.");
    }

    @Test
    @Order(3)
    void aDedicatedControllerIsKilledAndStarted() throws Exception {
        says(killNode("3000"), 12, "Refused: the quorum would be lost (0 of 1 voters left)");
        TestCluster.Run run = killNode("controller", "--force");
        assertEquals("kafka3000 killed\n", run.out(), run.toString());
        TestCluster.await("its end", () -> process(3000).map(p -> !p.isAlive()).orElse(true));

        // Without a quorum, voters come from the broker's configuration and partitions from its metadata.
        says(
                killNode("101", "--timeout", "2s"),
                12,
                "kill kafka101: there is no active controller, 0 of 1 voters left; by the metadata from before that,"
                        + " of 2 partitions 0 fall under min ISR, 2 go offline.");
        assertTrue(process(101).orElseThrow().isAlive());

        run = startNode("3000");
        assertEquals(0, run.code(), run.toString());
        assertEquals("kafka3000 restored\n", run.out());
        try (Admin admin = admin()) {
            assertEquals(
                    3000,
                    admin.describeMetadataQuorum().quorumInfo().get().leaderId(),
                    "it came back when the controller was");
        }
    }
}
