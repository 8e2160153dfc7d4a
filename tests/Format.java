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
import java.nio.file.*;
import java.util.*;
import java.util.concurrent.Callable;
import java.util.stream.Stream;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

/**
 * Formats the Java sources of this repository in the style of palantir-java-format, and copies the blocks that the
 * self-contained steps have in common from their masters in scripts/lib/cli.
 *
 * <p>JBang's directives stay as they are: the formatter would change {@code //DEPS} into {@code // DEPS} and wrap long
 * ones, and JBang would read neither.
 */
@Command(
        name = "format",
        sortOptions = false,
        mixinStandardHelpOptions = true,
        description = "Formats all Java sources, or the given files, and renews the copies of the common blocks.")
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
        List<Block> blocks = List.of(Block.common(), Block.terminal());
        for (Path file : files.isEmpty() ? sources(Path.of("")) : files) {
            String text = Files.readString(file);
            String copied = text;
            for (Block block : blocks) {
                copied = block.copyInto(copied, file);
            }
            String formatted = format(copied);
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

    /** A text that several steps carry, between two comments, and the imports that it needs. */
    record Block(Path master, String text, String begin, String end) {
        private static final Path CLI = Path.of("scripts", "lib", "cli");

        /** Returns the block with the options, the output and the clients of a step. */
        static Block common() throws Exception {
            Path master = CLI.resolve("Cli.java");
            String source = format(Files.readString(master));
            String end = "// ---- End of what is common. ----";
            return new Block(master, source, "    // ---- Common to the step scripts", end);
        }

        /** Returns the block with the status area, a class of its own in the master, which is nested in a copy. */
        static Block terminal() throws Exception {
            Path master = CLI.resolve("Screen.java");
            String begin = "    // ---- Common to the scripts that draw";
            String end = "// ---- End of what those have in common. ----";
            String source = format(Files.readString(master));
            String nested = source.substring(source.indexOf("/**"))
                    .replaceFirst("(?m)^final class", "static final class")
                    .replaceAll("\\bCli\\.", "")
                    .replaceAll("(?m)^(?=.)", "    ");
            String imports = source.substring(0, source.indexOf("/**"));
            String comment = begin + " on the terminal. ./jbang format copies it from lib/cli/Screen.java. ----\n\n";
            return new Block(master, imports + comment + nested + "    " + end + "\n", begin, end);
        }

        /** Returns a source with its copy of the block, if it has one, like the master. */
        String copyInto(String source, Path file) {
            if (file.endsWith(master) || !source.contains("\n" + begin)) {
                return source;
            }
            String before = source.substring(0, source.indexOf("\n" + begin) + 1);
            String after = source.substring(source.indexOf(end, before.length()) + end.length());
            String copy = text.substring(text.indexOf(begin), text.lastIndexOf(end) + end.length());
            return withImports(before) + copy + after;
        }

        /** Adds the imports that the block needs; the formatter sorts them and removes unused ones. */
        private String withImports(String source) {
            StringJoiner missing = new StringJoiner("\n", "", "\n");
            text.lines()
                    .filter(line -> line.startsWith("import "))
                    .filter(line -> !source.contains(line))
                    .filter(line -> !source.contains(line.replaceFirst("\\w+;$", "*;")))
                    .forEach(missing::add);
            return source.replaceFirst("(?m)^import ", missing + "import ");
        }
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
        // Repeated until nothing changes: wrapped lines may be formatted differently the next time.
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
