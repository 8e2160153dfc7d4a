import java.io.File;
import java.io.FileInputStream;
import java.io.FileNotFoundException;
import java.io.FilterInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.time.Instant;
import java.time.format.DateTimeParseException;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.function.LongConsumer;

/**
 * Reads the ledgers of the producers that share a file, in the form that docs/verifier.md describes. A file that lacks
 * its last line, or has damaged lines, is truncated: what it lacks is unknown, what it says holds.
 */
final class LedgerReader {
    private final String name;
    /** In the order of their heads; the field "by" of a line counts them from 1. */
    private final List<Producer> producers = new ArrayList<>();

    private long damaged;

    private LedgerReader(String name) {
        this.name = name;
    }

    /** A producer's ledger, and how many outcomes its last line says there are. */
    private static final class Producer {
        private final ProducerLedger ledger;
        private long outcomes;
        private long sent = -1;

        Producer(ProducerLedger ledger) {
            this.ledger = ledger;
        }
    }

    static List<ProducerLedger> read(File file) throws IOException {
        return read(file, bytes -> {});
    }

    /** Reads a file, and reports how many bytes were read each time. */
    static List<ProducerLedger> read(File file, LongConsumer progress) throws IOException {
        InputStream reporting = new FilterInputStream(open(file)) {
            @Override
            public int read(byte[] bytes, int from, int length) throws IOException {
                int n = super.read(bytes, from, length);
                progress.accept(Math.max(0, n));
                return n;
            }
        };
        try (reporting) {
            return read(file.toString(), reporting);
        }
    }

    static List<ProducerLedger> read(String name, InputStream in) throws IOException {
        LedgerReader reader = new LedgerReader(name);
        reader.readAll(new LedgerLine(in));
        return reader.producers.stream().map(reader::finish).toList();
    }

    static InputStream open(File file) {
        try {
            return new FileInputStream(file);
        } catch (FileNotFoundException e) {
            throw new Cli.Exit(2, "Cannot read the ledger: " + Cli.printable(e.getMessage()) + ".");
        }
    }

    /** Returns the fields of a file's first line; none if there are none. */
    static Map<String, Object> firstLine(File file) throws IOException {
        try (InputStream in = open(file)) {
            LedgerLine first = new LedgerLine(in);
            return first.next() ? JsonFields.parse(first.text()) : Map.of();
        }
    }

    /** Returns the topic that the first producer of a file wrote to. */
    static String topicOf(File file) throws IOException {
        return new LedgerReader(file.toString()).head(firstLine(file)).topic;
    }

    private void readAll(LedgerLine line) throws IOException {
        while (line.next()) {
            if (line.isAcknowledgement() && line.by() <= producers.size()) {
                Producer producer = producers.get(line.by() - 1);
                line.addTo(producer.ledger);
                producer.outcomes++;
            } else {
                entry(JsonFields.parse(line.text()));
            }
        }
        if (producers.isEmpty()) {
            throw notALedger();
        }
    }

    private void entry(Map<String, Object> entry) {
        if (entry.containsKey("ledger")) {
            producers.add(new Producer(head(entry)));
            return;
        }
        if (producers.isEmpty()) {
            throw notALedger();
        }
        int by = entry.get("by") instanceof Integer n ? n : 1;
        if (by < 1 || by > producers.size()) {
            damaged++;
            return;
        }
        Producer producer = producers.get(by - 1);
        if (entry.containsKey("end")) {
            producer.sent = JsonFields.number(entry, "sent");
        } else if (outcome(entry, producer.ledger)) {
            producer.outcomes++;
        } else {
            damaged++;
        }
    }

    private ProducerLedger head(Map<String, Object> head) {
        boolean known = head.get("ledger") instanceof Integer form && (form == 1 || form == 2);
        if (!known
                || !(head.get("run") instanceof String run)
                || !(head.get("producer") instanceof String producer)
                || !(head.get("topic") instanceof String topic)) {
            throw notALedger();
        }
        ProducerLedger ledger = new ProducerLedger(topic, run, producer, Boolean.TRUE.equals(head.get("idempotent")));
        if (head.get("startOffsets") instanceof List<?> offsets) {
            offsets.forEach(o -> ledger.startOffsets.add(o instanceof Number n ? n.longValue() : 0L));
        }
        return ledger;
    }

    private Cli.Exit notALedger() {
        String file = Cli.printable(name);
        return new Cli.Exit(2, file + " is not a ledger: its first line is not the head of one that can be read here.");
    }

    /** Adds an outcome to a ledger. @return whether it could be read */
    private static boolean outcome(Map<String, Object> entry, ProducerLedger ledger) {
        if (!(entry.get("seq") instanceof Integer seq) || !LedgerLine.isSequence(seq)) {
            return false;
        }
        int attempt = entry.get("attempt") instanceof Integer n ? n : 1;
        switch (String.valueOf(entry.getOrDefault("outcome", "acknowledged"))) {
            case "failed":
                ledger.failed(seq, attempt);
                return true;
            case "indeterminate":
                ledger.indeterminate(seq);
                return true;
            case "acknowledged":
                return acknowledgement(seq, entry, ledger);
            default:
                return false;
        }
    }

    private static boolean acknowledgement(int seq, Map<String, Object> entry, ProducerLedger ledger) {
        if (!(entry.get("partition") instanceof Integer partition)
                || partition < 0
                || partition > LedgerLine.MAX_PARTITION) {
            return false;
        }
        long offset = JsonFields.number(entry, "offset");
        if (offset < 0) {
            return false;
        }
        ledger.acknowledged(seq, partition, offset, time(entry));
        return true;
    }

    /** Returns when the outcome was known, in milliseconds: form 1 has it as text. -1: unknown. */
    private static long time(Map<String, Object> entry) {
        if (entry.get("ts") instanceof String ts) {
            try {
                return Instant.parse(ts).toEpochMilli();
            } catch (DateTimeParseException damaged) {
                // There may be the other field.
            }
        }
        return entry.get("at") instanceof Number n ? n.longValue() / 1000 : -1;
    }

    private ProducerLedger finish(Producer producer) {
        producer.ledger.open = producer.sent < 0;
        producer.ledger.truncated = lacks(producer);
        return producer.ledger;
    }

    /** Returns what a ledger lacks; null: nothing. */
    private String lacks(Producer producer) {
        boolean ended = producer.sent >= 0;
        if (damaged > 0) {
            String lines = damaged == 1 ? " damaged line" : " damaged lines";
            return name + " has " + damaged + lines + (ended ? "" : " and no end: the producer was killed");
        }
        if (!ended) {
            return name + " has no end: the producer was killed or still runs";
        }
        if (producer.sent == producer.outcomes) {
            return null;
        }
        String whose = producers.size() > 1 ? " of " + producer.ledger.prefix : "";
        return name + " has " + producer.outcomes + " of " + producer.sent + " outcomes" + whose;
    }
}
