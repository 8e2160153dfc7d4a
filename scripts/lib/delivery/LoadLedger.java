import java.io.*;
import java.nio.charset.StandardCharsets;
import java.util.*;

/** Reads a ledger of perf: the offsets that were acknowledged, as ranges. docs/verifier.md describes its form. */
final class LoadLedger {
    private final String name;
    private final Map<String, LoadChecker> topics = new LinkedHashMap<>();
    private Map<String, Object> end;
    private long damaged;
    private long acknowledged;

    private LoadLedger(String name) {
        this.name = name;
    }

    /** Returns whether a file begins as a ledger of perf does. */
    static boolean isLoadLedger(File file) throws IOException {
        return LedgerReader.firstLine(file).containsKey("ranges");
    }

    /** Adds what a file says to the checks of its topics. */
    static void read(File file, Map<String, LoadChecker> checkers) throws IOException {
        InputStreamReader text = new InputStreamReader(LedgerReader.open(file), StandardCharsets.UTF_8);
        try (BufferedReader in = new BufferedReader(text)) {
            LoadLedger ledger = new LoadLedger(file.toString());
            ledger.readHead(Objects.requireNonNullElse(in.readLine(), ""), checkers);
            for (String line = in.readLine(); line != null; line = in.readLine()) {
                ledger.readLine(LedgerReader.parse(line));
            }
            ledger.finish();
        }
    }

    private void readHead(String line, Map<String, LoadChecker> checkers) {
        Map<String, Object> head = LedgerReader.parse(line);
        if (!Integer.valueOf(1).equals(head.get("ranges")) || !(head.get("topics") instanceof List<?> names)) {
            throw new Cli.Exit(2, Cli.printable(name) + " is not a ledger of perf that can be read here.");
        }
        for (Object topic : names) {
            topics.computeIfAbsent(String.valueOf(topic), t -> {
                LoadChecker checker = checkers.computeIfAbsent(t, LoadChecker::new);
                checker.addRun(String.valueOf(head.get("run")));
                return checker;
            });
        }
    }

    private void readLine(Map<String, Object> line) {
        if (line.containsKey("end")) {
            end = line;
        } else if (!readRange(line)) {
            damaged++;
        }
    }

    /** Reads a range. @return whether it is one */
    private boolean readRange(Map<String, Object> line) {
        long partition = LedgerReader.number(line, "partition");
        long first = LedgerReader.number(line, "first");
        long last = LedgerReader.number(line, "last");
        long count = LedgerReader.number(line, "count");
        LoadChecker checker = line.get("topic") instanceof String topic ? topics.get(topic) : null;
        if (checker == null || partition < 0 || partition > LedgerReader.Line.MAX_PARTITION) {
            return false;
        }
        if (first < 0 || last < first || count != last - first + 1) {
            return false;
        }
        checker.add((int) partition, first, last);
        acknowledged += count;
        return true;
    }

    private void finish() {
        String lacks = lacks();
        for (LoadChecker checker : topics.values()) {
            if (lacks != null) {
                checker.incomplete.add(name + " " + lacks);
            }
            if (end == null) {
                checker.hasNoEnd();
            } else {
                checker.ends(new LoadChecker.End(count("failed"), count("unresolved"), count("untilMs")));
            }
        }
    }

    private long count(String field) {
        return Math.max(0, LedgerReader.number(end, field));
    }

    /** Returns what the ledger lacks; null: nothing. */
    private String lacks() {
        if (damaged > 0) {
            return "has " + damaged + " damaged lines";
        }
        if (end == null) {
            return "has no end: perf was killed or still runs";
        }
        long all = LedgerReader.number(end, "acknowledged");
        return acknowledged == all ? null : "has ranges for " + acknowledged + " of " + all + " acknowledged records";
    }
}
