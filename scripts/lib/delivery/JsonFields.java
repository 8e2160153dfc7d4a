import com.fasterxml.jackson.jr.ob.JSON;
import java.io.IOException;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Function;

/** The fields of a JSON object, in the order in which they were added. */
final class JsonFields extends LinkedHashMap<String, Object> {
    /** Returns the fields of a line of JSON; none if it is damaged. */
    static Map<String, Object> parse(String line) {
        try {
            return JSON.std.mapFrom(line);
        } catch (IOException damaged) {
            return Map.of();
        }
    }

    /** Returns a number; -1 if there is none of this name. */
    static long number(Map<String, Object> fields, String name) {
        return fields.get(name) instanceof Number n ? n.longValue() : -1;
    }

    JsonFields with(String name, Object value) {
        put(name, value);
        return this;
    }

    /** Adds a count for each kind. */
    <K> JsonFields withCounts(Map<K, Long> counts, Function<K, String> name) {
        counts.forEach((kind, n) -> put(name.apply(kind), n));
        return this;
    }

    /** Returns name, value, name, value, ... */
    Object[] toPairs() {
        List<Object> pairs = new ArrayList<>();
        forEach((name, value) -> pairs.addAll(List.of(name, value)));
        return pairs.toArray();
    }
}
