import static org.junit.jupiter.api.Assertions.*;

import java.io.RandomAccessFile;
import java.nio.file.*;
import java.util.*;
import java.util.stream.Stream;
import org.apache.kafka.clients.producer.*;
import org.apache.kafka.common.serialization.StringSerializer;
import org.junit.jupiter.api.*;

/**
 * Tests the most ordinary real loss: the tail of every replica's log is gone, as after a power failure. It is reported
 * both before and after other records have taken its place.
 */
@Order(61)
@Tag("records")
class TruncatedTailTest {
    private static final String TOPIC = "truncated", LOAD = "truncated-load";
    private static final int RECORDS = 400;

    @Test
    void aTailThatEveryReplicaLostIsLostAlsoWhenOthersHaveWrittenOverIt() throws Exception {
        TestCluster.healthy();
        TestCluster.createTopic(TOPIC, LOAD, "--partitions", "3");
        Path ledger = TestCluster.HOME.resolve("truncated.jsonl");
        TestCluster.Run written = TestCluster.run(
                ResilientProducer::run,
                "--topic",
                TOPIC,
                "--rate",
                "1000",
                "--count",
                "" + RECORDS,
                "--ledger",
                ledger.toString());
        assertEquals(0, written.code(), written.toString());
        Path load = TestCluster.HOME.resolve("truncated-load.jsonl");
        TestCluster.Run loaded = TestCluster.run(
                PerfTest::run,
                "--topic",
                LOAD,
                "--num-records",
                "5000",
                "--throughput",
                "-1",
                "--record-size",
                "100",
                "--producers",
                "2",
                "--command-property",
                "acks=1",
                "--ledger",
                load.toString());
        assertEquals(0, loaded.code(), loaded.toString());
        assertEquals(
                List.of(5000, 5000, 0),
                figures(
                        TestCluster.run(CheckDelivery::run, load.toString(), "--json"),
                        0,
                        "acknowledged",
                        "found",
                        "lost"));
        assertEquals(0, TestCluster.killNode("1", "2", "3", "--force").code());
        for (int id : Cluster.IDS) halveLogs(id);
        TestCluster.healthy();

        Map<String, Object> verdict = check(ledger);
        int lost = (int) verdict.get("lost");
        assertTrue(lost > RECORDS / 4 && lost < RECORDS, verdict.toString());
        assertEquals(
                List.of(0, lost, 0, List.of()),
                List.of(
                        verdict.get("unseen"),
                        RECORDS - (int) verdict.get("read"),
                        verdict.get("inconsistent"),
                        verdict.get("incomplete")),
                verdict.toString());

        List<Object> ofLoad = figures(
                TestCluster.run(CheckDelivery::run, load.toString(), "--json", "--timeout", "3s"),
                13,
                "acknowledged",
                "found",
                "lost",
                "unseen");
        assertEquals(
                List.of(5000, 5000 - (int) ofLoad.get(2), 0), List.of(ofLoad.get(0), ofLoad.get(1), ofLoad.get(3)));
        assertTrue((int) ofLoad.get(2) > 1000, ofLoad.toString());

        try (var others = new KafkaProducer<>(
                Map.<String, Object>of("bootstrap.servers", Cluster.bootstrap()),
                new StringSerializer(),
                new StringSerializer())) {
            for (int i = 0; i < RECORDS; i++) others.send(new ProducerRecord<>(TOPIC, i % 3, "another/run/" + i, "x"));
            for (int i = 0; i < 15_000; i++) others.send(new ProducerRecord<>(LOAD, i % 3, null, "x"));
        }
        Map<String, Object> later = check(ledger);
        assertEquals(
                ofLoad.subList(0, 3),
                figures(
                        TestCluster.run(CheckDelivery::run, load.toString(), "--json"),
                        13,
                        "acknowledged",
                        "found",
                        "lost"),
                "what others wrote there later is not taken for the load's");
        assertEquals(
                List.of(lost, lost, 0),
                List.of(later.get("lost"), later.get("inconsistent"), later.get("unseen")),
                later.toString());
    }

    private static List<Object> figures(TestCluster.Run run, int code, String... names) throws Exception {
        assertEquals(code, run.code(), run.toString());
        Map<String, Object> verdict =
                TestCluster.ofType(run.events(), "load-verdict").get(0);
        return Arrays.stream(names).map(verdict::get).toList();
    }

    private static Map<String, Object> check(Path ledger) throws Exception {
        TestCluster.Run run = TestCluster.run(CheckDelivery::run, ledger.toString(), "--json", "--timeout", "3s");
        assertEquals(13, run.code(), run.toString());
        return TestCluster.ofType(run.events(), "verdict").get(0);
    }

    private static void halveLogs(int id) throws Exception {
        Path node = TestCluster.nodeFile(id).getParent();
        try (Stream<Path> files = Files.walk(node)) {
            List<Path> logs = files.filter(
                            f -> f.getParent().getFileName().toString().matches("(" + TOPIC + "|" + LOAD + ")-\\d")
                                    && f.toString().endsWith(".log"))
                    .toList();
            assertEquals(6, logs.size(), "of node " + id);
            for (Path log : logs)
                try (RandomAccessFile file = new RandomAccessFile(log.toFile(), "rw")) {
                    file.setLength(file.length() / 2);
                }
        }
    }
}
