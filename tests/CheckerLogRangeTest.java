import static org.junit.jupiter.api.Assertions.*;

import java.util.*;
import org.junit.jupiter.api.*;

/** Checks the verdict when the log ends before, or starts after, acknowledged offsets, or has aborted records. */
@Order(10)
class CheckerLogRangeTest extends CheckerFixture {
    // ---- A log that ends before acknowledged offsets ----

    private static final LogEnds.End WHOLE = new LogEnds.End(5, 3, 3);

    @Test
    void beyondTheEndIsGoneOnlyWhereAllThatCouldBringItBackIsRuledOut() {
        assertEquals(Optional.empty(), LogEnds.End.mayAppear(5, WHOLE, WHOLE, true));
        Map<String, LogEnds.End> others = Map.of(
                "is not known",
                LogEnds.End.UNKNOWN,
                "only 2 of 3",
                new LogEnds.End(5, 2, 3),
                "still moves",
                new LogEnds.End(6, 3, 3));
        others.forEach((why, end) -> {
            assertTrue(LogEnds.End.mayAppear(5, WHOLE, end, true).orElse("").contains(why), why);
            assertTrue(LogEnds.End.mayAppear(5, end, WHOLE, true).orElse("").contains(why), why);
        });
        assertTrue(LogEnds.End.mayAppear(4, WHOLE, WHOLE, true).orElse("").contains("its end is 5"));
        assertTrue(LogEnds.End.mayAppear(5, WHOLE, WHOLE, false).orElse("").contains("may still run"));
        assertEquals(
                Optional.empty(),
                LogEnds.End.mayAppear(6, WHOLE, WHOLE, true),
                "it was cut while it was read: no transaction holds back an end that was passed");
        assertTrue(LogEnds.End.mayAppear(6, WHOLE, WHOLE, false).orElse("").contains("may still run"));
    }

    /**
     * The log was read up to offset 2 and then truncated to 1: records acknowledged from 2 on are lost, the record read
     * at 1 was there, and the verdict reports both.
     */
    @Test
    void aLogThatBecameShorterWhileItWasReadIsNoOpenTransaction() {
        var w = written(true);
        for (int seq = 1; seq <= 4; seq++) w.acknowledged(seq, 0, seq - 1, 0);
        log(0, "run/p/1", "run/p/2");
        checker.endsAt(0, 1);
        var v = expect("fail", "LOST", 2);
        assertEquals(
                List.of("partition 0 ends at offset 1 now: it has become shorter while it was read, up to offset 2"),
                v.incomplete());
        LoadChecker load = new LoadChecker("t");
        load.add(0, 0, 3);
        for (int offset = 0; offset < 2; offset++) load.record(0, offset, 500);
        load.reached(0, 2);
        load.endsAt(0, 1);
        var ofLoad = load.verdict();
        assertEquals(
                List.of("fail", 2L, v.incomplete()),
                List.of(ofLoad.verdict(), ofLoad.count(Anomaly.LOST), ofLoad.incomplete()));
    }

    @Test
    void aLogThatEndsWhereItWasReadToIsNotSaidToBeShorter() {
        written(true).acknowledged(1, 0, 2, 0);
        log(0, null, null);
        checker.endsAt(0, 2);
        assertEquals(List.of(), expect("fail", "LOST", 1).incomplete());
    }

    @Test
    void aLedgerWithoutItsEndIsOfAProducerThatMayStillRun() throws Exception {
        load(HEAD, ACK);
        assertFalse(checker.producersEnded());
    }

    @Test
    void whatWasAcknowledgedInATruncatedTailIsLost() {
        var w = written(true);
        for (int seq = 1; seq <= 4; seq++) w.acknowledged(seq, seq % 2, 10 + seq, 0);
        log(0, new String[12]);
        log(1, new String[11]);
        checker.ended(1); // the end of partition 0 is not proved
        var v = expect("fail", "LOST", 2, "UNSEEN", 2);
        assertEquals(
                List.of(2L, 0L),
                List.of(
                        count(v.report().partitions().get(1), "LOST"),
                        count(v.report().partitions().get(1), "UNSEEN")));
    }

    @Test
    void whatWasWrittenOverATruncatedTailDoesNotHideTheLoss() {
        var w = written(true);
        for (int seq = 1; seq <= 3; seq++) w.acknowledged(seq, 0, seq - 1, 0);
        log(0, "run/p/1", "other/p/1", "other/p/2");
        assertEquals(2, expect("fail", "LOST", 2, "INCONSISTENT", 2).log().overwritten());
    }

    /** The tail is lost, and records before it are at each other's offsets: neither explains the other. */
    @Test
    void whatIsAtAnotherOffsetHasNothingToDoWithATruncatedTail() {
        var w = written(false);
        for (int seq = 1; seq <= 5; seq++) w.acknowledged(seq, 0, seq - 1, 0);
        w.acknowledged(6, 0, 2, 0); // the same offset as 3: one of the two was overwritten
        w.acknowledged(6, 0, 1, 0); // acknowledged again: an identity counts once
        log(0, "run/p/2", "run/p/1", "run/p/3");
        checker.ended(0);
        assertEquals(
                1,
                expect("fail", "LOST", 3, "INCONSISTENT", 3, "REORDERED", 1)
                        .log()
                        .overwritten());
    }

    @Test
    void aCopyElsewhereIsNotLostWithTheTruncatedTail() {
        var w = written(false);
        w.acknowledged(1, 0, 0, 0);
        w.acknowledged(1, 0, 7, 0); // sent again
        log(0, "run/p/1");
        checker.ended(0);
        expect("pass");
    }

    // ---- A log that starts after acknowledged offsets ----

    @Test
    void beforeTheLogsStartProvesNeither() {
        var w = written(true);
        for (int seq = 1; seq <= 4; seq++) w.acknowledged(seq, 0, seq - 1, 0);
        checker.expired(0, 0, 2);
        log(0, null, null, "run/p/3", "run/p/4");
        var example = expect("incomplete", "EXPIRED", 2).report().examples().get(0);
        assertEquals(
                List.of("run/p/1", 0L),
                List.of(example.identity().text(), example.place().offset()));
    }

    @Test
    void whatWasReadBeforeItWasDeletedIsThere() {
        var w = written(true);
        for (int seq = 1; seq <= 5; seq++) w.acknowledged(seq, 0, seq - 1, 0);
        log(0, "run/p/1", null); // then the log start offset moves to 4
        checker.expired(0, 2, 4);
        record(0, 4, "run/p/5", 1);
        checker.reached(0, 5);
        expect("fail", "LOST", 1, "EXPIRED", 2);
    }

    @Test
    void aCopyOfWhatExpiredIsNotInconsistent() {
        var w = written(false);
        w.acknowledged(1, 0, 0, 0);
        checker.expired(0, 0, 1);
        log(0, null, "run/p/1");
        expect("pass");
    }

    // ---- Transactions ----

    @Test
    void whatWasAcknowledgedAndAbortedIsNotLostAndProvesNothing() {
        var w = written(true);
        for (int seq = 1; seq <= 4; seq++) w.acknowledged(seq, 0, seq - 1, 0);
        log(0, "run/p/1", null, null, null, null); // 2 and 3 aborted, 4 missing, a control record
        assertEquals(1, checker.uncommittedFrom(0));
        for (int seq = 2; seq <= 3; seq++) checker.uncommitted(0, seq - 1, ("run/p/" + seq).getBytes());
        expect("fail", "LOST", 1, "ABORTED", 2);
    }

    @Test
    void whatWasAbortedAndSentAgainIsWhereItWasAcknowledgedLast() {
        var w = written(true);
        w.acknowledged(1, 0, 0, 0);
        w.acknowledged(1, 0, 2, 0);
        w.acknowledged(2, 0, 1, 0); // aborted, then sent again without an acknowledgement
        log(0, null, null, "run/p/1", "run/p/2", null);
        assertEquals(0, checker.uncommittedFrom(0));
        checker.uncommitted(0, 0, "run/p/1".getBytes());
        checker.uncommitted(0, 1, "run/p/2".getBytes());
        for (int seq = 1; seq <= 2; seq++) checker.uncommitted(0, seq + 1, ("run/p/" + seq).getBytes());
        expect("pass");
    }

    @Test
    void whereAllIsThereNothingMoreIsLookedAt() {
        written(true).acknowledged(1, 0, 0, 0);
        log(0, "run/p/1", null);
        assertEquals(-1, checker.uncommittedFrom(0));
        expect("pass");
    }
}
