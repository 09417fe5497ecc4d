// A filter that one comes back to: saved from the list, opened, shared, renamed, exported, deleted.

import assert from 'node:assert/strict';
import { arrive, ask, eventually, idsOf, journey, stage } from '../stage.js';

const QUERY = `from=${stage.from}&to=${stage.to}&type=admin.*`;
const NAME = 'What administrators did, Q1';

const queries = async (who) => (await ask(who, '/v1/saved-queries')).saved_queries;
const row = (page, name) => page.getByRole('row').filter({ has: page.getByRole('link', { name, exact: true }) });

journey('save a query, open it, share it, rename it, delete it', { as: 'admin' }, async ({ page, shot }) => {
  await page.goto(`/logs?${QUERY}`);
  await page.getByRole('link', { name: 'Save query' }).click();
  await page.getByLabel('Name', { exact: true }).fill(NAME);
  await shot('queries saving');
  await page.getByRole('button', { name: 'Save query' }).click();
  await page.getByText('The query is saved.').waitFor();
  const saved = (await queries('admin')).find((query) => query.name === NAME);
  const filter = Object.fromEntries(Object.entries(saved.filter).map(([name, value]) => [name, `${value}`]));
  assert.deepEqual(filter, { from: stage.from, to: stage.to, type: 'admin.*' });

  await row(page, NAME).getByText('Type begins with admin. · 1 Jan – 31 Mar 2026', { exact: true }).waitFor();
  await shot('queries with an own one');
  await row(page, NAME).getByRole('link', { name: `Open ${NAME}` }).click();
  await eventually(() => assert.equal(new URL(page.url()).pathname, '/logs'));
  const listed = (await ask('admin', `/v1/events?${QUERY}`)).events.map((event) => event.id);
  assert.deepEqual(await idsOf(page), listed);

  // What is not shared is nobody else's; what is shared asks for no more than one may see.
  const other = await arrive({ as: 'user' });
  await other.page.goto('/queries');
  assert.equal(await row(other.page, NAME).count(), 0);
  await page.goto('/queries');
  await row(page, NAME).getByRole('button', { name: `Share ${NAME}` }).click();
  await page.getByText('The query is changed.').waitFor();
  await other.page.reload();
  await row(other.page, NAME).getByRole('link', { name: `Open ${NAME}` }).click();
  await other.page.getByText('No events here').waitFor();
  await other.assertCalm();
  await other.context.close();

  await row(page, NAME).locator('summary').click();
  await row(page, NAME).getByLabel('New name').fill('Administrators');
  await row(page, NAME).getByRole('button', { name: 'Rename' }).click();
  await row(page, 'Administrators').waitFor();
  await row(page, 'Administrators').getByRole('link', { name: 'Export Administrators' }).click();
  const dialog = page.getByRole('dialog', { name: 'Export' });
  await dialog.getByText(/as a download\.$/).waitFor();
  await shot('export of a saved query');
  await page.keyboard.press('Escape');
  await row(page, 'Administrators').locator('summary').click();
  await row(page, 'Administrators').getByRole('button', { name: 'Delete' }).click();
  await page.getByText('The query is deleted.').waitFor();
  assert.equal(await row(page, 'Administrators').count(), 0);
  assert.ok(!(await queries('admin')).some((query) => query.id === saved.id));
});

journey('a shared query of somebody else is used and not changed', { as: 'auditor' }, async ({ page }) => {
  await page.goto('/queries');
  const [shared] = await queries('auditor');
  assert.ok(shared, 'the administrator shares some');
  const found = page.locator(`tr[id="${shared.id}"]`);
  assert.equal(await found.getByRole('button', { name: /share|rename|delete/i }).count(), 0);
  await page.getByLabel('Narrow the list').fill('no query is called this');
  await page.getByText(/^0 of /).waitFor();
  await found.waitFor({ state: 'hidden' });
});
