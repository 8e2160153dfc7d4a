import static org.junit.jupiter.api.Assertions.*;

import java.util.*;
import java.util.regex.Pattern;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.common.header.internals.RecordHeaders;
import org.apache.kafka.common.record.TimestampType;
import org.junit.jupiter.api.Test;

/** Checks check-topic's findings from records alone: each finding is planted, and what is legal is not reported. */
class CheckTopicTest {
    private static final Pattern IDENTITY = Pattern.compile("(.+/.+)/(\\d{1,18})");
    private TopicContents contents = new TopicContents("t", IDENTITY, false, 1 << 20);
    private int epoch = 3;
    private boolean begun;

    /**
     * Plants a partition's log from offset 0: keys, with null for an offset without a record and "" for a record
     * without a key.
     */
    private void log(int partition, String... keys) {
        if (!begun) contents.room(1000);
        begun = true;
        contents.reached(partition, 0);
        for (int offset = 0; offset < keys.length; offset++)
            if (keys[offset] != null) record(partition, offset, keys[offset], 1000 + offset);
        contents.reached(partition, keys.length);
    }

    private void record(int partition, long offset, String key, long timestamp) {
        contents.record(new ConsumerRecord<>(
                "t",
                partition,
                offset,
                timestamp,
                TimestampType.CREATE_TIME,
                0,
                0,
                key.isEmpty() ? null : key.getBytes(),
                null,
                new RecordHeaders(),
                Optional.of(epoch)));
    }

    /** Returns the verdict after checking that it has these findings and no others: name, count, ... */
    private TopicVerdict expect(String verdict, Object... findings) {
        TopicVerdict v = contents.verdict();
        Map<TopicVerdict.Finding, Long> wanted = new EnumMap<>(TopicVerdict.Finding.class);
        for (TopicVerdict.Finding f : TopicVerdict.Finding.values()) wanted.put(f, 0L);
        for (int i = 0; i < findings.length; i += 2)
            wanted.put(TopicVerdict.Finding.valueOf((String) findings[i]), (long) (int) findings[i + 1]);
        assertEquals(wanted, v.findings().counts());
        assertEquals(verdict, v.verdict());
        assertEquals(Map.of("pass", 0, "fail", 13, "incomplete", 14).get(verdict), v.exitCode());
        return v;
    }

    @Test
    void producersInOrderAndUpdatesOfKeysAreAPass() {
        log(0, "r/p/1", "r/p/3", "r/q/1", "user", "", "");
        log(1, "r/p/2", "r/q/2");
        var v = expect("pass");
        assertEquals(
                List.of(8L, 5L, 2L),
                List.of(v.counts().read(), v.counts().numbered(), v.counts().withoutKey()));
        assertEquals(
                List.of(6L, 2L),
                v.findings().partitions().stream()
                        .map(TopicVerdict.Partition::to)
                        .toList());
    }

    @Test
    void anIdentityTwiceIsADuplicateInAnyPartition() {
        log(0, "r/p/1", "r/p/2", "r/p/1");
        log(1, "r/p/2");
        var v = expect("fail", "DUPLICATE", 2);
        assertEquals(
                new TopicVerdict.Example(TopicVerdict.Finding.DUPLICATE, "r/p/1", 0, 2, 3, 1002),
                v.findings().examples().get(0));
        assertEquals(1L, v.findings().partitions().get(1).findings().get(TopicVerdict.Finding.DUPLICATE));
    }

    @Test
    void aLaterNumberBeforeAnEarlierOneIsReordered() {
        log(0, "r/p/1", "r/p/3", "r/q/2", "r/p/2");
        log(1, "r/q/1");
        expect("fail", "REORDERED", 1);
    }

    @Test
    void anEpochThatGoesBackIsProved() {
        log(0, "r/p/1");
        epoch = 2;
        record(0, 1, "r/p/2", 2000);
        expect("fail", "EPOCH", 1);
    }

    @Test
    void numbersThatNoRecordHasProveNothing() {
        log(0, "r/p/5", "r/p/9", "r/q/1");
        var v = expect("incomplete", "MISSING", 3);
        assertTrue(
                v.incomplete().get(0).contains("3 of the numbers 5 to 9 of r/p"),
                v.incomplete().toString());
    }

    @Test
    void offsetsWithoutARecordProveNothingUnlessTheTopicIsCompacted() {
        log(0, "r/p/1", null, null, "r/p/2", null);
        assertTrue(expect("incomplete", "GAP", 3).incomplete().get(0).contains("3 offsets"), "the last one as well");
        contents = new TopicContents("t", IDENTITY, false, 1 << 20);
        contents.compacted(true);
        begun = false;
        log(0, "r/p/1", null, null, "r/p/2");
        expect("pass", "GAP", 2);
    }

    /** Plants the second read of partition 0 with read_uncommitted: the offsets of its records. */
    private void uncommitted(long from, int... offsets) {
        assertEquals(from, contents.uncommittedFrom(0));
        for (int offset : offsets) contents.uncommitted(0, offset);
    }

    @Test
    void abortedSentAgainAndCommittedIsNoDuplicate() {
        log(0, null, null, null, "r/p/1", "r/p/2", null); // two aborted, marker, two committed, marker
        uncommitted(0, 0, 1, 3, 4);
        var v = expect("incomplete", "GAP", 4);
        assertEquals(
                List.of(2L, 0L, 2L),
                List.of(v.counts().aborted(), v.counts().open(), v.counts().read()));
        assertTrue(
                v.incomplete().get(0).startsWith("2 offsets have no record"),
                v.incomplete().toString());
    }

    @Test
    void abortedRecordsAloneAreNothingToRead() {
        log(0, new String[11]);
        uncommitted(0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9);
        assertEquals(10L, expect("incomplete", "GAP", 11).counts().aborted());
    }

    @Test
    void whatIsInAnOpenTransactionIsSaidAndNotJudged() {
        contents.open(0, 2);
        log(0, "r/p/1", "r/p/2");
        uncommitted(2, 2, 3, 4);
        var v = expect("incomplete");
        assertEquals(List.of(0L, 3L), List.of(v.counts().aborted(), v.counts().open()));
        assertTrue(
                v.incomplete().get(0).contains("open in partition 0 from offset 2"),
                v.incomplete().toString());
    }

    @Test
    void withoutAGapThereIsNothingMoreToLookAt() {
        log(0, "r/p/1", "r/p/2");
        uncommitted(-1);
        expect("pass");
    }

    @Test
    void aLogThatBecomesShorterWhileItIsReadIsNoPass() {
        log(0, "r/p/1");
        contents.ended(0);
        assertTrue(expect("incomplete").incomplete().get(0).contains("ends at offset 1 now"));
    }

    @Test
    void anEmptyTopicProvesNothing() {
        log(0);
        log(1, null, null);
        assertTrue(expect("incomplete", "GAP", 2).incomplete().toString().contains("no record could be read"));
    }

    @Test
    void whatIsDeletedWhileItIsReadIsNoGapAndMakesItIncomplete() {
        contents.room(1000);
        contents.expired(0, 0, 3); // the log start offset had moved before the read
        contents.reached(0, 3);
        record(0, 3, "r/p/1", 1000);
        contents.expired(0, 4, 7);
        contents.reached(0, 7);
        record(0, 7, "r/p/2", 1001);
        var v = expect("incomplete");
        assertTrue(
                v.incomplete().get(0).contains("up to offset 7 while it was read"),
                v.incomplete().toString());
        assertEquals(3L, v.findings().partitions().get(0).from());
    }

    @Test
    void keysThatDriveATerminalAreEscaped() {
        String bad = "r/p\u001b[2J\r\nFORGED: 3 records/1";
        log(0, bad, bad);
        java.io.StringWriter out = new java.io.StringWriter();
        CheckTopic script = new CheckTopic();
        script.common.configure(script, new java.io.PrintWriter(out), new java.io.PrintWriter(out), "--topic", "t");
        new TopicVerdict.Printer(script.common.out).print(contents.verdict());
        assertTrue(out.toString().contains("\\u001b[2J\\u000d\\u000aFORGED: 3 records/1"), out.toString());
        assertFalse(
                out.toString().contains("\u001b") || out.toString().lines().anyMatch(l -> l.startsWith("FORGED")),
                out.toString());
    }

    @Test
    void aKeyAgainIsToldAndIsADuplicateOnlyWhereKeysAreUnique() {
        log(0, "user", "user", "other");
        expect("pass", "REPEATED", 1);
        contents = new TopicContents("t", IDENTITY, true, 1 << 20);
        begun = false;
        log(0, "user", "user", "other");
        expect("fail", "DUPLICATE", 1);
    }

    @Test
    void timesThatGoBackAreOnlyTold() {
        log(0, "a");
        record(0, 1, "b", 5);
        expect("pass", "CLOCK", 1);
    }

    @Test
    void whatTheKeysNumberIsSaidByAnExpression() {
        contents = new TopicContents("t", Pattern.compile("(.*)-(\\d+)"), false, 1 << 20);
        log(0, "till7-2", "till7-1", "till8-1");
        expect("fail", "REORDERED", 1);
        assertEquals(
                2, assertThrows(Cli.Exit.class, () -> new TopicContents("t", Pattern.compile(".*"), false, 1)).code);
    }

    @Test
    void aNumberThatIsNoneIsAKeyAsAnyOther() {
        contents = new TopicContents("t", Pattern.compile("(.*)-(\\w*|(x))"), false, 1 << 20);
        log(0, "a-1", "a-20261124152746903850191", "a-x", "a-", "a-2");
        assertEquals(2, expect("pass").counts().numbered());
    }

    @Test
    void aNumberWrittenInTwoWaysDoesNotHideOneThatIsMissing() {
        log(0, "r/p/7", "r/p/07", "r/q/1", "r/q/3");
        expect("incomplete", "MISSING", 1);
    }

    @Test
    void keysBeyondTheBoundMakeItIncompleteAndNeverAFalseAlarm() {
        contents = new TopicContents("t", IDENTITY, true, 1024); // 128 slots, of which 96 may be used
        String[] keys = new String[1000];
        for (int i = 0; i < keys.length; i++) keys[i] = "r/p/" + (i + 1);
        keys[50] = keys[40];
        keys[900] = keys[800];
        log(0, keys);
        var v = contents.verdict();
        assertEquals("fail", v.verdict(), "what was found before holds");
        assertEquals(1L, v.findings().counts().get(TopicVerdict.Finding.DUPLICATE));
        assertTrue(
                v.incomplete().get(0).contains("first 96 only"), v.incomplete().toString());
    }
}
