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

/** Proves that ./jbang, called through a symlink from another folder, gives a script what it was given, and gives back what the script answers. */
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
    private static final List<String> COMMANDS = List.of("bash", "cat", "cksum", "env", "flock", "head", "mkdir", "mktemp", "mv", "perl", "readlink", "rm", "sha256sum", "shasum");

    @TempDir static Path temp;
    private static Path repo, elsewhere, tools, cache, link;

    record Ended(int code, String out, String err, long pid) { }

    @BeforeAll static void copyTheLauncher() throws Exception {
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
        for (String command : COMMANDS) for (String folder : System.getenv("PATH").split(File.pathSeparator)) {
            Path file = Path.of(folder, command);
            if (Files.isExecutable(file) && Files.notExists(tools.resolve(command))) Files.createSymbolicLink(tools.resolve(command), file.toAbsolutePath());
        }
        Files.createSymbolicLink(cache.resolve(jar().getFileName().toString().replace("-all", "")), jar());
        assertEquals(0, run("tiny", "exit", "0").code, "the first run, which builds the script");
    }

    @AfterAll static void removeLinks() throws Exception { // JUnit deletes the folder, and would warn of each link that leaves it
        try (Stream<Path> files = Files.walk(temp)) { for (Path f : files.filter(Files::isSymbolicLink).toList()) Files.delete(f); }
    }

    /** The pinned JBang, from where the launcher or Maven has put it, so that nothing is fetched here. */
    private static Path jar() throws Exception {
        Matcher version = Pattern.compile("(?m)^version=(\\S+)").matcher(Files.readString(repo.resolve("jbang")));
        assertTrue(version.find(), "the launcher pins no version");
        String home = System.getProperty("user.home"), name = "jbang-cli-" + version.group(1);
        Path users = Path.of(System.getenv().getOrDefault("XDG_CACHE_HOME", home + "/.cache"), "kraft-lab", name + ".jar");
        Path maven = Path.of(home, ".m2/repository/dev/jbang/jbang-cli", version.group(1), name + "-all.jar");
        assumeTrue(Files.exists(users) || Files.exists(maven), "JBang " + version.group(1) + " was not fetched yet: run ./jbang without another jbang on PATH once");
        return Files.exists(users) ? users : maven;
    }

    private static Ended run(String... args) throws Exception { return run(Map.of(), "", Stream.concat(Stream.of(link.toString()), Stream.of(args)).toArray(String[]::new)); }

    /** Runs in another folder than the repository's, with an environment that is all ours. */
    private static Ended run(Map<String, String> more, String stdin, String... command) throws Exception {
        Path in = temp.resolve("in"), out = temp.resolve("out"), err = temp.resolve("err");
        Files.writeString(in, stdin, ISO_8859_1);
        ProcessBuilder b = new ProcessBuilder(command).directory(elsewhere.toFile()).redirectInput(in.toFile()).redirectOutput(out.toFile()).redirectError(err.toFile());
        b.environment().clear();
        b.environment().putAll(Map.of("PATH", tools.toString(), "JAVA_HOME", System.getProperty("java.home"), "HOME", temp.toString(),
                "XDG_CACHE_HOME", cache.getParent().toString(), "JBANG_DIR", temp.resolve("jbang-dir").toString(), "JBANG_NO_VERSION_CHECK", "true"));
        b.environment().putAll(more);
        Process p = b.start();
        try {
            assertTrue(p.waitFor(60, TimeUnit.SECONDS), "does not end: " + List.of(command));
        } finally {
            p.descendants().forEach(ProcessHandle::destroyForcibly);
            p.destroyForcibly();
        }
        return new Ended(p.exitValue(), Files.readString(out, ISO_8859_1), Files.readString(err, ISO_8859_1), p.pid());
    }

    /** The next run has to ask JBang again. */
    private static void forget() throws Exception {
        try (Stream<Path> files = Files.list(cache)) { for (Path f : files.filter(f -> f.getFileName().toString().startsWith("tiny.")).toList()) Files.delete(f); }
    }

    @Test void argumentsArriveUntouched() throws Exception {
        List<String> args = List.of("args", "two words", " ", "\"double\" 'single'", "$HOME `id` $(id) ${x}", "two\nlines\n", "", "back\\slash\\", "*", "~", "a;b|c&d>e", "-Dx=y",
                "--help", "");
        forget();
        for (String way : List.of("through JBang", "remembered")) {
            Ended e = run(Stream.concat(Stream.of("tiny"), args.stream()).toArray(String[]::new));
            assertEquals(args, List.of(e.out.split("\0", -1)), way + ": " + e.err);
            assertEquals(0, e.code, way);
        }
        assertEquals("args\0its own\0a b\0", run("more", "a b", "").out, "an alias's own arguments come first");
        assertEquals("a b\0c'd", run(repo.resolve("scripts/Tiny.java").toString(), "a b", "c'd").out, "a file in place of an alias");
    }

    @Test void exitCodesPassThrough() throws Exception {
        for (int code : List.of(0, 2, 13)) {
            Ended e = run("tiny", "exit", "" + code);
            assertEquals(List.of(code, "", ""), List.of(e.code, e.out, e.err), "exit code, stdout, stderr");
        }
        forget();
        assertEquals(13, run("tiny", "exit", "13").code, "when JBang is asked");
    }

    @Test void stdinPassesThrough() throws Exception {
        String text = "one\ntwo\0\377 without end", large = "0123456789abcdef".repeat(20_000);
        forget();
        for (String way : List.of("through JBang", "remembered")) {
            assertEquals(text, run(Map.of(), text, link.toString(), "tiny", "stdin").out, way);
            assertEquals(large, run(Map.of(), large, link.toString(), "tiny", "stdin").out, way);
        }
    }

    @Test void scriptTakesTheLaunchersPlace() throws Exception { // so that Ctrl-C and kill reach it
        forget();
        for (String way : List.of("through JBang", "remembered")) {
            Ended e = run("tiny", "pid");
            assertEquals("" + e.pid, e.out, way + " it is another process");
        }
    }

    @Test void editIsNoticed() throws Exception {
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

    @Test void rememberedCommandNeedsNoJBang() throws Exception {
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

    @Test void classArchiveOfALightScriptIsSilent() throws Exception {
        assertEquals("args", run("light", "args").out, "the run that writes the archive");
        List<Path> archives;
        try (Stream<Path> files = Files.list(cache)) { archives = files.filter(f -> f.getFileName().toString().matches("light\\..*\\.jsa")).toList(); }
        assertEquals(1, archives.size(), "archives in " + cache);
        for (String state : List.of("fits", "is damaged")) {
            Ended e = run("light", "args");
            assertEquals(List.of(0, "args", ""), List.of(e.code, e.out, e.err), "exit code, stdout, stderr when the archive " + state);
            Files.writeString(archives.get(0), "no archive".repeat(1000));
        }
    }

    @Test void jbangOnPathIsPreferred() throws Exception {
        Path folder = Files.createDirectories(temp.resolve("fake"));
        executable(folder.resolve("jbang"), "#!/usr/bin/env bash\n# not ours\nprintf '%s\\0' \"$@\"; cat; exit 7\n");
        Ended e = run(Map.of("PATH", folder + ":" + tools), "typed", link.toString(), "tiny", "a b", "", "$x");
        assertEquals("tiny@" + repo + "\0a b\0\0$x\0typed", e.out);
        assertEquals(7, e.code);
    }

    @Test void launcherOnPathIsNotTakenForJBang() throws Exception {
        Path folder = Files.createDirectories(temp.resolve("itself"));
        Files.createSymbolicLink(folder.resolve("jbang"), link);
        Path copy = Files.copy(repo.resolve("jbang"), Files.createDirectories(temp.resolve("copy")).resolve("jbang"), StandardCopyOption.COPY_ATTRIBUTES);
        Ended e = run(Map.of("PATH", folder + ":" + copy.getParent() + ":" + tools), "", link.toString(), "tiny", "args");
        assertEquals("args", e.out, e.err);
    }

    @Test void withoutJavaOneSentence() throws Exception {
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

    @Test void closedPipeEndsTheScript() throws Exception {
        Ended e = run(Map.of(), "", tools.resolve("bash").toString(), "-c", "\"$0\" tiny yes | head -n 3; echo ${PIPESTATUS[0]}", link.toString());
        assertEquals("y\ny\ny\n0\n", e.out);
        assertEquals("", e.err);
    }

    private static void assertOneLine(Ended e, String part) {
        assertTrue(e.err.startsWith("jbang: ") && e.err.contains(part) && e.err.lines().count() == 1, e.err);
        assertEquals("", e.out);
    }

    private static void executable(Path file, String text) throws Exception {
        Files.writeString(file, text);
        Files.setPosixFilePermissions(file, PosixFilePermissions.fromString("rwxr-xr-x"));
    }
}
