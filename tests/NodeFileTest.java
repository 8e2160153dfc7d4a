import static org.junit.jupiter.api.Assertions.*;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import com.fasterxml.jackson.jr.ob.JSON;
import java.io.*;
import java.nio.channels.FileLock;
import java.nio.file.*;
import java.nio.file.attribute.PosixFilePermissions;
import java.time.*;
import java.util.*;
import org.junit.jupiter.api.*;
import org.junit.jupiter.api.io.TempDir;

/** Checks which node.json kill-node and start-node trust, and which processes they signal. */
class NodeFileTest {
    private static final String MARK = "-Dkraft-lab.node=";

    @TempDir
    Path temp;

    private final List<Process> processes = new ArrayList<>();

    @AfterEach
    void end() {
        for (Process p : processes) {
            p.descendants().forEach(ProcessHandle::destroyForcibly);
            p.destroyForcibly();
        }
    }

    // ---- A node.json that others can write ----

    /** Plants a node.json of a node that is down, whose start command creates a file. */
    private Path plant() throws Exception {
        Path data = Files.createDirectories(temp.resolve("cluster")),
                folder = Files.createDirectories(data.resolve("kafka01"));
        Map<String, Object> json = new LinkedHashMap<>();
        json.putAll(Map.of(
                "id",
                1,
                "name",
                "kafka01",
                "pid",
                0,
                "started",
                "2024-01-01T00:00:00Z",
                "port",
                1,
                "controllerPort",
                2));
        json.put("log", folder.resolve("server.log").toString());
        json.put("command", List.of("touch", temp.resolve("started").toString()));
        write(json);
        return data;
    }

    /** Writes it as cluster up does, whatever the umask is here: only the owner may write the file and its folders. */
    static void writeNode(Path file, Map<String, Object> json) throws Exception {
        Files.writeString(file, JSON.std.asString(json));
        Files.setPosixFilePermissions(file, PosixFilePermissions.fromString("rw-r--r--"));
        for (Path folder : List.of(file.getParent(), file.getParent().getParent()))
            Files.setPosixFilePermissions(folder, PosixFilePermissions.fromString("rwxr-xr-x"));
    }

    private Path file() {
        return temp.resolve("cluster/kafka01/node.json");
    }

    private void write(Map<String, Object> json) throws Exception {
        writeNode(file(), json);
    }

    private Map<String, Object> json() throws Exception {
        return JSON.std.mapFrom(file().toFile());
    }

    private TestCluster.Run run(String... args) {
        return TestCluster.run(
                KillNode::run,
                TestCluster.with(
                        args,
                        "--runtime",
                        "embedded",
                        "--data-dir",
                        temp.resolve("cluster").toString()));
    }

    private TestCluster.Run start() {
        return run("1", "--restore", "--no-wait");
    }

    private void isRefused(String reason) {
        for (TestCluster.Run run : List.of(
                start(),
                run("1", "--force"),
                TestCluster.run(
                        Nodes::run,
                        "--runtime",
                        "embedded",
                        "--data-dir",
                        temp.resolve("cluster").toString()))) {
            assertEquals(12, run.code(), run.toString());
            assertTrue(run.err().contains(file().toString()) && run.err().contains(reason), run.err());
        }
        assertFalse(Files.exists(temp.resolve("started")), "its command was run");
    }

    @Test
    void aNodesFileThatOthersMayWriteIsNotObeyed() throws Exception {
        Path data = plant();
        for (Path path : List.of(file(), file().getParent(), data)) {
            String before = PosixFilePermissions.toString(Files.getPosixFilePermissions(path));
            for (String open : List.of("rwxrwxr-x", "rwxr-xrwx")) {
                Files.setPosixFilePermissions(path, PosixFilePermissions.fromString(open));
                isRefused(path.equals(file()) ? "it can be written by others" : path + " can be written by others");
            }
            Files.setPosixFilePermissions(path, PosixFilePermissions.fromString(before));
        }
        assertEquals(0, start().code(), "as it was before");
        TestCluster.await("its command", () -> Files.exists(temp.resolve("started")));
    }

    @Test
    void aNodesFileOfAnotherUserIsNotObeyed() throws Exception {
        assumeTrue("root".equals(System.getProperty("user.name")), "only root can give a file away");
        Path data = plant();
        for (Path path : List.of(file(), file().getParent(), data)) {
            Files.setAttribute(path, "unix:uid", 65534);
            isRefused("belongs to ");
            Files.setAttribute(path, "unix:uid", 0);
        }
    }

    @Test
    void aNodesFileThatIsALinkIsNotObeyed() throws Exception {
        plant();
        Path elsewhere = Files.move(file(), temp.resolve("elsewhere.json"));
        Files.createSymbolicLink(file(), elsewhere);
        isRefused("it is a symbolic link");
        Files.delete(file());
        Files.move(elsewhere, file());
        Path folder = Files.move(file().getParent(), temp.resolve("folder"));
        Files.createSymbolicLink(temp.resolve("cluster/kafka01"), folder);
        isRefused("kafka01 is a symbolic link");
    }

    @Test
    void aNodesFileThatIsNoneIsOneSentence() throws Exception {
        plant();
        Files.writeString(file(), "{ cut o");
        TestCluster.Run run = start();
        assertEquals(1, run.code(), run.toString());
        assertEquals(1, run.err().lines().count(), run.err());
    }

    // ---- The node's process ----

    private Process process(String... command) throws Exception {
        Process process = new ProcessBuilder(command).redirectErrorStream(true).start();
        processes.add(process);
        return process;
    }

    private static long ticks(long pid) throws Exception {
        String stat = Files.readString(Path.of("/proc/" + pid + "/stat"));
        return Long.parseLong(stat.substring(stat.lastIndexOf(')') + 2).split(" ")[19]);
    }

    private static String boot() throws Exception {
        return Files.readString(Path.of("/proc/sys/kernel/random/boot_id")).strip();
    }

    private void plantProcess(Process node, Instant started, Long ticks, String boot) throws Exception {
        plant();
        Map<String, Object> json = json();
        json.putAll(Map.of("pid", node.pid(), "started", started.toString()));
        if (ticks != null) json.putAll(Map.of("startTicks", ticks, "bootId", boot));
        write(json);
    }

    private void isLeftAlone(Process process) throws Exception {
        for (String mode : List.of("kill", "stop", "pause"))
            assertEquals(1, run("1", "--force", "--mode", mode).code());
        assertTrue(process.isAlive());
        assertFalse(
                Files.readString(Path.of("/proc/" + process.pid() + "/stat")).matches("(?s).*\\) T .*"),
                "it is stopped");
    }

    @Test
    void aStepOfTheClockMakesNoNodeDown() throws Exception {
        assumeTrue(Files.exists(Path.of("/proc/self/stat")), "no /proc here");
        Process node = process("sleep", "305");
        for (Duration step : List.of(Duration.ofSeconds(-10), Duration.ofSeconds(10), Duration.ofHours(1))) {
            plantProcess(node, Instant.now().plus(step), ticks(node.pid()), boot());
            TestCluster.Run nodes = TestCluster.run(
                    Nodes::run,
                    "--runtime",
                    "embedded",
                    "--data-dir",
                    temp.resolve("cluster").toString());
            assertTrue(
                    nodes.out().lines().anyMatch(l -> l.startsWith("1 ") && l.endsWith("broker,controller  running")),
                    nodes.toString());
            TestCluster.Run start = start();
            assertTrue(start.err().contains("kafka01 is already running."), start.toString());
            assertFalse(Files.exists(temp.resolve("started")), "a second process was started");
        }
        fault(KillNode.Mode.KILL);
        assertEquals(128 + 9, node.waitFor());
    }

    /** Breaks the node without the cluster, which kill-node would ask for the impact. */
    private void fault(KillNode.Mode mode) throws Exception {
        KillNode script = new KillNode();
        script.common.configure(
                script,
                TestCluster.quiet(),
                TestCluster.quiet(),
                "1",
                "--runtime",
                "embedded",
                "--data-dir",
                temp.resolve("cluster").toString());
        KillNode.NodeRuntime runtime = script.runtime();
        runtime.fault(runtime.nodes().get(0), mode);
    }

    @Test
    void aProcessOfAnotherStartOrBootIsNotSignalled() throws Exception {
        assumeTrue(Files.exists(Path.of("/proc/self/stat")), "no /proc here");
        Process stranger = process("sleep", "306");
        Instant started = stranger.info().startInstant().orElseThrow();
        plantProcess(stranger, started, ticks(stranger.pid()) + 1, boot());
        isLeftAlone(stranger);
        plantProcess(stranger, started, ticks(stranger.pid()), "00000000-0000-0000-0000-000000000000");
        isLeftAlone(stranger);
    }

    /**
     * A node.json of an older version, or without /proc: the start instant, and the node's mark in the command line.
     */
    @Test
    void withoutTicksTheCommandLineSaysWhoseProcessItIs() throws Exception {
        String mark = MARK + temp.resolve("cluster/kafka01");
        Process stranger = process("sleep", "307"), node = process("sh", "-c", "sleep 308; true", mark);
        for (Process p : List.of(stranger, node)) {
            plantProcess(p, p.info().startInstant().orElseThrow(), null, null);
            Map<String, Object> json = json();
            json.put("command", List.of("touch", temp.resolve("started").toString(), mark));
            write(json);
            if (p == stranger) isLeftAlone(p);
        }
        fault(KillNode.Mode.KILL);
        assertEquals(128 + 9, node.waitFor());
    }

    // ---- Locks ----

    /** Holds the lock on a file until it is killed. */
    static class Holder {
        public static void main(String... args) throws Exception {
            try (RandomAccessFile file = new RandomAccessFile(args[0], "rw");
                    FileLock lock = file.getChannel().lock()) {
                System.out.println("held " + lock.isValid());
                System.in.read();
                Thread.sleep(60_000);
            }
        }
    }

    private Process holding(Path file) throws Exception {
        Process holder = process(
                Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                "-cp",
                System.getProperty("java.class.path"),
                Holder.class.getName(),
                file.toString());
        assertEquals("held true", holder.inputReader().readLine());
        return holder;
    }

    @Test
    void noSecondProcessIsStartedOnTheSameData() throws Exception {
        plant();
        Path lock = Files.createDirectories(temp.resolve("other")).resolve(".lock");
        Files.writeString(temp.resolve("cluster/kafka01/server.properties"), "log.dirs=" + lock.getParent() + "\n");
        Process broker = holding(lock);
        TestCluster.Run run = start();
        assertEquals(12, run.code(), run.toString());
        assertTrue(run.err().contains("The data of kafka01 in " + lock.getParent() + " is in use"), run.err());
        assertFalse(Files.exists(temp.resolve("started")));
        broker.destroyForcibly().waitFor();
        assertEquals(0, start().code());
        TestCluster.await("its command", () -> Files.exists(temp.resolve("started")));
        Map<String, Object> json = json();
        assertTrue(json.get("pid") instanceof Number pid && pid.intValue() > 0, json.toString());
        assertEquals(
                "rw-r--r--",
                PosixFilePermissions.toString(Files.getPosixFilePermissions(file())),
                "whatever the umask");
    }

    @Test
    void nothingIsStartedWhileAnotherCommandIsAtWork() throws Exception {
        Path data = plant();
        Process up = holding(data.resolve("lock"));
        TestCluster.Run run = run("1", "--restore", "--no-wait", "--timeout", "300ms");
        assertEquals(15, run.code(), run.toString());
        assertTrue(run.err().contains("Another command") && run.err().contains(data.toString()), run.err());
        assertFalse(Files.exists(temp.resolve("started")));
        up.destroyForcibly().waitFor();
        assertEquals(0, start().code());
    }
}
