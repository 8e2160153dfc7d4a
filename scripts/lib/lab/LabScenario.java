//SOURCES ../cli/Cli.java ../cli/Messages.java
//FILES scenarios/classic.txt=scenarios/classic.txt
//FILES scenarios/rolling-restart.txt=scenarios/rolling-restart.txt
//FILES scenarios/flapping.txt=scenarios/flapping.txt
//FILES scenarios/pause-leader.txt=scenarios/pause-leader.txt
//FILES scenarios/lost-majority.txt=scenarios/lost-majority.txt
//FILES scenarios/slow-follower.txt=scenarios/slow-follower.txt

import java.io.*;
import java.nio.charset.StandardCharsets;
import java.nio.file.*;
import java.time.Duration;
import java.util.*;
import java.util.function.Consumer;
import java.util.regex.*;
import picocli.CommandLine.TypeConversionException;

/**
 * What is done to the cluster under the running producer, read from a small text, one action a line
 * (docs/scenarios.md). The built-in ones are such texts in scenarios/; {@link ScenarioRun} carries them out.
 */
final class LabScenario {
    static final List<String> BUILT_IN =
            List.of("classic", "rolling-restart", "flapping", "pause-leader", "lost-majority", "slow-follower");
    static final List<String> FAULTS = List.of("kill", "stop", "pause", "disconnect");
    private static final List<String> CONDITIONS =
            List.of("controller", "in-sync", "no-quorum", "out-of-isr", "writes");
    private static final String TOPIC_PARTITION = "[A-Za-z0-9._-]+-\\d+";
    private static final String ROLE = "controller|random|(leader|follower):" + TOPIC_PARTITION;
    private static final String NODE = "\\d+|kafka\\d\\d";
    /** In a built-in scenario, a word that begins with @ is a text of the lab's messages. */
    private static final Pattern MESSAGE = Pattern.compile("@([a-z.-]+)");

    /** Where an action stands: its line, and which turn it is of a repeat; turns are 0 outside of one. */
    record Place(int line, int turn, int turns) {}

    /** An action; what its word does not take is null. The target is a node, a role, a name, a condition, or all. */
    record Action(Place place, String word, String target, String name, Duration time, String text) {
        static Action of(int line, String word) {
            return new Action(new Place(line, 0, 0), word, null, null, null, null);
        }

        Action on(String newTarget) {
            return new Action(place, word, newTarget, name, time, text);
        }

        Action as(String newName) {
            return new Action(place, word, target, newName, time, text);
        }

        Action lasting(Duration newTime) {
            return new Action(place, word, target, name, newTime, text);
        }

        Action saying(String newText) {
            return new Action(place, word, target, name, time, newText);
        }

        Action inTurn(int turn, int turns) {
            return new Action(new Place(place.line, turn, turns), word, target, name, time, text);
        }

        boolean isFault() {
            return FAULTS.contains(word);
        }

        boolean isHeading() {
            return word.equals("step");
        }

        /** Returns whether it begins a step of the notebook. What is awaited after it belongs to that step. */
        boolean beginsStep() {
            return isFault() || List.of("start", "slow", "probe").contains(word);
        }
    }

    final String name;
    final List<Action> actions = new ArrayList<>();
    String title;

    private LabScenario(String name, String title) {
        this.name = name;
        this.title = title;
    }

    /** Reads a built-in scenario, or a file. Throws an Exit when there is none, or a line of it is wrong. */
    static LabScenario of(String nameOrFile, Messages words) {
        try {
            if (BUILT_IN.contains(nameOrFile)) {
                String text = MESSAGE.matcher(builtIn(nameOrFile))
                        .replaceAll(m -> Matcher.quoteReplacement(words.text(m.group(1))));
                return parse(nameOrFile, text.lines().toList(), words);
            }
            return parse(nameOrFile, Files.readAllLines(Path.of(nameOrFile)), words);
        } catch (IOException | InvalidPathException e) {
            String builtIn = String.join(", ", BUILT_IN);
            throw new Cli.Exit(
                    2, "'" + nameOrFile + "' is not a scenario or a readable file: use " + builtIn + ", or a file.");
        }
    }

    private static String builtIn(String name) throws IOException {
        try (InputStream in = LabScenario.class.getResourceAsStream("/scenarios/" + name + ".txt")) {
            return new String(in.readAllBytes(), StandardCharsets.UTF_8);
        }
    }

    static LabScenario parse(String name, List<String> lines, Messages words) {
        LabScenario scenario = new LabScenario(name, words.text("scenario.title"));
        new Reader(scenario).read(lines);
        return scenario;
    }

    private static Cli.Exit wrong(String file, int line, String why) {
        return new Cli.Exit(2, file + ", line " + line + ": " + why);
    }

    /** Reads the lines of a scenario. */
    private static final class Reader {
        private final LabScenario scenario;
        private final Set<String> names = new HashSet<>();
        /** How each word of the language is read; {@link ScenarioRun} has what it does. */
        private final Map<String, Consumer<Line>> words = new LinkedHashMap<>();

        private List<Action> repeated;
        private int repeatLine;
        private int times;

        Reader(LabScenario scenario) {
            this.scenario = scenario;
            FAULTS.forEach(fault -> words.put(fault, line -> add(fault(line))));
            words.put("slow", line -> add(slow(line)));
            words.put("start", line -> add(start(line)));
            words.put("await", line -> add(await(line)));
            words.put("wait", line -> add(wait(line)));
            words.put("probe", line -> add(line.action()));
            words.put("repeat", this::repeat);
            words.put("end", this::end);
            words.put("step", line -> add(line.action().saying(line.rest())));
            words.put("means", line -> add(line.action().saying(line.rest())));
            words.put("title", line -> scenario.title = line.rest());
        }

        void read(List<String> lines) {
            for (int i = 0; i < lines.size(); i++) {
                String text = lines.get(i).replaceFirst("(^|\\s)#.*", "").strip();
                if (!text.isEmpty()) {
                    read(new Line(scenario.name, i + 1, text));
                }
            }
            if (repeated != null) {
                throw wrong(scenario.name, repeatLine, "the repeat has no end.");
            }
            requireActions();
        }

        private void read(Line line) {
            Consumer<Line> reader = words.get(line.word);
            if (reader == null) {
                throw line.wrong("'" + line.word + "' is not a step: use " + String.join(", ", words.keySet()) + ".");
            }
            reader.accept(line);
            line.requireEnd();
        }

        private void requireActions() {
            List<Action> all = scenario.actions;
            for (int i = 0; i < all.size(); i++) {
                boolean last = i + 1 == all.size();
                if (all.get(i).isHeading() && (last || all.get(i + 1).isHeading())) {
                    throw wrong(scenario.name, all.get(i).place.line, "this step has no action.");
                }
            }
            if (all.stream().noneMatch(Action::beginsStep)) {
                throw new Cli.Exit(2, scenario.name + ": the scenario has no action; see docs/scenarios.md.");
            }
        }

        private void add(Action action) {
            (repeated == null ? scenario.actions : repeated).add(action);
        }

        private void repeat(Line line) {
            if (repeated != null) {
                throw line.wrong("a repeat cannot be inside the repeat of line " + repeatLine + ".");
            }
            String word = line.next("a number from 1 to 99");
            if (!word.matches("[1-9]\\d?")) {
                throw line.wrong("'" + word + "' is not a number from 1 to 99.");
            }
            times = Integer.parseInt(word);
            repeated = new ArrayList<>();
            repeatLine = line.number;
        }

        private void end(Line line) {
            if (repeated == null) {
                throw line.wrong("there is no repeat to end.");
            }
            if (repeated.isEmpty()) {
                throw line.wrong("there is nothing between repeat and end.");
            }
            for (int turn = 1; turn <= times; turn++) {
                for (Action action : repeated) {
                    scenario.actions.add(action.inTurn(turn, times));
                }
            }
            repeated = null;
        }

        private Action fault(Line line) {
            String nodes = "a number, controller, random, leader:TOPIC-PARTITION, follower:TOPIC-PARTITION,"
                    + " or a name that an earlier line gave with 'as'";
            Action action = line.action().on(node(line, nodes, NODE + "|" + ROLE));
            while (!line.isEmpty()) {
                String word = line.next("");
                if (word.equals("for") && action.time == null) {
                    action = action.lasting(line.duration(line.nextAfter("for", "a duration")));
                } else if (word.equals("as") && action.name == null) {
                    action = action.as(name(line));
                } else {
                    throw line.wrong("'" + word + "' is not expected here: only 'as NAME' and 'for DURATION' are.");
                }
            }
            return action;
        }

        private String name(Line line) {
            String name = line.nextAfter("as", "a name");
            if (!name.matches("[a-z][a-z0-9-]*") || name.matches("all|" + NODE + "|" + ROLE)) {
                throw line.wrong("'" + name + "' cannot be a name: use lower-case letters, digits and dashes,"
                        + " and none of the roles.");
            }
            names.add(name);
            return name;
        }

        private Action slow(Line line) {
            Action action = fault(line);
            if (action.time == null) {
                throw line.wrong("slow needs a duration: add 'for DURATION'.");
            }
            return action;
        }

        private Action start(Line line) {
            String nodes = "a number, all, or a name that an earlier line gave with 'as'";
            return line.action().on(node(line, nodes, "all|" + NODE));
        }

        private String node(Line line, String nodes, String pattern) {
            String node = line.next("a node: " + nodes);
            if (!node.matches(pattern) && !names.contains(node)) {
                throw line.wrong("'" + node + "' is not a node here: use " + nodes + ".");
            }
            return node;
        }

        private Action await(Line line) {
            String conditions = String.join(", ", CONDITIONS);
            String condition = line.next("a condition: " + conditions);
            if (!CONDITIONS.contains(condition)) {
                throw line.wrong("'" + condition + "' is not a condition: use one of " + conditions + ".");
            }
            return line.action().on(condition);
        }

        private Action wait(Line line) {
            return line.isEmpty() ? line.action() : line.action().lasting(line.duration(line.next("")));
        }
    }

    /** One line, word by word. */
    private static final class Line {
        private final String file;
        private final int number;
        private final String word;
        private final Deque<String> rest;

        Line(String file, int number, String text) {
            this.file = file;
            this.number = number;
            rest = new ArrayDeque<>(List.of(text.split("\\s+")));
            word = rest.remove();
        }

        Cli.Exit wrong(String why) {
            return LabScenario.wrong(file, number, why);
        }

        Action action() {
            return Action.of(number, word);
        }

        boolean isEmpty() {
            return rest.isEmpty();
        }

        String next(String needed) {
            return nextAfter(word, needed);
        }

        String nextAfter(String before, String needed) {
            if (rest.isEmpty()) {
                throw wrong(before + " needs " + needed + ".");
            }
            return rest.remove();
        }

        String rest() {
            String text = next("a text") + " " + String.join(" ", rest);
            rest.clear();
            return text.strip();
        }

        Duration duration(String text) {
            try {
                return Cli.Common.duration(text);
            } catch (TypeConversionException e) {
                throw wrong(e.getMessage() + ".");
            }
        }

        void requireEnd() {
            if (!rest.isEmpty()) {
                throw wrong("'" + rest.peek() + "' is not expected here.");
            }
        }
    }
}
