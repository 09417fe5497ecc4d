// From "what did administrators do last quarter" to a list that can be shared: filters, facets, the
// histogram, pages, columns, and an address that says all of it.

import assert from 'node:assert/strict';
import { arrive, ask, eventually, goTo, idsOf, journey, paramsOf, stage } from '../stage.js';

const QUARTER = `from=${stage.from}&to=${stage.to}`;

const rows = (page) => page.locator('tr[data-id]');
const idsBy = async (who, query) => (await ask(who, `/v1/events?${query}`)).events.map((event) => event.id);
const chips = (page) => page.getByRole('list', { name: 'Active filters' }).locator('.chip bdi').allInnerTexts();

journey('narrow to what administrators did in a quarter, and share it', { as: 'admin' }, async ({ page, shot }) => {
  await page.goto('/');
  await goTo(page, 'Read logs');
  await page.getByLabel('From', { exact: true }).fill(stage.from);
  await page.getByLabel('Before', { exact: true }).fill(stage.to);
  await page.getByRole('combobox', { name: 'Type', exact: true }).fill('admin.*');
  await page.getByRole('button', { name: 'Apply' }).click();
  await page.waitForURL('**/logs?*admin.*');
  const query = `${QUARTER}&type=admin.*`;
  const { total } = await ask('admin', `/v1/events?${query}&limit=1&total=true`);
  await page.getByText(`${total.toLocaleString('en')} events (exact)`).waitFor();
  assert.deepEqual(await idsOf(page), await idsBy('admin', query));
  const types = await rows(page).locator('td:nth-child(2)').allInnerTexts();
  assert.ok(types.length > 0 && types.every((type) => type.startsWith('admin.')), `${types}`);
  await shot('logs narrowed');

  // Another filter, chosen and not typed.
  await page.getByText('Add filter').click();
  await page.getByLabel('Column', { exact: true }).selectOption({ label: 'Outcome' });
  await page.getByLabel('Condition').selectOption({ label: 'is not' });
  await page.getByLabel('Value', { exact: true }).fill('success');
  await page.getByRole('button', { name: 'Add', exact: true }).click();
  await eventually(() => assert.equal(paramsOf(page).get('outcome'), '!success'));
  assert.ok((await chips(page)).includes('Outcome is not success'));
  const narrowed = await idsOf(page);
  assert.deepEqual(narrowed, await idsBy('admin', `${query}&outcome=!success`));

  // Somebody else, in another browser, sees the same at the same address.
  const other = await arrive({ as: 'auditor' });
  await other.page.goto(page.url());
  assert.deepEqual(await idsOf(other.page), narrowed);
  await other.assertCalm();
  await other.context.close();

  await page.goBack();
  await eventually(async () => assert.deepEqual(await idsOf(page), await idsBy('admin', query)));
  await page.goForward();
  await page.getByRole('link', { name: 'Remove filter: Outcome is not success' }).click();
  await eventually(() => assert.equal(paramsOf(page).get('outcome'), null));
  assert.equal(paramsOf(page).get('type'), 'admin.*', 'the other filters stay');
});

journey('facets narrow and leave out', { as: 'admin' }, async ({ page, shot }) => {
  await page.goto(`/logs?${QUARTER}`);
  const facets = page.getByRole('region', { name: 'Most frequent values' });
  await page.locator('#facets:not([aria-busy])').waitFor();
  await shot('logs with figures');
  const { facets: { outcome } } = await ask('admin', `/v1/events/facets?${QUARTER}&columns=outcome`);
  const denied = outcome.find((facet) => facet.value === 'denied');
  await facets.getByRole('link', { name: `denied ${denied.events.toLocaleString('en')}` }).click();
  await eventually(() => assert.equal(paramsOf(page).get('outcome'), 'denied'));
  await page.getByText(`${denied.events.toLocaleString('en')} events (exact)`).waitFor();
  await facets.getByRole('link', { name: 'Outcome is not denied' }).click();
  await eventually(() => assert.deepEqual(paramsOf(page).getAll('outcome'), ['!denied']));
  assert.deepEqual(await idsOf(page), await idsBy('admin', `${QUARTER}&outcome=!denied`));
});

journey('the histogram zooms, and says the same as a table', { as: 'admin' }, async ({ page }) => {
  await page.goto(`/logs?${QUARTER}&type=admin.*`);
  const chart = page.locator('#histogram.draggable');
  await chart.waitFor();
  const { buckets } = await ask('admin', `/v1/events/histogram?${QUARTER}&type=admin.*`);
  await page.getByText('The same as a table').click();
  const table = page.getByRole('region', { name: 'Events over time' });
  assert.equal(await table.locator('tbody tr').count(), buckets.length);
  const counts = await table.locator('tbody td:nth-child(2)').allInnerTexts();
  assert.deepEqual(counts, buckets.map((bucket) => bucket.events.toLocaleString('en')));

  const box = await chart.boundingBox();
  const middle = box.y + box.height / 2;
  await page.mouse.move(box.x + box.width * 0.25, middle);
  await page.mouse.down();
  await page.mouse.move(box.x + box.width * 0.5, middle, { steps: 5 });
  await page.mouse.up();
  await eventually(() => assert.notEqual(paramsOf(page).get('from'), stage.from));
  const [from, to] = ['from', 'to'].map((name) => Date.parse(paramsOf(page).get(name)));
  const [begin, end] = [stage.from, stage.to].map((day) => Date.parse(day));
  assert.ok(Math.abs((from - begin) / (end - begin) - 0.25) < 0.02, 'from a quarter of the way');
  assert.ok(Math.abs((to - begin) / (end - begin) - 0.5) < 0.02, 'to the middle');
  assert.equal(paramsOf(page).get('type'), 'admin.*');
});

journey('a click on a bar is for its events, and what failed is marked', { as: 'admin' }, async ({ page }) => {
  await page.goto(`/logs?${QUARTER}&type=admin.*`);
  await page.locator('#histogram.draggable').waitFor();
  const failed = `${QUARTER}&type=admin.*&where=${encodeURIComponent("outcome <> 'success'")}`;
  const { total } = await ask('admin', `/v1/events?${failed}&limit=1&total=true`);
  await page.getByText('The same as a table').click();
  const table = page.getByRole('region', { name: 'Events over time' });
  const marked = await table.locator('tbody td:nth-child(3)').allInnerTexts();
  assert.ok(total > 0);
  assert.equal(marked.reduce((sum, text) => sum + Number(text.replaceAll(',', '')), 0), total);

  const bar = page.locator('#histogram [data-bar]').nth(20);
  const [from, to] = [await bar.getAttribute('data-from'), await bar.getAttribute('data-to')];
  const { x, y, width, height } = await bar.boundingBox();
  await page.mouse.click(x + width / 2, y + height / 2);
  await eventually(() => assert.equal(Date.parse(paramsOf(page).get('from')), Date.parse(from)));
  assert.equal(Date.parse(paramsOf(page).get('to')), Date.parse(to));
  assert.equal(paramsOf(page).get('type'), 'admin.*');
});

journey('pages neither skip nor repeat an event', { as: 'admin' }, async ({ page }) => {
  const query = `${QUARTER}&type=admin.*&outcome=denied`;
  const all = await idsBy('admin', `${query}&limit=1000`);
  await page.goto(`/logs?${query}&limit=20`);
  const seen = [];
  for (;;) {
    seen.push(...await idsOf(page));
    const older = page.getByRole('link', { name: 'Older', exact: true });
    if (await older.count() === 0) {
      break;
    }
    const before = page.url();
    await older.click();
    await page.waitForURL((url) => url.href !== before);
  }
  assert.ok(all.length > 20);
  assert.deepEqual(seen, all);
  await page.getByRole('link', { name: 'Back to the first page' }).click();
  await eventually(async () => assert.deepEqual(await idsOf(page), all.slice(0, 20)));
});

journey('choose columns, an order, a text, an expression', { as: 'admin' }, async ({ page, shot }) => {
  await page.goto(`/logs?${QUARTER}&type=admin.*`);
  await page.locator('#columns > summary').click();
  for (const name of ['Target', 'IP address']) {
    await page.getByRole('checkbox', { name, exact: true }).uncheck();
  }
  await page.getByRole('checkbox', { name: 'Organisation' }).check();
  await page.getByRole('button', { name: 'Show these' }).click();
  await page.getByRole('columnheader', { name: 'Organisation' }).waitFor();
  assert.equal(await page.getByRole('columnheader', { name: 'IP address' }).count(), 0);
  await shot('logs with other columns');
  await page.getByRole('columnheader').first().getByRole('link').click();
  await eventually(() => assert.equal(paramsOf(page).get('order'), 'asc'));
  assert.deepEqual(await idsOf(page), await idsBy('admin', `${QUARTER}&type=admin.*&order=asc`));
  await page.getByRole('columnheader', { name: 'Organisation' }).waitFor();

  await page.goto(`/logs?${QUARTER}`);
  await page.getByLabel('Search', { exact: true }).fill('refused by rule 3');
  await page.getByRole('button', { name: 'Apply' }).click();
  await eventually(() => assert.equal(paramsOf(page).get('q'), 'refused by rule 3'));
  assert.deepEqual(await idsOf(page), await idsBy('admin', `${QUARTER}&q=refused+by+rule+3`));

  await page.goto(`/logs?${QUARTER}`);
  await page.locator('summary').filter({ hasText: 'Expression' }).click();
  const where = "actor_id = 'u_09' AND outcome = 'denied'";
  await page.getByLabel('SQL expression over the columns').fill(where);
  await page.getByRole('button', { name: 'Add expression' }).click();
  await eventually(() => assert.equal(paramsOf(page).get('where'), where));
  assert.deepEqual(await idsOf(page), await idsBy('admin', `${QUARTER}&where=${encodeURIComponent(where)}`));
});

journey('values are completed from those that there are', { as: 'admin' }, async ({ page }) => {
  await page.goto(`/logs?${QUARTER}`);
  await page.getByText('Add filter').click();
  await page.getByLabel('Column', { exact: true }).selectOption({ label: 'Tool' });
  await page.locator('#add-values option[value="terraform"]').waitFor({ state: 'attached' });

  // Those of the field for types, whatever type is meant now.
  await page.goto(`/logs?${QUARTER}&type=admin.*`);
  await page.getByRole('combobox', { name: 'Type', exact: true }).focus();
  await page.locator('#type-values option[value="user.signed_in"]').waitFor({ state: 'attached' });

  await page.locator('summary').filter({ hasText: 'Expression' }).click();
  const expression = page.getByLabel('SQL expression over the columns');
  await expression.pressSequentially("tool = 'x' AND outc");
  await page.getByRole('button', { name: 'outcome', exact: true }).click();
  assert.equal(await expression.inputValue(), "tool = 'x' AND outcome");
});

journey('who sees several tenants sees whose event it is', { as: 'operator' }, async ({ page }) => {
  await page.goto(`/logs?${QUARTER}`);
  const heads = await page.locator('#events th').allInnerTexts();
  assert.deepEqual(heads.slice(1, 3), ['Tenant', 'Type']);
  const tenants = await rows(page).locator('td:nth-child(2)').allInnerTexts();
  assert.deepEqual([...new Set(tenants)].sort(), ['acme', 'globex']);
});

journey('a span that ends now still does when the page is loaded again', { as: 'admin' }, async ({ page }) => {
  await page.goto('/logs?type=admin.*');
  await page.getByRole('link', { name: 'Last 7 days', exact: true }).click();
  await eventually(() => assert.equal(paramsOf(page).get('range'), 'last_7_days'));
  assert.equal(paramsOf(page).get('type'), 'admin.*');
  const ranges = page.getByRole('navigation', { name: 'Time range' });
  assert.equal(await ranges.locator('[aria-current]').innerText(), 'Last 7 days');
  await page.getByText(/^From \d{4}-\d\d-\d\d .* to \d{4}-/).waitFor();
  // What goes elsewhere has both ends.
  const way = await page.getByRole('link', { name: 'Export', exact: true }).getAttribute('href');
  const asked = new URLSearchParams(way.split('?')[1]);
  const [from, to] = ['from', 'to'].map((name) => Date.parse(asked.get(name)));
  assert.equal(to - from, 7 * 24 * 60 * 60 * 1000);
  assert.ok(Math.abs(to - Date.now()) < 120_000, 'until now');
  assert.equal(asked.get('range'), null);
  const ids = await idsBy('admin', `from=${asked.get('from')}&to=${asked.get('to')}&type=admin.*`);
  assert.ok(ids.length > 0);
  assert.ok((await idsOf(page)).every((id) => ids.includes(id)));
  // An end that is typed wins.
  await page.getByLabel('From', { exact: true }).fill(stage.from);
  await page.getByRole('button', { name: 'Apply' }).click();
  await eventually(() => assert.equal(paramsOf(page).get('from'), stage.from));
  assert.equal(paramsOf(page).get('range'), null);
  await page.getByRole('link', { name: 'Last quarter', exact: true }).click();
  await eventually(() => assert.match(paramsOf(page).get('from'), /-(01|04|07|10)-01T00:00:00/));
});

journey('times are in the zone of who looks, and UTC is one click away', { as: 'admin' }, async ({ page }) => {
  await page.goto('/logs?id=evt_000009');
  const time = rows(page).locator('time').first();
  const { events: [event] } = await ask('admin', '/v1/events?id=evt_000009');
  const zone = page.locator('th [data-zone]').first();
  await eventually(async () => assert.match(await zone.innerText(), /^Asia\/(Calcutta|Kolkata)$/));
  const [utc, local] = [await time.getAttribute('title') ?? '', await time.innerText()];
  assert.match(utc, /UTC$/);
  assert.notEqual(`${local} UTC`, utc);
  assert.equal(Date.parse(await time.getAttribute('datetime')), Date.parse(event.occurred_at));
  const button = page.getByRole('button', { name: /^Times are shown in/ });
  await button.click();
  await eventually(async () => assert.equal(`${await time.innerText()} UTC`, utc));
  assert.equal(await zone.innerText(), 'UTC');
  await page.reload();
  await eventually(async () => assert.equal(`${await time.innerText()} UTC`, utc));
});

journey('the zone that an address asks for is the one of its times', { as: 'admin' }, async ({ page }) => {
  await page.goto('/logs?id=evt_000009&tz=America/New_York');
  await eventually(async () => {
    assert.equal(await page.locator('th [data-zone]').first().innerText(), 'America/New_York');
  });
  const { events: [event] } = await ask('admin', '/v1/events?id=evt_000009');
  const clock = new Intl.DateTimeFormat('en-GB', { timeZone: 'America/New_York', timeStyle: 'medium' });
  const shown = await rows(page).locator('time').first().innerText();
  assert.ok(shown.includes(` ${clock.format(new Date(event.occurred_at))}.`), shown);
});

journey('a time is typed as it is shown', { as: 'admin' }, async ({ page }) => {
  await page.goto('/logs?id=evt_000009');
  await page.getByText(/^Times are in Asia\/(Calcutta|Kolkata) unless/).waitFor();
  const time = rows(page).locator('time').first();
  const [shown, exact] = [await time.innerText(), await time.getAttribute('datetime')];
  assert.notEqual(shown.slice(0, 19), exact.slice(0, 19).replace('T', ' '));
  await page.getByLabel('From', { exact: true }).fill(shown);
  await page.getByRole('button', { name: 'Apply' }).click();
  await eventually(() => assert.ok(paramsOf(page).get('from')));
  assert.equal(Date.parse(paramsOf(page).get('from')), Date.parse(exact));
  await page.locator('tr[data-id="evt_000009"]').waitFor();
  // It ends before that very event, then; and a day is one of UTC wherever one is.
  await page.getByLabel('Before', { exact: true }).fill(shown);
  await page.getByLabel('From', { exact: true }).fill(stage.from);
  await page.getByRole('button', { name: 'Apply' }).click();
  await page.getByText('No events here').waitFor();
  assert.equal(paramsOf(page).get('from'), stage.from);
  assert.equal(Date.parse(paramsOf(page).get('to')), Date.parse(exact));
});

journey('what cannot be asked is said, and the filters stay', { as: 'admin' }, async ({ page, shot }) => {
  await page.goto('/logs?type=admin.*&where=seq+%3E+0&where=no_such_column+%3D+1');
  await page.getByRole('alert').getByText('A filter is not right').waitFor();
  assert.ok((await chips(page)).includes('Type begins with admin.'));
  assert.equal(await page.locator('#facets, #over-time').count(), 0, 'what is wrong is said once');
  // It is where one puts it right.
  const expression = page.getByLabel('SQL expression over the columns');
  assert.equal(await expression.inputValue(), 'no_such_column = 1');
  assert.match(await page.locator('#where-error').innerText(), /no_such_column/);
  await shot('logs with a wrong filter');
  await expression.fill("outcome = 'denied'");
  await page.getByRole('button', { name: 'Add expression' }).click();
  await rows(page).first().waitFor();
  assert.deepEqual(paramsOf(page).getAll('where').sort(), ["outcome = 'denied'", 'seq > 0']);
  assert.equal(paramsOf(page).get('type'), 'admin.*');
  await page.goto('/logs?type=no.such.type');
  await page.getByText('No events here').waitFor();
  await page.getByRole('link', { name: 'Show all events' }).click();
  await eventually(async () => assert.ok(await rows(page).count() > 0));
});
