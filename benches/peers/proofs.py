"""What proofs cost: exports with one, and checking them, beside the export of the same events.

Every step is a process of its own over one lake; the steps take turns within each round, and
each round is begun by another one. The target is that checking an export, and a whole lake,
takes less than three times as long as exporting it as NDJSON.
"""

import argparse
import json
import shutil
import statistics
import sys
import time
from pathlib import Path

import lake
from processes import Processes
from report import machine

TARGET = 3.0


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n", maxsplit=1)[0])
    parser.add_argument("--auditlake", required=True, type=Path, help="the binary (--release)")
    parser.add_argument("--events", type=int, default=5_000_000)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--work", required=True, type=Path, help="a folder on disk, for the lake")
    parser.add_argument("--scratch", type=Path, default=Path("/dev/shm/auditlake-proofs"))
    parser.add_argument("--timeout", type=int, default=1800)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--report", type=Path)
    given = parser.parse_args()
    given.auditlake, given.work = given.auditlake.resolve(), given.work.resolve()
    return given


class Steps:
    def __init__(self, given, processes):
        self.given, self.processes = given, processes
        self.lake = given.work / "lake"
        self.plain = given.scratch / "plain.ndjson"
        self.proved = given.scratch / "proved.ndjson"
        self.csv = given.scratch / "proved.csv"

    def ours(self, *command):
        return self.processes.run([self.given.auditlake, *command])[1]

    def all(self):
        """Names and what they run. What is checked has been written by the step before it."""
        export = ["export", "--lake", self.lake]
        proof = ["--proof", "inclusion"]
        return {
            "export NDJSON": [*export, "-o", self.plain],
            "export NDJSON with proof": [*export, *proof, "-o", self.proved],
            "verify NDJSON": ["verify", self.proved],
            "verify CSV": ["verify", self.csv],
            "verify lake": ["verify", self.lake],
        }

    def run(self):
        if not self.lake.exists():
            lake.make(self.processes, self.given.auditlake, self.given.events, self.lake)
        export = ["export", "--lake", self.lake, "--proof", "inclusion"]
        self.ours(*export, "-o", self.proved)
        self.ours(*export, "-o", self.csv)
        steps, taken = list(self.all().items()), {}
        for round in range(self.given.runs):
            print(f"round {round + 1} of {self.given.runs}", file=sys.stderr)
            turn = round % len(steps)
            for name, command in steps[turn:] + steps[:turn]:
                taken.setdefault(name, []).append(self.ours(*command))
        return {name: taken[name] for name, _ in steps}


def rows(taken):
    base = taken["export NDJSON"]
    for name, runs in taken.items():
        wall = [run["wall_s"] for run in runs]
        ratios = [run["wall_s"] / export["wall_s"] for run, export in zip(runs, base)]
        yield {"step": name, "seconds": statistics.median(wall),
               "ratio": statistics.median(wall) / statistics.median(r["wall_s"] for r in base),
               "rounds": [min(ratios), max(ratios)],
               "cpu_s": statistics.median(run["cpu_s"] for run in runs),
               "rss_mib": statistics.median(run["rss_mib"] for run in runs), "runs": runs}


def markdown(told):
    found = told["machine"]
    lines = ["# What proofs cost", "", f"- date: {told['date']}",
             f"- machine: {found['cpu']}, {found['used']} of {found['processors']} processors, "
             f"{found['memory_gib']} GiB, {found['kernel']}",
             f"- {told['events']:,} events, medians of {told['rounds']} rounds", "",
             "| step | time | of NDJSON export | rounds | cpu | memory |",
             "| --- | ---: | ---: | ---: | ---: | ---: |"]
    for row in told["steps"]:
        least, most = row["rounds"]
        lines.append(f"| {row['step']} | {row['seconds']:.2f} s | {row['ratio']:.2f} | "
                     f"{least:.2f} – {most:.2f} | {row['cpu_s']:.2f} s | {row['rss_mib']:.0f} MiB |")
    checks = [row for row in told["steps"] if row["step"].startswith("verify")]
    lines += ["", *(f"{row['step']} below {TARGET:.0f} times the NDJSON export: "
                    f"{'met' if row['ratio'] < TARGET else 'missed'} ({row['ratio']:.2f})."
                    for row in checks)]
    return "\n".join(lines) + "\n"


def main():
    given = arguments()
    given.work.mkdir(parents=True, exist_ok=True)
    given.scratch.mkdir(parents=True, exist_ok=True)
    processes = Processes(given.work, given.threads, given.timeout)
    try:
        taken = Steps(given, processes).run()
    finally:
        shutil.rmtree(given.scratch, ignore_errors=True)
    told = {"date": time.strftime("%Y-%m-%d", time.gmtime()), "events": given.events,
            "machine": machine(processes.processors), "rounds": given.runs,
            "steps": list(rows(taken))}
    text = markdown(told)
    print(text)
    if given.report:
        given.report.write_text(text)
    if given.json:
        given.json.write_text(json.dumps(told, indent=1) + "\n")


if __name__ == "__main__":
    main()
