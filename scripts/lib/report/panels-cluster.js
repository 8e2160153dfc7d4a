// Panels of the cluster: nodes and controller, in-sync replicas, partitions that are under-replicated or offline.

const nodesPanel = {
  title: 'Nodes and active controller',
  none: 'Nothing in the stream says which node was the controller.',
  top: 48,
  isOfOneRun: true,
  has: run => nodesOf(run).length > 0,
  height: run => 76 + 25 * nodesOf(run).length,
  data: run => [[0, run.end], [null, null]],
  series: () => [{}],
  y: run => [-.5, nodesOf(run).length - .5],

  axis(run) {
    const ids = nodesOf(run);
    return {
      splits: () => ids.map((id, i) => i),
      values: () => ids.slice().reverse().map(id => 'node ' + id),
      grid: { show: false },
    };
  },

  draw(pen, run) {
    const ids = nodesOf(run);
    const rows = {
      ids,
      y: i => pen.y(ids.length - 1 - i),
      half: Math.abs(pen.y(0) - pen.y(.33)),
    };
    ids.forEach((id, i) => this.drawNode(pen, run, id, rows.y(i), rows.half));
    intervals(run.controller.x, run.end).forEach(([from, to], k) => {
      const row = ids.indexOf(run.controller.node[k]);
      if (row < 0) {
        this.drawNoController(pen, from, to, rows);
      } else {
        this.drawController(pen, run, k, from, to, rows);
      }
    });
    pen.lanes(run);
  },

  drawNode(pen, run, id, y, half) {
    const states = nodeStates(run, id);
    intervals(states.map(([t]) => t), run.end).forEach(([from, to], k) => {
      const state = states[k][1];
      const area = pen.row(from, to, y, half);
      if (state === UP) {
        pen.rect(area, nodeColour(id), .2);
      } else if (state === DOWN || state === SILENT) {
        pen.hatch(area, state === SILENT ? C.warn : C.bad);
      }
    });
  },

  drawNoController(pen, from, to, rows) {
    const lowest = rows.ids.length - 1;
    const top = rows.y(0) - rows.half * 1.4;
    const bottom = rows.y(lowest) + rows.half * 1.4;
    pen.rect({ from, to, top, bottom }, C.gap, .13);
    pen.text('no controller', { from, to, y: rows.y(lowest / 2) }, C.bad);
  },

  drawController(pen, run, k, from, to, rows) {
    const { node, epoch } = run.controller;
    const y = rows.y(rows.ids.indexOf(node[k]));
    pen.path([[from, y], [to, y]], C.ink, 3);
    const previous = k ? rows.ids.indexOf(node[k - 1]) : -1;
    if (previous >= 0) {
      pen.path([[from, rows.y(previous)], [from, y]], C.ink, 3);
    }
    if (epoch[k] >= 0) {
      const place = { from, to, y: y - rows.half - 1 };
      pen.firstText(['epoch ' + epoch[k], '' + epoch[k]], place, C.ink, 3);
    }
  },

  read(run, t) {
    const step = run.phases.findIndex(step => t >= step.from && t < endOf(step, run));
    return [
      this.controllerAt(run, t),
      ...nodesOf(run).map(id => this.troubleAt(run, id, t)),
      step < 0 ? null : 'step ' + (step + 1) + ': ' + run.phases[step].name,
    ];
  },

  controllerAt(run, t) {
    const node = holds(run.controller, 'node', t);
    if (node == null) {
      return null;
    }
    return node < 0 ? 'no controller' : 'controller ' + node + ', epoch ' + holds(run.controller, 'epoch', t);
  },

  troubleAt(run, id, t) {
    const state = last(nodeStates(run, id).filter(([from]) => from <= t));
    const isInTrouble = state && (state[1] === DOWN || state[1] === SILENT);
    return isInTrouble ? 'node ' + id + ' ' + STATES[state[1]] : null;
  },

  rest(run) {
    const led = unique(run.controller.node.filter(node => node >= 0));
    return [led.length + ' nodes led, to epoch ' + max(run.controller.epoch, -1)];
  },

  key(run) {
    const ids = nodesOf(run);
    const isSilent = ids.some(id => nodeStates(run, id).some(([, state]) => state === SILENT));
    return [
      ...ids.map(id => [nodeColour(id), 'node ' + id]),
      [asLine(C.ink), 'active controller'],
      [C.bad, 'does not answer'],
      ...(isSilent ? [[C.warn, 'silent: paused or cut off']] : []),
    ];
  },
};

const isrPanel = {
  title: 'In-sync replicas',
  unit: () => 'of all',
  none: 'No replicas in this stream: nobody watched them (watch-isr).',
  has: run => run.isr.x.length > 0,
  height: () => 112,
  data: run => extended(run, run.isr, 'inSync', 'replicas'),
  series: () => [
    stepLine('in sync', () => C.nodes[3], { fill: () => C.nodes[3] + '1f' }),
    stepLine('replicas', () => C.soft, { width: 1, dash: [4, 4] }),
  ],
  most: run => Math.max(1, max(run.isr.replicas)),
  y: run => [0, isrPanel.most(run) * 1.12],
  axis: run => ({ splits: () => dividing(isrPanel.most(run)) }),

  draw(pen, run) {
    const { x, frozen } = run.isr;
    intervals(x, run.end).forEach(([from, to], i) => {
      if (frozen[i] < 0) {
        return;
      }
      const beganBefore = frozen[i] < from && !(i && frozen[i - 1] >= 0);
      pen.hatch(pen.column(beganBefore ? frozen[i] : from, to), C.soft);
      pen.text('frozen: no quorum', { from, to, y: pen.bottom - 9 * pen.px }, C.soft);
    });
  },

  read(run, t) {
    const inSync = holds(run.isr, 'inSync', t);
    if (inSync == null) {
      return [];
    }
    const frozen = holds(run.isr, 'frozen', t);
    return [
      num(inSync) + ' of ' + num(holds(run.isr, 'replicas', t)),
      frozen >= 0 ? 'frozen since ' + clock(run, frozen) : null,
    ];
  },

  rest: run => [
    'lowest ' + num(lowest(run)) + ' of ' + num(max(run.isr.replicas)),
    'at the end ' + num(last(run.isr.inSync)),
  ],
  key: () => [[asLine(C.nodes[3]), 'in sync'], [asDashes(C.soft), 'all replicas']],
};

const underReplicatedPanel = {
  title: 'Under-replicated and offline',
  unit: () => 'partitions',
  has: run => run.isr.x.length > 0,
  height: () => 96,

  data(run) {
    const [x, underReplicated, online, all] = extended(run, run.isr, 'urp', 'online', 'partitions');
    return [x, underReplicated, all.map((n, i) => n - online[i])];
  },

  series: () => [
    stepLine('under-replicated', () => C.warn),
    stepLine('offline', () => C.bad, { fill: () => C.bad + '33' }),
  ],
  y: run => [0, Math.max(1, max(run.isr.urp), max(offline(run))) * 1.15],

  read(run, t) {
    const at = field => holds(run.isr, field, t);
    if (at('urp') == null) {
      return [];
    }
    return [
      num(at('urp')) + ' under-replicated',
      num(at('partitions') - at('online')) + ' offline',
      'of ' + num(at('partitions')),
    ];
  },

  rest: run => ['at most ' + num(max(run.isr.urp)) + ' under-replicated', num(max(offline(run))) + ' offline'],
  key: () => [[asLine(C.warn), 'under-replicated'], [asLine(C.bad), 'offline']],
};
