import static org.junit.jupiter.api.Assertions.*;

import com.fasterxml.jackson.jr.ob.JSON;
import java.nio.file.*;
import java.time.Duration;
import java.util.*;
import java.util.regex.*;
import java.util.stream.*;
import org.junit.jupiter.api.*;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.*;

/**
 * Tests what scripts draw in a real terminal (tmux): no line wraps at any width or after a resize, and a pipe gets no
 * control character.
 */
@Order(96)
class ScreenTest {
    private static final Path LEDGER = TestCluster.HOME.resolve("screen.ledger.jsonl");
    private static final String BAR = "\\[#* *\\] \\d+%  .* left";

    private Terminal terminal;

    @AfterEach
    void end() throws Exception {
        if (terminal != null) terminal.close();
    }

    // ---- Without a terminal ----

    @Test
    void linesAreCutByDisplayWidth() {
        for (String line : List.of(
                "plain ascii and long enough to be cut",
                "\u63a7\u5236\u5668\u63a7\u5236\u5668\u63a7\u5236\u5668",
                "e\u0301e\u0301e\u0301e\u0301 accents of their own e\u0301",
                "\u043b\u0438\u0434\u0435\u0440 \u043f\u0430\u0440\u0442\u0438\u0446\u0438\u0438",
                "\ud83d\ude00\ud83d\ude00\ud83d\ude00 \ud83d\ude00"))
            for (int columns = 3; columns < 40; columns++) {
                String cut = WatchIsr.Screen.cut(line, columns);
                assertTrue(WatchIsr.Screen.width(cut) <= columns, cut + " at " + columns);
                assertEquals(WatchIsr.Screen.width(line) <= columns, cut.equals(line), cut + " at " + columns);
            }
        assertEquals(
                "a?[31mb?",
                WatchIsr.Screen.cut("a\033[31mb\n", 20),
                "nothing that comes from elsewhere controls the terminal");
        assertEquals(
                List.of(6, 4, 5),
                Stream.of("\u63a7\u5236\u5668", "e\u0301e\u0301e\u0301e", "abcde")
                        .map(WatchIsr.Screen::width)
                        .toList());
    }

    @Test
    void linesAreFoldedAtWordsAndTablesCut() {
        String command = "   $ perf --topic test_topic --num-records 1000 --throughput -1 --record-size 1000",
                prose = "   All 8 partitions acknowledge 13.08 s after the kill, which is a long time.";
        for (int width = 40; width < 90; width++) {
            for (String line : List.of(command, prose)) {
                List<String> rows = LabScreen.fold(line, width).lines().toList();
                for (String row : rows)
                    assertTrue(row.length() <= width && row.startsWith("   "), row + " at " + width);
                assertEquals(
                        line.strip(),
                        String.join(
                                " ",
                                rows.stream()
                                        .map(r -> r.strip().replaceAll(" \\\\$", ""))
                                        .toList()),
                        "no word is lost at " + width);
                if (line == command)
                    for (String row : rows.subList(0, rows.size() - 1)) assertTrue(row.endsWith(" \\"), row);
            }
            assertEquals(
                    1,
                    LabScreen.fold("   read committed    2       hangs          3308  no answer to anything", width)
                            .lines()
                            .count());
        }
        assertEquals(prose, LabScreen.fold(prose, 200));
    }

    @Test
    void timeLeftIsSaidAsNearAsItIsKnown() {
        assertEquals(
                List.of("? s left", "30 s left", "3 min left", "0 s left"),
                Stream.of(new double[] {0, 5}, new double[] {0.25, 10}, new double[] {0.1, 15}, new double[] {1, 10})
                        .map(x -> WatchIsr.Screen.left(x[0], x[1]))
                        .toList());
    }

    // ---- watch-isr ----

    /** Starts at 60 columns and is redrawn at up to 200 while the node is dead. */
    @Tag("screen")
    @Test
    void watchIsrRedrawsThroughAKill() throws Exception {
        int width = 60;
        TestCluster.healthy();
        for (String topic : List.of("screen_a", "screen_with_a_name_that_is_far_too_long_for_sixty_columns"))
            TestCluster.createTopic(topic, "--if-not-exists");
        terminal = Terminal.of(
                width,
                "NO_COLOR=",
                "",
                WatchIsr.class,
                "--topic",
                "screen_a",
                "--topic",
                "screen_with_a_name_that_is_far_too_long_for_sixty_columns");
        terminal.await(
                "all in sync",
                s -> viewIsWhole(s) && s.contains("\nin-sync replicas 48 of 48 | URP 0 | offline 0 of 16\n"));
        int victim = TestCluster.follower();
        assertEquals(0, TestCluster.killNode("" + victim).code());
        terminal.await(
                "the node is fenced",
                s -> viewIsWhole(s)
                        && s.contains(victim + "     refuses  fenced        0\n")
                        && s.contains("in-sync replicas 32 of 48 | URP 16 | offline 0 of 16"));
        assertTrue(terminal.capture("-e").contains("\033[31mfenced"), "in red: " + terminal.capture("-e"));
        for (int other : new int[] {60, 130, 61, 200, width}) {
            terminal.resize(other);
            String before = seconds(terminal.text());
            terminal.await(
                    "redrawn at " + other, s -> viewIsWhole(s) && !seconds(s).equals(before));
        }
        assertEquals(0, TestCluster.startNode("" + victim).code());
        terminal.await(
                "in sync again",
                s -> viewIsWhole(s) && s.contains("\nin-sync replicas 48 of 48 | URP 0 | offline 0 of 16\n"));
        assertTrue(
                Pattern.compile("(?m)^[\\d:.]{12} " + victim + " left 16 \\| ")
                        .matcher(terminal.text())
                        .find(),
                "the changes stand above: " + terminal.text());
        terminal.keys("C-c");
        terminal.await("its end", s -> s.contains("EXIT 130"));
        assertTrue(
                Pattern.compile("TOPIC .*\n"
                                + "screen_\\S+ +24 of 24 +0 +0\n"
                                + "screen_\\S+ +24 of 24 +0 +0\n"
                                + "Watched for \\d+\\.\\d s, \\d+ changes\\.\n"
                                + "EXIT 130\n")
                        .matcher(terminal.text())
                        .find(),
                terminal.text());
        terminal.isUsable();
    }

    private static String seconds(String text) {
        Matcher m = Pattern.compile("\\| (\\d+) s\n").matcher(text);
        return m.find() ? m.group(1) : "";
    }

    /** Returns whether the view is there exactly once, with all its lines in order. */
    private boolean viewIsWhole(String text) {
        String row = "\\d     (answers|refuses|silent ) *(up|fenced) +\\d+(  active controller)?\n";
        Matcher view = Pattern.compile("(controller \\d epoch \\d+|no active controller since [\\d:]+) \\| \\d+ s\n"
                        + "in-sync replicas \\d+ of \\d+ \\| URP \\d+ \\| offline \\d+ of \\d+\n"
                        + "NODE .*\n"
                        + "("
                        + row + "){3}TOPIC .*\n(screen\\S+ +\\d+ of \\d+ +\\d+ +\\d+\n){2}")
                .matcher(text);
        return view.find()
                && Pattern.compile("(?m)^NODE ").matcher(text).results().count() == 1;
    }

    @Tag("screen")
    @ParameterizedTest
    @CsvSource({"TERM=dumb, ''", "NO_COLOR=, ' | cat'", "NO_COLOR=, ' 2>&1 | cat'"})
    void elsewhereItPrintsPlainLines(String environment, String pipe) throws Exception {
        TestCluster.healthy();
        TestCluster.createTopic("screen_a", "--if-not-exists");
        Path copy = TestCluster.HOME.resolve("plain" + System.nanoTime());
        terminal = Terminal.of(
                200,
                environment,
                pipe + (pipe.isEmpty() ? "" : " | tee " + copy),
                WatchIsr.class,
                "--topic",
                "screen_a");
        terminal.await("its first line", s -> s.contains("in-sync replicas 24 of 24 (screen_a 24 of 24)"));
        terminal.keys("C-c");
        terminal.await("its end", s -> s.contains("EXIT"));
        assertEquals(
                1,
                terminal.text().lines().filter(l -> l.contains("24 of 24")).count(),
                "one line and no view: " + terminal.text());
        if (!pipe.isEmpty()) isPlain(Files.readString(copy));
    }

    @Tag("screen")
    @Test
    void withoutColoursItRedrawsAllTheSame() throws Exception {
        TestCluster.healthy();
        terminal = Terminal.of(60, "NO_COLOR=1", "", WatchIsr.class);
        terminal.await(
                "the view",
                s -> s.contains("active controller")
                        && Pattern.compile("\\| ([2-9]|\\d\\d+) s\n").matcher(s).find());
        assertFalse(terminal.capture("-e").contains("\033["), terminal.capture("-e"));
    }

    // ---- Progress bars ----

    @Tag("screen")
    @Test
    void longWorkHasABar() throws Exception {
        TestCluster.healthy();
        TestCluster.createTopic("screen_a", "--if-not-exists");
        Files.deleteIfExists(LEDGER);
        TestCluster.Run producer = TestCluster.run(
                ResilientProducer::run,
                "--topic",
                "screen_a",
                "--rate",
                "20000",
                "--count",
                "40000",
                "--ledger",
                LEDGER.toString());
        assertEquals(0, producer.code(), producer.toString());
        for (int width : new int[] {60, 200}) {
            terminal = Terminal.of(
                    width,
                    "NO_COLOR=",
                    "",
                    PerfTest.class,
                    "--topic",
                    "screen_a",
                    "--num-records",
                    "20000",
                    "--throughput",
                    "10000",
                    "--record-size",
                    "100",
                    "--reporting-interval",
                    "1000");
            bars("records/s");
            assertTrue(terminal.lines().contains("20000 records sent, "), terminal.lines());
            terminal.close();
        }
        terminal = Terminal.of(60, "NO_COLOR=", "", CheckDelivery.class, LEDGER.toString());
        bars("(records/s|ledger)");
        terminal.close();
        terminal = Terminal.of(60, "NO_COLOR=", "", CheckTopic.class, "--topic", "screen_a");
        bars("records/s");
    }

    @Tag("screen")
    @Tag("soak")
    @Test
    void theMatrixHasABarAndCtrlCEndsIt() throws Exception {
        TestCluster.healthy();
        terminal = Terminal.of(
                60,
                "NO_COLOR=",
                "",
                FailoverMatrix.class,
                "--acks",
                "1,all",
                "--min-isr",
                "2",
                "--fault",
                "stop-leader",
                "--repeat",
                "2",
                "--fault-duration",
                "500ms",
                "--data-dir",
                TestCluster.DATA,
                "--out",
                TestCluster.HOME.resolve("matrix" + System.nanoTime()).toString());
        terminal.await(
                "the second run",
                s -> Pattern.compile("(?m)^\\[#+ +\\] 25%  1 of 4 runs, \\d+ s in this one, (\\d+ s|\\d+ min) left$")
                        .matcher(s)
                        .find());
        assertTrue(terminal.text().contains("longest gap"), "what was said stands above: " + terminal.text());
        terminal.keys("C-c");
        terminal.await("its end", s -> s.contains("EXIT 130"));
        assertFalse(Pattern.compile(BAR).matcher(terminal.text()).find(), terminal.text());
        terminal.isUsable();
        TestCluster.healthy();
    }

    /**
     * Waits for the end, and asserts that there was a bar, that it always fitted into the line, and that it is gone.
     */
    private void bars(String what) throws Exception {
        terminal.await("its end", Duration.ofMinutes(3), s -> s.contains("EXIT 0"));
        List<String> drawn = Pattern.compile("\r\033\\[K(\\[[^\033\r\n]*)")
                .matcher(terminal.raw())
                .results()
                .map(r -> r.group(1))
                .toList();
        assertFalse(drawn.isEmpty(), "no bar: " + terminal.raw());
        for (String bar : drawn)
            assertTrue(bar.matches(BAR.replace(".*", ".*" + what + ".*")) && bar.length() < terminal.width, bar);
        assertFalse(Pattern.compile(BAR).matcher(terminal.lines()).find(), "is left behind: " + terminal.lines());
        terminal.isUsable();
    }

    // ---- lab ----

    /**
     * Uses Russian, which is wider than English. A folder takes the page's name, so only the page cannot be written.
     */
    @Tag("screen")
    @Test
    void theLabShowsWhatGoesOnInRussianAndLeavesItsTextInOrder() throws Exception {
        TestCluster.down();
        Path out = TestCluster.HOME.resolve("r1");
        Files.createDirectories(out.resolve("report.html"));
        terminal = Terminal.of(
                60,
                "NO_COLOR=",
                "",
                Lab.class,
                "--lang",
                "ru",
                "--timeouts",
                "fast",
                "--records",
                "1000",
                "--wait-duration",
                "1s",
                "--out",
                out.toString(),
                "--data-dir",
                TestCluster.HOME.resolve("lab").toString());
        String spark =
                "(?m)^\u043f\u043e\u0434\u0442\u0432\u0435\u0440\u0436\u0434\u0435\u043d\u0438\u0439/\u0441 +\\d+"
                        + " [\u2581-\u2588_.:\\-=+*#]{2,}";
        String kill = LabJournal.messages("ru").text("classic.first");
        terminal.await(
                "the first kill",
                s -> Pattern.compile(spark).matcher(s).find()
                        && s.contains(kill + " | ")
                        && Pattern.compile("(?m)^-{59}$").matcher(s).results().count() == 1);
        terminal.resize(200);
        terminal.await(
                "the wider view",
                s -> Pattern.compile("(?m)^-{199}$").matcher(s).results().count() == 1
                        && Pattern.compile(
                                        "quorum lost, metadata frozen since [\\d:]+ \\| up \\d \\| refuses \\d,\\d\n")
                                .matcher(s)
                                .find());
        terminal.await("its end", Duration.ofMinutes(3), s -> s.contains("EXIT 0"));
        String all = terminal.history();
        assertTrue(all.contains("\nPASS: "), all);
        for (int step = 1; step <= 14; step++)
            assertEquals(
                    1,
                    Pattern.compile("(?m)^" + step + "\\. \\S")
                            .matcher(all)
                            .results()
                            .count(),
                    "step " + step + " once in " + all);
        assertFalse(
                Pattern.compile(spark + "|(?m)^-{59,}$").matcher(all).find(),
                "something of the view is left in " + all);
        isRussian(out, all);
        terminal.isUsable();
    }

    /**
     * Sends stderr to a file and stdout into a pipe, although there is a terminal. The matrix has a test of its own.
     */
    @Tag("screen")
    @Test
    void pipedOutputHasNoControlCharacter() throws Exception {
        TestCluster.healthy();
        TestCluster.createTopic("screen_a", "--if-not-exists");
        Path home = TestCluster.HOME,
                out = home.resolve("piped.out"),
                err = home.resolve("piped.err"),
                look = Files.writeString(home.resolve("look.txt"), "probe\n"),
                run = home.resolve("r2");
        Object[][] scripts = {
            {
                Lab.class,
                "--lang",
                "ru",
                "--scenario",
                look.toString(),
                "--records",
                "1000",
                "--out",
                run.toString(),
                "--data-dir",
                TestCluster.DATA
            },
            {
                PerfTest.class,
                "--topic",
                "screen_a",
                "--num-records",
                "30000",
                "--throughput",
                "10000",
                "--record-size",
                "100"
            },
            {CheckDelivery.class, run.resolve("ledger.jsonl").toString()},
            {CheckTopic.class, "--topic", "critical_data"},
            {WatchIsr.class, "--until", "in-sync"}
        };
        for (Object[] script : scripts) {
            terminal = Terminal.of(
                    60,
                    "NO_COLOR=",
                    " 2> " + err + " | cat > " + out,
                    (Class<?>) script[0],
                    Arrays.copyOfRange(script, 1, script.length, String[].class));
            terminal.await("its end", Duration.ofMinutes(3), s -> s.contains("EXIT "));
            assertTrue(terminal.text().contains("EXIT 0"), () -> List.of(script).toString());
            terminal.close();
            terminal = null;
            isPlain(Files.readString(out), Files.readString(err));
            assertFalse(Files.readString(out).isBlank(), script[0] + " printed nothing");
            if (script[0] == Lab.class) speaksRussian(Files.readString(out));
        }
    }

    private static void isRussian(Path folder, String terminal) throws Exception {
        assertTrue(
                terminal.contains("\n"
                        + "\u0421\u0442\u0440\u0430\u043d\u0438\u0446\u0443 report.html"
                        + " \u0441\u0434\u0435\u043b\u0430\u0442\u044c \u043d\u0435"
                        + " \u0443\u0434\u0430\u043b\u043e\u0441\u044c, \u0432\u0441\u0451"
                        + " \u043e\u0441\u0442\u0430\u043b\u044c\u043d\u043e\u0435"
                        + " \u0433\u043e\u0442\u043e\u0432\u043e: "),
                terminal);
        String notebook = Files.readString(folder.resolve("notebook.md"));
        LabTest.isRussian(notebook);
        assertTrue(
                notebook.startsWith("# \u0427\u0442\u043e \u043f\u0440\u043e\u0438\u0441\u0445\u043e\u0434\u0438\u0442,"
                                + " \u043a\u043e\u0433\u0434\u0430 \u0443\u043c\u0438\u0440\u0430\u0435\u0442"
                                + " \u0443\u0437\u0435\u043b Kafka\n")
                        && notebook.contains(" --lang ru`"),
                notebook);
        assertEquals(16, notebook.lines().filter(l -> l.startsWith("## ")).count(), notebook);
        assertEquals(
                3,
                LabChartsTest.blocks(notebook).stream()
                        .filter(c -> LabChartsTest.check(c) > 1)
                        .count(),
                notebook);
        Map<String, Object> verdict =
                JSON.std.mapFrom(folder.resolve("verdict.json").toFile());
        assertEquals("pass", verdict.get("verdict"));
        assertTrue(
                verdict.get("text")
                        .toString()
                        .startsWith("PASS: \u043a\u0430\u0436\u0434\u0430\u044f"
                                + " \u043f\u043e\u0434\u0442\u0432\u0435\u0440\u0436\u0434"
                                + "\u0451\u043d\u043d\u0430\u044f"
                                + " \u0437\u0430\u043f\u0438\u0441\u044c "),
                verdict.toString());
    }

    /** Asserts that all but the output of tools is in Russian. */
    private static void speaksRussian(String out) {
        List<String> english = out.lines()
                .filter(l -> l.matches(".*[A-Za-z]{3}.*")
                        && !Pattern.compile("\\p{IsCyrillic}").matcher(l).find())
                .filter(l -> !l.matches(" +\\$ .*|.* records sent, .*|"
                        + " +(QUESTION|describe|metadata|produce|read|create|alter|group|transaction|txn)"
                        + " .*"))
                .toList();
        assertEquals(List.of(), english);
    }

    static void isPlain(String... texts) {
        for (String text : texts)
            assertEquals(
                    List.of(),
                    text.chars()
                            .filter(c -> c < 32 && c != '\n' || c == 127)
                            .boxed()
                            .toList(),
                    "control characters in " + text);
    }
}
