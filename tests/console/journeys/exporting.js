// Taking events along as a file: what is downloaded is what the API gives, to the byte.

import assert from 'node:assert/strict';
import { api, ask, eventually, fetched, journey, paramsOf, sha256, stage } from '../stage.js';

const QUARTER = `from=${stage.from}&to=${stage.to}`;
const ADMIN = `${QUARTER}&type=admin.*`;

/** The file that the API gives. */
async function file(who, query) {
  const answer = await api(who, `/v1/events/export?${query}`);
  return Buffer.from(await answer.arrayBuffer());
}

/** What a form says of its download, every text of it. */
const watchNotes = (page) => page.evaluate(() => {
  globalThis.notes = [];
  const note = document.querySelector('[data-part="note"]');
  new MutationObserver(() => globalThis.notes.push(note.textContent)).observe(note, { childList: true });
});

const downloaded = (page, place) =>
  fetched(page, place.getByRole('button', { name: 'Download', exact: true }));

journey('export the current filters as CSV from the list', { as: 'admin' }, async ({ page, shot }) => {
  await page.goto(`/logs?${ADMIN}`);
  await page.getByRole('link', { name: 'Export', exact: true }).click();
  const dialog = page.getByRole('dialog', { name: 'Export' });
  await dialog.getByRole('radio', { name: 'CSV', exact: true }).waitFor();
  assert.ok(await dialog.getByRole('radio', { name: 'CSV', exact: true }).isChecked());
  assert.ok(await dialog.getByRole('radio', { name: 'Current filters' }).isChecked());
  assert.equal(await dialog.getByLabel('From', { exact: true }).inputValue(), stage.from);
  const { total } = await ask('admin', `/v1/events?${ADMIN}&limit=1&total=true`);
  // What may be more is counted before it is told, for at most a second: on a busy machine that
  // takes another look.
  const exactly = dialog.getByText(`exactly ${total.toLocaleString('en')} rows, about`);
  const looked = () => exactly.waitFor({ timeout: 3000 });
  await looked().catch(() => eventually(async () => {
    await dialog.getByRole('radio', { name: 'NDJSON', exact: true }).check();
    await dialog.getByRole('radio', { name: 'CSV', exact: true }).check();
    await looked();
  }));
  await dialog.getByText(/ rows, about .*: as a download\.$/).waitFor();
  await shot('export dialog');

  const got = await downloaded(page, dialog);
  const wanted = await file('admin', `${ADMIN}&format=csv`);
  assert.match(got.name, /^auditlake-export-.*\.csv$/);
  assert.equal(sha256(got.bytes), sha256(wanted), 'the file is the one of the API');
  const [rows, bytes] = [total, got.bytes.length].map((count) => count.toLocaleString('en'));
  await dialog.getByText(`Done: ${rows} rows, ${bytes} bytes.`).waitFor();
  await dialog.getByText(sha256(wanted)).waitFor();
  await shot('export dialog done');

  // The log tells of it, and the way there is in the dialog.
  await dialog.getByRole('link', { name: 'See it in the log' }).click();
  await page.waitForURL('**/logs?target_id=*');
  await page.getByRole('cell', { name: 'audit.exported', exact: true }).waitFor();
});

journey('Parquet and JSON come as the API gives them', { as: 'admin' }, async ({ page }) => {
  for (const [label, format] of [['Parquet', 'parquet'], ['JSON', 'json']]) {
    await page.goto(`/export?${ADMIN}`);
    await page.getByRole('radio', { name: label, exact: true }).check();
    await page.getByText(/as a download\.$/).waitFor();
    const got = await downloaded(page, page);
    assert.ok(got.name.endsWith(`.${format}`), got.name);
    assert.equal(sha256(got.bytes), sha256(await file('admin', `${ADMIN}&format=${format}`)), format);
  }
});

journey('a larger download says how far it is', { as: 'admin' }, async ({ page }) => {
  await page.goto(`/export?${QUARTER}&format=ndjson`);
  await page.getByText(/as a download\.$/).waitFor();
  await watchNotes(page);
  const got = await downloaded(page, page);
  await page.getByText(/^Done: /).waitFor();
  const rows = (await page.evaluate(() => globalThis.notes))
    .map((text) => /^([\d,]+) rows?, .*B$/.exec(text)?.[1])
    .filter(Boolean)
    .map((text) => Number(text.replaceAll(',', '')));
  assert.ok(rows.length > 1, `the count was shown ${rows.length} times`);
  assert.deepEqual(rows, rows.toSorted((one, other) => one - other), 'the count never goes back');
  assert.equal(sha256(got.bytes), sha256(await file('admin', `${QUARTER}&format=ndjson`)));
});

journey('a download that is stopped leaves nothing', { as: 'admin' }, async ({ page }) => {
  await page.goto('/export');
  await page.getByText(/as a download\.$/).waitFor();
  // The answer is held back, so that there is time to change one's mind.
  await page.route('**/v1/events/export?*', () => {});
  let downloads = 0;
  page.on('download', () => { downloads += 1; });
  await page.getByRole('button', { name: 'Download', exact: true }).click();
  await page.getByRole('button', { name: 'Stop' }).click();
  await page.getByText(/^It was stopped\. Nothing was kept/).waitFor();
  assert.equal(downloads, 0);
  await page.unroute('**/v1/events/export?*');
});

journey('choose format, columns, range and compression', { as: 'admin' }, async ({ page, shot }) => {
  await page.goto(`/export?${ADMIN}`);
  await page.getByRole('radio', { name: 'NDJSON', exact: true }).check();
  await page.getByText('Columns, compression, order and proof').click();
  // What only CSV has a use for goes away with CSV.
  await page.getByRole('checkbox', { name: 'Safe in spreadsheets' }).waitFor({ state: 'hidden' });
  await page.getByRole('radio', { name: 'Only these' }).check();
  for (const column of ['id', 'type', 'actor_id']) {
    await page.getByRole('checkbox', { name: column, exact: true }).check();
  }
  await page.getByLabel('Compression').selectOption('gzip');
  await page.getByLabel('Order').selectOption('desc');
  await page.getByLabel('To', { exact: true }).fill('2026-02-01');
  await shot('export chosen');
  await page.getByText(/as a download\.$/).waitFor();
  const got = await downloaded(page, page);
  const query = `from=${stage.from}&to=2026-02-01&type=admin.*&format=ndjson&columns=id,type,actor_id`;
  assert.equal(sha256(got.bytes), sha256(await file('admin', `${query}&compression=gzip&order=desc`)));

  // All entries of the range, whatever filter one came with.
  await page.goto(`/export?${ADMIN}`);
  await page.getByRole('radio', { name: 'All entries' }).check();
  const { total } = await ask('admin', `/v1/events?${QUARTER}&limit=1&total=true`);
  await eventually(async () => {
    const [most] = (await page.locator('[data-part="estimate"]').innerText()).match(/([\d,]+) rows/) ?? ['0'];
    assert.ok(Number(most.replace(/\D/g, '')) >= total, most);
  });
});

journey('formulas are guarded unless one says otherwise', { as: 'admin' }, async ({ page }) => {
  const formula = stage.hostile.find((text) => text.startsWith('=HYPERLINK'));
  await page.goto(`/export?type=hostile.text&q=${encodeURIComponent(formula)}`);
  await page.getByText(/as a download\.$/).waitFor();
  const guarded = (await downloaded(page, page)).bytes.toString();
  assert.ok(guarded.includes("'=HYPERLINK(") && !/(^|[,\n])"?=HYPERLINK/.test(guarded), guarded);
  await page.getByText('Columns, compression, order and proof').click();
  await page.getByRole('checkbox', { name: 'Safe in spreadsheets' }).uncheck();
  await page.waitForResponse((answer) => answer.url().includes('csv_safe=false'));
  assert.ok(!(await downloaded(page, page)).bytes.toString().includes("'=HYPERLINK("));
});

journey('what cannot be exported is said beside the field', { as: 'admin' }, async ({ page, shot }) => {
  await page.goto(`/export?${ADMIN}`);
  await page.getByLabel('From', { exact: true }).fill('yesterday');
  const error = page.locator('[data-error~="from"]');
  await error.waitFor();
  assert.ok((await error.innerText()).length > 10);
  await shot('export refused');
  await page.getByLabel('From', { exact: true }).fill('2026-02-01');
  await error.waitFor({ state: 'hidden' });
  // Why completeness cannot be claimed of a filtered export is said before anybody asks for it.
  await page.getByText('Columns, compression, order and proof').click();
  await page.getByText(/^Not possible for this export: /).waitFor();
  await page.getByRole('radio', { name: 'Complete', exact: true }).check();
  await eventually(async () => assert.ok(await page.locator('[data-error="proof"]').isVisible()));
  await shot('export without a complete proof');
});

journey('the address of the form says what is asked for', { as: 'auditor' }, async ({ page }) => {
  await page.goto('/exports');
  await page.getByRole('link', { name: 'New export' }).click();
  await page.getByRole('dialog', { name: 'Export' }).waitFor();
  await page.keyboard.press('Escape');
  await page.getByRole('dialog', { name: 'Export' }).waitFor({ state: 'detached' });
  await page.goto(`/export?${ADMIN}&format=parquet`);
  assert.ok(await page.getByRole('radio', { name: 'Parquet', exact: true }).isChecked());
  await page.getByRole('link', { name: 'Read these events' }).click();
  await page.waitForURL('**/logs?*');
  assert.equal(paramsOf(page).get('type'), 'admin.*');
  assert.equal(paramsOf(page).get('from'), stage.from);
});
