///usr/bin/env jbang "$0" "$@" ; exit $?
//JAVA 17+
//DEPS info.picocli:picocli:4.7.7
//DEPS org.slf4j:slf4j-simple:1.7.36
//SOURCES PerfTest.java lib/cli/EventFields.java
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
 * Finds the highest sustainable rate by open-loop steps: records are sent when they are due, however long the answers
 * take.
 *
 * <p>A step holds its rate when the objectives are met and the queue does not grow: in the second half of a step no
 * more records wait for their answer than in the first. A step also misses when the rate is not reached, or when a
 * record is not read back (--e2e). Its first fifth is warm-up. After a miss, the search waits for the cluster to
 * recover: until a low rate is answered about as fast as at the beginning.
 *
 * <p>The search raises the rate until a step misses, then halves the gap until it is within 5 %. A miss is repeated,
 * and near the limit a hold too; the majority of at most three decides. The rate found is then confirmed by three steps
 * of twice the length; where one of them misses, a lower rate is confirmed in the same way. The answer is an interval:
 * that rate, and the lowest rate that most of its steps missed. It is wide where the machine is noisy.
 *
 * <pre>find-max-rate --topic test_topic --record-size 1000 --slo p99=50ms --command-property acks=all</pre>
 */
@Command(
        name = "find-max-rate",
        version = "kraft-lab 0.1.0",
        sortOptions = false,
        usageHelpWidth = 100,
        customSynopsis = "find-max-rate --topic TOPIC --slo OBJECTIVE%n            (--record-size BYTES |"
                + " --payload-file FILE | --payload-monotonic) [OPTION...]",
        description = "Finds the highest rate that meets the objectives without a growing queue, and confirms it by"
                + " longer steps. Exit 14: no rate was confirmed; 15: no rate meets them.")
class FindMaxRate implements Callable<Integer> {
    private static final double PRECISION = 1.05;
    private static final double RAISE = 2;
    /** A queue that grows by more than this share of the rate is a miss; the longer steps show less. */
    private static final double GROWS = 0.01;

    private static final double GROWS_LONG = 0.005;
    /**
     * The share of the rate that has to be reached. Mostly the queue shows a miss before; but the shortest steps have
     * no time for that, and one of them closes the producer as well.
     */
    private static final double REACHED = 0.9;

    private static final int CONFIRMATIONS = 3;
    private static final int STEPS = 90;
    private static final int RECOVERY_PROBES = 10;
    private static final Duration PROBE = Duration.ofMillis(600);

    @Option(
            names = "--slo",
            required = true,
            split = ",",
            paramLabel = "OBJECTIVE",
            converter = PerfTest.Objective.Reader.class,
            description = "Objectives for the response time: p99=50ms, e2e-p99.9=1s, avg, max, failed=0.")
    List<PerfTest.Objective> objectives;

    @Option(
            names = "--step",
            paramLabel = "DURATION",
            defaultValue = "5s",
            description = "Duration of each step (default: ${DEFAULT-VALUE}).")
    Duration duration;

    @Option(
            names = "--from",
            paramLabel = "RATE",
            defaultValue = "1000",
            description = "First rate, in records per second (default: ${DEFAULT-VALUE}).")
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

    /**
     * A rate tried once.
     *
     * @param growth of its queue, in records per second
     * @param why how it missed; null if it held
     */
    public record Step(double rate, double reached, double growth, Map<String, Double> values, String why) {
        public boolean held() {
            return why == null;
        }
    }

    /**
     * What was found.
     *
     * @param rate the highest that was confirmed or, if none was, that held; 0: none
     * @param missed the lowest above it that most of its steps missed; 0: none
     */
    public record Answer(double rate, double missed, boolean confirmed, boolean gaveUp, List<Step> steps) {}

    /** How many records were due and had no outcome, so many seconds after the start. */
    record Backlog(double seconds, double records) {}

    /** A load: what perf measured, and its backlog over time. */
    record Loaded(PerfTest.Summary all, List<Backlog> backlog) {
        PerfTest.Summary steady() {
            return all.judged();
        }

        /** Returns how many records were not read back; those of the warm-up count as well. */
        long unread() {
            if (all.read() == null) {
                return 0;
            }
            return Math.max(all.read().complete() ? 0 : 1, all.read().missing());
        }

        /**
         * Returns by how much the backlog grew after the first fifth, in records per second: from half to half, by the
         * medians. It is 0 if that is no more than the backlog fluctuates.
         */
        double growth(Duration time) {
            double seconds = time.toMillis() / 1000.0;
            double begin = seconds / 5;
            double middle = (begin + seconds) / 2;
            double[] first = between(begin, middle);
            double[] second = between(middle, seconds);
            if (first.length < 4 || second.length < 4) {
                return 0;
            }
            double rise = quantile(second, 0.5) - quantile(first, 0.5);
            double fluctuation = (quartileRange(first) + quartileRange(second)) / 2;
            return Math.abs(rise) > fluctuation ? rise / ((seconds - begin) / 2) : 0;
        }

        private double[] between(double begin, double end) {
            return backlog.stream()
                    .filter(sample -> sample.seconds >= begin && sample.seconds < end)
                    .mapToDouble(Backlog::records)
                    .sorted()
                    .toArray();
        }

        private static double quartileRange(double[] sorted) {
            return quantile(sorted, 0.75) - quantile(sorted, 0.25);
        }

        private static double quantile(double[] sorted, double share) {
            return sorted[(int) (share * (sorted.length - 1))];
        }
    }

    private final List<Step> steps = new ArrayList<>();
    /** The rates that the search held. */
    private final NavigableSet<Double> found = new TreeSet<>();
    /** The rates that were missed, and tried once more when the search had come close to them. */
    private final Set<Double> triedAgain = new HashSet<>();
    /** The highest rate that was held and is not known to miss. */
    private double held;
    /** The lowest rate that the search missed. */
    private double missed;

    private double calmMs;
    private boolean interrupted;
    private boolean outOfTime;
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
        Answer answer = find();
        if (answer.rate == 0 && !answer.gaveUp && !interrupted) {
            String why = answer.steps.get(answer.steps.size() - 1).why;
            throw new PerfTest.Exit(
                    PerfTest.MISSED,
                    "No rate down to " + Math.round(answer.missed) + " records/s keeps " + wanted() + ": " + why);
        }
        if (!common.json && answer.rate > 0) {
            print(answer);
        }
        explain(answer);
        if (interrupted) {
            return 130;
        }
        return answer.gaveUp ? PerfTest.INCOMPLETE : 0;
    }

    private String wanted() {
        return objectives.stream().map(PerfTest.Objective::text).collect(Collectors.joining(", "));
    }

    private void print(Answer answer) {
        String sentence =
                answer.confirmed ? "%.0f records/s keep %s%s.%n" : "%.0f records/s kept %s, not confirmed%s.%n";
        String others = "";
        if (answer.missed > 0) {
            String verb = answer.confirmed ? "do not" : "did not";
            others = String.format(Locale.ROOT, "; %.0f %s", answer.missed, verb);
        }
        common.out.printf(Locale.ROOT, sentence, Math.floor(answer.rate), wanted(), others);
    }

    private void explain(Answer answer) {
        if (answer.confirmed && answer.missed > 1.15 * answer.rate) {
            common.say("Between the two, steps held and missed: this machine is noisy. Longer steps (--step) may narrow"
                    + " it.");
        }
        if (answer.gaveUp && outOfTime) {
            common.say(
                    "Gave up after %d steps%s: begin nearer to the rate with --from, or allow more time with"
                            + " --max-duration.",
                    answer.steps.size(), answer.rate > 0 ? "" : ", and no rate was held");
        } else if (answer.gaveUp && answer.rate == 0) {
            common.say(
                    "No rate kept %s when it was run again for longer: longer steps (--step) may find one.", wanted());
        }
        if (interrupted) {
            common.say("Interrupted before the answer was confirmed.");
        }
    }

    // ---- The search ----

    /** Searches, confirms what was found, and emits {@code rate-step} and {@code max-rate}. */
    public Answer find() throws Exception {
        requireSearchable();
        began = System.nanoTime();
        boolean confirmed = false;
        try {
            probe(); // compilers, connections and files are cold
            calmMs = probe();
            search();
            confirmed = held > 0 && missed > 0 && confirm();
        } catch (InterruptedException e) { // Ctrl-C: what was found is the answer
            if (found.isEmpty()) {
                throw e;
            }
            interrupted = true;
        }
        outOfTime = !confirmed && isOver();
        boolean gaveUp = !interrupted && !confirmed && (!found.isEmpty() || outOfTime);
        Answer answer = new Answer(held, missed, confirmed, gaveUp, List.copyOf(steps));
        if (answer.rate > 0) {
            EventFields fields = new EventFields()
                    .with("rate", answer.rate)
                    .with("missed", answer.missed)
                    .with("confirmed", answer.confirmed)
                    .with("gaveUp", answer.gaveUp)
                    .with("steps", steps.size());
            common.emit("max-rate", fields.toArray());
        }
        return answer;
    }

    private void requireSearchable() {
        if (from <= 0 || duration.toMillis() < 100) {
            throw new PerfTest.Exit(2, "--from should be a rate above 0, and --step at least 100ms.");
        }
        for (PerfTest.Objective objective : objectives) {
            if (objective.kind() == PerfTest.Kind.E2E && !load.e2e) {
                throw new PerfTest.Exit(2, "--slo " + objective.text() + " needs --e2e.");
            }
            if (objective.atLeast()) {
                throw new PerfTest.Exit(
                        2,
                        "--slo " + objective.text() + " is what the search is for: give a latency to keep, such as"
                                + " p99=50ms.");
            }
        }
        if (maxDuration == null) {
            maxDuration = duration.multipliedBy(STEPS);
        }
    }

    private boolean isOver() {
        return steps.size() >= mostSteps || System.nanoTime() - began > maxDuration.toNanos();
    }

    /** Tries rates until the one that holds and the one that does not are close. */
    private void search() throws Exception {
        for (double rate = from; rate >= 1 && !isOver(); rate = next()) {
            boolean holds = holds(rate);
            if (isOver()) {
                return; // perhaps before it was decided
            }
            if (holds) {
                hold(rate);
            } else {
                missed = rate;
            }
            boolean isClose = held > 0 && missed > 0 && missed / held <= PRECISION;
            if (!isClose) {
                continue;
            }
            // What a cluster missed while it was cold, or busy with something else, it may hold by now: then the search
            // goes on above it.
            if (!triedAgain.add(missed) || !holds(missed)) {
                return;
            }
            hold(missed);
            missed = 0;
        }
    }

    private void hold(double rate) {
        held = rate;
        found.add(rate);
    }

    private double next() {
        if (missed == 0) {
            return held * RAISE;
        }
        return held == 0 ? missed / (RAISE * RAISE) : Math.sqrt(held * missed);
    }

    /** Repeats a miss, and near the limit a hold too; the majority of at most three decides. */
    private boolean holds(double rate) throws Exception {
        int holds = 0;
        int misses = 0;
        int enough = missed > 0 ? 2 : 1;
        while (holds < enough && misses < 2 && !isOver()) {
            if (step(rate, duration, GROWS).held()) {
                holds++;
                continue;
            }
            misses++;
            awaitRecovery();
        }
        return holds >= enough;
    }

    /** Goes down from what was found, in ever wider strides, until a rate holds each of several longer steps. */
    private boolean confirm() throws Exception {
        double candidate = held;
        for (double stride = 1.025; candidate >= 1 && !isOver(); stride = Math.min(1.5, stride * stride)) {
            common.say("Run again, longer: %.0f records/s", candidate);
            if (holdsAgain(candidate)) {
                return true;
            }
            candidate /= stride;
        }
        return false;
    }

    /** Returns whether a rate holds each of several longer steps. If one misses, no rate from there on is held. */
    private boolean holdsAgain(double rate) throws Exception {
        for (int again = 0; again < CONFIRMATIONS; again++) {
            if (isOver()) {
                return false;
            }
            if (!step(rate, duration.multipliedBy(2), GROWS_LONG).held()) {
                held = Objects.requireNonNullElse(found.lower(rate), 0.0);
                awaitRecovery();
                return false;
            }
            held = rate;
        }
        return true;
    }

    /** Waits, but not for ever, until what an overload left behind is over: perf itself awaits outstanding records. */
    private void awaitRecovery() throws Exception {
        for (int probes = 0; probes < RECOVERY_PROBES && !isOver(); probes++) {
            if (probe() <= Math.max(2 * calmMs, calmMs + 5)) {
                return;
            }
        }
        common.say("The cluster has not recovered: what follows may be too low.");
    }

    /** Returns the 75th percentile of the response time at a low rate. */
    private double probe() throws Exception {
        return PerfTest.Latencies.ms(load(Math.min(from, 100), PROBE).steady().response(), "p75");
    }

    // ---- A step ----

    private Step step(double rate, Duration time, double grows) throws Exception {
        Loaded loaded = load(rate, time);
        PerfTest.Summary steady = loaded.steady();
        double growth = loaded.growth(time);
        Map<String, Double> values = new LinkedHashMap<>();
        for (PerfTest.Objective objective : objectives) {
            double value = objective.value(steady);
            values.put(objective.text(), Double.isFinite(value) ? value : null);
        }
        Step step = new Step(rate, steady.recordsPerSec(), growth, values, whyMissed(loaded, rate, growth, grows));
        say(step);
        steps.add(step);
        EventFields fields = new EventFields()
                .with("rate", rate)
                .with("reached", step.reached)
                .with("growth", growth)
                .with("held", step.held())
                .with("values", values);
        common.emit("rate-step", fields.toArray());
        return step;
    }

    private void say(Step step) {
        if (steps.isEmpty()) {
            String names = String.join(" ", step.values.keySet());
            common.say("%12s %12s %12s  %s", "records/s", "reached", "queue grows", names);
        }
        String values = step.values.values().stream()
                .map(value -> value == null ? "-" : String.format(Locale.ROOT, "%.2f", value))
                .collect(Collectors.joining(" "));
        String outcome = step.held() ? "held" : "missed";
        common.say("%12.0f %12.0f %10.0f/s  %-32s %s", step.rate, step.reached, step.growth, values, outcome);
    }

    /** Returns how a step missed; null if it held. */
    private String whyMissed(Loaded loaded, double rate, double growth, double grows) {
        PerfTest.Summary steady = loaded.steady();
        Optional<String> objective = objectives.stream()
                .map(wanted -> wanted.missed(steady))
                .filter(Objects::nonNull)
                .findFirst();
        if (objective.isPresent()) {
            return objective.get();
        }
        if (growth > grows * rate) {
            return String.format(Locale.ROOT, "its queue grew by %.0f records/s.", growth);
        }
        if (steady.reached() < REACHED * rate) {
            return String.format(Locale.ROOT, "only %.0f records/s were reached.", steady.recordsPerSec());
        }
        return loaded.unread() > 0 ? loaded.unread() + " records were not read back." : null;
    }

    /** Runs a load. Tests override it. */
    Loaded load(double rate, Duration time) throws Exception {
        List<Backlog> backlog = new ArrayList<>();
        PerfTest perf = perf();
        perf.load = load;
        perf.common = common;
        perf.quiet = true;
        perf.duration = time;
        perf.throughput = rate;
        perf.output.warmupRecords = (long) (rate * time.toMillis() / 1000 / 5);
        perf.backlog = (seconds, records) -> backlog.add(new Backlog(seconds, records));
        PerfTest.Summary all = perf.measure();
        if (all.interrupted()) {
            throw new InterruptedException();
        }
        if (all.records() == 0) {
            throw new PerfTest.Exit(PerfTest.ALL_FAILED, "Every send failed: " + perf.errors() + ".");
        }
        return new Loaded(all, backlog);
    }

    /** Creates a perf. Tests put a producer of known capacity in its place. */
    PerfTest perf() {
        return new PerfTest();
    }
}
