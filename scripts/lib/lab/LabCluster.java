//FILES compose/compose.yaml=../../../compose/compose.yaml
//FILES compose/timeouts/default.env=../../../compose/timeouts/default.env
//FILES compose/timeouts/fast.env=../../../compose/timeouts/fast.env

import java.io.*;
import java.nio.file.*;
import java.util.*;
import java.util.concurrent.*;
import java.util.stream.*;
import org.apache.kafka.clients.admin.*;
import org.apache.kafka.common.Node;

/** The cluster that a whole experiment runs on: has it up, says how kill-node reaches its nodes, and ends only what it started. */
abstract class LabCluster {
    /** @param options what each step needs to reach it  @param nodes what kill-node needs besides */
    record Reach(String bootstrap, List<String> options, List<String> nodes) {}

    protected final Lab lab;
    /** It ran before (wholly or in part), and is left running. */
    protected boolean found;

    protected boolean newData, up;
    /** Each of its nodes is a broker and a voter: then those that are broken are voters lost. */
    protected boolean combined = true;

    LabCluster(Lab lab) {
        this.lab = lab;
    }

    static LabCluster of(Lab lab) throws InterruptedException {
        return switch (lab.where) {
            case EMBEDDED -> new Embedded(lab);
            case DOCKER -> new Compose(lab);
            case EXTERNAL -> new External(lab);
            case AUTO -> containersRun() ? new Compose(lab) : new Embedded(lab);
        };
    }

    private static boolean containersRun() throws InterruptedException {
        try {
            return KillNode.containers().stream().anyMatch(n -> !n.state().equals("down"));
        } catch (KillNode.Exit noEngine) {
            return false;
        }
    }

    /** What one would type for it. */
    abstract String command();
    /** Returns when its three nodes serve. @return one sentence on what was found or done */
    abstract String up() throws Exception;

    abstract Reach reach();
    /** Ends what this started. @param disposable its data is not needed any more, if this made it */
    abstract void end(boolean disposable) throws Exception;

    /** Beside the whole experiment: who leads what, to 10 ms, of which the table of the outages is made. */
    Callable<Boolean> leaders(String... topics) {
        List<String> args = new ArrayList<>(reach().options());
        for (String topic : topics) args.addAll(List.of("--topic", topic));
        WatchLeaders watch = new WatchLeaders();
        PrintWriter nowhere = new PrintWriter(Writer.nullWriter());
        watch.common.configure(watch, nowhere, nowhere, args.toArray(String[]::new));
        watch.common.listener = lab::record;
        return watch::watch;
    }

    boolean isFound() {
        return found;
    }

    boolean isUp() {
        return up;
    }

    boolean isCombined() {
        return combined;
    }

    String timeouts() {
        return lab.timeouts.name().toLowerCase(Locale.ROOT);
    }

    boolean timeoutsGiven() {
        return lab.common.spec.commandLine().getParseResult().hasMatchedOption("--timeouts");
    }

    /** Three JVMs on this machine. */
    private static class Embedded extends LabCluster {
        private final Cluster cluster = new Cluster();

        Embedded(Lab lab) {
            super(lab);
        }

        String command() {
            return "cluster up --timeouts " + timeouts();
        }

        String up() throws Exception {
            List<String> args = new ArrayList<>(List.of("up", "--data-dir", lab.dataDir.toString()));
            if (timeoutsGiven()) args.addAll(List.of("--timeouts", timeouts())); // a cluster that is up may have either
            cluster.common.configure(cluster, lab.common.out, lab.common.err, args.toArray(String[]::new));
            cluster.common.listener = lab::record;
            Cluster.Up done = cluster.up();
            up = true;
            found = done.ranBefore();
            newData = done.newData();
            return done.alreadyUp()
                    ? lab.text("cluster.found")
                    : lab.text(
                            found ? "cluster.completed" : "cluster.up",
                            done.took().toMillis() / 1e3);
        }

        Reach reach() {
            return new Reach(
                    Cluster.bootstrap(),
                    List.of("-b", Cluster.bootstrap()),
                    List.of("--runtime", "embedded", "--data-dir", lab.dataDir.toString()));
        }

        void end(boolean disposable) throws Exception {
            cluster.down(disposable && newData);
            if (disposable && newData) cluster.deleteData();
            else if (!disposable) lab.common.say("%s", lab.text("cluster.kept", cluster.dataDir));
        }
    }

    /** The containers of compose/compose.yaml, which travels with this script. */
    private static class Compose extends LabCluster {
        private static final List<String> FILES = List.of("compose.yaml", "timeouts/default.env", "timeouts/fast.env");
        private Path file;
        private boolean containersMade;
        private String timeouts;

        Compose(Lab lab) {
            super(lab);
        }

        /** Those of the containers that there are already: they keep them. */
        @Override
        String timeouts() {
            if (timeouts == null)
                try {
                    timeouts = labels().stream().findFirst().orElse(super.timeouts());
                } catch (InterruptedException e) {
                    Thread.currentThread().interrupt();
                } catch (Exception noDocker) {
                    /* which up() will say */
                }
            return timeoutsGiven() || timeouts == null ? super.timeouts() : timeouts;
        }

        private List<String> labels() throws Exception {
            return run(
                            "docker",
                            "ps",
                            "-a",
                            "--filter",
                            "label=com.docker.compose.project=kraft-lab",
                            "--filter",
                            "label=kraft-lab.node",
                            "--format",
                            "{{.Label \"kraft-lab.timeouts\"}}")
                    .lines()
                    .toList();
        }

        String command() {
            return (timeouts().equals("default") ? "" : "KRAFT_LAB_TIMEOUTS=" + timeouts() + " ")
                    + "docker compose -f compose/compose.yaml up -d --wait";
        }

        String up() throws Exception {
            long began = System.nanoTime();
            unpack();
            List<KillNode.Target> before = nodes();
            found = before.stream().anyMatch(n -> !n.state().equals("down"));
            if (!before.isEmpty() && timeoutsGiven()) requireSameTimeouts();
            if (before.stream().filter(n -> n.state().equals("running")).count() == 3) {
                up = true;
                return lab.text("containers.found");
            }
            for (KillNode.Target n : before)
                if (List.of("paused", "disconnected").contains(n.state()))
                    throw new Cli.Exit(Cli.REFUSED, lab.text("containers.broken", n.name(), n.state(), n.id()));
            for (int id : Cluster.IDS)
                if (before.stream().noneMatch(n -> n.id() == id && !n.state().equals("down"))
                        && Cli.connects("127.0.0.1", Cluster.port(id), 200))
                    throw new Cli.Exit(
                            1,
                            lab.text(
                                    "containers.port",
                                    Cluster.port(id),
                                    Cluster.name(id),
                                    Cluster.listener(Cluster.port(id))));
            containersMade = before.isEmpty();
            if (containersMade
                    && !run("docker", "ps", "-aq", "--filter", "label=com.docker.compose.project=kraft-lab")
                            .isBlank()) throw new Cli.Exit(Cli.REFUSED, lab.text("containers.strange"));
            try {
                run("docker", "compose", "version");
            } catch (Cli.Exit e) {
                throw new Cli.Exit(Cli.UNREACHABLE, lab.text("containers.no-compose"));
            }
            newData = containersMade
                    && run("docker", "volume", "ls", "-q", "--filter", "label=com.docker.compose.project=kraft-lab")
                            .isBlank();
            up = true; // from here on there is something to end
            lab.common.say("%s", lab.text("containers.starting"));
            try {
                compose("up", "-d", "--no-recreate", "--wait");
            } catch (Cli.Exit e) {
                throw new Cli.Exit(e.getExitCode(), e.getMessage() + " docker logs kafka01 may tell more.");
            }
            return lab.text("containers.up", (System.nanoTime() - began) / 1e9);
        }

        private void unpack() throws IOException {
            String home = System.getenv("KRAFT_LAB_HOME");
            if ("".equals(home)) throw new Cli.Exit(2, "KRAFT_LAB_HOME is empty.");
            Path folder = (home == null ? Path.of(System.getProperty("user.home"), ".kraft-lab") : Path.of(home))
                    .resolve("compose");
            requireOurs(folder);
            for (String name : FILES) {
                try (InputStream in =
                        Objects.requireNonNull(LabCluster.class.getResourceAsStream("/compose/" + name), name)) {
                    Files.createDirectories(folder.resolve(name).getParent());
                    Files.copy(in, folder.resolve(name), StandardCopyOption.REPLACE_EXISTING);
                }
            }
            file = folder.resolve("compose.yaml");
        }

        /** The user's home of the lab may be a folder with a compose/ of its own. Before folders were marked, ours began as today's file does. */
        private void requireOurs(Path folder) throws IOException {
            Cluster.Own.makeFolders(folder);
            boolean ours = Cluster.Own.isEmpty(folder)
                    || Cluster.Own.isMarked(folder, "the compose file of the lab")
                    || Cluster.Own.begins(folder.resolve("compose.yaml"), "# The lab's cluster in Docker: ");
            if (!ours)
                throw new Cli.Exit(
                        Cli.REFUSED,
                        "The folder " + folder
                                + " was not made by kraft-lab, and its files stay as they are: name another home with"
                                + " KRAFT_LAB_HOME.");
            Cluster.Own.mark(folder, "the compose file of the lab", "lab --runtime docker", "each one writes it anew");
        }

        private List<KillNode.Target> nodes() throws Exception {
            return KillNode.containers();
        }

        private void requireSameTimeouts() throws Exception {
            for (String theirs : labels())
                if (!theirs.equals(timeouts()))
                    throw new Cli.Exit(Cli.REFUSED, lab.text("containers.timeouts", theirs));
        }

        private String compose(String... args) throws Exception {
            List<String> command =
                    new ArrayList<>(List.of("docker", "compose", "-p", "kraft-lab", "-f", file.toString()));
            command.addAll(List.of(args));
            return run(Map.of("KRAFT_LAB_TIMEOUTS", timeouts()), command.toArray(String[]::new));
        }

        /** @return what it printed on stdout */
        private String run(String... command) throws Exception {
            return run(Map.of(), command);
        }

        private String run(Map<String, String> environment, String... command) throws Exception {
            File output = File.createTempFile("kraft-lab", ".out"), errors = File.createTempFile("kraft-lab", ".err");
            try {
                ProcessBuilder builder = new ProcessBuilder(command)
                        .redirectInput(new File("/dev/null"))
                        .redirectOutput(output)
                        .redirectError(errors);
                // Another project, profile or cluster id of the user's would make it another cluster than the one that
                // was looked for.
                builder.environment().keySet().removeIf(k -> k.startsWith("COMPOSE_") || k.equals("CLUSTER_ID"));
                builder.environment().putAll(environment);
                Process process;
                try {
                    process = builder.start();
                } catch (IOException e) {
                    throw new Cli.Exit(Cli.UNREACHABLE, lab.text("containers.no-docker"));
                }
                try {
                    if (!process.waitFor(10, TimeUnit.MINUTES))
                        throw new Cli.Exit(
                                Cli.MISSED, "'" + String.join(" ", command) + "' did not end within 10 minutes.");
                } finally {
                    end(process);
                }
                String said = Files.readString(output.toPath());
                if (process.exitValue() != 0)
                    throw new Cli.Exit(
                            1,
                            "'" + String.join(" ", command) + "' ended with " + process.exitValue() + ": "
                                    + Files.readString(errors.toPath())
                                            .strip()
                                            .lines()
                                            .reduce((a, b) -> b)
                                            .orElse("it said nothing")
                                    + ".");
                return said;
            } finally {
                output.delete();
                errors.delete();
            }
        }

        /** Also when interrupted: a compose that still made containers would make them behind the back of the one that ends them. */
        private static void end(Process process) {
            if (!process.isAlive()) return;
            boolean interrupted = Thread.interrupted();
            List<ProcessHandle> all = Stream.concat(process.descendants(), Stream.of(process.toHandle()))
                    .toList(); // compose is a child of docker, which does not always pass a signal on
            all.forEach(ProcessHandle::destroy);
            for (long deadline = System.nanoTime() + 4_000_000_000L;
                    all.stream().anyMatch(ProcessHandle::isAlive) && System.nanoTime() < deadline; )
                try {
                    Thread.sleep(20);
                } catch (InterruptedException again) {
                    interrupted = true;
                }
            all.forEach(ProcessHandle::destroyForcibly);
            if (interrupted) Thread.currentThread().interrupt();
        }

        Reach reach() {
            return new Reach(Cluster.bootstrap(), List.of("-b", Cluster.bootstrap()), List.of("--runtime", "docker"));
        }

        void end(boolean disposable) throws Exception {
            for (KillNode.Target n : nodes())
                if (n.state().equals("paused"))
                    lab.node("" + n.id(), "--restore", "--no-wait").call(); // it could not end
            if (!containersMade) compose("stop", "-t", "5");
            else if (disposable && newData) compose("down", "-v", "-t", "0");
            else compose("down", "-t", "5"); // the last nodes have no quorum to leave in order
            if (!disposable) lab.common.say("%s", lab.text("containers.kept"));
        }
    }

    /** Somebody's own cluster: found, never started or ended, its nodes broken and started by the given commands. */
    private static class External extends LabCluster {
        External(Lab lab) {
            super(lab);
        }

        String command() {
            return lab.text("external.command", lab.common.bootstrapServer);
        }

        String up() throws Exception {
            if (lab.killCommand == null || lab.startCommand == null)
                throw new Cli.Exit(2, lab.text("external.commands"));
            found = true;
            try (Admin admin = lab.common.admin()) {
                Set<Integer> brokers = admin.describeCluster().nodes().get().stream()
                        .map(Node::id)
                        .collect(Collectors.toSet());
                Set<Integer> voters = admin.describeMetadataQuorum().quorumInfo().get().voters().stream()
                        .map(QuorumInfo.ReplicaState::replicaId)
                        .collect(Collectors.toSet());
                if (brokers.size() != 3 || voters.size() != 3)
                    throw new Cli.Exit(Cli.REFUSED, lab.text("external.not-three", brokers.size(), voters.size()));
                combined = voters.equals(brokers);
            }
            up = true;
            return lab.text("external.found");
        }

        Reach reach() {
            List<String> options = new ArrayList<>(List.of("-b", lab.common.bootstrapServer));
            if (lab.common.commandConfig != null)
                options.addAll(List.of("--command-config", lab.common.commandConfig.toString()));
            return new Reach(
                    lab.common.bootstrapServer,
                    options,
                    List.of("--kill-command", lab.killCommand, "--start-command", lab.startCommand));
        }

        void end(boolean disposable) {}
    }
}
