// Checks an evidence bundle, or an export with its proof, offline. docs/rfcs/0003-proofs.md describes
// the format and the checks; the numbers here are those of its list. The page in each bundle has this
// script inside of it, and the console loads it when a file is dropped there.

// ---------------------------------------------------------------------------- bytes and text

/** Lists of findings are cut here; the rest is counted. */
const MOST_FINDINGS = 100;
/** And so are lists within a sentence. */
const MOST_NAMED = 20;
/** A row has a few megabytes at most: one that is longer belongs to no file of events. */
const MOST_ROW_BYTES = 16 * 1024 * 1024;
/** What is read as a whole: manifest, proof, keys. */
const MOST_TEXT_BYTES = 400 * 1024 * 1024;

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

// ---------------------------------------------------------------------------- SHA-256

const primes = [];
for (let number = 2; primes.length < 64; number += 1) {
  if (primes.every((prime) => number % prime !== 0)) primes.push(number);
}
/** The first 32 bits of the fraction of a root. */
const fraction = (root) => ((root - Math.floor(root)) * 2 ** 32) | 0;
const ROUND = Int32Array.from(primes, (prime) => fraction(Math.cbrt(prime)));
const START = Int32Array.from(primes.slice(0, 8), (prime) => fraction(Math.sqrt(prime)));
const schedule = new Int32Array(64);

/** SHA-256 of bytes as they come. The browser's own is asynchronous, too slow for short rows. */
class Sha256 {
  constructor() {
    this.state = new Int32Array(8);
    this.block = new Uint8Array(64);
    this.reset();
  }

  reset() {
    this.state.set(START);
    this.used = 0;
    this.length = 0;
    return this;
  }

  update(bytes) {
    this.length += bytes.length;
    let at = 0;
    if (this.used > 0) {
      at = Math.min(64 - this.used, bytes.length);
      this.block.set(bytes.subarray(0, at), this.used);
      this.used += at;
      if (this.used < 64) return this;
      this.mix(this.block, 0);
      this.used = 0;
    }
    for (; at + 64 <= bytes.length; at += 64) this.mix(bytes, at);
    if (at < bytes.length) {
      this.block.set(bytes.subarray(at), 0);
      this.used = bytes.length - at;
    }
    return this;
  }

  digest() {
    const { block } = this;
    block[this.used] = 0x80;
    block.fill(0, this.used + 1);
    if (this.used >= 56) {
      this.mix(block, 0);
      block.fill(0);
    }
    const view = new DataView(block.buffer);
    view.setUint32(56, Math.floor(this.length / 2 ** 29));
    view.setUint32(60, (this.length << 3) >>> 0);
    this.mix(block, 0);
    const digest = new Uint8Array(32);
    const out = new DataView(digest.buffer);
    this.state.forEach((word, place) => out.setInt32(place * 4, word));
    return digest;
  }

  mix(bytes, at) {
    const w = schedule;
    for (let i = 0; i < 16; i += 1, at += 4) {
      w[i] = (bytes[at] << 24) | (bytes[at + 1] << 16) | (bytes[at + 2] << 8) | bytes[at + 3];
    }
    for (let i = 16; i < 64; i += 1) {
      const x = w[i - 15];
      const y = w[i - 2];
      const s0 = ((x >>> 7) | (x << 25)) ^ ((x >>> 18) | (x << 14)) ^ (x >>> 3);
      const s1 = ((y >>> 17) | (y << 15)) ^ ((y >>> 19) | (y << 13)) ^ (y >>> 10);
      w[i] = (w[i - 16] + s0 + w[i - 7] + s1) | 0;
    }
    const { state } = this;
    let a = state[0]; let b = state[1]; let c = state[2]; let d = state[3];
    let e = state[4]; let f = state[5]; let g = state[6]; let h = state[7];
    for (let i = 0; i < 64; i += 1) {
      const s1 = ((e >>> 6) | (e << 26)) ^ ((e >>> 11) | (e << 21)) ^ ((e >>> 25) | (e << 7));
      const t1 = (h + s1 + ((e & f) ^ (~e & g)) + ROUND[i] + w[i]) | 0;
      const s0 = ((a >>> 2) | (a << 30)) ^ ((a >>> 13) | (a << 19)) ^ ((a >>> 22) | (a << 10));
      const t2 = (s0 + ((a & b) ^ (a & c) ^ (b & c))) | 0;
      h = g; g = f; f = e; e = (d + t1) | 0; d = c; c = b; b = a; a = (t1 + t2) | 0;
    }
    state[0] += a; state[1] += b; state[2] += c; state[3] += d;
    state[4] += e; state[5] += f; state[6] += g; state[7] += h;
  }
}

// ---------------------------------------------------------------------------- the Merkle tree

const hasher = new Sha256();
const LEAF = Uint8Array.of(0);
const NODE = Uint8Array.of(1);
const leafHash = (line) => hasher.reset().update(LEAF).update(line).digest();
const nodeHash = (left, right) => hasher.reset().update(NODE).update(left).update(right).digest();

/** The levels of the fewest perfect subtrees over the leaves [from, to), left to right. */
function* cover(from, to) {
  while (from < to) {
    let level = 0;
    let width = 1;
    while (from % (width * 2) === 0 && from + width * 2 <= to) {
      level += 1;
      width *= 2;
    }
    yield level;
    from += width;
  }
}

/** A tree that grows at its end; it keeps only the peaks. */
class Tree {
  constructor() {
    this.peaks = [];
  }

  append(level, hash) {
    let last = { level, hash };
    while (this.peaks.length > 0 && this.peaks.at(-1).level === last.level) {
      last = { level: last.level + 1, hash: nodeHash(this.peaks.pop().hash, last.hash) };
    }
    this.peaks.push(last);
  }

  root() {
    if (this.peaks.length === 0) return new Sha256().digest();
    return this.peaks.map((peak) => peak.hash).reduceRight((right, left) => nodeHash(left, right));
  }
}

/** The leaf hashes of the exported positions, by their place among these. */
class Leaves {
  static BLOCK = 1024;

  constructor(ranges) {
    this.ranges = ranges;
    this.before = [];
    this.total = 0;
    for (const [from, to] of ranges) {
      this.before.push(this.total);
      this.total += to - from;
    }
    this.seen = 0;
    this.blocks = new Map();
  }

  /** The place of a position; -1 for one that is not exported. */
  place(seq) {
    let low = 0;
    let high = this.ranges.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.ranges[middle][1] <= seq) low = middle + 1; else high = middle;
    }
    if (low === this.ranges.length || seq < this.ranges[low][0]) return -1;
    return this.before[low] + (seq - this.ranges[low][0]);
  }

  /** False for a place that has its leaf already. */
  put(place, leaf) {
    const key = Math.floor(place / Leaves.BLOCK);
    let block = this.blocks.get(key);
    if (!block) {
      const hashes = new Uint8Array(32 * Math.min(Leaves.BLOCK, this.total - key * Leaves.BLOCK));
      block = { hashes, seen: new Uint8Array(hashes.length / 32) };
      this.blocks.set(key, block);
    }
    const within = place % Leaves.BLOCK;
    if (block.seen[within]) return false;
    block.seen[within] = 1;
    block.hashes.set(leaf, within * 32);
    this.seen += 1;
    return true;
  }

  /** The leaf at a place; undefined if none came. */
  get(place) {
    const block = this.blocks.get(Math.floor(place / Leaves.BLOCK));
    const within = place % Leaves.BLOCK;
    return block?.seen[within] ? block.hashes.subarray(within * 32, within * 32 + 32) : undefined;
  }

  /** The first positions whose leaf never came. */
  missing(most) {
    const found = [];
    for (let range = 0, place = 0; range < this.ranges.length; range += 1) {
      const [from, to] = this.ranges[range];
      for (let seq = from; seq < to; seq += 1, place += 1) {
        if (found.length === most) return found;
        if (!this.get(place)) found.push(seq);
      }
    }
    return found;
  }
}

// ---------------------------------------------------------------------------- notes and keys

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

// ---------------------------------------------------------------------------- files and zip

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

async function viewOf(blob, from, to) {
  if (from < 0 || to > blob.size || from > to) throw new Broken('the zip file is damaged');
  return new DataView(await blob.slice(from, to).arrayBuffer());
}

function u64(view, at) {
  const value = view.getUint32(at + 4, true) * 2 ** 32 + view.getUint32(at, true);
  if (!isCount(value)) throw new Broken('the zip file is damaged');
  return value;
}

const damaged = (why) => new Broken(`the zip file is damaged: ${why}`);
const HAS_DESCRIPTOR = 0x0008;
const IS_UTF8 = 0x0800;
/** Besides, how much work was put into packing. The others are of encryption and patches. */
const KNOWN_FLAGS = HAS_DESCRIPTOR | IS_UTF8 | 0x0006;
const STORED = 0;
const DEFLATED = 8;

/**
 * The files in a zip archive, by name. Some programs go by its directory, others by the header in
 * front of each file: both must say the same, and no byte may belong to nothing, or somebody who
 * unpacks the archive could get other files than those that are checked here.
 */
async function openZip(blob) {
  try {
    const { from, size, count } = await findDirectory(blob);
    if (size > MOST_TEXT_BYTES) throw new Broken('the zip file has too many files');
    const directory = await viewOf(blob, from, from + size);
    const entries = [];
    let at = 0;
    while (entries.length < count) {
      entries.push(readEntry(directory, at));
      at = entries.at(-1).end;
    }
    if (at !== size) throw damaged('its directory has more in it than files');
    entries.sort((left, right) => left.header - right.header);
    const starts = [...entries.map(({ header }) => header), from];
    if (starts[0] !== 0) throw damaged('something stands in front of its first file');
    const files = new Map();
    for (const [place, entry] of entries.entries()) {
      if (files.has(entry.name)) throw new Broken(`the zip file has ${shown(entry.name)} twice`);
      const data = await checkHeader(blob, entry);
      await checkBehind(blob, entry, data + entry.packed, starts[place + 1]);
      files.set(entry.name, { size: entry.size, stream: async () => unpacked(blob, entry, data) });
    }
    return files;
  } catch (error) {
    throw error instanceof RangeError ? damaged('a record is too short') : error;
  }
}

/** Where the directory is: at the end, and nothing behind it but its own records. */
async function findDirectory(blob) {
  const endAt = blob.size - 22;
  const end = endAt < 0 ? undefined : await viewOf(blob, endAt, blob.size);
  if (end?.getUint32(0, true) !== 0x06054b50 || end.getUint16(20, true) !== 0) {
    throw new Broken('this is no zip file, or it was cut off, or something stands behind it');
  }
  let behind = endAt;
  let count = end.getUint16(10, true);
  let size = end.getUint32(12, true);
  let from = end.getUint32(16, true);
  let isWhole = end.getUint32(4, true) === 0 && end.getUint16(8, true) === count;
  const locator = endAt < 20 ? undefined : await viewOf(blob, endAt - 20, endAt);
  if (locator?.getUint32(0, true) === 0x07064b50) {
    behind = u64(locator, 8);
    const wideEnd = await viewOf(blob, behind, behind + 56);
    isWhole = wideEnd.getUint32(0, true) === 0x06064b50 && behind + 76 === endAt
      && u64(wideEnd, 4) === 44 && u64(wideEnd, 16) === 0 && locator.getUint32(4, true) === 0
      && locator.getUint32(16, true) < 2 && u64(wideEnd, 24) === u64(wideEnd, 32);
    const wide = [u64(wideEnd, 32), u64(wideEnd, 40), u64(wideEnd, 48)];
    // Some programs go by one of the two records and some by the other.
    const isSame = [[count, 0xffff], [size, 0xffffffff], [from, 0xffffffff]]
      .every(([narrow, full], place) => narrow === full || narrow === wide[place]);
    if (!isSame) throw damaged('it has two directories that differ');
    [count, size, from] = wide;
  }
  if (!isWhole || from + size !== behind) throw damaged('its directory is not where its end says');
  return { from, size, count };
}

/** The wide values of those that a record has no room for. */
function widened(values, view, at, length) {
  let wideAt;
  let wideEnd = 0;
  let field = at;
  while (field < at + length) {
    const kind = view.getUint16(field, true);
    const end = field + 4 + view.getUint16(field + 2, true);
    if (kind === 0x7075 || (kind === 1 && wideAt !== undefined)) {
      throw damaged('a file in it has two names or two sizes');
    }
    if (kind === 1) [wideAt, wideEnd] = [field + 4, end];
    field = end;
  }
  if (field !== at + length) throw damaged('an extra field is too short');
  return values.map((value) => {
    if (value !== 0xffffffff) return value;
    if (wideAt === undefined || wideAt + 8 > wideEnd) throw damaged('a size is missing');
    wideAt += 8;
    return u64(view, wideAt - 8);
  });
}

function nameAt(view, at, length) {
  try {
    return decoder.decode(new Uint8Array(view.buffer, view.byteOffset + at, length));
  } catch (error) {
    throw error instanceof TypeError ? damaged('a name in it is not UTF-8') : error;
  }
}

/** One entry of the directory of an archive, and where the next one begins. */
function readEntry(view, at) {
  const [magic, crc, packed, size, header] = [0, 16, 20, 24, 42]
    .map((offset) => view.getUint32(at + offset, true));
  const [flags, method, nameLength, extraLength, commentLength, disk] = [8, 10, 28, 30, 32, 34]
    .map((offset) => view.getUint16(at + offset, true));
  const name = nameAt(view, at + 46, nameLength);
  const extraAt = at + 46 + nameLength;
  const wide = widened([size, packed, header], view, extraAt, extraLength);
  const entry = { name, crc, flags, method, size: wide[0], packed: wide[1], header: wide[2] };
  if (magic !== 0x02014b50 || disk !== 0) throw damaged('a record is none of a file');
  // A stream tells where its end is only if it is deflated.
  const isStored = method === STORED && entry.packed === entry.size && !(flags & HAS_DESCRIPTOR);
  if ((flags & ~KNOWN_FLAGS) !== 0 || !(isStored || method === DEFLATED)) {
    throw new Broken(`${shown(name)} is packed in a way that bundles are not`);
  }
  const end = extraAt + extraLength + commentLength;
  if (end > view.byteLength) throw damaged('a record is too short');
  return { ...entry, end };
}

/** Holds the header in front of the data against the directory; gives where the data begins. */
async function checkHeader(blob, entry) {
  const fixed = await viewOf(blob, entry.header, entry.header + 30);
  const [magic, crc, packed, size] = [0, 14, 18, 22].map((offset) => fixed.getUint32(offset, true));
  const [flags, method, nameLength, extraLength] = [6, 8, 26, 28]
    .map((offset) => fixed.getUint16(offset, true));
  const data = entry.header + 30 + nameLength + extraLength;
  const more = await viewOf(blob, entry.header + 30, data);
  const wide = widened([size, packed], more, nameLength, extraLength);
  // What was not known yet when the header was written is zero.
  const isKnown = (is, wanted) => is === wanted || (entry.flags & HAS_DESCRIPTOR && is === 0);
  const isSame = magic === 0x04034b50 && nameAt(more, 0, nameLength) === entry.name
    && method === entry.method && ((flags ^ entry.flags) & (HAS_DESCRIPTOR | IS_UTF8)) === 0
    && (flags & ~KNOWN_FLAGS) === 0 && isKnown(crc, entry.crc)
    && isKnown(wide[0], entry.size) && isKnown(wide[1], entry.packed);
  if (isSame) return data;
  throw damaged(`in front of ${shown(entry.name)} stands something else than in its directory`);
}

/** Holds what stands between the data and the next record against the directory. */
async function checkBehind(blob, entry, end, next) {
  const gap = next - end;
  let isRight = gap === 0;
  if (entry.flags & HAS_DESCRIPTOR) {
    // With its magic or without, with narrow sizes or wide ones.
    isRight = [12, 16, 20, 24].includes(gap);
    const view = isRight ? await viewOf(blob, end, next) : undefined;
    const isMarked = gap === 16 || gap === 24;
    const at = isMarked ? 4 : 0;
    isRight &&= !isMarked || view.getUint32(0, true) === 0x08074b50;
    isRight &&= view.getUint32(at, true) === entry.crc;
    isRight &&= gap < 20
      ? view.getUint32(at + 4, true) === entry.packed && view.getUint32(at + 8, true) === entry.size
      : u64(view, at + 4) === entry.packed && u64(view, at + 12) === entry.size;
  }
  if (!isRight) {
    throw damaged(`behind ${shown(entry.name)} stands something that is not in its directory`);
  }
}

/** The bytes of a file; the browser refuses what does not end with the end of its stream. */
function unpacked(blob, entry, data) {
  const raw = blob.slice(data, data + entry.packed).stream();
  return entry.method === STORED ? raw : raw.pipeThrough(new DecompressionStream('deflate-raw'));
}

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

// ---------------------------------------------------------------------------- rows

const COLUMNS = `id seq type occurred_at recorded_at tenant_id org_id team_id namespace
  actor.kind actor.id actor.label actor.email actor.role target.kind target.id target.label
  outcome reason tool policy.name policy.result policy.reason classification context.ip
  context.country context.user_agent context.fingerprint context.request_id context.session_id
  data`.split(/\s+/).map((path) => {
  const [group, key] = path.includes('.') ? path.split('.') : ['', path];
  return { group, key, name: path === 'data' ? 'data_json' : path.replace('.', '_') };
});
const REQUIRED = 6;
const HEADER = COLUMNS.map((column) => column.name).join(',');

const TIME = '[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\\.[0-9]{6}Z';
const IS_TIME = new RegExp(`^${TIME}$`);
const STRING = '"([^"\\\\]*(?:\\\\.[^"\\\\]*)*)"';
/** How every canonical line begins: the six keys that each event has. */
const BEGIN = new RegExp(`^\\{"id":${STRING},"seq":(0|[1-9][0-9]*),"type":${STRING},`
  + `"occurred_at":"(${TIME})","recorded_at":"(${TIME})","tenant_id":${STRING}[,}]`);

/** Rows of NDJSON: each is a canonical line as it stands there. */
function readLine(bytes) {
  let parts = BEGIN.exec(lenient.decode(bytes.subarray(0, 4096)));
  if (!parts && bytes.length > 4096) parts = BEGIN.exec(lenient.decode(bytes));
  if (!parts) throw new Broken('this is not the line of an event');
  const [, id, seq, , occurred, recorded, tenant] = parts;
  const plain = (text) => (text.includes('\\') ? JSON.parse(`"${text}"`) : text);
  return { id: plain(id), seq: Number(seq), occurred, recorded, tenant: plain(tenant), bytes };
}

/** The cells of a record; null for one without anything in it. */
function cellsOf(text) {
  const cells = [];
  for (let at = 0; ;) {
    let end;
    if (text[at] === '"') {
      end = text.indexOf('"', at + 1);
      while (end >= 0 && text[end + 1] === '"') end = text.indexOf('"', end + 2);
      if (end < 0) throw new Broken('a quote is never closed');
      cells.push(text.slice(at + 1, end).replaceAll('""', '"'));
      end += 1;
      if (end < text.length && text[end] !== ',') throw new Broken('text stands behind a quote');
    } else {
      end = text.indexOf(',', at);
      if (end < 0) end = text.length;
      const cell = text.slice(at, end);
      if (cell.includes('"')) throw new Broken('a quote stands inside of a cell');
      cells.push(cell === '' ? null : cell);
    }
    if (end === text.length) return cells;
    at = end + 1;
  }
}

/** Takes off the ' that keeps a spreadsheet from running a cell, which must be there. */
function unguard(cell) {
  const [, guard] = /^('*)[=+\-@\t\r\n＝＋－＠]/.exec(cell) ?? [];
  if (guard === '') throw new Broken(`a formula lost the ' in front of it: ${shown(cell)}`);
  return guard === undefined ? cell : cell.slice(1);
}

/** The canonical line of a record. Each value is looked at, or one could hold its neighbours. */
function lineOf(cells) {
  const values = [];
  let members = [];
  let open = '';
  COLUMNS.forEach(({ group, key, name }, place) => {
    if (group !== open) {
      if (members.length > 0) values.push(`"${open}":{${members.join(',')}}`);
      members = [];
      open = group;
    }
    const value = cells[place];
    if (value !== null) (group === '' ? values : members).push(`"${key}":${jsonOf(name, value)}`);
    else if (place < REQUIRED) throw new Broken(`column ${name} is empty`);
  });
  return `{${values.join(',')}}`;
}

function jsonOf(name, value) {
  if (name === 'seq') {
    if (/^(0|[1-9][0-9]*)$/.test(value)) return value;
    throw new Broken(`column seq is no number: ${shown(value)}`);
  }
  if (name === 'occurred_at' || name === 'recorded_at') {
    if (IS_TIME.test(value)) return `"${value}"`;
    throw new Broken(`column ${name} is no time: ${shown(value)}`);
  }
  // It stands last: whatever it holds, no line can be cut in two ways.
  return name === 'data_json' ? value : JSON.stringify(value);
}

/** Rows of CSV, from which the canonical line is rebuilt. */
function readRecord(bytes, isSafe) {
  let text;
  try {
    text = decoder.decode(bytes);
  } catch {
    throw new Broken('the row is no text');
  }
  let cells = cellsOf(text);
  if (cells.length !== COLUMNS.length) {
    throw new Broken(`the row has ${cells.length} cells, and there are ${COLUMNS.length} columns`);
  }
  if (isSafe) cells = cells.map((cell) => (cell === null ? null : unguard(cell)));
  const [id, seq, , occurred, recorded, tenant] = cells;
  const line = encoder.encode(lineOf(cells));
  return { id, seq: Number(seq), occurred, recorded, tenant, bytes: line };
}

/** Takes the lines of a file and gives its rows; `end` says what is missing at the end. */
function rowReader(proof) {
  if (proof.format === 'ndjson') return { read: readLine, end: () => {} };
  if (proof.format === 'csv') {
    let hasHeader = false;
    const read = (bytes) => {
      if (hasHeader) return readRecord(bytes, proof.csv_safe);
      if (lenient.decode(bytes) !== HEADER) throw new BrokenOff('the header is not that of events');
      hasHeader = true;
      return undefined;
    };
    const end = () => {
      if (!hasHeader) throw new Broken('the header is missing');
    };
    return { read, end };
  }
  let next = 'start';
  const read = (bytes) => {
    const isOne = (character) => bytes.length === 1 && lenient.decode(bytes) === character;
    if (next === 'start' && isOne('[')) {
      next = 'first';
    } else if ((next === 'first' || next === 'end') && isOne(']')) {
      next = 'nothing';
    } else if (next === 'first' || next === 'row') {
      const hasComma = bytes.at(-1) === 0x2c;
      next = hasComma ? 'row' : 'end';
      return readLine(hasComma ? bytes.subarray(0, -1) : bytes);
    } else {
      throw new BrokenOff('this is not a JSON array with one event in each line');
    }
    return undefined;
  };
  const end = () => {
    if (next !== 'nothing') throw new Broken('the JSON array is never closed');
  };
  return { read, end };
}

/** Cuts bytes into lines; with quotes, a line end between these is none. */
class Lines {
  constructor(hasQuotes) {
    this.hasQuotes = hasQuotes;
    this.isQuoted = false;
    this.rest = [];
    this.restBytes = 0;
    this.number = 1;
    this.begun = 1;
  }

  feed(chunk, each) {
    let start = 0;
    let from = 0;
    for (;;) {
      const end = chunk.indexOf(10, from);
      if (this.hasQuotes) this.count(chunk, from, end < 0 ? chunk.length : end);
      if (end < 0) break;
      from = end + 1;
      this.number += 1;
      if (this.isQuoted) continue;
      const piece = chunk.subarray(start, end);
      const line = this.rest.length === 0 ? piece : joined([...this.rest, piece]);
      this.rest = [];
      this.restBytes = 0;
      each(line, this.begun);
      this.begun = this.number;
      start = from;
    }
    if (start < chunk.length) {
      this.rest.push(chunk.slice(start));
      this.restBytes += chunk.length - start;
      if (this.restBytes > MOST_ROW_BYTES) {
        throw new Broken(`line ${this.begun} has more than ${MOST_ROW_BYTES} bytes`);
      }
    }
  }

  count(chunk, from, to) {
    for (let at = from; at < to; at += 1) {
      if (chunk[at] === 34) this.isQuoted = !this.isQuoted;
    }
  }

  end() {
    if (this.rest.length > 0) throw new Broken(`line ${this.begun} is cut off`);
  }
}

// ---------------------------------------------------------------------------- the checks

/** Text from a bundle, short enough to stand in a sentence. */
const shown = (text) => JSON.stringify(text.length > 120 ? `${text.slice(0, 120)}…` : text);

class Report {
  constructor() {
    this.findings = [];
    this.count = 0;
    this.proved = [];
    this.notProved = [];
    this.unchecked = [];
  }

  find(detail, { file, line, tenant, seq, id } = {}) {
    this.count += 1;
    if (this.findings.length >= MOST_FINDINGS) return;
    const where = [file, line && `line ${line}`].filter(Boolean).join(', ');
    const event = [tenant !== undefined && `tenant ${tenant}`, seq !== undefined && `seq ${seq}`,
      id !== undefined && `id ${id}`].filter(Boolean).join(', ');
    const place = where && event ? `${where} (${event})` : where || event;
    this.findings.push(place ? `${place}: ${detail}` : detail);
  }

  /** Something that this browser cannot do. */
  leave(sentence) {
    if (!this.unchecked.includes(sentence)) this.unchecked.push(sentence);
  }
}

function parseJson(text, name) {
  let value;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new Broken(`${name} is no JSON: ${error.message}`);
  }
  if (!isObject(value)) throw new Broken(`${name} is no JSON object`);
  return value;
}

/** Check 1: a proof of a version and form that is known here. */
function readProof(text) {
  const proof = parseJson(text, 'proof.json');
  const must = (condition, what) => {
    if (!condition) throw new Broken(`proof.json: ${what}`);
  };
  must(proof.proof_version === 1, `proof_version is ${proof.proof_version}, this page knows 1`);
  must(['inclusion', 'complete'].includes(proof.claim), 'claim is neither inclusion nor complete');
  must(['ndjson', 'json', 'csv', 'parquet'].includes(proof.format), 'format is not known');
  must(['none', 'gzip', 'zstd'].includes(proof.compression), 'compression is not known');
  must(proof.format !== 'csv' || typeof proof.csv_safe === 'boolean', 'csv_safe is missing');
  must(Array.isArray(proof.files) && Array.isArray(proof.logs), 'files or logs are missing');
  const names = new Set();
  for (const file of proof.files) {
    must(isObject(file) && isText(file.name) && isCount(file.rows)
      && /^[0-9a-f]{64}$/.test(file.sha256), 'a file has no name, rows or sha256');
    must(!names.has(file.name), `${shown(file.name)} stands there twice`);
    names.add(file.name);
  }
  must(proof.claim !== 'complete' || proof.logs.length === 1, 'what is complete is of one log');
  const tenants = new Set();
  const logs = proof.logs.map((log) => {
    must(isObject(log) && isText(log.tenant_id), 'a log has no tenant_id');
    must(!tenants.has(log.tenant_id), `the log of ${shown(log.tenant_id)} is there twice`);
    tenants.add(log.tenant_id);
    return readLog(log, proof.claim, must);
  });
  const sum = (list) => list.reduce((total, one) => total + one.rows, 0);
  must(isCount(sum(logs)) && sum(proof.files) === sum(logs), 'files and logs differ in their rows');
  return { ...proof, logs, rows: sum(logs) };
}

function readLog(log, claim, must) {
  const of = `of the log of ${shown(log.tenant_id)}`;
  must(isText(log.checkpoint), `the checkpoint ${of} is missing`);
  must(Array.isArray(log.keys) && log.keys.every(isText), `the keys ${of} are missing`);
  must(isCount(log.rows) && Array.isArray(log.ranges), `rows or ranges ${of} are missing`);
  let end = -1;
  for (const range of log.ranges) {
    must(Array.isArray(range) && range.length === 2 && range.every(isCount)
      && range[0] > end && range[0] < range[1], `ranges ${of} are not in order`);
    [, end] = range;
  }
  const leaves = new Leaves(log.ranges);
  must(leaves.total === log.rows, `rows and ranges ${of} differ`);
  const nodes = fromBase64(log.nodes, `proof.json: nodes ${of}`);
  must(nodes.length % 32 === 0, `nodes ${of} are no hashes`);
  const hints = fromBase64(log.leaf_hints, `proof.json: leaf_hints ${of}`);
  must(hints.length === 0 || hints.length === 4 * log.rows, `leaf_hints ${of} do not fit its rows`);
  const { complete } = log;
  must((claim === 'complete') === isObject(complete), `complete ${of} does not fit the claim`);
  if (complete) {
    must(isCount(complete.from) && isCount(complete.to) && complete.from <= complete.to,
      `complete ${of} has no from and to`);
    const wanted = complete.from < complete.to ? [[complete.from, complete.to]] : [];
    must(JSON.stringify(log.ranges) === JSON.stringify(wanted), `ranges ${of} are not all of it`);
    for (const bound of ['recorded_from', 'recorded_to']) {
      must(complete[bound] === undefined || IS_TIME.test(complete[bound]), `${bound} is no time`);
    }
    for (const line of ['before', 'after']) {
      must(complete[line] === undefined || isText(complete[line]), `${line} is no line`);
    }
  }
  return { ...log, leaves, nodes, hints, suspects: [], suspected: 0 };
}

/** Check 2: manifest and proof speak of the same files. */
function checkManifest(text, proof, files, report) {
  const manifest = parseJson(text, 'manifest.json');
  const must = (condition, what) => condition || report.find(`manifest.json: ${what}`);
  if (manifest.manifest_version !== 1 || !Array.isArray(manifest.files)
    || !manifest.files.every(isObject)) {
    throw new Broken('manifest.json is of a version that this page does not know');
  }
  for (const member of ['format', 'compression', 'csv_safe']) {
    must((manifest[member] ?? null) === (proof[member] ?? null),
      `${member} is ${shown(String(manifest[member]))}, in proof.json it is another`);
  }
  must(manifest.proof?.claim === proof.claim, 'it claims something else than proof.json');
  const listed = (list) => JSON.stringify(list.map((file) => [file.name, file.rows, file.sha256]));
  must(listed(manifest.files) === listed(proof.files), 'its files are not those of proof.json');
  must(manifest.rows === proof.rows, `it says ${manifest.rows} rows, the files have ${proof.rows}`);
  let bytes = 0;
  for (const { name, bytes: size } of manifest.files) {
    bytes += size;
    const source = files.get(name);
    if (source && source.size !== size) {
      const found = `the file has ${source.size} bytes, and manifest.json says ${size}`;
      report.find(found, { file: name });
    }
  }
  must(manifest.bytes === bytes, `it says ${manifest.bytes} bytes, its files have ${bytes}`);
  return manifest;
}

/** Check 3: the checkpoint is that of the tenant's log, and signed with a key that is trusted. */
async function checkSignature(log, given, report) {
  const at = { tenant: log.tenant_id };
  const note = parseNote(log.checkpoint);
  log.checkpointRead = parseCheckpoint(note.text);
  const { origin, size } = log.checkpointRead;
  const last = origin.slice(origin.lastIndexOf('/') + 1);
  let tenant;
  try {
    tenant = decodeURIComponent(last);
  } catch {
    tenant = undefined;
  }
  if (tenant !== log.tenant_id || !origin.includes('/')) {
    report.find(`the checkpoint is of ${shown(origin)}, which is not the log of this tenant`, at);
  }
  const end = Math.max(log.ranges.at(-1)?.[1] ?? 0, log.complete?.to ?? 0);
  if (end > size) report.find(`the log has ${size} events, the proof speaks of ${end}`, at);
  const keys = given.ofLogs ?? parseKeys(log.keys.join('\n'), 'proof.json');
  let isSigned = false;
  for (const key of keys.filter((one) => one.algorithm === ED25519)) {
    if (key.name !== origin && `${key.name}/${last}` !== origin) continue;
    // A key of the lake signs for each of its logs under the name of that log.
    const id = keyId(origin, ED25519, key.key);
    const answer = await signed(note, origin, id, key.key, ED25519);
    if (answer === false) report.find('the signature of the checkpoint is forged or damaged', at);
    if (answer === null) report.leave('This browser has no Ed25519: the signature of the checkpoint'
      + ' was not checked. Use a newer browser, or auditlake verify.');
    isSigned ||= answer !== undefined;
    log.isSigned ||= answer === true;
  }
  if (!isSigned) {
    const whose = given.ofLogs ? 'the key that you gave' : 'any of the keys in the bundle';
    report.find(`the checkpoint is not signed with ${whose}`, at);
  }
  for (const key of given.ofWitnesses) {
    const answer = await signed(note, key.name, key.id, key.key, COSIGNATURE);
    if (answer) report.proved.push(`The witness ${key.name} has seen the checkpoint of ${origin}.`);
    else if (answer === null) report.leave(`The cosignature of ${key.name} was not checked.`);
    else report.find(`the witness ${key.name} has not signed it`, at);
  }
}

/** Check 4: the bytes of a file. */
async function checkDigest(file, source, report, progress) {
  const digest = new Sha256();
  for await (const chunk of chunksOf(await source.stream())) {
    digest.update(chunk);
    await progress(chunk.length, file.name);
  }
  if (digest.length !== source.size) throw new Broken(`it has not ${source.size} bytes`);
  if (hex(digest.digest()) !== file.sha256) {
    report.find('the SHA-256 of the file is another: its bytes were changed', { file: file.name });
  }
}

/** Check 5: the rows of a file. */
async function checkRows(proof, file, source, edges, report, progress) {
  const logs = new Map(proof.logs.map((log) => [log.tenant_id, log]));
  const reader = rowReader(proof);
  const lines = new Lines(proof.format === 'csv');
  let rows = 0;
  let first;
  let last;
  const each = (bytes, line) => {
    let row;
    try {
      row = reader.read(bytes);
    } catch (error) {
      const isOfRow = error instanceof Broken || error instanceof SyntaxError;
      if (!isOfRow || error instanceof BrokenOff) throw error;
      rows += 1;
      report.find(error.message, { file: file.name, line });
      return;
    }
    if (row === undefined) return;
    rows += 1;
    first ??= row;
    last = row;
    checkRow(row, logs.get(row.tenant), { file: file.name, line }, report);
  };
  let stream = await source.stream();
  if (proof.compression === 'gzip') stream = stream.pipeThrough(new DecompressionStream('gzip'));
  for await (const chunk of chunksOf(stream)) {
    lines.feed(chunk, each);
    await progress(proof.compression === 'none' ? chunk.length : 0, file.name);
  }
  lines.end();
  reader.end();
  if (proof.compression !== 'none') await progress(source.size, file.name);
  if (rows !== file.rows) {
    report.find(`the file has ${rows} rows, and proof.json says ${file.rows}`, { file: file.name });
  }
  if (edges) checkEdges(file.name, edges, first, last, report);
}

function checkRow(row, log, where, report) {
  const at = { ...where, tenant: row.tenant, seq: row.seq, id: row.id };
  if (!log) {
    report.find('the proof has no log of this tenant', at);
    return;
  }
  const place = isCount(row.seq) ? log.leaves.place(row.seq) : -1;
  if (place < 0) {
    report.find('the proof speaks of no event at this seq: it was added, or its seq changed', at);
    return;
  }
  const leaf = leafHash(row.bytes);
  if (!log.leaves.put(place, leaf)) {
    report.find('an event with this seq stands in the files before', at);
    return;
  }
  const { recorded_from: from, recorded_to: to } = log.complete ?? {};
  if ((from && row.recorded < from) || (to && row.recorded >= to)) {
    report.find('it was not recorded in the time that is claimed to be complete', at);
  }
  const { hints } = log;
  if (hints.length > 0 && !isSame(leaf.subarray(0, 4), hints.subarray(place * 4, place * 4 + 4))) {
    log.suspected += 1;
    if (log.suspects.length < MOST_FINDINGS) log.suspects.push(at);
  }
}

/** The manifest says which events a file begins and ends with. */
function checkEdges(name, { first, last }, firstRow, lastRow, report) {
  const isEdge = (edge, row) => (row === undefined ? (edge ?? null) === null
    : edge?.tenant_id === row.tenant && edge.seq === row.seq && edge.occurred_at === row.occurred);
  if (!isEdge(first, firstRow) || !isEdge(last, lastRow)) {
    report.find('it does not begin and end with the events that manifest.json says',
      { file: name });
  }
}

/** Check 6: what stands before and behind a complete stretch. Gives the leaves of both. */
function checkNeighbours(log, report) {
  const at = { tenant: log.tenant_id };
  const { complete, checkpointRead: { size } } = log;
  const neighbour = (text, seq, isOutside, what) => {
    const row = readLine(encoder.encode(text));
    if (row.tenant !== log.tenant_id || row.seq !== seq || !isOutside(row.recorded)) {
      report.find(`${what} is not an event outside of what is claimed`, { ...at, seq });
    }
    return leafHash(row.bytes);
  };
  const { from, to, recorded_from: since, recorded_to: until, before, after } = complete;
  const leaves = {};
  if (before !== undefined) {
    const isOutside = (recorded) => since === undefined || recorded < since;
    leaves.before = neighbour(before, from - 1, isOutside, 'complete.before');
  } else if (since !== undefined && from > 0) {
    report.find(`nothing shows that the event before seq ${from} is older than ${since}`, at);
  }
  if (after !== undefined) {
    const isOutside = (recorded) => until === undefined || recorded >= until;
    leaves.after = neighbour(after, to, isOutside, 'complete.after');
  } else if (until !== undefined && to < size) {
    report.find(`nothing shows that the event at seq ${to} is not older than ${until}`, at);
  }
  return leaves;
}

/** Check 7: the leaves of the rows and the nodes of the proof give the signed root. */
async function checkRoot(log, pause, report) {
  const at = { tenant: log.tenant_id };
  const { leaves, complete, checkpointRead: { size, root } } = log;
  const neighbours = complete ? checkNeighbours(log, report) : {};
  const missing = leaves.total - leaves.seen;
  if (missing > 0) {
    const seqs = leaves.missing(MOST_NAMED);
    for (const seq of seqs) report.find('this event is missing', { ...at, seq });
    if (missing > seqs.length) report.find(`${missing - seqs.length} more events are missing`, at);
  }
  const segments = log.ranges.map(([from, to]) => ({ from, to }));
  if (neighbours.before) {
    segments.unshift({ from: complete.from - 1, to: complete.from, leaf: neighbours.before });
  }
  if (neighbours.after) {
    segments.push({ from: complete.to, to: complete.to + 1, leaf: neighbours.after });
  }
  const gaps = [];
  let at0 = 0;
  for (const { from, to } of [...segments, { from: size, to: size }]) {
    if (from < at0) throw new Broken('positions of the proof lie outside of its log');
    gaps.push([at0, from]);
    at0 = to;
  }
  const wanted = gaps.reduce((sum, [from, to]) => sum + [...cover(from, to)].length, 0);
  if (wanted * 32 !== log.nodes.length) {
    report.find(`the proof has ${log.nodes.length / 32} nodes, and ${wanted} are needed`, at);
    return;
  }
  if (missing > 0) return;
  const tree = new Tree();
  let node = 0;
  let place = 0;
  for (const [index, gap] of gaps.entries()) {
    for (const level of cover(...gap)) {
      tree.append(level, log.nodes.subarray(node, node + 32));
      node += 32;
    }
    const segment = segments[index];
    if (!segment) break;
    if (segment.leaf) {
      tree.append(0, segment.leaf);
      continue;
    }
    for (let seq = segment.from; seq < segment.to; seq += 1, place += 1) {
      tree.append(0, leaves.get(place));
      if (place % 16384 === 0) await pause();
    }
  }
  if (isSame(tree.root(), root)) return;
  report.find('the events do not lead to the root of the signed checkpoint: something was changed',
    at);
  for (const suspect of log.suspects) {
    report.find('this row is not the event that the log has: it was changed', suspect);
  }
  report.count += log.suspected - log.suspects.length;
}

/** All checks of a bundle. */
async function check(files, keyText, progress) {
  const report = new Report();
  const given = givenKeys(keyText);
  const sidecars = [...files.keys()].filter((name) => name.endsWith('.proof.json'));
  const isBundle = files.isZip || files.has('proof.json') || sidecars.length !== 1;
  const proofName = isBundle ? 'proof.json' : sidecars[0];
  const proofText = await textOf(files, proofName);
  if (proofText === undefined) {
    throw new Broken('there is no proof.json: this is no evidence bundle, or not all of it');
  }
  const proof = readProof(proofText);
  let manifest;
  if (isBundle) {
    const manifestText = await textOf(files, 'manifest.json');
    if (manifestText === undefined) report.find('manifest.json is missing');
    else manifest = checkManifest(manifestText, proof, files, report);
    await checkCopies(files, proof, report);
    await checkUnread(files, report);
  } else if (proof.files.length === 1) {
    // A file by itself may have got another name, together with its proof.
    const own = proofName.slice(0, -'.proof.json'.length);
    if (files.has(own)) proof.files[0].name = own;
  }
  for (const log of proof.logs) await checkSignature(log, given, report);

  const canRead = proof.format !== 'parquet' && proof.compression !== 'zstd';
  const present = proof.files.filter(({ name }) => files.has(name));
  const bytes = present.reduce((sum, { name }) => sum + files.get(name).size, 0);
  progress.total = bytes * (canRead ? 2 : 1);
  for (const file of proof.files) {
    const source = files.get(file.name);
    if (!source) {
      report.find('the file is missing', { file: file.name });
      continue;
    }
    const edges = manifest?.files.find(({ name }) => name === file.name);
    const at = { file: file.name };
    await contained(at, report, () => checkDigest(file, source, report, progress.read));
    if (!canRead) continue;
    await contained(at, report,
      () => checkRows(proof, file, source, edges, report, progress.read));
  }
  if (canRead) {
    for (const log of proof.logs) {
      const at = { tenant: log.tenant_id };
      await contained(at, report, () => checkRoot(log, progress.pause, report));
    }
  } else {
    const what = proof.format === 'parquet' ? 'Parquet' : 'zstd';
    report.leave(`A browser cannot read ${what}: the rows of these files were not checked,`
      + ' only their digests. Use auditlake verify.');
  }
  conclude(proof, given, files, proofName, report);
  return report;
}

/** The keys in the field, those of logs and those of witnesses apart. */
function givenKeys(text) {
  const keys = parseKeys(text, 'the key that you gave');
  const ofLogs = keys.filter((key) => key.algorithm === ED25519);
  const ofWitnesses = keys.filter((key) => key.algorithm === COSIGNATURE);
  return { ofLogs: ofLogs.length > 0 ? ofLogs : undefined, ofWitnesses };
}

/** What cannot be read is a finding, and the rest is checked all the same. */
async function contained(where, report, work) {
  try {
    await work();
  } catch (error) {
    // Streams that unpack say that something is wrong with a TypeError of the browser's own.
    const isKnown = [Broken, SyntaxError, TypeError].some((kind) => error instanceof kind);
    if (!isKnown) throw error;
    const reason = error instanceof Broken ? '' : 'it cannot be read: ';
    report.find(`${reason}${error.message}`, where);
  }
}

/** What stands twice in a bundle is the same in both places. */
async function checkCopies(files, proof, report) {
  const keys = new Set(proof.logs.flatMap((log) => log.keys));
  const copies = [
    ['checkpoint.txt', proof.logs.map((log) => log.checkpoint).join('\n')],
    ['public-key.txt', [...keys].map((key) => `${key}\n`).join('')],
  ];
  for (const [name, wanted] of copies) {
    const text = await textOf(files, name);
    if (text !== undefined && text !== wanted) {
      report.find('it says something else than proof.json', { file: name });
    }
  }
}

/** Files of a bundle that are there for people. */
const COMPANIONS = ['README.txt', 'verify.html'];

/** They are not compared with anything; but in an archive nothing else may hide in them. */
async function checkUnread(files, report) {
  for (const name of COMPANIONS.filter((one) => files.isZip && files.has(one))) {
    await contained({ file: name }, report, () => textOf(files, name));
  }
}

/** What is proved, in words, and what is not. */
function conclude(proof, given, files, proofName, report) {
  const { proved, notProved } = report;
  report.hasKey = Boolean(given.ofLogs) || proof.logs.length === 0;
  const parts = ['manifest.json', 'checkpoint.txt', 'public-key.txt'];
  const known = new Set([proofName, ...(proofName === 'proof.json' ? parts : []),
    ...proof.files.map(({ name }) => name)]);
  const others = [...files.keys()].filter((name) => !known.has(name));
  // In a folder there may be files of others; into an archive somebody put them.
  const added = files.isZip ? others.filter((name) => !COMPANIONS.includes(name)) : [];
  for (const name of added) {
    report.find('neither manifest nor proof knows this file: it was added', { file: name });
  }
  const count = plural(proof.rows, 'event', 'events');
  if (report.count === 0 && report.unchecked.length === 0) {
    proved.push(...proof.logs.map(sentenceOf));
    if (proof.rows === 0 && proof.claim === 'inclusion') proved.push('There are no events here.');
  }
  if (report.count === 0) {
    const bytes = `The bytes of ${plural(proof.files.length, 'file', 'files')} with ${count}`;
    proved.push(`${bytes} are those that the proof speaks of.`);
    for (const { checkpointRead: { origin, size }, isSigned } of proof.logs) {
      const events = plural(size, 'event', 'events');
      if (isSigned) proved.push(`The checkpoint of ${origin} with ${events} is signed.`);
    }
  }
  if (proof.claim === 'inclusion') {
    notProved.push('That nothing was left out: this export only claims that what is in it is'
      + ' authentic.');
  }
  const keys = [...new Set(proof.logs.flatMap((log) => log.keys))].slice(0, MOST_NAMED);
  if (given.ofLogs && proof.logs.every((log) => log.isSigned)) {
    const lines = given.ofLogs.map(({ line }) => line).join(' and ');
    proved.push(`The signature was checked with the key that you gave: ${lines}`);
  } else if (!given.ofLogs && keys.length > 0) {
    if (given.ofWitnesses.length > 0) {
      notProved.push('That the log has signed this with a key that you know: the key that you gave'
        + ' is that of a witness.');
    }
    notProved.push('That the key is that of the log: it came with the bundle. Compare it with the'
      + ` one that you have from elsewhere: ${keys.join(' and ')}`);
  }
  notProved.push('The order of the events in the files, and whatever manifest.json says of who'
    + ' asked for what.');
  notProved.push('That the clock was right: recorded_at is the word of the lake, occurred_at that'
    + ' of whoever sent the event.');
  notProved.push('That the log was never rewritten: for that, compare the checkpoint with one that'
    + ' was kept elsewhere (auditlake verify --against).');
  if (others.length > 0) {
    notProved.push(`Anything about these other files: ${others.slice(0, MOST_NAMED).join(', ')}`
      + `${others.length > MOST_NAMED ? ' and more' : ''}.`);
  }
}

/** What is proved of the rows of one log. */
function sentenceOf({ tenant_id: tenant, complete, rows }) {
  const events = plural(rows, 'event', 'events');
  if (!complete) {
    const which = rows === 1 ? `The one event of ${tenant}` : `Each of the ${events} of ${tenant}`;
    return `${which} here is an event of its log, unchanged, at the position that its seq says.`;
  }
  const { from, to, recorded_from: since, recorded_to: until } = complete;
  const times = [since && `from ${since} on`, until && `before ${until}`].filter(Boolean);
  let when = '';
  if (times.length > 0) {
    // What no time bounds is bounded by its position.
    if (!since && from > 0) when += ` from position ${from} on`;
    if (!until) when += ` before position ${to}`;
    when += ` that was recorded ${times.join(' and ')}`;
  }
  if (from === to) {
    return when ? `The log of ${tenant} has no event${when}.`
      : `Here is no event, and no position of the log of ${tenant} is claimed.`;
  }
  const where = from + 1 === to ? `position ${from}` : `positions ${from} to ${to - 1}`;
  return `Here is every event of the log of ${tenant}${when}, at ${where}, unchanged: ${events},`
    + ' nothing left out and nothing added.';
}

// ---------------------------------------------------------------------------- the verdict

/** What each verdict says in words: a headline, and what to do about it. */
const WORDS = {
  good: ['Good: everything here is proved', 'Read below what that means, and what it does not.'],
  goodWithTheirKey: ['Good, if the key is the right one', 'The key came with the bundle, and anybody'
    + ' can make one. Compare it: see below. Everything else here is proved.'],
  bad: ['Not good: this is not what it claims to be', 'Do not rely on it. What was found:'],
  incomplete: ['Not everything could be checked', 'What was checked is right, but that is not'
    + ' enough to rely on.'],
};

/** What to tell of a report: a verdict, a headline, a line below it, and lists with their titles. */
function verdictOf(report) {
  let verdict = 'good';
  if (report.count > 0) verdict = 'bad';
  else if (report.unchecked.length > 0) verdict = 'incomplete';
  const isTheirKey = verdict === 'good' && !report.hasKey;
  const [headline, subline] = WORDS[isTheirKey ? 'goodWithTheirKey' : verdict];
  const more = report.count - report.findings.length;
  const lists = [
    { title: `Findings (${report.count})`, lines: report.findings },
    { title: '', lines: more > 0 ? [`and ${more} more`] : [] },
    { title: 'Not checked here', lines: report.unchecked },
    { title: 'What is proved', lines: verdict === 'bad' ? [] : report.proved },
    { title: 'What is not proved', lines: report.notProved },
  ];
  return { verdict, headline, subline, lists: lists.filter(({ lines }) => lines.length > 0) };
}

/** Keeps the page alive while it reads, and stops a check that was overtaken by another one. */
function progressOf(told, isCurrent) {
  let paused = performance.now();
  let done = 0;
  const progress = { total: 0 };
  progress.pause = async () => {
    if (performance.now() - paused < 50) return;
    await new Promise((resolve) => { setTimeout(resolve); });
    paused = performance.now();
    if (!isCurrent()) throw new Broken('another check was started');
  };
  progress.read = async (bytes, name) => {
    done += bytes;
    told(progress.total > 0 ? Math.min(1, done / progress.total) : 1, name);
    await progress.pause();
  };
  return progress;
}

/**
 * Checks the files that somebody chose: one zip file, or a bundle's files, or an export and its
 * proof. `told` hears how much was read (0 to 1) and of which file; `isCurrent` says whether anybody
 * still waits for the answer. Whatever is wrong is part of the verdict.
 */
async function verify(chosen, keyText, told, isCurrent) {
  let report;
  try {
    const isZip = chosen.length === 1 && /\.zip$/i.test(chosen[0].name);
    const files = isZip ? await openZip(chosen[0])
      : new Map(chosen.map((file) => [file.name, fileSource(file)]));
    files.isZip = isZip;
    report = await check(files, keyText, progressOf(told, isCurrent));
  } catch (error) {
    report = new Report();
    report.find(error instanceof Broken ? error.message
      : `the check broke off: ${error.message}`);
  }
  return verdictOf(report);
}

export { verify };
