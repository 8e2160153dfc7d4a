import java.time.Duration;
import java.util.*;
import java.util.concurrent.ExecutionException;
import org.apache.kafka.clients.admin.*;
import org.apache.kafka.common.Node;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.errors.ApiException;

/**
 * Looks at where partitions end whose acknowledged offsets could not all be reached: twice, since a high watermark that
 * is held back may move.
 */
final class LogEnds {
    private static final int ANSWER_TIMEOUT_MS = 3000;
    private static final int NODE_TIMEOUT_MS = 1500;

    private final Admin admin;
    private final TopicQuery topic;
    /** Nothing has moved for this long when the first look is taken. */
    private final long quietNanos;

    private Map<TopicPartition, End> first = Map.of();
    private long lastMovement;

    LogEnds(Admin admin, TopicQuery topic, Duration timeout) {
        this.admin = admin;
        this.topic = topic;
        quietNanos = Math.min(1_000_000_000, timeout.toNanos() / 3);
    }

    /** Takes the first look, when nothing has moved for a while; another one if something has since. */
    void lookOnce(Set<TopicPartition> partitions, long moved) throws Exception {
        if (lastMovement == moved || System.nanoTime() - moved < quietNanos) {
            return;
        }
        lastMovement = moved;
        first = look(partitions);
    }

    /** Takes the second look, at the end: which logs are proved to end, and why the others are incomplete. */
    void judge(LogCheck log, Map<TopicPartition, Long> targets) throws Exception {
        if (targets.isEmpty()) {
            return;
        }
        Map<TopicPartition, End> second = look(targets.keySet());
        targets.forEach((p, target) -> {
            End end = second.get(p);
            long reached = log.position(p.partition());
            Optional<String> why =
                    End.mayAppear(reached, first.getOrDefault(p, End.UNKNOWN), end, log.producersEnded());
            why.ifPresentOrElse(
                    reason -> log.incomplete.add("partition " + p.partition() + " was read up to offset " + reached
                            + " and not to " + target + ": " + reason),
                    () -> log.endsAt(p.partition(), end.highWatermark()));
        });
    }

    private Map<TopicPartition, End> look(Set<TopicPartition> partitions) throws Exception {
        Map<TopicPartition, End> ends = new HashMap<>();
        partitions.forEach(p -> ends.put(p, End.UNKNOWN));
        try {
            requireQuorum();
            ListOffsetsOptions soon = new ListOffsetsOptions().timeoutMs(ANSWER_TIMEOUT_MS);
            Map<TopicPartition, Long> highWatermarks =
                    TopicQuery.answers(topic.ask(partitions, OffsetSpec.latest(), soon), partitions);
            Map<Node, Boolean> alive = new HashMap<>();
            topic.describe(new DescribeTopicsOptions().timeoutMs(ANSWER_TIMEOUT_MS))
                    .forEach((p, info) -> {
                        info.isr().forEach(node -> alive.computeIfAbsent(node, LogEnds::answers));
                        int inSync =
                                (int) info.isr().stream().filter(alive::get).count();
                        long end = highWatermarks.getOrDefault(p, -1L);
                        ends.replace(p, new End(end, inSync, info.replicas().size()));
                    });
        } catch (ExecutionException | ApiException notAnswered) {
            // What was not answered is unknown.
        }
        return ends;
    }

    /** Asks the quorum: without it, the ISRs are what they were when it was lost. */
    private void requireQuorum() throws Exception {
        DescribeMetadataQuorumOptions soon = new DescribeMetadataQuorumOptions().timeoutMs(ANSWER_TIMEOUT_MS);
        admin.describeMetadataQuorum(soon).quorumInfo().get();
    }

    private static boolean answers(Node node) {
        return !node.isEmpty() && Cli.Common.answers(node.host(), node.port(), NODE_TIMEOUT_MS);
    }

    /**
     * Where the log of a partition ends, as seen at one moment.
     *
     * @param highWatermark -1: unknown
     * @param inSync replicas in the ISR whose node answers
     */
    record End(long highWatermark, int inSync, int replicas) {
        static final End UNKNOWN = new End(-1, 0, 0);

        /**
         * Returns why a record acknowledged beyond the end may still appear. Empty: it is lost, since the leader has
         * truncated its log, and no replica has the record.
         *
         * @param reached up to where the log was read
         */
        static Optional<String> mayAppear(long reached, End first, End second, boolean producersEnded) {
            for (End look : List.of(first, second)) {
                if (look.highWatermark < 0) {
                    return Optional.of("who leads it, and which replicas are in sync, is not known");
                }
                if (look.inSync < look.replicas) {
                    return Optional.of("only " + look.inSync + " of " + look.replicas + " replicas are in sync");
                }
            }
            if (first.highWatermark != second.highWatermark) {
                return Optional.of("its end still moves");
            }
            if (second.highWatermark > reached) {
                return Optional.of("its end is " + second.highWatermark + ", and a transaction may be open");
            }
            return producersEnded ? Optional.empty() : Optional.of("its producer may still run");
        }
    }
}
