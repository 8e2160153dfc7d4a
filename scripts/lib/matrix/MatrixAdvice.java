//SOURCES MatrixCell.java MatrixRun.java ../stats/Spread.java

import java.util.*;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/** Says what follows from the runs, with figures, without causes that were not measured or runs that were not done. */
final class MatrixAdvice {
    private static final int MOST_SENTENCES = 3;
    private static final Comparator<MatrixCell> BY_SAFETY = Comparator.comparing(MatrixCell::acksAll)
            .thenComparing(MatrixCell::minIsr)
            .thenComparing(MatrixCell::idempotent);

    private final Map<MatrixCell, List<MatrixRun>> cells;

    MatrixAdvice(Map<MatrixCell, List<MatrixRun>> cells) {
        this.cells = cells;
    }

    List<String> sentences() {
        return Stream.of(onLoss(), onFaults(), onIdempotence(), onTimeouts())
                .flatMap(Optional::stream)
                .limit(MOST_SENTENCES)
                .map(MatrixAdvice::sentence)
                .toList();
    }

    static String sentence(String text) {
        return Character.toUpperCase(text.charAt(0)) + text.substring(1) + ".";
    }

    private static List<MatrixRun> checked(List<MatrixRun> runs) {
        return MatrixRun.withProof(MatrixRun.Proof.CHECKED, runs);
    }

    private static Optional<Double> medianGap(List<MatrixRun> runs) {
        return Spread.of(runs.stream()
                        .map(run -> run.gaps().partitionMs())
                        .filter(Objects::nonNull)
                        .mapToDouble(ms -> ms / 1e3))
                .map(Spread::median);
    }

    // ---- Loss ----

    /** A leader that acknowledges before its followers have a record can lose it; one that might have is named too. */
    private Optional<String> onLoss() {
        List<String> parts = new ArrayList<>();
        cells.forEach((cell, runs) -> lostBy(cell, runs).ifPresent(parts::add));
        boolean anyLost = !parts.isEmpty();
        String lostNone = cells.entrySet().stream()
                .filter(cell -> mightHaveLost(cell.getKey(), checked(cell.getValue())))
                .map(cell ->
                        cell.getKey().name() + " (" + checked(cell.getValue()).size() + " runs)")
                .collect(Collectors.joining(" and "));
        if (!lostNone.isEmpty()) {
            parts.add(lostNone + " lost none this time, which is no promise: acks=1 waits for the leader alone");
        }
        String advice = anyLost ? ": use it where a record matters" : "";
        onSafest(advice).ifPresent(parts::add);
        return parts.isEmpty() ? Optional.empty() : Optional.of(String.join("; ", parts));
    }

    private static boolean mightHaveLost(MatrixCell cell, List<MatrixRun> checked) {
        boolean isAtRisk = cell.acks().equals("1") && cell.fault() != MatrixCell.Fault.STOP_LEADER;
        return isAtRisk && !checked.isEmpty() && MatrixRun.sum(MatrixRun.Count.LOST, checked) == 0;
    }

    private static Optional<String> lostBy(MatrixCell cell, List<MatrixRun> all) {
        List<MatrixRun> runs = checked(all);
        long lost = MatrixRun.sum(MatrixRun.Count.LOST, runs);
        List<String> parts = new ArrayList<>();
        if (lost > 0) {
            long in = runs.stream()
                    .filter(run -> run.count(MatrixRun.Count.LOST) > 0)
                    .count();
            parts.add(
                    cell.name() + " lost " + lost + " acknowledged records in " + in + " of " + runs.size() + " runs");
        }
        List<MatrixRun> promisedNothing = MatrixRun.withProof(MatrixRun.Proof.NOTHING_PROMISED, all);
        if (cell.acks().equals("0") && !promisedNothing.isEmpty()) {
            long absent = MatrixRun.sum(MatrixRun.Count.ABSENT, promisedNothing);
            long errors = MatrixRun.sum(MatrixRun.Count.ERRORS, promisedNothing);
            String reported = errors == 0 ? "no error said so" : errors + " errors were seen";
            parts.add(cell.name() + " left " + absent + " records out of the log, and " + reported);
        }
        return parts.isEmpty() ? Optional.empty() : Optional.of(String.join("; ", parts));
    }

    private Optional<String> onSafest(String advice) {
        List<MatrixRun> all = cells.entrySet().stream()
                .filter(cell -> isSafest(cell.getKey()))
                .flatMap(cell -> cell.getValue().stream())
                .toList();
        List<MatrixRun> checked = checked(all);
        if (checked.isEmpty()) {
            return Optional.empty();
        }
        String minIsrs = checked.stream()
                .map(run -> "" + run.cell().minIsr())
                .distinct()
                .sorted()
                .collect(Collectors.joining(" and "));
        String setting = "acks=all with min ISR " + minIsrs + " and idempotence";
        if (!checked.stream().allMatch(run -> run.verdict().equals("pass"))) {
            return Optional.of(setting + " did not hold in every run: look at these before anything else");
        }
        String held = setting + " lost, duplicated and reordered nothing in " + checked.size() + " runs";
        int unfinished = all.size() - checked.size();
        return Optional.of(
                held + (unfinished > 0 ? ", and " + unfinished + " more were not checked to the end" : advice));
    }

    private static boolean isSafest(MatrixCell cell) {
        return cell.acksAll() && cell.minIsr() > 1 && cell.idempotent();
    }

    // ---- Faults ----

    /** Compares the faults under the safest setting that was run with more than one of them. */
    private Optional<String> onFaults() {
        Map<MatrixCell, Map<MatrixCell.Fault, List<MatrixRun>>> bySetting = new LinkedHashMap<>();
        cells.forEach((cell, runs) -> {
            if (medianGap(runs).isPresent()) {
                MatrixCell setting = cell.withFault(null);
                bySetting.computeIfAbsent(setting, s -> new LinkedHashMap<>()).put(cell.fault(), runs);
            }
        });
        return bySetting.entrySet().stream()
                .filter(setting -> setting.getValue().size() > 1)
                .max(Map.Entry.comparingByKey(BY_SAFETY))
                .map(setting -> compareFaults(setting.getKey(), setting.getValue()));
    }

    private static String compareFaults(MatrixCell setting, Map<MatrixCell.Fault, List<MatrixRun>> runs) {
        Map<MatrixCell.Fault, Double> medians = new EnumMap<>(MatrixCell.Fault.class);
        runs.forEach((fault, its) -> medians.put(fault, medianGap(its).orElseThrow()));
        String gaps = medians.entrySet().stream()
                .sorted(Map.Entry.comparingByValue())
                .map(gap -> String.format(Locale.ROOT, "%s %.2f s", gap.getKey(), gap.getValue()))
                .collect(Collectors.joining(", "));
        long holdMs = runs.values().iterator().next().get(0).plan().holdMs();
        return "with " + setting.settings() + " the longest wait was " + gaps + " (medians"
                + undoneAnyway(medians.keySet(), holdMs) + ")" + comparisonOfStopAndKill(medians);
    }

    /** Two faults end after --fault-duration, whether writes flow or not; with the others writes flow before that. */
    private static String undoneAnyway(Set<MatrixCell.Fault> faults, long holdMs) {
        String undone = Stream.of(MatrixCell.Fault.PAUSE_LEADER, MatrixCell.Fault.TWO_OF_THREE)
                .filter(faults::contains)
                .map(Object::toString)
                .collect(Collectors.joining(" and "));
        String after = " were undone " + holdMs / 1e3 + " s after they took effect, whether writes flowed or not";
        return undone.isEmpty() ? "" : "; " + undone + after;
    }

    private static String comparisonOfStopAndKill(Map<MatrixCell.Fault, Double> medians) {
        Double stop = medians.get(MatrixCell.Fault.STOP_LEADER);
        Double kill = medians.get(MatrixCell.Fault.KILL_LEADER);
        if (stop == null || kill == null) {
            return "";
        }
        double ratio = stop / Math.max(kill, 0.001);
        return String.format(
                Locale.ROOT, ": a leader that was shut down cleanly cost %.2f of one that was killed", ratio);
    }

    // ---- Idempotence and timeouts ----

    /** Compares combinations that were run with and without idempotence and differ in nothing else. */
    private Optional<String> onIdempotence() {
        List<MatrixRun> with = new ArrayList<>();
        List<MatrixRun> without = new ArrayList<>();
        cells.forEach((cell, runs) -> {
            List<MatrixRun> same = cells.get(cell.withIdempotence());
            if (cell.acksAll() && !cell.idempotent() && same != null) {
                without.addAll(checked(runs));
                with.addAll(checked(same));
            }
        });
        if (without.isEmpty() || with.isEmpty()) {
            return Optional.empty();
        }
        return Optional.of("under the same faults, without idempotence " + describeCopies(without) + " in "
                + without.size() + " runs with acks=all, with it " + describeCopies(with) + " in " + with.size()
                + judgeIdempotence(copies(with), copies(without)));
    }

    private static String judgeIdempotence(long with, long without) {
        if (with > 0) {
            return ", which should not be: look at these";
        }
        return without > 0 ? ": leave it on, as it is by default" : ": no difference was seen";
    }

    private static long copies(List<MatrixRun> runs) {
        return MatrixRun.sum(MatrixRun.Count.DUPLICATED, runs) + MatrixRun.sum(MatrixRun.Count.REORDERED, runs);
    }

    private static String describeCopies(List<MatrixRun> runs) {
        long duplicated = MatrixRun.sum(MatrixRun.Count.DUPLICATED, runs);
        return duplicated + " records were duplicated and " + MatrixRun.sum(MatrixRun.Count.REORDERED, runs)
                + " reordered";
    }

    /** Compares combinations that were run with both timeouts. */
    private Optional<String> onTimeouts() {
        List<Double> ratios = new ArrayList<>();
        cells.forEach((cell, runs) -> {
            Optional<Double> slow =
                    medianGap(runs).filter(gap -> cell.timeouts().equals("default"));
            Optional<Double> fast = medianGap(cells.getOrDefault(cell.withTimeouts("fast"), List.of()));
            slow.ifPresent(gap -> fast.ifPresent(other -> ratios.add(gap / other)));
        });
        return Spread.of(ratios.stream().mapToDouble(Double::doubleValue))
                .map(ratio -> String.format(
                        Locale.ROOT,
                        "with Kafka's own timeouts the longest gap was %.1f times as long as with the tuned ones"
                                + " (median of %d combinations, %.1f to %.1f)",
                        ratio.median(),
                        ratio.count(),
                        ratio.min(),
                        ratio.max()));
    }
}
