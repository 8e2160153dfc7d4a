import java.time.Instant;
import java.time.LocalDate;

/** Reads the times of events as microseconds since 1970. */
final class EventTime {
    private static final long YEAR_2000 = 946_684_800_000_000L;
    private static final long YEAR_2100 = 4_102_444_800_000_000L;

    private EventTime() {}

    /** Parses 2026-11-23T12:40:32.938153Z digit by digit, for there are millions; any other form by the library. */
    static long micros(String text) {
        int length = text.length();
        boolean usual = length >= 20
                && length <= 30
                && text.charAt(length - 1) == 'Z'
                && text.charAt(4) == '-'
                && text.charAt(10) == 'T';
        if (usual) {
            return plausible(usualForm(text));
        }
        Instant at = Instant.parse(text);
        return plausible(at.getEpochSecond() * 1_000_000 + at.getNano() / 1000);
    }

    private static long usualForm(String text) {
        long fraction = 0;
        for (int i = 20; i < 26; i++) {
            fraction = fraction * 10 + (i < text.length() - 1 ? digit(text, i) : 0);
        }
        long days = LocalDate.of(digits(text, 0, 4), digits(text, 5, 7), digits(text, 8, 10))
                .toEpochDay();
        long hours = days * 24 + digits(text, 11, 13);
        long minutes = hours * 60 + digits(text, 14, 16);
        long seconds = minutes * 60 + digits(text, 17, 19);
        return seconds * 1_000_000 + fraction;
    }

    private static int digits(String text, int from, int to) {
        int number = 0;
        for (int i = from; i < to; i++) {
            number = number * 10 + digit(text, i);
        }
        return number;
    }

    private static int digit(String text, int i) {
        int digit = text.charAt(i) - '0';
        if (digit < 0 || digit > 9) {
            throw new IllegalArgumentException("not a time: " + text);
        }
        return digit;
    }

    /** Refuses what a wrong clock would say: it would leave all else in a single point of the time axis. */
    private static long plausible(long micros) {
        if (micros < YEAR_2000 || micros > YEAR_2100) {
            throw new IllegalArgumentException("a time out of all reason");
        }
        return micros;
    }
}
