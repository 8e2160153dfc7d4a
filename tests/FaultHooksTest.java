import static org.junit.jupiter.api.Assertions.*;

import java.nio.file.*;
import java.util.*;
import java.util.concurrent.*;
import org.junit.jupiter.api.*;

/** Runs kill-node and start-node with commands as hooks, through failures, timeouts and Ctrl-C. */
@Order(40)
@Tag("faults")
class FaultHooksTest {
    @BeforeEach
    void healthy() throws Exception {
        TestCluster.healthy();
    }

    @Test
    @Order(10)
    void hooksAreRunWithTheNodesValues() throws Exception {
        Path file = TestCluster.HOME.resolve("hook");
        TestCluster.Run run = TestCluster.run(
                KillNode::run,
                "2",
                "--kill-command",
                "echo {id} {name} {host} {mode} > " + file,
                "-b",
                Cluster.bootstrap());
        assertEquals(0, run.code(), run.toString());
        assertEquals("2 kafka02 localhost kill\n", Files.readString(file));
        assertTrue(run.err().contains("Runtime: hooks"), run.err());
        run = TestCluster.run(
                KillNode::run, "kafka03", "--mode", "pause", "--kill-command", "echo {id} {mode} > " + file);
        assertEquals(0, run.code(), run.toString());
        assertEquals("3 pause\n", Files.readString(file));
        run = TestCluster.run(KillNode::run, "3", "--restore", "--start-command", "echo start {id} {name} > " + file);
        assertEquals(0, run.code(), run.toString());
        assertEquals("start 3 kafka03\n", Files.readString(file));
        for (int id : Cluster.IDS) assertTrue(TestCluster.runs(id), "a hook is all that is run");
    }

    @Test
    @Order(11)
    void aHookThatFailsIsReported() throws Exception {
        TestCluster.Run run = TestCluster.run(KillNode::run, "2", "--kill-command", "echo no such unit >&2; exit 7");
        assertEquals(1, run.code(), run.toString());
        assertTrue(run.err().contains("ended with 7: no such unit"), run.err());
        assertEquals("", run.out());
        assertEquals(
                2,
                TestCluster.run(KillNode::run, "2", "--restore", "--kill-command", "true")
                        .code(),
                "no --start-command");
        assertEquals(
                2,
                TestCluster.run(KillNode::run, "2", "--mode", "stop", "--kill-command", "true")
                        .code(),
                "no {mode}");
        aHookThatTimesOutIsKilled();
        whatIsNotRestoredIsReported();
        assertEquals(
                12,
                TestCluster.run(KillNode::run, "1", "2", "--kill-command", "touch " + TestCluster.HOME.resolve("harm"))
                        .code());
        assertFalse(Files.exists(TestCluster.HOME.resolve("harm")));
    }

    /** A command that times out is killed with its children: it must not break the node later. */
    private static void aHookThatTimesOutIsKilled() throws Exception {
        Path pid = TestCluster.HOME.resolve("hook.pid");
        assertEquals(
                15,
                TestCluster.run(
                                KillNode::run,
                                "2",
                                "--timeout",
                                "1500ms",
                                "--kill-command",
                                "(echo $(exec sh -c 'echo $PPID') > " + pid + "; sleep 300) & wait")
                        .code());
        ProcessHandle.of(Long.parseLong(Files.readString(pid).trim()))
                .ifPresent(p -> assertDoesNotThrow(() -> p.onExit().get(10, TimeUnit.SECONDS)));
    }

    /** The user's command does not "restore" what was not broken. */
    private static void whatIsNotRestoredIsReported() {
        assertEquals(
                2,
                TestCluster.run(
                                KillNode::run,
                                "2",
                                "--for",
                                "1s",
                                "--start-command",
                                "touch " + TestCluster.HOME.resolve("harm"))
                        .code());
        TestCluster.Run stuck = TestCluster.run(
                KillNode::run,
                "2",
                "--for",
                "100ms",
                "--no-wait",
                "--kill-command",
                "true",
                "--start-command",
                "exit 3");
        assertEquals(1, stuck.code(), stuck.toString());
        assertTrue(stuck.err().contains("1 of 1 nodes could not be restored."), stuck.err());
        assertTrue(
                stuck.err().contains("ended with 3. To restore, run: start-node 2 ")
                        && stuck.err().contains("--start-command 'exit 3'"),
                stuck.err());
    }

    /** Prints more than a pipe buffers. */
    @Test
    @Order(11)
    void aHookThatPrintsMuchEnds() throws Exception {
        TestCluster.Run run = TestCluster.run(KillNode::run, "2", "--timeout", "10s", "--kill-command", "seq 1 100000");
        assertEquals(0, run.code(), run.toString());
        run = TestCluster.run(KillNode::run, "2", "--timeout", "10s", "--kill-command", "seq 1 100000; exit 7");
        assertEquals(1, run.code(), run.toString());
        assertTrue(
                run.err().contains("ended with 7: 1 / 2 / 3 / ") && run.err().contains(" / 99999 / 100000."),
                run.err());
    }

    /** In sequence, the hooks would take longer than Ctrl-C waits by default. */
    @Test
    @Order(11)
    void slowHooksUndoAllThatTheyBrokeOnCtrlC() throws Exception {
        Path file = TestCluster.HOME.resolve("undone");
        TestCluster.Child child = TestCluster.child(
                KillNode.class,
                "all",
                "--for",
                "60s",
                "--force",
                "-b",
                Cluster.bootstrap(),
                "--kill-command",
                "true",
                "--start-command",
                "sleep 3.6; echo {id} >> " + file);
        TestCluster.await(
                "the faults", () -> !child.process().isAlive() || child.text().contains("Undoing it in"));
        assertEquals(130, child.interrupt(), child.text());
        assertEquals(
                List.of("1", "2", "3"),
                Files.readAllLines(file).stream().sorted().toList(),
                child.text());
        for (int id : Cluster.IDS) assertTrue(child.text().contains(Cluster.name(id) + " restored"), child.text());
    }

    /** A user who stops waiting sees what is left to restore. */
    @Test
    @Order(11)
    void aSecondCtrlCNamesTheCommandThatUndoesIt() throws Exception {
        TestCluster.Child child = TestCluster.child(
                KillNode.class,
                "3",
                "--for",
                "60s",
                "-b",
                Cluster.bootstrap(),
                "--timeout",
                "50s",
                "--kill-command",
                "true",
                "--start-command",
                "echo undoing >> " + TestCluster.HOME.resolve("began") + "; sleep 60");
        TestCluster.await(
                "the fault", () -> !child.process().isAlive() || child.text().contains("Undoing it in"));
        new ProcessBuilder("kill", "-INT", "" + child.process().pid()).start().waitFor();
        TestCluster.await("its undoing", () -> Files.exists(TestCluster.HOME.resolve("began")));
        assertEquals(130, child.interrupt(), child.text());
        assertTrue(child.text().contains("Not restored: kafka03; to restore, run: start-node 3 "), child.text());
    }
}
