import java.io.IOException;
import java.util.Arrays;

/**
 * Splits what is read into lines, across reads. What is longer than a line can be is handed on cut, and no JSON any
 * more.
 */
final class LineSplitter {
    private static final int LONGEST_LINE = 1 << 20;

    /** Whatever can be read: a file's channel, a stream. */
    interface Input {
        int read(byte[] buffer) throws IOException;
    }

    interface LineConsumer {
        void line(byte[] bytes, int start, int end);
    }

    private final LineConsumer lines;
    private byte[] buffer = new byte[1 << 16];
    private int kept;
    private long position;

    LineSplitter(LineConsumer lines) {
        this.lines = lines;
    }

    /** Returns how many bytes were read. */
    long position() {
        return position;
    }

    /** Reads to the end, and takes what follows the last end of a line for a line. */
    void readToEnd(Input in) throws IOException {
        readAvailable(in);
        lines.line(buffer, 0, kept);
    }

    /** Reads what is there now, and keeps the beginning of a line until its end can be read. */
    void readAvailable(Input in) throws IOException {
        byte[] chunk = new byte[1 << 16];
        for (int count; (count = in.read(chunk)) > 0; position += count) {
            append(chunk, count);
        }
    }

    private void append(byte[] chunk, int count) {
        int end = kept + count;
        if (end > buffer.length) {
            buffer = Arrays.copyOf(buffer, Math.max(2 * buffer.length, end));
        }
        System.arraycopy(chunk, 0, buffer, kept, count);
        int start = 0;
        for (int i = kept; i < end; i++) {
            if (buffer[i] == '\n') {
                lines.line(buffer, start, i);
                start = i + 1;
            }
        }
        kept = Math.min(end - start, LONGEST_LINE);
        System.arraycopy(buffer, start, buffer, 0, kept);
    }
}
