//SOURCES Outage.java ../cli/EventFields.java ../cli/Messages.java

import java.time.Instant;
import java.util.List;

/**
 * What an event stream says about outages.
 *
 * @param availability null when no producer is in the stream
 * @param unattributed the gaps that no fault explains, the longest first
 */
record OutageFindings(List<Outage> outages, Availability availability, List<Outage.Gap> unattributed) {
    /** How many gaps without a fault are an event each. */
    private static final int MOST_WAITS = 100;

    List<Outage.Gap> longestUnattributed() {
        return unattributed.subList(0, Math.min(MOST_WAITS, unattributed.size()));
    }

    /** From the producer's first to its last sign of life; the pauses between two producers do not count. */
    record Observed(Instant from, Instant to, double ms) {}

    /**
     * How much of the observed time a producer had to wait.
     *
     * @param share of time times partitions
     * @param nothingShare of the time in which no partition acknowledged anything
     */
    record Availability(
            Observed observed, int partitions, double share, double nothingShare, String worst, double worstShare) {
        Object[] fields() {
            return new EventFields()
                    .with("from", observed.from.toString())
                    .with("to", observed.to.toString())
                    .with("observedMs", observed.ms)
                    .with("partitions", partitions)
                    .with("share", share)
                    .with("nothingShare", nothingShare)
                    .with("worst", worst)
                    .with("worstShare", worstShare)
                    .toArray();
        }

        String sentence(Messages words) {
            double seconds = observed.ms / 1e3;
            return words.text(
                    "outages.availability", share * 100, worst, worstShare * 100, nothingShare * 100, seconds);
        }
    }
}
