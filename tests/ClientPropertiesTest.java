import static org.junit.jupiter.api.Assertions.*;

import java.util.List;
import java.util.Properties;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;

/** The properties that the common block gives to clients. */
class ClientPropertiesTest {
    /** probe creates a client for each check, all at once. */
    @Test
    void clientsOfSeveralThreadsShareNoProperties() {
        WatchIsr script = new WatchIsr();
        script.common.configure(script, TestCluster.quiet(), TestCluster.quiet(), "-b", "localhost:1");
        List<Integer> mixed = IntStream.range(0, 20_000)
                .parallel()
                .filter(i -> !hasOnlyItsOwn(client(script, i), i))
                .boxed()
                .toList();
        assertEquals(List.of(), mixed, "clients that got another's properties");
    }

    private static Properties client(WatchIsr script, int i) {
        return assertDoesNotThrow(() -> script.common.client("client.id", i, "of." + i, "it"));
    }

    private static boolean hasOnlyItsOwn(Properties properties, int i) {
        return properties.getProperty("client.id").equals("" + i)
                && properties.stringPropertyNames().stream()
                        .filter(name -> name.startsWith("of."))
                        .allMatch(("of." + i)::equals);
    }
}
