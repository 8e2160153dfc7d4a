import static java.util.Map.entry;

import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.function.Consumer;

/**
 * What a page can show of a run, gathered event by event: counts, sums and maxima by time, states, the longest gaps. It
 * needs no more memory for ten million events than for a thousand. Times are microseconds since 1970.
 */
final class RunModel {
    static final int DRAWN_GAPS = 1_000;
    /** Of whatever has no better limit. */
    private static final int MANY = 500;

    private static final int NODES = 100;
    private static final int ERRORS = 20;
    private static final int SUMMARIES = 20;
    private static final int UNKNOWN_TYPES = 50;

    long events;
    long from = Long.MAX_VALUE;
    long to = Long.MIN_VALUE;
    final AckSummary acks = new AckSummary();
    final LoadWindows windows = new LoadWindows();
    final PartitionTimelines partitions = new PartitionTimelines();
    final LongestGaps gaps = new LongestGaps(DRAWN_GAPS);
    /** Where gaps stop that have not ended: with the producer, and not with an acknowledgement. */
    final Set<Long> endsOfOpenGaps = new HashSet<>();

    final StateChanges<Controller> controllers = new StateChanges<>(Controller::node);
    final StateChanges<IsrState> replicas = new StateChanges<>(IsrState::goodness);
    final Map<Long, StateChanges<Liveness>> nodes = new TreeMap<>();
    final List<Mark> faults = new ArrayList<>();
    final List<Mark> restorations = new ArrayList<>();
    long marksLeftOut;
    final List<Step> steps = new ArrayList<>();
    final List<ReportedOutage> outages = new ArrayList<>();
    final List<Map<String, Object>> loadSummaries = new ArrayList<>();
    final TimeBins errorTimes = new TimeBins(1_000_000);
    final Map<String, Tally> errors = new LinkedHashMap<>();
    final Map<String, Long> unknownTypes = new TreeMap<>();
    final Activity producers = new Activity();
    Map<String, Object> loadVerdict;
    Map<String, Object> verdict;
    private long verdictTime;

    private final Map<String, Consumer<RunEvent>> handlers = Map.ofEntries(
            entry("ack", this::acknowledgement),
            entry("stall", this::stall),
            entry("send-error", this::sendError),
            entry("producer", this::producerState),
            entry("controller", this::controller),
            entry("isr", event -> replicas.add(event.time, IsrState.of(event))),
            entry("leader", this::leader),
            entry("offline", this::offline),
            entry("topic", this::topic),
            entry("node", this::nodeState),
            entry("fault", event -> mark(faults, event)),
            entry("restored", event -> mark(restorations, event)),
            entry("phase", this::step),
            entry("outage", this::outage),
            entry("perf-window", event -> windows.add(event)),
            entry("perf-summary", this::loadSummary),
            entry("load-verdict", this::loadVerdict),
            entry("verdict", this::verdict));

    /** The active controller, -1 for none, and its epoch, -1 when not reported. */
    record Controller(long node, long epoch) {}

    /** What was done to a node. */
    record Mark(long time, long node, String mode, String name) {}

    /** A step of the lab; one that has not ended ends at null. */
    record Step(String name, long from, Long to) {}

    /** What outages found out about a fault, as it wrote it into the stream. */
    record ReportedOutage(long node, long time, RunEvent event) {}

    /** How often something happened, and when first. */
    static final class Tally {
        final long first;
        long count;

        Tally(long first) {
            this.first = first;
        }
    }

    /**
     * When producers were sending: of several, from the first that began to the last that ended. 0: never, or still.
     */
    static final class Activity {
        private final Set<String> sending = new HashSet<>();
        long began;
        long ended;
    }

    /** What a node's reported state means on the page, which knows them by their place in this list. */
    enum Liveness {
        DOWN("refuses", "down"),
        SILENT("silent", "paused", "disconnected", "stopping"),
        UP("answers", "running", "up"),
        UNKNOWN("unknown");

        private final List<String> states;

        Liveness(String... states) {
            this.states = List.of(states);
        }

        static Liveness of(String state) {
            for (Liveness liveness : values()) {
                if (liveness.states.contains(state)) {
                    return liveness;
                }
            }
            return UNKNOWN;
        }
    }

    /** Takes an event, or refuses it when a field is missing that its type has to have. */
    void accept(RunEvent event) {
        handlers.getOrDefault(event.type, this::unknown).accept(event);
        events++;
        include(event.time);
    }

    /** Extends the time that the page shows. */
    void include(long us) {
        from = Math.min(from, us);
        to = Math.max(to, us);
    }

    /** Sorts what the page shows in the order of time. */
    void sort() {
        faults.sort(Comparator.comparingLong(Mark::time));
        restorations.sort(Comparator.comparingLong(Mark::time));
    }

    // ---- Producers ----

    private void acknowledgement(RunEvent event) {
        long partition = event.requiredPartition();
        acks.add(event);
        partitions.of(event.topic, partition).ifPresent(PartitionTimelines.Timeline::acknowledged);
    }

    private void stall(RunEvent event) {
        long began = event.micros("from");
        long ended = began + Math.round(event.number("ms") * 1000);
        if (event.denies("ended") && endsOfOpenGaps.size() < MANY) {
            endsOfOpenGaps.add(ended);
        }
        if (event.partition < 0) {
            gaps.add(began, ended);
        } else {
            partitions
                    .of(event.topic, event.partition)
                    .ifPresent(timeline -> timeline.gaps().add(began, ended));
        }
        from = Math.min(from, began);
    }

    private void sendError(RunEvent event) {
        String error = event.text("error") + ": " + event.get("message") + " (" + event.get("outcome") + ")";
        boolean listed = errors.size() < ERRORS || errors.containsKey(error);
        errors.computeIfAbsent(listed ? error : "others", e -> new Tally(event.time)).count++;
        errorTimes.add(event.time, 1);
    }

    private void producerState(RunEvent event) {
        String producer = event.text("producer");
        Set<String> sending = producers.sending;
        if (event.text("state").equals("start")) {
            boolean isNew = sending.size() < MANY && sending.add(producer);
            if (isNew && sending.size() == 1) {
                producers.began = event.time;
                producers.ended = 0;
            }
        } else if (sending.remove(producer) && sending.isEmpty()) {
            producers.ended = event.time;
        }
    }

    // ---- The cluster ----

    private void controller(RunEvent event) {
        controllers.add(event.time, new Controller(event.whole("controller"), event.whole("epoch", -1)));
    }

    private void leader(RunEvent event) {
        long leader = event.whole("leader");
        partitions
                .of(event.topic, event.requiredPartition())
                .ifPresent(timeline -> timeline.watchedLeader(leader, event.time));
    }

    private void offline(RunEvent event) {
        partitions
                .of(event.topic, event.requiredPartition())
                .ifPresent(timeline -> timeline.ledBy(PartitionTimelines.NO_LEADER, event.time));
    }

    private void topic(RunEvent event) {
        for (Object partition : event.list("partitions")) {
            boolean isLed = partition instanceof Map<?, ?> fields
                    && fields.get("partition") instanceof Long
                    && fields.get("leader") instanceof Long;
            if (isLed) {
                Map<?, ?> fields = (Map<?, ?>) partition;
                partitions
                        .of(event.topic, (Long) fields.get("partition"))
                        .ifPresent(timeline -> timeline.ledBy((Long) fields.get("leader"), event.time));
            }
        }
    }

    private void nodeState(RunEvent event) {
        Liveness liveness = Liveness.of(event.text("state"));
        for (Object id : event.oneOrMore("node")) {
            if (id instanceof Long node && (nodes.containsKey(node) || nodes.size() < NODES)) {
                nodes.computeIfAbsent(node, n -> new StateChanges<>(Liveness::ordinal))
                        .add(event.time, liveness);
            }
        }
    }

    // ---- The experiment ----

    private void mark(List<Mark> marks, RunEvent event) {
        long node = event.whole("node");
        long time = event.micros("at", event.time);
        if (marks.size() < MANY) {
            marks.add(new Mark(time, node, event.text("mode", ""), event.text("name", "node " + node)));
        } else {
            marksLeftOut++;
        }
        from = Math.min(from, time);
    }

    private void step(RunEvent event) {
        String name = event.text("phase");
        if ("start".equals(event.get("state"))) {
            if (steps.size() < MANY) {
                steps.add(new Step(name, event.time, null));
            }
            return;
        }
        for (int i = steps.size() - 1; i >= 0; i--) {
            Step step = steps.get(i);
            if (step.name().equals(name)) {
                steps.set(i, step.to() == null ? new Step(name, step.from(), event.time) : step);
                return;
            }
        }
    }

    private void outage(RunEvent event) {
        ReportedOutage outage = new ReportedOutage(event.whole("node"), event.micros("at"), event);
        event.remove("partitions", "notes", "all");
        if (event.get("gap") instanceof Map<?, ?> gap) {
            requireNumbers(gap);
        } else {
            event.remove("gap");
        }
        if (outages.size() < MANY) {
            outages.add(outage);
        }
    }

    private static void requireNumbers(Map<?, ?> gap) {
        gap.forEach((field, value) -> {
            if (field.toString().matches("ms|.*Ms") && value != null && !(value instanceof Number)) {
                throw new IllegalArgumentException("gap is not of numbers");
            }
        });
    }

    // ---- Load and verdicts ----

    private void loadSummary(RunEvent event) {
        event.number("recordsPerSec");
        if (loadSummaries.size() < SUMMARIES) {
            loadSummaries.add(event.scalars());
        }
    }

    private void loadVerdict(RunEvent event) {
        event.text("verdict");
        loadVerdict = event.scalars();
    }

    /** Keeps the newest verdict. */
    private void verdict(RunEvent event) {
        if (event.time < verdictTime) {
            return;
        }
        event.text("verdict");
        verdictTime = event.time;
        verdict = event.scalars();
        if (event.get("incomplete") instanceof List<?> reasons) {
            verdict.put(
                    "incomplete",
                    reasons.stream().limit(20).map(String::valueOf).toList());
        }
    }

    private void unknown(RunEvent event) {
        if (unknownTypes.size() < UNKNOWN_TYPES || unknownTypes.containsKey(event.type)) {
            unknownTypes.merge(EventParser.shortened(event.type), 1L, Long::sum);
        }
    }
}
