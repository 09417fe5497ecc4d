// Without a mouse: from signing in to a file on the disk, with keys alone.

import assert from 'node:assert/strict';
import { ask, eventually, journey, paramsOf, stage } from '../stage.js';

const QUERY = `from=${stage.from}&to=${stage.to}`;

/** What has the focus, in words. */
const focused = (page) => page.evaluate(() => {
  const { activeElement: element } = document;
  return element.getAttribute('aria-label') ?? element.labels?.[0]?.textContent.trim() ?? element.textContent.trim();
});

/** Presses Tab until something has the focus; a page where it never does fails. */
async function tabTo(page, wanted) {
  for (let presses = 0; presses < 100; presses += 1) {
    await page.keyboard.press('Tab');
    if (wanted.test(await focused(page))) {
      await assertMarked(page);
      return;
    }
  }
  assert.fail(`the keyboard never reaches ${wanted}`);
}

/** Who looks at the page sees what has the focus. */
async function assertMarked(page) {
  const [style, width, shadow] = await page.evaluate(() => {
    const { outlineStyle, outlineWidth, boxShadow } = getComputedStyle(document.activeElement);
    return [outlineStyle, parseFloat(outlineWidth), boxShadow];
  });
  const isMarked = (style !== 'none' && width >= 1) || shadow !== 'none';
  assert.ok(isMarked, `the focus does not show on ${await focused(page)}`);
}

journey('sign in, find, open, and export with keys alone', {}, async ({ page }) => {
  await page.goto('/login');
  // The field has the focus already: one types and presses Enter.
  await page.keyboard.insertText(stage.keys.admin);
  await page.keyboard.press('Enter');
  await page.waitForURL((url) => url.pathname === '/');
  await page.keyboard.press('Tab');
  assert.equal(await focused(page), 'Skip to content');
  await assertMarked(page);
  await page.keyboard.press('Enter');
  await tabTo(page, /^Read these events$/);

  await page.keyboard.press('g');
  await page.keyboard.press('l');
  await page.waitForURL('**/logs');
  await page.keyboard.press('/');
  await eventually(async () => assert.equal(await focused(page), 'Search'));
  // What one types is text there, not a command.
  await page.keyboard.type('admin.key');
  assert.equal(await page.getByLabel('Search', { exact: true }).inputValue(), 'admin.key');
  await page.keyboard.press('Enter');
  await eventually(() => assert.equal(paramsOf(page).get('q'), 'admin.key'));
  await page.locator('tr[data-id]').first().waitFor();

  const { events } = await ask('admin', '/v1/events?q=admin.key&limit=3');
  await eventually(async () => {
    await page.keyboard.press('j');
    assert.notEqual(await page.evaluate(() => document.activeElement.closest('tr')), null);
  });
  const at = () => page.evaluate(() => document.activeElement.closest('tr')?.dataset.id);
  await page.keyboard.press('j');
  assert.equal(await at(), events[1].id);
  await page.keyboard.press('k');
  assert.equal(await at(), events[0].id);
  await assertMarked(page);
  await page.keyboard.press('Enter');
  await eventually(() => assert.equal(paramsOf(page).get('event'), events[0].id));
  const drawer = page.getByRole('complementary', { name: 'Event' });
  await drawer.getByRole('heading', { name: events[0].type }).waitFor();
  await page.keyboard.press('Escape');
  await drawer.waitFor({ state: 'hidden' });
  assert.equal(await at(), events[0].id, 'the focus is back where it came from');

  await page.keyboard.press('e');
  const dialog = page.getByRole('dialog', { name: 'Export' });
  await dialog.getByText(/as a download\.$/).waitFor();
  assert.ok(await dialog.evaluate((found) => found.contains(document.activeElement)));
  await tabTo(page, /^CSV$/);
  await page.keyboard.press('ArrowDown');
  assert.ok(await dialog.getByRole('radio', { name: 'NDJSON', exact: true }).isChecked());
  await tabTo(page, /^Download$/);
  const [download] = await Promise.all([page.waitForEvent('download'), page.keyboard.press('Enter')]);
  assert.match(download.suggestedFilename(), /\.ndjson$/);
  await page.keyboard.press('Escape');
  await dialog.waitFor({ state: 'detached' });
});

journey('the keyboard tells what it can, and every page by its letter', { as: 'admin' }, async ({ page, shot }) => {
  await page.goto('/');
  await page.keyboard.press('?');
  const help = page.getByRole('dialog', { name: 'Keyboard' });
  await help.waitFor();
  await shot('keyboard help');
  // A dialog has the keyboard for itself.
  await page.keyboard.press('e');
  assert.equal(await page.getByRole('dialog').count(), 1);
  await page.keyboard.press('Escape');
  await help.waitFor({ state: 'detached' });
  for (const [letter, path] of [
    ['l', '/logs'], ['e', '/exports'], ['q', '/queries'], ['i', '/integrity'], ['a', '/access'], ['o', '/'],
  ]) {
    await page.keyboard.press('g');
    await page.keyboard.press(letter);
    await page.waitForURL((url) => url.pathname === path);
    // The scripts of the next page have to be there before the next key.
    await page.getByRole('button', { name: 'Keyboard help' }).waitFor();
  }
});

journey('everything on the list can be reached with Tab', { as: 'admin' }, async ({ page }) => {
  await page.goto(`/logs?${QUERY}&type=admin.*&limit=3`);
  await page.locator('#facets:not([aria-busy])').waitFor();
  for (const wanted of [
    /^Skip to content$/, /^Overview$/, /^Export$/, /^Last quarter$/, /^Search$/, /^Before$/, /^Apply$/,
    /^Remove filter: /, /^The same as a table$/,
  ]) {
    await tabTo(page, wanted);
  }
});
