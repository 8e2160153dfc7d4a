// What panels draw with: canvas pixels, times and rows clipped to the plot.

class Pen {
  constructor(plot) {
    this.plot = plot;
    this.ctx = plot.ctx;
    this.px = uPlot.pxRatio;
    this.left = plot.bbox.left;
    this.right = plot.bbox.left + plot.bbox.width;
    this.top = plot.bbox.top;
    this.bottom = plot.bbox.top + plot.bbox.height;
  }

  x(t) {
    return Math.min(this.right, Math.max(this.left, this.plot.valToPos(t, 'x', true)));
  }

  y(value) {
    return this.plot.valToPos(value, 'y', true);
  }

  /** Returns an area of the plot, for rect and hatch. */
  row(from, to, y, half) {
    return { from, to, top: y - half, bottom: y + half };
  }

  column(from, to) {
    return { from, to, top: this.top, bottom: this.bottom };
  }

  /** Draws, and leaves the canvas's settings as they were. */
  draw(settings, drawing) {
    this.ctx.save();
    Object.assign(this.ctx, settings);
    drawing(this.ctx);
    this.ctx.restore();
  }

  isOutside({ from, to }) {
    return to < span[0] || from > span[1];
  }

  rect(area, colour, alpha) {
    if (this.isOutside(area)) {
      return;
    }
    const left = this.x(area.from);
    const width = Math.max(this.x(area.to) - left, this.px);
    this.draw({ globalAlpha: alpha, fillStyle: colour }, ctx => {
      ctx.fillRect(left, area.top, width, area.bottom - area.top);
    });
  }

  hatch(area, colour) {
    if (this.isOutside(area)) {
      return;
    }
    const left = this.x(area.from);
    const right = Math.max(this.x(area.to), left + this.px);
    const height = area.bottom - area.top;
    const step = 6 * this.px;
    this.draw({ globalAlpha: .1, fillStyle: colour, strokeStyle: colour, lineWidth: this.px }, ctx => {
      ctx.beginPath();
      ctx.rect(left, area.top, right - left, height);
      ctx.clip();
      ctx.fillRect(left, area.top, right - left, height);
      ctx.globalAlpha = .55;
      ctx.beginPath();
      for (let x = Math.floor((left - height) / step) * step; x < right; x += step) {
        ctx.moveTo(x, area.bottom);
        ctx.lineTo(x + height, area.top);
      }
      ctx.stroke();
    });
  }

  /** Draws a line through points of a time and a y. */
  path(points, colour, width) {
    const isOutside = points.every(([t]) => t < span[0]) || points.every(([t]) => t > span[1]);
    if (isOutside) {
      return;
    }
    this.draw({ strokeStyle: colour, lineWidth: width * this.px }, ctx => {
      ctx.beginPath();
      points.forEach(([t, y]) => ctx.lineTo(this.x(t), y));
      ctx.stroke();
    });
  }

  tick(t, colour) {
    if (t >= span[0] && t <= span[1]) {
      this.ctx.fillStyle = colour;
      this.ctx.fillRect(this.x(t), this.bottom - 7 * this.px, 2 * this.px, 7 * this.px);
    }
  }

  font(size) {
    this.ctx.font = size * this.px + 'px system-ui, sans-serif';
    this.ctx.textBaseline = 'middle';
    this.ctx.textAlign = 'left';
  }

  /** Writes between two times, if there is room. Returns whether there is, or nothing of it would be seen. */
  text(text, { from, to, y }, colour, inset = 5) {
    if (to <= span[0] || from >= span[1]) {
      return true;
    }
    const left = this.x(from);
    const room = this.x(to) - left;
    let fits;
    this.draw({ fillStyle: colour }, ctx => {
      this.font(11);
      fits = ctx.measureText(text).width + 2 * inset * this.px <= room;
      if (fits) {
        ctx.fillText(text, left + inset * this.px, y);
      }
    });
    return fits;
  }

  /** Writes the first of some texts that has room. */
  firstText(texts, place, colour, inset) {
    texts.some(text => this.text(text, place, colour, inset));
  }

  // ---- What is the same in several panels ----

  /** Shades the times without any acknowledgement, and those of them without a controller once more. */
  gaps(run) {
    for (const [from, to] of run.gaps) {
      this.rect(this.column(from, to), C.gap, .11);
    }
    for (const outage of run.outages.filter(o => o.gapFrom != null && (o.lost != null || o.wasController))) {
      const from = Math.max(outage.at, outage.gapFrom);
      const to = Math.min(outage.elected ?? run.end, outage.firstAck ?? run.end);
      if (to > from) {
        this.rect(this.column(from, to), C.gap, .13);
      }
    }
  }

  /** Draws a line for each fault, and a dashed one for each restoration. */
  marks(run) {
    run.faults.forEach(fault => this.mark(fault.t, C.bad, []));
    run.restored.forEach(restored => this.mark(restored.t, C.good, [4, 3]));
  }

  mark(t, colour, dash) {
    if (t < span[0] || t > span[1]) {
      return;
    }
    this.draw({ globalAlpha: .8, strokeStyle: colour, lineWidth: this.px }, ctx => {
      ctx.setLineDash(dash.map(length => length * this.px));
      ctx.beginPath();
      ctx.moveTo(this.x(t), this.top);
      ctx.lineTo(this.x(t), this.bottom);
      ctx.stroke();
    });
  }

  /** Draws, above the first panel, the steps of the experiment and what was done to the nodes. */
  lanes(run) {
    run.phases.forEach((step, i) => this.step(run, step, i));
    const marks = [
      ...run.faults.map(fault => [fault.t, fault.mode + ' ' + fault.node, C.bad]),
      ...run.restored.map(restored => [restored.t, 'start ' + restored.node, C.good]),
    ];
    const lanes = [-1e9, -1e9];
    for (const [t, text, colour] of marks.sort((a, b) => a[0] - b[0])) {
      if (t >= span[0] && t <= span[1]) {
        this.label(lanes, t, text, colour);
      }
    }
  }

  step(run, step, i) {
    const area = { from: step.from, to: endOf(step, run), top: 0, bottom: 15 * this.px };
    if (this.isOutside(area)) {
      return;
    }
    this.rect(area, i % 2 ? C.line : C.wash, 1);
    const place = { ...area, y: 8 * this.px };
    const hasRoom = this.text((i + 1) + ' ' + step.name, place, C.soft, 3);
    if (!hasRoom) {
      this.text('' + (i + 1), place, C.soft, 2);
    }
  }

  /**
   * Writes what was done into the first lane with room after its last label, or draws only the line down to the plot.
   */
  label(lanes, t, text, colour) {
    const px = this.px;
    this.draw({ strokeStyle: colour, fillStyle: colour, lineWidth: px }, ctx => {
      this.font(11.5);
      const width = ctx.measureText(text).width;
      const left = Math.min(this.x(t) + 3 * px, this.right - width);
      const lane = lanes.findIndex(end => end < left - 4 * px);
      ctx.beginPath();
      ctx.moveTo(this.x(t), (lane === 1 ? 33 : 19) * px);
      ctx.lineTo(this.x(t), this.top);
      ctx.stroke();
      if (lane >= 0) {
        ctx.fillText(text, left, (lane ? 39 : 25) * px);
        lanes[lane] = left + width;
      }
    });
  }
}
