import static java.nio.charset.StandardCharsets.ISO_8859_1;
import static org.junit.jupiter.api.Assertions.*;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.File;
import java.nio.file.*;
import java.nio.file.attribute.*;
import java.util.*;
import java.util.concurrent.TimeUnit;
import java.util.regex.*;
import java.util.stream.*;
import org.junit.jupiter.api.*;
import org.junit.jupiter.api.io.TempDir;

/**
 * Proves that ./jbang, called through a symlink from another folder, gives a script what it was given, and gives back
 * what the script answers; and that it lists the commands, and suggests one for a mistyped one, without a JVM.
 */
@Tag("slow")
class LauncherTest {
    private static final String TINY = """
        //JAVA 17+
        class Tiny {
            public static void main(String... args) throws Exception {
                switch (args[0]) {
                    case "exit" -> System.exit(Integer.parseInt(args[1]));
                    case "pid" -> System.out.print(ProcessHandle.current().pid());
                    case "stdin" -> { System.in.transferTo(System.out); System.out.flush(); }
                    case "yes" -> { while (!System.out.checkError()) System.out.println("y"); }
                    case "edited" -> System.out.print("no!");
                    case "env" -> System.out.print(System.getenv(args[1]));
                    default -> System.out.print(String.join("\\0", args));
                }
            }
        }
        """;
    private static final String CATALOG = """
        {"aliases": {"tiny": {"script-ref": "scripts/Tiny.java"}, "more": {"script-ref": "scripts/Tiny.java", "arguments": ["args", "its own"]},
         "light": {"script-ref": "scripts/Tiny.java", "runtime-options": ["-XX:TieredStopAtLevel=1"]}}}
        """;

    /** What the launcher and JBang need, and nothing else: no jbang, no java, no Maven. */
    private static final List<String> COMMANDS = List.of(
            "bash",
            "cat",
            "cksum",
            "env",
            "flock",
            "head",
            "ls",
            "mkdir",
            "mktemp",
            "mv",
            "perl",
            "printenv",
            "readlink",
            "rm",
            "sha256sum",
            "shasum",
            "touch");

    @TempDir
    static Path temp;

    private static Path repo, elsewhere, tools, cache, link;

    record Ended(int code, String out, String err, long pid) {}

    @BeforeAll
    static void copyTheLauncher() throws Exception {
        temp = temp.toRealPath();
        repo = Files.createDirectories(temp.resolve("a lab"));
        elsewhere = Files.createDirectories(temp.resolve("elsewhere"));
        tools = Files.createDirectories(temp.resolve("tools"));
        cache = Files.createDirectories(temp.resolve("cache/kraft-lab"));
        Files.writeString(Files.createDirectories(repo.resolve("scripts")).resolve("Tiny.java"), TINY);
        Files.writeString(repo.resolve("jbang-catalog.json"), CATALOG);
        Files.copy(ContractTest.REPO.resolve("jbang"), repo.resolve("jbang"), StandardCopyOption.COPY_ATTRIBUTES);
        link = Files.createSymbolicLink(elsewhere.resolve("second"), Path.of("first"));
        Files.createSymbolicLink(elsewhere.resolve("first"), Path.of("../a lab/jbang"));
        for (String command : COMMANDS)
            for (String folder : System.getenv("PATH").split(File.pathSeparator)) {
                Path file = Path.of(folder, command);
                if (Files.isExecutable(file) && Files.notExists(tools.resolve(command)))
                    Files.createSymbolicLink(tools.resolve(command), file.toAbsolutePath());
            }
        Files.createSymbolicLink(cache.resolve(jar().getFileName().toString().replace("-all", "")), jar());
        assertEquals(0, run("tiny", "exit", "0").code, "the first run, which builds the script");
    }

    @AfterAll
    static void removeLinks() throws Exception { // JUnit deletes the folder, and would warn of each link that leaves it
        try (Stream<Path> files = Files.walk(temp)) {
            for (Path f : files.filter(Files::isSymbolicLink).toList()) Files.delete(f);
        }
    }

    /** The pinned JBang, from where the launcher or Maven has put it, so that nothing is fetched here. */
    private static Path jar() throws Exception {
        Matcher version = Pattern.compile("(?m)^kl_version=(\\S+)").matcher(Files.readString(repo.resolve("jbang")));
        assertTrue(version.find(), "the launcher pins no version");
        String home = System.getProperty("user.home"), name = "jbang-cli-" + version.group(1);
        Path users =
                Path.of(System.getenv().getOrDefault("XDG_CACHE_HOME", home + "/.cache"), "kraft-lab", name + ".jar");
        Path maven = Path.of(home, ".m2/repository/dev/jbang/jbang-cli", version.group(1), name + "-all.jar");
        assumeTrue(
                Files.exists(users) || Files.exists(maven),
                "JBang " + version.group(1) + " was not fetched yet: run ./jbang without another jbang on PATH once");
        return Files.exists(users) ? users : maven;
    }

    private static Ended run(String... args) throws Exception {
        return run(
                Map.of(),
                "",
                Stream.concat(Stream.of(link.toString()), Stream.of(args)).toArray(String[]::new));
    }

    /** Runs in another folder than the repository's, with an environment that is all ours. */
    private static Ended run(Map<String, String> more, String stdin, String... command) throws Exception {
        Path in = temp.resolve("in"), out = temp.resolve("out"), err = temp.resolve("err");
        Files.writeString(in, stdin, ISO_8859_1);
        ProcessBuilder b = new ProcessBuilder(command)
                .directory(elsewhere.toFile())
                .redirectInput(in.toFile())
                .redirectOutput(out.toFile())
                .redirectError(err.toFile());
        b.environment().clear();
        b.environment()
                .putAll(Map.of(
                        "PATH",
                        tools.toString(),
                        "JAVA_HOME",
                        System.getProperty("java.home"),
                        "HOME",
                        temp.toString(),
                        "XDG_CACHE_HOME",
                        cache.getParent().toString(),
                        "JBANG_DIR",
                        temp.resolve("jbang-dir").toString(),
                        "JBANG_NO_VERSION_CHECK",
                        "true"));
        b.environment().putAll(more);
        Process p = b.start();
        try {
            assertTrue(p.waitFor(180, TimeUnit.SECONDS), "does not end: " + List.of(command));
        } finally {
            p.descendants().forEach(ProcessHandle::destroyForcibly);
            p.destroyForcibly();
        }
        return new Ended(p.exitValue(), Files.readString(out, ISO_8859_1), Files.readString(err, ISO_8859_1), p.pid());
    }

    /** The next run has to ask JBang again. */
    private static void forget() throws Exception {
        try (Stream<Path> files = Files.list(cache)) {
            for (Path f : files.filter(f -> f.getFileName().toString().startsWith("tiny."))
                    .toList()) Files.delete(f);
        }
    }

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
            assertEquals(args, List.of(e.out.split("\0", -1)), way + ": " + e.err);
            assertEquals(0, e.code, way);
        }
        assertEquals("args\0its own\0a b\0", run("more", "a b", "").out, "an alias's own arguments come first");
        assertEquals(
                "a b\0c'd",
                run(repo.resolve("scripts/Tiny.java").toString(), "a b", "c'd").out,
                "a file in place of an alias");
    }

    @Test
    void exitCodesPassThrough() throws Exception {
        for (int code : List.of(0, 2, 13)) {
            Ended e = run("tiny", "exit", "" + code);
            assertEquals(List.of(code, "", ""), List.of(e.code, e.out, e.err), "exit code, stdout, stderr");
        }
        forget();
        assertEquals(13, run("tiny", "exit", "13").code, "when JBang is asked");
    }

    @Test
    void stdinPassesThrough() throws Exception {
        String text = "one\ntwo\0\377 without end", large = "0123456789abcdef".repeat(20_000);
        forget();
        for (String way : List.of("through JBang", "remembered")) {
            assertEquals(text, run(Map.of(), text, link.toString(), "tiny", "stdin").out, way);
            assertEquals(large, run(Map.of(), large, link.toString(), "tiny", "stdin").out, way);
        }
    }

    @Test
    void scriptTakesTheLaunchersPlace() throws Exception { // so that Ctrl-C and kill reach it
        forget();
        for (String way : List.of("through JBang", "remembered")) {
            Ended e = run("tiny", "pid");
            assertEquals("" + e.pid, e.out, way + " it is another process");
        }
    }

    @Test
    void editIsNoticed() throws Exception {
        Path script = repo.resolve("scripts/Tiny.java");
        assertEquals("no!", run("tiny", "edited").out);
        FileTime time = Files.getLastModifiedTime(script);
        Files.writeString(script, TINY.replace("no!", "yes"));
        Files.setLastModifiedTime(script, time); // neither size nor time tells
        try {
            assertEquals("yes", run("tiny", "edited").out);
        } finally {
            Files.writeString(script, TINY);
        }
        assertEquals("no!", run("tiny", "edited").out, "back again");
    }

    @Test
    void rememberedCommandNeedsNoJBang() throws Exception {
        assertEquals("args", run("tiny", "args").out);
        Path jar = cache.resolve(jar().getFileName().toString().replace("-all", "")), aside = temp.resolve("aside");
        Files.move(jar, aside);
        try {
            assertEquals("args", run("tiny", "args").out);
            forget();
            Ended e = run("tiny", "args");
            assertEquals(1, e.code, "without JBang, Maven and network: " + e.out);
            assertOneLine(e, "install JBang or Maven");
        } finally {
            Files.move(aside, jar);
        }
    }

    @Test
    void classArchiveOfALightScriptIsSilent() throws Exception {
        assertEquals("args", run("light", "args").out, "the run that writes the archive");
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
                    List.of(e.code, e.out, e.err),
                    "exit code, stdout, stderr when the archive " + state);
            Files.writeString(archives.get(0), "no archive".repeat(1000));
        }
    }

    @Test
    void jbangOnPathIsPreferred() throws Exception {
        Path folder = Files.createDirectories(temp.resolve("fake"));
        executable(folder.resolve("jbang"), "#!/usr/bin/env bash\n# not ours\nprintf '%s\\0' \"$@\"; cat; exit 7\n");
        Ended e = run(Map.of("PATH", folder + ":" + tools), "typed", link.toString(), "tiny", "a b", "", "$x");
        assertEquals("tiny@" + repo + "\0a b\0\0$x\0typed", e.out);
        assertEquals(7, e.code);
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
        assertEquals("args", e.out, e.err);
    }

    @Test
    void withoutJavaOneSentence() throws Exception {
        Ended none = run(Map.of("JAVA_HOME", ""), "", link.toString(), "tiny", "args");
        assertEquals(1, none.code);
        assertOneLine(none, "Java 17 or newer is needed (found: none)");
        Path old = Files.createDirectories(temp.resolve("jdk-11"));
        executable(Files.createDirectories(old.resolve("bin")).resolve("java"), "#!/usr/bin/env bash\nexit 99\n");
        Files.writeString(old.resolve("release"), "JAVA_VERSION=\"11.0.2\"\n");
        Ended eleven = run(Map.of("JAVA_HOME", old.toString()), "", link.toString(), "tiny", "args");
        assertEquals(1, eleven.code);
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
        assertEquals("y\ny\ny\n0\n", e.out);
        assertEquals("", e.err);
    }

    // ---- Alone, and mistyped ----

    /** Where there is no Java: neither the list nor the suggestion may start one. */
    private static Ended runWithoutJava(String... args) throws Exception {
        String launcher = ContractTest.REPO.resolve("jbang").toString();
        String[] command = Stream.concat(Stream.of(launcher), Stream.of(args)).toArray(String[]::new);
        return run(Map.of("JAVA_HOME", ""), "", command);
    }

    /** The groups that the launcher lists, with the aliases of each. */
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
        assertEquals(List.of(0, ""), List.of(listed.code, listed.err));
        assertEquals(listed.out, runWithoutJava("help").out, "./jbang help");
        assertEquals(listed.out, runWithoutJava("help", ".*").out, "./jbang help for what is no command");
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
        assertTrue(listed.out.startsWith(expected + "\n'./jbang COMMAND --help' shows"), listed.out);
        assertEquals(
                List.of(),
                listed.out.lines().filter(line -> line.length() > 100).toList(),
                "over 100 columns");
        assertEquals(
                List.of("The six steps", "The lab"),
                List.copyOf(groups().keySet()).subList(0, 2));
    }

    @Test
    void helpOfACommandIsItsHelp() throws Exception {
        assertEquals("--help", run("help", "tiny").out);
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
            assertEquals(2, e.code, word.getKey());
            assertOneLine(e, "unknown command " + word.getKey() + ": did you mean " + word.getValue() + "?\n");
        }
        for (String word : List.of("xyzzy", "x", "scenario")) {
            Ended e = runWithoutJava(word);
            assertEquals(2, e.code, word);
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
                assertEquals(List.of(0, word + " x ", ""), List.of(e.code, e.out, e.err));
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
                .matcher(help.out + help.err)
                .results()
                .map(m -> m.group(1))
                .sorted()
                .toList();
        assertTrue(listed.contains("run") && listed.contains("wrapper"), help.out + help.err);
        assertEquals(listed, List.of(known.group(1).split("\\s+")), "the subcommands of JBang");
    }

    // ---- What the caller's environment, the cache and JBang may hold ----

    private static final Pattern ASSIGNED =
            Pattern.compile("(?<![\\w$%-])([A-Za-z_]\\w+)\\+?=|read -r(?: -d '')? (\\w+)|^\\s*for (\\w+) in ");
    /** What the launcher may set that is not its own: bash's, JBang's. */
    private static final Set<String> OTHERS = Set.of(
            "IFS",
            "CDPATH",
            "CLICOLOR_FORCE",
            "JBANG_STDIN_NOTTY",
            "JBANG_RUNTIME_SHELL",
            "JBANG_LAUNCH_CMD",
            "JBANG_DOWNLOAD_VERSION",
            "JBANG_DIR",
            "JBANG_CACHE_DIR",
            "JBANG_REPO",
            "XDG_CACHE_HOME",
            "MAVEN_OPTS",
            "JAVA_VERSION");

    /** The names that the launcher assigns, without those in comments. */
    private static Set<String> assigned() throws Exception {
        Set<String> names = new TreeSet<>();
        for (String line : Files.readAllLines(repo.resolve("jbang"))) {
            Matcher m = ASSIGNED.matcher(line.replaceAll("(^|\\s)#\\s.*", "")
                    .replaceAll("-D\\w[\\w.]*=|-XX:\\w+=|-Xlog:\\w+=|--?\\w[\\w-]*=", ""));
            while (m.find())
                names.add(Stream.of(m.group(1), m.group(2), m.group(3))
                        .filter(Objects::nonNull)
                        .findFirst()
                        .orElseThrow());
        }
        return names;
    }

    @Test
    void everyVariableIsInitialised() throws Exception {
        Set<String> names = assigned();
        assertTrue(names.size() > 40, "found only " + names);
        String head = Files.readString(repo.resolve("jbang")).split("\nsay\\(\\)")[0];
        for (String name : names) {
            if (OTHERS.contains(name)) continue;
            assertTrue(
                    name.startsWith("kl_"),
                    name + " may be a variable that the caller exports and the script shall see");
            assertTrue(
                    Pattern.compile("\\b" + name + "=").matcher(head).find(),
                    name + " has no value before the first function");
        }
    }

    /** A file that leaves a trace when it is evaluated, by whatever shell. */
    private static Path trap() throws Exception {
        Files.deleteIfExists(temp.resolve("trapped"));
        Path trap = temp.resolve("trap");
        executable(trap, "touch '" + temp.resolve("trapped") + "'; $(touch '" + temp.resolve("trapped") + "')\n");
        return trap;
    }

    private static void assertNotTrapped(String where) {
        assertTrue(Files.notExists(temp.resolve("trapped")), where + ": a planted file was evaluated");
    }

    @Test
    void exportedVariablesAreTheCallers() throws Exception {
        Path trap = trap();
        List<Path> dotfiles = List.of(elsewhere.resolve(".profile"), elsewhere.resolve(".x"));
        for (Path file : dotfiles) Files.writeString(file, "the user's");
        Set<String> names = new TreeSet<>(assigned());
        names.removeAll(OTHERS);
        for (String name : Set.copyOf(names))
            names.add(name.replaceFirst("^kl_", "")); // as these were named before, and as callers name theirs
        assertTrue(names.containsAll(List.of("name", "entry", "slot")), names.toString());
        for (String value : List.of(trap.toString(), "", "a[$(touch " + temp.resolve("trapped") + ")]"))
            for (boolean release : new boolean[] {true, false}) {
                Map<String, String> hostile = new HashMap<>();
                for (String name : names) hostile.put(name, value);
                hostile.put("JAVA_HOME", quickJava(release).toString());
                forget();
                for (String way : List.of("through JBang", "remembered")) {
                    String where = "'" + value + "' in each variable, " + (release ? "" : "no release file, ") + way;
                    assertEquals("a b", run(hostile, "", link.toString(), "tiny", "args", "a b").out, where);
                    assertEquals(
                            "a b",
                            run(
                                            hostile,
                                            "",
                                            link.toString(),
                                            repo.resolve("scripts/Tiny.java").toString(),
                                            "args",
                                            "a b")
                                    .out,
                            where + ": a file in place of an alias");
                    for (String name :
                            release && way.equals("remembered") ? List.of("name", "entry", "slot") : List.<String>of())
                        assertEquals(
                                value + "\n",
                                run(hostile, "", link.toString(), "tiny", "env", name).out,
                                where + ": the script's " + name);
                    assertNotTrapped(where);
                    for (Path kept : dotfiles) assertTrue(Files.exists(kept), where + " deleted " + kept);
                }
            }
    }

    /**
     * Makes a java that is as good as Tiny's and JBang's, and needs no second for each: asked for JBang it prints a command line with itself, else it does what Tiny does.
     * Of /bin/sh, because what is planted for bash is meant for the launcher.
     */
    private static Path quickJava(boolean withReleaseFile) throws Exception {
        Path home = Files.createDirectories(temp.resolve(withReleaseFile ? "quick" : "bare"));
        executable(Files.createDirectories(home.resolve("bin")).resolve("java"), """
            #!/bin/sh
            case "$*" in
              -version) echo 'version "17"' >&2; exit ;;
              *dev.jbang.Main*tiny*) printf "'%s' -classpath '%s' Tiny" "$0" "$0"; exit 255 ;;
              *dev.jbang.Main*) printf "'%s' -classpath '%s' Tiny args 'a b'" "$0" "$0"; exit 255 ;;
            esac
            while [ "$1" != Tiny ]; do shift; done
            case "$2" in
              args) printf %s "$3" ;;
              env) printenv "$3" ;;
              exit) exit "$3" ;;
            esac
            """);
        if (withReleaseFile) Files.writeString(home.resolve("release"), "JAVA_VERSION=\"17\"\n");
        return home;
    }

    @Test
    void bashsOwnVariablesAreTheCallers() throws Exception {
        Path trap = trap(), rc = temp.resolve("rc");
        Files.writeString(
                rc,
                "set -e -u -f\nshopt -s nocasematch failglob\nIFS=a\ncat() { touch '" + temp.resolve("trapped")
                        + "'; }\nrm() { cat; }; cd() { cat; }; ls() { cat; }\n");
        String function = "() {  touch '" + temp.resolve("trapped") + "'; }";
        List<Map<String, String>> all = List.of(
                Map.of("BASH_ENV", rc.toString()),
                Map.of("SHELLOPTS", "errexit:nounset:noglob:posix"),
                Map.of("BASHOPTS", "failglob:nocasematch:nullglob"),
                Map.of("CDPATH", elsewhere + ":" + temp),
                Map.of("GLOBIGNORE", "*"),
                Map.of("IFS", "atj/-"),
                Map.of("POSIXLY_CORRECT", "1"),
                Map.of("GREP_OPTIONS", "-v", "LS_COLORS", "x", "QUOTING_STYLE", "c"),
                Map.of(
                        "BASH_FUNC_cat%%",
                        function,
                        "BASH_FUNC_rm%%",
                        function,
                        "BASH_FUNC_cksum%%",
                        function,
                        "BASH_FUNC_cd%%",
                        function,
                        "BASH_FUNC_resolve%%",
                        function),
                Map.of("PS4", "$(" + trap + ")", "PROMPT_COMMAND", trap.toString(), "ENV", trap.toString()));
        for (Map<String, String> some : all) {
            Map<String, String> environment = new HashMap<>(some);
            environment.put("JAVA_HOME", quickJava(true).toString());
            forget();
            for (String way : List.of("through JBang", "remembered")) {
                Ended e = run(environment, "", link.toString(), "tiny", "exit", "13");
                assertEquals(List.of(13, ""), List.of(e.code, e.out), environment + ", " + way + ": " + e.err);
                assertNotTrapped(environment + ", " + way);
            }
        }
    }

    @Test
    void whatOthersPutIntoTheCacheIsNotRun() throws Exception {
        Path trap = trap();
        Map<String, String> quick = Map.of("JAVA_HOME", quickJava(true).toString());
        String[] tiny = {link.toString(), "tiny", "args", "right"};
        forget();
        assertEquals("right", run(quick, "", tiny).out);
        Path entry = entry(), kept = temp.resolve("kept");
        String traced = "touch " + temp.resolve("trapped"),
                inside = "java $(" + traced + ") ; " + traced + " -classpath " + trap + "\n";
        for (String text :
                List.of(inside, inside.replace(' ', '\0'), "", "\0", "\0\0-classpath\0", trap + "\0-classpath")) {
            Files.writeString(entry, text);
            assertEquals("right", run(quick, "", tiny).out, text);
            assertNotTrapped(text);
            assertEquals(entry, entry());
        }
        String whole = trap + "\0-classpath\0" + trap + "\0";
        Files.writeString(kept, whole);
        Files.delete(entry);
        Files.createSymbolicLink(entry, kept);
        assertEquals("right", run(quick, "", tiny).out, "a link");
        assertNotTrapped("a link");
        assertEquals(whole, Files.readString(kept), "what the link led to");
        Files.writeString(entry, whole);
        if (canGiveAway(entry)) {
            assertEquals("right", run(quick, "", tiny).out, "a file of somebody else's");
            assertNotTrapped("a file of somebody else's");
        }
    }

    private static Path entry() throws Exception {
        try (Stream<Path> files = Files.list(cache)) {
            return files.filter(f -> f.getFileName().toString().startsWith("tiny.")
                            && !f.toString().endsWith(".jsa"))
                    .findFirst()
                    .orElseThrow();
        }
    }

    /** Gives a file to another user, which only root can. */
    private static boolean canGiveAway(Path file) throws Exception {
        try {
            Files.setAttribute(file, "unix:uid", 65534);
        } catch (java.io.IOException notRoot) {
            return false;
        }
        return true;
    }

    @Test
    void aCacheThatOthersCanWriteToIsNotUsed() throws Exception {
        Path base = Files.createDirectories(temp.resolve("shared")),
                folder = Files.createDirectories(base.resolve("kraft-lab"));
        for (String mode : List.of("rwxrwxr-x", "rwxr-xrwx")) {
            Files.setPosixFilePermissions(folder, PosixFilePermissions.fromString(mode));
            Ended e = run(
                    Map.of(
                            "XDG_CACHE_HOME",
                            base.toString(),
                            "JAVA_HOME",
                            quickJava(true).toString()),
                    "",
                    link.toString(),
                    "tiny",
                    "args",
                    "x");
            assertEquals(1, e.code, mode);
            assertOneLine(e, "others can write to " + folder);
        }
    }

    @Test
    void whatJBangPrintsIsNotEvaluated() throws Exception {
        Path home = Files.createDirectories(temp.resolve("odd")),
                java = Files.createDirectories(home.resolve("bin")).resolve("java");
        trap();
        String traced = "touch '" + temp.resolve("trapped") + "'";
        for (String printed : List.of(
                "true; " + traced,
                "true $(" + traced + ")",
                "true `" + traced + "`",
                "true\n" + traced,
                "true && " + traced,
                "\"true\"",
                "true ${HOME}",
                "true 'open",
                "true *",
                "true \\x")) {
            executable(
                    java,
                    "#!/usr/bin/env bash\n[[ $* != *-version* ]] || { echo 'version \"17\"' >&2; exit; }\ncat <<'END'\n"
                            + printed + "\nEND\nexit 255\n");
            Ended e = run(Map.of("JAVA_HOME", home.toString()), "", link.toString(), "tiny", "args");
            assertNotTrapped(printed);
            assertEquals(1, e.code, printed);
            assertOneLine(e, "JBang printed a command that this launcher cannot read");
        }
        executable(
                java,
                "#!/usr/bin/env bash\n"
                        + "[[ $* != *-version* ]] || { echo 'version \"17\"' >&2; exit; }\n"
                        + "cat <<'END'\n"
                        + "printf  %s/ '' 'a  b' 'it'\\''s $x;*' c'd'e\n"
                        + "END\n"
                        + "exit 255\n");
        assertEquals(
                "/a  b/it's $x;*/cde/last/",
                run(
                                Map.of("JAVA_HOME", home.toString(), "PATH", tools + ":" + printf()),
                                "",
                                link.toString(),
                                "tiny",
                                "last")
                        .out);
    }

    private static Path printf() throws Exception { // which exec needs as a file
        Path folder = Files.createDirectories(temp.resolve("printf-only"));
        executable(folder.resolve("printf"), "#!/usr/bin/env bash\nbuiltin printf \"$@\"\n");
        return folder;
    }

    @Test
    void whatCannotBeWrittenIsNamedWithItsVariable() throws Exception {
        Ended nowhere = run(
                Map.of("XDG_CACHE_HOME", "/proc/none", "TMPDIR", "/proc/none"), "", link.toString(), "tiny", "args");
        assertEquals(1, nowhere.code);
        assertOneLine(nowhere, "set XDG_CACHE_HOME to a folder of yours");
        forget();
        Ended jbang = run(Map.of("JBANG_DIR", "/proc/none"), "", link.toString(), "tiny", "args");
        assertNotEquals(0, jbang.code);
        assertEquals(
                "jbang: JBang cannot write to /proc/none; make it writable, or set JBANG_DIR to a folder of yours",
                jbang.err.lines().reduce((a, b) -> b).orElse(""),
                jbang.err);
        Ended wrong = run(
                Map.of("JAVA_HOME", quickJava(true).toString(), "JBANG_DIR", "/proc/none"),
                "",
                link.toString(),
                "tiny",
                "exit",
                "4");
        assertEquals(
                List.of(4, ""), List.of(wrong.code, wrong.err), "a script's own exit is no reason to look for folders");
    }

    /** What Maven 3.8 prints, each time. */
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
            assertEquals(1, e.code, reason.getKey());
            assertEquals("jbang: fetching JBang", e.err.substring(0, 21));
            String sentence =
                    e.err.lines().skip(1).reduce((a, b) -> a + "\n" + b).orElse("");
            assertTrue(
                    sentence.startsWith("jbang: ") && sentence.contains(reason.getValue()) && !sentence.contains("\n"),
                    e.err);
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
        assertEquals(0, e.code, e.err);
    }

    private static void assertOneLine(Ended e, String part) {
        assertTrue(
                e.err.startsWith("jbang: ")
                        && e.err.contains(part)
                        && e.err.lines().count() == 1,
                e.err);
        assertEquals("", e.out);
    }

    private static void executable(Path file, String text) throws Exception {
        Files.writeString(file, text);
        Files.setPosixFilePermissions(file, PosixFilePermissions.fromString("rwxr-xr-x"));
    }
}
