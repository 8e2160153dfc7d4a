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
        try (BufferedReader in = new BufferedReader(new InputStreamReader(new FileInputStream(file), StandardCharsets.UTF_8), 1 << 16)) { return read(file.toString(), in); }
        catch (FileNotFoundException e) { throw new CheckTopic.Exit(2, "Cannot read the ledger: " + e.getMessage() + "."); }
    }

    /** The ledgers of the producers that share a file. One that ends without its last line, or has lines that are none, is truncated: what it lacks is unknown, what it says holds. */
    static List<Ledger> read(String name, BufferedReader in) throws IOException {
        List<Ledger> producers = new ArrayList<>(); // a head each; a line's "by" says which one's it is: without it, the first one's
        Line compact = new Line();
        long bad = 0;
        for (String line; (line = in.readLine()) != null; ) {
            if (compact.parse(line) && compact.by <= producers.size()) { producers.get(compact.by - 1).acknowledged(compact.values); continue; }
            Map<String, Object> entry = parse(line);
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
                || !(head.get("topic") instanceof String topic)) throw new CheckTopic.Exit(2, name + " is not a ledger of a form that is known here.");
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

    /** The line of a first attempt that was acknowledged, as nearly all are: read without making an object of it. Any other line is left to the JSON parser. */
    private static final class Line {
        private static final String[] NAMES = {"{\"seq\":", ",\"partition\":", ",\"offset\":", ",\"at\":", ",\"latencyUs\":"};
        final long[] values = new long[NAMES.length];
        int by;
        private int at;

        boolean parse(String line) {
            at = 0;
            for (int i = 0; i < NAMES.length; i++) if (!name(line, NAMES[i]) || (values[i] = number(line)) < 0) return false;
            by = name(line, ",\"by\":") ? (int) number(line) : 1;
            return by > 0 && at == line.length() - 1 && line.charAt(at) == '}' && values[0] > 0 && values[0] < Integer.MAX_VALUE && values[1] <= 1_000_000;
        }

        private boolean name(String line, String name) {
            if (!line.startsWith(name, at)) return false;
            at += name.length();
            return true;
        }

        private long number(String line) {
            long n = 0;
            int from = at;
            for (; at < line.length() && line.charAt(at) >= '0' && line.charAt(at) <= '9'; at++) n = n * 10 + line.charAt(at) - '0';
            return at == from || at - from > 18 ? -1 : n;
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
            for (Run r : runs) if (r.offset < offset) { r.put(offset, seq, at); return; }
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
                if (size % CHUNK == 0) chunks.add(new byte[CHUNK]);
                chunks.get((int) (size / CHUNK))[(int) (size++ % CHUNK)] = b;
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
