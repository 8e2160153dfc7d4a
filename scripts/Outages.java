///usr/bin/env jbang "$0" "$@" ; exit $?
//JAVA 17+
//DEPS org.apache.kafka:kafka-clients:4.4.0
//DEPS info.picocli:picocli:4.7.7
//DEPS com.fasterxml.jackson.jr:jackson-jr-objects:2.21.7
//DEPS org.slf4j:slf4j-simple:1.7.36
//SOURCES lib/outage/OutagePhases.java lib/lab/LabMessages.java WatchLeaders.java
//DESCRIPTION Splits each outage into phases: election, leaders, first acknowledgement, ISR

import com.fasterxml.jackson.jr.ob.JSON;
import java.io.*;
import java.time.*;
import java.time.format.DateTimeFormatter;
import java.time.temporal.ChronoUnit;
import java.util.*;
import java.util.concurrent.Callable;
import java.util.stream.*;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/**
 * Takes outages apart: reads event streams (of a lab, or of kill-node, watch-leaders and resilient-producer with {@code --events}) and asks no cluster.
 *
 * <p>What an outage cost is the producer's gap of a partition: the time in which a message waited, until one was acknowledged. The moments that the
 * watchers saw divide it, so that its phases add up to it: it waits already <em>before</em> the fault is applied; there is <em>no quorum</em> until a node is
 * brought back; a controller is <em>elected</em>; the partition gets a leader that lives, or the dead member is fenced out of its ISR (<em>led</em>); then the
 * producer has to find out and to be answered (<em>ack</em>). A phase that did not happen, or that nobody watched, is absent, and its time is the next one's.
 *
 * <pre>outages runs/x/events.jsonl
 * cat a.jsonl b.jsonl | outages --json</pre>
 */
@Command(name = "outages", version = "kraft-lab 0.1.0", sortOptions = false,
        description = "What each fault in an event stream cost the producer, by phase; without a file it reads stdin.")
class Outages implements Callable<Integer> {
    @Parameters(paramLabel = "FILE", arity = "0..*", description = "Event streams; - is stdin.")
    List<String> files = List.of();
    @Option(names = "--all-partitions", description = "Each partition's gap, not only the longest.")
    boolean allPartitions;
    @Option(names = "--markdown", description = "Print Markdown.")
    boolean markdown;

    /** Damaged lines that are named; waits without a fault that are an event each. */
    private static final int NAMED = 5, MOST_WAITS = 100;

    @Mixin Cli.Common common = new Cli.Common();

    public static void main(String... args) {
        System.exit(run(new PrintWriter(System.out, true), new PrintWriter(System.err, true), args));
    }

    /** Runs the script without a process. @return the exit code */
    public static int run(PrintWriter out, PrintWriter err, String... args) {
        Outages script = new Outages();
        return script.common.run(script, out, err, args);
    }

    @Override
    public Integer call() throws IOException {
        OutagePhases.Events stream = new OutagePhases.Events();
        List<String> damaged = new ArrayList<>();
        for (String file : files.isEmpty() ? List.of("-") : files) damaged.addAll(read(file, stream));
        Seen seen = stream.seen();
        if (seen.outages.isEmpty()) common.say("There is no fault in it: kill-node --events writes one.");
        if (!common.json) common.out.print(markdown ? seen.markdown(allPartitions) : seen.text(allPartitions));
        for (Outage o : seen.outages) common.emit("outage", o.fields());
        if (seen.availability != null) common.emit("availability", seen.availability.fields());
        for (Gap g : seen.longestUnattributed()) common.emit("wait", g.waited());
        if (damaged.isEmpty()) return 0;
        common.say("%d damaged lines are left out: %s%s.", damaged.size(), String.join("; ", damaged.subList(0, Math.min(NAMED, damaged.size()))), damaged.size() > NAMED ? "; ..." : "");
        return Cli.INCOMPLETE;
    }

    /** What a file tells; lines that are no events are left out. */
    public static Seen of(File file) {
        OutagePhases.Events stream = new OutagePhases.Events();
        read(file.toString(), stream);
        return stream.seen();
    }

    /** @return what is damaged, by line and fault; the last line may be just being written */
    private static List<String> read(String file, OutagePhases.Events stream) {
        List<String> damaged = new ArrayList<>();
        try (BufferedReader lines = new BufferedReader(new InputStreamReader(file.equals("-") ? System.in : new FileInputStream(file), "UTF-8"))) {
            String line = lines.readLine();
            for (int number = 1; line != null; number++) {
                String next = lines.readLine(), fault = line.isBlank() ? null : add(line, stream);
                if (fault != null && next != null) damaged.add("line " + number + (file.equals("-") ? "" : " of " + Cli.printable(file)) + ", " + Cli.printable(fault));
                line = next;
            }
        } catch (IOException e) { throw new Cli.Exit(2, "Cannot read " + file + "."); }
        return damaged;
    }

    /** Adds a line to a stream. @return what is wrong with it, or null */
    private static String add(String line, OutagePhases.Events stream) {
        try {
            stream.add(JSON.std.mapFrom(line));
            return null;
        } catch (IllegalArgumentException e) { return e.getMessage(); }
        catch (IOException | RuntimeException e) { return "no JSON object"; }
    }

    /** What a stream of events tells, in whatever order they come; damaged ones are left out. A large one is better added to a {@link OutagePhases.Events}, which keeps a few bytes of each event. */
    public static Seen of(List<Map<String, Object>> events) {
        OutagePhases.Events stream = new OutagePhases.Events();
        for (Map<String, Object> event : events) try { stream.add(event); } catch (IllegalArgumentException damaged) { /* it tells nothing */ }
        return stream.seen();
    }

    // ---- The answer ----

    /** All that a stream tells. availability is null when no producer is in it. @param unattributed waits of partitions that are connected with no fault, the longest first */
    public record Seen(List<Outage> outages, Availability availability, List<Gap> unattributed) {
        /** Returns those that are worth an event each. */
        List<Gap> longestUnattributed() { return unattributed.subList(0, Math.min(MOST_WAITS, unattributed.size())); }

        public String text(boolean partitions) { return text(partitions, LabMessages.ENGLISH); }
        public String markdown(boolean partitions) { return markdown(partitions, LabMessages.ENGLISH); }
        String text(boolean partitions, LabMessages words) { return new Table(words).text(this, partitions); }
        String markdown(boolean partitions, LabMessages words) { return new Table(words).markdown(this, partitions); }
    }

    /**
     * One fault and what followed. Null is what did not happen, or was not seen; notes say which.
     * @param during number of the fault (from 1) whose outage still lasted @param led when every partition was led by the living and free of dead members
     * @param moved partitions that the node led @param all the longest time in which nothing was acknowledged @param partitions the longest gap of each
     */
    public record Outage(int number, int node, String mode, Instant applied, Instant restored, Integer during, Elected elected, Instant led, Integer moved, Instant firstAck, Instant lastAck,
                         Instant inSync, Gap all, List<Gap> partitions, List<Note> remarks) {
        /** In English, as the stream has them. */
        List<String> notes() { return remarks.stream().map(n -> n.in(LabMessages.ENGLISH)).toList(); }
        String fault(LabMessages words) { return List.of("kill", "stop", "pause", "disconnect").contains(mode) ? words.text("mode." + mode, node) : mode + " " + node; }
        public Gap worst() { return partitions.stream().max(Comparator.comparing(Gap::ms)).orElse(null); }

        Object[] fields() {
            return new Object[] {"number", number, "node", node, "mode", mode, "at", applied.toString(), "restoredMs", since(restored), "during", during,
                "elected", elected == null ? null : elected.node, "epoch", elected == null ? null : elected.epoch, "electedMs", elected == null ? null : since(elected.at), "ledMs", since(led),
                "moved", moved, "firstAckMs", since(firstAck), "lastAckMs", since(lastAck), "inSyncMs", since(inSync), "gap", worst() == null ? null : worst().fields(),
                "all", all == null ? null : all.fields(), "partitions", partitions.stream().map(Gap::fields).toList(), "notes", notes()};
        }

        /** Milliseconds after the fault. */
        Double since(Instant moment) { return moment == null ? null : ChronoUnit.MICROS.between(applied, moment) / 1e3; }
    }

    /** Something that a reader has to know, to be said in any language. */
    record Note(String key, Object... args) { String in(LabMessages words) { return words.text(key, args); } }

    public record Elected(int node, Long epoch, Instant at) { }

    /** A producer's gap; partition -1: all of them. Not ended: it lasts at least that long. @param measuredMs the same, by the producer's own clock ({@code stall}), if it said so */
    public record Gap(String topic, int partition, Instant from, Instant to, boolean ended, Phases phases, Double measuredMs) {
        public double ms() { return ChronoUnit.MICROS.between(from, to) / 1e3; }
        public String name() { return partition < 0 ? "all" : topic + "-" + partition; }

        /** Returns the fields of a wait that belongs to no fault. */
        Object[] waited() { return new Object[] {"topic", topic, "partition", partition, "from", from.toString(), "ms", ms(), "ended", ended}; }

        Map<String, Object> fields() {
            Map<String, Object> fields = new LinkedHashMap<>();
            fields.put("topic", topic);
            fields.put("partition", partition);
            fields.put("from", from.toString());
            fields.put("ms", ms());
            fields.put("ended", ended);
            for (Phase p : Phase.values()) fields.put(p + "Ms", phases.ms.get(p));
            fields.put("measuredMs", measuredMs);
            return fields;
        }
    }

    /** The parts of a gap, in their order; open is the rest of one that has not ended. */
    public enum Phase {
        before, quorum, elect, lead, ack, open;
        String title(LabMessages words) { return words.text("phase." + name()); }
    }

    /** Milliseconds of each phase that there was. */
    public record Phases(Map<Phase, Double> ms) {
        public double sum() { return ms.values().stream().mapToDouble(d -> d).sum(); }
    }

    /** Between the producer's first and last sign. @param share of time times partitions that had to wait (200 ms and more) @param nothingShare of the time, in which nothing was acknowledged */
    public record Availability(Instant from, Instant to, double observedMs, int partitions, double share, double nothingShare, String worst, double worstShare) {
        Object[] fields() {
            return new Object[] {"from", from.toString(), "to", to.toString(), "observedMs", observedMs, "partitions", partitions, "share", share, "nothingShare", nothingShare,
                "worst", worst, "worstShare", worstShare};
        }
        String sentence(LabMessages words) { return words.text("outages.availability", share * 100, worst, worstShare * 100, nothingShare * 100, observedMs / 1e3); }
    }

    // ---- The tables ----

    private static final class Table {
        private final LabMessages words;
        Table(LabMessages words) { this.words = words; }

        String text(Seen seen, boolean partitions) {
            StringBuilder text = new StringBuilder();
            for (List<String[]> rows : tables(seen, partitions)) {
                int[] width = new int[rows.get(0).length];
                rows.set(0, Stream.of(rows.get(0)).map(title -> title.toUpperCase(Locale.ROOT)).toArray(String[]::new));
                rows.replaceAll(row -> Stream.of(row).map(Cli::printable).toArray(String[]::new));
                for (String[] row : rows) for (int i = 0; i < row.length; i++) width[i] = Math.max(width[i], row[i].length());
                for (String[] row : rows) {
                    StringBuilder line = new StringBuilder();
                    for (int i = 0; i < row.length; i++) line.append(String.format(Locale.ROOT, i < 2 ? "%-" + width[i] + "s  " : "%" + width[i] + "s  ", row[i]));
                    text.append(line.toString().stripTrailing()).append('\n');
                }
                text.append('\n');
            }
            remarks(seen).forEach(r -> text.append(Cli.printable(r)).append('\n'));
            return text.toString();
        }

        String markdown(Seen seen, boolean partitions) {
            StringBuilder text = new StringBuilder();
            for (List<String[]> rows : tables(seen, partitions)) {
                for (String[] row : rows) {
                    text.append("| ").append(Stream.of(row).map(Table::cell).collect(Collectors.joining(" | "))).append(" |\n");
                    if (row == rows.get(0)) text.append("|---|---|").append("---:|".repeat(row.length - 2)).append('\n');
                }
                text.append('\n');
            }
            remarks(seen).forEach(r -> text.append("- ").append(cell(r)).append('\n'));
            return text.toString();
        }

        /** Returns a text that Markdown takes for nothing but text. */
        private static String cell(String text) { return Cli.printable(text).replaceAll("([\\\\|`*\\[\\]])", "\\\\$1").replace("<", "&lt;"); }

        private List<List<String[]>> tables(Seen seen, boolean partitions) {
            if (seen.outages.isEmpty()) return List.of();
            List<String[]> moments = new ArrayList<>(), phases = new ArrayList<>();
            moments.add(Stream.concat(Stream.of("#"), Stream.of("fault", "at", "controller", "led", "first-ack", "last-ack", "in-sync", "longest").map(c -> words.text("outages." + c))).toArray(String[]::new));
            List<String> titles = new ArrayList<>(List.of("#", words.text("outages.gap-ms")));
            for (Phase p : Phase.values()) titles.add(p.title(words));
            titles.addAll(List.of(words.text("outages.sum"), words.text("outages.producers")));
            phases.add(titles.toArray(String[]::new));
            for (Outage o : seen.outages) {
                Gap worst = o.worst();
                moments.add(new String[] {"" + o.number, o.fault(words), DateTimeFormatter.ofPattern("HH:mm:ss.SSS").withZone(ZoneOffset.UTC).format(o.applied),
                    elected(o), after(o.since(o.led)), after(o.since(o.firstAck)), after(o.since(o.lastAck)), after(o.since(o.inSync)), worst == null ? "-" : words.text("outages.seconds", worst.ms() / 1e3)});
                List<Gap> shown = new ArrayList<>();
                if (partitions) shown.addAll(o.partitions);
                else if (worst != null) shown.add(worst);
                if (o.all != null) shown.add(o.all);
                for (Gap g : shown) {
                    List<String> row = new ArrayList<>(List.of("" + o.number, g.partition < 0 ? words.text("outages.all") : g.name()));
                    for (Phase p : Phase.values()) row.add(ms(g.phases.ms.get(p)));
                    row.addAll(List.of(ms(g.phases.sum()), ms(g.measuredMs)));
                    phases.add(row.toArray(String[]::new));
                }
            }
            return phases.size() == 1 ? List.of(moments) : List.of(moments, phases);
        }

        private List<String> remarks(Seen seen) {
            List<String> remarks = new ArrayList<>();
            for (Outage o : seen.outages) for (Note note : o.remarks) remarks.add(words.text("outages.remark", o.number, note.in(words)));
            if (seen.availability != null) remarks.add(seen.availability.sentence(words));
            if (!seen.unattributed.isEmpty()) remarks.add(unattributed(seen.unattributed));
            return remarks;
        }

        private String unattributed(List<Gap> waits) {
            Gap longest = waits.get(0);
            String when = DateTimeFormatter.ofPattern("HH:mm:ss.SSS").withZone(ZoneOffset.UTC).format(longest.from);
            return words.text("outages.unattributed", waits.size(), longest.name(), longest.ms() / 1e3, when);
        }

        private String elected(Outage o) {
            if (o.elected == null) return "-";
            String when = after(o.since(o.elected.at));
            return o.elected.epoch == null ? words.text("outages.elected", o.elected.node, when) : words.text("outages.elected-epoch", o.elected.node, o.elected.epoch, when);
        }

        private String after(Double ms) { return ms == null ? "-" : words.text("outages.after", ms / 1e3); }
        private static String ms(Double ms) { return ms == null ? "-" : String.format(Locale.ROOT, "%.0f", ms); }
    }
}
