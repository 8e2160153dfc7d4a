//SOURCES ProbeAnswer.java ProbeTable.java ../cli/Cli.java

import java.time.Duration;
import java.util.*;
import java.util.concurrent.*;
import java.util.stream.Stream;
import org.apache.kafka.clients.admin.*;
import org.apache.kafka.common.*;
import org.apache.kafka.common.errors.LeaderNotAvailableException;
import org.apache.kafka.common.errors.UnknownTopicOrPartitionException;

/** What the cluster's metadata says, and how much of it cannot be true. */
final class ProbeMetadata {
    static final String GROUPS = "__consumer_offsets";
    static final String TRANSACTIONS = "__transaction_state";
    private static final int MOST_TOPICS = 500;
    private static final long FOLLOWS_WITHIN_MS = 3_000;
    private static final int ALIVE_WITHIN_MS = 1_000;

    /** A broker, and one of a topic's partitions that it leads. */
    record Led(int node, TopicPartition partition) {}

    private final Duration timeout;
    final Set<Integer> silent = new ConcurrentSkipListSet<>();
    private volatile List<Integer> brokers = List.of();
    private volatile Set<String> names = Set.of();
    private volatile Map<String, TopicDescription> topics = new ConcurrentSkipListMap<>();
    volatile boolean hasController;

    ProbeMetadata(Duration timeout) {
        this.timeout = timeout;
    }

    String describeCluster(Admin admin) throws Exception {
        Collection<Node> nodes = admin.describeCluster().nodes().get();
        brokers = nodes.stream().map(Node::id).sorted().toList();
        int patience = (int) Math.min(timeout.toMillis(), ALIVE_WITHIN_MS);
        nodes.parallelStream()
                .filter(node -> !Cli.Common.answers(node.host(), node.port(), patience))
                .forEach(node -> silent.add(node.id()));
        String dead = silent.isEmpty() ? "" : "; of these " + ProbeTable.commas(silent) + " in fact silent";
        return "brokers " + ProbeTable.commas(brokers) + dead;
    }

    /** Describes the topics that matter here, up to a limit; {@link #withReplicas} completes the sentence. */
    String describeTopics(Admin admin, String wanted) throws Exception {
        ListTopicsOptions options = new ListTopicsOptions().listInternal(true);
        names = admin.listTopics(options).names().get();
        Stream<String> first =
                Stream.of(GROUPS, TRANSACTIONS, String.valueOf(wanted)).filter(names::contains);
        List<String> some = Stream.concat(first, names.stream().sorted())
                .distinct()
                .limit(MOST_TOPICS)
                .toList();
        topics = new ConcurrentSkipListMap<>(describe(admin, some));
        String of = some.size() < names.size() ? some.size() + " of " : "";
        return of + names.size() + " topics, in-sync replicas ";
    }

    /** Adds to the answer on topics how many replicas are in sync, and how many of these are on silent nodes. */
    ProbeAnswer withReplicas(ProbeAnswer answer) {
        if (!answer.isOk()) {
            return answer;
        }
        List<TopicPartitionInfo> partitions = topics.values().stream()
                .flatMap(topic -> topic.partitions().stream())
                .toList();
        List<Integer> inSync = partitions.stream()
                .flatMap(partition -> partition.isr().stream())
                .map(Node::id)
                .toList();
        int replicas = partitions.stream()
                .mapToInt(partition -> partition.replicas().size())
                .sum();
        long dead = inSync.stream().filter(silent::contains).count();
        return answer.withDetail(answer.detail() + inSync.size() + " of " + replicas
                + (dead == 0 ? "" : "; of these " + dead + " on silent nodes")
                + (hasController ? "" : ": frozen metadata"));
    }

    /**
     * Describes the quorum. A leader counts only while a majority of the voters fetches from it, by its own clock: the
     * last survivor still reports itself as leader for some seconds.
     */
    String describeQuorum(Admin admin) throws Exception {
        int patience = (int) Math.min(timeout.toMillis(), 3_000);
        DescribeMetadataQuorumOptions options = new DescribeMetadataQuorumOptions().timeoutMs(patience);
        QuorumInfo quorum = admin.describeMetadataQuorum(options).quorumInfo().get();
        int voters = quorum.voters().size();
        long followers = countFollowers(quorum);
        hasController = quorum.leaderId() >= 0 && followers * 2 > voters;
        if (!hasController) {
            throw new LeaderNotAvailableException("no majority follows node " + quorum.leaderId());
        }
        return "active controller " + quorum.leaderId() + ", epoch " + quorum.leaderEpoch() + ", " + followers + " of "
                + voters + " voters follow";
    }

    private static long countFollowers(QuorumInfo quorum) {
        long now = quorum.voters().stream()
                .filter(voter -> voter.replicaId() == quorum.leaderId())
                .map(ProbeMetadata::lastFetch)
                .findFirst()
                .orElse(-1L);
        return quorum.voters().stream()
                .filter(voter -> voter.replicaId() == quorum.leaderId() || now - lastFetch(voter) <= FOLLOWS_WITHIN_MS)
                .count();
    }

    private static long lastFetch(QuorumInfo.ReplicaState voter) {
        return voter.lastFetchTimestamp().orElse(-1);
    }

    // ---- Topics ----

    Set<String> names() {
        return names;
    }

    boolean has(String topic) {
        return topics.containsKey(topic);
    }

    TopicDescription topic(String name) {
        return topics.get(name);
    }

    /** Returns a topic that is not internal, or null. */
    String anyTopic() {
        return topics.keySet().stream()
                .filter(topic -> !topic.startsWith("__"))
                .findFirst()
                .orElse(null);
    }

    /** Describes a topic again. Returns whether each broker leads a partition of it. */
    boolean isLedByAll(Admin admin, String name) throws Exception {
        topics.putAll(describe(admin, List.of(name)));
        return has(name) && led(name).size() == brokers.size();
    }

    /** Returns a partition led by each broker, where user topics would have their replicas too, and one more. */
    Map<Integer, List<Integer>> assignment() {
        Map<Integer, List<Integer>> assignment = new HashMap<>();
        for (int partition = 0; partition <= brokers.size(); partition++) {
            List<Integer> replicas = new ArrayList<>(brokers);
            Collections.rotate(replicas, -partition % brokers.size());
            assignment.put(partition, replicas.subList(0, Math.min(3, replicas.size())));
        }
        return assignment;
    }

    /** Returns a partition for each broker that leads one. */
    List<Led> led(String name) {
        Map<Integer, Led> led = new TreeMap<>();
        for (TopicPartitionInfo partition : topic(name).partitions()) {
            if (partition.leader() != null && !partition.leader().isEmpty()) {
                int leader = partition.leader().id();
                led.putIfAbsent(leader, new Led(leader, new TopicPartition(name, partition.partition())));
            }
        }
        return List.copyOf(led.values());
    }

    private static Map<String, TopicDescription> describe(Admin admin, List<String> names) throws Exception {
        Map<String, TopicDescription> found = new TreeMap<>();
        for (Map.Entry<String, KafkaFuture<TopicDescription>> topic :
                admin.describeTopics(names).topicNameValues().entrySet()) {
            try {
                found.put(topic.getKey(), topic.getValue().get());
            } catch (ExecutionException e) {
                if (!(e.getCause() instanceof UnknownTopicOrPartitionException)) {
                    throw e;
                }
            }
        }
        return found;
    }
}
