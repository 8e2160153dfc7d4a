import static org.junit.jupiter.api.Assertions.*;
import static org.junit.jupiter.api.Assumptions.assumeFalse;

import com.fasterxml.jackson.jr.ob.JSON;
import java.io.*;
import java.nio.ByteBuffer;
import java.nio.file.*;
import java.util.*;
import java.util.regex.*;
import java.util.stream.*;
import org.apache.kafka.common.compress.Compression;
import org.apache.kafka.common.utils.internals.*;
import org.junit.jupiter.api.*;

/** Proves that compared commands run with the same JVM options, and that no JVM warns about native code. */
@Order(12)
class JvmOptionsTest {
    private static final String NATIVE = "--enable-native-access=ALL-UNNAMED";

    private static List<?> options(String alias) throws IOException {
        Map<?, ?> catalog = JSON.std.mapFrom(Files.readString(ContractTest.REPO.resolve("jbang-catalog.json")));
        Map<?, ?> found = (Map<?, ?>) ((Map<?, ?>) catalog.get("aliases")).get(alias);
        return (List<?>) found.get("runtime-options");
    }

    @Test
    void whatLoadsRunsWithThePerfsOptions() throws Exception {
        List<?> perf = options("perf");
        assertTrue(perf.size() >= 3, perf.toString());
        for (String alias : List.of("perf-test", "find-max-rate", "compare-settings", "lab"))
            assertEquals(perf, options(alias), alias + ": its figures would not be comparable");
    }

    /** Collects the script and all sources that it is built from. */
    private static Set<Path> closure(Path script, Set<Path> into) throws IOException {
        if (!into.add(script)) return into;
        for (String line : Files.readAllLines(script)) {
            if (!line.startsWith("//SOURCES ")) continue;
            for (String name : line.substring(10).trim().split(" +"))
                closure(script.resolveSibling(name).normalize(), into);
        }
        return into;
    }

    @Test
    void whatSendsOrReadsRecordsMayLoadNativeCode() throws Exception {
        Pattern client = Pattern.compile("new KafkaProducer<|new KafkaConsumer<");
        List<String> checked = new ArrayList<>();
        for (ContractTest.Alias alias : ContractTest.scripts()) {
            StringBuilder text = new StringBuilder();
            for (Path part : closure(ContractTest.REPO.resolve(alias.file()), new LinkedHashSet<>()))
                text.append(Files.readString(part));
            if (!client.matcher(text).find()) continue;
            checked.add(alias.name());
            assertTrue(text.indexOf("\n//RUNTIME_OPTIONS " + NATIVE + "\n") > 0, alias + " would warn on newer JVMs");
        }
        assertTrue(
                checked.containsAll(
                        List.of("perf", "resilient-producer", "check-delivery", "probe", "lab", "find-max-rate")),
                checked.toString());
    }

    /** Compresses and decompresses in its own JVM. */
    public static void main(String... args) throws Exception {
        for (Compression compression : List.of(
                Compression.zstd().build(),
                Compression.snappy().build(),
                Compression.lz4().build())) {
            ByteBufferOutputStream bytes = new ByteBufferOutputStream(1000);
            try (OutputStream out = compression.wrapForOutput(bytes, (byte) 2)) {
                out.write(new byte[500]);
            }
            ByteBuffer buffer = bytes.buffer();
            buffer.flip();
            try (InputStream in = compression.wrapForInput(buffer, (byte) 2, BufferSupplier.create())) {
                System.out.println(in.readAllBytes().length);
            }
        }
    }

    private static List<Path> jvms() throws IOException {
        List<Path> jvms = new ArrayList<>(List.of(Path.of(System.getProperty("java.home"))));
        Path installed = Path.of("/usr/lib/jvm");
        if (Files.isDirectory(installed))
            try (Stream<Path> all = Files.list(installed)) {
                all.sorted().forEach(jvms::add);
            }
        return jvms.stream()
                .filter(jvm -> Files.isExecutable(jvm.resolve("bin/java")) && Files.isReadable(jvm.resolve("release")))
                .toList();
    }

    private static int version(Path jvm) {
        try {
            Matcher m = Pattern.compile("JAVA_VERSION=\"(\\d+)").matcher(Files.readString(jvm.resolve("release")));
            return m.find() ? Integer.parseInt(m.group(1)) : 0;
        } catch (IOException e) {
            return 0;
        }
    }

    private static ContractTest.Ended compress(Path jvm, String... options) throws Exception {
        List<String> command = new ArrayList<>(List.of(jvm.resolve("bin/java").toString()));
        command.addAll(List.of(options));
        command.addAll(List.of("-cp", System.getProperty("java.class.path"), "JvmOptionsTest"));
        Path err = Files.createTempFile("native", ".err");
        try {
            Process p = new ProcessBuilder(command).redirectError(err.toFile()).start();
            String out = new String(p.getInputStream().readAllBytes(), "UTF-8");
            return new ContractTest.Ended(p.waitFor(), out, Files.readString(err));
        } finally {
            Files.delete(err);
        }
    }

    @Test
    void compressionWarnsOfNothingOnAnyJvmFrom17() throws Exception {
        Map<Integer, Path> byVersion = new TreeMap<>();
        for (Path jvm : jvms()) if (version(jvm) >= 17) byVersion.putIfAbsent(version(jvm), jvm);
        for (Path jvm : byVersion.values())
            assertEquals(new ContractTest.Ended(0, "500\n500\n500\n", ""), compress(jvm, NATIVE), jvm.toString());
        Optional<Path> newer = byVersion.entrySet().stream()
                .filter(e -> e.getKey() >= 24)
                .map(Map.Entry::getValue)
                .findFirst();
        assumeFalse(newer.isEmpty(), "no JVM from 24 on is installed, which would warn");
        assertTrue(compress(newer.get()).err().contains(NATIVE), "without the option it would");
    }
}
