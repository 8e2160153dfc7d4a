///usr/bin/env jbang "$0" "$@" ; exit $?
//JAVA 17+
//DEPS org.apache.kafka:kafka-clients:4.4.0
//DEPS info.picocli:picocli:4.7.7
//DEPS com.fasterxml.jackson.jr:jackson-jr-objects:2.21.7
//DEPS org.slf4j:slf4j-simple:1.7.36
//DESCRIPTION Which node is the active controller now?

import com.fasterxml.jackson.jr.ob.JSON;
import java.io.*;
import java.net.*;
import java.nio.file.*;
import java.time.*;
import java.time.format.DateTimeFormatter;
import java.util.*;
import java.util.concurrent.*;
import java.util.function.Consumer;
import org.apache.kafka.clients.admin.*;
import org.apache.kafka.common.Node;
import org.apache.kafka.common.config.ConfigException;
import org.apache.kafka.common.errors.*;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;
import picocli.CommandLine.TypeConversionException;

/**
 * Finds the active controller of a KRaft cluster.
 *
 * <p>It asks {@code describeMetadataQuorum}. {@code describeCluster().controller()}, which many tools show, is a random
 * live broker: brokers hide the controller from clients since KIP-590. A leader counts only while a majority of the voters
 * fetches from it, because the last survivor of a quorum may stay "leader" for some seconds before it resigns.
 *
 * <pre>find-controller            prints: 2
 * kill-node $(find-controller)</pre>
 */
@Command(name = "find-controller", version = "kraft-lab 0.1.0", sortOptions = false,
        description = "Prints the node id of the active controller; without a quorum, exits with 11 and says who is missing.")
class FindController implements Callable<Integer> {
    /** How long a voter may have been silent and still count as following, by the leader's own clock. */
    static final long FETCH_FRESH_MS = 3_000;
    private static final Duration LOOK = Duration.ofSeconds(2);

    @Option(names = "--long", description = "Also epoch, voters with role, lag, last caught up and endpoint.")
    boolean detailed;

    @Option(names = "--watch", description = "Go on, and print a line for each change, until Ctrl-C.")
    boolean watch;

    @Mixin Common common = new Common();

    public static void main(String... args) {
        System.exit(run(new PrintWriter(System.out, true), new PrintWriter(System.err, true), args));
    }

    /** Runs the script without a process. @return the exit code */
    public static int run(PrintWriter out, PrintWriter err, String... args) {
        FindController script = new FindController();
        return script.common.run(script, out, err, args);
    }

    @Override
    public Integer call() throws Exception {
        long began = System.nanoTime();
        try (Admin admin = common.admin()) {
            if (watch) return watch(admin);
            QuorumInfo quorum = await(admin, began + common.timeout.toNanos());
            common.emit("controller", "controller", quorum.leaderId(), "epoch", quorum.leaderEpoch(),
                    "voters", voters(quorum, endpoints(admin)));
            if (!common.json && detailed) printLong(quorum, endpoints(admin));
            else if (!common.json) common.out.println(quorum.leaderId());
            return 0;
        }
    }

    /** Waits for an active controller. Returns early with "quorum lost" when two looks in a row see too few voters answer. */
    private QuorumInfo await(Admin admin, long deadline) throws Exception {
        int lost = 0;
        while (true) {
            Duration left = Duration.ofNanos(Math.max(deadline - System.nanoTime(), 50_000_000));
            Optional<QuorumInfo> quorum = look(admin, left.compareTo(LOOK) < 0 ? left : LOOK);
            if (quorum.isPresent()) return quorum.get();
            Survivors survivors = survivors(admin, left);
            lost = survivors.hasMajority() ? 0 : lost + 1;
            if (lost >= 2 || System.nanoTime() >= deadline) {
                common.emit("controller", "controller", -1, "answering", ids(survivors.answering), "silent", ids(survivors.silent));
                throw new Exit(NO_CONTROLLER, survivors.sentence());
            }
            Thread.sleep(100);
        }
    }

    private int watch(Admin admin) throws Exception {
        String last = "";
        for (; !common.out.checkError(); Thread.sleep(200)) {
            Optional<QuorumInfo> quorum = look(admin, LOOK);
            String now = quorum.map(q -> "controller " + q.leaderId() + " epoch " + q.leaderEpoch()).orElse("no active controller");
            if (now.equals(last)) continue;
            last = now;
            common.emit("controller", "controller", quorum.map(QuorumInfo::leaderId).orElse(-1),
                    "epoch", quorum.map(QuorumInfo::leaderEpoch).orElse(-1L));
            if (!common.json) common.out.println(timestamp() + " " + now);
        }
        return 0;
    }

    /** One look at the quorum: empty when there is no leader, none answered in time, or a majority does not follow it. */
    public static Optional<QuorumInfo> look(Admin admin, Duration timeout) throws InterruptedException {
        try {
            int ms = (int) timeout.toMillis();
            QuorumInfo quorum = admin.describeMetadataQuorum(new DescribeMetadataQuorumOptions().timeoutMs(ms))
                    .quorumInfo().get(ms + 500L, TimeUnit.MILLISECONDS);
            return quorum.leaderId() >= 0 && isFollowedByMajority(quorum) ? Optional.of(quorum) : Optional.empty();
        } catch (ExecutionException e) {
            if (e.getCause() instanceof RetriableException) return Optional.empty();
            if (e.getCause() instanceof ApiException problem) throw problem;
            return Optional.empty();
        } catch (java.util.concurrent.TimeoutException e) {
            return Optional.empty();
        }
    }

    /** Fetch times are by the leader's clock, so they are compared with the leader's own entry and not with this machine's time. */
    static boolean isFollowedByMajority(QuorumInfo quorum) {
        long now = quorum.voters().stream().filter(v -> v.replicaId() == quorum.leaderId())
                .mapToLong(v -> v.lastFetchTimestamp().orElse(-1)).findFirst().orElse(-1);
        long following = quorum.voters().stream().filter(v -> v.replicaId() == quorum.leaderId()
                || now - v.lastFetchTimestamp().orElse(-1) <= FETCH_FRESH_MS).count();
        return following * 2 > quorum.voters().size();
    }

    /** Who answers when the quorum does not. The node list is frozen metadata; whether they answer is looked at now. */
    private Survivors survivors(Admin admin, Duration timeout) throws InterruptedException {
        Collection<Node> nodes;
        try {
            int ms = (int) Math.min(timeout.toMillis(), 2_000);
            nodes = admin.describeCluster(new DescribeClusterOptions().timeoutMs(ms).includeFencedBrokers(true)).nodes().get();
        } catch (ExecutionException e) {
            nodes = common.bootstrapNodes();
        }
        Survivors survivors = new Survivors(new ArrayList<>(), new ArrayList<>());
        for (Node node : nodes) (Common.answers(node.host(), node.port(), 1000) ? survivors.answering : survivors.silent).add(node);
        return survivors;
    }

    record Survivors(List<Node> answering, List<Node> silent) {
        int size() { return answering.size() + silent.size(); }
        boolean hasMajority() { return answering.size() * 2 > size(); }
        int missing() { return size() / 2 + 1 - answering.size(); }

        String sentence() {
            if (hasMajority()) {
                return "No active controller, although " + answering.size() + " of " + size() + " nodes answer (" + describe(answering)
                        + "): an election may be running, or the controllers are other machines; look at their logs.";
            }
            return "No active controller, quorum lost: " + answering.size() + " of " + size() + " voters answer"
                    + (answering.isEmpty() ? "" : " (" + describe(answering) + ")") + ", " + missing()
                    + " more needed for a majority; start one of " + describe(silent) + ".";
        }

        private static String describe(List<Node> nodes) {
            return String.join(", ", nodes.stream().map(n -> (n.id() < 0 ? "" : n.id() + " at ") + n.host() + ":" + n.port()).toList());
        }
    }

    private static List<Integer> ids(List<Node> nodes) {
        return nodes.stream().map(Node::id).toList();
    }

    private Map<Integer, String> endpoints(Admin admin) throws Exception {
        Map<Integer, String> endpoints = new HashMap<>();
        for (Node node : admin.describeCluster(new DescribeClusterOptions().includeFencedBrokers(true)).nodes().get())
            endpoints.put(node.id(), node.host() + ":" + node.port());
        return endpoints;
    }

    private static List<Map<String, Object>> voters(QuorumInfo quorum, Map<Integer, String> endpoints) {
        long end = quorum.voters().stream().mapToLong(QuorumInfo.ReplicaState::logEndOffset).max().orElse(0);
        List<Map<String, Object>> voters = new ArrayList<>();
        for (QuorumInfo.ReplicaState v : quorum.voters()) {
            Map<String, Object> voter = new LinkedHashMap<>();
            voter.put("id", v.replicaId());
            voter.put("role", v.replicaId() == quorum.leaderId() ? "leader" : "follower");
            voter.put("lag", Math.max(0, end - v.logEndOffset()));
            voter.put("lastCaughtUpMs", v.lastCaughtUpTimestamp().orElse(-1));
            voter.put("endpoint", endpoints.getOrDefault(v.replicaId(), ""));
            voters.add(voter);
        }
        return voters;
    }

    private void printLong(QuorumInfo quorum, Map<Integer, String> endpoints) {
        common.out.printf("Active controller %d, epoch %d, high watermark %d%n", quorum.leaderId(), quorum.leaderEpoch(), quorum.highWatermark());
        common.out.printf("%-5s %-9s %8s  %-14s %s%n", "NODE", "ROLE", "LAG", "CAUGHT UP", "ENDPOINT");
        for (Map<String, Object> v : voters(quorum, endpoints)) {
            long at = (long) v.get("lastCaughtUpMs");
            String ago = at < 0 ? "never" : Math.max(0, System.currentTimeMillis() - at) + " ms ago";
            common.out.printf("%-5s %-9s %8s  %-14s %s%n", v.get("id"), v.get("role"), v.get("lag"), ago, v.get("endpoint"));
        }
    }

    // ---- Common to the step scripts: reach the cluster, answer, fail. The same text in each; a test compares them. ----

    static final int UNREACHABLE = 10, NO_CONTROLLER = 11, REFUSED = 12, ANOMALY = 13, INCOMPLETE = 14, MISSED = 15, ALL_FAILED = 16;

    /** A foreseen end: the exit code, and one sentence for stderr that says what was wrong and what to do. */
    static class Exit extends RuntimeException implements CommandLine.IExitCodeGenerator {
        final int code;
        Exit(int code, String sentence) { super(sentence); this.code = code; }
        @Override public int getExitCode() { return code; }
    }

    /** The options that every script understands alike, and what they lead to: clients, output, events, exit codes. */
    static class Common {
        @Option(names = {"-b", "--bootstrap-server"}, paramLabel = "HOST:PORT,...", description = "The cluster (default: $$KAFKA_BOOTSTRAP, else the lab's three nodes).",
                defaultValue = "${KAFKA_BOOTSTRAP:-localhost:29192,localhost:29292,localhost:29392}")
        String bootstrapServer;
        @Option(names = "--command-config", paramLabel = "FILE", description = "Client properties, such as SASL and TLS.")
        Path commandConfig;
        @Option(names = "--timeout", paramLabel = "DURATION", defaultValue = "30s", description = "Give up after this long: 500ms, 30s, 2m (default: ${DEFAULT-VALUE}).")
        Duration timeout;
        @Option(names = "--json", description = "Print one JSON object a line.")
        boolean json;
        @Option(names = "--events", paramLabel = "FILE", description = "Append what happens to this JSON Lines file.")
        File events;
        boolean verbose;
        @Option(names = {"-h", "--help"}, usageHelp = true, description = "Show this help.")
        boolean help;
        @Option(names = {"-V", "--version"}, versionHelp = true, description = "Show the version.")
        boolean version;
        @Spec(Spec.Target.MIXEE) CommandSpec spec;

        PrintWriter out, err;
        static final String LOG_LEVEL = "org.slf4j.simpleLogger.defaultLogLevel";
        static { System.setProperty(LOG_LEVEL, System.getProperty(LOG_LEVEL, "off")); }

        @Option(names = {"-v", "--verbose"}, description = "Show stack traces and the client's own log.")
        void verbose(boolean on) { if (verbose = on) System.setProperty(LOG_LEVEL, "info"); }

        /** For composite scripts: gets each event as well. */
        Consumer<Map<String, Object>> listener = event -> { };
        /** How long Ctrl-C waits for the script to end, and what is said if it has not by then. A script that has faults to undo takes its time. */
        Duration patience = Duration.ofSeconds(10);
        Runnable leftover = () -> { };
        private Writer eventsWriter;

        /** Parses into the script, without running it: what a composite script calls before it uses the script's methods. */
        <T> T configure(T script, PrintWriter out, PrintWriter err, String... args) {
            commandLine(script, out, err).parseArgs(args);
            return script;
        }

        /** Ctrl-C interrupts the script, which has its patience (ten seconds) to print its summary and close its files; the JVM then exits with 130. */
        int run(Callable<Integer> script, PrintWriter out, PrintWriter err, String... args) {
            CommandLine cli = commandLine(script, out, err);
            Thread worker = Thread.currentThread();
            CountDownLatch done = new CountDownLatch(1);
            Thread hook = new Thread(() -> {
                worker.interrupt();
                try { if (!done.await(patience.toMillis(), TimeUnit.MILLISECONDS)) leftover.run(); } catch (InterruptedException e) { return; }
            });
            Runtime.getRuntime().addShutdownHook(hook);
            try {
                return cli.execute(args);
            } finally {
                try { if (eventsWriter != null) eventsWriter.close(); } catch (IOException e) { err.println(e.getMessage()); }
                out.flush();
                done.countDown();
                try { Runtime.getRuntime().removeShutdownHook(hook); } catch (IllegalStateException shuttingDown) { /* after Ctrl-C */ }
            }
        }

        private CommandLine commandLine(Object script, PrintWriter out, PrintWriter err) {
            this.out = out;
            this.err = err;
            return new CommandLine(script).setOut(out).setErr(err).setCaseInsensitiveEnumValuesAllowed(true)
                    .registerConverter(Duration.class, Common::duration)
                    .setParameterExceptionHandler((e, args) -> { err.println(e.getMessage() + " (see --help)"); return 2; })
                    .setExecutionExceptionHandler((e, cli, parsed) -> explain(e));
        }

        /** @return a duration from {@code 500ms}, {@code 30s}, {@code 2m}, {@code 1h} or plain seconds */
        static Duration duration(String text) {
            var m = java.util.regex.Pattern.compile("(\\d+(?:\\.\\d+)?)(ms|s|m|h|)").matcher(text.trim());
            if (!m.matches()) throw new TypeConversionException("'" + text + "' is not a duration such as 500ms, 30s or 2m");
            double unit = switch (m.group(2)) { case "ms" -> 1; case "m" -> 60_000; case "h" -> 3_600_000; default -> 1_000; };
            return Duration.ofMillis(Math.round(Double.parseDouble(m.group(1)) * unit));
        }

        /** Client properties from --command-config and --bootstrap-server, then the given pairs; an option that is given wins over the file. */
        Properties client(Object... pairs) throws IOException {
            Properties properties = new Properties();
            if (commandConfig != null) {
                try (Reader reader = Files.newBufferedReader(commandConfig)) { properties.load(reader); }
                catch (IOException e) { throw new Exit(2, "Cannot read --command-config " + commandConfig + "."); }
            }
            if (properties.containsKey("bootstrap.servers") && !spec.commandLine().getParseResult().hasMatchedOption("-b"))
                bootstrapServer = properties.getProperty("bootstrap.servers");
            properties.put("bootstrap.servers", bootstrapServer);
            for (int i = 0; i < pairs.length; i += 2) properties.put(pairs[i].toString(), pairs[i + 1].toString());
            return properties;
        }

        /** An Admin that starts from the addresses that answer: it would stay with one that only connects (a paused node). None connects: exit 10 at once. */
        Admin admin(Object... more) throws IOException {
            Properties properties = client("default.api.timeout.ms", timeout.toMillis(), "request.timeout.ms", Math.min(timeout.toMillis(), 30_000));
            properties.putAll(client(more));
            List<Node> nodes = bootstrapNodes();
            int each = (int) Math.max(1, Math.min(timeout.toMillis() / nodes.size() / 2, 1500));
            List<String> alive = nodes.stream().filter(n -> answers(n.host(), n.port(), each)).map(n -> (n.host().contains(":") ? "[" + n.host() + "]:" : n.host() + ":") + n.port()).toList();
            if (alive.isEmpty() && nodes.stream().noneMatch(n -> connects(n.host(), n.port(), each))) throw unreachable("nothing listens there");
            if (!alive.isEmpty()) properties.put("bootstrap.servers", String.join(",", alive));
            return Admin.create(properties);
        }

        Exit unreachable(String why) {
            return new Exit(UNREACHABLE, "No cluster at " + bootstrapServer + ": " + why + "; start one (cluster up) or name yours with --bootstrap-server.");
        }

        /** The bootstrap addresses as nodes with ids -1, -2, ... */
        List<Node> bootstrapNodes() {
            List<Node> nodes = new ArrayList<>();
            for (String address : bootstrapServer.split(",")) {
                var m = java.util.regex.Pattern.compile("\\s*(?:\\w+://)?\\[?(.+?)\\]?:(\\d{1,5})\\s*").matcher(address);
                if (!m.matches()) throw new Exit(2, "'" + address + "' in --bootstrap-server is not HOST:PORT.");
                nodes.add(new Node(-1 - nodes.size(), m.group(1), Integer.parseInt(m.group(2))));
            }
            return nodes;
        }

        static boolean connects(String host, int port, int timeoutMs) {
            try (Socket socket = new Socket()) { socket.connect(new InetSocketAddress(host, port), timeoutMs); return true; }
            catch (IOException | IllegalArgumentException e) { return false; }
        }

        /** Whether the process behind a port is alive: a stopped (SIGSTOP) one still connects but never answers ApiVersions. */
        static boolean answers(String host, int port, int timeoutMs) {
            try (Socket socket = new Socket()) {
                socket.connect(new InetSocketAddress(host, port), timeoutMs);
                socket.setSoTimeout(timeoutMs);
                socket.getOutputStream().write(new byte[] {0, 0, 0, 10, 0, 18, 0, 0, 0, 0, 0, 1, -1, -1}); // ApiVersions v0, no client id
                // A TLS listener sends an alert: alive as well. Docker's proxy, before a port of somebody who is not up yet, only closes.
                return socket.getInputStream().read() >= 0;
            } catch (IOException | IllegalArgumentException e) { return false; }
        }

        /** Progress and warnings: stderr. */
        void say(String format, Object... args) { err.println(args.length == 0 ? format : String.format(Locale.ROOT, format, args)); }

        /** One observation: to --events, to the composite script that listens, and with --json to stdout. Fields are key, value, ... */
        synchronized void emit(String type, Object... fields) {
            Map<String, Object> event = new LinkedHashMap<>();
            event.put("ts", timestamp());
            event.put("source", spec.name());
            event.put("type", type);
            for (int i = 0; i < fields.length; i += 2) event.put((String) fields[i], fields[i + 1]);
            listener.accept(event);
            if (!json && events == null) return;
            try {
                String line = JSON.std.asString(event);
                if (json) out.println(line);
                if (events == null) return;
                if (eventsWriter == null) eventsWriter = new OutputStreamWriter(new FileOutputStream(events, true), "UTF-8");
                eventsWriter.write(line + "\n");
                eventsWriter.flush();
            } catch (IOException e) { throw new Exit(1, "Cannot write --events " + events + ": " + e.getMessage() + "."); }
        }

        /** One line and an exit code for whatever ended the script. */
        private int explain(Exception problem) {
            if (verbose) problem.printStackTrace(err);
            Throwable e = problem;
            while ((e instanceof ExecutionException || e instanceof CompletionException || e.getClass() == org.apache.kafka.common.KafkaException.class)
                    && e.getCause() != null) e = e.getCause();
            // Of a step that a composite script calls, it is that script's Exit: told by picocli's interface.
            Exit exit = e instanceof CommandLine.IExitCodeGenerator x ? new Exit(x.getExitCode(), e.getMessage())
                    : e instanceof InterruptedException || e instanceof InterruptException ? new Exit(130, "Interrupted.")
                    : e instanceof ConfigException && e.getMessage().contains("bootstrap") ? unreachable("no such host")
                    : e instanceof ConfigException ? new Exit(2, "Client property refused: " + e.getMessage() + ".")
                    : e instanceof org.apache.kafka.common.errors.TimeoutException ? unreachable("no answer within " + timeout.toMillis() + " ms")
                    : e instanceof AuthenticationException ? unreachable("login refused, " + e.getMessage())
                    : new Exit(1, e.getClass().getSimpleName() + ": " + e.getMessage() + (verbose ? "" : " (-v shows where)"));
            err.println(exit.getMessage());
            return exit.code;
        }
    }

    /** Returns what a cluster, a record or a file says so that a person may read it: what could drive a terminal or forge a line is escaped. */
    static String printable(Object value) {
        StringBuilder text = new StringBuilder();
        for (char c : String.valueOf(value).toCharArray()) {
            int type = Character.getType(c);
            boolean harmless = type != Character.CONTROL && type != Character.FORMAT && type != Character.LINE_SEPARATOR && type != Character.PARAGRAPH_SEPARATOR;
            text.append(harmless ? c : String.format(Locale.ROOT, "\\u%04x", (int) c));
        }
        return text.toString();
    }

    /** Now, as the events have it: ISO-8601, UTC, microseconds. */
    static String timestamp() {
        return DateTimeFormatter.ofPattern("yyyy-MM-dd'T'HH:mm:ss.SSSSSS'Z'").withZone(ZoneOffset.UTC).format(Instant.now());
    }
    // ---- End of what is common. ----
}
