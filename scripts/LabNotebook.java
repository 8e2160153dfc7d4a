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
        StringBuilder md = new StringBuilder("# What happens when a Kafka node dies\n\n");
        md.append(String.format("Run of %s with kraft-lab: `lab --runtime %s --timeouts %s --records %d`.%nThree nodes, Kafka %s, Java %s, %d cores.%n%n**%s**%n%n%s.%n",
                DateTimeFormatter.ofPattern("yyyy-MM-dd HH:mm 'UTC'").withZone(ZoneOffset.UTC).format(Instant.now()), lab.where.name().toLowerCase(Locale.ROOT), lab.timeouts.name().toLowerCase(Locale.ROOT), lab.records,
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

    /** What each fault cost, from the run's own stream, which gets it as well. */
    static Outages.Seen outages(Lab lab) throws IOException {
        Outages.Seen seen = Outages.of(lab.out.resolve("events.jsonl").toFile());
        for (Outages.Outage o : seen.outages()) lab.emit("outage", o.fields());
        if (seen.availability() != null) lab.emit("availability", seen.availability().fields());
        return seen;
    }
}
