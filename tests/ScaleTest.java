import static org.junit.jupiter.api.Assertions.*;

import java.io.*;
import java.nio.file.Path;
import java.util.Locale;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.*;

/**
 * Checks ten million records of two producers in 256 MB of heap, in a JVM of its own. The ledger is generated line by
 * line and the log record by record; every planted anomaly is found.
 */
@Order(12)
@Tag("slow")
class ScaleTest {
    private static final int RECORDS = 10_000_000;

    @Test
    void tenMillionRecordsIn256MegabytesAndEveryPlantedAnomalyIsFound() throws Exception {
        Process child = new ProcessBuilder(
                        Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                        "-Xmx256m",
                        "-XX:+UseSerialGC",
                        "-cp",
                        System.getProperty("java.class.path"),
                        "ScaleTest",
                        "" + RECORDS)
                .redirectErrorStream(true)
                .start();
        String out = new String(child.getInputStream().readAllBytes());
        assertTrue(child.waitFor(5, TimeUnit.MINUTES));
        assertEquals(0, child.exitValue(), out);
        assertTrue(
                out.startsWith(
                        "fail, acknowledged 9999999, read 10000006, partitions 8, lost 5, unseen 3, expired 0, aborted"
                                + " 0, duplicates 4, reordered 1, inconsistent 2, abortedReads 4, phantoms 7\n"),
                out);
    }

    /**
     * Record i is of producer i % 2, in partition i / 2 % 8, at offset i / 16 * 2 + i % 2. The anomalies are planted in
     * partition 0, where i is a multiple of 16.
     */
    public static void main(String... args) throws Exception {
        int n = Integer.parseInt(args[0]);
        long began = System.nanoTime();
        DeliveryChecker checker = new DeliveryChecker();
        for (ProducerLedger ledger : LedgerReader.read("made up", new MadeUp(n))) checker.add(ledger);
        double loaded = (System.nanoTime() - began) / 1e9;
        System.gc();
        long held = Runtime.getRuntime().totalMemory() - Runtime.getRuntime().freeMemory();
        for (int p = 0; p < 8; p++) {
            for (int i = 2 * p; i < n; i += i % 2 == 0 ? 1 : 15) {
                if (is(i, 5, 5)) continue; // lost
                int other = is(i, 8, 2) ? 16_000_016 - i : i; // two records that changed places
                checker.record(p, i / 16 * 2 + i % 2, key(other), 1, 3, ms(i));
            }
            int end = n / 8;
            if (p == 0) for (int k = 1; k <= 4; k++) checker.record(p, end++, key(1600 * k), 1, 3, ms(n)); // duplicates
            if (p == 0)
                for (int k = 1; k <= 7; k++)
                    checker.record(p, end++, ("run/q/" + k).getBytes(), 1, 3, ms(n)); // of an unknown producer
            checker.reached(p, end);
        }
        DeliveryVerdict v = checker.verdict();
        System.out.print(v.verdict() + ", acknowledged " + v.acknowledged() + ", read "
                + v.log().read() + ", partitions " + v.report().partitions().size());
        v.report().anomalies().forEach((anomaly, count) -> System.out.print(", " + anomaly.field + " " + count));
        System.out.printf(
                Locale.ROOT,
                "%nThe ledger was read in %.1f s and took %.1f MB; %.1f s in all.%n",
                loaded,
                held / 1048576.0,
                (System.nanoTime() - began) / 1e9);
    }

    /** Returns whether i is one of {@code many} planted records, counted from {@code millions} on. */
    private static boolean is(int i, int millions, int many) {
        return i % 16 == 0 && i >= millions * 1_000_000 && i < millions * 1_000_000 + 16 * many;
    }

    private static byte[] key(int i) {
        return ("run/" + (i % 2 == 0 ? "p" : "r") + "/" + (i / 2 + 1)).getBytes();
    }

    private static long ms(int i) {
        return 1_764_000_000_000L + i / 20;
    }

    /** Generates the ledger's text while it is read. */
    private static final class MadeUp extends InputStream {
        private final int n;
        private int i, at;
        private final StringBuilder text = new StringBuilder();
        private byte[] bytes = {};
        private boolean ended;

        MadeUp(int n) {
            this.n = n;
            for (String producer : new String[] {"p", "r"})
                text.append("{\"ledger\":2,\"run\":\"run\",\"producer\":\"")
                        .append(producer)
                        .append("\",\"topic\":\"t\",\"idempotent\":true,\"startOffsets\":[0,0,0,0,0,0,0,0]}\n");
        }

        /** Adds the next 1600 lines. In one of 50 of these blocks, what was acknowledged later comes first. */
        private void more() {
            int half = i / 1600 % 50 == 1 ? 800 : 0;
            for (int k = 0; k < 1600 && i < n; k++, i++) line(i - k + (k + half) % 1600);
            if (i < n || ended) return;
            ended = true;
            for (int k = 0; k < 3; k++) ack(n / 2 + 1 + k, 0, n / 8 + 1000 + k, ms(n), 1); // unseen
            for (int by = 1; by <= 2; by++)
                text.append("{\"end\":true,\"by\":")
                        .append(by)
                        .append(",\"sent\":")
                        .append(n / 2 + (by == 1 ? 3 : 0))
                        .append("}\n");
        }

        private void line(int i) {
            if (is(i, 7, 4))
                text.append("{\"seq\":")
                        .append(i / 2 + 1)
                        .append(",\"attempt\":1,\"outcome\":\"failed\",\"partition\":0,\"error\":\"x\"}\n");
            else ack(i / 2 + 1, i / 2 % 8, i / 16 * 2 + i % 2, ms(i), i % 2 + 1);
        }

        private void ack(int seq, int partition, int offset, long ms, int by) {
            text.append("{\"seq\":")
                    .append(seq)
                    .append(",\"partition\":")
                    .append(partition)
                    .append(",\"offset\":")
                    .append(offset)
                    .append(",\"at\":")
                    .append(ms * 1000)
                    .append(",\"latencyUs\":5000")
                    .append(by == 1 ? "" : ",\"by\":2")
                    .append("}\n");
        }

        @Override
        public int read() {
            throw new UnsupportedOperationException();
        }

        @Override
        public int read(byte[] to, int from, int length) {
            if (at == bytes.length) {
                if (text.length() == 0) more(); // otherwise these are the header lines
                bytes = text.toString().getBytes();
                text.setLength(0);
                at = 0;
            }
            int n = Math.min(length, bytes.length - at);
            if (n == 0) return -1;
            System.arraycopy(bytes, at, to, from, n);
            at += n;
            return n;
        }
    }
}
