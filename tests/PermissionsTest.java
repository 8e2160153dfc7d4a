import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.common.acl.AccessControlEntry;
import org.apache.kafka.common.acl.AclBinding;
import org.apache.kafka.common.acl.AclOperation;
import org.apache.kafka.common.acl.AclPermissionType;
import org.apache.kafka.common.resource.PatternType;
import org.apache.kafka.common.resource.ResourcePattern;
import org.apache.kafka.common.resource.ResourceType;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Order;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * Tests the scripts on one node with listeners of every kind: what cannot be reached is exit 10 with the reason, and
 * what is not permitted names the permission.
 */
@Tag("records")
@Order(43)
class PermissionsTest {
    @TempDir
    static Path temp;

    private static OddCluster cluster;

    @BeforeAll
    static void start() throws Exception {
        cluster = OddCluster.single(temp);
        TestCluster.createTopic(
                "orders", "--partitions", "2", "--replication-factor", "1", "-b", cluster.address("plain"));
        AccessControlEntry describe =
                new AccessControlEntry("User:" + OddCluster.POOR, "*", AclOperation.DESCRIBE, AclPermissionType.ALLOW);
        ResourcePattern orders = new ResourcePattern(ResourceType.TOPIC, "orders", PatternType.LITERAL);
        try (Admin admin = Admin.create(Map.of("bootstrap.servers", cluster.address("plain")))) {
            admin.createAcls(Set.of(new AclBinding(orders, describe))).all().get();
        }
    }

    @AfterAll
    static void end() throws Exception {
        if (cluster != null) {
            cluster.close();
        }
    }

    private static TestCluster.Run poor(TestCluster.Script script, String... options) throws Exception {
        String config = cluster.login(OddCluster.POOR).toString();
        return TestCluster.run(
                script, TestCluster.with(options, "-b", cluster.address("sasl"), "--command-config", config));
    }

    private static void assertFails(TestCluster.Run run, int code, String sentence) {
        assertEquals(code, run.code(), run.toString());
        assertTrue(run.err().contains(sentence), sentence + " expected: " + run);
        assertEquals(1, run.err().lines().count(), "one sentence: " + run.err());
    }

    @Test
    void watchIsrShowsTheTopicsThatMayBeDescribed() throws Exception {
        TestCluster.Run run = poor(WatchIsr::run, "--once", "--until", "in-sync");
        assertEquals(0, run.code(), run.toString());
        assertTrue(
                run.out().startsWith("controller not shown (the principal needs DESCRIBE on the cluster)\n"),
                run.out());
        assertTrue(run.out().contains("in-sync replicas 2 of 2"), run.out());
    }

    @Test
    void whatIsNotPermittedNamesThePermission() throws Exception {
        assertFails(poor(FindController::run), 1, "needs DESCRIBE on the cluster");
        assertFails(
                poor(CreateTopic::run, "invoices", "--replication-factor", "1"),
                1,
                "topic invoices: the principal needs CREATE");
        assertFails(
                poor(WatchIsr::run, "--once", "--topic", "secret"),
                1,
                "topic secret: the principal needs DESCRIBE on the topic");
        assertFails(poor(ResilientProducer::run, "--topic", "secret"), 1, "the principal needs WRITE on topic secret.");
    }

    @Test
    void aProducerThatMayNotWriteSaysWhichPermissionItLacks() throws Exception {
        String sentence = ": the principal needs WRITE on topic orders.";
        for (String acks : List.of("all", "1")) {
            TestCluster.Run run =
                    poor(ResilientProducer::run, "--topic", "orders", "--count", "3", "--rate", "100", "--acks", acks);
            assertEquals(16, run.code(), run.toString());
            List<String> errors = run.out().lines().sorted().toList(); // answers of several leaders come in any order
            assertEquals(
                    List.of("Error sending 1" + sentence, "Error sending 2" + sentence, "Error sending 3" + sentence),
                    errors,
                    run.toString());
            assertTrue(run.err().endsWith(sentence + "\n"), run.toString());
        }
    }

    @Test
    void whatMayNotBeSeenIsNoEventOfALostController() throws Exception {
        List<Map<String, Object>> events =
                poor(WatchIsr::run, "--until", "in-sync", "--json").events();
        assertEquals(List.of(), TestCluster.ofType(events, "controller"));
        assertEquals(
                "DESCRIBE on the cluster",
                TestCluster.ofType(events, "isr").get(0).get("needs"));
    }

    @Test
    void aDynamicQuorumHasDirectoryIds() throws Exception {
        TestCluster.Run run = TestCluster.run(FindController::run, "--long", "-b", cluster.address("plain"));
        List<String> rows = run.out()
                .lines()
                .skip(1)
                .map(line -> line.replaceAll(" +", " "))
                .toList();
        assertEquals("NODE ROLE LAG CAUGHT UP ENDPOINT DIRECTORY ID", rows.get(0));
        assertTrue(rows.get(1).matches("0 leader .* " + cluster.address("plain") + " [\\w-]{22}"), run.toString());
        run = TestCluster.run(FindController::run, "--json", "-b", cluster.address("plain"));
        Map<?, ?> voter = (Map<?, ?>) ((List<?>) run.events().get(0).get("voters")).get(0);
        assertTrue(rows.get(1).endsWith(" " + voter.get("directoryId")), voter.toString());
    }

    @Test
    void everyScriptThatCannotTalkToTheClusterSaysWhy() {
        List<TestCluster.Script> scripts =
                List.of(FindController::run, WatchIsr::run, CreateTopic::run, ResilientProducer::run);
        for (TestCluster.Script script : scripts) {
            assertFails(TestCluster.run(script, "-b", cluster.address("sasl")), 10, "wants a login");
            assertFails(TestCluster.run(script, "-b", cluster.address("tls")), 10, "wants TLS");
            assertFails(TestCluster.run(script, "-b", cluster.address("lost")), 10, "nowhere.invalid");
        }
    }

    @Test
    void aLoginThatIsRefusedIsNoQuestionOfTheQuorum(@TempDir Path folder) throws Exception {
        String right = Files.readString(cluster.login(OddCluster.ADMIN));
        Path wrong = Files.writeString(folder.resolve("wrong.properties"), right.replace("\"admin\";", "\"guessed\";"));
        Path distrustful = Files.writeString(folder.resolve("tls.properties"), "security.protocol=SSL\n");
        List<TestCluster.Script> scripts =
                List.of(FindController::run, WatchIsr::run, CreateTopic::run, ProbeCluster::run, WatchLeaders::run);
        for (TestCluster.Script script : scripts) {
            assertRefused(script, cluster.address("sasl"), wrong, "Authentication failed");
            assertRefused(script, cluster.address("tls"), distrustful, "certification path");
        }
    }

    private static void assertRefused(TestCluster.Script script, String address, Path config, String reason) {
        TestCluster.Run run =
                TestCluster.run(script, "-b", address, "--command-config", config.toString(), "--timeout", "5s");
        assertFails(run, 10, "login refused");
        assertTrue(run.err().contains(reason) && run.err().contains(address), run.toString());
    }

    @Test
    void aControllersPortAnswersAboutTheQuorumAndNothingElse() {
        String controller = cluster.address("controller");
        for (String option : List.of("--timeout=5s", "--long", "--json")) {
            TestCluster.Run asked = TestCluster.run(FindController::run, "-b", controller, option);
            assertEquals(0, asked.code(), asked.toString());
            assertEquals(
                    controller + ": a controller's port, so the controllers are asked.",
                    asked.err().strip());
        }
        for (TestCluster.Script script :
                List.<TestCluster.Script>of(WatchIsr::run, CreateTopic::run, ProbeCluster::run)) {
            assertFails(TestCluster.run(script, "-b", controller), 10, "this is a controller's port");
        }
        TestCluster.Run both = TestCluster.run(FindController::run, "-b", controller + "," + cluster.address("plain"));
        assertEquals("0 0", both.code() + " " + both.out().strip(), both.toString());
    }

    @Test
    void topicsAreGivenAsArgumentsOrAsOptions() {
        String[] where = {
            "-b", cluster.address("plain"), "--partitions", "2", "--replication-factor", "1", "--if-not-exists"
        };
        assertEquals(
                0,
                TestCluster.run(CreateTopic::run, TestCluster.with(where, "--topic", "orders"))
                        .code());
        assertEquals(
                0,
                TestCluster.run(CreateTopic::run, TestCluster.with(where, "--topic", "orders", "orders"))
                        .code());
        TestCluster.Run both =
                TestCluster.run(CreateTopic::run, TestCluster.with(where, "--topic", "orders", "invoices"));
        assertFails(both, 2, "The topics are given twice");
    }
}
