//SOURCES MatrixAdvice.java MatrixCell.java MatrixRun.java ../cli/Cli.java ../cli/TextTable.java ../stats/Spread.java

import java.util.*;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/** What the runs come to: a row for each combination, with the spread over its runs, and the advice. */
final class MatrixTable {
    private static final List<String> COLUMNS = List.of(
            "ACKS",
            "MIN ISR",
            "IDEMPOTENT",
            "FAULT",
            "TIMEOUTS",
            "RUNS",
            "INCOMPLETE",
            "LONGEST GAP, S",
            "ALL SILENT, S",
            "LOST",
            "UNSEEN",
            "ABSENT",
            "LANDED",
            "DUPLICATED",
            "REORDERED",
            "OTHER",
            "ERRORS");
    private static final int MOST_REASONS = 3;

    private final Map<MatrixCell, List<MatrixRun>> cells;

    MatrixTable(List<MatrixRun> runs) {
        cells = MatrixRun.byCell(runs);
    }

    String text() {
        StringBuilder text = new StringBuilder(TextTable.of(rows(), COLUMNS.size())).append('\n');
        Stream.of(advice(), notes())
                .flatMap(List::stream)
                .forEach(line -> text.append(line).append('\n'));
        return text.toString();
    }

    String markdown() {
        StringBuilder text = new StringBuilder();
        for (List<String> row : rows()) {
            text.append("| ")
                    .append(String.join(" | ", row).toLowerCase(Locale.ROOT))
                    .append(" |\n");
            if (row == COLUMNS) {
                text.append("|---".repeat(COLUMNS.size())).append("|\n");
            }
        }
        text.append('\n');
        Stream.of(advice(), notes())
                .flatMap(List::stream)
                .forEach(line -> text.append("- ").append(line).append('\n'));
        return text.toString();
    }

    List<String> advice() {
        return new MatrixAdvice(cells).sentences();
    }

    private List<List<String>> rows() {
        List<List<String>> rows = new ArrayList<>(List.of(COLUMNS));
        cells.forEach((cell, runs) -> rows.add(row(cell, runs)));
        return rows;
    }

    /**
     * Returns the longest gap's median with its range, of a partition and of all at once, over all runs that measured
     * it; of what is counted the sum, and in how many runs there was any, of those that were compared with the log to
     * its end. The others are counted as incomplete, and the notes say why.
     */
    private static List<String> row(MatrixCell cell, List<MatrixRun> runs) {
        List<MatrixRun> checked = MatrixRun.withProof(MatrixRun.Proof.CHECKED, runs);
        List<MatrixRun> read = runs.stream()
                .filter(run -> run.proof() != MatrixRun.Proof.UNFINISHED)
                .toList();
        int incomplete = runs.size() - checked.size();
        return List.of(
                cell.acks(),
                "" + cell.minIsr(),
                idempotent(cell),
                cell.fault().toString(),
                cell.timeouts(),
                "" + runs.size(),
                incomplete == 0 ? "0" : incomplete + " of " + runs.size(),
                spread(runs.stream().map(run -> run.gaps().partitionMs())),
                spread(runs.stream().map(run -> run.gaps().allMs())),
                count(checked, MatrixRun.Count.LOST),
                count(runs, MatrixRun.Count.UNSEEN),
                count(read, MatrixRun.Count.ABSENT),
                count(read, MatrixRun.Count.LANDED),
                count(read, MatrixRun.Count.DUPLICATED),
                count(read, MatrixRun.Count.REORDERED),
                count(read, MatrixRun.Count.OTHER),
                count(read, MatrixRun.Count.ERRORS));
    }

    private static String idempotent(MatrixCell cell) {
        if (!cell.acksAll()) {
            return "-";
        }
        return cell.idempotent() ? "yes" : "no";
    }

    private static String spread(Stream<Long> ms) {
        return Spread.of(ms.filter(Objects::nonNull).mapToDouble(gap -> gap / 1e3))
                .map(MatrixTable::describe)
                .orElse("-");
    }

    private static String describe(Spread spread) {
        String median = seconds(spread.median());
        return spread.count() == 1
                ? median
                : median + " (" + seconds(spread.min()) + " to " + seconds(spread.max()) + ")";
    }

    private static String seconds(double seconds) {
        return String.format(Locale.ROOT, "%.2f", seconds);
    }

    private static String count(List<MatrixRun> runs, MatrixRun.Count count) {
        if (runs.isEmpty()) {
            return "-";
        }
        long sum = MatrixRun.sum(count, runs);
        if (sum == 0 || runs.size() == 1) {
            return "" + sum;
        }
        long in = runs.stream().filter(run -> run.count(count) > 0).count();
        return sum + " in " + in + " of " + runs.size();
    }

    // ---- What is not proved ----

    /** Returns a sentence for each combination with runs that prove less than its row seems to say. */
    List<String> notes() {
        List<String> notes = new ArrayList<>();
        cells.forEach((cell, runs) -> notes.addAll(notes(cell, runs)));
        return notes;
    }

    private static List<String> notes(MatrixCell cell, List<MatrixRun> runs) {
        List<MatrixRun> nothing = MatrixRun.withProof(MatrixRun.Proof.NOTHING_PROMISED, runs);
        List<MatrixRun> unfinished = MatrixRun.withProof(MatrixRun.Proof.UNFINISHED, runs);
        List<MatrixRun> cutOff =
                runs.stream().filter(MatrixTable::mayHaveLostMore).toList();
        Map<String, List<MatrixRun>> whats = new LinkedHashMap<>();
        whats.put("had no acknowledgement: nothing was promised, so they prove nothing about loss", nothing);
        whats.put(
                "were not checked to the end, and of them only the gaps are counted: " + reasons(unfinished),
                unfinished);
        whats.put("failed before all was read, and may have lost more than was found: " + reasons(cutOff), cutOff);
        return whats.entrySet().stream()
                .filter(what -> !what.getValue().isEmpty())
                .map(what -> what.getValue().size() + " of " + runs.size() + " runs " + what.getKey())
                .map(what -> MatrixAdvice.sentence(cell.name() + ": " + what))
                .toList();
    }

    private static boolean mayHaveLostMore(MatrixRun run) {
        boolean incomplete =
                run.count(MatrixRun.Count.UNSEEN) > 0 || !run.result().reasons().isEmpty();
        return run.verdict().equals("fail") && incomplete;
    }

    private static String reasons(List<MatrixRun> runs) {
        Stream<String> unseen = runs.stream()
                .map(run -> run.count(MatrixRun.Count.UNSEEN))
                .filter(records -> records > 0)
                .map(records -> records + " records unseen");
        Stream<String> others = runs.stream().flatMap(run -> run.result().reasons().stream());
        return Stream.concat(unseen, others)
                .map(Cli::printable)
                .distinct()
                .limit(MOST_REASONS)
                .collect(Collectors.joining("; "));
    }
}
