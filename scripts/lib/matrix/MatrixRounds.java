//SOURCES MatrixCluster.java MatrixFolder.java MatrixRun.java MatrixTrial.java ../cli/Cli.java ../cli/Screen.java

import java.nio.file.*;
import java.util.*;
import java.util.concurrent.*;
import java.util.stream.Stream;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.common.errors.InterruptException;

/** Does the runs of a matrix one after the other, with a progress bar, and keeps each in the folder. */
final class MatrixRounds {
    private final MatrixCluster cluster;
    private final MatrixFolder folder;
    private final Screen screen;
    private final ExecutorService background = Executors.newCachedThreadPool(MatrixRounds::daemon);
    private int brokenOffInARow;

    MatrixRounds(MatrixCluster cluster, MatrixFolder folder, Screen screen) {
        this.cluster = cluster;
        this.folder = folder;
        this.screen = screen;
    }

    private static Thread daemon(Runnable task) {
        Thread thread = new Thread(task, "matrix");
        thread.setDaemon(true);
        return thread;
    }

    void run(List<MatrixRun.Plan> plans, int repeat) throws Exception {
        if (plans.isEmpty()) {
            return;
        }
        deleteLeftovers();
        long began = System.nanoTime();
        for (int done = 0; done < plans.size(); done++) {
            MatrixRun.Plan plan = plans.get(done);
            double share = (double) done / plans.size();
            String left = done == 0 ? "" : ", " + Screen.left(share, (System.nanoTime() - began) / 1e9);
            cluster.say(
                    "%d of %d%s: %s, run %d of %d", done + 1, plans.size(), left, plan.cell(), plan.number(), repeat);
            Progress progress = new Progress(done, plans.size(), began);
            Future<?> bar = background.submit(() -> drawBar(progress));
            try {
                keep(runOrRestart(plan));
            } finally {
                bar.cancel(true);
            }
        }
        screen.clear();
    }

    void end() {
        background.shutdownNow();
    }

    private record Progress(int done, int all, long began) {}

    /** Draws until it is interrupted. The duration of a run is known only from those before it. */
    private Void drawBar(Progress progress) throws InterruptedException {
        if (!screen.isOn()) {
            return null;
        }
        long start = System.nanoTime();
        double before = (start - progress.began) / 1e9;
        double each = before / progress.done;
        while (true) {
            double now = (System.nanoTime() - start) / 1e9;
            double done = progress.done + Math.min(0.99, now / each);
            String left =
                    progress.done == 0 ? "? left" : Screen.left(done / progress.all, before + Math.min(now, each));
            String text = String.format(
                    Locale.ROOT, "%d of %d runs, %.0f s in this one, %s", progress.done, progress.all, now, left);
            screen.bar((double) progress.done / progress.all, text);
            Thread.sleep(250);
        }
    }

    /**
     * Does a run. When it breaks off, a cluster of its own is replaced by a new one for the next run. The second
     * failure in a row ends the matrix, as does the first on a cluster that was found.
     */
    private MatrixRun runOrRestart(MatrixRun.Plan plan) throws Exception {
        long began = System.nanoTime();
        try {
            MatrixRun run = new MatrixTrial(cluster, folder, plan).run(background);
            brokenOffInARow = 0;
            return run;
        } catch (Exception e) {
            if (!cluster.isOwn() || isInterrupt(e) || ++brokenOffInARow > 1) {
                throw e;
            }
            String why = e.getMessage() == null ? e.getClass().getSimpleName() : e.getMessage();
            cluster.say("   broken off, and the nodes are started anew: %s", Cli.printable(why));
            cluster.restart(plan.cell().timeouts());
            return MatrixRun.brokenOff(plan, why, (System.nanoTime() - began) / 1_000_000);
        }
    }

    /** Returns whether Ctrl-C is the cause: it must not start anything. */
    private static boolean isInterrupt(Throwable e) {
        return Thread.currentThread().isInterrupted()
                || Stream.iterate(e, Objects::nonNull, Throwable::getCause)
                        .anyMatch(
                                cause -> cause instanceof InterruptedException || cause instanceof InterruptException);
    }

    private void keep(MatrixRun run) throws Exception {
        folder.add(run);
        cluster.emit(run);
        Long gap = run.gaps().partitionMs();
        long landed = run.count(MatrixRun.Count.LANDED);
        cluster.say(
                "   longest gap %s, %d acknowledged, %d lost, %d duplicated, %d reordered, %d indeterminate (%d"
                        + " landed)",
                gap == null ? "-" : String.format(Locale.ROOT, "%.2f s", gap / 1e3),
                run.count(MatrixRun.Count.ACKNOWLEDGED),
                run.count(MatrixRun.Count.LOST),
                run.count(MatrixRun.Count.DUPLICATED),
                run.count(MatrixRun.Count.REORDERED),
                landed + run.count(MatrixRun.Count.ABSENT),
                landed);
        if (run.proof() == MatrixRun.Proof.UNFINISHED) {
            String reasons = String.join("; ", run.result().reasons());
            long unseen = run.count(MatrixRun.Count.UNSEEN);
            cluster.say("   not checked to the end: %d unseen; %s", unseen, Cli.printable(reasons));
        }
    }

    /**
     * Deletes the topics of killed runs of this folder, whose ledgers name them. A topic of another folder may belong
     * to a matrix that is still running.
     */
    private void deleteLeftovers() throws Exception {
        try (Admin admin = cluster.admin()) {
            Set<String> topics = admin.listTopics().names().get();
            for (Map.Entry<String, Path> left : folder.leftLedgers().entrySet()) {
                String topic = left.getKey();
                if (topics.remove(topic)) {
                    admin.deleteTopics(List.of(topic)).all().get();
                }
                Files.delete(left.getValue());
                cluster.say("Deleted what a run that was killed had left: topic and ledger %s.", topic);
            }
            topics.removeIf(topic -> !topic.matches(MatrixFolder.TOPIC + "[0-9a-z]{8,9}"));
            topics.forEach(topic -> cluster.say(
                    "Topic %s is there, of a failover-matrix that was killed or still runs; it is left alone.", topic));
        }
    }
}
