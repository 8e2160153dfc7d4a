import static org.junit.jupiter.api.Assertions.*;

import java.io.File;
import java.nio.file.*;
import java.util.*;
import org.junit.jupiter.api.*;
import org.junit.jupiter.api.io.TempDir;

/** Plants ledgers and logs for the delivery check, and compares its verdict. */
abstract class CheckerFixture {
    static final String
            HEAD =
                    "{'ledger':1,'run':'run','producer':'p','topic':'t','acks':'all','idempotent':true,"
                            + "'mode':'resilient','startOffsets':[0,5]}",
            ACK = "{'seq':1,'attempt':1,'outcome':'acknowledged','partition':0,'offset':0}",
            UNKNOWN = "{'seq':2,'attempt':1,'outcome':'indeterminate','error':'x'}",
            FAILED = "{'seq':3,'attempt':1,'outcome':'failed','error':'x'}",
            END = "{'end':true,'sent':3,'acknowledged':1,'failed':1,'indeterminate':1}";

    @TempDir
    Path folder;

    final DeliveryChecker checker = new DeliveryChecker();

    ProducerLedger written(boolean idempotent) {
        return written("p", idempotent);
    }

    ProducerLedger written(String producer, boolean idempotent) {
        ProducerLedger ledger = new ProducerLedger("t", "run", producer, idempotent);
        checker.add(ledger);
        return ledger;
    }

    /** Plants a partition's log from offset 0: keys, with null for an offset without a record. All of it is read. */
    void log(int partition, String... keys) {
        for (int offset = 0; offset < keys.length; offset++)
            if (keys[offset] != null) record(partition, offset, keys[offset], 1);
        checker.reached(partition, keys.length);
    }

    /** Plants a record with leader epoch 5 and a timestamp of one second per offset. */
    void record(int partition, long offset, String key, int attempt) {
        checker.record(partition, offset, key == null ? null : key.getBytes(), attempt, 5, offset * 1000);
    }

    /** Returns the verdict after checking that it has these anomalies and no others: name, count, ... */
    DeliveryVerdict expect(String verdict, Object... anomalies) {
        DeliveryVerdict v = checker.verdict();
        Map<Anomaly, Long> wanted = new EnumMap<>(Anomaly.class);
        for (Anomaly a : Anomaly.values()) wanted.put(a, 0L);
        for (int i = 0; i < anomalies.length; i += 2)
            wanted.put(Anomaly.valueOf((String) anomalies[i]), (long) (int) anomalies[i + 1]);
        assertEquals(wanted, v.report().anomalies());
        assertEquals(verdict, v.verdict());
        assertEquals(Map.of("pass", 0, "fail", 13, "incomplete", 14).get(verdict), v.exitCode());
        return v;
    }

    static Anomaly.Example example(
            Anomaly anomaly,
            String identity,
            long seq,
            int partition,
            long offset,
            int leaderEpoch,
            long timestamp,
            FaultWindow fault) {
        return new Anomaly.Example(
                anomaly,
                new Anomaly.Example.Identity(identity, seq),
                new Anomaly.Example.Place(partition, offset, leaderEpoch, timestamp),
                fault);
    }

    static long count(Anomaly.Report.Partition p, String anomaly) {
        return p.anomalies().get(Anomaly.valueOf(anomaly));
    }

    File ledger(String... lines) throws Exception {
        Path file = Files.createTempFile(folder, "ledger", ".jsonl");
        return Files.writeString(file, String.join("\n", lines).replace('\'', '"'))
                .toFile();
    }

    void load(String... lines) throws Exception {
        LedgerReader.read(ledger(lines)).forEach(checker::add);
    }
}
