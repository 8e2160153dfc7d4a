import static org.junit.jupiter.api.Assertions.*;

import java.io.IOException;
import java.nio.file.*;
import java.util.*;
import org.junit.jupiter.api.*;
import org.junit.jupiter.api.io.TempDir;

/** Proves that scripts write into no folder, and replace no file, link or pipe, that is not theirs. No cluster. */
class OursOutputTest {
    @TempDir
    Path temp;

    @Test
    void labWritesIntoNoFolderWithFilesOfOthers() throws Exception {
        for (String name :
                List.of("events.jsonl", "perf.hlog", "verdict.json", "notebook.md", "report.html", "ledger.jsonl"))
            for (boolean link : new boolean[] {false, true}) {
                Path out = Files.createDirectories(temp.resolve("out-" + name + link)),
                        theirs = OursTest.file(temp.resolve("theirs"), "theirs");
                if (link) Files.createSymbolicLink(out.resolve(name), theirs);
                else OursTest.file(out.resolve(name), "theirs");
                Map<String, String> before = OursTest.snapshot(out);
                for (boolean marked : new boolean[] {false, true}) {
                    if (marked && !link) continue; // then the folder is a lab's own
                    if (marked) {
                        OursTest.file(
                                out.resolve(".kraft-lab"), "This folder is of kraft-lab: a run, made by 'lab'; x.\n");
                        before = OursTest.snapshot(out);
                    }
                    TestCluster.Run run = TestCluster.run(Lab::run, "--out", out.toString());
                    assertEquals(12, run.code(), name + run);
                    assertEquals(before, OursTest.snapshot(out), name);
                    assertEquals("theirs", Files.readString(theirs));
                }
            }
    }

    /** No producer has started: the same command may run again, and finds its own folder. */
    @Test
    void aLabThatCameToNothingMayBeTriedAgain() throws Exception {
        Path out = temp.resolve("run");
        String line = "--runtime external -b localhost:1 --kill-command false --start-command false --timeout 1s --out";
        String[] args = TestCluster.with(line.split(" "), out.toString());
        for (int i = 0; i < 2; i++) {
            TestCluster.Run run = TestCluster.run(Lab::run, args);
            assertEquals(10, run.code(), run.toString());
            assertTrue(
                    Files.exists(out.resolve("events.jsonl")) && Files.exists(out.resolve(".kraft-lab")),
                    OursTest.snapshot(out).keySet().toString());
        }
    }

    private static final String EVENT =
            "{\"ts\":\"2026-01-01T00:00:00.000000Z\",\"source\":\"lab\",\"type\":\"node\",\"node\":1,"
                    + "\"state\":\"up\"}\n";

    @Test
    void reportReplacesOnlyAPageOfItsOwn() throws Exception {
        Path run = temp.resolve("run"),
                page = run.resolve("report.html"),
                theirs = OursTest.file(temp.resolve("theirs"), "theirs");
        OursTest.file(run.resolve("events.jsonl"), EVENT);
        assertEquals(0, TestCluster.run(Report::run, run.toString()).code());
        String made = Files.readString(page);
        assertEquals(0, TestCluster.run(Report::run, run.toString()).code(), "its own, again");
        for (String[] args : new String[][] {{run.toString()}, {run.toString(), "--out", page.toString()}}) {
            Files.writeString(page, "<!DOCTYPE html><title>theirs</title>");
            TestCluster.Run kept = TestCluster.run(Report::run, args);
            assertEquals(
                    List.of(12, "<!DOCTYPE html><title>theirs</title>"),
                    List.of(kept.code(), Files.readString(page)),
                    kept.toString());
            Files.delete(page);
            for (Path to : List.of(theirs, temp.resolve("nothing"))) {
                Files.createSymbolicLink(page, to);
                TestCluster.Run link = TestCluster.run(Report::run, args);
                assertEquals(12, link.code(), link.toString());
                assertEquals(
                        List.of("theirs", false),
                        List.of(Files.readString(theirs), Files.exists(temp.resolve("nothing"))));
                assertTrue(new LabFolder(run).writePage().isPresent(), "the lab follows it");
                assertEquals(
                        List.of("theirs", false),
                        List.of(Files.readString(theirs), Files.exists(temp.resolve("nothing"))));
                Files.delete(page);
            }
        }
        assertTrue(made.startsWith("<!DOCTYPE html>"));
        assertEquals(
                0,
                TestCluster.run(Report::run, run.toString(), "--out", "/dev/null")
                        .code(),
                "a device");
    }

    @Test
    void filesThatAreNamedAreReplacedOnlyIfOfTheirKind() throws Exception {
        Path theirs = OursTest.file(temp.resolve("thesis"), "theirs"),
                link = Files.createSymbolicLink(temp.resolve("link"), OursTest.file(temp.resolve("linked"), ""));
        for (Path file : List.of(theirs, link))
            for (String option : List.of("--hdr-log", "--percentiles", "--ledger")) {
                TestCluster.Run perf = load(option, file);
                assertEquals(2, perf.code(), perf.toString());
                assertTrue(perf.err().startsWith(file + " is "), perf.err());
            }
        PerfTest.requireReplaceable(
                OursTest.file(temp.resolve("perf.hlog"), "#[kraft-lab perf: values in microseconds]\n"),
                "#[kraft-lab perf",
                "--hdr-log");
        PerfTest.requireReplaceable(
                OursTest.file(temp.resolve("perf.hgrm"), "       Value     Percentile TotalCount 1/(1-Percentile)\n"),
                "Value",
                "--percentiles");
        PerfTest.requireReplaceable(Path.of("/dev/null"), "Value", "--percentiles");
        assertThrows(Cli.Exit.class, () -> MergeLatency.requireReplaceable(theirs, "Value", "--percentiles"));
        assertThrows(IOException.class, () -> ResilientProducer.LedgerWriter.requireLedger(theirs));
        assertThrows(IOException.class, () -> ResilientProducer.LedgerWriter.requireLedger(link));
        ResilientProducer.LedgerWriter.requireLedger(
                OursTest.file(temp.resolve("l.new"), "{\"ledger\":2,\"run\":\"x\"}\n"));
        assertEquals("theirs", Files.readString(theirs));
    }

    /** A ledger is first written under another name, which may be taken as well. */
    @Test
    void whatIsNamedAsTheLedgersPartIsReplacedOnlyIfOfItsKind() throws Exception {
        Path ledger = temp.resolve("l"), part = temp.resolve("l.part");
        List<OursTest.Plant> plants = List.of(
                p -> OursTest.file(p, "theirs"),
                p -> Files.createSymbolicLink(p, OursTest.file(temp.resolve("linked"), "")),
                p -> Files.createDirectory(p),
                OursOutputTest::pipe);
        for (OursTest.Plant plant : plants) {
            plant.in(part);
            Map<String, String> before = OursTest.snapshot(temp);
            TestCluster.Run perf = load("--ledger", ledger);
            assertEquals(2, perf.code(), perf.toString());
            assertTrue(perf.err().startsWith(part + " is "), perf.err());
            assertEquals(2, assertThrows(PerfTest.Exit.class, perf(ledger)::begin).code);
            assertEquals(before, OursTest.snapshot(temp));
            Files.delete(part);
        }
        assertEquals(
                2, assertThrows(PerfTest.Exit.class, perf(Files.createDirectory(temp.resolve("folder")))::begin).code);
        assertFalse(Files.exists(temp.resolve("folder.part")));
        OursTest.file(part, "{\"ranges\":1,"); // as a killed perf leaves it
        perf(ledger).begin();
        assertTrue(Files.readString(ledger).startsWith("{\"ranges\":1,") && !Files.exists(part));
    }

    private static TestCluster.Run load(String option, Path file) {
        String line = "-b localhost:1 --topic t --num-records 1 --throughput -1 --record-size 1";
        return TestCluster.run(PerfTest::run, TestCluster.with(line.split(" "), option, file.toString()));
    }

    private static PerfTest.Ledger perf(Path ledger) {
        return new PerfTest.Ledger(ledger.toFile(), "1f", new String[] {"t"}, "1", false);
    }

    private static void pipe(Path at) throws Exception {
        assertEquals(0, new ProcessBuilder("mkfifo", at.toString()).start().waitFor());
    }

    /**
     * Nothing replaces a pipe or a device: root could rename a device that everybody uses. It receives the ledger once,
     * when it is whole.
     */
    @Test
    void aPipeIsGivenTheLedgerAndStaysAPipe() throws Exception {
        Path pipe = temp.resolve("pipe");
        pipe(pipe);
        Process reader = new ProcessBuilder("cat", pipe.toString()).start();
        try {
            PerfTest.Ledger ledger = perf(pipe);
            PerfTest.Ledger.Part part = ledger.part();
            ledger.begin();
            part.acknowledged(0, 0, 7);
            ledger.interim();
            part.closed();
            ledger.write(Map.of("failed", 0));
            List<String> lines =
                    new String(reader.getInputStream().readAllBytes()).lines().toList();
            assertEquals(3, lines.size(), lines.toString());
            assertTrue(
                    lines.get(0).startsWith("{\"ranges\":1,") && lines.get(2).startsWith("{\"end\":true,"),
                    lines.toString());
        } finally {
            reader.destroy();
        }
        assertFalse(Files.isRegularFile(pipe));
        assertEquals(Set.of("pipe"), OursTest.snapshot(temp).keySet());
    }

    @Test
    void aMatrixLeavesFilesOfOthersAsTheyAre() throws Exception {
        for (String name : List.of("matrix.md", "matrix.jsonl", "matrix-abc12345.ledger.jsonl")) {
            Path out = temp.resolve("m-" + name);
            OursTest.file(out.resolve(name), "theirs");
            FailoverMatrix matrix = new FailoverMatrix();
            matrix.common.configure(matrix, TestCluster.quiet(), TestCluster.quiet(), "--out", out.toString());
            assertEquals(
                    12, assertThrows(Cli.Exit.class, matrix::readFolder, name).getExitCode());
            assertEquals(Map.of(name, "theirs"), OursTest.snapshot(out));
        }
    }
}
