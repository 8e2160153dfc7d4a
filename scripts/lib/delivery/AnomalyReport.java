import java.util.Collection;
import java.util.List;
import java.util.Map;

/**
 * The anomalies of a verdict.
 *
 * @param anomalies the count of every kind
 * @param faults the count of those that fall into each fault
 * @param examples the first of each kind
 */
record AnomalyReport(
        Map<Anomaly, Long> anomalies,
        List<Partition> partitions,
        Map<FaultWindow, Long> faults,
        List<Example> examples) {

    /** A partition: records acknowledged and read, and the count of every kind of anomaly. */
    record Partition(int partition, long acknowledged, long read, Map<Anomaly, Long> anomalies) {
        JsonFields fields(Collection<Anomaly> kinds) {
            JsonFields fields = new JsonFields()
                    .with("partition", partition)
                    .with("acknowledged", acknowledged)
                    .with("read", read);
            kinds.forEach(kind -> fields.put(kind.field, anomalies.get(kind)));
            return fields;
        }
    }

    long count(Anomaly anomaly) {
        return anomalies.get(anomaly);
    }

    List<JsonFields> partitionFields(Collection<Anomaly> kinds) {
        return partitions.stream().map(p -> p.fields(kinds)).toList();
    }
}
