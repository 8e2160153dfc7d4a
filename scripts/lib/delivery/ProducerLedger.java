import java.nio.charset.StandardCharsets;
import java.util.*;

/**
 * What the ledger of one producer says, held in memory: some three bytes for an acknowledged record, and a bit for each
 * thing known of a sequence. LedgerReader reads it from its file.
 */
final class ProducerLedger {
    /** A truncated ledger may lack this many sequences that were sent. */
    private static final int MAX_AHEAD = 50_000_000;

    final String topic;
    /** What the keys of the producer's records begin with: run/producer/ */
    final String prefix;

    final boolean idempotent;
    final List<Long> startOffsets = new ArrayList<>();
    final BitSet attempted = new BitSet();
    final BitSet acknowledged = new BitSet();
    /** Why it lacks something; null: it does not. A sequence that is not in it may then have been sent all the same. */
    String truncated;
    /** Whether the file lacks its end, so that the producer may still run. */
    boolean open;

    private final byte[] runBytes;
    private final byte[] prefixBytes;
    private final BitSet indeterminate = new BitSet();
    private final BitSet failedFirst = new BitSet();
    private final Set<Long> failedAgain = new HashSet<>();
    private final List<Acknowledgements> byPartition = new ArrayList<>();

    /**
     * Identities by what became of them.
     *
     * @param landed indeterminate, and in the log
     * @param absent indeterminate, and not in the log
     */
    record Counts(long acknowledged, long failed, long landed, long absent) {
        static final Counts NONE = new Counts(0, 0, 0, 0);

        Counts plus(Counts other) {
            return new Counts(
                    acknowledged + other.acknowledged,
                    failed + other.failed,
                    landed + other.landed,
                    absent + other.absent);
        }
    }

    ProducerLedger(String topic, String run, String producer, boolean idempotent) {
        this.topic = topic;
        this.idempotent = idempotent;
        prefix = run + "/" + producer + "/";
        runBytes = (run + "/").getBytes(StandardCharsets.UTF_8);
        prefixBytes = prefix.getBytes(StandardCharsets.UTF_8);
    }

    /** Adds an acknowledgement; at is in milliseconds. */
    void acknowledged(int seq, int partition, long offset, long at) {
        Acknowledgements acks = acknowledgements(partition);
        attempted.set(seq);
        if (!acknowledged.get(seq)) {
            acks.identities++;
        }
        acknowledged.set(seq);
        acks.add(offset, seq, at);
    }

    void indeterminate(int seq) {
        attempted.set(seq);
        indeterminate.set(seq);
    }

    void failed(int seq, int attempt) {
        attempted.set(seq);
        if (attempt == 1) {
            failedFirst.set(seq);
        } else {
            failedAgain.add(attemptOf(seq, attempt));
        }
    }

    private static long attemptOf(int seq, int attempt) {
        return (long) seq << 32 | attempt;
    }

    int partitions() {
        return byPartition.size();
    }

    Acknowledgements acknowledgements(int partition) {
        while (byPartition.size() <= partition) {
            byPartition.add(new Acknowledgements());
        }
        return byPartition.get(partition);
    }

    /** Returns from where on the producer's records of a partition can be: its log may have become shorter since. */
    long startOf(int partition) {
        long start = partition < startOffsets.size() ? startOffsets.get(partition) : 0;
        return Math.min(start, acknowledgements(partition).first());
    }

    String producer() {
        return prefix.substring(0, prefix.length() - 1);
    }

    boolean isOfProducer(byte[] key) {
        return startsWith(key, prefixBytes);
    }

    boolean isOfRun(byte[] key) {
        return startsWith(key, runBytes);
    }

    private static boolean startsWith(byte[] key, byte[] prefix) {
        return key.length >= prefix.length && Arrays.equals(key, 0, prefix.length, prefix, 0, prefix.length);
    }

    /** Returns the sequence in a key of this producer; -1 for a key that it would not have written so. */
    int sequence(byte[] key) {
        long n = 0;
        int from = prefixBytes.length;
        if (key.length == from || key.length > from + 10 || key[from] == '0') {
            return -1;
        }
        for (int i = from; i < key.length; i++) {
            if (key[i] < '0' || key[i] > '9') {
                return -1;
            }
            n = n * 10 + key[i] - '0';
        }
        return n >= Integer.MAX_VALUE ? -1 : (int) n;
    }

    boolean mayHaveWritten(int seq) {
        return seq > 0 && (attempted.get(seq) || truncated != null && seq - MAX_AHEAD <= attempted.length());
    }

    /** Returns whether this attempt certainly wrote nothing. */
    boolean wroteNothing(int seq, int attempt) {
        if (truncated == null && !acknowledged.get(seq) && !indeterminate.get(seq)) {
            return true;
        }
        return attempt == 1 ? failedFirst.get(seq) : failedAgain.contains(attemptOf(seq, attempt));
    }

    /**
     * Counts the identities.
     *
     * @param read the sequences that are in the log
     */
    Counts count(BitSet read) {
        BitSet rest = (BitSet) attempted.clone();
        rest.andNot(acknowledged);
        long notAcknowledged = rest.cardinality();
        rest.and(indeterminate);
        long unresolved = rest.cardinality();
        rest.and(read);
        long landed = rest.cardinality();
        return new Counts(acknowledged.cardinality(), notAcknowledged - unresolved, landed, unresolved - landed);
    }
}
