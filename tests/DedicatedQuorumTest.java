import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Order;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * Runs find-controller and watch-isr on three dedicated controllers and a broker that is not a voter, with all
 * controllers up and with two killed.
 */
@Tag("records")
@Order(42)
class DedicatedQuorumTest {
    @TempDir
    static Path temp;

    private static OddCluster cluster;

    @BeforeAll
    static void start() throws Exception {
        cluster = OddCluster.dedicated(temp, 3, 1);
    }

    @AfterAll
    static void end() throws Exception {
        if (cluster != null) {
            cluster.close();
        }
    }

    private static TestCluster.Run find(String... options) {
        return TestCluster.run(FindController::run, TestCluster.with(options, "-b", cluster.address("broker101")));
    }

    private static TestCluster.Run watch(String... options) {
        return TestCluster.run(WatchIsr::run, TestCluster.with(options, "-b", cluster.address("broker101")));
    }

    @Test
    @Order(1)
    void votersAndObserversAreShownApart() throws Exception {
        TestCluster.Run run = find("--long");
        assertEquals(0, run.code(), run.toString());
        List<String> rows = run.out()
                .lines()
                .skip(2)
                .map(line -> line.replaceAll(" +", " "))
                .toList();
        assertEquals(4, rows.size(), run.toString());
        for (int i = 0; i < 3; i++) {
            String row = rows.get(i);
            assertTrue(row.matches("300" + i + " (leader|follower) .* " + cluster.address("controller300" + i)), row);
        }
        assertTrue(rows.get(3).matches("101 observer .* " + cluster.address("broker101") + " [\\w-]{22}"), rows.get(3));

        Map<String, Object> event = find("--json").events().get(0);
        assertEquals(List.of(3000, 3001, 3002), ids(event.get("voters")));
        assertEquals(List.of(101), ids(event.get("observers")));
    }

    @Test
    @Order(2)
    void aControllersPortIsAskedForTheController() {
        TestCluster.Run run = TestCluster.run(FindController::run, "-b", cluster.address("controller3001"));
        assertEquals(0, run.code(), run.toString());
        assertTrue(run.out().matches("300[012]\n"), run.toString());
    }

    @Test
    @Order(3)
    void watchIsrShowsControllersApartFromBrokers() throws Exception {
        TestCluster.createTopic(
                "led", "--partitions", "1", "--replication-factor", "1", "-b", cluster.address("broker101"));
        TestCluster.Run run = watch("--once", "--until", "in-sync");
        assertEquals(0, run.code(), run.toString());
        assertTrue(run.out().contains("dedicated controllers 3000,3001,3002"), run.toString());
        assertTrue(run.out().contains("brokers 101\n"), run.toString());
        Map<String, Object> event = watch("--once", "--json").events().get(0);
        assertEquals(List.of(3000, 3001, 3002), event.get("controllers"));
        assertEquals(List.of(101), event.get("brokers"));
    }

    @Test
    @Order(4)
    void watchIsrSeesThatTheQuorumIsLostThoughEveryBrokerAnswers() throws Exception {
        cluster.kill(3000);
        cluster.kill(3002);
        TestCluster.Run run = watch("--until", "no-quorum");
        assertEquals(0, run.code(), run.toString());
        String last = run.out().lines().reduce((a, b) -> b).orElse("");
        assertTrue(last.contains("quorum lost, metadata frozen since "), run.toString());
        assertTrue(last.contains("ports: answers 101,3001, refuses 3000,3002"), run.toString());

        TestCluster.Run anew = watch("--once");
        assertTrue(
                anew.out().startsWith("quorum lost, metadata frozen since "),
                "by a watcher that never saw the quorum: " + anew);
        assertTrue(anew.out().contains("ports: answers 101,3001, refuses 3000,3002"), anew.toString());
    }

    @Test
    @Order(5)
    void brokersAreNotCountedAsVoters() throws Exception {
        TestCluster.Run run = find("--timeout", "10s");
        assertEquals(11, run.code(), run.toString());
        String survivor = "3001 at " + cluster.address("controller3001");
        String dead = "3000 at " + cluster.address("controller3000") + ", 3002 at " + cluster.address("controller3002");
        String sentence = "No active controller, quorum lost: 1 of 3 voters answer (" + survivor
                + "), 1 more needed for a majority; start one of " + dead + ".\n";
        assertEquals(sentence, run.err());

        run = TestCluster.run(FindController::run, "-b", cluster.address("controller3001"), "--timeout", "10s");
        assertEquals(11, run.code(), run.toString());
        String unknown =
                "No active controller; the voters are unknown (no broker answers that could name them). Of 1 nodes"
                        + " that were asked 1 answer ("
                        + cluster.address("controller3001") + "); look at the controllers' processes and logs.\n";
        assertTrue(run.err().endsWith(unknown), "a controller names the others only while there is a quorum: " + run);
    }

    @Test
    @Order(6)
    void votersThatNobodyNamesAreUnknown() {
        FindController.Configured nothing = FindController.Configured.of(null, "");
        FindController.Survivors survivors = new FindController.Survivors(nothing, List.of(), List.of());
        assertTrue(survivors.sentence().contains("the voters are unknown"), survivors.sentence());
        FindController.Configured dynamic = FindController.Configured.of("", "a:9093,b:9094");
        survivors = new FindController.Survivors(
                dynamic, dynamic.nodes().subList(0, 1), dynamic.nodes().subList(1, 2));
        assertFalse(survivors.isMinority(), "who else votes is not known");
        assertEquals(
                "No active controller; the voters are unknown (the quorum is dynamic, and only it knows them). "
                        + "Of 2 controllers that the brokers start from 1 answer (a:9093); start b:9094.",
                survivors.sentence());
        assertEquals(
                "::1",
                FindController.Configured.of("1@a:9093, 2@[::1]:9094", null)
                        .nodes()
                        .get(1)
                        .host());
    }

    private static List<Object> ids(Object members) {
        return ((List<?>) members)
                .stream().map(member -> (Object) ((Map<?, ?>) member).get("id")).toList();
    }
}
