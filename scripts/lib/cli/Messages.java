//SOURCES Cli.java

import java.util.*;

/**
 * Texts by key in the reader's language, from properties files, so that a translator needs no Java.
 * {@link String#format} fills them in and not MessageFormat, in which an apostrophe swallows what follows; numbers are
 * the language's (24.57 s in English, 24,57 in Russian).
 */
final class Messages {
    private static final Map<String, Locale> LANGUAGES =
            new TreeMap<>(Map.of("en", Locale.ROOT, "ru", new Locale("ru")));

    final String language;
    private final Locale locale;
    private final Map<String, String> texts = new HashMap<>();

    private Messages(String language) {
        this.language = language;
        locale = LANGUAGES.get(language);
    }

    /** Reads the texts of one or several bundles. Throws an Exit when they are not translated into the language. */
    static Messages of(String language, String... bundles) {
        if (!LANGUAGES.containsKey(language)) {
            String known = String.join(" or ", LANGUAGES.keySet());
            throw new Cli.Exit(2, "'" + language + "' is not a supported language: use --lang " + known + ".");
        }
        Messages messages = new Messages(language);
        for (String name : bundles) {
            ResourceBundle bundle = ResourceBundle.getBundle(
                    name,
                    messages.locale,
                    ResourceBundle.Control.getNoFallbackControl(ResourceBundle.Control.FORMAT_PROPERTIES));
            bundle.keySet().forEach(key -> messages.texts.put(key, bundle.getString(key)));
        }
        return messages;
    }

    String text(String key, Object... args) {
        String text = texts.get(key);
        if (text == null) {
            throw new MissingResourceException("No text for " + key, "Messages", key);
        }
        return String.format(locale, text, args);
    }
}
