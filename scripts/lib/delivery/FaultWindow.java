import java.io.*;
import java.nio.charset.StandardCharsets;
import java.time.Instant;
import java.time.format.DateTimeParseException;
import java.util.*;
import java.util.function.LongConsumer;

/**
 * A fault of the run's events, in milliseconds since 1970.
 *
 * @param until when every replica was in sync after it; without such an event, when it was restored; else never
 */
record FaultWindow(int node, String mode, long at, long until) {
    /**
     * A record that was acknowledged up to this long before a fault may be lost by it, or be sent again: a follower in
     * sync lags no longer (replica.lag.time.max.ms).
     */
    private static final long BEFORE_MS = 30_000;

    FaultWindow endsAt(long end) {
        return new FaultWindow(node, mode, at, end);
    }

    /**
     * Returns the last fault that had begun at this time and was not over, else the one that followed soon.
     *
     * @param faults by their beginning
     * @return null: there is none
     */
    static FaultWindow around(long time, List<FaultWindow> faults) {
        FaultWindow during = null;
        FaultWindow following = null;
        for (FaultWindow fault : faults) {
            if (fault.at <= time && time < fault.until) {
                during = fault;
            }
            if (following == null && fault.at > time && fault.at - time <= BEFORE_MS) {
                following = fault;
            }
        }
        return during == null ? following : during;
    }

    /** Returns its fields in JSON, and one more. */
    EventFields fields(String name, long value) {
        EventFields fields = new EventFields()
                .with("node", node)
                .with("mode", mode)
                .with("at", beginText())
                .with(name, value);
        if (hasEnd()) {
            fields.with("until", endText());
        }
        return fields;
    }

    String beginText() {
        return Instant.ofEpochMilli(at).toString();
    }

    String endText() {
        return hasEnd() ? Instant.ofEpochMilli(until).toString() : "the end";
    }

    private boolean hasEnd() {
        return until < Long.MAX_VALUE;
    }

    /** Reads the faults out of a run's events, in the order of their lines. Events of other types are ignored. */
    static final class Reader {
        private static final Set<String> TYPES = Set.of("fault", "restored", "isr");

        private final List<FaultWindow> over = new ArrayList<>();
        private final Map<Integer, FaultWindow> open = new LinkedHashMap<>();
        private final Set<Integer> restored = new HashSet<>();
        private long damaged;

        private Reader() {}

        static List<FaultWindow> read(File file) throws IOException {
            return read(file, damaged -> {});
        }

        /** Reads the faults of a file of events. Lines that cannot be read are left out and counted. */
        static List<FaultWindow> read(File file, LongConsumer damaged) throws IOException {
            Reader reader = new Reader();
            try (BufferedReader in = new BufferedReader(new FileReader(file, StandardCharsets.UTF_8))) {
                for (String line = in.readLine(); line != null; line = in.readLine()) {
                    // Nearly all lines are acknowledgements, which need not be parsed.
                    if (!line.isBlank() && !line.contains("\"ack\"")) {
                        reader.accept(LedgerReader.parse(line));
                    }
                }
            } catch (FileNotFoundException e) {
                String why = Cli.printable(e.getMessage());
                throw new Cli.Exit(2, "Cannot read --events-from " + Cli.printable(file) + ": " + why + ".");
            }
            if (reader.damaged > 0) {
                damaged.accept(reader.damaged);
            }
            return reader.faults();
        }

        private List<FaultWindow> faults() {
            over.addAll(open.values());
            over.sort(Comparator.comparing(FaultWindow::at));
            return over;
        }

        private void accept(Map<String, Object> event) {
            if (!(event.get("type") instanceof String type)) {
                damaged++;
                return;
            }
            if (TYPES.contains(type) && !understood(type, event)) {
                damaged++;
            }
        }

        private boolean understood(String type, Map<String, Object> event) {
            OptionalLong time = time(event.get("at") == null ? event.get("ts") : event.get("at"));
            if (time.isEmpty()) {
                return false;
            }
            if (type.equals("isr")) {
                inSyncReplicas(event, time.getAsLong());
                return true;
            }
            if (!(event.get("node") instanceof Integer node)) {
                return false;
            }
            if (type.equals("fault")) {
                begins(new FaultWindow(node, String.valueOf(event.get("mode")), time.getAsLong(), Long.MAX_VALUE));
            } else {
                restored(node, time.getAsLong());
            }
            return true;
        }

        private void begins(FaultWindow fault) {
            FaultWindow before = open.put(fault.node(), fault);
            if (before != null) {
                over.add(before.endsAt(fault.at()));
            }
            restored.remove(fault.node());
        }

        /** Ends a fault for now: it lasts longer if a later event says when the node was back in every ISR. */
        private void restored(int node, long at) {
            if (open.computeIfPresent(node, (n, fault) -> fault.endsAt(at)) != null) {
                restored.add(node);
            }
        }

        private void inSyncReplicas(Map<String, Object> event, long at) {
            boolean allInSync = Objects.equals(event.get("inSync"), event.get("replicas"));
            if (allInSync && restored.containsAll(open.keySet())) {
                open.values().forEach(fault -> over.add(fault.endsAt(at)));
                open.clear();
            }
        }

        private static OptionalLong time(Object text) {
            try {
                return text instanceof String s
                        ? OptionalLong.of(Instant.parse(s).toEpochMilli())
                        : OptionalLong.empty();
            } catch (DateTimeParseException | ArithmeticException none) {
                return OptionalLong.empty();
            }
        }
    }
}
