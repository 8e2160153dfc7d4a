'use strict';
// What all of the page's script shares. The files are one script, in the order that ReportPage has.

const LIVE = document.body.dataset.live === 'true';

let data = JSON.parse(document.getElementById('data').textContent);
/** A timeline for each run. */
let views = [];
/** From when to when the timelines show. */
let span = [0, 1];
/** The time under the cursor, or null. */
let hovered = null;
/** Colours, as the style has them. */
let C = {};
