// What each role sees: its own events and no others, and only what it may do.

import assert from 'node:assert/strict';
import { arrive, ask, eventually, idsOf, journey, stage } from '../stage.js';

const QUARTER = `from=${stage.from}&to=${stage.to}`;
/** Every way there is, and who has it. */
const WAYS = {
  operator: ['Overview', 'Read logs', 'Exports', 'Saved queries', 'Integrity', 'Access'],
  admin: ['Overview', 'Read logs', 'Exports', 'Saved queries', 'Integrity', 'Access'],
  auditor: ['Overview', 'Read logs', 'Exports', 'Saved queries', 'Integrity', 'Access'],
  org_admin: ['Overview', 'Read logs', 'Exports', 'Saved queries', 'Access'],
  team_lead: ['Overview', 'Read logs', 'Saved queries', 'Access'],
  user: ['Overview', 'Read logs', 'Saved queries', 'Access'],
};

journey('each role is shown the ways that lead somewhere for it', {}, async () => {
  for (const [who, ways] of Object.entries(WAYS)) {
    const visit = await arrive({ as: who });
    await visit.page.goto('/');
    const links = visit.page.getByRole('navigation', { name: 'Pages of the console' }).getByRole('link');
    assert.deepEqual((await links.allInnerTexts()).map((text) => text.trim()), ways, who);
    await visit.assertCalm();
    await visit.context.close();
  }
});

const limited = { as: 'user', errors: /status of 403/ };

journey('a user sees own events only, and no export', limited, async ({ page, shot }) => {
  await page.goto(`/logs?${QUARTER}`);
  const { events } = await ask('admin', `/v1/events?${QUARTER}&actor_id=${stage.person}`);
  await eventually(async () => assert.deepEqual(await idsOf(page), events.map((event) => event.id)));
  const text = await page.locator('body').innerText();
  assert.ok(!text.includes('u_09') && !text.includes(stage.canary), text.slice(0, 2000));
  assert.equal(await page.getByRole('link', { name: /export/i }).count(), 0);
  assert.equal(await page.getByRole('button', { name: /export/i }).count(), 0);
  await shot('logs of a user');
  // Of somebody else: it does not exist.
  await page.goto(`/logs?${QUARTER}&event=evt_000009`);
  assert.ok(!(await page.locator('body').innerText()).includes('admin.role_changed'));
  await page.goto('/');
  assert.equal(await page.getByRole('link', { name: /export/i }).count(), 0);
  await shot('overview of a user');
  for (const [path, permission] of [
    ['/export', 'audit:export'], ['/exports', 'audit:export'], ['/integrity', 'integrity:read'],
  ]) {
    const answer = await page.goto(path);
    assert.equal(answer.status(), 403, path);
    await page.getByText(permission, { exact: true }).first().waitFor();
  }
  await shot('forbidden');
  // Who may do what is no secret; the keys are.
  await page.goto('/access');
  await page.getByText('Your role may not see keys.').waitFor();
  assert.equal(await page.getByText('of the journeys').count(), 0);
});

journey('who may only write is told so', { as: 'ingester', errors: /status of 403/ }, async ({ page, shot }) => {
  for (const path of ['/', '/logs', '/queries']) {
    assert.equal((await page.goto(path)).status(), 403, path);
    await page.getByText('audit:read', { exact: true }).first().waitFor();
  }
  await shot('forbidden for an ingester');
});

journey('nothing of another tenant is on any page', {}, async () => {
  for (const who of ['admin', 'auditor', 'org_admin', 'team_lead']) {
    const visit = await arrive({ as: who, errors: /status of 40[34]/ });
    for (const path of [
      '/', `/logs?${QUARTER}`, '/logs?tenant_id=globex', '/queries', '/exports', '/integrity', '/access',
    ]) {
      await visit.page.goto(path);
      const text = await visit.page.evaluate(() => document.documentElement.textContent);
      assert.ok(!text.includes(stage.canary), `${who}: ${path}`);
      assert.ok(path.includes('globex') || !text.includes('globex'), `${who}: ${path}`);
    }
    await visit.assertCalm();
    await visit.context.close();
  }
});

journey('the figures of the overview are those of who looks', {}, async () => {
  for (const who of ['admin', 'user', 'stranger']) {
    const visit = await arrive({ as: who });
    await visit.page.goto('/');
    await visit.page.getByRole('main').waitFor();
    const { events: [newest] } = await ask(who, '/v1/events?limit=1');
    assert.ok(newest, who);
    const text = await visit.page.getByRole('main').innerText();
    assert.equal(text.includes('Waiting for a signature'), who !== 'user', text);
    assert.match(text, /Most: [\d,]+, \d+ [A-Z][a-z]+ 20\d\d/);
    await visit.shot(`overview of ${who}`);
    await visit.assertCalm();
    await visit.context.close();
  }
});
