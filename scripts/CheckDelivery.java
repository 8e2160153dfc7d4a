///usr/bin/env jbang "$0" "$@" ; exit $?
//JAVA 17+
//DEPS org.apache.kafka:kafka-clients:4.4.0
//DEPS info.picocli:picocli:4.7.7
//DEPS com.fasterxml.jackson.jr:jackson-jr-objects:2.21.7
//DEPS org.slf4j:slf4j-simple:1.7.36
//SOURCES CheckTopic.java Ledger.java
//DESCRIPTION Was any acknowledged record lost, duplicated, reordered?

import java.io.*;
import java.nio.charset.StandardCharsets;
import java.time.*;
import java.time.format.DateTimeParseException;
import java.util.*;
import java.util.concurrent.*;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.header.Header;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/**
 * Reads a topic back and compares it with the ledgers of the producers that wrote it, by the definitions of docs/verifier.md.
 *
 * <p>A fresh client without a group reads each partition from where the run began until it has passed the highest acknowledged offset and the
 * end that the partition had when the check began. What it could not reach is unseen and not lost, and the verdict then incomplete, never a pass.
 * A run is checked with the ledgers of all its producers; records of other runs are counted and ignored. Given the run's events, it says in
 * which fault an anomaly falls. The reading is that of check-topic.
 *
 * <pre>check-delivery run.jsonl &amp;&amp; echo nothing was lost
 * check-delivery runs/1/ledger.jsonl --events-from runs/1/events.jsonl</pre>
 */
@Command(name = "check-delivery", version = "kraft-lab 0.1.0", sortOptions = false,
        description = "Compares a topic with the ledger of resilient-producer. Exit 0: all there; 13: something fails; 14: not all could be read.")
class CheckDelivery implements Callable<Integer> {
    @Parameters(paramLabel = "LEDGER", arity = "0..*", description = "The ledgers of the run's producers, as resilient-producer --ledger writes them.")
    List<File> files = new ArrayList<>();
    @Option(names = "--ledger", paramLabel = "FILE", description = "The same, as an option.")
    List<File> ledgerFiles = new ArrayList<>();
    @Option(names = "--topic", paramLabel = "TOPIC", description = "Instead of a ledger: what can be said of this topic without one, as check-topic does.")
    String topic;
    @Option(names = "--events-from", paramLabel = "FILE", description = "The run's events: say which fault each anomaly falls into.")
    File eventsFrom;

    @Mixin CheckTopic.Common common = new CheckTopic.Common();

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
        if (topic != null) {
            if (!files.isEmpty() || !ledgerFiles.isEmpty() || eventsFrom != null) throw new CheckTopic.Exit(2, "A ledger names its topic: give the ledger, or --topic for a topic without one.");
            CheckTopic alone = common.configure(new CheckTopic(), common.out, common.err, "--topic", topic);
            alone.common = common;
            return alone.call();
        }
        Verdict verdict = check();
        if (!common.json) render(verdict);
        return verdict.exitCode();
    }

    /** What can be wrong with a record, in the order in which it is printed. */
    enum Anomaly {
        LOST("lost", "lost", "LOST"), UNSEEN("unseen", "unseen", "UNSEEN"), DUPLICATE("duplicates", "duplicated", "TWICE"), REORDERED("reordered", "reordered", "ORDER"),
        INCONSISTENT("inconsistent", "not at the acknowledged offset", "OFFSET"), ABORTED_READ("abortedReads", "in the log although failed", "FAILED"),
        PHANTOM("phantoms", "never attempted", "PHANTOM");

        final String field, words, column;
        Anomaly(String field, String words, String column) { this.field = field; this.words = words; this.column = column; }
    }

    /**
     * One anomaly, by the identity and the place it was seen at (or, if lost or unseen, acknowledged at): the record's leader epoch and timestamp, which is when it was
     * sent; of what is not in the log there is no epoch (-1), and the time is that of the acknowledgement.
     */
    public record Example(Anomaly anomaly, String identity, long seq, int partition, long offset, int leaderEpoch, long timestamp, Fault fault) { }

    /** A partition: identities acknowledged, records read, and what is wrong. */
    public record Partition(int partition, long acknowledged, long read, Map<Anomaly, Long> anomalies) { }

    /** Counts are of identities; read, other and phantoms of records. Absent: indeterminate and did not land. Unknown: in no line of a truncated ledger. */
    public record Verdict(String verdict, String topic, long acknowledged, long failed, long landed, long absent, long read, long other, long unknown,
                          Map<Anomaly, Long> anomalies, List<Partition> partitions, Map<Fault, Long> faults, List<Example> examples, List<String> incomplete) {
        public long count(Anomaly anomaly) { return anomalies.get(anomaly); }
        public int exitCode() { return verdict.equals("pass") ? 0 : verdict.equals("fail") ? CheckTopic.ANOMALY : CheckTopic.INCOMPLETE; }
    }

    /** Reads the ledgers and the topic, and emits the verdict. */
    public Verdict check() throws Exception {
        List<File> all = new ArrayList<>(files);
        all.addAll(ledgerFiles);
        if (all.isEmpty()) throw new CheckTopic.Exit(2, "Which ledger? Name the file that resilient-producer --ledger wrote, or a --topic without one.");
        Checker checker = new Checker();
        if (eventsFrom != null) checker.faults.addAll(Fault.of(eventsFrom));
        checker.topic = Ledger.topicOf(all.get(0));
        // The ledgers are read while the cluster is asked for the topic.
        checker.loading = new FutureTask<>(() -> { for (File file : all) Ledger.read(file).forEach(checker::add); return null; });
        Thread loader = new Thread(checker.loading, "ledger");
        loader.setDaemon(true);
        loader.start();
        CheckTopic.read(common, checker);
        checker.loading.get(); // after Ctrl-C it may still be at it
        Verdict v = checker.verdict();
        List<Object> fields = new ArrayList<>(List.of("verdict", v.verdict, "topic", v.topic, "acknowledged", v.acknowledged, "failed", v.failed,
                "indeterminate", v.landed + v.absent, "indeterminateLanded", v.landed, "indeterminateAbsent", v.absent,
                "read", v.read, "other", v.other, "unknown", v.unknown));
        v.anomalies.forEach((anomaly, n) -> fields.addAll(List.of(anomaly.field, n)));
        fields.addAll(List.of("incomplete", v.incomplete, "partitions", v.partitions.stream().map(p -> {
            Map<String, Object> m = new LinkedHashMap<>(Map.of("partition", p.partition, "acknowledged", p.acknowledged, "read", p.read));
            p.anomalies.forEach((anomaly, n) -> m.put(anomaly.field, n));
            return m;
        }).toList(), "faults", v.faults.entrySet().stream().map(f -> f.getKey().fields("anomalies", f.getValue())).toList(), "examples", v.examples.stream().map(x -> {
            Map<String, Object> m = new LinkedHashMap<>(Map.of("anomaly", x.anomaly.field, "identity", x.identity, "seq", x.seq, "partition", x.partition, "offset", x.offset));
            if (x.leaderEpoch >= 0) m.put("leaderEpoch", x.leaderEpoch);
            if (x.timestamp >= 0) m.put("timestamp", CheckTopic.time(x.timestamp));
            if (x.fault != null) m.put("fault", x.fault.fields("sinceMs", x.timestamp - x.fault.at));
            return m;
        }).toList()));
        common.emit("verdict", fields.toArray());
        return v;
    }

    // ---- The faults ----

    /** A fault of the run's events, in milliseconds since 1970: until every replica was in sync after its end, or else its end, or else for good. */
    public record Fault(int node, String mode, long at, long until) {
        /** A record that was acknowledged up to so long before the fault may be lost by it, or be sent again: a follower in sync lags no longer (replica.lag.time.max.ms). */
        static final long BEFORE = 30_000;

        static List<Fault> of(File file) throws IOException {
            List<Fault> over = new ArrayList<>();
            Map<Integer, Fault> open = new LinkedHashMap<>();
            Set<Integer> restored = new HashSet<>();
            try (BufferedReader in = new BufferedReader(new InputStreamReader(new FileInputStream(file), StandardCharsets.UTF_8))) {
                for (String line; (line = in.readLine()) != null; ) {
                    Map<String, Object> e = line.contains("\"ack\"") ? Map.of() : Ledger.parse(line);
                    if (!(e.get("ts") instanceof String ts)) continue;
                    long at = Instant.parse(e.get("at") instanceof String s ? s : ts).toEpochMilli();
                    if ("fault".equals(e.get("type")) && e.get("node") instanceof Integer node) {
                        if (open.containsKey(node)) over.add(until(open.get(node), at));
                        open.put(node, new Fault(node, String.valueOf(e.get("mode")), at, Long.MAX_VALUE));
                        restored.remove(node);
                    } else if ("restored".equals(e.get("type")) && e.get("node") instanceof Integer node && open.containsKey(node)) {
                        open.put(node, until(open.get(node), at)); // or later, if the events tell when it was back in every ISR
                        restored.add(node);
                    } else if ("isr".equals(e.get("type")) && restored.containsAll(open.keySet()) && Objects.equals(e.get("inSync"), e.get("replicas"))) {
                        open.values().forEach(f -> over.add(until(f, at)));
                        open.clear();
                    }
                }
            } catch (FileNotFoundException | DateTimeParseException e) { throw new CheckTopic.Exit(2, "Cannot read --events-from " + file + ": " + e.getMessage() + "."); }
            over.addAll(open.values());
            over.sort(Comparator.comparing(Fault::at));
            return over;
        }

        private static Fault until(Fault f, long until) { return new Fault(f.node, f.mode, f.at, until); }

        Map<String, Object> fields(String more, long value) {
            Map<String, Object> m = new LinkedHashMap<>(Map.of("node", node, "mode", mode, "at", CheckTopic.time(at), more, value));
            if (until < Long.MAX_VALUE) m.put("until", CheckTopic.time(until));
            return m;
        }
    }

    // ---- Comparing: knows no cluster ----

    /** Ledger entries and records go in, a verdict comes out. Of the records it keeps a bit for each thing seen of a sequence. */
    static final class Checker extends CheckTopic.Log {
        private static final int EXAMPLES = 10;

        final List<Fault> faults = new ArrayList<>();
        private final List<Seen> all = new ArrayList<>();
        private final List<Part> parts = new ArrayList<>();
        private final Map<Fault, Long> inFault = new LinkedHashMap<>();
        private final List<Example> examples = new ArrayList<>();
        private final long[] counts = new long[Anomaly.values().length];
        private FutureTask<Void> loading;
        private boolean fails;
        private long read, other, unknown, time;
        private int epoch;

        private static final class Part { long acknowledged, read; final long[] counts = new long[Anomaly.values().length]; }

        /** The ledger of one more producer. */
        void add(Ledger ledger) {
            if (topic != null && !topic.equals(ledger.topic))
                throw new CheckTopic.Exit(2, "The ledgers are of two topics, " + topic + " and " + ledger.topic + "; check one at a time.");
            topic = ledger.topic;
            if (all.stream().anyMatch(s -> s.ledger.prefix.equals(ledger.prefix)))
                throw new CheckTopic.Exit(2, "Two ledgers are of the same run and producer, " + ledger.prefix + ": their records cannot be told apart.");
            if (ledger.truncated != null) incomplete.add(ledger.truncated);
            all.add(new Seen(ledger));
        }

        /** Before each acknowledged record, even if an unclean election made the log shorter than it was at the start. */
        @Override long startOf(int partition) {
            return all.stream().map(s -> s.ledger).mapToLong(l -> Math.min(partition < l.startOffsets.size() ? l.startOffsets.get(partition) : 0, l.acks(partition).first())).min().orElse(0);
        }

        @Override long highestOf(int partition) { return all.stream().mapToLong(s -> s.ledger.acks(partition).last()).max().orElse(-1); }

        @Override void begins(Admin admin, Map<TopicPartition, Long> starts, Map<TopicPartition, Long> ends) throws Exception { loading.get(); }

        @Override void record(ConsumerRecord<byte[], Void> r) {
            record(r.partition(), r.offset(), r.key(), attempt(r.headers().lastHeader("attempt")), r.leaderEpoch().orElse(-1), r.timestamp());
        }

        private static int attempt(Header header) {
            try { return header == null ? 1 : Integer.parseInt(new String(header.value(), StandardCharsets.UTF_8)); }
            catch (NullPointerException | NumberFormatException none) { return 1; }
        }

        /** A record of the log; a partition's come in the order of their offsets. */
        void record(int partition, long offset, byte[] key, int attempt, int epoch, long timestamp) {
            this.epoch = epoch;
            time = timestamp;
            read++;
            part(partition).read++;
            Seen owner = null;
            int seq = -1;
            for (int i = 0; key != null && owner == null && i < all.size(); i++) if (starts(key, all.get(i).ledger.prefixBytes)) seq = (owner = all.get(i)).ledger.sequence(key);
            for (int i = 0; i < all.size(); i++) all.get(i).passed(partition, offset, all.get(i) == owner ? seq : -1);
            if (owner != null && owner.ledger.mayHaveWritten(seq)) owner.record(seq, attempt, partition, offset);
            else if (owner != null || key != null && all.stream().anyMatch(s -> starts(key, s.ledger.runBytes)))
                found(Anomaly.PHANTOM, true, new String(key, StandardCharsets.UTF_8), seq, partition, offset);
            else other++;
        }

        private static boolean starts(byte[] key, byte[] prefix) { return key.length >= prefix.length && Arrays.equals(key, 0, prefix.length, prefix, 0, prefix.length); }

        private Part part(int partition) {
            while (parts.size() <= partition) parts.add(new Part());
            return parts.get(partition);
        }

        private void found(Anomaly anomaly, boolean fails, String identity, long seq, int partition, long offset) {
            Fault fault = fault();
            if (fault != null) inFault.merge(fault, 1L, Long::sum);
            if (++counts[anomaly.ordinal()] <= EXAMPLES) examples.add(new Example(anomaly, identity, seq, partition, offset, epoch, time, fault));
            part(partition).counts[anomaly.ordinal()]++;
            this.fails |= fails;
        }

        /** @return the last fault that began before the time in question and was not over, else the one that followed soon */
        private Fault fault() {
            Fault in = null, next = null;
            for (Fault f : faults) {
                if (f.at <= time && time < f.until) in = f;
                if (f.at > time && f.at - time <= Fault.BEFORE && next == null) next = f;
            }
            return in != null ? in : next;
        }

        /** What it comes to; asked once, when all is read. */
        Verdict verdict() {
            long acknowledged = 0, failed = 0, landed = 0, absent = 0;
            for (Seen s : all) {
                s.missing();
                acknowledged += s.ledger.acknowledged.cardinality();
                BitSet open = (BitSet) s.ledger.attempted.clone();
                open.andNot(s.ledger.acknowledged);
                failed += open.cardinality();
                open.and(s.ledger.indeterminate);
                failed -= open.cardinality();
                absent += open.cardinality();
                open.and(s.read);
                landed += open.cardinality();
                for (int p = 0; p < s.ledger.partitions(); p++) part(p).acknowledged += s.ledger.acks(p).identities;
            }
            List<Partition> partitions = new ArrayList<>();
            for (int p = 0; p < parts.size(); p++) partitions.add(new Partition(p, parts.get(p).acknowledged, parts.get(p).read, named(parts.get(p).counts)));
            boolean complete = incomplete.isEmpty() && counts[Anomaly.UNSEEN.ordinal()] == 0;
            examples.sort(Comparator.comparing(Example::anomaly).thenComparing(Example::partition).thenComparing(Example::offset));
            return new Verdict(fails ? "fail" : complete ? "pass" : "incomplete", topic, acknowledged, failed, landed, absent - landed,
                    read, other, unknown, named(counts), partitions, inFault, examples, List.copyOf(incomplete));
        }

        private static Map<Anomaly, Long> named(long[] counts) {
            Map<Anomaly, Long> named = new EnumMap<>(Anomaly.class);
            for (Anomaly a : Anomaly.values()) named.put(a, counts[a.ordinal()]);
            return named;
        }

        /** What was seen of one producer's records. */
        private final class Seen {
            private final Ledger ledger;
            private final BitSet read = new BitSet(), readTwice = new BitSet();
            /** Acknowledged at an offset that has no record; acknowledged at an offset where it is. */
            private final BitSet atGap = new BitSet(), atOffset = new BitSet();
            /** By partition: the acknowledgement that the reader will pass next, and the latest sequence that it has seen. */
            private final List<Ledger.Acks.Cursor> next = new ArrayList<>();
            private int[] newest = new int[0];

            Seen(Ledger ledger) { this.ledger = ledger; }

            private Ledger.Acks.Cursor next(int partition) {
                while (next.size() <= partition) next.add(ledger.acks(next.size()).all());
                return next.get(partition);
            }

            /** The reader passes an offset at which it found this sequence of this producer, or -1 for another record. */
            private void passed(int partition, long offset, int seq) {
                for (Ledger.Acks.Cursor a = next(partition); a.offset() <= offset; a.advance()) {
                    if (a.offset() < offset) atGap.set(a.seq());
                    else if (a.seq() == seq) atOffset.set(seq);
                    else found(Anomaly.INCONSISTENT, true, ledger.prefix + a.seq(), a.seq(), partition, offset);
                }
            }

            private void record(int seq, int attempt, int partition, long offset) {
                if (ledger.wroteNothing(seq, attempt)) found(Anomaly.ABORTED_READ, true, ledger.prefix + seq, seq, partition, offset);
                if (read.get(seq)) { // a copy has no place in the order
                    if (!readTwice.get(seq)) found(Anomaly.DUPLICATE, ledger.idempotent, ledger.prefix + seq, seq, partition, offset);
                    readTwice.set(seq);
                    return;
                }
                read.set(seq);
                if (!ledger.attempted.get(seq)) unknown++;
                if (newest.length <= partition) newest = Arrays.copyOf(newest, partition + 8);
                if (seq < newest[partition]) found(Anomaly.REORDERED, ledger.idempotent, ledger.prefix + seq, seq, partition, offset);
                newest[partition] = Math.max(newest[partition], seq);
            }

            /** Acknowledged and nowhere in what was read: unseen while one of its offsets was not reached, else lost. */
            private void missing() {
                epoch = -1;
                for (int p = 0; p < ledger.partitions(); p++) for (var a = next(p); a.offset() < position(p); a.advance()) atGap.set(a.seq());
                BitSet counted = (BitSet) ledger.acknowledged.clone();
                counted.andNot(read);
                if (counted.isEmpty() && atGap.isEmpty()) return;
                counted.clear();
                for (Anomaly anomaly : List.of(Anomaly.UNSEEN, Anomaly.LOST))
                    for (int p = 0; p < ledger.partitions(); p++)
                        for (var a = ledger.acks(p).all(); a.offset() < Long.MAX_VALUE; a.advance()) {
                            int seq = a.seq();
                            boolean elsewhere = read.get(seq) && atGap.get(seq) && !atOffset.get(seq);
                            if (counted.get(seq) || read.get(seq) && !elsewhere || !elsewhere && anomaly == Anomaly.UNSEEN && a.offset() < position(p)) continue;
                            counted.set(seq);
                            time = a.at();
                            Anomaly what = elsewhere ? Anomaly.INCONSISTENT : anomaly;
                            found(what, what != Anomaly.UNSEEN, ledger.prefix + seq, seq, p, a.offset());
                        }
            }
        }
    }

    // ---- Rendering ----

    /** A table, the partitions, examples of what is wrong, and the verdict in one line. */
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
        out.printf(Locale.ROOT, "%n%-9s %12s %10s", "PARTITION", "ACKNOWLEDGED", "READ");
        for (Anomaly a : Anomaly.values()) out.printf(" %8s", a.column);
        for (Partition p : v.partitions) {
            out.printf(Locale.ROOT, "%n%-9d %12d %10d", p.partition, p.acknowledged, p.read);
            p.anomalies.values().forEach(n -> out.printf(Locale.ROOT, " %8d", n));
        }
        out.println();
        if (!v.faults.isEmpty()) out.printf(Locale.ROOT, "%n%-12s %-24s %-24s %10s%n", "FAULT", "FROM", "UNTIL", "ANOMALIES");
        v.faults.forEach((f, n) -> out.printf(Locale.ROOT, "%-12s %-24s %-24s %10d%n", f.mode + " " + f.node, CheckTopic.time(f.at), f.until == Long.MAX_VALUE ? "the end" : CheckTopic.time(f.until), n));
        if (!v.examples.isEmpty()) out.printf(Locale.ROOT, "%n%-32s %9s %10s %5s %-24s %-18s %s%n", "FIRST OF EACH KIND", "PARTITION", "OFFSET", "EPOCH", "TIME", "FAULT", "IDENTITY");
        for (Example x : v.examples) out.printf(Locale.ROOT, "%-32s %9d %10d %5s %-24s %-18s %s%n", x.anomaly.words, x.partition, x.offset, x.leaderEpoch < 0 ? "-" : x.leaderEpoch, x.timestamp < 0 ? "-"
                : CheckTopic.time(x.timestamp), x.fault == null ? "-" : String.format(Locale.ROOT, "%s %d %+.2f s", x.fault.mode, x.fault.node, (x.timestamp - x.fault.at) / 1e3), x.identity);
        List<String> wrong = new ArrayList<>();
        v.anomalies.forEach((anomaly, n) -> { if (n > 0) wrong.add(n + " " + anomaly.words); });
        wrong.addAll(v.incomplete);
        out.printf("%n%s: %d acknowledged%s.%n", v.verdict.toUpperCase(Locale.ROOT), v.acknowledged, !wrong.isEmpty() ? "; " + String.join("; ", wrong)
                : v.acknowledged == 0 ? ", so that none could be lost" : ", all in the log, none twice, none out of order");
    }
}
