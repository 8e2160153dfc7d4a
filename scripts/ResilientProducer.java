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
 * Writes numbered messages through whatever happens to the cluster, and keeps a ledger of what became of each attempt.
 *
 * <p>Resilient mode leaves retrying to the idempotent client and never sends a number twice: an outage shorter than {@code delivery.timeout.ms}
 * (120 s) is a gap between acknowledgements, not an error. Messages go out on schedule while earlier ones wait, so that the gap is not hidden by
 * a producer that stood still itself; --producers shares the rate among several clients. Naive mode is the loop often written: wait two seconds, call it an error, send the number again. The first
 * attempt may land all the same: a duplicate. Its true outcome goes into the ledger when it is known.
 *
 * <pre>resilient-producer --ledger run.jsonl --duration 2m &amp;
 * kill-node $(find-controller); wait; check-delivery run.jsonl</pre>
 */
@Command(
        name = "resilient-producer",
        version = "kraft-lab 0.1.0",
        sortOptions = false,
        description = "Writes one message each 500 ms, prints Sent: N for each acknowledgement, and says how long the"
                + " longest gap was.")
class ResilientProducer implements Callable<Integer> {
    /** resilient: the client retries; naive: this script does, after --send-timeout. */
    enum Mode {
        resilient,
        naive
    }
    /** How an attempt ended, in the ledger's words. */
    enum Outcome {
        acknowledged,
        failed,
        indeterminate
    }

    @Option(
            names = "--topic",
            paramLabel = "TOPIC",
            defaultValue = "critical_data",
            description = "Where to write (default: ${DEFAULT-VALUE}).")
    String topic;

    @Option(
            names = "--rate",
            paramLabel = "N",
            defaultValue = "2",
            description =
                    "Messages per second (default: ${DEFAULT-VALUE}, one each 500 ms). Above 1000, stdout has a line"
                            + " each second.")
    double rate;

    @Option(
            names = "--count",
            paramLabel = "N",
            description = "End after this many messages (default: go on until Ctrl-C).")
    long count = Long.MAX_VALUE;

    @Option(
            names = "--duration",
            paramLabel = "DURATION",
            description = "End after this long, and wait for what is still unresolved.")
    Duration duration = Duration.ofDays(36_500);

    @Option(
            names = "--producers",
            paramLabel = "N",
            defaultValue = "1",
            description = "Share rate and count among so many clients, each with its own numbers (default:"
                    + " ${DEFAULT-VALUE}).")
    int producers;

    @Option(
            names = "--acks",
            paramLabel = "0|1|all",
            defaultValue = "all",
            description = "Who must have a message (default: ${DEFAULT-VALUE}). Less than all is not idempotent.")
    String acks;

    @Option(
            names = "--mode",
            defaultValue = "resilient",
            description = "${COMPLETION-CANDIDATES} (default: ${DEFAULT-VALUE}).")
    Mode mode;

    @Option(
            names = "--send-timeout",
            paramLabel = "DURATION",
            defaultValue = "2s",
            description = "naive: wait this long, then send again; resilient: then say that a partition is waited for"
                    + " (default: ${DEFAULT-VALUE}).")
    Duration sendTimeout;

    @Option(
            names = "--ledger",
            paramLabel = "FILE",
            description =
                    "Write each attempt's outcome here, for check-delivery; replaces the file, or keeps it beside if"
                            + " its producer was killed.")
    File ledgerFile;

    @Option(
            names = "--command-property",
            arity = "1..*",
            paramLabel = "NAME=VALUE",
            description =
                    "Producer properties; they win over --command-config and over what --acks and --mode lead to.")
    List<String> commandProperties = List.of();

    @Option(
            names = "--run",
            paramLabel = "ID",
            description = "First part of each record's identity (default: generated).")
    String run = timestamp().replaceAll("[^0-9T]", "");

    @Option(
            names = "--producer-id",
            paramLabel = "ID",
            description =
                    "Second part; tells the producers of one run apart (default: generated). Of several: ID-1, ID-2,"
                            + " ...")
    String producerId = "p" + Long.toHexString(ThreadLocalRandom.current().nextLong(0x100000, 0x1000000));

    @Mixin
    Common common = new Common();

    // Shared by the sending threads, the clients' network threads and a composite script; guarded by this, notified of
    // each outcome.
    private final List<Sender> senders = new CopyOnWriteArrayList<>();
    private final Set<Attempt> pending = new LinkedHashSet<>();
    private final Deque<Ack> recentAcks = new ArrayDeque<>();
    private StringBuilder lines = new StringBuilder(); // of the ledger, not written yet
    private long errors;
    private boolean finished, idempotent;
    private Gaps gaps;
    private Exception problem, lastError;
    private final CountDownLatch stopping = new CountDownLatch(1), booksClosed = new CountDownLatch(1);
    private final long startNanos = System.nanoTime();
    private final Instant startInstant = Instant.now();
    private final Consumer<Map<String, Object>> nobody = common.listener;
    private volatile int partitions;
    private volatile long errorToldNanos = startNanos;
    private volatile boolean closedOut;
    private Duration deliveryTimeout;
    private OutputStream ledger;

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
        if (!closedOut && summary.sent > 0 && summary.errors == summary.sent)
            throw new Exit(
                    ALL_FAILED,
                    "Every send failed, the last with " + name(lastError) + ": " + reason(lastError, topic));
        return 0;
    }

    /** An acknowledgement: when its message was sent, and when it came. sentNanos is System.nanoTime(), which no set clock moves. */
    public record Ack(long seq, int attempt, int partition, long offset, Instant sent, Instant at, long sentNanos) {
        /** Returns the first of a partition (-1: any) whose message was sent after a System.nanoTime(). */
        static Optional<Ack> firstSentAfter(long nanos, int partition, Collection<Ack> acks) {
            return acks.stream()
                    .filter(a -> (partition < 0 || a.partition == partition) && a.sentNanos - nanos > 0)
                    .findFirst();
        }
    }

    /** A time without acknowledgements; partition -1 is the topic as a whole. */
    public record Gap(int partition, Instant from, Duration length) {}

    /** Counts are of attempts (naive mode may make several for a message). longestGap is null before the second acknowledgement. */
    public record Summary(
            String run,
            String producer,
            long messages,
            long sent,
            long acknowledged,
            long failed,
            long indeterminate,
            long errors,
            Gap longestGap,
            List<Gap> partitionGaps,
            Duration took) {}

    /** Sends until count, duration, {@link #stop()}, an interrupt or a closed stdout; then waits for what is unresolved. */
    public Summary produce() throws Exception {
        if (!List.of("0", "1", "all").contains(acks)) throw new Exit(2, "--acks is 0, 1 or all, not '" + acks + "'.");
        if (!(rate > 0 && rate <= 1e6)) throw new Exit(2, "--rate is a number of messages per second above 0.");
        if (producers < 1 || producers > 1000) throw new Exit(2, "--producers is a number from 1 to 1000.");
        if ((run + producerId).contains("/") || run.isEmpty() || producerId.isEmpty())
            throw new Exit(
                    2, "--run and --producer-id become parts of run/producer/sequence: not empty and without a slash.");
        long start = System.nanoTime();
        Thread clerk = new Thread(this::keepBooks, "books");
        clerk.setDaemon(true);
        Summary summary;
        try {
            List<Long> startOffsets;
            try (Admin admin = common.admin()) {
                startOffsets = startOffsets(admin);
            }
            // A full buffer makes resilient mode wait (max.block.ms, 60 s), since giving up is a message lost. With
            // every broker down the client would
            // forget the topic (rebootstrap) and send() would block: the schedule, and with it the measurement, would
            // stop.
            Properties properties =
                    common.client("acks", acks, "enable.idempotence", mode == Mode.resilient && acks.equals("all"));
            for (String pair : commandProperties) {
                if (pair.indexOf('=') < 1) throw new Exit(2, "Property '" + pair + "' is not NAME=VALUE.");
                properties.put(pair.substring(0, pair.indexOf('=')), pair.substring(pair.indexOf('=') + 1));
            }
            idempotent = Boolean.parseBoolean(properties.getProperty("enable.idempotence"));
            if (mode == Mode.naive) properties.putIfAbsent("max.block.ms", String.valueOf(sendTimeout.toMillis()));
            else properties.putIfAbsent("metadata.recovery.strategy", "none");
            properties.remove("transactional.id"); // a transaction would decide what counts as written
            deliveryTimeout =
                    Duration.ofMillis(Long.parseLong(properties.getProperty("delivery.timeout.ms", "120000")));
            for (int number = 1; number <= producers; number++) senders.add(new Sender(number, properties));
            if (ledgerFile != null) ledger = openLedger(startOffsets);
            if (acks.equals("0"))
                common.say("With acks=0 no broker confirms anything: every message stays indeterminate.");
            clerk.start();
            emit("producer", "state", "start", "producer", producerId, "topic", topic);
            senders.forEach(Thread::start);
            try {
                for (Sender sender : senders) sender.join();
            } catch (InterruptedException e) { // the summary and the ledger's end still have to be written
                stop();
                senders.forEach(Thread::interrupt);
                for (Sender sender : senders) sender.join(5000);
            }
            summary = finish(start);
        } finally {
            for (Sender sender : senders)
                sender.producer.close(Duration.ZERO); // of one that never began; else it is closed
            synchronized (this) {
                finished = true;
                notifyAll();
            }
            booksClosed.countDown();
            clerk.join();
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

    /** @return the topic's partitions; 0 until produce() has looked */
    public int partitions() {
        return partitions;
    }

    public synchronized long acknowledged() {
        return total(Outcome.acknowledged);
    }

    public synchronized Optional<Ack> lastAck() {
        return Optional.ofNullable(recentAcks.peekLast());
    }

    /**
     * Waits until writes flow: the first acknowledgement of a message that was <em>sent</em> after a System.nanoTime(); empty after the timeout or the end of the run.
     * @param partition -1: any
     */
    public synchronized Optional<Ack> awaitAckAfter(int partition, long sentNanos, Duration timeout)
            throws InterruptedException {
        Supplier<Optional<Ack>> found = () -> Ack.firstSentAfter(sentNanos, partition, recentAcks);
        await(() -> finished || found.get().isPresent(), timeout.toNanos());
        return found.get();
    }

    /** Where each partition ends before the first send; 0 for one without a leader, which makes a check read more than it must. */
    private List<Long> startOffsets(Admin admin) throws Exception {
        try {
            return readStartOffsets(admin);
        } catch (ExecutionException e) {
            if (!(e.getCause() instanceof AuthorizationException)) throw e;
            throw new Exit(1, "Not permitted to write to topic " + topic + ": " + reason(e.getCause(), topic));
        }
    }

    private List<Long> readStartOffsets(Admin admin) throws Exception {
        try {
            partitions = admin.describeTopics(List.of(topic))
                    .allTopicNames()
                    .get()
                    .get(topic)
                    .partitions()
                    .size();
        } catch (ExecutionException e) {
            if (!(e.getCause() instanceof UnknownTopicOrPartitionException)) throw e;
            // A broker may create it at the first send, but with its own defaults: one partition, one replica.
            throw new Exit(1, "Topic " + topic + " does not exist; create it with: create-topic " + topic);
        }
        gaps = new Gaps(partitions);
        List<Long> offsets = new ArrayList<>();
        List<TopicPartition> all = IntStream.range(0, partitions)
                .mapToObj(p -> new TopicPartition(topic, p))
                .toList();
        ListOffsetsResult ends =
                admin.listOffsets(all.stream().collect(Collectors.toMap(p -> p, p -> OffsetSpec.latest())));
        for (TopicPartition partition : all) {
            try {
                offsets.add(ends.partitionResult(partition).get().offset());
            } catch (ExecutionException e) {
                if (!(e.getCause() instanceof RetriableException)) throw e;
                offsets.add(0L);
            }
        }
        return offsets;
    }

    /** One client with its thread, its numbers and its outcomes. */
    private final class Sender extends Thread {
        final int number;
        final String id;
        final KafkaProducer<String, String> producer;
        final Metric retries;
        final long[] outcomes = new long[Outcome.values().length];
        long messages, attempts, unresolved;

        Sender(int number, Properties properties) {
            this.number = number;
            id = producers == 1 ? producerId : producerId + "-" + number;
            producer = new KafkaProducer<>(properties, new StringSerializer(), new StringSerializer());
            retries = producer.metrics().values().stream()
                    .filter(m -> m.metricName().name().equals("record-retry-total")
                            && m.metricName().group().equals("producer-metrics"))
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
                // The client ends every attempt within its delivery timeout. With nobody reading on, that is not waited
                // for.
                await(
                        () -> unresolved == 0,
                        closedOut ? sendTimeout.toNanos() : deliveryTimeout.toNanos() + 5_000_000_000L);
            } catch (InterruptedException | InterruptException e) {
                Thread.interrupted();
            } catch (Exception e) {
                fail(e);
            } finally {
                producer.close(Duration.ofSeconds(3));
            }
        }

        /** An open loop: the schedule does not wait for acknowledgements. A wait is of a millisecond at least, after which all that has become due goes at once. */
        private void sendOnSchedule(long share) throws InterruptedException {
            long start = System.nanoTime();
            for (long seq = 1; seq <= share; seq++) {
                long due = (long) ((seq - 1 + (number - 1.0) / producers) * 1e9 * producers / rate),
                        now = System.nanoTime() - start,
                        wait = Math.min(due, duration.toNanos()) - now;
                if (wait > 0) stopping.await(Math.max(wait, 1_000_000), TimeUnit.NANOSECONDS);
                if (stopping.getCount() == 0 || Math.max(due, now) >= duration.toNanos()) return;
                send(seq, 1);
            }
        }

        private void sendOneByOne(long share) throws InterruptedException {
            long start = System.nanoTime();
            boolean sent = true;
            for (long seq = 0, number = 0; seq < share || !sent; ) {
                number = sent ? 1 : number + 1;
                if (sent) seq++;
                Attempt attempt = send(seq, (int) number);
                await(() -> attempt.outcome != null || stopping.getCount() == 0, sendTimeout.toNanos());
                if (attempt.outcome == null && stopping.getCount() == 0) return;
                // What the loop believes: without an outcome in time, an error.
                Exception error = attempt.outcome != null
                        ? attempt.error
                        : new org.apache.kafka.common.errors.TimeoutException(
                                "no acknowledgement within " + sendTimeout.toMillis() + " ms");
                tell(attempt, error);
                sent = error == null;
                long now = System.nanoTime();
                if (now - start >= duration.toNanos()
                        || stopping.await(
                                attempt.sentNanos + (long) (1e9 * producers / rate) - now, TimeUnit.NANOSECONDS))
                    return;
            }
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
            var record = new ProducerRecord<>(
                    topic,
                    attempt.partition,
                    run + "/" + id + "/" + seq,
                    "Message " + seq + ", sent " + TIME.format(instant(attempt.sentNanos)));
            if (number > 1)
                record.headers().add("attempt", String.valueOf(number).getBytes(StandardCharsets.UTF_8));
            Thread sender =
                    Thread.currentThread(); // a callback in this thread comes from inside send(), any other from the
            // network
            // thread
            try {
                producer.send(
                        record,
                        (metadata, error) -> resolve(
                                attempt,
                                error == null && metadata.hasOffset() ? metadata.offset() : -1,
                                error,
                                Thread.currentThread() == sender));
            } catch (KafkaException | IllegalStateException e) {
                if (e instanceof InterruptException) Thread.interrupted();
                resolve(attempt, -1, e, true);
                if (e instanceof InterruptException) throw e;
            }
            return attempt;
        }
    }

    /** One try at one number. Partitions take turns: each is tried equally often, and a number sent again goes to the same one. */
    private final class Attempt {
        final Sender by;
        final long seq, sentNanos = System.nanoTime();
        final int number, partition;
        final double retriesBefore;
        volatile Exception error;
        volatile Outcome outcome;

        Attempt(Sender by, long seq, int number) {
            this.by = by;
            this.seq = seq;
            this.number = number;
            partition = (int) ((seq + by.number - 2) % partitions);
            retriesBefore = by.retried();
        }

        @Override
        public String toString() {
            return producers == 1 ? "" + seq : seq + " of " + by.id;
        }
    }

    /**
     * What an attempt's end means, in the words of the verifier. Certainly not written is what send() refused before it took the message, and what a
     * broker did not authorize at the first try. send() can also throw after it took the message: InvalidProducerEpochException.
     */
    static Outcome classify(long offset, Throwable error, boolean insideSend, boolean retried) {
        if (error == null) return offset >= 0 ? Outcome.acknowledged : Outcome.indeterminate; // acks=0 gives no offset
        boolean refused = error instanceof org.apache.kafka.common.errors.TimeoutException
                || error instanceof RecordTooLargeException
                || error instanceof SerializationException
                || error instanceof AuthenticationException
                || error instanceof InvalidTopicException
                || error instanceof InterruptException;
        boolean denied = error instanceof AuthorizationException;
        return insideSend && (refused || denied) || denied && !retried ? Outcome.failed : Outcome.indeterminate;
    }

    /** Returns why a send failed, or which permission it lacks; brokers name neither that nor always the topic. */
    static String reason(Throwable error, String topic) {
        boolean denied = Stream.iterate(error, Objects::nonNull, Throwable::getCause)
                .limit(20)
                .anyMatch(AuthorizationException.class::isInstance);
        return denied ? "the principal needs WRITE on topic " + topic + "." : error.getMessage();
    }

    /** The callback: an attempt's true outcome, perhaps long after the naive loop gave up on it. */
    private void resolve(Attempt attempt, long offset, Exception error, boolean insideSend) {
        long now = System.nanoTime(), latencyUs = (now - attempt.sentNanos) / 1000;
        List<Gaps.Span> ended = List.of();
        Outcome outcome =
                classify(offset, error, insideSend, error != null && attempt.by.retried() > attempt.retriesBefore);
        try {
            synchronized (this) {
                if (!pending.remove(attempt)) return;
                note(attempt, outcome, offset, error, now, latencyUs);
                attempt.error = error;
                attempt.outcome = outcome;
                attempt.by.outcomes[outcome.ordinal()]++;
                attempt.by.unresolved--;
                if (error != null) {
                    errors++;
                    lastError = error;
                }
                if (outcome == Outcome.acknowledged) {
                    recentAcks.addLast(new Ack(
                            attempt.seq,
                            attempt.number,
                            attempt.partition,
                            offset,
                            instant(attempt.sentNanos),
                            instant(now),
                            attempt.sentNanos));
                    if (recentAcks.size() > 4096) recentAcks.removeFirst();
                    ended = gaps.acknowledged(attempt.partition, now);
                } else gaps.unresolved(attempt.partition);
                notifyAll();
            }
            if (outcome == Outcome.acknowledged)
                emit(
                        "ack",
                        "seq",
                        attempt.seq,
                        "attempt",
                        attempt.number,
                        "topic",
                        topic,
                        "partition",
                        attempt.partition,
                        "offset",
                        offset,
                        "latencyUs",
                        latencyUs,
                        "producer",
                        attempt.by.id);
            if (mode == Mode.resilient) tell(attempt, error);
            stalls(ended, true);
        } catch (Exception e) { // thrown to the client it would be lost: end the run, which throws it
            fail(e);
        }
    }

    private synchronized void fail(Exception e) {
        problem = e;
        stop();
    }

    /** At high rates nobody hears, as a rule, and an event for each message would cost more than the message. */
    private void emit(String type, Object... fields) {
        if (common.json || common.events != null || common.listener != nobody) common.emit(type, fields);
    }

    /** The same for a line: there is one each second, and the first error in a second. */
    private boolean isFast() {
        return rate > 1000;
    }

    private void tell(Attempt attempt, Exception error) {
        boolean quiet = isFast() && (error == null || System.nanoTime() - errorToldNanos < 1_000_000_000);
        if (error != null && !quiet) errorToldNanos = System.nanoTime();
        if (!common.json && !quiet)
            common.out.println(
                    error == null
                            ? "Sent: " + attempt
                            : "Error sending " + attempt + ": " + printable(reason(error, topic)));
        if (error != null)
            emit(
                    "send-error",
                    "seq",
                    attempt.seq,
                    "attempt",
                    attempt.number,
                    "error",
                    name(error),
                    "message",
                    error.getMessage(),
                    "outcome",
                    attempt.outcome == null ? "indeterminate" : attempt.outcome.name(),
                    "producer",
                    attempt.by.id,
                    "topic",
                    topic,
                    "partition",
                    attempt.partition,
                    "latencyUs",
                    (System.nanoTime() - attempt.sentNanos) / 1000);
        if (common.json || !quiet) checkOut();
    }

    private synchronized void checkOut() {
        if (closedOut |= common.out.checkError()) stop();
    }

    /** A gap is a stall when it is longer than the schedule explains. @param ended not ended: it still lasts when the producer ends */
    private void stalls(List<Gaps.Span> gaps, boolean ended) {
        for (Gaps.Span gap : gaps)
            if (gap.length() >= Math.max(1000, 3000 / rate) * 1e6)
                common.emit(
                        "stall",
                        "topic",
                        topic,
                        "partition",
                        gap.partition,
                        "from",
                        TIME.format(instant(gap.from)),
                        "ms",
                        gap.length() / 1_000_000,
                        "ended",
                        ended);
    }

    // ---- The ledger, and what is said meanwhile ----

    /** A head for each producer. The file has its name only when they are in it: a producer that is killed leaves a ledger that can be read, or none. */
    private OutputStream openLedger(List<Long> startOffsets) throws IOException {
        for (Sender sender : senders)
            note(
                    "ledger",
                    2,
                    "run",
                    run,
                    "producer",
                    sender.id,
                    "topic",
                    topic,
                    "acks",
                    acks,
                    "idempotent",
                    idempotent,
                    "mode",
                    mode.name(),
                    "startOffsets",
                    startOffsets,
                    "ts",
                    timestamp());
        Path file = ledgerFile.toPath(), begun = Path.of(ledgerFile + ".new");
        try {
            if (Files.exists(file) && !Files.isRegularFile(file)) return new FileOutputStream(ledgerFile); // a pipe
            if (Files.exists(file)
                    && Files.size(file) > 0
                    && !ends(file)) { // all that is left of a run: not to be replaced
                Path kept = Path.of(ledgerFile + ".before-" + run);
                Files.move(file, kept);
                common.say(
                        "%s has no end, its producer was killed or still runs: kept as %s, for check-delivery.",
                        file, kept);
            }
            requireLedger(begun);
            OutputStream out = new FileOutputStream(begun.toFile());
            writeThrough(out);
            Files.move(begun, file, StandardCopyOption.ATOMIC_MOVE);
            return out;
        } catch (IOException e) {
            throw new Exit(2, "Cannot write --ledger " + ledgerFile + ": " + e.getMessage() + ".");
        }
    }

    /** What a producer that was killed left before its ledger had its name; of that name may be a link, or somebody else's file. */
    static void requireLedger(Path begun) throws IOException {
        if (!Files.exists(begun, LinkOption.NOFOLLOW_LINKS)) return;
        if (Files.isRegularFile(begun, LinkOption.NOFOLLOW_LINKS))
            try (InputStream in = Files.newInputStream(begun)) {
                String head = new String(in.readNBytes(10), StandardCharsets.UTF_8);
                if (head.isEmpty() || head.equals("{\"ledger\":")) return;
            }
        throw new IOException(begun + " is there, and is no ledger");
    }

    private static boolean ends(Path ledger) throws IOException {
        try (RandomAccessFile file = new RandomAccessFile(ledger.toFile(), "r")) {
            byte[] tail = new byte[(int) Math.min(file.length(), 1000)];
            file.seek(file.length() - tail.length);
            file.readFully(tail);
            return new String(tail, StandardCharsets.UTF_8).contains("\n{\"end\":true");
        }
    }

    /** An attempt's line, into memory: keepBooks() writes it. Of an acknowledgement it is short, and cheap to make. */
    private void note(Attempt a, Outcome outcome, long offset, Exception error, long now, long latencyUs)
            throws IOException {
        if (ledger == null) return;
        long at = startInstant.getEpochSecond() * 1_000_000 + startInstant.getNano() / 1000 + (now - startNanos) / 1000;
        if (outcome != Outcome.acknowledged || a.number > 1)
            note(
                    "seq",
                    a.seq,
                    "attempt",
                    a.number,
                    "outcome",
                    outcome.name(),
                    "partition",
                    a.partition,
                    "offset",
                    offset < 0 ? null : offset,
                    "at",
                    at,
                    "latencyUs",
                    latencyUs,
                    "by",
                    a.by.number,
                    "error",
                    error == null ? null : name(error) + ": " + error.getMessage());
        else
            lines.append("{\"seq\":")
                    .append(a.seq)
                    .append(",\"partition\":")
                    .append(a.partition)
                    .append(",\"offset\":")
                    .append(offset)
                    .append(",\"at\":")
                    .append(at)
                    .append(",\"latencyUs\":")
                    .append(latencyUs)
                    .append(a.by.number == 1 ? "" : ",\"by\":" + a.by.number)
                    .append("}\n");
    }

    private synchronized void note(Object... fields) throws IOException {
        Map<String, Object> line = new LinkedHashMap<>();
        for (int i = 0; i < fields.length; i += 2)
            if (fields[i + 1] != null) line.put((String) fields[i], fields[i + 1]);
        lines.append(JSON.std.asString(line)).append('\n');
    }

    private void writeThrough(OutputStream to) throws IOException {
        StringBuilder batch;
        synchronized (this) {
            if (lines.length() == 0) return;
            batch = lines;
            lines = new StringBuilder(batch.length() * 5 / 4);
        }
        to.write(batch.toString().getBytes(StandardCharsets.UTF_8));
    }

    /** A thread of its own, away from the network threads: each 50 ms the ledger is written through, so that a killed producer's lacks no more than that. */
    private void keepBooks() {
        long[] stuckSince = new long[partitions];
        long second = System.nanoTime(), told = 0;
        try {
            for (boolean last = false; !last; ) {
                last = booksClosed.await(50, TimeUnit.MILLISECONDS);
                if (ledger != null) writeThrough(ledger);
                if (mode == Mode.resilient && !acks.equals("0") && !last) saySlow(stuckSince);
                long now = System.nanoTime(), sent = acknowledged();
                if (!isFast() || common.json || !last && now - second < 1_000_000_000) continue;
                if (sent > told)
                    common.out.printf(
                            Locale.ROOT, "Sent: %d (%.0f a second)%n", sent, (sent - told) * 1e9 / (now - second));
                checkOut();
                second = now;
                told = sent;
            }
        } catch (InterruptedException | IOException e) {
            fail(
                    e instanceof IOException
                            ? new Exit(1, "Cannot write --ledger " + ledgerFile + ": " + e.getMessage() + ".")
                            : e);
        }
    }

    /** Said once for a partition that acknowledges nothing while a message waits for it, and once when that is over. */
    private synchronized void saySlow(long[] stuckSince) {
        long now = System.nanoTime();
        for (int p = 0; p < partitions; p++) {
            long since = gaps.waitingSince[p];
            if (stuckSince[p] != 0 && since != stuckSince[p]) {
                common.say(
                        "Partition %d acknowledges again, after %.1f s.",
                        p, ((since == Gaps.NONE ? now : since) - stuckSince[p]) / 1e9);
                stuckSince[p] = 0;
            } else if (stuckSince[p] == 0 && since != Gaps.NONE && now - since > sendTimeout.toNanos()) {
                common.say(
                        "Partition %d: no acknowledgement for %.1f s; the client goes on trying.",
                        p, (now - since) / 1e9);
                stuckSince[p] = since;
            }
        }
    }

    private long total(Outcome outcome) {
        return senders.stream().mapToLong(s -> s.outcomes[outcome.ordinal()]).sum();
    }

    /** After close(): an attempt without an outcome never gets one. */
    private Summary finish(long start) throws Exception {
        List<Attempt> open;
        synchronized (this) {
            open = List.copyOf(pending);
        }
        for (Attempt attempt : open) resolve(attempt, -1, new KafkaException("unresolved at exit"), false);
        long now = System.nanoTime();
        stalls(gaps.end(now), false);
        if (ledger != null)
            for (Sender s : senders)
                note(
                        "end",
                        true,
                        "by",
                        s.number,
                        "sent",
                        s.attempts,
                        "acknowledged",
                        s.outcomes[0],
                        "failed",
                        s.outcomes[1],
                        "indeterminate",
                        s.outcomes[2],
                        "ts",
                        timestamp());
        emit(
                "producer",
                "state",
                "end",
                "producer",
                producerId,
                "topic",
                topic,
                "acknowledged",
                total(Outcome.acknowledged),
                "failed",
                total(Outcome.failed),
                "indeterminate",
                total(Outcome.indeterminate));
        List<Gap> longest = gaps(gaps.longest());
        int n = longest.size() - 1;
        return new Summary(
                run,
                producerId,
                senders.stream().mapToLong(s -> s.messages).sum(),
                senders.stream().mapToLong(s -> s.attempts).sum(),
                total(Outcome.acknowledged),
                total(Outcome.failed),
                total(Outcome.indeterminate),
                errors,
                n < 0 ? null : longest.get(n),
                n < 0 ? longest : longest.subList(0, n),
                Duration.ofNanos(now - start));
    }

    /** The summary goes to stderr: stdout has the messages. */
    public void render(Summary s) {
        common.say(
                "Sent %d messages%s in %.1f s: %d acknowledged, %d failed, %d indeterminate.",
                s.messages,
                s.sent == s.messages ? "" : " in " + s.sent + " attempts",
                s.took.toMillis() / 1e3,
                s.acknowledged,
                s.failed,
                s.indeterminate);
        if (s.longestGap == null) return;
        common.say(
                "Longest gap between acknowledgements: %.2f s, from %s.",
                s.longestGap.length.toMillis() / 1e3, TIME.format(s.longestGap.from));
        List<String> waits = s.partitionGaps.stream()
                .map(g -> String.format(Locale.ROOT, "%d: %.2f s", g.partition, g.length.toMillis() / 1e3))
                .toList();
        common.say("Longest wait by partition: " + String.join(", ", waits) + ".");
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

    /**
     * Measures times without acknowledgements, from the first one on; times are System.nanoTime(). For the topic it is the time from one
     * to the next. For a partition only time in which a message waited counts: having nothing to acknowledge is no outage.
     */
    static final class Gaps {
        record Span(int partition, long from, long to) {
            long length() {
                return to - from;
            }
        }

        static final long NONE = Long.MIN_VALUE;
        final long[] waitingSince;
        private final int[] unresolved;
        private final Span[] longest; // the last one is the topic's
        private long first = NONE, last = NONE;

        Gaps(int partitions) {
            Arrays.fill(waitingSince = new long[partitions], NONE);
            unresolved = new int[partitions];
            longest = new Span[partitions + 1];
        }

        void sent(int partition, long now) {
            unresolved[partition]++;
            if (waitingSince[partition] == NONE) waitingSince[partition] = now;
        }

        /** Ended without acknowledgement: the partition goes on waiting. */
        void unresolved(int partition) {
            unresolved[partition]--;
        }

        /** @return the gaps that this acknowledgement ends */
        List<Span> acknowledged(int partition, long now) {
            List<Span> ended = spans(partition, partition + 1, now);
            if (first == NONE) first = now;
            last = now;
            waitingSince[partition] = --unresolved[partition] > 0 ? now : NONE;
            return ended;
        }

        /** @return what still lasts at the end: nothing if no message waits */
        List<Span> end(long now) {
            return Arrays.stream(waitingSince).allMatch(since -> since == NONE)
                    ? List.of()
                    : spans(0, waitingSince.length, now);
        }

        /** @return the partitions' longest gaps, then the topic's; all are missing before the second acknowledgement */
        List<Span> longest() {
            return Arrays.stream(longest).filter(Objects::nonNull).toList();
        }

        private List<Span> spans(int fromPartition, int toPartition, long now) {
            if (first == NONE) return List.of();
            List<Span> spans = new ArrayList<>(List.of(new Span(-1, last, now)));
            for (int p = fromPartition; p < toPartition; p++)
                if (waitingSince[p] != NONE) spans.add(new Span(p, Math.max(waitingSince[p], first), now));
            for (Span span : spans) {
                int slot = Math.floorMod(span.partition, longest.length);
                if (longest[slot] == null || span.length() > longest[slot].length()) longest[slot] = span;
            }
            return spans;
        }
    }

    private List<Gap> gaps(List<Gaps.Span> spans) {
        return spans.stream()
                .map(s -> new Gap(s.partition, instant(s.from), Duration.ofNanos(s.length())))
                .toList();
    }

    private static final DateTimeFormatter TIME =
            DateTimeFormatter.ofPattern("yyyy-MM-dd'T'HH:mm:ss.SSSSSS'Z'").withZone(ZoneOffset.UTC);

    private Instant instant(long nanos) {
        return startInstant.plusNanos(nanos - startNanos);
    }

    private static String name(Throwable error) {
        return error.getClass().getSimpleName();
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

        @Option(names = "--json", description = "Print one JSON object a line.")
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
            try {
                given = commandConfig == null ? new Properties() : Utils.loadProps(commandConfig.toString());
            } catch (IOException | IllegalArgumentException e) {
                throw new Exit(2, "Cannot read --command-config " + commandConfig + ": " + reason(e) + ".");
            }
            if (!spec.commandLine().getParseResult().hasMatchedOption("-b"))
                bootstrapServer = given.getProperty("bootstrap.servers", bootstrapServer);
            given.put("bootstrap.servers", bootstrapServer);
            for (int i = 0; i < pairs.length; i += 2) given.put("" + pairs[i], "" + pairs[i + 1]);
            return given;
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
            Map<String, String> addresses = addresses();
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
            if (given.isEmpty()) client(); // --command-config may name the cluster
            int timeoutMs = (int) Math.max(1, Math.min(timeout.toMillis() / 4, 1500));
            return bootstrapNodes().parallelStream()
                    .collect(groupingBy(
                            at -> obstacle(at, timeoutMs),
                            LinkedHashMap::new,
                            mapping(Common::address, joining(", "))));
        }

        /** Returns the bootstrap addresses as nodes with ids -1, -2, ... */
        List<Node> bootstrapNodes() {
            List<Node> nodes = new ArrayList<>();
            for (String address : bootstrapServer.split(",")) {
                var m = ADDRESS.matcher(address.trim());
                if (!m.matches()) throw new Exit(2, "'" + address + "' in --bootstrap-server is not HOST:PORT.");
                nodes.add(new Node(-1 - nodes.size(), m.group(1), Integer.parseInt(m.group(2))));
            }
            return nodes;
        }

        static String address(Node node) {
            return Utils.formatAddress(node.host(), node.port());
        }

        /** Asks an address for its API versions and brokers. By hand: no client API says why it got no answer. */
        private String obstacle(Node at, int timeoutMs) {
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
                if (brokers.isEmpty() || brokers.stream().anyMatch(n -> answers(n.host(), n.port(), 1000))) return "";
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
            Map<String, String> addresses = addresses();
            if (!addresses.containsKey("")) return cannotTalk(addresses);
            String limit = " within " + timeout.toMillis() + " ms; find-controller says who is missing.";
            return new Exit(UNREACHABLE, "No answer from the cluster at " + bootstrapServer + limit);
        }

        private Exit refused(Throwable problem) {
            String reasons = reasons(problem).replaceAll("JAAS|LoginModule", "$0 sasl.jaas.config");
            String names = given.stringPropertyNames().stream()
                    .filter(key -> reasons.contains(key) || reasons.contains(given.getProperty(key)))
                    .collect(joining(", "));
            return new Exit(2, "Client property " + names + " refused: " + deepest(problem) + ".");
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
