// Checks 6 and 7: that the rows, and what stands beside them, lead to the signed root.

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
