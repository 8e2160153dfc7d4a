///usr/bin/env jbang "$0" "$@" ; exit $?
//JAVA 17+
//SOURCES ../scripts/Cluster.java
//DESCRIPTION Side by side with what people use today: starting three brokers, asking for the controller, loading a topic

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
 * <p>{@code perf}: the JVM of {@code perf} against that of Apache's ProducerPerformance with the heap and GC options of its script and the same kafka-clients, both with
 * the original lab's 1,000,000 records of 1000 bytes: records/s as each prints it, CPU seconds of the client and its peak of resident memory (VmHWM, of Linux).
 *
 * <p>{@code ledger}: the JVM of {@code resilient-producer} with and without --ledger, at --rate: records/s over the time that it says it took, and CPU of the process.
 *
 * <p>{@code check}: the JVM of {@code check-delivery} against that of Apache's ConsumerPerformance, on one topic that resilient-producer has filled: whole processes, from start
 * to exit, both {@code java <the same options> -cp ...} with the same kafka-clients; A reads the ledger as well.
 *
 * <p>{@code soak}: no comparison. So many times what {@code ./jbang test --soak} has: kills at many moments, each scenario, the
 * notebook on containers. Exit 1 if anything of it failed.
 *
 * <pre>./jbang bench/Bench.java start --rounds 7</pre>
 */
@Command(
        name = "bench",
        mixinStandardHelpOptions = true,
        description = "Ratios of kraft-lab to what people use today; below 1 is better.")
class Bench implements Callable<Integer> {
    @Parameters(paramLabel = "start|command|perf|ledger|check|soak", description = "What to compare; or soak.")
    String what;

    @Option(names = "--rounds", defaultValue = "7", description = "Pairs of runs (default: ${DEFAULT-VALUE}).")
    int rounds;

    @Option(
            names = "--records",
            defaultValue = "1000000",
            description = "Of perf, ledger and check: records a run (default: ${DEFAULT-VALUE}).")
    int records;

    @Option(
            names = "--rate",
            defaultValue = "20000",
            description = "Of ledger: records a second (default: ${DEFAULT-VALUE}).")
    int rate;

    @Option(
            names = "--java-options",
            defaultValue = "",
            description = "Of check: for both JVMs, such as those that the catalog has for check-delivery.")
    String javaOptions;

    private final Path home = tempFolder(), repository = repository();

    /** Wall and CPU seconds; the CPU of everything that was started, up to the moment when the clock stopped. */
    record Cost(double wall, double cpu) {}

    interface Run {
        Cost run() throws Exception;
    }

    public static void main(String... args) {
        System.setProperty("org.slf4j.simpleLogger.defaultLogLevel", "off");
        System.exit(new CommandLine(new Bench()).execute(args));
    }

    @Override
    public Integer call() throws Exception {
        try {
            switch (what) {
                case "start" -> {
                    createArchive();
                    compare("cluster up --fresh", this::startOurs, "three plain JVMs", this::startPlain);
                }
                case "command" -> {
                    String tools = output(
                            repository.resolve("jbang").toString(),
                            repository.resolve("bench/ApacheTools.java").toString());
                    startOurs();
                    compare(
                            "./jbang find-controller",
                            () -> command(repository.resolve("jbang") + " find-controller"),
                            "java MetadataQuorumCommand",
                            () -> command(java() + " -cp " + tools
                                    + " org.apache.kafka.tools.MetadataQuorumCommand --bootstrap-server "
                                    + Cluster.bootstrap() + " describe --status"));
                }
                case "perf" -> comparePerf();
                case "ledger" -> compareLedger();
                case "check" -> compareCheck();
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
            delete(home);
        }
        return 0;
    }

    private int soak() throws Exception {
        int failed = 0;
        for (int round = 1; round <= rounds; round++) {
            System.out.printf("Round %d of %d%n", round, rounds);
            if (new ProcessBuilder(repository.resolve("jbang").toString(), "test", "--soak")
                            .inheritIO()
                            .start()
                            .waitFor()
                    != 0) failed++;
        }
        System.out.printf("%d of %d rounds failed%n", failed, rounds);
        return failed == 0 ? 0 : 1;
    }

    private void compare(String a, Run ours, String b, Run theirs) throws Exception {
        ours.run(); // what is made once (the remembered command) is not what is compared
        theirs.run();
        List<Double> walls = new ArrayList<>(), cpus = new ArrayList<>();
        System.out.printf(
                "A: %s%nB: %s%n%5s %9s %9s %9s %9s %7s %7s%n",
                a, b, "round", "A wall s", "B wall s", "A CPU s", "B CPU s", "wall", "CPU");
        for (int i = 1; i <= rounds; i++) {
            Cost x, y;
            if (i % 2 == 1) {
                x = ours.run();
                y = theirs.run();
            } else {
                y = theirs.run();
                x = ours.run();
            }
            walls.add(x.wall / y.wall);
            cpus.add(x.cpu / y.cpu);
            System.out.printf(
                    Locale.ROOT,
                    "%5d %9.2f %9.2f %9.2f %9.2f %7.2f %7.2f%n",
                    i,
                    x.wall,
                    y.wall,
                    x.cpu,
                    y.cpu,
                    x.wall / y.wall,
                    x.cpu / y.cpu);
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

    /** Lets the background create the CDS archive, as after the first run on a machine. */
    private void createArchive() throws Exception {
        startOurs();
        command(repository.resolve("jbang") + " cluster down");
        Path cache = home.resolve("cache");
        for (int i = 0; i < 600 && Stream.of(cache.toFile().list()).noneMatch(f -> f.endsWith(".jsa")); i++) {
            Thread.sleep(100);
        }
    }

    private Stream<ProcessHandle> ours() {
        String mark = "-Dkraft-lab.node=" + home;
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

    private Cost startPlain() throws Exception {
        endOurs();
        Path folder = home.resolve("plain");
        delete(folder);
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
            // The settings of our nodes but for those that are there for the start's sake.
            Files.writeString(
                    node.resolve("server.properties"),
                    Files.readString(home.resolve("cluster/" + Cluster.name(id) + "/server.properties"))
                            .replaceAll("(?m)^log.dirs=.*", "log.dirs=" + data)
                            .replaceAll("(?s)# For a small machine.*", ""));
        }
        List<Process> nodes = new ArrayList<>();
        try {
            long began = System.nanoTime();
            for (int id : Cluster.IDS)
                nodes.add(new ProcessBuilder(
                                java(),
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
            return new Cost(
                    (System.nanoTime() - began) / 1e9,
                    cpu(nodes.stream().map(Process::toHandle).toList()));
        } finally {
            for (Process p : nodes) p.destroyForcibly().waitFor();
        }
    }

    // ---- Loading a topic ----

    /** Of one load: as printed, and of its process. */
    record Loaded(double perSec, double cpuUs, double mb) {}

    private void comparePerf() throws Exception {
        String load = " --topic bench --num-records " + records
                + " --throughput -1 --record-size 1000 --command-property bootstrap.servers=" + Cluster.bootstrap()
                + " batch.size=16384 acks=1 linger.ms=50";
        output(repository.resolve("jbang").toString(), "perf", "--version"); // builds it
        String ours = perfCommand();
        String tools = output(
                repository.resolve("jbang").toString(),
                repository.resolve("bench/ApacheTools.java").toString());
        String theirs = java()
                + " -Xmx512M -server -XX:+UseG1GC -XX:MaxGCPauseMillis=20 -XX:InitiatingHeapOccupancyPercent=35"
                + " -XX:+ExplicitGCInvokesConcurrent -Djava.awt.headless=true -cp "
                + clients() + ":" + tools + " org.apache.kafka.tools.ProducerPerformance";
        startOurs();
        try (Admin admin = Admin.create(Map.of("bootstrap.servers", (Object) Cluster.bootstrap()))) {
            interleave("perf", () -> load(admin, ours + load), "ProducerPerformance", () -> load(admin, theirs + load));
        }
    }

    /** The java command of {@code ./jbang perf}, as JBang itself finds it, with the catalog's options. */
    private String perfCommand() throws Exception {
        Map<?, ?> alias = (Map<?, ?>) ((Map<?, ?>) com.fasterxml
                        .jackson
                        .jr
                        .ob
                        .JSON
                        .std
                        .mapFrom(Files.readString(repository.resolve("jbang-catalog.json")))
                        .get("aliases"))
                .get("perf");
        String options = alias.get("runtime-options") instanceof List<?> l
                ? String.join(" ", l.stream().map(String::valueOf).toList())
                : "";
        String path = output(
                repository.resolve("jbang").toString(),
                "info",
                "classpath",
                repository.resolve("scripts/PerfTest.java").toString());
        return java() + " " + options + " -cp " + path + " PerfTest";
    }

    /** The jar of kafka-clients, to be put before the one of Apache's tools. */
    private static String clients() {
        return Stream.of(System.getProperty("java.class.path").split(File.pathSeparator))
                .filter(f -> f.matches(".*kafka-clients-[0-9.]+\\.jar"))
                .findFirst()
                .orElseThrow();
    }

    private static boolean inSync(Admin admin) throws InterruptedException {
        try {
            return admin.describeTopics(List.of("bench")).allTopicNames().get().get("bench").partitions().stream()
                    .allMatch(p -> p.isr().size() == 3);
        } catch (ExecutionException notEverywhereYet) {
            return false;
        }
    }

    /** One load of a fresh topic; the process is watched until it ends. */
    private Loaded load(Admin admin, String command) throws Exception {
        freshTopic(admin);
        Loaded process = watch(command);
        String summary = Files.readAllLines(home.resolve("out")).stream()
                .filter(l -> l.startsWith(records + " records sent, "))
                .reduce((first, last) -> last)
                .orElseThrow();
        return new Loaded(
                Double.parseDouble(summary.replaceAll(".* sent, ([0-9.]+) records/sec.*", "$1")),
                process.cpuUs,
                process.mb);
    }

    private static void freshTopic(Admin admin) throws Exception {
        if (admin.listTopics().names().get().contains("bench"))
            admin.deleteTopics(List.of("bench")).all().get();
        while (admin.listTopics().names().get().contains("bench")) Thread.sleep(50);
        admin.createTopics(List.of(new NewTopic("bench", 8, (short) 3))).all().get();
        while (!inSync(admin)) Thread.sleep(50);
    }

    /** Runs a command to its end: records/s of the whole process, its CPU a record, its peak of memory. Its output is in the files out and err. */
    private Loaded watch(String command) throws Exception {
        long began = System.nanoTime();
        Path err = home.resolve("err"), out = home.resolve("out");
        Process p = new ProcessBuilder(command.split(" +"))
                .redirectOutput(out.toFile())
                .redirectError(err.toFile())
                .start();
        double mb = 0, cpu = 0;
        while (!p.waitFor(20, TimeUnit.MILLISECONDS)) {
            cpu = Math.max(
                    cpu, p.info().totalCpuDuration().orElse(Duration.ZERO).toNanos() / 1e3);
            try (Stream<String> lines = Files.lines(Path.of("/proc/" + p.pid() + "/status"))) {
                mb = Math.max(
                        mb,
                        lines.filter(l -> l.startsWith("VmHWM:"))
                                .mapToDouble(l -> Double.parseDouble(l.replaceAll("\\D", "")) / 1024)
                                .findFirst()
                                .orElse(0));
            } catch (IOException | UncheckedIOException ended) {
                continue;
            }
        }
        if (p.exitValue() != 0)
            throw new IOException(command + " ended with " + p.exitValue() + ": " + Files.readString(err));
        return new Loaded(records / ((System.nanoTime() - began) / 1e9), cpu / records, mb);
    }

    // ---- The ledger and the check ----

    private String plain(String script) throws Exception {
        return java() + " " + javaOptions + " -cp "
                + output(
                        repository.resolve("jbang").toString(),
                        "info",
                        "classpath",
                        repository.resolve("scripts/" + script + ".java").toString())
                + " " + script;
    }

    private void compareLedger() throws Exception {
        output(repository.resolve("jbang").toString(), "resilient-producer", "--version"); // builds it
        String
                produce =
                        plain("ResilientProducer") + " --topic bench --rate " + rate + " --count " + records + " -b "
                                + Cluster.bootstrap(),
                ledger = " --ledger " + home.resolve("ledger.jsonl");
        startOurs();
        try (Admin admin = Admin.create(Map.of("bootstrap.servers", (Object) Cluster.bootstrap()))) {
            interleave(
                    "resilient-producer --ledger",
                    () -> produced(admin, produce + ledger),
                    "resilient-producer",
                    () -> produced(admin, produce));
        }
    }

    /** Records/s as the producer tells: from its start until the last acknowledgement and its clients' end. */
    private Loaded produced(Admin admin, String command) throws Exception {
        freshTopic(admin);
        Loaded process = watch(command);
        String summary = Files.readAllLines(home.resolve("err")).stream()
                .filter(l -> l.matches("Sent " + records + " messages in .* s: " + records + " acknowledged, .*"))
                .findFirst()
                .orElseThrow(() -> new IllegalStateException("not all were acknowledged"));
        return new Loaded(
                records / Double.parseDouble(summary.replaceAll("Sent \\d+ messages in ([0-9.]+) s.*", "$1")),
                process.cpuUs,
                process.mb);
    }

    private void compareCheck() throws Exception {
        String
                tools =
                        output(
                                repository.resolve("jbang").toString(),
                                repository.resolve("bench/ApacheTools.java").toString()),
                ledger = home.resolve("ledger.jsonl").toString();
        for (String script : List.of("resilient-producer", "check-delivery"))
            output(repository.resolve("jbang").toString(), script, "--version"); // builds it
        startOurs();
        try (Admin admin = Admin.create(Map.of("bootstrap.servers", (Object) Cluster.bootstrap()))) {
            produced(
                    admin,
                    plain("ResilientProducer") + " --topic bench --producers 2 --rate 50000 --count " + records
                            + " --ledger " + ledger + " -b " + Cluster.bootstrap());
        }
        String ours = plain("CheckDelivery") + " " + ledger + " -b " + Cluster.bootstrap();
        String theirs = java() + " " + javaOptions + " -cp " + clients() + ":" + tools
                + " org.apache.kafka.tools.ConsumerPerformance --topic bench --num-records " + records
                + " --bootstrap-server " + Cluster.bootstrap();
        interleave("check-delivery", () -> watch(ours), "ConsumerPerformance", () -> {
            Loaded b = watch(theirs);
            String[] line = Files.readAllLines(home.resolve("out")).stream()
                    .filter(l -> l.matches("\\d{4}-.*"))
                    .findFirst()
                    .orElseThrow()
                    .split(", *");
            if (Integer.parseInt(line[4]) < records) throw new IOException("it read only " + line[4]);
            return b;
        });
        System.out.println(Files.readString(home.resolve("out")));
    }

    private void interleave(String a, Callable<Loaded> ours, String b, Callable<Loaded> theirs) throws Exception {
        List<List<Double>> ratios = List.of(new ArrayList<>(), new ArrayList<>(), new ArrayList<>());
        System.out.printf(
                "A: %s%nB: %s%n%5s %12s %12s %9s %9s %7s %7s %9s %5s %6s%n",
                a,
                b,
                "round",
                "A records/s",
                "B records/s",
                "A us/rec",
                "B us/rec",
                "A MB",
                "B MB",
                "records/s",
                "CPU",
                "memory");
        for (int i = 0; i <= rounds; i++) { // round 0 warms the brokers
            Loaded x, y;
            if (i % 2 == 1) {
                x = ours.call();
                y = theirs.call();
            } else {
                y = theirs.call();
                x = ours.call();
            }
            if (i == 0) continue;
            double[] r = {x.perSec / y.perSec, x.cpuUs / y.cpuUs, x.mb / y.mb};
            for (int k = 0; k < 3; k++) ratios.get(k).add(r[k]);
            System.out.printf(
                    Locale.ROOT,
                    "%5d %12.0f %12.0f %9.2f %9.2f %7.0f %7.0f %9.3f %5.2f %6.2f%n",
                    i,
                    x.perSec,
                    y.perSec,
                    x.cpuUs,
                    y.cpuUs,
                    x.mb,
                    y.mb,
                    r[0],
                    r[1],
                    r[2]);
        }
        System.out.printf(
                Locale.ROOT,
                "Ratio A/B, median (range): records/s %s (mean %.3f), client CPU a record %s, peak memory %s%n",
                spread(ratios.get(0)),
                ratios.get(0).stream().mapToDouble(d -> d).average().orElseThrow(),
                spread(ratios.get(1)),
                spread(ratios.get(2)));
    }

    /** CPU seconds so far; the sum over processes. */
    private static double cpu(List<ProcessHandle> processes) {
        return processes.stream()
                .mapToDouble(
                        p -> p.info().totalCpuDuration().orElse(Duration.ZERO).toMillis() / 1e3)
                .sum();
    }

    // ---- Whole commands ----

    /** Runs a shell command, timed by bash, which also knows the CPU of what it waited for. */
    private Cost command(String line) throws Exception {
        ProcessBuilder builder = new ProcessBuilder(
                        "bash", "-c", "TIMEFORMAT='%R %U %S'; time " + line + " > /dev/null 2> " + home.resolve("err"))
                .redirectErrorStream(true);
        builder.environment().put("KRAFT_LAB_HOME", home.toString());
        Process process = builder.start();
        String[] times =
                new String(process.getInputStream().readAllBytes()).trim().split("\\s+");
        if (process.waitFor() != 0)
            throw new IOException(
                    line + " ended with " + process.exitValue() + ": " + Files.readString(home.resolve("err")));
        return new Cost(Double.parseDouble(times[0]), Double.parseDouble(times[1]) + Double.parseDouble(times[2]));
    }

    private static String output(String... command) throws Exception {
        Process process = new ProcessBuilder(command)
                .redirectError(ProcessBuilder.Redirect.INHERIT)
                .start();
        String text = new String(process.getInputStream().readAllBytes()).trim();
        if (process.waitFor() != 0)
            throw new IOException(String.join(" ", command) + " ended with " + process.exitValue());
        return text;
    }

    private static String java() {
        return Path.of(System.getProperty("java.home"), "bin", "java").toString();
    }

    private static Path repository() {
        Path folder = Path.of("").toAbsolutePath();
        while (folder != null && !Files.exists(folder.resolve("jbang-catalog.json"))) folder = folder.getParent();
        if (folder == null) throw new IllegalStateException("Run it inside the repository.");
        return folder;
    }

    private static Path tempFolder() {
        try {
            return Files.createTempDirectory("kraft-lab-bench");
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private static void delete(Path folder) throws IOException {
        if (!Files.exists(folder)) return;
        try (Stream<Path> files = Files.walk(folder)) {
            for (Path file : files.sorted(Comparator.reverseOrder()).toList()) Files.delete(file);
        }
    }
}
