//SOURCES MatrixCell.java ../cli/Cli.java ../../Cluster.java ../../KillNode.java ../../WatchIsr.java

import java.io.PrintWriter;
import java.io.Writer;
import java.nio.file.Path;
import java.time.Duration;
import java.util.*;
import java.util.stream.Stream;

/** The cluster that a matrix breaks and mends: one that is up, or one that the matrix starts and ends itself. */
final class MatrixCluster {
    private static final Set<KillNode.Where> MAY_BE_STARTED = Set.of(KillNode.Where.AUTO, KillNode.Where.EMBEDDED);
    /**
     * How long a cluster may take to come back, and writes to flow, on a slow machine: a client's own patience with a
     * paused node is 30 s.
     */
    static final Duration PATIENCE = Duration.ofMinutes(2);

    final KillNode.Common common;
    private final KillNode.Runtimes runtimes;
    private final List<String> client = new ArrayList<>();
    private final List<String> connection = new ArrayList<>();
    private Cluster own;

    MatrixCluster(KillNode.Common common, KillNode.Runtimes runtimes) {
        this.common = common;
        this.runtimes = runtimes;
    }

    boolean isOwn() {
        return own != null;
    }

    /** Returns what has a living node, or is named. */
    Optional<KillNode.NodeRuntime> find() throws Exception {
        try {
            KillNode.NodeRuntime runtime = runtimes.choose();
            boolean lives =
                    runtime.nodes().stream().anyMatch(node -> !node.state().equals("down"));
            if (runtime.name().equals("hooks") || lives) {
                return Optional.of(runtime);
            }
        } catch (KillNode.Exit e) {
            if (e.code != Cli.UNREACHABLE || !MAY_BE_STARTED.contains(runtimes.where)) {
                throw e;
            }
        }
        if (!MAY_BE_STARTED.contains(runtimes.where)) {
            throw new Cli.Exit(
                    Cli.UNREACHABLE,
                    "All of the lab's containers are down: start them first"
                            + " (docker compose -f compose/compose.yaml up -d --wait).");
        }
        return Optional.empty();
    }

    /** Refuses a cluster with a fault that another command left: it would be taken for a run's own. */
    void requireWhole(KillNode.NodeRuntime runtime) throws Exception {
        for (KillNode.Target node : runtime.nodes()) {
            boolean unknown = node.state().equals("unknown");
            boolean isBroken = unknown ? KillNode.isGone(node) : !node.state().equals("running");
            if (isBroken) {
                String state = unknown ? " does not answer" : " is " + node.state();
                throw new Cli.Exit(
                        Cli.REFUSED,
                        node.name() + state + ", and each run begins with a whole cluster: start-node all mends it.");
            }
        }
    }

    void use(KillNode.NodeRuntime runtime) {
        connect(runtime.name().equals("hooks") ? "external" : runtime.name(), runtimes.dataDir);
    }

    /** Starts a cluster beside the user's, whose data stays as it is. */
    void start(Cluster.Timeouts timeouts) throws Exception {
        Path folder = runtimes.dataDir.toAbsolutePath().resolveSibling("matrix");
        String[] args = {"up", "--fresh", "--data-dir", folder.toString(), "--timeouts", timeouts.name()};
        own = new Cluster();
        own.common.configure(own, quiet(), common.err, args);
        common.say("Starting three nodes (timeouts: %s) ...", timeouts.name().toLowerCase(Locale.ROOT));
        own.up();
        common.bootstrapServer = Cluster.bootstrap();
        connect("embedded", folder);
    }

    /** Ends a cluster of its own, with its data. */
    void end() throws Exception {
        if (own == null) {
            return;
        }
        Thread.interrupted(); // nobody is left behind for that
        own.down(true);
        own.deleteData();
        own = null;
    }

    private void connect(String runtime, Path dataDir) {
        client.clear();
        addOption(client, "-b", common.bootstrapServer);
        addOption(client, "--command-config", common.commandConfig);
        connection.clear();
        connection.addAll(client);
        addOption(connection, "--runtime", runtime);
        addOption(connection, "--data-dir", dataDir);
        addOption(connection, "--kill-command", runtimes.killCommand);
        addOption(connection, "--start-command", runtimes.startCommand);
    }

    private static void addOption(List<String> args, String name, Object value) {
        if (value != null) {
            args.addAll(List.of(name, value.toString()));
        }
    }

    /** Returns what each client needs to reach the cluster, and more arguments. */
    String[] clientArgs(String... more) {
        return Stream.concat(client.stream(), Stream.of(more)).toArray(String[]::new);
    }

    // ---- Faults ----

    /** Applies a fault to a target and adds the nodes that it broke. Returns the first. */
    int fail(String target, MatrixCell.Fault fault, Set<Integer> broken) throws Exception {
        KillNode script = killNode(target, "--mode", fault.mode, "--force");
        try {
            return script.breakNodes(script.runtime()).get(0).node().id();
        } finally {
            script.broken.forEach(node -> broken.add(node.id()));
        }
    }

    /** Brings the nodes back and removes them from the set. One that cannot be brought back keeps no other from it. */
    void restore(Set<Integer> broken) throws Exception {
        if (broken.isEmpty()) {
            return;
        }
        Stream<String> nodes = broken.stream().map(String::valueOf);
        KillNode script = killNode(
                Stream.concat(nodes, Stream.of("--restore", "--no-wait")).toArray(String[]::new));
        try {
            script.restoreNodes(script.runtime());
            broken.clear();
        } finally {
            broken.removeAll(script.restored);
        }
    }

    /** Says of a cluster that stays what Ctrl-C has not mended yet, and which command does. */
    void nameBroken(Set<Integer> broken) {
        List<Integer> left = List.copyOf(broken);
        if (!left.isEmpty() && own == null) {
            String command = killNode("all").undoCommand(left);
            common.say("Not restored: nodes %s; this does it: %s", left, command);
        }
    }

    private KillNode killNode(String... args) {
        KillNode script = new KillNode();
        String[] all = Stream.concat(connection.stream(), Stream.of(args)).toArray(String[]::new);
        script.common.configure(script, quiet(), quiet(), all);
        script.common.listener = common.listener;
        return script;
    }

    WatchIsr watch(String topic) {
        WatchIsr watch = new WatchIsr();
        watch.common.configure(watch, quiet(), quiet(), clientArgs("--topic", topic, "--interval", "100ms"));
        return watch;
    }

    static PrintWriter quiet() {
        return new PrintWriter(Writer.nullWriter());
    }
}
