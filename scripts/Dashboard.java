///usr/bin/env jbang "$0" "$@" ; exit $?
//JAVA 17+
//DEPS org.apache.kafka:kafka-clients:4.4.0
//DEPS info.picocli:picocli:4.7.7
//SOURCES Report.java WatchIsr.java FindController.java KillNode.java Nodes.java
//DESCRIPTION Serves the page of the running cluster live, also while the quorum is lost

import java.io.*;
import java.nio.file.*;
import java.time.*;
import java.util.*;
import java.util.concurrent.Callable;
import java.util.stream.*;
import org.apache.kafka.clients.admin.*;
import org.apache.kafka.common.Node;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/**
 * The page of {@code report --serve}, and a look at the cluster beside it: watch-isr's, which knows when the metadata is frozen; for every node its port, its process or
 * container and, while there is a quorum, how far its voter is behind. One look for all readers.
 *
 * <p>Event files that are named are drawn into the same page: a producer's acknowledgements beside the cluster's state.
 *
 * <pre>dashboard
 * dashboard runs/20261123-142300</pre>
 */
@Command(name = "dashboard", version = "kraft-lab 0.1.0", sortOptions = false,
        description = "Serves a live page of the running cluster, and of a run's events as they grow, on this machine (127.0.0.1), until Ctrl-C.")
class Dashboard implements Callable<Integer> {
    /** A voter's place in the log is of now, and not of a quorum that is no more. */
    private static final long FRESH_MS = 3_000;

    @Parameters(paramLabel = "RUN", arity = "0..*", description = "A run's folder or event files to follow as well; -: events from stdin.")
    List<String> inputs = new ArrayList<>();
    @Option(names = "--port", paramLabel = "N", defaultValue = "8060", description = "Where; 0: any that is free (default: ${DEFAULT-VALUE}).")
    int port;
    @Option(names = "--data-dir", paramLabel = "DIR", description = "Where the nodes live (default: cluster/ in $$KRAFT_LAB_HOME, else in ~/.kraft-lab).",
            defaultValue = "${KRAFT_LAB_HOME:-${sys:user.home}/.kraft-lab}/cluster")
    Path dataDir;

    @Mixin Cli.Common common = new Cli.Common();

    private final Map<Integer, KillNode.Target> targets = new TreeMap<>();
    private String runtime;
    private QuorumInfo quorum;
    private Instant quorumAt = Instant.EPOCH;
    private final Map<String, Integer> leaders = new HashMap<>();
    private Map<String, Object> shown = Map.of();
    private long shownAt;

    public static void main(String... args) {
        System.exit(run(new PrintWriter(System.out, true), new PrintWriter(System.err, true), args));
    }

    /** Runs the script without a process. @return the exit code */
    public static int run(PrintWriter out, PrintWriter err, String... args) {
        Dashboard script = new Dashboard();
        return script.common.run(script, out, err, args);
    }

    @Override
    public Integer call() throws Exception {
        if (inputs.isEmpty()) common.usable(); // or exit 10 and the reason
        Report report = new Report();
        List<String> args = new ArrayList<>(List.of("--serve", "--port", "" + port));
        if (common.json) args.add("--json");
        if (common.events != null) args.addAll(List.of("--events", common.events.toString()));
        args.addAll(inputs);
        report.common.configure(report, common.out, common.err, args.toArray(String[]::new));
        List<Report.Run> runs = inputs.isEmpty() ? List.of(new Report.Run("live")) : report.open();
        return report.serve(runs, live -> {
            Report.daemon("cluster", () -> watchCluster(runs.get(0)));
            Report.daemon("nodes", this::watchNodes);
            Report.daemon("voters", this::watchVoters);
        });
    }

    // ---- Three looks, none waiting for another ----

    /** As long as the dashboard runs: a cluster that is not there yet may come. */
    private void watchCluster(Report.Run run) {
        repeat(Duration.ofSeconds(1), () -> {
            WatchIsr watch = new WatchIsr();
            watch.common.configure(watch, quiet(), quiet(), common.events == null ? reaching("--interval", "250ms") : reaching("--interval", "250ms", "--events", common.events.toString()));
            watch.common.listener = run;
            watch.watch(s -> { seen(run, s); return false; }, null);
        });
    }

    /** Processes or containers, if they are this machine's. */
    private void watchNodes() {
        repeat(Duration.ofSeconds(3), () -> {
            Nodes nodes = new Nodes();
            nodes.common.configure(nodes, quiet(), quiet(), reaching("--data-dir", dataDir.toString()));
            KillNode.NodeRuntime chosen = nodes.runtimes.choose();
            for (; ; Thread.sleep(300)) {
                List<KillNode.Target> now = chosen.nodes();
                synchronized (this) {
                    runtime = chosen.name();
                    targets.clear();
                    now.forEach(t -> targets.put(t.id(), t));
                }
            }
        });
    }

    private void watchVoters() {
        repeat(Duration.ofMillis(500), () -> {
            try (Admin admin = common.admin()) {
                for (Optional<QuorumInfo> now; (now = FindController.look(admin, Duration.ofMillis(1_500))).isPresent(); Thread.sleep(500))
                    synchronized (this) { quorum = now.get(); quorumAt = Instant.now(); }
            }
        });
    }

    private interface Look { void look() throws Exception; }

    private void repeat(Duration pause, Look look) {
        for (String said = ""; ; ) {
            try { look.look(); } catch (Exception e) {
                if (common.verbose && !said.equals(said = String.valueOf(e.getMessage()))) common.say("%s: %s", Thread.currentThread().getName(), said);
            }
            try { Thread.sleep(pause.toMillis()); } catch (InterruptedException e) { return; }
        }
    }

    // ---- What the page gets ----

    /** Who leads is no change to watch-isr; here it is. */
    private void seen(Report.Run run, WatchIsr.Snapshot s) {
        if (s.alive()) s.topics().forEach((topic, partitions) -> partitions.forEach(p -> {
            int leader = WatchIsr.Share.isOnline(p) ? p.leader().id() : -1;
            if (Objects.equals(leaders.put(topic + "-" + p.partition(), leader), leader)) return;
            run.accept(Map.of("ts", Cli.timestamp(), "source", "dashboard", "type", "leader", "topic", topic, "partition", p.partition(), "leader", leader, "leaderEpoch", -1,
                    "isr", p.isr().stream().map(Node::id).toList(), "replicas", p.replicas().stream().map(Node::id).toList()));
        }));
        Map<String, Object> cluster = cluster(s);
        if (cluster.equals(shown) && System.nanoTime() - shownAt < 1_000_000_000L) return;
        shown = cluster;
        shownAt = System.nanoTime();
        Map<String, Object> timed = new LinkedHashMap<>(cluster);
        timed.put("asOf", s.ts());
        run.cluster(timed);
    }

    private synchronized Map<String, Object> cluster(WatchIsr.Snapshot s) {
        boolean fresh = Duration.between(quorumAt, Instant.now()).toMillis() < FRESH_MS;
        Map<Integer, QuorumInfo.ReplicaState> voters = quorum == null ? Map.of() : quorum.voters().stream().collect(Collectors.toMap(QuorumInfo.ReplicaState::replicaId, v -> v));
        QuorumInfo.ReplicaState leader = fresh ? voters.get(quorum.leaderId()) : null;
        List<Map<String, Object>> nodes = new ArrayList<>();
        s.nodes().forEach((id, port) -> {
            KillNode.Target target = targets.get(id);
            QuorumInfo.ReplicaState voter = voters.get(id);
            Map<String, Object> node = new LinkedHashMap<>(Map.of("id", id, "port", port, "broker", s.brokers().contains(id) ? "unfenced" : "fenced"));
            node.put("address", target == null ? null : target.host() + ":" + target.port());
            node.put("state", target == null ? null : target.state());
            node.put("voter", voter == null ? null : leader == null ? "voter" : id == leader.replicaId() ? "leader" : "follower");
            if (voter != null && leader != null) {
                node.put("lag", Math.max(0, leader.logEndOffset() - voter.logEndOffset()));
                if (voter.lastFetchTimestamp().isPresent() && leader.lastFetchTimestamp().isPresent()) node.put("silentMs",
                        Math.max(0, leader.lastFetchTimestamp().getAsLong() - voter.lastFetchTimestamp().getAsLong()) / 1_000 * 1_000);
            }
            nodes.add(node);
        });
        // A majority of the voters has to answer; the metadata takes seconds to be called frozen, the ports tell at once.
        Set<Integer> ids = voters.isEmpty() ? s.nodes().keySet() : voters.keySet();
        long answering = ids.stream().filter(v -> "answers".equals(s.nodes().get(v))).count();
        boolean lost = s.frozenSince() != null || s.controller() < 0 && answering * 2 <= ids.size();
        Map<String, Object> cluster = new LinkedHashMap<>(Map.of("nodes", nodes, "voters", ids.size(), "answering", answering, "lost", lost));
        cluster.put("runtime", runtime);
        cluster.put("frozenSince", lost ? Objects.requireNonNullElse(s.frozenSince(), s.leaderless()) : null);
        return cluster;
    }

    private String[] reaching(String... args) {
        List<String> all = new ArrayList<>(List.of(args));
        if (common.spec.commandLine().getParseResult().hasMatchedOption("-b")) all.addAll(List.of("-b", common.bootstrapServer));
        if (common.commandConfig != null) all.addAll(List.of("--command-config", common.commandConfig.toString()));
        return all.toArray(String[]::new);
    }

    private static PrintWriter quiet() { return new PrintWriter(Writer.nullWriter()); }
}
