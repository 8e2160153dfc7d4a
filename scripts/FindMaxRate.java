///usr/bin/env jbang "$0" "$@" ; exit $?
//JAVA 17+
//DEPS info.picocli:picocli:4.7.7
//DEPS org.slf4j:slf4j-simple:1.7.36
//SOURCES PerfTest.java
//DESCRIPTION The highest load that still keeps a latency objective

import java.io.PrintWriter;
import java.time.Duration;
import java.util.*;
import java.util.concurrent.Callable;
import java.util.stream.Collectors;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/**
 * Finds the highest rate that keeps the objectives, by open-loop steps: the load comes when it is due, however long the answers take.
 *
 * <p>A search raises the rate until it misses, then halves the gap until it is within 5 %. A step misses when an objective is missed, the rate itself is not
 * reached, or a record is not read back (--e2e); its first fifth is warm-up. A rate that is higher than all before is warmed up first: it may miss for reasons that pass.
 * One miss may be chance, and so may one hold near the limit: there the majority of three steps decides.
 *
 * <p>What one search finds may still be chance, so it is searched again, from below and from above. The answer is the median of the three; where they are further apart than
 * 8 %, another run may well not come within 10 % of it, and the answer is that the machine is too noisy.
 *
 * <pre>find-max-rate --topic test_topic --record-size 1000 --slo p99=50ms --command-property acks=all</pre>
 */
@Command(name = "find-max-rate", version = "kraft-lab 0.1.0", sortOptions = false, usageHelpWidth = 100,
        customSynopsis = "find-max-rate --topic TOPIC --slo OBJECTIVE%n            (--record-size BYTES | --payload-file FILE | --payload-monotonic) [OPTION...]",
        description = "The highest rate that keeps the objectives, with the steps to it. Exit 14: too noisy a machine for one figure; 15: no rate keeps them.")
class FindMaxRate implements Callable<Integer> {
    private static final double PRECISION = 1.05, NOISE = 1.08, REACHED = 0.95, RAISE = 2, RAISE_AGAIN = 1.25;

    @Option(names = "--slo", required = true, split = ",", paramLabel = "OBJECTIVE", converter = PerfTest.Objective.Reader.class,
            description = "What is to be kept: p99=50ms, e2e-p99.9=1s, avg, max, failed=0; of the response time.")
    List<PerfTest.Objective> objectives;
    @Option(names = "--step", paramLabel = "DURATION", defaultValue = "5s", description = "How long each rate is tried (default: ${DEFAULT-VALUE}).")
    Duration duration;
    @Option(names = "--from", paramLabel = "RATE", defaultValue = "1000", description = "Where to begin, in records per second (default: ${DEFAULT-VALUE}).")
    double from;
    @Mixin PerfTest.Load load = new PerfTest.Load();
    @Mixin PerfTest.Common common = new PerfTest.Common();

    /** One rate tried once. @param why how it missed, or null: held */
    public record Step(double rate, double reached, Map<String, Double> values, String why) {
        public boolean held() { return why == null; }
    }

    /** What one search found: the highest rate that held, and the lowest above it that did not. */
    public record Found(double held, double missed) { }

    /** The median of the searches, and the lowest and highest of them: the noise. @param gaveUp it took too many steps to end them */
    public record Answer(double rate, double missed, double noiseFrom, double noiseTo, boolean gaveUp, List<Step> steps) {
        public boolean noisy() { return noiseTo > noiseFrom * NOISE; }
    }

    private final List<Step> steps = new ArrayList<>();
    private double warm;
    private boolean stopped;
    int mostSteps = 120;

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
        if (a.rate == 0 && !a.gaveUp) throw new PerfTest.Exit(PerfTest.MISSED, "No rate down to " + Math.round(a.missed) + " records/s keeps " + wanted + ": " + a.steps.get(a.steps.size() - 1).why);
        if (!common.json && a.rate > 0) common.out.printf(Locale.ROOT, "%.0f records/s keep %s%s.%n", a.rate, wanted, a.missed > 0 ? String.format(Locale.ROOT, "; %.0f do not", a.missed) : "");
        if (a.gaveUp) common.say("Gave up after %d steps, before the searches had ended: begin nearer to the rate, with --from.", a.steps.size());
        else if (a.noisy()) common.say("This machine is too noisy for one figure: searches found between %.0f and %.0f records/s. Longer steps (--step) may help.", a.noiseFrom, a.noiseTo);
        if (stopped) common.say("Interrupted: not all of the searches ended.");
        return stopped ? 130 : a.gaveUp || a.noisy() ? PerfTest.INCOMPLETE : 0;
    }

    /** Searches, and searches again from below and from above what was found, and emits {@code rate-step} and {@code max-rate}. */
    public Answer find() throws Exception {
        if (from <= 0 || duration.toMillis() < 100) throw new PerfTest.Exit(2, "--from is a rate above 0, --step a time of at least 100ms.");
        for (PerfTest.Objective o : objectives) {
            if (o.kind() == PerfTest.Kind.E2E && !load.e2e) throw new PerfTest.Exit(2, "--slo " + o.text() + " needs --e2e.");
            if (o.atLeast()) throw new PerfTest.Exit(2, "--slo " + o.text() + " is what is searched for: give a latency that is to be kept, such as p99=50ms.");
        }
        List<Found> found = new ArrayList<>(List.of(search(from, RAISE)));
        double first = found.get(0).held;
        for (double again : first == 0 ? new double[0] : new double[] {first / RAISE_AGAIN, first * RAISE_AGAIN}) if (steps.size() < mostSteps) {
            common.say("Searched again, from %.0f records/s:", again);
            try { found.add(search(again, RAISE_AGAIN)); } catch (InterruptedException e) { // Ctrl-C: what was found is told
                stopped = true;
                break;
            }
        }
        found.sort(Comparator.comparingDouble(Found::held));
        Found median = found.get(found.size() / 2);
        Answer a = new Answer(median.held, median.missed, found.get(0).held, found.get(found.size() - 1).held, steps.size() >= mostSteps, List.copyOf(steps));
        if (a.rate > 0) common.emit("max-rate", "rate", a.rate, "missed", a.missed, "noisy", a.noisy(), "noiseFrom", a.noiseFrom, "noiseTo", a.noiseTo, "gaveUp", a.gaveUp, "steps", steps.size());
        return a;
    }

    /** Tries rates until the one that holds and the one that does not are close; far from where it began, in wide strides. */
    private Found search(double origin, double near) throws Exception {
        double held = 0, missed = 0, rate = origin;
        while (missed == 0 || held == 0 || missed / held > PRECISION) {
            if (holds(rate, missed > 0 || near < RAISE)) held = rate; else missed = rate;
            double raise = Math.max(rate / origin, origin / rate) > 1.5 ? RAISE : near;
            rate = missed == 0 ? held * raise : held == 0 ? missed / (raise * raise) : Math.sqrt(held * missed);
            if (rate < 1 || steps.size() >= mostSteps) break;
        }
        return new Found(held, missed);
    }

    /** Compilers, connections, buffers and files are cold at first: loads the rate until it holds or gets no better. What that shows is no step. */
    private void warmUp(double rate) throws Exception {
        for (double before = Double.MAX_VALUE, excess; (excess = excess(rate, load(rate))) > 1 && excess < 0.9 * before; before = excess) { }
        warm = rate;
    }

    /** How far it is from holding: the worst of what was measured by what was wanted; up to 1, it holds. */
    private double excess(double rate, PerfTest.Summary all) {
        PerfTest.Summary s = steady(all);
        if (unread(all) > 0) return Double.POSITIVE_INFINITY;
        return Math.max(REACHED * rate / s.reached(), objectives.stream().filter(o -> o.missed(s) != null).mapToDouble(o -> {
            double ratio = o.value(s) / o.limit();
            return ratio > 0 ? ratio : Double.POSITIVE_INFINITY; // nothing was measured
        }).max().orElse(0));
    }

    private static PerfTest.Summary steady(PerfTest.Summary all) { return all.steady() == null ? all : all.steady(); }
    /** What was sent in the warm-up counts as well. */
    private static long unread(PerfTest.Summary all) { return all.read() == null ? 0 : all.read().complete() ? all.read().missing() : Math.max(1, all.read().missing()); }

    /** A miss is repeated, and near the limit a hold too; the majority of at most three decides. */
    private boolean holds(double rate, boolean nearLimit) throws Exception {
        if (rate > warm) warmUp(rate);
        int held = 0, missed = 0;
        while (held < (nearLimit ? 2 : 1) && missed < 2) { if (step(rate).held()) held++; else missed++; }
        return missed < 2;
    }

    /** Apart, for tests to have it answer as they know. @return the whole run, which has its steady state */
    PerfTest.Summary load(double rate) throws Exception {
        PerfTest perf = perf();
        perf.load = load;
        perf.common = common;
        perf.quiet = true;
        perf.duration = duration;
        perf.throughput = rate;
        perf.telling.warmupRecords = (long) (rate * duration.toMillis() / 1000 / 5);
        PerfTest.Summary all = perf.measure();
        if (all.interrupted()) throw new InterruptedException();
        if (all.records() == 0) throw new PerfTest.Exit(PerfTest.ALL_FAILED, "Every send failed: " + perf.errors() + ".");
        return all;
    }

    private Step step(double rate) throws Exception {
        PerfTest.Summary all = load(rate), s = steady(all);
        Map<String, Double> values = new LinkedHashMap<>();
        for (PerfTest.Objective o : objectives) values.put(o.text(), Double.isFinite(o.value(s)) ? o.value(s) : null);
        String why = objectives.stream().map(o -> o.missed(s)).filter(Objects::nonNull).findFirst()
                .orElse(s.reached() < REACHED * rate ? String.format(Locale.ROOT, "only %.0f records/s were reached.", s.recordsPerSec())
                        : unread(all) > 0 ? unread(all) + " records were not read back." : null);
        if (steps.isEmpty()) common.say("%12s %12s  %s", "records/s", "reached", objectives.stream().map(PerfTest.Objective::text).collect(Collectors.joining(" ")));
        Step step = new Step(rate, s.recordsPerSec(), values, why);
        steps.add(step);
        common.say("%12.0f %12.0f  %-32s %s", rate, step.reached, values.values().stream().map(v -> v == null ? "-" : String.format(Locale.ROOT, "%.2f", v)).collect(Collectors.joining(" ")), why == null ? "held" : "missed");
        common.emit("rate-step", "rate", rate, "reached", step.reached, "held", step.held(), "values", values);
        return step;
    }

    /** Apart, for tests to put a producer of known capacity in its place. */
    PerfTest perf() { return new PerfTest(); }
}
