// What to tell of a report: what is proved and what is not, and the verdict.

/** What is proved, in words, and what is not. */
function conclude(proof, given, files, proofName, report) {
  const { proved, notProved } = report;
  report.hasKey = Boolean(given.ofLogs) || proof.logs.length === 0;
  const parts = ['manifest.json', 'checkpoint.txt', 'public-key.txt'];
  const known = new Set([proofName, ...(proofName === 'proof.json' ? parts : []),
    ...proof.files.map(({ name }) => name)]);
  const others = [...files.keys()].filter((name) => !known.has(name));
  // In a folder there may be files of others; into an archive somebody put them.
  const added = files.isZip ? others.filter((name) => !COMPANIONS.includes(name)) : [];
  for (const name of added) {
    report.find('neither manifest nor proof knows this file: it was added', { file: name });
  }
  const count = plural(proof.rows, 'event', 'events');
  if (report.count === 0 && report.unchecked.length === 0) {
    proved.push(...proof.logs.map(sentenceOf));
    if (proof.rows === 0 && proof.claim === 'inclusion') proved.push('There are no events here.');
  }
  if (report.count === 0) {
    const bytes = `The bytes of ${plural(proof.files.length, 'file', 'files')} with ${count}`;
    proved.push(`${bytes} are those that the proof speaks of.`);
    for (const { checkpointRead: { origin, size }, isSigned } of proof.logs) {
      const events = plural(size, 'event', 'events');
      if (isSigned) proved.push(`The checkpoint of ${origin} with ${events} is signed.`);
    }
  }
  if (proof.claim === 'inclusion') {
    notProved.push('That nothing was left out: this export only claims that what is in it is'
      + ' authentic.');
  }
  const keys = [...new Set(proof.logs.flatMap((log) => log.keys))].slice(0, MOST_NAMED);
  if (given.ofLogs && proof.logs.every((log) => log.isSigned)) {
    const lines = given.ofLogs.map(({ line }) => line).join(' and ');
    proved.push(`The signature was checked with the key that you gave: ${lines}`);
  } else if (!given.ofLogs && keys.length > 0) {
    if (given.ofWitnesses.length > 0) {
      notProved.push('That the log has signed this with a key that you know: the key that you gave'
        + ' is that of a witness.');
    }
    notProved.push('That the key is that of the log: it came with the bundle. Compare it with the'
      + ` one that you have from elsewhere: ${keys.join(' and ')}`);
  }
  notProved.push('The order of the events in the files, and whatever manifest.json says of who'
    + ' asked for what.');
  notProved.push('That the clock was right: recorded_at is the word of the lake, occurred_at that'
    + ' of whoever sent the event.');
  notProved.push('That the log was never rewritten: for that, compare the checkpoint with one that'
    + ' was kept elsewhere (auditlake verify --against).');
  if (others.length > 0) {
    notProved.push(`Anything about these other files: ${others.slice(0, MOST_NAMED).join(', ')}`
      + `${others.length > MOST_NAMED ? ' and more' : ''}.`);
  }
}

/** What is proved of the rows of one log. */
function sentenceOf({ tenant_id: tenant, complete, rows }) {
  const events = plural(rows, 'event', 'events');
  if (!complete) {
    const which = rows === 1 ? `The one event of ${tenant}` : `Each of the ${events} of ${tenant}`;
    return `${which} here is an event of its log, unchanged, at the position that its seq says.`;
  }
  const { from, to, recorded_from: since, recorded_to: until } = complete;
  const times = [since && `from ${since} on`, until && `before ${until}`].filter(Boolean);
  let when = '';
  if (times.length > 0) {
    // What no time bounds is bounded by its position.
    if (!since && from > 0) when += ` from position ${from} on`;
    if (!until) when += ` before position ${to}`;
    when += ` that was recorded ${times.join(' and ')}`;
  }
  if (from === to) {
    return when ? `The log of ${tenant} has no event${when}.`
      : `Here is no event, and no position of the log of ${tenant} is claimed.`;
  }
  const where = from + 1 === to ? `position ${from}` : `positions ${from} to ${to - 1}`;
  return `Here is every event of the log of ${tenant}${when}, at ${where}, unchanged: ${events},`
    + ' nothing left out and nothing added.';
}

/** What each verdict says in words: a headline, and what to do about it. */
const WORDS = {
  good: ['Good: everything here is proved', 'Read below what that means, and what it does not.'],
  goodWithTheirKey: ['Good, if the key is the right one', 'The key came with the bundle, and anybody'
    + ' can make one. Compare it: see below. Everything else here is proved.'],
  bad: ['Not good: this is not what it claims to be', 'Do not rely on it. What was found:'],
  incomplete: ['Not everything could be checked', 'What was checked is right, but that is not'
    + ' enough to rely on.'],
};

/** What to tell of a report: a verdict, a headline, a line below it, and lists with their titles. */
function verdictOf(report) {
  let verdict = 'good';
  if (report.count > 0) verdict = 'bad';
  else if (report.unchecked.length > 0) verdict = 'incomplete';
  const isTheirKey = verdict === 'good' && !report.hasKey;
  const [headline, subline] = WORDS[isTheirKey ? 'goodWithTheirKey' : verdict];
  const more = report.count - report.findings.length;
  const lists = [
    { title: `Findings (${report.count})`, lines: report.findings },
    { title: '', lines: more > 0 ? [`and ${more} more`] : [] },
    { title: 'Not checked here', lines: report.unchecked },
    { title: 'What is proved', lines: verdict === 'bad' ? [] : report.proved },
    { title: 'What is not proved', lines: report.notProved },
  ];
  return { verdict, headline, subline, lists: lists.filter(({ lines }) => lines.length > 0) };
}
