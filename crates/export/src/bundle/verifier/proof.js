// Checks 1 and 2: proof.json by itself, and what else in the bundle must say the same.

function parseJson(text, name) {
  let value;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new Broken(`${name} is no JSON: ${error.message}`);
  }
  if (!isObject(value)) throw new Broken(`${name} is no JSON object`);
  return value;
}

/** Check 1: a proof of a version and form that is known here. */
function readProof(text) {
  const proof = parseJson(text, 'proof.json');
  const must = (condition, what) => {
    if (!condition) throw new Broken(`proof.json: ${what}`);
  };
  must(proof.proof_version === 1, `proof_version is ${proof.proof_version}, this page knows 1`);
  must(['inclusion', 'complete'].includes(proof.claim), 'claim is neither inclusion nor complete');
  must(['ndjson', 'json', 'csv', 'parquet'].includes(proof.format), 'format is not known');
  must(['none', 'gzip', 'zstd'].includes(proof.compression), 'compression is not known');
  must(proof.format !== 'csv' || typeof proof.csv_safe === 'boolean', 'csv_safe is missing');
  must(Array.isArray(proof.files) && Array.isArray(proof.logs), 'files or logs are missing');
  const names = new Set();
  for (const file of proof.files) {
    must(isObject(file) && isText(file.name) && isCount(file.rows)
      && /^[0-9a-f]{64}$/.test(file.sha256), 'a file has no name, rows or sha256');
    must(!names.has(file.name), `${shown(file.name)} stands there twice`);
    names.add(file.name);
  }
  must(proof.claim !== 'complete' || proof.logs.length === 1, 'what is complete is of one log');
  const tenants = new Set();
  const logs = proof.logs.map((log) => {
    must(isObject(log) && isText(log.tenant_id), 'a log has no tenant_id');
    must(!tenants.has(log.tenant_id), `the log of ${shown(log.tenant_id)} is there twice`);
    tenants.add(log.tenant_id);
    return readLog(log, proof.claim, must);
  });
  const sum = (list) => list.reduce((total, one) => total + one.rows, 0);
  must(isCount(sum(logs)) && sum(proof.files) === sum(logs), 'files and logs differ in their rows');
  return { ...proof, logs, rows: sum(logs) };
}

function readLog(log, claim, must) {
  const of = `of the log of ${shown(log.tenant_id)}`;
  must(isText(log.checkpoint), `the checkpoint ${of} is missing`);
  must(Array.isArray(log.keys) && log.keys.every(isText), `the keys ${of} are missing`);
  must(isCount(log.rows) && Array.isArray(log.ranges), `rows or ranges ${of} are missing`);
  let end = -1;
  for (const range of log.ranges) {
    must(Array.isArray(range) && range.length === 2 && range.every(isCount)
      && range[0] > end && range[0] < range[1], `ranges ${of} are not in order`);
    [, end] = range;
  }
  const leaves = new Leaves(log.ranges);
  must(leaves.total === log.rows, `rows and ranges ${of} differ`);
  const nodes = fromBase64(log.nodes, `proof.json: nodes ${of}`);
  must(nodes.length % 32 === 0, `nodes ${of} are no hashes`);
  const hints = fromBase64(log.leaf_hints, `proof.json: leaf_hints ${of}`);
  must(hints.length === 0 || hints.length === 4 * log.rows, `leaf_hints ${of} do not fit its rows`);
  const { complete } = log;
  must((claim === 'complete') === isObject(complete), `complete ${of} does not fit the claim`);
  if (complete) {
    must(isCount(complete.from) && isCount(complete.to) && complete.from <= complete.to,
      `complete ${of} has no from and to`);
    const wanted = complete.from < complete.to ? [[complete.from, complete.to]] : [];
    must(JSON.stringify(log.ranges) === JSON.stringify(wanted), `ranges ${of} are not all of it`);
    for (const bound of ['recorded_from', 'recorded_to']) {
      must(complete[bound] === undefined || IS_TIME.test(complete[bound]), `${bound} is no time`);
    }
    for (const line of ['before', 'after']) {
      must(complete[line] === undefined || isText(complete[line]), `${line} is no line`);
    }
  }
  return { ...log, leaves, nodes, hints, suspects: [], suspected: 0 };
}

/** Check 2: manifest and proof speak of the same files. */
function checkManifest(text, proof, files, report) {
  const manifest = parseJson(text, 'manifest.json');
  const must = (condition, what) => condition || report.find(`manifest.json: ${what}`);
  if (manifest.manifest_version !== 1 || !Array.isArray(manifest.files)
    || !manifest.files.every(isObject)) {
    throw new Broken('manifest.json is of a version that this page does not know');
  }
  for (const member of ['format', 'compression', 'csv_safe']) {
    must((manifest[member] ?? null) === (proof[member] ?? null),
      `${member} is ${shown(String(manifest[member]))}, in proof.json it is another`);
  }
  must(manifest.proof?.claim === proof.claim, 'it claims something else than proof.json');
  const listed = (list) => JSON.stringify(list.map((file) => [file.name, file.rows, file.sha256]));
  must(listed(manifest.files) === listed(proof.files), 'its files are not those of proof.json');
  must(manifest.rows === proof.rows, `it says ${manifest.rows} rows, the files have ${proof.rows}`);
  let bytes = 0;
  for (const { name, bytes: size } of manifest.files) {
    bytes += size;
    const source = files.get(name);
    if (source && source.size !== size) {
      const found = `the file has ${source.size} bytes, and manifest.json says ${size}`;
      report.find(found, { file: name });
    }
  }
  must(manifest.bytes === bytes, `it says ${manifest.bytes} bytes, its files have ${bytes}`);
  return manifest;
}

/** What stands twice in a bundle is the same in both places. */
async function checkCopies(files, proof, report) {
  const keys = new Set(proof.logs.flatMap((log) => log.keys));
  const copies = [
    ['checkpoint.txt', proof.logs.map((log) => log.checkpoint).join('\n')],
    ['public-key.txt', [...keys].map((key) => `${key}\n`).join('')],
  ];
  for (const [name, wanted] of copies) {
    const text = await textOf(files, name);
    if (text !== undefined && text !== wanted) {
      report.find('it says something else than proof.json', { file: name });
    }
  }
}
