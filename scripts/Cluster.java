///usr/bin/env jbang "$0" "$@" ; exit $?
//JAVA 17+
//DEPS org.apache.kafka:kafka_2.13:4.4.0
//DEPS org.apache.kafka:kafka-clients:4.4.0
//DEPS info.picocli:picocli:4.7.7
//DEPS com.fasterxml.jackson.jr:jackson-jr-objects:2.21.7
//DEPS org.slf4j:slf4j-simple:1.7.36
//SOURCES lib/cli/Cli.java
//JAVAC_OPTIONS -J-XX:TieredStopAtLevel=1 -J-XX:+UseSerialGC
//DESCRIPTION Starts, stops and inspects three real nodes on this machine, without Docker

import com.fasterxml.jackson.jr.ob.JSON;
import java.io.*;
import java.net.*;
import java.nio.channels.*;
import java.nio.file.*;
import java.nio.file.attribute.*;
import java.time.*;
import java.time.temporal.ChronoUnit;
import java.util.*;
import java.util.concurrent.*;
import java.util.stream.Stream;
import org.apache.kafka.clients.admin.*;
import org.apache.kafka.common.Uuid;
import org.apache.kafka.common.errors.*;
import org.apache.kafka.metadata.storage.Formatter;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/**
 * The embedded cluster: three JVMs of the stock broker as combined broker and controller nodes (kafka01..03, ids 1..3, client
 * ports 29192, 29292, 29392), a static quorum of three voters, on loopback only.
 *
 * <p>A node's folder holds {@code server.properties}, {@code data/}, {@code server.log} and {@code node.json} (pid, start in ticks since
 * which boot, start instant, command line, ports, fault): the contract with kill-node. A pid is signalled only while boot and ticks match
 * (without /proc: start instant and command line). {@code .kraft-lab} marks the folder as ours; without it nothing there is touched, nor
 * is what anybody else could have written believed.
 * Start-up is fast because the nodes map their classes from an archive made once per Java and Kafka version, and run with the
 * light compiler and collector (figures in bench/README.md).
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

    /** The tuned timeouts: an outage takes a third as long. Connecting to a host that is gone, as in Docker, would by itself take 10 s. */
    private static final String FAST = """
        broker.session.timeout.ms=3000
        broker.heartbeat.interval.ms=500
        controller.quorum.fetch.timeout.ms=1000
        controller.quorum.election.timeout.ms=500
        controller.quorum.election.backoff.max.ms=300
        socket.connection.setup.timeout.ms=1000
        socket.connection.setup.timeout.max.ms=2000
        """;

    static final List<Integer> IDS = List.of(1, 2, 3);
    static final String KAFKA = "4.4.0";
    /** Marks a node's process, so that down finds one whose node.json was never written. */
    private static final String MARK = "-Dkraft-lab.node=";
    /** Begins the name of the folder in which the broker's classes are archived, once. */
    private static final String ARCHIVING = ".kraft-lab-archive-";
    /** What the marks of folders say that they are. */
    private static final String NODE = "a node", ARCHIVE = "an archive of the broker's classes that is being made";

    @Parameters(index = "0", paramLabel = "up|down|status|logs", description = "What to do.")
    Action action;

    @Parameters(index = "1", arity = "0..1", paramLabel = "NODE", description = "Whose log: 1 or kafka01 (logs only).")
    String node;

    @Option(
            names = "--timeouts",
            paramLabel = "default|fast",
            defaultValue = "DEFAULT",
            description = "Kafka's own timeouts, or tuned ones for outages a third as long.")
    Timeouts timeouts;

    @Option(names = "--fresh", description = "up: end what runs and delete its data first.")
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
            description = "Where the nodes live (default: cluster/ in $$KRAFT_LAB_HOME, else in ~/.kraft-lab).",
            defaultValue = "${KRAFT_LAB_HOME:-${sys:user.home}/.kraft-lab}/cluster")
    Path dataDir;

    @Option(
            names = {"-n", "--lines"},
            defaultValue = "50",
            description = "logs: how many lines (default: ${DEFAULT-VALUE}).")
    int lines;

    @Option(
            names = {"-f", "--follow"},
            description = "logs: go on until Ctrl-C.")
    boolean follow;

    @Mixin
    Cli.Common common = new Cli.Common();

    /** @param alreadyUp nothing had to be started  @param ranBefore some node ran before  @param newData all storage was made by this call */
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
            case up -> {
                Up up = up();
                if (!common.json)
                    common.out.printf(
                            Locale.ROOT,
                            up.alreadyUp ? "Already up: %s%n" : "Up in %2$.1f s: %1$s%n",
                            bootstrap(),
                            up.took.toMillis() / 1e3);
            }
            case down -> {
                int ended = downAlone();
                if (!common.json)
                    common.out.println(
                            ended == 0
                                    ? "Nothing was running."
                                    : "Down: " + ended + " nodes ended, data kept in " + dataDir);
            }
            case status -> {
                return status();
            }
            case logs -> logs();
        }
        return 0;
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

    private Path folder(int id) {
        return dataDir.resolve(name(id));
    }

    // ---- up ----

    /** Starts what does not run, and returns when three brokers are registered and unfenced. What it started ends again if it cannot. */
    public Up up() throws Exception {
        long began = System.nanoTime();
        settleDataDir();
        try {
            Own.makeFolders(dataDir);
        } catch (IOException e) {
            throw new Cli.Exit(
                    1, "Cannot make the folder " + dataDir + ": " + Own.reason(e) + "; name another with --data-dir.");
        }
        requireOurs();
        try (FileChannel channel = openLock();
                FileLock lock = lock(channel)) {
            if (fresh) {
                down(true);
                for (int id : IDS) requireFreePorts(id);
                deleteData();
            }
            Map<Integer, ProcessHandle> running = new TreeMap<>(); // looked at once: a node may be dying just now
            for (int id : IDS) process(id).ifPresent(p -> running.put(id, p));
            for (int id : running.keySet()) {
                requireSameSettings(id);
                signal(running.get(id), "CONT");
            }
            List<Integer> missing =
                    IDS.stream().filter(id -> !running.containsKey(id)).toList();
            boolean newData =
                    IDS.stream().noneMatch(id -> Files.exists(folder(id).resolve("data/meta.properties")));
            for (int id : missing) {
                requireFreePorts(id);
                requireUnusedData(id);
            }
            for (int id : IDS)
                if (read(id).get("fault") instanceof Map<?, ?> f) // of kill-node, or of a lab that was killed itself
                common.say(
                            "%s had a fault (%s since %s): it %s.",
                            name(id),
                            Cli.printable(f.get("mode")),
                            Cli.printable(f.get("since")),
                            missing.contains(id) ? "is started again" : "goes on");
            warnIfMemoryIsShort(missing.size());
            List<Process> started = new ArrayList<>();
            boolean up = false;
            try {
                if (!missing.isEmpty()) {
                    List<String> jvm = jvmOptions();
                    String clusterId = clusterId();
                    for (int id : missing) start(id, clusterId, jvm, started);
                }
                awaitUnfenced(missing, started);
                for (int id : IDS) forgetFault(id);
                up = true;
            } finally {
                if (!up) started.forEach(Process::destroyForcibly);
            }
            common.emit("node", "node", IDS, "state", "up");
            return new Up(missing.isEmpty(), !running.isEmpty(), newData, Duration.ofNanos(System.nanoTime() - began));
        } catch (ClosedByInterruptException e) { // Ctrl-C while a file was being written
            throw new InterruptedException();
        } catch (FileSystemException e) {
            throw new Cli.Exit(
                    1,
                    "Cannot write " + e.getFile() + ": " + Own.reason(e)
                            + "; mend that, or name another folder with --data-dir.");
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
        for (boolean said = false; ; Thread.sleep(50)) {
            FileLock lock = Own.tryLock(channel);
            if (lock != null) return lock;
            if (!said) common.say("Waiting for another command that is at work in %s (Ctrl-C: give up) ...", dataDir);
            said = true;
        }
    }

    private void start(int id, String clusterId, List<String> jvm, List<Process> started) throws Exception {
        Path folder = folder(id),
                data = folder.resolve("data"),
                properties = folder.resolve("server.properties"),
                log = folder.resolve("server.log");
        Own.makeFolders(folder);
        Own.mark(folder, NODE, "cluster up", "'cluster up --fresh' deletes it");
        Own.makeFolders(data);
        if (Files.exists(log, LinkOption.NOFOLLOW_LINKS))
            Files.move(log, folder.resolve("server.log.1"), StandardCopyOption.REPLACE_EXISTING);
        Own.replace(properties, serverProperties(id, data));
        if (!Files.exists(data.resolve("meta.properties"))) format(id, clusterId, data);
        List<String> command = new ArrayList<>();
        // A session of its own, so that Ctrl-C in the terminal reaches the script and not the nodes.
        if (onPath("setsid")) command.add("setsid");
        command.addAll(jvm);
        command.addAll(List.of(MARK + folder, "kafka.Kafka", properties.toString()));
        Process process = new ProcessBuilder(command)
                .redirectErrorStream(true)
                .redirectInput(new File("/dev/null"))
                .redirectOutput(ProcessBuilder.Redirect.appendTo(log.toFile()))
                .start();
        started.add(process);
        Map<String, Object> json = new LinkedHashMap<>();
        json.put("id", id);
        json.put("name", name(id));
        json.put("pid", process.pid());
        json.put("started", process.info().startInstant().orElse(Instant.EPOCH).toString());
        json.put("startTicks", startTicks(process.pid()));
        json.put("bootId", bootId());
        json.put("command", command);
        json.put("port", port(id));
        json.put("controllerPort", controllerPort(id));
        json.put("log", log.toString());
        json.put("timeouts", timeouts.name().toLowerCase(Locale.ROOT));
        json.put("fault", null);
        write(id, json);
    }

    /** Refuses before anything is touched when a node's folder is not ours, or when others could write there what we would run or signal. */
    private void requireOurs() throws IOException {
        if (!Files.exists(dataDir)) return;
        Own.requireAlone(dataDir.toRealPath());
        for (int id : IDS) {
            Path folder = folder(id);
            if (!Files.exists(folder, LinkOption.NOFOLLOW_LINKS)) continue;
            if (!Own.isEmpty(folder) && !isOurs(folder))
                throw new Cli.Exit(
                        Cli.REFUSED,
                        "The folder " + folder + " was not made by kraft-lab: name another with --data-dir.");
            Own.requireAlone(folder);
        }
    }

    /** By its mark; of a version that did not mark its folders, by the settings of just this node beside its data. */
    private boolean isOurs(Path folder) throws IOException {
        if (Own.isMarked(folder, NODE) || Own.begins(folder.resolve(".kraft-lab-node"), "A node of kraft-lab;"))
            return true;
        Path settings = folder.resolve("server.properties"), data = folder.resolve("data");
        if (!Files.isRegularFile(settings, LinkOption.NOFOLLOW_LINKS) || !Files.exists(data.resolve("meta.properties")))
            return false;
        Properties p = new Properties();
        try (Reader reader = Files.newBufferedReader(settings)) {
            p.load(reader);
        }
        return data.toString().equals(p.getProperty("log.dirs"));
    }

    /** The last guard: a living broker holds a lock on its data, whatever node.json says of its process. */
    void requireUnusedData(int id) throws IOException {
        Path held = folder(id).resolve("data/.lock");
        if (!Files.exists(held)) return;
        try (FileChannel channel = FileChannel.open(held, StandardOpenOption.WRITE)) {
            if (Own.tryLock(channel) == null)
                throw new Cli.Exit(
                        Cli.REFUSED,
                        "The data of " + name(id) + " in " + folder(id)
                                + " is in use by a broker that its node.json does not name: end it ('cluster down'"
                                + " does, if it is one of the lab's), then try again.");
        }
    }

    private void settleDataDir() {
        if (dataDir.toString().isEmpty() || "".equals(System.getenv("KRAFT_LAB_HOME")))
            throw new Cli.Exit(2, "--data-dir or KRAFT_LAB_HOME is empty.");
        dataDir = dataDir.toAbsolutePath().normalize();
    }

    String serverProperties(int id, Path data) {
        String text = String.format(
                Locale.ROOT,
                """
                process.roles=broker,controller
                node.id=%1$d
                broker.rack=rack%1$d
                controller.quorum.voters=%2$s
                listeners=CLIENT://127.0.0.1:%3$d,CONTROLLER://127.0.0.1:%4$d
                advertised.listeners=CLIENT://localhost:%3$d
                listener.security.protocol.map=CLIENT:PLAINTEXT,CONTROLLER:PLAINTEXT
                inter.broker.listener.name=CLIENT
                controller.listener.names=CONTROLLER
                log.dirs=%5$s
                # The original lab's defaults.
                num.partitions=8
                default.replication.factor=3
                min.insync.replicas=2
                offsets.topic.replication.factor=3
                offsets.topic.num.partitions=8
                transaction.state.log.replication.factor=3
                transaction.state.log.min.isr=2
                transaction.state.log.num.partitions=8
                share.coordinator.state.topic.replication.factor=3
                share.coordinator.state.topic.min.isr=2
                group.initial.rebalance.delay.ms=0
                # For a small machine: no MBeans, which nobody looks at, and no 128 MiB for a log cleaner with nothing to clean.
                metric.reporters=
                metrics.jmx.exclude=.*
                log.cleaner.dedupe.buffer.size=4194304
                """,
                id,
                String.join(
                        ",",
                        IDS.stream()
                                .map(i -> i + "@127.0.0.1:" + controllerPort(i))
                                .toList()),
                port(id),
                controllerPort(id),
                data.toString().replace("\\", "\\\\"));
        return timeouts == Timeouts.FAST ? text + FAST : text;
    }

    /** In this process: a JVM of its own for each would cost 1.6 s a node. */
    private void format(int id, String clusterId, Path data) throws Exception {
        new Formatter()
                .setPrintStream(new PrintStream(OutputStream.nullOutputStream()))
                .setClusterId(clusterId)
                .setNodeId(id)
                .setControllerListenerName("CONTROLLER")
                .setMetadataLogDirectory(data.toString())
                .addDirectory(data.toString())
                .run();
    }

    /** The id that all data here has; new when there is none. */
    private String clusterId() throws IOException {
        Map<String, List<String>> found = new TreeMap<>();
        for (int id : IDS) {
            Path meta = folder(id).resolve("data/meta.properties");
            if (!Files.exists(meta)) continue;
            Properties p = new Properties();
            try (Reader reader = Files.newBufferedReader(meta)) {
                p.load(reader);
            }
            found.computeIfAbsent(p.getProperty("cluster.id"), k -> new ArrayList<>())
                    .add(name(id));
        }
        if (found.size() > 1)
            throw new Cli.Exit(
                    1,
                    "The data in " + dataDir + " is of different clusters " + found
                            + ": use --fresh to delete it, or another --data-dir.");
        return found.isEmpty()
                ? Uuid.randomUuid().toString()
                : found.keySet().iterator().next();
    }

    /** java and its options up to the class path: light compiler and collector, and the class archive if it can be had. */
    private List<String> jvmOptions() throws Exception {
        String java = Path.of(System.getProperty("java.home"), "bin", "java").toString();
        String home = System.getenv("KRAFT_LAB_HOME");
        Path cache = (home == null
                        ? Path.of(System.getProperty("user.home"), ".kraft-lab")
                        : Path.of(home).toAbsolutePath())
                .resolve("cache");
        if (!Own.canKeep(cache)) Own.makeFolders(cache = dataDir.resolve("cache"));
        String key = "kafka-" + KAFKA + "-java-" + System.getProperty("java.vm.version") + "-"
                + Integer.toHexString(java.hashCode());
        Path archive = cache.resolve(key + ".jsa"), classPathFile = cache.resolve(key + ".args");
        // The archive fits one class path; scripts differ in theirs, so all use the one it was made with, while those
        // jars exist.
        String classPath =
                Files.exists(classPathFile) ? Files.readString(classPathFile).replaceAll("-cp \"|\"\\s*", "") : "";
        boolean usable = Files.exists(archive)
                && !classPath.isEmpty()
                && Stream.of(classPath.split(File.pathSeparator)).allMatch(p -> Files.exists(Path.of(p)));
        if (!usable) {
            String own = Path.of(Cluster.class
                            .getProtectionDomain()
                            .getCodeSource()
                            .getLocation()
                            .toURI())
                    .toString();
            classPath = String.join(
                    File.pathSeparator,
                    Stream.of(System.getProperty("java.class.path").split(File.pathSeparator))
                            .filter(p -> p.endsWith(".jar") && !p.equals(own))
                            .toList());
            // An argument file: some 4 KiB of class path in the command line would hide the rest of it from ps and from
            // ProcessHandle.
            Own.replace(classPathFile, "-cp \"" + classPath + "\"\n");
        }
        List<String> options = new ArrayList<>(List.of(
                java,
                "-Xmx" + heap,
                "-XX:TieredStopAtLevel=1",
                "-XX:+UseSerialGC",
                "-XX:-UsePerfData",
                "-Dorg.slf4j.simpleLogger.showDateTime=true",
                "-Dorg.slf4j.simpleLogger.dateTimeFormat=yyyy-MM-dd'T'HH:mm:ss.SSSXXX",
                "-Dorg.slf4j.simpleLogger.log.org.apache.kafka.common.config.AbstractConfig=warn"));
        if (!usable) makeArchive(options, archive, classPathFile);
        // Quiet about an archive that does not fit: the node then starts without it.
        if (Files.exists(archive))
            options.addAll(List.of("-Xlog:disable", "-Xlog:all=error:stderr", "-XX:SharedArchiveFile=" + archive));
        options.add("@" + classPathFile);
        return options;
    }

    /** Runs one throw-away node until it serves, and lets the JVM write down the classes it used. Failing only costs speed. */
    private void makeArchive(List<String> options, Path archive, Path classPathFile) throws Exception {
        common.say("First start with this Java: archiving the broker's classes once, some 10 s ...");
        endArchiving();
        Path folder = Files.createTempDirectory(dataDir, ARCHIVING), fresh = folder.resolve("classes.jsa");
        Own.mark(folder, ARCHIVE, "cluster up", "the next one deletes it");
        Process process = null;
        try (ServerSocket a = new ServerSocket(0);
                ServerSocket b = new ServerSocket(0)) {
            int client = a.getLocalPort(), controller = b.getLocalPort();
            Path data = Files.createDirectories(folder.resolve("data")),
                    properties = folder.resolve("server.properties");
            Files.writeString(
                    properties,
                    serverProperties(1, data)
                            .replaceAll(
                                    "(?m)^controller.quorum.voters=.*",
                                    "controller.quorum.voters=1@127.0.0.1:" + controller)
                            .replace(":" + port(1), ":" + client)
                            .replace(":" + controllerPort(1), ":" + controller)
                            .replaceAll("(?m)(factor|isr|replicas)=\\d", "$1=1"));
            format(1, Uuid.randomUuid().toString(), data);
            a.close();
            b.close();
            List<String> command = new ArrayList<>(options);
            command.addAll(List.of(
                    "-Xlog:disable",
                    "-XX:ArchiveClassesAtExit=" + fresh,
                    "@" + classPathFile,
                    MARK + folder,
                    "kafka.Kafka",
                    properties.toString()));
            process = new ProcessBuilder(command)
                    .redirectErrorStream(true)
                    .redirectOutput(folder.resolve("log").toFile())
                    .start();
            long deadline = System.nanoTime() + Duration.ofSeconds(60).toNanos();
            while (process.isAlive() && !Cli.connects("127.0.0.1", client, 200) && System.nanoTime() < deadline)
                Thread.sleep(50);
            process.destroy();
            if (process.waitFor(60, TimeUnit.SECONDS) && Files.exists(fresh)) {
                // Copied beside, then moved: an archive is whole or not there, also for a second script that starts
                // now.
                Path beside = archive.resolveSibling(
                        archive.getFileName() + "." + ProcessHandle.current().pid());
                Files.copy(fresh, beside);
                Files.move(beside, archive, StandardCopyOption.REPLACE_EXISTING, StandardCopyOption.ATOMIC_MOVE);
            } else {
                common.say("That did not work; the nodes start without it, only slower.");
                Own.replace(archive, ""); // not tried again with this Java
            }
        } catch (IOException e) {
            common.say("The classes were not archived (%s); the nodes start without, only slower.", e.getMessage());
        } finally {
            if (process != null) process.destroyForcibly();
            endArchiving();
        }
    }

    /** Ends and deletes what archives classes here, or was left of it by a killed cluster up. */
    private void endArchiving() throws IOException {
        List<Path> folders;
        try (Stream<Path> files = Files.list(dataDir)) {
            folders = files.filter(f -> f.getFileName().toString().startsWith(ARCHIVING) && Own.isMarked(f, ARCHIVE))
                    .toList();
        }
        for (Path folder : folders) {
            List<ProcessHandle> left =
                    processes(mark -> mark.equals(MARK + folder)).toList();
            left.forEach(ProcessHandle::destroyForcibly);
            for (ProcessHandle p : left) p.onExit().join(); // an interrupt shall not leave half of it
            delete(folder);
        }
    }

    /** Java processes by their mark. */
    private static Stream<ProcessHandle> processes(java.util.function.Predicate<String> mark) {
        return ProcessHandle.allProcesses()
                .filter(p -> p.info().command().orElse("").endsWith("java"))
                .filter(p -> Stream.of(p.info().arguments().orElse(new String[0]))
                        .anyMatch(a -> a.startsWith(MARK) && mark.test(a)));
    }

    /** An open client port means that the broker is unfenced: KRaft opens it then. Of one that ran before, and may be fenced since, only Admin knows. */
    private void awaitUnfenced(List<Integer> startedIds, List<Process> started) throws Exception {
        boolean chosen = common.spec.commandLine().getParseResult() != null
                && common.spec.commandLine().getParseResult().hasMatchedOption("--timeout");
        Duration limit = chosen ? common.timeout : Duration.ofMinutes(2);
        long deadline = System.nanoTime() + limit.toNanos();
        while (!IDS.stream().allMatch(id -> Cli.connects("127.0.0.1", port(id), 200))) {
            requireAlive(startedIds, started);
            if (System.nanoTime() > deadline)
                throw new Cli.Exit(
                        Cli.MISSED,
                        "Not all of " + bootstrap() + " were open within " + limit.toSeconds()
                                + " s; 'cluster logs kafka01' (02, 03) shows why.");
            Thread.sleep(20);
        }
        common.bootstrapServer = bootstrap();
        if (started.size() == IDS.size()) return;
        try (Admin admin = Admin.create(common.client("default.api.timeout.ms", limit.toMillis()))) {
            while (admin.describeCluster().nodes().get().size() < IDS.size()) {
                requireAlive(startedIds, started);
                if (System.nanoTime() > deadline)
                    throw new Cli.Exit(
                            Cli.MISSED,
                            "Not all three brokers were registered and unfenced within " + limit.toSeconds() + " s.");
                Thread.sleep(50);
            }
        }
    }

    private void requireAlive(List<Integer> ids, List<Process> started) throws IOException {
        for (int id : IDS)
            if (!ids.contains(id) && process(id).isEmpty())
                throw new Cli.Exit(1, name(id) + " ran before and has ended now: try again.");
        for (int i = 0; i < started.size(); i++) {
            if (started.get(i).isAlive()) continue;
            Path log = folder(ids.get(i)).resolve("server.log");
            String why = Files.readAllLines(log).stream()
                    .filter(l -> l.contains("ERROR")
                            || l.contains("FATAL")
                            || l.contains("Exception")
                            || l.contains("memory"))
                    .reduce((a, b) -> b)
                    .orElse("nothing in its log");
            throw new Cli.Exit(
                    1,
                    name(ids.get(i)) + " ended while starting, exit "
                            + started.get(i).exitValue() + ": "
                            + Cli.printable(why.length() > 200 ? why.substring(0, 200) + "..." : why) + " (whole log: "
                            + log + ").");
        }
    }

    private void requireSameSettings(int id) {
        Object running = read(id).get("timeouts");
        if (running != null
                && !running.equals(timeouts.name().toLowerCase(Locale.ROOT))
                && common.spec.commandLine().getParseResult().hasMatchedOption("--timeouts"))
            throw new Cli.Exit(
                    Cli.REFUSED,
                    "The cluster is up with --timeouts " + Cli.printable(running)
                            + "; run 'cluster down' before you choose others.");
    }

    private void requireFreePorts(int id) {
        for (int port : new int[] {port(id), controllerPort(id)}) {
            try (ServerSocket socket = new ServerSocket()) {
                socket.setReuseAddress(true);
                socket.bind(new InetSocketAddress("127.0.0.1", port));
            } catch (IOException taken) {
                throw new Cli.Exit(
                        1,
                        "Port " + port + " of " + name(id) + " is taken by " + listener(port)
                                + ": end that, or run the lab against it with --bootstrap-server.");
            }
        }
    }

    /** Which process listens on the port, from /proc. Docker's is known by its command line: it is root's, and what it has open is not for everybody to read. */
    static String listener(int port) {
        String hex = String.format(Locale.ROOT, ":%04X", port),
                docker =
                        "a Docker container, such as the compose cluster's (docker compose -f compose/compose.yaml"
                                + " down ends that; with -v it deletes its data, too)";
        try {
            for (String table : List.of("/proc/net/tcp", "/proc/net/tcp6")) {
                for (String line :
                        Files.exists(Path.of(table)) ? Files.readAllLines(Path.of(table)) : List.<String>of()) {
                    String[] f = line.trim().split("\\s+");
                    if (f.length < 10 || !f[1].endsWith(hex) || !f[3].equals("0A")) continue;
                    String socket = "socket:[" + f[9] + "]";
                    for (ProcessHandle p : ProcessHandle.allProcesses().toList()) {
                        for (File fd : Objects.requireNonNullElse(
                                new File("/proc/" + p.pid() + "/fd").listFiles(), new File[0]))
                            if (socket.equals(target(fd))) {
                                String command =
                                        p.info().commandLine().orElse("?").replaceAll("\\s+", " ");
                                Optional<Path> node = p.info()
                                        .arguments()
                                        .flatMap(all -> Stream.of(all)
                                                .filter(x -> x.startsWith(MARK))
                                                .findFirst())
                                        .map(x -> Path.of(x.substring(MARK.length())));
                                if (node.isPresent())
                                    return "the embedded cluster (process " + p.pid() + "; cluster down --data-dir "
                                            + Cli.printable(node.get().getParent()) + " ends it)";
                                command = command.replaceFirst("(?<=^.{100}).+", "...");
                                return command.matches("\\S*(dockerd|docker-proxy)( .*)?")
                                        ? docker
                                        : "process " + p.pid() + " (" + Cli.printable(command)
                                                + ")"; // itself, where its proxy is switched off
                            }
                    }
                }
            }
            if (ProcessHandle.allProcesses()
                    .anyMatch(p ->
                            p.info().commandLine().orElse("").matches(".*docker-proxy .*-host-port " + port + " .*")))
                return docker;
        } catch (IOException | RuntimeException e) {
            /* say what is known */
        }
        return "a process that cannot be named from here (try: sudo lsof -i :" + port + ", or docker ps)";
    }

    private static String target(File link) {
        try {
            return Files.readSymbolicLink(link.toPath()).toString();
        } catch (IOException e) {
            return "";
        }
    }

    private void warnIfMemoryIsShort(int nodes) {
        try {
            for (String line : Files.readAllLines(Path.of("/proc/meminfo"))) {
                if (!line.startsWith("MemAvailable:")) continue;
                long free = Long.parseLong(line.replaceAll("\\D", "")) / 1024, wanted = nodes * 600L;
                if (free < wanted)
                    common.say(
                            "Only %d MB of memory are free, %d nodes take some %d MB: close something if one dies.",
                            free, nodes, wanted);
            }
        } catch (IOException | NumberFormatException notLinux) {
            /* no such figure here */
        }
    }

    // ---- down, status, logs ----

    /** Ends every node of this folder, and processes an interrupted up left. @param atOnce by SIGKILL  @return how many were running */
    public int down(boolean atOnce) throws Exception {
        settleDataDir();
        requireOurs();
        Set<ProcessHandle> running = new HashSet<>();
        for (int id : IDS) process(id).ifPresent(running::add);
        Set<String> marks = new HashSet<>();
        for (int id : IDS) marks.add(MARK + folder(id));
        processes(mark -> marks.contains(mark) || mark.startsWith(MARK + dataDir.resolve(ARCHIVING)))
                .forEach(running::add);
        for (ProcessHandle p : running) {
            if (atOnce) p.destroyForcibly();
            else {
                signal(p, "CONT");
                p.destroy();
            }
        }
        // The last nodes have no quorum to leave in order and would wait for one: a short grace, then SIGKILL.
        long began = System.nanoTime();
        boolean interrupted = false;
        for (ProcessHandle p : running) {
            while (isAlive(p)) {
                long ms = (System.nanoTime() - began) / 1_000_000;
                if (ms > 15_000) throw new Cli.Exit(1, "Process " + p.pid() + " of a node cannot be ended.");
                if (ms > 4_000 || interrupted) p.destroyForcibly();
                try {
                    Thread.sleep(10);
                } catch (InterruptedException e) {
                    interrupted = true;
                } // nobody is left behind for that
            }
        }
        for (int id : IDS) Files.deleteIfExists(folder(id).resolve("node.json"));
        if (!running.isEmpty()) common.emit("node", "node", IDS, "state", "down");
        if (interrupted) Thread.currentThread().interrupt();
        return running.size();
    }

    /** The same when no other command starts a node at that moment, which would then be left. */
    private int downAlone() throws Exception {
        settleDataDir();
        if (!Files.isDirectory(dataDir)) return down(false);
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
        requireOurs();
        for (int id : IDS) delete(folder(id));
    }

    private int status() throws Exception {
        settleDataDir();
        int up = 0;
        if (!common.json)
            common.out.printf(
                    Locale.ROOT, "%-8s %-3s %-8s %-9s %-7s %s%n", "NODE", "ID", "PID", "STATE", "PORT", "SINCE");
        for (int id : IDS) {
            Optional<ProcessHandle> p = process(id);
            String fault = read(id).get("fault") instanceof Map<?, ?> f ? String.valueOf(f.get("mode")) : null;
            String state = p.isEmpty()
                    ? "down"
                    : !Cli.connects("127.0.0.1", port(id), 500)
                            ? "starting"
                            : Cli.Common.answers("127.0.0.1", port(id), 1500) ? "up" : "paused";
            if (state.equals("up")) up++;
            String since = p.flatMap(h -> h.info().startInstant())
                    .map(t -> t.truncatedTo(ChronoUnit.SECONDS).toString())
                    .orElse("-");
            common.emit(
                    "node",
                    "node",
                    id,
                    "name",
                    name(id),
                    "state",
                    state,
                    "pid",
                    p.map(ProcessHandle::pid).orElse(null),
                    "port",
                    port(id),
                    "fault",
                    fault);
            if (!common.json)
                common.out.printf(
                        Locale.ROOT,
                        "%-8s %-3d %-8s %-9s %-7d %s%s%n",
                        name(id),
                        id,
                        p.map(h -> "" + h.pid()).orElse("-"),
                        state,
                        port(id),
                        since,
                        fault == null ? "" : "  (fault: " + Cli.printable(fault) + ")");
        }
        if (up == 0)
            for (int id : IDS)
                if (process(id).isEmpty()
                        && Cli.connects(
                                "127.0.0.1", port(id), 500)) { // or it would be answered by others while this says down
                    common.say(
                            "These are not up in %s, but port %d is taken by %s.",
                            dataDir, port(id), listener(port(id)));
                    break;
                }
        return up == IDS.size() ? 0 : Cli.UNREACHABLE;
    }

    private void logs() throws Exception {
        settleDataDir();
        int id = IDS.stream()
                .filter(i -> ("" + i).equals(node) || name(i).equals(node))
                .findFirst()
                .orElseThrow(() -> new Cli.Exit(2, "Name the node whose log you want: cluster logs kafka01 (or 1)."));
        Path log = folder(id).resolve("server.log");
        if (!Files.exists(log))
            throw new Cli.Exit(
                    1, "There is no log of " + name(id) + " in " + dataDir + ": it has never been started there.");
        try (BufferedReader reader = new BufferedReader(new FileReader(log.toFile()))) {
            ArrayDeque<String> tail = new ArrayDeque<>();
            for (String line; (line = reader.readLine()) != null; tail.add(line)) if (tail.size() >= lines) tail.poll();
            tail.forEach(this::printLogLine);
            while (follow && !common.out.checkError()) {
                String line = reader.readLine();
                if (line == null) Thread.sleep(200);
                else printLogLine(line);
            }
        }
    }

    /** Clients name themselves, and topics, in a broker's log. */
    private void printLogLine(String line) {
        common.out.println(Cli.printable(line.replace("\t", "    ")));
    }

    // ---- a node's process and node.json ----

    /** The node's process, if its pid is alive and still the one that was started. */
    private Optional<ProcessHandle> process(int id) {
        Map<String, Object> json = read(id);
        if (!(json.get("pid") instanceof Number pid)) return Optional.empty();
        return ProcessHandle.of(pid.longValue())
                .filter(Cluster::isAlive)
                .filter(p -> isTheOne(p, json, MARK + folder(id)));
    }

    /** By boot and start in ticks since then, which no step of the clock changes; where there is no /proc, or an older version noted it, by time and command line. */
    private static boolean isTheOne(ProcessHandle process, Map<String, Object> json, String mark) {
        Long ticks = startTicks(process.pid());
        if (ticks != null
                && json.get("startTicks") instanceof Number noted
                && json.get("bootId") instanceof String boot)
            return ticks == noted.longValue() && boot.equals(bootId());
        if (!(json.get("started") instanceof String started)
                || !process.info().commandLine().orElse("").contains(mark)) return false;
        try {
            return process.info()
                    .startInstant()
                    .map(t -> Duration.between(t, Instant.parse(started)).abs().toMillis() < 2000)
                    .orElse(false);
        } catch (java.time.format.DateTimeParseException notOurs) {
            return false;
        }
    }

    /** When the process started, in clock ticks since the boot: field 22 of its stat. @return null where that is not to be had */
    private static Long startTicks(long pid) {
        try {
            return Long.valueOf(stat(pid)[19]);
        } catch (IOException noSuch) {
            return null;
        }
    }

    private static String bootId() {
        try {
            return Files.readString(Path.of("/proc/sys/kernel/random/boot_id")).strip();
        } catch (IOException notLinux) {
            return null;
        }
    }

    /** The fields of /proc/PID/stat from the third on: what stands before may have any characters. */
    private static String[] stat(long pid) throws IOException {
        String stat = Files.readString(Path.of("/proc/" + pid + "/stat"));
        return stat.substring(stat.lastIndexOf(')') + 2).split(" ");
    }

    /** Where nobody reaps orphans (a container whose first process is no init), a killed node stays as a zombie. */
    private static boolean isAlive(ProcessHandle p) {
        try {
            String[] fields = stat(p.pid());
            // The first thread is a zombie already while others (num_threads) are still ending, and hold the ports.
            return !(fields[0].equals("Z") && fields[17].equals("1")) && p.isAlive();
        } catch (IOException notLinux) {
            return p.isAlive();
        }
    }

    /** What is noted of a node, a pid that is signalled among it: refused if anybody else may have written it. */
    private Map<String, Object> read(int id) {
        Path file = folder(id).resolve("node.json");
        if (!Files.exists(file, LinkOption.NOFOLLOW_LINKS)) return Map.of();
        try {
            for (Path path : List.of(dataDir.toRealPath(), folder(id), file)) Own.requireAlone(path);
            return JSON.std.mapFrom(file.toFile());
        } catch (IOException e) {
            return Map.of();
        }
    }

    private void write(int id, Map<String, Object> json) throws IOException {
        Own.replace(
                folder(id).resolve("node.json"),
                JSON.std.with(JSON.Feature.PRETTY_PRINT_OUTPUT).asString(json));
    }

    private void forgetFault(int id) throws IOException {
        Map<String, Object> json = read(id);
        if (json.get("fault") == null) return;
        json.put("fault", null);
        write(id, json);
    }

    private static void signal(ProcessHandle process, String signal) throws Exception {
        new ProcessBuilder("kill", "-" + signal, "" + process.pid())
                .redirectErrorStream(true)
                .start()
                .waitFor();
    }

    private static boolean onPath(String command) {
        return Stream.of(Objects.requireNonNullElse(System.getenv("PATH"), "").split(File.pathSeparator))
                .anyMatch(d -> new File(d, command).canExecute());
    }

    /** A folder that was found to be ours. Links in it are deleted, not followed; its mark goes last, so that what an error leaves is still known as ours. */
    private static void delete(Path folder) throws IOException {
        if (!Files.exists(folder)) return;
        try (Stream<Path> files = Files.walk(folder)) {
            for (Path file : files.sorted(Comparator.reverseOrder()).toList()) Files.delete(file);
        }
    }

    /** What is ours: folders are made for us alone, and marked; files in them are replaced whole, and never through a link. */
    static class Own {
        private static final String MARKER = ".kraft-lab", LINE = "This folder is of kraft-lab: ";

        /** Writes what the folder is, what made it, and what becomes of it: that is also what a person finds who wonders. */
        static void mark(Path folder, String what, String madeBy, String fate) throws IOException {
            replace(folder.resolve(MARKER), LINE + what + ", made by '" + madeBy + "'; " + fate + ".\n");
        }

        static boolean isMarked(Path folder, String what) {
            return begins(folder.resolve(MARKER), LINE + what + ", ");
        }

        /** Whether it is a file, not a link to one, of that beginning. */
        static boolean begins(Path file, String beginning) {
            if (!Files.isRegularFile(file, LinkOption.NOFOLLOW_LINKS)) return false;
            byte[] wanted = beginning.getBytes(java.nio.charset.StandardCharsets.UTF_8);
            try (InputStream in = Files.newInputStream(file)) {
                return Arrays.equals(wanted, in.readNBytes(wanted.length));
            } catch (IOException unreadable) {
                return false;
            }
        }

        static boolean isEmpty(Path folder) throws IOException {
            if (!Files.isDirectory(folder, LinkOption.NOFOLLOW_LINKS)) return false;
            try (Stream<Path> files = Files.list(folder)) {
                return files.findAny().isEmpty();
            }
        }

        /** Those that are missing, for us alone. */
        static void makeFolders(Path folder) throws IOException {
            if (Files.isDirectory(folder)) return;
            Set<PosixFilePermission> ours = PosixFilePermissions.fromString("rwx------");
            if (isPosix(folder)) Files.createDirectories(folder, PosixFilePermissions.asFileAttribute(ours));
            else Files.createDirectories(folder);
        }

        static void replace(Path file, String text) throws IOException {
            Path fresh = file.resolveSibling(file.getFileName() + ".new");
            Files.deleteIfExists(fresh);
            Files.writeString(fresh, text, StandardOpenOption.CREATE_NEW, StandardOpenOption.WRITE);
            if (isPosix(fresh)) Files.setPosixFilePermissions(fresh, PosixFilePermissions.fromString("rw-r--r--"));
            Files.move(fresh, file, StandardCopyOption.REPLACE_EXISTING, StandardCopyOption.ATOMIC_MOVE);
        }

        /** Refuses what is said there when somebody else may have written it. */
        static void requireAlone(Path path) throws IOException {
            String why = whyNotAlone(path);
            if (why != null)
                throw new Cli.Exit(
                        Cli.REFUSED,
                        path + " " + why
                                + ", and what is kept there decides what is run and signalled: mend that (chown, chmod"
                                + " go-w), or name another folder with --data-dir.");
        }

        /** Whether files that are run later on can be kept there: a folder that is made, if it has to be, and written by nobody else. */
        static boolean canKeep(Path folder) {
            try {
                makeFolders(folder);
                return Files.isWritable(folder) && whyNotAlone(folder.toRealPath()) == null;
            } catch (IOException cannot) {
                return false;
            }
        }

        private static String whyNotAlone(Path path) throws IOException {
            if (Files.isSymbolicLink(path)) return "is a symbolic link";
            if (!path.getFileSystem().supportedFileAttributeViews().contains("unix")) return null;
            int mode = (Integer) Files.getAttribute(path, "unix:mode"),
                    owner = (Integer) Files.getAttribute(path, "unix:uid");
            long user = new com.sun.security.auth.module.UnixSystem().getUid();
            if (owner != user)
                return "belongs to " + Cli.printable(Files.getOwner(path)) + " (uid " + owner
                        + "), while this runs as uid " + user;
            return (mode & 0022) == 0
                    ? null
                    : String.format(Locale.ROOT, "can be written by others (mode %03o)", mode & 0777);
        }

        private static boolean isPosix(Path path) {
            return path.getFileSystem().supportedFileAttributeViews().contains("posix");
        }

        /** @return null when it is held, by this process or another */
        static FileLock tryLock(FileChannel channel) throws IOException {
            try {
                return channel.tryLock();
            } catch (OverlappingFileLockException heldInThisJvm) {
                return null;
            }
        }

        /** Why a file could not be written, in words. */
        static String reason(IOException e) {
            if (e instanceof AccessDeniedException) return "not allowed";
            if (e instanceof FileAlreadyExistsException) return "there is a file of that name";
            if (e instanceof NoSuchFileException) return "there is no such folder";
            return e instanceof FileSystemException f && f.getReason() != null
                    ? f.getReason()
                    : String.valueOf(e.getMessage());
        }
    }
}
