import static org.junit.jupiter.api.Assertions.*;

import java.time.Duration;
import java.util.*;
import java.util.concurrent.*;
import java.util.concurrent.locks.LockSupport;
import java.util.function.IntToDoubleFunction;
import java.util.stream.*;
import org.HdrHistogram.Histogram;
import org.apache.kafka.clients.producer.*;
import org.apache.kafka.common.serialization.ByteArraySerializer;

/**
 * A producer of known delays: acknowledges each record after a given delay, and blocks send() on request. It also
 * observes perf: it notes between which two moments perf read its clock. Mostly they are some microseconds apart; where
 * the machine stops a thread between them, the truth is known no better than that.
 */
class KnownProducer extends MockProducer<byte[], byte[]> {
    final ScheduledExecutorService io = Executors.newSingleThreadScheduledExecutor();
    /** When send() was entered and left, and the times just before and after the callback. */
    final List<Long> sent = new ArrayList<>(), left = new ArrayList<>();

    final List<Long> acknowledging = Collections.synchronizedList(new ArrayList<>()),
            acknowledged = Collections.synchronizedList(new ArrayList<>());
    final List<ProducerRecord<byte[], byte[]>> records = new ArrayList<>();
    final int blockAt;
    final Duration block;

    KnownProducer(int blockAt, Duration block) {
        super(false, null, new ByteArraySerializer(), new ByteArraySerializer());
        this.blockAt = blockAt;
        this.block = block;
    }

    /** Returns what the send of the i-th record ends with, or null. */
    Exception failure(int i) {
        return null;
    }

    @Override
    public Future<RecordMetadata> send(ProducerRecord<byte[], byte[]> record, Callback callback) {
        int i = records.size();
        records.add(record);
        sent.add(System.nanoTime());
        acknowledging.add(0L);
        acknowledged.add(0L);
        if (i == blockAt)
            for (long until = System.nanoTime() + block.toNanos(), left; (left = until - System.nanoTime()) > 0; )
                LockSupport.parkNanos(left);
        io.schedule(
                () -> {
                    acknowledging.set(i, System.nanoTime());
                    callback.onCompletion(null, failure(i));
                    acknowledged.set(i, System.nanoTime());
                },
                i % 50 == 7 ? 40 : 3,
                TimeUnit.MILLISECONDS);
        left.add(System.nanoTime());
        return null;
    }

    @Override
    public void flush() {
        io.shutdown();
        try {
            assertTrue(io.awaitTermination(10, TimeUnit.SECONDS));
        } catch (InterruptedException e) {
            throw new IllegalStateException(e);
        }
    }

    /**
     * Returns when the first record was due: nothing is sent before it is due, so this is the earliest start that all
     * sends allow.
     */
    double origin(double rate) {
        return IntStream.range(0, sent.size())
                .mapToDouble(i -> sent.get(i) - i * 1e9 / rate)
                .min()
                .orElseThrow();
    }

    /** Returns the times from when each record was due. */
    Truth response(double rate) {
        double origin = origin(rate);
        return truth(i -> origin + i * 1e9 / rate, i -> origin + i * 1e9 / rate);
    }

    /**
     * Returns the times from send(). Perf read its clock after the record was due and the send before had returned, and
     * before send() was entered.
     */
    Truth service(double rate) {
        double origin = origin(rate);
        return truth(i -> Math.max(origin + i * 1e9 / rate, i == 0 ? 0 : left.get(i - 1)), i -> sent.get(i));
    }

    private Truth truth(IntToDoubleFunction earliestStart, IntToDoubleFunction latestStart) {
        return new Truth(
                IntStream.range(0, sent.size())
                        .mapToDouble(i -> (acknowledging.get(i) - latestStart.applyAsDouble(i)) / 1e6)
                        .sorted()
                        .toArray(),
                IntStream.range(0, sent.size())
                        .mapToDouble(i -> (acknowledged.get(i) - earliestStart.applyAsDouble(i)) / 1e6)
                        .sorted()
                        .toArray());
    }

    /**
     * Latencies in milliseconds, sorted: none was below its least or above its most, and what holds for each record
     * holds for each rank. Where the machine lets perf and the observer run undisturbed, the two are alike: see {@link
     * #assertSharp}.
     */
    record Truth(double[] least, double[] most) {
        private double[] at(double percentile) {
            int rank = (int) Math.ceil(percentile / 100 * least.length - 1e-6) - 1;
            return new double[] {least[rank], most[rank]};
        }

        double mean() {
            return Arrays.stream(least).average().orElseThrow();
        }

        /** Asserts that the observer knows enough to judge by. */
        void assertSharp(String what) {
            assertTrue(
                    at(50)[1] - at(50)[0] < 0.5,
                    what + ": half of the latencies are only known to be below " + Arrays.toString(at(50)));
        }

        /** Asserts that the mean and each percentile, the tail included, are within 1 % or 1 ms. */
        void assertMeasured(Histogram measured, String what) {
            assertEquals(least.length, measured.getTotalCount(), what);
            assertWithin(
                    mean(), Arrays.stream(most).average().orElseThrow(), measured.getMean() / 1000, what + " mean");
            for (double p : new double[] {50, 90, 95, 99, 99.9, 100})
                assertWithin(at(p)[0], at(p)[1], measured.getValueAtPercentile(p) / 1000.0, what + " p" + p);
        }

        private static void assertWithin(double least, double most, double measured, String what) {
            assertTrue(
                    measured >= least - Math.max(1, least / 100) && measured <= most + Math.max(1, most / 100),
                    what + ": measured " + measured + ", it was " + least + " to " + most);
        }
    }
}
