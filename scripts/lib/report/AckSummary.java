import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.function.LongToDoubleFunction;
import java.util.function.ToLongFunction;
import org.HdrHistogram.Histogram;

/** The acknowledgements of a run: each of them while they are few, then counts and latencies by time. */
final class AckSummary {
    private static final int MOST_SINGLE = 4_000;
    private static final long LONGEST_US = 86_400_000_000L;

    private record Single(long time, long latencyUs, long seq, long partition) {}

    private final TimeBins perSecond = new TimeBins(1_000_000);
    private final TimeBins latencies = new TimeBins(50_000);
    private final Histogram histogram = new Histogram(3);
    private List<Single> singles = new ArrayList<>();
    private long count;
    private long lastTime;

    void add(RunEvent event) {
        long latencyUs = event.requiredLatencyUs();
        count++;
        lastTime = Math.max(lastTime, event.time);
        perSecond.add(event.time, 1);
        latencies.add(event.time, latencyUs);
        histogram.recordValue(Math.max(0, Math.min(latencyUs, LONGEST_US)));
        if (count > MOST_SINGLE) {
            singles = null;
        } else {
            singles.add(new Single(event.time, latencyUs, event.seq, event.partition));
        }
    }

    Histogram histogram() {
        return histogram;
    }

    /** Puts what the page draws of them, and says what of it is summed up. */
    void putInto(Map<String, Object> page, List<String> summedUp, LongToDoubleFunction seconds) {
        page.put("acks", count);
        page.put("lastAck", count == 0 ? null : seconds.applyAsDouble(lastTime));
        page.put("rate", perSecond.forPage(seconds));
        if (perSecond.widthUs() > 1_000_000) {
            summedUp.add("acknowledgements are counted over " + perSecond.widthUs() / 1_000_000 + " s");
        }
        if (singles == null) {
            page.put("delays", latencies.forPage(seconds));
            summedUp.add("of " + count + " acknowledgements the latency is shown as mean and maximum over "
                    + latencies.widthUs() / 1e6 + " s");
        } else {
            page.put("single", singlesForPage(seconds));
        }
    }

    private Map<String, Object> singlesForPage(LongToDoubleFunction seconds) {
        singles.sort(Comparator.comparingLong(Single::time));
        return Map.of(
                "x",
                        singles.stream()
                                .mapToDouble(ack -> seconds.applyAsDouble(ack.time()))
                                .toArray(),
                "us", column(Single::latencyUs),
                "seq", column(Single::seq),
                "p", column(Single::partition));
    }

    private long[] column(ToLongFunction<Single> field) {
        return singles.stream().mapToLong(field).toArray();
    }
}
