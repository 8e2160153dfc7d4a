///usr/bin/env jbang "$0" "$@" ; exit $?
//JAVA 17+
//DEPS org.apache.kafka:kafka-clients:4.4.0
//DEPS info.picocli:picocli:4.7.7
//DEPS com.fasterxml.jackson.jr:jackson-jr-objects:2.21.7
//DEPS org.slf4j:slf4j-simple:1.7.36
//DEPS org.hdrhistogram:HdrHistogram:2.2.2
//DESCRIPTION How fast, at what latency? Takes every flag of kafka-producer-perf-test

import com.fasterxml.jackson.jr.ob.JSON;
import java.io.*;
import java.net.*;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.*;
import java.time.*;
import java.time.format.DateTimeFormatter;
import java.time.format.DateTimeParseException;
import java.util.*;
import java.util.concurrent.*;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.locks.LockSupport;
import java.util.function.Consumer;
import java.util.function.Function;
import java.util.function.ToLongFunction;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.*;
import org.HdrHistogram.*;
import org.apache.kafka.clients.admin.*;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.*;
import org.apache.kafka.common.*;
import org.apache.kafka.common.config.ConfigException;
import org.apache.kafka.common.config.ConfigResource;
import org.apache.kafka.common.errors.*;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.header.internals.RecordHeader;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.ByteArraySerializer;
import picocli.CommandLine;
import picocli.CommandLine.ArgGroup;
import picocli.CommandLine.Command;
import picocli.CommandLine.ITypeConverter;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;
import picocli.CommandLine.TypeConversionException;

/**
 * Loads topics and tells throughput and latency: a drop-in for {@code kafka-producer-perf-test}, with its flags and its lines on stdout.
 *
 * <p>One pipeline: {@link Source} makes the records, a {@link Sender} for each producer sends them when they are due, its {@link Tally} takes the
 * acknowledgements, with {@code --e2e} a {@link Receiver} reads them back, and {@link Run} gathers it all interval by interval into a {@link Summary}.
 * Every record counts, in microseconds of the monotonic clock; failed sends are counted and timed apart. At a limited rate there are two
 * latencies: service time, from {@code send()}, and response time, from when the record was due, so that a stall is not hidden by the load that had to wait for it.
 *
 * <pre>perf --topic test_topic --num-records 1000000 --throughput -1 --record-size 1000 --command-property acks=1 linger.ms=50</pre>
 */
@Command(name = "perf", version = "kraft-lab 0.1.0", sortOptions = false, usageHelpWidth = 100,
        customSynopsis = "perf --topic TOPIC (--num-records N | --duration TIME) --throughput RATE%n            (--record-size BYTES | --payload-file FILE | --payload-monotonic) [OPTION...]",
        description = "Sends records at a given rate, or as fast as it goes; prints throughput and latency as kafka-producer-perf-test does, and says what limited it.")
class PerfTest implements Callable<Integer> {
    private static final long HIGHEST_US = TimeUnit.HOURS.toMicros(1);
    /** How long records on their way may still take after Ctrl-C, also when no broker answers. */
    private static final Duration CLOSE = Duration.ofSeconds(5);
    private static final String CLEAR_LINE = "\r\033[K", IDENTITY = "perf";

    @ArgGroup(multiplicity = "1") Amount amount;
    @Option(names = "--throughput", required = true, paramLabel = "RATE", description = "Records per second, of all producers; -1 for as fast as it goes.") double throughput;
    @Mixin Load load = new Load();
    @Option(names = "--slo", split = ",", paramLabel = "OBJECTIVE", converter = Objective.Reader.class,
            description = "Exit 15 if missed: p99=50ms, e2e-p99.9=1s, avg, max, throughput=9000, mb=9, failed=0.") List<Objective> objectives = List.of();
    @Mixin Common common = new Common();
    @ArgGroup(validate = false, order = 20, heading = "%nWhat is told:%n") Telling telling = new Telling();

    static class Amount {
        @Option(names = "--num-records", paramLabel = "N", description = "How many records to send.") Long numRecords;
        @Option(names = "--duration", paramLabel = "DURATION", description = "Or send for this long: 30s, 5m.") Duration duration;
        static Amount of(Duration duration) { Amount a = new Amount(); a.duration = duration; return a; }
    }

    static class Telling {
        @Option(names = "--reporting-interval", paramLabel = "MS", defaultValue = "5000", description = "Print a line this often (default: ${DEFAULT-VALUE}).") long intervalMs = 5000;
        @Option(names = "--warmup-records", paramLabel = "N", description = "Add a summary without the first N; --slo is judged by it.") long warmupRecords;
        @Option(names = "--print-metrics", description = "Print the producers' metrics at the end.") boolean printMetrics;
        @Option(names = "--explain", description = "Print the figures behind what limited the run.") boolean explain;
        @Option(names = "--csv", description = "Print intervals and summary as CSV.") boolean csv;
        @Option(names = "--hdr-log", paramLabel = "FILE", description = "Write each interval's histograms (.hlog, microseconds).") File hdrLog;
        @Option(names = "--percentiles", paramLabel = "FILE", description = "Write the percentiles, for plots (.hgrm, milliseconds).") Path percentiles;
        @Option(names = "--start-at", paramLabel = "TIME", description = "Begin at 14:05, 14:05:30 or 2026-11-23T14:05:00Z.") String startAt;
    }

    /** What is sent, and how: the same options in find-max-rate and compare-settings. */
    static class Load {
        @Option(names = "--topic", required = true, paramLabel = "TOPIC", description = "Produce records to this topic; to several in turn: a,b.") String topic;
        @ArgGroup(multiplicity = "1") Payload payload;
        @Option(names = "--command-property", arity = "1..*", paramLabel = "NAME=VALUE", description = "Producer properties; they win over --command-config.")
        List<String> commandProperties;
        @Option(names = "--e2e", description = "Read the records back in the same run: end-to-end latency.") boolean e2e;
        @ArgGroup(validate = false, order = 10, heading = "%nLoad like real load:%n") Real real = new Real();
        @ArgGroup(validate = false, order = 30, heading = "%nFurther options of kafka-producer-perf-test:%n") Further further = new Further();
        /** Of a composite script: properties that win over all others. */
        final Map<String, String> overrides = new LinkedHashMap<>();

        List<String> topics() { return List.of(topic.split(",")); }
    }

    static class Payload {
        @Option(names = "--record-size", paramLabel = "BYTES", converter = Sizes.Reader.class, description = "Records of this many letters; or 100-2000, or 200:9,10KiB:1 (shares).") Sizes sizes;
        @Option(names = "--payload-file", paramLabel = "FILE", description = "Records are random entries of this UTF-8 file.") Path file;
        @Option(names = "--payload-monotonic", description = "Records are 0, 1, 2, ...") boolean monotonic;
    }

    static class Real {
        @Option(names = "--producers", paramLabel = "N", defaultValue = "1", description = "Share the load among so many clients (default: 1).") int producers = 1;
        @Option(names = "--consumers", paramLabel = "N", defaultValue = "1", description = "Share the reading of --e2e among so many (default: 1).") int consumers = 1;
        @Option(names = "--keys", paramLabel = "N", description = "Give each record one of N keys (default: no keys).") int keys;
        @Option(names = "--key-choice", paramLabel = "uniform|zipfian", defaultValue = "UNIFORM", description = "How a key is chosen (default: uniform).") Choice choice = Choice.UNIFORM;
        @Option(names = "--headers", arity = "1..*", paramLabel = "NAME=VALUE", description = "Give each record these headers.") List<String> headers = List.of();
    }

    enum Choice { UNIFORM, ZIPFIAN }

    static class Further {
        @Option(names = "--payload-delimiter", paramLabel = "REGEX", description = "Between entries of --payload-file (default: new line).") String delimiter = "\\n";
        @Option(names = "--transactional-id", paramLabel = "ID", description = "Send in transactions, with this id.") String transactionalId;
        @Option(names = "--transaction-duration-ms", paramLabel = "MS", description = "Send in transactions this long (default with an id: 3000).") Long transactionMs;
        @Option(names = "--producer-props", arity = "1..*", paramLabel = "NAME=VALUE", description = "Deprecated: --command-property.") List<String> producerProps;
        @Option(names = "--producer.config", paramLabel = "FILE", description = "Deprecated: --command-config.") Path producerConfig;
    }

    /** For composite scripts: no lines, no events, only the summary. */
    boolean quiet;
    private boolean bar;
    private List<String> csvColumns;

    /** As Apache's parser has it: the last of two wins, and names may be cut short. The columns are wide enough for most names. */
    @Spec void parser(CommandSpec spec) {
        spec.parser().overwrittenOptionsAllowed(true).abbreviatedOptionsAllowed(true);
        spec.usageMessage().longOptionsMaxWidth(32);
    }

    public static void main(String... args) {
        System.exit(run(new PrintWriter(System.out, true), new PrintWriter(System.err, true), args));
    }

    /** Runs the script without a process. @return the exit code */
    public static int run(PrintWriter out, PrintWriter err, String... args) {
        PerfTest script = new PerfTest();
        return script.common.run(script, out, err, args);
    }

    @Override
    public Integer call() throws Exception {
        bar = System.console() != null && System.getenv("NO_COLOR") == null;
        Run run = execute();
        Thread.interrupted(); // Ctrl-C was heeded; what follows is the rest of the output
        if (run.outputClosed) return 0;
        Summary s = run.summary;
        print(s.line(""));
        if (s.steady != null) print(s.steady.line(" steady state"));
        if (telling.printMetrics) printMetrics(common.json || telling.csv ? common.err : common.out, run.metrics);
        if (s.interrupted) common.say("Interrupted after %d records; of %d more that were sent the outcome is unknown.", s.records + s.failed, run.failures.unresolved);
        else if (s.records == 0) throw new Exit(ALL_FAILED, s.failed == 0 ? "No record was due within --duration." : "Every send failed: " + run.failures + ".");
        if (s.failed > 0) common.say("%d of %d sends failed: %s.", s.failed, s.records + s.failed, run.failures);
        table(s.latencies());
        run.limits().forEach(common::say);
        if (telling.explain) run.figures.forEach((name, value) -> common.say("  %-34s %,.2f", name, value));
        if (load.e2e) common.say("Read back %d records, %.1f records/sec (%.2f MB/sec); acknowledged but not read: %d, read twice: %d.",
                s.e2e.getTotalCount(), s.read.perSec(), s.read.mbPerSec(), s.read.missing, s.read.twice);
        if (s.interrupted) return 130;
        List<String> missed = objectives.stream().map(o -> o.missed(s.steady == null ? s : s.steady)).filter(Objects::nonNull).toList();
        missed.forEach(common::say);
        return s.read != null && s.read.missing > 0 ? s.read.complete ? ANOMALY : INCOMPLETE : missed.isEmpty() ? 0 : MISSED;
    }

    /** Sends the load and emits {@code perf-window} and {@code perf-summary}. Interrupted, it returns what was done and stays interrupted. */
    public Summary measure() throws Exception { return execute().summary; }

    private Run execute() throws Exception {
        check();
        Properties properties = properties();
        Source source = new Source(load, amount.numRecords);
        Instant at = startAt();
        boolean exists = topicsExist(properties);
        try (PrintStream log = telling.hdrLog == null ? null : new PrintStream(new FileOutputStream(telling.hdrLog), false, "UTF-8");
             Run run = new Run(source, properties, log)) {
            run.connect(exists);
            if (at != null) run.awaitStart(at);
            run.measure();
            if (telling.percentiles != null) run.summary.writePercentiles(telling.percentiles);
            emit("perf-summary", run.summary.fields());
            if (run.summary.interrupted) Thread.currentThread().interrupt();
            return run;
        } catch (FileNotFoundException e) {
            throw new Exit(2, "Cannot write --hdr-log: " + e.getMessage() + ".");
        }
    }

    // ---- What is sent ----

    /** Record sizes with their shares: {@code 1000}, {@code 100-2000}, {@code 200:9,10KiB:1}. */
    record Sizes(int[] from, int[] to, double[] upTo) {
        static class Reader implements ITypeConverter<Sizes> { @Override public Sizes convert(String text) { return Sizes.of(text); } }

        static Sizes of(String text) {
            String[] parts = text.split(",");
            Sizes s = new Sizes(new int[parts.length], new int[parts.length], new double[parts.length]);
            for (int i = 0; i < parts.length; i++) {
                Matcher m = Pattern.compile("(\\d{1,9})(KiB|MiB|)(?:-(\\d{1,9})(KiB|MiB|))?(?::(\\d+(?:\\.\\d+)?))?").matcher(parts[i].trim());
                if (!m.matches()) throw new TypeConversionException("'" + text + "' is not a size such as 1000, 16KiB, 100-2000 or 200:9,10KiB:1");
                s.from[i] = bytes(m.group(1), m.group(2));
                s.to[i] = m.group(3) == null ? s.from[i] : bytes(m.group(3), m.group(4));
                s.upTo[i] = (i == 0 ? 0 : s.upTo[i - 1]) + (m.group(5) == null ? 1 : Double.parseDouble(m.group(5)));
                if (s.from[i] < 1 || s.to[i] < s.from[i]) throw new TypeConversionException("sizes should be greater than zero, and ranges ascend");
            }
            return s;
        }

        private static int bytes(String number, String unit) {
            try { return Math.multiplyExact(Integer.parseInt(number), unit.isEmpty() ? 1 : unit.equals("KiB") ? 1024 : 1 << 20); }
            catch (ArithmeticException e) { throw new TypeConversionException("a record of " + number + unit + " is too large"); }
        }

        boolean constant() { return from.length == 1 && from[0] == to[0]; }

        int pick(SplittableRandom random) {
            double share = random.nextDouble() * upTo[upTo.length - 1];
            int i = 0;
            while (upTo[i] <= share) i++;
            return from[i] + random.nextInt(to[i] - from[i] + 1);
        }
    }

    /** Makes what records consist of. What it holds is shared by the senders, but for the randomness, of which each has its own. */
    static final class Source {
        interface Values { byte[] of(long i, SplittableRandom random); }
        private final Values values;
        private final double[] cumulated;
        private final int keys;
        final List<Header> headers = new ArrayList<>();

        Source(Load load, Long numRecords) throws IOException {
            values = values(load, numRecords == null ? Long.MAX_VALUE : numRecords);
            keys = load.real.keys;
            cumulated = keys > 0 && load.real.choice == Choice.ZIPFIAN ? new double[keys] : null;
            for (int i = 0; cumulated != null && i < keys; i++) cumulated[i] = (i == 0 ? 0 : cumulated[i - 1]) + 1 / Math.pow(i + 1, 0.99); // YCSB's exponent
            for (String h : load.real.headers) {
                refuse(h.indexOf('=') < 1, "Header '" + h + "' is not NAME=VALUE.");
                headers.add(new RecordHeader(h.substring(0, h.indexOf('=')), h.substring(h.indexOf('=') + 1).getBytes(StandardCharsets.UTF_8)));
            }
        }

        byte[] value(long i, SplittableRandom random) { return values.of(i, random); }

        byte[] key(SplittableRandom random) { return keys == 0 ? null : ("key-" + keyNumber(random)).getBytes(StandardCharsets.UTF_8); }

        int keyNumber(SplittableRandom random) {
            if (cumulated == null) return random.nextInt(keys);
            int at = Arrays.binarySearch(cumulated, random.nextDouble() * cumulated[keys - 1]);
            return Math.min(at < 0 ? -1 - at : at + 1, keys - 1);
        }

        /** Apache's A to Z. There are so many different records that none comes twice in a batch, which would flatter compression. */
        private static Values values(Load load, long numRecords) throws IOException {
            if (load.payload.monotonic) return (i, random) -> Long.toString(i).getBytes(StandardCharsets.UTF_8);
            List<byte[]> entries = new ArrayList<>();
            if (load.payload.file != null) {
                try (Scanner scanner = new Scanner(load.payload.file, "UTF-8").useDelimiter(load.further.delimiter)) {
                    while (scanner.hasNext()) entries.add(scanner.next().getBytes(StandardCharsets.UTF_8));
                } catch (NoSuchFileException | AccessDeniedException e) {
                    throw new Exit(2, "Cannot read --payload-file " + load.payload.file + ".");
                } catch (java.util.regex.PatternSyntaxException e) {
                    throw new Exit(2, "--payload-delimiter is no regular expression: " + e.getDescription() + ".");
                }
                refuse(entries.isEmpty(), "--payload-file " + load.payload.file + " is empty.");
                return (i, random) -> entries.get(random.nextInt(entries.size()));
            }
            Sizes sizes = load.payload.sizes;
            SplittableRandom letters = new SplittableRandom(0);
            if (!sizes.constant()) {
                byte[] text = letters(letters, Math.max(4 << 20, 2 * Arrays.stream(sizes.to).max().getAsInt()));
                return (i, random) -> {
                    int size = sizes.pick(random), from = random.nextInt(text.length - size + 1);
                    return Arrays.copyOfRange(text, from, from + size);
                };
            }
            int different = (int) Math.min(numRecords, Math.min(65_536, 2 + (4 << 20) / sizes.from[0]));
            for (int i = 0; i < different; i++) entries.add(letters(letters, sizes.from[0]));
            byte[][] all = entries.toArray(byte[][]::new);
            return (i, random) -> all[(int) (i % all.length)];
        }

        private static byte[] letters(SplittableRandom random, int size) {
            byte[] text = new byte[size];
            for (int k = 0; k < size; k++) text[k] = (byte) ('A' + random.nextInt(26));
            return text;
        }
    }

    // ---- Recording ----

    private static Histogram histogram() { return new Histogram(1, HIGHEST_US, 3); }

    /** Latencies of one kind in microseconds: recorded by one thread without a lock or an allocation, taken away by the reporter interval by interval. */
    static final class Series {
        private final SingleWriterRecorder recorder = new SingleWriterRecorder(1, HIGHEST_US, 3);
        private Histogram interval;

        void add(long nanos) { recorder.recordValue(Math.min(Math.max(nanos, 0) / 1000, HIGHEST_US)); }

        void take(Histogram... into) {
            interval = recorder.getIntervalHistogram(interval);
            for (Histogram h : into) h.add(interval);
        }
    }

    /** What one producer's I/O thread records of the records that were acknowledged. */
    static final class Tally {
        final Series service = new Series(), response;
        final AtomicLong bytes = new AtomicLong(), records = new AtomicLong();
        volatile long first = Long.MAX_VALUE, last;

        Tally(boolean limited) { response = limited ? new Series() : null; }

        void acknowledged(long now, long start, long due, int size) {
            service.add(now - start);
            if (response != null) response.add(now - due);
            bytes.lazySet(bytes.getPlain() + size); // one writer: no need of an atomic addition
            records.lazySet(records.getPlain() + 1);
            last = now;
        }
    }

    /** A record and its callback in one object, so that recording its latency makes none. */
    static final class Sent extends ProducerRecord<byte[], byte[]> implements Callback {
        private final Sender sender;
        private final Tally tally;
        private final long index, due, start;

        Sent(Sender sender, Tally tally, String topic, byte[] key, byte[] value, Iterable<Header> headers, long index, long due, long start) {
            super(topic, null, null, key, value, headers);
            this.sender = sender;
            this.tally = tally;
            this.index = index;
            this.due = due;
            this.start = start;
        }

        @Override
        public void onCompletion(RecordMetadata metadata, Exception e) {
            long now = System.nanoTime();
            if (e != null) { sender.failures.add(e, now - start); return; }
            tally.acknowledged(now, start, due, value().length);
            if (sender.acknowledged != null) sender.acknowledged.set((int) index);
        }
    }

    /** Sends without acknowledgement: how long each took to fail, by error. Some fail on the sending thread and others not, hence synchronized. */
    class Failures {
        final Map<String, Histogram> byError = new TreeMap<>();
        private boolean stopped;
        long unresolved;

        synchronized void add(Exception e, long nanos) {
            if (stopped) { unresolved++; return; } // given up by our own close
            byError.computeIfAbsent(e.getClass().getSimpleName(), error -> {
                if (!quiet) common.say((bar ? CLEAR_LINE : "") + "First " + error + ": " + e.getMessage());
                return histogram();
            }).recordValue(Math.min(nanos / 1000, HIGHEST_US));
        }

        synchronized void stop() { stopped = true; }

        synchronized long count() { return byError.values().stream().mapToLong(Histogram::getTotalCount).sum(); }

        @Override
        public synchronized String toString() {
            return String.join(", ", byError.entrySet().stream().map(e -> String.format(Locale.ROOT, "%d %s (after %.1f ms on average, %.1f ms at most)",
                    e.getValue().getTotalCount(), e.getKey(), e.getValue().getMean() / 1000, e.getValue().getMaxValue() / 1000.0)).toList());
        }
    }

    // ---- Sending and receiving ----

    /** One producer with its thread: sends each n-th record when it is due, and commits. */
    static final class Sender {
        final Producer<byte[], byte[]> producer;
        final Failures failures;
        final Tally warm, main;
        final Series commits = new Series();
        /** With --e2e, the indices of what was acknowledged. */
        final BitSet acknowledged;
        final Map<MetricName, Object> metrics = new HashMap<>();
        private final Run run;
        private final int number;
        private final SplittableRandom random;

        Sender(Run run, Producer<byte[], byte[]> producer, int number) {
            this.run = run;
            this.producer = producer;
            this.number = number;
            failures = run.failures;
            random = new SplittableRandom(number);
            main = new Tally(run.limited);
            warm = run.warmupRecords > 0 ? new Tally(run.limited) : main;
            acknowledged = run.e2e ? new BitSet() : null;
        }

        void send() throws InterruptedException {
            long transactionStart = 0, due = 0, now;
            boolean inTransaction = false;
            for (long i = number; i < run.count; i += run.senders.size()) {
                byte[] value = run.source.value(i, random), key = run.source.key(random);
                if (run.limited) { // a time for each record: no bursts, and what a stall held up is caught up with
                    due = run.start + (long) (i * 1e9 / run.rate);
                    if (due - run.start >= run.nanos) break;
                    for (long left; (left = due - System.nanoTime()) > 0 && !Thread.currentThread().isInterrupted(); ) LockSupport.parkNanos(left);
                }
                if (Thread.interrupted()) throw new InterruptedException();
                if (run.transactionNanos > 0 && !inTransaction) {
                    producer.beginTransaction();
                    transactionStart = System.nanoTime();
                    inTransaction = true;
                }
                now = System.nanoTime();
                if (now - run.start >= run.nanos) break;
                Tally tally = i < run.warmupRecords ? warm : main;
                if (tally.first == Long.MAX_VALUE) tally.first = now;
                String topic = run.topics[(int) (i % run.topics.length)];
                Sent record = new Sent(this, tally, topic, key, value, headers(i, run.limited ? due : now), i, due, now);
                producer.send(record, record);
                if (inTransaction && now - transactionStart >= run.transactionNanos) inTransaction = !commit();
            }
            if (inTransaction) commit();
            producer.flush();
        }

        private boolean commit() {
            long began = System.nanoTime();
            producer.commitTransaction();
            commits.add(System.nanoTime() - began);
            return true;
        }

        private Iterable<Header> headers(long index, long since) {
            if (acknowledged == null) return run.source.headers.isEmpty() ? null : run.source.headers;
            List<Header> headers = new ArrayList<>(run.source.headers);
            headers.add(new RecordHeader(IDENTITY, ByteBuffer.allocate(24).putLong(run.id).putLong(index).putLong(since).array()));
            return headers;
        }
    }

    /** One consumer with its thread: reads its share of the partitions from where they ended before the run, and knows the run's records by a header. */
    static final class Receiver {
        final Series e2e = new Series();
        final AtomicLong bytes = new AtomicLong();
        final BitSet seen = new BitSet();
        volatile long last, twice;
        boolean complete;
        private final Run run;
        private final KafkaConsumer<byte[], byte[]> consumer;

        Receiver(Run run, KafkaConsumer<byte[], byte[]> consumer, List<TopicPartition> partitions) {
            this.run = run;
            this.consumer = consumer;
            consumer.assign(partitions);
            consumer.seekToEnd(partitions);
            partitions.forEach(consumer::position);
        }

        /** Until all is sent and the ends of then are reached, or nothing has come for --timeout. */
        void receive(Duration patience) {
            Map<TopicPartition, Long> ends = null;
            for (long moved = System.nanoTime(); !complete && (ends == null || System.nanoTime() - moved < patience.toNanos()); ) {
                var records = consumer.poll(Duration.ofMillis(100));
                long now = System.nanoTime();
                if (!records.isEmpty()) moved = now;
                for (ConsumerRecord<byte[], byte[]> r : records) {
                    Header h = r.headers().lastHeader(IDENTITY);
                    if (h == null || h.value() == null || h.value().length != 24) continue;
                    ByteBuffer identity = ByteBuffer.wrap(h.value());
                    if (identity.getLong() != run.id) continue;
                    int index = (int) identity.getLong();
                    if (seen.get(index)) { twice++; continue; }
                    seen.set(index);
                    e2e.add(now - identity.getLong());
                    bytes.lazySet(bytes.getPlain() + r.value().length);
                    last = now;
                }
                if (run.sent.getCount() > 0) continue;
                if (ends == null) { ends = consumer.endOffsets(consumer.assignment()); moved = System.nanoTime(); }
                complete = ends.entrySet().stream().allMatch(end -> consumer.position(end.getKey()) >= end.getValue());
            }
        }
    }

    /** What was read back. @param missing acknowledged and not read; lost only if complete: the ends of all partitions were reached */
    record ReadBack(long records, long bytes, double seconds, long missing, long twice, boolean complete) {
        double perSec() { return records / seconds; }
        double mbPerSec() { return bytes / 1048576.0 / seconds; }
    }

    // ---- A run ----

    /** One run: connects, lets senders and receivers go, gathers each interval what they have recorded, and sums it up. */
    final class Run implements Closeable {
        final Source source;
        final boolean limited = throughput > 0, e2e = load.e2e;
        final double rate = throughput;
        final long id = new SplittableRandom().nextLong(), count = amount.numRecords == null ? Long.MAX_VALUE : amount.numRecords, warmupRecords = telling.warmupRecords;
        final long nanos = amount.duration == null ? Long.MAX_VALUE : amount.duration.toNanos(), transactionNanos;
        final String[] topics = load.topics().toArray(String[]::new);
        final Failures failures = new Failures();
        final List<Sender> senders = new ArrayList<>();
        final List<Receiver> receivers = new ArrayList<>();
        final CountDownLatch sent = new CountDownLatch(load.real.producers), done = new CountDownLatch(load.real.producers + (e2e ? load.real.consumers : 0));
        final Map<String, Double> figures = new LinkedHashMap<>();
        final Map<String, Object> metrics = new TreeMap<>();
        long start;
        boolean outputClosed;
        Summary summary;

        private final Properties properties;
        private final ExecutorService threads = Executors.newCachedThreadPool(task -> { Thread t = new Thread(task, "perf"); t.setDaemon(true); return t; });
        private final Histogram service = histogram(), steadyService = histogram(), response = limited ? histogram() : null, steadyResponse = limited ? histogram() : null;
        private final Histogram endToEnd = e2e ? histogram() : null, commits = histogram();
        private final HistogramLogWriter writer;
        private final PrintStream log;
        private long startMs, from;
        private volatile Exception problem;
        private volatile long end;
        private boolean interrupted, steady;

        Run(Source source, Properties properties, PrintStream log) {
            this.source = source;
            this.properties = properties;
            this.log = log;
            transactionNanos = properties.containsKey("transactional.id") ? TimeUnit.MILLISECONDS.toNanos(load.further.transactionMs == null ? 3000 : load.further.transactionMs) : 0;
            writer = log == null ? null : new HistogramLogWriter(log);
        }

        private void begin() {
            long lead = limited ? 20 : 0; // until the threads have started, which is nobody's latency
            start = end = from = System.nanoTime() + lead * 1_000_000;
            startMs = System.currentTimeMillis() + lead;
            if (writer == null) return;
            writer.outputLogFormatVersion();
            writer.outputComment("[kraft-lab perf: values in microseconds, Interval_Max in milliseconds; Tag=response: from when a record was due; Tag=e2e: until it was read]");
            writer.outputStartTime(startMs);
            writer.outputLegend();
        }

        /** Gets what the first record would otherwise wait for: the topic's creation, its metadata, the transaction coordinator, the ends of the partitions. */
        void connect(boolean exists) {
            List<TopicPartition> partitions = new ArrayList<>();
            for (int k = 0; k < load.real.producers; k++) {
                Properties own = (Properties) properties.clone();
                for (String name : k == 0 ? List.<String>of() : List.of("client.id", "transactional.id")) own.computeIfPresent(name, (n, value) -> value + "-" + (senders.size() + 1));
                Producer<byte[], byte[]> producer = producer(own);
                senders.add(new Sender(this, producer, k));
                for (String topic : topics) try {
                    List<PartitionInfo> found = producer.partitionsFor(topic);
                    if (k == 0) found.forEach(p -> partitions.add(new TopicPartition(topic, p.partition())));
                } catch (ApiException e) { // without metadata of a topic that is there, each send may still try for itself
                    if (!exists || e2e || !(e instanceof RetriableException)) throw new Exit(ALL_FAILED, "Every send to " + topic + " would fail: " + e.getMessage());
                }
                if (transactionNanos > 0) producer.initTransactions();
            }
            if (!e2e) return;
            Properties own = (Properties) properties.clone();
            own.keySet().removeAll(List.of("client.id", "transactional.id", "interceptor.classes", "group.id"));
            own.putAll(Map.of("enable.auto.commit", "false", "auto.offset.reset", "latest", "isolation.level", transactionNanos > 0 ? "read_committed" : "read_uncommitted"));
            for (int k = 0; k < load.real.consumers; k++) {
                int share = k;
                receivers.add(new Receiver(this, new KafkaConsumer<>(own, new ByteArrayDeserializer(), new ByteArrayDeserializer()),
                        IntStream.range(0, partitions.size()).filter(p -> p % load.real.consumers == share).mapToObj(partitions::get).toList()));
            }
        }

        void awaitStart(Instant at) throws InterruptedException {
            start = System.nanoTime() + Duration.between(Instant.now(), at).toNanos();
            if (start < System.nanoTime()) throw new Exit(1, "--start-at passed while perf still connected: leave it more time.");
            common.say("Connected; starts at %s.", at);
            for (long left; (left = start - System.nanoTime()) > 0; LockSupport.parkNanos(left)) if (Thread.interrupted()) throw new InterruptedException();
        }

        void measure() throws Exception {
            if (warmupRecords > 0) print("Warmup first " + warmupRecords + " records. Steady state results will print after the complete test summary.");
            begin();
            for (Receiver r : receivers) threads.execute(guarded(() -> r.receive(common.timeout), r.consumer::close, () -> { }));
            for (Sender s : senders) threads.execute(guarded(s::send, () -> finish(s), sent::countDown));
            try {
                report();
            } catch (InterruptedException e) {
                interrupted = !outputClosed;
                failures.stop();
                threads.shutdownNow();
                done.await(CLOSE.toMillis() + 2000, TimeUnit.MILLISECONDS);
                window(System.nanoTime(), true);
                end = senders.stream().flatMap(s -> Stream.of(s.warm, s.main)).mapToLong(t -> t.last == 0 ? start : t.last).max().getAsLong();
            }
            summarise();
            if (problem == null) return;
            if (!(problem instanceof KafkaException)) throw problem;
            throw new Exit(summary.records == 0 ? ALL_FAILED : 1, "Broke off after " + summary.records + " records: " + problem.getMessage());
        }

        interface Task { void run() throws Exception; }

        /** What ends one thread with a problem, ends all; an interruption is no problem. */
        private Runnable guarded(Task task, Task close, Runnable last) {
            return () -> {
                try { task.run(); }
                catch (InterruptedException | InterruptException e) { Thread.interrupted(); }
                catch (Exception e) { if (problem == null) problem = e; threads.shutdownNow(); }
                try { Thread.interrupted(); close.run(); }
                catch (Exception e) { if (problem == null && !(e instanceof InterruptException)) problem = e; }
                finally { last.run(); done.countDown(); }
            };
        }

        private void finish(Sender s) {
            end = Math.max(end, System.nanoTime());
            s.producer.metrics().forEach((name, metric) -> s.metrics.put(name, metric.metricValue())); // the closed producer would have none
            s.producer.close(CLOSE);
        }

        private void report() throws InterruptedException {
            long interval = TimeUnit.MILLISECONDS.toNanos(telling.intervalMs);
            for (boolean last = false; !last; ) {
                long left = from + interval - System.nanoTime();
                last = done.await(bar ? Math.min(left, 200_000_000) : left, TimeUnit.NANOSECONDS);
                long now = System.nanoTime();
                if (bar) drawBar(last, now - start);
                if (!last && now - from < interval) continue;
                window(now, last);
                if (log != null && log.checkError()) throw new Exit(1, "Cannot write --hdr-log " + telling.hdrLog + ": is the disk full?");
                if (last || quiet || !common.out.checkError()) continue;
                outputClosed = true;
                throw new InterruptedException();
            }
        }

        private void window(long to, boolean last) {
            Histogram main = histogram(), mainResponse = histogram(), all = histogram(), due = histogram(), read = histogram();
            for (Sender s : senders) {
                s.main.service.take(main);
                if (s.warm != s.main) s.warm.service.take(all);
                if (limited) s.main.response.take(mainResponse);
                if (limited && s.warm != s.main) s.warm.response.take(due);
                s.commits.take(commits);
            }
            for (Receiver r : receivers) r.e2e.take(read);
            boolean nowSteady = warmupRecords > 0 && all.getTotalCount() == 0 && main.getTotalCount() > 0;
            steadyService.add(main);
            all.add(main);
            service.add(all);
            due.add(mainResponse);
            if (limited) { steadyResponse.add(mainResponse); response.add(due); }
            if (e2e) endToEnd.add(read);
            if (last && all.getTotalCount() == 0 && read.getTotalCount() == 0) return;
            log(from, to, null, all);
            if (limited) log(from, to, "response", due);
            if (e2e) log(from, to, "e2e", read);
            double meanSize = (double) sum(t -> t.bytes.get()) / Math.max(1, sum(t -> t.records.get())); // bytes are not cut together with the histogram
            Summary w = new Summary(0, (to - from) / 1e9, Math.round(all.getTotalCount() * meanSize), all, limited ? due : null, e2e ? read : null, null, null, false, null);
            from = to;
            emit("perf-window", w.fields());
            if (last) return; // no line for the rest, as with Apache's
            if (nowSteady && !steady) print("In steady state.");
            steady |= nowSteady;
            print(String.format(Locale.ROOT, "%d records sent, %.1f records/sec (%.2f MB/sec), %.1f ms avg latency, %.1f ms max latency.",
                    w.records, w.recordsPerSec(), w.mbPerSec(), w.service.getMean() / 1000, w.service.getMaxValue() / 1000.0));
        }

        private void log(long from, long to, String tag, Histogram h) {
            if (writer == null) return;
            h.setTag(tag);
            long began = startMs + (from - start) / 1_000_000, ended = startMs + (to - start) / 1_000_000;
            h.setStartTimeStamp(began);
            h.setEndTimeStamp(ended);
            writer.outputIntervalHistogram((began - startMs) / 1000.0, (ended - startMs) / 1000.0, h, 1000);
        }

        private long sum(ToLongFunction<Tally> figure) { return senders.stream().flatMap(s -> Stream.of(s.warm, s.main).distinct()).mapToLong(figure).sum(); }

        private void summarise() {
            long steadyFrom = senders.stream().mapToLong(s -> s.main.first).min().getAsLong();
            Summary afterWarmup = warmupRecords == 0 || steadyService.getTotalCount() == 0 ? null
                    : new Summary(0, (end - steadyFrom) / 1e9, senders.stream().mapToLong(x -> x.main.bytes.get()).sum(), steadyService, steadyResponse, endToEnd, null, null, interrupted, null);
            summary = new Summary(failures.count(), (end - start) / 1e9, sum(t -> t.bytes.get()), service, response, endToEnd, transactionNanos > 0 ? commits : null, readBack(), interrupted, afterWarmup);
            for (Sender s : senders) s.metrics.forEach((name, value) -> metrics.put(name.group() + ":" + name.name() + ":" + name.tags(), value));
        }

        private ReadBack readBack() {
            if (!e2e) return null;
            BitSet read = new BitSet(), missing = new BitSet();
            receivers.forEach(r -> read.or(r.seen));
            senders.forEach(s -> missing.or(s.acknowledged));
            missing.andNot(read);
            long last = receivers.stream().mapToLong(r -> r.last).max().getAsLong();
            return new ReadBack(endToEnd.getTotalCount(), receivers.stream().mapToLong(r -> r.bytes.get()).sum(), Math.max(last - start, 1) / 1e9, missing.cardinality(),
                    receivers.stream().mapToLong(r -> r.twice).sum(), receivers.stream().allMatch(r -> r.complete));
        }

        private void drawBar(boolean last, long nanosSoFar) {
            long ended = sum(t -> t.records.get()) + failures.count();
            double share = Math.min(1, amount.duration == null ? (double) ended / count : (double) nanosSoFar / nanos), seconds = nanosSoFar / 1e9;
            String left = ended == 0 ? "?" : Math.round(seconds / Math.max(share, 1e-9) - seconds) + " s";
            common.err.printf(Locale.ROOT, last ? CLEAR_LINE : CLEAR_LINE + "[%-30s] %.0f%%  %.0f records/s, %s left", "#".repeat((int) (share * 30)), share * 100, ended / seconds, left);
            common.err.flush();
        }

        // ---- What limited it ----

        private double figure(String name, Function<DoubleStream, OptionalDouble> of) {
            double value = of.apply(senders.stream().flatMap(s -> s.metrics.entrySet().stream()).filter(m -> m.getKey().group().equals("producer-metrics") && m.getKey().name().equals(name)
                    && m.getValue() instanceof Double d && Double.isFinite(d)).mapToDouble(m -> (Double) m.getValue())).orElse(Double.NaN);
            figures.put(name, value);
            return value;
        }

        /** By the producers' own metrics, of which the averages are those of the last half to whole minute. */
        List<String> limits() {
            double queue = figure("record-queue-time-avg", DoubleStream::average), wire = figure("request-latency-avg", DoubleStream::average), batch = figure("batch-size-avg", DoubleStream::average);
            double perRequest = figure("records-per-request-avg", DoubleStream::average), compression = figure("compression-rate-avg", DoubleStream::average);
            double throttle = figure("produce-throttle-time-avg", DoubleStream::max), waited = figure("bufferpool-wait-time-ns-total", DoubleStream::average) / 1e9 / summary.seconds;
            for (String name : List.of("record-queue-time-max", "request-latency-max", "batch-size-max", "produce-throttle-time-max", "record-retry-total", "requests-in-flight",
                    "record-size-avg", "batch-split-total", "metadata-wait-time-ns-total", "io-ratio")) figure(name, DoubleStream::max);
            if (Double.isNaN(queue) || Double.isNaN(wire)) return List.of();
            List<String> told = new ArrayList<>();
            String both = String.format(Locale.ROOT, "%.1f ms in the producer's buffer, then %.1f ms on the wire and in the broker", queue, wire);
            told.add(limited ? "A batch was on average " + both + "." : String.format(Locale.ROOT, "%.0f%% of the latency is the producer's own queue: %s. At --throughput -1 it says how far the producer "
                    + "is ahead, not how fast a broker answers.", 100 * queue / (queue + wire), both));
            int batchSize = Integer.parseInt("" + properties.getOrDefault("batch.size", ProducerConfig.configDef().defaultValues().get("batch.size")));
            told.add(String.format(Locale.ROOT, "Batches were %.0f%% full (%.0f bytes of batch.size=%d), a request had %.1f records, %s.", 100 * batch / batchSize, batch, batchSize, perRequest,
                    compression < 0.999 ? String.format(Locale.ROOT, "compressed to %.0f%% of their size", 100 * compression) : "not compressed"));
            if (throttle > 0) told.add(String.format(Locale.ROOT, "The brokers' quota held a request up for %.1f ms on average.", throttle));
            if (limited && p(response, 99) > 1 + 1.5 * p(service, 99)) told.add(String.format(Locale.ROOT, "99%% of the records had their answer %.1f ms after they were due, and %.1f ms after send(): they "
                    + "waited to be sent.", p(response, 99), p(service, 99)));
            String pace = waited >= 0.01 ? String.format(Locale.ROOT, "send() was blocked for %.0f%% of the time by a full buffer.memory", 100 * waited) : "send() was not blocked by a full buffer.memory";
            boolean reached = limited && (summary.recordsPerSec() >= 0.98 * rate || summary.seconds < 1.1 * service.getTotalCount() / rate);
            told.add(pace + (limited && reached ? String.format(Locale.ROOT, "; --throughput set the pace, and its %.0f records/s were reached.", rate)
                    : (limited ? String.format(Locale.ROOT, "; of %.0f records/s only %.1f were reached", rate, summary.recordsPerSec()) : "")
                    + (waited >= 0.05 ? "; network and brokers set the pace." : "; this machine and its producers set the pace (more --producers may help).")));
            return told;
        }

        @Override
        public void close() {
            boolean interrupted = Thread.interrupted(); // a closing client would not wait at all
            threads.shutdownNow();
            try { if (start != 0) done.await(CLOSE.toMillis() + 2000, TimeUnit.MILLISECONDS); } catch (InterruptedException e) { interrupted = true; }
            senders.forEach(s -> s.producer.close(Duration.ZERO));
            if (start == 0) receivers.forEach(r -> r.consumer.close());
            if (interrupted) Thread.currentThread().interrupt();
        }
    }

    // ---- Figures ----

    private static double p(Histogram us, double percentile) { return us.getValueAtPercentile(percentile) / 1000.0; }

    /** Of a run, its steady state, or an interval; latencies are of acknowledged records, in microseconds: from {@code send()}, from when a record was due (null at unlimited
     *  throughput), until it was read (null without --e2e), and of commits (null without transactions). {@code steady} is without the warm-up, or null. */
    public record Summary(long failed, double seconds, long bytes, Histogram service, Histogram response, Histogram e2e, Histogram commits, ReadBack read, boolean interrupted, Summary steady, long records) {
        Summary(long failed, double seconds, long bytes, Histogram service, Histogram response, Histogram e2e, Histogram commits, ReadBack read, boolean interrupted, Summary steady) {
            this(failed, Math.max(seconds, 1e-9), bytes, service, response, e2e, commits, read, interrupted, steady, service.getTotalCount());
        }

        public double recordsPerSec() { return records / seconds; }
        public double mbPerSec() { return bytes / 1048576.0 / seconds; }

        Map<String, Histogram> latencies() {
            Map<String, Histogram> all = new LinkedHashMap<>();
            all.put("service", service);
            all.put("response", response);
            all.put("e2e", e2e);
            all.put("commit", commits);
            all.values().removeIf(Objects::isNull);
            return all;
        }

        Object[] fields() {
            List<Object> fields = new ArrayList<>(List.of("records", records, "recordsPerSec", recordsPerSec(), "mbPerSec", mbPerSec(), "failed", failed));
            latencies().forEach((name, h) -> {
                String prefix = name.equals("service") ? "" : name;
                Object[] pairs = {"avgMs", h.getMean() / 1000, "maxMs", h.getMaxValue() / 1000.0, "p50Ms", p(h, 50), "p95Ms", p(h, 95), "p99Ms", p(h, 99), "p999Ms", p(h, 99.9), "p9999Ms", p(h, 99.99)};
                for (int i = 0; i < pairs.length; i += 2) {
                    String field = (String) pairs[i];
                    fields.addAll(List.of(prefix.isEmpty() ? field : prefix + Character.toUpperCase(field.charAt(0)) + field.substring(1), pairs[i + 1]));
                }
            });
            if (commits != null) fields.addAll(List.of("commits", commits.getTotalCount()));
            if (read != null) fields.addAll(List.of("read", read.records, "readPerSec", read.perSec(), "readMbPerSec", read.mbPerSec(), "missing", read.missing, "readTwice", read.twice));
            return fields.toArray();
        }

        String line(String state) {
            return String.format(Locale.ROOT, "%d%s records sent, %f records/sec (%.2f MB/sec), %.2f ms avg latency, %.2f ms max latency, %d ms 50th, %d ms 95th, "
                    + "%d ms 99th, %d ms 99.9th.", records, state, recordsPerSec(), mbPerSec(), service.getMean() / 1000, service.getMaxValue() / 1000.0,
                    Math.round(p(service, 50)), Math.round(p(service, 95)), Math.round(p(service, 99)), Math.round(p(service, 99.9)));
        }

        /** The service time's into the file, the others' beside it: x.hgrm, x.response.hgrm. */
        void writePercentiles(Path file) {
            latencies().forEach((name, h) -> {
                Path to = name.equals("service") ? file : file.resolveSibling(file.getFileName().toString().replaceFirst("(\\.\\w+)?$", "." + name + "$1"));
                try (PrintStream out = new PrintStream(to.toFile(), "UTF-8")) {
                    h.outputPercentileDistribution(out, 5, 1000.0);
                } catch (IOException e) { throw new Exit(2, "Cannot write --percentiles: " + e.getMessage() + "."); }
            });
        }
    }

    /** What a run should keep to: {@code p99=50ms} of the response time (at unlimited throughput the service time), {@code e2e-p99.9=1s}, {@code throughput=9000}. */
    record Objective(String text, String latency, String what, double limit) {
        static class Reader implements ITypeConverter<Objective> {
            @Override public Objective convert(String text) {
                Matcher m = Pattern.compile("(?:(service|response|e2e|commit)-)?(avg|max|p\\d\\d?(?:\\.\\d+)?)=(\\d+(?:\\.\\d+)?)(us|ms|s)|(throughput|mb|failed)=(\\d+(?:\\.\\d+)?)").matcher(text.trim());
                if (!m.matches()) throw new TypeConversionException("'" + text + "' is not an objective such as p99=50ms, e2e-max=1s or throughput=9000");
                return m.group(5) != null ? new Objective(text.trim(), null, m.group(5), Double.parseDouble(m.group(6)))
                        : new Objective(text.trim(), m.group(1), m.group(2), Double.parseDouble(m.group(3)) * (m.group(4).equals("us") ? 1e-3 : m.group(4).equals("s") ? 1e3 : 1));
            }
        }

        /** Milliseconds, or what else is compared; NaN if there is no such latency. */
        double value(Summary s) {
            switch (what) {
                case "throughput": return s.recordsPerSec();
                case "mb": return s.mbPerSec();
                case "failed": return s.failed;
                default:
                    Histogram h = latency != null ? s.latencies().get(latency) : s.response != null ? s.response : s.service;
                    return h == null || h.getTotalCount() == 0 ? Double.NaN : what.equals("avg") ? h.getMean() / 1000 : what.equals("max") ? h.getMaxValue() / 1000.0 : p(h, Double.parseDouble(what.substring(1)));
            }
        }

        /** @return null if it was kept, else how it was missed */
        String missed(Summary s) {
            double value = value(s);
            boolean least = what.equals("throughput") || what.equals("mb");
            return (least ? value >= limit : value <= limit) ? null : String.format(Locale.ROOT, "Objective %s missed: %.2f%s.", text, value, least || what.equals("failed") ? "" : " ms");
        }
    }

    // ---- Telling ----

    /** Service and response time side by side, to the tail. */
    private void table(Map<String, Histogram> latencies) {
        Map<String, String> names = Map.of("service", "service time", "response", "response time", "e2e", "end to end", "commit", "commit");
        common.say("%-14s %10s %10s %10s %10s %10s %10s %10s %10s", "latency, ms", "count", "avg", "p50", "p95", "p99", "p99.9", "p99.99", "max");
        latencies.forEach((name, h) -> common.say("%-14s %10d %10.2f %10.2f %10.2f %10.2f %10.2f %10.2f %10.2f", names.get(name), h.getTotalCount(), h.getMean() / 1000,
                p(h, 50), p(h, 95), p(h, 99), p(h, 99.9), p(h, 99.99), h.getMaxValue() / 1000.0));
    }

    private void emit(String type, Object... fields) {
        if (quiet) return;
        common.emit(type, fields);
        if (!telling.csv) return;
        Map<String, String> row = new LinkedHashMap<>(Map.of("type", type));
        for (int i = 0; i < fields.length; i += 2) row.put((String) fields[i], fields[i + 1] instanceof Double d ? String.format(Locale.ROOT, "%.3f", d) : "" + fields[i + 1]);
        if (csvColumns == null) common.out.println(String.join(",", csvColumns = List.copyOf(row.keySet()))); // what only the summary has is no column
        common.out.println(csvColumns.stream().map(column -> row.getOrDefault(column, "")).collect(Collectors.joining(",")));
    }

    private void print(String line) {
        if (bar) { common.err.print(CLEAR_LINE); common.err.flush(); }
        if (!common.json && !telling.csv && !quiet) common.out.println(line);
    }

    /** In the layout of Apache's tools. */
    private static void printMetrics(PrintWriter out, Map<String, Object> metrics) {
        int width = metrics.keySet().stream().mapToInt(String::length).max().orElse(1);
        out.printf("%n%-" + width + "s   %s%n", "Metric Name", "Value");
        metrics.forEach((name, value) -> out.printf(Locale.ROOT, "%-" + width + "s : " + (value instanceof Double ? "%.3f" : "%s") + "%n", name, value));
    }

    // ---- What was asked for ----

    private void check() {
        refuse(amount.numRecords != null && amount.numRecords <= 0, "--num-records should be greater than zero.");
        refuse(amount.duration != null && amount.duration.isZero(), "--duration should be greater than zero.");
        refuse(throughput == 0 || Double.isNaN(throughput), "--throughput 0 would never send; give records per second, or -1 for as fast as it goes.");
        refuse(telling.warmupRecords < 0 || amount.numRecords != null && telling.warmupRecords >= amount.numRecords, "--warmup-records must be fewer than --num-records.");
        refuse(load.further.transactionMs != null && load.further.transactionMs <= 0, "--transaction-duration-ms should be greater than zero.");
        refuse(telling.intervalMs <= 0, "--reporting-interval should be greater than zero.");
        refuse(load.real.producers < 1 || load.real.consumers < 1, "--producers and --consumers should be greater than zero.");
        refuse(load.real.keys < 0 || load.real.choice == Choice.ZIPFIAN && load.real.keys == 0, "--keys should be greater than zero; --key-choice chooses among them.");
        refuse(load.topics().isEmpty() || load.topics().stream().anyMatch(String::isBlank), "--topic should name a topic, or several with commas between them.");
        refuse(load.e2e && amount.numRecords != null && amount.numRecords > Integer.MAX_VALUE, "--e2e keeps count of at most 2147483647 records.");
        refuse(common.json && telling.csv, "--json and --csv both want stdout: give one of them.");
        for (Objective o : objectives) refuse("e2e".equals(o.latency) && !load.e2e || "response".equals(o.latency) && throughput < 0,
                "--slo " + o.text + " needs " + (load.e2e ? "a limited --throughput." : "--e2e or a limited --throughput."));
        refuse(load.further.producerProps != null && load.commandProperties != null, "--producer-props is the old name of --command-property: give one of them.");
        refuse(load.further.producerConfig != null && common.commandConfig != null, "--producer.config is the old name of --command-config: give one of them.");
        if (load.further.producerProps != null && !quiet) common.say("--producer-props is deprecated, use --command-property.");
        if (load.further.producerConfig != null) common.say("--producer.config is deprecated, use --command-config.");
    }

    private static void refuse(boolean wrong, String sentence) {
        if (wrong) throw new Exit(2, sentence);
    }

    private Instant startAt() {
        if (telling.startAt == null) return null;
        Instant at;
        try { at = telling.startAt.contains("T") ? OffsetDateTime.parse(telling.startAt).toInstant() : LocalDate.now().atTime(LocalTime.parse(telling.startAt)).atZone(ZoneId.systemDefault()).toInstant(); }
        catch (DateTimeParseException e) { throw new Exit(2, "'" + telling.startAt + "' of --start-at is not a time such as 14:05, 14:05:30 or 2026-11-23T14:05:00Z."); }
        refuse(at.isBefore(Instant.now()), "--start-at " + telling.startAt + " has passed.");
        return at;
    }

    /** The producer's properties. The cluster's address: --bootstrap-server if it was given, else the properties', the file's, the default. */
    private Properties properties() throws IOException {
        if (load.further.producerConfig != null) common.commandConfig = load.further.producerConfig;
        load.further.producerConfig = null; // so that measure() can be called again
        Properties properties = common.client();
        boolean given = common.spec.commandLine().getParseResult().hasMatchedOption("--bootstrap-server");
        for (String pair : load.further.producerProps != null ? load.further.producerProps : load.commandProperties != null ? load.commandProperties : List.<String>of()) {
            int equals = pair.indexOf('=');
            refuse(equals < 1, "Property '" + pair + "' is not NAME=VALUE.");
            if (!given || !pair.startsWith("bootstrap.servers=")) properties.put(pair.substring(0, equals), pair.substring(equals + 1));
        }
        common.bootstrapServer = properties.getProperty("bootstrap.servers");
        properties.putIfAbsent("client.id", "perf-producer-client");
        if (load.further.transactionalId != null) properties.put("transactional.id", load.further.transactionalId);
        else if (load.further.transactionMs != null) properties.putIfAbsent("transactional.id", "performance-producer-" + UUID.randomUUID());
        properties.putAll(load.overrides);
        return properties;
    }

    /** Apart, for tests to put a producer of known delays in its place. */
    Producer<byte[], byte[]> producer(Properties properties) { return new KafkaProducer<>(properties, new ByteArraySerializer(), new ByteArraySerializer()); }

    /** Says up front what would otherwise be one metadata timeout after another. */
    boolean topicsExist(Properties producer) throws Exception {
        List<Node> nodes = common.bootstrapNodes();
        int timeout = (int) common.timeout.toMillis(), each = Math.max(1, Math.min(timeout / nodes.size(), 3000));
        if (nodes.stream().noneMatch(n -> Common.connects(n.host(), n.port(), each))) throw common.unreachable("nothing listens there");
        Properties properties = (Properties) producer.clone();
        properties.putAll(Map.of("default.api.timeout.ms", timeout, "request.timeout.ms", Math.min(timeout, 30_000), "retries", Integer.MAX_VALUE));
        Admin admin = Admin.create(properties);
        boolean all = true;
        try {
            for (var topic : admin.describeTopics(load.topics()).topicNameValues().entrySet()) try {
                topic.getValue().get();
            } catch (ExecutionException e) {
                refuse(e.getCause() instanceof InvalidTopicException, "'" + topic.getKey() + "' is not a name that a topic may have.");
                if (e.getCause() instanceof AuthorizationException) continue; // who may not look may still be allowed to write
                if (!(e.getCause() instanceof UnknownTopicOrPartitionException)) throw e;
                if (!brokersCreateTopics(admin))
                    throw new Exit(ALL_FAILED, "Topic " + topic.getKey() + " does not exist, and the brokers do not create it by themselves; create it first (create-topic).");
                common.say("Topic %s does not exist: the brokers create it, with their defaults.", topic.getKey());
                all = false;
            }
            return all;
        } finally {
            admin.close(Duration.ZERO);
        }
    }

    private static boolean brokersCreateTopics(Admin admin) throws InterruptedException {
        try {
            ConfigResource broker = new ConfigResource(ConfigResource.Type.BROKER, admin.describeCluster().nodes().get().iterator().next().idString());
            return !admin.describeConfigs(List.of(broker)).all().get().get(broker).get("auto.create.topics.enable").value().equals("false");
        } catch (ExecutionException notAllowed) {
            return true;
        }
    }

    // ---- Common to the step scripts: reach the cluster, answer, fail. The same text in each; a test compares them. ----

    static final int UNREACHABLE = 10, NO_CONTROLLER = 11, REFUSED = 12, ANOMALY = 13, INCOMPLETE = 14, MISSED = 15, ALL_FAILED = 16;

    /** A foreseen end: the exit code, and one sentence for stderr that says what was wrong and what to do. */
    static class Exit extends RuntimeException implements CommandLine.IExitCodeGenerator {
        final int code;
        Exit(int code, String sentence) { super(sentence); this.code = code; }
        @Override public int getExitCode() { return code; }
    }

    /** The options that every script understands alike, and what they lead to: clients, output, events, exit codes. */
    static class Common {
        @Option(names = {"-b", "--bootstrap-server"}, paramLabel = "HOST:PORT,...", description = "The cluster (default: $$KAFKA_BOOTSTRAP, else the lab's three nodes).",
                defaultValue = "${KAFKA_BOOTSTRAP:-localhost:29192,localhost:29292,localhost:29392}")
        String bootstrapServer;
        @Option(names = "--command-config", paramLabel = "FILE", description = "Client properties, such as SASL and TLS.")
        Path commandConfig;
        @Option(names = "--timeout", paramLabel = "DURATION", defaultValue = "30s", description = "Give up after this long: 500ms, 30s, 2m (default: ${DEFAULT-VALUE}).")
        Duration timeout;
        @Option(names = "--json", description = "Print one JSON object a line.")
        boolean json;
        @Option(names = "--events", paramLabel = "FILE", description = "Append what happens to this JSON Lines file.")
        File events;
        boolean verbose;
        @Option(names = {"-h", "--help"}, usageHelp = true, description = "Show this help.")
        boolean help;
        @Option(names = {"-V", "--version"}, versionHelp = true, description = "Show the version.")
        boolean version;
        @Spec(Spec.Target.MIXEE) CommandSpec spec;

        PrintWriter out, err;
        static final String LOG_LEVEL = "org.slf4j.simpleLogger.defaultLogLevel";
        static { System.setProperty(LOG_LEVEL, System.getProperty(LOG_LEVEL, "off")); }

        @Option(names = {"-v", "--verbose"}, description = "Show stack traces and the client's own log.")
        void verbose(boolean on) { if (verbose = on) System.setProperty(LOG_LEVEL, "info"); }

        /** For composite scripts: gets each event as well. */
        Consumer<Map<String, Object>> listener = event -> { };
        private Writer eventsWriter;

        /** Parses into the script, without running it: what a composite script calls before it uses the script's methods. */
        <T> T configure(T script, PrintWriter out, PrintWriter err, String... args) {
            commandLine(script, out, err).parseArgs(args);
            return script;
        }

        /** Ctrl-C interrupts the script, which has ten seconds to print its summary and close its files; the JVM then exits with 130. */
        int run(Callable<Integer> script, PrintWriter out, PrintWriter err, String... args) {
            CommandLine cli = commandLine(script, out, err);
            Thread worker = Thread.currentThread();
            CountDownLatch done = new CountDownLatch(1);
            Thread hook = new Thread(() -> {
                worker.interrupt();
                try { done.await(10, TimeUnit.SECONDS); } catch (InterruptedException e) { return; }
            });
            Runtime.getRuntime().addShutdownHook(hook);
            try {
                return cli.execute(args);
            } finally {
                try { if (eventsWriter != null) eventsWriter.close(); } catch (IOException e) { err.println(e.getMessage()); }
                out.flush();
                done.countDown();
                try { Runtime.getRuntime().removeShutdownHook(hook); } catch (IllegalStateException shuttingDown) { /* after Ctrl-C */ }
            }
        }

        private CommandLine commandLine(Object script, PrintWriter out, PrintWriter err) {
            this.out = out;
            this.err = err;
            return new CommandLine(script).setOut(out).setErr(err).setCaseInsensitiveEnumValuesAllowed(true)
                    .registerConverter(Duration.class, Common::duration)
                    .setParameterExceptionHandler((e, args) -> { err.println(e.getMessage() + " (see --help)"); return 2; })
                    .setExecutionExceptionHandler((e, cli, parsed) -> explain(e));
        }

        /** @return a duration from {@code 500ms}, {@code 30s}, {@code 2m}, {@code 1h} or plain seconds */
        static Duration duration(String text) {
            var m = java.util.regex.Pattern.compile("(\\d+(?:\\.\\d+)?)(ms|s|m|h|)").matcher(text.trim());
            if (!m.matches()) throw new TypeConversionException("'" + text + "' is not a duration such as 500ms, 30s or 2m");
            double unit = switch (m.group(2)) { case "ms" -> 1; case "m" -> 60_000; case "h" -> 3_600_000; default -> 1_000; };
            return Duration.ofMillis(Math.round(Double.parseDouble(m.group(1)) * unit));
        }

        /** Client properties from --command-config and --bootstrap-server, then the given pairs; an option that is given wins over the file. */
        Properties client(Object... pairs) throws IOException {
            Properties properties = new Properties();
            if (commandConfig != null) {
                try (Reader reader = Files.newBufferedReader(commandConfig)) { properties.load(reader); }
                catch (IOException e) { throw new Exit(2, "Cannot read --command-config " + commandConfig + "."); }
            }
            if (properties.containsKey("bootstrap.servers") && !spec.commandLine().getParseResult().hasMatchedOption("-b"))
                bootstrapServer = properties.getProperty("bootstrap.servers");
            properties.put("bootstrap.servers", bootstrapServer);
            for (int i = 0; i < pairs.length; i += 2) properties.put(pairs[i].toString(), pairs[i + 1].toString());
            return properties;
        }

        /** An Admin that starts from the addresses that answer: it would stay with one that only connects (a paused node). None connects: exit 10 at once. */
        Admin admin(Object... more) throws IOException {
            Properties properties = client("default.api.timeout.ms", timeout.toMillis(), "request.timeout.ms", Math.min(timeout.toMillis(), 30_000));
            properties.putAll(client(more));
            List<Node> nodes = bootstrapNodes();
            int each = (int) Math.max(1, Math.min(timeout.toMillis() / nodes.size() / 2, 1500));
            List<String> alive = nodes.stream().filter(n -> answers(n.host(), n.port(), each)).map(n -> (n.host().contains(":") ? "[" + n.host() + "]:" : n.host() + ":") + n.port()).toList();
            if (alive.isEmpty() && nodes.stream().noneMatch(n -> connects(n.host(), n.port(), each))) throw unreachable("nothing listens there");
            if (!alive.isEmpty()) properties.put("bootstrap.servers", String.join(",", alive));
            return Admin.create(properties);
        }

        Exit unreachable(String why) {
            return new Exit(UNREACHABLE, "No cluster at " + bootstrapServer + ": " + why + "; start one (cluster up) or name yours with --bootstrap-server.");
        }

        /** The bootstrap addresses as nodes with ids -1, -2, ... */
        List<Node> bootstrapNodes() {
            List<Node> nodes = new ArrayList<>();
            for (String address : bootstrapServer.split(",")) {
                var m = java.util.regex.Pattern.compile("\\s*(?:\\w+://)?\\[?(.+?)\\]?:(\\d{1,5})\\s*").matcher(address);
                if (!m.matches()) throw new Exit(2, "'" + address + "' in --bootstrap-server is not HOST:PORT.");
                nodes.add(new Node(-1 - nodes.size(), m.group(1), Integer.parseInt(m.group(2))));
            }
            return nodes;
        }

        static boolean connects(String host, int port, int timeoutMs) {
            try (Socket socket = new Socket()) { socket.connect(new InetSocketAddress(host, port), timeoutMs); return true; }
            catch (IOException | IllegalArgumentException e) { return false; }
        }

        /** Whether the process behind a port is alive: a stopped (SIGSTOP) one still connects but never answers ApiVersions. */
        static boolean answers(String host, int port, int timeoutMs) {
            try (Socket socket = new Socket()) {
                socket.connect(new InetSocketAddress(host, port), timeoutMs);
                socket.setSoTimeout(timeoutMs);
                socket.getOutputStream().write(new byte[] {0, 0, 0, 10, 0, 18, 0, 0, 0, 0, 0, 1, -1, -1}); // ApiVersions v0, no client id
                // A TLS listener sends an alert: alive as well. Docker's proxy, before a port of somebody who is not up yet, only closes.
                return socket.getInputStream().read() >= 0;
            } catch (IOException | IllegalArgumentException e) { return false; }
        }

        /** Progress and warnings: stderr. */
        void say(String format, Object... args) { err.println(args.length == 0 ? format : String.format(Locale.ROOT, format, args)); }

        /** One observation: to --events, to the composite script that listens, and with --json to stdout. Fields are key, value, ... */
        synchronized void emit(String type, Object... fields) {
            Map<String, Object> event = new LinkedHashMap<>();
            event.put("ts", timestamp());
            event.put("source", spec.name());
            event.put("type", type);
            for (int i = 0; i < fields.length; i += 2) event.put((String) fields[i], fields[i + 1]);
            listener.accept(event);
            if (!json && events == null) return;
            try {
                String line = JSON.std.asString(event);
                if (json) out.println(line);
                if (events == null) return;
                if (eventsWriter == null) eventsWriter = new OutputStreamWriter(new FileOutputStream(events, true), "UTF-8");
                eventsWriter.write(line + "\n");
                eventsWriter.flush();
            } catch (IOException e) { throw new Exit(1, "Cannot write --events " + events + ": " + e.getMessage() + "."); }
        }

        /** One line and an exit code for whatever ended the script. */
        private int explain(Exception problem) {
            if (verbose) problem.printStackTrace(err);
            Throwable e = problem;
            while ((e instanceof ExecutionException || e instanceof CompletionException || e.getClass() == org.apache.kafka.common.KafkaException.class)
                    && e.getCause() != null) e = e.getCause();
            // Of a step that a composite script calls, it is that script's Exit: told by picocli's interface.
            Exit exit = e instanceof CommandLine.IExitCodeGenerator x ? new Exit(x.getExitCode(), e.getMessage())
                    : e instanceof InterruptedException || e instanceof InterruptException ? new Exit(130, "Interrupted.")
                    : e instanceof ConfigException && e.getMessage().contains("bootstrap") ? unreachable("no such host")
                    : e instanceof ConfigException ? new Exit(2, "Client property refused: " + e.getMessage() + ".")
                    : e instanceof org.apache.kafka.common.errors.TimeoutException ? unreachable("no answer within " + timeout.toMillis() + " ms")
                    : e instanceof AuthenticationException ? unreachable("login refused, " + e.getMessage())
                    : new Exit(1, e.getClass().getSimpleName() + ": " + e.getMessage() + (verbose ? "" : " (-v shows where)"));
            err.println(exit.getMessage());
            return exit.code;
        }
    }

    /** Now, as the events have it: ISO-8601, UTC, microseconds. */
    static String timestamp() {
        return DateTimeFormatter.ofPattern("yyyy-MM-dd'T'HH:mm:ss.SSSSSS'Z'").withZone(ZoneOffset.UTC).format(Instant.now());
    }
    // ---- End of what is common. ----
}
