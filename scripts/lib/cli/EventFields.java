import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Function;

/** The fields of an event, in the order in which they are written. */
final class EventFields {
    private final Map<String, Object> values = new LinkedHashMap<>();

    /** Adds a field. What is given as EventFields, or as a list of them, is an object in JSON. */
    EventFields with(String name, Object value) {
        values.put(name, plain(value));
        return this;
    }

    private static Object plain(Object value) {
        if (value instanceof EventFields fields) return fields.values;
        return value instanceof List<?> list
                ? list.stream().map(EventFields::plain).toList()
                : value;
    }

    /** Adds a count for each kind. */
    <K> EventFields withCounts(Map<K, Long> counts, Function<K, String> name) {
        counts.forEach((kind, n) -> values.put(name.apply(kind), n));
        return this;
    }

    Map<String, Object> asMap() {
        return values;
    }

    /** Returns names and values in turn, which is what {@code emit} takes. */
    Object[] toArray() {
        Object[] pairs = new Object[2 * values.size()];
        int i = 0;
        for (Map.Entry<String, Object> field : values.entrySet()) {
            pairs[i++] = field.getKey();
            pairs[i++] = field.getValue();
        }
        return pairs;
    }
}
