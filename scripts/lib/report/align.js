// Several runs are laid over each other at their first fault.

/** Makes data that has just arrived ready to be drawn. */
function prepare() {
  data.aligned = data.runs.length > 1 && data.runs.every(run => run.faults.length);
  for (const run of data.runs) {
    run.begin = 0;
    addOpenGap(run);
    if (data.aligned) {
      shift(run, run.faults[0].t);
    }
  }
}

/**
 * Live, a gap is one before it ends: as long as the producer goes on, or, where it does not say so, a step of the lab,
 * or the stream knows of none.
 */
function addOpenGap(run) {
  run.open = LIVE && !run.verdict && run.lastAck != null && run.end - gapBegin(run) > 1 && isProducing(run);
  if (!run.open) {
    return;
  }
  const acknowledged = run.partitions.filter(partition => partition.acks);
  for (const gaps of [run.gaps, ...acknowledged.map(partition => partition.gaps)]) {
    gaps.push([gapBegin(run), run.end]);
  }
  for (const outage of run.outages) {
    if (outage.firstAck == null && outage.at >= run.lastAck - .5) {
      outage.gapFrom = run.lastAck;
    }
  }
}

const gapBegin = run => Math.max(run.lastAck, run.producer ? run.producer[0] : 0);

function isProducing(run) {
  if (run.producer) {
    return run.producer[1] == null;
  }
  return !run.phases.length || last(run.phases).to == null;
}

/** Moves all times of a run. */
function shift(run, by) {
  const moved = t => t == null ? t : +(t - by).toFixed(3);
  const move = (object, ...fields) => {
    for (const field of fields.filter(name => object[name] != null)) {
      const value = object[field];
      object[field] = Array.isArray(value) ? value.map(moved) : moved(value);
    }
  };
  run.t0 += by * 1000;
  move(run, 'begin', 'end', 'lastAck');
  const drawn = [run.rate, run.errorTimes, run.single, run.delays, run.controller, run.isr, run.windows];
  for (const series of [...drawn, ...Object.values(run.nodes), ...run.partitions].filter(Boolean)) {
    move(series, 'x');
  }
  move(run.windows, 'from');
  run.isr.frozen = run.isr.frozen.map(t => t < 0 ? t : moved(t));
  for (const gap of [...run.gaps, ...run.partitions.flatMap(partition => partition.gaps)]) {
    gap.splice(0, 2, ...gap.map(moved));
  }
  [...run.faults, ...run.restored].forEach(mark => move(mark, 't'));
  run.phases.forEach(step => move(step, 'from', 'to'));
  run.errors.forEach(error => move(error, 'first'));
  const moments = ['at', 'restored', 'lost', 'elected', 'gapFrom', 'firstAck', 'allAck', 'shrunk', 'inSync'];
  run.outages.forEach(outage => move(outage, ...moments));
}
