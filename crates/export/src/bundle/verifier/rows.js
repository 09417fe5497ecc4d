// The rows of a file: NDJSON, a JSON array or CSV, each as the canonical line that was hashed.

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
