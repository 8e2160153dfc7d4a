import static org.junit.jupiter.api.Assertions.*;

import com.fasterxml.jackson.jr.ob.JSON;
import java.nio.file.*;
import java.time.Duration;
import java.util.*;
import java.util.regex.*;
import org.junit.jupiter.api.*;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.*;

/** Tests scenarios of lab: how they are parsed, what is refused, and a few real runs. */
@Order(91)
class ScenarioTest {
    private final Path data = TestCluster.HOME.resolve("lab"),
            out = TestCluster.HOME.resolve("scenario" + System.nanoTime());

    private static final Messages EN = LabJournal.messages("en");

    // ---- Reading ----

    private static List<String> read(String text) {
        return LabScenario.parse("f", text.lines().toList(), EN).actions.stream()
                .map(a -> a.place().line() + " " + a.word() + (a.target() == null ? "" : " " + a.target())
                        + (a.name() == null ? "" : " as " + a.name())
                        + (a.time() == null ? "" : " for " + a.time().toMillis())
                        + (a.text() == null ? "" : " '" + a.text() + "'")
                        + (a.place().turns() == 0
                                ? ""
                                : " (" + a.place().turn() + " of " + a.place().turns() + ")"))
                .toList();
    }

    @Test
    void stepsAreRead() {
        assertEquals(
                List.of(
                        "2 kill controller as first",
                        "3 stop 2 for 2500",
                        "4 pause leader:critical_data-0 as it for 8000",
                        "5 slow follower:my.topic-12 for 60000",
                        "6 disconnect kafka03",
                        "7 start first",
                        "8 start all",
                        "9 await in-sync",
                        "10 wait",
                        "11 wait for 500",
                        "12 probe",
                        "13 step 'A title'",
                        "14 means 'Two words.'",
                        "15 kill first"),
                read("""
                    # a comment
                    kill controller as first   # and another
                      stop 2 for 2.5s
                    pause leader:critical_data-0 for 8s as it
                    slow follower:my.topic-12 for 1m
                    disconnect kafka03
                    start first
                    start all
                    await in-sync
                    wait
                    wait 500ms
                    probe
                    step A   title
                    means Two words.
                    kill first
                    """));
        assertEquals(
                List.of(
                        "1 probe",
                        "3 kill 1 (1 of 2)",
                        "4 start 1 (1 of 2)",
                        "3 kill 1 (2 of 2)",
                        "4 start 1 (2 of 2)",
                        "6 probe"),
                read("probe\nrepeat 2\nkill 1\nstart 1\nend\nprobe"));
        LabScenario scenario = LabScenario.parse("f", List.of("title What it costs", "probe"), EN);
        assertEquals(List.of("f", "What it costs"), List.of(scenario.name, scenario.title));
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "explode 2 | 'explode' is not a step: use kill, stop,",
                "Kill 2 | 'Kill' is not a step",
                "kill | kill needs a node: a number, controller,",
                "kill four | 'four' is not a node",
                "kill all | 'all' is not a node",
                "kill leader:nodash | 'leader:nodash' is not a node",
                "kill 2 for | for needs a duration",
                "kill 2 for ever | 'ever' is not a duration",
                "kill 2 as | as needs a name",
                "kill 2 as 3 | '3' cannot be a name",
                "kill 2 as Me | 'Me' cannot be a name",
                "kill 2 as controller | 'controller' cannot be a name",
                "kill 2 now | 'now' is not expected here",
                "kill 2 for 1s for 2s | 'for' is not expected here",
                "slow 2 | slow needs a duration",
                "start | start needs a node: a number, all,",
                "start controller | 'controller' is not a node",
                "start unnamed | 'unnamed' is not a node",
                "start 2 3 | '3' is not expected here",
                "await | await needs a condition",
                "await peace | 'peace' is not a condition: use one of controller, in-sync, no-quorum, out-of-isr,"
                        + " writes",
                "await writes now | 'now' is not expected here",
                "wait long | 'long' is not a duration",
                "wait 1s 2s | '2s' is not expected here",
                "probe me | 'me' is not expected here",
                "repeat | repeat needs a number from 1 to 99",
                "repeat 0 | '0' is not a number from 1 to 99",
                "repeat 100 | '100' is not a number from 1 to 99",
                "repeat 2 | the repeat has no end",
                "end | there is no repeat to end",
                "step | step needs a text",
                "means | means needs a text",
                "title | title needs a text"
            })
    void whatIsWrongIsRefusedWithItsLine(String line, String why) {
        Cli.Exit e = assertThrows(Cli.Exit.class, () -> read("# first\n\nprobe\n" + line));
        assertEquals(2, e.getExitCode());
        assertTrue(e.getMessage().startsWith("f, line 4: " + why), e.getMessage());
        assertTrue(e.getMessage().matches("(?s)[^\n]+[.]"), e.getMessage());
    }

    @Test
    void otherRefusals() {
        assertEquals(
                "f, line 3: a repeat cannot be inside the repeat of line 1.",
                assertThrows(Cli.Exit.class, () -> read("repeat 2\nprobe\nrepeat 2\nprobe\nend\nend"))
                        .getMessage());
        assertEquals(
                "f, line 2: there is nothing between repeat and end.",
                assertThrows(Cli.Exit.class, () -> read("repeat 2\nend")).getMessage());
        for (String text : List.of("probe\nstep At the end", "probe\nstep One\nstep Two\nprobe"))
            assertEquals(
                    "f, line 2: this step has no action.",
                    assertThrows(Cli.Exit.class, () -> read(text)).getMessage());
        assertTrue(assertThrows(Cli.Exit.class, () -> read("# nothing\nawait in-sync"))
                .getMessage()
                .startsWith("f: the scenario has no action"));
        TestCluster.Run run = TestCluster.run(Lab::run, "--scenario", "no-such", "--out", out.toString());
        assertEquals(2, run.code(), run.toString());
        assertEquals(
                "'no-such' is not a scenario or a readable file: use classic, rolling-restart, flapping,"
                        + " pause-leader, lost-majority, slow-follower, or a file.\n",
                run.err());
        assertFalse(Files.exists(out), "refused before anything is made");
    }

    @Test
    void whatOnlyDockerCanIsRefusedBeforehand() throws Exception {
        Path file = Files.writeString(TestCluster.HOME.resolve("cut.txt"), "probe\ndisconnect 2 for 5s\n");
        TestCluster.Run run = TestCluster.run(Lab::run, "--scenario", file.toString(), "--out", out.toString());
        assertEquals(2, run.code(), run.toString());
        assertTrue(run.err().startsWith(file + ", line 2: disconnect needs --runtime docker"), run.err());
        assertFalse(Files.exists(out));
    }

    @ParameterizedTest
    @ValueSource(strings = {"classic", "rolling-restart", "flapping", "pause-leader", "lost-majority", "slow-follower"})
    void builtInScenariosAreReadAndDocumented(String name) throws Exception {
        assertEquals(name, LabScenario.of(name, EN).name);
        assertTrue(
                LabScenario.BUILT_IN.contains(name) && LabScenario.BUILT_IN.size() == 6,
                LabScenario.BUILT_IN.toString());
        assertTrue(
                Files.readString(ContractTest.REPO.resolve("docs/scenarios.md")).contains("| `" + name + "` |"),
                "docs/scenarios.md");
    }

    @Test
    void theScenarioOfTheDocumentIsReadAndEveryStepIsInIt() throws Exception {
        String document = Files.readString(ContractTest.REPO.resolve("docs/scenarios.md"));
        Matcher block = Pattern.compile("(?ms)^```\n(# .*?)^```").matcher(document);
        assertTrue(block.find());
        assertEquals(
                "What two faults within ten seconds cost",
                LabScenario.parse("docs", block.group(1).lines().toList(), EN).title);
        String verbs =
                assertThrows(Cli.Exit.class, () -> read("what")).getMessage().replaceFirst(".* use (.*)\\.", "$1");
        for (String verb : verbs.split(", "))
            assertTrue(document.contains("`" + verb), verb + " is not in docs/scenarios.md");
    }

    @Test
    void theFormerNameOfWaitDurationStillWorks() {
        for (String option : List.of("--wait-duration", "--observe")) {
            Lab lab = new Lab();
            lab.common.configure(lab, LabJournal.quiet(), LabJournal.quiet(), option, "7s");
            assertEquals(Duration.ofSeconds(7), lab.waitDuration(), option);
        }
        Lab lab = new Lab();
        lab.common.configure(lab, LabJournal.quiet(), LabJournal.quiet());
        assertEquals(Duration.ofSeconds(5), lab.waitDuration());
    }

    // ---- Running ----

    /** The first one starts the cluster, and the others find it running. */
    private Map<String, Object> pass(String scenario, String... more) throws Exception {
        if (TestCluster.processesOf(data).isEmpty()) TestCluster.down();
        TestCluster.Run run = TestCluster.run(
                Lab::run,
                TestCluster.with(
                        more,
                        "--scenario",
                        scenario,
                        "--keep",
                        "--timeouts",
                        "fast",
                        "--records",
                        "2000",
                        "--rate",
                        "50",
                        "--out",
                        out.toString(),
                        "--data-dir",
                        data.toString()));
        assertEquals(0, run.code(), run.toString());
        assertTrue(run.out().lines().reduce((a, b) -> b).orElse("").startsWith("PASS: "), run.out());
        assertEquals(Cluster.IDS.size(), TestCluster.processesOf(data).size());
        Map<String, Object> verdict =
                JSON.std.mapFrom(out.resolve("verdict.json").toFile());
        assertEquals(
                List.of("pass", 0, 0),
                List.of(verdict.get("verdict"), verdict.get("lost"), verdict.get("duplicates")),
                verdict.toString());
        assertFalse(notebook().contains("did not end"), notebook());
        return verdict;
    }

    @AfterAll
    static void down() {
        Path data = TestCluster.HOME.resolve("lab");
        if (!TestCluster.processesOf(data).isEmpty())
            assertEquals(
                    0,
                    TestCluster.run(Cluster::run, "down", "--data-dir", data.toString())
                            .code());
    }

    private String notebook() throws Exception {
        return Files.readString(out.resolve("notebook.md"));
    }

    private List<Map<String, Object>> events(String type) throws Exception {
        return TestCluster.ofType(TestCluster.events(Files.readAllLines(out.resolve("events.jsonl"))), type);
    }

    @Tag("lab")
    @Tag("soak")
    @ParameterizedTest
    @ValueSource(strings = {"flapping", "pause-leader", "lost-majority"})
    void othersThatAreBuiltIn(String scenario) throws Exception {
        pass(scenario);
    }

    @Tag("lab")
    @Tag("soak")
    @Test
    void rollingRestart() throws Exception {
        assertEquals("rolling-restart", pass("rolling-restart").get("scenario"));
        assertEquals(
                List.of(1, 2, 3),
                events("fault").stream().map(e -> e.get("node")).toList());
        assertEquals(
                List.of("stop"),
                events("fault").stream().map(e -> e.get("mode")).distinct().toList());
        assertEquals(
                List.of(1, 2, 3),
                events("restored").stream().map(e -> e.get("node")).toList());
        String notebook = notebook();
        assertTrue(
                notebook.startsWith("# What a rolling restart costs\n")
                        && notebook.contains("`lab --scenario rolling-restart "),
                notebook);
        for (String title : List.of(
                "## 5. Stop node 1\n", "## 6. Start node 1\n", "## 10. Start node 3\n", "## 12. Check the delivery\n"))
            assertTrue(notebook.contains(title), notebook);
        assertTrue(
                notebook.contains("$ start-node 1; watch-isr --until in-sync\n")
                        && notebook.contains("\nAs in step 5. ("),
                notebook);
    }

    @Tag("lab")
    @Tag("soak")
    @Test
    void slowFollowerStaysInTheIsrAndIsWaitedFor() throws Exception {
        pass("slow-follower");
        String notebook = notebook();
        Matcher m = Pattern.compile(
                        "Acknowledgement latency before: median (\\d+) ms.*; during: median (\\d+) ms, longest"
                                + " (\\d+) ms")
                .matcher(notebook);
        assertTrue(m.find(), notebook);
        assertTrue(
                Integer.parseInt(m.group(2)) > Integer.parseInt(m.group(1)) + 100 && Integer.parseInt(m.group(3)) > 900,
                "each write waited for it: " + m.group());
        assertTrue(notebook.contains("In-sync replicas never fewer than 48 of 48."), notebook);
        assertEquals(
                List.of("pause", "kill"),
                events("fault").stream().map(e -> e.get("mode")).toList());
        assertEquals(
                1, events("fault").stream().map(e -> e.get("node")).distinct().count(), "the same node");
    }

    @Tag("lab")
    @Test
    void aFileIsDoneAndWhatItLeavesBrokenIsMended() throws Exception {
        Path file = Files.writeString(TestCluster.HOME.resolve("mine.txt"), """
            title A scenario of my own
            repeat 2
              kill random for 1s
              await in-sync
            end
            step The leader goes   # and is not started again
            stop leader:critical_data-0 as it
            await out-of-isr
            await writes
            means My own words.
            means And more.
            probe
            """);
        pass(file.toString());
        String notebook = notebook();
        for (String expected : List.of(
                "# A scenario of my own\n",
                ". Kill a random node for 1 s (2 of 2)\n",
                "$ kill-node random --for 1s\n",
                ". The leader goes\n",
                "\nMy own words. And more. (",
                ". What works with 2 of 3 nodes\n",
                ". Restore what the scenario left broken\n",
                "`lab --scenario " + file + " ")) assertTrue(notebook.contains(expected), expected + " in " + notebook);
        assertEquals(3, events("fault").size());
        assertEquals(3, events("restored").size());
        assertTrue(events("probe").size() > 10);
        Map<String, Object> last = events("isr").stream().reduce((a, b) -> b).orElseThrow();
        assertEquals(List.of(48, 48), List.of(last.get("inSync"), last.get("replicas")));
    }
}
