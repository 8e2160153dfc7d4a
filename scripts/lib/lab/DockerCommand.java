//SOURCES ../cli/Cli.java

import java.io.*;
import java.nio.file.Files;
import java.util.*;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;

/** Runs the docker command to its end: what compose does, docker-java cannot. */
final class DockerCommand {
    private final List<String> command;
    private final ProcessBuilder builder;

    private DockerCommand(Map<String, String> environment, List<String> command) {
        this.command = command;
        builder = new ProcessBuilder(command).redirectInput(new File("/dev/null"));
        // The user's own project, profile or cluster id would make it another cluster than the one looked for.
        builder.environment().keySet().removeIf(k -> k.startsWith("COMPOSE_") || k.equals("CLUSTER_ID"));
        builder.environment().putAll(environment);
    }

    /**
     * Returns what it printed on stdout. Throws an Exit when it fails, and an IOException when there is no such
     * command.
     */
    static String run(Map<String, String> environment, List<String> command) throws IOException, InterruptedException {
        return new DockerCommand(environment, command).run();
    }

    private String run() throws IOException, InterruptedException {
        File output = File.createTempFile("kraft-lab", ".out");
        File errors = File.createTempFile("kraft-lab", ".err");
        try {
            builder.redirectOutput(output).redirectError(errors);
            int code = await(builder.start());
            if (code != 0) {
                String last = lastLine(Files.readString(errors.toPath()));
                throw new Cli.Exit(1, quoted() + " ended with " + code + ": " + last + ".");
            }
            return Files.readString(output.toPath());
        } finally {
            output.delete();
            errors.delete();
        }
    }

    private int await(Process process) throws InterruptedException {
        try {
            if (!process.waitFor(10, TimeUnit.MINUTES)) {
                throw new Cli.Exit(Cli.MISSED, quoted() + " did not end within 10 minutes.");
            }
            return process.exitValue();
        } finally {
            end(process);
        }
    }

    private String quoted() {
        return "'" + String.join(" ", command) + "'";
    }

    private static String lastLine(String text) {
        return text.strip().lines().reduce((a, b) -> b).orElse("no output");
    }

    /** Ends it also when interrupted: otherwise it would make containers after the command that ends them. */
    private static void end(Process process) {
        if (!process.isAlive()) {
            return;
        }
        boolean interrupted = Thread.interrupted();
        // Compose is a child of docker, which does not always pass a signal on.
        List<ProcessHandle> all = Stream.concat(process.descendants(), Stream.of(process.toHandle()))
                .toList();
        all.forEach(ProcessHandle::destroy);
        long deadline = System.nanoTime() + 4_000_000_000L;
        while (all.stream().anyMatch(ProcessHandle::isAlive) && System.nanoTime() < deadline) {
            try {
                Thread.sleep(20);
            } catch (InterruptedException again) {
                interrupted = true;
            }
        }
        all.forEach(ProcessHandle::destroyForcibly);
        if (interrupted) {
            Thread.currentThread().interrupt();
        }
    }
}
