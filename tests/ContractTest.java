import static org.junit.jupiter.api.Assertions.*;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import com.fasterxml.jackson.jr.ob.JSON;
import java.io.*;
import java.lang.reflect.*;
import java.nio.file.*;
import java.util.*;
import java.util.regex.*;
import java.util.stream.*;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import picocli.CommandLine;
import picocli.CommandLine.Model.*;

/**
 * Proves that the catalog matches the scripts, that options mean the same everywhere, how scripts refuse, and that
 * events follow docs/events.md.
 */
class ContractTest {
    /** The nearest folder above the working directory that holds the catalog. */
    static final Path REPO = Stream.iterate(Path.of("").toAbsolutePath(), Objects::nonNull, Path::getParent)
            .filter(d -> Files.exists(d.resolve("jbang-catalog.json")))
            .findFirst()
            .orElseThrow(() -> new IllegalStateException("run the tests inside the repository"));

    /** Second aliases of a script, whose descriptions say what differs. */
    private static final Set<String> SECOND_ALIASES = Set.of("perf-test", "start-node");

    private static final List<String> OUTPUT_OPTIONS = List.of("--json", "--events", "-v", "-h", "-V");
    private static final List<String> CONNECTION_OPTIONS = List.of("-b", "--command-config", "--timeout");
    /** Scripts that read files, and connect to no cluster. */
    private static final Set<String> READ_FILES = Set.of("merge-latency", "outages", "report");
    /** Options with two meanings, and why; any other option name has one label and type. */
    private static final Map<String, String> UNLIKE = Map.of(
            "--mode",
            "kill-node: how to break a node; resilient-producer: who sends again",
            "--topic",
            "watch-isr shows several topics, the producers write to one",
            "--out",
            "lab names a folder, report a file",
            "--ledger",
            "check-delivery reads the ledgers of several producers, resilient-producer writes one",
            "--acks",
            "failover-matrix takes several",
            "--timeouts",
            "failover-matrix takes several");
    /** Arguments that a script needs before it connects to a cluster; {} is an empty folder with a ledger in it. */
    private static final Map<String, String> NECESSARY = Map.of(
            "perf",
            "--topic t --num-records 1 --throughput -1 --record-size 10",
            "perf-test",
            "--topic t --num-records 1 --throughput -1 --record-size 10",
            "kill-node",
            "1",
            "start-node",
            "1",
            "resilient-producer",
            "--count 1",
            "watch-isr",
            "--once",
            "check-delivery",
            "{}/ledger.jsonl",
            "check-topic",
            "--topic t",
            "find-max-rate",
            "--topic t --record-size 10 --slo p99=50ms",
            "compare-settings",
            "--topic t --record-size 10 --a acks=1 --b acks=all");
    /** Scripts that connect to a cluster only after they have started it. */
    static final Map<String, String> MAKE_THE_CLUSTER = Map.of(
            "cluster",
            "starts it",
            "lab",
            "starts it when there is none",
            "merge-latency",
            "needs none",
            "outages",
            "needs none",
            "report",
            "needs none",
            "completion",
            "needs none for a shell's part",
            "failover-matrix",
            "starts it when there is none");

    record Alias(String name, Path file, String description, List<String> arguments) {
        boolean isScript() {
            return file.startsWith("scripts");
        }

        Class<?> type() throws Exception {
            return Class.forName(file.getFileName().toString().replace(".java", ""));
        }

        Object instance() throws Exception {
            var c = type().getDeclaredConstructor();
            c.setAccessible(true);
            return c.newInstance();
        }

        CommandSpec model() throws Exception {
            return new CommandLine(instance()).getCommandSpec();
        }

        @Override
        public String toString() {
            return name;
        }
    }

    record Ended(int code, String out, String err) {
        boolean saysOneLine() {
            return err.endsWith("\n") && err.strip().lines().count() == 1 && !err.isBlank() && !err.contains("\tat ");
        }

        Ended without(String line) {
            return new Ended(code, out, err.replace(line, ""));
        }
    }

    // ---- The catalog ----

    @Test
    void catalogAndScriptsAgree() throws Exception {
        Map<Path, List<Alias>> byFile = aliases().stream().collect(Collectors.groupingBy(Alias::file));
        for (Alias a : aliases()) {
            assertTrue(
                    Files.isRegularFile(REPO.resolve(a.file)), a + " points at " + a.file + ", which does not exist");
            assertNotNull(a.description, a + " has no description");
            String description = header(a.file).stream()
                    .filter(l -> l.startsWith("//DESCRIPTION "))
                    .map(l -> l.substring(14))
                    .findFirst()
                    .orElse("none");
            if (!SECOND_ALIASES.contains(a.name))
                assertEquals(description, a.description, a + "'s description in the catalog is not its script's");
            else
                assertTrue(
                        byFile.get(a.file).stream().anyMatch(x -> !SECOND_ALIASES.contains(x.name)),
                        a + " is the only alias of " + a.file);
        }
        assertTrue(byFile.size() >= 10, "the catalog has only " + byFile.keySet());
        try (Stream<Path> files = Files.list(REPO.resolve("scripts"))) {
            // Shared sources are in lib/.
            Set<Path> others =
                    files.map(REPO::relativize).filter(f -> !f.endsWith("lib")).collect(Collectors.toSet());
            others.removeAll(byFile.keySet());
            assertEquals(Set.of(), others, "neither a script with an alias nor lib/");
        }
        try (Stream<Path> files = Files.walk(REPO.resolve("scripts/lib"))) {
            for (Path file : files.filter(f -> f.toString().endsWith(".java")).toList())
                assertFalse(
                        Files.readString(file).contains(" void main("),
                        file + " has a main: it belongs into scripts/, with an alias");
        }
    }

    // ---- Options ----

    @Test
    void commonOptionsAreTheSameEverywhere() throws Exception {
        List<String> names = new ArrayList<>(OUTPUT_OPTIONS);
        names.addAll(CONNECTION_OPTIONS);
        for (String name : names) {
            Map<String, List<Alias>> forms = new LinkedHashMap<>();
            for (Alias a : scripts()) {
                OptionSpec o = a.model().findOption(name);
                if (CONNECTION_OPTIONS.contains(name) && READ_FILES.contains(a.name)) {
                    assertNull(o, a + " connects to no cluster, and has " + name);
                    continue;
                }
                String form = o == null
                        ? "missing"
                        : List.of(o.names()) + " " + o.paramLabel() + " default " + o.defaultValue() + " "
                                + List.of(o.description()) + " " + o.type();
                forms.computeIfAbsent(form, f -> new ArrayList<>()).add(a);
            }
            assertEquals(1, forms.size(), name + " differs: " + forms);
            assertFalse(forms.containsKey("missing"), name + " is in no script");
        }
    }

    @Test
    void otherOptionsOfOneNameMeanOneThing() throws Exception {
        Map<String, Map<String, List<Alias>>> forms = new TreeMap<>();
        for (Alias a : scripts())
            for (OptionSpec o : a.model().options())
                for (String name : o.names())
                    forms.computeIfAbsent(name, n -> new TreeMap<>())
                            .computeIfAbsent(
                                    o.paramLabel() + " " + o.type().getName() + " of "
                                            + o.auxiliaryTypes()[0].getName(),
                                    f -> new ArrayList<>())
                            .add(a);
        assertTrue(
                forms.get("--data-dir").values().stream().mapToInt(List::size).sum() >= 4,
                "--data-dir is compared in " + forms.get("--data-dir"));
        forms.forEach((name, by) ->
                assertEquals(UNLIKE.containsKey(name) ? 2 : 1, by.size(), name + " has other labels or types: " + by));
    }

    @ParameterizedTest(name = "{0}")
    @MethodSource("scripts")
    void optionsAreDescribed(Alias a) throws Exception {
        assertTrue(a.model().options().size() > OUTPUT_OPTIONS.size(), "options");
        for (ArgSpec s : a.model().args())
            assertFalse(String.join("", s.description()).isBlank(), s + " has no description");
        assertTrue(
                a.name.equals(a.model().name()) || SECOND_ALIASES.contains(a.name),
                "calls itself " + a.model().name());
    }

    @ParameterizedTest(name = "{0}")
    @MethodSource("scripts")
    void helpAndVersionAreAnswersOfTheirOwn(Alias a) throws Exception {
        for (String option : List.of("--help", "-h", "--version", "-V")) {
            Ended e = run(a, option);
            assertEquals(0, e.code, option);
            assertEquals("", e.err, option + " on stderr");
            if (option.matches("-V|--version")) assertTrue(e.out.matches("kraft-lab \\d+\\.\\d+\\.\\d+\\R"), e.out);
            else
                assertTrue(
                        e.out.startsWith("Usage: " + a.model().name())
                                && e.out.contains("--bootstrap-server") != READ_FILES.contains(a.name),
                        e.out);
            assertEquals(
                    List.of(),
                    e.out.lines().filter(l -> l.length() > 100).toList(),
                    option + " does not fit 100 columns");
        }
    }

    @ParameterizedTest(name = "{0}")
    @MethodSource("scripts")
    void wrongUsageIsOneLine(Alias a) throws Exception {
        Ended e = run(a, "--no-such-option");
        assertEquals(2, e.code, e.err);
        assertEquals("", e.out, "on stdout");
        assertTrue(e.saysOneLine(), e.err);
    }

    @ParameterizedTest(name = "{0}")
    @MethodSource("scripts")
    void noClusterIsExit10InTime(Alias a, @TempDir Path folder) throws Exception {
        assumeTrue(!MAKE_THE_CLUSTER.containsKey(a.name), () -> a + " " + MAKE_THE_CLUSTER.get(a.name));
        double seconds = 9;
        Ended e = null;
        for (int i = 0; i < 3 && seconds > 5; i++) { // retried, because the machine may stall
            long began = System.nanoTime();
            e = ask(a, folder, "localhost:1");
            seconds = (System.nanoTime() - began) / 1e9;
        }
        assertEquals(10, e.code, e.err);
        assertTrue(e.saysOneLine() && !e.err.contains("Exception"), e.err);
        assertEquals("", e.out, "on stdout");
        assertTrue(seconds < 5, "took " + seconds + " s");
    }

    /** Runs a script with the fewest arguments it needs, against an address that may not be a cluster. */
    static Ended ask(Alias a, Path folder, String bootstrap, String... more) throws Exception {
        Files.writeString(folder.resolve("ledger.jsonl"), """
            {"ledger":1,"run":"R","producer":"P","topic":"t","acks":"all","idempotent":true,"mode":"resilient",\
            "startOffsets":[0]}
            {"seq":1,"attempt":1,"outcome":"acknowledged","partition":0,"offset":0}
            {"end":true,"sent":1,"acknowledged":1,"failed":0,"indeterminate":0}
            """);
        List<String> args = new ArrayList<>(a.arguments);
        args.addAll(List.of("-b", bootstrap, "--timeout", "2s"));
        for (String arg : NECESSARY.getOrDefault(a.name, "").split(" "))
            if (!arg.isEmpty()) args.add(arg.replace("{}", folder.toString()));
        // A cluster that the user of this machine runs must not be contacted.
        if (a.model().findOption("--data-dir") != null)
            args.addAll(List.of("--data-dir", folder.resolve("none").toString()));
        args.addAll(List.of(more));
        return run(a, args.toArray(String[]::new));
    }

    // ---- Events ----

    @Test
    void eventsAreValidatedAgainstTheDocument() throws Exception {
        String base = "{'ts':'2026-11-23T12:40:32.938153Z','source':'lab','type':";
        String good = """
            'phase','phase':'p','state':'end','ms':3.5}
            'phase','phase':'p','state':'start'}
            'phase','phase':'p','state':'start','ms':null,'more':{}}
            'node','node':[1,2],'state':'up'}
            'node','node':1,'state':'up'}
            'controller','controller':-1}
            'ack','seq':1,'attempt':1,'topic':'t','partition':0,'offset':4294967296,'latencyUs':7}
            'perf-summary','records':1,'recordsPerSec':2,'mbPerSec':0.5,'avgMs':1,'maxMs':1.5,'p50Ms':1,'p95Ms':1,\
            'p99Ms':1,'p999Ms':1,'failed':0}
            'topic','topic':'t','created':false,'partitions':[]}
            """;
        String bad = """
            'phases','phase':'p','state':'end'}
            'phase','phase':'p','state':'middle'}
            'phase','phase':null,'state':'end'}
            'phase','phase':'p','state':'end','ms':'3'}
            'node','node':'1','state':'up'}
            'controller','controller':1.5}
            'ack','seq':1,'attempt':1,'topic':'t','partition':0,'offset':1}
            'perf-summary','records':1,'p50Ms':1,'p95Ms':1,'p99Ms':1,'p999Ms':1,'failed':0}
            'topic','topic':'t','created':'no','partitions':[]}
            'topic','topic':'t','created':true,'partitions':{}}
            'verdict','verdict':'passed'}
            7}
            """;
        for (String event : good.lines().toList()) Schema.validate(json(base + event));
        List<String> wrong = new ArrayList<>(bad.lines().map(base::concat).toList());
        wrong.addAll(List.of(
                "{}",
                base.replace("938153", "938") + "'restored','node':1}",
                base.replace("lab", "Lab") + "'restored','node':1}"));
        for (String text : wrong) {
            Map<String, Object> event = json(text);
            assertThrows(AssertionError.class, () -> Schema.validate(event), text);
        }
    }

    private static Map<String, Object> json(String text) throws IOException {
        return JSON.std.mapFrom(text.replace('\'', '"'));
    }

    @Test
    void documentedEventTypesAreThoseOfTheScripts() throws Exception {
        Set<String> emitted = new TreeSet<>();
        try (Stream<Path> files = Files.walk(REPO.resolve("scripts"))) {
            for (Path file : files.filter(f -> f.toString().endsWith(".java")).toList()) {
                Matcher m = Pattern.compile("emit\\(\\s*\"([a-z-]+)\"").matcher(Files.readString(file));
                while (m.find()) emitted.add(m.group(1));
            }
        }
        assertEquals(Schema.types().keySet(), emitted, "types in docs/events.md, and in the scripts' emit(...)");
    }

    /** The tables of docs/events.md. Integration tests validate emitted events with them. */
    static class Schema {
        private record Spec(String name, List<String> types, boolean optional, List<String> values) {}

        private static Map<String, List<Spec>> types;
        private static final String TYPE = "(?:string|number|integer|boolean|list|object)";
        private static final Pattern FIELD =
                Pattern.compile("`(\\w+)` (" + TYPE + "(?: or " + TYPE + ")*)(\\?)?(?: \\(([^)]*)\\))?");

        static synchronized Map<String, List<Spec>> types() throws IOException {
            if (types != null) return types;
            Map<String, List<Spec>> read = new TreeMap<>();
            for (String row : Files.readAllLines(REPO.resolve("docs/events.md"))) {
                String[] cell = row.split("\\s*\\|\\s*");
                if (cell.length != 4 || !cell[1].matches("`[a-z-]+`") || cell[2].equals("string"))
                    continue; // ts, source, type: see problems()
                Matcher like = Pattern.compile("as `([a-z-]+)`, and (.*)").matcher(cell[2]);
                List<Spec> fields = new ArrayList<>(like.matches() ? read.get(like.group(1)) : List.of());
                for (String text : (like.matches() ? like.group(2) : cell[2]).split(", (?![^(]*\\))")) {
                    Matcher m = FIELD.matcher(text);
                    assertTrue(
                            m.matches(),
                            () -> "docs/events.md: '" + text + "' of " + cell[1]
                                    + " is not `name` type, with ? if optional, and (`value`, ...)");
                    List<String> values = Pattern.compile("`([^`]+)`")
                            .matcher(Objects.requireNonNullElse(m.group(4), ""))
                            .results()
                            .map(r -> r.group(1))
                            .toList();
                    fields.add(new Spec(m.group(1), List.of(m.group(2).split(" or ")), m.group(3) != null, values));
                }
                read.put(cell[1].replace("`", ""), fields);
            }
            return types = read;
        }

        /** Fails with every problem of an event, read from JSON or received by a script's listener. */
        public static void validate(Map<String, Object> event) throws Exception {
            Map<String, Object> json = JSON.std.mapFrom(JSON.std.asString(event));
            List<String> problems = problems(json);
            if (!problems.isEmpty()) fail(problems + " in " + json);
        }

        static List<String> problems(Map<String, Object> event) throws Exception {
            List<String> problems = new ArrayList<>();
            if (!(event.get("ts") instanceof String ts)
                    || !ts.matches("\\d{4}-\\d\\d-\\d\\dT\\d\\d:\\d\\d:\\d\\d\\.\\d{6}Z"))
                problems.add("ts is not UTC with microseconds");
            if (aliases().stream().noneMatch(a -> a.name.equals(event.get("source"))))
                problems.add("source is no alias");
            if (!(event.get("type") instanceof String type) || !types().containsKey(type)) {
                problems.add("type is none of " + types().keySet());
                return problems;
            }
            for (Spec f : types().get(type)) {
                Object value = event.get(f.name);
                if (value == null ? !f.optional : f.types.stream().noneMatch(t -> is(t, value)))
                    problems.add(f.name + " is not " + String.join(" or ", f.types));
                else if (value != null && !f.values.isEmpty() && !f.values.contains(value))
                    problems.add(f.name + " is none of " + f.values);
            }
            return problems;
        }

        private static boolean is(String type, Object value) {
            return switch (type) {
                case "string" -> value instanceof String;
                case "number" -> value instanceof Number;
                case "integer" ->
                    value instanceof Integer || value instanceof Long || value instanceof java.math.BigInteger;
                case "boolean" -> value instanceof Boolean;
                case "list" -> value instanceof List;
                default -> value instanceof Map;
            };
        }
    }

    // ---- Shared with other tests ----

    static List<Alias> aliases() throws IOException {
        List<Alias> aliases = new ArrayList<>();
        Map<?, ?> catalog = (Map<?, ?>) JSON.std
                .mapFrom(Files.readString(REPO.resolve("jbang-catalog.json")))
                .get("aliases");
        catalog.forEach((name, value) -> {
            Map<?, ?> a = (Map<?, ?>) value;
            List<String> arguments = a.get("arguments") instanceof List<?> l
                    ? l.stream().map(String::valueOf).toList()
                    : List.of();
            aliases.add(new Alias(
                    (String) name, Path.of((String) a.get("script-ref")), (String) a.get("description"), arguments));
        });
        return aliases;
    }

    static List<Alias> scripts() throws IOException {
        return aliases().stream().filter(Alias::isScript).toList();
    }

    /** Returns the lines before the first empty one. */
    static List<String> header(Path file) throws IOException {
        return Files.readAllLines(REPO.resolve(file)).stream()
                .takeWhile(l -> !l.isBlank())
                .toList();
    }

    static Method method(Class<?> type, String name) {
        Method m = Stream.<Class<?>>iterate(type, Objects::nonNull, Class::getSuperclass)
                .flatMap(declaring -> Stream.of(declaring.getDeclaredMethods()))
                .filter(x -> x.getName().equals(name))
                .findFirst()
                .orElseThrow(() -> new AssertionError(type + " has no " + name));
        m.setAccessible(true);
        return m;
    }

    /** Returns the common mixin of the script or of its superclass. */
    static Object common(Object script) throws Exception {
        Class<?> type = script.getClass();
        while (Stream.of(type.getDeclaredFields()).noneMatch(f -> f.getName().equals("common")))
            type = type.getSuperclass();
        Field f = type.getDeclaredField("common");
        f.setAccessible(true);
        return f.get(script);
    }

    static Ended run(Alias a, String... args) throws Exception {
        StringWriter out = new StringWriter(), err = new StringWriter();
        Method run = a.type().getDeclaredMethod("run", PrintWriter.class, PrintWriter.class, String[].class);
        run.setAccessible(true);
        int code = (int) run.invoke(null, new PrintWriter(out, true), new PrintWriter(err, true), args);
        return new Ended(code, out.toString(), err.toString());
    }
}
