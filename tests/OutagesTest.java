import static org.junit.jupiter.api.Assertions.*;

import com.fasterxml.jackson.jr.ob.JSON;
import java.io.*;
import java.nio.file.*;
import java.time.*;
import java.time.format.DateTimeFormatter;
import java.util.*;
import java.util.stream.*;
import org.junit.jupiter.api.*;
import org.junit.jupiter.api.io.TempDir;

/** The phases of outages, of streams made by hand: what is expected stands in milliseconds beside them, counted by hand. */
@Order(14)
class OutagesTest {
    private static final Instant START = Instant.parse("2026-11-24T12:00:00Z");
    private static final DateTimeFormatter TIME =
            DateTimeFormatter.ofPattern("yyyy-MM-dd'T'HH:mm:ss.SSSSSS'Z'").withZone(ZoneOffset.UTC);
    private final List<Map<String, Object>> events = new ArrayList<>();

    private static String time(double ms) {
        return TIME.format(START.plusNanos(Math.round(ms * 1e6)));
    }

    /** An event at a time in milliseconds. */
    private OutagesTest event(double ms, String source, String type, Object... fields) {
        Map<String, Object> event = new LinkedHashMap<>(Map.of("ts", time(ms), "source", source, "type", type));
        for (int i = 0; i < fields.length; i += 2) event.put((String) fields[i], fields[i + 1]);
        events.add(event);
        return this;
    }

    private OutagesTest ack(int partition, double sent, double at) {
        return event(
                at,
                "resilient-producer",
                "ack",
                "seq",
                events.size(),
                "attempt",
                1,
                "topic",
                "t",
                "partition",
                partition,
                "offset",
                events.size(),
                "latencyUs",
                Math.round((at - sent) * 1000));
    }
    /** Sent at a time, and ended without an acknowledgement: expired, as a rule. */
    private OutagesTest expired(int partition, double sent, double at) {
        return event(
                at,
                "resilient-producer",
                "send-error",
                "seq",
                events.size(),
                "attempt",
                1,
                "error",
                "TimeoutException",
                "message",
                "Expiring 1 record(s) for t-" + partition,
                "outcome",
                "indeterminate",
                "topic",
                "t",
                "partition",
                partition,
                "latencyUs",
                Math.round((at - sent) * 1000));
    }
    /** A message every 100 ms to a partition, from a time, of which nothing is acknowledged before another: what is older than the timeout by then has expired. */
    private OutagesTest silence(int partition, double from, double to, double timeout) {
        for (double sent = from; sent < to; sent += 100)
            if (sent + timeout < to) expired(partition, sent, sent + timeout);
            else ack(partition, sent, to);
        return this;
    }

    private OutagesTest flow(int partition, double from, double to, double every) {
        for (double sent = from; sent < to; sent += every) ack(partition, sent, sent + 5);
        return this;
    }
    /** Applied at a time, told a little later. */
    private OutagesTest fault(double ms, int node, String mode) {
        return event(ms + 30, "kill-node", "fault", "node", node, "mode", mode, "at", time(ms));
    }

    private OutagesTest restored(double ms, int node) {
        return event(ms + 5, "kill-node", "restored", "node", node, "at", time(ms));
    }

    private OutagesTest controller(double ms, int node, int epoch) {
        return event(ms, "watch-leaders", "controller", "controller", node, "epoch", epoch);
    }

    private OutagesTest led(double ms, int partition, int leader, int epoch, Integer... isr) {
        return event(
                ms,
                "watch-leaders",
                "leader",
                "topic",
                "t",
                "partition",
                partition,
                "leader",
                leader,
                "leaderEpoch",
                epoch,
                "isr",
                List.of(isr),
                "replicas",
                List.of(1, 2, 3));
    }

    private OutagesTest stall(int partition, double from, double to) {
        return event(
                to,
                "resilient-producer",
                "stall",
                "topic",
                "t",
                "partition",
                partition,
                "from",
                time(from),
                "ms",
                Math.round(to - from));
    }

    private OutagesTest isr(double ms, int under, Integer... brokers) {
        return event(
                ms,
                "watch-isr",
                "isr",
                "online",
                2,
                "partitions",
                2,
                "underReplicated",
                under,
                "inSync",
                6 - under,
                "replicas",
                6,
                "brokers",
                List.of(brokers));
    }

    /** Two partitions, led by 1 and 2; node 1 is the active controller; a message to each in turn, each 100 ms, acknowledged after 5. */
    private OutagesTest healthy() {
        controller(0, 1, 7).led(0, 0, 1, 3, 1, 2, 3).led(0, 1, 2, 3, 1, 2, 3);
        for (int ms = 100; ms < 1000; ms += 100) ack(ms / 100 % 2, ms, ms + 5);
        return this; // the last: partition 1, sent 900, acknowledged 905
    }

    private OutageFindings seen() throws Exception {
        for (Map<String, Object> e : events) ContractTest.Schema.validate(e);
        OutageFindings seen = OutageAnalysis.of(events);
        for (Outage o : seen.outages()) {
            for (Outage.Gap g : o.partitions()) assertEquals(g.ms(), g.phases().sum(), 0.01, "phases of " + g);
            if (o.all() != null) assertEquals(o.all().ms(), o.all().phases().sum(), 0.01, "phases of " + o.all());
        }
        return seen;
    }

    private Outage only() throws Exception {
        List<Outage> outages = seen().outages();
        assertEquals(1, outages.size());
        return outages.get(0);
    }

    /** Phases as before/quorum/elect/lead/ack/open; - is absent. */
    private static String phases(Outage.Gap gap) {
        return Stream.of(Outage.Phase.values())
                .map(p -> gap.phases().ms().get(p))
                .map(ms -> ms == null ? "-" : "" + Math.round(ms))
                .collect(Collectors.joining(" "));
    }

    private static void noted(Outage outage, String... parts) {
        for (String part : parts)
            assertTrue(outage.notes().stream().anyMatch(n -> n.contains(part)), part + " in " + outage.notes());
    }

    // ---- What happens ----

    /** Partition 0 waits since 1000, 1 since 1100; killed at 1050. */
    private OutagesTest controllerKilled() {
        return healthy()
                .fault(1050, 1, "kill")
                .controller(1060, -1, 7)
                .controller(1750, 2, 8)
                .led(4750, 0, 3, 4, 2, 3)
                .led(4760, 1, 2, 4, 2, 3)
                .ack(0, 1000, 4800)
                .ack(1, 1100, 4780)
                .ack(0, 1200, 4801)
                .ack(1, 1300, 4781)
                .ack(0, 4900, 4905)
                .ack(1, 5000, 5005);
    }

    @Test
    void theControllersDeath() throws Exception {
        Outage o = controllerKilled()
                .restored(6000, 1)
                .led(8000, 0, 3, 4, 1, 2, 3)
                .led(8010, 1, 2, 4, 1, 2, 3)
                .ack(0, 9000, 9005)
                .only();
        assertEquals(
                List.of(1, "kill", time(1050)),
                List.of(
                        o.fault().node(),
                        o.fault().mode(),
                        TIME.format(o.fault().applied())));
        assertEquals(
                List.of(2, 8L, 700.0),
                List.of(
                        o.moments().elected().node(),
                        o.moments().elected().epoch(),
                        o.since(o.moments().elected().at())));
        assertEquals(
                List.of(3710.0, 3730.0, 3750.0, 6960.0, 1),
                List.of(
                        o.since(o.moments().led()),
                        o.since(o.moments().firstAck()),
                        o.since(o.moments().lastAck()),
                        o.since(o.moments().inSync()),
                        o.fault().moved()),
                "led, first and last acknowledgement, in sync, partitions it led");
        assertEquals("50 - 700 3000 50 -", phases(o.partitions().get(0)));
        assertEquals(
                "- - 650 3010 20 -",
                phases(o.partitions().get(1)),
                "this partition's message was sent 50 ms after the fault");
        assertEquals(3800, o.worst().ms());
        assertEquals(
                "145 - 700 3010 20 -",
                phases(o.all()),
                "nothing at all was acknowledged from 905 to 4780, when partition 1 was first");
        assertEquals(List.of(), o.notes());
    }

    @Test
    void aBrokersDeathHasNoElection() throws Exception {
        Outage o = healthy()
                .fault(1050, 2, "kill")
                .led(4050, 0, 1, 3, 1, 3)
                .led(4060, 1, 3, 4, 1, 3)
                .ack(0, 1000, 4070)
                .ack(1, 1100, 4090)
                .only();
        assertNull(o.moments().elected());
        assertEquals("50 - - 3000 20 -", phases(o.partitions().get(0)), "not led by it, but it was in the ISR");
        assertEquals("- - - 2960 30 -", phases(o.partitions().get(1)));
        noted(o, "Node 2 was not the active controller: no election.", "Node 2 was not brought back.");
        assertNull(o.moments().inSync());
    }

    @Test
    void withoutAQuorumTheTimeUntilANodeIsBroughtBackIsAPhase() throws Exception {
        controllerKilled()
                .ack(0, 5900, 5905)
                .fault(6000, 2, "kill")
                .controller(6010, -1, 8)
                .restored(16000, 1)
                .controller(17500, 3, 9)
                .led(17900, 0, 3, 4, 1, 2, 3)
                .led(17910, 1, 2, 4, 1, 2, 3) // node 1 joins, and the dead 2 is still there
                .led(20500, 0, 3, 4, 1, 3)
                .led(20510, 1, 3, 5, 1, 3)
                .ack(1, 6100, 20600)
                .ack(0, 6050, 20550)
                .restored(21000, 2)
                .led(23000, 0, 3, 4, 1, 2, 3)
                .led(23001, 1, 3, 5, 1, 2, 3)
                .ack(0, 24000, 24003);
        List<Outage> outages = seen().outages();
        Outage first = outages.get(0), second = outages.get(1);
        assertEquals(
                "50 - 700 3000 50 -",
                phases(first.partitions().get(0)),
                "the second fault's wait is not the first one's");
        assertEquals(16910 - 50.0, first.since(first.moments().inSync()), "node 1 was back while 2 was dead");
        assertEquals("- 9950 1500 3000 50 -", phases(second.partitions().get(0)));
        assertEquals("- 9900 1500 3010 90 -", phases(second.partitions().get(1)));
        assertEquals(
                List.of(3, 9L, 17001.0),
                List.of(
                        second.moments().elected().node(),
                        second.moments().elected().epoch(),
                        second.since(second.moments().inSync())));
        assertNull(second.fault().during());
        noted(second, "no quorum until a node was brought back, 10.00 s after");
    }

    @Test
    void aSecondFaultInTheSameOutage() throws Exception {
        healthy()
                .fault(1050, 1, "kill")
                .fault(1350, 2, "kill")
                .controller(1060, -1, 7)
                .restored(5000, 1)
                .restored(5100, 2)
                .controller(6000, 3, 8)
                .led(6100, 0, 3, 4, 3)
                .led(6110, 1, 3, 4, 3)
                .led(8000, 0, 3, 4, 2, 3)
                .led(8010, 1, 3, 4, 1, 3)
                .led(8050, 0, 3, 4, 1, 2, 3)
                .led(8060, 1, 3, 4, 1, 2, 3)
                .ack(0, 1000, 8040)
                .ack(1, 1100, 8055);
        OutageFindings seen = seen();
        Outage first = seen.outages().get(0), second = seen.outages().get(1);
        assertEquals(List.of(1), Stream.of(second.fault().during()).toList());
        noted(second, "The outage of fault 1 still lasted");
        assertEquals(
                "50 3650 1300 2000 40 -",
                phases(first.partitions().get(0)),
                "a leader alone in its ISR has to wait for another, acks=all");
        assertEquals(
                "350 3650 1000 2000 40 -",
                phases(second.partitions().get(0)),
                "of the same gap, more is before the second fault");
        assertEquals(first.worst().ms(), second.worst().ms());
        // Counted once: 7040 and 6955 ms of the 7950 from the first acknowledgement (105) to the last (8055).
        assertEquals((7040 + 6955) / 2.0 / 7950, seen.availability().share(), 1e-9);
        assertEquals(7040 / 7950.0, seen.availability().nothingShare(), 1e-9);
        assertEquals("t-0", seen.availability().worst());
    }

    /** At a low rate the first message after a fault may be one that only waits because of the next. */
    @Test
    void aWaitThatBeganAfterTheNextFaultIsNotThisOnes() throws Exception {
        List<Outage> outages = healthy()
                .fault(1050, 3, "stop")
                .fault(3050, 1, "kill")
                .controller(3060, -1, 7)
                .controller(3750, 2, 8)
                .led(6000, 0, 3, 4, 2, 3)
                .led(6010, 1, 2, 3, 2, 3)
                .ack(0, 4000, 14_000)
                .ack(1, 4100, 4110)
                .seen()
                .outages();
        assertEquals(10_000.0, outages.get(1).worst().ms());
        assertNull(outages.get(1).fault().during(), outages.toString());
        assertTrue(
                outages.get(0).worst() == null || outages.get(0).worst().ms() < 200,
                outages.get(0).toString());
    }

    @Test
    void theNextFaultsWaitIsNotThisOnes() throws Exception {
        controllerKilled()
                .fault(5010, 3, "kill")
                .ack(0, 5009, 5200)
                .ack(1, 5100, 35_000)
                .ack(0, 5300, 35_001);
        List<Outage> outages = seen().outages();
        assertEquals(
                List.of(3800.0, 29900.0),
                outages.stream().map(o -> o.worst().ms()).toList());
        assertEquals(
                List.of(3875.0, 29800.0),
                outages.stream().map(o -> o.all().ms()).toList());
        assertEquals(
                3710.0,
                outages.get(0).since(outages.get(0).moments().led()),
                "all were led again, although the next fault came 209 ms after the last acknowledgement");
        assertNull(outages.get(1).moments().led());
    }

    @Test
    void aPausedNodeThatGoesOnIsAliveAgain() throws Exception {
        Outage o = healthy()
                .fault(1050, 2, "pause")
                .restored(2050, 2)
                .ack(0, 1000, 2070)
                .ack(1, 1100, 2080)
                .only();
        assertEquals("50 - - 1000 20 -", phases(o.partitions().get(0)), "no leader and no ISR changed");
        assertEquals(1000.0, o.since(o.moments().restored()));
        noted(o, "not seen to leave an ISR");
    }

    @Test
    void whatIsSeenALittleLateWasFeltBefore() throws Exception {
        Outage o = healthy()
                .fault(1050, 2, "kill")
                .led(4050, 0, 1, 3, 1, 3)
                .ack(0, 1000, 4040)
                .only();
        assertEquals("50 - - 2990 0 -", phases(o.partitions().get(0)));
    }

    @Test
    void anElectionIsTimedByTheQuestionThatTheWinnerAnswered() throws Exception {
        Outage o = healthy()
                .fault(1050, 1, "kill")
                .event(1800, "watch-leaders", "controller", "controller", 2, "epoch", 8, "at", time(1750))
                .led(4050, 0, 3, 4, 2, 3)
                .ack(0, 1000, 4100)
                .only();
        assertEquals("50 - 700 2300 50 -", phases(o.partitions().get(0)));
    }

    @Test
    void aMomentThatWasBeforeAMessageWaitedIsNotOfItsGap() throws Exception {
        Outage o = healthy()
                .fault(1050, 1, "kill")
                .controller(1200, 2, 8)
                .led(1900, 0, 2, 4, 2, 3)
                .led(1905, 1, 2, 4, 2, 3)
                .ack(0, 1500, 1950)
                .only();
        assertEquals("- - - 400 50 -", phases(o.partitions().get(0)));
        assertEquals(150.0, o.since(o.moments().elected().at()));
    }

    @Test
    void havingNothingToAcknowledgeIsNoOutage() throws Exception {
        OutageFindings seen = healthy()
                .fault(1050, 2, "stop")
                .ack(0, 20_000, 20_007)
                .ack(1, 20_100, 20_107)
                .seen();
        assertEquals(7, seen.outages().get(0).worst().ms());
        noted(seen.outages().get(0), "no outage");
        assertNull(seen.outages().get(0).moments().firstAck());
        assertEquals(0, seen.availability().share());
    }

    // ---- What has not ended, and what is missing ----

    @Test
    void anOutageThatDidNotEnd() throws Exception {
        Outage o = healthy()
                .fault(1050, 1, "kill")
                .controller(1060, -1, 7)
                .controller(1750, 2, 8)
                .stall(0, 1000, 9000)
                .stall(1, 1100, 9000)
                .stall(-1, 905, 9000)
                .only();
        assertEquals("50 - 700 - - 7250", phases(o.partitions().get(0)));
        assertFalse(o.worst().ended());
        assertFalse(o.all().ended());
        noted(o, "2 of 2 partitions acknowledged nothing more");
        assertNull(o.moments().lastAck());
        assertNull(o.moments().led());
    }

    @Test
    void onePartitionThatDidNotComeBack() throws Exception {
        Outage o = healthy()
                .fault(1050, 1, "kill")
                .ack(0, 1000, 1400)
                .ack(0, 1500, 1505)
                .ack(0, 8000, 8005)
                .only();
        assertTrue(o.partitions().get(0).ended());
        assertEquals(
                "145 - - - - 6955",
                phases(o.partitions().get(1)),
                "since its last acknowledgement, 905, until the producer's last sign, 8005");
        noted(o, "1 of 2 partitions acknowledged nothing more", "No controller was seen elected");
    }

    @Test
    void noSignOfAProducer() throws Exception {
        noted(
                healthy().fault(60_000, 1, "kill").controller(61_000, 2, 8).only(),
                "No sign of a producer after the fault");
        events.clear();
        OutageFindings without = fault(1000, 1, "kill").controller(2000, 2, 8).seen();
        noted(
                without.outages().get(0),
                "No producer is in the stream",
                "Who was the active controller is not in the stream",
                "Nobody watched leaders and ISR");
        assertNull(without.availability());
        assertNull(without.outages().get(0).worst());
        assertFalse(
                new OutageTable(without, OutageTable.Gaps.ALL_PARTITIONS).text().contains("null"),
                new OutageTable(without, OutageTable.Gaps.ALL_PARTITIONS).text());
    }

    @Test
    void withoutAWatcherTheTimeIsNotDivided() throws Exception {
        Outage o = ack(0, 100, 105)
                .ack(0, 900, 905)
                .fault(1050, 1, "kill")
                .ack(0, 1000, 4800)
                .only();
        assertEquals("50 - - - 3750 -", phases(o.worst()));
        noted(o, "Nobody watched the controller", "Nobody watched leaders and ISR");
    }

    @Test
    void watchIsrsEventsDoIfThereAreNoOthers() throws Exception {
        controllerKilled().isr(500, 0, 1, 2, 3).isr(4790, 2, 2, 3).isr(8000, 0, 1, 2, 3);
        events.removeIf(e -> e.get("type").equals("leader"));
        Outage o = only();
        assertEquals("50 - 700 3040 10 -", phases(o.partitions().get(0)));
        assertEquals(
                List.of(3740.0, 6950.0),
                List.of(o.since(o.moments().led()), o.since(o.moments().inSync())));
        noted(o, "as watch-isr saw them");
    }

    @Test
    void theProducersOwnGapStandsBesideIt() throws Exception {
        Outage o = controllerKilled()
                .stall(0, 1000, 4800)
                .stall(1, 1100, 4780)
                .stall(-1, 905, 4780)
                .only();
        assertEquals(
                List.of(3800.0, 3680.0, 3875.0),
                List.of(
                        o.partitions().get(0).measuredMs(),
                        o.partitions().get(1).measuredMs(),
                        o.all().measuredMs()));
        events.removeIf(e -> e.get("type").equals("ack")
                && e.get("ts").equals(time(4780))); // as if only some acknowledgements were events
        events.removeIf(e -> e.get("type").equals("stall") && e.get("partition").equals(1));
        noted(stall(1, 1200, 4781).only(), "The producer itself measured 3581 ms for t-1");
    }

    // ---- In whatever order ----

    @Test
    void theOrderAndTheNumberOfCopiesDoNotMatter() throws Exception {
        OutageFindings expected = controllerKilled()
                .restored(6000, 1)
                .led(8000, 0, 3, 4, 1, 2, 3)
                .led(8010, 1, 2, 4, 1, 2, 3)
                .seen();
        events.addAll(List.copyOf(events));
        for (int seed = 0; seed < 20; seed++) {
            Collections.shuffle(events, new Random(seed));
            assertEquals(expected, OutageAnalysis.of(events), "seed " + seed);
        }
    }

    @Test
    void twoRunsInOneStream() throws Exception {
        controllerKilled();
        double share = seen().availability().share();
        List<Map<String, Object>> again = new ArrayList<>();
        for (Map<String, Object> e : events) {
            Map<String, Object> later = new LinkedHashMap<>(e);
            for (String field : List.of("ts", "at"))
                if (e.containsKey(field))
                    later.put(
                            field,
                            TIME.format(Instant.parse((String) e.get(field)).plusSeconds(3600)));
            again.add(later);
        }
        events.addAll(again);
        OutageFindings seen = seen();
        assertEquals(
                List.of(3800.0, 3800.0),
                seen.outages().stream().map(o -> o.worst().ms()).toList());
        assertEquals(share, seen.availability().share(), 0.02, "the hour between them counts for nothing");
    }

    /** The same waits as the producer's own clock, whatever is sent and acknowledged when. */
    @Test
    void waitsAreThoseThatTheProducerMeasures() throws Exception {
        int compared = 0;
        for (int seed = 0; seed < 200; seed++) {
            Random random = new Random(seed);
            events.clear();
            var gaps = new ResilientProducer.Gaps(3);
            TreeMap<Long, List<long[]>> steps = new TreeMap<>(); // at: {partition, sent}, sent is -1 for sending
            Set<Long> taken = new HashSet<>();
            for (int i = 0; i < 60; i++) {
                long sent = random.nextInt(30_000),
                        took = random.nextInt(10) == 0 ? random.nextInt(9_000) : 1 + random.nextInt(300),
                        expires = seed % 2 == 1 && random.nextInt(3) == 0 ? 1 : 0;
                int partition = random.nextInt(3);
                if (!taken.add(sent + took)) continue; // never two at once that could be in either order
                steps.computeIfAbsent(sent * 2, t -> new ArrayList<>())
                        .add(new long[] {partition, -1}); // even and odd: nor these
                steps.computeIfAbsent((sent + took) * 2 + 1, t -> new ArrayList<>())
                        .add(new long[] {partition, sent * 2, expires});
            }
            long first = steps.entrySet().stream()
                    .filter(e -> e.getValue().stream().anyMatch(s -> s[1] >= 0 && s[2] == 0))
                    .findFirst()
                    .orElseThrow()
                    .getKey();
            steps.forEach((at, list) -> list.forEach(s -> {
                if (s[1] < 0) gaps.sent((int) s[0], at);
                else if (s[2] == 1) {
                    gaps.unresolved((int) s[0]);
                    expired((int) s[0], s[1], at);
                } else {
                    gaps.acknowledged((int) s[0], at);
                    ack((int) s[0], s[1], at);
                }
            }));
            Map<Integer, Double> longest = new TreeMap<>();
            gaps.longest().stream()
                    .filter(s -> s.partition() >= 0)
                    .forEach(s -> longest.put(s.partition(), (double) s.length()));
            OutageFindings seen = fault(first, 1, "kill").seen();
            Map<Integer, Double> found = new TreeMap<>();
            Stream.concat(seen.outages().get(0).partitions().stream(), seen.unattributed().stream())
                    .filter(Outage.Gap::ended)
                    .forEach(g -> found.merge(g.partition(), g.ms(), Math::max));
            // Below 200 ms a wait that is not the fault's is not listed.
            longest.values().removeIf(ms -> ms < 200);
            found.values().removeIf(ms -> ms < 200);
            // Where a partition's longest is one that has not ended, a shorter one that had is not listed.
            List<Integer> open = seen.outages().get(0).partitions().stream()
                    .filter(g -> !g.ended())
                    .map(Outage.Gap::partition)
                    .toList();
            longest.keySet().removeAll(open);
            found.keySet().removeAll(open);
            compared += longest.size();
            assertEquals(longest, found, "seed " + seed);
        }
        assertTrue(compared > 400, compared + " gaps");
    }

    // ---- Messages that expire ----

    /** Waits of 20.1, 20.1 and 17.5 s with a delivery timeout of 5 s: what expires is waited for all the same. */
    @Test
    void aGapEndsWithAnAcknowledgementWhateverExpiresInIt() throws Exception {
        flow(0, 0, 10_000, 100)
                .silence(0, 10_000, 30_100, 5000)
                .flow(0, 30_200, 42_000, 100)
                .silence(0, 42_000, 62_100, 5000)
                .flow(0, 62_200, 74_000, 100)
                .silence(0, 74_000, 91_500, 5000)
                .flow(0, 91_600, 96_000, 100);
        OutageFindings seen = fault(10_050, 1, "kill")
                .restored(29_000, 1)
                .fault(42_050, 2, "kill")
                .restored(61_000, 2)
                .fault(74_050, 3, "kill")
                .restored(90_000, 3)
                .seen();
        assertEquals(
                List.of(20_100.0, 20_100.0, 17_500.0),
                seen.outages().stream().map(o -> o.worst().ms()).toList());
        assertEquals(
                List.of(20_195.0, 20_195.0, 17_595.0),
                seen.outages().stream().map(o -> o.all().ms()).toList(),
                "since the acknowledgement before");
        assertTrue(seen.outages().stream().allMatch(o -> o.worst().ended()));
        assertEquals(
                (96_000 - 95 - 5) / 1e3, seen.availability().observed().ms() / 1e3, 0.2, "the silence is time as well");
        assertEquals(57.7 / 95.9, seen.availability().share(), 0.002);
        assertEquals(57.7 / 95.9, seen.availability().nothingShare(), 0.002);
        assertEquals(List.of(), seen.unattributed());
    }

    /** A stream of an earlier version does not say of which partition a message was that expired; its stalls do. */
    @Test
    void theStallsOfAStreamWhoseErrorsNameNoPartitionAreBelieved() throws Exception {
        aGapEndsWithAnAcknowledgementWhateverExpiresInIt();
        events.stream()
                .filter(e -> e.get("type").equals("send-error"))
                .forEach(e -> e.keySet().removeAll(List.of("topic", "partition", "latencyUs")));
        for (double[] s : new double[][] {{10_000, 30_100}, {42_000, 62_100}, {74_000, 91_500}})
            stall(0, s[0], s[1]).stall(-1, s[0] - 95, s[1]);
        OutageFindings seen = seen();
        assertEquals(
                List.of(20_100.0, 20_100.0, 17_500.0),
                seen.outages().stream().map(o -> o.worst().ms()).toList());
        assertEquals(57.7 / 95.9, seen.availability().share(), 0.002);
    }

    @Test
    void aPartitionThatNeverAcknowledgedHasNotRecovered() throws Exception {
        healthy().flow(0, 1000, 20_000, 100).fault(1050, 2, "kill").led(4050, 0, 1, 3, 1, 3);
        events.removeIf(e -> e.get("type").equals("ack") && e.get("partition").equals(1));
        for (int sent = 900; sent < 14_000; sent += 500) expired(1, sent, sent + 5000);
        Outage o = only();
        assertEquals(
                List.of(true, false),
                o.partitions().stream().map(Outage.Gap::ended).toList());
        assertEquals(
                "150 - - - - 18855",
                phases(o.partitions().get(1)),
                "since its first message, 900, until the producer's last sign, 19905");
        assertNull(o.moments().lastAck());
        noted(o, "1 of 2 partitions acknowledged nothing more");
    }

    @Test
    void aStallOfAPartitionThatNeverAcknowledgedHasNotEnded() throws Exception {
        healthy().fault(1050, 2, "kill").flow(0, 1100, 9000, 100);
        events.removeIf(e -> e.get("type").equals("ack") && e.get("partition").equals(1));
        Outage o = stall(1, 900, 9000).only();
        assertEquals(
                List.of(true, false),
                o.partitions().stream().map(Outage.Gap::ended).toList());
        assertNull(o.moments().lastAck());
    }

    @Test
    void whereNothingWasEverAcknowledgedTheWaitIsTheWholeTime() throws Exception {
        for (int sent = 0; sent < 10_000; sent += 500) expired(0, sent, sent + 5000);
        OutageFindings seen = fault(-1000, 1, "kill").seen();
        assertEquals(
                List.of(14_500.0, false),
                List.of(
                        seen.outages().get(0).worst().ms(),
                        seen.outages().get(0).worst().ended()));
        assertEquals(1, seen.availability().share(), 1e-9);
        assertEquals(1, seen.availability().nothingShare(), 1e-9);
    }

    /** What ends unresolved at a normal end, some milliseconds after it was sent, is no outage. */
    @Test
    void aMessageThatTheEndOfTheProducerCutsOffIsNoOutage() throws Exception {
        Outage o = healthy()
                .fault(1050, 3, "stop")
                .flow(0, 1100, 5000, 100)
                .flow(1, 1150, 5000, 100)
                .expired(0, 5000, 5010)
                .only();
        noted(o, "no outage");
        assertTrue(o.partitions().stream().allMatch(Outage.Gap::ended), o.toString());
    }

    // ---- Whose wait it is ----

    /** Broker 2 dies and partition 0 never comes back; 97 s later the controller dies as well, the quorum is lost for 3 s, and another is elected. */
    @Test
    void aGapThatNeverEndedDoesNotTakeTheNextFaultsElection() throws Exception {
        healthy()
                .fault(1050, 2, "kill")
                .led(1300, 1, 1, 4, 1, 3)
                .led(1300, 0, -1, 4)
                .flow(1, 1500, 98_000, 500)
                .fault(98_000, 1, "kill")
                .controller(98_010, -1, 7)
                .restored(101_000, 1)
                .controller(102_000, 3, 8)
                .led(102_100, 1, 3, 5, 3)
                .led(103_000, 1, 3, 5, 1, 3)
                .ack(1, 98_100, 103_100)
                .flow(1, 103_500, 110_000, 500);
        for (int sent = 1000; sent < 104_000; sent += 1000) expired(0, sent, sent + 5000);
        List<Outage> outages = seen().outages();
        Outage first = outages.get(0), second = outages.get(1);
        assertNull(
                first.moments().elected(), "node 1 was still the active controller when the next fault came: " + first);
        assertEquals("50 - - - - " + (109_505 - 1050), phases(first.partitions().get(0)));
        assertFalse(
                first.notes().stream().anyMatch(n -> n.contains("no quorum")),
                first.notes().toString());
        Outage.Gap felt = second.partitions().stream()
                .filter(g -> g.partition() == 1)
                .findFirst()
                .orElseThrow();
        assertEquals(
                "- 2900 1000 1000 100 -", phases(felt), "the quorum was lost for 3 s, of which this message saw 2.9");
        assertEquals(
                List.of(3, 1),
                List.of(second.moments().elected().node(), second.fault().during()));
        noted(second, "no quorum until a node was brought back, 3.00 s after");
    }

    /** The controller dies, and before another is elected the second node: until then it is the election, and only then the quorum is lost. */
    @Test
    void theQuorumIsLostWithTheMajorityAndNotBefore() throws Exception {
        Outage first = healthy()
                .fault(1050, 1, "kill")
                .controller(1060, -1, 7)
                .fault(4050, 2, "kill")
                .restored(7050, 2)
                .controller(8050, 3, 8)
                .led(8100, 0, 3, 4, 3)
                .led(9050, 0, 3, 4, 2, 3)
                .ack(0, 1000, 9100)
                .seen()
                .outages()
                .get(0);
        assertEquals(
                "50 3000 4000 1000 50 -",
                phases(first.partitions().get(0)),
                "3 s of an election that came to nothing, 3 s without a quorum, 1 s of the election that did");
    }

    /** A minute after all was in sync again something else stops a partition for 5 s. */
    @Test
    void aHiccupMinutesAfterTheLastFaultIsNotItsCost() throws Exception {
        controllerKilled()
                .restored(6000, 1)
                .led(8000, 0, 3, 4, 1, 2, 3)
                .led(8010, 1, 2, 4, 1, 2, 3)
                .flow(0, 5200, 180_000, 200)
                .flow(1, 5300, 180_000, 200)
                .ack(0, 180_000, 185_000)
                .flow(0, 185_100, 190_000, 200)
                .flow(1, 180_100, 190_000, 200);
        OutageFindings seen = seen();
        assertEquals(3800.0, seen.outages().get(0).worst().ms());
        assertEquals(
                List.of("t-0 5000"),
                seen.unattributed().stream()
                        .map(g -> g.name() + " " + Math.round(g.ms()))
                        .toList());
        assertTrue(
                new OutageTable(seen, OutageTable.Gaps.LONGEST)
                        .text()
                        .contains("1 waits of 200 ms and more belong to no fault, the longest of t-0: 5.00 s"
                                + " from 12:03:00.000."),
                new OutageTable(seen, OutageTable.Gaps.LONGEST).text());
        assertEquals(
                (3800 + 3680 + 5000) / 2.0 / seen.availability().observed().ms(),
                seen.availability().share(),
                1e-9,
                "it is unavailability all the same");
    }

    /** Killed at 10 s, which costs 3 s; 5 minutes later something else takes 4.9 s, and 5 minutes after that the node is back, which costs 3.5 s. */
    private OutagesTest hiccupWhileTheNodeIsAway() {
        return healthy()
                .flow(0, 1000, 10_000, 200)
                .fault(10_000, 1, "kill")
                .controller(10_010, -1, 7)
                .controller(10_700, 2, 8)
                .led(12_900, 0, 3, 4, 2, 3)
                .led(12_910, 1, 2, 4, 2, 3)
                .ack(0, 10_000, 13_000)
                .flow(0, 13_100, 310_000, 1000)
                .ack(0, 310_000, 314_900);
    }

    @Test
    void aHiccupWhileTheNodeIsAwayIsNotItsCost() throws Exception {
        hiccupWhileTheNodeIsAway()
                .flow(0, 315_000, 601_000, 1000)
                .restored(600_000, 1)
                .ack(0, 601_000, 604_500)
                .flow(1, 10_950, 610_000, 1000)
                .led(606_000, 0, 3, 4, 1, 2, 3)
                .led(606_010, 1, 2, 4, 1, 2, 3)
                .flow(0, 606_100, 610_000, 1000);
        for (String unseen : List.of("nothing", "in sync")) {
            if (unseen.equals("in sync"))
                events.removeIf(
                        e -> e.get("type").equals("leader") && e.get("ts").equals(time(606_010)));
            OutageFindings seen = seen();
            Outage o = seen.outages().get(0);
            assertEquals(
                    List.of(3000.0, 3000.0),
                    List.of(o.worst().ms(), o.since(o.moments().firstAck())),
                    unseen);
            assertEquals("- - 700 2200 100 -", phases(o.partitions().get(0)), unseen);
            assertEquals(
                    List.of("t-0 4900"),
                    seen.unattributed().stream()
                            .map(g -> g.name() + " " + Math.round(g.ms()))
                            .toList(),
                    unseen);
            assertEquals(
                    unseen.equals("nothing") ? Double.valueOf(596_010) : null,
                    o.since(o.moments().inSync()));
        }
    }

    @Test
    void aHiccupMinutesAfterAPartitionLostItsLeaderForGoodIsNotItsCost() throws Exception {
        hiccupWhileTheNodeIsAway().led(10_800, 1, -1, 4).flow(0, 315_000, 330_000, 1000);
        events.removeIf(e -> e.get("type").equals("leader") && e.get("ts").equals(time(12_910)));
        OutageFindings seen = seen();
        Outage o = seen.outages().get(0);
        assertNull(o.moments().led());
        assertEquals(3000.0, o.partitions().get(0).ms());
        assertTrue(
                seen.unattributed().stream().anyMatch(g -> g.name().equals("t-0") && g.ms() == 4900),
                seen.unattributed().toString());
    }

    /** Nothing waited when the node was stopped; when it was back a partition did, beyond the moment at which all was in sync. */
    @Test
    void aWaitFromWhenTheNodeIsBackIsItsCost() throws Exception {
        OutageFindings seen = healthy()
                .flow(0, 1000, 601_000, 1000)
                .fault(10_500, 2, "stop")
                .led(10_600, 0, 1, 3, 1, 3)
                .led(10_610, 1, 3, 4, 1, 3)
                .restored(600_000, 2)
                .ack(0, 601_100, 607_000)
                .flow(1, 1050, 610_000, 1000)
                .led(606_000, 0, 1, 3, 1, 2, 3)
                .led(606_010, 1, 3, 4, 1, 2, 3)
                .flow(0, 607_100, 610_000, 1000)
                .seen();
        assertEquals(5900.0, seen.outages().get(0).worst().ms());
        assertEquals(List.of(), seen.unattributed());
    }

    @Test
    void aHiccupBeforeAllIsInSyncIsItsCostAndSoIsTheGapThatSpansThat() throws Exception {
        OutageFindings seen = controllerKilled()
                .restored(6000, 1)
                .flow(0, 5200, 7500, 200)
                .ack(0, 7600, 13_600)
                .led(8000, 0, 3, 4, 1, 2, 3)
                .led(8010, 1, 2, 4, 1, 2, 3)
                .flow(0, 13_700, 15_000, 200)
                .seen();
        assertEquals(
                6000.0, seen.outages().get(0).partitions().get(0).ms(), "it began before the node was in sync again");
        assertEquals(List.of(), seen.unattributed());
    }

    @Test
    void withoutAWatcherWhatComesLongAfterTheNodeIsBackIsNotItsCost() throws Exception {
        flow(0, 0, 1000, 100)
                .fault(1050, 1, "kill")
                .ack(0, 1100, 4800)
                .restored(6000, 1)
                .flow(0, 5000, 20_000, 100)
                .ack(0, 20_000, 24_000)
                .flow(0, 24_100, 60_000, 100)
                .ack(0, 60_000, 67_000)
                .flow(0, 67_100, 70_000, 100);
        OutageFindings seen = seen();
        assertEquals(4000.0, seen.outages().get(0).worst().ms(), "within half a minute it may be");
        assertEquals(
                List.of(7000.0),
                seen.unattributed().stream().map(Outage.Gap::ms).toList());
    }

    // ---- Low rates ----

    /** One message every 10 s, and one of 100 waits for 15 s: 1.5 % of 1000 s. */
    @Test
    void atALowRateOnlyTimeInWhichAMessageWaitsIsUnavailable() throws Exception {
        Map<Integer, Integer> late = Map.of(50, 15_000, 51, 5_001);
        for (int i = 0; i <= 100; i++) ack(0, i * 10_000, i * 10_000 + late.getOrDefault(i, 5));
        OutageFindings seen = fault(499_000, 1, "kill").seen();
        assertEquals(1000, seen.availability().observed().ms() / 1e3, 0.1);
        assertEquals(0.015, seen.availability().share(), 0.0001);
        assertEquals(0.015, seen.availability().nothingShare(), 0.0001);
        assertEquals(15_000.0, seen.outages().get(0).worst().ms());
    }

    /** A producer that is alive and has nothing to send was not unavailable, and the time is observed; between two producers nobody observed anything. */
    @Test
    void silenceIsLeftOutOnlyBetweenTwoProducers() throws Exception {
        flow(0, 0, 10_000, 100).flow(0, 100_000, 110_000, 100);
        assertEquals(
                20, seen().availability().observed().ms() / 1e3, 0.3, "nobody says that a producer lived in between");
        event(0, "resilient-producer", "producer", "state", "start", "producer", "p", "topic", "t")
                .event(110_000, "resilient-producer", "producer", "state", "end", "producer", "p", "topic", "t");
        assertEquals(110, seen().availability().observed().ms() / 1e3, 0.3);
        event(10_000, "resilient-producer", "producer", "state", "end", "producer", "p", "topic", "t");
        assertEquals(20, seen().availability().observed().ms() / 1e3, 0.3);
    }

    // ---- The script ----

    @Test
    void whatAFileSaysReachesNoTerminalRaw(@TempDir Path folder) throws Exception {
        controllerKilled()
                .event(1050, "kill-node", "fault", "node", 2, "mode", "kill\u001b[2J\r\nFault 9: all well")
                .ack(0, 1100, 5000);
        String forged = lines().replace("\"topic\":\"t\"", "\"topic\":\"t\\u001b[31m\\r\\nFault 9: no outage\\u0007\"");
        for (String option : List.of("--all-partitions", "--markdown")) {
            TestCluster.Run run = run(folder, forged, option);
            assertTrue(run.out().contains("kill node 1") && run.out().contains("\\u001b"), run.out());
            assertFalse(
                    run.out().chars().anyMatch(c -> c < ' ' && c != '\n')
                            || run.out().lines().anyMatch(l -> l.startsWith("Fault 9")),
                    run.out());
        }
    }

    /** Of a type that outages does not use nothing is read, whatever its fields are; of those that it uses a damaged one is named. */
    @Test
    void onlyFieldsOfTypesThatAreUsedAreRead(@TempDir Path folder) throws Exception {
        controllerKilled();
        String others =
                "{\"ts\":\"2026-11-24T12:00:00.000000Z\",\"source\":\"report\",\"type\":\"page\",\"at\":\"runs/x/report.html\",\"runs\":1,\"events\":1,\"damaged\":0}\n"
                    + "{\"ts\":\"yesterday\",\"type\":\"of-tomorrow\",\"at\":[1],\"node\":\"x\",\"from\":{}}\n"
                    + "{\"type\":\"perf-window\"}\n";
        TestCluster.Run run = run(folder, others + lines() + others);
        assertEquals(0, run.code(), run.toString());
        assertEquals("", run.err());
        String damaged = "{\"ts\":\"2026-11-24T12:00:00.000000Z\",\"type\":\"ack\",\"topic\":\"t\",\"latencyUs\":5}\n"
                + "{\"ts\":\"2026-11-24T12:00:00.000000Z\",\"type\":\"fault\",\"node\":\"one\",\"mode\":\"kill\"}\n"
                + "{\"ts\":\"noon\",\"type\":\"leader\"}\n"
                + "{\"ts\":\"2026-11-24T12:00:00.000000Z\",\"type\":\"fault\",\"node\":1}\n"
                + "[]\n\n"
                + "{\"ts\":\"2026-11-24T12:00:00.000000Z\"}\n";
        TestCluster.Run named = run(folder, damaged + lines());
        assertEquals(14, named.code(), named.toString());
        assertTrue(
                named.err().contains("6 damaged lines are left out: line 1 of ")
                        && named.err().contains(", 'ack' without partition; ")
                        && named.err().contains(", 'fault' with a wrong node; ")
                        && named.err().contains(", 'leader' with a wrong ts; ")
                        && named.err().contains(", 'fault' without mode; ")
                        && named.err().contains(", no JSON object; ..."),
                named.err());
        assertEquals(run.out(), named.out());
    }

    private TestCluster.Run run(Path folder, String text, String... args) throws Exception {
        Path file = Files.writeString(folder.resolve("events.jsonl"), text);
        return TestCluster.run(Outages::run, TestCluster.with(args, file.toString()));
    }

    private String lines() throws IOException {
        StringBuilder lines = new StringBuilder();
        for (Map<String, Object> e : events) lines.append(JSON.std.asString(e)).append('\n');
        return lines.toString();
    }

    @Test
    void tableMarkdownAndJsonTellTheSame(@TempDir Path folder) throws Exception {
        controllerKilled();
        TestCluster.Run run = run(folder, lines());
        assertEquals(0, run.code(), run.toString());
        assertTrue(run.out().contains("1  kill node 1  12:00:01.050  2 epoch 8, +0.70 s"), run.out());
        assertTrue(run.out().lines().anyMatch(l -> l.matches("1  t-0 +50 +- +700 +3000 +50 +- +3800 +-")), run.out());
        assertTrue(run(folder, lines(), "--all-partitions")
                .out()
                .lines()
                .anyMatch(l -> l.matches("1  t-1 +- +- +650 +3010 +20 +- +3680 +-")));
        assertTrue(run(folder, lines(), "--markdown")
                .out()
                .contains("| 1 | t-0 | 50 | - | 700 | 3000 | 50 | - | 3800 | - |"));
        List<Map<String, Object>> json = run(folder, lines(), "--json").events();
        assertEquals(
                List.of("outage", "availability"),
                json.stream().map(e -> e.get("type")).toList());
        Map<?, ?> gap = (Map<?, ?>) json.get(0).get("gap");
        assertEquals(
                List.of(50.0, 700.0, 3000.0, 50.0, 3800.0),
                Stream.of("beforeMs", "electMs", "leadMs", "ackMs", "ms")
                        .map(gap::get)
                        .toList());
        assertFalse(
                gap.containsKey("quorumMs") && gap.get("quorumMs") != null, "a phase that did not happen is absent");
    }

    @Test
    void whatCannotBeReadIsSaid(@TempDir Path folder) throws Exception {
        controllerKilled();
        assertEquals(0, run(folder, lines() + "{\"ts\":\"2026").code(), "the last line is just being written");
        TestCluster.Run damaged = run(folder, lines() + "what\n{\"type\":\"ack\"}\n" + lines());
        assertEquals(14, damaged.code(), damaged.toString());
        assertTrue(
                damaged.err().contains("2 damaged lines are left out: line 24 of ")
                        && damaged.err().contains(", no JSON object; line 25 of ")
                        && damaged.err().contains(", 'ack' without ts.")
                        && damaged.out().contains("kill node 1"),
                damaged.toString());
        assertEquals(
                2,
                TestCluster.run(Outages::run, folder.resolve("none").toString()).code());
        events.removeIf(e -> e.get("type").equals("fault"));
        TestCluster.Run none = run(folder, lines());
        assertEquals(0, none.code());
        assertTrue(
                none.err().contains("There is no fault in it")
                        && none.out().startsWith("Unavailable to the producer: "),
                none.toString());
    }

    @Test
    void manyAcknowledgementsTakeLittle() {
        OutageStream stream = new OutageStream();
        Map<String, Object> ack = new HashMap<>(Map.of("type", "ack", "topic", "t", "latencyUs", 5000L));
        for (int i = 0; i < 400_000; i++) {
            ack.put("ts", time(i / 20.0));
            ack.put("partition", i % 8);
            stream.add(ack);
        }
        stream.add(Map.of("ts", time(10_000), "type", "fault", "node", 1, "mode", "kill"));
        long began = System.nanoTime();
        assertEquals(
                0.4,
                OutageAnalysis.of(stream).outages().get(0).worst().ms(),
                1e-6,
                "each partition acknowledges every 0.4 ms, and there is always one that waits");
        assertTrue(System.nanoTime() - began < 10e9, "took " + (System.nanoTime() - began) / 1e9 + " s");
    }
}
