///usr/bin/env jbang "$0" "$@" ; exit $?
//JAVA 17+
//DEPS org.apache.kafka:kafka-clients:4.4.0
//DEPS info.picocli:picocli:4.7.7
//DEPS com.fasterxml.jackson.jr:jackson-jr-objects:2.21.7
//DEPS org.slf4j:slf4j-simple:1.7.36
//DEPS org.hdrhistogram:HdrHistogram:2.2.2
//SOURCES lib/cli/Cli.java lib/perf/LatencyLog.java
//DESCRIPTION Merges the latency logs of several machines into exact joint percentiles

import com.fasterxml.jackson.jr.ob.JSON;
import java.io.*;
import java.net.*;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.*;
import java.time.*;
import java.time.format.DateTimeFormatter;
import java.util.*;
import java.util.concurrent.*;
import java.util.function.Consumer;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.HdrHistogram.*;
import org.apache.kafka.clients.admin.*;
import org.apache.kafka.common.Node;
import org.apache.kafka.common.config.ConfigException;
import org.apache.kafka.common.errors.*;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;
import picocli.CommandLine.TypeConversionException;

/**
 * Adds the histograms of {@code perf --hdr-log} of several machines, each tag (service time, response time, end to end) for itself, and prints the percentiles of all records.
 *
 * <p>Percentiles of several runs cannot be averaged; histograms can be added, and what comes out is what one recorder of all records would have had.
 * {@code perf --start-at} lets the machines begin together; logs whose times do not overlap are pointed out. No cluster is asked.
 *
 * <pre>merge-latency a.hlog b.hlog c.hlog</pre>
 */
@Command(name = "merge-latency", version = "kraft-lab 0.1.0", sortOptions = false,
        description = "Adds the histograms of several logs of perf --hdr-log and prints the joint percentiles, in milliseconds.")
class MergeLatency implements Callable<Integer> {
    @Parameters(paramLabel = "FILE", arity = "1..*", description = "Logs of perf --hdr-log, or of others (HdrHistogram's .hlog).")
    List<File> files;
    @Option(names = "--percentiles", paramLabel = "FILE", description = "Write the joint percentiles, for plots (.hgrm, milliseconds).")
    Path percentiles;
    @Option(names = "--unit", paramLabel = "ns|us|ms|s", description = "Unit of the values, for logs that do not say it.")
    String unit;

    @Mixin Cli.Common common = new Cli.Common();

    public static void main(String... args) {
        System.exit(run(new PrintWriter(System.out, true), new PrintWriter(System.err, true), args));
    }

    /** Runs the script without a process. @return the exit code */
    public static int run(PrintWriter out, PrintWriter err, String... args) {
        MergeLatency script = new MergeLatency();
        return script.common.run(script, out, err, args);
    }

    @Override
    public Integer call() {
        LatencyLog.check(unit);
        Map<String, Histogram> merged = merge();
        if (!common.json) render(merged);
        merged.forEach((tag, h) -> common.emit("latency", "tag", tag, "files", files.size(), "records", h.getTotalCount(), "avgMs", h.getMean() / 1000, "maxMs", h.getMaxValue() / 1000.0,
                "p50Ms", p(h, 50), "p95Ms", p(h, 95), "p99Ms", p(h, 99), "p999Ms", p(h, 99.9), "p9999Ms", p(h, 99.99)));
        if (percentiles != null) merged.forEach(this::write);
        return 0;
    }

    /** The sums by tag, in microseconds; what has no tag is the service time. */
    public Map<String, Histogram> merge() {
        Map<String, Histogram> merged = new TreeMap<>(Comparator.comparing((String tag) -> tag.equals("service") ? "" : tag));
        double latestStart = 0, earliestEnd = Double.MAX_VALUE;
        File last = null, first = null;
        for (File file : files) {
            LatencyLog log = read(file, merged);
            if (log.fromMs > latestStart) { latestStart = log.fromMs; last = file; }
            if (log.toMs < earliestEnd) { earliestEnd = log.toMs; first = file; }
        }
        if (latestStart >= earliestEnd) common.say("%s begins %.1f s after %s ends: that is not one load.", Cli.printable(last), (latestStart - earliestEnd) / 1000, Cli.printable(first));
        return merged;
    }

    /** Adds a log's histograms, or says why it cannot: what it lacks would be missing in the percentiles. */
    private LatencyLog read(File file, Map<String, Histogram> merged) {
        LatencyLog log;
        try { log = LatencyLog.read(file.toPath(), unit); } catch (IOException e) { throw new Cli.Exit(2, "Cannot read " + Cli.printable(file) + "."); }
        String name = Cli.printable(file);
        switch (log.state) {
            case NO_LOG -> throw new Cli.Exit(2, name + " is no histogram log; perf --hdr-log writes one.");
            case DAMAGED -> throw new Cli.Exit(Cli.INCOMPLETE, name + " is damaged or cut off: what it lacks would be missing in the percentiles.");
            case NO_UNIT -> throw new Cli.Exit(2, name + " does not say in which unit its values are: give --unit ns, us, ms or s.");
            default -> { }
        }
        if (log.byTag.isEmpty()) throw new Cli.Exit(Cli.INCOMPLETE, name + " has no interval in it: did its perf send anything?");
        if (log.inferred) common.say("%s: %s.", name, log.remark());
        log.byTag.forEach((tag, h) -> merged.computeIfAbsent(tag, t -> new Histogram(3)).add(h));
        return log;
    }

    private static double p(Histogram us, double percentile) { return us.getValueAtPercentile(percentile) / 1000.0; }

    private void render(Map<String, Histogram> merged) {
        common.out.printf(Locale.ROOT, "%-14s %10s %10s %10s %10s %10s %10s %10s %10s%n", "LATENCY, MS", "COUNT", "AVG", "P50", "P95", "P99", "P99.9", "P99.99", "MAX");
        merged.forEach((tag, h) -> common.out.printf(Locale.ROOT, "%-14s %10d %10.2f %10.2f %10.2f %10.2f %10.2f %10.2f %10.2f%n", Cli.printable(tag), h.getTotalCount(), h.getMean() / 1000,
                p(h, 50), p(h, 95), p(h, 99), p(h, 99.9), p(h, 99.99), h.getMaxValue() / 1000.0));
    }

    /** A tag is a file's word: what is not a letter, a digit or a hyphen in it is written as its number, so that no file elsewhere is meant. */
    static String inFileName(String tag) {
        StringBuilder name = new StringBuilder();
        for (char c : tag.toCharArray()) name.append(c < 128 && (Character.isLetterOrDigit(c) || c == '-') ? "" + c : String.format(Locale.ROOT, "_%x_", (int) c));
        return name.toString();
    }

    /** As perf does: the service time's into the file, the others' beside it (x.hgrm, x.response.hgrm). */
    private void write(String tag, Histogram h) {
        Path to = tag.equals("service") ? percentiles : percentiles.resolveSibling(percentiles.getFileName().toString().replaceFirst("(\\.\\w+)?$", "." + inFileName(tag) + "$1"));
        try {
            requireReplaceable(to, "Value", "--percentiles");
        } catch (IOException e) { throw new Cli.Exit(2, "Cannot read what is in --percentiles " + to + " now: " + e.getMessage() + "."); }
        try (PrintStream out = new PrintStream(to.toFile(), "UTF-8")) {
            h.outputPercentileDistribution(out, 5, 1000.0);
        } catch (IOException e) { throw new Cli.Exit(2, "Cannot write --percentiles: " + Cli.printable(e.getMessage()) + "."); }
    }

    /** Refuses to replace a file that is there and is of another kind, or a link: somebody else's, or a slip of the keyboard. */
    static void requireReplaceable(Path file, String beginning, String option) throws IOException {
        if (Files.exists(file) && !Files.isRegularFile(file)) return; // a pipe, a device
        if (Files.isSymbolicLink(file)) throw new Cli.Exit(2, file + " is a link, which " + option + " does not follow: name another file.");
        if (!Files.exists(file) || Files.size(file) == 0) return;
        try (InputStream in = Files.newInputStream(file)) {
            String head = new String(in.readNBytes(100), java.nio.charset.StandardCharsets.UTF_8);
            if (!head.stripLeading().startsWith(beginning)) throw new Cli.Exit(2, file + " is there, and is none that " + option + " has written, so it stays as it is: name another file.");
        }
    }
}
