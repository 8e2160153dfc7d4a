import static org.junit.jupiter.api.Assertions.*;

import java.nio.file.*;
import java.nio.file.attribute.*;
import java.util.*;
import java.util.regex.*;
import java.util.stream.*;
import org.junit.jupiter.api.*;

/**
 * Proves that the caller's environment, the cache and JBang's output cannot make the launcher run planted code, or
 * change what the script receives.
 */
@Tag("slow")
class LauncherTrustTest extends LauncherFixture {
    private static final Pattern ASSIGNED =
            Pattern.compile("(?<![\\w$%-])([A-Za-z_]\\w+)\\+?=|read -r(?: -d '')? (\\w+)|^\\s*for (\\w+) in ");
    /** Variables that the launcher may set although they are bash's or JBang's. */
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

    /** Returns the variables that the launcher assigns, without those in comments. */
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

    /** Creates a file that leaves a trace if any shell evaluates it. */
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
            names.add(name.replaceFirst("^kl_", "")); // names that callers are likely to use
        assertTrue(names.containsAll(List.of("name", "entry", "slot")), names.toString());
        for (String value : List.of(trap.toString(), "", "a[$(touch " + temp.resolve("trapped") + ")]"))
            for (boolean release : new boolean[] {true, false}) {
                Map<String, String> hostile = new HashMap<>();
                for (String name : names) hostile.put(name, value);
                hostile.put("JAVA_HOME", quickJava(release).toString());
                forget();
                for (String way : List.of("through JBang", "remembered")) {
                    String where = "'" + value + "' in each variable, " + (release ? "" : "no release file, ") + way;
                    assertEquals(
                            "a b",
                            run(hostile, "", link.toString(), "tiny", "args", "a b")
                                    .out(),
                            where);
                    assertEquals(
                            "a b",
                            run(
                                            hostile,
                                            "",
                                            link.toString(),
                                            repo.resolve("scripts/Tiny.java").toString(),
                                            "args",
                                            "a b")
                                    .out(),
                            where + ": a file in place of an alias");
                    for (String name :
                            release && way.equals("remembered") ? List.of("name", "entry", "slot") : List.<String>of())
                        assertEquals(
                                value + "\n",
                                run(hostile, "", link.toString(), "tiny", "env", name)
                                        .out(),
                                where + ": the script's " + name);
                    assertNotTrapped(where);
                    for (Path kept : dotfiles) assertTrue(Files.exists(kept), where + " deleted " + kept);
                }
            }
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
                assertEquals(List.of(13, ""), List.of(e.code(), e.out()), environment + ", " + way + ": " + e.err());
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
        assertEquals("right", run(quick, "", tiny).out());
        Path entry = entry(), kept = temp.resolve("kept");
        String traced = "touch " + temp.resolve("trapped"),
                inside = "java $(" + traced + ") ; " + traced + " -classpath " + trap + "\n";
        for (String text :
                List.of(inside, inside.replace(' ', '\0'), "", "\0", "\0\0-classpath\0", trap + "\0-classpath")) {
            Files.writeString(entry, text);
            assertEquals("right", run(quick, "", tiny).out(), text);
            assertNotTrapped(text);
            assertEquals(entry, entry());
        }
        String whole = trap + "\0-classpath\0" + trap + "\0";
        Files.writeString(kept, whole);
        Files.delete(entry);
        Files.createSymbolicLink(entry, kept);
        assertEquals("right", run(quick, "", tiny).out(), "a link");
        assertNotTrapped("a link");
        assertEquals(whole, Files.readString(kept), "what the link led to");
        Files.writeString(entry, whole);
        if (canGiveAway(entry)) {
            assertEquals("right", run(quick, "", tiny).out(), "a file of somebody else's");
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

    /** Gives a file to another user, which only root can do. */
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
            assertEquals(1, e.code(), mode);
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
            javaThatPrints(java, printed);
            Ended e = run(Map.of("JAVA_HOME", home.toString()), "", link.toString(), "tiny", "args");
            assertNotTrapped(printed);
            assertEquals(1, e.code(), printed);
            assertOneLine(e, "JBang printed a command that this launcher cannot read");
        }
        javaThatPrints(java, "printf  %s/ '' 'a  b' 'it'\\''s $x;*' c'd'e");
        assertEquals(
                "/a  b/it's $x;*/cde/last/",
                run(
                                Map.of("JAVA_HOME", home.toString(), "PATH", tools + ":" + printf()),
                                "",
                                link.toString(),
                                "tiny",
                                "last")
                        .out());
    }

    private static void javaThatPrints(Path java, String command) throws Exception {
        executable(
                java,
                "#!/usr/bin/env bash\n[[ $* != *-version* ]] || { echo 'version \"17\"' >&2; exit; }\ncat <<'END'\n"
                        + command + "\nEND\nexit 255\n");
    }

    private static Path printf() throws Exception { // exec needs a file, not the builtin
        Path folder = Files.createDirectories(temp.resolve("printf-only"));
        executable(folder.resolve("printf"), "#!/usr/bin/env bash\nbuiltin printf \"$@\"\n");
        return folder;
    }
}
