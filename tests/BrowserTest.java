import static org.junit.jupiter.api.Assertions.*;

import java.nio.file.*;
import java.util.*;
import java.util.stream.*;
import org.junit.jupiter.api.*;
import org.junit.jupiter.api.io.TempDir;

/**
 * Opens the report from disk in a real browser: each panel shows its data, all share one zoom and one cursor, tooltips
 * show what events.jsonl has, text is never markup, and the page fits every width.
 */
class BrowserTest {
    private static final String EVIL = "<img src=x"
            + " onerror=\"document.body.dataset.evil=1\"></script><script>document.body.dataset.evil=2</script>";
    private static final List<String> PANELS =
            List.of("nodes", "rate", "latency", "isr", "urp", "parts", "load", "loadLatency");
    private static Browser browser;

    @TempDir
    static Path folder;

    private static Path page;

    @BeforeAll
    static void open() throws Exception {
        Browser.required();
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
                "TimeoutException",
                "message",
                EVIL,
                "outcome",
                "failed"));
        lines.add(ReportTest.event(
                2,
                "create-topic",
                "topic",
                "topic",
                EVIL,
                "created",
                true,
                "partitions",
                List.of(Map.of("partition", 0, "leader", 3))));
        page = report("run", lines);
        browser = new Browser();
    }

    @AfterAll
    static void close() throws Exception {
        if (browser != null) browser.close();
    }

    private static Path report(String name, List<String> lines) throws Exception {
        Path events = Files.createDirectories(folder.resolve(name)).resolve("events.jsonl");
        Files.write(events, lines);
        TestCluster.Run run = TestCluster.run(Report::run, folder.resolve(name).toString());
        assertEquals(0, run.code(), run.toString());
        return folder.resolve(name + "/report.html");
    }

    private void show(Path page, int width, boolean dark) throws Exception {
        browser.viewport(width, 900, dark);
        browser.open(page.toUri().toString());
        assertEquals(List.of(), browser.complaints(), "on the console");
    }

    /** Returns the window coordinates, in pixels, of a time of the run in the middle of a panel. */
    private double[] place(String panel, double t) throws Exception {
        List<?> at = (List<?>) browser.js(
                "const p = views[0].plots.find(p => p.kind === arguments[0]), o = p.u.over; o.scrollIntoView({block:"
                    + " 'center'}); const r = o.getBoundingClientRect();return [r.x + p.u.valToPos(arguments[1], 'x'),"
                    + " r.y + r.height / 2]",
                panel,
                t);
        return at.stream().mapToDouble(n -> ((Number) n).doubleValue()).toArray();
    }

    private void hover(String panel, double t) throws Exception {
        double[] p = place(panel, t);
        browser.moveTo(p[0], p[1]);
    }

    private String said(String panel) throws Exception {
        return browser.text("[data-kind=" + panel + "] output");
    }

    private List<Double> scale(String panel) throws Exception {
        return ((List<?>) browser.js(
                        "const s = views[0].plots.find(p => p.kind === arguments[0]).u.scales.x; return [s.min, s.max]",
                        panel))
                .stream()
                        .map(n -> Math.round(((Number) n).doubleValue() * 1e6) / 1e6)
                        .toList();
    }
    /** Returns the number of pixels of a panel's plot that differ from the background. */
    private double drawn(String panel) throws Exception {
        return browser.number(
                "const u = views[0].plots.find(p => p.kind === arguments[0]).u, b = u.bbox, c = new"
                        + " OffscreenCanvas(b.width, b.height).getContext('2d', {willReadFrequently: true});"
                        + " c.drawImage(u.ctx.canvas, -b.left, -b.top); const d = c.getImageData(0, 0, b.width,"
                        + " b.height).data; let n = 0; for (let i = 3; i < d.length; i += 4) if (d[i]) n++; return n",
                panel);
    }

    @Test
    void theVerdictIsOnTopInWords() throws Exception {
        show(page, 1440, false);
        assertEquals("Passed: every acknowledged record is in the log.", browser.text("h1"));
        assertTrue(
                browser.text(".verdict p")
                        .startsWith(
                                "388 acknowledged, 388 read back: 0 lost, 0 duplicated, 0 reordered, 0 indeterminate;"
                                        + " longest gap 5.65 s"),
                browser.text(".verdict"));
        List<String> lines = new ArrayList<>(ReportTest.run());
        lines.add(ReportTest.event(
                27,
                "check-delivery",
                "verdict",
                "verdict",
                "fail",
                "acknowledged",
                388,
                "read",
                385,
                "lost",
                3,
                "duplicates",
                1,
                "reordered",
                0,
                "indeterminate",
                0));
        show(report("failed", lines), 1440, false);
        assertEquals("Failed: 3 lost, 1 duplicated.", browser.text("h1"));
        assertNotNull(browser.js("return document.querySelector('.verdict.fail')"));
        show(
                report(
                        "without",
                        List.of(ReportTest.event(0, "lab", "phase", "phase", "Boot three nodes", "state", "start"))),
                1440,
                false);
        assertEquals("No verdict: there is no delivery check in the stream.", browser.text("h1"));
        assertTrue(
                browser.text("body").contains("It ends in step 1, Boot three nodes.")
                        && browser.text("body").contains("no producer wrote events")
                        && browser.text("body").contains("nobody watched them"),
                browser.text("body"));
    }

    @Test
    void eachPanelHasItsData() throws Exception {
        show(page, 1440, false);
        assertEquals(PANELS, browser.js("return views[0].plots.map(p => p.kind)"));
        for (String panel : PANELS) assertTrue(drawn(panel) > 800, panel + " is empty: " + drawn(panel) + " pixels");
        assertTrue(browser.number("return curvePlot.data[0].length") > 20, "percentiles");
        String faults = browser.text(".faults tbody");
        for (String s : List.of("kill kafka01", "12:00:10.000", "+2.00 s", "+5.50 s", "+5.60 s", "+10.0 s", "+12.0 s"))
            assertTrue(faults.contains(s), s + " in " + faults);
        assertNull(browser.js("return document.querySelector('.phases')"), "nothing has taken the outage apart");
    }

    /** Uses the events that outages emits, which are those at the end of a lab's stream. */
    @Test
    void theGapsPhasesAreShown() throws Exception {
        List<String> lines = new ArrayList<>(ReportTest.run());
        TestCluster.Run outages = TestCluster.run(
                Outages::run, page.resolveSibling("events.jsonl").toString(), "--json");
        lines.addAll(outages.out().lines().toList());
        Path apart = report("apart", lines);
        for (int width : new int[] {1440, 900, 390}) {
            show(apart, width, false);
            String phases = browser.text(".phases tbody");
            for (String s : List.of("kill 1", "critical_data-1", "2 s", "5.7 s"))
                assertTrue(phases.contains(s), s + " in " + phases);
            assertEquals(width, browser.number("return document.documentElement.scrollWidth"));
        }
    }

    @Test
    void hoveringSaysWhatTheStreamHas() throws Exception {
        show(page, 1440, false);
        hover("latency", 8);
        assertEquals(
                "4.16 ms \u00b7 message 160, partition 0, at 0:08.00",
                said("latency"),
                "as the acknowledgement at 8 s has it");
        assertEquals("20 in this second", said("rate"));
        assertEquals("controller 1, epoch 3", said("nodes"));
        assertEquals("6 of 6", said("isr"));
        hover("isr", 14);
        assertEquals("4 of 6", said("isr"));
        assertEquals("2 under-replicated \u00b7 0 offline \u00b7 of 2", said("urp"));
        assertEquals("controller 2, epoch 4 \u00b7 node 1 does not answer", said("nodes"));
        assertEquals("0 in this second \u00b7 gap of 5.65 s since 12:00:09.850", said("rate"));
        assertTrue(said("parts").contains("1 wait (critical_data-1)"), said("parts"));
        hover("load", 2.5);
        assertEquals("p50 3.50 ms \u00b7 p99 8.50 ms \u00b7 maximum 9.50 ms", said("loadLatency"));
        assertTrue(said("load").startsWith("1,000 records/s"), said("load"));
    }

    @Test
    void zoomIsShared() throws Exception {
        show(page, 1440, false);
        List<Double> whole = scale("rate");
        double[] from = place("isr", 9), to = place("isr", 17);
        browser.drag(from[0], to[0], to[1]);
        List<Double> zoomed = scale("isr");
        assertEquals(9, zoomed.get(0), 0.1);
        assertEquals(17, zoomed.get(1), 0.1);
        for (String panel : PANELS) assertEquals(zoomed, scale(panel), panel);
        browser.click("#tools button");
        for (String panel : PANELS) assertEquals(whole, scale(panel), panel);
        browser.click(".faults button");
        assertTrue(
                scale("rate").get(0) > 8 && scale("rate").get(1) < 18,
                "the fault's button shows the fault: " + scale("rate"));
    }

    @Test
    void theKeyboardDoesAllThat() throws Exception {
        show(page, 1440, false);
        List<Double> whole = scale("rate");
        browser.js("document.getElementById('timeline').focus()");
        browser.key("+");
        assertEquals(
                (whole.get(1) - whole.get(0)) / 2,
                scale("rate").get(1) - scale("rate").get(0),
                0.01);
        browser.key("ArrowRight");
        assertTrue(browser.text("#where").contains("UTC") && said("isr").contains(" of 6"), browser.text("#where"));
        browser.key("0");
        for (String panel : PANELS) assertEquals(whole, scale(panel), panel);
    }

    @Test
    void markupStaysText() throws Exception {
        show(page, 1440, false);
        assertTrue(
                browser.text(".errors").contains("TimeoutException: " + EVIL + " (failed)"), browser.text(".errors"));
        assertTrue(said("parts").contains(EVIL), said("parts"));
        assertNull(browser.js("return document.body.dataset.evil"));
        assertEquals(0, browser.number("return document.images.length"));
    }

    @Test
    void itFitsEveryWidth() throws Exception {
        for (int w : new int[] {1440, 900, 390, 320})
            for (boolean dark : new boolean[] {false, true}) {
                int width = w;
                show(page, width, dark);
                assertEquals(width, browser.number("return document.documentElement.scrollWidth"), () -> {
                    try {
                        return "scrolls sideways: "
                                + browser.js(
                                        "return [...document.querySelectorAll('body *')].filter(e =>"
                                            + " e.getBoundingClientRect().right > arguments[0]).map(e => e.tagName +"
                                            + " '.' + e.className + ' ' + e.textContent.slice(0, 40))",
                                        width);
                    } catch (Exception e) {
                        return "" + e;
                    }
                });
                List<?> cut = (List<?>)
                        browser.js("return [...document.querySelectorAll('td, dd, dt, h1, h3, output, .key span,"
                                + " button')].filter(e => e.getClientRects().length && (e.scrollWidth >"
                                + " e.clientWidth + 1 && getComputedStyle(e).display !== 'inline' ||"
                                + " e.getBoundingClientRect().right > innerWidth)).map(e => e.textContent.slice(0,"
                                + " 60))");
                assertEquals(List.of(), cut, "cut at " + width);
                int[] rgb = Stream.of(((String) browser.js("return getComputedStyle(document.body).backgroundColor"))
                                .replaceAll("[^\\d,]", "")
                                .split(","))
                        .mapToInt(Integer::parseInt)
                        .toArray();
                assertEquals(dark, rgb[0] < 128, "background");
            }
    }

    @Test
    void severalRunsAreSideBySideWithDifferences() throws Exception {
        List<String> slower = ReportTest.run().stream()
                .map(l -> l.contains("\"controller\":2") ? l.replace("12:00:12.0", "12:00:14.0") : l)
                .toList();
        Files.write(Files.createDirectories(folder.resolve("slower")).resolve("events.jsonl"), slower);
        TestCluster.Run both = TestCluster.run(
                Report::run,
                folder.resolve("run").toString(),
                folder.resolve("slower").toString(),
                "--out",
                folder.resolve("both.html").toString());
        assertEquals(0, both.code(), both.toString());
        show(folder.resolve("both.html"), 1440, false);
        assertTrue(browser.text(".differences").contains("+2.00 s (+100 %)"), browser.text(".differences"));
        List<?> tops = (List<?>) browser.js("return [...document.querySelectorAll('[data-kind=isr]')].map(e =>"
                + " e.getBoundingClientRect()).map(r => [r.x, r.y])");
        assertTrue(
                ((Number) ((List<?>) tops.get(0)).get(0)).doubleValue()
                        < ((Number) ((List<?>) tops.get(1)).get(0)).doubleValue(),
                "one beside the other: " + tops);
        assertEquals(
                List.of(-10.0, 0.0),
                browser.js("return [views[0].plots[0].u.scales.x.min, views[1].run.faults[0].t].map(v =>"
                                        + " Number(v.toFixed(3)))")
                                .toString()
                                .equals("[-10, 0]")
                        ? List.of(-10.0, 0.0)
                        : null,
                "laid over each other at the first fault");
        browser.js("zoom(-1, 5)");
        assertEquals(2, browser.number("return views.filter(v => v.plots.every(p => p.u.scales.x.max === 5)).length"));
    }

    @Test
    void itPrints() throws Exception {
        show(page, 1440, true);
        byte[] pdf = Base64.getDecoder().decode((String) browser.devTools(
                        "Page.printToPDF", Map.of("printBackground", true, "paperWidth", 8.27, "paperHeight", 11.69))
                .get("data"));
        assertTrue(pdf.length > 30_000 && new String(pdf, 0, 5).equals("%PDF-"), "a page of " + pdf.length + " bytes");
    }

    @Test
    void aDayAndMillionsOpenAtOnce() throws Exception {
        Path big = folder.resolve("big.jsonl");
        try (var out = Files.newOutputStream(big)) {
            ReportTest.lines(
                            864_000,
                            i -> "{\"ts\":\"" + ReportTest.fast(i * 100_000) + "\",\"source\":\"x\",\"type\":"
                                    + (i % 100 == 0
                                            ? "\"isr\",\"online\":16,\"partitions\":16,\"underReplicated\":"
                                                    + i / 100 % 5 + ",\"inSync\":" + (48 - i / 100 % 5)
                                                    + ",\"replicas\":48"
                                            : "\"ack\",\"seq\":" + i + ",\"attempt\":1,\"topic\":\"t\",\"partition\":"
                                                    + i % 40 + ",\"offset\":1,\"latencyUs\":" + (2000 + i % 5000))
                                    + "}\n")
                    .transferTo(out);
        }
        TestCluster.Run run = TestCluster.run(
                Report::run, big.toString(), "--out", folder.resolve("big.html").toString());
        assertEquals(0, run.code(), run.toString());
        show(folder.resolve("big.html"), 1440, false);
        double ready = browser.number("return +document.documentElement.dataset.ready");
        assertTrue(ready < 2_000, "drawn after " + ready + " ms");
        double move = browser.number(
                "const t = performance.now(); zoom(3600, 7200); return new Promise(done => requestAnimationFrame(() =>"
                        + " setTimeout(() => done(performance.now() - t))))");
        assertTrue(move < 1_000, "zoomed in " + move + " ms");
        assertTrue(browser.text("footer").contains("Summed up: "), browser.text("footer"));
    }
}
