// The stage of the journeys: one browser, people who are signed in, and eyes on every page. A page
// that logs an error, breaks its content security policy, runs a text, or asks another host for
// anything fails its journey, whatever the journey is about.

import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';

export const stage = JSON.parse(process.env.AUDITLAKE_STAGE);

const load = createRequire(join(stage.packages, 'package.json'));
const { chromium } = load('playwright-core');
const { AxeBuilder } = load('@axe-core/playwright');

const FLAGS = [
  '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run',
  '--disable-background-networking', '--disable-component-update', '--disable-sync',
];
const LONGEST_MS = 120_000;
const PATIENCE_MS = 30_000;
const LOOK_MS = 100;
/** More of them would wait for each other. */
const PAGES_AT_A_TIME = 3;
/** Whose zone is not the server's, so that a time in the wrong one shows. */
const ZONE = 'Asia/Kolkata';
export const WIDE = { width: 1280, height: 900 };
export const PHONE = { width: 390, height: 844 };

let browser;
before(async () => {
  const executablePath = process.env.AUDITLAKE_TEST_CHROMIUM ?? '/usr/bin/chromium';
  browser = await chromium.launch({ executablePath, args: FLAGS });
});
after(() => browser?.close());

/**
 * One journey. `wishes`: `as` is who is signed in (nobody if left out), `dark`, `phone` and
 * `plain` (no JavaScript) say with which browser, `errors` is a pattern of what pages may log.
 */
export function journey(name, wishes, steps) {
  test(name, { timeout: LONGEST_MS }, async () => {
    const visit = await arrive(wishes);
    try {
      await steps(visit);
      await visit.assertCalm();
    } catch (error) {
      await visit.shot(`failed ${name}`).catch(() => {});
      throw error;
    } finally {
      await visit.context.close();
    }
  });
}

/** A browser of one's own, for one person. */
export async function arrive({ as, dark, phone, plain, errors }) {
  const context = await browser.newContext({
    baseURL: stage.url,
    colorScheme: dark ? 'dark' : 'light',
    javaScriptEnabled: !plain,
    locale: 'en-GB',
    permissions: ['clipboard-read', 'clipboard-write'],
    reducedMotion: 'reduce',
    timezoneId: ZONE,
    viewport: phone ? PHONE : WIDE,
  });
  context.setDefaultTimeout(PATIENCE_MS);
  const troubles = watched(context, errors);
  if (as) {
    const answer = await context.request.post('/v1/session', { data: { key: stage.keys[as] } });
    assert.equal(answer.status(), 204, `a session for ${as}: ${await answer.text()}`);
  }
  const page = await context.newPage();
  return {
    context,
    page,
    shot(name, shown = page) {
      return shown.screenshot({ path: join(stage.screenshots, `${fileName(name)}.png`), fullPage: true });
    },
    async assertCalm() {
      for (const open of context.pages()) {
        const ran = await open.evaluate(() => globalThis.hacked);
        assert.equal(ran, undefined, `a text was run on ${open.url()}`);
      }
      assert.deepEqual(troubles, []);
    },
  };
}

/** What goes wrong in any page of a browser, as it comes. */
function watched(context, errors) {
  const troubles = [];
  const note = (text) => {
    if (!errors?.test(text)) {
      troubles.push(text);
    }
  };
  context.on('console', (said) => said.type() === 'error' && note(`console: ${said.text()}`));
  context.on('weberror', (thrown) => note(`error: ${thrown.error().message}`));
  context.on('dialog', async (dialog) => {
    note(`dialog: ${dialog.message()}`);
    await dialog.dismiss();
  });
  context.on('request', (asked) => {
    const url = asked.url();
    const isOwn = url.startsWith(`${stage.url}/`) || /^(blob|data|about):/.test(url);
    if (!isOwn) {
      note(`asks ${url}`);
    }
  });
  return troubles;
}

const fileName = (name) => name.replaceAll(/[^a-z0-9]+/gi, '-');

/** Asks the API as somebody, beside the browser; the answer has to be a good one. */
export async function api(who, path, options = {}) {
  const headers = { authorization: `Bearer ${stage.keys[who]}`, ...options.headers };
  const answer = await fetch(`${stage.url}${path}`, { ...options, headers });
  if (!answer.ok) {
    assert.fail(`${path}: ${answer.status} ${await answer.text()}`);
  }
  return answer;
}

export const ask = async (who, path) => (await api(who, path)).json();

/** Fills in the form that every session begins with. */
export async function signIn(page, key) {
  await page.getByLabel('Key', { exact: true }).fill(key);
  await page.getByRole('button', { name: 'Sign in', exact: true }).click();
}

/** Goes to a page by the navigation that every page has. */
export async function goTo(page, name) {
  const ways = page.getByRole('navigation', { name: 'Pages of the console' });
  await ways.getByRole('link', { name, exact: true }).click();
}

/** Puts events into the lake. */
export async function post(events) {
  const body = events.map((event) => `${JSON.stringify(event)}\n`).join('');
  const headers = { 'content-type': 'application/x-ndjson' };
  await api('operator', '/v1/events', { method: 'POST', headers, body });
}

/** The ids of the events that a list shows, from above. */
export const idsOf = (page) => page.locator('tr[data-id]')
  .evaluateAll((rows) => rows.map((row) => row.dataset.id));

/** What a button or link downloads. */
export async function fetched(page, way) {
  const [download] = await Promise.all([page.waitForEvent('download'), way.click()]);
  return { name: download.suggestedFilename(), bytes: await readFile(await download.path()) };
}

export const sha256 = (bytes) => createHash('sha256').update(bytes).digest('hex');

/** What was copied last. */
export const copied = (page) => page.evaluate(() => navigator.clipboard.readText());

/** Waits until a check holds; says why it does not if it never does. */
export async function eventually(check) {
  const end = performance.now() + PATIENCE_MS;
  for (;;) {
    try {
      return await check();
    } catch (error) {
      if (performance.now() > end) {
        throw error;
      }
      await sleep(LOOK_MS);
    }
  }
}

/** No violation that keeps somebody from using the page. */
export async function assertAccessible(page, name) {
  // Everything is in one document of one origin, so one run sees it; what is in order is not listed.
  const axe = new AxeBuilder({ page }).setLegacyMode().options({ resultTypes: ['violations'] });
  const { violations } = await axe.analyze();
  const serious = violations.filter(({ impact }) => impact === 'serious' || impact === 'critical');
  const told = serious.map(({ id, help, nodes }) => {
    const places = nodes.slice(0, 5).map((node) => `${node.target.join(' ')}: ${node.failureSummary}`);
    return `${id}: ${help}\n  ${places.join('\n  ')}`;
  });
  assert.deepEqual(told, [], `${name}: ${page.url()}`);
}

/** The bytes that a visit of a page takes, as they come over the wire, with nothing cached. */
export async function weigh(page, path) {
  const wire = await page.context().newCDPSession(page);
  let bytes = 0;
  await wire.send('Network.enable');
  await wire.send('Network.setCacheDisabled', { cacheDisabled: true });
  wire.on('Network.loadingFinished', (loaded) => {
    bytes += loaded.encodedDataLength;
  });
  await page.goto(path, { waitUntil: 'load' });
  // What a page asks for by itself once it is there belongs to its weight.
  await sleep(500);
  await wire.detach();
  return bytes;
}

/** The query string of where a page is. */
export const paramsOf = (page) => new URL(page.url()).searchParams;

/**
 * Whether a page is wider than its window, so that one would have to push it around. In a wide
 * window nothing is cut off within the boxes of tables either.
 */
export async function assertFits(page, name) {
  const [inner, outer, cut] = await page.evaluate((wide) => {
    const root = document.documentElement;
    const boxes = innerWidth < wide ? [] : [...document.querySelectorAll('.scroll')];
    const tooNarrow = boxes.filter((box) => box.scrollWidth > box.clientWidth + 1);
    const told = tooNarrow.map((box) => `${box.ariaLabel}: ${box.scrollWidth} in ${box.clientWidth}`);
    return [root.scrollWidth, root.clientWidth, told];
  }, WIDE.width);
  assert.ok(inner <= outer, `${name} is ${inner} wide in a window of ${outer}`);
  assert.deepEqual(cut, [], `${name}: tables that do not fit their boxes`);
}

/** Whether all of something is within the window from left to right. */
export async function assertWithin(page, found, name) {
  const box = await found.boundingBox();
  const { width } = page.viewportSize();
  assert.ok(box, `${name} is not shown`);
  assert.ok(box.x >= 0 && box.x + box.width <= width, `${name} ends at ${box.x + box.width} of ${width}`);
}

/** Does something to each item, several at a time: each in a page of its own. */
export async function inPages(context, items, steps) {
  const waiting = [...items.entries()];
  const go = async () => {
    const page = await context.newPage();
    for (let next = waiting.shift(); next; next = waiting.shift()) {
      await steps(page, next[1], next[0]);
    }
    await page.close();
  };
  await Promise.all(Array.from({ length: PAGES_AT_A_TIME }, go));
}
