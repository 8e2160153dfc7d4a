import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.function.LongToDoubleFunction;
import java.util.function.ToLongFunction;

/**
 * What holds from a moment on, added in any order. Repetitions are dropped; when too many changes are left, only the
 * worst and the last of each interval stay.
 */
final class StateChanges<S> {
    /** A state and the time, in microseconds, from which it holds. */
    record Change<S>(long time, S state) {
        private long interval(long width) {
            return time / width;
        }
    }

    private static final int MOST = 4_000;

    private final ToLongFunction<S> goodness;
    private List<Change<S>> changes = new ArrayList<>(4);
    private boolean sorted = true;
    private boolean thinned;

    /** Takes what says how good a state is: the lowest is the worst. */
    StateChanges(ToLongFunction<S> goodness) {
        this.goodness = goodness;
    }

    int size() {
        return changes.size();
    }

    boolean isThinned() {
        return thinned;
    }

    /** Returns whether a state is the one that was added last. */
    boolean endsWith(S state) {
        return !changes.isEmpty() && last().state().equals(state);
    }

    private Change<S> last() {
        return changes.get(changes.size() - 1);
    }

    void add(long us, S state) {
        sorted &= changes.isEmpty() || last().time() <= us;
        changes.add(new Change<>(us, state));
        if (changes.size() > 2 * MOST) {
            thin();
        }
    }

    /** Returns the changes in the order of time: the first, the last, and those that differ from the one before. */
    List<Change<S>> inOrder() {
        if (!sorted) {
            changes.sort(Comparator.comparingLong(Change::time));
        }
        sorted = true;
        List<Change<S>> different = new ArrayList<>();
        for (int i = 0; i < changes.size(); i++) {
            boolean atAnEnd = i == 0 || i == changes.size() - 1;
            if (atAnEnd || !changes.get(i).state().equals(changes.get(i - 1).state())) {
                different.add(changes.get(i));
            }
        }
        changes = different;
        return changes;
    }

    private void thin() {
        List<Change<S>> all = inOrder();
        long width = Math.max(1, (last().time() - all.get(0).time()) / MOST);
        for (; changes.size() > MOST; width *= 2) {
            thinned = true;
            changes = worstAndLastOfEach(width);
        }
    }

    private List<Change<S>> worstAndLastOfEach(long width) {
        List<Change<S>> few = new ArrayList<>();
        for (int start = 0; start < changes.size(); ) {
            Change<S> worst = changes.get(start);
            int end = start;
            while (end < changes.size()
                    && changes.get(end).interval(width) == changes.get(start).interval(width)) {
                worst = worse(worst, changes.get(end++));
            }
            Change<S> last = changes.get(end - 1);
            if (worst != last) {
                few.add(worst);
            }
            few.add(last);
            start = end;
        }
        return few;
    }

    private Change<S> worse(Change<S> one, Change<S> other) {
        return goodness.applyAsLong(other.state()) < goodness.applyAsLong(one.state()) ? other : one;
    }

    static <S> double[] times(List<Change<S>> changes, LongToDoubleFunction seconds) {
        return changes.stream()
                .mapToDouble(change -> seconds.applyAsDouble(change.time()))
                .toArray();
    }

    static <S> long[] values(List<Change<S>> changes, ToLongFunction<S> value) {
        return changes.stream()
                .mapToLong(change -> value.applyAsLong(change.state()))
                .toArray();
    }
}
