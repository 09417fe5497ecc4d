// Texts that look like HTML, scripts, colours of a terminal, other directions or formulas are
// shown as text, wherever a page shows a text that somebody else wrote.

import assert from 'node:assert/strict';
import { ask, eventually, inPages, journey, paramsOf, post, signIn, stage } from '../stage.js';

/** Characters that steer terminals, and those that turn the direction of what follows. */
const CONTROL = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f]/;
const FILTER = 'type=hostile.*';

/** What a page is made of, as far as a text could have put something into it. */
function inspect() {
  const strange = [];
  const own = ['script', 'link'];
  for (const element of document.querySelectorAll('*')) {
    for (const { name, value } of element.attributes) {
      const isRun = name.startsWith('on') || name === 'style' || name === 'srcdoc';
      const leads = ['href', 'src', 'action', 'formaction'].includes(name)
        && !/^(https?:\/\/|\/|#|\?|data:image\/|blob:|$)/.test(value.trim());
      if (isRun || leads) {
        strange.push(`<${element.localName} ${name}="${value}">`);
      }
    }
    const source = element.getAttribute('src') ?? element.getAttribute('href') ?? '';
    if (own.includes(element.localName) && !/^\/assets\/|^data:/.test(source)) {
      strange.push(element.outerHTML.slice(0, 200));
    }
    if (['iframe', 'object', 'embed', 'img', 'base'].includes(element.localName)) {
      strange.push(element.outerHTML.slice(0, 200));
    }
  }
  const turned = [];
  // What stands in a field is edited there, so it is as it was written.
  let all = '';
  const walker = document.createTreeWalker(document.documentElement, NodeFilter.SHOW_TEXT);
  for (let node = walker.nextNode(); node; node = walker.nextNode()) {
    if (!node.parentElement.closest('textarea')) all += node.data;
    const turns = /[\u200e\u200f\u202a-\u202e\u2066-\u2069]/.test(node.data);
    if (turns && !node.parentElement.closest('bdi, title, option, textarea, input')) {
      turned.push(node.data.trim().slice(0, 100));
    }
  }
  return { strange, turned, ran: globalThis.hacked, all };
}

async function assertInert(page, name) {
  const { strange, turned, ran, all } = await page.evaluate(inspect);
  assert.equal(ran, undefined, `${name}: a text was run`);
  assert.deepEqual(strange, [], `${name}: elements and attributes that no page of ours has`);
  assert.deepEqual(turned, [], `${name}: texts of another direction that are not kept apart`);
  assert.doesNotMatch(all, CONTROL, `${name}: control characters`);
}

const isPlain = (text) => !/[\u0000-\u001f\u200e\u200f\u202a-\u202e\u2066-\u2069]/.test(text);
const squeezed = (text) => text.replace(/\s+/g, ' ');
const plain = stage.hostile.filter(isPlain);

/** What a cell of a table shows of a long text. */
const CELL = 150;

async function assertShown(page, texts, name, most = Infinity) {
  const shown = squeezed(await page.evaluate(() => document.body.textContent));
  for (const text of texts) {
    assert.ok(shown.includes(squeezed(text.slice(0, most))), `${name} does not show ${text.slice(0, 80)}`);
  }
}

journey('the list of events shows every text as it is', { as: 'admin' }, async ({ page, shot }) => {
  await page.goto(`/logs?${FILTER}&limit=100`);
  const { events } = await ask('admin', `/v1/events?${FILTER}`);
  assert.equal(events.length, stage.hostile.length + 1);
  await eventually(async () => assert.equal(await page.locator('tr[data-id]').count(), events.length));
  await assertInert(page, 'the list');
  await assertShown(page, plain, 'the list', CELL);
  await shot('logs hostile');
  // Every column, so that no cell is left out.
  const columns = 'id,type,actor_label,actor_email,target_label,reason,tool,context_user_agent,data';
  await page.goto(`/logs?${FILTER}&columns_shown=${columns}`);
  await assertInert(page, 'the list with other columns');
  await shot('logs hostile columns');
});

journey('an event shows every text as it is', { as: 'admin' }, async ({ context, shot }) => {
  await inPages(context, stage.hostile, async (page, text, number) => {
    const id = `hostile-${String(number).padStart(2, '0')}`;
    await page.goto(`/logs?${FILTER}&event=${id}`);
    await page.getByRole('heading', { name: 'hostile.text' }).first().waitFor();
    await assertInert(page, id);
    await assertShown(page, isPlain(text) ? [text] : [id], id);
    await shot(`event ${id}`, page);
  });
});

journey('an event with an odd id is opened like any other', { as: 'admin' }, async ({ page }) => {
  await page.goto('/logs?actor_id=u_odd');
  await page.locator('tr[data-id]').first().getByRole('link').first().click();
  const { events: [odd] } = await ask('admin', '/v1/events?actor_id=u_odd');
  await eventually(() => assert.equal(paramsOf(page).get('event'), odd.id));
  await eventually(() => assertShown(page, [odd.id, odd.type], 'the drawer'));
  await assertInert(page, 'the drawer');
  await page.reload();
  await eventually(() => assertShown(page, [odd.id, odd.type], 'the drawer after a reload'));
});

journey('filters, names and errors show every text as it is', { as: 'admin' }, async ({ context, page, shot }) => {
  const short = stage.hostile.filter((text) => text.length < 200);
  await inPages(context, short, async (page, text) => {
    const given = encodeURIComponent(text);
    for (const path of [
      `/logs?q=${given}`, `/logs?actor_id=${given}`, `/logs?columns_shown=${given}`,
      `/logs?where=${given}`, `/logs?${given}=1`, `/export?q=${given}&tool=${given}`,
      `/queries?done=${given}`, `/exports?done=${given}`,
    ]) {
      await page.goto(path);
      await assertInert(page, path);
    }
  });
  await page.goto(`/logs?${encodeURIComponent(plain[0])}=1`);
  await assertInert(page, 'an error');
  await assertShown(page, [plain[0]], 'an error');
  await shot('error hostile');
  for (const path of ['/queries', '/access']) {
    await page.goto(path);
    await assertInert(page, path);
    await assertShown(page, stage.hostile.slice(0, 4), path);
    await shot(`${path} hostile`);
  }
});

journey('signing in shows every text as it is', { errors: /status of 40[01]/ }, async ({ page }) => {
  for (const text of stage.hostile.slice(0, 6)) {
    await page.goto(`/login?next=${encodeURIComponent(`/${text}`)}&done=${encodeURIComponent(text)}`);
    await assertInert(page, '/login');
    await signIn(page, text);
    await page.getByRole('alert').waitFor();
    await assertInert(page, '/login, refused');
  }
});

journey('the live tail shows every text as it is', { as: 'admin' }, async ({ page }) => {
  await page.goto('/logs?type=hostile.*');
  await page.getByRole('button', { name: 'Live', exact: true }).click();
  await page.getByText('Live: 0 new events').waitFor();
  const occurred_at = new Date().toISOString();
  await post(stage.hostile.map((text, number) => ({
    id: `live-hostile-${number}`, type: 'hostile.text', occurred_at, tenant_id: 'acme',
    actor: { kind: 'user', id: text, label: text }, target: { kind: 'file', id: text, label: text },
  })));
  await eventually(async () => {
    const rows = await page.locator('tr[data-id^="live-hostile-"]').count();
    assert.equal(rows, stage.hostile.length);
  });
  await assertInert(page, 'the live tail');
  await assertShown(page, plain, 'the live tail', CELL);
});
