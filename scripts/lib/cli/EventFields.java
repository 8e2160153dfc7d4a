import java.util.LinkedHashMap;
import java.util.Map;

/** The fields of an event, in the order in which they are written. */
final class EventFields {
    private final Map<String, Object> values = new LinkedHashMap<>();

    EventFields with(String name, Object value) {
        values.put(name, value);
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
