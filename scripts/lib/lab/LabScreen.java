import java.util.*;
import java.util.stream.*;

/**
 * Below the lines of the lab, where they go to a terminal: the step and its time, the controller, the nodes, the in-sync replicas, and how many records are acknowledged each second.
 * It is made of the lab's own events and looks, so that there is something to look at while all waits for an election.
 */
class LabScreen {
    private static final String LEVELS =
            WatchIsr.Screen.UNICODE ? "\u2581\u2582\u2583\u2584\u2585\u2586\u2587\u2588" : "_.:-=+*#";

    private final WatchIsr.Screen screen;
    private final LabMessages words;
    private final long records, began = System.nanoTime();
    /** By second since the first acknowledgement of the producer. */
    private final List<Integer> acks = new ArrayList<>();

    private String step = "";
    private int steps;
    private long stepBegan, stepTook = -1, firstAck, lastAck, loaded;
    private double loadRate;
    private WatchIsr.Snapshot snapshot;

    private LabScreen(WatchIsr.Screen screen, Lab lab) {
        this.screen = screen;
        words = lab.words;
        records = lab.records;
    }

    /** From here on the lab's lines are folded at words on a terminal, and come above what is drawn; elsewhere all stays as it is. */
    static LabScreen below(Lab lab) {
        LabScreen screen =
                new LabScreen(lab.common.json ? WatchIsr.Screen.none() : WatchIsr.Screen.on(lab.common.out), lab);
        if (!screen.screen.isOn()) return screen;
        if (WatchIsr.Screen.COLOURS)
            screen.screen.paint = line ->
                    WatchIsr.paint(line).replaceAll("(" + screen.silent(0).split(" ")[0] + " .*)", "\033[31m$1\033[m");
        lab.common.out = screen.screen.above(
                lab.common.out,
                line -> screen.screen.isOn()
                        ? fold(line, screen.screen.width())
                        : line); // the tables at the end are whole
        lab.common.err = screen.screen.above(lab.common.err, line -> line);
        Thread drawing = new Thread(
                () -> {
                    try {
                        for (; screen.screen.isOn(); Thread.sleep(400))
                            screen.screen.draw(screen.lines(screen.screen.width()));
                    } catch (InterruptedException over) {
                        /* of the lab */
                    }
                },
                "screen");
        drawing.setDaemon(true);
        drawing.start();
        return screen;
    }

    void close() {
        screen.close();
    }

    synchronized void seen(WatchIsr.Snapshot now) {
        snapshot = now;
    }

    /** Any event of the lab. */
    synchronized void seen(Map<String, Object> event) {
        long now = System.nanoTime();
        switch (String.valueOf(event.get("type"))) {
            case "ack" -> {
                if (firstAck == 0) firstAck = now;
                lastAck = now;
                acks.set(second(now), acks.get(second(now)) + 1);
            }
            case "perf-window" -> {
                loaded += ((Number) event.get("records")).longValue();
                loadRate = ((Number) event.get("recordsPerSec")).doubleValue();
            }
            case "phase" -> {
                boolean starts = event.get("state").equals("start");
                stepTook = starts ? -1 : now - stepBegan;
                if (!starts) return;
                step = ++steps + ". " + event.get("phase");
                stepBegan = now;
                loaded = 0;
            }
            default -> {
                /* is told by the looks, or by the lab's lines */
            }
        }
    }

    /** Its number; all up to it have a count. */
    private int second(long now) {
        int second = (int) ((now - firstAck) / 1_000_000_000);
        while (acks.size() <= second) acks.add(0);
        return second;
    }

    private synchronized List<String> lines(int width) {
        long now = System.nanoTime();
        String time = " "
                + words.text(
                        "screen.time",
                        (stepTook < 0 && stepBegan > 0 ? now - stepBegan : Math.max(0, stepTook)) / 1e9,
                        (now - began) / 1_000_000_000);
        List<String> lines = new ArrayList<>(List.of(
                "-".repeat(width), WatchIsr.Screen.cut(step, Math.max(10, width - time.length())) + time));
        if (snapshot != null) {
            WatchIsr.ReplicaCounts all = snapshot.total();
            Map<String, List<Integer>> states = new TreeMap<>(Comparator.reverseOrder()); // up first
            snapshot.nodes()
                    .forEach((id, port) -> states.computeIfAbsent(
                                    !port.equals("answers")
                                            ? port
                                            : snapshot.brokers().contains(id) ? "up" : "fenced",
                                    s -> new ArrayList<>())
                            .add(id));
            lines.add(snapshot.brief()
                    + states.entrySet().stream()
                            .map(s -> " | " + s.getKey() + " "
                                    + s.getValue().stream().map(String::valueOf).collect(Collectors.joining(",")))
                            .collect(Collectors.joining()));
            lines.add(words.text(
                    "screen.isr",
                    all.inSync(),
                    all.replicas(),
                    all.underReplicated(),
                    all.partitions() - all.online(),
                    all.partitions()));
        }
        if (loaded > 0) lines.add(words.text("screen.loaded", loaded, records, loadRate));
        if (firstAck > 0) lines.add(acknowledgements(now, width));
        return lines;
    }

    private String silent(double seconds) {
        return words.text("screen.silent", seconds);
    }

    /** Of the seconds that are over, as many as there is room for. */
    private String acknowledgements(long now, int width) {
        int over = second(now);
        String last = over == 0 ? "-" : acks.get(over - 1).toString(),
                silent = now - lastAck < 1_000_000_000 ? "" : " " + silent((now - lastAck) / 1e9);
        String label = words.text("screen.acks", last) + " ";
        List<Integer> shown = acks.subList(Math.max(0, over - Math.max(5, width - label.length() - 23)), over);
        int most = shown.stream().mapToInt(n -> n).max().orElse(1);
        return label
                + shown.stream()
                        .map(n -> "" + LEVELS.charAt(n == 0 ? 0 : Math.max(1, Math.round(7f * n / most))))
                        .collect(Collectors.joining())
                + silent;
    }

    /** At words, so that nothing is lost; but the row of a table, which would be none any more, is cut. A command can still be copied. */
    static String fold(String line, int width) {
        String body = line.stripLeading(), indent = " ".repeat(line.length() - body.length()), next = indent + "  ";
        if (WatchIsr.Screen.width(line) <= width) return line;
        if (body.matches(".*\\S  +\\S.*")) return WatchIsr.Screen.cut(line, width);
        String more = body.startsWith("$ ") ? " \\" : "";
        StringBuilder folded = new StringBuilder();
        String row = indent;
        for (String word : body.split(" ")) {
            boolean first = row.isBlank();
            if (!first && WatchIsr.Screen.width(row) + 1 + WatchIsr.Screen.width(word) > width - more.length()) {
                folded.append(row).append(more).append('\n');
                row = next + word;
            } else row += (first ? "" : " ") + word;
        }
        return folded.append(row).toString();
    }
}
