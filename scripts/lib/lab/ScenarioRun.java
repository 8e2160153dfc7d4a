//SOURCES LabScenario.java LabCluster.java LabJournal.java LabWatch.java LabProducer.java LabNodes.java
//SOURCES ProbeMeaning.java ../probe/ProbeTable.java ../../ProbeCluster.java ../../WatchIsr.java

import java.time.Duration;
import java.util.*;
import org.apache.kafka.common.TopicPartition;

/** Carries out a scenario. */
final class ScenarioRun {
    /** What a scenario acts on. The pause is that of a wait without a time of its own. */
    record Parts(
            LabCluster cluster,
            LabJournal journal,
            LabWatch watch,
            LabProducer producer,
            LabNodes nodes,
            Duration pause) {}

    private interface Handler {
        void accept(LabScenario.Action action) throws Exception;
    }

    private final LabScenario scenario;
    private final LabCluster cluster;
    private final LabJournal journal;
    private final LabWatch watch;
    private final LabProducer producer;
    private final LabNodes nodes;
    private final Duration wait;
    private final String probedTopic;
    /** What each word of the language does; {@link LabScenario} has how it is read. */
    private final Map<String, Handler> words = new HashMap<>();

    private final Map<String, Handler> conditions = Map.of(
            "controller", this::awaitController,
            "no-quorum", this::awaitNoQuorum,
            "writes", this::awaitWrites,
            "out-of-isr", this::awaitOutOfIsr,
            "in-sync", this::awaitInSync);

    /** The ids of nodes by the names that the scenario gave them. */
    private final Map<String, String> named = new HashMap<>();

    private final Map<String, Integer> stepOfMeaning = new HashMap<>();
    private final List<String> meaning = new ArrayList<>();
    /** The action that began the step. */
    private LabScenario.Action action;
    /** When the step's fault was applied, or its nodes began to start, by System.nanoTime(). */
    private long at = System.nanoTime();
    /** When that was done. */
    private long done = at;

    ScenarioRun(LabScenario scenario, Parts parts, String probedTopic) {
        this.scenario = scenario;
        cluster = parts.cluster;
        journal = parts.journal;
        watch = parts.watch;
        producer = parts.producer;
        nodes = parts.nodes;
        wait = parts.pause;
        this.probedTopic = probedTopic;
        LabScenario.FAULTS.forEach(fault -> words.put(fault, this::fault));
        words.put("slow", this::slow);
        words.put("start", a -> start(a.target()));
        words.put("await", a -> conditions.get(a.target()).accept(a));
        words.put("wait", a -> watchFor(Objects.requireNonNullElse(a.time(), wait)));
        words.put("probe", a -> probe());
        words.put("means", a -> meaning.add(a.text()));
    }

    /** Does it all, and starts what it leaves broken. */
    void run() throws Exception {
        String heading = null;
        for (int i = 0; i < scenario.actions.size(); i++) {
            LabScenario.Action next = scenario.actions.get(i);
            if (next.isHeading()) {
                heading = inTurn(next, next.text());
                continue;
            }
            if (next.beginsStep() || heading != null || action == null) {
                endStep();
                List<LabScenario.Action> following = scenario.actions.subList(i + 1, scenario.actions.size());
                action = next;
                journal.begin(Objects.requireNonNullElseGet(heading, () -> title(next)), command(next, following));
                heading = null;
            }
            perform(next);
        }
        endStep();
        if (!nodes.broken().isEmpty()) {
            repair();
        }
    }

    private void repair() throws Exception {
        action = LabScenario.Action.of(0, "start").on("all");
        LabScenario.Action inSync = LabScenario.Action.of(0, "await").on("in-sync");
        journal.begin(journal.text("scenario.mend"), command(action, List.of(inSync)));
        perform(action);
        perform(inSync);
        endStep();
    }

    void perform(LabScenario.Action next) throws Exception {
        words.get(next.word()).accept(next);
    }

    private void endStep() {
        if (action == null) {
            return;
        }
        if (meaning.isEmpty()) {
            meaning.add(usualMeaning());
        }
        String text = String.join(" ", meaning);
        Integer before = stepOfMeaning.putIfAbsent(text, journal.steps.size());
        journal.end(before == null || text.isEmpty() ? text : journal.text("scenario.as-in", before));
        meaning.clear();
        action = null;
    }

    /** Returns what a step means for which the scenario says nothing itself. */
    private String usualMeaning() {
        boolean known = action.isFault() || action.word().equals("start");
        return known ? journal.text("usual." + action.word()) : "";
    }

    // ---- Faults ----

    private void fault(LabScenario.Action a) throws Exception {
        LabNodes.Applied applied = nodes.breakNode(node(a.target()), a.word());
        KillNode.Done fault = applied.fault();
        int id = fault.node().id();
        if (a.name() != null) {
            named.put(a.name(), "" + id);
        }
        done = System.nanoTime();
        at = applied.at();
        journal.say("done." + a.word(), fault.node().name(), means(a.word()), fault.at());
        if (a.time() != null) {
            watchFor(a.time());
            start("" + id);
        }
    }

    private String means(String fault) {
        if (cluster.isExternal()) {
            return "--kill-command";
        }
        return Map.of("kill", "SIGKILL", "stop", "SIGTERM", "pause", "SIGSTOP")
                .getOrDefault(fault, journal.text("done.off-network"));
    }

    private void start(String target) throws Exception {
        long began = System.nanoTime();
        nodes.start(target.equals("all") ? nodes.broken() : List.of(id(target)));
        at = began;
        done = began;
    }

    private void slow(LabScenario.Action a) throws Exception {
        int id = id(a.target());
        if (a.name() != null) {
            named.put(a.name(), "" + id);
        }
        List<Long> all = producer.takeLatencies();
        List<Long> before = all.subList(Math.max(0, all.size() - 100), all.size());
        at = System.nanoTime();
        List<Integer> inSync = new ArrayList<>();
        LabNodes.Slow slow = nodes.slow(id, a.time(), () -> {
            WatchIsr.Snapshot now = watch.latest();
            if (now != null && now.alive()) {
                inSync.add(now.total().inSync());
            }
        });
        done = System.nanoTime();
        journal.say("slow.bursts", slow.name(), slow.pauseSeconds(), slow.periodSeconds(), slow.bursts(), slow.from());
        journal.say("slow.latency", spread(before), spread(producer.takeLatencies()));
        WatchIsr.Snapshot now = watch.latest();
        meaning.add(meaningOfSlow(inSync, now == null ? 0 : now.total().replicas()));
        producer.sayGap();
    }

    private String meaningOfSlow(List<Integer> inSync, int replicas) {
        if (inSync.isEmpty()) {
            return journal.text("slow.unseen");
        }
        int fewest = Collections.min(inSync);
        journal.say("slow.isr", fewest, replicas);
        return fewest >= replicas ? journal.text("slow.stayed") : journal.text("slow.left", replicas - fewest);
    }

    private String spread(List<Long> micros) {
        if (micros.isEmpty()) {
            return journal.text("slow.none");
        }
        List<Long> sorted = micros.stream().sorted().toList();
        double longest = sorted.get(sorted.size() - 1) / 1e3;
        return journal.text("slow.spread", median(sorted) / 1e3, longest, sorted.size());
    }

    /** Returns the middle value, and of an even number the mean of the two in the middle. */
    static double median(List<Long> sorted) {
        return (sorted.get((sorted.size() - 1) / 2) + sorted.get(sorted.size() / 2)) / 2.0;
    }

    // ---- Conditions ----

    private LabJournal.Since since() {
        String after = "step";
        if (action != null && (action.isFault() || action.word().equals("start"))) {
            after = action.time() == null ? action.word() : "start";
        }
        return new LabJournal.Since(at, "after." + after);
    }

    private void awaitController(LabScenario.Action a) throws Exception {
        WatchIsr.Snapshot s = watch.await(a.target(), x -> x.controller() >= 0 && !nodes.isBroken(x.controller()));
        journal.waited(since(), "seen.controller", s.controller(), s.epoch());
    }

    private void awaitNoQuorum(LabScenario.Action a) throws Exception {
        watch.await(a.target(), WatchIsr.Until.NO_QUORUM);
        if (cluster.isCombined()) {
            journal.waited(since(), "seen.no-quorum", remaining());
        } else {
            journal.waited(since(), "seen.no-controller");
        }
    }

    private void awaitWrites(LabScenario.Action a) throws Exception {
        producer.awaitWritesAfter(done);
        journal.waited(since(), "seen.writes", producer.partitions());
        producer.sayGap();
    }

    private void awaitOutOfIsr(LabScenario.Action a) throws Exception {
        var total = watch.await(
                        a.target(), s -> s.alive() && nodes.broken().stream().allMatch(id -> isOut(id, s)))
                .total();
        journal.waited(
                since(),
                "seen.out-of-isr",
                total.inSync(),
                total.replicas(),
                total.underReplicated(),
                total.online(),
                total.partitions());
    }

    private static boolean isOut(int id, WatchIsr.Snapshot s) {
        return !s.brokers().contains(id) && !s.isrs().containsKey(id);
    }

    private void awaitInSync(LabScenario.Action a) throws Exception {
        var total = watch.awaitInSync().total();
        journal.waited(since(), "seen.in-sync", total.inSync(), total.replicas(), total.online(), total.partitions());
    }

    // ---- Observations ----

    /** That something is acknowledged, or nothing, has to be watched for a while. */
    private void watchFor(Duration time) throws Exception {
        long before = producer.acknowledged();
        long from = System.nanoTime();
        Thread.sleep(time.toMillis());
        journal.say("producer.meanwhile", (System.nanoTime() - from) / 1e9, producer.acknowledged() - before);
    }

    private String probeOptions() {
        return "--topic " + probedTopic + (cluster.isExternal() ? "" : " --all") + " --check-timeout 3s";
    }

    /** Probes with a topic for it, since without a quorum none can be created; all may be asked of a lab's cluster. */
    private void probe() throws Exception {
        ProbeCluster probe = new ProbeCluster();
        String[] args = cluster.reaching(List.of(probeOptions().split(" ")));
        probe.common.configure(probe, LabJournal.quiet(), LabJournal.quiet(), args);
        probe.common.listener = journal::record;
        List<ProbeAnswer> answers = probe.probe();
        ProbeTable.lines(answers).forEach(journal::line);
        meaning.add(new ProbeMeaning(answers, journal.words).text());
    }

    // ---- Words ----

    /** Returns what kill-node takes: a node that a name stands for, the follower of a partition, or the word itself. */
    private String node(String target) throws Exception {
        if (named.containsKey(target)) {
            return named.get(target);
        }
        if (!target.startsWith("follower:")) {
            return target;
        }
        String partition = partition(target);
        int dash = partition.lastIndexOf('-');
        int number = Integer.parseInt(partition.substring(dash + 1));
        return "" + nodes.followerOf(new TopicPartition(partition.substring(0, dash), number));
    }

    private int id(String target) throws Exception {
        return Integer.parseInt(node(target).replace("kafka", ""));
    }

    private static String partition(String target) {
        return target.substring(target.indexOf(':') + 1);
    }

    private int remaining() {
        return 3 - nodes.broken().size();
    }

    String title(LabScenario.Action a) {
        String title = switch (a.word()) {
            case "probe" ->
                cluster.isCombined() ? journal.text("title.probe", remaining()) : journal.text("title.probe-now");
            case "await" -> journal.text("title.await", a.target());
            case "wait", "means" -> journal.text("title." + a.word());
            default -> journal.text("title." + a.word(), who(a.target()));
        };
        if (a.isFault() && a.time() != null) {
            title = journal.text("title.lasting", title, seconds(a));
        }
        return inTurn(a, title);
    }

    private String who(String target) {
        if (named.containsKey(target)) {
            return journal.text("who.node", named.get(target));
        }
        if (List.of("controller", "random", "all").contains(target)) {
            return journal.text("who." + target);
        }
        if (target.contains(":")) {
            return journal.text("who." + target.substring(0, target.indexOf(':')), partition(target));
        }
        return journal.text("who.node", target.replaceFirst("kafka0*", ""));
    }

    private String inTurn(LabScenario.Action a, String title) {
        LabScenario.Place place = a.place();
        return place.turns() == 0 ? title : journal.text("title.round", title, place.turn(), place.turns());
    }

    private static String seconds(LabScenario.Action a) {
        return LabJournal.plain(LabJournal.seconds(a.time()));
    }

    /** Returns what one would type for it. */
    private String command(LabScenario.Action a, List<LabScenario.Action> following) {
        return switch (a.word()) {
            case "kill", "stop", "pause", "disconnect" -> killCommand(a);
            case "slow" -> journal.text("slow.command");
            case "start" -> "start-node " + named(a.target()) + (awaitsInSync(following) ? IN_SYNC : "");
            case "probe" -> "probe " + probeOptions();
            default -> "watch-isr";
        };
    }

    private static final String IN_SYNC = "; watch-isr --until in-sync";

    private static boolean awaitsInSync(List<LabScenario.Action> following) {
        return following.stream()
                .takeWhile(next -> !next.beginsStep() && !next.isHeading())
                .anyMatch(next -> "in-sync".equals(next.target()));
    }

    private String killCommand(LabScenario.Action a) {
        StringBuilder command = new StringBuilder("kill-node ");
        boolean harmful = !nodes.broken().isEmpty();
        if (a.word().equals("kill")) {
            harmful &= a.target().equals("controller");
        } else {
            command.append("--mode ").append(a.word()).append(' ');
        }
        command.append(named(a.target()));
        if (a.time() != null) {
            command.append(" --for ").append(seconds(a)).append('s');
        }
        return harmful ? command + " --force" : command.toString();
    }

    private String named(String target) {
        return named.getOrDefault(target, target);
    }
}
