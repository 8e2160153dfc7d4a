///usr/bin/env jbang "$0" "$@" ; exit $?
//JAVA 17+
//DEPS org.apache.kafka:kafka-clients:4.4.0
//DEPS info.picocli:picocli:4.7.7
//DEPS com.fasterxml.jackson.jr:jackson-jr-objects:2.21.7
//DEPS org.slf4j:slf4j-simple:1.7.36
//SOURCES lib/lab/LabCluster.java lib/lab/LabNotebook.java lib/lab/LabScenario.java lib/lab/LabMessages.java
//SOURCES lib/outage/OutageAnalysis.java lib/outage/OutageTable.java
//SOURCES lib/lab/LabCharts.java lib/lab/LabPage.java lib/lab/LabFolder.java lib/lab/LabScreen.java
//SOURCES Report.java Cluster.java CreateTopic.java PerfTest.java KillNode.java ProbeCluster.java WatchIsr.java WatchLeaders.java ResilientProducer.java CheckDelivery.java
//JAVAC_OPTIONS -J-XX:TieredStopAtLevel=1 -J-XX:+UseSerialGC
//DESCRIPTION Runs the whole experiment on three real nodes and prints a verdict

import com.fasterxml.jackson.jr.ob.JSON;
import java.io.*;
import java.nio.file.*;
import java.time.*;
import java.time.format.DateTimeFormatter;
import java.util.*;
import java.util.concurrent.*;
import java.util.function.Predicate;
import java.util.stream.Stream;
import org.apache.kafka.clients.admin.*;
import org.apache.kafka.common.errors.InterruptException;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/**
 * The KRaft lab from beginning to end: three nodes, the topics, the load test; then, under a running producer, a scenario; and what was
 * acknowledged is compared with what is in the log. In the classic scenario the active controller is killed, and the next one, so that
 * the quorum is lost, and the nodes are brought back until every replica is in sync. Others, or one of your own: docs/scenarios.md.
 *
 * <p>It composes the step scripts in one JVM through their methods, and awaits conditions, never a fixed time (but where a scenario has it
 * watch for a while that nothing happens). A run leaves a folder: events.jsonl, ledger.jsonl, load-ledger.jsonl, perf.hlog, verdict.json,
 * notebook.md and report.html.
 *
 * <pre>lab                                     as in the original, with Kafka's own timeouts
 * lab --timeouts fast --records 100000    in about a minute
 * lab --scenario rolling-restart --dashboard
 * lab --lang ru</pre>
 */
@Command(
        name = "lab",
        version = "kraft-lab 0.1.0",
        sortOptions = false,
        description = "The whole experiment on three real nodes: load, kill the controller twice, bring the nodes back,"
                + " check every record.")
class Lab implements Callable<Integer> {
    private static final String LOAD = "test_topic", CRITICAL = "critical_data", PROBED = "probe_topic";
    /** What the quorum's loss and return may take at the most, with Kafka's own timeouts on a slow machine. */
    private static final Duration PATIENCE = Duration.ofMinutes(3);

    @Option(
            names = "--scenario",
            paramLabel = "NAME|FILE",
            defaultValue = "classic",
            description = "What is done to the nodes: classic, rolling-restart, flapping, pause-leader, lost-majority,"
                    + " slow-follower, or a file (docs/scenarios.md; default: ${DEFAULT-VALUE}).")
    String scenarioName;

    @Option(
            names = "--records",
            paramLabel = "N",
            defaultValue = "1000000",
            description = "Records of the load test, 1000 bytes each (default: ${DEFAULT-VALUE}).")
    long records;

    @Option(
            names = "--timeouts",
            paramLabel = "default|fast",
            defaultValue = "DEFAULT",
            description = "Kafka's own timeouts, or tuned ones for outages a third as long.")
    Cluster.Timeouts timeouts;

    @Option(
            names = "--runtime",
            paramLabel = "auto|embedded|docker|external",
            defaultValue = "EMBEDDED",
            description =
                    "The nodes: processes, the containers of compose/compose.yaml, or a cluster of your own, at -b"
                            + " (default: embedded; auto: what runs).")
    KillNode.Where where;

    @Option(
            names = "--kill-command",
            paramLabel = "COMMAND",
            description = "external: how to break {id} ({name}, {host}).")
    String killCommand;

    @Option(
            names = "--start-command",
            paramLabel = "COMMAND",
            description = "external: how to start {id} ({name}, {host}) again.")
    String startCommand;

    @Option(
            names = "--rate",
            paramLabel = "N",
            defaultValue = "20",
            description =
                    "Messages per second of the producer; a gap is measured to one period (default: ${DEFAULT-VALUE}).")
    double rate;

    @Option(
            names = "--observe",
            paramLabel = "DURATION",
            defaultValue = "5s",
            description = "How long a scenario's wait is that has no time of its own, such as that without a quorum"
                    + " (default: ${DEFAULT-VALUE}).")
    Duration observe;

    @Option(names = "--out", paramLabel = "DIR", description = "The run's folder (default: runs/<time>).")
    Path out;

    @Option(
            names = "--lang",
            paramLabel = "en|ru",
            defaultValue = "en",
            description = "What the lab says, and the notebook, in English or Russian (default: ${DEFAULT-VALUE}).")
    String lang;

    @Option(
            names = "--dashboard",
            paramLabel = "PORT",
            arity = "0..1",
            fallbackValue = "8060",
            description = "Serve the run's page, live, on this machine (127.0.0.1), and print its address (default:"
                    + " ${FALLBACK-VALUE}; 0: any that is free).")
    Integer dashboard;

    @Option(names = "--keep", description = "Leave the cluster running.")
    boolean keep;

    @Option(
            names = "--data-dir",
            paramLabel = "DIR",
            description = "Where the nodes live (default: cluster/ in $$KRAFT_LAB_HOME, else in ~/.kraft-lab).",
            defaultValue = "${KRAFT_LAB_HOME:-${sys:user.home}/.kraft-lab}/cluster")
    Path dataDir;

    @Mixin
    Cli.Common common = new Cli.Common();

    private final List<LabNotebook.Step> steps = new ArrayList<>();
    final Set<Integer> broken = Collections.synchronizedSet(new LinkedHashSet<>());
    private final long began = System.nanoTime();
    private LabNotebook.Step step;
    LabMessages words;
    LabScenario scenario;
    LabCluster cluster;
    private Future<Boolean> watching, watchingLeaders;
    private WatchIsr.Snapshot snapshot;
    private long lastAck, longestGap;
    private int sendErrors;
    private List<Long> latencies = new ArrayList<>();
    private ResilientProducer producer;
    private Future<ResilientProducer.Summary> producing;
    private final CountDownLatch produced = new CountDownLatch(1);
    private ResilientProducer.Summary sent;
    private DeliveryVerdict verdict;
    private LoadVerdict loadVerdict;
    private final ExecutorService background = Executors.newCachedThreadPool(r -> {
        Thread t = new Thread(r, "lab");
        t.setDaemon(true);
        return t;
    });
    private Writer events;
    private LivePage live;
    private LabScreen screen;
    private KillNode.SecondInterrupt secondInterrupt;

    public static void main(String... args) {
        System.exit(run(WatchIsr.Screen.OUT, WatchIsr.Screen.ERR, args));
    }

    /** Runs the script without a process. @return the exit code */
    public static int run(PrintWriter out, PrintWriter err, String... args) {
        Lab script = new Lab();
        return script.common.run(script, out, err, args);
    }

    @Override
    public Integer call() throws Exception {
        for (String option : where == KillNode.Where.EXTERNAL
                ? List.of("--timeouts", "--data-dir", "--keep")
                : List.of("-b", "--command-config", "--kill-command", "--start-command"))
            if (given(option))
                throw new Cli.Exit(
                        2,
                        "lab takes " + option
                                + (where == KillNode.Where.EXTERNAL
                                        ? " only with a cluster of the lab's own."
                                        : " only with --runtime external: otherwise it breaks nodes of the lab's own"
                                                + " cluster."));
        if (records < 1 || !(rate > 0)) throw new Cli.Exit(2, "--records and --rate are numbers above 0.");
        try {
            words = LabMessages.of(lang);
        } catch (IllegalArgumentException e) {
            throw new Cli.Exit(2, e.getMessage());
        }
        scenario = LabScenario.of(scenarioName, words);
        for (LabScenario.Action a : scenario.actions)
            if (a.verb().equals("disconnect") && where == KillNode.Where.EMBEDDED)
                throw new Cli.Exit(
                        2,
                        scenario.name + ", line " + a.line()
                                + ": disconnect needs --runtime docker; processes of one machine cannot be cut off,"
                                + " pause comes nearest.");
        if (out == null)
            out = Path.of(
                    "runs",
                    DateTimeFormatter.ofPattern("yyyyMMdd-HHmmss")
                            .withZone(ZoneId.systemDefault())
                            .format(Instant.now()));
        LabFolder.requireUnused(out, words);
        if (dashboard != null)
            common.say("%s", text("dashboard.address", (live = LabPage.serve(out, dashboard)).address()));
        try {
            LabFolder.claim(out);
            events = new OutputStreamWriter(
                    new FileOutputStream(out.resolve("events.jsonl").toFile()), "UTF-8");
        } catch (IOException e) {
            if (live != null) live.close();
            throw new Cli.Exit(
                    1,
                    "Cannot write to the run's folder " + out + ": " + Cluster.Own.reason(e)
                            + "; name another with --out.");
        }
        screen = LabScreen.below(this);
        common.patience = KillNode.undoPatience(common.timeout);
        common.leftover = this::nameBroken;
        secondInterrupt = new KillNode.SecondInterrupt(common.leftover);
        String ended = text("ended.early");
        int code = 1;
        try {
            experiment();
            code = exitCode(verdict, loadVerdict);
            ended = verdictLine();
        } catch (InterruptedException | InterruptException e) {
            ended = text("ended.interrupted", steps.size());
            code = 130;
        } catch (Exception e) {
            ended = text("ended.incomplete", steps.size(), step == null ? "" : step.title, e.getMessage());
            throw e;
        } finally {
            screen.close();
            finish(ended, code);
        }
        return code;
    }

    /** Returns what the producer's records and the load's come to: one that is lost fails, whichever it is, and what was not checked to the end proves nothing of both. */
    static int exitCode(DeliveryVerdict producer, LoadVerdict load) {
        List<Integer> codes = List.of(producer.exitCode(), load.exitCode());
        return codes.contains(Cli.ANOMALY) ? Cli.ANOMALY : Collections.max(codes);
    }

    private void experiment() throws Exception {
        bootCluster();
        createTopics();
        loadTest();
        startProducer();
        scenario.run(this);
        stopProducer();
        checkDelivery();
        checkLoad();
    }

    // ---- The steps ----

    private void bootCluster() throws Exception {
        cluster = LabCluster.of(this);
        begin(text("boot.title"), cluster.command());
        line(cluster.up());
        common.bootstrapServer = cluster.reach().bootstrap();
        WatchIsr watch = new WatchIsr();
        watch.common.configure(
                watch, quiet(), quiet(), reaching("--interval", "100ms", "--topic", LOAD, "--topic", CRITICAL));
        watch.common.listener = this::record;
        watching = background.submit(() -> watch.watch(this::seen, null));
        watchingLeaders = background.submit(cluster.leaders(LOAD, CRITICAL));
        WatchIsr.Snapshot s = await("controller", x -> x.controller() >= 0);
        say("boot.controller", s.controller(), s.epoch());
        end(text(cluster.isCombined() ? "boot.means" : "boot.means-dedicated"));
    }

    private void createTopics() throws Exception {
        begin(
                text("topics.title"),
                "create-topic " + LOAD + " " + CRITICAL + " " + PROBED
                        + " --partitions 8 --replication-factor 3 --if-not-exists");
        CreateTopic create = new CreateTopic();
        create.common.configure(create, quiet(), common.err, reaching(LOAD, CRITICAL, PROBED, "--if-not-exists"));
        create.common.listener = this::record;
        try (Admin admin = common.admin()) {
            create.create(
                    admin, l -> say("topics.topic", l.topic(), l.partitions().size(), l.ms()));
        }
        WatchIsr.ReplicaCounts s = await("in-sync", this::isInSync).total();
        say("topics.all", s.online(), s.partitions(), s.inSync(), s.replicas());
        end(text("topics.means", PROBED));
    }

    private void loadTest() throws Exception {
        String command = "--topic " + LOAD + " --num-records " + records
                + " --throughput -1 --record-size 1000 --command-property batch.size=16384 acks=1 linger.ms=50";
        begin(text("load.title"), "perf " + command + " --hdr-log perf.hlog --ledger load-ledger.jsonl");
        PerfTest perf = new PerfTest();
        List<String> args = new ArrayList<>(List.of(command.split(" ")));
        args.addAll(List.of(
                "--hdr-log",
                out.resolve("perf.hlog").toString(),
                "--ledger",
                out.resolve("load-ledger.jsonl").toString()));
        perf.common.configure(perf, quiet(), common.err, reaching(args.toArray(String[]::new)));
        perf.common.listener = this::record;
        PerfTest.Summary s = perf.measure();
        if (s.interrupted()) throw new InterruptedException();
        if (s.records() == 0) throw new Cli.Exit(Cli.ALL_FAILED, text("load.nothing"));
        line(s.line(""));
        if (s.failed() > 0) say("load.failed", s.failed());
        end(text("load.means", s.recordsPerSec(), s.mbPerSec()));
    }

    private void startProducer() throws Exception {
        begin(text("producer.title"), "resilient-producer --rate " + plain(rate) + " --ledger ledger.jsonl");
        producer = new ResilientProducer();
        producer.common.configure(
                producer,
                quiet(),
                common.err,
                reaching(
                        "--topic",
                        CRITICAL,
                        "--rate",
                        "" + rate,
                        "--ledger",
                        out.resolve("ledger.jsonl").toString(),
                        "--send-timeout",
                        "1h"));
        producer.common.listener = this::record;
        long start = System.nanoTime();
        producing = background.submit(() -> {
            try {
                return producer.produce();
            } finally {
                produced.countDown();
            }
        });
        writesFlow(start);
        say("producer.each", plain(1000 / rate), producer.partitions());
        end(text("producer.means"));
    }

    private void stopProducer() throws Exception {
        begin(text("stop.title"), "Ctrl-C");
        producer.stop();
        sent = producing.get();
        say("stop.sent", sent.sent(), sent.acknowledged(), sent.failed(), sent.indeterminate());
        say("stop.gap", seconds(sent.longestGap().length()), sent.longestGap().from());
        end(text("stop.means"));
    }

    private void checkDelivery() throws Exception {
        begin(text("check.title"), "check-delivery ledger.jsonl");
        DeliveryVerdict v = check("ledger.jsonl").check();
        requireNotInterrupted(v.incomplete());
        verdict = v;
        say(
                "check.counts",
                verdict.acknowledged(),
                verdict.log().read(),
                count("LOST"),
                count("DUPLICATE"),
                count("REORDERED"),
                count("INCONSISTENT"),
                count("PHANTOM"));
        end(
                verdict.verdict().equals("pass")
                        ? text("check.pass")
                        : verdict.verdict().equals("fail")
                                ? text("check.fail")
                                : text("check.incomplete", String.join("; ", verdict.incomplete())));
    }

    /** The load was acknowledged with acks=1, by the leader alone, and nodes were broken since. */
    private void checkLoad() throws Exception {
        begin(text("check-load.title"), "check-delivery load-ledger.jsonl");
        LoadVerdict v = check("load-ledger.jsonl").checkLoad().get(0);
        requireNotInterrupted(v.incomplete());
        loadVerdict = v;
        say(
                "check-load.counts",
                v.counts().found(),
                v.counts().acknowledged(),
                lostOfLoad(v),
                v.count(Anomaly.UNSEEN),
                v.count(Anomaly.EXPIRED));
        end(text("check-load." + v.verdict(), String.join("; ", v.incomplete())));
    }

    private CheckDelivery check(String ledger) {
        CheckDelivery check = new CheckDelivery();
        check.common.configure(
                check, quiet(), common.err, reaching(out.resolve(ledger).toString()));
        check.common.listener = this::record;
        return check;
    }

    private static void requireNotInterrupted(List<String> incomplete) throws InterruptedException {
        if (incomplete.contains("interrupted")) throw new InterruptedException();
    }

    // ---- What the steps are made of ----

    /** Undoes what was done to nodes, side by side, and does not wait for them to be back. */
    void start(List<Integer> ids) throws Exception {
        if (ids.isEmpty()) return;
        KillNode script = node(Stream.concat(ids.stream().map(String::valueOf), Stream.of("--restore", "--no-wait"))
                .toArray(String[]::new));
        try {
            script.restoreNodes(script.runtime());
            broken.removeAll(ids);
        } finally {
            broken.removeAll(script.restored);
            for (int id : ids)
                if (!broken.contains(id))
                    say(script.restored.contains(id) ? "done.start" : "done.start-none", Cluster.name(id));
        }
    }

    /** Of a cluster that is left running: what is still broken, and the command that mends it. */
    private void nameBroken() {
        List<Integer> left = List.copyOf(broken);
        if (left.isEmpty() || cluster == null || !isLeft()) return;
        common.say(
                "%s",
                text(
                        "ended.not-started",
                        String.join(", ", left.stream().map(Cluster::name).toList()),
                        node("all").undoCommand(left)));
    }

    private boolean isLeft() {
        return cluster.isFound() || keep;
    }

    /** What works now, asked with a topic for it, since without a quorum none can be created; of a lab's cluster all may be asked. */
    List<ProbeAnswer> probe() throws Exception {
        ProbeCluster probe = new ProbeCluster();
        probe.common.configure(
                probe, quiet(), quiet(), reaching(probeCommand().substring(6).split(" ")));
        probe.common.listener = this::record;
        return probe.probe();
    }

    String probeCommand() {
        return "probe --topic " + PROBED + (where == KillNode.Where.EXTERNAL ? "" : " --all") + " --each 3s";
    }

    KillNode node(String... args) {
        KillNode script = new KillNode();
        List<String> all = new ArrayList<>(cluster.reach().nodes());
        all.addAll(List.of(args));
        script.common.configure(script, quiet(), common.err, reaching(all.toArray(String[]::new)));
        script.common.listener = this::record;
        return script;
    }

    /** The arguments of a step, and what it needs to reach the cluster. */
    private String[] reaching(String... args) {
        List<String> all = new ArrayList<>(cluster.reach().options());
        all.addAll(List.of(args));
        return all.toArray(String[]::new);
    }

    /** Every look of the watcher that runs beside the whole experiment. */
    private synchronized boolean seen(WatchIsr.Snapshot now) {
        snapshot = now;
        screen.seen(now);
        notifyAll();
        return false;
    }

    /** Waits for a look, made from now on, that meets the condition. @param what of the scenarios' conditions */
    synchronized WatchIsr.Snapshot await(String what, Predicate<WatchIsr.Snapshot> condition) throws Exception {
        snapshot = null;
        for (long deadline = System.nanoTime() + PATIENCE.toNanos(); snapshot == null || !condition.test(snapshot); ) {
            long left = (deadline - System.nanoTime()) / 1_000_000;
            if (left <= 0)
                throw new Cli.Exit(Cli.MISSED, text("seen.not", text("await." + what), PATIENCE.toSeconds()));
            if (watching.isDone()) watching.get(); // brings its exception here
            wait(Math.min(left, 1000));
        }
        return snapshot;
    }

    boolean isInSync(WatchIsr.Snapshot s) {
        return s.topics().keySet().containsAll(List.of(LOAD, CRITICAL)) && WatchIsr.Until.IN_SYNC.test(s);
    }

    synchronized WatchIsr.Snapshot latest() {
        return snapshot;
    }

    long acknowledged() {
        return producer.acknowledged();
    }

    int partitions() {
        return producer.partitions();
    }

    int steps() {
        return steps.size();
    }

    /** Of the acknowledgements since it was asked last, in microseconds. */
    synchronized List<Long> takeLatencies() {
        List<Long> taken = latencies;
        latencies = new ArrayList<>();
        return taken;
    }

    private long count(String anomaly) {
        return verdict.count(Anomaly.valueOf(anomaly));
    }

    synchronized void sayGap() {
        long lasting = lastAck == 0 ? 0 : System.nanoTime() - lastAck; // one that has not ended is a gap as well
        say("producer.gap", Math.max(longestGap, lasting) / 1e9, sendErrors);
    }

    /** Waits until each partition has acknowledged a message that was sent after a System.nanoTime(). */
    void writesFlow(long after) throws Exception {
        long deadline = System.nanoTime() + PATIENCE.toNanos();
        while (producer.partitions() == 0 && !producing.isDone() && System.nanoTime() < deadline) Thread.sleep(10);
        if (producing.isDone()) producing.get(); // brings its exception here
        for (int p = 0; p < producer.partitions(); p++) {
            if (producer.awaitAckAfter(p, after, Duration.ofNanos(Math.max(1, deadline - System.nanoTime())))
                    .isEmpty())
                throw new Cli.Exit(Cli.MISSED, text("producer.partition", p, CRITICAL, PATIENCE.toSeconds()));
        }
    }

    void begin(String title, String command) {
        step = new LabNotebook.Step(title, command);
        steps.add(step);
        emit("phase", "phase", title, "state", "start");
        if (!common.json) common.out.printf(Locale.ROOT, "%n%d. %s%n   $ %s%n", steps.size(), title, command);
    }

    /** What the lab says: a key of its messages. */
    void say(String key, Object... args) {
        line(text(key, args));
    }

    String text(String key, Object... args) {
        return words.text(key, args);
    }

    /** A line as it stands. */
    void line(String line) {
        step.lines.add(line);
        if (!common.json) common.out.println("   " + WatchIsr.printable(line));
    }

    /** Says something in which the last thing is the time since a System.nanoTime(), all of it spent waiting for Kafka. @param after a key that says since what */
    void waited(long since, String after, String key, Object... args) {
        Duration d = Duration.ofNanos(System.nanoTime() - since);
        Object[] all = Arrays.copyOf(args, args.length + 1);
        all[args.length] = text(after, seconds(d));
        if (d.compareTo(step.waited) > 0) step.waited = d;
        say(key, all);
    }

    void end(String meaning) {
        step.meaning = meaning;
        step.complete = true;
        step.took = Duration.ofNanos(System.nanoTime() - step.began);
        emit("phase", "phase", step.title, "state", "end", "ms", step.took.toMillis());
    }

    private String verdictLine() {
        String counts = text(
                "verdict.counts",
                verdict.acknowledged(),
                count("LOST"),
                count("DUPLICATE"),
                sent.indeterminate(),
                seconds(sent.longestGap().length()));
        counts += "; "
                + text(
                        "verdict.load",
                        loadVerdict.counts().found(),
                        loadVerdict.counts().acknowledged(),
                        lostOfLoad(loadVerdict));
        boolean loadFails =
                loadVerdict.verdict().equals("fail") && !verdict.verdict().equals("fail");
        return switch (exitCode(verdict, loadVerdict)) {
            case 0 -> text("verdict.pass", counts);
            case Cli.ANOMALY ->
                loadFails
                        ? text("verdict.fail-load", counts, out.resolve("load-ledger.jsonl"))
                        : text("verdict.fail", counts, out.resolve("ledger.jsonl"));
            default ->
                verdict.acknowledged() == 0
                        ? text("verdict.nothing", counts)
                        : text("verdict.incomplete", counts, unproved());
        };
    }

    /** Returns how many acknowledged records of the load are gone: also those at whose offset another record is now. */
    private static long lostOfLoad(LoadVerdict load) {
        return load.count(Anomaly.LOST) + load.count(Anomaly.INCONSISTENT);
    }

    /** Returns why not all of it is proved, as the checks say, and of what. */
    private String unproved() {
        StringBuilder reasons = new StringBuilder();
        for (String reason : verdict.incomplete())
            reasons.append(" ").append(CRITICAL).append(": ").append(reason).append('.');
        for (String reason : loadVerdict.incomplete())
            reasons.append(" ").append(LOAD).append(": ").append(reason).append('.');
        return reasons.toString();
    }

    // ---- The end, whatever it was ----

    private void finish(String ended, int code) throws Exception {
        Thread.interrupted(); // what follows has waiting of its own
        if (producing != null && !producing.isDone()) {
            producing.cancel(true);
            produced.await(4, TimeUnit.SECONDS); // its ledger gets its last line
        }
        for (Future<Boolean> f : Arrays.asList(watching, watchingLeaders)) if (f != null) f.cancel(true);
        Duration took = Duration.ofNanos(System.nanoTime() - began),
                waiting = steps.stream().map(s -> s.waited).reduce(Duration.ZERO, Duration::plus);
        String time = text("ended.time", seconds(took), seconds(waiting));
        try {
            writeVerdict(ended, took, waiting);
            OutageFindings outages = LabNotebook.outages(this);
            try {
                Files.writeString(out.resolve("notebook.md"), LabNotebook.of(this, steps, outages, ended, time));
            } catch (IOException | RuntimeException e) {
                common.say("%s", text("ended.no-notebook", e));
            } // the verdict is told all the same
            if (!common.json)
                common.out.printf(
                        Locale.ROOT,
                        "%n%s%n%s%n%s%n%s%n",
                        new OutageTable(outages, OutageTable.Gaps.LONGEST, words).text(),
                        text("ended.took", time),
                        text("ended.run", out),
                        ended);
        } finally {
            try {
                leaveCluster(code);
            } finally {
                synchronized (this) {
                    events.close();
                }
                background.shutdownNow();
                LabPage.write(out).ifPresent(problem -> common.say("%s", text("ended.no-page", problem)));
                if (live != null) live.close();
                secondInterrupt.close();
            }
        }
    }

    /** A cluster that was found is left, mended; one that the lab started ends, and its data goes if the lab made it. */
    private void leaveCluster(int code) throws Exception {
        if (cluster == null || !cluster.isUp()) return; // what up() had started it has ended
        if (!isLeft()) cluster.end(code == 0 || code == 130);
        else
            try {
                start(List.copyOf(broken));
            } catch (Exception e) {
                common.say("%s", e.getMessage());
                nameBroken();
            }
    }

    private void writeVerdict(String ended, Duration took, Duration waiting) throws IOException {
        Map<String, Object> json = new LinkedHashMap<>();
        json.put(
                "verdict",
                verdict == null || loadVerdict == null
                        ? "incomplete"
                        : Map.of(0, "pass", Cli.ANOMALY, "fail")
                                .getOrDefault(exitCode(verdict, loadVerdict), "incomplete"));
        json.put("scenario", scenario.name);
        json.put("text", ended);
        json.put("tookMs", took.toMillis());
        json.put("waitedForKafkaMs", waiting.toMillis());
        if (sent != null)
            json.putAll(Map.of(
                    "sent",
                    sent.sent(),
                    "indeterminate",
                    sent.indeterminate(),
                    "longestGapMs",
                    sent.longestGap().length().toMillis()));
        if (verdict != null)
            json.putAll(Map.of("topic", CRITICAL, "acks", "all", "acknowledged", verdict.acknowledged()));
        if (verdict != null) verdict.report().anomalies().forEach((anomaly, n) -> json.put(anomaly.field, n));
        if (loadVerdict != null) json.put("load", loadFields());
        List<Map<String, Object>> list = new ArrayList<>();
        for (LabNotebook.Step s : steps)
            list.add(Map.of(
                    "title",
                    s.title,
                    "complete",
                    s.complete,
                    "tookMs",
                    s.took.toMillis(),
                    "waitedForKafkaMs",
                    s.waited.toMillis()));
        json.put("steps", list);
        Files.writeString(
                out.resolve("verdict.json"),
                JSON.std.with(JSON.Feature.PRETTY_PRINT_OUTPUT).asString(json) + "\n");
    }

    private Map<String, Object> loadFields() {
        Map<String, Object> load = new LinkedHashMap<>(Map.of(
                "topic",
                LOAD,
                "acks",
                "1",
                "verdict",
                loadVerdict.verdict(),
                "acknowledged",
                loadVerdict.counts().acknowledged(),
                "found",
                loadVerdict.counts().found()));
        loadVerdict.report().anomalies().forEach((anomaly, n) -> {
            if (n > 0 || anomaly == Anomaly.LOST) load.put(anomaly.field, n);
        });
        return load;
    }

    private boolean given(String option) {
        return common.spec.commandLine().getParseResult().hasMatchedOption(option);
    }

    void emit(String type, Object... fields) {
        Map<String, Object> event = new LinkedHashMap<>();
        event.put("ts", Cli.timestamp());
        event.put("source", "lab");
        event.put("type", type);
        for (int i = 0; i < fields.length; i += 2) event.put((String) fields[i], fields[i + 1]);
        record(event);
    }

    /** Every event of every step comes here: to the run's folder, to --events, and with --json to stdout. */
    synchronized void record(Map<String, Object> event) {
        if ("ack".equals(event.get("type"))) {
            long now = System.nanoTime();
            if (lastAck != 0) longestGap = Math.max(longestGap, now - lastAck);
            lastAck = now;
            latencies.add(((Number) event.get("latencyUs")).longValue());
        }
        if ("send-error".equals(event.get("type"))) sendErrors++;
        screen.seen(event);
        try {
            String line = JSON.std.asString(event);
            events.write(line + "\n");
            events.flush();
            if (common.json) common.out.println(line);
            if (common.events != null)
                try (Writer more = new OutputStreamWriter(new FileOutputStream(common.events, true), "UTF-8")) {
                    more.write(line + "\n");
                }
        } catch (IOException closed) {
            /* an event after the end of the run */
        }
    }

    private static PrintWriter quiet() {
        return new PrintWriter(Writer.nullWriter());
    }

    static double seconds(Duration d) {
        return d.toMillis() / 1e3;
    }

    static String plain(double d) {
        return d == Math.rint(d) ? "" + (long) d : "" + d;
    }
}
