///usr/bin/env jbang "$0" "$@" ; exit $?
//JAVA 17+
//SOURCES Loads.java Commands.java ../scripts/Cluster.java
//DESCRIPTION Side by side with what people use today: starting three brokers, asking for the controller, loading a topic

import java.io.*;
import java.nio.file.*;
import java.util.*;
import java.util.concurrent.*;
import java.util.stream.Stream;
import org.apache.kafka.clients.admin.*;
import org.apache.kafka.common.Uuid;
import org.apache.kafka.metadata.storage.Formatter;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/**
 * Each round runs ours and theirs in turn (A B, B A, ...) and gives a ratio; the result is the median of the ratios
 * with their range.
 *
 * <p>{@code start}: the whole command {@code ./jbang cluster up --fresh}, storage format and the script's own JVM
 * included, against three {@code java -cp ... kafka.Kafka} on storage that was formatted before the clock started:
 * until three brokers are registered and unfenced.
 *
 * <p>{@code command}: the whole command {@code ./jbang find-controller} against {@code java -cp ...
 * MetadataQuorumCommand describe --status}.
 *
 * <p>{@code perf}: the JVM of {@code perf} against that of Apache's ProducerPerformance with the heap and GC options of
 * its script and the same kafka-clients, both with the original lab's 1,000,000 records of 1000 bytes: records/s as
 * each prints it, CPU seconds of the client and its peak resident memory (VmHWM, Linux only).
 *
 * <p>{@code ledger}: the JVM of {@code resilient-producer} with and without --ledger, at --rate: records/s over the
 * time that it prints, and CPU of the process.
 *
 * <p>{@code check}: the JVM of {@code check-delivery} against that of Apache's ConsumerPerformance, on one topic that
 * resilient-producer has filled: whole processes, from start to exit, both {@code java <the same options> -cp ...} with
 * the same kafka-clients; A reads the ledger as well.
 *
 * <p>{@code soak}: no comparison. Repeats {@code ./jbang test --soak}: kills at many moments, each scenario, the
 * notebook on containers. Exit 1 if any round failed.
 *
 * <pre>./jbang bench/Bench.java start --rounds 7</pre>
 */
@Command(
        name = "bench",
        mixinStandardHelpOptions = true,
        description = "Ratios of kraft-lab to what people use today; below 1 is better.")
class Bench implements Callable<Integer> {
    @Parameters(paramLabel = "start|command|perf|ledger|check|soak", description = "What to compare, or soak.")
    String what;

    @Option(names = "--rounds", defaultValue = "7", description = "Pairs of runs (default: ${DEFAULT-VALUE}).")
    int rounds;

    @Option(
            names = "--records",
            defaultValue = "1000000",
            description = "Records per run of perf, ledger and check (default: ${DEFAULT-VALUE}).")
    int records;

    @Option(
            names = "--rate",
            defaultValue = "20000",
            description = "Records per second of ledger (default: ${DEFAULT-VALUE}).")
    int rate;

    @Option(
            names = "--java-options",
            defaultValue = "",
            description = "JVM options of both JVMs of check, such as those in the catalog for check-delivery.")
    String javaOptions;

    private final Commands commands = new Commands();

    interface Run {
        Commands.Cost run() throws Exception;
    }

    public static void main(String... args) {
        System.setProperty("org.slf4j.simpleLogger.defaultLogLevel", "off");
        System.exit(new CommandLine(new Bench()).execute(args));
    }

    @Override
    public Integer call() throws Exception {
        try {
            switch (what) {
                case "start" -> compareStart();
                case "command" -> compareCommand();
                case "perf" -> loads("perf").comparePerf();
                case "ledger" -> loads("resilient-producer").compareLedger(rate);
                case "check" -> loads("resilient-producer", "check-delivery").compareCheck();
                case "soak" -> {
                    return soak();
                }
                default -> {
                    System.err.println("start, command, perf, ledger, check or soak?");
                    return 2;
                }
            }
        } finally {
            endOurs();
            Commands.delete(commands.home);
        }
        return 0;
    }

    /** Builds the scripts and starts the cluster that they load. */
    private Loads loads(String... scripts) throws Exception {
        for (String script : scripts) commands.jbang(script, "--version");
        startOurs();
        return new Loads(commands, rounds, records, javaOptions);
    }

    private void compareStart() throws Exception {
        createArchive();
        compare("cluster up --fresh", this::startOurs, "three plain JVMs", this::startPlain);
    }

    private void compareCommand() throws Exception {
        String theirs = Commands.java() + " -cp " + commands.apacheTools()
                + " org.apache.kafka.tools.MetadataQuorumCommand --bootstrap-server " + Cluster.bootstrap()
                + " describe --status";
        startOurs();
        compare(
                "./jbang find-controller",
                () -> commands.time(commands.jbang() + " find-controller"),
                "java MetadataQuorumCommand",
                () -> commands.time(theirs));
    }

    private int soak() throws Exception {
        int failed = 0;
        for (int round = 1; round <= rounds; round++) {
            System.out.printf("Round %d of %d%n", round, rounds);
            if (new ProcessBuilder(commands.jbang().toString(), "test", "--soak")
                            .inheritIO()
                            .start()
                            .waitFor()
                    != 0) failed++;
        }
        System.out.printf("%d of %d rounds failed%n", failed, rounds);
        return failed == 0 ? 0 : 1;
    }

    private void compare(String a, Run ours, String b, Run theirs) throws Exception {
        ours.run(); // what is created only once, such as the cached command, is not compared
        theirs.run();
        List<Double> walls = new ArrayList<>(), cpus = new ArrayList<>();
        System.out.printf(
                "A: %s%nB: %s%n%5s %9s %9s %9s %9s %7s %7s%n",
                a, b, "round", "A wall s", "B wall s", "A CPU s", "B CPU s", "wall", "CPU");
        for (int i = 1; i <= rounds; i++) {
            Commands.Cost x, y;
            if (i % 2 == 1) {
                x = ours.run();
                y = theirs.run();
            } else {
                y = theirs.run();
                x = ours.run();
            }
            walls.add(x.wall() / y.wall());
            cpus.add(x.cpu() / y.cpu());
            System.out.printf(
                    Locale.ROOT,
                    "%5d %9.2f %9.2f %9.2f %9.2f %7.2f %7.2f%n",
                    i,
                    x.wall(),
                    y.wall(),
                    x.cpu(),
                    y.cpu(),
                    x.wall() / y.wall(),
                    x.cpu() / y.cpu());
        }
        System.out.printf(
                "Ratio A/B, median (range): wall %s, CPU %s%n", Commands.spread(walls), Commands.spread(cpus));
    }

    // ---- Starting three brokers ----

    private Commands.Cost startOurs() throws Exception {
        endOurs();
        Commands.Cost up = commands.time(commands.jbang() + " cluster up --fresh");
        return new Commands.Cost(up.wall(), up.cpu() + Commands.cpu(ours().toList()));
    }

    /** Lets the background create the CDS archive, as after the first run on a machine. */
    private void createArchive() throws Exception {
        startOurs();
        commands.time(commands.jbang() + " cluster down");
        Path cache = commands.home.resolve("cache");
        for (int i = 0; i < 600 && Stream.of(cache.toFile().list()).noneMatch(f -> f.endsWith(".jsa")); i++) {
            Thread.sleep(100);
        }
    }

    private Stream<ProcessHandle> ours() {
        String mark = "-Dkraft-lab.node=" + commands.home;
        return ProcessHandle.allProcesses()
                .filter(p ->
                        p.info().commandLine().map(line -> line.contains(mark)).orElse(false));
    }

    private void endOurs() throws Exception {
        for (ProcessHandle p : ours().toList()) {
            p.destroyForcibly();
            p.onExit().get(20, TimeUnit.SECONDS);
        }
    }

    /** Formats storage for three plain nodes. */
    private void format(Path folder) throws Exception {
        Commands.delete(folder);
        String cluster = Uuid.randomUuid().toString();
        for (int id : Cluster.IDS) {
            Path node = Files.createDirectories(folder.resolve("" + id)),
                    data = Files.createDirectories(node.resolve("data"));
            new Formatter()
                    .setPrintStream(new PrintStream(OutputStream.nullOutputStream()))
                    .setClusterId(cluster)
                    .setNodeId(id)
                    .setControllerListenerName("CONTROLLER")
                    .setMetadataLogDirectory(data.toString())
                    .addDirectory(data.toString())
                    .run();
            // The settings of our nodes, except those that make the start faster.
            Files.writeString(
                    node.resolve("server.properties"),
                    Files.readString(commands.home.resolve("cluster/" + Cluster.name(id) + "/server.properties"))
                            .replaceAll("(?m)^log.dirs=.*", "log.dirs=" + data)
                            .replaceAll("(?s)# For a small machine.*", ""));
        }
    }

    private Commands.Cost startPlain() throws Exception {
        endOurs();
        Path folder = commands.home.resolve("plain");
        format(folder);
        List<Process> nodes = new ArrayList<>();
        try {
            long began = System.nanoTime();
            for (int id : Cluster.IDS)
                nodes.add(new ProcessBuilder(
                                Commands.java(),
                                "-cp",
                                System.getProperty("java.class.path"),
                                "kafka.Kafka",
                                folder.resolve(id + "/server.properties").toString())
                        .redirectErrorStream(true)
                        .redirectOutput(folder.resolve(id + "/log").toFile())
                        .start());
            while (!Cluster.IDS.stream().allMatch(id -> Cli.connects("127.0.0.1", Cluster.port(id), 200)))
                Thread.sleep(20);
            try (Admin admin = Admin.create(Map.of("bootstrap.servers", (Object) Cluster.bootstrap()))) {
                while (admin.describeCluster().nodes().get().size() < 3) Thread.sleep(50);
            }
            return new Commands.Cost(
                    (System.nanoTime() - began) / 1e9,
                    Commands.cpu(nodes.stream().map(Process::toHandle).toList()));
        } finally {
            for (Process p : nodes) p.destroyForcibly().waitFor();
        }
    }
}
