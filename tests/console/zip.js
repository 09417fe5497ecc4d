// The files of a zip archive, read from its directory as any reader of zip files does.

import assert from 'node:assert/strict';
import { inflateRawSync } from 'node:zlib';

const END = 0x06054b50;
const ENTRY = 0x02014b50;
const LOCAL = 0x04034b50;
const END_BYTES = 22;
const DEFLATED = 8;

/** Name and bytes of each file; an archive without a directory is none. */
export function unzip(bytes) {
  const end = bytes.length - END_BYTES;
  assert.ok(end >= 0 && bytes.readUInt32LE(end) === END, 'the archive has no end: it was cut off');
  const files = new Map();
  let at = bytes.readUInt32LE(end + 16);
  for (let left = bytes.readUInt16LE(end + 10); left > 0; left -= 1) {
    assert.equal(bytes.readUInt32LE(at), ENTRY);
    const [method, size] = [bytes.readUInt16LE(at + 10), bytes.readUInt32LE(at + 20)];
    const [name, extra, comment] = [28, 30, 32].map((place) => bytes.readUInt16LE(at + place));
    const local = bytes.readUInt32LE(at + 42);
    assert.equal(bytes.readUInt32LE(local), LOCAL);
    const begin = local + 30 + bytes.readUInt16LE(local + 26) + bytes.readUInt16LE(local + 28);
    const packed = bytes.subarray(begin, begin + size);
    const text = bytes.toString('utf8', at + 46, at + 46 + name);
    files.set(text, method === DEFLATED ? inflateRawSync(packed) : packed);
    at += 46 + name + extra + comment;
  }
  return files;
}
