import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.function.LongToDoubleFunction;
import java.util.function.Predicate;
import java.util.stream.Stream;

/**
 * What followed each fault: as outages says in the stream (the lab has it at its end), and before that, as far as the
 * stream shows it. What did not happen, or cannot be seen, is absent.
 */
final class FaultCosts {
    private static final Map<String, String> REPORTED = Map.of(
            "elected", "electedMs",
            "firstAck", "firstAckMs",
            "allAck", "lastAckMs",
            "inSync", "inSyncMs");

    private final RunModel run;
    private final LongToDoubleFunction seconds;

    FaultCosts(RunModel run, LongToDoubleFunction seconds) {
        this.run = run;
        this.seconds = seconds;
    }

    /** Returns a map for each fault, in the order of time. */
    List<Map<String, Object>> forPage() {
        run.sort();
        List<Map<String, Object>> costs = new ArrayList<>();
        for (int i = 0; i < run.faults.size(); i++) {
            boolean isLast = i + 1 == run.faults.size();
            costs.add(new Cost(
                            run.faults.get(i),
                            isLast ? Long.MAX_VALUE : run.faults.get(i + 1).time())
                    .forPage());
        }
        return costs;
    }

    /** Works out what one fault cost. */
    private final class Cost {
        private final RunModel.Mark fault;
        private final OptionalLong restored;
        /** The next fault or the restoration: what begins later has another cause. */
        private final long until;

        private final Map<String, Object> page = new LinkedHashMap<>();

        Cost(RunModel.Mark fault, long nextFault) {
            this.fault = fault;
            restored = run.restorations.stream()
                    .filter(mark -> mark.node() == fault.node())
                    .mapToLong(RunModel.Mark::time)
                    .filter(time -> time >= fault.time())
                    .findFirst();
            until = Math.min(nextFault, restored.orElse(Long.MAX_VALUE));
        }

        Map<String, Object> forPage() {
            page.put("node", fault.node());
            page.put("name", fault.name());
            page.put("mode", fault.mode());
            put("at", OptionalLong.of(fault.time()));
            put("restored", restored);
            election();
            acknowledgements();
            replicas();
            run.outages.stream().filter(this::isOfThisFault).findFirst().ifPresent(this::reported);
            return page;
        }

        private void election() {
            List<StateChanges.Change<RunModel.Controller>> changes = run.controllers.inOrder();
            Optional<RunModel.Controller> before = changes.stream()
                    .filter(change -> change.time() < fault.time())
                    .reduce((first, second) -> second)
                    .map(StateChanges.Change::state);
            OptionalLong lost = first(changes, controller -> controller.node() < 0, fault.time());
            if (lost.isPresent() && lost.getAsLong() >= until) {
                lost = OptionalLong.empty();
            }
            OptionalLong elected = first(changes, after -> isElected(after, before), fault.time());
            boolean wasController = before.filter(controller -> controller.node() == fault.node())
                    .isPresent();
            page.put("wasController", wasController);
            if (lost.isPresent() || wasController || elected.orElse(Long.MAX_VALUE) < until) {
                put("lost", lost);
                put("elected", elected);
            }
        }

        private static boolean isElected(RunModel.Controller after, Optional<RunModel.Controller> before) {
            boolean isOther = before.isEmpty()
                    || after.node() != before.get().node()
                    || after.epoch() > before.get().epoch();
            return after.node() >= 0 && isOther;
        }

        /**
         * Looks at the gap that holds the fault, or the first one after it, and at the partitions that waited in it.
         */
        private void acknowledgements() {
            Optional<LongestGaps.Gap> gap = run.gaps
                    .inOrder()
                    .filter(g -> g.to() > fault.time() && g.from() < until)
                    .findFirst();
            long waitsBegin = gap.map(LongestGaps.Gap::to).orElse(until);
            OptionalLong lastWaitEnds = run.partitions
                    .gaps()
                    .filter(g -> g.to() > fault.time() && g.from() < waitsBegin)
                    .mapToLong(LongestGaps.Gap::to)
                    .max();
            gap.ifPresent(g -> put("gapFrom", OptionalLong.of(g.from())));
            OptionalLong gapEnds = gap.stream().mapToLong(LongestGaps.Gap::to).findFirst();
            if (!lasts(gapEnds)) {
                put("firstAck", gapEnds);
            }
            if (!lasts(gapEnds) && !lasts(lastWaitEnds)) {
                put("allAck", later(gapEnds, lastWaitEnds));
            }
        }

        private boolean lasts(OptionalLong end) {
            return end.isPresent() && run.endsOfOpenGaps.contains(end.getAsLong());
        }

        private void replicas() {
            List<StateChanges.Change<IsrState>> changes = run.replicas.inOrder();
            OptionalLong shrunk = first(changes, IsrState::hasShrunk, fault.time());
            put("shrunk", shrunk);
            if (shrunk.isPresent()) {
                long canHeal = later(shrunk, restored).getAsLong();
                put("inSync", first(changes, IsrState::isAllInSync, canHeal));
            }
        }

        private boolean isOfThisFault(RunModel.ReportedOutage outage) {
            return outage.node() == fault.node() && Math.abs(outage.time() - fault.time()) < 1_000;
        }

        /**
         * Takes what outages found out, which is more than can be seen from here: it has each acknowledgement and
         * leader.
         */
        private void reported(RunModel.ReportedOutage outage) {
            REPORTED.forEach((moment, field) -> {
                page.remove(moment);
                outage.event()
                        .milliseconds(field)
                        .ifPresent(after -> put(moment, OptionalLong.of(fault.time() + after)));
            });
            page.put("gap", outage.event().get("gap"));
        }

        private void put(String moment, OptionalLong us) {
            us.ifPresent(time -> page.put(moment, seconds.applyAsDouble(time)));
        }
    }

    private static <S> OptionalLong first(List<StateChanges.Change<S>> changes, Predicate<S> state, long from) {
        return changes.stream()
                .filter(change -> change.time() >= from && state.test(change.state()))
                .mapToLong(StateChanges.Change::time)
                .findFirst();
    }

    private static OptionalLong later(OptionalLong one, OptionalLong other) {
        return Stream.of(one, other).flatMapToLong(OptionalLong::stream).max();
    }
}
