//SOURCES Outage.java OutageFindings.java OutageMoments.java OutageStream.java OutageWaits.java SendTimes.java

import java.io.File;
import java.time.Instant;
import java.util.*;
import java.util.function.Predicate;
import java.util.function.ToLongFunction;
import java.util.stream.Stream;
import org.apache.kafka.common.TopicPartition;

/** Finds, for each fault, the wait of each partition and the moments that divide it. */
final class OutageAnalysis {
    private static final long NEVER = OutageStream.NEVER;
    private static final long NOTICEABLE = OutageWaits.NOTICEABLE;
    private static final long LATE = OutageWaits.LATE;
    /**
     * A wait that begins this soon after a fault, or after its node is back, is taken for its effect where nobody saw
     * when all was in sync: a client's request.timeout.ms, a follower's replica.lag.time.max.ms.
     */
    private static final long AFTERMATH = 30_000_000;
    /** By how much the producer's own figure may differ from the events before it is worth a remark. */
    private static final double DIFFERENCE_MS = 50;

    private final OutageMoments moments;
    private final OutageWaits waits;
    private final Map<OutageStream.Fault, Windows> windows = new HashMap<>();

    private OutageAnalysis(OutageStream stream) {
        moments = new OutageMoments(stream);
        waits = new OutageWaits(stream);
    }

    /** Returns what the events of a stream come to so far. */
    static OutageFindings of(OutageStream stream) {
        return new OutageAnalysis(stream).findings();
    }

    /** Returns what the events of a file come to; damaged lines are left out. */
    static OutageFindings of(File file) {
        OutageStream stream = new OutageStream();
        stream.read(file.toString());
        return of(stream);
    }

    /** Returns what the events come to, in whatever order they are; damaged ones are left out. */
    static OutageFindings of(List<Map<String, Object>> events) {
        OutageStream stream = new OutageStream();
        for (Map<String, Object> event : events) {
            try {
                stream.add(event);
            } catch (IllegalArgumentException damaged) {
                // it says nothing
            }
        }
        return of(stream);
    }

    private OutageFindings findings() {
        List<Outage> outages = new ArrayList<>();
        for (OutageStream.Fault fault : moments.faults) {
            outages.add(new Case(fault).outage(outages));
        }
        return new OutageFindings(outages, waits.availability(), unattributed());
    }

    /** Returns the waits that no fault explains, the longest first. */
    private List<Outage.Gap> unattributed() {
        return waits.byPartition.entrySet().stream()
                .flatMap(entry -> unattributed(entry.getKey(), entry.getValue()))
                .sorted(Comparator.comparing(Outage.Gap::ms).reversed())
                .toList();
    }

    private Stream<Outage.Gap> unattributed(TopicPartition partition, List<SendTimes.Wait> all) {
        Set<SendTimes.Wait> left = new LinkedHashSet<>(all);
        left.removeIf(wait -> wait.length() < NOTICEABLE);
        moments.faults.forEach(fault -> connected(fault, all).forEach(left::remove));
        return left.stream().map(wait -> gap(partition, wait, Map.of(), null));
    }

    private static Outage.Gap gap(
            TopicPartition partition, SendTimes.Wait wait, Map<Outage.Phase, Double> phases, Double measuredMs) {
        Instant from = OutageStream.instant(wait.from());
        Instant to = OutageStream.instant(wait.to());
        return new Outage.Gap(partition, from, to, wait.ended(), new Outage.Phases(phases), measuredMs);
    }

    // ---- Which wait belongs to which fault ----

    /**
     * Returns a partition's wait because of a fault: the longest of those connected with it from the fault on. One from
     * when its node was back counts only where nothing waited noticeably at first.
     */
    private Optional<SendTimes.Wait> waitOf(OutageStream.Fault fault, List<SendTimes.Wait> all) {
        ToLongFunction<SendTimes.Wait> length = wait -> wait.to() - Math.max(wait.from(), fault.at());
        Predicate<SendTimes.Wait> isFirst = windowsOf(fault)::hasFirst;
        Predicate<SendTimes.Wait> preferred =
                wait -> !wait.ended() || isFirst.test(wait) && length.applyAsLong(wait) >= NOTICEABLE;
        return connected(fault, all).stream()
                .max(Comparator.comparing(preferred::test).thenComparingLong(length));
    }

    /**
     * Returns the waits of a partition that are connected with a fault. They last at the fault; or begin in one of its
     * windows, and are the first after it and begin before the next, or have this as the last fault before them. So
     * neither the next fault's wait is taken for this one's, unless this one's had not ended, nor a later one that has
     * nothing to do with it.
     */
    private List<SendTimes.Wait> connected(OutageStream.Fault fault, List<SendTimes.Wait> all) {
        SendTimes.Wait first = all.stream()
                .filter(wait -> wait.from() > fault.at())
                .min(Comparator.comparingLong(SendTimes.Wait::from))
                .orElse(null);
        long next = moments.beforeNext(fault.at() + 1);
        long soon = Math.min(next, fault.at() + AFTERMATH);
        Windows windows = windowsOf(fault);
        Predicate<SendTimes.Wait> isEffect = wait -> windows.have(wait) && wait.to() <= next;
        Predicate<SendTimes.Wait> isFirst =
                wait -> wait == first && (wait.from() <= soon || windows.have(wait) && wait.from() <= next);
        return all.stream()
                .filter(wait -> wait.to() > fault.at())
                .filter(wait -> wait.from() <= fault.at() || isFirst.test(wait) || isEffect.test(wait))
                .toList();
    }

    /**
     * When a wait may begin that belongs to a fault: until the others lead, and from when its node is back until it is
     * in sync. What comes between the two is not its cost.
     */
    private record Windows(long firstEnds, long backFrom, long backEnds) {
        boolean hasFirst(SendTimes.Wait wait) {
            return wait.from() <= firstEnds;
        }

        boolean have(SendTimes.Wait wait) {
            return hasFirst(wait) || wait.from() >= backFrom && wait.from() <= backEnds;
        }
    }

    private Windows windowsOf(OutageStream.Fault fault) {
        return windows.computeIfAbsent(fault, this::findWindows);
    }

    /** Where a moment was not seen, and since a client may be late to notice, they last for half a minute. */
    private Windows findWindows(OutageStream.Fault fault) {
        Long inSync = moments.inSync(fault);
        Long restored = moments.restored(fault);
        Long led = moments.ledEverywhere(fault, moments.beforeNext(fault.at() + 1));
        long first = (led == null ? fault.at() : led) + AFTERMATH;
        if (inSync != null) {
            long from = restored == null ? inSync - AFTERMATH : restored;
            return new Windows(Math.min(first, inSync + LATE), from, inSync + LATE);
        }
        return restored == null ? new Windows(first, NEVER, NEVER) : new Windows(first, restored, restored + AFTERMATH);
    }

    // ---- One fault ----

    /** A fault, the waits because of it, and the moments that divide all of them alike. */
    private final class Case {
        private final OutageStream.Fault fault;
        private final Map<TopicPartition, SendTimes.Wait> caused = new TreeMap<>(OutageStream.BY_NAME);
        private final Optional<SendTimes.Wait> causedForAll;
        private final long until;
        private final OutageMoments.Election election;
        private final OutageMoments.NoQuorum noQuorum;
        private final List<Outage.Note> notes = new ArrayList<>();

        Case(OutageStream.Fault fault) {
            this.fault = fault;
            waits.byPartition.forEach(
                    (partition, all) -> waitOf(fault, all).ifPresent(wait -> caused.put(partition, wait)));
            causedForAll = waitOf(fault, waits.all);
            until = Math.min(moments.beforeOthersElection(fault), endOfWaits());
            election = moments.election(fault, until);
            noQuorum = elected() == null
                    ? null
                    : moments.noQuorum(fault, OutageStream.micros(elected().at()));
        }

        private Outage.Elected elected() {
            return election.elected();
        }

        /** Returns until when a moment can end a wait: until the next fault after all of them ended. */
        private long endOfWaits() {
            if (!caused.values().stream().allMatch(SendTimes.Wait::ended)) {
                return NEVER;
            }
            long ended =
                    caused.values().stream().mapToLong(SendTimes.Wait::to).max().orElse(fault.at());
            return moments.beforeNext(Math.max(ended, fault.at()));
        }

        Outage outage(List<Outage> before) {
            List<Outage.Gap> gaps = new ArrayList<>();
            caused.forEach((partition, wait) -> gaps.add(divided(partition, wait, ledDuring(partition, wait))));
            List<Outage.Gap> felt =
                    gaps.stream().filter(OutageAnalysis::isNoticeable).toList();
            Integer during = stillLasting(before);
            Integer moved = moments.countLedBy(fault.node(), fault.at());
            Long inSync = moments.inSync(fault);
            addNotes(during, gaps, felt, inSync);
            return new Outage(
                    before.size() + 1,
                    new Outage.Fault(fault.node(), fault.mode(), OutageStream.instant(fault.at()), during, moved),
                    recovery(felt, inSync),
                    gapOfAll(),
                    gaps,
                    notes);
        }

        private Outage.Moments recovery(List<Outage.Gap> felt, Long inSync) {
            List<Instant> acks = felt.stream()
                    .filter(Outage.Gap::ended)
                    .map(Outage.Gap::to)
                    .sorted()
                    .toList();
            boolean allEnded = acks.size() == felt.size();
            return new Outage.Moments(
                    OutageStream.instant(moments.restored(fault)),
                    elected(),
                    OutageStream.instant(moments.ledEverywhere(fault, until)),
                    acks.isEmpty() ? null : acks.get(0),
                    acks.isEmpty() || !allEnded ? null : acks.get(acks.size() - 1),
                    OutageStream.instant(inSync));
        }

        /** Returns the number of the first earlier fault whose outage still lasted. */
        private Integer stillLasting(List<Outage> before) {
            return before.stream()
                    .filter(outage -> outage.partitions().stream().anyMatch(this::lasted))
                    .map(Outage::number)
                    .findFirst()
                    .orElse(null);
        }

        private boolean lasted(Outage.Gap gap) {
            return isNoticeable(gap) && OutageStream.micros(gap.to()) > fault.at();
        }

        // ---- Its phases ----

        private Long ledDuring(TopicPartition partition, SendTimes.Wait wait) {
            long seen = seenUntil(wait);
            return moments.led(fault, partition, wait.ended() ? seen : Math.min(seen, until));
        }

        /** Returns until when the moments of a wait are seen: what follows a next fault does not belong to this one. */
        private long seenUntil(SendTimes.Wait wait) {
            return Math.min(wait.to() + LATE, moments.beforeNext(wait.to()));
        }

        /** Returns the time in which nothing was acknowledged; it ended where the first partition was back. */
        private Outage.Gap gapOfAll() {
            if (causedForAll.isEmpty()) {
                return null;
            }
            SendTimes.Wait wait = causedForAll.get();
            Optional<TopicPartition> firstBack = caused.entrySet().stream()
                    .filter(partition -> partition.getValue().to() == wait.to())
                    .map(Map.Entry::getKey)
                    .findFirst();
            Long led = firstBack
                    .map(partition -> moments.led(fault, partition, seenUntil(wait)))
                    .orElse(null);
            SendTimes.Wait silence = new SendTimes.Wait(wait.previous(), wait.to(), wait.ended(), wait.previous());
            return divided(OutageWaits.ALL, silence, led);
        }

        private Outage.Gap divided(TopicPartition partition, SendTimes.Wait wait, Long led) {
            Division division = new Division(wait);
            division.until(Outage.Phase.BEFORE, fault.at());
            if (noQuorum != null) {
                division.until(Outage.Phase.ELECT, noQuorum.from()); // the loss of the majority broke the election off
                division.until(Outage.Phase.QUORUM, noQuorum.to());
            }
            division.until(
                    Outage.Phase.ELECT,
                    elected() == null ? null : OutageStream.micros(elected().at()));
            division.until(Outage.Phase.LEAD, led);
            division.until(wait.ended() ? Outage.Phase.ACK : Outage.Phase.OPEN, wait.to());
            return gap(partition, wait, division.phases, waits.measuredMs(partition, wait));
        }

        // ---- Its remarks ----

        private void addNotes(Integer during, List<Outage.Gap> gaps, List<Outage.Gap> felt, Long inSync) {
            moments.noElection(fault, election).ifPresent(notes::add);
            if (noQuorum != null) {
                note("note.quorum", (noQuorum.to() - fault.at()) / 1e6);
            }
            if (during != null) {
                note("note.during", during);
            }
            noteProducer(gaps, felt);
            noteWatchers(inSync);
        }

        private void noteProducer(List<Outage.Gap> gaps, List<Outage.Gap> felt) {
            if (waits.byPartition.isEmpty()) {
                note("note.no-producer");
            } else if (gaps.isEmpty()) {
                note("note.no-sign");
            } else if (felt.isEmpty()) {
                note("note.no-outage");
            }
            long lasting = gaps.stream().filter(gap -> !gap.ended()).count();
            if (lasting > 0) {
                note("note.not-ended", lasting, gaps.size());
            }
            felt.stream()
                    .filter(gap -> gap.measuredMs() != null && Math.abs(gap.measuredMs() - gap.ms()) > DIFFERENCE_MS)
                    .findFirst()
                    .ifPresent(gap -> note("note.measured", gap.measuredMs(), gap.name()));
        }

        private void noteWatchers(Long inSync) {
            if (!moments.isrsWereWatched()) {
                note("note.nobody-watched");
            } else if (!moments.leadersWereWatched()) {
                note("note.coarse-leaders");
            }
            if (inSync == null && moments.isrsWereWatched()) {
                boolean restored = moments.restored(fault) != null;
                note(restored ? "note.not-in-sync" : "note.not-restored", fault.node());
            }
        }

        private void note(String key, Object... args) {
            notes.add(new Outage.Note(key, args));
        }
    }

    private static boolean isNoticeable(Outage.Gap gap) {
        return gap.ms() * 1000 >= NOTICEABLE;
    }

    /** Divides a wait at the moments that were seen, in their order. */
    private static final class Division {
        private final SendTimes.Wait wait;
        private final Map<Outage.Phase, Double> phases = new EnumMap<>(Outage.Phase.class);
        private long at;

        Division(SendTimes.Wait wait) {
            this.wait = wait;
            at = wait.from();
        }

        /** Ends a phase, if the wait has it. A moment seen just after the wait's end was felt before it was seen. */
        void until(Outage.Phase phase, Long moment) {
            if (moment == null || moment > wait.to() + LATE || moment < at) {
                return;
            }
            if (moment == at && phase != Outage.Phase.ACK) {
                return;
            }
            long end = Math.min(moment, wait.to());
            phases.merge(phase, (end - at) / 1e3, Double::sum);
            at = end;
        }
    }
}
