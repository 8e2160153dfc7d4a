//SOURCES LabCluster.java LabJournal.java ../cli/Cli.java ../../WatchIsr.java ../../WatchLeaders.java

import java.time.Duration;
import java.util.*;
import java.util.concurrent.*;
import java.util.function.*;

/** Watches the cluster beside the whole experiment, and waits for conditions. */
class LabWatch {
    /** How long the loss and the return of the quorum may take, with Kafka's own timeouts on a slow machine. */
    static final Duration PATIENCE = Duration.ofMinutes(3);

    private final LabJournal journal;
    private final List<String> topics;
    private final Consumer<WatchIsr.Snapshot> listener;
    private final List<Future<Boolean>> watches = new ArrayList<>();
    private WatchIsr.Snapshot snapshot;

    LabWatch(LabJournal journal, List<String> topics, Consumer<WatchIsr.Snapshot> listener) {
        this.journal = journal;
        this.topics = topics;
        this.listener = listener;
    }

    /** Watches ISRs every 100 ms, and who leads what every 10 ms, which the table of the outages needs. */
    void start(LabCluster cluster, ExecutorService background) {
        List<String> args = new ArrayList<>();
        topics.forEach(topic -> args.addAll(List.of("--topic", topic)));
        WatchLeaders leaders = new WatchLeaders();
        leaders.common.configure(leaders, LabJournal.quiet(), LabJournal.quiet(), cluster.reaching(args));
        leaders.common.listener = journal::record;
        args.addAll(List.of("--interval", "100ms"));
        WatchIsr isrs = new WatchIsr();
        isrs.common.configure(isrs, LabJournal.quiet(), LabJournal.quiet(), cluster.reaching(args));
        isrs.common.listener = journal::record;
        watches.add(background.submit(() -> isrs.watch(this::seen, null)));
        watches.add(background.submit(leaders::watch));
    }

    void stop() {
        watches.forEach(watch -> watch.cancel(true));
    }

    private synchronized boolean seen(WatchIsr.Snapshot now) {
        snapshot = now;
        listener.accept(now);
        notifyAll();
        return false;
    }

    synchronized WatchIsr.Snapshot latest() {
        return snapshot;
    }

    /** Waits for a snapshot, taken from now on, that meets one of the scenarios' conditions. */
    synchronized WatchIsr.Snapshot await(String condition, Predicate<WatchIsr.Snapshot> test) throws Exception {
        snapshot = null;
        long deadline = System.nanoTime() + PATIENCE.toNanos();
        while (snapshot == null || !test.test(snapshot)) {
            long left = (deadline - System.nanoTime()) / 1_000_000;
            if (left <= 0) {
                String what = journal.text("await." + condition);
                throw new Cli.Exit(Cli.MISSED, journal.text("seen.not", what, PATIENCE.toSeconds()));
            }
            if (watches.get(0).isDone()) {
                watches.get(0).get(); // throws what ended it
            }
            wait(Math.min(left, 1000));
        }
        return snapshot;
    }

    WatchIsr.Snapshot awaitInSync() throws Exception {
        return await("in-sync", s -> s.topics().keySet().containsAll(topics) && WatchIsr.Until.IN_SYNC.test(s));
    }
}
