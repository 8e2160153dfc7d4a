///usr/bin/env jbang "$0" "$@" ; exit $?
//JAVA 17+
//DEPS info.picocli:picocli:4.7.7
//SOURCES KillNode.java Nodes.java Lab.java FindController.java ProbeCluster.java MergeLatency.java FindMaxRate.java CompareSettings.java WatchLeaders.java Outages.java FailoverMatrix.java Dashboard.java CheckTopic.java
//FILES jbang-catalog.json=../jbang-catalog.json
//JAVAC_OPTIONS -J-XX:TieredStopAtLevel=1 -J-XX:+UseSerialGC
//DESCRIPTION Prints the completion for bash and zsh

import com.fasterxml.jackson.jr.ob.JSON;
import java.io.*;
import java.lang.reflect.Constructor;
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
 * Writes the shell's part of completion, from the catalog and each script's own options as they are at that moment, so that it cannot fall behind them. That part asks this script
 * again, for at most a second and without a word if nothing answers, when a node or topic is to be named. picocli's own generator knows neither alias@catalog nor names that live.
 *
 * <pre>eval "$(./jbang completion bash)"      in ~/.bashrc, with the path of this repository's jbang
 * eval "$(jbang completion@kraft-lab zsh)"</pre>
 */
@Command(
        name = "completion",
        version = "kraft-lab 0.1.0",
        sortOptions = false,
        description =
                "Prints what a shell needs for completion, to be evaluated; or names the nodes, topics or partitions"
                        + " that there are.")
class Completion implements Callable<Integer> {
    enum What {
        BASH,
        ZSH,
        NODES,
        TOPICS,
        PARTITIONS
    }

    @Parameters(paramLabel = "bash|zsh|nodes|topics|partitions", description = "The shell, or what to name.")
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
        if (common.json) throw new KillNode.Exit(2, "completion answers a shell, and has no --json.");
        if (what == What.BASH || what == What.ZSH) common.out.print(script());
        else
            names().stream()
                    .filter(n -> n.matches("[A-Za-z0-9._:-]+"))
                    .forEach(common.out::println); // whatever it is that answers: a shell will read it
        return 0;
    }

    // ---- What there is now ----

    private Collection<String> names() throws Exception {
        ExecutorService asking = Executors.newSingleThreadExecutor(task -> {
            Thread t = new Thread(task, "names");
            t.setDaemon(true);
            return t;
        });
        try {
            return asking.submit(() -> what == What.NODES ? nodes() : topics())
                    .get(2 * common.timeout.toMillis(), TimeUnit.MILLISECONDS); // classes have to be loaded, too
        } catch (TimeoutException e) {
            throw common.unreachable("no answer within " + 2 * common.timeout.toMillis() + " ms");
        }
    }

    /** By number and name, as what runs them sees them; of a cluster that was started elsewhere, by number. */
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
            if (what == What.TOPICS) return names;
            return admin.describeTopics(names).allTopicNames().get().values().stream()
                    .flatMap(t -> t.partitions().stream().map(p -> t.name() + "-" + p.partition()))
                    .sorted()
                    .toList();
        }
    }

    // ---- The shell's part ----

    /** The models of the aliases by their names; null: one without, such as that of the tests. */
    static Map<String, CommandSpec> models() throws Exception {
        Map<String, CommandSpec> models = new LinkedHashMap<>();
        Map<?, ?> aliases;
        try (InputStream in = Completion.class.getResourceAsStream("/jbang-catalog.json")) {
            aliases = (Map<?, ?>) JSON.std.mapFrom(in).get("aliases");
        }
        for (var alias : aliases.entrySet()) {
            String file = ((Map<?, ?>) alias.getValue()).get("script-ref").toString();
            CommandSpec model = null;
            if (file.startsWith("scripts/")) {
                Constructor<?> constructor = Class.forName(
                                Path.of(file).getFileName().toString().replace(".java", ""))
                        .getDeclaredConstructor();
                constructor.setAccessible(true);
                model = new CommandLine(constructor.newInstance()).getCommandSpec();
            }
            models.put(alias.getKey().toString(), model);
        }
        return models;
    }

    /** What may stand for it: words, and @files, @dirs, @nodes, @targets, @topics; @none: something that only the user knows. */
    static String values(String alias, ArgSpec arg) {
        String label = arg.paramLabel();
        Class<?> type = arg.auxiliaryTypes().length > 0 ? arg.auxiliaryTypes()[0] : arg.type();
        Set<String> values = new LinkedHashSet<>();
        for (String part : label.split("\\|")) if (label.contains("|") && part.matches("[a-z0-9-]+")) values.add(part);
        if (label.startsWith("NAME|")) values.addAll(LabScenario.BUILT_IN);
        if (values.isEmpty() && arg.completionCandidates() != null)
            arg.completionCandidates().forEach(c -> values.add(c.toLowerCase(Locale.ROOT)));
        if (label.equals("DIR")) values.add("@dirs");
        else if (type == File.class
                || type == Path.class
                || List.of("FILE", "RUN", "NAME|FILE").contains(label)) values.add("@files");
        if (label.equals("TOPIC")) values.add("@topics");
        if (label.equals("NODE")) values.add(alias.equals("kill-node") ? "@targets" : "@nodes");
        if (alias.equals("start-node") && label.equals("NODE")) values.add("all");
        return values.isEmpty() ? "@none" : String.join(" ", values);
    }

    private String script() throws Exception {
        StringBuilder options = new StringBuilder(), values = new StringBuilder();
        Map<String, CommandSpec> models = models();
        models.forEach((alias, model) -> {
            if (model == null) return;
            Map<String, List<String>> by = new LinkedHashMap<>();
            for (OptionSpec o : model.options())
                if (o.arity().min() > 0)
                    by.computeIfAbsent(values(alias, o), k -> new ArrayList<>()).addAll(List.of(o.names()));
            options.append("    ")
                    .append(alias)
                    .append(") _kraft_lab_reply='")
                    .append(model.options().stream()
                            .filter(o -> !o.hidden())
                            .map(OptionSpec::longestName)
                            .collect(Collectors.joining(" ")))
                    .append("' ;;\n");
            values.append("    ").append(alias).append(") case $2 in\n");
            by.forEach((what, names) -> values.append("      ")
                    .append(String.join("|", names))
                    .append(") _kraft_lab_reply='")
                    .append(what)
                    .append("' ;;\n"));
            for (PositionalParamSpec p : model.positionalParameters())
                values.append("      ")
                        .append(p.index().min() > 0 ? "+" : p.index().max() > 0 ? "''|+" : "''")
                        .append(") _kraft_lab_reply='")
                        .append(values(alias, p))
                        .append("' ;;\n");
            values.append("    esac ;;\n");
        });
        String java = ProcessHandle.current().info().command().orElse("java");
        String ask = Stream.of(
                        java,
                        "-XX:TieredStopAtLevel=1",
                        "-XX:+UseSerialGC",
                        "-cp",
                        System.getProperty("java.class.path"),
                        Completion.class.getName())
                .map(w -> "'" + w.replace("'", "'\\''") + "'")
                .collect(Collectors.joining(" "));
        return (what == What.ZSH ? ZSH : "")
                + SHELL.replace("{aliases}", String.join(" ", models.keySet()))
                        .replace("{options}", options)
                        .replace("{values}", values)
                        .replace("{ask}", ask);
    }

    private static final String ZSH = """
        (( $+functions[compdef] )) || { autoload -Uz compinit && compinit -i; }
        autoload -Uz bashcompinit && bashcompinit
        """;

    /** For bash from 3.2, which macOS has, and for zsh, which then goes by the rules of ksh. */
    private static final String SHELL = """
        # Completion for kraft-lab: jbang alias@kraft-lab, this repository's ./jbang alias, and what jbang app install has installed of it.
        _kraft_lab_aliases=' {aliases} '

        _kraft_lab_options() {
          _kraft_lab_reply=
          case $1 in
        {options}  esac
        }

        _kraft_lab_values() {  # of an alias's option; of what stands by itself first (''), and after that (+)
          _kraft_lab_reply=
          case $1 in
        {values}  esac
        }

        _kraft_lab_ask() {  # what there is now; asked again after five seconds
          if [[ ${_kraft_lab_asked-} != "$1 $2" ]] || ((SECONDS - _kraft_lab_at > 5)); then
            _kraft_lab_answer=$({ask} $1 --timeout 1s $2 2> /dev/null < /dev/null) _kraft_lab_asked="$1 $2" _kraft_lab_at=$SECONDS
          fi
          _kraft_lab_reply=$_kraft_lab_answer
        }

        _kraft_lab() {
          [[ -z ${ZSH_VERSION-} ]] || emulate -L ksh
          local line=${COMP_LINE:0:$COMP_POINT} rest cur word command= alias= option= value= positional= reach= other= what= candidates= prefix= more=
          COMPREPLY=()
          cur=${line##*[[:space:]]}
          rest=${line%"$cur"}
          while [[ $rest == *[![:space:]]* ]]; do
            rest=${rest#"${rest%%[![:space:]]*}"} word=${rest%%[[:space:]]*} rest=${rest#"${rest%%[[:space:]]*}"}
            if [[ -z $command ]]; then
              command=$word
              case " ${_kraft_lab_installed-} " in *" ${word##*/}="*) alias=${_kraft_lab_installed#*" ${word##*/}="} alias=${alias%% *} ;; esac
            elif [[ -z $alias ]]; then
              [[ $word == run || $word == -* ]] && continue
              alias=${word%@kraft-lab}
              [[ $_kraft_lab_aliases == *" $alias "* ]] || { alias= other=yes; break; }
            elif [[ -n $option ]]; then
              case $option in -b | --bootstrap-server | --command-config | --data-dir | --runtime) reach="$reach $option $word" ;; esac
              option=
            else
              case $word in -*=*) ;; [!-]*) positional=+ ;; *) _kraft_lab_values "$alias" "$word"; [[ -z $_kraft_lab_reply ]] || option=$word value=$_kraft_lab_reply ;; esac
            fi
          done

          if [[ -z $alias ]]; then
            [[ -z ${_kraft_lab_before-} ]] || $_kraft_lab_before "$@"
            [[ -z $other ]] || return 0  # than an alias of ours
            for word in ${_kraft_lab_aliases}; do [[ $command == */* ]] && candidates="$candidates $word" || candidates="$candidates $word@kraft-lab"; done
          elif [[ -n $option ]]; then what=$value
          elif [[ $cur == --*=* ]]; then
            prefix=${cur%%=*}=
            _kraft_lab_values "$alias" "${cur%%=*}"; what=$_kraft_lab_reply
          elif [[ $cur == -* ]]; then
            _kraft_lab_options "$alias"; candidates=$_kraft_lab_reply
          else
            _kraft_lab_values "$alias" "$positional"; what=$_kraft_lab_reply
          fi

          for word in $what; do
            case $word in
              @none) ;;
              @files) compopt -o default 2> /dev/null ;;
              @dirs) compopt -o dirnames 2> /dev/null ;;
              @targets)
                if [[ $cur == leader:* ]]; then
                  _kraft_lab_ask partitions "$reach"
                  for more in $_kraft_lab_reply; do candidates="$candidates leader:$more"; done
                else
                  _kraft_lab_ask nodes "$reach"; candidates="$candidates $_kraft_lab_reply controller random all leader:"
                fi ;;
              @*) _kraft_lab_ask "${word#@}" "$reach"; candidates="$candidates $_kraft_lab_reply" ;;
              *) candidates="$candidates $word" ;;
            esac
          done
          [[ ${cur#"$prefix"} != *,* ]] || prefix=${cur%,*},
          for word in $candidates; do [[ $prefix$word != "$cur"* ]] || COMPREPLY+=("$prefix$word"); done
          [[ ${#COMPREPLY[@]} != 1 || ${COMPREPLY[0]} != *: ]] || compopt -o nospace 2> /dev/null

          # To bash these characters begin a new word, and it is only that one which it replaces.
          if [[ -n ${BASH_VERSION-} && $cur == *[@:=]* ]]; then
            word=${cur##*[@:=]} more=${cur%"$word"}
            [[ $COMP_WORDBREAKS == *"${more:${#more}-1}"* ]] || return 0
            for ((word = 0; word < ${#COMPREPLY[@]}; ++word)); do COMPREPLY[word]=${COMPREPLY[word]#"$more"}; done
          fi
          return 0
        }

        _kraft_lab_register() {
          local file text other= how=
          type compopt > /dev/null 2>&1 || how='-o default'  # then files cannot be offered only where they are wanted
          [[ -z ${ZSH_VERSION-} ]] || emulate -L ksh
          if [[ -n ${BASH_VERSION-} ]]; then
            other=$(complete -p jbang 2> /dev/null)
            case $other in *_kraft_lab*) ;; *'-F '*) other=${other##*-F }; _kraft_lab_before=${other%% *} ;; esac
          fi
          complete $how -F _kraft_lab jbang
          _kraft_lab_installed=' '
          for file in "${JBANG_DIR:-$HOME/.jbang}"/bin/*; do
            [[ -f $file ]] || continue
            text=$(head -c 1000 "$file" 2> /dev/null | tr -d '\\000')
            case $text in *' run '*@kraft-lab*) ;; *) continue ;; esac
            text=${text##* run } text=${text%%@*}
            [[ $_kraft_lab_aliases == *" $text "* ]] || continue
            _kraft_lab_installed="$_kraft_lab_installed${file##*/}=$text "
            complete $how -F _kraft_lab "${file##*/}"
          done
        }
        _kraft_lab_register
        """;
}
