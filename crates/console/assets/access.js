// The page Access: asks only for what the chosen role needs, and brings a new key into view.

const form = document.querySelector('form[data-new-key]');

/** Which fields each role has, as the options of the field say: `data-fields="tenant_id org_id"`. */
function fit() {
  const option = form.elements.role.selectedOptions[0];
  const wanted = (option?.dataset.fields ?? '').split(' ');
  const needed = (option?.dataset.needs ?? '').split(' ');
  for (const field of form.querySelectorAll('[data-place]')) {
    const input = field.querySelector('input');
    const name = field.dataset.place;
    field.hidden = !wanted.includes(name);
    // What is not shown is not sent: a role refuses what it does not have.
    input.disabled = field.hidden;
    input.required = needed.includes(name);
  }
}

if (form) {
  form.elements.role.addEventListener('change', fit);
  fit();
}

// The text of a key is there once: it is what the page is about then.
const made = document.querySelector('[data-key-text]');
made?.focus();
made?.select();
