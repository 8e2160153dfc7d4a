//SOURCES LabJournal.java DockerCommand.java ../cli/Cli.java ../../Cluster.java ../../KillNode.java
//FILES compose/compose.yaml=../../../compose/compose.yaml
//FILES compose/timeouts/default.env=../../../compose/timeouts/default.env
//FILES compose/timeouts/fast.env=../../../compose/timeouts/fast.env

import java.io.*;
import java.nio.file.*;
import java.util.*;
import java.util.stream.*;
import org.apache.kafka.clients.admin.*;
import org.apache.kafka.common.Node;

/** The cluster that an experiment runs on: brings it up, reaches its nodes, and ends only what it started. */
abstract class LabCluster {
    /** The options that choose the cluster. */
    record Settings(
            KillNode.RuntimeKind runtime,
            Optional<Cluster.Timeouts> timeouts,
            Path dataDir,
            String killCommand,
            String startCommand) {
        String timeoutsName() {
            return timeouts.orElse(Cluster.Timeouts.DEFAULT).name().toLowerCase(Locale.ROOT);
        }
    }

    /** What every step needs to reach the cluster, and what kill-node needs besides. */
    record Reach(String bootstrap, List<String> options, List<String> nodeOptions) {}

    final Cli.Common common;
    protected final Settings settings;
    protected final LabJournal journal;
    /** It ran before (wholly or in part), and is left running. */
    protected boolean found;

    protected boolean newData;
    protected boolean up;
    /** Each of its nodes is a broker and a voter: then those that are broken are voters lost. */
    protected boolean combined = true;

    LabCluster(Settings settings, Cli.Common common, LabJournal journal) {
        this.settings = settings;
        this.common = common;
        this.journal = journal;
    }

    static LabCluster of(Settings settings, Cli.Common common, LabJournal journal) throws InterruptedException {
        return switch (settings.runtime) {
            case EMBEDDED -> new Embedded(settings, common, journal);
            case DOCKER -> new Compose(settings, common, journal);
            case EXTERNAL -> new External(settings, common, journal);
            case AUTO ->
                containersRun() ? new Compose(settings, common, journal) : new Embedded(settings, common, journal);
        };
    }

    private static boolean containersRun() throws InterruptedException {
        try {
            return KillNode.containers().stream().anyMatch(n -> !n.state().equals("down"));
        } catch (KillNode.Exit noEngine) {
            return false;
        }
    }

    /** Returns what one would type for it. */
    abstract String command();

    /** Returns when its three nodes serve, with a sentence on what was found or done. */
    abstract String up() throws Exception;

    abstract Reach reach();

    /** Ends what this started, and deletes the data that this made. */
    abstract void endAndDelete() throws Exception;

    /** Ends what this started, and keeps all data. */
    abstract void endAndKeep() throws Exception;

    boolean isFound() {
        return found;
    }

    boolean isUp() {
        return up;
    }

    boolean isCombined() {
        return combined;
    }

    boolean isExternal() {
        return settings.runtime == KillNode.RuntimeKind.EXTERNAL;
    }

    /** Returns the arguments of a step, with what it needs to reach the cluster. */
    String[] reaching(List<String> args) {
        return Stream.concat(reach().options.stream(), args.stream()).toArray(String[]::new);
    }

    /** Returns a kill-node that is configured to reach the nodes. */
    KillNode killNode(List<String> args) {
        KillNode script = new KillNode();
        List<String> all = new ArrayList<>(reach().nodeOptions);
        all.addAll(args);
        script.common.configure(script, LabJournal.quiet(), common.err, reaching(all));
        script.common.listener = journal::record;
        return script;
    }

    /** Three JVMs on this machine. */
    private static final class Embedded extends LabCluster {
        private final Cluster cluster = new Cluster();

        Embedded(Settings settings, Cli.Common common, LabJournal journal) {
            super(settings, common, journal);
        }

        @Override
        String command() {
            return "cluster up --timeouts " + settings.timeoutsName();
        }

        @Override
        String up() throws Exception {
            List<String> args = new ArrayList<>(List.of("up", "--data-dir", settings.dataDir.toString()));
            if (settings.timeouts.isPresent()) { // a cluster that is up may have either
                args.addAll(List.of("--timeouts", settings.timeoutsName()));
            }
            cluster.common.configure(cluster, common.out, common.err, args.toArray(String[]::new));
            cluster.common.listener = journal::record;
            Cluster.Up done = cluster.up();
            up = true;
            found = done.ranBefore();
            newData = done.newData();
            if (done.alreadyUp()) {
                return journal.text("cluster.found");
            }
            double seconds = LabJournal.seconds(done.took());
            return journal.text(found ? "cluster.completed" : "cluster.up", seconds);
        }

        @Override
        Reach reach() {
            return new Reach(
                    Cluster.bootstrap(),
                    List.of("-b", Cluster.bootstrap()),
                    List.of("--runtime", "embedded", "--data-dir", settings.dataDir.toString()));
        }

        @Override
        void endAndDelete() throws Exception {
            cluster.down(newData);
            if (newData) {
                cluster.deleteData();
            }
        }

        @Override
        void endAndKeep() throws Exception {
            cluster.down(false);
            common.say("%s", journal.text("cluster.kept", cluster.dataDir));
        }
    }

    /** The containers of compose/compose.yaml, which travels with this script. */
    private static final class Compose extends LabCluster {
        private static final List<String> FILES = List.of("compose.yaml", "timeouts/default.env", "timeouts/fast.env");
        private static final String PROJECT = "label=com.docker.compose.project=kraft-lab";
        private static final String OURS = "the compose file of the lab";
        private Path file;
        private boolean containersMade;
        private String timeouts;

        Compose(Settings settings, Cli.Common common, LabJournal journal) {
            super(settings, common, journal);
        }

        /** Returns the timeouts that were asked for, or those of the containers that there are already. */
        private String timeouts() {
            if (settings.timeouts.isPresent()) {
                return settings.timeoutsName();
            }
            if (timeouts == null) {
                try {
                    timeouts = labels().stream().findFirst().orElse(settings.timeoutsName());
                } catch (InterruptedException e) {
                    Thread.currentThread().interrupt();
                } catch (Exception noDocker) {
                    /* up() reports it */
                }
            }
            return Objects.requireNonNullElse(timeouts, settings.timeoutsName());
        }

        private List<String> labels() throws Exception {
            String format = "{{.Label \"kraft-lab.timeouts\"}}";
            return run(
                            "docker",
                            "ps",
                            "-a",
                            "--filter",
                            PROJECT,
                            "--filter",
                            "label=kraft-lab.node",
                            "--format",
                            format)
                    .lines()
                    .toList();
        }

        @Override
        String command() {
            String setting = timeouts().equals("default") ? "" : "KRAFT_LAB_TIMEOUTS=" + timeouts() + " ";
            return setting + "docker compose -f compose/compose.yaml up -d --wait";
        }

        @Override
        String up() throws Exception {
            long began = System.nanoTime();
            unpack();
            List<KillNode.Target> before = KillNode.containers();
            found = before.stream().anyMatch(n -> !n.state().equals("down"));
            if (!before.isEmpty() && settings.timeouts.isPresent()) {
                requireSameTimeouts();
            }
            if (before.stream().filter(n -> n.state().equals("running")).count() == 3) {
                up = true;
                return journal.text("containers.found");
            }
            requireWhole(before);
            requirePorts(before);
            requireCompose(before);
            up = true; // from here on there is something to end
            common.say("%s", journal.text("containers.starting"));
            try {
                compose("up", "-d", "--no-recreate", "--wait");
            } catch (Cli.Exit e) {
                throw new Cli.Exit(e.getExitCode(), e.getMessage() + " See docker logs kafka01.");
            }
            return journal.text("containers.up", (System.nanoTime() - began) / 1e9);
        }

        private void requireSameTimeouts() throws Exception {
            for (String theirs : labels()) {
                if (!theirs.equals(timeouts())) {
                    throw new Cli.Exit(Cli.REFUSED, journal.text("containers.timeouts", theirs));
                }
            }
        }

        private void requireWhole(List<KillNode.Target> before) {
            for (KillNode.Target n : before) {
                if (List.of("paused", "disconnected").contains(n.state())) {
                    throw new Cli.Exit(Cli.REFUSED, journal.text("containers.broken", n.name(), n.state(), n.id()));
                }
            }
        }

        private void requirePorts(List<KillNode.Target> before) {
            for (int id : Cluster.IDS) {
                int port = Cluster.port(id);
                boolean runs =
                        before.stream().anyMatch(n -> n.id() == id && !n.state().equals("down"));
                if (!runs && Cli.Common.connects("127.0.0.1", port, 200)) {
                    String who = Cluster.listener(port);
                    throw new Cli.Exit(1, journal.text("containers.port", port, Cluster.name(id), who));
                }
            }
        }

        private void requireCompose(List<KillNode.Target> before) throws Exception {
            containersMade = before.isEmpty();
            if (containersMade
                    && !run("docker", "ps", "-aq", "--filter", PROJECT).isBlank()) {
                throw new Cli.Exit(Cli.REFUSED, journal.text("containers.strange"));
            }
            try {
                run("docker", "compose", "version");
            } catch (Cli.Exit e) {
                throw new Cli.Exit(Cli.UNREACHABLE, journal.text("containers.no-compose"));
            }
            newData = containersMade
                    && run("docker", "volume", "ls", "-q", "--filter", PROJECT).isBlank();
        }

        private void unpack() throws IOException {
            String home = System.getenv("KRAFT_LAB_HOME");
            if ("".equals(home)) {
                throw new Cli.Exit(2, "KRAFT_LAB_HOME is empty: unset it, or set it to a folder.");
            }
            Path lab = home == null ? Path.of(System.getProperty("user.home"), ".kraft-lab") : Path.of(home);
            Path folder = lab.resolve("compose");
            requireOurs(folder);
            for (String name : FILES) {
                Files.createDirectories(folder.resolve(name).getParent());
                try (InputStream in = LabCluster.class.getResourceAsStream("/compose/" + name)) {
                    Files.copy(in, folder.resolve(name), StandardCopyOption.REPLACE_EXISTING);
                }
            }
            file = folder.resolve("compose.yaml");
        }

        /** Refuses a compose/ that the user has in the lab's home. Before folders were marked, ours began alike. */
        private void requireOurs(Path folder) throws IOException {
            OwnFiles.makeFolders(folder);
            boolean ours = OwnFiles.isEmpty(folder)
                    || OwnFiles.isMarked(folder, OURS)
                    || OwnFiles.begins(folder.resolve("compose.yaml"), "# The lab's cluster in Docker: ");
            if (!ours) {
                throw new Cli.Exit(
                        Cli.REFUSED,
                        "The folder " + folder + " was not made by kraft-lab, and its files stay as they are: name"
                                + " another home with KRAFT_LAB_HOME.");
            }
            OwnFiles.mark(folder, OURS, "lab --runtime docker", "every run replaces it");
        }

        @Override
        Reach reach() {
            return new Reach(Cluster.bootstrap(), List.of("-b", Cluster.bootstrap()), List.of("--runtime", "docker"));
        }

        @Override
        void endAndDelete() throws Exception {
            if (containersMade && newData) {
                unpause();
                compose("down", "-v", "-t", "0");
            } else {
                end();
            }
        }

        @Override
        void endAndKeep() throws Exception {
            end();
            common.say("%s", journal.text("containers.kept"));
        }

        private void end() throws Exception {
            unpause();
            if (containersMade) {
                compose("down", "-t", "5"); // the last nodes have no quorum for a controlled shutdown
            } else {
                compose("stop", "-t", "5");
            }
        }

        /** A paused container could not end. */
        private void unpause() throws Exception {
            for (KillNode.Target n : KillNode.containers()) {
                if (n.state().equals("paused")) {
                    killNode(List.of("" + n.id(), "--restore", "--no-wait")).call();
                }
            }
        }

        private void compose(String... args) throws Exception {
            List<String> command =
                    new ArrayList<>(List.of("docker", "compose", "-p", "kraft-lab", "-f", file.toString()));
            command.addAll(List.of(args));
            run(Map.of("KRAFT_LAB_TIMEOUTS", timeouts()), command);
        }

        private String run(String... command) throws Exception {
            return run(Map.of(), List.of(command));
        }

        private String run(Map<String, String> environment, List<String> command) throws Exception {
            try {
                return DockerCommand.run(environment, command);
            } catch (IOException noSuchCommand) {
                throw new Cli.Exit(Cli.UNREACHABLE, journal.text("containers.no-docker"));
            }
        }
    }

    /** The user's own cluster: found, never started or ended, its nodes broken and started by the given commands. */
    private static final class External extends LabCluster {
        External(Settings settings, Cli.Common common, LabJournal journal) {
            super(settings, common, journal);
        }

        @Override
        String command() {
            return journal.text("external.command", common.bootstrapServer);
        }

        @Override
        String up() throws Exception {
            if (settings.killCommand == null || settings.startCommand == null) {
                throw new Cli.Exit(2, journal.text("external.commands"));
            }
            found = true;
            try (Admin admin = common.admin()) {
                Set<Integer> brokers = admin.describeCluster().nodes().get().stream()
                        .map(Node::id)
                        .collect(Collectors.toSet());
                Set<Integer> voters = admin.describeMetadataQuorum().quorumInfo().get().voters().stream()
                        .map(QuorumInfo.ReplicaState::replicaId)
                        .collect(Collectors.toSet());
                if (brokers.size() != 3 || voters.size() != 3) {
                    throw new Cli.Exit(Cli.REFUSED, journal.text("external.not-three", brokers.size(), voters.size()));
                }
                combined = voters.equals(brokers);
            }
            up = true;
            return journal.text("external.found");
        }

        @Override
        Reach reach() {
            List<String> options = new ArrayList<>(List.of("-b", common.bootstrapServer));
            if (common.commandConfig != null) {
                options.addAll(List.of("--command-config", common.commandConfig.toString()));
            }
            List<String> commands =
                    List.of("--kill-command", settings.killCommand, "--start-command", settings.startCommand);
            return new Reach(common.bootstrapServer, options, commands);
        }

        @Override
        void endAndDelete() {}

        @Override
        void endAndKeep() {}
    }
}
