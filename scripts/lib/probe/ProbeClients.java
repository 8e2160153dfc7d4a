//SOURCES ProbeAnswer.java ../cli/Cli.java

import java.io.IOException;
import java.time.Duration;
import java.util.*;
import java.util.concurrent.*;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.common.KafkaException;

/** Asks questions in parallel, each with a timeout, through clients that do not retry beyond it. */
final class ProbeClients {
    private static final List<String> BOUNDED =
            List.of("request.timeout.ms", "default.api.timeout.ms", "delivery.timeout.ms", "max.block.ms");
    private static final Set<String> LATE = Set.of("TimeoutException", "InterruptException", "InterruptedException");

    interface Question {
        String answer(Admin admin) throws Exception;
    }

    final Duration timeout;
    private final Cli.Common common;
    private final String bootstrap;
    private final ExecutorService pool = Executors.newCachedThreadPool(ProbeClients::daemon);

    ProbeClients(Cli.Common common, String bootstrap, Duration timeout) {
        this.common = common;
        this.bootstrap = bootstrap;
        this.timeout = timeout;
    }

    private static Thread daemon(Runnable task) {
        Thread thread = new Thread(task, "probe");
        thread.setDaemon(true);
        return thread;
    }

    Future<List<ProbeAnswer>> ask(String question, Question body) {
        return submit(() -> List.of(timed(question, 0, body)));
    }

    <T> Future<T> submit(Callable<T> task) {
        return pool.submit(task);
    }

    static Future<List<ProbeAnswer>> notAsked(String question, String why) {
        return CompletableFuture.completedFuture(List.of(ProbeAnswer.notAsked(question, why)));
    }

    static <T> List<T> all(List<Future<T>> asked) throws Exception {
        List<T> answers = new ArrayList<>();
        for (Future<T> answer : asked) {
            answers.add(answer.get());
        }
        return answers;
    }

    /** Closes all clients. Returns whether they closed in time. */
    boolean end() throws InterruptedException {
        pool.shutdownNow();
        return pool.awaitTermination(3, TimeUnit.SECONDS);
    }

    /** Asks through a client of its own: a request that hangs blocks those behind it on its connection. */
    ProbeAnswer timed(String question, int node, Question body) {
        long start = System.nanoTime();
        ProbeAnswer.Result result;
        try {
            result = new ProbeAnswer.Result(ProbeAnswer.Outcome.OK, null, askByOwnClient(body));
        } catch (Exception e) {
            result = resultOf(cause(e));
        }
        long ms = (System.nanoTime() - start) / 1_000_000;
        return new ProbeAnswer(question, node, result, ms, ProbeAnswer.Offsets.NONE);
    }

    private static ProbeAnswer.Result resultOf(Throwable cause) {
        String error = cause.getClass().getSimpleName();
        if (LATE.contains(error)) {
            return new ProbeAnswer.Result(ProbeAnswer.Outcome.HANGS, error, "no answer");
        }
        String detail = Cli.Common.deepest(cause).lines().findFirst().orElse("");
        return new ProbeAnswer.Result(ProbeAnswer.Outcome.FAILS, error, detail);
    }

    private static Throwable cause(Throwable e) {
        Throwable cause = e;
        while (isWrapper(cause) && cause.getCause() != null) {
            cause = cause.getCause();
        }
        return cause;
    }

    private static boolean isWrapper(Throwable e) {
        return e instanceof ExecutionException || e.getClass() == KafkaException.class;
    }

    /** Closes the client with a short timeout: by default it waits for what hangs, sometimes for minutes. */
    private String askByOwnClient(Question body) throws Exception {
        Admin admin = Admin.create(properties());
        try {
            return body.answer(admin);
        } finally {
            admin.close(Duration.ofMillis(300));
        }
    }

    Properties properties(Object... pairs) throws IOException {
        Properties properties = common.client(pairs);
        BOUNDED.forEach(property -> properties.put(property, "" + timeout.toMillis()));
        properties.putAll(Map.of(
                "bootstrap.servers", bootstrap,
                "metadata.recovery.strategy", "none",
                "enable.metrics.push", "false",
                "linger.ms", "0",
                "allow.auto.create.topics", "false"));
        return properties;
    }

    long deadline() {
        return System.nanoTime() + timeout.toNanos();
    }

    static Duration left(long deadline) {
        return Duration.ofNanos(Math.max(1_000_000, deadline - System.nanoTime()));
    }
}
