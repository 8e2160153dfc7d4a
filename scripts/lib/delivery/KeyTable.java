import java.util.*;

/**
 * Which keys were seen, in bounded memory: of a key it holds a hash of 64 bits (of ten million keys, two have the same
 * one in 1 of 370,000 topics).
 */
final class KeyTable {
    /** Open addressing; 0 is a free place. */
    private final long[] hashes;

    private int size;
    private boolean full;

    /** @param bytes what the table may take; up to three quarters of its places are used */
    KeyTable(long keys, long bytes) {
        long places = Long.highestOneBit(keys * 4 / 3 + 1) * 2;
        long most = Long.highestOneBit(Math.min(bytes / 8, 1 << 30));
        hashes = new long[(int) Math.max(16, Math.min(most, places))];
    }

    /** Remembers a key, while there is room. @return whether it was there before */
    boolean add(byte[] key) {
        long hash = hash(key);
        int mask = hashes.length - 1;
        int place = (int) hash & mask;
        while (hashes[place] != 0) {
            if (hashes[place] == hash) {
                return true;
            }
            place = place + 1 & mask;
        }
        if (size >= hashes.length / 4 * 3) {
            full = true;
            return false;
        }
        hashes[place] = hash;
        size++;
        return false;
    }

    private static long hash(byte[] key) {
        long h = key.length;
        for (byte b : key) {
            h = (h ^ b & 0xff) * 0x9E3779B97F4A7C15L ^ h >>> 29;
        }
        h = (h ^ h >>> 32) * 0xD6E8FEB86659FD93L;
        h ^= h >>> 32;
        return h == 0 ? 1 : h;
    }

    /** Returns whether a key was left out. */
    boolean isFull() {
        return full;
    }

    int size() {
        return size;
    }

    /** The numbers of one producer's records: how many, from and to, and the last one in each partition. */
    static final class Numbers {
        private long min = Long.MAX_VALUE;
        private long max = Long.MIN_VALUE;
        private long different;
        private final Map<Integer, long[]> newestByPartition = new HashMap<>();

        /** Adds a number that is new. @return whether it comes after a later one */
        boolean add(int partition, long number) {
            min = Math.min(min, number);
            max = Math.max(max, number);
            different++;
            long[] newest = newestByPartition.computeIfAbsent(partition, p -> new long[] {Long.MIN_VALUE});
            boolean reordered = number < newest[0];
            newest[0] = Math.max(newest[0], number);
            return reordered;
        }

        /** Returns how many numbers no record has; 7 and 07 are two keys with one number. */
        long missing() {
            return Math.max(0, max - min + 1 - different);
        }

        String range() {
            return min + " to " + max;
        }
    }
}
