import java.util.Collections;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.OptionalLong;
import java.util.TreeMap;

/**
 * One event of the stream. The fields of an acknowledgement, of which there are millions, have a place of their own;
 * the others are read by name, and a reader that needs a field gets it or an exception that names it.
 */
final class RunEvent {
    /** A number that the line does not have. */
    static final long ABSENT = Long.MIN_VALUE;

    String type;
    String topic;
    long time = ABSENT;
    long partition = ABSENT;
    long latencyUs = ABSENT;
    long seq = ABSENT;
    private Map<String, Object> fields = Map.of();

    void put(String field, Object value) {
        if (fields.isEmpty()) {
            fields = new HashMap<>();
        }
        fields.put(field, value);
    }

    /** Drops fields that may be long and that nothing needs. */
    void remove(String... names) {
        fields.keySet().removeAll(List.of(names));
    }

    /** Returns whether this is an event at all: a ledger's lines, as of {@code cat *.jsonl}, are not. */
    boolean isComplete() {
        return type != null && time != ABSENT;
    }

    long requiredPartition() {
        return required(partition);
    }

    long requiredLatencyUs() {
        return required(latencyUs);
    }

    private static long required(long value) {
        if (value == ABSENT) {
            throw new IllegalArgumentException("a field is missing");
        }
        return value;
    }

    Object get(String field) {
        return fields.get(field);
    }

    String text(String field) {
        if (fields.get(field) instanceof String text) {
            return text;
        }
        throw new IllegalArgumentException(field + " is not a string");
    }

    String text(String field, String otherwise) {
        Object value = fields.get(field);
        return value == null ? otherwise : value.toString();
    }

    double number(String field) {
        if (fields.get(field) instanceof Number number) {
            return number.doubleValue();
        }
        throw new IllegalArgumentException(field + " is not a number");
    }

    /** Returns a number, or the other one where the event does not have it. */
    double number(String field, String otherwise) {
        return number(fields.get(field) instanceof Number ? field : otherwise);
    }

    long whole(String field) {
        if (fields.get(field) instanceof Long number) {
            return number;
        }
        throw new IllegalArgumentException(field + " is not an integer");
    }

    long whole(String field, long otherwise) {
        return fields.get(field) instanceof Long number ? number : otherwise;
    }

    /** Returns a time in microseconds since 1970. */
    long micros(String field) {
        return EventTime.micros(text(field));
    }

    long micros(String field, long otherwise) {
        return fields.get(field) instanceof String text ? EventTime.micros(text) : otherwise;
    }

    /** Returns whether the event says of itself that something is not so; absent means that it is. */
    boolean denies(String field) {
        return Boolean.FALSE.equals(fields.get(field));
    }

    List<?> list(String field) {
        return fields.get(field) instanceof List<?> list ? list : List.of();
    }

    /** Returns the elements of a list, or a single value as a list of one. */
    List<?> oneOrMore(String field) {
        Object value = fields.get(field);
        return value instanceof List<?> list ? list : Collections.singletonList(value);
    }

    /** Returns a bit for each id in a list of brokers; all bits when the event does not have the list. */
    long bits(String field) {
        if (!(fields.get(field) instanceof List<?> ids)) {
            return -1;
        }
        long bits = 0;
        for (Object id : ids) {
            if (id instanceof Long broker && broker >= 0 && broker < Long.SIZE) {
                bits |= 1L << broker;
            }
        }
        return bits;
    }

    OptionalLong milliseconds(String field) {
        return fields.get(field) instanceof Number ms
                ? OptionalLong.of(Math.round(ms.doubleValue() * 1000))
                : OptionalLong.empty();
    }

    /** Returns the numbers and strings, without what may be long. */
    Map<String, Object> scalars() {
        Map<String, Object> scalars = new TreeMap<>(fields);
        scalars.values().removeIf(value -> !(value instanceof Number || value instanceof String));
        return scalars;
    }
}
