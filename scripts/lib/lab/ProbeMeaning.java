//SOURCES ../cli/Messages.java ../probe/ProbeAnswer.java

import java.util.*;
import java.util.function.Predicate;
import java.util.regex.*;
import java.util.stream.Collectors;

/** Says what a probe's answers mean, in their own figures. */
final class ProbeMeaning {
    private static final String LEADER = "produce acks=1";
    private static final Pattern IN_SYNC = Pattern.compile("in-sync replicas (\\d+) of (\\d+)(?:; of these (\\d+))?");

    private final List<ProbeAnswer> answers;
    private final List<ProbeAnswer> asked;
    private final List<ProbeAnswer> failed;
    private final Set<Integer> leaders;
    private final Messages words;

    ProbeMeaning(List<ProbeAnswer> answers, Messages words) {
        this.answers = answers;
        this.words = words;
        asked = where(answers, a -> a.outcome() != ProbeAnswer.Outcome.NOT_ASKED);
        failed = where(asked, a -> !a.isOk());
        leaders = nodesAsked(where(asked, ProbeAnswer::isOk));
    }

    private static List<ProbeAnswer> where(List<ProbeAnswer> answers, Predicate<ProbeAnswer> condition) {
        return answers.stream().filter(condition).toList();
    }

    /** Returns the nodes among the answers that were asked as a leader. */
    private static Set<Integer> nodesAsked(List<ProbeAnswer> answers) {
        return where(answers, a -> a.question().equals(LEADER)).stream()
                .map(ProbeAnswer::node)
                .collect(Collectors.toCollection(TreeSet::new));
    }

    String text() {
        List<String> sentences = failed.isEmpty() ? whenAllAnswered() : whenSomeFailed();
        return String.join(" ", sentences);
    }

    private List<String> whenAllAnswered() {
        ProbeAnswer slowest = Collections.max(asked, Comparator.comparing(ProbeAnswer::ms));
        return List.of(words.text("probe.all", asked.size(), question(slowest.question()), slowest.ms()), leadership());
    }

    private String leadership() {
        if (leaders.isEmpty() || leaders.size() > 2) {
            return words.text("probe.each-leads");
        }
        boolean allLive = answers.stream()
                .anyMatch(a -> a.question().equals("describe cluster")
                        && a.detail() != null
                        && a.detail().matches("brokers \\d+,\\d+,\\d+"));
        return words.text(allLive ? "probe.few-lead-of-all" : "probe.few-lead", nodes(leaders));
    }

    private List<String> whenSomeFailed() {
        List<String> text = new ArrayList<>(List.of(words.text("probe.some", asked.size(), failed.size())));
        Set<String> unanswered = unanswered();
        if (!unanswered.isEmpty()) {
            String questions = unanswered.stream().map(this::question).collect(Collectors.joining(", "));
            text.add(words.text("probe.nobody", questions));
        }
        Set<Integer> mute = nodesAsked(failed);
        if (!mute.isEmpty()) {
            text.add(words.text("probe.mute", nodes(mute)));
        }
        if (unanswered.contains("metadata quorum")) {
            frozenMetadata().ifPresent(text::add);
        }
        if (!leaders.isEmpty()) {
            text.add(words.text("probe.one", nodes(leaders)));
        }
        invisibleRecord().ifPresent(text::addAll);
        return text;
    }

    /** Returns the questions that no node answered. */
    private Set<String> unanswered() {
        Set<String> questions =
                failed.stream().map(ProbeAnswer::question).collect(Collectors.toCollection(LinkedHashSet::new));
        where(asked, ProbeAnswer::isOk).forEach(a -> questions.remove(a.question()));
        return questions;
    }

    private Optional<String> frozenMetadata() {
        Optional<ProbeAnswer> description = answers.stream()
                .filter(a -> a.question().equals("describe topics") && a.isOk())
                .findFirst();
        if (description.isEmpty()) {
            return Optional.empty();
        }
        long ms = description.get().ms();
        Matcher m = IN_SYNC.matcher(description.get().detail());
        if (!m.find()) {
            return Optional.empty();
        }
        String text = m.group(3) == null
                ? words.text("probe.frozen", ms, m.group(1), m.group(2))
                : words.text("probe.frozen-silent", ms, m.group(1), m.group(2), m.group(3));
        return Optional.of(text);
    }

    private Optional<List<String>> invisibleRecord() {
        return answers.stream().filter(ProbeAnswer::isInvisible).findFirst().map(a -> {
            ProbeAnswer.Offsets offsets = a.offsets();
            String record = words.text("probe.invisible", offsets.acknowledged(), offsets.highWatermark(), a.node());
            return List.of(record, whatAcksAllDoes());
        });
    }

    private String whatAcksAllDoes() {
        return asked.stream()
                .filter(a -> a.question().equals("produce acks=all") && a.outcome() == ProbeAnswer.Outcome.FAILS)
                .findFirst()
                .map(a -> words.text("probe.all-refused", a.error()))
                .orElseGet(() -> words.text("probe.all-hangs"));
    }

    private String question(String name) {
        return words.text("probe.question", name);
    }

    private String nodes(Set<Integer> ids) {
        List<String> all = ids.stream().map(String::valueOf).toList();
        int last = all.size() - 1;
        if (last == 0) {
            return words.text("nodes.one", all.get(0));
        }
        String first = String.join(", ", all.subList(0, last));
        return words.text("nodes.many", words.text("nodes.and", first, all.get(last)));
    }
}
