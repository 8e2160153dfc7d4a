import java.util.*;

/** Collects what a check finds: counts by kind, and the first examples of each kind. */
final class FindingLog<K extends Enum<K>, E> {
    private static final int EXAMPLES_OF_A_KIND = 10;

    private final Counts<K> counts;
    private final Counts<K> kept;
    private final List<E> examples = new ArrayList<>();

    FindingLog(Class<K> kinds) {
        counts = new Counts<>(kinds);
        kept = new Counts<>(kinds);
    }

    void count(K kind, long n) {
        counts.add(kind, n);
    }

    long of(K kind) {
        return counts.of(kind);
    }

    Map<K, Long> counts() {
        return counts.toMap();
    }

    /** Returns whether another example of this kind is kept. */
    boolean wantsExample(K kind) {
        return kept.of(kind) < EXAMPLES_OF_A_KIND;
    }

    void keep(K kind, E example) {
        kept.add(kind, 1);
        examples.add(example);
    }

    List<E> examples(Comparator<E> order) {
        return examples.stream().sorted(order).toList();
    }

    /** Counts by kind. */
    static final class Counts<K extends Enum<K>> {
        private final Class<K> type;
        private final long[] counts;

        Counts(Class<K> type) {
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
}
