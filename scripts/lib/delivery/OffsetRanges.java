import java.util.Map;
import java.util.NavigableMap;
import java.util.TreeMap;

/** Offsets, as ranges that neither overlap nor adjoin. */
final class OffsetRanges {
    private final NavigableMap<Long, Long> lastByFirst = new TreeMap<>();

    /** Offsets from the first to the last. */
    record Range(long first, long last) {
        long count() {
            return last - first + 1;
        }
    }

    /** Adds a range, and merges it with those that it overlaps or adjoins. */
    void add(Range range) {
        long first = range.first;
        long last = range.last;
        Map.Entry<Long, Long> before = lastByFirst.floorEntry(first);
        if (before != null && before.getValue() >= first - 1) {
            first = before.getKey();
            last = Math.max(last, before.getValue());
        }
        Map.Entry<Long, Long> next = lastByFirst.higherEntry(first);
        while (next != null && next.getKey() <= last + 1) {
            last = Math.max(last, next.getValue());
            lastByFirst.remove(next.getKey());
            next = lastByFirst.higherEntry(first);
        }
        lastByFirst.put(first, last);
    }

    boolean isEmpty() {
        return lastByFirst.isEmpty();
    }

    long first() {
        return lastByFirst.firstKey();
    }

    long last() {
        return lastByFirst.lastEntry().getValue();
    }

    boolean contains(long offset) {
        Map.Entry<Long, Long> range = lastByFirst.floorEntry(offset);
        return range != null && offset <= range.getValue();
    }

    /** Returns the first range from an offset on that is before an end, cut to these; null if there is none. */
    Range firstBetween(long from, long end) {
        if (from >= end) {
            return null;
        }
        Map.Entry<Long, Long> range = lastByFirst.floorEntry(from);
        if (range == null || range.getValue() < from) {
            range = lastByFirst.ceilingEntry(from);
        }
        if (range == null || range.getKey() >= end) {
            return null;
        }
        return new Range(Math.max(from, range.getKey()), Math.min(end - 1, range.getValue()));
    }
}
