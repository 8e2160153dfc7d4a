import static org.junit.jupiter.api.Assertions.*;

import java.io.*;
import java.nio.file.*;
import java.util.*;
import java.util.concurrent.*;
import java.util.stream.*;
import org.apache.kafka.clients.admin.*;
import org.junit.jupiter.api.*;

/**
 * Kills our own scripts with SIGKILL at any moment: the cluster stays usable, and the next command reports what it
 * found. DeliveryTest does so with the producer and the check.
 */
@Order(85)
@Tag("shell")
class SigkillTest {
    private static final Path FOLDER = TestCluster.HOME.resolve("sigkill");

    private static TestCluster.Run cluster(String... args) {
        return TestCluster.run(Cluster::run, TestCluster.with(args, "--data-dir", TestCluster.DATA));
    }

    /** Kills a script as soon as a condition holds. */
    private static void killWhen(TestCluster.Child child, String what, Callable<Boolean> condition) throws Exception {
        try {
            TestCluster.await(what, () -> !child.process().isAlive() || condition.call());
            assertTrue(child.process().isAlive(), "it ended before " + what + ": " + child.text());
        } finally {
            child.process().destroyForcibly().waitFor();
        }
    }

    private static boolean has(Path events, String text) throws IOException {
        return Files.exists(events) && Files.readString(events).contains(text);
    }

    private static Set<String> names(String prefix) throws Exception {
        try (Admin admin = TestCluster.admin()) {
            return admin.listTopics().names().get().stream()
                    .filter(t -> t.startsWith(prefix))
                    .collect(Collectors.toCollection(TreeSet::new));
        }
    }

    private static Set<String> groups() throws Exception {
        try (Admin admin = TestCluster.admin()) {
            return admin.listGroups().all().get().stream()
                    .map(GroupListing::groupId)
                    .collect(Collectors.toCollection(TreeSet::new));
        }
    }

    /**
     * Waits until the script has a connection to a node; before that there is nothing to interrupt. Where connections
     * cannot be seen, waits for its first output.
     */
    private static void awaitConnection(TestCluster.Child child) throws Exception {
        boolean visible = Files.isReadable(Path.of("/proc/" + child.process().pid() + "/fd"));
        for (long deadline = System.nanoTime() + TestCluster.PATIENCE.toNanos();
                !(visible ? isConnected(child.process().pid()) : !child.text().isEmpty());
                Thread.sleep(2)) {
            assertTrue(child.process().isAlive(), "it ended before it was seen to connect: " + child.text());
            assertTrue(System.nanoTime() < deadline, "it does not connect: " + child.text());
        }
    }

    private static boolean isConnected(long pid) throws IOException {
        Set<String> sockets = new HashSet<>();
        try (DirectoryStream<Path> files = Files.newDirectoryStream(Path.of("/proc/" + pid + "/fd"))) {
            for (Path file : files) sockets.add(Files.readSymbolicLink(file).toString());
        } catch (NoSuchFileException | DirectoryIteratorException closedMeanwhile) {
            return false;
        }
        Set<String> ports = Cluster.IDS.stream()
                .map(id -> String.format(Locale.ROOT, "%04X", Cluster.port(id)))
                .collect(Collectors.toSet());
        for (String table : List.of("/proc/net/tcp", "/proc/net/tcp6"))
            for (String line : Files.readAllLines(Path.of(table))) {
                String[] f = line.trim().split("\\s+");
                boolean established = f.length > 9 && f[3].equals("01");
                if (established
                        && ports.contains(f[2].substring(f[2].indexOf(':') + 1))
                        && sockets.contains("socket:[" + f[9] + "]")) return true;
            }
        return false;
    }

    private static final String BOOTING = "\"phase\":\"Boot three nodes\",\"state\":\"start\"",
            FIRST_KILL = "\"type\":\"fault\"",
            NO_QUORUM = "\"phase\":\"Two of three\",\"state\":\"end\"";

    @Tag("soak")
    @Test
    void labsThatAreKilledLeaveAClusterForTheNextOne() throws Exception {
        killLabs(BOOTING, FIRST_KILL, NO_QUORUM);
    }

    /**
     * Kills a lab at each of the moments; each run starts with what the one before has left. At the end, with a lost
     * quorum and two dead nodes, a whole lab runs.
     */
    private static void killLabs(String... moments) throws Exception {
        TestCluster.down();
        Path scenario = Files.createDirectories(FOLDER).resolve("two.txt"), onlyLook = FOLDER.resolve("look.txt");
        Files.writeString(
                scenario,
                "step One of three\n"
                        + "kill follower:critical_data-0\n"
                        + "step Two of three\n"
                        + "kill controller\n"
                        + "await no-quorum\n"
                        + "step The end\n"
                        + "start all\n");
        Files.writeString(onlyLook, "probe\n"); // the smallest scenario
        int killed = 0, faults = 0;
        for (String moment : moments) {
            Path out = FOLDER.resolve("run" + moments.length + killed++), events = out.resolve("events.jsonl");
            TestCluster.Child child = TestCluster.child(Lab.class, lab(scenario, out));
            killWhen(child, moment, () -> has(events, moment));
            boolean last = killed == moments.length;

            // What it left can be inspected ...
            TestCluster.Run status = cluster("status");
            assertTrue(
                    Set.of(0, 10).contains(status.code())
                            && status.out().lines().count() == 4,
                    status.toString());
            TestCluster.Run report = TestCluster.run(Report::run, out.toString());
            assertEquals(0, report.code(), moment + report);
            assertEquals(!moment.equals(BOOTING), Files.exists(out.resolve("ledger.jsonl")), moment);
            if (Files.exists(out.resolve("ledger.jsonl"))) {
                TestCluster.Run check = TestCluster.run(
                        CheckDelivery::run,
                        "-b",
                        Cluster.bootstrap(),
                        "--timeout",
                        "2s",
                        out.resolve("ledger.jsonl").toString());
                assertEquals(14, check.code(), moment + check);
                // ... is not mixed up with another run, if a producer had started ...
                TestCluster.Run mixed =
                        TestCluster.run(Lab::run, "--out", out.toString(), "--data-dir", TestCluster.DATA);
                assertEquals(12, mixed.code(), mixed.toString());
                assertTrue(mixed.err().startsWith(out + " holds a run"), mixed.err());
            }
            // ... and is repaired and reported by the command that starts the next run.
            boolean known = status.out().contains("(fault: ");
            TestCluster.Run mended = last
                    ? TestCluster.run(Lab::run, lab(onlyLook, FOLDER.resolve("last" + moments.length)))
                    : cluster("up", "--timeouts", "fast");
            assertEquals(0, mended.code(), moment + mended);
            assertEquals(known, mended.err().contains(" had a fault (kill since "), moment + mended);
            assertTrue(
                    !last || mended.out().contains("Found a part of the cluster up, and started the rest after"),
                    mended.toString());
            if (known) faults++;
        }
        assertEquals(
                Stream.of(moments).filter(m -> !m.equals(BOOTING)).count(),
                faults,
                "only " + faults + " left a node killed");
        assertEquals(0, cluster("status").code(), "left running, as it was found");
    }

    private static String[] lab(Path scenario, Path out) {
        return new String[] {
            "--scenario",
            scenario.toString(),
            "--timeouts",
            "fast",
            "--records",
            "2000",
            "--out",
            out.toString(),
            "--data-dir",
            TestCluster.DATA
        };
    }

    /** A paused node is the worst it can leave behind: only the next command would ever resume it. */
    @Test
    @Order(2)
    void aMatrixThatIsKilledIsResumed() throws Exception {
        TestCluster.healthy();
        Path out = FOLDER.resolve("matrix");
        String[] args = {
            "--fault",
            "pause-leader",
            "--fault-duration",
            "60s",
            "--data-dir",
            TestCluster.DATA,
            "--out",
            out.toString()
        };
        killWhen(TestCluster.child(FailoverMatrix.class, args), "a pause", () -> {
            for (int id : Cluster.IDS) if (isPaused(id)) return true;
            return false;
        });
        args[3] = "100ms";
        TestCluster.Run broken = TestCluster.run(FailoverMatrix::run, args);
        assertEquals(12, broken.code(), broken.toString());
        assertTrue(
                broken.err()
                        .matches("(?s)kafka0. is paused, and each run begins with a whole cluster: run start-node all"
                                + " first\\.\\s+"),
                broken.err());
        assertEquals(0, TestCluster.startNode("all").code());
        TestCluster.awaitInSync();
        Set<String> left = names("matrix-");
        assertEquals(1, left.size());
        String topic = left.iterator().next();

        // A matrix with another folder reports the paused node and leaves it alone: it may be someone else's. That
        // shows when its first run begins, which Ctrl-C then ends.
        args[7] = FOLDER.resolve("other").toString();
        TestCluster.Child other = TestCluster.child(FailoverMatrix.class, args);
        TestCluster.await(
                "its first run",
                () -> !other.process().isAlive() || other.text().contains("1 of 1: "));
        assertEquals(130, other.interrupt(), other.text());
        assertTrue(other.text().contains("Topic " + topic + " is there"), other.text());
        assertEquals(left, names("matrix-"), "what may be another's is left alone");

        args[7] = out.toString();
        TestCluster.Run again = TestCluster.run(FailoverMatrix::run, args);
        assertEquals(0, again.code(), again.toString());
        assertTrue(again.err().contains("topic and ledger " + topic), again.err());
        assertEquals(Set.of(), names("matrix-"));
        try (Stream<Path> files = Files.list(out)) {
            assertEquals(
                    Set.of(".kraft-lab", "matrix.jsonl", "matrix.md"),
                    files.map(f -> f.getFileName().toString()).collect(Collectors.toSet()));
        }
    }

    private static boolean isPaused(int id) throws IOException {
        long pid = ((Number) TestCluster.node(id).get("pid")).longValue();
        return Files.readString(Path.of("/proc/" + pid + "/stat")).matches("(?s).*\\) [Tt] .*");
    }

    @Test
    @Order(3)
    void aFaultForAWhileWhoseCommandIsKilledIsUndoneByStartNode() throws Exception {
        killFaultsForAWhile("pause");
    }

    @Tag("soak")
    @Test
    void faultsOfEachModeWhoseCommandIsKilledAreUndoneByStartNode() throws Exception {
        killFaultsForAWhile("kill", "pause", "stop");
    }

    private static void killFaultsForAWhile(String... modes) throws Exception {
        for (String mode : modes) {
            TestCluster.healthy();
            TestCluster.Child child = TestCluster.child(
                    KillNode.class, "2", "--mode", mode, "--for", "5m", "--force", "--data-dir", TestCluster.DATA);
            killWhen(child, "the " + mode, () -> child.text().contains("Undoing it in"));
            TestCluster.Run status = cluster("status");
            assertTrue(status.out().contains("(fault: " + mode + ")"), status.out());
            TestCluster.Run mended = TestCluster.startNode("all");
            assertEquals(0, mended.code(), mended.toString());
            assertTrue(mended.out().contains("kafka02"), mended.toString());
        }
        TestCluster.awaitInSync();
    }

    @Test
    @Order(4)
    void whoOnlyLooksOrLoadsLeavesNothing() throws Exception {
        killOnlookers(400);
    }

    @Tag("soak")
    @Test
    void whoOnlyLooksOrLoadsLeavesNothingAtAnyMoment() throws Exception {
        killOnlookers(0, 100, 200, 400, 800, 1600, 3200);
    }

    /**
     * Kills scripts that only observe, at these times after their first connection: they break nothing, so nothing may
     * be broken or left behind.
     */
    private static void killOnlookers(int... moments) throws Exception {
        TestCluster.healthy();
        TestCluster.createTopic("killed", "--if-not-exists");
        Set<String> topics = names(""), groups = groups(); // a killed lab may have left a probe's group
        String[] reach = {"-b", Cluster.bootstrap()};
        Map<Class<?>, List<String>> scripts = new LinkedHashMap<>();
        scripts.put(WatchIsr.class, List.of());
        scripts.put(WatchLeaders.class, List.of());
        scripts.put(FindController.class, List.of());
        scripts.put(
                PerfTest.class,
                List.of(
                        "--topic",
                        "killed",
                        "--num-records",
                        "1000000",
                        "--throughput",
                        "1000",
                        "--record-size",
                        "100",
                        "--e2e"));
        scripts.put(FindMaxRate.class, List.of("--topic", "killed", "--record-size", "100", "--slo", "p99=1s"));
        scripts.put(
                CompareSettings.class,
                List.of(
                        "--topic",
                        "killed",
                        "--record-size",
                        "100",
                        "--setting",
                        "acks=1",
                        "--setting",
                        "acks=all",
                        "--throughput",
                        "500"));
        scripts.put(CheckTopic.class, List.of("--topic", "killed"));
        scripts.put(Dashboard.class, List.of("--port", "0"));
        for (int ms : moments)
            for (var script : scripts.entrySet()) {
                TestCluster.Child child = TestCluster.child(
                        script.getKey(),
                        Stream.concat(script.getValue().stream(), Stream.of(reach))
                                .toArray(String[]::new));
                awaitConnection(child);
                child.process().waitFor(ms, TimeUnit.MILLISECONDS); // whatever it is doing by then
                child.process().destroyForcibly().waitFor();
            }
        assertEquals(topics, names(""));
        assertEquals(groups, groups());
        assertEquals(0, cluster("status").code());
        TestCluster.Run perf = TestCluster.run(
                PerfTest::run,
                ("--topic killed --num-records 1000 --throughput -1 --record-size 100 --e2e -b " + Cluster.bootstrap())
                        .split(" "));
        assertEquals(0, perf.code(), perf.toString());
    }

    @Test
    @Order(5)
    void aTopicWhoseMakerIsKilledIsThereWholeOrNot() throws Exception {
        TestCluster.healthy();
        for (int ms : new int[] {0, 100, 300, 600, -1}) { // after its first connection, and when it is there
            String topic = "halfway" + Math.abs(ms);
            TestCluster.Child child = TestCluster.child(CreateTopic.class, "-b", Cluster.bootstrap(), topic);
            awaitConnection(child);
            if (ms < 0) TestCluster.await("the topic", () -> names(topic).contains(topic));
            else child.process().waitFor(ms, TimeUnit.MILLISECONDS);
            child.process().destroyForcibly().waitFor();
            TestCluster.Run again =
                    TestCluster.run(CreateTopic::run, "-b", Cluster.bootstrap(), topic, "--if-not-exists");
            assertEquals(0, again.code(), again.toString());
        }
    }

    /** cluster status of the default folder cannot know about these nodes. */
    @Test
    @Order(6)
    void nodesOfAnotherFolderAreNamed() throws Exception {
        TestCluster.healthy();
        Path elsewhere = FOLDER.resolve("elsewhere");
        TestCluster.Run status = TestCluster.run(Cluster::run, "status", "--data-dir", elsewhere.toString());
        assertEquals(10, status.code(), status.toString());
        assertTrue(
                status.err()
                                .startsWith("The nodes in " + elsewhere
                                        + " are not up, but port 29192 is in use by the embedded cluster (pid ")
                        && status.err().contains("cluster down --data-dir " + TestCluster.DATA),
                status.err());
    }
}
