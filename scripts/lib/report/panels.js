// What panels have in common: scales, lines, and the colours, which follow the browser's theme.

function readColours() {
  const css = getComputedStyle(document.documentElement);
  const colour = name => css.getPropertyValue('--' + name).trim();
  C = { nodes: [1, 2, 3, 4, 5, 6].map(i => colour('n' + i)) };
  for (const name of ['bg', 'ink', 'soft', 'line', 'wash', 'good', 'bad', 'warn', 'gap']) {
    C[name] = colour(name);
  }
}

const nodeColour = id => C.nodes[(((id - 1) % 6) + 6) % 6];

// A key's colour may have classes before it: l is a line, d a dashed one.
const asLine = colour => 'l ' + colour;
const asDashes = colour => 'l d ' + colour;

/** Returns a drawn key: a box or a line for each colour, and what it means. */
function keyOf(entries) {
  return entries.map(([style, meaning]) => {
    const classes = style.split(' ');
    const colour = classes.pop();
    const sample = el('i', { class: classes.join(' ') });
    sample.style[classes.length ? 'borderColor' : 'background'] = colour;
    return el('span', {}, sample, meaning);
  });
}

// ---- Series ----

const line = (label, stroke, more) =>
  Object.assign({ label, stroke, width: 1.75, points: { show: false }, spanGaps: false }, more);
const stepLine = (label, stroke, more) =>
  line(label, stroke, { paths: uPlot.paths.stepped({ align: 1 }), ...more });
const dots = (label, colour, size) =>
  line(label, colour, { paths: () => null, points: { show: true, size, width: 0, fill: colour } });

/** Returns the counts of bins as a rate, with zeros where there are no bins. */
function dense(bins) {
  const xs = [];
  const ys = [];
  if (!bins.x.length) {
    return [xs, ys];
  }
  let i = 0;
  for (let t = bins.x[0]; i < bins.x.length; t = +(t + bins.width).toFixed(3)) {
    const isThere = Math.abs(bins.x[i] - t) < bins.width / 2;
    xs.push(isThere ? bins.x[i] : t);
    ys.push(isThere ? bins.n[i++] / bins.width : 0);
    if (!isThere && xs.length > 9000) {
      break;
    }
  }
  xs.push(+(last(xs) + bins.width).toFixed(3));
  ys.push(last(ys));
  return [xs, ys];
}

/** Returns columns of what holds from a moment on, the last values until the run's end. */
function extended(run, steps, ...fields) {
  const columns = ['x', ...fields].map(field => steps[field].slice());
  const [x, ...values] = columns;
  if (x.length && last(x) < run.end) {
    x.push(run.end);
    values.forEach(column => column.push(last(column)));
  }
  return columns;
}

// ---- Scales ----

// As uPlot numbers them.
const LINEAR = 1;
const LOGARITHMIC = 3;
const ASINH = 4;

/** Returns the powers of ten around values in milliseconds. */
function decades(low, high) {
  const least = Math.floor(Math.log10(Math.max(low, 1e-3)));
  const most = Math.ceil(Math.log10(Math.max(high, low * 1.01, 1e-3)));
  return [10 ** least, 10 ** Math.max(most, least + 1)];
}

function powersBetween(low, high) {
  const powers = [];
  for (let e = Math.round(Math.log10(low)); e <= Math.round(Math.log10(high)); e++) {
    powers.push(10 ** e);
  }
  return powers;
}

const LOG_AXIS = {
  splits: (plot, axis, low, high) => powersBetween(low, high),
  filter: (plot, splits) => splits,
  values: (plot, splits) => splits.map(v => v >= 1000 ? v / 1000 + ' s' : +v.toPrecision(2) + ' ms'),
};

/** Returns values for ticks that divide n into equal parts. */
function dividing(n) {
  if (n % 3 === 0) {
    return [0, n / 3, 2 * n / 3, n];
  }
  return n % 2 ? [0, n] : [0, n / 2, n];
}

const AXIS_FONT = '11px system-ui, sans-serif';
const Y_AXIS_SIZE = 58;

/** Returns what all axes have in common. */
function axis(size, more) {
  const grid = { stroke: () => C.line, width: 1 };
  return { stroke: () => C.soft, font: AXIS_FONT, grid, ticks: { size: 4, ...grid }, size, ...more };
}
