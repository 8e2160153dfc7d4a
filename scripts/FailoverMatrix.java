///usr/bin/env jbang "$0" "$@" ; exit $?
//JAVA 17+
//DEPS info.picocli:picocli:4.7.7
//DEPS com.fasterxml.jackson.jr:jackson-jr-objects:2.21.7
//DEPS org.slf4j:slf4j-simple:1.7.36
//SOURCES lib/matrix/MatrixCell.java lib/matrix/MatrixCluster.java lib/matrix/MatrixFolder.java
//SOURCES lib/matrix/MatrixRounds.java lib/matrix/MatrixRun.java
//SOURCES lib/cli/Cli.java lib/cli/Screen.java
//SOURCES CheckDelivery.java Cluster.java CreateTopic.java KillNode.java ResilientProducer.java WatchIsr.java
//JAVAC_OPTIONS -J-XX:TieredStopAtLevel=1 -J-XX:+UseSerialGC
//DESCRIPTION Measures what each combination of acks, min ISR and fault costs

import java.io.*;
import java.nio.file.Path;
import java.time.Duration;
import java.util.*;
import java.util.concurrent.Callable;
import java.util.function.*;
import java.util.stream.Stream;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.common.TopicPartitionInfo;
import org.apache.kafka.common.errors.InterruptException;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/**
 * Applies the same faults to the same cluster under producers with different settings, and compares what each
 * combination costs: the longest gap between acknowledgements, and the lost, duplicated and reordered records that the
 * delivery check finds.
 *
 * <p>A run has a topic of its own with three partitions on three nodes, and one producer that writes on schedule. The
 * fault is applied while writes flow, and undone once they flow again. A paused node resumes as soon as another one
 * leads its partition, so that a former leader answers the requests that were under way to it; a lost quorum is
 * restored after --fault-duration. Then the run waits until every replica is in sync, ends the producer, and compares
 * its ledger with the log.
 *
 * <p>A run in which nothing was acknowledged (acks=0) proves nothing, and one that could not be compared with the log
 * to its end proves less: both are counted as incomplete, and named under the table. The same command repeats the
 * second kind, and a run that broke off.
 *
 * <p>Each run is a line of matrix.jsonl in the matrix's folder. Called again with that folder, it does the missing
 * runs. Rounds go through all combinations, so that what the machine does meanwhile affects all alike.
 *
 * <pre>failover-matrix --repeat 5
 * failover-matrix --acks 1,all --min-isr 1,2 --fault pause-leader --repeat 10 --out runs/pause</pre>
 */
@Command(
        name = "failover-matrix",
        version = "kraft-lab 0.1.0",
        sortOptions = false,
        description = "Runs faults against producer and topic settings, and shows what each combination lost and how"
                + " long it waited. Without options for these, ten preset combinations.")
class FailoverMatrix implements Callable<Integer> {
    private static final String MARK = "a matrix";

    @Mixin
    MatrixCell.Choice choice = new MatrixCell.Choice();

    @Option(
            names = "--timeouts",
            split = ",",
            paramLabel = "default|fast",
            description = "Timeouts of the cluster to start when none is running (default: fast).")
    List<Cluster.Timeouts> timeouts;

    @Option(
            names = "--out",
            paramLabel = "DIR",
            description = "Folder of the matrix; existing runs are kept (default: runs/matrix-<time>).")
    Path out;

    @Option(names = "--list", description = "List the combinations and exit.")
    boolean list;

    @Mixin
    KillNode.Common common = new KillNode.Common();

    @Mixin
    KillNode.Runtimes runtimes = new KillNode.Runtimes(common);

    private final Scripts cluster = new Scripts(common, runtimes);
    private MatrixFolder folder;

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
        if (choice.repeat < 1 || !(choice.rate > 0)) {
            throw new Cli.Exit(2, "--repeat and --rate are numbers above 0.");
        }
        if (list) {
            cells(givenTimeouts().iterator().next()).forEach(common.out::println);
            return 0;
        }
        folder = readFolder();
        Screen screen = Screen.on(common.err);
        common.err = screen.above(common.err, line -> line);
        MatrixRounds rounds = new MatrixRounds(cluster, folder, screen);
        boolean interrupted = false;
        Exception failed = null;
        try {
            runMissing(rounds);
        } catch (InterruptedException | InterruptException e) {
            interrupted = true;
        } catch (Exception e) {
            failed = e; // the finished runs are shown first
        } finally {
            screen.close();
            cluster.end();
            rounds.end();
        }
        show(failed);
        if (interrupted) {
            common.say("Interrupted; failover-matrix --out %s with the same options does the rest.", folder);
            return 130;
        }
        common.say("Runs: %s", folder);
        return folder.unfinished() > 0 ? Cli.INCOMPLETE : 0;
    }

    /** Shows the finished runs, also when a failure ended the matrix. */
    private void show(Exception failed) throws Exception {
        String table = folder.writeTable();
        if (!common.json && !(folder.runs().isEmpty() && failed != null)) {
            common.out.print(table);
        }
        if (failed != null) {
            throw failed;
        }
        if (folder.unfinished() > 0) {
            common.say(
                    "%d runs were not checked to the end, and count only as such; the same command runs them again.",
                    folder.unfinished());
        }
    }

    // ---- The runs to do ----

    /** Returns the chosen combinations; without timeouts, for a cluster that was found. */
    private List<MatrixCell> cells(Cluster.Timeouts of) {
        String named = of == null ? "found" : of.name().toLowerCase(Locale.ROOT);
        return choice.cells(named);
    }

    private Set<Cluster.Timeouts> givenTimeouts() {
        return new LinkedHashSet<>(Objects.requireNonNullElse(timeouts, List.of(Cluster.Timeouts.FAST)));
    }

    MatrixFolder readFolder() throws IOException {
        if (out == null) {
            out = MatrixFolder.newPath();
        }
        MatrixFolder read = new MatrixFolder(out);
        // An earlier version did not mark its folder.
        boolean isOurs = OwnFiles.isMarked(out, MARK) || OwnFiles.begins(out.resolve(MatrixFolder.RUNS), "{\"acks\":");
        if (read.claim(isOurs) == MatrixFolder.Claim.NEW) {
            OwnFiles.mark(out, MARK, "failover-matrix", "it goes on from the runs here");
        }
        int damaged = read.readRuns();
        if (damaged > 0) {
            common.say("%d damaged lines of %s are left out.", damaged, out.resolve(MatrixFolder.RUNS));
        }
        read.requireConditions(choice.rate, choice.faultDuration.toMillis());
        return read;
    }

    private List<MatrixRun.Plan> missing(Cluster.Timeouts of) {
        return folder.missing(cells(of), choice.repeat, choice.rate, choice.faultDuration.toMillis());
    }

    private void runMissing(MatrixRounds rounds) throws Exception {
        Optional<KillNode.NodeRuntime> found = cluster.find();
        requirePossible(found);
        if (found.isPresent()) {
            cluster.requireWhole(found.get());
            cluster.use(found.get());
            rounds.run(missing(null), choice.repeat);
            return;
        }
        for (Cluster.Timeouts given : givenTimeouts()) {
            List<MatrixRun.Plan> missing = missing(given);
            if (!missing.isEmpty()) {
                cluster.start(given);
                rounds.run(missing, choice.repeat);
                cluster.end();
            }
        }
    }

    private void requirePossible(Optional<KillNode.NodeRuntime> found) {
        if (found.isPresent() && timeouts != null) {
            throw new Cli.Exit(
                    2,
                    "--timeouts is for a cluster that failover-matrix starts, and one is running ("
                            + found.get().name() + "): stop it, or drop the option.");
        }
        MatrixCell.Fault disconnect = MatrixCell.Fault.DISCONNECT_LEADER;
        if (cells(null).stream().noneMatch(cell -> cell.fault() == disconnect)) {
            return;
        }
        if (found.isEmpty()) {
            throw new Cli.Exit(
                    2,
                    "disconnect-leader needs the containers of compose/compose.yaml: choose pause-leader for"
                            + " processes.");
        }
        found.get().require(KillNode.Mode.valueOf(disconnect.mode.toUpperCase(Locale.ROOT)));
    }

    // ---- The other scripts ----

    /** A cluster that is running, or one that the matrix starts and deletes, and what other scripts do to it. */
    private static final class Scripts implements MatrixCluster {
        private static final Set<KillNode.RuntimeKind> MAY_BE_STARTED =
                Set.of(KillNode.RuntimeKind.AUTO, KillNode.RuntimeKind.EMBEDDED);

        private static final PrintWriter QUIET = new PrintWriter(Writer.nullWriter());

        private final KillNode.Common common;
        private final KillNode.Runtimes runtimes;
        private List<String> client;
        private List<String> connection;
        private Cluster own;

        Scripts(KillNode.Common common, KillNode.Runtimes runtimes) {
            this.common = common;
            this.runtimes = runtimes;
        }

        @Override
        public Admin admin() throws Exception {
            return common.admin();
        }

        @Override
        public void say(String format, Object... args) {
            common.say(format, args);
        }

        @Override
        public void emit(MatrixRun run) {
            common.emit("matrix-run", run.fields().toArray());
        }

        // ---- A cluster that is running, or one of its own ----

        @Override
        public boolean isOwn() {
            return own != null;
        }

        /** Returns the runtime that has a living node, or is named. */
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
            if (MAY_BE_STARTED.contains(runtimes.where)) {
                return Optional.empty();
            }
            throw new Cli.Exit(
                    Cli.UNREACHABLE,
                    "All of the lab's containers are down: start them first"
                            + " (docker compose -f compose/compose.yaml up -d --wait).");
        }

        /** Refuses a cluster with a fault that another command left: it would count as a run's own. */
        void requireWhole(KillNode.NodeRuntime runtime) throws Exception {
            for (KillNode.Target node : runtime.nodes()) {
                boolean unknown = node.state().equals("unknown");
                boolean isBroken =
                        unknown ? KillNode.isGone(node) : !node.state().equals("running");
                if (isBroken) {
                    String state = unknown ? " does not answer" : " is " + node.state();
                    throw new Cli.Exit(
                            Cli.REFUSED,
                            node.name() + state
                                    + ", and each run begins with a whole cluster: run start-node all first.");
                }
            }
        }

        void use(KillNode.NodeRuntime runtime) {
            connect(runtime.name().equals("hooks") ? "external" : runtime.name(), runtimes.dataDir);
        }

        @Override
        public void restart(String timeouts) throws Exception {
            end();
            start(Cluster.Timeouts.valueOf(timeouts.toUpperCase(Locale.ROOT)));
        }

        /** Starts a cluster beside the user's, whose data stays as it is. */
        void start(Cluster.Timeouts timeouts) throws Exception {
            Path folder = runtimes.dataDir.toAbsolutePath().resolveSibling("matrix");
            String[] args = {"up", "--fresh", "--data-dir", folder.toString(), "--timeouts", timeouts.name()};
            own = new Cluster();
            own.common.configure(own, QUIET, common.err, args);
            common.say(
                    "Starting three nodes (timeouts: %s) ...", timeouts.name().toLowerCase(Locale.ROOT));
            own.up();
            common.bootstrapServer = Cluster.bootstrap();
            connect("embedded", folder);
        }

        /** Stops a cluster of its own, and deletes its data. */
        void end() throws Exception {
            if (own == null) {
                return;
            }
            Thread.interrupted(); // no process stays behind because of it
            own.down(true);
            own.deleteData();
            own = null;
        }

        private void connect(String runtime, Path dataDir) {
            client = options("-b", common.bootstrapServer, "--command-config", common.commandConfig);
            connection = options("--runtime", runtime, "--data-dir", dataDir);
            connection.addAll(
                    options("--kill-command", runtimes.killCommand, "--start-command", runtimes.startCommand));
            connection.addAll(client);
        }

        /** Returns the options that have a value. */
        private static List<String> options(Object... namesAndValues) {
            List<String> options = new ArrayList<>();
            for (int i = 0; i < namesAndValues.length; i += 2) {
                if (namesAndValues[i + 1] != null) {
                    options.addAll(List.of(namesAndValues[i].toString(), namesAndValues[i + 1].toString()));
                }
            }
            return options;
        }

        private String[] clientArgs(String... more) {
            return Stream.concat(client.stream(), Stream.of(more)).toArray(String[]::new);
        }

        // ---- Faults ----

        @Override
        public int fail(String target, MatrixCell.Fault fault, Set<Integer> broken) throws Exception {
            KillNode script = killNode(target, "--mode", fault.mode, "--force");
            try {
                return script.breakNodes(script.runtime()).get(0).node().id();
            } finally {
                script.broken.forEach(node -> broken.add(node.id()));
            }
        }

        @Override
        public void restore(Set<Integer> broken) throws Exception {
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

        @Override
        public AutoCloseable reportOnInterrupt(Set<Integer> broken) {
            common.patience = KillNode.undoPatience(common.timeout);
            common.leftover = () -> {
                if (!broken.isEmpty() && own == null) {
                    List<Integer> left = List.copyOf(broken);
                    common.say(
                            "Not restored: nodes %s; restore them: %s",
                            left, killNode("all").undoCommand(left));
                }
            };
            return new KillNode.SecondInterrupt(common.leftover);
        }

        private KillNode killNode(String... args) {
            KillNode script = new KillNode();
            String[] all = Stream.concat(connection.stream(), Stream.of(args)).toArray(String[]::new);
            script.common.configure(script, QUIET, QUIET, all);
            script.common.listener = common.listener;
            return script;
        }

        // ---- Awaiting ----

        @Override
        public void await(String topic, State state) throws Exception {
            watch(topic).await(WatchIsr.Until.valueOf(state.name()), PATIENCE);
        }

        @Override
        public void awaitOtherLeaders(String topic, int node) throws Exception {
            watch(topic).await(state -> state.alive() && state.partitions().noneMatch(isLedBy(node)), PATIENCE);
        }

        private static Predicate<TopicPartitionInfo> isLedBy(int node) {
            return partition -> partition.leader() == null
                    || partition.leader().isEmpty()
                    || partition.leader().id() == node;
        }

        private WatchIsr watch(String topic) {
            WatchIsr watch = new WatchIsr();
            watch.common.configure(watch, QUIET, QUIET, clientArgs("--topic", topic, "--interval", "100ms"));
            return watch;
        }

        // ---- The load and its check ----

        @Override
        public void createTopic(Admin admin, String topic, int partitions, int minIsr) throws Exception {
            Map<String, String> configs = Map.of("min.insync.replicas", "" + minIsr);
            CreateTopic.create(admin, new CreateTopic.Wanted(topic, partitions, (short) 3, configs), false, PATIENCE);
        }

        @Override
        public Producer producer(MatrixRun.Plan plan, String topic, Path ledger) {
            ResilientProducer script = new ResilientProducer();
            List<String> args = new ArrayList<>(List.of("--topic", topic, "--rate", "" + plan.rate()));
            args.addAll(List.of("--acks", plan.cell().acks(), "--ledger", ledger.toString(), "--send-timeout", "1h"));
            args.addAll(List.of(
                    "--command-property", "enable.idempotence=" + plan.cell().idempotent()));
            script.common.configure(script, QUIET, QUIET, clientArgs(args.toArray(String[]::new)));
            return new Load(script);
        }

        @Override
        public DeliveryVerdict check(Path ledger, Consumer<Map<String, Object>> findings) throws Exception {
            CheckDelivery script = new CheckDelivery();
            script.common.configure(script, QUIET, QUIET, clientArgs(ledger.toString()));
            script.common.listener = findings;
            return script.check();
        }
    }

    private record Load(ResilientProducer script) implements MatrixCluster.Producer {
        @Override
        public MatrixCluster.Sent produce() throws Exception {
            return sent(script.produce());
        }

        @Override
        public void stop() {
            script.stop();
        }

        @Override
        public boolean awaitAckAfter(int partition, long nanos, Duration timeout) throws InterruptedException {
            return script.awaitAckAfter(partition, nanos, timeout).isPresent();
        }
    }

    static MatrixCluster.Sent sent(ResilientProducer.Summary summary) {
        Stream<Long> gaps =
                summary.partitionGaps().stream().map(gap -> gap.length().toMillis());
        Long longest = gaps.max(Comparator.naturalOrder()).orElse(null);
        Long all = summary.longestGap() == null
                ? null
                : summary.longestGap().length().toMillis();
        return new MatrixCluster.Sent(new MatrixRun.Gaps(all, longest), summary.errors());
    }
}
