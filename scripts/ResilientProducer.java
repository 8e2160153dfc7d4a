///usr/bin/env jbang "$0" "$@" ; exit $?
//JAVA 17+
//DEPS org.apache.kafka:kafka-clients:4.4.0
//DEPS info.picocli:picocli:4.7.7
//DEPS com.fasterxml.jackson.jr:jackson-jr-objects:2.21.7
//DEPS org.slf4j:slf4j-simple:1.7.36
// Compression is native code, of which newer JVMs warn.
//RUNTIME_OPTIONS --enable-native-access=ALL-UNNAMED
//JAVAC_OPTIONS -J-XX:TieredStopAtLevel=1 -J-XX:+UseSerialGC
//DESCRIPTION Sends numbered messages through failures and keeps a ledger of their outcomes

import static java.util.stream.Collectors.*;

import com.fasterxml.jackson.jr.ob.JSON;
import java.io.*;
import java.net.*;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.*;
import java.time.*;
import java.time.format.DateTimeFormatter;
import java.util.*;
import java.util.concurrent.*;
import java.util.function.*;
import java.util.regex.Pattern;
import java.util.stream.*;
import org.apache.kafka.clients.admin.*;
import org.apache.kafka.clients.producer.*;
import org.apache.kafka.common.*;
import org.apache.kafka.common.config.ConfigException;
import org.apache.kafka.common.errors.*;
import org.apache.kafka.common.protocol.ApiKeys;
import org.apache.kafka.common.protocol.ByteBufferAccessor;
import org.apache.kafka.common.requests.*;
import org.apache.kafka.common.serialization.StringSerializer;
import org.apache.kafka.common.utils.Utils;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;
import picocli.CommandLine.TypeConversionException;

/**
 * Sends numbered messages while the cluster fails and recovers, and keeps a ledger with the outcome of each attempt.
 *
 * <p>In resilient mode the idempotent client retries and no number is sent twice: an outage shorter than
 * {@code delivery.timeout.ms} (120 s) is a gap between acknowledgements, not an error. Messages are sent on schedule
 * while earlier ones wait; a producer that paused as well would hide the gap. Naive mode is the loop often written:
 * wait two seconds, call it an error, send the number again. The first attempt may be written all the same, and is then
 * a duplicate; the ledger gets its true outcome.
 *
 * <pre>resilient-producer --ledger run.jsonl --duration 2m &amp;
 * kill-node $(find-controller); wait; check-delivery run.jsonl</pre>
 */
@Command(
        name = "resilient-producer",
        version = "kraft-lab 0.1.0",
        sortOptions = false,
        description = "Sends one message every 500 ms, prints Sent: N for each acknowledgement, and reports the longest"
                + " gap between acknowledgements.")
class ResilientProducer implements Callable<Integer> {
    private static final DateTimeFormatter TIME =
            DateTimeFormatter.ofPattern("yyyy-MM-dd'T'HH:mm:ss.SSSSSS'Z'").withZone(ZoneOffset.UTC);

    enum Mode {
        resilient,
        naive
    }

    @Option(names = "--topic", paramLabel = "TOPIC", description = "Topic to write to (default: ${DEFAULT-VALUE}).")
    String topic = "critical_data";

    @Option(
            names = "--rate",
            paramLabel = "N",
            description = "Messages per second (default: 2); above 1000, stdout gets one line a second.")
    double rate = 2;

    @Option(names = "--count", paramLabel = "N", description = "Stop after N messages (default: run until Ctrl-C).")
    long count = Long.MAX_VALUE;

    @Option(names = "--duration", paramLabel = "DURATION", description = "Stop sending after this long.")
    Duration duration = Duration.ofDays(36_500);

    @Option(names = "--producers", paramLabel = "N", description = "Clients that share rate and count (default: 1).")
    int producers = 1;

    @Option(
            names = "--acks",
            paramLabel = "0|1|all",
            description = "Required acknowledgements (default: ${DEFAULT-VALUE}); 0 and 1 disable idempotence.")
    String acks = "all";

    @Option(
            names = "--mode",
            description = "Who sends again: the client (resilient) or a loop in this script (naive); default:"
                    + " ${DEFAULT-VALUE}.")
    Mode mode = Mode.resilient;

    @Option(
            names = "--send-timeout",
            paramLabel = "DURATION",
            description = "naive: send again after this long; resilient: report a partition that does not acknowledge"
                    + " (default: 2s).")
    Duration sendTimeout = Duration.ofSeconds(2);

    @Option(
            names = "--ledger",
            paramLabel = "FILE",
            description = "Write each attempt's outcome to this file, for check-delivery; a ledger there is replaced,"
                    + " or renamed if its producer was killed.")
    File ledgerFile;

    @Option(
            names = "--command-property",
            arity = "1..*",
            paramLabel = "NAME=VALUE",
            description = "Producer properties; they override --command-config, --acks and --mode.")
    List<String> commandProperties = List.of();

    @Option(names = "--run-id", paramLabel = "ID", description = "First part of each key (default: generated).")
    String runId = timestamp().replaceAll("[^0-9T]", "");

    @Option(names = "--producer-id", paramLabel = "ID", description = "Second part of each key (default: generated).")
    String producerId = "p" + Long.toHexString(ThreadLocalRandom.current().nextLong(0x100000, 0x1000000));

    @Mixin
    Common common = new Common();

    // Shared by all threads, guarded by this, which is notified of each outcome.
    private final List<Sender> senders = new CopyOnWriteArrayList<>();
    private final Set<Attempt> pending = new LinkedHashSet<>();
    private final Deque<Ack> recentAcks = new ArrayDeque<>();
    private boolean finished;
    private Gaps gaps;
    private Exception problem, lastError;
    private final CountDownLatch stopping = new CountDownLatch(1), sendersEnded = new CountDownLatch(1);
    private final long startNanos = System.nanoTime();
    private final Instant startInstant = Instant.now();
    private final Consumer<Map<String, Object>> nobody = common.listener;
    private volatile int partitions;
    private volatile long errorPrintedNanos = startNanos;
    private volatile boolean outClosed;
    private Duration deliveryTimeout;
    private LedgerWriter ledger;

    @Option(names = "--run", hidden = true, description = "Deprecated: use --run-id.")
    void run(String id) {
        runId = id;
    }

    public static void main(String... args) {
        System.exit(run(new PrintWriter(System.out, true), new PrintWriter(System.err, true), args));
    }

    /** Runs the script without a process. @return the exit code */
    public static int run(PrintWriter out, PrintWriter err, String... args) {
        ResilientProducer script = new ResilientProducer();
        return script.common.run(script, out, err, args);
    }

    @Override
    public Integer call() throws Exception {
        Summary summary = produce();
        render(summary);
        if (!outClosed && summary.sent > 0 && summary.errors == summary.sent) {
            String last = name(lastError) + ": " + reason(lastError, topic);
            throw new Exit(ALL_FAILED, "Every send failed, the last with " + last);
        }
        return 0;
    }

    // ---- For scripts that are composed of this one ----

    /** An acknowledgement: when it came, and when its message was sent; no set clock moves a System.nanoTime(). */
    public record Ack(long seq, int partition, long offset, Instant sent, Instant at, long sentNanos) {
        /** Returns the first one of a partition (-1: any) whose message was sent after a System.nanoTime(). */
        static Optional<Ack> firstSentAfter(long nanos, int partition, Collection<Ack> acks) {
            return acks.stream()
                    .filter(a -> (partition < 0 || a.partition == partition) && a.sentNanos - nanos > 0)
                    .findFirst();
        }
    }

    /** A time without acknowledgements; partition -1 is the topic as a whole. */
    public record Gap(int partition, Instant from, Duration length) {}

    /** The end of a run; the gaps are each partition's longest, then the topic's. */
    public record Summary(
            long messages, long sent, Map<Outcome, Long> outcomes, long errors, List<Gap> gaps, Duration took) {
        public long acknowledged() {
            return outcomes.get(Outcome.acknowledged);
        }

        public long failed() {
            return outcomes.get(Outcome.failed);
        }

        public long indeterminate() {
            return outcomes.get(Outcome.indeterminate);
        }

        public Gap longestGap() {
            return gaps.isEmpty() ? null : gaps.get(gaps.size() - 1);
        }

        public List<Gap> partitionGaps() {
            return gaps.subList(0, Math.max(0, gaps.size() - 1));
        }
    }

    /** Sends until count, duration, {@link #stop()}, an interrupt or a closed stdout; then awaits the outcomes. */
    public Summary produce() throws Exception {
        requireValidOptions();
        long start = System.nanoTime();
        Thread ledgerWriter = new Thread(this::writeLedger, "ledger-writer");
        ledgerWriter.setDaemon(true);
        Summary summary;
        try {
            prepare();
            ledgerWriter.start();
            emit("producer", () -> state("start"));
            awaitSenders();
            summary = finish(start);
        } finally {
            senders.forEach(sender -> sender.producer.close(Duration.ZERO)); // A thread that never began has not.
            synchronized (this) {
                finished = true;
                notifyAll();
            }
            sendersEnded.countDown();
            ledgerWriter.join();
            if (ledger != null) ledger.close();
        }
        if (problem != null) throw problem;
        return summary;
    }

    /** Ends {@link #produce()} from another thread. */
    public synchronized void stop() {
        stopping.countDown();
        notifyAll();
    }

    public int partitions() {
        return partitions;
    }

    public synchronized long acknowledged() {
        return sum(s -> s.outcomes[0]);
    }

    /** Waits for an acknowledgement of a message <em>sent</em> after a System.nanoTime(); partition -1: any. */
    public synchronized Optional<Ack> awaitAckAfter(int partition, long sentNanos, Duration timeout)
            throws InterruptedException {
        Supplier<Optional<Ack>> found = () -> Ack.firstSentAfter(sentNanos, partition, recentAcks);
        await(() -> finished || found.get().isPresent(), timeout.toNanos());
        return found.get();
    }

    /** Prints the summary to stderr: stdout has the messages. */
    public void render(Summary s) {
        String attempts = s.sent == s.messages ? "" : " in " + s.sent + " attempts";
        String outcomes = s.outcomes.entrySet().stream()
                .map(e -> e.getValue() + " " + e.getKey())
                .collect(Collectors.joining(", "));
        common.say("Sent %d messages%s in %.1f s: %s.", s.messages, attempts, seconds(s.took), outcomes);
        Gap longest = s.longestGap();
        if (longest == null) return;
        common.say(
                "Longest gap between acknowledgements: %.2f s, from %s.",
                seconds(longest.length), TIME.format(longest.from));
        List<String> waits = s.partitionGaps().stream()
                .map(g -> String.format(Locale.ROOT, "%d: %.2f s", g.partition, seconds(g.length)))
                .toList();
        common.say("Longest wait by partition: " + String.join(", ", waits) + ".");
    }

    private static double seconds(Duration time) {
        return time.toMillis() / 1e3;
    }

    // ---- Before the first message ----

    private void requireValidOptions() {
        require(List.of("0", "1", "all").contains(acks), "--acks must be 0, 1 or all, not '" + acks + "'.");
        require(rate > 0 && rate <= 1e6, "--rate must be above 0 and at most 1000000 messages per second.");
        require(producers >= 1 && producers <= 1000, "--producers must be a number from 1 to 1000.");
        boolean idsFit = !(runId + producerId).contains("/") && !runId.isEmpty() && !producerId.isEmpty();
        require(idsFit, "--run-id and --producer-id must not be empty or contain a slash.");
    }

    private static void require(boolean holds, String sentence) {
        if (!holds) throw new Exit(2, sentence);
    }

    private void prepare() throws Exception {
        List<Long> startOffsets;
        try (Admin admin = common.admin()) {
            startOffsets = startOffsets(admin);
        }
        Properties properties = properties();
        deliveryTimeout = Duration.ofMillis(Long.parseLong(properties.getProperty("delivery.timeout.ms", "120000")));
        for (int number = 1; number <= producers; number++) senders.add(new Sender(number, properties));
        if (ledgerFile != null) openLedger(startOffsets, properties);
        if (acks.equals("0")) common.say("With acks=0 no broker confirms anything: every message stays indeterminate.");
    }

    private Properties properties() throws Exception {
        boolean idempotent = mode == Mode.resilient && acks.equals("all");
        Properties properties = common.client("acks", acks, "enable.idempotence", idempotent);
        for (String pair : commandProperties) {
            require(pair.indexOf('=') > 0, "Property '" + pair + "' is not NAME=VALUE.");
            properties.put(pair.substring(0, pair.indexOf('=')), pair.substring(pair.indexOf('=') + 1));
        }
        if (mode == Mode.naive) {
            properties.putIfAbsent("max.block.ms", String.valueOf(sendTimeout.toMillis()));
        } else {
            // With every broker down the client would rebootstrap and forget the topic: send() would block, and the
            // schedule would stop. A full buffer does block it (max.block.ms), since giving up is a message lost.
            properties.putIfAbsent("metadata.recovery.strategy", "none");
        }
        properties.remove("transactional.id"); // A transaction would decide what counts as written.
        return properties;
    }

    private List<Long> startOffsets(Admin admin) throws Exception {
        try {
            partitions = admin.describeTopics(List.of(topic))
                    .allTopicNames()
                    .get()
                    .get(topic)
                    .partitions()
                    .size();
            gaps = new Gaps(partitions);
            List<TopicPartition> all = IntStream.range(0, partitions)
                    .mapToObj(p -> new TopicPartition(topic, p))
                    .toList();
            ListOffsetsResult ends =
                    admin.listOffsets(all.stream().collect(Collectors.toMap(p -> p, p -> OffsetSpec.latest())));
            List<Long> offsets = new ArrayList<>();
            for (TopicPartition partition : all) offsets.add(endOf(ends.partitionResult(partition)));
            return offsets;
        } catch (ExecutionException e) {
            if (e.getCause() instanceof AuthorizationException denied) {
                throw new Exit(1, "Not permitted to write to topic " + topic + ": " + reason(denied, topic));
            }
            // A broker may create it at the first send, but with its own defaults: one partition, one replica.
            if (e.getCause() instanceof UnknownTopicOrPartitionException) {
                throw new Exit(1, "Topic " + topic + " does not exist; create it with: create-topic " + topic);
            }
            throw e;
        }
    }

    /** Returns 0 for a partition without a leader: a check then reads more than it must. */
    private static long endOf(KafkaFuture<ListOffsetsResult.ListOffsetsResultInfo> end) throws Exception {
        try {
            return end.get().offset();
        } catch (ExecutionException e) {
            if (e.getCause() instanceof RetriableException) return 0;
            throw e;
        }
    }

    private void openLedger(List<Long> startOffsets, Properties properties) throws IOException {
        ledger = new LedgerWriter(ledgerFile.toPath());
        boolean idempotent = Boolean.parseBoolean(properties.getProperty("enable.idempotence"));
        for (Sender sender : senders) {
            ledger.add(Fields.named("ledger run producer topic acks idempotent mode startOffsets ts")
                    .with(2, runId, sender.id, topic, acks, idempotent, mode.name(), startOffsets, timestamp()));
        }
        try {
            Optional<Path> kept = ledger.keepUnended(runId);
            if (kept.isPresent())
                common.say(
                        "%s has no last line, its producer was killed or still runs: kept as %s.",
                        ledgerFile, kept.get());
            ledger.open();
        } catch (IOException e) {
            throw new Exit(2, "Cannot write --ledger " + ledgerFile + ": " + e.getMessage() + ".");
        }
    }

    // ---- Sending ----

    private void awaitSenders() throws InterruptedException {
        senders.forEach(Thread::start);
        try {
            for (Sender sender : senders) sender.join();
        } catch (InterruptedException e) { // The summary and the ledger's last lines still have to be written.
            stop();
            senders.forEach(Thread::interrupt);
            for (Sender sender : senders) sender.join(5000);
        }
    }

    /** One client with its thread, its numbers and its outcomes. */
    private final class Sender extends Thread {
        final int number;
        final String id;
        final KafkaProducer<String, String> producer;
        final Metric retries;
        final long[] outcomes = new long[Outcome.values().length];
        final double nanosPerMessage = 1e9 * producers / rate;
        long messages, attempts, unresolved, errors;

        Sender(int number, Properties properties) {
            this.number = number;
            id = producers == 1 ? producerId : producerId + "-" + number;
            producer = new KafkaProducer<>(properties, new StringSerializer(), new StringSerializer());
            retries = producer.metrics().values().stream()
                    .filter(m -> m.metricName().name().equals("record-retry-total"))
                    .filter(m -> m.metricName().group().equals("producer-metrics"))
                    .findFirst()
                    .orElseThrow();
            setDaemon(true);
        }

        double retried() {
            return (Double) retries.metricValue();
        }

        @Override
        public void run() {
            try {
                long share = count / producers + (number <= count % producers ? 1 : 0);
                if (mode == Mode.naive) sendOneByOne(share);
                else sendOnSchedule(share);
                // The client ends every attempt within its delivery timeout. If nobody reads on, that is not awaited.
                Duration limit = outClosed ? sendTimeout : deliveryTimeout.plusSeconds(5);
                await(() -> unresolved == 0, limit.toNanos());
            } catch (InterruptedException | InterruptException e) {
                Thread.interrupted();
            } catch (Exception e) {
                fail(e);
            } finally {
                producer.close(Duration.ofSeconds(3));
            }
        }

        /** Sends without awaiting acknowledgements. After a wait, of 1 ms at least, all that is due by then is sent. */
        private void sendOnSchedule(long share) throws InterruptedException {
            long start = System.nanoTime();
            double offset = (number - 1.0) / producers;
            for (long seq = 1; seq <= share; seq++) {
                long due = (long) ((seq - 1 + offset) * nanosPerMessage);
                long now = System.nanoTime() - start;
                long wait = Math.min(due, duration.toNanos()) - now;
                if (wait > 0) stopping.await(Math.max(wait, 1_000_000), TimeUnit.NANOSECONDS);
                if (stopping.getCount() == 0 || Math.max(due, now) >= duration.toNanos()) return;
                send(seq, 1);
            }
        }

        private void sendOneByOne(long share) throws InterruptedException {
            long start = System.nanoTime();
            int number = 1;
            for (long seq = 1; seq <= share; ) {
                Attempt attempt = send(seq, number);
                await(() -> attempt.outcome != null || stopping.getCount() == 0, sendTimeout.toNanos());
                if (attempt.outcome == null && stopping.getCount() == 0) return;
                Exception error = attempt.outcome == null ? noAnswer() : attempt.error;
                report(attempt, error);
                number = error == null ? 1 : number + 1;
                if (error == null) seq++;
                long now = System.nanoTime();
                long wait = attempt.sentNanos + (long) nanosPerMessage - now;
                if (now - start >= duration.toNanos() || stopping.await(wait, TimeUnit.NANOSECONDS)) return;
            }
        }

        private Exception noAnswer() {
            return new org.apache.kafka.common.errors.TimeoutException(
                    "no acknowledgement within " + sendTimeout.toMillis() + " ms");
        }

        private Attempt send(long seq, int number) {
            Attempt attempt = new Attempt(this, seq, number);
            synchronized (ResilientProducer.this) {
                messages = seq;
                attempts++;
                unresolved++;
                pending.add(attempt);
                gaps.sent(attempt.partition, attempt.sentNanos);
            }
            try {
                producer.send(attempt.record(), (metadata, error) -> {
                    boolean acknowledged = error == null && metadata.hasOffset();
                    resolve(attempt, acknowledged ? metadata.offset() : -1, error);
                });
            } catch (KafkaException | IllegalStateException e) {
                if (e instanceof InterruptException) Thread.interrupted();
                resolve(attempt, -1, e);
                if (e instanceof InterruptException) throw e;
            }
            return attempt;
        }

        void addLastLine() throws IOException {
            if (ledger == null) return;
            ledger.add(Fields.named("end by sent acknowledged failed indeterminate ts")
                    .with(true, number, attempts, outcomes[0], outcomes[1], outcomes[2], timestamp()));
        }
    }

    // ---- Outcomes ----

    enum Moment {
        INSIDE_SEND,
        FIRST_TRY,
        AFTER_RETRY
    }

    /** How an attempt ended, in the ledger's words; docs/verifier.md defines them. */
    enum Outcome {
        acknowledged,
        failed,
        indeterminate;

        /**
         * Certainly not written is what send() refused before it took the message, and what a broker did not authorize
         * at the first try. send() can also throw after it took the message: InvalidProducerEpochException.
         */
        static Outcome of(long offset, Throwable error, Moment moment) {
            if (error == null) return offset < 0 ? indeterminate : acknowledged; // acks=0 gives no offset.
            boolean refused = error instanceof org.apache.kafka.common.errors.TimeoutException
                    || error instanceof RecordTooLargeException
                    || error instanceof SerializationException
                    || error instanceof AuthenticationException
                    || error instanceof InvalidTopicException
                    || error instanceof InterruptException;
            if (error instanceof AuthorizationException) return moment == Moment.AFTER_RETRY ? indeterminate : failed;
            return refused && moment == Moment.INSIDE_SEND ? failed : indeterminate;
        }
    }

    /** One try to send one number. Partitions take turns; a number that is sent again goes to the same one. */
    private final class Attempt {
        final Sender by;
        final long seq, sentNanos = System.nanoTime();
        final int number, partition;
        final double retriesBefore;
        long offset, endNanos;
        volatile Exception error;
        volatile Outcome outcome;

        Attempt(Sender by, long seq, int number) {
            this.by = by;
            this.seq = seq;
            this.number = number;
            partition = (int) ((seq + by.number - 2) % partitions);
            retriesBefore = by.retried();
        }

        ProducerRecord<String, String> record() {
            String text = "Message " + seq + ", sent " + TIME.format(instant(sentNanos));
            var record = new ProducerRecord<>(topic, partition, runId + "/" + by.id + "/" + seq, text);
            if (number > 1) record.headers().add("attempt", ("" + number).getBytes(StandardCharsets.UTF_8));
            return record;
        }

        /** Returns where an error comes from: in the sender's own thread, a callback comes from inside send(). */
        private Moment moment() {
            if (Thread.currentThread() == by) return Moment.INSIDE_SEND;
            return by.retried() > retriesBefore ? Moment.AFTER_RETRY : Moment.FIRST_TRY;
        }

        void end(long offset, Exception error, long now) {
            this.offset = offset;
            this.error = error;
            endNanos = now;
            outcome = Outcome.of(offset, error, error == null ? null : moment());
        }

        Ack ack() {
            return new Ack(seq, partition, offset, instant(sentNanos), instant(endNanos), sentNanos);
        }

        private long latencyUs() {
            return (endNanos - sentNanos) / 1000;
        }

        /** Adds its line to the ledger; nearly all are acknowledged first attempts, whose line is cheap to make. */
        void addTo(LedgerWriter ledger) throws IOException {
            Instant end = instant(endNanos);
            long at = end.getEpochSecond() * 1_000_000 + end.getNano() / 1000;
            if (outcome == Outcome.acknowledged && number == 1) {
                String client = by.number == 1 ? "}" : ",\"by\":" + by.number + "}";
                ledger.add("{\"seq\":" + seq + ",\"partition\":" + partition + ",\"offset\":" + offset + ",\"at\":" + at
                        + ",\"latencyUs\":" + latencyUs() + client);
                return;
            }
            Long known = offset < 0 ? null : offset;
            String why = error == null ? null : name(error) + ": " + error.getMessage();
            ledger.add(Fields.named("seq attempt outcome partition offset at latencyUs by error")
                    .with(seq, number, outcome.name(), partition, known, at, latencyUs(), by.number, why));
        }

        Fields ackEvent() {
            return Fields.named("seq attempt topic partition offset latencyUs producer")
                    .with(seq, number, topic, partition, offset, latencyUs(), by.id);
        }

        Fields errorEvent(Exception seen) {
            String known = outcome == null ? "indeterminate" : outcome.name();
            long waitedUs = (System.nanoTime() - sentNanos) / 1000;
            return Fields.named("seq attempt error message outcome producer topic partition latencyUs")
                    .with(seq, number, name(seen), seen.getMessage(), known, by.id, topic, partition, waitedUs);
        }

        @Override
        public String toString() {
            return producers == 1 ? "" + seq : seq + " of " + by.id;
        }
    }

    /** Takes an attempt's true outcome, perhaps long after the naive loop gave up on it. */
    private void resolve(Attempt attempt, long offset, Exception error) {
        long now = System.nanoTime();
        try {
            List<Gaps.Span> ended;
            synchronized (this) {
                if (!pending.remove(attempt)) return;
                attempt.end(offset, error, now);
                if (ledger != null) attempt.addTo(ledger);
                ended = count(attempt);
                notifyAll();
            }
            if (attempt.outcome == Outcome.acknowledged) emit("ack", attempt::ackEvent);
            if (mode == Mode.resilient) report(attempt, error);
            emitStalls(ended, true);
        } catch (Exception e) { // The client would swallow it: end the run, which throws it.
            fail(e);
        }
    }

    /** Counts an outcome. @return the gaps that it ends */
    private List<Gaps.Span> count(Attempt attempt) {
        attempt.by.outcomes[attempt.outcome.ordinal()]++;
        attempt.by.unresolved--;
        if (attempt.error != null) {
            attempt.by.errors++;
            lastError = attempt.error;
        }
        if (attempt.outcome != Outcome.acknowledged) {
            gaps.unresolved(attempt.partition);
            return List.of();
        }
        recentAcks.addLast(attempt.ack());
        if (recentAcks.size() > 4096) recentAcks.removeFirst();
        return gaps.acknowledged(attempt.partition, attempt.endNanos);
    }

    private synchronized void fail(Exception e) {
        problem = e;
        stop();
    }

    private Map<Outcome, Long> outcomes() {
        Map<Outcome, Long> outcomes = new EnumMap<>(Outcome.class);
        for (Outcome outcome : Outcome.values()) outcomes.put(outcome, sum(s -> s.outcomes[outcome.ordinal()]));
        return outcomes;
    }

    private long sum(ToLongFunction<Sender> count) {
        return senders.stream().mapToLong(count).sum();
    }

    /** Ends the run after close(): an attempt without an outcome never gets one. */
    private Summary finish(long start) throws Exception {
        List<Attempt> open;
        synchronized (this) {
            open = List.copyOf(pending);
        }
        for (Attempt attempt : open) resolve(attempt, -1, new KafkaException("unresolved at exit"));
        long now = System.nanoTime();
        emitStalls(gaps.end(now), false);
        for (Sender sender : senders) sender.addLastLine();
        emit("producer", this::endState);
        List<Gap> longest = gaps.longest().stream().map(this::gap).toList();
        Duration took = Duration.ofNanos(now - start);
        return new Summary(sum(s -> s.messages), sum(s -> s.attempts), outcomes(), sum(s -> s.errors), longest, took);
    }

    private Gap gap(Gaps.Span span) {
        return new Gap(span.partition, instant(span.from), Duration.ofNanos(span.length()));
    }

    /** Waits for a condition on what this guards. @return whether it holds; false after the time */
    private synchronized boolean await(BooleanSupplier condition, long nanos) throws InterruptedException {
        long deadline = System.nanoTime() + nanos;
        for (long left = nanos; !condition.getAsBoolean(); left = deadline - System.nanoTime()) {
            if (left <= 0) return false;
            TimeUnit.NANOSECONDS.timedWait(this, left);
        }
        return true;
    }

    // ---- Output ----

    /** Emits an event if anyone gets it: at high rates, one for each message would cost more than the message. */
    private void emit(String type, Supplier<Fields> fields) {
        if (common.json || common.events != null || common.listener != nobody) {
            common.emit(type, fields.get().toPairs());
        }
    }

    private Fields state(String state) {
        return Fields.named("state producer topic").with(state, producerId, topic);
    }

    private Fields endState() {
        Fields fields = state("end");
        outcomes().forEach((outcome, n) -> fields.put(outcome.name(), n));
        return fields;
    }

    /** Reports gaps that are longer than the schedule explains. @param ended false: they still last at the end */
    private void emitStalls(List<Gaps.Span> gaps, boolean ended) {
        for (Gaps.Span gap : gaps) {
            long ms = gap.length() / 1_000_000;
            if (ms < Math.max(1000, 3000 / rate)) continue;
            String from = TIME.format(instant(gap.from));
            emit(
                    "stall",
                    () -> Fields.named("topic partition from ms ended").with(topic, gap.partition, from, ms, ended));
        }
    }

    /** Returns whether stdout gets a line a second, and the first error in a second, instead of a line a message. */
    private boolean isFast() {
        return rate > 1000;
    }

    /** Reports how an attempt ended for its caller; to the naive loop, no answer in time is an error. */
    private void report(Attempt attempt, Exception error) {
        long now = System.nanoTime();
        boolean quiet = isFast() && (error == null || now - errorPrintedNanos < 1_000_000_000);
        if (error != null && !quiet) errorPrintedNanos = now;
        if (!common.json && !quiet) {
            String failed = error == null ? null : "Error sending " + attempt + ": " + printable(reason(error, topic));
            common.out.println(error == null ? "Sent: " + attempt : failed);
        }
        if (error != null) emit("send-error", () -> attempt.errorEvent(error));
        if (common.json || !quiet) checkOut();
    }

    private synchronized void checkOut() {
        if (common.out.checkError()) {
            outClosed = true;
            stop();
        }
    }

    /** Writes the ledger every 50 ms and reports progress, in a thread of its own, away from the network threads. */
    private void writeLedger() {
        Progress progress = new Progress();
        try {
            for (boolean last = false; !last; ) {
                last = sendersEnded.await(50, TimeUnit.MILLISECONDS);
                if (ledger != null) ledger.write();
                if (!last && mode == Mode.resilient && !acks.equals("0")) progress.reportWaits();
                if (isFast() && !common.json) progress.reportRate(last ? 0 : 1_000_000_000);
            }
        } catch (IOException e) {
            fail(new Exit(1, "Cannot write --ledger " + ledgerFile + ": " + e.getMessage() + "."));
        } catch (InterruptedException e) {
            fail(e);
        }
    }

    private final class Progress {
        private final long[] stuckSince = new long[partitions];
        private long reported, reportedNanos = System.nanoTime();

        /** Reports a partition once when it acknowledges nothing while a message waits, and once when that is over. */
        void reportWaits() {
            synchronized (ResilientProducer.this) {
                long now = System.nanoTime();
                for (int p = 0; p < partitions; p++) stuckSince[p] = reportWait(p, gaps.waitingSince[p], now);
            }
        }

        private long reportWait(int partition, long since, long now) {
            long stuck = stuckSince[partition];
            if (stuck != 0 && since != stuck) {
                double seconds = ((since == Gaps.NONE ? now : since) - stuck) / 1e9;
                common.say("Partition %d acknowledges again, after %.1f s.", partition, seconds);
                return 0;
            }
            if (stuck != 0 || since == Gaps.NONE || now - since <= sendTimeout.toNanos()) return stuck;
            double seconds = (now - since) / 1e9;
            common.say("Partition %d: no acknowledgement for %.1f s; the client keeps trying.", partition, seconds);
            return since;
        }

        void reportRate(long interval) {
            long now = System.nanoTime();
            long sent = acknowledged();
            if (now - reportedNanos < interval) return;
            double perSecond = (sent - reported) * 1e9 / (now - reportedNanos);
            if (sent > reported) common.out.printf(Locale.ROOT, "Sent: %d (%.0f a second)%n", sent, perSecond);
            checkOut();
            reportedNanos = now;
            reported = sent;
        }
    }

    private Instant instant(long nanos) {
        return startInstant.plusNanos(nanos - startNanos);
    }

    private static String name(Throwable error) {
        return error.getClass().getSimpleName();
    }

    /** Returns why a send failed, or which permission it lacks; brokers name neither that nor always the topic. */
    static String reason(Throwable error, String topic) {
        boolean denied = Stream.iterate(error, Objects::nonNull, Throwable::getCause)
                .limit(20)
                .anyMatch(AuthorizationException.class::isInstance);
        return denied ? "the principal needs WRITE on topic " + topic + "." : error.getMessage();
    }

    /** The fields of an event, or of a line of the ledger, in their order. */
    private static final class Fields extends LinkedHashMap<String, Object> {
        static Fields named(String names) {
            Fields fields = new Fields();
            for (String name : names.split(" ")) fields.put(name, null);
            return fields;
        }

        Fields with(Object... values) {
            Iterator<Object> next = Arrays.asList(values).iterator();
            replaceAll((name, none) -> next.next());
            return this;
        }

        Object[] toPairs() {
            return entrySet().stream()
                    .flatMap(e -> Stream.of(e.getKey(), e.getValue()))
                    .toArray();
        }
    }

    /** Makes a ledger's lines into a file. Adding one is quick; one thread writes what was added since. */
    static final class LedgerWriter implements Closeable {
        private final Path file;
        private StringBuilder lines = new StringBuilder();
        private OutputStream out;

        LedgerWriter(Path file) {
            this.file = file;
        }

        synchronized void add(String line) {
            lines.append(line).append('\n');
        }

        void add(Fields fields) throws IOException {
            fields.values().removeIf(Objects::isNull);
            add(JSON.std.asString(fields));
        }

        void write() throws IOException {
            StringBuilder batch;
            synchronized (this) {
                if (lines.length() == 0) return;
                batch = lines;
                lines = new StringBuilder(batch.length() * 5 / 4);
            }
            out.write(batch.toString().getBytes(StandardCharsets.UTF_8));
        }

        /** Renames a ledger that lacks its last line: it is all that is left of its run. @return its new name */
        Optional<Path> keepUnended(String runId) throws IOException {
            if (!Files.isRegularFile(file) || Files.size(file) == 0 || hasEnd()) return Optional.empty();
            return Optional.of(Files.move(file, Path.of(file + ".before-" + runId)));
        }

        private boolean hasEnd() throws IOException {
            try (RandomAccessFile in = new RandomAccessFile(file.toFile(), "r")) {
                byte[] tail = new byte[(int) Math.min(in.length(), 1000)];
                in.seek(in.length() - tail.length);
                in.readFully(tail);
                return new String(tail, StandardCharsets.UTF_8).contains("\n{\"end\":true");
            }
        }

        /** Names the file only when the heads are in it: a killed producer leaves a readable ledger, or none. */
        void open() throws IOException {
            boolean isPipe = Files.exists(file) && !Files.isRegularFile(file);
            Path begun = isPipe ? file : Path.of(file + ".new");
            if (!isPipe) requireLedger(begun);
            out = new FileOutputStream(begun.toFile());
            write();
            if (!isPipe) Files.move(begun, file, StandardCopyOption.ATOMIC_MOVE);
        }

        /** Refuses to replace anything but what a producer left that was killed before its ledger had its name. */
        static void requireLedger(Path begun) throws IOException {
            if (!Files.exists(begun, LinkOption.NOFOLLOW_LINKS)) return;
            if (Files.isRegularFile(begun, LinkOption.NOFOLLOW_LINKS)) {
                try (InputStream in = Files.newInputStream(begun)) {
                    String head = new String(in.readNBytes(10), StandardCharsets.UTF_8);
                    if (head.isEmpty() || head.equals("{\"ledger\":")) return;
                }
            }
            throw new IOException(begun + " is there, and is no ledger");
        }

        @Override
        public void close() throws IOException {
            if (out != null) out.close();
        }
    }

    /**
     * Measures times without acknowledgements, from the first one on; times are System.nanoTime(). For the topic it is
     * the time from one to the next. For a partition only time in which a message waited counts: having nothing to
     * acknowledge is no outage.
     */
    static final class Gaps {
        static final long NONE = Long.MIN_VALUE;

        record Span(int partition, long from, long to) {
            long length() {
                return to - from;
            }
        }

        final long[] waitingSince;
        private final int[] unresolved;
        private final Span[] longest; // The last one is the topic's.
        private long first = NONE;
        private long last = NONE;

        Gaps(int partitions) {
            waitingSince = new long[partitions];
            Arrays.fill(waitingSince, NONE);
            unresolved = new int[partitions];
            longest = new Span[partitions + 1];
        }

        void sent(int partition, long now) {
            unresolved[partition]++;
            if (waitingSince[partition] == NONE) waitingSince[partition] = now;
        }

        /** Takes an end without acknowledgement: the partition goes on waiting. */
        void unresolved(int partition) {
            unresolved[partition]--;
        }

        List<Span> acknowledged(int partition, long now) {
            List<Span> ended = spans(partition, partition + 1, now);
            if (first == NONE) first = now;
            last = now;
            waitingSince[partition] = --unresolved[partition] > 0 ? now : NONE;
            return ended;
        }

        /** Returns what still lasts at the end: nothing if no message waits. */
        List<Span> end(long now) {
            boolean waits = Arrays.stream(waitingSince).anyMatch(since -> since != NONE);
            return waits ? spans(0, waitingSince.length, now) : List.of();
        }

        /** Returns the partitions' longest gaps, then the topic's; none before the second acknowledgement. */
        List<Span> longest() {
            return Arrays.stream(longest).filter(Objects::nonNull).toList();
        }

        private List<Span> spans(int fromPartition, int toPartition, long now) {
            if (first == NONE) return List.of();
            List<Span> spans = new ArrayList<>(List.of(new Span(-1, last, now)));
            for (int p = fromPartition; p < toPartition; p++) {
                if (waitingSince[p] != NONE) spans.add(new Span(p, Math.max(waitingSince[p], first), now));
            }
            for (Span span : spans) {
                int slot = Math.floorMod(span.partition, longest.length);
                if (longest[slot] == null || span.length() > longest[slot].length()) longest[slot] = span;
            }
            return spans;
        }
    }

    // ---- Common to the step scripts: options, output, clients, errors. ./jbang format copies it from lib/cli. ----
    static final int UNREACHABLE = 10;
    static final int NO_CONTROLLER = 11;
    static final int REFUSED = 12;
    static final int ANOMALY = 13;
    static final int INCOMPLETE = 14;
    static final int MISSED = 15;
    static final int ALL_FAILED = 16;

    /** Ends a script with an exit code and one sentence: what was wrong, and what to do. */
    static class Exit extends RuntimeException implements CommandLine.IExitCodeGenerator {
        final int code;

        Exit(int code, String sentence) {
            super(sentence);
            this.code = code;
        }

        @Override
        public int getExitCode() {
            return code;
        }
    }

    /** The options of every script, and its output: the answer, progress, events and errors. */
    @Command(mixinStandardHelpOptions = true)
    static class StandardOptions {
        private static final String LOG_LEVEL = "org.slf4j.simpleLogger.defaultLogLevel";

        @Option(names = "--json", description = "Print one JSON object per line.")
        boolean json;

        @Option(names = "--events", paramLabel = "FILE", description = "Append events to this JSON Lines file.")
        File events;

        @Option(
                names = {"-v", "--verbose"},
                description = "Show stack traces and the client's own log.")
        void verbose(boolean on) {
            if (verbose = on) System.setProperty(LOG_LEVEL, "info");
        }

        @Spec(Spec.Target.MIXEE)
        CommandSpec spec;

        PrintWriter out, err;
        boolean verbose;
        Consumer<Map<String, Object>> listener = event -> {};
        Duration patience = Duration.ofSeconds(10); // of Ctrl-C, before it calls leftover and exits
        Runnable leftover = () -> {};
        private Writer eventsWriter;

        /** Parses the options of a script whose methods another script calls. */
        <T> T configure(T script, PrintWriter out, PrintWriter err, String... args) {
            commandLine(script, out, err).parseArgs(args);
            return script;
        }

        /** Runs a script. Ctrl-C interrupts it, so that it can clean up before the JVM exits with 130. */
        int run(Callable<Integer> script, PrintWriter out, PrintWriter err, String... args) {
            Thread worker = Thread.currentThread();
            CountDownLatch done = new CountDownLatch(1);
            Thread hook = new Thread(() -> {
                worker.interrupt();
                try {
                    if (!done.await(patience.toMillis(), TimeUnit.MILLISECONDS)) leftover.run();
                } catch (InterruptedException e) {
                    leftover.run();
                }
            });
            Runtime.getRuntime().addShutdownHook(hook);
            try {
                return commandLine(script, out, err).execute(args);
            } finally {
                out.flush();
                done.countDown();
                try {
                    if (eventsWriter != null) eventsWriter.close();
                    Runtime.getRuntime().removeShutdownHook(hook);
                } catch (IOException | IllegalStateException e) {
                    // Each event was flushed; after Ctrl-C a hook cannot be removed.
                }
            }
        }

        private CommandLine commandLine(Object script, PrintWriter out, PrintWriter err) {
            System.getProperties().putIfAbsent(LOG_LEVEL, "off");
            this.out = Guard.over(out);
            this.err = Guard.over(err);
            return new CommandLine(script)
                    .setOut(out)
                    .setErr(err)
                    .setCaseInsensitiveEnumValuesAllowed(true)
                    .registerConverter(Duration.class, StandardOptions::duration)
                    .setParameterExceptionHandler((e, args) -> explain(new Exit(2, e.getMessage() + " (see --help)")))
                    .setExecutionExceptionHandler((e, cli, parsed) -> explain(e));
        }

        /** Parses 500ms, 30s, 2m, 1h, or a number of seconds. */
        static Duration duration(String text) {
            var units = Map.of("ms", 1, "", 1_000, "s", 1_000, "m", 60_000, "h", 3_600_000);
            var m = Pattern.compile("(\\d+(?:\\.\\d+)?)(ms|s|m|h|)").matcher(text.trim());
            if (m.matches())
                return Duration.ofMillis(Math.round(Double.parseDouble(m.group(1)) * units.get(m.group(2))));
            throw new TypeConversionException("'" + text + "' is not a duration such as 500ms, 30s or 2m");
        }

        /** Prints progress or a warning to stderr. */
        void say(String format, Object... args) {
            Object[] safe = args.clone();
            Arrays.setAll(safe, i -> args[i] instanceof Number ? args[i] : printable(args[i]));
            err.println(args.length == 0 ? format : String.format(Locale.ROOT, format, safe));
        }

        /** Writes an event to --events, to the listener, and with --json to stdout. */
        synchronized void emit(String type, Object... pairs) {
            Map<String, Object> event = new LinkedHashMap<>(Map.of("ts", timestamp()));
            event.put("source", spec.name());
            event.put("type", type);
            for (int i = 0; i < pairs.length; i += 2) event.put((String) pairs[i], pairs[i + 1]);
            listener.accept(event);
            if (!json && events == null) return;
            try {
                String line = JSON.std.asString(event);
                if (json) out.println(line);
                if (events == null) return;
                if (eventsWriter == null) eventsWriter = new FileWriter(events, StandardCharsets.UTF_8, true);
                eventsWriter.write(line + "\n");
                eventsWriter.flush();
            } catch (IOException e) {
                throw new Exit(1, "Cannot write --events " + events + ": " + e.getMessage() + ".");
            }
        }

        private int explain(Exception problem) throws IOException {
            if (verbose) problem.printStackTrace(err);
            Throwable cause = problem;
            while (cause.getCause() != null
                    && cause.getClass().getName().matches(".*\\.(Execution|Completion|Kafka)Exception"))
                cause = cause.getCause();
            Exit exit = exit(cause, problem);
            err.println(printable(exit.getMessage()));
            return exit.code;
        }

        Exit exit(Throwable e, Exception problem) throws IOException {
            if (e instanceof CommandLine.IExitCodeGenerator exit) return new Exit(exit.getExitCode(), e.getMessage());
            if (e instanceof InterruptedException || e instanceof InterruptException)
                return new Exit(130, "Interrupted.");
            String where = verbose ? "" : " (-v shows where)";
            return new Exit(1, e.getClass().getSimpleName() + ": " + e.getMessage() + where);
        }
    }

    /** The options of a script that connects to a cluster, its clients, and why they cannot connect. */
    static class Common extends StandardOptions {
        private static final Pattern ADDRESS = Pattern.compile("(?:\\w+://)?\\[?(.+?)\\]?:(\\d{1,5})");
        static final String UNKNOWN_HOST = "no such host";
        static final String CLOSED = "nothing listens there";
        static final String MUTE = "what listens there does not answer";
        static final String CONTROLLER =
                "this is a controller's port, where only the quorum can be asked about: name a broker's";
        static final String LOGIN = "the port wants a login (security.protocol=SASL_PLAINTEXT, sasl.mechanism and"
                + " sasl.jaas.config in --command-config)";
        private static final int TLS_ALERT = 0x15;
        private static final byte[] API_VERSIONS = {0, 0, 0, 10, 0, 18, 0, 0, 0, 0, 0, 1, -1, -1};
        private static final byte[] METADATA = {0, 0, 0, 14, 0, 3, 0, 1, 0, 0, 0, 2, -1, -1, 0, 0, 0, 0};

        @Option(
                names = {"-b", "--bootstrap-server"},
                paramLabel = "HOST:PORT,...",
                description = "The cluster (default: $$KAFKA_BOOTSTRAP, else the lab's three nodes).",
                defaultValue = "${KAFKA_BOOTSTRAP:-localhost:29192,localhost:29292,localhost:29392}")
        String bootstrapServer;

        @Option(
                names = "--command-config",
                paramLabel = "FILE",
                description = "Client properties, such as SASL and TLS.")
        Path commandConfig;

        @Option(
                names = "--timeout",
                paramLabel = "DURATION",
                defaultValue = "30s",
                description = "Give up after this long: 500ms, 30s, 2m (default: 30s).")
        Duration timeout;

        boolean controllersAnswer;
        private Properties given = new Properties();

        /** Returns client properties: --command-config, then --bootstrap-server, then the pairs. */
        Properties client(Object... pairs) throws IOException {
            Properties properties = new Properties(); // not the field: clients are created by several threads
            try {
                if (commandConfig != null) properties = Utils.loadProps(commandConfig.toString());
            } catch (IOException | IllegalArgumentException e) {
                throw new Exit(2, "Cannot read --command-config " + commandConfig + ": " + reason(e) + ".");
            }
            if (!spec.commandLine().getParseResult().hasMatchedOption("-b"))
                bootstrapServer = properties.getProperty("bootstrap.servers", bootstrapServer);
            properties.put("bootstrap.servers", bootstrapServer);
            for (int i = 0; i < pairs.length; i += 2) properties.put("" + pairs[i], "" + pairs[i + 1]);
            given = properties;
            return properties;
        }

        /** Returns an Admin of the addresses that answer: it would stay with a paused broker. */
        Admin admin(Object... pairs) throws IOException {
            Properties properties = client(pairs);
            properties.putIfAbsent("default.api.timeout.ms", "" + timeout.toMillis());
            properties.putIfAbsent("request.timeout.ms", "" + Math.min(timeout.toMillis(), 30_000));
            properties.put("bootstrap.servers", usable());
            return Admin.create(properties);
        }

        /** Ends with 10 and the reason if a client can use none of the bootstrap addresses. */
        void requireReachable() throws IOException {
            Map<String, String> addresses = addresses(Common::connects);
            if (!addresses.containsKey("")) throw cannotTalk(addresses);
        }

        /** Returns the addresses that a client can use, else those that may answer later, or ends with 10. */
        String usable() throws IOException {
            Map<String, String> addresses = addresses();
            String usable = addresses.getOrDefault("", addresses.get(MUTE));
            if (usable == null) throw cannotTalk(addresses);
            return usable;
        }

        private Exit cannotTalk(Map<String, String> addresses) {
            if (List.of(CLOSED, UNKNOWN_HOST).containsAll(addresses.keySet()))
                return unreachable(addresses.keySet().iterator().next());
            addresses.remove(CLOSED);
            StringJoiner reasons = new StringJoiner("; ", "Cannot talk to ", ".");
            addresses.forEach((reason, at) -> reasons.add(at + ": " + reason));
            return new Exit(UNREACHABLE, reasons.toString());
        }

        Exit unreachable(String why) {
            String advice = "; start one (cluster up) or name yours with --bootstrap-server.";
            return new Exit(UNREACHABLE, "No cluster at " + bootstrapServer + ": " + why + advice);
        }

        /** Returns the bootstrap addresses by the reason why a client cannot use them: "" for those that it can. */
        Map<String, String> addresses() throws IOException {
            return addresses(node -> !new InetSocketAddress(node.host(), node.port()).isUnresolved());
        }

        private Map<String, String> addresses(Predicate<Node> isUsable) throws IOException {
            if (given.isEmpty()) client(); // --command-config may name the cluster
            int timeoutMs = (int) Math.max(1, Math.min(timeout.toMillis() / 4, 1500));
            return bootstrapNodes().parallelStream()
                    .collect(groupingBy(
                            at -> obstacle(at, timeoutMs, isUsable),
                            LinkedHashMap::new,
                            mapping(Common::address, joining(", "))));
        }

        /** Returns the bootstrap addresses as nodes with ids -1, -2, ... */
        List<Node> bootstrapNodes() {
            List<Node> nodes = new ArrayList<>();
            for (String address : bootstrapServer.split(",")) {
                var m = ADDRESS.matcher(address.trim());
                if (!m.matches() || Integer.parseInt(m.group(2)) > 65_535)
                    throw new Exit(2, "'" + address + "' in --bootstrap-server is not HOST:PORT.");
                nodes.add(new Node(-1 - nodes.size(), m.group(1), Integer.parseInt(m.group(2))));
            }
            return nodes;
        }

        static String address(Node node) {
            return Utils.formatAddress(node.host(), node.port());
        }

        /** Asks an address for its API versions and brokers. By hand: no client API says why it got no answer. */
        private String obstacle(Node at, int timeoutMs, Predicate<Node> isUsable) {
            String protocol = given.getProperty("security.protocol", "").trim().toUpperCase(Locale.ROOT);
            boolean tls = protocol.endsWith("SSL");
            boolean login = protocol.startsWith("SASL");
            InetSocketAddress address = new InetSocketAddress(at.host(), at.port());
            String obstacle = address.isUnresolved() ? UNKNOWN_HOST : CLOSED;
            try (Socket socket = new Socket()) {
                socket.connect(address, timeoutMs);
                socket.setSoTimeout(timeoutMs);
                obstacle = tls ? "" : MUTE;
                DataInputStream in = new DataInputStream(socket.getInputStream());
                socket.getOutputStream().write(API_VERSIONS);
                int size = in.readInt();
                obstacle = "what listens there is not Kafka";
                if (size >>> 24 == TLS_ALERT)
                    return tls ? "" : "the port wants TLS (security.protocol=SSL or SASL_SSL in --command-config)";
                var versions = (ApiVersionsResponse) answer(in, size, ApiKeys.API_VERSIONS, 0);
                if (tls) return "the port speaks no TLS, which security.protocol=" + protocol + " asks for";
                if (versions.apiVersion(ApiKeys.METADATA.id) == null) return controllersAnswer ? "" : CONTROLLER;
                obstacle = login ? "" : LOGIN;
                socket.getOutputStream().write(METADATA);
                var brokers = ((MetadataResponse) answer(in, in.readInt(), ApiKeys.METADATA, 1)).brokers();
                if (login) return "the port takes no login, which security.protocol=" + protocol + " asks for";
                if (brokers.isEmpty() || brokers.parallelStream().anyMatch(isUsable)) return "";
                Node broker = brokers.iterator().next();
                boolean isUnknown = new InetSocketAddress(broker.host(), broker.port()).isUnresolved();
                return "the broker there advertises " + address(broker) + ", which "
                        + (isUnknown ? "does not resolve here" : "cannot be reached from here")
                        + " (advertised.listeners)";
            } catch (SocketTimeoutException e) {
                return obstacle.equals(LOGIN) ? "" : obstacle; // a broker refuses a login late on purpose
            } catch (IOException | RuntimeException e) {
                return obstacle;
            }
        }

        private static AbstractResponse answer(InputStream in, int size, ApiKeys api, int version) throws IOException {
            ByteBuffer bytes = ByteBuffer.wrap(in.readNBytes(Math.min(size, 1 << 20)));
            return AbstractResponse.parseResponse(api, new ByteBufferAccessor(bytes.position(4)), (short) version);
        }

        private static boolean connects(Node node) {
            return connects(node.host(), node.port(), 1000);
        }

        static boolean connects(String host, int port, int timeoutMs) {
            try (Socket socket = new Socket()) {
                socket.connect(new InetSocketAddress(host, port), timeoutMs);
                return true;
            } catch (IOException | IllegalArgumentException e) {
                return false;
            }
        }

        /** Whether the process behind a port is alive: a stopped one still accepts connections. */
        static boolean answers(String host, int port, int timeoutMs) {
            try (Socket socket = new Socket()) {
                socket.connect(new InetSocketAddress(host, port), timeoutMs);
                socket.setSoTimeout(timeoutMs);
                socket.getOutputStream().write(API_VERSIONS);
                return socket.getInputStream().read() >= 0; // a TLS alert counts; a proxy without a node hangs up
            } catch (IOException | IllegalArgumentException e) {
                return false;
            }
        }

        @Override
        Exit exit(Throwable e, Exception problem) throws IOException {
            if (e instanceof AuthenticationException)
                return new Exit(
                        UNREACHABLE, "Cannot talk to " + bootstrapServer + ": login refused, " + deepest(e) + ".");
            if (e instanceof AuthorizationException)
                return new Exit(1, "Not permitted: " + deepest(e) + "; the principal needs an ACL for it.");
            if (e instanceof org.apache.kafka.common.errors.TimeoutException) return noAnswer();
            if (reasons(problem).contains("No resolvable bootstrap urls")) return unreachable(UNKNOWN_HOST);
            if (e instanceof ConfigException || reasons(problem).matches("(?s).*Failed to c(reate|onstruct) .*"))
                return refused(problem);
            return super.exit(e, problem);
        }

        private Exit noAnswer() throws IOException {
            Map<String, String> addresses = addresses(Common::connects);
            if (!addresses.containsKey("")) return cannotTalk(addresses);
            String limit = " within " + timeout.toMillis() + " ms; find-controller says who is missing.";
            return new Exit(UNREACHABLE, "No answer from the cluster at " + bootstrapServer + limit);
        }

        private Exit refused(Throwable problem) {
            String reasons = reasons(problem).replaceAll("JAAS|LoginModule", "$0 sasl.jaas.config");
            String names = given(reasons::contains);
            if (names.isEmpty()) names = given(key -> isMentioned(given.getProperty(key), reasons));
            return new Exit(2, "Client property " + names + " refused: " + deepest(problem) + ".");
        }

        private String given(Predicate<String> isMeant) {
            return given.stringPropertyNames().stream().filter(isMeant).sorted().collect(joining(", "));
        }

        /** Values such as 5 or true are part of many sentences. */
        private static boolean isMentioned(String value, String reasons) {
            return value.length() > 4 && reasons.contains(value);
        }

        private static String reasons(Throwable e) {
            return e == null ? "" : e.getMessage() + "\n" + reasons(e.getCause());
        }

        static String deepest(Throwable e) {
            return e.getCause() == null ? reason(e).replaceAll("\\.$", "") : deepest(e.getCause());
        }

        /** Returns an exception's message, which of files and classes is only a name. */
        private static String reason(Throwable e) {
            boolean isName = e instanceof IOException || e instanceof ClassNotFoundException || e.getMessage() == null;
            String problem = e.getClass().getSimpleName().replaceAll("(?<=[a-z])(?=[A-Z])|Exception$", " ");
            return (isName ? problem.toLowerCase(Locale.ROOT).strip() + ": " : "") + e.getMessage();
        }
    }

    /** A writer that escapes what could control a terminal; get() returns the writer below. */
    static final class Guard extends PrintWriter implements Supplier<PrintWriter> {
        private Guard(PrintWriter raw) {
            super(raw, true);
        }

        static PrintWriter over(PrintWriter out) {
            return out instanceof Supplier ? out : new Guard(out);
        }

        @Override
        public PrintWriter get() {
            return (PrintWriter) out;
        }

        @Override
        public void write(int c) {
            write(String.valueOf((char) c));
        }

        @Override
        public void write(char[] chars, int from, int length) {
            write(new String(chars, from, length));
        }

        @Override
        public void write(String text, int from, int length) {
            String safe = harmless(text.substring(from, from + length));
            super.write(safe, 0, safe.length());
        }

        static String harmless(String text) {
            return escape(text, "(?!\\r?\\n|\\t)[\\p{Cc}\\p{Cf}]");
        }
    }

    /** Returns a text from a cluster, record or file with everything escaped that could forge a line or a colour. */
    static String printable(Object value) {
        return escape(String.valueOf(value), "[\\p{Cc}\\p{Cf}\\p{Zl}\\p{Zp}]");
    }

    private static String escape(String text, String regex) {
        var matcher = Pattern.compile(regex).matcher(text);
        return matcher.replaceAll(
                m -> String.format(Locale.ROOT, "\\\\u%04x", m.group().codePointAt(0)));
    }

    static String timestamp() {
        return LocalDateTime.now(ZoneOffset.UTC).format(DateTimeFormatter.ofPattern("yyyy-MM-dd'T'HH:mm:ss.SSSSSS'Z'"));
    }
    // ---- End of what is common. ----
}
