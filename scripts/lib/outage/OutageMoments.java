//SOURCES OutageStream.java Outage.java

import java.util.*;
import org.apache.kafka.common.TopicPartition;

/** The moments that the watchers saw: elections, new leaders, members back in sync. */
final class OutageMoments {
    private static final long NEVER = OutageStream.NEVER;

    final List<OutageStream.Fault> faults;
    private final List<OutageStream.Restored> restores;
    private final List<OutageStream.Controller> controllers;
    private final List<OutageStream.Isr> isrs;
    private final Map<TopicPartition, List<OutageStream.Leader>> leaders;

    OutageMoments(OutageStream stream) {
        faults = stream.faults();
        restores = stream.restores();
        controllers = stream.controllers();
        isrs = stream.isrs();
        leaders = stream.leaders();
    }

    boolean leadersWereWatched() {
        return !leaders.isEmpty();
    }

    boolean isrsWereWatched() {
        return !leaders.isEmpty() || !isrs.isEmpty();
    }

    // ---- Faults ----

    /** Returns the moment before the next fault; NEVER if there is none. */
    long beforeNext(long at) {
        return faults.stream()
                .mapToLong(fault -> fault.at() - 1)
                .filter(before -> before >= at)
                .min()
                .orElse(NEVER);
    }

    /** Returns when the node was brought back, or null. */
    Long restored(OutageStream.Fault fault) {
        return restores.stream()
                .filter(restored -> restored.node() == fault.node() && restored.at() > fault.at())
                .map(OutageStream.Restored::at)
                .findFirst()
                .orElse(null);
    }

    /** Returns the nodes that were broken and not restored, and since when. */
    private Map<Integer, Long> brokenAt(long at) {
        Map<Integer, Long> broken = new HashMap<>();
        for (OutageStream.Fault fault : faults) {
            Long restored = restored(fault);
            boolean lasts = restored == null || restored > at;
            if (fault.at() <= at && lasts) {
                broken.merge(fault.node(), fault.at(), Math::min);
            }
        }
        return broken;
    }

    // ---- The controller ----

    /** Who is elected after a fault, if anybody is; and whom the watchers saw before. */
    record Election(Outage.Elected elected, OutageStream.Controller before, boolean vacant) {}

    /** Returns the next election, which shows as another epoch or, where no epoch is reported, as another node. */
    Election election(OutageStream.Fault fault, long until) {
        OutageStream.Controller before = null;
        boolean vacant = false;
        for (OutageStream.Controller seen : controllers) {
            if (seen.at() > until) {
                break;
            }
            boolean leads = seen.node() >= 0;
            if (seen.at() <= fault.at()) {
                before = leads ? seen : before;
                vacant = !leads;
                continue;
            }
            vacant |= !leads;
            boolean isNew = before == null ? vacant : isAnother(seen, before);
            if (leads && isNew) {
                Outage.Elected elected = new Outage.Elected(seen.node(), seen.epoch(), OutageStream.instant(seen.at()));
                return new Election(elected, before, vacant);
            }
        }
        return new Election(null, before, vacant);
    }

    private static boolean isAnother(OutageStream.Controller seen, OutageStream.Controller before) {
        if (before.epoch() != null && seen.epoch() != null) {
            return !before.epoch().equals(seen.epoch());
        }
        return before.node() != seen.node();
    }

    /** Returns the remark on an election that was not seen. */
    Optional<Outage.Note> noElection(OutageStream.Fault fault, Election election) {
        if (election.elected != null) {
            return Optional.empty();
        }
        if (controllers.isEmpty()) {
            return Optional.of(new Outage.Note("note.no-controller-watched"));
        }
        if (election.before == null) {
            return Optional.of(new Outage.Note("note.controller-unknown"));
        }
        if (election.before.node() == fault.node() || election.vacant) {
            return Optional.of(new Outage.Note("note.not-elected"));
        }
        return Optional.of(new Outage.Note("note.no-election", fault.node()));
    }

    /** From the loss of the majority until a node was brought back, no controller could be elected. */
    record NoQuorum(long from, long to) {}

    /**
     * Returns when the majority of three was lost and the first node was brought back, if there was no controller until
     * then: waiting for a quorum is a phase of its own. Null if there was a quorum.
     */
    NoQuorum noQuorum(OutageStream.Fault fault, long elected) {
        return restores.stream()
                .filter(restored -> restored.at() > fault.at() && restored.at() < elected)
                .map(restored -> noQuorumUntil(fault, restored.at()))
                .filter(Objects::nonNull)
                .findFirst()
                .orElse(null);
    }

    private NoQuorum noQuorumUntil(OutageStream.Fault fault, long restored) {
        Map<Integer, Long> broken = brokenAt(restored - 1);
        if (broken.size() < 2 || livingControllerAt(restored, broken)) {
            return null;
        }
        long secondLost = broken.values().stream().sorted().skip(1).findFirst().orElseThrow();
        return new NoQuorum(Math.max(fault.at(), secondLost), restored);
    }

    private boolean livingControllerAt(long at, Map<Integer, Long> broken) {
        return controllers.stream()
                .filter(seen -> seen.at() <= at)
                .reduce((earlier, later) -> later)
                .filter(last -> last.node() >= 0 && !broken.containsKey(last.node()))
                .isPresent();
    }

    /**
     * Returns the moment before the first later fault that found a living controller: an election after that does not
     * belong to this fault.
     */
    long beforeOthersElection(OutageStream.Fault fault) {
        return faults.stream()
                .filter(next -> next.at() > fault.at())
                .mapToLong(next -> next.at() - 1)
                .filter(before -> livingControllerAt(before, brokenAt(before)))
                .findFirst()
                .orElse(NEVER);
    }

    // ---- Leaders ----

    /** Returns how many partitions a node led; null if nobody watched. */
    Integer countLedBy(int node, long at) {
        if (leaders.isEmpty()) {
            return null;
        }
        return (int) leaders.values().stream()
                .flatMap(states -> stateAt(states, at).stream())
                .filter(state -> state.node() == node)
                .count();
    }

    private static Optional<OutageStream.Leader> stateAt(List<OutageStream.Leader> states, long at) {
        return states.stream().filter(state -> state.at() <= at).reduce((earlier, later) -> later);
    }

    /** Returns since when all partitions are led; null if none was concerned, or not all were seen to be led again. */
    Long ledEverywhere(OutageStream.Fault fault, long until) {
        if (leaders.isEmpty()) {
            return ledByIsrs(fault, until);
        }
        List<Long> led = leaders.keySet().stream()
                .map(partition -> led(fault, partition, until))
                .filter(Objects::nonNull)
                .toList();
        return led.stream()
                .max(Comparator.naturalOrder())
                .filter(last -> last != NEVER)
                .orElse(null);
    }

    /**
     * Returns since when, and still at the end, a partition has a live leader and no failed replica in its ISR; null if
     * it always had, NEVER if it has not.
     *
     * <p>A node that was killed and started again counts as dead until it was out of the ISR: what the ISR says of it
     * is old. And a leader that was left alone in the ISR cannot acknowledge by acks=all before another one has joined.
     */
    Long led(OutageStream.Fault fault, TopicPartition partition, long until) {
        if (leaders.isEmpty()) {
            return ledByIsrs(fault, until);
        }
        Replay replay = new Replay();
        TreeMap<Long, List<Runnable>> steps = new TreeMap<>();
        faults.forEach(f -> stepsAt(steps, f.at()).add(() -> replay.broken(f)));
        restores.forEach(r -> stepsAt(steps, r.at()).add(() -> replay.restored(r)));
        for (OutageStream.Leader state : leaders.getOrDefault(partition, List.of())) {
            stepsAt(steps, state.at()).add(() -> replay.changed(state));
        }
        steps.headMap(until, true).forEach((at, changes) -> {
            changes.forEach(Runnable::run);
            replay.judge(at);
        });
        return replay.neverLed() || replay.ledSince <= fault.at() ? null : (Long) replay.ledSince;
    }

    private static List<Runnable> stepsAt(Map<Long, List<Runnable>> steps, long at) {
        return steps.computeIfAbsent(at, t -> new ArrayList<>());
    }

    private Long ledByIsrs(OutageStream.Fault fault, long until) {
        return isrs.stream()
                .filter(seen -> seen.at() > fault.at() && seen.at() <= until)
                .filter(seen -> !seen.brokers().contains(fault.node()))
                .filter(seen -> seen.online() == seen.partitions() && seen.underReplicated() > 0)
                .map(OutageStream.Isr::at)
                .findFirst()
                .orElse(null);
    }

    /** A partition's state, change by change. */
    private static final class Replay {
        private final Map<Integer, OutageStream.Fault> dead = new HashMap<>();
        private OutageStream.Leader state;
        private long ledSince = NEVER;
        private boolean alone;

        void broken(OutageStream.Fault fault) {
            dead.put(fault.node(), fault);
        }

        void restored(OutageStream.Restored restored) {
            OutageStream.Fault fault = dead.get(restored.node());
            if (fault != null && !fault.endsProcess()) {
                dead.remove(restored.node());
            }
        }

        void changed(OutageStream.Leader changed) {
            state = changed;
        }

        void judge(long at) {
            if (state == null) {
                return;
            }
            dead.keySet().removeIf(node -> !state.involves(node));
            boolean joined = alone && state.isr().size() > 1;
            if (!dead.isEmpty() || state.node() < 0) {
                ledSince = NEVER;
            } else if (ledSince == NEVER || joined) {
                ledSince = at;
            }
            boolean isAlone = state.isr().size() == 1 && state.replicas().size() > 1;
            alone = ledSince != NEVER && isAlone;
        }

        boolean neverLed() {
            return state == null;
        }
    }

    // ---- In sync ----

    /** Returns when the node was in every ISR again after it had left one; null if that was not seen. */
    Long inSync(OutageStream.Fault fault) {
        long until = faults.stream()
                .filter(next -> next.node() == fault.node() && next.at() > fault.at())
                .mapToLong(OutageStream.Fault::at)
                .min()
                .orElse(NEVER);
        return leaders.isEmpty() ? inSyncByIsrs(fault, until) : inSyncByLeaders(fault, until);
    }

    private Long inSyncByIsrs(OutageStream.Fault fault, long until) {
        boolean left = false;
        for (OutageStream.Isr seen : isrs) {
            if (seen.at() <= fault.at() || seen.at() >= until) {
                continue;
            }
            if (left && seen.underReplicated() == 0) {
                return seen.at();
            }
            left |= seen.underReplicated() > 0;
        }
        return null;
    }

    private Long inSyncByLeaders(OutageStream.Fault fault, long until) {
        Set<TopicPartition> out = new HashSet<>();
        boolean left = false;
        List<OutageStream.Leader> changes = leaders.values().stream()
                .flatMap(List::stream)
                .filter(change -> change.at() < until)
                .sorted(Comparator.comparingLong(OutageStream.Leader::at))
                .toList();
        for (OutageStream.Leader change : changes) {
            boolean isOut =
                    change.replicas().contains(fault.node()) && !change.isr().contains(fault.node());
            if (isOut) {
                out.add(change.partition());
            } else {
                out.remove(change.partition());
            }
            if (change.at() <= fault.at()) {
                continue;
            }
            if (left && out.isEmpty()) {
                return change.at();
            }
            left |= !out.isEmpty();
        }
        return null;
    }
}
