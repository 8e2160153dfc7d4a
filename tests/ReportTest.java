import static org.junit.jupiter.api.Assertions.*;

import com.fasterxml.jackson.jr.ob.JSON;
import java.io.*;
import java.nio.charset.StandardCharsets;
import java.nio.file.*;
import java.time.*;
import java.time.format.DateTimeFormatter;
import java.util.*;
import java.util.function.LongFunction;
import java.util.stream.*;
import org.HdrHistogram.*;
import org.junit.jupiter.api.*;
import org.junit.jupiter.api.io.TempDir;

/** Tests what report draws of a run and works out from it, and that it agrees with outages. */
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

    /**
     * Returns a run with two partitions: the controller dies at 10 s, 5.5 s of silence follow, it is back at 20 s and
     * in sync at 22 s. Its events are validated against docs/events.md.
     */
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

    private Path write(String name, List<String> lines) throws IOException {
        return write(folder.resolve(name), lines);
    }

    static Path write(Path file, List<String> lines) throws IOException {
        Files.createDirectories(file.getParent());
        return Files.write(file, lines);
    }

    static TestCluster.Run report(Object... args) {
        return TestCluster.run(Report::run, Stream.of(args).map(String::valueOf).toArray(String[]::new));
    }

    /** Returns the data that the page was given. */
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

    /**
     * The lab's stream ends with the results of outages, and the page shows those. Without them, report comes to the
     * same results for what both see.
     */
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

    /** Returns a stream that is generated while it is read. */
    static InputStream lines(long n, LongFunction<String> line) {
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
