// Times in the viewer's zone. The server writes every time in UTC; here the text is replaced,
// and UTC stays in the title. What a page adds later is seen too. A time says by `data-shape`
// that it ends with its `second`, or stands in a `row` of a table whose head names the zone
// (`data-zone`). The event `zone` tells others that another zone was chosen.

const KEY = 'auditlake.zone';
const MINUTE_MS = 60_000;
// A day and a clock, with or without seconds, their fractions, and an offset.
const TYPED = /^(\d{4}-\d\d-\d\d)[T ]+(\d\d:\d\d)(:\d\d(?:\.\d+)?)?\s*(Z|UTC|GMT)?(?:([+-]\d{1,2})(?::?(\d\d))?)?$/i;

const LOCAL = plain(Intl.DateTimeFormat().resolvedOptions().timeZone || 'UTC');

/** What was chosen: 'UTC', 'local', or in the address the name of any zone. */
function chosen() {
  const asked = new URLSearchParams(location.search).get('tz');
  if (asked) return asked;
  try {
    return localStorage.getItem(KEY) ?? 'local';
  } catch {
    return 'local';
  }
}

/** UTC has names that differ between browsers. */
function plain(name) {
  return /^(Etc\/)?(UTC|UCT|GMT|Zulu|Universal)$/.test(name) ? 'UTC' : name;
}

/** A zone's name that the browser knows; UTC if it knows none by that name. */
function known(choice) {
  if (choice === 'local') return LOCAL;
  try {
    return plain(new Intl.DateTimeFormat('en', { timeZone: choice }).resolvedOptions().timeZone);
  } catch {
    return 'UTC';
  }
}

let zone = known(chosen());
let writer = writerOf(zone);

function writerOf(timeZone) {
  return new Intl.DateTimeFormat('en', {
    timeZone,
    year: 'numeric', month: '2-digit', day: '2-digit',
    hour: '2-digit', minute: '2-digit', second: '2-digit',
    hourCycle: 'h23', timeZoneName: 'shortOffset',
  });
}

/** The zone that times are shown in. */
export function shownZone() {
  return zone;
}

/** What a clock of the zone shows at an instant. */
function partsAt(instant) {
  const parts = writer.formatToParts(instant).map(({ type, value }) => [type, value]);
  return Object.fromEntries(parts);
}

/**
 * A time as somebody types it, or as it stands in a row, in RFC 3339: without an offset it is taken
 * in the zone that is shown. Any other text is given back as it is.
 */
export function withOffset(text) {
  const [, day, clock, seconds = ':00', isUtc, hours, minutes = '00'] = TYPED.exec(text.trim()) ?? [];
  if (!day) return text;
  const wall = `${day}T${clock}${seconds}`;
  if (hours) return `${wall}${hours[0]}${hours.slice(1).padStart(2, '0')}:${minutes}`;
  const there = Date.parse(`${wall}Z`);
  if (Number.isNaN(there)) return text;
  if (isUtc || zone === 'UTC') return `${wall}Z`;
  // The offset of about then says when it was, and that which offset there was.
  const ahead = aheadMinutes(there - aheadMinutes(there) * MINUTE_MS);
  const part = (number) => String(number).padStart(2, '0');
  const size = Math.abs(ahead);
  return `${wall}${ahead < 0 ? '-' : '+'}${part(Math.floor(size / 60))}:${part(size % 60)}`;
}

/** How far the clocks of the zone are ahead of UTC. */
function aheadMinutes(instantMs) {
  const part = partsAt(new Date(instantMs));
  const shown = `${part.year}-${part.month}-${part.day}T${part.hour}:${part.minute}:${part.second}Z`;
  return Math.round((Date.parse(shown) - instantMs) / MINUTE_MS);
}

/** `2026-03-01 10:30:00.123 GMT+1` for a time in RFC 3339; less of it in another shape. */
export function inZone(text, shape) {
  const instant = new Date(text);
  if (Number.isNaN(instant.getTime())) return text;
  const part = partsAt(instant);
  // Dates know milliseconds; what is finer is taken as it was written.
  const fraction = (/\.(\d+)/.exec(text)?.[1] ?? '').replace(/0+$/, '');
  const digits = fraction.padEnd(fraction.length > 3 ? 6 : 3, '0');
  const clock = `${part.hour}:${part.minute}:${part.second}`;
  const day = `${part.year}-${part.month}-${part.day}`;
  if (shape === 'row') return `${day} ${clock}.${digits}`;
  const offset = zone === 'UTC' ? 'UTC' : part.timeZoneName;
  return shape === 'second' ? `${day} ${clock} ${offset}` : `${day} ${clock}.${digits} ${offset}`;
}

/** Rewrites every time in an element. */
function show(root) {
  const times = [...root.querySelectorAll('time[datetime]')];
  if (root instanceof Element && root.matches('time[datetime]')) times.push(root);
  for (const element of times) {
    element.dataset.utc ??= element.textContent;
    const { utc, shape } = element.dataset;
    if (!element.title) element.title = shape === 'row' ? `${utc} UTC` : utc;
    const text = zone === 'UTC' ? utc : inZone(element.dateTime, shape);
    if (element.textContent !== text) element.textContent = text;
  }
  for (const head of root.querySelectorAll('[data-zone]')) head.textContent = zone;
}

function name(button) {
  button.textContent = zone === 'UTC' ? 'UTC' : zone.split('/').at(-1).replaceAll('_', ' ');
  button.setAttribute('aria-label', `Times are shown in ${zone}. Change it`);
}

/** Shows times in the viewer's zone, and a button that changes between it and UTC. */
export function start(button) {
  show(document);
  // The text of a time that is replaced is no element, so this does not answer itself.
  new MutationObserver((changes) => {
    for (const { addedNodes } of changes) {
      for (const node of addedNodes) {
        if (node instanceof Element) show(node);
      }
    }
  }).observe(document.body, { childList: true, subtree: true });
  if (!button) return;
  button.hidden = false;
  name(button);
  button.addEventListener('click', () => {
    zone = zone === 'UTC' ? LOCAL : 'UTC';
    writer = writerOf(zone);
    try {
      localStorage.setItem(KEY, zone === 'UTC' ? 'UTC' : 'local');
    } catch {
      // It holds for this page, then.
    }
    name(button);
    show(document);
    document.dispatchEvent(new Event('zone'));
  });
}
