import static org.junit.jupiter.api.Assertions.*;

import java.time.*;
import java.util.*;
import org.junit.jupiter.api.*;

/** Tests that setting the clock during a lab or a matrix changes no order: what came before a fault stays before it. */
@Order(13)
class MonotonicTest {
    private static final Instant NOON = Instant.parse("2026-11-25T12:00:00Z");

    /**
     * The message was sent a second before the kill. In between the clock was set back by two seconds, so by the wall
     * clock the message was sent a second after the kill.
     */
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

    /**
     * Only the wall-clock time of a fault is known. If the clock was set while the fault was applied, the fault still
     * lies neither before the call nor after it.
     */
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
