// What the page says on top: the verdict, or live, the state of the cluster; and the figures below it.

/** Fields of a verdict, and what they count. The first three are always shown. */
const ANOMALIES = [
  ['lost', 'lost'],
  ['duplicates', 'duplicated'],
  ['reordered', 'reordered'],
  ['inconsistent', 'inconsistent'],
  ['abortedReads', 'aborted reads'],
  ['phantoms', 'phantoms'],
  ['unseen', 'unseen'],
  ['expired', 'expired'],
];
const MAIN_ANOMALIES = ANOMALIES.slice(0, 3);

/** Returns a verdict's class, its sentence, and what it rests on. */
function verdictOf(run) {
  if (run.verdict) {
    return checked(run);
  }
  return LIVE ? liveState(run) : unchecked(run);
}

const gapInWords = run => run.gaps.length ? '; longest gap ' + dur(longestGap(run)) : '';

const countsOf = (verdict, anomalies) => anomalies.map(([field, word]) => num(verdict[field]) + ' ' + word);

// ---- After a delivery check ----

function checked(run) {
  const { verdict, load } = run;
  const counts = countsInWords(run);
  const found = countsOf(verdict, ANOMALIES.filter(([field]) => verdict[field] > 0)).join(', ');
  if (load && load.verdict === 'fail' && verdict.verdict !== 'fail') {
    return ['fail', 'Failed: the load lost ' + num(load.lost) + ' acknowledged records.', counts];
  }
  if (load && load.verdict !== 'pass' && verdict.verdict === 'pass') {
    return ['incomplete', 'Incomplete: of the load not all could be checked.', counts];
  }
  if (verdict.verdict === 'pass') {
    const whose = load ? ' of producer and load' : '';
    return ['pass', 'Passed: every acknowledged record' + whose + ' is in the log.', counts];
  }
  if (verdict.verdict === 'fail') {
    return ['fail', 'Failed: ' + (found || 'see check-delivery') + '.', counts];
  }
  return ['incomplete', incompleteInWords(verdict, found), reasonsInWords(verdict) + counts];
}

function countsInWords(run) {
  const { verdict, load } = run;
  const read = num(verdict.acknowledged) + ' acknowledged, ' + num(verdict.read) + ' read back: ';
  const counts = countsOf(verdict, [...MAIN_ANOMALIES, ['indeterminate', 'indeterminate']]).join(', ');
  return read + counts + gapInWords(run) + '.' + (load ? loadInWords(load) : '') + scopeInWords(verdict, load);
}

function loadInWords(load) {
  const found = num(load.found) + ' of ' + num(load.acknowledged) + ' acknowledged records found';
  return ' Load: ' + found + ', ' + num(load.lost) + ' lost.';
}

function scopeInWords(verdict, load) {
  if (!verdict.topic) {
    return '';
  }
  return ' This covers topic ' + verdict.topic + (load ? ' and the load in ' + load.topic : '') + '.';
}

function incompleteInWords(verdict, found) {
  const why = verdict.acknowledged ? 'not all of the log could be read' : 'nothing was acknowledged';
  return 'Incomplete: ' + why + (found ? ' (' + found + ')' : '') + '.';
}

const reasonsInWords = verdict => Array.isArray(verdict.incomplete) ? verdict.incomplete.join('; ') + '. ' : '';

function unchecked(run) {
  const open = run.phases.findIndex(step => step.to == null);
  const where = open < 0 ? '' : 'It ends in step ' + (open + 1) + ', ' + run.phases[open].name + '. ';
  const counts = num(run.acks) + ' acknowledged' + gapInWords(run) + '.';
  return ['none', 'No verdict: there is no delivery check in the stream.', where + counts];
}

// ---- Live ----

function liveState(run) {
  const { controller, isr } = run;
  const details = replicasInWords(run) + lastAckInWords(run) + '.';
  const node = last(controller.node);
  const frozen = frozenSince(run);
  if (frozen) {
    return ['fail', quorumLost(run.cluster), frozenInWords(run, frozen)];
  }
  if (node < 0) {
    return ['incomplete', 'No active controller.', details];
  }
  if (node >= 0) {
    const isShort = isr.x.length && last(isr.inSync) < last(isr.replicas);
    const sentence = 'Node ' + node + ' is the active controller, epoch ' + last(controller.epoch) + '.';
    return [isShort ? 'incomplete' : 'pass', sentence, details];
  }
  const waiting = run.events ? 'Waiting for a controller.' : 'Waiting for events.';
  return ['none', waiting, 'Nothing in the stream says who is the active controller.'];
}

/** Returns since when the metadata is frozen, as the cluster's own state has it, or else the stream. */
function frozenSince(run) {
  if (run.cluster) {
    return run.cluster.frozenSince;
  }
  const frozen = last(run.isr.frozen);
  return frozen >= 0 ? clock(run, frozen) + 'Z' : null;
}

function quorumLost(cluster) {
  if (!cluster) {
    return 'Quorum lost: no active controller.';
  }
  const verb = cluster.answering === 1 ? ' answers.' : ' answer.';
  return 'Quorum lost: ' + cluster.answering + ' of ' + cluster.voters + ' voters' + verb;
}

function frozenInWords(run, frozen) {
  const since = frozen.replace(/^.*T/, '').slice(0, 12);
  const known = replicasInWords(run) || 'nothing';
  return 'The metadata is frozen since ' + since + ' UTC; last known: '
    + known + lastAckInWords(run) + '.';
}

function replicasInWords({ isr }) {
  return isr.x.length ? num(last(isr.inSync)) + ' of ' + num(last(isr.replicas)) + ' replicas in sync' : '';
}

const lastAckInWords = run =>
  run.lastAck == null ? '' : '; last acknowledgement at ' + clock(run, run.lastAck) + ' UTC';

// ---- Figures ----

/** Returns labels, values and how to write them; of some, less is better. */
function figures(run) {
  return [
    ...deliveryFigures(run),
    ...clientFigures(run),
    ...loadFigures(last(run.summaries) || {}),
  ].filter(({ value }) => value != null && Number.isFinite(value));
}

const figure = (label, value, form) => ({ label, value, form });
const cost = (label, value, form) => ({ label, value, form, less: true });

function deliveryFigures(run) {
  const { verdict } = run;
  if (!verdict) {
    return [figure('Acknowledged', run.acks || null, num)];
  }
  const capital = word => word[0].toUpperCase() + word.slice(1);
  return [
    figure('Acknowledged', verdict.acknowledged, num),
    ...MAIN_ANOMALIES.map(([field, word]) => cost(capital(word), verdict[field], num)),
    cost('Indeterminate', verdict.indeterminate, num),
  ];
}

function clientFigures(run) {
  const curve = run.curves.acknowledgements || {};
  const errors = run.errors.reduce((sum, error) => sum + error.n, 0);
  return [
    cost('Longest gap', run.acks ? longestGap(run) : null, dur),
    cost('Send errors', run.acks ? errors : null, num),
    figure('Minimum in-sync replicas', run.isr.x.length ? lowest(run) : null, num),
    cost('Ack p50', curve.p50, ms),
    cost('Ack p99', curve.p99, ms),
  ];
}

const loadFigures = summary => [
  figure('Load, records/s', summary.recordsPerSec, num),
  cost('Load p99', summary.p99Ms, ms),
];
