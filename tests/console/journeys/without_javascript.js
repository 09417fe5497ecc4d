// With JavaScript switched off one still signs in, reads, filters, saves, and takes events along.

import assert from 'node:assert/strict';
import {
  api, ask, eventually, fetched, goTo, idsOf, journey, paramsOf, sha256, signIn, stage,
} from '../stage.js';

const QUERY = `from=${stage.from}&to=${stage.to}&type=admin.*`;

journey('read, filter and export without JavaScript', { plain: true }, async ({ page, shot }) => {
  await page.goto('/login');
  await signIn(page, stage.keys.admin);
  await goTo(page, 'Read logs');
  await page.getByLabel('From', { exact: true }).fill(stage.from);
  await page.getByLabel('Before', { exact: true }).fill(stage.to);
  await page.getByRole('textbox', { name: 'Type', exact: true }).fill('admin.*');
  await page.getByRole('button', { name: 'Apply' }).click();
  await page.waitForURL('**/logs?*admin.*');
  const { events } = await ask('admin', `/v1/events?${QUERY}`);
  assert.deepEqual(await idsOf(page), events.map((event) => event.id));
  assert.match(await page.locator('th').first().innerText(), /UTC$/);
  await shot('plain logs');

  // The figures may come with a link, where the page did not wait for them.
  const figures = page.getByRole('link', { name: 'Show the histogram and the most frequent values' });
  if (await figures.count() > 0) {
    await figures.click();
  }
  await page.getByText('The same as a table').waitFor();
  await shot('plain logs with figures');

  await page.locator('tr[data-id]').first().getByRole('link').first().click();
  await page.getByRole('heading', { name: events[0].type }).first().waitFor();
  assert.equal(paramsOf(page).get('event'), events[0].id);
  await shot('plain event');
  await page.getByRole('link', { name: 'Close', exact: true }).click();
  await eventually(() => assert.equal(paramsOf(page).get('event'), null));

  await page.getByRole('link', { name: 'Export', exact: true }).click();
  await page.waitForURL('**/export?*');
  await page.getByRole('button', { name: 'Estimate' }).click();
  await page.getByText(/as a download\.$/).waitFor();
  await shot('plain export');
  const got = await fetched(page, page.getByRole('button', { name: 'Download', exact: true }));
  const wanted = Buffer.from(await (await api('admin', `/v1/events/export?${QUERY}&format=csv`)).arrayBuffer());
  assert.equal(sha256(got.bytes), sha256(wanted));
});

const plain = { as: 'admin', plain: true };

journey('run a job, save a query and sign out without JavaScript', plain, async ({ page, shot }) => {
  await page.goto(`/export?${QUERY}`);
  await page.getByRole('button', { name: 'Start export job' }).click();
  await page.waitForURL('**/exports?done=started#*');
  const id = new URL(page.url()).hash.slice(1);
  await eventually(async () => {
    await page.reload();
    assert.equal(await page.locator(`tr[id="${id}"]`).getAttribute('data-state'), 'ready');
  });
  const { files: [file] } = await ask('admin', `/v1/exports/${id}`);
  const got = await fetched(page, page.locator(`tr[id="${id}"]`).getByRole('link', { name: 'Download' }));
  assert.equal(sha256(got.bytes), file.sha256);
  await shot('plain exports ready');

  await page.goto(`/logs?${QUERY}`);
  await page.getByRole('link', { name: 'Save query' }).click();
  await page.getByLabel('Name', { exact: true }).fill('Without scripts');
  await page.getByRole('button', { name: 'Save query' }).click();
  await page.getByText('The query is saved.').waitFor();
  await page.getByRole('link', { name: 'Without scripts', exact: true }).waitFor();
  await page.locator('summary[aria-label="Account"]').click();
  await page.getByRole('button', { name: 'Sign out' }).click();
  await page.waitForURL('**/login');
});

journey('every page is there without JavaScript', plain, async ({ page, shot }) => {
  for (const path of ['/', '/exports', '/queries', '/integrity', '/access']) {
    await page.goto(path);
    await page.getByRole('heading', { level: 1 }).waitFor();
    await shot(`plain ${path}`);
  }
});

const wrong = { ...plain, errors: /status of 400/ };

journey('what a form got wrong is said without JavaScript', wrong, async ({ page }) => {
  await page.goto(`/export?${QUERY}`);
  await page.getByLabel('From', { exact: true }).fill('yesterday');
  await page.getByRole('button', { name: 'Start export job' }).click();
  await page.locator('[data-error~="from"]').waitFor();
  assert.equal(await page.getByLabel('From', { exact: true }).inputValue(), 'yesterday');
});
