import static org.junit.jupiter.api.Assertions.*;

import java.io.*;
import java.net.*;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.*;
import java.util.*;
import java.util.concurrent.locks.LockSupport;
import java.util.stream.*;
import org.junit.jupiter.api.*;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * Proves that an endpoint that cannot be used is reported as such, with the reason, and never as a lost quorum; and
 * that client properties are read as Java reads them, and named when they are wrong.
 */
class ReachTest {
    /** Kinds of ports, and what is reported about each. */
    enum Kind {
        TLS("wants TLS (security.protocol=SSL"),
        SASL("wants a login (security.protocol=SASL_PLAINTEXT"),
        CONTROLLER("is a controller's port"),
        STRANGE("is not Kafka"),
        LOST("advertises nowhere.invalid:9092, which does not resolve here"),
        REFUSING("advertises localhost:1, which cannot be reached from here"),
        MUTE("does not answer");

        final String reason;

        Kind(String reason) {
            this.reason = reason;
        }
    }

    /** Answers as a port of the given kind does. */
    static class Planted implements AutoCloseable {
        final ServerSocket server = new ServerSocket(0, 50, InetAddress.getByName("localhost"));
        final Kind kind;
        final String advertised;
        /** How long a SASL listener waits before it closes the connection, as brokers do to slow down guessing. */
        volatile long hangUpAfterMs;

        Planted(Kind kind) throws IOException {
            this(kind, "nowhere.invalid");
        }

        Planted(Kind kind, String advertised) throws IOException {
            this.kind = kind;
            this.advertised = advertised;
            Thread accepting = new Thread(this::accept, "planted");
            accepting.setDaemon(true);
            accepting.start();
        }

        String address() {
            return "localhost:" + server.getLocalPort();
        }

        private void accept() {
            while (!server.isClosed()) {
                try {
                    Socket socket = server.accept();
                    Thread serving = new Thread(() -> serve(socket), "planted");
                    serving.setDaemon(true);
                    serving.start();
                } catch (IOException closed) {
                    return;
                }
            }
        }

        private void serve(Socket socket) {
            try (socket) {
                DataInputStream in = new DataInputStream(socket.getInputStream());
                for (byte[] answer = answer(in); answer != null; answer = answer(in))
                    socket.getOutputStream().write(answer);
            } catch (IOException gone) {
                /* the script has seen enough */
            }
        }

        /** Returns the answer, or null to close the connection. */
        private byte[] answer(DataInputStream in) throws IOException {
            byte[] request = new byte[in.readInt()];
            in.readFully(request);
            int api = request[1];
            return switch (kind) {
                case TLS -> new byte[] {0x15, 3, 3, 0, 2, 2, 80};
                case STRANGE -> "HTTP/1.1 400 Bad Request\r\n\r\n".getBytes(StandardCharsets.US_ASCII);
                case CONTROLLER -> api == 18 ? versions(1, 17, 18, 52, 55) : null;
                case SASL -> api == 18 ? versions(0, 1, 3, 17, 18) : hangUp();
                case LOST -> api == 18 ? versions(0, 1, 3, 17, 18) : brokers(advertised, 9092);
                case REFUSING -> api == 18 ? versions(0, 1, 3, 17, 18) : brokers("localhost", 1);
                case MUTE -> answer(in);
            };
        }

        private byte[] hangUp() {
            LockSupport.parkNanos(hangUpAfterMs * 1_000_000);
            return null;
        }

        private static byte[] versions(int... apis) {
            ByteBuffer answer = ByteBuffer.allocate(14 + 6 * apis.length)
                    .putInt(10 + 6 * apis.length)
                    .putInt(1)
                    .putShort((short) 0)
                    .putInt(apis.length);
            for (int api : apis)
                answer.putShort((short) api).putShort((short) 0).putShort((short) 4);
            return answer.array();
        }

        /** Returns metadata, version 1, of two brokers, one of them in a rack. */
        private static byte[] brokers(String name, int port) {
            byte[] host = name.getBytes(StandardCharsets.UTF_8);
            ByteBuffer answer = ByteBuffer.allocate(46 + 2 * host.length)
                    .putInt(42 + 2 * host.length)
                    .putInt(2)
                    .putInt(2);
            answer.putInt(7)
                    .putShort((short) host.length)
                    .put(host)
                    .putInt(port)
                    .putShort((short) 2)
                    .put((byte) 'r')
                    .put((byte) '1');
            answer.putInt(8)
                    .putShort((short) host.length)
                    .put(host)
                    .putInt(port)
                    .putShort((short) -1);
            return answer.putInt(7).putInt(0).array();
        }

        @Override
        public void close() throws IOException {
            server.close();
        }
    }

    /** Scripts that break or list nodes ask the cluster for them when commands are given. */
    private static final Set<String> HOOKED = Set.of("kill-node", "start-node", "nodes");

    private static final String[] HOOKS = {"--kill-command", "false", "--start-command", "false"};

    static List<ContractTest.Alias> asking() throws Exception {
        return ContractTest.scripts().stream()
                .filter(a -> !ContractTest.MAKE_THE_CLUSTER.containsKey(a.name()))
                .toList();
    }

    @ParameterizedTest(name = "{0}")
    @MethodSource("asking")
    void whatCannotBeTalkedToIsExit10WithTheReason(ContractTest.Alias script, @TempDir Path folder) throws Exception {
        for (Kind kind : List.of(Kind.TLS, Kind.SASL, Kind.CONTROLLER, Kind.STRANGE, Kind.LOST))
            try (Planted port = new Planted(kind)) {
                // find-controller can ask a controller.
                if (kind == Kind.CONTROLLER && script.name().equals("find-controller")) continue;
                long began = System.nanoTime();
                ContractTest.Ended e = ContractTest.ask(
                                script, folder, port.address(), HOOKED.contains(script.name()) ? HOOKS : new String[0])
                        .without("Runtime: hooks\n");
                double seconds = (System.nanoTime() - began) / 1e9;
                assertEquals(10, e.code(), kind + ": " + e.err());
                assertTrue(
                        e.saysOneLine()
                                && e.err().contains(kind.reason)
                                && e.err().contains(port.address()),
                        kind + ": " + e.err());
                assertFalse(e.err().contains("quorum lost") || e.err().contains("Exception"), kind + ": " + e.err());
                assertEquals("", e.out(), "on stdout");
                assertTrue(seconds < 5, kind + " took " + seconds + " s");
            }
    }

    @Test
    void silenceIsLookedIntoBeforeItIsCalledALostQuorum() throws Exception {
        for (Kind kind : Kind.values())
            try (Planted port = new Planted(kind)) {
                FindController.Common common = configured("-b", port.address(), "--timeout", "4s");
                FindController.Exit exit = assertThrows(FindController.Exit.class, common::requireReachable);
                assertEquals(10, exit.code);
                assertTrue(exit.getMessage().contains(kind.reason), exit.getMessage());
            }
    }

    @Test
    void aListenerThatHangsUpLateIsNotTakenForOneWithoutALogin() throws Exception {
        try (Planted login = new Planted(Kind.SASL)) {
            login.hangUpAfterMs = 2_500;
            Path sasl = Files.writeString(
                    Files.createTempFile("kraft-lab", ".properties"), "security.protocol=SASL_PLAINTEXT");
            FindController.Common common =
                    configured("-b", login.address(), "--timeout", "4s", "--command-config", sasl.toString());
            assertEquals(login.address(), common.usable());
            Files.delete(sasl);
        }
    }

    @Test
    void aHostThatDoesNotExistIsNamed() {
        FindController.Exit exit = assertThrows(
                FindController.Exit.class,
                () -> configured("-b", "nowhere.invalid:9092", "--timeout", "4s")
                        .usable());
        assertEquals(
                "10 No cluster at nowhere.invalid:9092: no such host",
                exit.code + " " + exit.getMessage().split(";")[0]);
    }

    @Test
    void whatABrokerAdvertisesIsRead() throws Exception {
        try (Planted port = new Planted(Kind.LOST)) {
            Map<String, String> addresses = configured("-b", port.address()).addresses();
            assertEquals(
                    Map.of(
                            "the broker there advertises nowhere.invalid:9092, which does not resolve here"
                                    + " (advertised.listeners)",
                            port.address()),
                    addresses);
        }
    }

    /** Its brokers may be slow, or just not listed: a client tries them, and only when that fails it is said. */
    @Test
    void anAdvertisedAddressIsNotJudgedBeforeAClientHasTried() throws Exception {
        try (Planted port = new Planted(Kind.REFUSING)) {
            assertEquals(port.address(), configured("-b", port.address()).usable());
            FindController.Exit exit = assertThrows(
                    FindController.Exit.class,
                    () -> configured("-b", port.address()).requireReachable());
            assertTrue(exit.getMessage().contains(Kind.REFUSING.reason), exit.getMessage());
        }
    }

    @Test
    void aPortOutOfRangeIsWrongUsage() {
        TestCluster.Run run = TestCluster.run(FindController::run, "-b", "localhost:99999");
        assertEquals(2, run.code(), run.toString());
        assertTrue(run.err().contains("'localhost:99999' in --bootstrap-server is not HOST:PORT."), run.err());
    }

    @Test
    void oneAddressThatCanBeTalkedToIsEnough() throws Exception {
        try (Planted tls = new Planted(Kind.TLS);
                Planted login = new Planted(Kind.SASL)) {
            assertThrows(
                    FindController.Exit.class,
                    () -> configured("-b", tls.address() + "," + login.address())
                            .usable());
            Path sasl = Files.writeString(
                    Files.createTempFile("kraft-lab", ".properties"), "security.protocol=SASL_PLAINTEXT");
            FindController.Common common =
                    configured("-b", tls.address() + "," + login.address(), "--command-config", sasl.toString());
            assertEquals(login.address(), common.usable());
            common.requireReachable();
            Files.writeString(sasl, "security.protocol=SSL");
            common = configured("-b", tls.address() + "," + login.address(), "--command-config", sasl.toString());
            assertEquals(tls.address(), common.usable());
            Files.delete(sasl);
        }
    }

    /** The properties ask for more than the port offers. */
    @Test
    void aPortWithoutTlsOrLoginIsNamedToo(@TempDir Path folder) throws Exception {
        for (String protocol : List.of("SSL", "SASL_SSL", "SASL_PLAINTEXT"))
            try (Planted port = new Planted(Kind.REFUSING)) {
                Path file = Files.writeString(folder.resolve("client.properties"), "security.protocol=" + protocol);
                FindController.Exit exit = assertThrows(
                        FindController.Exit.class,
                        () -> configured("-b", port.address(), "--command-config", file.toString())
                                .usable());
                assertTrue(
                        exit.getMessage().contains(protocol.endsWith("SSL") ? "speaks no TLS" : "takes no login")
                                && exit.getMessage().contains(protocol),
                        exit.getMessage());
            }
    }

    /** find-controller can use a controller's port. */
    @Test
    void findControllerAsksAController() throws Exception {
        try (Planted port = new Planted(Kind.CONTROLLER)) {
            FindController.Common common = configured("-b", port.address());
            common.controllersAnswer = true;
            assertEquals(port.address(), common.usable());
            common.requireReachable();
        }
    }

    // ---- Client properties ----

    @Test
    void propertiesAreReadAsJavaReadsThem(@TempDir Path folder) throws Exception {
        Path file = Files.write(
                folder.resolve("latin1.properties"),
                "# gr\u00fc\u00dfe\nssl.key.password=stra\u00dfe\nclient.id=\\u00e4\n"
                        .getBytes(StandardCharsets.ISO_8859_1));
        Properties read = configured("--command-config", file.toString()).client();
        assertEquals("stra\u00dfe", read.getProperty("ssl.key.password"));
        assertEquals("\u00e4", read.getProperty("client.id"));
    }

    @Test
    void aFileThatCannotBeReadSaysWhy(@TempDir Path folder) throws Exception {
        Path escape = Files.writeString(folder.resolve("escape.properties"), "a=\\u00zz");
        Path closed = Files.writeString(folder.resolve("closed.properties"), "a=b");
        assertTrue(closed.toFile().setReadable(false));
        Map<Path, String> cases = new LinkedHashMap<>(
                Map.of(folder.resolve("none"), "no such file", folder, "directory", escape, "encoding"));
        if (!Files.isReadable(closed)) cases.put(closed, "access denied"); // root may read everything
        cases.forEach((file, why) -> {
            TestCluster.Run e = TestCluster.run(FindController::run, "--command-config", file.toString());
            assertEquals(2, e.code(), e.err());
            assertTrue(
                    e.err().startsWith("Cannot read --command-config " + file)
                            && e.err().contains(why)
                            && e.err().lines().count() == 1,
                    e.err());
        });
    }

    @Test
    void aPropertyThatCannotBeUsedIsNamed(@TempDir Path folder) throws Exception {
        String login = "security.protocol=SASL_PLAINTEXT\nsasl.mechanism=PLAIN\n";
        Map<String, String> cases = new LinkedHashMap<>();
        cases.put(
                "ssl.truststore.location",
                "security.protocol=SSL\nssl.truststore.location=" + folder + "/none.jks\nssl.truststore.password=x");
        cases.put(
                "ssl.keystore.location",
                "security.protocol=SSL\nssl.keystore.location=" + folder + "\nssl.keystore.password=x");
        cases.put(
                "sasl.client.callback.handler.class",
                login
                        + "sasl.jaas.config=org.apache.kafka.common.security.plain.PlainLoginModule required;\n"
                        + "sasl.client.callback.handler.class=no.such.Handler");
        cases.put(
                "sasl.jaas.config",
                login + "sasl.jaas.config=PlainLoginModule required username=\"a\" password=\"hunter2\"");
        cases.put("sasl.jaas.config*", login + "sasl.jaas.config=no.such.LoginModule required password=\"hunter2\";");
        cases.put("metric.reporters", "metric.reporters=no.such.Reporter");
        cases.put("security.protocol", "security.protocol=TLS");
        cases.put("request.timeout.ms", "retry.backoff.ms=100\nrequest.timeout.ms=soon");
        cases.put("metrics.num.samples", "retries=2\nsend.buffer.bytes=-1\nmetrics.num.samples=2x");
        try (Planted port = new Planted(Kind.MUTE)) { // before which nothing can be said against the properties
            for (var wrong : cases.entrySet()) {
                String name = wrong.getKey().replace("*", "");
                Path file = Files.writeString(folder.resolve("client.properties"), wrong.getValue());
                TestCluster.Run e = TestCluster.run(
                        FindController::run,
                        "-b",
                        port.address(),
                        "--timeout",
                        "1s",
                        "--command-config",
                        file.toString());
                assertEquals(2, e.code(), name + ": " + e.err());
                assertTrue(
                        e.err().contains(name)
                                && !e.err().contains("retries")
                                && e.err().lines().count() == 1
                                && !e.err().contains("hunter2"),
                        name + ": " + e.err());
            }
        }
    }

    private static FindController.Common configured(String... args) {
        FindController script = new FindController();
        script.common.configure(script, TestCluster.quiet(), TestCluster.quiet(), args);
        return script.common;
    }
}
