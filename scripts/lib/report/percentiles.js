// The percentile curve: latencies of load and producer, both scales logarithmic.

let curvePlot = null;

const CURVE_HEIGHT = 240;
const OTHER_COLOUR = 5;
/** Where the axis has ticks: the places of 0, 50, 90, 99, ... percent. */
const NINES = [0, .30103, 1, 2, 3, 4, 5, 6, 7];

const placeOf = percentile => -Math.log10(1 - percentile / 100);
const percentileAt = place => 100 - 10 ** (2 - place);

function curvesOf(runs) {
  return runs.flatMap((run, i) => Object.entries(run.curves).map(([tag, curve]) => {
    const { name, colour } = CURVES[tag] || { name: tag, colour: OTHER_COLOUR };
    return {
      curve,
      isFirstRun: i === 0,
      tag,
      name: name + (runs.length > 1 ? ', ' + run.name : ''),
      colour: () => C.nodes[colour],
    };
  }));
}

function drawCurve() {
  const root = document.getElementById('curve');
  root.replaceChildren();
  const curves = curvesOf(data.runs);
  if (!curves.length) {
    root.append(paragraph('No latencies: neither a latency log (.hlog) nor acknowledgements.'));
    return;
  }
  const out = el('output', {}, remarkOn(curves));
  const box = el('div', {});
  const title = el('h3', {}, 'Latency by percentile', el('small', {}, 'both scales logarithmic'));
  const key = keyOf(curves.map(({ isFirstRun, colour, name }) =>
    [isFirstRun ? asLine(colour()) : 'l d ' + colour(), name]));
  root.append(el('section', { class: 'panel', 'data-kind': 'percentiles' },
    el('header', {}, title, out), box, el('div', { class: 'key' }, key)));
  const columns = curves.map(({ curve }) => [curve.p.map(placeOf), curve.ms.map(v => Math.max(v, .001))]);
  const joined = uPlot.join(columns, columns.map(() => [2, 2]));
  curvePlot = new uPlot(curveOptions(curves, out), joined, box);
}

function remarkOn(curves) {
  const tags = curves.map(({ tag }) => tag);
  if (tags.includes('response')) {
    return '';
  }
  return tags.includes('service') ? 'no response time: the load had no rate' : 'no .hlog of a load test';
}

const curveWidth = () => Math.max(240, document.getElementById('curve').clientWidth);

function curveOptions(curves, out) {
  const end = Math.min(7, max(curves.map(({ curve }) => placeOf(last(curve.p))), 1));
  const low = min(curves.map(({ curve }) => Math.max(.001, curve.ms[0])));
  const range = decades(low, max(curves.map(({ curve }) => curve.max)));
  return {
    width: curveWidth(),
    height: CURVE_HEIGHT,
    padding: [8, 16, 0, 0],
    legend: { show: false },
    cursor: { y: false, points: { show: false }, drag: { x: false, y: false } },
    scales: {
      x: { time: false, auto: false, range: () => [0, end] },
      y: { distr: LOGARITHMIC, auto: false, range: () => range },
    },
    axes: [
      axis(HEIGHT_OF_X_AXIS, {
        splits: () => NINES.filter(place => place <= end),
        values: (plot, splits) => splits.map(place => percentileTick(plot, place)),
      }),
      axis(Y_AXIS_SIZE, LOG_AXIS),
    ],
    series: [{}, ...curves.map(({ name, colour, isFirstRun }) =>
      line(name, colour, { spanGaps: true, dash: isFirstRun ? undefined : [6, 4] }))],
    hooks: { setCursor: [plot => sayPercentile(plot, curves, out)] },
  };
}

function percentileTick(plot, place) {
  if (place === 0) {
    return plot.width < 500 ? '' : '0 %';
  }
  return place < 1 ? '50 %' : +percentileAt(place).toFixed(5) + ' %';
}

function sayPercentile(plot, curves, out) {
  const isInside = plot.cursor.left >= 0;
  out.className = isInside ? 'at' : '';
  if (!isInside) {
    out.textContent = remarkOn(curves);
    return;
  }
  const place = plot.posToVal(plot.cursor.left, 'x');
  const percentile = percentileAt(place);
  const values = curves.map(({ curve, name }) => name + ' ' + ms(valueAt(curve, percentile)));
  out.textContent = +percentile.toFixed(place < 1 ? 1 : Math.ceil(place)) + ' %: ' + values.join(SEPARATOR);
}

function valueAt(curve, percentile) {
  const i = curve.p.findIndex(p => p >= percentile);
  return i < 0 ? curve.max : curve.ms[i];
}

function resizeCurve() {
  if (curvePlot) {
    curvePlot.setSize({ width: curveWidth(), height: CURVE_HEIGHT });
  }
}
