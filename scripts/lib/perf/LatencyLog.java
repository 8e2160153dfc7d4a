//DEPS org.hdrhistogram:HdrHistogram:2.2.2

import java.io.*;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.*;
import java.util.*;
import java.util.regex.*;
import java.util.zip.DataFormatException;
import org.HdrHistogram.Histogram;
import org.HdrHistogram.HistogramIterationValue;

/**
 * A latency log (.hlog), whoever wrote it, read as far as it goes: its histograms by tag, in microseconds.
 * HdrHistogram's own reader takes a line that it does not understand for the end, and says nothing about units.
 */
final class LatencyLog {
    enum State {
        WHOLE,
        DAMAGED,
        NO_LOG,
        NO_UNIT
    }

    private static final Map<String, Double> MICROSECONDS =
            Map.of("ns", 0.001, "us", 1.0, "ms", 1000.0, "s", 1_000_000.0);
    private static final String LEGEND = "\"StartTimestamp\"";
    private static final Pattern INTERVAL = Pattern.compile("(?:Tag=([^,]*),)?([0-9.]+),([0-9.]+),([^,]+),(.+)");
    private static final Pattern TIME = Pattern.compile("#\\[(Start|Base)Time: ([0-9.]+).*");
    private static final Pattern UNIT =
            Pattern.compile("(?i)(?:\\bvalues?\\b[^,;]*?\\bin|\\bunits?\\b\\s*[:=]?(?: is| are)?)"
                    + "\\s+(ns|us|ms|s|(?:nano|micro|milli)?sec(?:ond)?s?)\\b");
    private static final double YEAR_MS = 365 * 86_400_000.0;
    /** Interval_Max has three decimals: what is below this has lost too much of it. */
    private static final double SMALLEST_MAX = 0.02;

    private final Map<String, Histogram> byTag = new TreeMap<>();
    private final Map<String, Histogram> raw = new TreeMap<>();
    /** How many values are one of Interval_Max. */
    private final Set<Long> ratios = new HashSet<>();

    private State state = State.NO_LOG;
    private double fromMs = Double.MAX_VALUE;
    private double toMs;
    private double startMs;
    private double baseMs;
    private String unit;
    private boolean isInferred;

    private LatencyLog() {}

    /** Reads a log; a given unit, which may be null, holds where the log does not say its own. */
    static LatencyLog read(Path file, String givenUnit) throws IOException {
        LatencyLog log = new LatencyLog();
        try (BufferedReader text = Files.newBufferedReader(file, StandardCharsets.ISO_8859_1)) {
            for (String line; (line = text.readLine()) != null && log.state != State.DAMAGED; ) {
                log.line(line);
            }
        }
        if (log.state != State.NO_LOG && !log.raw.isEmpty()) {
            log.convert(givenUnit);
        }
        return log;
    }

    /** Returns what is known of a log that cannot be read. */
    static LatencyLog unreadable() {
        return new LatencyLog();
    }

    /** Refuses a unit that is not known; null is none. */
    static void requireUnit(String unit) {
        if (unit != null && !MICROSECONDS.containsKey(unit)) {
            throw new Cli.Exit(2, "'" + unit + "' of --unit is not ns, us, ms or s.");
        }
    }

    State state() {
        return state;
    }

    Map<String, Histogram> byTag() {
        return byTag;
    }

    /** Returns when the first interval begins; without an interval, a time after all others. */
    double fromMs() {
        return fromMs;
    }

    double toMs() {
        return toMs;
    }

    /** Returns how the unit was inferred, if it was: a wrong one would not show in the figures. */
    Optional<String> remark() {
        return isInferred
                ? Optional.of("values are taken to be in " + unit
                        + ", because its Interval_Max is then in milliseconds; --unit if that is wrong")
                : Optional.empty();
    }

    // ---- Lines ----

    private void line(String line) {
        boolean isLegend = line.startsWith(LEGEND);
        if (isLegend || line.startsWith("#[Histogram log format")) {
            state = State.WHOLE;
        }
        if (line.startsWith("#")) {
            comment(line);
        } else if (state == State.WHOLE && !isLegend && !line.isBlank()) {
            interval(line.trim());
        }
    }

    private void comment(String line) {
        Matcher time = TIME.matcher(line);
        if (time.matches()) {
            double ms = Double.parseDouble(time.group(2)) * 1000;
            if (time.group(1).equals("Start")) {
                startMs = ms;
            } else {
                baseMs = ms;
            }
            return;
        }
        Matcher name = UNIT.matcher(line);
        if (unit == null && name.find()) {
            unit = symbol(name.group(1).toLowerCase(Locale.ROOT));
        }
    }

    private static String symbol(String name) {
        if (MICROSECONDS.containsKey(name)) {
            return name;
        }
        return switch (name.charAt(0)) {
            case 'n' -> "ns";
            case 'm' -> name.startsWith("micro") ? "us" : "ms";
            default -> "s";
        };
    }

    private void interval(String line) {
        Matcher fields = INTERVAL.matcher(line);
        if (!fields.matches()) {
            state = State.DAMAGED;
            return;
        }
        try {
            byte[] compressed = Base64.getDecoder().decode(fields.group(5));
            Histogram values = Histogram.decodeFromCompressedByteBuffer(ByteBuffer.wrap(compressed), 0);
            double max = Double.parseDouble(fields.group(4));
            double beginMs = absolute(Double.parseDouble(fields.group(2)) * 1000);
            double lengthMs = Double.parseDouble(fields.group(3)) * 1000;
            add(fields.group(1) == null ? "service" : fields.group(1), values);
            if (max >= SMALLEST_MAX) {
                ratios.add(ratio(values.getMaxValue() / max));
            }
            fromMs = Math.min(fromMs, beginMs);
            toMs = Math.max(toMs, beginMs + lengthMs);
        } catch (DataFormatException | RuntimeException e) {
            state = State.DAMAGED;
        }
    }

    private void add(String tag, Histogram values) {
        int digits = Math.max(3, values.getNumberOfSignificantValueDigits());
        raw.computeIfAbsent(tag, t -> new Histogram(digits)).add(values);
    }

    /** Intervals count from the base time, or from the start when they are much earlier, or from 1970. */
    private double absolute(double ms) {
        if (baseMs > 0) {
            return baseMs + ms;
        }
        return ms < startMs - YEAR_MS ? startMs + ms : ms;
    }

    // ---- Units ----

    /** Returns a thousand or a million if a ratio is about that, else 0. */
    private static long ratio(double ratio) {
        for (long known : new long[] {1_000, 1_000_000}) {
            if (Math.abs(ratio / known - 1) < 0.06) {
                return known;
            }
        }
        return 0;
    }

    /**
     * The log's own unit holds, then the given one, then the one in which Interval_Max is in milliseconds, as is usual.
     */
    private void convert(String givenUnit) {
        if (unit == null) {
            unit = givenUnit;
        }
        if (unit == null && ratios.size() == 1 && !ratios.contains(0L)) {
            isInferred = true;
            unit = ratios.contains(1_000L) ? "us" : "ns";
        }
        if (unit != null) {
            double factor = MICROSECONDS.get(unit);
            raw.forEach((tag, values) -> byTag.put(tag, factor == 1 ? values : scaled(values, factor)));
        } else if (state == State.WHOLE) {
            state = State.NO_UNIT;
        }
    }

    private static Histogram scaled(Histogram from, double factor) {
        Histogram to = new Histogram(from.getNumberOfSignificantValueDigits());
        for (HistogramIterationValue value : from.recordedValues()) {
            to.recordValueWithCount(Math.round(value.getValueIteratedTo() * factor), value.getCountAtValueIteratedTo());
        }
        return to;
    }
}
