import java.util.List;
import java.util.Optional;

/**
 * Where the log of a partition ends, as seen at one moment.
 *
 * @param highWatermark -1: unknown
 * @param inSync replicas in the ISR whose node answers
 */
record LogEnd(long highWatermark, int inSync, int replicas) {
    static final LogEnd UNKNOWN = new LogEnd(-1, 0, 0);

    /**
     * Returns why what was acknowledged beyond the end of a log may still appear. Empty: it is lost, since the leader
     * has truncated its log, and no replica has the record.
     *
     * @param reached up to where the log was read
     */
    static Optional<String> mayAppear(long reached, LogEnd first, LogEnd second, boolean producersEnded) {
        for (LogEnd look : List.of(first, second)) {
            if (look.highWatermark < 0) {
                return Optional.of("who leads it, and which replicas are in sync, is not known");
            }
            if (look.inSync < look.replicas) {
                return Optional.of("only " + look.inSync + " of " + look.replicas + " replicas are in sync");
            }
        }
        if (first.highWatermark != second.highWatermark) {
            return Optional.of("its end still moves");
        }
        if (second.highWatermark > reached) {
            return Optional.of("its end is " + second.highWatermark + ", and a transaction may be open");
        }
        return producersEnded ? Optional.empty() : Optional.of("its producer may still run");
    }
}
