// What scripts ask this server for: pages, of which they take a part, and JSON. What goes wrong
// comes as an error whose message is for people.

/** The page at an address. */
export async function pageAt(address, signal) {
  const answer = await ask(address, 'text/html', signal);
  return new DOMParser().parseFromString(await answer.text(), 'text/html');
}

/** The JSON at an address. */
export async function jsonAt(address, signal) {
  const answer = await ask(address, 'application/json', signal);
  return answer.json();
}

async function ask(address, accept, signal) {
  let answer;
  try {
    answer = await fetch(address, { headers: { accept }, signal });
  } catch (error) {
    if (signal?.aborted) throw error;
    throw new Error('The server does not answer. Try again in a moment.');
  }
  if (answer.redirected && new URL(answer.url).pathname === '/login') {
    // The session is over. Loading the page again leads to sign in, and from there back to it.
    location.reload();
    throw new Error('You are signed out.');
  }
  if (!answer.ok) throw new Error(await reasonOf(answer));
  return answer;
}

/** Why an answer is not what was asked for, as the server says it: a problem, or its page. */
export async function reasonOf(answer) {
  const kind = answer.headers.get('content-type') ?? '';
  let said = '';
  try {
    const text = await answer.text();
    if (kind.includes('json')) {
      said = JSON.parse(text).detail;
    } else if (kind.startsWith('text/html')) {
      const page = new DOMParser().parseFromString(text, 'text/html');
      said = page.querySelector('.failure bdi')?.textContent;
    }
  } catch {
    // An answer that breaks off says no more than its status.
  }
  return said || `The server answered ${answer.status}.`;
}
