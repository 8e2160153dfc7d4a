///usr/bin/env jbang "$0" "$@" ; exit $?
//JAVA 17+
//DEPS info.picocli:picocli:4.7.7
//DEPS org.slf4j:slf4j-simple:1.7.36
//SOURCES PerfTest.java
//JAVAC_OPTIONS -J-XX:TieredStopAtLevel=1 -J-XX:+UseSerialGC
//DESCRIPTION Compares producer settings, interleaved, with confidence intervals

import java.io.PrintWriter;
import java.time.Duration;
import java.util.*;
import java.util.concurrent.Callable;
import java.util.function.ToDoubleFunction;
import java.util.stream.IntStream;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/**
 * Runs the same load with several producer settings, in a balanced order: each setting comes equally often at each place of a round, and equally often after each other one
 * (two: A B, B A, ...; more: Williams' Latin squares), so that what the machine does meanwhile, and what a run leaves behind, hit all alike.
 *
 * <p>Each round gives a ratio to A; of their logarithms come the mean and, by Student's t, the 95 % confidence interval. Where it spans 1, no difference was shown:
 * that does not mean that there is none, and more rounds make the interval narrower. One of twenty intervals misses the truth.
 *
 * <pre>compare-settings --topic test_topic --record-size 1000 --a 'acks=1' --b 'acks=all linger.ms=5'</pre>
 */
@Command(
        name = "compare-settings",
        version = "kraft-lab 0.1.0",
        sortOptions = false,
        usageHelpWidth = 100,
        customSynopsis =
                "compare-settings --topic TOPIC --a 'NAME=VALUE ...' --b 'NAME=VALUE ...' [--c ... to --f ...]%n      "
                        + "      (--record-size BYTES | --payload-file FILE | --payload-monotonic) [OPTION...]",
        description =
                "Compares producer settings: ratios to A with their 95%% confidence intervals, of throughput and of"
                        + " latency.")
class CompareSettings implements Callable<Integer> {
    /** Student's t for 97.5 %, by degrees of freedom from 1. */
    private static final double[] T = {
        12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.160, 2.145, 2.131, 2.120,
        2.110, 2.101, 2.093, 2.086, 2.080, 2.074, 2.069, 2.064, 2.060, 2.056, 2.052, 2.048, 2.045, 2.042
    };

    @Option(
            names = "--a",
            required = true,
            paramLabel = "'NAME=VALUE ...'",
            description = "Producer properties, to which the others are compared; '' for none.")
    String a;

    @Option(names = "--b", required = true, paramLabel = "'NAME=VALUE ...'", description = "Those that are compared.")
    String b;

    @Option(names = "--c", paramLabel = "'NAME=VALUE ...'", description = "And further ones, if they are given.")
    String c;

    @Option(names = "--d", paramLabel = "'NAME=VALUE ...'", description = "As --c.")
    String d;

    @Option(names = "--e", paramLabel = "'NAME=VALUE ...'", description = "As --c.")
    String e;

    @Option(names = "--f", paramLabel = "'NAME=VALUE ...'", description = "As --c.")
    String f;

    @Option(
            names = "--rounds",
            paramLabel = "N",
            defaultValue = "6",
            description = "How often each is run, raised to where the order is balanced (default: ${DEFAULT-VALUE}).")
    int rounds;

    @Option(
            names = "--duration",
            paramLabel = "DURATION",
            defaultValue = "5s",
            description = "How long each run lasts (default: ${DEFAULT-VALUE}).")
    Duration duration;

    @Option(
            names = "--throughput",
            paramLabel = "RATE",
            defaultValue = "-1",
            description = "Records per second; -1 for as fast as it goes (default: ${DEFAULT-VALUE}).")
    double throughput;

    @Mixin
    PerfTest.Load load = new PerfTest.Load();

    @Mixin
    PerfTest.Common common = new PerfTest.Common();

    /** A ratio to A with its 95 % confidence interval. */
    public record Ratio(double mean, double low, double high) {
        /** Of at least two ratios; geometric mean. */
        static Ratio of(double... ratios) {
            int n = ratios.length;
            double mean = Arrays.stream(ratios).map(Math::log).average().orElseThrow();
            double variance = Arrays.stream(ratios)
                            .map(r -> Math.pow(Math.log(r) - mean, 2))
                            .sum()
                    / (n - 1);
            double half = T[Math.min(n - 1, T.length) - 1] * Math.sqrt(variance / n); // beyond 30, a trifle too wide
            return new Ratio(Math.exp(mean), Math.exp(mean - half), Math.exp(mean + half));
        }

        boolean shown() {
            return low > 1 || high < 1;
        }

        @Override
        public String toString() {
            return String.format(
                    Locale.ROOT, "%.3f (%.3f to %.3f)%s", mean, low, high, shown() ? "" : ", no difference shown");
        }
    }

    /** @param ratio to the first setting; null for that one itself */
    public record Row(String setting, String figure, double median, Ratio ratio) {}

    private static double latency(PerfTest.Summary s, double percentile) {
        return Math.max(s.response().getValueAtPercentile(percentile), 1) / 1000.0;
    }

    /** Rounds that were over when Ctrl-C came. */
    private int whole;

    private Map<String, ToDoubleFunction<PerfTest.Summary>> figures() {
        Map<String, ToDoubleFunction<PerfTest.Summary>> figures = new LinkedHashMap<>();
        figures.put(
                "records/s",
                s -> throughput > 0 && s.reached(throughput)
                        ? throughput
                        : s.recordsPerSec()); // the wait for the last answer is no lack of speed
        for (double p : new double[] {50, 99, 99.9})
            figures.put("p" + (p == 99.9 ? "99.9" : "" + (int) p) + " ms", s -> latency(s, p));
        if (load.e2e)
            figures.put(
                    "e2e p99 ms",
                    s -> Math.max(1, s.latencies().get(PerfTest.Kind.E2E).getValueAtPercentile(99)) / 1000.0);
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
        int code = whole > 0 ? 130 : 0;
        if (common.json) return code;
        settings()
                .forEach((name, setting) -> common.out.printf(
                        Locale.ROOT, "%s: %s%n", name, setting.isBlank() ? "(as it is)" : PerfTest.printable(setting)));
        common.out.printf(
                Locale.ROOT, "%-12s %-3s %14s   %s%n", "FIGURE", "", "MEDIAN", "RATIO TO A (95% CONFIDENCE INTERVAL)");
        for (Row r : rows)
            common.out.printf(
                    Locale.ROOT,
                    "%-12s %-3s %14.2f   %s%n",
                    r.figure,
                    r.setting,
                    r.median,
                    r.ratio == null ? "" : r.ratio);
        long intervals = rows.stream().filter(r -> r.ratio != null).count();
        common.say("Of 20 such intervals about one misses the truth by chance; here are %d.", intervals);
        if (throughput < 0)
            common.say(
                    "At --throughput -1 the latencies are mostly the producers' own queues: how far each is ahead, not"
                            + " how fast a broker answers. Give a rate that all of them reach to compare those.");
        return code;
    }

    /** Runs all rounds and emits {@code comparison} for each row. */
    public List<Row> compare() throws Exception {
        if (rounds < 2)
            throw new PerfTest.Exit(2, "--rounds should be 2 or more: one round has no confidence interval.");
        Map<String, String> settings = settings();
        settings.values().forEach(CompareSettings::properties);
        List<String> order = new ArrayList<>(settings.keySet());
        List<int[]> square = square(order.size());
        int balanced = (rounds + square.size() - 1) / square.size() * square.size();
        if (balanced > rounds)
            common.say(
                    "%d rounds, so that each setting comes equally often at each place and after each other one.",
                    balanced);
        Map<String, List<PerfTest.Summary>> runs = new HashMap<>();
        for (String name : order) {
            runs.put(name, new ArrayList<>());
            load(settings.get(name));
        } // what the first run of each costs is not compared
        try {
            for (int round = 1; round <= balanced; round++)
                for (int at : square.get((round - 1) % square.size())) {
                    String name = order.get(at);
                    PerfTest.Summary s = load(settings.get(name));
                    runs.get(name).add(s);
                    common.say(
                            "round %d, %s: %.0f records/s, p50 %.2f ms, p99 %.2f ms",
                            round, name, s.recordsPerSec(), latency(s, 50), latency(s, 99));
                }
        } catch (InterruptedException e) { // Ctrl-C: the whole rounds are compared, as far as their order is balanced
            whole = runs.values().stream().mapToInt(List::size).min().orElse(0);
            if (whole < 2) throw e;
            int compared = whole < square.size() ? whole : whole / square.size() * square.size();
            common.say(
                    "Interrupted after %d of %d rounds%s.",
                    whole,
                    balanced,
                    compared < whole ? "; compared are the first " + compared + ", whose order is balanced" : "");
            if (compared < square.size())
                common.say(
                        "The order of %d rounds is not balanced: what the machine did meanwhile may be in the ratios.",
                        compared);
            runs.replaceAll((name, all) -> all.subList(0, compared));
        }
        int rounds = runs.get("A").size();
        List<Row> rows = new ArrayList<>();
        figures()
                .forEach((figure, of) -> settings.forEach((name, setting) -> {
                    double[] toA = runs.get("A").stream().mapToDouble(of).toArray(),
                            own = runs.get(name).stream().mapToDouble(of).toArray(),
                            ratios = new double[rounds];
                    for (int r = 0; r < rounds; r++) ratios[r] = own[r] / toA[r];
                    Arrays.sort(own);
                    Row row = new Row(
                            name,
                            figure,
                            (own[(rounds - 1) / 2] + own[rounds / 2]) / 2,
                            name.equals("A") ? null : Ratio.of(ratios));
                    rows.add(row);
                    if (row.ratio != null)
                        common.emit(
                                "comparison",
                                "setting",
                                setting,
                                "to",
                                a,
                                "figure",
                                figure,
                                "ratio",
                                row.ratio.mean,
                                "low",
                                row.ratio.low,
                                "high",
                                row.ratio.high,
                                "shown",
                                row.ratio.shown(),
                                "rounds",
                                rounds);
                }));
        return rows;
    }

    /** Rounds of n settings in which each comes equally often at each place, and equally often after each other one: Williams' design, for an odd number with its mirror. */
    static List<int[]> square(int n) {
        List<int[]> rounds = new ArrayList<>();
        for (int shift = 0; shift < n; shift++) {
            int[] round = new int[n];
            for (int place = 0; place < n; place++) {
                int zigzag = place % 2 == 1 ? (place + 1) / 2 : n - place / 2; // 0, 1, n - 1, 2, n - 2, ...
                round[place] = (zigzag + shift) % n;
            }
            rounds.add(round);
            if (n % 2 == 1)
                rounds.add(
                        IntStream.range(0, n).map(place -> round[n - 1 - place]).toArray());
        }
        return rounds;
    }

    /** By the names of their options, in whatever order those were given. */
    private Map<String, String> settings() {
        String[] all = {a, b, c, d, e, f};
        Map<String, String> given = new TreeMap<>();
        for (int i = 0; i < all.length; i++) if (all[i] != null) given.put("" + (char) ('A' + i), all[i]);
        return given;
    }

    private static Map<String, String> properties(String setting) {
        Map<String, String> properties = new LinkedHashMap<>();
        for (String pair : setting.isBlank() ? new String[0] : setting.trim().split("\\s+")) {
            if (pair.indexOf('=') < 1)
                throw new PerfTest.Exit(2, "'" + pair + "' in '" + setting + "' is not NAME=VALUE.");
            properties.put(pair.substring(0, pair.indexOf('=')), pair.substring(pair.indexOf('=') + 1));
        }
        return properties;
    }

    /** Apart, for tests to have it answer as they know. */
    PerfTest.Summary load(String setting) throws Exception {
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
        if (s.records() == 0 || s.failed() > 0)
            throw new PerfTest.Exit(
                    s.records() == 0 ? PerfTest.ALL_FAILED : 1,
                    "With '" + setting + "' " + s.failed() + " sends failed: there is nothing to compare.");
        if (s.read() != null && (!s.read().complete() || s.read().missing() > 0))
            throw new PerfTest.Exit(
                    s.read().complete() ? PerfTest.ANOMALY : PerfTest.INCOMPLETE,
                    "With '" + setting + "' "
                            + (s.read().complete()
                                    ? s.read().missing() + " acknowledged records were not read back."
                                    : "not all was read to its end within --timeout."));
        return s;
    }

    /** Apart, for tests to put a producer of known delays in its place. */
    PerfTest perf() {
        return new PerfTest();
    }
}
