import java.io.*;
import java.lang.management.ManagementFactory;
import java.nio.file.Path;
import java.util.*;
import java.util.concurrent.*;
import java.util.stream.Stream;

/**
 * Tests that run beside the others: those with a tag, in a JVM and a network of their own. Such a network has its own
 * loopback, so that a lane's cluster has the lab's ports whatever else has them outside, another lane's cluster or the
 * containers' one. It takes root on Linux, {@code unshare} and {@code ip} (or busybox, which has one).
 *
 * <p>Brokers need most of two cores, so two lanes run at a time: one on an embedded cluster, and beside it first those
 * that only compute. Three lanes took as long, and tests that measure failed.
 */
class TestLane {
    /**
     * The tags of tests on an embedded cluster: records and their check, faults, a lab's whole run, what is drawn, and
     * whole commands from a shell.
     */
    static final List<String> ON_A_CLUSTER = List.of("records", "faults", "lab", "screen", "shell");
    /** Tests on containers, whose ports are those of the lab in the network of all. */
    static final String DOCKER = "docker";
    /** Tests without a cluster that measure times: they run first. */
    private static final String TIMED = "timed";
    /** Tests that bench soak runs: a kind that others have as well, more often or at another height. */
    static final String SOAK = "soak";
    /** Classes that start many processes: with --fast they run beside those that compute. */
    private static final String PROCESSES = "processes";

    private static final String COMPUTING = "!" + TIMED + " & !" + DOCKER + " & !" + String.join(" & !", ON_A_CLUSTER);
    /** What runs side by side, each list in its order: on Docker late, since its image may still be being made. */
    private static final List<List<String>> SIDE_BY_SIDE =
            List.of(List.of("records", "faults", "screen", "lab", "shell"), List.of(TIMED, COMPUTING, DOCKER));

    private static final List<List<String>> SIDE_BY_SIDE_FAST = List.of(List.of(PROCESSES), List.of("!" + PROCESSES));

    static final String OPTION = "--lane=";
    private static final List<String> OWN_NETWORK = List.of(
            "unshare",
            "--net",
            "sh",
            "-c",
            "(ip link set lo up || busybox ip link set lo up) 2> /dev/null && exec \"$@\"",
            "lane");
    /** What a lane prints at its end, for the one that has started it. */
    private static final String COUNTS = "= counts ", SECONDS = "= seconds ";

    private static final List<TestLane> STARTED = new ArrayList<>();

    interface Question {
        boolean of(String tag) throws Exception;
    }

    private final String tag;
    private final Process process;
    private final Thread reader = new Thread(this::read);
    private final List<String> told = new ArrayList<>();

    private TestLane(String tag, Process process) {
        this.tag = tag;
        this.process = process;
        reader.start();
    }

    /** The tags of the lanes that have tests; none where there can be no lanes. */
    static Queue<String> tags(Question hasTests) throws Exception {
        Queue<String> tags = new ConcurrentLinkedQueue<>();
        if (Runtime.getRuntime().availableProcessors() < 2 || !AllTests.fast && !hasOwnNetwork()) return tags;
        List<String> all = sideBySide().stream().flatMap(List::stream).toList();
        for (String tag : all) if (hasTests.of(tag)) tags.add(tag);
        return tags;
    }

    private static List<List<String>> sideBySide() {
        return AllTests.fast ? SIDE_BY_SIDE_FAST : SIDE_BY_SIDE;
    }

    /** Runs the lanes of these tags, those of a list one after the other. */
    static void run(Queue<String> tags, List<String> args, AllTests.Counts counts, Map<String, Double> seconds)
            throws Exception {
        Runtime.getRuntime().addShutdownHook(new Thread(TestLane::endAll));
        ExecutorService workers = Executors.newCachedThreadPool();
        List<Future<?>> working = new ArrayList<>();
        for (List<String> inTurn : sideBySide()) {
            working.add(workers.submit(() -> {
                for (String tag : inTurn) {
                    if (tags.contains(tag)) start(tag, args).awaitEnd(counts, seconds);
                }
                return null;
            }));
        }
        workers.shutdown();
        for (Future<?> one : working) one.get();
    }

    private static TestLane start(String tag, List<String> args) throws IOException {
        boolean onACluster = ON_A_CLUSTER.contains(tag);
        List<String> command = new ArrayList<>(onACluster ? OWN_NETWORK : List.of());
        command.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
        command.addAll(ManagementFactory.getRuntimeMXBean().getInputArguments());
        // It waits more than it computes, and the brokers need the cores.
        if (onACluster || tag.equals(DOCKER)) command.addAll(List.of("-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC"));
        command.addAll(List.of("-cp", System.getProperty("java.class.path"), "AllTests", OPTION + tag));
        command.addAll(args);
        ProcessBuilder builder = new ProcessBuilder(command).redirectInput(new File("/dev/null"));
        builder.redirectError(ProcessBuilder.Redirect.INHERIT);
        // The engine's containers have the lab's ports elsewhere.
        if (onACluster) builder.environment().put("DOCKER_HOST", "unix:///no/engine/in/this/lane");
        synchronized (STARTED) {
            TestLane lane = new TestLane(tag, builder.start());
            STARTED.add(lane);
            return lane;
        }
    }

    private static boolean hasOwnNetwork() throws InterruptedException {
        try {
            List<String> command =
                    Stream.concat(OWN_NETWORK.stream(), Stream.of("true")).toList();
            ProcessBuilder builder = new ProcessBuilder(command)
                    .redirectErrorStream(true)
                    .redirectOutput(ProcessBuilder.Redirect.DISCARD);
            return builder.start().waitFor() == 0;
        } catch (IOException noUnshare) {
            return false;
        }
    }

    /** Passes on what it prints, as much at a time as is there, and keeps what is meant for us. */
    private void read() {
        try (BufferedReader in = process.inputReader()) {
            StringBuilder lines = new StringBuilder();
            for (String line; (line = in.readLine()) != null; ) {
                if (line.startsWith(COUNTS) || line.startsWith(SECONDS)) told.add(line);
                else lines.append(line).append('\n');
                if (in.ready()) continue;
                System.out.print(lines);
                lines.setLength(0);
            }
            System.out.print(lines);
        } catch (IOException e) { // its end is noticed by its counts, which are not there
            if (process.isAlive())
                System.err.println("The lane " + tag + " cannot be read any longer: " + e.getMessage());
        }
    }

    /** Prints what {@link #awaitEnd} reads. */
    static void tell(AllTests.Counts counts, Map<String, Double> seconds) {
        seconds.forEach((name, s) -> System.out.println(SECONDS + s + " " + name));
        System.out.println(COUNTS + counts.passed + " " + counts.failed + " " + counts.skipped);
    }

    /** Waits for the last of its tests, and adds what came of them. A lane that ends without its counts has failed. */
    Void awaitEnd(AllTests.Counts counts, Map<String, Double> seconds) throws InterruptedException {
        reader.join();
        process.waitFor();
        synchronized (counts) {
            if (add(told, counts, seconds)) return null;
            counts.failed++;
        }
        System.out.println(
                "FAIL  the tests of the lane " + tag + " ended with " + process.exitValue() + " before they were done");
        return null;
    }

    /** Returns whether it told its counts, which is the last that it does. */
    static boolean add(List<String> told, AllTests.Counts counts, Map<String, Double> seconds) {
        boolean counted = false;
        for (String line : told) {
            String[] words = line.split(" ");
            if (line.startsWith(SECONDS)) {
                seconds.merge(words[3], Double.parseDouble(words[2]), Double::sum);
                continue;
            }
            counted = true;
            counts.passed += Integer.parseInt(words[2]);
            counts.failed += Integer.parseInt(words[3]);
            counts.skipped += Integer.parseInt(words[4]);
        }
        return counted;
    }

    /** Ends them as Ctrl-C does: each ends its own nodes. */
    static void endAll() {
        List<TestLane> lanes;
        synchronized (STARTED) {
            lanes = List.copyOf(STARTED);
        }
        for (TestLane lane : lanes) lane.process.destroy();
        for (TestLane lane : lanes) {
            try {
                if (!lane.process.waitFor(60, TimeUnit.SECONDS)) lane.process.destroyForcibly();
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
            }
        }
    }
}
