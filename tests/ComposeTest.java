import static org.junit.jupiter.api.Assertions.*;

import com.fasterxml.jackson.jr.ob.JSON;
import java.io.StringReader;
import java.nio.file.*;
import java.time.Duration;
import java.util.*;
import java.util.concurrent.TimeUnit;
import java.util.stream.*;
import org.apache.kafka.clients.admin.*;
import org.apache.kafka.clients.consumer.*;
import org.apache.kafka.clients.producer.*;
import org.apache.kafka.common.*;
import org.apache.kafka.common.config.ConfigResource;
import org.apache.kafka.common.serialization.*;
import org.junit.jupiter.api.*;

/**
 * Checks the unmodified compose file on a Docker engine: its settings, and the cluster that Kafka clients see. Runs
 * after the tests on the embedded cluster.
 */
@Tag("docker")
@Order(97)
class ComposeTest {
    private static final List<String> NODES = List.of("kafka01", "kafka02", "kafka03");
    /** Settings that depend only on where the nodes run. */
    private static final Set<String> OF_THE_PLACE = Set.of(
            "listeners",
            "advertised.listeners",
            "listener.security.protocol.map",
            "inter.broker.listener.name",
            "controller.quorum.voters",
            "log.dirs");

    @BeforeEach
    void engine() throws Exception {
        TestEngine.requireEngine();
    }

    // ---- The compose file ----

    @SuppressWarnings("unchecked")
    private static Map<String, Map<String, Object>> services(Map<String, String> environment, String... args)
            throws Exception {
        List<String> command = new ArrayList<>(List.of("docker", "compose", "-f", TestEngine.COMPOSE.toString()));
        command.addAll(List.of(args));
        command.addAll(List.of("config", "--format", "json"));
        TestCluster.Run config = TestEngine.run(environment, command.toArray(String[]::new));
        assertEquals(0, config.code(), config.toString());
        assertEquals("", config.err(), "warnings of docker compose config");
        return (Map<String, Map<String, Object>>)
                (Map<?, ?>) (Map<?, ?>) JSON.std.mapFrom(config.out()).get("services");
    }

    @Test
    @Order(1)
    void theFileIsCleanAndHasThreeNodes() throws Exception {
        Map<String, Map<String, Object>> services = services(Map.of());
        assertEquals(Set.copyOf(NODES), services.keySet());
        for (Map<String, Object> node : services.values()) {
            assertEquals(TestEngine.IMAGE, node.get("image"), "not the version of the scripts");
            assertEquals("no", node.get("restart"));
            assertNull(node.get("depends_on"));
        }
        assertFalse(
                Files.readString(TestEngine.COMPOSE)
                        .lines()
                        .anyMatch(l -> l.matches("version:.*|\\s+start_interval:.*")),
                "what Compose warns of, or old engines refuse");
    }

    @Test
    @Order(2)
    void theProfileUiAddsBothWebInterfacesOnThisMachineOnly() throws Exception {
        Map<String, Map<String, Object>> services = services(Map.of(), "--profile", "ui");
        assertEquals(Set.of("kafka01", "kafka02", "kafka03", "kafka-ui", "kouncil"), services.keySet());
        for (String[] ui : new String[][] {{"kafka-ui", "8080"}, {"kouncil", "8082"}}) {
            Map<?, ?> port = (Map<?, ?>) ((List<?>) services.get(ui[0]).get("ports")).get(0);
            assertEquals(
                    List.of("127.0.0.1", ui[1], 8080),
                    List.of(port.get("host_ip"), port.get("published"), port.get("target")),
                    ui[0]);
            assertEquals(Set.copyOf(NODES), ((Map<?, ?>) services.get(ui[0]).get("depends_on")).keySet());
            assertTrue(
                    services.get(ui[0])
                            .get("environment")
                            .toString()
                            .contains("kafka01:9092,kafka02:9092,kafka03:9092"),
                    services.get(ui[0]).toString());
            assertTrue(
                    services.get(ui[0]).get("image").toString().matches(".+:v?\\d+\\.\\d+(\\.\\d+)?"),
                    "not pinned: " + services.get(ui[0]).get("image"));
        }
    }

    @Test
    @Order(3)
    void variablesChooseTimeoutsAddressAndClusterId() throws Exception {
        assertEquals(
                List.of(),
                settings(services(Map.of())).keySet().stream()
                        .filter(fast()::containsKey)
                        .toList(),
                "set without being asked for");
        Map<String, Map<String, Object>> services = services(Map.of(
                "KRAFT_LAB_TIMEOUTS", "fast", "LAB_HOST", "lab.example", "CLUSTER_ID", "AAAAAAAAAAAAAAAAAAAAAQ"));
        Map<String, String> settings = settings(services);
        fast().forEach((key, value) -> assertEquals(value, settings.get(key), key));
        assertTrue(settings.get("advertised.listeners").startsWith("CLIENT://lab.example:29192,"), settings.toString());
        assertEquals(
                "AAAAAAAAAAAAAAAAAAAAAQ", ((Map<?, ?>) services.get("kafka01").get("environment")).get("CLUSTER_ID"));
        TestCluster.Run unknown = TestEngine.run(
                Map.of("KRAFT_LAB_TIMEOUTS", "slow"),
                "docker",
                "compose",
                "-f",
                TestEngine.COMPOSE.toString(),
                "config",
                "-q");
        assertNotEquals(0, unknown.code(), "timeouts that do not exist");
        assertTrue(unknown.err().contains("timeouts/slow.env"), unknown.err());
    }

    /** Returns the compose file's settings for kafka01 under Kafka's names. */
    private static Map<String, String> settings(Map<String, Map<String, Object>> services) {
        Map<String, String> settings = new TreeMap<>();
        ((Map<?, ?>) services.get("kafka01").get("environment"))
                .forEach((k, v) -> settings.put(
                        k.toString()
                                .replaceFirst("^KAFKA_", "")
                                .toLowerCase(Locale.ROOT)
                                .replace('_', '.'),
                        v.toString()));
        return settings;
    }

    // ---- The embedded cluster's server.properties ----

    private static Properties embedded(String timeouts) throws Exception {
        Cluster cluster = new Cluster();
        cluster.common.configure(cluster, TestCluster.quiet(), TestCluster.quiet(), "up", "--timeouts", timeouts);
        Properties properties = new Properties();
        properties.load(new StringReader(cluster.serverProperties(1)));
        return properties;
    }

    private static Map<String, String> fast() throws Exception {
        Properties all = embedded("fast"), without = embedded("default");
        Map<String, String> fast = new TreeMap<>();
        for (String key : all.stringPropertyNames()) if (!without.containsKey(key)) fast.put(key, all.getProperty(key));
        assertEquals(7, fast.size(), fast.toString());
        return fast;
    }

    // ---- Configurations that running nodes report ----

    private static String effective(Config config, String key) {
        ConfigEntry entry = config.get(key);
        return entry == null ? null : entry.value();
    }

    private static Map<Integer, Config> effective() throws Exception {
        Map<Integer, Config> configs = new TreeMap<>();
        try (Admin admin = TestCluster.admin()) {
            Map<ConfigResource, Config> all = admin.describeConfigs(Cluster.IDS.stream()
                            .map(id -> new ConfigResource(ConfigResource.Type.BROKER, "" + id))
                            .toList())
                    .all()
                    .get(30, TimeUnit.SECONDS);
            all.forEach((resource, config) -> configs.put(Integer.parseInt(resource.name()), config));
        }
        return configs;
    }

    // ---- Both: the embedded cluster runs first, then the containers take its ports ----

    /** The embedded cluster's configurations with fast timeouts. */
    private static final Map<Integer, Config> ofTheEmbedded = new TreeMap<>();

    @Test
    @Order(4)
    void theEngineRefusesPortsOfTheEmbeddedCluster() throws Exception {
        TestCluster.healthy();
        TestCluster.Run up = TestEngine.tryUp(Map.of());
        assertNotEquals(0, up.code(), up.toString());
        assertTrue(up.err().matches("(?s).*(address already in use|port is already allocated).*"), up.err());
        for (int id : Cluster.IDS) assertTrue(TestCluster.runs(id), "node " + id + " of the embedded cluster");
        TestEngine.down();
        ofTheEmbedded.putAll(effective());
    }

    @Test
    @Order(5)
    void theLabNamesTheEmbeddedClusterThatHasItsPorts() throws Exception {
        TestCluster.healthy();
        String out = TestCluster.HOME.resolve("refused").toString();
        TestCluster.Run run = TestCluster.run(Lab::run, "--runtime", "docker", "--out", out);
        assertEquals(1, run.code(), run.toString());
        assertTrue(run.err().contains("Port 29192 of kafka01 is taken by the embedded cluster (pid "), run.err());
        String containers = TestEngine.docker("ps", "-aq", "--filter", "label=" + TestEngine.PROJECT)
                .out();
        assertEquals("", containers, "nothing was started");
    }

    // ---- On the engine ----

    @Test
    @Order(10)
    void oneCommandGivesThreeHealthyNodesAsKafkaSeesThem() throws Exception {
        long began = System.nanoTime();
        TestEngine.up("default");
        assertTrue(System.nanoTime() - began < Duration.ofSeconds(100).toNanos());
        for (String node : NODES)
            assertEquals("running healthy", TestEngine.inspect(node, "{{.State.Status}} {{.State.Health.Status}}"));
        try (Admin admin = TestCluster.admin()) {
            Collection<Node> nodes = admin.describeCluster().nodes().get(30, TimeUnit.SECONDS);
            assertEquals(
                    Set.of("1 localhost:29192 rack1", "2 localhost:29292 rack2", "3 localhost:29392 rack3"),
                    nodes.stream()
                            .map(n -> n.id() + " " + n.host() + ":" + n.port() + " " + n.rack())
                            .collect(Collectors.toSet()));
            assertEquals(
                    Set.of(1, 2, 3),
                    admin.describeMetadataQuorum().quorumInfo().get(30, TimeUnit.SECONDS).voters().stream()
                            .map(QuorumInfo.ReplicaState::replicaId)
                            .collect(Collectors.toSet()));
        }
        // kill-node knows a node by its label, never by its name alone.
        for (int id : Cluster.IDS)
            assertEquals(
                    id + " default kraft-lab",
                    TestEngine.inspect(
                            Cluster.name(id),
                            "{{index .Config.Labels \"kraft-lab.node\"}} {{index .Config.Labels"
                                    + " \"kraft-lab.timeouts\"}} {{index .Config.Labels"
                                    + " \"com.docker.compose.project\"}}"));
    }

    private static Set<String> set(Config config) {
        return config.entries().stream()
                .filter(e -> e.source() == ConfigEntry.ConfigSource.STATIC_BROKER_CONFIG)
                .map(ConfigEntry::name)
                .collect(Collectors.toCollection(TreeSet::new));
    }

    /** Recreates containers on the same volumes in several ways, with Kafka's default timeouts and with fast ones. */
    @Test
    @Order(20)
    void dataSurvivesStopAndDownAndOtherTimeoutsAndAnotherClusterIdIsRefused() throws Exception {
        TestEngine.up("default");
        for (Config config : effective().values())
            for (String key : fast().keySet())
                assertFalse(set(config).contains(key), key + " is set without being asked for");
        String topic = "compose-stays";
        TestCluster.createTopic(topic, "--partitions", "3");
        write(topic, 30);
        stopsAndFreesItsPorts();
        assertEquals(0, TestEngine.compose("down", "-t", "0").code());

        TestCluster.Run other = TestEngine.tryUp(Map.of("CLUSTER_ID", "AAAAAAAAAAAAAAAAAAAAAQ"));
        assertNotEquals(0, other.code(), other.toString());
        String log = TestEngine.docker("logs", "kafka01").toString();
        assertTrue(log.contains("AAAAAAAAAAAAAAAAAAAAAQ"), log);

        TestEngine.up("fast");
        Map<String, String> fast = fast();
        effective()
                .forEach((id, config) -> fast.forEach(
                        (key, value) -> assertEquals(value, effective(config, key), key + " of node " + id)));
        assertEquals("fast", TestEngine.inspect("kafka02", "{{index .Config.Labels \"kraft-lab.timeouts\"}}"));
        assertEquals(30, read(topic));
    }

    private static void stopsAndFreesItsPorts() {
        TestCluster.Run stop = TestEngine.compose("stop", "-t", "2");
        assertEquals(0, stop.code(), stop.toString());
        for (String node : NODES) assertEquals("exited", TestEngine.inspect(node, "{{.State.Status}}"));
        for (int port : TestCluster.ports()) assertTrue(TestCluster.isFree(port), "port " + port + " after stop");
    }

    @Test
    @Order(22)
    void portsAreOpenOnThisMachineOnly() throws Exception {
        TestEngine.up();
        for (int id : Cluster.IDS) {
            String bindings = TestEngine.inspect(Cluster.name(id), "{{json .NetworkSettings.Ports}}");
            Map<String, Object> open = new TreeMap<>(JSON.std.mapFrom(bindings));
            open.values().removeIf(Objects::isNull);
            assertEquals(
                    Map.of(
                            Cluster.port(id) + "/tcp",
                            List.of(Map.of("HostIp", "127.0.0.1", "HostPort", "" + Cluster.port(id)))),
                    open);
        }
    }

    @Test
    @Order(24)
    void aKilledNodeStaysDeadUntilUpMendsItOnItsData() throws Exception {
        TestEngine.up();
        String topic = "compose-killed";
        TestCluster.createTopic(topic, "--partitions", "3");
        write(topic, 50);
        int victim = TestCluster.follower();
        String name = Cluster.name(victim),
                other = Cluster.name(victim % 3 + 1),
                began = TestEngine.inspect(name, "{{.State.StartedAt}}");
        assertEquals(0, TestEngine.docker("kill", name).code());
        TestCluster.await(name + " fenced", () -> {
            try (Admin admin = TestCluster.admin()) {
                return admin.describeCluster().nodes().get().size() == 2;
            }
        });
        // The session timeout has passed: a restart policy would have acted within a second.
        assertEquals(
                "exited 137 0 " + began,
                TestEngine.inspect(
                        name, "{{.State.Status}} {{.State.ExitCode}} {{.RestartCount}} {{.State.StartedAt}}"));
        assertEquals("running", TestEngine.inspect(other, "{{.State.Status}}"));
        write(topic, 50);
        TestEngine.up();
        assertEquals("running", TestEngine.inspect(name, "{{.State.Status}}"));
        assertEquals(100, read(topic));
        assertTrue(
                TestEngine.docker("logs", "--since", began, name).toString().contains("already formatted"),
                "formatted again on a volume with data");
    }

    @Test
    @Order(25)
    void aCrashedNodeIsNotRestartedEither() throws Exception {
        TestEngine.up();
        String name = Cluster.name(TestCluster.follower());
        // Not "docker kill", after which no policy restarts: to the engine the process dies by itself.
        long pid = Long.parseLong(TestEngine.inspect(name, "{{.State.Pid}}"));
        // An engine in a virtual machine has its own pids, which mean other processes here.
        Path command = Path.of("/proc/" + pid + "/cmdline");
        Assumptions.assumeTrue(
                pid > 1 && Files.exists(command) && Files.readString(command).contains("kafka.Kafka"),
                "The engine's processes are not of this machine.");
        TestCluster.Run crash = TestEngine.run(Map.of(), "kill", "-9", "" + pid);
        Assumptions.assumeTrue(crash.code() == 0, "The engine's processes are not ours to kill: " + crash.err());
        TestCluster.await(name + " fenced", () -> {
            try (Admin admin = TestCluster.admin()) {
                return admin.describeCluster().nodes().get().size() == 2;
            }
        });
        assertEquals(
                "exited 137 0", TestEngine.inspect(name, "{{.State.Status}} {{.State.ExitCode}} {{.RestartCount}}"));
    }

    /** Starts the whole cluster again on its volumes, from stopped containers and from new ones. */
    @Test
    @Tag("soak")
    @Order(26)
    void dataSurvivesStopAndStartAndDownAndUp() throws Exception {
        TestEngine.up();
        String topic = "compose-survives";
        TestCluster.createTopic(topic, "--partitions", "3");
        write(topic, 40);
        stopsAndFreesItsPorts();
        assertEquals(0, TestEngine.compose("start").code());
        TestCluster.await(
                "three nodes after start",
                () -> NODES.stream()
                        .allMatch(n -> TestEngine.inspect(n, "{{.State.Health.Status}}")
                                .equals("healthy")));
        assertEquals(40, read(topic));
        assertEquals(0, TestEngine.compose("down", "-t", "2").code());
        TestEngine.up();
        assertEquals(40, read(topic));
    }

    @Test
    @Order(23)
    void theEmbeddedClusterNamesTheComposeOneAndStartsNothing() throws Exception {
        TestEngine.up();
        Path data = TestCluster.HOME.resolve("beside");
        TestCluster.Run up = TestCluster.run(Cluster::run, "up", "--data-dir", data.toString());
        assertEquals(1, up.code(), up.toString());
        assertEquals(1, up.err().lines().count(), up.err());
        assertTrue(
                up.err().startsWith("Port 29192 is in use by ")
                        && up.err().contains("docker compose -f compose/compose.yaml down"),
                up.err());
        assertEquals(List.of(), TestCluster.processesOf(data));
        for (String node : NODES) assertEquals("running", TestEngine.inspect(node, "{{.State.Status}}"));
    }

    @Test
    @Order(21)
    void settingsAreThoseOfTheEmbeddedCluster() throws Exception {
        Properties written = embedded("default");
        // Compared as text too, because describeConfigs does not list them all (metrics.jmx.exclude).
        Map<String, String> text = settings(services(Map.of()));
        for (String key : written.stringPropertyNames())
            if (!OF_THE_PLACE.contains(key))
                assertEquals(written.getProperty(key), text.get(key), key + " in the compose file");
        List<String> keys = embedded("fast").stringPropertyNames().stream()
                .filter(k -> !OF_THE_PLACE.contains(k))
                .sorted()
                .toList();
        assertTrue(
                keys.containsAll(List.of(
                        "min.insync.replicas",
                        "share.coordinator.state.topic.min.isr",
                        "log.cleaner.dedupe.buffer.size",
                        "broker.session.timeout.ms")),
                keys.toString());
        assertEquals(Set.copyOf(Cluster.IDS), ofTheEmbedded.keySet(), "the test before has seen them");
        TestEngine.up();
        Map<Integer, Config> inDocker = effective();
        for (int id : Cluster.IDS) {
            Config embedded = ofTheEmbedded.get(id), docker = inDocker.get(id);
            for (String key : keys)
                assertEquals(
                        effective(embedded, key),
                        effective(docker, key),
                        key + " of node " + id + ": embedded, in Docker");
        }
        // Nothing else is set on only one of the two.
        assertEquals(set(ofTheEmbedded.get(1)), set(inDocker.get(1)), "what is not left to Kafka's defaults");
    }

    // ---- Records ----

    private static void write(String topic, int count) throws Exception {
        try (Producer<String, String> producer = new KafkaProducer<>(
                Map.of("bootstrap.servers", (Object) Cluster.bootstrap(), "acks", "all"),
                new StringSerializer(),
                new StringSerializer())) {
            for (int i = 0; i < count; i++)
                producer.send(new ProducerRecord<>(topic, "" + i)).get(60, TimeUnit.SECONDS);
        }
    }

    /** Returns the number of records in the topic, read to its end. */
    private static int read(String topic) throws Exception {
        try (Consumer<String, String> consumer = new KafkaConsumer<>(
                Map.of("bootstrap.servers", (Object) Cluster.bootstrap()),
                new StringDeserializer(),
                new StringDeserializer())) {
            List<TopicPartition> partitions = consumer.partitionsFor(topic).stream()
                    .map(p -> new TopicPartition(topic, p.partition()))
                    .toList();
            consumer.assign(partitions);
            consumer.seekToBeginning(partitions);
            Map<TopicPartition, Long> ends = consumer.endOffsets(partitions);
            int[] count = {0};
            TestCluster.await("the end of " + topic, () -> {
                count[0] += consumer.poll(Duration.ofMillis(200)).count();
                return partitions.stream().allMatch(p -> consumer.position(p) >= ends.get(p));
            });
            return count[0];
        }
    }
}
