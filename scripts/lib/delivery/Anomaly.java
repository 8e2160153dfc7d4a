import java.time.Instant;
import java.util.*;

/** What can be wrong with a record, in the order in which it is printed; docs/verifier.md defines each kind. */
enum Anomaly {
    LOST("lost", "lost", Severity.FAILS),
    UNSEEN("unseen", "unseen", Severity.PROVES_NOTHING),
    EXPIRED("expired", "expired", Severity.PROVES_NOTHING),
    ABORTED("aborted", "aborted", Severity.PROVES_NOTHING),
    DUPLICATE("duplicates", "duplicated", Severity.FAILS_IF_IDEMPOTENT),
    REORDERED("reordered", "reordered", Severity.FAILS_IF_IDEMPOTENT),
    INCONSISTENT("inconsistent", "inconsistent", Severity.FAILS),
    ABORTED_READ("abortedReads", "aborted reads", Severity.FAILS),
    PHANTOM("phantoms", "phantoms", Severity.FAILS);

    private enum Severity {
        FAILS,
        FAILS_IF_IDEMPOTENT,
        PROVES_NOTHING
    }

    /** The name in JSON. */
    final String field;
    /** The word of docs/verifier.md: follows a number in a sentence, and heads a column. */
    final String words;

    private final Severity severity;

    Anomaly(String field, String words, Severity severity) {
        this.field = field;
        this.words = words;
        this.severity = severity;
    }

    /** Returns how wide its column is. */
    int width() {
        return Math.max(6, words.length());
    }

    /** Returns whether it fails the check of any producer. */
    boolean fails() {
        return severity == Severity.FAILS;
    }

    /** Returns whether it fails the check of a producer that promises neither duplicates nor reordering. */
    boolean failsIfIdempotent() {
        return severity == Severity.FAILS || severity == Severity.FAILS_IF_IDEMPOTENT;
    }

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
         * Where the record was seen; of one that is not in the log, where and when it was acknowledged.
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

        EventFields fields() {
            EventFields fields = new EventFields()
                    .with("anomaly", anomaly.field)
                    .with("identity", identity.text)
                    .with("seq", identity.seq)
                    .with("partition", place.partition)
                    .with("offset", place.offset);
            if (place.leaderEpoch >= 0) {
                fields.with("leaderEpoch", place.leaderEpoch);
            }
            if (place.timestamp >= 0) {
                fields.with("timestamp", place.timeText());
            }
            if (fault != null) {
                fields.with("fault", fault.fields("sinceMs", sinceFault()));
            }
            return fields;
        }

        /** Returns the milliseconds since the fault; negative if the fault came after. */
        long sinceFault() {
            return place.timestamp - fault.at();
        }
    }

    /**
     * The anomalies of a verdict.
     *
     * @param anomalies the count of every kind
     * @param faults the count of those that fall into each fault
     * @param examples the first of each kind
     */
    record Report(
            Map<Anomaly, Long> anomalies,
            List<Partition> partitions,
            Map<FaultWindow, Long> faults,
            List<Example> examples) {

        /** A partition: records acknowledged and read, and the count of every kind of anomaly. */
        record Partition(int partition, long acknowledged, long read, Map<Anomaly, Long> anomalies) {
            EventFields fields(Collection<Anomaly> kinds) {
                EventFields fields = new EventFields()
                        .with("partition", partition)
                        .with("acknowledged", acknowledged)
                        .with("read", read);
                kinds.forEach(kind -> fields.with(kind.field, anomalies.get(kind)));
                return fields;
            }
        }

        long count(Anomaly anomaly) {
            return anomalies.get(anomaly);
        }

        List<EventFields> partitionFields(Collection<Anomaly> kinds) {
            return partitions.stream().map(p -> p.fields(kinds)).toList();
        }
    }
}
