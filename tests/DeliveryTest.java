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
import org.apache.kafka.common.serialization.StringSerializer;
import org.junit.jupiter.api.*;

/** Runs resilient-producer and check-delivery through real faults, and kills them: a correct run passes. */
@Order(60)
@Tag("records")
class DeliveryTest extends DeliveryFixture {
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
            // Leadership may move back, so that the partition stalls again.
            assertTrue(lines.size() == 2 || lines.size() == 4, lines.toString());
            for (int i = 0; i < lines.size(); i++)
                assertTrue(
                        lines.get(i).contains(i % 2 == 0 ? "no acknowledgement for" : "acknowledges again, after"),
                        lines.toString());
        });
    }

    // ---- SIGKILL of producer and check ----

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

    /** Kills producers this many milliseconds after their ledger appears or, if negative, after they start. */
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
            assertFalse(child.process().waitFor(Math.abs(ms), TimeUnit.MILLISECONDS), child.text());
            child.process().destroyForcibly().waitFor();
            if (!Files.exists(ledger)) continue;
            ledgers++;
            assertIncompleteWithoutAnomaly();
        }
        long late = IntStream.of(moments).filter(ms -> ms >= 0).count();
        assertTrue(ledgers >= late, "only " + ledgers + " were killed late enough");
        assertNextRunKeepsTheLedger();
    }

    private void assertIncompleteWithoutAnomaly() throws Exception {
        TestCluster.Run run = TestCluster.run(CheckDelivery::run, ledger.toString(), "--json");
        Map<String, Object> verdict =
                TestCluster.ofType(run.events(), "verdict").get(0);
        assertEquals(14, run.code(), run.toString());
        assertTrue(verdict.get("incomplete").toString().contains("the producer was killed"), run.toString());
        for (Anomaly a : Anomaly.values()) assertEquals(0, verdict.get(a.field), a.field + ": " + run);
    }

    private void assertNextRunKeepsTheLedger() throws Exception {
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

        sendAlone("r/p-1/1505", "an update", "an update"); // 1501 to 1504 are missing
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

        sendAlone("r/p-1/1", "r/p-1/1503");
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

    private static void sendAlone(String... keys) throws Exception {
        try (var plain = new KafkaProducer<>(
                Map.<String, Object>of("bootstrap.servers", Cluster.bootstrap()),
                new StringSerializer(),
                new StringSerializer())) {
            for (int i = 0; i < keys.length; i++)
                plain.send(new ProducerRecord<>("alone", 0, keys[i], "planted " + i))
                        .get();
        }
    }
}
