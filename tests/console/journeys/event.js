// One event: opened beside the list, with what is like it, what was around it, and its proof.

import assert from 'node:assert/strict';
import { ask, copied, eventually, journey, paramsOf, stage } from '../stage.js';

const QUERY = `from=${stage.from}&to=${stage.to}&type=admin.*`;

async function open(page) {
  await page.goto(`/logs?${QUERY}`);
  await page.locator('tr[data-id]').nth(2).getByRole('link').first().click();
  const drawer = page.getByRole('complementary', { name: 'Event' });
  await drawer.getByRole('heading', { level: 2 }).waitFor();
  return drawer;
}

journey('open an event beside the list, and close it again', { as: 'admin' }, async ({ page, shot }) => {
  const drawer = await open(page);
  const { events } = await ask('admin', `/v1/events?${QUERY}`);
  const event = events[2];
  await eventually(() => assert.equal(paramsOf(page).get('event'), event.id));
  const heading = drawer.getByRole('heading', { level: 2 });
  assert.equal(await heading.innerText(), event.type);
  assert.ok(await heading.evaluate((found) => found === document.activeElement), 'the focus is in the drawer');
  const json = await drawer.getByRole('region', { name: 'Event as JSON' }).innerText();
  assert.deepEqual(JSON.parse(json), event);
  for (const text of [event.actor.id, event.target.id, event.context.request_id, event.context.ip]) {
    assert.ok((await drawer.innerText()).includes(text), text);
  }
  await shot('event beside the list');
  await page.keyboard.press('Escape');
  await drawer.waitFor({ state: 'hidden' });
  assert.equal(paramsOf(page).get('event'), null);
  await page.goBack();
  await drawer.getByRole('heading', { name: event.type }).waitFor();
  // The address opens the same, without a click.
  await page.reload();
  await drawer.getByRole('heading', { name: event.type }).waitFor();
});

journey('from an event to what is like it and what was around it', { as: 'admin' }, async ({ page }) => {
  const { events } = await ask('admin', `/v1/events?${QUERY}`);
  const event = events[2];
  const at = Date.parse(event.occurred_at);
  const lists = [
    ['Same actor', { actor_id: event.actor.id }],
    ['Same request', { request_id: event.context.request_id }],
    ['5 minutes before and after', { from: at - 300_000, to: at + 300_000 }],
  ];
  for (const [name, wanted] of lists) {
    const drawer = await open(page);
    await drawer.getByRole('link', { name, exact: true }).click();
    await eventually(() => {
      for (const [param, value] of Object.entries(wanted)) {
        const given = paramsOf(page).get(param);
        assert.equal(typeof value === 'number' ? Date.parse(given) : given, value, param);
      }
    });
    await page.locator(`tr[data-id="${event.id}"]`).waitFor();
  }
  const drawer = await open(page);
  await drawer.getByRole('link', { name: 'Only events with this Actor id' }).click();
  await eventually(() => assert.equal(paramsOf(page).get('actor_id'), event.actor.id));
  assert.equal(paramsOf(page).get('type'), 'admin.*', 'the other filters stay');
  const again = await open(page);
  await again.getByRole('link', { name: 'No events with this Actor id' }).click();
  await eventually(() => assert.equal(paramsOf(page).get('actor_id'), `!${event.actor.id}`));
});

journey('copy an event as curl, for the command line and as SQL', { as: 'admin' }, async ({ page }) => {
  const drawer = await open(page);
  const { events: { 2: event } } = await ask('admin', `/v1/events?${QUERY}`);
  for (const [name, words] of [
    ['Copy as curl', [`/v1/events/${event.id}`, 'curl ']],
    ['Copy as CLI', ['auditlake export', `${event.seq}`]],
    ['Copy as SQL', ['SELECT', `seq = ${event.seq}`]],
    ['Copy JSON', [event.id, event.type]],
  ]) {
    await drawer.getByRole('button', { name }).click();
    const text = await eventually(async () => {
      const found = await copied(page);
      assert.ok(words.every((word) => found.includes(word)), `${name}: ${found}`);
      return found;
    });
    assert.ok(!text.includes('alk_'), 'no key is ever copied');
  }
});

journey('prove an event', { as: 'auditor' }, async ({ page, shot }) => {
  const drawer = await open(page);
  const { events: { 2: event } } = await ask('auditor', `/v1/events?${QUERY}`);
  await drawer.getByRole('link', { name: 'Prove this event' }).click();
  await drawer.getByText('in the log', { exact: true }).waitFor();
  const proof = await ask('auditor', `/v1/log/proof?seq=${event.seq}`);
  assert.ok((await drawer.innerText()).includes(proof.leaf_hash));
  assert.ok((await drawer.getByRole('region', { name: 'Signed checkpoint' }).innerText()).includes('acme'));
  await shot('event proved');
  const [download] = await Promise.all([
    page.waitForEvent('download'),
    drawer.getByRole('link', { name: 'Download proof' }).click(),
  ]);
  assert.equal(download.suggestedFilename(), `proof-${event.seq}.json`);
});

journey('an event has a page of its own', { as: 'admin' }, async ({ page, shot }) => {
  const drawer = await open(page);
  await drawer.getByRole('link', { name: 'Open on its own page' }).click();
  await page.getByRole('heading', { level: 1, name: 'Event' }).waitFor();
  await shot('event on its own page');
  await page.getByRole('link', { name: 'Back to the list' }).click();
  await eventually(() => assert.equal(paramsOf(page).get('type'), 'admin.*'));
});

journey('an event that is not there is said so', { as: 'admin' }, async ({ page }) => {
  await page.goto(`/logs?${QUERY}&event=no-such-event`);
  const said = await page.getByRole('status').allInnerTexts();
  assert.ok(said.some((text) => /no such|not there|no event/i.test(text)), `${said}`);
  assert.ok(await page.locator('tr[data-id]').count() > 0, 'the list is there all the same');
});
