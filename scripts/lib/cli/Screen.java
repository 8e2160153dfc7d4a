//SOURCES Cli.java

import java.io.*;
import java.util.*;
import java.util.function.*;

/**
 * A status area in the last lines of a terminal, redrawn in place; printed lines scroll by above it. Where the
 * stream is no terminal (a pipe, a file, TERM=dumb, a script that another one calls), nothing is drawn and no
 * control character is written. The cursor is never hidden, so there is nothing to restore, however the
 * script ends.
 *
 * <p>Not JLine: its terminal opens in 250 ms instead of 50, fails if stdin is no terminal, and takes two more jars.
 */
final class Screen {
    /** The streams of the process, which main passes on: where any other stream leads is not known. */
    static final PrintWriter OUT = writer(System.out), ERR = writer(System.err);

    static final boolean COLOURS = environment("NO_COLOR").isEmpty();
    /** Whether the terminal can show block characters. */
    static final boolean UNICODE = encoding().equalsIgnoreCase("UTF-8");

    private static final long RESIZE_NANOS = 400_000_000, BAR_NANOS = 200_000_000;

    /** Adds colours to a line that has its final width. */
    UnaryOperator<String> paint = line -> line;

    private PrintWriter terminal;
    private List<String> drawn = List.of();
    private int columns = 80, rows = 24;
    private long measuredAt = System.nanoTime() - RESIZE_NANOS, barAt = measuredAt;

    private Screen(PrintWriter terminal) {
        this.terminal = terminal;
    }

    private static String environment(String name) {
        return Objects.requireNonNullElse(System.getenv(name), "");
    }

    private static String encoding() {
        return System.getProperty(
                "stdout.encoding", java.nio.charset.Charset.defaultCharset().name());
    }

    /** Without a locale, as in a container or under cron, Java assumes ASCII; the reader has UTF-8. */
    private static PrintWriter writer(PrintStream stream) {
        var set = java.nio.charset.Charset.forName(encoding().equals("US-ASCII") ? "UTF-8" : encoding());
        return new PrintWriter(new OutputStreamWriter(stream, set), true);
    }

    static Screen none() {
        return new Screen(null);
    }

    static Screen on(PrintWriter stream) {
        return isTerminal(stream) ? new Screen(unguarded(stream)) : none();
    }

    boolean isOn() {
        return terminal != null;
    }

    /** Returns the writer below one that lets no control character through. */
    private static PrintWriter unguarded(PrintWriter stream) {
        return stream instanceof Supplier<?> guard ? (PrintWriter) guard.get() : stream;
    }

    /** Asks test(1), since System.console() is about stdin and stdout together or, in newer Java, about neither. */
    static boolean isTerminal(PrintWriter guarded) {
        PrintWriter stream = unguarded(guarded);
        if (stream != OUT && stream != ERR) return false;
        if (List.of("", "dumb").contains(environment("TERM"))) return false;
        ProcessBuilder test = new ProcessBuilder("test", "-t", stream == OUT ? "1" : "2").inheritIO();
        try {
            return test.start().onExit().join().exitValue() == 0;
        } catch (IOException noSuchCommand) {
            return false;
        }
    }

    /** Returns the columns to use: all but the last one, after which terminals differ. */
    synchronized int width() {
        if (System.nanoTime() - measuredAt < RESIZE_NANOS) return columns - 1;
        measuredAt = System.nanoTime();
        ProcessBuilder stty = new ProcessBuilder("stty", "size").redirectInput(new File("/dev/tty"));
        try (InputStream size = stty.start().getInputStream()) {
            String[] numbers = new String(size.readAllBytes()).trim().split(" ");
            if (String.join(" ", numbers).matches("[1-9]\\d{0,4} [1-9]\\d{0,4}")) {
                rows = Integer.parseInt(numbers[0]);
                columns = Integer.parseInt(numbers[1]);
            }
        } catch (IOException unknown) {
            // stays as it was
        }
        String limit = environment("COLUMNS");
        if (limit.matches("[1-9]\\d{0,3}")) columns = Math.min(columns, Integer.parseInt(limit));
        return columns - 1;
    }

    synchronized void draw(List<String> lines) {
        if (terminal == null) return;
        int width = width();
        int before = drawn.stream().mapToInt(this::rows).sum();
        int up = drawn.isEmpty() ? 0 : before - rows(drawn.get(drawn.size() - 1));
        drawn = lines.stream()
                .limit(Math.max(1, rows - 1))
                .map(line -> cut(Cli.Guard.harmless(line), width))
                .toList();
        List<String> painted = drawn.stream().map(paint).toList();
        terminal.print((up == 0 ? "\r" : "\r\033[" + up + "A") + "\033[K" + String.join("\n\033[K", painted));
        // Erased line by line: tmux would keep a screen that is cleared at once in its history.
        if (!drawn.isEmpty()) terminal.print("\033[J\r");
        else terminal.print(before > 1 ? "\n\033[J\033[A\r" : "\r");
        terminal.flush();
    }

    /** Returns how many rows a drawn line takes: a terminal that was made narrower has wrapped it. */
    private int rows(String line) {
        return Math.max(1, (width(line) + columns - 1) / columns);
    }

    /** Erases what is drawn. */
    synchronized void clear() {
        if (!drawn.isEmpty()) draw(List.of());
    }

    /** Erases what is drawn, for good. */
    synchronized void close() {
        clear();
        terminal = null;
    }

    /** Leaves what is drawn where it is, for good. */
    synchronized void keep() {
        draw(drawn); // over the ^C of the terminal
        if (!drawn.isEmpty()) terminal.println();
        drawn = List.of();
        terminal = null;
    }

    /** Draws a progress bar, at most five times a second. */
    synchronized void bar(double share, String text) {
        if (terminal == null || System.nanoTime() - barAt < BAR_NANOS) return;
        barAt = System.nanoTime();
        double done = Math.min(1, share);
        int length = Math.max(5, Math.min(30, width() - 9 - text.length()));
        String bar = "#".repeat((int) (done * length));
        draw(List.of(String.format(Locale.ROOT, "[%-" + length + "s] %.0f%%  %s", bar, done * 100, text)));
    }

    /** Returns the time left when this share took so many seconds. */
    static String left(double share, double seconds) {
        if (!(share > 0)) return "? s left";
        double left = Math.max(0, seconds / share - seconds);
        return left < 100 ? Math.round(left) + " s left" : (int) Math.ceil(left / 60) + " min left";
    }

    /** Returns a writer whose lines go above what is drawn; on a terminal, each in the given form. */
    PrintWriter above(PrintWriter stream, UnaryOperator<String> form) {
        if (terminal == null) return stream;
        boolean onTerminal = isTerminal(stream);
        Writer above = new Writer() {
            private final StringBuilder text = new StringBuilder();

            @Override
            public void write(char[] chars, int from, int length) {
                synchronized (Screen.this) {
                    int end = text.append(chars, from, length).lastIndexOf("\n") + 1;
                    if (end == 0) return;
                    List<String> below = drawn;
                    clear();
                    if (onTerminal) text.substring(0, end).lines().map(form).forEach(stream::println);
                    else stream.print(text.substring(0, end));
                    stream.flush();
                    text.delete(0, end);
                    // What is piped may reach the terminal later: the area stays erased until its next redraw.
                    if (onTerminal && !below.isEmpty()) draw(below);
                }
            }

            @Override
            public void flush() throws IOException {
                if (stream.checkError()) throw new IOException("closed");
            }

            @Override
            public void close() {
                stream.flush();
            }
        };
        return new PrintWriter(above, true);
    }

    /** Returns how many columns of a terminal a line takes. */
    static int width(String line) {
        return line.codePoints().map(Screen::width).sum();
    }

    /** From the CJK blocks on, characters count as wide: one that is not ends a line early, but never wraps it. */
    private static int width(int c) {
        int zeroWidth = 1 << Character.NON_SPACING_MARK | 1 << Character.ENCLOSING_MARK | 1 << Character.FORMAT;
        if (c >= 0x300 && (zeroWidth >> Character.getType(c) & 1) == 1) return 0;
        return c < 0x2e80 ? 1 : 2;
    }

    static String cut(String line, int columns) {
        StringBuilder cut = new StringBuilder();
        int left = width(line) <= columns ? columns : columns - 1;
        for (int c : line.codePoints().toArray()) {
            left -= width(c);
            if (left < 0) return cut.append(UNICODE ? '\u2026' : '>').toString();
            cut.appendCodePoint(Character.isISOControl(c) ? '?' : c);
        }
        return cut.toString();
    }
}
