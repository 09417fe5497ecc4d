// A list on paper says above its rows what it is of: the range, the filters, the zone of the times,
// and how many of how many events there are.

import { shownZone } from './times.js';

/** `From 2026-01-01, before 2026-04-01`, as the fields say it, or a range that has a name. */
function range() {
  const named = document.querySelector('.ranges [aria-current]')?.textContent.trim();
  const [from, before] = ['from', 'to'].map((id) => document.getElementById(id)?.value.trim());
  if (!from && !before) return named ?? 'Of all times';
  if (!before) return `From ${from}`;
  return from ? `From ${from}, before ${before}` : `Before ${before}`;
}

function filters() {
  const chips = document.querySelectorAll('.filters ul.chips .chip bdi');
  return [...chips].map((chip) => chip.textContent.trim().replace(/\.$/, ''));
}

/** How many are printed, and of how many where that is known. */
function count(table) {
  const rows = table.querySelectorAll('tbody tr[data-id]').length;
  const said = document.getElementById('count')?.textContent ?? '';
  const total = /([\d,]+) events? \(exact\)/.exec(said)?.[1];
  const shown = rows.toLocaleString('en');
  return total ? `${shown} of ${total} events` : `${shown} events, and there may be more`;
}

/** Writes it whenever the page goes to paper. */
export function start() {
  const table = document.querySelector('table.events');
  const heading = document.querySelector('#main h1');
  if (!table || !heading) return;
  const words = document.createElement('p');
  words.className = 'paper';
  heading.closest('header').after(words);
  const write = () => {
    const parts = [range(), ...filters(), count(table), `Times in ${shownZone()}`];
    words.textContent = `${parts.join('. ')}.`;
  };
  addEventListener('beforeprint', write);
  matchMedia('print').addEventListener('change', ({ matches }) => matches && write());
}
