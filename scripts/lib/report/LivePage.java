import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import java.io.ByteArrayOutputStream;
import java.io.Closeable;
import java.io.IOException;
import java.io.OutputStream;
import java.net.BindException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.Executors;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.zip.GZIPOutputStream;

/**
 * Serves the page over HTTP on loopback. One thread looks for new events four times a second, however many readers
 * there are; a reader only hears that there is something new, and asks for it when it is ready, so that none has a
 * queue; the answer is made once for all. A reader that takes nothing for five seconds is dropped.
 */
final class LivePage implements Closeable {
    private static final int MOST_READERS = 200;
    private static final long PATIENCE_MS = 5_000;
    private static final long POLL_INTERVAL_MS = 250;
    private static final byte[] LOOPBACK = {127, 0, 0, 1};

    private final List<ReportRun> runs;
    private final HttpServer server;
    private final Thread poll;
    private final AtomicInteger readers = new AtomicInteger();
    private final Map<HttpExchange, Long> writingSince = new ConcurrentHashMap<>();
    private long version = 1;
    private long versionOfRuns = -1;
    private long versionOfJson;
    private byte[] zippedJson;

    /** Throws an Exit when the port is taken or is not a port. */
    LivePage(List<ReportRun> runs, int port) throws IOException {
        this.runs = runs;
        server = bind(port);
        server.createContext("/", this::answer);
        server.setExecutor(Executors.newCachedThreadPool(task -> daemon("page", task)));
        update();
        server.start();
        poll = daemon("poll", this::poll);
        poll.start();
    }

    private static HttpServer bind(int port) throws IOException {
        try {
            return HttpServer.create(new InetSocketAddress(InetAddress.getByAddress("localhost", LOOPBACK), port), 50);
        } catch (BindException e) {
            throw new Cli.Exit(1, "Port " + port + " is taken: name another with --port, or 0 for any that is free.");
        } catch (IllegalArgumentException e) {
            throw new Cli.Exit(2, "Port " + port + " is not a valid port: 0 to 65535.");
        }
    }

    /** Returns a thread that does not keep the JVM alive, not started yet. */
    static Thread daemon(String name, Runnable task) {
        Thread thread = new Thread(task, name);
        thread.setDaemon(true);
        return thread;
    }

    String address() {
        return "http://127.0.0.1:" + port() + "/";
    }

    private int port() {
        return server.getAddress().getPort();
    }

    @Override
    public void close() {
        poll.interrupt();
        server.stop(0);
    }

    private void poll() {
        try {
            while (true) {
                Thread.sleep(POLL_INTERVAL_MS);
                update();
            }
        } catch (InterruptedException closed) {
            // the end
        }
    }

    /** Reads what is new, which makes another version, and drops readers that are too slow. */
    private void update() {
        long sum = 0;
        for (ReportRun run : runs) {
            try {
                run.readNew();
            } catch (IOException e) {
                run.notes.add("not all could be read: " + ReportRun.reason(e));
            }
            sum += run.version();
        }
        announce(sum);
        writingSince.forEach((exchange, since) -> {
            if (System.currentTimeMillis() - since > PATIENCE_MS) {
                writingSince.remove(exchange);
                exchange.close();
            }
        });
    }

    private synchronized void announce(long newVersionOfRuns) {
        if (newVersionOfRuns != versionOfRuns) {
            versionOfRuns = newVersionOfRuns;
            version++;
            notifyAll();
        }
    }

    /** Waits for another version, or a second. */
    private synchronized long nextVersion(long known) throws InterruptedException {
        if (known == version) {
            wait(1_000);
        }
        return version;
    }

    private synchronized byte[] zippedJson() throws IOException {
        if (versionOfJson != version) {
            ByteArrayOutputStream bytes = new ByteArrayOutputStream();
            try (OutputStream gzip = new GZIPOutputStream(bytes)) {
                gzip.write(ReportPage.json(runs).getBytes(StandardCharsets.UTF_8));
            }
            zippedJson = bytes.toByteArray();
            versionOfJson = version;
        }
        return zippedJson;
    }

    // ---- Answers ----

    private void answer(HttpExchange exchange) throws IOException {
        try (exchange) {
            exchange.getResponseHeaders().set("Cache-Control", "no-store");
            exchange.getResponseHeaders().set("X-Content-Type-Options", "nosniff");
            if (!isOurName(exchange)) {
                text(exchange, 403, "Not for this name.");
                return;
            }
            switch (exchange.getRequestURI().getPath()) {
                case "/" -> get(exchange, this::page);
                case "/data" -> get(exchange, this::data);
                case "/changes" -> get(exchange, this::changes);
                default -> text(exchange, 404, "There is nothing here.");
            }
        } finally {
            writingSince.remove(exchange);
        }
    }

    /** Refuses a page from elsewhere whose host name was made to mean 127.0.0.1: it sends that name. */
    private boolean isOurName(HttpExchange exchange) {
        String host = exchange.getRequestHeaders().getFirst("Host");
        return List.of("127.0.0.1:" + port(), "localhost:" + port()).contains(String.valueOf(host));
    }

    private interface Answer {
        void to(HttpExchange exchange) throws IOException;
    }

    private void get(HttpExchange exchange, Answer answer) throws IOException {
        if (exchange.getRequestMethod().equals("GET")) {
            answer.to(exchange);
        } else {
            text(exchange, 405, "Only GET.");
        }
    }

    private void page(HttpExchange exchange) throws IOException {
        send(
                exchange,
                200,
                "text/html; charset=utf-8",
                ReportPage.liveHtml(runs).getBytes(StandardCharsets.UTF_8));
    }

    private void data(HttpExchange exchange) throws IOException {
        exchange.getResponseHeaders().set("Content-Encoding", "gzip");
        send(exchange, 200, "application/json", zippedJson());
    }

    private void text(HttpExchange exchange, int code, String text) throws IOException {
        send(exchange, code, "text/plain; charset=utf-8", (text + "\n").getBytes(StandardCharsets.UTF_8));
    }

    private void send(HttpExchange exchange, int code, String type, byte[] body) throws IOException {
        exchange.getResponseHeaders().set("Content-Type", type);
        writingSince.put(exchange, System.currentTimeMillis());
        exchange.sendResponseHeaders(code, body.length);
        exchange.getResponseBody().write(body);
    }

    private void changes(HttpExchange exchange) throws IOException {
        if (readers.incrementAndGet() > MOST_READERS) {
            readers.decrementAndGet();
            text(exchange, 503, "Too many readers.");
            return;
        }
        try {
            sendVersions(exchange);
        } catch (InterruptedException closed) {
            // the end
        } finally {
            readers.decrementAndGet();
        }
    }

    /** Sends server-sent events: the version, when there is another, or every second as a sign of life. */
    private void sendVersions(HttpExchange exchange) throws IOException, InterruptedException {
        exchange.getResponseHeaders().set("Content-Type", "text/event-stream");
        exchange.sendResponseHeaders(200, 0);
        OutputStream out = exchange.getResponseBody();
        long known = 0;
        while (true) {
            known = nextVersion(known);
            writingSince.put(exchange, System.currentTimeMillis());
            out.write(("retry: 500\ndata: " + known + "\n\n").getBytes(StandardCharsets.UTF_8));
            out.flush();
            writingSince.remove(exchange);
        }
    }
}
