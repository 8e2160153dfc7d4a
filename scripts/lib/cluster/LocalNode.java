//SOURCES OwnFiles.java LocalProcess.java ../cli/Cli.java

import com.fasterxml.jackson.jr.ob.JSON;
import java.io.*;
import java.net.*;
import java.nio.channels.*;
import java.nio.file.*;
import java.time.*;
import java.time.format.DateTimeParseException;
import java.util.*;
import java.util.stream.Collectors;

/**
 * A node of the embedded cluster: its folder, its process, and {@code node.json}, by which kill-node finds the process.
 *
 * <p>A pid is signalled only while boot and start in clock ticks match what {@code node.json} says (without /proc:
 * start instant and command line), and only if nobody else could have written that file.
 */
final class LocalNode {
    /** Marks a node's process, so that one is found whose node.json was never written. */
    static final String MARK = "-Dkraft-lab.node=";

    private static final String KIND = "a node";

    final int id;
    final String name;
    final int port;
    final int controllerPort;
    final Path folder;
    final Path data;
    final Path settings;
    final Path log;

    LocalNode(int id, String name, int port, int controllerPort, Path folder) {
        this.id = id;
        this.name = name;
        this.port = port;
        this.controllerPort = controllerPort;
        this.folder = folder;
        data = folder.resolve("data");
        settings = folder.resolve("server.properties");
        log = folder.resolve("server.log");
    }

    boolean isFormatted() {
        return Files.exists(data.resolve("meta.properties"));
    }

    // ---- The folder and the ports ----

    /** Creates the folder, with its mark and the node's settings; the log of the life before becomes server.log.1. */
    void prepare(String properties) throws IOException {
        OwnFiles.makeFolders(folder);
        OwnFiles.mark(folder, KIND, "cluster up", "'cluster up --fresh' deletes it");
        OwnFiles.makeFolders(data);
        if (Files.exists(log, LinkOption.NOFOLLOW_LINKS)) {
            Files.move(log, folder.resolve("server.log.1"), StandardCopyOption.REPLACE_EXISTING);
        }
        OwnFiles.replace(settings, properties);
    }

    /** Refuses a folder that is not ours, or in which others can write what is run or signalled. */
    void requireOurs() throws IOException {
        if (!Files.exists(folder, LinkOption.NOFOLLOW_LINKS)) {
            return;
        }
        if (!OwnFiles.isEmpty(folder) && !isOurs()) {
            throw new Cli.Exit(
                    Cli.REFUSED, "The folder " + folder + " was not made by kraft-lab: name another with --data-dir.");
        }
        OwnFiles.requireAlone(folder);
    }

    /** Goes by the mark; versions that did not mark folders left settings of just this node beside its data. */
    private boolean isOurs() throws IOException {
        if (OwnFiles.isMarked(folder, KIND)
                || OwnFiles.begins(folder.resolve(".kraft-lab-node"), "A node of kraft-lab;")) {
            return true;
        }
        return Files.isRegularFile(settings, LinkOption.NOFOLLOW_LINKS)
                && isFormatted()
                && data.toString().equals(properties(settings).getProperty("log.dirs"));
    }

    /** Returns the id of the cluster that the data is of. */
    String clusterId() throws IOException {
        return properties(data.resolve("meta.properties")).getProperty("cluster.id");
    }

    private static Properties properties(Path file) throws IOException {
        Properties properties = new Properties();
        try (Reader reader = Files.newBufferedReader(file)) {
            properties.load(reader);
        }
        return properties;
    }

    /** The last guard: a living broker holds a lock on its data, whatever node.json says of its process. */
    void requireUnusedData() throws IOException {
        Path held = data.resolve(".lock");
        if (!Files.exists(held)) {
            return;
        }
        try (FileChannel channel = FileChannel.open(held, StandardOpenOption.WRITE)) {
            if (OwnFiles.tryLock(channel) == null) {
                throw new Cli.Exit(
                        Cli.REFUSED,
                        "The data of " + name + " in " + folder + " is in use by a broker that its node.json does not"
                                + " name: end it ('cluster down' does, if it is one of the lab's), then try again.");
            }
        }
    }

    void requireFreePorts() {
        for (int each : new int[] {port, controllerPort}) {
            try (ServerSocket socket = new ServerSocket()) {
                socket.setReuseAddress(true);
                socket.bind(new InetSocketAddress("127.0.0.1", each));
            } catch (IOException taken) {
                throw new Cli.Exit(1, "Port " + each + " is in use by " + LocalProcess.portOwner(each, MARK) + ".");
            }
        }
    }

    // ---- The process, and node.json ----

    /** Starts the node, with its output in its log, and writes node.json. */
    Process start(List<String> jvm, String timeouts) throws IOException {
        List<String> command = new ArrayList<>(LocalProcess.detached());
        command.addAll(jvm);
        command.addAll(List.of(MARK + folder, "kafka.Kafka", settings.toString()));
        Process process = new ProcessBuilder(command)
                .redirectErrorStream(true)
                .redirectInput(new File("/dev/null"))
                .redirectOutput(ProcessBuilder.Redirect.appendTo(log.toFile()))
                .start();
        Map<String, Object> json = new LinkedHashMap<>();
        json.put("id", id);
        json.put("name", name);
        json.put("pid", process.pid());
        json.put("started", process.info().startInstant().orElse(Instant.EPOCH).toString());
        json.put("startTicks", LocalProcess.startTicks(process.pid()));
        json.put("bootId", LocalProcess.bootId());
        json.put("command", command);
        json.put("port", port);
        json.put("controllerPort", controllerPort);
        json.put("log", log.toString());
        json.put("timeouts", timeouts);
        json.put("fault", null);
        write(json);
        return process;
    }

    private Path json() {
        return folder.resolve("node.json");
    }

    /** Returns what node.json says, nothing if there is none, and refuses it if anybody else may have written it. */
    Map<String, Object> read() {
        if (!Files.exists(json(), LinkOption.NOFOLLOW_LINKS)) {
            return Map.of();
        }
        try {
            for (Path path : List.of(folder.getParent().toRealPath(), folder, json())) {
                OwnFiles.requireAlone(path);
            }
            return JSON.std.mapFrom(json().toFile());
        } catch (IOException e) {
            return Map.of();
        }
    }

    private void write(Map<String, Object> json) throws IOException {
        OwnFiles.replace(json(), JSON.std.with(JSON.Feature.PRETTY_PRINT_OUTPUT).asString(json));
    }

    /** Returns the fault that kill-node noted: its mode and since when. */
    Optional<Map<?, ?>> fault() {
        return Optional.ofNullable(read().get("fault") instanceof Map<?, ?> fault ? fault : null);
    }

    void forgetFault() throws IOException {
        Map<String, Object> json = read();
        if (json.get("fault") != null) {
            json.put("fault", null);
            write(json);
        }
    }

    /** Forgets the process, which has ended. */
    void forget() throws IOException {
        Files.deleteIfExists(json());
    }

    /** Returns the node's process, if its pid is alive and still the one that was started. */
    Optional<ProcessHandle> process() {
        Map<String, Object> json = read();
        if (!(json.get("pid") instanceof Number pid)) {
            return Optional.empty();
        }
        return ProcessHandle.of(pid.longValue()).filter(LocalProcess::isAlive).filter(p -> isTheOne(p, json));
    }

    /** Compares ticks since the boot, which no step of the clock changes; without them, time and command line. */
    private boolean isTheOne(ProcessHandle process, Map<String, Object> json) {
        Long ticks = LocalProcess.startTicks(process.pid());
        if (ticks != null
                && json.get("startTicks") instanceof Number noted
                && json.get("bootId") instanceof String boot) {
            return ticks == noted.longValue() && boot.equals(LocalProcess.bootId());
        }
        String commandLine = process.info().commandLine().orElse("");
        return commandLine.contains(MARK + folder)
                && json.get("started") instanceof String started
                && isAbout(process.info().startInstant(), started);
    }

    private static boolean isAbout(Optional<Instant> instant, String noted) {
        try {
            Instant started = Instant.parse(noted);
            return instant.filter(i -> Duration.between(i, started).abs().toMillis() < 2000)
                    .isPresent();
        } catch (DateTimeParseException notOurs) {
            return false;
        }
    }

    /** Returns the processes of nodes: those of their node.json, and those that an interrupted start left. */
    static Set<ProcessHandle> processes(List<LocalNode> nodes) {
        Set<String> folders = nodes.stream().map(node -> node.folder.toString()).collect(Collectors.toSet());
        Set<ProcessHandle> processes = LocalProcess.jvmsWith(MARK)
                .filter(p -> folders.contains(LocalProcess.argument(p, MARK).orElse("")))
                .collect(Collectors.toSet());
        nodes.forEach(node -> node.process().ifPresent(processes::add));
        return processes;
    }

    /** Returns the last line of the log that looks like the reason of an end. */
    String lastProblem() throws IOException {
        String why = Files.readAllLines(log).stream()
                .filter(line -> line.matches(".*(ERROR|FATAL|Exception|memory).*|(Error|Invalid|Unrecognized).*"))
                .reduce((first, last) -> last)
                .orElse("nothing in its log");
        return Cli.printable(why.length() > 200 ? why.substring(0, 200) + "..." : why);
    }
}
