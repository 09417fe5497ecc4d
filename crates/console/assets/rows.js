// Rows of the table of events as scripts make them, for events that the live tail brings. They
// look like those that the server writes.

const SHOWN_CHARS = 160;
const TITLE_CHARS = 1000;
const TONES = { success: 'good', failure: 'bad', error: 'bad', denied: 'warn', partial: 'warn' };
// What cannot be seen, or turns the direction of writing.
const UNSEEN = /[\u0000-\u001f\u007f-\u009f\u00ad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\ufff9-\ufffb\u{e0000}-\u{e007f}]/gu;

/** The row of an event, with a cell for each of the heads of the table. */
export function rowOf(event, heads) {
  const row = document.createElement('tr');
  row.className = 'new';
  row.dataset.id = event.id;
  row.dataset.tenant = event.tenant_id;
  for (const [at, head] of heads.entries()) {
    const cell = document.createElement('td');
    const text = head.paths.map((path) => valueAt(event, path)).find((found) => found !== '') ?? '';
    cell.className = classOf(head);
    if (at === 0) cell.append(linkTo(event));
    else if (head.is_time && text) cell.append(timeOf(text));
    else cell.append(...wordsOf(head.name, text, event));
    row.append(cell);
  }
  return row;
}

/** Whether a row stands below an event in a list that has the newest first, as the API sorts it. */
export function isBelow(row, { occurred_at: at, tenant_id: tenant }) {
  const time = row.querySelector('time').dateTime;
  return time === at ? row.dataset.tenant <= tenant : time < at;
}

/** What a path like `actor.label` says of an event. */
function valueAt(event, path) {
  const value = path.split('.').reduce((at, key) => at?.[key], event);
  if (value === undefined || value === null) return '';
  return typeof value === 'object' ? JSON.stringify(value) : String(value);
}

function classOf({ name, is_time: isTime }) {
  if (isTime) return 'time';
  if (name === 'seq') return 'num';
  return name === 'type' || name === 'data' || /(id|ip)$/.test(name) ? 'mono' : '';
}

/** What cannot be seen, as signs: as the server shows it. */
function visible(text) {
  return text.replace(UNSEEN, (sign) => {
    const code = sign.codePointAt(0);
    if (code < 0x20) return String.fromCodePoint(0x2400 + code);
    if (code === 0x7f) return '\u2421';
    return `\u27e8U+${code.toString(16).toUpperCase().padStart(4, '0')}\u27e9`;
  });
}

/** The beginning of a text that is too long, cut between characters. */
function cut(text, most) {
  const begin = [...text.slice(0, 2 * most)].slice(0, most).join('');
  return begin.length < text.length ? `${begin}…` : text;
}

/** As the server writes a time in a row: with milliseconds, and microseconds where there are some. */
function utc(text) {
  const [, day, clock, fraction = ''] = /^([\d-]+)T([\d:]+)(?:\.(\d+))?Z$/.exec(text) ?? [];
  if (!day) return text;
  const digits = fraction.replace(/0+$/, '');
  return `${day} ${clock}.${digits.padEnd(digits.length > 3 ? 6 : 3, '0')}`;
}

function timeOf(text) {
  const time = document.createElement('time');
  time.dateTime = text;
  time.dataset.shape = 'row';
  time.textContent = utc(text);
  return time;
}

function muted(text) {
  const words = document.createElement('span');
  words.className = 'muted';
  words.append(text);
  return words;
}

function isolated(text) {
  const words = document.createElement('bdi');
  words.textContent = visible(text);
  return words;
}

/** What stands in a cell that is no time. */
function wordsOf(name, text, event) {
  if (!text) return [muted('–')];
  const words = isolated(cut(text, SHOWN_CHARS));
  if (name === 'outcome') {
    const badge = document.createElement('span');
    badge.className = `badge ${TONES[text] ?? 'muted'}`;
    badge.append(words);
    return [badge];
  }
  words.className = 'clip';
  if (text.length > 24) words.title = visible(cut(text, TITLE_CHARS));
  const kind = name === 'actor' || name === 'target' ? valueAt(event, `${name}.kind`) : '';
  // A name that is the kind, or begins with it, says it already.
  return kind && !text.startsWith(kind) ? [words, ' ', muted(isolated(kind))] : [words];
}

/** The link that opens an event, with the filters of this page. */
function linkTo(event) {
  const link = document.createElement('a');
  const url = new URL(location.href);
  url.hash = '';
  url.searchParams.delete('figures');
  url.searchParams.set('event', event.id);
  url.searchParams.set('event_tenant', event.tenant_id);
  link.href = url.href;
  link.dataset.open = '';
  link.dataset.fragment = `/logs/event${url.search}`;
  link.append(timeOf(event.occurred_at));
  return link;
}
