///usr/bin/env jbang "$0" "$@" ; exit $?
//JAVA 17+
//DEPS org.apache.kafka:kafka-clients:4.4.0
//DEPS info.picocli:picocli:4.7.7
//DEPS com.fasterxml.jackson.jr:jackson-jr-objects:2.21.7
//DEPS org.slf4j:slf4j-simple:1.7.36
//DESCRIPTION What can be said of a topic without a ledger: order, gaps, duplicates by key

import com.fasterxml.jackson.jr.ob.JSON;
import java.io.*;
import java.net.*;
import java.nio.ByteBuffer;
import java.nio.file.*;
import java.time.*;
import java.time.format.DateTimeFormatter;
import java.util.*;
import java.util.concurrent.*;
import java.util.function.Consumer;
import java.util.regex.*;
import org.apache.kafka.clients.admin.*;
import org.apache.kafka.clients.consumer.*;
import org.apache.kafka.clients.consumer.OffsetOutOfRangeException;
import org.apache.kafka.common.*;
import org.apache.kafka.common.config.*;
import org.apache.kafka.common.errors.*;
import org.apache.kafka.common.header.Headers;
import org.apache.kafka.common.serialization.*;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;
import picocli.CommandLine.TypeConversionException;

/**
 * Reads a topic from its first to its last offset, and says what is wrong with it as far as the records alone can tell.
 *
 * <p>Proved is that an identity is there twice, that a later number of a producer is before an earlier one, that a leader epoch goes back. An offset without a
 * record, or a number that no record has, may have its good reason (a transaction's marker; a send that failed): that is told, and proves nothing. Whether what
 * was acknowledged is there can only be said with a ledger: check-delivery, which is built upon this script's reading.
 *
 * <pre>check-topic --topic critical_data
 * check-topic --topic orders --identity '(.*)-(\d+)'      keys such as till7-1234: number 1234 of till7</pre>
 */
@Command(name = "check-topic", version = "kraft-lab 0.1.0", sortOptions = false,
        description = "Order, gaps and duplicates by key in a topic, without a ledger. Exit 0: nothing found; 13: proved wrong; 14: found something that proves nothing, or not all could be read.")
class CheckTopic implements Callable<Integer> {
    @Option(names = "--topic", paramLabel = "TOPIC", required = true, description = "What to read.")
    String topic;
    @Option(names = "--identity", paramLabel = "REGEX", defaultValue = "(.+/.+)/(\\d{1,18})",
            description = "Keys that number their records, with groups for producer and number (default: ${DEFAULT-VALUE}, as resilient-producer has them).")
    Pattern identity;
    @Option(names = "--unique-keys", description = "Every key is an identity: one that comes twice is a duplicate, not an update.")
    boolean uniqueKeys;

    @Mixin Common common = new Common();

    public static void main(String... args) {
        System.exit(run(new PrintWriter(System.out, true), new PrintWriter(System.err, true), args));
    }

    /** Runs the script without a process. @return the exit code */
    public static int run(PrintWriter out, PrintWriter err, String... args) {
        CheckTopic script = new CheckTopic();
        return script.common.run(script, out, err, args);
    }

    @Override
    public Integer call() throws Exception {
        Verdict verdict = check();
        if (!common.json) render(verdict);
        return verdict.exitCode();
    }

    /** What is found. Proved: it cannot be right. Open: it may have its reason, or not. The others are no more than told. */
    enum Finding {
        DUPLICATE("duplicates", "an identity a second time", true, false), REORDERED("reordered", "a number after a later one", true, false),
        EPOCH("epochs", "leader epoch goes back", true, false), GAP("gaps", "offsets without a record", false, true),
        MISSING("missing", "numbers in no record", false, true), REPEATED("repeatedKeys", "a key again (an update?)", false, false),
        CLOCK("clock", "timestamp before the last one's", false, false);

        final String field, words;
        final boolean proved, open;
        Finding(String field, String words, boolean proved, boolean open) { this.field = field; this.words = words; this.proved = proved; this.open = open; }
    }

    /** Where something was found. A gap is shown at its first offset, with the epoch and time of the record behind it. */
    public record Example(Finding finding, String key, int partition, long offset, int leaderEpoch, long timestamp) { }

    /** A partition: what of it was read, and what was found there. Missing numbers are of no partition. */
    public record Partition(int partition, long from, long to, long read, Map<Finding, Long> findings) { }

    /** What was found, by partition; and in words why not all is known. compacted: gaps have their reason. */
    public record Verdict(String verdict, String topic, long read, long numbered, long withoutKey, boolean compacted, Map<Finding, Long> findings, List<Partition> partitions,
                          List<Example> examples, List<String> incomplete) {
        public int exitCode() { return verdict.equals("pass") ? 0 : verdict.equals("fail") ? ANOMALY : INCOMPLETE; }
    }

    /** Reads the topic, and emits the verdict. */
    public Verdict check() throws Exception {
        Contents contents = new Contents(topic, identity, uniqueKeys, Runtime.getRuntime().maxMemory() / 2);
        read(common, contents);
        Verdict v = contents.verdict();
        List<Object> fields = new ArrayList<>(List.of("verdict", v.verdict, "topic", topic, "read", v.read, "numbered", v.numbered, "withoutKey", v.withoutKey, "compacted", v.compacted));
        v.findings.forEach((finding, n) -> fields.addAll(List.of(finding.field, n)));
        fields.addAll(List.of("incomplete", v.incomplete, "partitions", v.partitions.stream().map(p -> {
            Map<String, Object> m = new LinkedHashMap<>(Map.of("partition", p.partition, "from", p.from, "to", p.to, "read", p.read));
            p.findings.forEach((finding, n) -> m.put(finding.field, n));
            return m;
        }).toList(), "examples", v.examples.stream().map(x -> Map.of("finding", x.finding.field, "key", x.key, "partition", x.partition, "offset", x.offset,
                "leaderEpoch", x.leaderEpoch, "timestamp", time(x.timestamp))).toList()));
        common.emit("verdict", fields.toArray());
        return v;
    }

    // ---- Reading: for check-delivery as well ----

    /** What a topic is read into, each partition in the order of its offsets. */
    abstract static class Log {
        String topic;
        final Set<String> incomplete = new LinkedHashSet<>();
        private final Map<Integer, long[]> positions = new TreeMap<>();

        /** Where to begin with a partition, and the offset that has to be passed, -1: only what is there now. */
        long startOf(int partition) { return 0; }
        long highestOf(int partition) { return -1; }
        abstract void record(ConsumerRecord<byte[], Void> record);

        /** Before the first record. */
        void begins(Admin admin, Map<TopicPartition, Long> starts, Map<TopicPartition, Long> ends) throws Exception { }
        /** The reader has passed all that is before this offset. */
        void reached(int partition, long position) { positions.computeIfAbsent(partition, p -> new long[1])[0] = position; }
        long position(int partition) { return positions.containsKey(partition) ? positions.get(partition)[0] : 0; }
    }

    /** Reads until each partition has passed its end of now and its highest offset, or nothing moves for --timeout, or Ctrl-C: what was not reached is in log.incomplete. */
    static void read(Common common, Log log) throws Exception {
        try {
            Map<TopicPartition, Long> starts, ends;
            try (Admin admin = common.admin()) {
                int partitions;
                try { partitions = admin.describeTopics(List.of(log.topic)).allTopicNames().get().get(log.topic).partitions().size(); }
                catch (ExecutionException e) {
                    if (!(e.getCause() instanceof UnknownTopicOrPartitionException)) throw e;
                    throw new Exit(INCOMPLETE, "Topic " + log.topic + " does not exist at " + common.bootstrapServer + ": nothing could be checked.");
                }
                List<TopicPartition> all = new ArrayList<>();
                for (int p = 0; p < partitions; p++) all.add(new TopicPartition(log.topic, p));
                ListOffsetsResult earliest = listOffsets(admin, all, OffsetSpec.earliest()), latest = listOffsets(admin, all, OffsetSpec.latest());
                starts = answers(earliest, all);
                ends = answers(latest, all);
                ends.keySet().retainAll(starts.keySet());
                for (TopicPartition p : all) if (!ends.containsKey(p)) log.incomplete.add("partition " + p.partition() + " does not answer");
                log.begins(admin, starts, ends);
            }
            read(common, log, starts, ends);
        } catch (InterruptedException | InterruptException e) {
            Thread.interrupted();
            log.incomplete.add("interrupted");
        }
    }

    private static void read(Common common, Log log, Map<TopicPartition, Long> starts, Map<TopicPartition, Long> ends) throws Exception {
        Properties properties = common.client("enable.auto.commit", false, "isolation.level", "read_uncommitted", "auto.offset.reset", "none");
        // close() waits for the fetch that is under way at the end: by default half a second.
        Map.of("max.poll.records", 5000, "receive.buffer.bytes", 1 << 21, "fetch.max.wait.ms", 50).forEach((name, value) -> properties.putIfAbsent(name, value.toString()));
        properties.keySet().removeAll(List.of("group.id", "group.instance.id", "group.protocol")); // nothing is left behind on the cluster
        try (var consumer = new KafkaConsumer<>(properties, new ByteArrayDeserializer(), new Unread())) {
            Map<TopicPartition, Long> targets = new HashMap<>();
            consumer.assign(ends.keySet());
            ends.forEach((p, end) -> {
                long start = Math.max(starts.get(p), Math.min(end, log.startOf(p.partition()))); // retention or DeleteRecords may have moved it
                consumer.seek(p, start);
                log.reached(p.partition(), start);
                targets.put(p, Math.max(end, log.highestOf(p.partition()) + 1));
            });
            poll(common, consumer, log, targets);
            targets.forEach((p, target) -> log.incomplete.add("partition " + p.partition() + " was read up to offset " + log.position(p.partition()) + " and not to " + target));
        }
    }

    private static ListOffsetsResult listOffsets(Admin admin, List<TopicPartition> partitions, OffsetSpec spec) {
        Map<TopicPartition, OffsetSpec> wanted = new HashMap<>();
        for (TopicPartition p : partitions) wanted.put(p, spec);
        return admin.listOffsets(wanted);
    }

    /** The offsets of the partitions that answered within --timeout; one without a leader does not. */
    private static Map<TopicPartition, Long> answers(ListOffsetsResult result, List<TopicPartition> partitions) throws Exception {
        Map<TopicPartition, Long> offsets = new HashMap<>();
        for (TopicPartition p : partitions) {
            try { offsets.put(p, result.partitionResult(p).get().offset()); }
            catch (ExecutionException e) { if (!(e.getCause() instanceof RetriableException)) throw e; }
        }
        return offsets;
    }

    /** Polls until each partition has passed its target, or nothing moves for --timeout. Targets that are reached are removed. */
    private static void poll(Common common, KafkaConsumer<byte[], Void> consumer, Log log, Map<TopicPartition, Long> targets) {
        long moved = System.nanoTime(), said = moved, read = 0;
        while (true) {
            List<TopicPartition> done = targets.keySet().stream().filter(p -> log.position(p.partition()) >= targets.get(p)).toList();
            consumer.pause(done);
            targets.keySet().removeAll(done);
            if (targets.isEmpty() || System.nanoTime() - moved > common.timeout.toNanos()) return;
            try {
                ConsumerRecords<byte[], Void> records = consumer.poll(Duration.ofMillis(200));
                for (TopicPartition p : records.partitions()) for (ConsumerRecord<byte[], Void> r : records.records(p)) log.record(r);
                records.nextOffsets().forEach((p, next) -> log.reached(p.partition(), next.offset())); // also past gaps, which have no record
                if (!records.nextOffsets().isEmpty()) moved = System.nanoTime();
                read += records.count();
                if (moved - said > 10_000_000_000L) {
                    common.say("%,d records read, %d partitions still to be read to their end.", read, targets.size());
                    said = moved;
                }
            } catch (OffsetOutOfRangeException e) {
                outOfRange(common, consumer, log, e.offsetOutOfRangePartitions());
            }
        }
    }

    /** The log start moved on while we read: go on from there. Or the log became shorter: nothing more can be read without reading records twice. */
    private static void outOfRange(Common common, KafkaConsumer<byte[], Void> consumer, Log log, Map<TopicPartition, Long> positions) {
        consumer.beginningOffsets(positions.keySet(), common.timeout).forEach((p, start) -> {
            if (start > positions.get(p)) {
                consumer.seek(p, start);
                log.reached(p.partition(), start);
            } else consumer.pause(List.of(p));
        });
    }

    /** Values say nothing to a check: they are not even copied. */
    private static final class Unread implements Deserializer<Void> {
        @Override public Void deserialize(String topic, byte[] data) { return null; }
        @Override public Void deserialize(String topic, Headers headers, ByteBuffer data) { return null; }
    }

    static String time(long ms) { return Instant.ofEpochMilli(ms).toString(); }

    // ---- Judging: knows no cluster ----

    /**
     * Records go in, a verdict comes out. Of a key it remembers a hash of 64 bits (of ten million keys, two have the same one in 1 of 370,000 topics), in a table of
     * bounded size; of a producer, its first and last number, and the last one in each partition.
     */
    static final class Contents extends Log {
        private static final int EXAMPLES = 10, PRODUCERS = 100_000;
        private final Pattern identity;
        private final boolean uniqueKeys;
        private final long bound;
        private long[] hashes;
        private int kept;
        private boolean full, compacted;
        private long read, numbered, withoutKey;
        private final Map<String, Numbers> producers = new HashMap<>();
        private final List<Part> parts = new ArrayList<>();
        private final List<Example> examples = new ArrayList<>();
        private final long[] counts = new long[Finding.values().length];

        /** A producer's numbers: how many different ones, from and to, and the last one in each partition. */
        private static final class Numbers { long min = Long.MAX_VALUE, max, different; final Map<Integer, long[]> newest = new HashMap<>(); }
        private static final class Part { long from = -1, next, read, timestamp = Long.MIN_VALUE; int epoch = -1; final long[] counts = new long[Finding.values().length]; }

        /** @param bytes what the table of keys may take; up to three quarters of its places are used */
        Contents(String topic, Pattern identity, boolean uniqueKeys, long bytes) {
            this.topic = topic;
            this.identity = identity;
            this.uniqueKeys = uniqueKeys;
            bound = Long.highestOneBit(Math.min(bytes / 8, 1 << 30));
            if (identity.matcher("").groupCount() < 2) throw new Exit(2, "--identity needs two groups, for producer and number, such as (.*)-([0-9]+).");
        }

        @Override void begins(Admin admin, Map<TopicPartition, Long> starts, Map<TopicPartition, Long> ends) throws Exception {
            long records = 0;
            for (var end : ends.entrySet()) records += end.getValue() - starts.get(end.getKey());
            room(records);
            ConfigResource config = new ConfigResource(ConfigResource.Type.TOPIC, topic);
            try { compacted(admin.describeConfigs(List.of(config)).all().get().get(config).get("cleanup.policy").value().contains("compact")); }
            catch (ExecutionException notTold) { /* then a gap is not explained */ }
        }

        void compacted(boolean is) { compacted = is; }
        void room(long records) { hashes = new long[(int) Math.max(16, Math.min(bound, Long.highestOneBit(records * 4 / 3 + 1) * 2))]; }

        @Override void reached(int partition, long position) {
            super.reached(partition, position);
            Part part = part(partition);
            if (part.from < 0) part.from = part.next = position;
        }

        @Override void record(ConsumerRecord<byte[], Void> r) {
            read++;
            Part part = part(r.partition());
            part.read++;
            int epoch = r.leaderEpoch().orElse(-1);
            if (r.offset() > part.next) found(Finding.GAP, r.offset() - part.next, null, part.next, r);
            part.next = r.offset() + 1;
            if (epoch >= 0 && epoch < part.epoch) found(Finding.EPOCH, 1, r.key(), r.offset(), r);
            part.epoch = Math.max(epoch, part.epoch);
            if (r.timestamp() < part.timestamp) found(Finding.CLOCK, 1, r.key(), r.offset(), r);
            part.timestamp = r.timestamp();
            if (r.key() == null) { withoutKey++; return; }
            boolean again = seen(r.key());
            Matcher m = identity.matcher(new String(r.key(), java.nio.charset.StandardCharsets.UTF_8));
            if (m.matches()) number(m.group(1), Long.parseLong(m.group(2)), again, r);
            else if (again) found(uniqueKeys ? Finding.DUPLICATE : Finding.REPEATED, 1, r.key(), r.offset(), r);
        }

        private void number(String producer, long number, boolean again, ConsumerRecord<byte[], Void> r) {
            numbered++;
            if (again) { found(Finding.DUPLICATE, 1, r.key(), r.offset(), r); return; } // a copy has no place in the order
            Numbers n = producers.get(producer);
            if (n == null && producers.size() == PRODUCERS) { incomplete.add("order and missing numbers were followed for the first " + PRODUCERS + " producers only"); return; }
            if (full) return; // it may be a copy of one that could not be kept
            if (n == null) producers.put(producer, n = new Numbers());
            n.min = Math.min(n.min, number);
            n.max = Math.max(n.max, number);
            n.different++;
            long[] newest = n.newest.computeIfAbsent(r.partition(), p -> new long[] {Long.MIN_VALUE});
            if (number < newest[0]) found(Finding.REORDERED, 1, r.key(), r.offset(), r);
            newest[0] = Math.max(newest[0], number);
        }

        /** @return whether the key was there before; a new one is remembered while there is room */
        private boolean seen(byte[] key) {
            long h = key.length;
            for (byte b : key) h = (h ^ b & 0xff) * 0x9E3779B97F4A7C15L ^ h >>> 29;
            h = (h ^ h >>> 32) * 0xD6E8FEB86659FD93L;
            if ((h ^= h >>> 32) == 0) h = 1; // 0 is a free place
            int i = (int) h & hashes.length - 1;
            for (; hashes[i] != 0; i = i + 1 & hashes.length - 1) if (hashes[i] == h) return true;
            if (kept >= hashes.length / 4 * 3) {
                full = true;
                incomplete.add("the keys did not fit into memory: duplicates and order were looked for in the first " + kept + " only; more heap (-Xmx) helps");
                return false;
            }
            hashes[i] = h;
            kept++;
            return false;
        }

        private Part part(int partition) {
            while (parts.size() <= partition) parts.add(new Part());
            return parts.get(partition);
        }

        private void found(Finding finding, long n, byte[] key, long offset, ConsumerRecord<byte[], Void> r) {
            int kind = finding.ordinal();
            if (finding != Finding.CLOCK) add(finding, key == null ? "" : new String(key, java.nio.charset.StandardCharsets.UTF_8), r.partition(), offset, r.leaderEpoch().orElse(-1), r.timestamp());
            counts[kind] += n;
            part(r.partition()).counts[kind] += n;
        }

        private void add(Finding finding, String key, int partition, long offset, int epoch, long timestamp) {
            if (examples.stream().filter(x -> x.finding == finding).count() < EXAMPLES) examples.add(new Example(finding, key, partition, offset, epoch, timestamp));
        }

        /** What it comes to; asked once, when all is read. */
        Verdict verdict() {
            int lacking = 0;
            for (var producer : producers.entrySet()) {
                Numbers n = producer.getValue();
                long missing = full ? 0 : n.max - n.min + 1 - n.different;
                counts[Finding.MISSING.ordinal()] += missing;
                if (missing > 0 && ++lacking <= EXAMPLES) incomplete.add(missing + " of the numbers " + n.min + " to " + n.max + " of " + producer.getKey() + " are in no record");
            }
            if (lacking > EXAMPLES) incomplete.add("numbers of " + (lacking - EXAMPLES) + " further producers are in no record");
            if (counts[Finding.GAP.ordinal()] > 0 && !compacted) incomplete.add(counts[Finding.GAP.ordinal()] + " offsets have no record: markers of transactions have none, nor has what is gone");
            boolean fails = Arrays.stream(Finding.values()).anyMatch(f -> f.proved && counts[f.ordinal()] > 0);
            List<Partition> partitions = new ArrayList<>();
            for (int p = 0; p < parts.size(); p++) partitions.add(new Partition(p, Math.max(0, parts.get(p).from), position(p), parts.get(p).read, named(parts.get(p).counts)));
            examples.sort(Comparator.comparing(Example::finding).thenComparing(Example::partition).thenComparing(Example::offset));
            return new Verdict(fails ? "fail" : incomplete.isEmpty() ? "pass" : "incomplete", topic, read, numbered, withoutKey, compacted, named(counts), partitions, examples, List.copyOf(incomplete));
        }

        private static Map<Finding, Long> named(long[] counts) {
            Map<Finding, Long> named = new EnumMap<>(Finding.class);
            for (Finding f : Finding.values()) named.put(f, counts[f.ordinal()]);
            return named;
        }
    }

    // ---- Rendering ----

    /** By partition, then examples of what was found, then the verdict, and what it cannot say. */
    public void render(Verdict v) {
        PrintWriter out = common.out;
        out.printf(Locale.ROOT, "%-9s %12s %12s %12s %10s %10s %10s%n", "PARTITION", "FROM", "TO", "READ", "GAPS", "DUPLICATED", "REORDERED");
        for (Partition p : v.partitions) out.printf(Locale.ROOT, "%-9d %12d %12d %12d %10d %10d %10d%n", p.partition, p.from, p.to, p.read,
                p.findings.get(Finding.GAP), p.findings.get(Finding.DUPLICATE), p.findings.get(Finding.REORDERED));
        if (!v.examples.isEmpty()) out.printf(Locale.ROOT, "%n%-32s %9s %12s %6s %-24s  %s%n", "FIRST OF EACH KIND", "PARTITION", "OFFSET", "EPOCH", "TIMESTAMP", "KEY");
        for (Example x : v.examples) out.printf(Locale.ROOT, "%-32s %9d %12d %6d %-24s  %s%n", x.finding.words, x.partition, x.offset, x.leaderEpoch, time(x.timestamp), x.key);
        List<String> told = new ArrayList<>();
        v.findings.forEach((finding, n) -> { if (n > 0 && !finding.open) told.add(n + " " + finding.words); });
        if (v.compacted && v.findings.get(Finding.GAP) > 0) told.add(v.findings.get(Finding.GAP) + " offsets without a record, as compaction leaves them");
        told.addAll(v.incomplete);
        out.printf(Locale.ROOT, "%n%s: %d records, %d of them with a producer's number, %d without a key%s.%n", v.verdict.toUpperCase(Locale.ROOT), v.read, v.numbered, v.withoutKey,
                told.isEmpty() ? "; nothing is wrong with what is there" : "; " + String.join("; ", told));
        out.println("Without the producers' ledger it is not known whether all that was acknowledged is there, whether anything is that was never sent, nor what was before the first offset.");
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
