import java.util.*;
import java.util.function.*;
import java.util.stream.*;

/** What the runs of a failover matrix come to: a row a combination with the spread over its runs, and advice that follows from these numbers and from nothing else. */
class FailoverMatrixTable {
    private static final List<String> COLUMNS = List.of("ACKS", "MIN ISR", "IDEMPOTENT", "FAULT", "TIMEOUTS", "RUNS", "INCOMPLETE", "LONGEST GAP, S", "ALL SILENT, S", "LOST", "UNSEEN", "ABSENT", "LANDED", "DUPLICATED", "REORDERED", "OTHER", "ERRORS");
    private final Map<FailoverMatrix.Cell, List<FailoverMatrix.Run>> cells = new LinkedHashMap<>();

    FailoverMatrixTable(List<FailoverMatrix.Run> runs) { for (FailoverMatrix.Run r : runs) cells.computeIfAbsent(r.cell(), c -> new ArrayList<>()).add(r); }

    /** Columns as wide as they have to be, and the advice. */
    String text() {
        List<List<String>> rows = rows();
        int[] widths = IntStream.range(0, COLUMNS.size()).map(i -> rows.stream().mapToInt(r -> r.get(i).length()).max().orElse(0)).toArray();
        StringBuilder text = new StringBuilder();
        for (List<String> row : rows) {
            StringBuilder line = new StringBuilder();
            for (int i = 0; i < widths.length; i++) line.append(String.format(Locale.ROOT, "%-" + (widths[i] + 2) + "s", row.get(i)));
            text.append(line.toString().stripTrailing()).append('\n');
        }
        text.append('\n');
        Stream.of(advice(), notes()).flatMap(List::stream).forEach(a -> text.append(a).append('\n'));
        return text.toString();
    }

    String markdown() {
        List<List<String>> rows = rows();
        StringBuilder md = new StringBuilder();
        for (int i = 0; i < rows.size(); i++) {
            md.append("| ").append(String.join(" | ", rows.get(i)).toLowerCase(Locale.ROOT)).append(" |\n");
            if (i == 0) md.append("|---".repeat(COLUMNS.size())).append("|\n");
        }
        md.append('\n');
        Stream.of(advice(), notes()).flatMap(List::stream).forEach(a -> md.append("- ").append(a).append('\n'));
        return md.toString();
    }

    /**
     * Of a partition and of all at once, the longest gap's median with its range, over all runs that measured it; of what is counted the sum, and in how many runs there was any: of those
     * that were compared with the log to its end. The others are counted as incomplete, and the notes say why.
     */
    private List<List<String>> rows() {
        List<List<String>> rows = new ArrayList<>(List.of(COLUMNS));
        cells.forEach((cell, runs) -> rows.add(row(cell, runs)));
        return rows;
    }

    private static List<String> row(FailoverMatrix.Cell c, List<FailoverMatrix.Run> runs) {
        List<String> row = new ArrayList<>(List.of(c.acks(), "" + c.minIsr(), idempotent(c), c.fault().toString(), c.timeouts(), "" + runs.size()));
        long incomplete = runs.stream().filter(r -> r.proof() != FailoverMatrix.Run.Proof.CHECKED).count();
        row.add(incomplete == 0 ? "0" : incomplete + " of " + runs.size());
        row.add(spread(gaps(runs)));
        row.add(spread(sorted(runs, FailoverMatrix.Run::gapMs)));
        row.add(count(of(runs, FailoverMatrix.Run.Proof.CHECKED), FailoverMatrix.Run::lost));
        row.add(count(runs, FailoverMatrix.Run::unseen));
        List<FailoverMatrix.Run> read = runs.stream().filter(r -> r.proof() != FailoverMatrix.Run.Proof.UNFINISHED).toList();
        for (ToLongFunction<FailoverMatrix.Run> of : List.<ToLongFunction<FailoverMatrix.Run>>of(FailoverMatrix.Run::absent, FailoverMatrix.Run::landed, FailoverMatrix.Run::duplicated,
                FailoverMatrix.Run::reordered, FailoverMatrix.Run::other, FailoverMatrix.Run::errors)) row.add(count(read, of));
        return row;
    }

    private static String idempotent(FailoverMatrix.Cell c) {
        if (!c.acks().equals("all")) return "-";
        return c.idempotent() ? "yes" : "no";
    }

    private static List<FailoverMatrix.Run> of(List<FailoverMatrix.Run> runs, FailoverMatrix.Run.Proof proof) { return runs.stream().filter(r -> r.proof() == proof).toList(); }

    private static String spread(double[] s) { return s.length == 0 ? "-" : s.length == 1 ? seconds(s[0]) : seconds(median(s)) + " (" + seconds(s[0]) + " to " + seconds(s[s.length - 1]) + ")"; }
    private static double[] gaps(List<FailoverMatrix.Run> runs) { return sorted(runs, FailoverMatrix.Run::partitionGapMs); }
    private static double[] sorted(List<FailoverMatrix.Run> runs, Function<FailoverMatrix.Run, Long> of) { return runs.stream().map(of).filter(Objects::nonNull).mapToDouble(ms -> ms / 1e3).sorted().toArray(); }
    private static double median(double[] sorted) { return (sorted[(sorted.length - 1) / 2] + sorted[sorted.length / 2]) / 2; }
    private static String seconds(double s) { return String.format(Locale.ROOT, "%.2f", s); }

    private static String count(List<FailoverMatrix.Run> runs, ToLongFunction<FailoverMatrix.Run> of) {
        if (runs.isEmpty()) return "-";
        long sum = runs.stream().mapToLong(of).sum(), in = runs.stream().filter(r -> of.applyAsLong(r) > 0).count();
        return sum == 0 ? "0" : runs.size() == 1 ? "" + sum : sum + " in " + in + " of " + runs.size();
    }

    // ---- What is not proved ----

    /** Names each combination with runs that prove less than the row seems to say. */
    List<String> notes() {
        List<String> notes = new ArrayList<>();
        cells.forEach((cell, runs) -> {
            List<FailoverMatrix.Run> nothing = of(runs, FailoverMatrix.Run.Proof.NOTHING_PROMISED), unfinished = of(runs, FailoverMatrix.Run.Proof.UNFINISHED);
            List<FailoverMatrix.Run> more = runs.stream().filter(r -> r.verdict().equals("fail") && (r.unseen() > 0 || !r.reasons().isEmpty())).toList();
            if (!nothing.isEmpty()) notes.add(note(cell, nothing, runs, "had no acknowledgement: nothing was promised, so they prove nothing about loss"));
            if (!unfinished.isEmpty()) notes.add(note(cell, unfinished, runs, "were not checked to the end, and of them only the gaps are counted: " + reasons(unfinished)));
            if (!more.isEmpty()) notes.add(note(cell, more, runs, "failed before all was read, and may have lost more than was found: " + reasons(more)));
        });
        return notes;
    }

    private static String note(FailoverMatrix.Cell cell, List<FailoverMatrix.Run> which, List<FailoverMatrix.Run> all, String what) {
        return sentence(name(cell) + ": " + which.size() + " of " + all.size() + " runs " + what);
    }

    private static String reasons(List<FailoverMatrix.Run> runs) {
        Stream<String> unseen = runs.stream().filter(r -> r.unseen() > 0).map(r -> r.unseen() + " records unseen");
        return Stream.concat(unseen, runs.stream().flatMap(r -> r.reasons().stream())).map(KillNode::printable).distinct().limit(3).collect(Collectors.joining("; "));
    }

    // ---- Advice ----

    /** Returns three sentences at most, each with its figures and with no cause that was not measured; what was not run is not spoken of. */
    List<String> advice() { return Stream.of(onLoss(), onFaults(), onIdempotence(), onTimeouts()).filter(Objects::nonNull).limit(3).toList(); }

    /** Who acknowledges before the followers have a record can lose it. One that might have lost and did not is named as well. */
    private String onLoss() {
        List<String> lost = new ArrayList<>(), none = new ArrayList<>();
        cells.forEach((c, all) -> {
            List<FailoverMatrix.Run> runs = of(all, FailoverMatrix.Run.Proof.CHECKED);
            long sum = runs.stream().mapToLong(FailoverMatrix.Run::lost).sum();
            if (sum > 0) lost.add(name(c) + " lost " + sum + " acknowledged records in " + runs.stream().filter(r -> r.lost() > 0).count() + " of " + runs.size() + " runs");
            else if (c.acks().equals("1") && c.fault() != FailoverMatrix.Fault.STOP_LEADER && !runs.isEmpty()) none.add(name(c) + " (" + runs.size() + " runs)");
            if (c.acks().equals("0")) lost.add(onNoAcks(c, of(all, FailoverMatrix.Run.Proof.NOTHING_PROMISED)));
        });
        List<String> told = new ArrayList<>(lost);
        told.removeIf(String::isEmpty);
        boolean anyLost = !told.isEmpty();
        if (!none.isEmpty()) told.add(String.join(" and ", none) + " lost none this time, which is no promise: acks=1 waits for the leader alone");
        told.add(onSafe(anyLost));
        told.removeIf(String::isEmpty);
        return told.isEmpty() ? null : sentence(String.join("; ", told));
    }

    private static String onNoAcks(FailoverMatrix.Cell c, List<FailoverMatrix.Run> runs) {
        if (runs.isEmpty()) return "";
        long errors = runs.stream().mapToLong(FailoverMatrix.Run::errors).sum();
        return name(c) + " left " + runs.stream().mapToLong(FailoverMatrix.Run::absent).sum() + " records out of the log, and " + (errors == 0 ? "no error said so" : errors + " errors were seen");
    }

    private String onSafe(boolean othersLost) {
        List<FailoverMatrix.Run> all = of(c -> c.acks().equals("all") && c.minIsr() > 1 && c.idempotent()), safe = of(all, FailoverMatrix.Run.Proof.CHECKED);
        if (safe.isEmpty()) return "";
        String setting = "acks=all with min ISR " + safe.stream().map(r -> "" + r.cell().minIsr()).distinct().sorted().collect(Collectors.joining(" and ")) + " and idempotence";
        if (!safe.stream().allMatch(r -> r.verdict().equals("pass"))) return setting + " did not hold in every run: look at these before anything else";
        String held = setting + " lost, duplicated and reordered nothing in " + safe.size() + " runs";
        if (safe.size() < all.size()) return held + ", and " + (all.size() - safe.size()) + " more were not checked to the end";
        return held + (othersLost ? ": use it where a record matters" : "");
    }

    /** Under the safest setting that was run with more than one fault. */
    private String onFaults() {
        Map<FailoverMatrix.Cell, Map<FailoverMatrix.Fault, List<FailoverMatrix.Run>>> bySetting = new LinkedHashMap<>();
        cells.forEach((c, runs) -> { if (gaps(runs).length > 0) bySetting.computeIfAbsent(with(c, c.idempotent(), null), k -> new LinkedHashMap<>()).put(c.fault(), runs); });
        return bySetting.entrySet().stream().filter(e -> e.getValue().size() > 1)
                .max(Comparator.comparing((Map.Entry<FailoverMatrix.Cell, Map<FailoverMatrix.Fault, List<FailoverMatrix.Run>>> e) -> e.getKey().acks().equals("all")).thenComparing(e -> e.getKey().minIsr()).thenComparing(e -> e.getKey().idempotent()))
                .map(e -> {
                    Map<FailoverMatrix.Fault, Double> medians = new EnumMap<>(FailoverMatrix.Fault.class);
                    e.getValue().forEach((fault, runs) -> medians.put(fault, median(gaps(runs))));
                    String all = medians.entrySet().stream().sorted(Map.Entry.comparingByValue()).map(f -> f.getKey() + " " + seconds(f.getValue()) + " s").collect(Collectors.joining(", "));
                    // These two are undone when --hold is over, whatever writes do; under the others writes flow before it begins.
                    List<String> held = Stream.of(FailoverMatrix.Fault.PAUSE_LEADER, FailoverMatrix.Fault.TWO_OF_THREE).filter(medians::containsKey).map(Object::toString).toList();
                    Double stop = medians.get(FailoverMatrix.Fault.STOP_LEADER), kill = medians.get(FailoverMatrix.Fault.KILL_LEADER);
                    return sentence("with " + setting(e.getKey()) + " the longest wait was " + all + " (medians" + (held.isEmpty() ? "" : String.format(Locale.ROOT, "; %s were undone %s s after they took effect, whether writes flowed or not", String.join(" and ", held),
                            e.getValue().values().iterator().next().get(0).holdMs() / 1e3)) + ")" + (stop == null || kill == null ? "" : ": a leader that was shut down cleanly cost " + String.format(Locale.ROOT, "%.2f", stop / Math.max(kill, 0.001)) + " of one that was killed"));
                }).orElse(null);
    }

    /** Of combinations that were run with both and differ in nothing else. */
    private String onIdempotence() {
        List<FailoverMatrix.Run> with = new ArrayList<>(), without = new ArrayList<>();
        cells.forEach((c, runs) -> {
            List<FailoverMatrix.Run> same = cells.get(with(c, true, c.fault()));
            if (c.acks().equals("all") && !c.idempotent() && same != null) { without.addAll(of(runs, FailoverMatrix.Run.Proof.CHECKED)); with.addAll(of(same, FailoverMatrix.Run.Proof.CHECKED)); }
        });
        if (without.isEmpty() || with.isEmpty()) return null;
        long bad = copies(without), good = copies(with);
        return sentence("under the same faults, without idempotence " + said(without) + " in " + without.size() + " runs with acks=all, with it " + said(with) + " in " + with.size()
                + (good > 0 ? ", which should not be: look at these" : bad > 0 ? ": leave it on, as it is by default" : ": no difference was seen"));
    }

    private static long copies(List<FailoverMatrix.Run> runs) { return runs.stream().mapToLong(r -> r.duplicated() + r.reordered()).sum(); }
    private static String said(List<FailoverMatrix.Run> runs) {
        return runs.stream().mapToLong(FailoverMatrix.Run::duplicated).sum() + " records were duplicated and " + runs.stream().mapToLong(FailoverMatrix.Run::reordered).sum() + " reordered";
    }

    private static FailoverMatrix.Cell with(FailoverMatrix.Cell c, boolean idempotent, FailoverMatrix.Fault fault) { return new FailoverMatrix.Cell(c.acks(), c.minIsr(), idempotent, fault, c.timeouts()); }

    /** Of combinations that were run with both. */
    private String onTimeouts() {
        List<Double> ratios = new ArrayList<>();
        cells.forEach((c, runs) -> {
            List<FailoverMatrix.Run> fast = cells.get(new FailoverMatrix.Cell(c.acks(), c.minIsr(), c.idempotent(), c.fault(), "fast"));
            if (c.timeouts().equals("default") && fast != null && gaps(runs).length > 0 && gaps(fast).length > 0) ratios.add(median(gaps(runs)) / median(gaps(fast)));
        });
        if (ratios.isEmpty()) return null;
        double[] sorted = ratios.stream().mapToDouble(x -> x).sorted().toArray();
        return sentence(String.format(Locale.ROOT, "with Kafka's own timeouts the longest gap was %.1f times as long as with the tuned ones (median of %d combinations, %.1f to %.1f)", median(sorted), sorted.length, sorted[0], sorted[sorted.length - 1]));
    }

    private List<FailoverMatrix.Run> of(Predicate<FailoverMatrix.Cell> which) { return cells.entrySet().stream().filter(e -> which.test(e.getKey())).flatMap(e -> e.getValue().stream()).toList(); }
    private static String setting(FailoverMatrix.Cell c) { return "acks=" + c.acks() + ", min ISR " + c.minIsr() + (c.acks().equals("all") ? c.idempotent() ? " and idempotence" : " and no idempotence" : ""); }
    private static String name(FailoverMatrix.Cell c) { return setting(c) + " under " + c.fault() + (c.timeouts().equals("default") ? " (default timeouts)" : ""); }
    private static String sentence(String s) { return Character.toUpperCase(s.charAt(0)) + s.substring(1) + "."; }
}
