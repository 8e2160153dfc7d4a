import static org.junit.jupiter.api.Assertions.*;

import com.fasterxml.jackson.jr.ob.JSON;
import java.io.*;
import java.nio.file.*;
import java.time.*;
import java.util.*;
import java.util.concurrent.*;
import java.util.stream.IntStream;
import org.apache.kafka.clients.admin.*;
import org.apache.kafka.clients.producer.*;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.StringSerializer;
import org.junit.jupiter.api.*;

/** resilient-producer through real faults, and check-delivery on real topics: what holds passes, what is planted is found. */
@Order(60)
@Tag("records")
class DeliveryTest {
    private static final String TOPIC = "delivery";
    private static int runs;
    private final Path ledger = TestCluster.HOME.resolve("ledger" + ++runs + ".jsonl");

    @BeforeEach
    void healthy() throws Exception {
        TestCluster.healthy();
        TestCluster.createTopic(TOPIC, "--if-not-exists");
    }

    private ResilientProducer producer(String... options) {
        return configured(
                TestCluster.quiet(),
                TestCluster.with(
                        new String[] {
                            "--topic",
                            TOPIC,
                            "--ledger",
                            ledger.toString(),
                            "--run-id",
                            "run" + runs,
                            "--producer-id",
                            "p"
                        },
                        options));
    }

    private static ResilientProducer configured(PrintWriter err, String... args) {
        ResilientProducer producer = new ResilientProducer();
        return producer.common.configure(producer, TestCluster.quiet(), err, args);
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
        ResilientProducer.Summary sent =
                producer("--count", "80", "--rate", "1000").produce();
        assertEquals(List.of(80L, 0L, 0L), List.of(sent.acknowledged(), sent.failed(), sent.indeterminate()));
        Map<String, Object> verdict = check(0);
        assertEquals(
                List.of("pass", 80, 80),
                List.of(verdict.get("verdict"), verdict.get("acknowledged"), verdict.get("read")));
        return verdict;
    }

    private static void plant(int partition, String key) throws Exception {
        try (var plain = new KafkaProducer<>(
                Map.<String, Object>of("bootstrap.servers", Cluster.bootstrap()),
                new StringSerializer(),
                new StringSerializer())) {
            plain.send(new ProducerRecord<>(TOPIC, partition, key, "planted")).get();
        }
    }

    // ---- What holds ----

    @Test
    @Order(1)
    void noSendFailsAndNothingIsLostWhenTheControllerIsKilled() throws Exception {
        ResilientProducer producer = producer("--count", "1500", "--rate", "250");
        ExecutorService pool = Executors.newSingleThreadExecutor();
        try {
            Future<ResilientProducer.Summary> producing = pool.submit(producer::produce);
            TestCluster.await("acknowledgements", () -> producing.isDone() || producer.acknowledged() > 200);
            TestCluster.Run kill = TestCluster.killNode("controller");
            assertEquals(0, kill.code(), kill.toString());
            assertTrue(producer.acknowledged() < 1500, "the kill came too late to be felt");
            ResilientProducer.Summary sent = producing.get();
            assertEquals(
                    List.of(1500L, 1500L, 0L, 0L, 0L),
                    List.of(sent.sent(), sent.acknowledged(), sent.failed(), sent.indeterminate(), sent.errors()));
            assertTrue(
                    sent.longestGap().length().toMillis() > 500,
                    "a dead ISR member holds up acks=all: " + sent.longestGap());
        } finally {
            pool.shutdownNow();
        }
        Map<String, Object> verdict = check(0);
        assertEquals(
                List.of("pass", 1500, 1500),
                List.of(verdict.get("verdict"), verdict.get("acknowledged"), verdict.get("read")));
    }

    @Test
    @Order(2)
    void theNaiveProducersDuplicatesAreReportedAndDoNotFail() throws Exception {
        ResilientProducer producer =
                producer("--mode", "naive", "--send-timeout", "1s", "--rate", "20", "--count", "60");
        List<Map<String, Object>> errors = new CopyOnWriteArrayList<>();
        producer.common.listener = event -> {
            if ("send-error".equals(event.get("type"))) errors.add(event);
        };
        int id = TestCluster.follower();
        ExecutorService pool = Executors.newSingleThreadExecutor();
        try {
            Future<ResilientProducer.Summary> producing = pool.submit(producer::produce);
            TestCluster.await("acknowledgements", () -> producing.isDone() || producer.acknowledged() > 5);
            assertEquals(0, TestCluster.killNode("" + id, "--mode", "pause").code());
            TestCluster.await(
                    "a number sent twice",
                    () -> producing.isDone() || errors.stream().anyMatch(e -> (int) e.get("attempt") >= 2));
            assertEquals(0, TestCluster.startNode("" + id).code());
            ResilientProducer.Summary sent = producing.get();
            assertEquals(60, sent.messages());
            assertTrue(sent.sent() > 60, sent.toString());
        } finally {
            pool.shutdownNow();
        }
        Map<String, Object> verdict = check(0);
        assertEquals("pass", verdict.get("verdict"));
        assertTrue((int) verdict.get("duplicates") > 0, verdict.toString());
        assertEquals(60, verdict.get("acknowledged"));
    }

    @Test
    @Order(3)
    void aKilledProducersLedgerIsReadableAndIncomplete() throws Exception {
        TestCluster.Child child = TestCluster.child(
                ResilientProducer.class, "--topic", TOPIC, "--ledger", ledger.toString(), "--rate", "200");
        TestCluster.await(
                "a hundred outcomes",
                () -> !child.process().isAlive()
                        || Files.exists(ledger) && Files.readAllLines(ledger).size() > 100);
        assertTrue(child.process().isAlive(), child.text());
        child.process().destroyForcibly().waitFor();
        Map<String, Object> verdict = check(14);
        assertEquals(
                List.of("incomplete", 0, 0),
                List.of(verdict.get("verdict"), verdict.get("lost"), verdict.get("phantoms")),
                verdict.toString());
        assertTrue((int) verdict.get("acknowledged") >= 99, verdict.toString());
    }

    @Test
    @Order(4)
    void ctrlCEndsTheLedger() throws Exception {
        TestCluster.Child child = TestCluster.child(
                ResilientProducer.class, "--topic", TOPIC, "--ledger", ledger.toString(), "--rate", "50");
        TestCluster.await(
                "Sent: 3", () -> !child.process().isAlive() || child.text().contains("Sent: 3\n"));
        assertEquals(130, child.interrupt(), child.text());
        assertTrue(child.text().contains("Longest gap between acknowledgements"), child.text());
        List<String> lines = Files.readAllLines(ledger);
        assertEquals(true, JSON.std.mapFrom(lines.get(lines.size() - 1)).get("end"));
        check(0);
    }

    // ---- What is planted ----

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

    /** A run of another producer than ours, whose ledger is written here: record, outcome and truth are set one by one. */
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
            for (int seq = 430; seq < 433; seq++) {
                run.send(6, seq);
                run.outcome(seq, "failed");
            } // an aborted read
            for (int seq = 440; seq < 442; seq++) {
                run.send(6, seq);
                run.outcome(seq, "indeterminate");
            } // legal, and landed
            run.outcome(442, "indeterminate"); // legal, and absent
            run.outcome(443, "failed"); // legal
            run.send(6, 9001); // two phantoms
            plant(6, "run" + runs + "/nobody/1");
            for (int seq = 450; seq < 452; seq++)
                run.acknowledged(seq, 5, 1_000_000 + seq); // lost: the log ends before, and all replicas are in sync
        }
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

        List<?> partitions = (List<?>) verdict.get("partitions"), examples = (List<?>) verdict.get("examples");
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

    /** acks=1 with the others dead: acknowledged by the leader, above the high watermark, and not to be read until they are back. */
    @Test
    @Order(11)
    void acknowledgedAboveTheHighWatermarkIsUnseenUntilTheFollowersAreBack() throws Exception {
        Path config = Files.writeString(
                TestCluster.HOME.resolve("impatient.properties"),
                "delivery.timeout.ms=4000\nrequest.timeout.ms=2000\n");
        int survivor; // one that leads something, which not every node does after what came before
        try (Admin admin = TestCluster.admin()) {
            survivor = admin.describeTopics(List.of(TOPIC))
                    .allTopicNames()
                    .get()
                    .get(TOPIC)
                    .partitions()
                    .get(0)
                    .leader()
                    .id();
        }
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

    // ---- Many producers, and high rates ----

    @Test
    @Order(12)
    void fourProducersAt20000ASecondThroughAKillHaveOneLedgerAndNoFalseAlarm() throws Exception {
        ResilientProducer producer = producer("--producers", "4", "--rate", "20000", "--count", "120001");
        ExecutorService pool = Executors.newSingleThreadExecutor();
        try {
            Future<ResilientProducer.Summary> producing = pool.submit(producer::produce);
            TestCluster.await("acknowledgements", () -> producing.isDone() || producer.acknowledged() > 20_000);
            assertEquals(0, TestCluster.killNode("" + TestCluster.follower()).code());
            assertTrue(producer.acknowledged() < 120_000, "the kill came too late to be felt");
            ResilientProducer.Summary sent = producing.get();
            assertEquals(
                    List.of(120_001L, 120_001L, 120_001L, 0L),
                    List.of(sent.messages(), sent.sent(), sent.acknowledged(), sent.errors()),
                    sent.toString());
        } finally {
            pool.shutdownNow();
        }
        assertEquals(
                4,
                Files.readAllLines(ledger).stream()
                        .filter(l -> l.startsWith("{\"ledger\":"))
                        .count());
        Map<String, Object> verdict = check(0);
        assertEquals(
                List.of("pass", 120_001, 120_001),
                List.of(verdict.get("verdict"), verdict.get("acknowledged"), verdict.get("read")),
                verdict.toString());
        for (Anomaly a : Anomaly.values()) assertEquals(0, verdict.get(a.field), a.field);
    }

    @Test
    @Order(13)
    void atAHighRateALineASecondIsPrintedAndEventsAreAllThereWhenAskedFor() throws Exception {
        TestCluster.Run run =
                TestCluster.run(ResilientProducer::run, "--topic", TOPIC, "--rate", "5000", "--count", "10000");
        assertEquals(0, run.code(), run.toString());
        assertTrue(
                run.out().lines().count() <= 6
                        && run.out().lines().allMatch(l -> l.matches("Sent: \\d+ \\(\\d+ a second\\)")),
                run.toString());
        assertTrue(run.out().contains("Sent: 10000 ("), run.toString());
        TestCluster.Run json = TestCluster.run(
                ResilientProducer::run,
                "--topic",
                TOPIC,
                "--rate",
                "5000",
                "--count",
                "5000",
                "--producers",
                "2",
                "--json");
        assertEquals(5000, TestCluster.ofType(json.events(), "ack").size(), json.err());
    }

    @Test
    @Order(14)
    void aStuckPartitionIsSaidOnceAndOnceThatItIsOver() throws Exception {
        StringWriter err = new StringWriter();
        ResilientProducer producer =
                configured(new PrintWriter(err), "--topic", TOPIC, "--rate", "200", "--send-timeout", "1s");
        int id = TestCluster.follower();
        ExecutorService pool = Executors.newSingleThreadExecutor();
        try {
            Future<ResilientProducer.Summary> producing = pool.submit(producer::produce);
            TestCluster.await("acknowledgements", () -> producing.isDone() || producer.acknowledged() > 100);
            assertEquals(0, TestCluster.killNode("" + id, "--mode", "pause").code());
            TestCluster.await("a stuck partition", () -> err.toString().contains("no acknowledgement for"));
            assertEquals(0, TestCluster.startNode("" + id).code());
            TestCluster.await("writes flow", () -> {
                for (int p = 0; p < 8; p++)
                    if (producer.awaitAckAfter(p, System.nanoTime(), Duration.ofSeconds(10))
                            .isEmpty()) return false;
                return true;
            });
            producer.stop();
            producing.get();
        } finally {
            pool.shutdownNow();
        }
        Map<Integer, List<String>> said = new TreeMap<>();
        err.toString()
                .lines()
                .filter(l -> l.startsWith("Partition "))
                .forEach(l -> said.computeIfAbsent(
                                Integer.parseInt(l.replaceAll("Partition (\\d+).*", "$1")), p -> new ArrayList<>())
                        .add(l));
        assertFalse(said.isEmpty());
        said.forEach((p, lines) -> {
            assertTrue(
                    lines.size() == 2 || lines.size() == 4,
                    lines.toString()); // leadership may move back and stick once more
            for (int i = 0; i < lines.size(); i++)
                assertTrue(
                        lines.get(i).contains(i % 2 == 0 ? "no acknowledgement for" : "acknowledges again, after"),
                        lines.toString());
        });
    }

    // ---- SIGKILL of our own scripts ----

    @Test
    @Order(15)
    void aProducerThatIsKilledLeavesALedgerThatCanBeReadOrNone() throws Exception {
        killProducers(-600, 0, 60, 500, 1500);
    }

    @Tag("soak")
    @Test
    void producersKilledAtAnyMomentLeaveALedgerThatCanBeReadOrNone() throws Exception {
        killProducers(
                IntStream.range(0, 61).map(i -> i % 3 == 2 ? -i * 15 : i * 37).toArray());
    }

    /** So many milliseconds after the ledger's beginning, or, below 0, after their start. */
    private void killProducers(int... moments) throws Exception {
        int ledgers = 0;
        for (int ms : moments) {
            Files.deleteIfExists(ledger);
            TestCluster.Child child = TestCluster.child(
                    ResilientProducer.class,
                    "--topic",
                    TOPIC,
                    "--ledger",
                    ledger.toString(),
                    "--rate",
                    "4000",
                    "--producers",
                    "2");
            if (ms >= 0)
                TestCluster.await(
                        "the ledger",
                        () -> Files.exists(ledger) || !child.process().isAlive());
            assertFalse(
                    child.process().waitFor(Math.abs(ms), TimeUnit.MILLISECONDS),
                    child.text()); // a moment, whatever is going on then
            child.process().destroyForcibly().waitFor();
            if (!Files.exists(ledger)) continue;
            ledgers++;
            TestCluster.Run run = TestCluster.run(CheckDelivery::run, ledger.toString(), "--json");
            Map<String, Object> verdict =
                    TestCluster.ofType(run.events(), "verdict").get(0);
            assertEquals(14, run.code(), run.toString());
            assertTrue(verdict.get("incomplete").toString().contains("the producer was killed"), run.toString());
            for (Anomaly a : Anomaly.values()) assertEquals(0, verdict.get(a.field), a.field + ": " + run);
        }
        long late = IntStream.of(moments).filter(ms -> ms >= 0).count();
        assertTrue(ledgers >= late, "only " + ledgers + " were killed late enough");
        TestCluster.Run next = TestCluster.run(
                ResilientProducer::run,
                "--topic",
                TOPIC,
                "--ledger",
                ledger.toString(),
                "--rate",
                "1000",
                "--count",
                "100",
                "--run-id",
                "next" + runs);
        assertEquals(0, next.code(), next.toString());
        Path kept = Path.of(ledger + ".before-next" + runs);
        assertTrue(next.err().contains(kept.toString()), next.err());
        assertEquals(14, TestCluster.run(CheckDelivery::run, kept.toString()).code());
        check(0);
        TestCluster.Run over = TestCluster.run(
                ResilientProducer::run,
                "--topic",
                TOPIC,
                "--ledger",
                ledger.toString(),
                "--rate",
                "1000",
                "--count",
                "100");
        assertFalse(over.err().contains("kept as"), "a ledger with its end is replaced: " + over.err());
    }

    @Test
    @Order(16)
    void aCheckKilledWhileItReadsLeavesNothingBehind() throws Exception {
        killChecks(700, 1100);
    }

    @Tag("soak")
    @Test
    void checksKilledAtAnyMomentLeaveNothingBehind() throws Exception {
        killChecks(IntStream.range(0, 30).map(i -> 100 + i * 50).toArray());
    }

    private void killChecks(int... moments) throws Exception {
        producer("--producers", "2", "--rate", "20000", "--count", "40000").produce();
        for (int ms : moments) {
            TestCluster.Child child = TestCluster.child(CheckDelivery.class, ledger.toString());
            child.process().waitFor(ms, TimeUnit.MILLISECONDS);
            child.process().destroyForcibly().waitFor();
        }
        try (Admin admin = TestCluster.admin()) {
            assertEquals(List.of(), List.copyOf(admin.listGroups().all().get()), "no group is left");
        }
        assertEquals(40_000, check(0).get("acknowledged"));
    }

    // ---- Without a ledger ----

    @Test
    @Order(17)
    void aTopicWithoutALedgerIsCheckedAsFarAsThatGoes() throws Exception {
        TestCluster.createTopic("alone");
        ResilientProducer.Summary sent = configured(
                        TestCluster.quiet(),
                        "--topic",
                        "alone",
                        "--rate",
                        "5000",
                        "--count",
                        "3000",
                        "--producers",
                        "2",
                        "--run-id",
                        "r",
                        "--producer-id",
                        "p")
                .produce();
        assertEquals(3000, sent.acknowledged());
        TestCluster.Run clean = TestCluster.run(CheckTopic::run, "--topic", "alone");
        assertEquals(0, clean.code(), clean.toString());
        assertTrue(
                clean.out().contains("PASS: 3000 records of alone, 3000 of them with a producer's number")
                        && clean.out().contains("Without the producers' ledger it is not known"),
                clean.out());

        try (var plain = new KafkaProducer<>(
                Map.<String, Object>of("bootstrap.servers", Cluster.bootstrap()),
                new StringSerializer(),
                new StringSerializer())) {
            plain.send(new ProducerRecord<>("alone", 0, "r/p-1/1505", "missing: 1501 to 1504"))
                    .get();
            plain.send(new ProducerRecord<>("alone", 0, "an update", "x")).get();
            plain.send(new ProducerRecord<>("alone", 0, "an update", "y")).get();
        }
        TestCluster.Run open = TestCluster.run(CheckTopic::run, "--topic", "alone", "--json");
        assertEquals(14, open.code(), open.toString());
        Map<String, Object> verdict = open.events().get(0);
        assertEquals(
                List.of("incomplete", 4, 1, 0),
                List.of(
                        verdict.get("verdict"),
                        verdict.get("missing"),
                        verdict.get("repeatedKeys"),
                        verdict.get("duplicates")),
                open.toString());

        try (var plain = new KafkaProducer<>(
                Map.<String, Object>of("bootstrap.servers", Cluster.bootstrap()),
                new StringSerializer(),
                new StringSerializer())) {
            for (String key : List.of("r/p-1/1", "r/p-1/1503"))
                plain.send(new ProducerRecord<>("alone", 0, key, "planted")).get();
        }
        TestCluster.Run wrong = TestCluster.run(CheckTopic::run, "--topic", "alone", "--json");
        assertEquals(13, wrong.code(), wrong.toString());
        verdict = wrong.events().get(0);
        assertEquals(
                List.of("fail", 1, 1, 3),
                List.of(
                        verdict.get("verdict"),
                        verdict.get("duplicates"),
                        verdict.get("reordered"),
                        verdict.get("missing")),
                wrong.toString());
        assertEquals(
                14, TestCluster.run(CheckTopic::run, "--topic", "none-such").code());
    }
}
