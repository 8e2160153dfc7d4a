import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Map;

/** What a check has found: how many of each kind, and the first examples of each kind. */
final class FindingLog<K extends Enum<K>, E> {
    private static final int EXAMPLES_OF_A_KIND = 10;

    private final KindCounts<K> counts;
    private final KindCounts<K> kept;
    private final List<E> examples = new ArrayList<>();

    FindingLog(Class<K> kinds) {
        counts = new KindCounts<>(kinds);
        kept = new KindCounts<>(kinds);
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
}
