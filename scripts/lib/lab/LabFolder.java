//SOURCES ../cli/Cli.java ../cli/Messages.java ../cluster/OwnFiles.java
//SOURCES ../report/ReportRun.java ../report/ReportPage.java ../report/LivePage.java ../../Cluster.java

import java.io.*;
import java.nio.file.*;
import java.util.*;

/** The folder of a run: it takes one, and what others have written there stays as it is. */
final class LabFolder {
    private static final String LEDGER = "ledger.jsonl";
    private static final List<String> FILES = List.of(
            "events.jsonl", LEDGER, "load-ledger.jsonl", "perf.hlog", "verdict.json", "notebook.md", "report.html");
    /** What the folder's mark says that it is. */
    private static final String RUN = "a run";

    private final Path path;

    LabFolder(Path path) {
        this.path = path;
    }

    Path file(String name) {
        return path.resolve(name);
    }

    @Override
    public String toString() {
        return path.toString();
    }

    /**
     * Refuses a folder with a run, or with files of these names that no lab has written, or that are links. What a lab
     * began there that came to no producer is not worth keeping.
     */
    void requireUnused(Messages words) {
        if (Files.exists(file(LEDGER))) {
            throw new Cli.Exit(Cli.REFUSED, words.text("run.taken", path));
        }
        List<String> there = filesThere();
        boolean links = there.stream().anyMatch(name -> Files.isSymbolicLink(file(name)));
        boolean ours = OwnFiles.isMarked(path, RUN) && !links;
        if (!there.isEmpty() && !ours) {
            throw new Cli.Exit(Cli.REFUSED, words.text("run.others", path, String.join(", ", there)));
        }
    }

    /** Makes and marks it, deletes what such a lab has left, and returns where the events go. */
    Writer claim() {
        try {
            Files.createDirectories(path);
            OwnFiles.mark(
                    path, RUN, "lab", "as long as it has no ledger, the next lab with this --out replaces its files");
            for (String name : filesThere()) {
                Files.delete(file(name));
            }
            return new OutputStreamWriter(
                    new FileOutputStream(file("events.jsonl").toFile()), "UTF-8");
        } catch (IOException e) {
            String why = OwnFiles.reason(e);
            throw new Cli.Exit(
                    1, "Cannot write to the run's folder " + path + ": " + why + "; name another with --out.");
        }
    }

    private List<String> filesThere() {
        return FILES.stream().filter(name -> isFileOrLink(file(name))).toList();
    }

    private static boolean isFileOrLink(Path path) {
        return Files.exists(path, LinkOption.NOFOLLOW_LINKS) && !Files.isDirectory(path, LinkOption.NOFOLLOW_LINKS);
    }

    /** Serves the run's page while it goes on. Throws an Exit when the port is taken or is not a port. */
    LivePage serve(int port) throws IOException {
        try {
            return new LivePage(List.of(ReportRun.ofFolder(path)), port);
        } catch (Cli.Exit e) {
            throw new Cli.Exit(e.getExitCode(), e.getMessage().replace("--port", "--dashboard=PORT"));
        }
    }

    /** Writes the page as a file. Whatever goes wrong in it costs the run nothing, and is returned. */
    Optional<Throwable> writePage() {
        try {
            ReportRun run = ReportRun.ofFolder(path);
            run.list();
            run.readAll();
            ReportPage.write(file("report.html"), List.of(run));
            return Optional.empty();
        } catch (IOException | RuntimeException | LinkageError | OutOfMemoryError e) {
            return Optional.of(e);
        }
    }
}
