// The page's tables: what each fault cost, latencies, errors, the nodes of a live cluster, differences between runs.

const MOST_ROWS = 100;
const CURVES = {
  service: { name: 'service time', title: 'Service time', colour: 0 },
  response: { name: 'response time', title: 'Response time', colour: 1 },
  e2e: { name: 'end to end', title: 'End to end', colour: 2 },
  acknowledgements: {
    name: 'producer\u2019s acknowledgements',
    title: 'Producer\u2019s acknowledgements',
    colour: 3,
  },
  commit: { name: 'commit', title: 'Commit', colour: 4 },
};

/** Makes a table; a head is a text, or a text and a class. */
function table(kind, heads, rows) {
  const head = heads.map(entry => {
    const [text, mark] = [entry].flat();
    return el('th', { scope: 'col', class: mark }, text);
  });
  return el('table', { class: kind }, el('thead', {}, el('tr', {}, head)), el('tbody', {}, rows));
}

const paragraph = text => el('p', { class: 'none' }, text);

// ---- Faults ----

const FAULT_HEADS = [
  'Fault', 'At (UTC)', 'New controller seen', 'First acknowledgement', 'All partitions acknowledge', 'Node restored',
  'In sync again',
];

function faultTable(run) {
  const { outages } = run;
  if (!outages.length) {
    return paragraph('No fault in this stream.');
  }
  const rows = outages.slice(0, MOST_ROWS).map(outage => faultRow(run, outage));
  const isCut = outages.length > MOST_ROWS;
  return el('div', {},
    table('cards faults', FAULT_HEADS, rows),
    phaseTable(run),
    isCut ? paragraph('These are the first ' + MOST_ROWS + ' of ' + outages.length + ' faults.') : null);
}

function faultRow(run, outage) {
  const cells = [
    [clock(run, outage.at), rel(outage.at)],
    electionCell(run, outage),
    firstAckCell(run, outage),
    run.acks ? momentCell(run, outage, 'allAck', NONE) : [NONE],
    momentCell(run, outage, 'restored', 'not restored'),
    inSyncCell(run, outage),
  ];
  return el('tr', {},
    el('td', { 'data-label': FAULT_HEADS[0] }, faultButton(outage)),
    cells.map(([value, small], i) => {
      const content = el('span', {}, value, small ? el('small', {}, small) : null);
      return el('td', { 'data-label': FAULT_HEADS[i + 1] }, content);
    }));
}

/** Returns after how long something happened, and when; or what to say where it did not. */
function momentCell(run, outage, moment, none) {
  return outage[moment] == null
    ? [none]
    : ['+' + dur(outage[moment] - outage.at), clock(run, outage[moment])];
}

function electionCell(run, outage) {
  const stays = outage.lost == null && outage.elected == null && !outage.wasController;
  return stays ? ['stays'] : momentCell(run, outage, 'elected', 'none');
}

function firstAckCell(run, outage) {
  if (!run.acks) {
    return ['no producer'];
  }
  return momentCell(run, outage, 'firstAck', outage.gapFrom == null ? 'no gap over 1 s' : 'none yet');
}

function inSyncCell(run, outage) {
  if (!run.isr.x.length) {
    return ['not watched'];
  }
  const allStayed = outage.shrunk == null && outage.inSync == null;
  return allStayed ? ['none fell out'] : momentCell(run, outage, 'inSync', 'not yet');
}

function faultButton(outage) {
  const name = outage.name.endsWith(outage.node) ? outage.name : outage.name + ' (' + outage.node + ')';
  const onclick = () => showOutage(outage);
  return el('button', { title: 'Show it in the timeline', onclick }, outage.mode + ' ' + name);
}

function showOutage(outage) {
  const moments = [outage.firstAck, outage.elected, outage.allAck].filter(t => t != null);
  const end = max(moments, outage.at + 2);
  const width = end - outage.at;
  zoom(outage.at - width * .15, end + width * .25);
  document.getElementById('timeline').scrollIntoView();
}

const PHASES = ['before', 'quorum', 'elect', 'lead', 'ack', 'open'];
const PHASE_HEADS = [
  'Longest gap', 'Partition', 'Before', 'No quorum', 'Election', 'Leaders, ISR', 'First acknowledgement', 'Not ended',
  'Sum',
];

/** The phases of each fault's longest gap, as outages has worked them out. */
function phaseTable(run) {
  const outages = run.outages.filter(outage => outage.gap).slice(0, MOST_ROWS);
  if (!outages.length) {
    return null;
  }
  const rows = outages.map(({ mode, node, gap }) => cardRow(PHASE_HEADS, 2, [
    mode + ' ' + node,
    gap.topic + '-' + gap.partition,
    ...PHASES.map(phase => ms(gap[phase + 'Ms'])),
    ms(gap.ms),
  ]));
  return table('cards phases', numericFrom(PHASE_HEADS, 2), rows);
}

// ---- Tables of figures: from some column on, cells are right-aligned ----

const numericFrom = (heads, first) => heads.map((text, i) => [text, i >= first ? 'n' : '']);

function cardRow(heads, firstNumber, texts) {
  return el('tr', {}, texts.map((text, i) =>
    el('td', { class: i >= firstNumber ? 'n' : '', 'data-label': heads[i] }, text)));
}

const LATENCY_HEADS = ['Latency', 'Records', 'p50', 'p95', 'p99', 'p99.9', 'Maximum'];

function latencyTable(run) {
  const curves = Object.entries(run.curves);
  if (!run.summaries.length && !curves.length) {
    return null;
  }
  const rows = curves.map(([tag, { n, p50, p95, p99, p999, max }]) => {
    const title = CURVES[tag] ? CURVES[tag].title : tag;
    return cardRow(LATENCY_HEADS, 1, [title, num(n), ...[p50, p95, p99, p999, max].map(ms)]);
  });
  return table('cards', numericFrom(LATENCY_HEADS, 1), rows);
}

function errorTable(run) {
  if (!run.errors.length) {
    return [];
  }
  const rows = run.errors.map(({ error, first, n }) =>
    el('tr', {}, [error, rel(first, .5), num(n)].map(text => el('td', {}, text))));
  return [el('h2', {}, 'Send errors'), table('errors', ['Error', 'First', 'Times'], rows)];
}

// ---- The nodes of a live cluster ----

function clusterTable(run) {
  const { cluster } = run;
  if (!cluster) {
    return [];
  }
  const unit = cluster.runtime === 'docker' ? 'Container' : 'Process';
  const heads = ['Node', 'Port', unit, 'In the metadata', 'Voter', 'Lag'];
  const rows = cluster.nodes.map(node => el('tr', {}, nodeCells(cluster, node).map(([text, mark], i) =>
    el('td', { 'data-label': heads[i], class: mark || '' }, text))));
  const frozen = cluster.frozenSince
    ? '; the metadata is frozen since ' + cluster.frozenSince.slice(11, 23) + ' UTC'
    : '';
  return [
    el('h2', {}, 'The nodes, now'),
    table('cards nodes', heads, rows),
    el('p', { class: 'of' }, 'Ports and processes are of now, ' + cluster.asOf.slice(11, 19) + ' UTC' + frozen + '.'),
  ];
}

function nodeCells(cluster, node) {
  return [
    [node.id + (node.address ? ' at ' + node.address : '')],
    [node.port, toneOf(node.port)],
    [node.state || 'not known', toneOf(node.state || '')],
    [node.broker + (cluster.lost ? ' (frozen)' : ''), brokerTone(cluster, node)],
    [node.voter || 'not known'],
    [lagInWords(node)],
  ];
}

function toneOf(state) {
  if (/answers|running/.test(state)) {
    return 'good';
  }
  if (/silent|paused|disconnected|stopping/.test(state)) {
    return 'warn';
  }
  return /refuses|down/.test(state) ? 'bad' : '';
}

function brokerTone(cluster, node) {
  if (cluster.lost) {
    return 'warn';
  }
  return node.broker === 'fenced' ? 'bad' : '';
}

function lagInWords(node) {
  if (node.lag == null) {
    return 'not known';
  }
  return num(node.lag) + ' records' + (node.silentMs ? ', silent for ' + ms(node.silentMs) : '');
}

// ---- Several runs ----

/** Each figure, and how it differs from the first run's. */
function differences(runs) {
  const figuresOf = runs.map(run => [...figures(run), ...faultFigures(run)]);
  const labels = unique(figuresOf.flat().map(({ label }) => label));
  const rows = labels.map(label => {
    const values = figuresOf.map(list => list.find(figure => figure.label === label));
    return el('tr', {}, el('th', { scope: 'row' }, label), values.map((figure, i) =>
      el('td', { class: 'n' }, i ? difference(figure, values[0]) : null, figure ? figure.form(figure.value) : NONE)));
  });
  return table('differences', ['', ...runs.map(run => [run.name, 'n'])], rows);
}

function faultFigures(run) {
  const costs = run.outages.slice(0, 6).flatMap((outage, i) => [
    ['new controller', since(outage, 'elected'), i],
    ['first acknowledgement', since(outage, 'firstAck'), i],
    ['in sync again, after the restoration', since(outage, 'inSync', 'restored'), i],
  ]);
  return costs
    .filter(([, seconds]) => seconds != null)
    .map(([what, seconds, i]) => cost('Fault ' + (i + 1) + ': ' + what, seconds, dur));
}

function difference(figure, first) {
  const by = figure && first ? figure.value - first.value : 0;
  if (!by) {
    return null;
  }
  const sign = by < 0 ? MINUS : '+';
  const share = Math.abs(Math.round(by / first.value * 100));
  const text = sign + figure.form(Math.abs(by)) + (first.value ? ' (' + sign + share + ' %)' : '');
  const tone = by < 0 ? 'good' : 'bad';
  return el('small', { class: figure.less ? tone : '' }, text);
}
