import static org.junit.jupiter.api.Assertions.*;

import java.io.*;
import java.nio.file.*;
import java.util.*;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.*;
import org.junit.jupiter.api.io.TempDir;

/**
 * Runs tests/engine without an engine, or with one that it does not own: it prints one sentence and changes nothing.
 * The docker command is a stub that records its arguments.
 */
@Tag("docker")
class EngineTest {
    @TempDir
    Path folder;

    private TestCluster.Run engine(Map<String, String> environment, String... args) throws Exception {
        List<String> command = new ArrayList<>(
                List.of("bash", ContractTest.REPO.resolve("tests/engine").toString()));
        command.addAll(List.of(args));
        Path out = folder.resolve("out"), err = folder.resolve("err");
        ProcessBuilder builder = new ProcessBuilder(command)
                .redirectInput(new File("/dev/null"))
                .redirectOutput(out.toFile())
                .redirectError(err.toFile());
        builder.environment().keySet().removeAll(List.of("DOCKER_HOST", "CI"));
        builder.environment().put("PATH", folder.resolve("bin") + File.pathSeparator + System.getenv("PATH"));
        builder.environment()
                .put("TMPDIR", Files.createDirectories(folder.resolve("tmp")).toString());
        builder.environment().putAll(environment);
        Process process = builder.start();
        try {
            assertTrue(process.waitFor(60, TimeUnit.SECONDS), "does not end");
        } finally {
            process.destroyForcibly();
        }
        return new TestCluster.Run(process.exitValue(), Files.readString(out), Files.readString(err));
    }

    /** Puts a command of that name first on the PATH, which records its arguments. */
    private void command(String name, String script) throws Exception {
        Path file = Files.createDirectories(folder.resolve("bin")).resolve(name);
        Files.writeString(
                file, "#!/bin/sh\necho \"" + name + " $*\" >> '" + folder.resolve("calls") + "'\n" + script + "\n");
        assertTrue(file.toFile().setExecutable(true));
    }

    private List<String> calls() throws Exception {
        return Files.exists(folder.resolve("calls")) ? Files.readAllLines(folder.resolve("calls")) : List.of();
    }

    private void nothingIsLeft() throws Exception {
        try (var files = Files.list(folder.resolve("tmp"))) {
            assertEquals(List.of(), files.toList());
        }
    }

    private static void refuses(TestCluster.Run run, String sentence) {
        assertEquals(1, run.code(), run.toString());
        assertEquals("", run.out());
        assertEquals(1, run.err().lines().count(), run.err());
        assertTrue(run.err().contains(sentence), run.err());
    }

    @Test
    void anEngineThatDoesNotStartIsSaidWithItsReason() throws Exception {
        Assumptions.assumeTrue(
                new ProcessBuilder("id", "-u").start().inputReader().readLine().equals("0"),
                "only root starts an engine");
        command("docker", "exit 1");
        command("dockerd", "echo 'failed to start daemon: no tables'; exit 1");
        refuses(engine(Map.of(), "start"), "dockerd does not start here: failed to start daemon: no tables");
        assertEquals(
                2,
                calls().stream().filter(c -> c.startsWith("dockerd ")).count(),
                "with and without tables: " + calls());
        nothingIsLeft();
    }

    @Test
    void aDeadDockerHostIsNotReplaced() throws Exception {
        command("docker", "exit 1");
        command("dockerd", "exit 1");
        refuses(
                engine(Map.of("DOCKER_HOST", "unix:///nowhere"), "start"),
                "no engine answers at DOCKER_HOST=unix:///nowhere");
        assertTrue(calls().stream().noneMatch(c -> c.startsWith("dockerd")), calls().toString());
        refuses(engine(Map.of("DOCKER_HOST", "unix:///nowhere"), "image"), "no engine answers at unix:///nowhere");
        nothingIsLeft();
    }

    @Test
    void anEngineThatAnswersIsUsedButGetsNoImageOfOursAndIsNotStopped() throws Exception {
        command(
                "docker",
                "case \"$1 $2\" in 'version '*) ;; 'context inspect') echo unix:///theirs ;; *) exit 1 ;; esac");
        command("dockerd", "exit 1");
        TestCluster.Run start = engine(Map.of(), "start");
        assertEquals(0, start.code(), start.toString());
        assertEquals("DOCKER_HOST=unix:///theirs\n", start.out());
        refuses(
                engine(Map.of("DOCKER_HOST", "unix:///theirs"), "image"),
                "pull the real one (docker pull " + TestEngine.IMAGE + ")");
        refuses(engine(Map.of("DOCKER_HOST", "unix:///theirs"), "stop"), "it is left alone");
        assertTrue(
                calls().stream()
                        .noneMatch(c ->
                                c.startsWith("dockerd") || c.matches("docker (import|rm|kill|network|image rm).*")),
                calls().toString());
        nothingIsLeft();
    }

    @Test
    void anImageThatIsThereIsNotMadeAgain() throws Exception {
        command("docker", "");
        TestCluster.Run image = engine(Map.of("CI", "true"), "image");
        assertEquals(0, image.code(), image.toString());
        assertEquals("", image.out(), "what .ci/run would take for made by it, and delete");
        assertTrue(
                calls().contains("docker image inspect " + TestEngine.IMAGE)
                        && calls().stream().noneMatch(c -> c.startsWith("docker import")),
                calls().toString());
    }
}
