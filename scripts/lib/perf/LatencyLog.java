//DEPS org.hdrhistogram:HdrHistogram:2.2.2

import java.io.*;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.*;
import java.util.*;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.HdrHistogram.*;

/** A latency log (.hlog), whoever wrote it, read as far as it goes: its histograms by tag, in microseconds. */
final class LatencyLog {
    enum State { WHOLE, DAMAGED, NO_LOG, NO_UNIT }
    private static final Map<String, Double> MICROSECONDS = Map.of("ns", 0.001, "us", 1.0, "ms", 1000.0, "s", 1_000_000.0);
    private static final Pattern INTERVAL = Pattern.compile("(?:Tag=([^,]*),)?([0-9.]+),([0-9.]+),([^,]+),(.+)");
    private static final Pattern UNIT = Pattern.compile("(?i)(?:\\bvalues?\\b[^,;]*?\\bin|\\bunits?\\b\\s*[:=]?(?: is| are)?)\\s+(ns|us|ms|s|(?:nano|micro|milli)?sec(?:ond)?s?)\\b");

    final Map<String, Histogram> byTag = new TreeMap<>();
    State state = State.NO_LOG;
    double fromMs = Double.MAX_VALUE, toMs;
    /** {@code ns}, {@code us}, {@code ms}, {@code s}, and whether only Interval_Max gives it away. */
    String unit;
    boolean inferred;

    private final Map<String, Histogram> read = new TreeMap<>();
    private final Set<Long> ratios = new HashSet<>();
    private double startMs, baseMs;

    static LatencyLog read(Path file, String given) throws IOException {
        LatencyLog log = new LatencyLog();
        try (BufferedReader text = Files.newBufferedReader(file, StandardCharsets.ISO_8859_1)) {
            for (String line; (line = text.readLine()) != null && log.state != State.DAMAGED; ) log.line(line);
        }
        if (log.state != State.NO_LOG && !log.read.isEmpty()) log.convert(given);
        return log;
    }

    private void line(String line) {
        if (line.startsWith("#[Histogram log format") || line.startsWith("\"StartTimestamp\"")) state = State.WHOLE;
        if (line.startsWith("#")) comment(line);
        else if (state == State.WHOLE && !line.isBlank() && !line.startsWith("\"StartTimestamp\"")) interval(line);
    }

    private void comment(String line) {
        Matcher time = Pattern.compile("#\\[(Start|Base)Time: ([0-9.]+).*").matcher(line);
        Matcher said = UNIT.matcher(line);
        if (time.matches() && time.group(1).equals("Start")) startMs = Double.parseDouble(time.group(2)) * 1000;
        else if (time.matches()) baseMs = Double.parseDouble(time.group(2)) * 1000;
        else if (unit == null && said.find()) unit = symbol(said.group(1).toLowerCase(Locale.ROOT));
    }

    private static String symbol(String name) {
        return name.replaceFirst("^(nano|micro|milli).*|sec.*", "$1").replace("nano", "ns").replace("micro", "us").replace("milli", "ms").replaceFirst("^$", "s");
    }

    private void interval(String line) {
        Matcher m = INTERVAL.matcher(line.trim());
        try {
            if (!m.matches()) throw new IllegalArgumentException("no interval");
            Histogram h = Histogram.decodeFromCompressedByteBuffer(ByteBuffer.wrap(Base64.getDecoder().decode(m.group(5))), 0);
            double largest = Double.parseDouble(m.group(4)), at = Double.parseDouble(m.group(2)) * 1000, ms = Double.parseDouble(m.group(3)) * 1000;
            read.computeIfAbsent(m.group(1) == null ? "service" : m.group(1), tag -> new Histogram(Math.max(3, h.getNumberOfSignificantValueDigits()))).add(h);
            if (largest >= 0.02) ratios.add(ratio(h.getMaxValue() / largest)); // it has three decimals
            if (baseMs > 0) at += baseMs;
            else if (at < startMs - 365 * 86_400_000.0) at += startMs;
            fromMs = Math.min(fromMs, at);
            toMs = Math.max(toMs, at + ms);
        } catch (java.util.zip.DataFormatException | RuntimeException e) { state = State.DAMAGED; }
    }

    /** How many values are one of Interval_Max; 0 if it is neither a thousand nor a million. */
    private static long ratio(double ratio) {
        for (long known : new long[] {1_000, 1_000_000}) if (Math.abs(ratio / known - 1) < 0.06) return known;
        return 0;
    }

    /** What the log itself says stands, then what was given; else Interval_Max, which by convention is in milliseconds. */
    private void convert(String given) {
        if (unit == null && given != null) unit = given;
        if (unit == null && ratios.size() == 1 && !ratios.contains(0L)) {
            inferred = true;
            unit = ratios.contains(1_000L) ? "us" : "ns";
        }
        if (unit == null && state == State.WHOLE) state = State.NO_UNIT;
        if (unit == null) return;
        double factor = MICROSECONDS.get(unit);
        read.forEach((tag, h) -> byTag.put(tag, factor == 1 ? h : scaled(h, factor)));
    }

    private static Histogram scaled(Histogram from, double factor) {
        Histogram to = new Histogram(from.getNumberOfSignificantValueDigits());
        for (HistogramIterationValue v : from.recordedValues()) to.recordValueWithCount(Math.round(v.getValueIteratedTo() * factor), v.getCountAtValueIteratedTo());
        return to;
    }

    static void check(String unit) { if (unit != null && !MICROSECONDS.containsKey(unit)) throw new Cli.Exit(2, "'" + unit + "' of --unit is not ns, us, ms or s."); }
    /** For whoever reads the figures, as a factor of a thousand would not show. */
    String remark() { return "values are taken to be in " + unit + ", because its Interval_Max is then in milliseconds; --unit if that is wrong"; }
}
