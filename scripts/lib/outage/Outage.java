//SOURCES ../cli/EventFields.java ../cli/Messages.java
//FILES outage-messages.properties=outage-messages.properties
//FILES outage-messages_ru.properties=outage-messages_ru.properties

import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.*;
import org.apache.kafka.common.TopicPartition;

/**
 * A fault and what followed. What did not happen, or was not seen, is null; the remarks say which.
 *
 * @param number the fault's number in the stream, from 1
 * @param all the longest time in which no partition acknowledged anything
 * @param partitions the longest gap of each partition
 */
record Outage(int number, Fault fault, Moments moments, Gap all, List<Gap> partitions, List<Note> remarks) {
    /** The bundle of texts on outages, for {@link Messages}. */
    static final String MESSAGES = "outage-messages";

    static final Messages ENGLISH = Messages.of("en", MESSAGES);
    private static final Set<String> MODES = Set.of("kill", "stop", "pause", "disconnect");

    /** Returns the remarks in English, as the stream has them. */
    List<String> notes() {
        return remarks.stream().map(note -> note.in(ENGLISH)).toList();
    }

    /** Returns the longest gap of a partition, or null. */
    Gap worst() {
        return partitions.stream().max(Comparator.comparing(Gap::ms)).orElse(null);
    }

    /** Returns how many milliseconds after the fault a moment was; null for null. */
    Double since(Instant moment) {
        return moment == null ? null : ChronoUnit.MICROS.between(fault.applied, moment) / 1e3;
    }

    /** Returns the fields of the event {@code outage}. */
    Object[] fields() {
        Optional<Elected> elected = Optional.ofNullable(moments.elected);
        return new EventFields()
                .with("number", number)
                .with("node", fault.node)
                .with("mode", fault.mode)
                .with("at", fault.applied.toString())
                .with("restoredMs", since(moments.restored))
                .with("during", fault.during)
                .with("elected", elected.map(Elected::node).orElse(null))
                .with("epoch", elected.map(Elected::epoch).orElse(null))
                .with("electedMs", elected.map(e -> since(e.at)).orElse(null))
                .with("ledMs", since(moments.led))
                .with("moved", fault.moved)
                .with("firstAckMs", since(moments.firstAck))
                .with("lastAckMs", since(moments.lastAck))
                .with("inSyncMs", since(moments.inSync))
                .with("gap", Optional.ofNullable(worst()).map(Gap::fields).orElse(null))
                .with("all", Optional.ofNullable(all).map(Gap::fields).orElse(null))
                .with("partitions", partitions.stream().map(Gap::fields).toList())
                .with("notes", notes())
                .toArray();
    }

    /**
     * What was done to a node.
     *
     * @param during the number of the fault whose outage still lasted
     * @param moved how many partitions the node led
     */
    record Fault(int node, String mode, Instant applied, Integer during, Integer moved) {
        String in(Messages words) {
            return MODES.contains(mode) ? words.text("mode." + mode, node) : mode + " " + node;
        }
    }

    /**
     * When the cluster had recovered, step by step.
     *
     * @param led when every partition had a live leader and no failed replica in its ISR
     */
    record Moments(Instant restored, Elected elected, Instant led, Instant firstAck, Instant lastAck, Instant inSync) {}

    record Elected(int node, Long epoch, Instant at) {}

    /** Something that a reader has to know, in any language. */
    record Note(String key, Object... args) {
        String in(Messages words) {
            return words.text(key, args);
        }
    }

    /**
     * A producer's gap. One that has not ended lasts at least that long.
     *
     * @param of the partition; one of number -1 stands for all partitions
     * @param measuredMs the same by the producer's own clock ({@code stall}), if it reported it
     */
    record Gap(TopicPartition of, Instant from, Instant to, boolean ended, Phases phases, Double measuredMs) {
        int partition() {
            return of.partition();
        }

        boolean isOfAll() {
            return partition() < 0;
        }

        String name() {
            return isOfAll() ? "all" : of.toString();
        }

        double ms() {
            return ChronoUnit.MICROS.between(from, to) / 1e3;
        }

        /** Returns the fields of the event {@code wait}: a gap that belongs to no fault. */
        Object[] waitFields() {
            return new EventFields()
                    .with("topic", of.topic())
                    .with("partition", partition())
                    .with("from", from.toString())
                    .with("ms", ms())
                    .with("ended", ended)
                    .toArray();
        }

        /** Returns the gap as a field of the event {@code outage}. */
        Map<String, Object> fields() {
            Map<String, Object> fields = new LinkedHashMap<>();
            fields.put("topic", of.topic());
            fields.put("partition", partition());
            fields.put("from", from.toString());
            fields.put("ms", ms());
            fields.put("ended", ended);
            for (Phase phase : Phase.values()) {
                fields.put(phase + "Ms", phases.ms.get(phase));
            }
            fields.put("measuredMs", measuredMs);
            return fields;
        }
    }

    /** The parts of a gap, in their order; OPEN is the rest of one that has not ended. */
    enum Phase {
        BEFORE("before"),
        QUORUM("quorum"),
        ELECT("elect"),
        LEAD("lead"),
        ACK("ack"),
        OPEN("open");

        private final String name;

        Phase(String name) {
            this.name = name;
        }

        @Override
        public String toString() {
            return name;
        }

        String title(Messages words) {
            return words.text("phase." + this);
        }
    }

    /** The milliseconds of each phase that there was. */
    record Phases(Map<Phase, Double> ms) {
        double sum() {
            return ms.values().stream().mapToDouble(Double::doubleValue).sum();
        }
    }
}
