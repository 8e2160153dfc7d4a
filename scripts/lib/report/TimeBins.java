import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.function.LongToDoubleFunction;
import java.util.stream.IntStream;

/**
 * Counts values, with their sum and maximum, in time bins of one width. When more bins are needed than there may be,
 * the width doubles, so that memory has a limit, whatever the times and their order.
 */
final class TimeBins {
    private static final int MOST = 4_096;

    private long width;
    private long first;
    private int used;
    private long[] count = new long[64];
    private long[] sum = new long[64];
    private long[] max = new long[64];

    TimeBins(long widthUs) {
        width = widthUs;
    }

    long widthUs() {
        return width;
    }

    void add(long us, long value) {
        if (used == 0) {
            first = Math.floorDiv(us, width);
        }
        while (binsTo(Math.floorDiv(us, width)) > MOST) {
            doubleWidth();
        }
        long bin = Math.floorDiv(us, width);
        if (bin < first) {
            shift((int) (first - bin));
        }
        int at = (int) (bin - first);
        grow(at + 1);
        used = Math.max(used, at + 1);
        count[at]++;
        sum[at] += value;
        max[at] = Math.max(max[at], value);
    }

    private long binsTo(long bin) {
        return Math.max(bin, first + used - 1) - Math.min(bin, first) + 1;
    }

    private void grow(int size) {
        if (size <= count.length) {
            return;
        }
        int length = Math.max(size, Math.min(MOST, 2 * count.length));
        count = Arrays.copyOf(count, length);
        sum = Arrays.copyOf(sum, length);
        max = Arrays.copyOf(max, length);
    }

    private void shift(int by) {
        grow(used + by);
        for (long[] bins : List.of(count, sum, max)) {
            System.arraycopy(bins, 0, bins, by, used);
            Arrays.fill(bins, 0, by, 0);
        }
        used += by;
        first -= by;
    }

    private void doubleWidth() {
        long half = Math.floorDiv(first, 2L);
        for (int from = 0; from < used; from++) {
            int to = (int) (Math.floorDiv(first + from, 2L) - half);
            move(from, to);
        }
        used = (int) (Math.floorDiv(first + used - 1, 2L) - half) + 1;
        first = half;
        width *= 2;
    }

    private void move(int from, int to) {
        long movedCount = count[from];
        long movedSum = sum[from];
        long movedMax = max[from];
        count[from] = 0;
        sum[from] = 0;
        max[from] = 0;
        count[to] += movedCount;
        sum[to] += movedSum;
        max[to] = Math.max(max[to], movedMax);
    }

    /** Returns the bins that are not empty, their times in the page's seconds. */
    Map<String, Object> forPage(LongToDoubleFunction seconds) {
        int[] filled = IntStream.range(0, used).filter(i -> count[i] > 0).toArray();
        return Map.of(
                "width", width / 1e6,
                "x",
                        Arrays.stream(filled)
                                .mapToDouble(i -> seconds.applyAsDouble((first + i) * width))
                                .toArray(),
                "n", Arrays.stream(filled).mapToLong(i -> count[i]).toArray(),
                "mean", Arrays.stream(filled).mapToLong(i -> sum[i] / count[i]).toArray(),
                "max", Arrays.stream(filled).mapToLong(i -> max[i]).toArray());
    }
}
