import static org.junit.jupiter.api.Assertions.*;

import com.fasterxml.jackson.jr.ob.JSON;
import java.io.*;
import java.net.*;
import java.net.http.*;
import java.nio.file.*;
import java.util.*;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import org.opentest4j.TestAbortedException;

/** Drives a headless Chromium through ChromeDriver's HTTP interface, as far as the page tests need it. */
class Browser implements Closeable {
    private static final HttpClient HTTP = HttpClient.newHttpClient();
    private final Process driver;
    private final Path profile;
    private final String base;
    private String session;

    /** Aborts the test if there is no browser, naming the missing program. */
    static void required() {
        AllTests.needs("browser");
        for (String program : List.of("chromium", "chromedriver"))
            if (Stream.of(System.getenv("PATH").split(File.pathSeparator))
                    .noneMatch(folder -> Files.isExecutable(Path.of(folder, program))))
                throw new TestAbortedException("There is no " + program
                        + " on the PATH: install it (Debian: chromium, chromium-driver) and the tests in a"
                        + " browser will run.");
    }

    Browser() throws Exception {
        required();
        profile = Files.createTempDirectory("kraft-lab-browser");
        int port;
        try (ServerSocket free = new ServerSocket(0, 1, InetAddress.getLoopbackAddress())) {
            port = free.getLocalPort();
        }
        base = "http://127.0.0.1:" + port;
        driver = new ProcessBuilder("chromedriver", "--port=" + port)
                .redirectErrorStream(true)
                .redirectOutput(profile.resolve("driver.log").toFile())
                .start();
        Runtime.getRuntime().addShutdownHook(new Thread(this::end));
        TestCluster.await("ChromeDriver answers", () -> {
            try {
                return ((Map<?, ?>) call("GET", "/status", null)).get("ready").equals(true);
            } catch (IOException notYet) {
                return false;
            }
        });
        List<String> options = List.of(
                "--headless=new",
                "--no-sandbox",
                "--disable-gpu",
                "--disable-quic",
                "--no-first-run",
                "--disable-background-networking",
                "--disable-component-update",
                "--disable-sync",
                "--disable-dev-shm-usage",
                "--hide-scrollbars",
                "--user-data-dir=" + profile.resolve("profile"));
        Map<?, ?> made = (Map<?, ?>) call(
                "POST",
                "/session",
                Map.of(
                        "capabilities",
                        Map.of(
                                "alwaysMatch",
                                Map.of(
                                        "goog:chromeOptions",
                                        Map.of("args", options),
                                        "goog:loggingPrefs",
                                        Map.of("browser", "ALL")))));
        session = "/session/" + made.get("sessionId");
    }

    private Object call(String method, String path, Object body) throws IOException {
        try {
            HttpRequest request = HttpRequest.newBuilder(URI.create(base + path))
                    .header("Content-Type", "application/json")
                    .method(
                            method,
                            body == null
                                    ? HttpRequest.BodyPublishers.noBody()
                                    : HttpRequest.BodyPublishers.ofString(JSON.std.asString(body)))
                    .build();
            HttpResponse<String> answer = HTTP.send(request, HttpResponse.BodyHandlers.ofString());
            Object value = JSON.std.mapFrom(answer.body()).get("value");
            if (answer.statusCode() != 200) throw new AssertionError(path + ": " + value);
            return value;
        } catch (InterruptedException e) {
            throw new InterruptedIOException();
        }
    }

    /** Opens a page, and waits until its script has drawn it. */
    void open(String url) throws Exception {
        call("POST", session + "/url", Map.of("url", url));
        TestCluster.await(
                "the page has drawn itself",
                () -> js("return document.documentElement.dataset.ready != null")
                        .equals(true));
    }

    /** Returns the result of a function body that runs in the page. */
    Object js(String body, Object... args) throws IOException {
        return call("POST", session + "/execute/sync", Map.of("script", body, "args", List.of(args)));
    }

    double number(String body, Object... args) throws IOException {
        return ((Number) js(body, args)).doubleValue();
    }
    /**
     * Returns the text of the first matching element, or an empty string: a page that is still being drawn is polled.
     */
    String text(String selector) throws IOException {
        return (String) js("const e = document.querySelector(arguments[0]); return e ? e.innerText : ''", selector);
    }

    /** Sends a command of the DevTools protocol. */
    Map<?, ?> devTools(String command, Map<String, ?> parameters) throws IOException {
        return (Map<?, ?>) call("POST", session + "/goog/cdp/execute", Map.of("cmd", command, "params", parameters));
    }

    void viewport(int width, int height, boolean dark) throws IOException {
        devTools(
                "Emulation.setDeviceMetricsOverride",
                Map.of("width", width, "height", height, "deviceScaleFactor", 1, "mobile", width < 500));
        devTools(
                "Emulation.setEmulatedMedia",
                Map.of("features", List.of(Map.of("name", "prefers-color-scheme", "value", dark ? "dark" : "light"))));
    }

    /** Returns a screenshot of the whole page, however long it is. */
    byte[] picture() throws IOException {
        return Base64.getDecoder().decode((String)
                devTools("Page.captureScreenshot", Map.of("format", "png", "captureBeyondViewport", true))
                        .get("data"));
    }

    private void mouse(String type, double x, double y, int buttons) throws IOException {
        devTools(
                "Input.dispatchMouseEvent",
                Map.of(
                        "type",
                        type,
                        "x",
                        x,
                        "y",
                        y,
                        "button",
                        type.equals("mouseMoved") ? "none" : "left",
                        "buttons",
                        buttons,
                        "clickCount",
                        1));
    }

    void moveTo(double x, double y) throws IOException {
        mouse("mouseMoved", x, y, 0);
    }

    void click(double x, double y) throws IOException {
        moveTo(x, y);
        mouse("mousePressed", x, y, 1);
        mouse("mouseReleased", x, y, 0);
    }

    void drag(double x0, double x1, double y) throws IOException {
        moveTo(x0, y);
        mouse("mousePressed", x0, y, 1);
        for (int i = 1; i <= 5; i++) mouse("mouseMoved", x0 + (x1 - x0) * i / 5, y, 1);
        mouse("mouseReleased", x1, y, 0);
    }

    void click(String selector) throws IOException {
        List<?> at = (List<?>) js(
                "const e = document.querySelector(arguments[0]); e.scrollIntoView({block: 'center'}); const r ="
                        + " e.getBoundingClientRect(); return [r.x + r.width / 2, r.y + r.height / 2]",
                selector);
        click(((Number) at.get(0)).doubleValue(), ((Number) at.get(1)).doubleValue());
    }

    void key(String key) throws IOException {
        for (String type : List.of("keyDown", "keyUp"))
            devTools(
                    "Input.dispatchKeyEvent",
                    key.length() == 1 && type.equals("keyDown")
                            ? Map.of("type", type, "key", key, "text", key)
                            : Map.of("type", type, "key", key));
    }

    /** Returns the console messages since the last call, without those that the page does not cause. */
    List<String> complaints() throws IOException {
        return ((List<?>) call("POST", session + "/se/log", Map.of("type", "browser")))
                .stream()
                        .map(e -> (Map<?, ?>) e)
                        .filter(e -> !List.of("INFO", "DEBUG").contains(e.get("level")))
                        .map(e -> String.valueOf(e.get("message")))
                        .toList();
    }

    private void end() {
        Stream.concat(driver.descendants(), Stream.of(driver.toHandle()))
                .toList()
                .forEach(ProcessHandle::destroyForcibly);
    }

    @Override
    public void close() throws IOException {
        try {
            if (session != null) call("DELETE", session, null);
        } finally {
            end();
            try {
                driver.waitFor(10, TimeUnit.SECONDS);
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
            }
            try (Stream<Path> files = Files.walk(profile)) {
                for (Path f : files.sorted(Comparator.reverseOrder()).toList()) Files.deleteIfExists(f);
            } catch (IOException | UncheckedIOException left) {
                /* the browser's last writes */
            }
        }
    }
}
