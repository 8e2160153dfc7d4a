//SOURCES MatrixCluster.java MatrixFolder.java MatrixRun.java ../cli/Cli.java
//SOURCES ../../CheckDelivery.java ../../CreateTopic.java ../../KillNode.java ../../ResilientProducer.java
//SOURCES ../../WatchIsr.java

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
    private final KillNode.Common common;
    private final long began = System.nanoTime();
    private final String topic = MatrixFolder.TOPIC + Long.toString(System.currentTimeMillis(), 36);
    private final Path ledger;
    private final Set<Integer> broken = Collections.synchronizedSet(new LinkedHashSet<>());
    private final ResilientProducer producer = new ResilientProducer();
    private final CountDownLatch producerEnded = new CountDownLatch(1);
    private Future<ResilientProducer.Summary> producing;
    private boolean clusterIsWhole;
    private Admin admin;

    MatrixTrial(MatrixCluster cluster, MatrixFolder folder, MatrixRun.Plan plan) {
        this.cluster = cluster;
        this.folder = folder;
        this.plan = plan;
        cell = plan.cell();
        common = cluster.common;
        ledger = folder.ledgerOf(topic);
    }

    MatrixRun run(ExecutorService background) throws Exception {
        common.patience = KillNode.undoPatience(common.timeout);
        common.leftover = () -> cluster.nameBroken(broken);
        configureProducer();
        try (Admin opened = common.admin();
                KillNode.SecondInterrupt second = new KillNode.SecondInterrupt(common.leftover)) {
            admin = opened;
            try {
                return breakUnderLoad(background);
            } finally {
                cleanUp();
            }
        }
    }

    private void configureProducer() {
        String[] args = cluster.clientArgs(
                "--topic",
                topic,
                "--rate",
                "" + plan.rate(),
                "--acks",
                cell.acks(),
                "--ledger",
                ledger.toString(),
                "--send-timeout",
                "1h",
                "--command-property",
                "enable.idempotence=" + cell.idempotent());
        producer.common.configure(producer, MatrixCluster.quiet(), MatrixCluster.quiet(), args);
    }

    private MatrixRun breakUnderLoad(ExecutorService background) throws Exception {
        Map<String, String> configs = Map.of("min.insync.replicas", "" + cell.minIsr());
        CreateTopic.Wanted wanted = new CreateTopic.Wanted(topic, PARTITIONS, (short) 3, configs);
        CreateTopic.create(admin, wanted, false, MatrixCluster.PATIENCE);
        producing = background.submit(this::produce);
        awaitWrites();
        applyFault();
        cluster.restore(broken);
        cluster.watch(topic).await(WatchIsr.Until.IN_SYNC, MatrixCluster.PATIENCE);
        awaitWrites();
        clusterIsWhole = true;
        producer.stop();
        return check(producing.get());
    }

    private ResilientProducer.Summary produce() throws Exception {
        try {
            return producer.produce();
        } finally {
            producerEnded.countDown();
        }
    }

    // ---- The fault ----

    /** Returns when the fault's effect has been there for --hold. */
    private void applyFault() throws Exception {
        switch (cell.fault()) {
            case TWO_OF_THREE -> {
                fail("controller");
                fail("random");
                cluster.watch(topic).await(WatchIsr.Until.NO_QUORUM, MatrixCluster.PATIENCE);
            }
            case PAUSE_LEADER -> {
                int paused = fail(leader());
                cluster.watch(topic).await(state -> isLedWithout(paused, state), MatrixCluster.PATIENCE);
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
        // An observation of a given length: whether something goes wrong while nothing is awaited.
        Thread.sleep(plan.holdMs());
    }

    private int fail(String target) throws Exception {
        return cluster.fail(target, cell.fault(), broken);
    }

    /**
     * Returns a leader that is not the active controller as well: an election of the quorum would make another fault of
     * it, in one run of three.
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

    private static boolean isLedWithout(int node, WatchIsr.Snapshot state) {
        return state.alive()
                && state.partitions()
                        .map(partition -> partition.leader())
                        .noneMatch(leader -> leader == null || leader.isEmpty() || leader.id() == node);
    }

    // ---- The load ----

    /** Waits until each partition has taken a record that was sent from now on. */
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
            return producer.awaitAckAfter(partition, since, Duration.ofSeconds(1))
                    .isPresent();
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
            // Such a cluster ends, with its data, before Ctrl-C's ten seconds are over.
            Files.deleteIfExists(ledger);
        }
        if (interrupted) {
            Thread.currentThread().interrupt();
        }
    }

    private void deleteTopic() throws Exception {
        if (producing != null) {
            producerEnded.await(4, TimeUnit.SECONDS); // one that still asks for the topic would have it made again
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
            common.say(
                    "Topic %s could not be deleted (%s); the next failover-matrix with this folder does it.",
                    topic, why);
        }
    }

    private MatrixRun check(ResilientProducer.Summary sent) throws Exception {
        CheckDelivery check = new CheckDelivery();
        String[] args = cluster.clientArgs(ledger.toString());
        check.common.configure(check, MatrixCluster.quiet(), MatrixCluster.quiet(), args);
        List<Map<String, Object>> reported = new ArrayList<>();
        check.common.listener = reported::add;
        DeliveryVerdict verdict = check.check();
        if (verdict.incomplete().contains("interrupted")) {
            throw new InterruptedException();
        }
        boolean isPromised = cell.acksAll() && cell.minIsr() > 1;
        if (isPromised && !verdict.verdict().equals("pass")) { // which Kafka does not let happen: it is to be looked at
            Path kept = folder.keepAnomalies(ledger, reported);
            common.say(
                    "   %s: its ledger is kept as %s, what was found in anomalies-verdicts.jsonl beside it",
                    verdict.verdict(), kept);
        }
        return result(plan, sent, verdict, (System.nanoTime() - began) / 1_000_000);
    }

    /** Returns what the producer's end and the delivery check come to. */
    static MatrixRun result(MatrixRun.Plan plan, ResilientProducer.Summary sent, DeliveryVerdict verdict, long tookMs) {
        Long all = sent.longestGap() == null ? null : sent.longestGap().length().toMillis();
        Long partition = sent.partitionGaps().stream()
                .map(gap -> gap.length().toMillis())
                .max(Comparator.naturalOrder())
                .orElse(null);
        boolean provesNothing =
                verdict.acknowledged() == 0 && !verdict.verdict().equals("fail");
        String named = provesNothing ? "incomplete" : verdict.verdict();
        return new MatrixRun(
                plan,
                new MatrixRun.Gaps(all, partition),
                counts(sent, verdict),
                new MatrixRun.Result(named, tookMs, verdict.incomplete()));
    }

    private static Map<MatrixRun.Count, Long> counts(ResilientProducer.Summary sent, DeliveryVerdict verdict) {
        // Another record at the offset of one that is lost is nothing more than the loss.
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
