// Check 3: the signatures of a checkpoint, and the keys that are trusted.

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

/** The keys in the field, those of logs and those of witnesses apart. */
function givenKeys(text) {
  const keys = parseKeys(text, 'the key that you gave');
  const ofLogs = keys.filter((key) => key.algorithm === ED25519);
  const ofWitnesses = keys.filter((key) => key.algorithm === COSIGNATURE);
  return { ofLogs: ofLogs.length > 0 ? ofLogs : undefined, ofWitnesses };
}
