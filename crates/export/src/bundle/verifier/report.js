// What the checks have found so far, also where one of them broke off.

/** Lists of findings are cut here; the rest is counted. */
const MOST_FINDINGS = 100;
/** And so are lists within a sentence. */
const MOST_NAMED = 20;

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
