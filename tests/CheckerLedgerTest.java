import static org.junit.jupiter.api.Assertions.*;

import java.util.*;
import org.junit.jupiter.api.*;

/** Proves that ledgers and fault events are read correctly, including truncated and damaged ones. */
@Order(10)
class CheckerLedgerTest extends CheckerFixture {
    // ---- Place, time and fault of an anomaly ----

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
                "{'ts':'1970-01-01T00:01:40.500000Z','source':'kill-node','type':'fault','node':1,'mode':'kill',"
                        + "'at':'1970-01-01T00:01:40Z'}",
                "no event",
                "{'ts':'1970-01-01T00:01:50Z','source':'watch-isr','type':'isr','inSync':48,'replicas':48}",
                "{'ts':'1970-01-01T00:02:00Z','source':'start-node','type':'restored','node':1}",
                "{'ts':'1970-01-01T00:02:05Z','source':'watch-isr','type':'isr','inSync':47,'replicas':48}",
                "{'ts':'1970-01-01T00:02:10Z','source':'watch-isr','type':'isr','inSync':48,'replicas':48}",
                "{'ts':'1970-01-01T00:03:20Z','source':'kill-node','type':'fault','node':2,'mode':'pause'}",
                "{'ts':'1970-01-01T00:03:30Z','source':'start-node','type':'restored','node':2}",
                "{'ts':'1970-01-01T00:05:00Z','source':'kill-node','type':'fault','node':3,'mode':'stop'}")));
        // From the event's "at" until every replica is in sync again.
        var kill = new FaultWindow(1, "kill", 100_000, 130_000);
        // No replica count follows: the window ends with "restored".
        var pause = new FaultWindow(2, "pause", 200_000, 210_000);
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
        var v = expect("incomplete"); // 2 may have been sent, so it is not a phantom
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
        expect("fail", "PHANTOM", 1); // q may have sent 1; p has ended and did not send 2
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
