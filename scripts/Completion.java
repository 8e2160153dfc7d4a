///usr/bin/env jbang "$0" "$@" ; exit $?
//JAVA 17+
//DEPS info.picocli:picocli:4.7.7
//SOURCES KillNode.java Nodes.java Lab.java FindController.java ProbeCluster.java MergeLatency.java FindMaxRate.java
//SOURCES CompareSettings.java WatchLeaders.java Outages.java FailoverMatrix.java Dashboard.java CheckTopic.java
//FILES jbang-catalog.json=../jbang-catalog.json
//FILES completion.bash=lib/completion/completion.bash
//JAVAC_OPTIONS -J-XX:TieredStopAtLevel=1 -J-XX:+UseSerialGC
//DESCRIPTION Prints the completion for bash and zsh

import com.fasterxml.jackson.jr.ob.JSON;
import java.io.*;
import java.lang.reflect.Constructor;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.*;
import java.util.concurrent.*;
import java.util.stream.*;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.common.Node;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.*;
import picocli.CommandLine.Parameters;

/**
 * Prints the shell's part of completion, from the catalog and each script's own options as they are at that moment, so
 * that it cannot fall behind them. When a node or topic is to be named, that part asks this script again, for at most a
 * second, and stays silent if nothing answers. picocli's own generator knows neither alias@catalog nor live names.
 *
 * <pre>eval "$(./jbang completion bash)"      in ~/.bashrc, with the path of this repository's jbang
 * eval "$(jbang completion@kraft-lab zsh)"</pre>
 */
@Command(
        name = "completion",
        version = "kraft-lab 0.1.0",
        sortOptions = false,
        description = "Prints the completion script for a shell to evaluate; or the nodes, topics or partitions.")
class Completion implements Callable<Integer> {
    enum What {
        BASH,
        ZSH,
        NODES,
        TOPICS,
        PARTITIONS
    }

    @Parameters(paramLabel = "bash|zsh|nodes|topics|partitions", description = "The shell, or what to list.")
    What what;

    @Mixin
    KillNode.Common common = new KillNode.Common();

    @Mixin
    KillNode.Runtimes runtimes = new KillNode.Runtimes(common);

    public static void main(String... args) {
        System.exit(run(new PrintWriter(System.out, true), new PrintWriter(System.err, true), args));
    }

    /** Runs the script without a process. @return the exit code */
    public static int run(PrintWriter out, PrintWriter err, String... args) {
        Completion script = new Completion();
        return script.common.run(script, out, err, args);
    }

    @Override
    public Integer call() throws Exception {
        if (common.json) {
            throw new KillNode.Exit(2, "completion answers a shell, and has no --json.");
        }
        if (what == What.BASH || what == What.ZSH) {
            common.out.print(script());
            return 0;
        }
        names().stream()
                .filter(name -> name.matches("[A-Za-z0-9._:-]+")) // a shell will read it, whoever answers
                .forEach(common.out::println);
        return 0;
    }

    // ---- What there is now ----

    private Collection<String> names() throws Exception {
        long limitMs = 2 * common.timeout.toMillis(); // classes have to be loaded, too
        FutureTask<Collection<String>> asking = new FutureTask<>(() -> what == What.NODES ? nodes() : topics());
        Thread thread = new Thread(asking, "names");
        thread.setDaemon(true);
        thread.start();
        try {
            return asking.get(limitMs, TimeUnit.MILLISECONDS);
        } catch (TimeoutException e) {
            throw common.unreachable("no answer within " + limitMs + " ms");
        }
    }

    /** Returns numbers and names, as the runtime of the nodes knows them; of a cluster elsewhere, numbers. */
    private Collection<String> nodes() throws Exception {
        try {
            return runtimes.choose().nodes().stream()
                    .flatMap(n -> Stream.of("" + n.id(), n.name()))
                    .distinct()
                    .toList();
        } catch (KillNode.Exit noneHere) {
            try (Admin admin = common.admin()) {
                return admin.describeCluster().nodes().get().stream()
                        .map(Node::id)
                        .sorted()
                        .map(String::valueOf)
                        .toList();
            }
        }
    }

    private Collection<String> topics() throws Exception {
        try (Admin admin = common.admin()) {
            Set<String> names = new TreeSet<>(admin.listTopics().names().get());
            if (what == What.TOPICS) {
                return names;
            }
            return admin.describeTopics(names).allTopicNames().get().values().stream()
                    .flatMap(topic -> topic.partitions().stream().map(p -> topic.name() + "-" + p.partition()))
                    .sorted()
                    .toList();
        }
    }

    // ---- The shell's part ----

    /** Returns the models of the aliases by name; null of one that is no script, such as that of the tests. */
    static Map<String, CommandSpec> models() throws Exception {
        Map<?, ?> catalog = JSON.std.mapFrom(resource("jbang-catalog.json"));
        Map<String, CommandSpec> models = new LinkedHashMap<>();
        for (var alias : ((Map<?, ?>) catalog.get("aliases")).entrySet()) {
            String file = ((Map<?, ?>) alias.getValue()).get("script-ref").toString();
            models.put(alias.getKey().toString(), file.startsWith("scripts/") ? model(file) : null);
        }
        return models;
    }

    private static CommandSpec model(String file) throws Exception {
        String name = Path.of(file).getFileName().toString().replace(".java", "");
        Constructor<?> constructor = Class.forName(name).getDeclaredConstructor();
        constructor.setAccessible(true);
        return new CommandLine(constructor.newInstance()).getCommandSpec();
    }

    private static String resource(String name) throws IOException {
        try (InputStream in = Completion.class.getResourceAsStream("/" + name)) {
            return new String(Objects.requireNonNull(in, name).readAllBytes(), StandardCharsets.UTF_8);
        }
    }

    /**
     * Returns what may stand for an option or argument: words, and @files, @dirs, @nodes, @targets, @topics; @none for
     * what only the user knows.
     */
    static String values(String alias, ArgSpec arg) {
        String label = arg.paramLabel();
        Set<String> values = new LinkedHashSet<>(words(arg));
        if (label.equals("DIR")) {
            values.add("@dirs");
        } else if (isFile(arg)) {
            values.add("@files");
        }
        if (label.equals("TOPIC")) {
            values.add("@topics");
        }
        if (label.equals("NODE")) {
            values.add(alias.equals("kill-node") ? "@targets" : "@nodes");
        }
        if (alias.equals("start-node") && label.equals("NODE")) {
            values.add("all");
        }
        return values.isEmpty() ? "@none" : String.join(" ", values);
    }

    /** Returns the words that the label lists, else those of an enum. */
    private static Set<String> words(ArgSpec arg) {
        String label = arg.paramLabel();
        Set<String> words = new LinkedHashSet<>();
        if (label.contains("|")) {
            Stream.of(label.split("\\|"))
                    .filter(part -> part.matches("[a-z0-9-]+"))
                    .forEach(words::add);
        }
        if (label.startsWith("NAME|")) {
            words.addAll(LabScenario.BUILT_IN);
        }
        if (words.isEmpty() && arg.completionCandidates() != null) {
            arg.completionCandidates().forEach(candidate -> words.add(candidate.toLowerCase(Locale.ROOT)));
        }
        return words;
    }

    private static boolean isFile(ArgSpec arg) {
        Class<?> type = arg.auxiliaryTypes().length > 0 ? arg.auxiliaryTypes()[0] : arg.type();
        return type == File.class
                || type == Path.class
                || List.of("FILE", "RUN", "NAME|FILE").contains(arg.paramLabel());
    }

    private static String script() throws Exception {
        StringBuilder options = new StringBuilder();
        StringBuilder values = new StringBuilder();
        Map<String, CommandSpec> models = models();
        models.forEach((alias, model) -> {
            if (model != null) {
                options.append(reply(alias, names(model)));
                values.append("    ").append(alias).append(") case $2 in\n").append(valuesOf(alias, model));
                values.append("    esac ;;\n");
            }
        });
        return resource("completion.bash")
                .replace("@ALIASES@", String.join(" ", models.keySet()))
                .replace("    # @OPTIONS@\n", options)
                .replace("    # @VALUES@\n", values)
                .replace("@ASK@", ownCommand());
    }

    private static String names(CommandSpec model) {
        return model.options().stream()
                .filter(option -> !option.hidden())
                .map(OptionSpec::longestName)
                .collect(Collectors.joining(" "));
    }

    /** Returns the cases of a script's options that take a value, and of its arguments. */
    private static String valuesOf(String alias, CommandSpec model) {
        Map<String, List<String>> options = new LinkedHashMap<>();
        for (OptionSpec option : model.options()) {
            if (option.arity().min() > 0) {
                options.computeIfAbsent(values(alias, option), v -> new ArrayList<>())
                        .addAll(List.of(option.names()));
            }
        }
        StringBuilder cases = new StringBuilder();
        options.forEach((values, names) -> cases.append(reply("  " + String.join("|", names), values)));
        for (PositionalParamSpec argument : model.positionalParameters()) {
            cases.append(reply("  " + position(argument.index()), values(alias, argument)));
        }
        return cases.toString();
    }

    private static String position(CommandLine.Range index) {
        if (index.min() > 0) {
            return "+";
        }
        return index.max() > 0 ? "''|+" : "''";
    }

    private static String reply(String pattern, String words) {
        return "    " + pattern + ") _kraft_lab_reply='" + words + "' ;;\n";
    }

    /** Returns the command that asks this script what there is now. */
    private static String ownCommand() {
        String java = ProcessHandle.current().info().command().orElse("java");
        String classPath = System.getProperty("java.class.path");
        List<String> words = List.of(
                java, "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-cp", classPath, Completion.class.getName());
        return words.stream()
                .map(word -> "'" + word.replace("'", "'\\''") + "'")
                .collect(Collectors.joining(" "));
    }
}
