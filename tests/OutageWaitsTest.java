import static org.junit.jupiter.api.Assertions.*;

import java.util.*;
import java.util.stream.*;
import org.junit.jupiter.api.*;

/** Tests which wait belongs to which fault and which to none, and what counts as unavailable. */
@Order(14)
class OutageWaitsTest extends OutageEvents {
    // ---- Messages that expire ----

    /**
     * The waits are 20.1, 20.1 and 17.5 s with a delivery timeout of 5 s: messages that expire are waited for as well.
     */
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

    /** Streams of earlier versions do not name the partition of a message that expired; their stalls do. */
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

    /**
     * A message that is unresolved when the producer ends normally, some milliseconds after it was sent, is no outage.
     */
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

    // ---- To which fault a wait belongs ----

    /**
     * Broker 2 dies, and partition 0 never comes back. 97 s later the controller dies as well, the quorum is lost for 3
     * s, and another controller is elected.
     */
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

    /**
     * The controller dies, and a second node dies before another controller is elected. Until then it is the election
     * phase; only then is the quorum lost.
     */
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

    /** Minutes after all replicas were in sync again, something else stops a partition for 5 s. */
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

    /**
     * The node is killed at 10 s, which costs 3 s. 5 minutes later something else takes 4.9 s; another 5 minutes later
     * the node is back, which costs 3.5 s.
     */
    private OutageEvents hiccupWhileTheNodeIsAway() {
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

    /**
     * Nothing waited when the node was stopped. When it was back, a partition waited until after all replicas were in
     * sync.
     */
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

    /** One message every 10 s is sent, and one of 100 waits for 15 s: 1.5 % of 1000 s. */
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

    /**
     * A producer that runs and has nothing to send was not unavailable, and its time is observed; between two producers
     * nothing is observed.
     */
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
}
