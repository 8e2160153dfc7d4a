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

/** Runs a copy of ./jbang through a symbolic link from another folder, in its own environment. */
abstract class LauncherFixture {
    static final String TINY = """
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
    static final String CATALOG = """
        {"aliases": {"tiny": {"script-ref": "scripts/Tiny.java"},
         "more": {"script-ref": "scripts/Tiny.java", "arguments": ["args", "its own"]},
         "light": {"script-ref": "scripts/Tiny.java", "runtime-options": ["-XX:TieredStopAtLevel=1"]}}}
        """;

    /** The commands that the launcher and JBang need, and nothing else: no jbang, no java, no Maven. */
    static final List<String> COMMANDS = List.of(
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

    static Path repo, elsewhere, tools, cache, link;

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
    static void removeLinks() throws Exception { // JUnit would warn about each link that leaves the folder it deletes
        try (Stream<Path> files = Files.walk(temp)) {
            for (Path f : files.filter(Files::isSymbolicLink).toList()) Files.delete(f);
        }
    }

    /** Returns the pinned JBang from where the launcher or Maven has put it, so that nothing is downloaded. */
    static Path jar() throws Exception {
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

    static Ended run(String... args) throws Exception {
        return run(
                Map.of(),
                "",
                Stream.concat(Stream.of(link.toString()), Stream.of(args)).toArray(String[]::new));
    }

    /** Runs a command outside the repository, in an environment that has nothing of the user's. */
    static Ended run(Map<String, String> more, String stdin, String... command) throws Exception {
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

    /** Deletes the remembered commands, so that the next run asks JBang again. */
    static void forget() throws Exception {
        try (Stream<Path> files = Files.list(cache)) {
            for (Path f : files.filter(f -> f.getFileName().toString().startsWith("tiny."))
                    .toList()) Files.delete(f);
        }
    }

    /**
     * Creates a java that stands in for Tiny's and JBang's and starts fast: called for JBang it prints a command line
     * with itself, otherwise it does what Tiny does. It uses /bin/sh, because what is planted for bash is meant for the
     * launcher.
     */
    static Path quickJava(boolean withReleaseFile) throws Exception {
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

    static void assertOneLine(Ended e, String part) {
        assertTrue(
                e.err.startsWith("jbang: ")
                        && e.err.contains(part)
                        && e.err.lines().count() == 1,
                e.err);
        assertEquals("", e.out);
    }

    static void executable(Path file, String text) throws Exception {
        Files.writeString(file, text);
        Files.setPosixFilePermissions(file, PosixFilePermissions.fromString("rwxr-xr-x"));
    }
}
