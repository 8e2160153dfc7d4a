import static org.junit.jupiter.api.Assertions.*;

import java.io.*;
import java.nio.file.*;
import java.util.*;
import java.util.stream.*;
import org.HdrHistogram.*;
import org.junit.jupiter.api.*;
import org.junit.jupiter.api.io.TempDir;

/**
 * Proves that merge-latency and report read latency logs of other tools in their own unit, or ask for it, and that no
 * tag reaches a terminal or a folder unescaped.
 */
@Order(13)
class LatencyLogTest {
    /** A log of 1 ms and 2 ms in nanoseconds, as HdrHistogram writes it: Interval_Max is in milliseconds. */
    private static final String NANOSECONDS = """
        #[Histogram log format version 1.3]
        #[StartTime: 1700000000.000 (seconds since epoch), Tue Nov 14 22:13:20 UTC 2023]
        "StartTimestamp","Interval_Length","Interval_Max","Interval_Compressed_Histogram"
        0.000,1.000,2.001,HISTFAAAACZ42pNpmSzMwMDAzgABzFCaEUzK//9v/wEicHAdI9NffiYAfBMHHg==
        """;

    @TempDir
    Path folder;

    /** Writes a log of 1 ms and 2 ms; maxValueUnitRatio values make a unit of Interval_Max. */
    private Path log(String name, long millisecond, double maxValueUnitRatio, String comment, String tag)
            throws Exception {
        Path file = folder.resolve(name);
        try (PrintStream out = new PrintStream(file.toFile(), "UTF-8")) {
            HistogramLogWriter writer = new HistogramLogWriter(out);
            if (comment != null) writer.outputComment(comment);
            writer.outputLogFormatVersion();
            writer.outputStartTime(1_700_000_000_000L);
            writer.outputLegend();
            Histogram h = new Histogram(3);
            h.recordValue(millisecond);
            h.recordValue(2 * millisecond);
            h.setTag(tag);
            writer.outputIntervalHistogram(0, 1, h, maxValueUnitRatio);
        }
        return file;
    }

    private static TestCluster.Run merge(Object... args) {
        return TestCluster.run(
                MergeLatency::run, Arrays.stream(args).map(String::valueOf).toArray(String[]::new));
    }

    /** Checks what merge-latency and report's page show for the log. */
    private void assertReadAs(double ms, Path log, String unit) throws Exception {
        String[] option = unit == null ? new String[0] : new String[] {"--unit", unit};
        TestCluster.Run run =
                merge(Stream.concat(Stream.of(log, "--json"), Stream.of(option)).toArray());
        assertEquals(0, run.code(), run.toString());
        Map<String, Object> merged = run.events().get(0);
        assertEquals(2, merged.get("records"));
        assertEquals(2 * ms, (double) merged.get("maxMs"), ms / 500, merged.toString());
        assertEquals(ms, (double) merged.get("p50Ms"), ms / 500, merged.toString());
        ReportRun drawn = drawn(log, unit);
        assertEquals(2 * ms * 1000, drawn.latency.get("service").getMaxValue(), 2 * ms, log.toString());
    }

    private static ReportRun drawn(Path log, String unit) throws Exception {
        ReportRun run = new ReportRun("run");
        run.unit = unit;
        run.files.add(log);
        run.readAll();
        return run;
    }

    @Test
    void intervalMaxGivesTheUnitAwayAndIsNamed() throws Exception {
        Path file = Files.writeString(folder.resolve("ns.hlog"), NANOSECONDS);
        assertReadAs(1, file, null);
        assertReadAs(1, log("ns2.hlog", 1_000_000, 1e6, null, null), null);
        assertReadAs(1, log("us.hlog", 1_000, 1e3, null, null), null);
        TestCluster.Run run = merge(file);
        assertTrue(
                run.out().lines().anyMatch(l -> l.matches("service +2 +1\\.50 +1\\.00 +2\\.00 .* 2\\.00")), run.out());
        assertTrue(
                run.err().contains("ns.hlog: values are taken to be in ns")
                        && run.err().contains("--unit"),
                run.err());
        assertTrue(drawn(file, null).notes.toString().contains("taken to be in ns"));
    }

    @Test
    void whatTheLogSaysStands() throws Exception {
        String perf = "[kraft-lab perf: values in microseconds, Interval_Max in milliseconds; Tag=response: from when a"
                + " record was due]";
        assertReadAs(1, log("perf.hlog", 1_000, 1e3, perf, null), null);
        assertReadAs(1, log("said.hlog", 1_000_000, 1, "[Values are in nanoseconds]", null), null);
        assertReadAs(1, log("unit.hlog", 1, 1, "[unit: ms]", null), null);
        assertReadAs(1000, log("s.hlog", 1, 1, "[values in seconds]", null), null);
        assertReadAs(1, log("perf2.hlog", 1_000, 1e3, perf, null), "ns");
        assertEquals("", merge(folder.resolve("perf.hlog")).err());
    }

    @Test
    void whereNothingSaysItTheUnitIsAskedFor() throws Exception {
        Path file = log("raw.hlog", 1_000_000, 1, null, null);
        TestCluster.Run run = merge(file);
        assertEquals(2, run.code(), run.toString());
        assertTrue(
                run.err().contains("raw.hlog does not say in which unit its values are: give --unit ns, us, ms or s.")
                        && run.out().isEmpty(),
                run.toString());
        ReportRun drawn = drawn(file, null);
        assertTrue(drawn.latency.isEmpty() && drawn.notes.toString().contains("give --unit"), drawn.notes.toString());
        assertReadAs(1, file, "ns");
        assertReadAs(1000, file, "us");
        assertEquals(2, merge(file, "--unit", "minutes").code());
        Files.writeString(
                folder.resolve("events.jsonl"),
                "{\"ts\":\"2026-11-23T14:05:00.000000Z\",\"source\":\"perf\",\"type\":\"error\",\"error\":\"x\"}\n");
        assertEquals(
                2,
                TestCluster.run(Report::run, folder.toString(), "--unit", "minutes")
                        .code());
    }

    @Test
    void aCommentBeforeTheHeaderIsNoDamage() throws Exception {
        for (String before : List.of(
                "#written by somebody\n", "\n#[BaseTime: 0.000 (seconds since epoch)]\n", "#one, two\n#three\n"))
            assertReadAs(1, Files.writeString(folder.resolve("before.hlog"), before + NANOSECONDS), null);
        assertReadAs(
                1,
                Files.writeString(
                        folder.resolve("noversion.hlog"), NANOSECONDS.substring(NANOSECONDS.indexOf('\n') + 1)),
                null);
        assertReadAs(1, Files.writeString(folder.resolve("crlf.hlog"), NANOSECONDS.replace("\n", "\r\n")), null);
        assertEquals(
                2,
                merge(Files.writeString(folder.resolve("text"), "#a\nhello\n")).code());
    }

    @Test
    void logsOfDifferentUnitsAreAddedInOne() throws Exception {
        TestCluster.Run run = merge(
                Files.writeString(folder.resolve("ns.hlog"), NANOSECONDS),
                log("us.hlog", 1_000, 1e3, null, null),
                "--json");
        assertEquals(0, run.code(), run.toString());
        assertEquals(4, run.events().get(0).get("records"));
        assertEquals(2, (double) run.events().get(0).get("maxMs"), 0.01);
    }

    @Test
    void tagsReachNeitherTheTerminalNorAnotherFolder() throws Exception {
        String tag = "\u001b[2J\u0007PASS:/../../x";
        Path deep = Files.createDirectories(folder.resolve("a/b/c"));
        Path file = log("tags.hlog", 1_000, 1e3, null, tag);
        TestCluster.Run run = merge(file, "--percentiles", deep.resolve("x.hgrm"));
        assertEquals(0, run.code(), run.toString());
        assertFalse((run.out() + run.err()).chars().anyMatch(c -> c < ' ' && c != '\n'), run.toString());
        assertTrue(run.out().contains("\\u001b[2J\\u0007PASS:"), run.out());
        assertEquals(tag, merge(file, "--json").events().get(0).get("tag"), "JSON escapes it itself");
        try (Stream<Path> written = Files.walk(folder)) {
            List<Path> plots =
                    written.filter(f -> f.toString().endsWith(".hgrm")).toList();
            assertEquals(1, plots.size(), plots.toString());
            assertEquals(deep, plots.get(0).getParent());
        }
    }
}
