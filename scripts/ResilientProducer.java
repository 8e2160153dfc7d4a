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

import com.fasterxml.jackson.jr.ob.JSON;
import java.io.*;
import java.net.*;
import java.nio.charset.StandardCharsets;
import java.nio.file.*;
import java.time.*;
import java.time.format.DateTimeFormatter;
import java.util.*;
import java.util.concurrent.*;
import java.util.function.*;
import java.util.stream.*;
import org.apache.kafka.clients.admin.*;
import org.apache.kafka.clients.producer.*;
import org.apache.kafka.common.*;
import org.apache.kafka.common.config.ConfigException;
import org.apache.kafka.common.errors.*;
import org.apache.kafka.common.serialization.StringSerializer;
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

    // ---- Common to the step scripts: reach the cluster, answer, fail. The same text in each; a test compares them.
    // ----

    static final int UNREACHABLE = 10,
            NO_CONTROLLER = 11,
            REFUSED = 12,
            ANOMALY = 13,
            INCOMPLETE = 14,
            MISSED = 15,
            ALL_FAILED = 16;

    /** A foreseen end: the exit code, and one sentence for stderr that says what was wrong and what to do. */
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

    /** The options that every script understands alike, and what they lead to: clients, output, events, exit codes. */
    static class Common {
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
                description = "Give up after this long: 500ms, 30s, 2m (default: ${DEFAULT-VALUE}).")
        Duration timeout;

        @Option(names = "--json", description = "Print one JSON object a line.")
        boolean json;

        @Option(names = "--events", paramLabel = "FILE", description = "Append what happens to this JSON Lines file.")
        File events;

        boolean verbose;

        @Option(
                names = {"-h", "--help"},
                usageHelp = true,
                description = "Show this help.")
        boolean help;

        @Option(
                names = {"-V", "--version"},
                versionHelp = true,
                description = "Show the version.")
        boolean version;

        @Spec(Spec.Target.MIXEE)
        CommandSpec spec;

        PrintWriter out, err;
        static final String LOG_LEVEL = "org.slf4j.simpleLogger.defaultLogLevel";

        static {
            System.setProperty(LOG_LEVEL, System.getProperty(LOG_LEVEL, "off"));
        }

        @Option(
                names = {"-v", "--verbose"},
                description = "Show stack traces and the client's own log.")
        void verbose(boolean on) {
            if (verbose = on) System.setProperty(LOG_LEVEL, "info");
        }

        /** For composite scripts: gets each event as well. */
        Consumer<Map<String, Object>> listener = event -> {};
        /** How long Ctrl-C waits for the script to end, and what is said if it has not by then. A script that has faults to undo takes its time. */
        Duration patience = Duration.ofSeconds(10);

        Runnable leftover = () -> {};
        private Writer eventsWriter;
        /** The newest client's properties. */
        private Properties given = new Properties();

        /** Parses into the script, without running it: what a composite script calls before it uses the script's methods. */
        <T> T configure(T script, PrintWriter out, PrintWriter err, String... args) {
            commandLine(script, out, err).parseArgs(args);
            return script;
        }

        /** Ctrl-C interrupts the script, which has its patience (ten seconds) to print its summary and close its files; the JVM then exits with 130. */
        int run(Callable<Integer> script, PrintWriter out, PrintWriter err, String... args) {
            CommandLine cli = commandLine(script, out, err);
            Thread worker = Thread.currentThread();
            CountDownLatch done = new CountDownLatch(1);
            Thread hook = new Thread(() -> {
                worker.interrupt();
                try {
                    if (!done.await(patience.toMillis(), TimeUnit.MILLISECONDS)) leftover.run();
                } catch (InterruptedException e) {
                    return;
                }
            });
            Runtime.getRuntime().addShutdownHook(hook);
            try {
                return cli.execute(args);
            } finally {
                try {
                    if (eventsWriter != null) eventsWriter.close();
                } catch (IOException e) {
                    err.println(e.getMessage());
                }
                out.flush();
                done.countDown();
                try {
                    Runtime.getRuntime().removeShutdownHook(hook);
                } catch (IllegalStateException shuttingDown) {
                    /* after Ctrl-C */
                }
            }
        }

        private CommandLine commandLine(Object script, PrintWriter out, PrintWriter err) {
            this.out = Guard.over(out);
            this.err = Guard.over(err);
            return new CommandLine(script)
                    .setOut(out)
                    .setErr(err)
                    .setCaseInsensitiveEnumValuesAllowed(true)
                    .registerConverter(Duration.class, Common::duration)
                    .setParameterExceptionHandler((e, args) -> {
                        err.println(printable(e.getMessage()) + " (see --help)");
                        return 2;
                    })
                    .setExecutionExceptionHandler((e, cli, parsed) -> explain(e));
        }

        /** @return a duration from {@code 500ms}, {@code 30s}, {@code 2m}, {@code 1h} or plain seconds */
        static Duration duration(String text) {
            var m = java.util.regex.Pattern.compile("(\\d+(?:\\.\\d+)?)(ms|s|m|h|)")
                    .matcher(text.trim());
            if (!m.matches())
                throw new TypeConversionException("'" + text + "' is not a duration such as 500ms, 30s or 2m");
            double unit = switch (m.group(2)) {
                case "ms" -> 1;
                case "m" -> 60_000;
                case "h" -> 3_600_000;
                default -> 1_000;
            };
            return Duration.ofMillis(Math.round(Double.parseDouble(m.group(1)) * unit));
        }

        /** Client properties from --command-config and --bootstrap-server, then the given pairs; an option that is given wins over the file. */
        Properties client(Object... pairs) throws IOException {
            Properties properties = new Properties();
            if (commandConfig != null) {
                try (InputStream in = Files.newInputStream(commandConfig)) {
                    properties.load(in);
                } // ISO-8859-1, as Java and Apache's tools read properties
                catch (IOException | IllegalArgumentException e) {
                    throw new Exit(2, "Cannot read --command-config " + commandConfig + ": " + reason(e) + ".");
                }
            }
            if (properties.containsKey("bootstrap.servers")
                    && !spec.commandLine().getParseResult().hasMatchedOption("-b"))
                bootstrapServer = properties.getProperty("bootstrap.servers");
            properties.put("bootstrap.servers", bootstrapServer);
            for (int i = 0; i < pairs.length; i += 2) properties.put(pairs[i].toString(), pairs[i + 1].toString());
            given = properties;
            return properties;
        }

        /**
         * An Admin that starts from the addresses that answer: it would stay with one that only connects (a paused node). Exit 10 at once where no client could be
         * answered: to a TLS port without TLS, a client takes the first bytes for the length of an answer of 350 MB.
         */
        Admin admin(Object... more) throws IOException {
            Properties properties = client(
                    "default.api.timeout.ms",
                    timeout.toMillis(),
                    "request.timeout.ms",
                    Math.min(timeout.toMillis(), 30_000));
            properties.putAll(client(more));
            Map<Boolean, List<String>> addresses = new HashMap<>(); // by whether it is a controller's
            for (Endpoint e : usable())
                addresses
                        .computeIfAbsent(e.port == Port.CONTROLLER, c -> new ArrayList<>())
                        .add(e.address());
            boolean controllers = addresses.size() == 1 && addresses.containsKey(true);
            if (controllers) {
                say("%s: a controller's port, so the controllers are asked.", String.join(", ", addresses.get(true)));
                properties.remove("bootstrap.servers");
            }
            properties.put(
                    controllers ? "bootstrap.controllers" : "bootstrap.servers",
                    String.join(",", addresses.get(controllers)));
            return Admin.create(properties);
        }

        /** Whether the script's question is one that controllers answer too: admin() then takes their addresses as well. */
        boolean controllersAnswer;

        Exit unreachable(String why) {
            return new Exit(
                    UNREACHABLE,
                    "No cluster at " + bootstrapServer + ": " + why
                            + "; start one (cluster up) or name yours with --bootstrap-server.");
        }

        /** Ends with 10 and the reason if no client can talk to any of the bootstrap addresses. Silence says nothing about the quorum before this was asked. */
        void requireReachable() throws IOException {
            List<Endpoint> seen = endpoints();
            if (seen.stream().allMatch(e -> obstacle(e, Common::connects) != null))
                throw cannotTalk(seen, Common::connects);
        }

        /** The addresses that a client can talk to; where there are none, those that may yet say something. Where there are none of these either: exit 10 and the reason. */
        List<Endpoint> usable() throws IOException {
            List<Endpoint> seen = endpoints();
            List<Endpoint> usable = seen.stream()
                    .filter(e -> obstacle(e, Common::resolves) == null)
                    .toList();
            if (usable.isEmpty())
                usable = seen.stream().filter(e -> e.port == Port.MUTE).toList();
            if (usable.isEmpty()) throw cannotTalk(seen, Common::resolves);
            return usable;
        }

        private Exit cannotTalk(List<Endpoint> seen, java.util.function.Predicate<Node> reach) {
            if (seen.stream().allMatch(e -> e.port == Port.CLOSED))
                return unreachable(seen.stream().anyMatch(e -> resolves(e.at)) ? CLOSED : "no such host");
            Map<String, List<String>> reasons = new LinkedHashMap<>();
            for (Endpoint e : seen)
                reasons.computeIfAbsent(obstacle(e, reach), r -> new ArrayList<>())
                        .add(e.address());
            if (reasons.size() > 1) reasons.remove(CLOSED);
            return new Exit(
                    UNREACHABLE,
                    "Cannot talk to "
                            + String.join(
                                    "; ",
                                    reasons.entrySet().stream()
                                            .map(r -> String.join(", ", r.getValue()) + ": " + r.getKey())
                                            .toList())
                            + ".");
        }

        /** What a port is, as far as it says so to one who knows neither TLS nor SASL. MUTE takes a connection and says nothing: paused, starting, or behind a proxy. */
        enum Port {
            CLOSED,
            MUTE,
            STRANGE,
            TLS,
            SASL,
            UNDECIDED,
            CONTROLLER,
            BROKER
        }

        /** An address, what is there, and which brokers it advertises to clients. */
        record Endpoint(Node at, Port port, List<Node> advertised) {
            String address() {
                return Common.address(at);
            }
        }

        static String address(Node node) {
            return (node.host().contains(":") ? "[" + node.host() + "]:" : node.host() + ":") + node.port();
        }

        List<Endpoint> endpoints() throws IOException {
            if (given.isEmpty()) client(); // --command-config may name the cluster
            int each = (int) Math.max(1, Math.min(timeout.toMillis() / 4, 1500));
            return bootstrapNodes().parallelStream()
                    .map(node -> endpoint(node, each))
                    .toList();
        }

        /**
         * Asks for the API versions, which all may ask, and for the brokers, which a listener with SASL answers by hanging up. The bytes are written by hand, since no
         * public client API says why it gets no answer, nor what a broker advertises where that leads nowhere.
         */
        static Endpoint endpoint(Node at, int timeoutMs) {
            Port port = Port.CLOSED;
            try (Socket socket = new Socket()) {
                socket.connect(new InetSocketAddress(at.host(), at.port()), timeoutMs);
                port = Port.MUTE;
                socket.setSoTimeout(timeoutMs);
                DataInputStream in = new DataInputStream(socket.getInputStream());
                socket.getOutputStream().write(API_VERSIONS);
                int size = in.readInt();
                if (size >>> 24 == 0x15) return new Endpoint(at, Port.TLS, List.of()); // an alert
                port = Port.STRANGE;
                java.nio.ByteBuffer versions = answer(in, size);
                Set<Integer> apis = new HashSet<>();
                for (int left = versions.position(6).getInt(); left > 0; left--) {
                    apis.add((int) versions.getShort());
                    versions.getInt(); // the versions of this one
                }
                if (!apis.contains(18)) return new Endpoint(at, port, List.of());
                if (!apis.contains(3)) return new Endpoint(at, Port.CONTROLLER, List.of());
                port = Port.SASL;
                socket.getOutputStream().write(METADATA);
                return new Endpoint(at, Port.BROKER, brokers(answer(in, in.readInt())));
            } catch (SocketTimeoutException | RuntimeException slowOrNotUnderstood) {
                return new Endpoint(at, port == Port.SASL ? Port.UNDECIDED : port, List.of());
            } catch (IOException e) {
                return new Endpoint(at, port, List.of());
            }
        }

        /** API key, version, correlation id, no client id; then the topics asked for: none. */
        private static final byte[] API_VERSIONS = {0, 0, 0, 10, 0, 18, 0, 0, 0, 0, 0, 1, -1, -1},
                METADATA = {0, 0, 0, 14, 0, 3, 0, 1, 0, 0, 0, 2, -1, -1, 0, 0, 0, 0};

        private static java.nio.ByteBuffer answer(DataInputStream in, int size) throws IOException {
            if (size < 10 || size > 1 << 20) throw new IOException("no answer of Kafka's");
            byte[] bytes = new byte[size];
            in.readFully(bytes);
            return java.nio.ByteBuffer.wrap(bytes);
        }

        /** The nodes of a Metadata answer, version 1: id, host, port, rack. */
        private static List<Node> brokers(java.nio.ByteBuffer metadata) {
            List<Node> brokers = new ArrayList<>();
            for (int left = metadata.position(4).getInt(); left > 0; left--) {
                int id = metadata.getInt();
                byte[] host = new byte[metadata.getShort()];
                metadata.get(host);
                brokers.add(new Node(id, new String(host, java.nio.charset.StandardCharsets.UTF_8), metadata.getInt()));
                int rack = Math.max(0, metadata.getShort());
                metadata.position(metadata.position() + rack);
            }
            return brokers;
        }

        private static final String CLOSED = "nothing listens there",
                NO_TLS = "the port speaks no TLS, which security.protocol=%s asks for";

        /** Why a client with the given security.protocol cannot talk to what is there; null if it can, or if only a client can tell. */
        private String obstacle(Endpoint e, java.util.function.Predicate<Node> reach) {
            String protocol =
                    given.getProperty("security.protocol", "PLAINTEXT").trim().toUpperCase(Locale.ROOT);
            boolean tls = protocol.endsWith("SSL");
            boolean login = protocol.startsWith("SASL");
            if (e.port == Port.CLOSED) return resolves(e.at) ? CLOSED : "no such host";
            if (e.port == Port.MUTE) return tls ? null : "what listens there does not answer";
            if (e.port == Port.STRANGE) return "what listens there is not Kafka";
            if (e.port == Port.TLS)
                return tls ? null : "the port wants TLS (security.protocol=SSL or SASL_SSL in --command-config)";
            if (tls) return String.format(Locale.ROOT, NO_TLS, protocol);
            if (e.port == Port.CONTROLLER)
                return controllersAnswer
                        ? null
                        : "this is a controller's port, where only the quorum can be asked about: name a broker's";
            if (e.port == Port.UNDECIDED) return null; // not in time: a broker refuses a login late on purpose
            if (e.port == Port.SASL)
                return login
                        ? null
                        : "the port wants a login (security.protocol=SASL_PLAINTEXT, sasl.mechanism and"
                                + " sasl.jaas.config in --command-config)";
            if (login) return "the port takes no login, which security.protocol=" + protocol + " asks for";
            if (e.advertised.isEmpty() || e.advertised.stream().anyMatch(reach)) return null;
            Node first = e.advertised.get(0);
            return "the broker there advertises " + address(first)
                    + (resolves(first) ? ", which cannot be reached from here" : ", which does not resolve here")
                    + " (advertised.listeners)";
        }

        static boolean resolves(Node node) {
            return !new InetSocketAddress(node.host(), 0).isUnresolved();
        }

        static boolean connects(Node node) {
            return connects(node.host(), node.port(), 1000);
        }

        /** The bootstrap addresses as nodes with ids -1, -2, ... */
        List<Node> bootstrapNodes() {
            List<Node> nodes = new ArrayList<>();
            for (String address : bootstrapServer.split(",")) {
                var m = java.util.regex.Pattern.compile("\\s*(?:\\w+://)?\\[?(.+?)\\]?:(\\d{1,5})\\s*")
                        .matcher(address);
                if (!m.matches()) throw new Exit(2, "'" + address + "' in --bootstrap-server is not HOST:PORT.");
                nodes.add(new Node(-1 - nodes.size(), m.group(1), Integer.parseInt(m.group(2))));
            }
            return nodes;
        }

        static boolean connects(String host, int port, int timeoutMs) {
            try (Socket socket = new Socket()) {
                socket.connect(new InetSocketAddress(host, port), timeoutMs);
                return true;
            } catch (IOException | IllegalArgumentException e) {
                return false;
            }
        }

        /** Whether the process behind a port is alive: a stopped (SIGSTOP) one still connects but never answers ApiVersions. */
        static boolean answers(String host, int port, int timeoutMs) {
            try (Socket socket = new Socket()) {
                socket.connect(new InetSocketAddress(host, port), timeoutMs);
                socket.setSoTimeout(timeoutMs);
                socket.getOutputStream().write(API_VERSIONS);
                // A TLS listener sends an alert: alive as well. Docker's proxy, before a port of somebody who is not up
                // yet, only closes.
                return socket.getInputStream().read() >= 0;
            } catch (IOException | IllegalArgumentException e) {
                return false;
            }
        }

        /** Progress and warnings: stderr. */
        void say(String format, Object... args) {
            Object[] safe = java.util.stream.Stream.of(args)
                    .map(arg -> arg instanceof Number ? arg : printable(arg))
                    .toArray();
            err.println(args.length == 0 ? format : String.format(Locale.ROOT, format, safe));
        }

        /** One observation: to --events, to the composite script that listens, and with --json to stdout. Fields are key, value, ... */
        synchronized void emit(String type, Object... fields) {
            Map<String, Object> event = new LinkedHashMap<>();
            event.put("ts", timestamp());
            event.put("source", spec.name());
            event.put("type", type);
            for (int i = 0; i < fields.length; i += 2) event.put((String) fields[i], fields[i + 1]);
            listener.accept(event);
            if (!json && events == null) return;
            try {
                String line = JSON.std.asString(event);
                if (json) out.println(line);
                if (events == null) return;
                if (eventsWriter == null)
                    eventsWriter = new OutputStreamWriter(new FileOutputStream(events, true), "UTF-8");
                eventsWriter.write(line + "\n");
                eventsWriter.flush();
            } catch (IOException e) {
                throw new Exit(1, "Cannot write --events " + events + ": " + e.getMessage() + ".");
            }
        }

        /** One line and an exit code for whatever ended the script. */
        private int explain(Exception problem) {
            if (verbose) problem.printStackTrace(err);
            Throwable e = problem;
            while ((e instanceof ExecutionException
                            || e instanceof CompletionException
                            || e.getClass() == org.apache.kafka.common.KafkaException.class)
                    && e.getCause() != null) e = e.getCause();
            Exit exit = exit(e, problem);
            err.println(printable(exit.getMessage()));
            return exit.code;
        }

        private Exit exit(Throwable e, Throwable whole) {
            // Of a step that a composite script calls, it is that script's Exit: told by picocli's interface.
            if (e instanceof CommandLine.IExitCodeGenerator x) return new Exit(x.getExitCode(), e.getMessage());
            if (e instanceof InterruptedException || e instanceof InterruptException)
                return new Exit(130, "Interrupted.");
            if (e instanceof ConfigException && e.getMessage().contains("bootstrap"))
                return unreachable("no such host");
            if (e instanceof AuthenticationException)
                return new Exit(
                        UNREACHABLE, "Cannot talk to " + bootstrapServer + ": login refused, " + deepest(e) + ".");
            if (e instanceof AuthorizationException)
                return new Exit(1, "Not permitted: " + deepest(e) + "; the principal needs an ACL for it.");
            if (e instanceof org.apache.kafka.common.errors.TimeoutException) return noAnswer();
            if (e instanceof ConfigException
                    || chain(whole)
                            .anyMatch(c -> String.valueOf(c.getMessage()).matches("Failed to c(reate|onstruct) .*")))
                return refused(whole);
            return new Exit(
                    1, e.getClass().getSimpleName() + ": " + e.getMessage() + (verbose ? "" : " (-v shows where)"));
        }

        private Exit noAnswer() {
            try {
                requireReachable();
            } catch (Exit exit) {
                return exit;
            } catch (IOException e) {
                /* then without a reason */
            }
            String advice = given.containsKey("security.protocol")
                    ? "perhaps the address that its brokers advertise cannot be reached from here (-v shows the"
                            + " client's log)"
                    : "find-controller says who is missing";
            return new Exit(
                    UNREACHABLE,
                    "No answer from the cluster at " + bootstrapServer + " within " + timeout.toMillis() + " ms; "
                            + advice + ".");
        }

        /** Of a client that could not be made: the property at fault is the one that the reasons mention by name or by the longest part of its value. */
        private Exit refused(Throwable problem) {
            String reasons = String.join(
                    "\n",
                    chain(problem).map(e -> String.valueOf(e.getMessage())).toList());
            String name = reasons.matches("(?s).*(JAAS|LoginModule).*") ? "sasl.jaas.config" : null;
            int longest = 3;
            for (String key : new TreeSet<>(given.stringPropertyNames())) {
                for (String part : (key + " " + given.getProperty(key)).split("[\\s,;=\"]+")) {
                    if (part.length() <= longest || !reasons.contains(part)) continue;
                    longest = part.length();
                    name = key;
                }
            }
            return new Exit(
                    2, "Client property " + (name == null ? "" : name + " ") + "refused: " + deepest(problem) + ".");
        }

        private static java.util.stream.Stream<Throwable> chain(Throwable e) {
            return java.util.stream.Stream.iterate(e, Objects::nonNull, Throwable::getCause)
                    .limit(20);
        }

        static String deepest(Throwable e) {
            String reason = reason(chain(e).reduce((a, b) -> b).orElse(e));
            return reason.endsWith(".") ? reason.substring(0, reason.length() - 1) : reason;
        }

        /** Java's exceptions of files and classes have nothing but a name for a message. */
        static String reason(Throwable e) {
            if (e instanceof NoSuchFileException || e instanceof FileNotFoundException)
                return "there is no file " + e.getMessage();
            if (e instanceof AccessDeniedException) return "no permission to read " + e.getMessage();
            if (e instanceof ClassNotFoundException) return "there is no class " + e.getMessage();
            return e.getMessage() == null ? e.getClass().getSimpleName() : e.getMessage();
        }
    }

    /**
     * What a script prints to: nothing gets through that could drive a terminal, if a name that a cluster gave was not made printable. Hands out the writer below
     * to who does drive it.
     */
    static final class Guard extends PrintWriter implements java.util.function.Supplier<PrintWriter> {
        private final PrintWriter raw;

        private Guard(PrintWriter raw) {
            super(
                    new FilterWriter(raw) {
                        @Override
                        public void write(int c) {
                            write(String.valueOf((char) c), 0, 1);
                        }

                        @Override
                        public void write(char[] chars, int from, int length) {
                            write(new String(chars), from, length);
                        }

                        @Override
                        public void write(String text, int from, int length) {
                            raw.write(harmless(text.substring(from, from + length)));
                        }
                    },
                    true);
            this.raw = raw;
        }

        static PrintWriter over(PrintWriter out) {
            return out instanceof java.util.function.Supplier ? out : new Guard(out);
        }

        @Override
        public PrintWriter get() {
            return raw;
        }

        @Override
        public boolean checkError() {
            return super.checkError() | raw.checkError();
        }

        /** Escapes controls but for the end of a line and the tab, and what turns the direction of writing. */
        static String harmless(String text) {
            return HARMFUL.matcher(text)
                    .replaceAll(m -> String.format(
                            Locale.ROOT, "\\\\u%04x", (int) m.group().charAt(0)));
        }

        private static final java.util.regex.Pattern HARMFUL = java.util.regex.Pattern.compile(
                "\\r(?!\n)|[\\p{Cc}&&[^\\n\\t\\r]]|[\\u200e\\u200f\\u061c\\u202a-\\u202e\\u2066-\\u2069]");
    }

    /** Returns what a cluster, a record or a file says so that a person may read it: what could drive a terminal or forge a line is escaped. */
    static String printable(Object value) {
        StringBuilder text = new StringBuilder();
        for (char c : String.valueOf(value).toCharArray()) {
            int type = Character.getType(c);
            boolean harmless = type != Character.CONTROL
                    && type != Character.FORMAT
                    && type != Character.LINE_SEPARATOR
                    && type != Character.PARAGRAPH_SEPARATOR;
            text.append(harmless ? c : String.format(Locale.ROOT, "\\u%04x", (int) c));
        }
        return text.toString();
    }

    /** Now, as the events have it: ISO-8601, UTC, microseconds. */
    static String timestamp() {
        return DateTimeFormatter.ofPattern("yyyy-MM-dd'T'HH:mm:ss.SSSSSS'Z'")
                .withZone(ZoneOffset.UTC)
                .format(Instant.now());
    }
    // ---- End of what is common. ----
}
