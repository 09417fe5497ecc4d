// Completion in the filter bar: the values that a column has among the events that are meant, and
// the names of columns in an expression.

import { number } from './figures.js';

const WAIT_MS = 150;
const MOST = 8;

/** Completes the type, and the value of a new filter, from the API's facets. */
export function completeValues(form) {
  const column = document.getElementById('add-column');
  const value = document.getElementById('add-value');
  const type = document.getElementById('type');
  const facets = new URL(form.dataset.facets, location.href);
  const chosen = () => column.selectedOptions[0]?.dataset.facet;
  const fill = offered(value, document.getElementById('add-values'), facets, chosen);
  column.addEventListener('change', fill);
  // What is typed there replaces the type of now.
  const types = new URL(facets);
  types.searchParams.delete('type');
  offered(type, document.getElementById('type-values'), types, () => 'type');
}

/** Offers values in a list of the field; gives what fills it for the column of that moment. */
function offered(field, list, address, columnOf) {
  const known = new Map();
  const fill = async () => {
    const wanted = columnOf();
    list.replaceChildren();
    if (!wanted) return;
    if (!known.has(wanted)) {
      const found = await values(address, wanted);
      if (found) known.set(wanted, found);
    }
    // Another column was chosen meanwhile, or there is nothing to offer.
    if (columnOf() !== wanted || !known.has(wanted)) return;
    list.replaceChildren();
    for (const one of known.get(wanted)) {
      const option = document.createElement('option');
      option.value = one.value;
      option.label = `${number(one.events)} events`;
      list.append(option);
    }
  };
  field.setAttribute('list', list.id);
  field.addEventListener('focus', () => {
    if (list.children.length === 0) fill();
  });
  return fill;
}

/** The most frequent values of a column; null if they cannot be had, which is no reason to stop. */
async function values(address, column) {
  try {
    const url = new URL(address);
    url.searchParams.set('columns', column);
    url.searchParams.set('limit', '100');
    const answer = await fetch(url, { headers: { accept: 'application/json' } });
    if (!answer.ok) return null;
    const facets = (await answer.json()).facets[column] ?? [];
    return facets.filter((facet) => facet.value !== null);
  } catch {
    return null;
  }
}

/** Offers names of columns for the word in front of the caret. */
export function completeColumns(field, names) {
  const list = document.getElementById('where-columns');
  if (!field || !list) return;
  let timer = 0;
  const word = () => {
    const before = field.value.slice(0, field.selectionStart);
    return /[a-z_]+$/.exec(before)?.[0] ?? '';
  };
  const take = (name) => {
    const at = field.selectionStart;
    const begin = at - word().length;
    field.setRangeText(name, begin, at, 'end');
    list.replaceChildren();
    field.focus();
  };
  const offer = () => {
    const begun = word();
    const found = begun ? names.filter((name) => name.startsWith(begun) && name !== begun) : [];
    list.replaceChildren(
      ...found.slice(0, MOST).map((name) => {
        const button = document.createElement('button');
        button.type = 'button';
        button.className = 'chip';
        button.textContent = name;
        button.addEventListener('click', () => take(name));
        return button;
      }),
    );
  };
  field.addEventListener('input', () => {
    clearTimeout(timer);
    timer = setTimeout(offer, WAIT_MS);
  });
  field.addEventListener('keydown', (event) => {
    const first = list.querySelector('button');
    if (event.key === 'Escape' && first) {
      list.replaceChildren();
      event.stopPropagation();
    } else if (event.key === 'ArrowDown' && first) {
      event.preventDefault();
      first.focus();
    }
  });
}
