import com.fasterxml.jackson.jr.ob.JSON;
import java.io.*;
import java.nio.file.*;
import java.time.*;
import java.time.format.DateTimeFormatter;
import java.time.temporal.ChronoUnit;
import java.util.*;
import java.util.stream.*;

/**
 * The run in three charts that a Git host draws itself, since it knows Mermaid: acknowledgements over time, the gap of each fault, and the phases of each gap. Their names come
 * from topics and from event files, so what Mermaid would take for its own is taken out of them.
 */
class LabCharts {
    /** Points of a chart that can still be told apart, and outages of a gantt. */
    private static final int POINTS = 60, OUTAGES = 12;
    /** After an outage all that has waited is acknowledged at once; from so many times the usual on, a point would press all others to the floor. */
    private static final int BURST = 4;

    private static final DateTimeFormatter TIME =
            DateTimeFormatter.ofPattern("yyyy-MM-dd HH:mm:ss.SSS").withZone(ZoneOffset.UTC);

    private final LabMessages words;

    LabCharts(LabMessages words) {
        this.words = words;
    }

    /** In Markdown; nothing when nothing was acknowledged and nothing broken. */
    String of(Path events, OutageFindings outages) throws IOException {
        return Stream.of(
                        rate(acknowledged(events), outages.outages()),
                        gaps(outages.outages()),
                        phases(outages.outages()))
                .filter(c -> !c.isEmpty())
                .collect(Collectors.joining("\n"));
    }

    /** When records were acknowledged, in milliseconds. */
    private static long[] acknowledged(Path events) throws IOException {
        try (Stream<String> lines = Files.lines(events)) {
            return lines.filter(l -> l.contains("\"type\":\"ack\""))
                    .mapToLong(l -> {
                        try {
                            return Instant.parse((String) JSON.std.mapFrom(l).get("ts"))
                                    .toEpochMilli();
                        } catch (IOException | RuntimeException cutOff) {
                            return 0;
                        }
                    })
                    .filter(t -> t > 0)
                    .sorted()
                    .toArray();
        } catch (NoSuchFileException none) {
            return new long[0];
        }
    }

    // ---- The charts ----

    private String rate(long[] acks, List<Outage> outages) {
        if (acks.length == 0) return "";
        long first = acks[0],
                took = acks[acks.length - 1] - first,
                width = Math.max(1, (took + 1000L * POINTS - 1) / (1000L * POINTS));
        int points = (int) (took / (1000 * width)); // whole ones, or the last would seem to fall
        if (points < 2) return "";
        double[] rate = new double[points];
        for (long t : acks)
            if (t - first < 1000 * width * points) rate[(int) ((t - first) / (1000 * width))] += 1.0 / width;
        double[] flowing = Arrays.stream(rate).filter(r -> r > 0).sorted().toArray();
        double usual = flowing.length == 0 ? 1 : (flowing[(flowing.length - 1) / 2] + flowing[flowing.length / 2]) / 2,
                most = Arrays.stream(rate).max().orElse(1);
        long top = most > BURST * usual ? (long) Math.ceil(2 * usual) : (long) Math.ceil(most * 1.1);
        String said = words.text("charts.rate-means", width)
                + (most > top ? " " + words.text("charts.rate-cut", top, most) : "");
        List<String> faults = outages.stream()
                .limit(OUTAGES)
                .map(o -> words.text(
                        "charts.rate-fault",
                        words.text("charts.fault", o.number(), o.fault().in(words)),
                        (o.fault().applied().toEpochMilli() - first) / 1e3))
                .toList();
        if (!faults.isEmpty()) said += " " + words.text("charts.rate-faults", String.join("; ", faults));
        return chart(
                        "xychart-beta",
                        "title " + quoted(words.text("charts.rate")),
                        "x-axis " + quoted(words.text("charts.seconds")) + " 0 --> " + width * (points - 1),
                        "y-axis " + quoted(words.text("charts.per-second")) + " 0 --> " + top,
                        "line " + numbers(Arrays.stream(rate).map(r -> Math.min(r, top))))
                + "\n" + said + "\n";
    }

    private String gaps(List<Outage> outages) {
        List<Outage> drawn = longest(outages, POINTS);
        if (drawn.isEmpty()) return "";
        double top = drawn.stream().mapToDouble(o -> o.worst().ms() / 1e3).max().orElse(1);
        return chart(
                        "xychart-beta",
                        "title " + quoted(words.text("charts.gaps")),
                        "x-axis ["
                                + drawn.stream()
                                        .map(o -> quoted(
                                                drawn.size() > 8
                                                        ? "" + o.number()
                                                        : words.text(
                                                                "charts.fault",
                                                                o.number(),
                                                                o.fault().in(words))))
                                        .collect(Collectors.joining(", "))
                                + "]",
                        "y-axis " + quoted(words.text("charts.gap-seconds")) + " 0 --> " + (long) Math.ceil(top * 1.1),
                        "bar "
                                + numbers(drawn.stream()
                                        .mapToDouble(o -> o.worst().ms() / 1e3)))
                + "\n" + words.text("charts.gaps-means") + leftOut(outages, drawn) + "\n";
    }

    private String phases(List<Outage> outages) {
        List<Outage> drawn = longest(outages, OUTAGES);
        if (drawn.isEmpty()) return "";
        List<String> lines = new ArrayList<>(List.of(
                "gantt",
                "title " + plain(words.text("charts.gantt")),
                "dateFormat YYYY-MM-DD HH:mm:ss.SSS",
                "axisFormat %H:%M:%S"));
        for (Outage o : drawn) {
            lines.add("section "
                    + plain(words.text(
                            "charts.section",
                            o.number(),
                            o.fault().in(words),
                            o.worst().name())));
            double ms = 0;
            for (Outage.Phase p : Outage.Phase.values()) {
                Double lasts = o.worst().phases().ms().get(p);
                if (lasts == null) continue;
                Instant from = moment(o, ms), to = moment(o, ms += lasts);
                String kind = switch (p) {
                    case QUORUM, OPEN -> "crit, ";
                    case ELECT -> "active, ";
                    case ACK -> "done, ";
                    default -> "";
                };
                // A task of no length would be a milestone's, and is not drawn.
                lines.add("    " + plain(words.text("charts.phase", p.title(words), lasts / 1e3)) + " :" + kind
                        + TIME.format(from) + ", " + TIME.format(to.isAfter(from) ? to : from.plusMillis(1)));
            }
        }
        return chart(lines.toArray(String[]::new)) + "\n" + words.text("charts.gantt-means") + leftOut(outages, drawn)
                + "\n";
    }

    /** Whole milliseconds, so that each phase begins where the one before it ended. */
    private static Instant moment(Outage o, double ms) {
        return o.worst().from().plus(Math.round(ms * 1000), ChronoUnit.MICROS).truncatedTo(ChronoUnit.MILLIS);
    }

    /** Those with a gap, the longest of them when they are too many, in their order. */
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
        return "```mermaid\n%%{init: " + init + "}%%\n" + lines[0] + "\n"
                + Stream.of(lines).skip(1).map(l -> "    " + l + "\n").collect(Collectors.joining()) + "```\n";
    }

    private static String numbers(DoubleStream values) {
        return values.mapToObj(v -> v == Math.rint(v) ? "" + (long) v : String.format(Locale.ROOT, "%.2f", v))
                .collect(Collectors.joining(", ", "[", "]"));
    }

    private static String quoted(String text) {
        return '"' + plain(text) + '"';
    }

    /** Letters and figures of any script, and what does not end a name, a line, or the code block; a colon divides a gantt's task from its times, a percent sign twice begins a comment. */
    static String plain(String text) {
        return text.replaceAll("[^\\p{L}\\p{N} .,/_()+-]", " ")
                .replaceAll("\\s+", " ")
                .strip();
    }
}
