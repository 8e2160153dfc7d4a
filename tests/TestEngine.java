import static org.junit.jupiter.api.Assertions.*;

import java.io.*;
import java.nio.file.*;
import java.time.Duration;
import java.util.*;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import org.opentest4j.TestAbortedException;

/**
 * The compose cluster that the tests on a Docker engine share. It starts when the first test calls {@link #up()}, and
 * is repaired by the same call. It ends, data included, with the JVM or when a test needs the embedded cluster, which
 * has the same ports.
 *
 * <p>The tests use the compose file as it is, under its own project name. If a user's own kraft-lab is on the engine,
 * even stopped or only its data, they are skipped and touch nothing. They neither start an engine nor build an image:
 * tests/engine does that.
 */
class TestEngine {
    static final Path COMPOSE = ContractTest.REPO.resolve("compose/compose.yaml");
    static final String PROJECT = "com.docker.compose.project=kraft-lab", IMAGE = "apache/kafka:" + Cluster.KAFKA;
    private static boolean ours;
    private static volatile boolean ending;
    private static String unusable;

    /**
     * Aborts the test if no engine can run the compose cluster, or if a cluster exists that the tests did not start.
     */
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

    /** Waits for the image, which .ci/run builds in the background. */
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

    /**
     * Waits until all three nodes are healthy, with fast timeouts, and every replica is in sync. Aborts the test if no
     * engine can run them.
     */
    static void up() throws Exception {
        up("fast");
    }

    static synchronized void up(String timeouts) throws Exception {
        requireEngine();
        if (!ours) TestCluster.down(); // it uses the same ports
        if (!isUp(timeouts)) mend(timeouts);
        TestCluster.awaitInSync();
    }

    /**
     * Returns whether all three nodes run, in their network and with these timeouts. If so, there is no need for
     * compose up, which takes seconds.
     */
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
                docker("network", "connect", "--alias", of[0], of[1], id); // compose accepts a node that is cut off
        }
        TestCluster.Run up = tryUp(Map.of("KRAFT_LAB_TIMEOUTS", timeouts));
        assertEquals(
                0,
                up.code(),
                () -> up + "\n" + docker("logs", "--tail", "20", "kafka01")
                        + docker("logs", "--tail", "20", "kafka02"));
    }

    /** Runs docker compose up. Even if it fails, what it created is deleted at the end. */
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

    /** Runs a test that starts and ends the compose cluster by itself; what is left of it is deleted at the end. */
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

    /**
     * Deletes the cluster and its data, if the tests started it. There is no grace period: the last nodes would wait
     * for a quorum to leave.
     */
    static synchronized void down() {
        if (!ours) return;
        TestCluster.Run down = compose("--profile", "ui", "down", "-v", "-t", "0");
        assertEquals(0, down.code(), down.toString());
        ours = false;
    }

    /** Runs as the JVM ends. Commands of a test that still runs have been ended before, and no new one starts. */
    static void end() {
        ending = true;
        down();
    }

    /** Runs docker compose on the compose file. */
    static TestCluster.Run compose(String... args) {
        return docker(Stream.concat(Stream.of("compose", "-f", COMPOSE.toString()), Stream.of(args))
                .toArray(String[]::new));
    }

    static TestCluster.Run docker(String... args) {
        return run(Map.of(), Stream.concat(Stream.of("docker"), Stream.of(args)).toArray(String[]::new));
    }

    /** Returns one field of a container, network or image, in Go's template language. */
    static String inspect(String what, String format) {
        TestCluster.Run inspect = docker("inspect", "--format", format, what);
        assertEquals(0, inspect.code(), inspect.toString());
        return inspect.out().strip();
    }

    /**
     * Runs a command to its end, for at most three minutes. KRAFT_LAB_TIMEOUTS, CLUSTER_ID and LAB_HOST are those given
     * here, not the user's.
     */
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
