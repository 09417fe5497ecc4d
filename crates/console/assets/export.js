// The export form. It shows how large the export would be while the form is filled in, and
// downloads small exports with a count of what has arrived. Links to the form (a[data-export])
// open it in a dialog, with the same fields that its page has.

import { jsonAt, pageAt, reasonOf } from './fetched.js';
import { bytes, number, rows } from './figures.js';

// What a page may hold in memory; larger files are for the browser's own downloads.
const MOST_HELD_BYTES = 64 * 1024 * 1024;
const PAUSE_MS = 250;
// Figures that change with each piece of a download are more than an eye can follow.
const COUNT_EVERY_MS = 40;
const QUOTE = 0x22;
const LINE_END = 0x0a;

let isOpening = false;

for (const form of document.querySelectorAll('form[data-export-form]')) {
  enhance(form);
}
document.addEventListener('click', openInDialog);
// Who comes back to a page that was left by the button may want another job.
addEventListener('pageshow', () => {
  for (const button of document.querySelectorAll('[data-part="job"]')) button.disabled = false;
});

/** Opens the form in a dialog; any trouble on the way leads to its page instead. */
async function openInDialog(event) {
  const link = event.target.closest('a[data-export]');
  const isPlain = event.button === 0
    && !(event.metaKey || event.ctrlKey || event.shiftKey || event.altKey);
  if (!link || !isPlain || event.defaultPrevented) {
    return;
  }
  event.preventDefault();
  // A second click, or key, is for the dialog that is on its way.
  if (isOpening || document.querySelector('dialog[open]')) {
    return;
  }
  isOpening = true;
  link.setAttribute('aria-busy', 'true');
  try {
    const dialog = await dialogWith(link.href);
    document.body.append(dialog);
    dialog.showModal();
  } catch {
    location.assign(link.href);
  } finally {
    isOpening = false;
    link.removeAttribute('aria-busy');
  }
}

async function dialogWith(href) {
  const page = await pageAt(href);
  const form = page.querySelector('form[data-export-form]');
  if (!form) {
    throw new Error('the page of the form has none');
  }
  document.adoptNode(form);
  // A dialog gives the focus to what asks for it, and else to its first button, which closes it.
  form.querySelector('input[name="format"]:checked')?.setAttribute('autofocus', '');
  const dialog = document.createElement('dialog');
  dialog.className = 'dialog';
  dialog.setAttribute('aria-label', 'Export');
  dialog.append(headOf(dialog), form);
  dialog.addEventListener('close', () => {
    form.dispatchEvent(new Event('leave'));
    dialog.remove();
  });
  enhance(form);
  return dialog;
}

function headOf(dialog) {
  const head = document.createElement('div');
  head.className = 'head';
  const title = document.createElement('h2');
  title.textContent = 'Export';
  const close = document.createElement('button');
  close.type = 'button';
  close.className = 'button quiet';
  close.textContent = 'Close';
  close.addEventListener('click', () => dialog.close());
  const actions = document.createElement('div');
  actions.className = 'actions';
  actions.append(close);
  head.append(title, actions);
  return head;
}

/** Gives a form its life: figures, what belongs to a format only, and downloads. */
function enhance(form) {
  const state = { asking: null, timer: 0, downloading: null };
  form.addEventListener('input', (event) => {
    if (event.target.name === 'column') {
      form.elements.pick.value = 'some';
    }
    arrange(form);
    clearTimeout(state.timer);
    state.timer = setTimeout(() => refresh(form, state), PAUSE_MS);
  });
  form.addEventListener('submit', (event) => submit(event, form, state));
  form.addEventListener('leave', () => {
    clearTimeout(state.timer);
    state.asking?.abort();
    state.downloading?.abort();
  });
  // What the button does happens by itself here.
  part(form, 'ask').hidden = true;
  part(form, 'stop').addEventListener('click', () => state.downloading?.abort());
  arrange(form);
  refresh(form, state);
}

function part(form, name) {
  return form.querySelector(`[data-part="${name}"]`);
}

/** Shows what the chosen format has a use for. */
function arrange(form) {
  const format = form.elements.format.value;
  for (const field of form.querySelectorAll('[data-only]')) {
    field.hidden = !field.dataset.only.split(' ').includes(format);
  }
}

/** Asks how large the export would be; answers the plan, or null if a newer question came. */
async function refresh(form, state) {
  // What was typed a moment ago is in this question; another one would stop it.
  clearTimeout(state.timer);
  state.asking?.abort();
  const asking = new AbortController();
  state.asking = asking;
  const fields = new URLSearchParams(new FormData(form));
  fields.delete('csrf');
  const line = part(form, 'estimate');
  line.setAttribute('aria-busy', 'true');
  try {
    const plan = await jsonAt(`/export/estimate?${fields}`, asking.signal);
    show(form, plan);
    return plan;
  } catch (error) {
    if (asking.signal.aborted) {
      return null;
    }
    line.textContent = `The figures could not be had. ${error.message}`;
    return null;
  } finally {
    if (state.asking === asking) {
      line.removeAttribute('aria-busy');
    }
  }
}

function show(form, plan) {
  const text = plan.error ? 'Something above is to be put right.' : plan.text;
  part(form, 'estimate').textContent = text;
  showError(form, plan.error);
  const reason = part(form, 'why-not-complete');
  reason.textContent = plan.not_complete ?? '';
  reason.hidden = !plan.not_complete;
  if (form.elements.range.value !== '') {
    form.elements.range.value = '';
    form.elements.from.value = plan.from;
    form.elements.to.value = plan.to;
  }
  for (const name of ['download', 'job']) {
    const isAdvised = plan.advice === (name === 'job' ? 'job' : 'stream');
    part(form, name).classList.toggle('primary', isAdvised);
  }
}

/** Says what is wrong beside the field that it is wrong with. */
function showError(form, error) {
  for (const place of form.querySelectorAll('[data-error]')) {
    place.textContent = '';
    place.hidden = true;
  }
  if (!error) {
    return;
  }
  const places = [...form.querySelectorAll('[data-error]')];
  const own = places.find((place) => place.dataset.error.split(' ').includes(error.parameter));
  const place = own ?? part(form, 'error');
  // Beside its field the name of a parameter need not be said.
  const name = own || !error.parameter ? '' : `${error.parameter}: `;
  place.textContent = name + error.text;
  place.hidden = false;
  place.closest('details')?.setAttribute('open', '');
}

async function submit(event, form, state) {
  const action = event.submitter?.value;
  if (action === 'job') {
    // One click is one job. A button that is disabled now would not be sent.
    setTimeout(() => { event.submitter.disabled = true; });
    return;
  }
  event.preventDefault();
  if (state.downloading) {
    return;
  }
  const plan = await refresh(form, state);
  if (action !== 'download' || !plan || plan.error) {
    return;
  }
  if (plan.bytes > MOST_HELD_BYTES) {
    location.assign(plan.download);
    note(form, 'The browser has the download; it shows how far it is.');
    return;
  }
  await download(form, state, plan);
}

/** Downloads an export and counts what arrives. What breaks off is not kept. */
async function download(form, state, plan) {
  const stopping = new AbortController();
  state.downloading = stopping;
  part(form, 'download').disabled = true;
  part(form, 'progress').value = 0;
  part(form, 'transfer').hidden = false;
  part(form, 'note').hidden = true;
  part(form, 'stop').focus();
  try {
    const response = await fetch(plan.download, { signal: stopping.signal });
    if (!response.ok) {
      await refuse(form, response);
      return;
    }
    const counter = counterOf(plan.format, response.headers.get('content-type') ?? '');
    const blob = await collect(form, response, counter, plan);
    keep(blob, nameOf(response));
    await finish(form, blob, counter, response.headers.get('auditlake-export-id'));
  } catch {
    part(form, 'note').removeAttribute('aria-live');
    const reason = stopping.signal.aborted ? 'It was stopped' : 'The connection broke off';
    note(form, `${reason}. Nothing was kept: an export is whole or it is none.`);
  } finally {
    state.downloading = null;
    const hadFocus = document.activeElement === part(form, 'stop');
    part(form, 'download').disabled = false;
    part(form, 'transfer').hidden = true;
    if (hadFocus) {
      part(form, 'download').focus();
    }
  }
}

/** Says why there is no download: which field it is, if the server says so. */
async function refuse(form, response) {
  let parameter;
  try {
    ({ parameter } = await response.clone().json());
  } catch {
    // Not every refusal is of the API: a proxy in between has words of its own.
  }
  showError(form, { parameter, text: await reasonOf(response) });
}

async function collect(form, response, counter, plan) {
  const pieces = [];
  const progress = part(form, 'progress');
  let size = 0;
  let told = 0;
  const reader = response.body.getReader();
  for (;;) {
    const { done, value } = await reader.read();
    if (done) {
      break;
    }
    pieces.push(value);
    size += value.length;
    counter?.take(value);
    if (performance.now() - told < COUNT_EVERY_MS) {
      continue;
    }
    told = performance.now();
    const share = counter && plan.rows ? counter.rows() / plan.rows : size / (plan.bytes || size);
    // The size is an estimate: only the end of the answer is the end.
    progress.value = Math.min(99, Math.floor(100 * share));
    count(form, counter, size);
  }
  count(form, counter, size);
  return new Blob(pieces, { type: response.headers.get('content-type') ?? '' });
}

/** How much has arrived, to be seen: who hears the page is told the end, and not each step. */
function count(form, counter, size) {
  part(form, 'note').setAttribute('aria-live', 'off');
  note(form, counter ? `${rows(counter.rows())}, ${bytes(size)}` : bytes(size));
}

/** Counts rows where a row can be told in the bytes as they are. */
function counterOf(format, type) {
  const isText = type.startsWith('text/csv') || type.startsWith('application/x-ndjson');
  if (!isText) {
    return null;
  }
  const isCsv = format === 'csv';
  let lines = 0;
  let isQuoted = false;
  return {
    take(piece) {
      for (const byte of piece) {
        if (byte === QUOTE && isCsv) {
          isQuoted = !isQuoted;
        } else if (byte === LINE_END && !isQuoted) {
          lines += 1;
        }
      }
    },
    // The first line of CSV names the columns.
    rows: () => (isCsv ? Math.max(0, lines - 1) : lines),
  };
}

function nameOf(response) {
  const header = response.headers.get('content-disposition') ?? '';
  return /filename="([^"]+)"/.exec(header)?.[1] ?? 'audit-export';
}

function keep(blob, name) {
  const link = document.createElement('a');
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}

/** Says what was kept, and where the log tells of it. */
async function finish(form, blob, counter, id) {
  const counted = counter ? `${rows(counter.rows())}, ` : '';
  part(form, 'note').removeAttribute('aria-live');
  note(form, `Done: ${counted}${number(blob.size)} bytes.`);
  const line = part(form, 'note');
  if (id) {
    const link = document.createElement('a');
    link.href = `/logs?${new URLSearchParams({ target_id: id })}`;
    link.textContent = 'See it in the log';
    line.append(' ', link);
  }
  // Browsers hash only for pages that came over TLS, or from the same machine.
  if (globalThis.crypto?.subtle) {
    const digest = await crypto.subtle.digest('SHA-256', await blob.arrayBuffer());
    const shown = document.createElement('code');
    shown.textContent = [...new Uint8Array(digest)]
      .map((byte) => byte.toString(16).padStart(2, '0')).join('');
    line.append(' SHA-256 ', shown);
  }
}

function note(form, text) {
  const line = part(form, 'note');
  line.textContent = text;
  line.hidden = false;
}
