// The Merkle tree of a log: hashes of leaves and nodes, the root, and the leaves of an export.

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
