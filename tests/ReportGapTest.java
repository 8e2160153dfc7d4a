import static org.junit.jupiter.api.Assertions.*;

import java.nio.file.*;
import java.util.*;
import org.junit.jupiter.api.*;
import org.junit.jupiter.api.io.TempDir;

/**
 * Tests the page of a run whose producer ended while it still waited: nothing was acknowledged again, and the page does
 * not claim otherwise.
 */
@Order(21)
class ReportGapTest {
    @TempDir
    Path folder;

    private Map<?, ?> outage(boolean ended) throws Exception {
        List<String> lines = new ArrayList<>();
        for (int second = 1; second < 10; second++) lines.add(ReportTest.ack(second, second, 0, 5000));
        lines.add(ReportTest.event(10, "kill-node", "fault", "node", 1, "mode", "kill"));
        for (int partition : List.of(-1, 0))
            lines.add(ReportTest.event(
                    29,
                    "resilient-producer",
                    "stall",
                    "topic",
                    "critical_data",
                    "partition",
                    partition,
                    "from",
                    ReportTest.ts(9),
                    "ms",
                    20_000,
                    "ended",
                    ended));
        Path events = Files.write(
                Files.createDirectories(folder.resolve("run-" + ended)).resolve("events.jsonl"), lines);
        assertEquals(
                0, TestCluster.run(Report::run, events.getParent().toString()).code());
        return ReportTest.map(ReportTest.list(
                        ReportTest.data(events.resolveSibling("report.html")).get("outages"))
                .get(0));
    }

    @Test
    void aGapThatHasNotEndedEndsWithNoAcknowledgement() throws Exception {
        Map<?, ?> lasts = outage(false), over = outage(true);
        assertEquals(
                List.of(false, false, true),
                List.of(lasts.containsKey("firstAck"), lasts.containsKey("allAck"), lasts.containsKey("gapFrom")),
                lasts.toString());
        assertTrue(((Number) over.get("firstAck")).doubleValue() > 10 && over.containsKey("allAck"), over.toString());
    }
}
