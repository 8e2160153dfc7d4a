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
 * <p>The rate doubles until it misses, then the gap is halved until it is within 5 %. A step misses when an objective is missed or the rate itself is not
 * reached; its first fifth is warm-up. A rate that is higher than all before is warmed up first: it may miss for reasons that pass. One miss may be chance, and so
 * may one hold near the limit: there the majority of three steps decides. Rates that both held and missed are the machine's noise, and where it is wider
 * than 10 %, that is what the answer says.
 *
 * <pre>find-max-rate --topic test_topic --record-size 1000 --slo p99=50ms --command-property acks=all</pre>
 */
@Command(name = "find-max-rate", version = "kraft-lab 0.1.0", sortOptions = false, usageHelpWidth = 100,
        description = "The highest rate that keeps the objectives, with the steps to it. Exit 14: too noisy a machine for one figure; 15: no rate keeps them.")
class FindMaxRate implements Callable<Integer> {
    private static final double PRECISION = 1.05, NOISE = 1.10, REACHED = 0.95;
    private static final int MOST_STEPS = 60;

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

    /** The highest rate that held, and the lowest above it that did not; and where steps contradicted each other: the noise. */
    public record Answer(double rate, double missed, double noiseFrom, double noiseTo, List<Step> steps) {
        public boolean noisy() { return noiseTo > noiseFrom * NOISE; }
    }

    private final List<Step> steps = new ArrayList<>();
    private double warm;

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
        if (a.rate == 0) throw new PerfTest.Exit(PerfTest.MISSED, "No rate down to " + Math.round(a.missed) + " records/s keeps " + wanted + ": " + a.steps.get(a.steps.size() - 1).why);
        if (!common.json) common.out.printf(Locale.ROOT, "%.0f records/s keep %s; %.0f do not.%n", a.rate, wanted, a.missed);
        if (!a.noisy()) return 0;
        common.say("This machine is too noisy for one figure: between %.0f and %.0f records/s the same objectives were kept one time and missed another.", a.noiseFrom, a.noiseTo);
        return PerfTest.INCOMPLETE;
    }

    /** Tries rates until the one that holds and the one that does not are close, and emits {@code rate-step} and {@code max-rate}. */
    public Answer find() throws Exception {
        if (from <= 0 || duration.toMillis() < 100) throw new PerfTest.Exit(2, "--from is a rate above 0, --step a time of at least 100ms.");
        for (PerfTest.Objective o : objectives) if (o.kind() == PerfTest.Kind.E2E && !load.e2e) throw new PerfTest.Exit(2, "--slo " + o.text() + " needs --e2e.");
        double held = 0, missed = 0, rate = from;
        while (missed == 0 || held == 0 || missed / held > PRECISION) {
            if (holds(rate, missed > 0)) { held = rate; rate = missed == 0 ? rate * 2 : Math.sqrt(held * missed); }
            else { missed = rate; rate = held == 0 ? rate / 4 : Math.sqrt(held * missed); }
            if (rate < 1 || steps.size() >= MOST_STEPS) break;
        }
        double lowestMiss = steps.stream().filter(s -> !s.held()).mapToDouble(Step::rate).min().orElse(Double.MAX_VALUE);
        double highestHold = steps.stream().filter(Step::held).mapToDouble(Step::rate).max().orElse(0);
        Answer a = new Answer(held, missed, Math.min(lowestMiss, highestHold), highestHold, List.copyOf(steps));
        if (held > 0) common.emit("max-rate", "rate", held, "missed", missed, "noisy", a.noisy(), "noiseFrom", a.noiseFrom, "noiseTo", a.noiseTo, "steps", steps.size());
        return a;
    }

    /** Compilers, connections, buffers and files are cold at first: loads the rate until it holds or gets no better. What that shows is no step. */
    private void warmUp(double rate) throws Exception {
        for (double before = Double.MAX_VALUE, excess; (excess = excess(rate, load(rate))) > 1 && excess < 0.9 * before; before = excess) { }
        warm = rate;
    }

    /** How far it is from holding: the worst of what was measured by what was wanted; up to 1, it holds. */
    private double excess(double rate, PerfTest.Summary s) {
        return Math.max(REACHED * rate / reached(s), objectives.stream().filter(o -> o.missed(s) != null).mapToDouble(o -> {
            double ratio = o.value(s) / o.limit();
            return ratio < 1 ? 1 / ratio : ratio; // throughput is missed from below
        }).max().orElse(0));
    }

    /** Records per second without the time that an answer takes as a rule, which is no lack of speed: a queue that grows lets most wait, and still shows. */
    private static double reached(PerfTest.Summary s) { return s.records() / Math.max(1e-9, s.seconds() - PerfTest.Latencies.ms(s.response(), "p50") / 1000); }

    /** A miss is repeated, and near the limit a hold too; the majority of at most three decides. */
    private boolean holds(double rate, boolean nearLimit) throws Exception {
        if (rate > warm) warmUp(rate);
        int held = 0, missed = 0;
        while (held < (nearLimit ? 2 : 1) && missed < 2) { if (step(rate).held()) held++; else missed++; }
        return missed < 2;
    }

    private PerfTest.Summary load(double rate) throws Exception {
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
        return all.steady() == null ? all : all.steady();
    }

    private Step step(double rate) throws Exception {
        PerfTest.Summary s = load(rate);
        Map<String, Double> values = new LinkedHashMap<>();
        for (PerfTest.Objective o : objectives) values.put(o.text(), o.value(s));
        String why = objectives.stream().map(o -> o.missed(s)).filter(Objects::nonNull).findFirst()
                .orElse(reached(s) < REACHED * rate ? String.format(Locale.ROOT, "only %.0f records/s were reached.", s.recordsPerSec())
                        : s.read() != null && s.read().missing() > 0 ? s.read().missing() + " records were not read back." : null);
        if (steps.isEmpty()) common.say("%12s %12s  %s", "records/s", "reached", objectives.stream().map(PerfTest.Objective::text).collect(Collectors.joining(" ")));
        Step step = new Step(rate, s.recordsPerSec(), values, why);
        steps.add(step);
        common.say("%12.0f %12.0f  %-32s %s", rate, step.reached, values.values().stream().map(v -> String.format(Locale.ROOT, "%.2f", v)).collect(Collectors.joining(" ")), why == null ? "held" : "missed");
        common.emit("rate-step", "rate", rate, "reached", step.reached, "held", step.held(), "values", values);
        return step;
    }

    /** Apart, for tests to put a producer of known capacity in its place. */
    PerfTest perf() { return new PerfTest(); }
}
