import com.fasterxml.jackson.jr.ob.JSON;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.AccessDeniedException;
import java.nio.file.FileSystemException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.concurrent.ConcurrentSkipListSet;
import java.util.function.Consumer;
import java.util.stream.Stream;
import org.HdrHistogram.Histogram;

/** A run: its event files and latency logs, read as far as they go, and what is kept of them for the page. */
final class ReportRun implements Consumer<Map<String, Object>> {
    private static final long LATENCY_INTERVAL_NANOS = 2_000_000_000L;

    final String name;
    final Set<Path> files = new LinkedHashSet<>();
    /** What the reader of the page has to know about the files. */
    final Set<String> notes = new ConcurrentSkipListSet<>();

    final Map<String, Histogram> latency = new TreeMap<>();
    private final RunModel model = new RunModel();
    private final Map<Path, LineSplitter> followed = new LinkedHashMap<>();
    /** The unit of latency logs that do not say it, or null. */
    String unit;
    /** Where files are looked for, or null. */
    Path folder;
    /** Another source of events, or null. */
    InputStream stdin;

    private long damagedLines;
    private long foreignLines;
    private String firstDamage = "";
    private Map<String, Object> cluster;
    private long clusterUpdates;
    private long latencyBytes;
    private long latencyReadAt;

    ReportRun(String name) {
        this.name = name;
    }

    /** Returns the run that a folder holds, its files not listed yet. */
    static ReportRun ofFolder(Path folder) {
        ReportRun run =
                new ReportRun(folder.toAbsolutePath().normalize().getFileName().toString());
        run.folder = folder;
        return run;
    }

    synchronized long events() {
        return model.events;
    }

    synchronized PageData.Damage damage() {
        return new PageData.Damage(damagedLines, firstDamage);
    }

    /** Returns how many lines are JSON, but no event, such as a ledger's. */
    synchronized long foreignLines() {
        return foreignLines;
    }

    boolean isEmpty() {
        return events() == 0 && latency.isEmpty();
    }

    /** Returns a number that changes with whatever is new. */
    synchronized long version() {
        return model.events + damagedLines + foreignLines + latencyBytes + clusterUpdates;
    }

    synchronized Map<String, Object> forPage() {
        return new PageData(model, new PageData.Source(name, notes, damage(), latency, cluster)).make();
    }

    // ---- Reading ----

    /** Lists the folder's event files and latency logs; a ledger is neither. */
    void list() throws IOException {
        if (!Files.isDirectory(folder)) {
            return;
        }
        try (Stream<Path> all = Files.list(folder)) {
            all.sorted().filter(ReportRun::isEventsOrLatency).forEach(files::add);
        }
    }

    private static boolean isEventsOrLatency(Path file) {
        String name = file.getFileName().toString();
        return name.matches(".*\\.(jsonl|hlog)") && !name.startsWith("ledger");
    }

    private static boolean isLatencyLog(Path file) {
        return file.toString().endsWith(".hlog");
    }

    /** Reads everything once. */
    void readAll() throws IOException {
        if (stdin != null) {
            readStdin();
        }
        for (Path file : files) {
            if (!isLatencyLog(file)) {
                try (FileChannel in = FileChannel.open(file)) {
                    new LineSplitter(this::line).readToEnd(buffer -> in.read(ByteBuffer.wrap(buffer)));
                }
            }
        }
        readLatencies();
    }

    void readStdin() throws IOException {
        new LineSplitter(this::line).readToEnd(stdin::read);
    }

    /** Reads what the files have more than the last time. */
    void readNew() throws IOException {
        if (folder != null) {
            list();
        }
        long bytes = 0;
        for (Path file : files) {
            if (!Files.exists(file)) {
                continue;
            }
            if (isLatencyLog(file)) {
                bytes += Files.size(file);
            } else {
                follow(file);
            }
        }
        long now = System.nanoTime();
        if (bytes != latencyBytes && now - latencyReadAt > LATENCY_INTERVAL_NANOS) {
            latencyBytes = bytes;
            latencyReadAt = now;
            readLatencies();
        }
    }

    /** Reads a file from where it ended the last time, or anew when it has become shorter. */
    private void follow(Path file) throws IOException {
        LineSplitter splitter = followed.computeIfAbsent(file, f -> new LineSplitter(this::line));
        try (FileChannel in = FileChannel.open(file)) {
            if (in.size() < splitter.position()) {
                splitter = new LineSplitter(this::line);
                followed.put(file, splitter);
            }
            in.position(splitter.position());
            splitter.readAvailable(buffer -> in.read(ByteBuffer.wrap(buffer)));
        }
    }

    private synchronized void readLatencies() {
        latency.clear();
        files.stream().filter(ReportRun::isLatencyLog).forEach(this::readLatencies);
    }

    private void readLatencies(Path file) {
        String fileName = Cli.printable(file.getFileName());
        LatencyLog log;
        try {
            log = LatencyLog.read(file, unit);
        } catch (IOException e) {
            log = LatencyLog.unreadable();
        }
        if (log.state() == LatencyLog.State.NO_UNIT) {
            notes.add(fileName
                    + " does not say in which unit its values are, and is left out: give --unit ns, us, ms or s.");
        } else if (log.state() != LatencyLog.State.WHOLE) {
            notes.add(fileName + " is damaged or cut off: the latencies are those before.");
        }
        log.remark().ifPresent(remark -> notes.add(fileName + ": " + remark + "."));
        log.byTag()
                .forEach((tag, histogram) -> latency.computeIfAbsent(EventParser.shortened(tag), t -> new Histogram(3))
                        .add(histogram));
    }

    // ---- Events ----

    private synchronized void line(byte[] bytes, int start, int endOfLine) {
        int end = endOfLine;
        while (end > start && bytes[end - 1] <= ' ') {
            end--;
        }
        if (end == start) {
            return;
        }
        try {
            RunEvent event = EventParser.parse(bytes, start, end - start);
            if (event.isComplete()) {
                model.accept(event);
            } else {
                foreignLines++;
            }
        } catch (IOException | RuntimeException e) {
            if (damagedLines++ == 0) {
                firstDamage = EventParser.problem(e);
            }
        }
    }

    /** Takes an event that a script of this JVM emits. */
    @Override
    public void accept(Map<String, Object> event) {
        try {
            byte[] line = JSON.std.asBytes(event);
            line(line, 0, line.length);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** Takes the state of the live cluster; time goes on with it, whether there are events or not. */
    synchronized void cluster(Map<String, Object> state) {
        cluster = state;
        clusterUpdates++;
        model.include(Math.max(model.to, System.currentTimeMillis() * 1000));
    }

    /** Returns why a file could not be read or written, in words. */
    static String reason(IOException e) {
        if (e instanceof NoSuchFileException) {
            return "no such folder";
        }
        if (e instanceof AccessDeniedException) {
            return "not allowed";
        }
        boolean hasReason = e instanceof FileSystemException file && file.getReason() != null;
        return hasReason ? ((FileSystemException) e).getReason() : e.getMessage();
    }
}
