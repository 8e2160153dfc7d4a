//SOURCES OutageStream.java OutageFindings.java SendTimes.java ../stats/Spread.java

import java.util.*;
import org.apache.kafka.common.TopicPartition;

/** When messages waited: for each partition, and for all partitions at once, as the producer measures it. */
final class OutageWaits {
    static final TopicPartition ALL = new TopicPartition("", -1);
    /** Waits from here on count as unavailability; an acknowledgement takes some milliseconds. */
    static final long NOTICEABLE = 200_000;
    /** A watcher may see a change this much later than the producer feels it. */
    static final long LATE = 250_000;
    /**
     * Silence without a message to wait for is a pause between two producers only when it is this long, and this many
     * times longer than the time between two acknowledgements.
     */
    private static final long PAUSE = 5_000_000;

    private static final long PAUSE_INTERVALS = 10;
    /** A partition that was silent at the end for no longer than this, and than so many intervals, does not wait. */
    private static final long SILENCE = 1_000_000;

    private static final int SILENT_INTERVALS = 3;

    private final OutageStream stream;
    private final long begin;
    final Map<TopicPartition, List<SendTimes.Wait>> byPartition;
    final List<SendTimes.Wait> all;

    OutageWaits(OutageStream stream) {
        this.stream = stream;
        begin = stream.begin();
        byPartition = waitsByPartition();
        all = waitsOfAll();
    }

    /** Returns how long the producer itself says that a wait was; null if it says nothing of it. */
    Double measuredMs(TopicPartition partition, SendTimes.Wait wait) {
        return stream.stalls.stream()
                .filter(stall -> stall.isOf(partition) && endTogether(stall, wait))
                .min(Comparator.comparingLong(stall -> Math.abs(stall.to() - wait.to())))
                .map(stall -> (stall.to() - stall.from()) / 1e3)
                .orElse(null);
    }

    private static boolean endTogether(OutageStream.Stall stall, SendTimes.Wait wait) {
        return Math.abs(stall.to() - wait.to()) < NOTICEABLE;
    }

    private Map<TopicPartition, List<SendTimes.Wait>> waitsByPartition() {
        Map<TopicPartition, List<SendTimes.Wait>> waits = new TreeMap<>(OutageStream.BY_NAME);
        stream.sends.forEach((partition, sends) -> {
            List<SendTimes.Wait> ended = ended(partition, sends);
            open(partition, sends).ifPresent(ended::add);
            waits.put(partition, ended);
        });
        for (OutageStream.Stall stall : stream.stalls) {
            if (!stall.isOfAll() && !stream.sends.containsKey(stall.partition())) {
                waits.computeIfAbsent(stall.partition(), p -> new ArrayList<>()).add(unseen(stall));
            }
        }
        return waits;
    }

    private List<SendTimes.Wait> waitsOfAll() {
        List<SendTimes.Wait> waits = ended(ALL, stream.allSends);
        if (stream.sends.isEmpty()) {
            stream.stalls.stream()
                    .filter(OutageStream.Stall::isOfAll)
                    .map(this::unseen)
                    .forEach(waits::add);
        } else {
            openForAll().ifPresent(waits::add);
        }
        return waits;
    }

    private List<SendTimes.Wait> ended(TopicPartition partition, SendTimes sends) {
        List<SendTimes.Wait> waits = sends.waits(begin);
        if (stream.hasErrorsWithoutPartition()) {
            waits.replaceAll(wait -> asMeasured(partition, wait));
        }
        return waits;
    }

    /**
     * Returns a wait as the producer measured it, who knew of the messages that expired, where their events do not say
     * of which partition they were.
     */
    private SendTimes.Wait asMeasured(TopicPartition partition, SendTimes.Wait wait) {
        return stream.stalls.stream()
                .filter(stall -> stall.isOf(partition) && endTogether(stall, wait))
                .filter(stall -> stall.from() < wait.from() && stall.to() > wait.from())
                .map(OutageStream.Stall::from)
                .min(Comparator.naturalOrder())
                .map(from -> new SendTimes.Wait(from, wait.to(), true, Math.min(from, wait.previous())))
                .orElse(wait);
    }

    /**
     * Returns the wait of a stall in whose partition no message was seen. Where messages of other partitions were, this
     * one acknowledged nothing.
     */
    private SendTimes.Wait unseen(OutageStream.Stall stall) {
        boolean ended = stall.ended() && stream.sends.isEmpty();
        return new SendTimes.Wait(stall.from(), stall.to(), ended, stall.from());
    }

    // ---- What still waited at the end ----

    /**
     * Returns the wait that still lasted at the end: the producer reported it when it ended; or a message ended without
     * acknowledgement, and none has been acknowledged since; or the producer went on elsewhere, and nothing that was
     * sent here since the last fault was acknowledged.
     */
    private Optional<SendTimes.Wait> open(TopicPartition partition, SendTimes sends) {
        long last = Math.max(sends.lastAcknowledgement(), begin);
        long end = stream.endOf(partition.topic());
        long since = sends.waitingSince();
        Optional<OutageStream.Stall> reported = stream.stalls.stream()
                .filter(stall -> stall.partition().equals(partition) && stall.to() > last + LATE)
                .max(Comparator.comparingLong(OutageStream.Stall::to));
        if (reported.isPresent()) {
            long from = Math.max(last, Math.min(since, reported.get().from()));
            long to = Math.max(reported.get().to(), since == OutageStream.NEVER ? 0 : end);
            return Optional.of(new SendTimes.Wait(from, to, false, last));
        }
        if (since < OutageStream.NEVER) {
            SendTimes.Wait wait = new SendTimes.Wait(Math.max(last, since), end, false, last);
            return Optional.of(wait).filter(w -> w.length() >= NOTICEABLE);
        }
        return openBySilence(sends, last, end);
    }

    private Optional<SendTimes.Wait> openBySilence(SendTimes sends, long last, long end) {
        long lastFault = stream.faults().stream()
                .mapToLong(OutageStream.Fault::at)
                .filter(at -> at < end)
                .max()
                .orElse(0);
        double interval = sends.interval();
        if (sends.acknowledgements() < 2) {
            interval = stream.allSends.interval() * stream.sends.size();
        }
        boolean back = sends.lastAcknowledgedSend() > lastFault;
        if (back || end - last <= Math.max(SILENCE, SILENT_INTERVALS * interval)) {
            return Optional.empty();
        }
        long due = interval < SILENCE ? last : last + (long) interval; // at a low rate nothing is outstanding before
        return Optional.of(new SendTimes.Wait(due, end, false, last));
    }

    /** Returns the time in which no partition acknowledged anything, if it lasted until the end. */
    private Optional<SendTimes.Wait> openForAll() {
        if (!byPartition.values().stream().allMatch(OutageWaits::lasts)) {
            return Optional.empty();
        }
        long last = Math.max(stream.allSends.lastAcknowledgement(), begin);
        long since = stream.allSends.waitingSince();
        long end = byPartition.values().stream()
                .mapToLong(waits -> waits.get(waits.size() - 1).to())
                .max()
                .getAsLong();
        long from = since == OutageStream.NEVER ? last : Math.max(last, since);
        return Optional.of(new SendTimes.Wait(from, end, false, last));
    }

    private static boolean lasts(List<SendTimes.Wait> waits) {
        return !waits.isEmpty() && !waits.get(waits.size() - 1).ended();
    }

    // ---- Availability ----

    /** Returns how available the cluster was to the producer; null if there is none in the stream. */
    OutageFindings.Availability availability() {
        if (stream.sends.isEmpty()) {
            return null;
        }
        long end = stream.end();
        double observed = end - begin - pauses();
        if (observed <= 0) {
            return null;
        }
        Map<TopicPartition, Long> lost = new TreeMap<>(OutageStream.BY_NAME);
        byPartition.forEach((partition, waits) -> lost.put(partition, noticeable(waits)));
        Map.Entry<TopicPartition, Long> worst = Collections.max(lost.entrySet(), Map.Entry.comparingByValue());
        long sum = lost.values().stream().mapToLong(Long::longValue).sum();
        return new OutageFindings.Availability(
                new OutageFindings.Observed(OutageStream.instant(begin), OutageStream.instant(end), observed / 1e3),
                lost.size(),
                sum / observed / lost.size(),
                noticeable(all) / observed,
                worst.getKey().toString(),
                worst.getValue() / observed);
    }

    private long pauses() {
        double usual = Spread.of(
                        all.stream().filter(SendTimes.Wait::ended).mapToDouble(wait -> wait.to() - wait.previous()))
                .map(Spread::median)
                .orElse(0.0);
        long pause = Math.max(PAUSE, PAUSE_INTERVALS * (long) usual);
        return all.stream()
                .filter(wait -> wait.from() - wait.previous() > pause)
                .filter(wait -> stream.nobodyProduced(wait.previous(), wait.from()))
                .mapToLong(wait -> wait.from() - wait.previous())
                .sum();
    }

    private static long noticeable(List<SendTimes.Wait> waits) {
        return waits.stream()
                .mapToLong(SendTimes.Wait::length)
                .filter(length -> length >= NOTICEABLE)
                .sum();
    }
}
