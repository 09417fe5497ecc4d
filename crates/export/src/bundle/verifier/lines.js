// The lines of a file, cut from the chunks in which it comes.

/** A row has a few megabytes at most: one that is longer belongs to no file of events. */
const MOST_ROW_BYTES = 16 * 1024 * 1024;

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
