// Elements, and how the page writes numbers, durations and times.

/** Makes an element. What is not an element becomes text, and stays text whatever is in it. */
function el(tag, attributes, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes || {})) {
    if (name.startsWith('on')) {
      element.addEventListener(name.slice(2), value);
    } else if (value != null) {
      element.setAttribute(name, value);
    }
  }
  const present = children.flat().filter(child => child != null);
  element.append(...present.map(child => child instanceof Node ? child : String(child)));
  return element;
}

const NONE = '\u2013';
const MINUS = '\u2212';
const SEPARATOR = ' \u00b7 ';

const listed = words => words.filter(word => word != null).join(SEPARATOR);

// ---- Numbers and durations ----

const grouped = n => Math.abs(n) < 1e15 ? n.toLocaleString('en') : String(n);

function num(n) {
  if (n == null) {
    return NONE;
  }
  if (Number.isInteger(n)) {
    return grouped(n);
  }
  const size = Math.abs(n);
  if (size >= 1000) {
    return grouped(Math.round(n));
  }
  return String(+n.toPrecision(size >= 100 ? 4 : 3));
}

/** Writes milliseconds, in the unit that fits. */
function ms(value) {
  if (value == null) {
    return NONE;
  }
  if (value >= 60000) {
    return dur(value / 1000);
  }
  if (value >= 1000) {
    return +(value / 1000).toFixed(2) + ' s';
  }
  if (value >= 100) {
    return value.toFixed(0) + ' ms';
  }
  return value.toFixed(value >= 10 ? 1 : 2) + ' ms';
}

/** Writes seconds, in the unit that fits. */
function dur(seconds) {
  if (seconds == null) {
    return NONE;
  }
  if (seconds < 60) {
    return seconds.toFixed(seconds < 10 ? 2 : 1) + ' s';
  }
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) {
    return minutes + ' min ' + Math.round(seconds % 60) + ' s';
  }
  return Math.floor(minutes / 60) + ' h ' + minutes % 60 + ' min';
}

// ---- Times ----

/** Writes a time of a run as time of day, with milliseconds. */
const clock = (run, t) => new Date(run.t0 + t * 1000).toISOString().slice(11, 23);

const twoDigits = n => String(n).padStart(2, '0');

const isLong = () => span[1] - span[0] > 7200;

/** Writes a time of the axis as minutes and seconds, as exactly as its step needs it; over hours without seconds. */
function rel(t, step = 1) {
  const size = Math.abs(t);
  const sign = t < -1e-9 ? MINUS : '';
  if (step >= 60 && isLong()) {
    return sign + Math.floor(size / 3600) + ':' + twoDigits(Math.round(size / 60) % 60) + ' h';
  }
  return sign + Math.floor(size / 60) + ':' + secondsOf(size, step);
}

function secondsOf(size, step) {
  if (step >= 1) {
    return twoDigits(Math.round(size % 60));
  }
  const decimals = step < .1 ? 2 : 1;
  return (size % 60).toFixed(decimals).padStart(decimals + 3, '0');
}

// ---- Lists in the order of time ----

const max = (list, least = 0) => list.reduce((a, b) => b > a ? b : a, least);
const min = list => list.reduce((a, b) => b < a ? b : a, Infinity);
const last = list => list[list.length - 1];
const unique = list => [...new Set(list)];

/** Returns the last index whose x is not after t, or -1. */
function before(xs, t) {
  let low = 0;
  let high = xs.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (xs[middle] <= t) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return low - 1;
}

function nearest(xs, t) {
  const i = before(xs, t);
  if (i < 0) {
    return 0;
  }
  const nextIsNearer = i + 1 < xs.length && xs[i + 1] - t < t - xs[i];
  return nextIsNearer ? i + 1 : i;
}

/** Returns a field of what holds at a time, or null before anything does. */
function holds(steps, field, t) {
  const i = before(steps.x, t);
  return i < 0 ? null : steps[field][i];
}

/** Returns from when to when each of some states holds, the last one until the end. */
const intervals = (xs, end) => xs.map((from, i) => [from, i + 1 < xs.length ? xs[i + 1] : end]);
