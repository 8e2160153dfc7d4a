import static org.junit.jupiter.api.Assertions.*;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import com.sun.source.tree.*;
import com.sun.source.util.JavacTask;
import java.nio.charset.StandardCharsets;
import java.nio.file.*;
import java.util.*;
import java.util.regex.*;
import java.util.stream.*;
import javax.lang.model.element.Modifier;
import javax.tools.*;
import org.junit.jupiter.api.*;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.*;

/** Tests that sources have one form, share one text for what is common, and name no machine of ours. */
class SourceFormTest {
    private static final Path REPO = ContractTest.REPO;
    /** Composite scripts compose others through //SOURCES; all other scripts stand alone. */
    private static final Set<String> COMPOSITE = Set.of(
            "Lab.java",
            "Nodes.java",
            "CheckTopic.java",
            "Outages.java",
            "FindMaxRate.java",
            "CompareSettings.java",
            "FailoverMatrix.java",
            "Dashboard.java",
            "Completion.java",
            "CheckDelivery.java",
            "Cluster.java",
            "MergeLatency.java",
            "ProbeCluster.java",
            "Report.java",
            "WatchLeaders.java");

    static List<Path> files() throws Exception {
        return ContractTest.scripts().stream()
                .map(ContractTest.Alias::file)
                .distinct()
                .toList();
    }

    static List<Path> steps() throws Exception {
        return files().stream().filter(f -> !isComposite(f)).toList();
    }

    @ParameterizedTest(name = "{0}")
    @MethodSource("files")
    void scriptHasTheForm(Path file) throws Exception {
        List<String> header = header(file);
        boolean composite = isComposite(file);
        assertEquals("///usr/bin/env jbang \"$0\" \"$@\" ; exit $?", header.get(0));
        assertEquals("//JAVA 17+", header.get(1));
        assertTrue(
                header.get(header.size() - 1).startsWith("//DESCRIPTION "),
                "the header ends with " + header.get(header.size() - 1));
        for (String line : header.subList(2, header.size())) {
            String directive = "//(DEPS [\\w.-]+:[\\w.-]+:\\d[\\w.]*(-jre)?|RUNTIME_OPTIONS .+|JAVAC_OPTIONS -J\\S+("
                    + " -J\\S+)*|DESCRIPTION .+| .+"
                    + (composite
                            ? "|SOURCES [\\w/]+\\.java( [\\w/]+\\.java)*|FILES [\\w.-]+=(\\.\\.|lib/\\w+)/[\\w.-]+"
                            : "")
                    + ")";
            assertTrue(
                    line.matches(directive),
                    "not a header line of a " + (composite ? "composite" : "step") + " script: " + line);
        }
        assertEquals(composite, header.stream().anyMatch(l -> l.startsWith("//SOURCES ")), "has //SOURCES");
        for (int i = 1; i < header.size(); i++)
            assertTrue(
                    !header.get(i).startsWith("//RUNTIME_OPTIONS")
                            || header.get(i - 1).startsWith("// "),
                    "//RUNTIME_OPTIONS without its reason in the line before");
    }

    // ---- Limits ----

    private static final int FILE_LINES = 500;
    private static final int STEP_LINES = 700;
    private static final Map<String, Integer> LARGE_STEPS = Map.of("KillNode.java", 1000, "PerfTest.java", 1300);
    private static final int BLOCK_LINES = 260;
    /**
     * What is over a limit: a step, its lines without its blocks, lines wider than 120 columns, methods over 40 lines,
     * nested conditional expressions. No figure may grow.
     */
    private static final Map<String, List<Long>> OVER = over("""
        scripts/KillNode.java          1927 0 0 0
        scripts/PerfTest.java          2036 0 0 0
        scripts/ResilientProducer.java  991 0 0 0
        scripts/WatchIsr.java           879 0 0 0
        """);
    /** The common block: it has the diagnosis of addresses in it, which each step needs. */
    private static final int BLOCK_LINES_TODAY = 446;

    private static Map<String, List<Long>> over(String table) {
        Map<String, List<Long>> over = new TreeMap<>();
        for (String row : table.lines().toList()) {
            String[] cells = row.split(" +");
            over.put(cells[0], Stream.of(cells).skip(1).map(Long::valueOf).toList());
        }
        return over;
    }

    @Test
    void scriptsKeepTheLimits() throws Exception {
        List<String> problems = new ArrayList<>();
        for (SourceForm form : SourceForm.below(REPO.resolve("scripts"))) {
            Path file = REPO.relativize(form.file);
            List<Long> figures = List.of(
                    lines(file), form.wideLines(), (long) form.longMethods.size(), (long) form.nestedConditionals);
            List<Long> limits = List.of((long) limit(file), 0L, 0L, 0L);
            problems.addAll(problems(file.toString(), figures, limits, form.longMethods.toString()));
        }
        assertEquals(List.of(), problems);
    }

    /** A test may be long: what it asserts is one thing. */
    @ParameterizedTest
    @ValueSource(strings = {"tests", "bench"})
    void othersKeepTheLimitsThatHoldForThem(String folder) throws Exception {
        long lines = 0;
        long wide = 0;
        long nested = 0;
        for (SourceForm form : SourceForm.below(REPO.resolve(folder))) {
            lines = Math.max(lines, form.text.lines().count());
            wide += form.wideLines();
            nested += form.nestedConditionals;
        }
        List<Long> figures = List.of(lines, wide, 0L, nested);
        assertEquals(List.of(), problems(folder, figures, List.of((long) FILE_LINES, 0L, 0L, 0L), ""));
    }

    private static List<String> problems(String file, List<Long> figures, List<Long> limits, String methods) {
        List<String> names = List.of("lines", "lines over 120 columns", "methods over 40 lines", "nested conditionals");
        List<String> problems = new ArrayList<>();
        for (int i = 0; i < names.size(); i++) {
            long limit = Math.max(limits.get(i), OVER.getOrDefault(file, limits).get(i));
            if (figures.get(i) > limit) {
                problems.add(file + ": " + figures.get(i) + " " + names.get(i) + ", limit " + limit + " " + methods);
            }
        }
        return problems;
    }

    private static long lines(Path file) throws Exception {
        long lines = read(file).lines().count();
        if (!file.getParent().endsWith("scripts")) {
            return lines;
        }
        long common = isComposite(file) ? 0 : commonBlock(file).lines().count();
        long terminal = drawing().contains(file) ? block(file, DRAW).lines().count() : 0;
        return lines - common - terminal;
    }

    private static int limit(Path file) {
        if (!file.getParent().endsWith("scripts") || isComposite(file)) {
            return FILE_LINES;
        }
        return LARGE_STEPS.getOrDefault(file.getFileName().toString(), STEP_LINES);
    }

    @Test
    void theCommonBlockKeepsItsLimit() throws Exception {
        long lines = commonBlock(Path.of("scripts/lib/cli/Cli.java")).lines().count();
        assertTrue(lines <= Math.max(BLOCK_LINES, BLOCK_LINES_TODAY), "the block has " + lines + " lines");
    }

    @Test
    void filesDoNotNeedEachOther() throws Exception {
        assertEquals(List.of(), SourceForm.cycles(SourceForm.below(REPO.resolve("scripts"))));
    }

    /** Also the copies of the blocks. */
    @Tag("slow")
    @Test
    void sourcesAreFormatted() throws Exception {
        TestCluster.Run format = AloneTest.jbang(REPO, "format", "--check");
        assertEquals("", format.out(), "not formatted; ./jbang format does it");
        assertEquals(0, format.code(), format.err());
    }

    // ---- What all sources have in common ----

    @ParameterizedTest(name = "{0}")
    @MethodSource("files")
    void scriptIsOneClassOfTheDefaultPackage(Path file) throws Exception {
        JavaCompiler compiler = ToolProvider.getSystemJavaCompiler();
        JavacTask task = (JavacTask) compiler.getTask(
                null,
                null,
                problem -> {},
                List.of(),
                null,
                compiler.getStandardFileManager(null, null, null).getJavaFileObjects(REPO.resolve(file)));
        CompilationUnitTree unit = task.parse().iterator().next();
        assertNull(unit.getPackageName(), "has a package");
        assertEquals(1, unit.getTypeDecls().size(), "top-level classes");
        ClassTree type = (ClassTree) unit.getTypeDecls().get(0);
        assertEquals(file.getFileName().toString(), type.getSimpleName() + ".java");
        assertFalse(type.getModifiers().getFlags().contains(Modifier.PUBLIC), "is public");
    }

    /** Java 17's compiler reads sources in the locale's encoding. Without a locale, as under cron, that is ASCII. */
    @Test
    void sourcesAreAscii() throws Exception {
        for (String folder : List.of("scripts", "tests", "bench"))
            try (var files = Files.walk(REPO.resolve(folder))) {
                for (Path file :
                        files.filter(f -> f.toString().endsWith(".java")).toList())
                    assertFalse(
                            Files.readString(file).chars().anyMatch(c -> c > 126),
                            file
                                    + " has characters that need an encoding: write them as escapes of four"
                                    + " hexadecimal digits");
            }
    }

    @Test
    void commonBlockIsTheSameTextInEachStep() throws Exception {
        Map<String, List<Path>> texts = new HashMap<>();
        for (Path file : steps())
            texts.computeIfAbsent(commonBlock(file), t -> new ArrayList<>()).add(file);
        assertEquals(1, texts.size(), "groups of scripts with a block of their own: " + texts.values());
        assertEquals(6, texts.values().iterator().next().size(), "compared only " + texts.values());
        String master = read(Path.of("scripts/lib/cli/Cli.java"));
        assertTrue(master.contains(texts.keySet().iterator().next()), "lib/cli/Cli.java, the master, has another");
    }

    @Test
    void thoseThatDrawOnTheTerminalDoItByTheSameText() throws Exception {
        Map<String, List<Path>> texts = new HashMap<>();
        for (Path file : drawing())
            texts.computeIfAbsent(block(file, DRAW), t -> new ArrayList<>()).add(file);
        assertEquals(1, texts.size(), "groups of scripts with a block of their own: " + texts.values());
        assertEquals(2, texts.values().iterator().next().size(), "compared only " + texts.values());
        String master = withoutSpace(read(Path.of("scripts/lib/cli/Screen.java")));
        String block = texts.keySet().iterator().next().lines().skip(1).collect(Collectors.joining("\n"));
        String copy = withoutSpace(block.replace("static final class Screen", "final class Screen")
                .replace(DRAW.get(1), "")
                .replace("(Guard.", "(Cli.Guard."));
        assertTrue(master.contains(copy), "lib/cli/Screen.java, the master, has another");
        for (Path file : files())
            assertEquals(
                    drawing().contains(file),
                    read(file).contains("class Screen"),
                    file + " has a Screen, or the block, without the other");
    }

    /** A copy is nested, so its lines are indented and wrapped otherwise than the master's. */
    private static String withoutSpace(String text) {
        return text.replaceAll("\\s+", "");
    }

    @Test
    void dependenciesHaveOneVersion() throws Exception {
        Map<String, Map<String, List<Path>>> versions = new TreeMap<>();
        for (Path file : files())
            for (String line : header(file)) {
                Matcher m = Pattern.compile("//DEPS (.+):(.+?)(?:@\\w+)?").matcher(line);
                if (m.matches())
                    versions.computeIfAbsent(m.group(1), k -> new TreeMap<>())
                            .computeIfAbsent(m.group(2), k -> new ArrayList<>())
                            .add(file);
            }
        assertTrue(versions.containsKey("org.apache.kafka:kafka-clients"), "read only " + versions.keySet());
        versions.forEach((dependency, by) -> assertEquals(1, by.size(), dependency + " has several versions: " + by));
    }

    @Test
    void treeNamesNoRegistryAndNoMachine() throws Exception {
        Process git = new ProcessBuilder("git", "-C", REPO.toString(), "ls-files", "-co", "--exclude-standard")
                .redirectErrorStream(true)
                .start();
        List<String> files = new String(git.getInputStream().readAllBytes(), StandardCharsets.UTF_8)
                .lines()
                .filter(f -> Files.isRegularFile(REPO.resolve(f)))
                .toList();
        assumeTrue(git.waitFor() == 0, "not a git working tree");
        assertTrue(files.contains("jbang") && files.contains("jbang-catalog.json"), "git lists only " + files);
        for (String file : files) {
            String text = new String(Files.readAllBytes(REPO.resolve(file)), StandardCharsets.ISO_8859_1);
            assertEquals(List.of(), strangers(text), file + " names a registry or a place on somebody's machine");
        }
    }

    @Test
    void strangersAreRecognised() {
        String slash = "/"; // or this file would name them
        for (String bad : List.of(
                "http:" + slash + "/10.1.2.3:8081/x",
                "https:" + slash + "/nexus.firm.example/maven",
                "https:" + slash + "/repo1.mav" + "en.org/maven2",
                "http:" + slash + "/cache:3128/",
                slash + "home/joe/kraft-lab",
                "in " + slash + "root/.m2",
                slash + "work/main/jbang",
                "/" + "/REPOS central")) assertEquals(1, strangers(bad).size(), bad);
        assertEquals(
                List.of(),
                strangers("https:" + slash + "/kafka.apache.org/43/ http:" + slash + "/localhost:8080/ " + "http:"
                        + slash + "/127.0.0.1:1/ ~/.kraft-lab scripts/home/x ${TMPDIR:-/tmp}/k /usr/bin/java"));
    }

    /**
     * Finds hosts in URLs that are a registry's or known on one network only, absolute paths of a person's or build's
     * folder, and directives that name a repository.
     */
    private static List<String> strangers(String text) {
        List<String> found = new ArrayList<>();
        Matcher url =
                Pattern.compile("https?://(?:[^\\s/@]*@)?([\\w.-]+)(:\\d+)?").matcher(text);
        while (url.find()) {
            String host = url.group(1).toLowerCase(Locale.ROOT);
            if (host.matches("localhost|127\\.0\\.0\\.1|\\w+\\.example")) continue;
            if (!host.contains(".")
                    || host.startsWith("repo")
                    || host.matches("[\\d.]+|.*\\.(local|internal|corp|lan)"
                            + "|.*(maven|nexus|artifactory|registry|mirror|proxy|jitpack|jcenter).*"))
                found.add(url.group());
        }
        Matcher path = Pattern.compile("(?<![\\w.~/$}-])/(?:work|root|home|Users|mnt|tmp/x)/[\\w.]+|//" + "REPOS\\b")
                .matcher(text);
        while (path.find()) found.add(path.group());
        return found;
    }

    private static boolean isComposite(Path file) {
        return COMPOSITE.contains(file.getFileName().toString());
    }

    private static List<String> header(Path file) throws Exception {
        return ContractTest.header(file);
    }

    private static String read(Path file) throws Exception {
        return Files.readString(REPO.resolve(file));
    }

    /** From its first to its last comment; a script that lacks one of them fails here. */
    private static String commonBlock(Path file) throws Exception {
        return block(file, List.of("// ---- Common to the step scripts", "// ---- End of what is common. ----"));
    }

    private static final List<String> DRAW =
            List.of("// ---- Common to the scripts that draw", "// ---- End of what those have in common. ----");

    private static List<Path> drawing() throws Exception {
        List<Path> drawing = new ArrayList<>();
        for (Path file : files()) if (read(file).contains(DRAW.get(0))) drawing.add(file);
        return drawing;
    }

    private static String block(Path file, List<String> ends) throws Exception {
        String text = read(file), last = ends.get(1);
        int from = text.indexOf(ends.get(0)), to = text.indexOf(last);
        assertTrue(from > 0 && to > from, file + " lacks the block of " + ends.get(0));
        return text.substring(from, to + last.length());
    }
}
