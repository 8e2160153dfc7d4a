import java.time.Instant;
import java.util.Comparator;
import java.util.List;
import java.util.Map;

/**
 * What can be said of a topic without a ledger.
 *
 * @param compacted gaps have their reason
 */
record TopicVerdict(
        CheckResult result, String topic, Counts counts, boolean compacted, Findings findings, List<String> incomplete)
        implements Verdict {

    /**
     * Counts of records.
     *
     * @param aborted those of aborted transactions
     * @param open those of open transactions
     */
    record Counts(long read, long numbered, long withoutKey, long aborted, long open) {}

    /** What was found: the count of every kind, by partition, and the first of each kind. */
    record Findings(Map<Finding, Long> counts, List<Partition> partitions, List<Example> examples) {}

    /** A partition: what of it was read, and what was found there. Missing numbers are of no partition. */
    record Partition(int partition, long from, long to, long read, Map<Finding, Long> findings) {
        private JsonFields fields() {
            return new JsonFields()
                    .with("partition", partition)
                    .with("from", from)
                    .with("to", to)
                    .with("read", read)
                    .withCounts(findings, finding -> finding.field);
        }
    }

    /**
     * Where something was found. A gap is shown at its first offset, with the epoch and time of the record behind it;
     * behind the last record there is none (-1).
     */
    record Example(Finding finding, String key, int partition, long offset, int leaderEpoch, long timestamp) {
        static final Comparator<Example> BY_KIND_AND_PLACE = Comparator.comparing(Example::finding)
                .thenComparing(Example::partition)
                .thenComparing(Example::offset);

        private JsonFields fields() {
            JsonFields fields = new JsonFields()
                    .with("finding", finding.field)
                    .with("key", key)
                    .with("partition", partition)
                    .with("offset", offset)
                    .with("leaderEpoch", leaderEpoch);
            return timestamp < 0 ? fields : fields.with("timestamp", timeText());
        }

        String timeText() {
            return timestamp < 0 ? "-" : Instant.ofEpochMilli(timestamp).toString();
        }
    }

    JsonFields fields() {
        return new JsonFields()
                .with("verdict", verdict())
                .with("topic", topic)
                .with("read", counts.read)
                .with("numbered", counts.numbered)
                .with("withoutKey", counts.withoutKey)
                .with("compacted", compacted)
                .with("aborted", counts.aborted)
                .with("open", counts.open)
                .withCounts(findings.counts, finding -> finding.field)
                .with("incomplete", incomplete)
                .with(
                        "partitions",
                        findings.partitions.stream().map(Partition::fields).toList())
                .with(
                        "examples",
                        findings.examples.stream().map(Example::fields).toList());
    }
}
