// The timeline of a run: its panels, which share one span of time and one cursor, also with those of other runs.

/** In the order in which they stand on the page. */
const PANELS = {
  nodes: nodesPanel,
  rate: ratePanel,
  latency: latencyPanel,
  isr: isrPanel,
  urp: underReplicatedPanel,
  parts: partitionsPanel,
  load: loadPanel,
  loadLatency: loadLatencyPanel,
};

const TIME_STEPS = [
  .01, .02, .05, .1, .2, .5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 1200, 1800,
  3600, 7200, 14400, 21600, 43200, 86400, 172800,
];
const COUNT_STEPS = [1, 10, 100, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8].flatMap(e => [e, 2 * e, 5 * e]);
const HEIGHT_OF_X_AXIS = 26;
const SHORTEST_SPAN = .05;

class Timeline {
  constructor(root, run) {
    this.root = root;
    this.build(run);
  }

  /** What, when it changes, takes other plots. */
  layout(run) {
    const shown = Object.entries(PANELS).filter(([, panel]) => panel.has(run));
    return JSON.stringify(shown.map(([kind, panel]) => [kind, panel.height(run), panel.series(run).length]));
  }

  build(run) {
    this.run = run;
    this.builtFor = this.layout(run);
    this.plots = [];
    this.root.replaceChildren();
    for (const [kind, panel] of Object.entries(PANELS)) {
      if (panel.has(run)) {
        this.plots.push(this.plot(kind, panel));
      } else if (panel.none) {
        this.root.append(el('p', { class: 'none' }, panel.none));
      }
    }
    this.drawKeys();
    this.say(null);
  }

  plot(kind, panel) {
    const out = el('output', {});
    const box = el('div', {});
    const key = el('div', { class: 'key' });
    const title = el('h3', {}, panel.title, panel.unit ? el('small', {}, panel.unit()) : null);
    this.root.append(el('section', { class: 'panel', 'data-kind': kind }, el('header', {}, title, out), box, key));
    return { kind, panel, out, key, u: new uPlot(this.options(panel), panel.data(this.run), box) };
  }

  width() {
    return Math.max(240, this.root.clientWidth);
  }

  // ---- How a panel is plotted ----

  options(panel) {
    return {
      width: this.width(),
      height: panel.height(this.run),
      padding: [panel.top || 6, 12, 0, 0],
      legend: { show: false },
      cursor: this.cursor(),
      scales: this.scales(panel),
      axes: [this.timeAxis(), this.valueAxis(panel)],
      series: [{}, ...panel.series(this.run)],
      hooks: this.hooks(panel),
    };
  }

  cursor() {
    return {
      sync: { key: 'time', setSeries: false },
      y: false,
      points: { show: false },
      drag: { x: true, y: false, setScale: false, dist: 4 },
      bind: { dblclick: () => () => zoom(...whole()) },
    };
  }

  scales(panel) {
    return {
      x: { time: false, auto: false, range: () => span },
      y: { auto: false, distr: panel.scale ? panel.scale() : LINEAR, asinh: 10, range: () => this.range(panel) },
    };
  }

  /** Several runs have one scale, or they could not be compared. */
  range(panel) {
    if (panel.isOfOneRun) {
      return panel.y(this.run);
    }
    const ranges = data.runs.filter(run => panel.has(run)).map(run => panel.y(run));
    return [min(ranges.map(([low]) => low)), max(ranges.map(([, high]) => high), -Infinity)];
  }

  timeAxis() {
    const common = axis(HEIGHT_OF_X_AXIS);
    return {
      ...common,
      grid: { dash: [2, 4], ...common.grid },
      gap: 3,
      space: 64,
      incrs: TIME_STEPS,
      values: (plot, splits, axis, space, step) => splits.map(t => rel(t, step)),
    };
  }

  valueAxis(panel) {
    const isLogarithmic = panel.scale && panel.scale() === LOGARITHMIC;
    return axis(Y_AXIS_SIZE, {
      gap: 4,
      space: 24,
      incrs: isLogarithmic ? undefined : COUNT_STEPS,
      values: (plot, splits) => splits.map(shortened),
      ...(panel.axis ? panel.axis(this.run) : {}),
    });
  }

  hooks(panel) {
    return {
      drawClear: [plot => {
        if (panel.hasGaps) {
          new Pen(plot).gaps(this.run);
        }
      }],
      draw: [plot => {
        const pen = new Pen(plot);
        if (panel.draw) {
          panel.draw(pen, this.run);
        }
        pen.marks(this.run);
      }],
      setCursor: [cursorMoved],
      setSelect: [selected],
    };
  }

  // ---- What changes ----

  drawKeys() {
    this.plots.forEach(({ panel, key }) => key.replaceChildren(...keyOf(panel.key(this.run))));
  }

  /** Says in words what holds at a time, or, without a time, what there is. */
  say(t) {
    for (const { panel, out } of this.plots) {
      out.textContent = listed(t == null ? panel.rest(this.run) : panel.read(this.run, t));
      out.className = t == null ? '' : 'at';
    }
  }

  update(run) {
    if (this.layout(run) !== this.builtFor) {
      this.build(run);
      return;
    }
    this.run = run;
    for (const { u, panel } of this.plots) {
      u.batch(() => {
        u.setData(panel.data(run), false);
        u.setScale('x', { min: span[0], max: span[1] });
      });
    }
    this.drawKeys();
    this.say(hovered);
  }

  redraw() {
    this.plots.forEach(({ u }) => u.redraw(true, true));
    this.drawKeys();
  }

  scale() {
    this.plots.forEach(({ u }) => u.setScale('x', { min: span[0], max: span[1] }));
  }

  resize() {
    this.plots.forEach(({ u, panel }) => u.setSize({ width: this.width(), height: panel.height(this.run) }));
  }
}

function shortened(value) {
  if (value >= 1e6) {
    return value / 1e6 + ' M';
  }
  return value >= 1e4 ? value / 1e3 + ' k' : String(value);
}

function cursorMoved(plot) {
  const isInside = plot.cursor.left >= 0;
  if (plot.cursor.event || !isInside) {
    hover(isInside ? plot.posToVal(plot.cursor.left, 'x') : null);
  }
}

function selected(plot) {
  const { left, width } = plot.select;
  if (width > 3) {
    plot.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
    zoom(plot.posToVal(left, 'x'), plot.posToVal(left + width, 'x'));
  }
}

// ---- The span that is shown, and the cursor ----

/** Returns the span that holds all runs. */
function whole() {
  const low = min(data.runs.map(run => run.begin));
  const high = max(data.runs.map(run => run.end), low + 1);
  return [low, high + (high - low) * .01];
}

/** Shows a span of time, within the whole and not shorter than can be seen. */
function zoom(from, to) {
  span = within(...whole(), ...longEnough(from, to));
  views.forEach(view => view.scale());
  sayWhere();
}

function longEnough(from, to) {
  if (to - from >= SHORTEST_SPAN) {
    return [from, to];
  }
  const start = (from + to - SHORTEST_SPAN) / 2;
  return [start, start + SHORTEST_SPAN];
}

function within(low, high, from, to) {
  if (to - from >= high - low) {
    return [low, high];
  }
  if (from < low) {
    return [low, to + (low - from)];
  }
  return to > high ? [from - (to - high), high] : [from, to];
}

function hover(t) {
  if (t !== hovered) {
    hovered = t;
    views.forEach(view => view.say(t));
    sayWhere();
  }
}

function sayWhere() {
  const where = document.getElementById('where');
  if (hovered == null) {
    where.textContent = rel(span[0]) + ' to ' + rel(span[1]) + (isLong() ? '' : ' (min:s)') + ' shown';
  } else {
    const timeOfDay = data.runs.length === 1 ? ', ' + clock(data.runs[0], hovered) + ' UTC' : '';
    where.textContent = rel(hovered, .05) + timeOfDay;
  }
}

/** Moves the span by a part of itself. */
function move(part) {
  const by = part * (span[1] - span[0]);
  zoom(span[0] + by, span[1] + by);
}

function magnify(by) {
  const centre = hovered ?? (span[0] + span[1]) / 2;
  zoom(centre - (centre - span[0]) * by, centre + (span[1] - centre) * by);
}

function moveCursor(steps) {
  const by = steps * (span[1] - span[0]) / 100;
  const t = Math.min(span[1], Math.max(span[0], (hovered ?? (span[0] + span[1]) / 2) + by));
  for (const { u } of views.flatMap(view => view.plots)) {
    u.setCursor({ left: u.valToPos(t, 'x'), top: 5 }, false);
  }
  hover(t);
}

const KEYS = {
  ArrowLeft: event => event.shiftKey ? move(-.25) : moveCursor(-1),
  ArrowRight: event => event.shiftKey ? move(.25) : moveCursor(1),
  '+': () => magnify(.5),
  '=': () => magnify(.5),
  '-': () => magnify(2),
  '0': () => zoom(...whole()),
  Home: () => zoom(...whole()),
  Escape: () => hover(null),
};

function keyPressed(event) {
  const isPlain = !event.ctrlKey && !event.metaKey && !event.altKey;
  if (isPlain && views[0].plots.length && Object.hasOwn(KEYS, event.key)) {
    event.preventDefault();
    KEYS[event.key](event);
  }
}
