import java.time.Instant;
import java.util.Comparator;

/**
 * One anomaly: which record, where, and during which fault.
 *
 * @param fault null: during none, or the faults are not known
 */
record Example(Anomaly anomaly, Identity identity, Place place, FaultWindow fault) {
    static final Comparator<Example> BY_KIND_AND_PLACE = Comparator.comparing(Example::anomaly)
            .thenComparing(x -> x.place.partition)
            .thenComparing(x -> x.place.offset);

    /**
     * Which record of a run.
     *
     * @param text run/producer/sequence, or the key as it is
     * @param seq -1: no sequence of a producer
     */
    record Identity(String text, long seq) {
        static final Identity NONE = new Identity("", -1);
    }

    /**
     * Where the record was seen. A record that is not in the log is where it was acknowledged; the time is then that of
     * the acknowledgement.
     *
     * @param leaderEpoch -1: not in the log, or unknown
     * @param timestamp in milliseconds; -1: unknown
     */
    record Place(int partition, long offset, int leaderEpoch, long timestamp) {
        String epochText() {
            return leaderEpoch < 0 ? "-" : String.valueOf(leaderEpoch);
        }

        String timeText() {
            return timestamp < 0 ? "-" : Instant.ofEpochMilli(timestamp).toString();
        }
    }

    /** Returns the first of a range of offsets: which records they hold is not known. */
    static Example ofOffset(Anomaly anomaly, int partition, long offset) {
        return new Example(anomaly, Identity.NONE, new Place(partition, offset, -1, -1), null);
    }

    JsonFields fields() {
        JsonFields fields = new JsonFields()
                .with("anomaly", anomaly.field)
                .with("identity", identity.text)
                .with("seq", identity.seq)
                .with("partition", place.partition)
                .with("offset", place.offset);
        if (place.leaderEpoch >= 0) {
            fields.put("leaderEpoch", place.leaderEpoch);
        }
        if (place.timestamp >= 0) {
            fields.put("timestamp", place.timeText());
        }
        if (fault != null) {
            fields.put("fault", fault.fields("sinceMs", sinceFault()));
        }
        return fields;
    }

    /** Returns the milliseconds since the fault; negative if the fault came after. */
    long sinceFault() {
        return place.timestamp - fault.at();
    }
}
