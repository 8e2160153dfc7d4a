import java.io.*;
import java.lang.management.ManagementFactory;
import java.nio.file.Path;
import java.util.*;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;

/**
 * Tests that run beside the others: those with a tag, in a JVM and a network of their own. A network of its own has its own loopback, so
 * that a lane's cluster has the lab's ports whatever else has them outside, another lane's cluster or the containers' one. It takes root on Linux,
 * {@code unshare} and {@code ip} (or busybox, which has one).
 */
class TestLane {
    /** The tags: tests that share the embedded cluster, and tests that start and end one themselves. What needs Docker is in neither. */
    static final String CLUSTER = "cluster", LAB = "lab", ON_A_CLUSTER = CLUSTER + " | " + LAB;
    /** Tests on containers, whose ports are those of the lab in the network of all. */
    static final String DOCKER = "docker";
    /** Classes that start many processes: with --fast they run beside those that compute, where a lane needs no network of its own. */
    static final String PROCESSES = "processes";
    static final String OPTION = "--lane=";
    private static final List<String> OWN_NETWORK = List.of("unshare", "--net", "sh", "-c", "(ip link set lo up || busybox ip link set lo up) 2> /dev/null && exec \"$@\"", "lane");
    /** What a lane prints at its end, for the one that has started it. */
    private static final String COUNTS = "= counts ", SECONDS = "= seconds ";
    private static final List<TestLane> STARTED = new ArrayList<>();

    interface Question { boolean of(String tag) throws Exception; }

    private final String tag;
    private final Process process;
    private final Thread reader = new Thread(this::read);
    private final List<String> told = new ArrayList<>();

    private TestLane(String tag, Process process) {
        this.tag = tag;
        this.process = process;
        reader.start();
    }

    String tag() { return tag; }

    /** Starts the lanes that have tests, where there can be lanes. */
    static List<TestLane> start(Question hasTests, List<String> args) throws Exception {
        if (Runtime.getRuntime().availableProcessors() < 2) return List.of();
        if (!AllTests.fast && !hasOwnNetwork()) return List.of();
        Runtime.getRuntime().addShutdownHook(new Thread(TestLane::endAll));
        for (String tag : AllTests.fast ? List.of(PROCESSES) : List.of(ON_A_CLUSTER)) {
            if (!hasTests.of(tag)) continue;
            List<String> command = new ArrayList<>(AllTests.fast ? List.of() : OWN_NETWORK);
            command.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
            command.addAll(ManagementFactory.getRuntimeMXBean().getInputArguments());
            if (!AllTests.fast) command.addAll(List.of("-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC")); // it waits more than it computes, and the brokers need the cores
            command.addAll(List.of("-cp", System.getProperty("java.class.path"), "AllTests", OPTION + tag));
            command.addAll(args);
            ProcessBuilder builder = new ProcessBuilder(command).redirectInput(new File("/dev/null")).redirectError(ProcessBuilder.Redirect.INHERIT);
            if (!AllTests.fast) builder.environment().put("DOCKER_HOST", "unix:///no/engine/in/this/lane"); // whose containers have the lab's ports elsewhere
            STARTED.add(new TestLane(tag, builder.start()));
        }
        return STARTED;
    }

    private static boolean hasOwnNetwork() throws InterruptedException {
        try {
            List<String> command = Stream.concat(OWN_NETWORK.stream(), Stream.of("true")).toList();
            return new ProcessBuilder(command).redirectErrorStream(true).redirectOutput(ProcessBuilder.Redirect.DISCARD).start().waitFor() == 0;
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
            if (process.isAlive()) System.err.println("The lane " + tag + " cannot be read any longer: " + e.getMessage());
        }
    }

    /** Prints what {@link #awaitEnd} reads. */
    static void tell(AllTests.Counts counts, Map<String, Double> seconds) {
        seconds.forEach((name, s) -> System.out.println(SECONDS + s + " " + name));
        System.out.println(COUNTS + counts.passed + " " + counts.failed + " " + counts.skipped);
    }

    /** Waits for the last of its tests, and adds what came of them. A lane that ends without its counts has failed. */
    void awaitEnd(AllTests.Counts counts, Map<String, Double> seconds) throws InterruptedException {
        reader.join();
        process.waitFor();
        if (add(told, counts, seconds)) return;
        counts.failed++;
        System.out.println("FAIL  the tests of the lane " + tag + " ended with " + process.exitValue() + " before they were done");
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
        for (TestLane lane : STARTED) lane.process.destroy();
        for (TestLane lane : STARTED) {
            try {
                if (!lane.process.waitFor(60, TimeUnit.SECONDS)) lane.process.destroyForcibly();
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
            }
        }
    }
}
