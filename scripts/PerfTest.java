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
import java.nio.file.*;
import java.time.*;
import java.time.format.DateTimeFormatter;
import java.util.*;
import java.util.concurrent.*;
import java.util.concurrent.locks.LockSupport;
import java.util.function.Consumer;
import java.util.function.LongFunction;
import org.HdrHistogram.*;
import org.apache.kafka.clients.admin.*;
import org.apache.kafka.clients.producer.*;
import org.apache.kafka.common.KafkaException;
import org.apache.kafka.common.Node;
import org.apache.kafka.common.config.ConfigException;
import org.apache.kafka.common.config.ConfigResource;
import org.apache.kafka.common.errors.*;
import org.apache.kafka.common.serialization.ByteArraySerializer;
import picocli.CommandLine;
import picocli.CommandLine.ArgGroup;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;
import picocli.CommandLine.TypeConversionException;

/**
 * Loads a topic and tells throughput and latency: a drop-in for {@code kafka-producer-perf-test}, with its flags and its lines.
 *
 * <p>Every record's latency counts, in microseconds of the monotonic clock; failed sends are counted and timed apart. With a
 * limited throughput, stderr and events also have the response time: from when a record was due by the schedule, and not from
 * when {@code send()} was at last called. So a stall is not hidden by the load that had to wait for it.
 *
 * <pre>perf --topic test_topic --num-records 1000000 --throughput -1 --record-size 1000 --command-property acks=1 linger.ms=50</pre>
 */
@Command(name = "perf", version = "kraft-lab 0.1.0", sortOptions = false,
        description = "Sends records at a given rate, or as fast as it goes; prints throughput and latency as kafka-producer-perf-test does.")
class PerfTest implements Callable<Integer> {
    private static final long HIGHEST_US = TimeUnit.HOURS.toMicros(1);
    /** How long records on their way may still take after Ctrl-C, also when no broker answers. */
    private static final Duration CLOSE = Duration.ofSeconds(5);
    private static final String CLEAR_LINE = "\r\033[K";

    @Option(names = "--topic", required = true, paramLabel = "TOPIC", description = "Produce records to this topic.") String topic;
    @Option(names = "--num-records", required = true, paramLabel = "N", description = "How many records to send.") long numRecords;
    @Option(names = "--throughput", required = true, paramLabel = "RATE", description = "Records per second; -1 for as fast as it goes.") double throughput;
    @ArgGroup(multiplicity = "1") Payload payload;
    @Option(names = "--payload-delimiter", paramLabel = "REGEX", description = "Between entries of --payload-file (default: new line).") String delimiter = "\\n";
    @Option(names = "--command-property", arity = "1..*", paramLabel = "NAME=VALUE", description = "Producer properties; they win over --command-config.")
    List<String> commandProperties;
    @Option(names = "--producer-props", arity = "1..*", paramLabel = "NAME=VALUE", description = "Deprecated: --command-property.") List<String> producerProps;
    @Option(names = "--producer.config", paramLabel = "FILE", description = "Deprecated: --command-config.") Path producerConfig;
    @Option(names = "--print-metrics", description = "Print the producer's metrics at the end.") boolean printMetrics;
    @Option(names = "--transactional-id", paramLabel = "ID", description = "Send in transactions, with this id.") String transactionalId;
    @Option(names = "--transaction-duration-ms", paramLabel = "MS", description = "Send in transactions this long (3000 if only an id is given).") Long transactionMs;
    @Option(names = "--warmup-records", paramLabel = "N", description = "Add a summary without the first N records, the steady state.") long warmupRecords;
    @Option(names = "--reporting-interval", paramLabel = "MS", defaultValue = "5000", description = "Print a line this often (default: ${DEFAULT-VALUE}).") long intervalMs;
    @Option(names = "--hdr-log", paramLabel = "FILE", description = "Write each interval's latencies, in microseconds, to this HdrHistogram log.") File hdrLog;
    @Mixin Common common = new Common();

    static class Payload {
        @Option(names = "--record-size", paramLabel = "BYTES", description = "Records of this many random letters.") Integer recordSize;
        @Option(names = "--payload-file", paramLabel = "FILE", description = "Records are random entries of this UTF-8 file.") Path file;
        @Option(names = "--payload-monotonic", description = "Records are 0, 1, 2, ...") boolean monotonic;
    }

    private boolean lines, bar, steady;
    private volatile boolean outputClosed;
    private Tally warmup, main, response;
    private Failures failures;
    private Map<String, Object> metrics;

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
        lines = !common.json;
        bar = System.console() != null && System.getenv("NO_COLOR") == null;
        Summary s = measure();
        Thread.interrupted(); // Ctrl-C was heeded; what follows is the rest of the output
        if (outputClosed) return 0;
        print(s.line(""));
        if (s.steady != null) print(s.steady.line(" steady state"));
        if (printMetrics) printMetrics(lines ? common.out : common.err);
        if (s.interrupted) common.say("Interrupted after %d of %d records; of %d more that were sent the outcome is unknown.", s.records + s.failed, numRecords, failures.unresolved);
        else if (s.records == 0) throw new Exit(ALL_FAILED, "Every send failed: " + failures + ".");
        if (s.failed > 0) common.say("%d of %d sends failed: %s.", s.failed, s.records + s.failed, failures);
        if (s.response == null) common.say("At unlimited throughput the latency includes the wait in the producer's own buffer.");
        else common.say("Response time, from when a record was due: %s", s.response.line("").replaceFirst(".*sec\\), ", ""));
        return s.interrupted ? 130 : 0;
    }

    /** Sends the load and emits {@code perf-window} and {@code perf-summary}. Interrupted, it returns what was done and stays interrupted. */
    public Summary measure() throws Exception {
        check();
        Properties properties = properties();
        LongFunction<byte[]> payloads = payloads();
        boolean exists = topicExists(properties);
        try (PrintStream log = hdrLog == null ? null : new PrintStream(new FileOutputStream(hdrLog), false, "UTF-8")) {
            KafkaProducer<byte[], byte[]> producer = new KafkaProducer<>(properties, new ByteArraySerializer(), new ByteArraySerializer());
            try (Closeable closing = () -> close(producer)) {
                connect(producer, exists, properties.containsKey("transactional.id"));
                Summary s = load(producer, payloads, properties.containsKey("transactional.id"), log);
                common.emit("perf-summary", s.fields());
                if (s.interrupted) Thread.currentThread().interrupt();
                return s;
            }
        } catch (FileNotFoundException e) {
            throw new Exit(2, "Cannot write --hdr-log: " + e.getMessage() + ".");
        }
    }

    /** Three threads: this one sends, the producer's own one takes the acknowledgements, a third one reports each interval. */
    private Summary load(KafkaProducer<byte[], byte[]> producer, LongFunction<byte[]> payloads, boolean transactional, PrintStream log) throws Exception {
        if (warmupRecords > 0) print("Warmup first " + warmupRecords + " records. Steady state results will print after the complete test summary.");
        steady = false;
        failures = new Failures();
        warmup = new Tally();
        main = new Tally();
        response = new Tally();
        long start = System.nanoTime(), end;
        Thread sender = Thread.currentThread();
        CountDownLatch over = new CountDownLatch(1);
        FutureTask<Void> reporting = new FutureTask<>(() -> report(start, over, sender, log), null);
        new Thread(reporting, "perf-reporter").start();
        boolean interrupted = false;
        try {
            send(producer, payloads, start, transactional);
            end = System.nanoTime();
        } catch (InterruptedException | InterruptException e) {
            Thread.interrupted();
            interrupted = !outputClosed;
            failures.stop();
            close(producer);
            end = Math.max(warmup.last, main.last);
        } catch (KafkaException e) {
            throw new Exit(warmup.records + main.records == 0 ? ALL_FAILED : 1, "Broke off after " + (warmup.records + main.records) + " records: " + e.getMessage());
        } finally {
            over.countDown();
            reporting.get();
        }
        metrics = new TreeMap<>();
        producer.metrics().forEach((name, metric) -> metrics.put(name.group() + ":" + name.name() + ":" + name.tags(), metric.metricValue()));
        Summary afterWarmup = warmupRecords <= 0 ? null : Summary.of(main.all, main.bytes, end - main.first, 0, interrupted, null, null);
        Summary fromDue = throughput < 0 ? null : Summary.of(response.all, response.bytes, end - start, 0, interrupted, null, null);
        warmup.all.add(main.all);
        return Summary.of(warmup.all, warmup.bytes + main.bytes, end - start, failures.count(), interrupted, afterWarmup, fromDue);
    }

    private void send(KafkaProducer<byte[], byte[]> producer, LongFunction<byte[]> payloads, long start, boolean transactional) throws InterruptedException {
        long transactionNanos = TimeUnit.MILLISECONDS.toNanos(transactionMs == null ? 3000 : transactionMs), transactionStart = 0, due = 0;
        boolean inTransaction = false;
        for (long i = 0; i < numRecords; i++) {
            byte[] value = payloads.apply(i);
            if (throughput > 0) { // a time for each record: no bursts, and what a stall held up is caught up with
                due = start + (long) (i * 1e9 / throughput);
                for (long left; (left = due - System.nanoTime()) > 0 && !Thread.currentThread().isInterrupted(); ) LockSupport.parkNanos(left);
            }
            if (Thread.interrupted()) throw new InterruptedException();
            if (transactional && !inTransaction) {
                producer.beginTransaction();
                transactionStart = System.nanoTime();
                inTransaction = true;
            }
            long now = System.nanoTime();
            if (i == warmupRecords) main.first = now;
            producer.send(new ProducerRecord<>(topic, value), new Sent(this, i < warmupRecords ? warmup : main, due, now, value.length));
            if (inTransaction && now - transactionStart >= transactionNanos) {
                producer.commitTransaction();
                inTransaction = false;
            }
        }
        if (inTransaction) producer.commitTransaction();
        producer.flush();
    }

    /** The callback of one record: beside the record itself, all that is allocated for it. */
    private record Sent(PerfTest test, Tally tally, long due, long start, int size) implements Callback {
        @Override
        public void onCompletion(RecordMetadata metadata, Exception e) {
            long now = System.nanoTime();
            if (e != null) { test.failures.add(e, now - start); return; }
            tally.add(now, start, size);
            if (test.throughput > 0) test.response.add(now, due, size);
        }
    }

    /** Acknowledged records. Only the producer's one sender thread adds to it: no lock is needed. */
    private static class Tally {
        final SingleWriterRecorder recorder = new SingleWriterRecorder(1, HIGHEST_US, 3);
        final Histogram all = new Histogram(1, HIGHEST_US, 3);
        long first = System.nanoTime(), last = first;
        volatile long records, bytes;

        void add(long now, long since, int size) {
            recorder.recordValue(Math.min((now - since) / 1000, HIGHEST_US));
            last = now;
            records++;
            bytes += size;
        }

        Histogram cut() {
            Histogram window = recorder.getIntervalHistogram();
            all.add(window);
            return window;
        }
    }

    /** Sends without acknowledgement: how long each took to fail, by error. Some fail on the sending thread and others not, hence synchronized. */
    private class Failures {
        final Map<String, Histogram> byError = new TreeMap<>();
        private boolean stopped;
        long unresolved;

        synchronized void add(Exception e, long nanos) {
            if (stopped) { unresolved++; return; } // given up by our own close
            byError.computeIfAbsent(e.getClass().getSimpleName(), error -> {
                common.say((bar ? CLEAR_LINE : "") + "First " + error + ": " + e.getMessage());
                return new Histogram(1, HIGHEST_US, 3);
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

    /** Of a run, its steady state, or an interval. Latency (histogram: microseconds) is of acknowledged records, from {@code send()} to acknowledgement;
     *  {@code steady} is without the warm-up, or null; {@code response} counts from when a record was due, null at unlimited throughput. */
    public record Summary(long records, long failed, double recordsPerSec, double mbPerSec, double avgMs, double maxMs, double p50Ms, double p95Ms, double p99Ms,
            double p999Ms, Histogram histogram, boolean interrupted, Summary steady, Summary response) {

        static Summary of(Histogram us, long bytes, long nanos, long failed, boolean interrupted, Summary steady, Summary response) {
            double perSec = 1e9 / Math.max(nanos, 1);
            return new Summary(us.getTotalCount(), failed, us.getTotalCount() * perSec, bytes / 1048576.0 * perSec, us.getMean() / 1000, us.getMaxValue() / 1000.0,
                    us.getValueAtPercentile(50) / 1000.0, us.getValueAtPercentile(95) / 1000.0, us.getValueAtPercentile(99) / 1000.0,
                    us.getValueAtPercentile(99.9) / 1000.0, us, interrupted, steady, response);
        }

        Object[] fields() {
            List<Object> fields = new ArrayList<>(List.of("records", records, "recordsPerSec", recordsPerSec, "mbPerSec", mbPerSec, "avgMs", avgMs, "maxMs", maxMs,
                    "p50Ms", p50Ms, "p95Ms", p95Ms, "p99Ms", p99Ms, "p999Ms", p999Ms, "failed", failed));
            if (response != null) fields.addAll(List.of("responseAvgMs", response.avgMs, "responseMaxMs", response.maxMs, "responseP50Ms", response.p50Ms,
                    "responseP95Ms", response.p95Ms, "responseP99Ms", response.p99Ms, "responseP999Ms", response.p999Ms));
            return fields.toArray();
        }

        String line(String state) {
            return String.format(Locale.ROOT, "%d%s records sent, %f records/sec (%.2f MB/sec), %.2f ms avg latency, %.2f ms max latency, %d ms 50th, %d ms 95th, "
                    + "%d ms 99th, %d ms 99.9th.", records, state, recordsPerSec, mbPerSec, avgMs, maxMs, Math.round(p50Ms), Math.round(p95Ms), Math.round(p99Ms), Math.round(p999Ms));
        }
    }

    private void report(long start, CountDownLatch over, Thread sender, PrintStream log) {
        HistogramLogWriter writer = log == null ? null : new HistogramLogWriter(log);
        long startMs = System.currentTimeMillis(), interval = TimeUnit.MILLISECONDS.toNanos(intervalMs), from = start;
        if (writer != null) {
            writer.outputLogFormatVersion();
            writer.outputComment("[kraft-lab perf: values in microseconds, Interval_Max in milliseconds; Tag=response: from when a record was due]");
            writer.outputStartTime(startMs);
            writer.outputLegend();
        }
        try {
            for (boolean last = false; !last; ) {
                long left = from + interval - System.nanoTime();
                last = over.await(bar ? Math.min(left, 200_000_000) : left, TimeUnit.NANOSECONDS);
                long now = System.nanoTime();
                if (bar) drawBar(last, now - start);
                if (!last && now - from < interval) continue;
                reportWindow(now - from, last, writer, startMs);
                from = now;
                if (log != null && log.checkError()) throw new Exit(1, "Cannot write --hdr-log " + hdrLog + ": is the disk full?");
                if (last || !common.out.checkError()) continue;
                outputClosed = true;
                sender.interrupt();
            }
        } catch (InterruptedException | RuntimeException e) { // no use in going on without a report
            sender.interrupt();
            throw e instanceof RuntimeException problem ? problem : new IllegalStateException(e);
        }
    }

    private void reportWindow(long nanos, boolean last, HistogramLogWriter writer, long startMs) {
        Histogram warm = warmup.cut(), all = main.cut(), due = response.cut();
        boolean nowSteady = warmupRecords > 0 && warm.getTotalCount() == 0 && all.getTotalCount() > 0;
        all.add(warm);
        due.setTag("response");
        if (last && all.getTotalCount() == 0) return;
        if (writer != null) for (Histogram h : throughput > 0 ? List.of(all, due) : List.of(all))
            writer.outputIntervalHistogram(Math.max(0, h.getStartTimeStamp() - startMs) / 1000.0, (h.getEndTimeStamp() - startMs) / 1000.0, h, 1000);
        double meanSize = (double) (warmup.bytes + main.bytes) / Math.max(1, warmup.records + main.records); // bytes are not cut together with the histogram
        Summary w = Summary.of(all, Math.round(all.getTotalCount() * meanSize), nanos, 0, false, null, null);
        common.emit("perf-window", "records", w.records, "recordsPerSec", w.recordsPerSec, "mbPerSec", w.mbPerSec, "avgMs", w.avgMs, "maxMs", w.maxMs);
        if (last) return; // no line for the rest, as with Apache's
        if (nowSteady && !steady) print("In steady state.");
        steady |= nowSteady;
        print(String.format(Locale.ROOT, "%d records sent, %.1f records/sec (%.2f MB/sec), %.1f ms avg latency, %.1f ms max latency.",
                w.records, w.recordsPerSec, w.mbPerSec, w.avgMs, w.maxMs));
    }

    private void drawBar(boolean last, long nanos) {
        long ended = warmup.records + main.records + failures.count();
        double share = (double) ended / numRecords, perSec = ended * 1e9 / nanos;
        String left = ended == 0 ? "?" : Math.round((numRecords - ended) / perSec) + " s";
        common.err.printf(Locale.ROOT, last ? CLEAR_LINE : CLEAR_LINE + "[%-30s] %.0f%%  %.0f records/s, %s left", "#".repeat((int) (share * 30)), share * 100, perSec, left);
        common.err.flush();
    }

    private void print(String line) {
        if (bar) { common.err.print(CLEAR_LINE); common.err.flush(); }
        if (lines) common.out.println(line);
    }

    /** In the layout of Apache's tools. */
    private void printMetrics(PrintWriter out) {
        int width = metrics.keySet().stream().mapToInt(String::length).max().orElse(1);
        out.printf("%n%-" + width + "s   %s%n", "Metric Name", "Value");
        metrics.forEach((name, value) -> out.printf(Locale.ROOT, "%-" + width + "s : " + (value instanceof Double ? "%.3f" : "%s") + "%n", name, value));
    }

    private void check() {
        refuse(numRecords <= 0, "--num-records should be greater than zero.");
        refuse(throughput == 0 || Double.isNaN(throughput), "--throughput 0 would never send; give records per second, or -1 for as fast as it goes.");
        refuse(payload.recordSize != null && payload.recordSize <= 0, "--record-size should be greater than zero.");
        refuse(warmupRecords >= numRecords, "--warmup-records must be fewer than --num-records.");
        refuse(transactionMs != null && transactionMs <= 0, "--transaction-duration-ms should be greater than zero.");
        refuse(intervalMs <= 0, "--reporting-interval should be greater than zero.");
        refuse(producerProps != null && commandProperties != null, "--producer-props is the old name of --command-property: give one of them.");
        refuse(producerConfig != null && common.commandConfig != null, "--producer.config is the old name of --command-config: give one of them.");
        if (producerProps != null) common.say("--producer-props is deprecated, use --command-property.");
        if (producerConfig != null) common.say("--producer.config is deprecated, use --command-config.");
    }

    private static void refuse(boolean wrong, String sentence) {
        if (wrong) throw new Exit(2, sentence);
    }

    /** The producer's properties. The cluster's address: --bootstrap-server if it was given, else the properties', the file's, the default. */
    private Properties properties() throws IOException {
        if (producerConfig != null) common.commandConfig = producerConfig;
        producerConfig = null; // so that measure() can be called again
        Properties properties = common.client();
        boolean given = common.spec.commandLine().getParseResult().hasMatchedOption("--bootstrap-server");
        for (String pair : producerProps != null ? producerProps : commandProperties != null ? commandProperties : List.<String>of()) {
            int equals = pair.indexOf('=');
            refuse(equals < 1, "Property '" + pair + "' is not NAME=VALUE.");
            if (!given || !pair.startsWith("bootstrap.servers=")) properties.put(pair.substring(0, equals), pair.substring(equals + 1));
        }
        common.bootstrapServer = properties.getProperty("bootstrap.servers");
        properties.putIfAbsent("client.id", "perf-producer-client");
        if (transactionalId != null) properties.put("transactional.id", transactionalId);
        else if (transactionMs != null) properties.putIfAbsent("transactional.id", "performance-producer-" + UUID.randomUUID());
        return properties;
    }

    /** Apache's A to Z. There are so many different records that none comes twice in a batch, which would flatter compression. */
    private LongFunction<byte[]> payloads() throws IOException {
        if (payload.monotonic) return i -> Long.toString(i).getBytes();
        SplittableRandom random = new SplittableRandom(0);
        List<byte[]> entries = new ArrayList<>();
        if (payload.file != null) {
            try (Scanner scanner = new Scanner(payload.file, "UTF-8").useDelimiter(delimiter)) {
                while (scanner.hasNext()) entries.add(scanner.next().getBytes("UTF-8"));
            } catch (NoSuchFileException | AccessDeniedException e) {
                throw new Exit(2, "Cannot read --payload-file " + payload.file + ".");
            }
            refuse(entries.isEmpty(), "--payload-file " + payload.file + " is empty.");
            return i -> entries.get(random.nextInt(entries.size()));
        }
        long different = Math.min(numRecords, Math.min(65_536, 2 + (4 << 20) / payload.recordSize));
        for (int i = 0; i < different; i++) {
            byte[] value = new byte[payload.recordSize];
            for (int k = 0; k < value.length; k++) value[k] = (byte) ('A' + random.nextInt(26));
            entries.add(value);
        }
        return i -> entries.get((int) (i % different));
    }

    /** Says up front what would otherwise be one metadata timeout after another. */
    private boolean topicExists(Properties producer) throws Exception {
        List<Node> nodes = common.bootstrapNodes();
        int timeout = (int) common.timeout.toMillis(), each = Math.max(1, Math.min(timeout / nodes.size(), 3000));
        if (nodes.stream().noneMatch(n -> Common.connects(n.host(), n.port(), each))) throw common.unreachable("nothing listens there");
        Properties properties = (Properties) producer.clone();
        properties.putAll(Map.of("default.api.timeout.ms", timeout, "request.timeout.ms", Math.min(timeout, 30_000), "retries", Integer.MAX_VALUE));
        Admin admin = Admin.create(properties);
        try {
            admin.describeTopics(List.of(topic)).allTopicNames().get();
            return true;
        } catch (ExecutionException e) {
            refuse(e.getCause() instanceof InvalidTopicException, "'" + topic + "' is not a name that a topic may have.");
            if (e.getCause() instanceof AuthorizationException) return true; // who may not look may still be allowed to write
            if (!(e.getCause() instanceof UnknownTopicOrPartitionException)) throw e;
            if (!brokersCreateTopics(admin))
                throw new Exit(ALL_FAILED, "Topic " + topic + " does not exist, and the brokers do not create it by themselves; create it first (create-topic).");
            common.say("Topic " + topic + " does not exist: the brokers create it, with their defaults.");
            return false;
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

    /** Gets what the first record would otherwise wait for: the topic's creation, its metadata, the transaction coordinator. */
    private void connect(KafkaProducer<byte[], byte[]> producer, boolean exists, boolean transactional) {
        try {
            producer.partitionsFor(topic);
        } catch (ApiException e) { // without metadata of a topic that is there, each send may still try for itself
            if (!exists || !(e instanceof RetriableException)) throw new Exit(ALL_FAILED, "Every send to " + topic + " would fail: " + e.getMessage());
        }
        if (transactional) producer.initTransactions();
    }

    /** Gives the records on their way their time, which an interrupted thread would not; and stays interrupted. */
    private static void close(KafkaProducer<byte[], byte[]> producer) {
        boolean interrupted = Thread.interrupted();
        producer.close(CLOSE);
        if (interrupted) Thread.currentThread().interrupt();
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
        Admin admin() throws IOException {
            Properties properties = client("default.api.timeout.ms", timeout.toMillis(), "request.timeout.ms", Math.min(timeout.toMillis(), 30_000));
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
