import static org.junit.jupiter.api.Assertions.*;

import java.time.Duration;
import java.util.*;
import java.util.concurrent.locks.LockSupport;
import java.util.function.DoubleSupplier;
import java.util.regex.*;
import org.HdrHistogram.Histogram;
import org.junit.jupiter.api.*;

/** Checks find-max-rate with computed loads, and with a server of known capacity. */
@Order(13)
@Tag("timed")
class FindMaxRateTest {
    private static final String[] LOAD = {"--topic", "t", "--record-size", "10"};
    private static final String[] SEARCH = TestCluster.with(LOAD, "--slo", "p99=50ms");
    private static final Duration FIVE_SECONDS = Duration.ofSeconds(5);

    /** A search with its output and events. */
    record Searched(TestCluster.Run run, List<Map<String, Object>> events) {
        static Searched search(FindMaxRate find, String... more) {
            List<Map<String, Object>> events = new ArrayList<>();
            find.common.listener = events::add;
            TestCluster.Run run = TestCluster.run(
                    (out, err, args) -> find.common.run(find, out, err, args), TestCluster.with(SEARCH, more));
            return new Searched(run, events);
        }

        List<Map<String, Object>> steps() {
            return TestCluster.ofType(events, "rate-step");
        }

        Map<String, Object> last() {
            return events.get(events.size() - 1);
        }
    }

    private static FindMaxRate configured(FindMaxRate find, String... args) {
        return find.common.configure(find, TestCluster.quiet(), TestCluster.quiet(), args);
    }

    // ---- A server of known capacity ----

    private static FindMaxRate finder(double capacity) {
        return new FindMaxRate() {
            @Override
            PerfTest perf() {
                return KnownServer.perf(capacity);
            }
        };
    }

    /**
     * A latency within the objective does not mean that the server is too slow; a growing queue does, although its wait
     * becomes the latency of most records. Measured by perf itself against a server in real time.
     */
    @Test
    void aLongAnswerIsNoMissedRateAndAGrowingQueueIsOne() throws Exception {
        FindMaxRate find =
                configured(finder(3000), TestCluster.with(LOAD, "--command-property", "delay=300", "--slo", "p99=10s"));
        Duration time = Duration.ofMillis(2500);
        FindMaxRate.Loaded below = find.load(2700, time);
        assertTrue(below.steady().reached(2700), "seconds " + below.steady().seconds());
        // The backlog of a busy machine may still be caught up.
        assertTrue(below.growth(time) <= 27, "it grew by " + below.growth(time));
        FindMaxRate.Loaded above = find.load(3450, time);
        assertFalse(above.steady().reached(3450), "seconds " + above.steady().seconds());
        assertTrue(above.growth(time) > 150 && above.growth(time) < 800, "it grew by " + above.growth(time));
        for (FindMaxRate.Loaded loaded : List.of(below, above)) {
            assertTrue(
                    loaded.backlog().size() > 30, "samples: " + loaded.backlog().size());
        }
    }

    @Test
    void anObjectiveThatNoRateKeepsIsExit15() {
        FindMaxRate find = finder(3000);
        TestCluster.Run run = TestCluster.run(
                (out, err, args) -> find.common.run(find, out, err, args),
                TestCluster.with(LOAD, "--slo", "p50=1us", "--step", "200ms", "--from", "5"));
        assertEquals(15, run.code(), run.toString());
    }

    // ---- A queue of known capacity ----

    /** Computes a load on a queue that serves records in order, so that the machine has no influence. */
    private static FindMaxRate.Loaded queue(double capacity, double rate, Duration time, double delayMs) {
        int n = (int) (rate * time.toMillis() / 1000);
        double[] served = new double[n];
        PerfTest.Latencies all = latencies();
        PerfTest.Latencies steady = latencies();
        double free = 0;
        for (int i = 0; i < n; i++) {
            free = Math.max(free, i / rate) + 1 / capacity;
            served[i] = free;
            long us = 1 + (long) ((free - i / rate) * 1e6 + delayMs * 1000);
            all.get(PerfTest.Kind.SERVICE).recordValue(us);
            if (i >= n / 5) {
                steady.get(PerfTest.Kind.SERVICE).recordValue(us);
            }
        }
        PerfTest.Summary rest = new PerfTest.Summary(free - n / 5 / rate, 1, steady, null, false, null);
        PerfTest.Summary summary = new PerfTest.Summary(free, 1, all, null, false, rest);
        return new FindMaxRate.Loaded(summary, backlog(served, rate, time.toMillis() / 1000.0));
    }

    private static PerfTest.Latencies latencies() {
        PerfTest.Latencies latencies = new PerfTest.Latencies();
        latencies.put(PerfTest.Kind.SERVICE, new Histogram(1, 3_600_000_000L, 3));
        return latencies;
    }

    private static List<FindMaxRate.Backlog> backlog(double[] served, double rate, double seconds) {
        List<FindMaxRate.Backlog> backlog = new ArrayList<>();
        int ended = 0;
        for (double t = 0.02; t < seconds; t += 0.02) {
            while (ended < served.length && served[ended] <= t) {
                ended++;
            }
            backlog.add(new FindMaxRate.Backlog(t, Math.min(served.length, Math.floor(t * rate)) - ended));
        }
        return backlog;
    }

    private static FindMaxRate queueing(double capacity) {
        return new FindMaxRate() {
            @Override
            Loaded load(double rate, Duration time) {
                return queue(capacity, rate, time, 0);
            }
        };
    }

    private static String missed(String objective, PerfTest.Summary summary) {
        return new PerfTest.Objective.Reader().convert(objective).missed(summary);
    }

    /** A growing queue meets this objective only for as long as one step lasts. */
    @Test
    void aRateIsFoundThatCanBeHeld() throws Exception {
        for (double capacity : new double[] {3000, 700, 11_000}) {
            String[] args = TestCluster.with(LOAD, "--slo", "p99=400ms", "--step", "3s");
            FindMaxRate.Answer answer = configured(queueing(capacity), args).find();
            String what = capacity + ": " + answer;
            assertTrue(answer.confirmed(), what);
            assertTrue(answer.rate() <= 1.005 * capacity && answer.rate() >= 0.95 * capacity, what);
            assertTrue(answer.missed() > capacity && answer.missed() / answer.rate() <= 1.08, what);
            PerfTest.Summary again =
                    queue(capacity, answer.rate(), Duration.ofSeconds(20), 0).all();
            assertNull(missed("p99=400ms", again), what);
        }
    }

    @Test
    void aQueueThatGrowsIsAMissThoughTheObjectiveIsKept() {
        for (double rate : new double[] {2700, 2999, 3112, 3500}) {
            FindMaxRate.Loaded loaded = queue(3000, rate, FIVE_SECONDS, 0);
            assertNull(missed("p99=900ms", loaded.steady()), "" + rate);
            assertEquals(Math.max(0, rate - 3000), loaded.growth(FIVE_SECONDS), 5, "" + rate);
        }
    }

    @Test
    void aBacklogThatFluctuatesDoesNotGrow() {
        Random random = new Random(5);
        int grew = 0;
        int ramps = 0;
        for (int run = 0; run < 200; run++) {
            grew += fluctuating(random, 0) > 0 ? 1 : 0;
            ramps += fluctuating(random, 100) > 60 ? 1 : 0;
        }
        assertEquals(0, grew, "of 200 that only fluctuate");
        assertTrue(ramps >= 195, "of 200 that grow: " + ramps);
    }

    private static double fluctuating(Random random, double slope) {
        List<FindMaxRate.Backlog> backlog = new ArrayList<>();
        for (double t = 0.02; t < 5; t += 0.02) {
            double noise = 40 * random.nextGaussian() + (random.nextInt(20) == 0 ? 2000 : 0);
            backlog.add(new FindMaxRate.Backlog(t, 200 + slope * t + noise));
        }
        return new FindMaxRate.Loaded(null, backlog).growth(FIVE_SECONDS);
    }

    /** The backlog of an overload lasts for some loads, and the search waits until it is gone. */
    @Test
    void anOverloadDoesNotSpoilTheNextStep() throws Exception {
        FindMaxRate find = new FindMaxRate() {
            private int spoiled;

            @Override
            Loaded load(double rate, Duration time) {
                if (rate > 3000) {
                    spoiled = 4;
                } else if (spoiled-- > 0) {
                    return queue(3000, rate, time, 300);
                }
                return queue(3000, rate, time, 0);
            }
        };
        FindMaxRate.Answer answer = configured(find, SEARCH).find();
        assertTrue(answer.confirmed() && answer.rate() > 2850 && answer.rate() <= 3015, answer.toString());
    }

    // ---- Computed latencies ----

    /** Returns a run at a rate for this many seconds, in which each record had this latency. */
    static PerfTest.Summary summary(double rate, double seconds, double ms) {
        return summary(rate, seconds, ms, null, null);
    }

    private static PerfTest.Summary summary(
            double rate, double seconds, double ms, PerfTest.ReadBack read, PerfTest.Summary steady) {
        PerfTest.Latencies latencies = new PerfTest.Latencies();
        latencies.put(PerfTest.Kind.SERVICE, new Histogram(1, 10_000_000L, 2));
        latencies.get(PerfTest.Kind.SERVICE).recordValueWithCount((long) (ms * 1000), (long) (rate * seconds));
        return new PerfTest.Summary(seconds + ms / 1000, 1, latencies, read, false, steady);
    }

    private static FindMaxRate.Loaded loaded(double rate, boolean holds) {
        return new FindMaxRate.Loaded(summary(rate, 10, holds ? 10 : 500), List.of());
    }

    /** Returns a search with computed loads: above the capacity, read anew for each, the objective is missed. */
    private static FindMaxRate computed(DoubleSupplier capacity) {
        return new FindMaxRate() {
            @Override
            Loaded load(double rate, Duration time) {
                return loaded(rate, rate <= capacity.getAsDouble());
            }
        };
    }

    /** Returns a capacity that changes with each step, or drifts, so that steps close in time are alike. */
    private static DoubleSupplier noisy(double noise, boolean wanders, Random random) {
        double[] now = {random.nextGaussian()};
        return () -> {
            double next = random.nextGaussian();
            now[0] = wanders ? 0.95 * now[0] + Math.sqrt(1 - 0.95 * 0.95) * next : next;
            return 15_000 * Math.exp(noise * now[0]);
        };
    }

    /** Noisy machines get an answer too, and a later run at that rate meets the objective. */
    @Test
    void anAnswerIsConfirmedByALaterRun() throws Exception {
        Random random = new Random(11);
        for (double noise : new double[] {0, 0.01, 0.05, 0.1, 0.4}) {
            for (boolean wanders : List.of(false, true)) {
                assertConfirmed(noise, wanders, random);
            }
        }
    }

    private static void assertConfirmed(double noise, boolean wanders, Random random) throws Exception {
        int searches = noise == 0.01 ? 200 : 50;
        int answered = 0;
        int kept = 0;
        double width = 0;
        for (int search = 0; search < searches; search++) {
            DoubleSupplier capacity = noisy(noise, wanders, random);
            FindMaxRate.Answer answer = configured(computed(capacity), SEARCH).find();
            if (answer.confirmed()) {
                answered++;
                kept += answer.rate() <= capacity.getAsDouble() ? 1 : 0;
                width += answer.missed() / answer.rate();
            }
        }
        String what = "noise " + noise + (wanders ? ", wandering" : "") + ": of " + searches + " searches " + answered
                + " answered, of which " + kept + " were confirmed by a later run, mean width " + width / answered;
        assertTrue(answered >= 0.95 * searches, what);
        double share = Map.of(0.0, 1.0, 0.01, 0.95).getOrDefault(noise, 0.75);
        assertTrue(kept >= share * answered, what);
        assertTrue(noise > 0.01 || width / answered < 1.08, what);
    }

    @Test
    void aCapacityThatChangesMeanwhileIsFollowed() {
        int[] loads = {0};
        for (boolean changes : List.of(true, false)) {
            Searched searched = Searched.search(computed(() -> changes && loads[0]++ > 15 ? 4000 : 6000));
            TestCluster.Run run = searched.run;
            assertEquals(0, run.code(), run.toString());
            assertTrue(run.out().matches("\\d+ records/s keep p99=50ms; \\d+ do not\\.\n"), run.toString());
            for (Map<String, Object> event : searched.events) {
                assertDoesNotThrow(() -> ContractTest.Schema.validate(event));
            }
            Map<String, Object> answer = searched.last();
            assertEquals(
                    List.of("max-rate", true, false),
                    List.of(answer.get("type"), answer.get("confirmed"), answer.get("gaveUp")));
            double rate = (double) answer.get("rate");
            assertTrue(rate <= (changes ? 4000 : 6000) && rate > (changes ? 2600 : 5600), answer.toString());
            assertEquals(changes, run.err().contains("this machine is noisy"), run.toString());
        }
    }

    /**
     * Two probes and the first steps run on a cluster that is not warmed up; rates that they missed are tried again.
     */
    @Test
    void whatAColdClusterMissedIsNoBound() {
        int[] loads = {0};
        Searched searched = Searched.search(computed(() -> loads[0]++ < 6 ? 400 : 6000));
        assertEquals(0, searched.run.code(), searched.toString());
        assertTrue(
                searched.steps().stream()
                        .anyMatch(step -> step.get("held").equals(false) && (double) step.get("rate") < 5600),
                searched.toString());
        double rate = (double) searched.last().get("rate");
        assertTrue(rate > 5600 && rate <= 6000, searched.toString());
    }

    // ---- Without a confirmed answer ----

    @Test
    void whatIsNeverConfirmedIsExit14() {
        FindMaxRate find = new FindMaxRate() {
            @Override
            Loaded load(double rate, Duration time) {
                return loaded(rate, time.toMillis() <= 5000 && rate <= 3000);
            }
        };
        TestCluster.Run run = Searched.search(find).run;
        assertEquals(14, run.code(), run.toString());
        assertEquals("", run.out(), "no rate held the longer steps, down to none");
        String last = "No rate kept p99=50ms when it was run again for longer: longer steps (--step) may find one.";
        assertTrue(run.err().endsWith(last + System.lineSeparator()), run.toString());
        assertFalse(run.err().contains("Gave up"), run.toString());
    }

    /**
     * Time runs out, or Ctrl-C comes, during the confirmation: a rate is reported only if it was held, and neither it
     * nor a lower one was missed.
     */
    @Test
    void theRateThatIsGivenUnconfirmedIsOneThatHeld() {
        int given = 0;
        int none = 0;
        for (boolean interrupted : List.of(false, true)) {
            for (double longer : new double[] {2700, 1700, 700}) {
                for (int after = 1; after <= 12; after++) {
                    String what = longer + ", " + after + ": ";
                    Searched searched = Searched.search(endingInConfirmation(interrupted, longer, after));
                    if (searched.run.code() == 0) {
                        continue; // confirmed before
                    }
                    assertEquals(interrupted ? 130 : 14, searched.run.code(), what + searched);
                    assertEquals(!interrupted, searched.run.err().contains("Gave up after "), what + searched);
                    if (TestCluster.ofType(searched.events, "max-rate").isEmpty()) {
                        none++;
                        assertEquals("", searched.run.out(), what);
                    } else {
                        given++;
                        assertWasHeld(searched, what + searched);
                    }
                }
            }
        }
        assertTrue(given > 20 && none > 0, given + " rates given, " + none + " times none");
    }

    /** Returns a search that holds 3000, and in two of three longer steps another rate, until it ends. */
    private static FindMaxRate endingInConfirmation(boolean interrupted, double longer, int after) {
        return new FindMaxRate() {
            private int longSteps;

            @Override
            Loaded load(double rate, Duration time) throws InterruptedException {
                if (time.toMillis() <= 5000) {
                    return loaded(rate, rate <= 3000);
                }
                longSteps++;
                if (interrupted && longSteps > after) {
                    throw new InterruptedException();
                }
                if (!interrupted && longSteps == after) {
                    mostSteps = 0;
                }
                return loaded(rate, rate <= 3000 && rate <= longer && longSteps % 3 != 0);
            }
        };
    }

    private static void assertWasHeld(Searched searched, String what) {
        double rate =
                (double) TestCluster.ofType(searched.events, "max-rate").get(0).get("rate");
        Matcher printed = Pattern.compile("(\\d+) records/s kept p99=50ms, not confirmed; \\d+ did not\\.\\s+")
                .matcher(searched.run.out());
        assertTrue(printed.matches() && Integer.parseInt(printed.group(1)) == (int) rate, what);
        assertTrue(
                searched.steps().stream()
                        .anyMatch(step -> step.get("rate").equals(rate)
                                && step.get("held").equals(true)),
                what);
        assertTrue(
                searched.steps().stream()
                        .noneMatch(step -> (double) step.get("rate") <= rate
                                && step.get("held").equals(false)),
                what);
    }

    @Test
    void aSearchWithoutALimitGivesUpAndReportsIt() {
        FindMaxRate find = computed(() -> Double.MAX_VALUE);
        find.mostSteps = 10;
        TestCluster.Run run = Searched.search(find).run;
        assertEquals(14, run.code(), run.toString());
        assertTrue(run.err().contains("Gave up after ") && !run.out().contains("do not"), run.toString());
    }

    @Test
    void theWholeIsBounded() {
        FindMaxRate find = new FindMaxRate() {
            @Override
            Loaded load(double rate, Duration time) {
                LockSupport.parkNanos(20_000_000);
                boolean holds = (int) (rate / 1000 % 2) == 0; // never converges
                return new Loaded(summary(rate, 10, holds ? 0 : 500), List.of());
            }
        };
        long began = System.nanoTime();
        TestCluster.Run run = Searched.search(find, "--max-duration", "300ms").run;
        assertEquals(14, run.code(), run.toString());
        assertTrue(System.nanoTime() - began < 3e9, run.toString());
    }

    @Test
    void whatWasFoundBeforeCtrlCIsPrinted() {
        FindMaxRate find = new FindMaxRate() {
            @Override
            Loaded load(double rate, Duration time) throws InterruptedException {
                if (time.toMillis() > 5000) {
                    throw new InterruptedException(); // during the confirmation
                }
                return loaded(rate, rate <= 2000);
            }
        };
        TestCluster.Run run = Searched.search(find).run;
        assertEquals(130, run.code(), run.toString());
        assertTrue(
                run.out().matches("(1[5-9]|20)\\d\\d records/s kept p99=50ms, not confirmed; \\d+ did not\\.\\s+"),
                run.toString());
        assertTrue(run.err().contains("Interrupted before the answer was confirmed."), run.toString());
    }

    // ---- Reading back ----

    @Test
    void whatIsNotReadBackIsAMissAtAnyRate() throws Exception {
        PerfTest.ReadBack read = new PerfTest.ReadBack(999, 100, 1, 1, 0, true);
        FindMaxRate find = new FindMaxRate() {
            @Override
            Loaded load(double rate, Duration time) {
                PerfTest.Summary steady = summary(rate, 8, 10);
                return new Loaded(FindMaxRateTest.summary(rate, 10, 10, read, steady), List.of());
            }
        };
        FindMaxRate.Answer answer =
                configured(find, TestCluster.with(SEARCH, "--e2e")).find();
        assertEquals(0, answer.rate());
        assertEquals("1 records were not read back.", answer.steps().get(0).why());
    }

    @Test
    void aRunWhoseReadingFindsNothingMissesAllRecords() throws Exception {
        FindMaxRate find = new FindMaxRate() {
            @Override
            PerfTest perf() {
                return PerfVerdictTest.stubbed(new PerfVerdictTest.OnePartition(), PerfVerdictTest.consumer(false));
            }
        };
        PerfTest.Summary all = configured(find, TestCluster.with(SEARCH, "--e2e"))
                .load(200, Duration.ofMillis(500))
                .all();
        assertEquals(100, all.read().missing(), "nothing was read");
    }

    // ---- The command ----

    @Test
    void helpBeginsWithTheRequiredOptions() {
        CompareSettingsTest.assertHelp(FindMaxRate::run, "Usage: find-max-rate --topic TOPIC --slo OBJECTIVE");
    }

    @Test
    void wrongUsageIsExitTwo() {
        for (String bad : List.of(
                "--step 5s",
                "--slo p99",
                "--slo p99=5",
                "--slo e2e-p99=5ms",
                "--slo p99=5ms --from 0",
                "--slo p99=5ms,throughput=10",
                "--slo mb=1")) {
            TestCluster.Run run = TestCluster.run(FindMaxRate::run, TestCluster.with(LOAD, bad.split(" +")));
            assertEquals(2, run.code(), bad + run);
        }
    }
}
