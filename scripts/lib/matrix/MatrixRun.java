//SOURCES MatrixCell.java ../cli/EventFields.java

import java.util.*;

/** What one run cost. */
record MatrixRun(Plan plan, Gaps gaps, Map<Count, Long> counts, Result result) {
    /** A run that is to be done, and under which conditions. */
    record Plan(MatrixCell cell, int number, double rate, long holdMs) {
        boolean isSameRun(Plan other) {
            return cell.equals(other.cell) && number == other.number;
        }
    }

    /**
     * The longest gaps; both null with acks=0 or when the gap never ended.
     *
     * @param allMs in which no partition acknowledged anything
     * @param partitionMs of the partition that waited longest
     */
    record Gaps(Long allMs, Long partitionMs) {}

    /** @param reasons why the run is not complete; a run that broke off has nothing else */
    record Result(String verdict, long tookMs, List<String> reasons) {}

    /** What is counted, under its name in the event. */
    enum Count {
        ACKNOWLEDGED("acknowledged"),
        LOST("lost"),
        LANDED("indeterminateLanded"),
        ABSENT("indeterminateAbsent"),
        FAILED("failed"),
        DUPLICATED("duplicates"),
        REORDERED("reordered"),
        OTHER("otherAnomalies"),
        ERRORS("errors"),
        UNSEEN("unseen");

        private final String field;

        Count(String field) {
            this.field = field;
        }
    }

    /** What a run is worth as evidence of loss. */
    enum Proof {
        CHECKED,
        NOTHING_PROMISED,
        UNFINISHED
    }

    /** Returns a run that came to no end: it is done again. */
    static MatrixRun brokenOff(Plan plan, String why, long tookMs) {
        Map<Count, Long> none = new EnumMap<>(Count.class);
        List.of(Count.values()).forEach(count -> none.put(count, 0L));
        List<String> reasons = List.of("it broke off: " + why);
        return new MatrixRun(plan, new Gaps(null, null), none, new Result("incomplete", tookMs, reasons));
    }

    /** Returns the runs of each combination, in the order in which the combinations were first run. */
    static Map<MatrixCell, List<MatrixRun>> byCell(List<MatrixRun> runs) {
        Map<MatrixCell, List<MatrixRun>> cells = new LinkedHashMap<>();
        for (MatrixRun run : runs) {
            cells.computeIfAbsent(run.cell(), cell -> new ArrayList<>()).add(run);
        }
        return cells;
    }

    static List<MatrixRun> withProof(Proof proof, List<MatrixRun> runs) {
        return runs.stream().filter(run -> run.proof() == proof).toList();
    }

    static long sum(Count count, List<MatrixRun> runs) {
        return runs.stream().mapToLong(run -> run.count(count)).sum();
    }

    MatrixCell cell() {
        return plan.cell;
    }

    long count(Count count) {
        return counts.get(count);
    }

    String verdict() {
        return result.verdict;
    }

    /**
     * Returns what this run may be counted for: without an acknowledgement nothing was promised, and what was not read
     * to the end may still hold anything.
     */
    Proof proof() {
        if (verdict().equals("fail")) {
            return Proof.CHECKED;
        }
        if (count(Count.ACKNOWLEDGED) == 0) {
            boolean sent = count(Count.LANDED) + count(Count.ABSENT) > 0;
            return sent ? Proof.NOTHING_PROMISED : Proof.UNFINISHED;
        }
        return verdict().equals("pass") ? Proof.CHECKED : Proof.UNFINISHED;
    }

    /** Returns the fields of the event {@code matrix-run}, which are also a line of matrix.jsonl. */
    EventFields fields() {
        EventFields fields = new EventFields()
                .with("acks", cell().acks())
                .with("minIsr", cell().minIsr())
                .with("idempotent", cell().idempotent())
                .with("fault", cell().fault().toString())
                .with("timeouts", cell().timeouts())
                .with("run", plan.number)
                .with("rate", plan.rate)
                .with("holdMs", plan.holdMs)
                .with("gapMs", gaps.allMs)
                .with("partitionGapMs", gaps.partitionMs);
        EnumSet.range(Count.ACKNOWLEDGED, Count.ERRORS).forEach(count -> fields.with(count.field, count(count)));
        return fields.with("verdict", verdict())
                .with("tookMs", result.tookMs)
                .with(Count.UNSEEN.field, count(Count.UNSEEN))
                .with("incomplete", result.reasons);
    }

    /** Reads a line of matrix.jsonl; one of an earlier version has neither reasons nor unseen records. */
    static MatrixRun of(Map<String, Object> line) {
        MatrixCell.Fault fault = MatrixCell.Fault.of(line.get("fault").toString());
        MatrixCell cell = new MatrixCell(
                (String) line.get("acks"),
                (Integer) line.get("minIsr"),
                (Boolean) line.get("idempotent"),
                fault,
                (String) line.get("timeouts"));
        double rate = ((Number) line.get("rate")).doubleValue();
        Map<Count, Long> counts = new EnumMap<>(Count.class);
        for (Count count : Count.values()) {
            boolean isMissing = count == Count.UNSEEN && line.get(count.field) == null;
            counts.put(count, isMissing ? Long.valueOf(0) : required(line, count.field));
        }
        List<String> reasons = line.get("incomplete") instanceof List<?> list
                ? list.stream().map(String::valueOf).toList()
                : List.of();
        return new MatrixRun(
                new Plan(cell, (Integer) line.get("run"), rate, required(line, "holdMs")),
                new Gaps(number(line, "gapMs"), number(line, "partitionGapMs")),
                counts,
                new Result((String) line.get("verdict"), required(line, "tookMs"), reasons));
    }

    private static Long required(Map<String, Object> line, String field) {
        return Objects.requireNonNull(number(line, field), field);
    }

    private static Long number(Map<String, Object> line, String field) {
        return line.get(field) == null ? null : ((Number) line.get(field)).longValue();
    }
}
