// The files of a bundle, wherever they come from, and their text.

/** What is read as a whole: manifest, proof, keys. */
const MOST_TEXT_BYTES = 400 * 1024 * 1024;

/** Files of a bundle that are there for people. */
const COMPANIONS = ['README.txt', 'verify.html'];

async function* chunksOf(stream) {
  const reader = stream.getReader();
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      yield value;
    }
  } finally {
    // Whoever stops early does not want the rest; what it would have said does not matter.
    reader.cancel().catch(() => {});
  }
}

const fileSource = (file) => ({ size: file.size, stream: async () => file.stream() });

/** The text of a file that is small enough to be read as a whole. */
async function textOf(files, name) {
  const source = files.get(name);
  if (!source) return undefined;
  const pieces = [];
  let size = 0;
  for await (const chunk of chunksOf(await source.stream())) {
    size += chunk.length;
    if (size > MOST_TEXT_BYTES) {
      throw new Broken(`${name} is too large for a browser: use auditlake verify`);
    }
    pieces.push(chunk);
  }
  if (size !== source.size) throw new Broken(`${name} has not ${source.size} bytes`);
  try {
    return decoder.decode(joined(pieces));
  } catch {
    throw new Broken(`${name} is no text`);
  }
}
