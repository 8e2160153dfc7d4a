//SOURCES ../cli/Cli.java ../cli/Messages.java ../outage/Outage.java
//FILES lab-messages.properties=lab-messages.properties
//FILES lab-messages_ru.properties=lab-messages_ru.properties

import com.fasterxml.jackson.jr.ob.JSON;
import java.io.*;
import java.time.Duration;
import java.util.*;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.function.Consumer;

/** Records an experiment as it goes on: its steps for the notebook, its lines on stdout, its events. */
class LabJournal implements Closeable {
    /** A step of the notebook. */
    static final class Step {
        final String title;
        final String command;
        final List<String> lines = new ArrayList<>();
        String meaning = "";
        Duration took = Duration.ZERO;
        /** The part of it spent waiting for Kafka: elections, session timeouts, restarts, catching up. */
        Duration waited = Duration.ZERO;

        boolean complete;
        private final long began = System.nanoTime();

        Step(String title, String command) {
            this.title = title;
            this.command = command;
        }
    }

    final Messages words;
    final List<Step> steps = new ArrayList<>();
    private final Cli.Common common;
    private final Writer events;
    private boolean isClosed, isIncomplete;
    private final List<Consumer<Map<String, Object>>> listeners = new CopyOnWriteArrayList<>();

    LabJournal(Cli.Common common, Messages words, Writer events) {
        this.common = common;
        this.words = words;
        this.events = events;
    }

    /** Returns the texts of the lab, and of outages. Throws an Exit when the language is not supported. */
    static Messages messages(String language) {
        return Messages.of(language, "lab-messages", Outage.MESSAGES);
    }

    /** Adds who gets every event from now on. */
    void listen(Consumer<Map<String, Object>> listener) {
        listeners.add(listener);
    }

    // ---- Steps ----

    void begin(String title, String command) {
        steps.add(new Step(title, command));
        emit("phase", "phase", title, "state", "start");
        if (!common.json) {
            common.out.printf(Locale.ROOT, "%n%d. %s%n   $ %s%n", steps.size(), title, command);
        }
    }

    void end(String meaning) {
        Step step = step();
        step.meaning = meaning;
        step.complete = true;
        step.took = Duration.ofNanos(System.nanoTime() - step.began);
        emit("phase", "phase", step.title, "state", "end", "ms", step.took.toMillis());
    }

    private Step step() {
        return steps.get(steps.size() - 1);
    }

    String lastTitle() {
        return steps.isEmpty() ? "" : step().title;
    }

    Duration waited() {
        return steps.stream().map(s -> s.waited).reduce(Duration.ZERO, Duration::plus);
    }

    // ---- Lines ----

    String text(String key, Object... args) {
        return words.text(key, args);
    }

    void say(String key, Object... args) {
        line(text(key, args));
    }

    void line(String line) {
        step().lines.add(line);
        if (!common.json) {
            common.out.println("   " + Cli.printable(line));
        }
    }

    /** Says something whose last argument is the time since a System.nanoTime(), all of it spent waiting for Kafka. */
    void waited(Since since, String key, Object... args) {
        Duration waited = Duration.ofNanos(System.nanoTime() - since.nanoTime);
        Object[] all = Arrays.copyOf(args, args.length + 1);
        all[args.length] = text(since.key, seconds(waited));
        if (waited.compareTo(step().waited) > 0) {
            step().waited = waited;
        }
        say(key, all);
    }

    /** A System.nanoTime(), and the key of the text that says after what. */
    record Since(long nanoTime, String key) {}

    static double seconds(Duration duration) {
        return duration.toMillis() / 1e3;
    }

    /** Returns a number without decimals where it has none. */
    static String plain(double number) {
        return number == Math.rint(number) ? "" + (long) number : "" + number;
    }

    /** Returns where a step prints to whose output is not the experiment's. */
    static PrintWriter quiet() {
        return new PrintWriter(Writer.nullWriter());
    }

    // ---- Events ----

    void emit(String type, Object... fields) {
        Map<String, Object> event = new LinkedHashMap<>();
        event.put("ts", Cli.timestamp());
        event.put("source", "lab");
        event.put("type", type);
        for (int i = 0; i < fields.length; i += 2) {
            event.put((String) fields[i], fields[i + 1]);
        }
        record(event);
    }

    /** Takes every event of every step: to the run's folder, to --events, and with --json to stdout. */
    synchronized void record(Map<String, Object> event) {
        listeners.forEach(listener -> listener.accept(event));
        try {
            String line = JSON.std.asString(event);
            events.write(line + "\n");
            events.flush();
            if (common.json) {
                common.out.println(line);
            }
            if (common.events != null) {
                try (Writer more = new OutputStreamWriter(new FileOutputStream(common.events, true), "UTF-8")) {
                    more.write(line + "\n");
                }
            }
        } catch (IOException e) {
            reportOnce(e);
        }
    }

    /** An event may come after the end of the run; before it, what is computed from the events lacks one. */
    private void reportOnce(IOException e) {
        if (!isClosed && !isIncomplete) {
            isIncomplete = true;
            common.say("Events are missing from now on, since they cannot be written: %s.", e.getMessage());
        }
    }

    @Override
    public synchronized void close() throws IOException {
        isClosed = true;
        events.close();
    }
}
