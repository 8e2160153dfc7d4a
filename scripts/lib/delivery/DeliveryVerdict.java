import java.util.*;

/** What a delivery check says, and what it covers. */
record DeliveryVerdict(
        LogCheck.Result result,
        Scope scope,
        ProducerLedger.Counts ledger,
        LogCounts log,
        Anomaly.Report report,
        List<String> incomplete)
        implements LogCheck.Verdict {

    static final String NOTHING_ACKNOWLEDGED =
            "nothing was acknowledged, so that nothing was promised, and nothing is proved";

    /** What the verdict covers. @param producers as run/producer */
    record Scope(String topic, List<String> producers) {}

    /**
     * Records of the log.
     *
     * @param other of other runs
     * @param unknown in no line of a ledger that is truncated
     * @param overwritten those lost at whose offset another record is: they are lost and inconsistent
     */
    record LogCounts(long read, long other, long unknown, long overwritten) {}

    long acknowledged() {
        return ledger.acknowledged();
    }

    long count(Anomaly anomaly) {
        return report.count(anomaly);
    }

    EventFields fields() {
        return new EventFields()
                .with("verdict", verdict())
                .with("topic", scope.topic)
                .with("producers", scope.producers)
                .with("acknowledged", ledger.acknowledged())
                .with("failed", ledger.failed())
                .with("indeterminate", ledger.landed() + ledger.absent())
                .with("indeterminateLanded", ledger.landed())
                .with("indeterminateAbsent", ledger.absent())
                .with("read", log.read)
                .with("other", log.other)
                .with("unknown", log.unknown)
                .withCounts(report.anomalies(), anomaly -> anomaly.field)
                .with("incomplete", incomplete)
                .with("partitions", report.partitionFields(EnumSet.allOf(Anomaly.class)))
                .with("faults", faultFields())
                .with(
                        "examples",
                        report.examples().stream().map(Anomaly.Example::fields).toList());
    }

    private List<EventFields> faultFields() {
        Map<FaultWindow, Long> faults = report.faults();
        return faults.entrySet().stream()
                .map(fault -> fault.getKey().fields("anomalies", fault.getValue()))
                .toList();
    }
}
