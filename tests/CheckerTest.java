import static org.junit.jupiter.api.Assertions.*;

import java.util.*;
import org.junit.jupiter.api.*;

/**
 * Checks the delivery check without a cluster: each anomaly of docs/verifier.md is planted and found, each legal case
 * passes.
 */
@Order(10)
class CheckerTest extends CheckerFixture {
    @Test
    void everythingThereIsAPass() {
        var w = written(true);
        for (int seq = 1; seq <= 4; seq++) w.acknowledged(seq, seq % 2, (seq - 1) / 2, 0);
        log(1, "run/p/1", "run/p/3");
        log(0, "run/p/2", "run/p/4");
        var v = expect("pass");
        assertEquals(
                List.of(4L, 4L, 0L, 0L),
                List.of(
                        v.acknowledged(),
                        v.log().read(),
                        v.log().other(),
                        v.ledger().failed()));
    }

    @Test
    void acknowledgedAndNotInTheLogThatWasReadIsLost() {
        var w = written(true);
        for (int seq = 1; seq <= 3; seq++) w.acknowledged(seq, 0, seq - 1, 0);
        log(0, "run/p/1", null, "run/p/3");
        var example = expect("fail", "LOST", 1).report().examples().get(0);
        assertEquals(example(Anomaly.LOST, "run/p/2", 2, 0, 1, -1, 0, null), example);
    }

    @Test
    void acknowledgedBeyondWhatWasReachedIsUnseenAndNotLost() {
        var w = written(true);
        w.acknowledged(1, 0, 0, 0);
        w.acknowledged(2, 0, 1, 0);
        log(0, "run/p/1");
        expect("incomplete", "UNSEEN", 1);
    }

    // ---- Anomalies and legal cases ----

    @Test
    void whereNothingWasAcknowledgedNothingIsProved() {
        var w = written(true);
        w.indeterminate(1);
        w.indeterminate(2);
        log(0, "run/p/1");
        assertTrue(expect("incomplete").incomplete().get(0).contains("nothing was promised"));
    }

    @Test
    void anEmptyLedgerProvesNothing() throws Exception {
        load(HEAD, "{'end':true,'sent':0}");
        expect("incomplete");
    }

    @Test
    void onePartitionUnseenDoesNotHideALossInAnother() {
        var w = written(true);
        w.acknowledged(1, 0, 0, 0);
        w.acknowledged(2, 1, 7, 0);
        log(0, (String) null);
        log(1);
        expect("fail", "LOST", 1, "UNSEEN", 1);
    }

    @Test
    void oneIdentityAtTwoOffsetsIsADuplicate() {
        written(true).acknowledged(1, 0, 0, 0);
        log(0, "run/p/1", "run/p/1", "run/p/1");
        expect("fail", "DUPLICATE", 1);
    }

    @Test
    void duplicatesInTwoPartitionsCountToo() {
        written(true).acknowledged(1, 0, 0, 0);
        log(0, "run/p/1");
        log(1, "run/p/1");
        expect("fail", "DUPLICATE", 1);
    }

    @Test
    void duplicatesOfAProducerThatIsNotIdempotentAreOnlyReported() {
        var w = written(false);
        w.acknowledged(1, 0, 0, 0);
        w.acknowledged(1, 0, 1, 0);
        w.acknowledged(2, 0, 2, 0);
        log(0, "run/p/1", "run/p/1", "run/p/2");
        assertEquals(2, expect("pass", "DUPLICATE", 1).acknowledged());
    }

    @Test
    void aLaterSequenceAtALowerOffsetIsReordered() {
        var w = written(true);
        w.acknowledged(1, 0, 1, 0);
        w.acknowledged(2, 0, 0, 0);
        log(0, "run/p/2", "run/p/1");
        expect("fail", "REORDERED", 1);
    }

    @Test
    void reorderingByAProducerThatIsNotIdempotentIsOnlyReported() {
        var w = written(false);
        w.acknowledged(1, 0, 1, 0);
        w.acknowledged(2, 0, 0, 0);
        log(0, "run/p/2", "run/p/1");
        expect("pass", "REORDERED", 1);
    }

    @Test
    void orderIsOfAPartitionAndOfAProducer() {
        var p = written(true);
        var q = written("q", true);
        p.acknowledged(1, 1, 0, 0);
        p.acknowledged(2, 0, 0, 0);
        q.acknowledged(1, 0, 1, 0);
        log(0, "run/p/2", "run/q/1");
        log(1, "run/p/1");
        expect("pass");
    }

    @Test
    void anAcknowledgedOffsetWithAnotherRecordIsInconsistent() {
        var w = written(true);
        w.acknowledged(1, 0, 0, 0);
        w.acknowledged(2, 0, 1, 0);
        log(0, "run/p/1", "other/p/9", "run/p/2");
        expect("fail", "INCONSISTENT", 1);
    }

    @Test
    void aRecordAtAnotherOffsetThanTheAcknowledgedGapIsInconsistent() {
        var w = written(true);
        w.acknowledged(1, 0, 0, 0);
        w.acknowledged(2, 0, 1, 0);
        log(0, "run/p/1", null, "run/p/2");
        expect("fail", "INCONSISTENT", 1);
    }

    @Test
    void aFailedRecordInTheLogIsAnAbortedRead() {
        var w = written(true);
        w.failed(1, 1);
        log(0, "run/p/1");
        assertEquals(1, expect("fail", "ABORTED_READ", 1).ledger().failed());
    }

    @Test
    void theFailedAttemptIsToldFromTheOneThatWasWritten() {
        var w = written(false);
        w.failed(1, 1);
        w.acknowledged(1, 0, 0, 0);
        w.failed(2, 1);
        w.acknowledged(2, 0, 1, 0);
        record(0, 0, "run/p/1", 2);
        record(0, 1, "run/p/2", 1);
        checker.reached(0, 2);
        expect("fail", "ABORTED_READ", 1);
    }

    @Test
    void anIdentityThatNobodyAttemptedIsAPhantom() {
        written(true).acknowledged(1, 0, 0, 0);
        log(0, "run/p/1", "run/p/2", "run/q/1", "run/p/x", "run/p/01", "run/p/0", "run/p/");
        expect("fail", "PHANTOM", 6);
    }

    @Test
    void otherRunsRecordsAreIgnored() {
        written(true).acknowledged(1, 0, 4, 0);
        log(0, "run2/p/1", "ru/p/1", "", "run", "run/p/1");
        record(1, 0, null, 1);
        assertEquals(5, expect("pass").log().other());
    }

    @Test
    void anIndeterminateRecordMayHaveLandedOrNot() {
        var w = written(true);
        w.indeterminate(1);
        w.indeterminate(2);
        w.acknowledged(3, 0, 1, 0);
        log(0, "run/p/1", "run/p/3");
        var v = expect("pass");
        assertEquals(List.of(1L, 1L), List.of(v.ledger().landed(), v.ledger().absent()));
    }

    @Test
    void anIndeterminateAttemptThatWasAcknowledgedLaterIsAcknowledged() {
        var w = written(false);
        w.indeterminate(1);
        w.acknowledged(1, 0, 0, 0);
        log(0, "run/p/1");
        var v = expect("pass");
        assertEquals(
                List.of(1L, 0L, 0L),
                List.of(v.acknowledged(), v.ledger().landed(), v.ledger().absent()));
    }

    @Test
    void offsetGapsAreLegal() {
        var w = written(true);
        w.acknowledged(1, 0, 3, 0);
        w.acknowledged(2, 0, 7, 0);
        log(0, null, null, null, "run/p/1", null, null, null, "run/p/2", null);
        expect("pass");
    }

    @Test
    void noMoreThanTenExamplesOfAKindAreKept() {
        var w = written(true);
        for (int seq = 1; seq <= 25; seq++) w.acknowledged(seq, 0, seq - 1, 0);
        log(0, new String[25]);
        assertEquals(10, expect("fail", "LOST", 25).report().examples().size());
    }

    @Test
    void aPartitionHasItsOwnCounts() {
        var w = written(true);
        for (int seq = 1; seq <= 4; seq++) w.acknowledged(seq, seq % 2, (seq - 1) / 2, 0);
        log(1, "run/p/1", null);
        log(0, "run/p/2", "run/p/4", "run/p/4");
        var partitions = expect("fail", "LOST", 1, "DUPLICATE", 1).report().partitions();
        assertEquals(
                List.of(0, 1),
                partitions.stream().map(Anomaly.Report.Partition::partition).toList());
        assertEquals(
                List.of(2L, 3L, 0L, 1L),
                List.of(
                        partitions.get(0).acknowledged(),
                        partitions.get(0).read(),
                        count(partitions.get(0), "LOST"),
                        count(partitions.get(0), "DUPLICATE")));
        assertEquals(
                List.of(2L, 1L, 1L, 0L),
                List.of(
                        partitions.get(1).acknowledged(),
                        partitions.get(1).read(),
                        count(partitions.get(1), "LOST"),
                        count(partitions.get(1), "DUPLICATE")));
    }

    @Test
    void acknowledgementsInAnyOrderOfOffsetsAreHeldInOrder() {
        Acknowledgements acks = new Acknowledgements();
        List<Integer> seqs = new ArrayList<>();
        for (int i = 1; i <= 5000; i++) seqs.add(i);
        Collections.shuffle(seqs, new Random(5)); // far more out of order than any producer
        for (int seq : seqs) acks.add(seq * 3_000_000_000L, seq, 1_764_000_000_000L - seq);
        acks.add(6_000_000_000L, 7777, -1); // a second acknowledgement of the same offset
        List<Integer> read = new ArrayList<>();
        for (var a = acks.cursor(); a.offset() < Long.MAX_VALUE; a.advance()) {
            if (a.seq() == 7777) {
                assertEquals(List.of(6_000_000_000L, -1L), List.of(a.offset(), a.at()));
                continue;
            }
            read.add(a.seq());
            assertEquals(List.of(a.seq() * 3_000_000_000L, 1_764_000_000_000L - a.seq()), List.of(a.offset(), a.at()));
        }
        Collections.sort(seqs);
        assertEquals(seqs, read);
        assertEquals(List.of(3_000_000_000L, 15_000_000_000_000L), List.of(acks.first(), acks.last()));
    }

    @Test
    void keysThatDriveATerminalAreEscaped() {
        written(true).acknowledged(1, 0, 0, 0);
        log(0, "run/p/1", "run/x\u001b]0;a\u0007\r\nPASS: forged");
        java.io.StringWriter out = new java.io.StringWriter();
        CheckDelivery script = new CheckDelivery();
        script.common.configure(script, new java.io.PrintWriter(out), new java.io.PrintWriter(out), "x.jsonl");
        new VerdictPrinter(script.common.out).print(checker.verdict());
        assertTrue(out.toString().contains("run/x\\u001b]0;a\\u0007\\u000d\\u000aPASS: forged"), out.toString());
        assertFalse(
                out.toString().chars().anyMatch(c -> c < 32 && c != '\n')
                        || out.toString().lines().anyMatch(l -> l.startsWith("PASS")),
                out.toString());
    }
}
