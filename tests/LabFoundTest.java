import static org.junit.jupiter.api.Assertions.*;

import com.fasterxml.jackson.jr.ob.JSON;
import java.nio.file.*;
import java.util.*;
import org.junit.jupiter.api.*;

/** Runs lab on a cluster that was already up: lab leaves it up, with every node restored. */
@Tag("faults")
@Order(68)
class LabFoundTest {
    private final Path out = TestCluster.HOME.resolve("found" + System.nanoTime());

    @BeforeEach
    void healthy() throws Exception {
        TestCluster.healthy();
    }

    private TestCluster.Run status() {
        return TestCluster.run(Cluster::run, "status", "--data-dir", TestCluster.DATA);
    }

    @Test
    void otherTimeoutsAreRefused() throws Exception {
        TestCluster.Run other = TestCluster.run(
                Lab::run,
                "--timeouts",
                "default",
                "--records",
                "1000",
                "--out",
                out.toString(),
                "--data-dir",
                TestCluster.DATA);
        assertEquals(12, other.code(), other.toString());
        assertEquals(0, status().code(), "refused, and the cluster is as it was");
    }

    @Test
    void ctrlCWithANodeKilledStartsItAgain() throws Exception {
        Path events = out.resolve("events.jsonl");
        TestCluster.Child child = TestCluster.child(
                Lab.class, "--records", "1000", "--out", out.toString(), "--data-dir", TestCluster.DATA);
        TestCluster.await(
                "the first kill",
                () -> !child.process().isAlive()
                        || Files.exists(events) && Files.readString(events).contains("\"type\":\"fault\""));
        assertEquals(130, child.interrupt(), child.text());
        TestCluster.await("all three are up", () -> status().code() == 0);
    }

    @Test
    void ctrlCWhileAFollowerIsSlowLeavesItWhole() throws Exception {
        Path file = Files.writeString(TestCluster.HOME.resolve("slow.txt"), "slow 2 for 60s\n");
        TestCluster.Child child = TestCluster.child(
                Lab.class,
                "--scenario",
                file.toString(),
                "--records",
                "1000",
                "--out",
                out.toString(),
                "--data-dir",
                TestCluster.DATA);
        // In the middle of a burst: the process is stopped.
        TestCluster.await(
                "a burst",
                () -> !child.process().isAlive()
                        || JSON.std.mapFrom(TestCluster.nodeFile(2).toFile()).get("fault") != null);
        assertEquals(130, child.interrupt(), child.text());
        assertEquals(0, status().code());
        TestCluster.Run nodes = TestCluster.run(Nodes::run, "--data-dir", TestCluster.DATA);
        assertEquals(3, nodes.out().lines().filter(l -> l.endsWith(" running")).count(), nodes.toString());
    }
}
