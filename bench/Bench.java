///usr/bin/env jbang "$0" "$@" ; exit $?
//JAVA 17+
//SOURCES ../scripts/Cluster.java
//DESCRIPTION Side by side with what people use today: starting three brokers, asking for the controller

import java.io.*;
import java.nio.file.*;
import java.time.Duration;
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
 * Each round runs ours and theirs, in turns (A B, B A, ...), and gives a ratio; the result is the median of the ratios with their range.
 *
 * <p>{@code start}: the whole command {@code ./jbang cluster up --fresh}, storage format and the script's own JVM included, against three
 * {@code java -cp ... kafka.Kafka} on storage that was formatted before the clock started: until three brokers are registered and unfenced.
 *
 * <p>{@code command}: the whole command {@code ./jbang find-controller} against {@code java -cp ... MetadataQuorumCommand describe --status}.
 *
 * <pre>./jbang bench/Bench.java start --rounds 7</pre>
 */
@Command(name = "bench", mixinStandardHelpOptions = true, description = "Ratios of kraft-lab to what people use today; below 1 is better.")
class Bench implements Callable<Integer> {
    @Parameters(paramLabel = "start|command", description = "What to compare.")
    String what;
    @Option(names = "--rounds", defaultValue = "7", description = "Pairs of runs (default: ${DEFAULT-VALUE}).")
    int rounds;

    private final Path home = tempFolder(), repository = repository();

    /** Wall and CPU seconds; the CPU of everything that was started, up to the moment when the clock stopped. */
    record Cost(double wall, double cpu) { }
    interface Run { Cost run() throws Exception; }

    public static void main(String... args) {
        System.setProperty("org.slf4j.simpleLogger.defaultLogLevel", "off");
        System.exit(new CommandLine(new Bench()).execute(args));
    }

    @Override
    public Integer call() throws Exception {
        try {
            switch (what) {
                case "start" -> compare("cluster up --fresh", this::startOurs, "three plain JVMs", this::startPlain);
                case "command" -> {
                    String tools = output(repository.resolve("jbang").toString(), repository.resolve("bench/ApacheTools.java").toString());
                    startOurs();
                    compare("./jbang find-controller", () -> command(repository.resolve("jbang") + " find-controller"), "java MetadataQuorumCommand",
                            () -> command(java() + " -cp " + tools + " org.apache.kafka.tools.MetadataQuorumCommand --bootstrap-server " + Cluster.bootstrap() + " describe --status"));
                }
                default -> { System.err.println("start or command?"); return 2; }
            }
        } finally {
            endOurs();
            delete(home);
        }
        return 0;
    }

    private void compare(String a, Run ours, String b, Run theirs) throws Exception {
        ours.run(); // what is made once (archives, the remembered command) is not what is compared
        theirs.run();
        List<Double> walls = new ArrayList<>(), cpus = new ArrayList<>();
        System.out.printf("A: %s%nB: %s%n%5s %9s %9s %9s %9s %7s %7s%n", a, b, "round", "A wall s", "B wall s", "A CPU s", "B CPU s", "wall", "CPU");
        for (int i = 1; i <= rounds; i++) {
            Cost x, y;
            if (i % 2 == 1) { x = ours.run(); y = theirs.run(); } else { y = theirs.run(); x = ours.run(); }
            walls.add(x.wall / y.wall);
            cpus.add(x.cpu / y.cpu);
            System.out.printf(Locale.ROOT, "%5d %9.2f %9.2f %9.2f %9.2f %7.2f %7.2f%n", i, x.wall, y.wall, x.cpu, y.cpu, x.wall / y.wall, x.cpu / y.cpu);
        }
        System.out.printf("Ratio A/B, median (range): wall %s, CPU %s%n", spread(walls), spread(cpus));
    }

    private static String spread(List<Double> values) {
        List<Double> sorted = values.stream().sorted().toList();
        int n = sorted.size();
        double median = (sorted.get((n - 1) / 2) + sorted.get(n / 2)) / 2;
        return String.format(Locale.ROOT, "%.2f (%.2f to %.2f)", median, sorted.get(0), sorted.get(n - 1));
    }

    // ---- Starting three brokers ----

    private Cost startOurs() throws Exception {
        endOurs();
        Cost command = command(repository.resolve("jbang") + " cluster up --fresh");
        return new Cost(command.wall, command.cpu + cpu(ours().toList()));
    }

    private Stream<ProcessHandle> ours() {
        String mark = "-Dkraft-lab.node=" + home;
        return ProcessHandle.allProcesses().filter(p -> p.info().commandLine().map(line -> line.contains(mark)).orElse(false));
    }

    private void endOurs() throws Exception {
        for (ProcessHandle p : ours().toList()) { p.destroyForcibly(); p.onExit().get(20, TimeUnit.SECONDS); }
    }

    private Cost startPlain() throws Exception {
        endOurs();
        Path folder = home.resolve("plain");
        delete(folder);
        String cluster = Uuid.randomUuid().toString();
        for (int id : Cluster.IDS) {
            Path node = Files.createDirectories(folder.resolve("" + id)), data = Files.createDirectories(node.resolve("data"));
            new Formatter().setPrintStream(new PrintStream(OutputStream.nullOutputStream())).setClusterId(cluster).setNodeId(id)
                    .setControllerListenerName("CONTROLLER").setMetadataLogDirectory(data.toString()).addDirectory(data.toString()).run();
            // The settings of our nodes but for those that are there for the start's sake.
            Files.writeString(node.resolve("server.properties"), Files.readString(home.resolve("cluster/" + Cluster.name(id) + "/server.properties"))
                    .replaceAll("(?m)^log.dirs=.*", "log.dirs=" + data).replaceAll("(?s)# For a small machine.*", ""));
        }
        List<Process> nodes = new ArrayList<>();
        try {
            long began = System.nanoTime();
            for (int id : Cluster.IDS) nodes.add(new ProcessBuilder(java(), "-cp", System.getProperty("java.class.path"), "kafka.Kafka", folder.resolve(id + "/server.properties").toString())
                    .redirectErrorStream(true).redirectOutput(folder.resolve(id + "/log").toFile()).start());
            while (!Cluster.IDS.stream().allMatch(id -> Cluster.Common.connects("127.0.0.1", Cluster.port(id), 200))) Thread.sleep(20);
            try (Admin admin = Admin.create(Map.of("bootstrap.servers", (Object) Cluster.bootstrap()))) {
                while (admin.describeCluster().nodes().get().size() < 3) Thread.sleep(50);
            }
            return new Cost((System.nanoTime() - began) / 1e9, cpu(nodes.stream().map(Process::toHandle).toList()));
        } finally {
            for (Process p : nodes) p.destroyForcibly().waitFor();
        }
    }

    /** CPU seconds so far; the sum over processes. */
    private static double cpu(List<ProcessHandle> processes) {
        return processes.stream().mapToDouble(p -> p.info().totalCpuDuration().orElse(Duration.ZERO).toMillis() / 1e3).sum();
    }

    // ---- Whole commands ----

    /** Runs a shell command, timed by bash, which also knows the CPU of what it waited for. */
    private Cost command(String line) throws Exception {
        ProcessBuilder builder = new ProcessBuilder("bash", "-c", "TIMEFORMAT='%R %U %S'; time " + line + " > /dev/null 2> " + home.resolve("err")).redirectErrorStream(true);
        builder.environment().put("KRAFT_LAB_HOME", home.toString());
        Process process = builder.start();
        String[] times = new String(process.getInputStream().readAllBytes()).trim().split("\\s+");
        if (process.waitFor() != 0) throw new IOException(line + " ended with " + process.exitValue() + ": " + Files.readString(home.resolve("err")));
        return new Cost(Double.parseDouble(times[0]), Double.parseDouble(times[1]) + Double.parseDouble(times[2]));
    }

    private static String output(String... command) throws Exception {
        Process process = new ProcessBuilder(command).redirectError(ProcessBuilder.Redirect.INHERIT).start();
        String text = new String(process.getInputStream().readAllBytes()).trim();
        if (process.waitFor() != 0) throw new IOException(String.join(" ", command) + " ended with " + process.exitValue());
        return text;
    }

    private static String java() { return Path.of(System.getProperty("java.home"), "bin", "java").toString(); }

    private static Path repository() {
        Path folder = Path.of("").toAbsolutePath();
        while (folder != null && !Files.exists(folder.resolve("jbang-catalog.json"))) folder = folder.getParent();
        if (folder == null) throw new IllegalStateException("Run it inside the repository.");
        return folder;
    }

    private static Path tempFolder() {
        try { return Files.createTempDirectory("kraft-lab-bench"); } catch (IOException e) { throw new UncheckedIOException(e); }
    }

    private static void delete(Path folder) throws IOException {
        if (!Files.exists(folder)) return;
        try (Stream<Path> files = Files.walk(folder)) { for (Path file : files.sorted(Comparator.reverseOrder()).toList()) Files.delete(file); }
    }
}
