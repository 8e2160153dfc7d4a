import java.io.BufferedReader;
import java.io.File;
import java.io.FileNotFoundException;
import java.io.FileReader;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.time.Instant;
import java.time.format.DateTimeParseException;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.OptionalLong;
import java.util.Set;
import java.util.function.LongConsumer;

/** Reads the faults out of a run's events, in the order of their lines. Events of other types are ignored. */
final class FaultReader {
    private static final Set<String> TYPES = Set.of("fault", "restored", "isr");

    private final List<FaultWindow> over = new ArrayList<>();
    private final Map<Integer, FaultWindow> open = new LinkedHashMap<>();
    private final Set<Integer> restored = new HashSet<>();
    private long damaged;

    private FaultReader() {}

    static List<FaultWindow> read(File file) throws IOException {
        return read(file, damaged -> {});
    }

    /** Reads the faults of a file of events. Lines that cannot be read are left out and counted. */
    static List<FaultWindow> read(File file, LongConsumer damaged) throws IOException {
        FaultReader reader = new FaultReader();
        try (BufferedReader in = new BufferedReader(new FileReader(file, StandardCharsets.UTF_8))) {
            for (String line = in.readLine(); line != null; line = in.readLine()) {
                // Nearly all lines are acknowledgements, which need not be parsed.
                if (!line.isBlank() && !line.contains("\"ack\"")) {
                    reader.accept(JsonFields.parse(line));
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
            return text instanceof String s ? OptionalLong.of(Instant.parse(s).toEpochMilli()) : OptionalLong.empty();
        } catch (DateTimeParseException | ArithmeticException none) {
            return OptionalLong.empty();
        }
    }
}
