///usr/bin/env jbang "$0" "$@" ; exit $?
//JAVA 17+
//DEPS org.apache.kafka:kafka-clients:4.4.0
//DEPS info.picocli:picocli:4.7.7
//DEPS com.fasterxml.jackson.jr:jackson-jr-objects:2.21.7
//DEPS org.slf4j:slf4j-simple:1.7.36
//SOURCES lib/cli/Cli.java lib/outage/OutageAnalysis.java lib/outage/OutageTable.java
//JAVAC_OPTIONS -J-XX:TieredStopAtLevel=1 -J-XX:+UseSerialGC
//DESCRIPTION Splits each outage into phases: election, leaders, first acknowledgement, ISR

import java.io.PrintWriter;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/**
 * Takes outages apart. Reads event streams (of a lab, or of kill-node, watch-leaders and resilient-producer with
 * {@code --events}); no cluster is needed.
 *
 * <p>What an outage cost is a partition's gap, as the producer measures it: the time in which a message waited until
 * one was acknowledged. The moments that the watchers saw divide it, so that its phases add up to it. A message waits
 * already <em>before</em> the fault is applied; there is no <em>quorum</em> until a node is brought back; a controller
 * is <em>elected</em>; the partition gets a live leader, or the failed replica leaves its ISR (<em>lead</em>);
 * then the producer has to find out and to be answered (<em>ack</em>). A phase that did not happen, or that nobody
 * watched, is absent, and its time belongs to the next one.
 *
 * <pre>outages runs/x/events.jsonl
 * cat a.jsonl b.jsonl | outages --json</pre>
 */
@Command(
        name = "outages",
        version = "kraft-lab 0.1.0",
        sortOptions = false,
        description =
                "Shows what each fault in an event stream cost the producer, by phase; reads stdin without a file.")
class Outages implements Callable<Integer> {
    /** How many damaged lines are named. */
    private static final int NAMED = 5;

    @Parameters(paramLabel = "FILE", arity = "0..*", description = "Event streams; - is stdin.")
    List<String> files = List.of();

    @Option(names = "--all-partitions", description = "Show each partition's gap, not only the longest.")
    boolean allPartitions;

    @Option(names = "--markdown", description = "Print Markdown.")
    boolean markdown;

    @Mixin
    Cli.StandardOptions common = new Cli.StandardOptions();

    public static void main(String... args) {
        System.exit(run(new PrintWriter(System.out, true), new PrintWriter(System.err, true), args));
    }

    /** Runs the script without a process. @return the exit code */
    public static int run(PrintWriter out, PrintWriter err, String... args) {
        Outages script = new Outages();
        return script.common.run(script, out, err, args);
    }

    @Override
    public Integer call() {
        OutageStream stream = new OutageStream();
        List<String> damaged = new ArrayList<>();
        for (String file : files.isEmpty() ? List.of("-") : files) {
            stream.read(file).forEach(damage -> damaged.add(describe(damage, file)));
        }
        show(OutageAnalysis.of(stream));
        if (damaged.isEmpty()) {
            return 0;
        }
        String named = String.join("; ", damaged.subList(0, Math.min(NAMED, damaged.size())));
        String more = damaged.size() > NAMED ? "; ..." : "";
        common.say("%d damaged lines are left out: %s%s.", damaged.size(), named, more);
        return Cli.INCOMPLETE;
    }

    private static String describe(OutageStream.Damage damage, String file) {
        String of = file.equals("-") ? "" : " of " + Cli.printable(file);
        return "line " + damage.line() + of + ", " + Cli.printable(damage.fault());
    }

    private void show(OutageFindings findings) {
        if (findings.outages().isEmpty()) {
            common.say("There is no fault in it: kill-node --events writes one.");
        }
        if (!common.json) {
            common.out.print(table(findings));
        }
        findings.outages().forEach(outage -> common.emit("outage", outage.fields()));
        if (findings.availability() != null) {
            common.emit("availability", findings.availability().fields());
        }
        findings.longestUnattributed().forEach(gap -> common.emit("wait", gap.waitFields()));
    }

    private String table(OutageFindings findings) {
        OutageTable.Gaps gaps = allPartitions ? OutageTable.Gaps.ALL_PARTITIONS : OutageTable.Gaps.LONGEST;
        OutageTable table = new OutageTable(findings, gaps);
        return markdown ? table.markdown() : table.text();
    }
}
