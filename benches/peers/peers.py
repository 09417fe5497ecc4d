#!/usr/bin/env python3
"""auditlake beside DuckDB, Polars, ClickHouse (chdb) and PostgreSQL, side by side on one lake.

Contestants take turns on the same processors, round by round, and the rows of each output are
counted. See ../README.md for what is and what is not equal. Nothing but the standard library is
loaded here: a child's peak memory is never less than that of the process it was started from.
"""

import argparse
import os
import shutil
import signal
import statistics
import sys
import tempfile
from pathlib import Path

import contestants
import memory
import report
from contestants import TASKS
from lake import Lake
from library import Library
from ours import Cli, Http
from postgres import Postgres
from processes import Failed, Processes, Unable
from targets import OURS

LIBRARIES = ["duckdb", "polars", "clickhouse"]
PEERS = [*LIBRARIES, Postgres.name]
# Generous: a line of a peer's NDJSON, with its nulls, and the input of the ingest.
SCRATCH_BYTES_PER_EVENT = 2500
SUFFIXES = {"ndjson": "ndjson", "parquet": "parquet", "ingest": "parquet"}


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--auditlake", required=True, type=Path, help="the binary (--release)")
    parser.add_argument("--events", type=int, default=1_000_000)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2, help="threads and processors for each")
    parser.add_argument("--work", required=True, type=Path, help="a folder on disk; keeps the lake")
    parser.add_argument("--tasks", nargs="*", choices=TASKS, default=TASKS)
    parser.add_argument("--peers", nargs="*", choices=PEERS, default=PEERS)
    parser.add_argument("--memory", nargs="*", type=int, default=[], metavar="EVENTS",
                        help="also: our exports of lakes of these sizes, and the peak of each")
    parser.add_argument("--timeout", type=int, default=1800, help="seconds that one run may take")
    parser.add_argument("--json", type=Path, help="where every single run is written to")
    parser.add_argument("--report", type=Path, help="where the tables are written to, as Markdown")
    given = parser.parse_args()
    for name in ("auditlake", "work", "json", "report"):
        path = getattr(given, name)
        setattr(given, name, path and path.resolve())
    for path in (given.json, given.report):
        if path and not path.parent.is_dir():
            parser.error(f"there is no folder {path.parent}")  # now, not after hours
    return given


class Bench:
    """What the contestants share, and their turns."""

    def __init__(self, given, processes):
        self.given, self.processes = given, processes
        self.lake = Lake(given, processes)
        self.fresh_lake = given.work / "ingest-lake"
        self.scratch_parent = scratch_parent(given)
        peers = [Postgres(self) if name == Postgres.name else Library(name, self)
                 for name in given.peers]
        self.field, self.absent = [Cli(self), Http(self), *peers], {}

    def run(self):
        """Every task; answers a row for each contestant of each."""
        self.lake.prepare()
        with tempfile.TemporaryDirectory(prefix="auditlake-peers-",
                                         dir=self.scratch_parent) as scratch:
            self.scratch = Path(scratch)
            self.input = self.scratch / "in.ndjson"
            # A server that runs as somebody else reads and writes files in it, by their names.
            self.scratch.chmod(0o711)
            try:
                self.start()
                return [row for task in self.given.tasks for row in self.task(task)]
            finally:
                for contestant in self.field:
                    contestant.stop()

    def start(self):
        for contestant in self.field:
            try:
                contestant.start()
            except Failed as reason:
                self.absent[contestant.name] = reason
                print(f"{contestant.name}: {reason}", file=sys.stderr)

    def task(self, task):
        """All rounds of a task: the contestants take turns, each round begun by another."""
        if task == "ingest":
            names = ",".join(contestants.columns())
            self.processes.run([*self.lake.export(task, "ndjson"),
                                "--columns", names, "-o", self.input])
        field = [contestant for contestant in self.field if task in contestant.tasks]
        runs, failed = {contestant.name: [] for contestant in field}, dict(self.absent)
        for number in range(self.given.runs):
            turn = number % len(field)
            for contestant in field[turn:] + field[:turn]:
                name = contestant.name
                if name in failed:
                    continue
                try:
                    runs[name].append(self.measure(contestant, task))
                except Failed as reason:
                    failed[name] = reason
                    print(f"{task}: {name}: {reason}", file=sys.stderr)
            print(f"{task}: round {number + 1} of {self.given.runs}", file=sys.stderr)
        remove(self.input)
        return [self.summary(task, contestant, runs[contestant.name],
                             failed.get(contestant.name)) for contestant in field]

    def measure(self, contestant, task):
        """One run; answers what it took, after its output was counted."""
        folder = self.given.work if task == "ingest" else self.scratch
        out = folder / f"out.{SUFFIXES.get(task, 'csv')}"
        remove(out, self.fresh_lake)
        os.sync()  # nobody pays for what the one before left to be written
        try:
            took, rows, size = contestant.run(task, out)
            if rows != self.lake.expected[task]:
                raise Failed(f"{rows} rows instead of {self.lake.expected[task]}")
        finally:
            remove(out, self.fresh_lake)
        return took | {"bytes": size}

    def summary(self, task, contestant, runs, failed):
        prefix = "" if isinstance(failed, Unable) else "failed: "
        row = {"task": task, "contestant": contestant.name, "version": contestant.version,
               "rows": self.lake.expected[task], "runs": runs,
               "failed": failed and f"{prefix}{failed}"}
        if runs and not failed:
            row["median"] = {key: statistics.median(run[key] for run in runs) for key in runs[0]}
        return row

    def count(self, path):
        """The rows of an output."""
        if path.suffix == ".parquet":
            return self.lake.rows_of([path])
        return count_lines(path) - (path.suffix == ".csv")  # the header is no event

    def versions(self):
        return {contestant.name: contestant.version for contestant in self.field}


def remove(*paths):
    for path in paths:
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)


# Every byte but a quote and a line end.
NEITHER = bytes(byte for byte in range(256) if byte not in b'"\n')


def count_lines(path):
    """Line ends that end a row: those between quotes of a CSV cell do not."""
    is_csv, lines, quoted = str(path).endswith(".csv"), 0, False
    with open(path, "rb", buffering=0) as file:
        while block := file.read(1 << 20):
            if not is_csv:
                lines += block.count(b"\n")
                continue
            # Two quotes with no line end between them change nothing.
            for part in block.translate(None, NEITHER).replace(b'""', b"").split(b'"'):
                lines += 0 if quoted else part.count(b"\n")
                quoted = not quoted
            quoted = not quoted  # the block's end is no quote
    return lines


def scratch_parent(given):
    """Memory when it has room, so that no disk is measured; else the work folder."""
    memory, wanted = Path("/dev/shm"), given.events * SCRATCH_BYTES_PER_EVENT
    if memory.is_dir() and shutil.disk_usage(memory).free > wanted:
        return memory
    print("outputs go to disk: too little room in memory", file=sys.stderr)
    return given.work


def main():
    given = arguments()
    # Servers that were started have to be stopped, whoever ends this.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("asked to end"))
    given.work.mkdir(parents=True, exist_ok=True)
    processes = Processes(given.work, given.threads, given.timeout)
    if len(processes.processors) < given.threads:
        print(f"only {len(processes.processors)} processors for {given.threads} threads",
              file=sys.stderr)
    bench, peaks, failed = Bench(given, processes), [], None
    try:
        rows = bench.run() if given.tasks else []
    except Failed as reason:
        sys.exit(f"cannot prepare: {reason}")
    if any(row["contestant"] in OURS and row["failed"] for row in rows):
        failed = "a run of auditlake failed"
    try:
        peaks = memory.measure(given, processes) if given.memory else []
    except Failed as reason:
        failed = f"memory: {reason}"  # the tasks have their figures all the same
    report.write(report.facts(bench, rows, peaks), given.json, given.report)
    sys.exit(failed)


if __name__ == "__main__":
    main()
