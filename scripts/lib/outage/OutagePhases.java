import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.*;
import java.util.function.*;
import java.util.stream.*;

/** How {@link Outages} comes to its answer: keeps of each event what is needed (times are microseconds), and finds the waits and the moments that divide them. */
class OutagePhases {
    /** Waits from here on count as unavailability; an acknowledgement takes some milliseconds. */
    private static final long NOTICEABLE = 200_000;
    /** A watcher may see a change this much later than the producer feels it. */
    private static final long LATE = 250_000;
    /** Within so long after a fault, or after its node is back, a wait is taken for its effect where nobody saw when all was in sync: a client's request.timeout.ms, a follower's replica.lag.time.max.ms. */
    private static final long AFTERMATH = 30_000_000;
    /** Silence without a message to wait for is only then a pause between two runs when it is so long, and so much longer than the time between two acknowledgements. */
    private static final long PAUSE = 5_000_000, PAUSE_INTERVALS = 10;
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
    private record Stall(Where where, long from, long to, boolean ended) { }
    /** No controller could be elected from the loss of the majority until a node was brought back. */
    private record NoQuorum(long from, long to) { }
    private record Span(long from, long to, boolean ended, long previous) { long length() { return to - from; } }

    /** Messages, by two times each: when it was sent, and when that came to an end. */
    private static final class Times {
        private long[] from = new long[16], to = new long[16];
        int n;

        void add(long from, long to) {
            if (n == this.to.length) {
                this.to = Arrays.copyOf(this.to, 2 * n);
                this.from = Arrays.copyOf(this.from, 2 * n);
            }
            this.to[n] = to;
            this.from[n++] = from;
        }

        /** Returns the same in the order of their ends. */
        Times sorted() {
            Times sorted = new Times();
            IntStream.range(0, n).boxed().sorted(Comparator.comparingLong(i -> to[i])).forEach(i -> sorted.add(from[i], to[i]));
            return sorted;
        }

        /** Returns, for each and one more, when the first of it and those after it was sent; NEVER for none. */
        long[] earliestFrom() {
            long[] earliest = new long[n + 1];
            earliest[n] = NEVER;
            for (int i = n - 1; i >= 0; i--) earliest[i] = Math.min(earliest[i + 1], from[i]);
            return earliest;
        }

        long last() { return Arrays.stream(to, 0, n).max().orElse(0); }
        long lastSent() { return Arrays.stream(from, 0, n).max().orElse(0); }
        double interval() { return n < 2 ? 0 : (last() - Arrays.stream(to, 0, n).min().getAsLong()) / (n - 1.0); }
    }

    /** What was sent to one partition, or to all of them. A message that ended without an acknowledgement, such as one that expired, was waited for all the same, until another is acknowledged. */
    private static final class Sends {
        final Times acked = new Times(), unanswered = new Times();

        /**
         * Returns the waits, as the producer measures them: from the acknowledgement before, or from when the first of the messages that were outstanding was sent.
         * @param first nothing counts before
         */
        List<Span> waits(long first) {
            Times acks = acked.sorted(), others = unanswered.sorted();
            long[] earliest = acks.earliestFrom(), earliestOther = others.earliestFrom();
            List<Span> waits = new ArrayList<>();
            for (int i = 0, open = 0; i < acks.n; i++) {
                long previous = i == 0 ? first : acks.to[i - 1];
                while (i > 0 && open < others.n && others.to[open] <= previous) open++; // they had ended before that acknowledgement
                long from = Math.max(previous, Math.min(earliest[i], earliestOther[open]));
                if (from < acks.to[i]) waits.add(new Span(from, acks.to[i], true, previous));
            }
            return waits;
        }

        /** Returns since when a message is waited for that ended without an acknowledgement, and nothing was acknowledged since; NEVER if there is none. */
        long waitingSince() {
            long last = acked.last();
            return IntStream.range(0, unanswered.n).filter(i -> unanswered.to[i] > last).mapToLong(i -> Math.max(last, unanswered.from[i])).min().orElse(NEVER);
        }
    }

    /** Takes events in any order and keeps what outages need of them. */
    public static final class Events {
        private final Map<Where, Sends> sends = new TreeMap<>();
        private final Sends allSends = new Sends();
        private final Set<Fault> faults = new LinkedHashSet<>();
        private final Set<Restored> restores = new LinkedHashSet<>();
        private final List<Controller> controllers = new ArrayList<>();
        private final List<Led> leds = new ArrayList<>();
        private final List<Isr> isrs = new ArrayList<>();
        private final List<Stall> stalls = new ArrayList<>();
        private final Set<Long> producersEnds = new TreeSet<>();
        private final Map<String, Long> ends = new HashMap<>(); // a topic's last sign of life
        private long first = NEVER, lastError;
        private boolean producersSeen, errorsWithoutPartition;

        /**
         * Takes an event as a script's listener gets it, or as read from JSON. Of other types nothing is read.
         * @throws IllegalArgumentException which says what is wrong, if it lacks what is needed of its type
         */
        public synchronized void add(Map<String, Object> event) {
            Fields e = new Fields(event);
            switch (e.text("type")) {
                case "fault" -> faults.add(new Fault(e.whole("node"), e.text("mode"), e.at()));
                case "restored" -> restores.add(new Restored(e.whole("node"), e.at()));
                case "controller" -> controllers.add(new Controller(e.at(), e.whole("controller"), e.has("epoch") ? e.number("epoch").longValue() : null));
                case "leader" -> leds.add(new Led(e.time("ts"), e.where(), e.whole("leader"), e.ids("isr"), e.ids("replicas")));
                case "isr" -> isrs.add(new Isr(e.time("ts"), e.whole("partitions"), e.whole("online"), e.whole("underReplicated"), event.get("brokers") instanceof List<?> l ? l : List.of()));
                case "stall" -> stall(e);
                case "producer" -> producer(e);
                case "send-error" -> unanswered(e);
                case "ack" -> acknowledged(e);
                default -> { }
            }
        }

        private void stall(Fields e) {
            long from = e.time("from"), to = from + Math.round(e.number("ms").doubleValue() * 1000);
            stalls.add(new Stall(e.where(), from, to, !Boolean.FALSE.equals(e.event.get("ended"))));
            ends.merge(e.text("topic"), to, Math::max);
        }

        private void producer(Fields e) {
            producersSeen = true;
            if (e.text("state").equals("end")) producersEnds.add(e.time("ts"));
        }

        private void unanswered(Fields e) {
            long ts = e.time("ts");
            lastError = Math.max(lastError, ts);
            if (!e.has("partition") || !e.has("latencyUs")) { // of an earlier version
                errorsWithoutPartition = true;
                return;
            }
            long sent = ts - e.number("latencyUs").longValue();
            Where where = e.where();
            sends.computeIfAbsent(where, w -> new Sends()).unanswered.add(sent, ts);
            allSends.unanswered.add(sent, ts);
            ends.merge(where.topic, ts, Math::max);
        }

        private void acknowledged(Fields e) {
            long ts = e.time("ts"), sent = ts - e.number("latencyUs").longValue();
            Where where = e.where();
            sends.computeIfAbsent(where, w -> new Sends()).acked.add(sent, ts);
            allSends.acked.add(sent, ts);
            first = Math.min(first, ts);
            ends.merge(where.topic, ts, Math::max);
        }

        /** Returns from when on waits count: the first acknowledgement; where there was none, the first message. */
        private long begin() { return first < NEVER ? first : Arrays.stream(allSends.unanswered.from, 0, allSends.unanswered.n).min().orElse(NEVER); }

        /** What they tell so far. */
        public synchronized Outages.Seen seen() {
            if (ends.size() == 1) ends.replaceAll((topic, end) -> Math.max(end, lastError)); // of several topics it does not say which
            return new Analysis(this).seen();
        }
    }

    /** An event's fields, each read only when it is used; one that is not there, or of another kind, is named. */
    private record Fields(Map<String, Object> event) {
        boolean has(String field) { return event.get(field) != null; }
        String text(String field) { return of(String.class, field); }
        Number number(String field) { return of(Number.class, field); }
        int whole(String field) { return number(field).intValue(); }
        Where where() { return new Where(text("topic"), whole("partition")); }
        long at() { return time(has("at") ? "at" : "ts"); }

        long time(String field) {
            try { return micros(Instant.parse(text(field))); }
            catch (java.time.format.DateTimeParseException | ArithmeticException e) { throw wrong(field); }
        }

        List<Integer> ids(String field) {
            List<?> list = of(List.class, field);
            if (!list.stream().allMatch(id -> id instanceof Number)) throw wrong(field);
            return list.stream().map(id -> ((Number) id).intValue()).toList();
        }

        private <T> T of(Class<T> type, String field) {
            if (!type.isInstance(event.get(field))) throw wrong(field);
            return type.cast(event.get(field));
        }

        private IllegalArgumentException wrong(String field) {
            String type = event.get("type") instanceof String t ? "'" + t + "'" : "no event";
            return new IllegalArgumentException(type + (has(field) ? " with a wrong " : " without ") + field);
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
            long begin = in.begin();
            in.sends.forEach((where, sends) -> {
                List<Span> ended = sends.waits(begin);
                if (in.errorsWithoutPartition) ended.replaceAll(span -> asMeasured(where, span));
                open(where, sends).ifPresent(ended::add);
                waits.put(where, ended);
            });
            allWaits.addAll(in.allSends.waits(begin));
            if (in.errorsWithoutPartition) allWaits.replaceAll(span -> asMeasured(ALL, span));
            for (Stall s : in.stalls) if (s.where.partition >= 0 && !in.sends.containsKey(s.where)) waits.computeIfAbsent(s.where, w -> new ArrayList<>()).add(unseen(s));
            openForAll().ifPresent(allWaits::add);
            if (in.sends.isEmpty()) for (Stall s : in.stalls) if (s.where.partition < 0) allWaits.add(unseen(s));
        }

        private static final Where ALL = new Where("", -1);

        /** Returns the wait of a stall in whose partition no message was seen. Where those of others were, this one acknowledged nothing. */
        private Span unseen(Stall s) { return new Span(s.from, s.to, s.ended && in.sends.isEmpty(), s.from); }

        /** Returns a wait as the producer measured it, who knew of the messages that expired, where their events do not say of which partition they were. */
        private Span asMeasured(Where where, Span wait) {
            return in.stalls.stream().filter(s -> s.where.partition == where.partition && (where.partition < 0 || s.where.topic.equals(where.topic)))
                    .filter(s -> s.from < wait.from && s.to > wait.from && Math.abs(s.to - wait.to) < NOTICEABLE).min(Comparator.comparingLong(Stall::from))
                    .map(s -> new Span(s.from, wait.to, true, Math.min(s.from, wait.previous))).orElse(wait);
        }

        /**
         * The wait that still lasted at the end: a message ended without acknowledgement and none has been acknowledged since; or the producer said so when it ended; or it went on
         * elsewhere and nothing that was sent here since the last fault was acknowledged.
         */
        private Optional<Span> open(Where where, Sends sends) {
            long last = Math.max(sends.acked.last(), in.begin()), end = in.ends.get(where.topic), since = sends.waitingSince();
            Optional<Stall> stall = in.stalls.stream().filter(s -> s.where.equals(where) && s.to > last + LATE).max(Comparator.comparingLong(Stall::to));
            if (stall.isPresent()) return Optional.of(new Span(Math.max(last, Math.min(since, stall.get().from)), Math.max(stall.get().to, since == NEVER ? 0 : end), false, last));
            if (since < NEVER) return end - Math.max(last, since) < NOTICEABLE ? Optional.empty() : Optional.of(new Span(Math.max(last, since), end, false, last));
            boolean back = sends.acked.lastSent() > faults.stream().mapToLong(Fault::at).filter(at -> at < end).max().orElse(0);
            double interval = sends.acked.n > 1 ? sends.acked.interval() : in.allSends.acked.interval() * in.sends.size();
            if (back || end - last <= Math.max(1_000_000, 3 * interval)) return Optional.empty();
            long due = interval < 1_000_000 ? last : last + (long) interval; // at a low rate nothing is outstanding before
            return Optional.of(new Span(due, end, false, last));
        }

        /** Returns the time in which nothing at all was acknowledged, if it lasted until the end. */
        private Optional<Span> openForAll() {
            long last = Math.max(in.allSends.acked.last(), in.begin()), since = in.allSends.waitingSince();
            boolean all = !waits.isEmpty() && waits.values().stream().allMatch(w -> !w.isEmpty() && !w.get(w.size() - 1).ended);
            if (in.sends.isEmpty() || !all) return Optional.empty();
            long end = waits.values().stream().mapToLong(w -> w.get(w.size() - 1).to).max().getAsLong();
            return Optional.of(new Span(since == NEVER ? last : Math.max(last, since), end, false, last));
        }

        Outages.Seen seen() {
            List<Outages.Outage> outages = new ArrayList<>();
            for (int i = 0; i < faults.size(); i++) outages.add(outage(i, outages));
            return new Outages.Seen(outages, availability(), unattributed());
        }

        /** Returns the waits that no fault explains, the longest first. */
        private List<Outages.Gap> unattributed() {
            List<Outages.Gap> others = new ArrayList<>();
            waits.forEach((where, list) -> {
                Set<Span> left = list.stream().filter(s -> s.length() >= NOTICEABLE).collect(Collectors.toCollection(LinkedHashSet::new));
                for (int i = 0; i < faults.size() && !left.isEmpty(); i++) connected(i, list).forEach(left::remove);
                for (Span s : left) others.add(new Outages.Gap(where.topic, where.partition, instant(s.from), instant(s.to), s.ended, new Outages.Phases(Map.of()), null));
            });
            others.sort(Comparator.comparing(Outages.Gap::ms).reversed());
            return others;
        }

        private Outages.Outage outage(int i, List<Outages.Outage> before) {
            Fault fault = faults.get(i);
            List<Outages.Note> notes = new ArrayList<>();
            Map<Where, Span> spans = new TreeMap<>();
            waits.forEach((where, w) -> wait(i, w).ifPresent(s -> spans.put(where, s)));
            Optional<Span> all = wait(i, allWaits);
            long ended = spans.values().stream().filter(Span::ended).mapToLong(Span::to).max().orElse(fault.at);
            boolean lasts = spans.values().stream().anyMatch(s -> !s.ended);
            long until = Math.min(beforeOthersElection(fault), lasts ? NEVER : beforeNext(Math.max(ended, fault.at)));
            Outages.Elected elected = elected(fault, until, notes);
            Long restored = restored(fault);
            NoQuorum lost = elected == null ? null : noQuorum(fault, micros(elected.at()));
            if (lost != null) notes.add(new Outages.Note("note.quorum", (lost.to - fault.at) / 1e6));
            List<Outages.Gap> gaps = new ArrayList<>();
            spans.forEach((where, s) -> gaps.add(gap(where, s, fault, lost, elected, led(fault, where, s.ended ? seenBy(s) : Math.min(seenBy(s), until)))));
            Where firstBack = spans.entrySet().stream().filter(e -> all.isPresent() && e.getValue().to == all.get().to).map(Map.Entry::getKey).findFirst().orElse(null);
            Outages.Gap nothing = all.map(s -> gap(ALL, new Span(s.previous, s.to, s.ended, s.previous), fault, lost, elected,
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

        /** Returns the moment before the first fault after this one that found a living controller: an election after that is not of this one. */
        private long beforeOthersElection(Fault fault) {
            for (Fault next : faults) {
                if (next.at <= fault.at) continue;
                Controller c = controllers.stream().filter(x -> x.at < next.at).reduce((a, b) -> b).orElse(null);
                if (c != null && c.node >= 0 && !brokenAt(next.at - 1).containsKey(c.node)) return next.at - 1;
            }
            return NEVER;
        }

        /** Returns the nodes that were broken and not restored, and since when. */
        private Map<Integer, Long> brokenAt(long at) {
            Map<Integer, Long> broken = new HashMap<>();
            for (Fault f : faults) {
                boolean restored = restores.stream().anyMatch(r -> r.node == f.node && r.at > f.at && r.at <= at);
                if (f.at <= at && !restored) broken.merge(f.node, f.at, Math::min);
            }
            return broken;
        }

        /** A partition's wait because of a fault: the longest of those connected with it from the fault on; one from when its node was back only where nothing waited noticeably at first. */
        private Optional<Span> wait(int i, List<Span> waits) {
            long at = faults.get(i).at;
            ToLongFunction<Span> length = s -> s.to - Math.max(s.from, at);
            Predicate<Span> preferred = s -> !s.ended || windows(i).first(s) && length.applyAsLong(s) >= NOTICEABLE;
            return connected(i, waits).stream().max(Comparator.comparing(preferred::test).thenComparingLong(length));
        }

        /**
         * Returns the waits of a partition that are connected with a fault. They last at the fault; or begin in one of its windows, and are the first after it and begin before the next, or
         * have this as the last fault before them. So neither the next fault's wait is taken for this one's, unless this one's had not ended, nor a later one that has nothing to do with it.
         */
        private List<Span> connected(int i, List<Span> waits) {
            long at = faults.get(i).at, next = beforeNext(at + 1);
            Windows windows = windows(i);
            Span first = waits.stream().filter(s -> s.from > at).min(Comparator.comparingLong(Span::from)).orElse(null);
            return waits.stream().filter(s -> s.to > at)
                    .filter(s -> s.from <= at || s == first && s.from <= Math.min(next, at + AFTERMATH) || windows.have(s) && (s == first ? s.from : s.to) <= next).toList();
        }

        /** When a wait may begin that is a fault's: until the others lead, and from when its node is back until it is in sync. What comes between the two is not its cost. */
        private record Windows(long firstEnds, long backFrom, long backEnds) {
            boolean first(Span s) { return s.from <= firstEnds; }
            boolean have(Span s) { return first(s) || s.from >= backFrom && s.from <= backEnds; }
        }

        private final Map<Integer, Windows> windows = new HashMap<>();

        private Windows windows(int i) { return windows.computeIfAbsent(i, n -> windows(faults.get(n))); }

        /** Returns the windows of a fault; where a moment was not seen, and since a client may be late to notice, they last for half a minute. */
        private Windows windows(Fault fault) {
            Long inSync = inSync(fault), restored = restored(fault), led = ledEverywhere(fault, beforeNext(fault.at + 1));
            long first = (led == null ? fault.at : led) + AFTERMATH;
            if (inSync != null) return new Windows(Math.min(first, inSync + LATE), restored == null ? inSync - AFTERMATH : restored, inSync + LATE);
            return restored == null ? new Windows(first, NEVER, NEVER) : new Windows(first, restored, restored + AFTERMATH);
        }

        private Long restored(Fault fault) { return restores.stream().filter(r -> r.node == fault.node && r.at > fault.at).map(Restored::at).findFirst().orElse(null); }

        private Outages.Gap gap(Where where, Span wait, Fault fault, NoQuorum lost, Outages.Elected elected, Long led) {
            Map<Outages.Phase, Double> phases = new EnumMap<>(Outages.Phase.class);
            long at = part(phases, Outages.Phase.before, wait.from, fault.at, wait);
            if (lost != null) {
                at = part(phases, Outages.Phase.elect, at, lost.from, wait); // an election that the loss of the majority broke off
                at = part(phases, Outages.Phase.quorum, at, lost.to, wait);
            }
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
            phases.merge(phase, (Math.min(to, wait.to) - from) / 1e3, Double::sum);
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

        /** When the majority of three was lost, and the first node was brought back, if there was no controller until then: where no quorum is, waiting for it is a phase of its own. */
        private NoQuorum noQuorum(Fault fault, long elected) {
            for (Restored r : restores) {
                if (r.at <= fault.at || r.at >= elected) continue;
                Controller c = controllers.stream().filter(x -> x.at <= r.at).reduce((a, b) -> b).orElse(null);
                Map<Integer, Long> broken = brokenAt(r.at - 1);
                if (broken.size() > 1 && (c == null || c.node < 0 || broken.containsKey(c.node)))
                    return new NoQuorum(Math.max(fault.at, broken.values().stream().sorted().skip(1).findFirst().orElseThrow()), r.at);
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
            if (in.sends.isEmpty()) return null;
            long begin = in.begin(), end = in.ends.values().stream().mapToLong(e -> e).max().getAsLong(), observed = end - begin;
            long pause = Math.max(PAUSE, PAUSE_INTERVALS * medianInterval());
            for (Span s : allWaits) if (s.from - s.previous > pause && nobodyProduced(s.previous, s.from)) observed -= s.from - s.previous;
            if (observed <= 0) return null;
            Map<Where, Long> lost = new TreeMap<>();
            waits.forEach((where, w) -> lost.put(where, noticeable(w)));
            Where worst = Collections.max(lost.entrySet(), Map.Entry.comparingByValue()).getKey();
            return new Outages.Availability(instant(begin), instant(end), observed / 1e3, lost.size(), lost.values().stream().mapToLong(l -> l).sum() / (double) observed / lost.size(),
                    noticeable(allWaits) / (double) observed,
                    worst.topic + "-" + worst.partition, lost.get(worst) / (double) observed);
        }

        /** Returns whether a silence was between two runs; a producer that says when it ends did not end, as long as it does not say so. */
        private boolean nobodyProduced(long from, long to) { return !in.producersSeen || in.producersEnds.stream().anyMatch(end -> end >= from && end <= to); }

        private long medianInterval() {
            long[] intervals = allWaits.stream().filter(Span::ended).mapToLong(s -> s.to - s.previous).sorted().toArray();
            return intervals.length == 0 ? 0 : (intervals[(intervals.length - 1) / 2] + intervals[intervals.length / 2]) / 2;
        }

        private static long noticeable(List<Span> waits) { return waits.stream().mapToLong(Span::length).filter(l -> l >= NOTICEABLE).sum(); }
    }

    private static long micros(Instant moment) { return ChronoUnit.MICROS.between(Instant.EPOCH, moment); }
    private static Instant instant(Long micros) { return micros == null || micros == NEVER ? null : Instant.EPOCH.plus(micros, ChronoUnit.MICROS); }
}
