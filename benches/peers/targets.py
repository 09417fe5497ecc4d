"""What we want to reach, and whether a run did."""

import statistics

OURS = ["auditlake", "auditlake-http"]
# These have their own copy of the events, arranged as they like it.
OWN_COPY = ["postgresql"]
# At least so many times as fast as the fastest peer, or as a certain one.
BEST, BEST_ON_FILES = "best peer", "best peer on the same files"
RATIOS = [
    ("csv", BEST, 2.0), ("csv", "duckdb", 2.5),
    ("ndjson", BEST, 2.5), ("ndjson", "duckdb", 5.0),
    ("parquet", BEST, 10.0), ("filtered", BEST, 2.0), ("ingest", "duckdb", 1.0),
]
EXPORTS = ["csv", "ndjson", "parquet", "filtered"]
MEMORY_MIB = 256
FIRST_BYTE_MS = 50


def judge(rows):
    """Every target for each of our ways; one that the run has no figures of has no value."""
    measured = {(row["task"], row["contestant"]): row for row in rows if "median" in row}
    verdicts = []
    for ours in OURS:
        for task, rival, wanted in RATIOS:
            verdict = ratio(measured, ours, task, rival, wanted)
            verdicts.append(verdict)
            if verdict["at"] in OWN_COPY:
                verdicts.append(ratio(measured, ours, task, BEST_ON_FILES, wanted))
        verdicts += [memory(measured, ours), first_byte(measured, ours)]
    # What cannot be had over HTTP is no target of it.
    return [of for of in verdicts if of["contestant"] == OURS[0] or of["value"] is not None]


def ratio(measured, ours, task, rival, wanted):
    verdict = {"target": f"{task} ≥ {wanted:g} × {rival}", "contestant": ours, "at": None,
               "unit": "{:.2f} ×", "wanted": wanted, "value": None}
    mine = measured.get((task, ours))
    theirs = {name: row for (of, name), row in measured.items()
              if of == task and name not in OURS
              and (rival == BEST or name == rival or rival == BEST_ON_FILES
                   and name not in OWN_COPY)}
    if not mine or not theirs:
        return verdict
    against = min(theirs, key=lambda name: theirs[name]["median"]["work_s"])
    # Of the same round, so of the same state of the machine.
    rounds = [peer["work_s"] / run["work_s"]
              for peer, run in zip(theirs[against]["runs"], mine["runs"])]
    value = theirs[against]["median"]["work_s"] / mine["median"]["work_s"]
    return verdict | {"at": against, "value": value, "least": min(rounds),
                      "greatest": max(rounds), "met": value >= wanted}


def memory(measured, ours):
    """The greatest single run counts: a limit is a limit."""
    verdict = {"target": f"memory ≤ {MEMORY_MIB} MiB", "unit": "{:.0f} MiB", "wanted": MEMORY_MIB}
    return verdict | worst(measured, ours, "rss_mib", 1, max, MEMORY_MIB)


def first_byte(measured, ours):
    verdict = {"target": f"first byte ≤ {FIRST_BYTE_MS} ms", "unit": "{:.1f} ms",
               "wanted": FIRST_BYTE_MS}
    return verdict | worst(measured, ours, "first_byte_s", 1000, statistics.median, FIRST_BYTE_MS)


def worst(measured, ours, key, scale, of_runs, wanted):
    """The export that is worst, by what `of_runs` makes of its runs."""
    found, span = [], []
    for task in EXPORTS:
        row = measured.get((task, ours))
        if row:
            runs = [run[key] * scale for run in row["runs"]]
            found.append((of_runs(runs), task))
            span += runs
    if not found:
        return {"contestant": ours, "at": None, "value": None}
    value, task = max(found)
    return {"contestant": ours, "at": task, "value": value, "least": min(span),
            "greatest": max(span), "met": value <= wanted}


def cells(verdicts):
    """As a table: what was wanted, what it came to, in which span the rounds lie."""
    yield ["target", "contestant", "at", "measured", "rounds", "verdict"]
    yield ["---", "---", "---", "---:", "---:", "---"]
    for of in verdicts:
        if of["value"] is None:
            yield [of["target"], of["contestant"], "–", "–", "–", "not measured"]
            continue
        value, least, greatest = (of["unit"].format(of[key])
                                  for key in ("value", "least", "greatest"))
        by = abs(of["value"] / of["wanted"] - 1) * 100
        verdict = f"{'met' if of['met'] else 'missed'} by {by:.0f} %"
        yield [of["target"], of["contestant"], of["at"], value, f"{least} – {greatest}", verdict]
