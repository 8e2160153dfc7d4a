import static org.junit.jupiter.api.Assertions.*;

import java.io.*;
import java.nio.file.*;
import java.time.Duration;
import java.util.*;
import java.util.concurrent.*;
import java.util.concurrent.locks.LockSupport;
import java.util.stream.*;
import org.HdrHistogram.*;
import org.apache.kafka.clients.producer.*;
import org.apache.kafka.common.KafkaException;
import org.apache.kafka.common.errors.InterruptException;
import org.junit.jupiter.api.*;
import org.junit.jupiter.api.io.TempDir;

/**
 * Proves which records and which time perf's figures cover: the last commit, outstanding records, the warm-up, the
 * garbage collections of the client itself.
 */
@Order(14)
@Tag("timed")
class PerfJudgedTest {
    private static final String LOAD = "--topic t --throughput 1000 --record-size 10 ";

    private static TestCluster.Run run(Producer<byte[], byte[]> producer, String args) {
        PerfTest perf = PerfVerdictTest.stubbed(producer, null);
        return TestCluster.run(
                (out, err, words) -> perf.common.run(perf, out, err, words),
                args.trim().split(" +"));
    }

    private static double recordsPerSec(String line) {
        return Double.parseDouble(line.replaceAll("(?s).* sent, ([0-9.]+) records/sec.*", "$1"));
    }

    private static void pause(int ms) {
        long until = System.nanoTime() + ms * 1_000_000L;
        for (long left; (left = until - System.nanoTime()) > 0; ) LockSupport.parkNanos(left);
    }

    /** Delays each commit, and close(). */
    private static class Slow extends PerfVerdictTest.OnePartition {
        private final int commitMs;
        private final int closeMs;

        Slow(int commitMs, int closeMs) {
            this.commitMs = commitMs;
            this.closeMs = closeMs;
        }

        @Override
        public void beginTransaction() {}

        @Override
        public void commitTransaction() {
            pause(commitMs);
        }

        @Override
        public void close(Duration timeout) {
            if (!closed()) pause(closeMs);
            super.close(timeout);
        }
    }

    @Test
    void throughputIncludesTheLastCommitAndTheClose() {
        String unlimited = "--topic t --num-records 2000 --throughput -1 --record-size 10 ";
        for (String slow : List.of("commit", "close")) {
            boolean commit = slow.equals("commit");
            String args = unlimited + (commit ? "--transactional-id x " : "") + "--slo throughput=4000";
            TestCluster.Run run = run(commit ? new Slow(600, 0) : new Slow(0, 600), args);
            assertEquals(15, run.code(), slow + ": " + run);
            assertTrue(recordsPerSec(run.out()) <= 2000 / 0.6, slow + ": " + run.out());
        }
        TestCluster.Run quick = run(new Slow(0, 0), unlimited + "--slo throughput=4000");
        assertEquals(0, quick.code(), quick.toString());
    }

    @Test
    void theSteadyStateEndsWithTheLastCommitAsWell() {
        TestCluster.Run run = run(
                new Slow(600, 0),
                "--topic t --num-records 2000 --throughput -1 --record-size 10 --transactional-id x --warmup-records"
                        + " 100 --slo throughput=4000");
        assertEquals(15, run.code(), run.toString());
        for (String line : run.out().lines().filter(l -> l.contains("99.9th")).toList())
            assertTrue(recordsPerSec(line) <= 2000 / 0.6, line);
    }

    /**
     * Acknowledges nothing from a given record on, and fails the rest on close(), as a producer does whose brokers do
     * not answer; or blocks send().
     */
    private static class Silent extends PerfVerdictTest.OnePartition {
        private final int from;
        private final boolean blocks;
        private final List<Callback> left = new ArrayList<>();
        final CountDownLatch reached = new CountDownLatch(1);

        Silent(int from, boolean blocks) {
            this.from = from;
            this.blocks = blocks;
        }

        @Override
        public Future<RecordMetadata> send(ProducerRecord<byte[], byte[]> record, Callback callback) {
            if (records.size() < from) return super.send(record, callback);
            reached.countDown();
            try {
                if (blocks) new CountDownLatch(1).await();
            } catch (InterruptedException e) {
                throw new InterruptException(e);
            }
            left.add(callback);
            return null;
        }

        @Override
        public void close(Duration timeout) {
            if (closed()) return;
            pause(700);
            left.forEach(callback -> callback.onCompletion(null, new KafkaException("Producer is closed forcefully.")));
            super.close(timeout);
        }
    }

    private static PerfTest.Summary interrupted(Silent producer, StringWriter said, String args) throws Exception {
        PerfTest perf = PerfVerdictTest.stubbed(producer, null);
        perf.common.configure(
                perf, TestCluster.quiet(), new PrintWriter(said), args.trim().split(" +"));
        FutureTask<PerfTest.Summary> run = new FutureTask<>(perf::measure);
        Thread thread = new Thread(run);
        thread.start();
        assertTrue(producer.reached.await(10, TimeUnit.SECONDS));
        pause(300);
        thread.interrupt();
        return run.get(20, TimeUnit.SECONDS);
    }

    @Test
    void whatIsOutstandingAtCtrlCHasItsWaitInThePercentiles(@TempDir Path folder) throws Exception {
        for (String rate : List.of("1000", "-1"))
            for (boolean blocks : List.of(false, true)) {
                if (blocks && rate.equals("-1")) continue; // unlimited: a record is due only when it is sent
                String what = rate + (blocks ? ", send() blocked" : "");
                Path log = folder.resolve("x" + rate + blocks + ".hlog");
                Silent producer = new Silent(100, blocks);
                PerfTest.Summary s = interrupted(
                        producer,
                        new StringWriter(),
                        "--topic t --num-records 100000000 --record-size 10 --throughput " + rate + " --hdr-log "
                                + log);
                assertEquals(100, s.records(), what + ": only what was acknowledged is a record");
                Histogram judged = s.response();
                assertTrue(judged.getTotalCount() > 250, what + ": " + judged.getTotalCount());
                assertTrue(
                        PerfTest.Latencies.ms(judged, "max") > 900,
                        what + ": they waited 300 ms and while it closed: " + PerfTest.Latencies.ms(judged, "max"));
                assertTrue(
                        PerfTest.Latencies.ms(judged, "p50") > 600,
                        what + ": most of them: " + PerfTest.Latencies.ms(judged, "p50"));
                assertEquals(
                        judged.getTotalCount(),
                        logged(log)
                                .get(rate.equals("-1") ? "service" : "response")
                                .getTotalCount(),
                        what + ": and in the log");
                long left = producer.left.size();
                assertEquals(left, s.fields().getOrDefault("outstanding", left), what);
            }
    }

    @Test
    void whatIsOutstandingIsSaid() throws Exception {
        PerfTest perf = PerfVerdictTest.stubbed(new Silent(100, false), null);
        StringWriter out = new StringWriter(), err = new StringWriter();
        FutureTask<Integer> run = new FutureTask<>(() -> perf.common.run(
                perf, new PrintWriter(out), new PrintWriter(err), (LOAD + "--num-records 100000").split(" +")));
        Thread thread = new Thread(run);
        thread.start();
        pause(600);
        thread.interrupt();
        assertEquals(130, run.get(20, TimeUnit.SECONDS));
        assertTrue(
                err.toString()
                        .matches("(?s).*Interrupted after 100 records; of \\d+ more that were sent the outcome is"
                                + " unknown.*; the latencies include the time these waited so far\\..*"),
                err.toString());
        assertTrue(out.toString().startsWith("100 records sent, "), out.toString());
    }

    private static Map<String, Histogram> logged(Path log) throws IOException {
        Map<String, Histogram> logged = new TreeMap<>();
        try (HistogramLogReader reader = new HistogramLogReader(log.toFile())) {
            for (Histogram h; (h = (Histogram) reader.nextIntervalHistogram()) != null; )
                logged.computeIfAbsent(h.getTag() == null ? "service" : h.getTag(), tag -> new Histogram(3))
                        .add(h);
        }
        return logged;
    }

    /** Acknowledges its first records after 300 ms and the others after 3 ms. */
    private static class Warming extends PerfVerdictTest.OnePartition {
        @Override
        public Future<RecordMetadata> send(ProducerRecord<byte[], byte[]> record, Callback callback) {
            if (records.size() >= 30) return super.send(record, callback);
            records.add(record);
            sent.add(System.nanoTime());
            left.add(System.nanoTime());
            acknowledging.add(0L);
            acknowledged.add(0L);
            io.schedule(() -> callback.onCompletion(null, null), 300, TimeUnit.MILLISECONDS);
            return null;
        }
    }

    @Test
    void verdictSummaryAndPlotsLeaveTheSameWarmUpOut(@TempDir Path folder) throws Exception {
        Path log = folder.resolve("x.hlog"), plot = folder.resolve("x.hgrm"), events = folder.resolve("events.jsonl");
        TestCluster.Run run = run(
                new Warming(),
                LOAD + "--num-records 600 --warmup-records 30 --reporting-interval 50 --slo p99=150ms --hdr-log " + log
                        + " --percentiles " + plot + " --events " + events);
        assertEquals(0, run.code(), run.toString());
        assertTrue(run.err().contains("leave out the first 30 records"), run.err());
        assertTrue(run.err().matches("(?s).*\nservice time +570 .*"), "the table is of what is judged: " + run.err());
        Map<String, Histogram> logged = logged(log);
        for (String tag : List.of("service", "response")) {
            Histogram judged = logged.get(tag),
                    warmup = logged.get(tag.equals("service") ? "warmup" : "warmup-response");
            assertEquals(List.of(570L, 30L), List.of(judged.getTotalCount(), warmup.getTotalCount()), tag);
            assertTrue(
                    judged.getMaxValue() < 250_000 && warmup.getMinValue() >= 299_000,
                    tag + ": " + judged.getMaxValue() + ", " + warmup.getMinValue());
        }
        assertTrue(
                Files.readString(plot).contains(String.format("Total count    = %12d", 570)), Files.readString(plot));
        List<Map<String, Object>> all = new ArrayList<>();
        for (String line : Files.readAllLines(events)) all.add(com.fasterxml.jackson.jr.ob.JSON.std.mapFrom(line));
        for (Map<String, Object> event : all) ContractTest.Schema.validate(event);
        List<Map<String, Object>> windows = TestCluster.ofType(all, "perf-window");
        assertEquals(600, windows.stream().mapToInt(w -> (int) w.get("records")).sum(), "the rate is of all");
        for (Map<String, Object> w : windows)
            if ((boolean) w.get("steady")) assertTrue((double) w.get("maxMs") < 250, "no latency of the warm-up: " + w);
        assertTrue(windows.stream().anyMatch(w -> (boolean) w.get("steady")), windows.toString());
    }

    @Test
    void theReportSaysWhichWindowsAreWarmUp(@TempDir Path folder) throws Exception {
        Path events = folder.resolve("events.jsonl");
        run(
                new PerfVerdictTest.OnePartition(),
                LOAD + "--num-records 400 --warmup-records 200 --reporting-interval 50 --events " + events);
        ReportRun page = new ReportRun("run");
        page.files.add(events);
        page.readAll();
        List<String> windows = Files.readAllLines(events).stream()
                .filter(l -> l.contains("perf-window"))
                .toList();
        long cold = windows.stream().filter(l -> l.contains("\"steady\":false")).count();
        assertTrue(cold >= 2 && cold < windows.size(), windows.toString());
        String summed = page.forPage().get("summed").toString();
        assertTrue(summed.contains("the first " + cold + " windows of the load test are its warm-up"), summed);
    }

    @Test
    void theClientsOwnCollectionsAreCountedAndMentioned() throws Exception {
        PerfVerdictTest.OnePartition collecting = new PerfVerdictTest.OnePartition() {
            @Override
            public Future<RecordMetadata> send(ProducerRecord<byte[], byte[]> record, Callback callback) {
                if (records.size() % 40 == 20) System.gc();
                return super.send(record, callback);
            }
        };
        TestCluster.Run run = run(collecting, LOAD + "--num-records 200 --json");
        Map<String, Object> s = TestCluster.ofType(run.events(), "perf-summary").get(0);
        ContractTest.Schema.validate(s);
        assertTrue((int) s.get("collections") >= 5, s.toString());
        int longest = (int) s.get("longestCollectionMs");
        assertTrue(longest >= 1 && longest <= (int) s.get("collectionsMs") + 5, s.toString());
        assertTrue(
                run.err().contains("What limited it is not known") || run.err().contains("set the pace"), run.err());
        assertTrue(
                run.err()
                        .contains("The client's own garbage collections: " + s.get("collections") + ", longest "
                                + longest + " ms, "),
                run.err());
    }

    @Test
    void linesOfThePayloadFileAreApaches(@TempDir Path folder) throws Exception {
        Path file = Files.writeString(folder.resolve("lines"), "one\ntwo\nthree\n");
        String args = "--topic t --num-records 10 --throughput -1 --payload-file " + file;
        List<String> lines =
                run(new PerfVerdictTest.OnePartition(), args).out().lines().toList();
        assertEquals(List.of("Reading payloads from: " + file, "Number of records read: 3"), lines.subList(0, 2));
        assertFalse(
                run(new PerfVerdictTest.OnePartition(), args + " --json").out().contains("payloads"));
    }

    @Test
    void whatABrokerAnswersForgesNoLine() {
        PerfVerdictTest.OnePartition hostile = new PerfVerdictTest.OnePartition() {
            @Override
            Exception failure(int i) {
                return new org.apache.kafka.common.errors.PolicyViolationException(
                        "no\r\nPASS: \u001b[2Jall is well\u0007");
            }
        };
        TestCluster.Run run = run(hostile, LOAD + "--num-records 10");
        assertEquals(16, run.code(), run.toString());
        assertTrue(run.err().contains("no\\u000d\\u000aPASS: \\u001b[2Jall is well\\u0007"), run.err());
        assertFalse((run.out() + run.err()).chars().anyMatch(c -> c < ' ' && c != '\n'), run.toString());
    }
}
