import static org.junit.jupiter.api.Assertions.*;

import java.nio.file.*;
import java.time.Duration;
import java.util.*;
import org.junit.jupiter.api.*;

/** One loss of the quorum, and what scripts print of it: while two of three nodes are dead, and when they are back. */
@Order(56)
@Tag("faults")
class QuorumLossTest {
    private static final Path EVENTS = TestCluster.HOME.resolve("quorum-loss.jsonl");

    /** The topic that create-topic requests without a quorum. Brokers may create it when they have one again. */
    static final String NOT_YET_CREATED = "without_quorum";

    private static ProbeTest.State before;
    private static int first, second, survivor;

    @BeforeAll
    static void loseTheQuorum() throws Exception {
        TestCluster.healthy();
        TestCluster.createTopic("test_topic", "--if-not-exists");
        TestCluster.createTopic(ProbeTest.TOPIC, "--partitions", "3", "--if-not-exists");
        ProbeTest.Asked.probe(null, "--all"); // the internal topics are there from here on
        TestCluster.await(
                "the id of the real transaction",
                () -> ProbeTest.State.now().transactionalIds().equals(Set.of(ProbeCluster.MARK)));
        before = ProbeTest.State.now();

        first = TestCluster.follower();
        assertEquals(0, TestCluster.killNode("" + first).code());
        TestCluster.Run watch = until(0, "under-replicated", "30s");
        assertTrue(
                watch.out()
                        .lines()
                        .anyMatch(l -> l.contains("URP 8")
                                && l.contains("in-sync replicas 16 of 24")
                                && l.contains(first + " left 8")),
                watch.out());
        assertEquals(16, isr().get("inSync"));

        second = TestCluster.controller();
        survivor = 6 - first - second;
        assertEquals(12, TestCluster.killNode("controller").code(), "not without --force");
        assertEquals(0, TestCluster.killNode("controller", "--force").code());
        assertTrue(until(0, "no-quorum", "30s").out().contains("quorum lost, metadata frozen since "));
    }

    private static TestCluster.Run until(int code, String condition, String timeout) {
        return WatchTest.until(code, condition, timeout, EVENTS);
    }

    private static Map<String, Object> isr() throws Exception {
        TestCluster.Run once = TestCluster.run(WatchIsr::run, "--once", "--json", "--topic", "test_topic");
        return once.events().get(0);
    }

    @Test
    @Order(1)
    void findControllerNamesWhoAnswers() throws Exception {
        long start = System.nanoTime();
        TestCluster.Run find = TestCluster.run(FindController::run, "--timeout", "4s", "--json");
        assertEquals(11, find.code(), find.toString());
        assertTrue(System.nanoTime() - start < Duration.ofSeconds(7).toNanos(), "exit 11 within --timeout");
        String answering = survivor + " at localhost:" + Cluster.port(survivor);
        assertTrue(
                find.err()
                        .contains(
                                "quorum lost: 1 of 3 voters answer (" + answering + "), 1 more needed for a majority"),
                find.err());
        Map<String, Object> controller = find.events().get(0);
        assertEquals(
                List.of(-1, List.of(survivor)), List.of(controller.get("controller"), controller.get("answering")));
    }

    @Test
    @Order(2)
    void watchIsrShowsFrozenMetadata() throws Exception {
        TestCluster.Run once = TestCluster.run(WatchIsr::run, "--once", "--topic", "test_topic");
        assertEquals(0, once.code(), once.toString());
        for (String shown : List.of("metadata frozen since", "last known: ", "answers " + survivor)) {
            assertTrue(once.out().contains(shown), shown + " in " + once.out());
        }
        Map<String, Object> isr = isr();
        assertNotNull(isr.get("frozenSince"), isr.toString());
        assertEquals(List.of(-1, List.of(survivor)), List.of(isr.get("controller"), isr.get("answering")));
        until(15, "in-sync", "2s");
    }

    @Test
    @Order(3)
    void nothingIsCreatedAndTheLastNodeIsNotKilled() throws Exception {
        TestCluster.Run create = TestCluster.run(CreateTopic::run, NOT_YET_CREATED, "--timeout", "3s");
        assertEquals(11, create.code(), create.toString());
        assertTrue(create.err().contains("is not created, or not yet"), create.err());
        TestCluster.Run kill = TestCluster.killNode("" + survivor);
        assertEquals(12, kill.code(), kill.toString());
        assertTrue(TestCluster.runs(survivor));
    }

    private static String late = "no probe was run";

    @Test
    @Order(4)
    void probeSaysWhatHangs() throws Exception {
        late = ProbeTest.coordinatedBy(survivor, System.currentTimeMillis() / 1000 - 100);
        ProbeTest.Asked asked =
                ProbeTest.Asked.probe(ProbeTest.coordinatedBy(survivor, System.currentTimeMillis() / 1000));
        for (String q : List.of("describe cluster", "describe topics"))
            assertEquals(Map.of(0, "ok"), asked.of(q), asked.toString());
        for (String q : List.of("metadata quorum", "create topic", "alter config"))
            assertEquals(Map.of(0, "hangs"), asked.of(q), asked.toString());
        for (String q : List.of("produce acks=1", "read committed"))
            assertEquals(Map.of(0, "not-asked"), asked.of(q), asked.toString());
        assertEquals(
                List.of("ok", "hangs"),
                List.of(
                        asked.of("group coordinator").get(survivor),
                        asked.of("group coordinator").get(second)),
                asked.toString());
        assertTrue(
                asked.of("describe topics", 0).detail().endsWith("on silent nodes: frozen metadata"), asked.toString());

        ProbeTest.Asked named = ProbeTest.Asked.probe(null, "--topic", ProbeTest.TOPIC, "--check-timeout", "2s");
        assertEquals(Map.of(survivor, "ok", second, "hangs"), named.of("produce acks=1"), named.toString());
        assertEquals(Map.of(survivor, "hangs", second, "hangs"), named.of("produce acks=all"), named.toString());
        assertEquals(Map.of(survivor, "ok", second, "hangs"), named.of("read committed"), named.toString());
        assertTrue(named.of("read committed", survivor).isInvisible(), named.toString());
        assertTrue(named.toString().contains("acknowledged and invisible"), named.toString());

        TestCluster.Run run = TestCluster.run(ProbeCluster::run, "--topic", "not_there", "--check-timeout", "2s");
        assertEquals(11, run.code(), run.toString());
        assertTrue(
                run.out().startsWith("QUESTION ")
                        && run.err().startsWith("No active controller, and no answer from broker " + second),
                run.toString());

        ProbeTest.Asked all = ProbeTest.Asked.probe(late, "--all", "--check-timeout", "2s");
        for (String q : List.of("group join", "transaction"))
            assertEquals(Map.of(0, "hangs"), all.of(q), all.toString());
    }

    /** What a probe with --all requested does happen now, which shows why the others did not request it. */
    @Test
    @Order(5)
    void itComesBack() throws Exception {
        TestCluster.Run started = TestCluster.startNode("all");
        assertEquals(0, started.code(), started.toString());
        assertEquals(
                Set.of(first, second),
                Set.copyOf(started.out()
                        .lines()
                        .map(l -> Integer.parseInt(l.replaceAll("kafka0(\\d) restored", "$1")))
                        .toList()));
        until(0, "in-sync", "60s");
        Map<String, Object> last = TestCluster.events(Files.readAllLines(EVENTS)).stream()
                .filter(e -> e.get("type").equals("isr"))
                .reduce((a, b) -> b)
                .orElseThrow();
        assertEquals(List.of(24, 24), List.of(last.get("inSync"), last.get("replicas")));

        TestCluster.awaitInSync();
        Set<String> groups = Set.of(late);
        TestCluster.await(
                "the group of --all, and no other",
                () -> ProbeTest.State.now().groups().equals(groups));
        TestCluster.await(
                "the group deleted by the next probe",
                () -> TestCluster.run(ProbeCluster::run).err().contains(late)
                        || ProbeTest.State.now().groups().isEmpty());
        ProbeTest.onlyMarkedRecordsCame(before);
    }
}
