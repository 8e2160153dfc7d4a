//SOURCES LabJournal.java LabCharts.java LabFolder.java ../cli/Cli.java ../cli/Messages.java ../outage/OutageTable.java
//SOURCES ../../Cluster.java

import java.io.IOException;
import java.nio.file.Files;
import java.time.*;
import java.time.format.DateTimeFormatter;

/** Writes the notebook of a run, in Markdown: each step, its command, what it printed, what it means. */
final class LabNotebook {
    private static final DateTimeFormatter TIME =
            DateTimeFormatter.ofPattern("yyyy-MM-dd HH:mm 'UTC'").withZone(ZoneOffset.UTC);

    /** What stands above the steps. */
    record Head(String title, String command, boolean clusterRanBefore, String ended, String time) {}

    private final LabJournal journal;
    private final Messages words;
    private final StringBuilder md = new StringBuilder();

    private LabNotebook(LabJournal journal) {
        this.journal = journal;
        words = journal.words;
    }

    static void write(LabFolder folder, Head head, LabJournal journal, OutageFindings outages) throws IOException {
        LabNotebook notebook = new LabNotebook(journal);
        notebook.head(head);
        for (int i = 0; i < journal.steps.size(); i++) {
            notebook.step(i + 1, journal.steps.get(i));
        }
        notebook.outages(outages);
        String charts = new LabCharts(journal.words).of(folder.file("events.jsonl"), outages);
        notebook.section(journal.text("charts.title"), charts);
        notebook.md.append('\n').append(journal.text("notebook.page")).append('\n');
        Files.writeString(folder.file("notebook.md"), notebook.md);
    }

    private void head(Head head) {
        md.append("# ").append(head.title).append("\n\n");
        md.append(words.text("notebook.run", TIME.format(Instant.now()), head.command))
                .append('\n');
        if (head.clusterRanBefore) {
            md.append(words.text("notebook.found")).append('\n');
        }
        String java = System.getProperty("java.version");
        int cores = Runtime.getRuntime().availableProcessors();
        md.append(words.text("notebook.machine", Cluster.KAFKA, java, cores));
        md.append("\n\n**").append(head.ended).append("**\n\n");
        md.append(words.text("ended.took", head.time)).append('\n');
    }

    private void step(int number, LabJournal.Step step) {
        String took = words.text("notebook.took", LabJournal.seconds(step.took));
        String meaning = step.complete ? (step.meaning + " " + took).strip() : words.text("notebook.not-ended");
        section(number + ". " + step.title, block(step) + "\n" + meaning + "\n");
    }

    /** Returns what a step printed, within a fence that is longer than any it contains. */
    private static String block(LabJournal.Step step) {
        StringBuilder text = new StringBuilder("$ " + Cli.printable(step.command) + "\n");
        step.lines.forEach(line -> text.append(Cli.printable(line)).append('\n'));
        String fence = "```";
        while (text.indexOf(fence) >= 0) {
            fence += "`";
        }
        return fence + "console\n" + text + fence + "\n";
    }

    private void outages(OutageFindings outages) {
        if (!outages.outages().isEmpty()) {
            String table = new OutageTable(outages, OutageTable.Gaps.LONGEST, words).markdown();
            String command = "```console\n$ outages events.jsonl\n```\n\n";
            section(words.text("notebook.outages"), command + table + "\n" + words.text("notebook.gap") + "\n");
        }
    }

    private void section(String title, String text) {
        if (!text.isEmpty()) {
            md.append("\n## ").append(title).append("\n\n").append(text);
        }
    }
}
