///usr/bin/env jbang "$0" "$@" ; exit $?
//JAVA 17+
//DEPS org.apache.kafka:kafka-clients:4.4.0
//DEPS info.picocli:picocli:4.7.7
//DEPS com.fasterxml.jackson.jr:jackson-jr-objects:2.21.7
//DEPS org.slf4j:slf4j-simple:1.7.36
//DEPS org.hdrhistogram:HdrHistogram:2.2.2
//SOURCES lib/cli/Cli.java lib/perf/LatencyLog.java
//JAVAC_OPTIONS -J-XX:TieredStopAtLevel=1 -J-XX:+UseSerialGC
//DESCRIPTION Merges the latency logs of several machines into exact joint percentiles

import java.io.*;
import java.nio.charset.StandardCharsets;
import java.nio.file.*;
import java.util.*;
import java.util.concurrent.Callable;
import java.util.function.Function;
import java.util.stream.Collectors;
import org.HdrHistogram.Histogram;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/**
 * Adds the histograms of {@code perf --hdr-log} of several machines, each tag (service time, response time, end to end)
 * separately, and prints the percentiles of all records.
 *
 * <p>Percentiles of several runs cannot be averaged; histograms can be added, and the sum is what one recorder of all
 * records would have had. {@code perf --start-at} lets the machines begin together; logs whose times do not overlap are
 * pointed out. No cluster is asked.
 *
 * <pre>merge-latency a.hlog b.hlog c.hlog</pre>
 */
@Command(
        name = "merge-latency",
        version = "kraft-lab 0.1.0",
        sortOptions = false,
        description = "Adds the histograms of several logs of perf --hdr-log and prints the joint percentiles,"
                + " in milliseconds.")
class MergeLatency implements Callable<Integer> {
    private static final String SERVICE = "service";
    private static final List<String> PERCENTILES = List.of("50", "95", "99", "99.9", "99.99");

    @Parameters(
            paramLabel = "FILE",
            arity = "1..*",
            description = "Logs of perf --hdr-log, or of others (HdrHistogram's .hlog).")
    List<File> files;

    @Option(
            names = "--percentiles",
            paramLabel = "FILE",
            description = "Write the joint percentiles, for plots (.hgrm, milliseconds).")
    Path percentiles;

    @Option(
            names = "--unit",
            paramLabel = "ns|us|ms|s",
            description = "Unit of the values, for logs that do not state it.")
    String unit;

    @Mixin
    Cli.StandardOptions common = new Cli.StandardOptions();

    public static void main(String... args) {
        System.exit(run(new PrintWriter(System.out, true), new PrintWriter(System.err, true), args));
    }

    /** Runs the script without a process and returns the exit code. */
    public static int run(PrintWriter out, PrintWriter err, String... args) {
        MergeLatency script = new MergeLatency();
        return script.common.run(script, out, err, args);
    }

    @Override
    public Integer call() {
        LatencyLog.requireUnit(unit);
        Map<String, Histogram> merged = merge();
        if (!common.json) {
            print(merged);
        }
        merged.forEach(this::emit);
        if (percentiles != null) {
            merged.forEach(this::write);
        }
        return 0;
    }

    // ---- Reading ----

    /** Returns the sums by tag, in microseconds; what has no tag is the service time. */
    public Map<String, Histogram> merge() {
        Map<String, Histogram> merged =
                new TreeMap<>(Comparator.comparing((String tag) -> tag.equals(SERVICE) ? "" : tag));
        double latestBegin = 0;
        double earliestEnd = Double.MAX_VALUE;
        File last = null;
        File first = null;
        for (File file : files) {
            LatencyLog log = read(file);
            log.byTag()
                    .forEach((tag, histogram) ->
                            merged.computeIfAbsent(tag, t -> new Histogram(3)).add(histogram));
            if (log.fromMs() > latestBegin) {
                latestBegin = log.fromMs();
                last = file;
            }
            if (log.toMs() < earliestEnd) {
                earliestEnd = log.toMs();
                first = file;
            }
        }
        if (latestBegin >= earliestEnd) {
            double seconds = (latestBegin - earliestEnd) / 1000;
            common.say("%s begins %.1f s after %s ends: that is not one load.", last, seconds, first);
        }
        return merged;
    }

    /** Reads a log, or says why it cannot: what it lacks would be missing in the percentiles. */
    private LatencyLog read(File file) {
        String name = Cli.printable(file);
        LatencyLog log;
        try {
            log = LatencyLog.read(file.toPath(), unit);
        } catch (IOException e) {
            throw new Cli.Exit(2, "Cannot read " + name + ".");
        }
        switch (log.state()) {
            case NO_LOG -> throw new Cli.Exit(2, name + " is not a histogram log; perf --hdr-log writes one.");
            case DAMAGED ->
                throw new Cli.Exit(
                        Cli.INCOMPLETE,
                        name + " is damaged or cut off: what it lacks would be missing in the percentiles.");
            case NO_UNIT ->
                throw new Cli.Exit(
                        2, name + " does not say in which unit its values are: give --unit ns, us, ms or s.");
            default -> {}
        }
        if (log.byTag().isEmpty()) {
            throw new Cli.Exit(Cli.INCOMPLETE, name + " has no interval in it: did its perf send anything?");
        }
        log.remark().ifPresent(remark -> common.say("%s: %s.", name, remark));
        return log;
    }

    // ---- Answers ----

    private void emit(String tag, Histogram us) {
        List<Object> fields = new ArrayList<>();
        fields.addAll(List.of("tag", tag, "files", files.size(), "records", us.getTotalCount()));
        fields.addAll(List.of("avgMs", us.getMean() / 1000, "maxMs", us.getMaxValue() / 1000.0));
        for (String percentile : PERCENTILES) {
            fields.addAll(List.of("p" + percentile.replace(".", "") + "Ms", ms(us, percentile)));
        }
        common.emit("latency", fields.toArray());
    }

    private void print(Map<String, Histogram> merged) {
        String header = columns(percentile -> String.format(Locale.ROOT, " %10s", "P" + percentile));
        common.out.printf(Locale.ROOT, "%-14s %10s %10s%s %10s%n", "LATENCY, MS", "COUNT", "AVG", header, "MAX");
        merged.forEach((tag, us) -> {
            String name = Cli.printable(tag);
            String values = columns(percentile -> String.format(Locale.ROOT, " %10.2f", ms(us, percentile)));
            double average = us.getMean() / 1000;
            double max = us.getMaxValue() / 1000.0;
            common.out.printf(
                    Locale.ROOT, "%-14s %10d %10.2f%s %10.2f%n", name, us.getTotalCount(), average, values, max);
        });
    }

    private static String columns(Function<String, String> column) {
        return PERCENTILES.stream().map(column).collect(Collectors.joining());
    }

    private static double ms(Histogram us, String percentile) {
        return us.getValueAtPercentile(Double.parseDouble(percentile)) / 1000.0;
    }

    /**
     * Writes a tag's percentiles as perf does: the service time's into the file, the others' beside it
     * (x.response.hgrm).
     */
    private void write(String tag, Histogram us) {
        Path file = tag.equals(SERVICE) ? percentiles : beside(percentiles, inFileName(tag));
        try {
            requireReplaceable(file, "Value", "--percentiles");
        } catch (IOException e) {
            throw new Cli.Exit(2, "Cannot read what is in --percentiles " + file + " now: " + e.getMessage() + ".");
        }
        try (PrintStream out = new PrintStream(file.toFile(), StandardCharsets.UTF_8)) {
            us.outputPercentileDistribution(out, 5, 1000.0);
        } catch (IOException e) {
            throw new Cli.Exit(2, "Cannot write --percentiles: " + Cli.printable(e.getMessage()) + ".");
        }
    }

    private static Path beside(Path file, String word) {
        String name = file.getFileName().toString();
        return file.resolveSibling(name.replaceFirst("(\\.\\w+)?$", "." + word + "$1"));
    }

    /** Replaces all but letters, digits and hyphens by their numbers, so that a tag never names a file elsewhere. */
    static String inFileName(String tag) {
        StringBuilder name = new StringBuilder();
        for (char c : tag.toCharArray()) {
            boolean isHarmless = c < 128 && (Character.isLetterOrDigit(c) || c == '-');
            name.append(isHarmless ? "" + c : String.format(Locale.ROOT, "_%x_", (int) c));
        }
        return name.toString();
    }

    /** Refuses to replace a file of another kind, or a link: it is somebody else's, or the name is a typing error. */
    static void requireReplaceable(Path file, String beginning, String option) throws IOException {
        boolean isPipeOrDevice = Files.exists(file) && !Files.isRegularFile(file);
        if (isPipeOrDevice) {
            return;
        }
        if (Files.isSymbolicLink(file)) {
            throw new Cli.Exit(2, file + " is a link, which " + option + " does not follow: name another file.");
        }
        if (!Files.exists(file) || Files.size(file) == 0) {
            return;
        }
        try (InputStream in = Files.newInputStream(file)) {
            String head = new String(in.readNBytes(100), StandardCharsets.UTF_8);
            if (!head.stripLeading().startsWith(beginning)) {
                String advice = " has not written, so it stays as it is: name another file.";
                throw new Cli.Exit(2, file + " is a file that " + option + advice);
            }
        }
    }
}
