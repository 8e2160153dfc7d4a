//DEPS org.apache.kafka:kafka_2.13:4.4.0
//SOURCES LocalNode.java ClassArchive.java

import java.io.*;
import java.nio.file.*;
import java.util.*;
import java.util.stream.Collectors;
import org.apache.kafka.common.Uuid;
import org.apache.kafka.metadata.storage.Formatter;

/** What the nodes of the embedded cluster, all of them voters, start from: settings, options and formatted storage. */
record NodeSettings(List<LocalNode> nodes, String timeouts, String heap) {
    /**
     * The tuned timeouts: an outage takes a third as long. Connecting to a host that is gone, as in Docker, would by
     * itself take 10 s.
     */
    private static final String FAST = """
        broker.session.timeout.ms=3000
        broker.heartbeat.interval.ms=500
        controller.quorum.fetch.timeout.ms=1000
        controller.quorum.election.timeout.ms=500
        controller.quorum.election.backoff.max.ms=300
        socket.connection.setup.timeout.ms=1000
        socket.connection.setup.timeout.max.ms=2000
        """;

    private static final String ALL = """
        process.roles=broker,controller
        node.id=%1$d
        broker.rack=rack%1$d
        controller.quorum.voters=%2$s
        listeners=CLIENT://127.0.0.1:%3$d,CONTROLLER://127.0.0.1:%4$d
        advertised.listeners=CLIENT://localhost:%3$d
        listener.security.protocol.map=CLIENT:PLAINTEXT,CONTROLLER:PLAINTEXT
        inter.broker.listener.name=CLIENT
        controller.listener.names=CONTROLLER
        log.dirs=%5$s
        # The original lab's defaults.
        num.partitions=8
        default.replication.factor=3
        min.insync.replicas=2
        offsets.topic.replication.factor=3
        offsets.topic.num.partitions=8
        transaction.state.log.replication.factor=3
        transaction.state.log.min.isr=2
        transaction.state.log.num.partitions=8
        share.coordinator.state.topic.replication.factor=3
        share.coordinator.state.topic.min.isr=2
        group.initial.rebalance.delay.ms=0
        # For a small machine: no MBeans, and no buffer of 128 MiB for a log cleaner with little to clean.
        metric.reporters=
        metrics.jmx.exclude=.*
        log.cleaner.dedupe.buffer.size=4194304
        """;

    /** Returns a node's server.properties. */
    String properties(LocalNode node) {
        String voters = nodes.stream()
                .map(voter -> voter.id + "@127.0.0.1:" + voter.controllerPort)
                .collect(Collectors.joining(","));
        String data = node.data.toString().replace("\\", "\\\\");
        String text = String.format(Locale.ROOT, ALL, node.id, voters, node.port, node.controllerPort, data);
        return timeouts.equals("fast") ? text + FAST : text;
    }

    /** Returns java and its options, but for those that concern the classes. */
    List<String> java() {
        String log = "-Dorg.slf4j.simpleLogger.";
        return List.of(
                ClassArchive.java(),
                "-Xmx" + heap,
                "-XX:TieredStopAtLevel=1",
                "-XX:+UseSerialGC",
                "-XX:-UsePerfData",
                log + "showDateTime=true",
                log + "dateTimeFormat=yyyy-MM-dd'T'HH:mm:ss.SSSXXX",
                log + "log.org.apache.kafka.common.config.AbstractConfig=warn");
    }

    /** Formats a node's storage, in this process: a JVM for each would take 1.6 s a node. */
    void format(LocalNode node, String clusterId) throws Exception {
        new Formatter()
                .setPrintStream(new PrintStream(OutputStream.nullOutputStream()))
                .setClusterId(clusterId)
                .setNodeId(node.id)
                .setControllerListenerName("CONTROLLER")
                .setMetadataLogDirectory(node.data.toString())
                .addDirectory(node.data.toString())
                .run();
    }

    /** Returns the id of the cluster that all data is of, or a new one if there is none. */
    String clusterId() throws IOException {
        Map<String, List<String>> found = new TreeMap<>();
        for (LocalNode node : nodes) {
            if (node.isFormatted()) {
                found.computeIfAbsent(node.clusterId(), id -> new ArrayList<>()).add(node.name);
            }
        }
        if (found.size() > 1) {
            Path dataDir = nodes.get(0).folder.getParent();
            throw new Cli.Exit(
                    1,
                    "The data in " + dataDir + " is of different clusters " + found
                            + ": delete it with --fresh, or name another --data-dir.");
        }
        return found.keySet().stream()
                .findFirst()
                .orElseGet(() -> Uuid.randomUuid().toString());
    }
}
