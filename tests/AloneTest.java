import static org.junit.jupiter.api.Assertions.*;

import java.nio.file.*;
import java.util.*;
import java.util.concurrent.TimeUnit;
import java.util.stream.*;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** Proves that each step script is self-contained: copied alone into an empty folder it is built and runs there, and leaves nothing beside it. */
class AloneTest {
    static List<Path> steps() throws Exception { return SourceFormTest.steps(); }

    // One after the other: simultaneous first builds race in JBang's cache.
    @ParameterizedTest(name = "{0}") @MethodSource("steps") void runsAlone(Path script, @TempDir Path folder, @TempDir Path output) throws Exception {
        String name = script.getFileName().toString();
        Files.copy(ContractTest.REPO.resolve(script), folder.resolve(name));
        Path out = output.resolve("out"), err = output.resolve("err");
        Process p = new ProcessBuilder(ContractTest.REPO.resolve("jbang").toString(), name, "--version").directory(folder.toFile())
                .redirectOutput(out.toFile()).redirectError(err.toFile()).start();
        p.getOutputStream().close();
        try {
            assertTrue(p.waitFor(5, TimeUnit.MINUTES), "does not end");
        } finally {
            p.destroyForcibly();
        }
        assertEquals(0, p.exitValue(), () -> read(err));
        assertTrue(read(out).matches("kraft-lab \\d+\\.\\d+\\.\\d+\\R"), () -> read(out) + read(err));
        try (Stream<Path> files = Files.list(folder)) { assertEquals(List.of(folder.resolve(name)), files.toList(), "left in the folder"); }
    }

    private static String read(Path file) {
        try { return Files.readString(file); } catch (java.io.IOException e) { throw new java.io.UncheckedIOException(e); }
    }
}
