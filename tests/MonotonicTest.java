import static org.junit.jupiter.api.Assertions.*;

import java.time.*;
import java.util.*;
import org.junit.jupiter.api.*;

/** A clock that is set while a lab or a matrix runs: what was before a fault stays before it. */
@Order(13)
class MonotonicTest {
    private static final Instant NOON = Instant.parse("2026-11-25T12:00:00Z");

    /** An acknowledgement of a message sent a second before the kill; the clock was set back by two in between, so that by it the message was sent a second after. */
    @Test
    void anAcknowledgementFromBeforeTheKillDoesNotSayThatWritesFlow() {
        long killed = 7_000_000_000L;
        ResilientProducer.Ack before =
                new ResilientProducer.Ack(1, 0, 0, NOON, NOON.plusMillis(5), killed - 1_000_000_000L);
        ResilientProducer.Ack after =
                new ResilientProducer.Ack(2, 0, 1, NOON.minusMillis(500), NOON, killed + 500_000_000L);
        Instant killedByTheClock = NOON.minusSeconds(1);
        assertTrue(before.sent().isAfter(killedByTheClock), "which is how it was judged");
        assertEquals(Optional.empty(), ResilientProducer.Ack.firstSentAfter(killed, 0, List.of(before)));
        assertEquals(Optional.of(after), ResilientProducer.Ack.firstSentAfter(killed, 0, List.of(before, after)));
        assertEquals(
                Optional.empty(),
                ResilientProducer.Ack.firstSentAfter(killed, 1, List.of(before, after)),
                "of another partition");
        assertEquals(Optional.of(after), ResilientProducer.Ack.firstSentAfter(killed, -1, List.of(before, after)));
    }

    @Test
    void aNanoTimeThatOverflowsIsStillLater() {
        ResilientProducer.Ack after = new ResilientProducer.Ack(1, 0, 0, NOON, NOON, Long.MIN_VALUE + 5);
        assertEquals(Optional.of(after), ResilientProducer.Ack.firstSentAfter(Long.MAX_VALUE - 5, 0, List.of(after)));
    }

    /** Of a fault only the wall clock's moment is known; set while it was applied, it is not before the call nor after it. */
    @Test
    void aFaultsMomentStaysWithinItsCall() {
        assertEquals(1_300, LabNodes.monotonic(NOON.plusNanos(300), NOON, 1_000, 2_000));
        assertEquals(1_000, LabNodes.monotonic(NOON.minusSeconds(2), NOON, 1_000, 2_000));
        assertEquals(2_000, LabNodes.monotonic(NOON.plusSeconds(3600), NOON, 1_000, 2_000));
    }

    @Test
    void theMedianOfTwoIsTheirMean() {
        assertEquals(2.0, ScenarioRun.median(List.of(1L, 3L)));
        assertEquals(3.0, ScenarioRun.median(List.of(1L, 3L, 9L)));
    }
}
