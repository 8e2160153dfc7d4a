import java.io.PrintWriter;
import java.util.*;

/** Prints the verdicts of delivery checks: tables, examples, and the verdict in one line. */
final class VerdictPrinter {
    private static final List<Anomaly> ALL = Arrays.asList(Anomaly.values());
    private static final String EXAMPLE = "%-32s %9s %10s %5s %-24s %-18s %s%n";

    private final PrintWriter out;

    VerdictPrinter(PrintWriter out) {
        this.out = out;
    }

    private void printf(String format, Object... values) {
        out.printf(Locale.ROOT, format, values);
    }

    // ---- Records with an identity ----

    void print(DeliveryVerdict verdict) {
        printf("%-32s %10s%n", "RECORDS OF " + Cli.printable(verdict.scope().topic()), "COUNT");
        counts(verdict).forEach((what, n) -> printf("%-32s %10d%n", what, n));
        printf("%n%-9s %12s %10s", "PARTITION", "ACKNOWLEDGED", "READ");
        printPartitions(verdict.report(), "%n%-9d %12d %10d", ALL);
        printFaults(verdict.report().faults());
        printExamples(verdict.report().examples());
        printLine(verdict);
    }

    private static Map<String, Long> counts(DeliveryVerdict verdict) {
        Map<String, Long> rows = new LinkedHashMap<>();
        rows.put("acknowledged", verdict.ledger().acknowledged());
        rows.put("failed", verdict.ledger().failed());
        rows.put("indeterminate, landed", verdict.ledger().landed());
        rows.put("indeterminate, absent", verdict.ledger().absent());
        rows.put("read", verdict.log().read());
        rows.put("of other runs", verdict.log().other());
        if (verdict.log().unknown() > 0) {
            rows.put("not in the ledger", verdict.log().unknown());
        }
        verdict.report().anomalies().forEach((anomaly, n) -> rows.put(anomaly.words, n));
        return rows;
    }

    private void printPartitions(Anomaly.Report report, String row, List<Anomaly> kinds) {
        kinds.forEach(kind -> printf(" %" + kind.width() + "s", kind.words.toUpperCase(Locale.ROOT)));
        for (Anomaly.Report.Partition p : report.partitions()) {
            printf(row, p.partition(), p.acknowledged(), p.read());
            kinds.forEach(
                    kind -> printf(" %" + kind.width() + "d", p.anomalies().get(kind)));
        }
        out.println();
    }

    private void printFaults(Map<FaultWindow, Long> faults) {
        if (faults.isEmpty()) {
            return;
        }
        printf("%n%-12s %-24s %-24s %10s%n", "FAULT", "FROM", "UNTIL", "ANOMALIES");
        faults.forEach(
                (fault, n) -> printf("%-12s %-24s %-24s %10d%n", nameOf(fault), fault.beginText(), fault.endText(), n));
    }

    private static String nameOf(FaultWindow fault) {
        return Cli.printable(fault.mode()) + " " + fault.node();
    }

    private void printExamples(List<Anomaly.Example> examples) {
        if (examples.isEmpty()) {
            return;
        }
        out.println();
        printf(EXAMPLE, "FIRST OF EACH KIND", "PARTITION", "OFFSET", "EPOCH", "TIME", "FAULT", "IDENTITY");
        for (Anomaly.Example x : examples) {
            Anomaly.Example.Place place = x.place();
            printf(
                    EXAMPLE,
                    x.anomaly().words,
                    place.partition(),
                    place.offset(),
                    place.epochText(),
                    place.timeText(),
                    sinceFault(x),
                    Cli.printable(x.identity().text()));
        }
    }

    private static String sinceFault(Anomaly.Example example) {
        FaultWindow fault = example.fault();
        if (fault == null) {
            return "-";
        }
        return String.format(Locale.ROOT, "%s %+.2f s", nameOf(fault), example.sinceFault() / 1e3);
    }

    private void printLine(DeliveryVerdict verdict) {
        List<String> producers = verdict.scope().producers();
        String by = producers.size() == 1 ? "producer " + producers.get(0) : producers.size() + " producers";
        String found = inWords(verdict, verdict.report(), ALL);
        printf(
                "%n%s: %d acknowledged in %s, of %s%s.%n",
                verdict.result(),
                verdict.acknowledged(),
                Cli.printable(verdict.scope().topic()),
                Cli.printable(by),
                found.isEmpty() ? ": all in the log, none twice, none out of order" : found);
    }

    /** Returns the counts of what was found and why not everything is known, each after a semicolon. */
    private static String inWords(LogCheck.Verdict verdict, Anomaly.Report report, List<Anomaly> kinds) {
        List<String> parts = new ArrayList<>();
        for (Anomaly kind : kinds) {
            if (report.count(kind) > 0) {
                parts.add(report.count(kind) + " " + kind.words);
            }
        }
        parts.addAll(verdict.incomplete());
        return parts.isEmpty() ? "" : "; " + Cli.printable(String.join("; ", parts));
    }

    // ---- Records of perf ----

    void print(LoadVerdict verdict) {
        printf("%-9s %12s %12s", "PARTITION", "ACKNOWLEDGED", "READ");
        printPartitions(verdict.report(), "%n%-9d %12d %12d", LoadVerdict.KINDS);
        for (Anomaly.Example x : verdict.report().examples()) {
            long offset = x.place().offset();
            printf(
                    "%s from offset %d of partition %d on%n",
                    x.anomaly().words, offset, x.place().partition());
        }
        printf(
                "%n%s: %d of %d acknowledged records of perf's run %s are in %s%s.%n",
                verdict.result(),
                verdict.counts().found(),
                verdict.counts().acknowledged(),
                Cli.printable(String.join(", ", verdict.scope().runs())),
                Cli.printable(verdict.scope().topic()),
                inWords(verdict, verdict.report(), LoadVerdict.KINDS));
        out.println("Records of perf have no identity: a record at an acknowledged offset that is not later than the"
                + " run is taken for the one that was acknowledged.");
    }
}
