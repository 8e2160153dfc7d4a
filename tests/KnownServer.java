import java.util.*;
import java.util.concurrent.*;
import java.util.concurrent.locks.LockSupport;
import org.apache.kafka.clients.producer.*;
import org.apache.kafka.common.serialization.ByteArraySerializer;

/** A producer with a simulated server of known capacity: it takes a fixed time per record, and has a queue. */
class KnownServer extends MockProducer<byte[], byte[]> {
    private final double serviceNanos;
    private final int delayMs;
    private final BlockingQueue<Map.Entry<Long, Callback>> queue = new LinkedBlockingQueue<>();
    private final Thread io = new Thread(this::serve);
    private double free;
    private volatile boolean ended;

    KnownServer(double perSecond, int delayMs) {
        super(false, null, new ByteArraySerializer(), new ByteArraySerializer());
        serviceNanos = 1e9 / perSecond;
        this.delayMs = delayMs;
        io.setDaemon(true);
        io.start();
    }

    @Override
    public Future<RecordMetadata> send(ProducerRecord<byte[], byte[]> record, Callback callback) {
        long now = System.nanoTime();
        free = Math.max(free, now) + serviceNanos;
        queue.add(Map.entry((long) free + delayMs * 1_000_000L, callback));
        return null;
    }

    private void serve() {
        try {
            while (!ended || !queue.isEmpty()) {
                Map.Entry<Long, Callback> next = queue.poll(5, TimeUnit.MILLISECONDS);
                if (next != null) {
                    parkUntil(next.getKey());
                    next.getValue().onCompletion(null, null);
                }
            }
        } catch (InterruptedException e) {
            throw new IllegalStateException(e);
        }
    }

    private static void parkUntil(long nanos) {
        for (long left = nanos - System.nanoTime(); left > 0; left = nanos - System.nanoTime()) {
            LockSupport.parkNanos(left);
        }
    }

    @Override
    public void flush() {
        ended = true;
        try {
            io.join();
        } catch (InterruptedException e) {
            throw new IllegalStateException(e);
        }
    }

    /** Returns a perf whose producer is such a server; the property "delay" is its delay in milliseconds. */
    static PerfTest perf(double perSecond) {
        return new PerfTest() {
            @Override
            Producer<byte[], byte[]> producer(Properties properties) {
                return new KnownServer(perSecond, Integer.parseInt("" + properties.getOrDefault("delay", 0)));
            }

            @Override
            boolean topicsExist(Properties properties) {
                return true;
            }
        };
    }
}
