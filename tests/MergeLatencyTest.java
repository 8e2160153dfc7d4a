import static org.junit.jupiter.api.Assertions.*;

import java.io.*;
import java.nio.charset.StandardCharsets;
import java.nio.file.*;
import java.util.*;
import org.HdrHistogram.*;
import org.junit.jupiter.api.*;
import org.junit.jupiter.api.io.TempDir;

/** Tests merge-latency with logs whose histograms are known. */
@Order(13)
class MergeLatencyTest {
    private static final long START_MS = 1_700_000_000_000L;

    @TempDir
    Path folder;

    private static void write(Path file, long startMs, String tag, Histogram... intervals) throws Exception {
        try (PrintStream out = new PrintStream(file.toFile())) {
            HistogramLogWriter log = new HistogramLogWriter(out);
            log.outputLogFormatVersion();
            log.outputComment("[values in microseconds]");
            log.outputStartTime(startMs);
            log.outputLegend();
            for (int i = 0; i < intervals.length; i++) {
                intervals[i].setTag(tag);
                log.outputIntervalHistogram(i, i + 1, intervals[i], 1000);
            }
        }
    }

    private static Histogram record(Random random, Histogram all) {
        Histogram interval = new Histogram(1, 3_600_000_000L, 3);
        for (int n = random.nextInt(3000); n > 0; n--) {
            long us = (long) Math.exp(random.nextDouble() * 17);
            interval.recordValue(us);
            all.recordValue(us);
        }
        return interval;
    }

    @Test
    void theMergeOfSeveralLogsIsTheHistogramOfAllRecords() throws Exception {
        Random random = new Random(7);
        Histogram all = new Histogram(1, 3_600_000_000L, 3);
        List<String> names = new ArrayList<>();
        for (int f = 0; f < 5; f++) {
            Histogram[] intervals = new Histogram[4];
            Arrays.setAll(intervals, i -> record(random, all));
            Path file = folder.resolve(f + ".hlog");
            write(file, START_MS + f * 500, null, intervals);
            names.add(file.toString());
        }
        String[] files = names.toArray(String[]::new);
        MergeLatency merge = new MergeLatency();
        StringWriter err = new StringWriter();
        Map<String, Histogram> merged = merge.common
                .configure(merge, TestCluster.quiet(), new PrintWriter(err), files)
                .merge();
        assertEquals(Set.of("service"), merged.keySet());
        assertEquals(all, merged.get("service"), "not only percentiles: every count");
        assertEquals("", err.toString(), "they overlap");
        Path percentiles = folder.resolve("x.hgrm");
        TestCluster.Run run = TestCluster.run(
                MergeLatency::run, TestCluster.with(files, "--json", "--percentiles", percentiles.toString()));
        assertEquals(0, run.code(), run.toString());
        Map<String, Object> event = run.events().get(0);
        assertEquals(all.getValueAtPercentile(99.99) / 1000.0, (double) event.get("p9999Ms"), 1e-9);
        assertEquals((int) all.getTotalCount(), event.get("records"));
        String written = Files.readString(percentiles);
        String count = String.format("%13d", all.getTotalCount());
        assertTrue(written.contains("Total count    =" + count), written);
    }

    @Test
    void tagsAreKeptApartAndLogsThatDoNotOverlapAreReported() throws Exception {
        Histogram histogram = new Histogram(3);
        histogram.recordValue(1000);
        Path a = folder.resolve("a");
        Path b = folder.resolve("b");
        write(a, START_MS, null, histogram);
        write(b, START_MS + 100_000, "response", histogram);
        TestCluster.Run run = TestCluster.run(MergeLatency::run, a.toString(), b.toString());
        assertEquals(0, run.code(), run.toString());
        assertEquals(
                List.of("LATENCY,", "service", "response"),
                run.out().lines().map(line -> line.split(" ")[0]).toList());
        assertTrue(run.err().contains("begins 99.0 s after"), run.err());
    }

    @Test
    void aDamagedLogIsRefused() throws Exception {
        Histogram histogram = new Histogram(3);
        for (int i = 1; i < 1000; i++) {
            histogram.recordValue(i * 77L);
        }
        Path good = folder.resolve("good");
        write(good, START_MS, null, histogram, histogram);
        String whole = Files.readString(good);
        Path cut = Files.writeString(folder.resolve("cut"), whole.substring(0, whole.length() - 60));
        Path text = Files.writeString(folder.resolve("text"), "hello\n");
        List<String> lines = new ArrayList<>(whole.lines().toList());
        lines.add(lines.size() - 1, "garbage"); // the reader takes it for the end of the log
        Path mixed = Files.write(folder.resolve("mixed"), lines);
        byte[] latin = (whole + "\u00ff\n").getBytes(StandardCharsets.ISO_8859_1);
        Path notUtf8 = Files.write(folder.resolve("bytes"), latin);
        Path empty = folder.resolve("empty");
        write(empty, START_MS, null);
        Path none = folder.resolve("none");
        Map.of(good, 0, cut, 14, mixed, 14, notUtf8, 14, empty, 14, text, 2, none, 2)
                .forEach((file, code) -> {
                    TestCluster.Run run = TestCluster.run(MergeLatency::run, file.toString());
                    assertEquals(code, run.code(), file + ": " + run);
                    assertEquals(code == 0 ? 0 : 1, run.err().lines().count(), run.err());
                });
    }
}
