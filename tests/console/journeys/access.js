// Keys: made with a role and a place, shown once, used, and revoked; and who may do what.

import assert from 'node:assert/strict';
import { arrive, ask, copied, journey, signIn, stage } from '../stage.js';

const row = (page, name) => page.getByRole('row').filter({ hasText: name });

journey('make a key, sign in with it, and revoke it', { as: 'admin' }, async ({ page, shot }) => {
  await page.goto('/access');
  await page.getByRole('heading', { name: 'New key' }).click();
  await page.getByLabel('Name', { exact: true }).fill('Nadia reads her own');
  await page.getByLabel('Role', { exact: true }).selectOption('user');
  // Only what the role needs is asked for.
  assert.ok(await page.getByLabel('User', { exact: true }).isVisible());
  await page.getByLabel('User', { exact: true }).fill(stage.person);
  await shot('access new key');
  await page.getByRole('button', { name: 'Make the key' }).click();
  const key = await page.getByLabel('Key', { exact: true }).inputValue();
  assert.match(key, /^alk_/);
  await shot('access key made');
  await page.getByRole('button', { name: 'Copy key' }).click();
  await page.getByRole('button', { name: 'Copied' }).waitFor();
  assert.equal(await copied(page), key);

  // It is there once: not in the address, not after a reload, not in the list.
  assert.ok(!page.url().includes('alk_'));
  await page.getByRole('link', { name: 'Done' }).click();
  await row(page, 'Nadia reads her own').first().waitFor();
  assert.ok(!(await page.content()).includes(key));

  const nadia = await arrive({ errors: /status of 401/ });
  await nadia.page.goto('/login');
  await signIn(nadia.page, key);
  await nadia.page.getByText(`acme / ${stage.person}`).first().waitFor();
  // One click asks, and whoever asked may keep the key.
  const way = page.getByRole('link', { name: 'Revoke Nadia reads her own' });
  await way.first().click();
  await page.getByRole('link', { name: 'Keep it' }).click();
  await way.first().click();
  const revoke = page.getByRole('button', { name: 'Revoke Nadia reads her own' });
  await shot('access revoking');
  const { width, height } = await revoke.boundingBox();
  assert.ok(width > 2 * height, `it is to be read in one line, and is ${width} by ${height}`);
  await revoke.click();
  await page.getByRole('status').filter({ hasText: /revoked/i }).waitFor();
  // The session of the key ends with it.
  await nadia.page.goto('/logs');
  assert.match(nadia.page.url(), /\/login/);
  await nadia.assertCalm();
  await nadia.context.close();
  const { keys } = await ask('admin', '/v1/keys');
  assert.ok(keys.find((one) => one.name === 'Nadia reads her own').revoked_at);
});

const refused = { as: 'admin', errors: /status of 400/ };

journey('a key that cannot be is refused with what was filled in', refused, async ({ page, shot }) => {
  await page.goto('/access');
  await page.getByRole('heading', { name: 'New key' }).click();
  await page.getByLabel('Name', { exact: true }).fill('nobody yet');
  await page.getByLabel('Role', { exact: true }).selectOption('user');
  // A browser would not send it without: what is checked here is the server.
  await page.locator('form[data-new-key]').evaluate((form) => { form.noValidate = true; });
  await page.getByRole('button', { name: 'Make the key' }).click();
  await page.getByRole('alert').filter({ hasText: 'user_id' }).waitFor();
  assert.equal(await page.getByLabel('Name', { exact: true }).inputValue(), 'nobody yet');
  await shot('access refused');
});

journey('who may do what stands in a table, as the server has it', { as: 'admin' }, async ({ page }) => {
  await page.goto('/access');
  const table = page.getByRole('region', { name: 'Who may do what' });
  const cells = (role) => {
    const head = page.getByRole('rowheader', { name: new RegExp(`^${role}\\b`) });
    return table.getByRole('row').filter({ has: head }).getByRole('cell').allInnerTexts();
  };
  const heads = (await table.getByRole('columnheader').allInnerTexts()).map((text) => text.split(/\s/)[0]);
  for (const who of ['operator', 'admin', 'auditor', 'org_admin', 'team_lead', 'user', 'ingester']) {
    const { context } = await arrive({ as: who });
    const session = await (await context.request.get('/v1/session')).json();
    await context.close();
    const may = (await cells(session.role)).flatMap((text, at) => (text === 'yes' ? [heads[at + 1]] : []));
    assert.deepEqual(may.toSorted(), session.permissions.toSorted(), session.role);
  }
});
