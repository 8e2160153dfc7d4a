import static org.junit.jupiter.api.Assertions.*;

import java.nio.file.*;
import java.util.*;
import java.util.stream.*;
import org.junit.jupiter.api.Test;

/** Checks the test runner: tests that need a cluster get lanes, and a lane's counts arrive. */
class LaneTest {
    @Test
    void aClassOnTheEmbeddedClusterSaysWhichLaneItIsIn() throws Exception {
        List<String> untagged = new ArrayList<>();
        try (Stream<Path> files = Files.list(ContractTest.REPO.resolve("tests"))) {
            for (Path file : files.filter(f -> f.getFileName().toString().matches("(?!Lane).*Test\\.java"))
                    .toList()) {
                String text = Files.readString(file);
                boolean onTheCluster = text.contains("TestCluster.healthy(")
                        || text.contains("TestCluster.down(")
                        || text.contains("extends DeliveryFixture");
                boolean onDocker = file.getFileName().toString().contains("Docker") || text.contains("TestEngine.up(");
                if (onTheCluster
                        && !onDocker
                        && TestLane.ON_A_CLUSTER.stream().noneMatch(tag -> text.contains("@Tag(\"" + tag + "\")")))
                    untagged.add(file.getFileName().toString());
            }
        }
        assertEquals(
                List.of(),
                untagged,
                "they use TestCluster and hold up the tests on Docker, which need its ports: give the class, or each"
                        + " such test, one of the tags "
                        + TestLane.ON_A_CLUSTER);
    }

    @Test
    void whatALaneTellsIsAddedUp() {
        AllTests.Counts counts = new AllTests.Counts();
        counts.passed = 3;
        Map<String, Double> seconds = new TreeMap<>(Map.of("A", 1.0));
        assertTrue(TestLane.add(List.of("= seconds 2.5 A", "= seconds 0.5 B", "= counts 10 1 2"), counts, seconds));
        assertEquals(List.of(13, 1, 2), List.of(counts.passed, counts.failed, counts.skipped));
        assertEquals(Map.of("A", 3.5, "B", 0.5), seconds);
        assertFalse(
                TestLane.add(List.of("= seconds 2.5 A"), counts, seconds),
                "a lane that ended without its counts has failed");
    }
}
