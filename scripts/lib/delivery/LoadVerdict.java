import java.util.List;

/** What a check of perf's records says: which of the acknowledged offsets have a record of the run's time. */
record LoadVerdict(LogCheck.Result result, Scope scope, Counts counts, Anomaly.Report report, List<String> incomplete)
        implements LogCheck.Verdict {
    /** The kinds that can be known of records without an identity. */
    static final List<Anomaly> KINDS = List.of(Anomaly.LOST, Anomaly.UNSEEN, Anomaly.EXPIRED, Anomaly.INCONSISTENT);

    /** What the verdict covers. */
    record Scope(String topic, List<String> runs) {}

    /**
     * Counts of records.
     *
     * @param gaps without a record inside a log that is compacted, or may be
     */
    record Counts(long acknowledged, long found, long failed, long unresolved, long read, long gaps) {}

    long count(Anomaly anomaly) {
        return report.count(anomaly);
    }

    EventFields fields() {
        EventFields fields = new EventFields()
                .with("verdict", verdict())
                .with("topic", scope.topic)
                .with("runs", scope.runs)
                .with("acknowledged", counts.acknowledged)
                .with("found", counts.found)
                .with("failed", counts.failed)
                .with("unresolved", counts.unresolved)
                .with("read", counts.read);
        KINDS.forEach(kind -> fields.with(kind.field, count(kind)));
        return fields.with("gaps", counts.gaps)
                .with("incomplete", incomplete)
                .with("partitions", report.partitionFields(KINDS))
                .with(
                        "examples",
                        report.examples().stream().map(LoadVerdict::fields).toList());
    }

    /** Returns the fields of an example: only the place of such a record is known. */
    private static EventFields fields(Anomaly.Example example) {
        return new EventFields()
                .with("anomaly", example.anomaly().field)
                .with("partition", example.place().partition())
                .with("offset", example.place().offset());
    }
}
