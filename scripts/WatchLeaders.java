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
 * Sees when a controller is elected and when a partition gets another leader or ISR, to some 10 ms, so that an outage
 * can be taken apart.
 *
 * <p>watch-isr looks by an Admin, which waits for a dead node, retries, and is passed on by brokers. Here a connection
 * is held to each controller and each broker: a process that is killed ends it, which starts the look. While nobody
 * leads the quorum, each controller is asked every 10 ms (only the leader answers, and at once); when one leads, each
 * broker is asked for the partitions, every 10 ms while something is degraded. There are never two requests at a time
 * on a connection; and when nothing is degraded, or nothing has changed for a minute, each is asked four times a
 * second. With TLS or SASL (--command-config) an Admin has to do, every 100 ms.
 *
 * <pre>watch-leaders --events run.jsonl &amp;
 * kill-node controller; outages run.jsonl</pre>
 */
@Command(
        name = "watch-leaders",
        version = "kraft-lab 0.1.0",
        sortOptions = false,
        description = "Shows each change of active controller, leader and ISR when it happens, to some 10 ms, until"
                + " Ctrl-C.")
class WatchLeaders implements Callable<Integer>, LeaderLink.Owner, LeaderView.Changes {
    private static final long MS = LeaderLink.MS;
    private static final long FAST = 10 * MS;
    /** What is degraded for this long without any change will not be mended soon. */
    private static final long PATIENCE = 60_000 * MS;
    /** A controller that can be reached has answered by then. */
    private static final long DIRECT_ANSWER = 1000 * MS;

    private static final int ADMIN_TIMEOUT_MS = 1500;

    @Option(
            names = "--topic",
            paramLabel = "TOPIC",
            description = "Only this topic; may be repeated (default: all but the internal ones).")
    Set<String> topics = new TreeSet<>();

    @Option(names = "--internal", description = "Internal topics too.")
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

    /** Returns how many questions it has asked so far; the loop goes on meanwhile, so roughly. */
    int questions() {
        return List.copyOf(links).stream().mapToInt(link -> link.questions).sum();
    }

    private void addControllers(Admin admin) throws InterruptedException {
        DescribeMetadataQuorumOptions options = new DescribeMetadataQuorumOptions().timeoutMs(3000);
        try {
            QuorumInfo quorum =
                    admin.describeMetadataQuorum(options).quorumInfo().get();
            quorum.nodes().values().forEach(this::addController);
        } catch (ExecutionException e) {
            common.say("No active controller tells where the controllers are, so brokers are asked for it,"
                    + " which takes longer.");
        }
    }

    private void addController(QuorumInfo.Node controller) {
        controller.endpoints().stream()
                .findFirst()
                .map(endpoint -> new Node(controller.nodeId(), endpoint.host(), endpoint.port()))
                .ifPresent(node -> links.add(new LeaderLink(LeaderLink.Kind.CONTROLLER, node, this)));
    }

    // ---- By connections of its own ----

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

    /** Controllers in a network of their own, or with another protocol: a broker passes the question on, if later. */
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

    /** Asks who is due, and waits for an answer, for the end of a connection, or for the next to be due. */
    private void look() throws IOException {
        long now = System.nanoTime();
        long wake = now + LeaderLink.CALM;
        boolean patient = now - view.changedAt() < PATIENCE;
        boolean askForController = isLeaderless(now);
        // Without a controller no metadata changes.
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

    /** Returns whether nobody leads, or who did lets us wait; and there are enough to elect somebody. */
    private boolean isLeaderless(long now) {
        List<LeaderLink> voters = links.stream()
                .filter(link -> link.kind == LeaderLink.Kind.CONTROLLER)
                .toList();
        boolean lateAnswer = voters.stream()
                .filter(voter -> voter.node.id() == view.controller())
                .anyMatch(voter -> voter.question != null && now - voter.askedAt > LeaderLink.DOUBT);
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

    // ---- What is seen ----

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
     * Returns whether no broker still names a controller: what one of them answers, late or of a network of its own,
     * undoes nothing that another goes on reporting.
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

    // ---- By an Admin, with TLS or SASL ----

    private boolean watchByAdmin(Admin admin) throws Exception {
        while (!common.out.checkError()) {
            lookForController(admin);
            try {
                lookForLeaders(admin);
            } catch (ExecutionException e) {
                common.say("The topics cannot be described: %s", e.getCause().getMessage());
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
                throw e; // not to be allowed to ask is no loss of the controller
            }
            view.seeNoController();
        }
    }

    /** An Admin does not tell the leader epoch: it is -1 here. */
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
