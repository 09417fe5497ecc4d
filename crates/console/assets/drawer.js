// The drawer of one event: opened beside the list from the page that shows it alone, so that
// what stands in it was escaped by the server.

import { pageAt } from './fetched.js';

let drawer = null;
// What opened the drawer, and gets the focus back.
let opener = null;
// What the drawer shows: the query string of the page, which names the event.
let shown = '';
let asking = null;

/** Makes links to events, and the rows that they stand in, open the drawer of this page. */
export function openInDrawer(element) {
  drawer = element;
  shown = drawer.hidden ? '' : location.search;
  document.addEventListener('click', (event) => {
    if (event.defaultPrevented || event.button !== 0) return;
    if (event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
    if (event.target.closest('#drawer [data-close]')) {
      event.preventDefault();
      close();
      return;
    }
    const link = event.target.closest('a[data-fragment]') ?? linkOfRow(event.target);
    if (!link) return;
    event.preventDefault();
    open(link, true);
  });
  // Who walks through the rows while the drawer is open looks at one event after the other.
  document.addEventListener('walk', (event) => {
    const link = event.target.querySelector('a[data-fragment]');
    if (link && !drawer.hidden) open(link, false);
  });
  document.addEventListener('keydown', (event) => {
    if (event.key !== 'Escape' || event.defaultPrevented || drawer.hidden) return;
    if (!document.querySelector('dialog[open]')) close();
  });
  addEventListener('popstate', () => {
    if (location.search === shown) return;
    if (new URLSearchParams(location.search).has('event')) {
      show(`/logs/event${location.search}`, false);
    } else {
      hide();
    }
  });
}

/** The link of a row that was clicked beside its links; none while somebody marks a text. */
function linkOfRow(target) {
  if (target.closest('a, button, input') || !getSelection().isCollapsed) return null;
  return target.closest('tr[data-id]')?.querySelector('a[data-fragment]') ?? null;
}

/** Opens what a link leads to. A walk leaves one entry in the history, and the focus in its row. */
function open(link, isChosen) {
  // Rows are remembered, links within the drawer are replaced together with it.
  if (!drawer.contains(link)) opener = link;
  if (!link.hasAttribute('data-stay')) {
    if (isChosen && link.href !== location.href) history.pushState(null, '', link.href);
    else history.replaceState(null, '', link.href);
  }
  show(link.dataset.fragment, isChosen);
}

async function show(address, takesFocus) {
  asking?.abort();
  const mine = new AbortController();
  asking = mine;
  shown = location.search;
  drawer.hidden = false;
  drawer.setAttribute('aria-busy', 'true');
  mark();
  let content;
  try {
    const page = await pageAt(address, mine.signal);
    content = page.querySelector('#event') ?? failed('The server gave another page.');
  } catch (error) {
    content = failed(error.message);
  }
  // Another event was asked for meanwhile, or none any more.
  if (mine.signal.aborted) return;
  drawer.replaceChildren(document.adoptNode(content));
  drawer.removeAttribute('aria-busy');
  drawer.scrollTop = 0;
  if (takesFocus) drawer.querySelector('h2')?.focus();
}

function failed(text) {
  const box = document.createElement('div');
  const heading = document.createElement('h2');
  heading.tabIndex = -1;
  heading.textContent = 'No event to show';
  const words = document.createElement('p');
  words.textContent = text;
  const closing = document.createElement('button');
  closing.type = 'button';
  closing.className = 'button';
  closing.dataset.close = '';
  closing.textContent = 'Close';
  const way = document.createElement('p');
  way.append(closing);
  box.className = 'empty';
  box.append(heading, words, way);
  return box;
}

/** Shows which row is open. */
function mark() {
  const open = new URLSearchParams(location.search);
  for (const row of document.querySelectorAll('tr[data-id]')) {
    const isOpen =
      row.dataset.id === open.get('event') && row.dataset.tenant === open.get('event_tenant');
    if (isOpen) row.setAttribute('aria-current', 'true');
    else row.removeAttribute('aria-current');
  }
}

function hide() {
  asking?.abort();
  shown = location.search;
  const had = drawer.contains(document.activeElement);
  const ofRow = document.querySelector('tr[aria-current] a[data-open]');
  const link = opener?.isConnected ? opener : ofRow;
  drawer.hidden = true;
  drawer.removeAttribute('aria-busy');
  drawer.replaceChildren();
  mark();
  if (had) link?.focus();
}

function close() {
  const url = new URL(location.href);
  url.searchParams.delete('event');
  url.searchParams.delete('event_tenant');
  history.pushState(null, '', url);
  hide();
}
