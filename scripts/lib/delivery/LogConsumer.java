import java.nio.ByteBuffer;
import java.time.Duration;
import java.util.*;
import org.apache.kafka.clients.consumer.*;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.header.Headers;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.Deserializer;

/** Reads one view of a log with a consumer that has no group, and leaves nothing behind on the cluster. */
final class LogConsumer {
    private static final Map<String, String> DEFAULTS = Map.of(
            "max.poll.records", "5000",
            "receive.buffer.bytes", "2097152",
            // close() waits for the fetch that is under way at the end.
            "fetch.max.wait.ms", "50");
    private static final long REPORT_NANOS = 10_000_000_000L;

    private final Cli.Common common;
    private final LogCheck log;
    private final LogEnds logEnds;
    /** Up to where each partition has yet to be read. */
    private final Map<TopicPartition, Long> targets = new HashMap<>();

    private long began;
    private long moved;
    private long reported;
    private long total;
    private long records;

    /** Values say nothing to a check: they are not even copied. */
    private static final class Unread implements Deserializer<Void> {
        @Override
        public Void deserialize(String topic, byte[] data) {
            return null;
        }

        @Override
        public Void deserialize(String topic, Headers headers, ByteBuffer data) {
            return null;
        }
    }

    LogConsumer(Cli.Common common, LogCheck log, LogEnds logEnds) {
        this.common = common;
        this.log = log;
        this.logEnds = logEnds;
    }

    void read(Map<TopicPartition, Long> starts, Map<TopicPartition, Long> ends) throws Exception {
        try (var consumer = new KafkaConsumer<>(properties(), new ByteArrayDeserializer(), new Unread())) {
            consumer.assign(ends.keySet());
            ends.forEach((p, end) -> {
                long start = Math.max(starts.get(p), Math.min(end, log.startOf(p.partition())));
                log.expired(p.partition(), 0, starts.get(p));
                goTo(consumer, p, start);
                targets.put(p, Math.max(log.endOf(p.partition(), end), log.highestOf(p.partition()) + 1));
            });
            poll(consumer);
            logEnds.judge(log, targets);
        }
    }

    private Properties properties() throws Exception {
        Properties properties = common.client(
                "enable.auto.commit", false, "isolation.level", log.isolation(), "auto.offset.reset", "none");
        DEFAULTS.forEach(properties::putIfAbsent);
        properties.keySet().removeAll(List.of("group.id", "group.instance.id", "group.protocol"));
        return properties;
    }

    private void goTo(KafkaConsumer<byte[], Void> consumer, TopicPartition partition, long offset) {
        consumer.seek(partition, offset);
        log.reached(partition.partition(), offset);
    }

    /** Polls until each partition has passed its target, or nothing moves for --timeout. */
    private void poll(KafkaConsumer<byte[], Void> consumer) throws Exception {
        began = System.nanoTime();
        moved = began;
        reported = began;
        total = Math.max(1, log.left(targets));
        while (true) {
            List<TopicPartition> done = targets.keySet().stream()
                    .filter(p -> log.position(p.partition()) >= targets.get(p))
                    .toList();
            consumer.pause(done);
            targets.keySet().removeAll(done);
            if (targets.isEmpty() || System.nanoTime() - moved > common.timeout.toNanos()) {
                return;
            }
            logEnds.lookOnce(targets.keySet(), moved);
            try {
                accept(consumer.poll(Duration.ofMillis(200)));
                showProgress();
            } catch (OffsetOutOfRangeException e) {
                outOfRange(consumer, e.offsetOutOfRangePartitions());
            }
        }
    }

    private void accept(ConsumerRecords<byte[], Void> polled) {
        for (TopicPartition p : polled.partitions()) {
            for (ConsumerRecord<byte[], Void> r : polled.records(p)) {
                log.record(r);
            }
        }
        // Also past gaps, which have no record.
        polled.nextOffsets().forEach((p, next) -> log.reached(p.partition(), next.offset()));
        if (!polled.nextOffsets().isEmpty()) {
            moved = System.nanoTime();
        }
        records += polled.count();
    }

    private void showProgress() {
        double share = 1 - log.left(targets) / (double) total;
        double seconds = (System.nanoTime() - began) / 1e9;
        String left = Screen.left(share, seconds);
        log.screen.bar(share, String.format(Locale.ROOT, "%.0f records/s, %s", records / seconds, left));
        if (!log.screen.isOn() && moved - reported > REPORT_NANOS) {
            common.say("%,d records read, %d partitions still to be read to their end.", records, targets.size());
            reported = moved;
        }
    }

    /**
     * Goes on from the log's start, if it has moved while we read. Else the log has become shorter: nothing more can be
     * read without reading records twice.
     */
    private void outOfRange(KafkaConsumer<byte[], Void> consumer, Map<TopicPartition, Long> positions) {
        consumer.beginningOffsets(positions.keySet(), common.timeout).forEach((p, start) -> {
            if (start > positions.get(p)) {
                log.expired(p.partition(), positions.get(p), start);
                goTo(consumer, p, start);
            } else {
                consumer.pause(List.of(p));
            }
        });
    }
}
