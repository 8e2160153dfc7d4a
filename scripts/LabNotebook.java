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
    static String of(Lab lab, List<Step> steps, String ended, String time) {
        boolean found = lab.cluster != null && lab.cluster.isFound();
        StringBuilder md = new StringBuilder("# What happens when a Kafka node dies\n\n");
        md.append(String.format("Run of %s with kraft-lab: `lab --runtime %s%s --records %d`.%n%sThree nodes, Kafka %s, Java %s, %d cores.%n%n**%s**%n%n%s.%n",
                DateTimeFormatter.ofPattern("yyyy-MM-dd HH:mm 'UTC'").withZone(ZoneOffset.UTC).format(Instant.now()), lab.where.name().toLowerCase(Locale.ROOT), found ? "" : " --timeouts " + lab.timeouts.name().toLowerCase(Locale.ROOT), lab.records,
                found ? "The cluster ran before, with the timeouts that it was started with.\n" : "",
                Cluster.KAFKA, System.getProperty("java.version"), Runtime.getRuntime().availableProcessors(), ended, time));
        int number = 0;
        for (Step s : steps) {
            md.append(String.format(Locale.ROOT, "%n## %d. %s%n%n```console%n$ %s%n", ++number, s.title, s.command));
            s.lines.forEach(l -> md.append(l).append('\n'));
            md.append("```\n\n").append(s.complete ? s.meaning + String.format(Locale.ROOT, " (%.1f s)", Lab.seconds(s.took)) : "This step did not end.").append('\n');
        }
        return md.toString();
    }
}
