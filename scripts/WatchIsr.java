///usr/bin/env jbang "$0" "$@" ; exit $?
//JAVA 17+
//DEPS org.apache.kafka:kafka-clients:4.4.0
//DEPS info.picocli:picocli:4.7.7
//DEPS com.fasterxml.jackson.jr:jackson-jr-objects:2.21.7
//DEPS org.slf4j:slf4j-simple:1.7.36
// Mostly waiting: the light compiler and collector start a third faster and leave the cores to the cluster (bench/README.md).
//JAVAC_OPTIONS -J-XX:TieredStopAtLevel=1 -J-XX:+UseSerialGC
//DESCRIPTION Shows what is in sync, led and offline; waits for a condition

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
import java.util.function.*;
import java.util.regex.Pattern;
import java.util.stream.*;
import org.apache.kafka.clients.admin.*;
import org.apache.kafka.common.*;
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
import picocli.CommandLine.Spec;
import picocli.CommandLine.TypeConversionException;

/**
 * Watches the in-sync replicas, and what they hang on: brokers, active controller, ports.
 *
 * <p>Brokers answer with the metadata they last heard of. Without a quorum it is frozen: the ISR of two dead nodes still reads
 * 48 of 48. So three things are asked side by side, none waiting for another: metadata, quorum (by a client of its own, since a
 * paused controller blocks what follows on a connection) and ports. The metadata is alive while a majority follows a controller,
 * or while its offset, which the controller moves twice a second, goes on.
 *
 * <pre>watch-isr --until in-sync --timeout 2m
 * watch-isr --once --json | jq .inSync</pre>
 */
@Command(
        name = "watch-isr",
        version = "kraft-lab 0.1.0",
        sortOptions = false,
        description =
                "Shows active controller, brokers, partitions online, under-replicated, in-sync replicas: a line for"
                        + " every change, until Ctrl-C.")
class WatchIsr implements Callable<Integer> {
    /** No question waits longer; and no election takes so long that the metadata is not called frozen, even if all ports answer. */
    private static final int LOOK_MS = 1_500, ELECTION_MS = 10_000;

    /** What can be waited for. None but no-quorum holds by frozen metadata. */
    enum Until implements Predicate<Snapshot> {
        IN_SYNC(s -> s.behind().isEmpty()),
        UNDER_REPLICATED(s -> s.alive() && s.total().underReplicated > 0),
        OFFLINE(s -> s.alive() && !s.offline().isEmpty()),
        NO_QUORUM(s -> s.frozenSince != null);

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

    @Option(names = "--once", description = "Look once, print it, and end.")
    boolean once;

    @Option(
            names = "--until",
            paramLabel = "CONDITION",
            description = "End when it holds: ${COMPLETION-CANDIDATES}; exit 15 when it does not within --timeout.")
    Until until;

    @Option(
            names = "--topic",
            paramLabel = "TOPIC",
            description = "Only this topic; may be repeated (default: all but the internal ones).")
    Set<String> topics = new TreeSet<>();

    @Option(names = "--internal", description = "Internal topics too.")
    boolean internal;

    @Option(
            names = "--interval",
            paramLabel = "DURATION",
            defaultValue = "500ms",
            description = "Look this often (default: ${DEFAULT-VALUE}).")
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
        if (!once) {
            screen = common.json ? Screen.none() : Screen.on(common.out);
            if (Screen.COLOURS) screen.paint = WatchIsr::paint;
            common.out = screen.above(common.out, line -> Screen.cut(line, screen.width()));
            try {
                return watch(until == null ? s -> false : until, until == null ? null : common.timeout) ? 0 : 130;
            } finally {
                screen.keep();
            }
        }
        Snapshot now = look();
        common.emit("isr", now.fields());
        if (!common.json) common.out.println(now.state().replace(" | ", System.lineSeparator()));
        if (until != null && !until.test(now)) throw new Exit(MISSED, "Not " + until + ": " + now.lacking() + ".");
        return 0;
    }

    /** One look. Without a controller it takes some seconds, so as not to rest on a single slow answer. */
    public Snapshot look() throws Exception {
        return loop(s -> true, 1, common.timeout, s -> {});
    }

    /** Waits without printing until the condition holds in two looks in a row (a broker may lag). Exit 15 when it did not in time. */
    public Snapshot await(Predicate<Snapshot> condition, Duration timeout) throws Exception {
        return loop(condition, 2, timeout, s -> {});
    }

    /** Prints and emits every change until the condition holds or stdout closes (true), or the thread is interrupted (false). */
    public boolean watch(Predicate<Snapshot> condition, Duration timeout) throws Exception {
        Changes changes = new Changes();
        long start = System.nanoTime();
        try {
            loop(condition, 2, timeout, changes);
            return true;
        } catch (InterruptedException | InterruptException e) {
            screen.keep();
            common.say(
                    "Watched for %.1f s, %d changes.",
                    (System.nanoTime() - start) / 1e9, Math.max(0, changes.told - 1));
            return false;
        }
    }

    private Snapshot loop(Predicate<Snapshot> condition, int times, Duration timeout, Consumer<Snapshot> each)
            throws Exception {
        long start = System.nanoTime(), limit = (timeout == null ? common.timeout : timeout).toNanos();
        try (Looker looker = new Looker()) {
            for (int held = 0, looks = -1; ; ) {
                long next = System.nanoTime() + interval.toNanos();
                Snapshot now = looker.look(next);
                if (now != null) {
                    each.accept(now);
                    if (screen.isOn()) screen.draw(view(now, (System.nanoTime() - start) / 1_000_000_000));
                    held = !condition.test(now) ? 0 : now.looks == looks ? held : held + 1;
                    looks = now.looks;
                    if (held == times || common.out.checkError()) return now;
                }
                if (System.nanoTime() - start > limit) {
                    if (now == null) now = looker.late(limit);
                    if (times == 1) return now;
                    if (timeout != null)
                        throw new Exit(
                                MISSED,
                                "Not " + (condition instanceof Until ? condition : "as awaited") + " after "
                                        + limit / 1_000_000 + " ms: " + now.lacking() + ".");
                }
                TimeUnit.NANOSECONDS.sleep(next - System.nanoTime());
            }
        }
    }

    /** Partitions and replicas of one topic, or of all. */
    record Share(int online, int partitions, int underReplicated, int inSync, int replicas) {
        static Share of(Collection<TopicPartitionInfo> all) {
            return new Share(
                    (int) all.stream().filter(Share::isOnline).count(),
                    all.size(),
                    (int) all.stream()
                            .filter(p -> p.isr().size() < p.replicas().size())
                            .count(),
                    all.stream().mapToInt(p -> p.isr().size()).sum(),
                    all.stream().mapToInt(p -> p.replicas().size()).sum());
        }

        static boolean isOnline(TopicPartitionInfo p) {
            return p.leader() != null && !p.leader().isEmpty();
        }
    }

    /**
     * One look. Topics (unknown ones are empty) and brokers (registered and unfenced) are metadata; nodes says whether each port answers, refuses
     * or is silent (paused). The controller is -1 when none is known, since {@code leaderless}; {@code moving}: the metadata goes on all the same.
     * {@code controllers} are the voters that are no brokers; {@code hidden}: the principal may not see the quorum.
     */
    record Snapshot(
            String ts,
            int controller,
            long epoch,
            List<Integer> brokers,
            Map<Integer, String> nodes,
            Map<String, List<TopicPartitionInfo>> topics,
            String leaderless,
            String frozenSince,
            boolean moving,
            boolean fresh,
            int looks,
            Set<Integer> controllers,
            boolean hidden) {
        /** What shows the controller. */
        private static final String NEEDS = "DESCRIBE on the cluster";

        boolean alive() {
            return fresh && (controller >= 0 || moving || hidden && frozenSince == null);
        }

        Share total() {
            return Share.of(partitions().toList());
        }

        List<Integer> nodes(String state) {
            return nodes.keySet().stream()
                    .filter(id -> nodes.get(id).equals(state))
                    .toList();
        }

        Stream<TopicPartitionInfo> partitions() {
            return topics.values().stream().flatMap(List::stream);
        }

        Set<TopicPartition> offline() {
            Set<TopicPartition> offline = new LinkedHashSet<>();
            topics.forEach((topic, all) -> all.stream()
                    .filter(p -> !Share.isOnline(p))
                    .forEach(p -> offline.add(new TopicPartition(topic, p.partition()))));
            return offline;
        }

        /** In how many ISRs each broker is. */
        Map<Integer, Integer> isrs() {
            return partitions()
                    .flatMap(p -> p.isr().stream())
                    .collect(Collectors.toMap(Node::id, n -> 1, Integer::sum, TreeMap::new));
        }

        /** What keeps this from being in sync. A dead broker stays in the ISR until it is fenced, so every host of a replica must answer too. */
        List<String> behind() {
            List<String> behind = new ArrayList<>();
            Share total = total();
            if (controller < 0 && !(hidden && frozenSince == null)) behind.add(quorum());
            if (!fresh) behind.add("no broker describes the topics");
            topics.forEach((topic, partitions) -> {
                if (partitions.isEmpty()) behind.add("no topic " + topic);
            });
            if (total.inSync < total.replicas) behind.add("in-sync replicas " + total.inSync + " of " + total.replicas);
            if (total.online < total.partitions)
                behind.add("online " + total.online + " of " + total.partitions + " partitions");
            Stream<Integer> hosts = total.replicas == 0
                    ? nodes.keySet().stream().filter(id -> !controllers.contains(id))
                    : partitions()
                            .flatMap(p -> p.replicas().stream())
                            .map(Node::id)
                            .distinct()
                            .sorted();
            hosts.forEach(id -> {
                String state = nodes.getOrDefault(id, "unknown");
                if (!state.equals("answers")) behind.add("node " + id + " " + state);
                else if (!brokers.contains(id)) behind.add("node " + id + " fenced");
            });
            return behind;
        }

        String lacking() {
            return behind().isEmpty() ? state() : String.join(", ", behind());
        }

        String quorum() {
            if (hidden && frozenSince == null) return "controller not shown (the principal needs " + NEEDS + ")";
            return controller >= 0
                    ? "controller " + controller + " epoch " + epoch
                    : frozenSince != null
                            ? "quorum lost, metadata frozen since " + leaderless
                                    + (nodes("answers").isEmpty() ? ", no node answers" : "")
                            : moving
                                    ? "controller unknown, metadata moves"
                                    : "no active controller since " + leaderless;
        }

        /** As a terminal's line has room for it. */
        String brief() {
            return quorum().replaceAll("\\d{4}-\\d\\d-\\d\\dT([\\d:]{8})\\S*Z", "$1");
        }

        /** All of it in a line, without what changes all the time: two equal states are no change. */
        String state() {
            Share total = total();
            String ports = Stream.of("answers", "refuses", "silent")
                    .filter(s -> !nodes(s).isEmpty())
                    .map(s -> s + " " + commas(nodes(s)))
                    .collect(Collectors.joining(", "));
            return quorum() + (nodes("answers").size() == nodes.size() ? "" : " | ports: " + ports)
                    + (controllers.isEmpty() ? "" : " | dedicated controllers " + commas(controllers))
                    + (frozenSince == null ? " | " : " | last known: ") + "brokers " + commas(brokers)
                    + " | online " + total.online + " of " + total.partitions + " | URP " + total.underReplicated
                    + " | in-sync replicas " + total.inSync + " of " + total.replicas
                    + topics.entrySet().stream()
                            .map(t -> {
                                Share s = Share.of(t.getValue());
                                return printable(t.getKey())
                                        + (s.partitions == 0 ? " unknown" : " " + s.inSync + " of " + s.replicas);
                            })
                            .collect(Collectors.collectingAndThen(
                                    Collectors.joining(", "),
                                    each -> each.isEmpty() ? " (no topics)" : " (" + each + ")"));
        }

        Object[] fields() {
            Map<String, Object> shares = new LinkedHashMap<>();
            topics.forEach((topic, partitions) -> {
                Share s = Share.of(partitions);
                shares.put(
                        topic,
                        new TreeMap<>(Map.of(
                                "inSync",
                                s.inSync,
                                "replicas",
                                s.replicas,
                                "online",
                                s.online,
                                "partitions",
                                s.partitions)));
            });
            Share total = total();
            return new Object[] {
                "online",
                total.online,
                "partitions",
                total.partitions,
                "underReplicated",
                total.underReplicated,
                "inSync",
                total.inSync,
                "replicas",
                total.replicas,
                "brokers",
                brokers,
                "topics",
                shares,
                "controller",
                controller,
                "epoch",
                epoch,
                "answering",
                nodes("answers"),
                "frozenSince",
                frozenSince,
                "controllers",
                controllers,
                "needs",
                hidden ? NEEDS : null
            };
        }
    }

    /** What one broker knows; the controller moves the offset twice a second, while it can. */
    private record Metadata(
            Collection<Node> nodes,
            Map<String, List<TopicPartitionInfo>> topics,
            long offset,
            Map<Integer, Node> voters) {}

    /** Asks the cluster, all questions at once, and makes one picture of the newest answers. */
    private class Looker implements AutoCloseable {
        private final Client client = new Client(bootstrap()), quorumClient = new Client(bootstrap());
        private final ExecutorService pool = Executors.newCachedThreadPool(task -> {
            Thread t = new Thread(task, "look");
            t.setDaemon(true);
            return t;
        });
        private final Ask<Metadata> metadata = new Ask<>(() -> client.ask(this::metadata));
        private final Ask<QuorumInfo> quorum = new Ask<>(() -> quorumClient.ask(Looker::quorum));
        private final Map<Integer, Ask<String>> ports = new TreeMap<>();
        private final Set<Integer> seen = new HashSet<>();
        private Map<Integer, Node> configured = Map.of();
        private long highest = -1, movedAt = System.nanoTime(), movedBefore = movedAt;
        private int goneAt = -1;

        Looker() throws IOException {}

        private String bootstrap() throws IOException {
            common.usable(); // or exit 10 and the reason
            List<Node> answering = common.bootstrapNodes().parallelStream()
                    .filter(n -> Common.answers(n.host(), n.port(), 1_000))
                    .toList();
            if (answering.isEmpty()) throw common.unreachable("nothing answers there");
            return addresses(answering.stream().map(n -> Map.entry(n.host(), n.port())));
        }

        /** Does not wait longer than until then. @return null while there is not yet an answer to each question */
        Snapshot look(long then) throws Exception {
            Map<Integer, Node> nodes = new TreeMap<>();
            if (metadata.answer != null) voters().values().forEach(n -> nodes.put(n.id(), n));
            (metadata.answer == null ? common.bootstrapNodes() : metadata.answer.nodes)
                    .forEach(n -> nodes.put(n.id(), n));
            ports.keySet().retainAll(nodes.keySet());
            nodes.forEach((id, node) -> ports.computeIfAbsent(id, i -> new Ask<>(() -> port(node))));
            List<Ask<?>> asks = new ArrayList<>(List.of(metadata, quorum));
            asks.addAll(ports.values());
            for (Ask<?> ask : asks) ask.start(pool);
            for (Ask<?> ask : asks) ask.take(then);
            if (metadata.answers == 0 && metadata.problem instanceof Exit notPermitted) throw notPermitted;
            for (Ask<?> ask : List.of(metadata, quorum))
                if (ask.answers == 0
                        && ask.problem instanceof ApiException e
                        && !(e instanceof RetriableException)
                        && !(ask == quorum && isHidden())) throw e;
            if (metadata.answer != null && metadata.answer.offset > highest) {
                movedBefore = movedAt;
                movedAt = System.nanoTime();
                highest = metadata.answer.offset;
            }
            if (metadata.answer == null
                    || quorum.answers == 0 && quorum.failed < 2
                    || ports.containsKey(-1)
                    || ports.values().stream().anyMatch(p -> p.answers + p.failed == 0)) return null;
            return compose();
        }

        private boolean isHidden() {
            return quorum.answers == 0 && quorum.problem instanceof ClusterAuthorizationException;
        }

        /** The voters by id with an address each: as the quorum said last, else as the brokers were configured; empty where neither says. */
        private Map<Integer, Node> voters() {
            if (quorum.answer == null) return metadata.answer == null ? Map.of() : metadata.answer.voters;
            Map<Integer, Node> voters = new TreeMap<>();
            for (QuorumInfo.ReplicaState voter : quorum.answer.voters()) {
                QuorumInfo.Node node = quorum.answer.nodes().get(voter.replicaId());
                if (node != null)
                    node.endpoints().stream()
                            .findFirst()
                            .ifPresent(e -> voters.put(node.nodeId(), new Node(node.nodeId(), e.host(), e.port())));
                else if (metadata.answer != null && metadata.answer.voters.containsKey(voter.replicaId()))
                    voters.put(voter.replicaId(), metadata.answer.voters.get(voter.replicaId()));
            }
            return voters;
        }

        /** There is no more time to make sure: what is known so far. */
        Snapshot late(long limit) throws IOException {
            if (metadata.answer == null) common.requireReachable();
            if (metadata.answer == null) throw common.unreachable("no answer within " + limit / 1_000_000 + " ms");
            return compose();
        }

        private Snapshot compose() {
            Map<Integer, String> states = new TreeMap<>();
            ports.forEach((id, ask) -> states.put(
                    id, ask.answer == null || ask.failed > 1 ? "silent" : ask.answer)); // one slow answer is none
            states.forEach((id, state) -> {
                if (state.equals("answers")) seen.add(id);
            });
            QuorumInfo known = quorum.answer;
            Set<Integer> brokers = metadata.answer.nodes.stream().map(Node::id).collect(Collectors.toSet());
            Set<Integer> voters = known == null
                    ? metadata.answer.voters.keySet()
                    : known.voters().stream()
                            .map(QuorumInfo.ReplicaState::replicaId)
                            .collect(Collectors.toSet());
            Set<Integer> controllers =
                    voters.stream().filter(v -> !brokers.contains(v)).collect(Collectors.toCollection(TreeSet::new));
            String port = known == null ? "" : states.getOrDefault(known.leaderId(), "");
            long now = System.nanoTime(), failing = (now - quorum.sinceNs) / 1_000_000;
            boolean moving = now - movedAt < 2_000_000_000L
                    && movedBefore - quorum.sinceNs
                            > 1_000_000_000L; // twice: one broker may just know more than another
            boolean gone = known == null
                    || goneAt == quorum.answers
                    || quorum.failed > 1 && !(moving && port.equals("answers"))
                    || quorum.failed == 1 && (port.equals("refuses") || port.equals("silent"))
                    || quorum.pending != null && port.equals("refuses");
            goneAt = gone ? quorum.answers : -1; // until the quorum answers again
            // A controllers' network is often closed to clients: while the quorum lives, a port that never answered
            // says nothing.
            if (!gone) states.keySet().removeIf(id -> controllers.contains(id) && !seen.contains(id));
            boolean minority = !voters.isEmpty()
                    && states.keySet().containsAll(voters)
                    && voters.stream()
                                            .filter(v -> states.get(v).equals("answers"))
                                            .count()
                                    * 2
                            <= voters.size();
            boolean frozen = isHidden()
                    ? (now - movedAt) / 1_000_000 > (minority ? 2 * LOOK_MS : ELECTION_MS)
                    : gone && !moving && quorum.failed > 1 && (minority || failing > ELECTION_MS);
            Predicate<Integer> answers = id -> "answers".equals(states.get(id));
            if (states.containsValue("answers"))
                client.brokers = quorumClient.brokers = addresses(metadata.answer.nodes.stream()
                        .filter(n -> answers.test(n.id()))
                        .map(n -> Map.entry(n.host(), n.port())));
            if (known != null)
                quorumClient.controllers = addresses(known.nodes().values().stream()
                        .filter(n -> answers.test(n.nodeId()))
                        .flatMap(n -> n.endpoints().stream())
                        .map(e -> Map.entry(e.host(), e.port())));
            return new Snapshot(
                    timestamp(),
                    gone ? -1 : known.leaderId(),
                    gone ? -1 : known.leaderEpoch(),
                    metadata.answer.nodes.stream()
                            .filter(n -> !n.isFenced())
                            .map(Node::id)
                            .sorted()
                            .toList(),
                    states,
                    metadata.answer.topics,
                    gone ? quorum.since + (known == null ? " or before" : "") : null,
                    frozen ? quorum.since : null,
                    moving,
                    metadata.failed == 0,
                    metadata.answers,
                    controllers,
                    isHidden());
        }

        private Metadata metadata(Admin admin) throws Exception {
            Collection<Node> nodes = admin.describeCluster(new DescribeClusterOptions().includeFencedBrokers(true))
                    .nodes()
                    .get();
            Collection<String> names = topics.isEmpty()
                    ? admin.listTopics(new ListTopicsOptions().listInternal(internal))
                            .names()
                            .get()
                    : topics;
            Map<String, List<TopicPartitionInfo>> found = new TreeMap<>();
            for (var topic : admin.describeTopics(names).topicNameValues().entrySet()) {
                try {
                    found.put(topic.getKey(), topic.getValue().get().partitions());
                } catch (ExecutionException e) {
                    if (e.getCause() instanceof TopicAuthorizationException)
                        throw new Exit(
                                1,
                                "Not permitted to see topic " + topic.getKey()
                                        + ": the principal needs DESCRIBE on the topic.");
                    if (!(e.getCause() instanceof UnknownTopicOrPartitionException)) throw e;
                    if (!topics.isEmpty()) found.put(topic.getKey(), List.of());
                }
            }
            if (configured.isEmpty() && quorum.answer == null) configured = configuredVoters(admin, nodes);
            return new Metadata(
                    nodes,
                    found,
                    admin.describeFeatures()
                            .featureMetadata()
                            .get()
                            .finalizedFeaturesEpoch()
                            .orElse(-1L),
                    configured);
        }

        /** The voters of {@code controller.quorum.voters}, as a broker that answers was started with them; none where it may not be asked, or where the quorum is dynamic. */
        private static Map<Integer, Node> configuredVoters(Admin admin, Collection<Node> brokers)
                throws InterruptedException {
            Map<Integer, Node> voters = new TreeMap<>();
            Optional<Node> broker = brokers.stream()
                    .filter(n -> Common.answers(n.host(), n.port(), 500))
                    .findFirst();
            if (broker.isEmpty()) return voters;
            ConfigResource resource =
                    new ConfigResource(ConfigResource.Type.BROKER, broker.get().idString());
            try {
                ConfigEntry entry = admin.describeConfigs(List.of(resource))
                        .all()
                        .get()
                        .get(resource)
                        .get("controller.quorum.voters");
                var m = java.util.regex.Pattern.compile("(\\d{1,9})@\\[?([^\\s,@]+?)\\]?:(\\d{1,5})(?=\\s*(?:,|$))")
                        .matcher(entry == null ? "" : Objects.requireNonNullElse(entry.value(), ""));
                while (m.find())
                    voters.put(
                            Integer.valueOf(m.group(1)),
                            new Node(Integer.parseInt(m.group(1)), m.group(2), Integer.parseInt(m.group(3))));
            } catch (ExecutionException e) {
                voters.clear(); // then they are unknown
            }
            return voters;
        }

        /** As find-controller asks: a leader counts only while a majority of the voters fetches from it, by the leader's own clock. */
        private static QuorumInfo quorum(Admin admin) throws Exception {
            QuorumInfo quorum = admin.describeMetadataQuorum().quorumInfo().get();
            long now = quorum.voters().stream()
                    .filter(v -> v.replicaId() == quorum.leaderId())
                    .mapToLong(v -> v.lastFetchTimestamp().orElse(-1))
                    .findFirst()
                    .orElse(-1);
            long following = quorum.voters().stream()
                    .filter(v -> v.replicaId() == quorum.leaderId()
                            || now - v.lastFetchTimestamp().orElse(-1) <= 3_000)
                    .count();
            if (quorum.leaderId() < 0 || following * 2 <= quorum.voters().size())
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
            client.close();
            quorumClient.close();
        }
    }

    private static String addresses(Stream<Map.Entry<String, Integer>> nodes) {
        return nodes.map(n -> (n.getKey().contains(":") ? "[" + n.getKey() + "]" : n.getKey()) + ":" + n.getValue())
                .collect(Collectors.joining(","));
    }

    private interface Question<T> {
        T ask(Admin admin) throws Exception;
    }

    /**
     * An Admin that is renewed when it gave no answer, for one that has begun to connect to a paused node waits for that one. And brokers go
     * on asking a paused controller for 30 s, whoever leads by then: so the other controllers, where known and reachable, are asked in turn.
     */
    private class Client implements AutoCloseable {
        private volatile String brokers, controllers = "";
        private boolean direct;
        private Admin admin;

        Client(String brokers) throws IOException {
            this.brokers = brokers;
            admin = create();
        }

        private Admin create() throws IOException {
            Properties properties = common.client("request.timeout.ms", LOOK_MS, "default.api.timeout.ms", LOOK_MS);
            if (direct) properties.remove("bootstrap.servers");
            properties.put(direct ? "bootstrap.controllers" : "bootstrap.servers", direct ? controllers : brokers);
            return Admin.create(properties);
        }

        <T> T ask(Question<T> question) throws Exception {
            try {
                return question.ask(admin);
            } catch (Exception e) {
                renew();
                throw e;
            }
        }

        private synchronized void renew() throws IOException {
            if (admin == null) return;
            admin.close(Duration.ZERO);
            direct = !direct && !controllers.isEmpty();
            try {
                admin = create();
            } catch (org.apache.kafka.common.KafkaException noSuchHost) {
                direct = false;
                admin = create();
            }
        }

        @Override
        public synchronized void close() {
            admin.close(Duration.ZERO);
            admin = null;
        }
    }

    /** A question asked again and again: the newest answer, how many attempts failed since, and when the first of those began. */
    private static class Ask<T> {
        private final Callable<T> question;
        private Future<T> pending;
        private T answer;
        private Throwable problem;
        private int answers, failed;
        private String since;
        private long sinceNs;

        Ask(Callable<T> question) {
            this.question = question;
        }

        void start(ExecutorService pool) {
            if (pending != null) return;
            if (failed == 0) {
                since = timestamp();
                sinceNs = System.nanoTime();
            }
            pending = pool.submit(question);
        }

        /** Takes the answer if it is there by then; else the question stays open. */
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

    /** Tells what is new: a line, and the events. */
    private class Changes implements Consumer<Snapshot> {
        private Snapshot last;
        private String state = "", before = "";
        private boolean doubt;
        private int told;

        @Override
        public void accept(Snapshot now) {
            String state = now.state();
            doubt = state.equals(before)
                    && !doubt
                    && told > 1; // what was is back: perhaps a broker that lags, so look once more
            if (doubt || state.equals(this.state)) return;
            now.nodes.forEach((id, is) -> {
                if (last == null || !is.equals(last.nodes.get(id))) common.emit("node", "node", id, "state", is);
            });
            // Who may not see the controller knows nothing of it: that is no event of a controller that is gone.
            if (!now.hidden && (last == null || last.controller != now.controller || last.epoch != now.epoch))
                common.emit("controller", "controller", now.controller, "epoch", now.epoch);
            common.emit("isr", now.fields());
            now.offline().forEach(p -> {
                if (last == null || !last.offline().contains(p))
                    common.emit("offline", "topic", p.topic(), "partition", p.partition());
            });
            if (screen.isOn())
                common.out.println(
                        now.ts.substring(11, 23) + (moves(now) + " | " + news(state, this.state)).substring(2));
            else if (!common.json) common.out.println(now.ts + " " + state + moves(now));
            before = this.state;
            this.state = state;
            last = now;
            told++;
        }

        /** What of the parts of a state was not there before, briefly: the view below has the rest. */
        private static String news(String state, String before) {
            List<String> old = List.of(before.split(" \\| "));
            return Stream.of(state.split(" \\| "))
                    .filter(part -> !old.contains(part))
                    .map(part -> part.replaceAll(" \\(.*", "")
                            .replaceAll("answers [\\d,]+, ", "")
                            .replaceAll("T([\\d:]{8})\\S*Z", " $1"))
                    .collect(Collectors.joining(" | "));
        }

        /** Who left or joined how many ISRs, such as " | 2 left 16". */
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

    /** What of the cluster is in what state; at the end the topics, first those that lack something. */
    private static List<String> view(Snapshot now, long seconds) {
        Share total = now.total();
        Map<Integer, Integer> isrs = now.isrs();
        List<String> lines = new ArrayList<>(List.of(
                now.brief() + " | " + seconds + " s",
                String.format(
                        Locale.ROOT,
                        "in-sync replicas %d of %d | URP %d | offline %d of %d",
                        total.inSync,
                        total.replicas,
                        total.underReplicated,
                        total.partitions - total.online,
                        total.partitions),
                String.format(Locale.ROOT, "%-5s %-8s %-7s %s", "NODE", "PORT", "BROKER", "IN ISRS")));
        now.nodes.forEach((id, port) -> lines.add(String.format(
                Locale.ROOT,
                "%-5d %-8s %-7s %7d%s",
                id,
                port,
                role(now, id),
                isrs.getOrDefault(id, 0),
                id == now.controller ? "  active controller" : "")));
        int longest = Math.min(
                32, now.topics.keySet().stream().mapToInt(String::length).max().orElse(5));
        lines.add(String.format(
                Locale.ROOT, "%-" + Math.max(5, longest) + "s %11s %4s %7s", "TOPIC", "IN SYNC", "URP", "OFFLINE"));
        now.topics.entrySet().stream()
                .sorted(Comparator.comparing(t -> Share.of(t.getValue()).inSync - Share.of(t.getValue()).replicas))
                .forEach(t -> {
                    Share s = Share.of(t.getValue());
                    lines.add(String.format(
                            Locale.ROOT,
                            "%-" + Math.max(5, longest) + "s %11s %4d %7d",
                            Screen.cut(printable(t.getKey()), Math.max(5, longest)),
                            s.inSync + " of " + s.replicas,
                            s.underReplicated,
                            s.partitions - s.online));
                });
        return lines;
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
     * The last lines of a terminal, drawn again and again in place, while what is printed comes above them. In a pipe or a file, with TERM=dumb, or where another program runs the
     * script, there is none: nothing is drawn then, and not a control character written. The cursor is never hidden, so that nothing has to be mended, whatever ends the script.
     */
    static final class Screen {
        /** The streams of the process, which main hands on: of any other nobody knows where it leads. */
        static final PrintWriter OUT = writer(System.out), ERR = writer(System.err);
        /** Whether the terminal's character set has more than letters. */
        static final boolean UNICODE = System.getProperty(
                        "stdout.encoding",
                        java.nio.charset.Charset.defaultCharset().name())
                .equalsIgnoreCase("UTF-8");

        static final boolean COLOURS =
                Objects.requireNonNullElse(System.getenv("NO_COLOR"), "").isEmpty();

        private PrintWriter to;
        private List<String> drawn = List.of();
        private int columns = 80, rows = 24;
        private long asked, barAt;
        /** What colours a line that was cut. */
        java.util.function.UnaryOperator<String> paint = line -> line;

        private Screen(PrintWriter to) {
            this.to = to;
        }

        /** ASCII is what a locale that nobody has set comes to, as in a container or under cron, and not what whoever reads it has. */
        private static PrintWriter writer(PrintStream stream) {
            java.nio.charset.Charset set = java.nio.charset.Charset.forName(System.getProperty(
                    "stdout.encoding", java.nio.charset.Charset.defaultCharset().name()));
            return new PrintWriter(
                    new OutputStreamWriter(
                            stream,
                            set.equals(java.nio.charset.StandardCharsets.US_ASCII)
                                    ? java.nio.charset.StandardCharsets.UTF_8
                                    : set),
                    true);
        }

        static Screen none() {
            return new Screen(null);
        }

        static Screen on(PrintWriter stream) {
            return isTerminal(stream) ? new Screen(raw(stream)) : none();
        }

        boolean isOn() {
            return to != null;
        }

        /** What is below a writer that lets no control character through. */
        private static PrintWriter raw(PrintWriter stream) {
            return stream instanceof java.util.function.Supplier<?> guard ? (PrintWriter) guard.get() : stream;
        }

        /** System.console() would say so of stdin and stdout together, and in newer Java of none. */
        static boolean isTerminal(PrintWriter given) {
            PrintWriter stream = raw(given);
            if (stream != OUT && stream != ERR
                    || Objects.requireNonNullElse(System.getenv("TERM"), "dumb").equals("dumb")) return false;
            try {
                return new ProcessBuilder("test", "-t", stream == OUT ? "1" : "2")
                                .inheritIO()
                                .start()
                                .waitFor()
                        == 0;
            } catch (IOException noSuchCommand) {
                return false;
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
                return false;
            }
        }

        /** Lines must not end in the last column, after which terminals differ. */
        synchronized int width() {
            if (asked != 0 && System.nanoTime() - asked < 400_000_000) return columns - 1;
            asked = System.nanoTime();
            try {
                Process stty = new ProcessBuilder("stty", "size")
                        .redirectInput(new File("/dev/tty"))
                        .redirectError(ProcessBuilder.Redirect.DISCARD)
                        .start();
                String[] size =
                        new String(stty.getInputStream().readAllBytes()).trim().split(" ");
                if (size.length == 2 && !size[0].equals("0") && !size[1].equals("0")) {
                    rows = Integer.parseInt(size[0]);
                    columns = Integer.parseInt(size[1]);
                }
            } catch (IOException | NumberFormatException unknown) {
                /* as it was */
            }
            String given = Objects.requireNonNullElse(System.getenv("COLUMNS"), "");
            if (given.matches("[1-9]\\d{0,3}")) columns = Math.min(columns, Integer.parseInt(given));
            return columns - 1;
        }

        synchronized void draw(List<String> lines) {
            if (to == null) return;
            int width = width();
            StringBuilder text = new StringBuilder(back());
            boolean several = drawn.size() > 1 || drawn.size() == 1 && width(drawn.get(0)) > columns;
            drawn = lines.stream()
                    .limit(Math.max(1, rows - 1))
                    .map(l -> cut(Guard.harmless(l), width))
                    .toList();
            for (int i = 0; i < drawn.size(); i++)
                text.append(i == 0 ? "\033[K" : "\n\033[K").append(paint.apply(drawn.get(i)));
            // Not the whole screen at once: tmux would keep what was cleared as its history.
            to.print(text.append(!drawn.isEmpty() ? "\033[J\r" : several ? "\033[K\n\033[J\033[A\r" : "\033[K\r"));
            to.flush();
        }

        /** To the first of the drawn lines; a terminal that was made narrower has broken them. The cursor is at the start of the last one. */
        private String back() {
            int up = 0;
            for (int i = 0; i < drawn.size() - 1; i++) up += Math.max(1, (width(drawn.get(i)) + columns - 1) / columns);
            return up == 0 ? "\r" : "\r\033[" + up + "A";
        }

        /** Takes away what is drawn. */
        synchronized void clear() {
            if (!drawn.isEmpty()) draw(List.of());
        }

        /** Takes it away for good. */
        synchronized void close() {
            clear();
            to = null;
        }

        /** Leaves it where it is, for good. */
        synchronized void keep() {
            draw(drawn); // over the ^C that the terminal has put there
            if (!drawn.isEmpty()) to.println();
            drawn = List.of();
            to = null;
        }

        /** Of a part that is done: as a bar, five times a second. */
        synchronized void bar(double share, String text) {
            if (to == null || System.nanoTime() - barAt < 200_000_000 && barAt != 0) return;
            barAt = System.nanoTime();
            int length = Math.max(5, Math.min(30, width() - 9 - text.length()));
            draw(List.of(String.format(
                    Locale.ROOT,
                    "[%-" + length + "s] %.0f%%  %s",
                    "#".repeat((int) (Math.min(1, share) * length)),
                    Math.min(1, share) * 100,
                    text)));
        }

        static String left(double share, double seconds) {
            double left = share > 0 ? Math.max(0, seconds / share - seconds) : Double.NaN;
            return Double.isNaN(left)
                    ? "? s left"
                    : left < 100 ? Math.round(left) + " s left" : (int) Math.ceil(left / 60) + " min left";
        }

        /** The same stream, but what is drawn gives way to its lines. @param form what a line becomes on a terminal */
        PrintWriter above(PrintWriter stream, java.util.function.UnaryOperator<String> form) {
            if (to == null) return stream;
            boolean terminal = isTerminal(stream);
            return new PrintWriter(
                    new Writer() {
                        private final StringBuilder text = new StringBuilder();

                        @Override
                        public void write(char[] chars, int from, int length) {
                            synchronized (Screen.this) {
                                int end = text.append(chars, from, length).lastIndexOf("\n") + 1;
                                if (end == 0) return;
                                List<String> below = drawn;
                                clear();
                                if (!terminal) stream.print(text.substring(0, end));
                                else text.substring(0, end).lines().map(form).forEach(stream::println);
                                stream.flush();
                                text.delete(0, end);
                                if (terminal && !below.isEmpty())
                                    draw(below); // elsewhere it may have to go through a pipe first
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
                    },
                    true);
        }

        /** In columns of a terminal: Chinese takes two, an accent of its own none. */
        static int width(String line) {
            return line.codePoints().map(Screen::width).sum();
        }

        private static int width(int c) {
            if (c < 0x300) return 1;
            if (List.of((int) Character.NON_SPACING_MARK, (int) Character.ENCLOSING_MARK, (int) Character.FORMAT)
                    .contains(Character.getType(c))) return 0;
            return c >= 0x1100 && c < 0x1160
                            || c >= 0x2e80 && c < 0xa4d0
                            || c >= 0xac00 && c < 0xd7a4
                            || c >= 0xf900 && c < 0xfb00
                            || c >= 0xfe30 && c < 0xfe70
                            || c >= 0xff00 && c < 0xff61
                            || c >= 0xffe0 && c < 0xffe7
                            || c >= 0x1f300 && c < 0x1fb00
                            || c >= 0x20000 && c < 0x40000
                    ? 2
                    : 1;
        }

        static String cut(String line, int columns) {
            StringBuilder cut = new StringBuilder();
            int used = 0, room = width(line) <= columns ? columns : columns - 1;
            for (int c : line.codePoints().toArray()) {
                if ((used += width(c)) > room)
                    return cut.append(UNICODE ? '\u2026' : '>').toString();
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
