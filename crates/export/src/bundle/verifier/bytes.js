// Checks an evidence bundle, or an export with its proof, offline. docs/rfcs/0003-proofs.md has the
// format and the checks; the numbers here are those of its list. The page in each bundle has this
// script inside of it, and the console loads it when a file is dropped there. It is one module,
// joined by bundle.rs of parts that share one scope. This part is what the others need: bytes, text.

/** A file is not what it has to be: the sentence says how, and nothing more is read of it. */
class Broken extends Error {}
/** The same of one from here on, and not of a single row. */
class BrokenOff extends Broken {}

const encoder = new TextEncoder();
const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
const lenient = new TextDecoder('utf-8', { ignoreBOM: true });

const hex = (bytes) => Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
const plural = (count, one, many) => `${count.toLocaleString('en')} ${count === 1 ? one : many}`;
const isObject = (value) => typeof value === 'object' && value !== null && !Array.isArray(value);
const isCount = (value) => Number.isSafeInteger(value) && value >= 0;
const isText = (value) => typeof value === 'string';

function fromBase64(text, what) {
  if (!isText(text) || text.length % 4 !== 0 || !/^[A-Za-z0-9+/]*={0,2}$/.test(text)) {
    throw new Broken(`${what} is no base64`);
  }
  const binary = atob(text);
  const bytes = new Uint8Array(binary.length);
  for (let at = 0; at < binary.length; at += 1) bytes[at] = binary.charCodeAt(at);
  return bytes;
}

function isSame(left, right) {
  return left.length === right.length && left.every((byte, at) => byte === right[at]);
}

function joined(pieces) {
  const all = new Uint8Array(pieces.reduce((sum, piece) => sum + piece.length, 0));
  let at = 0;
  for (const piece of pieces) {
    all.set(piece, at);
    at += piece.length;
  }
  return all;
}

/** Text from a bundle, short enough to stand in a sentence. */
const shown = (text) => JSON.stringify(text.length > 120 ? `${text.slice(0, 120)}…` : text);
