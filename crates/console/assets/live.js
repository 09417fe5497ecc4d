// The live tail: new events on top of the list, as the API streams them. It reads the stream
// itself, since an EventSource cannot be paused and go on behind the event it saw last.

import { reasonOf } from './fetched.js';
import { number } from './figures.js';

/** The most rows; older ones leave at the bottom. */
const MOST_ROWS = 300;
const SHORTEST_WAIT_MS = 1000;
const LONGEST_WAIT_MS = 30_000;
// Who hears the page is told how many events there are, not each of them.
const SAY_EVERY_MS = 500;

/**
 * Makes the button follow a tail: its `address`; the `rows` that show it; `begin()`, which brings
 * these up to where the stream begins; `add(event)`, which takes an event unless it is there;
 * `tell(isLive)`, which says how many rows there are.
 */
export function follow(button, status, tail) {
  let running = null;
  let lastId = '';
  let seen = 0;
  let saying = 0;

  const say = (text) => {
    clearTimeout(saying);
    saying = 0;
    status.textContent = text;
    tail.tell(running !== null);
  };
  const counted = () => `${number(seen)} new ${seen === 1 ? 'event' : 'events'}`;
  const sayCount = () => {
    saying ||= setTimeout(() => say(`Live: ${counted()}`), SAY_EVERY_MS);
  };

  const take = async ({ event, data }) => {
    if (event === 'error') throw new Error(detail(data));
    if (event === 'ready') {
      if (!lastId) await tail.begin();
      say(`Live: ${counted()}`);
    }
    if (event !== 'event' || !tail.add(JSON.parse(data))) return;
    seen += 1;
    while (tail.rows.children.length > MOST_ROWS) tail.rows.lastElementChild.remove();
    sayCount();
  };

  /** Reads one stream to its end; `heard` is told that it has begun. */
  const read = async (signal, heard) => {
    const headers = { accept: 'text/event-stream' };
    if (lastId) headers['last-event-id'] = lastId;
    const answer = await fetch(tail.address, { headers, signal, cache: 'no-store' });
    if (!answer.ok) {
      const error = new Error(await reasonOf(answer));
      error.isFinal = answer.status < 500 && answer.status !== 429;
      throw error;
    }
    const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
    let text = '';
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      text += value;
      for (let end = text.indexOf('\n\n'); end >= 0; end = text.indexOf('\n\n')) {
        const block = parse(text.slice(0, end));
        text = text.slice(end + 2);
        await take(block);
        if (signal.aborted) return;
        heard();
        // Only behind what is shown: what fails here comes once more.
        if (block.id) lastId = block.id;
      }
    }
  };

  const run = async (signal) => {
    let wait = SHORTEST_WAIT_MS;
    const heard = () => {
      wait = SHORTEST_WAIT_MS;
    };
    while (!signal.aborted) {
      try {
        // The server ends a stream every now and then.
        await read(signal, heard);
      } catch (error) {
        if (signal.aborted) return;
        if (error.isFinal) {
          stop();
          say(`Live tail ended: ${error.message}`);
          return;
        }
        const reason = error instanceof TypeError ? '' : ` ${error.message}`;
        say(`Live: connection lost, trying again.${reason}`);
      }
      await new Promise((done) => { setTimeout(done, wait); });
      wait = Math.min(wait * 2, LONGEST_WAIT_MS);
    }
  };

  const stop = () => {
    running?.abort();
    running = null;
    button.textContent = lastId ? 'Resume live' : 'Live';
    button.setAttribute('aria-pressed', 'false');
  };

  button.addEventListener('click', () => {
    if (running) {
      stop();
      say(`Paused after ${counted()}`);
      return;
    }
    running = new AbortController();
    button.textContent = 'Pause live';
    button.setAttribute('aria-pressed', 'true');
    say('Live: connecting');
    run(running.signal);
  });
  button.hidden = false;
}

/** One block of a stream of events. */
function parse(text) {
  const block = { event: 'message', data: '', id: '' };
  const data = [];
  for (const line of text.split('\n')) {
    const colon = line.indexOf(':');
    if (colon <= 0) continue;
    const name = line.slice(0, colon);
    const value = line.slice(colon + 1).replace(/^ /, '');
    if (name === 'data') data.push(value);
    else if (name === 'event' || name === 'id') block[name] = value;
  }
  block.data = data.join('\n');
  return block;
}

/** What a problem of the API says. */
function detail(text) {
  try {
    return JSON.parse(text).detail ?? '';
  } catch {
    return '';
  }
}
