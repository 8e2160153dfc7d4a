//SOURCES MatrixCell.java MatrixRun.java ../delivery/DeliveryVerdict.java

import java.nio.file.Path;
import java.time.Duration;
import java.util.Map;
import java.util.Set;
import java.util.function.Consumer;
import org.apache.kafka.clients.admin.Admin;

/** The cluster that a matrix breaks, and the clients of its runs. failover-matrix implements it with other scripts. */
interface MatrixCluster {
    /**
     * The timeout for a cluster to recover, and for writes to flow, on a slow machine: a client alone waits up to 30 s
     * for a paused node.
     */
    Duration PATIENCE = Duration.ofMinutes(2);

    /** The producer of one run. */
    interface Producer {
        /** Sends until it is stopped. */
        Sent produce() throws Exception;

        void stop();

        /** Returns whether a record that was sent to a partition after a moment is acknowledged within the timeout. */
        boolean awaitAckAfter(int partition, long nanos, Duration timeout) throws InterruptedException;
    }

    enum State {
        IN_SYNC,
        NO_QUORUM
    }

    /** What a producer reports at its end. */
    record Sent(MatrixRun.Gaps gaps, long errors) {}

    Admin admin() throws Exception;

    void say(String format, Object... args);

    void emit(MatrixRun run);

    /** Returns whether the matrix has started the cluster, and deletes it at the end. */
    boolean isOwn();

    /** Replaces a cluster of its own by a new one. */
    void restart(String timeouts) throws Exception;

    /** Creates a topic of three replicas, and waits until it is usable. */
    void createTopic(Admin admin, String topic, int partitions, int minIsr) throws Exception;

    Producer producer(MatrixRun.Plan plan, String topic, Path ledger);

    /** Compares a ledger with the log; the findings go to the listener. */
    DeliveryVerdict check(Path ledger, Consumer<Map<String, Object>> findings) throws Exception;

    /** Applies a fault to a target and adds the nodes that it broke. Returns the first. */
    int fail(String target, MatrixCell.Fault fault, Set<Integer> broken) throws Exception;

    /** Restores the nodes and removes them from the set. One that cannot be restored does not prevent the others. */
    void restore(Set<Integer> broken) throws Exception;

    /** Until it is closed, Ctrl-C waits for the nodes to be restored, and a second Ctrl-C reports which are not. */
    AutoCloseable reportOnInterrupt(Set<Integer> broken);

    void await(String topic, State state) throws Exception;

    /** Waits until every partition has a leader other than a node. */
    void awaitOtherLeaders(String topic, int node) throws Exception;
}
