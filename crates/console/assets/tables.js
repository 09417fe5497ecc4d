// Tables that become lists on a telephone: another `display` takes from some browsers what a table,
// a row and a cell are, so it is said, and cells get the names of their columns to show.

const ROLES = [
  ['table', 'table'],
  ['thead, tbody', 'rowgroup'],
  ['tr', 'row'],
  ['th[scope="col"]', 'columnheader'],
  ['th[scope="row"]', 'rowheader'],
  ['td', 'cell'],
];
/** Columns whose values say what they are. */
const PLAIN = new Set(['Time', 'Type', 'Outcome', 'State', 'Export', 'Name', 'Filter', 'Actions']);

/** What stands in the head of each column, without the zone beside it. */
function labelsOf(table) {
  return [...table.tHead?.rows[0]?.cells ?? []].map((head) => {
    const words = [...head.childNodes].filter((node) => node.localName !== 'span');
    return words.map((node) => node.textContent).join('').replace(/[↑↓]/, '').trim();
  });
}

function tell(table) {
  if (table.closest('.numbers')) return;
  for (const [selector, role] of ROLES) {
    for (const part of [table, ...table.querySelectorAll(selector)]) {
      // A group of no rows is none.
      const isEmpty = part.rows?.length === 0;
      if (part.matches(selector) && !isEmpty) part.setAttribute('role', role);
    }
  }
  const labels = labelsOf(table);
  for (const body of table.tBodies) {
    for (const { cells } of body.rows) {
      for (const [at, cell] of [...cells].entries()) {
        const label = labels[at] ?? '';
        if (cell.localName === 'td' && label && !PLAIN.has(label)) cell.dataset.label = label;
      }
    }
  }
}

/** Tells of the tables that there are, and of rows that come later. */
export function start() {
  for (const table of document.querySelectorAll('table.table')) tell(table);
  new MutationObserver((changes) => {
    const tables = new Set();
    for (const { addedNodes } of changes) {
      for (const node of addedNodes) {
        if (!(node instanceof Element)) continue;
        const own = node.closest('table.table');
        if (own) tables.add(own);
        for (const table of node.querySelectorAll('table.table')) tables.add(table);
      }
    }
    for (const table of tables) tell(table);
  }).observe(document.body, { childList: true, subtree: true });
}
