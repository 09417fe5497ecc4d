// A large export as a job: queued, followed without a reload, fetched as a zip, and checked.

import assert from 'node:assert/strict';
import { api, ask, copied, eventually, fetched, journey, sha256, stage } from '../stage.js';
import { unzip } from '../zip.js';

const QUARTER = `from=${stage.from}&to=${stage.to}`;

/** Makes a job beside the browser. */
async function made(who, body) {
  const headers = { 'content-type': 'application/json' };
  return (await api(who, '/v1/exports', { method: 'POST', headers, body: JSON.stringify(body) })).json();
}

const isReady = (who, id) => eventually(async () => {
  assert.equal((await ask(who, `/v1/exports/${id}`)).state, 'ready');
});

journey('run a large export as a job, watch it, and download the zip', { as: 'admin' }, async ({ page, shot }) => {
  // Two jobs run at a time: with two before it there is something to watch.
  const filter = { from: stage.from, to: stage.to };
  await Promise.all(['csv', 'ndjson'].map((format) => made('admin', { format, filter })));
  await page.goto(`/export?${QUARTER}`);
  await page.getByText(/as a download\.$/).waitFor();
  await page.getByRole('button', { name: 'Start export job' }).click();
  await page.waitForURL(/\/exports(\?done=started)?#/);
  await page.getByRole('status').filter({ hasText: 'The export is queued.' }).waitFor();
  const id = new URL(page.url()).hash.slice(1);
  const item = page.locator(`[data-export-id="${id}"]`);
  await page.evaluate((wanted) => {
    globalThis.seen = [document.getElementById(wanted).dataset.state];
    new MutationObserver(() => {
      const state = document.getElementById(wanted)?.dataset.state;
      if (state && state !== globalThis.seen.at(-1)) {
        globalThis.seen.push(state);
      }
    }).observe(document.body, { childList: true, subtree: true, attributes: true });
  }, id);
  assert.ok(await item.getByRole('progressbar').isVisible());
  await shot('exports under way');
  await item.getByText('ready', { exact: true }).waitFor();
  const seen = await page.evaluate(() => globalThis.seen);
  assert.ok(['queued', 'running'].includes(seen[0]) && seen.at(-1) === 'ready', `${seen}`);
  await shot('exports ready');

  const job = await ask('admin', `/v1/exports/${id}`);
  const { total } = await ask('admin', `/v1/events?${QUARTER}&limit=1&total=true`);
  assert.equal(job.rows, total);
  assert.ok(job.files.length > 1, 'it is large enough for several files');
  assert.ok((await item.innerText()).includes(total.toLocaleString('en')));
  const { bytes } = await fetched(page, item.getByRole('link', { name: 'Download zip' }));
  const files = unzip(bytes);
  const names = [...job.files.map((file) => file.name), 'manifest.json'];
  assert.deepEqual([...files.keys()].toSorted(), names.toSorted());
  for (const file of job.files) {
    assert.equal(sha256(files.get(file.name)), file.sha256, file.name);
  }
});

journey('an export has a page with its files and digests', { as: 'admin' }, async ({ page, shot }) => {
  const filter = { type: 'admin.*', from: stage.from, to: stage.to };
  const job = await made('admin', { format: 'csv', filter });
  await isReady('admin', job.id);
  const { files: [file] } = await ask('admin', `/v1/exports/${job.id}`);
  await page.goto('/exports');
  const item = page.locator(`[data-export-id="${job.id}"]`);
  await item.getByText('Type begins with admin. · 1 Jan – 31 Mar 2026', { exact: true }).waitFor();
  await item.getByRole('link').first().click();
  await page.waitForURL(`**/exports/${job.id}`);
  await page.getByText(file.sha256).first().waitFor();
  await page.getByRole('button', { name: `Copy the SHA-256 of ${file.name}` }).click();
  await eventually(async () => assert.equal(await copied(page), file.sha256));
  await page.getByText(/^The files are deleted in/).waitFor();
  assert.ok((await page.getByRole('main').innerText()).includes('admin.*'));
  await shot('export ready');
  const got = await fetched(page, page.getByRole('link', { name: file.name }));
  assert.equal(sha256(got.bytes), file.sha256);
  const manifest = await fetched(page, page.getByRole('link', { name: 'Manifest' }));
  assert.equal(JSON.parse(manifest.bytes).files[0].sha256, file.sha256);

  await page.getByRole('link', { name: 'Run again with the same filter' }).click();
  const dialog = page.getByRole('dialog', { name: 'Export' });
  assert.equal(await dialog.getByRole('checkbox', { name: /type/ }).first().inputValue(), 'admin.*');
  await page.keyboard.press('Escape');
  await page.getByRole('link', { name: 'Who asked for it and fetched it' }).click();
  for (const type of ['audit.export_requested', 'audit.exported', 'audit.export_downloaded']) {
    await page.getByRole('cell', { name: type, exact: true }).first().waitFor();
  }
});

journey('cancel an export, and try it again', { as: 'admin' }, async ({ page, shot }) => {
  const filter = { from: stage.from, to: stage.to };
  const before = ['json', 'csv', 'ndjson', 'json'].map((format) => ({ format, filter, compression: 'gzip' }));
  await Promise.all(before.map((body) => made('admin', body)));
  const job = await made('admin', { format: 'json', filter });
  await page.goto('/exports');
  const item = page.locator(`[data-export-id="${job.id}"]`);
  await item.getByRole('button', { name: 'Cancel' }).click();
  await page.getByRole('status').filter({ hasText: 'The export was canceled' }).waitFor();
  await item.getByText('canceled', { exact: true }).waitFor();
  await shot('exports canceled');
  await item.getByRole('button', { name: 'Retry' }).click();
  await page.getByRole('status').filter({ hasText: 'The export is queued again' }).waitFor();
  await item.getByText('ready', { exact: true }).waitFor();
  await page.goto(`/exports/${job.id}`);
  await page.locator('summary').filter({ hasText: 'Delete the files' }).click();
  await page.getByRole('button', { name: 'Delete the files' }).click();
  await page.getByRole('status').filter({ hasText: 'The files of the export are deleted.' }).waitFor();
  assert.equal((await ask('admin', `/v1/exports/${job.id}`)).state, 'expired');
});

journey('an evidence bundle verifies in the browser', { as: 'auditor' }, async ({ page, shot }) => {
  const job = await made('auditor', { format: 'ndjson', filter: { type: 'admin.*' }, proof: 'inclusion' });
  await isReady('auditor', job.id);
  await page.goto(`/exports/${job.id}`);
  const bundle = await fetched(page, page.getByRole('link', { name: 'Evidence bundle' }).first());
  assert.ok(unzip(bundle.bytes).has('proof.json'));
  await page.goto('/integrity');
  const file = { name: bundle.name, mimeType: 'application/zip' };
  const drop = (buffer) => page.locator('input[type=file]').setInputFiles({ ...file, buffer });
  await drop(bundle.bytes);
  await page.locator('[data-verdict="good"]').waitFor();
  await shot('integrity verified');
  // One byte of the data, which most of the archive is, is another one: it is found.
  const forged = Buffer.from(bundle.bytes);
  forged[forged.length >> 1] ^= 1;
  await drop(forged);
  await page.locator('[data-verdict="bad"]').waitFor();
  await shot('integrity forged');
});

journey('a proof asked for in the form names an event that was altered', { as: 'auditor' }, async ({ page, shot }) => {
  await page.goto(`/export?${QUARTER}&type=admin.*&format=ndjson`);
  await page.getByText('Columns, compression, order and proof').click();
  await page.getByRole('radio', { name: 'Inclusion', exact: true }).check();
  await page.getByText(/, an evidence bundle\.$/).waitFor();
  await page.getByRole('button', { name: 'Start export job' }).click();
  await page.waitForURL(/\/exports(\?done=started)?#/);
  const item = page.locator(`[data-export-id="${new URL(page.url()).hash.slice(1)}"]`);
  const bundle = await fetched(page, item.getByRole('link', { name: 'Evidence bundle' }));
  const files = unzip(bundle.bytes);
  const data = [...files.keys()].find((name) => name.endsWith('.ndjson'));
  const lines = files.get(data).toString().split('\n');
  const { id } = JSON.parse(lines[2]);
  // The last digit of when it happened.
  const forged = lines[2].replace(/("occurred_at":"[^"]*)(\d)(Z")/, (_, before, digit, end) => (
    `${before}${(Number(digit) + 1) % 10}${end}`
  ));
  assert.notEqual(forged, lines[2]);
  const drop = (text) => page.locator('input[type=file]').setInputFiles([...files].map(([name, bytes]) => (
    { name, mimeType: 'application/octet-stream', buffer: name === data ? Buffer.from(text) : bytes }
  )));
  await page.goto('/integrity');
  await drop(lines.join('\n'));
  await page.locator('[data-verdict="good"]').waitFor();
  await drop(lines.with(2, forged).join('\n'));
  await page.locator('[data-verdict="bad"]').waitFor();
  const named = page.getByRole('listitem').filter({ hasText: 'it was changed' }).filter({ hasText: 'line 3' });
  assert.ok((await named.innerText()).includes(id), await named.innerText());
  await shot('integrity altered');
});
