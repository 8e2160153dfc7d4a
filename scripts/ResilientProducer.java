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
            description = "Required acknowledgements (default: ${DEFAULT-VALUE}); less than all is not idempotent.")
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

    @Option(names = "--run", hidden = true, description = "The old name of --run-id, for one version.")
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
