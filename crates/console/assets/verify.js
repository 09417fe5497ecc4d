// Checks exports and evidence bundles in this browser: the files go nowhere. The checks are those of
// the page in each bundle; they are loaded once there is something to check.

const zone = document.querySelector('[data-verifier]');
const part = (name) => zone.querySelector(`[data-part="${name}"]`);
let chosen = [];
let run = 0;

async function start() {
  if (chosen.length === 0) return;
  run += 1;
  const mine = run;
  delete zone.dataset.verdict;
  part('result').hidden = true;
  part('again').hidden = true;
  part('progress').hidden = false;
  part('progress').value = 0;
  part('status').textContent = 'Checking…';
  let said;
  try {
    const { verify } = await import(zone.dataset.verifier);
    said = await verify(chosen, part('key').value, tell, () => mine === run);
  } catch (error) {
    said = {
      verdict: 'incomplete', headline: 'The check could not begin', subline: error.message, lists: [],
    };
  }
  if (mine === run) show(said);
}

function tell(share, name) {
  part('progress').value = share;
  const status = `Reading ${name}`;
  if (part('status').textContent !== status) part('status').textContent = status;
}

/** The colours of a verdict: an incomplete one is no good one. */
const TONES = { good: 'good', bad: 'bad', incomplete: 'warn' };

function show({ verdict, headline, subline, lists }) {
  part('badge').className = `badge ${TONES[verdict]}`;
  part('badge').textContent = verdict;
  part('headline').textContent = headline;
  part('subline').textContent = subline;
  part('lists').replaceChildren(...lists.flatMap(listed));
  part('progress').hidden = true;
  part('status').textContent = `Done. ${headline}.`;
  part('again').hidden = false;
  part('result').hidden = false;
  part('headline').focus();
  zone.dataset.verdict = verdict;
}

function listed({ title, lines }) {
  const items = document.createElement('ul');
  for (const line of lines) {
    const item = document.createElement('li');
    const text = document.createElement('bdi');
    text.textContent = line;
    item.append(text);
    items.append(item);
  }
  if (title === '') return [items];
  const heading = document.createElement('h4');
  heading.textContent = title;
  return [heading, items];
}

function choose(files) {
  if (files.length === 0) return;
  chosen = Array.from(files);
  part('chosen').textContent = chosen.map((file) => file.name).join(', ');
  start();
}

function begin() {
  zone.hidden = false;
  part('files').addEventListener('change', (event) => choose(event.target.files));
  part('again').addEventListener('click', start);
  // A file that misses the field must not replace the page.
  for (const name of ['dragover', 'drop']) {
    document.addEventListener(name, (event) => event.preventDefault());
  }
  const drop = part('drop');
  drop.addEventListener('dragover', () => drop.classList.add('over'));
  drop.addEventListener('dragleave', () => drop.classList.remove('over'));
  drop.addEventListener('drop', (event) => {
    drop.classList.remove('over');
    choose(event.dataTransfer.files);
  });
}

if (zone) begin();
