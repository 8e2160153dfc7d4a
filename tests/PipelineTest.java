import static org.junit.jupiter.api.Assertions.*;

import java.io.File;
import java.nio.file.*;
import java.util.*;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.*;

/** Runs the pipelines of docs/pipelines.md through bash and the launcher, from a folder outside the repository. */
@Order(75)
@Tag("screen")
class PipelineTest {
    @BeforeAll
    static void bash() throws Exception {
        Assumptions.assumeTrue(onPath("bash"), "bash is not on PATH: the launcher is a bash script.");
    }

    @BeforeEach
    void healthy() throws Exception {
        TestCluster.healthy();
    }

    private static boolean onPath(String command) {
        return Arrays.stream(System.getenv("PATH").split(File.pathSeparator))
                .anyMatch(d -> new File(d, command).canExecute());
    }

    /**
     * Runs a line as a user of bash does; {@code ./jbang} in it is this repository's launcher, called from another
     * folder.
     */
    private static TestCluster.Run bash(String line) throws Exception {
        Path elsewhere = Files.createDirectories(TestCluster.HOME.resolve("else where")),
                out = elsewhere.resolve("out"),
                err = elsewhere.resolve("err");
        ProcessBuilder builder = new ProcessBuilder(
                        "bash", "-c", line.replace("./jbang", "'" + ContractTest.REPO.resolve("jbang") + "'"))
                .directory(elsewhere.toFile())
                .redirectOutput(out.toFile())
                .redirectError(err.toFile())
                .redirectInput(new File("/dev/null"));
        builder.environment().put("KRAFT_LAB_HOME", TestCluster.HOME.toString());
        builder.environment().remove("KAFKA_BOOTSTRAP");
        Process process = builder.start();
        assertTrue(
                process.waitFor(120, TimeUnit.SECONDS),
                "does not end: " + line + "\n" + Files.readString(out) + Files.readString(err));
        return new TestCluster.Run(process.exitValue(), Files.readString(out), Files.readString(err));
    }

    @Test
    @Order(1)
    void killNodeTakesWhatFindControllerPrints() throws Exception {
        int controller = TestCluster.controller();
        TestCluster.Run run = bash("./jbang kill-node $(./jbang find-controller)");
        assertEquals(0, run.code(), run.toString());
        assertEquals(Cluster.name(controller) + " killed\n", run.out(), run.toString());
        assertFalse(TestCluster.runs(controller));
        TestCluster.Run start = bash("echo " + controller + " | ./jbang start-node -");
        assertEquals(0, start.code(), start.toString());
        assertEquals(Cluster.name(controller) + " restored\n", start.out(), start.toString());
    }

    @Test
    @Order(2)
    void watchIsrFeedsJq() throws Exception {
        Assumptions.assumeTrue(onPath("jq"), "jq is not on PATH.");
        TestCluster.createTopic("critical_data", "--if-not-exists");
        TestCluster.Run run = bash(
                "./jbang watch-isr --once --json --topic critical_data | jq -r '\"\\(.inSync) of \\(.replicas)\"'");
        assertEquals(0, run.code(), run.toString());
        assertEquals("24 of 24\n", run.out(), run.toString());
    }

    @Test
    @Order(3)
    void theProducerEndsWhenItsReaderDoes() throws Exception {
        Assumptions.assumeTrue(onPath("jq"), "jq is not on PATH.");
        TestCluster.createTopic("critical_data", "--if-not-exists");
        String pipe =
                "./jbang resilient-producer --json --rate 500 | jq -r 'select(.type==\"ack\").seq' | head -3; echo"
                        + " \"${PIPESTATUS[0]}\" >&2";
        TestCluster.Run run =
                bash(pipe); // jq keeps what it prints until it has 4 KiB, hence the rate; acknowledgements of several
        // leaders overtake each other
        assertTrue(run.out().matches("\\d+\n\\d+\n\\d+\n"), run.toString());
        assertTrue(run.err().endsWith("\n0\n"), "the producer's own exit: " + run.err());
        TestCluster.Run slow = bash(pipe.replace("--rate 500", "").replace("jq", "jq --unbuffered"));
        assertEquals("1\n2\n3\n", slow.out(), slow.toString());
        assertTrue(slow.err().endsWith("\n0\n"), "the producer's own exit: " + slow.err());
        TestCluster.Run plain = bash("./jbang resilient-producer | head -2; echo \"${PIPESTATUS[0]}\" >&2");
        assertEquals("Sent: 1\nSent: 2\n", plain.out(), plain.toString());
        assertTrue(plain.err().endsWith("\n0\n"), "the producer's own exit: " + plain.err());
    }
}
