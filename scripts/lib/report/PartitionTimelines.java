import java.util.ArrayList;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.function.LongToDoubleFunction;
import java.util.stream.Stream;

/** Who led each partition, and when it waited, as far as the stream says so. */
final class PartitionTimelines {
    static final long NO_LEADER = -1;
    /** Nothing in the stream says who leads now. */
    private static final long NOT_KNOWN = -2;

    private static final int MOST = 20_000;
    private static final int DRAWN = 48;
    private static final int GAPS = 200;
    private static final Comparator<Timeline> BY_NAME =
            Comparator.comparing((Timeline timeline) -> timeline.topic).thenComparing(timeline -> timeline.partition);

    private final Map<String, Timeline> timelines = new LinkedHashMap<>();

    /** A partition's leaders, gaps and acknowledgements. */
    static final class Timeline {
        private final String topic;
        private final long partition;
        private final StateChanges<Long> leaders = new StateChanges<>(leader -> leader);
        private final LongestGaps gaps = new LongestGaps(GAPS);
        private long acks;
        /** From when on the stream has each change of the leader. */
        private long watchedSince = Long.MAX_VALUE;

        private Timeline(String topic, long partition) {
            this.topic = String.valueOf(topic);
            this.partition = partition;
        }

        void acknowledged() {
            acks++;
        }

        /** Adds a leader that something saw in passing. */
        void ledBy(long leader, long time) {
            if (!leaders.endsWith(leader)) {
                leaders.add(time, leader);
            }
        }

        /** Adds a leader that was reported by who reports each change. */
        void watchedLeader(long leader, long time) {
            watchedSince = Math.min(watchedSince, time);
            ledBy(leader, time);
        }

        LongestGaps gaps() {
            return gaps;
        }
    }

    /** Returns a partition's timeline, unless there are too many already. */
    Optional<Timeline> of(String topic, long partition) {
        String name = topic + "-" + partition;
        if (timelines.size() < MOST) {
            return Optional.of(timelines.computeIfAbsent(name, n -> new Timeline(topic, partition)));
        }
        return Optional.ofNullable(timelines.get(name));
    }

    Stream<LongestGaps.Gap> gaps() {
        return timelines.values().stream().flatMap(timeline -> timeline.gaps.inOrder());
    }

    /** Returns those that have something to show before those that do not; in the order of their names. */
    List<Map<String, Object>> forPage(
            List<StateChanges.Change<IsrState>> replicas, List<String> summedUp, LongToDoubleFunction seconds) {
        Comparator<Timeline> byInterest = Comparator.comparing((Timeline timeline) -> timeline.acks == 0)
                .thenComparing(timeline -> timeline.gaps.size() == 0)
                .thenComparing(timeline -> -timeline.leaders.size())
                .thenComparing(BY_NAME);
        List<Timeline> drawn = timelines.values().stream()
                .sorted(byInterest)
                .limit(DRAWN)
                .sorted(BY_NAME)
                .toList();
        if (drawn.size() < timelines.size()) {
            summedUp.add("of " + timelines.size() + " partitions " + drawn.size() + " are drawn");
        }
        return drawn.stream()
                .map(timeline -> forPage(timeline, replicas, seconds))
                .toList();
    }

    private static Map<String, Object> forPage(
            Timeline timeline, List<StateChanges.Change<IsrState>> replicas, LongToDoubleFunction seconds) {
        List<StateChanges.Change<Long>> leaders = leaders(timeline, replicas);
        return Map.of(
                "topic",
                timeline.topic,
                "p",
                timeline.partition,
                "acks",
                timeline.acks,
                "x",
                StateChanges.times(leaders, seconds),
                "leader",
                StateChanges.values(leaders, leader -> leader),
                "gaps",
                timeline.gaps.forPage(seconds));
    }

    /**
     * Returns a partition's leaders, and where it is no longer known who leads. A leader that was seen once, and not by
     * who reports each change, stays one while it is a broker; a partition is offline until all are online.
     */
    private static List<StateChanges.Change<Long>> leaders(
            Timeline timeline, List<StateChanges.Change<IsrState>> replicas) {
        List<StateChanges.Change<Long>> seen = timeline.leaders.inOrder();
        List<StateChanges.Change<Long>> leaders = new ArrayList<>();
        for (int i = 0; i < seen.size(); i++) {
            StateChanges.Change<Long> change = seen.get(i);
            long next = i + 1 < seen.size() ? seen.get(i + 1).time() : Long.MAX_VALUE;
            long until = Math.min(next, timeline.watchedSince);
            leaders.add(change);
            replicas.stream()
                    .filter(state -> state.time() > change.time() && state.time() < until)
                    .filter(state -> refutes(state.state(), change.state()))
                    .findFirst()
                    .ifPresent(state -> leaders.add(new StateChanges.Change<>(state.time(), NOT_KNOWN)));
        }
        return leaders;
    }

    private static boolean refutes(IsrState state, long leader) {
        return leader < 0 ? state.online().isAll() : !state.hasBroker(leader);
    }
}
