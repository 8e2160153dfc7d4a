import static org.junit.jupiter.api.Assertions.*;

import java.time.Duration;
import java.util.*;
import java.util.concurrent.ExecutionException;
import java.util.stream.*;
import org.apache.kafka.clients.admin.*;
import org.apache.kafka.clients.consumer.*;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.config.ConfigResource;
import org.apache.kafka.common.errors.UnknownTopicOrPartitionException;
import org.apache.kafka.common.serialization.StringDeserializer;
import org.apache.kafka.common.utils.Utils;
import org.junit.jupiter.api.*;

/** Tests probe on real nodes, healthy and with a node killed; nothing of it is left, also of what hung. */
@Order(55)
@Tag("faults")
class ProbeTest {
    static final String TOPIC = "probed";

    /** All that a probe could leave. */
    record State(
            Set<String> topics,
            Set<String> groups,
            Set<String> transactionalIds,
            Map<String, Map<String, String>> configs,
            Map<TopicPartition, Long> ends) {
        static State now() throws Exception {
            while (true) {
                try {
                    return look();
                } catch (ExecutionException e) {
                    if (!(e.getCause() instanceof UnknownTopicOrPartitionException)) throw e;
                } // deleted in between
            }
        }

        private static State look() throws Exception {
            try (Admin admin = TestCluster.admin()) {
                Set<String> topics = new TreeSet<>(admin.listTopics(new ListTopicsOptions().listInternal(true))
                        .names()
                        .get());
                topics.remove(QuorumLossTest.NOT_YET_CREATED);
                Map<String, Map<String, String>> configs = new TreeMap<>();
                List<ConfigResource> resources = Stream.concat(
                                topics.stream().map(t -> new ConfigResource(ConfigResource.Type.TOPIC, t)),
                                Stream.of(new ConfigResource(ConfigResource.Type.BROKER, "")))
                        .toList();
                admin.describeConfigs(resources)
                        .all()
                        .get()
                        .forEach((r, c) -> configs.put(
                                r.toString(),
                                c.entries().stream()
                                        .filter(e -> e.source().name().startsWith("DYNAMIC"))
                                        .collect(Collectors.toMap(
                                                ConfigEntry::name,
                                                e -> String.valueOf(e.value()),
                                                (a, b) -> b,
                                                TreeMap::new))));
                Map<TopicPartition, OffsetSpec> ask = new HashMap<>();
                for (TopicDescription t : admin.describeTopics(
                                topics.stream().filter(t -> !t.startsWith("__")).toList())
                        .allTopicNames()
                        .get()
                        .values())
                    t.partitions()
                            .forEach(p -> ask.put(new TopicPartition(t.name(), p.partition()), OffsetSpec.latest()));
                Map<TopicPartition, Long> ends = new HashMap<>();
                admin.listOffsets(ask).all().get().forEach((p, o) -> ends.put(p, o.offset()));
                return new State(
                        topics,
                        admin.listGroups().all().get().stream()
                                .map(GroupListing::groupId)
                                .collect(Collectors.toCollection(TreeSet::new)),
                        admin.listTransactions().all().get().stream()
                                .map(TransactionListing::transactionalId)
                                .collect(Collectors.toCollection(TreeSet::new)),
                        configs,
                        ends);
            }
        }
    }

    /** A probe's answers, and how long all of it took. */
    record Asked(List<ProbeAnswer> answers, double seconds) {
        static Asked probe(String own, String... args) throws Exception {
            ProbeCluster script = new ProbeCluster();
            if (own != null) script.own = own;
            script.common.configure(
                    script,
                    TestCluster.quiet(),
                    TestCluster.quiet(),
                    TestCluster.with(args, "-b", Cluster.bootstrap()));
            script.common.listener = event -> assertDoesNotThrow(() -> ContractTest.Schema.validate(event));
            long start = System.nanoTime();
            Asked asked = new Asked(script.probe(), (System.nanoTime() - start) / 1e9);
            System.out.printf(Locale.ROOT, "     probe %s: %.1f s%n", String.join(" ", args), asked.seconds);
            assertTrue(asked.seconds < 14, "with the start of a JVM under 15 s: " + asked.seconds + "\n" + asked);
            return asked;
        }

        /** The outcomes of a question by node. */
        Map<Integer, String> of(String question) {
            return answers.stream()
                    .filter(a -> a.question().equals(question))
                    .collect(
                            Collectors.toMap(ProbeAnswer::node, a -> a.outcome().toString()));
        }

        ProbeAnswer of(String question, int node) {
            return answers.stream()
                    .filter(a -> a.question().equals(question) && a.node() == node)
                    .findFirst()
                    .orElseThrow(() -> new AssertionError(question + " of " + node + " in " + this));
        }

        @Override
        public String toString() {
            return String.join("\n", ProbeTable.lines(answers));
        }
    }

    private static void nothingIsLeft(State before) throws Exception {
        TestCluster.await("nothing left of the probe", () -> State.now().equals(before));
    }

    @Test
    @Order(1)
    void healthyAllOfItWorksAndNothingIsLeft() throws Exception {
        TestCluster.healthy();
        TestCluster.createTopic(TOPIC, "--partitions", "3", "--if-not-exists");
        // What --all leaves, as its description says: the transactional id, and the internal topics, which the
        // comparison from here on has.
        Asked all = Asked.probe(null, "--all");
        assertEquals(Map.of(0, "ok"), all.of("transaction"), all.toString());
        TestCluster.await(
                "the id of the real transaction",
                () -> State.now().transactionalIds.equals(Set.of(ProbeCluster.MARK)));

        State before = State.now();
        assertTrue(
                before.topics.containsAll(List.of("__consumer_offsets", "__transaction_state", TOPIC))
                        && before.groups.isEmpty(),
                before.toString());
        TestCluster.Run run = TestCluster.run(ProbeCluster::run, "--json");
        assertEquals(0, run.code(), run.toString());
        nothingIsLeft(before);
        List<Map<String, Object>> events = run.events();
        assertEquals(
                List.of("ok"),
                events.stream().map(e -> e.get("outcome")).distinct().toList(),
                run.toString());
        assertEquals(
                Set.of(
                        "describe cluster",
                        "describe topics",
                        "metadata quorum",
                        "produce acks=0",
                        "produce acks=1",
                        "produce acks=all",
                        "read committed",
                        "create topic",
                        "alter config",
                        "group join",
                        "txn coordinator"),
                events.stream().map(e -> e.get("question")).collect(Collectors.toSet()));
        for (String each : List.of("produce acks=0", "produce acks=1", "produce acks=all", "read committed"))
            assertEquals(
                    List.of(1, 2, 3),
                    events.stream()
                            .filter(e -> e.get("question").equals(each))
                            .map(e -> e.get("node"))
                            .toList(),
                    each);
        for (Map<String, Object> read : events.stream()
                .filter(e -> e.get("question").equals("read committed"))
                .toList()) assertEquals(true, read.get("visible"), read.toString());

        TestCluster.Run table = TestCluster.run(ProbeCluster::run, "--topic", TOPIC);
        assertEquals(0, table.code(), table.toString());
        assertTrue(table.out().lines().anyMatch(l -> l.matches("produce acks=all +1,2,3 +ok +\\d+")), table.out());
        onlyMarkedRecordsCame(before);
    }

    /** The records of a named topic stay, and can be told. */
    static void onlyMarkedRecordsCame(State before) throws Exception {
        TestCluster.await("only records in " + TOPIC, () -> {
            State s = State.now();
            return s.topics.equals(before.topics)
                    && s.groups.isEmpty()
                    && s.transactionalIds.equals(before.transactionalIds)
                    && s.configs.equals(before.configs);
        });
        State now = State.now();
        Map<TopicPartition, Long> came = new HashMap<>();
        now.ends.forEach((p, end) -> {
            if (end > before.ends.get(p)) came.put(p, before.ends.get(p));
        });
        assertFalse(came.isEmpty(), now.toString());
        assertTrue(came.keySet().stream().allMatch(p -> p.topic().equals(TOPIC)), came.toString());
        try (var consumer = new KafkaConsumer<>(
                Map.of("bootstrap.servers", Cluster.bootstrap()), new StringDeserializer(), new StringDeserializer())) {
            consumer.assign(came.keySet());
            came.forEach(consumer::seek);
            while (came.keySet().stream().anyMatch(p -> consumer.position(p) < now.ends.get(p)))
                for (var r : consumer.poll(Duration.ofMillis(200)))
                    assertNotNull(r.headers().lastHeader(ProbeCluster.MARK), "not marked: " + r);
        }
    }

    @Test
    @Order(2)
    void withOneNodeKilledTheOthersDoIt() throws Exception {
        TestCluster.healthy();
        State before = State.now();
        int dead = TestCluster.follower();
        assertEquals(0, TestCluster.killNode("" + dead).code());
        // At once: a join hangs until the dead node is fenced, and is completed then, when the probe would have gone.
        Asked early = Asked.probe(
                coordinatedBy(TestCluster.controller(), System.currentTimeMillis() / 1000), "--check-timeout", "1s");
        assertEquals(Map.of(0, "hangs"), early.of("group join"), early.toString());
        nothingIsLeft(before);
        assertEquals(
                0,
                TestCluster.run(WatchIsr::run, "--topic", TOPIC, "--until", "under-replicated", "--timeout", "30s")
                        .code());
        nothingIsLeft(before);
        Asked asked = Asked.probe(null);
        assertEquals(
                Set.of("ok"),
                asked.answers.stream().map(a -> a.outcome().toString()).collect(Collectors.toSet()),
                asked.toString());
        Map<Integer, String> living =
                Stream.of(1, 2, 3).filter(id -> id != dead).collect(Collectors.toMap(id -> id, id -> "ok"));
        for (String each : List.of("produce acks=1", "produce acks=all", "read committed"))
            assertEquals(living, asked.of(each), asked.toString());
        nothingIsLeft(before);
        assertEquals(0, TestCluster.startNode("" + dead).code());
    }

    /** A name of the probe's own, of that second or before, whose coordinator as a group is a broker. */
    static String coordinatedBy(int broker, long second) throws Exception {
        try (Admin admin = TestCluster.admin()) {
            var partitions = admin.describeTopics(List.of("__consumer_offsets"))
                    .allTopicNames()
                    .get()
                    .get("__consumer_offsets")
                    .partitions();
            return Stream.iterate(second, t -> t - 1)
                    .limit(1000)
                    .map(t -> ProbeCluster.OWN + Long.toString(t, 36))
                    .filter(name -> partitions
                                    .get(Utils.abs(name.hashCode()) % partitions.size())
                                    .leader()
                                    .id()
                            == broker)
                    .findFirst()
                    .orElseThrow();
        }
    }

    @Test
    @Order(4)
    void whatAKilledProbeLeftTheNextOneDeletes() throws Exception {
        TestCluster.healthy();
        State before = State.now();
        String old = ProbeCluster.OWN + Long.toString(System.currentTimeMillis() / 1000 - 100, 36),
                young = ProbeCluster.OWN + Long.toString(System.currentTimeMillis() / 1000, 36);
        assertTrue(ProbeCluster.isOld(old)
                && !ProbeCluster.isOld(young)
                && !ProbeCluster.isOld(ProbeCluster.OWN + "of-mine")
                && !ProbeCluster.isOld("x" + old));
        TestCluster.createTopic(old, "--partitions", "1");
        try (var consumer = new KafkaConsumer<>(
                Map.of("bootstrap.servers", Cluster.bootstrap(), "group.id", old),
                new StringDeserializer(),
                new StringDeserializer())) {
            consumer.assign(List.of(new TopicPartition(TOPIC, 0)));
            consumer.commitSync(Map.of(new TopicPartition(TOPIC, 0), new OffsetAndMetadata(0)));
        }
        TestCluster.Run run = TestCluster.run(ProbeCluster::run);
        assertEquals(0, run.code(), run.toString());
        assertEquals("Deleted what a probe before this one had left: " + old + ".\n", run.err());
        nothingIsLeft(before);
    }

    @Test
    @Order(5)
    void ctrlCLeavesNothing() throws Exception {
        TestCluster.healthy();
        State before = State.now();
        TestCluster.Child child = TestCluster.child(ProbeCluster.class, "-b", Cluster.bootstrap());
        try (Admin admin = TestCluster.admin()) {
            TestCluster.await(
                    "the probe's topic",
                    () -> !child.process().isAlive()
                            || admin.listTopics().names().get().stream().anyMatch(t -> t.startsWith(ProbeCluster.OWN)));
        }
        assertEquals(130, child.interrupt(), child.text());
        assertEquals("Interrupted.\n", child.text());
        nothingIsLeft(before);
    }

    @Test
    void theCheckTimeoutHasALowerLimitUnderBothOfItsNames() {
        for (String option : List.of("--check-timeout", "--each")) {
            TestCluster.Run run = TestCluster.run(ProbeCluster::run, option, "50ms");
            assertEquals(2, run.code(), run.toString());
            assertTrue(run.err().contains("--check-timeout should be at least 100ms."), run.toString());
        }
        assertFalse(TestCluster.run(ProbeCluster::run, "--help").out().contains("--each"));
    }
}
