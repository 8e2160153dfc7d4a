import static org.junit.jupiter.api.Assertions.*;

import com.sun.net.httpserver.HttpServer;
import java.io.*;
import java.net.*;
import java.nio.file.*;
import java.util.*;
import java.util.concurrent.TimeUnit;
import java.util.stream.*;
import javax.tools.*;
import org.junit.jupiter.api.*;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * Proves that each step script is self-contained: a copy alone in an empty folder compiles against its own {@code
 * //DEPS} and nothing else, and runs there. NotebookTest has JBang build the steps for docs/notebook.md. Composed
 * scripts must list all their sources.
 */
@Tag("processes")
class AloneTest {
    /** Class paths that JBang resolved, by {@code //DEPS} lines, because many scripts have the same dependencies. */
    private static final Map<Set<String>, String> CLASS_PATHS = new HashMap<>();

    static List<Path> steps() throws Exception {
        return SourceFormTest.steps();
    }

    static List<Path> composed() throws Exception {
        List<Path> composed = new ArrayList<>(SourceFormTest.files());
        composed.removeAll(steps());
        return composed;
    }

    @ParameterizedTest(name = "{0}")
    @MethodSource("steps")
    void isCompiledAloneAndRuns(Path script, @TempDir Path folder, @TempDir Path classes) throws Exception {
        Path copy = copy(script, folder);
        String classPath = classPath(script, copy);
        JavaCompiler compiler = ToolProvider.getSystemJavaCompiler();
        StringWriter said = new StringWriter();
        List<String> options = List.of(
                "--release", "17", "-proc:none", "-encoding", "UTF-8", "-cp", classPath, "-d", classes.toString());
        var source = compiler.getStandardFileManager(null, null, null).getJavaFileObjects(copy);
        assertTrue(compiler.getTask(said, null, null, options, null, source).call(), said::toString);
        isAlone(copy);
        String java = Path.of(System.getProperty("java.home"), "bin", "java").toString();
        isItsVersion(run(
                folder,
                java,
                "-XX:TieredStopAtLevel=1",
                "-XX:+UseSerialGC",
                "-cp",
                classes + File.pathSeparator + classPath,
                name(copy),
                "--version"));
        isAlone(copy);
    }

    /** Compiles only what JBang would: the script and the {@code //SOURCES} it lists, followed recursively. */
    @ParameterizedTest(name = "{0}")
    @MethodSource("composed")
    void namesAllOfItsSources(Path script, @TempDir Path classes) throws Exception {
        Set<Path> sources = new LinkedHashSet<>();
        collect(script, sources);
        StringWriter said = new StringWriter();
        List<String> options = List.of("--release", "17", "-proc:none", "-encoding", "UTF-8", "-d", classes.toString());
        JavaCompiler compiler = ToolProvider.getSystemJavaCompiler();
        StandardJavaFileManager files = compiler.getStandardFileManager(null, null, null);
        files.setLocationFromPaths(StandardLocation.CLASS_PATH, libraries());
        files.setLocationFromPaths(StandardLocation.SOURCE_PATH, List.of());
        assertTrue(
                compiler.getTask(said, files, null, options, null, files.getJavaFileObjectsFromPaths(sources))
                        .call(),
                said::toString);
    }

    /** Returns the jars on the tests' class path, without the scripts' own classes. */
    private static List<Path> libraries() throws Exception {
        Path own = Path.of(AloneTest.class
                .getProtectionDomain()
                .getCodeSource()
                .getLocation()
                .toURI());
        return Stream.of(System.getProperty("java.class.path").split(File.pathSeparator))
                .map(Path::of)
                .filter(p -> !p.toAbsolutePath().equals(own))
                .toList();
    }

    private static void collect(Path source, Set<Path> sources) throws Exception {
        if (!sources.add(ContractTest.REPO.resolve(source).normalize())) return;
        for (String line : ContractTest.header(source)) {
            String[] words = line.split(" ");
            if (words[0].equals("//SOURCES"))
                for (String other : words)
                    if (other.endsWith(".java"))
                        collect(source.resolveSibling(other).normalize(), sources);
            if (!words[0].equals("//FILES")) continue;
            Path file = source.resolveSibling(words[1].split("=")[1]).normalize();
            assertTrue(
                    Files.isRegularFile(ContractTest.REPO.resolve(file)),
                    source + " has //FILES of " + file + ", which is not there");
        }
    }

    /** Runs {@code jbang outages@HOST} without a clone: sources, nested sources and resources come over HTTP. */
    @Tag("slow")
    @Test
    void jbangBuildsFromACatalogFarAway(@TempDir Path folder) throws Exception {
        buildFromFarAway(folder, List.of("outages"));
    }

    @Tag("soak")
    @Test
    void jbangBuildsEachComposedAliasFromACatalogFarAway(@TempDir Path folder) throws Exception {
        Set<Path> composed = Set.copyOf(composed());
        buildFromFarAway(
                folder,
                ContractTest.scripts().stream()
                        .filter(a -> composed.contains(a.file()))
                        .map(ContractTest.Alias::name)
                        .toList());
    }

    private static void buildFromFarAway(Path folder, List<String> aliases) throws Exception {
        HttpServer server = HttpServer.create(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0), 0);
        List<String> missing = Collections.synchronizedList(new ArrayList<>());
        server.createContext("/", request -> {
            Path file =
                    ContractTest.REPO.resolve(request.getRequestURI().getPath().substring(1));
            if (!Files.isRegularFile(file)) missing.add(request.getRequestURI().getPath());
            byte[] bytes = Files.isRegularFile(file) ? Files.readAllBytes(file) : new byte[0];
            request.sendResponseHeaders(Files.isRegularFile(file) ? 200 : 404, bytes.length == 0 ? -1 : bytes.length);
            request.getResponseBody().write(bytes);
            request.close();
        });
        server.start();
        try {
            String base = "http:" + "//127.0.0.1:" + server.getAddress().getPort() + "/";
            assertEquals(0, jbang(folder, "trust", "add", base).code());
            for (String alias : aliases)
                isItsVersion(jbang(folder, alias + "@" + base + "jbang-catalog.json", "--version"));
            assertEquals(List.of(), missing);
        } finally {
            server.stop(0);
        }
        try (Stream<Path> files = Files.list(folder)) {
            assertEquals(List.of(), files.toList(), "left in the folder");
        }
    }

    private static Path copy(Path script, Path folder) throws Exception {
        return Files.copy(ContractTest.REPO.resolve(script), folder.resolve(script.getFileName()));
    }

    private static String name(Path copy) {
        return copy.getFileName().toString().replace(".java", "");
    }

    /** Returns the class path that JBang resolves for the copy. */
    private static String classPath(Path script, Path copy) throws Exception {
        Set<String> dependencies = ContractTest.header(script).stream()
                .filter(line -> line.startsWith("//DEPS "))
                .collect(Collectors.toSet());
        if (!CLASS_PATHS.containsKey(dependencies)) {
            TestCluster.Run info = jbang(
                    copy.getParent(), "info", "classpath", copy.getFileName().toString());
            assertEquals(0, info.code(), info.toString());
            Stream<String> jars = Stream.of(info.out().strip().split(File.pathSeparator))
                    .filter(jar -> !jar.endsWith(File.separator + name(copy) + ".jar"));
            CLASS_PATHS.put(dependencies, jars.collect(Collectors.joining(File.pathSeparator)));
        }
        return CLASS_PATHS.get(dependencies);
    }

    /** Runs JBang with a cache of this test run: other lanes build too, and an earlier build would prove nothing. */
    static TestCluster.Run jbang(Path folder, String... args) throws Exception {
        List<String> command = new ArrayList<>(List.of(
                "env",
                "JBANG_CACHE_DIR=" + TestCluster.HOME.resolve("jbang-cache"),
                "JBANG_DIR=" + TestCluster.HOME.resolve("jbang-dir"),
                ContractTest.REPO.resolve("jbang").toString()));
        command.addAll(List.of(args));
        return run(folder, command.toArray(String[]::new));
    }

    private static TestCluster.Run run(Path folder, String... command) throws Exception {
        Path out = TestCluster.HOME.resolve("alone.out"), err = TestCluster.HOME.resolve("alone.err");
        Process process = new ProcessBuilder(command)
                .directory(folder.toFile())
                .redirectInput(new File("/dev/null"))
                .redirectOutput(out.toFile())
                .redirectError(err.toFile())
                .start();
        try {
            assertTrue(process.waitFor(5, TimeUnit.MINUTES), "does not end: " + List.of(command));
        } finally {
            process.destroyForcibly();
        }
        return new TestCluster.Run(process.exitValue(), Files.readString(out), Files.readString(err));
    }

    private static void isItsVersion(TestCluster.Run run) {
        assertEquals(0, run.code(), run.toString());
        assertTrue(run.out().matches("kraft-lab \\d+\\.\\d+\\.\\d+\\R"), run.toString());
    }

    private static void isAlone(Path copy) throws Exception {
        try (Stream<Path> files = Files.list(copy.getParent())) {
            assertEquals(List.of(copy), files.toList(), "left in the folder");
        }
    }
}
