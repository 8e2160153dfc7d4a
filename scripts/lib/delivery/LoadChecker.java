import java.util.*;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.record.TimestampType;

/**
 * Compares the log of a topic with the offsets that were acknowledged to perf. Each of these is passed once, in order,
 * and is found, or is what it is instead.
 */
final class LoadChecker extends LogCheck {
    private final List<String> runs = new ArrayList<>();
    private final NavigableMap<Integer, Part> partitions = new TreeMap<>();
    private final FindingLog<Anomaly, Anomaly.Example> anomalies = new FindingLog<>(Anomaly.class);
    private boolean open;
    private long failed;
    private long unresolved;
    private long untilMs;
    /** Empty: it may not be asked. */
    private Optional<Boolean> compacted = Optional.of(false);

    private long gaps;
    private String firstGap;

    /** Of a partition: the offsets that were acknowledged, and how far the log was compared with them. */
    private static final class Part {
        private final int partition;
        private final OffsetRanges ranges = new OffsetRanges();
        private final FindingLog.Counts<Anomaly> counts = new FindingLog.Counts<>(Anomaly.class);
        /** An offset counts as often as it was acknowledged. */
        private long acknowledged;

        private long found;
        private long read;
        /** The offset before which everything has been compared. */
        private long next;
        /** Whether the log is proved to end where it was read to. */
        private boolean ended;

        Part(int partition) {
            this.partition = partition;
        }
    }

    /** What a ledger says at the end of its run. @param untilMs when it ended */
    record End(long failed, long unresolved, long untilMs) {}

    LoadChecker(String topic) {
        this.topic = topic;
    }

    // ---- The ledger ----

    void addRun(String run) {
        runs.add(run);
    }

    void add(int partition, long first, long last) {
        Part part = part(partition);
        OffsetRanges.Range range = new OffsetRanges.Range(first, last);
        part.acknowledged += range.count();
        countTwice(part, range);
        part.ranges.add(range);
    }

    /**
     * A log gives an offset once. If it was acknowledged twice, to one run or to two, the log was truncated in between,
     * and one of the two records is lost.
     */
    private void countTwice(Part part, OffsetRanges.Range range) {
        long end = range.last() + 1;
        OffsetRanges.Range twice = part.ranges.firstBetween(range.first(), end);
        while (twice != null) {
            count(part, Anomaly.INCONSISTENT, twice);
            twice = part.ranges.firstBetween(twice.last() + 1, end);
        }
    }

    /** Ends a run. Of several ledgers the latest end counts. */
    void ends(End end) {
        failed += end.failed;
        unresolved += end.unresolved;
        untilMs = Math.max(untilMs, end.untilMs);
    }

    /** Notes that a run's ledger has no end: it may still write. */
    void hasNoEnd() {
        open = true;
    }

    @Override
    boolean producersEnded() {
        return !open;
    }

    private Part part(int partition) {
        return partitions.computeIfAbsent(partition, Part::new);
    }

    // ---- What is to be read ----

    @Override
    long startOf(int partition) {
        OffsetRanges ranges = part(partition).ranges;
        return ranges.isEmpty() ? Long.MAX_VALUE : ranges.first();
    }

    @Override
    long highestOf(int partition) {
        OffsetRanges ranges = part(partition).ranges;
        return ranges.isEmpty() ? -1 : ranges.last();
    }

    @Override
    long endOf(int partition, long end) {
        return highestOf(partition) + 1;
    }

    @Override
    void begins(Admin admin, Map<TopicPartition, Long> starts, Map<TopicPartition, Long> ends) throws Exception {
        compacted(new TopicQuery(admin, topic).isCompacted());
    }

    void compacted(Optional<Boolean> compacted) {
        this.compacted = compacted;
    }

    // ---- What is read ----

    @Override
    void expired(int partition, long from, long to) {
        Part part = part(partition);
        passedInside(part, from);
        passed(part, to, Anomaly.EXPIRED);
    }

    @Override
    void reached(int partition, long position) {
        super.reached(partition, position);
        passedInside(part(partition), position);
    }

    @Override
    void ended(int partition) {
        part(partition).ended = true;
    }

    @Override
    void shorter(int partition, long end) {
        super.shorter(partition, end);
        ended(partition);
    }

    @Override
    void record(ConsumerRecord<byte[], Void> r) {
        boolean knownTime = r.timestampType() == TimestampType.CREATE_TIME;
        record(r.partition(), r.offset(), knownTime ? r.timestamp() : -1);
    }

    /**
     * Takes a record of the log. One that is later than the run has taken the place of one that is gone.
     *
     * @param created by its producer's clock; -1: unknown
     */
    void record(int partition, long offset, long created) {
        Part part = part(partition);
        part.read++;
        passedInside(part, offset);
        if (offset < part.next || !part.ranges.contains(offset)) {
            return;
        }
        if (untilMs > 0 && created > untilMs) {
            count(part, Anomaly.INCONSISTENT, new OffsetRanges.Range(offset, offset));
            passed(part, offset + 1, Anomaly.LOST);
            return;
        }
        part.found++;
        part.next = offset + 1;
    }

    /** Passes what is inside the log: without a record it is lost, unless compaction may have taken it. */
    private void passedInside(Part part, long end) {
        passed(part, end, compacted.orElse(true) ? null : Anomaly.LOST);
    }

    /**
     * Passes all acknowledged offsets before an end: those that were not passed yet have no record.
     *
     * @param what null: a gap that proves nothing
     */
    private void passed(Part part, long end, Anomaly what) {
        if (end <= part.next) {
            return;
        }
        OffsetRanges.Range range = part.ranges.firstBetween(part.next, end);
        while (range != null) {
            if (what == null) {
                countGap(part, range);
            } else {
                count(part, what, range);
            }
            range = part.ranges.firstBetween(range.last() + 1, end);
        }
        part.next = end;
    }

    private void countGap(Part part, OffsetRanges.Range range) {
        gaps += range.count();
        if (firstGap == null) {
            firstGap = "offset " + range.first() + " of partition " + part.partition;
        }
    }

    private void count(Part part, Anomaly what, OffsetRanges.Range range) {
        part.counts.add(what, range.count());
        anomalies.count(what, range.count());
        if (anomalies.wantsExample(what)) {
            anomalies.keep(what, Anomaly.Example.ofOffset(what, part.partition, range.first()));
        }
    }

    // ---- The verdict ----

    /** Judges, when everything is read. */
    LoadVerdict verdict() {
        long acknowledged = 0;
        long found = 0;
        long read = 0;
        for (Part part : partitions.values()) {
            passed(part, Long.MAX_VALUE, part.ended ? Anomaly.LOST : Anomaly.UNSEEN);
            acknowledged += part.acknowledged;
            found += part.found;
            read += part.read;
        }
        if (acknowledged == 0) {
            incomplete.add(DeliveryVerdict.NOTHING_ACKNOWLEDGED);
        }
        if (gaps > 0) {
            incomplete.add(gapsInWords());
        }
        boolean fails = anomalies.of(Anomaly.LOST) + anomalies.of(Anomaly.INCONSISTENT) > 0;
        return new LoadVerdict(
                LogCheck.Result.of(fails, incomplete.isEmpty() && found == acknowledged),
                new LoadVerdict.Scope(topic, List.copyOf(runs)),
                new LoadVerdict.Counts(acknowledged, found, failed, unresolved, read, gaps),
                report(),
                List.copyOf(incomplete));
    }

    private Anomaly.Report report() {
        List<Anomaly.Report.Partition> written = new ArrayList<>();
        for (Part part : partitions.values()) {
            if (!part.ranges.isEmpty()) {
                Map<Anomaly, Long> counts = part.counts.toMap();
                written.add(new Anomaly.Report.Partition(part.partition, part.acknowledged, part.read, counts));
            }
        }
        return new Anomaly.Report(
                anomalies.counts(), written, Map.of(), anomalies.examples(Anomaly.Example.BY_KIND_AND_PLACE));
    }

    private String gapsInWords() {
        String found = gaps + " have no record inside the log, the first at " + firstGap + ": ";
        if (compacted.isPresent()) {
            return found + "the topic is compacted, and a later record of the same key may have replaced them";
        }
        return found + "whether compaction took them is not known, since the topic's configuration may not be asked"
                + " (it needs the permission DESCRIBE_CONFIGS)";
    }

    /** Offsets, as ranges that neither overlap nor adjoin. */
    static final class OffsetRanges {
        private final NavigableMap<Long, Long> lastByFirst = new TreeMap<>();

        /** Offsets from the first to the last. */
        record Range(long first, long last) {
            long count() {
                return last - first + 1;
            }
        }

        /** Adds a range, and merges it with those that it overlaps or adjoins. */
        void add(Range range) {
            long first = range.first;
            long last = range.last;
            Map.Entry<Long, Long> before = lastByFirst.floorEntry(first);
            if (before != null && before.getValue() >= first - 1) {
                first = before.getKey();
                last = Math.max(last, before.getValue());
            }
            Map.Entry<Long, Long> next = lastByFirst.higherEntry(first);
            while (next != null && next.getKey() <= last + 1) {
                last = Math.max(last, next.getValue());
                lastByFirst.remove(next.getKey());
                next = lastByFirst.higherEntry(first);
            }
            lastByFirst.put(first, last);
        }

        boolean isEmpty() {
            return lastByFirst.isEmpty();
        }

        long first() {
            return lastByFirst.firstKey();
        }

        long last() {
            return lastByFirst.lastEntry().getValue();
        }

        boolean contains(long offset) {
            Map.Entry<Long, Long> range = lastByFirst.floorEntry(offset);
            return range != null && offset <= range.getValue();
        }

        /** Returns the first range from an offset on that is before an end, cut to these; null if there is none. */
        Range firstBetween(long from, long end) {
            if (from >= end) {
                return null;
            }
            Map.Entry<Long, Long> range = lastByFirst.floorEntry(from);
            if (range == null || range.getValue() < from) {
                range = lastByFirst.ceilingEntry(from);
            }
            if (range == null || range.getKey() >= end) {
                return null;
            }
            return new Range(Math.max(from, range.getKey()), Math.min(end - 1, range.getValue()));
        }
    }
}
