import static org.junit.jupiter.api.Assertions.*;

import com.sun.net.httpserver.HttpServer;
import java.io.File;
import java.net.InetSocketAddress;
import java.nio.file.*;
import java.util.*;
import java.util.concurrent.*;
import org.junit.jupiter.api.*;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Which Docker engine kill-node speaks to, and what it says when it cannot: without an engine. */
@Order(30)
class DockerEndpointTest {
    @TempDir Path home;

    private record Ended(int code, String said) { }

    /** kill-node in a JVM of its own, with nothing of the user's Docker settings. */
    private Ended killNode(Map<String, String> environment, String... options) throws Exception {
        List<String> command = new ArrayList<>(List.of(Path.of(System.getProperty("java.home"), "bin", "java").toString(), "-XX:TieredStopAtLevel=1", "-Duser.home=" + home,
                "-cp", System.getProperty("java.class.path"), "KillNode", "1", "--dry-run", "--data-dir", home.resolve("cluster").toString()));
        command.addAll(List.of(options));
        File out = home.resolve("out").toFile();
        ProcessBuilder builder = new ProcessBuilder(command).redirectErrorStream(true).redirectOutput(out);
        builder.environment().keySet().removeIf(k -> k.startsWith("DOCKER_"));
        builder.environment().putAll(environment);
        Process process = builder.start();
        try { assertTrue(process.waitFor(60, TimeUnit.SECONDS)); } finally { process.destroyForcibly(); }
        return new Ended(process.exitValue(), Files.readString(out.toPath()).strip());
    }

    @ParameterizedTest @CsvSource(delimiter = '|', value = {
            "DOCKER_HOST | unix:///nowhere/docker.sock | 10 | No Docker engine at unix:///nowhere/docker.sock (No such file",
            "DOCKER_HOST | tcp://127.0.0.1:1 | 10 | No Docker engine answers at tcp://127.0.0.1:1 (",
            "DOCKER_HOST | ssh://me@there | 2 | Docker over ssh is not supported: forward the socket (ssh -NL /tmp/docker.sock:/var/run/docker.sock me@there)",
            "DOCKER_HOST | nonsense | 2 | 'nonsense' is not a Docker engine's address",
            "DOCKER_CONTEXT | elsewhere | 2 | There is no Docker context 'elsewhere'"})
    void anEngineThatIsNotThereIsOneSentence(String variable, String value, int code, String sentence) throws Exception {
        Ended run = killNode(Map.of(variable, value), "--runtime", "docker");
        assertEquals(code, run.code, run.said);
        assertTrue(run.said.startsWith(sentence) && run.said.lines().count() == 1, run.said);
    }

    @Test void withoutClusterAndEngineBothWaysAreNamed() throws Exception {
        Ended run = killNode(Map.of("DOCKER_HOST", "unix:///nowhere/docker.sock"));
        assertEquals(10, run.code, run.said);
        assertTrue(run.said.contains("cluster up") && run.said.contains("--runtime docker says why") && run.said.contains("--kill-command"), run.said);
        assertEquals(1, run.said.lines().count(), run.said);
    }

    /** Paths without a version are understood by nearly all engines; one that wants a version gets its own, or the newest known here. */
    @ParameterizedTest @CsvSource({"1.41,1.41", "1.52,1.44"}) void anEngineThatWantsAVersionGetsOne(String theirs, String expected) throws Exception {
        List<String> asked = new CopyOnWriteArrayList<>();
        HttpServer engine = HttpServer.create(new InetSocketAddress("127.0.0.1", 0), 0);
        engine.createContext("/", exchange -> {
            String path = exchange.getRequestURI().getPath();
            asked.add(path);
            boolean version = path.endsWith("/version"), versioned = path.startsWith("/v" + expected + "/");
            byte[] answer = (version ? "{\"ApiVersion\":\"" + theirs + "\"}" : versioned ? "[]" : "{\"message\":\"say which version\"}").getBytes();
            exchange.getResponseHeaders().add("Content-Type", "application/json");
            exchange.sendResponseHeaders(version || versioned ? 200 : 400, answer.length);
            exchange.getResponseBody().write(answer);
            exchange.close();
        });
        engine.start();
        try {
            Ended run = killNode(Map.of("DOCKER_HOST", "tcp://127.0.0.1:" + engine.getAddress().getPort()), "--runtime", "docker");
            assertEquals(10, run.code, run.said);
            assertTrue(run.said.startsWith("No containers of the lab"), run.said);
            assertEquals(List.of("/containers/json", "/version", "/v" + expected + "/containers/json"), asked);
        } finally { engine.stop(0); }
    }
}
