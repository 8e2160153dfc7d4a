import java.util.Comparator;
import java.util.List;
import java.util.PriorityQueue;
import java.util.function.LongToDoubleFunction;
import java.util.stream.Stream;

/** The longest of many gaps, and how many shorter ones were left out. */
final class LongestGaps {
    /** From the last acknowledgement before it to the first one after it, in microseconds. */
    record Gap(long from, long to) {
        long length() {
            return to - from;
        }
    }

    private final PriorityQueue<Gap> longest = new PriorityQueue<>(4, Comparator.comparingLong(Gap::length));
    private final int most;
    private long leftOut;

    LongestGaps(int most) {
        this.most = most;
    }

    int size() {
        return longest.size();
    }

    long leftOut() {
        return leftOut;
    }

    void add(long from, long to) {
        longest.add(new Gap(from, to));
        if (longest.size() > most) {
            longest.remove();
            leftOut++;
        }
    }

    Stream<Gap> inOrder() {
        return longest.stream().sorted(Comparator.comparingLong(Gap::from));
    }

    List<double[]> forPage(LongToDoubleFunction seconds) {
        return inOrder()
                .map(gap -> new double[] {seconds.applyAsDouble(gap.from()), seconds.applyAsDouble(gap.to())})
                .toList();
    }
}
