import static org.junit.jupiter.api.Assertions.*;

import java.util.*;
import java.util.stream.*;
import org.junit.jupiter.api.*;

/** Checks compare-settings with computed loads, and with a producer whose delays are known. */
@Order(13)
@Tag("timed")
class CompareSettingsTest {
    private static final String[] LOAD = {"--topic", "t", "--record-size", "10"};

    private static TestCluster.Run run(CompareSettings compare, String args) {
        String[] words = TestCluster.with(LOAD, args.trim().split(" +"));
        return TestCluster.run((out, err, all) -> compare.common.run(compare, out, err, all), words);
    }

    /** Runs with computed loads, each a little slower than the one before, and records the order of the settings. */
    private static TestCluster.Run run(List<String> asked, String args) {
        CompareSettings compare = new CompareSettings() {
            @Override
            PerfTest.Summary load(String setting) {
                asked.add(setting);
                return FindMaxRateTest.summary(1000 - 3 * asked.size(), 1, 100 + 3 * asked.size());
            }
        };
        return run(compare, args);
    }

    // ---- Ratios ----

    @Test
    void ratiosHaveTheirInterval() {
        CompareSettings.Ratio same = CompareSettings.Ratio.of(2, 2, 2, 2);
        for (double value : new double[] {same.mean(), same.low(), same.high()}) {
            assertEquals(2, value, 1e-9);
        }
        // Logarithms -0.223 and 0.223: mean 0, standard error 0.223, t 12.706.
        CompareSettings.Ratio wide = CompareSettings.Ratio.of(0.8, 1.25);
        assertEquals(1, wide.mean(), 1e-9);
        assertEquals(Math.exp(12.706204736 * Math.log(1.25)), wide.high(), 1e-6);
        assertFalse(wide.shown());
        assertTrue(wide.toString().contains("no difference shown"), wide.toString());
        CompareSettings.Ratio narrow = CompareSettings.Ratio.of(1.10, 1.12, 1.08, 1.11, 1.09);
        assertTrue(narrow.shown() && narrow.low() > 1.07 && narrow.high() < 1.13, narrow.toString());
    }

    @Test
    void ofTwentyComparisonsOfLikeWithLikeOneShowsADifference() {
        Random random = new Random(3);
        long shown = IntStream.range(0, 2000)
                .mapToObj(i -> random.doubles(6).map(x -> Math.exp(random.nextGaussian() * 0.1)))
                .filter(ratios -> CompareSettings.Ratio.of(ratios.toArray()).shown())
                .count();
        assertEquals(0.05, shown / 2000.0, 0.02);
    }

    @Test
    void aKnownDifferenceIsShown() throws Exception {
        CompareSettings compare = new CompareSettings() {
            @Override
            PerfTest perf() {
                return KnownServer.perf(50_000);
            }
        };
        String args = "--throughput 500 --rounds 4 --duration 200ms --setting delay=200 --setting delay=400";
        compare.common.configure(
                compare, TestCluster.quiet(), TestCluster.quiet(), TestCluster.with(LOAD, args.split(" ")));
        List<Map<String, Object>> events = new ArrayList<>();
        compare.common.listener = events::add;
        Map<String, CompareSettings.Ratio> p50 = compare.compare().stream()
                .filter(row -> row.figure().equals("p50 ms") && row.ratio() != null)
                .collect(Collectors.toMap(CompareSettings.Row::setting, CompareSettings.Row::ratio));
        assertEquals(2, p50.get("B").mean(), 0.2);
        assertTrue(p50.get("B").shown(), p50.toString());
        for (Map<String, Object> event : events) {
            ContractTest.Schema.validate(event);
        }
        assertEquals(4, events.size(), "a ratio of each of four figures");
        assertEquals(
                Set.of("delay=200 delay=400"),
                events.stream().map(e -> e.get("to") + " " + e.get("setting")).collect(Collectors.toSet()));
    }

    // ---- The order ----

    /**
     * Settings run forwards and backwards, so that a machine that slows down affects both alike: two equal settings
     * show no difference, although each round had one.
     */
    @Test
    void likeAndLikeShowNoDifferenceOnAMachineThatGetsSlower() {
        List<String> asked = new ArrayList<>();
        TestCluster.Run run = run(asked, "--throughput 500 --rounds 4 --setting acks=-1 --setting acks=all");
        assertEquals(0, run.code(), run.toString());
        assertEquals(List.of("acks=-1", "acks=all"), asked.subList(0, 2), "the first of each is not compared");
        List<String> twoRounds = List.of("acks=-1", "acks=all", "acks=all", "acks=-1");
        assertEquals(Stream.concat(twoRounds.stream(), twoRounds.stream()).toList(), asked.subList(2, asked.size()));
        assertEquals(
                List.of("A: acks=-1", "B: acks=all"), run.out().lines().limit(2).toList());
        for (String figure : List.of("records/s", "p50 ms", "p99 ms")) {
            String row = run.out()
                    .lines()
                    .filter(line -> line.startsWith(figure) && line.contains(" B "))
                    .findFirst()
                    .orElse("");
            assertTrue(row.endsWith(", no difference shown"), figure + ": " + run);
        }
        assertTrue(run.err().contains("about one misses the truth by chance; here are 4."), run.err());
        assertFalse(run.err().contains("own queues"), run.err());
    }

    /** The lettered options of an earlier version are sorted by letter, whatever order they come in. */
    @Test
    void theLetteredOptionsStillWork() {
        List<String> asked = new ArrayList<>();
        TestCluster.Run run = run(asked, "--throughput 500 --rounds 4 --b acks=all --a acks=-1 --d acks=0");
        assertEquals(0, run.code(), run.toString());
        assertEquals(
                List.of("A: acks=-1", "B: acks=all", "D: acks=0"),
                run.out().lines().limit(3).toList());
        assertEquals(List.of("acks=-1", "acks=all", "acks=0"), asked.subList(0, 3));
    }

    /** For any number of settings, each one is equally often at each place and after each other one. */
    @Test
    void theOrderIsBalanced() {
        for (int n = 2; n <= 8; n++) {
            List<int[]> square = CompareSettings.square(n);
            int[][] atPlace = new int[n][n];
            int[][] after = new int[n][n];
            for (int[] round : square) {
                for (int place = 0; place < n; place++) {
                    atPlace[round[place]][place]++;
                    if (place > 0) {
                        after[round[place]][round[place - 1]]++;
                    }
                }
            }
            for (int setting = 0; setting < n; setting++) {
                for (int other = 0; other < n; other++) {
                    String what = n + " settings: how often " + setting + " is at place, or after, " + other;
                    assertEquals(square.size() / n, atPlace[setting][other], what);
                    assertEquals(setting == other ? 0 : square.size() / n, after[setting][other], what);
                }
            }
        }
    }

    @Test
    void roundsAreRaisedToABalancedNumberWhichIsReported() {
        String two = " --setting acks=1 --setting acks=all";
        String three = two + " --setting acks=0";
        Map<String, Integer> balanced =
                Map.of("--rounds 3" + two, 4, "--rounds 6" + three, 6, "--rounds 2" + three + " --setting acks=-1", 4);
        balanced.forEach((args, rounds) -> {
            List<String> asked = new ArrayList<>();
            TestCluster.Run run = run(asked, "--throughput 500 " + args);
            assertEquals(0, run.code(), run.toString());
            Map<String, Long> times =
                    asked.stream().collect(Collectors.groupingBy(setting -> setting, Collectors.counting()));
            for (long n : times.values()) {
                assertEquals(rounds + 1, n, args + ", the first of each is not compared: " + asked);
            }
            assertEquals(
                    !args.contains("6"),
                    run.err().contains(rounds + " rounds, so that each setting comes equally often"),
                    run.err());
        });
    }

    // ---- Ctrl-C ----

    private static CompareSettings interruptedAfter(int loads, String faster) {
        return new CompareSettings() {
            private int asked;

            @Override
            PerfTest.Summary load(String setting) throws InterruptedException {
                if (++asked > loads) {
                    throw new InterruptedException();
                }
                return FindMaxRateTest.summary(1000 - 3 * asked, 1, setting.equals(faster) ? 8 : 16);
            }
        };
    }

    @Test
    void theRoundsBeforeCtrlCAreCompared() {
        int secondHalfOfRound4 = 2 + 2 * 3 + 1;
        TestCluster.Run run =
                run(interruptedAfter(secondHalfOfRound4, "acks=1"), "--setting acks=1 --setting acks=all");
        assertEquals(130, run.code(), run.toString());
        assertTrue(run.out().contains("p99 ms       B"), run.toString());
        assertTrue(
                run.err()
                        .contains(
                                "Interrupted after 3 of 6 rounds; compared are the first 2, whose order is balanced."),
                run.toString());
    }

    /**
     * Only complete squares are balanced: two rounds of two settings. On a machine that slows down, three rounds would
     * show a difference between equal settings.
     */
    @Test
    void afterCtrlCOnlyRoundsWhoseOrderIsBalancedAreCompared() {
        interruptAfter(2, 2, 2);
        interruptAfter(2, 3, 2);
        interruptAfter(2, 5, 4);
        interruptAfter(3, 7, 6);
        interruptAfter(3, 5, 5);
        interruptAfter(4, 3, 3);
    }

    private static void interruptAfter(int count, int complete, int compared) {
        CompareSettings compare = interruptedAfter(count + count * complete + 1, "");
        List<Map<String, Object>> events = new ArrayList<>();
        compare.common.listener = events::add;
        String settings = IntStream.rangeClosed(1, count)
                .mapToObj(i -> " --setting x=" + i)
                .collect(Collectors.joining());
        TestCluster.Run run = run(compare, "--throughput 5000 --rounds 12" + settings);
        assertEquals(130, run.code(), run.toString());
        assertEquals(
                List.of(compared),
                events.stream().map(e -> e.get("rounds")).distinct().toList(),
                run.toString());
        assertEquals(
                compared < complete,
                run.err().contains("; compared are the first " + compared + ", whose order is balanced."),
                run.err());
        assertEquals(
                complete < CompareSettings.square(count).size(),
                run.err().contains("The order of " + compared + " rounds is not balanced"),
                run.err());
        if (count == 2) {
            assertEquals(
                    List.of(false),
                    events.stream()
                            .filter(e -> e.get("figure").equals("records/s"))
                            .map(e -> e.get("shown"))
                            .toList(),
                    run.out());
        }
    }

    // ---- The command ----

    @Test
    void atUnlimitedThroughputItReportsWhatTheLatenciesAre() {
        TestCluster.Run run = run(
                new ArrayList<>(), "--throughput -1 --rounds 2 --setting acks=1 --setting acks=0 --setting acks=all");
        assertTrue(run.err().contains("mostly the producers' own queues"), run.toString());
        assertTrue(run.err().contains("here are 8."), run.toString());
    }

    static void assertHelp(TestCluster.Script script, String firstLine) {
        List<String> help = TestCluster.run(script, "--help").out().lines().toList();
        assertEquals(firstLine, help.get(0));
        assertTrue(help.get(1).matches(" +\\(--record-size BYTES .*\\[OPTION...\\]"), help.get(1));
        assertTrue(help.stream().allMatch(line -> line.length() <= 100), String.join("\n", help));
    }

    @Test
    void helpBeginsWithTheRequiredOptions() {
        assertHelp(
                CompareSettings::run,
                "Usage: compare-settings --topic TOPIC --setting 'NAME=VALUE ...' --setting 'NAME=VALUE ...'...");
        assertFalse(
                TestCluster.run(CompareSettings::run, "--help").out().contains("--a "), "the old options are hidden");
    }

    @Test
    void wrongUsageIsExitTwo() {
        for (String bad : List.of(
                "--rounds 2",
                "--setting acks=1",
                "--setting acks=1 --setting acks",
                "--setting acks=1 --setting acks=all --rounds 1",
                "--setting acks=1 --setting acks=all --a acks=0",
                "--setting x=1 ".repeat(27),
                "--a acks=1",
                "--b acks=1",
                "--b acks=1 --c acks=1",
                "--a acks=1 --b acks",
                "--a acks=1 --b acks=all --rounds 1")) {
            TestCluster.Run run = TestCluster.run(CompareSettings::run, TestCluster.with(LOAD, bad.split(" +")));
            assertEquals(2, run.code(), bad + run);
        }
    }
}
