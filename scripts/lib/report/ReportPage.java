//DEPS org.webjars.npm:uplot:1.6.30
//FILES report/page.html=page.html
//FILES report/colours.css=colours.css
//FILES report/page.css=page.css
//FILES report/state.js=state.js
//FILES report/text.js=text.js
//FILES report/model.js=model.js
//FILES report/align.js=align.js
//FILES report/panels.js=panels.js
//FILES report/pen.js=pen.js
//FILES report/panels-cluster.js=panels-cluster.js
//FILES report/panels-clients.js=panels-clients.js
//FILES report/panels-partitions.js=panels-partitions.js
//FILES report/timeline.js=timeline.js
//FILES report/verdict.js=verdict.js
//FILES report/tables.js=tables.js
//FILES report/percentiles.js=percentiles.js
//FILES report/page.js=page.js
//FILES report/live.js=live.js

import com.fasterxml.jackson.jr.ob.JSON;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.Base64;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Collectors;

/**
 * Puts the page together: one file that holds its style, uPlot, its script and the data, in which nothing can end the
 * element that it is in.
 */
final class ReportPage {
    private static final String UPLOT = "META-INF/resources/webjars/uplot/1.6.30/";
    /**
     * In this order they are one script: a file only uses what those before it define, but for what it does on events.
     */
    private static final List<String> SCRIPTS = List.of(
            "state",
            "text",
            "model",
            "align",
            "panels",
            "pen",
            "panels-cluster",
            "panels-clients",
            "panels-partitions",
            "timeline",
            "verdict",
            "tables",
            "percentiles",
            "page",
            "live");

    private static final Pattern PLACEHOLDER = Pattern.compile("\\$[A-Z]+");
    private static final Pattern UNSAFE = Pattern.compile("[<>&\u2028\u2029]");

    private ReportPage() {}

    /**
     * Writes the page, in place of one that report made: another file stays as it is, and a link is not followed,
     * unless to a pipe or a device.
     */
    static void write(Path file, List<ReportRun> runs) throws IOException {
        boolean isPipeOrDevice = Files.exists(file) && !Files.isRegularFile(file) && !Files.isDirectory(file);
        if (isPipeOrDevice) {
            Files.writeString(file, html(runs), StandardOpenOption.WRITE);
            return;
        }
        if (Files.isSymbolicLink(file)) {
            throw new Cli.Exit(
                    Cli.REFUSED,
                    "The page " + file + " is a link, which report does not follow: name another with --out.");
        }
        if (Files.isRegularFile(file) && !isPage(file)) {
            throw new Cli.Exit(
                    Cli.REFUSED,
                    file + " is there and is no page of report, so it stays as it is: name another with --out.");
        }
        Files.writeString(
                file,
                html(runs),
                StandardOpenOption.CREATE,
                StandardOpenOption.WRITE,
                StandardOpenOption.TRUNCATE_EXISTING,
                LinkOption.NOFOLLOW_LINKS);
    }

    /** Recognizes a page of report by its head; an empty file is nobody's. */
    private static boolean isPage(Path file) throws IOException {
        try (InputStream in = Files.newInputStream(file)) {
            String head = new String(in.readNBytes(2000), StandardCharsets.UTF_8);
            return head.isEmpty()
                    || head.startsWith("<!DOCTYPE html>")
                            && head.contains("<title>kraft-lab: ")
                            && head.contains("Content-Security-Policy");
        }
    }

    /** Returns the page to open from disk, which fetches nothing. */
    static String html(List<ReportRun> runs) throws IOException {
        return html(runs, Map.of("$CONNECT", "'none'", "$LIVE", "false"));
    }

    /** Returns the page to be served, which asks its server for changes. */
    static String liveHtml(List<ReportRun> runs) throws IOException {
        return html(runs, Map.of("$CONNECT", "'self'", "$LIVE", "true"));
    }

    private static String html(List<ReportRun> runs, Map<String, String> kind) throws IOException {
        String uplot = "/*!\n" + uplot("LICENSE").replace("*/", "") + "*/\n" + uplot("dist/uPlot.iife.min.js");
        String script = script();
        String title = "kraft-lab: " + runs.stream().map(run -> run.name).collect(Collectors.joining(", "));
        Map<String, String> parts = Map.of(
                "$HASHES",
                hash(uplot) + " " + hash(script),
                "$TITLE",
                title.replace("&", "&amp;").replace("<", "&lt;"),
                "$STYLE",
                uplot("dist/uPlot.min.css") + resource("report/colours.css") + resource("report/page.css"),
                "$UPLOT",
                uplot,
                "$SCRIPT",
                script,
                "$DATA",
                json(runs));
        return PLACEHOLDER
                .matcher(resource("report/page.html"))
                .replaceAll(match -> Matcher.quoteReplacement(
                        kind.getOrDefault(match.group(), parts.getOrDefault(match.group(), match.group()))));
    }

    private static String script() throws IOException {
        StringBuilder script = new StringBuilder();
        for (String module : SCRIPTS) {
            script.append(resource("report/" + module + ".js"));
        }
        return script.toString();
    }

    /** Returns the runs as JSON, in which no character can end a script element. */
    static String json(List<ReportRun> runs) throws IOException {
        String json = JSON.std
                .with(JSON.Feature.WRITE_NULL_PROPERTIES)
                .asString(Map.of("runs", runs.stream().map(ReportRun::forPage).toList()));
        return UNSAFE.matcher(json)
                .replaceAll(match -> String.format(
                        Locale.ROOT, "\\\\u%04x", (int) match.group().charAt(0)));
    }

    private static String uplot(String name) throws IOException {
        return resource(UPLOT + name);
    }

    private static String resource(String name) throws IOException {
        try (InputStream in = ReportPage.class.getClassLoader().getResourceAsStream(name)) {
            if (in == null) {
                throw new Cli.Exit(1, name + " is not on the class path: run it with JBang, which fetches it.");
            }
            return new String(in.readAllBytes(), StandardCharsets.UTF_8);
        }
    }

    /** Returns a script's hash as the Content Security Policy has it, so that no other script runs. */
    private static String hash(String script) {
        try {
            byte[] digest = MessageDigest.getInstance("SHA-256").digest(script.getBytes(StandardCharsets.UTF_8));
            return "'sha256-" + Base64.getEncoder().encodeToString(digest) + "'";
        } catch (NoSuchAlgorithmException e) {
            throw new IllegalStateException(e);
        }
    }
}
