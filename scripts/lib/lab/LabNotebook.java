import java.io.IOException;
import java.time.*;
import java.time.format.DateTimeFormatter;
import java.util.*;
import java.util.regex.*;

/** The notebook of a run, in Markdown. */
class LabNotebook {
    /** A step of the notebook. @param waited part of took spent waiting for Kafka: elections, session timeouts, restarts, catching up */
    static class Step {
        final String title, command;
        final List<String> lines = new ArrayList<>();
        String meaning = "";
        Duration took = Duration.ZERO, waited = Duration.ZERO;
        boolean complete;
        final long began = System.nanoTime();

        Step(String title, String command) {
            this.title = title;
            this.command = command;
        }
    }

    /** What a person would have handed in: each step, its command, what it printed, what it means. */
    static String of(Lab lab, List<Step> steps, OutageFindings outages, String ended, String time) throws IOException {
        LabMessages words = lab.words;
        boolean found = lab.cluster != null && lab.cluster.isFound();
        String command = "lab" + (lab.scenario.name.equals("classic") ? "" : " --scenario " + lab.scenario.name)
                + " --runtime " + lab.where.name().toLowerCase(Locale.ROOT)
                + (found ? "" : " --timeouts " + lab.timeouts.name().toLowerCase(Locale.ROOT)) + " --records "
                + lab.records + (words.language.equals("en") ? "" : " --lang " + words.language);
        String when = DateTimeFormatter.ofPattern("yyyy-MM-dd HH:mm 'UTC'")
                .withZone(ZoneOffset.UTC)
                .format(Instant.now());
        StringBuilder md = new StringBuilder("# ")
                .append(lab.scenario.title)
                .append("\n\n" + words.text("notebook.run", when, command) + "\n"
                        + (found ? words.text("notebook.found") + "\n" : "")
                        + words.text(
                                "notebook.machine",
                                Cluster.KAFKA,
                                System.getProperty("java.version"),
                                Runtime.getRuntime().availableProcessors())
                        + "\n\n**" + ended + "**\n\n" + words.text("ended.took", time) + "\n");
        int number = 0;
        for (Step s : steps) {
            md.append("\n## ")
                    .append(++number)
                    .append(". ")
                    .append(s.title)
                    .append("\n\n")
                    .append(block(s));
            md.append("\n")
                    .append(
                            s.complete
                                    ? (s.meaning + " " + words.text("notebook.took", Lab.seconds(s.took))).strip()
                                    : words.text("notebook.not-ended"))
                    .append('\n');
        }
        if (!outages.outages().isEmpty())
            md.append("\n## ")
                    .append(words.text("notebook.outages"))
                    .append("\n\n```console\n$ outages events.jsonl\n```\n\n")
                    .append(new OutageTable(outages, OutageTable.Gaps.LONGEST, words).markdown())
                    .append('\n')
                    .append(words.text("notebook.gap"))
                    .append('\n');
        String charts = new LabCharts(words).of(lab.out.resolve("events.jsonl"), outages);
        if (!charts.isEmpty())
            md.append("\n## ").append(words.text("charts.title")).append("\n\n").append(charts);
        return md.append('\n').append(words.text("notebook.page")).append('\n').toString();
    }

    /** Returns what a step printed, within a fence that is longer than any it contains. */
    private static String block(Step step) {
        StringBuilder text =
                new StringBuilder("$ ").append(WatchIsr.printable(step.command)).append('\n');
        step.lines.forEach(line -> text.append(WatchIsr.printable(line)).append('\n'));
        String fence = "```";
        while (text.indexOf(fence) >= 0) fence += "`";
        return fence + "console\n" + text + fence + "\n";
    }

    /** What a probe's answers mean, in their own figures. */
    static String meaning(List<ProbeAnswer> answers, LabMessages words) {
        List<ProbeAnswer>
                asked =
                        answers.stream()
                                .filter(a -> a.outcome() != ProbeAnswer.Outcome.NOT_ASKED)
                                .toList(),
                not =
                        asked.stream()
                                .filter(a -> a.outcome() != ProbeAnswer.Outcome.OK)
                                .toList();
        Set<Integer> leaders = new TreeSet<>(asked.stream()
                .filter(a -> a.question().equals("produce acks=1") && a.outcome() == ProbeAnswer.Outcome.OK)
                .map(ProbeAnswer::node)
                .toList());
        boolean allLive = answers.stream()
                .anyMatch(a -> a.question().equals("describe cluster")
                        && a.detail() != null
                        && a.detail().matches("brokers \\d+,\\d+,\\d+"));
        if (not.isEmpty())
            return words.text(
                            "probe.all",
                            asked.size(),
                            words.text("probe.question", slowest(asked).question()),
                            slowest(asked).ms())
                    + " "
                    + (leaders.size() > 2 || leaders.isEmpty()
                            ? words.text("probe.each-leads")
                            : words.text(allLive ? "probe.few-lead-of-all" : "probe.few-lead", nodes(leaders, words)));
        Set<String> works = new HashSet<>(asked.stream()
                .filter(a -> a.outcome() == ProbeAnswer.Outcome.OK)
                .map(ProbeAnswer::question)
                .toList());
        Set<String> hanging = new LinkedHashSet<>(not.stream()
                .map(ProbeAnswer::question)
                .filter(q -> !works.contains(q))
                .toList());
        Set<Integer> mute = new TreeSet<>(not.stream()
                .filter(a -> a.question().equals("produce acks=1"))
                .map(ProbeAnswer::node)
                .toList());
        List<String> text = new ArrayList<>(List.of(words.text("probe.some", asked.size(), not.size())));
        if (!hanging.isEmpty())
            text.add(words.text(
                    "probe.nobody",
                    String.join(
                            ", ",
                            hanging.stream()
                                    .map(q -> words.text("probe.question", q))
                                    .toList())));
        if (!mute.isEmpty()) text.add(words.text("probe.mute", nodes(mute, words)));
        if (hanging.contains("metadata quorum"))
            answers.stream()
                    .filter(a -> a.question().equals("describe topics") && a.outcome() == ProbeAnswer.Outcome.OK)
                    .findFirst()
                    .ifPresent(a -> {
                        Matcher m = Pattern.compile("in-sync replicas (\\d+) of (\\d+)(?:; of these (\\d+))?")
                                .matcher(a.detail());
                        if (m.find())
                            text.add(
                                    m.group(3) == null
                                            ? words.text("probe.frozen", a.ms(), m.group(1), m.group(2))
                                            : words.text(
                                                    "probe.frozen-silent", a.ms(), m.group(1), m.group(2), m.group(3)));
                    });
        if (!leaders.isEmpty()) text.add(words.text("probe.one", nodes(leaders, words)));
        answers.stream().filter(ProbeAnswer::isInvisible).findFirst().ifPresent(a -> {
            text.add(words.text(
                    "probe.invisible", a.offsets().acknowledged(), a.offsets().highWatermark(), a.node()));
            text.add(asked.stream()
                    .filter(all ->
                            all.question().equals("produce acks=all") && all.outcome() == ProbeAnswer.Outcome.FAILS)
                    .findFirst()
                    .map(all -> words.text("probe.all-refused", all.error()))
                    .orElse(words.text("probe.all-hangs")));
        });
        return String.join(" ", text);
    }

    private static ProbeAnswer slowest(List<ProbeAnswer> answers) {
        return Collections.max(answers, Comparator.comparing(ProbeAnswer::ms));
    }

    private static String nodes(Set<Integer> ids, LabMessages words) {
        List<String> all = ids.stream().map(String::valueOf).toList();
        int last = all.size() - 1;
        return last == 0
                ? words.text("nodes.one", all.get(0))
                : words.text(
                        "nodes.many", words.text("nodes.and", String.join(", ", all.subList(0, last)), all.get(last)));
    }

    /** What each fault cost, from the run's own stream, which gets it as well. */
    static OutageFindings outages(Lab lab) throws IOException {
        OutageFindings seen = OutageAnalysis.of(lab.out.resolve("events.jsonl").toFile());
        for (Outage o : seen.outages()) lab.emit("outage", o.fields());
        if (seen.availability() != null)
            lab.emit("availability", seen.availability().fields());
        for (Outage.Gap g : seen.longestUnattributed()) lab.emit("wait", g.waitFields());
        return seen;
    }
}
