import static java.nio.charset.StandardCharsets.ISO_8859_1;
import static org.junit.jupiter.api.Assertions.*;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.nio.file.*;
import java.nio.file.attribute.*;
import java.util.*;
import java.util.regex.*;
import java.util.stream.*;
import org.junit.jupiter.api.*;

/**
 * Proves that ./jbang, called through a symbolic link from another folder, passes on arguments, stdin, output and exit
 * codes unchanged; and that it lists the commands, and suggests one for a mistyped name, without a JVM.
 */
@Tag("slow")
class LauncherTest extends LauncherFixture {
    @Test
    void argumentsArriveUntouched() throws Exception {
        List<String> args = List.of(
                "args",
                "two words",
                " ",
                "\"double\" 'single'",
                "$HOME `id` $(id) ${x}",
                "two\nlines\n",
                "",
                "back\\slash\\",
                "*",
                "~",
                "a;b|c&d>e",
                "-Dx=y",
                "--help",
                "");
        forget();
        for (String way : List.of("through JBang", "remembered")) {
            Ended e = run(Stream.concat(Stream.of("tiny"), args.stream()).toArray(String[]::new));
            assertEquals(args, List.of(e.out().split("\0", -1)), way + ": " + e.err());
            assertEquals(0, e.code(), way);
        }
        assertEquals("args\0its own\0a b\0", run("more", "a b", "").out(), "an alias's own arguments come first");
        assertEquals(
                "a b\0c'd",
                run(repo.resolve("scripts/Tiny.java").toString(), "a b", "c'd").out(),
                "a file in place of an alias");
    }

    @Test
    void exitCodesPassThrough() throws Exception {
        for (int code : List.of(0, 2, 13)) {
            Ended e = run("tiny", "exit", "" + code);
            assertEquals(List.of(code, "", ""), List.of(e.code(), e.out(), e.err()), "exit code, stdout, stderr");
        }
        forget();
        assertEquals(13, run("tiny", "exit", "13").code(), "when JBang is asked");
    }

    @Test
    void stdinPassesThrough() throws Exception {
        String text = "one\ntwo\0\377 without end", large = "0123456789abcdef".repeat(20_000);
        forget();
        for (String way : List.of("through JBang", "remembered")) {
            assertEquals(
                    text, run(Map.of(), text, link.toString(), "tiny", "stdin").out(), way);
            assertEquals(
                    large,
                    run(Map.of(), large, link.toString(), "tiny", "stdin").out(),
                    way);
        }
    }

    @Test
    void scriptTakesTheLaunchersPlace() throws Exception { // Ctrl-C and kill must reach it
        forget();
        for (String way : List.of("through JBang", "remembered")) {
            Ended e = run("tiny", "pid");
            assertEquals("" + e.pid(), e.out(), way + " it is another process");
        }
    }

    @Test
    void editIsNoticed() throws Exception {
        Path script = repo.resolve("scripts/Tiny.java");
        assertEquals("no!", run("tiny", "edited").out());
        FileTime time = Files.getLastModifiedTime(script);
        Files.writeString(script, TINY.replace("no!", "yes"));
        Files.setLastModifiedTime(script, time); // size and time stay the same
        try {
            assertEquals("yes", run("tiny", "edited").out());
        } finally {
            Files.writeString(script, TINY);
        }
        assertEquals("no!", run("tiny", "edited").out(), "back again");
    }

    @Test
    void rememberedCommandNeedsNoJBang() throws Exception {
        assertEquals("args", run("tiny", "args").out());
        Path jar = cache.resolve(jar().getFileName().toString().replace("-all", "")), aside = temp.resolve("aside");
        Files.move(jar, aside);
        try {
            assertEquals("args", run("tiny", "args").out());
            forget();
            Ended e = run("tiny", "args");
            assertEquals(1, e.code(), "without JBang, Maven and network: " + e.out());
            assertOneLine(e, "install JBang or Maven");
        } finally {
            Files.move(aside, jar);
        }
    }

    @Test
    void classArchiveOfALightScriptIsSilent() throws Exception {
        assertEquals("args", run("light", "args").out(), "the run that writes the archive");
        List<Path> archives;
        try (Stream<Path> files = Files.list(cache)) {
            archives = files.filter(f -> f.getFileName().toString().matches("light\\..*\\.jsa"))
                    .toList();
        }
        assertEquals(1, archives.size(), "archives in " + cache);
        for (String state : List.of("fits", "is damaged")) {
            Ended e = run("light", "args");
            assertEquals(
                    List.of(0, "args", ""),
                    List.of(e.code(), e.out(), e.err()),
                    "exit code, stdout, stderr when the archive " + state);
            Files.writeString(archives.get(0), "no archive".repeat(1000));
        }
    }

    @Test
    void jbangOnPathIsPreferred() throws Exception {
        Path folder = Files.createDirectories(temp.resolve("fake"));
        executable(folder.resolve("jbang"), "#!/usr/bin/env bash\n# not ours\nprintf '%s\\0' \"$@\"; cat; exit 7\n");
        Ended e = run(Map.of("PATH", folder + ":" + tools), "typed", link.toString(), "tiny", "a b", "", "$x");
        assertEquals("tiny@" + repo + "\0a b\0\0$x\0typed", e.out());
        assertEquals(7, e.code());
    }

    @Test
    void launcherOnPathIsNotTakenForJBang() throws Exception {
        Path folder = Files.createDirectories(temp.resolve("itself"));
        Files.createSymbolicLink(folder.resolve("jbang"), link);
        Path copy = Files.copy(
                repo.resolve("jbang"),
                Files.createDirectories(temp.resolve("copy")).resolve("jbang"),
                StandardCopyOption.COPY_ATTRIBUTES);
        Ended e =
                run(Map.of("PATH", folder + ":" + copy.getParent() + ":" + tools), "", link.toString(), "tiny", "args");
        assertEquals("args", e.out(), e.err());
    }

    @Test
    void withoutJavaOneSentence() throws Exception {
        Ended none = run(Map.of("JAVA_HOME", ""), "", link.toString(), "tiny", "args");
        assertEquals(1, none.code());
        assertOneLine(none, "Java 17 or newer is needed (found: none)");
        Path old = Files.createDirectories(temp.resolve("jdk-11"));
        executable(Files.createDirectories(old.resolve("bin")).resolve("java"), "#!/usr/bin/env bash\nexit 99\n");
        Files.writeString(old.resolve("release"), "JAVA_VERSION=\"11.0.2\"\n");
        Ended eleven = run(Map.of("JAVA_HOME", old.toString()), "", link.toString(), "tiny", "args");
        assertEquals(1, eleven.code());
        assertOneLine(eleven, "Java 17 or newer is needed (found: " + old + "/bin/java)");
    }

    @Test
    void closedPipeEndsTheScript() throws Exception {
        Ended e = run(
                Map.of(),
                "",
                tools.resolve("bash").toString(),
                "-c",
                "\"$0\" tiny yes | head -n 3; echo ${PIPESTATUS[0]}",
                link.toString());
        assertEquals("y\ny\ny\n0\n", e.out());
        assertEquals("", e.err());
    }

    // ---- Without a command, and with a mistyped one ----

    /** Runs without Java: neither the list nor the suggestion may start a JVM. */
    private static Ended runWithoutJava(String... args) throws Exception {
        String launcher = ContractTest.REPO.resolve("jbang").toString();
        String[] command = Stream.concat(Stream.of(launcher), Stream.of(args)).toArray(String[]::new);
        return run(Map.of("JAVA_HOME", ""), "", command);
    }

    /** Returns the groups that the launcher lists, with the aliases of each. */
    static Map<String, List<String>> groups() throws Exception {
        String text = Files.readString(ContractTest.REPO.resolve("jbang"));
        Map<String, List<String>> groups = new LinkedHashMap<>();
        for (String line :
                text.split("kl_groups=\\(\n")[1].split("\n\\)")[0].lines().toList()) {
            String[] group = line.strip().replace("'", "").split(": ");
            groups.put(group[0], List.of(group[1].split(" ")));
        }
        return groups;
    }

    @Test
    void aloneItListsTheCommandsAsTheCatalogHasThem() throws Exception {
        Ended listed = runWithoutJava();
        assertEquals(List.of(0, ""), List.of(listed.code(), listed.err()));
        assertEquals(listed.out(), runWithoutJava("help").out(), "./jbang help");
        assertEquals(listed.out(), runWithoutJava("help", ".*").out(), "./jbang help for what is no command");
        Map<String, String> descriptions = new HashMap<>();
        for (ContractTest.Alias alias : ContractTest.aliases()) descriptions.put(alias.name(), alias.description());
        StringBuilder expected = new StringBuilder("Usage: ./jbang COMMAND [OPTION...]\n");
        Set<String> names = new TreeSet<>();
        for (var group : groups().entrySet()) {
            expected.append("\n").append(group.getKey()).append("\n");
            for (String name : group.getValue()) {
                assertTrue(names.add(name), name + " is in two groups");
                expected.append("  %-18s  %s\n".formatted(name, descriptions.get(name)));
            }
        }
        assertEquals(descriptions.keySet().stream().sorted().toList(), List.copyOf(names), "the aliases in the groups");
        assertTrue(listed.out().startsWith(expected + "\n'./jbang COMMAND --help' shows"), listed.out());
        assertEquals(
                List.of(),
                listed.out().lines().filter(line -> line.length() > 100).toList(),
                "over 100 columns");
        assertEquals(
                List.of("The six steps", "The lab"),
                List.copyOf(groups().keySet()).subList(0, 2));
    }

    @Test
    void helpOfACommandIsItsHelp() throws Exception {
        assertEquals("--help", run("help", "tiny").out());
    }

    @Test
    void aMistypedCommandIsNamedWithTheNearest() throws Exception {
        Map<String, String> meant = new LinkedHashMap<>();
        meant.put("pref", "perf"); // two letters swapped
        meant.put("prob", "probe");
        meant.put("cluster1", "cluster");
        meant.put("resilient-producre", "resilient-producer");
        meant.put("verison", "version"); // JBang's own
        meant.put("hepl", "help");
        meant.put("tests", "test"); // a folder that JBang cannot run
        meant.put("kill", "kill-node"); // a part
        meant.put("watch", "watch-isr or watch-leaders");
        meant.put("nod", "kill-node, start-node or nodes");
        meant.put("controler", "find-controller"); // a part, mistyped
        Files.createDirectories(elsewhere.resolve("tests"));
        for (var word : meant.entrySet()) {
            Ended e = runWithoutJava(word.getKey(), "--topic", "x");
            assertEquals(2, e.code(), word.getKey());
            assertOneLine(e, "unknown command " + word.getKey() + ": did you mean " + word.getValue() + "?\n");
        }
        for (String word : List.of("xyzzy", "x", "scenario")) {
            Ended e = runWithoutJava(word);
            assertEquals(2, e.code(), word);
            assertOneLine(e, "unknown command " + word + ": ./jbang lists the commands\n");
        }
    }

    @Test
    void whatIsNoCommandOfOursGoesToJBang() throws Exception {
        Path fake = Files.createDirectories(temp.resolve("prints"));
        executable(fake.resolve("jbang"), "#!/usr/bin/env bash\n# not ours\nprintf '%s ' \"$@\"\n");
        Path user = Files.createDirectories(temp.resolve("jbang-dir")).resolve("jbang-catalog.json");
        Path near = Files.createDirectories(elsewhere.resolve(".jbang")).resolve("jbang-catalog.json");
        Path above = elsewhere.resolveSibling("jbang-catalog.json"), file = elsewhere.resolve("perv");
        Files.writeString(user, CATALOG.replace("tiny", "users"));
        Files.writeString(near, CATALOG.replace("tiny", "nearest"));
        Files.writeString(above, CATALOG.replace("tiny", "upper"));
        Files.writeString(file, TINY);
        try {
            for (String word : List.of(
                    "version",
                    "run",
                    "wrapper",
                    "--help",
                    "-h",
                    "Tiny.java",
                    "tiny@more",
                    "perv",
                    "users",
                    "nearest",
                    "upper",
                    "group:artifact:1.0",
                    "https://host.example/x",
                    "-",
                    "",
                    "Perf",
                    "per f")) {
                Ended e = run(Map.of("PATH", fake + ":" + tools), "", link.toString(), word, "x");
                assertEquals(List.of(0, word + " x ", ""), List.of(e.code(), e.out(), e.err()));
            }
        } finally {
            for (Path planted : List.of(user, near, above, file)) Files.delete(planted);
        }
    }

    @Test
    void jbangsSubcommandsAreKnown() throws Exception {
        Matcher known = Pattern.compile("kl_subcommands='([^']*)'").matcher(Files.readString(repo.resolve("jbang")));
        assertTrue(known.find());
        Ended help = run("--help");
        List<String> listed = Pattern.compile("(?m)^  ([a-z]+) {2,}[A-Z]")
                .matcher(help.out() + help.err())
                .results()
                .map(m -> m.group(1))
                .sorted()
                .toList();
        assertTrue(listed.contains("run") && listed.contains("wrapper"), help.out() + help.err());
        assertEquals(listed, List.of(known.group(1).split("\\s+")), "the subcommands of JBang");
    }

    @Test
    void whatCannotBeWrittenIsNamedWithItsVariable() throws Exception {
        Ended nowhere = run(
                Map.of("XDG_CACHE_HOME", "/proc/none", "TMPDIR", "/proc/none"), "", link.toString(), "tiny", "args");
        assertEquals(1, nowhere.code());
        assertOneLine(nowhere, "set XDG_CACHE_HOME to a folder of yours");
        forget();
        Ended jbang = run(Map.of("JBANG_DIR", "/proc/none"), "", link.toString(), "tiny", "args");
        assertNotEquals(0, jbang.code());
        assertEquals(
                "jbang: JBang cannot write to /proc/none; make it writable, or set JBANG_DIR to a folder of yours",
                jbang.err().lines().reduce((a, b) -> b).orElse(""),
                jbang.err());
        Ended wrong = run(
                Map.of("JAVA_HOME", quickJava(true).toString(), "JBANG_DIR", "/proc/none"),
                "",
                link.toString(),
                "tiny",
                "exit",
                "4");
        assertEquals(
                List.of(4, ""),
                List.of(wrong.code(), wrong.err()),
                "a script's own exit is no reason to look for folders");
    }

    /** Uses the messages that Maven 3.8 prints. */
    @Test
    void whyJBangCouldNotBeFetched() throws Exception {
        Map<String, String> reasons = new LinkedHashMap<>();
        reasons.put(
                "[ERROR] Could not create local repository at /x/.m2/repository -> [Help 1]",
                "Maven cannot write to its local repository");
        reasons.put(
                "[ERROR] Could not transfer artifact ... /x/.m2/repository/org/y.jar.123.tmp (Read-only file system)"
                        + " -> [Help 1]",
                "JBANG_REPO=FOLDER");
        reasons.put(
                "[ERROR] Could not transfer artifact ... /x/.m2/repository/org/y.jar.123.tmp (Permission denied) ->"
                        + " [Help 1]",
                "MAVEN_OPTS=-Dmaven.repo.local=FOLDER");
        reasons.put(
                "[ERROR] GET request of: y.jar from central failed: No space left on device -> [Help 1]",
                "no space is left");
        reasons.put(
                "[ERROR] Could not transfer artifact ... Unknown host repo.example.org -> [Help 1]",
                "check the network");
        Path base = Files.createDirectories(temp.resolve("fresh")),
                folder = Files.createDirectories(temp.resolve("maven"));
        for (var reason : reasons.entrySet()) {
            executable(
                    folder.resolve("mvn"), "#!/usr/bin/env bash\nprintf '%s\\n' '" + reason.getKey() + "'\nexit 1\n");
            Ended e = run(
                    Map.of("XDG_CACHE_HOME", base.toString(), "PATH", folder + ":" + tools),
                    "",
                    link.toString(),
                    "tiny",
                    "args");
            assertEquals(1, e.code(), reason.getKey());
            assertEquals("jbang: fetching JBang", e.err().substring(0, 21));
            String sentence =
                    e.err().lines().skip(1).reduce((a, b) -> a + "\n" + b).orElse("");
            assertTrue(
                    sentence.startsWith("jbang: ") && sentence.contains(reason.getValue()) && !sentence.contains("\n"),
                    e.err());
            assertEquals(reason.getValue().contains("network"), sentence.contains("network"), sentence);
        }
    }

    @Test
    void aCheckoutWithWindowsLineEndsStarts() throws Exception {
        assumeTrue(Files.exists(ContractTest.REPO.resolve(".git")), "not a git checkout");
        Path clone = temp.resolve("clone");
        Process git;
        try {
            git = new ProcessBuilder(
                            "git",
                            "-c",
                            "core.autocrlf=true",
                            "clone",
                            "-q",
                            "-c",
                            "core.autocrlf=true",
                            ContractTest.REPO.toString(),
                            clone.toString())
                    .inheritIO()
                    .start();
        } catch (java.io.IOException none) {
            assumeTrue(false, "there is no git");
            return;
        }
        assertEquals(0, git.waitFor());
        List<String> wrong = new ArrayList<>();
        try (Stream<Path> files = Files.walk(clone)) {
            for (Path file : files.filter(f -> Files.isRegularFile(f)
                            && !f.startsWith(clone.resolve(".git"))
                            && !f.toString().endsWith(".png"))
                    .toList())
                if (Files.readString(file, ISO_8859_1).contains("\r\n"))
                    wrong.add(clone.relativize(file).toString());
        }
        assertEquals(List.of(), wrong, "files with CR LF");
        Ended e = run(Map.of(), "", clone.resolve("jbang").toString(), "version");
        assertEquals(0, e.code(), e.err());
    }
}
