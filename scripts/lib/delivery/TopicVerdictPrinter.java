import java.io.PrintWriter;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;

/** Prints what can be said of a topic without a ledger: by partition, examples, the verdict, and what it cannot say. */
final class TopicVerdictPrinter {
    private static final String EXAMPLE = "%-32s %9s %12s %6s %-24s  %s%n";
    private static final String PARTITION = "%-9s %12s %12s %12s %10s %10s %10s%n";

    private final PrintWriter out;

    TopicVerdictPrinter(PrintWriter out) {
        this.out = out;
    }

    private void printf(String format, Object... values) {
        out.printf(Locale.ROOT, format, values);
    }

    void print(TopicVerdict verdict) {
        printPartitions(verdict.findings().partitions());
        printExamples(verdict.findings().examples());
        List<String> parts = inWords(verdict);
        printf(
                "%n%s: %d records of %s, %d of them with a producer's number, %d without a key; %s.%n",
                verdict.result(),
                verdict.counts().read(),
                Cli.printable(verdict.topic()),
                verdict.counts().numbered(),
                verdict.counts().withoutKey(),
                parts.isEmpty() ? "nothing is wrong with what is there" : Cli.printable(String.join("; ", parts)));
        out.println("Without the producers' ledger it is not known whether all that was acknowledged is there,"
                + " whether anything is that was never sent, nor what was before the first offset.");
    }

    private void printPartitions(List<TopicVerdict.Partition> partitions) {
        printf(PARTITION, "PARTITION", "FROM", "TO", "READ", "GAPS", "DUPLICATED", "REORDERED");
        for (TopicVerdict.Partition p : partitions) {
            Map<Finding, Long> findings = p.findings();
            printf(
                    PARTITION,
                    p.partition(),
                    p.from(),
                    p.to(),
                    p.read(),
                    findings.get(Finding.GAP),
                    findings.get(Finding.DUPLICATE),
                    findings.get(Finding.REORDERED));
        }
    }

    private void printExamples(List<TopicVerdict.Example> examples) {
        if (examples.isEmpty()) {
            return;
        }
        out.println();
        printf(EXAMPLE, "FIRST OF EACH KIND", "PARTITION", "OFFSET", "EPOCH", "TIMESTAMP", "KEY");
        for (TopicVerdict.Example x : examples) {
            String key = Cli.printable(x.key());
            printf(EXAMPLE, x.finding().words, x.partition(), x.offset(), x.leaderEpoch(), x.timeText(), key);
        }
    }

    private static List<String> inWords(TopicVerdict verdict) {
        List<String> parts = new ArrayList<>();
        verdict.findings().counts().forEach((finding, n) -> {
            if (n > 0 && !finding.isOpen()) {
                parts.add(n + " " + finding.words);
            }
        });
        long gaps = verdict.findings().counts().get(Finding.GAP);
        if (verdict.compacted() && gaps > 0) {
            parts.add(gaps + " offsets without a record, as compaction leaves them");
        }
        if (verdict.counts().aborted() > 0) {
            parts.add(verdict.counts().aborted() + " of aborted transactions, which are not judged");
        }
        if (verdict.counts().open() > 0) {
            parts.add(verdict.counts().open() + " in open transactions, which are not judged");
        }
        for (TopicVerdict.Partition p : verdict.findings().partitions()) {
            if (p.from() > 0) {
                parts.add("partition " + p.partition() + " begins at offset " + p.from());
            }
        }
        parts.addAll(verdict.incomplete());
        return parts;
    }
}
