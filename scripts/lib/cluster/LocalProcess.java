//SOURCES ../cli/Cli.java

import java.io.*;
import java.nio.file.*;
import java.util.*;
import java.util.concurrent.TimeUnit;
import java.util.regex.*;
import java.util.stream.Stream;

/** Processes of this machine: which of them is a given one, which has a word on its command line, and their end. */
final class LocalProcess {
    private static final long KILL_AFTER_MS = 4_000;
    private static final long GIVE_UP_AFTER_MS = 15_000;

    private LocalProcess() {}

    /** Returns when a process started, in clock ticks since the boot, or null where there is no /proc. */
    static Long startTicks(long pid) {
        try {
            return Long.valueOf(stat(pid)[19]);
        } catch (IOException noSuch) {
            return null;
        }
    }

    static String bootId() {
        try {
            return Files.readString(Path.of("/proc/sys/kernel/random/boot_id")).strip();
        } catch (IOException notLinux) {
            return null;
        }
    }

    /** Reads the fields of /proc/PID/stat from the third on: the second may contain any character. */
    private static String[] stat(long pid) throws IOException {
        String stat = Files.readString(Path.of("/proc/" + pid + "/stat"));
        return stat.substring(stat.lastIndexOf(')') + 2).split(" ");
    }

    /** Returns false for a zombie as well: where nobody reaps orphans, as in containers without an init, it stays. */
    static boolean isAlive(ProcessHandle process) {
        try {
            String[] fields = stat(process.pid());
            // The first thread may be a zombie while others are still ending, and hold the ports.
            boolean isZombie = fields[0].equals("Z") && fields[17].equals("1");
            return !isZombie && process.isAlive();
        } catch (IOException notLinux) {
            return process.isAlive();
        }
    }

    /** Returns the living JVMs that have a word of this beginning on their command line. */
    static Stream<ProcessHandle> jvmsWith(String beginning) {
        return ProcessHandle.allProcesses()
                .filter(p -> p.info().command().orElse("").endsWith("java"))
                .filter(p -> argument(p, beginning).isPresent())
                .filter(LocalProcess::isAlive);
    }

    /** Returns what follows the beginning in the first word that has it. */
    static Optional<String> argument(ProcessHandle process, String beginning) {
        return Stream.of(process.info().arguments().orElse(new String[0]))
                .filter(a -> a.startsWith(beginning))
                .map(a -> a.substring(beginning.length()))
                .findFirst();
    }

    static void signal(ProcessHandle process, String signal) throws Exception {
        new ProcessBuilder("kill", "-" + signal, "" + process.pid())
                .redirectErrorStream(true)
                .start()
                .waitFor();
    }

    /** Sends SIGTERM to them, and to a paused one SIGCONT first. */
    static void terminate(Collection<ProcessHandle> processes) throws Exception {
        for (ProcessHandle process : processes) {
            signal(process, "CONT");
            process.destroy();
        }
    }

    /**
     * Waits for their end, and sends SIGKILL after four seconds: the last nodes have no quorum left for a controlled
     * shutdown. An interrupt brings that forward, and leaves none behind. Returns whether there was one.
     */
    static boolean awaitEnd(Collection<ProcessHandle> processes) {
        long began = System.nanoTime();
        boolean interrupted = false;
        for (ProcessHandle process : processes) {
            while (isAlive(process)) {
                long ms = (System.nanoTime() - began) / 1_000_000;
                if (ms > GIVE_UP_AFTER_MS) {
                    throw new Cli.Exit(1, "Process " + process.pid() + " did not end, even by SIGKILL.");
                }
                if (ms > KILL_AFTER_MS || interrupted) {
                    process.destroyForcibly();
                }
                try {
                    Thread.sleep(10);
                } catch (InterruptedException e) {
                    interrupted = true;
                }
            }
        }
        return interrupted;
    }

    static boolean isOnPath(String command) {
        String path = Objects.requireNonNullElse(System.getenv("PATH"), "");
        return Stream.of(path.split(File.pathSeparator)).anyMatch(d -> new File(d, command).canExecute());
    }

    /** Returns what begins a command that gets a session of its own: Ctrl-C in this terminal does not reach it. */
    static List<String> detached() {
        return isOnPath("setsid") ? List.of("setsid") : List.of();
    }

    // ---- Who has a port ----

    private static final Pattern PID = Pattern.compile("pid=(\\d+)|^p(\\d+)", Pattern.MULTILINE);
    private static final String DOCKER =
            "a Docker container: if it is one of the compose cluster, run 'docker compose -f"
                    + " compose/compose.yaml down' (-v also deletes its data)";

    /** Returns who listens on a port, and what to do about it. It ends a sentence, but for the full stop. */
    static String portOwner(int port, String nodeMark) {
        Optional<ProcessHandle> listener =
                listenerPid(port).flatMap(ProcessHandle::of).or(() -> nodeWith(port, nodeMark));
        if (listener.isPresent()) {
            return describe(listener.get(), nodeMark);
        }
        // Docker's proxy is root's, so that other users are not told its pid.
        String proxy = ".*docker-proxy .*-host-port " + port + " .*";
        boolean isDocker = ProcessHandle.allProcesses()
                .anyMatch(p -> p.info().commandLine().orElse("").matches(proxy));
        String lookup = "'sudo lsof -i :" + port + "' or 'docker ps' may name it";
        return isDocker ? DOCKER : "a process that is not visible to this user: " + lookup;
    }

    private static String describe(ProcessHandle listener, String nodeMark) {
        Optional<String> node = argument(listener, nodeMark);
        if (node.isPresent()) {
            Path dataDir = Path.of(node.get()).getParent();
            return "the embedded cluster (pid " + listener.pid() + "): run 'cluster down --data-dir "
                    + Cli.printable(dataDir) + "'";
        }
        String command = listener.info().command().orElse("unknown command");
        String name = Cli.printable(Path.of(command).getFileName());
        if (name.matches("dockerd|docker-proxy")) { // dockerd itself listens where its proxy is switched off
            return DOCKER;
        }
        return "pid " + listener.pid() + " (" + name + "): stop it, or use the cluster there with --bootstrap-server";
    }

    /** Finds a node of the lab without ss and lsof, which a small container may lack. */
    private static Optional<ProcessHandle> nodeWith(int port, String nodeMark) {
        return jvmsWith(nodeMark)
                .filter(p -> argument(p, nodeMark)
                        .filter(folder -> hasPort(folder, port))
                        .isPresent())
                .findFirst();
    }

    private static boolean hasPort(String folder, int port) {
        try {
            String settings = Files.readString(Path.of(folder, "server.properties"));
            return Pattern.compile("(?m)^listeners=.*:" + port + "\\b")
                    .matcher(settings)
                    .find();
        } catch (IOException e) {
            return false;
        }
    }

    /** Asks ss, which Linux has, and lsof, which macOS has. */
    private static Optional<Long> listenerPid(int port) {
        List<List<String>> commands = List.of(
                List.of("ss", "-ltnpH", "sport = :" + port),
                List.of("lsof", "-nP", "-iTCP:" + port, "-sTCP:LISTEN", "-Fp"));
        for (List<String> command : commands) {
            Matcher pid = PID.matcher(output(command));
            if (pid.find()) {
                return Optional.of(Long.valueOf(pid.group(pid.group(1) == null ? 2 : 1)));
            }
        }
        return Optional.empty();
    }

    /** Returns the little that a command prints within two seconds; nothing if there is no such command. */
    private static String output(List<String> command) {
        try {
            Process process = new ProcessBuilder(command)
                    .redirectError(ProcessBuilder.Redirect.DISCARD)
                    .start();
            try {
                boolean ended = process.waitFor(2, TimeUnit.SECONDS);
                return ended ? new String(process.getInputStream().readAllBytes()) : "";
            } finally {
                process.destroyForcibly();
            }
        } catch (IOException noSuchCommand) {
            return "";
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            return "";
        }
    }
}
