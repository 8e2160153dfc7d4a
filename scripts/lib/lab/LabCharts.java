//SOURCES ../cli/Messages.java ../outage/Outage.java ../outage/OutageFindings.java

import com.fasterxml.jackson.jr.ob.JSON;
import java.io.*;
import java.nio.file.*;
import java.time.*;
import java.time.format.DateTimeFormatter;
import java.time.temporal.ChronoUnit;
import java.util.*;
import java.util.stream.*;

/**
 * Draws the run in three charts that a Git host renders, since it knows Mermaid: acknowledgements over time, the gap of
 * each fault, and the phases of each gap. Their names come from topics and from event files, so what Mermaid would take
 * for its own is taken out of them.
 */
final class LabCharts {
    /** Points of a chart that can still be told apart. */
    private static final int POINTS = 60;

    /** Outages of a gantt. */
    private static final int OUTAGES = 12;
    /**
     * After an outage all that has waited is acknowledged at once. From so many times the usual on, such a point would
     * flatten all others, and is cut off.
     */
    private static final int BURST = 4;
    /** Above so many bars, a bar's name is only its number. */
    private static final int NAMED_BARS = 8;

    private static final DateTimeFormatter TIME =
            DateTimeFormatter.ofPattern("yyyy-MM-dd HH:mm:ss.SSS").withZone(ZoneOffset.UTC);

    private final Messages words;

    LabCharts(Messages words) {
        this.words = words;
    }

    /** Returns Markdown; nothing when nothing was acknowledged and nothing broken. */
    String of(Path events, OutageFindings findings) throws IOException {
        List<Outage> outages = findings.outages();
        return Stream.of(rate(acknowledged(events), outages), gaps(outages), phases(outages))
                .filter(chart -> !chart.isEmpty())
                .collect(Collectors.joining("\n"));
    }

    /** Returns when records were acknowledged, in milliseconds. */
    private static long[] acknowledged(Path events) throws IOException {
        try (Stream<String> lines = Files.lines(events)) {
            return lines.filter(line -> line.contains("\"type\":\"ack\""))
                    .mapToLong(LabCharts::time)
                    .filter(time -> time > 0)
                    .sorted()
                    .toArray();
        } catch (NoSuchFileException none) {
            return new long[0];
        }
    }

    private static long time(String event) {
        try {
            return Instant.parse((String) JSON.std.mapFrom(event).get("ts")).toEpochMilli();
        } catch (IOException | RuntimeException truncated) {
            return 0;
        }
    }

    // ---- The charts ----

    private String rate(long[] acks, List<Outage> outages) {
        if (acks.length == 0) {
            return "";
        }
        long first = acks[0];
        long took = acks[acks.length - 1] - first;
        long width = Math.max(1, (took + 1000L * POINTS - 1) / (1000L * POINTS));
        double[] rate = perSecond(acks, width);
        if (rate.length < 2) {
            return "";
        }
        double most = Arrays.stream(rate).max().orElse(1);
        long top = top(rate, most);
        String chart = chart(
                "xychart-beta",
                "title " + quoted(words.text("charts.rate")),
                "x-axis " + quoted(words.text("charts.seconds")) + " 0 --> " + width * (rate.length - 1),
                "y-axis " + quoted(words.text("charts.per-second")) + " 0 --> " + top,
                "line " + numbers(Arrays.stream(rate).map(r -> Math.min(r, top))));
        List<String> said = new ArrayList<>(List.of(words.text("charts.rate-means", width)));
        if (most > top) {
            said.add(words.text("charts.rate-cut", top, most));
        }
        if (!outages.isEmpty()) {
            said.add(words.text("charts.rate-faults", faults(outages, first)));
        }
        return chart + "\n" + String.join(" ", said) + "\n";
    }

    /** Returns the rates of the whole points; what is over would seem to be a fall. */
    private static double[] perSecond(long[] acks, long width) {
        int points = (int) ((acks[acks.length - 1] - acks[0]) / (1000 * width));
        double[] rate = new double[points];
        for (long time : acks) {
            long point = (time - acks[0]) / (1000 * width);
            if (point < points) {
                rate[(int) point] += 1.0 / width;
            }
        }
        return rate;
    }

    private static long top(double[] rate, double most) {
        double[] flowing = Arrays.stream(rate).filter(r -> r > 0).sorted().toArray();
        int count = flowing.length; // at least one, for there are acknowledgements
        double usual = (flowing[(count - 1) / 2] + flowing[count / 2]) / 2;
        return (long) Math.ceil(most > BURST * usual ? 2 * usual : most * 1.1);
    }

    private String faults(List<Outage> outages, long first) {
        return outages.stream()
                .limit(OUTAGES)
                .map(o -> {
                    double second = (o.fault().applied().toEpochMilli() - first) / 1e3;
                    return words.text("charts.rate-fault", fault(o), second);
                })
                .collect(Collectors.joining("; "));
    }

    private String fault(Outage outage) {
        return words.text("charts.fault", outage.number(), outage.fault().in(words));
    }

    private String gaps(List<Outage> outages) {
        List<Outage> drawn = longest(outages, POINTS);
        if (drawn.isEmpty()) {
            return "";
        }
        double[] seconds = drawn.stream().mapToDouble(o -> o.worst().ms() / 1e3).toArray();
        long top = (long) Math.ceil(Arrays.stream(seconds).max().orElse(1) * 1.1);
        String names = drawn.stream()
                .map(o -> quoted(drawn.size() > NAMED_BARS ? "" + o.number() : fault(o)))
                .collect(Collectors.joining(", "));
        String chart = chart(
                "xychart-beta",
                "title " + quoted(words.text("charts.gaps")),
                "x-axis [" + names + "]",
                "y-axis " + quoted(words.text("charts.gap-seconds")) + " 0 --> " + top,
                "bar " + numbers(Arrays.stream(seconds)));
        return chart + "\n" + words.text("charts.gaps-means") + leftOut(outages, drawn) + "\n";
    }

    private String phases(List<Outage> outages) {
        List<Outage> drawn = longest(outages, OUTAGES);
        if (drawn.isEmpty()) {
            return "";
        }
        List<String> lines = new ArrayList<>(List.of(
                "gantt",
                "title " + plain(words.text("charts.gantt")),
                "dateFormat YYYY-MM-DD HH:mm:ss.SSS",
                "axisFormat %H:%M:%S"));
        drawn.forEach(outage -> lines.addAll(phases(outage)));
        String chart = chart(lines.toArray(String[]::new));
        return chart + "\n" + words.text("charts.gantt-means") + leftOut(outages, drawn) + "\n";
    }

    private List<String> phases(Outage outage) {
        Outage.Gap gap = outage.worst();
        String title =
                words.text("charts.section", outage.number(), outage.fault().in(words), gap.name());
        List<String> lines = new ArrayList<>(List.of("section " + plain(title)));
        double begin = 0;
        for (Outage.Phase phase : Outage.Phase.values()) {
            Double ms = gap.phases().ms().get(phase);
            if (ms != null) {
                Instant from = moment(gap, begin);
                begin += ms;
                Instant to = moment(gap, begin);
                String name = plain(words.text("charts.phase", phase.title(words), ms / 1e3));
                lines.add("    " + name + " :" + kind(phase) + task(from, to));
            }
        }
        return lines;
    }

    /** Returns the times of a task. One of no length would be a milestone's, and is not drawn. */
    private static String task(Instant from, Instant to) {
        Instant end = Collections.max(List.of(to, from.plusMillis(1)));
        return TIME.format(from) + ", " + TIME.format(end);
    }

    private static String kind(Outage.Phase phase) {
        return switch (phase) {
            case QUORUM, OPEN -> "crit, ";
            case ELECT -> "active, ";
            case ACK -> "done, ";
            default -> "";
        };
    }

    /** Returns whole milliseconds, so that each phase begins where the one before it ended. */
    private static Instant moment(Outage.Gap gap, double ms) {
        return gap.from().plus(Math.round(ms * 1000), ChronoUnit.MICROS).truncatedTo(ChronoUnit.MILLIS);
    }

    /** Returns those with a gap, the longest of them when they are too many, in their order. */
    private static List<Outage> longest(List<Outage> outages, int most) {
        return outages.stream()
                .filter(o -> o.worst() != null)
                .sorted(Comparator.comparing((Outage o) -> -o.worst().ms()))
                .limit(most)
                .sorted(Comparator.comparing(Outage::number))
                .toList();
    }

    private String leftOut(List<Outage> outages, List<Outage> drawn) {
        long all = outages.stream().filter(o -> o.worst() != null).count();
        return drawn.size() < all ? " " + words.text("charts.left-out", all, drawn.size()) : "";
    }

    // ---- Mermaid ----

    /** Mermaid's own blue can hardly be seen on white; and a gantt's sections have long names. */
    private static String chart(String... lines) {
        String init = lines[0].equals("gantt")
                ? "{'gantt': {'leftPadding': 220}}"
                : "{'themeVariables': {'xyChart': {'plotColorPalette': '#3f68c8'}}}";
        StringBuilder chart = new StringBuilder("```mermaid\n%%{init: " + init + "}%%\n" + lines[0] + "\n");
        Stream.of(lines).skip(1).forEach(line -> chart.append("    " + line + "\n"));
        return chart + "```\n";
    }

    private static String numbers(DoubleStream values) {
        return values.mapToObj(v -> v == Math.rint(v) ? "" + (long) v : String.format(Locale.ROOT, "%.2f", v))
                .collect(Collectors.joining(", ", "[", "]"));
    }

    private static String quoted(String text) {
        return '"' + plain(text) + '"';
    }

    /**
     * Leaves letters and figures of any script, and what does not end a name, a line, or the code block. A colon
     * divides a gantt's task from its times, and two percent signs begin a comment.
     */
    private static String plain(String text) {
        String known = text.replaceAll("[^\\p{L}\\p{N} .,/_()+-]", " ");
        return known.replaceAll("\\s+", " ").strip();
    }
}
