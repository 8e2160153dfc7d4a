import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.TreeMap;
import java.util.stream.Collectors;
import org.apache.kafka.clients.admin.QuorumInfo;
import org.apache.kafka.clients.admin.QuorumInfo.ReplicaState;
import org.apache.kafka.common.Node;
import org.apache.kafka.common.TopicPartitionInfo;

/**
 * What the page shows of the running cluster: what watch-isr sees, and beside it each node's process or container and
 * its voter's lag. Those arrive from other threads, each in its own time.
 */
final class ClusterView {
    /** A voter's lag is not shown any more when it is older. */
    private static final Duration FRESH = Duration.ofSeconds(3);

    private final Map<Integer, KillNode.Target> targets = new TreeMap<>();
    private final Map<String, Integer> leaders = new HashMap<>();
    private String runtime;
    private QuorumInfo quorum;
    private Instant quorumAt = Instant.EPOCH;

    synchronized void nodes(String runtime, List<KillNode.Target> nodes) {
        this.runtime = runtime;
        targets.clear();
        nodes.forEach(target -> targets.put(target.id(), target));
    }

    synchronized void voters(QuorumInfo quorum) {
        this.quorum = quorum;
        quorumAt = Instant.now();
    }

    /** Returns an event for each partition that has another leader than before, which is no change to watch-isr. */
    List<Map<String, Object>> leaderChanges(WatchIsr.Snapshot seen) {
        List<Map<String, Object>> changes = new ArrayList<>();
        if (seen.alive()) {
            seen.topics()
                    .forEach((topic, partitions) -> partitions.forEach(partition -> {
                        int leader = leader(partition);
                        Integer before = leaders.put(topic + "-" + partition.partition(), leader);
                        if (!Objects.equals(before, leader)) {
                            changes.add(leaderChange(topic, partition));
                        }
                    }));
        }
        return changes;
    }

    private static int leader(TopicPartitionInfo partition) {
        return WatchIsr.ReplicaCounts.isOnline(partition) ? partition.leader().id() : -1;
    }

    private static Map<String, Object> leaderChange(String topic, TopicPartitionInfo partition) {
        Map<String, Object> event = new LinkedHashMap<>();
        event.put("ts", Cli.timestamp());
        event.put("source", "dashboard");
        event.put("type", "leader");
        event.put("topic", topic);
        event.put("partition", partition.partition());
        event.put("leader", leader(partition));
        event.put("leaderEpoch", -1);
        event.put("isr", partition.isr().stream().map(Node::id).toList());
        event.put("replicas", partition.replicas().stream().map(Node::id).toList());
        return event;
    }

    /** Returns the cluster as the page gets it. */
    synchronized Map<String, Object> forPage(WatchIsr.Snapshot seen) {
        Map<Integer, ReplicaState> voters = quorum == null
                ? Map.of()
                : quorum.voters().stream().collect(Collectors.toMap(ReplicaState::replicaId, voter -> voter));
        boolean isFresh = Duration.between(quorumAt, Instant.now()).compareTo(FRESH) < 0;
        ReplicaState leader = isFresh ? voters.get(quorum.leaderId()) : null;
        List<Map<String, Object>> nodes = new ArrayList<>();
        seen.nodes().forEach((id, port) -> {
            Map<String, Object> node = node(id, seen);
            addVoter(node, voters.get(id), leader);
            nodes.add(node);
        });
        Map<String, Object> cluster = new LinkedHashMap<>();
        cluster.put("nodes", nodes);
        cluster.put("runtime", runtime);
        addQuorum(cluster, seen, voters.isEmpty() ? seen.nodes().keySet() : voters.keySet());
        return cluster;
    }

    private Map<String, Object> node(int id, WatchIsr.Snapshot seen) {
        KillNode.Target target = targets.get(id);
        Map<String, Object> node = new LinkedHashMap<>();
        node.put("id", id);
        node.put("port", seen.nodes().get(id));
        node.put("broker", seen.brokers().contains(id) ? "unfenced" : "fenced");
        node.put("address", target == null ? null : target.host() + ":" + target.port());
        node.put("state", target == null ? null : target.state());
        return node;
    }

    /** Adds a voter's role and, while there is a leader, how far it is behind. */
    private static void addVoter(Map<String, Object> node, ReplicaState voter, ReplicaState leader) {
        if (voter == null) {
            node.put("voter", null);
            return;
        }
        if (leader == null) {
            node.put("voter", "voter");
            return;
        }
        node.put("voter", voter.replicaId() == leader.replicaId() ? "leader" : "follower");
        node.put("lag", Math.max(0, leader.logEndOffset() - voter.logEndOffset()));
        if (voter.lastFetchTimestamp().isPresent()
                && leader.lastFetchTimestamp().isPresent()) {
            long behindMs = leader.lastFetchTimestamp().getAsLong()
                    - voter.lastFetchTimestamp().getAsLong();
            node.put("silentMs", Math.max(0, behindMs) / 1_000 * 1_000);
        }
    }

    /** A majority of the voters has to answer: ports show that at once, frozen metadata only seconds later. */
    private static void addQuorum(Map<String, Object> cluster, WatchIsr.Snapshot seen, Set<Integer> voters) {
        long answering = voters.stream()
                .filter(id -> "answers".equals(seen.nodes().get(id)))
                .count();
        boolean hasNoMajority = seen.controller() < 0 && answering * 2 <= voters.size();
        boolean isLost = seen.frozenSince() != null || hasNoMajority;
        String frozenSince = seen.frozenSince() == null ? seen.leaderless() : seen.frozenSince();
        cluster.put("voters", voters.size());
        cluster.put("answering", answering);
        cluster.put("lost", isLost);
        cluster.put("frozenSince", isLost ? frozenSince : null);
    }
}
