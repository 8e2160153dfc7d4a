import java.util.HashMap;
import java.util.Map;

/** The numbers of one producer's records: how many different ones, from and to, and the last one in each partition. */
final class ProducerNumbers {
    private long min = Long.MAX_VALUE;
    private long max = Long.MIN_VALUE;
    private long different;
    private final Map<Integer, long[]> newestByPartition = new HashMap<>();

    /** Adds a number that is new. @return whether it comes after a later one */
    boolean add(int partition, long number) {
        min = Math.min(min, number);
        max = Math.max(max, number);
        different++;
        long[] newest = newestByPartition.computeIfAbsent(partition, p -> new long[] {Long.MIN_VALUE});
        boolean reordered = number < newest[0];
        newest[0] = Math.max(newest[0], number);
        return reordered;
    }

    /** Returns how many numbers no record has; 7 and 07 are two keys with one number. */
    long missing() {
        return Math.max(0, max - min + 1 - different);
    }

    String range() {
        return min + " to " + max;
    }
}
