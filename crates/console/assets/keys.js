// The keyboard: `/` searches, `j` `k` walk through rows, Enter opens one, `e` exports, `g` and a
// letter goes to a page, `?` tells all of it. Never while somebody types.

const ROWS = 'table[data-rows] tbody tr';
const SECOND_KEY_MS = 1200;

const HELP = [
  ['/', 'Search'],
  ['j  k', 'Next and previous row'],
  ['Enter', 'Open the row'],
  ['Esc', 'Close what is open'],
  ['e', 'Export what is shown'],
  ['?', 'This help'],
];

function isTyping(target) {
  return target instanceof Element
    && target.closest('input, textarea, select, [contenteditable]') !== null
    && !target.matches('input[type="checkbox"], input[type="radio"], input[type="button"]');
}

/** The first of them that is there to be seen. */
function first(selector) {
  return [...document.querySelectorAll(selector)].find((element) => element.checkVisibility());
}

function search() {
  const field = first('[data-search], input[type="search"], input[name="q"]');
  field?.focus();
  field?.select?.();
  return Boolean(field);
}

function walk(step) {
  const rows = [...document.querySelectorAll(ROWS)].filter((row) => row.checkVisibility());
  if (rows.length === 0) return false;
  const last = rows.length - 1;
  const at = rows.findIndex((row) => row.classList.contains('here'));
  const next = at < 0 && step < 0 ? last : Math.min(Math.max(at + step, 0), last);
  for (const row of rows) row.classList.toggle('here', row === rows[next]);
  const row = rows[next];
  // What opens the row is what Enter then does; a row without such a link takes the focus itself.
  const target = row.querySelector('a[data-open]') ?? row.querySelector('a[href]') ?? row;
  if (target === row) row.tabIndex = -1;
  target.focus({ preventScroll: true });
  row.scrollIntoView({ block: 'nearest' });
  // The drawer follows, if it is open.
  row.dispatchEvent(new CustomEvent('walk', { bubbles: true }));
  return true;
}

/** Exports what the page is about, or else the row that somebody walked to. */
function exportShown() {
  const ways = ['.head [data-export]', '.here [data-export]', '[data-export]'];
  const way = ways.map(first).find(Boolean);
  way?.click();
  return Boolean(way);
}

/** Goes to a page of the side navigation by its letter. */
function go(letter) {
  for (const way of document.querySelectorAll('.side a[data-key]')) {
    if (way.dataset.key === letter) {
      way.click();
      return true;
    }
  }
  return false;
}

function helpDialog() {
  const dialog = document.createElement('dialog');
  dialog.className = 'dialog';
  dialog.setAttribute('aria-labelledby', 'keys-heading');
  const heading = document.createElement('h2');
  heading.id = 'keys-heading';
  heading.textContent = 'Keyboard';
  const list = document.createElement('dl');
  list.className = 'shortcuts';
  const ways = [...document.querySelectorAll('.side a[data-key]')]
    .map((way) => [`g ${way.dataset.key}`, way.textContent.trim()]);
  for (const [keys, does] of [...HELP, ...ways]) {
    const term = document.createElement('dt');
    for (const key of keys.split(/\s+/)) {
      const cap = document.createElement('kbd');
      cap.textContent = key;
      term.append(cap, ' ');
    }
    const meaning = document.createElement('dd');
    meaning.textContent = does;
    list.append(term, meaning);
  }
  const close = document.createElement('button');
  close.type = 'button';
  close.className = 'button';
  close.textContent = 'Close';
  close.addEventListener('click', () => dialog.close());
  dialog.append(heading, list, close);
  dialog.addEventListener('close', () => dialog.remove());
  return dialog;
}

function help() {
  const open = document.querySelector('dialog[open]');
  if (open) return false;
  const dialog = helpDialog();
  document.body.append(dialog);
  dialog.showModal();
  return true;
}

const SINGLE = {
  '/': search,
  j: () => walk(1),
  k: () => walk(-1),
  e: exportShown,
  '?': help,
};

/** Listens, and lets a button tell what there is. */
export function start(button) {
  let goes = 0;
  document.addEventListener('keydown', (event) => {
    if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey) return;
    if (isTyping(event.target)) return;
    // A key that is held down would open the same thing again and again.
    if (event.repeat && !'jk'.includes(event.key)) return;
    // A dialog over the page has the keyboard; what lies below it must not move.
    if (document.querySelector('dialog:modal')) return;
    if (event.timeStamp < goes) {
      goes = 0;
      if (go(event.key)) {
        event.preventDefault();
        return;
      }
    }
    if (event.key === 'g') {
      goes = event.timeStamp + SECOND_KEY_MS;
    } else if (Object.hasOwn(SINGLE, event.key) && SINGLE[event.key]()) {
      event.preventDefault();
    }
  });
  if (!button) return;
  button.hidden = false;
  button.addEventListener('click', help);
}
