import static org.junit.jupiter.api.Assertions.*;

import java.io.File;
import java.nio.file.*;
import java.util.*;
import java.util.stream.Stream;
import org.HdrHistogram.*;
import org.apache.kafka.clients.admin.*;
import org.apache.kafka.common.TopicPartition;
import org.junit.jupiter.api.*;

/**
 * Tests perf on a real topic: it takes Apache's command line, prints Apache's lines, and its figures agree with the
 * topic.
 */
@Order(70)
@Tag("records")
class PerfRunTest {
    /** Apache's summary, and the lines before it. */
    static final String
            SUMMARY =
                    "\\d+ records sent, \\d+\\.\\d{6} records/sec \\(\\d+\\.\\d\\d MB/sec\\), \\d+\\.\\d\\d ms avg"
                        + " latency, \\d+\\.\\d\\d ms max latency, \\d+ ms 50th, \\d+ ms 95th, \\d+ ms 99th, \\d+ ms"
                        + " 99\\.9th\\.",
            WINDOW =
                    "\\d+ records sent, \\d+\\.\\d records/sec \\(\\d+\\.\\d\\d MB/sec\\), \\d+\\.\\d ms avg latency,"
                            + " \\d+\\.\\d ms max latency\\.";

    @BeforeEach
    void healthy() throws Exception {
        TestCluster.healthy();
        TestCluster.createTopic("perf", "--if-not-exists");
    }

    private static long records(String topic) throws Exception {
        try (Admin admin = TestCluster.admin()) {
            Map<TopicPartition, OffsetSpec> ends = new HashMap<>();
            for (int p = 0; p < 8; p++) ends.put(new TopicPartition(topic, p), OffsetSpec.latest());
            return admin.listOffsets(ends).all().get().values().stream()
                    .mapToLong(ListOffsetsResult.ListOffsetsResultInfo::offset)
                    .sum();
        }
    }

    @Test
    @Order(1)
    void theOriginalCommandLinePrintsApachesLines() throws Exception {
        File log = TestCluster.HOME.resolve("perf.hlog").toFile();
        TestCluster.Run run = TestCluster.run(
                PerfTest::run,
                ("--topic perf --num-records 20000 --throughput -1 --producer-props bootstrap.servers="
                                + Cluster.bootstrap()
                                + " batch.size=16384 acks=1 linger.ms=50 --record-size 1000 --reporting-interval 50"
                                + " --hdr-log "
                                + log)
                        .split(" "));
        assertEquals(0, run.code(), run.toString());
        List<String> lines = run.out().lines().toList();
        String summary = lines.get(lines.size() - 1);
        assertTrue(summary.matches(SUMMARY) && summary.startsWith("20000 records sent, "), summary);
        assertTrue(lines.size() > 1, "20,000,000 bytes take longer than 50 ms: " + run.out());
        for (String line : lines.subList(0, lines.size() - 1)) assertTrue(line.matches(WINDOW), line);
        assertTrue(run.err().contains("--producer-props is deprecated"), run.err());
        TestCluster.await(
                "20000 records below the high watermark, which follows after acks=1", () -> records("perf") == 20_000);

        long total = 0, max = 0;
        try (HistogramLogReader reader = new HistogramLogReader(log)) {
            for (Histogram h;
                    (h = (Histogram) reader.nextIntervalHistogram()) != null;
                    max = Math.max(max, h.getMaxValue())) total += h.getTotalCount();
        }
        assertEquals(20_000, total);
        double printed = Double.parseDouble(summary.replaceAll(".* ([0-9.]+) ms max latency.*", "$1"));
        assertEquals(printed, max / 1000.0, printed / 100, "microseconds in the log, milliseconds in the line");
    }

    @Test
    @Order(2)
    void eventsAddUpToTheRecords() throws Exception {
        long before = records("perf");
        TestCluster.Run run = TestCluster.run(
                PerfTest::run,
                ("--topic perf --num-records 1000 --throughput 2000 --record-size 100"
                                + " --reporting-interval 100 --json")
                        .split(" "));
        assertEquals(0, run.code(), run.toString());
        List<Map<String, Object>> events = run.events(), windows = TestCluster.ofType(events, "perf-window");
        Map<String, Object> summary = events.get(events.size() - 1);
        assertEquals(
                List.of("perf-summary", 1000, 0),
                List.of(summary.get("type"), summary.get("records"), summary.get("failed")));
        assertTrue(windows.size() >= 4, "half a second in windows of 100 ms: " + windows.size());
        assertEquals(
                1000, windows.stream().mapToInt(w -> (int) w.get("records")).sum());
        assertTrue(((Number) summary.get("recordsPerSec")).doubleValue() < 2100, "--throughput 2000: " + summary);
        assertTrue(((Number) summary.get("responseP99Ms")).doubleValue() >= 0);
        assertEquals(before + 1000, records("perf"));
    }

    @Test
    @Order(3)
    void aSteadyStateSummaryLeavesTheWarmUpOut() throws Exception {
        TestCluster.Run run = TestCluster.run(
                PerfTest::run,
                "--topic=perf",
                "--num-records=500",
                "--throughput=-1",
                "--payload-monotonic",
                "--warmup-records=100");
        assertEquals(0, run.code(), run.toString());
        assertEquals(
                List.of(true, true),
                Stream.of("500 records sent, ", "400 steady state records sent, ")
                        .map(s -> run.out().lines().anyMatch(l -> l.startsWith(s)))
                        .toList(),
                run.out());
    }

    @Test
    @Order(4)
    void whenEverySendFailsTheExitSaysSo() throws Exception {
        long before = records("perf");
        TestCluster.Run run = TestCluster.run(
                PerfTest::run, "--topic perf --num-records 5 --throughput -1 --record-size 2000000".split(" "));
        assertEquals(16, run.code(), run.toString());
        assertTrue(run.err().contains("Every send failed: 5 RecordTooLargeException"), run.err());
        assertFalse((run.out() + run.err()).contains("NaN"), run.toString());
        assertEquals(before, records("perf"));
    }

    @Test
    @Order(5)
    void wrongUsageIsExitTwoAndOneSentence() throws Exception {
        String good = "--topic perf --num-records 5 --throughput -1 --record-size 10";
        Path empty = Files.createFile(TestCluster.HOME.resolve("empty"));
        for (String bad : List.of(
                "",
                good.replace("--topic perf ", ""),
                good.replace(" 5", " 0"),
                good.replace("-1", "0"),
                good.replace("-1", "fast"),
                good + " --payload-monotonic",
                good.replace("--record-size 10", ""),
                good + " --warmup-records 5",
                good + " --command-property acks",
                good + " --command-property acks=7",
                good.replace("--record-size 10", "--payload-file " + empty),
                good + " --hdr-log /no/such/folder/x",
                good + " --percentiles /no/such/folder/x",
                good + " --duration 1s",
                good + " --record-size 10:0,20:0",
                good + " --throughput 1e300",
                good + " --duration 0",
                good.replace("--num-records 5", "--duration 99999999999h"),
                good + " --slo response-p99=1ms",
                good + " --slo e2e-p99=1ms",
                good + " --keys 0 --key-choice zipfian",
                good + " --producers 0",
                good + " --topic a,,b",
                good + " --headers =x",
                good + " --timeout 0",
                good.replace("perf", "a/b"))) {
            TestCluster.Run run = TestCluster.run(
                    PerfTest::run, bad.isEmpty() ? new String[0] : bad.trim().split(" +"));
            assertEquals(2, run.code(), bad + ": " + run);
            assertEquals("", run.out(), bad);
            assertEquals(1, run.err().lines().count(), bad + ": " + run.err());
        }
    }
}
