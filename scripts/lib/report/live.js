// Live: the server says that there is something new, and the page asks for it when it can.

const CONNECTED_MS = 4000;
const CURVE_INTERVAL_MS = 2000;

class Connection {
  constructor() {
    this.heard = Date.now();
    this.isLoading = false;
    this.hasMissed = false;
    this.lamp = el('span', { class: 'live' });
    this.text = el('span', {});
    document.getElementById('state').append(this.lamp, this.text);
  }

  start() {
    document.addEventListener('visibilitychange', () => this.loadIfSeen());
    setInterval(() => this.show(), 1000);
    this.listen();
    this.show();
  }

  listen() {
    const source = new EventSource('changes');
    source.onmessage = () => {
      this.heard = Date.now();
      this.show();
      this.loadIfSeen();
    };
    source.onerror = () => {
      this.show();
      if (source.readyState === EventSource.CLOSED) {
        setTimeout(() => this.listen(), 1000);
      }
    };
  }

  loadIfSeen() {
    if (!document.hidden) {
      this.load();
    }
  }

  /** Loads the data, once at a time; what changes meanwhile is loaded after that. */
  async load() {
    if (this.isLoading) {
      this.hasMissed = true;
      return;
    }
    this.isLoading = true;
    try {
      const answer = await fetch('data', { cache: 'no-store' });
      if (!answer.ok) {
        throw new Error(answer.status);
      }
      const loaded = await answer.json();
      this.heard = Date.now();
      showNew(loaded);
    } catch (e) {
      // The next change, or the next connection, asks again.
    } finally {
      this.isLoading = false;
      this.show();
    }
    if (this.hasMissed) {
      this.hasMissed = false;
      this.load();
    }
  }

  show() {
    const isLost = Date.now() - this.heard > CONNECTED_MS;
    const since = new Date(this.heard).toISOString().slice(11, 19);
    this.lamp.classList.toggle('off', isLost);
    this.text.textContent = isLost
      ? 'Not connected since ' + since + ' UTC: what is shown is of then. Trying again.'
      : 'Live';
  }
}

function showNew(loaded) {
  const before = whole();
  const showedWhole = span[0] === before[0] && span[1] === before[1];
  data = loaded;
  prepare();
  if (data.runs.length !== views.length) {
    build();
    return;
  }
  fillWords();
  if (followedSeconds) {
    const end = whole()[1];
    span = [Math.max(0, end - followedSeconds), end];
  } else if (showedWhole) {
    span = whole();
  }
  views.forEach((view, i) => view.update(data.runs[i]));
  sayWhere();
  updateCurve();
}

/** Draws the percentile curve anew, if it has changed, and not more often than is worth it. */
function updateCurve() {
  const { dataset } = document.getElementById('curve');
  const counts = data.runs.map(run => Object.entries(run.curves).map(([tag, curve]) => [tag, curve.n]));
  const now = JSON.stringify(counts);
  if (dataset.was === now || Date.now() - (+dataset.at || 0) <= CURVE_INTERVAL_MS) {
    return;
  }
  dataset.was = now;
  dataset.at = Date.now();
  if (curvePlot) {
    curvePlot.destroy();
    curvePlot = null;
  }
  drawCurve();
}

if (LIVE) {
  new Connection().start();
}
