///usr/bin/env jbang "$0" "$@" ; exit $?
//JAVA 17+
//DEPS info.picocli:picocli:4.7.7
//DEPS org.slf4j:slf4j-simple:1.7.36
//SOURCES PerfTest.java
//JAVAC_OPTIONS -J-XX:TieredStopAtLevel=1 -J-XX:+UseSerialGC
//DESCRIPTION Finds the highest rate that meets a latency objective

import java.io.PrintWriter;
import java.time.Duration;
import java.util.*;
import java.util.concurrent.Callable;
import java.util.stream.Collectors;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/**
 * Finds the highest rate that is held, by open-loop steps: the load comes when it is due, however long the answers take.
 *
 * <p>A rate is held when the objectives are kept and the queue does not grow: in the second half of a step no more records wait for their answer than in the first. A step misses
 * also when the rate is not reached, or a record is not read back (--e2e); its first fifth is warm-up. After a miss the cluster is left to calm down: until a low rate is
 * answered about as fast as at the beginning.
 *
 * <p>The search raises the rate until it misses, then halves the gap until it is within 5 %. A miss is repeated, and near the limit a hold too; the majority of at most three
 * decides. What was found is then run again, three times and twice as long; where that misses, a lower rate is run so, until one holds each time. The answer is an interval: that
 * rate, and the lowest that most of its steps missed. It is wide where the machine is noisy.
 *
 * <pre>find-max-rate --topic test_topic --record-size 1000 --slo p99=50ms --command-property acks=all</pre>
 */
@Command(
        name = "find-max-rate",
        version = "kraft-lab 0.1.0",
        sortOptions = false,
        usageHelpWidth = 100,
        customSynopsis =
                "find-max-rate --topic TOPIC --slo OBJECTIVE%n            (--record-size BYTES | --payload-file FILE |"
                        + " --payload-monotonic) [OPTION...]",
        description =
                "The highest rate that keeps the objectives and is held without a growing queue, run again before it"
                        + " is given. Exit 14: no rate was confirmed; 15: no rate keeps them.")
class FindMaxRate implements Callable<Integer> {
    private static final double PRECISION = 1.05, RAISE = 2;
    /** Faster than this share of the rate in a second, a queue grows; over the longer steps of the confirmation less is seen. */
    private static final double GROWS = 0.01, GROWS_LONG = 0.005;
    /** Of a rate; mostly the queue says it before, but the shortest steps have no time for that, and one of them closes the producer as well. */
    private static final double REACHED = 0.9;

    private static final int CONFIRMATIONS = 3, STEPS = 90, CALM_PROBES = 10;
    private static final Duration PROBE = Duration.ofMillis(600);

    @Option(
            names = "--slo",
            required = true,
            split = ",",
            paramLabel = "OBJECTIVE",
            converter = PerfTest.Objective.Reader.class,
            description = "What is to be kept: p99=50ms, e2e-p99.9=1s, avg, max, failed=0; of the response time.")
    List<PerfTest.Objective> objectives;

    @Option(
            names = "--step",
            paramLabel = "DURATION",
            defaultValue = "5s",
            description = "How long each rate is tried (default: ${DEFAULT-VALUE}).")
    Duration duration;

    @Option(
            names = "--from",
            paramLabel = "RATE",
            defaultValue = "1000",
            description = "Where to begin, in records per second (default: ${DEFAULT-VALUE}).")
    double from;

    @Option(
            names = "--max-duration",
            paramLabel = "DURATION",
            description = "Give up after this long (default: ninety steps).")
    Duration maxDuration;

    @Mixin
    PerfTest.Load load = new PerfTest.Load();

    @Mixin
    PerfTest.Common common = new PerfTest.Common();

    /** One rate tried once. @param growth of its queue, in records per second @param why how it missed, or null: held */
    public record Step(double rate, double reached, double growth, Map<String, Double> values, String why) {
        public boolean held() {
            return why == null;
        }
    }

    /** The highest rate that was confirmed (or, if it was not, that held), and the lowest above it that most of its steps missed; 0: none. */
    public record Answer(double rate, double missed, boolean confirmed, boolean gaveUp, List<Step> steps) {}

    /** A load: what perf measured, and in its course how many records were due and had no outcome, each with the seconds since the start. */
    record Loaded(PerfTest.Summary all, List<double[]> backlog) {
        PerfTest.Summary steady() {
            return all.judged();
        }
        /** What was sent in the warm-up counts as well. */
        long unread() {
            if (all.read() == null) return 0;
            return all.read().complete()
                    ? all.read().missing()
                    : Math.max(1, all.read().missing());
        }

        /** By how much the backlog rose from half to half, after the first fifth, in records per second: by the medians, and 0 if that is no more than it fluctuates. */
        double growth(Duration time) {
            double seconds = time.toMillis() / 1000.0, from = seconds / 5, middle = (from + seconds) / 2;
            double[] first = between(from, middle), second = between(middle, seconds);
            if (first.length < 4 || second.length < 4) return 0;
            double rise = quantile(second, 0.5) - quantile(first, 0.5);
            double fluctuation =
                    (quantile(first, 0.75) - quantile(first, 0.25) + quantile(second, 0.75) - quantile(second, 0.25))
                            / 2;
            return Math.abs(rise) > fluctuation ? rise / ((seconds - from) / 2) : 0;
        }

        private double[] between(double from, double to) {
            return backlog.stream()
                    .filter(b -> b[0] >= from && b[0] < to)
                    .mapToDouble(b -> b[1])
                    .sorted()
                    .toArray();
        }

        private static double quantile(double[] sorted, double share) {
            return sorted[(int) (share * (sorted.length - 1))];
        }
    }

    private final List<Step> steps = new ArrayList<>();
    /** The rates that the search held. */
    private final NavigableSet<Double> found = new TreeSet<>();
    /** The highest rate that was held and is not known to miss; the lowest that the search missed. */
    private double held, missed, calmMs;
    /** The rates that were missed, and tried once more when the search had come close to them. */
    private final Set<Double> triedAgain = new HashSet<>();

    private boolean stopped, late;
    private long began;
    int mostSteps = 150;

    public static void main(String... args) {
        System.exit(run(new PrintWriter(System.out, true), new PrintWriter(System.err, true), args));
    }

    /** Runs the script without a process. @return the exit code */
    public static int run(PrintWriter out, PrintWriter err, String... args) {
        FindMaxRate script = new FindMaxRate();
        return script.common.run(script, out, err, args);
    }

    @Override
    public Integer call() throws Exception {
        Answer a = find();
        String wanted = objectives.stream().map(PerfTest.Objective::text).collect(Collectors.joining(", "));
        if (a.rate == 0 && !a.gaveUp && !stopped)
            throw new PerfTest.Exit(
                    PerfTest.MISSED,
                    "No rate down to " + Math.round(a.missed) + " records/s keeps " + wanted + ": "
                            + a.steps.get(a.steps.size() - 1).why);
        String others = a.missed > 0 ? String.format(Locale.ROOT, "%.0f", a.missed) : "";
        if (!common.json && a.confirmed)
            common.out.printf(
                    Locale.ROOT,
                    "%.0f records/s keep %s%s.%n",
                    Math.floor(a.rate),
                    wanted,
                    others.isEmpty() ? "" : "; " + others + " do not");
        if (!common.json && !a.confirmed && a.rate > 0)
            common.out.printf(
                    Locale.ROOT,
                    "%.0f records/s kept %s, not confirmed%s.%n",
                    Math.floor(a.rate),
                    wanted,
                    others.isEmpty() ? "" : "; " + others + " did not");
        if (a.confirmed && a.missed > 1.15 * a.rate)
            common.say("Between the two, steps held and missed: this machine is noisy. Longer steps (--step) may narrow"
                    + " it.");
        if (a.gaveUp && late)
            common.say(
                    "Gave up after %d steps%s: begin nearer to the rate with --from, or allow more time with"
                            + " --max-duration.",
                    a.steps.size(), a.rate > 0 ? "" : ", and no rate was held");
        else if (a.gaveUp && a.rate == 0)
            common.say("No rate kept %s when it was run again for longer: longer steps (--step) may find one.", wanted);
        if (stopped) common.say("Interrupted before the answer was confirmed.");
        if (stopped) return 130;
        return a.gaveUp ? PerfTest.INCOMPLETE : 0;
    }

    /** Searches, runs what was found again, and emits {@code rate-step} and {@code max-rate}. */
    public Answer find() throws Exception {
        check();
        began = System.nanoTime();
        boolean confirmed = false;
        try {
            probe(); // compilers, connections and files are cold
            calmMs = probe();
            search();
            confirmed = held > 0 && missed > 0 && confirm();
        } catch (InterruptedException e) { // Ctrl-C: what was found is told
            if (found.isEmpty()) throw e;
            stopped = true;
        }
        late = !confirmed && over();
        Answer a = new Answer(
                held, missed, confirmed, !stopped && !confirmed && (!found.isEmpty() || late), List.copyOf(steps));
        if (a.rate > 0)
            common.emit(
                    "max-rate",
                    "rate",
                    a.rate,
                    "missed",
                    a.missed,
                    "confirmed",
                    a.confirmed,
                    "gaveUp",
                    a.gaveUp,
                    "steps",
                    steps.size());
        return a;
    }

    private void check() {
        if (from <= 0 || duration.toMillis() < 100)
            throw new PerfTest.Exit(2, "--from is a rate above 0, --step a time of at least 100ms.");
        for (PerfTest.Objective o : objectives) {
            if (o.kind() == PerfTest.Kind.E2E && !load.e2e)
                throw new PerfTest.Exit(2, "--slo " + o.text() + " needs --e2e.");
            if (o.atLeast())
                throw new PerfTest.Exit(
                        2,
                        "--slo " + o.text()
                                + " is what is searched for: give a latency that is to be kept, such as p99=50ms.");
        }
        if (maxDuration == null) maxDuration = duration.multipliedBy(STEPS);
    }

    private boolean over() {
        return steps.size() >= mostSteps || System.nanoTime() - began > maxDuration.toNanos();
    }

    /** Tries rates until the one that holds and the one that does not are close. */
    private void search() throws Exception {
        for (double rate = from; rate >= 1 && !over(); rate = next()) {
            boolean holds = holds(rate);
            if (over()) return; // perhaps before it was decided
            if (holds) found.add(held = rate);
            else missed = rate;
            if (held == 0 || missed == 0 || missed / held > PRECISION) continue;
            // What a cluster missed while it was cold, or busy with something else, it may hold by now: then the search
            // goes on above it.
            if (!triedAgain.add(missed) || !holds(missed)) return;
            found.add(held = missed);
            missed = 0;
        }
    }

    private double next() {
        if (missed == 0) return held * RAISE;
        return held == 0 ? missed / (RAISE * RAISE) : Math.sqrt(held * missed);
    }

    /** A miss is repeated, and near the limit a hold too; the majority of at most three decides. */
    private boolean holds(double rate) throws Exception {
        int holds = 0, misses = 0, enough = missed > 0 ? 2 : 1;
        while (holds < enough && misses < 2 && !over()) {
            if (step(rate, duration, GROWS).held()) {
                holds++;
                continue;
            }
            misses++;
            calm();
        }
        return holds >= enough;
    }

    /** Goes down from what was found, in ever wider strides, until a rate holds each of several longer steps. */
    private boolean confirm() throws Exception {
        double candidate = held;
        for (double stride = 1.025; candidate >= 1 && !over(); stride = Math.min(1.5, stride * stride)) {
            common.say("Run again, longer: %.0f records/s", candidate);
            if (holdsAgain(candidate)) return true;
            candidate /= stride;
        }
        return false;
    }

    /** Returns whether it holds each of several longer steps. What a first of them holds is held; what one misses is not, nor is any rate above it. */
    private boolean holdsAgain(double rate) throws Exception {
        for (int again = 0; again < CONFIRMATIONS; again++) {
            if (over()) return false;
            if (!step(rate, duration.multipliedBy(2), GROWS_LONG).held()) {
                held = Objects.requireNonNullElse(found.lower(rate), 0.0);
                calm();
                return false;
            }
            held = rate;
        }
        return true;
    }

    /** Waits, but not for ever, until what an overload left behind is over: perf itself waits for what is outstanding. */
    private void calm() throws Exception {
        for (int probes = 0; probes < CALM_PROBES && !over(); probes++)
            if (probe() <= Math.max(2 * calmMs, calmMs + 5)) return;
        common.say("The cluster has not calmed down: what follows may be too low.");
    }

    /** At a low rate the three quarters of the answers come within this time. */
    private double probe() throws Exception {
        return PerfTest.Latencies.ms(load(Math.min(from, 100), PROBE).steady().response(), "p75");
    }

    /** Apart, for tests to have it answer as they know. @return the whole run, which has its steady state, and its backlog */
    Loaded load(double rate, Duration time) throws Exception {
        List<double[]> backlog = new ArrayList<>();
        PerfTest perf = perf();
        perf.load = load;
        perf.common = common;
        perf.quiet = true;
        perf.duration = time;
        perf.throughput = rate;
        perf.output.warmupRecords = (long) (rate * time.toMillis() / 1000 / 5);
        perf.backlog = (seconds, records) -> backlog.add(new double[] {seconds, records});
        PerfTest.Summary all = perf.measure();
        if (all.interrupted()) throw new InterruptedException();
        if (all.records() == 0)
            throw new PerfTest.Exit(PerfTest.ALL_FAILED, "Every send failed: " + perf.errors() + ".");
        return new Loaded(all, backlog);
    }

    private Step step(double rate, Duration time, double grows) throws Exception {
        Loaded loaded = load(rate, time);
        PerfTest.Summary s = loaded.steady();
        double growth = loaded.growth(time);
        Map<String, Double> values = new LinkedHashMap<>();
        for (PerfTest.Objective o : objectives) values.put(o.text(), Double.isFinite(o.value(s)) ? o.value(s) : null);
        Step step = new Step(rate, s.recordsPerSec(), growth, values, why(loaded, rate, growth, grows));
        if (steps.isEmpty())
            common.say(
                    "%12s %12s %12s  %s",
                    "records/s",
                    "reached",
                    "queue grows",
                    objectives.stream().map(PerfTest.Objective::text).collect(Collectors.joining(" ")));
        steps.add(step);
        String figures = values.values().stream()
                .map(v -> v == null ? "-" : String.format(Locale.ROOT, "%.2f", v))
                .collect(Collectors.joining(" "));
        common.say(
                "%12.0f %12.0f %10.0f/s  %-32s %s",
                rate, step.reached, growth, figures, step.held() ? "held" : "missed");
        common.emit(
                "rate-step",
                "rate",
                rate,
                "reached",
                step.reached,
                "growth",
                growth,
                "held",
                step.held(),
                "values",
                values);
        return step;
    }

    /** @return how it missed, or null: held */
    private String why(Loaded loaded, double rate, double growth, double grows) {
        PerfTest.Summary s = loaded.steady();
        Optional<String> objective = objectives.stream()
                .map(o -> o.missed(s))
                .filter(Objects::nonNull)
                .findFirst();
        if (objective.isPresent()) return objective.get();
        if (growth > grows * rate) return String.format(Locale.ROOT, "its queue grew by %.0f records/s.", growth);
        if (s.reached() < REACHED * rate)
            return String.format(Locale.ROOT, "only %.0f records/s were reached.", s.recordsPerSec());
        return loaded.unread() > 0 ? loaded.unread() + " records were not read back." : null;
    }

    /** Apart, for tests to put a producer of known capacity in its place. */
    PerfTest perf() {
        return new PerfTest();
    }
}
