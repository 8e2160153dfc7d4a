///usr/bin/env jbang "$0" "$@" ; exit $?
//JAVA 17+
//DEPS info.picocli:picocli:4.7.7
//DEPS com.fasterxml.jackson.jr:jackson-jr-objects:2.21.7
//DEPS org.slf4j:slf4j-simple:1.7.36
//SOURCES lib/matrix/MatrixCell.java lib/matrix/MatrixCluster.java lib/matrix/MatrixFolder.java
//SOURCES lib/matrix/MatrixRun.java lib/matrix/MatrixTable.java lib/matrix/MatrixTrial.java
//SOURCES lib/cli/Cli.java lib/cli/Screen.java
//SOURCES Cluster.java KillNode.java
//JAVAC_OPTIONS -J-XX:TieredStopAtLevel=1 -J-XX:+UseSerialGC
//DESCRIPTION Measures what each combination of acks, min ISR and fault costs

import java.io.IOException;
import java.io.PrintWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.*;
import java.time.format.DateTimeFormatter;
import java.util.*;
import java.util.concurrent.*;
import java.util.stream.Stream;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.common.errors.InterruptException;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/**
 * Breaks the same cluster in the same ways under producers with different settings, and compares what each combination
 * costs: the longest gap between acknowledgements, and what the delivery check finds lost, duplicated or reordered.
 *
 * <p>A run has a topic of its own with three partitions on three nodes, and one producer that writes on schedule. The
 * fault is applied while writes flow, and undone once they flow again. A paused node goes on as soon as another one
 * leads its partition, so that what was under way to it is answered by a former leader; a lost quorum comes back after
 * --hold. Then every replica has to be in sync, the producer ends, and its ledger is compared with the log.
 *
 * <p>A run in which nothing was acknowledged (acks=0) proves nothing, and one that could not be compared with the log
 * to its end proves less: both are counted as incomplete, and named under the table. The second kind, and a run that
 * broke off, is run again by the same command.
 *
 * <p>Each run is a line of matrix.jsonl in the matrix's folder. Called again with that folder, it does what is missing.
 * Rounds go through all combinations, so that what the machine does meanwhile hits all alike.
 *
 * <pre>failover-matrix --repeat 5
 * failover-matrix --acks 1,all --min-isr 1,2 --fault pause-leader --repeat 10 --out runs/pause</pre>
 */
@Command(
        name = "failover-matrix",
        version = "kraft-lab 0.1.0",
        sortOptions = false,
        description = "Runs faults against producer and topic settings, and shows what each combination lost and how"
                + " long it waited. Without choices: ten telling combinations.")
class FailoverMatrix implements Callable<Integer> {
    private static final List<MatrixCell> TELLING = List.of(
            new MatrixCell("0", 1, false, MatrixCell.Fault.KILL_LEADER, null),
            new MatrixCell("1", 1, false, MatrixCell.Fault.KILL_LEADER, null),
            new MatrixCell("1", 1, false, MatrixCell.Fault.PAUSE_LEADER, null),
            new MatrixCell("all", 1, true, MatrixCell.Fault.KILL_LEADER, null),
            new MatrixCell("all", 2, true, MatrixCell.Fault.KILL_LEADER, null),
            new MatrixCell("all", 2, true, MatrixCell.Fault.KILL_CONTROLLER, null),
            new MatrixCell("all", 2, true, MatrixCell.Fault.STOP_LEADER, null),
            new MatrixCell("all", 2, true, MatrixCell.Fault.PAUSE_LEADER, null),
            new MatrixCell("all", 2, false, MatrixCell.Fault.PAUSE_LEADER, null),
            new MatrixCell("all", 2, true, MatrixCell.Fault.TWO_OF_THREE, null));

    @Option(
            names = "--acks",
            split = ",",
            paramLabel = "0|1|all",
            description = "Required acknowledgements; several with commas, as with the next four (default of a choice:"
                    + " all).")
    List<String> acks;

    @Option(
            names = "--min-isr",
            split = ",",
            paramLabel = "N",
            description = "The topic's min.insync.replicas (default of a choice: 2).")
    List<Integer> minIsrs;

    @Option(
            names = "--idempotence",
            arity = "1",
            split = ",",
            paramLabel = "true|false",
            description = "The producer's; only acks=all can have it (default of a choice: true where it can be).")
    List<Boolean> idempotence;

    @Option(
            names = "--fault",
            split = ",",
            paramLabel = "FAULT",
            description = "${COMPLETION-CANDIDATES}; disconnect needs Docker (default of a choice: kill-leader).")
    List<MatrixCell.Fault> faults;

    @Option(
            names = "--timeouts",
            split = ",",
            paramLabel = "default|fast",
            description = "Of the cluster that this starts when none is up (default: fast).")
    List<Cluster.Timeouts> timeouts;

    @Option(
            names = "--repeat",
            paramLabel = "N",
            defaultValue = "1",
            description = "How often each combination is run (default: ${DEFAULT-VALUE}).")
    int repeat;

    @Option(
            names = "--rate",
            paramLabel = "N",
            defaultValue = "2000",
            description = "Records per second (default: ${DEFAULT-VALUE}).")
    double rate;

    @Option(
            names = "--hold",
            paramLabel = "DURATION",
            defaultValue = "2s",
            description = "How long a fault goes on after its effect is there (default: ${DEFAULT-VALUE}).")
    Duration hold;

    @Option(
            names = "--out",
            paramLabel = "DIR",
            description = "The folder; one that has some runs already is completed (default: runs/matrix-<time>).")
    Path out;

    @Option(names = "--list", description = "Only list the combinations.")
    boolean list;

    @Mixin
    KillNode.Common common = new KillNode.Common();

    @Mixin
    KillNode.Runtimes runtimes = new KillNode.Runtimes(common);

    private final MatrixCluster cluster = new MatrixCluster(common, runtimes);
    private final List<MatrixRun> runs = new ArrayList<>();
    private final ExecutorService background = Executors.newCachedThreadPool(FailoverMatrix::daemon);
    private MatrixFolder folder;
    private int brokenInARow;
    private Screen screen = Screen.none();

    public static void main(String... args) {
        System.exit(run(Screen.OUT, Screen.ERR, args));
    }

    /** Runs the script without a process. @return the exit code */
    public static int run(PrintWriter out, PrintWriter err, String... args) {
        FailoverMatrix script = new FailoverMatrix();
        return script.common.run(script, out, err, args);
    }

    private static Thread daemon(Runnable task) {
        Thread thread = new Thread(task, "matrix");
        thread.setDaemon(true);
        return thread;
    }

    @Override
    public Integer call() throws Exception {
        if (repeat < 1 || !(rate > 0)) {
            throw new Cli.Exit(2, "--repeat and --rate are numbers above 0.");
        }
        if (list) {
            cells(givenTimeouts().get(0)).forEach(common.out::println);
            return 0;
        }
        readRuns();
        screen = Screen.on(common.err);
        common.err = screen.above(common.err, line -> line);
        boolean interrupted = false;
        Exception failed = null;
        try {
            runMissing();
        } catch (InterruptedException | InterruptException e) {
            interrupted = true;
        } catch (Exception e) {
            failed = e; // what was done is shown first
        } finally {
            screen.close();
            cluster.end();
            background.shutdownNow();
        }
        show(failed);
        String end =
                interrupted ? "Interrupted; failover-matrix --out %s with the same choices does the rest." : "Runs: %s";
        common.say(end, folder);
        return exitCode(interrupted);
    }

    /** Shows what was done, also when a failure ended it. */
    private void show(Exception failed) throws Exception {
        MatrixTable table = new MatrixTable(runs);
        if (!runs.isEmpty()) {
            folder.writeTable(table);
        }
        if (!common.json && !(runs.isEmpty() && failed != null)) {
            common.out.print(table.text());
        }
        if (failed != null) {
            throw failed;
        }
        if (unfinished() > 0) {
            common.say(
                    "%d runs were not checked to the end, and count only as such; the same command runs them again.",
                    unfinished());
        }
    }

    private int exitCode(boolean interrupted) {
        if (interrupted) {
            return 130;
        }
        return unfinished() > 0 ? Cli.INCOMPLETE : 0;
    }

    private int unfinished() {
        return MatrixRun.withProof(MatrixRun.Proof.UNFINISHED, runs).size();
    }

    // ---- The combinations ----

    /** Returns the chosen combinations that can be; without any choice, the telling ones. */
    List<MatrixCell> cells(Cluster.Timeouts of) {
        String named = of == null ? "found" : of.name().toLowerCase(Locale.ROOT);
        if (Stream.of(acks, minIsrs, idempotence, faults).allMatch(Objects::isNull)) {
            return TELLING.stream().map(cell -> cell.withTimeouts(named)).toList();
        }
        List<MatrixCell> cells = new ArrayList<>();
        for (String givenAcks : Objects.requireNonNullElse(acks, List.of("all"))) {
            for (int minIsr : Objects.requireNonNullElse(minIsrs, List.of(2))) {
                for (MatrixCell.Fault fault :
                        Objects.requireNonNullElse(faults, List.of(MatrixCell.Fault.KILL_LEADER))) {
                    requirePossible(givenAcks, minIsr, fault);
                    for (boolean idempotent : idempotenceWith(givenAcks)) {
                        cells.add(new MatrixCell(givenAcks, minIsr, idempotent, fault, named));
                    }
                }
            }
        }
        return cells.stream().distinct().toList();
    }

    private List<Boolean> idempotenceWith(String givenAcks) {
        return givenAcks.equals("all") ? Objects.requireNonNullElse(idempotence, List.of(true)) : List.of(false);
    }

    private static void requirePossible(String acks, int minIsr, MatrixCell.Fault fault) {
        if (!List.of("0", "1", "all").contains(acks)) {
            throw new Cli.Exit(2, "--acks is 0, 1 or all, not '" + acks + "'.");
        }
        if (minIsr < 1 || minIsr > 3) {
            throw new Cli.Exit(2, "--min-isr is 1, 2 or 3: the topics have three replicas.");
        }
        boolean writesStop = acks.equals("all") && minIsr == 3;
        boolean waitsForWrites = fault != MatrixCell.Fault.PAUSE_LEADER && fault != MatrixCell.Fault.TWO_OF_THREE;
        if (writesStop && waitsForWrites) {
            throw new Cli.Exit(
                    2,
                    "With acks=all and --min-isr 3 nothing is written while a node is gone, and " + fault
                            + " waits for writes to flow again: choose pause-leader or two-of-three, or a lower min"
                            + " ISR.");
        }
    }

    private List<Cluster.Timeouts> givenTimeouts() {
        return timeouts == null
                ? List.of(Cluster.Timeouts.FAST)
                : timeouts.stream().distinct().toList();
    }

    /** Returns, round by round, which runs are not done, or came to no end. What proves nothing is not run again. */
    List<MatrixRun.Plan> missing(List<MatrixCell> cells) {
        List<MatrixRun.Plan> missing = new ArrayList<>();
        for (int number = 1; number <= repeat; number++) {
            for (MatrixCell cell : cells) {
                MatrixRun.Plan plan = new MatrixRun.Plan(cell, number, rate, hold.toMillis());
                if (runs.stream().noneMatch(run -> isDone(run, plan))) {
                    missing.add(plan);
                }
            }
        }
        return missing;
    }

    private static boolean isDone(MatrixRun run, MatrixRun.Plan plan) {
        return run.plan().isSameRun(plan) && run.proof() != MatrixRun.Proof.UNFINISHED;
    }

    // ---- The runs ----

    private void runMissing() throws Exception {
        Optional<KillNode.NodeRuntime> found = cluster.find();
        requirePossible(found);
        if (found.isPresent()) {
            cluster.requireWhole(found.get());
            cluster.use(found.get());
            runAll(missing(cells(null)));
            return;
        }
        for (Cluster.Timeouts given : givenTimeouts()) {
            List<MatrixRun.Plan> missing = missing(cells(given));
            if (!missing.isEmpty()) {
                cluster.start(given);
                runAll(missing);
                cluster.end();
            }
        }
    }

    private void requirePossible(Optional<KillNode.NodeRuntime> found) {
        if (found.isPresent() && timeouts != null) {
            throw new Cli.Exit(
                    2,
                    "--timeouts is for a cluster that this starts, and one is up ("
                            + found.get().name() + "): end it, or leave the option out.");
        }
        MatrixCell.Fault disconnect = MatrixCell.Fault.DISCONNECT_LEADER;
        if (cells(null).stream().noneMatch(cell -> cell.fault() == disconnect)) {
            return;
        }
        if (found.isEmpty()) {
            throw new Cli.Exit(
                    2,
                    "disconnect-leader needs the containers of compose/compose.yaml: processes of one machine cannot"
                            + " be cut off, pause-leader comes nearest.");
        }
        found.get().require(KillNode.Mode.valueOf(disconnect.mode.toUpperCase(Locale.ROOT)));
    }

    private void runAll(List<MatrixRun.Plan> missing) throws Exception {
        if (missing.isEmpty()) {
            return;
        }
        deleteLeftovers();
        long began = System.nanoTime();
        for (int done = 0; done < missing.size(); done++) {
            MatrixRun.Plan plan = missing.get(done);
            double share = (double) done / missing.size();
            String left = done == 0 ? "" : ", " + Screen.left(share, (System.nanoTime() - began) / 1e9);
            common.say(
                    "%d of %d%s: %s, run %d of %d", done + 1, missing.size(), left, plan.cell(), plan.number(), repeat);
            Progress progress = new Progress(done, missing.size(), began);
            Future<?> bar = background.submit(() -> drawBar(progress));
            try {
                keep(runOrSayWhyNot(plan));
            } finally {
                bar.cancel(true);
            }
        }
        screen.clear();
    }

    private record Progress(int done, int all, long began) {}

    /** Draws until it is interrupted. How long a run takes is known only from the ones before. */
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
     * Runs a combination. When a run breaks off, a cluster of its own is started anew for the next; the second one in a
     * row ends it all, as does the first on a cluster that was found.
     */
    private MatrixRun runOrSayWhyNot(MatrixRun.Plan plan) throws Exception {
        long began = System.nanoTime();
        try {
            MatrixRun run = new MatrixTrial(cluster, folder, plan).run(background);
            brokenInARow = 0;
            return run;
        } catch (Exception e) {
            if (!cluster.isOwn() || isInterrupt(e) || ++brokenInARow > 1) {
                throw e;
            }
            String why = e.getMessage() == null ? e.getClass().getSimpleName() : e.getMessage();
            common.say("   broken off, and the nodes are started anew: %s", Cli.printable(why));
            cluster.end();
            cluster.start(Cluster.Timeouts.valueOf(plan.cell().timeouts().toUpperCase(Locale.ROOT)));
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

    /**
     * Deletes what a matrix that was killed left: in this folder its ledger, which names its topic. A topic of another
     * folder may belong to one that still runs.
     */
    private void deleteLeftovers() throws Exception {
        try (Admin admin = common.admin()) {
            Set<String> topics = admin.listTopics().names().get();
            for (Map.Entry<String, Path> left : folder.leftLedgers().entrySet()) {
                String topic = left.getKey();
                if (topics.remove(topic)) {
                    admin.deleteTopics(List.of(topic)).all().get();
                }
                Files.delete(left.getValue());
                common.say("Deleted what a run that was killed had left: topic and ledger %s.", topic);
            }
            topics.removeIf(topic -> !topic.matches(MatrixFolder.TOPIC + "[0-9a-z]{8,9}"));
            topics.forEach(topic -> common.say(
                    "Topic %s is there, of a failover-matrix that was killed or still runs; it is left alone.", topic));
        }
    }

    // ---- What is kept ----

    List<MatrixRun> readRuns() throws IOException {
        if (out == null) {
            DateTimeFormatter time =
                    DateTimeFormatter.ofPattern("yyyyMMdd-HHmmss").withZone(ZoneId.systemDefault());
            out = Path.of("runs", "matrix-" + time.format(Instant.now()));
        }
        folder = new MatrixFolder(out);
        folder.claim();
        runs.clear();
        for (MatrixRun run :
                folder.readRuns(file -> common.say("A line of %s that is none of a run is passed over.", file))) {
            requireSameConditions(run.plan());
            add(run);
        }
        return runs;
    }

    private void requireSameConditions(MatrixRun.Plan plan) {
        if (plan.rate() != rate || plan.holdMs() != hold.toMillis()) {
            throw new Cli.Exit(
                    2,
                    String.format(
                            Locale.ROOT,
                            "The runs in %s are with --rate %.0f --hold %dms: give the same, or another --out.",
                            out,
                            plan.rate(),
                            plan.holdMs()));
        }
    }

    /** Adds a run in the place of an earlier one that came to no end. */
    private void add(MatrixRun run) {
        runs.removeIf(earlier -> earlier.plan().isSameRun(run.plan()));
        runs.add(run);
    }

    private void keep(MatrixRun run) throws IOException {
        add(run);
        common.emit("matrix-run", run.fields().toArray());
        folder.append(run);
        Long gap = run.gaps().partitionMs();
        long landed = run.count(MatrixRun.Count.LANDED);
        common.say(
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
            common.say("   not checked to the end: %d unseen; %s", unseen, Cli.printable(reasons));
        }
    }
}
