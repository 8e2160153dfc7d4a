//SOURCES LabCluster.java LabJournal.java LabWatch.java ../cli/Cli.java ../../ResilientProducer.java

import java.io.PrintWriter;
import java.nio.file.Path;
import java.time.Duration;
import java.util.*;
import java.util.concurrent.*;

/** The producer that runs while nodes are broken, and what its acknowledgements say about an outage. */
final class LabProducer {
    private final LabJournal journal;
    private final String topic;
    private final ResilientProducer producer = new ResilientProducer();
    private final CountDownLatch ended = new CountDownLatch(1);
    private Future<ResilientProducer.Summary> producing;
    private long lastAck;
    private long longestGap;
    private int sendErrors;
    private List<Long> latencies = new ArrayList<>();

    LabProducer(LabJournal journal, String topic) {
        this.journal = journal;
        this.topic = topic;
        journal.listen(this::seen);
    }

    private synchronized void seen(Map<String, Object> event) {
        if ("ack".equals(event.get("type"))) {
            long now = System.nanoTime();
            if (lastAck != 0) {
                longestGap = Math.max(longestGap, now - lastAck);
            }
            lastAck = now;
            latencies.add(((Number) event.get("latencyUs")).longValue());
        }
        if ("send-error".equals(event.get("type"))) {
            sendErrors++;
        }
    }

    /** Starts it, and waits until each partition has acknowledged a message. */
    void start(LabCluster cluster, double rate, Path ledger, ExecutorService background) throws Exception {
        List<String> args =
                List.of("--topic", topic, "--rate", "" + rate, "--ledger", ledger.toString(), "--send-timeout", "1h");
        PrintWriter quiet = LabJournal.quiet();
        producer.common.configure(producer, quiet, cluster.common.err, cluster.reaching(args));
        producer.common.listener = journal::record;
        long start = System.nanoTime();
        producing = background.submit(() -> {
            try {
                return producer.produce();
            } finally {
                ended.countDown();
            }
        });
        awaitWritesAfter(start);
    }

    ResilientProducer.Summary stop() throws Exception {
        producer.stop();
        return producing.get();
    }

    /** Ends it where the experiment did not, so that its ledger gets its last line. */
    void abort() throws InterruptedException {
        if (producing != null && !producing.isDone()) {
            producing.cancel(true);
            ended.await(4, TimeUnit.SECONDS);
        }
    }

    /** Waits until each partition has acknowledged a message that was sent after a System.nanoTime(). */
    void awaitWritesAfter(long after) throws Exception {
        long deadline = System.nanoTime() + LabWatch.PATIENCE.toNanos();
        while (producer.partitions() == 0 && !producing.isDone() && System.nanoTime() < deadline) {
            Thread.sleep(10);
        }
        if (producing.isDone()) {
            producing.get(); // throws what ended it
        }
        for (int p = 0; p < producer.partitions(); p++) {
            Duration left = Duration.ofNanos(Math.max(1, deadline - System.nanoTime()));
            if (producer.awaitAckAfter(p, after, left).isEmpty()) {
                String why = journal.text("producer.partition", p, topic, LabWatch.PATIENCE.toSeconds());
                throw new Cli.Exit(Cli.MISSED, why);
            }
        }
    }

    long acknowledged() {
        return producer.acknowledged();
    }

    int partitions() {
        return producer.partitions();
    }

    /** Returns the latencies, in microseconds, of the acknowledgements since the last call. */
    synchronized List<Long> takeLatencies() {
        List<Long> taken = latencies;
        latencies = new ArrayList<>();
        return taken;
    }

    /** Says the longest gap so far; one that has not ended counts as well. */
    synchronized void sayGap() {
        long current = lastAck == 0 ? 0 : System.nanoTime() - lastAck;
        journal.say("producer.gap", Math.max(longestGap, current) / 1e9, sendErrors);
    }
}
