//SOURCES Outage.java OutageFindings.java ../cli/Cli.java ../cli/TextTable.java ../cli/Messages.java

import java.time.Instant;
import java.time.ZoneOffset;
import java.time.format.DateTimeFormatter;
import java.util.*;
import java.util.stream.Stream;

/** Prints the moments of each outage and the phases of its gaps as tables, in the reader's language. */
final class OutageTable {
    /** Which gaps of an outage have a row. */
    enum Gaps {
        LONGEST,
        ALL_PARTITIONS
    }

    private static final DateTimeFormatter TIME =
            DateTimeFormatter.ofPattern("HH:mm:ss.SSS").withZone(ZoneOffset.UTC);
    private static final String NONE = "-";
    private static final int LEFT_COLUMNS = 2;

    private final OutageFindings findings;
    private final Gaps gaps;
    private final Messages words;

    OutageTable(OutageFindings findings, Gaps gaps, Messages words) {
        this.findings = findings;
        this.gaps = gaps;
        this.words = words;
    }

    OutageTable(OutageFindings findings, Gaps gaps) {
        this(findings, gaps, Outage.ENGLISH);
    }

    String text() {
        StringBuilder text = new StringBuilder();
        for (List<List<String>> rows : tables()) {
            List<List<String>> printable =
                    new ArrayList<>(rows.stream().map(OutageTable::printable).toList());
            printable.set(0, printable(upperCase(rows.get(0))));
            text.append(TextTable.of(printable, LEFT_COLUMNS)).append('\n');
        }
        remarks().forEach(remark -> text.append(Cli.printable(remark)).append('\n'));
        return text.toString();
    }

    private static List<String> printable(List<String> row) {
        return row.stream().map(Cli::printable).toList();
    }

    private static List<String> upperCase(List<String> titles) {
        return titles.stream().map(title -> title.toUpperCase(Locale.ROOT)).toList();
    }

    String markdown() {
        StringBuilder text = new StringBuilder();
        for (List<List<String>> rows : tables()) {
            int rightColumns = rows.get(0).size() - LEFT_COLUMNS;
            text.append(markdownRow(rows.get(0)));
            text.append("|---|---|").append("---:|".repeat(rightColumns)).append('\n');
            rows.stream().skip(1).map(OutageTable::markdownRow).forEach(text::append);
            text.append('\n');
        }
        remarks().forEach(remark -> text.append("- ").append(escaped(remark)).append('\n'));
        return text.toString();
    }

    private static String markdownRow(List<String> row) {
        return "| " + String.join(" | ", row.stream().map(OutageTable::escaped).toList()) + " |\n";
    }

    /** Returns a text that Markdown takes for nothing but text. */
    private static String escaped(String text) {
        return Cli.printable(text).replaceAll("([\\\\|`*\\[\\]])", "\\\\$1").replace("<", "&lt;");
    }

    // ---- The two tables ----

    private List<List<List<String>>> tables() {
        if (findings.outages().isEmpty()) {
            return List.of();
        }
        List<List<String>> moments = new ArrayList<>(List.of(momentTitles()));
        List<List<String>> phases = new ArrayList<>(List.of(phaseTitles()));
        for (Outage outage : findings.outages()) {
            moments.add(momentsOf(outage));
            shown(outage).forEach(gap -> phases.add(phasesOf(outage, gap)));
        }
        return phases.size() == 1 ? List.of(moments) : List.of(moments, phases);
    }

    private List<String> momentTitles() {
        Stream<String> names =
                Stream.of("fault", "at", "controller", "leaders", "first-ack", "last-ack", "in-sync", "longest");
        return Stream.concat(Stream.of("#"), names.map(name -> words.text("outages." + name)))
                .toList();
    }

    private List<String> momentsOf(Outage outage) {
        Outage.Moments moments = outage.moments();
        return List.of(
                "" + outage.number(),
                outage.fault().in(words),
                TIME.format(outage.fault().applied()),
                elected(outage),
                after(outage, moments.led()),
                after(outage, moments.firstAck()),
                after(outage, moments.lastAck()),
                after(outage, moments.inSync()),
                Optional.ofNullable(outage.worst())
                        .map(gap -> words.text("outages.seconds", gap.ms() / 1e3))
                        .orElse(NONE));
    }

    private String elected(Outage outage) {
        Outage.Elected elected = outage.moments().elected();
        if (elected == null) {
            return NONE;
        }
        String when = after(outage, elected.at());
        return elected.epoch() == null
                ? words.text("outages.elected", elected.node(), when)
                : words.text("outages.elected-epoch", elected.node(), elected.epoch(), when);
    }

    private String after(Outage outage, Instant moment) {
        return moment == null ? NONE : words.text("outages.after", outage.since(moment) / 1e3);
    }

    private List<Outage.Gap> shown(Outage outage) {
        List<Outage.Gap> shown = new ArrayList<>();
        if (gaps == Gaps.ALL_PARTITIONS) {
            shown.addAll(outage.partitions());
        } else {
            Optional.ofNullable(outage.worst()).ifPresent(shown::add);
        }
        Optional.ofNullable(outage.all()).ifPresent(shown::add);
        return shown;
    }

    private List<String> phaseTitles() {
        List<String> titles = new ArrayList<>(List.of("#", words.text("outages.gap-ms")));
        for (Outage.Phase phase : Outage.Phase.values()) {
            titles.add(phase.title(words));
        }
        titles.add(words.text("outages.sum"));
        titles.add(words.text("outages.producers"));
        return titles;
    }

    private List<String> phasesOf(Outage outage, Outage.Gap gap) {
        String name = gap.isOfAll() ? words.text("outages.all") : gap.name();
        List<String> row = new ArrayList<>(List.of("" + outage.number(), name));
        for (Outage.Phase phase : Outage.Phase.values()) {
            row.add(ms(gap.phases().ms().get(phase)));
        }
        row.add(ms(gap.phases().sum()));
        row.add(ms(gap.measuredMs()));
        return row;
    }

    private static String ms(Double ms) {
        return ms == null ? NONE : String.format(Locale.ROOT, "%.0f", ms);
    }

    // ---- The remarks ----

    private List<String> remarks() {
        List<String> remarks = new ArrayList<>();
        for (Outage outage : findings.outages()) {
            for (Outage.Note note : outage.remarks()) {
                remarks.add(words.text("outages.remark", outage.number(), note.in(words)));
            }
        }
        if (findings.availability() != null) {
            remarks.add(findings.availability().sentence(words));
        }
        if (!findings.unattributed().isEmpty()) {
            remarks.add(unattributed());
        }
        return remarks;
    }

    private String unattributed() {
        Outage.Gap longest = findings.unattributed().get(0);
        int count = findings.unattributed().size();
        String when = TIME.format(longest.from());
        return words.text("outages.unattributed", count, longest.name(), longest.ms() / 1e3, when);
    }
}
