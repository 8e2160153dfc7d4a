///usr/bin/env jbang "$0" "$@" ; exit $?
//JAVA 17+
//DEPS info.picocli:picocli:4.7.7
//SOURCES KillNode.java
//DESCRIPTION Lists the nodes that run here and their state, as their runtime sees it

import java.io.PrintWriter;
import java.util.List;
import java.util.Locale;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;

/**
 * The nodes as what runs them sees them, whatever the cluster's metadata says: what kill-node would break.
 *
 * <pre>nodes
 * nodes --runtime docker --json</pre>
 */
@Command(name = "nodes", version = "kraft-lab 0.1.0", sortOptions = false,
        description = "Which nodes run here, and in what state: not what the cluster believes, but what runs them sees.")
class Nodes implements Callable<Integer> {
    @Mixin KillNode.Common common = new KillNode.Common();
    @Mixin KillNode.Runtimes runtimes = new KillNode.Runtimes(common);

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
        if (!common.json) common.out.printf(Locale.ROOT, "%-4s %-12s %-22s %-18s %s%n", "ID", "NODE", "ADDRESS", "ROLES", "STATE");
        for (KillNode.Target n : nodes) {
            common.emit("node", "node", n.id(), "name", n.name(), "state", n.state(), "host", n.host(), "port", n.port(), "roles", n.roles(), "runtime", runtime.name());
            String address = n.port() < 0 ? "unknown" : n.host() + ":" + n.port(), roles = n.roles().isEmpty() ? "unknown" : n.roles();
            if (!common.json) common.out.printf(Locale.ROOT, "%-4d %-12s %-22s %-18s %s%n", n.id(), KillNode.printable(n.name()), KillNode.printable(address), KillNode.printable(roles), n.state());
        }
        return 0;
    }
}
