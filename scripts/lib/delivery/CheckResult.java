import java.util.Locale;

/** The result of a check, from the best to the worst. */
enum CheckResult {
    PASS(0),
    INCOMPLETE(Cli.INCOMPLETE),
    FAIL(Cli.ANOMALY);

    final int exitCode;

    CheckResult(int exitCode) {
        this.exitCode = exitCode;
    }

    /** Returns the result of a check: what is proved wrong counts even if not everything was read. */
    static CheckResult of(boolean fails, boolean complete) {
        if (fails) {
            return FAIL;
        }
        return complete ? PASS : INCOMPLETE;
    }

    /** Returns the word for it in JSON. */
    String word() {
        return name().toLowerCase(Locale.ROOT);
    }
}
