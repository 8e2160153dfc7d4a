import java.util.*;
import java.util.function.IntToLongFunction;

/** Compares the ledger of one producer with its records. Of these it keeps a bit for each thing seen of a sequence. */
final class ProducerCheck {
    private static final List<Anomaly> MISSING =
            List.of(Anomaly.UNSEEN, Anomaly.EXPIRED, Anomaly.ABORTED, Anomaly.LOST);

    final ProducerLedger ledger;
    /** Records that the ledger, which is truncated, does not know. */
    long unknown;
    /** Records that are lost, and at whose offset another one is. */
    long overwritten;

    private final DeliveryFindings findings;
    private final BitSet read = new BitSet();
    private final BitSet readTwice = new BitSet();
    private final BitSet aborted = new BitSet();
    /** Acknowledged at an offset that has no record; at one where it is; at one where another record is. */
    private final BitSet atGap = new BitSet();

    private final BitSet atOffset = new BitSet();
    private final BitSet atOther = new BitSet();
    /** By partition: the acknowledgement that the reader will pass next. */
    private final List<Acknowledgements.Cursor> next = new ArrayList<>();
    /** The same for the second reading. */
    private final List<Acknowledgements.Cursor> nextUncommitted = new ArrayList<>();
    /** By partition: the latest sequence that was read. */
    private int[] newest = new int[0];

    ProducerCheck(ProducerLedger ledger, DeliveryFindings findings) {
        this.ledger = ledger;
        this.findings = findings;
    }

    private Acknowledgements.Cursor cursor(List<Acknowledgements.Cursor> cursors, int partition) {
        while (cursors.size() <= partition) {
            cursors.add(ledger.acknowledgements(cursors.size()).cursor());
        }
        return cursors.get(partition);
    }

    private void found(Anomaly anomaly, int seq, int partition, long offset) {
        findings.found(anomaly, ledger, seq, partition, offset);
    }

    // ---- The committed records ----

    /** The reader passes an offset at which it found this sequence of this producer, or -1 for another record. */
    void passed(int partition, long offset, int seq) {
        for (var ack = cursor(next, partition); ack.offset() <= offset; ack.advance()) {
            if (ack.offset() < offset) {
                atGap(partition, ack);
            } else if (ack.seq() == seq) {
                atOffset.set(seq);
            } else {
                atOther(partition, ack);
            }
        }
    }

    /** The reader has passed everything before an offset. */
    void passed(int partition, long end) {
        for (var ack = cursor(next, partition); ack.offset() < end; ack.advance()) {
            atGap(partition, ack);
        }
    }

    private void atOther(int partition, Acknowledgements.Cursor ack) {
        int seq = ack.seq();
        if (!atOther.get(seq)) {
            found(Anomaly.INCONSISTENT, seq, partition, ack.offset());
        }
        atOther.set(seq);
    }

    private void atGap(int partition, Acknowledgements.Cursor ack) {
        DeliveryFindings.PartitionLog log = findings.partition(partition);
        if (log.isExpired(ack.offset())) {
            return;
        }
        log.firstGap = Math.min(log.firstGap, ack.offset());
        atGap.set(ack.seq());
    }

    /** Takes a record of this producer, at an offset that was passed. */
    void record(int seq, int attempt, int partition, long offset) {
        if (ledger.wroteNothing(seq, attempt)) {
            found(Anomaly.ABORTED_READ, seq, partition, offset);
        }
        if (read.get(seq)) { // A copy has no place in the order.
            if (!readTwice.get(seq)) {
                found(Anomaly.DUPLICATE, seq, partition, offset);
            }
            readTwice.set(seq);
            return;
        }
        read.set(seq);
        if (!ledger.attempted.get(seq)) {
            unknown++;
        }
        if (newest.length <= partition) {
            newest = Arrays.copyOf(newest, partition + 8);
        }
        if (seq < newest[partition]) {
            found(Anomaly.REORDERED, seq, partition, offset);
        }
        newest[partition] = Math.max(newest[partition], seq);
    }

    // ---- The second reading ----

    /** Takes a record of the whole log: it was aborted if no committed one has its place. */
    void uncommitted(int partition, long offset, int seq) {
        if (seq < 0) {
            return;
        }
        Acknowledgements.Cursor ack = cursor(nextUncommitted, partition);
        while (ack.offset() < offset) {
            ack.advance();
        }
        boolean whereAcknowledged = ack.offset() == offset && ack.seq() == seq;
        if (!read.get(seq) || whereAcknowledged && atGap.get(seq)) {
            aborted.set(seq);
        }
    }

    // ---- What is missing ----

    /**
     * Finds what was acknowledged and not read: unseen while it may be at one of its offsets, else expired if one of
     * them was deleted, aborted if the log has it so, else lost.
     *
     * @param knownTo before which offset of a partition everything is known
     */
    void findMissing(IntToLongFunction knownTo) {
        for (int p = 0; p < ledger.partitions(); p++) {
            passed(p, knownTo.applyAsLong(p));
        }
        BitSet counted = (BitSet) ledger.acknowledged.clone();
        counted.andNot(read);
        if (counted.isEmpty() && atGap.isEmpty()) {
            return;
        }
        counted.clear();
        for (Anomaly anomaly : MISSING) {
            for (int p = 0; p < ledger.partitions(); p++) {
                long known = knownTo.applyAsLong(p);
                for (var ack = ledger.acknowledgements(p).cursor(); !ack.isAtEnd(); ack.advance()) {
                    if (!counted.get(ack.seq()) && isMissing(anomaly, p, ack, known)) {
                        counted.set(ack.seq());
                        missing(anomaly, p, ack);
                    }
                }
            }
        }
    }

    private boolean isMissing(Anomaly anomaly, int partition, Acknowledgements.Cursor ack, long known) {
        if (isElsewhere(ack.seq())) {
            return true;
        }
        if (read.get(ack.seq())) {
            return false;
        }
        return switch (anomaly) {
            case UNSEEN -> ack.offset() >= known;
            case EXPIRED -> findings.partition(partition).isExpired(ack.offset());
            case ABORTED -> aborted.get(ack.seq());
            default -> true;
        };
    }

    /** Returns whether it was read, but not at any offset at which it was acknowledged. */
    private boolean isElsewhere(int seq) {
        return read.get(seq) && atGap.get(seq) && !atOffset.get(seq) && !aborted.get(seq);
    }

    private void missing(Anomaly anomaly, int partition, Acknowledgements.Cursor ack) {
        int seq = ack.seq();
        findings.lookAt(-1, ack.at());
        Anomaly what = isElsewhere(seq) ? Anomaly.INCONSISTENT : anomaly;
        if (what == Anomaly.LOST && atOther.get(seq)) {
            overwritten++;
        }
        found(what, seq, partition, ack.offset());
    }

    ProducerLedger.Counts counts() {
        return ledger.count(read);
    }
}
