import static org.junit.jupiter.api.Assertions.*;

import com.fasterxml.jackson.jr.ob.JSON;
import java.nio.file.*;
import java.util.*;
import java.util.concurrent.*;
import org.apache.kafka.clients.admin.*;
import org.apache.kafka.clients.producer.*;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.StringSerializer;
import org.junit.jupiter.api.*;

/** resilient-producer through real faults, and check-delivery on real topics: what holds passes, what is planted is found. */
@Order(60)
class DeliveryTest {
    private static final String TOPIC = "delivery";
    private static int runs;
    private final Path ledger = TestCluster.HOME.resolve("ledger" + ++runs + ".jsonl");

    @BeforeEach void healthy() throws Exception {
        TestCluster.healthy();
        TestCluster.createTopic(TOPIC, "--if-not-exists");
    }

    private ResilientProducer producer(String... options) {
        List<String> args = new ArrayList<>(List.of("--topic", TOPIC, "--ledger", ledger.toString(), "--run", "run" + runs, "--producer-id", "p"));
        args.addAll(List.of(options));
        ResilientProducer producer = new ResilientProducer();
        return producer.common.configure(producer, TestCluster.quiet(), TestCluster.quiet(), args.toArray(String[]::new));
    }

    /** The verdict's event, and the exit code with it. */
    private Map<String, Object> check(int code) throws Exception {
        TestCluster.Run run = TestCluster.run(CheckDelivery::run, ledger.toString(), "--json");
        assertEquals(code, run.code(), run.toString());
        List<Map<String, Object>> verdict = TestCluster.ofType(run.events(), "verdict");
        assertEquals(1, verdict.size(), run.toString());
        return verdict.get(0);
    }

    /** A short run in which nothing happens: the ground for what is planted. Its ledger is a pass. */
    private Map<String, Object> quietRun() throws Exception {
        ResilientProducer.Summary sent = producer("--count", "80", "--rate", "1000").produce();
        assertEquals(List.of(80L, 0L, 0L), List.of(sent.acknowledged(), sent.failed(), sent.indeterminate()));
        Map<String, Object> verdict = check(0);
        assertEquals(List.of("pass", 80, 80), List.of(verdict.get("verdict"), verdict.get("acknowledged"), verdict.get("read")));
        return verdict;
    }

    private static void plant(int partition, String key) throws Exception {
        try (var plain = new KafkaProducer<>(Map.<String, Object>of("bootstrap.servers", Cluster.bootstrap()), new StringSerializer(), new StringSerializer())) {
            plain.send(new ProducerRecord<>(TOPIC, partition, key, "planted")).get();
        }
    }

    // ---- What holds ----

    @Test @Order(1) void noSendFailsAndNothingIsLostWhenTheControllerIsKilled() throws Exception {
        ResilientProducer producer = producer("--count", "1500", "--rate", "250");
        ExecutorService pool = Executors.newSingleThreadExecutor();
        try {
            Future<ResilientProducer.Summary> producing = pool.submit(producer::produce);
            TestCluster.await("acknowledgements", () -> producing.isDone() || producer.acknowledged() > 200);
            TestCluster.Run kill = TestCluster.killNode("controller");
            assertEquals(0, kill.code(), kill.toString());
            assertTrue(producer.acknowledged() < 1500, "the kill came too late to be felt");
            ResilientProducer.Summary sent = producing.get();
            assertEquals(List.of(1500L, 1500L, 0L, 0L, 0L), List.of(sent.sent(), sent.acknowledged(), sent.failed(), sent.indeterminate(), sent.errors()));
            assertTrue(sent.longestGap().length().toMillis() > 500, "a dead ISR member holds up acks=all: " + sent.longestGap());
        } finally { pool.shutdownNow(); }
        Map<String, Object> verdict = check(0);
        assertEquals(List.of("pass", 1500, 1500), List.of(verdict.get("verdict"), verdict.get("acknowledged"), verdict.get("read")));
    }

    @Test @Order(2) void theNaiveProducersDuplicatesAreReportedAndDoNotFail() throws Exception {
        ResilientProducer producer = producer("--mode", "naive", "--send-timeout", "1s", "--rate", "20", "--count", "60");
        List<Map<String, Object>> errors = new CopyOnWriteArrayList<>();
        producer.common.listener = event -> { if ("send-error".equals(event.get("type"))) errors.add(event); };
        int id = TestCluster.follower();
        ExecutorService pool = Executors.newSingleThreadExecutor();
        try {
            Future<ResilientProducer.Summary> producing = pool.submit(producer::produce);
            TestCluster.await("acknowledgements", () -> producing.isDone() || producer.acknowledged() > 5);
            assertEquals(0, TestCluster.killNode("" + id, "--mode", "pause").code());
            TestCluster.await("a number sent twice", () -> producing.isDone() || errors.stream().anyMatch(e -> (int) e.get("attempt") >= 2));
            assertEquals(0, TestCluster.startNode("" + id).code());
            ResilientProducer.Summary sent = producing.get();
            assertEquals(60, sent.messages());
            assertTrue(sent.sent() > 60, sent.toString());
        } finally { pool.shutdownNow(); }
        Map<String, Object> verdict = check(0);
        assertEquals("pass", verdict.get("verdict"));
        assertTrue((int) verdict.get("duplicates") > 0, verdict.toString());
        assertEquals(60, verdict.get("acknowledged"));
    }

    @Test @Order(3) void aKilledProducersLedgerIsReadableAndIncomplete() throws Exception {
        TestCluster.Child child = TestCluster.child(ResilientProducer.class, "--topic", TOPIC, "--ledger", ledger.toString(), "--rate", "200");
        TestCluster.await("a hundred outcomes", () -> !child.process().isAlive() || Files.exists(ledger) && Files.readAllLines(ledger).size() > 100);
        assertTrue(child.process().isAlive(), child.text());
        child.process().destroyForcibly().waitFor();
        Map<String, Object> verdict = check(14);
        assertEquals(List.of("incomplete", 0, 0), List.of(verdict.get("verdict"), verdict.get("lost"), verdict.get("phantoms")), verdict.toString());
        assertTrue((int) verdict.get("acknowledged") >= 99, verdict.toString());
    }

    @Test @Order(4) void ctrlCEndsTheLedger() throws Exception {
        TestCluster.Child child = TestCluster.child(ResilientProducer.class, "--topic", TOPIC, "--ledger", ledger.toString(), "--rate", "50");
        TestCluster.await("Sent: 3", () -> !child.process().isAlive() || child.text().contains("Sent: 3\n"));
        assertEquals(130, child.interrupt(), child.text());
        assertTrue(child.text().contains("Longest gap between acknowledgements"), child.text());
        List<String> lines = Files.readAllLines(ledger);
        assertEquals(true, JSON.std.mapFrom(lines.get(lines.size() - 1)).get("end"));
        check(0);
    }

    // ---- What is planted ----

    @Test @Order(5) void deletedAcknowledgedRecordsAreLost() throws Exception {
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
            admin.deleteRecords(Map.of(new TopicPartition(TOPIC, 3), RecordsToDelete.beforeOffset(first + 4))).all().get();
        }
        Map<String, Object> verdict = check(13);
        assertEquals(List.of("fail", 4, 76), List.of(verdict.get("verdict"), verdict.get("lost"), verdict.get("read")), verdict.toString());
        TestCluster.Run text = TestCluster.run(CheckDelivery::run, ledger.toString());
        assertEquals(13, text.code());
        assertTrue(text.out().lines().anyMatch(l -> l.matches("FAIL: 80 acknowledged; 4 lost\\.")), text.out());
    }

    @Test @Order(6) void aRecordWrittenTwiceIsADuplicate() throws Exception {
        quietRun();
        plant(6, "run" + runs + "/p/7"); // number 7 is in partition 6
        Map<String, Object> verdict = check(13);
        assertEquals(List.of("fail", 1, 0, 81), List.of(verdict.get("verdict"), verdict.get("duplicates"), verdict.get("lost"), verdict.get("read")), verdict.toString());
    }

    @Test @Order(7) void anIdentityThatNobodySentIsAPhantomAndOtherRunsAreNone() throws Exception {
        quietRun();
        plant(0, "some/other/1");
        assertEquals(1, check(0).get("other"));
        plant(1, "run" + runs + "/p/81");
        plant(1, "run" + runs + "/q/1");
        Map<String, Object> verdict = check(13);
        assertEquals(List.of("fail", 2, 0), List.of(verdict.get("verdict"), verdict.get("phantoms"), verdict.get("lost")), verdict.toString());
    }

    @Test @Order(8) void aTruncatedLedgerIsIncomplete() throws Exception {
        quietRun();
        List<String> lines = Files.readAllLines(ledger);
        Files.write(ledger, lines.subList(0, lines.size() - 5));
        Map<String, Object> verdict = check(14);
        assertEquals(List.of("incomplete", 0, 0, 4), List.of(verdict.get("verdict"), verdict.get("lost"), verdict.get("phantoms"), verdict.get("unknown")), verdict.toString());
    }

    @Test @Order(9) void aTopicThatIsGoneIsIncompleteAndNotAPass() throws Exception {
        quietRun();
        Files.writeString(ledger, Files.readString(ledger).replace("\"topic\":\"" + TOPIC + "\"", "\"topic\":\"gone\""));
        TestCluster.Run run = TestCluster.run(CheckDelivery::run, ledger.toString());
        assertEquals(14, run.code(), run.toString());
        assertTrue(run.err().contains("gone"), run.err());
    }
}
