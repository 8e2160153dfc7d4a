///usr/bin/env jbang "$0" "$@" ; exit $?
//JAVA 17+
//DEPS org.apache.kafka:kafka-clients:4.4.0
//DEPS info.picocli:picocli:4.7.7
//DEPS com.fasterxml.jackson.jr:jackson-jr-objects:2.21.7
//DEPS org.slf4j:slf4j-simple:1.7.36
//SOURCES lib/lab/LabCluster.java lib/lab/LabFolder.java lib/lab/LabJournal.java lib/lab/LabNodes.java
//SOURCES lib/lab/LabNotebook.java lib/lab/LabProducer.java lib/lab/LabScenario.java lib/lab/LabScreen.java
//SOURCES lib/lab/LabVerdict.java lib/lab/LabWatch.java lib/lab/ScenarioRun.java lib/outage/OutageAnalysis.java
//SOURCES lib/outage/OutageTable.java CreateTopic.java PerfTest.java KillNode.java WatchIsr.java ResilientProducer.java
//SOURCES Cluster.java CheckDelivery.java Report.java
//JAVAC_OPTIONS -J-XX:TieredStopAtLevel=1 -J-XX:+UseSerialGC
//DESCRIPTION Runs the whole experiment on three real nodes and prints a verdict

import java.io.*;
import java.nio.file.Path;
import java.time.*;
import java.time.format.DateTimeFormatter;
import java.util.*;
import java.util.concurrent.*;
import org.apache.kafka.clients.admin.*;
import org.apache.kafka.common.errors.InterruptException;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/**
 * Runs the KRaft lab from beginning to end: three nodes, the topics, the load test; then, under a running producer, a
 * scenario; and it compares what was acknowledged with what is in the log. In the classic scenario the active
 * controller is killed, and the next one, so that the quorum is lost, and the nodes are started again until every
 * replica is in sync. Others, or one of your own: docs/scenarios.md.
 *
 * <p>It composes the step scripts in one JVM through their methods, and awaits conditions, never a fixed time, except
 * where a scenario has it watch for a while that nothing happens.
 */
@Command(
        name = "lab",
        version = "kraft-lab 0.1.0",
        sortOptions = false,
        description = "Runs the whole experiment on three real nodes: load, kill the controller twice, start the nodes"
                + " again, check every record.")
class Lab implements Callable<Integer> {
    private static final String LOAD = "test_topic";
    private static final String CRITICAL = "critical_data";
    private static final String PROBED = "probe_topic";
    private static final String LOAD_OPTIONS =
            " --throughput -1 --record-size 1000 --command-property" + " batch.size=16384 acks=1 linger.ms=50";

    @Option(
            names = "--scenario",
            paramLabel = "NAME|FILE",
            defaultValue = "classic",
            description = "Faults to inject: classic, rolling-restart, flapping, pause-leader, lost-majority,"
                    + " slow-follower, or a file (docs/scenarios.md; default: ${DEFAULT-VALUE}).")
    String scenarioName;

    @Option(
            names = "--records",
            paramLabel = "N",
            defaultValue = "1000000",
            description = "Number of records in the load test, 1000 bytes each (default: ${DEFAULT-VALUE}).")
    long records;

    @Option(
            names = "--timeouts",
            paramLabel = "default|fast",
            description = "Kafka's default timeouts, or fast ones, with outages a third as long (default: default).")
    Cluster.Timeouts timeouts;

    @Option(
            names = "--runtime",
            paramLabel = "auto|embedded|docker|external",
            defaultValue = "EMBEDDED",
            description =
                    "Where the nodes run: as processes, as the containers of compose/compose.yaml, or in a cluster of"
                            + " your own, at -b (default: embedded; auto: what runs).")
    KillNode.RuntimeKind where;

    @Option(
            names = "--kill-command",
            paramLabel = "COMMAND",
            description = "Command that breaks a node; {id}, {name}, {host} and {mode} are replaced.")
    String killCommand;

    @Option(
            names = "--start-command",
            paramLabel = "COMMAND",
            description = "Command that starts a node again; {id}, {name} and {host} are replaced.")
    String startCommand;

    @Option(
            names = "--rate",
            paramLabel = "N",
            defaultValue = "20",
            description = "Messages per second of the producer; gaps are measured to one send interval"
                    + " (default: ${DEFAULT-VALUE}).")
    double rate;

    @Option(
            names = "--wait-duration",
            paramLabel = "DURATION",
            defaultValue = "5s",
            description = "Duration of a wait step without one, such as after the loss of the quorum"
                    + " (default: ${DEFAULT-VALUE}).")
    Duration waitDuration;

    @Option(names = "--observe", hidden = true, description = "Deprecated: use --wait-duration.")
    Duration observe;

    @Option(names = "--out", paramLabel = "DIR", description = "Folder of the run (default: runs/<time>).")
    Path out;

    @Option(
            names = "--lang",
            paramLabel = "en|ru",
            defaultValue = "en",
            description = "Language of the output and the notebook: English or Russian (default: ${DEFAULT-VALUE}).")
    String lang;

    @Option(
            names = "--dashboard",
            paramLabel = "PORT",
            arity = "0..1",
            fallbackValue = "8060",
            description = "Serve the run's page, live, on this machine (127.0.0.1), and print its address (default:"
                    + " ${FALLBACK-VALUE}; 0: any free port).")
    Integer dashboard;

    @Option(names = "--keep", description = "Leave the cluster running.")
    boolean keep;

    @Option(
            names = "--data-dir",
            paramLabel = "DIR",
            description = "Data directory of the nodes (default: cluster/ in $$KRAFT_LAB_HOME, else in ~/.kraft-lab).",
            defaultValue = "${KRAFT_LAB_HOME:-${sys:user.home}/.kraft-lab}/cluster")
    Path dataDir;

    @Mixin
    Cli.Common common = new Cli.Common();

    private final long began = System.nanoTime();
    private final LabVerdict verdict = new LabVerdict(CRITICAL, LOAD);
    private final ExecutorService background = Executors.newCachedThreadPool(task -> {
        Thread thread = new Thread(task, "lab");
        thread.setDaemon(true);
        return thread;
    });
    private LabScenario scenario;
    private LabFolder folder;
    private LabJournal journal;
    private LabScreen screen;
    private LabCluster cluster;
    private LabNodes nodes;
    private LabWatch watch;
    private LabProducer producer;
    private LivePage live;
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
        requireOptions();
        prepare();
        String ended = text("ended.early");
        int code = 1;
        try {
            experiment();
            code = verdict.exitCode();
            ended = verdict.sentence(journal.words, folder);
        } catch (InterruptedException | InterruptException e) {
            ended = text("ended.interrupted", journal.steps.size());
            code = 130;
        } catch (Exception e) {
            ended = text("ended.incomplete", journal.steps.size(), journal.lastTitle(), e.getMessage());
            throw e;
        } finally {
            screen.close();
            finish(ended, code);
        }
        return code;
    }

    Duration waitDuration() {
        return observe == null ? waitDuration : observe;
    }

    private void requireOptions() {
        boolean external = where == KillNode.RuntimeKind.EXTERNAL;
        List<String> unusable = external
                ? List.of("--timeouts", "--data-dir", "--keep")
                : List.of("-b", "--command-config", "--kill-command", "--start-command");
        String use = external
                ? " applies only to a cluster of the lab's own: drop it, or --runtime external."
                : " applies only to a cluster of your own: drop it, or add --runtime external.";
        for (String option : unusable) {
            if (common.spec.commandLine().getParseResult().hasMatchedOption(option)) {
                throw new Cli.Exit(2, option + use);
            }
        }
        if (records < 1 || !(rate > 0)) {
            throw new Cli.Exit(2, "--records and --rate must be above 0.");
        }
    }

    private void prepare() throws IOException {
        Messages words = LabJournal.messages(lang);
        scenario = LabScenario.of(scenarioName, words);
        requireFaultsOfRuntime();
        folder = new LabFolder(out == null ? Path.of("runs", timeOfDay()) : out);
        folder.requireUnused(words);
        if (dashboard != null) {
            live = folder.serve(dashboard);
            common.say("%s", words.text("dashboard.address", live.address()));
        }
        try {
            journal = new LabJournal(common, words, folder.claim());
        } catch (Cli.Exit e) {
            closePage();
            throw e;
        }
        screen = LabScreen.below(common, words, records);
        journal.listen(screen::seen);
        watch = new LabWatch(journal, List.of(LOAD, CRITICAL), screen::seen);
        producer = new LabProducer(journal, CRITICAL);
        common.patience = KillNode.undoPatience(common.timeout);
        common.leftover = this::nameBroken;
        secondInterrupt = new KillNode.SecondInterrupt(common.leftover);
    }

    private void requireFaultsOfRuntime() {
        for (LabScenario.Action action : scenario.actions) {
            if (action.word().equals("disconnect") && where == KillNode.RuntimeKind.EMBEDDED) {
                throw new Cli.Exit(
                        2,
                        scenario.name + ", line " + action.place().line() + ": disconnect needs --runtime docker,"
                                + " since processes of one machine cannot be cut off; pause is the closest fault.");
            }
        }
    }

    private static String timeOfDay() {
        DateTimeFormatter format = DateTimeFormatter.ofPattern("yyyyMMdd-HHmmss");
        return format.withZone(ZoneId.systemDefault()).format(Instant.now());
    }

    private void experiment() throws Exception {
        bootCluster();
        createTopics();
        loadTest();
        startProducer();
        ScenarioRun.Parts parts = new ScenarioRun.Parts(cluster, journal, watch, producer, nodes, waitDuration());
        new ScenarioRun(scenario, parts, PROBED).run();
        stopProducer();
        checkDelivery();
        checkLoad();
    }

    // ---- The steps ----

    private void bootCluster() throws Exception {
        cluster = LabCluster.of(settings(), common, journal);
        nodes = new LabNodes(cluster, journal);
        journal.begin(text("boot.title"), cluster.command());
        journal.line(cluster.up());
        common.bootstrapServer = cluster.reach().bootstrap();
        watch.start(cluster, background);
        WatchIsr.Snapshot s = watch.await("controller", x -> x.controller() >= 0);
        journal.say("boot.controller", s.controller(), s.epoch());
        journal.end(text(cluster.isCombined() ? "boot.means" : "boot.means-dedicated"));
    }

    private LabCluster.Settings settings() {
        return new LabCluster.Settings(where, Optional.ofNullable(timeouts), dataDir, killCommand, startCommand);
    }

    private void createTopics() throws Exception {
        String topics = LOAD + " " + CRITICAL + " " + PROBED;
        journal.begin(
                text("topics.title"),
                "create-topic " + topics + " --partitions 8 --replication-factor 3 --if-not-exists");
        CreateTopic create = new CreateTopic();
        String[] args = cluster.reaching(List.of((topics + " --if-not-exists").split(" ")));
        create.common.configure(create, LabJournal.quiet(), common.err, args);
        create.common.listener = journal::record;
        try (Admin admin = common.admin()) {
            create.create(
                    admin,
                    led -> journal.say(
                            "topics.topic", led.topic(), led.partitions().size(), led.ms()));
        }
        var all = watch.awaitInSync().total();
        journal.say("topics.all", all.online(), all.partitions(), all.inSync(), all.replicas());
        journal.end(text("topics.means", PROBED));
    }

    private void loadTest() throws Exception {
        String options = "--topic " + LOAD + " --num-records " + records + LOAD_OPTIONS;
        journal.begin(text("load.title"), "perf " + options + " --hdr-log perf.hlog --ledger load-ledger.jsonl");
        List<String> args = new ArrayList<>(List.of(options.split(" ")));
        args.addAll(List.of("--hdr-log", file("perf.hlog"), "--ledger", file("load-ledger.jsonl")));
        PerfTest perf = new PerfTest();
        perf.common.configure(perf, LabJournal.quiet(), common.err, cluster.reaching(args));
        perf.common.listener = journal::record;
        PerfTest.Summary summary = perf.measure();
        if (summary.interrupted()) {
            throw new InterruptedException();
        }
        if (summary.records() == 0) {
            throw new Cli.Exit(Cli.ALL_FAILED, text("load.nothing"));
        }
        journal.line(summary.line(""));
        if (summary.failed() > 0) {
            journal.say("load.failed", summary.failed());
        }
        journal.end(text("load.means", summary.recordsPerSec(), summary.mbPerSec()));
    }

    private void startProducer() throws Exception {
        journal.begin(
                text("producer.title"),
                "resilient-producer --rate " + LabJournal.plain(rate) + " --ledger ledger.jsonl");
        producer.start(cluster, rate, folder.file("ledger.jsonl"), background);
        journal.say("producer.each", LabJournal.plain(1000 / rate), producer.partitions());
        journal.end(text("producer.means"));
    }

    private void stopProducer() throws Exception {
        journal.begin(text("stop.title"), "Ctrl-C");
        ResilientProducer.Summary sent = producer.stop();
        verdict.sent = sent;
        journal.say("stop.sent", sent.sent(), sent.acknowledged(), sent.failed(), sent.indeterminate());
        ResilientProducer.Gap gap = sent.longestGap();
        journal.say("stop.gap", LabJournal.seconds(gap.length()), gap.from());
        journal.end(text("stop.means"));
    }

    private void checkDelivery() throws Exception {
        journal.begin(text("check.title"), "check-delivery ledger.jsonl");
        DeliveryVerdict delivery = check("ledger.jsonl").check();
        requireNotInterrupted(delivery.incomplete());
        verdict.delivery = delivery;
        journal.say(
                "check.counts",
                delivery.acknowledged(),
                delivery.log().read(),
                delivery.count(Anomaly.LOST),
                delivery.count(Anomaly.DUPLICATE),
                delivery.count(Anomaly.REORDERED),
                delivery.count(Anomaly.INCONSISTENT),
                delivery.count(Anomaly.PHANTOM));
        journal.end(text("check." + delivery.verdict(), String.join("; ", delivery.incomplete())));
    }

    private void checkLoad() throws Exception {
        journal.begin(text("check-load.title"), "check-delivery load-ledger.jsonl");
        LoadVerdict load = check("load-ledger.jsonl").checkLoad().get(0);
        requireNotInterrupted(load.incomplete());
        verdict.load = load;
        journal.say(
                "check-load.counts",
                load.counts().found(),
                load.counts().acknowledged(),
                verdict.lostOfLoad(),
                load.count(Anomaly.UNSEEN),
                load.count(Anomaly.EXPIRED));
        journal.end(text("check-load." + load.verdict(), String.join("; ", load.incomplete())));
    }

    private CheckDelivery check(String ledger) {
        CheckDelivery check = new CheckDelivery();
        check.common.configure(check, LabJournal.quiet(), common.err, cluster.reaching(List.of(file(ledger))));
        check.common.listener = journal::record;
        return check;
    }

    private static void requireNotInterrupted(List<String> incomplete) throws InterruptedException {
        if (incomplete.contains("interrupted")) {
            throw new InterruptedException();
        }
    }

    private String text(String key, Object... args) {
        return journal.text(key, args);
    }

    private String file(String name) {
        return folder.file(name).toString();
    }

    // ---- The end, whatever it was ----

    private void finish(String ended, int code) throws Exception {
        Thread.interrupted(); // what follows has waiting of its own
        producer.abort();
        watch.stop();
        Duration took = Duration.ofNanos(System.nanoTime() - began);
        try {
            verdict.write(folder, new LabVerdict.End(scenario.name, ended, took), journal);
            report(ended, text("ended.time", LabJournal.seconds(took), LabJournal.seconds(journal.waited())));
        } finally {
            try {
                leaveCluster(code);
            } finally {
                journal.close();
                background.shutdownNow();
                folder.writePage().ifPresent(problem -> common.say("%s", text("ended.no-page", problem)));
                closePage();
                secondInterrupt.close();
            }
        }
    }

    /** Writes the notebook, and prints what each fault cost and the verdict, also where there is no notebook. */
    private void report(String ended, String time) throws IOException {
        OutageFindings outages = outages();
        boolean ranBefore = cluster != null && cluster.isFound();
        try {
            LabNotebook.Head head = new LabNotebook.Head(scenario.title, command(ranBefore), ranBefore, ended, time);
            LabNotebook.write(folder, head, journal, outages);
        } catch (IOException | RuntimeException e) {
            common.say("%s", text("ended.no-notebook", e));
        }
        if (!common.json) {
            String table = new OutageTable(outages, OutageTable.Gaps.LONGEST, journal.words).text();
            String summary = text("ended.took", time) + "\n" + text("ended.run", folder) + "\n" + ended;
            common.out.printf(Locale.ROOT, "%n%s%n%s%n", table, summary);
        }
    }

    /** Returns what each fault cost, from the run's own event stream, which gets it as well. */
    private OutageFindings outages() throws IOException {
        OutageFindings outages = OutageAnalysis.of(folder.file("events.jsonl").toFile());
        outages.outages().forEach(outage -> journal.emit("outage", outage.fields()));
        if (outages.availability() != null) {
            journal.emit("availability", outages.availability().fields());
        }
        outages.longestUnattributed().forEach(gap -> journal.emit("wait", gap.waitFields()));
        return outages;
    }

    private String command(boolean ranBefore) {
        String scenarioOption = scenario.name.equals("classic") ? "" : " --scenario " + scenario.name;
        String timeoutsOption = ranBefore ? "" : " --timeouts " + settings().timeoutsName();
        String languageOption = lang.equals("en") ? "" : " --lang " + lang;
        return "lab" + scenarioOption + " --runtime " + where + timeoutsOption + " --records " + records
                + languageOption;
    }

    private void closePage() {
        if (live != null) {
            live.close();
        }
    }

    private boolean isLeft() {
        return cluster.isFound() || keep;
    }

    /** Leaves a cluster that was found, repaired; ends one that the lab started, and deletes the data it made. */
    private void leaveCluster(int code) throws Exception {
        if (cluster == null || !cluster.isUp()) {
            return; // what up() had started it has ended
        }
        if (isLeft()) {
            try {
                nodes.start(nodes.broken());
            } catch (Exception e) {
                common.say("%s", e.getMessage());
                nameBroken();
            }
        } else if (code == 0 || code == 130) {
            cluster.endAndDelete();
        } else {
            cluster.endAndKeep();
        }
    }

    /** Names what is still broken of a cluster that is left running, and the command that starts it again. */
    private void nameBroken() {
        List<Integer> left = nodes == null ? List.of() : nodes.broken();
        if (!left.isEmpty() && isLeft()) {
            String names = String.join(", ", left.stream().map(Cluster::name).toList());
            common.say("%s", text("ended.not-started", names, nodes.startCommand(left)));
        }
    }
}
