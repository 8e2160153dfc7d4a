import static org.junit.jupiter.api.Assertions.*;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.*;
import java.lang.reflect.*;
import java.net.URL;
import java.net.URLClassLoader;
import java.nio.charset.StandardCharsets;
import java.nio.file.*;
import java.util.*;
import java.util.concurrent.FutureTask;
import java.util.concurrent.TimeUnit;
import java.util.stream.*;
import org.apache.kafka.clients.admin.*;
import org.junit.jupiter.api.*;
import org.junit.jupiter.api.io.TempDir;

/**
 * Runs the same command lines with Apache's own tool and with perf: both succeed or both fail, and stdout has the same
 * lines except for the numbers.
 */
@Order(72)
@Tag("records")
class PerfDropInTest {
    private static final String PLAIN = "--topic dropin --num-records 20 --throughput -1 --record-size 10 ",
            B = "--bootstrap-server {b} ";
    /** Command lines that both accept. {d} is a folder with files. */
    private static final List<String> GOOD = List.of(
            PLAIN + B,
            PLAIN + "--command-property bootstrap.servers={b}",
            PLAIN + "--producer-props bootstrap.servers={b} acks=1 linger.ms=50",
            "--producer-props bootstrap.servers={b} batch.size=16384 acks=1 linger.ms=50 --topic dropin --num-records"
                    + " 20 --throughput -1 --record-size 10",
            PLAIN + "--command-config {d}/client.properties",
            PLAIN + "--producer.config {d}/client.properties --producer-props acks=1",
            PLAIN + B + "--command-property bootstrap.servers=localhost:1",
            PLAIN + B + "--command-config {d}/wrong.properties",
            "--topic=dropin --num-records=20 --throughput=-1 --record-size=10 --bootstrap-server={b}",
            "--topic dropin --num-records 20 --throughput 1000 --record-size 10 " + B,
            "--topic dropin --num-records 20 --throughput 500.5 --record-size 10 " + B,
            "--topic dropin --num-records 20 --throughput -1 --payload-monotonic " + B,
            "--topic dropin --num-records 20 --throughput -1 --payload-file {d}/lines " + B,
            "--topic dropin --num-records 20 --throughput -1 --payload-file {d}/commas --payload-delimiter , " + B,
            "--topic dropin --num-records 1500 --throughput 1000 --record-size 10 --warmup-records 250"
                    + " --reporting-interval 100 "
                    + B,
            "--topic dropin --num-records 300 --throughput 1000 --record-size 10 --reporting-interval 100 " + B,
            PLAIN + B + "--print-metrics",
            PLAIN + B + "--transactional-id dropin-tx",
            PLAIN + B + "--transaction-duration-ms 10",
            PLAIN + B + "--command-property transactional.id=dropin-tx2",
            PLAIN + B + "--topic dropin --num-records 30 --num-records 20 --record-size 5 --throughput 1000",
            PLAIN + B
                    + "--transactional-id dropin-tx3 --transaction-duration-ms 100 --command-property"
                    + " compression.type=lz4");
    /** Command lines that both refuse. */
    private static final List<String> BAD = List.of(
            PLAIN.replace("--topic dropin", "") + B,
            PLAIN.replace("--num-records 20", "") + B,
            PLAIN.replace("--throughput -1", "") + B,
            PLAIN.replace("--record-size 10", "") + B,
            PLAIN.replace(" 20", " 0") + B,
            PLAIN.replace(" 20", " many") + B,
            PLAIN.replace("-1", "fast") + B,
            PLAIN.replace("size 10", "size 0") + B,
            PLAIN + B + "--payload-monotonic",
            PLAIN.replace("--record-size 10", "--payload-file {d}/none") + B,
            PLAIN.replace("--record-size 10", "--payload-file {d}/empty") + B,
            PLAIN + B + "--command-property acks",
            PLAIN + B + "--command-property acks=7",
            PLAIN + B + "--warmup-records 20",
            PLAIN + B + "--reporting-interval 0",
            PLAIN + B + "--transaction-duration-ms 0",
            PLAIN + B + "--producer-props acks=1 --command-property acks=1",
            PLAIN + B + "--command-config {d}/none",
            PLAIN + B + "--no-such-option");

    private static Method main;
    private static ClassLoader loader;

    static class Ended extends RuntimeException {
        final int code;

        Ended(int code) {
            super(null, null, false, false);
            this.code = code;
        }
    }

    /**
     * Loads Apache's tool into a class loader of its own, so that not every command line needs a new JVM. It uses our
     * kafka-clients, which are one version ahead.
     */
    @BeforeAll
    static void apache() throws Exception {
        Path err = TestCluster.HOME.resolve("tools.err");
        Process p = new ProcessBuilder(
                        ContractTest.REPO.resolve("jbang").toString(),
                        ContractTest.REPO.resolve("bench/ApacheTools.java").toString())
                .redirectError(err.toFile())
                .start();
        p.getOutputStream().close();
        String path = new String(p.getInputStream().readAllBytes(), StandardCharsets.UTF_8).trim();
        assumeTrue(
                p.waitFor(5, TimeUnit.MINUTES) && p.exitValue() == 0,
                "Apache's tools cannot be fetched: " + Files.readString(err));
        String ours = Stream.of(System.getProperty("java.class.path").split(File.pathSeparator))
                .filter(f -> f.matches(".*kafka-clients-[0-9.]+\\.jar"))
                .findFirst()
                .orElseThrow();
        List<URL> urls = new ArrayList<>();
        for (String file : (ours + File.pathSeparator + path).split(File.pathSeparator))
            urls.add(Path.of(file).toUri().toURL());
        loader = new URLClassLoader(urls.toArray(URL[]::new), ClassLoader.getPlatformClassLoader());
        Class<?> exit = loader.loadClass("org.apache.kafka.common.utils.Exit"),
                procedure = loader.loadClass("org.apache.kafka.common.utils.Exit$Procedure");
        Object thrower = Proxy.newProxyInstance(loader, new Class<?>[] {procedure}, (proxy, method, args) -> {
            throw new Ended((int) args[0]);
        });
        exit.getMethod("setExitProcedure", procedure).invoke(null, thrower);
        exit.getMethod("setHaltProcedure", procedure).invoke(null, thrower);
        main = loader.loadClass("org.apache.kafka.tools.ProducerPerformance").getMethod("main", String[].class);
        TestCluster.healthy();
        TestCluster.createTopic("dropin", "--if-not-exists");
    }

    @TempDir
    static Path folder;

    private static String[] words(String line) throws IOException {
        Files.writeString(
                folder.resolve("client.properties"), "bootstrap.servers=" + Cluster.bootstrap() + "\nacks=all\n");
        Files.writeString(folder.resolve("wrong.properties"), "bootstrap.servers=localhost:1\n");
        Files.writeString(folder.resolve("lines"), "one\ntwo\nthree\n");
        Files.writeString(folder.resolve("commas"), "one,two,three");
        Files.writeString(folder.resolve("empty"), "");
        String text = line.replace("{b}", Cluster.bootstrap())
                .replace("{d}", folder.toString())
                .trim();
        return text.isEmpty() ? new String[0] : text.split(" +");
    }

    private static TestCluster.Run apache(String... args) {
        PrintStream out = System.out, err = System.err;
        ByteArrayOutputStream outBytes = new ByteArrayOutputStream(), errBytes = new ByteArrayOutputStream();
        ClassLoader before = Thread.currentThread().getContextClassLoader();
        int code = 0;
        try {
            System.setOut(new PrintStream(outBytes, true));
            System.setErr(new PrintStream(errBytes, true));
            Thread.currentThread().setContextClassLoader(loader);
            main.invoke(null, (Object) args);
        } catch (InvocationTargetException e) {
            code = e.getCause() instanceof Ended ended ? ended.code : 1;
        } catch (IllegalAccessException e) {
            throw new IllegalStateException(e);
        } finally {
            System.setOut(out);
            System.setErr(err);
            Thread.currentThread().setContextClassLoader(before);
        }
        return new TestCluster.Run(
                code, outBytes.toString(StandardCharsets.UTF_8), errBytes.toString(StandardCharsets.UTF_8));
    }

    private static final String INTERVAL =
            "# records sent, .# records/sec (.# MB/sec), .# ms avg latency, .# ms max latency.";

    /**
     * Returns the lines in order, without what may differ: numbers (but not their decimal places), the number of an
     * interval's lines, the number of nodes that were asked, and Apache's remarks, which perf prints to stderr.
     */
    private static List<String> shape(String out) {
        List<String> shape = new ArrayList<>();
        for (String line : out.lines().toList()) {
            if (line.contains("deprecated") || line.startsWith("Option ")) continue;
            if (line.contains(":{"))
                line = line.replaceAll(" +: .*", " :").replaceAll("node-id=node-+\\d+", "node-id="); // a metric
            else
                line = line.replaceAll("\\d+\\.(\\d+)", ".$1")
                        .replaceAll("(?<=\\.)\\d+", "#")
                        .replaceAll("\\b\\d+\\b", "#")
                        .replaceAll(" +", " ");
            String last = shape.isEmpty() ? "" : shape.get(shape.size() - 1);
            boolean again =
                    line.equals(INTERVAL) ? last.equals(line) : line.contains("node-id=") && shape.contains(line);
            if (!again) shape.add(line);
        }
        return shape;
    }

    @Test
    void whatApachesToolDoesPerfDoes() throws Exception {
        List<String> wrong = new ArrayList<>();
        for (String line : GOOD) {
            String difference = difference(line);
            // Whether an interval ends before the warm-up is a matter of milliseconds: one of three pairs has to match.
            for (int i = 0; i < 2 && difference != null; i++) difference = difference(line);
            if (difference != null) wrong.add(difference);
        }
        assertEquals(List.of(), wrong);
    }

    /** Returns what differs, or null if both do the same. */
    private static String difference(String line) throws Exception {
        TestCluster.Run theirs = apache(words(line)), ours = TestCluster.run(PerfTest::run, words(line));
        if (theirs.code() != 0) return "Apache's fails: " + line + "\n" + theirs;
        if (ours.code() != 0) return "perf fails: " + line + "\n" + ours;
        if (shape(theirs.out()).equals(shape(ours.out()))) return null;
        return line + "\nApache's: " + shape(theirs.out()) + "\nperf:     " + shape(ours.out());
    }

    @Test
    void whatIsComparedIsOrderAndRepetition() {
        String interval = "5 records sent, 50.1 records/sec (0.00 MB/sec), 1.0 ms avg latency, 2.0 ms max latency.\n",
                steady = "In steady state.\n",
                other = "Warmup first 2 records.\n";
        assertEquals(
                shape(interval + steady + interval), shape(interval + interval.replace("5", "71") + steady + interval));
        for (String bad : List.of(
                interval + interval + steady,
                steady + interval,
                interval + steady + steady + interval,
                other + interval + steady + interval))
            assertNotEquals(shape(interval + steady + interval), shape(bad), bad);
        assertTrue(shape(interval).equals(List.of(INTERVAL)), shape(interval).toString());
    }

    @Test
    void whatApachesToolRefusesPerfRefusesInOneSentence() throws Exception {
        List<String> wrong = new ArrayList<>();
        for (String line : BAD) {
            TestCluster.Run theirs = apache(words(line)), ours = TestCluster.run(PerfTest::run, words(line));
            if (theirs.code() == 0) wrong.add("Apache's does it: " + line + "\n" + theirs);
            if (ours.code() != 2
                    || ours.err().lines().count() != 1
                    || !ours.out().isEmpty()) wrong.add("perf: " + line + "\n" + ours);
        }
        assertEquals(List.of(), wrong);
    }

    /** Covers the intended differences. */
    @Test
    void wherePerfIsBetter() throws Exception {
        String equals = PLAIN + B + "--command-property client.id=a=b";
        assertNotEquals(0, apache(words(equals)).code(), "a value with = in it");
        assertEquals(0, TestCluster.run(PerfTest::run, words(equals)).code());
        String tooLarge = PLAIN.replace("size 10", "size 2000000").replace("20 ", "2 ") + B;
        TestCluster.Run theirs = apache(words(tooLarge)), ours = TestCluster.run(PerfTest::run, words(tooLarge));
        assertEquals(0, theirs.code());
        assertTrue(theirs.out().contains("NaN ms avg latency"), theirs.out());
        assertEquals(16, ours.code(), ours.toString());
        assertEquals(
                List.of(0, 2),
                List.of(
                        apache(new String[0]).code(),
                        TestCluster.run(PerfTest::run).code()),
                "nothing given: Apache's prints its help");
        assertEquals(
                2,
                TestCluster.run(PerfTest::run, words(PLAIN.replace("-1", "0") + B))
                        .code(),
                "--throughput 0, with which Apache's blocks for ever");
        Locale before = Locale.getDefault();
        try {
            Locale.setDefault(Locale.GERMANY);
            assertTrue(
                    apache(words(PLAIN + B)).out().contains(",00 ms")
                            || apache(words(PLAIN + B)).out().matches("(?s).*\\d,\\d.*"),
                    "the locale's comma");
            assertFalse(TestCluster.run(PerfTest::run, words(PLAIN + B)).out().matches("(?s).*\\d,\\d.*"));
        } finally {
            Locale.setDefault(before);
        }
    }

    /**
     * Pauses a broker for 5 s under the same load from both tools at once: 1000 records/s, of which few fit into
     * buffer.memory. The records that the blocked send() held up are late; Apache's tool times them only from when it
     * could send them.
     */
    @Test
    void throughAPausedBrokerApachesMeanIsOffByThreeAndPerfsIsRight() throws Exception {
        int paused = TestCluster.follower(), n = 12_000;
        List<String> topics = List.of("dropin-theirs", "dropin-ours");
        try (Admin admin = TestCluster.admin()) {
            admin.createTopics(topics.stream()
                            .map(t -> new NewTopic(t, Map.of(0, List.of(paused)))
                                    .configs(Map.of(
                                            "message.timestamp.type", "LogAppendTime", "min.insync.replicas", "1")))
                            .toList())
                    .all()
                    .get();
        }
        String load = B + "--num-records " + n
                + " --throughput 1000 --record-size 1000 --command-property acks=1 buffer.memory=262144 --topic ";
        String[] theirWords = words(load + topics.get(0));
        FutureTask<TestCluster.Run> theirs = new FutureTask<>(() -> apache(theirWords));
        PerfTest perf = new PerfTest();
        perf.common.configure(perf, TestCluster.quiet(), TestCluster.quiet(), words(load + topics.get(1)));
        FutureTask<PerfTest.Summary> ours = new FutureTask<>(perf::measure);
        try {
            for (FutureTask<?> task : List.of(theirs, ours)) new Thread(task).start();
            try (Admin admin = TestCluster.admin()) {
                for (String topic : topics)
                    TestCluster.await("load on " + topic, () -> PerfBrokerTest.end(admin, topic) > 500);
            }
            assertEquals(
                    0,
                    TestCluster.killNode("" + paused, "--mode", "pause", "--for", "5s", "--force")
                            .code());
            PerfTest.Summary s = ours.get(60, TimeUnit.SECONDS);
            TestCluster.Run run = theirs.get(60, TimeUnit.SECONDS);
            assertEquals(0, run.code(), run.toString());
            double printed = Double.parseDouble(run.out()
                    .lines()
                    .reduce((a, b) -> b)
                    .orElseThrow()
                    .replaceAll(".*, ([0-9.]+) ms avg latency.*", "$1"));
            // The broker's clock says when each record was appended. The first one was due just before: the truth lacks
            // the time that its append took, and is some milliseconds too low.
            double[] truth = new double[2];
            for (int t = 0; t < 2; t++) {
                double[] at = PerfBrokerTest.appended(topics.get(t), n);
                double due = Double.MAX_VALUE;
                for (int i = 0; i < n; i++) due = Math.min(due, at[i] - i);
                for (int i = 0; i < n; i++) truth[t] += (at[i] - due - i) / n;
            }
            String what = "Apache's mean " + printed + " ms of " + truth[0] + ", perf's "
                    + s.response().getMean() / 1000 + " of " + truth[1];
            assertTrue(truth[0] > 800 && truth[1] > 800, "the pause shows: " + what);
            assertTrue(printed < truth[0] / 3, what);
            assertEquals(truth[1], s.response().getMean() / 1000, 20 + truth[1] / 100, what);
        } finally {
            TestCluster.deleteTopics(topics);
        }
    }
}
