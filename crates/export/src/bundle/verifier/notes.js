// Signed notes, checkpoints and public keys, and whether a signature on a note holds.

const ED25519 = 1;
const COSIGNATURE = 4;

/** A signed note (C2SP): text, a blank line, signatures. */
function parseNote(note) {
  const end = note.lastIndexOf('\n\n');
  if (end < 0 || !note.endsWith('\n')) throw new Broken('the checkpoint is no signed note');
  const text = note.slice(0, end + 1);
  const lines = note.slice(end + 2, -1).split('\n');
  const signatures = lines.map((line) => {
    const parts = /^— ([^\s+]+) ([A-Za-z0-9+/=]+)$/u.exec(line);
    if (!parts) throw new Broken('a signature of the checkpoint is malformed');
    const bytes = fromBase64(parts[2], 'a signature of the checkpoint');
    if (bytes.length < 5) throw new Broken('a signature of the checkpoint is too short');
    return { name: parts[1], id: hex(bytes.subarray(0, 4)), bytes: bytes.subarray(4) };
  });
  return { text, signatures };
}

/** A checkpoint (C2SP tlog-checkpoint): origin, size, root. */
function parseCheckpoint(text) {
  const [origin, size, root] = text.split('\n');
  if (!origin || !/^(0|[1-9][0-9]*)$/.test(size ?? '')) {
    throw new Broken('the checkpoint has no origin or no size');
  }
  if (!isCount(Number(size))) {
    throw new Broken(`the log has ${size} events, more than a browser can count`);
  }
  const hash = fromBase64(root ?? '', 'the root of the checkpoint');
  if (hash.length !== 32) throw new Broken('the root of the checkpoint has not 32 bytes');
  return { origin, size: Number(size), root: hash };
}

function keyId(name, algorithm, bytes) {
  const all = joined([encoder.encode(name), Uint8Array.of(0x0a, algorithm), bytes]);
  return hex(new Sha256().update(all).digest().subarray(0, 4));
}

/** Keys as text, one in each line: name+id+base64 of algorithm and key. */
function parseKeys(text, where) {
  const lines = text.split('\n').map((line) => line.trim()).filter((line) => line !== '');
  return lines.map((line) => {
    const parts = /^([^\s+]+)\+([0-9a-f]{8})\+([A-Za-z0-9+/=]+)$/u.exec(line);
    if (!parts) throw new Broken(`${where}: ${shown(line)} is no public key (name+id+base64)`);
    const [, name, id, encoded] = parts;
    const bytes = fromBase64(encoded, `${where}: the key of ${name}`);
    const [algorithm] = bytes;
    if (bytes.length !== 33 || (algorithm !== ED25519 && algorithm !== COSIGNATURE)) {
      throw new Broken(`${where}: the key of ${name} is neither Ed25519 nor that of a witness`);
    }
    const key = bytes.subarray(1);
    if (keyId(name, algorithm, key) !== id) {
      throw new Broken(`${where}: the id of the key of ${name} does not belong to the key`);
    }
    return { line, name, id, algorithm, key };
  });
}

/** Whether a signature holds; null if this browser cannot tell. */
async function holds(key, message, signature) {
  const subtle = globalThis.crypto?.subtle;
  if (!subtle) return null;
  let imported;
  try {
    imported = await subtle.importKey('raw', key, { name: 'Ed25519' }, false, ['verify']);
  } catch (error) {
    return error.name === 'NotSupportedError' ? null : false;
  }
  return subtle.verify({ name: 'Ed25519' }, imported, signature, message);
}

/** Whether the signature of one key on a note holds; undefined if the note has none of it. */
async function signed(note, name, id, key, algorithm) {
  const lines = note.signatures.filter((line) => line.name === name && line.id === id);
  if (lines.length === 0) return undefined;
  if (lines.length > 1) return false;
  const [{ bytes }] = lines;
  if (algorithm === ED25519) {
    return bytes.length === 64 && holds(key, encoder.encode(note.text), bytes);
  }
  if (bytes.length !== 72) return false;
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  const time = view.getUint32(0) * 2 ** 32 + view.getUint32(4);
  const message = encoder.encode(`cosignature/v1\ntime ${time}\n${note.text}`);
  return holds(key, message, bytes.subarray(8));
}
