import static org.junit.jupiter.api.Assertions.*;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import com.sun.net.httpserver.HttpServer;
import java.io.*;
import java.net.*;
import java.nio.channels.ServerSocketChannel;
import java.nio.file.*;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.*;
import java.util.concurrent.*;
import org.junit.jupiter.api.*;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Checks, without an engine, which Docker endpoint kill-node uses and how it reports one it cannot reach. */
@Order(30)
@Tag("processes")
class DockerEndpointTest {
    @TempDir
    Path home;

    private record Ended(int code, String said) {}

    /** Runs kill-node in its own JVM without the user's Docker settings. */
    private Ended killNode(Map<String, String> environment, String... options) throws Exception {
        return killNode(List.of(), System.getProperty("java.class.path"), environment, options);
    }

    private Ended killNode(List<String> prefix, String classPath, Map<String, String> environment, String... options)
            throws Exception {
        List<String> command = new ArrayList<>(prefix);
        command.addAll(List.of(
                Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                "-XX:TieredStopAtLevel=1",
                "-Duser.home=" + home,
                "-cp",
                classPath,
                "KillNode",
                "1",
                "--dry-run",
                "--data-dir",
                home.resolve("cluster").toString()));
        command.addAll(List.of(options));
        File out = home.resolve("out").toFile();
        ProcessBuilder builder =
                new ProcessBuilder(command).redirectErrorStream(true).redirectOutput(out);
        builder.environment().keySet().removeIf(k -> k.startsWith("DOCKER_"));
        builder.environment().putAll(environment);
        Process process = builder.start();
        try {
            assertTrue(process.waitFor(60, TimeUnit.SECONDS));
        } finally {
            process.destroyForcibly();
        }
        return new Ended(process.exitValue(), Files.readString(out.toPath()).strip());
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "DOCKER_HOST | unix:///nowhere/docker.sock | 10 | No Docker engine at unix:///nowhere/docker.sock (No"
                        + " such file",
                "DOCKER_HOST | tcp://127.0.0.1:1 | 10 | No Docker engine answers at tcp://127.0.0.1:1 (",
                "DOCKER_HOST | ssh://me@there | 2 | Docker over ssh is not supported: forward the socket (ssh -NL"
                        + " /tmp/docker.sock:/var/run/docker.sock me@there)",
                "DOCKER_HOST | nonsense | 2 | 'nonsense' is not a Docker engine's address",
                "DOCKER_HOST | tcp://:2375 | 2 | 'tcp://:2375' is not a Docker engine's address",
                "DOCKER_HOST | http://127.0.0.1:1 | 2 | 'http://127.0.0.1:1' is not a Docker engine's address",
                "DOCKER_HOST | npipe:////./pipe/docker_engine | 2 | 'npipe:////./pipe/docker_engine' is not a Docker"
                        + " engine's address",
                "DOCKER_CONTEXT | elsewhere | 2 | There is no Docker context 'elsewhere'"
            })
    void anEngineThatIsNotThereIsOneSentence(String variable, String value, int code, String sentence)
            throws Exception {
        Ended run = killNode(Map.of(variable, value), "--runtime", "docker");
        assertEquals(code, run.code, run.said);
        assertTrue(run.said.startsWith(sentence) && run.said.lines().count() == 1, run.said);
    }

    /** A context chosen with {@code docker context use} is looked up as docker does. */
    @Test
    void aContextInTheSettingsThatIsNotThereIsNotReplacedByTheDefault() throws Exception {
        Files.writeString(
                Files.createDirectories(home.resolve(".docker")).resolve("config.json"),
                "{\"currentContext\":\"gone\"}");
        Ended run = killNode(Map.of(), "--runtime", "docker");
        assertEquals(2, run.code, run.said);
        assertTrue(
                run.said.startsWith("There is no Docker context 'gone': ")
                        && run.said.lines().count() == 1,
                run.said);
    }

    /** A hung daemon still accepts connections but never answers. */
    @Tag("timed")
    @ParameterizedTest
    @CsvSource({"unix", "tcp"})
    void anEngineThatHangsIsGivenUp(String scheme) throws Exception {
        boolean unix = scheme.equals("unix");
        Path file = home.resolve("docker.sock");
        try (ServerSocketChannel silent =
                unix ? ServerSocketChannel.open(StandardProtocolFamily.UNIX) : ServerSocketChannel.open()) {
            silent.bind(unix ? UnixDomainSocketAddress.of(file) : new InetSocketAddress("127.0.0.1", 0));
            String host = unix
                    ? "unix://" + file
                    : "tcp://127.0.0.1:" + ((InetSocketAddress) silent.getLocalAddress()).getPort();
            long began = System.nanoTime();
            Ended run = killNode(Map.of("DOCKER_HOST", host), "--runtime", "docker", "--timeout", "1500ms");
            assertEquals(10, run.code, run.said);
            assertEquals(
                    "The Docker engine at " + host
                            + " accepts and does not answer within 1500 ms: restart it, or name another by"
                            + " DOCKER_HOST.",
                    run.said);
            assertTrue(System.nanoTime() - began < 20_000_000_000L, "and soon");
        }
    }

    @Test
    void anEngineThatRefusesIsQuoted() throws Exception {
        HttpServer engine = HttpServer.create(new InetSocketAddress("127.0.0.1", 0), 0);
        engine.createContext("/", exchange -> {
            byte[] answer = "{\"message\":\"the disk is full\"}".getBytes();
            exchange.sendResponseHeaders(500, answer.length);
            exchange.getResponseBody().write(answer);
            exchange.close();
        });
        engine.start();
        try {
            Ended run = killNode(
                    Map.of(
                            "DOCKER_HOST",
                            "tcp://127.0.0.1:" + engine.getAddress().getPort()),
                    "--runtime",
                    "docker");
            assertEquals(10, run.code, run.said);
            assertEquals(
                    "The Docker engine at tcp://127.0.0.1:"
                            + engine.getAddress().getPort() + " refuses: the disk is full.",
                    run.said);
        } finally {
            engine.stop(0);
        }
    }

    /** Runs as a user outside the group docker: root may open any socket, so that root runs it as nobody. */
    @Test
    void aSocketWithoutPermissionIsSaidWithItsFix() throws Exception {
        boolean root =
                new ProcessBuilder("id", "-u").start().inputReader().readLine().equals("0");
        List<String> nobody = root ? List.of("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups") : List.of();
        if (root)
            assumeTrue(
                    new ProcessBuilder("sh", "-c", "setpriv --version > /dev/null 2>&1")
                                    .start()
                                    .waitFor()
                            == 0,
                    "root needs setpriv to run something as nobody");
        Path file = home.resolve("docker.sock"), jars = Files.createDirectory(home.resolve("jars"));
        for (String jar : System.getProperty("java.class.path")
                .split(File.pathSeparator)) // the user nobody cannot read root's folders
        Files.copy(Path.of(jar), jars.resolve(Path.of(jar).getFileName()));
        try (ServerSocketChannel engine = ServerSocketChannel.open(StandardProtocolFamily.UNIX)) {
            engine.bind(UnixDomainSocketAddress.of(file));
            Files.setPosixFilePermissions(file, PosixFilePermissions.fromString("---------"));
            Files.setPosixFilePermissions(home, PosixFilePermissions.fromString("rwxrwxrwx"));
            Ended run = killNode(nobody, jars + "/*", Map.of("DOCKER_HOST", "unix://" + file), "--runtime", "docker");
            assertEquals(10, run.code, run.said);
            assertEquals(
                    "No permission for Docker's socket " + file
                            + ": run 'sudo usermod -aG docker $USER' and log in again.",
                    run.said);
        }
    }

    /**
     * The docker command does not always forward a signal to its plugin, which would go on creating containers in the
     * background.
     */
    @Test
    void anInterruptedLabEndsComposeAndWhatItStarted() throws Exception {
        TestCluster.down(); // frees its ports
        HttpServer engine = engineWithoutContainers();
        Path bin = Files.createDirectory(home.resolve("bin")),
                pid = home.resolve("pid"),
                down = home.resolve("down"),
                out = home.resolve("lab.out");
        Files.writeString(
                bin.resolve("docker"),
                "#!/bin/sh\ncase \"$*\" in\n*' up '*) trap '' TERM; sleep 300 & echo $! > " + pid
                        + "; wait ;;\n*' down '*) case $(ps -o stat= -p $(cat " + pid + ")) in ''|Z*) touch " + down
                        + " ;; esac ;;\nesac\n");
        assertTrue(bin.resolve("docker").toFile().setExecutable(true));
        Process lab = startLab(engine, bin, out);
        try {
            TestCluster.await(
                    "compose up",
                    () -> !lab.isAlive()
                            || Files.exists(pid) && !Files.readString(pid).isBlank());
            assertTrue(lab.isAlive(), Files.readString(out));
            new ProcessBuilder("kill", "-INT", "" + lab.pid()).start().waitFor();
            assertTrue(lab.waitFor(30, TimeUnit.SECONDS), Files.readString(out));
            assertEquals(130, lab.exitValue(), Files.readString(out));
            assertTrue(
                    Files.exists(down),
                    "compose down came when what made containers was gone: " + Files.readString(out));
        } finally {
            lab.destroyForcibly();
            engine.stop(0);
        }
    }

    private static HttpServer engineWithoutContainers() throws IOException {
        HttpServer engine = HttpServer.create(new InetSocketAddress("127.0.0.1", 0), 0);
        engine.createContext("/", exchange -> {
            exchange.getResponseHeaders().add("Content-Type", "application/json");
            exchange.sendResponseHeaders(200, 2);
            exchange.getResponseBody().write("[]".getBytes());
            exchange.close();
        });
        engine.start();
        return engine;
    }

    private Process startLab(HttpServer engine, Path bin, Path out) throws Exception {
        List<String> command = new ArrayList<>(TestCluster.signalled());
        command.addAll(List.of(
                Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                "-Duser.home=" + home,
                "-cp",
                System.getProperty("java.class.path"),
                "Lab",
                "--runtime",
                "docker",
                "--out",
                home.resolve("run").toString()));
        ProcessBuilder builder =
                new ProcessBuilder(command).redirectErrorStream(true).redirectOutput(out.toFile());
        builder.environment()
                .putAll(Map.of(
                        "DOCKER_HOST",
                        "tcp://127.0.0.1:" + engine.getAddress().getPort(),
                        "PATH",
                        bin + File.pathSeparator + System.getenv("PATH"),
                        "KRAFT_LAB_HOME",
                        home.resolve("lab").toString()));
        return builder.start();
    }

    @Test
    void withoutClusterAndEngineBothWaysAreNamed() throws Exception {
        Ended run = killNode(Map.of("DOCKER_HOST", "unix:///nowhere/docker.sock"));
        assertEquals(10, run.code, run.said);
        assertTrue(
                run.said.contains("cluster up")
                        && run.said.contains("--runtime docker says why")
                        && run.said.contains("--kill-command"),
                run.said);
        assertEquals(1, run.said.lines().count(), run.said);
    }

    /**
     * Most engines accept paths without a version; one that requires a version gets its own, or the newest supported
     * here.
     */
    @ParameterizedTest
    @CsvSource({"1.41,1.41", "1.52,1.44"})
    void anEngineThatWantsAVersionGetsOne(String theirs, String expected) throws Exception {
        List<String> asked = new CopyOnWriteArrayList<>();
        HttpServer engine = HttpServer.create(new InetSocketAddress("127.0.0.1", 0), 0);
        engine.createContext("/", exchange -> {
            String path = exchange.getRequestURI().getPath();
            asked.add(path);
            boolean version = path.endsWith("/version"), versioned = path.startsWith("/v" + expected + "/");
            String answerToVersion = "{\"ApiVersion\":\"" + theirs + "\"}";
            String answerToList = versioned ? "[]" : "{\"message\":\"say which version\"}";
            byte[] answer = (version ? answerToVersion : answerToList).getBytes();
            exchange.getResponseHeaders().add("Content-Type", "application/json");
            exchange.sendResponseHeaders(version || versioned ? 200 : 400, answer.length);
            exchange.getResponseBody().write(answer);
            exchange.close();
        });
        engine.start();
        try {
            Ended run = killNode(
                    Map.of(
                            "DOCKER_HOST",
                            "tcp://127.0.0.1:" + engine.getAddress().getPort()),
                    "--runtime",
                    "docker");
            assertEquals(10, run.code, run.said);
            assertTrue(run.said.startsWith("No containers of the lab"), run.said);
            assertEquals(List.of("/containers/json", "/version", "/v" + expected + "/containers/json"), asked);
        } finally {
            engine.stop(0);
        }
    }
}
