import java.util.*;
import java.util.concurrent.ExecutionException;
import org.apache.kafka.clients.admin.*;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.common.IsolationLevel;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.errors.InterruptException;
import org.apache.kafka.common.errors.UnknownTopicOrPartitionException;

/** Reads a topic for a check: what is committed, and then what is not, where the check asks for it. */
final class TopicReader {
    private final Cli.Common common;
    private final Admin admin;
    private final LogCheck log;
    private final TopicQuery topic;

    private TopicReader(Cli.Common common, Admin admin, LogCheck log) {
        this.common = common;
        this.admin = admin;
        this.log = log;
        topic = new TopicQuery(admin, log.topic);
    }

    /**
     * Reads until each partition has passed its highest offset and the end that it has now, or nothing moves for
     * --timeout, or Ctrl-C. What was not reached is in log.incomplete.
     */
    static void read(Cli.Common common, LogCheck log) throws Exception {
        log.screen = Screen.on(common.err);
        try (Admin admin = common.admin()) {
            new TopicReader(common, admin, log).read();
        } catch (InterruptedException | InterruptException e) {
            Thread.interrupted();
            log.incomplete.add("interrupted");
        } finally {
            log.screen.close();
        }
    }

    private void read() throws Exception {
        List<TopicPartition> partitions = partitions();
        ListOffsetsResult earliest = topic.ask(partitions, OffsetSpec.earliest(), new ListOffsetsOptions());
        ListOffsetsResult latest = topic.ask(partitions, OffsetSpec.latest(), new ListOffsetsOptions());
        Map<TopicPartition, Long> starts = TopicQuery.answers(earliest, partitions);
        Map<TopicPartition, Long> ends = TopicQuery.answers(latest, partitions);
        Map<TopicPartition, Long> stable = lastStableOffsets(partitions);
        ends.keySet().retainAll(stable.keySet());
        ends.keySet().retainAll(starts.keySet());
        log.begins(admin, starts, ends);
        for (TopicPartition p : partitions) {
            if (!ends.containsKey(p)) {
                log.incomplete.add("partition " + p.partition() + " does not answer");
            }
        }
        stable.keySet().retainAll(ends.keySet());
        stable.replaceAll((p, offset) -> Math.min(offset, ends.get(p))); // The ends were asked for earlier.
        stable.forEach((p, offset) -> {
            if (offset < ends.get(p)) {
                log.open(p.partition(), offset);
            }
        });
        LogEnds logEnds = new LogEnds(admin, topic, common.timeout);
        new LogConsumer(common, log, logEnds).read(starts, stable);
        readUncommitted(logEnds, starts, ends);
    }

    private List<TopicPartition> partitions() throws Exception {
        try {
            return List.copyOf(topic.describe(new DescribeTopicsOptions()).keySet());
        } catch (ExecutionException e) {
            if (!(e.getCause() instanceof UnknownTopicOrPartitionException)) {
                throw e;
            }
            String missing = "Topic " + Cli.printable(log.topic) + " does not exist at " + common.bootstrapServer;
            throw new Cli.Exit(Cli.INCOMPLETE, missing + ": nothing could be checked.");
        }
    }

    private Map<TopicPartition, Long> lastStableOffsets(List<TopicPartition> partitions) throws Exception {
        ListOffsetsOptions committed = new ListOffsetsOptions(IsolationLevel.READ_COMMITTED);
        return TopicQuery.answers(topic.ask(partitions, OffsetSpec.latest(), committed), partitions);
    }

    private void readUncommitted(LogEnds logEnds, Map<TopicPartition, Long> starts, Map<TopicPartition, Long> ends)
            throws Exception {
        ends.keySet().removeIf(p -> log.uncommittedFrom(p.partition()) < 0);
        if (ends.isEmpty()) {
            return;
        }
        Uncommitted whole = new Uncommitted(log);
        new LogConsumer(common, whole, logEnds).read(starts, ends);
        log.incomplete.addAll(whole.incomplete);
    }

    /** The second reading: the whole log, from the first offset on at which no committed record is. */
    private static final class Uncommitted extends LogCheck {
        private final LogCheck check;

        Uncommitted(LogCheck check) {
            this.check = check;
            topic = check.topic;
            screen = check.screen;
        }

        @Override
        String isolation() {
            return "read_uncommitted";
        }

        @Override
        long startOf(int partition) {
            return check.uncommittedFrom(partition);
        }

        @Override
        void record(ConsumerRecord<byte[], Void> record) {
            check.uncommitted(record);
        }
    }
}
