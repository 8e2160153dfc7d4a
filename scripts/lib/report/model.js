// What the panels and tables read out of a run.

const STATES = ['does not answer', 'silent', 'answers', 'not known'];
const [DOWN, SILENT, UP] = [0, 1, 2];
const NO_LEADER = -1;
const NOT_KNOWN = -2;
const MOST_NODES = 12;

function nodesOf(run) {
  const ids = [
    ...Object.keys(run.nodes).map(Number),
    ...run.faults.map(fault => fault.node),
    ...run.controller.node.filter(node => node >= 0),
  ];
  return unique(ids).sort((a, b) => a - b).slice(0, MOST_NODES);
}

/** Returns times and states of a node: as seen, and where nothing was seen, as it was done. */
function nodeStates(run, id) {
  const seen = run.nodes[id];
  const states = seen ? seen.x.map((t, i) => [t, seen.state[i]]) : [];
  for (const fault of run.faults.filter(fault => fault.node === id)) {
    states.push([fault.t, /pause|disconnect/.test(fault.mode) ? SILENT : DOWN]);
  }
  if (!seen) {
    run.restored.filter(mark => mark.node === id).forEach(mark => states.push([mark.t, UP]));
  }
  return states.sort((a, b) => a[0] - b[0]);
}

const longestGap = run => max(run.gaps.map(([from, to]) => to - from));

function gapAt(run, t) {
  const gap = run.gaps.find(([from, to]) => t >= from && t < to);
  return gap ? 'gap of ' + dur(gap[1] - gap[0]) + ' since ' + clock(run, gap[0]) : null;
}

const endOf = (step, run) => step.to == null ? run.end : step.to;

const offline = run => run.isr.partitions.map((n, i) => n - run.isr.online[i]);

/** Returns the fewest replicas in sync, of the times at which all were assigned. */
function lowest(run) {
  const all = max(run.isr.replicas);
  return min(run.isr.inSync.filter((n, i) => run.isr.replicas[i] === all));
}

/** Returns the index of the load test's window that holds a time. */
function windowAt(run, t) {
  const i = run.windows.x.findIndex(to => to >= t);
  return i < 0 ? run.windows.x.length - 1 : i;
}

/** Returns the seconds from one moment of an outage to another, or null. */
const since = (outage, moment, from = 'at') => outage[moment] == null ? null : outage[moment] - outage[from];
