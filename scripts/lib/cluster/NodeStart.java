//SOURCES NodeSettings.java LocalNode.java ClassArchive.java ../cli/Cli.java

import java.io.*;
import java.nio.file.*;
import java.time.Duration;
import java.util.*;
import java.util.stream.Collectors;
import org.apache.kafka.clients.admin.Admin;

/** A start of nodes: returns when the whole cluster serves, or ends those that it started. */
final class NodeStart {
    private static final int NODE_MB = 600;

    private final NodeSettings settings;
    private final List<LocalNode> nodes;
    private final ClassArchive archive;
    private final Cli.Common common;
    private final Map<LocalNode, Process> started = new LinkedHashMap<>();

    NodeStart(NodeSettings settings, ClassArchive archive, Cli.Common common) {
        this.settings = settings;
        this.nodes = settings.nodes();
        this.archive = archive;
        this.common = common;
    }

    /** Starts those that are missing, and waits until all brokers are registered and unfenced. */
    void run(List<LocalNode> missing, Duration limit) throws Exception {
        reportFaults(missing);
        boolean up = false;
        try {
            if (!missing.isEmpty()) {
                warnIfMemoryIsShort(missing.size());
                start(missing);
            }
            awaitUnfenced(limit);
            for (LocalNode node : nodes) {
                node.forgetFault();
            }
            up = true;
        } finally {
            if (!up) {
                started.values().forEach(Process::destroyForcibly);
            }
        }
    }

    /** Names the faults of kill-node, or of a lab that was killed itself. */
    private void reportFaults(List<LocalNode> missing) {
        for (LocalNode node : nodes) {
            node.fault().ifPresent(fault -> {
                String mode = Cli.printable(fault.get("mode"));
                String since = Cli.printable(fault.get("since"));
                String now = missing.contains(node) ? "is started again" : "goes on";
                common.say("%s had a fault (%s since %s): it %s.", node.name, mode, since, now);
            });
        }
    }

    /** No library: the JDK's free memory of the machine leaves out what caches would give back. */
    private void warnIfMemoryIsShort(int count) {
        try {
            for (String line : Files.readAllLines(Path.of("/proc/meminfo"))) {
                if (line.startsWith("MemAvailable:")) {
                    long free = Long.parseLong(line.replaceAll("\\D", "")) / 1024;
                    warnIfMemoryIsShort(free, count * NODE_MB, count);
                }
            }
        } catch (IOException | NumberFormatException notLinux) {
            // There is no such figure here.
        }
    }

    private void warnIfMemoryIsShort(long free, long wanted, int count) {
        if (free < wanted) {
            common.say(
                    "Only %d MB of memory are free, and %d nodes take some %d MB: close other programs if a node dies.",
                    free, count, wanted);
        }
    }

    private void start(List<LocalNode> missing) throws Exception {
        archive.abandon();
        archive.settleClassPath();
        String clusterId = settings.clusterId();
        for (LocalNode node : missing) {
            node.prepare(settings.properties(node));
            if (!node.isFormatted()) {
                settings.format(node, clusterId);
            }
            List<String> jvm = new ArrayList<>(settings.java());
            jvm.addAll(archive.options(node));
            started.put(node, node.start(jvm, settings.timeouts()));
        }
    }

    /**
     * Waits for open client ports: KRaft opens one when the broker is unfenced. Of a broker that ran before, and may
     * have been fenced since, only Admin knows.
     */
    private void awaitUnfenced(Duration limit) throws Exception {
        long deadline = System.nanoTime() + limit.toNanos();
        String bootstrap = nodes.stream().map(node -> "localhost:" + node.port).collect(Collectors.joining(","));
        String within = " within " + limit.toSeconds() + " s";
        while (!nodes.stream().allMatch(node -> Cli.Common.connects("127.0.0.1", node.port, 200))) {
            String why =
                    "Not all of " + bootstrap + " were open" + within + "; 'cluster logs kafka01' (02, 03) shows why.";
            pause(deadline, why);
        }
        common.bootstrapServer = bootstrap;
        if (started.size() == nodes.size()) {
            return;
        }
        try (Admin admin = Admin.create(common.client("default.api.timeout.ms", limit.toMillis()))) {
            while (admin.describeCluster().nodes().get().size() < nodes.size()) {
                pause(deadline, "Not all three brokers were registered and unfenced" + within + ".");
            }
        }
    }

    private void pause(long deadline, String late) throws Exception {
        for (LocalNode node : nodes) {
            requireAlive(node, started.get(node));
        }
        if (System.nanoTime() > deadline) {
            throw new Cli.Exit(Cli.MISSED, late);
        }
        Thread.sleep(20);
    }

    /** @param started null of a node that ran before */
    private static void requireAlive(LocalNode node, Process started) throws IOException {
        if (started == null && node.process().isEmpty()) {
            throw new Cli.Exit(1, node.name + " ran before and has ended now: try again.");
        }
        if (started != null && !started.isAlive()) {
            throw new Cli.Exit(
                    1,
                    node.name + " ended while starting, exit " + started.exitValue() + ": " + node.lastProblem()
                            + " (whole log: " + node.log + ").");
        }
    }
}
