// The page of the logs: figures that the page did not wait for, and what the modules beside this
// one add to histogram, drawer, filters and live tail.

import { completeColumns, completeValues } from './complete.js';
import './copy.js';
import { openInDrawer } from './drawer.js';
import { pageAt } from './fetched.js';
import { number } from './figures.js';
import { dragToZoom } from './histogram.js';
import { follow } from './live.js';
import { isBelow, rowOf } from './rows.js';
import { inZone, shownZone, withOffset } from './times.js';

/** Ends the address of a page that follows what is new from the beginning. */
const LIVE = '#live';
const NARROW = '(max-width: 56rem)';

/** Puts the figures where they belong once they are there. */
async function loadFigures(place) {
  try {
    const found = await pageAt(place.dataset.fragment);
    for (const id of ['over-time', 'facets']) {
      const part = found.getElementById(id);
      if (part) document.getElementById(id).replaceWith(document.adoptNode(part));
    }
  } catch (error) {
    for (const id of ['over-time', 'facets']) {
      const empty = document.getElementById(id);
      empty.removeAttribute('aria-busy');
      empty.replaceChildren();
    }
    const words = document.createElement('p');
    words.className = 'note warn';
    words.setAttribute('role', 'status');
    words.textContent = `The figures could not be had. ${error.message}`;
    document.getElementById('over-time').append(words);
  }
  startFigures();
}

function startFigures() {
  const chart = document.getElementById('histogram');
  if (chart) dragToZoom(chart, document.querySelector('[data-hint]'));
  // Beside a narrow list there is no room: its facets open when they are asked for.
  if (matchMedia(NARROW).matches) {
    for (const facet of document.querySelectorAll('details.facet')) facet.open = false;
  }
  const counted = document.getElementById('over-time')?.dataset.count;
  const count = document.getElementById('count');
  if (counted && count?.hasAttribute('data-open')) {
    count.textContent = `${counted} ${counted === '1' ? 'event' : 'events'} (exact)`;
    count.removeAttribute('data-open');
  }
}

const timeFields = () => [...document.querySelectorAll('#filters [data-time]')];

/** Says what the fields of the time range mean in the zone that times are shown in. */
function sayTimes() {
  const hint = document.getElementById('times-hint');
  const zone = shownZone();
  hint.dataset.words ??= hint.textContent;
  if (zone === 'UTC') {
    hint.textContent = hint.dataset.words;
    return;
  }
  const known = timeFields().map((field) => field.value).filter((text) => text.includes('T'));
  const there = known.map((text) => inZone(text)).join(' to ');
  hint.textContent = `Times are in ${zone} unless they say another offset; a day without a time `
    + `begins at midnight UTC.${there && ` Now: ${there}.`}`;
}

/** What is typed without an offset is meant as times are shown. */
function sendTimes({ target, formData }) {
  if (target !== document.getElementById('filters')) return;
  for (const field of timeFields()) formData.set(field.name, withOffset(field.value));
}

/** What is new is in no span of time that has an end: such a list is followed without it. */
function startWithoutEnd(event) {
  const url = new URL(location.href);
  if (!url.searchParams.has('to')) return;
  event.stopImmediatePropagation();
  url.searchParams.delete('to');
  url.hash = LIVE;
  location.assign(url);
}

/** Makes the button follow new events in the table. */
function startLive(button, table) {
  const heads = JSON.parse(table.dataset.heads);
  const [body] = table.tBodies;
  const count = document.getElementById('count');
  const isThere = ({ id, tenant_id: tenant }) => [...body.rows]
    .some((row) => row.dataset.id === id && row.dataset.tenant === tenant);
  const tail = {
    address: button.dataset.stream,
    rows: body,
    // What was recorded since the page was loaded is in no stream that begins now.
    async begin() {
      const page = await pageAt(location.href);
      const fresh = page.getElementById('events')?.tBodies[0];
      if (fresh) body.replaceChildren(...[...fresh.rows].map((row) => document.adoptNode(row)));
      // The way to older events begins where these rows end.
      const pager = page.querySelector('.pager');
      if (pager) document.querySelector('.pager').replaceWith(document.adoptNode(pager));
      if (body.rows.length > 0) document.getElementById('no-events')?.remove();
    },
    add(event) {
      if (isThere(event)) return false;
      const below = [...body.rows].find((row) => isBelow(row, event)) ?? null;
      // What comes behind the last row is on the next page, if there is one.
      if (below || !document.querySelector('.pager [rel="next"]')) {
        body.insertBefore(rowOf(event, heads), below);
      }
      document.getElementById('no-events')?.remove();
      return true;
    },
    tell(isLive) {
      const rows = body.rows.length;
      count.removeAttribute('data-open');
      // The status beside it is heard; twice would be too much.
      count.setAttribute('aria-live', 'off');
      count.textContent = `${number(rows)} ${rows === 1 ? 'row' : 'rows'} shown${isLive ? ', live' : ''}`;
    },
  };
  button.addEventListener('click', startWithoutEnd);
  follow(button, document.getElementById('live-status'), tail);
  if (location.hash === LIVE) {
    history.replaceState(null, '', location.pathname + location.search);
    button.click();
  }
}

function start() {
  sayTimes();
  document.addEventListener('zone', sayTimes);
  openInDrawer(document.getElementById('drawer'));
  document.addEventListener('formdata', sendTimes);
  completeValues(document.getElementById('filters'));
  const where = document.getElementById('where');
  completeColumns(where, where.dataset.columns.split(' '));
  const waiting = document.querySelector('#over-time[data-fragment]');
  if (waiting) loadFigures(waiting);
  else startFigures();
  const live = document.getElementById('live');
  const table = document.getElementById('events');
  if (live && table) startLive(live, table);
}

start();
