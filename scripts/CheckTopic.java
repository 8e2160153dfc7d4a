///usr/bin/env jbang "$0" "$@" ; exit $?
//JAVA 17+
//DEPS org.apache.kafka:kafka-clients:4.4.0
//DEPS info.picocli:picocli:4.7.7
//DEPS com.fasterxml.jackson.jr:jackson-jr-objects:2.21.7
//DEPS org.slf4j:slf4j-simple:1.7.36
//SOURCES lib/cli/Cli.java lib/cli/Screen.java lib/cli/EventFields.java
//SOURCES lib/delivery/LogCheck.java lib/delivery/TopicQuery.java lib/delivery/TopicReader.java
//SOURCES lib/delivery/LogConsumer.java lib/delivery/LogEnds.java lib/delivery/FindingLog.java
//SOURCES lib/delivery/TopicContents.java lib/delivery/KeyTable.java lib/delivery/TopicVerdict.java
// Compression is native code, of which newer JVMs warn.
//RUNTIME_OPTIONS --enable-native-access=ALL-UNNAMED
//JAVAC_OPTIONS -J-XX:TieredStopAtLevel=1 -J-XX:+UseSerialGC
//DESCRIPTION Checks a topic without a ledger: order, gaps and duplicates by key

import java.io.PrintWriter;
import java.util.concurrent.Callable;
import java.util.regex.Pattern;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/**
 * Reads a topic from its first to its last offset, as consumers with read_committed see it, and says what is wrong with
 * it as far as the records alone can say. What was aborted, and what is in open transactions, is counted.
 *
 * <p>Proved is that an identity is there twice, that a later number of a producer is before an earlier one, that a
 * leader epoch goes back. An offset without a record, or a number that no record has, may have its good reason (a
 * transaction's marker; a send that failed): that is reported, and proves nothing. Whether what was acknowledged is
 * there can only be said with a ledger: check-delivery.
 *
 * <pre>check-topic --topic critical_data
 * check-topic --topic orders --identity '(.*)-(\d+)'      keys such as till7-1234: number 1234 of till7</pre>
 */
@Command(
        name = "check-topic",
        version = "kraft-lab 0.1.0",
        sortOptions = false,
        description = "Checks order, gaps and duplicates by key in a topic, without a ledger. Exit 0: nothing found;"
                + " 13: a violation is proved; 14: inconclusive, or not everything"
                + " could be read.")
class CheckTopic implements Callable<Integer> {
    @Option(names = "--topic", paramLabel = "TOPIC", required = true, description = "The topic to read.")
    String topic;

    @Option(
            names = "--identity",
            paramLabel = "REGEX",
            defaultValue = "(.+/.+)/(\\d{1,18})",
            description = "Keys that number their records, with groups for producer and number"
                    + " (default: ${DEFAULT-VALUE}, the keys of resilient-producer).")
    Pattern identity;

    @Option(
            names = "--unique-keys",
            description = "Treat every key as an identity: a second record with the same key is a duplicate, not an"
                    + " update.")
    boolean uniqueKeys;

    @Mixin
    Cli.Common common = new Cli.Common();

    public static void main(String... args) {
        System.exit(run(Screen.OUT, Screen.ERR, args));
    }

    /** Runs the script without a process. @return the exit code */
    public static int run(PrintWriter out, PrintWriter err, String... args) {
        CheckTopic script = new CheckTopic();
        return script.common.run(script, out, err, args);
    }

    @Override
    public Integer call() throws Exception {
        TopicVerdict verdict = check();
        if (!common.json) {
            new TopicVerdict.Printer(common.out).print(verdict);
        }
        return verdict.exitCode();
    }

    /** Reads the topic, and emits the verdict. */
    public TopicVerdict check() throws Exception {
        long memory = Runtime.getRuntime().maxMemory() / 2;
        TopicContents contents = new TopicContents(topic, identity, uniqueKeys, memory);
        TopicReader.read(common, contents);
        TopicVerdict verdict = contents.verdict();
        common.emit("verdict", verdict.fields().toArray());
        return verdict;
    }
}
