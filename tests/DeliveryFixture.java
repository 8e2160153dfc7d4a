import static org.junit.jupiter.api.Assertions.*;

import java.io.PrintWriter;
import java.nio.file.*;
import java.util.*;
import org.apache.kafka.clients.producer.*;
import org.apache.kafka.common.serialization.StringSerializer;
import org.junit.jupiter.api.*;

/** Provides a topic, a producer with its own ledger, and check-delivery's verdict on it. */
abstract class DeliveryFixture {
    static final String TOPIC = "delivery";
    static int runs;
    final Path ledger = TestCluster.HOME.resolve("ledger" + ++runs + ".jsonl");

    @BeforeEach
    void healthy() throws Exception {
        TestCluster.healthy();
        TestCluster.createTopic(TOPIC, "--if-not-exists");
    }

    ResilientProducer producer(String... options) {
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

    static ResilientProducer configured(PrintWriter err, String... args) {
        ResilientProducer producer = new ResilientProducer();
        return producer.common.configure(producer, TestCluster.quiet(), err, args);
    }

    /** Returns the verdict event after checking the exit code. */
    Map<String, Object> check(int code) throws Exception {
        TestCluster.Run run = TestCluster.run(CheckDelivery::run, ledger.toString(), "--json");
        assertEquals(code, run.code(), run.toString());
        List<Map<String, Object>> verdict = TestCluster.ofType(run.events(), "verdict");
        assertEquals(1, verdict.size(), run.toString());
        return verdict.get(0);
    }

    /** Makes a short run without a fault, as the basis for planted anomalies, and checks that it passes. */
    Map<String, Object> quietRun() throws Exception {
        ResilientProducer.Summary sent =
                producer("--count", "80", "--rate", "1000").produce();
        assertEquals(List.of(80L, 0L, 0L), List.of(sent.acknowledged(), sent.failed(), sent.indeterminate()));
        Map<String, Object> verdict = check(0);
        assertEquals(
                List.of("pass", 80, 80),
                List.of(verdict.get("verdict"), verdict.get("acknowledged"), verdict.get("read")));
        return verdict;
    }

    static void plant(int partition, String key) throws Exception {
        try (var plain = new KafkaProducer<>(
                Map.<String, Object>of("bootstrap.servers", Cluster.bootstrap()),
                new StringSerializer(),
                new StringSerializer())) {
            plain.send(new ProducerRecord<>(TOPIC, partition, key, "planted")).get();
        }
    }
}
