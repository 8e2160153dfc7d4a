import static org.junit.jupiter.api.Assertions.*;

import java.io.*;
import java.nio.charset.StandardCharsets;
import java.nio.file.*;
import java.time.Duration;
import java.util.*;
import java.util.function.Predicate;
import java.util.regex.*;
import java.util.stream.*;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * Checks the lab's messages: both languages have the same texts with the same placeholders, each is used, none is
 * truncated or half translated.
 */
class LabMessagesTest {
    private static final Pattern PLACE = Pattern.compile("%(?:\\d+\\$[,.\\d]*[dfs]|%)");
    private static final Messages EN = LabJournal.messages("en");
    private static final Messages RU = LabJournal.messages("ru");
    private static final Pattern CYRILLIC = Pattern.compile("\\p{IsCyrillic}");

    private static Map<String, String> catalogue(String language) throws Exception {
        Properties texts = new Properties() {
            @Override
            public synchronized Object put(Object key, Object value) {
                assertFalse(containsKey(key), key + " is there twice");
                return super.put(key, value);
            }
        };
        for (String bundle : List.of("lab/lab-messages", "outage/outage-messages")) {
            Path file = ContractTest.REPO.resolve("scripts/lib/" + bundle + language + ".properties");
            try (Reader in = Files.newBufferedReader(file, StandardCharsets.UTF_8)) {
                texts.load(in);
            }
        }
        return new TreeMap<>(texts.entrySet().stream()
                .collect(Collectors.toMap(e -> (String) e.getKey(), e -> (String) e.getValue())));
    }

    private static Map<String, String> english() throws Exception {
        return catalogue("");
    }

    private static Map<String, String> russian() throws Exception {
        return catalogue("_ru");
    }

    private static List<String> places(String text) {
        return PLACE.matcher(text).results().map(MatchResult::group).sorted().toList();
    }

    private static boolean isRussian(String text) {
        return CYRILLIC.matcher(text).find();
    }

    private static String source() throws Exception {
        StringBuilder text = new StringBuilder();
        try (Stream<Path> files = Files.walk(ContractTest.REPO.resolve("scripts"))) {
            for (Path f : files.filter(f -> f.getFileName().toString().matches("(Lab|Scenario|Probe|Outage).*\\.java")
                            || f.endsWith("scenarios/" + f.getFileName()))
                    .sorted()
                    .toList()) text.append(Files.readString(f));
        }
        return text.toString();
    }

    @Test
    void bothHaveTheSameKeysAndPlaces() throws Exception {
        Map<String, String> en = english(), ru = russian();
        assertTrue(en.size() > 150, en.size() + " texts");
        assertEquals(en.keySet(), ru.keySet());
        for (String key : en.keySet()) {
            assertEquals(places(en.get(key)), places(ru.get(key)), "the places of " + key);
            for (String text : List.of(en.get(key), ru.get(key))) {
                assertEquals(
                        "",
                        PLACE.matcher(text).replaceAll("").replaceAll("[^%]", ""),
                        key + " has a percent sign that fills in nothing: " + text);
                assertFalse(
                        text.isBlank()
                                || text.contains("''")
                                || text.contains("{")
                                || text.contains("  ")
                                || !text.equals(text.strip()),
                        key + ": " + text);
            }
        }
    }

    @Test
    void eachIsOfItsLanguage() throws Exception {
        Map<String, String> en = english(), ru = russian();
        for (String key : en.keySet()) {
            assertFalse(isRussian(en.get(key)), key);
            boolean words = PLACE.matcher(en.get(key)).replaceAll("").matches("(?s).*[A-Za-z].*");
            assertEquals(words, isRussian(ru.get(key)), key + ": " + ru.get(key));
            // English words may only be names of options, commands, files or properties, or Kafka's own term in
            // parentheses.
            String rest = PLACE.matcher(ru.get(key))
                    .replaceAll("")
                    .replaceAll("\\([^)]*\\)|`[^`]*`|[\\w-]+[._=/][\\w.=/-]+|(?<!\\w)--?[\\w-]+", "")
                    .replaceAll(
                            "kill-node( --mode pause)?|start-node|watch-\\w+|check-delivery|cluster up|docker compose"
                                + " up|docker"
                                + " ps|compose-|docker|compose|PATH|Debian|Docker|Kafka|ISR|UTC|PASS|FAIL|INCOMPLETE"
                                + "|INTERRUPTED|acks|heartbeat|high"
                                + " watermark|request|SIG\\w+|Java|kraft-lab|resilient-producer|events"
                                + "|unfenced|kill|stop|pause|disconnect",
                            "");
            assertFalse(
                    Pattern.compile("[A-Za-z]{2,}").matcher(rest).find(), key + " is half translated: " + ru.get(key));
        }
    }

    /** Texts keep their apostrophes when the lab fills them in. */
    @Test
    void eachCanBeFilledIn() throws Exception {
        for (Messages words : List.of(EN, RU))
            for (Map.Entry<String, String> e : (words == EN ? english() : russian()).entrySet()) {
                int most = PLACE.matcher(e.getValue())
                        .results()
                        .map(m -> m.group().replaceAll("%(\\d*).*", "$1"))
                        .filter(n -> !n.isEmpty())
                        .mapToInt(Integer::parseInt)
                        .max()
                        .orElse(0);
                Object[] args = new Object[most];
                for (Matcher m = Pattern.compile("%(\\d+)\\$[,.\\d]*([dfs])").matcher(e.getValue()); m.find(); )
                    args[Integer.parseInt(m.group(1)) - 1] = switch (m.group(2)) {
                        case "d" -> (Object) 1234L;
                        case "f" -> 1234.5;
                        default -> "WORD";
                    };
                assertFalse(Arrays.asList(args).contains(null), e.getKey() + " does not use all that it gets");
                String said = words.text(e.getKey(), args);
                assertEquals(
                        e.getValue().chars().filter(c -> c == '\'').count(),
                        said.chars().filter(c -> c == '\'').count(),
                        "apostrophes of " + said);
                assertEquals(Arrays.stream(args).filter("WORD"::equals).count() > 0, said.contains("WORD"), said);
            }
        assertTrue(
                EN.text("load.means", 47032.3, 44.85).contains("47,032 records/s (44.9 MB/s)")
                        && EN.text("load.means", 1.0, 1.0).contains("the producer's own buffer: it"),
                EN.text("load.means", 1.0, 1.0));
        assertTrue(
                RU.text("load.means", 47032.3, 44.85)
                        .contains("47\u00a0032 \u0437\u0430\u043f\u0438\u0441\u0435\u0439/\u0441 (44,9"
                                + " \u041c\u0411/\u0441)"),
                RU.text("load.means", 47032.3, 44.85));
    }

    @Test
    void eachIsUsedAndWhatIsUsedIsThere() throws Exception {
        String source = source();
        Set<String> keys = english().keySet();
        for (String key : keys) {
            int dot = key.lastIndexOf('.');
            boolean composed = source.contains('"' + key.substring(0, dot + 1) + "\" + ")
                    && Pattern.compile("(?<![\\w.-])" + key.substring(dot + 1) + "(?![\\w-])")
                            .matcher(source)
                            .find();
            assertTrue(
                    source.contains('"' + key + '"') || source.contains(" @" + key + "\n") || composed,
                    key + " is used nowhere");
        }
        int found = 0;
        for (Matcher m = Pattern.compile("(?:text|say|Note|waited\\(at, after)(?:\\(|,"
                                + " )\"([a-z-]+\\.[a-z-]+)\"|@([a-z]+\\.[a-z-]+)\n")
                        .matcher(source);
                m.find();
                found++)
            assertTrue(keys.contains(m.group(1) == null ? m.group(2) : m.group(1)), m.group() + " is in no catalogue");
        assertTrue(found > 100, "only " + found);
        for (String fault : List.of("kill", "stop", "pause", "disconnect"))
            for (String group : List.of("title", "done", "after", "usual", "mode"))
                assertTrue(keys.contains(group + "." + fault), group + "." + fault);
        for (Outage.Phase p : Outage.Phase.values()) assertTrue(keys.contains("phase." + p), "" + p);
        for (String condition : List.of("controller", "no-quorum", "out-of-isr", "in-sync"))
            assertTrue(keys.contains("await." + condition), condition);
    }

    @ParameterizedTest
    @ValueSource(strings = {"de", "", "EN ", "../x", "en_US"})
    void anotherLanguageIsOneSentence(String language) {
        TestCluster.Run run = TestCluster.run(
                Lab::run,
                "--lang",
                language,
                "--out",
                TestCluster.HOME.resolve("none").toString());
        assertEquals(2, run.code(), run.toString());
        assertEquals("'" + language + "' is not a supported language: use --lang en or ru.\n", run.err());
        assertFalse(Files.exists(TestCluster.HOME.resolve("none")), "refused before anything is made");
    }

    /** Where voters are not brokers, broken nodes do not count as lost voters: nothing unknown is counted. */
    @Test
    void votersAreCountedOnlyWhereEachNodeIsOne() throws Exception {
        for (Messages language : List.of(EN, RU))
            for (boolean combined : List.of(true, false)) {
                LabJournal journal = journal(language);
                LabCluster cluster = new Shape(journal, combined);
                LabNodes nodes = new LabNodes(cluster, journal) {
                    @Override
                    List<Integer> broken() {
                        return List.of(1, 2);
                    }
                };
                LabWatch watch = new LabWatch(journal, List.of(), snapshot -> {}) {
                    @Override
                    synchronized WatchIsr.Snapshot await(String what, Predicate<WatchIsr.Snapshot> condition) {
                        return null;
                    }
                };
                LabScenario scenario = LabScenario.parse("f", List.of("await no-quorum", "probe"), language);
                ScenarioRun.Parts parts = new ScenarioRun.Parts(cluster, journal, watch, null, nodes, Duration.ZERO);
                ScenarioRun run = new ScenarioRun(scenario, parts, "topic");
                run.perform(scenario.actions.get(0));
                List<String> said = new ArrayList<>(journal.steps.get(0).lines);
                said.add(run.title(scenario.actions.get(1)));
                assertEquals(2, said.size());
                assertTrue(said.get(0).contains("WHEN"), said.toString());
                for (String text : said) assertEquals(combined, text.contains("1") && text.contains("3"), text);
            }
    }

    /** Returns a journal that writes WHEN for a time, so that digits are no part of it. */
    private static LabJournal journal(Messages language) {
        Cli.Common common = new Cli.Common();
        common.out = LabJournal.quiet();
        LabJournal journal = new LabJournal(common, language, Writer.nullWriter()) {
            @Override
            void waited(Since since, String key, Object... args) {
                say(key, Stream.concat(Stream.of(args), Stream.of("WHEN")).toArray());
            }
        };
        journal.begin("", "");
        return journal;
    }

    private static final class Shape extends LabCluster {
        Shape(LabJournal journal, boolean combined) {
            super(new Settings(KillNode.RuntimeKind.EMBEDDED, Optional.empty(), null, null, null), null, journal);
            this.combined = combined;
        }

        @Override
        String command() {
            return "";
        }

        @Override
        String up() {
            return "";
        }

        @Override
        Reach reach() {
            return null;
        }

        @Override
        void endAndDelete() {}

        @Override
        void endAndKeep() {}
    }

    @Test
    void builtInScenariosAreInBothAndAFileIsAsItIs() throws Exception {
        for (String name : LabScenario.BUILT_IN) {
            LabScenario en = LabScenario.of(name, EN), ru = LabScenario.of(name, RU);
            assertTrue(isRussian(ru.title) && !isRussian(en.title), ru.title + "; " + en.title);
            assertEquals(
                    en.actions.stream()
                            .map(a ->
                                    a.word() + a.target() + a.time() + a.place().turn())
                            .toList(),
                    ru.actions.stream()
                            .map(a ->
                                    a.word() + a.target() + a.time() + a.place().turn())
                            .toList());
            for (LabScenario.Action a : ru.actions) if (a.text() != null) assertTrue(isRussian(a.text()), a.toString());
            for (LabScenario.Action a : en.actions)
                if (a.text() != null)
                    assertFalse(isRussian(a.text()) || a.text().contains("@"), a.toString());
        }
        assertEquals(
                "My @classic.title",
                LabScenario.of(
                                Files.writeString(
                                                TestCluster.HOME.resolve("own.txt"), "title My @classic.title\nprobe\n")
                                        .toString(),
                                RU)
                        .title);
    }

    // ---- Texts composed of several messages ----

    private static ProbeAnswer answer(String question, int node, ProbeAnswer.Outcome outcome, long ms, String detail) {
        return new ProbeAnswer(
                question,
                node,
                new ProbeAnswer.Result(
                        outcome, outcome == ProbeAnswer.Outcome.FAILS ? "NotEnoughReplicas" : null, detail),
                ms,
                ProbeAnswer.Offsets.NONE);
    }

    private static String meaning(List<ProbeAnswer> answers, Messages words) {
        return new ProbeMeaning(answers, words).text();
    }

    @Test
    void aProbesMeaning() {
        ProbeAnswer.Outcome ok = ProbeAnswer.Outcome.OK,
                hangs = ProbeAnswer.Outcome.HANGS,
                fails = ProbeAnswer.Outcome.FAILS;
        List<ProbeAnswer> well = List.of(
                answer("produce acks=1", 2, ok, 20, ""),
                answer("produce acks=1", 3, ok, 21, ""),
                answer("group join", -1, ok, 300, ""));
        assertEquals(
                "All 3 checks succeeded; the slowest, group join, took 300 ms. All leaders are on nodes "
                        + "2 and 3, and clients find them there: one dead node reduces redundancy, and nothing "
                        + "else.",
                meaning(well, EN));
        assertTrue(
                meaning(well, RU)
                        .startsWith("\u0412\u0441\u0435 \u043f\u0440\u043e\u0432\u0435\u0440\u043a\u0438 (3) "
                                + "\u0443\u0441\u043f\u0435\u0448\u043d\u044b; \u0441\u0430\u043c\u0430\u044f "
                                + "\u043c\u0435\u0434\u043b\u0435\u043d\u043d\u0430\u044f \u2014 `group join`, 300 "
                                + "\u043c\u0441. \u041b\u0438\u0434\u0435\u0440\u044b "
                                + "\u043f\u0430\u0440\u0442\u0438\u0446\u0438\u0439 \u0435\u0441\u0442\u044c "
                                + "\u0442\u043e\u043b\u044c\u043a\u043e \u0437\u0434\u0435\u0441\u044c: "
                                + "\u0443\u0437\u043b\u044b 2 \u0438 3; "),
                meaning(well, RU));
        List<ProbeAnswer> back = new ArrayList<>(well);
        back.add(0, answer("describe cluster", -1, ok, 5, "brokers 1,2,3"));
        assertTrue(
                meaning(back, EN)
                        .endsWith("All nodes are up, but all leaders are on nodes 2 and 3: a node that was away is "
                                + "a follower until the controller moves leaders back, within five minutes."),
                meaning(back, EN));
        List<ProbeAnswer> lost = List.of(
                answer(
                        "describe topics",
                        -1,
                        ok,
                        13,
                        "5 topics, in-sync replicas 80 of 120; of these 40 on silent nodes: frozen metadata"),
                answer("metadata quorum", -1, hangs, 3000, "no answer"),
                answer("produce acks=1", 2, hangs, 3000, ""),
                new ProbeAnswer(
                        "produce acks=1", 3, new ProbeAnswer.Result(ok, null, ""), 27, new ProbeAnswer.Offsets(7, 6)),
                answer("produce acks=all", 3, fails, 40, ""));
        assertEquals(
                "Of 5 checks, 3 failed or timed out. No node answers: metadata quorum, produce acks=all. "
                        + "Requests to partitions that the metadata says are led by node 2 time out too. "
                        + "Describing still works (13 ms), but from frozen metadata, as of when there was a "
                        + "controller: it reports in-sync replicas 80 of 120; of these 40 on silent nodes. "
                        + "Partitions led by node 3 still accept a record with acks=1. The record was acknowledged "
                        + "at offset 7, but the high watermark is 6: acknowledged and invisible. No consumer reads "
                        + "it before the other replicas have it, and if node 3 does not survive, it is lost. "
                        + "acks=all is refused (NotEnoughReplicas): it promises nothing that it cannot keep.",
                meaning(lost, EN));
        assertTrue(
                meaning(lost, RU)
                        .contains("\u0440\u0435\u043f\u043b\u0438\u043a \u0432 ISR 80 \u0438\u0437 120, \u0432"
                                + " \u0442\u043e\u043c \u0447\u0438\u0441\u043b\u0435 \u043d\u0430"
                                + " \u043c\u043e\u043b\u0447\u0430\u0449\u0438\u0445"
                                + " \u0443\u0437\u043b\u0430\u0445 40."
                                + " \u041f\u0430\u0440\u0442\u0438\u0446\u0438\u0438,"
                                + " \u043b\u0438\u0434\u0435\u0440\u044b"
                                + " \u043a\u043e\u0442\u043e\u0440\u044b\u0445 \u0437\u0434\u0435\u0441\u044c:"
                                + " \u0443\u0437\u0435\u043b 3, \u2014 \u0432\u0441\u0451 \u0435\u0449\u0451"),
                meaning(lost, RU));
    }

    /** Uses the default run, with gaps as long as Kafka's default timeouts cause. */
    @Test
    void theVerdictFitsATerminalOf200Columns() {
        for (Messages words : List.of(EN, RU)) {
            String counts = words.text("verdict.counts", 99_999L, 0L, 0L, 0L, 99.99) + "; "
                    + words.text("verdict.load", 1_000_000L, 1_000_000L, 0L);
            String verdict = words.text("verdict.pass", counts);
            assertTrue(verdict.length() <= 200, verdict.length() + ": " + verdict);
        }
    }

    @Test
    void theTablesOfOutages() throws Exception {
        OutageFindings seen = OutageAnalysis.of(ReportTest.run().stream()
                .map(l -> {
                    try {
                        return com.fasterxml.jackson.jr.ob.JSON.std.mapFrom(l);
                    } catch (IOException e) {
                        throw new UncheckedIOException(e);
                    }
                })
                .toList());
        String en = new OutageTable(seen, OutageTable.Gaps.LONGEST, EN).markdown(),
                ru = new OutageTable(seen, OutageTable.Gaps.LONGEST, RU).markdown();
        assertTrue(
                en.startsWith("| # | fault | at | controller | leaders elected | first ack | last partition's | in"
                                + " sync | longest gap |\n"
                                + "|---|---|---:|")
                        && en.contains("| 1 | kill node 1 | 12:00:10.000 | 2 epoch 4, +2.00 s |"),
                en);
        assertTrue(
                ru.startsWith("| # | \u043e\u0442\u043a\u0430\u0437 | \u0432\u0440\u0435\u043c\u044f |"
                                + " \u043a\u043e\u043d\u0442\u0440\u043e\u043b\u043b\u0435\u0440 |")
                        && ru.contains("| 1 | kill, \u0443\u0437\u0435\u043b 1 | 12:00:10.000 | 2,"
                                + " \u044d\u043f\u043e\u0445\u0430 4, +2,00 \u0441 |"),
                ru);
        assertEquals(en.lines().count(), ru.lines().count());
        assertTrue(
                new OutageTable(seen, OutageTable.Gaps.LONGEST, EN).text().startsWith("#  FAULT ")
                        && new OutageTable(seen, OutageTable.Gaps.LONGEST, EN)
                                .text()
                                .contains("LEADERS, ISR")
                        && new OutageTable(seen, OutageTable.Gaps.LONGEST, RU)
                                .text()
                                .startsWith("#  \u041e\u0422\u041a\u0410\u0417 "),
                new OutageTable(seen, OutageTable.Gaps.LONGEST, RU).text());
        for (String remark : ru.lines().filter(l -> l.startsWith("- ")).toList()) assertTrue(isRussian(remark), remark);
        assertEquals(
                List.of(),
                seen.outages().get(0).notes().stream()
                        .filter(LabMessagesTest::isRussian)
                        .toList(),
                "the stream is in English");
    }
}
