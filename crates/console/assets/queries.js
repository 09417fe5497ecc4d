// Saved queries: the list is narrowed while one types, and links are copied.

const field = document.querySelector('[data-narrow]');
const count = document.querySelector('[data-part="narrowed"]');
const items = [...document.querySelectorAll('[data-query]')];

if (field) {
  field.closest('[hidden]')?.removeAttribute('hidden');
  field.addEventListener('input', narrow);
}
for (const button of document.querySelectorAll('button[data-copy-link]')) {
  // Clipboards are there only for pages that came over TLS, or from the same machine.
  button.hidden = !navigator.clipboard;
  button.addEventListener('click', () => copy(button));
}

function narrow() {
  const wanted = field.value.trim().toLowerCase();
  let shown = 0;
  for (const item of items) {
    item.hidden = !textOf(item).includes(wanted);
    shown += item.hidden ? 0 : 1;
  }
  count.textContent = wanted === '' ? '' : `${shown} of ${items.length}`;
}

/** Name, filter and owner: the words of the buttons are the same in every row. */
function textOf(item) {
  return [...item.cells].slice(0, -1).map((cell) => cell.textContent.toLowerCase()).join(' ');
}

async function copy(button) {
  const link = new URL(button.dataset.copyLink, location.href);
  button.dataset.name ??= button.textContent;
  try {
    await navigator.clipboard.writeText(link.href);
    button.textContent = 'Copied';
  } catch {
    button.textContent = 'Not copied';
  }
  setTimeout(() => { button.textContent = button.dataset.name; }, 2000);
}
