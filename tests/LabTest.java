import static org.junit.jupiter.api.Assertions.*;

import com.fasterxml.jackson.jr.ob.JSON;
import java.net.*;
import java.nio.file.*;
import java.util.*;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.junit.jupiter.api.*;

/** Runs the whole experiment. Ordered last, because it takes the ports of the shared cluster. */
@Order(90)
@Tag("lab")
class LabTest {
    private final Path data = TestCluster.HOME.resolve("lab"), out = TestCluster.HOME.resolve("run");
    private final String[] args = {
        "--timeouts",
        "fast",
        "--records",
        "2000",
        "--rate",
        "50",
        "--wait-duration",
        "1s",
        "--out",
        out.toString(),
        "--data-dir",
        data.toString()
    };

    @BeforeEach
    void portsAreFree() throws Exception {
        TestCluster.down();
    }

    @AfterEach
    void runIsOver() throws Exception {
        if (Files.exists(out)) Files.move(out, TestCluster.HOME.resolve("run" + System.nanoTime()));
    }

    @Test
    @Order(1)
    void theLabEndsWithATrueVerdict() throws Exception {
        TestCluster.Run run = TestCluster.run(Lab::run, args);
        assertEquals(0, run.code(), run.toString());
        String verdictLine = run.out().lines().reduce((a, b) -> b).orElse("");
        assertTrue(verdictLine.startsWith("PASS: "), run.out());

        Map<String, Object> verdict = assertFilesAndVerdict();
        assertLoad((Map<?, ?>) verdict.get("load"), verdictLine);
        assertNotebook(run, verdictLine);
        assertEvents(verdict);
        List<Outage> outages =
                OutageAnalysis.of(out.resolve("events.jsonl").toFile()).outages();
        assertOutages(outages);
        nothingIsLeft();
        assertPage(outages);
    }

    private Map<String, Object> assertFilesAndVerdict() throws Exception {
        for (String file :
                List.of("events.jsonl", "ledger.jsonl", "perf.hlog", "verdict.json", "notebook.md", "report.html"))
            assertTrue(Files.size(out.resolve(file)) > 0, file);
        Map<String, Object> verdict =
                JSON.std.mapFrom(out.resolve("verdict.json").toFile());
        assertEquals(
                List.of("pass", 0, 0),
                List.of(verdict.get("verdict"), verdict.get("lost"), verdict.get("duplicates")),
                verdict.toString());
        assertEquals(verdict.get("acknowledged"), verdict.get("sent"), "no send failed: " + verdict);
        assertTrue((int) verdict.get("acknowledged") > 100, verdict.toString());
        assertEquals(14, ((List<?>) verdict.get("steps")).size());
        return verdict;
    }

    private void assertLoad(Map<?, ?> load, String verdictLine) throws Exception {
        Map<?, ?> loadVerdict = TestCluster.ofType(
                        TestCluster.events(Files.readAllLines(out.resolve("events.jsonl"))), "load-verdict")
                .get(0);
        assertEquals(
                Arrays.asList("pass", load.get("acknowledged"), 0),
                Arrays.asList(load.get("verdict"), load.get("found"), load.get("lost")),
                load.toString());
        assertEquals(
                List.of(load.get("found"), "test_topic"), List.of(loadVerdict.get("found"), loadVerdict.get("topic")));
        assertTrue(
                verdictLine.contains(
                        "load, acks=1: " + String.format(Locale.US, "%,d of %<,d", (int) load.get("acknowledged"))),
                verdictLine);
    }

    private void assertNotebook(TestCluster.Run run, String verdictLine) throws Exception {
        String notebook = Files.readString(out.resolve("notebook.md"));
        assertEquals(
                16,
                notebook.lines().filter(l -> l.startsWith("## ")).count(),
                "fourteen steps, the outages, and the charts");
        assertFalse(
                Pattern.compile("\\p{IsCyrillic}").matcher(notebook + run.out()).find(), notebook);
        assertEquals(
                3,
                LabChartsTest.blocks(notebook).stream()
                        .filter(c -> LabChartsTest.check(c) > 1)
                        .count(),
                notebook);
        for (int step = 1; step <= 14; step++) assertTrue(notebook.contains("\n## " + step + ". "), "step " + step);
        assertTrue(notebook.contains(verdictLine), "the verdict stands in the notebook");
        assertFalse(notebook.contains("did not end"));
        assertTrue(
                notebook.contains("## What each fault cost, by phase")
                        && notebook.contains("| 1 | kill node ")
                        && notebook.contains("| 2 | kill node "),
                notebook);
        assertTrue(run.out().lines().anyMatch(l -> l.matches("#  GAP, MS +BEFORE +NO QUORUM +ELECTION .*")), run.out());
        for (String said :
                List.of("from frozen metadata", "acknowledged and invisible", "No node answers: metadata quorum, "))
            assertTrue(notebook.contains(said), said + " in " + notebook);
    }

    private void assertEvents(Map<String, Object> verdict) throws Exception {
        List<Map<String, Object>> events = TestCluster.events(Files.readAllLines(out.resolve("events.jsonl")));
        assertEquals(2, TestCluster.ofType(events, "fault").size());
        assertEquals(2, TestCluster.ofType(events, "restored").size());
        assertEquals(28, TestCluster.ofType(events, "phase").size(), "fourteen steps begin and end");
        assertEquals(
                List.of("start", "end"),
                TestCluster.ofType(events, "producer").stream()
                        .map(e -> e.get("state"))
                        .toList());
        assertProbes(TestCluster.ofType(events, "probe"));
        assertEquals(
                verdict.get("acknowledged"), TestCluster.ofType(events, "ack").size());
        assertTrue(
                TestCluster.ofType(events, "isr").stream().anyMatch(e -> e.get("frozenSince") != null),
                "the watcher saw the quorum lost");
        Map<String, Object> last =
                TestCluster.ofType(events, "isr").stream().reduce((a, b) -> b).orElseThrow();
        assertEquals(List.of(48, 48), List.of(last.get("inSync"), last.get("replicas")));
        assertEquals(0, TestCluster.ofType(events, "send-error").size());
        assertEquals(2, TestCluster.ofType(events, "outage").size());
        assertEquals(1, TestCluster.ofType(events, "availability").size());
    }

    private static void assertProbes(List<Map<String, Object>> probes) {
        assertEquals(
                3,
                probes.stream()
                        .filter(e -> e.get("question").equals("metadata quorum"))
                        .count(),
                "healthy, one node down, no quorum");
        assertEquals(
                List.of("ok", "ok", "hangs"),
                probes.stream()
                        .filter(e -> e.get("question").equals("metadata quorum"))
                        .map(e -> e.get("outcome"))
                        .toList());
        assertTrue(probes.stream().anyMatch(e -> Boolean.FALSE.equals(e.get("visible"))), probes.toString());
    }

    private static void assertOutages(List<Outage> outages) {
        for (Outage o : outages) {
            assertNotNull(o.moments().elected(), o.toString());
            for (Outage.Gap g : o.partitions())
                assertEquals(g.measuredMs(), g.phases().sum(), 50, "the phases' sum and the producer's own gap: " + g);
        }
        assertFalse(
                outages.get(0).worst().phases().ms().containsKey(Outage.Phase.QUORUM),
                outages.get(0).toString());
        assertTrue(
                outages.get(1).worst().phases().ms().get(Outage.Phase.QUORUM) > 1000,
                "the second kill took the quorum: " + outages.get(1));
    }

    /** Checks that the page shows the same for each fault as the notebook's table. */
    private void assertPage(List<Outage> outages) throws Exception {
        Map<?, ?> page = ReportTest.data(out.resolve("report.html"));
        for (Outage o : outages) {
            Map<?, ?> fault = (Map<?, ?>) ((List<?>) page.get("outages")).get(o.number() - 1);
            double at = ((Number) fault.get("at")).doubleValue();
            assertEquals(
                    List.of(o.fault().node(), o.fault().mode(), o.worst().ms()),
                    List.of(
                            fault.get("node"),
                            fault.get("mode"),
                            ((Number) ((Map<?, ?>) fault.get("gap")).get("ms")).doubleValue()));
            Map<String, Double> said = new HashMap<>(Map.of(
                    "elected",
                    o.since(o.moments().elected().at()),
                    "firstAck",
                    o.since(o.moments().firstAck()),
                    "allAck",
                    o.since(o.moments().lastAck()),
                    "inSync",
                    o.since(o.moments().inSync())));
            said.forEach((key, ms) -> assertEquals(
                    ms / 1000,
                    ((Number) fault.get(key)).doubleValue() - at,
                    0.0021,
                    key + " of " + fault + " and " + o));
        }
        assertEquals("pass", ((Map<?, ?>) page.get("verdict")).get("verdict"));
    }

    /** Checks that each paragraph, list item and heading outside of code has Cyrillic letters. */
    static void isRussian(String notebook) {
        String prose = notebook.replaceAll("(?ms)^```.*?^```\n", "\n").replaceAll("(?m)^\\|.*\n", "");
        List<String> paragraphs = Stream.of(prose.split("\n\\s*\n|\n(?=- )"))
                .map(String::strip)
                .filter(p -> !p.isEmpty())
                .toList();
        assertTrue(paragraphs.size() > 30, paragraphs.toString());
        for (String p : paragraphs)
            assertTrue(Pattern.compile("\\p{IsCyrillic}").matcher(p).find(), p);
        for (String head : notebook.lines().filter(l -> l.startsWith("| # |")).toList())
            assertFalse(head.replace("ISR", "").matches(".*[A-Za-z]{2}.*"), head);
    }

    @Test
    @Order(0)
    void aTakenPortOfTheDashboardIsOneSentenceBeforeAnythingIsMade() throws Exception {
        try (ServerSocket taken = new ServerSocket(0, 1, InetAddress.getByName("127.0.0.1"))) {
            TestCluster.Run run =
                    TestCluster.run(Lab::run, TestCluster.with(args, "--dashboard=" + taken.getLocalPort()));
            assertEquals(1, run.code(), run.toString());
            assertEquals(
                    "Port " + taken.getLocalPort()
                            + " is taken: name another with --dashboard=PORT, or 0 for any that is free.\n",
                    run.err());
        }
        assertEquals(
                2,
                TestCluster.run(Lab::run, TestCluster.with(args, "--dashboard", "70000"))
                        .code());
        assertEquals(List.of(false, false), List.of(Files.exists(out), Files.exists(data)), "nothing was made");
    }

    @Tag("soak")
    @Test
    @Order(2)
    void ctrlCInTheMiddleLeavesNoProcessAndANotebook() throws Exception {
        TestCluster.Child child = TestCluster.child(Lab.class, TestCluster.with(args, "--dashboard=0"));
        Path events = out.resolve("events.jsonl");
        TestCluster.await("the page's address", () -> child.text().contains("Dashboard: http://127.0.0.1:"));
        String address = child.text()
                .lines()
                .filter(l -> l.startsWith("Dashboard: "))
                .findFirst()
                .orElseThrow()
                .substring(11);
        TestCluster.await(
                "the first kill",
                () -> !child.process().isAlive()
                        || Files.exists(events) && Files.readString(events).contains("\"type\":\"fault\""));
        assertTrue(child.process().isAlive(), child.text());
        TestCluster.await(
                "the fault, on the page",
                () -> ((List<?>) DashboardTest.data(address).get("faults")).size() == 1);
        assertEquals(out.getFileName().toString(), DashboardTest.data(address).get("name"));
        assertEquals(130, child.interrupt(), child.text());
        assertThrows(java.io.IOException.class, () -> DashboardTest.data(address), "it ends with the lab");
        assertEquals(
                1,
                ((List<?>) ReportTest.data(out.resolve("report.html")).get("faults")).size(),
                "the page of what there was");
        String notebook = Files.readString(out.resolve("notebook.md"));
        assertTrue(notebook.contains("INTERRUPTED"), notebook);
        assertTrue(notebook.contains("This step did not end."), notebook);
        assertEquals(
                "incomplete",
                JSON.std.mapFrom(out.resolve("verdict.json").toFile()).get("verdict"));
        TestCluster.events(Files.readAllLines(events));
        nothingIsLeft();
    }

    private void nothingIsLeft() throws Exception {
        assertEquals(List.of(), TestCluster.processesOf(data));
        for (int id : Cluster.IDS)
            assertFalse(Cli.Common.connects("127.0.0.1", Cluster.port(id), 200), "node " + id + " still serves");
        try (Stream<Path> files = Files.exists(data) ? Files.list(data) : Stream.empty()) {
            assertEquals(List.of(), files.filter(f -> Files.isDirectory(f)).toList(), "the data is deleted");
        }
    }
}
