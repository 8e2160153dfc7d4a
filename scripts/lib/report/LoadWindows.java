import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.function.LongToDoubleFunction;
import java.util.function.ToDoubleFunction;

/**
 * The reporting intervals of a load test. When there are too many, two become one: rates averaged, latencies the worse.
 */
final class LoadWindows {
    private static final int MOST = 2_000;

    private record Window(long end, double records, double rate, Latency latency) {
        double begin() {
            return end - records / Math.max(1e-9, rate) * 1e6;
        }

        Window and(Window next) {
            return new Window(next.end, records + next.records, (rate + next.rate) / 2, latency.worse(next.latency));
        }
    }

    private record Latency(double p50, double p99, double max) {
        Latency worse(Latency other) {
            return new Latency(Math.max(p50, other.p50), Math.max(p99, other.p99), Math.max(max, other.max));
        }
    }

    private List<Window> windows = new ArrayList<>();
    private int merged = 1;
    private int warmup;

    void add(RunEvent event) {
        Latency latency =
                new Latency(event.number("p50Ms", "avgMs"), event.number("p99Ms", "maxMs"), event.number("maxMs"));
        windows.add(new Window(event.time, event.number("records"), event.number("recordsPerSec"), latency));
        if (event.denies("steady")) {
            warmup++;
        }
        if (windows.size() > MOST) {
            merge();
        }
    }

    private void merge() {
        List<Window> half = new ArrayList<>();
        for (int i = 0; i + 1 < windows.size(); i += 2) {
            half.add(windows.get(i).and(windows.get(i + 1)));
        }
        if (windows.size() % 2 == 1) {
            half.add(windows.get(windows.size() - 1));
        }
        windows = half;
        merged *= 2;
    }

    Map<String, Object> forPage(List<String> summedUp, LongToDoubleFunction seconds) {
        windows.sort(Comparator.comparingLong(Window::end));
        if (warmup > 0) {
            summedUp.add("the first " + warmup
                    + " windows of the load test are its warm-up, by which no objective is judged");
        }
        if (merged > 1) {
            summedUp.add("a point of the load test is " + merged + " of its windows");
        }
        return Map.of(
                "x", column(window -> seconds.applyAsDouble(window.end())),
                "from", column(window -> seconds.applyAsDouble((long) window.begin())),
                "rate", column(window -> rounded(window.rate())),
                "p50", column(window -> rounded(window.latency().p50())),
                "p99", column(window -> rounded(window.latency().p99())),
                "max", column(window -> rounded(window.latency().max())));
    }

    /** Rounds to four decimals, which is more than can be seen. */
    static double rounded(double value) {
        return Math.round(value * 1e4) / 1e4;
    }

    private double[] column(ToDoubleFunction<Window> value) {
        return windows.stream().mapToDouble(value).toArray();
    }
}
