///usr/bin/env jbang "$0" "$@" ; exit $?
//JAVA 17+
//DEPS org.apache.kafka:kafka-clients:4.4.0
//DEPS info.picocli:picocli:4.7.7
//DEPS com.fasterxml.jackson.jr:jackson-jr-objects:2.21.7
//DEPS org.slf4j:slf4j-simple:1.7.36
//SOURCES lib/cli/Cli.java
// Mostly waiting: the light compiler and collector start a third faster and leave the cores to the cluster (bench/README.md).
//DESCRIPTION Shows each change of controller, leader and ISR, to about 10 ms

import com.fasterxml.jackson.jr.ob.JSON;
import java.io.*;
import java.net.*;
import java.nio.ByteBuffer;
import java.nio.channels.*;
import java.nio.file.*;
import java.time.*;
import java.time.format.DateTimeFormatter;
import java.time.temporal.ChronoUnit;
import java.util.*;
import java.util.concurrent.*;
import java.util.function.Consumer;
import java.util.stream.*;
import org.apache.kafka.clients.admin.*;
import org.apache.kafka.common.*;
import org.apache.kafka.common.config.ConfigException;
import org.apache.kafka.common.errors.*;
import org.apache.kafka.common.message.DescribeQuorumResponseData;
import org.apache.kafka.common.requests.*;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;
import picocli.CommandLine.TypeConversionException;

/**
 * Sees when a controller is elected and when a partition gets another leader or ISR, to some 10 ms, so that an outage can be taken apart.
 *
 * <p>watch-isr looks by an Admin, which waits for a dead node, retries, and is passed on by brokers. Here a connection is held to each controller and each
 * broker: a process that is killed ends it, which starts the look. While nobody leads the quorum, each controller is asked every 10 ms (only the leader
 * answers, and at once); when one leads, each broker is asked for the partitions, every 10 ms while something about them is amiss. Never are there two
 * questions at a time on a connection; and when nothing is amiss, or nothing has changed for a minute, each is asked four times a second.
 * With TLS or SASL (--command-config) an Admin has to do, every 100 ms.
 *
 * <pre>watch-leaders --events run.jsonl &amp;
 * kill-node controller; outages run.jsonl</pre>
 */
@Command(name = "watch-leaders", version = "kraft-lab 0.1.0", sortOptions = false,
        description = "Shows each change of active controller, leader and ISR when it happens, to some 10 ms, until Ctrl-C.")
class WatchLeaders implements Callable<Integer> {
    private static final long MS = 1_000_000, FAST = 10 * MS, CALM = 250 * MS, DOUBT = 100 * MS, SILENT = 500 * MS, RECONNECT = 100 * MS, LAG = 300 * MS;
    /** What is amiss for so long without any change will not be mended soon. */
    private static final long PATIENCE = 60_000 * MS;
    private static final int LARGEST_ANSWER = 64 << 20;

    @Option(names = "--topic", paramLabel = "TOPIC", description = "Only this topic; may be repeated (default: all but the internal ones).")
    Set<String> topics = new TreeSet<>();
    @Option(names = "--internal", description = "Internal topics too.")
    boolean internal;

    @Mixin Cli.Common common = new Cli.Common();

    /** A partition as a broker tells it; the ids are sorted, so that two of the same members are equal. */
    record Led(int leader, int leaderEpoch, List<Integer> isr, List<Integer> replicas) { }

    private final Map<TopicPartition, Led> known = new HashMap<>(), overtaken = new HashMap<>();
    private final Map<TopicPartition, Long> knownSince = new HashMap<>();
    private final Map<Integer, Map<TopicPartition, Led>> views = new HashMap<>();
    final List<Link> links = new ArrayList<>();
    private int controller = -1, epoch = -1;
    private boolean told;
    private long changedAt = System.nanoTime();
    private Selector selector;

    public static void main(String... args) {
        System.exit(run(new PrintWriter(System.out, true), new PrintWriter(System.err, true), args));
    }

    /** Runs the script without a process. @return the exit code */
    public static int run(PrintWriter out, PrintWriter err, String... args) {
        WatchLeaders script = new WatchLeaders();
        return script.common.run(script, out, err, args);
    }

    @Override
    public Integer call() throws Exception { return watch() ? 0 : 130; }

    /** Prints and emits every change until stdout closes (true), or the thread is interrupted (false). */
    public boolean watch() throws Exception {
        try (Admin admin = common.admin(); Selector opened = Selector.open()) {
            selector = opened;
            if (common.commandConfig != null) return askByAdmin(admin);
            for (Node n : admin.describeCluster().nodes().get()) links.add(new Link(Kind.BROKER, n.id(), n.host(), n.port()));
            addControllers(admin);
            admin.close();
            long began = System.nanoTime();
            for (boolean passedOn = false; !common.out.checkError(); look()) {
                if (Thread.interrupted()) return false;
                if (passedOn || System.nanoTime() - began < 1000 * MS || isDirect()) continue;
                passedOn = true; // controllers in a network of their own, or with another protocol: a broker passes the question on, if later
                for (Link l : List.copyOf(links)) if (l.kind == Kind.BROKER) links.add(new Link(Kind.BY_BROKER, l.node, l.host, l.port)); else { l.close(0); links.remove(l); }
            }
            return true;
        } catch (InterruptedException | InterruptException | ClosedByInterruptException e) {
            Thread.interrupted();
            return false;
        } finally { links.forEach(l -> l.close(0)); }
    }

    /** @return how many questions it has asked so far; of the loop's thread, so roughly */
    int questions() { return List.copyOf(links).stream().mapToInt(l -> l.questions).sum(); }

    private void addControllers(Admin admin) throws InterruptedException {
        try {
            for (QuorumInfo.Node n : admin.describeMetadataQuorum(new DescribeMetadataQuorumOptions().timeoutMs(3000)).quorumInfo().get().nodes().values())
                n.endpoints().stream().findFirst().ifPresent(e -> links.add(new Link(Kind.CONTROLLER, n.nodeId(), e.host(), e.port())));
        } catch (ExecutionException e) { common.say("No active controller tells where the controllers are, so brokers are asked for it, which takes longer."); }
    }

    /** One turn: asks who is due, and waits for an answer, for the end of a connection, or for the next to be due. */
    private void look() throws IOException {
        long now = System.nanoTime(), wake = now + CALM;
        boolean patient = now - changedAt < PATIENCE, leaderless = isLeaderless(now), amiss = isAmiss();
        for (Link l : links) {
            boolean fast = l.kind == Kind.BROKER ? amiss && (controller >= 0 || !isDirect()) : leaderless; // without a controller no metadata changes
            wake = Math.min(wake, l.tick(now, patient && fast ? FAST : CALM));
        }
        selector.select(key -> ((Link) key.attachment()).ready(), Math.max(1, (wake - now) / MS));
    }

    private boolean isDirect() { return links.stream().anyMatch(l -> l.kind == Kind.CONTROLLER && l.answered); }

    /** Nobody leads, or who did lets us wait; and there are enough to elect somebody. */
    private boolean isLeaderless(long now) {
        List<Link> voters = links.stream().filter(l -> l.kind == Kind.CONTROLLER).toList();
        boolean doubtful = controller < 0 || voters.stream().anyMatch(l -> l.node == controller && l.question != null && now - l.askedAt > DOUBT);
        return doubtful && (voters.isEmpty() || voters.stream().filter(l -> l.live).count() * 2 > voters.size());
    }

    /** A partition is led by, or in sync with, one who does not answer; or one who does answer has still to catch up. */
    private boolean isAmiss() {
        Set<Integer> live = links.stream().filter(l -> l.kind == Kind.BROKER && l.live).map(l -> l.node).collect(Collectors.toSet());
        return known.values().stream().anyMatch(p -> !live.contains(p.leader) || !live.containsAll(p.isr) || p.isr.size() < p.replicas.size() && live.containsAll(p.replicas));
    }

    // ---- What is seen ----

    /**
     * A leader of before that comes back (it was paused) still believes in its epoch.
     * @param at when the question was asked, or null. A winner answers only when it has done what becoming the leader takes (tens of milliseconds on a busy machine), so that it was elected between this and now
     */
    private void seeController(int node, int leaderEpoch, Instant at) {
        if (leaderEpoch < epoch || told && node == controller && leaderEpoch == epoch) return;
        told = true;
        controller = node;
        epoch = leaderEpoch;
        changedAt = System.nanoTime();
        common.emit("controller", "controller", node, "epoch", epoch, "at", at == null ? null : at.toString());
        if (!common.json) common.out.println(Cli.timestamp() + (node < 0 ? " no active controller after epoch " + epoch : " controller " + node + " epoch " + epoch));
    }

    void see(Link link, DescribeQuorumResponseData answer) {
        var quorum = answer.errorCode() != 0 || answer.topics().isEmpty() ? null : answer.topics().get(0).partitions().get(0);
        boolean byBroker = link.kind == Kind.BY_BROKER;
        boolean leads = quorum != null && quorum.errorCode() == 0 && quorum.leaderId() >= 0 && (byBroker || quorum.leaderId() == link.node);
        link.names = leads ? quorum.leaderId() : -1;
        if (leads) seeController(quorum.leaderId(), quorum.leaderEpoch(), link.asked());
        else if (byBroker ? nobodyNames(controller) : link.node == controller) seeController(-1, epoch, null); // it has resigned
    }

    /** Returns whether no broker still names a controller: what one of them answers, late or of a network of its own, undoes nothing that another goes on reporting. */
    private boolean nobodyNames(int node) {
        long now = System.nanoTime();
        return links.stream().noneMatch(l -> l.kind == Kind.BY_BROKER && l.live && l.names == node && (l.question == null || now - l.askedAt <= SILENT));
    }

    private void see(int broker, MetadataResponse metadata) {
        for (var topic : metadata.topicMetadata()) {
            if (topics.isEmpty() && topic.isInternal() && !internal) continue;
            for (var p : topic.partitionMetadata())
                seePartition(broker, p.topicPartition, new Led(p.leaderId.orElse(-1), p.leaderEpoch.orElse(-1), p.inSyncReplicaIds.stream().sorted().toList(), p.replicaIds.stream().sorted().toList()));
        }
    }

    /** Taken is what is new to the broker that tells it, unless that is what another broker has just overtaken: it is taken later if the broker goes on telling it. */
    private void seePartition(int broker, TopicPartition partition, Led seen) {
        Map<TopicPartition, Led> view = views.computeIfAbsent(broker, b -> new HashMap<>());
        Led current = known.get(partition);
        long now = System.nanoTime();
        boolean news = current == null || !seen.equals(view.get(partition)) && seen.leaderEpoch >= current.leaderEpoch && !seen.equals(current);
        if (news && seen.equals(overtaken.get(partition)) && now - knownSince.get(partition) < LAG) return;
        view.put(partition, seen);
        if (!news) return;
        overtaken.put(partition, current);
        known.put(partition, seen);
        knownSince.put(partition, now);
        changedAt = now;
        common.emit("leader", "topic", partition.topic(), "partition", partition.partition(), "leader", seen.leader, "leaderEpoch", seen.leaderEpoch, "isr", seen.isr, "replicas", seen.replicas);
        if (!common.json) common.out.println(Cli.timestamp() + " " + Cli.printable(partition) + " leader " + (seen.leader < 0 ? "none" : seen.leader) + " epoch " + seen.leaderEpoch
                + " ISR " + seen.isr.stream().map(String::valueOf).collect(Collectors.joining(",")));
    }

    // ---- Who is asked ----

    enum Kind { CONTROLLER, BROKER, BY_BROKER }

    /** A connection with one question at a time: to a controller or by a broker who leads the quorum, to a broker what its metadata is. */
    class Link {
        private final Kind kind;
        private final int node, port;
        private final String host;
        private final ByteBuffer size = ByteBuffer.allocate(4);
        private SocketChannel channel;
        private ByteBuffer answer;
        RequestHeader question;
        /** live: it has answered on this connection, and the last question in time; answered: ever. */
        private boolean connected, answered;
        boolean live;
        long askedAt;
        private long openAt;
        /** Whom its last answer names as the active controller; -1: nobody. */
        private int names = -1;
        private int questions;

        Link(Kind kind, int node, String host, int port) { this.kind = kind; this.node = node; this.host = host; this.port = port; }

        /** @return when to come back at the latest */
        long tick(long now, long every) throws IOException {
            if (channel == null && now >= openAt) open(now);
            else if (channel != null && !connected && now - askedAt > 1000 * MS) close(now + RECONNECT); // a host that is gone, as in Docker
            if (!connected) return now + RECONNECT;
            if (question == null && now - askedAt >= every) ask(now);
            if (question == null) return connected ? askedAt + every : now + RECONNECT;
            if (kind == Kind.BY_BROKER) return now + CALM; // a broker takes its time while it looks for the controller itself
            if (live && now - askedAt > SILENT) lost();
            if (now - askedAt > 20 * SILENT) close(now);
            return now + DOUBT;
        }

        private void open(long now) throws IOException {
            askedAt = now;
            try {
                channel = SocketChannel.open();
                channel.configureBlocking(false);
                channel.setOption(StandardSocketOptions.TCP_NODELAY, true);
                SelectionKey key = channel.register(selector, SelectionKey.OP_CONNECT, this);
                if (channel.connect(new InetSocketAddress(host, port))) connected(key);
            } catch (ClosedByInterruptException e) {
                throw e;
            } catch (IOException | UnresolvedAddressException e) { close(now + RECONNECT); }
        }

        private void connected(SelectionKey key) {
            connected = true;
            askedAt = System.nanoTime() - CALM; // due at once
            key.interestOps(SelectionKey.OP_READ);
        }

        private void ask(long now) throws IOException {
            AbstractRequest request = kind == Kind.BROKER ? new MetadataRequest.Builder(topics.isEmpty() ? null : List.copyOf(topics), false).build((short) 12)
                    : new DescribeQuorumRequest.Builder(DescribeQuorumRequest.singletonRequest(new TopicPartition("__cluster_metadata", 0))).build((short) 0);
            question = new RequestHeader(request.apiKey(), request.version(), "watch-leaders", ++questions);
            askedAt = now;
            ByteBuffer body = request.serializeWithHeader(question), frame = ByteBuffer.allocate(4 + body.remaining());
            frame.putInt(body.remaining()).put(body).flip();
            try {
                while (frame.hasRemaining()) channel.write(frame); // some hundred bytes, with nothing under way before them
            } catch (ClosedByInterruptException e) {
                throw e;
            } catch (IOException ended) { close(now + RECONNECT); }
        }

        /** The connection is made, or has ended, or there is something to read. */
        void ready() {
            try {
                if (!connected && channel.finishConnect()) connected(channel.keyFor(selector));
                for (ByteBuffer into; connected; ) {
                    into = answer == null ? size : answer;
                    if (channel.read(into) < 0) throw new EOFException();
                    if (into.hasRemaining()) return;
                    into.flip();
                    if (answer != null) take();
                    else if ((answer = ByteBuffer.allocate(length(size.getInt()))) != null) size.clear();
                }
            } catch (IOException | RuntimeException ended) { close(System.nanoTime() + RECONNECT); }
        }

        private static int length(int n) throws IOException {
            if (n < 4 || n > LARGEST_ANSWER) throw new IOException("not Kafka's protocol");
            return n;
        }

        /** When the question was asked; null if that tells nothing: a broker or a node that is paused may keep one for long. */
        Instant asked() {
            long nanos = System.nanoTime() - askedAt;
            return kind == Kind.CONTROLLER && nanos < SILENT ? Instant.now().minusNanos(nanos).truncatedTo(ChronoUnit.MICROS) : null;
        }

        private void take() {
            AbstractResponse response = AbstractResponse.parseResponse(answer, question);
            answer = null;
            question = null;
            live = answered = true;
            if (response instanceof MetadataResponse metadata) see(node, metadata);
            else see(this, ((DescribeQuorumResponse) response).data());
        }

        private void lost() {
            live = false;
            if (kind == Kind.CONTROLLER && node == controller) seeController(-1, epoch, null);
        }

        void close(long reopenAt) {
            try { if (channel != null) channel.close(); } catch (IOException e) { /* it has ended */ }
            channel = null;
            answer = null;
            question = null;
            connected = false;
            size.clear();
            openAt = reopenAt;
            if (reopenAt > 0) lost(); // else it is the end
        }
    }

    /** With TLS or SASL. An Admin does not tell the leader epoch: -1. */
    private boolean askByAdmin(Admin admin) throws Exception {
        for (; !common.out.checkError(); Thread.sleep(100)) {
            try {
                QuorumInfo quorum = admin.describeMetadataQuorum(new DescribeMetadataQuorumOptions().timeoutMs(1500)).quorumInfo().get();
                seeController(quorum.leaderId(), (int) quorum.leaderEpoch(), null);
            } catch (ExecutionException e) {
                if (e.getCause() instanceof AuthorizationException || e.getCause() instanceof AuthenticationException) throw e; // not to be allowed to ask is no loss of the controller
                seeController(-1, epoch, null);
            }
            try {
                Collection<String> names = topics.isEmpty() ? admin.listTopics(new ListTopicsOptions().listInternal(internal).timeoutMs(1500)).names().get() : topics;
                for (TopicDescription t : admin.describeTopics(names, new DescribeTopicsOptions().timeoutMs(1500)).allTopicNames().get().values()) for (var p : t.partitions())
                    seePartition(0, new TopicPartition(t.name(), p.partition()), new Led(p.leader() == null || p.leader().isEmpty() ? -1 : p.leader().id(), -1,
                            p.isr().stream().map(Node::id).sorted().toList(), p.replicas().stream().map(Node::id).sorted().toList()));
            } catch (ExecutionException e) { common.say("The topics cannot be described: %s", e.getCause().getMessage()); }
        }
        return true;
    }
}
