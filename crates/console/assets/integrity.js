// The page Integrity: follows a verification of the whole lake until it ends.

import { jsonAt, pageAt } from './fetched.js';
import { number } from './figures.js';

const LOOK_EVERY_MS = 2000;
const MOST_FAILURES = 5;

let section = document.querySelector('[data-verification]');

/** Asks how the verification is, and shows its part of the page anew once that changed. */
async function look(failures) {
  let failed = 0;
  try {
    const found = await jsonAt('/v1/log/verification');
    if (found.state !== section.dataset.verification) await renew();
    else tell(found);
  } catch {
    // The server may be restarting; the next look tells.
    failed = failures + 1;
  }
  follow(failed);
}

/** Takes its part anew from the page: somebody may be checking files in another one. */
async function renew() {
  const page = await pageAt(location.href);
  const fresh = page.querySelector('[data-verification]');
  if (!fresh) return;
  const hadFocus = section.contains(document.activeElement);
  section.replaceWith(document.adoptNode(fresh));
  section = fresh;
  if (hadFocus) section.querySelector('a, button')?.focus();
}

/** How far it is. */
function tell({ events, expected_events: expected }) {
  const read = section.querySelector('[data-read]');
  if (read) read.textContent = number(events);
  const bar = section.querySelector('progress');
  if (!bar || !expected) return;
  bar.max = expected;
  bar.value = Math.min(events, expected);
}

function follow(failed) {
  if (section.dataset.verification !== 'running' || failed >= MOST_FAILURES) return;
  setTimeout(() => look(failed), LOOK_EVERY_MS);
}

if (section) follow(0);
