import java.io.*;
import java.nio.charset.StandardCharsets;
import java.util.*;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.header.Header;

/** Compares the log of a topic with the ledgers of its producers, by the definitions of docs/verifier.md. */
final class DeliveryChecker extends LogCheck {
    /** The faults that anomalies are set beside, by their beginning. */
    final List<FaultWindow> faults = new ArrayList<>();

    private final DeliveryFindings findings = new DeliveryFindings(faults);
    private final List<ProducerCheck> producers = new ArrayList<>();
    private LedgerReader.Loader loader;
    private long read;
    private long other;

    // ---- The ledgers ----

    /** Begins to read the ledgers of these files. */
    void load(List<File> files) throws IOException {
        topic = LedgerReader.topicOf(files.get(0));
        loader = new LedgerReader.Loader(files);
    }

    /** Waits for the ledgers, if nobody has yet: Ctrl-C may come before. */
    void awaitLedgers() throws Exception {
        if (loader != null) {
            loader.await(screen).forEach(this::add);
            loader = null;
        }
    }

    /** Adds the ledger of one more producer. */
    void add(ProducerLedger ledger) {
        if (topic != null && !topic.equals(ledger.topic)) {
            String topics = Cli.printable(topic) + " and " + Cli.printable(ledger.topic);
            throw new Cli.Exit(2, "The ledgers are of two topics, " + topics + "; check one at a time.");
        }
        topic = ledger.topic;
        if (producers.stream().anyMatch(p -> p.ledger.prefix.equals(ledger.prefix))) {
            String producer = Cli.printable(ledger.producer());
            throw new Cli.Exit(2, "Two ledgers are of the same run and producer, " + producer + ": name one of them.");
        }
        if (ledger.truncated != null) {
            incomplete.add(ledger.truncated);
        }
        producers.add(new ProducerCheck(ledger, findings));
    }

    // ---- What is to be read ----

    @Override
    void begins(Admin admin, Map<TopicPartition, Long> starts, Map<TopicPartition, Long> ends) throws Exception {
        awaitLedgers();
    }

    @Override
    long startOf(int partition) {
        return producers.stream()
                .mapToLong(p -> p.ledger.startOf(partition))
                .min()
                .orElse(0);
    }

    @Override
    long highestOf(int partition) {
        return producers.stream()
                .mapToLong(p -> p.ledger.acknowledgements(partition).last())
                .max()
                .orElse(-1);
    }

    /** Returns the first acknowledged offset that was passed, and at which no committed record is. */
    @Override
    long uncommittedFrom(int partition) {
        long position = position(partition);
        for (ProducerCheck producer : producers) {
            producer.passed(partition, position);
        }
        long first = findings.partition(partition).firstGap;
        return first < position ? first : -1;
    }

    @Override
    boolean producersEnded() {
        return producers.stream().noneMatch(p -> p.ledger.open);
    }

    // ---- What is read ----

    @Override
    void record(ConsumerRecord<byte[], Void> r) {
        int attempt = attempt(r.headers().lastHeader("attempt"));
        record(r.partition(), r.offset(), r.key(), attempt, r.leaderEpoch().orElse(-1), r.timestamp());
    }

    private static int attempt(Header header) {
        if (header == null || header.value() == null) {
            return 1;
        }
        try {
            return Integer.parseInt(new String(header.value(), StandardCharsets.UTF_8));
        } catch (NumberFormatException none) {
            return 1;
        }
    }

    /** Takes a record of the log; those of a partition come in the order of their offsets. */
    void record(int partition, long offset, byte[] key, int attempt, int leaderEpoch, long timestamp) {
        findings.lookAt(leaderEpoch, timestamp);
        findings.partition(partition).read++;
        read++;
        ProducerCheck owner = producerOf(key);
        int seq = owner == null ? -1 : owner.ledger.sequence(key);
        for (int i = 0; i < producers.size(); i++) {
            ProducerCheck producer = producers.get(i);
            producer.passed(partition, offset, producer == owner ? seq : -1);
        }
        if (owner != null && owner.ledger.mayHaveWritten(seq)) {
            owner.record(seq, attempt, partition, offset);
        } else if (owner != null || isOfRun(key)) {
            findings.phantom(key, seq, partition, offset);
        } else {
            other++;
        }
    }

    private ProducerCheck producerOf(byte[] key) {
        if (key == null) {
            return null;
        }
        for (int i = 0; i < producers.size(); i++) {
            if (producers.get(i).ledger.isOfProducer(key)) {
                return producers.get(i);
            }
        }
        return null;
    }

    private boolean isOfRun(byte[] key) {
        return key != null && producers.stream().anyMatch(p -> p.ledger.isOfRun(key));
    }

    @Override
    void uncommitted(ConsumerRecord<byte[], Void> r) {
        uncommitted(r.partition(), r.offset(), r.key());
    }

    /** Takes a record of the whole log; whether one beyond the last stable offset is committed is not known yet. */
    void uncommitted(int partition, long offset, byte[] key) {
        if (key == null || offset >= position(partition)) {
            return;
        }
        for (ProducerCheck producer : producers) {
            if (producer.ledger.isOfProducer(key)) {
                producer.uncommitted(partition, offset, producer.ledger.sequence(key));
            }
        }
    }

    @Override
    void expired(int partition, long from, long to) {
        if (to > from) {
            findings.partition(partition).expire(from, to);
        }
    }

    @Override
    void ended(int partition) {
        findings.partition(partition).ended = true;
    }

    @Override
    void shorter(int partition, long end) {
        super.shorter(partition, end);
        ended(partition);
    }

    // ---- The verdict ----

    /** Returns before what offset of a partition everything is known: what was read, or all of it. */
    private long knownTo(int partition) {
        return findings.partition(partition).ended ? Long.MAX_VALUE : position(partition);
    }

    /** Judges, when everything is read; to be asked once. */
    DeliveryVerdict verdict() {
        ProducerLedger.Counts counts = ProducerLedger.Counts.NONE;
        long unknown = 0;
        long overwritten = 0;
        for (ProducerCheck producer : producers) {
            producer.findMissing(this::knownTo);
            counts = counts.plus(producer.counts());
            unknown += producer.unknown;
            overwritten += producer.overwritten;
            for (int p = 0; p < producer.ledger.partitions(); p++) {
                findings.partition(p).acknowledged += producer.ledger.acknowledgements(p).identities;
            }
        }
        if (counts.acknowledged() == 0) {
            incomplete.add(DeliveryVerdict.NOTHING_ACKNOWLEDGED);
        }
        if (findings.of(Anomaly.ABORTED) > 0) {
            incomplete.add("whether a commit was acknowledged for what was aborted is in no ledger");
        }
        return new DeliveryVerdict(
                result(),
                new DeliveryVerdict.Scope(
                        topic, producers.stream().map(p -> p.ledger.producer()).toList()),
                counts,
                new DeliveryVerdict.LogCounts(read, other, unknown, overwritten),
                findings.report(),
                List.copyOf(incomplete));
    }

    private LogCheck.Result result() {
        long notReached = findings.of(Anomaly.UNSEEN) + findings.of(Anomaly.EXPIRED);
        return LogCheck.Result.of(findings.fails(), incomplete.isEmpty() && notReached == 0);
    }
}
