///usr/bin/env jbang "$0" "$@" ; exit $?
//JAVA 17+
//DEPS org.apache.kafka:kafka-clients:4.4.0
//DEPS info.picocli:picocli:4.7.7
//DEPS com.fasterxml.jackson.jr:jackson-jr-objects:2.21.7
//DEPS org.slf4j:slf4j-simple:1.7.36
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

    @Mixin Common common = new Common();

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
        if (each.toMillis() < 100) throw new Exit(2, "--each is at least 100ms.");
        List<Answer> answers = probe();
        if (!common.json) table(answers).forEach(common.out::println);
        if (controller) return 0;
        throw new Exit(NO_CONTROLLER, "No active controller" + (silent.isEmpty() ? "" : ", and no answer from broker " + commas(silent)) + ": find-controller says who is missing.");
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
            throw new Exit(UNREACHABLE, "Cannot talk to " + common.bootstrapServer + ": " + why + ", " + answers.get(0).detail + ".");
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
        nodes.parallelStream().filter(n -> !Common.answers(n.host(), n.port(), (int) Math.min(each.toMillis(), 1000))).forEach(n -> silent.add(n.id()));
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
            detail = late ? "no answer" : Common.deepest(cause).lines().findFirst().orElse("");
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
        List<Common.Endpoint> usable = common.usable();
        if (usable.stream().allMatch(e -> e.port() == Common.Port.MUTE)) common.requireReachable();
        return usable.stream().map(Common.Endpoint::address).collect(Collectors.joining(","));
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
            lines.add(String.format(Locale.ROOT, "%-17s %-7s %-10s %8s  %s", a.question, nodes.isEmpty() ? "-" : nodes, a.outcome, ms, printable(detail)).stripTrailing());
        }
        return lines;
    }

    private static String commas(Collection<Integer> ids) { return ids.stream().map(String::valueOf).collect(Collectors.joining(",")); }

    // ---- Common to the step scripts: reach the cluster, answer, fail. The same text in each; a test compares them. ----

    static final int UNREACHABLE = 10, NO_CONTROLLER = 11, REFUSED = 12, ANOMALY = 13, INCOMPLETE = 14, MISSED = 15, ALL_FAILED = 16;

    /** A foreseen end: the exit code, and one sentence for stderr that says what was wrong and what to do. */
    static class Exit extends RuntimeException implements CommandLine.IExitCodeGenerator {
        final int code;
        Exit(int code, String sentence) { super(sentence); this.code = code; }
        @Override public int getExitCode() { return code; }
    }

    /** The options that every script understands alike, and what they lead to: clients, output, events, exit codes. */
    static class Common {
        @Option(names = {"-b", "--bootstrap-server"}, paramLabel = "HOST:PORT,...", description = "The cluster (default: $$KAFKA_BOOTSTRAP, else the lab's three nodes).",
                defaultValue = "${KAFKA_BOOTSTRAP:-localhost:29192,localhost:29292,localhost:29392}")
        String bootstrapServer;
        @Option(names = "--command-config", paramLabel = "FILE", description = "Client properties, such as SASL and TLS.")
        Path commandConfig;
        @Option(names = "--timeout", paramLabel = "DURATION", defaultValue = "30s", description = "Give up after this long: 500ms, 30s, 2m (default: ${DEFAULT-VALUE}).")
        Duration timeout;
        @Option(names = "--json", description = "Print one JSON object a line.")
        boolean json;
        @Option(names = "--events", paramLabel = "FILE", description = "Append what happens to this JSON Lines file.")
        File events;
        boolean verbose;
        @Option(names = {"-h", "--help"}, usageHelp = true, description = "Show this help.")
        boolean help;
        @Option(names = {"-V", "--version"}, versionHelp = true, description = "Show the version.")
        boolean version;
        @Spec(Spec.Target.MIXEE) CommandSpec spec;

        PrintWriter out, err;
        static final String LOG_LEVEL = "org.slf4j.simpleLogger.defaultLogLevel";
        static { System.setProperty(LOG_LEVEL, System.getProperty(LOG_LEVEL, "off")); }

        @Option(names = {"-v", "--verbose"}, description = "Show stack traces and the client's own log.")
        void verbose(boolean on) { if (verbose = on) System.setProperty(LOG_LEVEL, "info"); }

        /** For composite scripts: gets each event as well. */
        Consumer<Map<String, Object>> listener = event -> { };
        /** How long Ctrl-C waits for the script to end, and what is said if it has not by then. A script that has faults to undo takes its time. */
        Duration patience = Duration.ofSeconds(10);
        Runnable leftover = () -> { };
        private Writer eventsWriter;
        /** The newest client's properties. */
        private Properties given = new Properties();

        /** Parses into the script, without running it: what a composite script calls before it uses the script's methods. */
        <T> T configure(T script, PrintWriter out, PrintWriter err, String... args) {
            commandLine(script, out, err).parseArgs(args);
            return script;
        }

        /** Ctrl-C interrupts the script, which has its patience (ten seconds) to print its summary and close its files; the JVM then exits with 130. */
        int run(Callable<Integer> script, PrintWriter out, PrintWriter err, String... args) {
            CommandLine cli = commandLine(script, out, err);
            Thread worker = Thread.currentThread();
            CountDownLatch done = new CountDownLatch(1);
            Thread hook = new Thread(() -> {
                worker.interrupt();
                try { if (!done.await(patience.toMillis(), TimeUnit.MILLISECONDS)) leftover.run(); } catch (InterruptedException e) { return; }
            });
            Runtime.getRuntime().addShutdownHook(hook);
            try {
                return cli.execute(args);
            } finally {
                try { if (eventsWriter != null) eventsWriter.close(); } catch (IOException e) { err.println(e.getMessage()); }
                out.flush();
                done.countDown();
                try { Runtime.getRuntime().removeShutdownHook(hook); } catch (IllegalStateException shuttingDown) { /* after Ctrl-C */ }
            }
        }

        private CommandLine commandLine(Object script, PrintWriter out, PrintWriter err) {
            this.out = Guard.over(out);
            this.err = Guard.over(err);
            return new CommandLine(script).setOut(out).setErr(err).setCaseInsensitiveEnumValuesAllowed(true)
                    .registerConverter(Duration.class, Common::duration)
                    .setParameterExceptionHandler((e, args) -> { err.println(printable(e.getMessage()) + " (see --help)"); return 2; })
                    .setExecutionExceptionHandler((e, cli, parsed) -> explain(e));
        }

        /** @return a duration from {@code 500ms}, {@code 30s}, {@code 2m}, {@code 1h} or plain seconds */
        static Duration duration(String text) {
            var m = java.util.regex.Pattern.compile("(\\d+(?:\\.\\d+)?)(ms|s|m|h|)").matcher(text.trim());
            if (!m.matches()) throw new TypeConversionException("'" + text + "' is not a duration such as 500ms, 30s or 2m");
            double unit = switch (m.group(2)) { case "ms" -> 1; case "m" -> 60_000; case "h" -> 3_600_000; default -> 1_000; };
            return Duration.ofMillis(Math.round(Double.parseDouble(m.group(1)) * unit));
        }

        /** Client properties from --command-config and --bootstrap-server, then the given pairs; an option that is given wins over the file. */
        Properties client(Object... pairs) throws IOException {
            Properties properties = new Properties();
            if (commandConfig != null) {
                try (InputStream in = Files.newInputStream(commandConfig)) { properties.load(in); } // ISO-8859-1, as Java and Apache's tools read properties
                catch (IOException | IllegalArgumentException e) { throw new Exit(2, "Cannot read --command-config " + commandConfig + ": " + reason(e) + "."); }
            }
            if (properties.containsKey("bootstrap.servers") && !spec.commandLine().getParseResult().hasMatchedOption("-b"))
                bootstrapServer = properties.getProperty("bootstrap.servers");
            properties.put("bootstrap.servers", bootstrapServer);
            for (int i = 0; i < pairs.length; i += 2) properties.put(pairs[i].toString(), pairs[i + 1].toString());
            given = properties;
            return properties;
        }

        /**
         * An Admin that starts from the addresses that answer: it would stay with one that only connects (a paused node). Exit 10 at once where no client could be
         * answered: to a TLS port without TLS, a client takes the first bytes for the length of an answer of 350 MB.
         */
        Admin admin(Object... more) throws IOException {
            Properties properties = client("default.api.timeout.ms", timeout.toMillis(), "request.timeout.ms", Math.min(timeout.toMillis(), 30_000));
            properties.putAll(client(more));
            Map<Boolean, List<String>> addresses = new HashMap<>(); // by whether it is a controller's
            for (Endpoint e : usable()) addresses.computeIfAbsent(e.port == Port.CONTROLLER, c -> new ArrayList<>()).add(e.address());
            boolean controllers = addresses.size() == 1 && addresses.containsKey(true);
            if (controllers) {
                say("%s: a controller's port, so the controllers are asked.", String.join(", ", addresses.get(true)));
                properties.remove("bootstrap.servers");
            }
            properties.put(controllers ? "bootstrap.controllers" : "bootstrap.servers", String.join(",", addresses.get(controllers)));
            return Admin.create(properties);
        }

        /** Whether the script's question is one that controllers answer too: admin() then takes their addresses as well. */
        boolean controllersAnswer;

        Exit unreachable(String why) {
            return new Exit(UNREACHABLE, "No cluster at " + bootstrapServer + ": " + why + "; start one (cluster up) or name yours with --bootstrap-server.");
        }

        /** Ends with 10 and the reason if no client can talk to any of the bootstrap addresses. Silence says nothing about the quorum before this was asked. */
        void requireReachable() throws IOException {
            List<Endpoint> seen = endpoints();
            if (seen.stream().allMatch(e -> obstacle(e, Common::connects) != null)) throw cannotTalk(seen, Common::connects);
        }

        /** The addresses that a client can talk to; where there are none, those that may yet say something. Where there are none of these either: exit 10 and the reason. */
        List<Endpoint> usable() throws IOException {
            List<Endpoint> seen = endpoints();
            List<Endpoint> usable = seen.stream().filter(e -> obstacle(e, Common::resolves) == null).toList();
            if (usable.isEmpty()) usable = seen.stream().filter(e -> e.port == Port.MUTE).toList();
            if (usable.isEmpty()) throw cannotTalk(seen, Common::resolves);
            return usable;
        }

        private Exit cannotTalk(List<Endpoint> seen, java.util.function.Predicate<Node> reach) {
            if (seen.stream().allMatch(e -> e.port == Port.CLOSED)) return unreachable(seen.stream().anyMatch(e -> resolves(e.at)) ? CLOSED : "no such host");
            Map<String, List<String>> reasons = new LinkedHashMap<>();
            for (Endpoint e : seen) reasons.computeIfAbsent(obstacle(e, reach), r -> new ArrayList<>()).add(e.address());
            if (reasons.size() > 1) reasons.remove(CLOSED);
            return new Exit(UNREACHABLE, "Cannot talk to " + String.join("; ", reasons.entrySet().stream().map(r -> String.join(", ", r.getValue()) + ": " + r.getKey()).toList()) + ".");
        }

        /** What a port is, as far as it says so to one who knows neither TLS nor SASL. MUTE takes a connection and says nothing: paused, starting, or behind a proxy. */
        enum Port { CLOSED, MUTE, STRANGE, TLS, SASL, UNDECIDED, CONTROLLER, BROKER }

        /** An address, what is there, and which brokers it advertises to clients. */
        record Endpoint(Node at, Port port, List<Node> advertised) {
            String address() { return Common.address(at); }
        }

        static String address(Node node) { return (node.host().contains(":") ? "[" + node.host() + "]:" : node.host() + ":") + node.port(); }

        List<Endpoint> endpoints() throws IOException {
            if (given.isEmpty()) client(); // --command-config may name the cluster
            int each = (int) Math.max(1, Math.min(timeout.toMillis() / 4, 1500));
            return bootstrapNodes().parallelStream().map(node -> endpoint(node, each)).toList();
        }

        /**
         * Asks for the API versions, which all may ask, and for the brokers, which a listener with SASL answers by hanging up. The bytes are written by hand, since no
         * public client API says why it gets no answer, nor what a broker advertises where that leads nowhere.
         */
        static Endpoint endpoint(Node at, int timeoutMs) {
            Port port = Port.CLOSED;
            try (Socket socket = new Socket()) {
                socket.connect(new InetSocketAddress(at.host(), at.port()), timeoutMs);
                port = Port.MUTE;
                socket.setSoTimeout(timeoutMs);
                DataInputStream in = new DataInputStream(socket.getInputStream());
                socket.getOutputStream().write(API_VERSIONS);
                int size = in.readInt();
                if (size >>> 24 == 0x15) return new Endpoint(at, Port.TLS, List.of()); // an alert
                port = Port.STRANGE;
                java.nio.ByteBuffer versions = answer(in, size);
                Set<Integer> apis = new HashSet<>();
                for (int left = versions.position(6).getInt(); left > 0; left--) {
                    apis.add((int) versions.getShort());
                    versions.getInt(); // the versions of this one
                }
                if (!apis.contains(18)) return new Endpoint(at, port, List.of());
                if (!apis.contains(3)) return new Endpoint(at, Port.CONTROLLER, List.of());
                port = Port.SASL;
                socket.getOutputStream().write(METADATA);
                return new Endpoint(at, Port.BROKER, brokers(answer(in, in.readInt())));
            } catch (SocketTimeoutException | RuntimeException slowOrNotUnderstood) {
                return new Endpoint(at, port == Port.SASL ? Port.UNDECIDED : port, List.of());
            } catch (IOException e) { return new Endpoint(at, port, List.of()); }
        }

        /** API key, version, correlation id, no client id; then the topics asked for: none. */
        private static final byte[] API_VERSIONS = {0, 0, 0, 10, 0, 18, 0, 0, 0, 0, 0, 1, -1, -1}, METADATA = {0, 0, 0, 14, 0, 3, 0, 1, 0, 0, 0, 2, -1, -1, 0, 0, 0, 0};

        private static java.nio.ByteBuffer answer(DataInputStream in, int size) throws IOException {
            if (size < 10 || size > 1 << 20) throw new IOException("no answer of Kafka's");
            byte[] bytes = new byte[size];
            in.readFully(bytes);
            return java.nio.ByteBuffer.wrap(bytes);
        }

        /** The nodes of a Metadata answer, version 1: id, host, port, rack. */
        private static List<Node> brokers(java.nio.ByteBuffer metadata) {
            List<Node> brokers = new ArrayList<>();
            for (int left = metadata.position(4).getInt(); left > 0; left--) {
                int id = metadata.getInt();
                byte[] host = new byte[metadata.getShort()];
                metadata.get(host);
                brokers.add(new Node(id, new String(host, java.nio.charset.StandardCharsets.UTF_8), metadata.getInt()));
                int rack = Math.max(0, metadata.getShort());
                metadata.position(metadata.position() + rack);
            }
            return brokers;
        }

        private static final String CLOSED = "nothing listens there", NO_TLS = "the port speaks no TLS, which security.protocol=%s asks for";

        /** Why a client with the given security.protocol cannot talk to what is there; null if it can, or if only a client can tell. */
        private String obstacle(Endpoint e, java.util.function.Predicate<Node> reach) {
            String protocol = given.getProperty("security.protocol", "PLAINTEXT").trim().toUpperCase(Locale.ROOT);
            boolean tls = protocol.endsWith("SSL");
            boolean login = protocol.startsWith("SASL");
            if (e.port == Port.CLOSED) return resolves(e.at) ? CLOSED : "no such host";
            if (e.port == Port.MUTE) return tls ? null : "what listens there does not answer";
            if (e.port == Port.STRANGE) return "what listens there is not Kafka";
            if (e.port == Port.TLS) return tls ? null : "the port wants TLS (security.protocol=SSL or SASL_SSL in --command-config)";
            if (tls) return String.format(Locale.ROOT, NO_TLS, protocol);
            if (e.port == Port.CONTROLLER) return controllersAnswer ? null : "this is a controller's port, where only the quorum can be asked about: name a broker's";
            if (e.port == Port.UNDECIDED) return null; // not in time: a broker refuses a login late on purpose
            if (e.port == Port.SASL) return login ? null : "the port wants a login (security.protocol=SASL_PLAINTEXT, sasl.mechanism and sasl.jaas.config in --command-config)";
            if (login) return "the port takes no login, which security.protocol=" + protocol + " asks for";
            if (e.advertised.isEmpty() || e.advertised.stream().anyMatch(reach)) return null;
            Node first = e.advertised.get(0);
            return "the broker there advertises " + address(first) + (resolves(first) ? ", which cannot be reached from here" : ", which does not resolve here") + " (advertised.listeners)";
        }

        static boolean resolves(Node node) { return !new InetSocketAddress(node.host(), 0).isUnresolved(); }
        static boolean connects(Node node) { return connects(node.host(), node.port(), 1000); }

        /** The bootstrap addresses as nodes with ids -1, -2, ... */
        List<Node> bootstrapNodes() {
            List<Node> nodes = new ArrayList<>();
            for (String address : bootstrapServer.split(",")) {
                var m = java.util.regex.Pattern.compile("\\s*(?:\\w+://)?\\[?(.+?)\\]?:(\\d{1,5})\\s*").matcher(address);
                if (!m.matches()) throw new Exit(2, "'" + address + "' in --bootstrap-server is not HOST:PORT.");
                nodes.add(new Node(-1 - nodes.size(), m.group(1), Integer.parseInt(m.group(2))));
            }
            return nodes;
        }

        static boolean connects(String host, int port, int timeoutMs) {
            try (Socket socket = new Socket()) { socket.connect(new InetSocketAddress(host, port), timeoutMs); return true; }
            catch (IOException | IllegalArgumentException e) { return false; }
        }

        /** Whether the process behind a port is alive: a stopped (SIGSTOP) one still connects but never answers ApiVersions. */
        static boolean answers(String host, int port, int timeoutMs) {
            try (Socket socket = new Socket()) {
                socket.connect(new InetSocketAddress(host, port), timeoutMs);
                socket.setSoTimeout(timeoutMs);
                socket.getOutputStream().write(API_VERSIONS);
                // A TLS listener sends an alert: alive as well. Docker's proxy, before a port of somebody who is not up yet, only closes.
                return socket.getInputStream().read() >= 0;
            } catch (IOException | IllegalArgumentException e) { return false; }
        }

        /** Progress and warnings: stderr. */
        void say(String format, Object... args) {
            Object[] safe = java.util.stream.Stream.of(args).map(arg -> arg instanceof Number ? arg : printable(arg)).toArray();
            err.println(args.length == 0 ? format : String.format(Locale.ROOT, format, safe));
        }

        /** One observation: to --events, to the composite script that listens, and with --json to stdout. Fields are key, value, ... */
        synchronized void emit(String type, Object... fields) {
            Map<String, Object> event = new LinkedHashMap<>();
            event.put("ts", timestamp());
            event.put("source", spec.name());
            event.put("type", type);
            for (int i = 0; i < fields.length; i += 2) event.put((String) fields[i], fields[i + 1]);
            listener.accept(event);
            if (!json && events == null) return;
            try {
                String line = JSON.std.asString(event);
                if (json) out.println(line);
                if (events == null) return;
                if (eventsWriter == null) eventsWriter = new OutputStreamWriter(new FileOutputStream(events, true), "UTF-8");
                eventsWriter.write(line + "\n");
                eventsWriter.flush();
            } catch (IOException e) { throw new Exit(1, "Cannot write --events " + events + ": " + e.getMessage() + "."); }
        }

        /** One line and an exit code for whatever ended the script. */
        private int explain(Exception problem) {
            if (verbose) problem.printStackTrace(err);
            Throwable e = problem;
            while ((e instanceof ExecutionException || e instanceof CompletionException || e.getClass() == org.apache.kafka.common.KafkaException.class)
                    && e.getCause() != null) e = e.getCause();
            Exit exit = exit(e, problem);
            err.println(printable(exit.getMessage()));
            return exit.code;
        }

        private Exit exit(Throwable e, Throwable whole) {
            // Of a step that a composite script calls, it is that script's Exit: told by picocli's interface.
            if (e instanceof CommandLine.IExitCodeGenerator x) return new Exit(x.getExitCode(), e.getMessage());
            if (e instanceof InterruptedException || e instanceof InterruptException) return new Exit(130, "Interrupted.");
            if (e instanceof ConfigException && e.getMessage().contains("bootstrap")) return unreachable("no such host");
            if (e instanceof AuthenticationException) return new Exit(UNREACHABLE, "Cannot talk to " + bootstrapServer + ": login refused, " + deepest(e) + ".");
            if (e instanceof AuthorizationException) return new Exit(1, "Not permitted: " + deepest(e) + "; the principal needs an ACL for it.");
            if (e instanceof org.apache.kafka.common.errors.TimeoutException) return noAnswer();
            if (e instanceof ConfigException || chain(whole).anyMatch(c -> String.valueOf(c.getMessage()).matches("Failed to c(reate|onstruct) .*"))) return refused(whole);
            return new Exit(1, e.getClass().getSimpleName() + ": " + e.getMessage() + (verbose ? "" : " (-v shows where)"));
        }

        private Exit noAnswer() {
            try { requireReachable(); } catch (Exit exit) { return exit; } catch (IOException e) { /* then without a reason */ }
            String advice = given.containsKey("security.protocol") ? "perhaps the address that its brokers advertise cannot be reached from here (-v shows the client's log)" : "find-controller says who is missing";
            return new Exit(UNREACHABLE, "No answer from the cluster at " + bootstrapServer + " within " + timeout.toMillis() + " ms; " + advice + ".");
        }

        /** Of a client that could not be made: the property at fault is the one that the reasons mention by name or by the longest part of its value. */
        private Exit refused(Throwable problem) {
            String reasons = String.join("\n", chain(problem).map(e -> String.valueOf(e.getMessage())).toList());
            String name = reasons.matches("(?s).*(JAAS|LoginModule).*") ? "sasl.jaas.config" : null;
            int longest = 3;
            for (String key : new TreeSet<>(given.stringPropertyNames())) {
                for (String part : (key + " " + given.getProperty(key)).split("[\\s,;=\"]+")) {
                    if (part.length() <= longest || !reasons.contains(part)) continue;
                    longest = part.length();
                    name = key;
                }
            }
            return new Exit(2, "Client property " + (name == null ? "" : name + " ") + "refused: " + deepest(problem) + ".");
        }

        private static java.util.stream.Stream<Throwable> chain(Throwable e) { return java.util.stream.Stream.iterate(e, Objects::nonNull, Throwable::getCause).limit(20); }

        private static String deepest(Throwable e) {
            String reason = reason(chain(e).reduce((a, b) -> b).orElse(e));
            return reason.endsWith(".") ? reason.substring(0, reason.length() - 1) : reason;
        }

        /** Java's exceptions of files and classes have nothing but a name for a message. */
        static String reason(Throwable e) {
            if (e instanceof NoSuchFileException || e instanceof FileNotFoundException) return "there is no file " + e.getMessage();
            if (e instanceof AccessDeniedException) return "no permission to read " + e.getMessage();
            if (e instanceof ClassNotFoundException) return "there is no class " + e.getMessage();
            return e.getMessage() == null ? e.getClass().getSimpleName() : e.getMessage();
        }
    }

    /**
     * What a script prints to: nothing gets through that could drive a terminal, if a name that a cluster gave was not made printable. Hands out the writer below
     * to who does drive it.
     */
    static final class Guard extends PrintWriter implements java.util.function.Supplier<PrintWriter> {
        private final PrintWriter raw;

        private Guard(PrintWriter raw) {
            super(new FilterWriter(raw) {
                @Override public void write(int c) { write(String.valueOf((char) c), 0, 1); }
                @Override public void write(char[] chars, int from, int length) { write(new String(chars), from, length); }
                @Override public void write(String text, int from, int length) { raw.write(harmless(text.substring(from, from + length))); }
            }, true);
            this.raw = raw;
        }

        static PrintWriter over(PrintWriter out) { return out instanceof java.util.function.Supplier ? out : new Guard(out); }
        @Override public PrintWriter get() { return raw; }
        @Override public boolean checkError() { return super.checkError() | raw.checkError(); }

        /** Escapes controls but for the end of a line and the tab, and what turns the direction of writing. */
        static String harmless(String text) { return HARMFUL.matcher(text).replaceAll(m -> String.format(Locale.ROOT, "\\\\u%04x", (int) m.group().charAt(0))); }
        private static final java.util.regex.Pattern HARMFUL =
                java.util.regex.Pattern.compile("\\r(?!\n)|[\\p{Cc}&&[^\\n\\t\\r]]|[\\u200e\\u200f\\u061c\\u202a-\\u202e\\u2066-\\u2069]");
    }

    /** Returns what a cluster, a record or a file says so that a person may read it: what could drive a terminal or forge a line is escaped. */
    static String printable(Object value) {
        StringBuilder text = new StringBuilder();
        for (char c : String.valueOf(value).toCharArray()) {
            int type = Character.getType(c);
            boolean harmless = type != Character.CONTROL && type != Character.FORMAT && type != Character.LINE_SEPARATOR && type != Character.PARAGRAPH_SEPARATOR;
            text.append(harmless ? c : String.format(Locale.ROOT, "\\u%04x", (int) c));
        }
        return text.toString();
    }

    /** Now, as the events have it: ISO-8601, UTC, microseconds. */
    static String timestamp() {
        return DateTimeFormatter.ofPattern("yyyy-MM-dd'T'HH:mm:ss.SSSSSS'Z'").withZone(ZoneOffset.UTC).format(Instant.now());
    }
    // ---- End of what is common. ----
}
