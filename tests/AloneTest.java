import static org.junit.jupiter.api.Assertions.*;

import java.io.*;
import java.nio.file.*;
import java.util.*;
import java.util.concurrent.TimeUnit;
import java.util.stream.*;
import javax.tools.*;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * Proves that each step script is self-contained: copied alone into an empty folder it is compiled, against what its own {@code //DEPS}
 * give and nothing else, and runs there. JBang itself builds those here that docs/notebook.md, which NotebookTest does, does not have it build.
 */
@Tag("processes")
class AloneTest {
    /** What JBang makes of {@code //DEPS}, by those lines: many scripts have the same. */
    private static final Map<Set<String>, String> CLASS_PATHS = new HashMap<>();

    static List<Path> steps() throws Exception { return SourceFormTest.steps(); }

    static List<Path> stepsThatTheNotebookDoesNotRun() throws Exception {
        Set<String> run = new HashSet<>();
        for (List<String> command : DocumentsTest.commands(Files.readString(ContractTest.REPO.resolve("docs/notebook.md")))) run.add(command.get(0));
        Set<Path> files = ContractTest.scripts().stream().filter(a -> run.contains(a.name())).map(ContractTest.Alias::file).collect(Collectors.toSet());
        assertFalse(files.isEmpty(), "the notebook runs scripts");
        return steps().stream().filter(step -> !files.contains(step)).toList();
    }

    @ParameterizedTest(name = "{0}") @MethodSource("steps")
    void isCompiledAloneAndRuns(Path script, @TempDir Path folder, @TempDir Path classes) throws Exception {
        Path copy = copy(script, folder);
        String classPath = classPath(script, copy);
        JavaCompiler compiler = ToolProvider.getSystemJavaCompiler();
        StringWriter said = new StringWriter();
        List<String> options = List.of("--release", "17", "-proc:none", "-encoding", "UTF-8", "-cp", classPath, "-d", classes.toString());
        var source = compiler.getStandardFileManager(null, null, null).getJavaFileObjects(copy);
        assertTrue(compiler.getTask(said, null, null, options, null, source).call(), said::toString);
        isAlone(copy);
        String java = Path.of(System.getProperty("java.home"), "bin", "java").toString();
        isItsVersion(run(folder, java, "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-cp", classes + File.pathSeparator + classPath, name(copy), "--version"));
        isAlone(copy);
    }

    // One after the other: simultaneous first builds race in JBang's cache.
    @Tag("slow")
    @ParameterizedTest(name = "{0}") @MethodSource("stepsThatTheNotebookDoesNotRun")
    void isBuiltByJBangAndRuns(Path script, @TempDir Path folder) throws Exception {
        Path copy = copy(script, folder);
        isItsVersion(jbang(folder, copy.getFileName().toString(), "--version"));
        isAlone(copy);
    }

    private static Path copy(Path script, Path folder) throws Exception {
        return Files.copy(ContractTest.REPO.resolve(script), folder.resolve(script.getFileName()));
    }

    private static String name(Path copy) { return copy.getFileName().toString().replace(".java", ""); }

    /** The jars, as JBang resolves them for the copy. */
    private static String classPath(Path script, Path copy) throws Exception {
        Set<String> dependencies = ContractTest.header(script).stream().filter(line -> line.startsWith("//DEPS ")).collect(Collectors.toSet());
        if (!CLASS_PATHS.containsKey(dependencies)) {
            TestCluster.Run info = jbang(copy.getParent(), "info", "classpath", copy.getFileName().toString());
            assertEquals(0, info.code(), info.toString());
            Stream<String> jars = Stream.of(info.out().strip().split(File.pathSeparator)).filter(jar -> !jar.endsWith(File.separator + name(copy) + ".jar"));
            CLASS_PATHS.put(dependencies, jars.collect(Collectors.joining(File.pathSeparator)));
        }
        return CLASS_PATHS.get(dependencies);
    }

    /** Its cache is of this run of the tests: other lanes build too, and what was built before proves nothing here. */
    private static TestCluster.Run jbang(Path folder, String... args) throws Exception {
        List<String> command = new ArrayList<>(List.of("env", "JBANG_CACHE_DIR=" + TestCluster.HOME.resolve("jbang-cache"), ContractTest.REPO.resolve("jbang").toString()));
        command.addAll(List.of(args));
        return run(folder, command.toArray(String[]::new));
    }

    private static TestCluster.Run run(Path folder, String... command) throws Exception {
        Path out = TestCluster.HOME.resolve("alone.out"), err = TestCluster.HOME.resolve("alone.err");
        Process process = new ProcessBuilder(command).directory(folder.toFile()).redirectInput(new File("/dev/null")).redirectOutput(out.toFile()).redirectError(err.toFile()).start();
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
        try (Stream<Path> files = Files.list(copy.getParent())) { assertEquals(List.of(copy), files.toList(), "left in the folder"); }
    }
}
