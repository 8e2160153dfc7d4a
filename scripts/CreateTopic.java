///usr/bin/env jbang "$0" "$@" ; exit $?
//JAVA 17+
//DEPS org.apache.kafka:kafka-clients:4.4.0
//DEPS info.picocli:picocli:4.7.7
//DEPS com.fasterxml.jackson.jr:jackson-jr-objects:2.21.7
//DEPS org.slf4j:slf4j-simple:1.7.36
//JAVAC_OPTIONS -J-XX:TieredStopAtLevel=1 -J-XX:+UseSerialGC
//DESCRIPTION Creates a topic and waits until every partition has a leader and a full ISR

import static java.util.stream.Collectors.*;

import com.fasterxml.jackson.jr.ob.JSON;
import java.io.*;
import java.net.*;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.*;
import java.time.*;
import java.time.format.DateTimeFormatter;
import java.util.*;
import java.util.concurrent.*;
import java.util.function.*;
import java.util.regex.Pattern;
import org.apache.kafka.clients.admin.*;
import org.apache.kafka.common.*;
import org.apache.kafka.common.config.ConfigException;
import org.apache.kafka.common.config.ConfigResource;
import org.apache.kafka.common.errors.*;
import org.apache.kafka.common.protocol.ApiKeys;
import org.apache.kafka.common.protocol.ByteBufferAccessor;
import org.apache.kafka.common.requests.*;
import org.apache.kafka.common.utils.Utils;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;
import picocli.CommandLine.TypeConversionException;

/**
 * Creates topics and waits until they can be relied on.
 *
 * <p>The controller answers createTopics as soon as the topic is in its log; brokers learn of it later, and replicas
 * join the ISR later still. This returns when every partition has a leader and a full ISR, and each leader itself
 * answers for its partitions, so that a producer started next gets no UnknownTopicOrPartitionException.
 *
 * <pre>create-topic test_topic critical_data --if-not-exists --config min.insync.replicas=2</pre>
 */
@Command(
        name = "create-topic",
        version = "kraft-lab 0.1.0",
        sortOptions = false,
        description =
                "Creates topics; returns when every partition has a leader and a full ISR, and prints the layout.")
class CreateTopic implements Callable<Integer> {
    /** A call may hang on a paused broker; when it is repeated after this time, the client takes another broker. */
    private static final Duration ATTEMPT = Duration.ofSeconds(4);

    @Parameters(paramLabel = "TOPIC", arity = "0..*", description = "The topics (default: test_topic).")
    List<String> topics = new ArrayList<>();

    @Option(names = "--topic", paramLabel = "TOPIC", description = "Topic, instead of an argument; may be repeated.")
    void topic(String topic) {
        byOption.add(topic);
    }

    private final Set<String> byOption = new LinkedHashSet<>();

    @Option(
            names = "--partitions",
            paramLabel = "N",
            defaultValue = "8",
            description = "Partitions of each topic (default: ${DEFAULT-VALUE}).")
    int partitions;

    @Option(
            names = "--replication-factor",
            paramLabel = "N",
            defaultValue = "3",
            description = "Replicas of each partition (default: ${DEFAULT-VALUE}).")
    short replicationFactor;

    @Option(
            names = "--config",
            paramLabel = "KEY=VALUE",
            description = "A topic configuration, such as min.insync.replicas=2; may be repeated.")
    Map<String, String> configs = new TreeMap<>();

    @Option(names = "--if-not-exists", description = "Accept an existing topic with the same layout.")
    boolean ifNotExists;

    @Mixin
    Common common = new Common();

    public static void main(String... args) {
        System.exit(run(new PrintWriter(System.out, true), new PrintWriter(System.err, true), args));
    }

    /** Runs the script without a process. @return the exit code */
    public static int run(PrintWriter out, PrintWriter err, String... args) {
        CreateTopic script = new CreateTopic();
        return script.common.run(script, out, err, args);
    }

    @Override
    public Integer call() throws Exception {
        topics();
        try (Admin admin = common.admin()) {
            create(admin, layout -> {
                common.say(
                        "%s topic %s, every partition led and in sync after %d ms.",
                        layout.created ? "Created" : "Found", layout.topic, layout.ms);
                common.emit("topic", layout.fields());
                if (!common.json) print(layout);
            });
        }
        return 0;
    }

    /** Creates the topics that the options name, one after the other; passes on each layout once it is in sync. */
    public void create(Admin admin, Consumer<Layout> each) throws InterruptedException {
        for (String topic : topics()) {
            Wanted wanted = new Wanted(topic, partitions, replicationFactor, configs);
            each.accept(create(admin, wanted, ifNotExists, common.timeout));
        }
    }

    /** Returns the topics, given as arguments or options. Throws {@link Exit} 2 if both were used and differ. */
    private List<String> topics() {
        if (topics.isEmpty()) topics.addAll(byOption.isEmpty() ? List.of("test_topic") : byOption);
        if (!byOption.isEmpty() && !byOption.equals(new LinkedHashSet<>(topics))) {
            throw new Exit(
                    2,
                    "The topics are given twice, as " + String.join(", ", topics) + " and with --topic as "
                            + String.join(", ", byOption) + ": give them one way.");
        }
        return topics;
    }

    /** The layout that a topic should have. Configurations that are not named here are not compared. */
    record Wanted(String topic, int partitions, short replicationFactor, Map<String, String> configs) {
        /** Describes how an existing topic differs; empty when it does not. */
        String difference(List<Partition> found, Map<String, String> foundConfigs) {
            List<String> differences = new ArrayList<>();
            if (found.size() != partitions) {
                differences.add("partitions expected " + partitions + ", found " + found.size());
            }
            Set<Integer> factors = new TreeSet<>();
            found.forEach(partition -> factors.add(partition.replicas.size()));
            if (!factors.equals(Set.of((int) replicationFactor))) {
                differences.add("replication factor expected " + replicationFactor + ", found " + commas(factors));
            }
            configs.forEach((key, value) -> {
                String existing = Objects.requireNonNullElse(foundConfigs.get(key), "no such configuration");
                if (!value.equals(existing)) differences.add(key + " expected " + value + ", found " + existing);
            });
            return String.join("; ", differences);
        }
    }

    record Partition(int partition, int leader, List<Integer> replicas, List<Integer> isr) {
        boolean inSync() {
            return leader >= 0 && isr.size() == replicas.size();
        }

        String state() {
            String leaderState = leader < 0 ? "no leader" : "leader " + leader;
            return "partition " + partition + " (" + leaderState + ", ISR " + commas(isr) + " of " + commas(replicas)
                    + ")";
        }
    }

    /** A topic that is in sync, and how long that took; not {@code created} if it existed before. */
    record Layout(String topic, boolean created, List<Partition> partitions, Map<String, String> configs, long ms) {
        Object[] fields() {
            List<Map<String, Object>> each = new ArrayList<>();
            for (Partition p : partitions) {
                each.add(new TreeMap<>(
                        Map.of("partition", p.partition, "leader", p.leader, "replicas", p.replicas, "isr", p.isr)));
            }
            return new Object[] {"topic", topic, "created", created, "configs", configs, "partitions", each, "ms", ms};
        }
    }

    /** A request of a topic: what it should be, and the time until which the cluster is asked for it. */
    private record Request(Admin admin, Wanted wanted, Duration timeout, long deadline) {
        boolean isOver() {
            return System.nanoTime() >= deadline;
        }
    }

    /**
     * Creates a topic, or finds it as wanted, and waits until it has leaders and is in sync. Throws {@link Exit}: 1 it
     * exists with another layout, or there are too few brokers; 2 the cluster refuses the layout; 11 no active
     * controller; 15 not in sync in time.
     */
    public static Layout create(Admin admin, Wanted wanted, boolean ifNotExists, Duration timeout)
            throws InterruptedException {
        long start = System.nanoTime();
        Request request = new Request(admin, wanted, timeout, start + timeout.toNanos());
        Made made = createOrFind(request);
        if (made != Made.CREATED) {
            requireSameLayout(request);
        }
        if (made == Made.EXISTED && !ifNotExists) {
            throw new Exit(1, "Topic " + wanted.topic + " exists already, same layout; --if-not-exists accepts that.");
        }
        List<Partition> partitions = awaitInSync(request);
        long ms = (System.nanoTime() - start) / 1_000_000;
        return new Layout(wanted.topic, made != Made.EXISTED, partitions, wanted.configs, ms);
    }

    private static void requireSameLayout(Request request) throws InterruptedException {
        Wanted wanted = request.wanted;
        String difference = wanted.difference(describe(request), configs(request));
        if (!difference.isEmpty()) {
            throw new Exit(1, "Topic " + wanted.topic + " exists with another layout: " + difference + ".");
        }
    }

    private enum Made {
        CREATED,
        EXISTED,
        /** It exists after an attempt without an answer, which may have created it. */
        MAYBE
    }

    private static Made createOrFind(Request request) throws InterruptedException {
        String topic = request.wanted.topic;
        for (boolean tried = false; ; tried = true) {
            try {
                createTopics(request);
                return Made.CREATED;
            } catch (TopicExistsException e) {
                return tried ? Made.MAYBE : Made.EXISTED;
            } catch (InvalidReplicationFactorException e) {
                String factor = " with replication factor " + request.wanted.replicationFactor;
                throw new Exit(1, "Cannot create topic " + topic + factor + ": " + brokers(request.admin, e) + ".");
            } catch (AuthorizationException e) {
                throw new Exit(
                        1,
                        "Not permitted to create topic " + topic
                                + ": the principal needs CREATE on the topic or on the cluster, and DESCRIBE on the"
                                + " topic.");
            } catch (AuthenticationException e) {
                throw e; // an InvalidConfigurationException for Kafka, but not of the topic
            } catch (InvalidConfigurationException | InvalidPartitionsException e) {
                throw new Exit(2, "Cannot create topic " + topic + ": " + e.getMessage());
            } catch (RetriableException e) {
                requireController(request, e, tried);
            }
        }
    }

    private static void createTopics(Request request) throws InterruptedException {
        Wanted wanted = request.wanted;
        NewTopic topic = new NewTopic(wanted.topic, wanted.partitions, wanted.replicationFactor);
        CreateTopicsOptions options = new CreateTopicsOptions().timeoutMs(attempt(request.deadline));
        get(request.admin
                .createTopics(List.of(topic.configs(wanted.configs)), options)
                .all());
    }

    /** Throws {@link Exit} 11 if the time is over, or if most nodes do not answer when the cluster is asked again. */
    private static void requireController(Request request, RetriableException e, boolean tried)
            throws InterruptedException {
        List<Node> nodes = nodes(request.admin, e);
        List<Node> answering = nodes.stream()
                .filter(n -> Common.answers(n.host(), n.port(), 1000))
                .toList();
        boolean over = request.isOver();
        if (answering.isEmpty()) {
            if (over) throw e;
            return;
        }
        if (over || tried && answering.size() * 2 <= nodes.size()) {
            String within = over ? " within " + request.timeout.toMillis() + " ms" : "";
            throw new Exit(
                    NO_CONTROLLER,
                    "No active controller" + within + ": createTopics of " + request.wanted.topic
                            + " got no answer, and " + answering.size() + " of " + nodes.size() + " nodes answer ("
                            + commas(ids(answering)) + "); the topic is not created, or not yet.");
        }
    }

    /**
     * Waits until the brokers agree: a full ISR, each leader answers for its partitions, and after that the layout is
     * still the same.
     */
    private static List<Partition> awaitInSync(Request request) throws InterruptedException {
        List<Partition> seen = List.of();
        List<Partition> answered = null;
        String why = "the layout keeps changing.";
        do {
            try {
                seen = describe(request);
                if (seen.equals(answered)) return seen;
                answered = null;
                if (seen.stream().allMatch(Partition::inSync)) {
                    askLeaders(request, seen);
                    answered = seen;
                    continue;
                }
            } catch (RetriableException e) {
                if (seen.isEmpty() && e instanceof org.apache.kafka.common.errors.TimeoutException) throw e;
                why = seen.isEmpty()
                        ? e.getMessage()
                        : "not every leader answers, although the metadata shows a full ISR.";
            }
            Thread.sleep(50);
        } while (!request.isOver());
        String behind =
                seen.stream().filter(p -> !p.inSync()).map(Partition::state).collect(joining(", "));
        throw new Exit(
                MISSED,
                "Topic " + request.wanted.topic + " is not in sync after " + request.timeout.toMillis() + " ms: "
                        + (behind.isEmpty() ? why : behind + "."));
    }

    private static void askLeaders(Request request, List<Partition> partitions) throws InterruptedException {
        Map<TopicPartition, OffsetSpec> ends = new HashMap<>();
        for (Partition p : partitions) {
            ends.put(new TopicPartition(request.wanted.topic, p.partition), OffsetSpec.latest());
        }
        ListOffsetsOptions options = new ListOffsetsOptions().timeoutMs(attempt(request.deadline));
        get(request.admin.listOffsets(ends, options).all());
    }

    /** Returns the topic as one broker knows it, in the order of its partitions. */
    private static List<Partition> describe(Request request) throws InterruptedException {
        String topic = request.wanted.topic;
        TopicDescription found = ask(
                request.deadline,
                ms -> request.admin
                        .describeTopics(List.of(topic), new DescribeTopicsOptions().timeoutMs(ms))
                        .topicNameValues()
                        .get(topic));
        return found.partitions().stream()
                .sorted(Comparator.comparing(TopicPartitionInfo::partition))
                .map(CreateTopic::partition)
                .toList();
    }

    private static Partition partition(TopicPartitionInfo info) {
        int leader = info.leader() == null ? -1 : info.leader().id();
        return new Partition(info.partition(), leader, ids(info.replicas()), ids(info.isr()));
    }

    private static Map<String, String> configs(Request request) throws InterruptedException {
        ConfigResource topic = new ConfigResource(ConfigResource.Type.TOPIC, request.wanted.topic);
        Map<String, String> found = new HashMap<>();
        ask(
                        request.deadline,
                        ms -> request.admin
                                .describeConfigs(List.of(topic), new DescribeConfigsOptions().timeoutMs(ms))
                                .all())
                .get(topic)
                .entries()
                .forEach(entry -> found.put(entry.name(), entry.value()));
        return found;
    }

    /** Asks until the deadline: a broker may not know the topic yet, or not answer at all. */
    private static <T> T ask(long deadline, IntFunction<KafkaFuture<T>> question) throws InterruptedException {
        while (true) {
            try {
                return get(question.apply(attempt(deadline)));
            } catch (RetriableException e) {
                if (System.nanoTime() >= deadline) throw e;
                Thread.sleep(50);
            }
        }
    }

    private static String brokers(Admin admin, ApiException why) throws InterruptedException {
        List<Node> nodes = nodes(admin, why);
        String count = nodes.size() == 1 ? "1 broker is" : nodes.size() + " brokers are";
        return nodes.stream()
                .map(node -> node.id() + (node.isFenced() ? " fenced" : ""))
                .collect(joining(", ", count + " registered (", ")"));
    }

    /** Returns the registered brokers; if not even they are known, what led here is the answer. */
    private static List<Node> nodes(Admin admin, ApiException why) throws InterruptedException {
        try {
            DescribeClusterOptions options = new DescribeClusterOptions().includeFencedBrokers(true);
            return get(admin.describeCluster(options.timeoutMs(2_000)).nodes()).stream()
                    .sorted(Comparator.comparing(Node::id))
                    .toList();
        } catch (ApiException e) {
            throw why;
        }
    }

    private static int attempt(long deadline) {
        return (int) Math.max(200, Math.min((deadline - System.nanoTime()) / 1_000_000, ATTEMPT.toMillis()));
    }

    /** Returns the answer, or throws the cluster's error; each call has its own time limit. */
    private static <T> T get(KafkaFuture<T> answer) throws InterruptedException {
        try {
            return answer.get();
        } catch (ExecutionException e) {
            throw e.getCause() instanceof ApiException problem ? problem : new CompletionException(e.getCause());
        }
    }

    private static List<Integer> ids(List<Node> nodes) {
        return nodes.stream().map(Node::id).toList();
    }

    private static String commas(Collection<?> values) {
        return values.stream().map(String::valueOf).collect(joining(","));
    }

    private void print(Layout layout) {
        if (layout.topic.equals(topics.get(0)) || topics.size() == 1) {
            print("TOPIC", "PARTITION", "LEADER", "REPLICAS", "ISR");
        }
        for (Partition p : layout.partitions) {
            print(layout.topic, p.partition, p.leader, commas(p.replicas), commas(p.isr));
        }
    }

    /** Prints a row; the topic has a column only if there are several. */
    private void print(Object topic, Object... cells) {
        if (topics.size() > 1) {
            int width = topics.stream().mapToInt(String::length).max().orElse(0);
            common.out.printf(Locale.ROOT, "%-" + (Math.max(5, width) + 2) + "s", topic);
        }
        common.out.printf(Locale.ROOT, "%-10s %-7s %-12s %s%n", cells);
    }

    // ---- Common to the step scripts: options, output, clients, errors. ./jbang format copies it from lib/cli. ----
    static final int UNREACHABLE = 10;
    static final int NO_CONTROLLER = 11;
    static final int REFUSED = 12;
    static final int ANOMALY = 13;
    static final int INCOMPLETE = 14;
    static final int MISSED = 15;
    static final int ALL_FAILED = 16;

    /** Ends a script with an exit code and one sentence: what was wrong, and what to do. */
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

    /** The options of every script, and its output: the answer, progress, events and errors. */
    @Command(mixinStandardHelpOptions = true)
    static class StandardOptions {
        private static final String LOG_LEVEL = "org.slf4j.simpleLogger.defaultLogLevel";

        @Option(names = "--json", description = "Print one JSON object per line.")
        boolean json;

        @Option(names = "--events", paramLabel = "FILE", description = "Append events to this JSON Lines file.")
        File events;

        @Option(
                names = {"-v", "--verbose"},
                description = "Show stack traces and the client's own log.")
        void verbose(boolean on) {
            if (verbose = on) System.setProperty(LOG_LEVEL, "info");
        }

        @Spec(Spec.Target.MIXEE)
        CommandSpec spec;

        PrintWriter out, err;
        boolean verbose;
        Consumer<Map<String, Object>> listener = event -> {};
        Duration patience = Duration.ofSeconds(10); // of Ctrl-C, before it calls leftover and exits
        Runnable leftover = () -> {};
        private Writer eventsWriter;

        /** Parses the options of a script whose methods another script calls. */
        <T> T configure(T script, PrintWriter out, PrintWriter err, String... args) {
            commandLine(script, out, err).parseArgs(args);
            return script;
        }

        /** Runs a script. Ctrl-C interrupts it, so that it can clean up before the JVM exits with 130. */
        int run(Callable<Integer> script, PrintWriter out, PrintWriter err, String... args) {
            Thread worker = Thread.currentThread();
            CountDownLatch done = new CountDownLatch(1);
            Thread hook = new Thread(() -> {
                worker.interrupt();
                try {
                    if (!done.await(patience.toMillis(), TimeUnit.MILLISECONDS)) leftover.run();
                } catch (InterruptedException e) {
                    leftover.run();
                }
            });
            Runtime.getRuntime().addShutdownHook(hook);
            try {
                return commandLine(script, out, err).execute(args);
            } finally {
                out.flush();
                done.countDown();
                try {
                    if (eventsWriter != null) eventsWriter.close();
                    Runtime.getRuntime().removeShutdownHook(hook);
                } catch (IOException | IllegalStateException e) {
                    // Each event was flushed; after Ctrl-C a hook cannot be removed.
                }
            }
        }

        private CommandLine commandLine(Object script, PrintWriter out, PrintWriter err) {
            System.getProperties().putIfAbsent(LOG_LEVEL, "off");
            this.out = Guard.over(out);
            this.err = Guard.over(err);
            return new CommandLine(script)
                    .setOut(out)
                    .setErr(err)
                    .setCaseInsensitiveEnumValuesAllowed(true)
                    .registerConverter(Duration.class, StandardOptions::duration)
                    .setParameterExceptionHandler((e, args) -> explain(new Exit(2, e.getMessage() + " (see --help)")))
                    .setExecutionExceptionHandler((e, cli, parsed) -> explain(e));
        }

        /** Parses 500ms, 30s, 2m, 1h, or a number of seconds. */
        static Duration duration(String text) {
            var units = Map.of("ms", 1, "", 1_000, "s", 1_000, "m", 60_000, "h", 3_600_000);
            var m = Pattern.compile("(\\d+(?:\\.\\d+)?)(ms|s|m|h|)").matcher(text.trim());
            if (m.matches())
                return Duration.ofMillis(Math.round(Double.parseDouble(m.group(1)) * units.get(m.group(2))));
            throw new TypeConversionException("'" + text + "' is not a duration such as 500ms, 30s or 2m");
        }

        /** Prints progress or a warning to stderr. */
        void say(String format, Object... args) {
            Object[] safe = args.clone();
            Arrays.setAll(safe, i -> args[i] instanceof Number ? args[i] : printable(args[i]));
            err.println(args.length == 0 ? format : String.format(Locale.ROOT, format, safe));
        }

        /** Writes an event to --events, to the listener, and with --json to stdout. */
        synchronized void emit(String type, Object... pairs) {
            Map<String, Object> event = new LinkedHashMap<>(Map.of("ts", timestamp()));
            event.put("source", spec.name());
            event.put("type", type);
            for (int i = 0; i < pairs.length; i += 2) event.put((String) pairs[i], pairs[i + 1]);
            listener.accept(event);
            if (!json && events == null) return;
            try {
                String line = JSON.std.asString(event);
                if (json) out.println(line);
                if (events == null) return;
                if (eventsWriter == null) eventsWriter = new FileWriter(events, StandardCharsets.UTF_8, true);
                eventsWriter.write(line + "\n");
                eventsWriter.flush();
            } catch (IOException e) {
                throw new Exit(1, "Cannot write --events " + events + ": " + e.getMessage() + ".");
            }
        }

        private int explain(Exception problem) throws IOException {
            if (verbose) problem.printStackTrace(err);
            Throwable cause = problem;
            while (cause.getCause() != null
                    && cause.getClass().getName().matches(".*\\.(Execution|Completion|Kafka)Exception"))
                cause = cause.getCause();
            Exit exit = exit(cause, problem);
            err.println(printable(exit.getMessage()));
            return exit.code;
        }

        Exit exit(Throwable e, Exception problem) throws IOException {
            if (e instanceof CommandLine.IExitCodeGenerator exit) return new Exit(exit.getExitCode(), e.getMessage());
            if (e instanceof InterruptedException || e instanceof InterruptException)
                return new Exit(130, "Interrupted.");
            String where = verbose ? "" : " (-v shows where)";
            return new Exit(1, e.getClass().getSimpleName() + ": " + e.getMessage() + where);
        }
    }

    /** The options of a script that connects to a cluster, its clients, and why they cannot connect. */
    static class Common extends StandardOptions {
        private static final Pattern ADDRESS = Pattern.compile("(?:\\w+://)?\\[?(.+?)\\]?:(\\d{1,5})");
        static final String UNKNOWN_HOST = "no such host";
        static final String CLOSED = "nothing listens there";
        static final String MUTE = "what listens there does not answer";
        static final String CONTROLLER =
                "this is a controller's port, where only the quorum can be asked about: name a broker's";
        static final String LOGIN = "the port wants a login (security.protocol=SASL_PLAINTEXT, sasl.mechanism and"
                + " sasl.jaas.config in --command-config)";
        private static final int TLS_ALERT = 0x15;
        private static final byte[] API_VERSIONS = {0, 0, 0, 10, 0, 18, 0, 0, 0, 0, 0, 1, -1, -1};
        private static final byte[] METADATA = {0, 0, 0, 14, 0, 3, 0, 1, 0, 0, 0, 2, -1, -1, 0, 0, 0, 0};

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
                description = "Give up after this long: 500ms, 30s, 2m (default: 30s).")
        Duration timeout;

        boolean controllersAnswer;
        private Properties given = new Properties();

        /** Returns client properties: --command-config, then --bootstrap-server, then the pairs. */
        Properties client(Object... pairs) throws IOException {
            Properties properties = new Properties(); // not the field: clients are created by several threads
            try {
                if (commandConfig != null) properties = Utils.loadProps(commandConfig.toString());
            } catch (IOException | IllegalArgumentException e) {
                throw new Exit(2, "Cannot read --command-config " + commandConfig + ": " + reason(e) + ".");
            }
            if (!spec.commandLine().getParseResult().hasMatchedOption("-b"))
                bootstrapServer = properties.getProperty("bootstrap.servers", bootstrapServer);
            properties.put("bootstrap.servers", bootstrapServer);
            for (int i = 0; i < pairs.length; i += 2) properties.put("" + pairs[i], "" + pairs[i + 1]);
            given = properties;
            return properties;
        }

        /** Returns an Admin of the addresses that answer: it would stay with a paused broker. */
        Admin admin(Object... pairs) throws IOException {
            Properties properties = client(pairs);
            properties.putIfAbsent("default.api.timeout.ms", "" + timeout.toMillis());
            properties.putIfAbsent("request.timeout.ms", "" + Math.min(timeout.toMillis(), 30_000));
            properties.put("bootstrap.servers", usable());
            return Admin.create(properties);
        }

        /** Ends with 10 and the reason if a client can use none of the bootstrap addresses. */
        void requireReachable() throws IOException {
            Map<String, String> addresses = addresses(Common::connects);
            if (!addresses.containsKey("")) throw cannotTalk(addresses);
        }

        /** Returns the addresses that a client can use, else those that may answer later, or ends with 10. */
        String usable() throws IOException {
            Map<String, String> addresses = addresses();
            String usable = addresses.getOrDefault("", addresses.get(MUTE));
            if (usable == null) throw cannotTalk(addresses);
            return usable;
        }

        private Exit cannotTalk(Map<String, String> addresses) {
            if (List.of(CLOSED, UNKNOWN_HOST).containsAll(addresses.keySet()))
                return unreachable(addresses.keySet().iterator().next());
            addresses.remove(CLOSED);
            StringJoiner reasons = new StringJoiner("; ", "Cannot talk to ", ".");
            addresses.forEach((reason, at) -> reasons.add(at + ": " + reason));
            return new Exit(UNREACHABLE, reasons.toString());
        }

        Exit unreachable(String why) {
            String advice = "; start one (cluster up) or name yours with --bootstrap-server.";
            return new Exit(UNREACHABLE, "No cluster at " + bootstrapServer + ": " + why + advice);
        }

        /** Returns the bootstrap addresses by the reason why a client cannot use them: "" for those that it can. */
        Map<String, String> addresses() throws IOException {
            return addresses(node -> !new InetSocketAddress(node.host(), node.port()).isUnresolved());
        }

        private Map<String, String> addresses(Predicate<Node> isUsable) throws IOException {
            if (given.isEmpty()) client(); // --command-config may name the cluster
            int timeoutMs = (int) Math.max(1, Math.min(timeout.toMillis() / 4, 1500));
            return bootstrapNodes().parallelStream()
                    .collect(groupingBy(
                            at -> obstacle(at, timeoutMs, isUsable),
                            LinkedHashMap::new,
                            mapping(Common::address, joining(", "))));
        }

        /** Returns the bootstrap addresses as nodes with ids -1, -2, ... */
        List<Node> bootstrapNodes() {
            List<Node> nodes = new ArrayList<>();
            for (String address : bootstrapServer.split(",")) {
                var m = ADDRESS.matcher(address.trim());
                if (!m.matches() || Integer.parseInt(m.group(2)) > 65_535)
                    throw new Exit(2, "'" + address + "' in --bootstrap-server is not HOST:PORT.");
                nodes.add(new Node(-1 - nodes.size(), m.group(1), Integer.parseInt(m.group(2))));
            }
            return nodes;
        }

        static String address(Node node) {
            return Utils.formatAddress(node.host(), node.port());
        }

        /** Asks an address for its API versions and brokers. By hand: no client API says why it got no answer. */
        private String obstacle(Node at, int timeoutMs, Predicate<Node> isUsable) {
            String protocol = given.getProperty("security.protocol", "").trim().toUpperCase(Locale.ROOT);
            boolean tls = protocol.endsWith("SSL");
            boolean login = protocol.startsWith("SASL");
            InetSocketAddress address = new InetSocketAddress(at.host(), at.port());
            String obstacle = address.isUnresolved() ? UNKNOWN_HOST : CLOSED;
            try (Socket socket = new Socket()) {
                socket.connect(address, timeoutMs);
                socket.setSoTimeout(timeoutMs);
                obstacle = tls ? "" : MUTE;
                DataInputStream in = new DataInputStream(socket.getInputStream());
                socket.getOutputStream().write(API_VERSIONS);
                int size = in.readInt();
                obstacle = "what listens there is not Kafka";
                if (size >>> 24 == TLS_ALERT)
                    return tls ? "" : "the port wants TLS (security.protocol=SSL or SASL_SSL in --command-config)";
                var versions = (ApiVersionsResponse) answer(in, size, ApiKeys.API_VERSIONS, 0);
                if (tls) return "the port speaks no TLS, which security.protocol=" + protocol + " asks for";
                if (versions.apiVersion(ApiKeys.METADATA.id) == null) return controllersAnswer ? "" : CONTROLLER;
                obstacle = login ? "" : LOGIN;
                socket.getOutputStream().write(METADATA);
                var brokers = ((MetadataResponse) answer(in, in.readInt(), ApiKeys.METADATA, 1)).brokers();
                if (login) return "the port takes no login, which security.protocol=" + protocol + " asks for";
                if (brokers.isEmpty() || brokers.parallelStream().anyMatch(isUsable)) return "";
                Node broker = brokers.iterator().next();
                boolean isUnknown = new InetSocketAddress(broker.host(), broker.port()).isUnresolved();
                return "the broker there advertises " + address(broker) + ", which "
                        + (isUnknown ? "does not resolve here" : "cannot be reached from here")
                        + " (advertised.listeners)";
            } catch (SocketTimeoutException e) {
                return obstacle.equals(LOGIN) ? "" : obstacle; // a broker refuses a login late on purpose
            } catch (IOException | RuntimeException e) {
                return obstacle;
            }
        }

        private static AbstractResponse answer(InputStream in, int size, ApiKeys api, int version) throws IOException {
            ByteBuffer bytes = ByteBuffer.wrap(in.readNBytes(Math.min(size, 1 << 20)));
            return AbstractResponse.parseResponse(api, new ByteBufferAccessor(bytes.position(4)), (short) version);
        }

        private static boolean connects(Node node) {
            return connects(node.host(), node.port(), 1000);
        }

        static boolean connects(String host, int port, int timeoutMs) {
            try (Socket socket = new Socket()) {
                socket.connect(new InetSocketAddress(host, port), timeoutMs);
                return true;
            } catch (IOException | IllegalArgumentException e) {
                return false;
            }
        }

        /** Whether the process behind a port is alive: a stopped one still accepts connections. */
        static boolean answers(String host, int port, int timeoutMs) {
            try (Socket socket = new Socket()) {
                socket.connect(new InetSocketAddress(host, port), timeoutMs);
                socket.setSoTimeout(timeoutMs);
                socket.getOutputStream().write(API_VERSIONS);
                return socket.getInputStream().read() >= 0; // a TLS alert counts; a proxy without a node hangs up
            } catch (IOException | IllegalArgumentException e) {
                return false;
            }
        }

        @Override
        Exit exit(Throwable e, Exception problem) throws IOException {
            if (e instanceof AuthenticationException)
                return new Exit(
                        UNREACHABLE, "Cannot talk to " + bootstrapServer + ": login refused, " + deepest(e) + ".");
            if (e instanceof AuthorizationException)
                return new Exit(1, "Not permitted: " + deepest(e) + "; the principal needs an ACL for it.");
            if (e instanceof org.apache.kafka.common.errors.TimeoutException) return noAnswer();
            if (reasons(problem).contains("No resolvable bootstrap urls")) return unreachable(UNKNOWN_HOST);
            if (e instanceof ConfigException || reasons(problem).matches("(?s).*Failed to c(reate|onstruct) .*"))
                return refused(problem);
            return super.exit(e, problem);
        }

        private Exit noAnswer() throws IOException {
            Map<String, String> addresses = addresses(Common::connects);
            if (!addresses.containsKey("")) return cannotTalk(addresses);
            String limit = " within " + timeout.toMillis() + " ms; find-controller says who is missing.";
            return new Exit(UNREACHABLE, "No answer from the cluster at " + bootstrapServer + limit);
        }

        private Exit refused(Throwable problem) {
            String reasons = reasons(problem).replaceAll("JAAS|LoginModule", "$0 sasl.jaas.config");
            String names = given(reasons::contains);
            if (names.isEmpty()) names = given(key -> isMentioned(given.getProperty(key), reasons));
            return new Exit(2, "Client property " + names + " refused: " + deepest(problem) + ".");
        }

        private String given(Predicate<String> isMeant) {
            return given.stringPropertyNames().stream().filter(isMeant).sorted().collect(joining(", "));
        }

        /** Values such as 5 or true are part of many sentences. */
        private static boolean isMentioned(String value, String reasons) {
            return value.length() > 4 && reasons.contains(value);
        }

        private static String reasons(Throwable e) {
            return e == null ? "" : e.getMessage() + "\n" + reasons(e.getCause());
        }

        static String deepest(Throwable e) {
            return e.getCause() == null ? reason(e).replaceAll("\\.$", "") : deepest(e.getCause());
        }

        /** Returns an exception's message, which of files and classes is only a name. */
        private static String reason(Throwable e) {
            boolean isName = e instanceof IOException || e instanceof ClassNotFoundException || e.getMessage() == null;
            String problem = e.getClass().getSimpleName().replaceAll("(?<=[a-z])(?=[A-Z])|Exception$", " ");
            return (isName ? problem.toLowerCase(Locale.ROOT).strip() + ": " : "") + e.getMessage();
        }
    }

    /** A writer that escapes what could control a terminal; get() returns the writer below. */
    static final class Guard extends PrintWriter implements Supplier<PrintWriter> {
        private Guard(PrintWriter raw) {
            super(raw, true);
        }

        static PrintWriter over(PrintWriter out) {
            return out instanceof Supplier ? out : new Guard(out);
        }

        @Override
        public PrintWriter get() {
            return (PrintWriter) out;
        }

        @Override
        public void write(int c) {
            write(String.valueOf((char) c));
        }

        @Override
        public void write(char[] chars, int from, int length) {
            write(new String(chars, from, length));
        }

        @Override
        public void write(String text, int from, int length) {
            String safe = harmless(text.substring(from, from + length));
            super.write(safe, 0, safe.length());
        }

        static String harmless(String text) {
            return escape(text, "(?!\\r?\\n|\\t)[\\p{Cc}\\p{Cf}]");
        }
    }

    /** Returns a text from a cluster, record or file with everything escaped that could forge a line or a colour. */
    static String printable(Object value) {
        return escape(String.valueOf(value), "[\\p{Cc}\\p{Cf}\\p{Zl}\\p{Zp}]");
    }

    private static String escape(String text, String regex) {
        var matcher = Pattern.compile(regex).matcher(text);
        return matcher.replaceAll(
                m -> String.format(Locale.ROOT, "\\\\u%04x", m.group().codePointAt(0)));
    }

    static String timestamp() {
        return LocalDateTime.now(ZoneOffset.UTC).format(DateTimeFormatter.ofPattern("yyyy-MM-dd'T'HH:mm:ss.SSSSSS'Z'"));
    }
    // ---- End of what is common. ----
}
