///usr/bin/env jbang "$0" "$@" ; exit $?
//JAVA 17+
//DEPS org.apache.kafka:kafka-clients:4.4.0
//DEPS info.picocli:picocli:4.7.7
//DEPS com.fasterxml.jackson.jr:jackson-jr-objects:2.21.7
//DEPS org.slf4j:slf4j-simple:1.7.36
//JAVAC_OPTIONS -J-XX:TieredStopAtLevel=1 -J-XX:+UseSerialGC
//DESCRIPTION Prints the active controller; without a quorum, names the missing voters

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
import org.apache.kafka.common.Uuid;
import org.apache.kafka.common.config.ConfigException;
import org.apache.kafka.common.config.ConfigResource;
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
@Command(
        name = "find-controller",
        version = "kraft-lab 0.1.0",
        sortOptions = false,
        description =
                "Prints the node id of the active controller; without a quorum, exits with 11 and says who is missing.")
class FindController implements Callable<Integer> {
    /** How long a voter may have been silent and still count as following, by the leader's own clock. */
    static final long FETCH_FRESH_MS = 3_000;

    private static final Duration LOOK = Duration.ofSeconds(2);

    @Option(
            names = "--long",
            description =
                    "Also show the epoch, and each voter and observer with role, lag, last catch-up and endpoint.")
    boolean detailed;

    @Option(names = "--watch", description = "Go on, and print a line for each change, until Ctrl-C.")
    boolean watch;

    @Mixin
    Common common = new Common();

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
        common.controllersAnswer = true;
        try (Admin admin = common.admin()) {
            if (watch) return watch(admin);
            QuorumInfo quorum = await(admin, began + common.timeout.toNanos());
            List<Member> members = members(quorum, brokerEndpoints(admin));
            common.emit(
                    "controller",
                    "controller",
                    quorum.leaderId(),
                    "epoch",
                    quorum.leaderEpoch(),
                    "voters",
                    members.stream().filter(Member::isVoter).map(Member::fields).toList(),
                    "observers",
                    members.stream()
                            .filter(m -> !m.isVoter())
                            .map(Member::fields)
                            .toList());
            if (!common.json && detailed) printLong(quorum, members);
            else if (!common.json) common.out.println(quorum.leaderId());
            return 0;
        } catch (ClusterAuthorizationException e) {
            throw new Exit(1, "Not permitted to see the metadata quorum: the principal needs DESCRIBE on the cluster.");
        }
    }

    /** Waits for an active controller. Returns early with "quorum lost" when two looks in a row see too few voters answer. */
    private QuorumInfo await(Admin admin, long deadline) throws Exception {
        int lost = 0;
        while (true) {
            Duration left = Duration.ofNanos(Math.max(deadline - System.nanoTime(), 50_000_000));
            Optional<QuorumInfo> quorum = look(admin, left.compareTo(LOOK) < 0 ? left : LOOK);
            if (quorum.isPresent()) return quorum.get();
            common.requireReachable();
            Survivors survivors = survivors(admin, left);
            lost = survivors.isMinority() ? lost + 1 : 0;
            if (lost >= 2 || System.nanoTime() >= deadline) {
                common.emit(
                        "controller",
                        "controller",
                        -1,
                        "answering",
                        ids(survivors.answering),
                        "silent",
                        ids(survivors.silent));
                throw new Exit(NO_CONTROLLER, survivors.sentence());
            }
            Thread.sleep(100);
        }
    }

    private int watch(Admin admin) throws Exception {
        String last = "";
        for (; !common.out.checkError(); Thread.sleep(200)) {
            Optional<QuorumInfo> quorum = look(admin, LOOK);
            String now = quorum.map(q -> "controller " + q.leaderId() + " epoch " + q.leaderEpoch())
                    .orElse("no active controller");
            if (now.equals(last)) continue;
            last = now;
            common.emit(
                    "controller",
                    "controller",
                    quorum.map(QuorumInfo::leaderId).orElse(-1),
                    "epoch",
                    quorum.map(QuorumInfo::leaderEpoch).orElse(-1L));
            if (!common.json) common.out.println(timestamp() + " " + now);
        }
        return 0;
    }

    /** One look at the quorum: empty when there is no leader, none answered in time, or a majority does not follow it. */
    public static Optional<QuorumInfo> look(Admin admin, Duration timeout) throws InterruptedException {
        try {
            int ms = (int) timeout.toMillis();
            QuorumInfo quorum = admin.describeMetadataQuorum(new DescribeMetadataQuorumOptions().timeoutMs(ms))
                    .quorumInfo()
                    .get(ms + 500L, TimeUnit.MILLISECONDS);
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
        long now = quorum.voters().stream()
                .filter(v -> v.replicaId() == quorum.leaderId())
                .mapToLong(v -> v.lastFetchTimestamp().orElse(-1))
                .findFirst()
                .orElse(-1);
        long following = quorum.voters().stream()
                .filter(v -> v.replicaId() == quorum.leaderId()
                        || now - v.lastFetchTimestamp().orElse(-1) <= FETCH_FRESH_MS)
                .count();
        return following * 2 > quorum.voters().size();
    }

    /** Who answers when the quorum does not: the voters as the configuration has them, which are not the brokers. */
    private Survivors survivors(Admin admin, Duration timeout) throws InterruptedException {
        int ms = (int) Math.min(timeout.toMillis(), 2_000);
        List<Node> brokers = brokers(admin, ms);
        Configured configured = configured(admin, brokers, ms);
        Survivors survivors = new Survivors(configured, new ArrayList<>(), new ArrayList<>());
        Collection<Node> asked = configured.names() ? asBrokersWhereTheyAre(configured.nodes, brokers) : brokers;
        for (Node node : asked)
            (Common.answers(node.host(), node.port(), 1000) ? survivors.answering : survivors.silent).add(node);
        return survivors;
    }

    /** The brokers of frozen metadata, or the addresses that were given where no broker answers. */
    private List<Node> brokers(Admin admin, int timeoutMs) throws InterruptedException {
        for (boolean fenced : List.of(true, false)) { // a controller, where one is asked, knows of no fenced ones
            try {
                var options = new DescribeClusterOptions().timeoutMs(timeoutMs).includeFencedBrokers(fenced);
                return admin.describeCluster(options).nodes().get().stream()
                        .sorted(Comparator.comparing(Node::id))
                        .toList();
            } catch (ExecutionException e) {
                if (e.getCause() instanceof RetriableException) break;
            }
        }
        return common.bootstrapNodes();
    }

    /** A combined node's port for clients can be reached where its controller's may not, as behind Docker. */
    private static Collection<Node> asBrokersWhereTheyAre(List<Node> voters, List<Node> brokers) {
        Map<Integer, Node> nodes = new LinkedHashMap<>();
        for (Node voter : voters) nodes.put(voter.id(), voter);
        for (Node broker : brokers) nodes.replace(broker.id(), broker);
        return nodes.values();
    }

    /** What a broker's configuration says of the quorum: its voters; or, where it is dynamic, only addresses, whose ids are negative; or nothing, and why. */
    record Configured(boolean areVoters, List<Node> nodes, String unknown) {
        boolean names() {
            return !nodes.isEmpty();
        }

        static Configured nothing(String why) {
            return new Configured(false, List.of(), why);
        }

        /** Returns what a node's properties say: {@code controller.quorum.voters}, else {@code controller.quorum.bootstrap.servers}. */
        static Configured of(String voters, String bootstrap) {
            List<Node> named = parse(voters);
            if (!named.isEmpty())
                return new Configured(
                        true,
                        named.stream().sorted(Comparator.comparing(Node::id)).toList(),
                        "");
            List<Node> addresses = parse(bootstrap);
            if (!addresses.isEmpty())
                return new Configured(false, addresses, "the quorum is dynamic, and only it knows them");
            return nothing("the brokers' configuration names neither voters nor controllers");
        }

        /** Parses {@code 1@host:9093,2@[::1]:9093}; the ids may be missing. */
        static List<Node> parse(String text) {
            List<Node> nodes = new ArrayList<>();
            var m = java.util.regex.Pattern.compile(
                            "(?<![^\\s,])(?:(\\d{1,9})@)?\\[?([^\\s,@]+?)\\]?:(\\d{1,5})(?![^\\s,])")
                    .matcher(Objects.requireNonNullElse(text, ""));
            while (m.find())
                nodes.add(new Node(
                        m.group(1) == null ? -1 - nodes.size() : Integer.parseInt(m.group(1)),
                        m.group(2),
                        Integer.parseInt(m.group(3))));
            return nodes;
        }
    }

    /** Returns who the controllers are as a broker that answers was started with them: that can be asked for without a quorum. */
    static Configured configured(Admin admin, List<Node> brokers, int timeoutMs) throws InterruptedException {
        Configured found = Configured.nothing("no broker answers that could name them");
        for (Node broker : brokers) {
            if (broker.id() < 0 || !Common.answers(broker.host(), broker.port(), 1000)) continue;
            ConfigResource resource = new ConfigResource(ConfigResource.Type.BROKER, broker.idString());
            try {
                Config config = admin.describeConfigs(
                                List.of(resource), new DescribeConfigsOptions().timeoutMs(timeoutMs))
                        .all()
                        .get()
                        .get(resource);
                return Configured.of(
                        value(config, "controller.quorum.voters"),
                        value(config, "controller.quorum.bootstrap.servers"));
            } catch (ExecutionException e) {
                if (e.getCause() instanceof AuthorizationException)
                    found = Configured.nothing(
                            "to see them in a broker's configuration, the principal needs DESCRIBE_CONFIGS on the"
                                    + " cluster");
            }
        }
        return found;
    }

    private static String value(Config config, String name) {
        ConfigEntry entry = config.get(name);
        return entry == null ? null : entry.value();
    }

    /** Who answers and who does not: voters, or controllers of which only the addresses are known, or, where not even these are, brokers. */
    record Survivors(Configured configured, List<Node> answering, List<Node> silent) {
        boolean areVoters() {
            return configured.areVoters;
        }

        int size() {
            return answering.size() + silent.size();
        }

        boolean isMinority() {
            return areVoters() && answering.size() * 2 <= size();
        }

        int missing() {
            return size() / 2 + 1 - answering.size();
        }

        String sentence() {
            if (!areVoters()) return unknownVoters();
            if (!isMinority()) {
                return "No active controller, although " + answering.size() + " of " + size() + " voters answer"
                        + described(answering) + ": an election may be running; look at their logs.";
            }
            return "No active controller, quorum lost: " + answering.size() + " of " + size() + " voters answer"
                    + described(answering) + ", " + missing() + " more needed for a majority; start one of "
                    + describe(silent) + ".";
        }

        private String unknownVoters() {
            String whose = configured.names() ? "controllers that the brokers start from" : "nodes that were asked";
            String advice = configured.names() && !silent.isEmpty()
                    ? "start " + describe(silent)
                    : "look at the controllers' processes and logs";
            return "No active controller; the voters are unknown (" + configured.unknown + "). Of " + size() + " "
                    + whose + " " + answering.size() + " answer" + described(answering) + "; " + advice + ".";
        }

        private static String described(List<Node> nodes) {
            return nodes.isEmpty() ? "" : " (" + describe(nodes) + ")";
        }

        private static String describe(List<Node> nodes) {
            return String.join(
                    ", ",
                    nodes.stream()
                            .map(n -> (n.id() < 0 ? "" : n.id() + " at ") + printable(n.host()) + ":" + n.port())
                            .toList());
        }
    }

    private static List<Integer> ids(List<Node> nodes) {
        return nodes.stream().map(Node::id).toList();
    }

    /** Where clients reach the brokers; empty if only a controller was asked, which does not say. */
    private static Map<Integer, String> brokerEndpoints(Admin admin) throws InterruptedException {
        Map<Integer, String> endpoints = new HashMap<>();
        try {
            for (Node node : admin.describeCluster(new DescribeClusterOptions().includeFencedBrokers(true))
                    .nodes()
                    .get()) endpoints.put(node.id(), node.host() + ":" + node.port());
        } catch (ExecutionException e) {
            endpoints.clear(); // the quorum was the question, and it has answered
        }
        return endpoints;
    }

    /** One that fetches the metadata log: a voter (leader or follower), or an observer (a broker, or a controller that may become a voter). */
    record Member(QuorumInfo.ReplicaState replica, String role, long lag, String endpoint) {
        boolean isVoter() {
            return !role.equals("observer");
        }

        /** Returns the id of its metadata folder, or nothing where the quorum is static and has none. */
        String directory() {
            return replica.replicaDirectoryId().equals(Uuid.ZERO_UUID)
                    ? ""
                    : replica.replicaDirectoryId().toString();
        }

        Map<String, Object> fields() {
            Map<String, Object> fields = new LinkedHashMap<>();
            fields.put("id", replica.replicaId());
            fields.put("role", role);
            fields.put("lag", lag);
            fields.put("lastCaughtUpMs", replica.lastCaughtUpTimestamp().orElse(-1));
            fields.put("endpoint", endpoint);
            if (!directory().isEmpty()) fields.put("directoryId", directory());
            return fields;
        }
    }

    /** Returns the voters, then the observers. @param brokers where clients reach the brokers; a controller's own endpoint is what the quorum says */
    static List<Member> members(QuorumInfo quorum, Map<Integer, String> brokers) {
        long end = quorum.voters().stream()
                .mapToLong(QuorumInfo.ReplicaState::logEndOffset)
                .max()
                .orElse(0);
        List<Member> members = new ArrayList<>();
        for (QuorumInfo.ReplicaState v : quorum.voters())
            members.add(member(v, v.replicaId() == quorum.leaderId() ? "leader" : "follower", end, quorum, brokers));
        for (QuorumInfo.ReplicaState o : quorum.observers()) members.add(member(o, "observer", end, quorum, brokers));
        return members;
    }

    private static Member member(
            QuorumInfo.ReplicaState replica, String role, long end, QuorumInfo quorum, Map<Integer, String> brokers) {
        QuorumInfo.Node controller = quorum.nodes().get(replica.replicaId());
        String own = controller == null
                ? ""
                : String.join(
                        ",",
                        controller.endpoints().stream()
                                .map(e -> e.host() + ":" + e.port())
                                .toList());
        return new Member(
                replica,
                role,
                Math.max(0, end - replica.logEndOffset()),
                brokers.getOrDefault(replica.replicaId(), own));
    }

    private void printLong(QuorumInfo quorum, List<Member> members) {
        boolean directories = members.stream().anyMatch(m -> !m.directory().isEmpty());
        int width = Math.max(
                8, members.stream().mapToInt(m -> m.endpoint.length()).max().orElse(0));
        String endpoint = directories ? "%-" + width + "s  %s" : "%s%s";
        common.out.printf(
                Locale.ROOT,
                "Active controller %d, epoch %d, high watermark %d%n",
                quorum.leaderId(),
                quorum.leaderEpoch(),
                quorum.highWatermark());
        common.out.printf(
                Locale.ROOT,
                "%-5s %-9s %8s  %-14s " + endpoint + "%n",
                "NODE",
                "ROLE",
                "LAG",
                "CAUGHT UP",
                "ENDPOINT",
                directories ? "DIRECTORY ID" : "");
        for (Member m : members) {
            long at = m.replica.lastCaughtUpTimestamp().orElse(-1);
            String ago = at < 0 ? "never" : Math.max(0, System.currentTimeMillis() - at) + " ms ago";
            String row = String.format(
                    Locale.ROOT,
                    "%-5s %-9s %8s  %-14s " + endpoint,
                    m.replica.replicaId(),
                    m.role,
                    m.lag,
                    ago,
                    printable(m.endpoint),
                    m.directory());
            common.out.println(row.stripTrailing());
        }
    }

    // ---- Common to the step scripts: reach the cluster, answer, fail. The same text in each; a test compares them.
    // ----

    static final int UNREACHABLE = 10,
            NO_CONTROLLER = 11,
            REFUSED = 12,
            ANOMALY = 13,
            INCOMPLETE = 14,
            MISSED = 15,
            ALL_FAILED = 16;

    /** A foreseen end: the exit code, and one sentence for stderr that says what was wrong and what to do. */
    static class Exit extends RuntimeException implements CommandLine.IExitCodeGenerator {
        final int code;

        Exit(int code, String sentence) {
            super(sentence);
            this.code = code;
        }

        @Override
        public int getExitCode() {
            return code;
        }
    }

    /** The options that every script understands alike, and what they lead to: clients, output, events, exit codes. */
    static class Common {
        @Option(
                names = {"-b", "--bootstrap-server"},
                paramLabel = "HOST:PORT,...",
                description = "The cluster (default: $$KAFKA_BOOTSTRAP, else the lab's three nodes).",
                defaultValue = "${KAFKA_BOOTSTRAP:-localhost:29192,localhost:29292,localhost:29392}")
        String bootstrapServer;

        @Option(
                names = "--command-config",
                paramLabel = "FILE",
                description = "Client properties, such as SASL and TLS.")
        Path commandConfig;

        @Option(
                names = "--timeout",
                paramLabel = "DURATION",
                defaultValue = "30s",
                description = "Give up after this long: 500ms, 30s, 2m (default: ${DEFAULT-VALUE}).")
        Duration timeout;

        @Option(names = "--json", description = "Print one JSON object a line.")
        boolean json;

        @Option(names = "--events", paramLabel = "FILE", description = "Append what happens to this JSON Lines file.")
        File events;

        boolean verbose;

        @Option(
                names = {"-h", "--help"},
                usageHelp = true,
                description = "Show this help.")
        boolean help;

        @Option(
                names = {"-V", "--version"},
                versionHelp = true,
                description = "Show the version.")
        boolean version;

        @Spec(Spec.Target.MIXEE)
        CommandSpec spec;

        PrintWriter out, err;
        static final String LOG_LEVEL = "org.slf4j.simpleLogger.defaultLogLevel";

        static {
            System.setProperty(LOG_LEVEL, System.getProperty(LOG_LEVEL, "off"));
        }

        @Option(
                names = {"-v", "--verbose"},
                description = "Show stack traces and the client's own log.")
        void verbose(boolean on) {
            if (verbose = on) System.setProperty(LOG_LEVEL, "info");
        }

        /** For composite scripts: gets each event as well. */
        Consumer<Map<String, Object>> listener = event -> {};
        /** How long Ctrl-C waits for the script to end, and what is said if it has not by then. A script that has faults to undo takes its time. */
        Duration patience = Duration.ofSeconds(10);

        Runnable leftover = () -> {};
        private Writer eventsWriter;
        /** The newest client's properties. */
        private Properties given = new Properties();

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
                try {
                    if (!done.await(patience.toMillis(), TimeUnit.MILLISECONDS)) leftover.run();
                } catch (InterruptedException e) {
                    return;
                }
            });
            Runtime.getRuntime().addShutdownHook(hook);
            try {
                return cli.execute(args);
            } finally {
                try {
                    if (eventsWriter != null) eventsWriter.close();
                } catch (IOException e) {
                    err.println(e.getMessage());
                }
                out.flush();
                done.countDown();
                try {
                    Runtime.getRuntime().removeShutdownHook(hook);
                } catch (IllegalStateException shuttingDown) {
                    /* after Ctrl-C */
                }
            }
        }

        private CommandLine commandLine(Object script, PrintWriter out, PrintWriter err) {
            this.out = Guard.over(out);
            this.err = Guard.over(err);
            return new CommandLine(script)
                    .setOut(out)
                    .setErr(err)
                    .setCaseInsensitiveEnumValuesAllowed(true)
                    .registerConverter(Duration.class, Common::duration)
                    .setParameterExceptionHandler((e, args) -> {
                        err.println(printable(e.getMessage()) + " (see --help)");
                        return 2;
                    })
                    .setExecutionExceptionHandler((e, cli, parsed) -> explain(e));
        }

        /** @return a duration from {@code 500ms}, {@code 30s}, {@code 2m}, {@code 1h} or plain seconds */
        static Duration duration(String text) {
            var m = java.util.regex.Pattern.compile("(\\d+(?:\\.\\d+)?)(ms|s|m|h|)")
                    .matcher(text.trim());
            if (!m.matches())
                throw new TypeConversionException("'" + text + "' is not a duration such as 500ms, 30s or 2m");
            double unit = switch (m.group(2)) {
                case "ms" -> 1;
                case "m" -> 60_000;
                case "h" -> 3_600_000;
                default -> 1_000;
            };
            return Duration.ofMillis(Math.round(Double.parseDouble(m.group(1)) * unit));
        }

        /** Client properties from --command-config and --bootstrap-server, then the given pairs; an option that is given wins over the file. */
        Properties client(Object... pairs) throws IOException {
            Properties properties = new Properties();
            if (commandConfig != null) {
                try (InputStream in = Files.newInputStream(commandConfig)) {
                    properties.load(in);
                } // ISO-8859-1, as Java and Apache's tools read properties
                catch (IOException | IllegalArgumentException e) {
                    throw new Exit(2, "Cannot read --command-config " + commandConfig + ": " + reason(e) + ".");
                }
            }
            if (properties.containsKey("bootstrap.servers")
                    && !spec.commandLine().getParseResult().hasMatchedOption("-b"))
                bootstrapServer = properties.getProperty("bootstrap.servers");
            properties.put("bootstrap.servers", bootstrapServer);
            for (int i = 0; i < pairs.length; i += 2) properties.put(pairs[i].toString(), pairs[i + 1].toString());
            given = properties;
            return properties;
        }

        /**
         * An Admin that starts from the addresses that answer: it would stay with one that only connects (a paused node). Exit 10 at once where no client could be
         * answered: to a TLS port without TLS, a client takes the first bytes for the length of an answer of 350 MB.
         */
        Admin admin(Object... more) throws IOException {
            Properties properties = client(
                    "default.api.timeout.ms",
                    timeout.toMillis(),
                    "request.timeout.ms",
                    Math.min(timeout.toMillis(), 30_000));
            properties.putAll(client(more));
            Map<Boolean, List<String>> addresses = new HashMap<>(); // by whether it is a controller's
            for (Endpoint e : usable())
                addresses
                        .computeIfAbsent(e.port == Port.CONTROLLER, c -> new ArrayList<>())
                        .add(e.address());
            boolean controllers = addresses.size() == 1 && addresses.containsKey(true);
            if (controllers) {
                say("%s: a controller's port, so the controllers are asked.", String.join(", ", addresses.get(true)));
                properties.remove("bootstrap.servers");
            }
            properties.put(
                    controllers ? "bootstrap.controllers" : "bootstrap.servers",
                    String.join(",", addresses.get(controllers)));
            return Admin.create(properties);
        }

        /** Whether the script's question is one that controllers answer too: admin() then takes their addresses as well. */
        boolean controllersAnswer;

        Exit unreachable(String why) {
            return new Exit(
                    UNREACHABLE,
                    "No cluster at " + bootstrapServer + ": " + why
                            + "; start one (cluster up) or name yours with --bootstrap-server.");
        }

        /** Ends with 10 and the reason if no client can talk to any of the bootstrap addresses. Silence says nothing about the quorum before this was asked. */
        void requireReachable() throws IOException {
            List<Endpoint> seen = endpoints();
            if (seen.stream().allMatch(e -> obstacle(e, Common::connects) != null))
                throw cannotTalk(seen, Common::connects);
        }

        /** The addresses that a client can talk to; where there are none, those that may yet say something. Where there are none of these either: exit 10 and the reason. */
        List<Endpoint> usable() throws IOException {
            List<Endpoint> seen = endpoints();
            List<Endpoint> usable = seen.stream()
                    .filter(e -> obstacle(e, Common::resolves) == null)
                    .toList();
            if (usable.isEmpty())
                usable = seen.stream().filter(e -> e.port == Port.MUTE).toList();
            if (usable.isEmpty()) throw cannotTalk(seen, Common::resolves);
            return usable;
        }

        private Exit cannotTalk(List<Endpoint> seen, java.util.function.Predicate<Node> reach) {
            if (seen.stream().allMatch(e -> e.port == Port.CLOSED))
                return unreachable(seen.stream().anyMatch(e -> resolves(e.at)) ? CLOSED : "no such host");
            Map<String, List<String>> reasons = new LinkedHashMap<>();
            for (Endpoint e : seen)
                reasons.computeIfAbsent(obstacle(e, reach), r -> new ArrayList<>())
                        .add(e.address());
            if (reasons.size() > 1) reasons.remove(CLOSED);
            return new Exit(
                    UNREACHABLE,
                    "Cannot talk to "
                            + String.join(
                                    "; ",
                                    reasons.entrySet().stream()
                                            .map(r -> String.join(", ", r.getValue()) + ": " + r.getKey())
                                            .toList())
                            + ".");
        }

        /** What a port is, as far as it says so to one who knows neither TLS nor SASL. MUTE takes a connection and says nothing: paused, starting, or behind a proxy. */
        enum Port {
            CLOSED,
            MUTE,
            STRANGE,
            TLS,
            SASL,
            UNDECIDED,
            CONTROLLER,
            BROKER
        }

        /** An address, what is there, and which brokers it advertises to clients. */
        record Endpoint(Node at, Port port, List<Node> advertised) {
            String address() {
                return Common.address(at);
            }
        }

        static String address(Node node) {
            return (node.host().contains(":") ? "[" + node.host() + "]:" : node.host() + ":") + node.port();
        }

        List<Endpoint> endpoints() throws IOException {
            if (given.isEmpty()) client(); // --command-config may name the cluster
            int each = (int) Math.max(1, Math.min(timeout.toMillis() / 4, 1500));
            return bootstrapNodes().parallelStream()
                    .map(node -> endpoint(node, each))
                    .toList();
        }

        /**
         * Asks for the API versions, which all may ask, and for the brokers, which a listener with SASL answers by hanging up. The bytes are written by hand, since no
         * public client API says why it gets no answer, nor what a broker advertises where that leads nowhere.
         */
        static Endpoint endpoint(Node at, int timeoutMs) {
            Port port = Port.CLOSED;
            try (Socket socket = new Socket()) {
                socket.connect(new InetSocketAddress(at.host(), at.port()), timeoutMs);
                port = Port.MUTE;
                socket.setSoTimeout(timeoutMs);
                DataInputStream in = new DataInputStream(socket.getInputStream());
                socket.getOutputStream().write(API_VERSIONS);
                int size = in.readInt();
                if (size >>> 24 == 0x15) return new Endpoint(at, Port.TLS, List.of()); // an alert
                port = Port.STRANGE;
                java.nio.ByteBuffer versions = answer(in, size);
                Set<Integer> apis = new HashSet<>();
                for (int left = versions.position(6).getInt(); left > 0; left--) {
                    apis.add((int) versions.getShort());
                    versions.getInt(); // the versions of this one
                }
                if (!apis.contains(18)) return new Endpoint(at, port, List.of());
                if (!apis.contains(3)) return new Endpoint(at, Port.CONTROLLER, List.of());
                port = Port.SASL;
                socket.getOutputStream().write(METADATA);
                return new Endpoint(at, Port.BROKER, brokers(answer(in, in.readInt())));
            } catch (SocketTimeoutException | RuntimeException slowOrNotUnderstood) {
                return new Endpoint(at, port == Port.SASL ? Port.UNDECIDED : port, List.of());
            } catch (IOException e) {
                return new Endpoint(at, port, List.of());
            }
        }

        /** API key, version, correlation id, no client id; then the topics asked for: none. */
        private static final byte[] API_VERSIONS = {0, 0, 0, 10, 0, 18, 0, 0, 0, 0, 0, 1, -1, -1},
                METADATA = {0, 0, 0, 14, 0, 3, 0, 1, 0, 0, 0, 2, -1, -1, 0, 0, 0, 0};

        private static java.nio.ByteBuffer answer(DataInputStream in, int size) throws IOException {
            if (size < 10 || size > 1 << 20) throw new IOException("no answer of Kafka's");
            byte[] bytes = new byte[size];
            in.readFully(bytes);
            return java.nio.ByteBuffer.wrap(bytes);
        }

        /** The nodes of a Metadata answer, version 1: id, host, port, rack. */
        private static List<Node> brokers(java.nio.ByteBuffer metadata) {
            List<Node> brokers = new ArrayList<>();
            for (int left = metadata.position(4).getInt(); left > 0; left--) {
                int id = metadata.getInt();
                byte[] host = new byte[metadata.getShort()];
                metadata.get(host);
                brokers.add(new Node(id, new String(host, java.nio.charset.StandardCharsets.UTF_8), metadata.getInt()));
                int rack = Math.max(0, metadata.getShort());
                metadata.position(metadata.position() + rack);
            }
            return brokers;
        }

        private static final String CLOSED = "nothing listens there",
                NO_TLS = "the port speaks no TLS, which security.protocol=%s asks for";

        /** Why a client with the given security.protocol cannot talk to what is there; null if it can, or if only a client can tell. */
        private String obstacle(Endpoint e, java.util.function.Predicate<Node> reach) {
            String protocol =
                    given.getProperty("security.protocol", "PLAINTEXT").trim().toUpperCase(Locale.ROOT);
            boolean tls = protocol.endsWith("SSL");
            boolean login = protocol.startsWith("SASL");
            if (e.port == Port.CLOSED) return resolves(e.at) ? CLOSED : "no such host";
            if (e.port == Port.MUTE) return tls ? null : "what listens there does not answer";
            if (e.port == Port.STRANGE) return "what listens there is not Kafka";
            if (e.port == Port.TLS)
                return tls ? null : "the port wants TLS (security.protocol=SSL or SASL_SSL in --command-config)";
            if (tls) return String.format(Locale.ROOT, NO_TLS, protocol);
            if (e.port == Port.CONTROLLER)
                return controllersAnswer
                        ? null
                        : "this is a controller's port, where only the quorum can be asked about: name a broker's";
            if (e.port == Port.UNDECIDED) return null; // not in time: a broker refuses a login late on purpose
            if (e.port == Port.SASL)
                return login
                        ? null
                        : "the port wants a login (security.protocol=SASL_PLAINTEXT, sasl.mechanism and"
                                + " sasl.jaas.config in --command-config)";
            if (login) return "the port takes no login, which security.protocol=" + protocol + " asks for";
            if (e.advertised.isEmpty() || e.advertised.stream().anyMatch(reach)) return null;
            Node first = e.advertised.get(0);
            return "the broker there advertises " + address(first)
                    + (resolves(first) ? ", which cannot be reached from here" : ", which does not resolve here")
                    + " (advertised.listeners)";
        }

        static boolean resolves(Node node) {
            return !new InetSocketAddress(node.host(), 0).isUnresolved();
        }

        static boolean connects(Node node) {
            return connects(node.host(), node.port(), 1000);
        }

        /** The bootstrap addresses as nodes with ids -1, -2, ... */
        List<Node> bootstrapNodes() {
            List<Node> nodes = new ArrayList<>();
            for (String address : bootstrapServer.split(",")) {
                var m = java.util.regex.Pattern.compile("\\s*(?:\\w+://)?\\[?(.+?)\\]?:(\\d{1,5})\\s*")
                        .matcher(address);
                if (!m.matches()) throw new Exit(2, "'" + address + "' in --bootstrap-server is not HOST:PORT.");
                nodes.add(new Node(-1 - nodes.size(), m.group(1), Integer.parseInt(m.group(2))));
            }
            return nodes;
        }

        static boolean connects(String host, int port, int timeoutMs) {
            try (Socket socket = new Socket()) {
                socket.connect(new InetSocketAddress(host, port), timeoutMs);
                return true;
            } catch (IOException | IllegalArgumentException e) {
                return false;
            }
        }

        /** Whether the process behind a port is alive: a stopped (SIGSTOP) one still connects but never answers ApiVersions. */
        static boolean answers(String host, int port, int timeoutMs) {
            try (Socket socket = new Socket()) {
                socket.connect(new InetSocketAddress(host, port), timeoutMs);
                socket.setSoTimeout(timeoutMs);
                socket.getOutputStream().write(API_VERSIONS);
                // A TLS listener sends an alert: alive as well. Docker's proxy, before a port of somebody who is not up
                // yet, only closes.
                return socket.getInputStream().read() >= 0;
            } catch (IOException | IllegalArgumentException e) {
                return false;
            }
        }

        /** Progress and warnings: stderr. */
        void say(String format, Object... args) {
            Object[] safe = java.util.stream.Stream.of(args)
                    .map(arg -> arg instanceof Number ? arg : printable(arg))
                    .toArray();
            err.println(args.length == 0 ? format : String.format(Locale.ROOT, format, safe));
        }

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
                if (eventsWriter == null)
                    eventsWriter = new OutputStreamWriter(new FileOutputStream(events, true), "UTF-8");
                eventsWriter.write(line + "\n");
                eventsWriter.flush();
            } catch (IOException e) {
                throw new Exit(1, "Cannot write --events " + events + ": " + e.getMessage() + ".");
            }
        }

        /** One line and an exit code for whatever ended the script. */
        private int explain(Exception problem) {
            if (verbose) problem.printStackTrace(err);
            Throwable e = problem;
            while ((e instanceof ExecutionException
                            || e instanceof CompletionException
                            || e.getClass() == org.apache.kafka.common.KafkaException.class)
                    && e.getCause() != null) e = e.getCause();
            Exit exit = exit(e, problem);
            err.println(printable(exit.getMessage()));
            return exit.code;
        }

        private Exit exit(Throwable e, Throwable whole) {
            // Of a step that a composite script calls, it is that script's Exit: told by picocli's interface.
            if (e instanceof CommandLine.IExitCodeGenerator x) return new Exit(x.getExitCode(), e.getMessage());
            if (e instanceof InterruptedException || e instanceof InterruptException)
                return new Exit(130, "Interrupted.");
            if (e instanceof ConfigException && e.getMessage().contains("bootstrap"))
                return unreachable("no such host");
            if (e instanceof AuthenticationException)
                return new Exit(
                        UNREACHABLE, "Cannot talk to " + bootstrapServer + ": login refused, " + deepest(e) + ".");
            if (e instanceof AuthorizationException)
                return new Exit(1, "Not permitted: " + deepest(e) + "; the principal needs an ACL for it.");
            if (e instanceof org.apache.kafka.common.errors.TimeoutException) return noAnswer();
            if (e instanceof ConfigException
                    || chain(whole)
                            .anyMatch(c -> String.valueOf(c.getMessage()).matches("Failed to c(reate|onstruct) .*")))
                return refused(whole);
            return new Exit(
                    1, e.getClass().getSimpleName() + ": " + e.getMessage() + (verbose ? "" : " (-v shows where)"));
        }

        private Exit noAnswer() {
            try {
                requireReachable();
            } catch (Exit exit) {
                return exit;
            } catch (IOException e) {
                /* then without a reason */
            }
            String advice = given.containsKey("security.protocol")
                    ? "perhaps the address that its brokers advertise cannot be reached from here (-v shows the"
                            + " client's log)"
                    : "find-controller says who is missing";
            return new Exit(
                    UNREACHABLE,
                    "No answer from the cluster at " + bootstrapServer + " within " + timeout.toMillis() + " ms; "
                            + advice + ".");
        }

        /** Of a client that could not be made: the property at fault is the one that the reasons mention by name or by the longest part of its value. */
        private Exit refused(Throwable problem) {
            String reasons = String.join(
                    "\n",
                    chain(problem).map(e -> String.valueOf(e.getMessage())).toList());
            String name = reasons.matches("(?s).*(JAAS|LoginModule).*") ? "sasl.jaas.config" : null;
            int longest = 3;
            for (String key : new TreeSet<>(given.stringPropertyNames())) {
                for (String part : (key + " " + given.getProperty(key)).split("[\\s,;=\"]+")) {
                    if (part.length() <= longest || !reasons.contains(part)) continue;
                    longest = part.length();
                    name = key;
                }
            }
            return new Exit(
                    2, "Client property " + (name == null ? "" : name + " ") + "refused: " + deepest(problem) + ".");
        }

        private static java.util.stream.Stream<Throwable> chain(Throwable e) {
            return java.util.stream.Stream.iterate(e, Objects::nonNull, Throwable::getCause)
                    .limit(20);
        }

        static String deepest(Throwable e) {
            String reason = reason(chain(e).reduce((a, b) -> b).orElse(e));
            return reason.endsWith(".") ? reason.substring(0, reason.length() - 1) : reason;
        }

        /** Java's exceptions of files and classes have nothing but a name for a message. */
        static String reason(Throwable e) {
            if (e instanceof NoSuchFileException || e instanceof FileNotFoundException)
                return "there is no file " + e.getMessage();
            if (e instanceof AccessDeniedException) return "no permission to read " + e.getMessage();
            if (e instanceof ClassNotFoundException) return "there is no class " + e.getMessage();
            return e.getMessage() == null ? e.getClass().getSimpleName() : e.getMessage();
        }
    }

    /**
     * What a script prints to: nothing gets through that could drive a terminal, if a name that a cluster gave was not made printable. Hands out the writer below
     * to who does drive it.
     */
    static final class Guard extends PrintWriter implements java.util.function.Supplier<PrintWriter> {
        private final PrintWriter raw;

        private Guard(PrintWriter raw) {
            super(
                    new FilterWriter(raw) {
                        @Override
                        public void write(int c) {
                            write(String.valueOf((char) c), 0, 1);
                        }

                        @Override
                        public void write(char[] chars, int from, int length) {
                            write(new String(chars), from, length);
                        }

                        @Override
                        public void write(String text, int from, int length) {
                            raw.write(harmless(text.substring(from, from + length)));
                        }
                    },
                    true);
            this.raw = raw;
        }

        static PrintWriter over(PrintWriter out) {
            return out instanceof java.util.function.Supplier ? out : new Guard(out);
        }

        @Override
        public PrintWriter get() {
            return raw;
        }

        @Override
        public boolean checkError() {
            return super.checkError() | raw.checkError();
        }

        /** Escapes controls but for the end of a line and the tab, and what turns the direction of writing. */
        static String harmless(String text) {
            return HARMFUL.matcher(text)
                    .replaceAll(m -> String.format(
                            Locale.ROOT, "\\\\u%04x", (int) m.group().charAt(0)));
        }

        private static final java.util.regex.Pattern HARMFUL = java.util.regex.Pattern.compile(
                "\\r(?!\n)|[\\p{Cc}&&[^\\n\\t\\r]]|[\\u200e\\u200f\\u061c\\u202a-\\u202e\\u2066-\\u2069]");
    }

    /** Returns what a cluster, a record or a file says so that a person may read it: what could drive a terminal or forge a line is escaped. */
    static String printable(Object value) {
        StringBuilder text = new StringBuilder();
        for (char c : String.valueOf(value).toCharArray()) {
            int type = Character.getType(c);
            boolean harmless = type != Character.CONTROL
                    && type != Character.FORMAT
                    && type != Character.LINE_SEPARATOR
                    && type != Character.PARAGRAPH_SEPARATOR;
            text.append(harmless ? c : String.format(Locale.ROOT, "\\u%04x", (int) c));
        }
        return text.toString();
    }

    /** Now, as the events have it: ISO-8601, UTC, microseconds. */
    static String timestamp() {
        return DateTimeFormatter.ofPattern("yyyy-MM-dd'T'HH:mm:ss.SSSSSS'Z'")
                .withZone(ZoneOffset.UTC)
                .format(Instant.now());
    }
    // ---- End of what is common. ----
}
