import static org.junit.jupiter.api.Assertions.*;

import java.io.IOException;
import java.nio.file.*;
import java.util.*;
import java.util.stream.*;
import org.junit.jupiter.api.*;
import org.junit.jupiter.api.io.TempDir;

/** Tests how report treats foreign input: text stays text, and what is missing or damaged is reported. */
class ReportInputTest {
    @TempDir
    Path folder;

    private void write(String name, List<String> lines) throws IOException {
        ReportTest.write(folder.resolve(name), lines);
    }
    // ---- Text of a stream stays text ----

    @Test
    void nothingInAStreamEndsItsElement() throws Exception {
        String evil = "</script><script>alert(1)</script><img src=x onerror=alert(2)>\u2028\u2029 & \" ' $SCRIPT";
        List<String> lines = new ArrayList<>(ReportTest.run());
        lines.add(ReportTest.event(
                5,
                "resilient-producer",
                "send-error",
                "seq",
                1,
                "attempt",
                1,
                "error",
                evil,
                "message",
                evil,
                "outcome",
                "failed"));
        lines.add(ReportTest.event(
                5,
                "resilient-producer",
                "ack",
                "seq",
                1,
                "attempt",
                1,
                "topic",
                evil,
                "partition",
                0,
                "offset",
                1,
                "latencyUs",
                5));
        lines.add(ReportTest.event(6, evil, evil, "phase", evil));
        write("run <b>x/events.jsonl", lines);
        TestCluster.Run run = ReportTest.report(folder.resolve("run <b>x"));
        assertEquals(0, run.code(), run.toString());
        Path page = folder.resolve("run <b>x/report.html");
        String html = Files.readString(page);
        assertEquals(3, html.split("</script>", -1).length - 1, "scripts end where they should");
        assertFalse(
                html.contains("\u2028")
                        || html.contains("\u2029")
                        || html.contains("<img")
                        || html.contains("<title>kraft-lab: run <b>x"),
                "markup of the stream");
        assertTrue(String.valueOf(ReportTest.data(page).get("errors")).contains(evil), "it is there as it was");
    }

    // ---- Missing and damaged input ----

    @Test
    void damagedLinesAreCountedAndSaid() throws Exception {
        List<String> lines = new ArrayList<>(ReportTest.run());
        int good = lines.size();
        lines.addAll(
                1,
                List.of(
                        "{\"ts\":\"2026-11-23T12:00:00",
                        "nonsense",
                        "[1]",
                        "{\"ts\":\"1970-01-01T00:00:00.000000Z\",\"source\":\"lab\",\"type\":\"ack\"}",
                        ReportTest.event(1, "x", "ack", "seq", 1, "partition", 0, "latencyUs", "slow"),
                        ReportTest.event(1, "x", "isr", "inSync", 3),
                        ReportTest.event(1, "x", "ack", "seq", 1),
                        "{\"ts\":\"2026-13-45T12:00:00.000000Z\",\"type\":\"ack\"}",
                        ReportTest.event(1, "x", "phase", "phase", "p", "state", "start") + "{}",
                        "[".repeat(5000),
                        "x".repeat(3_000_000)));
        lines.add(ReportTest.event(3, "x", "of-another-day", "a", Map.of("b", List.of(1, 2.5, true, "c"))));
        write("run/events.jsonl", lines);
        TestCluster.Run run = ReportTest.report(folder.resolve("run"));
        assertEquals(0, run.code(), run.toString());
        assertTrue(run.err().contains("11 damaged lines are left out"), run.err());
        Map<?, ?> data = ReportTest.data(folder.resolve("run/report.html"));
        assertEquals(
                List.of(11, good + 1, Map.of("of-another-day", 1)),
                List.of(data.get("damaged"), data.get("events"), data.get("undrawn")));
        assertEquals(26.0, data.get("end"), "a wrong clock does not stretch the time axis");
    }

    @Test
    void whatIsNoRunIsOneSentence() throws Exception {
        write("empty/events.jsonl", List.of());
        write("other/events.jsonl", List.of("{}", "{\"a\":1}"));
        Files.createDirectories(folder.resolve("none"));
        refused(14, "No event in empty", folder.resolve("empty"));
        refused(14, "only 2 other lines", folder.resolve("other"));
        refused(2, "is not a run's folder", folder.resolve("none"));
        refused(2, "there is no such file or folder", folder.resolve("no/such.jsonl"));
        write("run/events.jsonl", ReportTest.run());
        refused(1, "Cannot write the page", folder.resolve("run"), "--out", folder.resolve("no/such/folder/x.html"));
        refused(1, "Cannot write the page", folder.resolve("run"), "--out", folder.resolve("run"));
        Files.writeString(folder.resolve("one.jsonl"), ReportTest.run().get(0));
        assertEquals(
                0,
                ReportTest.report(folder.resolve("one.jsonl"), "--out", folder.resolve("one.html"))
                        .code());
    }

    private void refused(int code, String says, Object... args) {
        TestCluster.Run run = ReportTest.report(args);
        assertEquals(code, run.code(), run.toString());
        assertTrue(
                run.err().contains(says)
                        && run.err().strip().lines().count() == 1
                        && run.out().isEmpty(),
                run.toString());
    }
}
