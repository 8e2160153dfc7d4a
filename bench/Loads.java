import com.fasterxml.jackson.jr.ob.JSON;
import java.io.File;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.*;
import java.time.Duration;
import java.util.*;
import java.util.concurrent.*;
import java.util.stream.Stream;
import org.apache.kafka.clients.admin.*;

/** Compares clients under load on a running cluster: perf, the producer's ledger and check-delivery. */
class Loads {
    private final Commands commands;
    private final int rounds, records;
    private final String javaOptions;

    Loads(Commands commands, int rounds, int records, String javaOptions) {
        this.commands = commands;
        this.rounds = rounds;
        this.records = records;
        this.javaOptions = javaOptions;
    }

    /** Records/s as printed; CPU microseconds per record and peak memory of the process. */
    record Loaded(double perSec, double cpuUs, double mb) {}

    void comparePerf() throws Exception {
        String load = " --topic bench --num-records " + records
                + " --throughput -1 --record-size 1000 --command-property bootstrap.servers=" + Cluster.bootstrap()
                + " batch.size=16384 acks=1 linger.ms=50";
        String ours = perfCommand();
        String tools = commands.apacheTools();
        String theirs = Commands.java()
                + " -Xmx512M -server -XX:+UseG1GC -XX:MaxGCPauseMillis=20 -XX:InitiatingHeapOccupancyPercent=35"
                + " -XX:+ExplicitGCInvokesConcurrent -Djava.awt.headless=true -cp "
                + clients() + ":" + tools + " org.apache.kafka.tools.ProducerPerformance";
        try (Admin admin = Admin.create(Map.of("bootstrap.servers", (Object) Cluster.bootstrap()))) {
            interleave("perf", () -> load(admin, ours + load), "ProducerPerformance", () -> load(admin, theirs + load));
        }
    }

    /** Returns the java command of {@code ./jbang perf}: JBang's own class path and the catalog's options. */
    private String perfCommand() throws Exception {
        Map<String, Object> catalog =
                JSON.std.mapFrom(Files.readString(commands.repository.resolve("jbang-catalog.json")));
        Map<?, ?> alias = (Map<?, ?>) ((Map<?, ?>) catalog.get("aliases")).get("perf");
        String options = alias.get("runtime-options") instanceof List<?> l
                ? String.join(" ", l.stream().map(String::valueOf).toList())
                : "";
        return Commands.java() + " " + options + " -cp " + commands.classPath("PerfTest") + " PerfTest";
    }

    /** Returns the jar of kafka-clients, which goes before the one of Apache's tools. */
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

    /** Loads a new topic, and watches the process until it ends. */
    private Loaded load(Admin admin, String command) throws Exception {
        freshTopic(admin);
        Loaded process = watch(command);
        String summary = Files.readAllLines(commands.home.resolve("out")).stream()
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

    /**
     * Runs a command to its end, with its output in the files out and err. Returns the records/s of the whole process,
     * its CPU per record, and its peak memory.
     */
    private Loaded watch(String command) throws Exception {
        long began = System.nanoTime();
        Path err = commands.home.resolve("err"), out = commands.home.resolve("out");
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
        return Commands.java() + " " + javaOptions + " -cp " + commands.classPath(script) + " " + script;
    }

    void compareLedger(int rate) throws Exception {
        String ledger = " --ledger " + commands.home.resolve("ledger.jsonl");
        String produce = plain("ResilientProducer") + " --topic bench --rate " + rate + " --count " + records + " -b "
                + Cluster.bootstrap();
        try (Admin admin = Admin.create(Map.of("bootstrap.servers", (Object) Cluster.bootstrap()))) {
            interleave(
                    "resilient-producer --ledger",
                    () -> produced(admin, produce + ledger),
                    "resilient-producer",
                    () -> produced(admin, produce));
        }
    }

    /**
     * Returns the records/s that the producer prints: from its start until the last acknowledgement, with its clients
     * closed.
     */
    private Loaded produced(Admin admin, String command) throws Exception {
        freshTopic(admin);
        Loaded process = watch(command);
        String summary = Files.readAllLines(commands.home.resolve("err")).stream()
                .filter(l -> l.matches("Sent " + records + " messages in .* s: " + records + " acknowledged, .*"))
                .findFirst()
                .orElseThrow(() -> new IllegalStateException("not all were acknowledged"));
        return new Loaded(
                records / Double.parseDouble(summary.replaceAll("Sent \\d+ messages in ([0-9.]+) s.*", "$1")),
                process.cpuUs,
                process.mb);
    }

    void compareCheck() throws Exception {
        String tools = commands.apacheTools();
        Path ledger = commands.home.resolve("ledger.jsonl");
        try (Admin admin = Admin.create(Map.of("bootstrap.servers", (Object) Cluster.bootstrap()))) {
            produced(
                    admin,
                    plain("ResilientProducer") + " --topic bench --producers 2 --rate 50000 --count " + records
                            + " --ledger " + ledger + " -b " + Cluster.bootstrap());
        }
        String ours = plain("CheckDelivery") + " " + ledger + " -b " + Cluster.bootstrap();
        String theirs = Commands.java() + " " + javaOptions + " -cp " + clients() + ":" + tools
                + " org.apache.kafka.tools.ConsumerPerformance --topic bench --num-records " + records
                + " --bootstrap-server " + Cluster.bootstrap();
        interleave("check-delivery", () -> watch(ours), "ConsumerPerformance", () -> {
            Loaded b = watch(theirs);
            String[] line = Files.readAllLines(commands.home.resolve("out")).stream()
                    .filter(l -> l.matches("\\d{4}-.*"))
                    .findFirst()
                    .orElseThrow()
                    .split(", *");
            if (Integer.parseInt(line[4]) < records) throw new IOException("it read only " + line[4]);
            return b;
        });
        System.out.println(Files.readString(commands.home.resolve("out")));
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
            double[] r = print(i, x, y);
            for (int k = 0; k < 3; k++) ratios.get(k).add(r[k]);
        }
        System.out.printf(
                Locale.ROOT,
                "Ratio A/B, median (range): records/s %s (mean %.3f), client CPU a record %s, peak memory %s%n",
                Commands.spread(ratios.get(0)),
                ratios.get(0).stream().mapToDouble(d -> d).average().orElseThrow(),
                Commands.spread(ratios.get(1)),
                Commands.spread(ratios.get(2)));
    }

    /** Prints a round, and returns its ratios of records/s, CPU and memory. */
    private static double[] print(int round, Loaded x, Loaded y) {
        double[] r = {x.perSec / y.perSec, x.cpuUs / y.cpuUs, x.mb / y.mb};
        System.out.printf(
                Locale.ROOT,
                "%5d %12.0f %12.0f %9.2f %9.2f %7.0f %7.0f %9.3f %5.2f %6.2f%n",
                round,
                x.perSec,
                y.perSec,
                x.cpuUs,
                y.cpuUs,
                x.mb,
                y.mb,
                r[0],
                r[1],
                r[2]);
        return r;
    }
}
