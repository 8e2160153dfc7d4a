///usr/bin/env jbang "$0" "$@" ; exit $?
//JAVA 17+
//SOURCES ../scripts/PerfTest.java
//DESCRIPTION What it costs perf to record a record's latencies: nanoseconds and bytes, by difference

import java.lang.management.ManagementFactory;
import java.util.*;

/**
 * Measures the callback of an acknowledged record, clock reading included, against a loop without it: the median of the
 * differences, measured in turns, in CPU time, which other processes do not affect.
 */
class RecordCost {
    private static final int N = 10_000_000, ROUNDS = 9;
    static long sink;

    public static void main(String... args) {
        for (boolean limited : new boolean[] {false, true}) {
            PerfTest.Tally tally = limited
                    ? new PerfTest.Tally(PerfTest.Kind.SERVICE, PerfTest.Kind.RESPONSE)
                    : new PerfTest.Tally(PerfTest.Kind.SERVICE);
            List<Double> with = new ArrayList<>(), without = new ArrayList<>();
            long bytes = 0;
            for (int round = -2; round < ROUNDS; round++) { // two to warm up
                long allocated = allocated(), began = System.nanoTime(), cpu = cpu();
                for (int i = 0; i < N; i++)
                    tally.acknowledged(
                            System.nanoTime(), began - i * 997L % 80_000_000, began - i * 991L % 90_000_000, 1000);
                double a = (cpu() - cpu) / (double) N;
                if (round == ROUNDS - 1) bytes = allocated() - allocated;
                cpu = cpu();
                for (int i = 0; i < N; i++) sink += began - i * 997L % 80_000_000 + i * 991L % 90_000_000;
                double b = (cpu() - cpu) / (double) N;
                if (round >= 0) {
                    with.add(a - b);
                    without.add(b);
                }
            }
            Collections.sort(with);
            System.out.printf(
                    Locale.ROOT,
                    "%-42s %5.1f ns a record (%.1f to %.1f), %d bytes allocated for %d records%n",
                    limited ? "service and response time, with the clock:" : "service time, with the clock:",
                    with.get(ROUNDS / 2),
                    with.get(0),
                    with.get(ROUNDS - 1),
                    bytes,
                    N);
        }
    }

    private static long cpu() {
        return ManagementFactory.getThreadMXBean().getCurrentThreadCpuTime();
    }

    private static long allocated() {
        return ((com.sun.management.ThreadMXBean) ManagementFactory.getThreadMXBean()).getCurrentThreadAllocatedBytes();
    }
}
