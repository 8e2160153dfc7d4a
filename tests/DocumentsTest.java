import static org.junit.jupiter.api.Assertions.*;

import java.io.*;
import java.lang.reflect.InvocationTargetException;
import java.nio.file.*;
import java.util.*;
import java.util.regex.*;
import java.util.stream.*;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import picocli.CommandLine.ParameterException;

/** Proves that the scripts accept the commands in the documents, that links resolve, and that README stays short. */
class DocumentsTest {
    private static final Path REPO = ContractTest.REPO;
    private static final Pattern LINK = Pattern.compile("!?\\[[^\\]]*\\]\\(([^)\\s]+)\\)");
    /** A row of README's tables: aliases, and their description. */
    private static final Pattern ROW = Pattern.compile("(?m)^\\| `([a-z-]+)`(?: \\(`([a-z-]+)`\\))? \\| (.+?) \\|$");

    static List<String> documents() throws IOException {
        try (Stream<Path> docs = Files.list(REPO.resolve("docs"))) {
            Stream<String> inDocs = docs.map(d -> "docs/" + d.getFileName())
                    .filter(d -> d.endsWith(".md"))
                    .sorted();
            return Stream.concat(Stream.of("README.md", "bench/README.md"), inDocs)
                    .toList();
        }
    }

    private static String read(String name) throws IOException {
        return Files.readString(REPO.resolve(name));
    }

    // ---- Commands ----

    @ParameterizedTest
    @MethodSource("documents")
    void commandsInDocumentsParse(String name) throws Exception {
        List<List<String>> commands = commands(withoutOutput(read(name)));
        int least = switch (name) {
            case "README.md" -> 3;
            case "docs/notebook.md", "docs/scripts.md" -> 20;
            case "docs/docker.md", "docs/pipelines.md", "docs/terminal.md", "docs/your-cluster.md" -> 4;
            default -> 0;
        };
        assertTrue(commands.size() >= least, name + " shows only " + commands);
        for (List<String> c : commands)
            assertDoesNotThrow(() -> parse(c), () -> name + ": ./jbang " + String.join(" ", c));
    }

    /** Removes the output of recorded runs, which belongs to the version that made it. */
    private static String withoutOutput(String text) {
        return text.replaceAll("(?ms)^```console\\R.*?^```$", "");
    }

    @Test
    void readmeNamesEveryAlias() throws Exception {
        String readme = read("README.md");
        for (ContractTest.Alias a : ContractTest.aliases())
            assertTrue(
                    Pattern.compile("(?:jbang |`)" + a + "(?![\\w-])")
                            .matcher(readme)
                            .find(),
                    "README.md does not show " + a);
    }

    @Test
    void readmeHasTheCommandsThatTheLauncherLists() throws Exception {
        Map<String, String> descriptions = new HashMap<>();
        for (ContractTest.Alias a : ContractTest.aliases()) descriptions.put(a.name(), a.description());
        List<String> listed = new ArrayList<>();
        LauncherTest.groups().values().forEach(listed::addAll);
        List<String> shown = new ArrayList<>();
        for (Matcher row = ROW.matcher(read("README.md")); row.find(); ) {
            shown.add(row.group(1));
            if (row.group(2) != null) shown.add(row.group(2));
            assertEquals(
                    descriptions.get(row.group(1)),
                    row.group(3),
                    "what README.md and the catalog say of " + row.group(1));
        }
        listed.removeAll(LauncherTest.groups().get("Develop")); // README lists them last
        assertEquals(listed, shown, "the order of ./jbang, and of README.md");
        String readme = read("README.md");
        for (String group : LauncherTest.groups().keySet())
            if (!group.equals("Develop"))
                assertTrue(
                        Pattern.compile("(?m)^" + group + "[;:]")
                                .matcher(readme)
                                .find(),
                        group);
    }

    @Test
    void everyScriptHasAnExample() throws Exception {
        Set<String> shown = new HashSet<>();
        for (List<String> command : commands(read("docs/scripts.md"))) shown.add(command.get(0));
        for (ContractTest.Alias a : ContractTest.scripts())
            assertTrue(shown.contains(a.name()) || a.name().equals("perf-test"), a + " has none");
    }

    // ---- Form ----

    @Test
    void readmeIsShort() throws Exception {
        String readme = read("README.md");
        assertTrue(readme.lines().count() < 120, readme.lines().count() + " lines");
        assertTrue(readme.strip().split("\\s+").length < 1000, readme.strip().split("\\s+").length + " words");
    }

    /** Tables, links, output and data may be wider, and notebooks are written by lab. */
    @ParameterizedTest
    @MethodSource("documents")
    void linesAreAtMost120ColumnsWide(String name) throws Exception {
        if (name.contains("example-notebook")) return;
        List<String> wide = new ArrayList<>();
        String fence = null;
        for (String line : Files.readAllLines(REPO.resolve(name))) {
            if (line.startsWith("```")) fence = fence == null ? line : null;
            boolean free = fence != null && !fence.equals("```bash") || line.startsWith("|");
            if (!free && LINK.matcher(line).replaceAll("").length() > 120) wide.add(line);
        }
        assertEquals(List.of(), wide);
    }

    // ---- Links ----

    @ParameterizedTest
    @MethodSource("documents")
    void linksResolve(String name) throws Exception {
        List<String> broken = new ArrayList<>();
        Path folder = REPO.resolve(name).getParent();
        for (Matcher link = LINK.matcher(withoutCode(read(name))); link.find(); ) {
            String[] target = link.group(1).split("#", 2);
            if (target[0].matches("(https?|mailto):.*")) continue;
            Path file = target[0].isEmpty()
                    ? REPO.resolve(name)
                    : folder.resolve(target[0]).normalize();
            boolean found = file.startsWith(REPO) && Files.exists(file);
            if (found && target.length > 1)
                found = anchors(Files.readString(file)).contains(target[1]);
            if (!found) broken.add(link.group(1));
        }
        assertEquals(List.of(), broken, name);
    }

    @Test
    void everyDocumentIsInTheIndex() throws Exception {
        String index = read("docs/README.md");
        for (String name : documents()) {
            if (name.startsWith("docs/") && !name.equals("docs/README.md"))
                assertTrue(index.contains("(" + name.substring(5) + ")"), name);
        }
        assertTrue(index.contains("(../bench/README.md)"));
    }

    @Test
    void anchorsAreThoseOfAGitHost() {
        assertEquals(
                Set.of(
                        "the-same-fault-embedded-and-in-docker",
                        "where-when-and-by-which-fault",
                        "a_b--c",
                        "twice",
                        "twice-1"),
                anchors("# The same fault, embedded and in Docker\n"
                        + "## Where, when, and by which fault\n"
                        + "```\n"
                        + "# no heading\n"
                        + "```\n"
                        + "### `A_b` & c\n"
                        + "## Twice\n"
                        + "## Twice\n"));
    }

    /** Returns the anchors of the headings: lower case, no punctuation, hyphens for spaces, repetitions numbered. */
    private static Set<String> anchors(String text) {
        Set<String> anchors = new TreeSet<>();
        for (Matcher m = Pattern.compile("(?m)^#{1,6} +(.+?)\\s*$").matcher(withoutCode(text)); m.find(); ) {
            String
                    anchor =
                            m.group(1)
                                    .toLowerCase(Locale.ROOT)
                                    .replaceAll("[^\\p{L}\\p{N} _-]", "")
                                    .replace(' ', '-'),
                    unique = anchor;
            for (int i = 1; !anchors.add(unique); i++) unique = anchor + "-" + i;
        }
        return anchors;
    }

    private static String withoutCode(String text) {
        return text.replaceAll("(?ms)^```.*?^```$", "");
    }

    // ---- Reading commands ----

    @Test
    void commandsAreReadAsTheShellWould() throws Exception {
        assertEquals(
                List.of(List.of("kill-node", "1", "--mode", "stop"), List.of("find-controller")),
                commands("```\n$ ./jbang kill-node $(./jbang find-controller) --mode stop # why\n"));
        assertEquals(
                List.of(List.of("watch-isr", "--json"), List.of("perf", "--topic", "a b"), List.of("lab")),
                commands("cd x && ./jbang watch-isr \\\n"
                        + "  --json 2>/dev/null | jq '.a | .b' > x & jbang perf@kraft-lab --topic 'a b'; see"
                        + " `./jbang lab` or jbang catalog add x"));
        parse(List.of("kill-node", "1", "--mode", "stop"));
        assertThrows(AssertionError.class, () -> parse(List.of("kill-nod", "1")), "no such alias");
        for (String bad : List.of(
                "kill-node 1 --mod stop",
                "watch-isr --until never",
                "perf --topic t",
                "find-controller x",
                "watch-isr --timeout soon"))
            assertThrows(ParameterException.class, () -> parse(List.of(bad.split(" "))), bad);
    }

    /**
     * Returns the words of each {@code ./jbang ...} or {@code jbang ...@kraft-lab}. Pipes, redirections and comments
     * belong to the shell; $(...) becomes a word.
     */
    static List<List<String>> commands(String text) {
        List<List<String>> commands = new ArrayList<>();
        text = text.replaceAll("\\\\\\R\\s*", " ");
        Matcher start = Pattern.compile("(?<![\\w/])(?:\\./jbang|jbang(?= +[a-z-]+@kraft-lab)) +")
                .matcher(text);
        Pattern piece = Pattern.compile("\\G(?:[ \\t]+|\\d?(?:>>?|<)(?:&\\d|[ \\t]*[^\\s|;&)`]+)"
                + "|'(?<single>[^']*)'|\"(?<double>[^\"]*)\"|(?<sub>\\$\\([^()]*\\))"
                + "|(?<plain>(?:[^\\s'\"|;&<>()`$]|\\$(?!\\())+))");
        while (start.find()) {
            List<String> words = new ArrayList<>();
            StringBuilder word = null;
            Matcher m = piece.matcher(text).region(start.end(), text.length());
            for (; m.find() && !(word == null && m.group().startsWith("#")); ) {
                String part = Stream.of("single", "double", "plain")
                        .map(m::group)
                        .filter(Objects::nonNull)
                        .findFirst()
                        .orElse(m.group("sub") == null ? null : "1");
                if (part != null) word = (word == null ? new StringBuilder() : word).append(part);
                else if (word != null) {
                    words.add(word.toString());
                    word = null;
                }
            }
            if (word != null) words.add(word.toString());
            if (!words.isEmpty()) words.set(0, words.get(0).replace("@kraft-lab", ""));
            commands.add(words);
        }
        return commands;
    }

    /** Fails unless the first word is an alias and the rest are options and parameters that its script accepts. */
    private static void parse(List<String> command) throws Exception {
        if (command.isEmpty() || Files.isRegularFile(REPO.resolve(command.get(0)))) return; // ./jbang alone; a file
        ContractTest.Alias a = ContractTest.aliases().stream()
                .filter(x -> x.name().equals(command.get(0)))
                .findFirst()
                .orElseThrow(() -> new AssertionError("no such alias"));
        if (!a.isScript()) return;
        String level = System.getProperty(
                "org.slf4j.simpleLogger.defaultLogLevel", "off"); // -v would raise it for all later tests
        try {
            Object script = a.instance(), common = ContractTest.common(script);
            List<String> args = new ArrayList<>(a.arguments());
            args.addAll(command.subList(1, command.size()));
            PrintWriter nowhere = new PrintWriter(Writer.nullWriter());
            ContractTest.method(common.getClass(), "configure")
                    .invoke(common, script, nowhere, nowhere, args.toArray(String[]::new));
        } catch (InvocationTargetException e) {
            throw (Exception) e.getCause();
        } finally {
            System.setProperty("org.slf4j.simpleLogger.defaultLogLevel", level);
        }
    }
}
