// Panels of what clients saw: acknowledgements and their latency, and the load test.

/** A burst that catches up would flatten all else: then the scale is logarithmic from 10 on. */
function hasBurst(run) {
  const counts = run.rate.n.slice().sort((a, b) => a - b);
  return counts.length > 0 && last(counts) > 5 * counts[counts.length >> 1];
}

const isBursting = () => data.runs.some(hasBurst);

const ratePanel = {
  title: 'Acknowledgements',
  unit: () => isBursting() ? 'per second, log scale from 10 on' : 'per second',
  none: 'No acknowledgements in this stream: no producer wrote events.',
  hasGaps: true,
  scale: () => isBursting() ? ASINH : LINEAR,
  has: run => run.acks > 0,
  height: () => 120,
  data: run => dense(run.rate),
  series: () => [stepLine('acks/s', () => C.nodes[0], { fill: () => C.nodes[0] + '26' })],
  y: run => [0, max(run.rate.n) / run.rate.width * (isBursting() ? 2.2 : 1.25)],

  axis() {
    if (!isBursting()) {
      return {};
    }
    const powers = [1, 2, 3, 4, 5, 6, 7].map(e => 10 ** e);
    return {
      splits: (plot, axis, low, high) => [0, ...powers.filter(power => power <= high)],
      filter: (plot, splits) => splits,
    };
  },

  draw(pen, run) {
    const y = pen.top + 9 * pen.px;
    run.gaps.forEach(([from, to]) => pen.text(dur(to - from), { from, to, y }, C.gap));
    run.errorTimes.x.forEach(t => pen.tick(t, C.bad));
  },

  read(run, t) {
    const count = this.countAt(run.rate, t);
    const errors = this.countAt(run.errorTimes, t);
    const width = run.rate.width;
    return [
      width === 1 ? num(count) + ' in this second' : num(count / width) + '/s over ' + width + ' s',
      errors ? num(errors) + ' errors' : null,
      gapAt(run, t),
    ];
  },

  countAt(bins, t) {
    const i = before(bins.x, t);
    return i >= 0 && t < bins.x[i] + bins.width ? bins.n[i] : 0;
  },

  rest: run => [
    num(run.acks) + ' acknowledged',
    run.gaps.length ? 'longest gap ' + dur(longestGap(run)) : 'no gap over 1 s',
  ],
  key: run => [
    [C.gap + '3d', 'no acknowledgement, no controller'],
    [C.gap + '1c', 'no acknowledgement'],
    ...(run.errorTimes.x.length ? [[asLine(C.bad), 'errors of sends']] : []),
  ],
};

/** Microseconds as milliseconds that a logarithmic scale can show. */
const drawable = list => list.map(us => Math.max(us, 1) / 1000);

const latencyPanel = {
  title: 'Acknowledgement latency',
  unit: () => 'log scale',
  hasGaps: true,
  scale: () => LOGARITHMIC,
  has: run => run.acks > 0,
  height: () => 132,
  axis: () => LOG_AXIS,

  data(run) {
    const { single, delays } = run;
    return single ? [single.x, drawable(single.us)] : [delays.x, drawable(delays.max), drawable(delays.mean)];
  },

  series(run) {
    if (run.single) {
      return [dots('latency', () => C.nodes[0], 4)];
    }
    return [
      { ...dots('maximum', () => C.nodes[1], 2.5), width: 1 },
      dots('mean', () => C.nodes[0], 2.5),
    ];
  },

  y(run) {
    const us = run.single ? run.single.us : run.delays.mean.concat(run.delays.max);
    return decades(Math.max(min(us), 1) / 1000, max(us) / 1000);
  },

  read: (run, t) => run.single ? latencyPanel.readSingle(run.single, t) : latencyPanel.readSummed(run.delays, t),

  readSingle(single, t) {
    const i = nearest(single.x, t);
    const at = rel(single.x[i], .05);
    return [ms(single.us[i] / 1000), 'message ' + single.seq[i] + ', partition ' + single.p[i] + ', at ' + at];
  },

  readSummed(delays, t) {
    const i = nearest(delays.x, t);
    return [
      'mean ' + ms(delays.mean[i] / 1000),
      'maximum ' + ms(delays.max[i] / 1000),
      num(delays.n[i]) + ' in ' + ms(delays.width * 1000),
    ];
  },

  rest(run) {
    const curve = run.curves.acknowledgements;
    return ['median ' + ms(curve.p50), 'p99 ' + ms(curve.p99), 'maximum ' + ms(curve.max)];
  },

  key: run => run.single
    ? []
    : [[C.nodes[1], 'maximum'], [C.nodes[0], 'mean of each ' + ms(run.delays.width * 1000)]],
};

// ---- The load test ----

/** Returns a load test's windows as steps: each from its begin to its end, with a break where none follows at once. */
function windowSteps(windows, ...fields) {
  const x = [];
  const columns = fields.map(() => []);
  const add = (t, values) => {
    x.push(t);
    columns.forEach((column, k) => column.push(values[k]));
  };
  const lastValues = () => columns.map(last);
  windows.x.forEach((to, i) => {
    const previous = i ? windows.x[i - 1] : -Infinity;
    const from = windowBegin(windows, i, previous);
    if (i && from > previous) {
      add(previous, lastValues());
      add(previous + .0005, columns.map(() => null));
    }
    add(from, fields.map(field => Math.max(windows[field][i], .001)));
    if (i === windows.x.length - 1) {
      add(to, lastValues());
    }
  });
  return [x, ...columns];
}

/** A window's begin is worked out from its rate: what is near the end of the one before it is that. */
function windowBegin(windows, i, previous) {
  const begin = windows.from[i];
  const follows = i > 0 && begin - previous < .3 * (windows.x[i] - previous);
  return follows ? previous : Math.max(begin, previous + .001);
}

const loadPanel = {
  title: 'Load test',
  unit: () => 'records per second',
  none: 'No load test in this stream.',
  has: run => run.windows.x.length > 0,
  height: () => 100,
  data: run => windowSteps(run.windows, 'rate'),
  series: () => [stepLine('records/s', () => C.nodes[0], { fill: () => C.nodes[0] + '26' })],
  y: run => [0, max(run.windows.rate) * 1.15],

  read(run, t) {
    const { rate, from, x } = run.windows;
    const i = windowAt(run, t);
    return [num(rate[i]) + ' records/s', 'window ' + rel(from[i], .5) + ' to ' + rel(x[i], .5)];
  },

  rest(run) {
    const { x, rate } = run.windows;
    return [x.length + (x.length === 1 ? ' window' : ' windows'), 'at most ' + num(max(rate)) + ' records/s'];
  },

  key: () => [],
};

const loadLatencyPanel = {
  title: 'Load test, latency',
  unit: () => 'log scale',
  scale: () => LOGARITHMIC,
  has: run => run.windows.x.length > 0,
  height: () => 112,
  axis: () => LOG_AXIS,
  data: run => windowSteps(run.windows, 'max', 'p99', 'p50'),
  series: () => [
    stepLine('maximum', () => C.nodes[2]),
    stepLine('p99', () => C.nodes[1]),
    stepLine('p50', () => C.nodes[0]),
  ],
  y: run => decades(min(run.windows.p50), max(run.windows.max)),

  read(run, t) {
    const { p50, p99, max } = run.windows;
    const i = windowAt(run, t);
    return ['p50 ' + ms(p50[i]), 'p99 ' + ms(p99[i]), 'maximum ' + ms(max[i])];
  },

  rest: () => [],
  key: () => [[asLine(C.nodes[0]), 'p50'], [asLine(C.nodes[1]), 'p99'], [asLine(C.nodes[2]), 'maximum']],
};
