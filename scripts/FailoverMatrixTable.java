import java.util.*;
import java.util.function.*;
import java.util.stream.*;

/** What the runs of a failover matrix come to: a row a combination with the spread over its runs, and advice that follows from these numbers and from nothing else. */
class FailoverMatrixTable {
    private static final List<String> COLUMNS = List.of("ACKS", "MIN ISR", "IDEMPOTENT", "FAULT", "TIMEOUTS", "RUNS", "LONGEST GAP, S", "ALL SILENT, S", "LOST", "ABSENT", "LANDED", "DUPLICATED", "REORDERED", "OTHER", "ERRORS");
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
        advice().forEach(a -> text.append(a).append('\n'));
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
        advice().forEach(a -> md.append("- ").append(a).append('\n'));
        return md.toString();
    }

    /** Of a partition and of all at once, the longest gap's median with its range; of what is counted the sum, and in how many runs there was any. */
    private List<List<String>> rows() {
        List<List<String>> rows = new ArrayList<>(List.of(COLUMNS));
        cells.forEach((c, runs) -> rows.add(List.of(c.acks(), "" + c.minIsr(), c.acks().equals("all") ? c.idempotent() ? "yes" : "no" : "-", c.fault().toString(), c.timeouts(), "" + runs.size(), spread(gaps(runs)), spread(sorted(runs, FailoverMatrix.Run::gapMs)),
                c.acks().equals("0") ? "-" : count(runs, FailoverMatrix.Run::lost), count(runs, FailoverMatrix.Run::absent), count(runs, FailoverMatrix.Run::landed), count(runs, FailoverMatrix.Run::duplicated),
                count(runs, FailoverMatrix.Run::reordered), count(runs, FailoverMatrix.Run::other), count(runs, FailoverMatrix.Run::errors))));
        return rows;
    }

    private static String spread(double[] s) { return s.length == 0 ? "-" : s.length == 1 ? seconds(s[0]) : seconds(median(s)) + " (" + seconds(s[0]) + " to " + seconds(s[s.length - 1]) + ")"; }
    private static double[] gaps(List<FailoverMatrix.Run> runs) { return sorted(runs, FailoverMatrix.Run::partitionGapMs); }
    private static double[] sorted(List<FailoverMatrix.Run> runs, Function<FailoverMatrix.Run, Long> of) { return runs.stream().map(of).filter(Objects::nonNull).mapToDouble(ms -> ms / 1e3).sorted().toArray(); }
    private static double median(double[] sorted) { return (sorted[(sorted.length - 1) / 2] + sorted[sorted.length / 2]) / 2; }
    private static String seconds(double s) { return String.format(Locale.ROOT, "%.2f", s); }

    private static String count(List<FailoverMatrix.Run> runs, ToLongFunction<FailoverMatrix.Run> of) {
        long sum = runs.stream().mapToLong(of).sum(), in = runs.stream().filter(r -> of.applyAsLong(r) > 0).count();
        return sum == 0 ? "0" : runs.size() == 1 ? "" + sum : sum + " in " + in + " of " + runs.size();
    }

    // ---- Advice ----

    /** Three sentences at most, each with its figures; what was not run is not spoken of. */
    List<String> advice() { return Stream.of(onLoss(), onFaults(), onIdempotence(), onTimeouts()).filter(Objects::nonNull).limit(3).toList(); }

    /** Who acknowledges before the followers have a record can lose it. One that might have lost and did not is named as well. */
    private String onLoss() {
        List<String> lost = new ArrayList<>(), lucky = new ArrayList<>();
        cells.forEach((c, runs) -> {
            long sum = runs.stream().mapToLong(FailoverMatrix.Run::lost).sum(), errors = runs.stream().mapToLong(FailoverMatrix.Run::errors).sum();
            if (sum > 0) lost.add(name(c) + " lost " + sum + " acknowledged records in " + runs.stream().filter(r -> r.lost() > 0).count() + " of " + runs.size() + " runs");
            else if (c.acks().equals("1") && c.fault() != FailoverMatrix.Fault.STOP_LEADER) lucky.add(name(c));
            if (c.acks().equals("0")) lost.add(name(c) + " left " + runs.stream().mapToLong(FailoverMatrix.Run::absent).sum() + " records out of the log, and " + (errors == 0 ? "no error said so" : errors + " errors were seen"));
        });
        List<FailoverMatrix.Run> safe = of(c -> c.acks().equals("all") && c.minIsr() > 1 && c.idempotent());
        String setting = "acks=all with min ISR " + safe.stream().map(r -> "" + r.cell().minIsr()).distinct().sorted().collect(Collectors.joining(" and ")) + " and idempotence";
        List<String> told = new ArrayList<>(lost);
        if (!lucky.isEmpty()) told.add(String.join(" and ", lucky) + " lost none this time (the followers had fetched what was acknowledged before the leader was gone), which is chance and no promise");
        if (!safe.isEmpty()) told.add(setting + (safe.stream().allMatch(r -> r.verdict().equals("pass")) ? " lost, duplicated and reordered nothing in " + safe.size() + " runs" + (lost.isEmpty() ? "" : ": use it where a record matters")
                : " did not hold in every run: look at these before anything else"));
        return told.isEmpty() ? null : sentence(String.join("; ", told));
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
                    // These two end when --hold is over, and the others by themselves.
                    List<String> held = Stream.of(FailoverMatrix.Fault.PAUSE_LEADER, FailoverMatrix.Fault.TWO_OF_THREE).filter(medians::containsKey).map(f -> "that of " + f).toList();
                    Double stop = medians.get(FailoverMatrix.Fault.STOP_LEADER), kill = medians.get(FailoverMatrix.Fault.KILL_LEADER);
                    return sentence("with " + setting(e.getKey()) + " the longest wait was " + all + " (medians" + (held.isEmpty() ? "" : String.format(Locale.ROOT, "; %s with the %s s of --hold in it", String.join(" and ", held),
                            e.getValue().values().iterator().next().get(0).holdMs() / 1e3)) + ")" + (stop == null || kill == null ? "" : ": a leader that is stopped in order costs " + String.format(Locale.ROOT, "%.2f", stop / Math.max(kill, 0.001)) + " of one that is killed"));
                }).orElse(null);
    }

    /** Of combinations that were run with both and differ in nothing else. */
    private String onIdempotence() {
        List<FailoverMatrix.Run> with = new ArrayList<>(), without = new ArrayList<>();
        cells.forEach((c, runs) -> {
            List<FailoverMatrix.Run> same = cells.get(with(c, true, c.fault()));
            if (c.acks().equals("all") && !c.idempotent() && same != null) { without.addAll(runs); with.addAll(same); }
        });
        if (without.isEmpty()) return null;
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
        return sentence(String.format(Locale.ROOT, "Kafka's own timeouts made the longest gap %.1f times as long as the tuned ones (median of %d combinations, %.1f to %.1f)", median(sorted), sorted.length, sorted[0], sorted[sorted.length - 1]));
    }

    private List<FailoverMatrix.Run> of(Predicate<FailoverMatrix.Cell> which) { return cells.entrySet().stream().filter(e -> which.test(e.getKey())).flatMap(e -> e.getValue().stream()).toList(); }
    private static String setting(FailoverMatrix.Cell c) { return "acks=" + c.acks() + ", min ISR " + c.minIsr() + (c.acks().equals("all") ? c.idempotent() ? " and idempotence" : " and no idempotence" : ""); }
    private static String name(FailoverMatrix.Cell c) { return setting(c) + " under " + c.fault() + (c.timeouts().equals("default") ? " (default timeouts)" : ""); }
    private static String sentence(String s) { return Character.toUpperCase(s.charAt(0)) + s.substring(1) + "."; }
}
