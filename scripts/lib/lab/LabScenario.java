import java.io.IOException;
import java.nio.file.*;
import java.time.*;
import java.util.*;
import java.util.regex.*;
import java.util.stream.*;
import org.apache.kafka.clients.admin.*;
import org.apache.kafka.common.Node;
import org.apache.kafka.common.TopicPartitionInfo;

/**
 * What is done to the cluster under the running producer: steps of a small text, one a line (docs/scenarios.md). The built-in ones are written
 * in the same form and take the same way. An action (a fault, start, slow, probe) begins a step of the notebook; what is awaited after it belongs to that step.
 */
class LabScenario {
    private static final Set<String> FAULTS = Set.of("kill", "stop", "pause", "disconnect");
    private static final Set<String> CONDITIONS =
            new TreeSet<>(Set.of("controller", "no-quorum", "writes", "out-of-isr", "in-sync"));
    private static final String TOPIC_PARTITION = "[A-Za-z0-9._-]+-\\d+",
            ROLE = "controller|random|(leader|follower):" + TOPIC_PARTITION,
            NODE = "\\d+|kafka\\d\\d";
    /** Below the session timeout, even the fast one, so that the node is never taken for dead. */
    private static final long BURST_MS = 1_000, REST_MS = 250;

    /** A word that begins with @ is a text of the lab's messages. */
    static final Map<String, String> BUILT_IN = new LinkedHashMap<>();

    static {
        BUILT_IN.put("classic", """
            title @classic.title
            probe
            step @classic.first
            kill controller as first
            await controller
            await writes
            await out-of-isr
            means @classic.first-means
            probe
            step @classic.second
            kill controller as second
            await no-quorum
            wait    # for as long as --observe says
            means @classic.second-means
            probe
            step @classic.back
            start first
            await controller
            await writes
            means @classic.back-means
            step @classic.other
            start second
            await in-sync
            means @classic.other-means
            """);
        BUILT_IN.put("rolling-restart", """
            title @rolling.title
            stop 1
            await writes
            start 1
            await in-sync
            stop 2
            await writes
            start 2
            await in-sync
            stop 3
            await writes
            start 3
            await in-sync
            """);
        BUILT_IN.put("flapping", """
            title @flapping.title
            repeat 4
              kill 2 for 2s
              await writes
              await in-sync
            end
            """);
        BUILT_IN.put("pause-leader", """
            title @pause.title
            pause leader:critical_data-0 as leader
            await controller
            await writes
            await out-of-isr
            probe
            start leader
            await in-sync
            """);
        BUILT_IN.put("lost-majority", """
            title @majority.title
            stop controller as first
            await controller
            await writes
            step @majority.second
            stop controller as second
            await no-quorum
            wait
            means @majority.second-means
            probe
            start all
            await controller
            await writes
            await in-sync
            """);
        BUILT_IN.put("slow-follower", """
            title @slow.title
            step @slow.before
            wait
            means @slow.before-means
            slow follower:critical_data-0 as slow for 20s
            await in-sync
            step @slow.dead
            kill slow
            await writes
            await out-of-isr
            start slow
            await in-sync
            """);
    }

    /** @param target a node, a role, a name given by "as", or all  @param time for, or of wait; null if none  @param turn of so many turns of a repeat; 0: of none */
    record Action(int line, String verb, String target, String name, Duration time, String text, int turn, int turns) {
        boolean isFault() {
            return FAULTS.contains(verb);
        }

        boolean beginsStep() {
            return isFault() || List.of("start", "slow", "probe").contains(verb);
        }
    }

    final String name;
    String title;
    final List<Action> actions = new ArrayList<>();
    private final LabMessages words;

    private LabScenario(String name, LabMessages words) {
        this.name = name;
        this.words = words;
        title = words.text("scenario.title");
    }

    // ---- Reading ----

    /** A built-in one by its name, else a file, whose own texts stay as they are. @throws Cli.Exit 2 when there is none, or a line of it is wrong */
    static LabScenario of(String nameOrFile, LabMessages words) {
        if (BUILT_IN.containsKey(nameOrFile))
            return parse(
                    nameOrFile,
                    BUILT_IN.get(nameOrFile)
                            .lines()
                            .map(line -> Pattern.compile("@([a-z.-]+)")
                                    .matcher(line)
                                    .replaceAll(m -> Matcher.quoteReplacement(words.text(m.group(1)))))
                            .toList(),
                    words);
        try {
            return parse(nameOrFile, Files.readAllLines(Path.of(nameOrFile)), words);
        } catch (IOException | InvalidPathException e) {
            throw new Cli.Exit(
                    2,
                    "There is no scenario and no file '" + nameOrFile + "' to be read; built in are "
                            + String.join(", ", BUILT_IN.keySet()) + ".");
        }
    }

    static LabScenario parse(String name, List<String> lines, LabMessages words) {
        LabScenario scenario = new LabScenario(name, words);
        Set<String> names = new HashSet<>();
        List<Action> repeated = null;
        int times = 0, from = 0;
        for (int i = 0; i < lines.size(); i++) {
            String line = lines.get(i).replaceFirst("(^|\\s)#.*", "").strip();
            if (line.isEmpty()) continue;
            Words rest = new Words(name, i + 1, line);
            String verb = rest.verb;
            if (verb.equals("repeat")) {
                if (repeated != null) throw rest.wrong("a repeat inside the repeat of line " + from + ".");
                times = rest.number("repeat");
                rest.end();
                repeated = new ArrayList<>();
                from = i + 1;
            } else if (verb.equals("end")) {
                if (repeated == null) throw rest.wrong("there is no repeat that it ends.");
                if (repeated.isEmpty()) throw rest.wrong("there is nothing between repeat and end.");
                rest.end();
                for (int round = 1; round <= times; round++)
                    for (Action a : repeated)
                        scenario.actions.add(
                                new Action(a.line, a.verb, a.target, a.name, a.time, a.text, round, times));
                repeated = null;
            } else if (verb.equals("title")) {
                scenario.title = rest.rest();
            } else {
                (repeated == null ? scenario.actions : repeated).add(rest.action(names));
            }
        }
        if (repeated != null) throw new Cli.Exit(2, name + ", line " + from + ": the repeat has no end.");
        for (int i = 0; i < scenario.actions.size(); i++)
            if (scenario.actions.get(i).verb.equals("step")
                    && (i + 1 == scenario.actions.size()
                            || scenario.actions.get(i + 1).verb.equals("step")))
                throw new Cli.Exit(
                        2, name + ", line " + scenario.actions.get(i).line + ": nothing is done in this step.");
        if (scenario.actions.stream().noneMatch(Action::beginsStep))
            throw new Cli.Exit(2, name + ": nothing happens in it; docs/scenarios.md says what can be written there.");
        return scenario;
    }

    /** One line, word by word. */
    private static class Words {
        private final String file, verb;
        private final int line;
        private final List<String> rest;

        Words(String file, int line, String text) {
            this.file = file;
            this.line = line;
            List<String> words = List.of(text.split("\\s+"));
            verb = words.get(0);
            rest = new ArrayList<>(words.subList(1, words.size()));
        }

        Cli.Exit wrong(String why) {
            return new Cli.Exit(2, file + ", line " + line + ": " + why);
        }

        Action action(Set<String> names) {
            switch (verb) {
                case "step", "means" -> {
                    return action(null, null, null, rest());
                }
                case "probe" -> {
                    end();
                    return action(null, null, null, null);
                }
                case "wait" -> {
                    Duration time = rest.isEmpty() ? null : duration(rest.remove(0));
                    end();
                    return action(null, null, time, null);
                }
                case "await" -> {
                    String condition = next("what? One of " + String.join(", ", CONDITIONS));
                    if (!CONDITIONS.contains(condition))
                        throw wrong("'" + condition + "' cannot be awaited; one of " + String.join(", ", CONDITIONS)
                                + " can.");
                    end();
                    return action(condition, null, null, null);
                }
                case "start" -> {
                    String target = next("which node? Its number, the name it got by 'as', or all");
                    if (!target.matches("all|" + NODE) && !names.contains(target))
                        throw wrong("'" + target
                                + "' is no node: start takes a number, all, or a name that a line before gave"
                                + " by 'as'.");
                    end();
                    return action(target, null, null, null);
                }
                case "kill", "stop", "pause", "disconnect", "slow" -> {
                    return fault(names);
                }
                default ->
                    throw wrong("'" + verb
                            + "' is no step; there are kill, stop, pause, disconnect, slow, start, await,"
                            + " wait, probe, repeat, end, step, means, title.");
            }
        }

        private Action fault(Set<String> names) {
            String
                    target =
                            next("which node? A number, controller, random, leader:TOPIC-PARTITION,"
                                    + " follower:TOPIC-PARTITION, or a name"),
                    name = null;
            if (!target.matches(NODE + "|" + ROLE) && !names.contains(target))
                throw wrong("'" + target
                        + "' is no node: a number, controller, random, leader:TOPIC-PARTITION,"
                        + " follower:TOPIC-PARTITION, or a name that a line before gave by 'as'.");
            Duration time = null;
            while (!rest.isEmpty()) {
                String word = rest.remove(0);
                if (word.equals("for") && time == null) time = duration(next("for how long?"));
                else if (word.equals("as") && name == null) name = next("as what?");
                else
                    throw wrong("'" + word
                            + "' is not expected here; after the node may come 'as NAME' and 'for DURATION'.");
            }
            if (name != null && (!name.matches("[a-z][a-z0-9-]*") || name.matches("all|" + NODE + "|" + ROLE)))
                throw wrong("'" + name
                        + "' cannot be a name: lower-case letters, digits and dashes, and none of the roles.");
            if (name != null) names.add(name);
            if (verb.equals("slow") && time == null) throw wrong("slow for how long? Say 'for DURATION'.");
            return action(target, name, time, null);
        }

        private Action action(String target, String name, Duration time, String text) {
            return new Action(line, verb, target, name, time, text, 0, 0);
        }

        String rest() {
            if (rest.isEmpty()) throw wrong(verb + " what? A text belongs after it.");
            return String.join(" ", rest);
        }

        String next(String question) {
            if (rest.isEmpty()) throw wrong(verb + " " + question + ".");
            return rest.remove(0);
        }

        int number(String of) {
            String word = next("how many times?");
            if (!word.matches("[1-9]\\d?")) throw wrong("'" + word + "' is not a number of times from 1 to 99.");
            return Integer.parseInt(word);
        }

        Duration duration(String word) {
            try {
                return Cli.Common.duration(word);
            } catch (picocli.CommandLine.TypeConversionException e) {
                throw wrong(e.getMessage() + ".");
            }
        }

        void end() {
            if (!rest.isEmpty()) throw wrong("'" + rest.get(0) + "' is not expected here.");
        }
    }

    // ---- Running ----

    Lab lab;
    private final Map<String, Integer> nodes = new HashMap<>();
    private final Map<String, Integer> said = new HashMap<>();
    private Action action;
    /** When the step's fault was applied, or its nodes started; when that was done. By System.nanoTime(), which no set clock moves. */
    private long at, done;

    private final List<String> meaning = new ArrayList<>();

    /** Does it all, and mends what it leaves broken. */
    void run(Lab lab) throws Exception {
        this.lab = lab;
        at = done = System.nanoTime();
        String heading = null;
        for (int i = 0; i < actions.size(); i++) {
            Action a = actions.get(i);
            if (a.verb.equals("step")) {
                heading = turn(a, a.text);
                continue;
            }
            if (a.beginsStep() || heading != null || action == null) {
                end();
                action = a;
                lab.begin(heading != null ? heading : title(a), command(a, actions.subList(i + 1, actions.size())));
                heading = null;
            }
            perform(a);
        }
        end();
        if (!lab.broken.isEmpty()) {
            action = new Action(0, "start", "all", null, null, null, 0, 0);
            lab.begin(words.text("scenario.mend"), command(action, List.of()));
            start("all");
            await("in-sync");
            end();
        }
    }

    private void end() {
        if (action == null) return;
        if (meaning.isEmpty()) meaning.add(usual(action.verb));
        String text = String.join(" ", meaning);
        Integer before = said.putIfAbsent(text, lab.steps());
        lab.end(before == null || text.isEmpty() ? text : words.text("scenario.as-in", before));
        meaning.clear();
        action = null;
    }

    void perform(Action a) throws Exception {
        switch (a.verb) {
            case "kill", "stop", "pause", "disconnect" -> fault(a);
            case "start" -> start(a.target);
            case "slow" -> slow(a);
            case "await" -> await(a.target);
            case "wait" -> watchFor(a.time == null ? lab.observe : a.time);
            case "probe" -> probe();
            default -> meaning.add(a.text); // means
        }
    }

    private void fault(Action a) throws Exception {
        KillNode script = lab.node(node(a.target), "--mode", a.verb, "--force");
        Instant before = Instant.now();
        long began = System.nanoTime();
        KillNode.Done fault;
        try {
            fault = script.breakNodes(script.runtime()).get(0);
        } finally {
            script.broken.forEach(n -> lab.broken.add(n.id()));
        }
        if (a.name != null) nodes.put(a.name, fault.node().id());
        done = System.nanoTime();
        at = monotonic(fault.at(), before, began, done);
        String signal = lab.where == KillNode.Where.EXTERNAL
                ? "--kill-command"
                : Map.of("kill", "SIGKILL", "stop", "SIGTERM", "pause", "SIGSTOP")
                        .getOrDefault(a.verb, words.text("done.off-network"));
        lab.say("done." + a.verb, fault.node().name(), signal, fault.at());
        if (a.time == null) return;
        watchFor(a.time);
        start("" + fault.node().id());
    }

    /** Returns a moment of the wall clock as a System.nanoTime(); one that a clock set meanwhile puts outside of the call it was taken in is moved to its nearer end. */
    static long monotonic(Instant moment, Instant before, long began, long done) {
        return Math.max(
                began, Math.min(done, began + Duration.between(before, moment).toNanos()));
    }

    private void start(String target) throws Exception {
        long first = System.nanoTime();
        lab.start(
                target.equals("all")
                        ? List.copyOf(lab.broken)
                        : List.of(Integer.parseInt(node(target).replace("kafka", ""))));
        at = done = first;
    }

    /**
     * Slowed by stopping its process in short bursts, since nothing else makes a follower slow that is in sync: a replication throttle spares in-sync replicas.
     */
    private void slow(Action a) throws Exception {
        int id = Integer.parseInt(node(a.target).replace("kafka", ""));
        if (a.name != null) nodes.put(a.name, id);
        List<Long> before = lab.takeLatencies();
        before = before.subList(Math.max(0, before.size() - 100), before.size());
        KillNode script = lab.node("" + id);
        KillNode.NodeRuntime runtime = script.runtime();
        KillNode.Target node = runtime.nodes().stream()
                .filter(n -> n.id() == id)
                .findFirst()
                .orElseThrow(() -> new Cli.Exit(2, "There is no node " + id + "."));
        int bursts = 0, fewest = Integer.MAX_VALUE;
        Instant from = Instant.now();
        at = System.nanoTime();
        lab.broken.add(id);
        lab.emit(
                "fault",
                "node",
                id,
                "name",
                node.name(),
                "mode",
                "pause",
                "runtime",
                runtime.name(),
                "at",
                from.toString(),
                "burstMs",
                BURST_MS,
                "everyMs",
                BURST_MS + REST_MS);
        for (long end = System.nanoTime() + a.time.toNanos(); System.nanoTime() < end; bursts++) {
            runtime.fault(node, KillNode.Mode.PAUSE);
            Thread.sleep(BURST_MS); // the fault itself
            WatchIsr.Snapshot s = lab.latest();
            if (s != null && s.alive()) fewest = Math.min(fewest, s.total().inSync());
            runtime.restore(node);
            Thread.sleep(REST_MS);
        }
        List<Long> meanwhile = lab.takeLatencies();
        lab.broken.remove(id);
        done = System.nanoTime();
        lab.emit(
                "restored",
                "node",
                id,
                "name",
                node.name(),
                "runtime",
                runtime.name(),
                "at",
                Instant.now().toString());
        lab.say("slow.bursts", node.name(), BURST_MS / 1e3, (BURST_MS + REST_MS) / 1e3, bursts, from);
        lab.say("slow.latency", spread(before), spread(meanwhile));
        WatchIsr.Snapshot s = lab.latest();
        int all = s == null ? 0 : s.total().replicas();
        boolean seen = fewest < Integer.MAX_VALUE;
        if (seen) lab.say("slow.isr", fewest, all);
        lab.sayGap();
        meaning.add(
                !seen
                        ? words.text("slow.unseen")
                        : fewest >= all ? words.text("slow.stayed") : words.text("slow.left", all - fewest));
    }

    private String spread(List<Long> micros) {
        if (micros.isEmpty()) return words.text("slow.none");
        List<Long> sorted = micros.stream().sorted().toList();
        return words.text("slow.spread", median(sorted) / 1e3, sorted.get(sorted.size() - 1) / 1e3, sorted.size());
    }

    /** Returns the middle value, and of an even number the mean of the two in the middle. */
    static double median(List<Long> sorted) {
        return (sorted.get((sorted.size() - 1) / 2) + sorted.get(sorted.size() / 2)) / 2.0;
    }

    private void await(String condition) throws Exception {
        boolean since = action != null && (action.isFault() || action.verb.equals("start"));
        String after = "after." + (!since ? "step" : action.isFault() && action.time != null ? "start" : action.verb);
        switch (condition) {
            case "controller" -> {
                WatchIsr.Snapshot s =
                        lab.await(condition, x -> x.controller() >= 0 && !lab.broken.contains(x.controller()));
                lab.waited(at, after, "seen.controller", s.controller(), s.epoch());
            }
            case "no-quorum" -> {
                lab.await(condition, WatchIsr.Until.NO_QUORUM);
                if (lab.cluster.isCombined()) lab.waited(at, after, "seen.no-quorum", 3 - lab.broken.size());
                else lab.waited(at, after, "seen.no-controller");
            }
            case "writes" -> {
                lab.writesFlow(done);
                lab.waited(at, after, "seen.writes", lab.partitions());
                lab.sayGap();
            }
            case "out-of-isr" -> {
                WatchIsr.ReplicaCounts t = lab.await(
                                condition,
                                x -> x.alive()
                                        && lab.broken.stream()
                                                .noneMatch(id -> x.brokers().contains(id)
                                                        || x.isrs().containsKey(id)))
                        .total();
                lab.waited(
                        at,
                        after,
                        "seen.out-of-isr",
                        t.inSync(),
                        t.replicas(),
                        t.underReplicated(),
                        t.online(),
                        t.partitions());
            }
            default -> {
                WatchIsr.ReplicaCounts t = lab.await(condition, lab::isInSync).total();
                lab.waited(at, after, "seen.in-sync", t.inSync(), t.replicas(), t.online(), t.partitions());
            }
        }
    }

    /** An observation: that something is acknowledged, or nothing, has to be watched for a while. */
    private void watchFor(Duration time) throws Exception {
        long before = lab.acknowledged(), from = System.nanoTime();
        Thread.sleep(time.toMillis());
        lab.say("producer.meanwhile", (System.nanoTime() - from) / 1e9, lab.acknowledged() - before);
    }

    private void probe() throws Exception {
        List<ProbeAnswer> answers = lab.probe();
        ProbeTable.lines(answers).forEach(lab::line);
        meaning.add(LabNotebook.meaning(answers, words));
    }

    // ---- Words ----

    /** @return what kill-node takes: a node that a name stands for, the follower of a partition, or the word itself */
    private String node(String target) throws Exception {
        if (nodes.containsKey(target)) return "" + nodes.get(target);
        if (!target.startsWith("follower:")) return target;
        String partition = target.substring(9), topic = partition.substring(0, partition.lastIndexOf('-'));
        int number = Integer.parseInt(partition.substring(topic.length() + 1));
        try (Admin admin = lab.common.admin()) {
            int controller = admin.describeMetadataQuorum().quorumInfo().get().leaderId();
            TopicPartitionInfo info = admin.describeTopics(List.of(topic))
                    .allTopicNames()
                    .get()
                    .get(topic)
                    .partitions()
                    .get(number);
            // The active controller would do more than follow slowly.
            return ""
                    + info.isr().stream()
                            .map(Node::id)
                            .filter(id -> id != info.leader().id())
                            .min(Comparator.comparing((Integer id) -> id == controller)
                                    .thenComparing(id -> id))
                            .orElseThrow(() -> new Cli.Exit(1, partition + " has no follower in sync."));
        } catch (java.util.concurrent.ExecutionException | IndexOutOfBoundsException e) {
            throw new Cli.Exit(2, name + ": there is no follower of '" + partition + "'.");
        }
    }

    String title(Action a) {
        String target = a.target == null ? "" : a.target, partition = target.substring(target.indexOf(':') + 1);
        String who = nodes.containsKey(target)
                ? words.text("who.node", nodes.get(target))
                : target.matches("controller|random|all")
                        ? words.text("who." + target)
                        : target.startsWith("leader:")
                                ? words.text("who.leader", partition)
                                : target.startsWith("follower:")
                                        ? words.text("who.follower", partition)
                                        : words.text("who.node", target.replaceFirst("kafka0*", ""));
        String what = switch (a.verb) {
            case "probe" ->
                lab.cluster.isCombined()
                        ? words.text("title.probe", 3 - lab.broken.size())
                        : words.text("title.probe-now");
            case "await" -> words.text("title.await", target);
            case "wait", "means" -> words.text("title." + a.verb);
            default -> words.text("title." + a.verb, who);
        };
        return turn(
                a,
                a.isFault() && a.time != null
                        ? words.text("title.lasting", what, Lab.plain(Lab.seconds(a.time)))
                        : what);
    }

    private String turn(Action a, String title) {
        return a.turns == 0 ? title : words.text("title.round", title, a.turn, a.turns);
    }

    /** What one would type for it. */
    private String command(Action a, List<Action> following) {
        String node = a.target == null ? "" : nodes.containsKey(a.target) ? "" + nodes.get(a.target) : a.target,
                lasting = a.time == null ? "" : " --for " + Lab.plain(Lab.seconds(a.time)) + "s";
        boolean inSync = following.stream()
                .takeWhile(f -> !f.beginsStep() && !f.verb.equals("step"))
                .anyMatch(f -> "in-sync".equals(f.target));
        return switch (a.verb) {
            case "kill" ->
                "kill-node " + node + lasting
                        + (a.target.equals("controller") && lab.broken.size() > 0 ? " --force" : "");
            case "slow" -> words.text("slow.command");
            case "start" -> "start-node " + node + (inSync || a.line == 0 ? "; watch-isr --until in-sync" : "");
            case "probe" -> lab.probeCommand();
            case "await", "wait", "means" -> "watch-isr";
            default -> "kill-node --mode " + a.verb + " " + node + lasting + (lab.broken.size() > 0 ? " --force" : "");
        };
    }

    /** What a step means for which the scenario says nothing itself. */
    private String usual(String verb) {
        return FAULTS.contains(verb) || verb.equals("start") ? words.text("usual." + verb) : "";
    }
}
