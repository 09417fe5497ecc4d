// What a tenant's log can show for itself: checkpoint, keys, and for who runs the installation a
// verification of everything.

import assert from 'node:assert/strict';
import { api, arrive, ask, copied, eventually, journey } from '../stage.js';

journey('an auditor takes the checkpoint and the keys along', { as: 'auditor' }, async ({ page, shot }) => {
  await page.goto('/integrity?fresh=true');
  const note = await page.locator('#checkpoint-text').innerText();
  const [origin, size, root] = note.split('\n');
  const { origin: wanted, keys } = await ask('auditor', '/v1/log/keys');
  assert.equal(origin, wanted);
  const text = await page.getByRole('main').innerText();
  assert.ok(text.includes(Number(size).toLocaleString('en')) && text.includes(root), 'size and root are shown');
  await shot('integrity of a tenant');
  await page.getByRole('button', { name: 'Copy checkpoint' }).click();
  await eventually(async () => assert.equal((await copied(page)).trim(), note.trim()));
  await page.getByRole('button', { name: 'Copy key 1' }).click();
  await eventually(async () => assert.equal(await copied(page), keys[0]));
  const [download] = await Promise.all([
    page.waitForEvent('download'),
    page.getByRole('link', { name: 'Download checkpoint' }).click(),
  ]);
  assert.ok(download.suggestedFilename().length > 0);
  // An auditor verifies with what was taken along, and starts nothing on the server.
  assert.equal(await page.getByRole('button', { name: 'Verify the lake now' }).count(), 0);
});

journey('who runs the installation verifies the whole lake', { as: 'operator' }, async ({ page, shot }) => {
  await page.goto('/integrity');
  await page.getByText('Each tenant has a log of its own').waitFor();
  await page.getByLabel('Tenant', { exact: true }).fill('acme');
  await page.getByRole('button', { name: 'Show its log' }).click();
  await page.locator('#checkpoint-text').waitFor();
  await page.getByRole('button', { name: 'Verify the lake now' }).click();
  await page.getByText('The verification has begun.').waitFor();
  await shot('integrity verifying');
  const said = await eventually(async () => {
    const found = await (await api('operator', '/v1/log/verification')).json();
    assert.ok(!['none', 'running'].includes(found.state), found.state);
    return found;
  });
  assert.equal(said.state, 'good', JSON.stringify(said.findings));
  await page.goto('/integrity');
  await page.locator('[data-verification="good"]').waitFor();
  assert.ok((await page.getByRole('main').innerText()).includes(said.events.toLocaleString('en')));
  await shot('integrity verified whole');
  // Who sees one tenant is told when it was and how it ended; the rest is about all of them.
  const auditor = await arrive({ as: 'auditor' });
  await auditor.page.goto('/integrity');
  const section = auditor.page.locator('[data-verification="good"]');
  await section.getByText('Ended', { exact: true }).waitFor();
  assert.ok(!(await section.innerText()).includes('Events read'));
  assert.equal(await section.getByRole('button').count(), 0);
  await auditor.assertCalm();
  await auditor.context.close();
});

journey('a tenant without an event has no log yet', { as: 'operator' }, async ({ page, shot }) => {
  await page.goto('/integrity?tenant_id=nobody');
  await page.getByText('No checkpoint to show').waitFor();
  await shot('integrity without a log');
});
