import static org.junit.jupiter.api.Assertions.*;

import java.io.*;
import java.nio.file.*;
import java.time.Duration;
import java.util.*;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import org.opentest4j.TestAbortedException;

/**
 * The compose cluster that the tests on a Docker engine share. It starts when the first test asks for it to be {@link #up()}, is mended
 * by the same call, and ends, data included, when a test asks for the embedded cluster, whose ports it has, or with the JVM.
 *
 * <p>The tests use the compose file as it is, under its own project name. So where a kraft-lab of the user's is on the engine, running or
 * stopped or only its data, they are skipped and touch nothing. They neither start an engine nor make an image: that is tests/engine's.
 */
class TestEngine {
    static final Path COMPOSE = ContractTest.REPO.resolve("compose/compose.yaml");
    static final String PROJECT = "com.docker.compose.project=kraft-lab", IMAGE = "apache/kafka:" + Cluster.KAFKA;
    private static boolean ours;
    private static volatile boolean ending;
    private static String unusable;

    /** Aborts the test where no engine can run the compose cluster, or one is there that the tests did not start. */
    static synchronized void requireEngine() throws Exception {
        if (ours) return;
        AllTests.needs("Docker");
        awaitImage();
        if (unusable == null) unusable = whyUnusable();
        if (!unusable.isEmpty()) throw new TestAbortedException(unusable);
        String theirs = (docker("ps", "-aq", "--filter", "label=" + PROJECT).out()
                        + docker("volume", "ls", "-q", "--filter", "label=" + PROJECT)
                                .out()
                        + docker("ps", "-aq", "--filter", "name=^/(kafka0[123]|kafka-ui|kouncil)$")
                                .out())
                .replace('\n', ' ')
                .trim();
        if (!theirs.isEmpty())
            throw new TestAbortedException(
                    "A kraft-lab that the tests did not start is on the Docker engine, or containers with its names: "
                            + theirs
                            + ": delete it (docker compose -f compose/compose.yaml down -v) and the tests on Docker"
                            + " will run.");
    }

    /** .ci/run has the image made meanwhile. */
    private static void awaitImage() throws Exception {
        String pending = System.getenv("KRAFT_LAB_IMAGE_PENDING");
        if (pending != null)
            TestCluster.await("the image is made", Duration.ofMinutes(6), () -> Files.notExists(Path.of(pending)));
    }

    private static String whyUnusable() {
        TestCluster.Run version;
        try {
            version = docker("version", "--format", "{{.Server.Version}}");
        } catch (UncheckedIOException none) {
            return "There is no docker command on PATH.";
        }
        if (version.code() != 0)
            return "No Docker engine answers (tests/engine start starts one for tests): "
                    + version.err().strip().replace('\n', ' ');
        if (docker("compose", "version").code() != 0)
            return "docker has no compose command: its plugin is not installed.";
        if (docker("image", "inspect", IMAGE).code() != 0)
            return "The Docker engine has no image " + IMAGE
                    + ": pull it (on an engine for tests, tests/engine image makes one).";
        return "";
    }

    /** All three nodes are healthy, with fast timeouts, and every replica is in sync. Aborts the test when there is no engine for it. */
    static void up() throws Exception {
        up("fast");
    }

    static synchronized void up(String timeouts) throws Exception {
        requireEngine();
        if (!ours) TestCluster.down(); // it has the ports
        if (!isUp(timeouts)) mend(timeouts);
        TestCluster.awaitInSync();
    }

    /** Whether all three nodes run, in their network and with these timeouts; then compose up, which takes seconds, is not needed. */
    private static boolean isUp(String timeouts) {
        String format = "{{.State}} {{.Label \"kraft-lab.timeouts\"}} {{.Networks}}",
                wanted = "running " + timeouts + " kraft-lab_default";
        List<String> nodes = docker("ps", "-a", "--filter", "label=" + PROJECT, "--format", format)
                .out()
                .lines()
                .toList();
        return nodes.equals(Collections.nCopies(Cluster.IDS.size(), wanted));
    }

    private static void mend(String timeouts) throws Exception {
        for (String paused : docker("ps", "-q", "--filter", "label=" + PROJECT, "--filter", "status=paused")
                .out()
                .lines()
                .toList()) docker("unpause", paused);
        for (String id : docker("ps", "-aq", "--filter", "label=" + PROJECT)
                .out()
                .lines()
                .toList()) {
            String[] of = inspect(
                            id,
                            "{{index .Config.Labels \"com.docker.compose.service\"}} {{.HostConfig.NetworkMode}} {{len"
                                    + " .NetworkSettings.Networks}}")
                    .split(" ");
            if (of[2].equals("0"))
                docker(
                        "network", "connect", "--alias", of[0], of[1],
                        id); // compose does not mind a node that is cut off
        }
        TestCluster.Run up = tryUp(Map.of("KRAFT_LAB_TIMEOUTS", timeouts));
        assertEquals(
                0,
                up.code(),
                () -> up + "\n" + docker("logs", "--tail", "20", "kafka01")
                        + docker("logs", "--tail", "20", "kafka02"));
    }

    /** docker compose up, whatever comes of it: what it made is deleted in the end. */
    static synchronized TestCluster.Run tryUp(Map<String, String> environment) throws Exception {
        requireEngine();
        ours = true;
        return run(
                environment,
                "docker",
                "compose",
                "-f",
                COMPOSE.toString(),
                "up",
                "-d",
                "-t",
                "2",
                "--wait",
                "--wait-timeout",
                "100");
    }

    /** For what starts and ends the compose cluster by itself: whatever is left of it in the end is deleted. */
    static void owned(org.junit.jupiter.api.function.Executable body) throws Exception {
        down();
        requireEngine();
        ours = true;
        try {
            body.execute();
        } catch (Exception | Error e) {
            throw e;
        } catch (Throwable e) {
            throw new Exception(e);
        } finally {
            down();
        }
    }

    /** The cluster and its data are gone, if the tests started it. Without a grace: the last nodes would wait for a quorum to leave. */
    static synchronized void down() {
        if (!ours) return;
        TestCluster.Run down = compose("--profile", "ui", "down", "-v", "-t", "0");
        assertEquals(0, down.code(), down.toString());
        ours = false;
    }

    /** With the JVM. Commands of a test that still runs have been ended before, and no new one starts. */
    static void end() {
        ending = true;
        down();
    }

    /** docker compose on the compose file. */
    static TestCluster.Run compose(String... args) {
        return docker(Stream.concat(Stream.of("compose", "-f", COMPOSE.toString()), Stream.of(args))
                .toArray(String[]::new));
    }

    static TestCluster.Run docker(String... args) {
        return run(Map.of(), Stream.concat(Stream.of("docker"), Stream.of(args)).toArray(String[]::new));
    }

    /** One field of a container, network or image, in Go's template language. */
    static String inspect(String what, String format) {
        TestCluster.Run inspect = docker("inspect", "--format", format, what);
        assertEquals(0, inspect.code(), inspect.toString());
        return inspect.out().strip();
    }

    /** Runs a command to its end, within three minutes. KRAFT_LAB_TIMEOUTS, CLUSTER_ID and LAB_HOST are what is given here, not the user's. */
    static TestCluster.Run run(Map<String, String> environment, String... command) {
        if (ending && !List.of(command).contains("down")) throw new TestAbortedException("The tests are being ended.");
        try {
            Path out = Files.createTempFile(TestCluster.HOME, "docker", ".out"),
                    err = Files.createTempFile(TestCluster.HOME, "docker", ".err");
            ProcessBuilder builder = new ProcessBuilder(command)
                    .redirectInput(new File("/dev/null"))
                    .redirectOutput(out.toFile())
                    .redirectError(err.toFile());
            builder.environment()
                    .keySet()
                    .removeAll(List.of(
                            "KRAFT_LAB_TIMEOUTS",
                            "CLUSTER_ID",
                            "LAB_HOST",
                            "COMPOSE_PROFILES",
                            "COMPOSE_PROJECT_NAME",
                            "COMPOSE_FILE"));
            builder.environment().putAll(environment);
            Process process = builder.start();
            try {
                if (!process.waitFor(3, TimeUnit.MINUTES))
                    fail("Still running after 3 minutes: " + String.join(" ", command) + "\n" + Files.readString(err));
                return new TestCluster.Run(process.exitValue(), Files.readString(out), Files.readString(err));
            } finally {
                process.destroyForcibly();
                Files.deleteIfExists(out);
                Files.deleteIfExists(err);
            }
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        } catch (InterruptedException e) {
            throw new TestAbortedException("Interrupted.", e);
        }
    }
}
