import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import org.HdrHistogram.Histogram;
import org.HdrHistogram.HistogramIterationValue;

/** A run as the page gets it: numbers and words for its panels and tables, times in seconds since the run's begin. */
final class PageData {
    /** What is known of a run besides its events. */
    record Source(String name, Set<String> notes, Damage damage, Map<String, Histogram> latency, Object cluster) {}

    /** Lines that are no event, and what is wrong with the first of them. */
    record Damage(long lines, String first) {}

    private final RunModel run;
    private final Source source;
    private final Map<String, Object> page = new LinkedHashMap<>();
    private final List<String> summedUp;

    PageData(RunModel run, Source source) {
        this.run = run;
        this.source = source;
        summedUp = new ArrayList<>(source.notes());
    }

    Map<String, Object> make() {
        run.sort();
        overview();
        run.acks.putInto(page, summedUp, this::seconds);
        page.put("errorTimes", run.errorTimes.forPage(this::seconds));
        controllersAndReplicas();
        page.put("nodes", nodes());
        gapsAndPartitions();
        marksAndSteps();
        page.put("windows", run.windows.forPage(summedUp, this::seconds));
        page.put("summaries", run.loadSummaries);
        page.put("errors", errors());
        page.put("curves", curves());
        page.put("outages", new FaultCosts(run, this::seconds).forPage());
        page.put("cluster", source.cluster());
        page.put("summed", summedUp);
        return page;
    }

    /** Rounds to milliseconds. */
    private double seconds(long us) {
        return Math.round((us - run.from) / 1e3) / 1e3;
    }

    private void overview() {
        boolean isEmpty = run.events == 0 && source.cluster() == null;
        page.put("name", source.name());
        page.put("t0", isEmpty ? 0.0 : run.from / 1e3);
        page.put("end", isEmpty ? 0.0 : seconds(run.to));
        page.put("events", run.events);
        page.put("damaged", source.damage().lines());
        page.put("firstDamage", source.damage().first());
        page.put("undrawn", run.unknownTypes);
        page.put("verdict", run.verdict);
        page.put("load", run.loadVerdict);
        page.put("producer", producer());
    }

    private Double[] producer() {
        if (run.producers.began == 0) {
            return null;
        }
        Double ended = run.producers.ended == 0 ? null : (Double) seconds(run.producers.ended);
        return new Double[] {seconds(run.producers.began), ended};
    }

    private void controllersAndReplicas() {
        List<StateChanges.Change<RunModel.Controller>> controllers = run.controllers.inOrder();
        page.put(
                "controller",
                Map.of(
                        "x", StateChanges.times(controllers, this::seconds),
                        "node", StateChanges.values(controllers, RunModel.Controller::node),
                        "epoch", StateChanges.values(controllers, RunModel.Controller::epoch)));
        List<StateChanges.Change<IsrState>> replicas = run.replicas.inOrder();
        page.put(
                "isr",
                Map.of(
                        "x", StateChanges.times(replicas, this::seconds),
                        "inSync", StateChanges.values(replicas, IsrState::inSync),
                        "replicas", StateChanges.values(replicas, IsrState::replicas),
                        "urp", StateChanges.values(replicas, IsrState::underReplicated),
                        "online",
                                StateChanges.values(
                                        replicas, state -> state.online().partitions()),
                        "partitions",
                                StateChanges.values(
                                        replicas, state -> state.online().of()),
                        "frozen", frozen(replicas)));
        if (run.controllers.isThinned() || run.replicas.isThinned()) {
            summedUp.add(
                    "of the states of controller and replicas only the worst and the last of each while are shown");
        }
    }

    private double[] frozen(List<StateChanges.Change<IsrState>> replicas) {
        return replicas.stream()
                .mapToLong(change -> change.state().frozenSince())
                .mapToDouble(since -> since == 0 ? -1 : Math.max(0, seconds(since)))
                .toArray();
    }

    private Map<String, Object> nodes() {
        Map<String, Object> nodes = new LinkedHashMap<>();
        run.nodes.forEach((id, states) -> {
            List<StateChanges.Change<RunModel.Liveness>> changes = states.inOrder();
            double[] times = StateChanges.times(changes, this::seconds);
            nodes.put("" + id, Map.of("x", times, "state", StateChanges.values(changes, Enum::ordinal)));
        });
        return nodes;
    }

    private void gapsAndPartitions() {
        page.put("gaps", run.gaps.forPage(this::seconds));
        if (run.gaps.leftOut() > 0) {
            long all = run.gaps.leftOut() + RunModel.DRAWN_GAPS;
            summedUp.add("of " + all + " gaps the longest " + RunModel.DRAWN_GAPS + " are drawn");
        }
        page.put("partitions", run.partitions.forPage(run.replicas.inOrder(), summedUp, this::seconds));
    }

    private void marksAndSteps() {
        page.put("faults", run.faults.stream().map(this::mark).toList());
        page.put("restored", run.restorations.stream().map(this::mark).toList());
        if (run.marksLeftOut > 0) {
            summedUp.add(run.marksLeftOut + " further faults and restorations are not drawn");
        }
        page.put("phases", run.steps.stream().map(this::step).toList());
    }

    private Map<String, Object> mark(RunModel.Mark mark) {
        return Map.of("t", seconds(mark.time()), "node", mark.node(), "mode", mark.mode(), "name", mark.name());
    }

    private Map<String, Object> step(RunModel.Step step) {
        Map<String, Object> onPage = new TreeMap<>(Map.of("name", step.name(), "from", seconds(step.from())));
        if (step.to() != null) {
            onPage.put("to", seconds(step.to()));
        }
        return onPage;
    }

    private List<Map<String, Object>> errors() {
        List<Map<String, Object>> errors = new ArrayList<>();
        run.errors.forEach(
                (error, tally) -> errors.add(Map.of("error", error, "n", tally.count, "first", seconds(tally.first))));
        return errors;
    }

    private Map<String, Object> curves() {
        Map<String, Object> curves = new LinkedHashMap<>();
        source.latency().forEach((tag, histogram) -> curves.put(tag, curve(histogram)));
        if (run.acks.histogram().getTotalCount() > 0) {
            curves.put("acknowledgements", curve(run.acks.histogram()));
        }
        return curves;
    }

    /** Returns percentiles and milliseconds, five points for each time that the distance to 100 has halved. */
    private static Map<String, Object> curve(Histogram us) {
        List<Double> percentiles = new ArrayList<>();
        List<Double> milliseconds = new ArrayList<>();
        for (HistogramIterationValue value : us.percentiles(5)) {
            if (value.getPercentileLevelIteratedTo() < 100) {
                percentiles.add(LoadWindows.rounded(value.getPercentileLevelIteratedTo()));
                milliseconds.add(LoadWindows.rounded(value.getValueIteratedTo() / 1e3));
            }
        }
        Map<String, Object> curve = new LinkedHashMap<>();
        curve.put("n", us.getTotalCount());
        curve.put("avg", us.getMean() / 1e3);
        curve.put("max", us.getMaxValue() / 1e3);
        curve.put("p", percentiles);
        curve.put("ms", milliseconds);
        curve.put("p50", us.getValueAtPercentile(50) / 1e3);
        curve.put("p95", us.getValueAtPercentile(95) / 1e3);
        curve.put("p99", us.getValueAtPercentile(99) / 1e3);
        curve.put("p999", us.getValueAtPercentile(99.9) / 1e3);
        return curve;
    }
}
