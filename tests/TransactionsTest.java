import static org.junit.jupiter.api.Assertions.*;

import java.nio.file.*;
import java.util.*;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.ListOffsetsOptions;
import org.apache.kafka.clients.admin.OffsetSpec;
import org.apache.kafka.clients.producer.*;
import org.apache.kafka.common.IsolationLevel;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.StringSerializer;
import org.junit.jupiter.api.*;

/**
 * Tests both checks on a topic that was written in transactions: they judge what a consumer sees that reads committed
 * records.
 */
@Order(62)
@Tag("records")
class TransactionsTest {
    private static final String TOPIC = "transactions";

    @Test
    void whatWasAbortedIsNoRecordAndWhatIsOpenIsNotJudged() throws Exception {
        TestCluster.healthy();
        TestCluster.createTopic(TOPIC, "--partitions", "1");
        List<String> ledger = new ArrayList<>(List.of(
                "{\"ledger\":2,\"run\":\"r\",\"producer\":\"p\",\"topic\":\"" + TOPIC + "\",\"idempotent\":true}"));
        Map<String, Object> client =
                Map.of("bootstrap.servers", Cluster.bootstrap(), "transactional.id", "tests", "linger.ms", 0);
        try (var producer = new KafkaProducer<>(client, new StringSerializer(), new StringSerializer())) {
            producer.initTransactions();
            List<Long> aborted = send(producer, 1, 10);
            producer.abortTransaction();
            awaitMarker();
            Map<String, Object> alone = topic(14);
            assertEquals(
                    List.of("incomplete", 0, 10, 0, 11),
                    figures(alone, "verdict", "read", "aborted", "open", "gaps"),
                    "ten aborted records, and their marker: nobody can read anything");

            List<Long> committed = send(producer, 1, 10); // the same records again
            producer.commitTransaction();
            awaitMarker();
            assertEquals(
                    List.of("incomplete", 10, 10, 0, 12, 0),
                    figures(topic(14), "verdict", "read", "aborted", "duplicates", "gaps", "missing"));

            acknowledge(ledger, 1, committed);
            assertEquals(
                    List.of("pass", 10, 10, 0, 0),
                    figures(delivery(0, ledger), "verdict", "acknowledged", "read", "duplicates", "aborted"));
            List<String> both = new ArrayList<>(ledger);
            acknowledge(both, 1, aborted);
            assertEquals(
                    List.of("pass", 10, 0, 0),
                    figures(delivery(0, both), "verdict", "acknowledged", "inconsistent", "lost"),
                    "the first copy was aborted, the second is there");

            acknowledge(ledger, 11, send(producer, 11, 5));
            producer.abortTransaction();
            awaitMarker();
            assertEquals(
                    List.of("incomplete", 15, 5, 0, 0),
                    figures(delivery(14, ledger), "verdict", "acknowledged", "aborted", "lost", "unseen"));

            acknowledge(ledger, 16, send(producer, 16, 3));
            Map<String, Object> open = topic(14);
            assertEquals(
                    List.of("incomplete", 10, 15, 3, 0),
                    figures(open, "verdict", "read", "aborted", "open", "duplicates"));
            assertTrue(
                    open.get("incomplete")
                            .toString()
                            .contains("a transaction is open in partition 0 from offset 28 on"),
                    open.toString());
            assertEquals(
                    List.of("incomplete", 5, 3, 0),
                    figures(delivery(14, ledger), "verdict", "aborted", "unseen", "lost"));
            producer.commitTransaction();
            awaitMarker();
            assertEquals(
                    List.of("incomplete", 5, 0, 0),
                    figures(delivery(14, ledger), "verdict", "aborted", "unseen", "lost"));
        } finally {
            TestCluster.deleteTopics(List.of(TOPIC));
        }
    }

    /**
     * Waits for the transaction's marker. The end of a transaction is acknowledged before its marker is written; until
     * then it is open.
     */
    private static void awaitMarker() throws Exception {
        TopicPartition partition = new TopicPartition(TOPIC, 0);
        try (Admin admin = TestCluster.admin()) {
            TestCluster.await(
                    "the marker",
                    () -> end(admin, partition, IsolationLevel.READ_COMMITTED)
                            == end(admin, partition, IsolationLevel.READ_UNCOMMITTED));
        }
    }

    private static long end(Admin admin, TopicPartition partition, IsolationLevel isolation) throws Exception {
        return admin.listOffsets(Map.of(partition, OffsetSpec.latest()), new ListOffsetsOptions(isolation))
                .partitionResult(partition)
                .get()
                .offset();
    }

    @Test
    void aLoadInTransactionsIsFoundAroundTheirMarkers() throws Exception {
        TestCluster.healthy();
        TestCluster.createTopic("load-in-transactions", "--partitions", "2");
        Path ledger = TestCluster.HOME.resolve("transactions-load.jsonl");
        TestCluster.Run load = TestCluster.run(
                PerfTest::run,
                "--topic",
                "load-in-transactions",
                "--num-records",
                "1000",
                "--throughput",
                "2000",
                "--record-size",
                "100",
                "--transactional-id",
                "load",
                "--transaction-duration-ms",
                "20",
                "--ledger",
                ledger.toString());
        assertEquals(0, load.code(), load.toString());
        assertTrue(Files.readAllLines(ledger).size() > 4, "a marker ends a range: " + Files.readString(ledger));
        Map<String, Object> verdict = TestCluster.ofType(
                        TestCluster.run(CheckDelivery::run, ledger.toString(), "--json")
                                .events(),
                        "load-verdict")
                .get(0);
        assertEquals(List.of("pass", 1000, 1000, 1000), figures(verdict, "verdict", "acknowledged", "found", "read"));
    }

    /** Sends records in a new transaction, and leaves it open. Returns their offsets; all are acknowledged. */
    private static List<Long> send(KafkaProducer<String, String> producer, int first, int count) throws Exception {
        producer.beginTransaction();
        List<Long> offsets = new ArrayList<>();
        for (int seq = first; seq < first + count; seq++)
            offsets.add(producer.send(new ProducerRecord<>(TOPIC, 0, "r/p/" + seq, "x"))
                    .get()
                    .offset());
        return offsets;
    }

    private static void acknowledge(List<String> ledger, int first, List<Long> offsets) {
        for (int i = 0; i < offsets.size(); i++)
            ledger.add("{\"seq\":" + (first + i) + ",\"partition\":0,\"offset\":" + offsets.get(i)
                    + ",\"at\":1764000000123456,\"latencyUs\":7}");
    }

    private static Map<String, Object> topic(int code) throws Exception {
        return verdict(code, TestCluster.run(CheckTopic::run, "--topic", TOPIC, "--json"));
    }

    private static Map<String, Object> delivery(int code, List<String> lines) throws Exception {
        List<String> whole = new ArrayList<>(lines);
        whole.add("{\"end\":true,\"sent\":" + (lines.size() - 1) + "}");
        Path file = Files.write(TestCluster.HOME.resolve("transactions.jsonl"), whole);
        return verdict(code, TestCluster.run(CheckDelivery::run, file.toString(), "--json", "--timeout", "1s"));
    }

    private static Map<String, Object> verdict(int code, TestCluster.Run run) throws Exception {
        assertEquals(code, run.code(), run.toString());
        return TestCluster.ofType(run.events(), "verdict").get(0);
    }

    private static List<Object> figures(Map<String, Object> verdict, String... names) {
        return Arrays.stream(names).map(verdict::get).toList();
    }
}
