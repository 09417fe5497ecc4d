// Checks 4 and 5: the bytes of the files and their rows.

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
