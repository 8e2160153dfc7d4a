import java.io.IOException;
import java.nio.file.*;
import java.util.*;

/** The run as report's page: live while it goes on, and at its end a file in its folder. */
class LabPage {
    /** @throws Cli.Exit when the port is taken, or none */
    static Report.Live serve(Path folder, int port) throws IOException {
        try { return new Report.Live(List.of(run(folder)), port); }
        catch (Cli.Exit e) { throw new Cli.Exit(e.getExitCode(), e.getMessage().replace("--port", "--dashboard=PORT")); }
    }

    /** Whatever goes wrong in it costs the run nothing. @return what it was, to be said */
    static Optional<Throwable> write(Path folder) {
        try {
            Report.Run run = run(folder);
            run.list();
            run.readAll();
            Report.Page.write(folder.resolve("report.html"), List.of(run));
            return Optional.empty();
        } catch (IOException | RuntimeException | LinkageError | OutOfMemoryError e) { return Optional.of(e); }
    }

    private static Report.Run run(Path folder) {
        Report.Run run = new Report.Run(folder.toAbsolutePath().normalize().getFileName().toString());
        run.folder = folder;
        return run;
    }
}
