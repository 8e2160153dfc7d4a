//SOURCES SendTimes.java ../cli/Cli.java

import com.fasterxml.jackson.jr.ob.JSON;
import java.io.*;
import java.nio.charset.StandardCharsets;
import java.time.DateTimeException;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.*;
import java.util.function.Consumer;
import java.util.function.ToLongFunction;
import org.apache.kafka.common.TopicPartition;

/** Takes events in any order and keeps of each the few bytes that outages need. Times are microseconds. */
final class OutageStream {
    static final long NEVER = SendTimes.NEVER;
    static final Comparator<TopicPartition> BY_NAME =
            Comparator.comparing(TopicPartition::topic).thenComparingInt(TopicPartition::partition);

    record Fault(int node, String mode, long at) {
        boolean endsProcess() {
            return mode.equals("kill") || mode.equals("stop");
        }
    }

    record Restored(int node, long at) {}

    record Controller(long at, int node, Long epoch) {}

    record Leader(long at, TopicPartition partition, int node, List<Integer> isr, List<Integer> replicas) {
        boolean involves(int other) {
            return node == other || isr.contains(other);
        }
    }

    record Isr(long at, int partitions, int online, int underReplicated, List<?> brokers) {}

    /** A wait that a producer reported itself. */
    record Stall(TopicPartition partition, long from, long to, boolean ended) {
        /** Returns whether it is of that partition, or, as the other, of all. */
        boolean isOf(TopicPartition other) {
            return partition.partition() == other.partition() && (isOfAll() || partition.equals(other));
        }

        boolean isOfAll() {
            return partition.partition() < 0;
        }
    }

    /** A line that is not an event, and what is wrong with it. */
    record Damage(int line, String fault) {}

    final Map<TopicPartition, SendTimes> sends = new TreeMap<>(BY_NAME);
    final SendTimes allSends = new SendTimes();
    private final Set<Fault> faults = new LinkedHashSet<>();
    private final Set<Restored> restores = new LinkedHashSet<>();
    private final List<Controller> controllers = new ArrayList<>();
    private final List<Leader> leaders = new ArrayList<>();
    private final List<Isr> isrs = new ArrayList<>();
    final List<Stall> stalls = new ArrayList<>();
    private final Set<Long> producerEnds = new TreeSet<>();
    private final Map<String, Long> lastSigns = new HashMap<>();
    private long firstAcknowledgement = NEVER;
    private long lastError;
    private boolean producersSeen;
    private boolean errorsWithoutPartition;

    private final Map<String, Consumer<Fields>> handlers = Map.of(
            "fault", e -> faults.add(new Fault(e.whole("node"), e.text("mode"), e.at())),
            "restored", e -> restores.add(new Restored(e.whole("node"), e.at())),
            "controller", this::controller,
            "leader", this::leader,
            "isr", this::isr,
            "stall", this::stall,
            "producer", this::producer,
            "send-error", this::unanswered,
            "ack", this::acknowledged);

    /**
     * Takes an event as a script's listener gets it, or as read from JSON. Of other types nothing is read.
     *
     * @throws IllegalArgumentException which says what is wrong, if it lacks what is needed of its type
     */
    void add(Map<String, Object> event) {
        Fields fields = new Fields(event);
        handlers.getOrDefault(fields.text("type"), ignored -> {}).accept(fields);
    }

    /** Takes the events of a JSON Lines file, or of stdin ({@code -}). Returns the lines that are damaged. */
    List<Damage> read(String file) {
        try (InputStream in = file.equals("-") ? System.in : new FileInputStream(file)) {
            return read(new BufferedReader(new InputStreamReader(in, StandardCharsets.UTF_8)));
        } catch (IOException e) {
            throw new Cli.Exit(2, "Cannot read " + file + ".");
        }
    }

    private List<Damage> read(BufferedReader lines) throws IOException {
        List<Damage> damaged = new ArrayList<>();
        String line = lines.readLine();
        for (int number = 1; line != null; number++) {
            String next = lines.readLine();
            Optional<String> fault = line.isBlank() ? Optional.empty() : addLine(line);
            if (fault.isPresent() && next != null) { // the last line may be just being written
                damaged.add(new Damage(number, fault.get()));
            }
            line = next;
        }
        return damaged;
    }

    /** Returns what is wrong with a line, if anything is. */
    private Optional<String> addLine(String line) {
        try {
            add(JSON.std.mapFrom(line));
            return Optional.empty();
        } catch (IllegalArgumentException e) {
            return Optional.of(e.getMessage());
        } catch (IOException | RuntimeException e) {
            return Optional.of("no JSON object");
        }
    }

    // ---- The types of events ----

    private void controller(Fields event) {
        Long epoch = event.has("epoch") ? event.number("epoch").longValue() : null;
        controllers.add(new Controller(event.at(), event.whole("controller"), epoch));
    }

    private void leader(Fields event) {
        long at = event.time("ts");
        TopicPartition partition = event.partition();
        leaders.add(new Leader(at, partition, event.whole("leader"), event.ids("isr"), event.ids("replicas")));
    }

    private void isr(Fields event) {
        long at = event.time("ts");
        int partitions = event.whole("partitions");
        int online = event.whole("online");
        List<?> brokers = event.value("brokers") instanceof List<?> list ? list : List.of();
        isrs.add(new Isr(at, partitions, online, event.whole("underReplicated"), brokers));
    }

    private void stall(Fields event) {
        long from = event.time("from");
        long to = from + Math.round(event.number("ms").doubleValue() * 1000);
        TopicPartition partition = event.partition();
        stalls.add(new Stall(partition, from, to, !Boolean.FALSE.equals(event.value("ended"))));
        lastSigns.merge(partition.topic(), to, Math::max);
    }

    private void producer(Fields event) {
        producersSeen = true;
        if (event.text("state").equals("end")) {
            producerEnds.add(event.time("ts"));
        }
    }

    private void unanswered(Fields event) {
        long at = event.time("ts");
        lastError = Math.max(lastError, at);
        if (!event.has("partition") || !event.has("latencyUs")) { // of an earlier version
            errorsWithoutPartition = true;
            return;
        }
        long sent = at - event.number("latencyUs").longValue();
        sendsTo(event.partition(), at).unanswered(sent, at);
        allSends.unanswered(sent, at);
    }

    private void acknowledged(Fields event) {
        long at = event.time("ts");
        long sent = at - event.number("latencyUs").longValue();
        sendsTo(event.partition(), at).acknowledged(sent, at);
        allSends.acknowledged(sent, at);
        firstAcknowledgement = Math.min(firstAcknowledgement, at);
    }

    private SendTimes sendsTo(TopicPartition partition, long at) {
        lastSigns.merge(partition.topic(), at, Math::max);
        return sends.computeIfAbsent(partition, p -> new SendTimes());
    }

    // ---- What is kept, in the order of time ----

    List<Fault> faults() {
        return sorted(List.copyOf(faults), Fault::at);
    }

    List<Restored> restores() {
        return sorted(List.copyOf(restores), Restored::at);
    }

    List<Controller> controllers() {
        return sorted(controllers, Controller::at);
    }

    List<Isr> isrs() {
        return sorted(isrs, Isr::at);
    }

    Map<TopicPartition, List<Leader>> leaders() {
        Map<TopicPartition, List<Leader>> byPartition = new TreeMap<>(BY_NAME);
        for (Leader leader : sorted(leaders, Leader::at)) {
            byPartition
                    .computeIfAbsent(leader.partition, p -> new ArrayList<>())
                    .add(leader);
        }
        return byPartition;
    }

    /** Returns from when on waits count: the first acknowledgement; where there was none, the first message. */
    long begin() {
        return firstAcknowledgement < NEVER ? firstAcknowledgement : allSends.firstUnansweredSend();
    }

    /** Returns a topic's last sign of life. */
    long endOf(String topic) {
        long end = lastSigns.get(topic);
        boolean errorsAreOfThisTopic = lastSigns.size() == 1; // of several topics an old error does not say which
        return errorsAreOfThisTopic ? Math.max(end, lastError) : end;
    }

    long end() {
        return lastSigns.keySet().stream().mapToLong(this::endOf).max().orElse(NEVER);
    }

    /** Returns whether there are errors of an earlier version, which do not say of which partition they are. */
    boolean hasErrorsWithoutPartition() {
        return errorsWithoutPartition;
    }

    /**
     * Returns whether a silence was between two producers. One that reports its end did not end as long as it does not
     * report so.
     */
    boolean nobodyProduced(long from, long to) {
        return !producersSeen || producerEnds.stream().anyMatch(end -> end >= from && end <= to);
    }

    private static <T> List<T> sorted(List<T> events, ToLongFunction<T> at) {
        return events.stream().sorted(Comparator.comparingLong(at)).toList();
    }

    static long micros(Instant moment) {
        return ChronoUnit.MICROS.between(Instant.EPOCH, moment);
    }

    /** Returns the moment; null for null and NEVER. */
    static Instant instant(Long micros) {
        return micros == null || micros == NEVER ? null : Instant.EPOCH.plus(micros, ChronoUnit.MICROS);
    }

    /** An event's fields, each read only when it is used; one that is not there, or of another kind, is named. */
    private record Fields(Map<String, Object> event) {
        Object value(String field) {
            return event.get(field);
        }

        boolean has(String field) {
            return value(field) != null;
        }

        String text(String field) {
            return of(String.class, field);
        }

        Number number(String field) {
            return of(Number.class, field);
        }

        int whole(String field) {
            return number(field).intValue();
        }

        TopicPartition partition() {
            return new TopicPartition(text("topic"), whole("partition"));
        }

        long at() {
            return time(has("at") ? "at" : "ts");
        }

        long time(String field) {
            try {
                return micros(Instant.parse(text(field)));
            } catch (DateTimeException | ArithmeticException e) {
                throw wrong(field);
            }
        }

        List<Integer> ids(String field) {
            List<?> list = of(List.class, field);
            if (!list.stream().allMatch(Number.class::isInstance)) {
                throw wrong(field);
            }
            return list.stream().map(id -> ((Number) id).intValue()).toList();
        }

        private <T> T of(Class<T> type, String field) {
            if (!type.isInstance(value(field))) {
                throw wrong(field);
            }
            return type.cast(value(field));
        }

        private IllegalArgumentException wrong(String field) {
            String type = value("type") instanceof String text ? "'" + text + "'" : "no event";
            String fault = has(field) ? " with a wrong " : " without ";
            return new IllegalArgumentException(type + fault + field);
        }
    }
}
