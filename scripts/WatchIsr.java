///usr/bin/env jbang "$0" "$@" ; exit $?
//JAVA 17+
//DEPS org.apache.kafka:kafka-clients:4.4.0
//DEPS info.picocli:picocli:4.7.7
//DEPS com.fasterxml.jackson.jr:jackson-jr-objects:2.21.7
//DEPS org.slf4j:slf4j-simple:1.7.36
// Mostly waiting: C1 and the serial collector start a third faster and leave the cores to the cluster.
//JAVAC_OPTIONS -J-XX:TieredStopAtLevel=1 -J-XX:+UseSerialGC
//DESCRIPTION Shows in-sync replicas and offline partitions; waits for a condition

import static java.util.stream.Collectors.*;

import com.fasterxml.jackson.jr.ob.JSON;
import java.io.*;
import java.net.*;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.*;
import java.time.*;
import java.time.format.DateTimeFormatter;
import java.util.*;
import java.util.concurrent.*;
import java.util.concurrent.ExecutionException;
import java.util.function.*;
import java.util.regex.Pattern;
import java.util.stream.*;
import org.apache.kafka.clients.admin.*;
import org.apache.kafka.common.*;
import org.apache.kafka.common.config.*;
import org.apache.kafka.common.errors.*;
import org.apache.kafka.common.protocol.ApiKeys;
import org.apache.kafka.common.protocol.ByteBufferAccessor;
import org.apache.kafka.common.requests.*;
import org.apache.kafka.common.utils.Utils;
import picocli.CommandLine;
import picocli.CommandLine.*;
import picocli.CommandLine.Model.CommandSpec;

/**
 * Watches the in-sync replicas and what they depend on: brokers, active controller, ports.
 *
 * <p>Brokers answer with the metadata they last received. Without a quorum it is frozen: the ISR of two dead nodes
 * still reads 48 of 48. So metadata, quorum and ports are polled side by side; the quorum by a client of its own, since
 * a paused controller blocks what follows on a connection. The metadata is alive while a majority follows a controller,
 * or while its offset advances, which an active controller does twice a second.
 *
 * <pre>watch-isr --until in-sync --timeout 2m
 * watch-isr --once --json | jq .inSync</pre>
 */
@Command(
        name = "watch-isr",
        version = "kraft-lab 0.1.0",
        sortOptions = false,
        description =
                "Shows the active controller, brokers, online and under-replicated partitions and in-sync replicas:"
                        + " one line for every change, until Ctrl-C.")
class WatchIsr implements Callable<Integer> {
    /** No request waits longer. */
    private static final int REQUEST_MS = 1_500;
    /** No election takes longer: without a controller for so long, metadata is frozen even if all ports answer. */
    private static final int ELECTION_MS = 10_000;
    /** The permission that shows the controller. */
    private static final String NEEDS = "DESCRIBE on the cluster";

    /** The conditions of --until. Only no-quorum can hold while the metadata is frozen. */
    enum Until implements Predicate<Snapshot> {
        IN_SYNC(s -> s.behind().isEmpty()),
        UNDER_REPLICATED(s -> s.alive() && s.total().underReplicated > 0),
        OFFLINE(s -> s.alive() && !s.offline().isEmpty()),
        NO_QUORUM(s -> s.frozenSince() != null);

        private final Predicate<Snapshot> condition;

        Until(Predicate<Snapshot> condition) {
            this.condition = condition;
        }

        @Override
        public boolean test(Snapshot snapshot) {
            return condition.test(snapshot);
        }

        @Override
        public String toString() {
            return name().toLowerCase(Locale.ROOT).replace('_', '-');
        }
    }

    @Option(names = "--once", description = "Print the current state and exit.")
    boolean once;

    @Option(
            names = "--until",
            paramLabel = "CONDITION",
            description = "Exit when this holds: ${COMPLETION-CANDIDATES}; exit 15 if it does not within --timeout.")
    Until until;

    @Option(names = "--topic", paramLabel = "TOPIC", description = "Only this topic; may be repeated (default: all).")
    Set<String> topics = new TreeSet<>();

    @Option(names = "--internal", description = "Include internal topics.")
    boolean internal;

    @Option(
            names = "--interval",
            paramLabel = "DURATION",
            defaultValue = "500ms",
            description = "Interval between polls (default: ${DEFAULT-VALUE}).")
    Duration interval;

    @Mixin
    Common common = new Common();

    private Screen screen = Screen.none();

    public static void main(String... args) {
        System.exit(run(Screen.OUT, Screen.ERR, args));
    }

    /** Runs the script without a process. @return the exit code */
    public static int run(PrintWriter out, PrintWriter err, String... args) {
        WatchIsr script = new WatchIsr();
        return script.common.run(script, out, err, args);
    }

    @Override
    public Integer call() throws Exception {
        if (once) return printOnce();
        screen = common.json ? Screen.none() : Screen.on(common.out);
        if (Screen.COLOURS) screen.paint = WatchIsr::paint;
        common.out = screen.above(common.out, line -> Screen.cut(line, screen.width()));
        try {
            boolean ended = until == null ? watch(s -> false, null) : watch(until, common.timeout);
            return ended ? 0 : 130;
        } finally {
            screen.keep();
        }
    }

    private int printOnce() throws Exception {
        Snapshot now = look();
        common.emit("isr", now.fields());
        if (!common.json) common.out.println(now.state().replace(" | ", System.lineSeparator()));
        if (until != null && !until.test(now)) throw new Exit(MISSED, "Not " + until + ": " + now.lacking() + ".");
        return 0;
    }

    /** Returns the current state. Without a controller it takes some seconds, so as not to rely on one slow answer. */
    public Snapshot look() throws Exception {
        return loop(s -> true, 1, common.timeout, s -> {});
    }

    /** Waits silently until the condition holds twice in a row (a broker may lag); exit 15 if it does not in time. */
    public Snapshot await(Predicate<Snapshot> condition, Duration timeout) throws Exception {
        return loop(condition, 2, timeout, s -> {});
    }

    /** Prints and emits every change. @return true when the condition holds or stdout closes, false if interrupted */
    public boolean watch(Predicate<Snapshot> condition, Duration timeout) throws Exception {
        ChangePrinter changes = new ChangePrinter();
        long start = System.nanoTime();
        try {
            loop(condition, 2, timeout, snapshot -> {
                changes.accept(snapshot);
                if (screen.isOn()) screen.draw(view(snapshot, (System.nanoTime() - start) / 1_000_000_000));
            });
            return true;
        } catch (InterruptedException | InterruptException e) {
            screen.keep();
            double seconds = (System.nanoTime() - start) / 1e9;
            common.say("Watched for %.1f s, %d changes.", seconds, Math.max(0, changes.printed - 1));
            return false;
        }
    }

    private Snapshot loop(Predicate<Snapshot> condition, int times, Duration timeout, Consumer<Snapshot> each)
            throws Exception {
        long start = System.nanoTime();
        long limit = (timeout == null ? common.timeout : timeout).toNanos();
        Object name = condition instanceof Until ? condition : "as awaited";
        int held = 0, answers = -1;
        try (ClusterPoller poller = new ClusterPoller()) {
            while (true) {
                long next = System.nanoTime() + interval.toNanos();
                Snapshot now = poller.poll(next);
                if (now != null) {
                    each.accept(now);
                    if (!condition.test(now)) held = 0;
                    else if (now.described.answers != answers) held++;
                    answers = now.described.answers;
                    if (held == times || common.out.checkError()) return now;
                }
                if (System.nanoTime() - start > limit) {
                    if (now == null) now = poller.late(limit);
                    if (times == 1) return now;
                    if (timeout != null)
                        throw new Exit(
                                MISSED, "Not " + name + " after " + limit / 1_000_000 + " ms: " + now.lacking() + ".");
                }
                TimeUnit.NANOSECONDS.sleep(next - System.nanoTime());
            }
        }
    }

    /** The partitions and replicas of one topic, or of all. */
    record ReplicaCounts(int online, int partitions, int underReplicated, int inSync, int replicas) {
        static ReplicaCounts of(Collection<TopicPartitionInfo> partitions) {
            int online = 0, underReplicated = 0, inSync = 0, replicas = 0;
            for (TopicPartitionInfo partition : partitions) {
                if (isOnline(partition)) online++;
                if (partition.isr().size() < partition.replicas().size()) underReplicated++;
                inSync += partition.isr().size();
                replicas += partition.replicas().size();
            }
            return new ReplicaCounts(online, partitions.size(), underReplicated, inSync, replicas);
        }

        static boolean isOnline(TopicPartitionInfo partition) {
            return partition.leader() != null && !partition.leader().isEmpty();
        }

        private Map<String, Integer> fields() {
            return new TreeMap<>(
                    Map.of("inSync", inSync, "online", online, "partitions", partitions, "replicas", replicas));
        }

        private String inSyncOfAll() {
            return inSync + " of " + replicas;
        }
    }

    /**
     * The controller, -1 when none is known, since {@code leaderless}. {@code moving}: the metadata advances all the
     * same. {@code hidden}: the principal may not see the quorum.
     */
    record Quorum(int controller, long epoch, String leaderless, String frozenSince, boolean moving, boolean hidden) {
        private boolean isHiddenButAlive() {
            return hidden && frozenSince == null;
        }
    }

    /** The partitions by topic; none for an unknown one. {@code answers}: how often a broker has answered so far. */
    record Topics(Map<String, List<TopicPartitionInfo>> partitions, boolean fresh, int answers) {}

    /**
     * What one poll shows. {@code brokers} are those registered and unfenced; {@code nodes} has for each port whether
     * it answers, refuses or is silent (paused); {@code controllers} are the voters that are not brokers.
     */
    record Snapshot(
            String ts,
            Quorum quorum,
            List<Integer> brokers,
            Map<Integer, String> nodes,
            Set<Integer> controllers,
            Topics described) {
        int controller() {
            return quorum.controller;
        }

        long epoch() {
            return quorum.epoch;
        }

        String leaderless() {
            return quorum.leaderless;
        }

        String frozenSince() {
            return quorum.frozenSince;
        }

        Map<String, List<TopicPartitionInfo>> topics() {
            return described.partitions;
        }

        boolean alive() {
            return described.fresh && (controller() >= 0 || quorum.moving || quorum.isHiddenButAlive());
        }

        ReplicaCounts total() {
            return ReplicaCounts.of(partitions().toList());
        }

        List<Integer> nodes(String state) {
            return nodes.keySet().stream()
                    .filter(id -> nodes.get(id).equals(state))
                    .toList();
        }

        Stream<TopicPartitionInfo> partitions() {
            return topics().values().stream().flatMap(List::stream);
        }

        Set<TopicPartition> offline() {
            Set<TopicPartition> offline = new LinkedHashSet<>();
            topics().forEach((topic, partitions) -> partitions.stream()
                    .filter(p -> !ReplicaCounts.isOnline(p))
                    .forEach(p -> offline.add(new TopicPartition(topic, p.partition()))));
            return offline;
        }

        Map<Integer, Integer> isrs() {
            return partitions()
                    .flatMap(p -> p.isr().stream())
                    .collect(Collectors.toMap(Node::id, n -> 1, Integer::sum, TreeMap::new));
        }

        /** Returns what is not in sync. A dead broker is in the ISR until it is fenced, so its port must answer too. */
        List<String> behind() {
            List<String> behind = new ArrayList<>();
            ReplicaCounts total = total();
            if (controller() < 0 && !quorum.isHiddenButAlive()) behind.add(quorumState());
            if (!described.fresh) behind.add("no broker describes the topics");
            topics().forEach((topic, partitions) -> {
                if (partitions.isEmpty()) behind.add("no topic " + topic);
            });
            if (total.inSync < total.replicas) behind.add("in-sync replicas " + total.inSyncOfAll());
            if (total.online < total.partitions)
                behind.add("online " + total.online + " of " + total.partitions + " partitions");
            for (int id : hosts()) {
                String state = nodes.getOrDefault(id, "unknown");
                if (!state.equals("answers")) behind.add("node " + id + " " + state);
                else if (!brokers.contains(id)) behind.add("node " + id + " fenced");
            }
            return behind;
        }

        /** Returns the brokers that have a replica, or all if there is no replica. */
        private Set<Integer> hosts() {
            Set<Integer> hosts = new TreeSet<>();
            partitions().forEach(p -> p.replicas().forEach(replica -> hosts.add(replica.id())));
            if (!hosts.isEmpty()) return hosts;
            hosts.addAll(nodes.keySet());
            hosts.removeAll(controllers);
            return hosts;
        }

        String lacking() {
            return behind().isEmpty() ? state() : String.join(", ", behind());
        }

        private String quorumState() {
            if (quorum.isHiddenButAlive()) return "controller not shown (the principal needs " + NEEDS + ")";
            if (controller() >= 0) return "controller " + controller() + " epoch " + epoch();
            if (frozenSince() != null) {
                String lost = "quorum lost, metadata frozen since " + leaderless();
                return nodes("answers").isEmpty() ? lost + ", no node answers" : lost;
            }
            return quorum.moving ? "controller unknown, metadata moves" : "no active controller since " + leaderless();
        }

        String brief() {
            return quorumState().replaceAll("\\d{4}-\\d\\d-\\d\\dT([\\d:]{8})\\S*Z", "$1");
        }

        /** Returns everything in one line, except what changes all the time: two equal states are no change. */
        String state() {
            List<String> parts = new ArrayList<>(List.of(quorumState()));
            if (nodes("answers").size() < nodes.size()) parts.add("ports: " + ports());
            if (!controllers.isEmpty()) parts.add("dedicated controllers " + commas(controllers));
            parts.add((frozenSince() == null ? "" : "last known: ") + "brokers " + commas(brokers));
            ReplicaCounts total = total();
            parts.add("online " + total.online + " of " + total.partitions);
            parts.add("URP " + total.underReplicated);
            String each = topics().entrySet().stream()
                    .map(topic -> printable(topic.getKey()) + " " + inSync(topic.getValue()))
                    .collect(Collectors.joining(", "));
            parts.add("in-sync replicas " + total.inSyncOfAll() + " (" + (each.isEmpty() ? "no topics" : each) + ")");
            return String.join(" | ", parts);
        }

        private static String inSync(List<TopicPartitionInfo> topic) {
            return topic.isEmpty() ? "unknown" : ReplicaCounts.of(topic).inSyncOfAll();
        }

        private String ports() {
            return Stream.of("answers", "refuses", "silent")
                    .filter(state -> !nodes(state).isEmpty())
                    .map(state -> state + " " + commas(nodes(state)))
                    .collect(Collectors.joining(", "));
        }

        Object[] fields() {
            Map<String, Object> counts = new LinkedHashMap<>();
            topics().forEach((topic, partitions) ->
                    counts.put(topic, ReplicaCounts.of(partitions).fields()));
            ReplicaCounts total = total();
            List<Object> fields = new ArrayList<>();
            Collections.addAll(fields, "online", total.online, "partitions", total.partitions);
            Collections.addAll(fields, "underReplicated", total.underReplicated, "inSync", total.inSync);
            Collections.addAll(fields, "replicas", total.replicas, "brokers", brokers, "topics", counts);
            Collections.addAll(fields, "controller", controller(), "epoch", epoch(), "answering", nodes("answers"));
            Collections.addAll(fields, "frozenSince", frozenSince(), "controllers", controllers);
            Collections.addAll(fields, "needs", quorum.hidden ? NEEDS : null);
            return fields.toArray();
        }
    }

    /** What one broker knows. */
    private record Metadata(
            Collection<Node> nodes,
            Map<String, List<TopicPartitionInfo>> topics,
            long offset,
            Map<Integer, Node> voters) {}

    /** Polls metadata, quorum and ports at the same time, and makes one snapshot of the newest answers. */
    private class ClusterPoller implements AutoCloseable {
        private final String bootstrap = bootstrap();
        private final RenewedAdmin admin = new RenewedAdmin(bootstrap);
        private final RenewedAdmin quorumAdmin = new RenewedAdmin(bootstrap);
        private final ExecutorService pool = Executors.newCachedThreadPool(task -> {
            Thread t = new Thread(task, "poll");
            t.setDaemon(true);
            return t;
        });
        private final Poll<Metadata> metadata = new Poll<>(() -> metadata(admin.current), admin);
        private final Poll<QuorumInfo> quorum = new Poll<>(() -> quorum(quorumAdmin.current), quorumAdmin);
        private final Map<Integer, Poll<String>> ports = new TreeMap<>();
        private final Set<Integer> everAnswered = new HashSet<>();
        private Map<Integer, Node> configured = Map.of();
        private long highestOffset = -1, movedAt = System.nanoTime(), movedBefore = movedAt;
        private int goneAt = -1;

        ClusterPoller() throws IOException {}

        private String bootstrap() throws IOException {
            common.usable(); // or exit 10 and the reason
            List<Node> answering = common.bootstrapNodes().parallelStream()
                    .filter(n -> Common.answers(n.host(), n.port(), 1_000))
                    .toList();
            if (answering.isEmpty()) throw common.unreachable("nothing answers there");
            return addresses(answering.stream());
        }

        /** Waits no longer than until then. @return null while a request has had no answer yet */
        Snapshot poll(long then) throws Exception {
            Map<Integer, Node> nodes = nodes();
            ports.keySet().retainAll(nodes.keySet());
            nodes.forEach((id, node) -> ports.computeIfAbsent(id, i -> new Poll<>(() -> port(node), null)));
            List<Poll<?>> polls = new ArrayList<>(List.of(metadata, quorum));
            polls.addAll(ports.values());
            for (Poll<?> poll : polls) poll.start(pool);
            for (Poll<?> poll : polls) poll.take(then);
            requirePermission();
            if (metadata.answer == null) return null;
            if (metadata.answer.offset > highestOffset) {
                movedBefore = movedAt;
                movedAt = System.nanoTime();
                highestOffset = metadata.answer.offset;
            }
            boolean askedQuorum = quorum.answers > 0 || quorum.failed > 1;
            boolean askedPorts = ports.values().stream().allMatch(p -> p.answers + p.failed > 0);
            return askedQuorum && askedPorts && !ports.containsKey(-1) ? snapshot() : null;
        }

        /** Returns brokers and voters; before the first answer, the bootstrap addresses with negative ids. */
        private Map<Integer, Node> nodes() {
            Map<Integer, Node> nodes = metadata.answer == null ? new TreeMap<>() : voters();
            Collection<Node> brokers = metadata.answer == null ? common.bootstrapNodes() : metadata.answer.nodes;
            for (Node broker : brokers) nodes.put(broker.id(), broker);
            return nodes;
        }

        private void requirePermission() {
            if (metadata.answers == 0 && metadata.problem instanceof Exit notPermitted) throw notPermitted;
            for (Poll<?> poll : List.of(metadata, quorum)) {
                if (poll.answers > 0 || poll == quorum && isHidden()) continue;
                if (poll.problem instanceof ApiException e && !(e instanceof RetriableException)) throw e;
            }
        }

        private boolean isHidden() {
            return quorum.answers == 0 && quorum.problem instanceof ClusterAuthorizationException;
        }

        /** Returns the voters' addresses, from the quorum's last answer, else as configured. */
        private Map<Integer, Node> voters() {
            Map<Integer, Node> voters = new TreeMap<>(metadata.answer.voters);
            if (quorum.answer == null) return voters;
            voters.keySet().retainAll(voterIds());
            quorum.answer.nodes().forEach((id, node) -> {
                if (!voterIds().contains(id)) return;
                for (var endpoint : node.endpoints()) voters.put(id, new Node(id, endpoint.host(), endpoint.port()));
            });
            return voters;
        }

        private Set<Integer> voterIds() {
            if (quorum.answer == null) return metadata.answer.voters.keySet();
            return quorum.answer.voters().stream()
                    .map(QuorumInfo.ReplicaState::replicaId)
                    .collect(Collectors.toSet());
        }

        Snapshot late(long limit) throws IOException {
            if (metadata.answer == null) common.requireReachable();
            if (metadata.answer == null) throw common.unreachable("no answer within " + limit / 1_000_000 + " ms");
            return snapshot();
        }

        private Snapshot snapshot() {
            Map<Integer, String> states = portStates();
            Set<Integer> controllers = new TreeSet<>(voterIds());
            metadata.answer.nodes.forEach(broker -> controllers.remove(broker.id()));
            boolean gone = isControllerGone(states);
            goneAt = gone ? quorum.answers : -1; // until the quorum answers again
            // Clients often cannot reach the controllers: while the quorum lives, a port that never answered says
            // nothing.
            if (!gone) states.keySet().removeIf(id -> controllers.contains(id) && !everAnswered.contains(id));
            useAnswering(states);
            SortedSet<Integer> unfenced = new TreeSet<>();
            for (Node node : metadata.answer.nodes) if (!node.isFenced()) unfenced.add(node.id());
            Topics topics = new Topics(metadata.answer.topics, metadata.failed == 0, metadata.answers);
            return new Snapshot(timestamp(), quorum(gone, states), List.copyOf(unfenced), states, controllers, topics);
        }

        private Map<Integer, String> portStates() {
            Map<Integer, String> states = new TreeMap<>();
            ports.forEach((id, poll) -> {
                boolean silent = poll.answer == null || poll.failed > 1; // one slow answer does not count
                states.put(id, silent ? "silent" : poll.answer);
                if (states.get(id).equals("answers")) everAnswered.add(id);
            });
            return states;
        }

        private boolean isControllerGone(Map<Integer, String> states) {
            if (quorum.answer == null || goneAt == quorum.answers) return true;
            String port = states.getOrDefault(quorum.answer.leaderId(), "");
            if (quorum.failed > 1) return !(isMoving() && port.equals("answers"));
            if (quorum.failed == 1) return port.equals("refuses") || port.equals("silent");
            return quorum.pending != null && port.equals("refuses");
        }

        /** Returns whether the metadata has advanced twice: a single broker may just know more than another. */
        private boolean isMoving() {
            return System.nanoTime() - movedAt < 2_000_000_000L && movedBefore - quorum.sinceNs > 1_000_000_000L;
        }

        private Quorum quorum(boolean gone, Map<Integer, String> states) {
            String frozenSince = isFrozen(gone, states) ? quorum.since : null;
            QuorumInfo known = quorum.answer;
            if (!gone)
                return new Quorum(known.leaderId(), known.leaderEpoch(), null, frozenSince, isMoving(), isHidden());
            String leaderless = quorum.since + (known == null ? " or before" : "");
            return new Quorum(-1, -1, leaderless, frozenSince, isMoving(), isHidden());
        }

        private boolean isFrozen(boolean gone, Map<Integer, String> states) {
            Set<Integer> voters = voterIds();
            long answering = voters.stream()
                    .filter(id -> "answers".equals(states.get(id)))
                    .count();
            boolean known = !voters.isEmpty() && states.keySet().containsAll(voters);
            boolean minority = known && answering * 2 <= voters.size();
            long now = System.nanoTime();
            if (isHidden()) return (now - movedAt) / 1_000_000 > (minority ? 2 * REQUEST_MS : ELECTION_MS);
            boolean lost = gone && !isMoving() && quorum.failed > 1;
            return lost && (minority || (now - quorum.sinceNs) / 1_000_000 > ELECTION_MS);
        }

        /** Has the clients connect next to nodes that answer. */
        private void useAnswering(Map<Integer, String> states) {
            Predicate<Integer> answers = id -> "answers".equals(states.get(id));
            String brokers = addresses(metadata.answer.nodes.stream().filter(n -> answers.test(n.id())));
            if (!brokers.isEmpty()) {
                admin.brokers = brokers;
                quorumAdmin.brokers = brokers;
            }
            if (quorum.answer == null) return;
            quorumAdmin.controllers = addresses(quorum.answer.nodes().values().stream()
                    .filter(n -> answers.test(n.nodeId()))
                    .flatMap(n -> n.endpoints().stream())
                    .map(e -> new Node(-1, e.host(), e.port())));
        }

        private Metadata metadata(Admin admin) throws Exception {
            DescribeClusterOptions withFenced = new DescribeClusterOptions().includeFencedBrokers(true);
            Collection<Node> nodes = admin.describeCluster(withFenced).nodes().get();
            Map<String, List<TopicPartitionInfo>> described = describeTopics(admin);
            if (configured.isEmpty() && quorum.answer == null) configured = configuredVoters(admin, nodes);
            var features = admin.describeFeatures().featureMetadata().get();
            long offset = features.finalizedFeaturesEpoch().orElse(-1L);
            return new Metadata(nodes, described, offset, configured);
        }

        private Map<String, List<TopicPartitionInfo>> describeTopics(Admin admin) throws Exception {
            Collection<String> names = topics;
            if (names.isEmpty())
                names = admin.listTopics(new ListTopicsOptions().listInternal(internal))
                        .names()
                        .get();
            Map<String, List<TopicPartitionInfo>> described = new TreeMap<>();
            for (var topic : admin.describeTopics(names).topicNameValues().entrySet()) {
                String name = topic.getKey();
                try {
                    described.put(name, topic.getValue().get().partitions());
                } catch (ExecutionException e) {
                    if (e.getCause() instanceof TopicAuthorizationException)
                        throw new Exit(
                                1,
                                "Not permitted to see topic " + name + ": the principal needs DESCRIBE on the topic.");
                    if (!(e.getCause() instanceof UnknownTopicOrPartitionException)) throw e;
                    if (!topics.isEmpty()) described.put(name, List.of());
                }
            }
            return described;
        }

        /** Returns the voters a broker is configured with; none if it may not be asked or the quorum is dynamic. */
        private static Map<Integer, Node> configuredVoters(Admin admin, Collection<Node> brokers)
                throws InterruptedException {
            Map<Integer, Node> voters = new TreeMap<>();
            for (Node broker : brokers) {
                if (!Common.answers(broker.host(), broker.port(), 500)) continue;
                ConfigResource resource = new ConfigResource(ConfigResource.Type.BROKER, broker.idString());
                try {
                    var config = admin.describeConfigs(Set.of(resource)).all().get();
                    ConfigEntry entry = config.get(resource).get("controller.quorum.voters");
                    var m = VOTER.matcher(entry == null || entry.value() == null ? "" : entry.value());
                    while (m.find()) {
                        int id = Integer.parseInt(m.group(1));
                        voters.put(id, new Node(id, m.group(2), Integer.parseInt(m.group(3))));
                    }
                } catch (ExecutionException unknown) {
                    // as if there were none
                }
                break;
            }
            return voters;
        }

        /** As in find-controller, a leader counts while a majority fetches from it, as the leader measures it. */
        private static QuorumInfo quorum(Admin admin) throws Exception {
            QuorumInfo quorum = admin.describeMetadataQuorum().quorumInfo().get();
            Map<Integer, Long> fetched = new HashMap<>();
            for (var voter : quorum.voters())
                fetched.put(voter.replicaId(), voter.lastFetchTimestamp().orElse(-1));
            long now = fetched.getOrDefault(quorum.leaderId(), -1L);
            long following =
                    fetched.values().stream().filter(at -> now - at <= 3_000).count();
            if (quorum.leaderId() < 0 || following * 2 <= fetched.size())
                throw new LeaderNotAvailableException("no controller that a majority follows");
            return quorum;
        }

        private static String port(Node node) throws IOException {
            long start = System.nanoTime();
            if (Common.answers(node.host(), node.port(), 1_000)) return "answers";
            if (System.nanoTime() - start < 900_000_000) return "refuses";
            throw new SocketTimeoutException("silent");
        }

        @Override
        public void close() {
            pool.shutdownNow();
            admin.close();
            quorumAdmin.close();
        }
    }

    /** A voter in controller.quorum.voters. */
    private static final java.util.regex.Pattern VOTER =
            java.util.regex.Pattern.compile("(\\d{1,9})@\\[?([^\\s,@]+?)\\]?:(\\d{1,5})(?=\\s*(?:,|$))");

    private static String addresses(Stream<Node> nodes) {
        return nodes.map(n -> (n.host().contains(":") ? "[" + n.host() + "]" : n.host()) + ":" + n.port())
                .collect(Collectors.joining(","));
    }

    /**
     * An Admin that is replaced when it has given no answer: one that has begun to connect to a paused node waits for
     * that node. And a broker goes on asking a paused controller for 30 s, whoever leads by then: so every other
     * replacement asks the controllers that are known and reachable.
     */
    private class RenewedAdmin implements AutoCloseable {
        private volatile String brokers, controllers = "";
        private boolean direct;
        private volatile Admin current;

        RenewedAdmin(String brokers) throws IOException {
            this.brokers = brokers;
            current = create();
        }

        private Admin create() throws IOException {
            Properties properties =
                    common.client("request.timeout.ms", REQUEST_MS, "default.api.timeout.ms", REQUEST_MS);
            properties.remove("bootstrap.servers");
            properties.put(direct ? "bootstrap.controllers" : "bootstrap.servers", direct ? controllers : brokers);
            return Admin.create(properties);
        }

        private synchronized void renew() throws IOException {
            if (current == null) return;
            current.close(Duration.ZERO);
            direct = !direct && !controllers.isEmpty();
            try {
                current = create();
            } catch (org.apache.kafka.common.KafkaException noSuchHost) {
                direct = false;
                current = create();
            }
        }

        @Override
        public synchronized void close() {
            current.close(Duration.ZERO);
            current = null;
        }
    }

    /** A repeated request: its newest answer, how many attempts failed since, and when the first of these began. */
    private static class Poll<T> {
        private final Callable<T> request;
        private Future<T> pending;
        private T answer;
        private Throwable problem;
        private int answers, failed;
        private String since;
        private long sinceNs;

        Poll(Callable<T> request, RenewedAdmin admin) {
            this.request = () -> {
                try {
                    return request.call();
                } catch (Exception e) {
                    if (admin != null) admin.renew();
                    throw e;
                }
            };
        }

        void start(ExecutorService pool) {
            if (pending != null) return;
            if (failed == 0) {
                since = timestamp();
                sinceNs = System.nanoTime();
            }
            pending = pool.submit(request);
        }

        /** Takes the answer if it is there by then; else the request stays pending. */
        void take(long then) throws InterruptedException {
            try {
                answer = pending.get(Math.max(0, then - System.nanoTime()), TimeUnit.NANOSECONDS);
                answers++;
                failed = 0;
            } catch (ExecutionException e) {
                problem = e.getCause() instanceof ExecutionException inner ? inner.getCause() : e.getCause();
                failed++;
            } catch (java.util.concurrent.TimeoutException open) {
                return;
            }
            pending = null;
        }
    }

    /** Prints each change in a line, and emits it as events. */
    private class ChangePrinter implements Consumer<Snapshot> {
        private Snapshot last;
        private String state = "", before = "";
        private boolean doubt;
        private int printed;

        @Override
        public void accept(Snapshot now) {
            String state = now.state();
            // The state before the last one is back, perhaps from a broker that lags: wait for one more poll.
            doubt = state.equals(before) && !doubt && printed > 1;
            if (doubt || state.equals(this.state)) return;
            emit(now);
            if (screen.isOn()) {
                String change = (moves(now) + " | " + newParts(state)).substring(2);
                common.out.println(now.ts.substring(11, 23) + change);
            } else if (!common.json) {
                common.out.println(now.ts + " " + state + moves(now));
            }
            before = this.state;
            this.state = state;
            last = now;
            printed++;
        }

        private void emit(Snapshot now) {
            now.nodes.forEach((id, port) -> {
                if (last == null || !port.equals(last.nodes.get(id))) common.emit("node", "node", id, "state", port);
            });
            boolean same = last != null && last.controller() == now.controller() && last.epoch() == now.epoch();
            // A principal that may not see the controller has not seen it go.
            if (!now.quorum.hidden && !same)
                common.emit("controller", "controller", now.controller(), "epoch", now.epoch());
            common.emit("isr", now.fields());
            now.offline().forEach(p -> {
                if (last == null || !last.offline().contains(p))
                    common.emit("offline", "topic", p.topic(), "partition", p.partition());
            });
        }

        /** Returns the parts of the state that are new, in short: the view below has the rest. */
        private String newParts(String state) {
            List<String> old = List.of(this.state.split(" \\| "));
            return Stream.of(state.split(" \\| "))
                    .filter(part -> !old.contains(part))
                    .map(part -> part.replaceAll(" \\(.*", "")
                            .replaceAll("answers [\\d,]+, ", "")
                            .replaceAll("T([\\d:]{8})\\S*Z", " $1"))
                    .collect(Collectors.joining(" | "));
        }

        /** Returns which brokers left or joined how many ISRs, such as " | 2 left 16". */
        private String moves(Snapshot now) {
            if (last == null) return "";
            Map<Integer, Integer> moves = now.isrs();
            last.isrs().forEach((id, n) -> moves.merge(id, -n, Integer::sum));
            return moves.entrySet().stream()
                    .filter(e -> e.getValue() != 0)
                    .map(e -> " | " + e.getKey() + (e.getValue() < 0 ? " left " : " joined ") + Math.abs(e.getValue()))
                    .collect(Collectors.joining());
        }
    }

    // ---- On a terminal ----

    private static List<String> view(Snapshot now, long seconds) {
        ReplicaCounts total = now.total();
        int offline = total.partitions - total.online;
        List<String> lines = new ArrayList<>();
        lines.add(now.brief() + " | " + seconds + " s");
        lines.add("in-sync replicas " + total.inSyncOfAll() + " | URP " + total.underReplicated + " | offline "
                + offline + " of " + total.partitions);
        String row = "%-5s %-8s %-7s %7s%s";
        lines.add(String.format(Locale.ROOT, row, "NODE", "PORT", "BROKER", "IN ISRS", ""));
        Map<Integer, Integer> isrs = now.isrs();
        now.nodes.forEach((id, port) -> {
            String active = id == now.controller() ? "  active controller" : "";
            lines.add(String.format(Locale.ROOT, row, id, port, role(now, id), isrs.getOrDefault(id, 0), active));
        });
        addTopics(now, lines);
        return lines;
    }

    /** Adds the topics, those with the most replicas out of sync first. */
    private static void addTopics(Snapshot now, List<String> lines) {
        IntStream lengths = now.topics().keySet().stream().mapToInt(String::length);
        int width = Math.max(5, Math.min(32, lengths.max().orElse(5)));
        String row = "%-" + width + "s %11s %4s %7s";
        lines.add(String.format(Locale.ROOT, row, "TOPIC", "IN SYNC", "URP", "OFFLINE"));
        Map<String, ReplicaCounts> counts = new LinkedHashMap<>();
        now.topics().forEach((topic, partitions) -> counts.put(printable(topic), ReplicaCounts.of(partitions)));
        counts.entrySet().stream()
                .sorted(Comparator.comparing(t -> t.getValue().inSync - t.getValue().replicas))
                .forEach(t -> {
                    ReplicaCounts c = t.getValue();
                    String name = Screen.cut(t.getKey(), width);
                    lines.add(String.format(
                            Locale.ROOT, row, name, c.inSyncOfAll(), c.underReplicated, c.partitions - c.online));
                });
    }

    private static String role(Snapshot now, int id) {
        if (now.controllers.contains(id)) return "-";
        return now.brokers.contains(id) ? "up" : "fenced";
    }

    static String paint(String line) {
        return line.replaceAll(
                        "\\b(refuses|silent|fenced|quorum lost|no active controller|offline [1-9]\\d*)\\b",
                        "\033[31m$1\033[m")
                .replaceAll("\\b(answers|up|active controller)\\b(?! since)", "\033[32m$1\033[m")
                .replaceAll("\\b(frozen|URP [1-9]\\d*)\\b", "\033[33m$1\033[m");
    }

    private static String commas(Collection<?> values) {
        return values.isEmpty() ? "none" : values.stream().map(String::valueOf).collect(Collectors.joining(","));
    }

    // ---- Common to the scripts that draw on the terminal. ./jbang format copies it from lib/cli/Screen.java. ----

    /**
     * A status area in the last lines of a terminal, redrawn in place; printed lines scroll by above it. Where the
     * stream is no terminal (a pipe, a file, TERM=dumb, a script that another one calls), nothing is drawn and no
     * control character is written. The cursor is never hidden, so there is nothing to restore, however the
     * script ends.
     *
     * <p>Not JLine: its terminal opens in 250 ms instead of 50, fails if stdin is no terminal, and takes two more jars.
     */
    static final class Screen {
        /** The streams of the process, which main passes on: where any other stream leads is not known. */
        static final PrintWriter OUT = writer(System.out), ERR = writer(System.err);

        static final boolean COLOURS = environment("NO_COLOR").isEmpty();
        /** Whether the terminal can show block characters. */
        static final boolean UNICODE = encoding().equalsIgnoreCase("UTF-8");

        private static final long RESIZE_NANOS = 400_000_000, BAR_NANOS = 200_000_000;

        /** Adds colours to a line that has its final width. */
        UnaryOperator<String> paint = line -> line;

        private PrintWriter terminal;
        private List<String> drawn = List.of();
        private int columns = 80, rows = 24;
        private long measuredAt = System.nanoTime() - RESIZE_NANOS, barAt = measuredAt;

        private Screen(PrintWriter terminal) {
            this.terminal = terminal;
        }

        private static String environment(String name) {
            return Objects.requireNonNullElse(System.getenv(name), "");
        }

        private static String encoding() {
            return System.getProperty(
                    "stdout.encoding", java.nio.charset.Charset.defaultCharset().name());
        }

        /** Without a locale, as in a container or under cron, Java assumes ASCII; the reader has UTF-8. */
        private static PrintWriter writer(PrintStream stream) {
            var set = java.nio.charset.Charset.forName(encoding().equals("US-ASCII") ? "UTF-8" : encoding());
            return new PrintWriter(new OutputStreamWriter(stream, set), true);
        }

        static Screen none() {
            return new Screen(null);
        }

        static Screen on(PrintWriter stream) {
            return isTerminal(stream) ? new Screen(unguarded(stream)) : none();
        }

        boolean isOn() {
            return terminal != null;
        }

        /** Returns the writer below one that lets no control character through. */
        private static PrintWriter unguarded(PrintWriter stream) {
            return stream instanceof Supplier<?> guard ? (PrintWriter) guard.get() : stream;
        }

        /** Asks test(1), since System.console() is about stdin and stdout together or, in newer Java, about neither. */
        static boolean isTerminal(PrintWriter guarded) {
            PrintWriter stream = unguarded(guarded);
            if (stream != OUT && stream != ERR) return false;
            if (List.of("", "dumb").contains(environment("TERM"))) return false;
            ProcessBuilder test = new ProcessBuilder("test", "-t", stream == OUT ? "1" : "2").inheritIO();
            try {
                return test.start().onExit().join().exitValue() == 0;
            } catch (IOException noSuchCommand) {
                return false;
            }
        }

        /** Returns the columns to use: all but the last one, after which terminals differ. */
        synchronized int width() {
            if (System.nanoTime() - measuredAt < RESIZE_NANOS) return columns - 1;
            measuredAt = System.nanoTime();
            ProcessBuilder stty = new ProcessBuilder("stty", "size").redirectInput(new File("/dev/tty"));
            try (InputStream size = stty.start().getInputStream()) {
                String[] numbers = new String(size.readAllBytes()).trim().split(" ");
                if (String.join(" ", numbers).matches("[1-9]\\d{0,4} [1-9]\\d{0,4}")) {
                    rows = Integer.parseInt(numbers[0]);
                    columns = Integer.parseInt(numbers[1]);
                }
            } catch (IOException unknown) {
                // stays as it was
            }
            String limit = environment("COLUMNS");
            if (limit.matches("[1-9]\\d{0,3}")) columns = Math.min(columns, Integer.parseInt(limit));
            return columns - 1;
        }

        synchronized void draw(List<String> lines) {
            if (terminal == null) return;
            int width = width();
            int before = drawn.stream().mapToInt(this::rows).sum();
            int up = drawn.isEmpty() ? 0 : before - rows(drawn.get(drawn.size() - 1));
            drawn = lines.stream()
                    .limit(Math.max(1, rows - 1))
                    .map(line -> cut(Guard.harmless(line), width))
                    .toList();
            List<String> painted = drawn.stream().map(paint).toList();
            terminal.print((up == 0 ? "\r" : "\r\033[" + up + "A") + "\033[K" + String.join("\n\033[K", painted));
            // Erased line by line: tmux would keep a screen that is cleared at once in its history.
            if (!drawn.isEmpty()) terminal.print("\033[J\r");
            else terminal.print(before > 1 ? "\n\033[J\033[A\r" : "\r");
            terminal.flush();
        }

        /** Returns how many rows a drawn line takes: a terminal that was made narrower has wrapped it. */
        private int rows(String line) {
            return Math.max(1, (width(line) + columns - 1) / columns);
        }

        /** Erases what is drawn. */
        synchronized void clear() {
            if (!drawn.isEmpty()) draw(List.of());
        }

        /** Erases what is drawn, for good. */
        synchronized void close() {
            clear();
            terminal = null;
        }

        /** Leaves what is drawn where it is, for good. */
        synchronized void keep() {
            draw(drawn); // over the ^C of the terminal
            if (!drawn.isEmpty()) terminal.println();
            drawn = List.of();
            terminal = null;
        }

        /** Draws a progress bar, at most five times a second. */
        synchronized void bar(double share, String text) {
            if (terminal == null || System.nanoTime() - barAt < BAR_NANOS) return;
            barAt = System.nanoTime();
            double done = Math.min(1, share);
            int length = Math.max(5, Math.min(30, width() - 9 - text.length()));
            String bar = "#".repeat((int) (done * length));
            draw(List.of(String.format(Locale.ROOT, "[%-" + length + "s] %.0f%%  %s", bar, done * 100, text)));
        }

        /** Returns the time left when this share took so many seconds. */
        static String left(double share, double seconds) {
            if (!(share > 0)) return "? s left";
            double left = Math.max(0, seconds / share - seconds);
            return left < 100 ? Math.round(left) + " s left" : (int) Math.ceil(left / 60) + " min left";
        }

        /** Returns a writer whose lines go above what is drawn; on a terminal, each in the given form. */
        PrintWriter above(PrintWriter stream, UnaryOperator<String> form) {
            if (terminal == null) return stream;
            boolean onTerminal = isTerminal(stream);
            Writer above = new Writer() {
                private final StringBuilder text = new StringBuilder();

                @Override
                public void write(char[] chars, int from, int length) {
                    synchronized (Screen.this) {
                        int end = text.append(chars, from, length).lastIndexOf("\n") + 1;
                        if (end == 0) return;
                        List<String> below = drawn;
                        clear();
                        if (onTerminal) text.substring(0, end).lines().map(form).forEach(stream::println);
                        else stream.print(text.substring(0, end));
                        stream.flush();
                        text.delete(0, end);
                        // What is piped may reach the terminal later: the area stays erased until its next redraw.
                        if (onTerminal && !below.isEmpty()) draw(below);
                    }
                }

                @Override
                public void flush() throws IOException {
                    if (stream.checkError()) throw new IOException("closed");
                }

                @Override
                public void close() {
                    stream.flush();
                }
            };
            return new PrintWriter(above, true);
        }

        /** Returns how many columns of a terminal a line takes. */
        static int width(String line) {
            return line.codePoints().map(Screen::width).sum();
        }

        /** From the CJK blocks on, characters count as wide: one that is not ends a line early, but never wraps it. */
        private static int width(int c) {
            int zeroWidth = 1 << Character.NON_SPACING_MARK | 1 << Character.ENCLOSING_MARK | 1 << Character.FORMAT;
            if (c >= 0x300 && (zeroWidth >> Character.getType(c) & 1) == 1) return 0;
            return c < 0x2e80 ? 1 : 2;
        }

        static String cut(String line, int columns) {
            StringBuilder cut = new StringBuilder();
            int left = width(line) <= columns ? columns : columns - 1;
            for (int c : line.codePoints().toArray()) {
                left -= width(c);
                if (left < 0) return cut.append(UNICODE ? '\u2026' : '>').toString();
                cut.appendCodePoint(Character.isISOControl(c) ? '?' : c);
            }
            return cut.toString();
        }
    }
    // ---- End of what those have in common. ----
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
