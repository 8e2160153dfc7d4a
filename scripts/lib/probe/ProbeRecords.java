//SOURCES ProbeAnswer.java ProbeClients.java ProbeMetadata.java

import java.time.Duration;
import java.util.*;
import java.util.concurrent.*;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.OffsetSpec;
import org.apache.kafka.clients.consumer.CloseOptions;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.errors.InvalidMetadataException;
import org.apache.kafka.common.errors.TimeoutException;
import org.apache.kafka.common.header.internals.RecordHeader;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.ByteArraySerializer;

/** Produces to each broker, and reads the acknowledged records. */
final class ProbeRecords {
    static final List<String> ACKS = List.of("0", "1", "all");

    private final ProbeClients clients;
    private final String mark;
    private final Map<ProbeMetadata.Led, CompletableFuture<Long>> acknowledged = new LinkedHashMap<>();

    /** @param mark the header of the records, and the transactional id */
    ProbeRecords(ProbeClients clients, String mark, List<ProbeMetadata.Led> led) {
        this.clients = clients;
        this.mark = mark;
        led.forEach(partition -> acknowledged.put(partition, new CompletableFuture<>()));
    }

    /** Asks all questions in parallel. */
    List<Future<List<ProbeAnswer>>> ask() {
        List<Future<List<ProbeAnswer>>> asked = new ArrayList<>();
        ACKS.forEach(acks -> asked.add(clients.submit(() -> produce(acks))));
        acknowledged.forEach((led, offset) -> asked.add(clients.submit(() -> List.of(read(led, offset)))));
        return asked;
    }

    /**
     * Sends one record to each leader. Only "not (yet) the leader" is retried: a retry would hide any other answer.
     */
    private List<ProbeAnswer> produce(String acks) throws Exception {
        if (acknowledged.isEmpty()) {
            return List.of();
        }
        KafkaProducer<byte[], byte[]> producer = producer("acks", acks, "enable.idempotence", false, "retries", 0);
        try {
            List<Future<ProbeAnswer>> answers = new ArrayList<>();
            for (ProbeMetadata.Led led : acknowledged.keySet()) {
                answers.add(clients.submit(() -> send(producer, led, acks)));
            }
            return ProbeClients.all(answers);
        } finally {
            producer.close(Duration.ZERO);
        }
    }

    private ProbeAnswer send(KafkaProducer<byte[], byte[]> producer, ProbeMetadata.Led led, String acks) {
        long deadline = clients.deadline();
        CompletableFuture<Long> offset = new CompletableFuture<>();
        String detail = acks.equals("0") ? "sent; nothing is confirmed" : "";
        ProbeAnswer answer = clients.timed("produce acks=" + acks, led.node(), none -> {
            offset.complete(send(producer, record(led.partition(), "acks=" + acks), deadline));
            return detail;
        });
        if (acks.equals("1")) {
            acknowledged.get(led).complete(offset.getNow(-1L));
        }
        return answer.withOffsets(offset.getNow(-1L), -1);
    }

    private static long send(
            KafkaProducer<byte[], byte[]> producer, ProducerRecord<byte[], byte[]> record, long deadline)
            throws Exception {
        while (true) {
            long left = ProbeClients.left(deadline).toMillis();
            try {
                return producer.send(record).get(left, TimeUnit.MILLISECONDS).offset();
            } catch (ExecutionException e) {
                boolean again = ProbeClients.left(deadline).toMillis() >= 100;
                if (!(e.getCause() instanceof InvalidMetadataException) || !again) {
                    throw e;
                }
                Thread.sleep(50);
            }
        }
    }

    private ProducerRecord<byte[], byte[]> record(TopicPartition to, String what) {
        RecordHeader header = new RecordHeader(mark, what.getBytes());
        return new ProducerRecord<>(to.topic(), to.partition(), null, null, what.getBytes(), List.of(header));
    }

    private KafkaProducer<byte[], byte[]> producer(Object... pairs) throws Exception {
        return new KafkaProducer<>(clients.properties(pairs), new ByteArraySerializer(), new ByteArraySerializer());
    }

    /**
     * Sends one record in a transaction to a leader that answers, since this does not test the partition; and not to a
     * partition that is read meanwhile: reading would stop before the open transaction.
     *
     * @param to may be null
     */
    String transact(TopicPartition to) throws Exception {
        KafkaProducer<byte[], byte[]> producer =
                producer("acks", "all", "transactional.id", mark, "transaction.timeout.ms", 10_000);
        try {
            producer.initTransactions();
            producer.beginTransaction();
            if (to != null) {
                producer.send(record(to, "transaction")).get(clients.timeout.toMillis(), TimeUnit.MILLISECONDS);
            }
            producer.commitTransaction();
            return to == null ? "an empty one" : "one record, committed";
        } finally {
            producer.close(Duration.ZERO);
        }
    }

    // ---- Reading ----

    /** Reads up to the high watermark, after waiting a moment for it to pass the record with acks=1. */
    private ProbeAnswer read(ProbeMetadata.Led led, CompletableFuture<Long> acked) {
        Reading reading = new Reading(led.partition());
        return clients.timed("read committed", led.node(), admin -> reading.read(admin, acked))
                .withOffsets(reading.acknowledged, reading.highWatermark);
    }

    private final class Reading {
        private final TopicPartition partition;
        private final long deadline = clients.deadline();
        private long acknowledged = -1;
        private long highWatermark = -1;

        Reading(TopicPartition partition) {
            this.partition = partition;
        }

        String read(Admin admin, CompletableFuture<Long> acked) throws Exception {
            Properties properties =
                    clients.properties("isolation.level", "read_committed", "auto.offset.reset", "earliest");
            KafkaConsumer<byte[], byte[]> consumer =
                    new KafkaConsumer<>(properties, new ByteArrayDeserializer(), new ByteArrayDeserializer());
            try {
                awaitHighWatermark(admin, acked);
                long end = readToEnd(consumer);
                return end < highWatermark
                        ? "up to " + end + ", where an open transaction is, of " + highWatermark
                        : "up to the high watermark";
            } finally {
                consumer.close(CloseOptions.timeout(Duration.ofMillis(300)));
            }
        }

        private void awaitHighWatermark(Admin admin, CompletableFuture<Long> acked) throws Exception {
            long patience = System.nanoTime() + clients.timeout.toNanos() / 2;
            try {
                acknowledged = acked.get(ProbeClients.left(patience).toMillis(), TimeUnit.MILLISECONDS);
            } catch (java.util.concurrent.TimeoutException e) {
                // reads without waiting for that record
            }
            highWatermark = highWatermark(admin);
            while (highWatermark <= acknowledged && System.nanoTime() <= patience) {
                Thread.sleep(10);
                highWatermark = highWatermark(admin);
            }
        }

        private long highWatermark(Admin admin) throws Exception {
            return admin.listOffsets(Map.of(partition, OffsetSpec.latest()))
                    .partitionResult(partition)
                    .get(ProbeClients.left(deadline).toMillis(), TimeUnit.MILLISECONDS)
                    .offset();
        }

        private long readToEnd(KafkaConsumer<byte[], byte[]> consumer) {
            consumer.assign(List.of(partition));
            long lastStable = consumer.endOffsets(List.of(partition), ProbeClients.left(deadline))
                    .get(partition);
            consumer.seek(partition, Math.max(0, lastStable - 1));
            while (consumer.position(partition, ProbeClients.left(deadline)) < lastStable) {
                if (System.nanoTime() > deadline) {
                    throw new TimeoutException("not read to its end");
                }
                consumer.poll(Duration.ofMillis(100));
            }
            return lastStable;
        }
    }
}
