import static org.junit.jupiter.api.Assertions.*;

import java.time.Duration;
import java.util.*;
import java.util.concurrent.Future;
import java.util.concurrent.locks.LockSupport;
import org.HdrHistogram.Histogram;
import org.apache.kafka.clients.producer.*;
import org.apache.kafka.common.errors.*;
import org.apache.kafka.common.errors.TimeoutException;
import org.junit.jupiter.api.*;
import picocli.CommandLine.TypeConversionException;

/**
 * Tests what the scripts compute without a cluster: outcomes of sends, gaps between acknowledgements, percentiles and
 * durations.
 */
@Order(11)
class MeasureTest {
    private static void outcome(ResilientProducer.Outcome wanted, Throwable error, ResilientProducer.Moment moment) {
        assertEquals(wanted, ResilientProducer.Outcome.of(-1, error, moment), () -> error + " " + moment);
    }

    @Test
    void onlyWhatWasCertainlyNotWrittenHasFailed() {
        assertEquals(
                ResilientProducer.Outcome.acknowledged,
                ResilientProducer.Outcome.of(0, null, ResilientProducer.Moment.AFTER_RETRY));
        outcome(ResilientProducer.Outcome.indeterminate, null, ResilientProducer.Moment.FIRST_TRY); // acks=0
        for (Exception e : List.of(
                new TimeoutException(),
                new RecordTooLargeException(),
                new SerializationException(),
                new InvalidTopicException("?"))) {
            outcome(ResilientProducer.Outcome.failed, e, ResilientProducer.Moment.INSIDE_SEND);
            outcome(ResilientProducer.Outcome.indeterminate, e, ResilientProducer.Moment.FIRST_TRY);
        }
        outcome(
                ResilientProducer.Outcome.failed,
                new TopicAuthorizationException("t"),
                ResilientProducer.Moment.INSIDE_SEND);
        outcome(
                ResilientProducer.Outcome.failed,
                new TopicAuthorizationException("t"),
                ResilientProducer.Moment.FIRST_TRY);
        outcome(
                ResilientProducer.Outcome.indeterminate,
                new TopicAuthorizationException("t"),
                ResilientProducer.Moment.AFTER_RETRY);
        for (Exception e : List.of(
                new NotLeaderOrFollowerException(),
                new NotEnoughReplicasAfterAppendException(""),
                new DisconnectException(),
                new InvalidProducerEpochException(""))) {
            outcome(ResilientProducer.Outcome.indeterminate, e, ResilientProducer.Moment.AFTER_RETRY);
            outcome(ResilientProducer.Outcome.indeterminate, e, ResilientProducer.Moment.INSIDE_SEND);
        }
    }

    private static ResilientProducer.Gaps.Span span(int partition, long from, long to) {
        return new ResilientProducer.Gaps.Span(partition, from, to);
    }

    @Test
    void gapsAreBetweenAcknowledgementsAndForAPartitionWhileAMessageWaits() {
        var gaps = new ResilientProducer.Gaps(2);
        gaps.sent(0, 0);
        assertEquals(List.of(), gaps.acknowledged(0, 10), "nothing is known before the first acknowledgement");
        assertEquals(List.of(), gaps.longest());
        gaps.sent(1, 20);
        assertEquals(List.of(span(-1, 10, 50), span(1, 20, 50)), gaps.acknowledged(1, 50));
        gaps.sent(0, 1000);
        assertEquals(
                List.of(span(-1, 50, 1005), span(0, 1000, 1005)),
                gaps.acknowledged(0, 1005),
                "partition 0 had nothing to acknowledge until 1000");
        assertEquals(List.of(span(0, 1000, 1005), span(1, 20, 50), span(-1, 50, 1005)), gaps.longest());
        assertEquals(List.of(), gaps.end(9999), "no message waits");
    }

    @Test
    void anOutageOfOnePartitionShowsWhileAnotherGoesOn() {
        var gaps = new ResilientProducer.Gaps(2);
        gaps.sent(0, 0);
        gaps.acknowledged(0, 1);
        for (int t = 10; t < 100; t += 10) {
            gaps.sent(0, t);
            gaps.sent(1, t);
            gaps.acknowledged(0, t + 1);
        }
        assertEquals(List.of(span(-1, 91, 100), span(1, 10, 100)), gaps.acknowledged(1, 100));
        assertEquals(List.of(span(-1, 100, 300), span(1, 100, 300)), gaps.end(300), "its other messages wait on");
    }

    @Test
    void aSendThatEndedWithoutAcknowledgementLeavesThePartitionWaiting() {
        var gaps = new ResilientProducer.Gaps(1);
        gaps.sent(0, 0);
        gaps.acknowledged(0, 1);
        gaps.sent(0, 10);
        gaps.unresolved(0);
        gaps.sent(0, 500);
        assertEquals(List.of(span(-1, 1, 600), span(0, 10, 600)), gaps.acknowledged(0, 600));
    }

    @Test
    void percentilesAreOfAllRecordsAndLinesHaveThePointInAnyLocale() {
        Locale before = Locale.getDefault();
        Locale.setDefault(Locale.GERMANY);
        try {
            Histogram us = new Histogram(1, 3_600_000_000L, 3);
            for (int ms = 1; ms <= 1000; ms++) us.recordValue(ms * 1000L);
            PerfTest.Latencies latencies = new PerfTest.Latencies();
            latencies.add(PerfTest.Kind.SERVICE, us);
            for (int i = 0; i < 3; i++)
                latencies
                        .computeIfAbsent(PerfTest.Kind.FAILED, kind -> new Histogram(3))
                        .recordValue(1);
            PerfTest.Summary s = new PerfTest.Summary(2, 1000L * 1_048_576, latencies, null, false, null);
            assertEquals(1000, s.records());
            Map<String, Object> fields = s.fields();
            Map.of(
                            "p50Ms", 500.0, "p95Ms", 950.0, "p99Ms", 990.0, "p999Ms", 999.0, "p9999Ms", 1000.0, "avgMs",
                            500.5, "maxMs", 1000.0)
                    .forEach((field, ms) -> assertEquals(ms, (double) fields.get(field), ms / 1000, field));
            String line = s.line("");
            assertTrue(line.startsWith("1000 records sent, 500.000000 records/sec (500.00 MB/sec), 500."), line);
            assertTrue(line.matches(PerfRunTest.SUMMARY), line);
            assertTrue(line.endsWith("500 ms 50th, 950 ms 95th, 990 ms 99th, 999 ms 99.9th."), line);
            assertTrue(s.line(" steady state").startsWith("1000 steady state records sent, "));
            assertEquals(3, s.failed());
        } finally {
            Locale.setDefault(before);
        }
    }

    /** Percentiles cover all sends: a failed one counts as slower than any that was acknowledged. */
    @Test
    void aPercentileIsOfTheFailedSendsAsWell() {
        for (int[] n : new int[][] {{992, 3, 5, 1}, {987, 8, 5, 0}, {989, 0, 11, 0}, {990, 0, 10, 1}, {1000, 0, 0, 1}
        }) { // fast, late, failed, and whether p99 is kept
            PerfTest.Latencies latencies = new PerfTest.Latencies();
            for (PerfTest.Kind kind : new PerfTest.Kind[] {PerfTest.Kind.SERVICE, PerfTest.Kind.FAILED})
                latencies.put(kind, new Histogram(1, 3_600_000_000L, 3));
            latencies.get(PerfTest.Kind.SERVICE).recordValueWithCount(5_000, n[0]);
            latencies.get(PerfTest.Kind.SERVICE).recordValueWithCount(500_000, n[1]);
            latencies.get(PerfTest.Kind.FAILED).recordValueWithCount(1_000, n[2]);
            PerfTest.Summary s = new PerfTest.Summary(2, 1000, latencies, null, false, null);
            for (String what : List.of("p99=50ms", "service-p99=50ms"))
                assertEquals(
                        n[3] == 1,
                        new PerfTest.Objective.Reader().convert(what).missed(s) == null,
                        what + " of " + Arrays.toString(n));
            assertEquals(
                    n[2] == 0,
                    new PerfTest.Objective.Reader().convert("max=1s").missed(s) == null,
                    "max of " + Arrays.toString(n));
            assertNull(new PerfTest.Objective.Reader().convert("p90=50ms").missed(s));
        }
    }

    @Test
    void durationsAreReadInTheirUnits() {
        Map.of(
                        "500ms",
                        500L,
                        "30s",
                        30_000L,
                        "2m",
                        120_000L,
                        "1h",
                        3_600_000L,
                        "7",
                        7_000L,
                        "1.5s",
                        1_500L,
                        "0.25m",
                        15_000L,
                        " 2s ",
                        2_000L)
                .forEach((text, ms) -> assertEquals(Duration.ofMillis(ms), KillNode.Common.duration(text), text));
        for (String bad : List.of("", "s", "-1s", "5 s", "1d", "1,5s", "ten"))
            assertThrows(TypeConversionException.class, () -> KillNode.Common.duration(bad), bad);
    }

    @Test
    void aBadDurationIsWrongUsageInOneSentence() {
        TestCluster.Run run = TestCluster.run(KillNode::run, "1", "--for", "soon");
        assertEquals(2, run.code());
        assertTrue(run.err().contains("soon") && run.err().lines().count() == 1, run.err());
    }

    // ---- perf ----

    @Test
    void perfsHelpFitsTwoScreens() {
        List<String> help =
                TestCluster.run(PerfTest::run, "--help").out().lines().toList();
        assertTrue(help.size() <= 2 * 24, help.size() + " lines: " + String.join("\n", help));
        assertTrue(help.stream().allMatch(line -> line.length() <= 100), String.join("\n", help));
    }

    /** A record that falls due while send() is blocked is late; it still counts when the time is over. */
    @Test
    @Tag("timed")
    void aStallNearTheEndOfTheDurationIsInTheResponseTime() throws Exception {
        PerfTest perf = new PerfTest() {
            @Override
            Producer<byte[], byte[]> producer(Properties properties) {
                return new KnownServer(50_000, 0) {
                    private int sent;

                    @Override
                    public Future<RecordMetadata> send(ProducerRecord<byte[], byte[]> record, Callback callback) {
                        if (++sent == 500) {
                            LockSupport.parkNanos(1_000_000_000L);
                        }
                        return super.send(record, callback);
                    }
                };
            }

            @Override
            boolean topicsExist(Properties properties) {
                return true;
            }
        };
        String[] args = "--topic t --record-size 10 --throughput 500 --duration 2s".split(" ");
        PerfTest.Summary summary = perf.common
                .configure(perf, TestCluster.quiet(), TestCluster.quiet(), args)
                .measure();
        assertEquals(1000, summary.records(), "all that were due");
        // 500 of 1000 were due in the second that send() was blocked: they waited 0 to 1 s, evenly.
        assertEquals(500, PerfTest.Latencies.ms(summary.response(), "p75"), 150);
        String fields = summary.fields().toString();
        assertTrue(PerfTest.Latencies.ms(summary.response(), "p95") > 700, fields);
        assertTrue(PerfTest.Latencies.ms(summary.service(), "p95") < 500, fields);
    }
}
