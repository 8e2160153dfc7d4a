///usr/bin/env jbang "$0" "$@" ; exit $?
//JAVA 17+
//DEPS org.apache.kafka:kafka-clients:4.4.0
//DEPS info.picocli:picocli:4.7.7
//DEPS com.fasterxml.jackson.jr:jackson-jr-objects:2.21.7
//DEPS org.slf4j:slf4j-simple:1.7.36
//DESCRIPTION Was any acknowledged record lost, duplicated, reordered?

import com.fasterxml.jackson.jr.ob.JSON;
import java.io.*;
import java.net.*;
import java.nio.file.*;
import java.time.*;
import java.time.format.DateTimeFormatter;
import java.util.*;
import java.util.concurrent.*;
import java.util.function.Consumer;
import org.apache.kafka.clients.admin.*;
import org.apache.kafka.clients.consumer.*;
import org.apache.kafka.clients.consumer.OffsetOutOfRangeException;
import org.apache.kafka.common.*;
import org.apache.kafka.common.config.ConfigException;
import org.apache.kafka.common.errors.*;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;
import picocli.CommandLine.TypeConversionException;

/**
 * Reads a topic back and compares it with the ledgers of the producers that wrote it, by the definitions of docs/verifier.md.
 *
 * <p>A fresh client without a group reads each partition from where the run began until it has passed the highest acknowledged offset and the
 * end that the partition had when the check began. What it could not reach is unseen and not lost, and the verdict then incomplete, never a pass.
 * A run is checked with the ledgers of all its producers; records of other runs are counted and ignored.
 *
 * <pre>check-delivery run.jsonl &amp;&amp; echo nothing was lost</pre>
 */
@Command(name = "check-delivery", version = "kraft-lab 0.1.0", sortOptions = false,
        description = "Compares a topic with the ledger of resilient-producer. Exit 0: all there; 13: something fails; 14: not all could be read.")
class CheckDelivery implements Callable<Integer> {
    @Parameters(paramLabel = "LEDGER", arity = "0..*", description = "The ledgers of the run's producers, as resilient-producer --ledger writes them.")
    List<File> files = new ArrayList<>();
    @Option(names = "--ledger", paramLabel = "FILE", description = "The same, as an option.")
    List<File> ledgerFiles = new ArrayList<>();

    @Mixin Common common = new Common();

    public static void main(String... args) {
        System.exit(run(new PrintWriter(System.out, true), new PrintWriter(System.err, true), args));
    }

    /** Runs the script without a process. @return the exit code */
    public static int run(PrintWriter out, PrintWriter err, String... args) {
        CheckDelivery script = new CheckDelivery();
        return script.common.run(script, out, err, args);
    }

    @Override
    public Integer call() throws Exception {
        Verdict verdict = check();
        if (!common.json) render(verdict);
        return verdict.exitCode();
    }

    /** What can be wrong with a record, in the order in which it is printed. */
    enum Anomaly {
        LOST("lost", "lost"), UNSEEN("unseen", "unseen"), DUPLICATE("duplicates", "duplicated"), REORDERED("reordered", "reordered"),
        INCONSISTENT("inconsistent", "not at the acknowledged offset"), ABORTED_READ("abortedReads", "in the log although failed"),
        PHANTOM("phantoms", "never attempted");

        final String field, words;
        Anomaly(String field, String words) { this.field = field; this.words = words; }
    }

    /** One anomaly, by the identity and the place it was seen at (or, if lost or unseen, acknowledged at). */
    public record Example(Anomaly anomaly, String identity, long seq, int partition, long offset) { }

    /** Counts are of identities; read, other and phantoms of records. Absent: indeterminate and did not land. Unknown: in no line of a truncated ledger. */
    public record Verdict(String verdict, String topic, long acknowledged, long failed, long landed, long absent, long read, long other, long unknown,
                          Map<Anomaly, Long> anomalies, List<Example> examples, List<String> incomplete) {
        public long count(Anomaly anomaly) { return anomalies.get(anomaly); }
        public int exitCode() { return verdict.equals("pass") ? 0 : verdict.equals("fail") ? ANOMALY : INCOMPLETE; }
    }

    /** Reads the ledgers and the topic, and emits the verdict. */
    public Verdict check() throws Exception {
        List<File> all = new ArrayList<>(files);
        all.addAll(ledgerFiles);
        if (all.isEmpty()) throw new Exit(2, "Which ledger? Name the file that resilient-producer --ledger wrote.");
        Checker checker = new Checker();
        for (File file : all) load(file, checker);
        try {
            read(checker);
        } catch (InterruptedException | InterruptException e) {
            Thread.interrupted();
            checker.incomplete.add("interrupted");
        }
        Verdict v = checker.verdict();
        List<Object> fields = new ArrayList<>(List.of("verdict", v.verdict, "topic", v.topic, "acknowledged", v.acknowledged, "failed", v.failed,
                "indeterminate", v.landed + v.absent, "indeterminateLanded", v.landed, "indeterminateAbsent", v.absent,
                "read", v.read, "other", v.other, "unknown", v.unknown));
        v.anomalies.forEach((anomaly, n) -> fields.addAll(List.of(anomaly.field, n)));
        fields.addAll(List.of("incomplete", v.incomplete, "examples", v.examples.stream().map(x -> Map.of("anomaly", x.anomaly.field,
                "identity", x.identity, "seq", x.seq, "partition", x.partition, "offset", x.offset)).toList()));
        common.emit("verdict", fields.toArray());
        return v;
    }

    // ---- Reading a ledger ----

    /** A ledger that ends without its last line, or has lines that are none, is truncated: what it lacks is unknown, what it says holds. */
    static void load(File file, Checker checker) throws IOException {
        try (BufferedReader in = new BufferedReader(new InputStreamReader(new FileInputStream(file), "UTF-8"))) {
            Map<String, Object> head = parse(in.readLine());
            if (!Integer.valueOf(1).equals(head.get("ledger")) || !(head.get("run") instanceof String run) || !(head.get("producer") instanceof String producer)
                    || !(head.get("topic") instanceof String topic)) throw new Exit(2, file + " is not a ledger: its first line does not begin one.");
            Checker.Written written = checker.add(topic, run, producer, Boolean.TRUE.equals(head.get("idempotent")));
            if (head.get("startOffsets") instanceof List<?> offsets) for (Object o : offsets) written.startOffsets.add(o instanceof Number n ? n.longValue() : 0L);
            Map<String, Object> end = null;
            long lines = 0, bad = 0;
            for (String line; (line = in.readLine()) != null; ) {
                Map<String, Object> entry = parse(line);
                if (entry.containsKey("end")) end = entry;
                else if (outcome(written, entry)) lines++;
                else bad++;
            }
            long expected = end != null && end.get("sent") instanceof Number n ? n.longValue() : -1;
            if (bad > 0) written.truncated(file + " has " + bad + " damaged line" + (bad == 1 ? "" : "s"));
            else if (end == null) written.truncated(file + " has no end: the producer was killed or still runs");
            else if (expected != lines) written.truncated(file + " has " + lines + " of " + expected + " outcomes");
        } catch (FileNotFoundException e) {
            throw new Exit(2, "Cannot read the ledger: " + e.getMessage() + ".");
        }
    }

    private static Map<String, Object> parse(String line) {
        try { return line == null ? Map.of() : JSON.std.mapFrom(line); }
        catch (IOException damaged) { return Map.of(); }
    }

    private static boolean outcome(Checker.Written written, Map<String, Object> entry) {
        if (!(entry.get("seq") instanceof Integer seq) || seq < 1 || seq == Integer.MAX_VALUE) return false;
        int attempt = entry.get("attempt") instanceof Integer n ? n : 1;
        switch (String.valueOf(entry.get("outcome"))) {
            case "failed" -> written.failed(seq, attempt);
            case "indeterminate" -> written.indeterminate(seq);
            case "acknowledged" -> {
                if (!(entry.get("partition") instanceof Integer p) || p < 0 || p > 1_000_000
                        || !(entry.get("offset") instanceof Number o) || o.longValue() < 0) return false;
                written.acknowledged(seq, p, o.longValue());
            }
            default -> { return false; }
        }
        return true;
    }

    // ---- Reading the topic ----

    private void read(Checker checker) throws Exception {
        Map<TopicPartition, Long> starts, ends;
        int partitions;
        try (Admin admin = common.admin()) {
            try { partitions = admin.describeTopics(List.of(checker.topic)).allTopicNames().get().get(checker.topic).partitions().size(); }
            catch (ExecutionException e) {
                if (!(e.getCause() instanceof UnknownTopicOrPartitionException)) throw e;
                throw new Exit(INCOMPLETE, "Topic " + checker.topic + ", which the ledger names, does not exist at "
                        + common.bootstrapServer + ": nothing could be checked.");
            }
            List<TopicPartition> all = new ArrayList<>();
            for (int p = 0; p < partitions; p++) all.add(new TopicPartition(checker.topic, p));
            ListOffsetsResult earliest = listOffsets(admin, all, OffsetSpec.earliest()), latest = listOffsets(admin, all, OffsetSpec.latest());
            starts = answers(earliest, all);
            ends = answers(latest, all);
            ends.keySet().retainAll(starts.keySet());
            for (TopicPartition p : all) if (!ends.containsKey(p)) checker.incomplete.add("partition " + p.partition() + " does not answer");
        }
        Properties properties = common.client("enable.auto.commit", false, "isolation.level", "read_uncommitted",
                "auto.offset.reset", "none", "max.poll.records", 5000);
        properties.keySet().removeAll(List.of("group.id", "group.instance.id", "group.protocol"));
        try (var consumer = new KafkaConsumer<>(properties, new ByteArrayDeserializer(), new ByteArrayDeserializer())) {
            Map<TopicPartition, Long> targets = new HashMap<>();
            consumer.assign(ends.keySet());
            ends.forEach((p, end) -> {
                long start = Math.max(starts.get(p), Math.min(end, checker.startOf(p.partition()))); // retention or DeleteRecords may have moved it
                consumer.seek(p, start);
                checker.reached(p.partition(), start);
                targets.put(p, Math.max(end, checker.highestOf(p.partition()) + 1));
            });
            poll(consumer, checker, targets);
            targets.keySet().forEach(p -> checker.incomplete.add("partition " + p.partition() + " was read up to offset " + checker.position(p.partition())
                    + " and not to " + targets.get(p)));
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
    private void poll(KafkaConsumer<byte[], byte[]> consumer, Checker checker, Map<TopicPartition, Long> targets) {
        long moved = System.nanoTime();
        while (true) {
            List<TopicPartition> done = targets.keySet().stream().filter(p -> checker.position(p.partition()) >= targets.get(p)).toList();
            consumer.pause(done);
            targets.keySet().removeAll(done);
            if (targets.isEmpty() || System.nanoTime() - moved > common.timeout.toNanos()) return;
            try {
                ConsumerRecords<byte[], byte[]> records = consumer.poll(Duration.ofMillis(200));
                for (ConsumerRecord<byte[], byte[]> r : records)
                    checker.record(r.partition(), r.offset(), text(r.key()), attempt(r.headers().lastHeader("attempt")));
                records.nextOffsets().forEach((p, next) -> checker.reached(p.partition(), next.offset())); // also past gaps, which have no record
                if (!records.nextOffsets().isEmpty()) moved = System.nanoTime();
            } catch (OffsetOutOfRangeException e) {
                outOfRange(consumer, checker, e.offsetOutOfRangePartitions());
            }
        }
    }

    /** The log start moved on while we read: go on from there. Or the log became shorter: nothing more can be read without reading records twice. */
    private void outOfRange(KafkaConsumer<byte[], byte[]> consumer, Checker checker, Map<TopicPartition, Long> positions) {
        consumer.beginningOffsets(positions.keySet(), common.timeout).forEach((p, start) -> {
            if (start > positions.get(p)) {
                consumer.seek(p, start);
                checker.reached(p.partition(), start);
            } else consumer.pause(List.of(p));
        });
    }

    private static String text(byte[] key) { return key == null ? null : new String(key, java.nio.charset.StandardCharsets.UTF_8); }

    private static int attempt(Header header) {
        try { return Integer.parseInt(text(header.value())); }
        catch (NullPointerException | NumberFormatException none) { return 1; }
    }

    // ---- Comparing: knows no cluster ----

    /** Ledger entries and records go in, a verdict comes out. Keeps some 13 bytes for an acknowledged record, and bits for the others. */
    static final class Checker {
        private static final int EXAMPLES = 10, MAX_AHEAD = 50_000_000;

        String topic;
        final Set<String> incomplete = new LinkedHashSet<>();
        private final List<Written> all = new ArrayList<>();
        private final Map<Integer, Long> positions = new HashMap<>();
        private final Map<Anomaly, Long> counts = new EnumMap<>(Anomaly.class);
        private final List<Example> examples = new ArrayList<>();
        private boolean fails;
        private long read, other, unknown;

        /** The ledger of one more producer. */
        Written add(String topic, String run, String producer, boolean idempotent) {
            if (this.topic != null && !this.topic.equals(topic))
                throw new Exit(2, "The ledgers are of two topics, " + this.topic + " and " + topic + "; check one at a time.");
            this.topic = topic;
            Written written = new Written(run, producer, idempotent);
            if (all.stream().anyMatch(w -> w.prefix.equals(written.prefix)))
                throw new Exit(2, "Two ledgers are of run " + run + " and producer " + producer + ": their records cannot be told apart.");
            all.add(written);
            return written;
        }

        /** @return where reading a partition begins: before each acknowledged record, even if an unclean election made the log shorter than at the start */
        long startOf(int partition) {
            return all.stream().mapToLong(w -> Math.min(partition < w.startOffsets.size() ? w.startOffsets.get(partition) : 0,
                    w.acks(partition).size == 0 ? Long.MAX_VALUE : w.acks(partition).offsets[0])).min().orElse(0);
        }

        long highestOf(int partition) {
            return all.stream().map(w -> w.acks(partition)).mapToLong(a -> a.size == 0 ? -1 : a.offsets[a.size - 1]).max().orElse(-1);
        }

        /** The reader has passed all that is before this offset. */
        void reached(int partition, long position) { positions.put(partition, position); }
        long position(int partition) { return positions.getOrDefault(partition, 0L); }

        /** A record of the log; a partition's come in the order of their offsets. */
        void record(int partition, long offset, String key, int attempt) {
            read++;
            Written owner = null;
            int seq = -1;
            boolean ofThisRun = false;
            if (key != null) for (Written w : all) {
                ofThisRun |= key.startsWith(w.runPrefix);
                if (key.startsWith(w.prefix)) seq = (owner = w).sequence(key);
            }
            for (Written w : all) w.passed(partition, offset, w == owner ? seq : -1);
            if (owner != null && owner.mayHaveWritten(seq)) owner.record(seq, attempt, partition, offset);
            else if (ofThisRun) found(Anomaly.PHANTOM, true, key, seq, partition, offset);
            else other++;
        }

        private void found(Anomaly anomaly, boolean fails, String identity, long seq, int partition, long offset) {
            if (counts.merge(anomaly, 1L, Long::sum) <= EXAMPLES) examples.add(new Example(anomaly, identity, seq, partition, offset));
            this.fails |= fails;
        }

        /** What it comes to; asked once, when all is read. */
        Verdict verdict() {
            long acknowledged = 0, failed = 0, landed = 0, absent = 0;
            for (Written w : all) {
                w.missing();
                acknowledged += w.acknowledged.cardinality();
                BitSet open = (BitSet) w.attempted.clone();
                open.andNot(w.acknowledged);
                failed += open.cardinality();
                open.and(w.indeterminate);
                failed -= open.cardinality();
                absent += open.cardinality();
                open.and(w.read);
                landed += open.cardinality();
            }
            for (Anomaly anomaly : Anomaly.values()) counts.putIfAbsent(anomaly, 0L);
            boolean complete = incomplete.isEmpty() && counts.get(Anomaly.UNSEEN) == 0;
            examples.sort(Comparator.comparing(Example::anomaly));
            return new Verdict(fails ? "fail" : complete ? "pass" : "incomplete", topic, acknowledged, failed, landed, absent - landed,
                    read, other, unknown, counts, examples, List.copyOf(incomplete));
        }

        /** What one producer says that it wrote, and what was seen of it. */
        final class Written {
            final List<Long> startOffsets = new ArrayList<>();
            private final String runPrefix, prefix;
            private final boolean idempotent;
            private boolean truncated;
            private final BitSet attempted = new BitSet(), acknowledged = new BitSet(), indeterminate = new BitSet(), failedFirst = new BitSet();
            private final BitSet read = new BitSet(), readTwice = new BitSet();
            /** Acknowledged at an offset that has no record; acknowledged at an offset where it is. */
            private final BitSet atGap = new BitSet(), atOffset = new BitSet();
            private final Set<Long> failedAgain = new HashSet<>();
            private final List<Acks> acks = new ArrayList<>();

            Written(String run, String producer, boolean idempotent) {
                runPrefix = run + "/";
                prefix = runPrefix + producer + "/";
                this.idempotent = idempotent;
            }

            void acknowledged(int seq, int partition, long offset) {
                attempted.set(seq);
                acknowledged.set(seq);
                acks(partition).add(offset, seq);
            }

            void indeterminate(int seq) { attempted.set(seq); indeterminate.set(seq); }

            void failed(int seq, int attempt) {
                attempted.set(seq);
                if (attempt == 1) failedFirst.set(seq);
                else failedAgain.add((long) seq << 32 | attempt);
            }

            /** The ledger lacks something: a number that is not in it may have been sent all the same. */
            void truncated(String why) { truncated = true; incomplete.add(why); }

            private Acks acks(int partition) {
                while (acks.size() <= partition) acks.add(new Acks());
                return acks.get(partition);
            }

            /** @return the number in a record's key; -1 for a key that is not written as a producer writes it */
            private int sequence(String key) {
                String number = key.substring(prefix.length());
                try { return String.valueOf(Integer.parseInt(number)).equals(number) ? Integer.parseInt(number) : -1; }
                catch (NumberFormatException e) { return -1; }
            }

            private boolean mayHaveWritten(int seq) {
                return seq > 0 && (attempted.get(seq) || truncated && seq - MAX_AHEAD <= attempted.length());
            }

            /** The reader passes an offset at which it found this sequence of this producer, or -1 for another record. */
            private void passed(int partition, long offset, int seq) {
                Acks a = acks(partition);
                for (; a.next < a.size && a.offsets[a.next] <= offset; a.next++) {
                    if (a.offsets[a.next] < offset) atGap.set(a.seqs[a.next]);
                    else if (a.seqs[a.next] == seq) atOffset.set(seq);
                    else found(Anomaly.INCONSISTENT, true, prefix + a.seqs[a.next], a.seqs[a.next], partition, offset);
                }
            }

            private void record(int seq, int attempt, int partition, long offset) {
                boolean certain = !truncated && !acknowledged.get(seq) && !indeterminate.get(seq);
                if (certain || (attempt == 1 ? failedFirst.get(seq) : failedAgain.contains((long) seq << 32 | attempt)))
                    found(Anomaly.ABORTED_READ, true, prefix + seq, seq, partition, offset);
                if (read.get(seq)) { // a copy has no place in the order
                    if (!readTwice.get(seq)) found(Anomaly.DUPLICATE, idempotent, prefix + seq, seq, partition, offset);
                    readTwice.set(seq);
                    return;
                }
                read.set(seq);
                if (!attempted.get(seq)) unknown++;
                Acks a = acks(partition);
                if (seq < a.newest) found(Anomaly.REORDERED, idempotent, prefix + seq, seq, partition, offset);
                a.newest = Math.max(a.newest, seq);
            }

            /** Acknowledged and nowhere in what was read: unseen while one of its offsets was not reached, else lost. */
            private void missing() {
                for (int p = 0; p < acks.size(); p++)
                    for (int i = acks.get(p).next; i < acks.get(p).size; i++) if (acks.get(p).offsets[i] < position(p)) atGap.set(acks.get(p).seqs[i]);
                BitSet counted = new BitSet();
                for (Anomaly anomaly : List.of(Anomaly.UNSEEN, Anomaly.LOST))
                    for (int p = 0; p < acks.size(); p++)
                        for (int i = 0; i < acks.get(p).size; i++) {
                            int seq = acks.get(p).seqs[i];
                            long offset = acks.get(p).offsets[i];
                            if (read.get(seq) && atGap.get(seq) && !atOffset.get(seq) && !counted.get(seq)) {
                                counted.set(seq);
                                found(Anomaly.INCONSISTENT, true, prefix + seq, seq, p, offset);
                            }
                            if (read.get(seq) || counted.get(seq) || anomaly == Anomaly.UNSEEN && offset < position(p)) continue;
                            counted.set(seq);
                            found(anomaly, anomaly == Anomaly.LOST, prefix + seq, seq, p, offset);
                        }
            }
        }

        /** The acknowledged offsets of a producer in a partition with their sequences, in the order of offsets. */
        private static final class Acks {
            long[] offsets = new long[8];
            int[] seqs = new int[8];
            int size, next, newest;

            void add(long offset, int seq) {
                if (size == seqs.length) {
                    offsets = Arrays.copyOf(offsets, size + (size >> 1));
                    seqs = Arrays.copyOf(seqs, size + (size >> 1));
                }
                int i = size++;
                for (; i > 0 && offsets[i - 1] > offset; i--) { // nearly always in order already
                    offsets[i] = offsets[i - 1];
                    seqs[i] = seqs[i - 1];
                }
                offsets[i] = offset;
                seqs[i] = seq;
            }
        }
    }

    // ---- Rendering ----

    /** A table, examples of what is wrong, and the verdict in one line. */
    public void render(Verdict v) {
        PrintWriter out = common.out;
        Map<String, Long> rows = new LinkedHashMap<>();
        rows.put("acknowledged", v.acknowledged);
        rows.put("failed", v.failed);
        rows.put("indeterminate, landed", v.landed);
        rows.put("indeterminate, absent", v.absent);
        rows.put("read", v.read);
        rows.put("of other runs", v.other);
        if (v.unknown > 0) rows.put("not in the ledger", v.unknown);
        v.anomalies.forEach((anomaly, n) -> rows.put(anomaly.words, n));
        out.printf(Locale.ROOT, "%-32s %10s%n", "RECORDS OF " + v.topic, "COUNT");
        rows.forEach((what, n) -> out.printf(Locale.ROOT, "%-32s %10d%n", what, n));
        if (!v.examples.isEmpty()) out.printf(Locale.ROOT, "%n%-32s %10s %10s  %s%n", "FIRST OF EACH KIND", "PARTITION", "OFFSET", "IDENTITY");
        for (Example x : v.examples) out.printf(Locale.ROOT, "%-32s %10d %10d  %s%n", x.anomaly.words, x.partition, x.offset, x.identity);
        List<String> wrong = new ArrayList<>();
        v.anomalies.forEach((anomaly, n) -> { if (n > 0) wrong.add(n + " " + anomaly.words); });
        wrong.addAll(v.incomplete);
        out.printf("%n%s: %d acknowledged%s.%n", v.verdict.toUpperCase(Locale.ROOT), v.acknowledged, !wrong.isEmpty() ? "; " + String.join("; ", wrong)
                : v.acknowledged == 0 ? ", so that none could be lost" : ", all in the log, none twice, none out of order");
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
