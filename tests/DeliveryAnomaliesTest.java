import static org.junit.jupiter.api.Assertions.*;

import com.fasterxml.jackson.jr.ob.JSON;
import java.nio.file.*;
import java.util.*;
import org.apache.kafka.clients.admin.*;
import org.apache.kafka.clients.producer.*;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.StringSerializer;
import org.junit.jupiter.api.*;

/** Runs check-delivery on real topics: each planted anomaly is found, and no other. */
@Order(59)
@Tag("records")
class DeliveryAnomaliesTest extends DeliveryFixture {
    @Test
    @Order(5)
    void deletedAcknowledgedRecordsAreExpiredAndNotLost() throws Exception {
        quietRun();
        long acknowledged = 0, first = -1;
        for (String line : Files.readAllLines(ledger)) {
            Map<String, Object> entry = JSON.std.mapFrom(line);
            if (!Integer.valueOf(3).equals(entry.get("partition"))) continue;
            if (first < 0) first = ((Number) entry.get("offset")).longValue();
            acknowledged++;
        }
        assertEquals(10, acknowledged, "partitions take turns");
        try (Admin admin = TestCluster.admin()) {
            admin.deleteRecords(Map.of(new TopicPartition(TOPIC, 3), RecordsToDelete.beforeOffset(first + 4)))
                    .all()
                    .get();
        }
        Map<String, Object> verdict = check(14);
        assertEquals(
                List.of("incomplete", 0, 4, 76),
                List.of(verdict.get("verdict"), verdict.get("lost"), verdict.get("expired"), verdict.get("read")),
                verdict.toString());
        TestCluster.Run text = TestCluster.run(CheckDelivery::run, ledger.toString());
        assertEquals(14, text.code());
        assertTrue(
                text.out()
                        .contains("INCOMPLETE: 80 acknowledged in " + TOPIC + ", of producer run" + runs
                                + "/p; 4 expired."),
                text.out());
    }

    @Test
    @Order(6)
    void aRecordWrittenTwiceIsADuplicate() throws Exception {
        quietRun();
        plant(6, "run" + runs + "/p/7"); // number 7 is in partition 6
        Map<String, Object> verdict = check(13);
        assertEquals(
                List.of("fail", 1, 0, 81),
                List.of(verdict.get("verdict"), verdict.get("duplicates"), verdict.get("lost"), verdict.get("read")),
                verdict.toString());
    }

    @Test
    @Order(7)
    void anIdentityThatNobodySentIsAPhantomAndOtherRunsAreNone() throws Exception {
        quietRun();
        plant(0, "some/other/1");
        assertEquals(1, check(0).get("other"));
        plant(1, "run" + runs + "/p/81");
        plant(1, "run" + runs + "/q/1");
        Map<String, Object> verdict = check(13);
        assertEquals(
                List.of("fail", 2, 0),
                List.of(verdict.get("verdict"), verdict.get("phantoms"), verdict.get("lost")),
                verdict.toString());
    }

    @Test
    @Order(8)
    void aTruncatedLedgerIsIncomplete() throws Exception {
        quietRun();
        List<String> lines = Files.readAllLines(ledger);
        Files.write(ledger, lines.subList(0, lines.size() - 5));
        Map<String, Object> verdict = check(14);
        assertEquals(
                List.of("incomplete", 0, 0, 4),
                List.of(verdict.get("verdict"), verdict.get("lost"), verdict.get("phantoms"), verdict.get("unknown")),
                verdict.toString());
    }

    @Test
    @Order(9)
    void aTopicThatIsGoneIsIncompleteAndNotAPass() throws Exception {
        quietRun();
        Files.writeString(
                ledger, Files.readString(ledger).replace("\"topic\":\"" + TOPIC + "\"", "\"topic\":\"gone\""));
        TestCluster.Run run = TestCluster.run(CheckDelivery::run, ledger.toString());
        assertEquals(14, run.code(), run.toString());
        assertTrue(run.err().contains("gone"), run.err());
    }

    /** A run of a plain producer whose ledger is written here: record, outcome and truth are set one by one. */
    private final class Planted implements AutoCloseable {
        final KafkaProducer<String, String> plain = new KafkaProducer<>(
                Map.<String, Object>of("bootstrap.servers", Cluster.bootstrap()),
                new StringSerializer(),
                new StringSerializer());
        final List<String> lines = new ArrayList<>();
        long sent;

        long send(int partition, Object number) throws Exception {
            return plain.send(new ProducerRecord<>(TOPIC, partition, "run" + runs + "/p/" + number, "planted"))
                    .get()
                    .offset();
        }

        void acknowledged(int seq, int partition, long offset) {
            lines.add("{\"seq\":" + seq + ",\"partition\":" + partition + ",\"offset\":" + offset + ",\"at\":"
                    + System.currentTimeMillis() * 1000 + ",\"latencyUs\":1}");
            sent++;
        }

        void outcome(int seq, String outcome) {
            lines.add("{\"seq\":" + seq + ",\"attempt\":1,\"outcome\":\"" + outcome + "\",\"error\":\"planted\"}");
            sent++;
        }

        @Override
        public void close() throws Exception {
            lines.add(
                    0,
                    "{\"ledger\":2,\"run\":\"run" + runs + "\",\"producer\":\"p\",\"topic\":\"" + TOPIC
                            + "\",\"idempotent\":true}");
            lines.add("{\"end\":true,\"sent\":" + sent + "}");
            Files.write(ledger, lines);
            plain.close();
        }
    }

    @Test
    @Order(10)
    void everyKindOfAnomalyInOneRealTopicIsFoundAndNoMore() throws Exception {
        Path events = TestCluster.HOME.resolve("planted-events.jsonl");
        Files.writeString(
                events,
                "{\"ts\":\"" + Cli.timestamp()
                        + "\",\"source\":\"kill-node\",\"type\":\"fault\",\"node\":2,\"mode\":\"kill\"}\n");
        plantEveryKind();
        TestCluster.Run json = TestCluster.run(
                CheckDelivery::run, ledger.toString(), "--json", "--timeout", "3s", "--events-from", events.toString());
        assertEquals(13, json.code(), json.toString());
        Map<String, Object> verdict = json.events().get(0);
        Map<String, Object> wanted = new LinkedHashMap<>();
        for (Object[] w : new Object[][] {
            {"verdict", "fail"},
            {"acknowledged", 316},
            {"lost", 2},
            {"unseen", 0},
            {"expired", 5},
            {"duplicates", 4},
            {"reordered", 3},
            {"inconsistent", 2},
            {"abortedReads", 3},
            {"phantoms", 2},
            {"indeterminateLanded", 2},
            {"indeterminateAbsent", 1},
            {"failed", 4}
        }) wanted.put((String) w[0], w[1]);
        Map<String, Object> found = new LinkedHashMap<>(verdict);
        found.keySet().retainAll(wanted.keySet());
        assertEquals(wanted, found, json.toString());

        assertPartitions(verdict);
        assertExamples(verdict);
        TestCluster.Run text = TestCluster.run(
                CheckDelivery::run, ledger.toString(), "--timeout", "3s", "--events-from", events.toString());
        assertTrue(
                text.out()
                        .lines()
                        .anyMatch(l -> l.matches(
                                "expired +7 +\\d+ +- \\d{4}-\\S+ +kill 2 \\+\\d+\\.\\d\\d s" + " +run\\d+/p/1")),
                text.out());
        assertTrue(text.out().lines().anyMatch(l -> l.matches("7 +6 +\\d+ +0 +0 +5 +0 +0 +0 +0 +0 +0")), text.out());
    }

    private static void assertPartitions(Map<String, Object> verdict) {
        List<?> partitions = (List<?>) verdict.get("partitions");
        assertEquals(
                List.of(6, 5),
                List.of(
                        ((Map<?, ?>) partitions.get(7)).get("acknowledged"),
                        ((Map<?, ?>) partitions.get(7)).get("expired")),
                partitions.toString());
        assertEquals(
                List.of(3, 2, 3),
                List.of(
                        ((Map<?, ?>) partitions.get(6)).get("reordered"),
                        ((Map<?, ?>) partitions.get(6)).get("phantoms"),
                        ((Map<?, ?>) partitions.get(6)).get("abortedReads")));
    }

    private static void assertExamples(Map<String, Object> verdict) {
        List<?> examples = (List<?>) verdict.get("examples");
        assertEquals(21, examples.size());
        for (Object o : examples) {
            Map<?, ?> x = (Map<?, ?>) o;
            assertEquals(
                    !List.of("lost", "expired").contains(x.get("anomaly")),
                    x.get("leaderEpoch") != null,
                    x + " is in the log and has an epoch");
            assertTrue(
                    x.get("timestamp") instanceof String
                            && ((Map<?, ?>) x.get("fault")).get("node").equals(2),
                    x.toString());
        }
        assertEquals(
                21,
                ((Map<?, ?>) ((List<?>) verdict.get("faults")).get(0)).get("anomalies"),
                verdict.get("faults").toString());
    }

    private void plantEveryKind() throws Exception {
        try (Planted run = new Planted()) {
            for (int seq = 1; seq <= 5; seq++) run.acknowledged(seq, 7, run.send(7, seq));
            try (Admin admin = TestCluster.admin()) { // expired: 1 to 5
                long end = run.send(7, 6);
                run.acknowledged(6, 7, end);
                admin.deleteRecords(Map.of(new TopicPartition(TOPIC, 7), RecordsToDelete.beforeOffset(end)))
                        .all()
                        .get();
            }
            for (int seq = 100; seq < 400; seq++) run.acknowledged(seq, seq % 6, run.send(seq % 6, seq));
            for (int seq = 100; seq < 104; seq++) run.send(seq % 6, seq); // duplicates, two of the same
            run.send(100 % 6, 100);
            for (int seq : List.of(412, 411, 414, 413, 416, 415))
                run.acknowledged(seq, 6, run.send(6, seq)); // three reordered
            long a = run.send(6, 420), b = run.send(6, 421);
            run.acknowledged(420, 6, b); // two at each other's offsets
            run.acknowledged(421, 6, a);
            for (int seq = 430; seq < 433; seq++) { // aborted reads
                run.send(6, seq);
                run.outcome(seq, "failed");
            }
            for (int seq = 440; seq < 442; seq++) { // legal, and in the log
                run.send(6, seq);
                run.outcome(seq, "indeterminate");
            }
            run.outcome(442, "indeterminate"); // legal, and not in the log
            run.outcome(443, "failed"); // legal
            run.send(6, 9001); // two phantoms, with the next one
            plant(6, "run" + runs + "/nobody/1");
            for (int seq = 450; seq < 452; seq++)
                run.acknowledged(seq, 5, 1_000_000 + seq); // lost: beyond the log end, with all replicas in sync
        }
    }

    /**
     * With acks=1 and both followers dead, records that the leader acknowledged are above the high watermark and cannot
     * be read until the followers are back.
     */
    @Test
    @Order(11)
    void acknowledgedAboveTheHighWatermarkIsUnseenUntilTheFollowersAreBack() throws Exception {
        Path config = Files.writeString(
                TestCluster.HOME.resolve("impatient.properties"),
                "delivery.timeout.ms=4000\nrequest.timeout.ms=2000\n");
        int survivor = leaderOfPartition0(); // after earlier tests not every node leads a partition
        for (int id : Cluster.IDS)
            if (id != survivor)
                assertEquals(0, TestCluster.killNode("" + id, "--force").code());
        ResilientProducer.Summary sent = producer(
                        "--acks",
                        "1",
                        "--count",
                        "80",
                        "--rate",
                        "200",
                        "--timeout",
                        "3s",
                        "--command-config",
                        config.toString())
                .produce();
        assertTrue(sent.acknowledged() > 0, sent.toString());
        TestCluster.Run run = TestCluster.run(CheckDelivery::run, ledger.toString(), "--json", "--timeout", "3s");
        assertEquals(14, run.code(), run.toString());
        Map<String, Object> verdict =
                TestCluster.ofType(run.events(), "verdict").get(0);
        assertEquals(List.of("incomplete", 0), List.of(verdict.get("verdict"), verdict.get("lost")), run.toString());
        assertTrue((int) verdict.get("unseen") > 0, run.toString());
        TestCluster.healthy();
        TestCluster.Run again = TestCluster.run(CheckDelivery::run, ledger.toString(), "--json");
        assertEquals(0, TestCluster.ofType(again.events(), "verdict").get(0).get("unseen"), again.toString());
    }

    private static int leaderOfPartition0() throws Exception {
        try (Admin admin = TestCluster.admin()) {
            return admin.describeTopics(List.of(TOPIC))
                    .allTopicNames()
                    .get()
                    .get(TOPIC)
                    .partitions()
                    .get(0)
                    .leader()
                    .id();
        }
    }
}
