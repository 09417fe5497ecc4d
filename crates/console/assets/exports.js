// The list of exports: follows those that are under way, and counts down to when files go.

import { pageAt } from './fetched.js';
import { bytes, number, rows, span } from './figures.js';

// A browser has few connections to a server over HTTP/1.1, and links need some too.
const MOST_FOLLOWED = 3;
const COUNTDOWN_MS = 30_000;
const LOOK_AGAIN_MS = 15_000;
const OVER = ['ready', 'failed', 'canceled', 'expired'];

const followed = new Map();

follow();
countDown();
setInterval(countDown, COUNTDOWN_MS);
addEventListener('pagehide', () => followed.forEach((source) => source.close()));
addEventListener('pageshow', (event) => {
  if (event.persisted) {
    followed.clear();
    follow();
  }
});

/** Follows the newest exports that are under way. */
function follow() {
  for (const item of document.querySelectorAll('[data-under-way]')) {
    const id = item.dataset.exportId;
    if (followed.size >= MOST_FOLLOWED || followed.has(id)) {
      continue;
    }
    const source = new EventSource(`/v1/exports/${encodeURIComponent(id)}/events`);
    followed.set(id, source);
    source.addEventListener('export', (event) => heard(id, JSON.parse(event.data)));
    // A refusal ends the source for good, as when enough of them are open; the page then tells
    // how far the job is. A broken line does not: the browser comes back by itself.
    source.addEventListener('error', () => {
      if (source.readyState === EventSource.CLOSED && followed.get(id) === source) {
        followed.delete(id);
        setTimeout(() => renew(id), LOOK_AGAIN_MS);
      }
    });
  }
}

function heard(id, job) {
  // The server ends the line of a job that is over, and the browser would open it again.
  if (OVER.includes(job.state)) {
    followed.get(id)?.close();
    followed.delete(id);
  }
  const item = document.getElementById(id);
  if (!item) {
    return;
  }
  if (item.dataset.state !== job.state) {
    renew(id);
  } else if (job.state === 'running') {
    showProgress(item, job.progress);
  }
}

function showProgress(item, progress) {
  const bar = item.querySelector('progress');
  const line = item.querySelector('[data-part="progress"]');
  if (!bar || !line) {
    return;
  }
  const words = [rows(progress.rows), bytes(progress.bytes)];
  if (progress.percent !== null) {
    bar.value = progress.percent;
    words.push(`${Math.floor(progress.percent)} %`);
  }
  if (progress.rows_per_second !== null) {
    words.push(`${number(Math.round(progress.rows_per_second))} rows/s`);
  }
  line.textContent = words.join(', ');
}

/** Takes the item anew from the page: what an export offers depends on its state. */
async function renew(id) {
  let page;
  try {
    page = await pageAt(location.href);
  } catch {
    // The item stays as it is; the next look tells.
    setTimeout(() => renew(id), LOOK_AGAIN_MS);
    return;
  }
  const [old, fresh] = [document.getElementById(id), page.getElementById(id)];
  if (old && fresh) {
    const hadFocus = old.contains(document.activeElement);
    const wasHere = old.classList.contains('here');
    const item = document.adoptNode(fresh);
    item.classList.toggle('here', wasHere);
    old.replaceWith(item);
    if (hadFocus) {
      item.querySelector('a, button')?.focus();
    }
  }
  countDown();
  follow();
}

/** Says how long files are still there. */
function countDown() {
  for (const time of document.querySelectorAll('[data-expires]')) {
    const left = Date.parse(time.dataset.expires) - Date.now();
    time.textContent = left > 0 ? `in ${span(left)}` : 'now';
  }
}
