import java.util.*;

/**
 * The acknowledgements of a partition in the order of offsets, some three bytes each: the differences of offset,
 * sequence and time. What came after a higher offset is in a run of its own; there are few runs, for batches in flight
 * at the same time and for what was sent again.
 */
final class Acknowledgements {
    private static final int CHUNK = 4096;
    private static final int MAX_RUNS = 64;

    /** Each identity is counted where it was acknowledged first. */
    long identities;

    private List<Run> runs = new ArrayList<>();

    void add(long offset, int seq, long at) {
        for (int i = 0; i < runs.size(); i++) {
            if (runs.get(i).offset < offset) {
                runs.get(i).add(offset, seq, at);
                return;
            }
        }
        if (runs.size() == MAX_RUNS) {
            runs = new ArrayList<>(List.of(merged()));
        }
        Run run = new Run();
        run.add(offset, seq, at);
        runs.add(run);
    }

    private Run merged() {
        Run merged = new Run();
        for (Cursor c = cursor(); !c.isAtEnd(); c.advance()) {
            merged.add(c.offset(), c.seq(), c.at());
        }
        return merged;
    }

    /** Returns the lowest offset; the highest number if there is none. */
    long first() {
        return runs.stream().mapToLong(run -> run.first).min().orElse(Long.MAX_VALUE);
    }

    /** Returns the highest offset; -1 if there is none. */
    long last() {
        return runs.stream().mapToLong(run -> run.offset).max().orElse(-1);
    }

    Cursor cursor() {
        return new Cursor(runs);
    }

    /** Acknowledgements in the order in which they came. A difference has seven bits a byte, the sign lowest. */
    private static final class Run {
        private final List<byte[]> chunks = new ArrayList<>();
        private byte[] chunk;
        private long size;
        private long first = -1;
        private long offset;
        private long seq;
        private long at;

        void add(long offset, long seq, long at) {
            if (first < 0) {
                first = offset;
            }
            write(offset - this.offset);
            write(seq - this.seq);
            write(at - this.at);
            this.offset = offset;
            this.seq = seq;
            this.at = at;
        }

        private void write(long difference) {
            long left = difference << 1 ^ difference >> 63;
            for (; (left & ~127) != 0; left >>>= 7) {
                write((byte) (left | 128));
            }
            write((byte) left);
        }

        private void write(byte b) {
            if (size % CHUNK == 0) {
                chunk = new byte[CHUNK];
                chunks.add(chunk);
            }
            chunk[(int) (size % CHUNK)] = b;
            size++;
        }
    }

    /** Goes through all runs in the order of offsets; at the end, the offset is beyond any. */
    static final class Cursor {
        private final List<RunReader> readers = new ArrayList<>();
        private RunReader least;

        private Cursor(List<Run> runs) {
            for (Run run : runs) {
                RunReader reader = new RunReader(run);
                reader.advance();
                readers.add(reader);
            }
            chooseLeast();
        }

        long offset() {
            return least == null ? Long.MAX_VALUE : least.offset;
        }

        boolean isAtEnd() {
            return least == null;
        }

        int seq() {
            return (int) least.seq;
        }

        long at() {
            return least.at;
        }

        void advance() {
            if (!least.advance()) {
                readers.remove(least);
            }
            chooseLeast();
        }

        private void chooseLeast() {
            least = readers.isEmpty() ? null : readers.get(0);
            for (int i = 1; i < readers.size(); i++) {
                if (readers.get(i).offset < least.offset) {
                    least = readers.get(i);
                }
            }
        }
    }

    private static final class RunReader {
        private final Run run;
        private long position;
        private long offset;
        private long seq;
        private long at;

        RunReader(Run run) {
            this.run = run;
        }

        boolean advance() {
            if (position == run.size) {
                return false;
            }
            offset += read();
            seq += read();
            at += read();
            return true;
        }

        private long read() {
            long n = 0;
            for (int shift = 0; ; shift += 7) {
                byte b = run.chunks.get((int) (position / CHUNK))[(int) (position % CHUNK)];
                position++;
                n |= (long) (b & 127) << shift;
                if (b >= 0) {
                    return n >>> 1 ^ -(n & 1);
                }
            }
        }
    }
}
