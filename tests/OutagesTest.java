import static org.junit.jupiter.api.Assertions.*;

import java.util.*;
import java.util.stream.*;
import org.junit.jupiter.api.*;

/** Tests the phases of outages with streams written by hand; the expected milliseconds are counted by hand as well. */
@Order(14)
class OutagesTest extends OutageEvents {
    // ---- Faults and their phases ----

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

    /** At a low rate, the first message after a fault may wait only because of the next fault. */
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

    // ---- Outages that have not ended, and missing events ----

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
                && e.get("ts").equals(time(4780))); // as if only some acknowledgements had become events
        events.removeIf(e -> e.get("type").equals("stall") && e.get("partition").equals(1));
        noted(stall(1, 1200, 4781).only(), "The producer itself measured 3581 ms for t-1");
    }
}
