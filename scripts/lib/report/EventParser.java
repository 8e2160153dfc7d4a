import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.JsonToken;
import java.io.IOException;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** Reads a line of the event stream. A streaming parser, because most of the millions of lines need only six fields. */
final class EventParser {
    private static final JsonFactory JSON = new JsonFactory();
    private static final int LONGEST_TEXT = 300;

    private EventParser() {}

    /** Parses one line, which has to be one JSON object and nothing else. */
    static RunEvent parse(byte[] bytes, int start, int length) throws IOException {
        try (JsonParser json = JSON.createParser(bytes, start, length)) {
            if (json.nextToken() != JsonToken.START_OBJECT) {
                throw new IllegalArgumentException("not an object");
            }
            RunEvent event = new RunEvent();
            for (String field; (field = json.nextFieldName()) != null; ) {
                json.nextToken();
                read(json, field, event);
            }
            if (json.currentToken() != JsonToken.END_OBJECT || json.nextToken() != null) {
                throw new IllegalArgumentException("more than an object");
            }
            return event;
        }
    }

    private static void read(JsonParser json, String field, RunEvent event) throws IOException {
        switch (field) {
            case "ts" -> event.time = EventTime.micros(json.getText());
            case "type" -> event.type = json.getText();
            case "topic" -> event.topic = shortened(json.getText());
            case "partition" -> event.partition = json.getLongValue();
            case "latencyUs" -> event.latencyUs = json.getLongValue();
            case "seq" -> event.seq = json.getLongValue();
            default -> readOther(json, field, event);
        }
    }

    private static void readOther(JsonParser json, String field, RunEvent event) throws IOException {
        if ("ack".equals(event.type)) {
            json.skipChildren();
        } else {
            event.put(field, value(json));
        }
    }

    private static Object value(JsonParser json) throws IOException {
        return switch (json.currentToken()) {
            case START_OBJECT -> object(json);
            case START_ARRAY -> array(json);
            case VALUE_NUMBER_INT -> json.getLongValue();
            case VALUE_NUMBER_FLOAT -> json.getDoubleValue();
            case VALUE_TRUE, VALUE_FALSE -> json.getBooleanValue();
            case VALUE_NULL -> null;
            default -> shortened(json.getText());
        };
    }

    private static Map<String, Object> object(JsonParser json) throws IOException {
        Map<String, Object> object = new LinkedHashMap<>();
        for (String field; (field = json.nextFieldName()) != null; ) {
            json.nextToken();
            object.put(shortened(field), value(json));
        }
        return object;
    }

    private static List<Object> array(JsonParser json) throws IOException {
        List<Object> array = new ArrayList<>();
        while (json.nextToken() != JsonToken.END_ARRAY) {
            array.add(value(json));
        }
        return array;
    }

    /** Returns what is wrong with a line, without the parser's remark on where in the bytes it is. */
    static String problem(Exception e) {
        return shortened(
                String.valueOf(e instanceof JsonProcessingException json ? json.getOriginalMessage() : e.getMessage()));
    }

    static String shortened(String text) {
        if (text == null || text.length() <= LONGEST_TEXT) {
            return text;
        }
        return text.substring(0, LONGEST_TEXT - 1) + "\u2026";
    }
}
