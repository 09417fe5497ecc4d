// The live tail: what is posted meanwhile stands on top, until one pauses; and nothing is lost.

import assert from 'node:assert/strict';
import { eventually, idsOf, journey, paramsOf, post } from '../stage.js';

const event = (id, tenant_id, type = 'live.posted') => ({
  id, type, occurred_at: new Date().toISOString(), tenant_id, actor: { kind: 'user', id: 'u_live' },
});

const row = (page, id) => page.locator(`tr[data-id="${id}"]`);

journey('follow new events live, pause, and go on without a gap', { as: 'admin' }, async ({ page, shot }) => {
  await page.goto('/logs?type=live.*');
  await page.getByRole('button', { name: 'Live', exact: true }).click();
  await page.getByText('Live: 0 new events').waitFor();
  // Of another tenant, and of another type: neither is for this tail.
  await post([event('live-foreign', 'globex'), event('live-other', 'acme', 'other.posted')]);
  await post([event('live-1', 'acme')]);
  await row(page, 'live-1').waitFor();
  await page.getByText('Live: 1 new event', { exact: true }).waitFor();
  await page.getByText('1 row shown, live', { exact: true }).waitFor();
  await shot('logs live');

  await page.getByRole('button', { name: 'Pause live' }).click();
  await post([event('live-2', 'acme'), event('live-3', 'acme')]);
  await page.getByText('Paused after 1 new event').waitFor();
  assert.equal(await row(page, 'live-2').count(), 0, 'a tail that is paused shows nothing new');
  await page.getByRole('button', { name: 'Resume live' }).click();
  await eventually(async () => {
    assert.deepEqual((await idsOf(page)).slice(0, 3), ['live-3', 'live-2', 'live-1']);
  });
  assert.equal(await row(page, 'live-foreign').count(), 0);
  assert.equal(await row(page, 'live-other').count(), 0);

  // A row that came live is a row like any other.
  await row(page, 'live-3').getByRole('link').first().click();
  await page.locator('#drawer').getByRole('heading').first().waitFor();
  await page.reload();
  await row(page, 'live-3').waitFor();
});

journey('what is late stands where it belongs, as after a reload', { as: 'operator' }, async ({ page }) => {
  const at = (id, hour, tenant = 'acme') =>
    ({ ...event(id, tenant, 'late.posted'), occurred_at: `2026-05-01T${hour}:00:00Z` });
  await post([at('late-09', '09'), at('late-11', '11')]);
  await page.goto('/logs?type=late.*&from=2026-05-01');
  await row(page, 'late-09').waitFor();
  await page.getByRole('button', { name: 'Live', exact: true }).click();
  await page.getByText('Live: 0 new events').waitFor();
  // The last one is older than what the list is about.
  await post([at('late-10', '10', 'globex'), at('late-08', '08'), at('late-12', '12')]);
  await post([{ ...at('late-no', '08'), occurred_at: '2026-04-30T08:00:00Z' }]);
  await post([at('late-13', '13')]);
  await row(page, 'late-13').waitFor();
  const live = await idsOf(page);
  assert.deepEqual(live, ['late-13', 'late-12', 'late-11', 'late-10', 'late-09', 'late-08']);
  assert.equal(await row(page, 'late-10').locator('td').nth(1).innerText(), 'globex');
  await page.reload();
  assert.deepEqual(await idsOf(page), live);
});

journey('a list that ends now is followed without its end', { as: 'admin' }, async ({ page }) => {
  const query = (to) => `/logs?${new URLSearchParams({ type: 'ending.*', from: '2026-01-01', to })}`;
  await page.goto(query('2026-04-01'));
  await page.getByText('No events here').waitFor();
  assert.equal(await page.locator('#live').count(), 0, 'nothing new is in a quarter that is over');
  await page.goto(query(new Date(Date.now() + 60_000).toISOString()));
  await page.getByRole('button', { name: 'Live', exact: true }).click();
  await page.getByText('Live: 0 new events').waitFor();
  assert.equal(paramsOf(page).get('to'), null);
  assert.equal(paramsOf(page).get('type'), 'ending.*', 'the other filters stay');
  await post([event('ending-1', 'acme', 'ending.posted')]);
  await row(page, 'ending-1').waitFor();
});
