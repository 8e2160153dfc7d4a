//SOURCES MatrixRun.java MatrixTable.java ../cli/Cli.java ../../Cluster.java

import com.fasterxml.jackson.jr.ob.JSON;
import java.io.IOException;
import java.nio.file.*;
import java.util.*;
import java.util.function.Consumer;
import java.util.regex.Pattern;
import java.util.stream.Stream;

/** A matrix's folder: its runs, a line each in matrix.jsonl, its table, and the ledgers of the runs under way. */
final class MatrixFolder {
    static final String TOPIC = "matrix-";
    private static final String LEDGER = ".ledger.jsonl";
    private static final String LEDGERS = TOPIC + "[0-9a-z]+" + Pattern.quote(LEDGER);
    private static final String MARK = "a matrix";

    private final Path path;
    private final Path runs;

    MatrixFolder(Path path) {
        this.path = path;
        runs = path.resolve("matrix.jsonl");
    }

    /** Makes the folder, or makes sure that it is a matrix's: others' files of those names stay as they are. */
    void claim() throws IOException {
        try {
            Files.createDirectories(path);
        } catch (IOException e) {
            String why = e.getMessage();
            throw new Cli.Exit(1, "Cannot make the folder " + path + ": " + why + "; name another with --out.");
        }
        List<Path> files = list("matrix\\.(jsonl|md)|" + LEDGERS);
        boolean links = files.stream().anyMatch(Files::isSymbolicLink);
        // An earlier version did not mark its folder.
        boolean ours = Cluster.Own.isMarked(path, MARK) || Cluster.Own.begins(runs, "{\"acks\":");
        if (links || !files.isEmpty() && !ours) {
            List<String> names = files.stream()
                    .map(file -> Cli.printable(file.getFileName()))
                    .toList();
            throw new Cli.Exit(
                    Cli.REFUSED,
                    path + " has files that no failover-matrix has written there (" + String.join(", ", names)
                            + "), and they stay as they are: name another folder with --out.");
        }
        if (files.isEmpty()) {
            Cluster.Own.mark(path, MARK, "failover-matrix", "it goes on from the runs here");
        }
    }

    /** Reads the runs in the order in which they were done; lines that are none go to {@code unreadable}. */
    List<MatrixRun> readRuns(Consumer<Path> unreadable) throws IOException {
        if (!Files.exists(runs)) {
            return List.of();
        }
        String text = Files.readString(runs);
        if (!text.isEmpty() && !text.endsWith("\n")) {
            Files.writeString(runs, "\n", StandardOpenOption.APPEND); // a kill cut the last line off
        }
        List<MatrixRun> read = new ArrayList<>();
        for (String line : text.lines().filter(l -> !l.isBlank()).toList()) {
            try {
                read.add(MatrixRun.of(JSON.std.mapFrom(line)));
            } catch (IOException | RuntimeException cutOff) {
                unreadable.accept(runs);
            }
        }
        return read;
    }

    void append(MatrixRun run) throws IOException {
        append("matrix.jsonl", List.of(run.fields().asMap()));
    }

    private void append(String name, List<Map<String, Object>> lines) throws IOException {
        Path file = path.resolve(name);
        for (Map<String, Object> line : lines) {
            String text = JSON.std.asString(line) + "\n";
            Files.writeString(file, text, StandardOpenOption.CREATE, StandardOpenOption.APPEND);
        }
    }

    void writeTable(MatrixTable table) throws IOException {
        Files.writeString(path.resolve("matrix.md"), table.markdown());
    }

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
