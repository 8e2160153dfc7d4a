///usr/bin/env jbang "$0" "$@" ; exit $?
//JAVA 17+
//DEPS org.apache.kafka:kafka-clients:4.4.0
//DEPS info.picocli:picocli:4.7.7
//DEPS com.fasterxml.jackson.jr:jackson-jr-objects:2.21.7
//DEPS org.slf4j:slf4j-simple:1.7.36
//SOURCES lib/cli/Cli.java lib/probe/ProbeAnswer.java lib/probe/ProbeClients.java lib/probe/ProbeCoordinators.java
//SOURCES lib/probe/ProbeMetadata.java lib/probe/ProbeRecords.java lib/probe/ProbeTable.java
// Compression is native code, of which newer JVMs warn.
//RUNTIME_OPTIONS --enable-native-access=ALL-UNNAMED
//JAVAC_OPTIONS -J-XX:TieredStopAtLevel=1 -J-XX:+UseSerialGC
//DESCRIPTION Shows what still works with the nodes and the quorum that are left

import java.io.IOException;
import java.io.PrintWriter;
import java.time.Duration;
import java.util.*;
import java.util.concurrent.*;
import java.util.stream.Stream;
import org.apache.kafka.clients.admin.*;
import org.apache.kafka.common.KafkaFuture;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.TopicPartitionInfo;
import org.apache.kafka.common.config.ConfigResource;
import org.apache.kafka.common.errors.TimeoutException;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/**
 * Checks everything that clients ask of a cluster, in parallel and each with a timeout, and reports for each check
 * whether it works, fails, and with which error, or hangs.
 *
 * <p>It leaves nothing behind. A request that times out without a quorum still waits in the broker, which carries it
 * out once the quorum is back. Therefore:
 * <ul>
 * <li>With an active controller it creates a topic of its own, with a leader on each broker, and deletes it. Without a
 * controller it creates none, and produces only to a topic that {@code --topic} names. The records stay there: written
 * now, they are committed later. Consumers recognize them by the header {@code kraft-lab-probe}.
 * <li>Create topic (without a controller) and alter config are sent with validateOnly: they take the same path to the
 * controller, and change nothing when they arrive late.
 * <li>It joins a group and deletes it. Without a controller the group would stay: its first record is in the
 * coordinator's log, is committed when the quorum returns, and cannot be deleted before. Then it only checks that the
 * coordinators answer.
 * <li>A transaction leaves its transactional id for seven days, and the first group or transaction of a cluster creates
 * an internal topic. {@code --all} accepts these side effects; without it, only the transaction coordinators are
 * checked.
 * </ul>
 * Topics and groups of a probe that was killed, or that were created late, are deleted by the next one.
 *
 * <pre>probe
 * probe --topic critical_data --json</pre>
 */
@Command(
        name = "probe",
        version = "kraft-lab 0.1.0",
        sortOptions = false,
        description = "Checks what works right now: each check is ok, fails or hangs, with its time. Leaves nothing"
                + " behind. Without a quorum the exit code is 11.")
class ProbeCluster implements Callable<Integer> {
    /** The header of the probe's records, and its transactional id. */
    static final String MARK = "kraft-lab-probe";
    /** The prefix of the probe's topics and groups, before the second of their creation in base 36. */
    static final String OWN = MARK + "-";

    private static final int OLD_SECONDS = 60;
    private static final Duration DELETE_WITHIN = Duration.ofSeconds(12);

    @Option(
            names = "--topic",
            paramLabel = "TOPIC",
            description = "Produce to this topic, which keeps the records, with a header kraft-lab-probe (default: a"
                    + " temporary topic; without a controller: none).")
    String topic;

    @Option(
            names = "--check-timeout",
            paramLabel = "DURATION",
            description = "Timeout for each check; one without an answer by then hangs (default: 4s).")
    Duration checkTimeout = Duration.ofSeconds(4); // a default of picocli's would override --each

    /** The name of an earlier version. */
    @Option(names = "--each", hidden = true, description = "Deprecated: use --check-timeout.")
    void each(Duration timeout) {
        checkTimeout = timeout;
    }

    @Option(
            names = "--all",
            description = "Include checks with side effects: a transaction (its id stays for 7 days); without a quorum,"
                    + " a group (which may appear later, for some minutes); the internal topics of a cluster's first"
                    + " group and transaction.")
    boolean all;

    @Mixin
    Cli.Common common = new Cli.Common();

    String own = OWN + Long.toString(System.currentTimeMillis() / 1000, 36);
    private final long began = System.nanoTime();
    private ProbeClients clients;
    private ProbeMetadata metadata;
    private volatile boolean created;
    private volatile boolean joining;

    public static void main(String... args) {
        System.exit(run(new PrintWriter(System.out, true), new PrintWriter(System.err, true), args));
    }

    /** Runs the script without a process. @return the exit code */
    public static int run(PrintWriter out, PrintWriter err, String... args) {
        ProbeCluster script = new ProbeCluster();
        return script.common.run(script, out, err, args);
    }

    @Override
    public Integer call() throws Exception {
        if (checkTimeout.toMillis() < 100) {
            throw new Cli.Exit(2, "--check-timeout should be at least 100ms.");
        }
        List<ProbeAnswer> answers = probe();
        if (!common.json) {
            ProbeTable.lines(answers).forEach(common.out::println);
        }
        if (metadata.hasController) {
            return 0;
        }
        String silent =
                metadata.silent.isEmpty() ? "" : ", and no answer from broker " + ProbeTable.commas(metadata.silent);
        throw new Cli.Exit(
                Cli.NO_CONTROLLER, "No active controller" + silent + ": find-controller says who is missing.");
    }

    /**
     * Runs all checks.
     *
     * @return the answers in the order of the table
     * @throws Cli.Exit of code 10 when the cluster does not even describe itself
     */
    public List<ProbeAnswer> probe() throws Exception {
        clients = new ProbeClients(common, answering(), checkTimeout);
        metadata = new ProbeMetadata(checkTimeout);
        Future<List<ProbeAnswer>> cluster = clients.ask("describe cluster", metadata::describeCluster);
        Future<List<ProbeAnswer>> topics =
                clients.ask("describe topics", admin -> metadata.describeTopics(admin, topic));
        Future<List<ProbeAnswer>> quorum = clients.ask("metadata quorum", metadata::describeQuorum);
        List<ProbeAnswer> answers = new ArrayList<>(cluster.get());
        requireDescribed(answers.get(0));
        ProbeAnswer ofQuorum = quorum.get().get(0);
        answers.add(metadata.withReplicas(topics.get().get(0)));
        answers.add(ofQuorum);
        if (ofQuorum.failedWith("AuthorizationException")) {
            metadata.hasController = true; // this principal may not describe the quorum
        }
        try {
            answers.addAll(checkInParallel());
        } finally {
            cleanUp();
        }
        answers.forEach(answer -> common.emit("probe", answer.fields()));
        return answers;
    }

    private String answering() throws IOException {
        common.requireReachable();
        return common.usable();
    }

    private void requireDescribed(ProbeAnswer answer) throws IOException {
        if (answer.isOk()) {
            return;
        }
        common.requireReachable();
        String why = answer.failedWith("AuthenticationException")
                ? "login refused"
                : "it does not describe itself, " + answer.error();
        throw new Cli.Exit(
                Cli.UNREACHABLE,
                "Cannot talk to " + common.bootstrapServer + ": " + why + ", " + answer.detail() + ".");
    }

    // ---- Checks that need the leaders ----

    /** Runs the checks at the same time, since one that hangs would delay the others. */
    private List<ProbeAnswer> checkInParallel() throws Exception {
        String target = topic == null ? own : topic;
        boolean exists = metadata.has(target);
        boolean create = metadata.hasController && !exists;
        Future<List<ProbeAnswer>> creation =
                clients.ask("create topic", admin -> create ? create(admin, target) : validateCreation(admin));
        boolean writable = exists || create && creation.get().get(0).isOk();
        String subject = writable ? target : metadata.anyTopic();
        ProbeRecords records = new ProbeRecords(clients, MARK, writable ? metadata.led(target) : List.of());

        List<Future<List<ProbeAnswer>>> later = new ArrayList<>(List.of(creation, askToAlter(subject)));
        later.add(askForGroup(subject));
        later.add(askForTransaction(records, target));
        Future<?> cleaning = clients.submit(this::deleteOld);
        List<Future<List<ProbeAnswer>>> asked = new ArrayList<>(writable ? records.ask() : notWritable());
        asked.addAll(later);
        List<ProbeAnswer> answers = new ArrayList<>();
        ProbeClients.all(asked).forEach(answers::addAll);
        cleaning.get();
        return answers;
    }

    private List<Future<List<ProbeAnswer>>> notWritable() {
        String why = topic == null
                ? "without a controller there is no topic of its own; --topic names one"
                : "there is no such topic, and none can be created";
        return Stream.of("produce acks=0", "produce acks=1", "produce acks=all", "read committed")
                .map(question -> ProbeClients.notAsked(question, why))
                .toList();
    }

    private String create(Admin admin, String name) throws Exception {
        created = true; // also if there is no answer: it may still happen
        try {
            admin.createTopics(List.of(new NewTopic(name, metadata.assignment())))
                    .all()
                    .get();
        } catch (ExecutionException e) {
            created = topic == null || e.getCause() instanceof TimeoutException; // or somebody else's is deleted
            throw e;
        }
        long deadline = clients.deadline();
        while (!metadata.isLedByAll(admin, name)) {
            if (System.nanoTime() > deadline) {
                throw new TimeoutException("created, but without leaders");
            }
            Thread.sleep(20);
        }
        return "and deleted at the end";
    }

    private String validateCreation(Admin admin) throws Exception {
        NewTopic wanted = new NewTopic(own, 1, (short) 1);
        CreateTopicsOptions options = new CreateTopicsOptions().validateOnly(true);
        return validated(admin.createTopics(List.of(wanted), options).all());
    }

    private Future<List<ProbeAnswer>> askToAlter(String subject) {
        if (subject == null) {
            return ProbeClients.notAsked("alter config", "there is no topic");
        }
        ConfigResource resource = new ConfigResource(ConfigResource.Type.TOPIC, subject);
        ConfigEntry retention = new ConfigEntry("retention.ms", "604800000");
        List<AlterConfigOp> operations = List.of(new AlterConfigOp(retention, AlterConfigOp.OpType.SET));
        AlterConfigsOptions options = new AlterConfigsOptions().validateOnly(true);
        return clients.ask(
                "alter config",
                admin -> validated(admin.incrementalAlterConfigs(Map.of(resource, operations), options)
                        .all()));
    }

    private static String validated(KafkaFuture<Void> answer) throws Exception {
        answer.get();
        return "validated only";
    }

    private Future<List<ProbeAnswer>> askForGroup(String subject) {
        ProbeCoordinators coordinators = new ProbeCoordinators(clients, metadata, own);
        if (!all && !metadata.hasController) {
            return coordinators.askForGroups();
        }
        if (subject == null) {
            return ProbeClients.notAsked("group join", "there is no topic");
        }
        return askIfHarmless("group join", ProbeMetadata.GROUPS, admin -> {
            joining = true;
            return coordinators.join(subject);
        });
    }

    private Future<List<ProbeAnswer>> askForTransaction(ProbeRecords records, String target) {
        if (!all) {
            return new ProbeCoordinators(clients, metadata, own).askForTransactions();
        }
        TopicPartition to = metadata.has(target) ? lastAnsweringPartition(target) : null;
        return askIfHarmless("transaction", ProbeMetadata.TRANSACTIONS, admin -> records.transact(to));
    }

    private TopicPartition lastAnsweringPartition(String name) {
        return metadata.topic(name).partitions().stream()
                .filter(partition -> partition.leader() != null)
                .filter(partition ->
                        !metadata.silent.contains(partition.leader().id()))
                .map(TopicPartitionInfo::partition)
                .reduce((earlier, later) -> later)
                .map(partition -> new TopicPartition(name, partition))
                .orElse(null);
    }

    /**
     * Runs a check, unless it would create an internal topic: only with --all, and never without a controller, since
     * the topic would be created later.
     */
    private Future<List<ProbeAnswer>> askIfHarmless(String question, String internal, ProbeClients.Question body) {
        if (metadata.has(internal) || all && metadata.hasController) {
            return clients.ask(question, body);
        }
        String why = metadata.hasController
                ? ProbeCoordinators.noTopicYet(internal)
                : internal + " does not exist, and would be made later";
        return ProbeClients.notAsked(question, why);
    }

    // ---- Cleaning up ----

    /** Deletes what a probe left that was killed, or was created late. What fails is left to the next probe. */
    private Void deleteOld() {
        if (metadata.hasController) {
            clients.timed("delete", 0, this::deleteOld);
        }
        return null;
    }

    private String deleteOld(Admin admin) throws Exception {
        List<String> topics =
                metadata.names().stream().filter(ProbeCluster::isOld).toList();
        List<String> groups = admin.listGroups().valid().get().stream()
                .map(GroupListing::groupId)
                .filter(ProbeCluster::isOld)
                .toList();
        if (!topics.isEmpty()) {
            admin.deleteTopics(topics).all().get();
        }
        if (!groups.isEmpty()) {
            admin.deleteConsumerGroups(groups).all().get();
        }
        List<String> deleted =
                Stream.concat(topics.stream(), groups.stream()).distinct().toList();
        if (!deleted.isEmpty()) {
            common.say("Deleted what a probe before this one had left: %s.", String.join(", ", deleted));
        }
        return "";
    }

    static boolean isOld(String name) {
        if (!name.matches(OWN + "[0-9a-z]{6}")) {
            return false;
        }
        long made = Long.parseLong(name.substring(OWN.length()), 36);
        return System.currentTimeMillis() / 1000 - made > OLD_SECONDS;
    }

    /** Closes the clients before deleting their topic: a later metadata request would create it again. */
    private void cleanUp() throws InterruptedException {
        boolean interrupted = Thread.interrupted();
        if (!clients.end()) {
            common.say("A client of the probe did not end in time.");
        }
        if (joining) {
            deleteGroup();
        }
        if (created) {
            deleteTopic();
        }
        if (interrupted) {
            throw new InterruptedException();
        }
    }

    private void deleteTopic() {
        String name = topic == null ? own : topic;
        ProbeAnswer deleted = clients.timed(
                "delete",
                0,
                admin -> validated(admin.deleteTopics(List.of(name)).all()));
        if (!deleted.isOk() && !deleted.failedWith("UnknownTopic")) {
            String later = topic == null ? "; the next probe does it" : "";
            common.say("The topic %s could not be deleted (%s)%s.", name, deleted.error(), later);
        }
    }

    /** Deletes the group. Where a dead node in the ISR made the join hang, that works once the node is fenced. */
    private void deleteGroup() {
        if (!metadata.hasController) {
            common.say("The group %s may come to be when the quorum is back; the next probe deletes it.", own);
            return;
        }
        boolean gone = false;
        while (!gone) {
            ProbeAnswer deleted = clients.timed(
                    "delete",
                    0,
                    admin -> validated(admin.deleteConsumerGroups(List.of(own)).all()));
            if (deleted.failedWith("GroupNotEmptyException")) { // interrupted, it could not leave
                RemoveMembersFromConsumerGroupOptions everybody = new RemoveMembersFromConsumerGroupOptions();
                clients.timed(
                        "remove",
                        0,
                        admin -> validated(admin.removeMembersFromConsumerGroup(own, everybody)
                                .all()));
            }
            boolean late = System.nanoTime() - began >= DELETE_WITHIN.toNanos();
            gone = deleted.isOk() || deleted.failedWith("GroupIdNotFound") || late;
        }
    }
}
