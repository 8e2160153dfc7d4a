import java.nio.charset.StandardCharsets;
import java.util.*;

/** What a delivery check has found so far: of each partition, and of all. */
final class DeliveryFindings {
    private final List<FaultWindow> faults;
    private final FindingLog<Anomaly, Anomaly.Example> anomalies = new FindingLog<>(Anomaly.class);
    private final Map<FaultWindow, Long> byFault = new LinkedHashMap<>();
    private final List<PartitionLog> partitions = new ArrayList<>();
    private boolean fails;
    private int leaderEpoch;
    private long time;

    /** What is known of a partition's log. */
    static final class PartitionLog {
        long acknowledged;
        long read;
        /** The first acknowledged offset that has no record. */
        long firstGap = Long.MAX_VALUE;
        /** Whether the log is proved to end where it was read to. */
        boolean ended;

        private final List<long[]> expired = new ArrayList<>();
        private final FindingLog.Counts<Anomaly> counts = new FindingLog.Counts<>(Anomaly.class);

        void expire(long from, long to) {
            expired.add(new long[] {from, to});
        }

        boolean isExpired(long offset) {
            for (long[] range : expired) {
                if (offset >= range[0] && offset < range[1]) {
                    return true;
                }
            }
            return false;
        }
    }

    /** @param faults by their beginning */
    DeliveryFindings(List<FaultWindow> faults) {
        this.faults = faults;
    }

    PartitionLog partition(int partition) {
        while (partitions.size() <= partition) {
            partitions.add(new PartitionLog());
        }
        return partitions.get(partition);
    }

    /** Sets what is known of the record, or of the acknowledgement, that is looked at next. */
    void lookAt(int leaderEpoch, long time) {
        this.leaderEpoch = leaderEpoch;
        this.time = time;
    }

    /** Counts an anomaly of a producer's record. */
    void found(Anomaly anomaly, ProducerLedger ledger, int seq, int partition, long offset) {
        fails |= ledger.idempotent ? anomaly.failsIfIdempotent() : anomaly.fails();
        FaultWindow fault = count(anomaly, partition);
        if (anomalies.wantsExample(anomaly)) {
            keep(anomaly, new Anomaly.Example.Identity(ledger.prefix + seq, seq), partition, offset, fault);
        }
    }

    /** Counts a record that no producer ever attempted. */
    void phantom(byte[] key, int seq, int partition, long offset) {
        fails = true;
        FaultWindow fault = count(Anomaly.PHANTOM, partition);
        if (anomalies.wantsExample(Anomaly.PHANTOM)) {
            String text = new String(key, StandardCharsets.UTF_8);
            keep(Anomaly.PHANTOM, new Anomaly.Example.Identity(text, seq), partition, offset, fault);
        }
    }

    private FaultWindow count(Anomaly anomaly, int partition) {
        anomalies.count(anomaly, 1);
        partition(partition).counts.add(anomaly, 1);
        FaultWindow fault = FaultWindow.around(time, faults);
        if (fault != null) {
            byFault.merge(fault, 1L, Long::sum);
        }
        return fault;
    }

    private void keep(
            Anomaly anomaly, Anomaly.Example.Identity identity, int partition, long offset, FaultWindow fault) {
        Anomaly.Example.Place place = new Anomaly.Example.Place(partition, offset, leaderEpoch, time);
        anomalies.keep(anomaly, new Anomaly.Example(anomaly, identity, place, fault));
    }

    boolean fails() {
        return fails;
    }

    long of(Anomaly anomaly) {
        return anomalies.of(anomaly);
    }

    Anomaly.Report report() {
        List<Anomaly.Report.Partition> counted = new ArrayList<>();
        for (PartitionLog p : partitions) {
            counted.add(new Anomaly.Report.Partition(counted.size(), p.acknowledged, p.read, p.counts.toMap()));
        }
        return new Anomaly.Report(
                anomalies.counts(), counted, byFault, anomalies.examples(Anomaly.Example.BY_KIND_AND_PLACE));
    }
}
