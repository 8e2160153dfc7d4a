import static org.junit.jupiter.api.Assertions.*;

import java.time.*;
import java.time.format.DateTimeFormatter;
import java.util.*;
import java.util.stream.*;

/** An event stream that a test of outages writes by hand, at times in milliseconds, and what outages finds in it. */
abstract class OutageEvents {
    private static final Instant START = Instant.parse("2026-11-24T12:00:00Z");
    static final DateTimeFormatter TIME =
            DateTimeFormatter.ofPattern("yyyy-MM-dd'T'HH:mm:ss.SSSSSS'Z'").withZone(ZoneOffset.UTC);
    final List<Map<String, Object>> events = new ArrayList<>();

    static String time(double ms) {
        return TIME.format(START.plusNanos(Math.round(ms * 1e6)));
    }

    /** Adds an event at a time in milliseconds. */
    OutageEvents event(double ms, String source, String type, Object... fields) {
        Map<String, Object> event = new LinkedHashMap<>(Map.of("ts", time(ms), "source", source, "type", type));
        for (int i = 0; i < fields.length; i += 2) event.put((String) fields[i], fields[i + 1]);
        events.add(event);
        return this;
    }

    OutageEvents ack(int partition, double sent, double at) {
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
    /** Adds a message that ended without an acknowledgement; usually it expired. */
    OutageEvents expired(int partition, double sent, double at) {
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
    /**
     * Adds a message every 100 ms to a partition, none of which is acknowledged before {@code to}; those that are older
     * than the timeout by then have expired.
     */
    OutageEvents silence(int partition, double from, double to, double timeout) {
        for (double sent = from; sent < to; sent += 100)
            if (sent + timeout < to) expired(partition, sent, sent + timeout);
            else ack(partition, sent, to);
        return this;
    }

    OutageEvents flow(int partition, double from, double to, double every) {
        for (double sent = from; sent < to; sent += every) ack(partition, sent, sent + 5);
        return this;
    }
    /** Adds a fault that was applied at a time and reported a little later. */
    OutageEvents fault(double ms, int node, String mode) {
        return event(ms + 30, "kill-node", "fault", "node", node, "mode", mode, "at", time(ms));
    }

    OutageEvents restored(double ms, int node) {
        return event(ms + 5, "kill-node", "restored", "node", node, "at", time(ms));
    }

    OutageEvents controller(double ms, int node, int epoch) {
        return event(ms, "watch-leaders", "controller", "controller", node, "epoch", epoch);
    }

    OutageEvents led(double ms, int partition, int leader, int epoch, Integer... isr) {
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

    OutageEvents stall(int partition, double from, double to) {
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

    OutageEvents isr(double ms, int under, Integer... brokers) {
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

    /**
     * Adds two partitions, led by nodes 1 and 2. Node 1 is the active controller. A message goes to each partition in
     * turn, every 100 ms, acknowledged after 5 ms.
     */
    OutageEvents healthy() {
        controller(0, 1, 7).led(0, 0, 1, 3, 1, 2, 3).led(0, 1, 2, 3, 1, 2, 3);
        for (int ms = 100; ms < 1000; ms += 100) ack(ms / 100 % 2, ms, ms + 5);
        return this; // the last message: partition 1, sent at 900, acknowledged at 905
    }

    OutageFindings seen() throws Exception {
        for (Map<String, Object> e : events) ContractTest.Schema.validate(e);
        OutageFindings seen = OutageAnalysis.of(events);
        for (Outage o : seen.outages()) {
            for (Outage.Gap g : o.partitions()) assertEquals(g.ms(), g.phases().sum(), 0.01, "phases of " + g);
            if (o.all() != null) assertEquals(o.all().ms(), o.all().phases().sum(), 0.01, "phases of " + o.all());
        }
        return seen;
    }

    Outage only() throws Exception {
        List<Outage> outages = seen().outages();
        assertEquals(1, outages.size());
        return outages.get(0);
    }

    /** Returns the phases before/quorum/elect/lead/ack/open in milliseconds; - is an absent one. */
    static String phases(Outage.Gap gap) {
        return Stream.of(Outage.Phase.values())
                .map(p -> gap.phases().ms().get(p))
                .map(ms -> ms == null ? "-" : "" + Math.round(ms))
                .collect(Collectors.joining(" "));
    }

    static void noted(Outage outage, String... parts) {
        for (String part : parts)
            assertTrue(outage.notes().stream().anyMatch(n -> n.contains(part)), part + " in " + outage.notes());
    }

    /** Kills the controller at 1050. Partition 0 waits from 1000 on, partition 1 from 1100. */
    OutageEvents controllerKilled() {
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
}
