//FILES lab-messages.properties=lab-messages.properties
//FILES lab-messages_ru.properties=lab-messages_ru.properties

import java.util.*;

/**
 * What the lab says, in the reader's language: texts by their keys, from lab-messages*.properties, where a translator needs no Java. They are filled in by {@link String#format}
 * and not by MessageFormat, in which an apostrophe swallows what follows; its numbers are the language's (24.57 s in English, 24,57 in Russian).
 */
class LabMessages {
    private static final Map<String, Locale> LANGUAGES =
            new TreeMap<>(Map.of("en", Locale.ROOT, "ru", new Locale("ru")));
    static final LabMessages ENGLISH = of("en");

    final String language;
    private final Locale locale;
    private final ResourceBundle texts;

    private LabMessages(String language) {
        this.language = language;
        locale = LANGUAGES.get(language);
        texts = ResourceBundle.getBundle(
                "lab-messages",
                locale,
                ResourceBundle.Control.getNoFallbackControl(ResourceBundle.Control.FORMAT_PROPERTIES));
    }

    /** @throws IllegalArgumentException with a sentence that names those that there are */
    static LabMessages of(String language) {
        if (!LANGUAGES.containsKey(language))
            throw new IllegalArgumentException("The lab does not speak '" + language + "': --lang takes "
                    + String.join(" or ", LANGUAGES.keySet()) + ".");
        return new LabMessages(language);
    }

    String text(String key, Object... args) {
        return String.format(locale, texts.getString(key), args);
    }
}
