import static org.junit.jupiter.api.Assertions.*;

import java.time.*;
import java.time.temporal.ChronoUnit;
import java.util.*;
import java.util.concurrent.*;
import java.util.regex.*;
import org.junit.jupiter.api.*;

/**
 * Tests watch-leaders and outages with real SIGKILLs: compares the election's time with the winner's log, and the sum
 * of the phases with the producer's own clock.
 */
@Order(55)
@Tag("faults")
class OutagesClusterTest {
    private static final int RATE = 50;
    private final List<Map<String, Object>> events = Collections.synchronizedList(new ArrayList<>());
    private final ExecutorService background = Executors.newCachedThreadPool();
    private final WatchLeaders watch = new WatchLeaders();
    private Future<Boolean> watching;

    @BeforeEach
    void healthyAndWatched() throws Exception {
        TestCluster.healthy();
        TestCluster.Run create = TestCluster.run(CreateTopic::run, "phases", "--if-not-exists");
        assertEquals(0, create.code(), create.toString());
        watch.common.configure(
                watch, TestCluster.quiet(), TestCluster.quiet(), "--topic", "phases", "-b", Cluster.bootstrap());
        watch.common.listener = events::add;
        watching = background.submit(watch::watch);
        TestCluster.await(
                "controller and partitions are seen",
                () -> ofType("controller").size() > 0 && ofType("leader").size() == 8);
    }

    @AfterEach
    void end() throws Exception {
        if (watching != null) watching.cancel(true);
        background.shutdown();
        assertTrue(background.awaitTermination(10, TimeUnit.SECONDS), "the watcher ends when it is interrupted");
    }

    private List<Map<String, Object>> ofType(String type) {
        synchronized (events) {
            return TestCluster.ofType(List.copyOf(events), type);
        }
    }

    private void node(String... args) {
        KillNode script = new KillNode();
        script.common.configure(
                script,
                TestCluster.quiet(),
                TestCluster.quiet(),
                TestCluster.with(args, "--data-dir", TestCluster.DATA, "-b", Cluster.bootstrap()));
        script.common.listener = events::add;
        assertDoesNotThrow(() -> {
            if (List.of(args).contains("--restore")) script.restoreNodes(script.runtime());
            else script.breakNodes(script.runtime());
        });
    }

    /** Returns when the election was won, according to the winner's own log. */
    private static Instant wonAt(int node, long epoch) throws Exception {
        Matcher m = Pattern.compile("(?m)^(\\S+) .*Completed transition to Leader\\(.*?, epoch=" + epoch + ",")
                .matcher(TestCluster.log(node));
        assertTrue(m.find(), "node " + node + "'s log has no election of epoch " + epoch);
        return OffsetDateTime.parse(m.group(1)).toInstant();
    }

    /** Returns when the new controller was first reported. */
    private Instant answered(long epoch) {
        return ofType("controller").stream()
                .filter(e -> (int) e.get("controller") > 0 && ((Number) e.get("epoch")).longValue() == epoch)
                .map(e -> Instant.parse((String) e.get("ts")))
                .findFirst()
                .orElseThrow();
    }

    /** Returns from how many ISRs a node was seen to be missing. */
    private long out(int node) {
        return out(node, 0);
    }

    private long out(int node, int since) {
        return ofType("leader").stream()
                .skip(since)
                .filter(e -> !((List<?>) e.get("isr")).contains(node))
                .map(e -> e.get("partition"))
                .distinct()
                .count();
    }

    private static double ms(Instant from, Instant to) {
        return ChronoUnit.MICROS.between(from, to) / 1e3;
    }

    private void awaitBackInSync(int outages) throws Exception {
        TestCluster.await(
                "back in every ISR",
                () -> OutageAnalysis.of(events()).outages().stream()
                                .filter(o -> o.moments().inSync() != null)
                                .count()
                        == outages);
    }

    private List<Map<String, Object>> events() {
        synchronized (events) {
            return List.copyOf(events);
        }
    }

    @Test
    @Order(0)
    void fewRequestsAreSentWhileNothingIsWrong() throws Exception {
        TestCluster.await("it has asked", () -> watch.requests() > 20);
        List<Double> perSecond = new ArrayList<>();
        // A late answer of a busy machine leads to further requests; one of three observations has to be free of that.
        while (perSecond.size() < 3 && perSecond.stream().noneMatch(OutagesClusterTest::isLittle)) {
            int before = watch.requests();
            long began = System.nanoTime();
            // In an observation of this length there are at most four requests a second on each of the six connections.
            Thread.sleep(2000);
            perSecond.add((watch.requests() - before) / ((System.nanoTime() - began) / 1e9));
        }
        assertTrue(
                perSecond.stream().allMatch(q -> q >= 2) && perSecond.stream().anyMatch(OutagesClusterTest::isLittle),
                "requests a second: " + perSecond);
    }

    private static boolean isLittle(double perSecond) {
        return perSecond >= 2 && perSecond <= 6 * 4 + 4;
    }

    /** A machine that stalls may see one of the elections late. */
    @Test
    @Order(1)
    void killsOfTheController() throws Exception {
        killTheController(2, 3);
    }

    @Tag("soak")
    @Test
    void manyKillsOfTheController() throws Exception {
        killTheController(14, 15);
    }

    /**
     * Kills the controller until enough elections were seen within 50 ms of the winner's log.
     *
     * @param seenInTime how many are enough
     * @param kills how many kills are allowed for that
     */
    private void killTheController(int seenInTime, int kills) throws Exception {
        ResilientProducer producer = new ResilientProducer();
        producer.common.configure(
                producer,
                TestCluster.quiet(),
                TestCluster.quiet(),
                "--topic",
                "phases",
                "--rate",
                "" + RATE,
                "--send-timeout",
                "1h",
                "-b",
                Cluster.bootstrap());
        producer.common.listener = events::add;
        Future<ResilientProducer.Summary> producing = background.submit(producer::produce);
        int asked = watch.requests();
        long began = System.nanoTime();
        List<Double> late = new ArrayList<>(), answered = new ArrayList<>();
        int times = 0;
        while (late.stream().filter(OutagesClusterTest::isInTime).count() < seenInTime && times < kills) {
            times++;
            long before = System.nanoTime();
            for (int p = 0; p < 8; p++)
                assertTrue(awaitAck(producer, p, before), "partition " + p + " acknowledges before the kill");
            node("controller");
            long killed = System.nanoTime();
            for (int p = 0; p < 8; p++)
                assertTrue(awaitAck(producer, p, killed), "partition " + p + " acknowledges again");
            Outage o = OutageAnalysis.of(events()).outages().get(times - 1);
            assertNotNull(o.moments().elected(), o.toString());
            late.add(ms(
                    wonAt(o.moments().elected().node(), o.moments().elected().epoch()),
                    o.moments().elected().at()));
            answered.add(ms(
                    wonAt(o.moments().elected().node(), o.moments().elected().epoch()),
                    answered(o.moments().elected().epoch())));
            node("" + o.fault().node(), "--restore");
            awaitBackInSync(times);
        }
        double perSecond = (watch.requests() - asked) / ((System.nanoTime() - began) / 1e9);
        assertTrue(perSecond < 6 * 100, "at most one question in 10 ms to each: " + perSecond + " a second");
        producer.stop();
        ResilientProducer.Summary sent = producing.get(60, TimeUnit.SECONDS);
        System.err.println("Elected by what is seen, after the winner's log: " + late + " ms; answered after it: "
                + answered + " ms");
        assertTrue(
                late.stream().filter(OutagesClusterTest::isInTime).count() >= seenInTime,
                "elections within 50 ms of the winner's log: " + late);
        assertTrue(
                answered.stream().allMatch(ms -> ms > -2),
                "no answer before there was a leader (the log has milliseconds): " + answered);

        for (Map<String, Object> e : events()) ContractTest.Schema.validate(e);
        OutageFindings seen = OutageAnalysis.of(events());
        assertEquals(times, seen.outages().size());
        for (Outage o : seen.outages()) {
            assertEquals(8, o.partitions().size(), o.toString());
            for (Outage.Gap g : o.partitions()) {
                assertNotNull(g.measuredMs(), "the producer measured it too: " + g);
                assertEquals(g.measuredMs(), g.phases().sum(), 50, g.toString());
                assertTrue(
                        g.phases()
                                .ms()
                                .keySet()
                                .containsAll(Set.of(Outage.Phase.ELECT, Outage.Phase.LEAD, Outage.Phase.ACK)),
                        "each phase was seen: " + g + "; leaders seen: "
                                + ofType("leader").stream()
                                        .filter(e -> e.get("partition").equals(g.partition()))
                                        .toList());
            }
            assertEquals(o.all().measuredMs(), o.all().phases().sum(), 50, o.toString());
            assertTrue(
                    o.since(o.moments().led()) > o.since(o.moments().elected().at())
                            && o.since(o.moments().inSync())
                                    > o.since(o.moments().restored()),
                    o.toString());
            assertNull(o.fault().during());
        }
        double longest =
                seen.outages().stream().mapToDouble(o -> o.worst().ms()).max().orElseThrow();
        assertEquals(
                sent.partitionGaps().stream()
                        .mapToLong(g -> g.length().toMillis())
                        .max()
                        .orElseThrow(),
                longest,
                50,
                "the longest of all");
        assertTrue(
                seen.availability().share() > 0.1 && seen.availability().share() < 0.9,
                seen.availability().toString());
    }

    private static boolean isInTime(double ms) {
        return Math.abs(ms) < 50;
    }

    private static boolean awaitAck(ResilientProducer producer, int partition, long after) throws Exception {
        TestCluster.await("the producer has begun", () -> producer.partitions() == 8);
        return producer.awaitAckAfter(partition, after, Duration.ofSeconds(60)).isPresent();
    }

    /** One sample proves nothing on a machine that stalls; one of three has to be in time. */
    @Test
    @Order(2)
    void aPausedController() throws Exception {
        List<Double> late = new ArrayList<>();
        while (late.size() < 3 && late.stream().noneMatch(ms -> Math.abs(ms) < 500))
            late.add(pauseTheController(late.size()));
        System.err.println("Elected by what is seen, after the winner's log: " + late + " ms");
        assertTrue(late.stream().anyMatch(ms -> Math.abs(ms) < 500), late + " ms after the winner's log");
    }

    /** Returns how much later than in the winner's log the election of another controller was seen, in milliseconds. */
    private double pauseTheController(int before) throws Exception {
        int paused = TestCluster.controller(),
                seen = ofType("controller").size(),
                seenOut = ofType("leader").size();
        long epoch = ofType("controller").stream()
                .mapToLong(e -> ((Number) e.get("epoch")).longValue())
                .max()
                .orElseThrow();
        node("controller", "--mode", "pause");
        double late;
        try {
            // Long enough for it to be fenced and to leave the ISRs: its return to them shows that it is back.
            TestCluster.await("out of every ISR", () -> out(paused, seenOut) == 8);
            TestCluster.await(
                    "another is elected",
                    () -> ofType("controller").stream()
                            .skip(seen)
                            .anyMatch(e -> (int) e.get("controller") > 0 && (int) e.get("controller") != paused));
            Outage o = OutageAnalysis.of(events()).outages().get(before);
            late = ms(
                    wonAt(o.moments().elected().node(), o.moments().elected().epoch()),
                    o.moments().elected().at());
        } finally {
            node("" + paused, "--restore");
        }
        awaitBackInSync(before + 1);
        List<Map<String, Object>> since =
                ofType("controller").subList(seen, ofType("controller").size());
        assertTrue(
                since.stream()
                        .skip(2)
                        .noneMatch(e ->
                                (int) e.get("controller") == paused && ((Number) e.get("epoch")).longValue() == epoch),
                "the paused one, which for a moment still believes in its epoch, is not believed: " + since);
        return late;
    }

    @Test
    @Order(3)
    void aBrokerStopped() throws Exception {
        int node = TestCluster.follower();
        node("" + node, "--mode", "stop");
        TestCluster.await("out of every ISR", () -> out(node) == 8);
        node("" + node, "--restore");
        awaitBackInSync(1);
        Outage o = OutageAnalysis.of(events()).outages().get(0);
        assertNull(o.moments().elected(), "the controller is another: " + o);
        assertTrue(
                o.notes().stream().anyMatch(n -> n.contains("no election")),
                o.notes().toString());
        assertTrue(o.since(o.moments().led()) > 0 && o.since(o.moments().led()) < 20_000, o.toString());
    }
}
