import java.util.*;
import java.util.concurrent.ExecutionException;
import org.apache.kafka.clients.admin.*;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.TopicPartitionInfo;
import org.apache.kafka.common.config.ConfigResource;
import org.apache.kafka.common.errors.RetriableException;

/** Asks the cluster about a topic: its partitions, their offsets, whether it is compacted. */
final class TopicQuery {
    private final Admin admin;
    private final String topic;

    TopicQuery(Admin admin, String topic) {
        this.admin = admin;
        this.topic = topic;
    }

    Map<TopicPartition, TopicPartitionInfo> describe(DescribeTopicsOptions options) throws Exception {
        Map<TopicPartition, TopicPartitionInfo> partitions = new LinkedHashMap<>();
        TopicDescription description = admin.describeTopics(List.of(topic), options)
                .allTopicNames()
                .get()
                .get(topic);
        description.partitions().forEach(p -> partitions.put(new TopicPartition(topic, p.partition()), p));
        return partitions;
    }

    /** Asks for offsets, without waiting for the answer. */
    ListOffsetsResult ask(Iterable<TopicPartition> partitions, OffsetSpec spec, ListOffsetsOptions options) {
        Map<TopicPartition, OffsetSpec> wanted = new HashMap<>();
        partitions.forEach(p -> wanted.put(p, spec));
        return admin.listOffsets(wanted, options);
    }

    /** Returns the offsets of the partitions that answered within --timeout; one without a leader does not. */
    static Map<TopicPartition, Long> answers(ListOffsetsResult result, Iterable<TopicPartition> partitions)
            throws Exception {
        Map<TopicPartition, Long> offsets = new HashMap<>();
        for (TopicPartition p : partitions) {
            try {
                offsets.put(p, result.partitionResult(p).get().offset());
            } catch (ExecutionException e) {
                if (!(e.getCause() instanceof RetriableException)) {
                    throw e;
                }
            }
        }
        return offsets;
    }

    /** Returns whether the topic is compacted; empty if the client may not ask. */
    Optional<Boolean> isCompacted() throws InterruptedException {
        ConfigResource config = new ConfigResource(ConfigResource.Type.TOPIC, topic);
        try {
            String policy = admin.describeConfigs(List.of(config))
                    .all()
                    .get()
                    .get(config)
                    .get("cleanup.policy")
                    .value();
            return Optional.of(policy.contains("compact"));
        } catch (ExecutionException notPermitted) {
            return Optional.empty();
        }
    }
}
