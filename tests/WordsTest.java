import static org.junit.jupiter.api.Assertions.assertEquals;

import java.nio.file.*;
import java.util.*;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;

/** Proves that words which a reader of Kafka's documentation would stumble over do not come back. */
class WordsTest {
    /** Each row: a pattern, and the files that still have it. No file may be added. */
    private static final String WORDS = """
        [Ww]hat is told |
        (a partition is|partitions are) lost by it |
        Only say what it would mean |
        So many letters |
        Load like real load |
        Who must have a record |
        A question that has no answer by then |
        Also what leaves something |
        And further ones |
        As --c\\b |
        one message each |
        is no (valid )?port\\b |
        is no regular expression |
        stop(s|ped) in order |
        light compiler |
        class archive |
        last lines anew |
        had waited by then |
        by the leader's (own )?clock |
        how many of each |
        [Tt]he book\\b |
        \\b[Cc]lerk\\b |
        \\b[Mm]op(s|ped|ping)?\\b |
        \\b[Ss]trangers?\\b |
        \\bamiss\\b |
        \\bnews\\b |
        keepBooks |
        (class|enum|interface|record) (Looker|Ask|Share)\\b |
        (class|enum|interface|record) (Telling|Further|Real)\\b |
        (class|enum|interface|record) Where\\b |
        """;
    /** Options that have another name now; the old one is a hidden alias in the script alone. */
    private static final String OPTIONS = """
        --each\\b |
        --hold\\b |
        --observe\\b |
        --run\\b |
        --[a-f]\\b |
        """;

    @Test
    void scriptsAndDocumentsHaveNoneOfThem() throws Exception {
        List<Path> files = files("scripts", "docs", "compose", "README.md", "jbang", "jbang-catalog.json");
        assertEquals(List.of(), found(WORDS, files));
    }

    @Test
    void documentsNameOptionsAsTheyAreCalledToday() throws Exception {
        assertEquals(List.of(), found(OPTIONS, files("docs", "README.md", "scripts/lib/lab/lab-messages.properties")));
    }

    private static List<String> found(String table, List<Path> files) throws Exception {
        List<String> found = new ArrayList<>();
        for (String row : table.lines().toList()) {
            int bar = row.lastIndexOf(" |");
            Pattern words = Pattern.compile(row.substring(0, bar));
            Set<String> known = Set.of(row.substring(bar + 2).strip().split(" "));
            for (Path file : files) {
                String name = ContractTest.REPO.relativize(file).toString().replace('\\', '/');
                if (!known.contains(name)
                        && words.matcher(Files.readString(file)).find()) {
                    found.add(name + " has: " + words);
                }
            }
        }
        return found;
    }

    /** Those that are texts. */
    private static List<Path> files(String... places) throws Exception {
        List<Path> all = new ArrayList<>();
        for (String place : places) {
            try (Stream<Path> files = Files.walk(ContractTest.REPO.resolve(place))) {
                files.filter(file ->
                                Files.isRegularFile(file) && !file.toString().matches(".*\\.(png|jpg|gif|jar)"))
                        .forEach(all::add);
            }
        }
        return all;
    }
}
