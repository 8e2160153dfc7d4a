import java.io.IOException;
import java.nio.file.*;
import java.util.*;

/** The run as report's page: live while it goes on, and at its end a file in its folder. */
class LabPage {
    /** @throws Cli.Exit when the port is taken, or none */
    static LivePage serve(Path folder, int port) throws IOException {
        try {
            return new LivePage(List.of(ReportRun.ofFolder(folder)), port);
        } catch (Cli.Exit e) {
            throw new Cli.Exit(e.getExitCode(), e.getMessage().replace("--port", "--dashboard=PORT"));
        }
    }

    /** Whatever goes wrong in it costs the run nothing. @return what it was, to be said */
    static Optional<Throwable> write(Path folder) {
        try {
            ReportRun run = ReportRun.ofFolder(folder);
            run.list();
            run.readAll();
            ReportPage.write(folder.resolve("report.html"), List.of(run));
            return Optional.empty();
        } catch (IOException | RuntimeException | LinkageError | OutOfMemoryError e) {
            return Optional.of(e);
        }
    }
}
