import static org.junit.jupiter.api.Assertions.*;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.*;
import java.lang.reflect.InvocationTargetException;
import java.nio.file.*;
import java.util.*;
import java.util.regex.*;
import java.util.stream.*;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import picocli.CommandLine.ParameterException;

/** Proves that the commands in README and notebook are ones that the scripts take, and that README shows every alias. */
class DocumentsTest {
    @ParameterizedTest @ValueSource(strings = {"README.md", "docs/notebook.md"}) void commandsInDocumentsParse(String name) throws Exception {
        assumeTrue(Files.exists(ContractTest.REPO.resolve(name)), name + " is not written yet");
        List<List<String>> commands = commands(Files.readString(ContractTest.REPO.resolve(name)));
        assertTrue(commands.size() >= 5, name + " shows only " + commands);
        for (List<String> c : commands) assertDoesNotThrow(() -> parse(c), () -> name + ": ./jbang " + String.join(" ", c));
    }

    @Test void readmeNamesEveryAlias() throws Exception {
        assumeTrue(Files.exists(ContractTest.REPO.resolve("README.md")), "README.md is not written yet");
        String readme = Files.readString(ContractTest.REPO.resolve("README.md"));
        for (ContractTest.Alias a : ContractTest.aliases()) assertTrue(Pattern.compile("(?:jbang |`)" + a + "(?![\\w-])").matcher(readme).find(), "README.md does not show " + a);
    }

    @Test void commandsAreReadAsTheShellWould() throws Exception {
        assertEquals(List.of(List.of("kill-node", "1", "--mode", "stop"), List.of("find-controller")),
                commands("```\n$ ./jbang kill-node $(./jbang find-controller) --mode stop # why\n"));
        assertEquals(List.of(List.of("watch-isr", "--json"), List.of("perf", "--topic", "a b"), List.of("lab")),
                commands("cd x && ./jbang watch-isr \\\n  --json 2>/dev/null | jq '.a | .b' > x & jbang perf@kraft-lab --topic 'a b'; see `./jbang lab` or jbang catalog add x"));
        parse(List.of("kill-node", "1", "--mode", "stop"));
        assertThrows(AssertionError.class, () -> parse(List.of("kill-nod", "1")), "no such alias");
        for (String bad : List.of("kill-node 1 --mod stop", "watch-isr --until never", "perf --topic t", "find-controller x", "watch-isr --timeout soon"))
            assertThrows(ParameterException.class, () -> parse(List.of(bad.split(" "))), bad);
    }

    /** The words of each {@code ./jbang ...} or {@code jbang ...@kraft-lab}; pipes, redirections and comments are the shell's, $(...) becomes a word. */
    static List<List<String>> commands(String text) {
        List<List<String>> commands = new ArrayList<>();
        text = text.replaceAll("\\\\\\R\\s*", " ");
        Matcher start = Pattern.compile("(?<![\\w/])(?:\\./jbang|jbang(?= +[a-z-]+@kraft-lab)) +").matcher(text);
        Pattern piece = Pattern.compile("\\G(?:[ \\t]+|\\d?(?:>>?|<)(?:&\\d|[ \\t]*[^\\s|;&)`]+)"
                + "|'(?<single>[^']*)'|\"(?<double>[^\"]*)\"|(?<sub>\\$\\([^()]*\\))|(?<plain>(?:[^\\s'\"|;&<>()`$]|\\$(?!\\())+))");
        while (start.find()) {
            List<String> words = new ArrayList<>();
            StringBuilder word = null;
            Matcher m = piece.matcher(text).region(start.end(), text.length());
            for (; m.find() && !(word == null && m.group().startsWith("#")); ) {
                String part = Stream.of("single", "double", "plain").map(m::group).filter(Objects::nonNull).findFirst().orElse(m.group("sub") == null ? null : "1");
                if (part != null) word = (word == null ? new StringBuilder() : word).append(part);
                else if (word != null) { words.add(word.toString()); word = null; }
            }
            if (word != null) words.add(word.toString());
            if (!words.isEmpty()) words.set(0, words.get(0).replace("@kraft-lab", ""));
            commands.add(words);
        }
        return commands;
    }

    /** Fails unless the first word is an alias and the others are options and parameters that its script takes. */
    private static void parse(List<String> command) throws Exception {
        ContractTest.Alias a = ContractTest.aliases().stream().filter(x -> !command.isEmpty() && x.name().equals(command.get(0))).findFirst()
                .orElseThrow(() -> new AssertionError("no such alias"));
        if (!a.isScript()) return;
        String level = System.getProperty("org.slf4j.simpleLogger.defaultLogLevel", "off"); // -v would raise it for all that follows
        try {
            Object script = a.instance(), common = ContractTest.common(script);
            List<String> args = new ArrayList<>(a.arguments());
            args.addAll(command.subList(1, command.size()));
            PrintWriter nowhere = new PrintWriter(Writer.nullWriter());
            ContractTest.method(common.getClass(), "configure").invoke(common, script, nowhere, nowhere, args.toArray(String[]::new));
        } catch (InvocationTargetException e) {
            throw (Exception) e.getCause();
        } finally {
            System.setProperty("org.slf4j.simpleLogger.defaultLogLevel", level);
        }
    }
}
