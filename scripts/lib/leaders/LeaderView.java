import java.time.Instant;
import java.util.*;
import org.apache.kafka.common.TopicPartition;

/** What is known of the active controller and the partitions, from answers that may be old. Reports each change. */
final class LeaderView {
    /** What a broker has just overtaken is not taken from another one for this long. */
    private static final long LAG = 300 * LeaderLink.MS;

    /** A partition as a broker reports it; the ids are sorted, so that two of the same members are equal. */
    record Leader(int node, int epoch, List<Integer> isr, List<Integer> replicas) {
        boolean isDegraded(Set<Integer> live) {
            boolean isLate = isr.size() < replicas.size() && live.containsAll(replicas);
            return !live.contains(node) || !live.containsAll(isr) || isLate;
        }
    }

    interface Changes {
        /** @param at when the question was asked, or null: a winner was elected between that and now */
        void controller(int node, int epoch, Instant at);

        void leader(TopicPartition partition, Leader leader);
    }

    private final Changes changes;
    private final Map<TopicPartition, Leader> known = new HashMap<>();
    private final Map<TopicPartition, Leader> overtaken = new HashMap<>();
    private final Map<TopicPartition, Long> knownSince = new HashMap<>();
    private final Map<Integer, Map<TopicPartition, Leader>> views = new HashMap<>();
    private int controller = -1;
    private int epoch = -1;
    private boolean reported;
    private long changedAt = System.nanoTime();

    LeaderView(Changes changes) {
        this.changes = changes;
    }

    int controller() {
        return controller;
    }

    long changedAt() {
        return changedAt;
    }

    /** Returns whether a partition has a dead leader or a dead member, or a live one that has still to catch up. */
    boolean isDegraded(Set<Integer> live) {
        return known.values().stream().anyMatch(leader -> leader.isDegraded(live));
    }

    /**
     * Takes who leads the quorum. A leader of before that comes back (it was paused) still believes in its epoch. A
     * winner answers only when it has done what becoming the leader takes: tens of milliseconds on a busy machine.
     */
    void seeController(int node, int leaderEpoch, Instant askedAt) {
        boolean isKnown = reported && node == controller && leaderEpoch == epoch;
        if (leaderEpoch < epoch || isKnown) {
            return;
        }
        reported = true;
        controller = node;
        epoch = leaderEpoch;
        changedAt = System.nanoTime();
        changes.controller(node, epoch, askedAt);
    }

    /** Takes that nobody leads the quorum any more. */
    void seeNoController() {
        seeController(-1, epoch, null);
    }

    /**
     * Takes a partition, if it is new to the broker that reports it. What another broker has just overtaken is taken
     * later, if the broker goes on reporting it.
     */
    void seePartition(int broker, TopicPartition partition, Leader seen) {
        Map<TopicPartition, Leader> view = views.computeIfAbsent(broker, b -> new HashMap<>());
        long now = System.nanoTime();
        boolean isNew = isNew(partition, seen, view.get(partition));
        if (isNew && seen.equals(overtaken.get(partition)) && now - knownSince.get(partition) < LAG) {
            return;
        }
        view.put(partition, seen);
        if (!isNew) {
            return;
        }
        overtaken.put(partition, known.put(partition, seen));
        knownSince.put(partition, now);
        changedAt = now;
        changes.leader(partition, seen);
    }

    private boolean isNew(TopicPartition partition, Leader seen, Leader seenBefore) {
        Leader current = known.get(partition);
        if (current == null) {
            return true;
        }
        return !seen.equals(seenBefore) && seen.epoch >= current.epoch && !seen.equals(current);
    }
}
