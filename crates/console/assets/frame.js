// What every page has: times in the viewer's zone, the keyboard, the theme and its menus, tables on
// a telephone and on paper.

import { start as startKeys } from './keys.js';
import { start as startPaper } from './paper.js';
import { start as startTables } from './tables.js';
import { start as startTimes } from './times.js';

function startTheme(button) {
  if (!button) return;
  button.hidden = false;
  button.addEventListener('click', () => {
    const root = document.documentElement;
    const system = matchMedia('(prefers-color-scheme: dark)').matches ? 'dark' : 'light';
    const next = (root.dataset.theme ?? system) === 'dark' ? 'light' : 'dark';
    root.dataset.theme = next;
    try {
      // Who chooses what the system says follows the system again.
      if (next === system) localStorage.removeItem('auditlake.theme');
      else localStorage.setItem('auditlake.theme', next);
    } catch {
      // It holds for this page, then.
    }
  });
}

/** Menus close when somebody clicks beside them, or presses Escape. */
function startMenus() {
  document.addEventListener('click', (event) => {
    for (const menu of document.querySelectorAll('details.menu[open]')) {
      if (!menu.contains(event.target)) menu.open = false;
    }
  });
  document.addEventListener('keydown', (event) => {
    if (event.key !== 'Escape' || event.defaultPrevented) return;
    for (const menu of document.querySelectorAll('details.menu[open]')) {
      // One Escape closes one thing.
      event.preventDefault();
      menu.open = false;
      menu.querySelector('summary')?.focus();
    }
  });
}

/** What was done is said once: the address without it can be shared and loaded again. */
function startDone() {
  const address = new URL(location.href);
  if (!address.searchParams.has('done')) return;
  address.searchParams.delete('done');
  history.replaceState(history.state, '', address);
}

startTheme(document.getElementById('theme'));
startTimes(document.getElementById('zone'));
startKeys(document.getElementById('keys'));
startMenus();
startDone();
startTables();
startPaper();
