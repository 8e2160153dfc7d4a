import java.util.*;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.common.TopicPartition;

/** A check of a topic's log: TopicReader says what to read to it, and calls it for each partition by offset. */
abstract class LogCheck {
    String topic;
    /** Why not everything is known, in words. */
    final Set<String> incomplete = new LinkedHashSet<>();

    Screen screen = Screen.none();
    private final Map<Integer, Long> positions = new TreeMap<>();

    // ---- What is to be read ----

    /** Returns where to begin with a partition. */
    long startOf(int partition) {
        return 0;
    }

    /** Returns the offset that has to be passed, even if it is beyond the end; -1: only what is there now. */
    long highestOf(int partition) {
        return -1;
    }

    /** Returns up to where to read at least, of what is there now. */
    long endOf(int partition, long end) {
        return end;
    }

    /** Returns the view to read: nobody was promised what only those see who read uncommitted records. */
    String isolation() {
        return "read_committed";
    }

    /**
     * Returns from where on the log is read once more, with what was aborted or is not committed yet; -1: nowhere. It
     * is asked when the committed records were read.
     */
    long uncommittedFrom(int partition) {
        return -1;
    }

    // ---- What is read ----

    /** Is called before the first record. */
    void begins(Admin admin, Map<TopicPartition, Long> starts, Map<TopicPartition, Long> ends) throws Exception {}

    abstract void record(ConsumerRecord<byte[], Void> record);

    /** Is called for each record of the second reading, committed or not. */
    void uncommitted(ConsumerRecord<byte[], Void> record) {}

    /** Is called if the last stable offset is before the end: what comes after it cannot be judged yet. */
    void open(int partition, long from) {}

    /** Is called for offsets that the log's start had passed before they were read, by retention or deletion. */
    void expired(int partition, long from, long to) {}

    /** Is called when the reader has passed everything before this offset. */
    void reached(int partition, long position) {
        positions.put(partition, position);
    }

    // ---- Where the log ends ----

    /** Returns whether those whose records are looked for write nothing any more. */
    boolean producersEnded() {
        return true;
    }

    /** Is called if the log is proved to end here: nothing beyond can appear any more. */
    void endsAt(int partition, long end) {
        if (end < position(partition)) {
            shorter(partition, end);
        } else {
            ended(partition);
        }
    }

    /** The end is what was reached. */
    void ended(int partition) {
        shorter(partition, position(partition));
    }

    /** The end is before what was reached: what was read from there on is gone by now. */
    void shorter(int partition, long end) {
        String read = end < position(partition) ? ", up to offset " + position(partition) : "";
        incomplete.add("partition " + partition + " ends at offset " + end
                + " now: it has become shorter while it was read" + read);
    }

    // ---- How far it is ----

    long position(int partition) {
        return positions.getOrDefault(partition, 0L);
    }

    /** Returns how many offsets are left up to these. */
    long left(Map<TopicPartition, Long> targets) {
        return targets.entrySet().stream()
                .mapToLong(t -> Math.max(0, t.getValue() - position(t.getKey().partition())))
                .sum();
    }

    /** What the verdicts of all checks have in common. */
    interface Verdict {
        Result result();

        /** Returns why not everything is known; empty if it is. */
        List<String> incomplete();

        default String verdict() {
            return result().word();
        }

        default int exitCode() {
            return result().exitCode;
        }
    }

    /** The result of a check, from the best to the worst. */
    enum Result {
        PASS(0),
        INCOMPLETE(Cli.INCOMPLETE),
        FAIL(Cli.ANOMALY);

        final int exitCode;

        Result(int exitCode) {
            this.exitCode = exitCode;
        }

        /** Returns the result of a check: what is proved wrong counts even if not everything was read. */
        static Result of(boolean fails, boolean complete) {
            if (fails) {
                return FAIL;
            }
            return complete ? PASS : INCOMPLETE;
        }

        /** Returns the word for it in JSON. */
        String word() {
            return name().toLowerCase(Locale.ROOT);
        }
    }
}
