import static org.junit.jupiter.api.Assertions.*;

import java.io.*;
import java.nio.file.*;
import java.util.*;
import java.util.stream.LongStream;
import org.apache.kafka.clients.admin.*;
import org.apache.kafka.common.config.ConfigResource;
import org.apache.kafka.common.errors.TopicAuthorizationException;
import org.apache.kafka.common.internals.KafkaFutureImpl;
import org.junit.jupiter.api.*;
import org.junit.jupiter.api.io.TempDir;

/**
 * Checks perf's ledger of acknowledged offsets, and check-delivery's verdict on it: written by the producers'
 * callbacks, read back, compared with a planted log.
 */
@Order(11)
class LoadLedgerTest {
    @TempDir
    Path folder;

    private PerfTest.Ledger perf(boolean transactional, String... topics) {
        return new PerfTest.Ledger(folder.resolve("load.jsonl").toFile(), "1f", topics, "1", transactional);
    }

    private LoadChecker written(PerfTest.Ledger ledger) throws Exception {
        ledger.write(Map.of("failed", 0, "unresolved", 0, "untilMs", 1000));
        return read().values().iterator().next();
    }

    private Map<String, LoadChecker> read() throws Exception {
        Map<String, LoadChecker> topics = new LinkedHashMap<>();
        LoadLedger.read(folder.resolve("load.jsonl").toFile(), topics);
        return topics;
    }

    private String text() throws Exception {
        return Files.readString(folder.resolve("load.jsonl"));
    }

    /** Plants partition 0's log from offset 0: one record at each of these offsets, none elsewhere. */
    private static void log(LoadChecker ranges, long end, long... offsets) {
        ranges.reached(0, 0);
        for (long offset : offsets) ranges.record(0, offset, 500);
        ranges.reached(0, end);
    }

    private static void expect(LoadChecker ranges, String verdict, long acknowledged, long found, Object... anomalies) {
        LoadVerdict v = ranges.verdict();
        Map<Anomaly, Long> wanted = new EnumMap<>(Anomaly.class);
        for (Anomaly a : Anomaly.values()) wanted.put(a, 0L);
        for (int i = 0; i < anomalies.length; i += 2)
            wanted.put(Anomaly.valueOf((String) anomalies[i]), (long) (int) anomalies[i + 1]);
        assertEquals(wanted, v.report().anomalies());
        assertEquals(
                List.of(verdict, acknowledged, found),
                List.of(v.verdict(), v.counts().acknowledged(), v.counts().found()),
                v.toString());
        assertEquals(Map.of("pass", 0, "fail", 13, "incomplete", 14).get(verdict), v.exitCode());
    }

    private LoadChecker ranges(long... firstAndLast) {
        LoadChecker ranges = new LoadChecker("t");
        for (int i = 0; i < firstAndLast.length; i += 2) ranges.add(0, firstAndLast[i], firstAndLast[i + 1]);
        return ranges;
    }

    // ---- Written ----

    @Test
    void offsetsThatAdjoinAreOneRangeWhoeverWroteThem() throws Exception {
        PerfTest.Ledger ledger = perf(false, "t", "u");
        PerfTest.Ledger.Part a = ledger.part(), b = ledger.part();
        for (long offset = 0; offset < 30; offset++)
            (offset / 5 % 2 == 0 ? a : b).acknowledged(0, 2, offset); // batches in turn
        for (long offset : new long[] {105, 106, 100, 101, 102, 103, 104, 200})
            a.acknowledged(1, 0, offset); // sent again, out of order
        for (PerfTest.Ledger.Part part : List.of(a, b)) part.closed();
        Map<String, LoadChecker> topics = Map.of("t", written(ledger));
        assertTrue(text().contains("{\"topic\":\"t\",\"partition\":2,\"first\":0,\"last\":29,\"count\":30}\n"), text());
        assertTrue(
                text().contains("{\"topic\":\"u\",\"partition\":0,\"first\":100,\"last\":106,\"count\":7}\n"
                        + "{\"topic\":\"u\",\"partition\":0,\"first\":200,\"last\":200,\"count\":1}\n"),
                text());
        assertTrue(text().contains("\"acknowledged\":38"), text());
        assertEquals(
                List.of(0L, 29L),
                List.of(topics.get("t").startOf(2), topics.get("t").highestOf(2)));
    }

    @Test
    void inATransactionNothingIsAcknowledgedBeforeItIsCommitted() throws Exception {
        PerfTest.Ledger ledger = perf(true, "t");
        PerfTest.Ledger.Part part = ledger.part();
        for (long offset = 0; offset < 10; offset++) part.acknowledged(0, 0, offset);
        part.committed();
        for (long offset = 11; offset < 20; offset++) part.acknowledged(0, 0, offset);
        part.committed();
        for (long offset = 21; offset < 25; offset++) part.acknowledged(0, 0, offset);
        part.closed(); // aborted
        LoadChecker ranges = written(ledger);
        log(ranges, 26, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 11, 12, 13, 14, 15, 16, 17, 18, 19);
        expect(ranges, "pass", 19, 19);
    }

    @Test
    void whileTheRunGoesOnItIsKnownHowFarItWas() throws Exception {
        PerfTest.Ledger ledger = perf(false, "t");
        PerfTest.Ledger.Part part = ledger.part();
        for (long offset = 0; offset < 10; offset++) part.acknowledged(0, 0, offset);
        ledger.interim();
        for (long offset = 10; offset < 20; offset++) part.acknowledged(0, 0, offset);
        ledger.interim();
        assertTrue(text().contains("\"last\":9,") && !text().contains("\"end\""), text());
        LoadChecker ranges = read().get("t");
        assertFalse(ranges.producersEnded());
        log(ranges, 20, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9);
        expect(ranges, "incomplete", 10, 10);
    }

    @Test
    void aFileThatIsNoLedgerOfPerfIsLeftAsItIs() throws Exception {
        Path file = Files.writeString(folder.resolve("load.jsonl"), "{\"ledger\":2}\n");
        assertEquals(2, assertThrows(PerfTest.Exit.class, perf(false, "t")::begin).code);
        assertEquals("{\"ledger\":2}\n", Files.readString(file));
        Files.delete(file);
        perf(false, "t").begin();
        perf(false, "t").begin();
        assertTrue(text().startsWith("{\"ranges\":1,"), text());
    }

    // ---- Compared ----

    @Test
    void whatHasARecordIsFoundAndWhatHasNoneIsLost() {
        LoadChecker ranges = ranges(0, 4, 6, 9);
        log(ranges, 12, 0, 1, 4, 5, 6, 7, 8, 11);
        expect(ranges, "fail", 9, 6, "LOST", 3);
    }

    @Test
    void beyondWhatWasReachedIsUnseenOrLostIfTheLogEndsThere() {
        LoadChecker ranges = ranges(0, 9);
        log(ranges, 4, 0, 1, 2, 3);
        expect(ranges, "incomplete", 10, 4, "UNSEEN", 6);
        ranges = ranges(0, 9);
        log(ranges, 4, 0, 1, 2, 3);
        ranges.ended(0);
        expect(ranges, "fail", 10, 4, "LOST", 6);
    }

    @Test
    void beforeTheLogsStartIsExpiredAlsoWhenItMovesOnMeanwhile() {
        LoadChecker ranges = ranges(0, 9);
        ranges.expired(0, 0, 2);
        ranges.reached(0, 2);
        ranges.record(0, 2, 500);
        ranges.reached(0, 3);
        ranges.expired(0, 4, 7); // 3 had been read past
        ranges.reached(0, 7);
        for (long offset = 7; offset < 10; offset++) ranges.record(0, offset, 500);
        ranges.reached(0, 10);
        expect(ranges, "fail", 10, 4, "LOST", 1, "EXPIRED", 5);
    }

    @Test
    void whatIsLaterThanTheRunHasTakenThePlaceOfWhatIsLost() throws Exception {
        PerfTest.Ledger ledger = perf(false, "t");
        PerfTest.Ledger.Part part = ledger.part();
        for (long offset = 0; offset < 4; offset++) part.acknowledged(0, 0, offset);
        part.closed();
        LoadChecker ranges = written(ledger); // up to 1000
        log(ranges, 2, 0, 1);
        ranges.record(0, 2, 1001);
        ranges.record(0, 3, 999);
        expect(ranges, "fail", 4, 3, "LOST", 1, "INCONSISTENT", 1);
    }

    @Test
    void inACompactedTopicWhatIsGoneProvesNothing() {
        LoadChecker ranges = ranges(0, 4);
        ranges.compacted(Optional.of(true));
        log(ranges, 5, 0, 4);
        expect(ranges, "incomplete", 5, 2);
        assertEquals(3, ranges.verdict().counts().gaps());
        String why = String.join("; ", ranges.verdict().incomplete());
        assertTrue(
                why.startsWith("3 have no record inside the log, the first at offset 1 of partition 0: the topic is"
                                + " compacted,")
                        && !why.contains("start"),
                why);
    }

    @Test
    void compactionMovesNeitherTheStartNorTheEndOfALog() {
        LoadChecker ranges = ranges(0, 9);
        ranges.compacted(Optional.of(true));
        ranges.expired(0, 0, 1);
        ranges.reached(0, 1);
        ranges.record(0, 3, 500);
        ranges.reached(0, 4);
        ranges.ended(0);
        expect(ranges, "fail", 10, 1, "EXPIRED", 1, "LOST", 6);
        assertEquals(2, ranges.verdict().counts().gaps());
    }

    /** Returns a client of a cluster with this cleanup policy for the topic, or one that refuses to return it. */
    private static Admin admin(String policy) {
        ConfigResource topic = new ConfigResource(ConfigResource.Type.TOPIC, "t");
        KafkaFutureImpl<Config> answer = new KafkaFutureImpl<>();
        if (policy == null) answer.completeExceptionally(new TopicAuthorizationException(Set.of("t")));
        else answer.complete(new Config(List.of(new ConfigEntry("cleanup.policy", policy))));
        Object result = new DescribeConfigsResult(Map.of(topic, answer)) {};
        return (Admin) java.lang.reflect.Proxy.newProxyInstance(
                Admin.class.getClassLoader(), new Class<?>[] {Admin.class}, (proxy, method, args) -> {
                    assertEquals("describeConfigs", method.getName());
                    return result;
                });
    }

    @Test
    void whereItMayNotBeAskedWhetherATopicIsCompactedAGapIsNoLoss() throws Exception {
        Map<String, Object[]> expected = new HashMap<>(
                Map.of("delete", new Object[] {"fail", "LOST", 3}, "compact,delete", new Object[] {"incomplete"}));
        expected.put(null, new Object[] {"incomplete"});
        for (var policy : expected.entrySet()) {
            LoadChecker ranges = ranges(0, 4);
            ranges.begins(admin(policy.getKey()), Map.of(), Map.of());
            log(ranges, 5, 0, 4);
            Object[] wanted = policy.getValue();
            expect(ranges, (String) wanted[0], 5, 2, Arrays.copyOfRange(wanted, 1, wanted.length));
            assertEquals(
                    policy.getKey() == null,
                    ranges.verdict().incomplete().toString().contains("the topic's configuration may not be asked"),
                    ranges.verdict().toString());
        }
        LoadChecker whole = ranges(0, 1);
        whole.begins(admin(null), Map.of(), Map.of());
        log(whole, 2, 0, 1);
        expect(whole, "pass", 2, 2);
    }

    @Test
    void withoutAnAcknowledgementNothingIsProved() throws Exception {
        LoadChecker ranges = written(perf(false, "t")); // acks=0
        log(ranges, 3, 0, 1, 2);
        expect(ranges, "incomplete", 0, 0);
    }

    @Test
    void twoRunsThatWereToldTheSameOffsetAreInconsistent() {
        LoadChecker ranges = ranges(0, 4, 3, 5);
        log(ranges, 6, 0, 1, 2, 3, 4, 5);
        expect(ranges, "fail", 8, 6, "INCONSISTENT", 2);
    }

    /**
     * With acks=1 the leader has 1000 records that no follower fetched, and comes back with 500; the run goes on at
     * offset 500. Every offset has a record, and 500 records are lost.
     */
    @Test
    void anOffsetThatOneRunWasToldTwiceIsOfALostRecord() throws Exception {
        PerfTest.Ledger ledger = perf(false, "t");
        PerfTest.Ledger.Part part = ledger.part(), other = ledger.part();
        for (long offset = 0; offset < 1000; offset++) part.acknowledged(0, 0, offset);
        for (long offset = 500; offset < 1500; offset++) (offset < 1200 ? part : other).acknowledged(0, 0, offset);
        part.closed();
        ledger.interim();
        other.closed();
        LoadChecker interim = read().get("t"), ranges = written(ledger);
        assertTrue(text().contains("\"acknowledged\":2000,\"twice\":500,"), text());
        for (LoadChecker each : List.of(interim, ranges))
            log(each, 1500, LongStream.range(0, 1500).toArray());
        expect(interim, "fail", 1700, 1200, "INCONSISTENT", 500);
        expect(ranges, "fail", 2000, 1500, "INCONSISTENT", 500);
        LoadVerdict v = ranges.verdict();
        assertEquals(
                List.of(2000L, 500L),
                List.of(
                        v.report().partitions().get(0).acknowledged(),
                        v.report().partitions().get(0).anomalies().get(Anomaly.INCONSISTENT)));
        assertEquals(500, v.report().examples().get(0).place().offset());
        assertEquals(List.of(), v.incomplete(), "all that the ledger says it has is there");
    }

    @Test
    void whatSeveralRangesHaveInCommonWithANewOneIsCountedOfEach() throws Exception {
        PerfTest.Ledger ledger = perf(false, "t");
        PerfTest.Ledger.Part part = ledger.part();
        for (long offset : new long[] {0, 1, 2, 5, 6, 9, 1, 2, 3, 4, 5, 6, 6, 20}) part.acknowledged(0, 0, offset);
        part.closed();
        LoadChecker ranges = written(ledger);
        assertTrue(text().contains("\"acknowledged\":14,\"twice\":5,"), text());
        log(ranges, 21, 0, 1, 2, 3, 4, 5, 6, 9, 20);
        expect(ranges, "fail", 14, 9, "INCONSISTENT", 5);
    }

    @Test
    void aDamagedOrShortenedLedgerIsIncomplete() throws Exception {
        PerfTest.Ledger ledger = perf(false, "t");
        PerfTest.Ledger.Part part = ledger.part();
        for (long offset : new long[] {0, 1, 3}) part.acknowledged(0, 0, offset);
        part.closed();
        written(ledger);
        String whole = text(), range = "{\"topic\":\"t\",\"partition\":0,\"first\":3,\"last\":3,\"count\":1}\n";
        for (String lacks : List.of(
                whole.replace(range, ""),
                whole.replace(range, range.substring(0, 30) + "\n"),
                whole.replace(range, range.replace("\"count\":1", "\"count\":2")),
                whole.substring(0, whole.indexOf("{\"end\"")))) {
            Files.writeString(folder.resolve("load.jsonl"), lacks);
            LoadChecker ranges = read().get("t");
            log(ranges, 4, 0, 1, 3);
            assertEquals("incomplete", ranges.verdict().verdict(), lacks);
        }
        Files.writeString(folder.resolve("load.jsonl"), whole.replace("\"ranges\":1", "\"ranges\":2"));
        assertEquals(2, assertThrows(Cli.Exit.class, this::read).code);
        assertEquals(
                2,
                TestCluster.run(CheckDelivery::run, folder.resolve("none.jsonl").toString())
                        .code());
    }

    // ---- In the lab ----

    private static DeliveryVerdict producer(boolean isThere, boolean acknowledged) {
        DeliveryChecker checker = new DeliveryChecker();
        ProducerLedger ledger = new ProducerLedger("t", "run", "p", true);
        checker.add(ledger);
        if (acknowledged) ledger.acknowledged(1, 0, 0, 0);
        if (isThere) checker.record(0, 0, "run/p/1".getBytes(), 1, 0, 0);
        checker.reached(0, 1);
        return checker.verdict();
    }

    @Test
    void theLabsVerdictIsOfProducerAndLoad() {
        LoadChecker whole = ranges(0, 0), lost = ranges(0, 0), unseen = ranges(0, 0);
        log(whole, 1, 0);
        log(lost, 1);
        LoadVerdict pass = whole.verdict(), fail = lost.verdict(), incomplete = unseen.verdict();
        assertEquals(List.of(0, 13, 14), List.of(pass.exitCode(), fail.exitCode(), incomplete.exitCode()));
        assertEquals(0, LabVerdict.exitCode(producer(true, true), pass));
        assertEquals(13, LabVerdict.exitCode(producer(true, true), fail), "the load's loss fails the lab");
        assertEquals(13, LabVerdict.exitCode(producer(false, true), incomplete));
        assertEquals(14, LabVerdict.exitCode(producer(true, true), incomplete));
        assertEquals(14, LabVerdict.exitCode(producer(false, false), pass), "nothing was acknowledged to the producer");
        assertEquals(13, LabVerdict.exitCode(producer(false, false), fail));
    }
}
