import java.io.IOException;
import java.time.*;
import java.time.format.DateTimeFormatter;
import java.util.*;

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
        Step(String title, String command) { this.title = title; this.command = command; }
    }

    /** What a person would have handed in: each step, its command, what it printed, what it means. */
    static String of(Lab lab, List<Step> steps, Outages.Seen outages, String ended, String time) {
        boolean found = lab.cluster != null && lab.cluster.isFound();
        StringBuilder md = new StringBuilder("# " + lab.scenario.title + "\n\n");
        md.append(String.format("Run of %s with kraft-lab: `lab%s --runtime %s%s --records %d`.%n%sThree nodes, Kafka %s, Java %s, %d cores.%n%n**%s**%n%n%s.%n",
                DateTimeFormatter.ofPattern("yyyy-MM-dd HH:mm 'UTC'").withZone(ZoneOffset.UTC).format(Instant.now()), lab.scenario.name.equals("classic") ? "" : " --scenario " + lab.scenario.name, lab.where.name().toLowerCase(Locale.ROOT), found ? "" : " --timeouts " + lab.timeouts.name().toLowerCase(Locale.ROOT), lab.records,
                found ? "The cluster ran before, with the timeouts that it was started with.\n" : "",
                Cluster.KAFKA, System.getProperty("java.version"), Runtime.getRuntime().availableProcessors(), ended, time));
        int number = 0;
        for (Step s : steps) {
            md.append(String.format(Locale.ROOT, "%n## %d. %s%n%n```console%n$ %s%n", ++number, s.title, s.command));
            s.lines.forEach(l -> md.append(l).append('\n'));
            md.append("```\n\n").append(s.complete ? s.meaning + String.format(Locale.ROOT, " (%.1f s)", Lab.seconds(s.took)) : "This step did not end.").append('\n');
        }
        if (!outages.outages().isEmpty()) md.append("\n## What each fault cost, by phase\n\n```console\n$ outages events.jsonl\n```\n\n")
                .append(outages.markdown(false)).append("\nThe gap of a partition is the time in which "
                + "a message to it waited. Its phases add up to it: the time until the fault, until there was a quorum again, until a controller was elected, until the partition had a leader "
                + "that lives and no dead member in its ISR, and until the producer had found that out and was answered.\n");
        return md.toString();
    }

    /** What a probe's answers mean, in their own figures. */
    static String meaning(List<ProbeCluster.Answer> answers) {
        List<ProbeCluster.Answer> asked = answers.stream().filter(a -> a.outcome() != ProbeCluster.Outcome.NOT_ASKED).toList(), not = asked.stream().filter(a -> a.outcome() != ProbeCluster.Outcome.OK).toList();
        Set<Integer> leaders = new TreeSet<>(asked.stream().filter(a -> a.question().equals("produce acks=1") && a.outcome() == ProbeCluster.Outcome.OK).map(ProbeCluster.Answer::node).toList());
        if (not.isEmpty()) return String.format(Locale.ROOT, "All %d questions were answered; the slowest, %s, took %d ms. %s", asked.size(), slowest(asked).question(), slowest(asked).ms(),
                leaders.size() > 2 ? "Each node leads partitions and takes writes." : "Partitions are led by " + nodes(leaders) + " alone, and whoever asks finds them there: one dead node takes nothing away but its share of the safety.");
        Set<String> works = new HashSet<>(asked.stream().filter(a -> a.outcome() == ProbeCluster.Outcome.OK).map(ProbeCluster.Answer::question).toList());
        Set<String> hanging = new LinkedHashSet<>(not.stream().map(ProbeCluster.Answer::question).filter(q -> !works.contains(q)).toList());
        Set<Integer> mute = new TreeSet<>(not.stream().filter(a -> a.question().equals("produce acks=1")).map(ProbeCluster.Answer::node).toList());
        StringBuilder text = new StringBuilder(String.format(Locale.ROOT, "Of %d questions %d got no good answer. %s", asked.size(), not.size(), hanging.isEmpty() ? "" : "Nobody answers: " + String.join(", ", hanging) + ". "));
        if (!mute.isEmpty()) text.append("Whatever is asked of partitions that the metadata says are led by ").append(nodes(mute)).append(" hangs too. ");
        if (hanging.contains("metadata quorum")) answers.stream().filter(a -> a.question().equals("describe topics") && a.outcome() == ProbeCluster.Outcome.OK).findFirst().ifPresent(a ->
                text.append("Describing still works (").append(a.ms()).append(" ms), but from frozen metadata, as of when there was a controller: it tells of ").append(a.detail().replaceFirst(".*?in-sync", "in-sync").replace(": frozen metadata", "")).append(". "));
        if (!leaders.isEmpty()) text.append("Partitions led by ").append(nodes(leaders)).append(" still take a record with acks=1. ");
        answers.stream().filter(ProbeCluster.Answer::isInvisible).findFirst().ifPresent(a -> text.append(String.format(Locale.ROOT,
                "It was acknowledged at offset %d, the high watermark is %d: acknowledged and invisible. No consumer reads it before the other replicas have it, and if node %d does not survive, it is lost. acks=all %s: it promises nothing that it cannot keep.", a.offset(), a.highWatermark(), a.node(),
                asked.stream().filter(all -> all.question().equals("produce acks=all") && all.outcome() == ProbeCluster.Outcome.FAILS).map(all -> "is refused (" + all.error() + ")").findFirst().orElse("does not answer"))));
        return text.toString().strip();
    }

    private static ProbeCluster.Answer slowest(List<ProbeCluster.Answer> answers) { return Collections.max(answers, Comparator.comparing(ProbeCluster.Answer::ms)); }
    private static String nodes(Set<Integer> ids) { return (ids.size() == 1 ? "node " : "nodes ") + String.join(" and ", ids.stream().map(String::valueOf).toList()); }

    /** What each fault cost, from the run's own stream, which gets it as well. */
    static Outages.Seen outages(Lab lab) throws IOException {
        Outages.Seen seen = Outages.of(lab.out.resolve("events.jsonl").toFile());
        for (Outages.Outage o : seen.outages()) lab.emit("outage", o.fields());
        if (seen.availability() != null) lab.emit("availability", seen.availability().fields());
        return seen;
    }
}
