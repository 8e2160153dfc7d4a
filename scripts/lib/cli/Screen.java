//SOURCES Cli.java

import java.io.*;
import java.util.*;

/**
 * The last lines of a terminal, drawn again and again in place, while what is printed comes above them. In a pipe or a file, with TERM=dumb, or where another program runs the
 * script, there is none: nothing is drawn then, and not a control character written. The cursor is never hidden, so that nothing has to be mended, whatever ends the script.
 */
final class Screen {
    /** The streams of the process, which main hands on: of any other nobody knows where it leads. */
    static final PrintWriter OUT = writer(System.out), ERR = writer(System.err);
    /** Whether the terminal's character set has more than letters. */
    static final boolean UNICODE = System.getProperty(
                    "stdout.encoding", java.nio.charset.Charset.defaultCharset().name())
            .equalsIgnoreCase("UTF-8");

    static final boolean COLOURS =
            Objects.requireNonNullElse(System.getenv("NO_COLOR"), "").isEmpty();

    private PrintWriter to;
    private List<String> drawn = List.of();
    private int columns = 80, rows = 24;
    private long asked, barAt;
    /** What colours a line that was cut. */
    java.util.function.UnaryOperator<String> paint = line -> line;

    private Screen(PrintWriter to) {
        this.to = to;
    }

    /** ASCII is what a locale that nobody has set comes to, as in a container or under cron, and not what whoever reads it has. */
    private static PrintWriter writer(PrintStream stream) {
        java.nio.charset.Charset set = java.nio.charset.Charset.forName(System.getProperty(
                "stdout.encoding", java.nio.charset.Charset.defaultCharset().name()));
        return new PrintWriter(
                new OutputStreamWriter(
                        stream,
                        set.equals(java.nio.charset.StandardCharsets.US_ASCII)
                                ? java.nio.charset.StandardCharsets.UTF_8
                                : set),
                true);
    }

    static Screen none() {
        return new Screen(null);
    }

    static Screen on(PrintWriter stream) {
        return isTerminal(stream) ? new Screen(raw(stream)) : none();
    }

    boolean isOn() {
        return to != null;
    }

    /** What is below a writer that lets no control character through. */
    private static PrintWriter raw(PrintWriter stream) {
        return stream instanceof java.util.function.Supplier<?> guard ? (PrintWriter) guard.get() : stream;
    }

    /** System.console() would say so of stdin and stdout together, and in newer Java of none. */
    static boolean isTerminal(PrintWriter given) {
        PrintWriter stream = raw(given);
        if (stream != OUT && stream != ERR
                || Objects.requireNonNullElse(System.getenv("TERM"), "dumb").equals("dumb")) return false;
        try {
            return new ProcessBuilder("test", "-t", stream == OUT ? "1" : "2")
                            .inheritIO()
                            .start()
                            .waitFor()
                    == 0;
        } catch (IOException noSuchCommand) {
            return false;
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            return false;
        }
    }

    /** Lines must not end in the last column, after which terminals differ. */
    synchronized int width() {
        if (asked != 0 && System.nanoTime() - asked < 400_000_000) return columns - 1;
        asked = System.nanoTime();
        try {
            Process stty = new ProcessBuilder("stty", "size")
                    .redirectInput(new File("/dev/tty"))
                    .redirectError(ProcessBuilder.Redirect.DISCARD)
                    .start();
            String[] size =
                    new String(stty.getInputStream().readAllBytes()).trim().split(" ");
            if (size.length == 2 && !size[0].equals("0") && !size[1].equals("0")) {
                rows = Integer.parseInt(size[0]);
                columns = Integer.parseInt(size[1]);
            }
        } catch (IOException | NumberFormatException unknown) {
            /* as it was */
        }
        String given = Objects.requireNonNullElse(System.getenv("COLUMNS"), "");
        if (given.matches("[1-9]\\d{0,3}")) columns = Math.min(columns, Integer.parseInt(given));
        return columns - 1;
    }

    synchronized void draw(List<String> lines) {
        if (to == null) return;
        int width = width();
        StringBuilder text = new StringBuilder(back());
        boolean several = drawn.size() > 1 || drawn.size() == 1 && width(drawn.get(0)) > columns;
        drawn = lines.stream()
                .limit(Math.max(1, rows - 1))
                .map(l -> cut(Cli.Guard.harmless(l), width))
                .toList();
        for (int i = 0; i < drawn.size(); i++)
            text.append(i == 0 ? "\033[K" : "\n\033[K").append(paint.apply(drawn.get(i)));
        // Not the whole screen at once: tmux would keep what was cleared as its history.
        to.print(text.append(!drawn.isEmpty() ? "\033[J\r" : several ? "\033[K\n\033[J\033[A\r" : "\033[K\r"));
        to.flush();
    }

    /** To the first of the drawn lines; a terminal that was made narrower has broken them. The cursor is at the start of the last one. */
    private String back() {
        int up = 0;
        for (int i = 0; i < drawn.size() - 1; i++) up += Math.max(1, (width(drawn.get(i)) + columns - 1) / columns);
        return up == 0 ? "\r" : "\r\033[" + up + "A";
    }

    /** Takes away what is drawn. */
    synchronized void clear() {
        if (!drawn.isEmpty()) draw(List.of());
    }

    /** Takes it away for good. */
    synchronized void close() {
        clear();
        to = null;
    }

    /** Leaves it where it is, for good. */
    synchronized void keep() {
        draw(drawn); // over the ^C that the terminal has put there
        if (!drawn.isEmpty()) to.println();
        drawn = List.of();
        to = null;
    }

    /** Of a part that is done: as a bar, five times a second. */
    synchronized void bar(double share, String text) {
        if (to == null || System.nanoTime() - barAt < 200_000_000 && barAt != 0) return;
        barAt = System.nanoTime();
        int length = Math.max(5, Math.min(30, width() - 9 - text.length()));
        draw(List.of(String.format(
                Locale.ROOT,
                "[%-" + length + "s] %.0f%%  %s",
                "#".repeat((int) (Math.min(1, share) * length)),
                Math.min(1, share) * 100,
                text)));
    }

    static String left(double share, double seconds) {
        double left = share > 0 ? Math.max(0, seconds / share - seconds) : Double.NaN;
        return Double.isNaN(left)
                ? "? s left"
                : left < 100 ? Math.round(left) + " s left" : (int) Math.ceil(left / 60) + " min left";
    }

    /** The same stream, but what is drawn gives way to its lines. @param form what a line becomes on a terminal */
    PrintWriter above(PrintWriter stream, java.util.function.UnaryOperator<String> form) {
        if (to == null) return stream;
        boolean terminal = isTerminal(stream);
        return new PrintWriter(
                new Writer() {
                    private final StringBuilder text = new StringBuilder();

                    @Override
                    public void write(char[] chars, int from, int length) {
                        synchronized (Screen.this) {
                            int end = text.append(chars, from, length).lastIndexOf("\n") + 1;
                            if (end == 0) return;
                            List<String> below = drawn;
                            clear();
                            if (!terminal) stream.print(text.substring(0, end));
                            else text.substring(0, end).lines().map(form).forEach(stream::println);
                            stream.flush();
                            text.delete(0, end);
                            if (terminal && !below.isEmpty())
                                draw(below); // elsewhere it may have to go through a pipe first
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
                },
                true);
    }

    /** In columns of a terminal: Chinese takes two, an accent of its own none. */
    static int width(String line) {
        return line.codePoints().map(Screen::width).sum();
    }

    private static int width(int c) {
        if (c < 0x300) return 1;
        if (List.of((int) Character.NON_SPACING_MARK, (int) Character.ENCLOSING_MARK, (int) Character.FORMAT)
                .contains(Character.getType(c))) return 0;
        return c >= 0x1100 && c < 0x1160
                        || c >= 0x2e80 && c < 0xa4d0
                        || c >= 0xac00 && c < 0xd7a4
                        || c >= 0xf900 && c < 0xfb00
                        || c >= 0xfe30 && c < 0xfe70
                        || c >= 0xff00 && c < 0xff61
                        || c >= 0xffe0 && c < 0xffe7
                        || c >= 0x1f300 && c < 0x1fb00
                        || c >= 0x20000 && c < 0x40000
                ? 2
                : 1;
    }

    static String cut(String line, int columns) {
        StringBuilder cut = new StringBuilder();
        int used = 0, room = width(line) <= columns ? columns : columns - 1;
        for (int c : line.codePoints().toArray()) {
            if ((used += width(c)) > room)
                return cut.append(UNICODE ? '\u2026' : '>').toString();
            cut.appendCodePoint(Character.isISOControl(c) ? '?' : c);
        }
        return cut.toString();
    }
}
