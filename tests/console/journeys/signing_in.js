// Signing in and out: with a key in a form, back to where one wanted to go, and nowhere else.

import assert from 'node:assert/strict';
import { arrive, ask, eventually, journey, signIn, stage } from '../stage.js';

const POLICY = [
  "default-src 'none'", "script-src 'self'", "style-src 'self'", "connect-src 'self'",
  "form-action 'self'", "base-uri 'none'", "frame-ancestors 'none'",
];

const refused = { errors: /status of 40[01]/ };

journey('sign in with a key, and go on to where one wanted', refused, async ({ context, page, shot }) => {
  await page.goto('/logs?type=admin.*');
  assert.match(page.url(), /\/login\?/);
  await shot('login');
  await signIn(page, `${stage.keys.admin.slice(0, -1)}?`);
  await page.getByRole('alert').waitFor();
  await shot('login refused');
  // What was typed is in no address, and the way on is not lost.
  assert.ok(!page.url().includes('alk_'), page.url());
  await signIn(page, stage.keys.admin);
  await page.waitForURL('**/logs?type=admin.*');
  assert.ok((await page.getByRole('banner').innerText()).includes('acme'));

  const [cookie] = await context.cookies();
  assert.equal(cookie.name, 'auditlake_session');
  assert.deepEqual([cookie.httpOnly, cookie.sameSite, cookie.path], [true, 'Strict', '/']);
  assert.ok(!cookie.value.includes(stage.keys.admin.split('_').at(-1)), 'the cookie holds no secret');
});

journey('sign out, and nothing is left behind', { as: 'admin' }, async ({ context, page }) => {
  await page.goto('/logs');
  await page.getByRole('row').nth(1).waitFor();
  await page.getByLabel('Account').click();
  await page.getByRole('button', { name: 'Sign out' }).click();
  await page.waitForURL('**/login*');
  assert.deepEqual(await context.cookies(), []);
  await page.goBack();
  await eventually(() => assert.match(page.url(), /\/login/));
});

journey('a link cannot send who signs in to another site', {}, async ({ page }) => {
  for (const next of ['https://example.com/', '//example.com/', '/\\example.com/', 'javascript:window.hacked=1']) {
    const visit = await arrive({});
    await visit.page.goto(`/login?next=${encodeURIComponent(next)}`);
    await signIn(visit.page, stage.keys.admin);
    await visit.page.waitForURL((url) => url.pathname !== '/login');
    assert.equal(new URL(visit.page.url()).origin, stage.url, next);
    await visit.assertCalm();
    await visit.context.close();
  }
  await page.goto('/login');
});

journey('pages are for nobody else: no cache, no frame, no script but ours', { as: 'admin' }, async ({ page }) => {
  for (const path of ['/', '/logs', '/export', '/exports', '/queries', '/integrity', '/access']) {
    const headers = (await page.goto(path)).headers();
    const policy = headers['content-security-policy'] ?? '';
    for (const rule of POLICY) {
      assert.ok(policy.includes(rule), `${path}: ${rule} is not in ${policy}`);
    }
    assert.ok(!policy.includes('unsafe'), `${path}: ${policy}`);
    assert.match(headers['cache-control'] ?? '', /no-store/, path);
    assert.equal(headers['x-content-type-options'], 'nosniff', path);
    assert.equal(headers['x-frame-options'] ?? 'DENY', 'DENY', path);
  }
});

journey('a form from elsewhere changes nothing', { as: 'admin' }, async ({ context }) => {
  for (const [path, form] of [
    ['/queries', { name: 'forged', type: 'admin.*', csrf: '' }],
    ['/export', { action: 'job', format: 'csv', q: 'forged' }],
    ['/access/keys', { name: 'forged', role: 'auditor', csrf: 'x' }],
    ['/integrity/verification', {}],
    ['/logout', {}],
  ]) {
    const answer = await context.request.post(path, { form, maxRedirects: 0 });
    assert.ok(answer.status() >= 400, `${path}: ${answer.status()}`);
  }
  const data = { name: 'forged', filter: {} };
  const answer = await context.request.post('/v1/saved-queries', { data });
  assert.equal(answer.status(), 403, 'a call by cookie without the token');
  const lists = ['/v1/saved-queries', '/v1/exports', '/v1/keys'];
  const left = await Promise.all(lists.map((path) => ask('admin', path)));
  assert.ok(!JSON.stringify(left).includes('forged'));
  assert.equal((await context.request.get('/v1/session')).status(), 200, 'still signed in');
});
