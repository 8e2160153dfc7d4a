///usr/bin/env jbang "$0" "$@" ; exit $?
//JAVA 17+
//DEPS org.apache.kafka:kafka-clients:4.4.0
//DEPS info.picocli:picocli:4.7.7
//DEPS com.fasterxml.jackson.jr:jackson-jr-objects:2.21.7
//DEPS org.slf4j:slf4j-simple:1.7.36
//DEPS org.hdrhistogram:HdrHistogram:2.2.2
//DEPS org.webjars.npm:uplot:1.6.30
//SOURCES lib/cli/Cli.java lib/perf/LatencyLog.java
//DESCRIPTION Writes the page of a run, or of several; it opens from disk

import com.fasterxml.jackson.core.*;
import com.fasterxml.jackson.jr.ob.JSON;
import com.sun.net.httpserver.*;
import java.io.*;
import java.net.*;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.*;
import java.security.MessageDigest;
import java.time.*;
import java.time.format.DateTimeFormatter;
import java.util.*;
import java.util.concurrent.*;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.*;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.*;
import java.util.zip.GZIPOutputStream;
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
 * Draws a run: what was acknowledged and how late, who was the active controller, what was in sync, what each fault cost. One HTML file with
 * everything in it, so that it opens from disk, without a network, in ten years.
 *
 * <p>It reads only the event stream ({@code cat *.jsonl | report} is enough) and .hlog files, once, and keeps what a page can show and no more: counts, sums and
 * maxima by time, states thinned to the worst of each while, the longest gaps. So ten million acknowledgements need no more memory than a thousand, and the page says
 * what was summed up. With {@code --serve} the same page follows files that grow. No cluster is asked ({@code dashboard} does that as well).
 *
 * <pre>report runs/20261123-142300
 * report runs/a runs/b --out differences.html
 * watch-isr --json | report --serve --port 0</pre>
 */
@Command(name = "report", version = "kraft-lab 0.1.0", sortOptions = false,
        description = "Makes a page with plots of a run: one HTML file to open from disk; several runs: side by side, with differences.")
class Report implements Callable<Integer> {
    @Parameters(paramLabel = "RUN", arity = "0..*", description = "A run's folder, or event files and .hlog files that are one run; none or -: events from stdin.")
    List<String> inputs = new ArrayList<>();
    @Option(names = "--out", paramLabel = "FILE", description = "The page (default: report.html in the run's folder; here for files, stdin or several runs).")
    Path out;
    @Option(names = "--serve", description = "Serve the page on this machine (127.0.0.1) and follow the files as they grow, until Ctrl-C.")
    boolean serve;
    @Option(names = "--port", paramLabel = "N", defaultValue = "8060", description = "With --serve: where; 0: any that is free (default: ${DEFAULT-VALUE}).")
    int port;
    @Option(names = "--unit", paramLabel = "ns|us|ms|s", description = "Unit of the values in .hlog files that do not say it.")
    String unit;

    @Mixin Cli.Common common = new Cli.Common();

    public static void main(String... args) {
        System.exit(run(new PrintWriter(System.out, true), new PrintWriter(System.err, true), args));
    }

    /** Runs the script without a process. @return the exit code */
    public static int run(PrintWriter out, PrintWriter err, String... args) {
        Report script = new Report();
        return script.common.run(script, out, err, args);
    }

    @Override
    public Integer call() throws Exception {
        LatencyLog.check(unit);
        List<Run> runs = open();
        runs.forEach(run -> run.unit = unit);
        if (serve) return serve(runs, live -> { });
        for (Run run : runs) run.readAll();
        for (Run run : runs) {
            if (run.events == 0 && run.latency.isEmpty()) throw new Cli.Exit(Cli.INCOMPLETE, "No event in " + run.name
                    + (run.damaged + run.strangers > 0 ? ", only " + (run.damaged + run.strangers) + " other lines" : "") + ": there is nothing to draw.");
            if (run.damaged > 0) common.say("%s: %d damaged lines are left out; the first: %s", run.name, run.damaged, run.firstDamage);
            run.notes.forEach(note -> common.say("%s: %s", run.name, note));
        }
        if (out == null) out = runs.size() == 1 && runs.get(0).folder != null ? runs.get(0).folder.resolve("report.html") : Path.of("report.html");
        try { Page.write(out, runs); }
        catch (IOException e) { throw new Cli.Exit(1, "Cannot write the page " + out + ": " + problem(e) + "; name another with --out."); }
        common.emit("page", "at", out.toString(), "runs", runs.size(), "events", runs.stream().mapToLong(r -> r.events).sum(), "damaged", runs.stream().mapToLong(r -> r.damaged).sum());
        if (!common.json) common.out.println(out);
        return 0;
    }

    /** The runs that are named, nothing read yet: each folder is one; files, and stdin, are one together. */
    List<Run> open() throws IOException {
        List<Run> runs = new ArrayList<>();
        if (inputs.isEmpty() && System.console() != null) throw new Cli.Exit(2, "Which run? Name its folder or event files, or pipe events to stdin.");
        Run loose = null;
        for (String input : inputs.isEmpty() ? List.of("-") : inputs) {
            Path path = Path.of(input);
            if (Files.isDirectory(path)) {
                Run run = new Run(path.toAbsolutePath().normalize().getFileName().toString());
                run.folder = path;
                run.list();
                if (run.files.stream().noneMatch(f -> f.toString().endsWith(".jsonl")) && !serve) throw new Cli.Exit(2, path + " is not a run's folder: no .jsonl file with events is in it.");
                runs.add(run);
                continue;
            }
            if (loose == null) runs.add(loose = new Run(input.equals("-") ? "stdin" : path.getFileName().toString()));
            if (!input.equals("-") && !(serve || Files.isReadable(path))) throw new Cli.Exit(2, "Cannot read " + path + ": "
                    + (Files.exists(path) ? "not allowed." : "there is no such file or folder."));
            if (input.equals("-")) loose.stdin = System.in; else loose.files.add(path);
        }
        return runs;
    }

    private static String problem(IOException e) { return e instanceof NoSuchFileException ? "no such folder" : e instanceof AccessDeniedException ? "not allowed"
            : e instanceof FileSystemException f && f.getReason() != null ? f.getReason() : e.getMessage(); }

    // ---- A run, read once: what a page can show, and no more ----

    /** What is the same run's: its files, read as far as they go, and what is kept of their events. All times are microseconds since 1970 until the page is made. */
    static class Run implements Consumer<Map<String, Object>> {
        /** Single acknowledgements are kept up to here; longest gaps; partitions drawn; others of which there may be too many. */
        static final int SINGLE = 4_000, GAPS = 1_000, DRAWN = 48, FEW = 500;
        private static final JsonFactory JSON_FACTORY = new JsonFactory();
        private static final int LONGEST_LINE = 1 << 20;

        final String name;
        final Set<Path> files = new LinkedHashSet<>();
        final Set<String> notes = new ConcurrentSkipListSet<>();
        /** Of latency logs that do not say it, or null. */
        String unit;
        Path folder;
        InputStream stdin;
        long events, damaged, strangers, from = Long.MAX_VALUE, to = Long.MIN_VALUE;
        String firstDamage = "";
        private Map<String, Object> cluster; // what a live look adds
        private long looks, readLogs, readLogsAt;
        final Map<String, Long> undrawn = new TreeMap<>();
        final Map<String, Histogram> latency = new TreeMap<>();
        private final Bins perSecond = new Bins(1_000_000), delays = new Bins(50_000), errorTimes = new Bins(1_000_000);
        private long acks, lastAck, faultsLeftOut, producerBegan, producerEnded;
        private final Set<String> producing = new HashSet<>();
        private List<long[]> single = new ArrayList<>();
        private final Histogram ackLatency = new Histogram(3);
        private final Steps controllers = new Steps(row -> row[1]), isr = new Steps(row -> row[1] - 1_000_000 * (row[5] - row[4]));
        private final Map<Long, Steps> nodes = new TreeMap<>();
        private final Map<String, Part> parts = new LinkedHashMap<>();
        private final Gaps gaps = new Gaps(GAPS);
        /** Where gaps stop that have not ended: with the producer, and not with an acknowledgement. */
        private final Set<Long> lasting = new HashSet<>();
        private final List<Map<String, Object>> faults = new ArrayList<>(), restored = new ArrayList<>(), phases = new ArrayList<>(), summaries = new ArrayList<>(),
                told = new ArrayList<>();
        private final List<double[]> windows = new ArrayList<>();
        private int windowsMerged = 1, warmupWindows;
        private final Map<String, long[]> errors = new LinkedHashMap<>();
        private Map<String, Object> verdict, loadVerdict;
        private long verdictAt;
        private final Map<Path, Tail> tails = new LinkedHashMap<>();

        // The event at hand: what an acknowledgement has, and the rest.
        private String type, topic;
        private long ts, partition, us, seq;
        private final Map<String, Object> more = new HashMap<>();

        Run(String name) { this.name = name; }

        /** A partition as far as the stream knows it: leader (-1 none, -2 not known), acknowledgements, gaps. */
        private static class Part {
            final String topic;
            final long partition;
            final Steps leaders = new Steps(row -> row[1]);
            final Gaps gaps = new Gaps(200);
            long acks, told = Long.MAX_VALUE; // from when on each change is told
            Part(String topic, long partition) { this.topic = topic; this.partition = partition; }
        }

        void readAll() throws IOException {
            if (stdin != null) new Tail().read(stdin::read, this);
            for (Path file : files) if (!file.toString().endsWith(".hlog")) try (FileChannel in = FileChannel.open(file)) { new Tail().read(buffer -> in.read(ByteBuffer.wrap(buffer)), this); }
            readLatencies();
        }

        /** Reads what the files have more than the last time. */
        void readOn() throws IOException {
            if (folder != null) list();
            long logs = 0;
            for (Path file : files) if (file.toString().endsWith(".hlog")) logs += Files.exists(file) ? Files.size(file) : 0;
            else if (Files.exists(file)) {
                Tail tail = tails.computeIfAbsent(file, f -> new Tail());
                try (FileChannel in = FileChannel.open(file)) {
                    if (in.size() < tail.position) tails.put(file, tail = new Tail()); // begun anew
                    in.position(tail.position);
                    tail.readOn(buffer -> in.read(ByteBuffer.wrap(buffer)), this);
                }
            }
            if (logs != readLogs && System.nanoTime() - readLogsAt > 2_000_000_000L) { readLogs = logs; readLogsAt = System.nanoTime(); readLatencies(); }
        }

        /** The folder's event files and latency logs, in which a ledger is neither. */
        void list() throws IOException {
            if (!Files.isDirectory(folder)) return;
            try (Stream<Path> all = Files.list(folder)) { all.sorted().filter(f -> f.toString().matches(".*\\.(jsonl|hlog)")
                    && !f.getFileName().toString().startsWith("ledger")).forEach(files::add); }
        }

        /** Grows with whatever is new. */
        synchronized long changes() { return events + damaged + strangers + readLogs + looks; }

        /** A live look; time goes on with it, whether there are events or not. */
        synchronized void cluster(Map<String, Object> now) {
            cluster = now;
            looks++;
            to = Math.max(to, System.currentTimeMillis() * 1000);
            from = Math.min(from, to);
        }

        synchronized void readLatencies() {
            latency.clear();
            for (Path file : files) if (file.toString().endsWith(".hlog")) readLatencies(file, Cli.printable(file.getFileName()));
        }

        private void readLatencies(Path file, String called) {
            LatencyLog log;
            try { log = LatencyLog.read(file, unit); } catch (IOException e) { log = new LatencyLog(); }
            if (log.state == LatencyLog.State.NO_UNIT) notes.add(called + " does not say in which unit its values are, and is left out: give --unit ns, us, ms or s.");
            else if (log.state != LatencyLog.State.WHOLE) notes.add(called + " is damaged or cut off: the latencies are those before.");
            if (log.inferred) notes.add(called + ": " + log.remark() + ".");
            log.byTag.forEach((tag, h) -> latency.computeIfAbsent(cut(tag), t -> new Histogram(3)).add(h));
        }

        /** An event that a script of this JVM emits. */
        @Override public synchronized void accept(Map<String, Object> event) {
            try {
                byte[] line = JSON.std.asBytes(event);
                line(line, 0, line.length);
            } catch (IOException e) { throw new UncheckedIOException(e); }
        }

        synchronized void line(byte[] line, int start, int end) {
            while (end > start && line[end - 1] <= ' ') end--;
            if (end == start) return;
            try (JsonParser json = JSON_FACTORY.createParser(line, start, end - start)) {
                type = topic = null;
                ts = partition = us = seq = Long.MIN_VALUE;
                more.clear();
                if (json.nextToken() != JsonToken.START_OBJECT) throw new IllegalArgumentException("not an object");
                for (String field; (field = json.nextFieldName()) != null; ) {
                    json.nextToken();
                    switch (field) {
                        case "ts" -> ts = micros(json.getText());
                        case "type" -> type = json.getText();
                        case "topic" -> topic = cut(json.getText());
                        case "partition" -> partition = json.getLongValue();
                        case "latencyUs" -> us = json.getLongValue();
                        case "seq" -> seq = json.getLongValue();
                        default -> { if ("ack".equals(type)) json.skipChildren(); else more.put(field, value(json)); }
                    }
                }
                if (json.currentToken() != JsonToken.END_OBJECT || json.nextToken() != null) throw new IllegalArgumentException("more than an object");
                if (type == null || ts == Long.MIN_VALUE) { strangers++; return; } // such as a ledger's, of cat *.jsonl
                event();
                events++;
                from = Math.min(from, ts);
                to = Math.max(to, ts);
            } catch (IOException | RuntimeException e) {
                if (damaged++ == 0) firstDamage = cut(String.valueOf(e instanceof JsonProcessingException j ? j.getOriginalMessage() : e.getMessage()));
            }
        }

        private static Object value(JsonParser json) throws IOException {
            switch (json.currentToken()) {
                case START_OBJECT -> {
                    Map<String, Object> map = new LinkedHashMap<>();
                    for (String field; (field = json.nextFieldName()) != null; ) { json.nextToken(); map.put(cut(field), value(json)); }
                    return map;
                }
                case START_ARRAY -> {
                    List<Object> list = new ArrayList<>();
                    while (json.nextToken() != JsonToken.END_ARRAY) list.add(value(json));
                    return list;
                }
                case VALUE_NUMBER_INT -> { return json.getLongValue(); }
                case VALUE_NUMBER_FLOAT -> { return json.getDoubleValue(); }
                case VALUE_TRUE, VALUE_FALSE -> { return json.getBooleanValue(); }
                case VALUE_NULL -> { return null; }
                default -> { return cut(json.getText()); }
            }
        }

        private void event() {
            switch (type) {
                case "ack" -> {
                    needed(us); needed(partition);
                    acks++;
                    lastAck = Math.max(lastAck, ts);
                    perSecond.add(ts, 1);
                    delays.add(ts, us);
                    ackLatency.recordValue(Math.max(0, Math.min(us, 86_400_000_000L)));
                    if (single != null && single.size() < SINGLE) single.add(new long[] {ts, us, seq, partition}); else single = null;
                    Part part = part(topic, partition);
                    if (part != null) part.acks++;
                }
                case "stall" -> {
                    long began = micros(text("from")), ended = began + Math.round(number("ms") * 1000);
                    if (Boolean.FALSE.equals(more.get("ended")) && lasting.size() < FEW) lasting.add(ended);
                    if (partition < 0) gaps.add(began, ended);
                    else { Part part = part(topic, partition); if (part != null) part.gaps.add(began, ended); }
                    from = Math.min(from, began);
                }
                case "send-error" -> {
                    errorTimes.add(ts, 1);
                    String error = text("error") + ": " + more.get("message") + " (" + more.get("outcome") + ")";
                    errors.computeIfAbsent(errors.size() < 20 || errors.containsKey(error) ? error : "others", e -> new long[] {0, ts})[0]++;
                }
                case "controller" -> controllers.add(ts, whole("controller"), more.get("epoch") instanceof Long e ? e : -1);
                case "isr" -> {
                    isr.add(ts, whole("inSync"), whole("replicas"), whole("underReplicated"), whole("online"), whole("partitions"), more.get("frozenSince") instanceof String f
                            ? micros(f.split(" ")[0]) : 0, brokers());
                }
                case "leader" -> { needed(partition); leader(part(topic, partition), whole("leader"), true); }
                case "offline" -> { needed(partition); leader(part(topic, partition), -1, false); }
                case "topic" -> {
                    for (Object p : more.get("partitions") instanceof List<?> list ? list : List.of())
                        if (p instanceof Map<?, ?> m && m.get("partition") instanceof Long id && m.get("leader") instanceof Long leader) leader(part(topic, id), leader, false);
                }
                case "node" -> {
                    int state = List.of("refuses", "down", "silent", "paused", "disconnected", "stopping", "unknown", "answers", "running", "up").indexOf(text("state"));
                    for (Object id : more.get("node") instanceof List<?> list ? list : Collections.singletonList(more.get("node")))
                        if (id instanceof Long node && (nodes.containsKey(node) || nodes.size() < 100)) nodes.computeIfAbsent(node, n -> new Steps(row -> row[1])).add(ts, state < 0 ? 3
                                : state < 2 ? 0 : state < 6 ? 1 : state < 7 ? 3 : 2);
                }
                case "fault", "restored" -> {
                    List<Map<String, Object>> list = type.equals("fault") ? faults : restored;
                    long at = more.get("at") instanceof String when ? micros(when) : ts;
                    if (list.size() >= FEW) faultsLeftOut++;
                    else list.add(new TreeMap<>(Map.of("t", at, "node", whole("node"), "mode", String.valueOf(more.getOrDefault("mode", "")), "name",
                            String.valueOf(more.getOrDefault("name", "node " + whole("node"))))));
                    from = Math.min(from, at);
                }
                case "phase" -> {
                    boolean start = "start".equals(more.get("state"));
                    if (start && phases.size() < FEW) phases.add(new HashMap<>(Map.of("name", text("phase"), "from", ts)));
                    if (!start) for (int i = phases.size(); i-- > 0; ) if (phases.get(i).get("name").equals(text("phase"))) { phases.get(i).putIfAbsent("to", ts); break; }
                }
                case "producer" -> { // of several, the first to begin and the last to end
                    if (!"start".equals(text("state"))) { if (producing.remove(text("producer")) && producing.isEmpty()) producerEnded = ts; }
                    else if (producing.size() < FEW && producing.add(text("producer")) && producing.size() == 1) { producerBegan = ts; producerEnded = 0; }
                }
                case "outage" -> { whole("node"); more.put("at", micros(text("at"))); more.keySet().removeAll(List.of("partitions", "notes", "all"));
                        if (!(more.get("gap") instanceof Map<?, ?> gap)) more.remove("gap");
                        else if (gap.entrySet().stream().anyMatch(e -> (e.getKey() + "").matches("ms|.*Ms") && e.getValue() != null && !(e.getValue() instanceof Number))) throw new IllegalArgumentException("gap is not of numbers");
                        if (told.size() < FEW) told.add(new HashMap<>(more)); }
                case "perf-window" -> {
                    windows.add(new double[] {ts, number("recordsPerSec"), optional("p50Ms", "avgMs"), optional("p99Ms", "maxMs"), number("maxMs"), number("records")});
                    if (Boolean.FALSE.equals(more.get("steady"))) warmupWindows++;
                    if (windows.size() > 2_000) mergeWindows();
                }
                case "perf-summary" -> { number("recordsPerSec"); if (summaries.size() < 20) summaries.add(plain()); }
                case "load-verdict" -> { text("verdict"); loadVerdict = plain(); }
                case "verdict" -> { if (ts >= verdictAt) { text("verdict"); verdict = plain(); verdictAt = ts;
                        if (more.get("incomplete") instanceof List<?> why) verdict.put("incomplete", why.stream().limit(20).map(String::valueOf).toList()); } }
                default -> { if (undrawn.size() < 50 || undrawn.containsKey(type)) undrawn.merge(cut(type), 1L, Long::sum); }
            }
        }

        private Part part(String topic, long partition) {
            String key = topic + "-" + partition;
            return parts.size() < 20_000 ? parts.computeIfAbsent(key, k -> new Part(topic, partition)) : parts.get(key);
        }

        private void leader(Part part, long leader, boolean always) {
            if (part == null) return;
            if (always) part.told = Math.min(part.told, ts);
            if (part.leaders.size() == 0 || part.leaders.last()[1] != leader) part.leaders.add(ts, leader);
        }

        /** A bit for each unfenced broker; all of them when it is not said. */
        private long brokers() {
            return more.get("brokers") instanceof List<?> list ? list.stream().mapToLong(b -> b instanceof Long id && id >= 0 && id < 64 ? 1L << id : 0).reduce(0, (x, y) -> x | y) : -1;
        }

        /** A leader that was told once, and not each time, stays one while it is a broker; no partition is offline any more when all are online; then who leads is not known (-2). */
        private List<long[]> leaders(Part part) {
            List<long[]> rows = part.leaders.rows(), all = new ArrayList<>();
            for (int i = 0; i < rows.size(); i++) {
                long[] row = rows.get(i);
                all.add(row);
                long until = i + 1 < rows.size() ? rows.get(i + 1)[0] : Long.MAX_VALUE;
                isr.rows().stream().filter(s -> s[0] > row[0] && s[0] < Math.min(until, part.told)
                        && (row[1] < 0 ? s[4] == s[5] : row[1] < 64 && (s[7] >> row[1] & 1) == 0)).findFirst().ifPresent(s -> all.add(new long[] {s[0], -2}));
            }
            return all;
        }

        /** Two windows become one: rates averaged, percentiles the worse. */
        private void mergeWindows() {
            List<double[]> half = new ArrayList<>();
            for (int i = 0; i + 1 < windows.size(); i += 2) {
                double[] a = windows.get(i), b = windows.get(i + 1);
                half.add(new double[] {b[0], (a[1] + b[1]) / 2, Math.max(a[2], b[2]), Math.max(a[3], b[3]), Math.max(a[4], b[4]), a[5] + b[5]});
            }
            if (windows.size() % 2 == 1) half.add(windows.get(windows.size() - 1));
            windows.clear();
            windows.addAll(half);
            windowsMerged *= 2;
        }

        /** The event's figures and words, without what may be long. */
        private Map<String, Object> plain() {
            return more.entrySet().stream().filter(e -> e.getValue() instanceof Number || e.getValue() instanceof String).collect(Collectors.toMap(Map.Entry::getKey, Map.Entry::getValue,
                    (a, b) -> b, TreeMap::new));
        }

        private static void needed(long field) { if (field == Long.MIN_VALUE) throw new IllegalArgumentException("a field is missing"); }
        private double number(String field) { if (more.get(field) instanceof Number n) return n.doubleValue(); throw new IllegalArgumentException(field + " is not a number"); }
        private double optional(String field, String other) { return more.get(field) instanceof Number n ? n.doubleValue() : number(other); }
        private long whole(String field) { if (more.get(field) instanceof Long n) return n; throw new IllegalArgumentException(field + " is not an integer"); }
        private String text(String field) { if (more.get(field) instanceof String s) return s; throw new IllegalArgumentException(field + " is not a string"); }
        private static String cut(String text) { return text == null || text.length() <= 300 ? text : text.substring(0, 299) + "\u2026"; }

        /** Microseconds of 2026-11-23T12:40:32.938153Z, read digit by digit, for there are millions; any other form by the library. */
        static long micros(String ts) {
            int n = ts.length();
            if (n >= 20 && n <= 30 && ts.charAt(n - 1) == 'Z' && ts.charAt(4) == '-' && ts.charAt(10) == 'T') {
                long fraction = 0;
                for (int i = 20; i < 26; i++) fraction = fraction * 10 + (i < n - 1 ? digit(ts, i) : 0);
                long day = LocalDate.of(digits(ts, 0, 4), digits(ts, 5, 7), digits(ts, 8, 10)).toEpochDay();
                return plausible((((day * 24 + digits(ts, 11, 13)) * 60 + digits(ts, 14, 16)) * 60 + digits(ts, 17, 19)) * 1_000_000 + fraction);
            }
            Instant at = Instant.parse(ts);
            return plausible(at.getEpochSecond() * 1_000_000 + at.getNano() / 1000);
        }
        private static int digits(String s, int from, int to) { int n = 0; for (int i = from; i < to; i++) n = n * 10 + digit(s, i); return n; }
        private static int digit(String s, int i) { int d = s.charAt(i) - '0'; if (d < 0 || d > 9) throw new IllegalArgumentException("not a time: " + s); return d; }
        /** One wrong clock would leave all else in a single point of the time axis. */
        private static long plausible(long us) { if (us < 946_684_800_000_000L || us > 4_102_444_800_000_000L) throw new IllegalArgumentException("a time out of all reason"); return us; }

        // ---- What the page gets ----

        /** Seconds since the run's begin, to the millisecond. */
        private double x(long us) { return Math.round((us - from) / 1e3) / 1e3; }
        private double[] x(List<long[]> rows) { return rows.stream().mapToDouble(r -> x(r[0])).toArray(); }

        synchronized Map<String, Object> forPage() {
            Map<String, Object> page = new LinkedHashMap<>();
            List<String> summed = new ArrayList<>(notes);
            page.putAll(Map.of("name", name, "t0", events == 0 && cluster == null ? 0 : from / 1e3, "end", events == 0 && cluster == null ? 0 : x(to), "events", events, "damaged", damaged,
                    "firstDamage", firstDamage, "undrawn", undrawn));
            page.put("verdict", verdict);
            page.put("load", loadVerdict);
            page.put("acks", acks);
            page.put("lastAck", acks == 0 ? null : x(lastAck));
            page.put("producer", producerBegan == 0 ? null : new Double[] {x(producerBegan), producerEnded == 0 ? null : (Double) x(producerEnded)});
            page.put("rate", perSecond.forPage(this));
            if (perSecond.width > 1_000_000) summed.add("acknowledgements are counted over " + perSecond.width / 1_000_000 + " s");
            page.put("errorTimes", errorTimes.forPage(this));
            if (single != null) {
                single.sort(Comparator.comparingLong(a -> a[0]));
                page.put("single", Map.of("x", x(single), "us", column(single, 1), "seq", column(single, 2), "p", column(single, 3)));
            } else {
                page.put("delays", delays.forPage(this));
                summed.add("of " + acks + " acknowledgements the latency is shown as mean and maximum over " + delays.width / 1e6 + " s");
            }
            List<long[]> c = controllers.rows(), s = isr.rows();
            page.put("controller", Map.of("x", x(c), "node", column(c, 1), "epoch", column(c, 2)));
            page.put("isr", Map.of("x", x(s), "inSync", column(s, 1), "replicas", column(s, 2), "urp", column(s, 3), "online", column(s, 4), "partitions", column(s, 5),
                    "frozen", s.stream().mapToDouble(r -> r[6] == 0 ? -1 : Math.max(0, x(r[6]))).toArray()));
            if (controllers.thinned || isr.thinned) summed.add("of the states of controller and replicas only the worst and the last of each while are shown");
            Map<String, Object> states = new LinkedHashMap<>();
            nodes.forEach((id, steps) -> states.put("" + id, Map.of("x", x(steps.rows()), "state", column(steps.rows(), 1))));
            page.put("nodes", states);
            page.put("gaps", gaps.forPage(this));
            if (gaps.leftOut > 0) summed.add("of " + (gaps.leftOut + GAPS) + " gaps the longest " + GAPS + " are drawn");
            page.put("partitions", partitions(summed));
            page.put("faults", marks(faults));
            page.put("restored", marks(restored));
            if (faultsLeftOut > 0) summed.add(faultsLeftOut + " further faults and restorations are not drawn");
            page.put("phases", phases.stream().map(p -> { Map<String, Object> m = new LinkedHashMap<>(p); m.replaceAll((k, v) -> v instanceof Long t ? (Object) x(t) : v); return m; }).toList());
            windows.sort(Comparator.comparingDouble(w -> w[0]));
            page.put("windows", Map.of("x", windows.stream().mapToDouble(w -> x((long) w[0])).toArray(), "from",
                    windows.stream().mapToDouble(w -> x((long) (w[0] - w[5] / Math.max(1e-9, w[1]) * 1e6))).toArray(), "rate", column(windows, 1, 1), "p50", column(windows, 2, 1), "p99",
                            column(windows, 3, 1), "max", column(windows, 4, 1)));
            if (warmupWindows > 0) summed.add("the first " + warmupWindows + " windows of the load test are its warm-up, by which no objective is judged");
            if (windowsMerged > 1) summed.add("a point of the load test is " + windowsMerged + " of its windows");
            page.put("summaries", summaries);
            page.put("errors", errors.entrySet().stream().map(e -> Map.of("error", e.getKey(), "n", e.getValue()[0], "first", x(e.getValue()[1]))).toList());
            Map<String, Object> curves = new LinkedHashMap<>();
            latency.forEach((tag, h) -> curves.put(tag, curve(h)));
            if (ackLatency.getTotalCount() > 0) curves.put("acknowledgements", curve(ackLatency));
            page.put("curves", curves);
            page.put("outages", new Phases(this).forPage());
            page.put("cluster", cluster);
            page.put("summed", summed);
            return page;
        }

        private List<Map<String, Object>> marks(List<Map<String, Object>> marks) {
            marks.sort(Comparator.comparingLong(m -> (Long) m.get("t")));
            return marks.stream().map(m -> { Map<String, Object> copy = new TreeMap<>(m); copy.put("t", x((Long) m.get("t"))); return copy; }).toList();
        }

        /** Those that tell something before those that do not; in the order of their names. */
        private List<Map<String, Object>> partitions(List<String> summed) {
            List<Part> drawn = parts.values().stream().sorted(Comparator.comparing((Part p) -> p.acks == 0).thenComparing(p -> p.gaps.size() == 0).thenComparing(p -> -p.leaders.size())
                    .thenComparing(p -> String.valueOf(p.topic)).thenComparing(p -> p.partition)).limit(DRAWN).sorted(Comparator.comparing((Part p) -> String.valueOf(p.topic)).thenComparing(p -> p.partition)).toList();
            if (drawn.size() < parts.size()) summed.add("of " + parts.size() + " partitions " + drawn.size() + " are drawn");
            return drawn.stream().map(p -> {
                List<long[]> rows = leaders(p);
                return Map.of("topic", String.valueOf(p.topic), "p", p.partition, "acks", p.acks, "x", x(rows), "leader", column(rows, 1), "gaps", p.gaps.forPage(this));
            }).toList();
        }

        /** Percentiles and milliseconds, a point where the percentile has halved its distance to 100 five times over. */
        private static Map<String, Object> curve(Histogram us) {
            List<double[]> points = new ArrayList<>();
            for (HistogramIterationValue v : us.percentiles(5)) if (v.getPercentileLevelIteratedTo() < 100) points.add(new double[] {0, v.getPercentileLevelIteratedTo(),
                    v.getValueIteratedTo() / 1e3});
            Map<String, Object> curve = new LinkedHashMap<>(Map.of("n", us.getTotalCount(), "avg", us.getMean() / 1e3, "max", us.getMaxValue() / 1e3, "p", column(points, 1, 1), "ms",
                    column(points, 2, 1)));
            for (double p : new double[] {50, 95, 99, 99.9}) curve.put("p" + (p == 99.9 ? "999" : (int) p), us.getValueAtPercentile(p) / 1e3);
            return curve;
        }

        private static long[] column(List<long[]> rows, int i) { return rows.stream().mapToLong(r -> r[i]).toArray(); }
        private static double[] column(List<double[]> rows, int i, int unused) { return rows.stream().mapToDouble(r -> Math.round(r[i] * 1e4) / 1e4).toArray(); }
    }

    interface Input { int read(byte[] buffer) throws IOException; }

    /** Cuts what is read into lines, across reads; a line that is too long is damaged. */
    static class Tail {
        long position;
        private byte[] buffer = new byte[1 << 16];
        private int kept;

        void read(Input in, Run run) throws IOException {
            readOn(in, run);
            run.line(buffer, 0, kept); // a last line without its end
        }

        void readOn(Input in, Run run) throws IOException {
            byte[] chunk = new byte[1 << 16];
            for (int n; (n = in.read(chunk)) > 0; position += n) {
                if (kept + n > buffer.length) buffer = Arrays.copyOf(buffer, Math.max(2 * buffer.length, kept + n));
                System.arraycopy(chunk, 0, buffer, kept, n);
                int start = 0;
                for (int i = kept, end = kept + n; i < end; i++) if (buffer[i] == '\n') { run.line(buffer, start, i); start = i + 1; }
                kept = Math.min(kept + n - start, Run.LONGEST_LINE); // what is longer is no JSON any more
                System.arraycopy(buffer, start, buffer, 0, kept);
            }
        }
    }

    /** Count, sum and maximum by time in at most CAP bins of one width, which doubles when they do not reach. In any order. */
    static class Bins {
        static final int CAP = 4_096;
        long width;
        private long first;
        private int used;
        private long[] n = new long[64], sum = new long[64], max = new long[64];

        Bins(long width) { this.width = width; }

        void add(long us, long value) {
            long i = Math.floorDiv(us, width);
            if (used == 0) first = i;
            while (Math.max(i, first + used - 1) - Math.min(i, first) >= CAP) { coarsen(); i = Math.floorDiv(us, width); }
            if (i < first) shift((int) (first - i));
            int at = (int) (i - first);
            grow(at + 1);
            used = Math.max(used, at + 1);
            n[at]++;
            sum[at] += value;
            max[at] = Math.max(max[at], value);
        }

        private void grow(int size) {
            if (size <= n.length) return;
            int to = Math.max(size, Math.min(CAP, 2 * n.length));
            n = Arrays.copyOf(n, to); sum = Arrays.copyOf(sum, to); max = Arrays.copyOf(max, to);
        }

        private void shift(int by) {
            grow(used + by);
            for (long[] a : List.of(n, sum, max)) { System.arraycopy(a, 0, a, by, used); Arrays.fill(a, 0, by, 0); }
            used += by;
            first -= by;
        }

        private void coarsen() {
            long half = Math.floorDiv(first, 2L);
            for (int i = 0; i < used; i++) {
                int to = (int) (Math.floorDiv(first + i, 2L) - half);
                long a = n[i], b = sum[i], c = max[i];
                n[i] = sum[i] = max[i] = 0;
                n[to] += a; sum[to] += b; max[to] = Math.max(max[to], c);
            }
            used = (int) (Math.floorDiv(first + used - 1, 2L) - half) + 1;
            first = half;
            width *= 2;
        }

        /** Those that are not empty. */
        Map<String, Object> forPage(Run run) {
            int[] some = IntStream.range(0, used).filter(i -> n[i] > 0).toArray();
            return Map.of("width", width / 1e6, "x", Arrays.stream(some).mapToDouble(i -> run.x((first + i) * width)).toArray(), "n", Arrays.stream(some).mapToLong(i -> n[i]).toArray(),
                    "mean", Arrays.stream(some).mapToLong(i -> sum[i] / n[i]).toArray(), "max", Arrays.stream(some).mapToLong(i -> max[i]).toArray());
        }
    }

    /** What holds from a moment on: time and values, in any order. Repetitions go; when too many are left, of each while the worst and the last stay. */
    static class Steps {
        private static final int CAP = 4_000;
        private final ToLongFunction<long[]> good;
        private List<long[]> rows = new ArrayList<>();
        private boolean sorted = true;
        boolean thinned;

        Steps(ToLongFunction<long[]> good) { this.good = good; }
        int size() { return rows.size(); }
        long[] last() { return rows.get(rows.size() - 1); }

        void add(long... row) {
            sorted &= rows.isEmpty() || last()[0] <= row[0];
            rows.add(row);
            if (rows.size() > 2 * CAP) thin();
        }

        List<long[]> rows() {
            if (!sorted) rows.sort(Comparator.comparingLong(r -> r[0]));
            sorted = true;
            List<long[]> changes = new ArrayList<>();
            for (int i = 0; i < rows.size(); i++) if (i == 0 || i == rows.size() - 1 || !Arrays.equals(rows.get(i), 1, rows.get(i).length, rows.get(i - 1), 1,
                    rows.get(i).length)) changes.add(rows.get(i));
            return rows = changes;
        }

        private void thin() {
            for (long width = Math.max(1, (rows().get(rows.size() - 1)[0] - rows.get(0)[0]) / CAP); rows.size() > CAP; width *= 2) {
                thinned = true;
                List<long[]> few = new ArrayList<>();
                for (int i = 0, j; i < rows.size(); i = j) {
                    long[] worst = rows.get(i);
                    for (j = i; j < rows.size() && rows.get(j)[0] / width == rows.get(i)[0] / width; j++) if (good.applyAsLong(rows.get(j)) < good.applyAsLong(worst)) worst = rows.get(j);
                    if (worst != rows.get(j - 1)) few.add(worst);
                    few.add(rows.get(j - 1));
                }
                rows = few;
            }
        }
    }

    /** The longest gaps. */
    static class Gaps {
        private final PriorityQueue<long[]> longest = new PriorityQueue<>(Comparator.comparingLong(g -> g[1] - g[0]));
        private final int cap;
        long leftOut;
        Gaps(int cap) { this.cap = cap; }
        int size() { return longest.size(); }
        void add(long from, long to) { longest.add(new long[] {from, to}); if (longest.size() > cap) { longest.remove(); leftOut++; } }
        Stream<long[]> stream() { return longest.stream().sorted(Comparator.comparingLong(g -> g[0])); }
        List<double[]> forPage(Run run) { return stream().map(g -> new double[] {run.x(g[0]), run.x(g[1])}).toList(); }
    }

    /** What followed each fault: as outages says in the stream (the lab has it at its end), and before that, as far as the stream tells. */
    static class Phases {
        private final Run run;
        Phases(Run run) { this.run = run; }

        /** Seconds since the run's begin; absent: it did not happen, or the stream does not tell. */
        List<Map<String, Object>> forPage() {
            List<Map<String, Object>> outages = new ArrayList<>();
            List<long[]> controllers = run.controllers.rows(), isr = run.isr.rows();
            run.faults.sort(Comparator.comparingLong(f -> (Long) f.get("t")));
            for (int i = 0; i < run.faults.size(); i++) {
                Map<String, Object> fault = run.faults.get(i), o = new LinkedHashMap<>();
                long at = (Long) fault.get("t"), next = i + 1 < run.faults.size() ? (Long) run.faults.get(i + 1).get("t") : Long.MAX_VALUE, node = (Long) fault.get("node");
                Long back = first(run.restored.stream().filter(r -> r.get("node").equals(node)).map(r -> (Long) r.get("t")).sorted(), t -> t >= at);
                long until = Math.min(next, back == null ? Long.MAX_VALUE : back);
                o.putAll(Map.of("node", node, "name", fault.get("name"), "mode", fault.get("mode"), "at", run.x(at)));
                put(o, "restored", back);

                long[] before = controllers.stream().filter(c -> c[0] < at).reduce((a, b) -> b).orElse(null);
                Long lost = first(controllers.stream().filter(c -> c[1] < 0).map(c -> c[0]), t -> t >= at && t < until);
                Long elected = first(controllers.stream().filter(c -> c[1] >= 0 && (before == null || c[1] != before[1] || c[2] > before[2])).map(c -> c[0]), t -> t >= at);
                o.put("wasController", before != null && before[1] == node);
                if (lost != null || before != null && before[1] == node || elected != null && elected < until) { put(o, "lost", lost); put(o, "elected", elected); }

                // The gap that holds the fault, or the first one after it. Of partitions: those that had to wait in that gap, or at all.
                long[] gap = run.gaps.stream().filter(g -> g[1] > at && g[0] < until).findFirst().orElse(null);
                OptionalLong all = run.parts.values().stream().flatMap(p -> p.gaps.stream()).filter(g -> g[1] > at && g[0] < (gap == null ? until : gap[1])).mapToLong(g -> g[1]).max();
                if (gap != null) o.put("gapFrom", run.x(gap[0]));
                if (gap != null && !run.lasting.contains(gap[1])) put(o, "firstAck", gap[1]);
                boolean lasts = all.isPresent() && run.lasting.contains(all.getAsLong()) || gap != null && run.lasting.contains(gap[1]);
                if (!lasts && (gap != null || all.isPresent())) put(o, "allAck", Math.max(all.orElse(0), gap == null ? 0 : gap[1]));
                Long shrunk = first(isr.stream().filter(s -> s[1] < s[2]).map(s -> s[0]), t -> t >= at);
                if (shrunk != null) { put(o, "shrunk", shrunk); put(o, "inSync", first(isr.stream().filter(s -> s[1] == s[2] && s[2] > 0 && s[6] == 0).map(s -> s[0]),
                        t -> t >= (back == null ? shrunk : Math.max(shrunk, back)))); }
                run.told.stream().filter(t -> t.get("node").equals(node) && Math.abs((Long) t.get("at") - at) < 1_000).findFirst().ifPresent(t -> told(o, at, t));
                outages.add(o);
            }
            return outages;
        }

        /** What outages has worked out, and told, is more than what is seen from here: it has each acknowledgement, and each leader. */
        private void told(Map<String, Object> o, long at, Map<String, Object> outage) {
            Map.of("elected", "electedMs", "firstAck", "firstAckMs", "allAck", "lastAckMs", "inSync", "inSyncMs").forEach((key, field) -> {
                o.remove(key);
                if (outage.get(field) instanceof Number ms) put(o, key, at + Math.round(ms.doubleValue() * 1000));
            });
            o.put("gap", outage.get("gap"));
        }

        private static Long first(Stream<Long> times, Predicate<Long> when) { return times.filter(when).findFirst().orElse(null); }
        private void put(Map<String, Object> o, String key, Long us) { if (us != null) o.put(key, run.x(us)); }
    }

    // ---- The page, live ----

    /** Follows the runs' files, and whatever else is given to them, until Ctrl-C. */
    int serve(List<Run> runs, Consumer<Live> beside) throws IOException {
        try (Live live = new Live(runs, port)) {
            for (Run run : runs) if (run.stdin != null) daemon("stdin", () -> {
                try { new Tail().read(run.stdin::read, run); } catch (IOException e) { run.notes.add("stdin broke off: " + e.getMessage()); }
            });
            common.emit("page", "at", live.address(), "runs", runs.size(), "events", 0, "damaged", 0);
            if (!common.json) common.out.println(live.address());
            beside.accept(live);
            common.say("Serving until Ctrl-C.");
            new CountDownLatch(1).await();
            return 0;
        } catch (InterruptedException e) {
            common.say("No longer served: %d events of %d %s.", runs.stream().mapToLong(r -> r.events).sum(), runs.size(), runs.size() == 1 ? "run" : "runs");
            return 130;
        }
    }

    static Thread daemon(String name, Runnable task) { Thread t = new Thread(task, name); t.setDaemon(true); t.start(); return t; }

    /**
     * The page over HTTP on loopback. One thread looks after the files four times a second, however many readers there are; a reader is told only that there is something
     * new, and asks for it when it is ready, so that none has a queue; what it gets is made once for all. Who does not read for five seconds is dropped.
     */
    static class Live implements Closeable {
        private static final int READERS = 200;
        private static final long PATIENCE_MS = 5_000;
        private final List<Run> runs;
        private final HttpServer server;
        private final Thread poll;
        private final AtomicInteger readers = new AtomicInteger();
        private final Map<HttpExchange, Long> writing = new ConcurrentHashMap<>();
        private long version = 1, madeOf, seen = -1;
        private byte[] made;

        Live(List<Run> runs, int port) throws IOException {
            this.runs = runs;
            try { server = HttpServer.create(new InetSocketAddress(InetAddress.getByAddress("localhost", new byte[] {127, 0, 0, 1}), port), 50); }
            catch (BindException | IllegalArgumentException e) { throw new Cli.Exit(e instanceof BindException ? 1 : 2, "Port " + port
                    + (e instanceof BindException ? " is taken: name another with --port, or 0 for any that is free." : " is no port: 0 to 65535.")); }
            server.createContext("/", this::answer);
            server.setExecutor(Executors.newCachedThreadPool(task -> { Thread t = new Thread(task, "page"); t.setDaemon(true); return t; }));
            look();
            server.start();
            poll = daemon("poll", () -> { try { for (; ; Thread.sleep(250)) look(); } catch (InterruptedException closed) { /* the end */ } });
        }

        String address() { return "http://127.0.0.1:" + server.getAddress().getPort() + "/"; }

        /** What changed since the last look is a new version; and who was too slow is dropped. */
        private void look() {
            long sum = 0;
            for (Run run : runs) {
                try { run.readOn(); } catch (IOException e) { run.notes.add("not all could be read: " + problem(e)); }
                sum += run.changes();
            }
            synchronized (this) { if (sum != seen) { seen = sum; version++; notifyAll(); } }
            writing.forEach((exchange, since) -> { if (System.currentTimeMillis() - since > PATIENCE_MS) { writing.remove(exchange); exchange.close(); } });
        }

        private synchronized byte[] data() throws IOException {
            if (madeOf != version) {
                ByteArrayOutputStream bytes = new ByteArrayOutputStream();
                try (OutputStream gzip = new GZIPOutputStream(bytes)) { gzip.write(Page.json(runs).getBytes(StandardCharsets.UTF_8)); }
                made = bytes.toByteArray();
                madeOf = version;
            }
            return made;
        }

        private void answer(HttpExchange exchange) throws IOException {
            try (exchange) {
                String host = String.valueOf(exchange.getRequestHeaders().getFirst("Host")), path = exchange.getRequestURI().getPath();
                Headers headers = exchange.getResponseHeaders();
                headers.set("Cache-Control", "no-store");
                headers.set("X-Content-Type-Options", "nosniff");
                // A page of elsewhere whose name was made to mean 127.0.0.1 has that name here.
                if (!host.matches("(127\\.0\\.0\\.1|localhost):" + server.getAddress().getPort())) plain(exchange, 403, "Not for this name.");
                else if (!List.of("/", "/data", "/changes").contains(path)) plain(exchange, 404, "There is nothing here.");
                else if (!exchange.getRequestMethod().equals("GET")) plain(exchange, 405, "Only GET.");
                else if (path.equals("/")) send(exchange, 200, "text/html; charset=utf-8", Page.html(runs, true).getBytes(StandardCharsets.UTF_8));
                else if (path.equals("/changes")) changes(exchange);
                else { headers.set("Content-Encoding", "gzip"); send(exchange, 200, "application/json", data()); }
            } finally { writing.remove(exchange); }
        }

        private void plain(HttpExchange exchange, int code, String text) throws IOException { send(exchange, code, "text/plain; charset=utf-8", (text + "\n").getBytes(StandardCharsets.UTF_8)); }

        private void send(HttpExchange exchange, int code, String type, byte[] body) throws IOException {
            exchange.getResponseHeaders().set("Content-Type", type);
            writing.put(exchange, System.currentTimeMillis());
            exchange.sendResponseHeaders(code, body.length);
            exchange.getResponseBody().write(body);
        }

        /** Server-sent events: the version, when there is a new one, or every second as a sign of life. */
        private void changes(HttpExchange exchange) throws IOException {
            if (readers.incrementAndGet() > READERS) { readers.decrementAndGet(); plain(exchange, 503, "Too many readers."); return; }
            try {
                exchange.getResponseHeaders().set("Content-Type", "text/event-stream");
                exchange.sendResponseHeaders(200, 0);
                OutputStream out = exchange.getResponseBody();
                for (long told = 0; ; ) {
                    synchronized (this) { if (told == version) wait(1_000); told = version; }
                    writing.put(exchange, System.currentTimeMillis());
                    out.write(("retry: 500\ndata: " + told + "\n\n").getBytes(StandardCharsets.UTF_8));
                    out.flush();
                    writing.remove(exchange);
                }
            } catch (InterruptedException closed) { /* the end */ } finally { readers.decrementAndGet(); }
        }

        @Override public void close() {
            poll.interrupt();
            server.stop(0);
        }
    }

    // ---- The page ----

    /** Puts the page together: its style, uPlot, its script, and the data, in which nothing can end the element that it is in. */
    static class Page {
        private static final String UPLOT = "META-INF/resources/webjars/uplot/1.6.30/";

        /** Writes the page, in place of one that report made: another file stays as it is, and a link is not followed, unless to a pipe or a device. */
        static void write(Path file, List<Run> runs) throws IOException {
            boolean stream = Files.exists(file) && !Files.isRegularFile(file);
            if (stream && !Files.isDirectory(file)) {
                Files.writeString(file, html(runs, false), StandardOpenOption.WRITE);
                return;
            }
            if (Files.isSymbolicLink(file)) throw new Cli.Exit(Cli.REFUSED, "The page " + file + " is a link, which report does not follow: name another with --out.");
            if (Files.isRegularFile(file) && !isPage(file)) throw new Cli.Exit(Cli.REFUSED, file + " is there and is no page of report, so it stays as it is: name another with --out.");
            Files.writeString(file, html(runs, false), StandardOpenOption.CREATE, StandardOpenOption.WRITE, StandardOpenOption.TRUNCATE_EXISTING, LinkOption.NOFOLLOW_LINKS);
        }

        /** By its head; an empty file is nobody's. */
        private static boolean isPage(Path file) throws IOException {
            try (InputStream in = Files.newInputStream(file)) {
                String head = new String(in.readNBytes(2000), java.nio.charset.StandardCharsets.UTF_8);
                return head.isEmpty() || head.startsWith("<!DOCTYPE html>") && head.contains("<title>kraft-lab: ") && head.contains("Content-Security-Policy");
            }
        }

        static String html(List<Run> runs, boolean live) throws IOException {
            String uplot = "/*!\n" + resource("LICENSE").replace("*/", "") + "*/\n" + resource("dist/uPlot.iife.min.js");
            String title = "kraft-lab: " + runs.stream().map(r -> r.name).collect(Collectors.joining(", "));
            Map<String, String> parts = Map.of("$CONNECT", live ? "'self'" : "'none'", "$HASHES", hash(uplot) + " " + hash(SCRIPT), "$TITLE", title.replace("&", "&amp;").replace("<", "&lt;"),
                    "$LIVE", "" + live,
                    "$STYLE", resource("dist/uPlot.min.css") + STYLE, "$UPLOT", uplot, "$SCRIPT", SCRIPT, "$DATA", json(runs));
            StringBuilder html = new StringBuilder();
            var placeholder = java.util.regex.Pattern.compile("\\$[A-Z]+").matcher(HTML);
            int end = 0;
            for (; placeholder.find(); end = placeholder.end()) html.append(HTML, end, placeholder.start()).append(parts.get(placeholder.group()));
            return html.append(HTML, end, HTML.length()).toString();
        }

        static String json(List<Run> runs) throws IOException {
            String json = JSON.std.with(JSON.Feature.WRITE_NULL_PROPERTIES).asString(Map.of("runs", runs.stream().map(Run::forPage).toList()));
            StringBuilder safe = new StringBuilder(json.length() + 64);
            for (int i = 0; i < json.length(); i++) {
                char c = json.charAt(i);
                if (c == '<' || c == '>' || c == '&' || c == '\u2028' || c == '\u2029') safe.append(String.format(Locale.ROOT, "\\u%04x", (int) c)); else safe.append(c);
            }
            return safe.toString();
        }

        private static String resource(String name) throws IOException {
            try (InputStream in = Page.class.getClassLoader().getResourceAsStream(UPLOT + name)) {
                if (in == null) throw new Cli.Exit(1, "uPlot's " + name + " is not on the class path: run it with JBang, which fetches it.");
                return new String(in.readAllBytes(), StandardCharsets.UTF_8);
            }
        }

        private static String hash(String script) {
            try { return "'sha256-" + Base64.getEncoder().encodeToString(MessageDigest.getInstance("SHA-256").digest(script.getBytes(StandardCharsets.UTF_8))) + "'"; }
            catch (java.security.NoSuchAlgorithmException e) { throw new IllegalStateException(e); }
        }

        private static final String HTML = """
            <!DOCTYPE html>
            <html lang="en">
            <head>
            <meta charset="utf-8">
            <meta name="viewport" content="width=device-width, initial-scale=1">
            <meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'; img-src data:; connect-src $CONNECT; script-src $HASHES">
            <link rel="icon" href="data:,">
            <title>$TITLE</title>
            <style>$STYLE</style>
            </head>
            <body data-live="$LIVE">
            <main>
            <p class="of" id="state"></p>
            <div id="top"></div>
            <div id="now"></div>
            <div id="faults"></div>
            <h2>Timeline</h2>
            <div class="tools" id="tools"></div>
            <div id="timeline" tabindex="0" role="group" aria-label="Timeline: arrows move the cursor, with Shift the window; plus and minus zoom, 0 shows all"></div>
            <h2>Latency</h2>
            <div class="two"><div id="curve"></div><div id="tables"></div></div>
            <div id="errors"></div>
            </main>
            <footer id="foot"></footer>
            <noscript>The plots need JavaScript, which is all within this file.</noscript>
            <script type="application/json" id="data">$DATA</script>
            <script>$UPLOT</script>
            <script>$SCRIPT</script>
            </body>
            </html>
            """;

        private static final String STYLE = """
            :root { color-scheme: light dark; --bg: #fcfcfa; --ink: #1d2024; --soft: #646a72; --line: #e3e3dd; --wash: #f3f3ee; --good: #17754a; --bad: #b3261e; --warn: #8f5a00; --gap: #b3261e; --link: #2257a6;
              --n1: #3f68c8; --n2: #cf7a1a; --n3: #7d55b3; --n4: #1f8f88; --n5: #b84a84; --n6: #80694a }
            @media (prefers-color-scheme: dark) { :root { --bg: #14171a; --ink: #e5e7e9; --soft: #9aa2ab; --line: #2b3036; --wash: #1c2024; --good: #55c08d; --bad: #ff7b70; --warn: #e2a94f; --gap: #ff7b70; --link: #8db4f0;
              --n1: #7f9ff0; --n2: #e8a04d; --n3: #b193e3; --n4: #4fc0b6; --n5: #e385b5; --n6: #bda37c } }
            * { box-sizing: border-box }
            body { margin: 0 auto; padding: 28px 28px 48px; max-width: 1180px; background: var(--bg); color: var(--ink); font: 15px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif; font-variant-numeric: tabular-nums; overflow-wrap: anywhere }
            body.wide { max-width: 1720px }
            h1, h2, h3, p { margin: 0 }
            .of { color: var(--soft); font-size: 13px }
            .verdict { border-left: 5px solid var(--soft); padding: 2px 0 2px 16px; margin: 10px 0 18px }
            .verdict h1, .verdict h2 { margin: 0; font-size: 25px; line-height: 1.25; font-weight: 650; letter-spacing: -.01em; color: var(--ink) }
            .verdict p { color: var(--soft); margin-top: 3px }
            .pass { border-color: var(--good) } .pass h1, .pass h2 { color: var(--good) }
            .fail { border-color: var(--bad) } .fail h1, .fail h2 { color: var(--bad) }
            .incomplete { border-color: var(--warn) } .incomplete h1, .incomplete h2 { color: var(--warn) }
            .figures { display: grid; grid-template-columns: repeat(auto-fill, minmax(150px, 1fr)); gap: 8px 20px; margin: 0 0 22px }
            .figures div { min-width: 0 } .figures dt { color: var(--soft); font-size: 12.5px } .figures dd { margin: 0; font-size: 19px; font-weight: 550; white-space: nowrap }
            h2 { font-size: 17px; font-weight: 650; margin: 26px 0 8px }
            table { border-collapse: collapse; width: 100%; font-size: 13.5px }
            th { text-align: left; font-weight: 500; color: var(--soft); font-size: 12.5px; vertical-align: bottom } td { vertical-align: top }
            th, td { padding: 5px 14px 5px 0; border-bottom: 1px solid var(--line) } td small { color: var(--soft); font-size: 12px; display: block }
            table.faults td { white-space: nowrap } td.n, th.n { text-align: right; white-space: nowrap; padding-right: 0; padding-left: 10px } .two > * { min-width: 0 } .bad { color: var(--bad) }
            .good { color: var(--good) } .warn { color: var(--warn) } table.phases { margin-top: 14px } table.phases th.n { white-space: normal }
            table.differences { max-width: 860px } .differences th { vertical-align: top } .differences td small { display: inline; margin-right: 10px }
            button { font: inherit; font-size: 13px; color: var(--ink); background: var(--wash); border: 1px solid var(--line); border-radius: 5px; padding: 3px 10px; min-height: 30px; cursor: pointer }
            button:hover { border-color: var(--soft) } :focus-visible { outline: 2px solid var(--link); outline-offset: 2px }
            .tools { position: sticky; top: 0; z-index: 5; background: var(--bg); padding: 7px 0; display: flex; flex-wrap: wrap; gap: 6px; align-items: center; border-bottom: 1px solid var(--line) }
            .tools output { color: var(--soft); font-size: 13px; margin-left: auto }
            .columns { display: grid; gap: 0 36px } .columns > div { min-width: 0 } .columns > div > h2 { margin: 14px 0 0 }
            .panel { margin-top: 13px; break-inside: avoid } .panel header { display: flex; flex-wrap: wrap; gap: 0 10px; align-items: baseline; min-height: 22px }
            .panel h3 { font-size: 13.5px; font-weight: 600 } .panel h3 small { color: var(--soft); font-weight: 400; font-size: 12.5px; margin-left: 5px }
            .panel output { margin-left: auto; color: var(--soft); font-size: 12.5px; text-align: right } .panel output.at { color: var(--ink) }
            .key { display: flex; flex-wrap: wrap; gap: 2px 16px; color: var(--soft); font-size: 12px; padding-left: 58px }
            .key i { display: inline-block; width: 18px; height: 9px; margin-right: 5px; border-radius: 1px } .key i.l { height: 0; border-top: 2px solid; vertical-align: 3px }
            .key i.d { border-top-style: dashed }
            .none { color: var(--soft); font-size: 13px; padding: 2px 0 }
            .two { display: grid; grid-template-columns: minmax(0, 1fr) minmax(0, 1fr); gap: 0 40px; align-items: start }
            .live { display: inline-block; width: 8px; height: 8px; border-radius: 50%; background: var(--good); margin-right: 6px } .live.off { background: var(--bad) }
            footer { color: var(--soft); font-size: 12.5px; margin-top: 30px; border-top: 1px solid var(--line); padding-top: 10px } footer p { margin-bottom: 4px }
            .u-select { background: color-mix(in srgb, var(--link) 16%, transparent) } .uplot .u-hz .u-cursor-x, .uplot .u-vt .u-cursor-y { border-color: var(--soft) } .uplot { font: inherit }
            @media (max-width: 900px) { .two { grid-template-columns: minmax(0, 1fr) } .columns { grid-template-columns: minmax(0, 1fr) !important } }
            @media (max-width: 900px) { table.faults td, table.faults th { padding-right: 8px } }
            @media (max-width: 640px) {
              body { padding: 16px 14px 32px } .verdict h1, .verdict h2 { font-size: 20px } .figures { grid-template-columns: repeat(3, minmax(0, 1fr)); gap: 8px 14px }
              .figures dd { font-size: 16px } .panel output { margin-left: 0; text-align: left; width: 100%; min-height: 19px } .key { padding-left: 0 } .tools output { margin-left: 0; width: 100% }
              table.cards thead { position: absolute; clip-path: inset(50%) } table.cards, table.cards tbody { display: block } table.faults td { white-space: normal }
              table.cards td > span, table.cards td > span small { white-space: nowrap } table.cards tr { display: block; padding: 8px 0; border-bottom: 1px solid var(--line) }
              table.cards td { display: flex; justify-content: space-between; gap: 12px; border: 0; padding: 2px 0; text-align: right }
              table.cards td::before { content: attr(data-label); color: var(--soft); text-align: left } table.cards td small { display: inline; margin-left: 6px }
            }
            @media print {
              :root { --bg: #ffffff; --ink: #000000; --soft: #444444; --line: #cccccc; --wash: #f3f3ee; --good: #17754a; --bad: #b3261e; --warn: #8f5a00; --gap: #b3261e; --n1: #3f68c8; --n2: #cf7a1a; --n3: #7d55b3; --n4: #1f8f88; --n5: #b84a84; --n6: #80694a }
              body { padding: 0; max-width: none; font-size: 12px } .tools, button { display: none } tr, .verdict, .figures { break-inside: avoid } h2 { break-after: avoid }
              td button { display: inline; border: 0; padding: 0; background: none }
            }
            """;

        private static final String SCRIPT = """
            'use strict';
            const START = performance.now(), LIVE = document.body.dataset.live === 'true', FULL = 58;
            let data = JSON.parse(document.getElementById('data').textContent), views = [], span = [0, 1], hovered = null, follow = 0, connected = null, C = {};

            // ---- Small things ----
            const el = (tag, attributes, ...children) => {
              const e = document.createElement(tag);
              for (const [k, v] of Object.entries(attributes || {})) k.startsWith('on') ? e.addEventListener(k.slice(2), v) : v != null && e.setAttribute(k, v);
              e.append(...children.flat().filter(c => c != null).map(c => c instanceof Node ? c : String(c))); // text stays text
              return e;
            };
            const group = n => Math.abs(n) < 1e15 ? n.toLocaleString('en') : String(n);
            const num = n => n == null ? '\u2013' : Number.isInteger(n) ? group(n) : Math.abs(n) >= 1000 ? group(Math.round(n)) : String(+n.toPrecision(Math.abs(n) >= 100 ? 4 : 3));
            const ms = v => v == null ? '\u2013' : v >= 60000 ? dur(v / 1000) : v >= 1000 ? +(v / 1000).toFixed(2) + ' s' : (v >= 100 ? v.toFixed(0) : v >= 10 ? v.toFixed(1) : v.toFixed(2)) + ' ms';
            const dur = s => { if (s == null) return '\u2013'; if (s < 60) return s.toFixed(s < 10 ? 2 : 1) + ' s'; const m = Math.floor(s / 60); return m < 60 ? m + ' min ' + Math.round(s % 60) + ' s'
                : Math.floor(m / 60) + ' h ' + m % 60 + ' min'; };
            const clock = (run, t, digits = 3) => new Date(run.t0 + t * 1000).toISOString().slice(11, 19 + (digits ? digits + 1 : 0));
            const two = n => String(n).padStart(2, '0');
            const rel = (t, step = 1) => { const a = Math.abs(t), s = a % 60, sign = t < -1e-9 ? '\u2212' : '';
              return step >= 60 && span[1] - span[0] > 7200 ? sign + Math.floor(a / 3600) + ':' + two(Math.round(a / 60) % 60) + ' h' : sign + Math.floor(a / 60) + ':'
                  + (step < 1 ? s.toFixed(step < .1 ? 2 : 1).padStart(step < .1 ? 5 : 4, '0') : two(Math.round(s))); };
            /** The last index whose x is not after t. */
            const before = (xs, t) => { let lo = 0, hi = xs.length; while (lo < hi) { const m = (lo + hi) >> 1; if (xs[m] <= t) lo = m + 1; else hi = m; } return lo - 1; };
            const nearest = (xs, t) => { const i = before(xs, t); return i < 0 ? 0 : i + 1 < xs.length && xs[i + 1] - t < t - xs[i] ? i + 1 : i; };
            const holds = (steps, field, t) => { const i = before(steps.x, t); return i < 0 ? null : steps[field][i]; };
            const max = (list, least = 0) => list.reduce((a, b) => b > a ? b : a, least), min = list => list.reduce((a, b) => b < a ? b : a, Infinity);
            const nodeColour = id => C.nodes[(((id - 1) % 6) + 6) % 6];
            function colours() {
              const css = getComputedStyle(document.documentElement), of = n => css.getPropertyValue('--' + n).trim();
              C = { nodes: [1, 2, 3, 4, 5, 6].map(i => of('n' + i)) };
              for (const n of ['bg', 'ink', 'soft', 'line', 'wash', 'good', 'bad', 'warn', 'gap']) C[n] = of(n);
            }
            const nodesOf = run => [...new Set([...Object.keys(run.nodes).map(Number), ...run.faults.map(f => f.node), ...run.controller.node.filter(n => n >= 0)])].sort((a, b) => a - b).slice(0,
                12);
            /** 0 dead, 1 silent, 2 answers, 3 not known: as seen, and where nothing was seen, as it was done. */
            function nodeStates(run, id) {
              const seen = run.nodes[id], list = seen ? seen.x.map((t, i) => [t, seen.state[i]]) : [];
              for (const f of run.faults) if (f.node === id) list.push([f.t, /pause|disconnect/.test(f.mode) ? 1 : 0]);
              if (!seen) for (const r of run.restored) if (r.node === id) list.push([r.t, 2]);
              return list.sort((a, b) => a[0] - b[0]);
            }
            const STATES = ['does not answer', 'silent', 'answers', 'not known'];

            // ---- Panels: what each draws, and says of a moment ----
            const dense = (run, bins) => {
              const xs = [], ys = [], n = bins.x.length;
              for (let i = 0, t = bins.x[0]; n && i < n; t = +(t + bins.width).toFixed(3)) { const here = Math.abs(bins.x[i] - t) < bins.width / 2; xs.push(here ? bins.x[i] : t);
                  ys.push(here ? bins.n[i++] / bins.width : 0); if (!here && xs.length > 9000) break; }
              if (n) { xs.push(+(xs[xs.length - 1] + bins.width).toFixed(3)); ys.push(ys[ys.length - 1]); }
              return [xs, ys];
            };
            const extended = (run, steps, ...fields) => { const x = steps.x.slice(), cols = fields.map(f => steps[f].slice());
                if (x.length && x[x.length - 1] < run.end) { x.push(run.end); cols.forEach(c => c.push(c[c.length - 1])); } return [x, ...cols]; };
            const stepped = u => uPlot.paths.stepped({ align: 1 });
            const line = (label, colour, more) => Object.assign({ label, stroke: colour, width: 1.75, points: { show: false }, spanGaps: false }, more);
            const decades = (lo, hi) => { const a = Math.floor(Math.log10(Math.max(lo, 1e-3))), b = Math.ceil(Math.log10(Math.max(hi, lo * 1.01, 1e-3))); return [10 ** a, 10 ** Math.max(b, a + 1)];
                };
            const logAxis = { splits: (u, i, lo, hi) => { const s = []; for (let e = Math.round(Math.log10(lo)); e <= Math.round(Math.log10(hi)); e++) s.push(10 ** e); return s; },
                filter: (u, s) => s, values: (u, s) => s.map(v => v >= 1000 ? v / 1000 + ' s' : +v.toPrecision(2) + ' ms') };
            /** A burst that catches up would flatten all else: then the scale is logarithmic from 10 on. */
            const bursts = run => { const n = run.rate.n.slice().sort((a, b) => a - b); return n.length > 0 && n[n.length - 1] > 5 * n[n.length >> 1]; };
            const bursting = () => data.runs.some(bursts);
            const thirds = n => n % 3 ? n % 2 ? [0, n] : [0, n / 2, n] : [0, n / 3, 2 * n / 3, n];
            const flat = run => run.rows || (run.rows = run.partitions.flatMap((p, i) => i && run.partitions[i - 1].topic === p.topic ? [p] : [{ head: p.topic }, p]));

            const PANELS = {
              nodes: {
                title: 'Nodes and active controller', none: 'Nothing in the stream says which node was the controller.', has: run => nodesOf(run).length > 0,
                height: run => 76 + 25 * nodesOf(run).length, top: 48, data: run => [[0, run.end], [null, null]], series: () => [{}], y: run => [-.5, nodesOf(run).length - .5],
                axis: run => ({ splits: () => nodesOf(run).map((n, i) => i), values: () => nodesOf(run).map((n, i, all) => 'node ' + all[all.length - 1 - i]), grid: { show: false } }),
                draw(p, run) {
                  const ids = nodesOf(run), y = i => p.y(ids.length - 1 - i), half = Math.abs(p.y(0) - p.y(.33));
                  ids.forEach((id, i) => { const s = nodeStates(run, id); s.forEach(([t, state], k) => { const to = k + 1 < s.length ? s[k + 1][0] : run.end;
                    if (state === 2) p.rect(t, to, y(i) - half, y(i) + half, nodeColour(id), .2); else if (state < 2) p.hatch(t, to, y(i) - half, y(i) + half, state ? C.warn : C.bad); }); });
                  const c = run.controller;
                  c.x.forEach((t, k) => {
                    const to = k + 1 < c.x.length ? c.x[k + 1] : run.end, i = ids.indexOf(c.node[k]);
                    if (i < 0) { p.rect(t, to, y(0) - half * 1.4, y(ids.length - 1) + half * 1.4, C.gap, .13); p.text('no controller', t, to, y((ids.length - 1) / 2), C.bad); return; }
                    p.path([[t, y(i)], [to, y(i)]], C.ink, 3);
                    const last = k ? ids.indexOf(c.node[k - 1]) : -1;
                    if (last >= 0) p.path([[t, y(last)], [t, y(i)]], C.ink, 3);
                    if (c.epoch[k] >= 0) p.text('epoch ' + c.epoch[k], t, to, y(i) - half - 1, C.ink, 3) || p.text('' + c.epoch[k], t, to, y(i) - half - 1, C.ink, 3);
                  });
                  p.lanes(run);
                },
                read(run, t) { const n = holds(run.controller, 'node', t), e = holds(run.controller, 'epoch', t),
                    step = run.phases.findIndex(s => t >= s.from && t < (s.to == null ? run.end : s.to));
                  return [n == null ? null : n < 0 ? 'no controller' : 'controller ' + n + ', epoch ' + e,
                      ...nodesOf(run).map(id => { const s = nodeStates(run, id).filter(x => x[0] <= t).pop(); return s && s[1] !== 2 && s[1] !== 3 ? 'node ' + id + ' ' + STATES[s[1]] : null; }),
                          step < 0 ? null : 'step ' + (step + 1) + ': ' + run.phases[step].name]; },
                rest: run => [new Set(run.controller.node.filter((n, i) => n >= 0)).size + ' nodes led, to epoch ' + max(run.controller.epoch, -1)],
                key: run => [...nodesOf(run).map(id => [nodeColour(id), 'node ' + id]), ['l ' + C.ink, 'active controller'], [C.bad, 'does not answer'],
                    ...(nodesOf(run).some(id => nodeStates(run, id).some(s => s[1] === 1)) ? [[C.warn, 'silent: paused or cut off']] : [])]
              },
              rate: {
                title: 'Acknowledgements', unit: () => bursting() ? 'per second, log scale from 10 on' : 'per second', distr: () => bursting() ? 4 : 1,
                    none: 'No acknowledgements in this stream: no producer wrote events.', has: run => run.acks > 0, height: () => 120, gaps: true,
                data: run => dense(run, run.rate), series: () => [line('acks/s', () => C.nodes[0], { paths: stepped(), fill: () => C.nodes[0] + '26' })],
                    y: run => [0, max(run.rate.n) / run.rate.width * (bursting() ? 2.2 : 1.25)], axis: () => bursting()
                        ? { splits: (u, i, lo, hi) => [0, ...[1, 2, 3, 4, 5, 6, 7].map(e => 10 ** e).filter(v => v <= hi)], filter: (u, s) => s } : {},
                draw(p, run) { for (const g of run.gaps) p.text(dur(g[1] - g[0]), g[0], g[1], p.top + 9 * p.px, C.gap); run.errorTimes.x.forEach(t => p.tick(t, C.bad)); },
                read(run, t) { const r = run.rate, i = before(r.x, t), n = i >= 0 && t < r.x[i] + r.width ? r.n[i] : 0, e = before(run.errorTimes.x, t), errors = e >= 0 && t < run.errorTimes.x[e]
                    + run.errorTimes.width ? run.errorTimes.n[e] : 0;
                  return [r.width === 1 ? num(n) + ' in this second' : num(n / r.width) + '/s over ' + r.width + ' s', errors ? num(errors) + ' errors' : null, gapAt(run, t)]; },
                rest: run => [num(run.acks) + ' acknowledged', run.gaps.length ? 'longest gap ' + dur(max(run.gaps.map(g => g[1] - g[0]))) : 'no gap over 1 s'],
                key: run => [[C.gap + '3d', 'no acknowledgement, no controller'], [C.gap + '1c', 'no acknowledgement'], ...(run.errorTimes.x.length ? [['l ' + C.bad, 'errors of sends']] : [])]
              },
              latency: {
                title: 'Acknowledgement latency', unit: 'log scale', has: run => run.acks > 0, height: () => 132, gaps: true, log: true,
                data: run => run.single ? [run.single.x, run.single.us.map(v => Math.max(v, 1) / 1000)]
                    : [run.delays.x, run.delays.max.map(v => Math.max(v, 1) / 1000), run.delays.mean.map(v => Math.max(v, 1) / 1000)],
                series: run => run.single ? [line('latency', () => C.nodes[0], { paths: () => null, points: { show: true, size: 4, width: 0, fill: () => C.nodes[0] } })]
                  : [line('maximum', () => C.nodes[1], { width: 1, points: { show: true, size: 2.5, width: 0, fill: () => C.nodes[1] }, paths: () => null }),
                      line('mean', () => C.nodes[0], { paths: () => null, points: { show: true, size: 2.5, width: 0, fill: () => C.nodes[0] } })],
                y: run => { const us = run.single ? run.single.us : run.delays.mean.concat(run.delays.max); return decades(Math.max(min(us), 1) / 1000, max(us) / 1000); }, axis: () => logAxis,
                read(run, t) {
                  if (run.single) { const s = run.single, i = nearest(s.x, t); return [ms(s.us[i] / 1000), 'message ' + s.seq[i] + ', partition ' + s.p[i] + ', at ' + rel(s.x[i], .05)]; }
                  const d = run.delays, i = nearest(d.x, t); return ['mean ' + ms(d.mean[i] / 1000), 'maximum ' + ms(d.max[i] / 1000), num(d.n[i]) + ' in ' + ms(d.width * 1000)]; },
                rest: run => { const c = run.curves.acknowledgements; return ['median ' + ms(c.p50), 'p99 ' + ms(c.p99), 'maximum ' + ms(c.max)]; },
                key: run => run.single ? [] : [[C.nodes[1], 'maximum'], [C.nodes[0], 'mean of each ' + ms(run.delays.width * 1000)]]
              },
              isr: {
                title: 'In-sync replicas', unit: 'of all', none: 'No replicas in this stream: nobody watched them (watch-isr).', has: run => run.isr.x.length > 0, height: () => 112,
                data: run => extended(run, run.isr, 'inSync', 'replicas'), series: () => [line('in sync', () => C.nodes[3], { paths: stepped(), fill: () => C.nodes[3] + '1f' }),
                    line('replicas', () => C.soft, { paths: stepped(), width: 1, dash: [4, 4] })], y: run => [0, Math.max(1, max(run.isr.replicas)) * 1.12],
                        axis: run => ({ splits: () => thirds(Math.max(1, max(run.isr.replicas))) }),
                draw(p, run) { run.isr.x.forEach((t, i) => { if (run.isr.frozen[i] >= 0) { const to = i + 1 < run.isr.x.length ? run.isr.x[i + 1] : run.end;
                    p.hatch(run.isr.frozen[i] < t && !(i && run.isr.frozen[i - 1] >= 0) ? run.isr.frozen[i] : t, to, p.top, p.bottom, C.soft);
                        p.text('frozen: no quorum', t, to, p.bottom - 9 * p.px, C.soft); } }); },
                read(run, t) { const at = f => holds(run.isr, f, t), frozen = at('frozen'); return at('inSync') == null ? []
                    : [num(at('inSync')) + ' of ' + num(at('replicas')), frozen >= 0 ? 'frozen since ' + clock(run, frozen) : null]; },
                rest: run => ['lowest ' + num(lowest(run)) + ' of ' + num(max(run.isr.replicas)), 'at the end ' + num(run.isr.inSync[run.isr.inSync.length - 1])],
                key: run => [['l ' + C.nodes[3], 'in sync'], ['l d ' + C.soft, 'all replicas']]
              },
              urp: {
                title: 'Under-replicated and offline', unit: 'partitions', has: run => run.isr.x.length > 0, height: () => 96,
                data: run => { const [x, urp, online, all] = extended(run, run.isr, 'urp', 'online', 'partitions'); return [x, urp, all.map((n, i) => n - online[i])]; },
                series: () => [line('under-replicated', () => C.warn, { paths: stepped() }), line('offline', () => C.bad, { paths: stepped(), fill: () => C.bad + '33' })],
                    y: run => [0, Math.max(1, max(run.isr.urp), max(run.isr.partitions.map((n, i) => n - run.isr.online[i]))) * 1.15],
                read(run, t) { const at = f => holds(run.isr, f, t); return at('urp') == null ? []
                    : [num(at('urp')) + ' under-replicated', num(at('partitions') - at('online')) + ' offline', 'of ' + num(at('partitions'))]; },
                rest: run => ['at most ' + num(max(run.isr.urp)) + ' under-replicated', num(max(run.isr.partitions.map((n, i) => n - run.isr.online[i]))) + ' offline'],
                key: () => [['l ' + C.warn, 'under-replicated'], ['l ' + C.bad, 'offline']]
              },
              parts: {
                title: 'Partitions', unit: 'leader, and gaps in acknowledgements', has: run => run.partitions.length > 0, height: run => 34 + 13 * flat(run).length,
                    data: run => [[0, run.end], [null, null]], series: () => [{}], y: run => [-.5, flat(run).length - .5],
                axis: run => ({ splits: () => flat(run).map((r, i) => i), values: () => flat(run).map((r, i, all) => { const p = all[all.length - 1 - i]; return p.head != null ? '' : p.p; }),
                    grid: { show: false }, ticks: { show: false } }),
                draw(p, run) {
                  const rows = flat(run), h = Math.abs(p.y(0) - p.y(.34));
                  rows.forEach((r, i) => {
                    const y = p.y(rows.length - 1 - i);
                    if (r.head != null) return p.text(r.head, span[0], span[1], y, C.soft);
                    const shown = r.x.length ? r.x.map((t, k) => [k ? t : Math.min(t, t), k + 1 < r.x.length ? r.x[k + 1] : run.end, r.leader[k]]) : [];
                    if (!shown.length || shown[0][0] > 0) { const own = run.single && r.acks ? run.single.x.find((t, k) => run.single.p[k] === r.p) : null;
                        shown.unshift([own == null ? 0 : own, shown.length ? shown[0][0] : run.lastAck == null ? run.end : run.lastAck, -2]); }
                    for (const [a, b, leader] of shown) p.rect(a, b, y - h, y + h, leader >= 0 ? nodeColour(leader) : leader === -1 ? C.bad : C.soft, leader >= 0 ? .75 : leader === -1 ? 1 : .28);
                    for (const [a, b] of r.gaps) { p.rect(a, b, y - h - 1, y + h + 1, C.bg, 1); p.path([[a, y], [b, y]], C.gap, 1); }
                  });
                },
                read(run, t) { const led = {}, stuck = []; for (const r of run.partitions) { const l = holds(r, 'leader', t); if (l != null) led[l] = (led[l] || 0) + 1;
                    if (r.gaps.some(g => t >= g[0] && t < g[1])) stuck.push(r); }
                  return [...Object.keys(led).sort().map(l => l < -1 ? null : l < 0 ? led[l] + ' without leader' : 'node ' + l + ' leads ' + led[l]), stuck.length ? stuck.length + ' wait ('
                      + stuck.slice(0, 6).map(r => r.topic + '-' + r.p).join(', ') + (stuck.length > 6 ? ', \u2026' : '') + ')' : 'none waits']; },
                rest: run => [run.partitions.length + ' partitions of ' + [...new Set(run.partitions.map(p => p.topic))].slice(0, 4).join(', '), run.partitions.some(p => p.leader.some(l => l >= 0))
                    ? null : 'leaders are not in the stream'],
                key: run => [...nodesOf(run).filter(id => run.partitions.some(p => p.leader.includes(id))).map(id => [nodeColour(id), 'led by node ' + id]),
                    ...(run.partitions.some(p => !p.x.length || p.x[0] > 1 || p.leader.includes(-2)) ? [[C.soft + '47', 'leader not in the stream']] : []),
                        ...(run.partitions.some(p => p.leader.includes(-1)) ? [[C.bad, 'offline']] : []), ['l ' + C.gap, 'waits: no acknowledgement']]
              },
              load: {
                title: 'Load test', unit: 'records per second', none: 'No load test in this stream.', has: run => run.windows.x.length > 0, height: () => 100,
                    data: run => abutting(run.windows, 'rate'),
                series: () => [line('records/s', () => C.nodes[0], { paths: stepped(), fill: () => C.nodes[0] + '26' })], y: run => [0, max(run.windows.rate) * 1.15],
                read(run, t) { const i = windowAt(run, t); return [num(run.windows.rate[i]) + ' records/s', 'window ' + rel(run.windows.from[i], .5) + ' to ' + rel(run.windows.x[i], .5)]; },
                    rest: run => [run.windows.x.length + (run.windows.x.length === 1 ? ' window' : ' windows'), 'at most ' + num(max(run.windows.rate)) + ' records/s'], key: () => []
              },
              loadLatency: {
                title: 'Load test, latency', unit: 'log scale', has: run => run.windows.x.length > 0, height: () => 112, log: true, data: run => abutting(run.windows, 'max', 'p99', 'p50'),
                series: () => [['maximum', 2], ['p99', 1], ['p50', 0]].map(([l, c]) => line(l, () => C.nodes[c], { paths: stepped() })),
                    y: run => decades(min(run.windows.p50), max(run.windows.max)), axis: () => logAxis,
                read(run, t) { const w = run.windows, i = windowAt(run, t); return ['p50 ' + ms(w.p50[i]), 'p99 ' + ms(w.p99[i]), 'maximum ' + ms(w.max[i])]; }, rest: () => [],
                    key: () => [['l ' + C.nodes[0], 'p50'], ['l ' + C.nodes[1], 'p99'], ['l ' + C.nodes[2], 'maximum']]
              }
            };
            /** A load test's windows as steps: each from its begin to its end. */
            function abutting(w, ...fields) {
              const x = [], cols = fields.map(() => []);
              w.x.forEach((to, i) => { const from = i && w.from[i] - w.x[i - 1] < .3 * (to - w.x[i - 1]) ? w.x[i - 1] : Math.max(w.from[i], i ? w.x[i - 1] + .001 : -Infinity);
                  const last = () => cols.forEach(c => c.push(c[c.length - 1])); if (i && from > w.x[i - 1]) { x.push(w.x[i - 1]); last(); x.push(w.x[i - 1] + .0005);
                      cols.forEach(c => c.push(null)); } x.push(from); cols.forEach((c, k) => c.push(Math.max(w[fields[k]][i], .001)));
                if (i === w.x.length - 1) { x.push(to); last(); } });
              return [x, ...cols];
            }
            const windowAt = (run, t) => { const i = run.windows.x.findIndex(to => to >= t); return i < 0 ? run.windows.x.length - 1 : i; };
            const lowest = run => min(run.isr.inSync.filter((n, i) => run.isr.replicas[i] === max(run.isr.replicas)));
            const gapAt = (run, t) => { const g = run.gaps.find(g => t >= g[0] && t < g[1]); return g ? 'gap of ' + dur(g[1] - g[0]) + ' since ' + clock(run, g[0]) : null; };

            /** What panels draw with: canvas pixels, times and rows clipped to the plot. */
            class Pen {
              constructor(u) { this.u = u; this.ctx = u.ctx; this.px = uPlot.pxRatio; this.left = u.bbox.left; this.right = u.bbox.left + u.bbox.width; this.top = u.bbox.top;
                  this.bottom = u.bbox.top + u.bbox.height; }
              x(t) { return Math.min(this.right, Math.max(this.left, this.u.valToPos(t, 'x', true))); }
              y(v) { return this.u.valToPos(v, 'y', true); }
              rect(a, b, y0, y1, colour, alpha) { if (b < span[0] || a > span[1]) return; const c = this.ctx, x = this.x(a); c.save(); c.globalAlpha = alpha; c.fillStyle = colour;
                  c.fillRect(x, y0, Math.max(this.x(b) - x, this.px), y1 - y0); c.restore(); }
              hatch(a, b, y0, y1, colour) {
                if (b < span[0] || a > span[1]) return;
                const c = this.ctx, x0 = this.x(a), x1 = Math.max(this.x(b), x0 + this.px), d = y1 - y0, step = 6 * this.px;
                c.save(); c.beginPath(); c.rect(x0, y0, x1 - x0, d); c.clip(); c.globalAlpha = .1; c.fillStyle = colour; c.fillRect(x0, y0, x1 - x0, d); c.globalAlpha = .55; c.strokeStyle = colour;
                    c.lineWidth = this.px; c.beginPath();
                for (let x = Math.floor((x0 - d) / step) * step; x < x1; x += step) { c.moveTo(x, y1); c.lineTo(x + d, y0); } c.stroke(); c.restore();
              }
              path(points, colour, width) { const c = this.ctx, out = points.every(p => p[0] < span[0]) || points.every(p => p[0] > span[1]); if (out) return; c.save(); c.strokeStyle = colour;
                  c.lineWidth = width * this.px; c.beginPath(); points.forEach(([t, y], i) => i ? c.lineTo(this.x(t), y) : c.moveTo(this.x(t), y)); c.stroke(); c.restore(); }
              tick(t, colour) { if (t >= span[0] && t <= span[1]) { this.ctx.fillStyle = colour; this.ctx.fillRect(this.x(t), this.bottom - 7 * this.px, 2 * this.px, 7 * this.px); } }
              font(size) { this.ctx.font = size * this.px + 'px system-ui, sans-serif'; this.ctx.textBaseline = 'middle'; this.ctx.textAlign = 'left'; }
              /** Only where it has room. */
              text(text, a, b, y, colour, inset = 5) {
                if (b <= span[0] || a >= span[1]) return true;
                const c = this.ctx, x0 = this.x(a), room = this.x(b) - x0; c.save(); this.font(11); const fits = c.measureText(text).width + 2 * inset * this.px <= room;
                if (fits) { c.fillStyle = colour; c.fillText(text, x0 + inset * this.px, y); } c.restore(); return fits;
              }
              gaps(run) {
                for (const [a, b] of run.gaps) this.rect(a, b, this.top, this.bottom, C.gap, .11);
                for (const o of run.outages) if (o.lost != null || o.wasController) { const from = Math.max(o.at, o.gapFrom == null ? o.at : o.gapFrom),
                    to = Math.min(o.elected == null ? run.end : o.elected, o.firstAck == null ? run.end : o.firstAck);
                        if (o.gapFrom != null && to > from) this.rect(from, to, this.top, this.bottom, C.gap, .13); }
              }
              marks(run) { for (const [list, colour, dash] of [[run.faults, C.bad, []], [run.restored, C.good, [4, 3]]]) for (const f of list) { if (f.t < span[0] || f.t > span[1]) continue;
                  const c = this.ctx; c.save(); c.globalAlpha = .8; c.strokeStyle = colour; c.lineWidth = this.px; c.setLineDash(dash.map(d => d * this.px)); c.beginPath();
                      c.moveTo(this.x(f.t), this.top); c.lineTo(this.x(f.t), this.bottom); c.stroke(); c.restore(); } }
              /** Above the first panel: the steps of the experiment, and what was done to the nodes. */
              lanes(run) {
                const c = this.ctx, px = this.px;
                run.phases.forEach((s, i) => { const to = s.to == null ? run.end : s.to; if (to < span[0] || s.from > span[1]) return; this.rect(s.from, to, 0, 15 * px, i % 2 ? C.line : C.wash, 1);
                    this.text((i + 1) + ' ' + s.name, s.from, to, 8 * px, C.soft, 3) || this.text('' + (i + 1), s.from, to, 8 * px, C.soft, 2); });
                let ends = [-1e9, -1e9];
                for (const [t, text, colour] of [...run.faults.map(f => [f.t, f.mode + ' ' + f.node, C.bad]),
                    ...run.restored.map(r => [r.t, 'start ' + r.node, C.good])].sort((a, b) => a[0] - b[0])) {
                  if (t < span[0] || t > span[1]) continue;
                  c.save(); this.font(11.5); const w = c.measureText(text).width, x = Math.min(this.x(t) + 3 * px, this.right - w), row = ends.findIndex(e => e < x - 4 * px);
                  c.strokeStyle = colour; c.lineWidth = px; c.beginPath(); c.moveTo(this.x(t), (row === 1 ? 33 : 19) * px); c.lineTo(this.x(t), this.top); c.stroke();
                  if (row >= 0) { c.fillStyle = colour; c.fillText(text, x, (row ? 39 : 25) * px); ends[row] = x + w; } c.restore();
                }
              }
            }

            // ---- The timeline of a run ----
            class Timeline {
              constructor(root, run, all) { this.root = root; this.all = all; this.build(run); }
              kinds(run) { return Object.keys(PANELS).filter(k => PANELS[k].has(run)); }
              key(run) { return JSON.stringify(this.kinds(run).map(k => [k, PANELS[k].height(run), PANELS[k].series(run).length])); }
              build(run) {
                this.run = run; this.made = this.key(run); this.plots = []; this.root.replaceChildren();
                const width = this.width();
                for (const [kind, spec] of Object.entries(PANELS)) {
                  if (!spec.has(run)) { if (spec.none) this.root.append(el('p', { class: 'none' }, spec.none)); continue; }
                  const out = el('output', {}), box = el('div', {}), key = el('div', { class: 'key' });
                  this.root.append(el('section', { class: 'panel', 'data-kind': kind }, el('header', {},
                      el('h3', {}, spec.title, spec.unit ? el('small', {}, typeof spec.unit === 'function' ? spec.unit() : spec.unit) : null), out), box, key));
                  const plot = { kind, spec, out, key };
                  plot.u = new uPlot(this.options(plot, width), spec.data(run), box);
                  this.plots.push(plot);
                }
                this.legend(); this.say(null);
              }
              width() { return Math.max(240, this.root.clientWidth); }
              options(plot, width) {
                const view = this, { spec } = plot, axis = spec.axis ? spec.axis(view.run) : {}, grid = { stroke: () => C.line, width: 1 }, font = '11px system-ui, sans-serif';
                return {
                  width, height: spec.height(view.run), padding: [spec.top || 6, 12, 0, 0], legend: { show: false },
                  cursor: { sync: { key: 'time', setSeries: false }, y: false, points: { show: false }, drag: { x: true, y: false, setScale: false, dist: 4 },
                      bind: { dblclick: () => () => zoom(...whole()) } },
                  scales: { x: { time: false, auto: false, range: () => span }, y: { auto: false, distr: spec.log ? 3 : spec.distr ? spec.distr() : 1, asinh: 10, range: () => shared(view, spec) } },
                  axes: [{ stroke: () => C.soft, font, grid: Object.assign({ dash: [2, 4] }, grid), ticks: Object.assign({ size: 4 }, grid), size: 26, gap: 3, space: 64,
                      incrs: [.01, .02, .05, .1, .2, .5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 1200, 1800, 3600, 7200, 14400, 21600, 43200, 86400, 172800],
                          values: (u, s, i, space, step) => s.map(v => rel(v, step)) },
                    Object.assign({ stroke: () => C.soft, font, grid, ticks: Object.assign({ size: 4 }, grid), size: FULL, gap: 4, space: 24, incrs: spec.log ? undefined
                        : [1, 2, 5].flatMap(d => [1, 10, 100, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8].map(e => d * e)).sort((a, b) => a - b),
                            values: (u, s) => s.map(v => v >= 1e6 ? v / 1e6 + ' M' : v >= 1e4 ? v / 1e3 + ' k' : String(v)) }, axis)],
                  series: [{}, ...spec.series(view.run)],
                  hooks: {
                    drawClear: [u => { if (spec.gaps) new Pen(u).gaps(view.run); }],
                    draw: [u => { const pen = new Pen(u); if (spec.draw) spec.draw(pen, view.run); pen.marks(view.run); }],
                    setCursor: [u => { const inside = u.cursor.left >= 0; if (u.cursor.event || !inside) hover(inside ? u.posToVal(u.cursor.left, 'x') : null); }],
                    setSelect: [u => { if (u.select.width > 3) { const a = u.posToVal(u.select.left, 'x'), b = u.posToVal(u.select.left + u.select.width, 'x');
                        u.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false); zoom(a, b); } }]
                  }
                };
              }
              legend() { for (const p of this.plots) p.key.replaceChildren(...p.spec.key(this.run).map(([c, text]) => { const parts = c.split(' '), colour = parts.pop(),
                  i = el('i', { class: parts.join(' ') }); parts.length ? i.style.borderColor = colour : i.style.background = colour; return el('span', {}, i, text); })); }
              say(t) { for (const p of this.plots) { p.out.textContent = (t == null ? p.spec.rest(this.run) : p.spec.read(this.run, t)).filter(x => x != null).join(' \u00b7 ');
                  p.out.className = t == null ? '' : 'at'; } }
              update(run) { if (this.key(run) !== this.made) return this.build(run); this.run = run;
                  for (const p of this.plots) { p.u.batch(() => { p.u.setData(p.spec.data(run), false); p.u.setScale('x', { min: span[0], max: span[1] }); }); } this.legend(); this.say(hovered); }
              redraw() { for (const p of this.plots) p.u.redraw(true, true); this.legend(); }
              scale() { for (const p of this.plots) p.u.setScale('x', { min: span[0], max: span[1] }); }
              resize(width) { for (const p of this.plots) p.u.setSize({ width: width || this.width(), height: p.spec.height(this.run) }); }
            }
            /** Several runs have one scale, or they could not be compared. */
            const shared = (view, spec) => { if (spec.top || spec === PANELS.parts) return spec.y(view.run); const ranges = view.all().filter(spec.has).map(spec.y);
                return [min(ranges.map(r => r[0])), max(ranges.map(r => r[1]), -Infinity)]; };
            const whole = () => { const lo = min(data.runs.map(r => r.begin)), hi = max(data.runs.map(r => r.end), lo + 1); return [lo, hi + (hi - lo) * .01]; };
            function zoom(a, b) {
              const [lo, hi] = whole(), least = .05; if (b - a < least) { a = (a + b - least) / 2; b = a + least; }
              if (b - a >= hi - lo) { a = lo; b = hi; } else if (a < lo) { b += lo - a; a = lo; } else if (b > hi) { a -= b - hi; b = hi; }
              span = [a, b]; views.forEach(v => v.scale()); said();
            }
            function hover(t) { if (t === hovered) return; hovered = t; views.forEach(v => v.say(t)); said(); }
            function said() {
              const run = data.runs[0], w = document.getElementById('where'); if (!w) return;
              w.textContent = hovered == null ? rel(span[0]) + ' to ' + rel(span[1]) + (span[1] - span[0] > 7200 ? '' : ' (min:s)') + ' shown' : rel(hovered, .05)
                  + (data.runs.length === 1 ? ', ' + clock(run, hovered) + ' UTC' : '');
            }
            function move(by) { const w = span[1] - span[0]; zoom(span[0] + by * w, span[1] + by * w); }
            function magnify(by) { const c = hovered == null ? (span[0] + span[1]) / 2 : hovered; zoom(c - (c - span[0]) * by, c + (span[1] - c) * by); }
            function keys(e) {
              const u = views[0].plots[0] && views[0].plots[0].u, w = span[1] - span[0]; if (!u || e.ctrlKey || e.metaKey || e.altKey) return;
              const go = { ArrowLeft: () => e.shiftKey ? move(-.25) : cursor(-1), ArrowRight: () => e.shiftKey ? move(.25) : cursor(1), '+': () => magnify(.5), '=': () => magnify(.5),
                  '-': () => magnify(2), '0': () => zoom(...whole()), Home: () => zoom(...whole()), Escape: () => hover(null) }[e.key];
              function cursor(by) { const t = Math.min(span[1], Math.max(span[0], (hovered == null ? (span[0] + span[1]) / 2 : hovered) + by * w / 100));
                  views.forEach(v => v.plots.forEach(p => p.u.setCursor({ left: p.u.valToPos(t, 'x'), top: 5 }, false))); hover(t); }
              if (go) { e.preventDefault(); go(); }
            }

            // ---- Words and tables ----
            const anomalies = [['lost', 'lost'], ['duplicates', 'duplicated'], ['reordered', 'reordered'], ['inconsistent', 'at another offset'], ['abortedReads', 'failed and yet written'],
                ['phantoms', 'never sent'], ['unseen', 'not reached by the reader'], ['expired', 'deleted before it could be read']];
            function verdictOf(run) {
              const v = run.verdict, load = run.load, gap = run.gaps.length ? '; longest gap ' + dur(max(run.gaps.map(g => g[1] - g[0]))) : '';
              if (v) {
                const found = anomalies.filter(([f]) => v[f] > 0).map(([f, word]) => num(v[f]) + ' ' + word), counts = num(v.acknowledged) + ' acknowledged, ' + num(v.read) + ' read back: '
                    + anomalies.slice(0, 3).map(([f, word]) => num(v[f]) + ' ' + word).join(', ') + ', ' + num(v.indeterminate) + ' indeterminate' + gap + '.'
                    + (load ? ' Load: ' + num(load.found) + ' of ' + num(load.acknowledged) + ' acknowledged records found, ' + num(load.lost) + ' lost.' : '')
                    + (v.topic ? ' This covers topic ' + v.topic + (load ? ' and the load in ' + load.topic + '.' : '.') : '');
                if (load && load.verdict === 'fail' && v.verdict !== 'fail') return ['fail', 'Failed: the load lost ' + num(load.lost) + ' acknowledged records.', counts];
                if (load && load.verdict !== 'pass' && v.verdict === 'pass') return ['incomplete', 'Incomplete: of the load not all could be checked.', counts];
                if (v.verdict === 'pass') return ['pass', load ? 'Passed: every acknowledged record of producer and load is in the log.' : 'Passed: every acknowledged record is in the log.', counts];
                if (v.verdict === 'fail') return ['fail', 'Failed: ' + (found.join(', ') || 'see check-delivery') + '.', counts];
                return ['incomplete', 'Incomplete: ' + (v.acknowledged ? 'not all of the log could be read' : 'nothing was acknowledged') + (found.length ? ' (' + found.join(', ') + ')' : '') + '.',
                    (Array.isArray(v.incomplete) ? v.incomplete.join('; ') + '. ' : '') + counts];
              }
              const isr = run.isr, last = isr.x.length - 1, c = run.controller.node, k = c.length - 1, frozen = run.cluster ? run.cluster.frozenSince : last >= 0 && isr.frozen[last] >= 0
                  ? clock(run, isr.frozen[last]) + 'Z' : null;
              if (LIVE) {
                const replicas = last < 0 ? '' : num(isr.inSync[last]) + ' of ' + num(isr.replicas[last]) + ' replicas in sync', acks = run.lastAck == null ? '' : '; last acknowledgement at '
                    + clock(run, run.lastAck) + ' UTC';
                if (frozen) return ['fail', 'Quorum lost' + (run.cluster ? ': ' + run.cluster.answering + ' of ' + run.cluster.voters + ' voters answer' + (run.cluster.answering === 1 ? 's' : '')
                    + '.' : ': no active controller.'), 'What the brokers tell of the cluster is frozen since ' + frozen.replace(/^.*T/, '').slice(0, 12) + ' UTC' + '; last known: '
                        + (replicas || 'nothing') + acks + '.'];
                if (k >= 0 && c[k] < 0) return ['incomplete', 'No active controller.', replicas + acks + '.'];
                if (k >= 0) return [last >= 0 && isr.inSync[last] < isr.replicas[last] ? 'incomplete' : 'pass', 'Node ' + c[k] + ' is the active controller, epoch ' + run.controller.epoch[k] + '.',
                    replicas + acks + '.'];
                return ['none', run.events ? 'Waiting for a controller.' : 'Waiting for events.', 'Nothing in the stream says who is the active controller.'];
              }
              const open = run.phases.findIndex(p => p.to == null);
              return ['none', 'No verdict: there is no delivery check in the stream.', (open >= 0 ? 'It ends in step ' + (open + 1) + ', ' + run.phases[open].name + '. ' : '') + num(run.acks)
                  + ' acknowledged' + gap + '.'];
            }
            function figures(run) {
              const list = [], v = run.verdict, s = run.summaries[run.summaries.length - 1], c = run.curves.acknowledgements,
                  add = (label, value, form, less) => { if (value != null && Number.isFinite(value)) list.push({ label, value, form, less }); };
              add('Acknowledged', v ? v.acknowledged : run.acks || null, num); if (v) for (const [f, word] of anomalies.slice(0, 3)) add(word[0].toUpperCase() + word.slice(1), v[f], num, true);
                  if (v) add('Indeterminate', v.indeterminate, num, true);
              if (run.acks) { add('Longest gap', run.gaps.length ? max(run.gaps.map(g => g[1] - g[0])) : 0, dur, true); add('Errors of sends', run.errors.reduce((a, e) => a + e.n, 0), num, true); }
              if (run.isr.x.length) add('Fewest in sync', lowest(run), num); if (c) add('Ack p50', c.p50, ms, true), add('Ack p99', c.p99, ms, true);
              if (s) add('Load, records/s', s.recordsPerSec, num), add('Load p99', s.p99Ms, ms, true);
              return list;
            }
            const since = (o, key, from = 'at') => o[key] == null ? null : o[key] - o[from];
            function faultTable(run) {
              const rows = run.outages, cell = (label, value, small) => el('td', { 'data-label': label }, el('span', {}, value, small ? el('small', {}, small) : null)),
                  after = (o, key, none) => o[key] == null ? [none] : ['+' + dur(o[key] - o.at), clock(run, o[key])];
              if (!rows.length) return el('p', { class: 'none' }, 'No fault in this stream.');
              const heads = ['Fault', 'At (UTC)', 'New controller seen', 'First acknowledgement', 'All partitions acknowledge', 'Node restored', 'In sync again'];
              return el('div', {}, el('table', { class: 'cards faults' }, el('thead', {}, el('tr', {}, heads.map(h => el('th', { scope: 'col' }, h)))), el('tbody', {}, rows.slice(0, 100).map(o => {
                const end = max([o.firstAck, o.elected, o.allAck].filter(x => x != null), o.at + 2);
                return el('tr', {}, el('td', { 'data-label': heads[0] }, el('button', { title: 'Show it in the timeline',
                    onclick: () => { zoom(o.at - (end - o.at) * .15, end + (end - o.at) * .25); document.getElementById('timeline').scrollIntoView(); } }, o.mode + ' '
                        + (o.name.endsWith(o.node) ? o.name : o.name + ' (' + o.node + ')'))),
                  cell(heads[1], clock(run, o.at), rel(o.at)), cell(heads[2], ...(o.lost == null && o.elected == null && !o.wasController ? ['stays'] : after(o, 'elected', 'none'))),
                  cell(heads[3], ...(run.acks ? after(o, 'firstAck', o.gapFrom == null ? 'no gap over 1 s' : 'none yet') : ['no producer'])),
                      cell(heads[4], ...(run.acks ? after(o, 'allAck', '\u2013') : ['\u2013'])),
                  cell(heads[5], ...after(o, 'restored', 'not restored')), cell(heads[6], ...(run.isr.x.length ? o.shrunk == null && o.inSync == null ? ['none fell out'] : after(o, 'inSync', 'not yet')
                      : ['not watched'])));
              }))), phaseTable(run), rows.length > 100 ? el('p', { class: 'none' }, 'These are the first 100 of ' + rows.length + ' faults.') : null);
            }
            /** As outages has taken them apart. */
            function phaseTable(run) {
              const rows = run.outages.filter(o => o.gap).slice(0, 100), parts = ['before', 'quorum', 'elect', 'lead', 'ack', 'open'];
              const heads = ['Longest gap', 'Partition', 'Before', 'No quorum', 'Election', 'Leaders, ISR', 'First acknowledgement', 'Not ended', 'Sum'];
              return !rows.length ? null : el('table', { class: 'cards phases' }, el('thead', {}, el('tr', {}, heads.map((h, i) => el('th', { scope: 'col', class: i > 1 ? 'n' : '' }, h)))),
                el('tbody', {}, rows.map(o => el('tr', {}, [o.mode + ' ' + o.node, o.gap.topic + '-' + o.gap.partition, ...parts.map(p => o.gap[p + 'Ms'] == null ? '\u2013' : ms(o.gap[p + 'Ms'])), ms(o.gap.ms)]
                  .map((text, i) => el('td', { class: i > 1 ? 'n' : '', 'data-label': heads[i] }, text))))));
            }
            function loadTable(run) {
              if (!run.summaries.length && !Object.keys(run.curves).length) return null;
              const rows = Object.entries(run.curves).map(([tag, c]) => [{ service: 'Service time', response: 'Response time', e2e: 'End to end', commit: 'Commit' }[tag]
                  || (tag === 'acknowledgements' ? 'Producer\u2019s acknowledgements' : tag), c.n, c.p50, c.p95, c.p99, c.p999, c.max]);
              const heads = ['Latency', 'Records', 'p50', 'p95', 'p99', 'p99.9', 'Maximum'];
              return el('table', { class: 'cards' }, el('thead', {}, el('tr', {}, heads.map((h, i) => el('th', { scope: 'col', class: i ? 'n' : '' }, h)))),
                  el('tbody', {}, rows.map(r => el('tr', {}, r.map((v, i) => el('td', { class: i ? 'n' : '', 'data-label': heads[i] }, i < 1 ? v : i < 2 ? num(v) : ms(v)))))));
            }
            function errorTable(run) {
              return run.errors.length ? [el('h2', {}, 'Errors of sends'), el('table', { class: 'errors' },
                  el('thead', {}, el('tr', {}, ['Error', 'First', 'Times'].map(h => el('th', { scope: 'col' }, h)))),
                      el('tbody', {}, run.errors.map(e => el('tr', {}, el('td', {}, e.error), el('td', {}, rel(e.first, .5)), el('td', {}, num(e.n))))))] : [];
            }
            function clusterTable(run) {
              const c = run.cluster; if (!c) return [];
              const heads = ['Node', 'Port', c.runtime === 'docker' ? 'Container' : 'Process', 'As the metadata has it', 'Voter', 'Behind the leader'], frozen = c.lost ? ' (frozen)' : '',
                  tone = s => /answers|running/.test(s) ? 'good' : /silent|paused|disconnected|stopping/.test(s) ? 'warn' : /refuses|down/.test(s) ? 'bad' : '';
              return [el('h2', {}, 'The nodes, now'), el('table', { class: 'cards nodes' }, el('thead', {}, el('tr', {}, heads.map(h => el('th', { scope: 'col' }, h)))),
                  el('tbody', {}, c.nodes.map(n => el('tr', {}, [[n.id + (n.address ? ' at ' + n.address : '')], [n.port, tone(n.port)], [n.state || 'not known', tone(n.state || '')],
                      [n.broker + frozen, frozen ? 'warn' : n.broker === 'fenced' ? 'bad' : ''], [n.voter || 'not known'],
                          [n.lag == null ? 'not known' : num(n.lag) + ' records' + (n.silentMs ? ', silent for ' + ms(n.silentMs) : '')]]
                .map(([text, mark], i) => el('td', { 'data-label': heads[i], class: mark || '' }, text)))))),
                    el('p', { class: 'of' }, 'Ports and processes are of now, ' + c.asOf.slice(11, 19) + ' UTC'
                        + (c.frozenSince ? '; the metadata is frozen since ' + c.frozenSince.slice(11, 23) + ' UTC' : '') + '.')];
            }
            /** Several runs: each figure, and how it differs from the first run's. */
            function differences(runs) {
              const phase = run => run.outages.slice(0, 6).flatMap((o, i) => [['new controller', since(o, 'elected')], ['first acknowledgement', since(o, 'firstAck')],
                  ['in sync again, after the restoration', since(o, 'inSync', 'restored')]].filter(x => x[1] != null).map(([what, s]) => ({ label: 'Fault ' + (i + 1) + ': ' + what, value: s,
                      form: dur, less: true })));
              const lists = runs.map(r => [...figures(r), ...phase(r)]), labels = [...new Set(lists.flat().map(f => f.label))];
              return el('table', { class: 'differences' }, el('thead', {}, el('tr', {}, el('th', { scope: 'col' }, ''), runs.map(r => el('th', { scope: 'col', class: 'n' }, r.name)))),
                  el('tbody', {}, labels.map(label => {
                const of = lists.map(l => l.find(f => f.label === label)), first = of[0];
                return el('tr', {}, el('th', { scope: 'row' }, label), of.map((f, i) => { if (!f) return el('td', { class: 'n' }, '\u2013');
                  const d = i && first ? f.value - first.value : 0; return el('td', { class: 'n' }, i && first && d
                      ? el('small', { class: f.less ? d < 0 ? 'good' : 'bad' : '' }, (d < 0 ? '\u2212' : '+') + f.form(Math.abs(d))
                          + (first.value ? ' (' + (d < 0 ? '\u2212' : '+') + Math.abs(Math.round(d / first.value * 100)) + ' %)' : '')) : null, f.form(f.value)); }));
              })));
            }

            // ---- The percentile curve ----
            const curveColours = { service: 0, response: 1, e2e: 2, commit: 4, acknowledgements: 3 };
            let curvePlot = null;
            function percentiles(root) {
              const all = data.runs.flatMap((run, r) => Object.entries(run.curves).map(([tag, c]) => ({ c, r, tag,
                  name: ({ service: 'service time', response: 'response time', e2e: 'end to end', acknowledgements: 'producer\u2019s acknowledgements' }[tag] || tag)
                      + (data.runs.length > 1 ? ', ' + run.name : ''), colour: () => C.nodes[curveColours[tag] ?? 5] })));
              if (!all.length) return root.append(el('p', { class: 'none' }, 'No latencies: neither a latency log (.hlog) nor acknowledgements.'));
              const at = p => -Math.log10(1 - p / 100), last = Math.min(7, max(all.map(s => at(s.c.p[s.c.p.length - 1])), 1)), out = el('output', {}), box = el('div', {});
              const rest = all.some(s => s.tag === 'response') ? '' : all.some(s => s.tag === 'service') ? 'no response time: the load had no rate' : 'no .hlog of a load test';
              out.textContent = rest;
              root.append(el('section', { class: 'panel', 'data-kind': 'percentiles' }, el('header', {}, el('h3', {}, 'Latency by percentile', el('small', {}, 'both scales logarithmic')), out), box,
                el('div', { class: 'key' }, all.map(s => { const i = el('i', { class: s.r ? 'l d' : 'l' }); i.style.borderColor = s.colour(); return el('span', {}, i, s.name); }))));
              const font = '11px system-ui, sans-serif', grid = { stroke: () => C.line, width: 1 }, range = decades(min(all.map(s => Math.max(.001, s.c.ms[0]))), max(all.map(s => s.c.max)));
              curvePlot = new uPlot({
                width: Math.max(240, root.clientWidth), height: 240, padding: [8, 16, 0, 0], legend: { show: false }, cursor: { y: false, points: { show: false }, drag: { x: false, y: false } },
                    scales: { x: { time: false, auto: false, range: () => [0, last] }, y: { distr: 3, auto: false, range: () => range } },
                axes: [{ stroke: () => C.soft, font, grid, ticks: Object.assign({ size: 4 }, grid), size: 26, splits: () => [0, .30103, 1, 2, 3, 4, 5, 6, 7].filter(v => v <= last),
                    values: (u, s) => s.map(v => v === 0 ? u.width < 500 ? '' : '0 %' : v < 1 ? '50 %' : +(100 - 10 ** (2 - v)).toFixed(5) + ' %') },
                        Object.assign({ stroke: () => C.soft, font, grid, ticks: Object.assign({ size: 4 }, grid), size: FULL }, logAxis)],
                series: [{}, ...all.map(s => line(s.name, s.colour, { spanGaps: true, dash: s.r ? [6, 4] : undefined }))],
                hooks: { setCursor: [u => { if (u.cursor.left < 0) { out.textContent = rest; out.className = ''; return; } const x = u.posToVal(u.cursor.left, 'x'), p = 100 - 10 ** (2 - x);
                    out.className = 'at'; out.textContent = +p.toFixed(x < 1 ? 1 : Math.ceil(x)) + ' %: '
                        + all.map(s => { const i = s.c.p.findIndex(q => q >= p); return s.name + ' ' + ms(i < 0 ? s.c.max : s.c.ms[i]); }).join(' \u00b7 '); }] }
              }, uPlot.join(all.map(s => [s.c.p.map(at), s.c.ms.map(v => Math.max(v, .001))]), all.map(() => [2, 2])), box);
            }

            // ---- The page ----
            function prepare() { const align = data.runs.length > 1 && data.runs.every(r => r.faults.length);
                for (const r of data.runs) { r.begin = 0; ongoing(r); if (align) shift(r, r.faults[0].t); } data.aligned = align; }
            /** Live, a gap is one before it ends: as long as the producer goes on, or, where it does not say so, a step of the lab, or the stream knows of none. */
            function ongoing(r) {
              const goes = r.producer ? r.producer[1] == null : !r.phases.length || r.phases[r.phases.length - 1].to == null, from = Math.max(r.lastAck, r.producer ? r.producer[0] : 0);
              r.open = LIVE && !r.verdict && r.lastAck != null && r.end - from > 1 && goes;
              if (!r.open) return;
              for (const gaps of [r.gaps, ...r.partitions.filter(p => p.acks).map(p => p.gaps)]) gaps.push([from, r.end]);
              for (const o of r.outages) if (o.firstAck == null && o.at >= r.lastAck - .5) o.gapFrom = r.lastAck;
            }
            /** Several runs are laid over each other at their first fault. */
            function shift(r, by) {
              const f = x => x == null ? x : +(x - by).toFixed(3), some = (o, ...keys) => keys.forEach(k => { if (o[k] != null) o[k] = Array.isArray(o[k]) ? o[k].map(f) : f(o[k]); });
              r.t0 += by * 1000; some(r, 'begin', 'end', 'lastAck'); for (const s of [r.rate, r.errorTimes, r.single, r.delays, r.controller, r.isr, r.windows, ...Object.values(r.nodes),
                  ...r.partitions]) if (s) some(s, 'x'); some(r.windows, 'from');
              r.isr.frozen = r.isr.frozen.map(v => v < 0 ? v : f(v)); for (const g of [...r.gaps, ...r.partitions.flatMap(p => p.gaps)]) { g[0] = f(g[0]); g[1] = f(g[1]); }
              for (const m of [...r.faults, ...r.restored]) some(m, 't'); for (const p of r.phases) some(p, 'from', 'to'); for (const e of r.errors) some(e, 'first');
                  for (const o of r.outages) some(o, 'at', 'restored', 'lost', 'elected', 'gapFrom', 'firstAck', 'allAck', 'shrunk', 'inSync');
            }
            const tops = () => {
              const several = data.runs.length > 1;
              return data.runs.map(run => { const [kind, words, more] = verdictOf(run); return el('div', {},
                  el('p', { class: 'of' }, (several ? run.name : 'kraft-lab \u00b7 ' + run.name) + (run.events ? ' \u00b7 ' + new Date(run.t0 + run.begin * 1000).toISOString().slice(0, 16).replace('T', ' ')
                      + ' UTC \u00b7 '
                      + dur(run.end - run.begin) : '')),
                el('div', { class: 'verdict ' + kind }, el(several ? 'h2' : 'h1', {}, words), el('p', {}, more)), several ? null
                    : el('dl', { class: 'figures' }, figures(run).map(f => el('div', {}, el('dt', {}, f.label), el('dd', {}, f.form(f.value)))))); });
            };
            function fill(id, children) { const e = document.getElementById(id), next = el('div', {}, children); if (e.dataset.was === next.textContent) return; e.dataset.was = next.textContent;
                e.replaceChildren(...next.childNodes); }
            function words() {
              const several = data.runs.length > 1;
              fill('top', el('div', { class: 'columns' }, tops())); document.querySelector('#top .columns').style.gridTemplateColumns = 'repeat(' + data.runs.length + ', minmax(0, 1fr))';
              fill('now', data.runs.flatMap(clusterTable));
              fill('faults', [...(several ? [el('h2', {}, 'Differences'), el('div', {}, differences(data.runs))] : []),
                  ...data.runs.flatMap(r => [el('h2', {}, 'What each fault cost' + (several ? ': ' + r.name : '')), faultTable(r)])]);
              fill('tables', data.runs.flatMap(r => [several ? el('h2', {}, r.name) : null, loadTable(r)])); fill('errors', data.runs.flatMap(errorTable));
              fill('foot', [...data.runs.map(r => el('p', {}, (several ? r.name + ': ' : '') + 'Drawn from ' + num(r.events) + ' events'
                  + (r.damaged ? '; ' + num(r.damaged) + ' damaged lines are left out (the first: ' + r.firstDamage + ')' : '') + '.'
                      + (r.summed.length ? ' Summed up: ' + r.summed.join('; ') + '.' : '') + (Object.keys(r.undrawn).length ? ' Not drawn: '
                          + Object.entries(r.undrawn).map(([t, n]) => n + ' ' + t).join(', ') + '.' : ''))),
                el('p', {}, 'Times are UTC; the axis counts ' + (data.aligned ? 'from the first fault' : 'from the run\u2019s first event')
                    + ', in minutes and seconds. A gap is a time without any acknowledgement, of at least a second. Drag to zoom, double-click for the whole; with the timeline in focus: arrows, + and \u2212, 0.')]);
            }
            function build() {
              colours(); prepare(); words(); document.body.classList.toggle('wide', data.runs.length > 1); span = whole();
              const timeline = document.getElementById('timeline'), columns = el('div', { class: 'columns' }); columns.style.gridTemplateColumns = 'repeat(' + data.runs.length
                  + ', minmax(0, 1fr))'; timeline.replaceChildren(columns);
              views = data.runs.map((run, i) => { const head = data.runs.length > 1 ? el('h2', {}, run.name) : null, root = el('div', {}); columns.append(el('div', {}, head, root));
                  return new Timeline(root, run, () => data.runs); });
              const curve = document.getElementById('curve'); curve.replaceChildren(); percentiles(curve); said();
            }
            function tools() {
              const b = (text, label, go) => el('button', { 'aria-label': label, title: label, onclick: go }, text);
              document.getElementById('tools').append(b('Whole run', 'Show the whole run', () => { follow = 0; zoom(...whole()); }), b('\u2212', 'Zoom out', () => magnify(2)),
                  b('+', 'Zoom in', () => magnify(.5)), b('\u2190', 'Earlier', () => move(-.4)), b('\u2192', 'Later', () => move(.4)),
                      ...(LIVE ? [b('Last minute', 'Follow the last minute', () => { follow = 60; tail(); })] : []), el('output', { id: 'where' }));
              document.getElementById('timeline').addEventListener('keydown', keys);
            }
            function tail() { const end = whole()[1]; zoom(end - follow, end); }
            function fits() { views.forEach(v => v.resize()); if (curvePlot) curvePlot.setSize({ width: Math.max(240, document.getElementById('curve').clientWidth), height: 240 }); }
            function again() { colours(); views.forEach(v => v.redraw()); if (curvePlot) curvePlot.redraw(true, true); }
            tools(); build();
            let wide = innerWidth; addEventListener('resize', () => { if (innerWidth !== wide) { wide = innerWidth; fits(); } });
            matchMedia('(prefers-color-scheme: dark)').addEventListener('change', again);
            matchMedia('print').addEventListener('change', () => { again(); fits(); });
            document.documentElement.dataset.ready = Math.round(performance.now());

            // ---- Live ----
            if (LIVE) {
              let asked = false, more = false, heard = Date.now();
              const state = document.getElementById('state'), lamp = el('span', { class: 'live' }), text = el('span', {}); state.append(lamp, text);
              const show = () => { const lost = Date.now() - heard > 4000; lamp.classList.toggle('off', lost); text.textContent = lost ? 'Not connected since '
                  + new Date(heard).toISOString().slice(11, 19) + ' UTC: what is shown is of then. Trying again.' : 'Live'; };
              const load = async () => {
                if (asked) { more = true; return; } asked = true;
                try {
                  const whole0 = span[0] === whole()[0] && span[1] === whole()[1], answer = await fetch('data', { cache: 'no-store' }); if (!answer.ok) throw new Error(answer.status);
                  data = await answer.json(); prepare(); heard = Date.now();
                  if (data.runs.length !== views.length) build(); else { words(); if (follow) { const e = whole()[1]; span = [Math.max(0, e - follow), e]; } else if (whole0) span = whole();
                      views.forEach((v, i) => v.update(data.runs[i])); said(); }
                  const curve = document.getElementById('curve'), now = JSON.stringify(data.runs.map(r => Object.entries(r.curves).map(([t, c]) => [t, c.n])));
                      if (curve.dataset.was !== now && Date.now() - (+curve.dataset.at || 0) > 2000) { curve.dataset.was = now; curve.dataset.at = Date.now(); if (curvePlot) curvePlot.destroy();
                          curvePlot = null; curve.replaceChildren(); percentiles(curve); }
                } catch (e) { /* the next change, or the next connection, asks again */ } finally { asked = false; show(); if (more) { more = false; load(); } }
              };
              const listen = () => {
                const source = new EventSource('changes');
                source.onmessage = () => { heard = Date.now(); show(); if (!document.hidden) load(); };
                source.onerror = () => { show(); if (source.readyState === 2) setTimeout(listen, 1000); };
              };
              document.addEventListener('visibilitychange', () => { if (!document.hidden) load(); });
              setInterval(show, 1000); listen(); show();
            }
            """;
    }
}
