///usr/bin/env jbang "$0" "$@" ; exit $?
//JAVA 17+
//DEPS org.apache.kafka:kafka-clients:4.4.0
//DEPS info.picocli:picocli:4.7.7
//DEPS com.fasterxml.jackson.jr:jackson-jr-objects:2.21.7
//DEPS org.slf4j:slf4j-simple:1.7.36
//SOURCES lib/cli/Cli.java lib/cli/Screen.java lib/cli/EventFields.java
//SOURCES lib/delivery/LogCheck.java lib/delivery/TopicQuery.java lib/delivery/TopicReader.java
//SOURCES lib/delivery/LogConsumer.java lib/delivery/LogEnds.java lib/delivery/FindingLog.java
//SOURCES lib/delivery/LedgerReader.java lib/delivery/ProducerLedger.java lib/delivery/Acknowledgements.java
//SOURCES lib/delivery/DeliveryChecker.java lib/delivery/ProducerCheck.java lib/delivery/DeliveryFindings.java
//SOURCES lib/delivery/Anomaly.java lib/delivery/FaultWindow.java lib/delivery/DeliveryVerdict.java
//SOURCES lib/delivery/LoadLedger.java lib/delivery/LoadChecker.java lib/delivery/LoadVerdict.java
//SOURCES lib/delivery/VerdictPrinter.java
// Compression is native code, of which newer JVMs warn.
//RUNTIME_OPTIONS --enable-native-access=ALL-UNNAMED
//JAVAC_OPTIONS -J-XX:TieredStopAtLevel=1 -J-XX:+UseSerialGC
//DESCRIPTION Compares the ledger with the log: records lost, duplicated or reordered

import java.io.File;
import java.io.PrintWriter;
import java.util.ArrayList;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/**
 * Reads a topic and compares it with the ledgers of the producers that wrote it; docs/verifier.md defines the words.
 *
 * <p>A fresh client without a group reads each partition from where the run began until it has passed the highest
 * acknowledged offset and the end that the partition had when the check began. What it could not reach is lost where
 * the log is proved to end before it. Otherwise it is unseen, and the verdict is incomplete, never a pass. Nor is it a
 * pass where nothing was acknowledged: nothing was promised then. A run is checked with the ledgers of all its
 * producers; records of other runs are counted and ignored. Given the run's events, it says during which fault an
 * anomaly occurred. For a topic without a ledger: check-topic.
 *
 * <pre>check-delivery run.jsonl &amp;&amp; echo nothing was lost
 * check-delivery runs/1/ledger.jsonl --events-from runs/1/events.jsonl</pre>
 */
@Command(
        name = "check-delivery",
        version = "kraft-lab 0.1.0",
        sortOptions = false,
        description = "Compares a topic with the ledgers of its producers. Exit 0: every acknowledged record is there;"
                + " 13: one is lost, or another anomaly fails the check; 14: not everything could be read, or nothing"
                + " was acknowledged.")
class CheckDelivery implements Callable<Integer> {
    @Parameters(
            paramLabel = "LEDGER",
            arity = "0..*",
            description =
                    "The ledgers of the run's producers, written by resilient-producer --ledger or perf --ledger.")
    List<File> files = new ArrayList<>();

    @Option(names = "--ledger", paramLabel = "FILE", description = "A ledger, as an option.")
    List<File> ledgerFiles = new ArrayList<>();

    @Option(
            names = "--events-from",
            paramLabel = "FILE",
            description = "The run's events: show during which fault each anomaly occurred.")
    File eventsFrom;

    @Mixin
    Cli.Common common = new Cli.Common();

    public static void main(String... args) {
        System.exit(run(Screen.OUT, Screen.ERR, args));
    }

    /** Runs the script without a process. @return the exit code */
    public static int run(PrintWriter out, PrintWriter err, String... args) {
        CheckDelivery script = new CheckDelivery();
        return script.common.run(script, out, err, args);
    }

    @Override
    public Integer call() throws Exception {
        VerdictPrinter printer = new VerdictPrinter(common.out);
        if (!LoadLedger.isLoadLedger(files().get(0))) {
            DeliveryVerdict verdict = check();
            if (!common.json) {
                printer.print(verdict);
            }
            return verdict.exitCode();
        }
        List<LoadVerdict> verdicts = checkLoad();
        if (!common.json) {
            verdicts.forEach(printer::print);
        }
        return Collections.max(verdicts.stream().map(LoadVerdict::result).toList()).exitCode;
    }

    private List<File> files() {
        List<File> all = new ArrayList<>(files);
        all.addAll(ledgerFiles);
        if (all.isEmpty()) {
            throw new Cli.Exit(
                    2,
                    "Name the ledger: the file that resilient-producer --ledger or perf --ledger wrote;"
                            + " for a topic without one, use check-topic.");
        }
        return all;
    }

    /** Reads the ledgers of resilient-producer and their topic, and emits the verdict. */
    public DeliveryVerdict check() throws Exception {
        DeliveryChecker checker = new DeliveryChecker();
        if (eventsFrom != null) {
            checker.faults.addAll(FaultWindow.Reader.read(eventsFrom, this::warnOfDamagedEvents));
        }
        checker.load(files());
        TopicReader.read(common, checker);
        checker.awaitLedgers();
        DeliveryVerdict verdict = checker.verdict();
        common.emit("verdict", verdict.fields().toArray());
        return verdict;
    }

    private void warnOfDamagedEvents(long lines) {
        common.say("%d lines of %s cannot be read and are left out: a fault may be missing.", lines, eventsFrom);
    }

    /** Reads the ledgers of perf and their topics, and emits a verdict for each topic. */
    public List<LoadVerdict> checkLoad() throws Exception {
        if (eventsFrom != null) {
            throw new Cli.Exit(
                    2, "--events-from needs the ledgers of resilient-producer: those of perf have no times.");
        }
        Map<String, LoadChecker> checkers = new LinkedHashMap<>();
        for (File file : files()) {
            LoadLedger.read(file, checkers);
        }
        List<LoadVerdict> verdicts = new ArrayList<>();
        for (LoadChecker checker : checkers.values()) {
            TopicReader.read(common, checker);
            LoadVerdict verdict = checker.verdict();
            common.emit("load-verdict", verdict.fields().toArray());
            verdicts.add(verdict);
        }
        return verdicts;
    }
}
