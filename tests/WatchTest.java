import static org.junit.jupiter.api.Assertions.*;

import java.nio.file.*;
import java.util.*;
import org.junit.jupiter.api.*;

/** Tests create-topic and watch-isr, and what scripts print while the quorum is lost. */
@Order(50)
@Tag("faults")
class WatchTest {
    private static final Path EVENTS = TestCluster.HOME.resolve("watch.jsonl");

    @BeforeEach
    void healthy() throws Exception {
        TestCluster.healthy();
    }

    @Test
    @Order(1)
    void createTopicMakesTheLabsTopicAndPrintsItsLayout() throws Exception {
        TestCluster.Run run = TestCluster.run(CreateTopic::run);
        assertEquals(0, run.code(), run.toString());
        assertTrue(run.err().startsWith("Created topic test_topic, every partition led and in sync after "), run.err());
        List<String> lines = run.out().lines().toList();
        assertTrue(lines.get(0).matches("PARTITION +LEADER +REPLICAS +ISR"), run.out());
        assertEquals(9, lines.size(), run.out());
        for (int p = 0; p < 8; p++)
            assertTrue(lines.get(p + 1).matches(p + " +[123] +[123],[123],[123] +[123],[123],[123] *"), run.out());
    }

    @Test
    @Order(2)
    void aTopicThatExistsIsAnErrorUnlessAcceptedAndTheSame() throws Exception {
        TestCluster.Run again = TestCluster.run(CreateTopic::run);
        assertEquals(1, again.code(), again.toString());
        assertTrue(again.err().contains("exists already, same layout"), again.err());
        TestCluster.Run accepted = TestCluster.run(CreateTopic::run, "--if-not-exists", "--json");
        assertEquals(0, accepted.code(), accepted.toString());
        assertEquals(
                false, TestCluster.ofType(accepted.events(), "topic").get(0).get("created"));
        for (String[] other : new String[][] {
            {"--partitions", "4", "partitions expected 4, found 8"},
            {"--replication-factor", "2", "replication factor expected 2, found 3"},
            {"--config", "min.insync.replicas=3", "min.insync.replicas expected 3, found 2"}
        }) {
            TestCluster.Run run = TestCluster.run(CreateTopic::run, other[0], other[1], "--if-not-exists");
            assertEquals(1, run.code(), run.toString());
            assertTrue(run.err().contains(other[2]), run.err());
        }
        assertEquals(
                1,
                TestCluster.run(CreateTopic::run, "four", "--replication-factor", "4")
                        .code());
        assertEquals(
                2,
                TestCluster.run(CreateTopic::run, "bad", "--config", "no.such.config=1")
                        .code());
    }

    @Test
    @Order(3)
    void watchIsrCountsTheReplicas() throws Exception {
        TestCluster.Run once = TestCluster.run(WatchIsr::run, "--once", "--json", "--topic", "test_topic");
        assertEquals(0, once.code(), once.toString());
        Map<String, Object> isr = once.events().get(0);
        assertEquals(
                List.of(24, 24, 8, 8, 0),
                List.of(
                        isr.get("inSync"),
                        isr.get("replicas"),
                        isr.get("online"),
                        isr.get("partitions"),
                        isr.get("underReplicated")));
        assertEquals(List.of(1, 2, 3), isr.get("brokers"));
        assertEquals(
                Map.of("inSync", 24, "replicas", 24, "online", 8, "partitions", 8),
                ((Map<?, ?>) isr.get("topics")).get("test_topic"));
        assertEquals(TestCluster.controller(), isr.get("controller"));
        assertTrue(TestCluster.run(WatchIsr::run, "--once", "--topic", "test_topic")
                .out()
                .contains("in-sync replicas 24 of 24"));
        until(0, "in-sync", "30s");
        TestCluster.Run not = until(15, "offline", "1s");
        assertTrue(not.err().startsWith("Not offline after 1000 ms"), not.err());
        assertEquals(
                15,
                TestCluster.run(WatchIsr::run, "--once", "--until", "no-quorum").code());
    }

    private static TestCluster.Run until(int code, String condition, String timeout) {
        return until(code, condition, timeout, EVENTS);
    }

    static TestCluster.Run until(int code, String condition, String timeout, Path events) {
        TestCluster.Run run = TestCluster.run(
                WatchIsr::run,
                "--topic",
                "test_topic",
                "--until",
                condition,
                "--timeout",
                timeout,
                "--events",
                events.toString());
        assertEquals(code, run.code(), run.toString());
        return run;
    }
}
