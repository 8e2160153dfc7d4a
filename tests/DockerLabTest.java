import static org.junit.jupiter.api.Assertions.*;

import com.fasterxml.jackson.jr.ob.JSON;
import java.nio.file.*;
import java.util.*;
import org.junit.jupiter.api.*;
import org.junit.jupiter.api.io.TempDir;

/**
 * Runs the whole experiment on containers: by lab, by lab with hooks on a cluster that it did not start, and, as soak,
 * by hand after docs/notebook.md.
 */
@Tag("docker")
@Order(99)
class DockerLabTest {
    @TempDir
    Path folder;

    private TestCluster.Run lab(String... args) throws Exception {
        return TestCluster.run(
                Lab::run,
                TestCluster.with(
                        args,
                        "--records",
                        "2000",
                        "--rate",
                        "50",
                        "--wait-duration",
                        "1s",
                        "--out",
                        folder.resolve("run").toString()));
    }

    /** Checks that no record is lost, and that this runtime undid the given number of faults. */
    private void passed(TestCluster.Run run, String runtime, int faults) throws Exception {
        assertEquals(0, run.code(), run.toString());
        assertTrue(run.out().lines().reduce((a, b) -> b).orElse("").startsWith("PASS: "), run.out());
        Map<String, Object> verdict =
                JSON.std.mapFrom(folder.resolve("run/verdict.json").toFile());
        List<Object> counts = List.of(verdict.get("verdict"), verdict.get("lost"), verdict.get("duplicates"));
        assertEquals(List.of("pass", 0, 0), counts, verdict.toString());
        List<Map<String, Object>> events = TestCluster.events(Files.readAllLines(folder.resolve("run/events.jsonl")));
        List<Object> runtimes = TestCluster.ofType(events, "fault").stream()
                .map(e -> e.get("runtime"))
                .toList();
        assertEquals(Collections.nCopies(faults, runtime), runtimes);
        assertEquals(faults, TestCluster.ofType(events, "restored").size());
        int steps = ((List<?>) verdict.get("steps")).size();
        assertTrue(Files.readString(folder.resolve("run/notebook.md")).contains("\n## " + steps + ". "), "each step");
    }

    /** Returns the arguments for a scenario with these steps. */
    private String[] scenario(String... steps) throws Exception {
        Path file = Files.write(folder.resolve("scenario.txt"), List.of(steps));
        return new String[] {"--scenario", file.toString()};
    }

    /** Uses the fault that only containers support, which also needs no node start. */
    @Test
    @Order(4)
    void theLabOnContainersItStartedLeavesNothing() throws Exception {
        leavesNothing(
                1,
                scenario(
                        "disconnect leader:critical_data-0 as victim",
                        "await out-of-isr",
                        "await writes",
                        "start victim",
                        "await in-sync"));
    }

    @Test
    @Tag("soak")
    @Order(5)
    void theClassicLabOnContainersItStartedLeavesNothing() throws Exception {
        leavesNothing(2);
    }

    private void leavesNothing(int faults, String... scenario) throws Exception {
        TestEngine.requireEngine();
        TestCluster.down(); // frees its ports
        TestEngine.owned(() -> {
            passed(lab(TestCluster.with(scenario, "--runtime", "docker", "--timeouts", "fast")), "docker", faults);
            String ours = "label=" + TestEngine.PROJECT;
            assertEquals("", TestEngine.docker("ps", "-aq", "--filter", ours).out(), "containers");
            assertEquals(
                    "",
                    TestEngine.docker("volume", "ls", "-q", "--filter", ours).out(),
                    "volumes");
        });
    }

    @Tag("soak")
    @Test
    @Order(2)
    void theLabOnAClusterOfTheUsersIsDrivenByHooks() throws Exception {
        TestEngine.up();
        String[] steps = scenario(
                "kill controller as victim", "await controller", "await writes", "start victim", "await in-sync");
        passed(
                lab(TestCluster.with(
                        steps,
                        "--runtime",
                        "external",
                        "-b",
                        Cluster.bootstrap(),
                        "--kill-command",
                        "docker kill {name}",
                        "--start-command",
                        "docker start {name}")),
                "hooks",
                1);
        for (int id : Cluster.IDS) assertEquals("running", TestEngine.inspect(Cluster.name(id), "{{.State.Status}}"));
        Files.move(folder.resolve("run"), folder.resolve("hooks")); // a run folder takes one run
        TestCluster.Run unsaid = lab("--runtime", "external", "-b", Cluster.bootstrap());
        assertEquals(2, unsaid.code(), unsaid.toString());
        assertTrue(unsaid.err().contains("--kill-command and --start-command"), unsaid.err());
    }

    @Tag("soak")
    @Test
    @Order(3)
    void containersThatWereUpAreLeftUpAndOtherTimeoutsAreRefused() throws Exception {
        TestEngine.up();
        TestCluster.Run other = lab("--runtime", "docker", "--timeouts", "default");
        assertEquals(12, other.code(), other.toString());
        assertTrue(other.err().contains("The containers were created with --timeouts fast"), other.err());
        // Ctrl-C with a node killed: it is started again.
        Path events = folder.resolve("run/events.jsonl");
        String[] steps = scenario("kill controller", "await controller", "wait 5m");
        TestCluster.Child child = TestCluster.child(
                Lab.class,
                TestCluster.with(
                        steps,
                        "--runtime",
                        "docker",
                        "--records",
                        "1000",
                        "--out",
                        folder.resolve("run").toString()));
        TestCluster.await(
                "the first kill",
                () -> !child.process().isAlive()
                        || Files.exists(events) && Files.readString(events).contains("\"type\":\"fault\""));
        assertEquals(130, child.interrupt(), child.text());
        List<Map<String, Object>> faults = TestCluster.ofType(TestCluster.events(Files.readAllLines(events)), "fault");
        assertEquals(
                List.of("docker kill"),
                faults.stream().map(e -> e.get("runtime") + " " + e.get("mode")).toList());
        for (int id : Cluster.IDS) assertEquals("running", TestEngine.inspect(Cluster.name(id), "{{.State.Status}}"));
    }

    @Test
    @Tag("soak")
    @Order(6)
    void everyCommandOfTheNotebookRunsOnContainers() throws Exception {
        TestEngine.requireEngine();
        TestCluster.down();
        String compose = "docker compose -f " + TestEngine.COMPOSE;
        TestEngine.owned(() -> NotebookTest.run(
                folder,
                text -> text.replace(
                                "./jbang cluster up --timeouts fast",
                                "KRAFT_LAB_TIMEOUTS=fast " + compose + " up -d --wait")
                        .replace("./jbang cluster status", compose + " ps")
                        .replace("./jbang cluster down", compose + " down -v -t 0"),
                List.of("48 of 48", "exit code 11", "PASS: ")));
    }
}
