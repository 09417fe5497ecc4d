// Each page, in the light and in the dark, wide and on a phone: who uses a screen reader gets along,
// nothing has to be pushed around, and it weighs little. The screenshots are there to be looked at.

import assert from 'node:assert/strict';
import {
  api, ask, assertAccessible, assertFits, assertWithin, eventually, inPages, journey, stage, weigh,
} from '../stage.js';

/** What a visit may take over the wire, everything included. */
const MOST_BYTES = 100 * 1024;

const QUARTER = `from=${stage.from}&to=${stage.to}`;
const PAGES = [
  ['overview', '/'],
  ['logs', `/logs?${QUARTER}`],
  ['logs filtered', `/logs?${QUARTER}&type=admin.*&outcome=!success&actor_id=u_09`],
  ['logs empty', '/logs?type=no.such.event'],
  ['event', `/logs?${QUARTER}&type=admin.*&event=evt_000009`],
  ['export', `/export?${QUARTER}&type=admin.*`],
  ['exports', '/exports'],
  ['queries', '/queries'],
  ['integrity', '/integrity'],
  ['access', '/access'],
];
const EVENT = `${QUARTER}&type=admin.*&event=evt_000009`;
/** What the pages above lead to. */
const BEHIND = [
  ['event alone', `/logs/event?${EVENT}`],
  ['event with its proof', `/logs/event?${EVENT}&prove=true`],
  ['query new', `/queries/new?${QUARTER}&type=admin.*`],
];
/** What is only a page when something went wrong. */
const WRONG = [
  ['error parameter', '/logs?no_such_filter=1'],
  ['error where', '/logs?where=no_such_column%3D1'],
  ['not found', '/no-such-page'],
];
const errors = /status of 40[034]/;

async function look(page, shot, name, path) {
  await page.goto(path);
  await page.getByRole('main').waitFor();
  await assertAccessible(page, name);
  await assertFits(page, name);
  await shot(name, page);
}

/** What opens over a page, or beside something on it. */
const OPENED = {
  async 'columns opened'(page) {
    await page.locator('#columns > summary').click();
    await page.getByRole('button', { name: 'Show these' }).waitFor();
  },
  async 'account opened'(page) {
    await page.getByLabel('Account').click();
    await page.getByRole('button', { name: 'Sign out' }).waitFor();
  },
  async 'keys opened'(page) {
    await page.getByRole('button', { name: 'Keyboard help' }).click();
    await page.getByRole('dialog', { name: 'Keyboard' }).waitFor();
  },
  async 'export opened'(page) {
    await page.getByRole('link', { name: 'Export', exact: true }).click();
    await page.getByRole('dialog', { name: 'Export' }).getByText(/as a download\.$/).waitFor();
  },
  async 'expression opened'(page) {
    await page.locator('summary').filter({ hasText: 'Expression' }).click();
    await page.getByLabel('SQL expression over the columns').waitFor();
  },
};

let made = null;
/** The id of an export that is ready; one is enough for all who look at it. */
function anExport() {
  made ??= (async () => {
    const filter = { type: 'admin.*', from: stage.from, to: stage.to };
    const headers = { 'content-type': 'application/json' };
    const body = JSON.stringify({ format: 'csv', filter });
    const { id } = await (await api('admin', '/v1/exports', { method: 'POST', headers, body })).json();
    await eventually(async () => assert.equal((await ask('admin', `/v1/exports/${id}`)).state, 'ready'));
    return id;
  })();
  return made;
}

for (const [mode, wishes] of [
  ['in the light', {}],
  ['in the dark', { dark: true }],
  ['on a phone', { phone: true }],
]) {
  journey(`every page ${mode}`, { as: 'admin', errors, ...wishes }, async ({ context, shot }) => {
    const own = ['export ready', `/exports/${await anExport()}`];
    await inPages(context, [...PAGES, ...BEHIND, own, ...WRONG], async (page, [name, path]) => {
      await look(page, shot, `${name} ${mode}`, path);
    });
  });
  journey(`what opens on a page ${mode}`, { as: 'admin', ...wishes }, async ({ page, shot }) => {
    for (const [name, open] of Object.entries(OPENED)) {
      await page.goto(`/logs?${QUARTER}&type=admin.*&limit=10`);
      await page.locator('#facets:not([aria-busy])').waitFor();
      await open(page);
      await assertAccessible(page, `${name} ${mode}`);
      await assertFits(page, `${name} ${mode}`);
      await shot(`${name} ${mode}`);
    }
  });
  journey(`what a role may not ${mode}`, { as: 'user', errors, ...wishes }, async ({ page, shot }) => {
    await look(page, shot, `forbidden ${mode}`, '/exports');
    const first = page.getByRole('navigation', { name: 'Pages of the console' }).getByRole('link').first();
    const way = page.getByRole('main').getByRole('link').first();
    assert.equal(await way.getAttribute('href'), await first.getAttribute('href'));
  });
  journey(`signing in ${mode}`, wishes, async ({ page, shot }) => {
    await look(page, shot, `login ${mode}`, '/login');
  });
}

journey('every page of a lake without events', { as: 'newcomer', errors }, async ({ context, shot }) => {
  const paths = ['/', '/logs', '/exports', '/queries', '/integrity', '/access'];
  await inPages(context, paths, async (page, path) => {
    await look(page, shot, `${path} of a newcomer`, path);
  });
});

journey('every page for who runs the installation', { as: 'operator', errors }, async ({ context, shot }) => {
  await inPages(context, PAGES, async (page, [name, path]) => {
    await look(page, shot, `${name} of the operator`, path);
  });
});

journey('no page is heavy', { as: 'admin' }, async ({ context }) => {
  const heavy = [];
  await inPages(context, PAGES, async (page, [name, path]) => {
    const bytes = await weigh(page, path);
    console.log(`${name}: ${(bytes / 1024).toFixed(1)} KiB`);
    if (bytes > MOST_BYTES) {
      heavy.push(`${name}: ${bytes} bytes`);
    }
  });
  assert.deepEqual(heavy, []);
});

journey('on paper there are the filter and the events', { as: 'admin' }, async ({ page, shot }) => {
  await page.goto(`/logs?${QUARTER}&type=admin.*`);
  await page.getByText(/ events \(exact\)$/).waitFor();
  await page.emulateMedia({ media: 'print' });
  for (const pressed of [page.getByRole('button'), page.getByRole('navigation', { name: 'Pages of the console' })]) {
    assert.equal(await pressed.filter({ visible: true }).count(), 0, 'nothing to press');
  }
  assert.ok(await page.getByRole('table').first().isVisible());
  // What it is of stands above it, and nothing that asks for a click.
  const { total } = await ask('admin', `/v1/events?${QUARTER}&type=admin.*&limit=1&total=true`);
  const rows = await page.locator('tr[data-id]').count();
  const words = page.locator('.paper');
  await eventually(async () => {
    const said = await words.innerText();
    for (const part of [
      `From ${stage.from}, before ${stage.to}.`, 'Type begins with admin.',
      `${rows} of ${total.toLocaleString('en')} events.`,
    ]) {
      assert.ok(said.includes(part), said);
    }
    assert.match(said, /Times in Asia\/(Calcutta|Kolkata)\.$/);
  });
  const text = await page.locator('body').innerText();
  assert.ok(!text.includes('Count all'), text.slice(0, 1000));
  const [above, table] = [await words.boundingBox(), await page.getByRole('table').first().boundingBox()];
  assert.ok(table.y - above.y - above.height < 80, 'nothing that is still to come keeps its place');
  await shot('logs printed');
});

journey('beside an open event the list still says how it ended', { as: 'admin' }, async ({ page, shot }) => {
  await page.setViewportSize({ width: 1440, height: 900 });
  await page.goto(`/logs?${EVENT}`);
  const drawer = page.getByRole('complementary', { name: 'Event' });
  await drawer.getByRole('heading', { level: 2 }).waitFor();
  const outcome = page.locator('tr[data-id] .badge').first();
  const [left, right] = [await outcome.boundingBox(), await drawer.boundingBox()];
  assert.ok(right.width <= 576, `the drawer is ${right.width} wide`);
  assert.ok(left.x + left.width <= right.x, `the outcome ends at ${left.x + left.width}, behind ${right.x}`);
  await assertWithin(page, outcome, 'the outcome');
  await shot('event beside a wide list');
});

journey('a theme that was chosen stays', { as: 'admin', dark: true }, async ({ page, shot }) => {
  const background = () => page.evaluate(() => getComputedStyle(document.body).backgroundColor);
  await page.goto('/');
  const dark = await background();
  await page.emulateMedia({ colorScheme: 'light' });
  const light = await background();
  assert.notEqual(dark, light, 'pages follow the system');
  await page.getByRole('button', { name: 'Change between light and dark' }).click();
  await page.waitForFunction((before) => getComputedStyle(document.body).backgroundColor !== before, light);
  const chosen = await background();
  await page.goto('/logs');
  assert.equal(await background(), chosen);
  await shot('logs with the chosen theme');
});
