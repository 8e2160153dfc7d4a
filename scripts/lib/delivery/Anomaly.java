/** What can be wrong with a record, in the order in which it is printed; docs/verifier.md defines each kind. */
enum Anomaly {
    LOST("lost", "lost", "LOST", Severity.FAILS),
    UNSEEN("unseen", "unseen", "UNSEEN", Severity.PROVES_NOTHING),
    EXPIRED("expired", "before the log's start", "EXPIRED", Severity.PROVES_NOTHING),
    ABORTED("aborted", "of aborted transactions", "ABORTED", Severity.PROVES_NOTHING),
    DUPLICATE("duplicates", "duplicated", "TWICE", Severity.FAILS_IF_IDEMPOTENT),
    REORDERED("reordered", "reordered", "ORDER", Severity.FAILS_IF_IDEMPOTENT),
    INCONSISTENT("inconsistent", "not at the acknowledged offset", "OFFSET", Severity.FAILS),
    ABORTED_READ("abortedReads", "in the log although failed", "FAILED", Severity.FAILS),
    PHANTOM("phantoms", "never attempted", "PHANTOM", Severity.FAILS);

    private enum Severity {
        FAILS,
        FAILS_IF_IDEMPOTENT,
        PROVES_NOTHING
    }

    /** The name in JSON. */
    final String field;
    /** What follows a number in a sentence. */
    final String words;
    /** The heading of a column. */
    final String column;

    private final Severity severity;

    Anomaly(String field, String words, String column, Severity severity) {
        this.field = field;
        this.words = words;
        this.column = column;
        this.severity = severity;
    }

    /** Returns whether it fails the check of any producer. */
    boolean fails() {
        return severity == Severity.FAILS;
    }

    /** Returns whether it fails the check of a producer that promises neither duplicates nor reordering. */
    boolean failsIfIdempotent() {
        return severity == Severity.FAILS || severity == Severity.FAILS_IF_IDEMPOTENT;
    }
}
