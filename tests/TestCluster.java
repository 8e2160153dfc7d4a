import static org.junit.jupiter.api.Assertions.*;

import com.fasterxml.jackson.jr.ob.JSON;
import java.io.*;
import java.net.*;
import java.nio.channels.*;
import java.nio.file.*;
import java.time.Duration;
import java.util.*;
import java.util.concurrent.Callable;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import org.apache.kafka.clients.admin.*;
import org.opentest4j.TestAbortedException;

/**
 * The embedded cluster that the integration tests share, in a folder that a test run creates and deletes; and helpers
 * around it: run scripts in this JVM or in a child, wait for conditions, read events.
 *
 * <p>The cluster starts when the first test calls {@link #healthy()}, is repaired by the same call, and ends with the
 * JVM.
 */
class TestCluster {
    private static final String MARK = "-Dkraft-lab.node=";
    static final Duration PATIENCE = Duration.ofSeconds(120);
    private static volatile boolean ending;
    private static boolean ours;
    private static int children;

    /** Used as KRAFT_LAB_HOME: the shared cluster is in its cluster/; cache/ is the user's, with the CDS archive. */
    static final Path HOME = home();

    static final String DATA = HOME.resolve("cluster").toString();

    private static Path home() {
        System.setProperty("org.slf4j.simpleLogger.defaultLogLevel", "off"); // before the first client class is loaded
        try {
            Path home = Files.createTempDirectory("kraft-lab-test").toRealPath();
            // The CDS archive is created once, also for children and the other lanes.
            Files.createSymbolicLink(
                    home.resolve("cache"),
                    Files.createDirectories(Path.of(System.getProperty("user.home"), ".kraft-lab", "cache")));
            Runtime.getRuntime().addShutdownHook(new Thread(TestCluster::end));
            return home;
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /**
     * Waits until all three nodes are up and every replica is in sync. Aborts the test if other processes have the
     * ports; where CI is set, fails it.
     */
    static synchronized void healthy() throws Exception {
        TestEngine.down();
        requirePorts();
        Run up = up();
        assertEquals(0, up.code, up.err);
        awaitInSync();
    }

    /**
     * Starts the cluster. Only one lane does so at a time: on a bare machine the first one creates the CDS archive, and
     * the others use it.
     */
    private static Run up() throws Exception {
        String[] up = {"up", "--timeouts", "fast", "--data-dir", DATA};
        try (FileChannel file = FileChannel.open(
                        HOME.resolve("cache/tests.lock"), StandardOpenOption.CREATE, StandardOpenOption.WRITE);
                FileLock held = file.lock()) {
            Run first = run(Cluster::run, up);
            ClassArchive archive = cluster(up).archive();
            if (first.code != 0 || !archive.isMissing()) {
                return first;
            }
            run(Cluster::run, "down", "--data-dir", DATA);
            await("the CDS archive", () -> !archive.isBeingCreated());
            return run(Cluster::run, up);
        }
    }

    static void awaitInSync() throws Exception {
        WatchIsr watch = new WatchIsr();
        watch.common.configure(watch, quiet(), quiet(), "--interval", "100ms", "--internal", "-b", Cluster.bootstrap());
        watch.await(WatchIsr.Until.IN_SYNC, PATIENCE);
    }

    /** Stops the shared cluster, for tests that need its ports; its data stays. */
    static synchronized void down() throws Exception {
        TestEngine.down();
        requirePorts();
        cluster("down", "--data-dir", DATA).down(true);
        for (int port : ports())
            assertTrue(isFree(port), "cluster down came back while port " + port + " was still taken");
    }

    static Cluster cluster(String... args) {
        Cluster cluster = new Cluster();
        return cluster.common.configure(cluster, quiet(), quiet(), args);
    }

    private static void requirePorts() {
        AllTests.needs("cluster");
        if (ending) throw new TestAbortedException("The tests are being ended.");
        for (int port : ours ? List.<Integer>of() : ports()) {
            if (isFree(port)) continue;
            String reason = "Port " + port + " is in use by " + Cluster.listener(port)
                    + "; then the tests on a real cluster will run.";
            if (System.getenv("CI") != null) fail(reason);
            throw new TestAbortedException(reason);
        }
        ours = true;
    }

    static List<Integer> ports() {
        return Cluster.IDS.stream()
                .flatMap(id -> Stream.of(Cluster.port(id), Cluster.controllerPort(id)))
                .toList();
    }

    static boolean isFree(int port) {
        try (ServerSocket socket = new ServerSocket()) {
            socket.setReuseAddress(true);
            socket.bind(new InetSocketAddress("127.0.0.1", port));
            return true;
        } catch (IOException taken) {
            return false;
        }
    }

    // ---- Scripts ----

    interface Script {
        int run(PrintWriter out, PrintWriter err, String... args);
    }

    record Run(int code, String out, String err) {
        /** Returns the events on stdout, each line checked against docs/events.md. */
        List<Map<String, Object>> events() throws Exception {
            return TestCluster.events(out.lines().toList());
        }

        @Override
        public String toString() {
            return "exit " + code + "\nstdout: " + out + "\nstderr: " + err;
        }
    }

    /** Runs a script in this JVM. */
    static Run run(Script script, String... args) {
        StringWriter out = new StringWriter(), err = new StringWriter();
        int code = script.run(new PrintWriter(out), new PrintWriter(err), args);
        return new Run(code, out.toString(), err.toString());
    }

    /** Runs kill-node on the shared cluster. */
    static Run killNode(String... args) {
        return run(KillNode::run, with(args, "--data-dir", DATA));
    }

    static Run startNode(String... args) {
        return killNode(with(args, "--restore"));
    }

    static String[] with(String[] args, String... more) {
        return Stream.concat(Stream.of(args), Stream.of(more)).toArray(String[]::new);
    }

    /** A script in its own JVM, to be interrupted or killed. */
    record Child(Process process, Path out) {
        String text() throws IOException {
            return Files.readString(out);
        }

        /** Interrupts it as Ctrl-C does, and returns its exit code. */
        int interrupt() throws Exception {
            new ProcessBuilder("kill", "-INT", "" + process.pid()).start().waitFor();
            return awaitExit();
        }

        int awaitExit() throws Exception {
            if (!process.waitFor(PATIENCE.toSeconds(), TimeUnit.SECONDS))
                fail("Still running after " + PATIENCE + ":\n" + text());
            return process.exitValue();
        }
    }

    /**
     * Returns the prefix of a command that has to receive Ctrl-C: a shell that starts tests in the background makes
     * them ignore SIGINT, and their children inherit that.
     */
    static List<String> signalled() throws Exception {
        return new ProcessBuilder("sh", "-c", "env --default-signal=INT true 2> /dev/null")
                                .start()
                                .waitFor()
                        == 0
                ? List.of("env", "--default-signal=INT")
                : List.of();
    }

    static Child child(Class<?> script, String... args) throws Exception {
        return child(Map.of(), script, args);
    }

    static Child child(Map<String, String> environment, Class<?> script, String... args) throws Exception {
        List<String> command = new ArrayList<>(signalled());
        command.addAll(List.of(
                Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                "-XX:TieredStopAtLevel=1",
                "-XX:+UseSerialGC",
                "-cp",
                System.getProperty("java.class.path"),
                script.getName()));
        command.addAll(List.of(args));
        Path out = HOME.resolve("child" + ++children + ".out");
        ProcessBuilder builder = new ProcessBuilder(command);
        builder.environment().putAll(environment);
        return new Child(
                builder.redirectErrorStream(true)
                        .redirectInput(new File("/dev/null"))
                        .redirectOutput(out.toFile())
                        .start(),
                out);
    }

    // ---- What tests inspect ----

    /** Returns a client that soon turns to another node if one does not answer because it is paused. */
    static Admin admin() {
        return Admin.create(Map.of(
                "bootstrap.servers",
                (Object) Cluster.bootstrap(),
                "request.timeout.ms",
                2000,
                "reconnect.backoff.ms",
                3000,
                "reconnect.backoff.max.ms",
                3000));
    }

    /** Returns as soon as the condition holds, and fails if it does not in time. */
    static void await(String what, Callable<Boolean> condition) throws Exception {
        await(what, PATIENCE, condition);
    }

    static void await(String what, Duration patience, Callable<Boolean> condition) throws Exception {
        long deadline = System.nanoTime() + patience.toNanos();
        while (true) {
            long asked = System.nanoTime();
            if (condition.call()) return;
            if (System.nanoTime() > deadline) fail("Not within " + patience.toSeconds() + " s: " + what);
            long tookMs = (System.nanoTime() - asked) / 1_000_000;
            // A condition that starts a process is checked less often.
            Thread.sleep(Math.min(200, Math.max(20, 3 * tookMs)));
        }
    }

    static List<Map<String, Object>> events(List<String> lines) throws Exception {
        List<Map<String, Object>> events = new ArrayList<>();
        for (String line : lines) {
            events.add(JSON.std.mapFrom(line));
            ContractTest.Schema.validate(events.get(events.size() - 1));
        }
        return events;
    }

    static List<Map<String, Object>> ofType(List<Map<String, Object>> events, String type) {
        return events.stream().filter(e -> type.equals(e.get("type"))).toList();
    }

    static void createTopic(String topic, String... options) {
        Run create = run(CreateTopic::run, with(options, topic));
        assertEquals(0, create.code, create.err);
    }

    /** Deletes topics with a single replica; otherwise a later test would need --force to kill that replica's node. */
    static void deleteTopics(List<String> topics) throws Exception {
        try (Admin admin = admin()) {
            admin.deleteTopics(topics).all().get();
        }
    }

    /** Returns the active controller, according to the metadata quorum. */
    static int controller() throws Exception {
        try (Admin admin = admin()) {
            return admin.describeMetadataQuorum().quorumInfo().get().leaderId();
        }
    }

    /** Returns a node that is not the active controller. */
    static int follower() throws Exception {
        return controller() % 3 + 1;
    }

    static Path nodeFile(int id) {
        return Path.of(DATA, Cluster.name(id), "node.json");
    }

    static Map<String, Object> node(int id) throws IOException {
        return JSON.std.mapFrom(nodeFile(id).toFile());
    }

    /** Returns whether the node's process is alive. A zombie, not yet reaped by its parent, is not. */
    static boolean runs(int id) throws IOException {
        long pid = ((Number) node(id).get("pid")).longValue();
        if (!ProcessHandle.of(pid).map(ProcessHandle::isAlive).orElse(false)) return false;
        try {
            return !Files.readString(Path.of("/proc/" + pid + "/stat")).matches("(?s).*\\) Z .*");
        } catch (IOException gone) {
            return ProcessHandle.of(pid).map(ProcessHandle::isAlive).orElse(false);
        }
    }

    static String log(int id) throws IOException {
        return Files.readString(Path.of(DATA, Cluster.name(id), "server.log"));
    }

    /** Returns the process id of each node. */
    static Map<Integer, Object> pids() throws IOException {
        Map<Integer, Object> pids = new TreeMap<>();
        for (int id : Cluster.IDS) pids.put(id, node(id).get("pid"));
        return pids;
    }

    /** Returns the processes of nodes whose data is in a folder, whatever their node.json says. */
    static List<ProcessHandle> processesOf(Path dataDir) {
        return ProcessHandle.allProcesses()
                .filter(p -> p.info()
                        .arguments()
                        .map(a -> Stream.of(a).anyMatch(x -> x.startsWith(MARK + dataDir + File.separator)))
                        .orElse(false))
                .toList();
    }

    static PrintWriter quiet() {
        return new PrintWriter(Writer.nullWriter());
    }

    // ---- The end ----

    /** Ends every process of this run. An interrupted script may just be starting a node again, so it looks twice. */
    private static void end() {
        ending = true;
        TestLane.endAll();
        try {
            for (int quiet = 0; quiet < 2; ) {
                List<ProcessHandle> left = Stream.concat(
                                ProcessHandle.current().descendants(), processesOf(HOME).stream())
                        .distinct()
                        .toList();
                left.forEach(ProcessHandle::destroyForcibly);
                for (ProcessHandle p : left) p.onExit().get(10, TimeUnit.SECONDS);
                quiet = left.isEmpty() ? quiet + 1 : 0;
                if (quiet < 2) Thread.sleep(100);
            }
        } catch (Exception e) {
            System.err.println("Not all processes of the tests could be ended: " + e);
        }
        try {
            TestEngine.end();
        } catch (Throwable e) {
            System.err.println("The compose cluster of the tests could not be ended: " + e);
        }
        try (Stream<Path> files = Files.walk(HOME)) {
            for (Path file : files.sorted(Comparator.reverseOrder()).toList()) Files.delete(file);
        } catch (IOException | UncheckedIOException e) {
            System.err.println("The tests' folder " + HOME + " could not be deleted: " + e.getMessage());
        }
    }
}
