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

import static java.util.stream.Collectors.*;

import com.fasterxml.jackson.jr.ob.JSON;
import com.github.dockerjava.api.DockerClient;
import com.github.dockerjava.api.async.ResultCallback;
import com.github.dockerjava.api.command.InspectContainerResponse;
import com.github.dockerjava.api.exception.*;
import com.github.dockerjava.api.model.Container;
import com.github.dockerjava.api.model.ContainerNetwork;
import com.github.dockerjava.api.model.Event;
import com.github.dockerjava.core.*;
import com.github.dockerjava.zerodep.ZerodepDockerHttpClient;
import java.io.*;
import java.net.*;
import java.nio.ByteBuffer;
import java.nio.channels.*;
import java.nio.charset.StandardCharsets;
import java.nio.file.*;
import java.nio.file.attribute.PosixFilePermissions;
import java.security.*;
import java.time.*;
import java.time.format.DateTimeFormatter;
import java.util.*;
import java.util.concurrent.*;
import java.util.concurrent.locks.ReentrantLock;
import java.util.function.*;
import java.util.function.Consumer;
import java.util.regex.Pattern;
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
 * <p>It first works out what the fault means (voters left, partitions under min ISR or offline), says it, and refuses with exit
 * 12 to lose the quorum or a partition unless {@code --force} is given. An embedded node is signalled only if its process is the one of its
 * {@code node.json}, by pid, boot and start; that file is obeyed only if nobody else can have written it. A container is touched only if it has the labels of compose/compose.yaml; the nodes of other clusters are
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
        description =
                "Breaks nodes of the lab, after saying what it means; start-node (the same as kill-node --restore)"
                        + " undoes it.",
        footer = {
            "",
            "kill-node controller --for 30s   kill the active controller for half a minute",
            "kill-node 2 --mode pause         freeze node 2",
            "start-node all                   undo whatever was done"
        })
class KillNode implements Callable<Integer> {
    enum Mode {
        KILL,
        STOP,
        PAUSE,
        DISCONNECT;

        @Override
        public String toString() {
            return name().toLowerCase(Locale.ROOT);
        }
    }

    enum Where {
        AUTO,
        EMBEDDED,
        DOCKER,
        EXTERNAL;

        @Override
        public String toString() {
            return name().toLowerCase(Locale.ROOT);
        }
    }

    /** Of clients that ask while nodes are paused: a request to one is given up soon, and that node is then let alone for a while, so that another is asked. */
    private static final Object[] IMPATIENT = {
        "request.timeout.ms", 1000, "reconnect.backoff.ms", 3000, "reconnect.backoff.max.ms", 3000
    };

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

    @Option(names = "--restore", description = "Undo whatever was done to the nodes, and wait until they are back.")
    boolean restore;

    @Option(names = "--no-wait", description = "With --restore: do not wait.")
    boolean noWait;

    @Option(names = "--dry-run", description = "Only say what it would mean.")
    boolean dryRun;

    @Option(names = "--force", description = "Even if the quorum or a partition is lost by it.")
    boolean force;

    @Mixin
    Common common = new Common();

    @Mixin
    Runtimes runtimes = new Runtimes(common);

    /**
     * A node as its runtime knows it. @param port client port, of a dedicated controller its own; -1 when unknown  @param roles as Kafka's
     * process.roles has them, empty when unknown  @param state running, paused, disconnected, stopping or down; unknown with hooks
     */
    public record Target(int id, String name, String host, int port, String roles, String state) {
        boolean isBroker() {
            return !roles.equals("controller");
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
            for (Done d : restoreNodes(runtime))
                if (!common.json) common.out.printf(Locale.ROOT, "%s restored%n", d.node.name());
            return 0;
        }
        if (lasting != null && runtime.name().equals("hooks") && runtimes.startCommand == null)
            throw new Exit(2, "How to undo it after --for? Give --start-command.");
        if (lasting != null && !dryRun) return breakForAWhile(runtime);
        breakAndReport(runtime);
        return 0;
    }

    private void breakAndReport(NodeRuntime runtime) throws Exception {
        for (Done d : breakNodes(runtime)) {
            if (!common.json) common.out.printf(Locale.ROOT, "%s %s%n", printable(d.node.name()), past(d.mode));
        }
    }

    /** Whatever ends the wait, what was broken is undone, or named with the command that does it. */
    private int breakForAWhile(NodeRuntime runtime) throws Exception {
        common.patience = undoPatience(common.timeout);
        common.leftover = () -> nameLeft(left());
        try (SecondInterrupt second = new SecondInterrupt(common.leftover)) {
            try {
                breakAndReport(runtime);
                common.say("Undoing it in %.1f s (Ctrl-C: now).", lasting.toMillis() / 1e3);
                Thread.sleep(lasting.toMillis());
            } finally {
                undoAll(runtime);
            }
        }
        List<Target> left = left();
        if (!left.isEmpty()) throw new Exit(1, left.size() + " of " + broken.size() + " nodes could not be restored.");
        if (!noWait) awaitBack(broken);
        return 0;
    }

    /** Returns for how long Ctrl-C waits for faults to be undone: a command may take its --timeout, a container its grace and more. */
    static Duration undoPatience(Duration timeout) {
        return timeout.multipliedBy(2).plusSeconds(90);
    }

    private List<Target> left() {
        return broken.stream().filter(n -> !restored.contains(n.id())).toList();
    }

    private void nameLeft(List<Target> left) {
        if (left.isEmpty()) return;
        String names =
                String.join(", ", left.stream().map(n -> printable(n.name())).toList());
        common.say(
                "%s",
                "Not restored: " + names + "; this does it: "
                        + undoCommand(left.stream().map(Target::id).toList()));
    }

    /** Returns what one types to undo it: start-node, with the options by which this script reaches the nodes. */
    String undoCommand(Collection<Integer> nodes) {
        StringBuilder command = new StringBuilder("start-node");
        nodes.forEach(id -> command.append(' ').append(id));
        for (CommandLine.Model.OptionSpec option :
                common.spec.commandLine().getParseResult().matchedOptions()) {
            if (!REACHING.contains(option.longestName())) continue;
            command.append(' ').append(option.longestName()).append(' ').append(quoted(String.valueOf((Object)
                    option.getValue())));
        }
        return command.toString();
    }

    private static final Set<String> REACHING =
            Set.of("--bootstrap-server", "--command-config", "--runtime", "--data-dir", "--start-command");

    private static String quoted(String text) {
        if (text.matches("[A-Za-z0-9_./:,@=+-]+")) return text;
        return "'" + printable(text).replace("'", "'\\''") + "'";
    }

    /** Also when interrupted, or when a fault was applied by half: what was broken for a while must not stay broken. */
    private void undoAll(NodeRuntime runtime) {
        boolean interrupted = Thread.interrupted();
        ExecutorService pool = Executors.newCachedThreadPool();
        Map<Target, Future<Instant>> undoing = startUndoing(pool, runtime, broken);
        for (Target node : broken) {
            boolean known = false;
            while (!known) {
                try {
                    undoing.get(node).get();
                    common.say("%s restored", printable(node.name()));
                    known = true;
                } catch (InterruptedException again) {
                    interrupted = true;
                } catch (ExecutionException e) {
                    common.say(
                            "%s could not be restored: %s This does it: %s",
                            printable(node.name()), e.getCause().getMessage(), undoCommand(List.of(node.id())));
                    known = true;
                }
            }
        }
        pool.shutdown();
        if (interrupted) Thread.currentThread().interrupt();
    }

    /** Side by side: a slow one keeps no other waiting. */
    private Map<Target, Future<Instant>> startUndoing(ExecutorService pool, NodeRuntime runtime, List<Target> nodes) {
        Map<Target, Future<Instant>> undoing = new LinkedHashMap<>();
        for (Target node : nodes) undoing.put(node, pool.submit(() -> undo(runtime, node)));
        return undoing;
    }

    /**
     * While the JVM ends by Ctrl-C, and faults are being undone: another Ctrl-C says what is left, and ends it at once. By reflection, since the
     * compiler warns of sun.misc.Signal wherever it is named; where there is none, a second Ctrl-C does nothing.
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
                signal.getMethod("handle", signal, handler)
                        .invoke(null, signal.getConstructor(String.class).newInstance("INT"), halting);
            } catch (ReflectiveOperationException | IllegalArgumentException none) {
                /* the first Ctrl-C is waited for all the same */
            }
        }

        @Override
        public void close() {
            try {
                Runtime.getRuntime().removeShutdownHook(hook);
            } catch (IllegalStateException shuttingDown) {
                /* after Ctrl-C */
            }
        }
    }

    /** What runs the nodes, by the options or by looking. */
    public NodeRuntime runtime() throws Exception {
        return runtimes.choose();
    }

    /** The containers of the lab, running or not, for composite scripts. @throws Exit 10 when no engine answers */
    static List<Target> containers() throws InterruptedException {
        return new Runtimes(new Common()).new Docker().nodes();
    }

    static String past(Mode mode) {
        return switch (mode) {
            case KILL -> "killed";
            case STOP -> "stopped";
            case PAUSE -> "paused";
            case DISCONNECT -> "disconnected";
        };
    }

    /** Applies the fault to every target. @throws Exit 12 when it would lose the quorum or a partition and --force is not given */
    public List<Done> breakNodes(NodeRuntime runtime) throws Exception {
        List<Target> nodes = resolve(runtime);
        for (Target node : nodes)
            if (List.of("down", past(mode)).contains(node.state()))
                throw new Exit(
                        1,
                        printable(node.name()) + " is " + node.state() + " already; start-node " + node.id()
                                + " brings it back.");
        for (Target node : nodes) runtime.requireUsable(node);
        Impact impact = impact(nodes.stream().map(Target::id).toList(), runtime);
        common.say(
                "%s %s: %s",
                mode.toString(),
                String.join(", ", nodes.stream().map(n -> printable(n.name())).toList()),
                impact.sentence());
        if (dryRun) return List.of();
        runtime.require(mode);
        if (impact.harmful() && !force)
            throw new Exit(REFUSED, "Refused: " + impact.reason() + "; --force does it all the same.");
        List<Done> done = new ArrayList<>();
        for (Target node : nodes) {
            broken.add(node);
            Instant at = runtime.fault(node, mode);
            done.add(new Done(node, mode, at));
            common.emit(
                    "fault",
                    "node",
                    node.id(),
                    "name",
                    node.name(),
                    "mode",
                    mode.toString(),
                    "runtime",
                    runtime.name(),
                    "at",
                    at.toString());
        }
        return done;
    }

    /** Undoes what was done to every target, and waits until each is registered and unfenced again. */
    public List<Done> restoreNodes(NodeRuntime runtime) throws Exception {
        List<Target> nodes = resolve(runtime);
        for (Target node : nodes) runtime.requireUsable(node);
        for (Target node : nodes)
            if (node.state().equals("running")) common.say("%s runs already.", printable(node.name()));
        List<Done> done = dryRun
                ? List.of()
                : undoEach(
                        runtime,
                        nodes.stream().filter(n -> !n.state().equals("running")).toList());
        if (!noWait && !dryRun) awaitBack(nodes);
        return done;
    }

    /** Each is tried, whatever becomes of the others. */
    private List<Done> undoEach(NodeRuntime runtime, List<Target> nodes) throws Exception {
        List<Done> done = new ArrayList<>();
        List<String> failures = new ArrayList<>();
        ExecutorService pool = Executors.newCachedThreadPool();
        try {
            for (Map.Entry<Target, Future<Instant>> e :
                    startUndoing(pool, runtime, nodes).entrySet()) {
                try {
                    done.add(new Done(e.getKey(), mode, e.getValue().get()));
                } catch (ExecutionException failed) {
                    if (nodes.size() == 1 && failed.getCause() instanceof Exception cause) throw cause;
                    failures.add(printable(e.getKey().name()) + ": "
                            + failed.getCause().getMessage());
                }
            }
        } finally {
            pool.shutdownNow();
        }
        if (!failures.isEmpty())
            throw new Exit(
                    1,
                    failures.size() + " of " + nodes.size() + " nodes could not be restored. "
                            + String.join(" ", failures));
        return done;
    }

    private Instant undo(NodeRuntime runtime, Target node) throws Exception {
        Instant at = runtime.restore(node);
        restored.add(node.id());
        common.emit("restored", "node", node.id(), "name", node.name(), "runtime", runtime.name(), "at", at.toString());
        return at;
    }

    private void awaitBack(List<Target> nodes) throws Exception {
        long deadline = System.nanoTime() + common.timeout.toNanos();
        Set<Integer> wanted = new TreeSet<>(nodes.stream().map(Target::id).toList()), back = new HashSet<>();
        List<Target> brokers = nodes.stream().filter(Target::isBroker).toList();
        Followers followers = new Followers();
        // Without an active controller a node cannot register: its port stays closed, and this times out, rightly.
        try (Admin admin = Admin.create(common.client(IMPATIENT))) {
            for (; System.nanoTime() < deadline; Thread.sleep(100)) {
                back.clear();
                back.addAll(registered(admin));
                if (brokers.size() < nodes.size()) back.addAll(followers.look(quorum(admin, common)));
                if (back.containsAll(wanted)
                        && brokers.stream().allMatch(n -> n.port() < 0 || Common.answers(n.host(), n.port(), 1000)))
                    return;
            }
        }
        wanted.removeAll(back);
        throw new Exit(
                MISSED,
                "Started, but not back within " + common.timeout.toSeconds() + " s: "
                        + (wanted.isEmpty() ? "does not answer on its port" : "node " + wanted + " is not registered")
                        + "; without a quorum none can be (find-controller tells), --no-wait does not wait.");
    }

    /** Who follows the metadata log, by two looks of which the second finds a later fetch: dedicated controllers register nowhere. */
    private static class Followers {
        private final Map<Integer, Long> first = new HashMap<>();
        private final Set<Integer> following = new HashSet<>();

        Set<Integer> look(Optional<QuorumInfo> found) {
            if (found.isEmpty()) return Set.of();
            QuorumInfo quorum = found.get();
            following.add(quorum.leaderId());
            for (QuorumInfo.ReplicaState r : Stream.concat(quorum.voters().stream(), quorum.observers().stream())
                    .toList()) {
                long fetched = r.lastFetchTimestamp().orElse(-1);
                if (fetched > first.merge(r.replicaId(), fetched, Math::min)) following.add(r.replicaId());
            }
            return following;
        }
    }

    private static Set<Integer> registered(Admin admin) throws InterruptedException {
        try {
            Set<Integer> ids = new HashSet<>();
            for (Node n : admin.describeCluster(new DescribeClusterOptions().timeoutMs(1500))
                    .nodes()
                    .get()) ids.add(n.id());
            return ids;
        } catch (ExecutionException e) {
            return Set.of();
        }
    }

    // ---- Which nodes ----

    private List<Target> resolve(NodeRuntime runtime) throws Exception {
        List<String> words = new ArrayList<>();
        for (String word : targets) {
            if (word.equals("-"))
                words.addAll(new BufferedReader(new InputStreamReader(System.in))
                        .lines()
                        .flatMap(l -> Stream.of(l.trim().split("\\s+")))
                        .filter(w -> !w.isEmpty())
                        .toList());
            else words.add(word);
        }
        if (words.isEmpty())
            throw new Exit(
                    2,
                    "Which node? Name it by id, name, controller, leader:TOPIC-PARTITION, random or all (see --help).");
        List<Target> known = runtime.nodes();
        Map<Integer, Target> chosen = new LinkedHashMap<>();
        for (String word : words) {
            List<Target> found = switch (word) {
                case "all" -> known;
                case "random" -> random(known, chosen.keySet());
                case "controller" -> List.of(byId(known, controller(), word));
                default ->
                    List.of(
                            word.startsWith("leader:")
                                    ? byId(known, leader(word.substring(7)), word)
                                    : byName(known, word, runtime));
            };
            found.forEach(t -> chosen.put(t.id(), t));
        }
        return List.copyOf(chosen.values());
    }

    private static List<Target> random(List<Target> known, Set<Integer> taken) {
        List<Target> free = new ArrayList<>(known.stream()
                .filter(t -> !taken.contains(t.id())
                        && (t.state().equals("unknown")
                                ? !isGone(t)
                                : !t.state().equals("down")))
                .toList());
        if (free.isEmpty()) throw new Exit(1, "No running node is left to choose from.");
        return List.of(free.get(ThreadLocalRandom.current().nextInt(free.size())));
    }

    private Target byName(List<Target> known, String word, NodeRuntime runtime) throws Exception {
        Optional<Target> found = known.stream()
                .filter(t -> word.equals("" + t.id()) || word.equals(t.name()))
                .findFirst();
        if (found.isEmpty() && restore && word.matches("\\d{1,9}")) found = runtime.unlisted(Integer.parseInt(word));
        return found.orElseThrow(() -> new Exit(
                2,
                "There is no node '" + printable(word) + "'; there are "
                        + String.join(
                                ", ",
                                known.stream()
                                        .map(t -> t.id() + " (" + printable(t.name()) + ")")
                                        .toList()) + "."));
    }

    private static Target byId(List<Target> known, int id, String word) {
        return known.stream()
                .filter(t -> t.id() == id)
                .findFirst()
                .orElseThrow(() -> new Exit(
                        1, "The node of '" + printable(word) + "' is " + id + ", which this runtime does not run."));
    }

    private int controller() throws Exception {
        try (Admin admin = common.admin(IMPATIENT)) {
            long deadline = System.nanoTime() + common.timeout.toNanos();
            do {
                Optional<QuorumInfo> quorum = quorum(admin, common);
                if (quorum.isPresent()) return quorum.get().leaderId();
                Thread.sleep(100);
            } while (System.nanoTime() < deadline);
            throw new Exit(
                    NO_CONTROLLER, "There is no active controller to break: find-controller says who is missing.");
        }
    }

    /** Returns the quorum, if it has a leader. @throws ExecutionException what says nothing of the quorum, such as a missing permission */
    private static Optional<QuorumInfo> quorum(Admin admin, Common common) throws Exception {
        int patience = (int) Math.min(4000, common.timeout.toMillis());
        try {
            return Optional.of(admin.describeMetadataQuorum(new DescribeMetadataQuorumOptions().timeoutMs(patience))
                            .quorumInfo()
                            .get())
                    .filter(q -> q.leaderId() >= 0);
        } catch (ExecutionException e) {
            if (e.getCause() instanceof org.apache.kafka.common.errors.TimeoutException) return Optional.empty();
            throw e;
        }
    }

    private int leader(String partition) throws Exception {
        int dash = partition.lastIndexOf('-');
        if (dash < 1 || !partition.substring(dash + 1).matches("\\d+"))
            throw new Exit(
                    2,
                    "'leader:" + printable(partition)
                            + "' is not leader:TOPIC-PARTITION, such as leader:test_topic-0.");
        String topic = partition.substring(0, dash);
        int number = Integer.parseInt(partition.substring(dash + 1));
        try (Admin admin = common.admin(IMPATIENT)) {
            TopicPartitionInfo info =
                    admin.describeTopics(List.of(topic)).allTopicNames().get().get(topic).partitions().stream()
                            .filter(p -> p.partition() == number)
                            .findFirst()
                            .orElseThrow(() -> new Exit(2, printable(topic) + " has no partition " + number + "."));
            if (info.leader() == null || info.leader().isEmpty())
                throw new Exit(1, printable(partition) + " has no leader.");
            return info.leader().id();
        } catch (ExecutionException e) {
            if (e.getCause() instanceof UnknownTopicOrPartitionException)
                throw new Exit(2, "There is no topic " + printable(topic) + ".");
            throw e;
        }
    }

    // ---- What it means ----

    /** The voters before and after a fault. @param voters empty when unknown  @param left those alive after it  @param controller the active one, or NONE, or UNKNOWN */
    record Voters(Set<Integer> voters, Set<Integer> left, int controller) {
        static final int NONE = -1, UNKNOWN = -2;

        boolean holds() {
            return left.size() * 2 > voters.size();
        }
        /** Whether another leader is elected after the fault, as far as is known. */
        boolean elects() {
            return controller == UNKNOWN || controller >= 0 && holds();
        }

        String counts() {
            return voters.isEmpty() ? "the voters are unknown" : left.size() + " of " + voters.size() + " voters left";
        }

        String sentence(List<Integer> nodes) {
            String counts = counts();
            if (controller == UNKNOWN) return "what it means for the quorum is unknown";
            if (controller == NONE) return "there is no active controller, " + counts;
            return (nodes.contains(controller) ? "the active controller is among them; " : "") + counts + ", "
                    + (holds() ? "the quorum holds" : "the quorum is lost");
        }
    }

    /** What a fault does to partitions. @param total -1 when that is unknown */
    record Partitions(int total, int underMinIsr, int offline) {
        static final Partitions UNKNOWN = new Partitions(-1, 0, 0);

        String sentence() {
            if (total < 0) return "what it means for the partitions is unknown";
            return "of " + total + " partitions " + underMinIsr + " fall under min ISR, " + offline + " go offline";
        }
    }

    record Impact(Voters voters, Partitions partitions, List<Integer> nodes) {
        boolean harmful() {
            return voters.controller < 0 || !voters.holds() || partitions.total < 0 || partitions.offline > 0;
        }

        String sentence() {
            boolean frozen = voters.controller == Voters.NONE && partitions.total >= 0;
            return voters.sentence(nodes) + "; " + (frozen ? "by the metadata from before that, " : "")
                    + partitions.sentence() + ".";
        }

        String reason() {
            List<String> reasons = new ArrayList<>();
            if (voters.controller == Voters.UNKNOWN) reasons.add("nobody can say what would become of the quorum");
            else if (voters.controller == Voters.NONE)
                reasons.add("there is no active controller that could elect other leaders (" + voters.counts() + ")");
            else if (!voters.holds()) reasons.add("the quorum would be lost (" + voters.counts() + ")");
            if (partitions.total < 0) reasons.add("nobody can say what would become of the partitions");
            if (partitions.offline > 0)
                reasons.add(partitions.offline + " of " + partitions.total + " partitions would go offline");
            return String.join(", and ", reasons);
        }
    }

    /** Nodes that are not there, whatever the metadata still says: it takes seconds to learn of a death. */
    private static Set<Integer> gone(NodeRuntime runtime) throws Exception {
        Set<Integer> gone = new HashSet<>();
        for (Target t : runtime.nodes())
            if (t.state().equals("unknown") ? isGone(t) : !t.state().equals("running")) gone.add(t.id());
        return gone;
    }

    /** Clients reach a broker's port, or nobody does; a dedicated controller's may be closed to this machine, and then its silence proves nothing. */
    static boolean isGone(Target node) {
        if (node.isBroker()) return !Common.answers(node.host(), node.port(), 1000);
        try (Socket socket = new Socket()) {
            socket.connect(new InetSocketAddress(node.host(), node.port()), 1000);
        } catch (ConnectException refused) {
            return true;
        } catch (IOException | IllegalArgumentException unknown) {
            return false;
        }
        return !Common.answers(node.host(), node.port(), 1000);
    }

    private Impact impact(List<Integer> nodes, NodeRuntime runtime) throws Exception {
        Set<Integer> gone = gone(runtime);
        try (Admin admin = common.admin(IMPATIENT)) {
            // First, since after a question for a lost quorum the client leaves that broker alone for a while.
            Optional<Topics> topics = topics(admin);
            Voters voters = voters(nodes, gone, runtime, admin);
            return new Impact(
                    voters, topics.map(t -> partitions(t, nodes, gone, voters)).orElse(Partitions.UNKNOWN), nodes);
        }
    }

    /** All that may be seen, and their min.insync.replicas by name. */
    record Topics(Collection<TopicDescription> topics, Map<String, Integer> minIsr) {}

    private Optional<Topics> topics(Admin admin) throws Exception {
        try {
            Set<String> names = admin.listTopics(new ListTopicsOptions().listInternal(true))
                    .names()
                    .get();
            return Optional.of(
                    new Topics(admin.describeTopics(names).allTopicNames().get().values(), minIsr(admin, names)));
        } catch (ExecutionException e) {
            common.say(
                    "The partitions cannot be asked for: %s",
                    printable(e.getCause().getMessage()));
            return Optional.empty();
        }
    }

    private Voters voters(List<Integer> nodes, Set<Integer> gone, NodeRuntime runtime, Admin admin) throws Exception {
        Optional<QuorumInfo> found;
        try {
            found = quorum(admin, common);
        } catch (ExecutionException e) {
            if (!(e.getCause() instanceof AuthorizationException)) throw e;
            common.say("The quorum may not be asked for: the permission DESCRIBE on the cluster is missing.");
            return new Voters(Set.of(), Set.of(), Voters.UNKNOWN);
        }
        return found.isPresent() ? voters(found.get(), nodes, gone) : configuredVoters(runtime.voters(), nodes, gone);
    }

    /** Of the quorum itself: alive is who fetched lately, by the leader's clock; the leader counts by being it. */
    static Voters voters(QuorumInfo quorum, List<Integer> nodes, Set<Integer> gone) {
        long now = quorum.voters().stream()
                .filter(v -> v.replicaId() == quorum.leaderId())
                .mapToLong(v -> v.lastFetchTimestamp().orElse(-1))
                .findFirst()
                .orElse(-1);
        Set<Integer> voters = new TreeSet<>(), left = new TreeSet<>();
        for (QuorumInfo.ReplicaState v : quorum.voters()) {
            voters.add(v.replicaId());
            boolean alive = v.replicaId() == quorum.leaderId()
                    || now - v.lastFetchTimestamp().orElse(-1) <= 3000;
            if (alive && !nodes.contains(v.replicaId()) && !gone.contains(v.replicaId())) left.add(v.replicaId());
        }
        return new Voters(voters, left, quorum.leaderId());
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
        int under = 0, offline = 0, total = 0;
        for (TopicDescription topic : topics.topics) {
            for (TopicPartitionInfo p : topic.partitions()) {
                total++;
                if (!isOnline(p, gone, voters)) continue;
                int wanted = topics.minIsr.get(topic.name());
                if (goesOffline(p, nodes, gone, voters)) offline++;
                else if (remaining(p, List.of(), gone) >= wanted && remaining(p, nodes, gone) < wanted) under++;
            }
        }
        return new Partitions(total, under, offline);
    }

    /** Without a controller a leader that is gone has no successor, and the partition is offline already, whatever the metadata says. */
    private static boolean isOnline(TopicPartitionInfo p, Set<Integer> gone, Voters voters) {
        boolean led = p.leader() != null && !p.leader().isEmpty();
        return led
                && (voters.controller != Voters.NONE
                        || !gone.contains(p.leader().id()));
    }

    /** With a quorum left, another replica in sync is elected; without, nobody elects. */
    private static boolean goesOffline(TopicPartitionInfo p, List<Integer> nodes, Set<Integer> gone, Voters voters) {
        if (!voters.elects())
            return nodes.contains(p.leader().id()) || gone.contains(p.leader().id());
        return p.isr().stream().anyMatch(n -> nodes.contains(n.id())) && remaining(p, nodes, gone) == 0;
    }

    private static long remaining(TopicPartitionInfo p, List<Integer> nodes, Set<Integer> gone) {
        return p.isr().stream()
                .filter(n -> !nodes.contains(n.id()) && !gone.contains(n.id()))
                .count();
    }

    private static Map<String, Integer> minIsr(Admin admin, Set<String> topics) throws Exception {
        Map<String, Integer> minIsr = new HashMap<>();
        List<ConfigResource> resources = topics.stream()
                .map(t -> new ConfigResource(ConfigResource.Type.TOPIC, t))
                .toList();
        admin.describeConfigs(resources)
                .all()
                .get()
                .forEach((topic, config) -> minIsr.put(
                        topic.name(),
                        Integer.parseInt(config.get("min.insync.replicas").value())));
        return minIsr;
    }

    // ---- Runtimes ----

    /** How to reach a node from outside Kafka. A fault and its undoing return when they happened, as exactly as the runtime knows it. */
    public interface NodeRuntime {
        String name();

        List<Target> nodes() throws Exception;
        /** Returns the ids of the quorum's voters as its configuration has them, for when the quorum is lost; empty when unknown. */
        Set<Integer> voters() throws Exception;
        /** Returns a node that can be started though nobody lists it now. */
        default Optional<Target> unlisted(int id) throws Exception {
            return Optional.empty();
        }
        /** Refuses a mode that it has not, before anything is done. */
        default void require(Mode mode) {}
        /** Refuses a node that it must not touch, before anything is done. */
        default void requireUsable(Target node) {}

        Instant fault(Target node, Mode mode) throws Exception;

        Instant restore(Target node) throws Exception;
    }

    /** What runs the nodes: the options that say so, and the runtime they lead to. */
    static class Runtimes {
        @Option(
                names = "--runtime",
                paramLabel = "auto|embedded|docker|external",
                defaultValue = "AUTO",
                description =
                        "What runs the nodes; external: your own commands (default: auto, a living embedded cluster,"
                                + " else the containers of compose/compose.yaml).")
        Where where;

        @Option(
                names = "--kill-command",
                paramLabel = "COMMAND",
                description = "For any cluster: how to break {id} ({name}, {host}, {mode}).")
        String killCommand;

        @Option(
                names = "--start-command",
                paramLabel = "COMMAND",
                description = "For any cluster: how to start {id} ({name}, {host}) again.")
        String startCommand;

        @Option(
                names = "--data-dir",
                paramLabel = "DIR",
                description = "Where the nodes live (default: cluster/ in $$KRAFT_LAB_HOME, else in ~/.kraft-lab).",
                defaultValue = "${KRAFT_LAB_HOME:-${sys:user.home}/.kraft-lab}/cluster")
        Path dataDir;

        private static final ReentrantLock ONE_AT_A_TIME = new ReentrantLock();
        /** Marks a node's process in its command line. */
        private static final String MARK = "-Dkraft-lab.node=";

        private final Common common;

        Runtimes(Common common) {
            this.common = common;
        }

        /** Hooks if they are given, else what --runtime names, else what has nodes. */
        NodeRuntime choose() throws Exception {
            if (where == Where.EXTERNAL || killCommand != null || startCommand != null) return new Hooks();
            if (dataDir.toString().isEmpty() || "".equals(System.getenv("KRAFT_LAB_HOME")))
                throw new Exit(2, "--data-dir or KRAFT_LAB_HOME is empty.");
            NodeRuntime chosen = switch (where) {
                case EMBEDDED -> new Embedded();
                case DOCKER -> new Docker();
                default -> detect();
            };
            List<Target> nodes = chosen.nodes();
            if (nodes.isEmpty())
                throw new Exit(
                        UNREACHABLE,
                        (where == Where.DOCKER
                                        ? "No containers of the lab: start them (docker compose -f"
                                                + " compose/compose.yaml up -d --wait)"
                                        : "No embedded cluster in " + dataDir + ": start one (cluster up)")
                                + ", or name --kill-command and --start-command for yours.");
            String byDefault = common.bootstrapServer;
            common.client(); // takes the address of --command-config, if there is one
            boolean named = !byDefault.equals(common.bootstrapServer)
                    || common.spec.commandLine().getParseResult().hasMatchedOption("--bootstrap-server")
                    || System.getenv("KAFKA_BOOTSTRAP") != null;
            String own = String.join(
                    ",", nodes.stream().map(n -> n.host + ":" + n.port).toList());
            // A role asked of another cluster must not break a node here that happens to have the same id.
            if (named
                    && common.bootstrapNodes().stream()
                            .noneMatch(b -> nodes.stream()
                                    .anyMatch(n -> n.port == b.port()
                                            && List.of(n.host, "localhost", "127.0.0.1")
                                                    .contains(b.host()))))
                throw new Exit(
                        REFUSED,
                        "--bootstrap-server " + common.bootstrapServer + " is not the " + chosen.name() + " cluster at "
                                + own + ": for another cluster give --kill-command and --start-command.");
            if (!named) common.bootstrapServer = own;
            return chosen;
        }

        /** What has a living node; of two dead clusters the one that was broken and not ended. */
        private NodeRuntime detect() throws Exception {
            Embedded embedded = new Embedded();
            List<Target> nodes = embedded.nodes(), containers = List.of();
            if (live(nodes)) return embedded;
            String docker = "no containers of the lab in Docker (docker compose -f compose/compose.yaml up -d --wait)";
            try {
                Docker engine = new Docker();
                containers = engine.nodes();
                if (live(containers) || !containers.isEmpty() && !embedded.isBroken()) return engine;
            } catch (Exit none) {
                docker = "no Docker engine that answers (--runtime docker says why)";
            }
            if (!containers.isEmpty())
                throw new Exit(
                        2,
                        "All nodes of the embedded cluster in " + dataDir
                                + " are down, and so are all containers of the lab: say which you mean, --runtime"
                                + " embedded or --runtime docker.");
            if (nodes.isEmpty())
                throw new Exit(
                        UNREACHABLE,
                        "Nothing to break: there is no embedded cluster in " + dataDir + " (cluster up), and " + docker
                                + "; for another cluster give --kill-command and --start-command.");
            return embedded;
        }

        private static boolean live(List<Target> nodes) {
            return nodes.stream().anyMatch(n -> !n.state.equals("down"));
        }

        /** Nodes started by cluster up: signals to the process of node.json. */
        private class Embedded implements NodeRuntime {
            public String name() {
                return "embedded";
            }

            public List<Target> nodes() throws IOException {
                List<Target> nodes = new ArrayList<>();
                for (Map<String, Object> json : noted()) {
                    String state = process(json).isEmpty()
                            ? "down"
                            : !(json.get("fault") instanceof Map<?, ?> f)
                                    ? "running"
                                    : "pause".equals(f.get("mode")) ? "paused" : "stopping";
                    nodes.add(new Target(
                            (Integer) json.get("id"),
                            (String) json.get("name"),
                            "localhost",
                            (Integer) json.get("port"),
                            roles(json),
                            state));
                }
                return nodes;
            }

            public Set<Integer> voters() throws IOException {
                Set<Integer> voters = new TreeSet<>();
                for (Map<String, Object> json : noted())
                    if (json.get("controllerPort") != null) voters.add((Integer) json.get("id"));
                return voters;
            }

            private static String roles(Map<String, Object> json) {
                return json.get("controllerPort") == null ? "broker" : "broker,controller";
            }

            private List<Map<String, Object>> noted() throws IOException {
                File[] folders = Objects.requireNonNullElse(
                        dataDir.toFile()
                                .listFiles(
                                        f -> Files.exists(f.toPath().resolve("node.json"), LinkOption.NOFOLLOW_LINKS)),
                        new File[0]);
                Arrays.sort(folders);
                List<Map<String, Object>> noted = new ArrayList<>();
                for (File folder : folders) noted.add(read(folder.getName()));
                return noted;
            }

            public void require(Mode mode) {
                if (mode == Mode.DISCONNECT)
                    throw new Exit(
                            2,
                            "A process of this machine cannot be disconnected: --mode disconnect is for Docker; pause"
                                    + " comes nearest.");
            }

            public Instant fault(Target node, Mode mode) throws Exception {
                Instant[] at = {null};
                ProcessHandle process = locked(() -> {
                    Map<String, Object> json = read(node.name);
                    ProcessHandle p = process(json)
                            .orElseThrow(() -> new Exit(1, printable(node.name) + " does not run (any more)."));
                    // Written down first: a script killed between the two leaves a note of a fault that is not there,
                    // which restoring forgives.
                    json.put("fault", Map.of("mode", mode.toString(), "since", timestamp()));
                    write(node.name, json);
                    at[0] = Instant.now();
                    switch (mode) {
                        case KILL -> signal(p, "KILL");
                        case STOP -> {
                            signal(p, "CONT");
                            signal(p, "TERM");
                        }
                        default -> signal(p, "STOP");
                    }
                    return p;
                });
                long deadline = System.nanoTime() + common.timeout.toNanos();
                for (; mode != Mode.PAUSE && isAlive(process); Thread.sleep(5))
                    if (System.nanoTime() > deadline)
                        throw new Exit(
                                MISSED,
                                printable(node.name) + " (pid " + process.pid() + ") did not end within "
                                        + common.timeout.toSeconds() + " s.");
                return at[0];
            }

            public Instant restore(Target node) throws Exception {
                return locked(() -> {
                    Instant at = Instant.now();
                    Map<String, Object> json = read(node.name);
                    Optional<ProcessHandle> process = process(json);
                    boolean stopping = process.isPresent()
                            && json.get("fault") instanceof Map<?, ?> f
                            && !"pause".equals(f.get("mode"));
                    // It was told to end and has not yet: a little more time, then SIGKILL, or it would end after it
                    // was "restored".
                    for (long began = System.nanoTime();
                            stopping && process(json).isPresent();
                            Thread.sleep(20))
                        if (System.nanoTime() - began > 5_000_000_000L) signal(process.get(), "KILL");
                    if (process.isPresent() && !stopping) signal(process.get(), "CONT");
                    else start(node.name, json);
                    json.put("fault", null);
                    write(node.name, json);
                    return at;
                });
            }

            private void start(String name, Map<String, Object> json) throws IOException {
                requireUnusedData(name);
                @SuppressWarnings("unchecked")
                List<String> command = (List<String>) json.get("command");
                Process started = new ProcessBuilder(command)
                        .redirectErrorStream(true)
                        .redirectInput(new File("/dev/null"))
                        .redirectOutput(ProcessBuilder.Redirect.appendTo(new File((String) json.get("log"))))
                        .start();
                json.put("pid", started.pid());
                json.put(
                        "started",
                        started.info().startInstant().orElse(Instant.EPOCH).toString());
                json.put("startTicks", startTicks(started.pid()));
                json.put("bootId", bootId());
            }

            /** The last guard: a living broker holds a lock on its data, whatever node.json says of its process. */
            private void requireUnusedData(String name) throws IOException {
                Path folder = dataDir.resolve(name), settings = folder.resolve("server.properties");
                Properties properties = new Properties();
                if (Files.exists(settings))
                    try (Reader reader = Files.newBufferedReader(settings)) {
                        properties.load(reader);
                    }
                for (String data : properties
                        .getProperty("log.dirs", folder.resolve("data").toString())
                        .split(",")) {
                    Path lock = Path.of(data.trim(), ".lock");
                    if (!Files.exists(lock)) continue;
                    try (FileChannel channel = FileChannel.open(lock, StandardOpenOption.WRITE)) {
                        if (tryLock(channel) == null)
                            throw new Exit(
                                    REFUSED,
                                    "The data of " + printable(name) + " in " + data.trim()
                                            + " is in use by a process that its node.json does not name: 'cluster"
                                            + " down' ends it, then 'cluster up' starts all nodes.");
                    }
                }
            }

            /** Does it while no other script starts or signals nodes of this folder: cluster holds the same lock. */
            private <T> T locked(Callable<T> action) throws Exception {
                long deadline = System.nanoTime() + common.timeout.toNanos();
                if (!ONE_AT_A_TIME.tryLock(common.timeout.toMillis(), TimeUnit.MILLISECONDS)) throw busy();
                try (FileChannel channel = FileChannel.open(
                        dataDir.resolve("lock"),
                        StandardOpenOption.CREATE,
                        StandardOpenOption.WRITE,
                        LinkOption.NOFOLLOW_LINKS)) {
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
                return new Exit(
                        MISSED,
                        "Another command (such as cluster up) has been at work in " + dataDir + " for more than "
                                + common.timeout.toSeconds() + " s: let it end, or end it, and try again.");
            }

            private static FileLock tryLock(FileChannel channel) throws IOException {
                try {
                    return channel.tryLock();
                } catch (OverlappingFileLockException heldInThisJvm) {
                    return null;
                }
            }

            /** Whether a fault is noted of one of its nodes, which cluster down would have ended. */
            boolean isBroken() throws IOException {
                for (Target n : nodes()) if (read(n.name).get("fault") != null) return true;
                return false;
            }

            /** The process, if it is alive and the one that was started: a pid may have been given to a stranger since. */
            private static Optional<ProcessHandle> process(Map<String, Object> json) {
                if (!(json.get("pid") instanceof Number pid)) return Optional.empty();
                return ProcessHandle.of(pid.longValue())
                        .filter(Embedded::isAlive)
                        .filter(p -> isTheOne(p, json));
            }

            /** By boot and start in ticks since then, which no step of the clock changes; where there is no /proc, or it was noted by an older version, by time and command line. */
            private static boolean isTheOne(ProcessHandle process, Map<String, Object> json) {
                Long ticks = startTicks(process.pid());
                if (ticks != null
                        && json.get("startTicks") instanceof Number noted
                        && json.get("bootId") instanceof String boot)
                    return ticks == noted.longValue() && boot.equals(bootId());
                if (!(json.get("started") instanceof String started)) return false;
                boolean sameTime = process.info()
                        .startInstant()
                        .map(t -> Duration.between(t, Instant.parse(started))
                                        .abs()
                                        .toMillis()
                                < 2000)
                        .orElse(false);
                return sameTime
                        && json.get("command") instanceof List<?> command
                        && command.stream()
                                .map(String::valueOf)
                                .filter(a -> a.startsWith(MARK))
                                .anyMatch(mark ->
                                        process.info().commandLine().orElse("").contains(mark));
            }

            /** When the process started, in clock ticks since the boot: field 22 of its stat. @return null where that is not to be had */
            private static Long startTicks(long pid) {
                try {
                    return Long.valueOf(stat(pid)[19]);
                } catch (IOException noSuch) {
                    return null;
                }
            }

            private static String bootId() {
                try {
                    return Files.readString(Path.of("/proc/sys/kernel/random/boot_id"))
                            .strip();
                } catch (IOException notLinux) {
                    return null;
                }
            }

            /** The fields of /proc/PID/stat from the third on: what stands before may have any characters. */
            private static String[] stat(long pid) throws IOException {
                String stat = Files.readString(Path.of("/proc/" + pid + "/stat"));
                return stat.substring(stat.lastIndexOf(')') + 2).split(" ");
            }

            /** Where nobody reaps orphans (a container whose first process is no init), a killed node stays as a zombie. */
            private static boolean isAlive(ProcessHandle p) {
                try {
                    String[] fields = stat(p.pid());
                    // The first thread is a zombie already while others (num_threads) are still ending, and hold the
                    // ports.
                    return !(fields[0].equals("Z") && fields[17].equals("1")) && p.isAlive();
                } catch (IOException notLinux) {
                    return p.isAlive();
                }
            }

            private void signal(ProcessHandle process, String signal) throws Exception {
                Process kill = new ProcessBuilder("kill", "-" + signal, "" + process.pid())
                        .redirectErrorStream(true)
                        .start();
                String said = new String(kill.getInputStream().readAllBytes()).trim();
                if (kill.waitFor() != 0 && process.isAlive())
                    throw new Exit(1, "Cannot send SIG" + signal + " to pid " + process.pid() + ": " + said + ".");
            }

            /** Reads what cluster up noted of a node: a command that start-node runs, and a pid that is signalled; so nobody else may have written it. */
            private Map<String, Object> read(String name) throws IOException {
                Path folder = dataDir.resolve(name), file = folder.resolve("node.json");
                for (Path path : List.of(dataDir.toRealPath(), folder, file)) requireOurs(path, file);
                try {
                    return JSON.std.mapFrom(file.toFile());
                } catch (IOException e) {
                    throw new Exit(
                            1,
                            file
                                    + " cannot be read as what cluster up writes: 'cluster down', then 'cluster up'"
                                    + " makes it anew.");
                }
            }

            private static void requireOurs(Path path, Path file) throws IOException {
                String reason = null;
                if (Files.isSymbolicLink(path)) reason = "is a symbolic link";
                else if (path.getFileSystem().supportedFileAttributeViews().contains("unix")) {
                    int mode = (Integer) Files.getAttribute(path, "unix:mode"),
                            owner = (Integer) Files.getAttribute(path, "unix:uid");
                    long user = new com.sun.security.auth.module.UnixSystem().getUid();
                    if (owner != user)
                        reason = "belongs to " + printable(Files.getOwner(path)) + " (uid " + owner
                                + "), and this runs as uid " + user;
                    else if ((mode & 0022) != 0)
                        reason = String.format(Locale.ROOT, "can be written by others (mode %03o)", mode & 0777);
                }
                if (reason == null) return;
                throw new Exit(
                        REFUSED,
                        "What " + file + " says is not done, because " + (path.equals(file) ? "it" : path) + " "
                                + reason + ": whoever writes it decides what is run and signalled here.");
            }

            private void write(String name, Map<String, Object> json) throws IOException {
                Path file = dataDir.resolve(name).resolve("node.json"), fresh = file.resolveSibling("node.json.new");
                // Not by a channel, which an interrupt closes: of a process that was started a note must be there.
                try (OutputStream out = new FileOutputStream(fresh.toFile())) {
                    out.write(JSON.std.with(JSON.Feature.PRETTY_PRINT_OUTPUT).asBytes(json));
                }
                if (fresh.getFileSystem().supportedFileAttributeViews().contains("posix"))
                    Files.setPosixFilePermissions(fresh, PosixFilePermissions.fromString("rw-r--r--"));
                Files.move(fresh, file, StandardCopyOption.REPLACE_EXISTING, StandardCopyOption.ATOMIC_MOVE);
            }
        }

        /**
         * Containers of the compose project kraft-lab, by the engine's API: those that compose made and that have the lab's label, since a
         * name alone may be a stranger's. Of what was done nothing is noted: the engine knows it, whoever did it.
         */
        private class Docker implements NodeRuntime {
            static final String LABEL = "kraft-lab.node",
                    PROJECT = "com.docker.compose.project",
                    SERVICE = "com.docker.compose.service";
            /** Newer engines refuse what is older than this. */
            private static final String NEWEST_KNOWN = "1.44";
            /** How long compose.yaml lets a node take to stop. */
            private static final int GRACE_S = 30;

            private final URI uri;
            private final String host;
            private final DockerClient engine;
            private final Set<Integer> stopping = ConcurrentHashMap.newKeySet();

            Docker() throws InterruptedException {
                DefaultDockerClientConfig.Builder builder;
                try {
                    builder = DefaultDockerClientConfig.createDefaultConfigBuilder();
                    uri = builder.build().getDockerHost();
                } catch (RuntimeException e) {
                    throw new Exit(
                            2, "The Docker settings (DOCKER_HOST, context) cannot be used: " + e.getMessage() + ".");
                }
                requireContext();
                requireEngine(uri);
                String given = System.getenv("LAB_HOST");
                host = given != null && !given.isBlank()
                        ? given
                        : uri.getScheme().equals("tcp") ? uri.getHost() : "localhost";
                engine = asked(() -> connect(builder));
            }

            /** No version in the path is understood by old and new engines, but for those that want one. */
            private static DockerClient connect(DefaultDockerClientConfig.Builder builder) {
                DockerClient any = client(builder.build());
                try {
                    any.listContainersCmd().withLimit(1).exec();
                } catch (BadRequestException | NotFoundException wantsVersion) {
                    String theirs = any.versionCmd().exec().getApiVersion();
                    any = client(builder.withApiVersion(
                                    RemoteApiVersion.parseConfig(theirs)
                                                    .isGreaterOrEqual(RemoteApiVersion.parseConfig(NEWEST_KNOWN))
                                            ? NEWEST_KNOWN
                                            : theirs)
                            .build());
                }
                return any;
            }

            private static DockerClient client(DockerClientConfig config) {
                return DockerClientImpl.getInstance(
                        config,
                        new ZerodepDockerHttpClient.Builder()
                                .dockerHost(config.getDockerHost())
                                .sslConfig(config.getSSLConfig())
                                .build());
            }

            /** An answer of the engine, or one sentence about it. */
            private <T> T asked(Callable<T> question) throws InterruptedException {
                long patience = Objects.requireNonNullElse(common.timeout, Duration.ofSeconds(30))
                        .toMillis();
                try {
                    return inBackground(question).get(patience, TimeUnit.MILLISECONDS);
                } catch (java.util.concurrent.TimeoutException hangs) {
                    throw new Exit(
                            UNREACHABLE,
                            "The Docker engine at " + uri + " accepts and does not answer within " + patience
                                    + " ms: restart it, or name another by DOCKER_HOST.");
                } catch (ExecutionException e) {
                    throw new Exit(
                            UNREACHABLE,
                            e.getCause() instanceof DockerException
                                    ? "The Docker engine at " + uri + " refuses: " + said(e) + "."
                                    : "No Docker engine answers at " + uri + " (" + said(e)
                                            + "): start it, or name yours by DOCKER_HOST.");
                }
            }

            /** In a thread of its own, because the client's read from a socket file knows neither time limit nor interrupt. */
            private static <T> FutureTask<T> inBackground(Callable<T> call) {
                FutureTask<T> task = new FutureTask<>(call);
                Thread worker = new Thread(task, "docker");
                worker.setDaemon(true);
                worker.start();
                return task;
            }

            /** One that is not there: docker-java would quietly take the default engine instead. */
            private static void requireContext() {
                if (System.getenv("DOCKER_HOST") != null) return; // which goes before any context
                String
                        settings =
                                Objects.requireNonNullElse(
                                        System.getenv("DOCKER_CONFIG"), System.getProperty("user.home") + "/.docker"),
                        context = System.getenv("DOCKER_CONTEXT");
                Path file = Path.of(settings, "config.json");
                try {
                    if ((context == null || context.isEmpty())
                            && Files.exists(file)
                            && JSON.std.mapFrom(file.toFile()).get("currentContext") instanceof String current)
                        context = current;
                } catch (IOException unreadable) {
                    throw new Exit(
                            2,
                            "The Docker settings in " + file
                                    + " cannot be read: mend or remove that file, or name the engine by DOCKER_HOST.");
                }
                if (context != null
                        && !List.of("", "default").contains(context)
                        && !Files.exists(Path.of(settings, "contexts/meta", sha256(context))))
                    throw new Exit(
                            2,
                            "There is no Docker context '" + context
                                    + "': docker context ls shows those there are, docker context use chooses one.");
            }

            private static String sha256(String text) {
                try {
                    return HexFormat.of()
                            .formatHex(
                                    MessageDigest.getInstance("SHA-256").digest(text.getBytes(StandardCharsets.UTF_8)));
                } catch (NoSuchAlgorithmException e) {
                    throw new IllegalStateException(e);
                }
            }

            private static void requireEngine(URI uri) {
                String scheme = String.valueOf(uri.getScheme());
                boolean windows = System.getProperty("os.name").startsWith("Windows");
                if (!List.of("unix", "tcp", "ssh", windows ? "npipe" : "").contains(scheme)
                        || scheme.equals("tcp") && uri.getHost() == null)
                    throw new Exit(
                            2,
                            "'" + uri
                                    + "' is not a Docker engine's address, such as unix:///var/run/docker.sock or"
                                    + " tcp://host:2376.");
                if (scheme.equals("ssh"))
                    throw new Exit(
                            2,
                            "Docker over ssh is not supported: forward the socket (ssh -NL"
                                    + " /tmp/docker.sock:/var/run/docker.sock "
                                    + uri.getAuthority() + ") and export DOCKER_HOST=unix:///tmp/docker.sock.");
                if (!scheme.equals("unix")) return;
                try {
                    SocketChannel.open(UnixDomainSocketAddress.of(uri.getPath()))
                            .close();
                } catch (IOException e) {
                    if (Objects.requireNonNullElse(e.getMessage(), "").contains("ermission"))
                        throw new Exit(
                                UNREACHABLE,
                                "No permission for Docker's socket " + uri.getPath()
                                        + ": run 'sudo usermod -aG docker $USER' and log in again.");
                    String home = System.getProperty("user.home"),
                            run = Objects.requireNonNullElse(System.getenv("XDG_RUNTIME_DIR"), "/run/user/1000");
                    List<String> others = Stream.of(
                                    "/var/run/docker.sock",
                                    run + "/docker.sock",
                                    home + "/.docker/run/docker.sock",
                                    home + "/.colima/default/docker.sock",
                                    run + "/podman/podman.sock")
                            .filter(s -> !s.equals(uri.getPath()))
                            .toList();
                    throw new Exit(
                            UNREACHABLE,
                            "No Docker engine at " + uri + " (" + e.getMessage() + "): "
                                    + others.stream()
                                            .filter(s -> Files.exists(Path.of(s)))
                                            .findFirst()
                                            .map(s ->
                                                    "there is a socket elsewhere, export DOCKER_HOST=unix://" + s + ".")
                                            .orElse("start it; nor is there one at " + String.join(", ", others)
                                                    + "."));
                }
            }

            public String name() {
                return "docker";
            }

            public List<Target> nodes() throws InterruptedException {
                List<Target> nodes = new ArrayList<>();
                containers().forEach((id, c) -> {
                    int port = c.getHostConfig().getPortBindings().getBindings().values().stream()
                            .filter(Objects::nonNull)
                            .flatMap(Stream::of)
                            .mapToInt(b -> Integer.parseInt(b.getHostPortSpec()))
                            .findFirst()
                            .orElse(-1);
                    nodes.add(new Target(
                            id,
                            c.getConfig().getLabels().get(SERVICE),
                            host,
                            port,
                            environment(c, "KAFKA_PROCESS_ROLES"),
                            state(c)));
                });
                return nodes;
            }

            public Set<Integer> voters() throws InterruptedException {
                for (InspectContainerResponse c : containers().values()) {
                    Set<Integer> voters = configured(environment(c, "KAFKA_CONTROLLER_QUORUM_VOTERS"))
                            .keySet();
                    if (!voters.isEmpty()) return voters;
                }
                return Set.of();
            }

            private static String environment(InspectContainerResponse c, String name) {
                return Stream.of(Objects.requireNonNullElse(c.getConfig().getEnv(), new String[0]))
                        .filter(e -> e.startsWith(name + "="))
                        .map(e -> e.substring(name.length() + 1))
                        .findFirst()
                        .orElse("");
            }

            private Map<Integer, InspectContainerResponse> containers() throws InterruptedException {
                return asked(() -> {
                    Map<Integer, InspectContainerResponse> found = new TreeMap<>();
                    for (Container c : engine.listContainersCmd()
                            .withShowAll(true)
                            .withLabelFilter(List.of(PROJECT + "=kraft-lab", "com.docker.compose.oneoff=False", LABEL))
                            .exec()) {
                        if (!c.getLabels().get(LABEL).matches("\\d{1,9}")) continue;
                        try {
                            found.put(
                                    Integer.valueOf(c.getLabels().get(LABEL)),
                                    engine.inspectContainerCmd(c.getId()).exec());
                        } catch (NotFoundException gone) {
                            /* since the list was made */
                        }
                    }
                    return found;
                });
            }

            private static String state(InspectContainerResponse c) {
                return switch (c.getState().getStatus()) {
                    case "running", "restarting" -> attached(c) ? "running" : "disconnected";
                    case "paused" -> "paused";
                    default -> "down";
                };
            }

            private static boolean attached(InspectContainerResponse c) {
                String network = c.getHostConfig().getNetworkMode();
                return c.getNetworkSettings().getNetworks().entrySet().stream()
                        .anyMatch(n -> n.getKey().equals(network)
                                || network.equals(n.getValue().getNetworkID()));
            }

            private InspectContainerResponse container(Target node) throws InterruptedException {
                return Optional.ofNullable(containers().get(node.id))
                        .orElseThrow(() -> new Exit(
                                1, "The container of " + node.name + " is gone: docker compose up makes it anew."));
            }

            public Instant fault(Target node, Mode mode) throws Exception {
                InspectContainerResponse c = container(node);
                String id = c.getId();
                return switch (mode) {
                    case KILL ->
                        act(node, id, "die", () -> engine.killContainerCmd(id).exec());
                    case STOP -> {
                        stopping.add(node.id);
                        if (c.getState().getPaused())
                            act(
                                    node,
                                    id,
                                    "",
                                    () -> engine.unpauseContainerCmd(id).exec());
                        Instant at = act(
                                node,
                                id,
                                "kill",
                                () -> engine.stopContainerCmd(id).exec()); // the SIGTERM is a "kill" to the engine
                        stopping.remove(node.id);
                        yield at;
                    }
                    case PAUSE ->
                        act(
                                node,
                                id,
                                "pause",
                                () -> engine.pauseContainerCmd(id).exec());
                    case DISCONNECT ->
                        act(
                                node,
                                id,
                                "disconnect",
                                () -> engine.disconnectFromNetworkCmd()
                                        .withContainerId(id)
                                        .withNetworkId(c.getHostConfig().getNetworkMode())
                                        .exec());
                };
            }

            /** Whatever was done to it, in whatever order. */
            public Instant restore(Target node) throws Exception {
                InspectContainerResponse c = container(node);
                String id = c.getId();
                // It was told to end and perhaps has not yet: a little more time, then SIGKILL, or it would end after
                // it was "restored".
                if (stopping.remove(node.id))
                    act(
                            node,
                            id,
                            "",
                            () -> engine.stopContainerCmd(id).withTimeout(5).exec());
                Instant at = null;
                if (state(c).equals("paused"))
                    at = act(
                            node,
                            id,
                            "unpause",
                            () -> engine.unpauseContainerCmd(id).exec());
                // Disconnecting has taken the alias, by which the other nodes find it, and the published port.
                if (!attached(c))
                    at = act(
                            node,
                            id,
                            "connect",
                            () -> engine.connectToNetworkCmd()
                                    .withContainerId(id)
                                    .withNetworkId(c.getHostConfig().getNetworkMode())
                                    .withContainerNetwork(new ContainerNetwork().withAliases(node.name))
                                    .exec());
                if (!container(node).getState().getRunning())
                    at = act(
                            node,
                            id,
                            "start",
                            () -> engine.startContainerCmd(id).exec());
                return at == null ? Instant.now() : at;
            }

            /** Does it, so that Ctrl-C can end the wait, and returns when the engine saw it happen: the call itself returns up to 100 ms later. */
            private Instant act(Target node, String id, String event, Callable<?> call) throws Exception {
                Instant began = Instant.now();
                FutureTask<?> task = inBackground(call);
                try {
                    task.get(GRACE_S + Math.max(30, common.timeout.toSeconds()), TimeUnit.SECONDS);
                } catch (java.util.concurrent.TimeoutException hangs) {
                    throw new Exit(
                            MISSED,
                            "The Docker engine at " + uri + " has not done that to " + node.name
                                    + " yet, and may still do it: look at docker ps.");
                } catch (InterruptedException e) {
                    // What is on its way lands all the same, and only then can it be undone. A stop may take its whole
                    // grace: undoing it sees to that.
                    try {
                        if (!stopping.contains(node.id)) task.get(3, TimeUnit.SECONDS);
                    } catch (ExecutionException | java.util.concurrent.TimeoutException failed) {
                        /* nothing to undo, or too late to know */
                    }
                    throw e;
                } catch (ExecutionException e) {
                    if (!(e.getCause() instanceof NotModifiedException))
                        throw new Exit(1, "Docker would not do that to " + node.name + ": " + said(e.getCause()) + ".");
                }
                return event.isEmpty() ? began : whenSeen(event, id, began);
            }

            /** When the engine saw it happen; where it does not say so, from when on it could. What was done stays done, whatever the event stream is like. */
            private Instant whenSeen(String event, String id, Instant began) throws InterruptedException {
                for (int look = 0; look < 10; look++, Thread.sleep(20))
                    try {
                        List<Instant> seen = new CopyOnWriteArrayList<>();
                        // Until now, so that it ends; the engine of a virtual machine may have another clock, and then
                        // ours is taken.
                        engine.eventsCmd()
                                .withSince(seconds(began.minusSeconds(5)))
                                .withUntil(seconds(Instant.now()))
                                .withEventFilter(event)
                                .exec(new ResultCallback.Adapter<Event>() {
                                    @Override
                                    public void onNext(Event e) {
                                        Instant at = Instant.EPOCH.plusNanos(e.getTimeNano());
                                        if ((id.equals(e.getActor().getId())
                                                        || id.equals(e.getActor()
                                                                .getAttributes()
                                                                .get("container")))
                                                && !at.isBefore(began)) seen.add(at);
                                    }
                                })
                                .awaitCompletion(2, TimeUnit.SECONDS);
                        if (!seen.isEmpty()) return seen.get(0);
                    } catch (RuntimeException notTold) {
                        return began;
                    }
                return began;
            }

            private static String seconds(Instant t) {
                return t.getEpochSecond() + "." + String.format(Locale.ROOT, "%09d", t.getNano());
            }

            /** The engine's own words, without the JSON and the exceptions around them. */
            private static String said(Throwable e) {
                e = rootOf(e);
                var m = java.util.regex.Pattern.compile("\"message\":\"(.*?)\"\\}")
                        .matcher(String.valueOf(e.getMessage()));
                return printable(
                        m.find()
                                ? m.group(1)
                                : e.getMessage() == null
                                        ? e.getClass().getSimpleName()
                                        : e.getMessage().strip());
            }

            private static Throwable rootOf(Throwable e) {
                return e.getCause() == null ? e : rootOf(e.getCause());
            }
        }

        /** Returns the voters of a {@code controller.quorum.voters}; none where the quorum is dynamic. */
        static Map<Integer, Node> configured(String voters) {
            Map<Integer, Node> found = new TreeMap<>();
            var m = java.util.regex.Pattern.compile("(\\d{1,9})@\\[?([^\\s,@]+?)\\]?:(\\d{1,5})(?=\\s*(?:,|$))")
                    .matcher(Objects.requireNonNullElse(voters, ""));
            while (m.find())
                found.put(
                        Integer.valueOf(m.group(1)),
                        new Node(Integer.parseInt(m.group(1)), m.group(2), Integer.parseInt(m.group(3))));
            return found;
        }

        /** Any cluster, by commands that the user gives: the nodes are the brokers that the cluster lists, and the controllers of its quorum. */
        private class Hooks implements NodeRuntime {
            /** Asked for once: each answer may take seconds, and the quorum's members seldom change. */
            private Map<Integer, Node> members;

            private Set<Integer> voters;

            public String name() {
                return "hooks";
            }

            public List<Target> nodes() throws Exception {
                Map<Integer, Target> nodes = new TreeMap<>();
                try (Admin admin = common.admin(IMPATIENT)) {
                    Collection<Node> brokers = admin.describeCluster(
                                    new DescribeClusterOptions().includeFencedBrokers(true))
                            .nodes()
                            .get();
                    if (members == null) askForQuorum(admin, brokers);
                    for (Node b : brokers)
                        nodes.put(
                                b.id(),
                                target(
                                        b,
                                        members.isEmpty()
                                                ? ""
                                                : voters.contains(b.id()) ? "broker,controller" : "broker"));
                    for (Node c : members.values()) nodes.putIfAbsent(c.id(), target(c, "controller"));
                }
                return List.copyOf(nodes.values());
            }

            public Set<Integer> voters() throws Exception {
                if (voters == null) nodes();
                return voters;
            }

            /** Without a quorum, and where its voters are not configured, a controller is known to nobody. */
            public Optional<Target> unlisted(int id) throws Exception {
                return voters().isEmpty() ? Optional.of(target(new Node(id, "", -1), "controller")) : Optional.empty();
            }

            private static Target target(Node n, String roles) {
                return new Target(
                        n.id(), String.format(Locale.ROOT, "kafka%02d", n.id()), n.host(), n.port(), roles, "unknown");
            }

            private void askForQuorum(Admin admin, Collection<Node> brokers) throws Exception {
                Optional<QuorumInfo> found = Optional.empty();
                try {
                    found = quorum(admin, common);
                } catch (ExecutionException refused) {
                    /* such as the permission: the brokers are listed all the same */
                }
                if (found.isEmpty()) common.requireReachable(); // or silence would be taken for a lost quorum
                members = found.isPresent() ? members(found.get()) : configured(brokersVoters(brokers));
                voters = found.isPresent()
                        ? new TreeSet<>(found.get().voters().stream()
                                .map(QuorumInfo.ReplicaState::replicaId)
                                .toList())
                        : members.keySet();
            }

            /** The voters, and the observers: brokers, and controllers that may become voters. */
            private static Map<Integer, Node> members(QuorumInfo quorum) {
                Map<Integer, Node> members = new TreeMap<>();
                for (QuorumInfo.ReplicaState r : Stream.concat(quorum.voters().stream(), quorum.observers().stream())
                        .toList()) {
                    QuorumInfo.Node node = quorum.nodes().get(r.replicaId());
                    boolean known = node != null && !node.endpoints().isEmpty();
                    members.put(
                            r.replicaId(),
                            known
                                    ? new Node(
                                            r.replicaId(),
                                            node.endpoints().get(0).host(),
                                            node.endpoints().get(0).port())
                                    : new Node(r.replicaId(), "", -1));
                }
                return members;
            }

            /** A broker's own configuration, which it gives without a quorum as well. */
            private String brokersVoters(Collection<Node> brokers) throws Exception {
                for (Node broker : brokers) {
                    if (!Common.answers(broker.host(), broker.port(), 1000)) continue;
                    ConfigResource resource = new ConfigResource(ConfigResource.Type.BROKER, "" + broker.id());
                    // A client of its own: one that has asked for a lost quorum leaves the broker alone for a while.
                    try (Admin admin = common.admin(IMPATIENT)) {
                        ConfigEntry entry = admin.describeConfigs(
                                        List.of(resource), new DescribeConfigsOptions().timeoutMs(3000))
                                .all()
                                .get()
                                .get(resource)
                                .get("controller.quorum.voters");
                        if (entry != null && entry.value() != null) return entry.value();
                    } catch (ExecutionException refused) {
                        /* the next one may answer */
                    }
                }
                return "";
            }

            public void require(Mode mode) {
                if (killCommand == null) throw new Exit(2, "How to break a node of this cluster? Give --kill-command.");
                if (mode != Mode.KILL && !killCommand.contains("{mode}"))
                    throw new Exit(2, "--mode needs a --kill-command that has {mode} in it.");
            }

            public void requireUsable(Target node) {
                for (String command : Arrays.asList(killCommand, startCommand))
                    if (command != null) filled(command, node, "kill");
            }

            public Instant fault(Target node, Mode mode) throws Exception {
                return execute(killCommand, node, mode.toString());
            }

            public Instant restore(Target node) throws Exception {
                if (startCommand == null)
                    throw new Exit(2, "How to start a node of this cluster? Give --start-command.");
                return execute(startCommand, node, "start");
            }

            private Instant execute(String command, Target node, String mode) throws Exception {
                String line = filled(command, node, mode);
                Instant at = Instant.now();
                new Shell(line, common.timeout).run();
                return at;
            }
        }

        /** Host names of letters, digits, dots, hyphens and underscores, which begin with none of the last; and addresses. */
        private static final String HOST =
                "[A-Za-z0-9_][A-Za-z0-9._-]{0,252}|[0-9A-Fa-f:]*:[0-9A-Fa-f:.]*(%[A-Za-z0-9][A-Za-z0-9._-]*)?";

        /** Returns the command with a node's values, which come from the cluster and go into a shell: a host such as -oProxyCommand=... would be an option there. */
        static String filled(String command, Target node, String mode) {
            if (node.id < 0)
                throw new Exit(
                        REFUSED,
                        "The cluster names a node " + node.id
                                + ", which is not a valid id: a command must not get it.");
            if (!node.name.matches("[A-Za-z0-9_][A-Za-z0-9._-]*"))
                throw new Exit(
                        REFUSED,
                        "The name '" + printable(node.name) + "' of node " + node.id
                                + " is not a host name: a command must not get it.");
            if (command.contains("{host}") && node.host.isEmpty())
                throw new Exit(
                        REFUSED,
                        "The cluster does not say where node " + node.id
                                + " runs: give a command without {host}, by {id} or {name}.");
            if (!node.host.isEmpty() && !node.host.matches(HOST) || node.port > 65535)
                throw new Exit(
                        REFUSED,
                        "The address '" + printable(node.host) + "', port " + node.port + ", of node " + node.id
                                + " is not a host name or address: a command must not get it.");
            return command.replace("{id}", "" + node.id)
                    .replace("{name}", node.name)
                    .replace("{host}", node.host)
                    .replace("{mode}", mode);
        }
    }

    /** A user's command: whatever it prints is read, so that it never waits for its reader; at its time limit it ends, with all that it has started. */
    static class Shell {
        private static final String MARK = "KRAFT_LAB_COMMAND";
        private final String line;
        private final Duration limit;
        private final String mark = MARK + "=" + UUID.randomUUID();

        Shell(String line, Duration limit) {
            this.line = line;
            this.limit = limit;
        }

        /** @throws Exit when it does not end in time, or with another code than 0 */
        void run() throws Exception {
            ProcessBuilder builder = new ProcessBuilder("sh", "-c", line)
                    .redirectErrorStream(true)
                    .redirectInput(new File("/dev/null"));
            builder.environment().put(MARK, mark.substring(MARK.length() + 1));
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
                throw new Exit(
                        MISSED,
                        "'" + printable(line) + "' did not end within " + limit.toSeconds() + " s" + output.said()
                                + ".");
            if (process.exitValue() != 0)
                throw new Exit(1, "'" + printable(line) + "' ended with " + process.exitValue() + output.said() + ".");
        }

        /** Until none is found: what they started meanwhile, and what has lost its parent and is known only by its environment. */
        private void endAll(Process process) {
            for (int look = 0; look < 20; look++) {
                List<ProcessHandle> all = Stream.of(process.descendants(), Stream.of(process.toHandle()), marked())
                        .flatMap(s -> s)
                        .filter(ProcessHandle::isAlive)
                        .distinct()
                        .toList();
                if (all.isEmpty()) return;
                all.forEach(ProcessHandle::destroyForcibly);
            }
        }

        /** Where there is a /proc. */
        private Stream<ProcessHandle> marked() {
            return ProcessHandle.allProcesses().filter(this::isMarked);
        }

        private boolean isMarked(ProcessHandle process) {
            try {
                return Arrays.asList(Files.readString(
                                        Path.of("/proc/" + process.pid() + "/environ"), StandardCharsets.ISO_8859_1)
                                .split("\0"))
                        .contains(mark);
            } catch (IOException othersOrNotLinux) {
                return false;
            }
        }
    }

    /** What a process prints, of which the beginning and the end are kept. */
    static class Output extends Thread {
        private static final int KEPT = 1000;
        private final InputStream in;
        private final StringBuilder head = new StringBuilder(), tail = new StringBuilder();
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
                for (int n; (n = in.read(buffer)) >= 0; ) keep(new String(buffer, 0, n, StandardCharsets.UTF_8), n);
            } catch (IOException closed) {
                /* what was read is kept */
            }
        }

        private synchronized void keep(String text, int n) {
            bytes += n;
            int first = Math.min(text.length(), KEPT - head.length());
            head.append(text, 0, first);
            tail.append(text, first, text.length());
            if (tail.length() > KEPT) tail.delete(0, tail.length() - KEPT);
        }

        /** Returns it for the end of a sentence, in one line. What the command leaves running may hold the pipe open, and is not waited for. */
        String said() throws InterruptedException {
            join(300);
            synchronized (this) {
                boolean whole = bytes <= 2 * KEPT;
                String text = head.toString() + (whole ? "" : "\n... (" + bytes + " bytes) ...\n") + tail;
                String said = String.join(
                        " / ",
                        text.lines()
                                .map(String::strip)
                                .filter(l -> !l.isEmpty())
                                .map(KillNode::printable)
                                .toList());
                return said.isEmpty() ? "" : ": " + said.replaceAll("\\.+$", "");
            }
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

        @Option(names = "--json", description = "Print one JSON object a line.")
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
            try {
                given = commandConfig == null ? new Properties() : Utils.loadProps(commandConfig.toString());
            } catch (IOException | IllegalArgumentException e) {
                throw new Exit(2, "Cannot read --command-config " + commandConfig + ": " + reason(e) + ".");
            }
            if (!spec.commandLine().getParseResult().hasMatchedOption("-b"))
                bootstrapServer = given.getProperty("bootstrap.servers", bootstrapServer);
            given.put("bootstrap.servers", bootstrapServer);
            for (int i = 0; i < pairs.length; i += 2) given.put("" + pairs[i], "" + pairs[i + 1]);
            return given;
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
            Map<String, String> addresses = addresses();
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
            if (given.isEmpty()) client(); // --command-config may name the cluster
            int timeoutMs = (int) Math.max(1, Math.min(timeout.toMillis() / 4, 1500));
            return bootstrapNodes().parallelStream()
                    .collect(groupingBy(
                            at -> obstacle(at, timeoutMs),
                            LinkedHashMap::new,
                            mapping(Common::address, joining(", "))));
        }

        /** Returns the bootstrap addresses as nodes with ids -1, -2, ... */
        List<Node> bootstrapNodes() {
            List<Node> nodes = new ArrayList<>();
            for (String address : bootstrapServer.split(",")) {
                var m = ADDRESS.matcher(address.trim());
                if (!m.matches()) throw new Exit(2, "'" + address + "' in --bootstrap-server is not HOST:PORT.");
                nodes.add(new Node(-1 - nodes.size(), m.group(1), Integer.parseInt(m.group(2))));
            }
            return nodes;
        }

        static String address(Node node) {
            return Utils.formatAddress(node.host(), node.port());
        }

        /** Asks an address for its API versions and brokers. By hand: no client API says why it got no answer. */
        private String obstacle(Node at, int timeoutMs) {
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
                if (brokers.isEmpty() || brokers.stream().anyMatch(n -> answers(n.host(), n.port(), 1000))) return "";
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
            Map<String, String> addresses = addresses();
            if (!addresses.containsKey("")) return cannotTalk(addresses);
            String limit = " within " + timeout.toMillis() + " ms; find-controller says who is missing.";
            return new Exit(UNREACHABLE, "No answer from the cluster at " + bootstrapServer + limit);
        }

        private Exit refused(Throwable problem) {
            String reasons = reasons(problem).replaceAll("JAAS|LoginModule", "$0 sasl.jaas.config");
            String names = given.stringPropertyNames().stream()
                    .filter(key -> reasons.contains(key) || reasons.contains(given.getProperty(key)))
                    .collect(joining(", "));
            return new Exit(2, "Client property " + names + " refused: " + deepest(problem) + ".");
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
