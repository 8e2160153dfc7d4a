import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/** Finds the runs that arguments name: each folder is one; files, and stdin, are one together. */
final class RunInputs {
    private static final String STDIN = "-";

    /** Whether files are read once, and have to be there, or may still come. */
    enum Reading {
        ONCE,
        FOLLOWED
    }

    private final Reading reading;
    private final List<ReportRun> runs = new ArrayList<>();
    private ReportRun loose;

    private RunInputs(Reading reading) {
        this.reading = reading;
    }

    /** Returns the runs, nothing read yet. */
    static List<ReportRun> open(List<String> inputs, Reading reading) throws IOException {
        if (inputs.isEmpty() && System.console() != null) {
            throw new Cli.Exit(2, "Which run? Name its folder or event files, or pipe events to stdin.");
        }
        RunInputs opened = new RunInputs(reading);
        for (String input : inputs.isEmpty() ? List.of(STDIN) : inputs) {
            opened.add(input);
        }
        return opened.runs;
    }

    private void add(String input) throws IOException {
        Path path = Path.of(input);
        if (Files.isDirectory(path)) {
            addFolder(path);
        } else if (input.equals(STDIN)) {
            looseRun("stdin").stdin = System.in;
        } else {
            addFile(path);
        }
    }

    private void addFolder(Path folder) throws IOException {
        ReportRun run = ReportRun.ofFolder(folder);
        run.list();
        boolean hasEvents = run.files.stream().anyMatch(file -> file.toString().endsWith(".jsonl"));
        if (reading == Reading.ONCE && !hasEvents) {
            throw new Cli.Exit(2, folder + " is not a run's folder: no .jsonl file with events is in it.");
        }
        runs.add(run);
    }

    private void addFile(Path file) {
        if (reading == Reading.ONCE && !Files.isReadable(file)) {
            String why = Files.exists(file) ? "not allowed." : "there is no such file or folder.";
            throw new Cli.Exit(2, "Cannot read " + file + ": " + why);
        }
        looseRun(file.getFileName().toString()).files.add(file);
    }

    private ReportRun looseRun(String name) {
        if (loose == null) {
            loose = new ReportRun(name);
            runs.add(loose);
        }
        return loose;
    }
}
