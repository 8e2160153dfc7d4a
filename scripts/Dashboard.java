///usr/bin/env jbang "$0" "$@" ; exit $?
//JAVA 17+
//DEPS org.apache.kafka:kafka-clients:4.4.0
//DEPS info.picocli:picocli:4.7.7
//SOURCES Report.java WatchIsr.java FindController.java KillNode.java Nodes.java lib/report/ClusterView.java
//JAVAC_OPTIONS -J-XX:TieredStopAtLevel=1 -J-XX:+UseSerialGC
//DESCRIPTION Serves the page of the running cluster live, also while the quorum is lost

import java.io.PrintWriter;
import java.io.Writer;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.Callable;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.QuorumInfo;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/**
 * Serves the page of {@code report --serve} with the cluster's state beside it: what watch-isr sees, which knows when
 * the metadata is frozen; for every node its port, its process or container and, while there is a quorum, its voter's
 * lag. The cluster is asked once for all readers.
 *
 * <p>Event files that are named are drawn into the same page: a producer's acknowledgements beside the cluster's state.
 *
 * <pre>dashboard
 * dashboard runs/20261123-142300</pre>
 */
@Command(
        name = "dashboard",
        version = "kraft-lab 0.1.0",
        sortOptions = false,
        description = "Serves a live page of the running cluster, and of a run's events as they grow, on this machine"
                + " (127.0.0.1), until Ctrl-C.")
class Dashboard implements Callable<Integer> {
    private static final Duration VOTERS_TIMEOUT = Duration.ofMillis(1_500);
    private static final long SHOWN_AGAIN_NANOS = 1_000_000_000L;

    @Parameters(
            paramLabel = "RUN",
            arity = "0..*",
            description = "A run's folder or event files to follow as well; -: events from stdin.")
    List<String> inputs = new ArrayList<>();

    @Option(
            names = "--port",
            paramLabel = "N",
            defaultValue = "8060",
            description = "Port to listen on; 0 for any free port (default: ${DEFAULT-VALUE}).")
    int port;

    @Option(
            names = "--data-dir",
            paramLabel = "DIR",
            description = "Data directory of the nodes (default: cluster/ in $$KRAFT_LAB_HOME, else in ~/.kraft-lab).",
            defaultValue = "${KRAFT_LAB_HOME:-${sys:user.home}/.kraft-lab}/cluster")
    Path dataDir;

    @Mixin
    Cli.Common common = new Cli.Common();

    private final ClusterView view = new ClusterView();
    private Map<String, Object> shown = Map.of();
    private long shownAt;

    public static void main(String... args) {
        System.exit(run(new PrintWriter(System.out, true), new PrintWriter(System.err, true), args));
    }

    /** Runs the script without a process and returns the exit code. */
    public static int run(PrintWriter out, PrintWriter err, String... args) {
        Dashboard script = new Dashboard();
        return script.common.run(script, out, err, args);
    }

    @Override
    public Integer call() throws Exception {
        if (inputs.isEmpty()) {
            common.usable(); // or exit 10 and the reason
        }
        Report report = report();
        List<ReportRun> runs =
                inputs.isEmpty() ? List.of(new ReportRun("live")) : RunInputs.open(inputs, RunInputs.Reading.FOLLOWED);
        return report.serve(runs, () -> {
            watch("cluster", Duration.ofSeconds(1), () -> watchCluster(runs.get(0)));
            watch("nodes", Duration.ofSeconds(3), this::watchNodes);
            watch("voters", Duration.ofMillis(500), this::watchVoters);
        });
    }

    private Report report() {
        List<String> args = new ArrayList<>(List.of("--serve", "--port", "" + port));
        if (common.json) {
            args.add("--json");
        }
        args.addAll(eventsOption());
        Report report = new Report();
        return report.common.configure(report, common.out, common.err, args.toArray(String[]::new));
    }

    // ---- Three threads, none waiting for another ----

    private interface Watch {
        void run() throws Exception;
    }

    /** Watches as long as the dashboard runs, again after each failure: a cluster that is not there yet may come. */
    private void watch(String name, Duration pause, Watch watch) {
        LivePage.daemon(name, () -> {
                    try {
                        repeat(pause, watch);
                    } catch (InterruptedException e) {
                        Thread.currentThread().interrupt();
                    }
                })
                .start();
    }

    private void repeat(Duration pause, Watch watch) throws InterruptedException {
        String lastProblem = "";
        while (true) {
            try {
                watch.run();
            } catch (Exception e) {
                String problem = String.valueOf(e.getMessage());
                if (common.verbose && !problem.equals(lastProblem)) {
                    common.say("%s: %s", Thread.currentThread().getName(), problem);
                }
                lastProblem = problem;
            }
            Thread.sleep(pause.toMillis());
        }
    }

    private void watchCluster(ReportRun run) throws Exception {
        List<String> args = new ArrayList<>(List.of("--interval", "250ms"));
        args.addAll(eventsOption());
        WatchIsr watch = new WatchIsr();
        watch.common.configure(watch, nowhere(), nowhere(), withConnection(args));
        watch.common.listener = run;
        watch.watch(
                snapshot -> {
                    show(run, snapshot);
                    return false;
                },
                null);
    }

    private void show(ReportRun run, WatchIsr.Snapshot snapshot) {
        view.leaderChanges(snapshot).forEach(run);
        Map<String, Object> cluster = view.forPage(snapshot);
        if (cluster.equals(shown) && System.nanoTime() - shownAt < SHOWN_AGAIN_NANOS) {
            return;
        }
        shown = cluster;
        shownAt = System.nanoTime();
        Map<String, Object> timed = new LinkedHashMap<>(cluster);
        timed.put("asOf", snapshot.ts());
        run.cluster(timed);
    }

    /** Watches processes or containers, if they are this machine's. */
    private void watchNodes() throws Exception {
        Nodes nodes = new Nodes();
        nodes.common.configure(nodes, nowhere(), nowhere(), withConnection(List.of("--data-dir", dataDir.toString())));
        KillNode.NodeRuntime runtime = nodes.runtimes.choose();
        while (true) {
            view.nodes(runtime.name(), runtime.nodes());
            Thread.sleep(300);
        }
    }

    /** Watches until there is no quorum. */
    private void watchVoters() throws Exception {
        try (Admin admin = common.admin()) {
            Optional<QuorumInfo> quorum = FindController.look(admin, VOTERS_TIMEOUT);
            while (quorum.isPresent()) {
                view.voters(quorum.get());
                Thread.sleep(500);
                quorum = FindController.look(admin, VOTERS_TIMEOUT);
            }
        }
    }

    private List<String> eventsOption() {
        return common.events == null ? List.of() : List.of("--events", common.events.toString());
    }

    private String[] withConnection(List<String> args) {
        List<String> all = new ArrayList<>(args);
        if (common.spec.commandLine().getParseResult().hasMatchedOption("-b")) {
            all.addAll(List.of("-b", common.bootstrapServer));
        }
        if (common.commandConfig != null) {
            all.addAll(List.of("--command-config", common.commandConfig.toString()));
        }
        return all.toArray(String[]::new);
    }

    private static PrintWriter nowhere() {
        return new PrintWriter(Writer.nullWriter());
    }
}
