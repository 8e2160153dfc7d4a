import static org.junit.jupiter.api.Assertions.*;

import java.io.File;
import java.nio.file.*;
import java.util.*;
import org.junit.jupiter.api.*;
import org.junit.jupiter.api.io.TempDir;

/** The delivery check without a cluster: each anomaly of docs/verifier.md is planted and found, each legal case passes. */
@Order(10)
class CheckerTest {
    private final DeliveryChecker checker = new DeliveryChecker();

    private ProducerLedger written(boolean idempotent) {
        return written("p", idempotent);
    }

    private ProducerLedger written(String producer, boolean idempotent) {
        ProducerLedger ledger = new ProducerLedger("t", "run", producer, idempotent);
        checker.add(ledger);
        return ledger;
    }

    /** The log of a partition, from offset 0: keys, with null for an offset that holds no record. All of it is read. */
    private void log(int partition, String... keys) {
        for (int offset = 0; offset < keys.length; offset++)
            if (keys[offset] != null) record(partition, offset, keys[offset], 1);
        checker.reached(partition, keys.length);
    }

    /** With leader epoch 5, sent a second for each offset after 1970. */
    private void record(int partition, long offset, String key, int attempt) {
        checker.record(partition, offset, key == null ? null : key.getBytes(), attempt, 5, offset * 1000);
    }

    /** The verdict, which has these anomalies and no others: name, count, ... */
    private DeliveryVerdict expect(String verdict, Object... anomalies) {
        DeliveryVerdict v = checker.verdict();
        Map<Anomaly, Long> wanted = new EnumMap<>(Anomaly.class);
        for (Anomaly a : Anomaly.values()) wanted.put(a, 0L);
        for (int i = 0; i < anomalies.length; i += 2)
            wanted.put(Anomaly.valueOf((String) anomalies[i]), (long) (int) anomalies[i + 1]);
        assertEquals(wanted, v.report().anomalies());
        assertEquals(verdict, v.verdict());
        assertEquals(Map.of("pass", 0, "fail", 13, "incomplete", 14).get(verdict), v.exitCode());
        return v;
    }

    private static Anomaly.Example example(
            Anomaly anomaly,
            String identity,
            long seq,
            int partition,
            long offset,
            int leaderEpoch,
            long timestamp,
            FaultWindow fault) {
        return new Anomaly.Example(
                anomaly,
                new Anomaly.Example.Identity(identity, seq),
                new Anomaly.Example.Place(partition, offset, leaderEpoch, timestamp),
                fault);
    }

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

    // ---- A log that ends before what was acknowledged ----

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

    /** Read up to offset 2, and then truncated to 1: what was acknowledged from 2 on is lost, what was read at 1 was there, and both are said. */
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
        checker.ended(1); // of partition 0 it is not proved
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

    /** The tail is lost, and before it others are at each other's offsets: neither explains the other. */
    @Test
    void whatIsAtAnotherOffsetHasNothingToDoWithATruncatedTail() {
        var w = written(false);
        for (int seq = 1; seq <= 5; seq++) w.acknowledged(seq, 0, seq - 1, 0);
        w.acknowledged(6, 0, 2, 0); // of the same offset as 3: one of the two was overwritten
        w.acknowledged(6, 0, 1, 0); // and once more: an identity is counted once
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

    // ---- A log that begins after what was acknowledged ----

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
        log(0, "run/p/1", null); // then the log's start moves to 4
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

    // ---- Transactions ----

    @Test
    void whatWasAcknowledgedAndAbortedIsNotLostAndProvesNothing() {
        var w = written(true);
        for (int seq = 1; seq <= 4; seq++) w.acknowledged(seq, 0, seq - 1, 0);
        log(0, "run/p/1", null, null, null, null); // 2 and 3 aborted, 4 gone, a marker
        assertEquals(1, checker.uncommittedFrom(0));
        for (int seq = 2; seq <= 3; seq++) checker.uncommitted(0, seq - 1, ("run/p/" + seq).getBytes());
        expect("fail", "LOST", 1, "ABORTED", 2);
    }

    @Test
    void whatWasAbortedAndSentAgainIsWhereItWasAcknowledgedLast() {
        var w = written(true);
        w.acknowledged(1, 0, 0, 0);
        w.acknowledged(1, 0, 2, 0);
        w.acknowledged(2, 0, 1, 0); // aborted, and sent again without an acknowledgement
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

    // ---- A verdict over nothing ----

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

    private static long count(Anomaly.Report.Partition p, String anomaly) {
        return p.anomalies().get(Anomaly.valueOf(anomaly));
    }

    @Test
    void acknowledgementsInAnyOrderOfOffsetsAreHeldInOrder() {
        Acknowledgements acks = new Acknowledgements();
        List<Integer> seqs = new ArrayList<>();
        for (int i = 1; i <= 5000; i++) seqs.add(i);
        Collections.shuffle(seqs, new Random(5)); // far more out of order than any producer: runs have to be merged
        for (int seq : seqs) acks.add(seq * 3_000_000_000L, seq, 1_764_000_000_000L - seq);
        acks.add(6_000_000_000L, 7777, -1); // a second one of the same offset
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

    // ---- Where, when, and in which fault ----

    @Test
    void anExampleHasTheRecordsEpochAndTimeOrTheAcknowledgements() {
        var w = written(true);
        w.acknowledged(1, 0, 0, 700);
        w.acknowledged(2, 0, 1, 701);
        log(0, null, "run/p/2", "run/p/2");
        assertEquals(
                List.of(
                        example(Anomaly.LOST, "run/p/1", 1, 0, 0, -1, 700, null),
                        example(Anomaly.DUPLICATE, "run/p/2", 2, 0, 2, 5, 2000, null)),
                expect("fail", "LOST", 1, "DUPLICATE", 1).report().examples());
    }

    @Test
    void anAnomalyFallsIntoTheFaultOfItsTimeOrTheOneThatFollows() throws Exception {
        checker.faults.addAll(FaultWindow.Reader.read(ledger(
                "{'ts':'1970-01-01T00:01:40.500000Z','source':'kill-node','type':'fault','node':1,'mode':'kill','at':'1970-01-01T00:01:40Z'}",
                "no event",
                "{'ts':'1970-01-01T00:01:50Z','source':'watch-isr','type':'isr','inSync':48,'replicas':48}",
                "{'ts':'1970-01-01T00:02:00Z','source':'start-node','type':'restored','node':1}",
                "{'ts':'1970-01-01T00:02:05Z','source':'watch-isr','type':'isr','inSync':47,'replicas':48}",
                "{'ts':'1970-01-01T00:02:10Z','source':'watch-isr','type':'isr','inSync':48,'replicas':48}",
                "{'ts':'1970-01-01T00:03:20Z','source':'kill-node','type':'fault','node':2,'mode':'pause'}",
                "{'ts':'1970-01-01T00:03:30Z','source':'start-node','type':'restored','node':2}",
                "{'ts':'1970-01-01T00:05:00Z','source':'kill-node','type':'fault','node':3,'mode':'stop'}")));
        var kill = new FaultWindow(
                1, "kill", 100_000, 130_000); // from its "at" until every replica is in sync after it, not before
        var pause = new FaultWindow(2, "pause", 200_000, 210_000); // no event tells of a better end than its own
        var stop = new FaultWindow(3, "stop", 300_000, Long.MAX_VALUE);
        assertEquals(List.of(kill, pause, stop), checker.faults);
        var w = written(true);
        long[] times = {60_000, 75_000, 100_000, 129_999, 131_000, 205_000, 211_000, 400_000};
        for (int seq = 1; seq <= times.length; seq++) w.acknowledged(seq, 0, seq - 1, times[seq - 1]);
        log(0, new String[times.length]);
        var v = expect("fail", "LOST", times.length);
        assertEquals(
                Arrays.asList(null, kill, kill, kill, null, pause, null, stop),
                v.report().examples().stream().map(Anomaly.Example::fault).toList());
        assertEquals(Map.of(kill, 3L, pause, 1L, stop, 1L), v.report().faults());
    }

    @Test
    void eventsOfOtherTypesMayHaveAnyFieldsAndDamagedOnesAreCounted() throws Exception {
        long[] damaged = new long[1];
        var faults = FaultWindow.Reader.read(
                ledger(
                        "{'ts':'1970-01-01T00:01:39Z','type':'page','at':'runs/1/report.html'}",
                        "{'ts':'1970-01-01T00:01:39Z','type':'news','node':'x','at':7}",
                        "{'ts':'1970-01-01T00:01:40Z','type':'fault','node':1,'mode':'kill','at':'runs/1'}",
                        "{'ts':7,'type':'fault','node':1}",
                        "{'ts':'1970-01-01T00:01:40Z','type':'restored','node':'one'}",
                        "{'ts':'1970-01-01T00:0",
                        "{'ts':'1970-01-01T00:01:40Z','type':'fault','node':2,'mode':'kill'}",
                        "{'seq':3,'type':'ack','at':'never'}"),
                n -> damaged[0] = n);
        assertEquals(List.of(new FaultWindow(2, "kill", 100_000, Long.MAX_VALUE)), faults);
        assertEquals(4, damaged[0]);
    }

    // ---- Ledgers ----

    @TempDir
    Path folder;

    private static final String
            HEAD =
                    "{'ledger':1,'run':'run','producer':'p','topic':'t','acks':'all','idempotent':true,'mode':'resilient','startOffsets':[0,5]}",
            ACK = "{'seq':1,'attempt':1,'outcome':'acknowledged','partition':0,'offset':0}",
            UNKNOWN = "{'seq':2,'attempt':1,'outcome':'indeterminate','error':'x'}",
            FAILED = "{'seq':3,'attempt':1,'outcome':'failed','error':'x'}",
            END = "{'end':true,'sent':3,'acknowledged':1,'failed':1,'indeterminate':1}";

    private File ledger(String... lines) throws Exception {
        Path file = Files.createTempFile(folder, "ledger", ".jsonl");
        return Files.writeString(file, String.join("\n", lines).replace('\'', '"'))
                .toFile();
    }

    private void load(String... lines) throws Exception {
        LedgerReader.read(ledger(lines)).forEach(checker::add);
    }

    @Test
    void aWholeLedgerIsReadAsItIs() throws Exception {
        load(HEAD, ACK, UNKNOWN, FAILED, END);
        assertEquals(List.of(0L, 5L), List.of(checker.startOf(0), checker.startOf(1)));
        log(0, "run/p/1");
        var v = expect("pass");
        assertEquals(
                List.of(1L, 1L, 0L, 1L),
                List.of(
                        v.acknowledged(),
                        v.ledger().failed(),
                        v.ledger().landed(),
                        v.ledger().absent()));
    }

    @Test
    void aLedgerWithoutItsEndIsIncompleteAndNeverAPass() throws Exception {
        load(HEAD, ACK);
        log(0, "run/p/1", "run/p/2");
        var v = expect("incomplete"); // 2 may have been sent: not a phantom
        assertEquals(1, v.log().unknown());
        assertTrue(v.incomplete().get(0).contains("no end"), v.incomplete().toString());
    }

    @Test
    void whatATruncatedLedgerSaysStillHolds() throws Exception {
        load(HEAD, ACK, FAILED);
        log(0, (String) null);
        expect("fail", "LOST", 1);
    }

    @Test
    void aLedgerThatLacksLinesInTheMiddleIsIncomplete() throws Exception {
        load(HEAD, ACK, FAILED, END);
        log(0, "run/p/1");
        assertTrue(expect("incomplete").incomplete().get(0).contains("2 of 3 outcomes"));
    }

    @Test
    void damagedLinesMakeItIncomplete() throws Exception {
        load(HEAD, ACK, "{'seq':2,'attem", "{'seq':3,'outcome':'perhaps'}", END);
        log(0, "run/p/1");
        assertTrue(expect("incomplete").incomplete().get(0).contains("2 damaged lines"));
    }

    @Test
    void whatIsNoLedgerIsRefused() throws Exception {
        for (String head : List.of("", "hello", ACK, HEAD.replace("'ledger':1", "'ledger':3")))
            assertEquals(2, assertThrows(Cli.Exit.class, () -> load(head)).code, head);
        TestCluster.Run missing =
                TestCluster.run(CheckDelivery::run, folder.resolve("none.jsonl").toString());
        assertEquals(2, missing.code(), missing.toString());
    }

    @Test
    void twoTopicsOrTheSameProducerTwiceAreRefused() throws Exception {
        load(HEAD, END);
        assertEquals(2, assertThrows(Cli.Exit.class, () -> load(HEAD, END)).code);
        assertEquals(2, assertThrows(Cli.Exit.class, () -> load(HEAD.replace("'topic':'t'", "'topic':'u'"), END)).code);
    }

    private static final String HEAD2 = HEAD.replace("'ledger':1", "'ledger':2");

    @Test
    void aShortLineIsAFirstAttemptThatWasAcknowledged() throws Exception {
        load(
                HEAD2,
                "{'seq':1,'partition':0,'offset':0,'at':1764000000123456,'latencyUs':7}",
                "{'latencyUs':7,'at':1764000000123456,'offset':1,'partition':0,'seq':2}",
                END.replace("3", "2"));
        log(0, "run/p/1", null);
        var example = expect("fail", "LOST", 1).report().examples().get(0);
        assertEquals(
                List.of(2L, 1_764_000_000_123L),
                List.of(example.identity().seq(), example.place().timestamp()));
    }

    @Test
    void producersMayShareALedger() throws Exception {
        String second = "{'seq':1,'partition':0,'offset':1,'at':1764000000123456,'latencyUs':7,'by':2}";
        load(
                HEAD2,
                HEAD2.replace("'p'", "'q'"),
                second,
                ACK,
                UNKNOWN.replace("}", ",'by':2}"),
                END.replace("3", "1"),
                "{'end':true,'by':2,'sent':2}");
        log(0, "run/p/1", "run/q/1", "run/q/2");
        assertEquals(
                List.of(2L, 1L),
                List.of(
                        expect("pass").acknowledged(),
                        checker.verdict().ledger().landed()));
    }

    @Test
    void ofProducersThatShareALedgerEachMustHaveItsEnd() throws Exception {
        load(HEAD2, HEAD2.replace("'p'", "'q'"), ACK, END.replace("3", "1"));
        log(0, "run/p/1", "run/q/1", "run/p/2");
        expect("fail", "PHANTOM", 1); // q may have sent 1, p certainly not 2
        assertEquals(1, checker.verdict().log().unknown());
    }

    @Test
    void damagedShortLinesAreNone() throws Exception {
        for (String bad : List.of(
                "{'seq':1,'partition':0,'offset':0,'at':1,'latencyUs':7",
                "{'seq':0,'partition':0,'offset':0,'at':1,'latencyUs':7}",
                "{'seq':1,'partition':0,'offset':,'at':1,'latencyUs':7}",
                "{'seq':1,'partition':0,'offset':0,'at':1,'latencyUs':7,'by':2}",
                "{'seq':2147483647,'partition':0,'offset':0,'at':1,'latencyUs':7}",
                "{'seq':1,'partition':2000000,'offset':0,'at':1,'latencyUs':7}")) {
            List<ProducerLedger> read = LedgerReader.read(ledger(HEAD2, bad, "{'end':true,'sent':1}"));
            assertTrue(
                    read.get(0).truncated != null && read.get(0).truncated.contains("1 damaged line"),
                    bad + ": " + read.get(0).truncated);
        }
    }
}
