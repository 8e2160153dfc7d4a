import java.io.File;
import java.io.IOException;
import java.io.OutputStream;
import java.io.PrintStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.concurrent.TimeUnit;
import java.util.stream.IntStream;
import org.apache.kafka.common.Uuid;
import org.apache.kafka.metadata.storage.Formatter;
import org.apache.kafka.raft.DynamicVoters;

/**
 * A cluster that differs from the lab's, on its own loopback ports: dedicated controllers, or one node with listeners
 * of every kind. Each node is a JVM that can be killed; all end with the tests.
 */
class OddCluster implements AutoCloseable {
    static final String ADMIN = "admin";
    static final String POOR = "poor";

    private final Path folder;
    private final String id = Uuid.randomUuid().toString();
    private final Map<Integer, Process> nodes = new LinkedHashMap<>();
    private final Map<String, Integer> ports = new LinkedHashMap<>();

    private OddCluster(Path folder) {
        AllTests.needs("cluster");
        this.folder = folder;
    }

    /** Starts dedicated controllers, ids from 3000 on, with a static quorum, and brokers, ids from 101 on. */
    static OddCluster dedicated(Path folder, int controllers, int brokers) throws Exception {
        OddCluster cluster = new OddCluster(folder);
        List<Integer> ports = freePorts(controllers + brokers);
        List<String> voters = new ArrayList<>();
        for (int i = 0; i < controllers; i++) {
            voters.add(3000 + i + "@127.0.0.1:" + ports.get(i));
        }
        String quorum = "controller.quorum.voters=" + String.join(",", voters) + "\n";
        for (int i = 0; i < controllers; i++) {
            String listener = "process.roles=controller\nlisteners=CONTROLLER://127.0.0.1:" + ports.get(i) + "\n";
            cluster.ports.put("controller" + (3000 + i), ports.get(i));
            cluster.start(3000 + i, quorum + listener);
        }
        for (int i = 0; i < brokers; i++) {
            int port = ports.get(controllers + i);
            cluster.ports.put("broker" + (101 + i), port);
            cluster.start(101 + i, quorum + "process.roles=broker\nlisteners=PLAINTEXT://127.0.0.1:" + port + "\n");
        }
        for (int i = 0; i < brokers; i++) {
            cluster.awaitAnswer("broker" + (101 + i));
        }
        return cluster;
    }

    /**
     * Starts one combined node, id 0, of a dynamic quorum, with the listeners {@code plain} (everything is allowed),
     * {@code sasl} (PLAIN: the users {@link #ADMIN}, and {@link #POOR} without any right; the password is the name),
     * {@code tls}, and {@code lost}, which is advertised under a name that does not resolve.
     */
    static OddCluster single(Path folder) throws Exception {
        OddCluster cluster = new OddCluster(folder);
        List<Integer> ports = freePorts(5);
        List<String> names = List.of("plain", "sasl", "tls", "lost", "controller");
        for (int i = 0; i < names.size(); i++) {
            cluster.ports.put(names.get(i), ports.get(i));
        }
        Path keys = cluster.keyStore();
        cluster.start(0, """
            process.roles=broker,controller
            controller.quorum.bootstrap.servers=127.0.0.1:%5$d
            listeners=PLAIN://127.0.0.1:%1$d,LOGIN://127.0.0.1:%2$d,TLS://127.0.0.1:%3$d,LOST://127.0.0.1:%4$d,\
            CONTROLLER://127.0.0.1:%5$d
            advertised.listeners=PLAIN://127.0.0.1:%1$d,LOGIN://127.0.0.1:%2$d,TLS://127.0.0.1:%3$d,\
            LOST://nowhere.invalid:%4$d
            inter.broker.listener.name=PLAIN
            sasl.enabled.mechanisms=PLAIN
            listener.name.login.plain.sasl.jaas.config=org.apache.kafka.common.security.plain.\
            PlainLoginModule required \
            user_admin="admin" user_poor="poor";
            ssl.keystore.location=%6$s
            ssl.keystore.password=secret
            ssl.key.password=secret
            authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer
            super.users=User:ANONYMOUS;User:admin
            """.formatted(ports.get(0), ports.get(1), ports.get(2), ports.get(3), ports.get(4), keys));
        cluster.awaitAnswer("plain");
        return cluster;
    }

    /** Returns the address of a listener: {@code plain}, {@code broker101}, {@code controller3000} and so on. */
    String address(String name) {
        return "127.0.0.1:" + ports.get(name);
    }

    /** Returns a --command-config with which a user logs in. */
    Path login(String user) throws IOException {
        return Files.writeString(folder.resolve(user + ".properties"), """
            security.protocol=SASL_PLAINTEXT
            sasl.mechanism=PLAIN
            sasl.jaas.config=org.apache.kafka.common.security.plain.PlainLoginModule required \
            username="%1$s" password="%1$s";
            """.formatted(user));
    }

    /** Kills a node (SIGKILL) and waits until its process has ended. */
    void kill(int node) throws Exception {
        nodes.get(node).destroyForcibly().waitFor(20, TimeUnit.SECONDS);
    }

    @Override
    public void close() throws Exception {
        for (int node : nodes.keySet()) {
            kill(node);
        }
    }

    private void start(int node, String properties) throws Exception {
        Path data = Files.createDirectories(folder.resolve("data" + node));
        Path config = Files.writeString(folder.resolve(node + ".properties"), properties + """
            node.id=%d
            log.dirs=%s
            controller.listener.names=CONTROLLER
            listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,PLAIN:PLAINTEXT,\
            LOGIN:SASL_PLAINTEXT,TLS:SSL,LOST:PLAINTEXT
            offsets.topic.replication.factor=1
            log.cleaner.dedupe.buffer.size=2097152
            controller.quorum.election.timeout.ms=300
            """.formatted(node, data));
        Formatter formatter = new Formatter();
        if (!properties.contains("controller.quorum.voters=")) {
            String voter = node + "@" + address("controller") + ":" + Uuid.randomUuid();
            formatter.setHasDynamicQuorum(true).setInitialControllers(DynamicVoters.parse(voter));
        }
        formatter
                .setPrintStream(new PrintStream(OutputStream.nullOutputStream()))
                .setClusterId(id)
                .setNodeId(node)
                .setControllerListenerName("CONTROLLER")
                .setMetadataLogDirectory(data.toString())
                .addDirectory(data.toString())
                .run();
        String java = Path.of(System.getProperty("java.home"), "bin", "java").toString();
        List<String> command =
                new ArrayList<>(List.of(java, "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-Xmx256m"));
        command.addAll(List.of("-cp", System.getProperty("java.class.path")));
        command.addAll(List.of("kafka.Kafka", config.toString()));
        File log = folder.resolve(node + ".log").toFile();
        nodes.put(
                node,
                new ProcessBuilder(command)
                        .redirectErrorStream(true)
                        .redirectOutput(log)
                        .start());
    }

    private void awaitAnswer(String name) throws Exception {
        int port = ports.get(name);
        try {
            TestCluster.await(name, () -> FindController.Common.answers("127.0.0.1", port, 1000));
        } catch (AssertionError e) {
            throw new AssertionError(e.getMessage() + "; errors and ends of the logs:\n" + logs(), e);
        }
    }

    private String logs() throws IOException {
        StringBuilder ends = new StringBuilder();
        for (int node : nodes.keySet()) {
            List<String> lines = Files.readAllLines(folder.resolve(node + ".log"));
            ends.append(node).append(":\n");
            lines.stream()
                    .filter(line -> line.matches(".*(ERROR|Exception|Error:).*"))
                    .limit(5)
                    .forEach(line -> ends.append(line).append('\n'));
            lines.subList(Math.max(0, lines.size() - 3), lines.size())
                    .forEach(line -> ends.append(line).append('\n'));
        }
        return ends.toString();
    }

    private Path keyStore() throws Exception {
        Path store = folder.resolve("keys.p12");
        Process keytool = new ProcessBuilder(
                        Path.of(System.getProperty("java.home"), "bin", "keytool")
                                .toString(),
                        "-genkeypair",
                        "-keyalg",
                        "EC",
                        "-dname",
                        "CN=localhost",
                        "-keystore",
                        store.toString(),
                        "-storepass",
                        "secret")
                .redirectErrorStream(true)
                .start();
        String output = new String(keytool.getInputStream().readAllBytes());
        if (keytool.waitFor() != 0) {
            throw new IllegalStateException("keytool: " + output);
        }
        return store;
    }

    /**
     * Returns ports outside the ephemeral range: a client's connection could take one before the node listens on it.
     */
    private static List<Integer> freePorts(int count) {
        int first = 21_000 + new Random().nextInt(6_000);
        return IntStream.range(first, 29_000)
                .filter(TestCluster::isFree)
                .limit(count)
                .boxed()
                .toList();
    }
}
