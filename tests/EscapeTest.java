import static org.junit.jupiter.api.Assertions.*;

import java.io.*;
import java.lang.reflect.*;
import java.nio.ByteBuffer;
import java.nio.file.*;
import java.util.*;
import org.junit.jupiter.api.*;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * Proves that no name from a cluster or a file controls the terminal, forges a line, or ends a table cell or code
 * block.
 */
class EscapeTest {
    /**
     * A colour, a window title, a line break, a text direction, and a one-byte control that terminals read as ESC [.
     */
    static final String HOSTILE = "\033[31m\033]0;owned\007\r\nPASS: all\u202e\u009b2J";

    static List<ContractTest.Alias> scripts() throws Exception {
        return ContractTest.scripts();
    }

    static void assertHarmless(String text) {
        assertFalse(
                text.replace(System.lineSeparator(), "\n")
                        .chars()
                        .anyMatch(c -> c != '\n' && c != '\t' && (Character.isISOControl(c) || c == 0x202e)),
                () -> "a control character in: " + text);
        assertFalse(text.lines().anyMatch(l -> l.startsWith("PASS")), () -> "a forged line in: " + text);
    }

    /** A script escapes its output whatever writer it is given, the terminal's included. */
    @ParameterizedTest(name = "{0}")
    @MethodSource("scripts")
    void noControlCharacterGetsThrough(ContractTest.Alias script) throws Exception {
        Object instance = script.instance(), common = ContractTest.common(instance);
        StringWriter out = new StringWriter(), err = new StringWriter();
        ContractTest.method(common.getClass(), "commandLine")
                .invoke(common, instance, new PrintWriter(out, true), new PrintWriter(err, true));
        for (String stream : List.of("out", "err")) {
            PrintWriter writer = (PrintWriter) field(common, stream);
            writer.println("a" + HOSTILE.replace("\n", "").replace("PASS", ""));
            writer.printf(Locale.ROOT, "%s%n", "\033[2J");
            writer.append('\033').append("\033c").println(new char[] {'\033', 'x'});
            writer.write("kept: \t\u00e4\u0416\u4e2d\n");
        }
        for (StringWriter written : List.of(out, err)) {
            assertHarmless(written.toString());
            assertTrue(
                    written.toString().contains("\\u001b[31m")
                            && written.toString().endsWith("kept: \t\u00e4\u0416\u4e2d\n"),
                    written.toString());
        }
        err.getBuffer().setLength(0);
        Method say = ContractTest.method(common.getClass(), "say");
        say.invoke(common, "Topic %s has %d partitions", new Object[] {HOSTILE, 8});
        assertHarmless(err.toString());
        assertTrue(
                err.toString().contains("has 8 partitions")
                        && err.toString().lines().count() == 1,
                err.toString());
        err.getBuffer().setLength(0);
        Method explain = ContractTest.method(common.getClass(), "explain");
        for (Exception problem : List.of(
                new KillNode.Exit(1, "No topic " + HOSTILE),
                new IllegalStateException(HOSTILE),
                new org.apache.kafka.common.errors.InvalidTopicException(HOSTILE),
                new org.apache.kafka.common.errors.SaslAuthenticationException(HOSTILE),
                new org.apache.kafka.common.config.ConfigException(HOSTILE))) explain.invoke(common, problem);
        assertHarmless(err.toString());
        assertEquals(5, err.toString().lines().count(), err.toString());
    }

    /** The escaping writer notices when the reader of stdout has closed it. */
    @Test
    void aClosedStreamIsNoticed() throws Exception {
        FindController script = new FindController();
        PrintWriter closed = new PrintWriter(new Writer() {
            @Override
            public void write(char[] chars, int from, int length) throws IOException {
                throw new IOException("closed");
            }

            @Override
            public void flush() {}

            @Override
            public void close() {}
        });
        script.common.configure(script, closed, closed);
        script.common.out.println("x");
        assertTrue(script.common.out.checkError());
    }

    @Test
    void aBrokersAddressIsHarmless() throws Exception {
        try (ReachTest.Planted port = new ReachTest.Planted(ReachTest.Kind.LOST, HOSTILE)) {
            TestCluster.Run e = TestCluster.run(FindController::run, "-b", port.address(), "--timeout", "2s");
            assertEquals(10, e.code(), e.err());
            assertTrue(e.err().contains("advertises [\\u001b[31m"), e.err());
            assertHarmless(e.err());
        }
    }

    @Test
    void whatAProbeFindsIsHarmless() {
        List<String> table = ProbeTable.lines(List.of(new ProbeAnswer(
                "describe topics",
                0,
                new ProbeAnswer.Result(ProbeAnswer.Outcome.FAILS, "ApiException", HOSTILE),
                1,
                ProbeAnswer.Offsets.NONE)));
        assertHarmless(String.join("\n", table));
        assertEquals(2, table.size());
    }

    @Test
    void topicsThatAreWatchedAreHarmless() {
        WatchIsr.Snapshot seen = new WatchIsr.Snapshot(
                "2026-11-23T12:00:00.000000Z",
                new WatchIsr.Quorum(1, 1, null, null, true, false),
                List.of(1),
                Map.of(1, "answers"),
                Set.of(),
                new WatchIsr.Topics(Map.of(HOSTILE, List.of()), true, 1));
        assertHarmless(seen.state());
        assertEquals(1, seen.state().lines().count(), seen.state());
    }

    @Test
    void tagsOfALatencyLogAreHarmless(@TempDir Path folder) throws Exception {
        Path log = folder.resolve("a.hlog");
        writeLog(log, "\033[31mx\007");
        TestCluster.Run e = TestCluster.run(MergeLatency::run, log.toString());
        assertTrue(e.out().contains("\\u001b[31mx\\u0007"), e.toString());
        assertHarmless(e.out() + e.err());
    }

    /** Writes a latency log with one value, 1 ms, and this tag. */
    static void writeLog(Path log, String tag) throws IOException {
        var histogram = new org.HdrHistogram.Histogram(3);
        histogram.recordValue(1000);
        ByteBuffer bytes = ByteBuffer.allocate(histogram.getNeededByteBufferCapacity());
        String encoded = Base64.getEncoder()
                .encodeToString(Arrays.copyOf(bytes.array(), histogram.encodeIntoCompressedByteBuffer(bytes)));
        Files.writeString(
                log,
                "#[Histogram log format version 1.3]\n"
                        + "#[StartTime: 0.000 (seconds since epoch)]\n"
                        + "\"StartTimestamp\",\"Interval_Length\",\"Interval_Max\",\"Interval_Compressed_Histogram\"\n"
                        + "Tag=" + tag + ",0.000,1.000,1.000," + encoded + "\n");
    }

    @Test
    void aNotebooksTablesKeepTheirCells(@TempDir Path folder) throws Exception {
        Path events = Files.writeString(folder.resolve("events.jsonl"), outage("a|b`c\\r\\n## PASS<img>\\u001b[31m"));
        String markdown =
                new OutageTable(OutageAnalysis.of(events.toFile()), OutageTable.Gaps.ALL_PARTITIONS).markdown();
        assertTrue(markdown.contains("a\\|b"), markdown);
        assertHarmless(markdown);
        assertFalse(markdown.contains("<img") || markdown.lines().anyMatch(l -> l.startsWith("##")), markdown);
        assertHarmless(new OutageTable(OutageAnalysis.of(events.toFile()), OutageTable.Gaps.ALL_PARTITIONS).text());
    }

    /** Returns the events of a killed node and of a topic of this name that waited for it. */
    static String outage(String topic) {
        StringBuilder events = new StringBuilder();
        events.append("{\"ts\":\"2026-11-23T12:00:01.000000Z\",\"source\":\"kill-node\",\"type\":\"fault\","
                        + "\"node\":1,\"name\":\"")
                .append(topic)
                .append("\",\"mode\":\"kill\",\"runtime\":\"embedded\",\"at\":\"2026-11-23T12:00:01.000000Z\"}\n");
        for (int i = 0; i < 40; i++) {
            if (i > 10 && i < 30) continue;
            events.append(String.format(
                    Locale.ROOT,
                    "{\"ts\":\"2026-11-23T12:00:%02d.%d00000Z\",\"source\":\"resilient-producer\",\"type\":\"ack\","
                            + "\"seq\":%d,\"attempt\":1,\"topic\":\"%s\",\"partition\":0,"
                            + "\"offset\":%d,\"latencyUs\":900}\n",
                    i / 10,
                    i % 10,
                    i,
                    topic,
                    i));
        }
        return events.toString();
    }

    private static Object field(Object common, String name) throws Exception {
        Class<?> type = common.getClass();
        if (type.getSuperclass() != Object.class) type = type.getSuperclass();
        Field field = type.getDeclaredField(name);
        field.setAccessible(true);
        return field.get(common);
    }
}
