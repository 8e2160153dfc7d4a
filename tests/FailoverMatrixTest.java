import static org.junit.jupiter.api.Assertions.*;

import java.nio.file.*;
import java.util.*;
import java.util.stream.*;
import org.apache.kafka.clients.admin.Admin;
import org.junit.jupiter.api.*;
import org.junit.jupiter.api.io.TempDir;

/** failover-matrix: its choices and its table without a cluster; its runs, their resumption and Ctrl-C on a real one. */
@Order(62)
@Tag("cluster")
class FailoverMatrixTest {
    @TempDir Path folder;

    private static List<String> list(String... args) {
        TestCluster.Run run = TestCluster.run(FailoverMatrix::run, TestCluster.with(args, "--list"));
        assertEquals(0, run.code(), run.toString());
        return run.out().lines().toList();
    }

    @Test @Order(1) void choicesAreMultipliedAndTheImpossibleIsLeftOut() {
        assertEquals(10, list().size());
        assertEquals(10, Set.copyOf(list()).size());
        assertEquals(List.of("acks=all min-isr=2 idempotent kill-leader fast"), list("--acks", "all"));
        List<String> some = list("--acks", "1,all", "--idempotence", "true,false", "--fault", "stop-leader,two-of-three");
        assertEquals(List.of("acks=1 min-isr=2 stop-leader fast", "acks=1 min-isr=2 two-of-three fast", "acks=all min-isr=2 idempotent stop-leader fast", "acks=all min-isr=2 not-idempotent stop-leader fast",
                "acks=all min-isr=2 idempotent two-of-three fast", "acks=all min-isr=2 not-idempotent two-of-three fast"), some);
        for (String bad : List.of("--acks 2", "--min-isr 4", "--min-isr x", "--fault burn", "--repeat 0", "--rate 0", "--timeouts slow", "--min-isr 3")) {
            TestCluster.Run run = TestCluster.run(FailoverMatrix::run, TestCluster.with(bad.split(" "), "--list"));
            assertEquals(2, run.code(), bad + ": " + run);
            assertEquals(1, run.err().lines().count(), run.err());
        }
    }

    private static FailoverMatrix.Run ran(String acks, int minIsr, boolean idempotent, FailoverMatrix.Fault fault, String timeouts, int number, Long gapMs, long lost, long duplicated, long reordered) {
        return new FailoverMatrix.Run(new FailoverMatrix.Cell(acks, minIsr, idempotent, fault, timeouts), number, 2000, 2000, gapMs / 2, gapMs, 1000, lost, 0, 0, 0, duplicated, reordered, 0, 0, lost > 0 ? "fail" : "pass", 1);
    }

    @Test @Order(2) void theTableHasTheSpreadAndTheAdviceFollowsFromIt() {
        FailoverMatrix.Fault kill = FailoverMatrix.Fault.KILL_LEADER, pause = FailoverMatrix.Fault.PAUSE_LEADER, stop = FailoverMatrix.Fault.STOP_LEADER;
        FailoverMatrixTable table = new FailoverMatrixTable(List.of(
                ran("1", 1, false, pause, "fast", 1, 7000L, 5, 0, 0), ran("1", 1, false, pause, "fast", 2, 9000L, 0, 0, 0), ran("1", 1, false, pause, "fast", 3, 8000L, 7, 0, 0), ran("1", 1, false, kill, "fast", 1, 3000L, 0, 0, 0),
                ran("all", 2, true, kill, "fast", 1, 3000L, 0, 0, 0), ran("all", 2, true, stop, "fast", 1, 300L, 0, 0, 0), ran("all", 2, false, kill, "fast", 1, 3000L, 0, 2, 9)));
        List<String> rows = table.text().lines().toList();
        assertTrue(rows.get(1).matches("1 +1 +- +pause-leader +fast +3 +8\\.00 \\(7\\.00 to 9\\.00\\) +4\\.00 \\(3\\.50 to 4\\.50\\) +12 in 2 of 3 +0 +0 +0 +0 +0 +0"), rows.get(1));
        List<String> advice = table.advice();
        assertEquals(3, advice.size(), advice.toString());
        assertTrue(advice.get(0).contains("under pause-leader lost 12 acknowledged records in 2 of 3 runs") && advice.get(0).contains("under kill-leader lost none this time")
                && advice.get(0).contains("nothing in 2 runs: use it"), advice.get(0));
        assertTrue(advice.get(1).contains("stop-leader 0.30 s, kill-leader 3.00 s (medians)") && advice.get(1).endsWith("stopped in order costs 0.10 of one that is killed."), advice.get(1));
        assertTrue(advice.get(2).startsWith("Under the same faults, without idempotence 2 records were duplicated and 9 reordered in 1 runs with acks=all, with it 0 records"), advice.get(2));
        // What else differs is no matter of idempotence; what --hold lengthens is said; a controller's death under acks=1 that lost nothing is no promise either.
        List<String> other = new FailoverMatrixTable(List.of(ran("all", 2, true, kill, "fast", 1, 3000L, 0, 0, 0), ran("all", 2, false, pause, "fast", 1, 3000L, 0, 2, 9), ran("all", 2, true, FailoverMatrix.Fault.TWO_OF_THREE, "fast", 1, 9000L, 0, 0, 0),
                ran("1", 1, false, FailoverMatrix.Fault.KILL_CONTROLLER, "fast", 1, 3000L, 0, 0, 0))).advice();
        assertEquals(2, other.size(), other.toString());
        assertTrue(other.get(0).contains("under kill-controller lost none this time") && other.get(1).contains("that of two-of-three with the 2.0 s of --hold in it"), other.toString());
        // A safe setting that does not hold is not praised.
        assertTrue(new FailoverMatrixTable(List.of(ran("all", 2, true, kill, "fast", 1, 1L, 1, 0, 0))).advice().get(0).contains("did not hold in every run"));
        assertTrue(new FailoverMatrixTable(List.of(ran("all", 2, true, kill, "fast", 1, 1000L, 0, 0, 0), ran("all", 2, true, kill, "default", 1, 3000L, 0, 0, 0))).advice().get(1).contains("3.0 times"), "timeouts");
        assertEquals(List.of(), new FailoverMatrixTable(List.of()).advice());
    }

    private TestCluster.Run matrix(String... args) {
        return TestCluster.run(FailoverMatrix::run, TestCluster.with(Stream.of(args).anyMatch("--rate"::equals) ? args : TestCluster.with(args, "--rate", "500"), "--hold", "500ms", "--out", folder.resolve("m").toString(), "--data-dir", TestCluster.DATA));
    }

    @Test @Order(3) void runsAreDoneOnceAndTheRestIsDoneLater() throws Exception {
        TestCluster.healthy();
        TestCluster.Run first = matrix("--fault", "stop-leader", "--json");
        assertEquals(0, first.code(), first.toString());
        Map<String, Object> run = TestCluster.ofType(first.events(), "matrix-run").get(0);
        assertEquals(List.of("all", 2, true, "stop-leader", "found", 1, 0, 0, 0, "pass"), Stream.of("acks", "minIsr", "idempotent", "fault", "timeouts", "run", "lost", "duplicates", "reordered", "verdict").map(run::get).toList());
        assertTrue((int) run.get("acknowledged") > 100 && ((Number) run.get("partitionGapMs")).longValue() < 5000, run.toString());
        for (int id : Cluster.IDS) assertTrue(TestCluster.runs(id));
        Path lines = folder.resolve("m/matrix.jsonl");
        String kept = Files.readString(lines);
        Files.writeString(lines, "{\"acks\":\"al", StandardOpenOption.APPEND); // as a killed process leaves it
        TestCluster.Run again = matrix("--fault", "stop-leader");
        assertEquals(0, again.code(), again.toString());
        assertFalse(again.err().contains("1 of 1"), "it has been done: " + again.err());
        assertTrue(again.out().contains("stop-leader") && again.err().contains("passed over"), again.toString());
        assertTrue(Files.readString(lines).startsWith(kept));
        try (Admin admin = TestCluster.admin()) { assertTrue(admin.listTopics().names().get().stream().noneMatch(t -> t.startsWith("matrix-")), "topics are deleted"); }
        try (var files = Files.list(folder.resolve("m"))) { assertEquals(Set.of("matrix.jsonl", "matrix.md"), files.map(f -> f.getFileName().toString()).collect(Collectors.toSet())); }
        assertEquals(2, matrix("--timeouts", "fast").code(), "a cluster is up");
        Files.writeString(lines, "{\"acks\":\"al", StandardOpenOption.APPEND);
        TestCluster.Run more = matrix("--fault", "stop-leader", "--repeat", "2");
        assertEquals(0, more.code(), more.toString());
        assertEquals(4, Files.readAllLines(lines).size(), "a line that was cut off does not take the next one with it: " + Files.readString(lines));
        TestCluster.Run slower = matrix("--fault", "stop-leader", "--rate", "400");
        assertEquals(2, slower.code(), slower.toString());
        assertTrue(slower.err().contains("are with --rate 500 --hold 500ms"), slower.err());
        TestCluster.Run cut = matrix("--fault", "stop-leader,disconnect-leader", "--repeat", "3");
        assertEquals(2, cut.code(), cut.toString());
        assertTrue(cut.err().contains("disconnect") && !cut.err().contains(" of 2"), "refused before anything is broken: " + cut.err());
    }

    @Test @Order(4) void aLeaderThatWasPausedLosesWhatItAcknowledgesAfterwards() throws Exception {
        TestCluster.healthy();
        TestCluster.Run run = matrix("--acks", "1,all", "--min-isr", "2", "--fault", "pause-leader", "--json");
        assertEquals(0, run.code(), run.toString());
        Map<Object, Map<String, Object>> byAcks = TestCluster.ofType(run.events(), "matrix-run").stream().collect(Collectors.toMap(e -> e.get("acks"), e -> e));
        assertEquals(List.of(0, 0, 0, "pass"), Stream.of("lost", "duplicates", "reordered", "verdict").map(byAcks.get("all")::get).toList());
        // That it loses is not sure each time; that the verdict goes with what was counted is.
        assertEquals((int) byAcks.get("1").get("lost") > 0 ? "fail" : "pass", byAcks.get("1").get("verdict"), byAcks.get("1").toString());
    }

    @Test @Order(5) void ctrlCLeavesAWholeClusterAndWhatWasDone() throws Exception {
        TestCluster.healthy();
        TestCluster.Child child = TestCluster.child(FailoverMatrix.class, "--fault", "kill-leader", "--hold", "60s", "--out", folder.resolve("m").toString(), "--data-dir", TestCluster.DATA);
        TestCluster.await("a kill", () -> !child.process().isAlive() || Cluster.IDS.stream().anyMatch(id -> { try { return !TestCluster.runs(id); } catch (Exception e) { return false; } }));
        assertEquals(130, child.interrupt(), child.text());
        assertTrue(child.text().contains("Interrupted; failover-matrix --out"), child.text());
        for (int id : Cluster.IDS) assertTrue(TestCluster.runs(id), "node " + id);
        try (Admin admin = TestCluster.admin()) { TestCluster.await("its topic is gone", () -> admin.listTopics().names().get().stream().noneMatch(t -> t.startsWith("matrix-"))); }
    }

    /** Nothing has to be mended on nodes that end: with two of three killed that would outlast the ten seconds of Ctrl-C. */
    @Test @Order(6) void ctrlCEndsTheNodesOfItsOwn() throws Exception {
        TestCluster.down();
        Path data = TestCluster.HOME.resolve("owned/cluster"), nodes = TestCluster.HOME.resolve("owned/matrix");
        TestCluster.Child child = TestCluster.child(FailoverMatrix.class, "--fault", "two-of-three", "--hold", "60s", "--out", folder.resolve("m").toString(), "--data-dir", data.toString());
        TestCluster.await("the loss of two", () -> !child.process().isAlive() || Files.exists(nodes.resolve("kafka03/node.json")) && TestCluster.processesOf(nodes).size() == 1);
        long began = System.nanoTime();
        assertEquals(130, child.interrupt(), child.text());
        assertTrue(System.nanoTime() - began < 9_000_000_000L, "it was not cut off: " + child.text());
        assertTrue(child.text().contains("Interrupted; failover-matrix --out"), child.text());
        assertEquals(List.of(), TestCluster.processesOf(nodes));
        try (var files = Files.list(folder.resolve("m"))) { assertEquals(List.of(), files.toList(), "no ledger is left"); }
    }
}
