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
        [Ww]hat is told | scripts/PerfTest.java
        (a partition is|partitions are) lost by it | scripts/KillNode.java
        Only say what it would mean | scripts/KillNode.java
        So many letters | scripts/PerfTest.java
        Load like real load | scripts/PerfTest.java
        Who must have a record |
        A question that has no answer by then |
        Also what leaves something |
        And further ones | scripts/CompareSettings.java
        As --c\\b | scripts/CompareSettings.java
        one message each | scripts/ResilientProducer.java
        is no (valid )?port\\b | scripts/lib/report/LivePage.java
        is no regular expression | scripts/PerfTest.java
        stop(s|ped) in order | scripts/lib/lab/lab-messages.properties
        light compiler | compose/compose.yaml jbang scripts/Cluster.java scripts/WatchIsr.java
        class archive | scripts/Cluster.java
        last lines anew | scripts/WatchIsr.java scripts/PerfTest.java
        had waited by then | scripts/PerfTest.java
        by the leader's (own )?clock | scripts/KillNode.java scripts/WatchIsr.java
        how many of each | scripts/PerfTest.java scripts/lib/delivery/FindingLog.java
        [Tt]he book\\b | scripts/ResilientProducer.java
        \\b[Cc]lerk\\b | scripts/ResilientProducer.java
        \\b[Mm]op(s|ped|ping)?\\b |
        \\b[Ss]trangers?\\b | scripts/KillNode.java
        \\bamiss\\b |
        \\bnews\\b | scripts/WatchIsr.java
        keepBooks | docs/developing.md scripts/ResilientProducer.java
        (class|enum|interface|record) (Looker|Ask|Share)\\b | scripts/WatchIsr.java
        (class|enum|interface|record) (Telling|Further|Real)\\b | scripts/PerfTest.java
        (class|enum|interface|record) Where\\b | scripts/Cluster.java scripts/KillNode.java
        """;
    /** Options that have another name now; the old one is a hidden alias in the script alone. */
    private static final String OPTIONS = """
        --each\\b | docs/example-notebook-docker.md docs/example-notebook-ru.md docs/example-notebook.md
        --hold\\b |
        --observe\\b | docs/scenarios.md
        --run\\b |
        --[a-f]\\b | docs/scripts.md
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
