import java.nio.charset.StandardCharsets;
import java.util.*;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.common.TopicPartition;

/** Finds what is wrong with a topic as far as the records alone can say; its memory is bounded. */
final class TopicContents extends LogCheck {
    private static final int PRODUCERS_NAMED = 10;
    private static final int PRODUCERS = 100_000;

    private final Pattern identity;
    private final boolean uniqueKeys;
    private final long bytes;
    private KeyTable keys = new KeyTable(0, 0);
    private final Map<String, KeyTable.Numbers> producers = new HashMap<>();
    private final List<Part> parts = new ArrayList<>();
    private final Map<Integer, Long> openFrom = new TreeMap<>();
    private final FindingLog<TopicVerdict.Finding, TopicVerdict.Example> findings =
            new FindingLog<>(TopicVerdict.Finding.class);
    private boolean compacted;
    private long read;
    private long numbered;
    private long withoutKey;

    /** What is known of a partition. */
    private static final class Part {
        /** Where reading began; -1: it has not. */
        private long from = -1;
        /** The offset after the last record. */
        private long next;

        private long read;
        private int leaderEpoch = -1;
        private long timestamp = Long.MIN_VALUE;
        private long firstGap = -1;
        /** What was read before the first gap. */
        private long readBeforeGap;
        /** From the first gap on: what is committed or aborted, and what is in open transactions. */
        private long ended;

        private long open;
        private final FindingLog.Counts<TopicVerdict.Finding> counts =
                new FindingLog.Counts<>(TopicVerdict.Finding.class);

        void gap(long at, long readBefore) {
            if (firstGap < 0) {
                firstGap = at;
                readBeforeGap = readBefore;
            }
        }

        long aborted() {
            return firstGap < 0 ? 0 : Math.max(0, ended - (read - readBeforeGap));
        }
    }

    /** @param bytes what the table of keys may take */
    TopicContents(String topic, Pattern identity, boolean uniqueKeys, long bytes) {
        if (identity.matcher("").groupCount() < 2) {
            throw new Cli.Exit(2, "--identity needs two groups, for producer and number, such as (.*)-([0-9]+).");
        }
        this.topic = topic;
        this.identity = identity;
        this.uniqueKeys = uniqueKeys;
        this.bytes = bytes;
    }

    private Part part(int partition) {
        while (parts.size() <= partition) {
            parts.add(new Part());
        }
        return parts.get(partition);
    }

    // ---- What is read ----

    @Override
    void begins(Admin admin, Map<TopicPartition, Long> starts, Map<TopicPartition, Long> ends) throws Exception {
        room(ends.keySet().stream().mapToLong(p -> ends.get(p) - starts.get(p)).sum());
        compacted(new TopicQuery(admin, topic).isCompacted().orElse(false)); // Then a gap is not explained.
    }

    void compacted(boolean compacted) {
        this.compacted = compacted;
    }

    /** Makes room for the keys of so many records. */
    void room(long records) {
        keys = new KeyTable(records, bytes);
    }

    @Override
    void reached(int partition, long position) {
        super.reached(partition, position);
        Part part = part(partition);
        if (part.from < 0) {
            part.from = position;
            part.next = position;
        }
    }

    /** What the log lost at its start while it was read is no gap, and nothing is known of it. */
    @Override
    void expired(int partition, long from, long to) {
        Part part = part(partition);
        if (part.from < 0 || to <= part.next) {
            return;
        }
        part.next = to;
        incomplete.add("partition " + partition + " was deleted up to offset " + to + " while it was read");
    }

    @Override
    void record(ConsumerRecord<byte[], Void> r) {
        read++;
        place(r, part(r.partition()));
        if (r.key() == null) {
            withoutKey++;
        } else {
            key(r);
        }
    }

    /** Looks at the record's place in its partition. */
    private void place(ConsumerRecord<byte[], Void> r, Part part) {
        part.read++;
        if (r.offset() > part.next) {
            part.gap(part.next, part.read - 1);
            long offsets = r.offset() - part.next;
            count(TopicVerdict.Finding.GAP, part, offsets);
            keepExample(TopicVerdict.Finding.GAP, null, part.next, r);
        }
        part.next = r.offset() + 1;
        int leaderEpoch = r.leaderEpoch().orElse(-1);
        if (leaderEpoch >= 0 && leaderEpoch < part.leaderEpoch) {
            found(TopicVerdict.Finding.EPOCH, r);
        }
        part.leaderEpoch = Math.max(leaderEpoch, part.leaderEpoch);
        if (r.timestamp() < part.timestamp) {
            count(TopicVerdict.Finding.CLOCK, part, 1);
        }
        part.timestamp = r.timestamp();
    }

    /** Looks at the record's key, which may be an identity. */
    private void key(ConsumerRecord<byte[], Void> r) {
        boolean wasFull = keys.isFull();
        boolean again = keys.add(r.key());
        if (keys.isFull() && !wasFull) {
            incomplete.add("the keys did not fit into memory: duplicates and order were looked for in the first "
                    + keys.size() + " only; more heap (-Xmx) helps");
        }
        Matcher m = identity.matcher(new String(r.key(), StandardCharsets.UTF_8));
        Long number = m.matches() ? number(m.group(2)) : null;
        if (number != null) {
            number(m.group(1), number, again, r);
        } else if (again) {
            found(uniqueKeys ? TopicVerdict.Finding.DUPLICATE : TopicVerdict.Finding.REPEATED, r);
        }
    }

    /** Returns a number; null if it is none, or does not fit into 64 bits: then the key says nothing of an order. */
    private static Long number(String text) {
        try {
            return text == null ? null : Long.valueOf(text);
        } catch (NumberFormatException e) {
            return null;
        }
    }

    private void number(String producer, long number, boolean again, ConsumerRecord<byte[], Void> r) {
        numbered++;
        if (again) { // A copy has no place in the order.
            found(TopicVerdict.Finding.DUPLICATE, r);
            return;
        }
        KeyTable.Numbers numbers = producers.get(producer);
        if (numbers == null && producers.size() == PRODUCERS) {
            incomplete.add("order and missing numbers were followed for the first " + PRODUCERS + " producers only");
            return;
        }
        if (keys.isFull()) { // It may be a copy of one that could not be kept.
            return;
        }
        if (numbers == null) {
            numbers = new KeyTable.Numbers();
            producers.put(producer, numbers);
        }
        if (numbers.add(r.partition(), number)) {
            found(TopicVerdict.Finding.REORDERED, r);
        }
    }

    // ---- The second reading, with what was aborted and what is in open transactions ----

    /** Returns the first gap, be it that of what is not committed yet. */
    @Override
    long uncommittedFrom(int partition) {
        Part part = part(partition);
        boolean goesOn = position(partition) > part.next || openFrom.containsKey(partition);
        if (part.from >= 0 && goesOn) {
            part.gap(part.next, part.read);
        }
        return part.firstGap;
    }

    @Override
    void open(int partition, long from) {
        openFrom.put(partition, from);
    }

    @Override
    void uncommitted(ConsumerRecord<byte[], Void> r) {
        uncommitted(r.partition(), r.offset());
    }

    void uncommitted(int partition, long offset) {
        Part part = part(partition);
        if (offset < position(partition)) {
            part.ended++;
        } else {
            part.open++;
        }
    }

    // ---- What is found ----

    private void found(TopicVerdict.Finding finding, ConsumerRecord<byte[], Void> r) {
        count(finding, part(r.partition()), 1);
        keepExample(finding, r.key(), r.offset(), r);
    }

    private void count(TopicVerdict.Finding finding, Part part, long n) {
        findings.count(finding, n);
        part.counts.add(finding, n);
    }

    private void keepExample(TopicVerdict.Finding finding, byte[] key, long offset, ConsumerRecord<byte[], Void> r) {
        if (findings.wantsExample(finding)) {
            String text = key == null ? "" : new String(key, StandardCharsets.UTF_8);
            int leaderEpoch = r.leaderEpoch().orElse(-1);
            findings.keep(
                    finding,
                    new TopicVerdict.Example(finding, text, r.partition(), offset, leaderEpoch, r.timestamp()));
        }
    }

    // ---- The verdict ----

    /** Judges, when everything is read; to be asked once. */
    TopicVerdict verdict() {
        missingNumbers();
        for (int p = 0; p < parts.size(); p++) {
            trailingGap(p, parts.get(p));
        }
        long aborted = parts.stream().mapToLong(Part::aborted).sum();
        long open = parts.stream().mapToLong(p -> p.open).sum();
        long unexplained = findings.of(TopicVerdict.Finding.GAP) - aborted;
        if (unexplained > 0 && !compacted) {
            incomplete.add(
                    unexplained + " offsets have no record: markers of transactions have none, nor has what is gone");
        }
        openFrom.forEach((p, from) ->
                incomplete.add("a transaction is open in partition " + p + " from offset " + from + " on"));
        if (read == 0) {
            incomplete.add("no record could be read, so that nothing is proved");
        }
        boolean fails = Stream.of(TopicVerdict.Finding.values()).anyMatch(f -> f.isProved() && findings.of(f) > 0);
        return new TopicVerdict(
                LogCheck.Result.of(fails, incomplete.isEmpty()),
                topic,
                new TopicVerdict.Counts(read, numbered, withoutKey, aborted, open),
                compacted,
                findings(),
                List.copyOf(incomplete));
    }

    private void missingNumbers() {
        if (keys.isFull()) {
            return;
        }
        int lacking = 0;
        for (var producer : producers.entrySet()) {
            long missing = producer.getValue().missing();
            if (missing == 0) {
                continue;
            }
            findings.count(TopicVerdict.Finding.MISSING, missing);
            lacking++;
            if (lacking <= PRODUCERS_NAMED) {
                String range = producer.getValue().range() + " of " + producer.getKey();
                incomplete.add(missing + " of the numbers " + range + " are in no record");
            }
        }
        if (lacking > PRODUCERS_NAMED) {
            incomplete.add("numbers of " + (lacking - PRODUCERS_NAMED) + " further producers are in no record");
        }
    }

    /** Counts what a consumer passes without a record at the log's end, such as a transaction's marker. */
    private void trailingGap(int partition, Part part) {
        long offsets = position(partition) - part.next;
        if (part.from < 0 || offsets <= 0) {
            return;
        }
        count(TopicVerdict.Finding.GAP, part, offsets);
        if (findings.wantsExample(TopicVerdict.Finding.GAP)) {
            findings.keep(
                    TopicVerdict.Finding.GAP,
                    new TopicVerdict.Example(TopicVerdict.Finding.GAP, "", partition, part.next, -1, -1));
        }
        part.next = position(partition);
    }

    private TopicVerdict.Findings findings() {
        List<TopicVerdict.Partition> partitions = new ArrayList<>();
        for (Part part : parts) {
            int p = partitions.size();
            long from = Math.max(0, part.from);
            partitions.add(new TopicVerdict.Partition(p, from, position(p), part.read, part.counts.toMap()));
        }
        return new TopicVerdict.Findings(
                findings.counts(), partitions, findings.examples(TopicVerdict.Example.BY_KIND_AND_PLACE));
    }
}
