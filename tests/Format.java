///usr/bin/env jbang "$0" "$@" ; exit $?
//JAVA 17+
//DEPS com.palantir.javaformat:palantir-java-format:2.103.0
//DEPS info.picocli:picocli:4.7.7
// The formatter parses with the JDK's own compiler, whose packages are not exported.
//RUNTIME_OPTIONS --add-exports=jdk.compiler/com.sun.tools.javac.api=ALL-UNNAMED
//RUNTIME_OPTIONS --add-exports=jdk.compiler/com.sun.tools.javac.code=ALL-UNNAMED
//RUNTIME_OPTIONS --add-exports=jdk.compiler/com.sun.tools.javac.file=ALL-UNNAMED
//RUNTIME_OPTIONS --add-exports=jdk.compiler/com.sun.tools.javac.parser=ALL-UNNAMED
//RUNTIME_OPTIONS --add-exports=jdk.compiler/com.sun.tools.javac.tree=ALL-UNNAMED
//RUNTIME_OPTIONS --add-exports=jdk.compiler/com.sun.tools.javac.util=ALL-UNNAMED
//DESCRIPTION Formats the Java sources, or checks that they are formatted

import com.palantir.javaformat.java.Formatter;
import com.palantir.javaformat.java.FormatterException;
import com.palantir.javaformat.java.JavaFormatterOptions;
import java.io.IOException;
import java.io.PrintWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.stream.Stream;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

/**
 * Formats the Java sources of this repository in the style of palantir-java-format.
 *
 * <p>JBang's directives stay as they are: the formatter would change {@code //DEPS} into {@code // DEPS} and wrap long
 * ones, and JBang would read neither.
 */
@Command(
        name = "format",
        sortOptions = false,
        mixinStandardHelpOptions = true,
        description = "Formats all Java sources of the repository, or the given files.")
class Format implements Callable<Integer> {
    private static final List<String> FOLDERS = List.of("scripts", "tests", "bench");

    @Option(names = "--check", description = "Change nothing; list the files that are not formatted and exit with 15.")
    boolean check;

    @Parameters(paramLabel = "FILE", arity = "0..*", description = "The files to format (default: all).")
    List<Path> files = List.of();

    @Spec
    CommandSpec spec;

    public static void main(String... args) {
        System.exit(new CommandLine(new Format()).execute(args));
    }

    @Override
    public Integer call() throws Exception {
        PrintWriter out = spec.commandLine().getOut();
        List<Path> changed = new ArrayList<>();
        for (Path file : files.isEmpty() ? sources(Path.of("")) : files) {
            String text = Files.readString(file);
            String formatted = format(text);
            if (formatted.equals(text)) {
                continue;
            }
            changed.add(file);
            if (!check) {
                Files.writeString(file, formatted);
            }
            out.println(file);
        }
        return check && !changed.isEmpty() ? 15 : 0;
    }

    /** Returns all Java sources below a checkout, in order. */
    static List<Path> sources(Path checkout) throws IOException {
        List<Path> sources = new ArrayList<>();
        for (String folder : FOLDERS) {
            try (Stream<Path> files = Files.walk(checkout.resolve(folder))) {
                files.filter(file -> file.toString().endsWith(".java")).sorted().forEach(sources::add);
            }
        }
        return sources;
    }

    /** Returns a source with everything below its header formatted. */
    static String format(String source) throws FormatterException {
        int end = headerEnd(source);
        String header = source.substring(0, end);
        String separator = header.isEmpty() ? "" : "\n";
        String body = source.substring(end);
        // What it breaks for the first time it may break otherwise the second time.
        for (String before = ""; !before.equals(body); ) {
            before = body;
            body = formatter().formatSourceAndFixImports(before);
        }
        return header + separator + body;
    }

    /** The header is the comment lines that the file begins with: the directives that JBang reads. */
    private static int headerEnd(String source) {
        int end = 0;
        while (source.startsWith("//", end)) {
            int lineEnd = source.indexOf('\n', end);
            end = lineEnd < 0 ? source.length() : lineEnd + 1;
        }
        return end;
    }

    private static Formatter formatter() {
        return Formatter.createFormatter(JavaFormatterOptions.builder()
                .style(JavaFormatterOptions.Style.PALANTIR)
                .build());
    }
}
