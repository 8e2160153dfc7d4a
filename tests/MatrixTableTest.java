import static org.junit.jupiter.api.Assertions.*;

import com.fasterxml.jackson.jr.ob.JSON;
import java.nio.file.*;
import java.time.*;
import java.util.*;
import java.util.stream.*;
import org.junit.jupiter.api.*;
import org.junit.jupiter.api.io.TempDir;

/** Checks, without a cluster, what a run of failover-matrix proves, and the table and advice derived from it. */
@Order(62)
@Tag("records")
class MatrixTableTest {
    @TempDir
    Path folder;

    private static MatrixRun.Plan plan(MatrixCell cell, int number) {
        return new MatrixRun.Plan(cell, number, 2000, 2000);
    }

    private static MatrixRun ran(
            String acks,
            int minIsr,
            boolean idempotent,
            MatrixCell.Fault fault,
            String timeouts,
            int number,
            Long gapMs,
            long lost,
            long duplicated,
            long reordered) {
        Map<MatrixRun.Count, Long> counts = new EnumMap<>(MatrixRun.Count.class);
        for (MatrixRun.Count count : MatrixRun.Count.values()) counts.put(count, 0L);
        counts.putAll(Map.of(
                MatrixRun.Count.ACKNOWLEDGED,
                1000L,
                MatrixRun.Count.LOST,
                lost,
                MatrixRun.Count.DUPLICATED,
                duplicated,
                MatrixRun.Count.REORDERED,
                reordered));
        return new MatrixRun(
                plan(new MatrixCell(acks, minIsr, idempotent, fault, timeouts), number),
                new MatrixRun.Gaps(gapMs / 2, gapMs),
                counts,
                new MatrixRun.Result(lost > 0 ? "fail" : "pass", 1, List.of()));
    }

    @Test
    @Order(2)
    void theTableHasTheSpreadAndTheAdviceFollowsFromIt() {
        MatrixCell.Fault kill = MatrixCell.Fault.KILL_LEADER,
                pause = MatrixCell.Fault.PAUSE_LEADER,
                stop = MatrixCell.Fault.STOP_LEADER;
        MatrixTable table = new MatrixTable(List.of(
                ran("1", 1, false, pause, "fast", 1, 7000L, 5, 0, 0),
                ran("1", 1, false, pause, "fast", 2, 9000L, 0, 0, 0),
                ran("1", 1, false, pause, "fast", 3, 8000L, 7, 0, 0),
                ran("1", 1, false, kill, "fast", 1, 3000L, 0, 0, 0),
                ran("all", 2, true, kill, "fast", 1, 3000L, 0, 0, 0),
                ran("all", 2, true, stop, "fast", 1, 300L, 0, 0, 0),
                ran("all", 2, false, kill, "fast", 1, 3000L, 0, 2, 9)));
        List<String> rows = table.text().lines().toList();
        assertTrue(
                rows.get(1)
                        .matches("1 +1 +- +pause-leader +fast +3 +0 +8\\.00 \\(7\\.00 to 9\\.00\\) +4\\.00 \\(3\\.50 to"
                                + " 4\\.50\\) +12 in 2 of 3 +0 +0 +0 +0 +0 +0 +0"),
                rows.get(1));
        List<String> advice = table.advice();
        assertEquals(3, advice.size(), advice.toString());
        assertTrue(
                advice.get(0).contains("under pause-leader lost 12 acknowledged records in 2 of 3 runs")
                        && advice.get(0).contains("under kill-leader (1 runs) lost none this time")
                        && advice.get(0).contains("nothing in 2 runs: use it"),
                advice.get(0));
        assertTrue(
                advice.get(1).contains("stop-leader 0.30 s, kill-leader 3.00 s (medians)")
                        && advice.get(1).endsWith("shut down cleanly cost 0.10 of one that was killed."),
                advice.get(1));
        assertTrue(
                advice.get(2)
                        .startsWith(
                                "Under the same faults, without idempotence 2 records were duplicated and 9 reordered"
                                        + " in 1 runs with acks=all, with it 0 records"),
                advice.get(2));
        adviceHasItsLimits();
    }

    private static void adviceHasItsLimits() {
        MatrixCell.Fault kill = MatrixCell.Fault.KILL_LEADER, pause = MatrixCell.Fault.PAUSE_LEADER;
        // Idempotence is compared only where nothing else differs. The effect of --fault-duration is reported.
        // A killed controller under acks=1 that lost nothing is no promise either.
        List<String> other = new MatrixTable(List.of(
                        ran("all", 2, true, kill, "fast", 1, 3000L, 0, 0, 0),
                        ran("all", 2, false, pause, "fast", 1, 3000L, 0, 2, 9),
                        ran("all", 2, true, MatrixCell.Fault.TWO_OF_THREE, "fast", 1, 9000L, 0, 0, 0),
                        ran("1", 1, false, MatrixCell.Fault.KILL_CONTROLLER, "fast", 1, 3000L, 0, 0, 0)))
                .advice();
        assertEquals(2, other.size(), other.toString());
        assertTrue(
                other.get(0).contains("under kill-controller (1 runs) lost none this time")
                        && other.get(1).contains("two-of-three were undone 2.0 s after they took effect"),
                other.toString());
        // A safe setting that lost a record is not recommended.
        assertTrue(new MatrixTable(List.of(ran("all", 2, true, kill, "fast", 1, 1L, 1, 0, 0)))
                .advice()
                .get(0)
                .contains("did not hold in every run"));
        assertTrue(
                new MatrixTable(List.of(
                                ran("all", 2, true, kill, "fast", 1, 1000L, 0, 0, 0),
                                ran("all", 2, true, kill, "default", 1, 3000L, 0, 0, 0)))
                        .advice()
                        .get(1)
                        .contains("3.0 times"),
                "timeouts");
        assertEquals(List.of(), new MatrixTable(List.of()).advice());
    }

    // ---- What a run proves: the delivery check's verdict on planted ledgers and logs ----

    private static final MatrixCell PAUSED = new MatrixCell("1", 1, false, MatrixCell.Fault.PAUSE_LEADER, "fast");
    private static final MatrixCell UNCONFIRMED = new MatrixCell("0", 1, false, MatrixCell.Fault.KILL_LEADER, "fast");
    private static final ResilientProducer.Summary SENT = new ResilientProducer.Summary(
            10,
            10,
            Map.of(
                    ResilientProducer.Outcome.acknowledged, 10L,
                    ResilientProducer.Outcome.failed, 0L,
                    ResilientProducer.Outcome.indeterminate, 0L),
            0,
            List.of(
                    new ResilientProducer.Gap(0, Instant.EPOCH, Duration.ofMillis(5400)),
                    new ResilientProducer.Gap(-1, Instant.EPOCH, Duration.ofMillis(20))),
            Duration.ofSeconds(9));

    /** Returns a run of ten acknowledged records, with these in the log, which was read up to an offset. */
    private static MatrixRun checked(MatrixCell cell, int number, long readTo, Integer... inTheLog) {
        return checked(new DeliveryChecker(), cell, number, readTo, inTheLog);
    }

    private static MatrixRun checked(
            DeliveryChecker checker, MatrixCell cell, int number, long readTo, Integer... inTheLog) {
        ProducerLedger ledger = new ProducerLedger("t", "run", "p", cell.idempotent());
        checker.add(ledger);
        for (int seq = 1; seq <= 10; seq++)
            if (cell.acks().equals("0")) ledger.indeterminate(seq);
            else ledger.acknowledged(seq, 0, seq - 1, 0);
        for (int seq : inTheLog) checker.record(0, seq - 1, ("run/p/" + seq).getBytes(), 1, 5, 0);
        checker.reached(0, readTo);
        return MatrixTrial.result(plan(cell, number), FailoverMatrix.sent(SENT), checker.verdict(), 1);
    }

    private static String cell(MatrixTable table, String column) {
        List<List<String>> rows = table.markdown()
                .lines()
                .filter(l -> l.startsWith("| "))
                .map(l -> List.of(l.split(" *\\| *")))
                .toList();
        return rows.get(1).get(rows.get(0).indexOf(column));
    }

    @Test
    void aLossThatIsThereIsInTableAndSentenceAndOneThatIsNotIsNot() {
        MatrixRun whole = checked(PAUSED, 1, 10, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10),
                holed = checked(PAUSED, 2, 10, 1, 2, 3, 7, 8, 9, 10);
        assertEquals(
                List.of("pass", 0L, 5400L, 20L),
                List.of(
                        whole.verdict(),
                        whole.count(MatrixRun.Count.LOST),
                        whole.gaps().partitionMs(),
                        whole.gaps().allMs()));
        assertEquals(
                List.of("fail", 3L, 0L),
                List.of(holed.verdict(), holed.count(MatrixRun.Count.LOST), holed.count(MatrixRun.Count.OTHER)));
        MatrixTable without = new MatrixTable(List.of(whole)), with = new MatrixTable(List.of(whole, holed));
        assertEquals(List.of("0", "3 in 1 of 2"), List.of(cell(without, "lost"), cell(with, "lost")));
        assertTrue(
                without.advice()
                        .get(0)
                        .contains("under pause-leader (1 runs) lost none this time, which is no promise"),
                without.advice().toString());
        assertTrue(
                with.advice().get(0).contains("under pause-leader lost 3 acknowledged records in 1 of 2 runs")
                        && !with.advice().get(0).contains("none this time"),
                with.advice().toString());
        assertEquals(List.of(), with.notes());
    }

    @Test
    void aRunThatWasNotReadToItsEndIsCountedAndNamedAndIsNoPass() {
        MatrixRun unread = checked(PAUSED, 1, 6, 1, 2, 3, 4, 5, 6),
                whole = checked(PAUSED, 2, 10, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10);
        assertEquals(
                List.of(MatrixRun.Proof.UNFINISHED, 4L), List.of(unread.proof(), unread.count(MatrixRun.Count.UNSEEN)));
        MatrixTable table = new MatrixTable(List.of(unread, whole));
        assertEquals(
                List.of("2", "1 of 2", "0", "4 in 1 of 2"),
                Stream.of("runs", "incomplete", "lost", "unseen")
                        .map(c -> cell(table, c))
                        .toList());
        assertTrue(
                table.notes().get(0).contains("under pause-leader: 1 of 2 runs were not checked to the end")
                        && table.notes().get(0).contains("4 records unseen"),
                table.notes().toString());
        assertTrue(
                table.text().contains(table.notes().get(0))
                        && table.markdown().contains("- " + table.notes().get(0)),
                table.text());
        assertTrue(
                table.advice().get(0).contains("(1 runs) lost none this time"),
                table.advice().toString());
        MatrixTable alone = new MatrixTable(List.of(unread));
        assertEquals(
                List.of("-", List.of()),
                List.of(cell(alone, "lost"), alone.advice()),
                "nothing is said of a loss that nobody could look for");
        MatrixCell safe = new MatrixCell("all", 2, true, MatrixCell.Fault.KILL_LEADER, "fast");
        String advice = new MatrixTable(List.of(
                        checked(safe, 1, 6, 1, 2, 3, 4, 5, 6), checked(safe, 2, 10, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10)))
                .advice()
                .get(0);
        assertTrue(advice.contains("nothing in 1 runs, and 1 more were not checked to the end"), advice);
    }

    /** With every replica in sync, a log that ends below acknowledged offsets is a loss, not a run to leave out. */
    @Test
    void aTruncatedTailIsLost() {
        DeliveryChecker ended = new DeliveryChecker();
        ended.ended(0);
        MatrixRun cut = checked(ended, PAUSED, 1, 6, 1, 2, 3, 4, 5, 6);
        assertEquals(
                List.of("fail", MatrixRun.Proof.CHECKED, 4L, 0L),
                List.of(
                        cut.verdict(),
                        cut.proof(),
                        cut.count(MatrixRun.Count.LOST),
                        cut.count(MatrixRun.Count.UNSEEN)));
        MatrixTable table = new MatrixTable(List.of(cut));
        assertEquals(
                List.of("0", "4", List.of()), List.of(cell(table, "incomplete"), cell(table, "lost"), table.notes()));
        assertTrue(
                table.advice().get(0).contains("under pause-leader lost 4 acknowledged records in 1 of 1 runs"),
                table.advice().toString());
    }

    /**
     * Five records are lost with the tail; three others are at other offsets than acknowledged, which the loss does not
     * explain.
     */
    @Test
    void recordsAtOtherOffsetsAreNotHiddenByALossElsewhere() {
        DeliveryChecker ended = new DeliveryChecker(), overwritten = new DeliveryChecker();
        ended.ended(0);
        int[] log = {2, 3, 1, 4, 5};
        MatrixRun run = checkedAt(ended, log);
        assertEquals(
                List.of("fail", 5L, 3L),
                List.of(run.verdict(), run.count(MatrixRun.Count.LOST), run.count(MatrixRun.Count.OTHER)));
        run = checkedAt(overwritten, 1, 2, 3, 4, 5, 0, 0, 0, 0, 0);
        assertEquals(
                List.of("fail", 5L, 0L),
                List.of(run.verdict(), run.count(MatrixRun.Count.LOST), run.count(MatrixRun.Count.OTHER)),
                "what others wrote over the lost tail is nothing more");
    }

    /**
     * Returns a run of ten acknowledged records and the sequence numbers at offsets from 0 on; 0 is a record of another
     * run.
     */
    private static MatrixRun checkedAt(DeliveryChecker checker, int... log) {
        ProducerLedger ledger = new ProducerLedger("t", "run", "p", false);
        checker.add(ledger);
        for (int seq = 1; seq <= 10; seq++) ledger.acknowledged(seq, 0, seq - 1, 0);
        for (int offset = 0; offset < log.length; offset++)
            checker.record(0, offset, (log[offset] == 0 ? "other/p/1" : "run/p/" + log[offset]).getBytes(), 1, 5, 0);
        checker.reached(0, log.length);
        return MatrixTrial.result(plan(PAUSED, 1), FailoverMatrix.sent(SENT), checker.verdict(), 1);
    }

    @Test
    void whereNothingWasAcknowledgedNothingIsProved() {
        MatrixRun run = checked(UNCONFIRMED, 1, 10, 1, 2, 3, 4, 5, 6, 7);
        assertEquals(
                List.of("incomplete", MatrixRun.Proof.NOTHING_PROMISED, 0L, 3L, 7L),
                List.of(
                        run.verdict(),
                        run.proof(),
                        run.count(MatrixRun.Count.ACKNOWLEDGED),
                        run.count(MatrixRun.Count.ABSENT),
                        run.count(MatrixRun.Count.LANDED)));
        MatrixTable table = new MatrixTable(List.of(run));
        assertEquals(
                List.of("1", "1 of 1", "-", "3", "7"),
                Stream.of("runs", "incomplete", "lost", "absent", "landed")
                        .map(c -> cell(table, c))
                        .toList());
        assertTrue(
                table.notes()
                        .get(0)
                        .contains(
                                "1 of 1 runs had no acknowledgement: nothing was promised, so they prove nothing about"
                                        + " loss"),
                table.notes().toString());
        assertTrue(
                table.advice().get(0).contains("left 3 records out of the log, and no error said so"),
                table.advice().toString());
    }

    @Test
    void aFailureThatWasNotReadToItsEndSaysThatThereMayBeMore() {
        MatrixRun run = checked(PAUSED, 1, 8, 1, 2, 3, 7, 8);
        assertEquals(
                List.of("fail", 3L, 2L),
                List.of(run.verdict(), run.count(MatrixRun.Count.LOST), run.count(MatrixRun.Count.UNSEEN)));
        assertTrue(
                new MatrixTable(List.of(run))
                        .notes()
                        .get(0)
                        .contains("may have lost more than was found: 2 records unseen"),
                "notes");
    }

    /**
     * Only runs that were not read to the end or broke off are repeated, not those that passed or that prove nothing;
     * the new line replaces the old one.
     */
    @Test
    void whatIsDoneIsReadBack() throws Exception {
        FailoverMatrix script = new FailoverMatrix();
        script.common.configure(
                script, TestCluster.quiet(), TestCluster.quiet(), "--out", folder.toString(), "--repeat", "2");
        List<MatrixRun> runs = List.of(
                checked(PAUSED, 1, 10, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10),
                checked(PAUSED, 2, 6, 1, 2, 3, 4, 5, 6),
                checked(UNCONFIRMED, 1, 10, 1),
                MatrixRun.brokenOff(plan(UNCONFIRMED, 2), "Partition 1 took nothing", 9),
                checked(PAUSED, 2, 10, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10));
        StringBuilder lines = new StringBuilder();
        for (MatrixRun run : runs) {
            Map<String, Object> line = run.fields().asMap(), event = new HashMap<>(line);
            event.putAll(Map.of("ts", Cli.timestamp(), "source", "failover-matrix", "type", "matrix-run"));
            ContractTest.Schema.validate(event);
            lines.append(JSON.std.asString(line)).append('\n');
        }
        Files.writeString(folder.resolve("matrix.jsonl"), lines);
        assertEquals(
                List.of(runs.get(0), runs.get(2), runs.get(3), runs.get(4)),
                script.readFolder().runs());
        List<MatrixRun.Plan> missing = script.readFolder().missing(List.of(PAUSED, UNCONFIRMED), 2, 2000, 2000);
        assertEquals(List.of(plan(UNCONFIRMED, 2)), missing);
        // A line of an earlier version has neither "reasons" nor "unseen", and has the verdict "pass".
        Files.writeString(
                folder.resolve("matrix.jsonl"),
                lines.toString()
                                .lines()
                                .skip(2)
                                .findFirst()
                                .orElseThrow()
                                .replaceFirst(",\"unseen\".*", "}")
                                .replace("incomplete", "pass")
                        + "\n");
        assertEquals(
                MatrixRun.Proof.NOTHING_PROMISED,
                script.readFolder().runs().get(0).proof());
    }
}
