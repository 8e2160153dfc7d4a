import static org.junit.jupiter.api.Assertions.*;

import com.sun.source.tree.*;
import com.sun.source.util.*;
import java.io.*;
import java.nio.charset.StandardCharsets;
import java.nio.file.*;
import java.util.*;
import java.util.concurrent.TimeUnit;
import java.util.stream.*;
import javax.tools.*;
import org.junit.jupiter.api.*;
import org.junit.jupiter.api.io.TempDir;

/**
 * Proves that output for machines and for copying does not depend on the system's language: numbers, node names, option
 * values.
 */
class LocaleTest {
    /** Languages with their own digits, or in which a capital i is another letter. */
    private static final Map<String, String> LANGUAGES = Map.of("ar", "EG", "tr", "TR");

    @Test
    void whatIsFormattedNamesItsLocale() throws Exception {
        JavaCompiler compiler = ToolProvider.getSystemJavaCompiler();
        List<String> found = new ArrayList<>();
        int files = 0;
        try (Stream<Path> scripts = Files.walk(ContractTest.REPO.resolve("scripts"))) {
            for (Path file :
                    scripts.filter(f -> f.toString().endsWith(".java")).sorted().toList()) {
                files++;
                JavacTask task = (JavacTask) compiler.getTask(
                        null,
                        null,
                        p -> {},
                        List.of(),
                        null,
                        compiler.getStandardFileManager(null, null, null).getJavaFileObjects(file));
                for (CompilationUnitTree unit : task.parse())
                    found.addAll(withoutLocale(unit, Trees.instance(task).getSourcePositions()));
            }
        }
        assertTrue(files > 25, "read only " + files + " files");
        assertEquals(List.of(), found, "calls that follow the machine's language: give them Locale.ROOT");
    }

    @Test
    void whatFollowsTheLanguageIsFound() throws Exception {
        String source = """
            class A {
                String a = String.format("%d", 1), b = "%d".formatted(2), c = "I".toLowerCase(), d = "i".toUpperCase();
                java.util.function.Function<String, String> e = String::toLowerCase;
                void f(java.io.PrintWriter out) { out.printf("%d", 3); out.format("%d", 4); }
                String g = String.format(java.util.Locale.ROOT, "%d", 5) + "I".toLowerCase(java.util.Locale.ROOT) \
            + time.format(now);
            }
            """;
        JavaFileObject file =
                new SimpleJavaFileObject(java.net.URI.create("string:///A.java"), JavaFileObject.Kind.SOURCE) {
                    @Override
                    public CharSequence getCharContent(boolean ignore) {
                        return source;
                    }
                };
        JavacTask task = (JavacTask)
                ToolProvider.getSystemJavaCompiler().getTask(null, null, p -> {}, List.of(), null, List.of(file));
        assertEquals(
                7,
                withoutLocale(
                                task.parse().iterator().next(),
                                Trees.instance(task).getSourcePositions())
                        .size());
    }

    /**
     * Finds calls that depend on the locale. A DateTimeFormatter uses ASCII digits, and its format() takes one argument
     * that is not a text; String.format, a writer's format and printf begin with a format, or a Locale.
     */
    private static List<String> withoutLocale(CompilationUnitTree unit, SourcePositions at) {
        List<String> found = new ArrayList<>();
        new TreeScanner<Void, Void>() {
            @Override
            public Void visitMethodInvocation(MethodInvocationTree call, Void none) {
                if (call.getMethodSelect() instanceof MemberSelectTree select
                        && followsTheLanguage(select, call.getArguments())) note(call);
                return super.visitMethodInvocation(call, none);
            }

            @Override
            public Void visitMemberReference(MemberReferenceTree reference, Void none) {
                if (reference.getName().toString().matches("to(Lower|Upper)Case|formatted|printf")) note(reference);
                return super.visitMemberReference(reference, none);
            }

            private void note(Tree tree) {
                found.add(Path.of(unit.getSourceFile().getName()).getFileName() + ":"
                        + unit.getLineMap().getLineNumber(at.getStartPosition(unit, tree)) + " " + tree);
            }
        }.scan(unit, null);
        return found;
    }

    private static boolean followsTheLanguage(MemberSelectTree select, List<? extends ExpressionTree> arguments) {
        String first = arguments.isEmpty() ? "" : arguments.get(0).toString();
        boolean named = first.contains("Locale.") || first.equals("locale");
        return switch (select.getIdentifier().toString()) {
            case "formatted" -> true;
            case "toLowerCase", "toUpperCase", "printf" ->
                !named && !select.getExpression().toString().equals("Character");
            case "format" -> !named && (select.getExpression().toString().equals("String") || first.startsWith("\""));
            default -> false;
        };
    }

    /** Runs the same scripts here and in children with other languages: help, and results computed from files. */
    @Test
    void outputIsTheSameInEveryLanguage(@TempDir Path folder) throws Exception {
        Map<String, Process> children = new LinkedHashMap<>();
        LANGUAGES.forEach((language, country) -> children.put(language, child(folder, language, country)));
        StringWriter here = new StringWriter();
        print(folder, new PrintWriter(here));
        String expected = here.toString();
        assertTrue(
                expected.contains("kafka01") && expected.contains("1.00") && expected.contains("--bootstrap-server"),
                expected);
        for (var child : children.entrySet()) {
            assertTrue(child.getValue().waitFor(60, TimeUnit.SECONDS), child.getKey() + " did not end");
            String actual = Files.readString(folder.resolve(child.getKey()));
            assertLinesMatch(
                    expected.lines().map(java.util.regex.Pattern::quote).toList(),
                    actual.lines().toList(),
                    child.getKey());
        }
    }

    private static Process child(Path folder, String language, String country) {
        try {
            return new ProcessBuilder(
                            Path.of(System.getProperty("java.home"), "bin", "java")
                                    .toString(),
                            "-XX:TieredStopAtLevel=1",
                            "-XX:+UseSerialGC",
                            "-Duser.language=" + language,
                            "-Duser.country=" + country,
                            "-cp",
                            System.getProperty("java.class.path"),
                            LocaleTest.class.getName(),
                            folder.toString())
                    .redirectErrorStream(true)
                    .redirectOutput(folder.resolve(language).toFile())
                    .start();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** Prints the output of a child. */
    public static void main(String... args) throws Exception {
        print(Path.of(args[0]), new PrintWriter(new OutputStreamWriter(System.out, StandardCharsets.UTF_8), true));
        System.exit(0);
    }

    private static void print(Path folder, PrintWriter out) throws Exception {
        for (ContractTest.Alias script : ContractTest.scripts()) {
            for (String option : List.of("--help", "--version")) {
                ContractTest.Ended e = ContractTest.run(script, option);
                String text = e.out()
                        .lines()
                        .filter(l -> !l.matches("(Usage:| +)[^\\[]*\\[.*"))
                        .collect(Collectors.joining("\n")); // picocli sorts a synopsis by locale
                out.println(script + " " + option + ": " + e.code() + "\n" + text);
            }
        }
        Path file = folder.resolve("log-" + Locale.getDefault().getLanguage() + ".hlog");
        EscapeTest.writeLog(file, "x");
        out.println(TestCluster.run(MergeLatency::run, file.toString()).out());
        Path events = Files.writeString(
                folder.resolve("events-" + Locale.getDefault().getLanguage() + ".jsonl"), EscapeTest.outage("t"));
        out.println(TestCluster.run(Outages::run, "--all-partitions", events.toString())
                        .out()
                + TestCluster.run(Outages::run, "--markdown", events.toString()).out());
        out.println(String.join(
                "\n",
                ProbeTable.lines(List.of(new ProbeAnswer(
                        "read committed",
                        1,
                        new ProbeAnswer.Result(ProbeAnswer.Outcome.NOT_ASKED, null, "none"),
                        12,
                        new ProbeAnswer.Offsets(4, 3))))));
        Cluster cluster = new Cluster();
        cluster.common.configure(cluster, TestCluster.quiet(), TestCluster.quiet(), "up");
        for (int node = 1; node <= 3; node++) out.println(Cluster.name(node) + "\n" + cluster.serverProperties(node));
        for (WatchIsr.Until until : WatchIsr.Until.values()) out.println(until);
        for (KillNode.Mode mode : KillNode.Mode.values()) out.println(mode);
    }
}
