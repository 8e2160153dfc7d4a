import static org.junit.jupiter.api.Assertions.*;

import java.io.*;
import java.nio.file.*;
import java.util.*;
import org.junit.jupiter.api.*;
import org.junit.jupiter.api.io.TempDir;

/** Tests that report sums up millions of events in bounded memory, and says what it sums up. */
class ReportSizeTest {
    @TempDir
    Path folder;

    /** The acknowledgements come from a generator, so no file of their size is needed. */
    @Tag("slow")
    @Test
    void millionsOfEventsAreSummedUpInBoundedMemory() throws Exception {
        long acks = Long.getLong("kraft-lab.acks", 2_000_000); // ten million give the same in five times the time
        InputStream many = ReportTest.lines(
                acks,
                i -> "{\"ts\":\"" + ReportTest.fast(i * 36)
                        + "\",\"source\":\"resilient-producer\",\"type\":\"ack\",\"seq\":" + i
                        + ",\"attempt\":1,\"topic\":\"critical_data\",\"partition\":" + i % 8 + ",\"offset\":" + i / 8
                        + ",\"latencyUs\":" + (i % 1000 == 7 ? 90_000 : 2_000 + i % 977) + "}\n");
        Map<?, ?> run = bounded(many);
        assertEquals(
                (double) acks, ReportTest.sum(ReportTest.map(run.get("rate")).get("n")));
        assertNull(run.get("single"));
        assertEquals(
                90_000,
                ReportTest.list(ReportTest.map(run.get("delays")).get("max")).stream()
                        .mapToInt(n -> (Integer) n)
                        .max()
                        .orElse(0));
        assertTrue(
                String.valueOf(run.get("summed"))
                        .contains("of " + acks + " acknowledgements the latency is shown as mean and maximum"),
                "" + run.get("summed"));
        assertEquals(
                2.5,
                ((Number) ReportTest.map(ReportTest.map(run.get("curves")).get("acknowledgements"))
                                .get("p50"))
                        .doubleValue(),
                0.05);
    }

    @Tag("slow")
    @Test
    void aDayOfChangesIsSummedUp() throws Exception {
        String[] kinds = {
            "\"type\":\"isr\",\"online\":%d,\"partitions\":16,\"underReplicated\":%d,\"inSync\":%d,\"replicas\":48",
            "\"type\":\"controller\",\"controller\":%d,\"epoch\":%d",
            "\"type\":\"node\",\"node\":%d,\"state\":\"answers\"",
            "\"type\":\"stall\",\"topic\":\"t\",\"partition\":-1,\"from\":\"%s\",\"ms\":1500",
            "\"type\":\"fault\",\"node\":1,\"mode\":\"kill\"",
            "\"type\":\"offline\",\"topic\":\"topic-%d\",\"partition\":%d",
            "\"type\":\"send-error\",\"seq\":1,\"attempt\":1,\"error\":\"E%d\",\"message\":\"m\","
                    + "\"outcome\":\"failed\"",
            "\"type\":\"perf-window\",\"records\":5000,\"recordsPerSec\":1000,\"mbPerSec\":1,\"avgMs\":3,"
                    + "\"maxMs\":%d,\"p50Ms\":2,\"p99Ms\":5",
            "\"type\":\"ack\",\"seq\":1,\"attempt\":1,\"topic\":\"t\",\"partition\":0,\"offset\":1,\"latencyUs\":3000",
            "\"type\":\"kind-%d\""
        };
        int worst = 432_100; // the only observation of a day in which a partition was offline
        InputStream day = ReportTest.lines(864_000, i -> {
            String kind = kinds[(int) (i % 10)], at = ReportTest.fast(i * 100_000);
            Object[] values = values(i, at, worst);
            return "{\"ts\":\"" + at + "\",\"source\":\"lab\"," + String.format(kind, values) + "}\n";
        });
        Map<?, ?> run = bounded(day);
        assertEquals(864_000, run.get("events"));
        assertEquals(86_400.0, ((Number) run.get("end")).doubleValue(), 1);
        assertTrue(
                ReportTest.list(ReportTest.map(run.get("isr")).get("online")).contains(15),
                "the worst observation is kept");
        assertEquals(86_400.0, ReportTest.sum(ReportTest.map(run.get("rate")).get("n")));
        for (String said : List.of(
                "counted over 32 s",
                "only the worst and the last",
                "gaps the longest 1000",
                "partitions 48 are drawn",
                "faults and restorations are not drawn"))
            assertTrue(String.valueOf(run.get("summed")).contains(said), said + " in " + run.get("summed"));
    }

    private static Object[] values(long i, String at, int worst) {
        return switch ((int) (i % 10)) {
            case 0 -> new Object[] {i == worst ? 15 : 16, i % 7, 48 - i % 7};
            case 1 -> new Object[] {1 + i / 10 % 3, i / 10};
            case 3 -> new Object[] {at};
            case 5 -> new Object[] {i / 10 % 3000, i % 64};
            default -> new Object[] {i % 900};
        };
    }

    /** Returns the data of a stream's page, made in a JVM with 64 MB. The page is under 5 MB. */
    private Map<?, ?> bounded(InputStream stream) throws Exception {
        Path page = folder.resolve("big.html"), said = folder.resolve("said");
        Process p = new ProcessBuilder(
                        Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                        "-Xmx64m",
                        "-cp",
                        System.getProperty("java.class.path"),
                        "Report",
                        "-",
                        "--out",
                        page.toString())
                .redirectErrorStream(true)
                .redirectOutput(said.toFile())
                .start();
        try (OutputStream to = p.getOutputStream()) {
            stream.transferTo(to);
        } catch (IOException ended) {
            // its exit code says why
        }
        assertEquals(0, p.waitFor(), Files.readString(said));
        assertTrue(Files.size(page) < 5_000_000, "the page has " + Files.size(page) + " bytes");
        return ReportTest.data(page);
    }
}
