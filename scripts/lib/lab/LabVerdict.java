//SOURCES LabFolder.java LabJournal.java ../cli/Cli.java ../delivery/DeliveryVerdict.java ../delivery/LoadVerdict.java
//SOURCES ../../ResilientProducer.java

import com.fasterxml.jackson.jr.ob.JSON;
import java.io.IOException;
import java.nio.file.Files;
import java.time.Duration;
import java.util.*;

/** What the checks of an experiment come to: the exit code, the last line, and verdict.json. */
final class LabVerdict {
    private final String topic;
    private final String loadTopic;
    /** What has not been checked, or sent, is null. */
    ResilientProducer.Summary sent;

    DeliveryVerdict delivery;
    LoadVerdict load;

    LabVerdict(String topic, String loadTopic) {
        this.topic = topic;
        this.loadTopic = loadTopic;
    }

    int exitCode() {
        return exitCode(delivery, load);
    }

    /** A lost record fails, whichever it is, and what was not checked to the end proves nothing of both. */
    static int exitCode(DeliveryVerdict delivery, LoadVerdict load) {
        List<Integer> codes = List.of(delivery.exitCode(), load.exitCode());
        return codes.contains(Cli.ANOMALY) ? Cli.ANOMALY : Collections.max(codes);
    }

    private String name() {
        if (delivery == null || load == null) {
            return "incomplete";
        }
        return Map.of(0, "pass", Cli.ANOMALY, "fail").getOrDefault(exitCode(), "incomplete");
    }

    /** Returns how many acknowledged records of the load are gone: also those whose offset has another record now. */
    long lostOfLoad() {
        return load.count(Anomaly.LOST) + load.count(Anomaly.INCONSISTENT);
    }

    /** Returns the last line of the lab. */
    String sentence(Messages words, LabFolder folder) {
        String counts = counts(words);
        if (exitCode() == 0) {
            return words.text("verdict.pass", counts);
        }
        if (delivery.verdict().equals("fail")) {
            return words.text("verdict.fail", counts, folder.file("ledger.jsonl"));
        }
        if (load.verdict().equals("fail")) {
            return words.text("verdict.fail-load", counts, folder.file("load-ledger.jsonl"));
        }
        return delivery.acknowledged() == 0
                ? words.text("verdict.nothing", counts)
                : words.text("verdict.incomplete", counts, unproved());
    }

    private String counts(Messages words) {
        String producer = words.text(
                "verdict.counts",
                delivery.acknowledged(),
                delivery.count(Anomaly.LOST),
                delivery.count(Anomaly.DUPLICATE),
                sent.indeterminate(),
                LabJournal.seconds(sent.longestGap().length()));
        LoadVerdict.Counts counts = load.counts();
        return producer + "; " + words.text("verdict.load", counts.found(), counts.acknowledged(), lostOfLoad());
    }

    /** Returns why not all of it is proved, as the checks say, and of what. */
    private String unproved() {
        StringBuilder reasons = new StringBuilder();
        delivery.incomplete().forEach(why -> reasons.append(" " + topic + ": " + why + "."));
        load.incomplete().forEach(why -> reasons.append(" " + loadTopic + ": " + why + "."));
        return reasons.toString();
    }

    // ---- verdict.json ----

    /** How a run ended, and how long it took. */
    record End(String scenario, String text, Duration took) {}

    void write(LabFolder folder, End end, LabJournal journal) throws IOException {
        EventFields json = new EventFields()
                .with("verdict", name())
                .with("scenario", end.scenario)
                .with("text", end.text)
                .with("tookMs", end.took.toMillis())
                .with("waitedForKafkaMs", journal.waited().toMillis());
        if (sent != null) {
            json.with("sent", sent.sent()).with("indeterminate", sent.indeterminate());
            json.with("longestGapMs", sent.longestGap().length().toMillis());
        }
        if (delivery != null) {
            json.with("topic", topic).with("acks", "all").with("acknowledged", delivery.acknowledged());
            delivery.report().anomalies().forEach((anomaly, n) -> json.with(anomaly.field, n));
        }
        if (load != null) {
            json.with("load", loadFields());
        }
        json.with("steps", journal.steps.stream().map(LabVerdict::fields).toList());
        String text = JSON.std.with(JSON.Feature.PRETTY_PRINT_OUTPUT).asString(json.asMap());
        Files.writeString(folder.file("verdict.json"), text + "\n");
    }

    private Map<String, Object> loadFields() {
        EventFields fields = new EventFields()
                .with("topic", loadTopic)
                .with("acks", "1")
                .with("verdict", load.verdict())
                .with("acknowledged", load.counts().acknowledged())
                .with("found", load.counts().found());
        load.report().anomalies().forEach((anomaly, n) -> {
            if (n > 0 || anomaly == Anomaly.LOST) {
                fields.with(anomaly.field, n);
            }
        });
        return fields.asMap();
    }

    private static Map<String, Object> fields(LabJournal.Step step) {
        return new EventFields()
                .with("title", step.title)
                .with("complete", step.complete)
                .with("tookMs", step.took.toMillis())
                .with("waitedForKafkaMs", step.waited.toMillis())
                .asMap();
    }
}
