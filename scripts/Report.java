///usr/bin/env jbang "$0" "$@" ; exit $?
//JAVA 17+
//DEPS org.apache.kafka:kafka-clients:4.4.0
//DEPS info.picocli:picocli:4.7.7
//DEPS com.fasterxml.jackson.jr:jackson-jr-objects:2.21.7
//DEPS org.slf4j:slf4j-simple:1.7.36
//SOURCES lib/cli/Cli.java lib/perf/LatencyLog.java
//SOURCES lib/report/RunInputs.java lib/report/ReportRun.java lib/report/ReportPage.java lib/report/LivePage.java
//SOURCES lib/report/LineSplitter.java lib/report/EventParser.java lib/report/EventTime.java lib/report/RunEvent.java
//SOURCES lib/report/RunModel.java lib/report/AckSummary.java lib/report/LoadWindows.java lib/report/IsrState.java
//SOURCES lib/report/PartitionTimelines.java lib/report/TimeBins.java lib/report/StateChanges.java
//SOURCES lib/report/LongestGaps.java lib/report/PageData.java lib/report/FaultCosts.java
//JAVAC_OPTIONS -J-XX:TieredStopAtLevel=1 -J-XX:+UseSerialGC
//DESCRIPTION Writes the page of a run, or of several; it opens from disk

import java.io.IOException;
import java.io.PrintWriter;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.concurrent.CountDownLatch;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/**
 * Draws a run: what was acknowledged and how late, who was the active controller, what was in sync, what each fault
 * cost. One HTML file with everything in it, so that it opens from disk, without a network, in ten years.
 *
 * <p>It reads only the event stream ({@code cat *.jsonl | report} is enough) and .hlog files, once, and the page says
 * what it has summed up. With {@code --serve} the same page follows files that grow. No cluster is asked ({@code
 * dashboard} does that as well).
 *
 * <pre>report runs/20261123-142300
 * report runs/a runs/b --out differences.html
 * watch-isr --json | report --serve --port 0</pre>
 */
@Command(
        name = "report",
        version = "kraft-lab 0.1.0",
        sortOptions = false,
        description = "Makes a page with plots of a run: one HTML file to open from disk; several runs: side by side,"
                + " with differences.")
class Report implements Callable<Integer> {
    @Parameters(
            paramLabel = "RUN",
            arity = "0..*",
            description =
                    "A run's folder, or event files and .hlog files that are one run; none or -: events from stdin.")
    List<String> inputs = new ArrayList<>();

    @Option(
            names = "--out",
            paramLabel = "FILE",
            description =
                    "The page (default: report.html in the run's folder, or here for files, stdin and several runs).")
    Path out;

    @Option(
            names = "--serve",
            description = "Serve the page on this machine (127.0.0.1) and follow the files as they grow, until Ctrl-C.")
    boolean serve;

    @Option(
            names = "--port",
            paramLabel = "N",
            defaultValue = "8060",
            description = "With --serve: where; 0: any that is free (default: ${DEFAULT-VALUE}).")
    int port;

    @Option(
            names = "--unit",
            paramLabel = "ns|us|ms|s",
            description = "Unit of the values in .hlog files that do not state it.")
    String unit;

    @Mixin
    Cli.StandardOptions common = new Cli.StandardOptions();

    public static void main(String... args) {
        System.exit(run(new PrintWriter(System.out, true), new PrintWriter(System.err, true), args));
    }

    /** Runs the script without a process and returns the exit code. */
    public static int run(PrintWriter out, PrintWriter err, String... args) {
        Report script = new Report();
        return script.common.run(script, out, err, args);
    }

    @Override
    public Integer call() throws Exception {
        LatencyLog.requireUnit(unit);
        List<ReportRun> runs = RunInputs.open(inputs, serve ? RunInputs.Reading.FOLLOWED : RunInputs.Reading.ONCE);
        runs.forEach(run -> run.unit = unit);
        if (serve) {
            return serve(runs, () -> {});
        }
        for (ReportRun run : runs) {
            run.readAll();
        }
        for (ReportRun run : runs) {
            requireContent(run);
            warn(run);
        }
        write(runs);
        return 0;
    }

    private static void requireContent(ReportRun run) {
        if (run.isEmpty()) {
            long others = run.damage().lines() + run.foreignLines();
            throw new Cli.Exit(
                    Cli.INCOMPLETE,
                    "No event in " + run.name + (others > 0 ? ", only " + others + " other lines" : "")
                            + ": there is nothing to draw.");
        }
    }

    private void warn(ReportRun run) {
        PageData.Damage damage = run.damage();
        if (damage.lines() > 0) {
            common.say("%s: %d damaged lines are left out; the first: %s", run.name, damage.lines(), damage.first());
        }
        run.notes.forEach(note -> common.say("%s: %s", run.name, note));
    }

    private void write(List<ReportRun> runs) {
        Path page = out == null ? defaultPage(runs) : out;
        try {
            ReportPage.write(page, runs);
        } catch (IOException e) {
            String reason = ReportRun.reason(e);
            throw new Cli.Exit(1, "Cannot write the page " + page + ": " + reason + "; name another with --out.");
        }
        long damaged = runs.stream().mapToLong(run -> run.damage().lines()).sum();
        common.emit("page", "at", page.toString(), "runs", runs.size(), "events", events(runs), "damaged", damaged);
        printAddress(page.toString());
    }

    private static Path defaultPage(List<ReportRun> runs) {
        Path page = Path.of("report.html");
        Path folder = runs.size() == 1 ? runs.get(0).folder : null;
        return folder == null ? page : folder.resolve(page);
    }

    private void printAddress(String address) {
        if (!common.json) {
            common.out.println(address);
        }
    }

    private static long events(List<ReportRun> runs) {
        return runs.stream().mapToLong(ReportRun::events).sum();
    }

    /** Serves the runs, and follows their files and whatever else is given to them, until Ctrl-C. */
    int serve(List<ReportRun> runs, Runnable onceServed) throws IOException {
        try (LivePage page = new LivePage(runs, port)) {
            common.emit("page", "at", page.address(), "runs", runs.size(), "events", 0, "damaged", 0);
            printAddress(page.address());
            runs.stream().filter(run -> run.stdin != null).forEach(Report::followStdin);
            onceServed.run();
            common.say("Serving until Ctrl-C.");
            new CountDownLatch(1).await();
            return 0;
        } catch (InterruptedException e) {
            String noun = runs.size() == 1 ? "run" : "runs";
            common.say("No longer served: %d events of %d %s.", events(runs), runs.size(), noun);
            return 130;
        }
    }

    private static void followStdin(ReportRun run) {
        LivePage.daemon("stdin", () -> {
                    try {
                        run.readStdin();
                    } catch (IOException e) {
                        run.notes.add("stdin broke off: " + e.getMessage());
                    }
                })
                .start();
    }
}
