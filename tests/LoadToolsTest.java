import static org.junit.jupiter.api.Assertions.*;

import java.io.*;
import java.nio.file.*;
import java.util.*;
import java.util.concurrent.*;
import java.util.concurrent.locks.LockSupport;
import java.util.function.DoubleSupplier;
import java.util.stream.*;
import org.HdrHistogram.*;
import org.apache.kafka.clients.producer.*;
import org.apache.kafka.common.serialization.ByteArraySerializer;
import org.junit.jupiter.api.*;
import org.junit.jupiter.api.io.TempDir;

/** merge-latency, find-max-rate and compare-settings: against histograms, capacities and delays that are known. */
@Order(13)
class LoadToolsTest {
    @Test void perfsHelpFitsTwoScreens() {
        List<String> help = TestCluster.run(PerfTest::run, "--help").out().lines().toList();
        assertTrue(help.size() <= 2 * 24 && help.stream().allMatch(l -> l.length() <= 100), help.size() + " lines: " + String.join("\n", help));
    }

    // ---- merge-latency ----

    private static void log(Path file, long startMs, String tag, Histogram... intervals) throws Exception {
        try (PrintStream out = new PrintStream(file.toFile())) {
            HistogramLogWriter w = new HistogramLogWriter(out);
            w.outputLogFormatVersion();
            w.outputComment("[values in microseconds]");
            w.outputStartTime(startMs);
            w.outputLegend();
            for (int i = 0; i < intervals.length; i++) {
                intervals[i].setTag(tag);
                w.outputIntervalHistogram(i, i + 1, intervals[i], 1000);
            }
        }
    }

    @Test void theMergeOfNLogsIsTheHistogramOfAll(@TempDir Path folder) throws Exception {
        Random random = new Random(7);
        Histogram all = new Histogram(1, 3_600_000_000L, 3);
        List<String> files = new ArrayList<>();
        for (int f = 0; f < 5; f++) {
            Histogram[] intervals = new Histogram[4];
            for (int i = 0; i < 4; i++) {
                intervals[i] = new Histogram(1, 3_600_000_000L, 3);
                for (int n = random.nextInt(3000); n > 0; n--) {
                    long us = (long) Math.exp(random.nextDouble() * 17);
                    intervals[i].recordValue(us);
                    all.recordValue(us);
                }
            }
            Path file = folder.resolve(f + ".hlog");
            log(file, 1_700_000_000_000L + f * 500, null, intervals);
            files.add(file.toString());
        }
        MergeLatency merge = new MergeLatency();
        StringWriter err = new StringWriter();
        Map<String, Histogram> merged = merge.common.configure(merge, TestCluster.quiet(), new PrintWriter(err), files.toArray(String[]::new)).merge();
        assertEquals(Set.of("service"), merged.keySet());
        assertEquals(all, merged.get("service"), "not only percentiles: every count");
        assertEquals("", err.toString(), "they overlap");
        TestCluster.Run run = TestCluster.run(MergeLatency::run, Stream.concat(files.stream(), Stream.of("--json", "--percentiles", folder.resolve("x.hgrm").toString())).toArray(String[]::new));
        assertEquals(0, run.code(), run.toString());
        Map<String, Object> event = run.events().get(0);
        assertEquals(all.getValueAtPercentile(99.99) / 1000.0, (double) event.get("p9999Ms"), 1e-9);
        assertEquals((int) all.getTotalCount(), event.get("records"));
        assertTrue(Files.readString(folder.resolve("x.hgrm")).contains("Total count    =" + String.format("%13d", all.getTotalCount())), Files.readString(folder.resolve("x.hgrm")));
    }

    @Test void tagsAreKeptApartAndWhatIsNoJointLoadIsSaid(@TempDir Path folder) throws Exception {
        Histogram h = new Histogram(3);
        h.recordValue(1000);
        log(folder.resolve("a"), 1_700_000_000_000L, null, h);
        log(folder.resolve("b"), 1_700_000_100_000L, "response", h);
        TestCluster.Run run = TestCluster.run(MergeLatency::run, folder.resolve("a").toString(), folder.resolve("b").toString());
        assertEquals(0, run.code(), run.toString());
        assertEquals(List.of("LATENCY,", "service", "response"), run.out().lines().map(l -> l.split(" ")[0]).toList());
        assertTrue(run.err().contains("begins 99.0 s after"), run.err());
    }

    @Test void aDamagedLogIsNoAnswer(@TempDir Path folder) throws Exception {
        Histogram h = new Histogram(3);
        for (int i = 1; i < 1000; i++) h.recordValue(i * 77L);
        Path good = folder.resolve("good"), cut = folder.resolve("cut"), text = folder.resolve("text"), empty = folder.resolve("empty");
        log(good, 1_700_000_000_000L, null, h, h);
        String whole = Files.readString(good);
        Files.writeString(cut, whole.substring(0, whole.length() - 60));
        Files.writeString(text, "hello\n");
        Path mixed = folder.resolve("mixed"); // the reader takes a line that is none for the end
        List<String> lines = new ArrayList<>(whole.lines().toList());
        lines.add(lines.size() - 1, "garbage");
        Files.write(mixed, lines);
        Path bytes = folder.resolve("bytes"); // no UTF-8
        Files.write(bytes, (whole + "\u00ff\n").getBytes(java.nio.charset.StandardCharsets.ISO_8859_1));
        log(empty, 1_700_000_000_000L, null);
        Map.of(good, 0, cut, 14, mixed, 14, bytes, 14, empty, 14, text, 2, folder.resolve("none"), 2).forEach((file, code) -> {
            TestCluster.Run run = TestCluster.run(MergeLatency::run, file.toString());
            assertEquals(code, run.code(), file + ": " + run);
            assertEquals(code == 0 ? 0 : 1, run.err().lines().count(), run.err());
        });
    }

    // ---- find-max-rate ----

    /** A server that takes so long for each record, and its queue. */
    static class Server extends MockProducer<byte[], byte[]> {
        private final double serviceNanos;
        private final int extraMs;
        private final BlockingQueue<Map.Entry<Long, Callback>> queue = new LinkedBlockingQueue<>();
        private final Thread io = new Thread(this::serve);
        private double free;
        private volatile boolean ended;

        Server(double perSecond, int extraMs) {
            super(false, null, new ByteArraySerializer(), new ByteArraySerializer());
            serviceNanos = 1e9 / perSecond;
            this.extraMs = extraMs;
            io.setDaemon(true);
            io.start();
        }

        @Override public Future<RecordMetadata> send(ProducerRecord<byte[], byte[]> record, Callback callback) {
            long now = System.nanoTime();
            free = Math.max(free, now) + serviceNanos;
            queue.add(Map.entry((long) free + extraMs * 1_000_000L, callback));
            return null;
        }

        private void serve() {
            try {
                while (!ended || !queue.isEmpty()) {
                    var next = queue.poll(5, TimeUnit.MILLISECONDS);
                    if (next == null) continue;
                    for (long left; (left = next.getKey() - System.nanoTime()) > 0; ) LockSupport.parkNanos(left);
                    next.getValue().onCompletion(null, null);
                }
            } catch (InterruptedException e) { throw new IllegalStateException(e); }
        }

        @Override public void flush() {
            ended = true;
            try { io.join(); } catch (InterruptedException e) { throw new IllegalStateException(e); }
        }
    }

    /** A perf whose producer is such a server; the property "delay" is its delay in milliseconds. */
    private static PerfTest served(double perSecond) {
        return new PerfTest() {
            @Override Producer<byte[], byte[]> producer(Properties p) { return new Server(perSecond, Integer.parseInt("" + p.getOrDefault("delay", 0))); }
            @Override boolean topicsExist(Properties p) { return true; }
        };
    }

    private static FindMaxRate finder(double capacity, String... args) {
        FindMaxRate find = new FindMaxRate() { @Override PerfTest perf() { return served(capacity); } };
        return find.common.configure(find, TestCluster.quiet(), TestCluster.quiet(), args);
    }

    @Tag("slow")
    @Test void theKneeOfAKnownCapacityIsFound() throws Exception {
        FindMaxRate.Answer a = finder(3000, "--topic", "t", "--record-size", "10", "--slo", "p99=100ms", "--step", "800ms", "--from", "1500").find();
        // Above the capacity the queue grows, and less than 95 % of the rate are reached from some 6 % above it.
        assertTrue(a.rate() > 2700 && a.rate() < 3450, "found " + a.rate() + " of 3000: " + a.steps());
        assertTrue(a.missed() > a.rate() && a.missed() / a.rate() <= 1.05, a.toString());
    }

    /** Of a run at a rate for so many seconds, in which each record had this latency. */
    private static PerfTest.Summary summary(double rate, double seconds, double ms, PerfTest.ReadBack read, PerfTest.Summary steady) {
        PerfTest.Latencies latencies = new PerfTest.Latencies();
        latencies.put(PerfTest.Kind.SERVICE, new Histogram(1, 10_000_000L, 2));
        latencies.get(PerfTest.Kind.SERVICE).recordValueWithCount((long) (ms * 1000), (long) (rate * seconds));
        return new PerfTest.Summary(seconds + ms / 1000, 1, latencies, read, false, steady);
    }

    /** A finder whose loads are computed: the capacity is asked for each; above it, the objective is missed. */
    private static FindMaxRate computed(DoubleSupplier capacity, PrintWriter err) {
        FindMaxRate find = new FindMaxRate() { @Override PerfTest.Summary load(double rate) { return LoadToolsTest.summary(rate, 10, rate <= capacity.getAsDouble() ? 10 : 500, null, null); } };
        return find.common.configure(find, TestCluster.quiet(), err, "--topic", "t", "--record-size", "10", "--slo", "p99=50ms");
    }

    /** Where runs of the same noisy machine would not agree within 10 %, they say so; where it is quiet, they answer. */
    @Test void anAnswerIsRepeatedByTheNextRunOrCalledNoisy() throws Exception {
        Random random = new Random(11);
        for (double noise : new double[] {0, 0.01, 0.05, 0.1, 0.4}) for (boolean wanders : List.of(false, true)) {
            int triples = 60, told = 0, off = 0;
            for (int t = 0; t < triples; t++) {
                List<FindMaxRate.Answer> runs = new ArrayList<>();
                for (int run = 0; run < 3; run++) {
                    double[] now = {random.nextGaussian()}; // each step has another capacity, or one that wanders, so that steps near in time are alike
                    DoubleSupplier next = () -> now[0] = wanders ? 0.95 * now[0] + Math.sqrt(1 - 0.95 * 0.95) * random.nextGaussian() : random.nextGaussian();
                    runs.add(computed(() -> 15_000 * Math.exp(noise * next.getAsDouble()), TestCluster.quiet()).find());
                }
                if (runs.stream().anyMatch(a -> a.noisy() || a.gaveUp())) continue;
                told++;
                DoubleSummaryStatistics rates = runs.stream().mapToDouble(FindMaxRate.Answer::rate).summaryStatistics();
                if (rates.getMax() > rates.getMin() * 1.10) off++;
            }
            String what = "noise " + noise + (wanders ? ", wandering" : "") + ": of " + triples + " times three runs, " + told + " told a figure each, of which " + off + " were off";
            assertTrue(off <= triples / 10, what);
            if (noise <= 0.01) assertTrue(told >= triples * 0.95, what);
            if (noise >= 0.1) assertTrue(told <= triples * 0.15, what);
        }
    }

    @Test void aCapacityThatChangesMeanwhileIsExit14() {
        int[] loads = {0};
        for (boolean changes : List.of(true, false)) {
            StringWriter out = new StringWriter(), err = new StringWriter();
            FindMaxRate find = computed(() -> changes && loads[0]++ > 25 ? 4000 : 6000, TestCluster.quiet());
            List<Map<String, Object>> events = new ArrayList<>();
            find.common.listener = events::add;
            int code = find.common.run(find, new PrintWriter(out), new PrintWriter(err), "--topic", "t", "--record-size", "10", "--slo", "p99=50ms");
            assertEquals(changes ? 14 : 0, code, err.toString());
            assertEquals(changes, err.toString().contains("This machine is too noisy for one figure: searches found between "), err.toString());
            assertTrue(out.toString().matches("\\d+ records/s keep p99=50ms; \\d+ do not\\.\n"), out.toString());
            for (Map<String, Object> e : events) assertDoesNotThrow(() -> ContractTest.Schema.validate(e));
            assertEquals(List.of("max-rate", changes, false), List.of(events.get(events.size() - 1).get("type"), events.get(events.size() - 1).get("noisy"), events.get(events.size() - 1).get("gaveUp")));
        }
    }

    @Test void whoNeverEndsGivesUpAndSaysSo() {
        StringWriter out = new StringWriter(), err = new StringWriter();
        FindMaxRate find = computed(() -> Double.MAX_VALUE, TestCluster.quiet());
        find.mostSteps = 10;
        assertEquals(14, find.common.run(find, new PrintWriter(out), new PrintWriter(err), "--topic", "t", "--record-size", "10", "--slo", "p99=50ms"));
        assertTrue(err.toString().contains("Gave up after ") && !out.toString().contains("do not"), out + err.toString());
    }

    /** A latency that the objective allows is no lack of speed; a queue that grows is, though its wait is the latency of most. */
    @Tag("slow")
    @Test void aLongAnswerIsNoMissedRateAndAGrowingQueueIsOne() throws Exception {
        FindMaxRate find = finder(3000, "--topic", "t", "--record-size", "10", "--command-property", "delay=300", "--slo", "p99=10s", "--step", "4s");
        for (double rate : new double[] {2700, 3450, 4500}) {
            PerfTest.Summary s = find.load(rate).steady();
            assertEquals(Math.min(rate, 3000), s.reached(), 300, "of a capacity of 3000, at " + rate + ", seconds " + s.seconds());
            assertEquals(rate < 3000, s.reached(rate), "at " + rate);
        }
    }

    /** Ctrl-C in the last search, or the last round. */
    @Test void whatWasFoundBeforeCtrlCIsTold() {
        FindMaxRate find = new FindMaxRate() {
            private int asked;
            @Override PerfTest.Summary load(double rate) throws InterruptedException {
                if (++asked == 35) throw new InterruptedException();
                return LoadToolsTest.summary(rate, 10, rate > 2000 ? 900 : 8, null, null);
            }
        };
        StringWriter out = new StringWriter(), err = new StringWriter();
        assertEquals(130, find.common.run(find, new PrintWriter(out), new PrintWriter(err), "--topic", "t", "--record-size", "10", "--slo", "p99=50ms"), err::toString);
        assertTrue(out.toString().matches("(1[5-9]|20)\\d\\d records/s keep p99=50ms; \\d+ do not\\.\\s+") && err.toString().contains("Interrupted: not all of the searches ended."), out + "" + err);

        CompareSettings compare = new CompareSettings() {
            private int asked;
            @Override PerfTest.Summary load(String setting) throws InterruptedException {
                if (++asked == 2 + 2 * 3 + 2) throw new InterruptedException(); // in the second half of round 4
                return LoadToolsTest.summary(100, 10, setting.contains("1") ? 8 : 16, null, null);
            }
        };
        StringWriter rows = new StringWriter(), said = new StringWriter();
        assertEquals(130, compare.common.run(compare, new PrintWriter(rows), new PrintWriter(said), "--topic", "t", "--record-size", "10", "--a", "acks=1", "--b", "acks=all"), said::toString);
        assertTrue(rows.toString().contains("p99 ms       B") && said.toString().contains("Interrupted after 3 of 6 rounds."), rows + "" + said);
    }

    @Test void whatIsNotReadBackIsAMissAtAnyRate() throws Exception {
        PerfTest.ReadBack read = new PerfTest.ReadBack(999, 100, 1, 1, 0, true);
        FindMaxRate find = new FindMaxRate() { @Override PerfTest.Summary load(double rate) { return LoadToolsTest.summary(rate, 10, 10, read, LoadToolsTest.summary(rate, 8, 10, null, null)); } };
        FindMaxRate.Answer a = find.common.configure(find, TestCluster.quiet(), TestCluster.quiet(), "--topic", "t", "--record-size", "10", "--slo", "p99=50ms", "--e2e").find();
        assertEquals(0, a.rate());
        assertEquals("1 records were not read back.", a.steps().get(0).why());
        // And a run whose reading has it.
        FindMaxRate real = new FindMaxRate() { @Override PerfTest perf() { return PerfVerdictTest.stubbed(new PerfVerdictTest.OnePartition(), PerfVerdictTest.consumer(false)); } };
        PerfTest.Summary all = real.common.configure(real, TestCluster.quiet(), TestCluster.quiet(), "--topic", "t", "--record-size", "10", "--slo", "p99=50ms", "--e2e", "--step", "500ms").load(200);
        assertEquals(100, all.read().missing(), "nothing was read");
    }

    /** What is due while send() is blocked is late, and not left out because the time is over. */
    @Test void aStallNearTheEndOfTheDurationIsInTheResponseTime() throws Exception {
        PerfTest perf = new PerfTest() {
            @Override Producer<byte[], byte[]> producer(Properties p) {
                return new Server(50_000, 0) {
                    private int sent;
                    @Override public Future<RecordMetadata> send(ProducerRecord<byte[], byte[]> record, Callback callback) {
                        if (++sent == 500) LockSupport.parkNanos(1_000_000_000L);
                        return super.send(record, callback);
                    }
                };
            }
            @Override boolean topicsExist(Properties p) { return true; }
        };
        PerfTest.Summary s = perf.common.configure(perf, TestCluster.quiet(), TestCluster.quiet(), "--topic", "t", "--record-size", "10", "--throughput", "500", "--duration", "2s").measure();
        assertEquals(1000, s.records(), "all that were due");
        // 500 of 1000 were due in the second that send() was blocked: they waited 0 to 1 s, evenly.
        assertEquals(500, PerfTest.Latencies.ms(s.response(), "p75"), 150);
        assertTrue(PerfTest.Latencies.ms(s.response(), "p95") > 700 && PerfTest.Latencies.ms(s.service(), "p95") < 500, s.fields()[1].toString());
    }

    @Test void anObjectiveThatNoRateKeepsIsExit15() {
        FindMaxRate find = new FindMaxRate() { @Override PerfTest perf() { return served(3000); } };
        StringWriter err = new StringWriter();
        int code = find.common.run(find, TestCluster.quiet(), new PrintWriter(err), "--topic", "t", "--record-size", "10", "--slo", "p50=1us", "--step", "200ms", "--from", "50");
        assertEquals(15, code, err.toString());
    }

    // ---- compare-settings ----

    @Test void ratiosHaveTheirInterval() {
        CompareSettings.Ratio r = CompareSettings.Ratio.of(2, 2, 2, 2);
        assertEquals(List.of(2.0, 2.0, 2.0), Stream.of(r.mean(), r.low(), r.high()).map(x -> Math.round(x * 1e9) / 1e9).toList());
        r = CompareSettings.Ratio.of(0.8, 1.25); // logarithms -0.223 and 0.223: mean 0, standard error 0.223, t 12.706
        assertEquals(1, r.mean(), 1e-9);
        assertEquals(Math.exp(12.706 * Math.log(1.25)), r.high(), 1e-6);
        assertFalse(r.shown());
        assertTrue(r.toString().contains("no difference shown"), r.toString());
        r = CompareSettings.Ratio.of(1.10, 1.12, 1.08, 1.11, 1.09);
        assertTrue(r.shown() && r.low() > 1.07 && r.high() < 1.13, r.toString());
        // Of 2000 comparisons of like with like, 95 of 100 show no difference.
        Random random = new Random(3);
        long shown = IntStream.range(0, 2000).filter(i -> CompareSettings.Ratio.of(random.doubles(6).map(x -> Math.exp(random.nextGaussian() * 0.1)).toArray()).shown()).count();
        assertEquals(0.05, shown / 2000.0, 0.02);
    }

    @Test void aKnownDifferenceIsShown() throws Exception {
        CompareSettings compare = new CompareSettings() { @Override PerfTest perf() { return served(50_000); } };
        compare.common.configure(compare, TestCluster.quiet(), TestCluster.quiet(), "--topic", "t", "--record-size", "10", "--throughput", "500", "--rounds", "3", "--duration", "400ms",
                "--a", "delay=100", "--b", "delay=200", "--c", "delay=400");
        List<Map<String, Object>> events = new ArrayList<>();
        compare.common.listener = events::add;
        Map<String, CompareSettings.Ratio> p50 = compare.compare().stream().filter(r -> r.figure().equals("p50 ms") && r.ratio() != null).collect(Collectors.toMap(CompareSettings.Row::setting, CompareSettings.Row::ratio));
        assertEquals(2, p50.get("B").mean(), 0.2);
        assertEquals(4, p50.get("C").mean(), 0.4);
        assertTrue(p50.get("B").shown(), p50.toString());
        for (Map<String, Object> e : events) ContractTest.Schema.validate(e);
        assertEquals(8, events.size(), "two ratios of four figures");
    }

    /** Its loads are computed, each a little slower than the one before; notes which settings were asked for, in turn. */
    private static TestCluster.Run compared(List<String> asked, String args) {
        CompareSettings compare = new CompareSettings() {
            @Override PerfTest.Summary load(String setting) {
                asked.add(setting);
                return summary(1000 - 3 * asked.size(), 1, 100 + 3 * asked.size(), null, null);
            }
        };
        return TestCluster.run((out, err, words) -> compare.common.run(compare, out, err, words), ("--topic t --record-size 10 " + args).split(" "));
    }

    /** In turns and back, so that what gets slower meanwhile hits both alike: of like and like no difference is shown, though the machine had one in each round. */
    @Test void likeAndLikeShowNoDifferenceOnAMachineThatGetsSlower() {
        List<String> asked = new ArrayList<>();
        TestCluster.Run run = compared(asked, "--throughput 500 --rounds 4 --b acks=all --a acks=-1");
        assertEquals(0, run.code(), run.toString());
        assertEquals(List.of("acks=-1", "acks=all", /* the first of each is not compared */ "acks=-1", "acks=all", "acks=all", "acks=-1", "acks=-1", "acks=all", "acks=all", "acks=-1"), asked);
        assertEquals(List.of("A: acks=-1", "B: acks=all"), run.out().lines().limit(2).toList(), "labels are the options' names, in whatever order they come");
        for (String figure : List.of("records/s", "p50 ms", "p99 ms"))
            assertTrue(run.out().lines().anyMatch(l -> l.startsWith(figure) && l.contains(" B ") && l.endsWith(", no difference shown")), figure + ": " + run);
        assertTrue(run.err().contains("about one misses the truth by chance; here are 4."), run.err());
        assertFalse(run.err().contains("own queues"), run.err());
    }

    @Test void atUnlimitedThroughputItSaysWhoseLatencyItIs() {
        TestCluster.Run run = compared(new ArrayList<>(), "--throughput -1 --rounds 2 --a acks=1 --c acks=0 --b acks=all");
        assertTrue(run.err().contains("mostly the producers' own queues") && run.err().contains("here are 8."), run.toString());
    }

    @Test void helpBeginsWithWhatHasToBeGiven() {
        for (TestCluster.Script script : List.<TestCluster.Script>of(FindMaxRate::run, CompareSettings::run)) {
            List<String> help = TestCluster.run(script, "--help").out().lines().toList();
            assertTrue(help.get(0).matches("Usage: (find-max-rate --topic TOPIC --slo OBJECTIVE|compare-settings --topic TOPIC --a 'NAME=VALUE ...' --b .*)"), help.get(0));
            assertTrue(help.get(1).matches(" +\\(--record-size BYTES .*\\[OPTION...\\]"), help.get(1));
            assertTrue(help.stream().allMatch(l -> l.length() <= 100), String.join("\n", help));
        }
    }

    @Test void wrongUsageIsExitTwo() {
        String load = "--topic t --record-size 10 ";
        for (String bad : List.of("", "--a acks=1", "--b acks=1", "--b acks=1 --c acks=1", "--a acks=1 --b acks", "--a acks=1 --b acks=all --rounds 1"))
            assertEquals(2, TestCluster.run(CompareSettings::run, (load + bad).trim().split(" +")).code(), bad);
        for (String bad : List.of("", "--slo p99", "--slo p99=5", "--slo e2e-p99=5ms", "--slo p99=5ms --from 0", "--slo p99=5ms,throughput=10", "--slo mb=1"))
            assertEquals(2, TestCluster.run(FindMaxRate::run, (load + bad).trim().split(" +")).code(), bad);
    }
}
