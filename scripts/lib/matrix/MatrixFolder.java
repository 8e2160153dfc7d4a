//SOURCES MatrixCell.java MatrixRun.java MatrixTable.java ../cli/Cli.java

import com.fasterxml.jackson.jr.ob.JSON;
import java.io.IOException;
import java.nio.file.*;
import java.time.*;
import java.time.format.DateTimeFormatter;
import java.util.*;
import java.util.regex.Pattern;
import java.util.stream.*;

/** A matrix's folder: its runs, a line each in matrix.jsonl, its table, and the ledgers of the runs under way. */
final class MatrixFolder {
    enum Claim {
        NEW,
        CONTINUED
    }

    static final String RUNS = "matrix.jsonl";
    static final String TOPIC = "matrix-";
    private static final String LEDGER = ".ledger.jsonl";
    private static final String LEDGERS = TOPIC + "[0-9a-z]+" + Pattern.quote(LEDGER);

    private final Path path;
    private final Path lines;
    private final List<MatrixRun> runs = new ArrayList<>();

    MatrixFolder(Path path) {
        this.path = path;
        lines = path.resolve(RUNS);
    }

    static Path newPath() {
        DateTimeFormatter time = DateTimeFormatter.ofPattern("yyyyMMdd-HHmmss").withZone(ZoneId.systemDefault());
        return Path.of("runs", "matrix-" + time.format(Instant.now()));
    }

    /** Creates the folder, or makes sure that it is a matrix's: other files of these names stay as they are. */
    Claim claim(boolean isMarked) throws IOException {
        try {
            Files.createDirectories(path);
        } catch (IOException e) {
            String why = e.getMessage();
            throw new Cli.Exit(1, "Cannot make the folder " + path + ": " + why + "; name another with --out.");
        }
        List<Path> files = list("matrix\\.(jsonl|md)|" + LEDGERS);
        boolean links = files.stream().anyMatch(Files::isSymbolicLink);
        if (links || !files.isEmpty() && !isMarked) {
            List<String> names = files.stream()
                    .map(file -> Cli.printable(file.getFileName()))
                    .toList();
            throw new Cli.Exit(
                    Cli.REFUSED,
                    path + " has files that no failover-matrix has written there (" + String.join(", ", names)
                            + "), and they stay as they are: name another folder with --out.");
        }
        return files.isEmpty() ? Claim.NEW : Claim.CONTINUED;
    }

    // ---- The runs ----

    /** Reads the runs, one line each. Returns how many lines are damaged. */
    int readRuns() throws IOException {
        runs.clear();
        if (!Files.exists(lines)) {
            return 0;
        }
        String text = Files.readString(lines);
        if (!text.isEmpty() && !text.endsWith("\n")) {
            Files.writeString(lines, "\n", StandardOpenOption.APPEND); // a kill cut the last line off
        }
        int damaged = 0;
        for (String line : text.lines().filter(l -> !l.isBlank()).toList()) {
            try {
                replace(MatrixRun.of(JSON.std.mapFrom(line)));
            } catch (IOException | RuntimeException cutOff) {
                damaged++;
            }
        }
        return damaged;
    }

    /** Refuses to continue with another rate or another duration of the fault. */
    void requireConditions(double rate, long holdMs) {
        for (MatrixRun run : runs) {
            MatrixRun.Plan plan = run.plan();
            if (plan.rate() != rate || plan.holdMs() != holdMs) {
                throw new Cli.Exit(
                        2,
                        String.format(
                                Locale.ROOT,
                                "The runs in %s are with --rate %.0f --fault-duration %dms: give the same, or another"
                                        + " --out.",
                                path,
                                plan.rate(),
                                plan.holdMs()));
            }
        }
    }

    /** Returns the runs, one of each number and combination. */
    List<MatrixRun> runs() {
        return List.copyOf(runs);
    }

    /** Returns how many runs could not be checked to the end. */
    int unfinished() {
        return MatrixRun.withProof(MatrixRun.Proof.UNFINISHED, runs).size();
    }

    /** Returns, round by round, the runs that are missing. */
    List<MatrixRun.Plan> missing(List<MatrixCell> cells, int repeat, double rate, long holdMs) {
        return IntStream.rangeClosed(1, repeat)
                .boxed()
                .flatMap(number -> cells.stream().map(cell -> new MatrixRun.Plan(cell, number, rate, holdMs)))
                .filter(plan -> !has(plan))
                .toList();
    }

    /** Returns whether a run is done and was checked to the end. One that proves nothing is done as well. */
    private boolean has(MatrixRun.Plan plan) {
        return runs.stream().anyMatch(run -> run.plan().isSameRun(plan) && run.proof() != MatrixRun.Proof.UNFINISHED);
    }

    /** Replaces an earlier run of the same number and combination. */
    private void replace(MatrixRun run) {
        runs.removeIf(earlier -> earlier.plan().isSameRun(run.plan()));
        runs.add(run);
    }

    void add(MatrixRun run) throws IOException {
        replace(run);
        append(RUNS, List.of(run.fields().asMap()));
    }

    private void append(String name, List<Map<String, Object>> lines) throws IOException {
        Path file = path.resolve(name);
        for (Map<String, Object> line : lines) {
            String text = JSON.std.asString(line) + "\n";
            Files.writeString(file, text, StandardOpenOption.CREATE, StandardOpenOption.APPEND);
        }
    }

    /** Writes the table as Markdown, if there is a run. Returns it as text. */
    String writeTable() throws IOException {
        MatrixTable table = new MatrixTable(runs);
        if (!runs.isEmpty()) {
            Files.writeString(path.resolve("matrix.md"), table.markdown());
        }
        return table.text();
    }

    // ---- The ledgers ----

    Path ledgerOf(String topic) {
        return path.resolve(topic + LEDGER);
    }

    /** Returns the ledgers of runs that were killed, by topic. */
    Map<String, Path> leftLedgers() throws IOException {
        Map<String, Path> ledgers = new LinkedHashMap<>();
        for (Path ledger : list(LEDGERS)) {
            ledgers.put(ledger.getFileName().toString().replace(LEDGER, ""), ledger);
        }
        return ledgers;
    }

    /** Keeps the ledger of a run that has to be looked at, and what was found. Returns where the ledger is. */
    Path keepAnomalies(Path ledger, List<Map<String, Object>> verdicts) throws IOException {
        Path kept = path.resolve("anomalies-" + ledger.getFileName());
        Files.copy(ledger, kept, StandardCopyOption.REPLACE_EXISTING);
        append("anomalies-verdicts.jsonl", verdicts);
        return kept;
    }

    private List<Path> list(String names) throws IOException {
        try (Stream<Path> files = Files.list(path)) {
            return files.filter(file -> file.getFileName().toString().matches(names))
                    .toList();
        }
    }

    @Override
    public String toString() {
        return path.toString();
    }
}
