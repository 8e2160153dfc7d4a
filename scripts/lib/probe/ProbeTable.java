//SOURCES ProbeAnswer.java ../cli/Cli.java

import java.util.*;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/** Prints the answers, with one line for all nodes that gave the same one. */
final class ProbeTable {
    private ProbeTable() {}

    static List<String> lines(List<ProbeAnswer> answers) {
        Map<List<Object>, List<ProbeAnswer>> alike = new LinkedHashMap<>();
        for (ProbeAnswer answer : answers) {
            List<Object> key = List.of(answer.question(), answer.result(), answer.isInvisible());
            alike.computeIfAbsent(key, k -> new ArrayList<>()).add(answer);
        }
        List<String> lines = new ArrayList<>(List.of(line("QUESTION", "NODE", "ANSWER", "MS", "DETAIL")));
        alike.values().forEach(same -> lines.add(line(same)));
        return lines;
    }

    private static String line(List<ProbeAnswer> same) {
        ProbeAnswer first = same.get(0);
        String nodes = commas(
                same.stream().map(ProbeAnswer::node).filter(node -> node > 0).toList());
        long slowest = same.stream().mapToLong(ProbeAnswer::ms).max().orElse(0);
        return line(
                first.question(),
                nodes.isEmpty() ? "-" : nodes,
                first.outcome().toString(),
                first.outcome() == ProbeAnswer.Outcome.NOT_ASKED ? "-" : "" + slowest,
                Cli.printable(detail(first)));
    }

    private static String line(Object... cells) {
        return String.format(Locale.ROOT, "%-17s %-7s %-10s %8s  %s", cells).stripTrailing();
    }

    private static String detail(ProbeAnswer answer) {
        return Stream.of(reason(answer), invisibility(answer))
                .filter(part -> !part.isEmpty())
                .collect(Collectors.joining("; "));
    }

    private static String reason(ProbeAnswer answer) {
        if (answer.outcome() != ProbeAnswer.Outcome.FAILS) {
            return answer.detail();
        }
        String detail = answer.detail().isEmpty() ? "" : ": " + answer.detail();
        return "with " + answer.error() + detail;
    }

    private static String invisibility(ProbeAnswer answer) {
        ProbeAnswer.Offsets offsets = answer.offsets();
        String where = "(offset " + offsets.acknowledged() + ", high watermark " + offsets.highWatermark() + ")";
        return answer.isInvisible()
                ? "the record acknowledged with acks=1 is above it " + where + ": acknowledged and invisible"
                : "";
    }

    static String commas(Collection<Integer> ids) {
        return ids.stream().map(String::valueOf).collect(Collectors.joining(","));
    }
}
