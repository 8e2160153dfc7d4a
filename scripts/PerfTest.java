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
 * Loads topics and tells throughput and latency: a drop-in for {@code kafka-producer-perf-test}, with its flags and its lines on stdout.
 *
 * <p>One pipeline: {@link Source} makes the records, a {@code Sender} for each producer sends them when they are due, with {@code --e2e} a {@code Receiver} reads them back;
 * each thread records what it sees in a {@link Tally}, and {@link Run} gathers the {@link Latencies} interval by interval into a {@link Summary}.
 * Every record counts, in microseconds of the monotonic clock; failed sends are counted and timed apart. At a limited rate there are two
 * latencies: service time, from {@code send()}, and response time, from when the record was due, so that a stall is not hidden by the load that had to wait for it.
 *
 * <pre>perf --topic test_topic --num-records 1000000 --throughput -1 --record-size 1000 --command-property acks=1 linger.ms=50</pre>
 */
@Command(
        name = "perf",
        version = "kraft-lab 0.1.0",
        sortOptions = false,
        usageHelpWidth = 100,
        customSynopsis =
                "perf --topic TOPIC (--num-records N | --duration TIME) --throughput RATE%n            (--record-size"
                        + " BYTES | --payload-file FILE | --payload-monotonic) [OPTION...]",
        description =
                "Loads topics; prints throughput and latency as kafka-producer-perf-test does, and what limited it.")
class PerfTest implements Callable<Integer> {
    private static final long HIGHEST_US = TimeUnit.HOURS.toMicros(1);
    /** How long records on their way may still take after Ctrl-C, also when no broker answers. */
    private static final Duration CLOSE = Duration.ofSeconds(5);

    private static final String IDENTITY = "perf";

    @Option(names = "--num-records", paramLabel = "N", description = "How many records to send.")
    Long numRecords;

    @Option(names = "--duration", paramLabel = "DURATION", description = "Or send for this long: 30s, 5m.")
    Duration duration;

    @Option(
            names = "--throughput",
            required = true,
            paramLabel = "RATE",
            description = "Records per second in all; -1: as fast as it goes.")
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

    @ArgGroup(validate = false, order = 20, heading = "%nWhat is told:%n")
    Telling telling = new Telling();

    static class Telling {
        @Option(
                names = "--reporting-interval",
                paramLabel = "MS",
                defaultValue = "5000",
                description = "Print a line this often (default: ${DEFAULT-VALUE}).")
        long intervalMs = 5000;

        @Option(
                names = "--warmup-records",
                paramLabel = "N",
                description = "Judge --slo, percentiles and plots without the first N.")
        long warmupRecords;

        @Option(names = "--print-metrics", description = "Print the producers' metrics at the end.")
        boolean printMetrics;

        @Option(names = "--explain", description = "Print the figures behind what limited the run.")
        boolean explain;

        @Option(names = "--csv", description = "Print intervals and summary as CSV.")
        boolean csv;

        @Option(
                names = "--hdr-log",
                paramLabel = "FILE",
                description = "Write each interval's histograms (.hlog, microseconds).")
        File hdrLog;

        @Option(
                names = "--percentiles",
                paramLabel = "FILE",
                description = "Write the percentiles, for plots (.hgrm, milliseconds).")
        Path percentiles;

        @Option(
                names = "--ledger",
                paramLabel = "FILE",
                description = "Write which offsets were acknowledged, for check-delivery.")
        File ledger;

        @Option(
                names = "--start-at",
                paramLabel = "TIME",
                description = "Begin at 14:05, 14:05:30 or 2026-11-23T14:05:00Z.")
        String startAt;
    }

    /** What is sent, and how: the same options in find-max-rate and compare-settings. */
    static class Load {
        @Option(
                names = "--topic",
                required = true,
                paramLabel = "TOPIC",
                description = "Produce records to this topic; to several in turn: a,b.")
        String topic;

        @Option(
                names = "--record-size",
                paramLabel = "BYTES",
                converter = Sizes.Reader.class,
                description = "So many letters; or 100-2000, or 200:9,10KiB:1 (shares).")
        Sizes sizes;

        @Option(
                names = "--payload-file",
                paramLabel = "FILE",
                description = "Or records are random entries of this UTF-8 file.")
        Path payloadFile;

        @Option(names = "--payload-monotonic", description = "Or records are 0, 1, 2, ...")
        boolean monotonic;

        @Option(
                names = "--command-property",
                arity = "1..*",
                paramLabel = "NAME=VALUE",
                description = "Producer properties; they win over --command-config.")
        List<String> commandProperties;

        @Option(names = "--e2e", description = "Read the records back in the same run: end-to-end latency.")
        boolean e2e;

        @ArgGroup(validate = false, order = 10, heading = "%nLoad like real load:%n")
        Real real = new Real();

        @ArgGroup(validate = false, order = 30, heading = "%nFurther options of kafka-producer-perf-test:%n")
        Further further = new Further();
        /** Of a composite script: properties that win over all others. */
        final Map<String, String> overrides = new LinkedHashMap<>();

        List<String> topics() {
            return List.of(topic.split(",", -1));
        }
    }

    static class Real {
        @Option(
                names = "--producers",
                paramLabel = "N",
                defaultValue = "1",
                description = "Share the load among so many clients (default: 1).")
        int producers = 1;

        @Option(
                names = "--consumers",
                paramLabel = "N",
                defaultValue = "1",
                description = "Share the reading of --e2e among so many (default: 1).")
        int consumers = 1;

        @Option(names = "--keys", paramLabel = "N", description = "Give each record one of N keys (default: no keys).")
        int keys;

        @Option(
                names = "--key-choice",
                paramLabel = "uniform|zipfian",
                defaultValue = "UNIFORM",
                description = "How a key is chosen (default: uniform).")
        Choice choice = Choice.UNIFORM;

        @Option(
                names = "--headers",
                arity = "1..*",
                paramLabel = "NAME=VALUE",
                description = "Give each record these headers.")
        List<String> headers = List.of();
    }

    enum Choice {
        UNIFORM,
        ZIPFIAN
    }

    static class Further {
        @Option(
                names = "--payload-delimiter",
                paramLabel = "REGEX",
                description = "Between entries of --payload-file (default: new line).")
        String delimiter = "\\n";

        @Option(names = "--transactional-id", paramLabel = "ID", description = "Send in transactions, with this id.")
        String transactionalId;

        @Option(
                names = "--transaction-duration-ms",
                paramLabel = "MS",
                description = "Send in transactions this long (default with an id: 3000).")
        Long transactionMs;

        @Option(
                names = "--producer-props",
                arity = "1..*",
                paramLabel = "NAME=VALUE",
                description = "Deprecated: --command-property.")
        List<String> producerProps;

        @Option(names = "--producer.config", paramLabel = "FILE", description = "Deprecated: --command-config.")
        Path producerConfig;
    }

    /** For composite scripts: no lines, no events, only the summary. */
    boolean quiet;
    /** For composite scripts: gets, each {@link #SAMPLE} of a limited rate, the seconds since the start and how many records were due and had no outcome. */
    BiConsumer<Double, Double> backlog;

    private static final long SAMPLE = 20_000_000;
    private Screen screen = Screen.none();
    private List<String> csvColumns;
    private String notWritten;
    private Run run;

    /** As Apache's parser has it: the last of two wins, and names may be cut short. The columns are wide enough for most names. */
    @Spec
    void parser(CommandSpec spec) {
        spec.parser().overwrittenOptionsAllowed(true).abbreviatedOptionsAllowed(true);
        spec.usageMessage().longOptionsMaxWidth(32);
    }

    public static void main(String... args) {
        System.exit(run(Screen.OUT, Screen.ERR, args));
    }

    /** Runs the script without a process. @return the exit code */
    public static int run(PrintWriter out, PrintWriter err, String... args) {
        PerfTest script = new PerfTest();
        return script.common.run(script, out, err, args);
    }

    @Override
    public Integer call() throws Exception {
        screen = Screen.on(common.err);
        common.out = screen.above(common.out, line -> line);
        common.err = screen.above(common.err, line -> line);
        Summary s;
        try {
            s = measure();
        } finally {
            screen.close();
        }
        Thread.interrupted(); // Ctrl-C was heeded; what follows is the rest of the output
        if (run.outputClosed) return 0;
        print(s.line(""));
        if (s.steady != null) print(s.steady.line(" steady state"));
        if (telling.printMetrics) printMetrics(common.json || telling.csv ? common.err : common.out, run.metrics);
        if (s.interrupted) common.say("Interrupted after %d records; %s.", s.records() + s.failed(), run.outstanding());
        else if (s.records() + s.failed() == 0) throw new Exit(ALL_FAILED, "No record was due within --duration.");
        if (s.failed() > 0)
            common.say(
                    "%s: %s.",
                    s.records() == 0
                            ? "Every send failed"
                            : s.failed() + " of " + (s.records() + s.failed()) + " sends failed",
                    errors());
        Summary judged = s.judged();
        if (s.steady != null)
            common.say(
                    "The figures below, --slo and the files for plots leave out the first %d records.",
                    telling.warmupRecords);
        judged.latencies.table(common);
        if (s.records() == 0 && !s.interrupted) return ALL_FAILED;
        run.tellLimits(s);
        if (s.read != null)
            common.say(
                    "Read back %d records, %.1f records/sec (%.2f MB/sec); acknowledged but not read: %s, read twice:"
                            + " %d.%s",
                    s.read.records,
                    s.read.perSec,
                    s.read.mbPerSec,
                    run.unacknowledged ? "none is with acks=0" : s.read.missing,
                    s.read.twice,
                    s.read.complete || s.interrupted
                            ? ""
                            : " Incomplete: within --timeout not all was read to its end.");
        if (notWritten != null) common.say("Cannot write %s", printable(notWritten));
        if (s.interrupted) return 130;
        if (run.unsent.get() > 0)
            common.say(
                    "%d records were due within --duration and could not be sent in twice that time: the response time"
                            + " has what they had waited by then.",
                    run.unsent.get());
        // A rate that was asked for and reached is kept.
        List<String> missed = objectives.stream()
                .filter(o -> !(o.what.equals("throughput")
                        && throughput > 0
                        && o.limit <= throughput
                        && judged.reached(throughput)))
                .map(o -> telling.warmupRecords > 0 && s.steady == null
                        ? "Objective " + o.text + " missed: nothing came after the warm-up."
                        : o.missed(judged))
                .filter(Objects::nonNull)
                .toList();
        missed.forEach(common::say);
        return s.read != null && !s.read.complete
                ? INCOMPLETE
                : s.read != null && s.read.missing > 0
                        ? ANOMALY
                        : !missed.isEmpty() ? MISSED : notWritten != null ? 1 : 0;
    }

    /** Sends the load and emits {@code perf-window} and {@code perf-summary}. Interrupted, it returns what was done and stays interrupted. */
    public Summary measure() throws Exception {
        check();
        requireReplaceableOutputs();
        Instant at = startAt();
        try (Run run = this.run = new Run()) {
            run.connect(topicsExist(run.properties));
            Summary s = run.measure(at);
            emit(
                    "perf-summary",
                    Stream.concat(Arrays.stream(s.fields()), Arrays.stream(run.collections.fields()))
                            .toArray());
            if (s.steady != null)
                emit(
                        "perf-summary",
                        Stream.concat(Arrays.stream(s.steady.fields()), Stream.of("steady", true))
                                .toArray());
            try {
                if (telling.percentiles != null) s.judged().latencies.writePercentiles(telling.percentiles);
            } catch (IOException e) {
                notWritten = "--percentiles: " + e.getMessage() + ".";
            }
            if (s.interrupted) Thread.currentThread().interrupt();
            return s;
        } catch (OutOfMemoryError e) {
            throw new Exit(
                    1,
                    "Not enough memory for so large or many records, keys or producers: ask for less, or for more"
                            + " memory with JBANG_JAVA_OPTIONS=-Xmx4g.");
        }
    }

    /** Of the last run: how many of each. */
    String errors() {
        return run.errors.entrySet().stream()
                .map(e -> e.getValue() + " " + e.getKey())
                .collect(Collectors.joining(", "));
    }

    // ---- What is sent ----

    /** Record sizes, {@code 1000}, {@code 100-2000}, {@code 200:9,10KiB:1}: each range, from and to, by the sum of the shares up to its own. */
    record Sizes(NavigableMap<Double, int[]> ranges) {
        static class Reader implements ITypeConverter<Sizes> {
            @Override
            public Sizes convert(String text) {
                return Sizes.of(text);
            }
        }

        static Sizes of(String text) {
            Sizes sizes = new Sizes(new TreeMap<>());
            double total = 0;
            for (String part : text.split(",", -1)) {
                Matcher m = Pattern.compile(
                                "(\\d{1,9}(?:KiB|MiB)?)(?:-(\\d{1,9}(?:KiB|MiB)?))?(?::(\\d+(?:\\.\\d+)?))?")
                        .matcher(part.trim());
                if (!m.matches())
                    throw new TypeConversionException(
                            "'" + text + "' is not a size such as 1000, 16KiB, 100-2000 or 200:9,10KiB:1");
                long from = bytes(m.group(1)), to = m.group(2) == null ? from : bytes(m.group(2));
                double share = m.group(3) == null ? 1 : Double.parseDouble(m.group(3));
                if (from < 1 || to < from || to > 1 << 30 || share == 0)
                    throw new TypeConversionException(
                            "sizes and shares should be greater than zero, at most 1024MiB, and ranges ascend");
                sizes.ranges.put(total += share, new int[] {(int) from, (int) to});
            }
            return sizes;
        }

        private static long bytes(String text) {
            return Long.parseLong(text.replaceAll("\\D", ""))
                    << (text.endsWith("KiB") ? 10 : text.endsWith("MiB") ? 20 : 0);
        }

        int largest() {
            return ranges.values().stream().mapToInt(r -> r[1]).max().getAsInt();
        }

        boolean constant() {
            return ranges.values().stream().allMatch(r -> r[0] == largest());
        }

        int pick(SplittableRandom random) {
            int[] range =
                    ranges.higherEntry(random.nextDouble() * ranges.lastKey()).getValue();
            return range[0] + random.nextInt(range[1] - range[0] + 1);
        }
    }

    /** Makes what records consist of. What it holds is shared by the senders, but for the randomness, of which each has its own. */
    static final class Source {
        interface Values {
            byte[] of(long i, SplittableRandom random);
        }

        final Values values;
        final List<Header> headers = new ArrayList<>();
        /** Of --payload-file. */
        private byte[][] entries;

        private final double[] cumulated;
        private final int keys;

        Source(Load load, Long numRecords) throws IOException {
            values = values(load, numRecords == null ? Long.MAX_VALUE : numRecords);
            keys = load.real.keys;
            cumulated = keys > 0 && load.real.choice == Choice.ZIPFIAN ? new double[keys] : null;
            for (int i = 0; cumulated != null && i < keys; i++)
                cumulated[i] = (i == 0 ? 0 : cumulated[i - 1]) + 1 / Math.pow(i + 1, 0.99); // YCSB's exponent
            load.real.headers.forEach(h -> put(
                    h,
                    "Header",
                    (name, value) -> headers.add(new RecordHeader(name, value.getBytes(StandardCharsets.UTF_8)))));
        }

        byte[] key(SplittableRandom random) {
            if (keys == 0) return null;
            int at = cumulated == null
                    ? random.nextInt(keys)
                    : Arrays.binarySearch(cumulated, random.nextDouble() * cumulated[keys - 1]);
            return ("key-" + (at < 0 ? -1 - at : at)).getBytes(StandardCharsets.UTF_8);
        }

        /** Apache's A to Z. There are so many different records that none comes twice in a batch, which would flatter compression. */
        private Values values(Load load, long numRecords) throws IOException {
            if (load.monotonic) return (i, random) -> Long.toString(i).getBytes(StandardCharsets.UTF_8);
            if (load.payloadFile != null) {
                entries = entries(load.payloadFile, load.further.delimiter);
                return (i, random) -> entries[random.nextInt(entries.length)];
            }
            Sizes sizes = load.sizes;
            int largest = sizes.largest();
            byte[] text = new byte[(int) Math.min(Integer.MAX_VALUE - 8, Math.max(4 << 20, 2L * largest))];
            SplittableRandom letters = new SplittableRandom(0);
            for (int k = 0; k < text.length; k++) text[k] = (byte) ('A' + letters.nextInt(26));
            if (sizes.constant()) {
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
                byte[][] entries = scanner.tokens()
                        .map(entry -> entry.getBytes(StandardCharsets.UTF_8))
                        .toArray(byte[][]::new);
                refuse(entries.length == 0, "--payload-file " + file + " is empty.");
                return entries;
            } catch (FileSystemException e) {
                throw new Exit(2, "Cannot read --payload-file " + file + ".");
            } catch (PatternSyntaxException e) {
                throw new Exit(2, "--payload-delimiter is no regular expression: " + e.getDescription() + ".");
            }
        }
    }

    // ---- Recording ----

    /** From {@code send()} to the acknowledgement; from when a record was due (at a limited rate); until it was read (--e2e); of a transaction's commit; of sends that failed. */
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
            for (Kind kind : Kind.values())
                if (has(kind))
                    into.add(
                            kind,
                            taken[kind.ordinal()] =
                                    recorders[kind.ordinal()].getIntervalHistogram(taken[kind.ordinal()]));
        }
    }

    /** Of each kind that was measured its histogram, in microseconds. */
    static final class Latencies extends EnumMap<Kind, Histogram> {
        /** As {@link #ms} knows them. */
        private static final List<String> FIGURES = List.of("avg", "p50", "p95", "p99", "p99.9", "p99.99", "max");
        /** How many of the service times are of records that have no outcome: what they had waited when the run was interrupted. */
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

        static double ms(Histogram us, String what) {
            return (what.equals("avg")
                            ? us.getMean()
                            : what.equals("max")
                                    ? us.getMaxValue()
                                    : us.getValueAtPercentile(Double.parseDouble(what.substring(1))))
                    / 1000.0;
        }

        /** As events have them: {@code p999Ms}, {@code responseP999Ms}. */
        void fields(List<Object> into) {
            forEach((kind, h) -> FIGURES.forEach(what -> {
                String name = what.replace(".", "") + "Ms";
                into.addAll(List.of(
                        kind == Kind.SERVICE
                                ? name
                                : kind.tag + name.substring(0, 1).toUpperCase(Locale.ROOT) + name.substring(1),
                        ms(h, what)));
            }));
        }

        /** Side by side, to the tail. */
        void table(Common common) {
            common.say(
                    "%-14s %10s" + " %10s".repeat(FIGURES.size()),
                    Stream.concat(Stream.of("latency, ms", "count"), FIGURES.stream())
                            .toArray());
            forEach((kind, h) -> common.say(
                    "%-14s %10d" + " %10.2f".repeat(FIGURES.size()),
                    Stream.concat(
                                    Stream.of(kind.label, h.getTotalCount()),
                                    FIGURES.stream().map(f -> ms(h, f)))
                            .toArray()));
        }

        static Path beside(Path file, Kind kind) {
            return kind == Kind.SERVICE
                    ? file
                    : file.resolveSibling(
                            file.getFileName().toString().replaceFirst("(\\.\\w+)?$", "." + kind.tag + "$1"));
        }

        /** The service time's into the file, the others' beside it: x.hgrm, x.response.hgrm. */
        void writePercentiles(Path file) throws IOException {
            for (var latency : entrySet()) {
                Path to = beside(file, latency.getKey());
                try (PrintStream out = new PrintStream(to.toFile(), "UTF-8")) {
                    latency.getValue().outputPercentileDistribution(out, 5, 1000.0);
                    if (out.checkError()) throw new IOException(to + " (is the disk full?)");
                }
            }
        }
    }

    // ---- What was acknowledged ----

    /**
     * The ledger that check-delivery reads (docs/verifier.md): of each partition the ranges of offsets that were acknowledged. Which record is at which offset it does not know, and
     * so it costs a record no more than a comparison.
     */
    static final class Ledger {
        private static final int INTERIM = 10_000;
        private final File file;
        private final String[] topics;
        private final boolean transactional;
        private final Map<String, Object> head = new LinkedHashMap<>();
        private final Map<TopicPartition, NavigableMap<Long, Long>> ranges =
                new TreeMap<>(Comparator.comparing(TopicPartition::topic).thenComparing(TopicPartition::partition));
        /** Acknowledged although it had been already: the log was truncated in between, and what was acknowledged first is lost. */
        private final Map<TopicPartition, List<long[]>> twice =
                new TreeMap<>(Comparator.comparing(TopicPartition::topic).thenComparing(TopicPartition::partition));

        private final List<Part> parts = new ArrayList<>();

        Ledger(File file, String run, String[] topics, String acks, boolean transactional) {
            this.file = file;
            this.topics = topics;
            this.transactional = transactional;
            head.put("ranges", 1);
            head.put("run", run);
            head.put("topics", topics);
            head.put("acks", acks);
            head.put("transactional", transactional);
            head.put("ts", timestamp());
        }

        /** Refuses to replace what is not a ledger of perf, under its name or that under which it is written. */
        static void requireReplaceable(Path file) throws IOException {
            PerfTest.requireReplaceable(file, "{\"ranges\":", "--ledger");
            refuse(Files.isDirectory(file), file + " is a folder: name a file with --ledger.");
            if (isStream(file)) return;
            Path part = part(file);
            PerfTest.requireReplaceable(part, "{\"ranges\":", "--ledger");
            refuse(
                    Files.exists(part) && !Files.isRegularFile(part),
                    part + " is there and no file, and --ledger " + file
                            + " would be written through it: name another file.");
        }

        /** Returns whether it is a pipe or a device: nothing may take its place, and what it was given cannot be written anew. */
        private static boolean isStream(Path file) {
            return Files.exists(file) && !Files.isRegularFile(file) && !Files.isDirectory(file);
        }

        private static Path part(Path file) {
            return file.resolveSibling(file.getFileName() + ".part");
        }

        /** Refuses a file that holds something else, and writes the first lines. */
        void begin() {
            try {
                requireReplaceable(file.toPath());
                if (!isStream(file.toPath())) write(null);
            } catch (IOException e) {
                throw new Exit(2, "Cannot write --ledger " + file + ": " + e.getMessage() + ".");
            }
        }

        Part part() {
            parts.add(new Part());
            return parts.get(parts.size() - 1);
        }

        /** From first to last; what adjoins becomes one. */
        private synchronized void add(TopicPartition partition, long first, long last) {
            NavigableMap<Long, Long> all = ranges.computeIfAbsent(partition, p -> new TreeMap<>());
            Map.Entry<Long, Long> before = all.floorEntry(first);
            noteTwice(partition, before == null ? all : all.tailMap(before.getKey(), true), first, last);
            if (before != null && before.getValue() >= first - 1) {
                first = before.getKey();
                last = Math.max(last, before.getValue());
            }
            for (Map.Entry<Long, Long> next;
                    (next = all.higherEntry(first)) != null && next.getKey() <= last + 1;
                    all.remove(next.getKey())) last = Math.max(last, next.getValue());
            all.put(first, last);
        }

        /** Keeps what a range has in common with those that are there. */
        private void noteTwice(TopicPartition partition, NavigableMap<Long, Long> there, long first, long last) {
            for (Map.Entry<Long, Long> range : there.headMap(last, true).entrySet()) {
                if (range.getValue() < first) continue;
                long[] common = {Math.max(first, range.getKey()), Math.min(last, range.getValue())};
                twice.computeIfAbsent(partition, p -> new ArrayList<>()).add(common);
            }
        }

        /** What is known while the run goes on: as of the last time that it was asked for. */
        synchronized void interim() throws IOException {
            parts.forEach(p -> p.asked = true);
            if (!isStream(file.toPath())
                    && ranges.values().stream().mapToInt(Map::size).sum() <= INTERIM) write(null);
        }

        /** @param end the last line's fields; null: the run goes on, or it is not known what became of it */
        synchronized void write(Map<String, Object> end) throws IOException {
            Path to = file.toPath().toAbsolutePath(), part = part(to);
            if (isStream(to)) {
                writeLines(to, end);
                return;
            }
            writeLines(part, end);
            Files.move(part, to, StandardCopyOption.REPLACE_EXISTING, StandardCopyOption.ATOMIC_MOVE);
        }

        private void writeLines(Path to, Map<String, Object> end) throws IOException {
            long acknowledged = 0, again = 0;
            try (Writer out = Files.newBufferedWriter(to)) {
                out.write(JSON.std.asString(head) + "\n");
                for (var partition : ranges.entrySet()) {
                    for (var range : partition.getValue().entrySet()) {
                        acknowledged += range.getValue() - range.getKey() + 1;
                        out.write(line(partition.getKey(), range.getKey(), range.getValue()) + "\n");
                    }
                }
                for (var partition : twice.entrySet()) {
                    for (long[] range : partition.getValue()) {
                        again += range[1] - range[0] + 1;
                        out.write(line(partition.getKey(), range[0], range[1]) + "\n");
                    }
                }
                if (end != null) out.write(JSON.std.asString(lastLine(acknowledged + again, again, end)) + "\n");
            }
        }

        private static String line(TopicPartition partition, long first, long last) throws IOException {
            Map<String, Object> line = new LinkedHashMap<>();
            line.put("topic", partition.topic());
            line.put("partition", partition.partition());
            line.put("first", first);
            line.put("last", last);
            line.put("count", last - first + 1);
            return JSON.std.asString(line);
        }

        /** @param acknowledged as often as a callback said so: also twice at one offset */
        private static Map<String, Object> lastLine(long acknowledged, long twice, Map<String, Object> end) {
            Map<String, Object> line = new LinkedHashMap<>(Map.of("end", true));
            line.put("acknowledged", acknowledged);
            line.put("twice", twice);
            line.putAll(end);
            line.put("ts", timestamp());
            return line;
        }

        /** Of one producer, whose callbacks come on one thread, and as a rule in the order of offsets. In a transaction nothing is acknowledged before it is committed. */
        final class Part {
            private static final long NONE = -2;
            private final long[][] first = new long[topics.length][0], last = new long[topics.length][0];
            private final List<long[]> uncommitted = new ArrayList<>();
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
                if (last[topic][partition] == NONE) return;
                if (transactional)
                    uncommitted.add(new long[] {topic, partition, first[topic][partition], last[topic][partition]});
                else add(new TopicPartition(topics[topic], partition), first[topic][partition], last[topic][partition]);
                last[topic][partition] = NONE;
            }

            private void handOver() {
                asked = false;
                for (int topic = 0; topic < topics.length; topic++)
                    for (int partition = 0; partition < last[topic].length; partition++) handOver(topic, partition);
            }

            /** Of the sending thread: all callbacks of the transaction have come. */
            void committed() {
                handOver();
                for (long[] range : uncommitted)
                    add(new TopicPartition(topics[(int) range[0]], (int) range[1]), range[2], range[3]);
                uncommitted.clear();
            }

            /** The producer is closed: what was not committed never will be. */
            void closed() {
                if (!transactional) handOver();
            }
        }
    }

    // ---- A run ----

    /** One run: connects, lets senders and receivers go, gathers each interval what they have recorded, and sums it up. */
    final class Run implements Closeable {
        final boolean limited = throughput > 0;
        final long id = new SplittableRandom().nextLong(), warmupRecords = telling.warmupRecords;
        final long count = numRecords != null ? numRecords : load.e2e ? Integer.MAX_VALUE : Long.MAX_VALUE;
        final long nanos = duration == null ? Long.MAX_VALUE : duration.toNanos();
        final String[] topics = load.topics().toArray(String[]::new);
        final Properties properties = properties();
        final long transactionNanos = !properties.containsKey("transactional.id")
                ? 0
                : TimeUnit.MILLISECONDS.toNanos(load.further.transactionMs == null ? 3000 : load.further.transactionMs);
        final List<Sender> senders = new ArrayList<>();
        final List<Receiver> receivers = new ArrayList<>();
        final Map<MetricName, Object> metrics = new ConcurrentHashMap<>();
        final Map<String, Long> errors = new ConcurrentSkipListMap<>();
        final AtomicLong unsent = new AtomicLong();
        final boolean unacknowledged = properties
                .getOrDefault("acks", "")
                .toString()
                .trim()
                .equals("0"); // what the client calls an acknowledgement is then none
        private final Ledger ledger = telling.ledger == null
                ? null
                : new Ledger(
                        telling.ledger,
                        Long.toHexString(id),
                        topics,
                        properties.getOrDefault("acks", "all").toString(),
                        transactionNanos > 0);
        /** With --e2e, behind the highest acknowledged offset: an end as brokers tell it is that of what all replicas have, and transactions have ended. */
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
                new CountDownLatch(load.real.producers + (load.e2e ? load.real.consumers : 0));
        private final List<Tally[]> tallies = new CopyOnWriteArrayList<>();
        private final Latencies all = new Latencies(), steady = new Latencies();
        private PrintStream log;
        private HistogramLogWriter writer;
        private long start, startMs, from;
        private volatile long stopped;
        private Tally[] failures, waiting;
        /** Of the warm-up and of the rest: sent, and without an outcome when the run was interrupted. */
        private final long[] unresolved = new long[2];

        private boolean isSteady;
        private volatile boolean interrupted;
        private volatile Throwable problem;

        Run() throws IOException {} // of the properties and the payload

        /** Two for a thread: of the warm-up (null if there is to be none), and of the rest. */
        private Tally[] tallies(Kind... kinds) {
            Tally[] phases = {warmupRecords > 0 ? new Tally(kinds) : null, new Tally(kinds)};
            tallies.add(phases);
            return phases;
        }

        private Tally phase(Tally[] phases, long index) {
            return phases[index < warmupRecords ? 0 : 1];
        }

        private long sum(Kind kind, ToLongFunction<Tally> figure) {
            return of(kind).mapToLong(figure).sum();
        }

        private Stream<Tally> of(Kind kind) {
            return tallies.stream().flatMap(Stream::of).filter(t -> t != null && t.has(kind));
        }

        /** One producer with its thread: sends each n-th record when it is due, and commits. */
        final class Sender {
            final Producer<byte[], byte[]> producer;
            /** With --e2e, the indices of what was acknowledged. */
            final BitSet acknowledged = load.e2e && !unacknowledged ? new BitSet() : null;

            private final Ledger.Part ledgerPart = ledger == null ? null : ledger.part();
            private final int number = senders.size();
            /** The record to be sent next; when all had been sent, committed and flushed, and the time of closing added: as Apache's tool counts. */
            private long next = number;

            private volatile long ended;
            private final SplittableRandom random = new SplittableRandom(number);
            private final Tally[] acks = limited ? tallies(Kind.SERVICE, Kind.RESPONSE) : tallies(Kind.SERVICE),
                    commits = transactionNanos > 0 ? tallies(Kind.COMMIT) : null;

            Sender(Producer<byte[], byte[]> producer) {
                this.producer = producer;
            }

            /** A record and its callback in one object, so that recording its latency makes none. */
            final class Sent extends ProducerRecord<byte[], byte[]> implements Callback {
                private final Tally tally;
                private final long index, due, began;

                Sent(byte[] key, byte[] value, long index, long due, long began) {
                    super(topics[(int) (index % topics.length)], null, null, key, value, Run.this.headers(index, due));
                    tally = phase(acks, index);
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
                    if (ledgerPart != null && metadata != null && metadata.hasOffset())
                        ledgerPart.acknowledged((int) (index % topics.length), metadata.partition(), metadata.offset());
                    if (acknowledged == null) return;
                    acknowledged.set((int) index);
                    if (metadata != null && metadata.hasOffset())
                        acknowledgedEnds.merge(
                                new TopicPartition(metadata.topic(), metadata.partition()),
                                metadata.offset() + 1,
                                Math::max);
                }
            }

            void send() throws InterruptedException {
                long transaction = 0, i = number;
                for (long due, now; i < count; i += senders.size()) {
                    byte[] value = source.values.of(i, random), key = source.key(random);
                    due = due(i);
                    if (due - start >= nanos) break;
                    now = await(due);
                    // What was due within --duration is sent, though a stall held it up: left out, it would be missing
                    // just where it is late. But not for ever.
                    if (now - start >= (limited && nanos < Long.MAX_VALUE / 2 ? 2 * nanos : nanos)) break;
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
                if (limited && duration != null)
                    notSent(i, Math.min(count, (long) Math.ceil(
                            nanos * throughput / 1e9))); // the producer's own thread has nothing more to record
            }

            /** Of what was due and could not be sent, the response time has what it has waited by now; a thousand at most are told apart, as there may be millions. */
            private void notSent(long i, long end) {
                long now = System.nanoTime(), each = Math.max(1, (end - i) / senders.size() / 1000);
                for (long n; i < end; i += n * senders.size()) {
                    n = Math.min(
                            each,
                            ((i < warmupRecords ? Math.min(warmupRecords, end) : end) - i - 1) / senders.size() + 1);
                    phase(acks, i).record(Kind.RESPONSE, now - due(i + n / 2 * senders.size()), n);
                    unsent.addAndGet(n);
                }
            }

            /** A time for each record: no bursts, and what a stall held up is caught up with. */
            private long due(long i) {
                return limited ? start + (long) (i * 1e9 / throughput) : start;
            }

            /** @return 0: no transaction */
            private long commit(long index) {
                long began = System.nanoTime();
                producer.commitTransaction();
                if (ledgerPart != null) ledgerPart.committed();
                phase(commits, index).record(Kind.COMMIT, System.nanoTime() - began);
                return 0;
            }

            private void finish() {
                producer.metrics()
                        .forEach((name, metric) ->
                                metrics.put(name, metric.metricValue())); // the closed producer would have none
                long closing = System.nanoTime();
                producer.close(CLOSE);
                if (ledgerPart != null) ledgerPart.closed();
                if (ended != 0) ended += System.nanoTime() - closing;
                else if (interrupted && limited)
                    notSent(next, Math.min(count, (long) Math.ceil((stopped - start) * throughput / 1e9)));
            }
        }

        /** With --e2e, a record says which of which run it is, and since when it waits. */
        private Iterable<Header> headers(long index, long since) {
            if (!load.e2e) return source.headers.isEmpty() ? null : source.headers;
            List<Header> headers = new ArrayList<>(source.headers);
            headers.add(new RecordHeader(
                    IDENTITY,
                    ByteBuffer.allocate(24)
                            .putLong(id)
                            .putLong(index)
                            .putLong(since)
                            .array()));
            return headers;
        }

        /** Some fail on the sending thread and others not, hence synchronized. */
        private synchronized void failed(Exception e, long index, long now, long began, long due) {
            if (interrupted) {
                unanswered(index, now, began, due);
                return;
            } // given up by our own close
            if (failures == null) failures = tallies(Kind.FAILED);
            phase(failures, index).record(Kind.FAILED, now - began);
            phase(failures, index).count(now, 0);
            if (errors.merge(e.getClass().getSimpleName(), 1L, Long::sum) == 1 && !quiet)
                common.say("First %s: %s", e.getClass().getSimpleName(), printable(e.getMessage()));
        }

        /** Left out, what waited longest would be missing just where the run was stopped because of it. */
        private void unanswered(long index, long now, long began, long due) {
            if (waiting == null) waiting = limited ? tallies(Kind.SERVICE, Kind.RESPONSE) : tallies(Kind.SERVICE);
            phase(waiting, index).record(Kind.SERVICE, now - began);
            if (limited) phase(waiting, index).record(Kind.RESPONSE, now - due);
            unresolved[index < warmupRecords ? 0 : 1]++;
        }

        String outstanding() {
            long sent = unresolved[0] + unresolved[1];
            String text = "of " + sent + " more that were sent the outcome is unknown"
                    + (unsent.get() > 0 ? ", and " + unsent + " were due and not sent" : "");
            return text + (sent + unsent.get() > 0 ? "; the latencies include the time these waited so far" : "");
        }

        /** One consumer with its thread: reads its share of the partitions from where they ended before the run, and knows the run's records by a header. */
        final class Receiver {
            final BitSet seen = new BitSet();
            volatile long twice;
            boolean complete;
            private final org.apache.kafka.clients.consumer.Consumer<byte[], byte[]> consumer;
            private final Tally[] reads = tallies(Kind.E2E);

            Receiver(
                    org.apache.kafka.clients.consumer.Consumer<byte[], byte[]> consumer,
                    List<TopicPartition> partitions) {
                this.consumer = consumer;
                consumer.assign(partitions);
                consumer.seekToEnd(partitions);
                partitions.forEach(consumer::position);
            }

            /** Until all is sent and the ends of then are reached, or nothing has come for --timeout. */
            void receive() {
                Map<TopicPartition, Long> ends = null;
                for (long moved = System.nanoTime();
                        !complete && (ends == null || System.nanoTime() - moved < common.timeout.toNanos()); ) {
                    var records = consumer.poll(Duration.ofMillis(100));
                    long now = System.nanoTime();
                    for (var r : records) {
                        if (ends == null
                                || r.offset() < ends.getOrDefault(new TopicPartition(r.topic(), r.partition()), 0L))
                            moved = now; // others may write on and on
                        Header h = r.headers().lastHeader(IDENTITY);
                        if (h == null || h.value() == null || h.value().length != 24) continue;
                        ByteBuffer identity = ByteBuffer.wrap(h.value());
                        if (identity.getLong() != id) continue;
                        int index = (int) identity.getLong();
                        if (seen.get(index)) {
                            twice++;
                            continue;
                        }
                        seen.set(index);
                        phase(reads, index).record(Kind.E2E, now - identity.getLong());
                        phase(reads, index).count(now, r.value().length);
                    }
                    if (running.getCount() > receivers.size()) continue; // of the senders some still send
                    if (ends == null) {
                        try {
                            (ends = new HashMap<>(consumer.endOffsets(consumer.assignment(), common.timeout)))
                                    .replaceAll((p, end) -> Math.max(end, acknowledgedEnds.getOrDefault(p, 0L)));
                        } catch (org.apache.kafka.common.errors.TimeoutException e) {
                            return;
                        } // not complete: what was measured is told all the same
                        moved = System.nanoTime();
                    }
                    complete = ends.entrySet().stream()
                                    .allMatch(end -> consumer.position(end.getKey())
                                            >= end.getValue()) // with acks=0 nobody knows the ends of what was sent
                            && (!unacknowledged
                                    || sum(Kind.E2E, t -> t.records.get()) >= sum(Kind.SERVICE, t -> t.records.get()));
                }
            }
        }

        /** Gets what the first record would otherwise wait for: the topic's creation, its metadata, the transaction coordinator, the ends of the partitions. */
        void connect(boolean exists) {
            List<TopicPartition> partitions = new ArrayList<>();
            for (int k = 1; k <= load.real.producers; k++) {
                Properties own = (Properties) properties.clone();
                String suffix = k == 1 ? "" : "-" + k;
                for (String name : List.of("client.id", "transactional.id"))
                    own.computeIfPresent(name, (n, value) -> value + suffix);
                Producer<byte[], byte[]> producer = producer(own);
                senders.add(new Sender(producer));
                for (String topic : topics)
                    try {
                        List<PartitionInfo> found = producer.partitionsFor(topic);
                        if (k == 1) found.forEach(p -> partitions.add(new TopicPartition(topic, p.partition())));
                    } catch (ApiException e) { // without metadata of a topic that is there, each send may still try for
                        // itself
                        if (!exists || load.e2e || !(e instanceof RetriableException))
                            throw new Exit(
                                    ALL_FAILED,
                                    "Every send to " + printable(topic) + " would fail: " + printable(e.getMessage()));
                    }
                if (transactionNanos > 0) producer.initTransactions();
            }
            refuse(
                    load.e2e && load.real.consumers > partitions.size(),
                    "--consumers " + load.real.consumers + " are more than there are partitions (" + partitions.size()
                            + ").");
            Properties own = (Properties) properties.clone();
            own.keySet().removeAll(List.of("client.id", "transactional.id", "interceptor.classes", "group.id"));
            own.putAll(Map.of(
                    "enable.auto.commit",
                    "false",
                    "auto.offset.reset",
                    "latest",
                    "isolation.level",
                    transactionNanos > 0 ? "read_committed" : "read_uncommitted"));
            for (int k = 0; load.e2e && k < load.real.consumers; k++) {
                int share = k;
                receivers.add(new Receiver(
                        consumer(own),
                        IntStream.range(0, partitions.size())
                                .filter(p -> p % load.real.consumers == share)
                                .mapToObj(partitions::get)
                                .toList()));
            }
        }

        Summary measure(Instant at) throws Exception {
            if (telling.hdrLog != null)
                try {
                    writer = new HistogramLogWriter(
                            log = new PrintStream(new FileOutputStream(telling.hdrLog), false, StandardCharsets.UTF_8));
                } catch (FileNotFoundException e) {
                    throw new Exit(2, "Cannot write --hdr-log: " + e.getMessage() + ".");
                }
            if (at != null) {
                long wait = Duration.between(Instant.now(), at).toNanos();
                if (wait < 0) throw new Exit(1, "--start-at passed while perf still connected: leave it more time.");
                common.say("Connected; starts at %s.", at);
                await(System.nanoTime() + wait);
            }
            if (ledger != null) ledger.begin();
            if (source.entries != null) {
                print("Reading payloads from: " + printable(load.payloadFile.toAbsolutePath()));
                print("Number of records read: " + source.entries.length);
            }
            if (warmupRecords > 0)
                print("Warmup first " + warmupRecords
                        + " records. Steady state results will print after the complete test summary.");
            long lead = limited ? 20 : 0; // until the threads have started, which is nobody's latency
            start = from = System.nanoTime() + lead * 1_000_000;
            startMs = System.currentTimeMillis() + lead;
            if (writer != null) {
                writer.outputLogFormatVersion();
                writer.outputComment(
                        "[kraft-lab perf: values in microseconds, Interval_Max in milliseconds; Tag=response: from"
                                + " when a record was due; e2e: until it was read; commit: of a transaction]");
                if (warmupRecords > 0)
                    writer.outputComment("[The first " + warmupRecords
                            + " records are a warm-up, which no objective is judged by: Tag=warmup,"
                            + " warmup-response, ...]");
                writer.outputStartTime(startMs);
                writer.outputLegend();
            }
            collections.watch();
            receivers.forEach(r -> run(r::receive, r.consumer::close));
            senders.forEach(s -> run(s::send, s::finish));
            try {
                report();
            } catch (InterruptedException e) {
                stopped = System.nanoTime();
                synchronized (this) {
                    interrupted = true;
                }
                threads.shutdownNow();
                running.await(CLOSE.toMillis() + 2000, TimeUnit.MILLISECONDS);
                window(System.nanoTime(), true);
            }
            collections.close();
            if (ledger != null) writeLedger();
            Summary withoutWarmup =
                    warmupRecords == 0 || steady.get(Kind.SERVICE).getTotalCount() == steady.unanswered
                            ? null
                            : summary(true, steady, null, null);
            Summary summary = summary(false, all, load.e2e ? readBack() : null, withoutWarmup);
            if (problem instanceof KafkaException)
                throw new Exit(
                        summary.records() == 0 ? ALL_FAILED : 1,
                        "Broke off after " + summary.records() + " records: " + printable(problem.getMessage()));
            if (problem instanceof Error e) throw e;
            if (problem instanceof Exception e) throw e;
            if (log != null && log.checkError()) notWritten = "--hdr-log: is the disk full?";
            return summary;
        }

        /** The latest a record of the run can be of: its timestamp is of the wall clock, which may have been set back meanwhile. */
        private void writeLedger() {
            long until = Math.max(System.currentTimeMillis(), startMs + (System.nanoTime() - start) / 1_000_000 + 1);
            Map<String, Object> end = new LinkedHashMap<>();
            end.put("failed", sum(Kind.FAILED, t -> t.records.get()));
            end.put("unresolved", unresolved[0] + unresolved[1]);
            end.put("untilMs", until);
            try {
                ledger.write(running.getCount() == 0 ? end : null);
            } catch (IOException e) {
                notWritten = "--ledger: " + e.getMessage() + ".";
            }
        }

        interface Task {
            void run() throws Exception;
        }
        /** On a thread of its own. What ends one with a problem, ends all; an interruption is no problem. */
        private void run(Task task, Task close) {
            Runnable all = () -> {
                for (Task part : List.of(task, Thread::interrupted, close))
                    try { // an interrupted close would not wait
                        part.run();
                    } catch (InterruptedException | InterruptException e) { // Ctrl-C
                    } catch (Throwable e) {
                        if (problem == null) problem = e;
                        threads.shutdownNow();
                    }
                running.countDown();
            };
            try {
                threads.execute(all);
            } catch (RejectedExecutionException oneEndedAllBefore) {
                running.countDown();
            }
        }

        private void report() throws InterruptedException {
            long interval = TimeUnit.MILLISECONDS.toNanos(telling.intervalMs);
            for (boolean last = false; !last; ) {
                long left = from + interval - System.nanoTime();
                last = running.await(
                        Math.min(left, screen.isOn() ? 200_000_000 : backlog != null ? SAMPLE : left),
                        TimeUnit.NANOSECONDS);
                long now = System.nanoTime();
                if (!last) drawBar(now - start);
                if (backlog != null && now > start && now - start < nanos) sampleBacklog(now - start);
                if (!last && now - from < interval) continue;
                window(now, last);
                if (!last && ledger != null)
                    try {
                        ledger.interim();
                    } catch (IOException e) {
                        throw new Exit(1, "Cannot write --ledger " + telling.ledger + ": " + e.getMessage() + ".");
                    }
                if (!last && log != null && log.checkError())
                    throw new Exit(1, "Cannot write --hdr-log " + telling.hdrLog + ": is the disk full?");
                if (!last && !quiet && (outputClosed = common.out.checkError())) throw new InterruptedException();
            }
        }

        /** With --e2e, what is not read has no outcome either. */
        private void sampleBacklog(long nanosSoFar) {
            long due = Math.min(count, (long) (nanosSoFar * throughput / 1e9)),
                    ended = sum(Kind.SERVICE, t -> t.records.get());
            if (load.e2e) ended = Math.min(ended, sum(Kind.E2E, t -> t.records.get()));
            backlog.accept(nanosSoFar / 1e9, (double) due - ended - sum(Kind.FAILED, t -> t.records.get()));
        }

        /** Gathers what was recorded since the last time, and tells it. */
        private void window(long to, boolean last) {
            Latencies cold = new Latencies(), now = new Latencies();
            for (Tally[] phases : tallies) {
                if (phases[0] != null) phases[0].take(cold);
                phases[1].take(now);
            }
            cold.unanswered = unresolved[0];
            now.unanswered = unresolved[1];
            steady.addAll(now);
            boolean hasCold = cold.values().stream().anyMatch(h -> h.getTotalCount() > 0),
                    hasSteady = now.get(Kind.SERVICE).getTotalCount() > 0,
                    steadyNow = warmupRecords > 0 && !hasCold && hasSteady;
            Latencies judged =
                    new Latencies(); // an interval's latencies are of the one or the other, its rate is of both
            judged.addAll(hasSteady || !hasCold ? now : cold);
            if (writer != null && hasCold) log(cold, to, "warmup");
            if (writer != null && (hasSteady || !hasCold && !last)) log(now, to, null);
            now.addAll(cold);
            all.addAll(now);
            if (last && now.values().stream().allMatch(h -> h.getTotalCount() == 0)) return;
            double meanSize = (double) sum(Kind.SERVICE, t -> t.bytes.get())
                    / Math.max(
                            1,
                            sum(Kind.SERVICE, t -> t.records.get())); // bytes are not cut together with the histogram
            Summary w = new Summary(
                    (to - from) / 1e9,
                    Math.round((now.get(Kind.SERVICE).getTotalCount() - now.unanswered) * meanSize),
                    now,
                    null,
                    false,
                    null);
            from = to;
            List<Object> fields = w.rates();
            judged.fields(fields);
            if (warmupRecords > 0)
                fields.addAll(List.of("steady", steady.get(Kind.SERVICE).getTotalCount() > 0));
            emit("perf-window", fields.toArray());
            if (last) return; // no line for the rest, as with Apache's
            if (steadyNow && !isSteady) print("In steady state.");
            isSteady |= steadyNow;
            print(String.format(
                    Locale.ROOT,
                    "%d records sent, %.1f records/sec (%.2f MB/sec), %.1f ms avg latency, %.1f ms max latency.",
                    w.records(),
                    w.recordsPerSec(),
                    w.mbPerSec(),
                    Latencies.ms(w.service(), "avg"),
                    Latencies.ms(w.service(), "max")));
        }

        /** An interval's histograms into the log; those of the warm-up under tags of their own. */
        private void log(Latencies interval, long to, String prefix) {
            interval.forEach((kind, h) -> {
                if (kind == Kind.SERVICE) h.setTag(prefix);
                else h.setTag(prefix == null ? kind.tag : prefix + "-" + kind.tag);
                writer.outputIntervalHistogram((from - start) / 1e9, (to - start) / 1e9, h, 1000);
            });
        }

        /** To the last acknowledgement, failure or commit and until all was flushed and closed, or to when it was stopped. */
        private Summary summary(boolean afterWarmup, Latencies latencies, ReadBack read, Summary steady) {
            List<Tally> sent = tallies.stream()
                    .flatMap(phases -> afterWarmup ? Stream.of(phases[1]) : Stream.of(phases))
                    .filter(t -> t != null && (t.has(Kind.SERVICE) || t.has(Kind.FAILED)))
                    .toList();
            long
                    began =
                            afterWarmup
                                    ? sent.stream()
                                            .mapToLong(t -> t.first)
                                            .min()
                                            .getAsLong()
                                    : start,
                    end =
                            Math.max(
                                    stopped,
                                    sent.stream().mapToLong(t -> t.last).max().getAsLong());
            for (Sender sender : senders) end = Math.max(end, sender.ended);
            return new Summary(
                    (end - began) / 1e9,
                    sent.stream().mapToLong(t -> t.bytes.get()).sum(),
                    latencies,
                    read,
                    interrupted && !outputClosed,
                    steady);
        }

        private ReadBack readBack() {
            BitSet read = new BitSet(), missing = new BitSet();
            receivers.forEach(r -> read.or(r.seen));
            senders.forEach(s -> {
                if (s.acknowledged != null) missing.or(s.acknowledged);
            });
            missing.andNot(read);
            double seconds = Math.max(of(Kind.E2E).mapToLong(t -> t.last).max().getAsLong() - start, 1) / 1e9;
            return new ReadBack(
                    all.get(Kind.E2E).getTotalCount(),
                    all.get(Kind.E2E).getTotalCount() / seconds,
                    sum(Kind.E2E, t -> t.bytes.get()) / 1048576.0 / seconds,
                    missing.cardinality(),
                    receivers.stream().mapToLong(r -> r.twice).sum(),
                    receivers.stream().allMatch(r -> r.complete));
        }

        private void drawBar(long nanosSoFar) {
            long ended = sum(Kind.SERVICE, t -> t.records.get()) + sum(Kind.FAILED, t -> t.records.get());
            double share = duration == null ? (double) ended / count : (double) nanosSoFar / nanos,
                    seconds = nanosSoFar / 1e9;
            screen.bar(
                    share,
                    String.format(
                            Locale.ROOT,
                            "%.0f records/s, %s",
                            ended / seconds,
                            Screen.left(ended == 0 ? 0 : share, seconds)));
        }

        // ---- What limited it ----

        private static final List<String> EXPLAINED = List.of(
                "record-queue-time-avg",
                "record-queue-time-max",
                "request-latency-avg",
                "request-latency-max",
                "batch-size-avg",
                "batch-size-max",
                "records-per-request-avg",
                "record-size-avg",
                "compression-rate-avg",
                "produce-throttle-time-avg",
                "produce-throttle-time-max",
                "bufferpool-wait-time-ns-total",
                "metadata-wait-time-ns-total",
                "record-retry-total",
                "batch-split-total",
                "requests-in-flight",
                "io-ratio");

        /** Of the producers' own metrics over the whole run: their average, of maxima the highest; NaN if there is none. */
        private double figure(String name) {
            var values = metrics.entrySet().stream()
                    .filter(m -> m.getKey().group().equals("producer-metrics")
                            && m.getKey().name().equals(name))
                    .map(Map.Entry::getValue)
                    .filter(v -> v instanceof Double d && Double.isFinite(d))
                    .mapToDouble(v -> (Double) v)
                    .summaryStatistics();
            return values.getCount() == 0 ? Double.NaN : name.endsWith("-max") ? values.getMax() : values.getAverage();
        }

        void tellLimits(Summary s) {
            double queue = figure("record-queue-time-avg"),
                    wire = figure("request-latency-avg"),
                    batch = figure("batch-size-avg"),
                    compression = figure("compression-rate-avg");
            double throttle = figure("produce-throttle-time-avg"),
                    waited = figure("bufferpool-wait-time-ns-total") / 1e9 / s.seconds;
            double response = Latencies.ms(s.judged().response(), "p99"),
                    service = Latencies.ms(s.judged().service(), "p99"),
                    perSec = s.recordsPerSec();
            common.say("%s", collections.sentence(s.seconds));
            if (Double.isNaN(queue) || Double.isNaN(wire)) {
                common.say("What limited it is not known: the client has no figures of so short a run.");
                return;
            }
            common.say(
                    "%s%.1f ms in the producer's buffer, then %.1f ms on the wire and in the broker.%s",
                    limited
                            ? "A batch was on average "
                            : String.format(
                                    Locale.ROOT,
                                    "%.0f%% of the latency is the producer's own queue: ",
                                    100 * queue / (queue + wire)),
                    queue,
                    wire,
                    limited
                            ? ""
                            : " At --throughput -1 it says how far the producer is ahead, not how fast a broker"
                                    + " answers.");
            int batchSize = Integer.parseInt((""
                            + properties.getOrDefault(
                                    "batch.size",
                                    ProducerConfig.configDef().defaultValues().get("batch.size")))
                    .trim());
            if (batchSize > 0)
                common.say(
                        "Batches were %.0f%% full (%.0f bytes of batch.size=%d), a request had %.1f records, %s.",
                        100 * batch / batchSize,
                        batch,
                        batchSize,
                        figure("records-per-request-avg"),
                        compression < 0.999
                                ? String.format(Locale.ROOT, "compressed to %.0f%% of their size", 100 * compression)
                                : "not compressed");
            if (throttle > 0) common.say("The brokers' quota held a request up for %.1f ms on average.", throttle);
            if (response > 1 + 1.5 * service)
                common.say(
                        "99%% of the records had their answer %.1f ms after they were due, and %.1f ms after send():"
                                + " they waited to be sent.",
                        response, service);
            common.say(
                    waited >= 0.01
                            ? "send() was blocked for %.0f%% of the time by a full buffer.memory."
                            : "send() was not blocked by a full buffer.memory.",
                    100 * waited);
            if (limited && s.reached(throughput))
                common.say("--throughput set the pace: its %.0f records/s were reached.", throughput);
            else
                common.say(
                        "%s set the pace%s.",
                        collections.share(s.seconds) >= 0.1
                                ? "The client's own collections (more memory may help)"
                                : waited >= 0.05 || (limited ? response <= 1 + 1.5 * service : queue > wire)
                                        ? "Network and brokers"
                                        : "This machine and its producers (more --producers may help)",
                        limited
                                ? String.format(
                                        Locale.ROOT, ": of %.0f records/s only %.1f were reached", throughput, perSec)
                                : "");
            if (telling.explain) EXPLAINED.forEach(name -> common.say("  %-34s %,.2f", name, figure(name)));
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

    /** The garbage collections of this JVM while it is watched: what they stop counts as latency, and is no broker's. Cycles beside the running threads stop nothing. */
    static final class GarbageCollections implements NotificationListener {
        private final List<GarbageCollectorMXBean> collectors = ManagementFactory.getGarbageCollectorMXBeans().stream()
                .filter(c -> !c.getName().matches(".*(Cycles|Concurrent).*"))
                .toList();
        private long count, totalMs, seen, longestMs;
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
        public synchronized void handleNotification(Notification notification, Object unused) {
            if (!notification.getType().equals(GarbageCollectionNotificationInfo.GARBAGE_COLLECTION_NOTIFICATION))
                return;
            seen++;
            longestMs = Math.max(
                    longestMs,
                    GarbageCollectionNotificationInfo.from((CompositeData) notification.getUserData())
                            .getGcInfo()
                            .getDuration());
            notifyAll();
        }

        /** The notifications come a little later: waits for those of collections that are over, a tenth of a second at most. */
        synchronized void close() {
            if (!watching) return;
            watching = false;
            count += sum(GarbageCollectorMXBean::getCollectionCount);
            totalMs += sum(GarbageCollectorMXBean::getCollectionTime);
            boolean interrupted = Thread.interrupted();
            long until = System.nanoTime() + 100_000_000;
            for (long left; seen < count && (left = (until - System.nanoTime()) / 1_000_000) > 0; ) {
                try {
                    wait(left);
                } catch (InterruptedException e) {
                    interrupted = true;
                }
            }
            for (GarbageCollectorMXBean c : collectors) {
                try {
                    ((NotificationEmitter) c).removeNotificationListener(this);
                } catch (OperationsException e) {
                    throw new IllegalStateException(e);
                }
            }
            if (interrupted) Thread.currentThread().interrupt();
        }

        double share(double seconds) {
            return totalMs / 1000.0 / seconds;
        }

        Object[] fields() {
            return new Object[] {"collections", count, "collectionsMs", totalMs, "longestCollectionMs", longestMs};
        }

        String sentence(double seconds) {
            if (count == 0) return "The client's own collections: none.";
            return String.format(
                    Locale.ROOT,
                    "The client's own collections: %d, longest %d ms, %.1f%% of the time; what they stopped counts as"
                            + " latency.",
                    count,
                    longestMs,
                    100 * share(seconds));
        }
    }

    /** Until then; at once if it has passed. @return the time */
    private static long await(long until) throws InterruptedException {
        for (long now; ; LockSupport.parkNanos(until - now)) {
            if (Thread.interrupted()) throw new InterruptedException();
            if ((now = System.nanoTime()) >= until) return now;
        }
    }

    // ---- Telling ----

    /** What was read back. @param missing acknowledged and not read; lost only if complete: the ends of all partitions were reached */
    record ReadBack(long records, double perSec, double mbPerSec, long missing, long twice, boolean complete) {}

    /** Of a run, its steady state, or an interval: latencies of acknowledged records; {@code read} or null; {@code steady} is the run without its warm-up, or null. */
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
            return latencies.containsKey(Kind.FAILED)
                    ? latencies.get(Kind.FAILED).getTotalCount()
                    : 0;
        }

        public long records() {
            return service().getTotalCount() - latencies.unanswered;
        }
        /** What objectives, percentiles and plots are of: the run without its warm-up, if it has one. */
        Summary judged() {
            return steady == null ? this : steady;
        }

        public double recordsPerSec() {
            return records() / seconds;
        }

        public double mbPerSec() {
            return bytes / 1048576.0 / seconds;
        }
        /** Records per second without the time of an answer for which none has to wait, which is no lack of speed; a queue that grows is one, and most wait in it. */
        public double reached() {
            return records() / Math.max(1e-9, seconds - Latencies.ms(service(), "p10") / 1000);
        }
        /** To 2 %, or, of a short run, but for the fifth of a second that one late answer and the closing may take. */
        boolean reached(double rate) {
            return records() / reached() <= Math.max(1.02 * records() / rate, records() / rate + 0.2);
        }

        List<Object> rates() {
            return new ArrayList<>(List.of(
                    "records",
                    records(),
                    "recordsPerSec",
                    recordsPerSec(),
                    "mbPerSec",
                    mbPerSec(),
                    "failed",
                    failed()));
        }

        Object[] fields() {
            List<Object> fields = rates();
            if (latencies.unanswered > 0) fields.addAll(List.of("outstanding", latencies.unanswered));
            latencies.fields(fields);
            if (latencies.containsKey(Kind.COMMIT))
                fields.addAll(List.of("commits", latencies.get(Kind.COMMIT).getTotalCount()));
            if (read != null)
                fields.addAll(List.of(
                        "read",
                        read.records,
                        "readPerSec",
                        read.perSec,
                        "readMbPerSec",
                        read.mbPerSec,
                        "missing",
                        read.missing,
                        "readTwice",
                        read.twice));
            return fields.toArray();
        }

        String line(String state) {
            ToLongFunction<String> ms = what -> Math.round(Latencies.ms(service(), what));
            return String.format(
                    Locale.ROOT,
                    "%d%s records sent, %f records/sec (%.2f MB/sec), %.2f ms avg latency, %.2f ms max latency, %d ms"
                            + " 50th, %d ms 95th, %d ms 99th, %d ms 99.9th.",
                    records(),
                    state,
                    recordsPerSec(),
                    mbPerSec(),
                    Latencies.ms(service(), "avg"),
                    Latencies.ms(service(), "max"),
                    ms.applyAsLong("p50"),
                    ms.applyAsLong("p95"),
                    ms.applyAsLong("p99"),
                    ms.applyAsLong("p99.9"));
        }
    }

    /** What a run should keep to: {@code p99=50ms} of the response time (at unlimited throughput the service time), {@code e2e-p99.9=1s}, {@code throughput=9000}. */
    record Objective(String text, Kind kind, String what, double limit) {
        static class Reader implements ITypeConverter<Objective> {
            @Override
            public Objective convert(String text) {
                Matcher m = Pattern.compile(
                                "(?:(service|response|e2e|commit)-)?(avg|max|p\\d\\d?(?:\\.\\d+)?)=(\\d+(?:\\.\\d+)?)(us|ms|s)|(throughput|mb|failed)=(\\d+(?:\\.\\d+)?)")
                        .matcher(text.trim());
                if (!m.matches())
                    throw new TypeConversionException(
                            "'" + text + "' is not an objective such as p99=50ms, e2e-max=1s or throughput=9000");
                if (m.group(5) != null)
                    return new Objective(text.trim(), null, m.group(5), Double.parseDouble(m.group(6)));
                double unit = switch (m.group(4)) {
                    case "us" -> 1e-3;
                    case "ms" -> 1;
                    default -> 1e3;
                };
                return new Objective(
                        text.trim(),
                        m.group(1) == null ? null : Kind.valueOf(m.group(1).toUpperCase(Locale.ROOT)),
                        m.group(2),
                        Double.parseDouble(m.group(3)) * unit);
            }
        }

        /** Milliseconds, or what else is compared; NaN if there is no such latency. */
        double value(Summary s) {
            Histogram h = kind == null ? s.response() : s.latencies.get(kind);
            return switch (what) {
                case "throughput" -> s.recordsPerSec();
                case "mb" -> s.mbPerSec();
                case "failed" -> s.failed();
                default ->
                    h == null || h.getTotalCount() == 0
                            ? Double.NaN
                            : s.failed() > 0 && kind != Kind.E2E && kind != Kind.COMMIT
                                    ? ofAll(h, s.failed())
                                    : Latencies.ms(h, what);
            };
        }

        boolean atLeast() {
            return what.equals("throughput") || what.equals("mb");
        }

        /** Sends that failed had no answer in time: they are among all sends the slowest. */
        private double ofAll(Histogram answered, long failed) {
            double percentile = what.startsWith("p")
                    ? Double.parseDouble(what.substring(1))
                            * (answered.getTotalCount() + failed)
                            / answered.getTotalCount()
                    : Double.POSITIVE_INFINITY;
            return percentile > 100 + 1e-9
                    ? Double.POSITIVE_INFINITY
                    : Latencies.ms(answered, "p" + Math.min(percentile, 100));
        }

        /** @return null if it was kept, else how it was missed */
        String missed(Summary s) {
            double value = value(s);
            if (atLeast() ? value >= limit : value <= limit) return null;
            return "Objective " + text + " missed: "
                    + (Double.isNaN(value)
                            ? "there is no such latency."
                            : Double.isInfinite(value)
                                    ? s.failed() + " sends failed."
                                    : String.format(
                                            Locale.ROOT,
                                            "%.2f%s.",
                                            value,
                                            atLeast() || what.equals("failed") ? "" : " ms"));
        }
    }

    private void emit(String type, Object... fields) {
        if (quiet) return;
        common.emit(type, fields);
        if (!telling.csv) return;
        Map<String, String> row = new LinkedHashMap<>(Map.of("type", type));
        for (int i = 0; i < fields.length; i += 2)
            row.put(
                    (String) fields[i],
                    fields[i + 1] instanceof Double d ? String.format(Locale.ROOT, "%.3f", d) : "" + fields[i + 1]);
        if (type.equals("perf-summary") && row.containsKey("steady")) row.put("type", type + "-steady");
        if (csvColumns == null)
            common.out.println(
                    String.join(",", csvColumns = List.copyOf(row.keySet()))); // what only the summary has is no column
        common.out.println(
                csvColumns.stream().map(column -> row.getOrDefault(column, "")).collect(Collectors.joining(",")));
    }

    private void print(String line) {
        if (!common.json && !telling.csv && !quiet) common.out.println(line);
    }

    /** In the layout of Apache's tools. */
    private static void printMetrics(PrintWriter out, Map<MetricName, Object> metrics) {
        Map<String, Object> sorted = new TreeMap<>();
        metrics.forEach((name, value) -> sorted.put(
                printable(name.group() + ":" + name.name() + ":" + name.tags()),
                value instanceof String text ? printable(text) : value));
        int width = sorted.keySet().stream().mapToInt(String::length).max().orElse(1);
        out.printf(Locale.ROOT, "%n%-" + width + "s   %s%n", "Metric Name", "Value");
        sorted.forEach((name, value) -> out.printf(
                Locale.ROOT, "%-" + width + "s : " + (value instanceof Double ? "%.3f" : "%s") + "%n", name, value));
    }

    // ---- What was asked for ----

    private void check() {
        Object[] positive = {
            "--num-records",
            numRecords,
            "--duration",
            duration == null ? null : duration.toMillis(),
            "--timeout",
            common.timeout.toMillis(),
            "--producers",
            load.real.producers,
            "--consumers",
            load.real.consumers,
            "--reporting-interval",
            telling.intervalMs,
            "--transaction-duration-ms",
            load.further.transactionMs
        };
        for (int i = 0; i < positive.length; i += 2)
            refuse(
                    positive[i + 1] instanceof Number n && n.longValue() <= 0,
                    positive[i] + " should be greater than zero.");
        refuse((numRecords == null) == (duration == null), "Give either --num-records or --duration.");
        refuse(
                Stream.of(load.sizes != null, load.payloadFile != null, load.monotonic)
                                .filter(given -> given)
                                .count()
                        != 1,
                "Give one of --record-size, --payload-file and --payload-monotonic.");
        refuse(duration != null && duration.toDays() > 10_000, "--duration is too long.");
        refuse(
                !(throughput < 0 || throughput >= 1e-6 && throughput <= 1e9),
                "--throughput " + throughput
                        + " would never send, or all at once; give records per second, or -1 for as fast as it goes.");
        refuse(
                telling.warmupRecords < 0 || numRecords != null && telling.warmupRecords >= numRecords,
                "--warmup-records must be fewer than --num-records.");
        refuse(
                load.real.keys < 0 || load.real.choice == Choice.ZIPFIAN && load.real.keys == 0,
                "--keys should be greater than zero; --key-choice chooses among them.");
        refuse(
                load.topics().stream().anyMatch(String::isBlank),
                "--topic should name a topic, or several with commas between them.");
        refuse(
                load.e2e && numRecords != null && numRecords > Integer.MAX_VALUE,
                "--e2e keeps count of at most 2147483647 records.");
        refuse(common.json && telling.csv, "--json and --csv both want stdout: give one of them.");
        for (Objective o : objectives) {
            refuse(o.kind == Kind.E2E && !load.e2e, "--slo " + o.text + " needs --e2e.");
            refuse(o.kind == Kind.RESPONSE && throughput < 0, "--slo " + o.text + " needs a limited --throughput.");
        }
        refuse(
                telling.percentiles != null
                        && (Files.isDirectory(telling.percentiles)
                                || !Files.isWritable(
                                        Files.exists(telling.percentiles)
                                                ? telling.percentiles
                                                : telling.percentiles
                                                        .toAbsolutePath()
                                                        .getParent())),
                "Cannot write --percentiles " + telling.percentiles + ".");
        refuse(
                load.further.producerProps != null && load.commandProperties != null,
                "--producer-props is the old name of --command-property: give one of them.");
        Path old = load.further.producerConfig; // of a second run, the same object is the other as well
        refuse(
                old != null && common.commandConfig != null && common.commandConfig != old,
                "--producer.config is the old name of --command-config: give one of them.");
        if (load.further.producerProps != null && !quiet)
            common.say("--producer-props is deprecated, use --command-property.");
        if (old != null && !quiet) common.say("--producer.config is deprecated, use --command-config.");
    }

    private static void refuse(boolean wrong, String sentence) {
        if (wrong) throw new Exit(2, sentence);
    }

    private static void put(String pair, String what, BiConsumer<String, String> into) {
        int equals = pair.indexOf('='); // the first: values may have more of them
        refuse(equals < 1, what + " '" + pair + "' is not NAME=VALUE.");
        into.accept(pair.substring(0, equals), pair.substring(equals + 1));
    }

    private Instant startAt() {
        if (telling.startAt == null) return null;
        Instant at;
        try {
            at = telling.startAt.contains("T")
                    ? OffsetDateTime.parse(telling.startAt).toInstant()
                    : LocalDate.now()
                            .atTime(LocalTime.parse(telling.startAt))
                            .atZone(ZoneId.systemDefault())
                            .toInstant();
        } catch (DateTimeParseException e) {
            throw new Exit(
                    2,
                    "'" + telling.startAt
                            + "' of --start-at is not a time such as 14:05, 14:05:30 or 2026-11-23T14:05:00Z.");
        }
        refuse(at.isBefore(Instant.now()), "--start-at " + telling.startAt + " has passed.");
        return at;
    }

    /** The producer's properties. The cluster's address: --bootstrap-server if it was given, else the properties', the file's, the default. */
    private Properties properties() throws IOException {
        if (load.further.producerConfig != null) common.commandConfig = load.further.producerConfig;
        Properties properties = common.client();
        boolean given = common.spec.commandLine().getParseResult().hasMatchedOption("--bootstrap-server");
        for (List<String> pairs : Stream.of(load.further.producerProps, load.commandProperties)
                .filter(Objects::nonNull)
                .toList())
            pairs.forEach(pair -> put(pair, "Property", (name, value) -> {
                if (!given || !name.equals("bootstrap.servers")) properties.put(name, value);
            }));
        common.bootstrapServer = properties.getProperty("bootstrap.servers");
        properties.putIfAbsent("client.id", "perf-producer-client");
        // One window as long as any run: averages, maxima and rates of the whole run, and not of its last half to whole
        // minute.
        properties.putIfAbsent("metrics.num.samples", "1");
        properties.putIfAbsent("metrics.sample.window.ms", "" + TimeUnit.DAYS.toMillis(10_000));
        if (load.further.transactionalId != null) properties.put("transactional.id", load.further.transactionalId);
        else if (load.further.transactionMs != null)
            properties.putIfAbsent("transactional.id", "performance-producer-" + UUID.randomUUID());
        properties.putAll(load.overrides);
        return properties;
    }

    /** Apart, for tests to put clients of known delays in their place. */
    Producer<byte[], byte[]> producer(Properties properties) {
        return new KafkaProducer<>(properties, new ByteArraySerializer(), new ByteArraySerializer());
    }

    org.apache.kafka.clients.consumer.Consumer<byte[], byte[]> consumer(Properties properties) {
        return new KafkaConsumer<>(properties, new ByteArrayDeserializer(), new ByteArrayDeserializer());
    }

    /** Says up front what would otherwise be one metadata timeout after another. */
    boolean topicsExist(Properties producer) throws Exception {
        int timeout = (int) Math.min(common.timeout.toMillis(), Integer.MAX_VALUE);
        common.usable();
        Properties properties = (Properties) producer.clone();
        properties.putAll(Map.of(
                "default.api.timeout.ms",
                timeout,
                "request.timeout.ms",
                Math.min(timeout, 30_000),
                "retries",
                Integer.MAX_VALUE));
        Admin admin = Admin.create(properties);
        boolean all = true;
        try {
            for (var topic :
                    admin.describeTopics(load.topics()).topicNameValues().entrySet())
                try {
                    topic.getValue().get();
                } catch (ExecutionException e) {
                    refuse(
                            e.getCause() instanceof InvalidTopicException,
                            "'" + printable(topic.getKey()) + "' is not a name that a topic may have.");
                    if (e.getCause() instanceof AuthorizationException)
                        continue; // who may not look may still be allowed to write
                    if (!(e.getCause() instanceof UnknownTopicOrPartitionException)) throw e;
                    all = false;
                    if (!brokersCreateTopics(admin))
                        throw new Exit(
                                ALL_FAILED,
                                "Topic " + printable(topic.getKey())
                                        + " does not exist, and the brokers do not create it by themselves; create it"
                                        + " first (create-topic).");
                    common.say(
                            "Topic %s does not exist: the brokers create it, with their defaults.",
                            printable(topic.getKey()));
                }
            return all;
        } finally {
            admin.close(Duration.ZERO);
        }
    }

    private static boolean brokersCreateTopics(Admin admin) throws InterruptedException {
        try {
            var any = List.of(new ConfigResource(
                    ConfigResource.Type.BROKER,
                    admin.describeCluster().nodes().get().iterator().next().idString()));
            return admin.describeConfigs(any).all().get().values().stream()
                    .noneMatch(broker ->
                            broker.get("auto.create.topics.enable").value().equals("false"));
        } catch (ExecutionException notAllowed) {
            return true;
        }
    }

    // ---- Common to the scripts that draw on the terminal. ./jbang format copies it from lib/cli/Screen.java. ----

    /**
     * A status area in the last lines of a terminal, redrawn in place; printed lines scroll by above it. Where the stream
     * is no terminal (a pipe, a file, TERM=dumb, a script that another one calls), nothing is drawn and no control
     * character is written. The cursor is never hidden, so there is nothing to restore, however the script ends.
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

        /** Without a locale, as in a container or under cron, Java assumes ASCII; whoever reads the output has UTF-8. */
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
        if (telling.hdrLog != null) requireReplaceable(Path.of("" + telling.hdrLog), "#[kraft-lab perf", "--hdr-log");
        if (telling.ledger != null) Ledger.requireReplaceable(telling.ledger.toPath());
        if (telling.percentiles == null) return;
        for (Kind kind : Kind.values())
            requireReplaceable(Latencies.beside(telling.percentiles, kind), "Value", "--percentiles");
    }

    /** Refuses to replace a file that is there and is of another kind, or a link: somebody else's, or a slip of the keyboard. */
    static void requireReplaceable(Path file, String beginning, String option) throws IOException {
        if (Files.exists(file) && !Files.isRegularFile(file)) return; // a pipe, a device
        if (Files.isSymbolicLink(file))
            throw new Exit(2, file + " is a link, which " + option + " does not follow: name another file.");
        if (!Files.exists(file) || Files.size(file) == 0) return;
        try (InputStream in = Files.newInputStream(file)) {
            String head = new String(in.readNBytes(100), java.nio.charset.StandardCharsets.UTF_8);
            if (!head.stripLeading().startsWith(beginning))
                throw new Exit(
                        2,
                        file + " is there, and is none that " + option
                                + " has written, so it stays as it is: name another file.");
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

        @Option(names = "--json", description = "Print one JSON object a line.")
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
            try {
                given = commandConfig == null ? new Properties() : Utils.loadProps(commandConfig.toString());
            } catch (IOException | IllegalArgumentException e) {
                throw new Exit(2, "Cannot read --command-config " + commandConfig + ": " + reason(e) + ".");
            }
            if (!spec.commandLine().getParseResult().hasMatchedOption("-b"))
                bootstrapServer = given.getProperty("bootstrap.servers", bootstrapServer);
            given.put("bootstrap.servers", bootstrapServer);
            for (int i = 0; i < pairs.length; i += 2) given.put("" + pairs[i], "" + pairs[i + 1]);
            return given;
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
            Map<String, String> addresses = addresses();
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
            if (given.isEmpty()) client(); // --command-config may name the cluster
            int timeoutMs = (int) Math.max(1, Math.min(timeout.toMillis() / 4, 1500));
            return bootstrapNodes().parallelStream()
                    .collect(groupingBy(
                            at -> obstacle(at, timeoutMs),
                            LinkedHashMap::new,
                            mapping(Common::address, joining(", "))));
        }

        /** Returns the bootstrap addresses as nodes with ids -1, -2, ... */
        List<Node> bootstrapNodes() {
            List<Node> nodes = new ArrayList<>();
            for (String address : bootstrapServer.split(",")) {
                var m = ADDRESS.matcher(address.trim());
                if (!m.matches()) throw new Exit(2, "'" + address + "' in --bootstrap-server is not HOST:PORT.");
                nodes.add(new Node(-1 - nodes.size(), m.group(1), Integer.parseInt(m.group(2))));
            }
            return nodes;
        }

        static String address(Node node) {
            return Utils.formatAddress(node.host(), node.port());
        }

        /** Asks an address for its API versions and brokers. By hand: no client API says why it got no answer. */
        private String obstacle(Node at, int timeoutMs) {
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
                if (brokers.isEmpty() || brokers.stream().anyMatch(n -> answers(n.host(), n.port(), 1000))) return "";
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
            Map<String, String> addresses = addresses();
            if (!addresses.containsKey("")) return cannotTalk(addresses);
            String limit = " within " + timeout.toMillis() + " ms; find-controller says who is missing.";
            return new Exit(UNREACHABLE, "No answer from the cluster at " + bootstrapServer + limit);
        }

        private Exit refused(Throwable problem) {
            String reasons = reasons(problem).replaceAll("JAAS|LoginModule", "$0 sasl.jaas.config");
            String names = given.stringPropertyNames().stream()
                    .filter(key -> reasons.contains(key) || reasons.contains(given.getProperty(key)))
                    .collect(joining(", "));
            return new Exit(2, "Client property " + names + " refused: " + deepest(problem) + ".");
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
