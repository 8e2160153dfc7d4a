import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.*;
import java.time.Duration;
import java.util.*;
import java.util.stream.Stream;

/** Runs whole commands in a home folder of their own, and measures them. */
class Commands {
    final Path home = tempFolder(), repository = repository();

    /** Wall and CPU seconds; the CPU is that of every process that was started, up to when the clock stopped. */
    record Cost(double wall, double cpu) {}

    /** Runs a shell command, timed by bash, which also knows the CPU of the processes that it waited for. */
    Cost time(String line) throws Exception {
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

    /** Returns what this repository's launcher prints. */
    String jbang(String... args) throws Exception {
        List<String> command = new ArrayList<>(List.of(jbang().toString()));
        command.addAll(List.of(args));
        Process process = new ProcessBuilder(command)
                .redirectError(ProcessBuilder.Redirect.INHERIT)
                .start();
        String text = new String(process.getInputStream().readAllBytes()).trim();
        if (process.waitFor() != 0)
            throw new IOException(String.join(" ", command) + " ended with " + process.exitValue());
        return text;
    }

    Path jbang() {
        return repository.resolve("jbang");
    }

    String classPath(String script) throws Exception {
        return jbang(
                "info",
                "classpath",
                repository.resolve("scripts/" + script + ".java").toString());
    }

    /** Returns the class path of Apache's own tools. */
    String apacheTools() throws Exception {
        return jbang(repository.resolve("bench/ApacheTools.java").toString());
    }

    static String java() {
        return Path.of(System.getProperty("java.home"), "bin", "java").toString();
    }

    /** Returns the CPU seconds that the processes have used so far. */
    static double cpu(List<ProcessHandle> processes) {
        return processes.stream()
                .mapToDouble(
                        p -> p.info().totalCpuDuration().orElse(Duration.ZERO).toMillis() / 1e3)
                .sum();
    }

    /** Returns the median with the range. */
    static String spread(List<Double> values) {
        List<Double> sorted = values.stream().sorted().toList();
        int n = sorted.size();
        double median = (sorted.get((n - 1) / 2) + sorted.get(n / 2)) / 2;
        return String.format(Locale.ROOT, "%.2f (%.2f to %.2f)", median, sorted.get(0), sorted.get(n - 1));
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

    static void delete(Path folder) throws IOException {
        if (!Files.exists(folder)) return;
        try (Stream<Path> files = Files.walk(folder)) {
            for (Path file : files.sorted(Comparator.reverseOrder()).toList()) Files.delete(file);
        }
    }
}
