///usr/bin/env jbang "$0" "$@" ; exit $?
//JAVA 17+
//DEPS info.picocli:picocli:4.7.7
//DEPS org.slf4j:slf4j-simple:1.7.36
//SOURCES CheckDelivery.java
//DESCRIPTION Checks a topic without a ledger: order, gaps and duplicates by key

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
 * Reads a topic from its first to its last offset, as consumers see it that read committed transactions only, and says what is wrong with it as far as the
 * records alone can tell. What was aborted, and what is in transactions still open, is counted.
 *
 * <p>Proved is that an identity is there twice, that a later number of a producer is before an earlier one, that a leader epoch goes back. An offset without a
 * record, or a number that no record has, may have its good reason (a transaction's marker; a send that failed): that is told, and proves nothing. Whether what
 * was acknowledged is there can only be said with a ledger: check-delivery, upon whose reading this is built.
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

    @Mixin Cli.Common common = new Cli.Common();

    public static void main(String... args) {
        System.exit(run(Screen.OUT, Screen.ERR, args));
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

    /** Where something was found. A gap is shown at its first offset, with the epoch and time of the record behind it; behind the last there is none (-1). */
    public record Example(Finding finding, String key, int partition, long offset, int leaderEpoch, long timestamp) { }

    /** A partition: what of it was read, and what was found there. Missing numbers are of no partition. */
    public record Partition(int partition, long from, long to, long read, Map<Finding, Long> findings) { }

    /** What was found, by partition; and in words why not all is known. compacted: gaps have their reason. */
    public record Verdict(String verdict, String topic, long read, long numbered, long withoutKey, boolean compacted, long aborted, long open, Map<Finding, Long> findings, List<Partition> partitions,
                          List<Example> examples, List<String> incomplete) {
        public int exitCode() { return verdict.equals("pass") ? 0 : verdict.equals("fail") ? Cli.ANOMALY : Cli.INCOMPLETE; }
    }

    /** Reads the topic, and emits the verdict. */
    public Verdict check() throws Exception {
        Contents contents = new Contents(topic, identity, uniqueKeys, Runtime.getRuntime().maxMemory() / 2);
        CheckDelivery.read(common, contents);
        Verdict v = contents.verdict();
        List<Object> fields = new ArrayList<>(List.of("verdict", v.verdict, "topic", topic, "read", v.read, "numbered", v.numbered, "withoutKey", v.withoutKey, "compacted", v.compacted, "aborted", v.aborted, "open", v.open));
        v.findings.forEach((finding, n) -> fields.addAll(List.of(finding.field, n)));
        fields.addAll(List.of("incomplete", v.incomplete, "partitions", v.partitions.stream().map(p -> {
            Map<String, Object> m = new LinkedHashMap<>(Map.of("partition", p.partition, "from", p.from, "to", p.to, "read", p.read));
            p.findings.forEach((finding, n) -> m.put(finding.field, n));
            return m;
        }).toList(), "examples", v.examples.stream().map(CheckTopic::fields).toList()));
        common.emit("verdict", fields.toArray());
        return v;
    }

    private static Map<String, Object> fields(Example x) {
        Map<String, Object> fields = new LinkedHashMap<>(Map.of("finding", x.finding.field, "key", x.key, "partition", x.partition, "offset", x.offset, "leaderEpoch", x.leaderEpoch));
        if (x.timestamp >= 0) fields.put("timestamp", CheckDelivery.time(x.timestamp));
        return fields;
    }

    // ---- Judging: knows no cluster ----

    /**
     * Records go in, a verdict comes out. Of a key it remembers a hash of 64 bits (of ten million keys, two have the same one in 1 of 370,000 topics), in a table of
     * bounded size; of a producer, its first and last number, and the last one in each partition.
     */
    static final class Contents extends CheckDelivery.Log {
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
        private final Map<Integer, Long> openFrom = new TreeMap<>();
        private final List<Example> examples = new ArrayList<>();
        private final long[] counts = new long[Finding.values().length];

        /** A producer's numbers: how many different ones, from and to, and the last one in each partition. */
        private static final class Numbers { long min = Long.MAX_VALUE, max = Long.MIN_VALUE, different; final Map<Integer, long[]> newest = new HashMap<>(); }
        private static final class Part {
            long from = -1, next, read, timestamp = Long.MIN_VALUE;
            /** From the first gap on: what was read before it, what is committed or aborted, what is in open transactions. */
            long firstGap = -1, readBefore, ended, open;
            int epoch = -1;
            final long[] counts = new long[Finding.values().length];

            void gap(long at, long readBefore) {
                if (firstGap >= 0) return;
                firstGap = at;
                this.readBefore = readBefore;
            }

            long aborted() { return firstGap < 0 ? 0 : Math.max(0, ended - (read - readBefore)); }
        }

        /** @param bytes what the table of keys may take; up to three quarters of its places are used */
        Contents(String topic, Pattern identity, boolean uniqueKeys, long bytes) {
            this.topic = topic;
            this.identity = identity;
            this.uniqueKeys = uniqueKeys;
            bound = Long.highestOneBit(Math.min(bytes / 8, 1 << 30));
            if (identity.matcher("").groupCount() < 2) throw new Cli.Exit(2, "--identity needs two groups, for producer and number, such as (.*)-([0-9]+).");
        }

        @Override void begins(Admin admin, Map<TopicPartition, Long> starts, Map<TopicPartition, Long> ends) throws Exception {
            long records = 0;
            for (var end : ends.entrySet()) records += end.getValue() - starts.get(end.getKey());
            room(records);
            compacted(CheckDelivery.isCompacted(admin, topic).orElse(false)); // if it may not be asked, a gap is not explained
        }

        void compacted(boolean is) { compacted = is; }
        void room(long records) { hashes = new long[(int) Math.max(16, Math.min(bound, Long.highestOneBit(records * 4 / 3 + 1) * 2))]; }

        @Override void reached(int partition, long position) {
            super.reached(partition, position);
            Part part = part(partition);
            if (part.from < 0) part.from = part.next = position;
        }

        /** What the log lost at its start while it was read is no gap, and nothing is known of it. */
        @Override void expired(int partition, long from, long to) {
            Part part = part(partition);
            if (part.from < 0 || to <= part.next) return;
            part.next = to;
            incomplete.add("partition " + partition + " was deleted up to offset " + to + " while it was read");
        }

        @Override void record(ConsumerRecord<byte[], Void> r) {
            read++;
            Part part = part(r.partition());
            part.read++;
            int epoch = r.leaderEpoch().orElse(-1);
            if (r.offset() > part.next) {
                part.gap(part.next, part.read - 1);
                found(Finding.GAP, r.offset() - part.next, null, part.next, r);
            }
            part.next = r.offset() + 1;
            if (epoch >= 0 && epoch < part.epoch) found(Finding.EPOCH, 1, r.key(), r.offset(), r);
            part.epoch = Math.max(epoch, part.epoch);
            if (r.timestamp() < part.timestamp) found(Finding.CLOCK, 1, r.key(), r.offset(), r);
            part.timestamp = r.timestamp();
            if (r.key() == null) { withoutKey++; return; }
            boolean again = seen(r.key());
            Matcher m = identity.matcher(new String(r.key(), java.nio.charset.StandardCharsets.UTF_8));
            Long number = m.matches() ? number(m.group(2)) : null;
            if (number != null) number(m.group(1), number, again, r);
            else if (again) found(uniqueKeys ? Finding.DUPLICATE : Finding.REPEATED, 1, r.key(), r.offset(), r);
        }

        /** From the first gap on, be it that of what is not committed yet. */
        @Override long uncommittedFrom(int partition) {
            Part part = part(partition);
            if (part.firstGap < 0 && part.from >= 0 && (position(partition) > part.next || openFrom.containsKey(partition))) part.gap(part.next, part.read);
            return part.firstGap;
        }

        @Override void open(int partition, long from) { openFrom.put(partition, from); }

        @Override void uncommitted(ConsumerRecord<byte[], Void> r) { uncommitted(r.partition(), r.offset()); }

        void uncommitted(int partition, long offset) {
            if (offset < position(partition)) part(partition).ended++;
            else part(partition).open++;
        }

        /** @return null when it is none, or none that fits into 64 bits: then the key says nothing of an order */
        private static Long number(String text) {
            try { return text == null ? null : Long.valueOf(text); } catch (NumberFormatException e) { return null; }
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
                long missing = full ? 0 : Math.max(0, n.max - n.min + 1 - n.different); // 7 and 07 are two keys with one number
                counts[Finding.MISSING.ordinal()] += missing;
                if (missing > 0 && ++lacking <= EXAMPLES) incomplete.add(missing + " of the numbers " + n.min + " to " + n.max + " of " + producer.getKey() + " are in no record");
            }
            if (lacking > EXAMPLES) incomplete.add("numbers of " + (lacking - EXAMPLES) + " further producers are in no record");
            for (int p = 0; p < parts.size(); p++) trailingGap(p, parts.get(p));
            long aborted = parts.stream().mapToLong(Part::aborted).sum(), open = parts.stream().mapToLong(p -> p.open).sum();
            long unexplained = counts[Finding.GAP.ordinal()] - aborted;
            if (unexplained > 0 && !compacted) incomplete.add(unexplained + " offsets have no record: markers of transactions have none, nor has what is gone");
            openFrom.forEach((p, from) -> incomplete.add("a transaction is open in partition " + p + " from offset " + from + " on"));
            if (read == 0) incomplete.add("no record could be read, so that nothing is proved");
            boolean fails = Arrays.stream(Finding.values()).anyMatch(f -> f.proved && counts[f.ordinal()] > 0);
            List<Partition> partitions = new ArrayList<>();
            for (int p = 0; p < parts.size(); p++) partitions.add(new Partition(p, Math.max(0, parts.get(p).from), position(p), parts.get(p).read, named(parts.get(p).counts)));
            examples.sort(Comparator.comparing(Example::finding).thenComparing(Example::partition).thenComparing(Example::offset));
            return new Verdict(fails ? "fail" : incomplete.isEmpty() ? "pass" : "incomplete", topic, read, numbered, withoutKey, compacted, aborted, open, named(counts), partitions, examples, List.copyOf(incomplete));
        }

        /** What a consumer passes without a record at the log's end, such as a transaction's marker. */
        private void trailingGap(int partition, Part part) {
            long offsets = position(partition) - part.next;
            if (part.from < 0 || offsets <= 0) return;
            add(Finding.GAP, "", partition, part.next, -1, -1);
            counts[Finding.GAP.ordinal()] += offsets;
            part.counts[Finding.GAP.ordinal()] += offsets;
            part.next = position(partition);
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
        for (Example x : v.examples) out.printf(Locale.ROOT, "%-32s %9d %12d %6d %-24s  %s%n", x.finding.words, x.partition, x.offset, x.leaderEpoch, x.timestamp < 0 ? "-" : CheckDelivery.time(x.timestamp), Cli.printable(x.key));
        List<String> told = new ArrayList<>();
        v.findings.forEach((finding, n) -> { if (n > 0 && !finding.open) told.add(n + " " + finding.words); });
        if (v.compacted && v.findings.get(Finding.GAP) > 0) told.add(v.findings.get(Finding.GAP) + " offsets without a record, as compaction leaves them");
        if (v.aborted > 0) told.add(v.aborted + " of aborted transactions, which are not judged");
        if (v.open > 0) told.add(v.open + " in open transactions, which are not judged");
        v.partitions.stream().filter(p -> p.from > 0).forEach(p -> told.add("partition " + p.partition + " begins at offset " + p.from));
        told.addAll(v.incomplete);
        out.printf(Locale.ROOT, "%n%s: %d records of %s, %d of them with a producer's number, %d without a key%s.%n", v.verdict.toUpperCase(Locale.ROOT), v.read, Cli.printable(v.topic), v.numbered, v.withoutKey,
                told.isEmpty() ? "; nothing is wrong with what is there" : "; " + Cli.printable(String.join("; ", told)));
        out.println("Without the producers' ledger it is not known whether all that was acknowledged is there, whether anything is that was never sent, nor what was before the first offset.");
    }
}
