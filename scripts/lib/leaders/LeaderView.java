import java.time.Instant;
import java.util.*;
import org.apache.kafka.common.TopicPartition;

/** The active controller and the partitions, from answers that may be stale. Reports each change. */
final class LeaderView {
    /** A state that one broker has just reported as replaced is not taken from another broker for this long. */
    private static final long LAG = 300 * LeaderLink.MS;

    /** A partition as a broker reports it; the ids are sorted, so that two with the same members are equal. */
    record Leader(int node, int epoch, List<Integer> isr, List<Integer> replicas) {
        boolean isDegraded(Set<Integer> live) {
            boolean isLate = isr.size() < replicas.size() && live.containsAll(replicas);
            return !live.contains(node) || !live.containsAll(isr) || isLate;
        }
    }

    interface Changes {
        /** @param at when the request was sent, or null: the election ended between that and now */
        void controller(int node, int epoch, Instant at);

        void leader(TopicPartition partition, Leader leader);
    }

    private final Changes changes;
    private final Map<TopicPartition, Leader> known = new HashMap<>();
    private final Map<TopicPartition, Leader> replaced = new HashMap<>();
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

    /** Returns whether a partition has a dead leader or ISR member, or a live replica that has yet to catch up. */
    boolean isDegraded(Set<Integer> live) {
        return known.values().stream().anyMatch(leader -> leader.isDegraded(live));
    }

    /**
     * Takes the quorum's leader. A former leader that resumes after a pause still reports its old epoch. A new leader
     * answers only when it has finished becoming the leader, which takes tens of milliseconds on a busy machine.
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

    /** Takes that the quorum has no leader any more. */
    void seeNoController() {
        seeController(-1, epoch, null);
    }

    /**
     * Takes a partition if the broker reports it for the first time. A state that another broker has just reported as
     * replaced is taken later, if the broker still reports it then.
     */
    void seePartition(int broker, TopicPartition partition, Leader seen) {
        Map<TopicPartition, Leader> view = views.computeIfAbsent(broker, b -> new HashMap<>());
        long now = System.nanoTime();
        boolean isNew = isNew(partition, seen, view.get(partition));
        if (isNew && seen.equals(replaced.get(partition)) && now - knownSince.get(partition) < LAG) {
            return;
        }
        view.put(partition, seen);
        if (!isNew) {
            return;
        }
        replaced.put(partition, known.put(partition, seen));
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
