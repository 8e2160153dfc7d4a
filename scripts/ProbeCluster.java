///usr/bin/env jbang "$0" "$@" ; exit $?
//JAVA 17+
//DEPS org.apache.kafka:kafka-clients:4.4.0
//DEPS info.picocli:picocli:4.7.7
//DEPS com.fasterxml.jackson.jr:jackson-jr-objects:2.21.7
//DEPS org.slf4j:slf4j-simple:1.7.36
//SOURCES lib/cli/Cli.java
// Compression is native code, of which newer JVMs warn.
//RUNTIME_OPTIONS --enable-native-access=ALL-UNNAMED
//DESCRIPTION Shows what still works with the nodes and the quorum that are left

import com.fasterxml.jackson.jr.ob.JSON;
import java.io.*;
import java.net.*;
import java.nio.file.*;
import java.time.*;
import java.time.format.DateTimeFormatter;
import java.util.*;
import java.util.concurrent.*;
import java.util.function.*;
import java.util.stream.*;
import org.apache.kafka.clients.admin.*;
import org.apache.kafka.clients.consumer.CloseOptions;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.*;
import org.apache.kafka.common.config.*;
import org.apache.kafka.common.errors.*;
import org.apache.kafka.common.errors.TimeoutException;
import org.apache.kafka.common.header.internals.RecordHeader;
import org.apache.kafka.common.serialization.*;
import org.apache.kafka.common.utils.Utils;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;
import picocli.CommandLine.TypeConversionException;

/**
 * Asks a cluster for everything that clients ask for, side by side and each bounded in time, and says of each: it works, it fails with
 * what, or it hangs.
 *
 * <p>It leaves nothing behind. What makes that less simple than it sounds: a request that "timed out" without a quorum is still with the
 * broker, and happens once the quorum is back. So:
 * <ul>
 * <li>With an active controller it creates a topic of its own, led once by each broker, and deletes it. Without one it creates none, not
 * even on trial, and has no place to write to: produce is asked only of a topic named by {@code --topic}, where the records stay
 * (written now, they are committed later). They carry the header {@code kraft-lab-probe}, by which a consumer can tell them.
 * <li>Create topic (without a controller) and alter config are asked with validateOnly: they take the same way to the controller, and
 * change nothing when they arrive late.
 * <li>A group is joined and deleted. Without a controller it would be left: its beginning is in the coordinator's log, is committed with the
 * return of the quorum, and cannot be deleted before. Then only the coordinators are asked whether they are there.
 * <li>A transaction leaves its transactional id for seven days, and the first group or transaction of a cluster makes an internal topic.
 * {@code --all} asks for a group and a transaction all the same, at this price; without it, of transactions only the coordinators are asked.
 * </ul>
 * Topics and groups of a probe that was killed, or that came late, are deleted by the next one.
 *
 * <pre>probe
 * probe --topic critical_data --json</pre>
 */
@Command(name = "probe", version = "kraft-lab 0.1.0", sortOptions = false,
        description = "Says what works right now: each question ok, fails or hangs, with its time; leaves nothing behind. Without a quorum the exit code is 11.")
class ProbeCluster implements Callable<Integer> {
    /** What is the probe's own begins so; then the second of its making, in base 36. The header of its records, and its transactional id, are this without the dash. */
    static final String OWN = "kraft-lab-probe-", MARK = "kraft-lab-probe";
    private static final String GROUPS = "__consumer_offsets", TRANSACTIONS = "__transaction_state";

    @Option(names = "--topic", paramLabel = "TOPIC", description = "Produce to this topic, which keeps the records, with a header kraft-lab-probe (default: a topic of its own, deleted at the end; without a controller: none).")
    String topic;
    @Option(names = "--each", paramLabel = "DURATION", defaultValue = "4s", description = "A question that has no answer by then hangs (default: ${DEFAULT-VALUE}).")
    Duration each;
    @Option(names = "--all", description = "Also what leaves something: a transaction (its id stays for 7 days); without a quorum, a group (it may come to be later, for some minutes); the internal topics of a cluster's first group and transaction.")
    boolean all;

    @Mixin Cli.Common common = new Cli.Common();

    String own = OWN + Long.toString(System.currentTimeMillis() / 1000, 36);
    private final ExecutorService pool = Executors.newCachedThreadPool(task -> { Thread t = new Thread(task, "probe"); t.setDaemon(true); return t; });
    private final long began = System.nanoTime();
    private String bootstrap;
    private List<String> old = List.of();
    private volatile boolean controller, created, joining;
    private Set<Integer> silent = new ConcurrentSkipListSet<>();
    private Map<String, TopicDescription> topics = new TreeMap<>();
    private List<Integer> brokers = List.of();

    enum Outcome {
        OK, FAILS, HANGS, NOT_ASKED;
        @Override public String toString() { return name().toLowerCase(Locale.ROOT).replace('_', '-'); }
    }

    /**
     * One question's answer.
     * @param node the broker it was asked of, or 0  @param error the exception's name, if it fails  @param offset of the acknowledged record, or -1
     * @param highWatermark of its partition as reading found it, or -1
     */
    public record Answer(String question, int node, Outcome outcome, String error, long ms, String detail, long offset, long highWatermark) {
        /** Acknowledged, and no consumer may see it yet. */
        boolean isInvisible() { return offset >= 0 && highWatermark >= 0 && offset >= highWatermark; }
    }

    /** A broker, and one of the topic's partitions that it leads. */
    private record Led(int node, TopicPartition partition) { }
    private interface Question { String answer(Admin admin) throws Exception; }

    public static void main(String... args) {
        System.exit(run(new PrintWriter(System.out, true), new PrintWriter(System.err, true), args));
    }

    /** Runs the script without a process. @return the exit code */
    public static int run(PrintWriter out, PrintWriter err, String... args) {
        ProbeCluster script = new ProbeCluster();
        return script.common.run(script, out, err, args);
    }

    @Override public Integer call() throws Exception {
        if (each.toMillis() < 100) throw new Cli.Exit(2, "--each is at least 100ms.");
        List<Answer> answers = probe();
        if (!common.json) table(answers).forEach(common.out::println);
        if (controller) return 0;
        throw new Cli.Exit(Cli.NO_CONTROLLER, "No active controller" + (silent.isEmpty() ? "" : ", and no answer from broker " + commas(silent)) + ": find-controller says who is missing.");
    }

    /** Asks everything. @return the answers in the order of the table  @throws Exit 10 when the cluster does not even describe itself */
    public List<Answer> probe() throws Exception {
        bootstrap = answering();
        List<Answer> answers = new ArrayList<>();
        Future<List<Answer>> cluster = ask("describe cluster", this::describeCluster), described = ask("describe topics", this::describeTopics), quorum = ask("metadata quorum", this::describeQuorum);
        answers.addAll(cluster.get());
        if (answers.get(0).outcome != Outcome.OK) {
            common.requireReachable();
            String why = answers.get(0).error.endsWith("AuthenticationException") ? "login refused" : "it does not describe itself, " + answers.get(0).error;
            throw new Cli.Exit(Cli.UNREACHABLE, "Cannot talk to " + common.bootstrapServer + ": " + why + ", " + answers.get(0).detail + ".");
        }
        answers.addAll(quorum.get());
        answers.add(1, told(described.get().get(0)));
        if (String.valueOf(answers.get(2).error).endsWith("AuthorizationException")) controller = true; // which does not tell this to everybody
        try { answers.addAll(ask()); } finally { leaveNothing(); }
        for (Answer a : answers)
            common.emit("probe", "question", a.question, "node", a.node == 0 ? null : a.node, "outcome", a.outcome.toString(), "error", a.error, "ms", a.ms, "detail", a.detail,
                    "offset", a.offset < 0 ? null : a.offset, "highWatermark", a.highWatermark < 0 ? null : a.highWatermark, "visible", a.offset < 0 || a.highWatermark < 0 ? null : !a.isInvisible());
        return answers;
    }

    /** All that is asked once it is known who leads: side by side, since what hangs would make the rest wait. */
    private List<Answer> ask() throws Exception {
        String target = topic == null ? own : topic;
        boolean exists = topics.containsKey(target), make = controller && !exists;
        List<Answer> creation = make ? ask("create topic", admin -> create(admin, target)).get() : null;
        Future<List<Answer>> wouldCreate = make ? null : ask("create topic", admin -> validated(admin.createTopics(List.of(new NewTopic(own, 1, (short) 1)), new CreateTopicsOptions().validateOnly(true)).all()));
        boolean writable = exists || make && creation.get(0).outcome == Outcome.OK;
        String subject = writable ? target : topics.keySet().stream().filter(t -> !t.startsWith("__")).findFirst().orElse(null);
        String noTopic = topic == null ? "without a controller there is no topic of its own; --topic names one" : "there is no such topic, and none can be created";

        var retention = List.of(new AlterConfigOp(new ConfigEntry("retention.ms", "604800000"), AlterConfigOp.OpType.SET));
        Future<List<Answer>> alter = subject == null ? not("alter config", "there is no topic") : ask("alter config", admin -> validated(
                admin.incrementalAlterConfigs(Map.of(new ConfigResource(ConfigResource.Type.TOPIC, subject), retention), new AlterConfigsOptions().validateOnly(true)).all()));
        List<Led> led = writable ? led(topics.get(target)) : List.of();
        Future<List<Answer>> group = !all && !controller ? pool.submit(() -> coordinators("group coordinator", GROUPS, (admin, id) -> admin.describeConsumerGroups(List.of(id)).all()))
                : subject == null ? not("group join", "there is no topic") : asked("group join", GROUPS, admin -> join(subject));
        Future<List<Answer>> transaction = !all ? pool.submit(() -> coordinators("txn coordinator", TRANSACTIONS, (admin, id) -> admin.describeTransactions(List.of(id)).all()))
                : asked("transaction", TRANSACTIONS, admin -> transact(topics.get(target)));
        Future<?> mop = pool.submit(this::mop);
        Map<Led, CompletableFuture<Long>> acked = new LinkedHashMap<>();
        for (Led l : led) acked.put(l, new CompletableFuture<>());
        List<Future<List<Answer>>> produced = Stream.of("0", "1", "all").map(acks -> pool.submit(() -> produce(acks, acked))).toList();
        List<Future<Answer>> read = led.stream().map(l -> pool.submit(() -> read(l, acked.get(l)))).toList();

        List<Answer> answers = new ArrayList<>();
        for (Future<List<Answer>> p : produced) answers.addAll(p.get());
        answers.addAll(all(read));
        if (!writable) for (String q : List.of("produce acks=0", "produce acks=1", "produce acks=all", "read committed")) answers.addAll(not(q, noTopic).get());
        answers.addAll(make ? creation : wouldCreate.get());
        for (Future<List<Answer>> a : List.of(alter, group, transaction)) answers.addAll(a.get());
        mop.get();
        return answers;
    }

    // ---- The questions ----

    private String describeCluster(Admin admin) throws Exception {
        Collection<Node> nodes = admin.describeCluster().nodes().get();
        brokers = nodes.stream().map(Node::id).sorted().toList();
        nodes.parallelStream().filter(n -> !Cli.Common.answers(n.host(), n.port(), (int) Math.min(each.toMillis(), 1000))).forEach(n -> silent.add(n.id()));
        return "brokers " + commas(brokers) + (silent.isEmpty() ? "" : "; of these " + commas(silent) + " in fact silent");
    }

    private String describeTopics(Admin admin) throws Exception {
        Set<String> names = admin.listTopics(new ListTopicsOptions().listInternal(true)).names().get();
        old = names.stream().filter(ProbeCluster::isOld).toList();
        List<String> some = Stream.concat(Stream.of(GROUPS, TRANSACTIONS, String.valueOf(topic)).filter(names::contains), names.stream().sorted()).distinct().limit(500).toList();
        topics = describe(admin, some);
        return (some.size() < names.size() ? some.size() + " of " : "") + names.size() + " topics, in-sync replicas ";
    }

    /** Those of the topics that are there. */
    private static Map<String, TopicDescription> describe(Admin admin, List<String> names) throws Exception {
        Map<String, TopicDescription> found = new TreeMap<>();
        for (var topic : admin.describeTopics(names).topicNameValues().entrySet()) {
            try { found.put(topic.getKey(), topic.getValue().get()); }
            catch (ExecutionException e) { if (!(e.getCause() instanceof UnknownTopicOrPartitionException)) throw e; }
        }
        return found;
    }

    /** What the metadata says of replicas, and how much of it cannot be true. */
    private Answer told(Answer a) {
        if (a.outcome != Outcome.OK) return a;
        List<TopicPartitionInfo> partitions = topics.values().stream().flatMap(t -> t.partitions().stream()).toList();
        long inSync = partitions.stream().mapToLong(p -> p.isr().size()).sum(), dead = partitions.stream().flatMap(p -> p.isr().stream()).filter(n -> silent.contains(n.id())).count();
        return new Answer(a.question, a.node, a.outcome, a.error, a.ms, a.detail + inSync + " of " + partitions.stream().mapToInt(p -> p.replicas().size()).sum()
                + (dead == 0 ? "" : "; of these " + dead + " on silent nodes") + (controller ? "" : ": frozen metadata"), -1, -1);
    }

    /** A leader counts only while a majority fetches from it, by its own clock: the last survivor stays "leader" for some seconds. */
    private String describeQuorum(Admin admin) throws Exception {
        QuorumInfo quorum = admin.describeMetadataQuorum(new DescribeMetadataQuorumOptions().timeoutMs((int) Math.min(each.toMillis(), 3_000))).quorumInfo().get();
        long now = quorum.voters().stream().filter(v -> v.replicaId() == quorum.leaderId()).mapToLong(v -> v.lastFetchTimestamp().orElse(-1)).findFirst().orElse(-1);
        long following = quorum.voters().stream().filter(v -> v.replicaId() == quorum.leaderId() || now - v.lastFetchTimestamp().orElse(-1) <= 3_000).count();
        controller = quorum.leaderId() >= 0 && following * 2 > quorum.voters().size();
        if (!controller) throw new LeaderNotAvailableException("no majority follows node " + quorum.leaderId());
        return "active controller " + quorum.leaderId() + ", epoch " + quorum.leaderEpoch() + ", " + following + " of " + quorum.voters().size() + " voters follow";
    }

    /** A partition led by each broker, where user topics would have their replicas too. */
    private String create(Admin admin, String name) throws Exception {
        Map<Integer, List<Integer>> assignment = new HashMap<>();
        for (int p = 0; p <= brokers.size(); p++) { // one more, for the transaction
            List<Integer> replicas = new ArrayList<>(brokers);
            Collections.rotate(replicas, -p % brokers.size());
            assignment.put(p, replicas.subList(0, Math.min(3, replicas.size())));
        }
        created = true; // also if there is no answer: it may still happen
        try { admin.createTopics(List.of(new NewTopic(name, assignment))).all().get(); }
        catch (ExecutionException e) { created = topic == null || e.getCause() instanceof TimeoutException; throw e; } // or somebody else's is deleted
        for (long deadline = System.nanoTime() + each.toNanos(); ; Thread.sleep(20)) {
            describe(admin, List.of(name)).forEach(topics::put);
            if (topics.containsKey(name) && led(topics.get(name)).size() == brokers.size()) return "and deleted at the end";
            if (System.nanoTime() > deadline) throw new TimeoutException("created, and not led");
        }
    }

    private static String validated(KafkaFuture<Void> answer) throws Exception { answer.get(); return "validated only"; }

    private String join(String subject) throws Exception {
        long deadline = System.nanoTime() + each.toNanos();
        joining = true;
        Properties client = client("group.id", own, "enable.auto.commit", false, "session.timeout.ms", 6_000, "heartbeat.interval.ms", 1_000);
        var consumer = new KafkaConsumer<>(client, new ByteArrayDeserializer(), new ByteArrayDeserializer());
        try {
            consumer.subscribe(List.of(subject));
            while (consumer.assignment().isEmpty()) {
                if (System.nanoTime() > deadline) throw new TimeoutException("no assignment");
                consumer.poll(Duration.ofMillis(100));
            }
            consumer.commitSync(Map.of(consumer.assignment().iterator().next(), new OffsetAndMetadata(0)), left(deadline));
            return "joined, " + consumer.assignment().size() + " partitions assigned, committed";
        } finally { consumer.close(CloseOptions.timeout(Duration.ofMillis(500))); }
    }

    private String transact(TopicDescription topic) throws Exception {
        var producer = new KafkaProducer<>(client("acks", "all", "transactional.id", MARK, "transaction.timeout.ms", 10_000), new ByteArraySerializer(), new ByteArraySerializer());
        try {
            producer.initTransactions();
            producer.beginTransaction();
            // A leader that answers, since this is not about the partition; and not one that is read meanwhile: reading would stop before the open transaction.
            var to = topic == null ? null : topic.partitions().stream().filter(p -> p.leader() != null && !silent.contains(p.leader().id())).reduce((a, b) -> b).orElse(null);
            if (to != null) producer.send(record(new TopicPartition(topic.name(), to.partition()), "transaction")).get(each.toMillis(), TimeUnit.MILLISECONDS);
            producer.commitTransaction();
            return to == null ? "an empty one" : "one record, committed";
        } finally { producer.close(Duration.ZERO); }
    }

    /** Whether the coordinators answer: each leader of the internal topic is asked for a group or transactional id that is not there. */
    private List<Answer> coordinators(String question, String internal, BiFunction<Admin, String, KafkaFuture<?>> look) throws Exception {
        if (!topics.containsKey(internal)) return not(question, "the cluster had none yet: asking makes the internal topic " + internal + " (--all)").get();
        int partitions = topics.get(internal).partitions().size();
        List<Future<Answer>> asked = new ArrayList<>();
        for (Led l : led(topics.get(internal))) {
            String id = IntStream.iterate(0, i -> i + 1).mapToObj(i -> own + i).filter(s -> Utils.abs(s.hashCode()) % partitions == l.partition.partition()).findFirst().orElseThrow();
            asked.add(pool.submit(() -> timed(question, l.node, admin -> {
                try { look.apply(admin, id).get(); }
                catch (ExecutionException e) { if (!(e.getCause() instanceof TransactionalIdNotFoundException || e.getCause() instanceof GroupIdNotFoundException)) throw e; }
                return "answers; whether it can commit, --all asks";
            })));
        }
        return all(asked);
    }

    /** One record to each leader, nothing sent again but for "not (yet) the leader": what a retry would hide is the answer. */
    private List<Answer> produce(String acks, Map<Led, CompletableFuture<Long>> acked) throws Exception {
        if (acked.isEmpty()) return List.of();
        var producer = new KafkaProducer<>(client("acks", acks, "enable.idempotence", false, "retries", 0), new ByteArraySerializer(), new ByteArraySerializer());
        try {
            List<Future<Answer>> answers = new ArrayList<>();
            acked.forEach((led, offset) -> answers.add(pool.submit(() -> {
                long start = System.nanoTime(), deadline = start + each.toNanos();
                CompletableFuture<Long> mine = new CompletableFuture<>();
                Answer answer = timed("produce acks=" + acks, led.node, none -> { mine.complete(send(producer, led, acks, deadline)); return acks.equals("0") ? "sent; nothing is confirmed" : ""; });
                if (acks.equals("1")) offset.complete(mine.getNow(-1L));
                return new Answer(answer.question, led.node, answer.outcome, answer.error, answer.ms, answer.detail, mine.getNow(-1L), -1);
            })));
            return all(answers);
        } finally { producer.close(Duration.ZERO); }
    }

    private long send(KafkaProducer<byte[], byte[]> producer, Led led, String acks, long deadline) throws Exception {
        while (true) {
            try { return producer.send(record(led.partition, "acks=" + acks)).get(left(deadline).toMillis(), TimeUnit.MILLISECONDS).offset(); }
            catch (ExecutionException e) {
                if (!(e.getCause() instanceof InvalidMetadataException) || left(deadline).toMillis() < 100) throw e;
                Thread.sleep(50);
            }
        }
    }

    private static ProducerRecord<byte[], byte[]> record(TopicPartition to, String what) {
        return new ProducerRecord<>(to.topic(), to.partition(), null, null, what.getBytes(), List.of(new RecordHeader(MARK, what.getBytes())));
    }

    /** Reads up to the high watermark, after the record with acks=1 had a moment to get below it. */
    private Answer read(Led led, CompletableFuture<Long> acked) throws Exception {
        long[] found = {-1, -1};
        Answer answer = timed("read committed", led.node, admin -> {
            long deadline = System.nanoTime() + each.toNanos();
            var consumer = new KafkaConsumer<>(client("isolation.level", "read_committed", "auto.offset.reset", "earliest"), new ByteArrayDeserializer(), new ByteArrayDeserializer());
            try {
                long patience = System.nanoTime() + each.toNanos() / 2;
                try { found[0] = acked.get(left(patience).toMillis(), TimeUnit.MILLISECONDS); } catch (java.util.concurrent.TimeoutException e) { /* then without it */ }
                for (; ; Thread.sleep(10)) {
                    found[1] = admin.listOffsets(Map.of(led.partition, OffsetSpec.latest())).partitionResult(led.partition).get(left(deadline).toMillis(), TimeUnit.MILLISECONDS).offset();
                    if (found[1] > found[0] || System.nanoTime() > patience) break;
                }
                consumer.assign(List.of(led.partition));
                long end = consumer.endOffsets(List.of(led.partition), left(deadline)).get(led.partition); // the last stable offset
                consumer.seek(led.partition, Math.max(0, end - 1));
                while (consumer.position(led.partition, left(deadline)) < end) {
                    if (System.nanoTime() > deadline) throw new TimeoutException("not read to its end");
                    consumer.poll(Duration.ofMillis(100));
                }
                return end < found[1] ? "up to " + end + ", where an open transaction is, of " + found[1] : "up to the high watermark";
            } finally { consumer.close(CloseOptions.timeout(Duration.ofMillis(300))); }
        });
        return new Answer(answer.question, led.node, answer.outcome, answer.error, answer.ms, answer.detail, found[0], found[1]);
    }

    // ---- Leaving nothing ----

    /** Topics and groups of a probe that was killed, or whose request came late: more than a minute old. */
    private void mop() {
        if (controller) timed("mop", 0, admin -> {
            List<String> groups = new ArrayList<>();
            admin.listGroups().valid().get().forEach(g -> { if (isOld(g.groupId())) groups.add(g.groupId()); });
            if (!old.isEmpty()) admin.deleteTopics(old).all().get();
            if (!groups.isEmpty()) admin.deleteConsumerGroups(groups).all().get();
            if (old.size() + groups.size() > 0) common.say("Deleted what a probe before this one had left: %s.", String.join(", ", Stream.concat(old.stream(), groups.stream()).distinct().toList()));
            return "";
        }); // what fails, the next probe tries again
    }

    static boolean isOld(String name) {
        if (!name.matches(OWN + "[0-9a-z]{6}")) return false;
        return System.currentTimeMillis() / 1000 - Long.parseLong(name.substring(OWN.length()), 36) > 60;
    }

    /** The clients end before their topic does: one that asks for it afterwards would make the broker create it again. */
    private void leaveNothing() throws InterruptedException {
        boolean interrupted = Thread.interrupted();
        pool.shutdownNow();
        if (!pool.awaitTermination(3, TimeUnit.SECONDS)) common.say("A client of the probe did not end in time.");
        if (joining) deleteGroup();
        if (created) {
            String name = topic == null ? own : topic;
            Answer deleted = timed("delete", 0, admin -> validated(admin.deleteTopics(List.of(name)).all()));
            if (deleted.error != null && !deleted.error.startsWith("UnknownTopic"))
                common.say("The topic %s could not be deleted (%s)%s.", name, deleted.error, topic == null ? "; the next probe does it" : "");
        }
        if (interrupted) throw new InterruptedException();
    }

    /** Whose join hung since a dead node is in the ISR still is there, and can be deleted, once that is fenced. */
    private void deleteGroup() {
        if (!controller) { common.say("The group %s may come to be when the quorum is back; the next probe deletes it.", own); return; }
        Answer deleted;
        do {
            deleted = timed("delete", 0, admin -> validated(admin.deleteConsumerGroups(List.of(own)).all()));
            if ("GroupNotEmptyException".equals(deleted.error)) // interrupted, it could not leave
                timed("remove", 0, admin -> validated(admin.removeMembersFromConsumerGroup(own, new RemoveMembersFromConsumerGroupOptions()).all()));
        } while (!(deleted.outcome == Outcome.OK || String.valueOf(deleted.error).startsWith("GroupIdNotFound")) && System.nanoTime() - began < 12_000_000_000L);
    }

    // ---- Asking ----

    private Future<List<Answer>> ask(String question, Question body) { return pool.submit(() -> List.of(timed(question, 0, body))); }

    private static List<Answer> all(List<Future<Answer>> asked) throws Exception {
        List<Answer> answers = new ArrayList<>();
        for (Future<Answer> a : asked) answers.add(a.get());
        return answers;
    }

    /** What would make an internal topic is not asked without --all; without a controller never, since it would be made later. */
    private Future<List<Answer>> asked(String question, String internal, Question body) {
        return topics.containsKey(internal) || all && controller ? ask(question, body)
                : not(question, controller ? "the cluster had none yet: asking makes the internal topic " + internal + " (--all)" : internal + " does not exist, and would be made later");
    }

    private static Future<List<Answer>> not(String question, String why) {
        return CompletableFuture.completedFuture(List.of(new Answer(question, 0, Outcome.NOT_ASKED, null, 0, why, -1, -1)));
    }

    /** Each question has a client of its own, since what hangs blocks what follows on its connection. */
    private Answer timed(String question, int node, Question body) {
        long start = System.nanoTime();
        Outcome outcome = Outcome.OK;
        String detail = "", error = null;
        try { detail = with(body); }
        catch (Exception e) {
            Throwable cause = cause(e);
            boolean late = List.of("TimeoutException", "InterruptException", "InterruptedException").contains(name(e));
            outcome = late ? Outcome.HANGS : Outcome.FAILS;
            error = name(e);
            detail = late ? "no answer" : Cli.Common.deepest(cause).lines().findFirst().orElse("");
        }
        return new Answer(question, node, outcome, error, (System.nanoTime() - start) / 1_000_000, detail, -1, -1);
    }

    private static Throwable cause(Throwable e) {
        while ((e instanceof ExecutionException || e.getClass() == KafkaException.class) && e.getCause() != null) e = e.getCause();
        return e;
    }

    private static String name(Throwable e) { return cause(e).getClass().getSimpleName(); }
    private static Duration left(long deadline) { return Duration.ofNanos(Math.max(1_000_000, deadline - System.nanoTime())); }

    private static List<Led> led(TopicDescription topic) {
        Map<Integer, Led> led = new TreeMap<>();
        for (TopicPartitionInfo p : topic.partitions())
            if (p.leader() != null && !p.leader().isEmpty()) led.putIfAbsent(p.leader().id(), new Led(p.leader().id(), new TopicPartition(topic.name(), p.partition())));
        return List.copyOf(led.values());
    }

    // ---- Clients ----

    private String answering() throws IOException {
        List<Cli.Common.Endpoint> usable = common.usable();
        if (usable.stream().allMatch(e -> e.port() == Cli.Common.Port.MUTE)) common.requireReachable();
        return usable.stream().map(Cli.Common.Endpoint::address).collect(Collectors.joining(","));
    }

    private Properties client(Object... pairs) throws IOException {
        Properties p = common.client(pairs);
        for (String bounded : List.of("request.timeout.ms", "default.api.timeout.ms", "delivery.timeout.ms", "max.block.ms")) p.put(bounded, "" + each.toMillis());
        p.putAll(Map.of("bootstrap.servers", bootstrap, "metadata.recovery.strategy", "none", "enable.metrics.push", "false", "linger.ms", "0", "allow.auto.create.topics", "false"));
        return p;
    }

    /** Closes it in a moment: by itself it would wait for what hangs, minutes sometimes. */
    private String with(Question body) throws Exception {
        Admin admin = Admin.create(client());
        try { return body.answer(admin); } finally { admin.close(Duration.ofMillis(300)); }
    }

    // ---- The table ----

    /** A line for each answer, one for all nodes that answered alike. */
    static List<String> table(List<Answer> answers) {
        Map<List<Object>, List<Answer>> alike = new LinkedHashMap<>();
        for (Answer a : answers) alike.computeIfAbsent(Arrays.asList(a.question, a.outcome, a.error, a.detail, a.isInvisible()), k -> new ArrayList<>()).add(a);
        List<String> lines = new ArrayList<>(List.of(String.format(Locale.ROOT, "%-17s %-7s %-10s %8s  %s", "QUESTION", "NODE", "ANSWER", "MS", "DETAIL").stripTrailing()));
        for (List<Answer> same : alike.values()) {
            Answer a = same.get(0);
            String nodes = commas(same.stream().map(Answer::node).filter(n -> n > 0).toList());
            String detail = Stream.of(a.outcome == Outcome.FAILS ? "with " + a.error + (a.detail.isEmpty() ? "" : ": " + a.detail) : a.detail,
                    a.isInvisible() ? "the record acknowledged with acks=1 is above it (offset " + a.offset + ", high watermark " + a.highWatermark + "): acknowledged and invisible" : "")
                    .filter(s -> !s.isEmpty()).collect(Collectors.joining("; "));
            String ms = a.outcome == Outcome.NOT_ASKED ? "-" : "" + same.stream().mapToLong(Answer::ms).max().getAsLong();
            lines.add(String.format(Locale.ROOT, "%-17s %-7s %-10s %8s  %s", a.question, nodes.isEmpty() ? "-" : nodes, a.outcome, ms, Cli.printable(detail)).stripTrailing());
        }
        return lines;
    }

    private static String commas(Collection<Integer> ids) { return ids.stream().map(String::valueOf).collect(Collectors.joining(",")); }
}
