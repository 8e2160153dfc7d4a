//SOURCES ../cli/Cli.java ../cli/Messages.java ../../WatchIsr.java

import java.util.*;
import java.util.stream.*;

/**
 * Shows below the lines of the lab, where they go to a terminal, the step and its time, the controller, the nodes, the
 * in-sync replicas, and the acknowledgements of each second, so that there is something to look at during an election.
 */
final class LabScreen {
    private static final String LEVELS =
            WatchIsr.Screen.UNICODE ? "\u2581\u2582\u2583\u2584\u2585\u2586\u2587\u2588" : "_.:-=+*#";
    private static final long SECOND = 1_000_000_000;

    private final WatchIsr.Screen screen;
    private final Messages words;
    private final long records;
    private final long began = System.nanoTime();
    /** By second since the first acknowledgement of the producer. */
    private final List<Integer> acks = new ArrayList<>();

    private String step = "";
    private int steps;
    private long stepBegan;
    private long stepTook = -1;
    private long firstAck;
    private long lastAck;
    private long loaded;
    private double loadRate;
    private WatchIsr.Snapshot snapshot;

    private LabScreen(WatchIsr.Screen screen, Messages words, long records) {
        this.screen = screen;
        this.words = words;
        this.records = records;
    }

    /**
     * From here on, the lab's lines are folded at words on a terminal, and come above what is drawn. Elsewhere all
     * stays as it is.
     */
    static LabScreen below(Cli.Common common, Messages words, long records) {
        WatchIsr.Screen screen = common.json ? WatchIsr.Screen.none() : WatchIsr.Screen.on(common.out);
        LabScreen view = new LabScreen(screen, words, records);
        if (screen.isOn()) {
            if (WatchIsr.Screen.COLOURS) {
                String silence = "(" + view.silence(0).split(" ")[0] + " .*)";
                screen.paint = line -> WatchIsr.paint(line).replaceAll(silence, "\033[31m$1\033[m");
            }
            common.out = screen.above(common.out, view::folded);
            common.err = screen.above(common.err, line -> line);
            Thread drawing = new Thread(view::draw, "screen");
            drawing.setDaemon(true);
            drawing.start();
        }
        return view;
    }

    /** The tables at the end, when the screen is off, stay whole. */
    private String folded(String line) {
        if (!screen.isOn()) {
            return line;
        }
        return fold(line, screen.width());
    }

    private void draw() {
        try {
            while (screen.isOn()) {
                screen.draw(lines(screen.width()));
                Thread.sleep(400);
            }
        } catch (InterruptedException over) {
            /* with the lab */
        }
    }

    void close() {
        screen.close();
    }

    synchronized void seen(WatchIsr.Snapshot now) {
        snapshot = now;
    }

    /** Takes an event of the lab: the others are in the snapshots, or in the lab's lines. */
    synchronized void seen(Map<String, Object> event) {
        switch (String.valueOf(event.get("type"))) {
            case "ack" -> acknowledged();
            case "perf-window" -> {
                loaded += ((Number) event.get("records")).longValue();
                loadRate = ((Number) event.get("recordsPerSec")).doubleValue();
            }
            case "phase" -> phase(event);
            default -> {}
        }
    }

    private void acknowledged() {
        lastAck = System.nanoTime();
        if (firstAck == 0) {
            firstAck = lastAck;
        }
        int second = second(lastAck);
        acks.set(second, acks.get(second) + 1);
    }

    private void phase(Map<String, Object> event) {
        long now = System.nanoTime();
        if (!event.get("state").equals("start")) {
            stepTook = now - stepBegan;
            return;
        }
        stepTook = -1;
        step = ++steps + ". " + event.get("phase");
        stepBegan = now;
        loaded = 0;
    }

    /** Returns the number of a second; all up to it have a count. */
    private int second(long now) {
        int second = (int) ((now - firstAck) / SECOND);
        while (acks.size() <= second) {
            acks.add(0);
        }
        return second;
    }

    private synchronized List<String> lines(int width) {
        long now = System.nanoTime();
        long inStep = stepTook < 0 && stepBegan > 0 ? now - stepBegan : Math.max(0, stepTook);
        String time = " " + words.text("screen.time", inStep / 1e9, (now - began) / SECOND);
        List<String> lines = new ArrayList<>();
        lines.add("-".repeat(width));
        lines.add(WatchIsr.Screen.cut(step, Math.max(10, width - time.length())) + time);
        if (snapshot != null) {
            lines.addAll(cluster());
        }
        if (loaded > 0) {
            lines.add(words.text("screen.loaded", loaded, records, loadRate));
        }
        if (firstAck > 0) {
            lines.add(acknowledgements(now, width));
        }
        return lines;
    }

    private List<String> cluster() {
        Map<String, List<Integer>> nodes = new TreeMap<>(Comparator.reverseOrder()); // up first
        snapshot.nodes()
                .forEach((id, port) -> nodes.computeIfAbsent(state(id, port), s -> new ArrayList<>())
                        .add(id));
        StringBuilder line = new StringBuilder(snapshot.brief());
        nodes.forEach((state, ids) -> line.append(" | ")
                .append(state)
                .append(' ')
                .append(ids.stream().map(String::valueOf).collect(Collectors.joining(","))));
        var all = snapshot.total();
        int offline = all.partitions() - all.online();
        return List.of(
                line.toString(),
                words.text(
                        "screen.isr", all.inSync(), all.replicas(), all.underReplicated(), offline, all.partitions()));
    }

    private String state(int id, String port) {
        if (!port.equals("answers")) {
            return port;
        }
        if (snapshot.brokers().contains(id)) {
            return "up";
        }
        return "fenced";
    }

    private String silence(double seconds) {
        return words.text("screen.silent", seconds);
    }

    /** Returns the seconds that are over, as many as there is room for. */
    private String acknowledgements(long now, int width) {
        int over = second(now);
        String last = over == 0 ? "-" : acks.get(over - 1).toString();
        String label = words.text("screen.acks", last) + " ";
        int room = Math.max(5, width - label.length() - 23);
        List<Integer> shown = acks.subList(Math.max(0, over - room), over);
        int most = shown.stream().mapToInt(n -> n).max().orElse(1);
        StringBuilder line = new StringBuilder(label);
        for (int n : shown) {
            int level = n == 0 ? 0 : Math.max(1, Math.round(7f * n / most));
            line.append(LEVELS.charAt(level));
        }
        if (now - lastAck >= SECOND) {
            line.append(' ').append(silence((now - lastAck) / 1e9));
        }
        return line.toString();
    }

    /**
     * Folds a line at words, so that nothing is lost, and a command can still be copied. The row of a table, which
     * would be none any more, is cut.
     */
    static String fold(String line, int width) {
        if (WatchIsr.Screen.width(line) <= width) {
            return line;
        }
        String body = line.stripLeading();
        if (body.matches(".*\\S  +\\S.*")) {
            return WatchIsr.Screen.cut(line, width);
        }
        String indent = " ".repeat(line.length() - body.length());
        String continued = body.startsWith("$ ") ? " \\" : "";
        int room = width - continued.length();
        StringBuilder folded = new StringBuilder();
        String row = "";
        for (String word : body.split(" ")) {
            if (row.isEmpty()) {
                row = indent + word;
            } else if (WatchIsr.Screen.width(row + " " + word) <= room) {
                row += " " + word;
            } else {
                folded.append(row).append(continued).append('\n');
                row = indent + "  " + word;
            }
        }
        return folded.append(row).toString();
    }
}
