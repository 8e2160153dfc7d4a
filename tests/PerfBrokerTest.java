import static org.junit.jupiter.api.Assertions.*;

import java.io.*;
import java.nio.file.*;
import java.time.Duration;
import java.util.*;
import java.util.concurrent.*;
import java.util.stream.*;
import org.apache.kafka.clients.admin.*;
import org.apache.kafka.clients.consumer.*;
import org.apache.kafka.clients.producer.*;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.*;
import org.junit.jupiter.api.*;
import org.junit.jupiter.api.io.TempDir;

/** Tests perf on a real broker that is paused, reads back what perf wrote, and loses some of it. */
@Order(71)
@Tag("records")
class PerfBrokerTest {
    @Test
    void responseTimeThroughAPausedBrokerAgreesWithTheBrokersOwnClock(@TempDir Path folder) throws Exception {
        TestCluster.healthy();
        int paused = TestCluster.follower();
        String topic = "truth";
        try (Admin admin = TestCluster.admin()) {
            admin.createTopics(List.of(new NewTopic(topic, Map.of(0, List.of(paused)))
                            .configs(Map.of("message.timestamp.type", "LogAppendTime", "min.insync.replicas", "1"))))
                    .all()
                    .get();
        }
        int n = 10_000;
        Path log = folder.resolve("x.hlog");
        PerfTest perf = new PerfTest();
        String load = "--topic " + topic + " --num-records " + n + " --throughput 1000 --record-size 200";
        String more =
                " -b " + Cluster.bootstrap() + " --hdr-log " + log + " --command-property acks=1 buffer.memory=262144";
        perf.common.configure(perf, TestCluster.quiet(), TestCluster.quiet(), (load + more).split(" "));
        FutureTask<PerfTest.Summary> run = new FutureTask<>(perf::measure);
        new Thread(run).start();
        try (Admin admin = TestCluster.admin()) {
            TestCluster.await("a second of load", () -> end(admin, topic) > 1000);
        }
        assertEquals(
                0,
                TestCluster.killNode("" + paused, "--mode", "pause", "--for", "5s", "--force")
                        .code());
        PerfTest.Summary s = run.get(60, TimeUnit.SECONDS);
        assertEquals(n, s.records());
        // The broker's clock says when each record was appended. With one producer and one partition, the offset is the
        // record's number.
        double start = startMs(log);
        double[] truth = appended(topic, n);
        TestCluster.deleteTopics(List.of(topic));
        for (int i = 0; i < n; i++) truth[i] -= start + i;
        Arrays.sort(truth);
        double mean = Arrays.stream(truth).average().orElseThrow(),
                p95 = truth[(int) (n * 0.95) - 1],
                max = truth[n - 1];
        assertTrue(max > 4900 && mean > 1000, "the pause shows: " + mean + " " + max);
        // The acknowledgement comes some milliseconds after the append.
        assertEquals(mean, s.response().getMean() / 1000, Math.max(10, mean / 100), "mean");
        assertEquals(p95, s.response().getValueAtPercentile(95) / 1000.0, p95 / 100 + 10, "p95");
        assertEquals(max, s.response().getMaxValue() / 1000.0, max / 100 + 10, "max");
        assertTrue(
                s.service().getMean() / 1000 < mean / 2,
                "without the wait before send(): " + s.service().getMean() / 1000 + " of " + mean);
    }

    private static double startMs(Path log) throws IOException {
        try (Stream<String> lines = Files.lines(log)) {
            return lines.filter(l -> l.startsWith("#[StartTime:"))
                            .map(l -> l.replaceAll("[^0-9]*([0-9.]+).*", "$1"))
                            .mapToDouble(Double::parseDouble)
                            .findFirst()
                            .orElseThrow()
                    * 1000;
        }
    }

    static long end(Admin admin, String topic) throws Exception {
        return admin.listOffsets(Map.of(new TopicPartition(topic, 0), OffsetSpec.latest()))
                .all()
                .get()
                .values()
                .iterator()
                .next()
                .offset();
    }

    static double[] appended(String topic, int n) {
        double[] at = new double[n];
        TopicPartition p = new TopicPartition(topic, 0);
        try (var consumer = new KafkaConsumer<>(
                Map.of("bootstrap.servers", (Object) Cluster.bootstrap()),
                new ByteArrayDeserializer(),
                new ByteArrayDeserializer())) {
            consumer.assign(List.of(p));
            consumer.seekToBeginning(List.of(p));
            for (int read = 0; read < n; )
                for (ConsumerRecord<byte[], byte[]> r : consumer.poll(Duration.ofSeconds(10))) {
                    at[(int) r.offset()] = r.timestamp();
                    read++;
                }
        }
        return at;
    }

    @Test
    void endToEndIsWhatAConsumerWaitsAndALossShows() throws Exception {
        TestCluster.healthy();
        TestCluster.createTopic("e2e", "--if-not-exists");
        TestCluster.Run run = TestCluster.run(
                PerfTest::run,
                ("--topic e2e --num-records 1500 --throughput 1000 --record-size 100 --e2e"
                                + " --consumers 2 --producers 2 --json --slo throughput=100,e2e-max=10s")
                        .split(" "));
        assertEquals(0, run.code(), run.toString());
        for (String told : List.of("response time ", "end to end ", "Batches were ", "--throughput set the pace"))
            assertTrue(run.err().contains(told), told + ": " + run.err());
        Map<String, Object> s = run.events().get(run.events().size() - 1);
        assertEquals(
                List.of(1500, 1500, 0, 0),
                List.of(s.get("records"), s.get("read"), s.get("missing"), s.get("readTwice")));
        assertTrue((double) s.get("e2eP50Ms") > 0 && (double) s.get("e2eP50Ms") < 5000, s.toString());
        assertEquals(
                15,
                TestCluster.run(
                                PerfTest::run,
                                "--topic e2e --num-records 10 --throughput -1 --record-size 100 --slo p50=0us"
                                        .split(" "))
                        .code());
        // Some records are acknowledged and never written: they cannot be read back.
        PerfTest perf = new PerfTest() {
            @Override
            Producer<byte[], byte[]> producer(Properties properties) {
                return new KafkaProducer<>(properties, new ByteArraySerializer(), new ByteArraySerializer()) {
                    int i;

                    @Override
                    public Future<RecordMetadata> send(ProducerRecord<byte[], byte[]> record, Callback callback) {
                        if (i++ % 10 != 3) return super.send(record, callback);
                        callback.onCompletion(null, null);
                        return null;
                    }
                };
            }
        };
        StringWriter err = new StringWriter();
        assertEquals(
                13,
                perf.common.run(
                        perf,
                        TestCluster.quiet(),
                        new PrintWriter(err),
                        "--topic e2e --num-records 100 --throughput -1 --record-size 100 --e2e".split(" ")));
        assertTrue(err.toString().contains("acknowledged but not read: 10,"), err.toString());
    }

    /**
     * With acks=1 and a follower that no longer fetches, what was acknowledged stays above the high watermark, where no
     * consumer sees it: it is not lost, only not read in time.
     */
    @Test
    void whatIsAboveTheHighWatermarkIsNotLost() throws Exception {
        TestCluster.healthy();
        int leader = TestCluster.controller(), follower = TestCluster.follower();
        long pid = ((Number) TestCluster.node(follower).get("pid")).longValue();
        try (Admin admin = TestCluster.admin()) {
            admin.createTopics(List.of(new NewTopic("above", Map.of(0, List.of(leader, follower)))
                            .configs(Map.of("min.insync.replicas", "1"))))
                    .all()
                    .get();
        }
        PerfTest perf = new PerfTest() {
            @Override
            Producer<byte[], byte[]> producer(Properties properties) {
                return new KafkaProducer<>(properties, new ByteArraySerializer(), new ByteArraySerializer()) {
                    int i;

                    @Override
                    public Future<RecordMetadata> send(ProducerRecord<byte[], byte[]> record, Callback callback) {
                        // By now all are connected and need not ask the paused node; reading ends before it is fenced.
                        if (i++ == 100) signal("STOP", pid);
                        return super.send(record, callback);
                    }
                };
            }
        };
        String load = "--topic above --num-records 300 --throughput 1000 --record-size 100"
                + " --command-property acks=1 --e2e --timeout 1s";
        try {
            StringWriter err = new StringWriter();
            assertEquals(
                    14,
                    perf.common.run(
                            perf,
                            TestCluster.quiet(),
                            new PrintWriter(err),
                            (load + " -b " + Cluster.bootstrap()).split(" ")),
                    err::toString);
            assertTrue(
                    err.toString()
                            .matches("(?s).*acknowledged but not read: ([12]\\d\\d|300), read twice: 0\\. Incomplete:"
                                    + " .*"),
                    err.toString());
        } finally {
            signal("CONT", pid);
        }
        TestCluster.awaitInSync();
    }

    private static void signal(String signal, long pid) {
        try {
            assertEquals(
                    0,
                    new ProcessBuilder("kill", "-" + signal, "" + pid).start().waitFor());
        } catch (IOException | InterruptedException e) {
            throw new IllegalStateException(e);
        }
    }
}
