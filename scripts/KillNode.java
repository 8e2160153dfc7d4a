///usr/bin/env jbang "$0" "$@" ; exit $?
//JAVA 17+
//DEPS org.apache.kafka:kafka-clients:4.4.0
//DEPS info.picocli:picocli:4.7.7
//SOURCES Nodes.java
//DESCRIPTION Break a node: kill, stop, pause or disconnect it, by number, name or role; start-node undoes it

import java.io.*;
import java.time.*;
import java.util.*;
import java.util.concurrent.*;
import java.util.stream.Stream;
import org.apache.kafka.clients.admin.*;
import org.apache.kafka.common.Node;
import org.apache.kafka.common.TopicPartitionInfo;
import org.apache.kafka.common.config.ConfigResource;
import org.apache.kafka.common.errors.UnknownTopicOrPartitionException;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/**
 * Breaks nodes of a lab cluster on purpose, and with {@code --restore} (alias start-node) undoes what was done to them.
 *
 * <p>It first works out what the fault means (voters left, partitions under min ISR or offline), says it, and refuses with exit
 * 12 to lose the quorum or a partition unless {@code --force} is given. How the nodes are reached is in Nodes, which this extends.
 *
 * <pre>kill-node controller --for 30s
 * kill-node --mode pause leader:test_topic-0
 * kill-node $(find-controller)
 * start-node all</pre>
 */
@Command(name = "kill-node", version = "kraft-lab 0.1.0", sortOptions = false,
        description = "Breaks nodes of the lab, after saying what it means; start-node (--restore) undoes it.")
class KillNode extends Nodes {
    @Parameters(paramLabel = "NODE", arity = "0..*", description = "1, kafka01, controller, leader:TOPIC-PARTITION, random, all, or - for ids on stdin.")
    List<String> targets = List.of();
    @Option(order = -2, names = "--mode", paramLabel = "kill|stop|pause|disconnect", defaultValue = "KILL",
            description = "SIGKILL; SIGTERM and wait; freeze; with Docker, cut off from the network (default: kill).")
    Mode mode;
    @Option(order = -2, names = "--for", paramLabel = "DURATION", description = "Undo the fault after this long, also when interrupted.")
    Duration lasting;
    @Option(order = -2, names = "--restore", description = "Undo whatever was done to the nodes, and wait until they are back.")
    boolean restore;
    @Option(order = -2, names = "--no-wait", description = "With --restore: do not wait.")
    boolean noWait;
    @Option(order = -2, names = "--dry-run", description = "Only say what it would mean.")
    boolean dryRun;
    @Option(order = -2, names = "--force", description = "Even if the quorum or a partition is lost by it.")
    boolean force;

    /** What was broken, or was being broken when an interrupt came. */
    final List<Target> broken = new ArrayList<>();

    /** @param at when the signal was sent or the command began; with Docker, when the engine saw it happen */
    public record Done(Target node, Mode mode, Instant at) { }

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
            for (Done d : restoreNodes(runtime)) if (!common.json) common.out.printf("%s restored%n", d.node.name());
            return 0;
        }
        if (lasting != null && runtime.name().equals("hooks") && startCommand == null) throw new Exit(2, "How to undo it after --for? Give --start-command.");
        try {
            for (Done d : breakNodes(runtime)) if (!common.json) common.out.printf("%s %s%n", d.node.name(), past(d.mode));
            if (lasting == null || dryRun) return 0;
            common.say("Undoing it in %.1f s (Ctrl-C: now).", lasting.toMillis() / 1e3);
            Thread.sleep(lasting.toMillis());
        } finally {
            if (lasting != null) undoAll(runtime);
        }
        if (!noWait) awaitBack(broken);
        return 0;
    }

    /** Also when interrupted, or when a fault was applied by half: what was broken for a while must not stay broken. */
    private void undoAll(NodeRuntime runtime) {
        boolean interrupted = Thread.interrupted();
        for (Target node : broken) {
            try {
                undo(runtime, node);
                common.say("%s restored", node.name());
            } catch (Exception e) { common.say("%s could not be restored: %s", node.name(), e.getMessage()); }
        }
        if (interrupted) Thread.currentThread().interrupt();
    }

    /** Applies the fault to every target. @throws Exit 12 when it would lose the quorum or a partition and --force is not given */
    public List<Done> breakNodes(NodeRuntime runtime) throws Exception {
        List<Target> nodes = resolve(runtime);
        for (Target node : nodes)
            if (List.of("down", past(mode)).contains(node.state())) throw new Exit(1, node.name() + " is " + node.state() + " already; start-node " + node.id() + " brings it back.");
        Impact impact = impact(nodes.stream().map(Target::id).toList(), gone(runtime));
        common.say("%s %s: %s", mode.name().toLowerCase(Locale.ROOT), String.join(", ", nodes.stream().map(Target::name).toList()), impact.sentence());
        if (dryRun) return List.of();
        if (impact.harmful() && !force) throw new Exit(REFUSED, "Refused: " + impact.reason() + "; --force does it all the same.");
        List<Done> done = new ArrayList<>();
        for (Target node : nodes) {
            broken.add(node);
            Instant at = runtime.fault(node, mode);
            done.add(new Done(node, mode, at));
            common.emit("fault", "node", node.id(), "name", node.name(), "mode", mode.name().toLowerCase(Locale.ROOT), "runtime", runtime.name(), "at", at.toString());
        }
        return done;
    }

    /** Undoes what was done to every target, and waits until each is registered and unfenced again. */
    public List<Done> restoreNodes(NodeRuntime runtime) throws Exception {
        List<Target> nodes = resolve(runtime);
        List<Done> done = new ArrayList<>();
        for (Target node : nodes) {
            if (node.state().equals("running")) common.say("%s runs already.", node.name());
            else if (!dryRun) done.add(undo(runtime, node));
        }
        if (!noWait && !dryRun) awaitBack(nodes);
        return done;
    }

    private Done undo(NodeRuntime runtime, Target node) throws Exception {
        Instant at = runtime.restore(node);
        common.emit("restored", "node", node.id(), "name", node.name(), "runtime", runtime.name(), "at", at.toString());
        return new Done(node, mode, at);
    }

    private void awaitBack(List<Target> nodes) throws Exception {
        long deadline = System.nanoTime() + common.timeout.toNanos();
        Set<Integer> wanted = new TreeSet<>(nodes.stream().map(Target::id).toList()), back = Set.of();
        // Without an active controller a node cannot register: its port stays closed, and this times out, rightly.
        try (Admin admin = Admin.create(common.client())) {
            for (; System.nanoTime() < deadline; Thread.sleep(100)) {
                back = registered(admin);
                if (back.containsAll(wanted) && nodes.stream().allMatch(n -> n.port() < 0 || Common.answers(n.host(), n.port(), 1000))) return;
            }
        }
        wanted.removeAll(back);
        throw new Exit(MISSED, "Started, but not back within " + common.timeout.toSeconds() + " s: " + (wanted.isEmpty() ? "does not answer on its port" : "node " + wanted
                + " is not registered") + "; without a quorum none can be (find-controller tells), --no-wait does not wait.");
    }

    private static Set<Integer> registered(Admin admin) throws InterruptedException {
        try {
            Set<Integer> ids = new HashSet<>();
            for (Node n : admin.describeCluster(new DescribeClusterOptions().timeoutMs(1500)).nodes().get()) ids.add(n.id());
            return ids;
        } catch (ExecutionException e) { return Set.of(); }
    }

    // ---- Which nodes ----

    private List<Target> resolve(NodeRuntime runtime) throws Exception {
        List<String> words = new ArrayList<>();
        for (String word : targets) {
            if (word.equals("-")) words.addAll(new BufferedReader(new InputStreamReader(System.in)).lines().flatMap(l -> Stream.of(l.trim().split("\\s+"))).filter(w -> !w.isEmpty()).toList());
            else words.add(word);
        }
        if (words.isEmpty()) throw new Exit(2, "Which node? Name it by id, name, controller, leader:TOPIC-PARTITION, random or all (see --help).");
        List<Target> known = runtime.nodes();
        Map<Integer, Target> chosen = new LinkedHashMap<>();
        for (String word : words) {
            List<Target> found = switch (word) {
                case "all" -> known;
                case "random" -> random(known, chosen.keySet());
                case "controller" -> List.of(byId(known, controller(), word));
                default -> List.of(word.startsWith("leader:") ? byId(known, leader(word.substring(7)), word) : byName(known, word));
            };
            found.forEach(t -> chosen.put(t.id(), t));
        }
        return List.copyOf(chosen.values());
    }

    private static List<Target> random(List<Target> known, Set<Integer> taken) {
        List<Target> free = new ArrayList<>(known.stream().filter(t -> !taken.contains(t.id()) && !t.state().equals("down")).toList());
        if (free.isEmpty()) throw new Exit(1, "No running node is left to choose from.");
        return List.of(free.get(ThreadLocalRandom.current().nextInt(free.size())));
    }

    private static Target byName(List<Target> known, String word) {
        return known.stream().filter(t -> word.equals("" + t.id()) || word.equals(t.name())).findFirst().orElseThrow(() ->
                new Exit(2, "There is no node '" + word + "'; there are " + String.join(", ", known.stream().map(t -> t.id() + " (" + t.name() + ")").toList()) + "."));
    }

    private static Target byId(List<Target> known, int id, String word) {
        return known.stream().filter(t -> t.id() == id).findFirst().orElseThrow(() -> new Exit(1, "The node of '" + word + "' is " + id + ", which this runtime does not run."));
    }

    private int controller() throws Exception {
        try (Admin admin = common.admin()) {
            long deadline = System.nanoTime() + common.timeout.toNanos();
            do {
                Optional<QuorumInfo> quorum = quorum(admin);
                if (quorum.isPresent()) return quorum.get().leaderId();
                Thread.sleep(100);
            } while (System.nanoTime() < deadline);
            throw new Exit(NO_CONTROLLER, "There is no active controller to break: find-controller says who is missing.");
        }
    }

    private static Optional<QuorumInfo> quorum(Admin admin) throws InterruptedException {
        try {
            return Optional.of(admin.describeMetadataQuorum(new DescribeMetadataQuorumOptions().timeoutMs(2000)).quorumInfo().get()).filter(q -> q.leaderId() >= 0);
        } catch (ExecutionException e) { return Optional.empty(); }
    }

    private int leader(String partition) throws Exception {
        int dash = partition.lastIndexOf('-');
        if (dash < 1 || !partition.substring(dash + 1).matches("\\d+")) throw new Exit(2, "'leader:" + partition + "' is not leader:TOPIC-PARTITION, such as leader:test_topic-0.");
        String topic = partition.substring(0, dash);
        int number = Integer.parseInt(partition.substring(dash + 1));
        try (Admin admin = common.admin()) {
            TopicPartitionInfo info = admin.describeTopics(List.of(topic)).allTopicNames().get().get(topic).partitions().stream()
                    .filter(p -> p.partition() == number).findFirst().orElseThrow(() -> new Exit(2, topic + " has no partition " + number + "."));
            if (info.leader() == null || info.leader().isEmpty()) throw new Exit(1, partition + " has no leader.");
            return info.leader().id();
        } catch (ExecutionException e) {
            if (e.getCause() instanceof UnknownTopicOrPartitionException) throw new Exit(2, "There is no topic " + topic + ".");
            throw e;
        }
    }

    // ---- What it means ----

    /** @param voters ids of the quorum's voters, empty when there is no quorum now  @param left voters alive after the fault */
    record Impact(Set<Integer> voters, Set<Integer> left, int controller, List<Integer> nodes, int underMinIsr, int offline, int partitions) {
        boolean losesQuorum() { return left.size() * 2 <= voters.size(); }
        boolean harmful() { return losesQuorum() || offline > 0; }

        String sentence() {
            if (voters.isEmpty()) return "there is no active controller, so what it means for the partitions cannot be known.";
            return (nodes.contains(controller) ? "the active controller is among them; " : "") + left.size() + " of " + voters.size() + " voters left, "
                    + (losesQuorum() ? "the quorum is lost" : "the quorum holds") + "; of " + partitions + " partitions " + underMinIsr
                    + " fall under min ISR, " + offline + " go offline.";
        }

        String reason() {
            if (voters.isEmpty()) return "without an active controller nobody can say what would be lost";
            List<String> reasons = new ArrayList<>();
            if (losesQuorum()) reasons.add("the quorum would be lost (" + left.size() + " of " + voters.size() + " voters left)");
            if (offline > 0) reasons.add(offline + " of " + partitions + " partitions would go offline");
            return String.join(", and ", reasons);
        }
    }

    /** Nodes that are not there, whatever the metadata still says: it takes seconds to learn of a death. */
    private static Set<Integer> gone(NodeRuntime runtime) throws Exception {
        Set<Integer> gone = new HashSet<>();
        for (Target t : runtime.nodes())
            if (t.state().equals("unknown") ? !Common.answers(t.host(), t.port(), 1000) : !t.state().equals("running")) gone.add(t.id());
        return gone;
    }

    private Impact impact(List<Integer> nodes, Set<Integer> gone) throws Exception {
        try (Admin admin = common.admin()) {
            Optional<QuorumInfo> found = quorum(admin);
            if (found.isEmpty()) return new Impact(Set.of(), Set.of(), -1, nodes, 0, 0, 0);
            QuorumInfo quorum = found.get();
            // Alive is who fetched lately, by the leader's clock; the leader counts by being it.
            long now = quorum.voters().stream().filter(v -> v.replicaId() == quorum.leaderId()).mapToLong(v -> v.lastFetchTimestamp().orElse(-1)).findFirst().orElse(-1);
            Set<Integer> voters = new TreeSet<>(), left = new TreeSet<>();
            for (QuorumInfo.ReplicaState v : quorum.voters()) {
                voters.add(v.replicaId());
                boolean alive = v.replicaId() == quorum.leaderId() || now - v.lastFetchTimestamp().orElse(-1) <= 3000;
                if (alive && !nodes.contains(v.replicaId()) && !gone.contains(v.replicaId())) left.add(v.replicaId());
            }
            int under = 0, offline = 0, partitions = 0;
            Map<String, TopicDescription> topics = admin.describeTopics(admin.listTopics(new ListTopicsOptions().listInternal(true)).names().get()).allTopicNames().get();
            Map<String, Integer> minIsr = minIsr(admin, topics.keySet());
            for (TopicDescription topic : topics.values()) {
                for (TopicPartitionInfo p : topic.partitions()) {
                    partitions++;
                    if (p.isr().stream().noneMatch(n -> nodes.contains(n.id()))) continue;
                    long remaining = p.isr().stream().filter(n -> !nodes.contains(n.id()) && !gone.contains(n.id())).count();
                    if (remaining == 0) offline++;
                    else if (remaining < minIsr.get(topic.name())) under++;
                }
            }
            return new Impact(voters, left, quorum.leaderId(), nodes, under, offline, partitions);
        }
    }

    private static Map<String, Integer> minIsr(Admin admin, Set<String> topics) throws Exception {
        Map<String, Integer> minIsr = new HashMap<>();
        List<ConfigResource> resources = topics.stream().map(t -> new ConfigResource(ConfigResource.Type.TOPIC, t)).toList();
        admin.describeConfigs(resources).all().get().forEach((topic, config) -> minIsr.put(topic.name(), Integer.parseInt(config.get("min.insync.replicas").value())));
        return minIsr;
    }
}
