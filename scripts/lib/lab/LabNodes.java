//SOURCES LabCluster.java LabJournal.java ../cli/Cli.java ../cli/EventFields.java ../../KillNode.java

import java.time.*;
import java.util.*;
import java.util.concurrent.ExecutionException;
import java.util.stream.*;
import org.apache.kafka.clients.admin.*;
import org.apache.kafka.common.*;

/** The nodes of the experiment: breaks them, starts them again, and knows which are broken. */
class LabNodes {
    private final LabCluster cluster;
    private final LabJournal journal;
    private final Set<Integer> broken = Collections.synchronizedSet(new LinkedHashSet<>());

    LabNodes(LabCluster cluster, LabJournal journal) {
        this.cluster = cluster;
        this.journal = journal;
    }

    List<Integer> broken() {
        synchronized (broken) {
            return List.copyOf(broken);
        }
    }

    boolean isBroken(int id) {
        return broken.contains(id);
    }

    /** A fault, and by System.nanoTime(), which no set clock moves, when it was applied. */
    record Applied(KillNode.Done fault, long at) {}

    /** Breaks a node that kill-node's words name. */
    Applied breakNode(String target, String mode) throws Exception {
        KillNode script = cluster.killNode(List.of(target, "--mode", mode, "--force"));
        Instant before = Instant.now();
        long began = System.nanoTime();
        try {
            KillNode.Done fault = script.breakNodes(script.runtime()).get(0);
            return new Applied(fault, monotonic(fault.at(), before, began, System.nanoTime()));
        } finally {
            script.broken.forEach(node -> broken.add(node.id()));
        }
    }

    /**
     * Returns a moment of the wall clock as a System.nanoTime(). One that a clock set meanwhile puts outside of the
     * call it was taken in is moved to its nearer end.
     */
    static long monotonic(Instant moment, Instant before, long began, long done) {
        long nanoTime = began + Duration.between(before, moment).toNanos();
        return Math.max(began, Math.min(done, nanoTime));
    }

    /** Undoes what was done to nodes, side by side, and does not wait for them to be back. */
    void start(List<Integer> ids) throws Exception {
        if (ids.isEmpty()) {
            return;
        }
        List<String> args = new ArrayList<>(ids.stream().map(String::valueOf).toList());
        args.addAll(List.of("--restore", "--no-wait"));
        KillNode script = cluster.killNode(args);
        try {
            script.restoreNodes(script.runtime());
            ids.forEach(broken::remove);
        } finally {
            broken.removeAll(script.restored);
            for (int id : ids) {
                if (!broken.contains(id)) {
                    journal.say(script.restored.contains(id) ? "done.start" : "done.start-none", Cluster.name(id));
                }
            }
        }
    }

    /** Returns the command that starts nodes again. */
    String startCommand(List<Integer> ids) {
        return cluster.killNode(List.of("all")).undoCommand(ids);
    }

    // ---- A slow node ----

    /** How slow was done: pauses below the session timeout, even the fast one, so that no node is taken for dead. */
    private static final long BURST_MS = 1_000;

    private static final long REST_MS = 250;

    /** What a slow node's time was like. */
    record Slow(String name, int bursts, Instant from) {
        double pauseSeconds() {
            return BURST_MS / 1e3;
        }

        double periodSeconds() {
            return (BURST_MS + REST_MS) / 1e3;
        }
    }

    /**
     * Slows a node down by stopping its process in short bursts, since nothing else makes a follower slow that is in
     * sync: a replication throttle spares in-sync replicas.
     *
     * @param inPause runs while the node is paused
     */
    Slow slow(int id, Duration time, Runnable inPause) throws Exception {
        KillNode.NodeRuntime runtime = cluster.killNode(List.of("" + id)).runtime();
        KillNode.Target node = runtime.nodes().stream()
                .filter(n -> n.id() == id)
                .findFirst()
                .orElseThrow(() -> new Cli.Exit(2, "There is no node " + id + "."));
        Instant from = Instant.now();
        broken.add(id);
        emitSlow(node, runtime, from);
        int bursts = 0;
        for (long end = System.nanoTime() + time.toNanos(); System.nanoTime() < end; bursts++) {
            runtime.fault(node, KillNode.Mode.PAUSE);
            Thread.sleep(BURST_MS); // the fault itself
            inPause.run();
            runtime.restore(node);
            Thread.sleep(REST_MS);
        }
        broken.remove(id);
        EventFields restored = new EventFields().with("node", id).with("name", node.name());
        restored.with("runtime", runtime.name()).with("at", Instant.now().toString());
        journal.emit("restored", restored.toArray());
        return new Slow(node.name(), bursts, from);
    }

    private void emitSlow(KillNode.Target node, KillNode.NodeRuntime runtime, Instant from) {
        journal.emit(
                "fault",
                new EventFields()
                        .with("node", node.id())
                        .with("name", node.name())
                        .with("mode", "pause")
                        .with("runtime", runtime.name())
                        .with("at", from.toString())
                        .with("burstMs", BURST_MS)
                        .with("everyMs", BURST_MS + REST_MS)
                        .toArray());
    }

    /** Returns a follower in sync; the active controller, which does more than follow, only where there is no other. */
    int followerOf(TopicPartition partition) throws Exception {
        try (Admin admin = cluster.common.admin()) {
            int controller = admin.describeMetadataQuorum().quorumInfo().get().leaderId();
            TopicPartitionInfo info = admin.describeTopics(List.of(partition.topic()))
                    .allTopicNames()
                    .get()
                    .get(partition.topic())
                    .partitions()
                    .get(partition.partition());
            return info.isr().stream()
                    .map(Node::id)
                    .filter(id -> id != info.leader().id())
                    .min(Comparator.comparing((Integer id) -> id == controller).thenComparing(id -> id))
                    .orElseThrow(() -> new Cli.Exit(1, partition + " has no follower in sync."));
        } catch (ExecutionException | IndexOutOfBoundsException e) {
            throw new Cli.Exit(2, "The scenario names " + partition + ", which does not exist: correct it.");
        }
    }
}
