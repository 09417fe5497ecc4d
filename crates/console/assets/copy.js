// Buttons that copy: `data-copy` names the element whose text, or value, goes to the clipboard.
// Buttons that come later, like those of the drawer, copy too.

const SAID_FOR_MS = 2000;

// What was done is heard as well: where a button has a name of its own, its new text is not.
const said = document.createElement('p');
said.className = 'hush';
said.setAttribute('role', 'status');

/** What there is to copy: all of it, also where only a part is shown. */
function textOf(element) {
  return 'value' in element ? element.value : element.textContent;
}

async function copy(button) {
  const source = document.getElementById(button.dataset.copy);
  if (!source) return;
  // A second click comes while the first one's answer is still there.
  button.dataset.name ??= button.textContent;
  let done = 'Copied';
  try {
    await navigator.clipboard.writeText(textOf(source));
  } catch {
    // A browser may refuse, or have no clipboard on this address: the text is there to be taken.
    select(source);
    done = 'Selected: copy it';
  }
  button.textContent = done;
  said.textContent = done;
  setTimeout(() => {
    button.textContent = button.dataset.name;
    said.textContent = '';
  }, SAID_FOR_MS);
}

function select(source) {
  if ('select' in source) {
    source.select();
    return;
  }
  getSelection()?.selectAllChildren(source);
}

/** Shows the buttons, which are hidden where no script runs. */
function show(root) {
  for (const button of root.querySelectorAll('button[data-copy][hidden]')) button.hidden = false;
}

document.body.append(said);
show(document);
new MutationObserver((changes) => {
  for (const { addedNodes } of changes) {
    for (const node of addedNodes) {
      if (node instanceof Element) show(node);
    }
  }
}).observe(document.body, { childList: true, subtree: true });
document.addEventListener('click', (event) => {
  const button = event.target.closest('button[data-copy]');
  if (button) copy(button);
});
