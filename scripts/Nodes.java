///usr/bin/env jbang "$0" "$@" ; exit $?
//JAVA 17+
//DEPS info.picocli:picocli:4.7.7
//SOURCES lib/cli/EventFields.java KillNode.java
//JAVAC_OPTIONS -J-XX:TieredStopAtLevel=1 -J-XX:+UseSerialGC
//DESCRIPTION Lists the nodes that run here and their state, as their runtime sees it

import java.io.PrintWriter;
import java.util.List;
import java.util.Locale;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;

/**
 * Lists the nodes as what runs them sees them, whatever the cluster's metadata says: what kill-node would break.
 *
 * <pre>nodes
 * nodes --runtime docker --json</pre>
 */
@Command(
        name = "nodes",
        version = "kraft-lab 0.1.0",
        sortOptions = false,
        description =
                "Lists the nodes and their state as their runtime sees them, whatever the cluster's metadata says.")
class Nodes implements Callable<Integer> {
    private static final String ROW = "%-4s %-12s %-22s %-18s %s%n";

    @Mixin
    KillNode.Common common = new KillNode.Common();

    @Mixin
    KillNode.Runtimes runtimes = new KillNode.Runtimes(common);

    public static void main(String... args) {
        System.exit(run(new PrintWriter(System.out, true), new PrintWriter(System.err, true), args));
    }

    /** Runs the script without a process. @return the exit code */
    public static int run(PrintWriter out, PrintWriter err, String... args) {
        Nodes script = new Nodes();
        return script.common.run(script, out, err, args);
    }

    @Override
    public Integer call() throws Exception {
        KillNode.NodeRuntime runtime = runtimes.choose();
        common.say("Runtime: " + runtime.name());
        List<KillNode.Target> nodes = runtime.nodes(); // before the table begins
        print("ID", "NODE", "ADDRESS", "ROLES", "STATE");
        for (KillNode.Target node : nodes) {
            common.emit("node", fields(node).with("runtime", runtime.name()).toArray());
            String address = node.port() < 0 ? "unknown" : node.host() + ":" + node.port();
            String roles = node.roles().isEmpty() ? "unknown" : node.roles();
            print("" + node.id(), node.name(), address, roles, node.state());
        }
        return 0;
    }

    private static EventFields fields(KillNode.Target node) {
        return new EventFields()
                .with("node", node.id())
                .with("name", node.name())
                .with("state", node.state())
                .with("host", node.host())
                .with("port", node.port())
                .with("roles", node.roles());
    }

    private void print(String... cells) {
        if (!common.json) {
            Object[] printable =
                    List.of(cells).stream().map(KillNode::printable).toArray();
            common.out.printf(Locale.ROOT, ROW, printable);
        }
    }
}
