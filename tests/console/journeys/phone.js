// On a phone, 390 pixels wide: the way from the overview to one event and an export, by touch.

import assert from 'node:assert/strict';
import {
  api, ask, assertFits, assertWithin, eventually, goTo, journey, paramsOf, stage,
} from '../stage.js';

const onPhone = { as: 'admin', phone: true };

journey('find an event and ask for an export on a phone', onPhone, async ({ page, shot }) => {
  await page.goto('/');
  const ways = page.getByRole('navigation', { name: 'Pages of the console' });
  await goTo(page, 'Read logs');
  await page.waitForURL('**/logs*');
  await page.goto(`/logs?from=${stage.from}&to=${stage.to}&type=admin.*`);
  await assertFits(page, 'the list');
  const tenant = page.getByRole('banner').locator('.whose bdi');
  assert.equal(await tenant.innerText(), 'acme');
  assert.ok(await tenant.evaluate((name) => name.scrollWidth <= name.clientWidth), 'the tenant is not cut off');
  await assertWithin(page, tenant, 'the tenant');
  const box = await ways.boundingBox();
  assert.ok(box.y + box.height > 800 - 60, 'the ways are at the bottom, where the thumb is');
  await page.locator('tr[data-id]').first().getByRole('link').first().click();
  const drawer = page.locator('#drawer');
  await drawer.getByRole('heading').first().waitFor();
  assert.ok(paramsOf(page).get('event'));
  await assertFits(page, 'the drawer');
  const { width } = await drawer.boundingBox();
  assert.ok(width >= 380, `the drawer takes the whole width, not ${width}`);
  await shot('event opened on a phone');
  await page.goBack();
  await drawer.waitFor({ state: 'hidden' });
  await page.getByRole('link', { name: 'Export', exact: true }).click();
  await page.getByRole('dialog', { name: 'Export' }).waitFor();
  await assertFits(page, 'the export dialog');
  await shot('export asked for on a phone');
});

/** The cells of a row from above, those beside each other from the left. */
const placed = (row) => row.locator('td').evaluateAll((cells) => cells
  .map((cell) => ({ text: cell.innerText, box: cell.getBoundingClientRect() }))
  .filter(({ box }) => box.width > 0)
  .map(({ text, box }) => ({ text, left: box.left, right: box.right, top: box.top })));

journey('a list on a phone says how it ended, and nothing lies beside it', onPhone, async ({ page, shot }) => {
  await page.goto(`/logs?from=${stage.from}&to=${stage.to}&type=admin.*&limit=20`);
  const row = page.getByRole('row').and(page.locator('[data-id]')).first();
  const outcome = row.locator('.badge');
  await assertWithin(page, outcome, 'the outcome');
  const cells = await placed(row);
  assert.ok(cells.length >= 5 && cells.every(({ left, right }) => left >= 0 && right <= 390), JSON.stringify(cells));
  const [time, type] = cells;
  const ended = cells.find(({ text }) => /^(success|failure|denied|error)$/.test(text.trim()));
  assert.ok(Math.abs(ended.top - time.top) < 12, 'the outcome is beside the time');
  assert.ok(type.top > time.top && type.text.startsWith('admin.'), 'the type is below them');
  assert.ok(await row.getByRole('cell').count() >= 5, 'it is a table all the same');
  const label = await row.locator('td[data-label="Actor"]')
    .evaluate((cell) => getComputedStyle(cell, '::before').content);
  assert.match(label, /Actor/);
  await shot('list on a phone');
});

journey('an export is there to be fetched on a phone', onPhone, async ({ page, shot }) => {
  const headers = { 'content-type': 'application/json' };
  const body = JSON.stringify({ format: 'csv', filter: { type: 'admin.*' } });
  const { id } = await (await api('admin', '/v1/exports', { method: 'POST', headers, body })).json();
  await eventually(async () => assert.equal((await ask('admin', `/v1/exports/${id}`)).state, 'ready'));
  await page.goto('/exports');
  const row = page.locator(`tr[id="${id}"]`);
  await assertWithin(page, row.getByRole('link', { name: 'Download' }), 'Download');
  await assertWithin(page, row.locator('.badge').first(), 'the state');
  const cells = await placed(row);
  assert.ok(cells.every(({ left, right }) => left >= 0 && right <= 390), JSON.stringify(cells));
  assert.ok(cells[0].top <= cells[1].top && cells[2].top > cells[1].top, 'state and title, then the rest');
  assert.equal(cells.at(-1).top, Math.max(...cells.map(({ top }) => top)), 'what one can do is last');
  await shot('exports fetched on a phone');
});
