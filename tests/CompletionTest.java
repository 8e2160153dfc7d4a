import static org.junit.jupiter.api.Assertions.*;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.File;
import java.nio.file.*;
import java.util.*;
import java.util.concurrent.TimeUnit;
import java.util.stream.*;
import org.junit.jupiter.api.*;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.*;
import picocli.CommandLine.Model.*;

/**
 * Checks what a shell offers after Tab: in bash by calling the completion function, and by the key itself in bash and
 * zsh.
 */
@Order(52)
@Tag("processes")
class CompletionTest {
    private static Path script;
    private Terminal terminal;

    @BeforeAll
    static void generate() throws Exception {
        script = generate("bash");
    }

    @AfterEach
    void end() throws Exception {
        if (terminal != null) terminal.close();
    }

    private static Path generate(String shell) throws Exception {
        TestCluster.Run run = TestCluster.run(Completion::run, shell);
        assertEquals(0, run.code(), run.toString());
        return Files.writeString(TestCluster.HOME.resolve("completion." + shell), run.out());
    }

    /** Returns the output of a bash without any configuration. */
    private static List<String> bash(Map<String, String> environment, String commands) throws Exception {
        ProcessBuilder b = new ProcessBuilder(
                        "bash", "--norc", "--noprofile", "-c", "source '" + script + "'\n" + commands)
                .redirectInput(new File("/dev/null"))
                .redirectError(TestCluster.HOME.resolve("bash.err").toFile());
        b.environment()
                .putAll(Map.of(
                        "KRAFT_LAB_HOME",
                        TestCluster.HOME.toString(),
                        "JBANG_DIR",
                        TestCluster.HOME.resolve("no-jbang").toString()));
        b.environment().remove("KAFKA_BOOTSTRAP");
        b.environment().putAll(environment);
        Process p = b.start();
        String out = new String(p.getInputStream().readAllBytes(), "UTF-8");
        assertTrue(p.waitFor(30, TimeUnit.SECONDS));
        assertEquals("", Files.readString(TestCluster.HOME.resolve("bash.err")), "stderr of " + commands);
        return out.lines().toList();
    }

    private static List<String> complete(String line) throws Exception {
        return complete(Map.of(), line);
    }

    /** Completes at the end of a line, split into words as bash splits it. */
    private static List<String> complete(Map<String, String> environment, String line) throws Exception {
        return bash(
                        environment,
                        "COMP_LINE='" + line + "' COMP_POINT=" + line.length()
                                + "\n_kraft_lab\nprintf '%s\\n' \"${COMPREPLY[@]}\"")
                .stream()
                .filter(l -> !l.isEmpty())
                .toList();
    }

    // ---- Commands and options of the scripts ----

    @Test
    void everyAliasAndEachOfItsOptionsIsOffered() throws Exception {
        assertEquals(
                ContractTest.aliases().stream().map(ContractTest.Alias::name).toList(), complete("./jbang "));
        List<String> all = bash(
                Map.of(),
                ContractTest.scripts().stream()
                        .map(a -> "_kraft_lab_options " + a + "; printf '%s\\n' \"$_kraft_lab_reply\"")
                        .collect(Collectors.joining("\n")));
        assertEquals(ContractTest.scripts().size(), all.size());
        for (int i = 0; i < all.size(); i++) {
            CommandSpec model = ContractTest.scripts().get(i).model();
            assertEquals(
                    model.options().stream()
                            .filter(o -> !o.hidden())
                            .map(OptionSpec::longestName)
                            .toList(),
                    List.of(all.get(i).split(" ")),
                    "options of " + ContractTest.scripts().get(i));
        }
    }

    @Test
    void anOptionTakesAWordOrNone() throws Exception {
        StringBuilder asked = new StringBuilder();
        List<String> expected = new ArrayList<>();
        for (ContractTest.Alias a : ContractTest.scripts())
            for (OptionSpec o : a.model().options())
                for (String name : o.names()) {
                    asked.append("_kraft_lab_values ")
                            .append(a)
                            .append(" ")
                            .append(name)
                            .append("; echo \"")
                            .append(a)
                            .append(" ")
                            .append(name)
                            .append(" ${_kraft_lab_reply:+VALUE}\"\n");
                    expected.add(a + " " + name + " " + (o.arity().min() > 0 ? "VALUE" : ""));
                }
        assertEquals(expected, bash(Map.of(), asked.toString()));
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "./jbang perf             | perf perf-test",
                "jbang perf               | perf@kraft-lab perf-test@kraft-lab",
                "jbang run find-c         | find-controller@kraft-lab",
                "jbang lab@kr             | kraft-lab",
                "./jbang watch-isr --unt  | --until",
                "./jbang watch-isr --until _ | in-sync under-replicated offline no-quorum",
                "./jbang watch-isr --internal --until=no | no-quorum",
                "jbang watch-isr@kraft-lab --topic x --until in | in-sync",
                "cd /tmp && x/y/jbang cluster up --timeouts _ | ",
                "x/y/jbang cluster up --timeouts _ | default fast",
                "./jbang cluster _        | up down status logs",
                "./jbang cluster -n 5 st  | status",
                "./jbang completion zsh _ | ",
                "./jbang lab --scenario fl | flapping",
                "./jbang lab --runtime _  | auto embedded docker external",
                "./jbang kill-node --mode dis | disconnect",
                "./jbang kill-node con    | controller",
                "./jbang perf --key-choice z | zipfian",
                "./jbang failover-matrix --acks 1,a | 1,all",
                "./jbang failover-matrix --fault kill-leader,two | kill-leader,two-of-three",
                "./jbang perf --num-records _ | ",
                "./jbang Other.java --un  | ",
                "./jbang test _           | ",
                "./jbang completion z     | zsh"
            })
    void whatMayStandThereIsOffered(String line, String expected) throws Exception {
        assertEquals(
                expected == null ? List.of() : List.of(expected.split(" ")),
                complete(line.strip().replaceAll(" _$", " ")));
    }

    @Test
    void installedCommandsAreCompletedByWhatTheyStandFor() throws Exception {
        Path bin = Files.createDirectories(TestCluster.HOME.resolve("jbang-home/bin"));
        Files.writeString(bin.resolve("watch"), "#!/bin/sh\nexec jbang run watch-isr@kraft-lab \"$@\"\n");
        Files.writeString(bin.resolve("lab"), "#!/bin/sh\nexec jbang run lab@another \"$@\"\n");
        Map<String, String> home = Map.of("JBANG_DIR", bin.getParent().toString());
        assertEquals(List.of("--until"), complete(home, "watch --unt"));
        assertEquals(
                List.of("complete -F _kraft_lab watch", "1"),
                bash(home, "complete -p watch; complete -p lab 2> /dev/null; echo $?"),
                "that of another catalog is left alone");
    }

    @Test
    void whatWasThereForJbangIsKept() throws Exception {
        assertEquals(
                List.of("alias catalog perf@kraft-lab perf-test@kraft-lab", "theirs"),
                bash(Map.of(), """
                    theirs() { [[ $COMP_LINE == 'jbang pe' ]] && COMPREPLY=(alias catalog) || COMPREPLY=(theirs); }
                    complete -F theirs -o default jbang
                    source '%s'; source '%s'
                    COMP_LINE='jbang pe' COMP_POINT=8; _kraft_lab; echo "${COMPREPLY[*]}"
                    COMP_LINE='jbang catalog ' COMP_POINT=14; _kraft_lab; echo "${COMPREPLY[*]}"
                    """.formatted(script, script)));
    }

    // ---- Names from a running cluster ----

    @Tag("timed")
    @Test
    void withoutAClusterItIsSilentAndSoon() throws Exception {
        long start = System.nanoTime();
        assertEquals(List.of(), complete("./jbang perf -b localhost:1 --topic "));
        assertEquals(
                List.of("controller", "random", "all", "leader:"),
                complete("./jbang kill-node -b localhost:1 --data-dir " + TestCluster.HOME.resolve("none") + " "));
        double each = (System.nanoTime() - start) / 2e9;
        assertTrue(
                each < 5,
                "took " + each + " s each"); // a second of asking, the rest is starting a JVM on a busy machine
        TestCluster.Run run = TestCluster.run(Completion::run, "topics", "-b", "localhost:1", "--timeout", "1s");
        assertEquals(10, run.code(), run.toString());
        assertEquals(1, run.err().lines().count(), run.err());
    }

    @Tag("screen")
    @Test
    void nodesTopicsAndPartitionsOfTheClusterAreOffered() throws Exception {
        TestCluster.healthy();
        TestCluster.createTopic("completed_topic", "--if-not-exists", "--partitions", "2");
        TestCluster.await(
                "an answer within the second that it has",
                () -> complete("./jbang perf --topic compl").equals(List.of("completed_topic")));
        offered(
                () -> complete(
                        Map.of("KAFKA_BOOTSTRAP", "localhost:1"),
                        "./jbang watch-isr -b " + Cluster.bootstrap() + " --topic compl"),
                "completed_topic");
        offered(() -> complete("./jbang kill-node leader:compl"), "completed_topic-0", "completed_topic-1");
        offered(
                () -> complete("./jbang kill-node --data-dir " + TestCluster.DATA + " --mode stop "),
                "1",
                "kafka01",
                "2",
                "kafka02",
                "3",
                "kafka03",
                "controller",
                "random",
                "all",
                "leader:");
        offered(
                () -> complete("./jbang start-node --data-dir " + TestCluster.DATA + " k"),
                "kafka01",
                "kafka02",
                "kafka03");
        assertEquals(List.of("2"), bash(Map.of(), """
            java() { :; }
            COMP_LINE='./jbang perf --topic compl' COMP_POINT=26; _kraft_lab; first=$_kraft_lab_at
            SECONDS=$((first + 4)); _kraft_lab; [[ $_kraft_lab_at == "$first" ]] && one=1
            SECONDS=$((first + 7)); _kraft_lab; [[ $_kraft_lab_at != "$first" ]] && echo $((one + 1))
            """), "asked again after five seconds, and not before");
    }

    /** Retries, because on a busy machine the cluster may not answer within the one second allowed. */
    private static void offered(java.util.concurrent.Callable<List<String>> asked, String... wanted) throws Exception {
        List<String> last = new ArrayList<>();
        TestCluster.await(List.of(wanted) + " are offered", () -> {
            last.clear();
            last.addAll(asked.call());
            return last.equals(List.of(wanted)) || !last.isEmpty();
        });
        assertEquals(List.of(wanted), last);
    }

    // ---- With the Tab key ----

    @Test
    void tabInBash() throws Exception {
        terminal = new Terminal(100, "PS1='> ' JBANG_DIR=/nowhere exec bash --norc --noprofile -i");
        tab(script);
    }

    @Test
    void tabInZsh() throws Exception {
        assumeTrue(Terminal.has("zsh"), "there is no zsh");
        terminal = new Terminal(100, "PS1='> ' JBANG_DIR=/nowhere exec zsh -f -i");
        tab(generate("zsh"));
    }

    private void tab(Path script) throws Exception {
        terminal.await(
                "a prompt",
                s -> s.endsWith(">\n") || s.contains("\n> ") || s.strip().equals(">"));
        terminal.keys("eval \"$(cat " + script + ")\"; clear; echo rea''dy", "Enter");
        terminal.await("it to be evaluated", s -> s.contains("ready"));
        for (String[] typed : new String[][] {
            {"./jbang watch-isr --unt", " in-s", "./jbang watch-isr --until in-sync"},
            {"jbang find-contr", "--js", "jbang find-controller@kraft-lab --json"},
            {
                "jbang failover-matrix@kraft-lab --list --acks 1,a",
                "--fault=pa",
                "jbang failover-matrix@kraft-lab --list --acks 1,all --fault=pause-leader"
            },
            {"./jbang check-delivery README", "", "./jbang check-delivery README.md"}
        }) {
            String first = typed[0];
            terminal.keys("-l", "--", first);
            terminal.keys("Tab");
            terminal.await(
                    "the first word of " + typed[2] + " to be completed",
                    s -> s.lines()
                            .anyMatch(l -> l.startsWith("> " + typed[2].substring(0, first.length()))
                                    && (typed[1].isEmpty()
                                            || typed[2].startsWith(
                                                            l.substring(2).strip())
                                                    && l.strip().length() > first.length() + 2)));
            if (!typed[1].isEmpty()) terminal.keys("-l", "--", typed[1].strip());
            terminal.keys("Tab");
            terminal.await(typed[2], s -> s.lines().anyMatch(l -> l.startsWith("> " + typed[2])));
            terminal.keys("C-u");
        }
    }
}
