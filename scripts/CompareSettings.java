///usr/bin/env jbang "$0" "$@" ; exit $?
//JAVA 17+
//DEPS info.picocli:picocli:4.7.7
//DEPS org.slf4j:slf4j-simple:1.7.36
//SOURCES PerfTest.java
//DESCRIPTION Producer settings A against B, interleaved, with a confidence interval

import java.io.PrintWriter;
import java.time.Duration;
import java.util.*;
import java.util.concurrent.Callable;
import java.util.function.ToDoubleFunction;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/**
 * Runs the same load with several producer settings, in turns and each second round backwards (A B, B A, ...), so that what the machine does meanwhile hits all alike.
 *
 * <p>Each round gives a ratio to A; of their logarithms come the mean and, by Student's t, the 95 % confidence interval. Where it spans 1, no difference was shown:
 * that does not mean that there is none, and more rounds make the interval narrower. One of twenty intervals misses the truth.
 *
 * <pre>compare-settings --topic test_topic --record-size 1000 --a 'acks=1' --b 'acks=all linger.ms=5'</pre>
 */
@Command(name = "compare-settings", version = "kraft-lab 0.1.0", sortOptions = false, usageHelpWidth = 100,
        description = "Compares producer settings: ratios to A with their 95%% confidence intervals, of throughput and of latency.")
class CompareSettings implements Callable<Integer> {
    /** Student's t for 97.5 %, by degrees of freedom from 1. */
    private static final double[] T = {12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.160, 2.145, 2.131, 2.120, 2.110, 2.101, 2.093, 2.086,
            2.080, 2.074, 2.069, 2.064, 2.060, 2.056, 2.052, 2.048, 2.045, 2.042};

    @Option(names = {"--a", "--b", "--c", "--d", "--e", "--f"}, required = true, paramLabel = "'NAME=VALUE ...'", description = "Producer properties, two to six times; '' for none. The first given is A.")
    List<String> settings;
    @Option(names = "--rounds", paramLabel = "N", defaultValue = "6", description = "How often each is run (default: ${DEFAULT-VALUE}).")
    int rounds;
    @Option(names = "--duration", paramLabel = "DURATION", defaultValue = "5s", description = "How long each run lasts (default: ${DEFAULT-VALUE}).")
    Duration duration;
    @Option(names = "--throughput", paramLabel = "RATE", defaultValue = "-1", description = "Records per second; -1 for as fast as it goes (default: ${DEFAULT-VALUE}).")
    double throughput;
    @Mixin PerfTest.Load load = new PerfTest.Load();
    @Mixin PerfTest.Common common = new PerfTest.Common();

    /** A ratio to A with its 95 % confidence interval. */
    public record Ratio(double mean, double low, double high) {
        /** Of at least two ratios; geometric mean. */
        static Ratio of(double... ratios) {
            int n = ratios.length;
            double mean = Arrays.stream(ratios).map(Math::log).average().orElseThrow();
            double variance = Arrays.stream(ratios).map(r -> Math.pow(Math.log(r) - mean, 2)).sum() / (n - 1);
            double half = T[Math.min(n - 1, T.length) - 1] * Math.sqrt(variance / n); // beyond 30, a trifle too wide
            return new Ratio(Math.exp(mean), Math.exp(mean - half), Math.exp(mean + half));
        }

        boolean shown() { return low > 1 || high < 1; }
        @Override public String toString() { return String.format(Locale.ROOT, "%.3f (%.3f to %.3f)%s", mean, low, high, shown() ? "" : ", no difference shown"); }
    }

    /** @param ratio to the first setting; null for that one itself */
    public record Row(String setting, String figure, double median, Ratio ratio) { }

    private static double latency(PerfTest.Summary s, double percentile) {
        return Math.max(s.response().getValueAtPercentile(percentile), 1) / 1000.0;
    }

    private static Map<String, ToDoubleFunction<PerfTest.Summary>> figures() {
        Map<String, ToDoubleFunction<PerfTest.Summary>> figures = new LinkedHashMap<>();
        figures.put("records/s", PerfTest.Summary::recordsPerSec);
        for (double p : new double[] {50, 99, 99.9}) figures.put("p" + (p == 99.9 ? "99.9" : "" + (int) p) + " ms", s -> latency(s, p));
        return figures;
    }

    public static void main(String... args) {
        System.exit(run(new PrintWriter(System.out, true), new PrintWriter(System.err, true), args));
    }

    /** Runs the script without a process. @return the exit code */
    public static int run(PrintWriter out, PrintWriter err, String... args) {
        CompareSettings script = new CompareSettings();
        return script.common.run(script, out, err, args);
    }

    @Override
    public Integer call() throws Exception {
        List<Row> rows = compare();
        if (common.json) return 0;
        for (int i = 0; i < settings.size(); i++) common.out.printf("%s: %s%n", name(i), settings.get(i).isBlank() ? "(as it is)" : settings.get(i));
        common.out.printf("%-12s %-3s %14s   %s%n", "FIGURE", "", "MEDIAN", "RATIO TO A (95% CONFIDENCE INTERVAL)");
        for (Row r : rows) common.out.printf(Locale.ROOT, "%-12s %-3s %14.2f   %s%n", r.figure, r.setting, r.median, r.ratio == null ? "" : r.ratio);
        return 0;
    }

    /** Runs all rounds and emits {@code comparison} for each row. */
    public List<Row> compare() throws Exception {
        if (settings.size() < 2) throw new PerfTest.Exit(2, "Give at least two settings to compare, --a and --b.");
        if (rounds < 2) throw new PerfTest.Exit(2, "--rounds should be 2 or more: one round has no confidence interval.");
        settings.forEach(CompareSettings::properties);
        List<List<PerfTest.Summary>> runs = new ArrayList<>();
        for (String s : settings) { runs.add(new ArrayList<>()); load(s); } // what the first run of each costs is not compared
        for (int round = 0; round < rounds; round++) for (int k = 0; k < settings.size(); k++) {
            int i = round % 2 == 0 ? k : settings.size() - 1 - k;
            PerfTest.Summary s = load(settings.get(i));
            runs.get(i).add(s);
            common.say("round %d, %s: %.0f records/s, p50 %.2f ms, p99 %.2f ms", round + 1, name(i), s.recordsPerSec(), latency(s, 50), latency(s, 99));
        }
        List<Row> rows = new ArrayList<>();
        figures().forEach((figure, of) -> {
            for (int i = 0; i < settings.size(); i++) {
                double[] a = runs.get(0).stream().mapToDouble(of).toArray(), own = runs.get(i).stream().mapToDouble(of).toArray(), ratios = new double[rounds];
                for (int r = 0; r < rounds; r++) ratios[r] = own[r] / a[r];
                Arrays.sort(own);
                Row row = new Row(name(i), figure, (own[(rounds - 1) / 2] + own[rounds / 2]) / 2, i == 0 ? null : Ratio.of(ratios));
                rows.add(row);
                if (i > 0) common.emit("comparison", "setting", settings.get(i), "to", settings.get(0), "figure", figure, "ratio", row.ratio.mean, "low", row.ratio.low, "high", row.ratio.high,
                        "shown", row.ratio.shown(), "rounds", rounds);
            }
        });
        return rows;
    }

    private static String name(int i) { return "" + (char) ('A' + i); }

    private static Map<String, String> properties(String setting) {
        Map<String, String> properties = new LinkedHashMap<>();
        for (String pair : setting.isBlank() ? new String[0] : setting.trim().split("\\s+")) {
            if (pair.indexOf('=') < 1) throw new PerfTest.Exit(2, "'" + pair + "' in '" + setting + "' is not NAME=VALUE.");
            properties.put(pair.substring(0, pair.indexOf('=')), pair.substring(pair.indexOf('=') + 1));
        }
        return properties;
    }

    private PerfTest.Summary load(String setting) throws Exception {
        PerfTest perf = perf();
        load.overrides.clear();
        load.overrides.putAll(properties(setting));
        perf.load = load;
        perf.common = common;
        perf.quiet = true;
        perf.duration = duration;
        perf.throughput = throughput;
        PerfTest.Summary s = perf.measure();
        if (s.interrupted()) throw new InterruptedException();
        if (s.records() == 0 || s.failed() > 0) throw new PerfTest.Exit(s.records() == 0 ? PerfTest.ALL_FAILED : 1, "With '" + setting + "' " + s.failed() + " sends failed: there is nothing to compare.");
        return s;
    }

    /** Apart, for tests to put a producer of known delays in its place. */
    PerfTest perf() { return new PerfTest(); }
}
