//SOURCES ProbeAnswer.java ProbeClients.java ProbeMetadata.java

import java.time.Duration;
import java.util.*;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Future;
import java.util.function.BiFunction;
import java.util.stream.IntStream;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.consumer.CloseOptions;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.common.KafkaFuture;
import org.apache.kafka.common.errors.GroupIdNotFoundException;
import org.apache.kafka.common.errors.TimeoutException;
import org.apache.kafka.common.errors.TransactionalIdNotFoundException;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.utils.Utils;

/** Asks the coordinators of groups and transactions. */
final class ProbeCoordinators {
    private final ProbeClients clients;
    private final ProbeMetadata metadata;
    private final String own;

    /** @param own the name of the probe's group */
    ProbeCoordinators(ProbeClients clients, ProbeMetadata metadata, String own) {
        this.clients = clients;
        this.metadata = metadata;
        this.own = own;
    }

    /** Returns why a question is not asked that would create an internal topic. */
    static String noTopicYet(String internal) {
        return "the cluster had none yet: asking makes the internal topic " + internal + " (--all)";
    }

    Future<List<ProbeAnswer>> askForGroups() {
        return clients.submit(() -> ask(
                "group coordinator",
                ProbeMetadata.GROUPS,
                (admin, id) -> admin.describeConsumerGroups(List.of(id)).all()));
    }

    Future<List<ProbeAnswer>> askForTransactions() {
        return clients.submit(() -> ask(
                "txn coordinator",
                ProbeMetadata.TRANSACTIONS,
                (admin, id) -> admin.describeTransactions(List.of(id)).all()));
    }

    /** Asks each leader of the internal topic for a group or transactional id that is not there. */
    private List<ProbeAnswer> ask(String question, String internal, BiFunction<Admin, String, KafkaFuture<?>> describe)
            throws Exception {
        if (!metadata.has(internal)) {
            return List.of(ProbeAnswer.notAsked(question, noTopicYet(internal)));
        }
        int partitions = metadata.topic(internal).partitions().size();
        List<Future<ProbeAnswer>> asked = new ArrayList<>();
        for (ProbeMetadata.Led led : metadata.led(internal)) {
            String id = idOf(led.partition().partition(), partitions);
            asked.add(clients.submit(
                    () -> clients.timed(question, led.node(), admin -> requireNotFound(describe.apply(admin, id)))));
        }
        return ProbeClients.all(asked);
    }

    /** Returns an id whose coordinator is the leader of a partition. */
    private String idOf(int partition, int partitions) {
        return IntStream.iterate(0, i -> i + 1)
                .mapToObj(i -> own + i)
                .filter(id -> Utils.abs(id.hashCode()) % partitions == partition)
                .findFirst()
                .orElseThrow();
    }

    private static String requireNotFound(KafkaFuture<?> answer) throws Exception {
        try {
            answer.get();
        } catch (ExecutionException e) {
            boolean notFound = e.getCause() instanceof TransactionalIdNotFoundException
                    || e.getCause() instanceof GroupIdNotFoundException;
            if (!notFound) {
                throw e;
            }
        }
        return "answers; whether it can commit, --all asks";
    }

    /** Joins a group and commits an offset. */
    String join(String topic) throws Exception {
        long deadline = clients.deadline();
        Properties properties = clients.properties(
                "group.id",
                own,
                "enable.auto.commit",
                false,
                "session.timeout.ms",
                6_000,
                "heartbeat.interval.ms",
                1_000);
        KafkaConsumer<byte[], byte[]> consumer =
                new KafkaConsumer<>(properties, new ByteArrayDeserializer(), new ByteArrayDeserializer());
        try {
            consumer.subscribe(List.of(topic));
            while (consumer.assignment().isEmpty()) {
                if (System.nanoTime() > deadline) {
                    throw new TimeoutException("no assignment");
                }
                consumer.poll(Duration.ofMillis(100));
            }
            OffsetAndMetadata start = new OffsetAndMetadata(0);
            consumer.commitSync(Map.of(consumer.assignment().iterator().next(), start), ProbeClients.left(deadline));
            return "joined, " + consumer.assignment().size() + " partitions assigned, committed";
        } finally {
            consumer.close(CloseOptions.timeout(Duration.ofMillis(500)));
        }
    }
}
