///usr/bin/env jbang "$0" "$@" ; exit $?
//JAVA 17+
//DEPS info.picocli:picocli:4.7.7
//DEPS com.fasterxml.jackson.jr:jackson-jr-objects:2.21.7
//DEPS org.slf4j:slf4j-simple:1.7.36
//SOURCES lib/outage/FailoverMatrixTable.java KillNode.java Cluster.java CreateTopic.java WatchIsr.java ResilientProducer.java CheckDelivery.java
//DESCRIPTION Measures what each combination of acks, min ISR and fault costs

import com.fasterxml.jackson.jr.ob.JSON;
import java.io.*;
import java.nio.file.*;
import java.time.*;
import java.time.format.DateTimeFormatter;
import java.util.*;
import java.util.concurrent.*;
import java.util.regex.Pattern;
import java.util.stream.*;
import org.apache.kafka.clients.admin.*;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.errors.*;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/**
 * Breaks the same cluster in the same ways under producers with different settings, and compares what each combination costs: the longest gap between
 * acknowledgements, and what the delivery check finds lost, duplicated or reordered.
 *
 * <p>A run has a topic of its own with three partitions on three nodes, and one producer that writes on schedule. The fault is applied while writes flow, and undone once
 * they flow again; a paused node goes on as soon as another leads its partition (so that what was under way to it is answered by a leader that is none any more), and
 * a lost quorum comes back after --hold. Then every replica has to be in sync, the producer ends, and its ledger is compared with the log.
 *
 * <p>A run in which nothing was acknowledged (acks=0) proves nothing, and one that could not be compared with the log to its end proves less: both are counted as incomplete, and named
 * under the table. The second kind, and a run that broke off, is run again by the same command.
 *
 * <p>Each run is a line of matrix.jsonl in the run's folder. Called again with that folder, it does what is missing. Rounds go through all combinations, so that what
 * the machine does meanwhile hits all alike.
 *
 * <pre>failover-matrix --repeat 5
 * failover-matrix --acks 1,all --min-isr 1,2 --fault pause-leader --repeat 10 --out runs/pause</pre>
 */
@Command(name = "failover-matrix", version = "kraft-lab 0.1.0", sortOptions = false,
        description = "Runs faults against producer and topic settings, and tells what each combination lost and how long it waited. Without choices: ten telling combinations.")
class FailoverMatrix implements Callable<Integer> {
    /** What is done to the cluster. The leader is one of the run's partitions that is not the active controller. */
    enum Fault {
        KILL_LEADER("kill"), KILL_CONTROLLER("kill"), STOP_LEADER("stop"), PAUSE_LEADER("pause"), DISCONNECT_LEADER("disconnect"), TWO_OF_THREE("kill");
        final String mode;
        Fault(String mode) { this.mode = mode; }
        @Override public String toString() { return name().toLowerCase(Locale.ROOT).replace('_', '-'); }
    }

    @Option(names = "--acks", split = ",", paramLabel = "0|1|all", description = "Who must have a record; several with commas, as with the next four (default of a choice: all).")
    List<String> acks;
    @Option(names = "--min-isr", split = ",", paramLabel = "N", description = "The topic's min.insync.replicas (default of a choice: 2).")
    List<Integer> minIsrs;
    @Option(names = "--idempotence", arity = "1", split = ",", paramLabel = "true|false", description = "The producer's; only acks=all can have it (default of a choice: true where it can be).")
    List<Boolean> idempotence;
    @Option(names = "--fault", split = ",", paramLabel = "FAULT", description = "${COMPLETION-CANDIDATES}; disconnect needs Docker (default of a choice: kill-leader).")
    List<Fault> faults;
    @Option(names = "--timeouts", split = ",", paramLabel = "default|fast", description = "Of the cluster that this starts when none is up (default: fast).")
    List<Cluster.Timeouts> timeouts;
    @Option(names = "--repeat", paramLabel = "N", defaultValue = "1", description = "How often each combination is run (default: ${DEFAULT-VALUE}).")
    int repeat;
    @Option(names = "--rate", paramLabel = "N", defaultValue = "2000", description = "Records per second (default: ${DEFAULT-VALUE}).")
    double rate;
    @Option(names = "--hold", paramLabel = "DURATION", defaultValue = "2s", description = "How long a fault goes on after its effect is there (default: ${DEFAULT-VALUE}).")
    Duration hold;
    @Option(names = "--out", paramLabel = "DIR", description = "The folder; one that has some runs already is completed (default: runs/matrix-<time>).")
    Path out;
    @Option(names = "--list", description = "Only list the combinations.")
    boolean list;
    @Mixin KillNode.Common common = new KillNode.Common();
    @Mixin KillNode.Runtimes runtimes = new KillNode.Runtimes(common);

    /** One combination. */
    record Cell(String acks, int minIsr, boolean idempotent, Fault fault, String timeouts) {
        @Override public String toString() { return "acks=" + acks + " min-isr=" + minIsr + (acks.equals("all") ? idempotent ? " idempotent" : " not-idempotent" : "") + " " + fault + " " + timeouts; }
    }

    /**
     * What one run cost. @param gapMs in which no partition acknowledged anything  @param partitionGapMs of the partition that waited longest; both null with acks=0 or when it never ended
     * @param other anomalies of other kinds  @param rate, holdMs as it was run with  @param reasons why it is not complete; of a run that broke off there is nothing else
     */
    record Run(Cell cell, int number, double rate, long holdMs, Long gapMs, Long partitionGapMs, long acknowledged, long lost, long landed, long absent, long failed, long duplicated, long reordered, long other, long errors, String verdict, long tookMs,
               long unseen, List<String> reasons) {
        /** What a run is worth as evidence of loss. */
        enum Proof { CHECKED, NOTHING_PROMISED, UNFINISHED }

        /** Returns what this run may be counted for: without an acknowledgement nothing was promised, and what was not read to the end may still hold anything. */
        Proof proof() {
            if (verdict.equals("fail")) return Proof.CHECKED;
            if (acknowledged == 0) return landed + absent > 0 ? Proof.NOTHING_PROMISED : Proof.UNFINISHED;
            return verdict.equals("pass") ? Proof.CHECKED : Proof.UNFINISHED;
        }

        /** Returns what the producer's end and the delivery check come to. */
        static Run of(Cell cell, int number, double rate, long holdMs, ResilientProducer.Summary sent, DeliveryVerdict v, long tookMs) {
            Long all = sent.longestGap() == null ? null : sent.longestGap().length().toMillis();
            Long partition = sent.partitionGaps().stream().map(g -> g.length().toMillis()).max(Comparator.naturalOrder()).orElse(null);
            long lost = v.count(Anomaly.LOST);
            // Another record at the offset of one that is lost is nothing more than the loss.
            long elsewhere = v.count(Anomaly.INCONSISTENT) - v.log().overwritten();
            long other = v.count(Anomaly.ABORTED_READ) + v.count(Anomaly.PHANTOM) + elsewhere;
            String verdict = v.acknowledged() == 0 && !v.verdict().equals("fail") ? "incomplete" : v.verdict();
            return new Run(cell, number, rate, holdMs, all, partition, v.acknowledged(), lost, v.ledger().landed(), v.ledger().absent(), v.ledger().failed(), v.count(Anomaly.DUPLICATE),
                    v.count(Anomaly.REORDERED), other, sent.errors(), verdict, tookMs, v.count(Anomaly.UNSEEN), v.incomplete());
        }

        /** Returns a run that came to no end: it is done again. */
        static Run brokenOff(Cell cell, int number, double rate, long holdMs, String why, long tookMs) {
            return new Run(cell, number, rate, holdMs, null, null, 0, 0, 0, 0, 0, 0, 0, 0, 0, "incomplete", tookMs, 0, List.of("it broke off: " + why));
        }

        boolean isOf(Cell other, int n) { return cell.equals(other) && number == n; }

        Object[] fields() {
            return new Object[] {"acks", cell.acks, "minIsr", cell.minIsr, "idempotent", cell.idempotent, "fault", cell.fault.toString(), "timeouts", cell.timeouts, "run", number, "rate", rate, "holdMs", holdMs,
                "gapMs", gapMs, "partitionGapMs", partitionGapMs, "acknowledged", acknowledged, "lost", lost, "indeterminateLanded", landed, "indeterminateAbsent", absent, "failed", failed, "duplicates", duplicated,
                "reordered", reordered, "otherAnomalies", other, "errors", errors, "verdict", verdict, "tookMs", tookMs, "unseen", unseen, "incomplete", reasons};
        }

        static Run of(Map<String, Object> e) {
            Cell cell = new Cell((String) e.get("acks"), (Integer) e.get("minIsr"), (Boolean) e.get("idempotent"), Fault.valueOf(e.get("fault").toString().toUpperCase(Locale.ROOT).replace('-', '_')), (String) e.get("timeouts"));
            return new Run(cell, (Integer) e.get("run"), ((Number) e.get("rate")).doubleValue(), number(e, "holdMs"), number(e, "gapMs"), number(e, "partitionGapMs"), number(e, "acknowledged"), number(e, "lost"),
                    number(e, "indeterminateLanded"), number(e, "indeterminateAbsent"), number(e, "failed"), number(e, "duplicates"), number(e, "reordered"), number(e, "otherAnomalies"), number(e, "errors"),
                    (String) e.get("verdict"), number(e, "tookMs"), e.get("unseen") == null ? 0 : number(e, "unseen"), strings(e.get("incomplete")));
        }

        /** Returns the reasons; a line of an earlier version has none. */
        private static List<String> strings(Object list) { return list instanceof List<?> l ? l.stream().map(String::valueOf).toList() : List.of(); }

        private static Long number(Map<String, Object> e, String field) { return e.get(field) == null ? null : ((Number) e.get(field)).longValue(); }
    }

    private static final String TOPIC = "matrix-", LEDGER = ".ledger.jsonl";
    private static final List<Cell> TELLING = List.of(
            new Cell("0", 1, false, Fault.KILL_LEADER, null), new Cell("1", 1, false, Fault.KILL_LEADER, null), new Cell("1", 1, false, Fault.PAUSE_LEADER, null),
            new Cell("all", 1, true, Fault.KILL_LEADER, null), new Cell("all", 2, true, Fault.KILL_LEADER, null), new Cell("all", 2, true, Fault.KILL_CONTROLLER, null),
            new Cell("all", 2, true, Fault.STOP_LEADER, null), new Cell("all", 2, true, Fault.PAUSE_LEADER, null), new Cell("all", 2, false, Fault.PAUSE_LEADER, null),
            new Cell("all", 2, true, Fault.TWO_OF_THREE, null));
    /** How long a cluster may take to come back, and writes to flow, on a slow machine: the client's own patience with a paused node is 30 s. */
    private static final Duration PATIENCE = Duration.ofMinutes(2);

    private final List<Run> runs = new ArrayList<>();
    private final ExecutorService background = Executors.newCachedThreadPool(r -> { Thread t = new Thread(r, "matrix"); t.setDaemon(true); return t; });
    private List<String> reach;
    private Cluster own;
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

    @Override
    public Integer call() throws Exception {
        if (repeat < 1 || !(rate > 0)) throw new KillNode.Exit(2, "--repeat and --rate are numbers above 0.");
        if (list) { cells(givenTimeouts().get(0)).forEach(common.out::println); return 0; }
        if (out == null) out = Path.of("runs", "matrix-" + DateTimeFormatter.ofPattern("yyyyMMdd-HHmmss").withZone(ZoneId.systemDefault()).format(Instant.now()));
        readRuns();
        screen = Screen.on(common.err);
        common.err = screen.above(common.err, line -> line);
        boolean interrupted = false;
        Exception failed = null;
        try { matrix(); }
        catch (InterruptedException | InterruptException e) { interrupted = true; }
        catch (Exception e) { failed = e; } // what was done is shown before it is told
        finally { screen.close(); endOwn(); background.shutdownNow(); }
        FailoverMatrixTable table = new FailoverMatrixTable(runs);
        if (!runs.isEmpty()) Files.writeString(out.resolve("matrix.md"), table.markdown());
        if (!common.json && !(runs.isEmpty() && failed != null)) common.out.print(table.text());
        if (failed != null) throw failed;
        long unfinished = runs.stream().filter(r -> r.proof() == Run.Proof.UNFINISHED).count();
        if (unfinished > 0) common.say("%d runs were not checked to the end, and count only as such; the same command runs them again.", unfinished);
        common.say(interrupted ? "Interrupted; failover-matrix --out %s with the same choices does the rest." : "Runs: %s", out);
        return interrupted ? 130 : unfinished > 0 ? KillNode.INCOMPLETE : 0;
    }

    /** Does what is not in {@link #runs} yet. */
    private void matrix() throws Exception {
        Optional<KillNode.NodeRuntime> found = found();
        if (found.isPresent() && timeouts != null) throw new KillNode.Exit(2, "--timeouts is for a cluster that this starts, and one is up (" + found.get().name() + "): end it, or leave the option out.");
        boolean disconnects = cells(null).stream().anyMatch(c -> c.fault == Fault.DISCONNECT_LEADER);
        if (disconnects && found.isEmpty()) throw new KillNode.Exit(2, "disconnect-leader needs the containers of compose/compose.yaml: processes of one machine cannot be cut off, pause-leader comes nearest.");
        if (disconnects) found.get().require(KillNode.Mode.valueOf(Fault.DISCONNECT_LEADER.mode.toUpperCase(Locale.ROOT)));
        if (found.isPresent()) requireWhole(found.get());
        for (Cluster.Timeouts t : found.isPresent() ? Collections.<Cluster.Timeouts>singletonList(null) : givenTimeouts()) {
            List<Map.Entry<Cell, Integer>> missing = missing(cells(t), repeat);
            if (missing.isEmpty()) continue;
            if (found.isPresent()) reach(found.get().name(), runtimes.dataDir); else startOwn(t);
            deleteLeftovers();
            long began = System.nanoTime();
            for (int i = 0; i < missing.size(); i++) {
                String left = i == 0 ? "" : ", " + Screen.left((double) i / missing.size(), (System.nanoTime() - began) / 1e9);
                common.say("%d of %d%s: %s, run %d of %d", i + 1, missing.size(), left, missing.get(i).getKey(), missing.get(i).getValue(), repeat);
                int done = i;
                Future<?> bar = screen.isOn() ? background.submit(() -> drawBar(done, missing.size(), began)) : CompletableFuture.completedFuture(null);
                try { keep(runOrSayWhyNot(missing.get(i).getKey(), missing.get(i).getValue())); }
                finally { bar.cancel(true); }
            }
            screen.clear();
            endOwn();
        }
    }

    /** Returns, round by round, which runs are not in {@link #runs}, or are and came to no end. What cannot prove anything is not run again for that. */
    List<Map.Entry<Cell, Integer>> missing(List<Cell> cells, int rounds) {
        List<Map.Entry<Cell, Integer>> missing = new ArrayList<>();
        for (int n = 1; n <= rounds; n++) {
            for (Cell cell : cells) {
                int number = n;
                boolean done = runs.stream().anyMatch(r -> r.isOf(cell, number) && r.proof() != Run.Proof.UNFINISHED);
                if (!done) missing.add(Map.entry(cell, n));
            }
        }
        return missing;
    }

    /** Until it is interrupted, while a run goes on. Of its own length is known what the ones before have taken. */
    private Void drawBar(int done, int all, long began) throws InterruptedException {
        for (long start = System.nanoTime(); ; Thread.sleep(250)) {
            double before = (start - began) / 1e9, now = (System.nanoTime() - start) / 1e9, each = done == 0 ? Double.NaN : before / done;
            String left = done == 0 ? "? left" : Screen.left((done + Math.min(0.99, now / each)) / all, before + Math.min(now, each));
            screen.bar((double) done / all, String.format(Locale.ROOT, "%d of %d runs, %.0f s in this one, %s", done, all, now, left));
        }
    }

    /** The chosen combinations that can be; without any choice, the telling ones. */
    List<Cell> cells(Cluster.Timeouts of) {
        String t = of == null ? "found" : of.name().toLowerCase(Locale.ROOT);
        List<Cell> cells = new ArrayList<>();
        if (Stream.of(acks, minIsrs, idempotence, faults).allMatch(Objects::isNull)) for (Cell c : TELLING) cells.add(new Cell(c.acks, c.minIsr, c.idempotent, c.fault, t));
        for (String a : cells.isEmpty() ? Objects.requireNonNullElse(acks, List.of("all")) : List.<String>of()) {
            if (!List.of("0", "1", "all").contains(a)) throw new KillNode.Exit(2, "--acks is 0, 1 or all, not '" + a + "'.");
            for (int m : Objects.requireNonNullElse(minIsrs, List.of(2))) {
                if (m < 1 || m > 3) throw new KillNode.Exit(2, "--min-isr is 1, 2 or 3: the topics have three replicas.");
                for (Fault f : Objects.requireNonNullElse(faults, List.of(Fault.KILL_LEADER))) for (boolean i : a.equals("all") ? Objects.requireNonNullElse(idempotence, List.of(true)) : List.of(false)) {
                    if (a.equals("all") && m == 3 && f != Fault.PAUSE_LEADER && f != Fault.TWO_OF_THREE)
                        throw new KillNode.Exit(2, "With acks=all and --min-isr 3 nothing is written while a node is gone, and " + f + " waits for writes to flow again: choose pause-leader or two-of-three, or a lower min ISR.");
                    Cell cell = new Cell(a, m, i, f, t);
                    if (!cells.contains(cell)) cells.add(cell);
                }
            }
        }
        return cells;
    }

    private List<Cluster.Timeouts> givenTimeouts() { return timeouts == null ? List.of(Cluster.Timeouts.FAST) : timeouts.stream().distinct().toList(); }

    // ---- The cluster ----

    /** What has a living node, or is named. */
    private Optional<KillNode.NodeRuntime> found() throws Exception {
        try {
            KillNode.NodeRuntime runtime = runtimes.choose();
            if (runtime.name().equals("hooks") || runtime.nodes().stream().anyMatch(n -> !n.state().equals("down"))) return Optional.of(runtime);
        } catch (KillNode.Exit e) { if (e.code != KillNode.UNREACHABLE || !List.of(KillNode.Where.AUTO, KillNode.Where.EMBEDDED).contains(runtimes.where)) throw e; }
        if (!List.of(KillNode.Where.AUTO, KillNode.Where.EMBEDDED).contains(runtimes.where)) throw new KillNode.Exit(KillNode.UNREACHABLE, "All of the lab's containers are down: start them first (docker compose -f compose/compose.yaml up -d --wait).");
        return Optional.empty();
    }

    /** A fault that somebody's command has left, such as a matrix that was killed itself, would be taken for the cell's own. */
    private void requireWhole(KillNode.NodeRuntime runtime) throws Exception {
        for (KillNode.Target n : runtime.nodes()) if (!n.state().equals("unknown") ? !n.state().equals("running") : KillNode.isGone(n))
            throw new KillNode.Exit(KillNode.REFUSED, n.name() + (n.state().equals("unknown") ? " does not answer" : " is " + n.state()) + ", and each run begins with a whole cluster: start-node all mends it.");
    }

    /** What a matrix that was killed left: in this folder its ledger, which names its topic; that of another folder may be of one that still runs. */
    private void deleteLeftovers() throws Exception {
        try (Admin admin = common.admin(); Stream<Path> files = Files.list(out)) {
            Set<String> there = admin.listTopics().names().get();
            for (Path ledger : files.filter(f -> f.getFileName().toString().matches(TOPIC + "[0-9a-z]+" + Pattern.quote(LEDGER))).toList()) {
                String topic = ledger.getFileName().toString().replace(LEDGER, "");
                if (there.remove(topic)) admin.deleteTopics(List.of(topic)).all().get();
                Files.delete(ledger);
                common.say("Deleted what a run that was killed had left: topic and ledger %s.", topic);
            }
            there.stream().filter(t -> t.matches(TOPIC + "[0-9a-z]{8,9}")).forEach(t -> common.say("Topic %s is there, of a failover-matrix that was killed or still runs; it is left alone.", t));
        }
    }

    /** Beside the user's cluster, whose data stays as it is. */
    private void startOwn(Cluster.Timeouts t) throws Exception {
        Path folder = runtimes.dataDir.toAbsolutePath().resolveSibling("matrix");
        own = new Cluster();
        own.common.configure(own, quiet(), common.err, "up", "--fresh", "--data-dir", folder.toString(), "--timeouts", t.name());
        common.say("Starting three nodes (timeouts: %s) ...", t.name().toLowerCase(Locale.ROOT));
        own.up();
        common.bootstrapServer = Cluster.bootstrap();
        reach("embedded", folder);
    }

    private void endOwn() throws Exception {
        if (own == null) return;
        Thread.interrupted(); // nobody is left behind for that
        own.down(true);
        own.deleteData();
        own = null;
    }

    private void reach(String runtime, Path dataDir) {
        reach = new ArrayList<>(List.of("-b", common.bootstrapServer, "--runtime", runtime.equals("hooks") ? "external" : runtime, "--data-dir", dataDir.toString()));
        for (String[] option : new String[][] {{"--kill-command", runtimes.killCommand}, {"--start-command", runtimes.startCommand}, {"--command-config", common.commandConfig == null ? null : common.commandConfig.toString()}})
            if (option[1] != null) reach.addAll(List.of(option));
    }

    private KillNode node(String... args) {
        KillNode script = new KillNode();
        script.common.configure(script, quiet(), quiet(), Stream.concat(reach.stream(), Stream.of(args)).toArray(String[]::new));
        script.common.listener = common.listener;
        return script;
    }

    // ---- One run ----

    /** Runs a combination. When a run breaks off, a cluster of its own is started anew for the next; the second one in a row ends it all, as does the first on a cluster that was found. */
    private Run runOrSayWhyNot(Cell cell, int number) throws Exception {
        long began = System.nanoTime();
        try {
            Run run = run(cell, number);
            brokenInARow = 0;
            return run;
        } catch (Exception e) {
            if (own == null || isInterrupt(e) || ++brokenInARow > 1) throw e;
            String why = e.getMessage() == null ? e.getClass().getSimpleName() : e.getMessage();
            common.say("   broken off, and the nodes are started anew: %s", KillNode.printable(why));
            endOwn();
            startOwn(Cluster.Timeouts.valueOf(cell.timeouts.toUpperCase(Locale.ROOT)));
            return Run.brokenOff(cell, number, rate, hold.toMillis(), why, (System.nanoTime() - began) / 1_000_000);
        }
    }

    /** Returns whether Ctrl-C is the cause: it must not start anything. */
    private static boolean isInterrupt(Throwable e) {
        if (Thread.currentThread().isInterrupted()) return true;
        for (Throwable cause = e; cause != null; cause = cause.getCause()) if (cause instanceof InterruptedException || cause instanceof InterruptException) return true;
        return false;
    }

    private Run run(Cell cell, int number) throws Exception {
        long began = System.nanoTime();
        String topic = TOPIC + Long.toString(System.currentTimeMillis(), 36);
        Path ledger = out.resolve(topic + LEDGER);
        Set<Integer> broken = Collections.synchronizedSet(new LinkedHashSet<>());
        common.patience = KillNode.undoPatience(common.timeout);
        common.leftover = () -> nameBroken(broken);
        List<String> args = new ArrayList<>(client());
        args.addAll(List.of("--topic", topic, "--rate", "" + rate, "--acks", cell.acks, "--ledger", ledger.toString(), "--send-timeout", "1h", "--command-property", "enable.idempotence=" + cell.idempotent));
        ResilientProducer producer = new ResilientProducer();
        producer.common.configure(producer, quiet(), quiet(), args.toArray(String[]::new));
        CountDownLatch ended = new CountDownLatch(1);
        Future<ResilientProducer.Summary> producing = null;
        boolean whole = false;
        try (Admin admin = common.admin(); KillNode.SecondInterrupt second = new KillNode.SecondInterrupt(common.leftover)) {
            try {
                CreateTopic.create(admin, new CreateTopic.Wanted(topic, 3, (short) 3, Map.of("min.insync.replicas", "" + cell.minIsr)), false, PATIENCE);
                Future<ResilientProducer.Summary> p = producing = background.submit(() -> { try { return producer.produce(); } finally { ended.countDown(); } });
                awaitWrites(cell, producer, p, admin, topic);
                apply(cell, admin, topic, broken, () -> awaitWrites(cell, producer, p, admin, topic));
                restore(broken);
                awaitInSync(topic);
                awaitWrites(cell, producer, p, admin, topic);
                whole = true;
                producer.stop();
                return checked(cell, number, p.get(), ledger, began);
            } finally {
                if (producing != null) producing.cancel(true);
                boolean interrupted = Thread.interrupted();
                // A cluster of its own that something went wrong with ends, with its data, before Ctrl-C's ten seconds are over.
                if (whole || own == null) try { restore(broken); } finally {
                    if (producing != null) ended.await(4, TimeUnit.SECONDS); // a producer that still asks for the topic would have it made again
                    try {
                        admin.deleteTopics(List.of(topic), new DeleteTopicsOptions().timeoutMs(whole ? 20_000 : 4_000)).all().get();
                        Files.deleteIfExists(ledger);
                    } catch (ExecutionException e) {
                        if (e.getCause() instanceof UnknownTopicOrPartitionException) Files.deleteIfExists(ledger);
                        else common.say("Topic %s could not be deleted (%s); the next failover-matrix with this folder does it.", topic, e.getCause().getMessage());
                    }
                } else Files.deleteIfExists(ledger);
                if (interrupted) Thread.currentThread().interrupt();
            }
        }
    }

    private Run checked(Cell cell, int number, ResilientProducer.Summary sent, Path ledger, long began) throws Exception {
        CheckDelivery check = new CheckDelivery();
        check.common.configure(check, quiet(), quiet(), Stream.concat(client().stream(), Stream.of(ledger.toString())).toArray(String[]::new));
        List<Map<String, Object>> said = new ArrayList<>();
        check.common.listener = said::add;
        DeliveryVerdict v = check.check();
        if (v.incomplete().contains("interrupted")) throw new InterruptedException();
        Run run = Run.of(cell, number, rate, hold.toMillis(), sent, v, (System.nanoTime() - began) / 1_000_000);
        if (!v.verdict().equals("pass") && cell.acks.equals("all") && cell.minIsr > 1) { // which Kafka does not promise to happen: it has to be looked at
            Path kept = out.resolve("anomalies-" + ledger.getFileName());
            Files.copy(ledger, kept, StandardCopyOption.REPLACE_EXISTING);
            for (Map<String, Object> e : said) Files.writeString(out.resolve("anomalies-verdicts.jsonl"), JSON.std.asString(e) + "\n", StandardOpenOption.CREATE, StandardOpenOption.APPEND);
            common.say("   %s: its ledger is kept as %s, what was found in anomalies-verdicts.jsonl beside it", v.verdict(), kept);
        }
        return run;
    }

    /** What each client needs to reach the cluster. */
    private List<String> client() {
        List<String> args = new ArrayList<>(reach.subList(0, 2));
        if (common.commandConfig != null) args.addAll(List.of("--command-config", common.commandConfig.toString()));
        return args;
    }

    /** Returns when the fault's effect has been there for --hold. */
    private void apply(Cell cell, Admin admin, String topic, Set<Integer> broken, Callable<Void> writesFlow) throws Exception {
        switch (cell.fault) {
            case TWO_OF_THREE -> {
                fail(broken, cell.fault, "controller");
                fail(broken, cell.fault, "random");
                watch(topic).await(WatchIsr.Until.NO_QUORUM, PATIENCE);
            }
            case PAUSE_LEADER -> {
                int paused = fail(broken, cell.fault, leader(admin, topic));
                watch(topic).await(s -> s.alive() && s.partitions().noneMatch(p -> p.leader() == null || p.leader().isEmpty() || p.leader().id() == paused), PATIENCE);
            }
            case KILL_CONTROLLER -> { fail(broken, cell.fault, "controller"); writesFlow.call(); }
            default -> { fail(broken, cell.fault, leader(admin, topic)); writesFlow.call(); }
        }
        Thread.sleep(hold.toMillis()); // an observation of a given length: whether something goes wrong while nothing is awaited
    }

    /** A leader that is not the active controller as well: an election of the quorum would make another fault of it, in one run of three. */
    private static String leader(Admin admin, String topic) throws Exception {
        int controller = admin.describeMetadataQuorum().quorumInfo().get().leaderId();
        return admin.describeTopics(List.of(topic)).allTopicNames().get().get(topic).partitions().stream().map(p -> p.leader().id()).filter(id -> id != controller).findFirst()
                .orElse(controller) + "";
    }

    private int fail(Set<Integer> broken, Fault fault, String target) throws Exception {
        KillNode script = node(target, "--mode", fault.mode, "--force");
        try { return script.breakNodes(script.runtime()).get(0).node().id(); }
        finally { script.broken.forEach(n -> broken.add(n.id())); }
    }

    /** One that cannot be brought back keeps no other from it. */
    private void restore(Set<Integer> broken) throws Exception {
        if (broken.isEmpty()) return;
        KillNode script = node(Stream.concat(broken.stream().map(String::valueOf), Stream.of("--restore", "--no-wait")).toArray(String[]::new));
        try {
            script.restoreNodes(script.runtime());
            broken.clear();
        } finally {
            broken.removeAll(script.restored);
        }
    }

    /** Of a cluster that stays: what Ctrl-C has not mended yet, and the command that does. */
    private void nameBroken(Set<Integer> broken) {
        List<Integer> left = List.copyOf(broken);
        if (!left.isEmpty() && own == null) common.say("Not restored: nodes %s; this does it: %s", left, node("all").undoCommand(left));
    }

    private WatchIsr watch(String topic) {
        WatchIsr watch = new WatchIsr();
        List<String> args = client();
        args.addAll(List.of("--topic", topic, "--interval", "100ms"));
        watch.common.configure(watch, quiet(), quiet(), args.toArray(String[]::new));
        return watch;
    }

    private void awaitInSync(String topic) throws Exception { watch(topic).await(WatchIsr.Until.IN_SYNC, PATIENCE); }

    /** Until each partition has taken a record that was sent from now on. Without acknowledgements (acks=0) only its end tells. */
    private Void awaitWrites(Cell cell, ResilientProducer producer, Future<?> producing, Admin admin, String topic) throws Exception {
        long now = System.nanoTime(), deadline = now + PATIENCE.toNanos();
        Map<Integer, Long> ends = new HashMap<>();
        for (int p = 0; p < 3; p++) {
            while (true) {
                if (producing.isDone()) producing.get(); // brings its exception here
                if (System.nanoTime() > deadline) throw new KillNode.Exit(KillNode.MISSED, "Partition " + p + " of " + topic + " took nothing within " + PATIENCE.toSeconds() + " s (" + cell + ").");
                if (!cell.acks.equals("0")) { if (producer.awaitAckAfter(p, now, Duration.ofSeconds(1)).isPresent()) break; }
                else if (hasMoved(admin, new TopicPartition(topic, p), ends)) break;
            }
        }
        return null;
    }

    private static boolean hasMoved(Admin admin, TopicPartition p, Map<Integer, Long> ends) throws InterruptedException {
        try {
            long end = admin.listOffsets(Map.of(p, OffsetSpec.latest()), new ListOffsetsOptions().timeoutMs(2000)).partitionResult(p).get().offset();
            Long before = ends.putIfAbsent(p.partition(), end);
            if (before != null && end > before) return true;
            Thread.sleep(20);
        } catch (ExecutionException leaderless) { Thread.sleep(100); }
        return false;
    }

    // ---- What is kept ----

    List<Run> readRuns() throws IOException {
        runs.clear();
        try { Files.createDirectories(out); } catch (IOException e) { throw new KillNode.Exit(1, "Cannot make the folder " + out + ": " + e.getMessage() + "; name another with --out."); }
        claimFolder();
        Path file = out.resolve("matrix.jsonl");
        if (!Files.exists(file)) return runs;
        String text = Files.readString(file);
        if (!text.isEmpty() && !text.endsWith("\n")) Files.writeString(file, "\n", StandardOpenOption.APPEND); // cut off by a kill: what comes next is a line of its own
        for (String line : text.lines().filter(l -> !l.isBlank()).toList()) {
            Run run;
            try { run = Run.of(JSON.std.mapFrom(line)); }
            catch (IOException | RuntimeException cutOff) { common.say("A line of %s that is none of a run is passed over.", file); continue; }
            Run read = run;
            if (run.rate != rate || run.holdMs != hold.toMillis())
                throw new KillNode.Exit(2, String.format(Locale.ROOT, "The runs in %s are with --rate %.0f --hold %dms: give the same, or another --out.", out, run.rate, run.holdMs));
            runs.removeIf(r -> r.isOf(read.cell, read.number)); // done again
            runs.add(run);
        }
        return runs;
    }

    /** Marks a folder in which nothing is that a matrix writes, replaces or deletes; another's files of those names stay as they are. */
    private void claimFolder() throws IOException {
        List<Path> there;
        try (Stream<Path> files = Files.list(out)) { there = files.filter(f -> f.getFileName().toString().matches("matrix\\.(jsonl|md)|" + TOPIC + "[0-9a-z]+" + Pattern.quote(LEDGER))).toList(); }
        boolean links = there.stream().anyMatch(Files::isSymbolicLink);
        boolean ours = Cluster.Own.isMarked(out, "a matrix") || Cluster.Own.begins(out.resolve("matrix.jsonl"), "{\"acks\":"); // of a version that did not mark its folder
        if (links || !there.isEmpty() && !ours) throw new KillNode.Exit(KillNode.REFUSED, out + " has files that no failover-matrix has written there ("
                + String.join(", ", there.stream().map(f -> KillNode.printable(f.getFileName())).toList()) + "), and they stay as they are: name another folder with --out.");
        if (there.isEmpty()) Cluster.Own.mark(out, "a matrix", "failover-matrix", "it goes on from the runs here");
    }

    private void keep(Run run) throws IOException {
        runs.removeIf(r -> r.isOf(run.cell, run.number));
        runs.add(run);
        common.emit("matrix-run", run.fields());
        Map<String, Object> line = new LinkedHashMap<>();
        for (int i = 0; i < run.fields().length; i += 2) line.put((String) run.fields()[i], run.fields()[i + 1]);
        Files.writeString(out.resolve("matrix.jsonl"), JSON.std.asString(line) + "\n", StandardOpenOption.CREATE, StandardOpenOption.APPEND);
        common.say("   longest gap %s, %d acknowledged, %d lost, %d duplicated, %d reordered, %d indeterminate (%d landed)", run.partitionGapMs == null ? "-" : String.format(Locale.ROOT, "%.2f s", run.partitionGapMs / 1e3),
                run.acknowledged, run.lost, run.duplicated, run.reordered, run.landed + run.absent, run.landed);
        if (run.proof() == Run.Proof.UNFINISHED) common.say("   not checked to the end: %d unseen; %s", run.unseen, KillNode.printable(String.join("; ", run.reasons)));
    }

    private static PrintWriter quiet() { return new PrintWriter(Writer.nullWriter()); }
}
