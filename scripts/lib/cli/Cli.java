//DEPS org.apache.kafka:kafka-clients:4.4.0
//DEPS info.picocli:picocli:4.7.7
//DEPS com.fasterxml.jackson.jr:jackson-jr-objects:2.21.7
//DEPS org.slf4j:slf4j-simple:1.7.36

import com.fasterxml.jackson.jr.ob.JSON;
import java.io.*;
import java.net.*;
import java.nio.file.*;
import java.time.*;
import java.time.format.DateTimeFormatter;
import java.util.*;
import java.util.concurrent.*;
import java.util.function.*;
import java.util.stream.*;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.common.Node;
import org.apache.kafka.common.config.ConfigException;
import org.apache.kafka.common.errors.*;
import picocli.CommandLine;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;
import picocli.CommandLine.TypeConversionException;

/**
 * What every script understands alike: exit codes, output, connection. The master of the block that the steps carry.
 */
class Cli {
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
