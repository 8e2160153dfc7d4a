import com.fasterxml.jackson.jr.ob.JSON;
import java.io.*;
import java.nio.charset.StandardCharsets;
import java.time.Instant;
import java.time.format.DateTimeParseException;
import java.util.*;

/** What one producer says that it wrote, for check-delivery: some three bytes for an acknowledged record, and a bit for each thing known of a sequence. */
class Ledger {
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

    static List<Ledger> read(File file) throws IOException {
        try (InputStream in = new FileInputStream(file)) { return read(file.toString(), in); }
        catch (FileNotFoundException e) { throw new CheckTopic.Exit(2, "Cannot read the ledger: " + e.getMessage() + "."); }
    }

    /** From its first line. */
    static String topicOf(File file) throws IOException {
        try (InputStream in = new FileInputStream(file)) {
            Line first = new Line(in);
            return head(file.toString(), first.next() ? parse(first.text()) : Map.of()).topic;
        } catch (FileNotFoundException e) { throw new CheckTopic.Exit(2, "Cannot read the ledger: " + e.getMessage() + "."); }
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
        if (producers.isEmpty()) throw new CheckTopic.Exit(2, name + " is not a ledger: its first line does not begin one.");
        for (Ledger l : producers) {
            if (bad > 0) l.truncated = name + " has " + bad + " damaged line" + (bad == 1 ? "" : "s") + (l.sent < 0 ? " and no end: the producer was killed" : "");
            else if (l.sent < 0) l.truncated = name + " has no end: the producer was killed or still runs";
            else if (l.sent != l.lines) l.truncated = name + " has " + l.lines + " of " + l.sent + " outcomes" + (producers.size() > 1 ? " of " + l.prefix : "");
        }
        return producers;
    }

    private static Ledger head(String name, Map<String, Object> head) {
        if (!(head.get("ledger") instanceof Integer form) || form < 1 || form > 2 || !(head.get("run") instanceof String run) || !(head.get("producer") instanceof String producer)
                || !(head.get("topic") instanceof String topic)) throw new CheckTopic.Exit(2, name + " is not a ledger: its first line does not begin one that is known here.");
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
