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
    private static final DateTimeFormatter TIME = DateTimeFormatter.ofPattern("yyyy-MM-dd'T'HH:mm:ss.SSSSSS'Z'").withZone(ZoneOffset.UTC);
    private final List<Map<String, Object>> events = new ArrayList<>();

    private static String time(double ms) { return TIME.format(START.plusNanos(Math.round(ms * 1e6))); }

    /** An event at a time in milliseconds. */
    private OutagesTest event(double ms, String source, String type, Object... fields) {
        Map<String, Object> event = new LinkedHashMap<>(Map.of("ts", time(ms), "source", source, "type", type));
        for (int i = 0; i < fields.length; i += 2) event.put((String) fields[i], fields[i + 1]);
        events.add(event);
        return this;
    }

    private OutagesTest ack(int partition, double sent, double at) {
        return event(at, "resilient-producer", "ack", "seq", events.size(), "attempt", 1, "topic", "t", "partition", partition, "offset", events.size(), "latencyUs", Math.round((at - sent) * 1000));
    }
    /** Applied at a time, told a little later. */
    private OutagesTest fault(double ms, int node, String mode) { return event(ms + 30, "kill-node", "fault", "node", node, "mode", mode, "at", time(ms)); }
    private OutagesTest restored(double ms, int node) { return event(ms + 5, "kill-node", "restored", "node", node, "at", time(ms)); }
    private OutagesTest controller(double ms, int node, int epoch) { return event(ms, "watch-leaders", "controller", "controller", node, "epoch", epoch); }
    private OutagesTest led(double ms, int partition, int leader, int epoch, Integer... isr) {
        return event(ms, "watch-leaders", "leader", "topic", "t", "partition", partition, "leader", leader, "leaderEpoch", epoch, "isr", List.of(isr), "replicas", List.of(1, 2, 3));
    }
    private OutagesTest stall(int partition, double from, double to) {
        return event(to, "resilient-producer", "stall", "topic", "t", "partition", partition, "from", time(from), "ms", Math.round(to - from));
    }
    private OutagesTest isr(double ms, int under, Integer... brokers) {
        return event(ms, "watch-isr", "isr", "online", 2, "partitions", 2, "underReplicated", under, "inSync", 6 - under, "replicas", 6, "brokers", List.of(brokers));
    }

    /** Two partitions, led by 1 and 2; node 1 is the active controller; a message to each in turn, each 100 ms, acknowledged after 5. */
    private OutagesTest healthy() {
        controller(0, 1, 7).led(0, 0, 1, 3, 1, 2, 3).led(0, 1, 2, 3, 1, 2, 3);
        for (int ms = 100; ms < 1000; ms += 100) ack(ms / 100 % 2, ms, ms + 5);
        return this; // the last: partition 1, sent 900, acknowledged 905
    }

    private Outages.Seen seen() throws Exception {
        for (Map<String, Object> e : events) ContractTest.Schema.validate(e);
        Outages.Seen seen = Outages.of(events);
        for (Outages.Outage o : seen.outages()) {
            for (Outages.Gap g : o.partitions()) assertEquals(g.ms(), g.phases().sum(), 0.01, "phases of " + g);
            if (o.all() != null) assertEquals(o.all().ms(), o.all().phases().sum(), 0.01, "phases of " + o.all());
        }
        return seen;
    }

    private Outages.Outage only() throws Exception {
        List<Outages.Outage> outages = seen().outages();
        assertEquals(1, outages.size());
        return outages.get(0);
    }

    /** Phases as before/quorum/elect/lead/ack/open; - is absent. */
    private static String phases(Outages.Gap gap) {
        return Stream.of(Outages.Phase.values()).map(p -> gap.phases().ms().get(p)).map(ms -> ms == null ? "-" : "" + Math.round(ms)).collect(Collectors.joining(" "));
    }

    private static void noted(Outages.Outage outage, String... parts) {
        for (String part : parts) assertTrue(outage.notes().stream().anyMatch(n -> n.contains(part)), part + " in " + outage.notes());
    }

    // ---- What happens ----

    /** Partition 0 waits since 1000, 1 since 1100; killed at 1050. */
    private OutagesTest controllerKilled() {
        return healthy().fault(1050, 1, "kill").controller(1060, -1, 7).controller(1750, 2, 8).led(4750, 0, 3, 4, 2, 3).led(4760, 1, 2, 4, 2, 3)
                .ack(0, 1000, 4800).ack(1, 1100, 4780).ack(0, 1200, 4801).ack(1, 1300, 4781).ack(0, 4900, 4905).ack(1, 5000, 5005);
    }

    @Test void theControllersDeath() throws Exception {
        Outages.Outage o = controllerKilled().restored(6000, 1).led(8000, 0, 3, 4, 1, 2, 3).led(8010, 1, 2, 4, 1, 2, 3).ack(0, 9000, 9005).only();
        assertEquals(List.of(1, "kill", time(1050)), List.of(o.node(), o.mode(), TIME.format(o.applied())));
        assertEquals(List.of(2, 8L, 700.0), List.of(o.elected().node(), o.elected().epoch(), o.since(o.elected().at())));
        assertEquals(List.of(3710.0, 3730.0, 3750.0, 6960.0, 1), List.of(o.since(o.led()), o.since(o.firstAck()), o.since(o.lastAck()), o.since(o.inSync()), o.moved()),
                "led, first and last acknowledgement, in sync, partitions it led");
        assertEquals("50 - 700 3000 50 -", phases(o.partitions().get(0)));
        assertEquals("- - 650 3010 20 -", phases(o.partitions().get(1)), "this partition's message was sent 50 ms after the fault");
        assertEquals(3800, o.worst().ms());
        assertEquals("145 - 700 3010 20 -", phases(o.all()), "nothing at all was acknowledged from 905 to 4780, when partition 1 was first");
        assertEquals(List.of(), o.notes());
    }

    @Test void aBrokersDeathHasNoElection() throws Exception {
        Outages.Outage o = healthy().fault(1050, 2, "kill").led(4050, 0, 1, 3, 1, 3).led(4060, 1, 3, 4, 1, 3).ack(0, 1000, 4070).ack(1, 1100, 4090).only();
        assertNull(o.elected());
        assertEquals("50 - - 3000 20 -", phases(o.partitions().get(0)), "not led by it, but it was in the ISR");
        assertEquals("- - - 2960 30 -", phases(o.partitions().get(1)));
        noted(o, "Node 2 was not the active controller: no election.", "Node 2 was not brought back.");
        assertNull(o.inSync());
    }

    @Test void withoutAQuorumTheTimeUntilANodeIsBroughtBackIsAPhase() throws Exception {
        controllerKilled().ack(0, 5900, 5905).fault(6000, 2, "kill").controller(6010, -1, 8).restored(16000, 1).controller(17500, 3, 9)
                .led(17900, 0, 3, 4, 1, 2, 3).led(17910, 1, 2, 4, 1, 2, 3) // node 1 joins, and the dead 2 is still there
                .led(20500, 0, 3, 4, 1, 3).led(20510, 1, 3, 5, 1, 3).ack(1, 6100, 20600).ack(0, 6050, 20550).restored(21000, 2).led(23000, 0, 3, 4, 1, 2, 3).led(23001, 1, 3, 5, 1, 2, 3).ack(0, 24000, 24003);
        List<Outages.Outage> outages = seen().outages();
        Outages.Outage first = outages.get(0), second = outages.get(1);
        assertEquals("50 - 700 3000 50 -", phases(first.partitions().get(0)), "the second fault's wait is not the first one's");
        assertEquals(16910 - 50.0, first.since(first.inSync()), "node 1 was back while 2 was dead");
        assertEquals("- 9950 1500 3000 50 -", phases(second.partitions().get(0)));
        assertEquals("- 9900 1500 3010 90 -", phases(second.partitions().get(1)));
        assertEquals(List.of(3, 9L, 17001.0), List.of(second.elected().node(), second.elected().epoch(), second.since(second.inSync())));
        assertNull(second.during());
        noted(second, "no quorum until a node was brought back, 10.00 s after");
    }

    @Test void aSecondFaultInTheSameOutage() throws Exception {
        healthy().fault(1050, 1, "kill").fault(1350, 2, "kill").controller(1060, -1, 7).restored(5000, 1).restored(5100, 2).controller(6000, 3, 8)
                .led(6100, 0, 3, 4, 3).led(6110, 1, 3, 4, 3).led(8000, 0, 3, 4, 2, 3).led(8010, 1, 3, 4, 1, 3).led(8050, 0, 3, 4, 1, 2, 3).led(8060, 1, 3, 4, 1, 2, 3)
                .ack(0, 1000, 8040).ack(1, 1100, 8055);
        Outages.Seen seen = seen();
        Outages.Outage first = seen.outages().get(0), second = seen.outages().get(1);
        assertEquals(List.of(1), Stream.of(second.during()).toList());
        noted(second, "The outage of fault 1 still lasted");
        assertEquals("50 3950 1000 2000 40 -", phases(first.partitions().get(0)), "a leader alone in its ISR has to wait for another, acks=all");
        assertEquals("350 3650 1000 2000 40 -", phases(second.partitions().get(0)), "of the same gap, more is before the second fault");
        assertEquals(first.worst().ms(), second.worst().ms());
        // Counted once: 7040 and 6955 ms of the 7950 from the first acknowledgement (105) to the last (8055).
        assertEquals((7040 + 6955) / 2.0 / 7950, seen.availability().share(), 1e-9);
        assertEquals(7040 / 7950.0, seen.availability().nothingShare(), 1e-9);
        assertEquals("t-0", seen.availability().worst());
    }

    /** At a low rate the first message after a fault may be one that only waits because of the next. */
    @Test void aWaitThatBeganAfterTheNextFaultIsNotThisOnes() throws Exception {
        List<Outages.Outage> outages = healthy().fault(1050, 3, "stop").fault(3050, 1, "kill").controller(3060, -1, 7).controller(3750, 2, 8).led(6000, 0, 3, 4, 2, 3).led(6010, 1, 2, 3, 2, 3)
                .ack(0, 4000, 14_000).ack(1, 4100, 4110).seen().outages();
        assertEquals(10_000.0, outages.get(1).worst().ms());
        assertNull(outages.get(1).during(), outages.toString());
        assertTrue(outages.get(0).worst() == null || outages.get(0).worst().ms() < 200, outages.get(0).toString());
    }

    @Test void theNextFaultsWaitIsNotThisOnes() throws Exception {
        controllerKilled().fault(5010, 3, "kill").ack(0, 5009, 5200).ack(1, 5100, 35_000).ack(0, 5300, 35_001);
        List<Outages.Outage> outages = seen().outages();
        assertEquals(List.of(3800.0, 29900.0), outages.stream().map(o -> o.worst().ms()).toList());
        assertEquals(List.of(3875.0, 29800.0), outages.stream().map(o -> o.all().ms()).toList());
        assertEquals(3710.0, outages.get(0).since(outages.get(0).led()), "all were led again, although the next fault came 209 ms after the last acknowledgement");
        assertNull(outages.get(1).led());
    }

    @Test void aPausedNodeThatGoesOnIsAliveAgain() throws Exception {
        Outages.Outage o = healthy().fault(1050, 2, "pause").restored(2050, 2).ack(0, 1000, 2070).ack(1, 1100, 2080).only();
        assertEquals("50 - - 1000 20 -", phases(o.partitions().get(0)), "no leader and no ISR changed");
        assertEquals(1000.0, o.since(o.restored()));
        noted(o, "not seen to leave an ISR");
    }

    @Test void whatIsSeenALittleLateWasFeltBefore() throws Exception {
        Outages.Outage o = healthy().fault(1050, 2, "kill").led(4050, 0, 1, 3, 1, 3).ack(0, 1000, 4040).only();
        assertEquals("50 - - 2990 0 -", phases(o.partitions().get(0)));
    }

    @Test void anElectionIsTimedByTheQuestionThatTheWinnerAnswered() throws Exception {
        Outages.Outage o = healthy().fault(1050, 1, "kill").event(1800, "watch-leaders", "controller", "controller", 2, "epoch", 8, "at", time(1750)).led(4050, 0, 3, 4, 2, 3).ack(0, 1000, 4100).only();
        assertEquals("50 - 700 2300 50 -", phases(o.partitions().get(0)));
    }

    @Test void aMomentThatWasBeforeAMessageWaitedIsNotOfItsGap() throws Exception {
        Outages.Outage o = healthy().fault(1050, 1, "kill").controller(1200, 2, 8).led(1900, 0, 2, 4, 2, 3).led(1905, 1, 2, 4, 2, 3).ack(0, 1500, 1950).only();
        assertEquals("- - - 400 50 -", phases(o.partitions().get(0)));
        assertEquals(150.0, o.since(o.elected().at()));
    }

    @Test void havingNothingToAcknowledgeIsNoOutage() throws Exception {
        Outages.Seen seen = healthy().fault(1050, 2, "stop").ack(0, 20_000, 20_007).ack(1, 20_100, 20_107).seen();
        assertEquals(7, seen.outages().get(0).worst().ms());
        noted(seen.outages().get(0), "no outage");
        assertNull(seen.outages().get(0).firstAck());
        assertEquals(0, seen.availability().share());
    }

    // ---- What has not ended, and what is missing ----

    @Test void anOutageThatDidNotEnd() throws Exception {
        Outages.Outage o = healthy().fault(1050, 1, "kill").controller(1060, -1, 7).controller(1750, 2, 8).stall(0, 1000, 9000).stall(1, 1100, 9000).stall(-1, 905, 9000).only();
        assertEquals("50 - 700 - - 7250", phases(o.partitions().get(0)));
        assertFalse(o.worst().ended());
        assertFalse(o.all().ended());
        noted(o, "2 of 2 partitions acknowledged nothing more");
        assertNull(o.lastAck());
        assertNull(o.led());
    }

    @Test void onePartitionThatDidNotComeBack() throws Exception {
        Outages.Outage o = healthy().fault(1050, 1, "kill").ack(0, 1000, 1400).ack(0, 1500, 1505).ack(0, 8000, 8005).only();
        assertTrue(o.partitions().get(0).ended());
        assertEquals("145 - - - - 6955", phases(o.partitions().get(1)), "since its last acknowledgement, 905, until the producer's last sign, 8005");
        noted(o, "1 of 2 partitions acknowledged nothing more", "No controller was seen elected");
    }

    @Test void noSignOfAProducer() throws Exception {
        noted(healthy().fault(60_000, 1, "kill").controller(61_000, 2, 8).only(), "No sign of a producer after the fault");
        events.clear();
        Outages.Seen without = fault(1000, 1, "kill").controller(2000, 2, 8).seen();
        noted(without.outages().get(0), "No producer is in the stream", "Who was the active controller is not in the stream", "Nobody watched leaders and ISR");
        assertNull(without.availability());
        assertNull(without.outages().get(0).worst());
        assertFalse(without.text(true).contains("null"), without.text(true));
    }

    @Test void withoutAWatcherTheTimeIsNotDivided() throws Exception {
        Outages.Outage o = ack(0, 100, 105).ack(0, 900, 905).fault(1050, 1, "kill").ack(0, 1000, 4800).only();
        assertEquals("50 - - - 3750 -", phases(o.worst()));
        noted(o, "Nobody watched the controller", "Nobody watched leaders and ISR");
    }

    @Test void watchIsrsEventsDoIfThereAreNoOthers() throws Exception {
        controllerKilled().isr(500, 0, 1, 2, 3).isr(4790, 2, 2, 3).isr(8000, 0, 1, 2, 3);
        events.removeIf(e -> e.get("type").equals("leader"));
        Outages.Outage o = only();
        assertEquals("50 - 700 3040 10 -", phases(o.partitions().get(0)));
        assertEquals(List.of(3740.0, 6950.0), List.of(o.since(o.led()), o.since(o.inSync())));
        noted(o, "as watch-isr saw them");
    }

    @Test void theProducersOwnGapStandsBesideIt() throws Exception {
        Outages.Outage o = controllerKilled().stall(0, 1000, 4800).stall(1, 1100, 4780).stall(-1, 905, 4780).only();
        assertEquals(List.of(3800.0, 3680.0, 3875.0), List.of(o.partitions().get(0).measuredMs(), o.partitions().get(1).measuredMs(), o.all().measuredMs()));
        events.removeIf(e -> e.get("type").equals("ack") && e.get("ts").equals(time(4780))); // as if only some acknowledgements were events
        events.removeIf(e -> e.get("type").equals("stall") && e.get("partition").equals(1));
        noted(stall(1, 1200, 4781).only(), "The producer itself measured 3581 ms for t-1");
    }

    // ---- In whatever order ----

    @Test void theOrderAndTheNumberOfCopiesDoNotMatter() throws Exception {
        Outages.Seen expected = controllerKilled().restored(6000, 1).led(8000, 0, 3, 4, 1, 2, 3).led(8010, 1, 2, 4, 1, 2, 3).seen();
        events.addAll(List.copyOf(events));
        for (int seed = 0; seed < 20; seed++) {
            Collections.shuffle(events, new Random(seed));
            assertEquals(expected, Outages.of(events), "seed " + seed);
        }
    }

    @Test void twoRunsInOneStream() throws Exception {
        controllerKilled();
        double share = seen().availability().share();
        List<Map<String, Object>> again = new ArrayList<>();
        for (Map<String, Object> e : events) {
            Map<String, Object> later = new LinkedHashMap<>(e);
            for (String field : List.of("ts", "at")) if (e.containsKey(field)) later.put(field, TIME.format(Instant.parse((String) e.get(field)).plusSeconds(3600)));
            again.add(later);
        }
        events.addAll(again);
        Outages.Seen seen = seen();
        assertEquals(List.of(3800.0, 3800.0), seen.outages().stream().map(o -> o.worst().ms()).toList());
        assertEquals(share, seen.availability().share(), 0.02, "the hour between them counts for nothing");
    }

    /** The same waits as the producer's own clock, whatever is sent and acknowledged when. */
    @Test void waitsAreThoseThatTheProducerMeasures() throws Exception {
        for (int seed = 0; seed < 200; seed++) {
            Random random = new Random(seed);
            events.clear();
            var gaps = new ResilientProducer.Gaps(3);
            TreeMap<Long, List<long[]>> steps = new TreeMap<>(); // at: {partition, sent}, sent is -1 for sending
            for (int i = 0; i < 60; i++) {
                long sent = random.nextInt(60_000), took = random.nextInt(10) == 0 ? random.nextInt(9_000) : 1 + random.nextInt(300);
                int partition = random.nextInt(3);
                steps.computeIfAbsent(sent * 2, t -> new ArrayList<>()).add(new long[] {partition, -1}); // even and odd: never two at once that could be in either order
                steps.computeIfAbsent((sent + took) * 2 + 1, t -> new ArrayList<>()).add(new long[] {partition, sent * 2});
            }
            long first = steps.entrySet().stream().filter(e -> e.getValue().stream().anyMatch(s -> s[1] >= 0)).findFirst().orElseThrow().getKey();
            steps.forEach((at, list) -> list.forEach(s -> {
                if (s[1] < 0) gaps.sent((int) s[0], at);
                else {
                    gaps.acknowledged((int) s[0], at);
                    ack((int) s[0], s[1], at);
                }
            }));
            Map<Integer, Double> longest = new TreeMap<>();
            gaps.longest().stream().filter(s -> s.partition() >= 0).forEach(s -> longest.put(s.partition(), (double) s.length()));
            Outages.Outage o = fault(first, 1, "kill").only();
            Map<Integer, Double> found = new TreeMap<>();
            o.partitions().forEach(g -> found.put(g.partition(), g.ms()));
            assertEquals(longest, found, "seed " + seed);
        }
    }

    // ---- The script ----

    private TestCluster.Run run(Path folder, String text, String... args) throws Exception {
        Path file = Files.writeString(folder.resolve("events.jsonl"), text);
        return TestCluster.run(Outages::run, TestCluster.with(args, file.toString()));
    }

    private String lines() throws IOException {
        StringBuilder lines = new StringBuilder();
        for (Map<String, Object> e : events) lines.append(JSON.std.asString(e)).append('\n');
        return lines.toString();
    }

    @Test void tableMarkdownAndJsonTellTheSame(@TempDir Path folder) throws Exception {
        controllerKilled();
        TestCluster.Run run = run(folder, lines());
        assertEquals(0, run.code(), run.toString());
        assertTrue(run.out().contains("1  kill node 1  12:00:01.050  2 epoch 8, +0.70 s"), run.out());
        assertTrue(run.out().lines().anyMatch(l -> l.matches("1  t-0 +50 +- +700 +3000 +50 +- +3800 +-")), run.out());
        assertTrue(run(folder, lines(), "--all-partitions").out().lines().anyMatch(l -> l.matches("1  t-1 +- +- +650 +3010 +20 +- +3680 +-")));
        assertTrue(run(folder, lines(), "--markdown").out().contains("| 1 | t-0 | 50 | - | 700 | 3000 | 50 | - | 3800 | - |"));
        List<Map<String, Object>> json = run(folder, lines(), "--json").events();
        assertEquals(List.of("outage", "availability"), json.stream().map(e -> e.get("type")).toList());
        Map<?, ?> gap = (Map<?, ?>) json.get(0).get("gap");
        assertEquals(List.of(50.0, 700.0, 3000.0, 50.0, 3800.0), Stream.of("beforeMs", "electMs", "leadMs", "ackMs", "ms").map(gap::get).toList());
        assertFalse(gap.containsKey("quorumMs") && gap.get("quorumMs") != null, "a phase that did not happen is absent");
    }

    @Test void whatCannotBeReadIsSaid(@TempDir Path folder) throws Exception {
        controllerKilled();
        assertEquals(0, run(folder, lines() + "{\"ts\":\"2026").code(), "the last line is just being written");
        TestCluster.Run damaged = run(folder, lines() + "what\n{\"type\":\"ack\"}\n" + lines());
        assertEquals(14, damaged.code(), damaged.toString());
        assertTrue(damaged.err().contains("2 lines are no events") && damaged.out().contains("kill node 1"), damaged.toString());
        assertEquals(2, TestCluster.run(Outages::run, folder.resolve("none").toString()).code());
        events.removeIf(e -> e.get("type").equals("fault"));
        TestCluster.Run none = run(folder, lines());
        assertEquals(0, none.code());
        assertTrue(none.err().contains("There is no fault in it") && none.out().startsWith("Unavailable to the producer: "), none.toString());
    }

    @Test void manyAcknowledgementsTakeLittle() {
        OutagePhases.Events stream = new OutagePhases.Events();
        Map<String, Object> ack = new HashMap<>(Map.of("type", "ack", "topic", "t", "latencyUs", 5000L));
        for (int i = 0; i < 400_000; i++) {
            ack.put("ts", time(i / 20.0));
            ack.put("partition", i % 8);
            stream.add(ack);
        }
        stream.add(Map.of("ts", time(10_000), "type", "fault", "node", 1, "mode", "kill"));
        long began = System.nanoTime();
        assertEquals(0.4, stream.seen().outages().get(0).worst().ms(), 1e-6, "each partition acknowledges every 0.4 ms, and there is always one that waits");
        assertTrue(System.nanoTime() - began < 10e9, "took " + (System.nanoTime() - began) / 1e9 + " s");
    }
}
