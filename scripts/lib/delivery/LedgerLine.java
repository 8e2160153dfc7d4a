import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.util.stream.Stream;

/**
 * Goes through the lines of a ledger. The line of a first attempt that was acknowledged, as nearly all are, is read
 * without making an object of it; any other is left to the JSON parser.
 */
final class LedgerLine {
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

    LedgerLine(InputStream in) {
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
