///usr/bin/env jbang "$0" "$@" ; exit $?
//JAVA 17+
//DEPS info.picocli:picocli:4.7.7
//DEPS org.apache.commons:commons-statistics-distribution:1.1
//DEPS org.slf4j:slf4j-simple:1.7.36
//SOURCES PerfTest.java lib/cli/EventFields.java lib/stats/Spread.java
//JAVAC_OPTIONS -J-XX:TieredStopAtLevel=1 -J-XX:+UseSerialGC
//DESCRIPTION Compares producer settings, interleaved, with confidence intervals

import java.io.PrintWriter;
import java.time.Duration;
import java.util.*;
import java.util.concurrent.Callable;
import java.util.function.ToDoubleFunction;
import java.util.stream.IntStream;
import org.HdrHistogram.Histogram;
import org.apache.commons.statistics.distribution.TDistribution;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/**
 * Runs the same load with several producer settings, in a balanced order: each setting comes equally often at each
 * place of a round, and equally often after each other one (two: A B, B A, ...; more: Williams' Latin squares), so that
 * what the machine does meanwhile, and what a run leaves behind, affects all settings alike.
 *
 * <p>Each round gives a ratio to A. The mean of their logarithms and Student's t give the 95 % confidence interval. An
 * interval that spans 1 shows no difference. That does not mean that there is none: more rounds make the interval
 * narrower. One of twenty intervals misses the truth.
 *
 * <pre>compare-settings --topic test_topic --record-size 1000 --setting acks=1 --setting 'acks=all linger.ms=5'</pre>
 */
@Command(
        name = "compare-settings",
        version = "kraft-lab 0.1.0",
        sortOptions = false,
        usageHelpWidth = 100,
        customSynopsis = "compare-settings --topic TOPIC --setting 'NAME=VALUE ...' --setting 'NAME=VALUE ...'...%n"
                + "            (--record-size BYTES | --payload-file FILE | --payload-monotonic) [OPTION...]",
        description = "Compares producer settings: the ratios of throughput and latency to the first one, A,"
                + " with 95%% confidence intervals.")
class CompareSettings implements Callable<Integer> {
    private static final String FIRST = "A";
    private static final int MOST_SETTINGS = 26;

    @Option(
            names = "--setting",
            paramLabel = "'NAME=VALUE ...'",
            description = "Producer properties to compare; '' for none. Repeat it for each setting: A, B, C, ...")
    List<String> settings = List.of();

    /** The options of an earlier version, in place of --setting: each names the letter of its setting. */
    @Option(names = "--a", hidden = true, description = "Deprecated: use --setting.")
    String a;

    @Option(names = "--b", hidden = true, description = "Deprecated: use --setting.")
    String b;

    @Option(names = "--c", hidden = true, description = "Deprecated: use --setting.")
    String c;

    @Option(names = "--d", hidden = true, description = "Deprecated: use --setting.")
    String d;

    @Option(names = "--e", hidden = true, description = "Deprecated: use --setting.")
    String e;

    @Option(names = "--f", hidden = true, description = "Deprecated: use --setting.")
    String f;

    @Option(
            names = "--rounds",
            paramLabel = "N",
            defaultValue = "6",
            description = "Runs of each setting, rounded up until their order is balanced (default: ${DEFAULT-VALUE}).")
    int rounds;

    @Option(
            names = "--duration",
            paramLabel = "DURATION",
            defaultValue = "5s",
            description = "Duration of each run (default: ${DEFAULT-VALUE}).")
    Duration duration;

    @Option(
            names = "--throughput",
            paramLabel = "RATE",
            defaultValue = "-1",
            description = "Records per second; -1 for no limit (default: ${DEFAULT-VALUE}).")
    double throughput;

    @Mixin
    PerfTest.Load load = new PerfTest.Load();

    @Mixin
    PerfTest.Common common = new PerfTest.Common();

    /** A ratio to A with its 95 % confidence interval. */
    public record Ratio(double mean, double low, double high) {
        /** Returns the geometric mean of at least two ratios, and its interval. */
        static Ratio of(double... ratios) {
            int n = ratios.length;
            double mean = Arrays.stream(ratios).map(Math::log).average().orElseThrow();
            double squares = Arrays.stream(ratios)
                    .map(ratio -> Math.pow(Math.log(ratio) - mean, 2))
                    .sum();
            double t = TDistribution.of(n - 1).inverseSurvivalProbability(0.025);
            double half = t * Math.sqrt(squares / (n - 1) / n);
            return new Ratio(Math.exp(mean), Math.exp(mean - half), Math.exp(mean + half));
        }

        boolean shown() {
            return low > 1 || high < 1;
        }

        @Override
        public String toString() {
            String remark = shown() ? "" : ", no difference shown";
            return String.format(Locale.ROOT, "%.3f (%.3f to %.3f)%s", mean, low, high, remark);
        }
    }

    /** @param ratio to the first setting; null for that one itself */
    public record Row(String setting, String figure, double median, Ratio ratio) {}

    /** The complete rounds before Ctrl-C; 0 without it. */
    private int roundsBeforeInterrupt;

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
        if (!common.json) {
            print(rows);
        }
        return roundsBeforeInterrupt > 0 ? 130 : 0;
    }

    private void print(List<Row> rows) {
        byLetter().forEach((letter, setting) -> {
            String properties = setting.isBlank() ? "(no properties)" : PerfTest.printable(setting);
            common.out.printf(Locale.ROOT, "%s: %s%n", letter, properties);
        });
        String interval = "RATIO TO A (95% CONFIDENCE INTERVAL)";
        common.out.printf(Locale.ROOT, "%-12s %-3s %14s   %s%n", "FIGURE", "", "MEDIAN", interval);
        for (Row row : rows) {
            Object ratio = Objects.requireNonNullElse(row.ratio, "");
            common.out.printf(Locale.ROOT, "%-12s %-3s %14.2f   %s%n", row.figure, row.setting, row.median, ratio);
        }
        long intervals = rows.stream().filter(row -> row.ratio != null).count();
        common.say("Of 20 such intervals about one misses the truth by chance; here are %d.", intervals);
        if (throughput < 0) {
            common.say(
                    "At --throughput -1 the latencies are mostly the producers' own queues: how far each is ahead, not"
                            + " how fast a broker answers. Give a rate that all of them reach to compare those.");
        }
    }

    /** Runs all rounds and emits {@code comparison} for each row with a ratio. */
    public List<Row> compare() throws Exception {
        if (rounds < 2) {
            throw new PerfTest.Exit(2, "--rounds should be 2 or more: one round has no confidence interval.");
        }
        Map<String, String> compared = byLetter();
        compared.values().forEach(CompareSettings::properties);
        Map<String, List<PerfTest.Summary>> runs = runAll(compared);
        int compares = runs.get(FIRST).size();
        List<Row> rows = rows(runs);
        rows.stream().filter(row -> row.ratio != null).forEach(row -> emit(row, compared, compares));
        return rows;
    }

    private void emit(Row row, Map<String, String> compared, int roundsCompared) {
        EventFields fields = new EventFields()
                .with("setting", compared.get(row.setting))
                .with("to", compared.get(FIRST))
                .with("figure", row.figure)
                .with("ratio", row.ratio.mean)
                .with("low", row.ratio.low)
                .with("high", row.ratio.high)
                .with("shown", row.ratio.shown())
                .with("rounds", roundsCompared);
        common.emit("comparison", fields.toArray());
    }

    // ---- The settings ----

    /** Returns the settings by their letters, in the order of these. */
    private Map<String, String> byLetter() {
        List<String> all = Arrays.asList(a, b, c, d, e, f);
        if (!settings.isEmpty()) {
            requireNone(all);
            all = settings;
        }
        Map<String, String> byLetter = new TreeMap<>();
        for (int i = 0; i < Math.min(MOST_SETTINGS, all.size()); i++) {
            if (all.get(i) != null) {
                byLetter.put("" + (char) ('A' + i), all.get(i));
            }
        }
        if (byLetter.size() < 2 || !byLetter.containsKey(FIRST) || all.size() > MOST_SETTINGS) {
            throw new PerfTest.Exit(2, "Give 2 to 26 settings to compare: --setting 'NAME=VALUE ...' for each.");
        }
        return byLetter;
    }

    private static void requireNone(List<String> lettered) {
        if (lettered.stream().anyMatch(Objects::nonNull)) {
            throw new PerfTest.Exit(2, "Give each setting with --setting; --a to --f cannot be mixed with it.");
        }
    }

    private static Map<String, String> properties(String setting) {
        Map<String, String> properties = new LinkedHashMap<>();
        for (String pair : setting.isBlank() ? new String[0] : setting.trim().split("\\s+")) {
            int equals = pair.indexOf('=');
            if (equals < 1) {
                throw new PerfTest.Exit(2, "'" + pair + "' in '" + setting + "' is not NAME=VALUE.");
            }
            properties.put(pair.substring(0, equals), pair.substring(equals + 1));
        }
        return properties;
    }

    // ---- The rounds ----

    /**
     * Returns rounds of n settings in which each comes equally often at each place, and equally often after each other
     * one: Williams' design, for an odd number with its mirror.
     */
    static List<int[]> square(int n) {
        List<int[]> rounds = new ArrayList<>();
        for (int shift = 0; shift < n; shift++) {
            int[] round = new int[n];
            for (int place = 0; place < n; place++) {
                int zigzag = place % 2 == 1 ? (place + 1) / 2 : n - place / 2; // 0, 1, n - 1, 2, n - 2, ...
                round[place] = (zigzag + shift) % n;
            }
            rounds.add(round);
            if (n % 2 == 1) {
                rounds.add(
                        IntStream.range(0, n).map(place -> round[n - 1 - place]).toArray());
            }
        }
        return rounds;
    }

    /** Returns the runs of each setting, in the order of the rounds. */
    private Map<String, List<PerfTest.Summary>> runAll(Map<String, String> compared) throws Exception {
        List<int[]> square = square(compared.size());
        int balanced = (rounds + square.size() - 1) / square.size() * square.size();
        if (balanced > rounds) {
            common.say(
                    "%d rounds, so that each setting comes equally often at each place and after each other one.",
                    balanced);
        }
        Map<String, List<PerfTest.Summary>> runs = new TreeMap<>();
        for (String letter : compared.keySet()) {
            runs.put(letter, new ArrayList<>());
            load(compared.get(letter)); // warms it up, and is not compared
        }
        try {
            for (int round = 0; round < balanced; round++) {
                runRound(round + 1, square.get(round % square.size()), compared, runs);
            }
        } catch (InterruptedException interrupt) {
            roundsBeforeInterrupt =
                    runs.values().stream().mapToInt(List::size).min().orElse(0);
            if (roundsBeforeInterrupt < 2) {
                throw interrupt;
            }
            int kept = balancedRounds(roundsBeforeInterrupt, square.size(), balanced);
            runs.replaceAll((letter, all) -> all.subList(0, kept));
        }
        return runs;
    }

    private void runRound(
            int number, int[] order, Map<String, String> compared, Map<String, List<PerfTest.Summary>> runs)
            throws Exception {
        List<String> letters = List.copyOf(runs.keySet());
        for (int at : order) {
            String letter = letters.get(at);
            PerfTest.Summary run = load(compared.get(letter));
            runs.get(letter).add(run);
            common.say(
                    "round %d, %s: %.0f records/s, p50 %.2f ms, p99 %.2f ms",
                    number, letter, run.recordsPerSec(), latencyMs(run, 50), latencyMs(run, 99));
        }
    }

    /** Returns how many of the complete rounds before Ctrl-C are compared: as far as their order is balanced. */
    private int balancedRounds(int complete, int square, int planned) {
        int balanced = complete < square ? complete : complete / square * square;
        String only = balanced < complete ? "; compared are the first " + balanced + ", whose order is balanced" : "";
        common.say("Interrupted after %d of %d rounds%s.", complete, planned, only);
        if (balanced < square) {
            common.say(
                    "The order of %d rounds is not balanced: what the machine did meanwhile may be in the ratios.",
                    balanced);
        }
        return balanced;
    }

    /** Runs the load with a setting. Tests override it. */
    PerfTest.Summary load(String setting) throws Exception {
        PerfTest perf = perf();
        load.overrides.clear();
        load.overrides.putAll(properties(setting));
        perf.load = load;
        perf.common = common;
        perf.quiet = true;
        perf.duration = duration;
        perf.throughput = throughput;
        PerfTest.Summary run = perf.measure();
        if (run.interrupted()) {
            throw new InterruptedException();
        }
        requireComparable(setting, run);
        return run;
    }

    /** Creates a perf. Tests put a producer of known delays in its place. */
    PerfTest perf() {
        return new PerfTest();
    }

    private static void requireComparable(String setting, PerfTest.Summary run) {
        String with = "With '" + setting + "' ";
        if (run.records() == 0 || run.failed() > 0) {
            int code = run.records() == 0 ? PerfTest.ALL_FAILED : 1;
            throw new PerfTest.Exit(code, with + run.failed() + " sends failed: there is nothing to compare.");
        }
        PerfTest.ReadBack read = run.read();
        if (read != null && !read.complete()) {
            throw new PerfTest.Exit(PerfTest.INCOMPLETE, with + "not all was read to its end within --timeout.");
        }
        if (read != null && read.missing() > 0) {
            throw new PerfTest.Exit(
                    PerfTest.ANOMALY, with + read.missing() + " acknowledged records were not read back.");
        }
    }

    // ---- The figures ----

    private List<Row> rows(Map<String, List<PerfTest.Summary>> runs) {
        List<Row> rows = new ArrayList<>();
        figures().forEach((figure, of) -> {
            double[] first = valuesOf(runs.get(FIRST), of);
            runs.forEach((letter, its) -> rows.add(row(letter, figure, valuesOf(its, of), first)));
        });
        return rows;
    }

    private static double[] valuesOf(List<PerfTest.Summary> runs, ToDoubleFunction<PerfTest.Summary> figure) {
        return runs.stream().mapToDouble(figure).toArray();
    }

    private static Row row(String letter, String figure, double[] values, double[] first) {
        double median = Spread.of(Arrays.stream(values)).orElseThrow().median();
        if (letter.equals(FIRST)) {
            return new Row(letter, figure, median, null);
        }
        double[] ratios = IntStream.range(0, values.length)
                .mapToDouble(round -> values[round] / first[round])
                .toArray();
        return new Row(letter, figure, median, Ratio.of(ratios));
    }

    private Map<String, ToDoubleFunction<PerfTest.Summary>> figures() {
        Map<String, ToDoubleFunction<PerfTest.Summary>> figures = new LinkedHashMap<>();
        figures.put("records/s", this::recordsPerSec);
        figures.put("p50 ms", run -> latencyMs(run, 50));
        figures.put("p99 ms", run -> latencyMs(run, 99));
        figures.put("p99.9 ms", run -> latencyMs(run, 99.9));
        if (load.e2e) {
            figures.put("e2e p99 ms", run -> latencyMs(run.latencies().get(PerfTest.Kind.E2E), 99));
        }
        return figures;
    }

    /** Returns the requested rate where it was reached: the wait for the last answer does not make it lower. */
    private double recordsPerSec(PerfTest.Summary run) {
        return throughput > 0 && run.reached(throughput) ? throughput : run.recordsPerSec();
    }

    private static double latencyMs(PerfTest.Summary run, double percentile) {
        return latencyMs(run.response(), percentile);
    }

    private static double latencyMs(Histogram us, double percentile) {
        return Math.max(us.getValueAtPercentile(percentile), 1) / 1000.0;
    }
}
