import static org.junit.jupiter.api.Assertions.*;

import com.fasterxml.jackson.jr.ob.JSON;
import java.io.*;
import java.nio.charset.StandardCharsets;
import java.nio.file.*;
import java.time.*;
import java.time.format.DateTimeFormatter;
import java.util.*;
import java.util.stream.*;
import org.HdrHistogram.*;
import org.junit.jupiter.api.*;
import org.junit.jupiter.api.io.TempDir;

/** report: what it reads, what it makes of it, what it leaves out and says so; that nothing in a stream becomes part of the page; that millions of events are no matter. */
class ReportTest {
    private static final Instant T0 = Instant.parse("2026-11-23T12:00:00Z");
    static final DateTimeFormatter UTC =
            DateTimeFormatter.ofPattern("yyyy-MM-dd'T'HH:mm:ss.SSSSSS'Z'").withZone(ZoneOffset.UTC);

    @TempDir
    Path folder;

    static String ts(double seconds) {
        return UTC.format(T0.plusNanos(Math.round(seconds * 1e6) * 1000));
    }

    static String event(double at, String source, String type, Object... fields) throws IOException {
        Map<String, Object> event = new LinkedHashMap<>(Map.of());
        event.put("ts", ts(at));
        event.put("source", source);
        event.put("type", type);
        for (int i = 0; i < fields.length; i += 2) event.put((String) fields[i], fields[i + 1]);
        return JSON.std.asString(event);
    }

    static String ack(double at, long seq, int partition, long us) throws IOException {
        return event(
                at,
                "resilient-producer",
                "ack",
                "seq",
                seq,
                "attempt",
                1,
                "topic",
                "critical_data",
                "partition",
                partition,
                "offset",
                seq,
                "latencyUs",
                us);
    }

    static String isr(double at, int online, int urp, int inSync, List<Integer> brokers, String frozenSince)
            throws IOException {
        return event(
                at,
                "watch-isr",
                "isr",
                "online",
                online,
                "partitions",
                2,
                "underReplicated",
                urp,
                "inSync",
                inSync,
                "replicas",
                6,
                "brokers",
                brokers,
                "frozenSince",
                frozenSince);
    }

    /** Two partitions; the controller dies at 10 s, 5.5 s of silence, it is back at 20 s and in sync at 22 s. Validated against docs/events.md. */
    static List<String> run() throws Exception {
        List<String> lines = new ArrayList<>(List.of(
                event(0, "lab", "phase", "phase", "Boot three nodes", "state", "start"),
                event(2, "lab", "phase", "phase", "Boot three nodes", "state", "end", "ms", 2000),
                event(0.5, "cluster", "node", "node", List.of(1, 2, 3), "state", "up"),
                event(1, "watch-isr", "controller", "controller", 1, "epoch", 3),
                isr(1, 2, 0, 6, List.of(1, 2, 3), null),
                event(
                        2,
                        "create-topic",
                        "topic",
                        "topic",
                        "critical_data",
                        "created",
                        true,
                        "partitions",
                        List.of(Map.of("partition", 0, "leader", 1), Map.of("partition", 1, "leader", 2))),
                event(
                        3,
                        "perf",
                        "perf-window",
                        "records",
                        1000,
                        "recordsPerSec",
                        1000.0,
                        "mbPerSec",
                        1.0,
                        "avgMs",
                        4.0,
                        "maxMs",
                        9.5,
                        "p50Ms",
                        3.5,
                        "p99Ms",
                        8.5),
                event(10.1, "kill-node", "fault", "node", 1, "name", "kafka01", "mode", "kill", "at", ts(10)),
                event(10.2, "watch-isr", "controller", "controller", -1, "epoch", -1),
                event(10.15, "watch-isr", "node", "node", 1, "state", "refuses"),
                event(12, "watch-isr", "controller", "controller", 2, "epoch", 4),
                isr(13, 2, 2, 4, List.of(2, 3), null),
                event(20.1, "kill-node", "restored", "node", 1, "name", "kafka01", "at", ts(20)),
                event(20.4, "watch-isr", "node", "node", 1, "state", "answers"),
                isr(22, 2, 0, 6, List.of(1, 2, 3), null)));
        for (int i = 0; i < 500; i++) {
            double at = i * 0.05;
            if (at < 9.9 || at > 15.45) lines.add(ack(at, i, i % 2, at > 15.45 && at < 15.6 ? 5_600_000 : 4_000 + i));
        }
        lines.add(event(
                15.5,
                "resilient-producer",
                "stall",
                "topic",
                "critical_data",
                "partition",
                -1,
                "from",
                ts(9.85),
                "ms",
                5650));
        lines.add(event(
                15.6,
                "resilient-producer",
                "stall",
                "topic",
                "critical_data",
                "partition",
                1,
                "from",
                ts(9.85),
                "ms",
                5750));
        lines.add(event(
                26,
                "check-delivery",
                "verdict",
                "verdict",
                "pass",
                "acknowledged",
                388,
                "read",
                388,
                "lost",
                0,
                "duplicates",
                0,
                "reordered",
                0,
                "indeterminate",
                0));
        TestCluster.events(lines);
        return lines;
    }

    Path write(String name, List<String> lines) throws IOException {
        Path file = folder.resolve(name);
        Files.createDirectories(file.getParent());
        return Files.write(file, lines);
    }

    TestCluster.Run report(Object... args) {
        return TestCluster.run(Report::run, Stream.of(args).map(String::valueOf).toArray(String[]::new));
    }

    /** What the page has been given. */
    static Map<?, ?> data(Path page) throws IOException {
        String html = Files.readString(page), from = "<script type=\"application/json\" id=\"data\">";
        int at = html.indexOf(from) + from.length();
        return (Map<?, ?>) ((List<?>) JSON.std
                        .mapFrom(html.substring(at, html.indexOf("</script>", at)))
                        .get("runs"))
                .get(0);
    }

    static Map<?, ?> map(Object o) {
        return (Map<?, ?>) o;
    }

    static List<?> list(Object o) {
        return (List<?>) o;
    }

    static double sum(Object list) {
        return list(list).stream().mapToDouble(n -> ((Number) n).doubleValue()).sum();
    }

    // ---- What is drawn ----

    @Test
    void aFolderBecomesAPageInIt() throws Exception {
        write("run/events.jsonl", run());
        write("run/ledger.jsonl", List.of("{\"ledger\":1}"));
        TestCluster.Run made = report(folder.resolve("run"), "--json");
        assertEquals(0, made.code(), made.toString());
        Path page = folder.resolve("run/report.html");
        assertEquals(page.toString(), made.events().get(0).get("at"));
        String html = Files.readString(page);
        assertFalse(html.matches("(?s).*(src|href)=\"(?!data:).*"), "refers to another file");
        assertTrue(
                html.contains("default-src 'none'") && html.contains("Copyright (c) 2022 Leon Sorokin"),
                "says that nothing is fetched, and whose uPlot is");
        Map<?, ?> run = data(page);
        long acks = run().stream().filter(l -> l.contains("\"ack\"")).count();
        assertEquals(List.of("run", (int) acks, (int) acks), List.of(run.get("name"), run.get("acks"), (int)
                sum(map(run.get("rate")).get("n"))));
        assertEquals(List.of(1, -1, 2), map(run.get("controller")).get("node"));
        assertEquals(List.of(3, -1, 4), map(run.get("controller")).get("epoch"));
        assertEquals(List.of(6, 4, 6), map(run.get("isr")).get("inSync"));
        assertEquals(List.of(List.of(9.85, 15.5)), run.get("gaps"));
        assertEquals(List.of(Map.of("t", 10.0, "node", 1, "mode", "kill", "name", "kafka01")), run.get("faults"));
        assertEquals("pass", map(run.get("verdict")).get("verdict"));
        assertEquals(
                List.of(3.0, 2.0, 1000.0),
                Stream.of("x", "from", "rate")
                        .map(f -> list(map(run.get("windows")).get(f)).get(0))
                        .toList());
        assertEquals(List.of(), run.get("summed"));
    }

    @Test
    void whatEachFaultCostIsWorkedOut() throws Exception {
        write("run/events.jsonl", run());
        report(folder.resolve("run"));
        Map<?, ?> o =
                map(list(data(folder.resolve("run/report.html")).get("outages")).get(0));
        assertEquals(
                Map.of(
                        "at",
                        10.0,
                        "lost",
                        10.2,
                        "elected",
                        12.0,
                        "firstAck",
                        15.5,
                        "allAck",
                        15.6,
                        "restored",
                        20.0,
                        "shrunk",
                        13.0,
                        "inSync",
                        22.0),
                o.entrySet().stream()
                        .filter(e -> !List.of("node", "name", "mode", "wasController", "gapFrom")
                                .contains(e.getKey()))
                        .collect(Collectors.toMap(Map.Entry::getKey, Map.Entry::getValue)));
        assertEquals(true, o.get("wasController"));
    }

    /** The lab's stream ends with what outages says, and that is what the page says; without it both come to the same of what both see. */
    @Test
    void itAgreesWithOutages() throws Exception {
        List<String> lines = new ArrayList<>(run());
        Path events = write("run/events.jsonl", lines);
        report(folder.resolve("run"));
        Map<?, ?> own =
                map(list(data(folder.resolve("run/report.html")).get("outages")).get(0));
        Outage o = OutageAnalysis.of(events.toFile()).outages().get(0);
        double at = ((Number) own.get("at")).doubleValue();
        Map<String, Double> theirs = Map.of(
                "elected",
                o.since(o.moments().elected().at()),
                "firstAck",
                o.since(o.moments().firstAck()),
                "allAck",
                o.since(o.moments().lastAck()),
                "inSync",
                o.since(o.moments().inSync()));
        theirs.forEach((key, ms) -> assertEquals(
                ms / 1000, ((Number) own.get(key)).doubleValue() - at, 0.1, key + " of " + own + " and " + o));

        TestCluster.Run outages = TestCluster.run(Outages::run, events.toString(), "--json");
        lines.addAll(outages.out()
                .lines()
                .map(l -> l.replaceFirst("\"electedMs\":[\\d.]+", "\"electedMs\":1234.0")
                        .replaceFirst("\"inSyncMs\":[\\d.]+", "\"inSyncMs\":null"))
                .toList());
        assertTrue(lines.stream().anyMatch(l -> l.contains("\"electedMs\":1234.0,")), outages.toString());
        lines.add(
                lines.get(lines.size() - 2).replaceFirst("\"at\":\"[^\"]*", "\"at\":\"" + ts(11))); // of another fault
        write("told/events.jsonl", lines);
        assertEquals(0, report(folder.resolve("told")).code());
        Map<?, ?> page = data(folder.resolve("told/report.html")),
                told = map(list(page.get("outages")).get(0));
        assertEquals(11.234, told.get("elected"), "as outages says");
        assertFalse(told.containsKey("inSync"), "which is nothing");
        assertEquals(o.worst().ms(), map(told.get("gap")).get("ms"));
        assertEquals(Map.of("availability", 1), page.get("undrawn"));
        assertEquals(0, page.get("damaged"));
    }

    @Test
    void leadersAreThoseOfTheStreamAndNotGuessed() throws Exception {
        List<String> lines = new ArrayList<>(run());
        lines.add(event(16, "watch-isr", "offline", "topic", "critical_data", "partition", 1));
        lines.add(event(
                17,
                "watch-leaders",
                "leader",
                "topic",
                "critical_data",
                "partition",
                0,
                "leader",
                3,
                "leaderEpoch",
                5,
                "isr",
                List.of(3, 2),
                "replicas",
                List.of(1, 2, 3)));
        lines.sort(Comparator.comparing(l -> l.substring(7, 33)));
        write("run/events.jsonl", lines);
        report(folder.resolve("run"));
        List<?> parts = list(data(folder.resolve("run/report.html")).get("partitions"));
        assertEquals(
                List.of(1, -2, 3),
                map(parts.get(0)).get("leader"),
                "node 1 leaves the brokers at 13 s, and who leads is not known until it is said");
        assertEquals(List.of(2.0, 13.0, 17.0), map(parts.get(0)).get("x"));
        assertEquals(List.of(2, -1, -2), map(parts.get(1)).get("leader"));
    }

    @Test
    void aStreamOnStdinInAnyOrderIsTheSameRun() throws Exception {
        List<String> lines = run(), shuffled = new ArrayList<>(lines);
        Collections.shuffle(shuffled, new Random(6));
        shuffled.add(1, "{\"seq\":1,\"attempt\":1,\"outcome\":\"acknowledged\"}"); // a ledger's, of cat *.jsonl
        write("a/events.jsonl", lines);
        report(folder.resolve("a"));
        InputStream before = System.in;
        try {
            System.setIn(new ByteArrayInputStream(
                    String.join("\n", shuffled).getBytes(StandardCharsets.UTF_8))); // the last line has no end
            TestCluster.Run run = report("--out", folder.resolve("b.html"));
            assertEquals(0, run.code(), run.toString());
            assertEquals("", run.err());
        } finally {
            System.setIn(before);
        }
        Map<?, ?> a = data(folder.resolve("a/report.html")), b = data(folder.resolve("b.html"));
        for (String same : List.of(
                "t0",
                "end",
                "events",
                "damaged",
                "acks",
                "rate",
                "controller",
                "isr",
                "gaps",
                "faults",
                "phases",
                "outages",
                "windows",
                "partitions")) assertEquals(a.get(same), b.get(same), same);
    }

    @Test
    void theLatencyLogIsDrawn() throws Exception {
        write("run/events.jsonl", run());
        try (PrintStream out = new PrintStream(folder.resolve("run/perf.hlog").toFile())) {
            HistogramLogWriter log = new HistogramLogWriter(out);
            log.outputLogFormatVersion();
            for (String tag : new String[] {null, "response"}) {
                Histogram h = new Histogram(3);
                for (int i = 1; i <= 10_000; i++) h.recordValue(i * (tag == null ? 1 : 10));
                h.setTag(tag);
                log.outputIntervalHistogram(0, 1, h, 1000);
            }
        }
        report(folder.resolve("run"));
        Map<?, ?> curves = map(data(folder.resolve("run/report.html")).get("curves"));
        assertEquals(Set.of("service", "response", "acknowledgements"), curves.keySet());
        assertEquals(5.0, ((Number) map(curves.get("service")).get("p50")).doubleValue(), 0.01);
        assertEquals(99.0, ((Number) map(curves.get("response")).get("p99")).doubleValue(), 0.1);
        Files.writeString(folder.resolve("run/perf.hlog"), "nonsense\n1,2\n");
        TestCluster.Run damaged = report(folder.resolve("run"));
        assertEquals(0, damaged.code(), damaged.toString());
        assertTrue(damaged.err().contains("perf.hlog is damaged"), damaged.err());
    }

    @Test
    void severalRunsAreOnePage() throws Exception {
        write("a/events.jsonl", run());
        write("b/events.jsonl", run().subList(0, 30));
        TestCluster.Run made =
                report(folder.resolve("a"), folder.resolve("b"), "--out", folder.resolve("both.html"), "--json");
        assertEquals(0, made.code(), made.toString());
        assertEquals(2, made.events().get(0).get("runs"));
    }

    // ---- What comes from elsewhere stays text ----

    @Test
    void nothingInAStreamEndsItsElement() throws Exception {
        String evil = "</script><script>alert(1)</script><img src=x onerror=alert(2)>\u2028\u2029 & \" ' $SCRIPT";
        List<String> lines = new ArrayList<>(run());
        lines.add(event(
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
        lines.add(event(
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
        lines.add(event(6, evil, evil, "phase", evil));
        write("run <b>x/events.jsonl", lines);
        TestCluster.Run run = report(folder.resolve("run <b>x"));
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
        assertTrue(String.valueOf(data(page).get("errors")).contains(evil), "it is there as it was");
    }

    // ---- What is missing or damaged ----

    @Test
    void damagedLinesAreCountedAndSaid() throws Exception {
        List<String> lines = new ArrayList<>(run());
        int good = lines.size();
        lines.addAll(
                1,
                List.of(
                        "{\"ts\":\"2026-11-23T12:00:00",
                        "nonsense",
                        "[1]",
                        "{\"ts\":\"1970-01-01T00:00:00.000000Z\",\"source\":\"lab\",\"type\":\"ack\"}",
                        event(1, "x", "ack", "seq", 1, "partition", 0, "latencyUs", "slow"),
                        event(1, "x", "isr", "inSync", 3),
                        event(1, "x", "ack", "seq", 1),
                        "{\"ts\":\"2026-13-45T12:00:00.000000Z\",\"type\":\"ack\"}",
                        event(1, "x", "phase", "phase", "p", "state", "start") + "{}",
                        "[".repeat(5000),
                        "x".repeat(3_000_000)));
        lines.add(event(3, "x", "of-another-day", "a", Map.of("b", List.of(1, 2.5, true, "c"))));
        write("run/events.jsonl", lines);
        TestCluster.Run run = report(folder.resolve("run"));
        assertEquals(0, run.code(), run.toString());
        assertTrue(run.err().contains("11 damaged lines are left out"), run.err());
        Map<?, ?> data = data(folder.resolve("run/report.html"));
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
        write("run/events.jsonl", run());
        refused(1, "Cannot write the page", folder.resolve("run"), "--out", folder.resolve("no/such/folder/x.html"));
        refused(1, "Cannot write the page", folder.resolve("run"), "--out", folder.resolve("run"));
        Files.writeString(folder.resolve("one.jsonl"), run().get(0));
        assertEquals(
                0,
                report(folder.resolve("one.jsonl"), "--out", folder.resolve("one.html"))
                        .code());
    }

    private void refused(int code, String says, Object... args) {
        TestCluster.Run run = report(args);
        assertEquals(code, run.code(), run.toString());
        assertTrue(
                run.err().contains(says)
                        && run.err().strip().lines().count() == 1
                        && run.out().isEmpty(),
                run.toString());
    }

    // ---- Size ----

    /** Ten million acknowledgements, and a day of events, each some kind of state change; from a generator, so that no file of their size is needed. */
    @Tag("slow")
    @Test
    void millionsOfEventsAreSummedUpInBoundedMemory() throws Exception {
        long acks = Long.getLong("kraft-lab.acks", 2_000_000); // ten million: the same in five times the time
        InputStream many = lines(
                acks,
                i -> "{\"ts\":\"" + fast(i * 36) + "\",\"source\":\"resilient-producer\",\"type\":\"ack\",\"seq\":" + i
                        + ",\"attempt\":1,\"topic\":\"critical_data\",\"partition\":" + i % 8 + ",\"offset\":" + i / 8
                        + ",\"latencyUs\":" + (i % 1000 == 7 ? 90_000 : 2_000 + i % 977) + "}\n");
        Map<?, ?> run = bounded(many);
        assertEquals((double) acks, sum(map(run.get("rate")).get("n")));
        assertNull(run.get("single"));
        assertEquals(
                90_000,
                list(map(run.get("delays")).get("max")).stream()
                        .mapToInt(n -> (Integer) n)
                        .max()
                        .orElse(0));
        assertTrue(
                String.valueOf(run.get("summed"))
                        .contains("of " + acks + " acknowledgements the latency is shown as mean and maximum"),
                "" + run.get("summed"));
        assertEquals(
                2.5,
                ((Number) map(map(run.get("curves")).get("acknowledgements")).get("p50")).doubleValue(),
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
            "\"type\":\"send-error\",\"seq\":1,\"attempt\":1,\"error\":\"E%d\",\"message\":\"m\",\"outcome\":\"failed\"",
            "\"type\":\"perf-window\",\"records\":5000,\"recordsPerSec\":1000,\"mbPerSec\":1,\"avgMs\":3,\"maxMs\":%d,\"p50Ms\":2,\"p99Ms\":5",
            "\"type\":\"ack\",\"seq\":1,\"attempt\":1,\"topic\":\"t\",\"partition\":0,\"offset\":1,\"latencyUs\":3000",
            "\"type\":\"kind-%d\""
        };
        int worst = 432_100; // one look among a day's in which a partition was offline
        InputStream day = lines(864_000, i -> {
            String kind = kinds[(int) (i % 10)], at = fast(i * 100_000);
            Object[] values = i % 10 == 0
                    ? new Object[] {i == worst ? 15 : 16, i % 7, 48 - i % 7}
                    : i % 10 == 1
                            ? new Object[] {1 + i / 10 % 3, i / 10}
                            : i % 10 == 3
                                    ? new Object[] {at}
                                    : i % 10 == 5 ? new Object[] {i / 10 % 3000, i % 64} : new Object[] {i % 900};
            return "{\"ts\":\"" + at + "\",\"source\":\"lab\"," + String.format(kind, values) + "}\n";
        });
        Map<?, ?> run = bounded(day);
        assertEquals(864_000, run.get("events"));
        assertEquals(86_400.0, ((Number) run.get("end")).doubleValue(), 1);
        assertTrue(list(map(run.get("isr")).get("online")).contains(15), "the worst look survives");
        assertEquals(86_400.0, sum(map(run.get("rate")).get("n")));
        for (String said : List.of(
                "counted over 32 s",
                "only the worst and the last",
                "gaps the longest 1000",
                "partitions 48 are drawn",
                "faults and restorations are not drawn"))
            assertTrue(String.valueOf(run.get("summed")).contains(said), said + " in " + run.get("summed"));
    }

    /** The page of a stream, read in a JVM with 64 MB; it is under 5 MB. */
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
            /* its exit code tells */
        }
        assertEquals(0, p.waitFor(), Files.readString(said));
        assertTrue(Files.size(page) < 5_000_000, "the page has " + Files.size(page) + " bytes");
        return data(page);
    }

    private static final long BASE = T0.getEpochSecond() * 1_000_000;

    static String fast(long us) {
        long s = (BASE + us) / 1_000_000 % 86_400,
                day = 23 + ((BASE + us) / 1_000_000 - BASE / 1_000_000 + 43_200) / 86_400;
        return new StringBuilder(27)
                .append("2026-11-")
                .append(day)
                .append('T')
                .append(two(s / 3600))
                .append(':')
                .append(two(s / 60 % 60))
                .append(':')
                .append(two(s % 60))
                .append('.')
                .append(String.valueOf(1_000_000 + us % 1_000_000), 1, 7)
                .append('Z')
                .toString();
    }

    private static String two(long n) {
        return n < 10 ? "0" + n : "" + n;
    }

    /** A stream that is made while it is read. */
    static InputStream lines(long n, java.util.function.LongFunction<String> line) {
        return new InputStream() {
            private byte[] chunk = {};
            private int at;
            private long i;

            @Override
            public int read() {
                throw new UnsupportedOperationException();
            }

            @Override
            public int read(byte[] to, int offset, int length) {
                if (at == chunk.length) {
                    if (i == n) return -1;
                    StringBuilder text = new StringBuilder();
                    for (long end = Math.min(n, i + 200); i < end; i++) text.append(line.apply(i));
                    chunk = text.toString().getBytes(StandardCharsets.UTF_8);
                    at = 0;
                }
                int some = Math.min(length, chunk.length - at);
                System.arraycopy(chunk, at, to, offset, some);
                at += some;
                return some;
            }
        };
    }
}
