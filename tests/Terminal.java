import static org.junit.jupiter.api.Assertions.*;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.nio.file.*;
import java.time.Duration;
import java.util.*;
import java.util.concurrent.TimeUnit;
import java.util.stream.*;

/** A real terminal for a test: a window of a separate tmux server, in which bash runs the given commands. */
class Terminal implements AutoCloseable {
    private static int count;
    private final String socket = "kraft-lab-" + ProcessHandle.current().pid() + "-" + ++count;
    private final Path raw = TestCluster.HOME.resolve(socket + ".raw");
    int width;

    static boolean has(String command) {
        return Stream.of(System.getenv("PATH").split(":"))
                .anyMatch(folder -> Files.isExecutable(Path.of(folder, command)));
    }

    Terminal(int width, String commands) throws Exception {
        assumeTrue(has("tmux"), "there is no tmux, which is the terminal of these tests");
        this.width = width;
        Path start = TestCluster.HOME.resolve(socket + ".sh");
        Files.writeString(start, "read -r go\n" + commands + "\n");
        tmux("-f", "/dev/null", "new-session", "-d", "-x", "" + width, "-y", "24", "bash " + start);
        tmux("set-option", "-g", "history-limit", "5000");
        tmux("pipe-pane", "-o", "cat > " + raw);
        keys("Enter");
    }

    /** Runs a script with this environment and redirection. EXIT and its exit code follow its output. */
    static Terminal of(int width, String environment, String redirection, Class<?> script, String... args)
            throws Exception {
        List<String> command = new ArrayList<>(List.of("env"));
        command.addAll(TestCluster.signalled().stream().skip(1).toList());
        command.addAll(List.of(
                "-u",
                "COLUMNS",
                "KRAFT_LAB_HOME=" + TestCluster.HOME,
                environment,
                Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                "-XX:TieredStopAtLevel=1",
                "-XX:+UseSerialGC",
                "-cp",
                System.getProperty("java.class.path"),
                script.getName()));
        command.addAll(List.of(args));
        return new Terminal(
                width,
                "set -o pipefail\ntrap : INT\n"
                        + command.stream().map(w -> "'" + w + "'").collect(Collectors.joining(" ")) + redirection
                        + "\necho EXIT $?\nread -r on\necho \"GOT $on\"\nexec sleep 600");
    }

    private String tmux(String... args) throws Exception {
        List<String> command = new ArrayList<>(List.of("tmux", "-L", socket));
        command.addAll(List.of(args));
        ProcessBuilder builder = new ProcessBuilder(command).redirectErrorStream(true);
        builder.environment().keySet().removeAll(List.of("TMUX", "NO_COLOR"));
        builder.environment().put("LC_ALL", "C.UTF-8");
        Process p = builder.start();
        String said = new String(p.getInputStream().readAllBytes(), "UTF-8");
        if (p.waitFor() != 0) fail(command + ": " + said);
        return said;
    }

    void keys(String... keys) throws Exception {
        tmux(Stream.concat(Stream.of("send-keys"), Stream.of(keys)).toArray(String[]::new));
    }

    void resize(int columns) throws Exception {
        width = columns;
        tmux("resize-window", "-x", "" + columns, "-y", "24");
    }

    String capture(String... options) throws Exception {
        return tmux(Stream.concat(Stream.of("capture-pane", "-p"), Stream.of(options))
                .toArray(String[]::new));
    }

    String text() throws Exception {
        return capture();
    }
    /** Returns the history and the screen, as the terminal shows them. */
    String lines() throws Exception {
        return capture("-S", "-");
    }
    /** Returns the same, and asserts that the terminal has wrapped no line. */
    String history() throws Exception {
        String text = lines(), joined = capture("-S", "-", "-J");
        assertEquals(
                joined.lines().map(String::stripTrailing).toList(),
                text.lines().map(String::stripTrailing).toList(),
                "the terminal had to wrap lines");
        return text;
    }

    String raw() throws Exception {
        return Files.readString(raw);
    }

    void await(String what, Predicate condition) throws Exception {
        await(what, TestCluster.PATIENCE, condition);
    }

    void await(String what, Duration patience, Predicate condition) throws Exception {
        String[] text = {""};
        try {
            TestCluster.await(what, patience, () -> condition.test(text[0] = text()));
        } catch (AssertionError e) {
            throw new AssertionError(e.getMessage() + " in\n" + text[0]);
        }
    }

    interface Predicate {
        boolean test(String text) throws Exception;
    }

    /** Asserts that the cursor is visible, and that typed text is echoed and read. */
    void isUsable() throws Exception {
        assertEquals("1", tmux("display-message", "-p", "#{cursor_flag}").strip(), "the cursor is visible");
        keys("hello", "Enter");
        await("what was typed", s -> s.contains("\nhello\nGOT hello\n"));
    }

    @Override
    public void close() throws Exception {
        String pane = tmux("display-message", "-p", "#{pane_pid}").strip();
        List<ProcessHandle> inside = ProcessHandle.of(Long.parseLong(pane))
                .map(p -> p.descendants().toList())
                .orElse(List.of());
        inside.forEach(ProcessHandle::destroy);
        for (ProcessHandle p : inside)
            try {
                p.onExit().get(15, TimeUnit.SECONDS);
            } catch (java.util.concurrent.TimeoutException e) {
                p.destroyForcibly();
            }
        tmux("kill-server");
    }
}
