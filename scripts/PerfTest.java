///usr/bin/env jbang "$0" "$@" ; exit $?
//JAVA 17+
//DEPS org.apache.kafka:kafka-clients:4.4.0
//DEPS info.picocli:picocli:4.7.7
//DEPS com.fasterxml.jackson.jr:jackson-jr-objects:2.21.7
//DEPS org.slf4j:slf4j-simple:1.7.36
//DEPS org.hdrhistogram:HdrHistogram:2.2.2
// Compression is native code, of which newer JVMs warn.
//RUNTIME_OPTIONS --enable-native-access=ALL-UNNAMED
//JAVAC_OPTIONS -J-XX:TieredStopAtLevel=1 -J-XX:+UseSerialGC
//DESCRIPTION Measures throughput and latency, with the flags of kafka-producer-perf-test

import static java.util.stream.Collectors.*;

import com.fasterxml.jackson.jr.ob.JSON;
import com.sun.management.GarbageCollectionNotificationInfo;
import java.io.*;
import java.lang.management.GarbageCollectorMXBean;
import java.lang.management.ManagementFactory;
import java.net.*;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.*;
import java.time.*;
import java.time.format.*;
import java.util.*;
import java.util.concurrent.*;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.locks.LockSupport;
import java.util.function.*;
import java.util.regex.*;
import java.util.stream.*;
import javax.management.*;
import javax.management.openmbean.CompositeData;
import org.HdrHistogram.*;
import org.apache.kafka.clients.admin.*;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.*;
import org.apache.kafka.common.*;
import org.apache.kafka.common.config.*;
import org.apache.kafka.common.errors.*;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.header.internals.RecordHeader;
import org.apache.kafka.common.protocol.ApiKeys;
import org.apache.kafka.common.protocol.ByteBufferAccessor;
import org.apache.kafka.common.requests.*;
import org.apache.kafka.common.serialization.*;
import org.apache.kafka.common.utils.Utils;
import picocli.CommandLine;
import picocli.CommandLine.*;
import picocli.CommandLine.Model.CommandSpec;

/**
 * Measures throughput and latency: a drop-in for {@code kafka-producer-perf-test}, with its flags and output lines.
 *
 * <p>{@link Source} makes the records, a {@code Sender} for each producer sends them when they are due, and with
 * {@code --e2e} a {@code Receiver} reads them back. Each thread records latencies in a {@link Tally}, and {@link Run}
 * adds them up by interval. Every record counts, in microseconds of the monotonic clock. At a limited rate there are
 * two latencies: service time, from {@code send()}, and response time, from when the record was due, so that a stall is
 * not hidden by the load that had to wait for it.
 *
 * <pre>perf --topic t --num-records 1000000 --throughput -1 --record-size 1000 --command-property acks=1</pre>
 */
@Command(
        name = "perf",
        version = "kraft-lab 0.1.0",
        sortOptions = false,
        usageHelpWidth = 100,
        customSynopsis = "perf --topic TOPIC (--num-records N | --duration TIME) --throughput RATE%n            "
                + "(--record-size BYTES | --payload-file FILE | --payload-monotonic) [OPTION...]",
        description = "Loads topics; prints throughput and latency as kafka-producer-perf-test does,"
                + " and what limited the run.")
class PerfTest implements Callable<Integer> {
    private static final long HIGHEST_US = TimeUnit.HOURS.toMicros(1);
    /** How long records in flight may still take after Ctrl-C, also when no broker answers. */
    private static final Duration CLOSE = Duration.ofSeconds(5);

    private static final String IDENTITY = "perf";
    private static final long SAMPLE = 20_000_000;

    @Option(names = "--num-records", paramLabel = "N", description = "Number of records to send.")
    Long numRecords;

    @Option(names = "--duration", paramLabel = "DURATION", description = "Or send for this long: 30s, 5m.")
    Duration duration;

    @Option(names = "--throughput", required = true, paramLabel = "RATE", description = "Records/s; -1 for no limit.")
    double throughput;

    @Mixin
    Load load = new Load();

    @Option(
            names = "--slo",
            split = ",",
            paramLabel = "OBJECTIVE",
            converter = Objective.Reader.class,
            description = "Exit 15 if missed: p99=50ms, e2e-p99.9=1s, avg, max, throughput=9000, mb=9, failed=0.")
    List<Objective> objectives = List.of();

    @Mixin
    Common common = new Common();

    @ArgGroup(validate = false, order = 20, heading = "%nOutput options:%n")
    OutputOptions output = new OutputOptions();

    static class OutputOptions {
        @Option(names = "--reporting-interval", paramLabel = "MS", description = "Reporting interval (default: 5000).")
        long intervalMs = 5000;

        @Option(
                names = "--warmup-records",
                paramLabel = "N",
                description = "Leave the first N out of --slo, percentiles and plots.")
        long warmupRecords;

        @Option(names = "--print-metrics", description = "Print the producers' metrics at the end.")
        boolean printMetrics;

        @Option(names = "--explain", description = "Print the metrics behind what limited the run.")
        boolean explain;

        @Option(names = "--csv", hidden = true, description = "Print intervals and summary as CSV.")
        boolean csv;

        @Option(names = "--hdr-log", paramLabel = "FILE", description = "Write histograms by interval (.hlog).")
        File hdrLog;

        @Option(names = "--percentiles", hidden = true, paramLabel = "FILE", description = "Write percentiles.")
        Path percentiles;

        @Option(
                names = "--ledger",
                paramLabel = "FILE",
                description = "Write the acknowledged offsets, for check-delivery.")
        File ledger;

        @Option(names = "--start-at", paramLabel = "TIME", description = "Start at 14:05:30 or 2026-11-23T14:05:00Z.")
        String startAt;
    }

    /** What is sent, and how: the same options in find-max-rate and compare-settings. */
    static class Load {
        @Option(names = "--topic", required = true, paramLabel = "TOPIC", description = "Topic, or several: a,b,c.")
        String topic;

        @Option(
                names = "--record-size",
                paramLabel = "BYTES",
                converter = Sizes.Reader.class,
                description = "Record size: fixed (1000), a range (100-2000), or a weighted mix (200:9,10KiB:1).")
        Sizes sizes;

        @Option(names = "--payload-file", paramLabel = "FILE", description = "Or send random lines of this UTF-8 file.")
        Path payloadFile;

        @Option(names = "--payload-monotonic", description = "Or send 0, 1, 2, ...")
        boolean monotonic;

        @Option(
                names = "--command-property",
                arity = "1..*",
                paramLabel = "NAME=VALUE",
                description = "Producer properties; they override --command-config.")
        List<String> commandProperties = List.of();

        @Option(names = "--e2e", description = "Read the records back as well: end-to-end latency.")
        boolean e2e;

        @ArgGroup(validate = false, order = 10, heading = "%nWorkload options:%n")
        WorkloadOptions workload = new WorkloadOptions();

        @ArgGroup(validate = false, order = 30, heading = "%nFurther options of kafka-producer-perf-test:%n")
        CompatibilityOptions compatibility = new CompatibilityOptions();
        /** Properties of a composed script, which override all others. */
        final Map<String, String> overrides = new LinkedHashMap<>();

        List<String> topics() {
            return List.of(topic.split(",", -1));
        }
    }

    static class WorkloadOptions {
        @Option(names = "--producers", paramLabel = "N", description = "Number of producers (default: 1).")
        int producers = 1;

        @Option(names = "--consumers", paramLabel = "N", description = "Number of consumers with --e2e (default: 1).")
        int consumers = 1;

        @Option(names = "--keys", paramLabel = "N", description = "Number of distinct keys (default: no keys).")
        int keys;

        @Option(
                names = "--key-choice",
                paramLabel = "uniform|zipfian",
                description = "Choice of keys (default: uniform).")
        Choice choice = Choice.UNIFORM;

        @Option(names = "--headers", arity = "1..*", paramLabel = "NAME=VALUE", description = "Headers of each record.")
        List<String> headers = List.of();
    }

    enum Choice {
        UNIFORM,
        ZIPFIAN
    }

    static class CompatibilityOptions {
        @Option(names = "--payload-delimiter", paramLabel = "REGEX", description = "Entry delimiter (default: \\n).")
        String delimiter = "\\n";

        @Option(names = "--transactional-id", paramLabel = "ID", description = "Send in transactions with this id.")
        String transactionalId;

        @Option(
                names = "--transaction-duration-ms",
                paramLabel = "MS",
                description = "Commit transactions this often (default with an id: 3000).")
        Long transactionMs;

        @Option(
                names = "--producer-props",
                arity = "1..*",
                paramLabel = "NAME=VALUE",
                description = "Deprecated: use --command-property.")
        List<String> producerProps = List.of();

        @Option(names = "--producer.config", paramLabel = "FILE", description = "Deprecated: use --command-config.")
        Path producerConfig;
    }

    /** For composed scripts: prints no lines and emits no events. */
    boolean quiet;
    /** For composed scripts: gets, each {@link #SAMPLE}, the seconds since the start and how many records are late. */
    BiConsumer<Double, Double> backlog;

    private Screen screen = Screen.none();
    private List<String> csvColumns;
    private String notWritten;
    private Run run;

    /** Parses as Apache's tools do: the last of two wins, and names may be abbreviated. */
    @Spec
    void parser(CommandSpec spec) {
        spec.parser().overwrittenOptionsAllowed(true).abbreviatedOptionsAllowed(true);
        spec.usageMessage().longOptionsMaxWidth(32);
    }

    public static void main(String... args) {
        System.exit(run(Screen.OUT, Screen.ERR, args));
    }

    /** Runs the script without a process and returns the exit code. */
    public static int run(PrintWriter out, PrintWriter err, String... args) {
        PerfTest script = new PerfTest();
        return script.common.run(script, out, err, args);
    }

    @Override
    public Integer call() throws Exception {
        screen = Screen.on(common.err);
        common.out = screen.above(common.out, line -> line);
        common.err = screen.above(common.err, line -> line);
        Summary summary;
        try {
            summary = measure();
        } finally {
            screen.close();
        }
        Thread.interrupted(); // Ctrl-C has been handled; the rest of the output follows
        return run.outputClosed ? 0 : report(summary);
    }

    /** Sends the load and emits its events. After an interrupt, returns what was done and stays interrupted. */
    public Summary measure() throws Exception {
        check();
        requireReplaceableOutputs();
        Instant at = startAt();
        try (Run run = this.run = new Run()) {
            run.connect(topicsExist(run.properties));
            Summary summary = run.measure(at);
            Map<String, Object> fields = summary.fields();
            fields.putAll(run.collections.fields());
            emit("perf-summary", fields);
            if (summary.steady != null) {
                Map<String, Object> steady = summary.steady.fields();
                steady.put("steady", true);
                emit("perf-summary", steady);
            }
            writePercentiles(summary.judged().latencies);
            if (summary.interrupted) Thread.currentThread().interrupt();
            return summary;
        } catch (OutOfMemoryError e) {
            throw new Exit(
                    1,
                    "Not enough memory for so large or many records, keys or producers: use less of them, or"
                            + " more memory with JBANG_JAVA_OPTIONS=-Xmx4g.");
        }
    }

    /** Returns how many sends failed with which exception. */
    String errors() {
        return run.errors.entrySet().stream()
                .map(e -> e.getValue() + " " + e.getKey())
                .collect(Collectors.joining(", "));
    }

    // ---- The answer ----

    private int report(Summary s) {
        print(s.line(""));
        if (s.steady != null) print(s.steady.line(" steady state"));
        if (output.printMetrics) printMetrics(common.json || output.csv ? common.err : common.out, run.metrics);
        sayHowSendsEnded(s);
        String without = "The figures below, --slo and the files for plots leave out the first %d records.";
        if (s.steady != null) common.say(without, output.warmupRecords);
        s.judged().latencies.print(common);
        if (s.records() == 0 && !s.interrupted) return ALL_FAILED;
        run.explain(s);
        if (s.read != null) sayWhatWasRead(s);
        if (notWritten != null) common.say("Cannot write %s", notWritten);
        if (s.interrupted) return 130;
        String late =
                "%d records were due within --duration and could not be sent in twice that time: the response time"
                        + " includes the time they waited so far.";
        if (run.unsent.get() > 0) common.say(late, run.unsent.get());
        List<String> missed = missedObjectives(s);
        missed.forEach(common::say);
        return exitCode(s, missed);
    }

    private void sayHowSendsEnded(Summary s) {
        long sends = s.records() + s.failed();
        if (s.interrupted) common.say("Interrupted after %d records; %s.", sends, run.outstanding());
        else if (sends == 0) throw new Exit(ALL_FAILED, "No record was due within --duration.");
        String failed = s.records() == 0 ? "Every send failed" : s.failed() + " of " + sends + " sends failed";
        if (s.failed() > 0) common.say("%s: %s.", failed, errors());
    }

    private void sayWhatWasRead(Summary s) {
        Object missing = run.unacknowledged ? "none is with acks=0" : s.read.missing;
        String rates = "Read back %d records, %.1f records/sec (%.2f MB/sec); ";
        String anomalies = "acknowledged but not read: %s, read twice: %d.";
        if (!s.read.complete && !s.interrupted)
            anomalies += " Incomplete: within --timeout not all was read to its end.";
        common.say(rates + anomalies, s.read.records, s.read.perSec, s.read.mbPerSec, missing, s.read.twice);
    }

    private List<String> missedObjectives(Summary s) {
        List<String> missed = new ArrayList<>();
        for (Objective o : objectives) {
            // A rate that was asked for and reached is kept.
            boolean isSetRate = o.figure.equals("throughput") && throughput > 0 && o.limit <= throughput;
            if (isSetRate && s.judged().reached(throughput)) continue;
            String reason = o.missed(s.judged());
            if (output.warmupRecords > 0 && s.steady == null) reason = o.missed("nothing came after the warm-up.");
            if (reason != null) missed.add(reason);
        }
        return missed;
    }

    private int exitCode(Summary s, List<String> missed) {
        if (s.read != null && !s.read.complete) return INCOMPLETE;
        if (s.read != null && s.read.missing > 0) return ANOMALY;
        if (!missed.isEmpty()) return MISSED;
        return notWritten == null ? 0 : 1;
    }

    private void emit(String type, Map<String, Object> fields) {
        if (quiet) return;
        Stream<?> pairs = fields.entrySet().stream().flatMap(field -> Stream.of(field.getKey(), field.getValue()));
        common.emit(type, pairs.toArray());
        if (output.csv) printCsv(type, fields);
    }

    private void printCsv(String type, Map<String, Object> fields) {
        boolean isSteadySummary = type.equals("perf-summary") && fields.containsKey("steady");
        Map<String, String> row = new LinkedHashMap<>(Map.of("type", isSteadySummary ? type + "-steady" : type));
        fields.forEach((name, value) ->
                row.put(name, String.format(Locale.ROOT, value instanceof Double ? "%.3f" : "%s", value)));
        if (csvColumns == null) {
            csvColumns = List.copyOf(row.keySet()); // those of an interval
            common.out.println(String.join(",", csvColumns));
        }
        common.out.println(
                csvColumns.stream().map(name -> row.getOrDefault(name, "")).collect(Collectors.joining(",")));
    }

    private void print(String line) {
        if (!common.json && !output.csv && !quiet) common.out.println(line);
    }

    /** Prints metrics in the layout of Apache's tools. */
    private static void printMetrics(PrintWriter out, Map<MetricName, Object> metrics) {
        Map<String, Object> sorted = new TreeMap<>();
        metrics.forEach((metric, value) -> sorted.put(
                printable(metric.group() + ":" + metric.name() + ":" + metric.tags()),
                value instanceof String text ? printable(text) : value));
        String name =
                "%-" + sorted.keySet().stream().mapToInt(String::length).max().orElse(1) + "s";
        out.printf(Locale.ROOT, "%n" + name + "   %s%n", "Metric Name", "Value");
        sorted.forEach((metric, value) ->
                out.printf(Locale.ROOT, name + (value instanceof Double ? " : %.3f%n" : " : %s%n"), metric, value));
    }

    private static Map<String, Object> ordered(Object... namesAndValues) {
        Map<String, Object> fields = new LinkedHashMap<>();
        for (int i = 0; i < namesAndValues.length; i += 2)
            fields.put((String) namesAndValues[i], namesAndValues[i + 1]);
        return fields;
    }

    // ---- What is sent ----

    /** Record sizes: ranges, from and to, by the sum of the weights up to their own. */
    record Sizes(NavigableMap<Double, int[]> ranges) {
        static class Reader implements ITypeConverter<Sizes> {
            private static final String SIZE = "(\\d{1,9}(?:KiB|MiB)?)";
            private static final Pattern RANGE = Pattern.compile(SIZE + "(?:-" + SIZE + ")?(?::(\\d+(?:\\.\\d+)?))?");

            @Override
            public Sizes convert(String text) {
                Sizes sizes = new Sizes(new TreeMap<>());
                double total = 0;
                for (String part : text.split(",", -1)) {
                    Matcher range = RANGE.matcher(part.trim());
                    String examples = "1000, 16KiB, 100-2000 or 200:9,10KiB:1";
                    if (!range.matches())
                        throw new TypeConversionException("'" + text + "' is not a size such as " + examples);
                    long from = bytes(range.group(1)), to = range.group(2) == null ? from : bytes(range.group(2));
                    double weight = range.group(3) == null ? 1 : Double.parseDouble(range.group(3));
                    String limits = "sizes and weights should be greater than zero, at most 1024MiB, and ranges ascend";
                    boolean isRange = from >= 1 && to >= from && to <= 1 << 30;
                    if (!isRange || weight == 0) throw new TypeConversionException(limits);
                    total += weight;
                    sizes.ranges.put(total, new int[] {(int) from, (int) to});
                }
                return sizes;
            }

            private static long bytes(String text) {
                long number = Long.parseLong(text.replaceAll("\\D", ""));
                if (text.endsWith("KiB")) return number << 10;
                return text.endsWith("MiB") ? number << 20 : number;
            }
        }

        int largest() {
            return ranges.values().stream().mapToInt(range -> range[1]).max().getAsInt();
        }

        boolean isConstant() {
            return ranges.values().stream().allMatch(range -> range[0] == largest());
        }

        int pick(SplittableRandom random) {
            int[] range =
                    ranges.higherEntry(random.nextDouble() * ranges.lastKey()).getValue();
            return range[0] + random.nextInt(range[1] - range[0] + 1);
        }
    }

    /** Makes what records consist of. The senders share it, each with a random generator of its own. */
    static final class Source {
        interface Values {
            byte[] of(long i, SplittableRandom random);
        }

        final Values values;
        final List<Header> headers = new ArrayList<>();
        /** The entries of --payload-file. */
        private byte[][] entries;

        private final double[] cumulated;
        private final int keys;

        Source(Load load, Long numRecords) throws IOException {
            values = values(load, numRecords == null ? Long.MAX_VALUE : numRecords);
            keys = load.workload.keys;
            cumulated = keys > 0 && load.workload.choice == Choice.ZIPFIAN ? new double[keys] : null;
            for (int i = 0; cumulated != null && i < keys; i++)
                cumulated[i] = (i == 0 ? 0 : cumulated[i - 1]) + 1 / Math.pow(i + 1, 0.99); // YCSB's exponent
            for (String header : load.workload.headers)
                put(header, "Header", (name, value) -> headers.add(new RecordHeader(name, utf8(value))));
        }

        private static byte[] utf8(String text) {
            return text.getBytes(StandardCharsets.UTF_8);
        }

        byte[] key(SplittableRandom random) {
            if (keys == 0) return null;
            if (cumulated == null) return utf8("key-" + random.nextInt(keys));
            int at = Arrays.binarySearch(cumulated, random.nextDouble() * cumulated[keys - 1]);
            return utf8("key-" + (at < 0 ? -1 - at : at));
        }

        private Values values(Load load, long numRecords) throws IOException {
            if (load.monotonic) return (i, random) -> utf8(Long.toString(i));
            if (load.payloadFile != null) {
                entries = entries(load.payloadFile, load.compatibility.delimiter);
                return (i, random) -> entries[random.nextInt(entries.length)];
            }
            return letters(load.sizes, numRecords);
        }

        /** Makes Apache's A to Z, so many that none comes twice in a batch, which would flatter compression. */
        private static Values letters(Sizes sizes, long numRecords) {
            int largest = sizes.largest();
            byte[] text = new byte[(int) Math.min(Integer.MAX_VALUE - 8, Math.max(4 << 20, 2L * largest))];
            SplittableRandom letters = new SplittableRandom(0);
            for (int k = 0; k < text.length; k++) text[k] = (byte) ('A' + letters.nextInt(26));
            if (sizes.isConstant()) {
                byte[][] all = new byte[(int) Math.min(numRecords, Math.min(65_536, text.length / largest))][];
                Arrays.setAll(all, k -> Arrays.copyOfRange(text, k * largest, (k + 1) * largest));
                return (i, random) -> all[(int) (i % all.length)];
            }
            return (i, random) -> {
                int size = sizes.pick(random), from = random.nextInt(text.length - size + 1);
                return Arrays.copyOfRange(text, from, from + size);
            };
        }

        private static byte[][] entries(Path file, String delimiter) throws IOException {
            try (Scanner scanner = new Scanner(file, "UTF-8").useDelimiter(delimiter)) {
                byte[][] entries = scanner.tokens().map(Source::utf8).toArray(byte[][]::new);
                refuse(entries.length == 0, "--payload-file " + file + " is empty.");
                return entries;
            } catch (FileSystemException e) {
                throw new Exit(2, "Cannot read --payload-file " + file + ".");
            } catch (PatternSyntaxException e) {
                throw new Exit(2, "--payload-delimiter is not a valid regular expression: " + e.getDescription() + ".");
            }
        }
    }

    // ---- Recording ----

    /**
     * Latencies: from send() to the acknowledgement; from when a record was due, at a limited rate; until it was read;
     * of a transaction's commit; of sends that failed.
     */
    enum Kind {
        SERVICE("service time"),
        RESPONSE("response time"),
        E2E("end to end"),
        COMMIT("commit"),
        FAILED("failed sends");
        final String label, tag = name().toLowerCase(Locale.ROOT);

        Kind(String label) {
            this.label = label;
        }

        /** Returns the event's field: {@code p999Ms}, {@code responseP999Ms}. */
        String field(String figure) {
            String name = figure.replace(".", "") + "Ms";
            return this == SERVICE ? name : tag + name.substring(0, 1).toUpperCase(Locale.ROOT) + name.substring(1);
        }

        /** Returns the file for this kind: {@code x.hgrm}, {@code x.response.hgrm}. */
        Path beside(Path file) {
            if (this == SERVICE) return file;
            return file.resolveSibling(file.getFileName().toString().replaceFirst("(\\.\\w+)?$", "." + tag + "$1"));
        }
    }

    /** What one thread records, without a lock or an allocation; the reporter takes it away interval by interval. */
    static final class Tally {
        private final SingleWriterRecorder[] recorders = new SingleWriterRecorder[Kind.values().length];
        private final Histogram[] taken = new Histogram[recorders.length];
        final AtomicLong bytes = new AtomicLong(), records = new AtomicLong();
        volatile long first = Long.MAX_VALUE, last;

        Tally(Kind... kinds) {
            for (Kind kind : kinds) recorders[kind.ordinal()] = new SingleWriterRecorder(1, HIGHEST_US, 3);
        }

        boolean has(Kind kind) {
            return recorders[kind.ordinal()] != null;
        }

        void record(Kind kind, long nanos) {
            record(kind, nanos, 1);
        }

        void record(Kind kind, long nanos, long count) {
            recorders[kind.ordinal()].recordValueWithCount(Math.min(Math.max(nanos, 0) / 1000, HIGHEST_US), count);
        }

        void acknowledged(long now, long start, long due, int size) {
            record(Kind.SERVICE, now - start);
            if (has(Kind.RESPONSE)) record(Kind.RESPONSE, now - due);
            count(now, size);
        }

        void count(long now, int size) {
            bytes.lazySet(bytes.getPlain() + size); // one writer: no need of an atomic addition
            records.lazySet(records.getPlain() + 1);
            last = now;
        }

        void take(Latencies into) {
            for (Kind kind : Kind.values()) {
                int k = kind.ordinal();
                if (recorders[k] == null) continue;
                taken[k] = recorders[k].getIntervalHistogram(taken[k]);
                into.add(kind, taken[k]);
            }
        }
    }

    /** A histogram for each kind that was measured, in microseconds. */
    static final class Latencies extends EnumMap<Kind, Histogram> {
        private static final List<String> FIGURES = List.of("avg", "p50", "p95", "p99", "p99.9", "p99.99", "max");
        /** How many service times are of records without an outcome: their wait until the run was interrupted. */
        long unanswered;

        Latencies() {
            super(Kind.class);
        }

        void addAll(Latencies others) {
            others.forEach(this::add);
            unanswered += others.unanswered;
        }

        void add(Kind kind, Histogram h) {
            computeIfAbsent(kind, k -> new Histogram(1, HIGHEST_US, 3)).add(h);
        }

        long count(Kind kind) {
            return containsKey(kind) ? get(kind).getTotalCount() : 0;
        }

        boolean hasValues() {
            return values().stream().anyMatch(h -> h.getTotalCount() > 0);
        }

        /** Returns {@code avg}, {@code max} or a percentile such as {@code p99.9}, in milliseconds. */
        static double ms(Histogram us, String figure) {
            if (figure.equals("avg")) return us.getMean() / 1000;
            if (figure.equals("max")) return us.getMaxValue() / 1000.0;
            return us.getValueAtPercentile(Double.parseDouble(figure.substring(1))) / 1000.0;
        }

        Map<String, Object> fields() {
            Map<String, Object> fields = new LinkedHashMap<>();
            forEach((kind, h) -> FIGURES.forEach(figure -> fields.put(kind.field(figure), ms(h, figure))));
            return fields;
        }

        void print(Common common) {
            common.say(
                    "%-14s %10s%s",
                    "latency, ms", "count", columns(figure -> String.format(Locale.ROOT, " %10s", figure)));
            forEach((kind, h) -> {
                String figures = columns(figure -> String.format(Locale.ROOT, " %10.2f", ms(h, figure)));
                common.say("%-14s %10d%s", kind.label, h.getTotalCount(), figures);
            });
        }

        private static String columns(Function<String, String> column) {
            return FIGURES.stream().map(column).collect(Collectors.joining());
        }
    }

    // ---- What was acknowledged ----

    /**
     * The ledger that check-delivery reads (docs/verifier.md): for each partition, the ranges of acknowledged offsets.
     * It does not know which record is at which offset, and so costs a record no more than a comparison.
     */
    static final class Ledger {
        private static final int INTERIM = 10_000;
        private static final Comparator<TopicPartition> ORDER =
                Comparator.comparing(TopicPartition::topic).thenComparing(TopicPartition::partition);
        private final File file;
        private final String[] topics;
        private final boolean transactional;
        private final Map<String, Object> head;
        private final Map<TopicPartition, List<long[]>> ranges = new TreeMap<>(ORDER);
        /** Acknowledged a second time: the log was truncated in between, and what was acknowledged first is lost. */
        private final Map<TopicPartition, List<long[]>> twice = new TreeMap<>(ORDER);

        private final List<Part> parts = new ArrayList<>();

        Ledger(File file, String run, String[] topics, String acks, boolean transactional) {
            this.file = file;
            this.topics = topics;
            this.transactional = transactional;
            head = ordered("ranges", 1, "run", run, "topics", topics, "acks", acks, "transactional", transactional);
            head.put("ts", timestamp());
        }

        /** Refuses to replace what is not a ledger of perf, under its name or that under which it is written. */
        static void requireReplaceable(Path file) throws IOException {
            PerfTest.requireReplaceable(file, "{\"ranges\":", "--ledger");
            refuse(Files.isDirectory(file), file + " is a folder: name a file with --ledger.");
            if (isStream(file)) return;
            Path part = part(file);
            PerfTest.requireReplaceable(part, "{\"ranges\":", "--ledger");
            String advice = " is not a file, and --ledger " + file + " would be written through it: name another file.";
            refuse(Files.exists(part) && !Files.isRegularFile(part), part + advice);
        }

        /** Returns whether it is a pipe or a device: it must not be replaced, and what it was given stays written. */
        private static boolean isStream(Path file) {
            return Files.exists(file) && !Files.isRegularFile(file) && !Files.isDirectory(file);
        }

        private static Path part(Path file) {
            return file.resolveSibling(file.getFileName() + ".part");
        }

        /** Refuses a file that holds something else, and writes the first line. */
        void begin() {
            try {
                requireReplaceable(file.toPath());
                if (!isStream(file.toPath())) write(null);
            } catch (IOException e) {
                throw new Exit(2, "Cannot write --ledger " + file + ": " + e.getMessage() + ".");
            }
        }

        Part part() {
            Part part = new Part();
            parts.add(part);
            return part;
        }

        private synchronized void add(TopicPartition partition, long first, long last) {
            ranges.computeIfAbsent(partition, p -> new ArrayList<>()).add(new long[] {first, last});
        }

        /** Joins adjoining ranges, and keeps what they have in common. */
        private void join(TopicPartition partition, List<long[]> all) {
            List<long[]> sorted = new ArrayList<>(all);
            sorted.sort(Comparator.comparingLong(range -> range[0]));
            all.clear();
            long[] last = {0, Part.NONE};
            for (long[] range : sorted) {
                if (range[0] > last[1] + 1) {
                    last = range;
                    all.add(last);
                    continue;
                }
                long[] common = {range[0], Math.min(range[1], last[1])};
                if (common[0] <= common[1])
                    twice.computeIfAbsent(partition, p -> new ArrayList<>()).add(common);
                last[1] = Math.max(last[1], range[1]);
            }
        }

        /** Writes what is known during the run: the state of when it was last asked for. */
        synchronized void interim() throws IOException {
            parts.forEach(part -> part.asked = true);
            ranges.forEach(this::join);
            boolean isSmall = ranges.values().stream().mapToInt(List::size).sum() <= INTERIM;
            if (isSmall && !isStream(file.toPath())) write(null);
        }

        /** Writes the ledger; {@code end}, for the last line, is null if the run goes on or its end is not known. */
        synchronized void write(Map<String, Object> end) throws IOException {
            Path to = file.toPath().toAbsolutePath();
            if (isStream(to)) {
                writeLines(to, end);
                return;
            }
            writeLines(part(to), end);
            Files.move(part(to), to, StandardCopyOption.REPLACE_EXISTING, StandardCopyOption.ATOMIC_MOVE);
        }

        private void writeLines(Path to, Map<String, Object> end) throws IOException {
            ranges.forEach(this::join);
            try (Writer out = Files.newBufferedWriter(to)) {
                out.write(JSON.std.asString(head) + "\n");
                long acknowledged = writeRanges(out, ranges), again = writeRanges(out, twice);
                if (end == null) return;
                Map<String, Object> line = ordered("end", true, "acknowledged", acknowledged + again, "twice", again);
                line.putAll(end);
                line.put("ts", timestamp());
                out.write(JSON.std.asString(line) + "\n");
            }
        }

        /** Writes a line each and returns how many offsets they have. */
        private static long writeRanges(Writer out, Map<TopicPartition, List<long[]>> ranges) throws IOException {
            long count = 0;
            for (var partition : ranges.entrySet()) {
                for (long[] range : partition.getValue()) {
                    Map<String, Object> line =
                            ordered("topic", partition.getKey().topic());
                    line.put("partition", partition.getKey().partition());
                    line.putAll(ordered("first", range[0], "last", range[1], "count", range[1] - range[0] + 1));
                    out.write(JSON.std.asString(line) + "\n");
                    count += range[1] - range[0] + 1;
                }
            }
            return count;
        }

        /**
         * The part of one producer, whose callbacks come on one thread, mostly in the order of offsets. In a
         * transaction nothing is acknowledged before the commit.
         */
        final class Part {
            private static final long NONE = -2;
            private final long[][] first = new long[topics.length][0], last = new long[topics.length][0];
            private final List<Runnable> uncommitted = new ArrayList<>();
            private volatile boolean asked;

            void acknowledged(int topic, int partition, long offset) {
                if (asked && !transactional) handOver();
                if (partition >= last[topic].length) grow(topic, partition);
                if (offset != last[topic][partition] + 1) {
                    handOver(topic, partition);
                    first[topic][partition] = offset;
                }
                last[topic][partition] = offset;
            }

            private void grow(int topic, int partition) {
                int known = last[topic].length;
                first[topic] = Arrays.copyOf(first[topic], partition + 8);
                last[topic] = Arrays.copyOf(last[topic], partition + 8);
                Arrays.fill(last[topic], known, partition + 8, NONE);
            }

            private void handOver(int topic, int partition) {
                long from = first[topic][partition], to = last[topic][partition];
                if (to == NONE) return;
                TopicPartition of = new TopicPartition(topics[topic], partition);
                if (transactional) uncommitted.add(() -> add(of, from, to));
                else add(of, from, to);
                last[topic][partition] = NONE;
            }

            private void handOver() {
                asked = false;
                for (int topic = 0; topic < topics.length; topic++)
                    for (int partition = 0; partition < last[topic].length; partition++) handOver(topic, partition);
            }

            /** Acknowledges a transaction, on the sending thread: all its callbacks have come. */
            void committed() {
                handOver();
                uncommitted.forEach(Runnable::run);
                uncommitted.clear();
            }

            /** Ends the part with its producer: what is not committed never will be. */
            void closed() {
                if (!transactional) handOver();
            }
        }
    }

    // ---- A run ----

    /** One run: connects, starts senders and receivers, collects by interval what they recorded, and sums it up. */
    final class Run implements Closeable {
        final boolean limited = throughput > 0;
        final long id = new SplittableRandom().nextLong(), warmupRecords = output.warmupRecords;
        final long count = Objects.requireNonNullElse(numRecords, load.e2e ? Integer.MAX_VALUE : Long.MAX_VALUE);
        final long nanos = duration == null ? Long.MAX_VALUE : duration.toNanos();
        final String[] topics = load.topics().toArray(String[]::new);
        final Properties properties = properties();
        final long transactionNanos = transactionNanos();
        final List<Sender> senders = new ArrayList<>();
        final List<Receiver> receivers = new ArrayList<>();
        final Map<MetricName, Object> metrics = new ConcurrentHashMap<>();
        final Map<String, Long> errors = new ConcurrentSkipListMap<>();
        final AtomicLong unsent = new AtomicLong();
        /** With acks=0, what the client calls an acknowledgement is none. */
        final boolean unacknowledged = property("acks", "").trim().equals("0");

        private final Ledger ledger = ledger();
        /** With --e2e, behind the highest acknowledged offset: brokers report as end only what all replicas have. */
        final Map<TopicPartition, Long> acknowledgedEnds = new ConcurrentHashMap<>();

        final GarbageCollections collections = new GarbageCollections();
        boolean outputClosed;

        private final Source source = new Source(load, numRecords);
        private final ExecutorService threads = Executors.newCachedThreadPool(task -> {
            Thread t = new Thread(task, "perf");
            t.setDaemon(true);
            return t;
        });
        private final CountDownLatch running =
                new CountDownLatch(load.workload.producers + (load.e2e ? load.workload.consumers : 0));
        private final List<Phases> tallies = new CopyOnWriteArrayList<>();
        private final Latencies all = new Latencies(), steady = new Latencies();
        private PrintStream log;
        private HistogramLogWriter writer;
        private long start, startMs, from;
        private volatile long stopped;
        private Phases failures, waiting;
        /** Records of the warm-up and of the rest that were sent and had no outcome when the run was interrupted. */
        private final long[] unresolved = new long[2];

        private boolean isSteady;
        private volatile boolean interrupted;
        private volatile Throwable problem;

        Run() throws IOException {} // of the properties and the payload

        private String property(String name, Object otherwise) {
            return "" + properties.getOrDefault(name, otherwise);
        }

        private long transactionNanos() {
            if (!properties.containsKey("transactional.id")) return 0;
            return TimeUnit.MILLISECONDS.toNanos(Objects.requireNonNullElse(load.compatibility.transactionMs, 3000L));
        }

        private Ledger ledger() {
            String acks = property("acks", "all"), run = Long.toHexString(id);
            return output.ledger == null ? null : new Ledger(output.ledger, run, topics, acks, transactionNanos > 0);
        }

        /** What a thread records of the warm-up, which is null if there is none, and of the rest. */
        final class Phases {
            final Tally warmup, rest;

            Phases(Kind... kinds) {
                warmup = warmupRecords > 0 ? new Tally(kinds) : null;
                rest = new Tally(kinds);
                tallies.add(this);
            }

            Tally of(long index) {
                return index < warmupRecords ? warmup : rest;
            }

            Stream<Tally> stream() {
                return Stream.of(warmup, rest).filter(Objects::nonNull);
            }
        }

        /** Returns new tallies of records that are sent. */
        private Phases ofSends() {
            return limited ? new Phases(Kind.SERVICE, Kind.RESPONSE) : new Phases(Kind.SERVICE);
        }

        private long sum(Kind kind, ToLongFunction<Tally> figure) {
            return of(kind).mapToLong(figure).sum();
        }

        private long records(Kind kind) {
            return sum(kind, tally -> tally.records.get());
        }

        private Stream<Tally> of(Kind kind) {
            return tallies.stream().flatMap(Phases::stream).filter(tally -> tally.has(kind));
        }

        /** One producer with its thread: sends each n-th record when it is due, and commits. */
        final class Sender {
            final Producer<byte[], byte[]> producer;
            /** With --e2e, the indices of what was acknowledged. */
            final BitSet acknowledged = load.e2e && !unacknowledged ? new BitSet() : null;

            private final Ledger.Part ledgerPart = ledger == null ? null : ledger.part();
            private final int number = senders.size();
            private long next = number;
            /** When all was sent, committed and flushed, plus the time to close: as Apache's tool counts. */
            private volatile long ended;

            private final SplittableRandom random = new SplittableRandom(number);
            private final Phases acks = ofSends();
            private final Phases commits = transactionNanos > 0 ? new Phases(Kind.COMMIT) : null;

            Sender(Producer<byte[], byte[]> producer) {
                this.producer = producer;
            }

            /** A record and its callback in one object, so that recording its latency allocates nothing. */
            final class Sent extends ProducerRecord<byte[], byte[]> implements Callback {
                private final Tally tally;
                private final long index, due, began;

                Sent(byte[] key, byte[] value, long index, long due, long began) {
                    super(topics[(int) (index % topics.length)], null, null, key, value, Run.this.headers(index, due));
                    tally = acks.of(index);
                    this.index = index;
                    this.due = due;
                    this.began = began;
                    if (tally.first == Long.MAX_VALUE) tally.first = began;
                }

                @Override
                public void onCompletion(RecordMetadata metadata, Exception e) {
                    long now = System.nanoTime();
                    if (e != null) {
                        failed(e, index, now, began, due);
                        return;
                    }
                    tally.acknowledged(now, began, due, value().length);
                    boolean hasOffset = metadata != null && metadata.hasOffset();
                    if (ledgerPart != null && hasOffset)
                        ledgerPart.acknowledged((int) (index % topics.length), metadata.partition(), metadata.offset());
                    if (acknowledged == null) return;
                    acknowledged.set((int) index);
                    if (!hasOffset) return;
                    TopicPartition partition = new TopicPartition(metadata.topic(), metadata.partition());
                    acknowledgedEnds.merge(partition, metadata.offset() + 1, Math::max);
                }
            }

            void send() throws InterruptedException {
                long latest = limited && nanos < Long.MAX_VALUE / 2 ? 2 * nanos : nanos;
                long transaction = 0, i = number;
                for (; i < count; i += senders.size()) {
                    byte[] value = source.values.of(i, random), key = source.key(random);
                    long due = due(i);
                    if (due - start >= nanos) break;
                    long now = await(due);
                    // What was due within --duration is sent even if a stall delayed it: left out, it would be missing
                    // just where it is late. But not for ever.
                    if (now - start >= latest) break;
                    if (transactionNanos > 0 && transaction == 0) {
                        producer.beginTransaction();
                        now = transaction = System.nanoTime();
                    }
                    Sent record = new Sent(key, value, i, limited ? due : now, now);
                    producer.send(record, record);
                    next = i + senders.size();
                    if (transaction != 0 && now - transaction >= transactionNanos) transaction = commit(i);
                }
                if (transaction != 0) commit(count - 1);
                producer.flush();
                ended = System.nanoTime();
                if (limited && duration != null) notSent(i, dueWithin(nanos)); // the producer records nothing more
            }

            private long dueWithin(long nanosSoFar) {
                return Math.min(count, (long) Math.ceil(nanosSoFar * throughput / 1e9));
            }

            /**
             * Records for what was due and not sent the response time so far; in a thousand steps at most, as there may
             * be millions.
             */
            private void notSent(long i, long end) {
                long now = System.nanoTime(), step = Math.max(1, (end - i) / senders.size() / 1000);
                while (i < end) {
                    long phaseEnd = i < warmupRecords ? Math.min(warmupRecords, end) : end;
                    long n = Math.min(step, (phaseEnd - i - 1) / senders.size() + 1);
                    acks.of(i).record(Kind.RESPONSE, now - due(i + n / 2 * senders.size()), n);
                    unsent.addAndGet(n);
                    i += n * senders.size();
                }
            }

            /** Returns each record's own time: no bursts, and what a stall delayed is caught up with. */
            private long due(long i) {
                return limited ? start + (long) (i * 1e9 / throughput) : start;
            }

            /** Commits and returns 0: no transaction. */
            private long commit(long index) {
                long began = System.nanoTime();
                producer.commitTransaction();
                if (ledgerPart != null) ledgerPart.committed();
                commits.of(index).record(Kind.COMMIT, System.nanoTime() - began);
                return 0;
            }

            private void finish() {
                producer.metrics()
                        .forEach((name, metric) -> metrics.put(name, metric.metricValue())); // lost when closed
                long closing = System.nanoTime();
                producer.close(CLOSE);
                if (ledgerPart != null) ledgerPart.closed();
                if (ended != 0) ended += System.nanoTime() - closing;
                else if (interrupted && limited) notSent(next, dueWithin(stopped - start));
            }
        }

        /** Returns a record's headers; with --e2e, they say which record of which run it is and since when it waits. */
        private Iterable<Header> headers(long index, long since) {
            if (!load.e2e) return source.headers.isEmpty() ? null : source.headers;
            List<Header> headers = new ArrayList<>(source.headers);
            ByteBuffer identity =
                    ByteBuffer.allocate(24).putLong(id).putLong(index).putLong(since);
            headers.add(new RecordHeader(IDENTITY, identity.array()));
            return headers;
        }

        /** Records a failure. Some come on the sending thread and others do not, hence synchronized. */
        private synchronized void failed(Exception e, long index, long now, long began, long due) {
            if (interrupted) { // given up by our own close
                unanswered(index, now, began, due);
                return;
            }
            if (failures == null) failures = new Phases(Kind.FAILED);
            Tally tally = failures.of(index);
            tally.record(Kind.FAILED, now - began);
            tally.count(now, 0);
            String name = e.getClass().getSimpleName();
            if (errors.merge(name, 1L, Long::sum) == 1 && !quiet) common.say("First %s: %s", name, e.getMessage());
        }

        /** Records the wait so far: left out, the longest would be missing just where the run was stopped for it. */
        private void unanswered(long index, long now, long began, long due) {
            if (waiting == null) waiting = ofSends();
            Tally tally = waiting.of(index);
            tally.record(Kind.SERVICE, now - began);
            if (limited) tally.record(Kind.RESPONSE, now - due);
            unresolved[index < warmupRecords ? 0 : 1]++;
        }

        String outstanding() {
            long sent = unresolved[0] + unresolved[1], due = unsent.get();
            return "of " + sent + " more that were sent the outcome is unknown"
                    + (due > 0 ? ", and " + due + " were due and not sent" : "")
                    + (sent + due > 0 ? "; the latencies include the time these waited so far" : "");
        }

        /** One consumer with its thread: reads its partitions from where they ended before the run. */
        final class Receiver {
            final BitSet seen = new BitSet();
            volatile long twice;
            boolean complete;
            private final org.apache.kafka.clients.consumer.Consumer<byte[], byte[]> consumer;
            private final Phases reads = new Phases(Kind.E2E);
            /** Where to read to, once all was sent. */
            private Map<TopicPartition, Long> ends;

            Receiver(org.apache.kafka.clients.consumer.Consumer<byte[], byte[]> consumer, List<TopicPartition> of) {
                this.consumer = consumer;
                consumer.assign(of);
                consumer.seekToEnd(of);
                of.forEach(consumer::position);
            }

            /** Reads until all was sent and the ends of then are reached, or nothing has come for --timeout. */
            void receive() {
                long moved = System.nanoTime();
                while (!complete && (ends == null || System.nanoTime() - moved < common.timeout.toNanos())) {
                    var records = consumer.poll(Duration.ofMillis(100));
                    long now = System.nanoTime();
                    for (var r : records) {
                        if (ends == null || r.offset() < end(r.topic(), r.partition()))
                            moved = now; // others may write on
                        Header identity = r.headers().lastHeader(IDENTITY);
                        if (identity != null) read(identity.value(), now, r.value().length);
                    }
                    if (running.getCount() > receivers.size()) continue; // some senders still send
                    if (ends == null) {
                        if (!findEnds()) return; // not complete, but what was measured is reported
                        moved = System.nanoTime();
                    }
                    complete =
                            ends.entrySet().stream().allMatch(end -> consumer.position(end.getKey()) >= end.getValue())
                                    // with acks=0 nobody knows the ends of what was sent
                                    && (!unacknowledged || records(Kind.E2E) >= records(Kind.SERVICE));
                }
            }

            private void read(byte[] identity, long now, int size) {
                if (identity == null || identity.length != 24) return;
                ByteBuffer fields = ByteBuffer.wrap(identity);
                if (fields.getLong() != id) return;
                int index = (int) fields.getLong();
                if (seen.get(index)) {
                    twice++;
                    return;
                }
                seen.set(index);
                reads.of(index).record(Kind.E2E, now - fields.getLong());
                reads.of(index).count(now, size);
            }

            private long end(String topic, int partition) {
                return ends.getOrDefault(new TopicPartition(topic, partition), 0L);
            }

            private boolean findEnds() {
                try {
                    ends = new HashMap<>(consumer.endOffsets(consumer.assignment(), common.timeout));
                } catch (org.apache.kafka.common.errors.TimeoutException e) {
                    return false;
                }
                ends.replaceAll((partition, end) -> Math.max(end, acknowledgedEnds.getOrDefault(partition, 0L)));
                return true;
            }
        }

        // ---- Before a run ----

        /** Gets what the first record would wait for: topics, metadata, transaction coordinator, ends of partitions. */
        void connect(boolean topicsExist) {
            Set<TopicPartition> partitions = new LinkedHashSet<>();
            for (int k = 1; k <= load.workload.producers; k++) {
                Properties own = (Properties) properties.clone();
                String suffix = k == 1 ? "" : "-" + k;
                for (String name : List.of("client.id", "transactional.id"))
                    own.computeIfPresent(name, (n, value) -> value + suffix);
                Producer<byte[], byte[]> producer = producer(own);
                senders.add(new Sender(producer));
                for (String topic : topics) partitions.addAll(partitions(producer, topic, topicsExist && !load.e2e));
                if (transactionNanos > 0) producer.initTransactions();
            }
            if (load.e2e) connectConsumers(List.copyOf(partitions));
        }

        /** Returns a topic's partitions; without metadata, each send may still try if the topic is known to exist. */
        private List<TopicPartition> partitions(Producer<?, ?> producer, String topic, boolean exists) {
            try {
                return producer.partitionsFor(topic).stream()
                        .map(partition -> new TopicPartition(topic, partition.partition()))
                        .toList();
            } catch (ApiException e) {
                if (exists && e instanceof RetriableException) return List.of();
                String why = " would fail: " + printable(e.getMessage());
                throw new Exit(ALL_FAILED, "Every send to " + printable(topic) + why);
            }
        }

        private void connectConsumers(List<TopicPartition> partitions) {
            int consumers = load.workload.consumers, n = partitions.size();
            refuse(consumers > n, "--consumers " + consumers + " are more than there are partitions (" + n + ").");
            Properties own = (Properties) properties.clone();
            own.keySet().removeAll(List.of("client.id", "transactional.id", "interceptor.classes", "group.id"));
            own.put("enable.auto.commit", "false");
            own.put("auto.offset.reset", "latest");
            own.put("isolation.level", transactionNanos > 0 ? "read_committed" : "read_uncommitted");
            for (int k = 0; k < consumers; k++) {
                List<TopicPartition> share = new ArrayList<>();
                for (int p = k; p < n; p += consumers) share.add(partitions.get(p));
                receivers.add(new Receiver(consumer(own), share));
            }
        }

        // ---- During a run ----

        Summary measure(Instant at) throws Exception {
            if (output.hdrLog != null) openLog();
            if (at != null) awaitStart(at);
            if (ledger != null) ledger.begin();
            printBeginning();
            long lead = limited ? 20 : 0; // until the threads have started, which is nobody's latency
            start = from = System.nanoTime() + lead * 1_000_000;
            startMs = System.currentTimeMillis() + lead;
            if (log != null) beginLog();
            collections.watch();
            receivers.forEach(r -> run(r::receive, r.consumer::close));
            senders.forEach(s -> run(s::send, s::finish));
            try {
                report();
            } catch (InterruptedException e) {
                stop();
            }
            collections.close();
            if (ledger != null) writeLedger();
            Summary summary = summary();
            throwProblem(summary.records());
            if (log != null && log.checkError()) notWritten = "--hdr-log: is the disk full?";
            return summary;
        }

        private void awaitStart(Instant at) throws InterruptedException {
            long wait = Duration.between(Instant.now(), at).toNanos();
            if (wait < 0) throw new Exit(1, "--start-at passed while perf still connected: leave it more time.");
            common.say("Connected; starts at %s.", at);
            await(System.nanoTime() + wait);
        }

        private void printBeginning() {
            if (source.entries != null) {
                print("Reading payloads from: " + printable(load.payloadFile.toAbsolutePath()));
                print("Number of records read: " + source.entries.length);
            }
            if (warmupRecords == 0) return;
            String then = " records. Steady state results will print after the complete test summary.";
            print("Warmup first " + warmupRecords + then);
        }

        private void stop() throws InterruptedException {
            stopped = System.nanoTime();
            synchronized (this) {
                interrupted = true;
            }
            threads.shutdownNow();
            running.await(CLOSE.toMillis() + 2000, TimeUnit.MILLISECONDS);
            window(System.nanoTime(), true);
        }

        private void throwProblem(long records) throws Exception {
            if (problem instanceof KafkaException e) {
                String sentence = "Stopped after " + records + " records: " + printable(e.getMessage());
                throw new Exit(records == 0 ? ALL_FAILED : 1, sentence);
            }
            if (problem instanceof Error e) throw e;
            if (problem instanceof Exception e) throw e;
        }

        private void writeLedger() {
            // The latest time of a record is the wall clock's, which may have been set back meanwhile.
            long until = Math.max(System.currentTimeMillis(), startMs + (System.nanoTime() - start) / 1_000_000 + 1);
            long unknown = unresolved[0] + unresolved[1];
            long failed = records(Kind.FAILED);
            Map<String, Object> end = ordered("failed", failed, "unresolved", unknown, "untilMs", until);
            try {
                ledger.write(running.getCount() == 0 ? end : null);
            } catch (IOException e) {
                notWritten = "--ledger: " + e.getMessage() + ".";
            }
        }

        interface Task {
            void run() throws Exception;
        }

        /** Runs a task on its own thread. A problem of one ends all; an interrupt is no problem. */
        private void run(Task task, Task close) {
            Runnable all = () -> {
                // An interrupted close would not wait.
                for (Task part : List.of(task, Thread::interrupted, close)) attempt(part);
                running.countDown();
            };
            try {
                threads.execute(all);
            } catch (RejectedExecutionException anotherHasEndedAll) {
                running.countDown();
            }
        }

        private void attempt(Task task) {
            try {
                task.run();
            } catch (InterruptedException | InterruptException e) {
                // Ctrl-C
            } catch (Throwable e) {
                if (problem == null) problem = e;
                threads.shutdownNow();
            }
        }

        private void report() throws InterruptedException {
            long interval = TimeUnit.MILLISECONDS.toNanos(output.intervalMs);
            long pause = screen.isOn() ? 200_000_000 : Long.MAX_VALUE;
            if (backlog != null && !screen.isOn()) pause = SAMPLE;
            for (boolean last = false; !last; ) {
                last = running.await(Math.min(from + interval - System.nanoTime(), pause), TimeUnit.NANOSECONDS);
                long now = System.nanoTime();
                if (!last) drawBar(now - start);
                if (backlog != null && now > start && now - start < nanos) sampleBacklog(now - start);
                if (!last && now - from < interval) continue;
                window(now, last);
                if (!last) checkOutputs();
            }
        }

        private void checkOutputs() throws InterruptedException {
            try {
                if (ledger != null) ledger.interim();
            } catch (IOException e) {
                throw new Exit(1, "Cannot write --ledger " + output.ledger + ": " + e.getMessage() + ".");
            }
            if (log != null && log.checkError())
                throw new Exit(1, "Cannot write --hdr-log " + output.hdrLog + ": is the disk full?");
            outputClosed = !quiet && common.out.checkError();
            if (outputClosed) throw new InterruptedException();
        }

        /** Samples how many records were due and have no outcome; with --e2e, none before it is read. */
        private void sampleBacklog(long nanosSoFar) {
            double due = Math.min(count, (long) (nanosSoFar * throughput / 1e9));
            long ended = records(Kind.SERVICE);
            if (load.e2e) ended = Math.min(ended, records(Kind.E2E));
            backlog.accept(nanosSoFar / 1e9, due - ended - records(Kind.FAILED));
        }

        private void drawBar(long nanosSoFar) {
            double ended = records(Kind.SERVICE) + records(Kind.FAILED), seconds = nanosSoFar / 1e9;
            double share = duration == null ? ended / count : (double) nanosSoFar / nanos;
            String left = Screen.left(ended == 0 ? 0 : share, seconds);
            screen.bar(share, String.format(Locale.ROOT, "%.0f records/s, %s", ended / seconds, left));
        }

        /** Collects and reports what was recorded since the last time. */
        private void window(long to, boolean last) {
            Latencies cold = new Latencies(), now = new Latencies();
            tallies.stream().filter(phases -> phases.warmup != null).forEach(phases -> phases.warmup.take(cold));
            tallies.forEach(phases -> phases.rest.take(now));
            cold.unanswered = unresolved[0];
            now.unanswered = unresolved[1];
            steady.addAll(now);
            boolean hasCold = cold.hasValues(), hasSteady = now.count(Kind.SERVICE) > 0;
            // An interval's latencies are of the warm-up or of the rest, its rate is of both.
            Map<String, Object> latencies = (hasSteady || !hasCold ? now : cold).fields();
            if (log != null && hasCold) log(cold, to, "warmup");
            if (log != null && (hasSteady || !hasCold && !last)) log(now, to, null);
            now.addAll(cold);
            all.addAll(now);
            if (last && !now.hasValues()) return;
            Summary w = interval(now, to);
            from = to;
            Map<String, Object> fields = w.rates();
            fields.putAll(latencies);
            if (warmupRecords > 0) fields.put("steady", steady.count(Kind.SERVICE) > 0);
            emit("perf-window", fields);
            if (last) return; // no line for the rest, as with Apache's
            boolean steadyNow = warmupRecords > 0 && !hasCold && hasSteady;
            if (steadyNow && !isSteady) print("In steady state.");
            isSteady |= steadyNow;
            print(w.intervalLine());
        }

        /** Sums up an interval; its bytes are estimated, as they are not taken together with the histograms. */
        private Summary interval(Latencies now, long to) {
            long sent = records(Kind.SERVICE);
            double meanSize = (double) sum(Kind.SERVICE, tally -> tally.bytes.get()) / Math.max(1, sent);
            long bytes = Math.round((now.count(Kind.SERVICE) - now.unanswered) * meanSize);
            return new Summary((to - from) / 1e9, bytes, now, null, false, null);
        }

        // ---- The latency log ----

        private void openLog() {
            try {
                log = new PrintStream(new FileOutputStream(output.hdrLog), false, StandardCharsets.UTF_8);
            } catch (FileNotFoundException e) {
                throw new Exit(2, "Cannot write --hdr-log: " + e.getMessage() + ".");
            }
        }

        private void beginLog() {
            writer = new HistogramLogWriter(log);
            writer.outputLogFormatVersion();
            writer.outputComment(
                    "[kraft-lab perf: values in microseconds, Interval_Max in milliseconds; Tag=response: from"
                            + " when a record was due; e2e: until it was read; commit: of a transaction]");
            String warmup =
                    " records are a warm-up, which no objective is judged by: Tag=warmup, warmup-response, ...]";
            if (warmupRecords > 0) writer.outputComment("[The first " + warmupRecords + warmup);
            writer.outputStartTime(startMs);
            writer.outputLegend();
        }

        /** Writes an interval's histograms; those of the warm-up under tags of their own. */
        private void log(Latencies interval, long to, String prefix) {
            interval.forEach((kind, h) -> {
                String tag = prefix == null ? kind.tag : prefix + "-" + kind.tag;
                h.setTag(kind == Kind.SERVICE ? prefix : tag);
                writer.outputIntervalHistogram((from - start) / 1e9, (to - start) / 1e9, h, 1000);
            });
        }

        // ---- After a run ----

        private Summary summary() {
            Summary steadyState = null;
            if (warmupRecords > 0 && steady.count(Kind.SERVICE) > steady.unanswered) {
                List<Tally> rest = tallies.stream().map(phases -> phases.rest).toList();
                long began = rest.stream().mapToLong(tally -> tally.first).min().getAsLong();
                steadyState = summary(rest, began, steady, null, null);
            }
            List<Tally> whole = tallies.stream().flatMap(Phases::stream).toList();
            return summary(whole, start, all, load.e2e ? readBack() : null, steadyState);
        }

        /** Sums up to the last acknowledgement or failure, until all was closed, or to the interrupt. */
        private Summary summary(List<Tally> tallies, long began, Latencies latencies, ReadBack read, Summary steady) {
            long bytes = 0, end = stopped;
            for (Tally tally : tallies) {
                if (!tally.has(Kind.SERVICE) && !tally.has(Kind.FAILED)) continue;
                bytes += tally.bytes.get();
                end = Math.max(end, tally.last);
            }
            for (Sender sender : senders) end = Math.max(end, sender.ended);
            return new Summary((end - began) / 1e9, bytes, latencies, read, interrupted && !outputClosed, steady);
        }

        private ReadBack readBack() {
            BitSet read = new BitSet(), missing = new BitSet();
            receivers.forEach(r -> read.or(r.seen));
            senders.stream().filter(s -> s.acknowledged != null).forEach(s -> missing.or(s.acknowledged));
            missing.andNot(read);
            long last = of(Kind.E2E).mapToLong(tally -> tally.last).max().getAsLong(), records = all.count(Kind.E2E);
            double seconds = Math.max(last - start, 1) / 1e9;
            double mb = sum(Kind.E2E, tally -> tally.bytes.get()) / 1048576.0;
            long twice = receivers.stream().mapToLong(r -> r.twice).sum();
            boolean complete = receivers.stream().allMatch(r -> r.complete);
            return new ReadBack(records, records / seconds, mb / seconds, missing.cardinality(), twice, complete);
        }

        // ---- What limited it ----

        private static final String EXPLAINED = "record-queue-time-avg record-queue-time-max request-latency-avg"
                + " request-latency-max batch-size-avg batch-size-max records-per-request-avg record-size-avg"
                + " compression-rate-avg produce-throttle-time-avg produce-throttle-time-max"
                + " bufferpool-wait-time-ns-total metadata-wait-time-ns-total record-retry-total batch-split-total"
                + " requests-in-flight io-ratio";

        /** Returns a producers' metric of the whole run: the average, of maxima the highest; NaN if there is none. */
        private double metric(String name) {
            DoubleSummaryStatistics values = new DoubleSummaryStatistics();
            metrics.forEach((metric, value) -> {
                boolean isWanted = metric.group().equals("producer-metrics")
                        && metric.name().equals(name);
                if (isWanted && value instanceof Double d && Double.isFinite(d)) values.accept(d);
            });
            if (values.getCount() == 0) return Double.NaN;
            return name.endsWith("-max") ? values.getMax() : values.getAverage();
        }

        void explain(Summary s) {
            double queueMs = metric("record-queue-time-avg"), requestMs = metric("request-latency-avg");
            common.say("%s", collections.sentence(s.seconds));
            if (Double.isNaN(queueMs) || Double.isNaN(requestMs)) {
                common.say("What limited it is not known: the client has no figures of so short a run.");
                return;
            }
            sayWhereRecordsWaited(queueMs, requestMs);
            sayHowFullBatchesWere();
            double throttleMs = metric("produce-throttle-time-avg");
            if (throttleMs > 0) common.say("The brokers' quota delayed a request by %.1f ms on average.", throttleMs);
            double responseMs = Latencies.ms(s.judged().response(), "p99");
            double serviceMs = Latencies.ms(s.judged().service(), "p99");
            boolean waitedForSend = responseMs > 1 + 1.5 * serviceMs;
            String times = "%.1f ms after they were due, and %.1f ms after send(): they waited to be sent.";
            if (waitedForSend) common.say("99%% of the records had their answer " + times, responseMs, serviceMs);
            double blocked = metric("bufferpool-wait-time-ns-total") / 1e9 / s.seconds;
            String how = blocked >= 0.01 ? "blocked for %.0f%% of the time" : "not blocked";
            common.say("send() was " + how + " by a full buffer.memory.", 100 * blocked);
            boolean isBehindBrokers = limited ? !waitedForSend : queueMs > requestMs;
            sayWhatSetThePace(s, blocked >= 0.05 || isBehindBrokers);
            if (!output.explain) return;
            for (String name : EXPLAINED.split(" ")) common.say("  %-34s %,.2f", name, metric(name));
        }

        private void sayWhereRecordsWaited(double queueMs, double requestMs) {
            String times = "%.1f ms in the producer's buffer, then %.1f ms on the wire and in the broker.";
            String share = "%.0f%% of the latency is the producer's own queue: ";
            String ahead = " At --throughput -1 it says how far the producer is ahead, not how fast a broker answers.";
            double percent = 100 * queueMs / (queueMs + requestMs);
            if (limited) common.say("A batch was on average " + times, queueMs, requestMs);
            else common.say(share + times + ahead, percent, queueMs, requestMs);
        }

        private void sayHowFullBatchesWere() {
            Object otherwise = ProducerConfig.configDef().defaultValues().get("batch.size");
            int batchSize = Integer.parseInt(property("batch.size", otherwise).trim());
            if (batchSize <= 0) return;
            double bytes = metric("batch-size-avg"), records = metric("records-per-request-avg");
            double ratio = metric("compression-rate-avg");
            String full = "Batches were %.0f%% full (%.0f bytes of batch.size=%d), a request had %.1f records, ";
            String compressed = ratio < 0.999 ? "compressed to %.0f%% of their size." : "not compressed.";
            common.say(full + compressed, 100 * bytes / batchSize, bytes, batchSize, records, 100 * ratio);
        }

        private void sayWhatSetThePace(Summary s, boolean isBehindBrokers) {
            if (limited && s.reached(throughput)) {
                common.say("--throughput set the pace: its %.0f records/s were reached.", throughput);
                return;
            }
            String pacemaker = "This machine and its producers (more --producers may help)";
            if (isBehindBrokers) pacemaker = "Network and brokers";
            if (collections.share(s.seconds) >= 0.1) pacemaker = "The client's own collections (more memory may help)";
            String only = ": of %.0f records/s only %.1f were reached";
            String reached = limited ? String.format(Locale.ROOT, only, throughput, s.recordsPerSec()) : "";
            common.say("%s set the pace%s.", pacemaker, reached);
        }

        @Override
        public void close() {
            boolean interrupted = Thread.interrupted(); // a closing client would not wait at all
            threads.shutdownNow();
            collections.close();
            try {
                if (startMs != 0) running.await(CLOSE.toMillis() + 2000, TimeUnit.MILLISECONDS);
            } catch (InterruptedException e) {
                interrupted = true;
            }
            senders.forEach(s -> s.producer.close(Duration.ZERO));
            if (startMs == 0) receivers.forEach(r -> r.consumer.close());
            if (log != null) log.close();
            if (interrupted) Thread.currentThread().interrupt();
        }
    }

    /** This JVM's garbage collections in a run: their pauses count as latency. Concurrent cycles pause nothing. */
    static final class GarbageCollections implements NotificationListener {
        private final List<GarbageCollectorMXBean> collectors = ManagementFactory.getGarbageCollectorMXBeans().stream()
                .filter(collector -> !collector.getName().matches(".*(Cycles|Concurrent).*"))
                .toList();
        private long count, totalMs;
        /** Of the one thread that notifies. */
        private volatile long seen, longestMs;

        private boolean watching;

        void watch() {
            collectors.forEach(c -> ((NotificationEmitter) c).addNotificationListener(this, null, null));
            count = -sum(GarbageCollectorMXBean::getCollectionCount);
            totalMs = -sum(GarbageCollectorMXBean::getCollectionTime);
            watching = true;
        }

        private long sum(ToLongFunction<GarbageCollectorMXBean> figure) {
            return collectors.stream().mapToLong(figure).sum();
        }

        @Override
        public void handleNotification(Notification notification, Object unused) {
            if (!notification.getType().equals(GarbageCollectionNotificationInfo.GARBAGE_COLLECTION_NOTIFICATION))
                return;
            var collection = GarbageCollectionNotificationInfo.from((CompositeData) notification.getUserData());
            longestMs = Math.max(longestMs, collection.getGcInfo().getDuration());
            seen = seen + 1;
        }

        void close() {
            if (!watching) return;
            watching = false;
            count += sum(GarbageCollectorMXBean::getCollectionCount);
            totalMs += sum(GarbageCollectorMXBean::getCollectionTime);
            // Notifications come a little later, within a tenth of a second at most.
            long until = System.nanoTime() + 100_000_000;
            while (seen < count && System.nanoTime() < until) LockSupport.parkNanos(1_000_000);
            try {
                for (GarbageCollectorMXBean c : collectors) ((NotificationEmitter) c).removeNotificationListener(this);
            } catch (OperationsException e) {
                throw new IllegalStateException(e);
            }
        }

        double share(double seconds) {
            return totalMs / 1000.0 / seconds;
        }

        Map<String, Object> fields() {
            return ordered("collections", count, "collectionsMs", totalMs, "longestCollectionMs", longestMs);
        }

        String sentence(double seconds) {
            if (count == 0) return "The client's own garbage collections: none.";
            String figures = "%d, longest %d ms, %.1f%% of the time; their pauses count as latency.";
            figures = String.format(Locale.ROOT, figures, count, longestMs, 100 * share(seconds));
            return "The client's own garbage collections: " + figures;
        }
    }

    /** Waits until then, not at all if it has passed, and returns the time. */
    private static long await(long until) throws InterruptedException {
        while (true) {
            if (Thread.interrupted()) throw new InterruptedException();
            long now = System.nanoTime();
            if (now >= until) return now;
            LockSupport.parkNanos(until - now);
        }
    }

    // ---- Results ----

    /** What was read back; what is missing is lost only if the reading is complete: to the ends of all partitions. */
    record ReadBack(long records, double perSec, double mbPerSec, long missing, long twice, boolean complete) {}

    /** A run, its steady state or an interval; {@code read}, or {@code steady}, without its warm-up, may be null. */
    public record Summary(
            double seconds, long bytes, Latencies latencies, ReadBack read, boolean interrupted, Summary steady) {
        public Summary {
            seconds = Math.max(seconds, 1e-9);
        }

        public Histogram service() {
            return latencies.get(Kind.SERVICE);
        }

        /** From when a record was due; at unlimited throughput, when each is due at once, from {@code send()}. */
        public Histogram response() {
            return latencies.getOrDefault(Kind.RESPONSE, service());
        }

        public long failed() {
            return latencies.count(Kind.FAILED);
        }

        public long records() {
            return service().getTotalCount() - latencies.unanswered;
        }

        /** Returns what objectives, percentiles and plots are of: the run without its warm-up, if it has one. */
        Summary judged() {
            return steady == null ? this : steady;
        }

        public double recordsPerSec() {
            return records() / seconds;
        }

        public double mbPerSec() {
            return bytes / 1048576.0 / seconds;
        }

        /**
         * Returns records per second without the time of an answer for which none has to wait, which is no lack of
         * speed; a queue that grows is one, and most wait in it.
         */
        public double reached() {
            return records() / Math.max(1e-9, seconds - Latencies.ms(service(), "p10") / 1000);
        }

        /** Allows 2 %, or, in a short run, the fifth of a second that one late answer and the closing may take. */
        boolean reached(double rate) {
            double wanted = records() / rate;
            return records() / reached() <= Math.max(1.02 * wanted, wanted + 0.2);
        }

        Map<String, Object> rates() {
            Map<String, Object> rates = ordered("records", records(), "recordsPerSec", recordsPerSec());
            rates.putAll(ordered("mbPerSec", mbPerSec(), "failed", failed()));
            return rates;
        }

        Map<String, Object> fields() {
            Map<String, Object> fields = rates();
            if (latencies.unanswered > 0) fields.put("outstanding", latencies.unanswered);
            fields.putAll(latencies.fields());
            if (latencies.containsKey(Kind.COMMIT)) fields.put("commits", latencies.count(Kind.COMMIT));
            if (read == null) return fields;
            fields.putAll(ordered("read", read.records, "readPerSec", read.perSec, "readMbPerSec", read.mbPerSec));
            fields.putAll(ordered("missing", read.missing, "readTwice", read.twice));
            return fields;
        }

        /** Returns the line that kafka-producer-perf-test prints at the end. */
        String line(String state) {
            StringBuilder line =
                    new StringBuilder(rates("%d" + state + " records sent, %f records/sec (%.2f MB/sec)", 2));
            for (String percent : List.of("50", "95", "99", "99.9"))
                line.append(String.format(Locale.ROOT, ", %d ms %sth", Math.round(ms("p" + percent)), percent));
            return line.append('.').toString();
        }

        /** Returns the line that kafka-producer-perf-test prints for an interval. */
        String intervalLine() {
            return rates("%d records sent, %.1f records/sec (%.2f MB/sec)", 1) + ".";
        }

        private String rates(String rates, int decimals) {
            String latencies = ", %." + decimals + "f ms avg latency, %." + decimals + "f ms max latency";
            Object[] figures = {records(), recordsPerSec(), mbPerSec(), ms("avg"), ms("max")};
            return String.format(Locale.ROOT, rates + latencies, figures);
        }

        private double ms(String figure) {
            return Latencies.ms(service(), figure);
        }
    }

    /**
     * What a run should keep to: {@code p99=50ms} of the response time (at unlimited throughput the service time),
     * {@code e2e-p99.9=1s}, {@code throughput=9000}.
     */
    record Objective(String text, Kind kind, String figure, double limit) {
        static class Reader implements ITypeConverter<Objective> {
            private static final String NUMBER = "(\\d+(?:\\.\\d+)?)";
            private static final Pattern RATE = Pattern.compile("(throughput|mb|failed)=" + NUMBER);
            private static final Pattern LATENCY = Pattern.compile(
                    "(?:(service|response|e2e|commit)-)?(avg|max|p\\d\\d?(?:\\.\\d+)?)=" + NUMBER + "(us|ms|s)");

            @Override
            public Objective convert(String given) {
                String text = given.trim();
                Matcher rate = RATE.matcher(text), latency = LATENCY.matcher(text);
                if (rate.matches()) return new Objective(text, null, rate.group(1), Double.parseDouble(rate.group(2)));
                String wrong = "' is not an objective such as p99=50ms, e2e-max=1s or throughput=9000";
                if (!latency.matches()) throw new TypeConversionException("'" + given + wrong);
                String name = latency.group(1);
                Kind kind = name == null ? null : Kind.valueOf(name.toUpperCase(Locale.ROOT));
                double unit = Map.of("us", 1e-3, "ms", 1.0, "s", 1e3).get(latency.group(4));
                return new Objective(text, kind, latency.group(2), Double.parseDouble(latency.group(3)) * unit);
            }
        }

        /** Returns milliseconds, or what else is compared; NaN if there is no such latency. */
        double value(Summary s) {
            return switch (figure) {
                case "throughput" -> s.recordsPerSec();
                case "mb" -> s.mbPerSec();
                case "failed" -> s.failed();
                default -> latency(s);
            };
        }

        private double latency(Summary s) {
            Histogram h = kind == null ? s.response() : s.latencies.get(kind);
            if (h == null || h.getTotalCount() == 0) return Double.NaN;
            if (s.failed() == 0 || kind == Kind.E2E || kind == Kind.COMMIT) return Latencies.ms(h, figure);
            // Sends that failed had no answer in time: they are the slowest of all sends.
            if (!figure.startsWith("p")) return Double.POSITIVE_INFINITY;
            double all = h.getTotalCount() + s.failed();
            double percentile = Double.parseDouble(figure.substring(1)) * all / h.getTotalCount();
            if (percentile > 100 + 1e-9) return Double.POSITIVE_INFINITY;
            return Latencies.ms(h, "p" + Math.min(percentile, 100));
        }

        boolean atLeast() {
            return figure.equals("throughput") || figure.equals("mb");
        }

        /** Returns how it was missed; null if it was kept. */
        String missed(Summary s) {
            double value = value(s);
            if (atLeast() ? value >= limit : value <= limit) return null;
            if (Double.isNaN(value)) return missed("there is no such latency.");
            if (Double.isInfinite(value)) return missed(s.failed() + " sends failed.");
            String unit = atLeast() || figure.equals("failed") ? "." : " ms.";
            return missed(String.format(Locale.ROOT, "%.2f%s", value, unit));
        }

        String missed(String reason) {
            return "Objective " + text + " missed: " + reason;
        }
    }

    // ---- Options ----

    private void check() {
        requirePositive("--num-records", numRecords);
        requirePositive("--duration", duration == null ? null : duration.toMillis());
        requirePositive("--timeout", common.timeout.toMillis());
        requirePositive("--producers", load.workload.producers);
        requirePositive("--consumers", load.workload.consumers);
        requirePositive("--reporting-interval", output.intervalMs);
        requirePositive("--transaction-duration-ms", load.compatibility.transactionMs);
        checkLoad();
        refuse(common.json && output.csv, "--json and --csv both want stdout: give one of them.");
        for (Objective o : objectives) {
            refuse(o.kind == Kind.E2E && !load.e2e, "--slo " + o.text + " needs --e2e.");
            refuse(o.kind == Kind.RESPONSE && throughput < 0, "--slo " + o.text + " needs a limited --throughput.");
        }
        Path plot = output.percentiles;
        refuse(plot != null && !isWritable(plot), "Cannot write --percentiles " + plot + ".");
        checkDeprecated();
    }

    private static void requirePositive(String option, Number value) {
        refuse(value != null && value.longValue() <= 0, option + " should be greater than zero.");
    }

    private void checkLoad() {
        refuse((numRecords == null) == (duration == null), "Give either --num-records or --duration.");
        int payloads =
                Collections.frequency(List.of(load.sizes != null, load.payloadFile != null, load.monotonic), true);
        refuse(payloads != 1, "Give one of --record-size, --payload-file and --payload-monotonic.");
        refuse(duration != null && duration.toDays() > 10_000, "--duration is too long.");
        boolean isRate = throughput < 0 || throughput >= 1e-6 && throughput <= 1e9;
        String never = " would never send, or all at once; give records per second, or -1 for no limit.";
        refuse(!isRate, "--throughput " + throughput + never);
        long most = numRecords == null ? 0 : numRecords, warmup = output.warmupRecords;
        refuse(warmup < 0 || most > 0 && warmup >= most, "--warmup-records must be fewer than --num-records.");
        int keys = load.workload.keys, fewest = load.workload.choice == Choice.ZIPFIAN ? 1 : 0;
        refuse(keys < fewest, "--keys should be greater than zero; --key-choice chooses among them.");
        boolean isBlank = load.topics().stream().anyMatch(String::isBlank);
        refuse(isBlank, "--topic should name a topic, or several with commas between them.");
        refuse(load.e2e && most > Integer.MAX_VALUE, "--e2e keeps count of at most 2147483647 records.");
    }

    private void checkDeprecated() {
        boolean props = !load.compatibility.producerProps.isEmpty();
        String old = " is the old name of --command-property: give one of them.";
        refuse(props && !load.commandProperties.isEmpty(), "--producer-props" + old);
        Path config = load.compatibility.producerConfig, given = common.commandConfig;
        // In a second run, both are the same object.
        boolean isBoth = config != null && given != null && given != config;
        refuse(isBoth, "--producer.config is the old name of --command-config: give one of them.");
        if (props && !quiet) common.say("--producer-props is deprecated, use --command-property.");
        if (config != null && !quiet) common.say("--producer.config is deprecated, use --command-config.");
    }

    private static void refuse(boolean wrong, String sentence) {
        if (wrong) throw new Exit(2, sentence);
    }

    private static boolean isWritable(Path file) {
        if (Files.isDirectory(file)) return false;
        return Files.isWritable(
                Files.exists(file) ? file : file.toAbsolutePath().getParent());
    }

    private static void put(String pair, String what, BiConsumer<String, String> into) {
        int equals = pair.indexOf('='); // the first: values may have more of them
        refuse(equals < 1, what + " '" + pair + "' is not NAME=VALUE.");
        into.accept(pair.substring(0, equals), pair.substring(equals + 1));
    }

    private Instant startAt() {
        String text = output.startAt;
        if (text == null) return null;
        try {
            Instant at = text.contains("T")
                    ? OffsetDateTime.parse(text).toInstant()
                    : LocalDate.now()
                            .atTime(LocalTime.parse(text))
                            .atZone(ZoneId.systemDefault())
                            .toInstant();
            refuse(at.isBefore(Instant.now()), "--start-at " + text + " has passed.");
            return at;
        } catch (DateTimeParseException e) {
            String examples = "14:05, 14:05:30 or 2026-11-23T14:05:00Z";
            throw new Exit(2, "'" + text + "' of --start-at is not a time such as " + examples + ".");
        }
    }

    /** Returns the producer's properties. --bootstrap-server wins over those given, these over the file's. */
    private Properties properties() throws IOException {
        CompatibilityOptions options = load.compatibility;
        if (options.producerConfig != null) common.commandConfig = options.producerConfig;
        Properties properties = common.client();
        boolean given = common.spec.commandLine().getParseResult().hasMatchedOption("--bootstrap-server");
        for (String pair : options.producerProps.isEmpty() ? load.commandProperties : options.producerProps)
            put(pair, "Property", properties::put);
        if (given) properties.put("bootstrap.servers", common.bootstrapServer);

        common.bootstrapServer = properties.getProperty("bootstrap.servers");
        properties.putIfAbsent("client.id", "perf-producer-client");
        // One window as long as any run: metrics are of the whole run, and not of its last half to whole minute.
        properties.putIfAbsent("metrics.num.samples", "1");
        properties.putIfAbsent("metrics.sample.window.ms", "" + TimeUnit.DAYS.toMillis(10_000));
        if (options.transactionalId != null) properties.put("transactional.id", options.transactionalId);
        else if (options.transactionMs != null)
            properties.putIfAbsent("transactional.id", "performance-producer-" + UUID.randomUUID());
        properties.putAll(load.overrides);
        return properties;
    }

    // ---- The cluster ----

    /** Makes a producer; tests replace it by one of known delays. */
    Producer<byte[], byte[]> producer(Properties properties) {
        return new KafkaProducer<>(properties, new ByteArraySerializer(), new ByteArraySerializer());
    }

    org.apache.kafka.clients.consumer.Consumer<byte[], byte[]> consumer(Properties properties) {
        return new KafkaConsumer<>(properties, new ByteArrayDeserializer(), new ByteArrayDeserializer());
    }

    /** Reports up front what would otherwise be one metadata timeout after another. */
    boolean topicsExist(Properties producer) throws Exception {
        int timeout = (int) Math.min(common.timeout.toMillis(), Integer.MAX_VALUE);
        common.usable();
        Properties properties = (Properties) producer.clone();
        properties.put("default.api.timeout.ms", timeout);
        properties.put("request.timeout.ms", Math.min(timeout, 30_000));
        properties.put("retries", Integer.MAX_VALUE);
        Admin admin = Admin.create(properties);
        try {
            boolean all = true;
            var topics = admin.describeTopics(load.topics()).topicNameValues();
            for (var topic : topics.entrySet()) all &= exists(admin, topic.getKey(), topic.getValue());
            return all;
        } finally {
            admin.close(Duration.ZERO);
        }
    }

    private boolean exists(Admin admin, String topic, KafkaFuture<TopicDescription> description) throws Exception {
        try {
            description.get();
            return true;
        } catch (ExecutionException e) {
            Throwable cause = e.getCause();
            refuse(cause instanceof InvalidTopicException, "'" + printable(topic) + "' is not a valid topic name.");
            if (cause instanceof AuthorizationException)
                return true; // who may not describe may still be allowed to write
            if (!(cause instanceof UnknownTopicOrPartitionException)) throw e;
        }
        if (!brokersCreateTopics(admin)) {
            String advice =
                    " does not exist, and the brokers do not create it by themselves; create it first (create-topic).";
            throw new Exit(ALL_FAILED, "Topic " + printable(topic) + advice);
        }
        common.say("Topic %s does not exist: the brokers create it, with their defaults.", topic);
        return false;
    }

    private static boolean brokersCreateTopics(Admin admin) throws InterruptedException {
        try {
            Node any = admin.describeCluster().nodes().get().iterator().next();
            var brokers = List.of(new ConfigResource(ConfigResource.Type.BROKER, any.idString()));
            return admin.describeConfigs(brokers).all().get().values().stream()
                    .noneMatch(broker ->
                            broker.get("auto.create.topics.enable").value().equals("false"));
        } catch (ExecutionException notAllowed) {
            return true;
        }
    }

    // ---- Files ----

    /** Writes the service time's percentiles into --percentiles, the others' beside it. */
    private void writePercentiles(Latencies latencies) {
        if (output.percentiles == null) return;
        try {
            for (var latency : latencies.entrySet()) {
                Path to = latency.getKey().beside(output.percentiles);
                try (PrintStream out = new PrintStream(to.toFile(), "UTF-8")) {
                    latency.getValue().outputPercentileDistribution(out, 5, 1000.0);
                    if (out.checkError()) throw new IOException(to + " (is the disk full?)");
                }
            }
        } catch (IOException e) {
            notWritten = "--percentiles: " + e.getMessage() + ".";
        }
    }

    // ---- Common to the scripts that draw on the terminal. ./jbang format copies it from lib/cli/Screen.java. ----

    /**
     * A status area in the last lines of a terminal, redrawn in place; printed lines scroll by above it. Where the
     * stream is no terminal (a pipe, a file, TERM=dumb, a script that another one calls), nothing is drawn and no
     * control character is written. The cursor is never hidden, so there is nothing to restore, however the
     * script ends.
     *
     * <p>Not JLine: its terminal opens in 250 ms instead of 50, fails if stdin is no terminal, and takes two more jars.
     */
    static final class Screen {
        /** The streams of the process, which main passes on: where any other stream leads is not known. */
        static final PrintWriter OUT = writer(System.out), ERR = writer(System.err);

        static final boolean COLOURS = environment("NO_COLOR").isEmpty();
        /** Whether the terminal can show block characters. */
        static final boolean UNICODE = encoding().equalsIgnoreCase("UTF-8");

        private static final long RESIZE_NANOS = 400_000_000, BAR_NANOS = 200_000_000;

        /** Adds colours to a line that has its final width. */
        UnaryOperator<String> paint = line -> line;

        private PrintWriter terminal;
        private List<String> drawn = List.of();
        private int columns = 80, rows = 24;
        private long measuredAt = System.nanoTime() - RESIZE_NANOS, barAt = measuredAt;

        private Screen(PrintWriter terminal) {
            this.terminal = terminal;
        }

        private static String environment(String name) {
            return Objects.requireNonNullElse(System.getenv(name), "");
        }

        private static String encoding() {
            return System.getProperty(
                    "stdout.encoding", java.nio.charset.Charset.defaultCharset().name());
        }

        /** Without a locale, as in a container or under cron, Java assumes ASCII; the reader has UTF-8. */
        private static PrintWriter writer(PrintStream stream) {
            var set = java.nio.charset.Charset.forName(encoding().equals("US-ASCII") ? "UTF-8" : encoding());
            return new PrintWriter(new OutputStreamWriter(stream, set), true);
        }

        static Screen none() {
            return new Screen(null);
        }

        static Screen on(PrintWriter stream) {
            return isTerminal(stream) ? new Screen(unguarded(stream)) : none();
        }

        boolean isOn() {
            return terminal != null;
        }

        /** Returns the writer below one that lets no control character through. */
        private static PrintWriter unguarded(PrintWriter stream) {
            return stream instanceof Supplier<?> guard ? (PrintWriter) guard.get() : stream;
        }

        /** Asks test(1), since System.console() is about stdin and stdout together or, in newer Java, about neither. */
        static boolean isTerminal(PrintWriter guarded) {
            PrintWriter stream = unguarded(guarded);
            if (stream != OUT && stream != ERR) return false;
            if (List.of("", "dumb").contains(environment("TERM"))) return false;
            ProcessBuilder test = new ProcessBuilder("test", "-t", stream == OUT ? "1" : "2").inheritIO();
            try {
                return test.start().onExit().join().exitValue() == 0;
            } catch (IOException noSuchCommand) {
                return false;
            }
        }

        /** Returns the columns to use: all but the last one, after which terminals differ. */
        synchronized int width() {
            if (System.nanoTime() - measuredAt < RESIZE_NANOS) return columns - 1;
            measuredAt = System.nanoTime();
            ProcessBuilder stty = new ProcessBuilder("stty", "size").redirectInput(new File("/dev/tty"));
            try (InputStream size = stty.start().getInputStream()) {
                String[] numbers = new String(size.readAllBytes()).trim().split(" ");
                if (String.join(" ", numbers).matches("[1-9]\\d{0,4} [1-9]\\d{0,4}")) {
                    rows = Integer.parseInt(numbers[0]);
                    columns = Integer.parseInt(numbers[1]);
                }
            } catch (IOException unknown) {
                // stays as it was
            }
            String limit = environment("COLUMNS");
            if (limit.matches("[1-9]\\d{0,3}")) columns = Math.min(columns, Integer.parseInt(limit));
            return columns - 1;
        }

        synchronized void draw(List<String> lines) {
            if (terminal == null) return;
            int width = width();
            int before = drawn.stream().mapToInt(this::rows).sum();
            int up = drawn.isEmpty() ? 0 : before - rows(drawn.get(drawn.size() - 1));
            drawn = lines.stream()
                    .limit(Math.max(1, rows - 1))
                    .map(line -> cut(Guard.harmless(line), width))
                    .toList();
            List<String> painted = drawn.stream().map(paint).toList();
            terminal.print((up == 0 ? "\r" : "\r\033[" + up + "A") + "\033[K" + String.join("\n\033[K", painted));
            // Erased line by line: tmux would keep a screen that is cleared at once in its history.
            if (!drawn.isEmpty()) terminal.print("\033[J\r");
            else terminal.print(before > 1 ? "\n\033[J\033[A\r" : "\r");
            terminal.flush();
        }

        /** Returns how many rows a drawn line takes: a terminal that was made narrower has wrapped it. */
        private int rows(String line) {
            return Math.max(1, (width(line) + columns - 1) / columns);
        }

        /** Erases what is drawn. */
        synchronized void clear() {
            if (!drawn.isEmpty()) draw(List.of());
        }

        /** Erases what is drawn, for good. */
        synchronized void close() {
            clear();
            terminal = null;
        }

        /** Leaves what is drawn where it is, for good. */
        synchronized void keep() {
            draw(drawn); // over the ^C of the terminal
            if (!drawn.isEmpty()) terminal.println();
            drawn = List.of();
            terminal = null;
        }

        /** Draws a progress bar, at most five times a second. */
        synchronized void bar(double share, String text) {
            if (terminal == null || System.nanoTime() - barAt < BAR_NANOS) return;
            barAt = System.nanoTime();
            double done = Math.min(1, share);
            int length = Math.max(5, Math.min(30, width() - 9 - text.length()));
            String bar = "#".repeat((int) (done * length));
            draw(List.of(String.format(Locale.ROOT, "[%-" + length + "s] %.0f%%  %s", bar, done * 100, text)));
        }

        /** Returns the time left when this share took so many seconds. */
        static String left(double share, double seconds) {
            if (!(share > 0)) return "? s left";
            double left = Math.max(0, seconds / share - seconds);
            return left < 100 ? Math.round(left) + " s left" : (int) Math.ceil(left / 60) + " min left";
        }

        /** Returns a writer whose lines go above what is drawn; on a terminal, each in the given form. */
        PrintWriter above(PrintWriter stream, UnaryOperator<String> form) {
            if (terminal == null) return stream;
            boolean onTerminal = isTerminal(stream);
            Writer above = new Writer() {
                private final StringBuilder text = new StringBuilder();

                @Override
                public void write(char[] chars, int from, int length) {
                    synchronized (Screen.this) {
                        int end = text.append(chars, from, length).lastIndexOf("\n") + 1;
                        if (end == 0) return;
                        List<String> below = drawn;
                        clear();
                        if (onTerminal) text.substring(0, end).lines().map(form).forEach(stream::println);
                        else stream.print(text.substring(0, end));
                        stream.flush();
                        text.delete(0, end);
                        // What is piped may reach the terminal later: the area stays erased until its next redraw.
                        if (onTerminal && !below.isEmpty()) draw(below);
                    }
                }

                @Override
                public void flush() throws IOException {
                    if (stream.checkError()) throw new IOException("closed");
                }

                @Override
                public void close() {
                    stream.flush();
                }
            };
            return new PrintWriter(above, true);
        }

        /** Returns how many columns of a terminal a line takes. */
        static int width(String line) {
            return line.codePoints().map(Screen::width).sum();
        }

        /** From the CJK blocks on, characters count as wide: one that is not ends a line early, but never wraps it. */
        private static int width(int c) {
            int zeroWidth = 1 << Character.NON_SPACING_MARK | 1 << Character.ENCLOSING_MARK | 1 << Character.FORMAT;
            if (c >= 0x300 && (zeroWidth >> Character.getType(c) & 1) == 1) return 0;
            return c < 0x2e80 ? 1 : 2;
        }

        static String cut(String line, int columns) {
            StringBuilder cut = new StringBuilder();
            int left = width(line) <= columns ? columns : columns - 1;
            for (int c : line.codePoints().toArray()) {
                left -= width(c);
                if (left < 0) return cut.append(UNICODE ? '\u2026' : '>').toString();
                cut.appendCodePoint(Character.isISOControl(c) ? '?' : c);
            }
            return cut.toString();
        }
    }
    // ---- End of what those have in common. ----
    private void requireReplaceableOutputs() throws IOException {
        if (output.hdrLog != null) requireReplaceable(output.hdrLog.toPath(), "#[kraft-lab perf", "--hdr-log");
        if (output.ledger != null) Ledger.requireReplaceable(output.ledger.toPath());
        if (output.percentiles == null) return;
        for (Kind kind : Kind.values()) requireReplaceable(kind.beside(output.percentiles), "Value", "--percentiles");
    }

    /** Refuses to replace a file of another kind, or a link: it is somebody else's, or the name is a typing error. */
    static void requireReplaceable(Path file, String beginning, String option) throws IOException {
        if (Files.exists(file) && !Files.isRegularFile(file)) return; // a pipe, a device
        if (Files.isSymbolicLink(file))
            throw new Exit(2, file + " is a link, which " + option + " does not follow: name another file.");
        if (!Files.exists(file) || Files.size(file) == 0) return;
        try (InputStream in = Files.newInputStream(file)) {
            String head = new String(in.readNBytes(100), StandardCharsets.UTF_8);
            String advice = " has not written, so it stays as it is: name another file.";
            if (!head.stripLeading().startsWith(beginning))
                throw new Exit(2, file + " is a file that " + option + advice);
        }
    }

    // ---- Common to the step scripts: options, output, clients, errors. ./jbang format copies it from lib/cli. ----
    static final int UNREACHABLE = 10;
    static final int NO_CONTROLLER = 11;
    static final int REFUSED = 12;
    static final int ANOMALY = 13;
    static final int INCOMPLETE = 14;
    static final int MISSED = 15;
    static final int ALL_FAILED = 16;

    /** Ends a script with an exit code and one sentence: what was wrong, and what to do. */
    static class Exit extends RuntimeException implements CommandLine.IExitCodeGenerator {
        final int code;

        Exit(int code, String sentence) {
            super(sentence);
            this.code = code;
        }

        @Override
        public int getExitCode() {
            return code;
        }
    }

    /** The options of every script, and its output: the answer, progress, events and errors. */
    @Command(mixinStandardHelpOptions = true)
    static class StandardOptions {
        private static final String LOG_LEVEL = "org.slf4j.simpleLogger.defaultLogLevel";

        @Option(names = "--json", description = "Print one JSON object per line.")
        boolean json;

        @Option(names = "--events", paramLabel = "FILE", description = "Append events to this JSON Lines file.")
        File events;

        @Option(
                names = {"-v", "--verbose"},
                description = "Show stack traces and the client's own log.")
        void verbose(boolean on) {
            if (verbose = on) System.setProperty(LOG_LEVEL, "info");
        }

        @Spec(Spec.Target.MIXEE)
        CommandSpec spec;

        PrintWriter out, err;
        boolean verbose;
        Consumer<Map<String, Object>> listener = event -> {};
        Duration patience = Duration.ofSeconds(10); // of Ctrl-C, before it calls leftover and exits
        Runnable leftover = () -> {};
        private Writer eventsWriter;

        /** Parses the options of a script whose methods another script calls. */
        <T> T configure(T script, PrintWriter out, PrintWriter err, String... args) {
            commandLine(script, out, err).parseArgs(args);
            return script;
        }

        /** Runs a script. Ctrl-C interrupts it, so that it can clean up before the JVM exits with 130. */
        int run(Callable<Integer> script, PrintWriter out, PrintWriter err, String... args) {
            Thread worker = Thread.currentThread();
            CountDownLatch done = new CountDownLatch(1);
            Thread hook = new Thread(() -> {
                worker.interrupt();
                try {
                    if (!done.await(patience.toMillis(), TimeUnit.MILLISECONDS)) leftover.run();
                } catch (InterruptedException e) {
                    leftover.run();
                }
            });
            Runtime.getRuntime().addShutdownHook(hook);
            try {
                return commandLine(script, out, err).execute(args);
            } finally {
                out.flush();
                done.countDown();
                try {
                    if (eventsWriter != null) eventsWriter.close();
                    Runtime.getRuntime().removeShutdownHook(hook);
                } catch (IOException | IllegalStateException e) {
                    // Each event was flushed; after Ctrl-C a hook cannot be removed.
                }
            }
        }

        private CommandLine commandLine(Object script, PrintWriter out, PrintWriter err) {
            System.getProperties().putIfAbsent(LOG_LEVEL, "off");
            this.out = Guard.over(out);
            this.err = Guard.over(err);
            return new CommandLine(script)
                    .setOut(out)
                    .setErr(err)
                    .setCaseInsensitiveEnumValuesAllowed(true)
                    .registerConverter(Duration.class, StandardOptions::duration)
                    .setParameterExceptionHandler((e, args) -> explain(new Exit(2, e.getMessage() + " (see --help)")))
                    .setExecutionExceptionHandler((e, cli, parsed) -> explain(e));
        }

        /** Parses 500ms, 30s, 2m, 1h, or a number of seconds. */
        static Duration duration(String text) {
            var units = Map.of("ms", 1, "", 1_000, "s", 1_000, "m", 60_000, "h", 3_600_000);
            var m = Pattern.compile("(\\d+(?:\\.\\d+)?)(ms|s|m|h|)").matcher(text.trim());
            if (m.matches())
                return Duration.ofMillis(Math.round(Double.parseDouble(m.group(1)) * units.get(m.group(2))));
            throw new TypeConversionException("'" + text + "' is not a duration such as 500ms, 30s or 2m");
        }

        /** Prints progress or a warning to stderr. */
        void say(String format, Object... args) {
            Object[] safe = args.clone();
            Arrays.setAll(safe, i -> args[i] instanceof Number ? args[i] : printable(args[i]));
            err.println(args.length == 0 ? format : String.format(Locale.ROOT, format, safe));
        }

        /** Writes an event to --events, to the listener, and with --json to stdout. */
        synchronized void emit(String type, Object... pairs) {
            Map<String, Object> event = new LinkedHashMap<>(Map.of("ts", timestamp()));
            event.put("source", spec.name());
            event.put("type", type);
            for (int i = 0; i < pairs.length; i += 2) event.put((String) pairs[i], pairs[i + 1]);
            listener.accept(event);
            if (!json && events == null) return;
            try {
                String line = JSON.std.asString(event);
                if (json) out.println(line);
                if (events == null) return;
                if (eventsWriter == null) eventsWriter = new FileWriter(events, StandardCharsets.UTF_8, true);
                eventsWriter.write(line + "\n");
                eventsWriter.flush();
            } catch (IOException e) {
                throw new Exit(1, "Cannot write --events " + events + ": " + e.getMessage() + ".");
            }
        }

        private int explain(Exception problem) throws IOException {
            if (verbose) problem.printStackTrace(err);
            Throwable cause = problem;
            while (cause.getCause() != null
                    && cause.getClass().getName().matches(".*\\.(Execution|Completion|Kafka)Exception"))
                cause = cause.getCause();
            Exit exit = exit(cause, problem);
            err.println(printable(exit.getMessage()));
            return exit.code;
        }

        Exit exit(Throwable e, Exception problem) throws IOException {
            if (e instanceof CommandLine.IExitCodeGenerator exit) return new Exit(exit.getExitCode(), e.getMessage());
            if (e instanceof InterruptedException || e instanceof InterruptException)
                return new Exit(130, "Interrupted.");
            String where = verbose ? "" : " (-v shows where)";
            return new Exit(1, e.getClass().getSimpleName() + ": " + e.getMessage() + where);
        }
    }

    /** The options of a script that connects to a cluster, its clients, and why they cannot connect. */
    static class Common extends StandardOptions {
        private static final Pattern ADDRESS = Pattern.compile("(?:\\w+://)?\\[?(.+?)\\]?:(\\d{1,5})");
        static final String UNKNOWN_HOST = "no such host";
        static final String CLOSED = "nothing listens there";
        static final String MUTE = "what listens there does not answer";
        static final String CONTROLLER =
                "this is a controller's port, where only the quorum can be asked about: name a broker's";
        static final String LOGIN = "the port wants a login (security.protocol=SASL_PLAINTEXT, sasl.mechanism and"
                + " sasl.jaas.config in --command-config)";
        private static final int TLS_ALERT = 0x15;
        private static final byte[] API_VERSIONS = {0, 0, 0, 10, 0, 18, 0, 0, 0, 0, 0, 1, -1, -1};
        private static final byte[] METADATA = {0, 0, 0, 14, 0, 3, 0, 1, 0, 0, 0, 2, -1, -1, 0, 0, 0, 0};

        @Option(
                names = {"-b", "--bootstrap-server"},
                paramLabel = "HOST:PORT,...",
                description = "The cluster (default: $$KAFKA_BOOTSTRAP, else the lab's three nodes).",
                defaultValue = "${KAFKA_BOOTSTRAP:-localhost:29192,localhost:29292,localhost:29392}")
        String bootstrapServer;

        @Option(
                names = "--command-config",
                paramLabel = "FILE",
                description = "Client properties, such as SASL and TLS.")
        Path commandConfig;

        @Option(
                names = "--timeout",
                paramLabel = "DURATION",
                defaultValue = "30s",
                description = "Give up after this long: 500ms, 30s, 2m (default: 30s).")
        Duration timeout;

        boolean controllersAnswer;
        private Properties given = new Properties();

        /** Returns client properties: --command-config, then --bootstrap-server, then the pairs. */
        Properties client(Object... pairs) throws IOException {
            Properties properties = new Properties(); // not the field: clients are created by several threads
            try {
                if (commandConfig != null) properties = Utils.loadProps(commandConfig.toString());
            } catch (IOException | IllegalArgumentException e) {
                throw new Exit(2, "Cannot read --command-config " + commandConfig + ": " + reason(e) + ".");
            }
            if (!spec.commandLine().getParseResult().hasMatchedOption("-b"))
                bootstrapServer = properties.getProperty("bootstrap.servers", bootstrapServer);
            properties.put("bootstrap.servers", bootstrapServer);
            for (int i = 0; i < pairs.length; i += 2) properties.put("" + pairs[i], "" + pairs[i + 1]);
            given = properties;
            return properties;
        }

        /** Returns an Admin of the addresses that answer: it would stay with a paused broker. */
        Admin admin(Object... pairs) throws IOException {
            Properties properties = client(pairs);
            properties.putIfAbsent("default.api.timeout.ms", "" + timeout.toMillis());
            properties.putIfAbsent("request.timeout.ms", "" + Math.min(timeout.toMillis(), 30_000));
            properties.put("bootstrap.servers", usable());
            return Admin.create(properties);
        }

        /** Ends with 10 and the reason if a client can use none of the bootstrap addresses. */
        void requireReachable() throws IOException {
            Map<String, String> addresses = addresses(Common::connects);
            if (!addresses.containsKey("")) throw cannotTalk(addresses);
        }

        /** Returns the addresses that a client can use, else those that may answer later, or ends with 10. */
        String usable() throws IOException {
            Map<String, String> addresses = addresses();
            String usable = addresses.getOrDefault("", addresses.get(MUTE));
            if (usable == null) throw cannotTalk(addresses);
            return usable;
        }

        private Exit cannotTalk(Map<String, String> addresses) {
            if (List.of(CLOSED, UNKNOWN_HOST).containsAll(addresses.keySet()))
                return unreachable(addresses.keySet().iterator().next());
            addresses.remove(CLOSED);
            StringJoiner reasons = new StringJoiner("; ", "Cannot talk to ", ".");
            addresses.forEach((reason, at) -> reasons.add(at + ": " + reason));
            return new Exit(UNREACHABLE, reasons.toString());
        }

        Exit unreachable(String why) {
            String advice = "; start one (cluster up) or name yours with --bootstrap-server.";
            return new Exit(UNREACHABLE, "No cluster at " + bootstrapServer + ": " + why + advice);
        }

        /** Returns the bootstrap addresses by the reason why a client cannot use them: "" for those that it can. */
        Map<String, String> addresses() throws IOException {
            return addresses(node -> !new InetSocketAddress(node.host(), node.port()).isUnresolved());
        }

        private Map<String, String> addresses(Predicate<Node> isUsable) throws IOException {
            if (given.isEmpty()) client(); // --command-config may name the cluster
            int timeoutMs = (int) Math.max(1, Math.min(timeout.toMillis() / 4, 1500));
            return bootstrapNodes().parallelStream()
                    .collect(groupingBy(
                            at -> obstacle(at, timeoutMs, isUsable),
                            LinkedHashMap::new,
                            mapping(Common::address, joining(", "))));
        }

        /** Returns the bootstrap addresses as nodes with ids -1, -2, ... */
        List<Node> bootstrapNodes() {
            List<Node> nodes = new ArrayList<>();
            for (String address : bootstrapServer.split(",")) {
                var m = ADDRESS.matcher(address.trim());
                if (!m.matches() || Integer.parseInt(m.group(2)) > 65_535)
                    throw new Exit(2, "'" + address + "' in --bootstrap-server is not HOST:PORT.");
                nodes.add(new Node(-1 - nodes.size(), m.group(1), Integer.parseInt(m.group(2))));
            }
            return nodes;
        }

        static String address(Node node) {
            return Utils.formatAddress(node.host(), node.port());
        }

        /** Asks an address for its API versions and brokers. By hand: no client API says why it got no answer. */
        private String obstacle(Node at, int timeoutMs, Predicate<Node> isUsable) {
            String protocol = given.getProperty("security.protocol", "").trim().toUpperCase(Locale.ROOT);
            boolean tls = protocol.endsWith("SSL");
            boolean login = protocol.startsWith("SASL");
            InetSocketAddress address = new InetSocketAddress(at.host(), at.port());
            String obstacle = address.isUnresolved() ? UNKNOWN_HOST : CLOSED;
            try (Socket socket = new Socket()) {
                socket.connect(address, timeoutMs);
                socket.setSoTimeout(timeoutMs);
                obstacle = tls ? "" : MUTE;
                DataInputStream in = new DataInputStream(socket.getInputStream());
                socket.getOutputStream().write(API_VERSIONS);
                int size = in.readInt();
                obstacle = "what listens there is not Kafka";
                if (size >>> 24 == TLS_ALERT)
                    return tls ? "" : "the port wants TLS (security.protocol=SSL or SASL_SSL in --command-config)";
                var versions = (ApiVersionsResponse) answer(in, size, ApiKeys.API_VERSIONS, 0);
                if (tls) return "the port speaks no TLS, which security.protocol=" + protocol + " asks for";
                if (versions.apiVersion(ApiKeys.METADATA.id) == null) return controllersAnswer ? "" : CONTROLLER;
                obstacle = login ? "" : LOGIN;
                socket.getOutputStream().write(METADATA);
                var brokers = ((MetadataResponse) answer(in, in.readInt(), ApiKeys.METADATA, 1)).brokers();
                if (login) return "the port takes no login, which security.protocol=" + protocol + " asks for";
                if (brokers.isEmpty() || brokers.parallelStream().anyMatch(isUsable)) return "";
                Node broker = brokers.iterator().next();
                boolean isUnknown = new InetSocketAddress(broker.host(), broker.port()).isUnresolved();
                return "the broker there advertises " + address(broker) + ", which "
                        + (isUnknown ? "does not resolve here" : "cannot be reached from here")
                        + " (advertised.listeners)";
            } catch (SocketTimeoutException e) {
                return obstacle.equals(LOGIN) ? "" : obstacle; // a broker refuses a login late on purpose
            } catch (IOException | RuntimeException e) {
                return obstacle;
            }
        }

        private static AbstractResponse answer(InputStream in, int size, ApiKeys api, int version) throws IOException {
            ByteBuffer bytes = ByteBuffer.wrap(in.readNBytes(Math.min(size, 1 << 20)));
            return AbstractResponse.parseResponse(api, new ByteBufferAccessor(bytes.position(4)), (short) version);
        }

        private static boolean connects(Node node) {
            return connects(node.host(), node.port(), 1000);
        }

        static boolean connects(String host, int port, int timeoutMs) {
            try (Socket socket = new Socket()) {
                socket.connect(new InetSocketAddress(host, port), timeoutMs);
                return true;
            } catch (IOException | IllegalArgumentException e) {
                return false;
            }
        }

        /** Whether the process behind a port is alive: a stopped one still accepts connections. */
        static boolean answers(String host, int port, int timeoutMs) {
            try (Socket socket = new Socket()) {
                socket.connect(new InetSocketAddress(host, port), timeoutMs);
                socket.setSoTimeout(timeoutMs);
                socket.getOutputStream().write(API_VERSIONS);
                return socket.getInputStream().read() >= 0; // a TLS alert counts; a proxy without a node hangs up
            } catch (IOException | IllegalArgumentException e) {
                return false;
            }
        }

        @Override
        Exit exit(Throwable e, Exception problem) throws IOException {
            if (e instanceof AuthenticationException)
                return new Exit(
                        UNREACHABLE, "Cannot talk to " + bootstrapServer + ": login refused, " + deepest(e) + ".");
            if (e instanceof AuthorizationException)
                return new Exit(1, "Not permitted: " + deepest(e) + "; the principal needs an ACL for it.");
            if (e instanceof org.apache.kafka.common.errors.TimeoutException) return noAnswer();
            if (reasons(problem).contains("No resolvable bootstrap urls")) return unreachable(UNKNOWN_HOST);
            if (e instanceof ConfigException || reasons(problem).matches("(?s).*Failed to c(reate|onstruct) .*"))
                return refused(problem);
            return super.exit(e, problem);
        }

        private Exit noAnswer() throws IOException {
            Map<String, String> addresses = addresses(Common::connects);
            if (!addresses.containsKey("")) return cannotTalk(addresses);
            String limit = " within " + timeout.toMillis() + " ms; find-controller says who is missing.";
            return new Exit(UNREACHABLE, "No answer from the cluster at " + bootstrapServer + limit);
        }

        private Exit refused(Throwable problem) {
            String reasons = reasons(problem).replaceAll("JAAS|LoginModule", "$0 sasl.jaas.config");
            String names = given(reasons::contains);
            if (names.isEmpty()) names = given(key -> isMentioned(given.getProperty(key), reasons));
            return new Exit(2, "Client property " + names + " refused: " + deepest(problem) + ".");
        }

        private String given(Predicate<String> isMeant) {
            return given.stringPropertyNames().stream().filter(isMeant).sorted().collect(joining(", "));
        }

        /** Values such as 5 or true are part of many sentences. */
        private static boolean isMentioned(String value, String reasons) {
            return value.length() > 4 && reasons.contains(value);
        }

        private static String reasons(Throwable e) {
            return e == null ? "" : e.getMessage() + "\n" + reasons(e.getCause());
        }

        static String deepest(Throwable e) {
            return e.getCause() == null ? reason(e).replaceAll("\\.$", "") : deepest(e.getCause());
        }

        /** Returns an exception's message, which of files and classes is only a name. */
        private static String reason(Throwable e) {
            boolean isName = e instanceof IOException || e instanceof ClassNotFoundException || e.getMessage() == null;
            String problem = e.getClass().getSimpleName().replaceAll("(?<=[a-z])(?=[A-Z])|Exception$", " ");
            return (isName ? problem.toLowerCase(Locale.ROOT).strip() + ": " : "") + e.getMessage();
        }
    }

    /** A writer that escapes what could control a terminal; get() returns the writer below. */
    static final class Guard extends PrintWriter implements Supplier<PrintWriter> {
        private Guard(PrintWriter raw) {
            super(raw, true);
        }

        static PrintWriter over(PrintWriter out) {
            return out instanceof Supplier ? out : new Guard(out);
        }

        @Override
        public PrintWriter get() {
            return (PrintWriter) out;
        }

        @Override
        public void write(int c) {
            write(String.valueOf((char) c));
        }

        @Override
        public void write(char[] chars, int from, int length) {
            write(new String(chars, from, length));
        }

        @Override
        public void write(String text, int from, int length) {
            String safe = harmless(text.substring(from, from + length));
            super.write(safe, 0, safe.length());
        }

        static String harmless(String text) {
            return escape(text, "(?!\\r?\\n|\\t)[\\p{Cc}\\p{Cf}]");
        }
    }

    /** Returns a text from a cluster, record or file with everything escaped that could forge a line or a colour. */
    static String printable(Object value) {
        return escape(String.valueOf(value), "[\\p{Cc}\\p{Cf}\\p{Zl}\\p{Zp}]");
    }

    private static String escape(String text, String regex) {
        var matcher = Pattern.compile(regex).matcher(text);
        return matcher.replaceAll(
                m -> String.format(Locale.ROOT, "\\\\u%04x", m.group().codePointAt(0)));
    }

    static String timestamp() {
        return LocalDateTime.now(ZoneOffset.UTC).format(DateTimeFormatter.ofPattern("yyyy-MM-dd'T'HH:mm:ss.SSSSSS'Z'"));
    }
    // ---- End of what is common. ----
}
