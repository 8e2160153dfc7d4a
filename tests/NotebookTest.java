import static org.junit.jupiter.api.Assertions.*;

import java.io.File;
import java.nio.file.*;
import java.util.*;
import java.util.concurrent.TimeUnit;
import java.util.function.UnaryOperator;
import java.util.regex.*;
import java.util.stream.IntStream;
import org.junit.jupiter.api.*;
import org.junit.jupiter.api.io.TempDir;

/** Follows docs/notebook.md by hand: runs all its commands in order in one bash, which stops at the first failure. */
@Order(95)
@Tag("shell")
class NotebookTest {
    @Test
    void everyCommandOfTheNotebookRuns(@TempDir Path folder) throws Exception {
        TestCluster.down();
        run(folder, text -> text, List.of("Up in ", "48 of 48", "exit code 11", "PASS: ", "Down: 3 nodes ended"));
    }

    /**
     * Runs the notebook's commands in a folder.
     *
     * @param change what differs in the commands there
     * @param expected what has to be printed
     */
    static void run(Path folder, UnaryOperator<String> change, List<String> expected) throws Exception {
        String text = Files.readString(ContractTest.REPO.resolve("docs/notebook.md"));
        StringBuilder commands = new StringBuilder();
        for (Matcher block = Pattern.compile("(?ms)^```bash\n(.*?)^```").matcher(text); block.find(); )
            commands.append(shortened(block.group(1)));
        assertTrue(commands.toString().lines().count() > 25, "the notebook has commands: " + commands);
        String script = change.apply(commands.toString());
        Files.createSymbolicLink(folder.resolve("jbang"), ContractTest.REPO.resolve("jbang"));
        Files.createSymbolicLink(
                Files.createDirectories(folder.resolve("home")).resolve("cache"),
                TestCluster.HOME.resolve("cache").toRealPath());
        File output = folder.resolve("output").toFile();
        // set -m: background commands get the signals that they would get in a terminal.
        List<String> command = new ArrayList<>(TestCluster.signalled());
        command.addAll(List.of("bash", "-e", "-x", "-c", "set -m\n" + script));
        ProcessBuilder bash = new ProcessBuilder(command)
                .directory(folder.toFile())
                .redirectErrorStream(true)
                .redirectOutput(output);
        bash.environment().put("KRAFT_LAB_HOME", folder.resolve("home").toString());
        bash.environment().remove("KAFKA_BOOTSTRAP");
        Process process = bash.start();
        try {
            assertTrue(process.waitFor(8, TimeUnit.MINUTES), () -> "not done in 8 minutes: " + tail(output));
        } finally {
            process.descendants().forEach(ProcessHandle::destroyForcibly);
            TestCluster.run(
                    Cluster::run,
                    "down",
                    "--data-dir",
                    folder.resolve("home/cluster").toString());
        }
        String said = Files.readString(output.toPath());
        assertEquals(0, process.exitValue(), tail(output));
        for (String e : expected) assertTrue(said.contains(e), e + " expected in: " + said);
        assertEquals(2, Pattern.compile("(?m)^PASS: ").matcher(said).results().count(), said);
        assertTrue(
                Files.readString(folder.resolve("sent.txt"))
                                .lines()
                                .filter(l -> l.startsWith("Sent: "))
                                .count()
                        > 50,
                "the producer printed what it sent");
        assertFalse(Files.readString(folder.resolve("sent.txt")).contains("Error"), "no send failed");
        assertTrue(
                Files.readString(folder.resolve("isr.txt")).contains("metadata frozen"),
                "the watcher saw the quorum lost");
        assertTrue(
                longestSilence(folder.resolve("naive.jsonl")) > 3.5,
                "the naive producer ran while the leader was paused");
    }

    /** Returns the longest time between two acknowledgements of a ledger, in seconds. */
    private static double longestSilence(Path ledger) throws Exception {
        double[] at = Files.readAllLines(ledger).stream()
                .map(Pattern.compile("\"at\":(\\d+)")::matcher)
                .filter(Matcher::find)
                .mapToDouble(m -> Long.parseLong(m.group(1)) / 1e6)
                .sorted()
                .toArray();
        return IntStream.range(1, at.length)
                .mapToDouble(i -> at[i] - at[i - 1])
                .max()
                .orElse(0);
    }

    /** Returns the same commands with fewer records and shorter waits. */
    private static String shortened(String commands) {
        String shorter = commands.replace("--num-records 1000000", "--num-records 20000")
                .replace("--num-records 20000 --throughput 2000", "--num-records 4000 --throughput 2000")
                .replace("--duration 30s", "--duration 16s")
                .replace("--for 10s", "--for 4s");
        assertTrue(
                !commands.contains("--mode naive")
                        || shorter.contains("--duration 16s") && shorter.contains("--for 4s"),
                shorter);
        return shorter;
    }

    private static String tail(File output) {
        try {
            List<String> lines = Files.readAllLines(output.toPath());
            return String.join("\n", lines.subList(Math.max(0, lines.size() - 20), lines.size()));
        } catch (java.io.IOException e) {
            return e.toString();
        }
    }
}
