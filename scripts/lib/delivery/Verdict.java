import java.util.List;

/** What the verdicts of all checks have in common. */
interface Verdict {
    CheckResult result();

    /** Returns why not everything is known; empty if it is. */
    List<String> incomplete();

    default String verdict() {
        return result().word();
    }

    default int exitCode() {
        return result().exitCode;
    }
}
