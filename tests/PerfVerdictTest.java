import static org.junit.jupiter.api.Assertions.*;

import java.io.*;
import java.nio.file.*;
import java.time.Duration;
import java.util.*;
import java.util.concurrent.Future;
import java.util.concurrent.locks.LockSupport;
import java.util.stream.*;
import org.HdrHistogram.Histogram;
import org.apache.kafka.clients.admin.*;
import org.apache.kafka.clients.consumer.*;
import org.apache.kafka.clients.producer.*;
import org.apache.kafka.common.*;
import org.apache.kafka.common.errors.*;
import org.junit.jupiter.api.*;
import org.junit.jupiter.api.io.TempDir;

/**
 * Tests what perf concludes from its measurements, against clients of known behaviour: exit codes, objectives, records
 * that were read back or read twice.
 */
@Order(14)
@Tag("timed")
class PerfVerdictTest {
    private static final TopicPartition P = new TopicPartition("t", 0);
    private static final String LOAD = "--topic t --num-records 100 --throughput 1000 --record-size 10 ";

    /** Acknowledges or fails each record; its topic has one partition. */
    static class OnePartition extends KnownProducer {
        OnePartition() {
            super(-1, null);
        }

        @Override
        public List<PartitionInfo> partitionsFor(String topic) {
            return List.of(new PartitionInfo(topic, 0, null, null, null));
        }
    }

    /** Returns a producer that fails a percentage of its records. */
    private static OnePartition failing(int percent) {
        return new OnePartition() {
            @Override
            Exception failure(int i) {
                return i % 100 < percent ? new RecordTooLargeException("no") : null;
            }
        };
    }

    /** Returns a consumer that has nothing to read, and may not know the end of the partition. */
    static MockConsumer<byte[], byte[]> consumer(boolean endsKnown) {
        MockConsumer<byte[], byte[]> consumer = new MockConsumer<>("latest") {
            @Override
            public Map<TopicPartition, Long> endOffsets(Collection<TopicPartition> partitions, Duration timeout) {
                if (endsKnown) return super.endOffsets(partitions, timeout);
                throw new org.apache.kafka.common.errors.TimeoutException("no answer within " + timeout);
            }
        };
        consumer.updateEndOffsets(Map.of(P, 0L));
        return consumer;
    }

    static PerfTest stubbed(Producer<byte[], byte[]> producer, MockConsumer<byte[], byte[]> consumer) {
        return new PerfTest() {
            @Override
            Producer<byte[], byte[]> producer(Properties properties) {
                return producer;
            }

            @Override
            org.apache.kafka.clients.consumer.Consumer<byte[], byte[]> consumer(Properties properties) {
                return consumer;
            }

            @Override
            boolean topicsExist(Properties properties) {
                return true;
            }
        };
    }

    private static TestCluster.Run run(PerfTest perf, String args) {
        return TestCluster.run(
                (out, err, words) -> perf.common.run(perf, out, err, words),
                args.trim().split(" +"));
    }

    private static TestCluster.Run run(OnePartition producer, String args) {
        return run(stubbed(producer, consumer(true)), args);
    }

    @Test
    void whatWasAcknowledgedAndIsNotThereIsLost() {
        TestCluster.Run run = run(new OnePartition(), LOAD + "--e2e");
        assertEquals(13, run.code(), run.toString());
        assertTrue(run.err().contains("acknowledged but not read: 100, read twice: 0.\n"), run.err());
    }

    @Test
    void anEndThatIsNotToldIsIncompleteAndCostsNoResult() throws Exception {
        PerfTest perf = stubbed(new OnePartition(), consumer(false));
        TestCluster.Run run = run(perf, LOAD + "--e2e --json");
        assertEquals(14, run.code(), run.toString());
        assertTrue(run.err().contains("acknowledged but not read: 100, read twice: 0. Incomplete: "), run.err());
        assertEquals(
                List.of(100, 100),
                Stream.of("records", "missing")
                        .map(TestCluster.ofType(assertDoesNotThrow(run::events), "perf-summary")
                                .get(0)::get)
                        .toList());
    }

    /** A record may still be late for ever, which looks the same. */
    @Test
    void withoutAcknowledgementsNothingCanBeLost() {
        TestCluster.Run run = run(new OnePartition(), LOAD + "--e2e --command-property acks=0 --timeout 500ms");
        assertEquals(14, run.code(), run.toString());
        assertTrue(run.err().contains("acknowledged but not read: none is with acks=0"), run.err());
    }

    @Test
    void moreConsumersThanPartitionsAreRefused() {
        TestCluster.Run run = run(new OnePartition(), LOAD + "--e2e --consumers 2");
        assertEquals(2, run.code(), run.toString());
        assertEquals("--consumers 2 are more than there are partitions (1).\n", run.err());
    }

    @Test
    void failedSendsMissAnObjective() {
        for (int failed : List.of(0, 2, 10))
            for (String slo : List.of("p99=10s", "p95=10s", "max=10s", "failed=2")) {
                boolean missed = failed == 10 || failed == 2 && !slo.startsWith("p95") && !slo.startsWith("failed");
                TestCluster.Run run = run(failing(failed), LOAD + "--slo " + slo);
                assertEquals(missed ? 15 : 0, run.code(), failed + " failed, " + slo + ": " + run);
                assertEquals(
                        missed,
                        run.err()
                                .contains("Objective " + slo + " missed: "
                                        + (slo.startsWith("failed") ? "10.00." : failed + " sends failed.")),
                        run.err());
            }
    }

    @Test
    void theSteadyStateHasItsOwnSummaryEventAndRow() throws Exception {
        List<Map<String, Object>> summaries = TestCluster.ofType(
                run(new OnePartition(), LOAD + "--warmup-records 30 --json").events(), "perf-summary");
        assertEquals(
                Arrays.asList(100, null, 70, true),
                summaries.stream()
                        .flatMap(s -> Stream.of(s.get("records"), s.get("steady")))
                        .toList());
        List<String> rows = run(new OnePartition(), LOAD + "--warmup-records 30 --csv")
                .out()
                .lines()
                .map(l -> l.replaceAll("^([^,]*,[^,]*).*", "$1"))
                .toList();
        assertEquals(List.of("type,records", "perf-window,100", "perf-summary,100", "perf-summary-steady,70"), rows);
    }

    @Test
    void percentilesThatCannotBeWrittenCostNoResult(@TempDir Path folder) throws Exception {
        Files.createDirectory(folder.resolve("x.response.hgrm")); // takes the second file's name
        TestCluster.Run run = run(new OnePartition(), LOAD + "--percentiles " + folder.resolve("x.hgrm"));
        assertEquals(1, run.code(), run.toString());
        assertTrue(run.out().matches(PerfRunTest.SUMMARY + "\n"), run.out());
        assertTrue(
                run.err().contains("Cannot write --percentiles: ") && run.err().contains("response time "), run.err());
    }

    /** A billion records were due and could not be sent: each counts, but they are not counted one by one. */
    @Test
    void whatCouldNotBeSentIsCountedInNoTime() throws Exception {
        OnePartition stub = new OnePartition() {
            @Override
            public Future<RecordMetadata> send(
                    ProducerRecord<byte[], byte[]> record, org.apache.kafka.clients.producer.Callback callback) {
                LockSupport.parkNanos(2_100_000_000L);
                return super.send(record, callback);
            }
        };
        PerfTest perf = stubbed(stub, null);
        long began = System.nanoTime();
        Histogram response = perf.common
                .configure(
                        perf,
                        TestCluster.quiet(),
                        TestCluster.quiet(),
                        "--topic t --duration 1s --throughput 1e9 --record-size 10".split(" "))
                .measure()
                .response();
        double seconds = (System.nanoTime() - began) / 1e9, end = response.getMaxValue() / 1e3;
        assertTrue(seconds < 8, "took " + seconds + " s, of which 2.1 were the stall");
        assertEquals(1_000_000_000, response.getTotalCount());
        for (int p : List.of(1, 25, 50, 75, 99))
            assertEquals(
                    end - 1000 + 10 * p,
                    response.getValueAtPercentile(p) / 1e3,
                    0.01 * end,
                    "they waited 1.1 to 2.1 s, evenly: p" + p);
    }

    /** One of two producers is blocked: its share of the warm-up counts as warm-up. */
    @Test
    void whatCouldNotBeSentIsCountedInItsPhase() throws Exception {
        PerfTest perf = new PerfTest() {
            private int producers;

            @Override
            boolean topicsExist(Properties properties) {
                return true;
            }

            @Override
            Producer<byte[], byte[]> producer(Properties properties) {
                boolean blocked = producers++ == 0;
                return new OnePartition() {
                    @Override
                    public Future<RecordMetadata> send(
                            ProducerRecord<byte[], byte[]> record,
                            org.apache.kafka.clients.producer.Callback callback) {
                        if (blocked) LockSupport.parkNanos(2_100_000_000L);
                        return super.send(record, callback);
                    }
                };
            }
        };
        PerfTest.Summary s = perf.common
                .configure(
                        perf,
                        TestCluster.quiet(),
                        TestCluster.quiet(),
                        ("--topic t --duration 1s --throughput 20000 --record-size 10 --producers 2"
                                        + " --warmup-records 6001")
                                .split(" "))
                .measure();
        assertEquals(
                List.of(20_000L, 13_999L),
                List.of(s.response().getTotalCount(), s.steady().response().getTotalCount()));
        assertEquals(10_001, s.records());
    }

    @Test
    void commitsAreCountedAndTimed() throws Exception {
        int[] commits = {0};
        OnePartition stub = new OnePartition() {
            @Override
            public void commitTransaction() {
                commits[0]++;
                LockSupport.parkNanos(30_000_000L);
            }

            @Override
            public void beginTransaction() {}
        };
        TestCluster.Run run = run(
                stub,
                "--topic t --num-records 500 --throughput 1000 --record-size 10 --transaction-duration-ms 100 --json");
        assertEquals(0, run.code(), run.toString());
        Map<String, Object> s = TestCluster.ofType(run.events(), "perf-summary").get(0);
        assertTrue(commits[0] >= 2 && commits[0] <= 6, "half a second in transactions of 100 ms: " + commits[0]);
        assertEquals(commits[0], s.get("commits"));
        assertEquals(30, (double) s.get("commitP50Ms"), 15, s::toString);
        for (String figure : List.of("commitAvgMs", "commitMaxMs"))
            assertTrue((double) s.get(figure) > 29, figure + ": " + s); // the machine may pause one for a while
    }
}
