// The files in a zip archive, which must say the same to every program that unpacks it.

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
