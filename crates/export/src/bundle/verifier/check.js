// All checks in their order, and `verify`, which is what a page calls.

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

/** Files for people are compared with nothing; but in an archive nothing may hide in them. */
async function checkUnread(files, report) {
  for (const name of COMPANIONS.filter((one) => files.isZip && files.has(one))) {
    await contained({ file: name }, report, () => textOf(files, name));
  }
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
