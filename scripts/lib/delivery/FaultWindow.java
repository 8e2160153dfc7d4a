import java.time.Instant;
import java.util.List;

/**
 * A fault of the run's events, in milliseconds since 1970.
 *
 * @param until when every replica was in sync after it; without such an event, when it was restored; else never
 */
record FaultWindow(int node, String mode, long at, long until) {
    /**
     * A record that was acknowledged up to this long before a fault may be lost by it, or be sent again: a follower in
     * sync lags no longer (replica.lag.time.max.ms).
     */
    private static final long BEFORE_MS = 30_000;

    FaultWindow endsAt(long end) {
        return new FaultWindow(node, mode, at, end);
    }

    /**
     * Returns the last fault that had begun at this time and was not over, else the one that followed soon.
     *
     * @param faults by their beginning
     * @return null: there is none
     */
    static FaultWindow around(long time, List<FaultWindow> faults) {
        FaultWindow during = null;
        FaultWindow following = null;
        for (FaultWindow fault : faults) {
            if (fault.at <= time && time < fault.until) {
                during = fault;
            }
            if (following == null && fault.at > time && fault.at - time <= BEFORE_MS) {
                following = fault;
            }
        }
        return during == null ? following : during;
    }

    /** Returns its fields in JSON, and one more. */
    JsonFields fields(String name, long value) {
        JsonFields fields = new JsonFields()
                .with("node", node)
                .with("mode", mode)
                .with("at", beginText())
                .with(name, value);
        if (hasEnd()) {
            fields.put("until", endText());
        }
        return fields;
    }

    String beginText() {
        return Instant.ofEpochMilli(at).toString();
    }

    String endText() {
        return hasEnd() ? Instant.ofEpochMilli(until).toString() : "the end";
    }

    private boolean hasEnd() {
        return until < Long.MAX_VALUE;
    }
}
