import static org.junit.jupiter.api.Assertions.*;

import java.io.*;
import java.lang.management.ManagementFactory;
import java.nio.file.*;
import java.time.*;
import java.util.*;
import java.util.concurrent.TimeUnit;
import java.util.stream.*;
import org.HdrHistogram.*;
import org.apache.kafka.clients.producer.Producer;
import org.apache.kafka.common.errors.RecordTooLargeException;
import org.apache.kafka.common.metrics.MetricConfig;
import org.apache.kafka.common.metrics.stats.Avg;
import org.apache.kafka.common.metrics.stats.Rate;
import org.junit.jupiter.api.*;
import org.junit.jupiter.api.io.TempDir;

/** Tests that perf measures the truth, against a producer of known delays, and that the load is the one asked for. */
@Order(71)
@Tag("timed")
class PerfTruthTest {
    private static PerfTest stubbed(KnownProducer stub, StringWriter err, String... args) {
        PerfTest perf = new PerfTest() {
            @Override
            Producer<byte[], byte[]> producer(Properties properties) {
                return stub;
            }

            @Override
            boolean topicsExist(Properties properties) {
                return true;
            }
        };
        return perf.common.configure(perf, TestCluster.quiet(), new PrintWriter(err), args);
    }

    private static PerfTest stubbed(KnownProducer stub, String line) {
        return stubbed(stub, new StringWriter(), line.split(" "));
    }

    @Test
    void knownDelaysAreMeasured() throws Exception {
        KnownProducer stub = new KnownProducer(-1, null);
        PerfTest.Summary s = stubbed(stub, "--topic t --num-records 2000 --throughput 1000 --record-size 10")
                .measure();
        stub.service(1000).assertSharp("service");
        stub.service(1000).assertMeasured(s.service(), "service");
        stub.response(1000).assertMeasured(s.response(), "response");
        assertTrue(
                s.service().getMaxValue() >= 40_000 && s.service().getMinValue() >= 3_000,
                "the delays are 3 and 40 ms");
    }

    @Test
    void whatABlockedSendHeldUpIsInTheResponseTime() throws Exception {
        KnownProducer stub = new KnownProducer(1000, Duration.ofSeconds(2));
        PerfTest.Summary s = stubbed(stub, "--topic t --num-records 5000 --throughput 1000 --record-size 10")
                .measure();
        KnownProducer.Truth truth = stub.response(1000);
        truth.assertSharp("response");
        truth.assertMeasured(s.response(), "response");
        stub.service(1000).assertMeasured(s.service(), "service");
        assertTrue(truth.mean() > 350, "2000 of 5000 records waited 1 s on average: " + truth.mean());
        assertTrue(
                s.service().getMean() / 1000 < truth.mean() / 3,
                "from send() alone, the stall is all but hidden: " + s.service().getMean() / 1000);
    }

    @Test
    void objectivesAreJudgedByTheResponseTime() throws Exception {
        for (boolean blocked : List.of(true, false)) {
            PerfTest.Summary s = stubbed(
                            new KnownProducer(blocked ? 100 : -1, Duration.ofMillis(600)),
                            "--topic t --num-records 1000 --throughput 1000 --record-size 10")
                    .measure();
            for (String text : List.of("p95=400ms", "p95=0.4s", "p95=400000us", "avg=100ms")) {
                PerfTest.Objective o = new PerfTest.Objective.Reader().convert(text);
                assertEquals(blocked, o.missed(s) != null, text + ", blocked: " + blocked + ", " + o.value(s));
            }
            assertNull(
                    new PerfTest.Objective.Reader().convert("service-p90=100ms").missed(s));
            assertNull(new PerfTest.Objective.Reader().convert("failed=0").missed(s));
            assertNotNull(
                    new PerfTest.Objective.Reader().convert("throughput=5000").missed(s));
            assertNotNull(
                    new PerfTest.Objective.Reader().convert("e2e-p50=1s").missed(s),
                    "what was not measured was not kept");
        }
    }

    @Test
    void failedSendsAreTimedApart() throws Exception {
        KnownProducer stub = new KnownProducer(-1, null) {
            @Override
            Exception failure(int i) {
                return i % 10 < 3 ? new RecordTooLargeException("no") : null;
            }
        };
        StringWriter err = new StringWriter();
        PerfTest.Summary s = stubbed(
                        stub,
                        err,
                        "--topic t --num-records 100 --throughput 1000 --record-size 10 --warmup-records 51".split(" "))
                .measure();
        assertEquals(
                List.of(70L, 30L, 70L, 70L),
                List.of(
                        s.records(),
                        s.failed(),
                        s.service().getTotalCount(),
                        s.response().getTotalCount()));
        assertEquals(List.of(35L, 14L), List.of(s.steady().records(), s.steady().failed()), "of the indices 51 to 99");
        Histogram failed = s.latencies().get(PerfTest.Kind.FAILED);
        assertTrue(failed.getMinValue() >= 3_000 && failed.getMaxValue() >= 3_000, "they fail after 3 ms");
        assertEquals(
                1,
                err.toString()
                        .lines()
                        .filter(l -> l.equals("First RecordTooLargeException: no"))
                        .count(),
                err.toString());
        for (PerfTest.Summary judged : List.of(s, s.steady()))
            assertNotNull(new PerfTest.Objective.Reader().convert("failed=0").missed(judged));
    }

    @Test
    void keysSizesAndTopicsAreAsAsked() throws Exception {
        KnownProducer stub = new KnownProducer(-1, null);
        stubbed(
                        stub,
                        "--topic a,b --num-records 20000 --throughput -1 --record-size 100-200:3,2KiB:1"
                                + " --keys 1000 --key-choice zipfian --headers x=1=2")
                .measure();
        Map<String, Long> keys =
                stub.records.stream().collect(Collectors.groupingBy(r -> new String(r.key()), Collectors.counting()));
        assertEquals(0.127, keys.get("key-0") / 20_000.0, 0.02, "1 / H(1000, 0.99)");
        assertTrue(keys.size() > 700 && keys.size() <= 1000, "keys: " + keys.size());
        assertEquals(
                0.25,
                stub.records.stream().filter(r -> r.value().length == 2048).count() / 20_000.0,
                0.02);
        assertTrue(stub.records.stream()
                .allMatch(r -> r.value().length == 2048 || r.value().length >= 100 && r.value().length <= 200));
        assertEquals(
                10_000, stub.records.stream().filter(r -> r.topic().equals("a")).count());
        assertEquals(
                "1=2", new String(stub.records.get(0).headers().lastHeader("x").value()));
    }

    @Test
    void csvHasOneSetOfColumnsAndDurationEndsTheRun() throws Exception {
        KnownProducer stub = new KnownProducer(-1, null);
        StringWriter out = new StringWriter();
        PerfTest perf = stubbed(stub, "--topic t --duration 1s --throughput 1 --record-size 1");
        assertEquals(
                0,
                perf.common.run(
                        perf,
                        new PrintWriter(out),
                        TestCluster.quiet(),
                        ("--topic t --duration 500ms --throughput 1000 --record-size 10 --csv"
                                        + " --reporting-interval 100")
                                .split(" ")));
        List<String[]> rows = out.toString().lines().map(l -> l.split(",")).toList();
        assertEquals(List.of("type", "records"), List.of(rows.get(0)).subList(0, 2));
        assertEquals(
                Set.of(rows.get(0).length),
                rows.stream().map(r -> r.length).collect(Collectors.toSet()),
                out.toString());
        String[] last = rows.get(rows.size() - 1);
        assertEquals(List.of("perf-summary", "500"), List.of(last).subList(0, 2), "half a second of 1000/s");
        assertEquals(
                500,
                rows.stream()
                        .filter(r -> r[0].equals("perf-window"))
                        .mapToInt(r -> Integer.parseInt(r[1]))
                        .sum());
    }

    /**
     * HdrHistogram's own log processor computes the same percentiles from the log, to the last digit, as perf's own
     * .hgrm file has.
     */
    @Test
    void othersReadTheLog(@TempDir Path folder) throws Exception {
        Path log = folder.resolve("x.hlog"), own = folder.resolve("x.hgrm");
        String load = "--topic t --num-records 1500 --throughput 1000 --record-size 10 --reporting-interval 100";
        PerfTest.Summary s = stubbed(
                        new KnownProducer(100, Duration.ofMillis(300)),
                        load + " --hdr-log " + log + " --percentiles " + own)
                .measure();
        for (PerfTest.Kind kind : List.of(PerfTest.Kind.SERVICE, PerfTest.Kind.RESPONSE)) {
            boolean service = kind == PerfTest.Kind.SERVICE;
            Path theirs = folder.resolve("theirs-" + kind);
            List<String> args = new ArrayList<>(
                    List.of("-i", log.toString(), "-o", theirs.toString(), "-outputValueUnitRatio", "1000"));
            if (!service) args.addAll(List.of("-tag", "response"));
            new HistogramLogProcessor(args.toArray(String[]::new)).run();
            List<String> expected = Files.readAllLines(service ? own : folder.resolve("x.response.hgrm")),
                    got =
                            Files.readAllLines(Path.of(theirs + ".hgrm")).stream()
                                    .filter(l -> !l.matches("#\\[(Overall|StartTime).*"))
                                    .toList();
            assertEquals(expected, got, kind.label);
            assertTrue(
                    got.size() > 30
                            && got.contains(String.format(
                                    "#[Max     = %12.3f, Total count    = %12d]",
                                    s.latencies().get(kind).getMaxValue() / 1000.0, 1500)),
                    got.toString());
            List<String> intervals = Files.readAllLines(theirs).stream()
                    .filter(l -> l.matches("\\d.*"))
                    .toList();
            assertTrue(intervals.size() >= 14, "1.5 s in intervals of 100 ms: " + intervals);
        }
    }

    /**
     * The client's own averages cover only its last half to whole minute, unless it is given one window as long as any
     * run. A user's own setting is kept.
     */
    @Test
    void theClientsFiguresAreOfTheWholeRun() throws Exception {
        for (String given : List.of("acks=1", "metrics.sample.window.ms=2000 metrics.num.samples=3")) {
            Properties seen = new Properties();
            PerfTest perf = new PerfTest() {
                @Override
                Producer<byte[], byte[]> producer(Properties properties) {
                    seen.putAll(properties);
                    return new KnownProducer(-1, null);
                }

                @Override
                boolean topicsExist(Properties properties) {
                    return true;
                }
            };
            perf.common
                    .configure(
                            perf,
                            TestCluster.quiet(),
                            TestCluster.quiet(),
                            ("--topic t --num-records 1 --throughput -1 --record-size 1 --command-property " + given)
                                    .split(" "))
                    .measure();
            MetricConfig config = new MetricConfig()
                    .samples(Integer.parseInt(seen.getProperty("metrics.num.samples")))
                    .timeWindow(Long.parseLong(seen.getProperty("metrics.sample.window.ms")), TimeUnit.MILLISECONDS);
            Avg average = new Avg();
            Rate rate = new Rate();
            for (int second = 0; second < 100; second++) { // half of a run of 200 s, then the other half
                average.record(config, 10, second * 1000);
                rate.record(config, 10, second * 1000);
            }
            for (int second = 100; second < 200; second++) average.record(config, 30, second * 1000);
            boolean whole = given.equals("acks=1");
            assertEquals(whole ? 20 : 30, average.measure(config, 200_000), given);
            if (whole) assertEquals(5, rate.measure(config, 200_000), 0.1, "10 a second for half of the time");
        }
    }

    /** A sample is repeated on a machine that stalls. */
    @Test
    void aRunStartsAtTheTimeThatWasSet() throws Exception {
        String load = "--topic t --num-records 10 --throughput -1 --record-size 10 --start-at ";
        List<Double> late = new ArrayList<>();
        while (late.size() < 3 && late.stream().noneMatch(ms -> ms < 100)) {
            late.add(msAfterTheTime(load));
        }
        assertTrue(
                late.stream().allMatch(ms -> ms > -1) && late.stream().anyMatch(ms -> ms < 100),
                "the first record was sent so many ms after the time: " + late);
        for (String bad : List.of("2020-01-01T00:00:00Z", "soon", "25:00"))
            assertEquals(
                    2, TestCluster.run(PerfTest::run, (load + bad).split(" ")).code(), bad);
    }

    private static double msAfterTheTime(String load) throws Exception {
        KnownProducer stub = new KnownProducer(-1, null);
        Instant at = Instant.now().plusMillis(700);
        stubbed(stub, load + at).measure();
        return Duration.between(at, Instant.now()).toNanos() / 1e6 - (System.nanoTime() - stub.sent.get(0)) / 1e6;
    }

    @Test
    void recordingALatencyAllocatesNothingAndIsCheap() {
        PerfTest.Tally tally = new PerfTest.Tally(PerfTest.Kind.SERVICE, PerfTest.Kind.RESPONSE);
        long now = System.nanoTime();
        for (int i = 0; i < 2_000_000; i++)
            tally.acknowledged(now + i * 1000L % 50_000_000, now, now - 1000, 1000); // warm
        var threads = (com.sun.management.ThreadMXBean) ManagementFactory.getThreadMXBean();
        int n = 3_000_000;
        double[] ns = new double[5];
        // As bench/RecordCost.java does, with more rounds: the difference to the loop without it, in CPU time, which
        // other processes do not affect.
        for (int round = 0; round < ns.length; round++) {
            long before = threads.getCurrentThreadAllocatedBytes(), began = threads.getCurrentThreadCpuTime();
            for (int i = 0; i < n; i++)
                tally.acknowledged(System.nanoTime(), now - i * 997L % 80_000_000, now - i * 991L % 90_000_000, 1000);
            long took = threads.getCurrentThreadCpuTime() - began,
                    bytes = threads.getCurrentThreadAllocatedBytes() - before;
            assertTrue(bytes < n / 100, n + " recordings allocated " + bytes + " bytes");
            began = threads.getCurrentThreadCpuTime();
            for (int i = 0; i < n; i++) sink += now - i * 997L % 80_000_000 + i * 991L % 90_000_000;
            ns[round] = (took - (threads.getCurrentThreadCpuTime() - began)) / (double) n;
        }
        Arrays.sort(ns);
        assertTrue(ns[0] < 100, "service and response time of a record took " + Arrays.toString(ns) + " ns of CPU");
    }

    private static long sink;
}
