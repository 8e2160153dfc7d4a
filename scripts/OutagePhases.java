import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.*;
import java.util.function.Consumer;
import java.util.stream.*;

/** How {@link Outages} comes to its answer: keeps of each event what is needed (times are microseconds), and finds the waits and the moments that divide them. */
class OutagePhases {
    /** Waits from here on count as unavailability; an acknowledgement takes some milliseconds. */
    private static final long NOTICEABLE = 200_000;
    /** A watcher may see a change this much later than the producer feels it. */
    private static final long LATE = 250_000;
    private static final long NEVER = Long.MAX_VALUE;

    // ---- What is kept of the events ----

    private record Where(String topic, int partition) implements Comparable<Where> {
        @Override public int compareTo(Where o) { return topic.equals(o.topic) ? partition - o.partition : topic.compareTo(o.topic); }
    }
    private record Fault(int node, String mode, long at) { boolean ends() { return mode.equals("kill") || mode.equals("stop"); } }
    private record Restored(int node, long at) { }
    private record Controller(long at, int node, Long epoch) { }
    private record Led(long at, Where where, int leader, List<Integer> isr, List<Integer> replicas) { boolean has(int node) { return leader == node || isr.contains(node); } }
    private record Isr(long at, int partitions, int online, int underReplicated, List<?> brokers) { }
    private record Stall(Where where, long from, long to) { }
    private record Span(long from, long to, boolean ended, long previous) { long length() { return to - from; } }

    /** Acknowledgements of one partition, or of all: two times each. */
    private static final class Acks {
        long[] at = new long[16], sent = new long[16];
        int n;

        void add(long at, long sent) {
            if (n == this.at.length) { this.at = Arrays.copyOf(this.at, 2 * n); this.sent = Arrays.copyOf(this.sent, 2 * n); }
            this.at[n] = at;
            this.sent[n++] = sent;
        }

        /**
         * The waits, as the producer measures them: from the acknowledgement before, or from when the first of the messages that were still to be acknowledged was sent.
         * @param first nothing counts before
         */
        List<Span> waits(long first) {
            Integer[] order = IntStream.range(0, n).boxed().sorted(Comparator.comparingLong(i -> at[i])).toArray(Integer[]::new);
            long[] earliest = new long[n + 1]; // of what was sent for the i-th acknowledgement and those after it
            earliest[n] = NEVER;
            for (int i = n - 1; i >= 0; i--) earliest[i] = Math.min(earliest[i + 1], sent[order[i]]);
            List<Span> waits = new ArrayList<>();
            for (int i = 0; i < n; i++) {
                long previous = i == 0 ? first : at[order[i - 1]], from = Math.max(previous, earliest[i]);
                if (from < at[order[i]]) waits.add(new Span(from, at[order[i]], true, previous));
            }
            return waits;
        }

        long last() { return Arrays.stream(at, 0, n).max().orElse(0); }
        long lastSent() { return Arrays.stream(sent, 0, n).max().orElse(0); }
        double interval() { return n < 2 ? 0 : (last() - Arrays.stream(at, 0, n).min().getAsLong()) / (n - 1.0); }
    }

    /** Takes events in any order and keeps what outages need of them. */
    public static final class Events {
        private final Map<Where, Acks> acks = new TreeMap<>();
        private final Acks allAcks = new Acks();
        private final Set<Fault> faults = new LinkedHashSet<>();
        private final Set<Restored> restores = new LinkedHashSet<>();
        private final List<Controller> controllers = new ArrayList<>();
        private final List<Led> leds = new ArrayList<>();
        private final List<Isr> isrs = new ArrayList<>();
        private final List<Stall> stalls = new ArrayList<>();
        private final Map<String, Long> ends = new HashMap<>(); // a topic's last sign of life
        private long first = NEVER, lastError;

        /** An event as a script's listener gets it, or as read from JSON; other types are passed over. */
        public synchronized void add(Map<String, Object> e) {
            long ts = micros(e.get("ts")), at = e.get("at") == null ? ts : micros(e.get("at"));
            switch (String.valueOf(e.get("type"))) {
                case "fault" -> faults.add(new Fault(integer(e, "node"), (String) e.get("mode"), at));
                case "restored" -> restores.add(new Restored(integer(e, "node"), at));
                case "controller" -> controllers.add(new Controller(at, integer(e, "controller"), e.get("epoch") == null ? null : ((Number) e.get("epoch")).longValue()));
                case "leader" -> leds.add(new Led(ts, where(e), integer(e, "leader"), ids(e.get("isr")), ids(e.get("replicas"))));
                case "isr" -> isrs.add(new Isr(ts, integer(e, "partitions"), integer(e, "online"), integer(e, "underReplicated"), e.get("brokers") instanceof List<?> l ? l : List.of()));
                case "stall" -> {
                    long from = micros(e.get("from")), to = from + Math.round(((Number) e.get("ms")).doubleValue() * 1000);
                    stalls.add(new Stall(where(e), from, to));
                    ends.merge((String) e.get("topic"), to, Math::max);
                }
                case "send-error" -> lastError = Math.max(lastError, ts);
                case "ack" -> {
                    long sent = ts - ((Number) e.get("latencyUs")).longValue();
                    acks.computeIfAbsent(where(e), w -> new Acks()).add(ts, sent);
                    allAcks.add(ts, sent);
                    first = Math.min(first, ts);
                    ends.merge((String) e.get("topic"), ts, Math::max);
                }
                default -> { }
            }
        }

        private static Where where(Map<String, Object> e) { return new Where((String) e.get("topic"), integer(e, "partition")); }
        private static int integer(Map<String, Object> e, String field) { return ((Number) e.get(field)).intValue(); }
        private static List<Integer> ids(Object list) { return ((List<?>) list).stream().map(id -> ((Number) id).intValue()).toList(); }
        private static long micros(Object time) { return ChronoUnit.MICROS.between(Instant.EPOCH, Instant.parse((String) time)); }

        /** What they tell so far. */
        public synchronized Outages.Seen seen() {
            if (ends.size() == 1) ends.replaceAll((topic, end) -> Math.max(end, lastError)); // of several topics it does not say which
            return new Analysis(this).seen();
        }
    }

    /** Finds, for each fault, the wait of each partition and the moments that divide it. */
    private static final class Analysis {
        private final Events in;
        private final List<Fault> faults;
        private final List<Restored> restores;
        private final List<Controller> controllers;
        private final Map<Where, List<Led>> leds = new TreeMap<>();
        private final Map<Where, List<Span>> waits = new TreeMap<>();
        private final List<Span> allWaits = new ArrayList<>();

        Analysis(Events in) {
            this.in = in;
            faults = in.faults.stream().sorted(Comparator.comparingLong(Fault::at)).toList();
            restores = in.restores.stream().sorted(Comparator.comparingLong(Restored::at)).toList();
            controllers = in.controllers.stream().sorted(Comparator.comparingLong(Controller::at)).toList();
            in.leds.stream().sorted(Comparator.comparingLong(Led::at)).forEach(l -> leds.computeIfAbsent(l.where, w -> new ArrayList<>()).add(l));
            in.isrs.sort(Comparator.comparingLong(Isr::at));
            in.acks.forEach((where, acks) -> {
                waits.put(where, acks.waits(in.first));
                open(where, acks).ifPresent(waits.get(where)::add);
            });
            allWaits.addAll(in.allAcks.waits(in.first));
            if (!waits.isEmpty() && waits.values().stream().allMatch(w -> !w.isEmpty() && !w.get(w.size() - 1).ended))
                allWaits.add(new Span(in.allAcks.last(), waits.values().stream().mapToLong(w -> w.get(w.size() - 1).to).max().getAsLong(), false, in.allAcks.last()));
            for (Stall s : in.stalls) { // where not each acknowledgement is an event
                if (in.acks.isEmpty() && s.where.partition < 0) allWaits.add(new Span(s.from, s.to, true, s.from));
                if (s.where.partition >= 0 && !in.acks.containsKey(s.where)) waits.computeIfAbsent(s.where, w -> new ArrayList<>()).add(new Span(s.from, s.to, true, s.from));
            }
        }

        /** The wait that still lasted at the end: the producer said so when it ended, or it went on elsewhere and nothing that was sent here since the last fault was acknowledged. */
        private Optional<Span> open(Where where, Acks acks) {
            long last = acks.last(), end = in.ends.get(where.topic);
            Optional<Stall> stall = in.stalls.stream().filter(s -> s.where.equals(where) && s.to > last + LATE).max(Comparator.comparingLong(Stall::to));
            if (stall.isPresent()) return Optional.of(new Span(Math.max(last, stall.get().from), stall.get().to, false, last));
            boolean back = acks.lastSent() > faults.stream().mapToLong(Fault::at).filter(at -> at < end).max().orElse(0);
            return !back && end - last > Math.max(1_000_000, 3 * acks.interval()) ? Optional.of(new Span(last, end, false, last)) : Optional.empty();
        }

        Outages.Seen seen() {
            List<Outages.Outage> outages = new ArrayList<>();
            for (int i = 0; i < faults.size(); i++) outages.add(outage(i, outages));
            return new Outages.Seen(outages, availability());
        }

        private Outages.Outage outage(int i, List<Outages.Outage> before) {
            Fault fault = faults.get(i);
            List<Outages.Note> notes = new ArrayList<>();
            Map<Where, Span> spans = new TreeMap<>();
            waits.forEach((where, w) -> wait(i, w).ifPresent(s -> spans.put(where, s)));
            Optional<Span> all = wait(i, allWaits);
            long ended = spans.values().stream().mapToLong(s -> s.ended ? s.to : NEVER).max().orElse(fault.at), until = ended == NEVER ? NEVER : beforeNext(Math.max(ended, fault.at));
            Outages.Elected elected = elected(fault, until, notes);
            Long restored = restores.stream().filter(r -> r.node == fault.node && r.at > fault.at).map(Restored::at).findFirst().orElse(null);
            Long regained = elected == null ? null : regained(fault, micros(elected.at()));
            if (regained != null) notes.add(new Outages.Note("note.quorum", (regained - fault.at) / 1e6));
            List<Outages.Gap> gaps = new ArrayList<>();
            spans.forEach((where, s) -> gaps.add(gap(where, s, fault, regained, elected, led(fault, where, seenBy(s)))));
            Where firstBack = spans.entrySet().stream().filter(e -> all.isPresent() && e.getValue().to == all.get().to).map(Map.Entry::getKey).findFirst().orElse(null);
            Outages.Gap nothing = all.map(s -> gap(new Where("", -1), new Span(s.previous, s.to, s.ended, s.previous), fault, regained, elected,
                    firstBack == null ? null : led(fault, firstBack, seenBy(s)))).orElse(null);
            List<Outages.Gap> felt = gaps.stream().filter(g -> g.ms() * 1000 >= NOTICEABLE).toList();
            Instant firstAck = felt.stream().filter(Outages.Gap::ended).map(Outages.Gap::to).min(Comparator.naturalOrder()).orElse(null);
            Instant lastAck = felt.stream().allMatch(Outages.Gap::ended) ? felt.stream().map(Outages.Gap::to).max(Comparator.naturalOrder()).orElse(null) : null;
            Integer during = before.stream().filter(o -> o.partitions().stream().anyMatch(g -> g.ms() * 1000 >= NOTICEABLE && micros(g.to()) > fault.at)).map(Outages.Outage::number).findFirst().orElse(null);
            if (during != null) notes.add(new Outages.Note("note.during", during));
            noteProducer(gaps, felt, notes);
            Long inSync = inSync(fault);
            noteWatchers(fault, restored, inSync, notes);
            Integer moved = leds.isEmpty() ? null : (int) leds.values().stream().filter(l -> stateAt(l, fault.at).map(s -> s.leader == fault.node).orElse(false)).count();
            return new Outages.Outage(i + 1, fault.node, fault.mode, instant(fault.at), instant(restored), during, elected, instant(ledEverywhere(fault, until)), moved, firstAck, lastAck,
                    instant(inSync), nothing, gaps, notes);
        }

        private void noteProducer(List<Outages.Gap> gaps, List<Outages.Gap> felt, List<Outages.Note> notes) {
            if (waits.isEmpty()) notes.add(new Outages.Note("note.no-producer"));
            else if (gaps.isEmpty()) notes.add(new Outages.Note("note.no-sign"));
            else if (felt.isEmpty()) notes.add(new Outages.Note("note.no-outage"));
            long lasting = gaps.stream().filter(g -> !g.ended()).count();
            if (lasting > 0) notes.add(new Outages.Note("note.not-ended", lasting, gaps.size()));
            felt.stream().filter(g -> g.measuredMs() != null && Math.abs(g.measuredMs() - g.ms()) > 50).findFirst()
                    .ifPresent(g -> notes.add(new Outages.Note("note.measured", g.measuredMs(), g.name())));
        }

        private void noteWatchers(Fault fault, Long restored, Long inSync, List<Outages.Note> notes) {
            if (leds.isEmpty() && in.isrs.isEmpty()) notes.add(new Outages.Note("note.nobody-watched"));
            else if (leds.isEmpty()) notes.add(new Outages.Note("note.coarse-leaders"));
            if (inSync == null && !(leds.isEmpty() && in.isrs.isEmpty()))
                notes.add(new Outages.Note(restored == null ? "note.not-restored" : "note.not-in-sync", fault.node));
        }

        /** Until when the moments of a wait are seen: what follows a next fault is not this one's. */
        private long seenBy(Span wait) { return Math.min(wait.to + LATE, beforeNext(wait.to)); }

        private long beforeNext(long at) { return faults.stream().mapToLong(f -> f.at - 1).filter(f -> f >= at).min().orElse(NEVER); }

        /**
         * A partition's wait because of a fault: of those that last at the fault, or are the first after it and begin before the next, or have this as the last fault before them, the one that lasts longest from the fault on.
         * So the next fault's wait is not taken for this one's, unless this one's had not ended.
         */
        private Optional<Span> wait(int i, List<Span> waits) {
            long at = faults.get(i).at;
            Optional<Span> first = waits.stream().filter(s -> s.from > at).min(Comparator.comparingLong(Span::from));
            return waits.stream().filter(s -> s.to > at && (s.from <= at || s == first.get() && faults.stream().noneMatch(f -> f.at > at && f.at <= s.from) || faults.stream().noneMatch(f -> f.at > at && f.at <= s.to)))
                    .max(Comparator.comparingLong(s -> s.to - Math.max(s.from, at)));
        }

        private Outages.Gap gap(Where where, Span wait, Fault fault, Long regained, Outages.Elected elected, Long led) {
            Map<Outages.Phase, Double> phases = new EnumMap<>(Outages.Phase.class);
            long at = part(phases, Outages.Phase.before, wait.from, fault.at, wait);
            at = part(phases, Outages.Phase.quorum, at, regained, wait);
            at = part(phases, Outages.Phase.elect, at, elected == null ? null : micros(elected.at()), wait);
            at = part(phases, Outages.Phase.lead, at, led, wait);
            part(phases, wait.ended ? Outages.Phase.ack : Outages.Phase.open, at, wait.to, wait);
            Double measured = in.stalls.stream().filter(s -> s.where.partition == where.partition && (where.partition < 0 || s.where.topic.equals(where.topic)) && Math.abs(s.to - wait.to) < NOTICEABLE)
                    .min(Comparator.comparingLong(s -> Math.abs(s.to - wait.to))).map(s -> (s.to - s.from) / 1e3).orElse(null);
            return new Outages.Gap(where.topic, where.partition, instant(wait.from), instant(wait.to), wait.ended, new Outages.Phases(phases), measured);
        }

        /** A phase from one moment to the next, if the wait has it. A moment seen a little after the wait's end was felt before it was seen. @return where the next begins */
        private static long part(Map<Outages.Phase, Double> phases, Outages.Phase phase, long from, Long to, Span wait) {
            if (to == null || to > wait.to + LATE || to < from || to == from && phase != Outages.Phase.ack) return from;
            phases.put(phase, (Math.min(to, wait.to) - from) / 1e3);
            return Math.min(to, wait.to);
        }

        // ---- The moments ----

        /** Who is elected next, which is told by another epoch (or, where none is told, another node). */
        private Outages.Elected elected(Fault fault, long until, List<Outages.Note> notes) {
            Controller before = null;
            boolean none = false;
            for (Controller c : controllers) {
                if (c.at > until) break;
                if (c.at <= fault.at) {
                    if (c.node >= 0) before = c;
                    none = c.node < 0;
                    continue;
                }
                none |= c.node < 0;
                boolean other = before == null ? none : before.epoch != null && c.epoch != null ? !before.epoch.equals(c.epoch) : before.node != c.node;
                if (c.node >= 0 && other) return new Outages.Elected(c.node, c.epoch, instant(c.at));
            }
            notes.add(controllers.isEmpty() ? new Outages.Note("note.no-controller-watched") : before == null ? new Outages.Note("note.controller-unknown")
                    : before.node == fault.node || none ? new Outages.Note("note.not-elected") : new Outages.Note("note.no-election", fault.node));
            return null;
        }

        /** When the first node was brought back, if there was no controller until then: where no quorum is, waiting for it is a phase of its own. */
        private Long regained(Fault fault, long elected) {
            for (Restored r : restores) {
                if (r.at <= fault.at || r.at >= elected) continue;
                Controller c = controllers.stream().filter(x -> x.at <= r.at).reduce((a, b) -> b).orElse(null);
                Set<Integer> broken = faults.stream().filter(f -> f.at < r.at && restores.stream().noneMatch(x -> x.node == f.node && x.at > f.at && x.at < r.at)).map(Fault::node).collect(Collectors.toSet());
                if (broken.size() > 1 && (c == null || c.node < 0 || broken.contains(c.node))) return r.at;
            }
            return null;
        }

        private static Optional<Led> stateAt(List<Led> states, long at) { return states.stream().filter(l -> l.at <= at).reduce((a, b) -> b); }

        /** When every partition was, or null: none was concerned, or not all of them were seen to be led again. */
        private Long ledEverywhere(Fault fault, long until) {
            if (leds.isEmpty()) return led(fault, null, until);
            Long last = null;
            for (Where where : leds.keySet()) {
                Long led = led(fault, where, until);
                if (led != null && led == NEVER) return null;
                if (led != null) last = last == null ? led : Math.max(last, led);
            }
            return last;
        }

        /**
         * Since when, and still at the end, a partition is led by the living and has no dead member in its ISR; null if it always was, NEVER if not. A node that was killed and started again counts as dead until
         * it was out of the ISR: what the ISR says of it is old. And a leader that was left alone in the ISR cannot acknowledge by acks=all before another has joined.
         */
        private Long led(Fault fault, Where where, long until) {
            if (leds.isEmpty()) return in.isrs.stream().filter(s -> s.at > fault.at && s.at <= until && !s.brokers.contains(fault.node) && s.online == s.partitions && s.underReplicated > 0)
                    .map(Isr::at).findFirst().orElse(null);
            TreeMap<Long, List<Object>> steps = new TreeMap<>();
            Consumer<Object> add = x -> steps.computeIfAbsent(x instanceof Fault f ? f.at : x instanceof Restored r ? r.at : ((Led) x).at, t -> new ArrayList<>()).add(x);
            faults.forEach(add);
            restores.forEach(add);
            leds.getOrDefault(where, List.of()).forEach(add);
            Map<Integer, Fault> dead = new HashMap<>();
            Led state = null;
            long good = NEVER;
            boolean alone = false;
            for (var step : steps.headMap(until, true).entrySet()) {
                for (Object x : step.getValue()) {
                    if (x instanceof Fault f) dead.put(f.node, f);
                    else if (x instanceof Restored r && dead.containsKey(r.node) && !dead.get(r.node).ends()) dead.remove(r.node);
                    else if (x instanceof Led l) state = l;
                }
                if (state == null) continue;
                Led now = state;
                dead.keySet().removeIf(n -> !now.has(n));
                boolean more = alone && now.isr.size() > 1;
                if (!dead.isEmpty() || now.leader < 0) good = NEVER;
                else if (good == NEVER || more) good = step.getKey();
                alone = good != NEVER && now.isr.size() == 1 && now.replicas.size() > 1;
            }
            return state == null || good <= fault.at ? null : (Long) good;
        }

        /** When the node was in every ISR again after it had left one. */
        private Long inSync(Fault fault) {
            long until = faults.stream().filter(f -> f.node == fault.node && f.at > fault.at).mapToLong(Fault::at).min().orElse(NEVER);
            if (leds.isEmpty()) {
                boolean left = false;
                for (Isr s : in.isrs) {
                    if (s.at <= fault.at || s.at >= until) continue;
                    if (left && s.underReplicated == 0) return s.at;
                    left |= s.underReplicated > 0;
                }
                return null;
            }
            Set<Where> out = new HashSet<>();
            boolean left = false;
            for (Led l : leds.values().stream().flatMap(List::stream).sorted(Comparator.comparingLong(Led::at)).toList()) {
                if (l.at >= until) break;
                if (l.replicas.contains(fault.node) && !l.isr.contains(fault.node)) out.add(l.where);
                else out.remove(l.where);
                if (l.at <= fault.at) continue;
                if (left && out.isEmpty()) return l.at;
                left |= !out.isEmpty();
            }
            return null;
        }

        private Outages.Availability availability() {
            if (in.acks.isEmpty()) return null;
            long end = in.ends.values().stream().mapToLong(e -> e).max().getAsLong(), observed = end - in.first;
            for (Span s : allWaits) if (s.from - s.previous > 5_000_000) observed -= s.from - s.previous; // nobody sent anything: between two runs
            if (observed <= 0) return null;
            Map<Where, Long> lost = new TreeMap<>();
            waits.forEach((where, w) -> lost.put(where, noticeable(w)));
            Where worst = Collections.max(lost.entrySet(), Map.Entry.comparingByValue()).getKey();
            return new Outages.Availability(instant(in.first), instant(end), observed / 1e3, lost.size(), lost.values().stream().mapToLong(l -> l).sum() / (double) observed / lost.size(),
                    noticeable(allWaits) / (double) observed,
                    worst.topic + "-" + worst.partition, lost.get(worst) / (double) observed);
        }

        private static long noticeable(List<Span> waits) { return waits.stream().mapToLong(Span::length).filter(l -> l >= NOTICEABLE).sum(); }
    }

    private static long micros(Instant moment) { return ChronoUnit.MICROS.between(Instant.EPOCH, moment); }
    private static Instant instant(Long micros) { return micros == null || micros == NEVER ? null : Instant.EPOCH.plus(micros, ChronoUnit.MICROS); }
}
