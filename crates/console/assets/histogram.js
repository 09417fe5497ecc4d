// The histogram of the logs: dragging over it chooses a span of time, a click one bar.
// The table below it says the same and has links, for whoever uses no pointer.

import { inZone } from './times.js';

// A hand is never quite still: a few pixels are a click.
const LEAST_DRAG_PX = 4;

/** The page of the logs over another span of time, RFC 3339: a Date would cut microseconds. */
function within(from, to) {
  const url = new URL(location.href);
  for (const name of ['cursor', 'event', 'event_tenant', 'figures', 'range']) url.searchParams.delete(name);
  url.searchParams.set('from', from);
  url.searchParams.set('to', to);
  return url;
}

/** Makes a chart of buckets take drags; `hint` says what can be done, and what is chosen. */
export function dragToZoom(chart, hint) {
  const begin = Date.parse(chart.dataset.from);
  const end = Date.parse(chart.dataset.to);
  if (!(end > begin)) return;
  const selection = chart.querySelector('[data-selection]');
  const width = chart.viewBox.baseVal.width;
  const invitation = hint?.textContent ?? '';
  let start = null;

  const share = (event) => {
    const box = chart.getBoundingClientRect();
    return Math.min(1, Math.max(0, (event.clientX - box.left) / box.width));
  };
  // At the edges the chart says the time itself.
  const timeAt = (part) => {
    if (part <= 0) return chart.dataset.from;
    if (part >= 1) return chart.dataset.to;
    return new Date(begin + part * (end - begin)).toISOString();
  };
  const say = (text) => {
    if (hint) hint.textContent = text;
  };
  const show = (one, other) => {
    selection.setAttribute('x', String(Math.min(one, other) * width));
    selection.setAttribute('width', String(Math.abs(one - other) * width));
  };
  const clear = () => {
    start = null;
    show(0, 0);
    say(invitation);
  };

  chart.addEventListener('pointerdown', (event) => {
    if (event.button !== 0) return;
    start = share(event);
    chart.setPointerCapture(event.pointerId);
    event.preventDefault();
  });
  chart.addEventListener('pointermove', (event) => {
    if (start === null) return;
    const here = share(event);
    show(start, here);
    const ends = [start, here].sort((one, other) => one - other);
    const [from, to] = ends.map((part) => inZone(timeAt(part)));
    say(`: ${from} to ${to}`);
  });
  chart.addEventListener('pointercancel', clear);
  chart.addEventListener('pointerup', (event) => {
    if (start === null) return;
    const [first, last] = [start, share(event)].sort((one, other) => one - other);
    const bar = barAt(chart, event.clientX);
    clear();
    const box = chart.getBoundingClientRect();
    if ((last - first) * box.width >= LEAST_DRAG_PX) {
      location.assign(within(timeAt(first), timeAt(last)));
    } else if (bar) {
      location.assign(within(bar.dataset.from, bar.dataset.to));
    }
  });
  // Before anything else that Escape closes: it is the drag that is under way.
  document.addEventListener('keydown', (event) => {
    if (event.key !== 'Escape' || start === null) return;
    event.preventDefault();
    clear();
  }, { capture: true });
  chart.classList.add('draggable');
  if (hint) hint.hidden = false;
}

/** The bar under a place; the pointer is captured, so that the event does not say. */
function barAt(chart, clientX) {
  for (const bar of chart.querySelectorAll('[data-bar]')) {
    const box = bar.getBoundingClientRect();
    if (clientX >= box.left && clientX <= box.right) return bar;
  }
  return null;
}
