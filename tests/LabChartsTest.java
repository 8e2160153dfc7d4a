import static org.junit.jupiter.api.Assertions.*;

import com.fasterxml.jackson.jr.ob.JSON;
import java.nio.file.*;
import java.time.*;
import java.time.format.DateTimeFormatter;
import java.util.*;
import java.util.regex.*;
import java.util.stream.*;
import org.junit.jupiter.api.*;
import org.junit.jupiter.api.io.TempDir;
import org.opentest4j.TestAbortedException;

/**
 * Checks the notebook's charts: Mermaid's syntax, the figures of the run, few points, and no name that breaks the
 * syntax; Mermaid draws them where it is available.
 */
class LabChartsTest {
    private static final DateTimeFormatter TIME =
            DateTimeFormatter.ofPattern("yyyy-MM-dd HH:mm:ss.SSS").withZone(ZoneOffset.UTC);

    private static final Messages EN = LabJournal.messages("en");

    @TempDir
    Path folder;

    private String charts(List<String> lines, Messages words) throws Exception {
        Path events = Files.write(folder.resolve("events.jsonl"), lines);
        return new LabCharts(words).of(events, OutageAnalysis.of(events.toFile()));
    }

    static List<List<String>> blocks(String markdown) {
        return Pattern.compile("(?ms)^```mermaid\n(.*?)^```\n")
                .matcher(markdown)
                .results()
                .map(m -> m.group(1).lines().toList())
                .toList();
    }

    private static double[] numbers(String list) {
        return Stream.of(list.replaceAll("[\\[\\]]", "").split(", "))
                .mapToDouble(Double::parseDouble)
                .toArray();
    }

    /**
     * Fails unless the chart has the form that lab writes. Returns the points of an xychart, or the tasks of a gantt.
     */
    static int check(List<String> block) {
        assertTrue(block.get(0).matches("%%\\{init: \\{'(themeVariables|gantt)': [^%]*}}%%"), block.get(0));
        List<String> chart = block.subList(1, block.size());
        String text = String.join("\n", chart);
        assertFalse(
                text.contains("%%") || text.contains("NaN") || text.contains("Infinity") || text.contains("```"), text);
        return chart.get(0).equals("gantt") ? checkGantt(chart) : checkXychart(chart);
    }

    private static int checkGantt(List<String> chart) {
        String text = String.join("\n", chart);
        assertTrue(
                chart.get(1).matches(" +title [\\p{L}\\p{N} .,()]+")
                        && chart.get(2).equals("    dateFormat YYYY-MM-DD HH:mm:ss.SSS")
                        && chart.get(3).equals("    axisFormat %H:%M:%S"),
                text);
        String ended = null;
        int tasks = 0;
        for (String line : chart.subList(4, chart.size())) {
            if (line.matches("    section [\\p{L}\\p{N} .,_-]+")) {
                ended = null;
                continue;
            }
            Matcher m = Pattern.compile(
                            " +[\\p{L}\\p{N} .,]+ :(?:(?:crit|active|done), )?([\\d-]+ [\\d:.]{12}), ([\\d-]+"
                                    + " [\\d:.]{12})")
                    .matcher(line);
            assertTrue(m.matches(), line);
            assertTrue(m.group(1).compareTo(m.group(2)) < 0, "it ends after it began: " + line);
            if (ended != null) assertEquals(ended, m.group(1), "it begins where the phase before it ended: " + text);
            ended = m.group(2);
            tasks++;
        }
        return tasks;
    }

    private static int checkXychart(List<String> chart) {
        String text = String.join("\n", chart), string = "\"[\\p{L}\\p{N} .,/_()+-]+\"";
        assertEquals(List.of("xychart-beta", 5), List.of(chart.get(0), chart.size()));
        assertTrue(
                chart.get(1).matches(" +title " + string)
                        && chart.get(2)
                                .matches(
                                        " +x-axis (" + string + " 0 --> \\d+|\\[" + string + "(, " + string + ")*\\])"),
                text);
        Matcher y = Pattern.compile(" +y-axis " + string + " 0 --> (\\d+)").matcher(chart.get(3)),
                data =
                        Pattern.compile(" +(?:line|bar) (\\[\\d+(?:\\.\\d+)?(?:, \\d+(?:\\.\\d+)?)*\\])")
                                .matcher(chart.get(4));
        assertTrue(y.matches() && data.matches(), text);
        double[] values = numbers(data.group(1));
        assertTrue(
                values.length <= 60 && Arrays.stream(values).allMatch(v -> v <= Double.parseDouble(y.group(1))), text);
        if (chart.get(2).contains("[")) assertEquals(values.length, chart.get(2).split("\", \"").length, text);
        return values.length;
    }

    @Test
    void theChartsOfARun() throws Exception {
        for (Messages words : List.of(EN, LabJournal.messages("ru"))) {
            String markdown = charts(ReportTest.run(), words);
            List<List<String>> charts = blocks(markdown);
            assertEquals(3, charts.size(), markdown);
            assertEquals(List.of(24, 1), List.of(check(charts.get(0)), check(charts.get(1))), markdown);
            double[] rate = numbers(charts.get(0).get(5).replaceAll(" +line ", ""));
            assertEquals(20, rate[3]);
            for (int second = 10; second < 15; second++)
                assertEquals(0, rate[second], "nothing is acknowledged in second " + second);
            assertEquals(
                    "    x-axis "
                            + (words == EN ? "\"1 kill node 1\"" : "\"1 kill, \u0443\u0437\u0435\u043b 1\"")
                                    .transform(s -> "[" + s + "]"),
                    charts.get(1).get(3));
            assertEquals(
                    OutageAnalysis.of(folder.resolve("events.jsonl").toFile())
                                    .outages()
                                    .get(0)
                                    .worst()
                                    .ms()
                            / 1000,
                    numbers(charts.get(1).get(5).replaceAll(" +bar ", ""))[0],
                    0.01);
            Outage.Gap worst = OutageAnalysis.of(folder.resolve("events.jsonl").toFile())
                    .outages()
                    .get(0)
                    .worst();
            assertEquals(worst.phases().ms().size(), check(charts.get(2)), markdown);
            String gantt = String.join("\n", charts.get(2));
            assertTrue(
                    gantt.contains(":" + TIME.format(worst.from()) + ", ")
                            && gantt.contains(", " + TIME.format(worst.to())),
                    worst + "\n" + gantt);
        }
    }

    @Test
    void aBurstDoesNotHideAllElse() throws Exception {
        List<String> lines = new ArrayList<>();
        for (int i = 0; i < 400; i++) lines.add(ReportTest.ack(i < 200 || i >= 300 ? i * 0.05 : 15.1, i, i % 2, 4_000));
        String markdown = charts(lines, EN);
        List<String> chart = blocks(markdown).get(0);
        check(chart);
        assertTrue(
                chart.get(4).endsWith(" 0 --> 40")
                        && markdown.contains(
                                "Points above 40 per second are cut off; the highest, 120, is the backlog"),
                markdown);
    }

    @Test
    void aLongRunHasFewPointsAndManyFaultsAreTheLongest() throws Exception {
        List<String> lines = new ArrayList<>();
        for (int fault = 0; fault < 70; fault++) {
            double at = 100 + fault * 100;
            for (int i = 0; i < 90; i++) lines.add(ReportTest.ack(at - 90 + i, fault * 90 + i, 0, 4_000));
            lines.add(ReportTest.event(
                    at, "kill-node", "fault", "node", fault % 3 + 1, "mode", "kill", "at", ReportTest.ts(at - 0.5)));
            lines.add(ReportTest.ack(at + 1 + fault * 0.05, 10_000 + fault, 0, (long) ((1.5 + fault * 0.05) * 1e6)));
        }
        String markdown = charts(lines, EN);
        List<List<String>> charts = blocks(markdown);
        assertTrue(check(charts.get(0)) > 50, markdown);
        assertEquals(60, check(charts.get(1)));
        assertFalse(
                charts.get(1).get(3).contains("\"10\"") || !charts.get(1).get(3).contains("\"11\", \"12\""),
                "the ten shortest are left out");
        assertEquals(
                12,
                charts.get(2).stream().filter(l -> l.startsWith("    section ")).count());
        assertTrue(markdown.contains("Of 70 faults, only those with the longest gaps are drawn: 60."), markdown);
    }

    @Test
    void nothingHappenedIsNoChart() throws Exception {
        assertEquals(
                "",
                charts(
                        List.of(ReportTest.event(0, "lab", "phase", "phase", "Boot three nodes", "state", "start")),
                        EN));
    }

    @Test
    void whatComesFromNamesEndsNothing() throws Exception {
        String evil = "x\"]; %%{init}%% :#\n```\n<b>`&quot;\u202e{}[]|end";
        List<String> lines = ReportTest.run().stream()
                .map(l -> l.replace("critical_data", evil.replace("\"", "\\\"").replace("\n", "\\n"))
                        .replace("\"mode\":\"kill\"", "\"mode\":\"kill:" + "done, after x; %%\""))
                .toList();
        assertTrue(
                lines.stream().anyMatch(l -> l.contains("%%") && l.contains("\"ack\""))
                        && lines.stream().anyMatch(l -> l.contains("done, after x")),
                "planted");
        for (String l : lines) JSON.std.mapFrom(l);
        List<List<String>> charts = blocks(charts(lines, EN));
        assertEquals(3, charts.size());
        for (List<String> chart : charts) check(chart);
        drawn(charts);
    }

    @Test
    void mermaidDrawsThem() throws Exception {
        List<List<String>> all = new ArrayList<>();
        for (String language : List.of("en", "ru"))
            all.addAll(blocks(charts(ReportTest.run(), LabJournal.messages(language))));
        for (String name : List.of("example-notebook.md", "example-notebook-ru.md"))
            all.addAll(blocks(Files.readString(ContractTest.REPO.resolve("docs").resolve(name))));
        all.forEach(LabChartsTest::check);
        assertTrue(all.size() >= 6);
        if (!drawn(all))
            throw new TestAbortedException(
                    "KRAFT_LAB_MERMAID does not name a mermaid.min.js (npm install mermaid: dist/mermaid.min.js): the"
                            + " charts' form was checked, and Mermaid was not asked.");
    }

    /**
     * Returns whether Mermaid is available to draw them. Its webjar cannot be used, because its dependencies do not
     * resolve.
     */
    private boolean drawn(List<List<String>> charts) throws Exception {
        String mermaid = System.getenv("KRAFT_LAB_MERMAID");
        if (mermaid == null || !Files.isReadable(Path.of(mermaid))) return false;
        Browser.required();
        Path page = Files.writeString(
                folder.resolve("charts.html"),
                "<!DOCTYPE html><meta charset=utf-8><body><script src=\""
                        + Path.of(mermaid).toUri() + "\"></script><script>mermaid.initialize({ startOnLoad: false });"
                        + "document.documentElement.dataset.ready = 1</script>");
        try (Browser browser = new Browser()) {
            browser.viewport(1440, 900, false);
            browser.open(page.toUri().toString());
            for (List<String> chart : charts) {
                Object svg = browser.js(
                        "return mermaid.parse(arguments[0]).then(() => mermaid.render('c' +"
                            + " Math.random().toString(36).slice(2), arguments[0])).then(r => r.svg, e => 'refused: '"
                            + " + e)",
                        String.join("\n", chart));
                assertTrue(
                        svg instanceof String s && s.startsWith("<svg") && !s.contains("Syntax error"),
                        svg + "\n" + String.join("\n", chart));
                // The picture has the gantt's tasks, the bars or the points of the line.
                assertTrue(
                        ((String) svg).contains(chart.get(1).equals("gantt") ? "class=\"task " : "class=\"plot\""),
                        (String) svg);
            }
        }
        return true;
    }
}
