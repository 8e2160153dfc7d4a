import static org.junit.jupiter.api.Assertions.*;

import java.nio.file.*;
import java.util.*;
import java.util.stream.*;
import org.apache.kafka.clients.admin.Admin;
import org.junit.jupiter.api.*;
import org.junit.jupiter.api.io.TempDir;

/** Checks which cells failover-matrix runs, and, on a real cluster, its runs, how they resume, and Ctrl-C. */
@Order(62)
@Tag("records")
class FailoverMatrixTest {
    @TempDir
    Path folder;

    private static List<String> list(String... args) {
        TestCluster.Run run = TestCluster.run(FailoverMatrix::run, TestCluster.with(args, "--list"));
        assertEquals(0, run.code(), run.toString());
        return run.out().lines().toList();
    }

    @Test
    @Order(1)
    void choicesAreMultipliedAndTheImpossibleIsLeftOut() {
        assertEquals(10, list().size());
        assertEquals(10, Set.copyOf(list()).size());
        assertEquals(List.of("acks=all min-isr=2 idempotent kill-leader fast"), list("--acks", "all"));
        List<String> some =
                list("--acks", "1,all", "--idempotence", "true,false", "--fault", "stop-leader,two-of-three");
        assertEquals(
                List.of(
                        "acks=1 min-isr=2 stop-leader fast",
                        "acks=1 min-isr=2 two-of-three fast",
                        "acks=all min-isr=2 idempotent stop-leader fast",
                        "acks=all min-isr=2 not-idempotent stop-leader fast",
                        "acks=all min-isr=2 idempotent two-of-three fast",
                        "acks=all min-isr=2 not-idempotent two-of-three fast"),
                some);
        for (String bad : List.of(
                "--acks 2",
                "--min-isr 4",
                "--min-isr x",
                "--fault burn",
                "--repeat 0",
                "--rate 0",
                "--timeouts slow",
                "--min-isr 3")) {
            TestCluster.Run run = TestCluster.run(FailoverMatrix::run, TestCluster.with(bad.split(" "), "--list"));
            assertEquals(2, run.code(), bad + ": " + run);
            assertEquals(1, run.err().lines().count(), run.err());
        }
    }

    private TestCluster.Run matrix(String... args) {
        return TestCluster.run(
                FailoverMatrix::run,
                TestCluster.with(
                        Stream.of(args).anyMatch("--rate"::equals) ? args : TestCluster.with(args, "--rate", "500"),
                        "--fault-duration",
                        "500ms",
                        "--out",
                        folder.resolve("m").toString(),
                        "--data-dir",
                        TestCluster.DATA));
    }

    @Test
    @Order(3)
    void runsAreDoneOnceAndTheRestIsDoneLater() throws Exception {
        TestCluster.healthy();
        TestCluster.Run first = matrix("--fault", "stop-leader", "--json");
        assertEquals(0, first.code(), first.toString());
        assertLosesNothing(first);
        for (int id : Cluster.IDS) assertTrue(TestCluster.runs(id));
        Path lines = folder.resolve("m/matrix.jsonl");
        String kept = Files.readString(lines);
        Files.writeString(lines, "{\"acks\":\"al", StandardOpenOption.APPEND); // as a killed process would leave it
        TestCluster.Run again = matrix("--fault", "stop-leader");
        assertEquals(0, again.code(), again.toString());
        assertFalse(again.err().contains("1 of 1"), "it has been done: " + again.err());
        assertTrue(
                again.out().contains("stop-leader") && again.err().contains("1 damaged lines of "), again.toString());
        assertTrue(Files.readString(lines).startsWith(kept));
        try (Admin admin = TestCluster.admin()) {
            assertTrue(
                    admin.listTopics().names().get().stream().noneMatch(t -> t.startsWith("matrix-")),
                    "topics are deleted");
        }
        try (var files = Files.list(folder.resolve("m"))) {
            assertEquals(
                    Set.of(".kraft-lab", "matrix.jsonl", "matrix.md"),
                    files.map(f -> f.getFileName().toString()).collect(Collectors.toSet()));
        }
        assertEquals(2, matrix("--timeouts", "fast").code(), "a cluster is up");
        Files.writeString(lines, "{\"acks\":\"al", StandardOpenOption.APPEND);
        TestCluster.Run more = matrix("--fault", "stop-leader", "--repeat", "2");
        assertEquals(0, more.code(), more.toString());
        assertEquals(
                4,
                Files.readAllLines(lines).size(),
                "a line that was cut off does not take the next one with it: " + Files.readString(lines));
        assertOtherRunsAreRefused();
    }

    private static void assertLosesNothing(TestCluster.Run first) throws Exception {
        Map<String, Object> run =
                TestCluster.ofType(first.events(), "matrix-run").get(0);
        assertEquals(
                List.of("all", 2, true, "stop-leader", "found", 1, 0, 0, 0, "pass"),
                Stream.of(
                                "acks",
                                "minIsr",
                                "idempotent",
                                "fault",
                                "timeouts",
                                "run",
                                "lost",
                                "duplicates",
                                "reordered",
                                "verdict")
                        .map(run::get)
                        .toList());
        assertTrue(
                (int) run.get("acknowledged") > 100 && ((Number) run.get("partitionGapMs")).longValue() < 5000,
                run.toString());
    }

    private void assertOtherRunsAreRefused() {
        TestCluster.Run slower = matrix("--fault", "stop-leader", "--rate", "400");
        assertEquals(2, slower.code(), slower.toString());
        assertTrue(slower.err().contains("are with --rate 500 --fault-duration 500ms"), slower.err());
        TestCluster.Run cut = matrix("--fault", "stop-leader,disconnect-leader", "--repeat", "3");
        assertEquals(2, cut.code(), cut.toString());
        assertTrue(
                cut.err().contains("disconnect") && !cut.err().contains(" of 2"),
                "refused before anything is broken: " + cut.err());
    }

    /**
     * How long a paused leader acknowledges before it truncates is not controlled here: at a high rate at least one of
     * three pauses must lose records, and the matrix must find them.
     */
    @Test
    @Order(4)
    void aLeaderThatWasPausedLosesWhatItAcknowledgesAfterwards() throws Exception {
        TestCluster.healthy();
        Map<String, Object> last = Map.of();
        for (int repeat = 1; repeat <= 3 && last.getOrDefault("lost", 0).equals(0); repeat++) {
            TestCluster.Run run = matrix(
                    "--acks",
                    "1",
                    "--min-isr",
                    "1",
                    "--fault",
                    "pause-leader",
                    "--rate",
                    "3000",
                    "--repeat",
                    "" + repeat,
                    "--json");
            assertEquals(0, run.code(), run.toString());
            last = TestCluster.ofType(run.events(), "matrix-run").get(0);
            assertEquals((int) last.get("lost") > 0 ? "fail" : "pass", last.get("verdict"), last.toString());
        }
        assertTrue((int) last.get("lost") > 0, "three pauses under acks=1, and nothing was found lost: " + last);
        String table = Files.readString(folder.resolve("m/matrix.md"));
        assertTrue(table.contains("under pause-leader lost " + last.get("lost") + " acknowledged records"), table);
    }

    @Test
    @Order(5)
    void ctrlCLeavesAWholeClusterAndWhatWasDone() throws Exception {
        TestCluster.healthy();
        TestCluster.Child child = TestCluster.child(
                FailoverMatrix.class,
                "--fault",
                "kill-leader",
                "--fault-duration",
                "60s",
                "--out",
                folder.resolve("m").toString(),
                "--data-dir",
                TestCluster.DATA);
        TestCluster.await(
                "a kill",
                () -> !child.process().isAlive()
                        || Cluster.IDS.stream().anyMatch(id -> {
                            try {
                                return !TestCluster.runs(id);
                            } catch (Exception e) {
                                return false;
                            }
                        }));
        assertEquals(130, child.interrupt(), child.text());
        assertTrue(child.text().contains("Interrupted; failover-matrix --out"), child.text());
        ScreenTest.isPlain(child.text());
        for (int id : Cluster.IDS) assertTrue(TestCluster.runs(id), "node " + id);
        try (Admin admin = TestCluster.admin()) {
            TestCluster.await(
                    "its topic is gone",
                    () -> admin.listTopics().names().get().stream().noneMatch(t -> t.startsWith("matrix-")));
        }
    }

    /**
     * Nodes that failover-matrix started are not restored before they end: with two of three killed, that would take
     * longer than the ten seconds that Ctrl-C allows.
     */
    @Tag("soak")
    @Test
    @Order(6)
    void ctrlCEndsTheNodesOfItsOwn() throws Exception {
        TestCluster.down();
        Path data = TestCluster.HOME.resolve("owned/cluster"), nodes = TestCluster.HOME.resolve("owned/matrix");
        TestCluster.Child child = TestCluster.child(
                FailoverMatrix.class,
                "--fault",
                "two-of-three",
                "--fault-duration",
                "60s",
                "--out",
                folder.resolve("m").toString(),
                "--data-dir",
                data.toString());
        TestCluster.await(
                "the loss of two",
                () -> !child.process().isAlive()
                        || Files.exists(nodes.resolve("kafka03/node.json"))
                                && TestCluster.processesOf(nodes).size() == 1);
        long began = System.nanoTime();
        assertEquals(130, child.interrupt(), child.text());
        assertTrue(System.nanoTime() - began < 9_000_000_000L, "it was not cut off: " + child.text());
        assertTrue(child.text().contains("Interrupted; failover-matrix --out"), child.text());
        assertEquals(List.of(), TestCluster.processesOf(nodes));
        try (var files = Files.list(folder.resolve("m"))) {
            assertEquals(
                    List.of(".kraft-lab"),
                    files.map(f -> f.getFileName().toString()).toList(),
                    "no ledger is left");
        }
    }
}
