//SOURCES MatrixCell.java MatrixCluster.java MatrixFolder.java MatrixRun.java ../cli/Cli.java
//SOURCES ../delivery/Anomaly.java ../delivery/DeliveryVerdict.java

import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.*;
import java.util.concurrent.*;
import org.apache.kafka.clients.admin.*;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.errors.UnknownTopicOrPartitionException;

/** Does one run: a topic and a producer of its own, a fault while writes flow, its undoing, and the delivery check. */
final class MatrixTrial {
    private static final int PARTITIONS = 3;

    private final MatrixCluster cluster;
    private final MatrixFolder folder;
    private final MatrixRun.Plan plan;
    private final MatrixCell cell;
    private final long began = System.nanoTime();
    private final String topic = MatrixFolder.TOPIC + Long.toString(System.currentTimeMillis(), 36);
    private final Path ledger;
    private final Set<Integer> broken = Collections.synchronizedSet(new LinkedHashSet<>());
    private final MatrixCluster.Producer producer;
    private final CountDownLatch producerEnded = new CountDownLatch(1);
    private Future<MatrixCluster.Sent> producing;
    private boolean clusterIsWhole;
    private Admin admin;

    MatrixTrial(MatrixCluster cluster, MatrixFolder folder, MatrixRun.Plan plan) {
        this.cluster = cluster;
        this.folder = folder;
        this.plan = plan;
        cell = plan.cell();
        ledger = folder.ledgerOf(topic);
        producer = cluster.producer(plan, topic, ledger);
    }

    MatrixRun run(ExecutorService background) throws Exception {
        try (Admin opened = cluster.admin();
                AutoCloseable guard = cluster.reportOnInterrupt(broken)) {
            admin = opened;
            try {
                return breakUnderLoad(background);
            } finally {
                cleanUp();
            }
        }
    }

    private MatrixRun breakUnderLoad(ExecutorService background) throws Exception {
        cluster.createTopic(admin, topic, PARTITIONS, cell.minIsr());
        producing = background.submit(this::produce);
        awaitWrites();
        applyFault();
        cluster.restore(broken);
        cluster.await(topic, MatrixCluster.State.IN_SYNC);
        awaitWrites();
        clusterIsWhole = true;
        producer.stop();
        return check(producing.get());
    }

    private MatrixCluster.Sent produce() throws Exception {
        try {
            return producer.produce();
        } finally {
            producerEnded.countDown();
        }
    }

    // ---- The fault ----

    /** Applies the fault, awaits its effect, and lets it last for --fault-duration. */
    private void applyFault() throws Exception {
        switch (cell.fault()) {
            case TWO_OF_THREE -> {
                fail("controller");
                fail("random");
                cluster.await(topic, MatrixCluster.State.NO_QUORUM);
            }
            case PAUSE_LEADER -> {
                int paused = fail(leader());
                cluster.awaitOtherLeaders(topic, paused);
            }
            case KILL_CONTROLLER -> {
                fail("controller");
                awaitWrites();
            }
            default -> {
                fail(leader());
                awaitWrites();
            }
        }
        // No condition to await: the fault has to last for this long.
        Thread.sleep(plan.holdMs());
    }

    private int fail(String target) throws Exception {
        return cluster.fail(target, cell.fault(), broken);
    }

    /**
     * Returns a leader that is not the active controller as well: in one run of three, a controller election would make
     * it another fault.
     */
    private String leader() throws Exception {
        int controller = admin.describeMetadataQuorum().quorumInfo().get().leaderId();
        TopicDescription description =
                admin.describeTopics(List.of(topic)).allTopicNames().get().get(topic);
        int leader = description.partitions().stream()
                .map(partition -> partition.leader().id())
                .filter(id -> id != controller)
                .findFirst()
                .orElse(controller);
        return "" + leader;
    }

    // ---- The load ----

    /** Waits until each partition has taken a record that was sent after this call. */
    private void awaitWrites() throws Exception {
        long now = System.nanoTime();
        Map<Integer, Long> ends = new HashMap<>();
        for (int partition = 0; partition < PARTITIONS; partition++) {
            do {
                requireProducing(partition, now);
            } while (!hasTaken(partition, now, ends));
        }
    }

    private void requireProducing(int partition, long since) throws Exception {
        if (producing.isDone()) {
            producing.get(); // brings its exception here
        }
        if (System.nanoTime() - since > MatrixCluster.PATIENCE.toNanos()) {
            String what = "Partition " + partition + " of " + topic + " took nothing within ";
            throw new Cli.Exit(Cli.MISSED, what + MatrixCluster.PATIENCE.toSeconds() + " s (" + cell + ").");
        }
    }

    /** Without acknowledgements (acks=0) only the partition's end shows it. */
    private boolean hasTaken(int partition, long since, Map<Integer, Long> ends) throws InterruptedException {
        if (!cell.acks().equals("0")) {
            return producer.awaitAckAfter(partition, since, Duration.ofSeconds(1));
        }
        TopicPartition asked = new TopicPartition(topic, partition);
        try {
            ListOffsetsOptions options = new ListOffsetsOptions().timeoutMs(2000);
            long end = admin.listOffsets(Map.of(asked, OffsetSpec.latest()), options)
                    .partitionResult(asked)
                    .get()
                    .offset();
            Long before = ends.putIfAbsent(partition, end);
            if (before != null && end > before) {
                return true;
            }
            Thread.sleep(20);
        } catch (ExecutionException leaderless) {
            Thread.sleep(100);
        }
        return false;
    }

    // ---- The end ----

    private void cleanUp() throws Exception {
        if (producing != null) {
            producing.cancel(true);
        }
        boolean interrupted = Thread.interrupted();
        if (clusterIsWhole || !cluster.isOwn()) {
            try {
                cluster.restore(broken);
            } finally {
                deleteTopic();
            }
        } else {
            // A cluster of its own is deleted with its data, within the ten seconds that Ctrl-C leaves.
            Files.deleteIfExists(ledger);
        }
        if (interrupted) {
            Thread.currentThread().interrupt();
        }
    }

    private void deleteTopic() throws Exception {
        if (producing != null) {
            producerEnded.await(4, TimeUnit.SECONDS); // its metadata requests would create the topic again
        }
        try {
            int timeoutMs = clusterIsWhole ? 20_000 : 4_000;
            DeleteTopicsOptions options = new DeleteTopicsOptions().timeoutMs(timeoutMs);
            admin.deleteTopics(List.of(topic), options).all().get();
            Files.deleteIfExists(ledger);
        } catch (ExecutionException e) {
            if (e.getCause() instanceof UnknownTopicOrPartitionException) {
                Files.deleteIfExists(ledger);
                return;
            }
            String why = e.getCause().getMessage();
            cluster.say(
                    "Topic %s could not be deleted (%s); the next failover-matrix with this folder does it.",
                    topic, why);
        }
    }

    private MatrixRun check(MatrixCluster.Sent sent) throws Exception {
        List<Map<String, Object>> reported = new ArrayList<>();
        DeliveryVerdict verdict = cluster.check(ledger, reported::add);
        if (verdict.incomplete().contains("interrupted")) {
            throw new InterruptedException();
        }
        boolean isPromised = cell.acksAll() && cell.minIsr() > 1;
        if (isPromised && !verdict.verdict().equals("pass")) { // Kafka promises that this does not happen
            Path kept = folder.keepAnomalies(ledger, reported);
            cluster.say(
                    "   %s: its ledger is kept as %s, what was found in anomalies-verdicts.jsonl beside it",
                    verdict.verdict(), kept);
        }
        return result(plan, sent, verdict, (System.nanoTime() - began) / 1_000_000);
    }

    /** Combines what the producer reported with the delivery check's verdict. */
    static MatrixRun result(MatrixRun.Plan plan, MatrixCluster.Sent sent, DeliveryVerdict verdict, long tookMs) {
        boolean provesNothing =
                verdict.acknowledged() == 0 && !verdict.verdict().equals("fail");
        String named = provesNothing ? "incomplete" : verdict.verdict();
        return new MatrixRun(
                plan, sent.gaps(), counts(sent, verdict), new MatrixRun.Result(named, tookMs, verdict.incomplete()));
    }

    private static Map<MatrixRun.Count, Long> counts(MatrixCluster.Sent sent, DeliveryVerdict verdict) {
        // Another record at the offset of a lost one is part of the loss.
        long elsewhere = verdict.count(Anomaly.INCONSISTENT) - verdict.log().overwritten();
        long read = verdict.count(Anomaly.ABORTED_READ) + verdict.count(Anomaly.PHANTOM);
        Map<MatrixRun.Count, Long> counts = new EnumMap<>(MatrixRun.Count.class);
        counts.put(MatrixRun.Count.ACKNOWLEDGED, verdict.acknowledged());
        counts.put(MatrixRun.Count.LOST, verdict.count(Anomaly.LOST));
        counts.put(MatrixRun.Count.LANDED, verdict.ledger().landed());
        counts.put(MatrixRun.Count.ABSENT, verdict.ledger().absent());
        counts.put(MatrixRun.Count.FAILED, verdict.ledger().failed());
        counts.put(MatrixRun.Count.DUPLICATED, verdict.count(Anomaly.DUPLICATE));
        counts.put(MatrixRun.Count.REORDERED, verdict.count(Anomaly.REORDERED));
        counts.put(MatrixRun.Count.OTHER, read + elsewhere);
        counts.put(MatrixRun.Count.ERRORS, sent.errors());
        counts.put(MatrixRun.Count.UNSEEN, verdict.count(Anomaly.UNSEEN));
        return counts;
    }
}
