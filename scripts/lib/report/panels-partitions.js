// The panel of partitions: who led each, and when it waited.

const OPACITY = { led: .75, offline: 1, notKnown: .28 };

/** Returns a row for each partition, and one for each topic's name before its partitions. */
function rowsOf(run) {
  run.rows = run.rows || run.partitions.flatMap((partition, i) => {
    const isFirst = !i || run.partitions[i - 1].topic !== partition.topic;
    return isFirst ? [{ head: partition.topic }, partition] : [partition];
  });
  return run.rows;
}

const partitionsPanel = {
  title: 'Partitions',
  unit: () => 'leader, and gaps in acknowledgements',
  isOfOneRun: true,
  has: run => run.partitions.length > 0,
  height: run => 34 + 13 * rowsOf(run).length,
  data: run => [[0, run.end], [null, null]],
  series: () => [{}],
  y: run => [-.5, rowsOf(run).length - .5],

  axis(run) {
    const rows = rowsOf(run);
    return {
      splits: () => rows.map((row, i) => i),
      values: () => rows.slice().reverse().map(row => row.head == null ? row.p : ''),
      grid: { show: false },
      ticks: { show: false },
    };
  },

  draw(pen, run) {
    const rows = rowsOf(run);
    const half = Math.abs(pen.y(0) - pen.y(.34));
    rows.forEach((row, i) => {
      const y = pen.y(rows.length - 1 - i);
      if (row.head == null) {
        this.drawPartition(pen, run, row, y, half);
      } else {
        pen.text(row.head, { from: span[0], to: span[1], y }, C.soft);
      }
    });
  },

  drawPartition(pen, run, partition, y, half) {
    for (const { from, to, leader } of this.leaders(run, partition)) {
      const { colour, opacity } = this.look(leader);
      pen.rect(pen.row(from, to, y, half), colour, opacity);
    }
    for (const [from, to] of partition.gaps) {
      pen.rect(pen.row(from, to, y, half + 1), C.bg, 1);
      pen.path([[from, y], [to, y]], C.gap, 1);
    }
  },

  look(leader) {
    if (leader >= 0) {
      return { colour: nodeColour(leader), opacity: OPACITY.led };
    }
    return leader === NO_LEADER
      ? { colour: C.bad, opacity: OPACITY.offline }
      : { colour: C.soft, opacity: OPACITY.notKnown };
  },

  /** Returns who led when, and before that, from the first acknowledgement on, that it is not known. */
  leaders(run, partition) {
    const leaders = intervals(partition.x, run.end).map(([from, to], k) => ({ from, to, leader: partition.leader[k] }));
    if (!leaders.length || leaders[0].from > 0) {
      const from = this.firstAck(run, partition) ?? 0;
      const to = leaders.length ? leaders[0].from : run.lastAck ?? run.end;
      leaders.unshift({ from, to, leader: NOT_KNOWN });
    }
    return leaders;
  },

  firstAck(run, partition) {
    if (!run.single || !partition.acks) {
      return null;
    }
    return run.single.x.find((t, k) => run.single.p[k] === partition.p);
  },

  read(run, t) {
    const led = {};
    for (const partition of run.partitions) {
      const leader = holds(partition, 'leader', t);
      if (leader != null) {
        led[leader] = (led[leader] || 0) + 1;
      }
    }
    const waiting = run.partitions.filter(partition => partition.gaps.some(([from, to]) => t >= from && t < to));
    return [...Object.keys(led).sort().map(leader => this.leads(leader, led[leader])), this.waits(waiting)];
  },

  leads(leader, count) {
    if (leader < NO_LEADER) {
      return null;
    }
    return leader < 0 ? count + ' without leader' : 'node ' + leader + ' leads ' + count;
  },

  waits(waiting) {
    if (!waiting.length) {
      return 'none waits';
    }
    const names = waiting.slice(0, 6).map(partition => partition.topic + '-' + partition.p);
    return waiting.length + ' wait (' + names.join(', ') + (waiting.length > 6 ? ', \u2026' : '') + ')';
  },

  rest(run) {
    const topics = unique(run.partitions.map(partition => partition.topic));
    const isLed = run.partitions.some(partition => partition.leader.some(leader => leader >= 0));
    return [
      run.partitions.length + ' partitions of ' + topics.slice(0, 4).join(', '),
      isLed ? null : 'leaders are not in the stream',
    ];
  },

  key(run) {
    const anyLedBy = leader => run.partitions.some(partition => partition.leader.includes(leader));
    const isUnknown = anyLedBy(NOT_KNOWN) || run.partitions.some(({ x }) => !x.length || x[0] > 1);
    return [
      ...nodesOf(run).filter(anyLedBy).map(id => [nodeColour(id), 'led by node ' + id]),
      ...(isUnknown ? [[C.soft + '47', 'leader not in the stream']] : []),
      ...(anyLedBy(NO_LEADER) ? [[C.bad, 'offline']] : []),
      [asLine(C.gap), 'waits: no acknowledgement'],
    ];
  },
};
