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
@Tag("timed")
class LoadToolsTest {
    @Test
    void perfsHelpFitsTwoScreens() {
        List<String> help =
                TestCluster.run(PerfTest::run, "--help").out().lines().toList();
        assertTrue(
                help.size() <= 2 * 24 && help.stream().allMatch(l -> l.length() <= 100),
                help.size() + " lines: " + String.join("\n", help));
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

    @Test
    void theMergeOfNLogsIsTheHistogramOfAll(@TempDir Path folder) throws Exception {
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
        Map<String, Histogram> merged = merge.common
                .configure(merge, TestCluster.quiet(), new PrintWriter(err), files.toArray(String[]::new))
                .merge();
        assertEquals(Set.of("service"), merged.keySet());
        assertEquals(all, merged.get("service"), "not only percentiles: every count");
        assertEquals("", err.toString(), "they overlap");
        TestCluster.Run run = TestCluster.run(
                MergeLatency::run,
                Stream.concat(
                                files.stream(),
                                Stream.of(
                                        "--json",
                                        "--percentiles",
                                        folder.resolve("x.hgrm").toString()))
                        .toArray(String[]::new));
        assertEquals(0, run.code(), run.toString());
        Map<String, Object> event = run.events().get(0);
        assertEquals(all.getValueAtPercentile(99.99) / 1000.0, (double) event.get("p9999Ms"), 1e-9);
        assertEquals((int) all.getTotalCount(), event.get("records"));
        assertTrue(
                Files.readString(folder.resolve("x.hgrm"))
                        .contains("Total count    =" + String.format("%13d", all.getTotalCount())),
                Files.readString(folder.resolve("x.hgrm")));
    }

    @Test
    void tagsAreKeptApartAndWhatIsNoJointLoadIsSaid(@TempDir Path folder) throws Exception {
        Histogram h = new Histogram(3);
        h.recordValue(1000);
        log(folder.resolve("a"), 1_700_000_000_000L, null, h);
        log(folder.resolve("b"), 1_700_000_100_000L, "response", h);
        TestCluster.Run run = TestCluster.run(
                MergeLatency::run,
                folder.resolve("a").toString(),
                folder.resolve("b").toString());
        assertEquals(0, run.code(), run.toString());
        assertEquals(
                List.of("LATENCY,", "service", "response"),
                run.out().lines().map(l -> l.split(" ")[0]).toList());
        assertTrue(run.err().contains("begins 99.0 s after"), run.err());
    }

    @Test
    void aDamagedLogIsNoAnswer(@TempDir Path folder) throws Exception {
        Histogram h = new Histogram(3);
        for (int i = 1; i < 1000; i++) h.recordValue(i * 77L);
        Path good = folder.resolve("good"),
                cut = folder.resolve("cut"),
                text = folder.resolve("text"),
                empty = folder.resolve("empty");
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
        Map.of(good, 0, cut, 14, mixed, 14, bytes, 14, empty, 14, text, 2, folder.resolve("none"), 2)
                .forEach((file, code) -> {
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

        @Override
        public Future<RecordMetadata> send(ProducerRecord<byte[], byte[]> record, Callback callback) {
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
            } catch (InterruptedException e) {
                throw new IllegalStateException(e);
            }
        }

        @Override
        public void flush() {
            ended = true;
            try {
                io.join();
            } catch (InterruptedException e) {
                throw new IllegalStateException(e);
            }
        }
    }

    /** A perf whose producer is such a server; the property "delay" is its delay in milliseconds. */
    private static PerfTest served(double perSecond) {
        return new PerfTest() {
            @Override
            Producer<byte[], byte[]> producer(Properties p) {
                return new Server(perSecond, Integer.parseInt("" + p.getOrDefault("delay", 0)));
            }

            @Override
            boolean topicsExist(Properties p) {
                return true;
            }
        };
    }

    private static FindMaxRate finder(double capacity, String... args) {
        FindMaxRate find = new FindMaxRate() {
            @Override
            PerfTest perf() {
                return served(capacity);
            }
        };
        return find.common.configure(find, TestCluster.quiet(), TestCluster.quiet(), args);
    }

    /** A load on a queue that serves each record in turn, at a capacity that is known: computed, so that no machine disturbs it. */
    private static FindMaxRate.Loaded queue(double capacity, double rate, java.time.Duration time, double extraMs) {
        int n = (int) (rate * time.toMillis() / 1000);
        double[] served = new double[n];
        PerfTest.Latencies all = new PerfTest.Latencies(), steady = new PerfTest.Latencies();
        for (PerfTest.Latencies phase : List.of(all, steady))
            phase.put(PerfTest.Kind.SERVICE, new Histogram(1, 3_600_000_000L, 3));
        double free = 0;
        for (int i = 0; i < n; i++) {
            served[i] = free = Math.max(free, i / rate) + 1 / capacity;
            long us = 1 + (long) ((free - i / rate) * 1e6 + extraMs * 1000);
            all.get(PerfTest.Kind.SERVICE).recordValue(us);
            if (i >= n / 5) steady.get(PerfTest.Kind.SERVICE).recordValue(us);
        }
        List<double[]> backlog = new ArrayList<>();
        int ended = 0;
        for (double t = 0.02; t < time.toMillis() / 1000.0; t += 0.02) {
            while (ended < n && served[ended] <= t) ended++;
            backlog.add(new double[] {t, Math.min(n, Math.floor(t * rate)) - ended});
        }
        PerfTest.Summary rest = new PerfTest.Summary(free - n / 5 / rate, 1, steady, null, false, null);
        return new FindMaxRate.Loaded(new PerfTest.Summary(free, 1, all, null, false, rest), backlog);
    }

    private static FindMaxRate queueing(double capacity, String slo, String step) {
        FindMaxRate find = new FindMaxRate() {
            @Override
            Loaded load(double rate, java.time.Duration time) {
                return queue(capacity, rate, time, 0);
            }
        };
        return find.common.configure(
                find,
                TestCluster.quiet(),
                TestCluster.quiet(),
                "--topic",
                "t",
                "--record-size",
                "10",
                "--slo",
                slo,
                "--step",
                step);
    }

    /** An objective that a growing queue keeps for as long as a step lasts, and not for longer: what is found is run again. */
    @Test
    void aRateIsFoundThatCanBeHeld() throws Exception {
        for (double capacity : new double[] {3000, 700, 11_000}) {
            FindMaxRate.Answer a = queueing(capacity, "p99=400ms", "3s").find();
            String what = capacity + ": " + a;
            assertTrue(a.confirmed(), what);
            assertTrue(a.rate() <= 1.005 * capacity && a.rate() >= 0.95 * capacity, what);
            assertTrue(a.missed() > capacity && a.missed() / a.rate() <= 1.08, what);
            PerfTest.Summary again = queue(capacity, a.rate(), java.time.Duration.ofSeconds(20), 0)
                    .all();
            assertNull(new PerfTest.Objective.Reader().convert("p99=400ms").missed(again), what);
        }
    }

    @Test
    void aQueueThatGrowsIsAMissThoughTheObjectiveIsKept() {
        for (double rate : new double[] {2700, 2999, 3112, 3500}) {
            FindMaxRate.Loaded loaded = queue(3000, rate, java.time.Duration.ofSeconds(5), 0);
            assertNull(new PerfTest.Objective.Reader().convert("p99=900ms").missed(loaded.steady()), "" + rate);
            assertEquals(Math.max(0, rate - 3000), loaded.growth(java.time.Duration.ofSeconds(5)), 5, "" + rate);
        }
    }

    /** A backlog that rises and falls is not one that grows. */
    @Test
    void aBacklogThatFluctuatesDoesNotGrow() {
        Random random = new Random(5);
        int grew = 0, ramps = 0;
        for (int run = 0; run < 200; run++)
            for (double slope : new double[] {0, 100}) {
                List<double[]> backlog = new ArrayList<>();
                for (double t = 0.02; t < 5; t += 0.02)
                    backlog.add(new double[] {
                        t, 200 + slope * t + 40 * random.nextGaussian() + (random.nextInt(20) == 0 ? 2000 : 0)
                    });
                double growth = new FindMaxRate.Loaded(null, backlog).growth(java.time.Duration.ofSeconds(5));
                if (slope == 0 && growth > 0) grew++;
                if (slope > 0 && growth > 0.6 * slope) ramps++;
            }
        assertEquals(0, grew, "of 200 that only fluctuate");
        assertTrue(ramps >= 195, "of 200 that grow: " + ramps);
    }

    /** Of a run at a rate for so many seconds, in which each record had this latency. */
    private static PerfTest.Summary summary(
            double rate, double seconds, double ms, PerfTest.ReadBack read, PerfTest.Summary steady) {
        PerfTest.Latencies latencies = new PerfTest.Latencies();
        latencies.put(PerfTest.Kind.SERVICE, new Histogram(1, 10_000_000L, 2));
        latencies.get(PerfTest.Kind.SERVICE).recordValueWithCount((long) (ms * 1000), (long) (rate * seconds));
        return new PerfTest.Summary(seconds + ms / 1000, 1, latencies, read, false, steady);
    }

    private static FindMaxRate.Loaded loaded(double rate, double ms) {
        return new FindMaxRate.Loaded(summary(rate, 10, ms, null, null), List.of());
    }

    /** A finder whose loads are computed: the capacity is asked for each; above it, the objective is missed. */
    private static FindMaxRate computed(DoubleSupplier capacity, PrintWriter err) {
        FindMaxRate find = new FindMaxRate() {
            @Override
            Loaded load(double rate, java.time.Duration time) {
                return loaded(rate, rate <= capacity.getAsDouble() ? 10 : 500);
            }
        };
        return find.common.configure(
                find, TestCluster.quiet(), err, "--topic", "t", "--record-size", "10", "--slo", "p99=50ms");
    }

    private static final String[] SEARCH = {"--topic", "t", "--record-size", "10", "--slo", "p99=50ms"};

    /** On a noisy machine as on a quiet one there is an answer, and a later run at its rate keeps the objective. */
    @Test
    void anAnswerIsConfirmedByALaterRun() throws Exception {
        Random random = new Random(11);
        for (double noise : new double[] {0, 0.01, 0.05, 0.1, 0.4})
            for (boolean wanders : List.of(false, true)) {
                int searches = noise == 0.01 ? 200 : 50, told = 0, kept = 0;
                double width = 0;
                for (int t = 0; t < searches; t++) {
                    double[] now = {random.nextGaussian()
                    }; // each step has another capacity, or one that wanders, so that steps near in time are alike
                    DoubleSupplier next = () -> now[0] = wanders
                            ? 0.95 * now[0] + Math.sqrt(1 - 0.95 * 0.95) * random.nextGaussian()
                            : random.nextGaussian();
                    DoubleSupplier capacity = () -> 15_000 * Math.exp(noise * next.getAsDouble());
                    FindMaxRate.Answer a =
                            computed(capacity, TestCluster.quiet()).find();
                    if (!a.confirmed()) continue;
                    told++;
                    if (a.rate() <= capacity.getAsDouble()) kept++;
                    width += a.missed() / a.rate();
                }
                String what = "noise " + noise + (wanders ? ", wandering" : "") + ": of " + searches + " searches "
                        + told + " answered, of which " + kept + " were confirmed by a later run, mean width "
                        + width / told;
                assertTrue(told >= 0.95 * searches, what);
                double share = noise == 0 ? 1 : noise == 0.01 ? 0.95 : 0.75;
                assertTrue(kept >= share * told, what);
                if (noise <= 0.01) assertTrue(width / told < 1.08, what);
            }
    }

    /** What an overload leaves behind lasts for some loads, and is waited for. */
    @Test
    void anOverloadDoesNotSpoilTheNextStep() throws Exception {
        FindMaxRate find = new FindMaxRate() {
            private int spoiled;

            @Override
            Loaded load(double rate, java.time.Duration time) {
                if (rate > 3000) spoiled = 4;
                else if (spoiled-- > 0) return queue(3000, rate, time, 300);
                return queue(3000, rate, time, 0);
            }
        };
        FindMaxRate.Answer a = find.common
                .configure(find, TestCluster.quiet(), TestCluster.quiet(), SEARCH)
                .find();
        assertTrue(a.confirmed() && a.rate() > 2850 && a.rate() <= 3015, a.toString());
    }

    @Test
    void aCapacityThatChangesMeanwhileIsFollowed() {
        int[] loads = {0};
        for (boolean changes : List.of(true, false)) {
            StringWriter out = new StringWriter(), err = new StringWriter();
            FindMaxRate find = computed(() -> changes && loads[0]++ > 15 ? 4000 : 6000, TestCluster.quiet());
            List<Map<String, Object>> events = new ArrayList<>();
            find.common.listener = events::add;
            assertEquals(0, find.common.run(find, new PrintWriter(out), new PrintWriter(err), SEARCH), err.toString());
            assertTrue(out.toString().matches("\\d+ records/s keep p99=50ms; \\d+ do not\\.\n"), out.toString());
            for (Map<String, Object> e : events) assertDoesNotThrow(() -> ContractTest.Schema.validate(e));
            Map<String, Object> answer = events.get(events.size() - 1);
            assertEquals(
                    List.of("max-rate", true, false),
                    List.of(answer.get("type"), answer.get("confirmed"), answer.get("gaveUp")));
            double rate = (double) answer.get("rate");
            assertTrue(rate <= (changes ? 4000 : 6000) && rate > (changes ? 2600 : 5600), answer.toString());
            assertEquals(changes, err.toString().contains("this machine is noisy"), err.toString());
        }
    }

    /** Two probes and the first steps are of a cluster whose compilers are cold; what they missed is tried again. */
    @Test
    void whatAColdClusterMissedIsNoBound() {
        int[] loads = {0};
        FindMaxRate find = computed(() -> loads[0]++ < 6 ? 400 : 6000, TestCluster.quiet());
        List<Map<String, Object>> events = new ArrayList<>();
        find.common.listener = events::add;
        StringWriter out = new StringWriter(), err = new StringWriter();
        assertEquals(0, find.common.run(find, new PrintWriter(out), new PrintWriter(err), SEARCH), err.toString());
        assertTrue(
                events.stream()
                        .anyMatch(e -> e.get("type").equals("rate-step")
                                && e.get("held").equals(false)
                                && (double) e.get("rate") < 5600),
                events.toString());
        double rate = (double) events.get(events.size() - 1).get("rate");
        assertTrue(rate > 5600 && rate <= 6000, out.toString() + err);
    }

    @Test
    void whatIsNeverConfirmedIsExit14() {
        FindMaxRate find = new FindMaxRate() {
            @Override
            Loaded load(double rate, java.time.Duration time) {
                return loaded(rate, time.toMillis() > 5000 || rate > 3000 ? 500 : 10);
            }
        };
        StringWriter out = new StringWriter(), err = new StringWriter();
        assertEquals(14, find.common.run(find, new PrintWriter(out), new PrintWriter(err), SEARCH), err.toString());
        assertEquals("", out.toString(), "no rate held the longer steps, down to none");
        assertTrue(
                err.toString()
                                .endsWith(
                                        "No rate kept p99=50ms when it was run again for longer: longer steps (--step)"
                                                + " may find one."
                                                + System.lineSeparator())
                        && !err.toString().contains("Gave up"),
                err.toString());
    }

    /** The time is over, or Ctrl-C comes, in the course of the confirmation: a rate is given only if it was held, and neither it nor one below it was seen to miss. */
    @Test
    void theRateThatIsGivenUnconfirmedIsOneThatHeld() {
        java.util.regex.Pattern line =
                java.util.regex.Pattern.compile("(\\d+) records/s kept p99=50ms, not confirmed; \\d+ did not\\.\\s+");
        int given = 0, none = 0;
        for (boolean interrupted : List.of(false, true))
            for (double longer : new double[] {2700, 1700, 700})
                for (int after = 1; after <= 12; after++) {
                    int ends = after;
                    FindMaxRate find = new FindMaxRate() {
                        private int longs;

                        @Override
                        Loaded load(double rate, java.time.Duration time) throws InterruptedException {
                            boolean confirms = time.toMillis() > 5000;
                            if (confirms) longs++;
                            if (interrupted && longs > ends) throw new InterruptedException();
                            if (!interrupted && longs == ends) mostSteps = 0;
                            return loaded(
                                    rate,
                                    rate > 3000 || confirms && rate > longer || confirms && longs % 3 == 0
                                            ? 500
                                            : 10); // the third misses, whatever it is
                        }
                    };
                    List<Map<String, Object>> events = new ArrayList<>();
                    find.common.listener = events::add;
                    StringWriter out = new StringWriter(), err = new StringWriter();
                    int code = find.common.run(find, new PrintWriter(out), new PrintWriter(err), SEARCH);
                    if (code == 0) continue; // confirmed before
                    String what = longer + ", " + after + ": " + out + err;
                    assertEquals(interrupted ? 130 : 14, code, what);
                    assertEquals(!interrupted, err.toString().contains("Gave up after "), what);
                    List<Map<String, Object>> steps = TestCluster.ofType(events, "rate-step"),
                            answers = TestCluster.ofType(events, "max-rate");
                    if (answers.isEmpty()) {
                        none++;
                        assertEquals("", out.toString(), what);
                        continue;
                    }
                    given++;
                    double rate = (double) answers.get(0).get("rate");
                    java.util.regex.Matcher said = line.matcher(out.toString());
                    assertTrue(said.matches() && Integer.parseInt(said.group(1)) == (int) rate, what);
                    assertTrue(
                            steps.stream()
                                    .anyMatch(s -> s.get("rate").equals(rate)
                                            && s.get("held").equals(true)),
                            what);
                    assertTrue(
                            steps.stream()
                                    .noneMatch(s -> (double) s.get("rate") <= rate
                                            && s.get("held").equals(false)),
                            what);
                }
        assertTrue(given > 20 && none > 0, given + " rates given, " + none + " times none");
    }

    @Test
    void whoNeverEndsGivesUpAndSaysSo() {
        StringWriter out = new StringWriter(), err = new StringWriter();
        FindMaxRate find = computed(() -> Double.MAX_VALUE, TestCluster.quiet());
        find.mostSteps = 10;
        assertEquals(14, find.common.run(find, new PrintWriter(out), new PrintWriter(err), SEARCH));
        assertTrue(
                err.toString().contains("Gave up after ") && !out.toString().contains("do not"), out + err.toString());
    }

    @Test
    void theWholeIsBounded() {
        FindMaxRate find = new FindMaxRate() {
            @Override
            Loaded load(double rate, java.time.Duration time) {
                LockSupport.parkNanos(20_000_000);
                return loaded(rate, 500 * (int) (rate / 1000 % 2)); // such as never converges
            }
        };
        StringWriter err = new StringWriter();
        long began = System.nanoTime();
        assertEquals(
                14,
                find.common.run(
                        find,
                        TestCluster.quiet(),
                        new PrintWriter(err),
                        Stream.concat(Stream.of(SEARCH), Stream.of("--max-duration", "300ms"))
                                .toArray(String[]::new)),
                err::toString);
        assertTrue(System.nanoTime() - began < 3e9, err::toString);
    }

    /** A latency that the objective allows is no lack of speed; a queue that grows is, though its wait is the latency of most. In perf's own count, of a server in real time. */
    @Test
    void aLongAnswerIsNoMissedRateAndAGrowingQueueIsOne() throws Exception {
        FindMaxRate find = finder(
                3000, "--topic", "t", "--record-size", "10", "--command-property", "delay=300", "--slo", "p99=10s");
        java.time.Duration time = java.time.Duration.ofMillis(2500);
        for (double rate : new double[] {2700, 3450}) {
            FindMaxRate.Loaded loaded = find.load(rate, time);
            assertEquals(
                    rate < 3000,
                    loaded.steady().reached(rate),
                    "of a capacity of 3000, at " + rate + ", seconds "
                            + loaded.steady().seconds());
            double growth =
                    loaded.growth(time); // below the capacity, what a busy machine held up may still be caught up with
            assertTrue(
                    rate < 3000 ? growth <= 0.01 * rate : growth > 150 && growth < 800,
                    "at " + rate + " it grew by " + growth);
            assertTrue(
                    loaded.backlog().size() > 30, "samples: " + loaded.backlog().size());
        }
    }

    /** Ctrl-C in the confirmation, or the last round. */
    @Test
    void whatWasFoundBeforeCtrlCIsTold() {
        FindMaxRate find = new FindMaxRate() {
            @Override
            Loaded load(double rate, java.time.Duration time) throws InterruptedException {
                if (time.toMillis() > 5000) throw new InterruptedException(); // in what confirms it
                return loaded(rate, rate > 2000 ? 900 : 8);
            }
        };
        StringWriter out = new StringWriter(), err = new StringWriter();
        assertEquals(
                130,
                find.common.run(
                        find,
                        new PrintWriter(out),
                        new PrintWriter(err),
                        "--topic",
                        "t",
                        "--record-size",
                        "10",
                        "--slo",
                        "p99=50ms"),
                err::toString);
        assertTrue(
                out.toString().matches("(1[5-9]|20)\\d\\d records/s kept p99=50ms, not confirmed; \\d+ did not\\.\\s+")
                        && err.toString().contains("Interrupted before the answer was confirmed."),
                out + "" + err);

        CompareSettings compare = new CompareSettings() {
            private int asked;

            @Override
            PerfTest.Summary load(String setting) throws InterruptedException {
                if (++asked == 2 + 2 * 3 + 2) throw new InterruptedException(); // in the second half of round 4
                return LoadToolsTest.summary(100, 10, setting.contains("1") ? 8 : 16, null, null);
            }
        };
        StringWriter rows = new StringWriter(), said = new StringWriter();
        assertEquals(
                130,
                compare.common.run(
                        compare,
                        new PrintWriter(rows),
                        new PrintWriter(said),
                        "--topic",
                        "t",
                        "--record-size",
                        "10",
                        "--a",
                        "acks=1",
                        "--b",
                        "acks=all"),
                said::toString);
        assertTrue(
                rows.toString().contains("p99 ms       B")
                        && said.toString()
                                .contains("Interrupted after 3 of 6 rounds; compared are the first 2, whose order is"
                                        + " balanced."),
                rows + "" + said);
    }

    @Test
    void whatIsNotReadBackIsAMissAtAnyRate() throws Exception {
        PerfTest.ReadBack read = new PerfTest.ReadBack(999, 100, 1, 1, 0, true);
        FindMaxRate find = new FindMaxRate() {
            @Override
            Loaded load(double rate, java.time.Duration time) {
                return new Loaded(
                        LoadToolsTest.summary(rate, 10, 10, read, LoadToolsTest.summary(rate, 8, 10, null, null)),
                        List.of());
            }
        };
        FindMaxRate.Answer a = find.common
                .configure(
                        find,
                        TestCluster.quiet(),
                        TestCluster.quiet(),
                        "--topic",
                        "t",
                        "--record-size",
                        "10",
                        "--slo",
                        "p99=50ms",
                        "--e2e")
                .find();
        assertEquals(0, a.rate());
        assertEquals("1 records were not read back.", a.steps().get(0).why());
        // And a run whose reading has it.
        FindMaxRate real = new FindMaxRate() {
            @Override
            PerfTest perf() {
                return PerfVerdictTest.stubbed(new PerfVerdictTest.OnePartition(), PerfVerdictTest.consumer(false));
            }
        };
        PerfTest.Summary all = real.common
                .configure(
                        real,
                        TestCluster.quiet(),
                        TestCluster.quiet(),
                        "--topic",
                        "t",
                        "--record-size",
                        "10",
                        "--slo",
                        "p99=50ms",
                        "--e2e")
                .load(200, java.time.Duration.ofMillis(500))
                .all();
        assertEquals(100, all.read().missing(), "nothing was read");
    }

    /** What is due while send() is blocked is late, and not left out because the time is over. */
    @Test
    void aStallNearTheEndOfTheDurationIsInTheResponseTime() throws Exception {
        PerfTest perf = new PerfTest() {
            @Override
            Producer<byte[], byte[]> producer(Properties p) {
                return new Server(50_000, 0) {
                    private int sent;

                    @Override
                    public Future<RecordMetadata> send(ProducerRecord<byte[], byte[]> record, Callback callback) {
                        if (++sent == 500) LockSupport.parkNanos(1_000_000_000L);
                        return super.send(record, callback);
                    }
                };
            }

            @Override
            boolean topicsExist(Properties p) {
                return true;
            }
        };
        PerfTest.Summary s = perf.common
                .configure(
                        perf,
                        TestCluster.quiet(),
                        TestCluster.quiet(),
                        "--topic",
                        "t",
                        "--record-size",
                        "10",
                        "--throughput",
                        "500",
                        "--duration",
                        "2s")
                .measure();
        assertEquals(1000, s.records(), "all that were due");
        // 500 of 1000 were due in the second that send() was blocked: they waited 0 to 1 s, evenly.
        assertEquals(500, PerfTest.Latencies.ms(s.response(), "p75"), 150);
        assertTrue(
                PerfTest.Latencies.ms(s.response(), "p95") > 700 && PerfTest.Latencies.ms(s.service(), "p95") < 500,
                s.fields().toString());
    }

    @Test
    void anObjectiveThatNoRateKeepsIsExit15() {
        FindMaxRate find = new FindMaxRate() {
            @Override
            PerfTest perf() {
                return served(3000);
            }
        };
        StringWriter err = new StringWriter();
        int code = find.common.run(
                find,
                TestCluster.quiet(),
                new PrintWriter(err),
                "--topic",
                "t",
                "--record-size",
                "10",
                "--slo",
                "p50=1us",
                "--step",
                "200ms",
                "--from",
                "5");
        assertEquals(15, code, err.toString());
    }

    // ---- compare-settings ----

    @Test
    void ratiosHaveTheirInterval() {
        CompareSettings.Ratio r = CompareSettings.Ratio.of(2, 2, 2, 2);
        assertEquals(
                List.of(2.0, 2.0, 2.0),
                Stream.of(r.mean(), r.low(), r.high())
                        .map(x -> Math.round(x * 1e9) / 1e9)
                        .toList());
        r = CompareSettings.Ratio.of(0.8, 1.25); // logarithms -0.223 and 0.223: mean 0, standard error 0.223, t 12.706
        assertEquals(1, r.mean(), 1e-9);
        assertEquals(Math.exp(12.706 * Math.log(1.25)), r.high(), 1e-6);
        assertFalse(r.shown());
        assertTrue(r.toString().contains("no difference shown"), r.toString());
        r = CompareSettings.Ratio.of(1.10, 1.12, 1.08, 1.11, 1.09);
        assertTrue(r.shown() && r.low() > 1.07 && r.high() < 1.13, r.toString());
        // Of 2000 comparisons of like with like, 95 of 100 show no difference.
        Random random = new Random(3);
        long shown = IntStream.range(0, 2000)
                .filter(i -> CompareSettings.Ratio.of(random.doubles(6)
                                .map(x -> Math.exp(random.nextGaussian() * 0.1))
                                .toArray())
                        .shown())
                .count();
        assertEquals(0.05, shown / 2000.0, 0.02);
    }

    @Test
    void aKnownDifferenceIsShown() throws Exception {
        CompareSettings compare = new CompareSettings() {
            @Override
            PerfTest perf() {
                return served(50_000);
            }
        };
        compare.common.configure(
                compare,
                TestCluster.quiet(),
                TestCluster.quiet(),
                "--topic",
                "t",
                "--record-size",
                "10",
                "--throughput",
                "500",
                "--rounds",
                "4",
                "--duration",
                "200ms",
                "--a",
                "delay=200",
                "--b",
                "delay=400");
        List<Map<String, Object>> events = new ArrayList<>();
        compare.common.listener = events::add;
        Map<String, CompareSettings.Ratio> p50 = compare.compare().stream()
                .filter(r -> r.figure().equals("p50 ms") && r.ratio() != null)
                .collect(Collectors.toMap(CompareSettings.Row::setting, CompareSettings.Row::ratio));
        assertEquals(2, p50.get("B").mean(), 0.2);
        assertTrue(p50.get("B").shown(), p50.toString());
        for (Map<String, Object> e : events) ContractTest.Schema.validate(e);
        assertEquals(4, events.size(), "a ratio of each of four figures");
    }

    /** Its loads are computed, each a little slower than the one before; notes which settings were asked for, in turn. */
    private static TestCluster.Run compared(List<String> asked, String args) {
        CompareSettings compare = new CompareSettings() {
            @Override
            PerfTest.Summary load(String setting) {
                asked.add(setting);
                return summary(1000 - 3 * asked.size(), 1, 100 + 3 * asked.size(), null, null);
            }
        };
        return TestCluster.run(
                (out, err, words) -> compare.common.run(compare, out, err, words),
                ("--topic t --record-size 10 " + args).split(" "));
    }

    /** In turns and back, so that what gets slower meanwhile hits both alike: of like and like no difference is shown, though the machine had one in each round. */
    @Test
    void likeAndLikeShowNoDifferenceOnAMachineThatGetsSlower() {
        List<String> asked = new ArrayList<>();
        TestCluster.Run run = compared(asked, "--throughput 500 --rounds 4 --b acks=all --a acks=-1");
        assertEquals(0, run.code(), run.toString());
        assertEquals(
                List.of(
                        "acks=-1",
                        "acks=all", /* the first of each is not compared */
                        "acks=-1",
                        "acks=all",
                        "acks=all",
                        "acks=-1",
                        "acks=-1",
                        "acks=all",
                        "acks=all",
                        "acks=-1"),
                asked);
        assertEquals(
                List.of("A: acks=-1", "B: acks=all"),
                run.out().lines().limit(2).toList(),
                "labels are the options' names, in whatever order they come");
        for (String figure : List.of("records/s", "p50 ms", "p99 ms"))
            assertTrue(
                    run.out()
                            .lines()
                            .anyMatch(l ->
                                    l.startsWith(figure) && l.contains(" B ") && l.endsWith(", no difference shown")),
                    figure + ": " + run);
        assertTrue(run.err().contains("about one misses the truth by chance; here are 4."), run.err());
        assertFalse(run.err().contains("own queues"), run.err());
    }

    /** Only complete squares are balanced: two rounds of two settings. On a machine that gets slower, three rounds show a difference of like and like. */
    @Test
    void afterCtrlCOnlyRoundsWhoseOrderIsBalancedAreCompared() {
        for (int[] c : new int[][] {
            /* settings, whole rounds, compared */
            {2, 2, 2}, {2, 3, 2}, {2, 5, 4}, {3, 7, 6}, {3, 5, 5}, {4, 3, 3}
        }) {
            int settings = c[0],
                    whole = c[1],
                    compared = c[2],
                    square = CompareSettings.square(settings).size();
            CompareSettings compare = new CompareSettings() {
                private int asked;

                @Override
                PerfTest.Summary load(String setting) throws InterruptedException {
                    if (++asked > settings + settings * whole + 1)
                        throw new InterruptedException(); // after the first of the next round
                    return summary(1000 - 3 * asked, 1, 100, null, null);
                }
            };
            List<Map<String, Object>> events = new ArrayList<>();
            compare.common.listener = events::add;
            String all = "--topic t --record-size 10 --throughput 5000 --rounds 12"
                    + " --a x=1 --b x=2 --c x=3 --d x=4".substring(0, 8 * settings);
            TestCluster.Run run =
                    TestCluster.run((out, err, words) -> compare.common.run(compare, out, err, words), all.split(" "));
            assertEquals(130, run.code(), run.toString());
            assertEquals(
                    List.of(compared),
                    events.stream().map(e -> e.get("rounds")).distinct().toList(),
                    run.toString());
            assertEquals(
                    compared < whole,
                    run.err().contains("; compared are the first " + compared + ", whose order is balanced."),
                    run.err());
            assertEquals(
                    whole < square,
                    run.err().contains("The order of " + compared + " rounds is not balanced"),
                    run.err());
            if (settings == 2)
                assertEquals(
                        List.of(false),
                        events.stream()
                                .filter(e -> e.get("figure").equals("records/s"))
                                .map(e -> e.get("shown"))
                                .toList(),
                        run.out());
        }
    }

    /** Of each number of settings: at each place, after each other one, and with the same mean place in the whole, equally often. */
    @Test
    void theOrderIsBalanced() {
        for (int n = 2; n <= 6; n++) {
            List<int[]> square = CompareSettings.square(n);
            int[][] atPlace = new int[n][n], after = new int[n][n];
            for (int[] round : square)
                for (int place = 0; place < n; place++) {
                    atPlace[round[place]][place]++;
                    if (place > 0) after[round[place]][round[place - 1]]++;
                }
            for (int setting = 0; setting < n; setting++)
                for (int other = 0; other < n; other++) {
                    assertEquals(
                            square.size() / n,
                            atPlace[setting][other],
                            n + " settings: how often " + setting + " is at place " + other);
                    if (setting != other)
                        assertEquals(
                                square.size() / n,
                                after[setting][other],
                                n + " settings: how often " + setting + " comes after " + other);
                }
        }
    }

    @Test
    void roundsAreRaisedToABalancedNumberWhichIsSaid() {
        for (Map.Entry<String, Integer> e : Map.of(
                        "--rounds 3 --a acks=1 --b acks=all",
                        4,
                        "--rounds 6 --a acks=1 --b acks=all --c acks=0",
                        6,
                        "--rounds 2 --a acks=1 --b acks=all --c acks=0 --d acks=-1",
                        4)
                .entrySet()) {
            List<String> asked = new ArrayList<>();
            TestCluster.Run run = compared(asked, "--throughput 500 " + e.getKey());
            assertEquals(0, run.code(), run.toString());
            Map<String, Long> times =
                    asked.stream().collect(Collectors.groupingBy(setting -> setting, Collectors.counting()));
            for (long n : times.values())
                assertEquals(e.getValue() + 1, n, e.getKey() + ", the first of each is not compared: " + asked);
            assertEquals(
                    !e.getKey().contains("6"),
                    run.err().contains(e.getValue() + " rounds, so that each setting comes equally often"),
                    run.err());
        }
    }

    @Test
    void atUnlimitedThroughputItSaysWhoseLatencyItIs() {
        TestCluster.Run run =
                compared(new ArrayList<>(), "--throughput -1 --rounds 2 --a acks=1 --c acks=0 --b acks=all");
        assertTrue(
                run.err().contains("mostly the producers' own queues")
                        && run.err().contains("here are 8."),
                run.toString());
    }

    @Test
    void helpBeginsWithWhatHasToBeGiven() {
        for (TestCluster.Script script : List.<TestCluster.Script>of(FindMaxRate::run, CompareSettings::run)) {
            List<String> help = TestCluster.run(script, "--help").out().lines().toList();
            assertTrue(
                    help.get(0)
                            .matches("Usage: (find-max-rate --topic TOPIC --slo OBJECTIVE|compare-settings --topic"
                                    + " TOPIC --a 'NAME=VALUE ...' --b .*)"),
                    help.get(0));
            assertTrue(help.get(1).matches(" +\\(--record-size BYTES .*\\[OPTION...\\]"), help.get(1));
            assertTrue(help.stream().allMatch(l -> l.length() <= 100), String.join("\n", help));
        }
    }

    @Test
    void wrongUsageIsExitTwo() {
        String load = "--topic t --record-size 10 ";
        for (String bad : List.of(
                "",
                "--a acks=1",
                "--b acks=1",
                "--b acks=1 --c acks=1",
                "--a acks=1 --b acks",
                "--a acks=1 --b acks=all --rounds 1"))
            assertEquals(
                    2,
                    TestCluster.run(CompareSettings::run, (load + bad).trim().split(" +"))
                            .code(),
                    bad);
        for (String bad : List.of(
                "",
                "--slo p99",
                "--slo p99=5",
                "--slo e2e-p99=5ms",
                "--slo p99=5ms --from 0",
                "--slo p99=5ms,throughput=10",
                "--slo mb=1"))
            assertEquals(
                    2,
                    TestCluster.run(FindMaxRate::run, (load + bad).trim().split(" +"))
                            .code(),
                    bad);
    }
}
