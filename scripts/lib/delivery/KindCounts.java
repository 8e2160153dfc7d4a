import java.util.EnumMap;
import java.util.Map;

/** Counts by kind. */
final class KindCounts<K extends Enum<K>> {
    private final Class<K> type;
    private final long[] counts;

    KindCounts(Class<K> type) {
        this.type = type;
        counts = new long[type.getEnumConstants().length];
    }

    void add(K kind, long n) {
        counts[kind.ordinal()] += n;
    }

    long of(K kind) {
        return counts[kind.ordinal()];
    }

    /** Returns the count of every kind, in the order of the kinds. */
    Map<K, Long> toMap() {
        Map<K, Long> map = new EnumMap<>(type);
        for (K kind : type.getEnumConstants()) {
            map.put(kind, of(kind));
        }
        return map;
    }
}
