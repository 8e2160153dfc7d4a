import com.fasterxml.jackson.jr.ob.JSON;
import java.io.*;
import java.nio.charset.StandardCharsets;
import java.time.Instant;
import java.time.format.DateTimeParseException;
import java.util.*;
import java.util.concurrent.*;
import java.util.function.LongConsumer;
import java.util.stream.Stream;

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
        reader.readAll(new Line(in));
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
            Line first = new Line(in);
            return first.next() ? parse(first.text()) : Map.of();
        }
    }

    /** Returns the topic that the first producer of a file wrote to. */
    static String topicOf(File file) throws IOException {
        return new LedgerReader(file.toString()).head(firstLine(file)).topic;
    }

    /** Returns the fields of a line of JSON; none if it is damaged. */
    static Map<String, Object> parse(String line) {
        try {
            return JSON.std.mapFrom(line);
        } catch (IOException damaged) {
            return Map.of();
        }
    }

    /** Returns a number; -1 if there is none of this name. */
    static long number(Map<String, Object> fields, String name) {
        return fields.get(name) instanceof Number n ? n.longValue() : -1;
    }

    private static int numberOrOne(Map<String, Object> fields, String name) {
        return fields.get(name) instanceof Integer n ? n : 1;
    }

    private void readAll(Line line) throws IOException {
        while (line.next()) {
            if (line.isAcknowledgement() && line.by() <= producers.size()) {
                Producer producer = producers.get(line.by() - 1);
                line.addTo(producer.ledger);
                producer.outcomes++;
            } else {
                entry(parse(line.text()));
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
        int by = numberOrOne(entry, "by");
        if (by < 1 || by > producers.size()) {
            damaged++;
            return;
        }
        Producer producer = producers.get(by - 1);
        if (entry.containsKey("end")) {
            producer.sent = number(entry, "sent");
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
        if (!(entry.get("seq") instanceof Integer seq) || !Line.isSequence(seq)) {
            return false;
        }
        int attempt = numberOrOne(entry, "attempt");
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
        if (!(entry.get("partition") instanceof Integer partition) || partition < 0 || partition > Line.MAX_PARTITION) {
            return false;
        }
        long offset = number(entry, "offset");
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

    /** Reads ledgers in a thread of its own, while the cluster is asked for the topic. */
    static final class Loader {
        private final List<File> files;
        private final long size;
        private final long began = System.nanoTime();
        private final FutureTask<List<ProducerLedger>> loading = new FutureTask<>(this::load);
        private volatile long loaded;

        Loader(List<File> files) {
            this.files = files;
            size = files.stream().mapToLong(File::length).sum();
            Thread thread = new Thread(loading, "ledger");
            thread.setDaemon(true);
            thread.start();
        }

        private List<ProducerLedger> load() throws Exception {
            List<ProducerLedger> ledgers = new ArrayList<>();
            for (File file : files) {
                ledgers.addAll(LedgerReader.read(file, bytes -> loaded += bytes));
            }
            return ledgers;
        }

        /** Waits until all ledgers are read, and shows how far it is. */
        List<ProducerLedger> await(Screen screen) throws Exception {
            while (true) {
                try {
                    return loading.get(100, TimeUnit.MILLISECONDS);
                } catch (TimeoutException notYet) {
                    double share = (double) loaded / Math.max(1, size);
                    double seconds = (System.nanoTime() - began) / 1e9;
                    String left = Screen.left(share, seconds);
                    screen.bar(
                            share, String.format(Locale.ROOT, "ledger, %.1f MB/s, %s", loaded / seconds / 1e6, left));
                }
            }
        }
    }

    /**
     * Goes through the lines of a ledger. The line of a first attempt that was acknowledged, as nearly all are, is read
     * without making an object of it; any other is left to the JSON parser.
     */
    static final class Line {
        static final int MAX_PARTITION = 1_000_000;

        private static final byte[][] NAMES = Stream.of(
                        "{\"seq\":", ",\"partition\":", ",\"offset\":", ",\"at\":", ",\"latencyUs\":")
                .map(String::getBytes)
                .toArray(byte[][]::new);
        private static final byte[] BY = ",\"by\":".getBytes();
        private static final int SEQ = 0;
        private static final int PARTITION = 1;
        private static final int OFFSET = 2;
        private static final int AT = 3;

        private final InputStream in;
        private final long[] values = new long[NAMES.length];
        private int by;
        private byte[] bytes = new byte[1 << 17];
        private int filled;
        /** The line is what is between from and to. */
        private int from;

        private int to = -1;
        private int at;

        Line(InputStream in) {
            this.in = in;
        }

        /** Goes to the next line. */
        boolean next() throws IOException {
            from = Math.min(to + 1, filled);
            for (to = from; ; to++) {
                if (to == filled && !readMore()) {
                    return to > from;
                }
                if (bytes[to] == '\n') {
                    return true;
                }
            }
        }

        private boolean readMore() throws IOException {
            byte[] target = from == 0 && filled == bytes.length ? new byte[bytes.length * 2] : bytes;
            filled -= from;
            System.arraycopy(bytes, from, target, 0, filled);
            bytes = target;
            to -= from;
            from = 0;
            int n = in.read(bytes, filled, bytes.length - filled);
            filled += Math.max(0, n);
            return n > 0;
        }

        String text() {
            return new String(bytes, from, to - from, StandardCharsets.UTF_8);
        }

        /** Reads the line, if it is an acknowledgement with its fields in the order in which a producer writes them. */
        boolean isAcknowledgement() {
            at = from;
            for (int i = 0; i < values.length; i++) {
                if (!readName(NAMES[i])) {
                    return false;
                }
                values[i] = readNumber();
                if (values[i] < 0) {
                    return false;
                }
            }
            by = readName(BY) ? (int) readNumber() : 1;
            boolean ends = at == to - 1 && bytes[at] == '}';
            return ends && by > 0 && isSequence(values[SEQ]) && values[PARTITION] <= MAX_PARTITION;
        }

        static boolean isSequence(long seq) {
            return seq > 0 && seq < Integer.MAX_VALUE;
        }

        /** Returns the producer of the acknowledgement, counted from 1. */
        int by() {
            return by;
        }

        void addTo(ProducerLedger ledger) {
            ledger.acknowledged((int) values[SEQ], (int) values[PARTITION], values[OFFSET], values[AT] / 1000);
        }

        private boolean readName(byte[] name) {
            if (to - at < name.length) {
                return false;
            }
            for (int i = 0; i < name.length; i++) {
                if (bytes[at + i] != name[i]) {
                    return false;
                }
            }
            at += name.length;
            return true;
        }

        private long readNumber() {
            long n = 0;
            int first = at;
            for (; at < to && bytes[at] >= '0' && bytes[at] <= '9'; at++) {
                n = n * 10 + bytes[at] - '0';
            }
            return at == first || at - first > 18 ? -1 : n;
        }
    }
}
