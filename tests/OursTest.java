import static org.junit.jupiter.api.Assertions.*;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import com.fasterxml.jackson.jr.ob.JSON;
import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.file.*;
import java.nio.file.attribute.PosixFilePermissions;
import java.time.*;
import java.util.*;
import java.util.stream.*;
import org.junit.jupiter.api.*;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.*;

/**
 * Proves that nothing is deleted, signalled or followed that is not ours: files, folders, links and processes of others
 * are planted in each place. No cluster.
 */
class OursTest {
    @TempDir
    Path temp;

    interface Plant {
        void in(Path dataDir) throws Exception;
    }

    private static TestCluster.Run cluster(Object dataDir, String... args) {
        return TestCluster.run(Cluster::run, TestCluster.with(args, "--data-dir", dataDir.toString()));
    }

    /** Returns every file below a folder, with its kind and content. */
    static Map<String, String> snapshot(Path folder) throws IOException {
        Map<String, String> all = new TreeMap<>();
        try (Stream<Path> files = Files.walk(folder)) {
            for (Path f : files.filter(f -> !f.equals(folder)).toList()) {
                all.put(folder.relativize(f).toString(), content(f));
            }
        }
        return all;
    }

    private static String content(Path path) throws IOException {
        if (Files.isSymbolicLink(path)) return "-> " + Files.readSymbolicLink(path);
        return Files.isRegularFile(path) ? Files.readString(path) : "folder";
    }

    static Path file(Path file, String text) throws IOException {
        Files.createDirectories(file.getParent());
        return Files.writeString(file, text);
    }

    // ---- cluster ----

    private static final String NODE_MARK =
            "This folder is of kraft-lab: a node, made by 'cluster up'; 'cluster up --fresh' deletes it.\n";

    /** Creates a node's folder as cluster up leaves it. */
    private static Map<String, Object> plantNode(Path dataDir, int id, Object... fields) throws IOException {
        Path folder = dataDir.resolve(Cluster.name(id));
        file(folder.resolve(".kraft-lab"), NODE_MARK);
        file(folder.resolve("server.properties"), "node.id=" + id + "\nlog.dirs=" + folder.resolve("data") + "\n");
        file(folder.resolve("data/meta.properties"), "version=1\ncluster.id=x\nnode.id=" + id + "\n");
        Map<String, Object> json = new LinkedHashMap<>(Map.of(
                "id",
                id,
                "name",
                Cluster.name(id),
                "port",
                Cluster.port(id),
                "timeouts",
                "fast",
                "command",
                List.of("java", "-Dkraft-lab.node=" + folder)));
        for (int i = 0; i < fields.length; i += 2) json.put((String) fields[i], fields[i + 1]);
        file(folder.resolve("node.json"), JSON.std.asString(json));
        return json;
    }

    static Stream<Arguments> foreignFolders() {
        Map<String, Plant> all = new LinkedHashMap<>();
        all.put("files of others", d -> file(d.resolve("kafka02/important.txt"), "theirs"));
        all.put("a node.json of others", d -> file(d.resolve("kafka01/node.json"), "{\"mine\": true}"));
        all.put("a node.json of others, and data", d -> {
            file(d.resolve("kafka01/node.json"), "{\"command\": [\"java\"]}");
            file(d.resolve("kafka01/data/meta.properties"), "x=y");
        });
        all.put("a broker of others", d -> {
            file(d.resolve("kafka01/server.properties"), "log.dirs=/var/lib/kafka");
            file(d.resolve("kafka01/data/meta.properties"), "x=y");
        });
        all.put("a file", d -> file(d.resolve("kafka03"), "theirs"));
        all.put("a link to a folder", d -> {
            file(d.resolve("elsewhere/thesis"), "theirs");
            Files.createSymbolicLink(d.resolve("kafka01"), d.resolve("elsewhere"));
        });
        all.put("a link to a node", d -> {
            plantNode(d.resolve("other"), 1);
            Files.createSymbolicLink(d.resolve("kafka01"), d.resolve("other/kafka01"));
        });
        all.put("a mark that is a link", d -> {
            file(d.resolve("mark"), NODE_MARK);
            file(d.resolve("kafka01/thesis"), "theirs");
            Files.createSymbolicLink(d.resolve("kafka01/.kraft-lab"), d.resolve("mark"));
        });
        all.put("a mark of another kind", d -> {
            file(d.resolve("kafka01/thesis"), "theirs");
            file(d.resolve("kafka01/.kraft-lab"), "This folder is of kraft-lab: a run, made by 'lab'; x.\n");
        });
        all.put("a mark of others", d -> {
            file(d.resolve("kafka01/thesis"), "theirs");
            file(d.resolve("kafka01/.kraft-lab-node"), "mine");
        });
        all.put("a node that others can write to", d -> {
            plantNode(d, 1);
            mode(d.resolve("kafka01"), "rwxrwxr-x");
        });
        all.put("a node.json that others can write to", d -> {
            plantNode(d, 1);
            mode(d.resolve("kafka01/node.json"), "rw-r--rw-");
        });
        all.put("a node.json that is a link", d -> {
            plantNode(d, 1);
            Files.move(d.resolve("kafka01/node.json"), d.resolve("x"));
            Files.createSymbolicLink(d.resolve("kafka01/node.json"), d.resolve("x"));
        });
        all.put("a data folder that others can write to", d -> {
            plantNode(d, 1);
            mode(d, "rwxrwxrwx");
        });
        all.put("a node of somebody else's", d -> {
            plantNode(d, 1);
            giveAway(d.resolve("kafka01"));
        });
        all.put("a node.json of somebody else's", d -> {
            plantNode(d, 1);
            giveAway(d.resolve("kafka01/node.json"));
        });
        return all.entrySet().stream().map(e -> Arguments.of(e.getKey(), e.getValue()));
    }

    private static void mode(Path path, String mode) throws IOException {
        Files.setPosixFilePermissions(path, PosixFilePermissions.fromString(mode));
    }

    private static void giveAway(Path path) {
        try {
            Files.setAttribute(path, "unix:uid", 65534);
        } catch (IOException notRoot) {
            assumeTrue(false, "only root can give a file to another user");
        }
    }

    @ParameterizedTest(name = "{0}")
    @MethodSource("foreignFolders")
    void aFolderThatIsNotOursIsLeftAsItIs(String what, Plant plant) throws Exception {
        Path data = Files.createDirectories(temp.resolve("data"));
        plant.in(data);
        Map<String, String> before = snapshot(data);
        for (String[] args : new String[][] {{"down"}, {"up"}, {"up", "--fresh"}}) {
            TestCluster.Run run = cluster(data, args);
            assertEquals(12, run.code(), what + ", " + List.of(args) + ": " + run);
            assertEquals(1, run.err().lines().count(), run.err());
            Map<String, String> after = snapshot(data);
            after.remove("lock"); // it is there for other commands on this folder
            assertEquals(before, after, what + ", " + List.of(args));
            assertEquals(List.of(), TestCluster.processesOf(data));
        }
    }

    @Test
    void downDeletesNothingOfAFolderWithoutNodes() throws Exception {
        Path data = Files.createDirectories(temp.resolve("data"));
        file(data.resolve("archive/thesis"), "theirs");
        file(data.resolve(".kraft-lab-archive-x/thesis"), "theirs");
        file(data.resolve("lock"), "theirs");
        Map<String, String> before = snapshot(data);
        assertEquals("Nothing was running.\n", cluster(data, "down").out());
        assertEquals(before, snapshot(data));
    }

    /** The folder is recognized by each kind of mark; what a link in it leads to is kept. */
    @ParameterizedTest
    @ValueSource(strings = {"today's mark", "the mark before", "no mark yet"})
    void aFolderOfOursIsDeletedButNotWhatItsLinksLeadTo(String how) throws Exception {
        Path data = temp.resolve("data"),
                theirs = file(temp.resolve("theirs/thesis"), "theirs"),
                mark = data.resolve("kafka01/.kraft-lab");
        plantNode(data, 1);
        if (!how.equals("today's mark")) Files.delete(mark);
        if (how.equals("the mark before"))
            file(
                    data.resolve("kafka01/.kraft-lab-node"),
                    "A node of kraft-lab; cluster up --fresh deletes this folder.\n");
        Files.createSymbolicLink(data.resolve("kafka01/data/folder"), theirs.getParent());
        Files.createSymbolicLink(data.resolve("kafka01/data/file"), theirs);
        Cluster cluster = TestCluster.cluster("down", "--data-dir", data.toString());
        assertEquals(0, cluster.down(true));
        cluster.deleteData();
        assertEquals(Map.of(), snapshot(data));
        assertEquals("theirs", Files.readString(theirs));
    }

    @Test
    void filesAreReplacedAndLinksNotFollowed() throws Exception {
        Path theirs = file(temp.resolve("theirs"), "theirs"), ours = Files.createDirectories(temp.resolve("ours"));
        Files.createSymbolicLink(ours.resolve("node.json"), theirs);
        Files.createSymbolicLink(ours.resolve("node.json.new"), theirs);
        OwnFiles.replace(ours.resolve("node.json"), "ours");
        assertEquals(Map.of("node.json", "ours"), snapshot(ours));
        assertEquals("theirs", Files.readString(theirs));
        Path made = temp.resolve("a/b");
        OwnFiles.makeFolders(made);
        assertEquals("rwx------", PosixFilePermissions.toString(Files.getPosixFilePermissions(made)));
    }

    // ---- a node's process ----

    private static String ticks(long pid) throws IOException {
        String stat = Files.readString(Path.of("/proc/" + pid + "/stat"));
        return stat.substring(stat.lastIndexOf(')') + 2).split(" ")[19];
    }

    @Test
    void aStepOfTheClockMakesNoNodeLookDown() throws Exception {
        assumeTrue(Files.exists(Path.of("/proc/self/stat")), "there is no /proc");
        Path data = temp.resolve("data");
        String boot =
                Files.readString(Path.of("/proc/sys/kernel/random/boot_id")).strip();
        Process node = new ProcessBuilder("sh", "-c", "read line").start();
        try {
            Instant started = node.toHandle().info().startInstant().orElseThrow();
            long ticks = Long.parseLong(ticks(node.pid()));
            Object[][] plants = {
                {true, started.plusSeconds(3), ticks, boot},
                {true, started.minusSeconds(86_400), ticks, boot},
                {false, started, ticks + 1, boot},
                {false, started, ticks, "another boot"},
                {false, started, null, null}
            }; // the last: an older version's, and another command line than the node's
            for (Object[] plant : plants) {
                plantNode(
                        data,
                        1,
                        "pid",
                        node.pid(),
                        "started",
                        plant[1].toString(),
                        "startTicks",
                        plant[2],
                        "bootId",
                        plant[3]);
                TestCluster.Run status = cluster(data, "status", "--json");
                Map<String, Object> first = status.events().get(0);
                assertEquals(plant[0], !"down".equals(first.get("state")), Arrays.toString(plant) + status);
            }
            plantNode(data, 1, "pid", node.pid(), "started", "never"); // of others, or damaged
            assertEquals(10, cluster(data, "status").code());
            assertEquals("Nothing was running.\n", cluster(data, "down").out());
            assertTrue(node.isAlive(), "a process that is not the node's was ended");
        } finally {
            node.destroyForcibly().waitFor();
        }
    }

    /** Holds a broker's lock until the process is ended. */
    static class Holder {
        public static void main(String... args) throws Exception {
            try (FileChannel channel =
                    FileChannel.open(Path.of(args[0]), StandardOpenOption.CREATE, StandardOpenOption.WRITE)) {
                channel.lock();
                System.out.println("held");
                Thread.sleep(60_000);
            }
        }
    }

    @Test
    void dataThatABrokerHoldsIsNotStartedOn() throws Exception {
        Path data = temp.resolve("data"), lock = data.resolve("kafka01/data/.lock");
        plantNode(data, 1);
        LocalNode node =
                TestCluster.cluster("up", "--data-dir", data.toString()).node(1);
        node.requireUnusedData();
        TestCluster.Child holder = TestCluster.child(Holder.class, lock.toString());
        try {
            TestCluster.await("the lock", () -> holder.text().contains("held"));
            assertTrue(assertThrows(Cli.Exit.class, node::requireUnusedData)
                    .getMessage()
                    .contains("is in use by a broker"));
        } finally {
            holder.process().destroyForcibly().waitFor();
        }
        node.requireUnusedData();
    }

    @Test
    void aLogsLinesDriveNoTerminal() throws Exception {
        Path data = temp.resolve("data");
        plantNode(data, 1);
        file(data.resolve("kafka01/server.log"), "\tat x\nclient \u001b[2J\u0007\rPASS: all is well\n");
        TestCluster.Run logs = cluster(data, "logs", "1");
        assertEquals(0, logs.code());
        assertTrue(
                logs.out().startsWith("    at x\nclient \\u001b[2J\\u0007\n")
                        && logs.out().matches("[\\n\\x20-\\x7e]*"),
                logs.toString());
    }
}
