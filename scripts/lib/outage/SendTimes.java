import java.util.*;
import java.util.stream.IntStream;

/**
 * When the messages to a partition, or to all of them, were sent, and when each came to an end, in microseconds.
 *
 * <p>A message that ended without an acknowledgement, such as one that expired, was waited for all the same, until
 * another one is acknowledged.
 */
final class SendTimes {
    static final long NEVER = Long.MAX_VALUE;

    private final Times acked = new Times();
    private final Times unanswered = new Times();

    /** A time in which messages waited. @param previous the acknowledgement before, or where the observation began */
    record Wait(long from, long to, boolean ended, long previous) {
        long length() {
            return to - from;
        }
    }

    void acknowledged(long sent, long at) {
        acked.add(sent, at);
    }

    void unanswered(long sent, long at) {
        unanswered.add(sent, at);
    }

    int acknowledgements() {
        return acked.count;
    }

    long lastAcknowledgement() {
        return Arrays.stream(acked.to, 0, acked.count).max().orElse(0);
    }

    /** Returns when the newest of the acknowledged messages was sent. */
    long lastAcknowledgedSend() {
        return Arrays.stream(acked.from, 0, acked.count).max().orElse(0);
    }

    /** Returns when the first of the unanswered messages was sent. */
    long firstUnansweredSend() {
        return Arrays.stream(unanswered.from, 0, unanswered.count).min().orElse(NEVER);
    }

    /** Returns the mean time between two acknowledgements. */
    double interval() {
        if (acked.count < 2) {
            return 0;
        }
        long first = Arrays.stream(acked.to, 0, acked.count).min().getAsLong();
        return (lastAcknowledgement() - first) / (acked.count - 1.0);
    }

    /**
     * Returns the waits that ended, as the producer measures them: from the acknowledgement before, or from when the
     * first of the messages that were outstanding was sent. Nothing counts before {@code begin}.
     */
    List<Wait> waits(long begin) {
        Times acks = acked.sortedByEnd();
        Times others = unanswered.sortedByEnd();
        long[] earliest = acks.earliestFrom();
        long[] earliestOther = others.earliestFrom();
        List<Wait> waits = new ArrayList<>();
        int open = 0;
        for (int i = 0; i < acks.count; i++) {
            long previous = i == 0 ? begin : acks.to[i - 1];
            while (i > 0 && open < others.count && others.to[open] <= previous) {
                open++; // it had ended before that acknowledgement
            }
            long from = Math.max(previous, Math.min(earliest[i], earliestOther[open]));
            if (from < acks.to[i]) {
                waits.add(new Wait(from, acks.to[i], true, previous));
            }
        }
        return waits;
    }

    /**
     * Returns since when a message is waited for that ended without an acknowledgement, if nothing was acknowledged
     * since then; NEVER if there is none.
     */
    long waitingSince() {
        long last = lastAcknowledgement();
        return IntStream.range(0, unanswered.count)
                .filter(i -> unanswered.to[i] > last)
                .mapToLong(i -> Math.max(last, unanswered.from[i]))
                .min()
                .orElse(NEVER);
    }

    /** Two times of each message, without an object a message: there may be millions. */
    private static final class Times {
        private long[] from = new long[16];
        private long[] to = new long[16];
        private int count;

        void add(long from, long to) {
            if (count == this.to.length) {
                this.to = Arrays.copyOf(this.to, 2 * count);
                this.from = Arrays.copyOf(this.from, 2 * count);
            }
            this.to[count] = to;
            this.from[count++] = from;
        }

        Times sortedByEnd() {
            Times sorted = new Times();
            IntStream.range(0, count)
                    .boxed()
                    .sorted(Comparator.comparingLong(i -> to[i]))
                    .forEach(i -> sorted.add(from[i], to[i]));
            return sorted;
        }

        /** Returns, for each message and one more, when the first of it and those after it was sent. */
        long[] earliestFrom() {
            long[] earliest = new long[count + 1];
            earliest[count] = NEVER;
            for (int i = count - 1; i >= 0; i--) {
                earliest[i] = Math.min(earliest[i + 1], from[i]);
            }
            return earliest;
        }
    }
}
