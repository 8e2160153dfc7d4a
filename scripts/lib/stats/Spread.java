import java.util.Optional;
import java.util.stream.DoubleStream;

/** The median of some values and how far they are apart. */
record Spread(double median, double min, double max, int count) {
    /** Returns the spread of the values; empty without values. */
    static Optional<Spread> of(DoubleStream values) {
        double[] sorted = values.sorted().toArray();
        if (sorted.length == 0) {
            return Optional.empty();
        }
        return Optional.of(new Spread(median(sorted), sorted[0], sorted[sorted.length - 1], sorted.length));
    }

    /** Returns the median of sorted values: of an even number of them the mean of the two in the middle. */
    static double median(double... sorted) {
        return (sorted[(sorted.length - 1) / 2] + sorted[sorted.length / 2]) / 2;
    }
}
