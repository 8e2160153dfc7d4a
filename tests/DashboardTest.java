import static org.junit.jupiter.api.Assertions.*;

import com.fasterxml.jackson.jr.ob.JSON;
import java.io.*;
import java.net.*;
import java.net.http.*;
import java.nio.charset.StandardCharsets;
import java.nio.file.*;
import java.time.*;
import java.util.*;
import java.util.concurrent.*;
import java.util.stream.*;
import java.util.zip.GZIPInputStream;
import org.junit.jupiter.api.*;
import org.junit.jupiter.api.io.TempDir;

/**
 * Checks the live page: who may read it, how soon it changes, and that many or slow readers do not slow it down; in a
 * browser, that it survives a restart of its server and follows a cluster that loses its quorum.
 */
@Order(55)
class DashboardTest {
    private static final HttpClient HTTP = HttpClient.newHttpClient();

    @TempDir
    Path folder;

    private final List<LivePage> open = new ArrayList<>();

    @AfterEach
    void close() {
        open.forEach(LivePage::close);
    }

    private LivePage serve(Path events, int port) throws IOException {
        ReportRun run = new ReportRun("run");
        run.files.add(events);
        LivePage live = new LivePage(List.of(run), port);
        open.add(live);
        return live;
    }

    private static HttpResponse<byte[]> get(String url) throws Exception {
        return HTTP.send(HttpRequest.newBuilder(URI.create(url)).build(), HttpResponse.BodyHandlers.ofByteArray());
    }

    static Map<?, ?> data(String address) throws Exception {
        String json = new String(
                new GZIPInputStream(
                                new ByteArrayInputStream(get(address + "data").body()))
                        .readAllBytes(),
                StandardCharsets.UTF_8);
        return (Map<?, ?>) ((List<?>) JSON.std.mapFrom(json).get("runs")).get(0);
    }

    private static String now(int seq) throws IOException {
        return JSON.std.asString(new TreeMap<>(Map.of(
                        "ts",
                        Cli.timestamp(),
                        "source",
                        "resilient-producer",
                        "type",
                        "ack",
                        "seq",
                        seq,
                        "attempt",
                        1,
                        "topic",
                        "t",
                        "partition",
                        0,
                        "offset",
                        seq,
                        "latencyUs",
                        1234)))
                + "\n";
    }

    private static void append(Path file, String text) throws IOException {
        Files.writeString(file, text, StandardOpenOption.CREATE, StandardOpenOption.APPEND);
    }

    /** Returns the status line of the response to a raw HTTP request. */
    private static String status(String address, String method, String path, String host) throws IOException {
        URI uri = URI.create(address);
        try (Socket socket = new Socket(uri.getHost(), uri.getPort())) {
            socket.getOutputStream()
                    .write((method + " " + path + " HTTP/1.1\r\nHost: " + host + "\r\nConnection: close\r\n\r\n")
                            .getBytes(StandardCharsets.US_ASCII));
            return new BufferedReader(new InputStreamReader(socket.getInputStream())).readLine();
        }
    }

    @Test
    void itAnswersOnlyOnLoopbackUnderItsOwnName() throws Exception {
        String address = serve(folder.resolve("e.jsonl"), 0).address(),
                port = address.replaceAll("\\D+$", "").replaceAll(".*:", "");
        assertEquals("127.0.0.1", URI.create(address).getHost());
        for (String host : List.of("127.0.0.1:" + port, "localhost:" + port))
            assertTrue(status(address, "GET", "/", host).contains(" 200 "), host);
        for (String host :
                List.of("evil.example:" + port, "127.0.0.1", "127.0.0.1.evil.example:" + port, "localhost:1"))
            assertTrue(status(address, "GET", "/data", host).contains(" 403 "), host);
        for (String path : List.of("/nothing", "/data/x", "/../etc/passwd", "/%3Cb%3E"))
            assertTrue(status(address, "GET", path, "localhost:" + port).contains(" 404 "), path);
        assertTrue(status(address, "POST", "/data", "localhost:" + port).contains(" 405 "));
        List<InetAddress> others = NetworkInterface.networkInterfaces()
                .flatMap(NetworkInterface::inetAddresses)
                .filter(a -> !a.isLoopbackAddress())
                .toList();
        for (InetAddress other : others)
            assertThrows(
                    IOException.class,
                    () -> new Socket().connect(new InetSocketAddress(other, Integer.parseInt(port)), 500),
                    "answers at " + other);
    }

    @Test
    void aTakenPortIsOneSentence() throws Exception {
        String port = serve(folder.resolve("e.jsonl"), 0)
                .address()
                .replaceAll("\\D+$", "")
                .replaceAll(".*:", "");
        TestCluster.Run run =
                TestCluster.run(Report::run, folder.resolve("e.jsonl").toString(), "--serve", "--port", port);
        assertEquals(1, run.code(), run.toString());
        assertEquals(
                "Port " + port + " is taken: name another with --port, or 0 for any that is free.",
                run.err().strip());
        assertEquals(
                2,
                TestCluster.run(Report::run, folder.resolve("e.jsonl").toString(), "--serve", "--port", "70000")
                        .code());
    }

    @Test
    void ctrlCEndsIt() throws Exception {
        append(folder.resolve("e.jsonl"), now(1));
        TestCluster.Child child =
                TestCluster.child(Report.class, folder.resolve("e.jsonl").toString(), "--serve", "--port", "0");
        TestCluster.await("its address", () -> child.text().contains("Serving until Ctrl-C."));
        String address = child.text().lines().findFirst().orElseThrow();
        assertEquals(1, data(address).get("acks"));
        assertEquals(130, child.interrupt(), child.text());
        assertTrue(child.text().contains("No longer served: 1 events of 1 run."), child.text());
    }

    @Tag("timed")
    @Test
    void aGrowingFileIsSeenWithinASecond() throws Exception {
        Path events = folder.resolve("e.jsonl"); // does not exist yet
        String address = serve(events, 0).address();
        BlockingQueue<String> told = new LinkedBlockingQueue<>();
        HTTP.sendAsync(
                        HttpRequest.newBuilder(URI.create(address + "changes")).build(),
                        HttpResponse.BodyHandlers.ofLines())
                .thenAccept(r -> r.body().filter(l -> l.startsWith("data: ")).forEach(told::add));
        String before = told.poll(5, TimeUnit.SECONDS);
        String line = now(1);
        append(events, line.substring(0, 30)); // half a line is ignored
        Thread.sleep(400); // longer than the poll interval
        assertEquals(0L, ((Number) data(address).get("events")).longValue());
        append(events, line.substring(30));
        long began = System.nanoTime();
        String after = before;
        while (after.equals(before)) after = told.poll(5, TimeUnit.SECONDS);
        Map<?, ?> one = data(address);
        assertEquals(
                List.of(1, 0.0),
                List.of(one.get("acks"), ((Number) one.get("end")).doubleValue()),
                "time begins with the first event");
        assertTrue(
                System.nanoTime() - began < 1_000_000_000L, "after " + (System.nanoTime() - began) / 1_000_000 + " ms");
        Files.writeString(events, now(7)); // the file starts over
        append(events, now(8));
        TestCluster.await(
                "what is in the file that began anew",
                () -> ((Number) data(address).get("acks")).intValue() >= 2);
    }

    @Tag("timed")
    @Test
    void fiftyReadersAndSlowOnesDoNotMatter() throws Exception {
        Path events = folder.resolve("e.jsonl");
        for (int i = 0; i < 3_000; i++) append(events, now(i));
        TestCluster.Child child = TestCluster.child(Report.class, events.toString(), "--serve", "--port", "0");
        try {
            TestCluster.await("its address", () -> child.text().contains("Serving until Ctrl-C."));
            String address = child.text().lines().findFirst().orElseThrow();
            URI uri = URI.create(address);
            List<Socket> slow = new ArrayList<>();
            for (int i = 0; i < 5; i++) slow.add(slowReader(uri));
            Map<Integer, Long> heard = new ConcurrentHashMap<>();
            HttpClient client = HttpClient.newHttpClient();
            for (int i = 0; i < 50; i++) {
                int tab = i;
                listen(client, address, () -> heard.merge(tab, 1L, Long::sum));
            }
            TestCluster.await("all fifty hear something", () -> heard.size() == 50);
            Duration cpu = child.process().info().totalCpuDuration().orElse(Duration.ZERO);
            long began = System.nanoTime(), slowest = 0;
            for (int i = 0; i < 20; i++) {
                append(events, now(i));
                long asked = System.nanoTime();
                data(address);
                slowest = Math.max(slowest, System.nanoTime() - asked);
                Thread.sleep(250); // paced like a lab run; nothing is awaited
            }
            double seconds = (System.nanoTime() - began) / 1e9,
                    busy =
                            child.process()
                                            .info()
                                            .totalCpuDuration()
                                            .orElse(Duration.ZERO)
                                            .minus(cpu)
                                            .toMillis()
                                    / 1e3
                                    / seconds;
            assertTrue(slowest < 1_000_000_000L, "an answer took " + slowest / 1_000_000 + " ms");
            assertTrue(busy < 0.5, "took " + busy + " of a core");
            assertTrue(heard.values().stream().allMatch(n -> n >= 10), "told only " + heard);
            for (Socket socket : slow) TestCluster.await("a slow reader is dropped", () -> isDropped(socket));
        } finally {
            child.interrupt();
        }
    }

    /** Opens a connection that requests the page a hundred times and reads nothing. */
    private static Socket slowReader(URI uri) throws IOException {
        Socket socket = new Socket();
        socket.setReceiveBufferSize(1024);
        socket.connect(new InetSocketAddress(uri.getHost(), uri.getPort()));
        socket.getOutputStream()
                .write("GET / HTTP/1.1\r\nHost: 127.0.0.1:%d\r\n\r\n"
                        .formatted(uri.getPort())
                        .repeat(100)
                        .getBytes(StandardCharsets.US_ASCII));
        return socket;
    }

    private static boolean isDropped(Socket socket) {
        try {
            socket.getOutputStream().write("GET / HTTP/1.1\r\n".getBytes(StandardCharsets.US_ASCII));
            return false;
        } catch (IOException dropped) {
            return true;
        }
    }

    private static void listen(HttpClient client, String address, Runnable onChange) {
        client.sendAsync(
                        HttpRequest.newBuilder(URI.create(address + "changes")).build(),
                        HttpResponse.BodyHandlers.ofLines())
                .thenAccept(r -> r.body().filter(l -> l.startsWith("data: ")).forEach(l -> onChange.run()));
    }

    @Test
    void nothingListensThereIsExit10AtOnce() {
        TestCluster.Run run = TestCluster.run(Dashboard::run, "-b", "localhost:1", "--port", "0");
        assertEquals(10, run.code(), run.toString());
    }

    // ---- In a browser ----

    @Tag("timed")
    @Test
    void thePageFollowsAndSurvivesItsServer() throws Exception {
        Browser.required();
        Path events = folder.resolve("e.jsonl");
        append(events, now(1));
        LivePage first = serve(events, 0);
        int port = URI.create(first.address()).getPort();
        try (Browser browser = new Browser()) {
            browser.viewport(1440, 900, false);
            browser.open(first.address());
            assertEquals("Live", browser.text("#state"));
            append(events, now(2));
            within(
                    browser,
                    Duration.ofSeconds(1),
                    "the second acknowledgement",
                    "return data.runs[0].acks === 2 && document.querySelector('[data-kind=rate]"
                            + " output').textContent.startsWith('2 acknowledged')");
            assertEquals(List.of(), browser.complaints(), "on the console");
            first.close();
            TestCluster.await(
                    "it says that it is not connected",
                    () -> browser.text("#state").startsWith("Not connected since "));
            append(events, now(3));
            serve(events, port);
            within(browser, Duration.ofSeconds(5), "what came meanwhile", "return data.runs[0].acks === 3");
            assertEquals("Live", browser.text("#state"));

            // An open gap is shown too: nothing is acknowledged for three seconds after the fault.
            append(
                    events,
                    JSON.std.asString(Map.of(
                                    "ts",
                                    Cli.timestamp(),
                                    "source",
                                    "kill-node",
                                    "type",
                                    "fault",
                                    "node",
                                    1,
                                    "mode",
                                    "kill"))
                            + "\n");
            String later = ReportTest.UTC.format(Instant.now().plusSeconds(3));
            append(
                    events,
                    JSON.std.asString(
                                    Map.of("ts", later, "source", "watch-isr", "type", "controller", "controller", -1))
                            + "\n");
            within(
                    browser,
                    Duration.ofSeconds(2),
                    "the open gap",
                    "const g = data.runs[0].gaps; return g.length === 1 && g[0][1] - g[0][0] > 2.9 &&"
                            + " document.querySelector('.faults').textContent.includes('none yet')");
        }
    }

    /** Silence after a producer has ended is no outage; silence after the next one has started is. */
    @Tag("timed")
    @Test
    void aProducersEndIsNoGap() throws Exception {
        Browser.required();
        Path events = folder.resolve("e.jsonl");
        Instant begin = Instant.now().minusSeconds(60);
        append(
                events,
                producer(begin, "start", "p1")
                        + producer(begin, "start", "p2")
                        + now(1).replaceFirst(
                                        "\"ts\":\"[^\"]*", "\"ts\":\"" + ReportTest.UTC.format(begin.plusSeconds(1))));
        append(events, producer(begin.plusSeconds(9), "end", "p1") + producer(begin.plusSeconds(10), "start", "p3"));
        LivePage live = serve(events, 0);
        try (Browser browser = new Browser()) {
            browser.viewport(1440, 900, false);
            browser.open(live.address());
            assertEquals(
                    "[[1,10]]", browser.js("return JSON.stringify(data.runs[0].gaps)"), "two of three producers wait");
            append(
                    events,
                    producer(begin.plusSeconds(11), "end", "p2")
                            + producer(begin.plusSeconds(12), "end", "p3")
                            + controller(begin.plusSeconds(30)));
            within(
                    browser,
                    Duration.ofSeconds(1),
                    "no gap when all have ended",
                    "return data.runs[0].end > 20 && JSON.stringify(data.runs[0].gaps) === '[]' && !data.runs[0].open");
            append(events, producer(begin.plusSeconds(40), "start", "p4") + controller(begin.plusSeconds(45)));
            within(
                    browser,
                    Duration.ofSeconds(1),
                    "a gap since the next one began",
                    "return JSON.stringify(data.runs[0].gaps) === '[[40,45]]'");
            assertEquals(List.of(), browser.complaints(), "on the console");
        }
    }

    private static String producer(Instant at, String state, String id) throws IOException {
        return JSON.std.asString(new TreeMap<>(Map.of(
                        "ts",
                        ReportTest.UTC.format(at),
                        "source",
                        "resilient-producer",
                        "type",
                        "producer",
                        "state",
                        state,
                        "producer",
                        id,
                        "topic",
                        "t")))
                + "\n";
    }

    private static String controller(Instant at) throws IOException {
        return JSON.std.asString(Map.of(
                        "ts", ReportTest.UTC.format(at), "source", "watch-isr", "type", "controller", "controller", 1))
                + "\n";
    }

    private static Duration within(Browser browser, Duration limit, String what, String condition) throws Exception {
        long began = System.nanoTime();
        TestCluster.await(
                what + "; the page says " + browser.text("#top"),
                () -> browser.js(condition).equals(true));
        Duration took = Duration.ofNanos(System.nanoTime() - began);
        assertTrue(took.compareTo(limit) <= 0, what + " took " + took.toMillis() + " ms");
        return took;
    }

    @Tag("screen")
    @Test
    void thePageFollowsAClusterThatLosesItsQuorum() throws Exception {
        Browser.required();
        TestCluster.healthy();
        TestCluster.createTopic("followed", "--if-not-exists");
        TestCluster.Child child = TestCluster.child(Dashboard.class, "--port", "0", "--data-dir", TestCluster.DATA);
        try (Browser browser = new Browser()) {
            TestCluster.await("its address", () -> child.text().contains("Serving until Ctrl-C."));
            browser.viewport(1440, 900, false);
            browser.open(child.text().lines().findFirst().orElseThrow());
            int first = TestCluster.controller();
            TestCluster.await(
                    "the cluster",
                    () -> browser.text("h1").startsWith("Node " + first + " is the active controller")
                            && browser.text(".nodes").contains("leader"));
            TestCluster.await(
                    "leaders and lag",
                    () -> browser.js("return data.runs[0].partitions.some(p => p.topic === 'followed' &&"
                                    + " p.leader.some(l => l > 0)) && data.runs[0].cluster.nodes.every(n => n.lag"
                                    + " >= 0 && n.state === 'running')")
                            .equals(true));

            assertEquals(0, TestCluster.killNode("controller").code());
            within(
                    browser,
                    Duration.ofSeconds(2),
                    "the dead node",
                    "const n = data.runs[0].cluster.nodes.find(n => n.id === " + first
                            + "); return n.port === 'refuses' && n.state === 'down' &&"
                            + " document.querySelector('.nodes').textContent.includes('refuses')");
            TestCluster.await(
                    "the new controller",
                    () -> browser.js("const m = /^Node (.) is the"
                                    + " active/.exec(document.querySelector('h1').textContent); return m != null"
                                    + " && +m[1] !== "
                                    + first)
                            .equals(true));

            int second = TestCluster.controller();
            assertEquals(0, TestCluster.killNode("controller", "--force").code());
            within(
                    browser,
                    Duration.ofSeconds(2),
                    "the loss of the quorum",
                    "return document.querySelector('h1').textContent === 'Quorum lost: 1 of 3 voters answers.'");
            TestCluster.await(
                    "what is frozen",
                    () -> browser.text(".verdict").contains("frozen since ")
                            && browser.text(".nodes").contains("(frozen)"));

            assertEquals(0, TestCluster.startNode("all").code());
            TestCluster.await("a controller", () -> browser.text("h1").contains("is the active controller"));
            TestCluster.await(
                    "all in sync", () -> browser.text(".verdict").matches("(?s).*(\\d+) of \\1 replicas in sync.*"));
            assertEquals(Set.of(first, second).size() + 1, browser.number("return data.runs[0].cluster.nodes.length"));
            assertEquals(List.of(), browser.complaints(), "on the console");
        } finally {
            child.interrupt();
        }
    }
}
