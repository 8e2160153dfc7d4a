import java.io.PrintWriter;
import java.time.Instant;
import java.util.*;

/**
 * What can be said of a topic without a ledger.
 *
 * @param compacted gaps have their reason
 */
record TopicVerdict(
        LogCheck.Result result,
        String topic,
        Counts counts,
        boolean compacted,
        Findings findings,
        List<String> incomplete)
        implements LogCheck.Verdict {

    /**
     * Counts of records.
     *
     * @param aborted those of aborted transactions
     * @param open those of open transactions
     */
    record Counts(long read, long numbered, long withoutKey, long aborted, long open) {}

    /** What was found: the count of every kind, by partition, and the first of each kind. */
    record Findings(Map<Finding, Long> counts, List<Partition> partitions, List<Example> examples) {}

    /** A partition: what of it was read, and what was found there. Missing numbers are of no partition. */
    record Partition(int partition, long from, long to, long read, Map<Finding, Long> findings) {
        private EventFields fields() {
            return new EventFields()
                    .with("partition", partition)
                    .with("from", from)
                    .with("to", to)
                    .with("read", read)
                    .withCounts(findings, finding -> finding.field);
        }
    }

    /**
     * Where something was found. A gap is shown at its first offset, with the epoch and time of the record behind it;
     * behind the last record there is none (-1).
     */
    record Example(Finding finding, String key, int partition, long offset, int leaderEpoch, long timestamp) {
        static final Comparator<Example> BY_KIND_AND_PLACE = Comparator.comparing(Example::finding)
                .thenComparing(Example::partition)
                .thenComparing(Example::offset);

        private EventFields fields() {
            EventFields fields = new EventFields()
                    .with("finding", finding.field)
                    .with("key", key)
                    .with("partition", partition)
                    .with("offset", offset)
                    .with("leaderEpoch", leaderEpoch);
            return timestamp < 0 ? fields : fields.with("timestamp", timeText());
        }

        String timeText() {
            return timestamp < 0 ? "-" : Instant.ofEpochMilli(timestamp).toString();
        }
    }

    EventFields fields() {
        return new EventFields()
                .with("verdict", verdict())
                .with("topic", topic)
                .with("read", counts.read)
                .with("numbered", counts.numbered)
                .with("withoutKey", counts.withoutKey)
                .with("compacted", compacted)
                .with("aborted", counts.aborted)
                .with("open", counts.open)
                .withCounts(findings.counts, finding -> finding.field)
                .with("incomplete", incomplete)
                .with(
                        "partitions",
                        findings.partitions.stream().map(Partition::fields).toList())
                .with(
                        "examples",
                        findings.examples.stream().map(Example::fields).toList());
    }

    /** What check-topic finds, in the order in which it is printed; docs/verifier.md defines each kind. */
    enum Finding {
        DUPLICATE("duplicates", "an identity a second time", Weight.PROVED),
        REORDERED("reordered", "a number after a later one", Weight.PROVED),
        EPOCH("epochs", "leader epoch goes back", Weight.PROVED),
        GAP("gaps", "offsets without a record", Weight.OPEN),
        MISSING("missing", "numbers in no record", Weight.OPEN),
        REPEATED("repeatedKeys", "a key again (an update?)", Weight.REPORTED),
        CLOCK("clock", "timestamp before the last one's", Weight.REPORTED);

        private enum Weight {
            PROVED,
            OPEN,
            REPORTED
        }

        /** The name in JSON. */
        final String field;
        /** What follows a number in a sentence. */
        final String words;

        private final Weight weight;

        Finding(String field, String words, Weight weight) {
            this.field = field;
            this.words = words;
            this.weight = weight;
        }

        /** Returns whether it cannot be right. */
        boolean isProved() {
            return weight == Weight.PROVED;
        }

        /** Returns whether it may have its reason, or not. */
        boolean isOpen() {
            return weight == Weight.OPEN;
        }
    }

    /** Prints the partitions, examples, the verdict in a line, and what it does not cover. */
    static final class Printer {
        private static final String EXAMPLE = "%-32s %9s %12s %6s %-24s  %s%n";
        private static final String PARTITION = "%-9s %12s %12s %12s %10s %10s %10s%n";

        private final PrintWriter out;

        Printer(PrintWriter out) {
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
}
