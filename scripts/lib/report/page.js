// The page: what is where on it, and what happens when it is resized, printed, or its theme changes.

/** Live, how many seconds up to now are shown, or 0 for what was chosen. */
let followedSeconds = 0;

const columns = count => 'repeat(' + count + ', minmax(0, 1fr))';
const hasSeveralRuns = () => data.runs.length > 1;

/** Replaces what an element holds, unless it says the same: what was selected or focused stays so. */
function fill(id, children) {
  const element = document.getElementById(id);
  const next = el('div', {}, children);
  if (element.dataset.was !== next.textContent) {
    element.dataset.was = next.textContent;
    element.replaceChildren(...next.childNodes);
  }
}

// ---- Words ----

function fillWords() {
  const several = hasSeveralRuns();
  const nameOf = run => several ? ': ' + run.name : '';
  fill('top', el('div', { class: 'columns' }, data.runs.map(headOf)));
  document.querySelector('#top .columns').style.gridTemplateColumns = columns(data.runs.length);
  fill('now', data.runs.flatMap(clusterTable));
  fill('faults', [
    ...(several ? [el('h2', {}, 'Differences'), el('div', {}, differences(data.runs))] : []),
    ...data.runs.flatMap(run => [el('h2', {}, 'What each fault cost' + nameOf(run)), faultTable(run)]),
  ]);
  fill('tables', data.runs.flatMap(run => [several ? el('h2', {}, run.name) : null, latencyTable(run)]));
  fill('errors', data.runs.flatMap(errorTable));
  fill('foot', [...data.runs.map(run => el('p', {}, sourceOf(run))), el('p', {}, legend())]);
}

function headOf(run) {
  const [kind, sentence, details] = verdictOf(run);
  const several = hasSeveralRuns();
  const list = figures(run).map(({ label, value, form }) =>
    el('div', {}, el('dt', {}, label), el('dd', {}, form(value))));
  return el('div', {},
    el('p', { class: 'of' }, nameAndTime(run)),
    el('div', { class: 'verdict ' + kind }, el(several ? 'h2' : 'h1', {}, sentence), el('p', {}, details)),
    several ? null : el('dl', { class: 'figures' }, list));
}

function nameAndTime(run) {
  const name = hasSeveralRuns() ? run.name : 'kraft-lab' + SEPARATOR + run.name;
  if (!run.events) {
    return name;
  }
  const began = new Date(run.t0 + run.begin * 1000).toISOString().slice(0, 16).replace('T', ' ');
  return name + SEPARATOR + began + ' UTC' + SEPARATOR + dur(run.end - run.begin);
}

/** Says what the page of a run was made from, and what it does not show. */
function sourceOf(run) {
  const unknown = Object.entries(run.undrawn).map(([type, n]) => n + ' ' + type).join(', ');
  const damage = num(run.damaged) + ' damaged lines are left out (the first: ' + run.firstDamage + ')';
  return (hasSeveralRuns() ? run.name + ': ' : '')
    + 'Drawn from ' + num(run.events) + ' events' + (run.damaged ? '; ' + damage : '') + '.'
    + (run.summed.length ? ' Summed up: ' + run.summed.join('; ') + '.' : '')
    + (unknown ? ' Not drawn: ' + unknown + '.' : '');
}

function legend() {
  const origin = data.aligned ? 'from the first fault' : 'from the run\u2019s first event';
  return 'Times are UTC; the axis counts ' + origin + ', in minutes and seconds.'
    + ' A gap is a time without any acknowledgement, of at least a second.'
    + ' Drag to zoom, double-click for the whole; with the timeline in focus: arrows, + and \u2212, 0.';
}

// ---- Plots ----

function build() {
  readColours();
  prepare();
  fillWords();
  document.body.classList.toggle('wide', hasSeveralRuns());
  span = whole();
  const grid = el('div', { class: 'columns' });
  grid.style.gridTemplateColumns = columns(data.runs.length);
  document.getElementById('timeline').replaceChildren(grid);
  views = data.runs.map(run => {
    const root = el('div', {});
    grid.append(el('div', {}, hasSeveralRuns() ? el('h2', {}, run.name) : null, root));
    return new Timeline(root, run);
  });
  drawCurve();
  sayWhere();
}

function addTools() {
  const button = (text, label, onclick) => el('button', { 'aria-label': label, title: label, onclick }, text);
  const follow = button('Last minute', 'Follow the last minute', () => {
    followedSeconds = 60;
    showNewest();
  });
  document.getElementById('tools').append(
    button('Whole run', 'Show the whole run', () => {
      followedSeconds = 0;
      zoom(...whole());
    }),
    button(MINUS, 'Zoom out', () => magnify(2)),
    button('+', 'Zoom in', () => magnify(.5)),
    button('\u2190', 'Earlier', () => move(-.4)),
    button('\u2192', 'Later', () => move(.4)),
    ...(LIVE ? [follow] : []),
    el('output', { id: 'where' }));
  document.getElementById('timeline').addEventListener('keydown', keyPressed);
}

function showNewest() {
  const end = whole()[1];
  zoom(end - followedSeconds, end);
}

function resize() {
  views.forEach(view => view.resize());
  resizeCurve();
}

function redraw() {
  readColours();
  views.forEach(view => view.redraw());
  if (curvePlot) {
    curvePlot.redraw(true, true);
  }
}

function followWindow() {
  let width = innerWidth;
  addEventListener('resize', () => {
    if (innerWidth !== width) {
      width = innerWidth;
      resize();
    }
  });
  matchMedia('(prefers-color-scheme: dark)').addEventListener('change', redraw);
  matchMedia('print').addEventListener('change', () => {
    redraw();
    resize();
  });
}

addTools();
build();
followWindow();
document.documentElement.dataset.ready = Math.round(performance.now());
