import java.io.IOException;
import java.nio.file.*;
import java.util.*;

/** The folder of a run: it takes one, and what others have written there stays as it is. */
class LabFolder {
    private static final List<String> FILES = List.of(
            "events.jsonl",
            "ledger.jsonl",
            "load-ledger.jsonl",
            "perf.hlog",
            "verdict.json",
            "notebook.md",
            "report.html");
    /** What the folder's mark says that it is. */
    private static final String RUN = "a run";

    /** Refuses a folder with a run, or with files of these names that no lab has written, or that are links. What a lab began there that came to no producer is not worth keeping. */
    static void requireUnused(Path folder, LabMessages words) {
        if (Files.exists(folder.resolve("ledger.jsonl")))
            throw new Cli.Exit(Cli.REFUSED, words.text("run.taken", folder));
        List<String> there = FILES.stream()
                .filter(name -> isFileOrLink(folder.resolve(name)))
                .toList();
        boolean ours = Cluster.Own.isMarked(folder, RUN)
                && there.stream().noneMatch(name -> Files.isSymbolicLink(folder.resolve(name)));
        if (!there.isEmpty() && !ours)
            throw new Cli.Exit(Cli.REFUSED, words.text("run.others", folder, String.join(", ", there)));
    }

    /** Makes and marks it, and deletes what such a lab has left. */
    static void claim(Path folder) throws IOException {
        Files.createDirectories(folder);
        Cluster.Own.mark(
                folder, RUN, "lab", "as long as it has no ledger, the next lab with this --out replaces its files");
        for (String name : FILES) if (isFileOrLink(folder.resolve(name))) Files.delete(folder.resolve(name));
    }

    private static boolean isFileOrLink(Path path) {
        return Files.exists(path, LinkOption.NOFOLLOW_LINKS) && !Files.isDirectory(path, LinkOption.NOFOLLOW_LINKS);
    }
}
