import static org.junit.jupiter.api.Assertions.*;

import com.fasterxml.jackson.jr.ob.JSON;
import java.io.IOException;
import java.nio.file.*;
import java.time.Instant;
import java.util.*;
import java.util.stream.*;
import org.junit.jupiter.api.*;
import org.junit.jupiter.api.io.TempDir;

/** Tests how outages reads streams: in any order, of several runs, damaged or forged ones, and what it prints. */
@Order(14)
class OutagesStreamTest extends OutageEvents {
    // ---- Any order, any number of runs ----

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

    /** Outages finds the same waits as the producer's own clock, whatever is sent and acknowledged when. */
    @Test
    void waitsAreThoseThatTheProducerMeasures() throws Exception {
        int compared = 0;
        for (int seed = 0; seed < 200; seed++) compared += comparedWaits(seed);
        assertTrue(compared > 400, compared + " gaps");
    }

    /** Compares both for random messages, and returns how many waits it compared. */
    private int comparedWaits(int seed) throws Exception {
        events.clear();
        var gaps = new ResilientProducer.Gaps(3);
        TreeMap<Long, List<Step>> steps = steps(new Random(seed), seed % 2 == 1);
        long first = steps.entrySet().stream()
                .filter(e -> e.getValue().stream().anyMatch(s -> s.kind == Kind.ACKNOWLEDGED))
                .findFirst()
                .orElseThrow()
                .getKey();
        steps.forEach((at, list) -> list.forEach(step -> take(step, at, gaps)));
        Map<Integer, Double> longest = new TreeMap<>();
        gaps.longest().stream()
                .filter(s -> s.partition() >= 0)
                .forEach(s -> longest.put(s.partition(), (double) s.length()));
        OutageFindings seen = fault(first, 1, "kill").seen();
        Map<Integer, Double> found = new TreeMap<>();
        Stream.concat(seen.outages().get(0).partitions().stream(), seen.unattributed().stream())
                .filter(Outage.Gap::ended)
                .forEach(g -> found.merge(g.partition(), g.ms(), Math::max));
        // Waits below 200 ms that do not belong to the fault are not listed.
        longest.values().removeIf(ms -> ms < 200);
        found.values().removeIf(ms -> ms < 200);
        // If a partition's longest wait has not ended, its shorter ones that ended are not listed.
        List<Integer> open = seen.outages().get(0).partitions().stream()
                .filter(g -> !g.ended())
                .map(Outage.Gap::partition)
                .toList();
        longest.keySet().removeAll(open);
        found.keySet().removeAll(open);
        assertEquals(longest, found, "seed " + seed);
        return longest.size();
    }

    private enum Kind {
        SENT,
        ACKNOWLEDGED,
        EXPIRED
    }

    private record Step(Kind kind, int partition, long sent) {}

    /** Returns 60 messages by time; no two events are at the same time, since their order would be open. */
    private static TreeMap<Long, List<Step>> steps(Random random, boolean someExpire) {
        TreeMap<Long, List<Step>> steps = new TreeMap<>();
        Set<Long> taken = new HashSet<>();
        for (int i = 0; i < 60; i++) {
            long sent = random.nextInt(30_000);
            long took = random.nextInt(10) == 0 ? random.nextInt(9_000) : 1 + random.nextInt(300);
            Kind end = someExpire && random.nextInt(3) == 0 ? Kind.EXPIRED : Kind.ACKNOWLEDGED;
            int partition = random.nextInt(3);
            if (!taken.add(sent + took)) continue;
            // Sends are at even times, and outcomes at odd ones.
            steps.computeIfAbsent(sent * 2, t -> new ArrayList<>()).add(new Step(Kind.SENT, partition, sent * 2));
            steps.computeIfAbsent((sent + took) * 2 + 1, t -> new ArrayList<>())
                    .add(new Step(end, partition, sent * 2));
        }
        return steps;
    }

    private void take(Step step, long at, ResilientProducer.Gaps gaps) {
        switch (step.kind) {
            case SENT -> gaps.sent(step.partition, at);
            case EXPIRED -> {
                gaps.unresolved(step.partition);
                expired(step.partition, step.sent, at);
            }
            case ACKNOWLEDGED -> {
                gaps.acknowledged(step.partition, at);
                ack(step.partition, step.sent, at);
            }
        }
    }

    // ---- Input and output ----

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

    /** Fields of event types that outages does not use are not read; damaged events of types that it uses are named. */
    @Test
    void onlyFieldsOfTypesThatAreUsedAreRead(@TempDir Path folder) throws Exception {
        controllerKilled();
        String others = "{\"ts\":\"2026-11-24T12:00:00.000000Z\",\"source\":\"report\",\"type\":\"page\","
                + "\"at\":\"runs/x/report.html\",\"runs\":1,\"events\":1,\"damaged\":0}\n"
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
