///usr/bin/env jbang "$0" "$@" ; exit $?
//JAVA 17+
//DEPS org.apache.kafka:kafka-clients:4.4.0
//DEPS info.picocli:picocli:4.7.7
//DEPS com.fasterxml.jackson.jr:jackson-jr-objects:2.21.7
//DEPS org.slf4j:slf4j-simple:1.7.36
//SOURCES lib/cli/Cli.java lib/cli/EventFields.java lib/leaders/LeaderLink.java lib/leaders/LeaderView.java
//JAVAC_OPTIONS -J-XX:TieredStopAtLevel=1 -J-XX:+UseSerialGC
//DESCRIPTION Shows each change of controller, leader and ISR, to about 10 ms

import java.io.IOException;
import java.io.PrintWriter;
import java.nio.channels.ClosedByInterruptException;
import java.nio.channels.Selector;
import java.time.Instant;
import java.util.*;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutionException;
import java.util.stream.Collectors;
import org.apache.kafka.clients.admin.*;
import org.apache.kafka.common.*;
import org.apache.kafka.common.errors.*;
import org.apache.kafka.common.message.DescribeQuorumResponseData;
import org.apache.kafka.common.requests.*;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/**
 * Sees within about 10 ms when a controller is elected and when the leader or the ISR of a partition changes, so that
 * an outage can be split into its phases.
 *
 * <p>watch-isr polls with an Admin, which waits for a dead node, retries, and is forwarded by brokers. This script
 * holds a connection to each controller and broker: a killed process closes it, which starts the next poll. While the
 * quorum has no leader, each controller is asked every 10 ms (only the leader answers, and at once); when there is one,
 * each broker is asked for its metadata, every 10 ms while a partition is degraded. A connection has at most one
 * request at a time; when nothing is degraded, or nothing has changed for a minute, each is asked four times a second.
 * With TLS or SASL (--command-config), an Admin is used instead, every 100 ms.
 *
 * <pre>watch-leaders --events run.jsonl &amp;
 * kill-node controller; outages run.jsonl</pre>
 */
@Command(
        name = "watch-leaders",
        version = "kraft-lab 0.1.0",
        sortOptions = false,
        description = "Shows every change of active controller, partition leader and ISR within about 10 ms, until"
                + " Ctrl-C.")
class WatchLeaders implements Callable<Integer>, LeaderLink.Owner, LeaderView.Changes {
    private static final long MS = LeaderLink.MS;
    private static final long FAST = 10 * MS;
    /** A partition that stays degraded for this long without any change will not recover soon. */
    private static final long PATIENCE = 60_000 * MS;
    /** A controller that can be reached answers within this time. */
    private static final long DIRECT_ANSWER = 1000 * MS;

    private static final int ADMIN_TIMEOUT_MS = 1500;

    @Option(names = "--topic", paramLabel = "TOPIC", description = "Only this topic; may be repeated (default: all).")
    Set<String> topics = new TreeSet<>();

    @Option(names = "--internal", description = "Include internal topics.")
    boolean internal;

    @Mixin
    Cli.Common common = new Cli.Common();

    final List<LeaderLink> links = new ArrayList<>();
    private final LeaderView view = new LeaderView(this);
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
    public Integer call() throws Exception {
        return watch() ? 0 : 130;
    }

    /** Prints and emits every change until stdout closes (true), or the thread is interrupted (false). */
    public boolean watch() throws Exception {
        try (Admin admin = common.admin();
                Selector opened = Selector.open()) {
            selector = opened;
            if (common.commandConfig != null) {
                return watchByAdmin(admin);
            }
            for (Node broker : admin.describeCluster().nodes().get()) {
                links.add(new LeaderLink(LeaderLink.Kind.BROKER, broker, this));
            }
            addControllers(admin);
            admin.close();
            return watchByLinks();
        } catch (InterruptedException | InterruptException | ClosedByInterruptException e) {
            Thread.interrupted();
            return false;
        } finally {
            links.forEach(LeaderLink::end);
        }
    }

    /** Returns about how many requests it has sent so far: the loop goes on meanwhile. */
    int requests() {
        return List.copyOf(links).stream().mapToInt(link -> link.requests).sum();
    }

    private void addControllers(Admin admin) throws InterruptedException {
        DescribeMetadataQuorumOptions options = new DescribeMetadataQuorumOptions().timeoutMs(3000);
        try {
            QuorumInfo quorum =
                    admin.describeMetadataQuorum(options).quorumInfo().get();
            quorum.nodes().values().forEach(this::addController);
        } catch (ExecutionException e) {
            common.say("No active controller reports the addresses of the controllers: brokers are asked instead,"
                    + " which takes longer.");
        }
    }

    private void addController(QuorumInfo.Node controller) {
        controller.endpoints().stream()
                .findFirst()
                .map(endpoint -> new Node(controller.nodeId(), endpoint.host(), endpoint.port()))
                .ifPresent(node -> links.add(new LeaderLink(LeaderLink.Kind.CONTROLLER, node, this)));
    }

    // ---- With its own connections ----

    private boolean watchByLinks() throws IOException {
        long began = System.nanoTime();
        boolean passedOn = false;
        while (!common.out.checkError()) {
            if (Thread.interrupted()) {
                return false;
            }
            if (!passedOn && System.nanoTime() - began >= DIRECT_ANSWER && !isDirect()) {
                passedOn = true;
                askBrokersInstead();
            }
            look();
        }
        return true;
    }

    /** Controllers in a separate network, or with another protocol: a broker forwards the request, but later. */
    private void askBrokersInstead() {
        for (LeaderLink link : List.copyOf(links)) {
            if (link.kind == LeaderLink.Kind.BROKER) {
                links.add(new LeaderLink(LeaderLink.Kind.BY_BROKER, link.node, this));
            } else {
                link.end();
                links.remove(link);
            }
        }
    }

    /** Sends the requests that are due, then waits for an answer, a closed connection, or the next due request. */
    private void look() throws IOException {
        long now = System.nanoTime();
        long wake = now + LeaderLink.CALM;
        boolean patient = now - view.changedAt() < PATIENCE;
        boolean askForController = isLeaderless(now);
        // Without a controller, metadata does not change.
        boolean askForPartitions = view.isDegraded(liveBrokers()) && (view.controller() >= 0 || !isDirect());
        for (LeaderLink link : links) {
            boolean fast = link.kind == LeaderLink.Kind.BROKER ? askForPartitions : askForController;
            wake = Math.min(wake, link.tick(now, patient && fast ? FAST : LeaderLink.CALM));
        }
        selector.select(key -> ((LeaderLink) key.attachment()).ready(), Math.max(1, (wake - now) / MS));
    }

    private boolean isDirect() {
        return links.stream().anyMatch(link -> link.kind == LeaderLink.Kind.CONTROLLER && link.answered);
    }

    /** Returns whether the quorum has no leader, or its leader is late; and enough voters are left to elect one. */
    private boolean isLeaderless(long now) {
        List<LeaderLink> voters = links.stream()
                .filter(link -> link.kind == LeaderLink.Kind.CONTROLLER)
                .toList();
        boolean lateAnswer = voters.stream()
                .filter(voter -> voter.node.id() == view.controller())
                .anyMatch(voter -> voter.pending != null && now - voter.askedAt > LeaderLink.DOUBT);
        long live = voters.stream().filter(voter -> voter.live).count();
        boolean electable = voters.isEmpty() || live * 2 > voters.size();
        return electable && (view.controller() < 0 || lateAnswer);
    }

    private Set<Integer> liveBrokers() {
        return links.stream()
                .filter(link -> link.kind == LeaderLink.Kind.BROKER && link.live)
                .map(link -> link.node.id())
                .collect(Collectors.toSet());
    }

    // ---- Answers ----

    @Override
    public Selector selector() {
        return selector;
    }

    @Override
    public Collection<String> topics() {
        return topics;
    }

    @Override
    public void answered(LeaderLink link, AbstractResponse response) {
        if (response instanceof MetadataResponse metadata) {
            see(link.node.id(), metadata);
        } else {
            see(link, ((DescribeQuorumResponse) response).data());
        }
    }

    @Override
    public void lost(LeaderLink link) {
        if (link.kind == LeaderLink.Kind.CONTROLLER && link.node.id() == view.controller()) {
            view.seeNoController();
        }
    }

    void see(LeaderLink link, DescribeQuorumResponseData answer) {
        boolean byBroker = link.kind == LeaderLink.Kind.BY_BROKER;
        Optional<DescribeQuorumResponseData.PartitionData> leading = answer.topics().stream()
                .flatMap(topic -> topic.partitions().stream())
                .limit(answer.errorCode() == 0 ? 1 : 0)
                .filter(quorum -> quorum.errorCode() == 0 && quorum.leaderId() >= 0)
                .filter(quorum -> byBroker || quorum.leaderId() == link.node.id())
                .findFirst();
        link.named = leading.map(quorum -> quorum.leaderId()).orElse(-1);
        if (leading.isPresent()) {
            view.seeController(leading.get().leaderId(), leading.get().leaderEpoch(), link.asked());
            return;
        }
        boolean resigned = byBroker ? nobodyNames(view.controller()) : link.node.id() == view.controller();
        if (resigned) {
            view.seeNoController();
        }
    }

    /**
     * Returns whether no broker names the controller any more: a late or isolated broker does not overrule another one
     * that still reports it.
     */
    private boolean nobodyNames(int controller) {
        long now = System.nanoTime();
        return links.stream()
                .filter(link -> link.kind == LeaderLink.Kind.BY_BROKER && link.live)
                .noneMatch(link -> link.named == controller && !link.isSilent(now));
    }

    private void see(int broker, MetadataResponse metadata) {
        for (MetadataResponse.TopicMetadata topic : metadata.topicMetadata()) {
            if (topics.isEmpty() && topic.isInternal() && !internal) {
                continue;
            }
            for (MetadataResponse.PartitionMetadata partition : topic.partitionMetadata()) {
                int leader = partition.leaderId.orElse(-1);
                int epoch = partition.leaderEpoch.orElse(-1);
                List<Integer> isr = sorted(partition.inSyncReplicaIds);
                List<Integer> replicas = sorted(partition.replicaIds);
                view.seePartition(
                        broker, partition.topicPartition, new LeaderView.Leader(leader, epoch, isr, replicas));
            }
        }
    }

    private static List<Integer> sorted(Collection<Integer> ids) {
        return ids.stream().sorted().toList();
    }

    @Override
    public void controller(int node, int epoch, Instant at) {
        common.emit("controller", "controller", node, "epoch", epoch, "at", at == null ? null : at.toString());
        print(node < 0 ? "no active controller after epoch " + epoch : "controller " + node + " epoch " + epoch);
    }

    @Override
    public void leader(TopicPartition partition, LeaderView.Leader leader) {
        EventFields fields = new EventFields()
                .with("topic", partition.topic())
                .with("partition", partition.partition())
                .with("leader", leader.node())
                .with("leaderEpoch", leader.epoch())
                .with("isr", leader.isr())
                .with("replicas", leader.replicas());
        common.emit("leader", fields.toArray());
        String node = leader.node() < 0 ? "none" : "" + leader.node();
        String isr = leader.isr().stream().map(String::valueOf).collect(Collectors.joining(","));
        print(Cli.printable(partition) + " leader " + node + " epoch " + leader.epoch() + " ISR " + isr);
    }

    private void print(String change) {
        if (!common.json) {
            common.out.println(Cli.timestamp() + " " + change);
        }
    }

    // ---- With an Admin, for TLS or SASL ----

    private boolean watchByAdmin(Admin admin) throws Exception {
        while (!common.out.checkError()) {
            lookForController(admin);
            try {
                lookForLeaders(admin);
            } catch (ExecutionException e) {
                common.say("Cannot describe the topics: %s", e.getCause().getMessage());
            }
            Thread.sleep(100);
        }
        return true;
    }

    private void lookForController(Admin admin) throws Exception {
        DescribeMetadataQuorumOptions options = new DescribeMetadataQuorumOptions().timeoutMs(ADMIN_TIMEOUT_MS);
        try {
            QuorumInfo quorum =
                    admin.describeMetadataQuorum(options).quorumInfo().get();
            view.seeController(quorum.leaderId(), (int) quorum.leaderEpoch(), null);
        } catch (ExecutionException e) {
            if (e.getCause() instanceof AuthorizationException || e.getCause() instanceof AuthenticationException) {
                throw e; // a request that is not permitted does not mean that the controller is lost
            }
            view.seeNoController();
        }
    }

    /** The Admin API has no leader epoch: it is -1 here. */
    private void lookForLeaders(Admin admin) throws Exception {
        Collection<String> names = topics;
        if (names.isEmpty()) {
            ListTopicsOptions options =
                    new ListTopicsOptions().listInternal(internal).timeoutMs(ADMIN_TIMEOUT_MS);
            names = admin.listTopics(options).names().get();
        }
        DescribeTopicsOptions options = new DescribeTopicsOptions().timeoutMs(ADMIN_TIMEOUT_MS);
        for (TopicDescription topic :
                admin.describeTopics(names, options).allTopicNames().get().values()) {
            for (TopicPartitionInfo partition : topic.partitions()) {
                TopicPartition name = new TopicPartition(topic.name(), partition.partition());
                view.seePartition(0, name, leaderOf(partition));
            }
        }
    }

    private static LeaderView.Leader leaderOf(TopicPartitionInfo partition) {
        boolean none = partition.leader() == null || partition.leader().isEmpty();
        List<Integer> isr = sorted(partition.isr().stream().map(Node::id).toList());
        List<Integer> replicas =
                sorted(partition.replicas().stream().map(Node::id).toList());
        return new LeaderView.Leader(none ? -1 : partition.leader().id(), -1, isr, replicas);
    }
}
