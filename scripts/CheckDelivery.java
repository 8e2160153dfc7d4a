///usr/bin/env jbang "$0" "$@" ; exit $?
//JAVA 17+
//DEPS org.apache.kafka:kafka-clients:4.4.0
//DEPS info.picocli:picocli:4.7.7
//DEPS com.fasterxml.jackson.jr:jackson-jr-objects:2.21.7
//DEPS org.slf4j:slf4j-simple:1.7.36
//SOURCES lib/cli/Cli.java lib/cli/Screen.java
// Compression is native code, of which newer JVMs warn.
//RUNTIME_OPTIONS --enable-native-access=ALL-UNNAMED
//DESCRIPTION Compares the ledger with the log: records lost, duplicated or reordered

import com.fasterxml.jackson.jr.ob.JSON;
import java.io.*;
import java.net.*;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.*;
import java.time.*;
import java.time.format.*;
import java.util.*;
import java.util.concurrent.*;
import java.util.function.Consumer;
import java.util.function.LongConsumer;
import org.apache.kafka.clients.admin.*;
import org.apache.kafka.clients.consumer.*;
import org.apache.kafka.clients.consumer.OffsetOutOfRangeException;
import org.apache.kafka.common.*;
import org.apache.kafka.common.config.*;
import org.apache.kafka.common.errors.*;
import org.apache.kafka.common.header.*;
import org.apache.kafka.common.serialization.*;
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
 * end that the partition had when the check began. What it could not reach is lost where the log is proved to end before it, and otherwise unseen, and
 * the verdict then incomplete, never a pass. Nor is it where nothing was acknowledged: nothing was promised then.
 * A run is checked with the ledgers of all its producers; records of other runs are counted and ignored. Given the run's events, it says in
 * which fault an anomaly falls. A topic without a ledger: check-topic.
 *
 * <pre>check-delivery run.jsonl &amp;&amp; echo nothing was lost
 * check-delivery runs/1/ledger.jsonl --events-from runs/1/events.jsonl</pre>
 */
@Command(name = "check-delivery", version = "kraft-lab 0.1.0", sortOptions = false,
        description = "Compares a topic with the ledger of resilient-producer. Exit 0: all there; 13: something fails; 14: not all could be read, or nothing was promised.")
class CheckDelivery implements Callable<Integer> {
    @Parameters(paramLabel = "LEDGER", arity = "0..*", description = "The ledgers of the run's producers, as resilient-producer --ledger writes them; or those of perf --ledger.")
    List<File> files = new ArrayList<>();
    @Option(names = "--ledger", paramLabel = "FILE", description = "The same, as an option.")
    List<File> ledgerFiles = new ArrayList<>();
    @Option(names = "--events-from", paramLabel = "FILE", description = "The run's events: say which fault each anomaly falls into.")
    File eventsFrom;

    @Mixin Cli.Common common = new Cli.Common();

    public static void main(String... args) {
        System.exit(run(Screen.OUT, Screen.ERR, args));
    }

    /** Runs the script without a process. @return the exit code */
    public static int run(PrintWriter out, PrintWriter err, String... args) {
        CheckDelivery script = new CheckDelivery();
        return script.common.run(script, out, err, args);
    }

    @Override
    public Integer call() throws Exception {
        if (Ranges.are(files())) {
            List<LoadVerdict> verdicts = checkLoad();
            if (!common.json) verdicts.forEach(this::render);
            List<Integer> codes = verdicts.stream().map(LoadVerdict::exitCode).toList();
            return codes.contains(Cli.ANOMALY) ? Cli.ANOMALY : Collections.max(codes);
        }
        Verdict verdict = check();
        if (!common.json) render(verdict);
        return verdict.exitCode();
    }

    private List<File> files() {
        List<File> all = new ArrayList<>(files);
        all.addAll(ledgerFiles);
        if (all.isEmpty()) throw new Cli.Exit(2, "Which ledger? Name the file that resilient-producer --ledger or perf --ledger wrote; of a topic without one, check-topic says what can be said.");
        return all;
    }

    /** What can be wrong with a record, in the order in which it is printed. */
    enum Anomaly {
        LOST("lost", "lost", "LOST"), UNSEEN("unseen", "unseen", "UNSEEN"), EXPIRED("expired", "before the log's start", "EXPIRED"),
        ABORTED("aborted", "of aborted transactions", "ABORTED"),
        DUPLICATE("duplicates", "duplicated", "TWICE"), REORDERED("reordered", "reordered", "ORDER"),
        INCONSISTENT("inconsistent", "not at the acknowledged offset", "OFFSET"), ABORTED_READ("abortedReads", "in the log although failed", "FAILED"),
        PHANTOM("phantoms", "never attempted", "PHANTOM");

        final String field, words, column;
        Anomaly(String field, String words, String column) { this.field = field; this.words = words; this.column = column; }
    }

    /**
     * One anomaly, by the identity and the place it was seen at (or, if lost, unseen or expired, acknowledged at): the record's leader epoch and timestamp, which is when it was
     * sent; of what is not in the log there is no epoch (-1), and the time is that of the acknowledgement.
     */
    public record Example(Anomaly anomaly, String identity, long seq, int partition, long offset, int leaderEpoch, long timestamp, Fault fault) { }

    /** A partition: identities acknowledged, records read, and what is wrong. */
    public record Partition(int partition, long acknowledged, long read, Map<Anomaly, Long> anomalies) { }

    /**
     * Counts are of identities; read, other and phantoms of records. Absent: indeterminate and did not land. Unknown: in no line of a truncated ledger. Producers: as run/producer.
     * Overwritten: those that are lost and inconsistent as well, since another record stands where they were acknowledged.
     */
    public record Verdict(String verdict, String topic, List<String> producers, long acknowledged, long failed, long landed, long absent, long read, long other, long unknown, long overwritten,
                          Map<Anomaly, Long> anomalies, List<Partition> partitions, Map<Fault, Long> faults, List<Example> examples, List<String> incomplete) {
        public long count(Anomaly anomaly) { return anomalies.get(anomaly); }
        public int exitCode() { return verdict.equals("pass") ? 0 : verdict.equals("fail") ? Cli.ANOMALY : Cli.INCOMPLETE; }
    }

    /** Reads the ledgers and the topic, and emits the verdict. */
    public Verdict check() throws Exception {
        List<File> all = files();
        Checker checker = new Checker();
        if (eventsFrom != null) checker.faults.addAll(Fault.of(eventsFrom, damaged -> common.say("%d lines of %s could not be read, and are left out: a fault may be missing.", damaged, Cli.printable(eventsFrom))));
        checker.topic = Ledger.topicOf(all.get(0));
        // The ledgers are read while the cluster is asked for the topic.
        checker.loading = new FutureTask<>(() -> { for (File file : all) Ledger.read(file, n -> checker.bytes += n).forEach(checker::add); return null; });
        checker.size = all.stream().mapToLong(File::length).sum();
        Thread loader = new Thread(checker.loading, "ledger");
        loader.setDaemon(true);
        loader.start();
        read(common, checker);
        checker.loading.get(); // after Ctrl-C it may still be at it
        Verdict v = checker.verdict();
        List<Object> fields = new ArrayList<>(List.of("verdict", v.verdict, "topic", v.topic, "producers", v.producers, "acknowledged", v.acknowledged, "failed", v.failed,
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
            if (x.timestamp >= 0) m.put("timestamp", time(x.timestamp));
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

        private static final Set<String> USED = Set.of("fault", "restored", "isr");

        static List<Fault> of(File file) throws IOException { return of(file, damaged -> { }); }

        /** Reads the faults. What is of another type is ignored, whatever its fields; lines that cannot be read are counted. */
        static List<Fault> of(File file, LongConsumer damaged) throws IOException {
            Reader reader = new Reader();
            try (BufferedReader in = new BufferedReader(new InputStreamReader(new FileInputStream(file), StandardCharsets.UTF_8))) {
                for (String line; (line = in.readLine()) != null; ) {
                    if (!line.isBlank() && !line.contains("\"ack\"")) reader.line(line);
                }
            } catch (FileNotFoundException e) { throw new Cli.Exit(2, "Cannot read --events-from " + Cli.printable(file) + ": " + Cli.printable(e.getMessage()) + "."); }
            if (reader.damaged > 0) damaged.accept(reader.damaged);
            return reader.faults();
        }

        private static Fault until(Fault f, long until) { return new Fault(f.node, f.mode, f.at, until); }

        Map<String, Object> fields(String more, long value) {
            Map<String, Object> m = new LinkedHashMap<>(Map.of("node", node, "mode", mode, "at", time(at), more, value));
            if (until < Long.MAX_VALUE) m.put("until", time(until));
            return m;
        }

        /** Makes faults of events, in the order of their lines. */
        private static final class Reader {
            private final List<Fault> over = new ArrayList<>();
            private final Map<Integer, Fault> open = new LinkedHashMap<>();
            private final Set<Integer> restored = new HashSet<>();
            private long damaged;

            void line(String line) {
                Map<String, Object> e = Ledger.parse(line);
                if (!(e.get("type") instanceof String type)) damaged++;
                else if (USED.contains(type) && !event(type, e)) damaged++;
            }

            /** @return whether it could be read */
            private boolean event(String type, Map<String, Object> e) {
                OptionalLong when = moment(e.get("at") == null ? e.get("ts") : e.get("at"));
                if (when.isEmpty()) return false;
                long at = when.getAsLong();
                if (type.equals("isr")) {
                    if (restored.containsAll(open.keySet()) && Objects.equals(e.get("inSync"), e.get("replicas"))) inSync(at);
                    return true;
                }
                if (!(e.get("node") instanceof Integer node)) return false;
                if (type.equals("fault")) begins(node, String.valueOf(e.get("mode")), at);
                else restored(node, at);
                return true;
            }

            private void begins(int node, String mode, long at) {
                if (open.containsKey(node)) over.add(until(open.get(node), at));
                open.put(node, new Fault(node, mode, at, Long.MAX_VALUE));
                restored.remove(node);
            }

            private void restored(int node, long at) {
                if (!open.containsKey(node)) return;
                open.put(node, until(open.get(node), at)); // or later, if the events tell when it was back in every ISR
                restored.add(node);
            }

            private void inSync(long at) {
                open.values().forEach(f -> over.add(until(f, at)));
                open.clear();
            }

            private static OptionalLong moment(Object text) {
                try { return text instanceof String s ? OptionalLong.of(Instant.parse(s).toEpochMilli()) : OptionalLong.empty(); }
                catch (DateTimeParseException | ArithmeticException none) { return OptionalLong.empty(); }
            }

            List<Fault> faults() {
                over.addAll(open.values());
                over.sort(Comparator.comparing(Fault::at));
                return over;
            }
        }
    }

    // ---- The ledger ----

    /** What one producer says that it wrote, for check-delivery: some three bytes for an acknowledged record, and a bit for each thing known of a sequence. */
    static final class Ledger {
        private static final int MAX_AHEAD = 50_000_000;

        final String topic, prefix;
        final byte[] runBytes, prefixBytes;
        final boolean idempotent;
        final List<Long> startOffsets = new ArrayList<>();
        final BitSet attempted = new BitSet(), acknowledged = new BitSet(), indeterminate = new BitSet();
        private final BitSet failedFirst = new BitSet();
        private final Set<Long> failedAgain = new HashSet<>();
        private final List<Acks> acks = new ArrayList<>();
        /** Outcomes in the file, and how many its last line says there are. */
        private long lines, sent = -1;
        /** Why it lacks something; null: it does not. A number that is not in it may then have been sent all the same. */
        String truncated;
        /** Whether the file lacks its end, so that the producer may still run. */
        boolean open;

        Ledger(String topic, String run, String producer, boolean idempotent) {
            this.topic = topic;
            prefix = run + "/" + producer + "/";
            runBytes = (run + "/").getBytes(StandardCharsets.UTF_8);
            prefixBytes = prefix.getBytes(StandardCharsets.UTF_8);
            this.idempotent = idempotent;
        }

        void acknowledged(int seq, int partition, long offset, long at) {
            attempted.set(seq);
            if (!acknowledged.get(seq)) acks(partition).identities++;
            acknowledged.set(seq);
            acks(partition).add(offset, seq, at);
        }

        void indeterminate(int seq) { attempted.set(seq); indeterminate.set(seq); }

        void failed(int seq, int attempt) {
            attempted.set(seq);
            if (attempt == 1) failedFirst.set(seq);
            else failedAgain.add((long) seq << 32 | attempt);
        }

        int partitions() { return acks.size(); }

        Acks acks(int partition) {
            while (acks.size() <= partition) acks.add(new Acks());
            return acks.get(partition);
        }

        /** @return the number in a record's key, which has this ledger's prefix; -1 for a key that is not written as a producer writes it */
        int sequence(byte[] key) {
            long n = 0;
            int from = prefixBytes.length;
            if (key.length == from || key.length > from + 10 || key[from] == '0') return -1;
            for (int i = from; i < key.length; i++) if (key[i] < '0' || key[i] > '9') return -1; else n = n * 10 + key[i] - '0';
            return n >= Integer.MAX_VALUE ? -1 : (int) n;
        }

        boolean mayHaveWritten(int seq) { return seq > 0 && (attempted.get(seq) || truncated != null && seq - MAX_AHEAD <= attempted.length()); }

        /** Whether this attempt certainly wrote nothing. */
        boolean wroteNothing(int seq, int attempt) {
            return truncated == null && !acknowledged.get(seq) && !indeterminate.get(seq) || (attempt == 1 ? failedFirst.get(seq) : failedAgain.contains((long) seq << 32 | attempt));
        }

        // ---- The file: docs/verifier.md has its form ----

        static List<Ledger> read(File file) throws IOException { return read(file, n -> { }); }

        private static List<Ledger> read(File file, LongConsumer progress) throws IOException {
            try (InputStream in = new FileInputStream(file) {
                @Override public int read(byte[] into, int from, int length) throws IOException {
                    int n = super.read(into, from, length);
                    progress.accept(Math.max(0, n));
                    return n;
                }
            }) { return read(file.toString(), in); }
            catch (FileNotFoundException e) { throw new Cli.Exit(2, "Cannot read the ledger: " + Cli.printable(e.getMessage()) + "."); }
        }

        /** From its first line. */
        static String topicOf(File file) throws IOException {
            try (InputStream in = new FileInputStream(file)) {
                Line first = new Line(in);
                return head(file.toString(), first.next() ? parse(first.text()) : Map.of()).topic;
            } catch (FileNotFoundException e) { throw new Cli.Exit(2, "Cannot read the ledger: " + Cli.printable(e.getMessage()) + "."); }
        }

        /** The ledgers of the producers that share a file. One that ends without its last line, or has lines that are none, is truncated: what it lacks is unknown, what it says holds. */
        static List<Ledger> read(String name, InputStream in) throws IOException {
            List<Ledger> producers = new ArrayList<>(); // a head each; a line's "by" says which one's it is: without it, the first one's
            Line line = new Line(in);
            long bad = 0;
            while (line.next()) {
                if (line.isCompact() && line.by <= producers.size()) { producers.get(line.by - 1).acknowledged(line.values); continue; }
                Map<String, Object> entry = parse(line.text());
                int by = entry.get("by") instanceof Integer n ? n : 1;
                if (entry.containsKey("ledger")) producers.add(head(name, entry));
                else if (producers.isEmpty()) break;
                else if (by < 1 || by > producers.size()) bad++;
                else if (entry.containsKey("end")) producers.get(by - 1).sent = entry.get("sent") instanceof Number n ? n.longValue() : -1;
                else if (!producers.get(by - 1).outcome(entry)) bad++;
            }
            if (producers.isEmpty()) throw new Cli.Exit(2, Cli.printable(name) + " is not a ledger: its first line does not begin one.");
            for (Ledger l : producers) {
                l.open = l.sent < 0;
                if (bad > 0) l.truncated = name + " has " + bad + " damaged line" + (bad == 1 ? "" : "s") + (l.sent < 0 ? " and no end: the producer was killed" : "");
                else if (l.sent < 0) l.truncated = name + " has no end: the producer was killed or still runs";
                else if (l.sent != l.lines) l.truncated = name + " has " + l.lines + " of " + l.sent + " outcomes" + (producers.size() > 1 ? " of " + l.prefix : "");
            }
            return producers;
        }

        private static Ledger head(String name, Map<String, Object> head) {
            if (!(head.get("ledger") instanceof Integer form) || form < 1 || form > 2 || !(head.get("run") instanceof String run) || !(head.get("producer") instanceof String producer)
                    || !(head.get("topic") instanceof String topic)) throw new Cli.Exit(2, Cli.printable(name) + " is not a ledger: its first line does not begin one that is known here.");
            Ledger ledger = new Ledger(topic, run, producer, Boolean.TRUE.equals(head.get("idempotent")));
            if (head.get("startOffsets") instanceof List<?> offsets) for (Object o : offsets) ledger.startOffsets.add(o instanceof Number n ? n.longValue() : 0L);
            return ledger;
        }

        static Map<String, Object> parse(String line) {
            try { return JSON.std.mapFrom(line); }
            catch (IOException damaged) { return Map.of(); }
        }

        private boolean outcome(Map<String, Object> entry) {
            if (!(entry.get("seq") instanceof Integer seq) || seq < 1 || seq == Integer.MAX_VALUE) return false;
            int attempt = entry.get("attempt") instanceof Integer n ? n : 1;
            long at = entry.get("at") instanceof Number n ? n.longValue() / 1000 : -1;
            if (entry.get("ts") instanceof String ts) try { at = Instant.parse(ts).toEpochMilli(); } catch (DateTimeParseException unknown) { /* no time, then */ }
            switch (String.valueOf(entry.getOrDefault("outcome", "acknowledged"))) {
                case "failed" -> failed(seq, attempt);
                case "indeterminate" -> indeterminate(seq);
                case "acknowledged" -> {
                    if (!(entry.get("partition") instanceof Integer p) || p < 0 || p > 1_000_000
                            || !(entry.get("offset") instanceof Number o) || o.longValue() < 0) return false;
                    acknowledged(seq, p, o.longValue(), at);
                }
                default -> { return false; }
            }
            lines++;
            return true;
        }

        private void acknowledged(long[] line) {
            acknowledged((int) line[0], (int) line[1], line[2], line[3] / 1000);
            lines++;
        }

        /** Goes through the lines. That of a first attempt which was acknowledged, as nearly all are, is read without making an object of it; any other is left to the JSON parser. */
        private static final class Line {
            private static final byte[][] NAMES = Arrays.stream(new String[] {"{\"seq\":", ",\"partition\":", ",\"offset\":", ",\"at\":", ",\"latencyUs\":", ",\"by\":"}).map(String::getBytes).toArray(byte[][]::new);
            final long[] values = new long[5];
            int by;
            private final InputStream in;
            private byte[] bytes = new byte[1 << 16];
            private int from, to = -1, at, filled;

            Line(InputStream in) { this.in = in; }

            /** The next line is what is from from to to. */
            boolean next() throws IOException {
                from = Math.min(to + 1, filled);
                for (to = from; ; to++) {
                    if (to == filled && !more()) return to > from;
                    if (bytes[to] == '\n') return true;
                }
            }

            private boolean more() throws IOException {
                byte[] all = from > 0 ? bytes : Arrays.copyOf(bytes, bytes.length * 2);
                System.arraycopy(bytes, from, all, 0, filled -= from);
                to -= from;
                from = 0;
                bytes = all;
                int n = in.read(bytes, filled, bytes.length - filled);
                filled += Math.max(0, n);
                return n > 0;
            }

            String text() { return new String(bytes, from, to - from, StandardCharsets.UTF_8); }

            boolean isCompact() {
                at = from;
                for (int i = 0; i < values.length; i++) if (!name(NAMES[i]) || (values[i] = number()) < 0) return false;
                by = name(NAMES[5]) ? (int) number() : 1;
                return by > 0 && at == to - 1 && bytes[at] == '}' && values[0] > 0 && values[0] < Integer.MAX_VALUE && values[1] <= 1_000_000;
            }

            private boolean name(byte[] name) {
                if (to - at < name.length) return false;
                for (int i = 0; i < name.length; i++) if (bytes[at + i] != name[i]) return false;
                at += name.length;
                return true;
            }

            private long number() {
                long n = 0;
                int first = at;
                for (; at < to && bytes[at] >= '0' && bytes[at] <= '9'; at++) n = n * 10 + bytes[at] - '0';
                return at == first || at - first > 18 ? -1 : n;
            }
        }

        // ---- In memory ----

        /**
         * The acknowledgements of a partition in the order of offsets: the differences of offset, sequence and time (ms), a byte each as a rule. What came after a higher offset
         * is in a run of its own; there are few of these, for batches on the way at the same time and for what was sent again.
         */
        static final class Acks {
            private static final int CHUNK = 4096, RUNS = 64;
            private List<Run> runs = new ArrayList<>();
            /** Each counted where it was acknowledged first. */
            long identities;

            void add(long offset, int seq, long at) {
                for (int i = 0; i < runs.size(); i++) if (runs.get(i).offset < offset) { runs.get(i).put(offset, seq, at); return; }
                if (runs.size() == RUNS) {
                    Run merged = new Run();
                    for (Cursor c = all(); c.offset() < Long.MAX_VALUE; c.advance()) merged.put(c.offset(), c.seq(), c.at());
                    runs = new ArrayList<>(List.of(merged));
                }
                runs.add(new Run());
                runs.get(runs.size() - 1).put(offset, seq, at);
            }

            long first() { return runs.stream().mapToLong(r -> r.first).min().orElse(Long.MAX_VALUE); }
            long last() { return runs.stream().mapToLong(r -> r.offset).max().orElse(-1); }
            Cursor all() { return new Cursor(runs); }

            private static final class Run {
                final List<byte[]> chunks = new ArrayList<>();
                private byte[] last;
                long size, first = -1, offset, seq, at;

                void put(long offset, long seq, long at) {
                    if (first < 0) first = offset;
                    number(offset - this.offset);
                    number(seq - this.seq);
                    number(at - this.at);
                    this.offset = offset;
                    this.seq = seq;
                    this.at = at;
                }

                /** Seven bits a byte, the sign lowest. */
                private void number(long n) {
                    long left = n << 1 ^ n >> 63;
                    for (; (left & ~127) != 0; left >>>= 7) put((byte) (left | 128));
                    put((byte) left);
                }

                private void put(byte b) {
                    if (size % CHUNK == 0) chunks.add(last = new byte[CHUNK]);
                    last[(int) (size++ % CHUNK)] = b;
                }
            }

            /** Goes through all runs in the order of offsets; at the end, the offset is beyond any. */
            static final class Cursor {
                private final List<Head> heads = new ArrayList<>();
                private Head least;

                Cursor(List<Run> runs) {
                    for (Run run : runs) heads.add(new Head(run));
                    heads.forEach(Head::advance);
                    choose();
                }

                long offset() { return least == null ? Long.MAX_VALUE : least.offset; }
                int seq() { return (int) least.seq; }
                long at() { return least.at; }

                void advance() {
                    if (!least.advance()) heads.remove(least);
                    choose();
                }

                private void choose() {
                    least = heads.isEmpty() ? null : heads.get(0);
                    for (int i = 1; i < heads.size(); i++) if (heads.get(i).offset < least.offset) least = heads.get(i);
                }
            }

            private static final class Head {
                private final Run run;
                private long read;
                long offset, seq, at;

                Head(Run run) { this.run = run; }

                boolean advance() {
                    if (read == run.size) return false;
                    offset += number();
                    seq += number();
                    at += number();
                    return true;
                }

                private long number() {
                    long n = 0;
                    for (int shift = 0; ; shift += 7) {
                        byte b = run.chunks.get((int) (read / CHUNK))[(int) (read++ % CHUNK)];
                        n |= (long) (b & 127) << shift;
                        if (b >= 0) return n >>> 1 ^ -(n & 1);
                    }
                }
            }
        }
    }

    // ---- Reading the topic: for check-topic as well ----

    /** What a topic is read into, each partition in the order of its offsets. */
    abstract static class Log {
        String topic;
        final Set<String> incomplete = new LinkedHashSet<>();
        private final Map<Integer, long[]> positions = new TreeMap<>();
        Screen screen = Screen.none();

        /** Where to begin with a partition, and the offset that has to be passed, -1: only what is there now. */
        long startOf(int partition) { return 0; }
        long highestOf(int partition) { return -1; }
        /** Up to where to read at least, of what is there now. */
        long endOf(int partition, long end) { return end; }
        abstract void record(ConsumerRecord<byte[], Void> record);

        /** Of the view of consumers that see no more than committed transactions: what no other view shows is nothing that anybody was promised. */
        String isolation() { return "read_committed"; }
        /** From where on what was aborted, or is not committed yet, is to be looked at as well; -1: nowhere. Then each record of the log comes once more, whatever became of it. */
        long uncommittedFrom(int partition) { return -1; }
        void uncommitted(ConsumerRecord<byte[], Void> record) { }
        /** The last stable offset is before the end: what comes after it cannot be judged yet. */
        void open(int partition, long from) { }

        /** Whether nothing is written any more by those whose records are looked for. */
        boolean producersEnded() { return true; }
        /** Offsets that were not read before the log's start had passed them: by retention, or deletion. */
        void expired(int partition, long from, long to) { }
        /** It is proved that the log ends here, and that nothing is left that could still appear beyond it. */
        void endsAt(int partition, long end) {
            if (end < position(partition)) shorter(partition, end);
            else ended(partition);
        }

        /** The end is what was reached. */
        void ended(int partition) { shorter(partition, position(partition)); }

        /** The end is before what was reached: what was read from there on is gone by now. */
        void shorter(int partition, long end) {
            String read = end < position(partition) ? ", up to offset " + position(partition) : "";
            incomplete.add("partition " + partition + " ends at offset " + end + " now: it has become shorter while it was read" + read);
        }

        /** Before the first record. */
        void begins(Admin admin, Map<TopicPartition, Long> starts, Map<TopicPartition, Long> ends) throws Exception { }
        /** The reader has passed all that is before this offset. */
        void reached(int partition, long position) { positions.computeIfAbsent(partition, p -> new long[1])[0] = position; }
        long left(Map<TopicPartition, Long> targets) { return targets.entrySet().stream().mapToLong(t -> Math.max(0, t.getValue() - position(t.getKey().partition()))).sum(); }
        long position(int partition) { return positions.containsKey(partition) ? positions.get(partition)[0] : 0; }
    }

    /** Reads until each partition has passed its end of now and its highest offset, or nothing moves for --timeout, or Ctrl-C: what was not reached is in log.incomplete. */
    static void read(Cli.Common common, Log log) throws Exception {
        log.screen = Screen.on(common.err);
        try (Admin admin = common.admin()) {
            List<TopicPartition> all = partitions(common, admin, log.topic);
            ListOffsetsResult earliest = listOffsets(admin, all, OffsetSpec.earliest()), latest = listOffsets(admin, all, OffsetSpec.latest());
            Map<TopicPartition, Long> starts = answers(earliest, all), ends = answers(latest, all);
            Map<TopicPartition, Long> stable = answers(listOffsets(admin, all, OffsetSpec.latest(), new ListOffsetsOptions(IsolationLevel.READ_COMMITTED)), all);
            ends.keySet().retainAll(stable.keySet());
            ends.keySet().retainAll(starts.keySet());
            log.begins(admin, starts, ends); // waits for the ledger, whose reader adds to what is incomplete as well
            for (TopicPartition p : all) if (!ends.containsKey(p)) log.incomplete.add("partition " + p.partition() + " does not answer");
            Ends tails = new Ends(common, admin);
            stable.replaceAll((p, offset) -> Math.min(offset, ends.getOrDefault(p, offset))); // it is as old as the end
            stable.keySet().retainAll(ends.keySet());
            stable.forEach((p, offset) -> { if (offset < ends.get(p)) log.open(p.partition(), offset); });
            read(common, log, tails, starts, stable);
            Uncommitted whole = new Uncommitted(log);
            ends.keySet().removeIf(p -> log.uncommittedFrom(p.partition()) < 0);
            if (!ends.isEmpty()) read(common, whole, tails, starts, ends);
            log.incomplete.addAll(whole.incomplete);
        } catch (InterruptedException | InterruptException e) {
            Thread.interrupted();
            log.incomplete.add("interrupted");
        } finally { log.screen.close(); }
    }

    /** The second view of a log: what is in it, committed or not, from the first offset on at which the committed view has no record. */
    private static final class Uncommitted extends Log {
        private final Log of;

        Uncommitted(Log of) {
            this.of = of;
            topic = of.topic;
            screen = of.screen;
        }

        @Override String isolation() { return "read_uncommitted"; }
        @Override long startOf(int partition) { return of.uncommittedFrom(partition); }
        @Override void record(ConsumerRecord<byte[], Void> record) { of.uncommitted(record); }
    }

    private static List<TopicPartition> partitions(Cli.Common common, Admin admin, String topic) throws Exception {
        try {
            List<TopicPartition> all = new ArrayList<>();
            for (TopicPartitionInfo p : admin.describeTopics(List.of(topic)).allTopicNames().get().get(topic).partitions()) all.add(new TopicPartition(topic, p.partition()));
            return all;
        } catch (ExecutionException e) {
            if (!(e.getCause() instanceof UnknownTopicOrPartitionException)) throw e;
            throw new Cli.Exit(Cli.INCOMPLETE, "Topic " + Cli.printable(topic) + " does not exist at " + common.bootstrapServer + ": nothing could be checked.");
        }
    }

    private static void read(Cli.Common common, Log log, Ends tails, Map<TopicPartition, Long> starts, Map<TopicPartition, Long> ends) throws Exception {
        Properties properties = common.client("enable.auto.commit", false, "isolation.level", log.isolation(), "auto.offset.reset", "none");
        // close() waits for the fetch that is under way at the end: by default half a second.
        Map.of("max.poll.records", 5000, "receive.buffer.bytes", 1 << 21, "fetch.max.wait.ms", 50).forEach((name, value) -> properties.putIfAbsent(name, value.toString()));
        properties.keySet().removeAll(List.of("group.id", "group.instance.id", "group.protocol")); // nothing is left behind on the cluster
        try (var consumer = new KafkaConsumer<>(properties, new ByteArrayDeserializer(), new Unread())) {
            Map<TopicPartition, Long> targets = new HashMap<>();
            consumer.assign(ends.keySet());
            ends.forEach((p, end) -> {
                long start = Math.max(starts.get(p), Math.min(end, log.startOf(p.partition())));
                log.expired(p.partition(), 0, starts.get(p));
                consumer.seek(p, start);
                log.reached(p.partition(), start);
                targets.put(p, Math.max(log.endOf(p.partition(), end), log.highestOf(p.partition()) + 1));
            });
            poll(common, consumer, log, tails, targets);
            tails.judge(log, targets);
        }
    }

    private static ListOffsetsResult listOffsets(Admin admin, List<TopicPartition> partitions, OffsetSpec spec) { return listOffsets(admin, partitions, spec, new ListOffsetsOptions()); }

    private static ListOffsetsResult listOffsets(Admin admin, List<TopicPartition> partitions, OffsetSpec spec, ListOffsetsOptions options) {
        Map<TopicPartition, OffsetSpec> wanted = new HashMap<>();
        for (TopicPartition p : partitions) wanted.put(p, spec);
        return admin.listOffsets(wanted, options);
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
    private static void poll(Cli.Common common, KafkaConsumer<byte[], Void> consumer, Log log, Ends tails, Map<TopicPartition, Long> targets) throws Exception {
        long start = System.nanoTime(), moved = start, said = start, read = 0, all = log.left(targets);
        while (true) {
            List<TopicPartition> done = targets.keySet().stream().filter(p -> log.position(p.partition()) >= targets.get(p)).toList();
            consumer.pause(done);
            targets.keySet().removeAll(done);
            if (targets.isEmpty() || System.nanoTime() - moved > common.timeout.toNanos()) return;
            tails.lookOnce(targets.keySet(), moved);
            try {
                ConsumerRecords<byte[], Void> records = consumer.poll(Duration.ofMillis(200));
                for (TopicPartition p : records.partitions()) for (ConsumerRecord<byte[], Void> r : records.records(p)) log.record(r);
                records.nextOffsets().forEach((p, next) -> log.reached(p.partition(), next.offset())); // also past gaps, which have no record
                if (!records.nextOffsets().isEmpty()) moved = System.nanoTime();
                read += records.count();
                double share = 1 - log.left(targets) / (double) Math.max(1, all), seconds = (System.nanoTime() - start) / 1e9;
                log.screen.bar(share, String.format(Locale.ROOT, "%.0f records/s, %s", read / seconds, Screen.left(share, seconds)));
                if (!log.screen.isOn() && moved - said > 10_000_000_000L) {
                    common.say("%,d records read, %d partitions still to be read to their end.", read, targets.size());
                    said = moved;
                }
            } catch (OffsetOutOfRangeException e) {
                outOfRange(common, consumer, log, e.offsetOutOfRangePartitions());
            }
        }
    }

    /** The log start moved on while we read: go on from there. Or the log became shorter: nothing more can be read without reading records twice. */
    private static void outOfRange(Cli.Common common, KafkaConsumer<byte[], Void> consumer, Log log, Map<TopicPartition, Long> positions) {
        consumer.beginningOffsets(positions.keySet(), common.timeout).forEach((p, start) -> {
            if (start > positions.get(p)) {
                log.expired(p.partition(), positions.get(p), start);
                consumer.seek(p, start);
                log.reached(p.partition(), start);
            } else consumer.pause(List.of(p));
        });
    }

    /** Looks at where partitions end whose acknowledged offsets could not all be reached: twice, since a high watermark that is held back may move. */
    private static final class Ends {
        private static final int PATIENCE_MS = 3000;
        private final Cli.Common common;
        private final Admin admin;
        private Map<TopicPartition, End> first = Map.of();
        private long lookedAt;

        Ends(Cli.Common common, Admin admin) {
            this.common = common;
            this.admin = admin;
        }

        /** The first look, when for a while nothing has moved; another one if something has since. */
        void lookOnce(Set<TopicPartition> partitions, long moved) throws Exception {
            if (lookedAt == moved || System.nanoTime() - moved < Math.min(1_000_000_000, common.timeout.toNanos() / 3)) return;
            lookedAt = moved;
            first = look(partitions);
        }

        /** The second look, at the end: partitions whose log is proved to have lost its tail, and of all others why they are incomplete. */
        void judge(Log log, Map<TopicPartition, Long> targets) throws Exception {
            if (targets.isEmpty()) return;
            Map<TopicPartition, End> second = look(targets.keySet());
            targets.forEach((p, target) -> {
                long reached = log.position(p.partition());
                Optional<String> open = mayAppear(reached, first.getOrDefault(p, End.UNKNOWN), second.get(p), log.producersEnded());
                if (open.isEmpty()) log.endsAt(p.partition(), second.get(p).highWatermark);
                else log.incomplete.add("partition " + p.partition() + " was read up to offset " + reached + " and not to " + target + ": " + open.get());
            });
        }

        private Map<TopicPartition, End> look(Set<TopicPartition> partitions) throws Exception {
            Map<TopicPartition, End> ends = new HashMap<>();
            for (TopicPartition p : partitions) ends.put(p, End.UNKNOWN);
            try {
                String topic = partitions.iterator().next().topic();
                admin.describeMetadataQuorum(new DescribeMetadataQuorumOptions().timeoutMs(PATIENCE_MS)).quorumInfo().get(); // without it, ISRs are what they were when it was lost
                Map<Node, Boolean> alive = new HashMap<>();
                Map<TopicPartition, Long> marks = answers(listOffsets(admin, List.copyOf(partitions), OffsetSpec.latest(), new ListOffsetsOptions().timeoutMs(PATIENCE_MS)), List.copyOf(partitions));
                DescribeTopicsOptions soon = new DescribeTopicsOptions().timeoutMs(PATIENCE_MS);
                for (TopicPartitionInfo p : admin.describeTopics(List.of(topic), soon).allTopicNames().get().get(topic).partitions()) {
                    for (Node n : p.replicas()) alive.computeIfAbsent(n, node -> !node.isEmpty() && Cli.Common.answers(node.host(), node.port(), 1500));
                    int inSync = (int) p.isr().stream().filter(alive::get).count();
                    ends.computeIfPresent(new TopicPartition(topic, p.partition()), (of, unknown) -> new End(marks.getOrDefault(of, -1L), inSync, p.replicas().size()));
                }
            } catch (ExecutionException | ApiException notAnswered) { /* then it is unknown */ }
            return ends;
        }
    }

    /** Where a partition's log ends, as seen at one moment. @param highWatermark -1: nobody says it  @param inSync replicas in the ISR whose node answers */
    record End(long highWatermark, int inSync, int replicas) {
        static final End UNKNOWN = new End(-1, 0, 0);
    }

    /** Returns why what was acknowledged beyond the end of a log may still appear; nothing if it is gone: then its leader has truncated it, and no replica has it. */
    static Optional<String> mayAppear(long reached, End first, End second, boolean producersEnded) {
        for (End look : List.of(first, second)) {
            if (look.highWatermark < 0) return Optional.of("who leads it, and which replicas are in sync, is not known");
            if (look.inSync < look.replicas) return Optional.of("only " + look.inSync + " of " + look.replicas + " replicas are in sync");
        }
        if (first.highWatermark != second.highWatermark) return Optional.of("its end still moves");
        if (second.highWatermark > reached) return Optional.of("its end is " + second.highWatermark + ", and a transaction may be open");
        if (!producersEnded) return Optional.of("its producer may still run");
        return Optional.empty();
    }

    /** Values say nothing to a check: they are not even copied. */
    private static final class Unread implements Deserializer<Void> {
        @Override public Void deserialize(String topic, byte[] data) { return null; }
        @Override public Void deserialize(String topic, Headers headers, ByteBuffer data) { return null; }
    }

    static String time(long ms) { return Instant.ofEpochMilli(ms).toString(); }

    // ---- Comparing: knows no cluster ----

    /** Ledger entries and records go in, a verdict comes out. Of the records it keeps a bit for each thing seen of a sequence. */
    static final class Checker extends Log {
        private static final int EXAMPLES = 10;

        final List<Fault> faults = new ArrayList<>();
        private final List<Seen> all = new ArrayList<>();
        private final List<Part> parts = new ArrayList<>();
        private final Map<Fault, Long> inFault = new LinkedHashMap<>();
        private final List<Example> examples = new ArrayList<>();
        private final long[] counts = new long[Anomaly.values().length];
        private FutureTask<Void> loading;
        private final long began = System.nanoTime();
        private volatile long bytes;
        private long size;
        private boolean fails;
        private long read, other, unknown, overwritten, time;
        private int epoch;

        private static final class Part {
            long acknowledged, read, firstGap = Long.MAX_VALUE;
            boolean ended;
            final List<long[]> expired = new ArrayList<>();
            final long[] counts = new long[Anomaly.values().length];

            boolean isExpired(long offset) {
                for (long[] range : expired) if (offset >= range[0] && offset < range[1]) return true;
                return false;
            }
        }

        @Override boolean producersEnded() { return all.stream().noneMatch(s -> s.ledger.open); }
        @Override void expired(int partition, long from, long to) { if (to > from) part(partition).expired.add(new long[] {from, to}); }
        @Override void ended(int partition) { part(partition).ended = true; }

        @Override void shorter(int partition, long end) {
            super.shorter(partition, end);
            ended(partition);
        }

        /** The first acknowledged offset at which the committed view has no record, though it was passed. */
        @Override long uncommittedFrom(int partition) {
            for (Seen s : all) s.passed(partition, position(partition));
            long first = part(partition).firstGap;
            return first < position(partition) ? first : -1;
        }

        @Override void uncommitted(ConsumerRecord<byte[], Void> r) { uncommitted(r.partition(), r.offset(), r.key()); }

        /** A record of the whole log: one that is before the last stable offset and not in the committed view was aborted. */
        void uncommitted(int partition, long offset, byte[] key) {
            if (key == null || offset >= position(partition)) return;
            for (Seen s : all) {
                if (!starts(key, s.ledger.prefixBytes)) continue;
                s.uncommitted(partition, offset, s.ledger.sequence(key));
            }
        }

        /** Before what offset all is known: what was read, or everything. */
        private long knownTo(int partition) { return part(partition).ended ? Long.MAX_VALUE : position(partition); }

        /** The ledger of one more producer. */
        void add(Ledger ledger) {
            if (topic != null && !topic.equals(ledger.topic))
                throw new Cli.Exit(2, "The ledgers are of two topics, " + Cli.printable(topic) + " and " + Cli.printable(ledger.topic) + "; check one at a time.");
            topic = ledger.topic;
            if (all.stream().anyMatch(s -> s.ledger.prefix.equals(ledger.prefix)))
                throw new Cli.Exit(2, "Two ledgers are of the same run and producer, " + Cli.printable(ledger.prefix) + ": their records cannot be told apart.");
            if (ledger.truncated != null) incomplete.add(ledger.truncated);
            all.add(new Seen(ledger));
        }

        /** Before each acknowledged record, even if an unclean election made the log shorter than it was at the start. */
        @Override long startOf(int partition) {
            return all.stream().map(s -> s.ledger).mapToLong(l -> Math.min(partition < l.startOffsets.size() ? l.startOffsets.get(partition) : 0, l.acks(partition).first())).min().orElse(0);
        }

        @Override long highestOf(int partition) { return all.stream().mapToLong(s -> s.ledger.acks(partition).last()).max().orElse(-1); }

        @Override void begins(Admin admin, Map<TopicPartition, Long> starts, Map<TopicPartition, Long> ends) throws Exception {
            while (true) try { loading.get(100, TimeUnit.MILLISECONDS); return; } catch (java.util.concurrent.TimeoutException notYet) {
                double share = (double) bytes / Math.max(1, size), seconds = (System.nanoTime() - began) / 1e9;
                screen.bar(share, String.format(Locale.ROOT, "ledger, %.1f MB/s, %s", bytes / seconds / 1e6, Screen.left(share, seconds)));
            }
        }

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
            if (acknowledged == 0) incomplete.add("nothing was acknowledged, so that nothing was promised, and nothing is proved");
            if (counts[Anomaly.ABORTED.ordinal()] > 0) incomplete.add("whether a commit was acknowledged for what was aborted is in no ledger");
            boolean complete = incomplete.isEmpty() && counts[Anomaly.UNSEEN.ordinal()] == 0 && counts[Anomaly.EXPIRED.ordinal()] == 0;
            examples.sort(Comparator.comparing(Example::anomaly).thenComparing(Example::partition).thenComparing(Example::offset));
            return new Verdict(fails ? "fail" : complete ? "pass" : "incomplete", topic, all.stream().map(s -> s.ledger.prefix.substring(0, s.ledger.prefix.length() - 1)).toList(), acknowledged, failed, landed, absent - landed,
                    read, other, unknown, overwritten, named(counts), partitions, inFault, examples, List.copyOf(incomplete));
        }

        private static Map<Anomaly, Long> named(long[] counts) {
            Map<Anomaly, Long> named = new EnumMap<>(Anomaly.class);
            for (Anomaly a : Anomaly.values()) named.put(a, counts[a.ordinal()]);
            return named;
        }

        /** What was seen of one producer's records. */
        private final class Seen {
            private final Ledger ledger;
            private final BitSet read = new BitSet(), readTwice = new BitSet(), aborted = new BitSet();
            /** Acknowledged at an offset that has no record; at one where it is; at one where another record is. */
            private final BitSet atGap = new BitSet(), atOffset = new BitSet(), atOther = new BitSet();
            /** By partition: the acknowledgement that the reader will pass next, and the latest sequence that it has seen. */
            private final List<Ledger.Acks.Cursor> next = new ArrayList<>(), whole = new ArrayList<>();
            private int[] newest = new int[0];

            Seen(Ledger ledger) { this.ledger = ledger; }

            private Ledger.Acks.Cursor next(int partition) {
                while (next.size() <= partition) next.add(ledger.acks(next.size()).all());
                return next.get(partition);
            }

            /** The reader passes an offset at which it found this sequence of this producer, or -1 for another record. */
            private void passed(int partition, long offset, int seq) {
                for (Ledger.Acks.Cursor a = next(partition); a.offset() <= offset; a.advance()) {
                    if (a.offset() < offset) atGap(partition, a);
                    else if (a.seq() == seq) atOffset.set(seq);
                    else atOther(partition, a);
                }
            }

            private void atOther(int partition, Ledger.Acks.Cursor a) {
                if (!atOther.get(a.seq())) found(Anomaly.INCONSISTENT, true, ledger.prefix + a.seq(), a.seq(), partition, a.offset());
                atOther.set(a.seq());
            }

            /** The reader has passed all before an offset. */
            private void passed(int partition, long end) { for (Ledger.Acks.Cursor a = next(partition); a.offset() < end; a.advance()) atGap(partition, a); }

            /** In the whole log there is this record: nowhere in the committed view, or not where it was acknowledged. */
            private void uncommitted(int partition, long offset, int seq) {
                if (seq < 0) return;
                while (whole.size() <= partition) whole.add(ledger.acks(whole.size()).all());
                Ledger.Acks.Cursor a = whole.get(partition);
                while (a.offset() < offset) a.advance();
                boolean asAcknowledged = a.offset() == offset && a.seq() == seq;
                if (!read.get(seq) || asAcknowledged && atGap.get(seq)) aborted.set(seq);
            }

            private void atGap(int partition, Ledger.Acks.Cursor a) {
                Part part = part(partition);
                if (part.isExpired(a.offset())) return;
                part.firstGap = Math.min(part.firstGap, a.offset());
                atGap.set(a.seq());
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

            /** Acknowledged and nowhere in what was read: unseen while one of its offsets may still be, else expired if one of them was deleted, aborted if the log has it so, else lost. */
            private void missing() {
                epoch = -1;
                for (int p = 0; p < ledger.partitions(); p++) passed(p, knownTo(p));
                BitSet counted = (BitSet) ledger.acknowledged.clone();
                counted.andNot(read);
                if (counted.isEmpty() && atGap.isEmpty()) return;
                counted.clear();
                for (Anomaly anomaly : List.of(Anomaly.UNSEEN, Anomaly.EXPIRED, Anomaly.ABORTED, Anomaly.LOST))
                    for (int p = 0; p < ledger.partitions(); p++)
                        for (var a = ledger.acks(p).all(); a.offset() < Long.MAX_VALUE; a.advance()) missing(anomaly, p, a, counted);
            }

            private void missing(Anomaly anomaly, int partition, Ledger.Acks.Cursor a, BitSet counted) {
                int seq = a.seq();
                boolean elsewhere = read.get(seq) && atGap.get(seq) && !atOffset.get(seq) && !aborted.get(seq);
                if (counted.get(seq) || read.get(seq) && !elsewhere) return;
                if (!elsewhere && anomaly == Anomaly.UNSEEN && a.offset() < knownTo(partition)) return;
                if (!elsewhere && anomaly == Anomaly.ABORTED && !aborted.get(seq)) return;
                if (!elsewhere && anomaly == Anomaly.EXPIRED && !part(partition).isExpired(a.offset())) return;
                counted.set(seq);
                time = a.at();
                Anomaly what = elsewhere ? Anomaly.INCONSISTENT : anomaly;
                boolean fails = what == Anomaly.LOST || what == Anomaly.INCONSISTENT;
                if (what == Anomaly.LOST && atOther.get(seq)) overwritten++;
                found(what, fails, ledger.prefix + seq, seq, partition, a.offset());
            }
        }
    }

    // ---- The ledger of perf: of records without an identity, the offsets that were acknowledged ----

    /** What is found at the offsets that perf was told. Found is what has a record of the run's time. Gaps are without a record inside a log that is compacted, or may be. */
    public record LoadVerdict(String verdict, String topic, List<String> runs, long acknowledged, long found, long failed, long unresolved, long read, long gaps,
                              Map<Anomaly, Long> anomalies, List<Partition> partitions, List<Example> examples, List<String> incomplete) {
        public long count(Anomaly anomaly) { return anomalies.get(anomaly); }
        public int exitCode() { return verdict.equals("pass") ? 0 : verdict.equals("fail") ? Cli.ANOMALY : Cli.INCOMPLETE; }

        Object[] fields() {
            List<Object> fields = new ArrayList<>(List.of("verdict", verdict, "topic", topic, "runs", runs, "acknowledged", acknowledged, "found", found, "failed", failed, "unresolved", unresolved, "read", read));
            Ranges.KINDS.forEach(a -> fields.addAll(List.of(a.field, anomalies.get(a))));
            fields.addAll(List.of("gaps", gaps, "incomplete", incomplete, "partitions", partitions.stream().map(LoadVerdict::fields).toList(), "examples", examples.stream().map(LoadVerdict::fields).toList()));
            return fields.toArray();
        }

        private static Map<String, Object> fields(Partition p) {
            Map<String, Object> fields = new LinkedHashMap<>(Map.of("partition", p.partition, "acknowledged", p.acknowledged, "read", p.read));
            Ranges.KINDS.forEach(a -> fields.put(a.field, p.anomalies.get(a)));
            return fields;
        }

        private static Map<String, Object> fields(Example x) { return Map.of("anomaly", x.anomaly.field, "partition", x.partition, "offset", x.offset); }
    }

    /** Reads the ledgers of perf and their topics, and emits a verdict for each topic. */
    public List<LoadVerdict> checkLoad() throws Exception {
        if (eventsFrom != null) throw new Cli.Exit(2, "--events-from is for the ledgers of resilient-producer: those of perf have no times.");
        Map<String, Ranges> topics = new LinkedHashMap<>();
        for (File file : files()) Ranges.read(file, topics);
        List<LoadVerdict> verdicts = new ArrayList<>();
        for (Ranges ranges : topics.values()) {
            read(common, ranges);
            LoadVerdict v = ranges.verdict();
            common.emit("load-verdict", v.fields());
            verdicts.add(v);
        }
        return verdicts;
    }

    /** The acknowledged offsets of a topic, with which the log is compared while it is read. Each is passed once, in order, and is found, or what it is instead. */
    static final class Ranges extends Log {
        static final List<Anomaly> KINDS = List.of(Anomaly.LOST, Anomaly.UNSEEN, Anomaly.EXPIRED, Anomaly.INCONSISTENT);
        private static final int EXAMPLES = 10;
        private final List<String> runs = new ArrayList<>();
        private final NavigableMap<Integer, Part> parts = new TreeMap<>();
        private final List<Example> examples = new ArrayList<>();
        private final long[] exampleCounts = new long[Anomaly.values().length];
        private long failed, unresolved, until;
        /** Empty: it may not be asked. */
        private Optional<Boolean> compacted = Optional.of(false);
        private boolean open;
        private String firstGap;
        private long gaps;

        private static final class Part {
            /** First and last offset of each range. */
            final NavigableMap<Long, Long> ranges = new TreeMap<>();
            /** Acknowledged counts an offset as often as it was told to somebody. */
            private long next, acknowledged, found, read;
            private boolean ended;
            private final long[] counts = new long[Anomaly.values().length];

            boolean contains(long offset) {
                Map.Entry<Long, Long> range = ranges.floorEntry(offset);
                return range != null && offset <= range.getValue();
            }
        }

        Ranges(String topic) { this.topic = topic; }

        /** Returns whether the first file begins as a ledger of perf does. */
        static boolean are(List<File> files) throws IOException {
            try (InputStream in = new FileInputStream(files.get(0))) {
                Ledger.Line first = new Ledger.Line(in);
                return first.next() && Ledger.parse(first.text()).containsKey("ranges");
            } catch (FileNotFoundException e) { throw new Cli.Exit(2, "Cannot read the ledger: " + Cli.printable(e.getMessage()) + "."); }
        }

        /** Adds what a file says to the topics it is of. */
        static void read(File file, Map<String, Ranges> topics) throws IOException {
            try (BufferedReader in = new BufferedReader(new InputStreamReader(new FileInputStream(file), StandardCharsets.UTF_8))) { read(file.toString(), in, topics); }
            catch (FileNotFoundException e) { throw new Cli.Exit(2, "Cannot read the ledger: " + Cli.printable(e.getMessage()) + "."); }
        }

        static void read(String name, BufferedReader in, Map<String, Ranges> topics) throws IOException {
            Map<String, Object> head = Ledger.parse(Objects.requireNonNullElse(in.readLine(), "")), end = null;
            if (!Integer.valueOf(1).equals(head.get("ranges")) || !(head.get("topics") instanceof List<?> named)) throw new Cli.Exit(2, Cli.printable(name) + " is not a ledger of perf that is known here.");
            List<Ranges> own = new ArrayList<>();
            for (Object topic : new LinkedHashSet<>(named)) own.add(topics.computeIfAbsent(String.valueOf(topic), Ranges::new));
            for (Ranges r : own) r.runs.add(String.valueOf(head.get("run")));
            long bad = 0, sum = 0;
            for (String line; (line = in.readLine()) != null; ) {
                Map<String, Object> entry = Ledger.parse(line);
                long count = 0;
                if (entry.containsKey("end")) end = entry;
                else if ((count = add(entry, own)) == 0) bad++;
                sum += count;
            }
            String lacks = bad > 0 ? "has " + bad + " damaged lines" : end == null ? "has no end: perf was killed or still runs" : number(end, "acknowledged") != sum ? "has ranges for " + sum + " of "
                    + number(end, "acknowledged") + " acknowledged records" : null;
            for (Ranges r : own) r.ends(end, lacks == null ? null : name + " " + lacks);
        }

        private static long number(Map<String, Object> entry, String field) { return entry.get(field) instanceof Number n ? n.longValue() : -1; }

        /** @return how many offsets the range has; 0: it is none */
        private static long add(Map<String, Object> entry, List<Ranges> own) {
            long partition = number(entry, "partition"), first = number(entry, "first"), last = number(entry, "last"), count = number(entry, "count");
            Optional<Ranges> of = own.stream().filter(r -> r.topic.equals(entry.get("topic"))).findFirst();
            if (of.isEmpty() || partition < 0 || partition > 1_000_000 || first < 0 || last < first || count != last - first + 1) return 0;
            of.get().add((int) partition, first, last);
            return count;
        }

        void add(int partition, long first, long last) {
            part(partition).acknowledged += last - first + 1;
            NavigableMap<Long, Long> all = part(partition).ranges;
            countTwice(partition, first, last);
            Map.Entry<Long, Long> before = all.floorEntry(first);
            if (before != null && before.getValue() >= first - 1) {
                first = before.getKey();
                last = Math.max(last, before.getValue());
            }
            for (Map.Entry<Long, Long> next; (next = all.higherEntry(first)) != null && next.getKey() <= last + 1; all.remove(next.getKey())) last = Math.max(last, next.getValue());
            all.put(first, last);
        }

        /** A log gives an offset once. If it was told twice, to one run or to two, the log was truncated in between, and one of the two records is lost. */
        private void countTwice(int partition, long first, long last) {
            for (Map.Entry<Long, Long> range : part(partition).ranges.headMap(last, true).descendingMap().entrySet()) {
                if (range.getValue() < first) return;
                long from = Math.max(first, range.getKey()), to = Math.min(last, range.getValue());
                count(partition, Anomaly.INCONSISTENT, from, to - from + 1);
            }
        }

        /** @param end of several ledgers the last one's time counts  @param lacks null: nothing */
        void ends(Map<String, Object> end, String lacks) {
            if (lacks != null) incomplete.add(lacks);
            open |= end == null;
            if (end == null) return;
            failed += Math.max(0, number(end, "failed"));
            unresolved += Math.max(0, number(end, "unresolved"));
            until = Math.max(until, number(end, "untilMs"));
        }

        private Part part(int partition) { return parts.computeIfAbsent(partition, p -> new Part()); }

        @Override long startOf(int partition) { return part(partition).ranges.isEmpty() ? Long.MAX_VALUE : part(partition).ranges.firstKey(); }
        @Override long highestOf(int partition) { return part(partition).ranges.isEmpty() ? -1 : part(partition).ranges.lastEntry().getValue(); }
        @Override long endOf(int partition, long end) { return part(partition).ranges.isEmpty() ? 0 : highestOf(partition) + 1; }
        @Override boolean producersEnded() { return !open; }

        @Override void begins(Admin admin, Map<TopicPartition, Long> starts, Map<TopicPartition, Long> ends) throws Exception { compacted(isCompacted(admin, topic)); }
        void compacted(Optional<Boolean> is) { compacted = is; }

        @Override void expired(int partition, long from, long to) {
            passedInside(partition, from);
            passed(partition, to, Anomaly.EXPIRED);
        }

        @Override void reached(int partition, long position) {
            super.reached(partition, position);
            passedInside(partition, position);
        }

        @Override void ended(int partition) { part(partition).ended = true; }

        @Override void shorter(int partition, long end) {
            super.shorter(partition, end);
            ended(partition);
        }

        @Override void record(ConsumerRecord<byte[], Void> r) {
            record(r.partition(), r.offset(), r.timestampType() == org.apache.kafka.common.record.TimestampType.CREATE_TIME ? r.timestamp() : -1);
        }

        /** A record of the log. @param created by its producer's clock; later than the run: it is another that took the place of one that is gone. -1: not known */
        void record(int partition, long offset, long created) {
            Part part = part(partition);
            part.read++;
            passedInside(partition, offset);
            if (offset < part.next || !part.contains(offset)) return;
            if (until > 0 && created > until) {
                count(partition, Anomaly.INCONSISTENT, offset, 1);
                passed(partition, offset + 1, Anomaly.LOST);
                return;
            }
            part.found++;
            part.next = offset + 1;
        }

        /** Inside the log: what has no record there is lost, unless compaction may have taken it, which moves neither the log's start nor its end. */
        private void passedInside(int partition, long end) { passed(partition, end, compacted.equals(Optional.of(false)) ? Anomaly.LOST : null); }

        /** All acknowledged offsets before this one that have not been passed yet have no record. @param what null: a gap that proves nothing */
        private void passed(int partition, long end, Anomaly what) {
            Part part = part(partition);
            if (end <= part.next) return;
            Map.Entry<Long, Long> range = part.ranges.floorEntry(part.next);
            if (range == null || range.getValue() < part.next) range = part.ranges.ceilingEntry(part.next);
            for (; range != null && range.getKey() < end; range = part.ranges.higherEntry(range.getKey())) {
                long from = Math.max(part.next, range.getKey()), to = Math.min(end, range.getValue() + 1);
                if (what == null) countGap(partition, from, to - from);
                else count(partition, what, from, to - from);
            }
            part.next = end;
        }

        private void countGap(int partition, long offset, long n) {
            gaps += n;
            if (firstGap == null) firstGap = "offset " + offset + " of partition " + partition;
        }

        private String gapsInWords() {
            String found = gaps + " have no record inside the log, the first at " + firstGap + ": ";
            if (compacted.isPresent()) return found + "the topic is compacted, and a later record of the same key may have replaced them";
            return found + "whether compaction took them is not known, since the topic's configuration may not be asked (it needs the permission DESCRIBE_CONFIGS)";
        }

        private void count(int partition, Anomaly what, long offset, long n) {
            part(partition).counts[what.ordinal()] += n;
            if (exampleCounts[what.ordinal()]++ < EXAMPLES) examples.add(new Example(what, "", -1, partition, offset, -1, -1, null));
        }

        /** What it comes to; asked once, when all is read. */
        LoadVerdict verdict() {
            parts.forEach((p, part) -> passed(p, Long.MAX_VALUE, part.ended ? Anomaly.LOST : Anomaly.UNSEEN));
            Map<Anomaly, Long> counts = new EnumMap<>(Anomaly.class);
            for (Anomaly a : Anomaly.values()) counts.put(a, parts.values().stream().mapToLong(p -> p.counts[a.ordinal()]).sum());
            long acknowledged = parts.values().stream().mapToLong(p -> p.acknowledged).sum(), found = parts.values().stream().mapToLong(p -> p.found).sum();
            if (acknowledged == 0) incomplete.add("nothing was acknowledged, so that nothing was promised, and nothing is proved");
            if (gaps > 0) incomplete.add(gapsInWords());
            boolean fails = counts.get(Anomaly.LOST) + counts.get(Anomaly.INCONSISTENT) > 0, complete = incomplete.isEmpty() && found == acknowledged;
            List<Partition> partitions = parts.entrySet().stream().filter(p -> !p.getValue().ranges.isEmpty())
                    .map(p -> new Partition(p.getKey(), p.getValue().acknowledged, p.getValue().read, Checker.named(p.getValue().counts))).toList();
            examples.sort(Comparator.comparing(Example::anomaly).thenComparing(Example::partition).thenComparing(Example::offset));
            return new LoadVerdict(fails ? "fail" : complete ? "pass" : "incomplete", topic, List.copyOf(runs), acknowledged, found, failed, unresolved, parts.values().stream().mapToLong(p -> p.read).sum(),
                    gaps, counts, partitions, examples, List.copyOf(incomplete));
        }
    }

    /** Returns whether a topic is compacted; nothing, if that may not be asked. */
    static Optional<Boolean> isCompacted(Admin admin, String topic) throws InterruptedException {
        ConfigResource config = new ConfigResource(ConfigResource.Type.TOPIC, topic);
        try { return Optional.of(admin.describeConfigs(List.of(config)).all().get().get(config).get("cleanup.policy").value().contains("compact")); }
        catch (ExecutionException notTold) { return Optional.empty(); }
    }

    /** Partitions, where something is missing from, and the verdict in one line. */
    public void render(LoadVerdict v) {
        PrintWriter out = common.out;
        out.printf(Locale.ROOT, "%-9s %12s %12s", "PARTITION", "ACKNOWLEDGED", "READ");
        for (Anomaly a : Ranges.KINDS) out.printf(Locale.ROOT, " %8s", a.column);
        for (Partition p : v.partitions) {
            out.printf(Locale.ROOT, "%n%-9d %12d %12d", p.partition, p.acknowledged, p.read);
            for (Anomaly a : Ranges.KINDS) out.printf(Locale.ROOT, " %8d", p.anomalies.get(a));
        }
        out.println();
        for (Example x : v.examples) out.printf(Locale.ROOT, "%s from offset %d of partition %d on%n", x.anomaly.words, x.offset, x.partition);
        List<String> more = new ArrayList<>();
        for (Anomaly a : Ranges.KINDS) if (v.count(a) > 0) more.add(v.count(a) + " " + a.words);
        more.addAll(v.incomplete);
        String rest = more.isEmpty() ? "" : "; " + String.join("; ", more);
        out.printf(Locale.ROOT, "%n%s: %d of %d acknowledged records of perf's run %s are in %s%s.%n", v.verdict.toUpperCase(Locale.ROOT), v.found, v.acknowledged, Cli.printable(String.join(", ", v.runs)),
                Cli.printable(v.topic), Cli.printable(rest));
        out.println("Records of perf have no identity: a record at an acknowledged offset that is not later than the run is taken for the one that was acknowledged.");
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
        out.printf(Locale.ROOT, "%-32s %10s%n", "RECORDS OF " + Cli.printable(v.topic), "COUNT");
        rows.forEach((what, n) -> out.printf(Locale.ROOT, "%-32s %10d%n", what, n));
        out.printf(Locale.ROOT, "%n%-9s %12s %10s", "PARTITION", "ACKNOWLEDGED", "READ");
        for (Anomaly a : Anomaly.values()) out.printf(Locale.ROOT, " %8s", a.column);
        for (Partition p : v.partitions) {
            out.printf(Locale.ROOT, "%n%-9d %12d %10d", p.partition, p.acknowledged, p.read);
            p.anomalies.values().forEach(n -> out.printf(Locale.ROOT, " %8d", n));
        }
        out.println();
        if (!v.faults.isEmpty()) out.printf(Locale.ROOT, "%n%-12s %-24s %-24s %10s%n", "FAULT", "FROM", "UNTIL", "ANOMALIES");
        v.faults.forEach((f, n) -> out.printf(Locale.ROOT, "%-12s %-24s %-24s %10d%n", Cli.printable(f.mode) + " " + f.node, time(f.at), f.until == Long.MAX_VALUE ? "the end" : time(f.until), n));
        if (!v.examples.isEmpty()) out.printf(Locale.ROOT, "%n%-32s %9s %10s %5s %-24s %-18s %s%n", "FIRST OF EACH KIND", "PARTITION", "OFFSET", "EPOCH", "TIME", "FAULT", "IDENTITY");
        for (Example x : v.examples) out.printf(Locale.ROOT, "%-32s %9d %10d %5s %-24s %-18s %s%n", x.anomaly.words, x.partition, x.offset, x.leaderEpoch < 0 ? "-" : x.leaderEpoch, x.timestamp < 0 ? "-"
                : time(x.timestamp), x.fault == null ? "-" : String.format(Locale.ROOT, "%s %d %+.2f s", Cli.printable(x.fault.mode), x.fault.node, (x.timestamp - x.fault.at) / 1e3), Cli.printable(x.identity));
        List<String> wrong = new ArrayList<>();
        v.anomalies.forEach((anomaly, n) -> { if (n > 0) wrong.add(n + " " + anomaly.words); });
        wrong.addAll(v.incomplete);
        String by = v.producers.size() == 1 ? "producer " + v.producers.get(0) : v.producers.size() + " producers";
        String found = wrong.isEmpty() ? ": all in the log, none twice, none out of order" : "; " + String.join("; ", wrong);
        out.printf(Locale.ROOT, "%n%s: %d acknowledged in %s, of %s%s.%n", v.verdict.toUpperCase(Locale.ROOT), v.acknowledged, Cli.printable(v.topic), Cli.printable(by), Cli.printable(found));
    }
}
