///usr/bin/env jbang "$0" "$@" ; exit $?
//JAVA 17+
//DEPS org.apache.kafka:kafka_2.13:4.4.0
//DEPS org.apache.kafka:kafka-clients:4.4.0
//DEPS info.picocli:picocli:4.7.7
//DEPS com.fasterxml.jackson.jr:jackson-jr-objects:2.21.7
//DEPS org.slf4j:slf4j-simple:1.7.36
//SOURCES lib/cli/Cli.java lib/cluster/OwnFiles.java lib/cluster/LocalProcess.java lib/cluster/LocalNode.java
//SOURCES lib/cluster/ClassArchive.java lib/cluster/NodeSettings.java lib/cluster/NodeStart.java
//JAVAC_OPTIONS -J-XX:TieredStopAtLevel=1 -J-XX:+UseSerialGC
//DESCRIPTION Starts, stops and inspects three real nodes on this machine, without Docker

import java.io.*;
import java.nio.channels.*;
import java.nio.file.*;
import java.time.Duration;
import java.time.temporal.ChronoUnit;
import java.util.*;
import java.util.concurrent.Callable;
import picocli.CommandLine.*;

/**
 * The embedded cluster: three JVMs of the stock broker as combined broker and controller nodes (kafka01 to kafka03, ids
 * 1 to 3, client ports 29192, 29292, 29392), a static quorum of three voters, on loopback only.
 *
 * <p>A node's folder holds {@code server.properties}, {@code data/}, {@code server.log} and {@code node.json}, the
 * contract with kill-node. {@code .kraft-lab} marks the folder as ours; without it nothing there is touched.
 *
 * <p>Nodes start fast because of a CDS archive of the broker's classes, C1 and the serial collector (figures in
 * bench/README.md).
 *
 * <pre>cluster up --timeouts fast
 * cluster status
 * cluster down</pre>
 */
@Command(
        name = "cluster",
        version = "kraft-lab 0.1.0",
        sortOptions = false,
        description = "Three real Kafka nodes on this machine, without Docker.")
class Cluster implements Callable<Integer> {
    enum Action {
        up,
        down,
        status,
        logs
    }

    enum Timeouts {
        DEFAULT,
        FAST
    }

    static final List<Integer> IDS = List.of(1, 2, 3);
    static final String KAFKA = "4.4.0";

    @Parameters(index = "0", paramLabel = "up|down|status|logs", description = "What to do.")
    Action action;

    @Parameters(index = "1", arity = "0..1", paramLabel = "NODE", description = "Whose log: 1 or kafka01 (logs only).")
    String node;

    @Option(
            names = "--timeouts",
            paramLabel = "default|fast",
            defaultValue = "DEFAULT",
            description = "Kafka's default timeouts, or fast ones, with outages a third as long (default: default).")
    Timeouts timeouts;

    @Option(names = "--fresh", description = "up: stop running nodes and delete their data first.")
    boolean fresh;

    @Option(
            names = "--heap",
            paramLabel = "SIZE",
            defaultValue = "512m",
            description = "Heap of each node (default: ${DEFAULT-VALUE}).")
    String heap;

    @Option(
            names = "--data-dir",
            paramLabel = "DIR",
            description = "Data directory of the nodes (default: cluster/ in $$KRAFT_LAB_HOME, else in ~/.kraft-lab).",
            defaultValue = "${KRAFT_LAB_HOME:-${sys:user.home}/.kraft-lab}/cluster")
    Path dataDir;

    @Option(
            names = {"-n", "--lines"},
            defaultValue = "50",
            description = "logs: number of lines (default: ${DEFAULT-VALUE}).")
    int lines;

    @Option(
            names = {"-f", "--follow"},
            description = "logs: follow the log until Ctrl-C.")
    boolean follow;

    @Mixin
    Cli.Common common = new Cli.Common();

    private List<LocalNode> nodes = List.of();

    /** Says what was found: nothing had to be started, some node ran before, all storage was created by this call. */
    public record Up(boolean alreadyUp, boolean ranBefore, boolean newData, Duration took) {}

    public static void main(String... args) {
        System.exit(run(new PrintWriter(System.out, true), new PrintWriter(System.err, true), args));
    }

    /** Runs the script without a process. @return the exit code */
    public static int run(PrintWriter out, PrintWriter err, String... args) {
        Cluster script = new Cluster();
        return script.common.run(script, out, err, args);
    }

    @Override
    public Integer call() throws Exception {
        switch (action) {
            case up -> print(describe(up()));
            case down -> print(describeEnd(downAlone()));
            case status -> {
                return status();
            }
            case logs -> logs();
        }
        return 0;
    }

    private void print(String line) {
        if (!common.json) {
            common.out.println(line);
        }
    }

    private static String describe(Up up) {
        if (up.alreadyUp) {
            return "Already up: " + bootstrap();
        }
        return String.format(Locale.ROOT, "Up in %.1f s: %s", up.took.toMillis() / 1e3, bootstrap());
    }

    private String describeEnd(int ended) {
        return ended == 0 ? "Nothing was running." : "Down: " + ended + " nodes ended, data kept in " + dataDir;
    }

    static String bootstrap() {
        return String.join(",", IDS.stream().map(id -> "localhost:" + port(id)).toList());
    }

    static String name(int id) {
        return "kafka0" + id;
    }

    static int port(int id) {
        return 29092 + 100 * id;
    }

    static int controllerPort(int id) {
        return port(id) + 1;
    }

    /** Returns who listens on a port, and what to do about it; it ends a sentence. */
    static String listener(int port) {
        return LocalProcess.portOwner(port, LocalNode.MARK);
    }

    private void settleDataDir() {
        if (dataDir.toString().isEmpty() || "".equals(System.getenv("KRAFT_LAB_HOME"))) {
            throw new Cli.Exit(2, "--data-dir or KRAFT_LAB_HOME is empty.");
        }
        dataDir = dataDir.toAbsolutePath().normalize();
        nodes = IDS.stream().map(this::node).toList();
    }

    LocalNode node(int id) {
        return new LocalNode(id, name(id), port(id), controllerPort(id), dataDir.resolve(name(id)));
    }

    private boolean isGiven(String option) {
        ParseResult parsed = common.spec.commandLine().getParseResult();
        return parsed != null && parsed.hasMatchedOption(option);
    }

    private String timeoutsName() {
        return timeouts.name().toLowerCase(Locale.ROOT);
    }

    // ---- up ----

    /**
     * Starts the nodes that do not run, and returns when three brokers are registered and unfenced. If that fails, the
     * nodes that it started end again.
     */
    public Up up() throws Exception {
        long began = System.nanoTime();
        settleDataDir();
        makeDataDir();
        requireOurs();
        try (FileChannel channel = openLock();
                FileLock lock = lock(channel)) {
            if (fresh) {
                clear();
            }
            boolean newData = nodes.stream().noneMatch(LocalNode::isFormatted);
            Map<LocalNode, ProcessHandle> running = resume();
            List<LocalNode> missing =
                    nodes.stream().filter(n -> !running.containsKey(n)).toList();
            requireStartable(missing);
            new NodeStart(settings(), archive(), common).run(missing, limit());
            common.emit("node", "node", IDS, "state", "up");
            Duration took = Duration.ofNanos(System.nanoTime() - began);
            return new Up(missing.isEmpty(), !running.isEmpty(), newData, took);
        } catch (ClosedByInterruptException e) { // Ctrl-C while a file was being written
            throw new InterruptedException();
        } catch (FileSystemException e) {
            throw new Cli.Exit(
                    1,
                    "Cannot write " + e.getFile() + ": " + OwnFiles.reason(e)
                            + "; correct that, or name another folder with --data-dir.");
        }
    }

    private void makeDataDir() {
        try {
            OwnFiles.makeFolders(dataDir);
        } catch (IOException e) {
            String reason = OwnFiles.reason(e);
            throw new Cli.Exit(
                    1, "Cannot create the folder " + dataDir + ": " + reason + "; name another with --data-dir.");
        }
    }

    /** Refuses, before anything is touched, folders that are not ours or that others can write to. */
    private void requireOurs() throws IOException {
        if (Files.exists(dataDir)) {
            OwnFiles.requireAlone(dataDir.toRealPath());
            for (LocalNode node : nodes) {
                node.requireOurs();
            }
        }
    }

    private FileChannel openLock() throws IOException {
        return FileChannel.open(
                dataDir.resolve("lock"),
                StandardOpenOption.CREATE,
                StandardOpenOption.WRITE,
                LinkOption.NOFOLLOW_LINKS);
    }

    /** Waits until no other command starts or signals nodes of this folder: kill-node holds the same lock. */
    private FileLock lock(FileChannel channel) throws Exception {
        FileLock lock = OwnFiles.tryLock(channel);
        if (lock == null) {
            common.say("Waiting for another command that is at work in %s (Ctrl-C: give up) ...", dataDir);
        }
        while (lock == null) {
            Thread.sleep(50);
            lock = OwnFiles.tryLock(channel);
        }
        return lock;
    }

    private void clear() throws Exception {
        endNodes(true);
        for (LocalNode node : nodes) {
            node.requireFreePorts();
        }
        deleteData();
    }

    /** Returns the nodes that run, each looked at once, since one may be dying just now; a paused one goes on. */
    private Map<LocalNode, ProcessHandle> resume() throws Exception {
        Map<LocalNode, ProcessHandle> running = new LinkedHashMap<>();
        for (LocalNode node : nodes) {
            node.process().ifPresent(process -> running.put(node, process));
        }
        for (var each : running.entrySet()) {
            requireSameTimeouts(each.getKey());
            LocalProcess.signal(each.getValue(), "CONT");
        }
        return running;
    }

    private void requireSameTimeouts(LocalNode node) {
        Object running = node.read().get("timeouts");
        if (running != null && !running.equals(timeoutsName()) && isGiven("--timeouts")) {
            throw new Cli.Exit(
                    Cli.REFUSED,
                    "The cluster is up with --timeouts " + Cli.printable(running)
                            + "; run 'cluster down' before you choose others.");
        }
    }

    private void requireStartable(List<LocalNode> missing) throws IOException {
        for (LocalNode node : missing) {
            node.requireFreePorts();
            node.requireUnusedData();
        }
    }

    ClassArchive archive() throws IOException {
        String home = System.getenv("KRAFT_LAB_HOME");
        Path lab = home == null
                ? Path.of(System.getProperty("user.home"), ".kraft-lab")
                : Path.of(home).toAbsolutePath();
        return new ClassArchive(lab.resolve("cache"), dataDir.resolve("cache"), KAFKA);
    }

    String serverProperties(int id) {
        settleDataDir();
        return settings().properties(nodes.get(id - 1));
    }

    private NodeSettings settings() {
        return new NodeSettings(nodes, timeoutsName(), heap);
    }

    private Duration limit() {
        return isGiven("--timeout") ? common.timeout : Duration.ofMinutes(2);
    }

    // ---- down ----

    /** Ends every node of this folder, by SIGKILL at once or after a grace. Returns how many were running. */
    public int down(boolean atOnce) throws Exception {
        settleDataDir();
        requireOurs();
        int ended = endNodes(atOnce);
        if (ended > 0 && !Thread.currentThread().isInterrupted()) {
            createArchive();
        }
        return ended;
    }

    private int endNodes(boolean atOnce) throws Exception {
        Set<ProcessHandle> running = LocalNode.processes(nodes);
        if (atOnce) {
            running.forEach(ProcessHandle::destroyForcibly);
        } else {
            LocalProcess.terminate(running);
        }
        boolean interrupted = LocalProcess.awaitEnd(running);
        for (LocalNode node : nodes) {
            node.forget();
        }
        if (!running.isEmpty()) {
            common.emit("node", "node", IDS, "state", "down");
        }
        if (interrupted) {
            Thread.currentThread().interrupt();
        }
        return running.size();
    }

    /** If it fails, that costs later starts their speed, and nothing else. */
    private void createArchive() {
        try {
            if (archive().createInBackground(nodes.get(0))) {
                common.say("A CDS archive, with which nodes start faster, is being created in the background.");
            }
        } catch (IOException e) {
            common.say(
                    "No CDS archive could be created (%s): nodes start without it, only slower.", OwnFiles.reason(e));
        }
    }

    /** Does the same while no other command starts a node, which would be left running. */
    private int downAlone() throws Exception {
        settleDataDir();
        if (!Files.isDirectory(dataDir)) {
            return down(false);
        }
        requireOurs();
        FileChannel channel;
        try {
            channel = openLock();
        } catch (FileSystemException e) {
            return down(false); // where it cannot be made, nobody else holds it
        }
        try (channel;
                FileLock lock = lock(channel)) {
            return down(false);
        }
    }

    /** Deletes the nodes' folders, data included. */
    public void deleteData() throws IOException {
        settleDataDir();
        requireOurs();
        for (LocalNode node : nodes) {
            OwnFiles.delete(node.folder);
        }
    }

    // ---- status, logs ----

    private int status() throws Exception {
        settleDataDir();
        printRow("NODE", "ID", "PID", "STATE", "PORT", "SINCE");
        int up = 0;
        for (LocalNode node : nodes) {
            Optional<ProcessHandle> process = node.process();
            String state = process.isEmpty() ? "down" : stateOf(node);
            if (state.equals("up")) {
                up++;
            }
            report(node, process, state);
        }
        if (up == 0) {
            nameOtherCluster();
        }
        return up == IDS.size() ? 0 : Cli.UNREACHABLE;
    }

    private static String stateOf(LocalNode running) {
        if (!Cli.Common.connects("127.0.0.1", running.port, 500)) {
            return "starting";
        }
        return Cli.Common.answers("127.0.0.1", running.port, 1500) ? "up" : "paused";
    }

    private void report(LocalNode node, Optional<ProcessHandle> process, String state) {
        Long pid = process.map(ProcessHandle::pid).orElse(null);
        String fault = node.fault().map(f -> String.valueOf(f.get("mode"))).orElse(null);
        common.emit(
                "node", "node", node.id, "name", node.name, "state", state, "pid", pid, "port", node.port, "fault",
                fault);
        String since = process.flatMap(p -> p.info().startInstant())
                .map(start -> start.truncatedTo(ChronoUnit.SECONDS).toString())
                .orElse("-");
        String shownFault = fault == null ? "" : "  (fault: " + Cli.printable(fault) + ")";
        printRow(node.name, node.id, Objects.toString(pid, "-"), state, node.port, since + shownFault);
    }

    private void printRow(Object... cells) {
        print(String.format(Locale.ROOT, "%-8s %-3s %-8s %-9s %-7s %s", cells));
    }

    /** Clients would be answered by another cluster while the status says that all nodes are down. */
    private void nameOtherCluster() {
        for (LocalNode node : nodes) {
            if (node.process().isEmpty() && Cli.Common.connects("127.0.0.1", node.port, 500)) {
                common.say(
                        "The nodes in %s are not up, but port %d is in use by %s.",
                        dataDir, node.port, listener(node.port));
                return;
            }
        }
    }

    private void logs() throws Exception {
        settleDataDir();
        LocalNode of = nodes.stream()
                .filter(n -> ("" + n.id).equals(node) || n.name.equals(node))
                .findFirst()
                .orElseThrow(() -> new Cli.Exit(2, "Name the node whose log you want: cluster logs kafka01 (or 1)."));
        if (!Files.exists(of.log)) {
            throw new Cli.Exit(
                    1, "There is no log of " + of.name + " in " + dataDir + ": it has never been started there.");
        }
        try (BufferedReader reader = new BufferedReader(new FileReader(of.log.toFile()))) {
            ArrayDeque<String> tail = new ArrayDeque<>();
            for (String line; (line = reader.readLine()) != null; tail.add(line)) {
                if (tail.size() >= lines) {
                    tail.poll();
                }
            }
            tail.forEach(this::printLogLine);
            if (follow) {
                follow(reader);
            }
        }
    }

    private void follow(BufferedReader log) throws Exception {
        while (!common.out.checkError()) {
            String line = log.readLine();
            if (line == null) {
                Thread.sleep(200);
            } else {
                printLogLine(line);
            }
        }
    }

    /** Clients name themselves, and topics, in a broker's log. */
    private void printLogLine(String line) {
        common.out.println(Cli.printable(line.replace("\t", "    ")));
    }
}
