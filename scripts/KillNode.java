///usr/bin/env jbang "$0" "$@" ; exit $?
//JAVA 17+
//DEPS org.apache.kafka:kafka-clients:4.4.0
//DEPS info.picocli:picocli:4.7.7
//DEPS com.fasterxml.jackson.jr:jackson-jr-objects:2.21.7
//DEPS com.github.docker-java:docker-java-core:3.7.1
//DEPS com.github.docker-java:docker-java-transport-zerodep:3.7.1
//DEPS org.slf4j:slf4j-simple:1.7.36
//JAVAC_OPTIONS -J-XX:TieredStopAtLevel=1 -J-XX:+UseSerialGC
//DESCRIPTION Breaks a node: kills, stops, pauses or disconnects it; start-node undoes it

import static java.nio.file.StandardOpenOption.*;
import static java.util.stream.Collectors.*;

import com.fasterxml.jackson.jr.ob.JSON;
import com.github.dockerjava.api.DockerClient;
import com.github.dockerjava.api.async.ResultCallback;
import com.github.dockerjava.api.command.InspectContainerResponse;
import com.github.dockerjava.api.command.SyncDockerCmd;
import com.github.dockerjava.api.exception.*;
import com.github.dockerjava.api.model.*;
import com.github.dockerjava.core.*;
import com.github.dockerjava.zerodep.ZerodepDockerHttpClient;
import java.io.*;
import java.net.*;
import java.nio.ByteBuffer;
import java.nio.channels.*;
import java.nio.charset.StandardCharsets;
import java.nio.file.*;
import java.nio.file.attribute.PosixFilePermissions;
import java.time.*;
import java.time.format.DateTimeFormatter;
import java.util.*;
import java.util.concurrent.*;
import java.util.concurrent.locks.ReentrantLock;
import java.util.function.*;
import java.util.function.Consumer;
import java.util.regex.*;
import java.util.stream.Stream;
import org.apache.kafka.clients.admin.*;
import org.apache.kafka.common.Node;
import org.apache.kafka.common.TopicPartitionInfo;
import org.apache.kafka.common.config.ConfigException;
import org.apache.kafka.common.config.ConfigResource;
import org.apache.kafka.common.errors.*;
import org.apache.kafka.common.protocol.ApiKeys;
import org.apache.kafka.common.protocol.ByteBufferAccessor;
import org.apache.kafka.common.requests.*;
import org.apache.kafka.common.utils.Utils;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;
import picocli.CommandLine.TypeConversionException;

/**
 * Breaks nodes of a lab cluster on purpose, and with {@code --restore} (alias start-node) undoes what was done to them.
 *
 * <p>It first prints the impact of the fault (voters left, partitions under min ISR or offline) and refuses with exit
 * 12 to lose the quorum or a partition unless {@code --force} is given. An embedded node is signalled only if its
 * process is the one of its {@code node.json}, by pid, boot and start; that file is obeyed only if nobody else can have
 * written it. A container is touched only if it has the labels of compose/compose.yaml; the nodes of other clusters are
 * reached by {@code --kill-command} and {@code --start-command}.
 *
 * <pre>kill-node controller --for 30s
 * kill-node --mode pause leader:test_topic-0
 * kill-node $(find-controller)
 * start-node all</pre>
 */
@Command(
        name = "kill-node",
        version = "kraft-lab 0.1.0",
        sortOptions = false,
        description = "Breaks nodes of the lab after printing the impact; start-node (the same as kill-node --restore)"
                + " undoes it.",
        footer = {
            "",
            "kill-node controller --for 30s   kill the active controller for half a minute",
            "kill-node 2 --mode pause         freeze node 2",
            "start-node all                   undo whatever was done"
        })
class KillNode implements Callable<Integer> {
    enum Mode {
        KILL("killed"),
        STOP("stopped"),
        PAUSE("paused"),
        DISCONNECT("disconnected");

        /** What a node is afterwards. */
        final String state;

        Mode(String state) {
            this.state = state;
        }

        @Override
        public String toString() {
            return name().toLowerCase(Locale.ROOT);
        }
    }

    enum RuntimeKind {
        AUTO,
        EMBEDDED,
        DOCKER,
        EXTERNAL;

        @Override
        public String toString() {
            return name().toLowerCase(Locale.ROOT);
        }
    }

    /** For clients that ask while nodes are paused: they give up soon and leave that node alone for a while. */
    private static final Object[] IMPATIENT = {
        "request.timeout.ms", 1000, "reconnect.backoff.ms", 3000, "reconnect.backoff.max.ms", 3000
    };

    /** The options by which a script reaches its nodes; start-node needs the same ones. */
    private static final Set<String> CONNECTION =
            Set.of("--bootstrap-server", "--command-config", "--runtime", "--data-dir", "--start-command");

    @Parameters(
            paramLabel = "NODE",
            arity = "0..*",
            description = "1, kafka01, controller, leader:TOPIC-PARTITION, random, all, or - for ids on stdin.")
    List<String> targets = List.of();

    @Option(
            names = "--mode",
            paramLabel = "kill|stop|pause|disconnect",
            defaultValue = "KILL",
            description = "SIGKILL; SIGTERM and wait; freeze; with Docker, cut off from the network (default: kill).")
    Mode mode;

    @Option(
            names = "--for",
            paramLabel = "DURATION",
            description = "Undo the fault after this long, also when interrupted.")
    Duration lasting;

    boolean restore;

    /** The alias start-node is kill-node --restore, and has a help of its own. */
    @Option(names = "--restore", description = "Undo whatever was done to the nodes, and wait until they are back.")
    void restore(boolean on) {
        restore = on;
        if (on) {
            common.spec
                    .usageMessage()
                    .customSynopsis("start-node [OPTION...] NODE...")
                    .description("Undoes the fault of a node and waits until the node is back.");
        }
    }

    @Option(names = "--no-wait", description = "With --restore: do not wait.")
    boolean noWait;

    @Option(names = "--dry-run", description = "Show the impact without acting.")
    boolean dryRun;

    @Option(names = "--force", description = "Proceed even if the quorum is lost or partitions go offline.")
    boolean force;

    @Mixin
    Common common = new Common();

    @Mixin
    Runtimes runtimes = new Runtimes(common);

    /**
     * A node as its runtime knows it. @param port client port, of a dedicated controller its own; -1 when unknown
     * @param roles as in process.roles, empty when unknown  @param state running, paused, disconnected, stopping, down;
     * unknown with hooks
     */
    public record Target(int id, String name, String host, int port, String roles, String state) {
        boolean isBroker() {
            return !roles.equals("controller");
        }

        boolean isRunning() {
            return state.equals("running");
        }

        /** Returns whether only its port can show its state, as with hooks. */
        private boolean isUnknown() {
            return state.equals("unknown");
        }

        private boolean answers() {
            return Common.answers(host, port, 1000);
        }
    }

    /** What was broken, or was being broken when an interrupt came. */
    final List<Target> broken = new CopyOnWriteArrayList<>();

    final Set<Integer> restored = ConcurrentHashMap.newKeySet();

    /** @param at when the signal was sent or the command began; with Docker, when the engine saw it happen */
    public record Done(Target node, Mode mode, Instant at) {}

    public static void main(String... args) {
        System.exit(run(new PrintWriter(System.out, true), new PrintWriter(System.err, true), args));
    }

    /** Runs the script without a process. @return the exit code */
    public static int run(PrintWriter out, PrintWriter err, String... args) {
        KillNode script = new KillNode();
        return script.common.run(script, out, err, args);
    }

    @Override
    public Integer call() throws Exception {
        NodeRuntime runtime = runtime();
        common.say("Runtime: " + runtime.name());
        if (restore) {
            for (Done done : restoreNodes(runtime)) print(done.node, "restored");
            return 0;
        }
        if (lasting != null && runtime.name().equals("hooks") && runtimes.startCommand == null)
            throw new Exit(2, "--for needs --start-command, to start the node again.");
        if (lasting != null && !dryRun) return breakForAWhile(runtime);
        breakAndPrint(runtime);
        return 0;
    }

    /** What runs the nodes, by the options or by looking. */
    public NodeRuntime runtime() throws Exception {
        return runtimes.choose();
    }

    /** The containers of the lab, running or not, for composite scripts. @throws Exit 10 when no engine answers */
    static List<Target> containers() throws InterruptedException {
        return new Docker(Duration.ofSeconds(30)).nodes();
    }

    private void breakAndPrint(NodeRuntime runtime) throws Exception {
        for (Done done : breakNodes(runtime)) print(done.node, mode.state);
    }

    private void print(Target node, String state) {
        if (!common.json) common.out.println(printable(node.name) + " " + state);
    }

    /** Returns an end whose sentence quotes what a cluster, a file or an engine says. */
    private static Exit failure(int code, String sentence, Object... values) {
        Object[] printable = Stream.of(values).map(KillNode::printable).toArray();
        return new Exit(code, String.format(Locale.ROOT, sentence, printable));
    }

    private static List<Integer> ids(Collection<Target> nodes) {
        return nodes.stream().map(Target::id).toList();
    }

    private static String names(Collection<Target> nodes) {
        return String.join(", ", nodes.stream().map(Target::name).toList());
    }

    // ---- A fault for a while ----

    /** Whatever ends the wait, what was broken is undone, or named with the command that does it. */
    private int breakForAWhile(NodeRuntime runtime) throws Exception {
        common.patience = undoPatience(common.timeout);
        common.leftover = () -> nameLeft(left());
        try (SecondInterrupt second = new SecondInterrupt(common.leftover)) {
            try {
                breakAndPrint(runtime);
                common.say("Undoing it in %.1f s (Ctrl-C: now).", lasting.toMillis() / 1e3);
                Thread.sleep(lasting.toMillis());
            } finally {
                undoAll(runtime);
            }
        }
        int left = left().size();
        if (left > 0) throw failure(1, "%s of %s nodes could not be restored.", left, broken.size());
        if (!noWait) awaitBack(broken);
        return 0;
    }

    /** Returns how long Ctrl-C waits for faults to be undone: a command may take its timeout, a container its grace. */
    static Duration undoPatience(Duration timeout) {
        return timeout.multipliedBy(2).plusSeconds(90);
    }

    private List<Target> left() {
        return broken.stream().filter(n -> !restored.contains(n.id)).toList();
    }

    private void nameLeft(List<Target> left) {
        if (!left.isEmpty()) common.say("Not restored: %s; to restore, run: %s", names(left), undoCommand(ids(left)));
    }

    /** Returns what one types to undo it: start-node, with the options by which this script reaches the nodes. */
    String undoCommand(Collection<Integer> nodes) {
        StringBuilder command = new StringBuilder("start-node");
        nodes.forEach(id -> command.append(' ').append(id));
        for (var option : common.spec.commandLine().getParseResult().matchedOptions()) {
            if (!CONNECTION.contains(option.longestName())) continue;
            String value = quoted(String.valueOf((Object) option.getValue()));
            command.append(' ').append(option.longestName()).append(' ').append(value);
        }
        return command.toString();
    }

    private static String quoted(String text) {
        if (text.matches("[A-Za-z0-9_./:,@=+-]+")) return text;
        return "'" + printable(text).replace("'", "'\\''") + "'";
    }

    /** Undoes all faults, also when interrupted or only half of them applied: none may outlast --for. */
    private void undoAll(NodeRuntime runtime) {
        boolean interrupted = Thread.interrupted();
        List<Thread> undoing = new ArrayList<>();
        for (Target node : broken) undoing.add(new Thread(() -> undoOrSay(runtime, node)));
        undoing.forEach(Thread::start);
        for (Thread thread : undoing) {
            while (thread.isAlive()) {
                try {
                    thread.join();
                } catch (InterruptedException again) {
                    interrupted = true;
                }
            }
        }
        if (interrupted) Thread.currentThread().interrupt();
    }

    private void undoOrSay(NodeRuntime runtime, Target node) {
        try {
            undo(runtime, node);
            common.say("%s restored", node.name);
        } catch (Exception e) {
            String command = undoCommand(List.of(node.id));
            common.say("%s could not be restored: %s To restore, run: %s", node.name, e.getMessage(), command);
        }
    }

    /**
     * Ends the JVM at once when Ctrl-C comes again while faults are being undone, and says what is left. By reflection,
     * since the compiler warns of sun.misc.Signal by name; where there is none, a second Ctrl-C does nothing.
     */
    static class SecondInterrupt implements AutoCloseable {
        private final Thread hook;

        SecondInterrupt(Runnable leftover) {
            hook = new Thread(() -> handle(leftover));
            Runtime.getRuntime().addShutdownHook(hook);
        }

        private static void handle(Runnable leftover) {
            try {
                Class<?> signal = Class.forName("sun.misc.Signal");
                Class<?> handler = Class.forName("sun.misc.SignalHandler");
                Object halting = java.lang.reflect.Proxy.newProxyInstance(
                        handler.getClassLoader(), new Class<?>[] {handler}, (proxy, method, arguments) -> {
                            leftover.run();
                            Runtime.getRuntime().halt(130);
                            return null;
                        });
                Object interrupt = signal.getConstructor(String.class).newInstance("INT");
                signal.getMethod("handle", signal, handler).invoke(null, interrupt, halting);
            } catch (ReflectiveOperationException | IllegalArgumentException none) {
                // the first Ctrl-C is waited for all the same
            }
        }

        @Override
        public void close() {
            try {
                Runtime.getRuntime().removeShutdownHook(hook);
            } catch (IllegalStateException shuttingDown) {
                // after Ctrl-C
            }
        }
    }

    // ---- Break and restore ----

    /** Applies the fault to each target. @throws Exit 12 if it would lose the quorum or a partition without --force */
    public List<Done> breakNodes(NodeRuntime runtime) throws Exception {
        List<Target> nodes = resolve(runtime);
        for (Target node : nodes) {
            if (List.of("down", mode.state).contains(node.state))
                throw failure(1, "%s is %s already; start-node %s brings it back.", node.name, node.state, node.id);
        }
        for (Target node : nodes) runtime.requireUsable(node);
        Impact impact = impact(ids(nodes), runtime);
        common.say("%s %s: %s", mode, names(nodes), impact.sentence());
        if (dryRun) return List.of();
        runtime.require(mode);
        if (impact.harmful() && !force)
            throw failure(REFUSED, "Refused: %s; use --force to proceed anyway.", impact.reason());
        List<Done> done = new ArrayList<>();
        for (Target node : nodes) done.add(breakNode(runtime, node));
        return done;
    }

    private Done breakNode(NodeRuntime runtime, Target node) throws Exception {
        broken.add(node);
        Instant at = runtime.fault(node, mode);
        String how = mode.toString();
        String when = at.toString();
        String by = runtime.name();
        common.emit("fault", "node", node.id, "name", node.name, "mode", how, "runtime", by, "at", when);
        return new Done(node, mode, at);
    }

    private Done undo(NodeRuntime runtime, Target node) throws Exception {
        Instant at = runtime.restore(node);
        restored.add(node.id);
        common.emit("restored", "node", node.id, "name", node.name, "runtime", runtime.name(), "at", at.toString());
        return new Done(node, mode, at);
    }

    /** Undoes what was done to every target, and waits until each is registered and unfenced again. */
    public List<Done> restoreNodes(NodeRuntime runtime) throws Exception {
        List<Target> nodes = resolve(runtime);
        for (Target node : nodes) runtime.requireUsable(node);
        for (Target node : nodes) {
            if (node.isRunning()) common.say("%s is already running.", node.name);
        }
        if (dryRun) return List.of();
        List<Done> done =
                undoEach(runtime, nodes.stream().filter(n -> !n.isRunning()).toList());
        if (!noWait) awaitBack(nodes);
        return done;
    }

    /** Tries each, whatever becomes of the others, and side by side: a slow one keeps no other waiting. */
    private List<Done> undoEach(NodeRuntime runtime, List<Target> nodes) throws Exception {
        List<Done> done = new ArrayList<>();
        List<String> failures = new ArrayList<>();
        ExecutorService pool = Executors.newCachedThreadPool();
        try {
            Map<Target, Future<Done>> undoing = new LinkedHashMap<>();
            for (Target node : nodes) undoing.put(node, pool.submit(() -> undo(runtime, node)));
            for (Target node : nodes) {
                try {
                    done.add(undoing.get(node).get());
                } catch (ExecutionException e) {
                    if (nodes.size() == 1 && e.getCause() instanceof Exception cause) throw cause;
                    failures.add(node.name + ": " + e.getCause().getMessage());
                }
            }
        } finally {
            pool.shutdownNow();
        }
        if (failures.isEmpty()) return done;
        String reasons = String.join(" ", failures);
        throw failure(1, "%s of %s nodes could not be restored. %s", failures.size(), nodes.size(), reasons);
    }

    private void awaitBack(List<Target> nodes) throws Exception {
        long deadline = System.nanoTime() + common.timeout.toNanos();
        List<Target> brokers = nodes.stream().filter(Target::isBroker).toList();
        Set<Integer> missing = new TreeSet<>(ids(nodes));
        Followers followers = new Followers();
        // Without an active controller a node cannot register: its port stays closed, and this times out, rightly.
        try (Admin admin = Admin.create(common.client(IMPATIENT))) {
            for (; System.nanoTime() < deadline; Thread.sleep(100)) {
                missing.addAll(ids(nodes));
                missing.removeAll(registered(admin));
                if (brokers.size() < nodes.size()) missing.removeAll(followers.look(quorum(admin, common)));
                if (missing.isEmpty() && brokers.stream().allMatch(n -> n.port < 0 || n.answers())) return;
            }
        }
        String lacking = "node " + missing + " is not registered";
        if (missing.isEmpty()) lacking = "a node does not answer on its port";
        String sentence = "Started, but not back within %s s: %s; without a quorum no node can register (see"
                + " find-controller), and --no-wait does not wait for it.";
        throw failure(MISSED, sentence, common.timeout.toSeconds(), lacking);
    }

    /** Who follows the metadata log: whose second look finds a later fetch. Dedicated controllers register nowhere. */
    private static class Followers {
        private final Map<Integer, Long> first = new HashMap<>();
        private final Set<Integer> following = new HashSet<>();

        Set<Integer> look(Optional<QuorumInfo> quorum) {
            if (quorum.isEmpty()) return Set.of();
            following.add(quorum.get().leaderId());
            for (QuorumInfo.ReplicaState replica : replicas(quorum.get())) {
                long fetched = replica.lastFetchTimestamp().orElse(-1);
                if (fetched > first.merge(replica.replicaId(), fetched, Math::min)) following.add(replica.replicaId());
            }
            return following;
        }
    }

    private static List<QuorumInfo.ReplicaState> replicas(QuorumInfo quorum) {
        return Stream.concat(quorum.voters().stream(), quorum.observers().stream())
                .toList();
    }

    private static Set<Integer> registered(Admin admin) throws InterruptedException {
        Set<Integer> ids = new HashSet<>();
        try {
            DescribeClusterOptions soon = new DescribeClusterOptions().timeoutMs(1500);
            for (Node node : admin.describeCluster(soon).nodes().get()) ids.add(node.id());
        } catch (ExecutionException unanswered) {
            return Set.of();
        }
        return ids;
    }

    // ---- Which nodes ----

    private List<Target> resolve(NodeRuntime runtime) throws Exception {
        List<String> words = targets.stream()
                .flatMap(t -> t.equals("-") ? new Scanner(System.in).tokens() : Stream.of(t))
                .toList();
        if (words.isEmpty())
            throw new Exit(
                    2,
                    "Which node? Name it by id, name, controller, leader:TOPIC-PARTITION, random or all (see --help).");
        List<Target> known = runtime.nodes();
        Map<Integer, Target> chosen = new LinkedHashMap<>();
        for (String word : words) {
            if (word.equals("all")) known.forEach(node -> chosen.put(node.id, node));
            else {
                Target node = resolve(word, known, chosen.keySet(), runtime);
                chosen.put(node.id, node);
            }
        }
        return List.copyOf(chosen.values());
    }

    private Target resolve(String word, List<Target> known, Set<Integer> taken, NodeRuntime runtime) throws Exception {
        if (word.equals("random")) return random(known, taken);
        if (word.equals("controller")) return byRole(known, controller(), word);
        if (word.startsWith("leader:")) return byRole(known, leader(word), word);
        for (Target node : known) {
            if (word.equals("" + node.id) || word.equals(node.name)) return node;
        }
        Optional<Target> unlisted = Optional.empty();
        if (restore && word.matches("\\d{1,9}")) unlisted = runtime.unlisted(Integer.parseInt(word));
        if (unlisted.isPresent()) return unlisted.get();
        List<String> nodes = known.stream().map(n -> n.id + " (" + n.name + ")").toList();
        throw failure(2, "There is no node '%s'; there are %s.", word, String.join(", ", nodes));
    }

    private static Target random(List<Target> known, Set<Integer> taken) {
        List<Target> free = new ArrayList<>();
        for (Target node : known) {
            boolean isDown = node.isUnknown() ? isGone(node) : node.state.equals("down");
            if (!taken.contains(node.id) && !isDown) free.add(node);
        }
        if (free.isEmpty()) throw new Exit(1, "No running node is left to choose from.");
        return free.get(ThreadLocalRandom.current().nextInt(free.size()));
    }

    private static Target byRole(List<Target> known, int id, String role) {
        for (Target node : known) {
            if (node.id == id) return node;
        }
        throw failure(1, "The node of '%s' is %s, which this runtime does not run.", role, id);
    }

    private int controller() throws Exception {
        long deadline = System.nanoTime() + common.timeout.toNanos();
        try (Admin admin = common.admin(IMPATIENT)) {
            do {
                Optional<QuorumInfo> quorum = quorum(admin, common);
                if (quorum.isPresent()) return quorum.get().leaderId();
                Thread.sleep(100);
            } while (System.nanoTime() < deadline);
        }
        throw new Exit(NO_CONTROLLER, "There is no active controller to break: find-controller says who is missing.");
    }

    /** Returns the quorum, if it has a leader. @throws ExecutionException other than a timeout: no permission, say */
    private static Optional<QuorumInfo> quorum(Admin admin, Common common) throws Exception {
        int patience = (int) Math.min(4000, common.timeout.toMillis());
        var options = new DescribeMetadataQuorumOptions().timeoutMs(patience);
        try {
            QuorumInfo quorum =
                    admin.describeMetadataQuorum(options).quorumInfo().get();
            return Optional.of(quorum).filter(q -> q.leaderId() >= 0);
        } catch (ExecutionException e) {
            if (e.getCause() instanceof org.apache.kafka.common.errors.TimeoutException) return Optional.empty();
            throw e;
        }
    }

    private int leader(String word) throws Exception {
        Matcher parts = Pattern.compile("leader:(.+)-(\\d{1,9})").matcher(word);
        if (!parts.matches())
            throw failure(2, "'%s' is not leader:TOPIC-PARTITION, such as leader:test_topic-0.", word);
        String topic = parts.group(1);
        int partition = Integer.parseInt(parts.group(2));
        try (Admin admin = common.admin(IMPATIENT)) {
            var described = admin.describeTopics(List.of(topic)).topicNameValues();
            List<TopicPartitionInfo> partitions = described.get(topic).get().partitions();
            if (partition >= partitions.size()) throw failure(2, "%s has no partition %s.", topic, partition);
            Node leader = partitions.get(partition).leader();
            if (leader == null || leader.isEmpty()) throw failure(1, "%s-%s has no leader.", topic, partition);
            return leader.id();
        } catch (ExecutionException e) {
            if (!(e.getCause() instanceof UnknownTopicOrPartitionException)) throw e;
            throw failure(2, "There is no topic %s.", topic);
        }
    }

    // ---- Impact ----

    /**
     * The voters before and after a fault. @param voters empty when unknown  @param left those alive after it
     * @param controller the active one, or NONE, or UNKNOWN
     */
    record Voters(Set<Integer> voters, Set<Integer> left, int controller) {
        static final int NONE = -1;
        static final int UNKNOWN = -2;

        boolean holds() {
            return left.size() * 2 > voters.size();
        }

        /** Returns whether another leader is elected after the fault, as far as is known. */
        boolean elects() {
            return controller == UNKNOWN || controller >= 0 && holds();
        }

        String counts() {
            if (voters.isEmpty()) return "the voters are unknown";
            return left.size() + " of " + voters.size() + " voters left";
        }

        String sentence(List<Integer> nodes) {
            if (controller == UNKNOWN) return "the impact on the quorum is unknown";
            if (controller == NONE) return "there is no active controller, " + counts();
            String outcome = counts() + ", the quorum " + (holds() ? "holds" : "is lost");
            if (!nodes.contains(controller)) return outcome;
            return "the active controller is among them; " + outcome;
        }
    }

    /** What a fault does to partitions. @param total -1 when that is unknown */
    record Partitions(int total, int underMinIsr, int offline) {
        static final Partitions UNKNOWN = new Partitions(-1, 0, 0);

        String sentence() {
            if (total < 0) return "the impact on the partitions is unknown";
            return "of " + total + " partitions " + underMinIsr + " fall under min ISR, " + offline + " go offline";
        }
    }

    record Impact(Voters voters, Partitions partitions, List<Integer> nodes) {
        boolean harmful() {
            return !reason().isEmpty();
        }

        String sentence() {
            boolean frozen = voters.controller == Voters.NONE && partitions.total >= 0;
            String before = frozen ? "by the metadata from before that, " : "";
            return voters.sentence(nodes) + "; " + before + partitions.sentence() + ".";
        }

        /** Returns why it is harmful: what would be lost, or may be, for all that is known. */
        String reason() {
            List<String> reasons = new ArrayList<>();
            String counts = " (" + voters.counts() + ")";
            if (voters.controller == Voters.UNKNOWN) reasons.add("the impact on the quorum is unknown");
            else if (voters.controller == Voters.NONE)
                reasons.add("there is no active controller that could elect other leaders" + counts);
            else if (!voters.holds()) reasons.add("the quorum would be lost" + counts);
            if (partitions.total < 0) reasons.add("the impact on the partitions is unknown");
            if (partitions.offline > 0)
                reasons.add(partitions.offline + " of " + partitions.total + " partitions would go offline");
            return String.join(", and ", reasons);
        }
    }

    private Impact impact(List<Integer> nodes, NodeRuntime runtime) throws Exception {
        Set<Integer> gone = gone(runtime);
        try (Admin admin = common.admin(IMPATIENT)) {
            // First, since after a question for a lost quorum the client leaves that broker alone for a while.
            Optional<Topics> topics = topics(admin);
            Voters voters = voters(nodes, gone, runtime, admin);
            Optional<Partitions> partitions = topics.map(t -> partitions(t, nodes, gone, voters));
            return new Impact(voters, partitions.orElse(Partitions.UNKNOWN), nodes);
        }
    }

    /** Nodes that are not there, whatever the metadata still says: it takes seconds to learn of a death. */
    private static Set<Integer> gone(NodeRuntime runtime) throws Exception {
        Set<Integer> gone = new HashSet<>();
        for (Target node : runtime.nodes()) {
            boolean isGone = node.isUnknown() ? isGone(node) : !node.isRunning();
            if (isGone) gone.add(node.id);
        }
        return gone;
    }

    /**
     * Returns whether a node is down, as far as its port shows: a dedicated controller's may be closed to this machine,
     * and then its silence proves nothing.
     */
    static boolean isGone(Target node) {
        if (node.isBroker()) return !node.answers();
        try (Socket socket = new Socket()) {
            socket.connect(new InetSocketAddress(node.host, node.port), 1000);
        } catch (ConnectException refused) {
            return true;
        } catch (IOException | IllegalArgumentException unknown) {
            return false;
        }
        return !node.answers();
    }

    /** All that may be seen, and their min.insync.replicas by name. */
    record Topics(Collection<TopicDescription> topics, Map<String, Integer> minIsr) {}

    private Optional<Topics> topics(Admin admin) throws Exception {
        try {
            ListTopicsOptions all = new ListTopicsOptions().listInternal(true);
            Set<String> names = admin.listTopics(all).names().get();
            Map<String, TopicDescription> topics =
                    admin.describeTopics(names).allTopicNames().get();
            return Optional.of(new Topics(topics.values(), minIsr(admin, names)));
        } catch (ExecutionException e) {
            common.say("The partitions cannot be described: %s", e.getCause().getMessage());
            return Optional.empty();
        }
    }

    private static Map<String, Integer> minIsr(Admin admin, Set<String> topics) throws Exception {
        List<ConfigResource> resources = topics.stream()
                .map(topic -> new ConfigResource(ConfigResource.Type.TOPIC, topic))
                .toList();
        Map<String, Integer> minIsr = new HashMap<>();
        for (var config : admin.describeConfigs(resources).all().get().entrySet()) {
            String value = config.getValue().get("min.insync.replicas").value();
            minIsr.put(config.getKey().name(), Integer.valueOf(value));
        }
        return minIsr;
    }

    private Voters voters(List<Integer> nodes, Set<Integer> gone, NodeRuntime runtime, Admin admin) throws Exception {
        try {
            Optional<QuorumInfo> quorum = quorum(admin, common);
            if (quorum.isPresent()) return voters(quorum.get(), nodes, gone);
        } catch (ExecutionException e) {
            if (!(e.getCause() instanceof AuthorizationException)) throw e;
            common.say("The quorum cannot be described: the permission DESCRIBE on the cluster is missing.");
            return new Voters(Set.of(), Set.of(), Voters.UNKNOWN);
        }
        return configuredVoters(runtime.voters(), nodes, gone);
    }

    /** Describes the quorum. A voter is alive if the leader saw it fetch recently; the leader itself always is. */
    static Voters voters(QuorumInfo quorum, List<Integer> nodes, Set<Integer> gone) {
        Map<Integer, Long> fetched = new TreeMap<>();
        quorum.voters()
                .forEach(v -> fetched.put(v.replicaId(), v.lastFetchTimestamp().orElse(-1)));
        long now = fetched.getOrDefault(quorum.leaderId(), -1L);
        Set<Integer> left = new TreeSet<>();
        fetched.forEach((id, at) -> {
            if (id == quorum.leaderId() || now - at <= 3000) left.add(id);
        });
        left.removeAll(nodes);
        left.removeAll(gone);
        return new Voters(fetched.keySet(), left, quorum.leaderId());
    }

    /** Without a quorum: who should be in it, and is not known to be gone. */
    static Voters configuredVoters(Set<Integer> voters, List<Integer> nodes, Set<Integer> gone) {
        Set<Integer> left = new TreeSet<>(voters);
        left.removeAll(nodes);
        left.removeAll(gone);
        return new Voters(voters, left, Voters.NONE);
    }

    /** What becomes of each partition that one of the nodes has a part in. */
    static Partitions partitions(Topics topics, List<Integer> nodes, Set<Integer> gone, Voters voters) {
        int total = 0;
        int under = 0;
        int offline = 0;
        for (TopicDescription topic : topics.topics) {
            int wanted = topics.minIsr.get(topic.name());
            for (TopicPartitionInfo partition : topic.partitions()) {
                total++;
                if (!isOnline(partition, gone, voters)) continue;
                long before = remaining(partition, List.of(), gone);
                if (goesOffline(partition, nodes, gone, voters)) offline++;
                else if (before >= wanted && remaining(partition, nodes, gone) < wanted) under++;
            }
        }
        return new Partitions(total, under, offline);
    }

    /** Without a controller nobody succeeds a leader that is gone: its partition is offline, whatever metadata says. */
    private static boolean isOnline(TopicPartitionInfo partition, Set<Integer> gone, Voters voters) {
        Node leader = partition.leader();
        if (leader == null || leader.isEmpty()) return false;
        return voters.controller != Voters.NONE || !gone.contains(leader.id());
    }

    /** With a quorum left, another replica in sync is elected; without, nobody elects. */
    private static boolean goesOffline(
            TopicPartitionInfo partition, List<Integer> nodes, Set<Integer> gone, Voters voters) {
        int leader = partition.leader().id();
        if (!voters.elects()) return nodes.contains(leader) || gone.contains(leader);
        boolean isHit = partition.isr().stream().anyMatch(n -> nodes.contains(n.id()));
        return isHit && remaining(partition, nodes, gone) == 0;
    }

    private static long remaining(TopicPartitionInfo partition, List<Integer> nodes, Set<Integer> gone) {
        return partition.isr().stream()
                .filter(n -> !nodes.contains(n.id()) && !gone.contains(n.id()))
                .count();
    }

    // ---- Runtimes ----

    /** Reaches nodes from outside Kafka. A fault and its undoing return when they happened, as the runtime knows it. */
    public interface NodeRuntime {
        String name();

        List<Target> nodes() throws Exception;

        /** Returns the voters' ids as their configuration has them, for when the quorum is lost; empty when unknown. */
        Set<Integer> voters() throws Exception;

        /** Returns a node that can be started though nobody lists it now. */
        default Optional<Target> unlisted(int id) throws Exception {
            return Optional.empty();
        }

        /** Refuses a mode that it does not have, before anything is done. */
        default void require(Mode mode) {}

        /** Refuses a node that it must not touch, before anything is done. */
        default void requireUsable(Target node) {}

        Instant fault(Target node, Mode mode) throws Exception;

        Instant restore(Target node) throws Exception;
    }

    /** What runs the nodes: the options that name it, and the runtime they lead to. */
    static class Runtimes {
        @Option(
                names = "--runtime",
                paramLabel = "auto|embedded|docker|external",
                defaultValue = "AUTO",
                description = "What runs the nodes; external: your own commands (default: auto, a running embedded"
                        + " cluster, else the containers of compose/compose.yaml).")
        RuntimeKind where;

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
                names = "--data-dir",
                paramLabel = "DIR",
                description =
                        "Data directory of the nodes (default: cluster/ in $$KRAFT_LAB_HOME, else in ~/.kraft-lab).",
                defaultValue = "${KRAFT_LAB_HOME:-${sys:user.home}/.kraft-lab}/cluster")
        Path dataDir;

        private final Common common;

        Runtimes(Common common) {
            this.common = common;
        }

        /** Hooks if they are given, else what --runtime names, else what has nodes. */
        NodeRuntime choose() throws Exception {
            if (where == RuntimeKind.EXTERNAL || killCommand != null || startCommand != null)
                return new Hooks(common, killCommand, startCommand);
            if (dataDir.toString().isEmpty() || "".equals(System.getenv("KRAFT_LAB_HOME")))
                throw new Exit(2, "--data-dir or KRAFT_LAB_HOME is empty.");
            NodeRuntime chosen = switch (where) {
                case EMBEDDED -> new Embedded(common, dataDir);
                case DOCKER -> new Docker(common.timeout);
                default -> detect();
            };
            List<Target> nodes = chosen.nodes();
            if (nodes.isEmpty()) {
                String none = "No embedded cluster in " + dataDir + ": start one (cluster up)";
                if (where == RuntimeKind.DOCKER) none = "No containers of the lab: start them (" + COMPOSE_UP + ")";
                throw failure(UNREACHABLE, "%s, or name --kill-command and --start-command for yours.", none);
            }
            useAddresses(chosen, nodes);
            return chosen;
        }

        /** Connects to the nodes' addresses: a role in another cluster must not break the node here with that id. */
        private void useAddresses(NodeRuntime runtime, List<Target> nodes) throws IOException {
            String byDefault = common.bootstrapServer;
            common.client(); // takes the address of --command-config, if there is one
            boolean named = !byDefault.equals(common.bootstrapServer)
                    || common.spec.commandLine().getParseResult().hasMatchedOption("--bootstrap-server")
                    || System.getenv("KAFKA_BOOTSTRAP") != null;
            String own = String.join(
                    ",", nodes.stream().map(n -> n.host + ":" + n.port).toList());
            if (!named) common.bootstrapServer = own;
            else if (common.bootstrapNodes().stream().noneMatch(b -> isAddressOfOne(b, nodes))) {
                String sentence = "--bootstrap-server %s is not the %s cluster at %s: for another cluster give"
                        + " --kill-command and --start-command.";
                throw failure(REFUSED, sentence, common.bootstrapServer, runtime.name(), own);
            }
        }

        private static boolean isAddressOfOne(Node address, List<Target> nodes) {
            return nodes.stream()
                    .filter(n -> n.port == address.port())
                    .anyMatch(n -> List.of(n.host, "localhost", "127.0.0.1").contains(address.host()));
        }

        /** What has a living node; of two dead clusters the one that was broken and not ended. */
        private NodeRuntime detect() throws Exception {
            Embedded embedded = new Embedded(common, dataDir);
            List<Target> nodes = embedded.nodes();
            if (isAlive(nodes)) return embedded;
            List<Target> containers = List.of();
            String noDocker = "no containers of the lab in Docker (" + COMPOSE_UP + ")";
            try {
                Docker docker = new Docker(common.timeout);
                containers = docker.nodes();
                if (isAlive(containers) || !containers.isEmpty() && !embedded.isBroken()) return docker;
            } catch (Exit none) {
                noDocker = "no Docker engine that answers (--runtime docker says why)";
            }
            if (!containers.isEmpty()) {
                String sentence = "All nodes of the embedded cluster in %s are down, and so are all containers of the"
                        + " lab: say which you mean, --runtime embedded or --runtime docker.";
                throw failure(2, sentence, dataDir);
            }
            if (nodes.isEmpty()) {
                String sentence = "No nodes found: there is no embedded cluster in %s (cluster up), and %s; for"
                        + " another cluster give --kill-command and --start-command.";
                throw failure(UNREACHABLE, sentence, dataDir, noDocker);
            }
            return embedded;
        }

        private static boolean isAlive(List<Target> nodes) {
            return nodes.stream().anyMatch(n -> !n.state.equals("down"));
        }
    }

    private static final String COMPOSE_UP = "docker compose -f compose/compose.yaml up -d --wait";

    /** Parses controller.quorum.voters, empty if the quorum is dynamic; Kafka's own parser is in the broker only. */
    static Map<Integer, Node> configured(String voters) {
        Map<Integer, Node> found = new TreeMap<>();
        Matcher voter = Pattern.compile("(\\d{1,9})@\\[?([^\\s,@]+?)\\]?:(\\d{1,5})(?=\\s*(?:,|$))")
                .matcher(Objects.requireNonNullElse(voters, ""));
        while (voter.find()) {
            int id = Integer.parseInt(voter.group(1));
            found.put(id, new Node(id, voter.group(2), Integer.parseInt(voter.group(3))));
        }
        return found;
    }

    // ---- Embedded ----

    /** Nodes started by cluster up: signals to the process of node.json. */
    private static class Embedded implements NodeRuntime {
        private static final ReentrantLock ONE_AT_A_TIME = new ReentrantLock();

        private final Common common;
        private final Path dataDir;

        Embedded(Common common, Path dataDir) {
            this.common = common;
            this.dataDir = dataDir;
        }

        public String name() {
            return "embedded";
        }

        public List<Target> nodes() throws IOException {
            return files().stream().map(NodeFile::target).toList();
        }

        public Set<Integer> voters() throws IOException {
            Set<Integer> voters = new TreeSet<>();
            for (NodeFile file : files()) {
                if (file.isVoter()) voters.add(file.target().id);
            }
            return voters;
        }

        /** Returns whether a fault is noted of one of its nodes, which cluster down would have ended. */
        boolean isBroken() throws IOException {
            return files().stream().anyMatch(NodeFile::isBroken);
        }

        private List<NodeFile> files() throws IOException {
            File[] folders = dataDir.toFile()
                    .listFiles(f -> Files.exists(f.toPath().resolve("node.json"), LinkOption.NOFOLLOW_LINKS));
            List<NodeFile> files = new ArrayList<>();
            if (folders == null) return files;
            Arrays.sort(folders);
            for (File folder : folders) files.add(new NodeFile(dataDir, folder.getName()));
            return files;
        }

        public void require(Mode mode) {
            if (mode == Mode.DISCONNECT)
                throw new Exit(
                        2,
                        "A process of this machine cannot be disconnected: --mode disconnect is for Docker; pause comes"
                                + " nearest.");
        }

        /** When a node's process got its signal. */
        private record Signalled(ProcessHandle process, Instant at) {}

        public Instant fault(Target node, Mode mode) throws Exception {
            Signalled signalled = locked(() -> signal(node, mode));
            ProcessHandle process = signalled.process;
            Duration limit = common.timeout;
            long deadline = System.nanoTime() + limit.toNanos();
            for (; mode != Mode.PAUSE && NodeProcess.isAlive(process); Thread.sleep(5)) {
                if (System.nanoTime() < deadline) continue;
                String late = "%s (pid %s) did not end within %s s.";
                throw failure(MISSED, late, node.name, process.pid(), limit.toSeconds());
            }
            return signalled.at;
        }

        private Signalled signal(Target node, Mode mode) throws Exception {
            NodeFile file = new NodeFile(dataDir, node.name);
            ProcessHandle process = file.process().orElseThrow(() -> failure(1, "%s is not running.", node.name));
            // First, since a script killed in between then leaves a note of no fault, which restoring forgives.
            file.write("fault", Map.of("mode", mode.toString(), "since", timestamp()));
            Instant at = Instant.now();
            switch (mode) {
                case KILL -> NodeProcess.signal(process, "KILL");
                case STOP -> {
                    NodeProcess.signal(process, "CONT"); // a paused one would not end
                    NodeProcess.signal(process, "TERM");
                }
                default -> NodeProcess.signal(process, "STOP");
            }
            return new Signalled(process, at);
        }

        public Instant restore(Target node) throws Exception {
            return locked(() -> {
                Instant at = Instant.now();
                NodeFile file = new NodeFile(dataDir, node.name);
                Optional<ProcessHandle> process = file.process();
                if (process.isPresent() && file.isStopping()) {
                    awaitEnd(file, process.get());
                    process = Optional.empty();
                }
                if (process.isPresent()) NodeProcess.signal(process.get(), "CONT");
                else file.start();
                file.write("fault", null);
                return at;
            });
        }

        /** Waits a little for one that was told to end, then kills it, or it would end after it was "restored". */
        private static void awaitEnd(NodeFile file, ProcessHandle process) throws Exception {
            long deadline = System.nanoTime() + Duration.ofSeconds(5).toNanos();
            for (; file.process().isPresent(); Thread.sleep(20)) {
                if (System.nanoTime() > deadline) NodeProcess.signal(process, "KILL");
            }
        }

        /** Does it while no other script starts or signals nodes of this folder: cluster holds the same lock. */
        private <T> T locked(Callable<T> action) throws Exception {
            long deadline = System.nanoTime() + common.timeout.toNanos();
            if (!ONE_AT_A_TIME.tryLock(common.timeout.toMillis(), TimeUnit.MILLISECONDS)) throw busy();
            Path lock = dataDir.resolve("lock");
            try (FileChannel channel = FileChannel.open(lock, WRITE, CREATE, LinkOption.NOFOLLOW_LINKS)) {
                for (boolean said = false; tryLock(channel) == null; Thread.sleep(50)) {
                    if (System.nanoTime() > deadline) throw busy();
                    if (!said) common.say("Waiting for another command that is at work in %s ...", dataDir);
                    said = true;
                }
                return action.call();
            } finally {
                ONE_AT_A_TIME.unlock();
            }
        }

        private Exit busy() {
            String sentence = "Another command (such as cluster up) has been at work in %s for more than %s s: let it"
                    + " end, or end it, and try again.";
            return failure(MISSED, sentence, dataDir, common.timeout.toSeconds());
        }

        private static FileLock tryLock(FileChannel channel) throws IOException {
            try {
                return channel.tryLock();
            } catch (OverlappingFileLockException heldInThisJvm) {
                return null;
            }
        }
    }

    /** What cluster up noted of a node: a command to run and a pid to signal, so nobody else may have written it. */
    private static class NodeFile {
        private final String name;
        private final Path folder;
        private final Path file;
        private final Map<String, Object> json;

        NodeFile(Path dataDir, String name) throws IOException {
            this.name = name;
            folder = dataDir.resolve(name);
            file = folder.resolve("node.json");
            for (Path path : List.of(dataDir.toRealPath(), folder, file)) requireOurs(path);
            try {
                json = JSON.std.mapFrom(file.toFile());
            } catch (IOException e) {
                String sentence = "%s cannot be read as what cluster up writes: run 'cluster down', then 'cluster up'.";
                throw failure(1, sentence, file);
            }
        }

        private void requireOurs(Path path) throws IOException {
            String reason = whyNotOurs(path);
            if (reason == null) return;
            String sentence = "%s is not obeyed, because %s %s: whoever writes it decides what is run and killed here.";
            throw failure(REFUSED, sentence, file, path.equals(file) ? "it" : path, reason);
        }

        private static String whyNotOurs(Path path) throws IOException {
            if (Files.isSymbolicLink(path)) return "is a symbolic link";
            if (!path.getFileSystem().supportedFileAttributeViews().contains("unix")) return null;
            int mode = (Integer) Files.getAttribute(path, "unix:mode");
            int owner = (Integer) Files.getAttribute(path, "unix:uid");
            long user = new com.sun.security.auth.module.UnixSystem().getUid();
            if (owner != user)
                return "belongs to " + Files.getOwner(path) + " (uid " + owner + "), and this runs as uid " + user;
            if ((mode & 0022) == 0) return null;
            return "can be written by others (mode " + Integer.toOctalString(mode & 0777) + ")";
        }

        Target target() {
            String roles = isVoter() ? "broker,controller" : "broker";
            int port = (Integer) json.get("port");
            return new Target((Integer) json.get("id"), (String) json.get("name"), "localhost", port, roles, state());
        }

        boolean isVoter() {
            return json.get("controllerPort") != null;
        }

        boolean isBroken() {
            return json.get("fault") != null;
        }

        boolean isStopping() {
            return state().equals("stopping");
        }

        private String state() {
            if (process().isEmpty()) return "down";
            if (!(json.get("fault") instanceof Map<?, ?> fault)) return "running";
            return "pause".equals(fault.get("mode")) ? "paused" : "stopping";
        }

        /** The process, if it is alive and the one that was started: the pid may have been reused since. */
        Optional<ProcessHandle> process() {
            if (!(json.get("pid") instanceof Number pid)) return Optional.empty();
            return ProcessHandle.of(pid.longValue())
                    .filter(p -> NodeProcess.isAlive(p) && NodeProcess.isTheOne(p, json));
        }

        /** Starts the node; what is noted of it is not written yet. */
        void start() throws IOException {
            requireUnusedData();
            @SuppressWarnings("unchecked")
            List<String> command = (List<String>) json.get("command");
            File log = new File((String) json.get("log"));
            Process started = new ProcessBuilder(command)
                    .redirectErrorStream(true)
                    .redirectInput(new File("/dev/null"))
                    .redirectOutput(ProcessBuilder.Redirect.appendTo(log))
                    .start();
            json.put("pid", started.pid());
            json.put(
                    "started",
                    started.info().startInstant().orElse(Instant.EPOCH).toString());
            json.put("startTicks", NodeProcess.startTicks(started.pid()));
            json.put("bootId", NodeProcess.bootId());
        }

        /** The last guard: a living broker holds a lock on its data, whatever node.json says of its process. */
        private void requireUnusedData() throws IOException {
            Properties properties = new Properties();
            Path settings = folder.resolve("server.properties");
            if (Files.exists(settings)) properties.load(new StringReader(Files.readString(settings)));
            String folders =
                    properties.getProperty("log.dirs", folder.resolve("data").toString());
            for (String data : folders.split(",")) {
                Path lock = Path.of(data.trim(), ".lock");
                if (!Files.exists(lock)) continue;
                try (FileChannel channel = FileChannel.open(lock, WRITE)) {
                    if (Embedded.tryLock(channel) == null) throw inUse(data.trim());
                }
            }
        }

        private Exit inUse(String data) {
            String sentence = "The data of %s in %s is in use by a process that its node.json does not name: 'cluster"
                    + " down' ends it, then 'cluster up' starts all nodes.";
            return failure(REFUSED, sentence, name, data);
        }

        void write(String key, Object value) throws IOException {
            json.put(key, value);
            Path fresh = file.resolveSibling("node.json.new");
            // Not by a channel, which an interrupt closes: of a process that was started a note must be there.
            try (OutputStream out = new FileOutputStream(fresh.toFile())) {
                out.write(JSON.std.with(JSON.Feature.PRETTY_PRINT_OUTPUT).asBytes(json));
            }
            if (fresh.getFileSystem().supportedFileAttributeViews().contains("posix"))
                Files.setPosixFilePermissions(fresh, PosixFilePermissions.fromString("rw-r--r--"));
            Files.move(fresh, file, StandardCopyOption.REPLACE_EXISTING, StandardCopyOption.ATOMIC_MOVE);
        }
    }

    /** What ProcessHandle does not have: STOP and CONT, a start that no step of the clock moves, and zombies. */
    private static class NodeProcess {
        /** Marks a node's process in its command line. */
        private static final String MARK = "-Dkraft-lab.node=";

        static void signal(ProcessHandle process, String signal) throws Exception {
            Process kill = new ProcessBuilder("kill", "-" + signal, "" + process.pid())
                    .redirectErrorStream(true)
                    .start();
            String said = new String(kill.getInputStream().readAllBytes()).trim();
            if (kill.waitFor() != 0 && process.isAlive())
                throw failure(1, "Cannot send SIG%s to pid %s: %s.", signal, process.pid(), said);
        }

        /** Compares boot and start; without /proc, or if an older version noted it, start time and command line. */
        static boolean isTheOne(ProcessHandle process, Map<String, Object> json) {
            Long ticks = startTicks(process.pid());
            if (ticks != null && json.get("startTicks") instanceof Number noted && json.get("bootId") != null)
                return ticks == noted.longValue() && json.get("bootId").equals(bootId());
            Optional<Instant> start = process.info().startInstant();
            if (start.isEmpty() || !(json.get("started") instanceof String noted)) return false;
            if (Duration.between(start.get(), Instant.parse(noted)).abs().toMillis() >= 2000) return false;
            String line = process.info().commandLine().orElse("");
            return json.get("command") instanceof List<?> command
                    && command.stream().anyMatch(a -> ("" + a).startsWith(MARK) && line.contains("" + a));
        }

        /** Returns the process's start in clock ticks since the boot, field 22 of its stat; null without /proc. */
        static Long startTicks(long pid) {
            try {
                return Long.valueOf(stat(pid)[19]);
            } catch (IOException noSuch) {
                return null;
            }
        }

        static String bootId() {
            try {
                return Files.readString(Path.of("/proc/sys/kernel/random/boot_id"))
                        .strip();
            } catch (IOException notLinux) {
                return null;
            }
        }

        /** Returns the fields of /proc/PID/stat from the third on: what stands before may have any characters. */
        private static String[] stat(long pid) throws IOException {
            String stat = Files.readString(Path.of("/proc/" + pid + "/stat"));
            return stat.substring(stat.lastIndexOf(')') + 2).split(" ");
        }

        /** Where nobody reaps orphans (a container whose first process is no init), a killed node stays as a zombie. */
        static boolean isAlive(ProcessHandle process) {
            try {
                String[] fields = stat(process.pid());
                // The first thread is a zombie already while others (num_threads) are still ending, and hold the ports.
                if (fields[0].equals("Z") && fields[17].equals("1")) return false;
            } catch (IOException notLinux) {
                // then ProcessHandle knows it
            }
            return process.isAlive();
        }
    }

    // ---- Docker ----

    /**
     * Containers of the compose project kraft-lab, by the engine's API: those that compose made and that have the lab's
     * label, since others may use the same name. Nothing is noted: the engine knows what was done, whoever did it.
     */
    private static class Docker implements NodeRuntime {
        private static final String LABEL = "kraft-lab.node";
        private static final List<String> OURS =
                List.of("com.docker.compose.project=kraft-lab", "com.docker.compose.oneoff=False", LABEL);
        /** How long compose.yaml lets a node take to stop. */
        private static final int GRACE_S = 30;

        private final Duration timeout;
        private final URI uri;
        private final DockerClient engine;
        private final Set<Integer> stopping = ConcurrentHashMap.newKeySet();

        Docker(Duration timeout) throws InterruptedException {
            this.timeout = timeout;
            DefaultDockerClientConfig.Builder settings;
            DefaultDockerClientConfig config;
            try {
                settings = DefaultDockerClientConfig.createDefaultConfigBuilder();
                config = settings.build();
            } catch (RuntimeException e) {
                String sentence = "The Docker settings (DOCKER_HOST, context) cannot be used: %s.";
                throw failure(2, sentence, e.getMessage());
            }
            uri = config.getDockerHost();
            requireContext(config);
            requireAddress(uri);
            if (uri.getScheme().equals("unix")) requireSocket(uri.getPath());
            engine = asked(() -> connect(settings));
        }

        /** A path without a version is understood by old and new engines, but for those that want one. */
        private static DockerClient connect(DefaultDockerClientConfig.Builder settings) {
            DockerClient engine = client(settings.build());
            try {
                engine.listContainersCmd().withLimit(1).exec();
                return engine;
            } catch (BadRequestException | NotFoundException wantsVersion) {
                RemoteApiVersion newest = RemoteApiVersion.VERSION_1_44; // engines refuse what is too old for them
                RemoteApiVersion theirs =
                        RemoteApiVersion.parseConfig(engine.versionCmd().exec().getApiVersion());
                settings.withApiVersion(theirs.isGreaterOrEqual(newest) ? newest : theirs);
                return client(settings.build());
            }
        }

        private static DockerClient client(DockerClientConfig config) {
            var http = new ZerodepDockerHttpClient.Builder()
                    .dockerHost(config.getDockerHost())
                    .sslConfig(config.getSSLConfig());
            return DockerClientImpl.getInstance(config, http.build());
        }

        /** Returns an answer of the engine, or ends with one sentence about it. */
        private <T> T asked(Callable<T> question) throws InterruptedException {
            try {
                return inBackground(question).get(timeout.toMillis(), TimeUnit.MILLISECONDS);
            } catch (java.util.concurrent.TimeoutException hangs) {
                String sentence = "The Docker engine at %s accepts and does not answer within %s ms: restart it, or"
                        + " name another by DOCKER_HOST.";
                throw failure(UNREACHABLE, sentence, uri, timeout.toMillis());
            } catch (ExecutionException e) {
                String refuses = "The Docker engine at %s refuses: %s.";
                String absent = "No Docker engine answers at %s (%s): start it, or name yours by DOCKER_HOST.";
                boolean answered = e.getCause() instanceof DockerException;
                throw failure(UNREACHABLE, answered ? refuses : absent, uri, said(e));
            }
        }

        /** In a thread of its own, since docker-java's read from a socket file has no time limit and no interrupt. */
        private static <T> FutureTask<T> inBackground(Callable<T> call) {
            FutureTask<T> task = new FutureTask<>(call);
            Thread worker = new Thread(task, "docker");
            worker.setDaemon(true);
            worker.start();
            return task;
        }

        /** Refuses a context that does not exist: docker-java would silently take the default engine instead. */
        private static void requireContext(DefaultDockerClientConfig config) {
            if (System.getenv("DOCKER_HOST") != null) return; // takes precedence over any context
            String context = Objects.requireNonNullElse(System.getenv("DOCKER_CONTEXT"), "");
            if (context.isBlank()) context = config.getDockerConfig().getCurrentContext();
            if (context == null || List.of("", "default").contains(context)) return;
            File settings = new File(config.getDockerConfigPath());
            var mapper = DockerClientConfig.getDefaultObjectMapper();
            if (DockerContextMetaFile.resolveContextMetaFile(mapper, settings, context)
                    .isEmpty()) {
                String sentence = "There is no Docker context '%s': 'docker context ls' lists them, 'docker context"
                        + " use' selects one.";
                throw failure(2, sentence, context);
            }
        }

        private static void requireAddress(URI uri) {
            String scheme = String.valueOf(uri.getScheme());
            boolean windows = System.getProperty("os.name").startsWith("Windows");
            if (scheme.equals("ssh")) {
                String sentence = "Docker over ssh is not supported: forward the socket (ssh -NL"
                        + " /tmp/docker.sock:/var/run/docker.sock %s) and export DOCKER_HOST=unix:///tmp/docker.sock.";
                throw failure(2, sentence, uri.getAuthority());
            }
            boolean known = scheme.equals("unix")
                    || scheme.equals("tcp") && uri.getHost() != null
                    || scheme.equals("npipe") && windows;
            String example = "unix:///var/run/docker.sock or tcp://host:2376";
            if (!known) throw failure(2, "'%s' is not a Docker engine's address, such as %s.", uri, example);
        }

        private static void requireSocket(String path) {
            try {
                SocketChannel.open(UnixDomainSocketAddress.of(path)).close();
            } catch (IOException e) {
                if (("" + e.getMessage()).contains("ermission")) {
                    String sentence = "No permission for Docker's socket %s: run 'sudo usermod -aG docker $USER' and"
                            + " log in again.";
                    throw failure(UNREACHABLE, sentence, path);
                }
                String found = "No Docker engine at unix://%s (%s): there is a socket elsewhere, export"
                        + " DOCKER_HOST=unix://%s.";
                String none = "No Docker engine at unix://%s (%s): start it; nor is there one at %s.";
                List<String> others = otherSockets(path);
                for (String other : others) {
                    if (Files.exists(Path.of(other))) throw failure(UNREACHABLE, found, path, e.getMessage(), other);
                }
                throw failure(UNREACHABLE, none, path, e.getMessage(), String.join(", ", others));
            }
        }

        /** Of the default engine, rootless Docker, Docker Desktop, Colima and Podman. */
        private static List<String> otherSockets(String path) {
            String home = System.getProperty("user.home");
            String run = Objects.requireNonNullElse(System.getenv("XDG_RUNTIME_DIR"), "/run/user/1000");
            List<String> all = List.of(
                    "/var/run/docker.sock",
                    run + "/docker.sock",
                    home + "/.docker/run/docker.sock",
                    home + "/.colima/default/docker.sock",
                    run + "/podman/podman.sock");
            return all.stream().filter(socket -> !socket.equals(path)).toList();
        }

        public String name() {
            return "docker";
        }

        public List<Target> nodes() throws InterruptedException {
            List<Target> nodes = new ArrayList<>();
            containers().forEach((id, container) -> nodes.add(target(id, container)));
            return nodes;
        }

        private Target target(int id, InspectContainerResponse container) {
            String name = container.getConfig().getLabels().get("com.docker.compose.service");
            int port = container.getHostConfig().getPortBindings().getBindings().values().stream()
                    .filter(Objects::nonNull)
                    .flatMap(Stream::of)
                    .mapToInt(binding -> Integer.parseInt(binding.getHostPortSpec()))
                    .findFirst()
                    .orElse(-1);
            String roles = environment(container, "KAFKA_PROCESS_ROLES");
            return new Target(id, name, host(), port, roles, state(container));
        }

        /** Returns where published ports are reached: where the engine is, if nobody says otherwise. */
        private String host() {
            String given = System.getenv("LAB_HOST");
            if (given != null && !given.isBlank()) return given;
            return uri.getScheme().equals("tcp") ? uri.getHost() : "localhost";
        }

        public Set<Integer> voters() throws InterruptedException {
            for (InspectContainerResponse container : containers().values()) {
                String configured = environment(container, "KAFKA_CONTROLLER_QUORUM_VOTERS");
                if (!configured.isBlank()) return configured(configured).keySet();
            }
            return Set.of();
        }

        private static String environment(InspectContainerResponse container, String name) {
            String[] all = Objects.requireNonNullElse(container.getConfig().getEnv(), new String[0]);
            for (String variable : all) {
                if (variable.startsWith(name + "=")) return variable.substring(name.length() + 1);
            }
            return "";
        }

        private Map<Integer, InspectContainerResponse> containers() throws InterruptedException {
            return asked(() -> {
                Map<Integer, InspectContainerResponse> found = new TreeMap<>();
                var list = engine.listContainersCmd().withShowAll(true).withLabelFilter(OURS);
                for (Container container : list.exec()) {
                    String id = container.getLabels().get(LABEL);
                    if (!id.matches("\\d{1,9}")) continue;
                    try {
                        found.put(Integer.valueOf(id), inspect(container.getId()));
                    } catch (NotFoundException gone) {
                        // since the list was made
                    }
                }
                return found;
            });
        }

        private InspectContainerResponse inspect(String id) {
            return engine.inspectContainerCmd(id).exec();
        }

        private static String state(InspectContainerResponse container) {
            return switch (container.getState().getStatus()) {
                case "running", "restarting" -> isAttached(container) ? "running" : "disconnected";
                case "paused" -> "paused";
                default -> "down";
            };
        }

        private static boolean isAttached(InspectContainerResponse container) {
            String network = container.getHostConfig().getNetworkMode();
            return container.getNetworkSettings().getNetworks().entrySet().stream()
                    .anyMatch(n -> n.getKey().equals(network)
                            || network.equals(n.getValue().getNetworkID()));
        }

        private InspectContainerResponse container(Target node) throws InterruptedException {
            InspectContainerResponse container = containers().get(node.id);
            if (container != null) return container;
            throw failure(1, "The container of %s is gone: docker compose up makes it anew.", node.name);
        }

        public Instant fault(Target node, Mode mode) throws Exception {
            InspectContainerResponse container = container(node);
            String id = container.getId();
            String network = container.getHostConfig().getNetworkMode();
            return switch (mode) {
                case KILL -> act(node, engine.killContainerCmd(id), id, "die");
                case STOP -> stop(node, container);
                case PAUSE -> act(node, engine.pauseContainerCmd(id), id, "pause");
                case DISCONNECT -> {
                    var disconnect = engine.disconnectFromNetworkCmd()
                            .withContainerId(id)
                            .withNetworkId(network);
                    yield act(node, disconnect, id, "disconnect");
                }
            };
        }

        private Instant stop(Target node, InspectContainerResponse container) throws Exception {
            String id = container.getId();
            stopping.add(node.id);
            if (container.getState().getPaused()) act(node, engine.unpauseContainerCmd(id));
            Instant at = act(node, engine.stopContainerCmd(id), id, "kill"); // the engine's word for the SIGTERM
            stopping.remove(node.id);
            return at;
        }

        /** Whatever was done to it, in whatever order. */
        public Instant restore(Target node) throws Exception {
            InspectContainerResponse container = container(node);
            String id = container.getId();
            String network = container.getHostConfig().getNetworkMode();
            // It was told to end and perhaps has not yet: a little more time, then SIGKILL, or it would end after it
            // was
            // "restored".
            if (stopping.remove(node.id)) act(node, engine.stopContainerCmd(id).withTimeout(5));
            Instant at = null;
            if (state(container).equals("paused")) at = act(node, engine.unpauseContainerCmd(id), id, "unpause");
            if (!isAttached(container)) {
                // Disconnecting has taken the alias, by which the other nodes find it, and the published port.
                var alias = new ContainerNetwork().withAliases(node.name);
                var connect = engine.connectToNetworkCmd().withContainerId(id).withNetworkId(network);
                at = act(node, connect.withContainerNetwork(alias), id, "connect");
            }
            boolean runs = container(node).getState().getRunning();
            if (!runs) at = act(node, engine.startContainerCmd(id), id, "start");
            return at == null ? Instant.now() : at;
        }

        /** Does it, and returns when the engine saw it happen: the call itself returns up to 100 ms later. */
        private Instant act(Target node, SyncDockerCmd<?> command, String id, String event) throws Exception {
            return whenSeen(event, id, act(node, command));
        }

        /** Does it, so that Ctrl-C can end the wait. @return when it began */
        private Instant act(Target node, SyncDockerCmd<?> command) throws Exception {
            Instant began = Instant.now();
            FutureTask<?> task = inBackground(command::exec);
            try {
                task.get(GRACE_S + Math.max(30, timeout.toSeconds()), TimeUnit.SECONDS);
            } catch (java.util.concurrent.TimeoutException hangs) {
                String sentence =
                        "The Docker engine at %s has not done that to %s yet, but still may: look at docker ps.";
                throw failure(MISSED, sentence, uri, node.name);
            } catch (InterruptedException e) {
                // Of a stop, undoing it awaits the end.
                if (!stopping.contains(node.id)) awaitLanding(task);
                throw e;
            } catch (ExecutionException e) {
                if (e.getCause() instanceof NotModifiedException) return began;
                throw failure(1, "Docker would not do that to %s: %s.", node.name, said(e));
            }
            return began;
        }

        /** Waits for what is on its way, which lands whoever is interrupted: only then can it be undone. */
        private static void awaitLanding(FutureTask<?> task) throws InterruptedException {
            try {
                task.get(3, TimeUnit.SECONDS);
            } catch (ExecutionException | java.util.concurrent.TimeoutException failed) {
                // nothing to undo, or too late to know
            }
        }

        /** Returns when the engine saw it happen, or when it began: what was done stays done without the event. */
        private Instant whenSeen(String event, String id, Instant began) throws InterruptedException {
            Sightings seen = new Sightings(id, began);
            try {
                for (int look = 0; look < 10 && seen.times.isEmpty(); look++) {
                    if (look > 0) Thread.sleep(20);
                    // Until now, so that it ends; the engine of a virtual machine may have another clock, and then ours
                    // is taken.
                    engine.eventsCmd()
                            .withSince(seconds(began.minusSeconds(5)))
                            .withUntil(seconds(Instant.now()))
                            .withEventFilter(event)
                            .exec(seen)
                            .awaitCompletion(2, TimeUnit.SECONDS);
                }
            } catch (RuntimeException notTold) {
                return began;
            }
            return seen.times.isEmpty() ? began : seen.times.get(0);
        }

        /** When something happened to a container, not before it could. */
        private static class Sightings extends ResultCallback.Adapter<Event> {
            private final List<Instant> times = new CopyOnWriteArrayList<>();
            private final String container;
            private final Instant began;

            Sightings(String container, Instant began) {
                this.container = container;
                this.began = began;
            }

            @Override
            public void onNext(Event event) {
                EventActor actor = event.getActor();
                Instant at = Instant.EPOCH.plusNanos(event.getTimeNano());
                boolean isOurs = container.equals(actor.getId())
                        || container.equals(actor.getAttributes().get("container"));
                if (isOurs && !at.isBefore(began)) times.add(at);
            }
        }

        private static String seconds(Instant t) {
            return String.format(Locale.ROOT, "%d.%09d", t.getEpochSecond(), t.getNano());
        }

        /** Returns the engine's own words, without the JSON and the exceptions around them. */
        private static String said(Throwable e) {
            while (e.getCause() != null) e = e.getCause();
            if (e.getMessage() == null) return e.getClass().getSimpleName();
            Matcher message = Pattern.compile("\"message\":\"(.*?)\"\\}").matcher(e.getMessage());
            return message.find() ? message.group(1) : e.getMessage().strip();
        }
    }

    // ---- Hooks ----

    /** Any cluster, by the user's commands: its nodes are the brokers it lists and the controllers of its quorum. */
    static class Hooks implements NodeRuntime {
        private final Common common;
        private final String killCommand;
        private final String startCommand;
        /** Asked for once: each answer may take seconds, and the quorum's members seldom change. */
        private Map<Integer, Node> members;

        private Set<Integer> voters;

        Hooks(Common common, String killCommand, String startCommand) {
            this.common = common;
            this.killCommand = killCommand;
            this.startCommand = startCommand;
        }

        public String name() {
            return "hooks";
        }

        public List<Target> nodes() throws Exception {
            Map<Integer, Target> nodes = new TreeMap<>();
            try (Admin admin = common.admin(IMPATIENT)) {
                var all = new DescribeClusterOptions().includeFencedBrokers(true);
                Collection<Node> brokers = admin.describeCluster(all).nodes().get();
                if (members == null) askForQuorum(admin, brokers);
                for (Node broker : brokers) nodes.put(broker.id(), target(broker, roles(broker.id())));
                for (Node node : members.values()) nodes.putIfAbsent(node.id(), target(node, "controller"));
            }
            return List.copyOf(nodes.values());
        }

        private String roles(int broker) {
            if (members.isEmpty()) return "";
            return voters.contains(broker) ? "broker,controller" : "broker";
        }

        private static Target target(Node node, String roles) {
            String name = String.format(Locale.ROOT, "kafka%02d", node.id());
            return new Target(node.id(), name, node.host(), node.port(), roles, "unknown");
        }

        public Set<Integer> voters() throws Exception {
            if (voters == null) nodes();
            return voters;
        }

        /** Without a quorum, and where its voters are not configured, a controller is known to nobody. */
        public Optional<Target> unlisted(int id) throws Exception {
            if (!voters().isEmpty()) return Optional.empty();
            return Optional.of(target(new Node(id, "", -1), "controller"));
        }

        private void askForQuorum(Admin admin, Collection<Node> brokers) throws Exception {
            Optional<QuorumInfo> found = Optional.empty();
            try {
                found = quorum(admin, common);
            } catch (ExecutionException refused) {
                // such as the permission: the brokers are listed all the same
            }
            if (found.isEmpty()) {
                common.requireReachable(); // or silence would be taken for a lost quorum
                members = configured(brokersVoters(brokers));
                voters = members.keySet();
                return;
            }
            members = new TreeMap<>();
            for (QuorumInfo.ReplicaState replica : replicas(found.get())) {
                members.put(replica.replicaId(), node(replica.replicaId(), found.get()));
            }
            voters = new TreeSet<>();
            for (QuorumInfo.ReplicaState voter : found.get().voters()) voters.add(voter.replicaId());
        }

        private static Node node(int id, QuorumInfo quorum) {
            QuorumInfo.Node node = quorum.nodes().get(id);
            if (node == null || node.endpoints().isEmpty()) return new Node(id, "", -1);
            var endpoint = node.endpoints().get(0);
            return new Node(id, endpoint.host(), endpoint.port());
        }

        /** A broker's own configuration, which it gives without a quorum as well. */
        private String brokersVoters(Collection<Node> brokers) throws Exception {
            var soon = new DescribeConfigsOptions().timeoutMs(3000);
            for (Node broker : brokers) {
                if (!Common.answers(broker.host(), broker.port(), 1000)) continue;
                ConfigResource resource = new ConfigResource(ConfigResource.Type.BROKER, "" + broker.id());
                // A client of its own: one that has asked for a lost quorum leaves the broker alone for a while.
                try (Admin admin = common.admin(IMPATIENT)) {
                    var configs =
                            admin.describeConfigs(List.of(resource), soon).all().get();
                    ConfigEntry entry = configs.get(resource).get("controller.quorum.voters");
                    if (entry != null && entry.value() != null) return entry.value();
                } catch (ExecutionException refused) {
                    // the next one may answer
                }
            }
            return "";
        }

        public void require(Mode mode) {
            if (killCommand == null) throw new Exit(2, "To break a node of this cluster, give --kill-command.");
            if (mode != Mode.KILL && !killCommand.contains("{mode}"))
                throw new Exit(2, "--mode needs a --kill-command that has {mode} in it.");
        }

        public void requireUsable(Target node) {
            if (killCommand != null) filled(killCommand, node, "kill");
            if (startCommand != null) filled(startCommand, node, "start");
        }

        public Instant fault(Target node, Mode mode) throws Exception {
            return execute(killCommand, node, mode.toString());
        }

        public Instant restore(Target node) throws Exception {
            if (startCommand == null) throw new Exit(2, "To start a node of this cluster, give --start-command.");
            return execute(startCommand, node, "start");
        }

        private Instant execute(String command, Target node, String mode) throws Exception {
            String line = filled(command, node, mode);
            Instant at = Instant.now();
            new Shell(line, common.timeout).run();
            return at;
        }

        /** Host names (letters, digits, dots, hyphens, underscores; no dot or hyphen first) and addresses. */
        private static final String HOST =
                "[A-Za-z0-9_][A-Za-z0-9._-]{0,252}|[0-9A-Fa-f:]*:[0-9A-Fa-f:.]*(%[A-Za-z0-9][A-Za-z0-9._-]*)?";

        /** Fills in a node's values, which come from the cluster and go to a shell: -oProxyCommand=... is no host. */
        static String filled(String command, Target node, String mode) {
            String unfit = ": a command must not get it.";
            if (node.id < 0) throw failure(REFUSED, "Node id %s of the cluster is not valid" + unfit, node.id);
            if (!node.name.matches("[A-Za-z0-9_][A-Za-z0-9._-]*"))
                throw failure(REFUSED, "The name '%s' of node %s is not a host name" + unfit, node.name, node.id);
            if (node.host.isEmpty() && command.contains("{host}")) {
                String sentence = "The cluster does not say where node %s runs: give a command without {host}, by {id}"
                        + " or {name}.";
                throw failure(REFUSED, sentence, node.id);
            }
            if (!node.host.isEmpty() && !node.host.matches(HOST) || node.port > 65535) {
                String sentence = "The address '%s', port %s, of node %s is not a host name or address" + unfit;
                throw failure(REFUSED, sentence, node.host, node.port, node.id);
            }
            return command.replace("{id}", "" + node.id)
                    .replace("{name}", node.name)
                    .replace("{host}", node.host)
                    .replace("{mode}", mode);
        }
    }

    /** A user's command: it never waits for a reader of its output, and at its limit ends with all that it started. */
    static class Shell {
        private static final String MARK = "KRAFT_LAB_COMMAND";
        private final String line;
        private final Duration limit;
        private final String id = UUID.randomUUID().toString();

        Shell(String line, Duration limit) {
            this.line = line;
            this.limit = limit;
        }

        /** @throws Exit when it does not end in time, or with another code than 0 */
        void run() throws Exception {
            ProcessBuilder builder = new ProcessBuilder("sh", "-c", line)
                    .redirectErrorStream(true)
                    .redirectInput(new File("/dev/null"));
            builder.environment().put(MARK, id);
            Process process = builder.start();
            Output output = new Output(process.getInputStream());
            boolean ended = false;
            try {
                ended = process.waitFor(limit.toMillis(), TimeUnit.MILLISECONDS);
            } finally {
                // A command that was given up must not break the node later on.
                if (!ended) endAll(process);
            }
            if (!ended)
                throw failure(MISSED, "'%s' did not end within %s s%s.", line, limit.toSeconds(), output.said());
            if (process.exitValue() != 0)
                throw failure(1, "'%s' ended with %s%s.", line, process.exitValue(), output.said());
        }

        /** Until none is found: also what has lost its parent, and is known only by its environment. */
        private void endAll(Process process) {
            for (int look = 0; look < 20; look++) {
                Set<ProcessHandle> all = new HashSet<>(process.descendants().toList());
                all.add(process.toHandle());
                ProcessHandle.allProcesses().filter(this::isMarked).forEach(all::add);
                all.removeIf(p -> !p.isAlive());
                if (all.isEmpty()) return;
                all.forEach(ProcessHandle::destroyForcibly);
            }
        }

        /** Where there is a /proc. */
        private boolean isMarked(ProcessHandle process) {
            Path environ = Path.of("/proc/" + process.pid() + "/environ");
            try {
                return Files.readString(environ, StandardCharsets.ISO_8859_1).contains(MARK + "=" + id);
            } catch (IOException othersOrNotLinux) {
                return false;
            }
        }
    }

    /** What a process prints, of which the beginning and the end are kept. */
    private static class Output extends Thread {
        private static final int KEPT = 1000;
        private final InputStream in;
        private final StringBuilder head = new StringBuilder();
        private final StringBuilder tail = new StringBuilder();
        private long bytes;

        Output(InputStream in) {
            this.in = in;
            setDaemon(true);
            start();
        }

        @Override
        public void run() {
            byte[] buffer = new byte[8192];
            try {
                for (int n = in.read(buffer); n >= 0; n = in.read(buffer)) keep(buffer, n);
            } catch (IOException closed) {
                // what was read is kept
            }
        }

        private synchronized void keep(byte[] buffer, int n) {
            String text = new String(buffer, 0, n, StandardCharsets.UTF_8);
            int first = Math.min(text.length(), KEPT - head.length());
            bytes += n;
            head.append(text, 0, first);
            tail.append(text, first, text.length());
            tail.delete(0, Math.max(0, tail.length() - KEPT));
        }

        /** Returns it in one line, without waiting for what the command leaves running with the pipe open. */
        String said() throws InterruptedException {
            join(300);
            String cut = bytes > 2 * KEPT ? "\n... (" + bytes + " bytes) ...\n" : "";
            Stream<String> lines =
                    (head + cut + tail).lines().map(String::strip).filter(l -> !l.isEmpty());
            String said = String.join(" / ", lines.toList()).replaceAll("\\.+$", "");
            return said.isEmpty() ? "" : ": " + said;
        }
    }

    // ---- Common to the step scripts: options, output, clients, errors. ./jbang format copies it from lib/cli. ----
    static final int UNREACHABLE = 10;
    static final int NO_CONTROLLER = 11;
    static final int REFUSED = 12;
    static final int ANOMALY = 13;
    static final int INCOMPLETE = 14;
    static final int MISSED = 15;
    static final int ALL_FAILED = 16;

    /** Ends a script with an exit code and one sentence: what was wrong, and what to do. */
    static class Exit extends RuntimeException implements CommandLine.IExitCodeGenerator {
        final int code;

        Exit(int code, String sentence) {
            super(sentence);
            this.code = code;
        }

        @Override
        public int getExitCode() {
            return code;
        }
    }

    /** The options of every script, and its output: the answer, progress, events and errors. */
    @Command(mixinStandardHelpOptions = true)
    static class StandardOptions {
        private static final String LOG_LEVEL = "org.slf4j.simpleLogger.defaultLogLevel";

        @Option(names = "--json", description = "Print one JSON object per line.")
        boolean json;

        @Option(names = "--events", paramLabel = "FILE", description = "Append events to this JSON Lines file.")
        File events;

        @Option(
                names = {"-v", "--verbose"},
                description = "Show stack traces and the client's own log.")
        void verbose(boolean on) {
            if (verbose = on) System.setProperty(LOG_LEVEL, "info");
        }

        @Spec(Spec.Target.MIXEE)
        CommandSpec spec;

        PrintWriter out, err;
        boolean verbose;
        Consumer<Map<String, Object>> listener = event -> {};
        Duration patience = Duration.ofSeconds(10); // of Ctrl-C, before it calls leftover and exits
        Runnable leftover = () -> {};
        private Writer eventsWriter;

        /** Parses the options of a script whose methods another script calls. */
        <T> T configure(T script, PrintWriter out, PrintWriter err, String... args) {
            commandLine(script, out, err).parseArgs(args);
            return script;
        }

        /** Runs a script. Ctrl-C interrupts it, so that it can clean up before the JVM exits with 130. */
        int run(Callable<Integer> script, PrintWriter out, PrintWriter err, String... args) {
            Thread worker = Thread.currentThread();
            CountDownLatch done = new CountDownLatch(1);
            Thread hook = new Thread(() -> {
                worker.interrupt();
                try {
                    if (!done.await(patience.toMillis(), TimeUnit.MILLISECONDS)) leftover.run();
                } catch (InterruptedException e) {
                    leftover.run();
                }
            });
            Runtime.getRuntime().addShutdownHook(hook);
            try {
                return commandLine(script, out, err).execute(args);
            } finally {
                out.flush();
                done.countDown();
                try {
                    if (eventsWriter != null) eventsWriter.close();
                    Runtime.getRuntime().removeShutdownHook(hook);
                } catch (IOException | IllegalStateException e) {
                    // Each event was flushed; after Ctrl-C a hook cannot be removed.
                }
            }
        }

        private CommandLine commandLine(Object script, PrintWriter out, PrintWriter err) {
            System.getProperties().putIfAbsent(LOG_LEVEL, "off");
            this.out = Guard.over(out);
            this.err = Guard.over(err);
            return new CommandLine(script)
                    .setOut(out)
                    .setErr(err)
                    .setCaseInsensitiveEnumValuesAllowed(true)
                    .registerConverter(Duration.class, StandardOptions::duration)
                    .setParameterExceptionHandler((e, args) -> explain(new Exit(2, e.getMessage() + " (see --help)")))
                    .setExecutionExceptionHandler((e, cli, parsed) -> explain(e));
        }

        /** Parses 500ms, 30s, 2m, 1h, or a number of seconds. */
        static Duration duration(String text) {
            var units = Map.of("ms", 1, "", 1_000, "s", 1_000, "m", 60_000, "h", 3_600_000);
            var m = Pattern.compile("(\\d+(?:\\.\\d+)?)(ms|s|m|h|)").matcher(text.trim());
            if (m.matches())
                return Duration.ofMillis(Math.round(Double.parseDouble(m.group(1)) * units.get(m.group(2))));
            throw new TypeConversionException("'" + text + "' is not a duration such as 500ms, 30s or 2m");
        }

        /** Prints progress or a warning to stderr. */
        void say(String format, Object... args) {
            Object[] safe = args.clone();
            Arrays.setAll(safe, i -> args[i] instanceof Number ? args[i] : printable(args[i]));
            err.println(args.length == 0 ? format : String.format(Locale.ROOT, format, safe));
        }

        /** Writes an event to --events, to the listener, and with --json to stdout. */
        synchronized void emit(String type, Object... pairs) {
            Map<String, Object> event = new LinkedHashMap<>(Map.of("ts", timestamp()));
            event.put("source", spec.name());
            event.put("type", type);
            for (int i = 0; i < pairs.length; i += 2) event.put((String) pairs[i], pairs[i + 1]);
            listener.accept(event);
            if (!json && events == null) return;
            try {
                String line = JSON.std.asString(event);
                if (json) out.println(line);
                if (events == null) return;
                if (eventsWriter == null) eventsWriter = new FileWriter(events, StandardCharsets.UTF_8, true);
                eventsWriter.write(line + "\n");
                eventsWriter.flush();
            } catch (IOException e) {
                throw new Exit(1, "Cannot write --events " + events + ": " + e.getMessage() + ".");
            }
        }

        private int explain(Exception problem) throws IOException {
            if (verbose) problem.printStackTrace(err);
            Throwable cause = problem;
            while (cause.getCause() != null
                    && cause.getClass().getName().matches(".*\\.(Execution|Completion|Kafka)Exception"))
                cause = cause.getCause();
            Exit exit = exit(cause, problem);
            err.println(printable(exit.getMessage()));
            return exit.code;
        }

        Exit exit(Throwable e, Exception problem) throws IOException {
            if (e instanceof CommandLine.IExitCodeGenerator exit) return new Exit(exit.getExitCode(), e.getMessage());
            if (e instanceof InterruptedException || e instanceof InterruptException)
                return new Exit(130, "Interrupted.");
            String where = verbose ? "" : " (-v shows where)";
            return new Exit(1, e.getClass().getSimpleName() + ": " + e.getMessage() + where);
        }
    }

    /** The options of a script that connects to a cluster, its clients, and why they cannot connect. */
    static class Common extends StandardOptions {
        private static final Pattern ADDRESS = Pattern.compile("(?:\\w+://)?\\[?(.+?)\\]?:(\\d{1,5})");
        static final String UNKNOWN_HOST = "no such host";
        static final String CLOSED = "nothing listens there";
        static final String MUTE = "what listens there does not answer";
        static final String CONTROLLER =
                "this is a controller's port, where only the quorum can be asked about: name a broker's";
        static final String LOGIN = "the port wants a login (security.protocol=SASL_PLAINTEXT, sasl.mechanism and"
                + " sasl.jaas.config in --command-config)";
        private static final int TLS_ALERT = 0x15;
        private static final byte[] API_VERSIONS = {0, 0, 0, 10, 0, 18, 0, 0, 0, 0, 0, 1, -1, -1};
        private static final byte[] METADATA = {0, 0, 0, 14, 0, 3, 0, 1, 0, 0, 0, 2, -1, -1, 0, 0, 0, 0};

        @Option(
                names = {"-b", "--bootstrap-server"},
                paramLabel = "HOST:PORT,...",
                description = "The cluster (default: $$KAFKA_BOOTSTRAP, else the lab's three nodes).",
                defaultValue = "${KAFKA_BOOTSTRAP:-localhost:29192,localhost:29292,localhost:29392}")
        String bootstrapServer;

        @Option(
                names = "--command-config",
                paramLabel = "FILE",
                description = "Client properties, such as SASL and TLS.")
        Path commandConfig;

        @Option(
                names = "--timeout",
                paramLabel = "DURATION",
                defaultValue = "30s",
                description = "Give up after this long: 500ms, 30s, 2m (default: 30s).")
        Duration timeout;

        boolean controllersAnswer;
        private Properties given = new Properties();

        /** Returns client properties: --command-config, then --bootstrap-server, then the pairs. */
        Properties client(Object... pairs) throws IOException {
            Properties properties = new Properties(); // not the field: clients are created by several threads
            try {
                if (commandConfig != null) properties = Utils.loadProps(commandConfig.toString());
            } catch (IOException | IllegalArgumentException e) {
                throw new Exit(2, "Cannot read --command-config " + commandConfig + ": " + reason(e) + ".");
            }
            if (!spec.commandLine().getParseResult().hasMatchedOption("-b"))
                bootstrapServer = properties.getProperty("bootstrap.servers", bootstrapServer);
            properties.put("bootstrap.servers", bootstrapServer);
            for (int i = 0; i < pairs.length; i += 2) properties.put("" + pairs[i], "" + pairs[i + 1]);
            given = properties;
            return properties;
        }

        /** Returns an Admin of the addresses that answer: it would stay with a paused broker. */
        Admin admin(Object... pairs) throws IOException {
            Properties properties = client(pairs);
            properties.putIfAbsent("default.api.timeout.ms", "" + timeout.toMillis());
            properties.putIfAbsent("request.timeout.ms", "" + Math.min(timeout.toMillis(), 30_000));
            properties.put("bootstrap.servers", usable());
            return Admin.create(properties);
        }

        /** Ends with 10 and the reason if a client can use none of the bootstrap addresses. */
        void requireReachable() throws IOException {
            Map<String, String> addresses = addresses(Common::connects);
            if (!addresses.containsKey("")) throw cannotTalk(addresses);
        }

        /** Returns the addresses that a client can use, else those that may answer later, or ends with 10. */
        String usable() throws IOException {
            Map<String, String> addresses = addresses();
            String usable = addresses.getOrDefault("", addresses.get(MUTE));
            if (usable == null) throw cannotTalk(addresses);
            return usable;
        }

        private Exit cannotTalk(Map<String, String> addresses) {
            if (List.of(CLOSED, UNKNOWN_HOST).containsAll(addresses.keySet()))
                return unreachable(addresses.keySet().iterator().next());
            addresses.remove(CLOSED);
            StringJoiner reasons = new StringJoiner("; ", "Cannot talk to ", ".");
            addresses.forEach((reason, at) -> reasons.add(at + ": " + reason));
            return new Exit(UNREACHABLE, reasons.toString());
        }

        Exit unreachable(String why) {
            String advice = "; start one (cluster up) or name yours with --bootstrap-server.";
            return new Exit(UNREACHABLE, "No cluster at " + bootstrapServer + ": " + why + advice);
        }

        /** Returns the bootstrap addresses by the reason why a client cannot use them: "" for those that it can. */
        Map<String, String> addresses() throws IOException {
            return addresses(node -> !new InetSocketAddress(node.host(), node.port()).isUnresolved());
        }

        private Map<String, String> addresses(Predicate<Node> isUsable) throws IOException {
            if (given.isEmpty()) client(); // --command-config may name the cluster
            int timeoutMs = (int) Math.max(1, Math.min(timeout.toMillis() / 4, 1500));
            return bootstrapNodes().parallelStream()
                    .collect(groupingBy(
                            at -> obstacle(at, timeoutMs, isUsable),
                            LinkedHashMap::new,
                            mapping(Common::address, joining(", "))));
        }

        /** Returns the bootstrap addresses as nodes with ids -1, -2, ... */
        List<Node> bootstrapNodes() {
            List<Node> nodes = new ArrayList<>();
            for (String address : bootstrapServer.split(",")) {
                var m = ADDRESS.matcher(address.trim());
                if (!m.matches() || Integer.parseInt(m.group(2)) > 65_535)
                    throw new Exit(2, "'" + address + "' in --bootstrap-server is not HOST:PORT.");
                nodes.add(new Node(-1 - nodes.size(), m.group(1), Integer.parseInt(m.group(2))));
            }
            return nodes;
        }

        static String address(Node node) {
            return Utils.formatAddress(node.host(), node.port());
        }

        /** Asks an address for its API versions and brokers. By hand: no client API says why it got no answer. */
        private String obstacle(Node at, int timeoutMs, Predicate<Node> isUsable) {
            String protocol = given.getProperty("security.protocol", "").trim().toUpperCase(Locale.ROOT);
            boolean tls = protocol.endsWith("SSL");
            boolean login = protocol.startsWith("SASL");
            InetSocketAddress address = new InetSocketAddress(at.host(), at.port());
            String obstacle = address.isUnresolved() ? UNKNOWN_HOST : CLOSED;
            try (Socket socket = new Socket()) {
                socket.connect(address, timeoutMs);
                socket.setSoTimeout(timeoutMs);
                obstacle = tls ? "" : MUTE;
                DataInputStream in = new DataInputStream(socket.getInputStream());
                socket.getOutputStream().write(API_VERSIONS);
                int size = in.readInt();
                obstacle = "what listens there is not Kafka";
                if (size >>> 24 == TLS_ALERT)
                    return tls ? "" : "the port wants TLS (security.protocol=SSL or SASL_SSL in --command-config)";
                var versions = (ApiVersionsResponse) answer(in, size, ApiKeys.API_VERSIONS, 0);
                if (tls) return "the port speaks no TLS, which security.protocol=" + protocol + " asks for";
                if (versions.apiVersion(ApiKeys.METADATA.id) == null) return controllersAnswer ? "" : CONTROLLER;
                obstacle = login ? "" : LOGIN;
                socket.getOutputStream().write(METADATA);
                var brokers = ((MetadataResponse) answer(in, in.readInt(), ApiKeys.METADATA, 1)).brokers();
                if (login) return "the port takes no login, which security.protocol=" + protocol + " asks for";
                if (brokers.isEmpty() || brokers.parallelStream().anyMatch(isUsable)) return "";
                Node broker = brokers.iterator().next();
                boolean isUnknown = new InetSocketAddress(broker.host(), broker.port()).isUnresolved();
                return "the broker there advertises " + address(broker) + ", which "
                        + (isUnknown ? "does not resolve here" : "cannot be reached from here")
                        + " (advertised.listeners)";
            } catch (SocketTimeoutException e) {
                return obstacle.equals(LOGIN) ? "" : obstacle; // a broker refuses a login late on purpose
            } catch (IOException | RuntimeException e) {
                return obstacle;
            }
        }

        private static AbstractResponse answer(InputStream in, int size, ApiKeys api, int version) throws IOException {
            ByteBuffer bytes = ByteBuffer.wrap(in.readNBytes(Math.min(size, 1 << 20)));
            return AbstractResponse.parseResponse(api, new ByteBufferAccessor(bytes.position(4)), (short) version);
        }

        private static boolean connects(Node node) {
            return connects(node.host(), node.port(), 1000);
        }

        static boolean connects(String host, int port, int timeoutMs) {
            try (Socket socket = new Socket()) {
                socket.connect(new InetSocketAddress(host, port), timeoutMs);
                return true;
            } catch (IOException | IllegalArgumentException e) {
                return false;
            }
        }

        /** Whether the process behind a port is alive: a stopped one still accepts connections. */
        static boolean answers(String host, int port, int timeoutMs) {
            try (Socket socket = new Socket()) {
                socket.connect(new InetSocketAddress(host, port), timeoutMs);
                socket.setSoTimeout(timeoutMs);
                socket.getOutputStream().write(API_VERSIONS);
                return socket.getInputStream().read() >= 0; // a TLS alert counts; a proxy without a node hangs up
            } catch (IOException | IllegalArgumentException e) {
                return false;
            }
        }

        @Override
        Exit exit(Throwable e, Exception problem) throws IOException {
            if (e instanceof AuthenticationException)
                return new Exit(
                        UNREACHABLE, "Cannot talk to " + bootstrapServer + ": login refused, " + deepest(e) + ".");
            if (e instanceof AuthorizationException)
                return new Exit(1, "Not permitted: " + deepest(e) + "; the principal needs an ACL for it.");
            if (e instanceof org.apache.kafka.common.errors.TimeoutException) return noAnswer();
            if (reasons(problem).contains("No resolvable bootstrap urls")) return unreachable(UNKNOWN_HOST);
            if (e instanceof ConfigException || reasons(problem).matches("(?s).*Failed to c(reate|onstruct) .*"))
                return refused(problem);
            return super.exit(e, problem);
        }

        private Exit noAnswer() throws IOException {
            Map<String, String> addresses = addresses(Common::connects);
            if (!addresses.containsKey("")) return cannotTalk(addresses);
            String limit = " within " + timeout.toMillis() + " ms; find-controller says who is missing.";
            return new Exit(UNREACHABLE, "No answer from the cluster at " + bootstrapServer + limit);
        }

        private Exit refused(Throwable problem) {
            String reasons = reasons(problem).replaceAll("JAAS|LoginModule", "$0 sasl.jaas.config");
            String names = given(reasons::contains);
            if (names.isEmpty()) names = given(key -> isMentioned(given.getProperty(key), reasons));
            return new Exit(2, "Client property " + names + " refused: " + deepest(problem) + ".");
        }

        private String given(Predicate<String> isMeant) {
            return given.stringPropertyNames().stream().filter(isMeant).sorted().collect(joining(", "));
        }

        /** Values such as 5 or true are part of many sentences. */
        private static boolean isMentioned(String value, String reasons) {
            return value.length() > 4 && reasons.contains(value);
        }

        private static String reasons(Throwable e) {
            return e == null ? "" : e.getMessage() + "\n" + reasons(e.getCause());
        }

        static String deepest(Throwable e) {
            return e.getCause() == null ? reason(e).replaceAll("\\.$", "") : deepest(e.getCause());
        }

        /** Returns an exception's message, which of files and classes is only a name. */
        private static String reason(Throwable e) {
            boolean isName = e instanceof IOException || e instanceof ClassNotFoundException || e.getMessage() == null;
            String problem = e.getClass().getSimpleName().replaceAll("(?<=[a-z])(?=[A-Z])|Exception$", " ");
            return (isName ? problem.toLowerCase(Locale.ROOT).strip() + ": " : "") + e.getMessage();
        }
    }

    /** A writer that escapes what could control a terminal; get() returns the writer below. */
    static final class Guard extends PrintWriter implements Supplier<PrintWriter> {
        private Guard(PrintWriter raw) {
            super(raw, true);
        }

        static PrintWriter over(PrintWriter out) {
            return out instanceof Supplier ? out : new Guard(out);
        }

        @Override
        public PrintWriter get() {
            return (PrintWriter) out;
        }

        @Override
        public void write(int c) {
            write(String.valueOf((char) c));
        }

        @Override
        public void write(char[] chars, int from, int length) {
            write(new String(chars, from, length));
        }

        @Override
        public void write(String text, int from, int length) {
            String safe = harmless(text.substring(from, from + length));
            super.write(safe, 0, safe.length());
        }

        static String harmless(String text) {
            return escape(text, "(?!\\r?\\n|\\t)[\\p{Cc}\\p{Cf}]");
        }
    }

    /** Returns a text from a cluster, record or file with everything escaped that could forge a line or a colour. */
    static String printable(Object value) {
        return escape(String.valueOf(value), "[\\p{Cc}\\p{Cf}\\p{Zl}\\p{Zp}]");
    }

    private static String escape(String text, String regex) {
        var matcher = Pattern.compile(regex).matcher(text);
        return matcher.replaceAll(
                m -> String.format(Locale.ROOT, "\\\\u%04x", m.group().codePointAt(0)));
    }

    static String timestamp() {
        return LocalDateTime.now(ZoneOffset.UTC).format(DateTimeFormatter.ofPattern("yyyy-MM-dd'T'HH:mm:ss.SSSSSS'Z'"));
    }
    // ---- End of what is common. ----
}
