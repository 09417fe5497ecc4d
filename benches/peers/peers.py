#!/usr/bin/env python3
"""auditlake beside DuckDB, Polars and ClickHouse (chdb), side by side on the same Parquet files.

Every run is a process of its own on the same processors, whose time and memory the kernel counts;
contestants take turns, round by round, and each output's rows are counted. See ../README.md for
what is and what is not equal. Nothing but the standard library is loaded here: a child's peak
memory is never less than that of the process it was started from.
"""

import argparse
import glob
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import contestants

OURS = "auditlake"
PEERS = ["duckdb", "polars", "clickhouse"]
TASKS = ["csv", "ndjson", "parquet", "filtered", "ingest"]
# The sample's quarter begins on 2026-01-01; this is a whole week in the middle of it.
WEEK = {"from": "2026-02-02T00:00:00+00:00", "to": "2026-02-09T00:00:00+00:00"}
TYPE_PREFIX = "data."
# Generous: a line of a peer's NDJSON, with its nulls, and the input of the ingest.
SCRATCH_BYTES_PER_EVENT = 2500
TUNING = "[tuning]\nremoval_grace_ms = 0\n"


class Failed(Exception):
    """A run that gave no result, and why."""


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--auditlake", required=True, type=Path, help="the binary (--release)")
    parser.add_argument("--events", type=int, default=1_000_000)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2, help="threads and processors for each")
    parser.add_argument("--work", required=True, type=Path, help="a folder on disk; keeps the lake")
    parser.add_argument("--tasks", nargs="+", choices=TASKS, default=TASKS)
    parser.add_argument("--peers", nargs="*", choices=PEERS, default=PEERS)
    parser.add_argument("--timeout", type=int, default=1800, help="seconds that one run may take")
    parser.add_argument("--json", type=Path, help="where every single run is written to")
    given = parser.parse_args()
    given.auditlake, given.work = given.auditlake.resolve(), given.work.resolve()
    given.json = given.json and given.json.resolve()
    return given


class Bench:
    def __init__(self, given):
        self.given = given
        self.lake = given.work / "lake"
        self.versions = {}
        available = sorted(os.sched_getaffinity(0))
        if len(available) < given.threads:
            print(f"only {len(available)} processors for {given.threads} threads", file=sys.stderr)
        # Children inherit it: nobody gets more than the others.
        os.sched_setaffinity(0, available[: given.threads])
        self.environment = {
            name: value for name, value in os.environ.items() if not name.startswith("AUDITLAKE_")
        } | {
            "AUDITLAKE_LOG": "warn",
            "POLARS_MAX_THREADS": str(given.threads),
            "TOKIO_WORKER_THREADS": str(given.threads),
        }

    # Processes

    def run(self, command, stdin=""):
        """Runs a process to its end; answers its output and what it took."""
        with tempfile.TemporaryFile() as taken, tempfile.TemporaryFile() as out, \
                tempfile.TemporaryFile() as err:
            taken.write(stdin.encode())
            taken.seek(0)
            started = time.perf_counter()
            process = subprocess.Popen([str(part) for part in command], stdin=taken, stdout=out,
                                       stderr=err, cwd=self.given.work, env=self.environment)
            late = threading.Timer(self.given.timeout, process.kill)
            late.start()
            _, status, usage = os.wait4(process.pid, 0)
            wall = time.perf_counter() - started
            # wait4 has reaped it; the object must not try to.
            process.returncode = code = os.waitstatus_to_exitcode(status)
            timed_out = not late.is_alive()
            late.cancel()
            out.seek(0)
            err.seek(0)
            text, complaint = out.read().decode(), err.read().decode(errors="replace").strip()
        if code != 0:
            raise Failed(self.reason(code, complaint, timed_out))
        cpu = usage.ru_utime + usage.ru_stime
        return text, {"wall_s": wall, "cpu_s": cpu, "rss_mib": usage.ru_maxrss / 1024}

    def reason(self, code, complaint, timed_out):
        last = complaint.splitlines()[-1][:160] if complaint else "it said nothing"
        if timed_out:
            return f"no end within {self.given.timeout} s"
        if code == -9:
            return "killed (out of memory?)"
        return f"signal {-code}: {last}" if code < 0 else last

    def ours(self, *command):
        return self.run([self.given.auditlake, *command])

    def worker(self, peer, task, **job):
        script = Path(__file__).with_name("contestants.py")
        text, took = self.run([sys.executable, script, peer, task], json.dumps(job))
        answer = json.loads(text.splitlines()[-1])
        self.versions[peer] = answer["version"]
        # The peer's clock: without the start of the interpreter and the library.
        return answer["answer"], took | {"work_s": answer["seconds"]}

    # The lake

    def prepare(self):
        self.given.work.mkdir(parents=True, exist_ok=True)
        self.versions[OURS] = self.ours("--version")[0].split()[-1]
        stamp, wanted = self.given.work / "lake.json", {"events": self.given.events}
        if not (stamp.exists() and json.loads(stamp.read_text()) == wanted):
            if self.lake.exists():
                sys.exit(f"{self.lake} does not have {self.given.events} events; remove it first")
            print(f"making a lake of {self.given.events:,} events …", file=sys.stderr)
            self.ours("quickstart", "--events", self.given.events, "--no-serve",
                      "--lake", self.lake)
            shutil.rmtree(self.lake / "exports" / "quickstart", ignore_errors=True)
            # Segments that were merged stay for a while, and a peer would read them twice.
            tuning = self.given.work / "compact.toml"
            tuning.write_text(TUNING)
            self.ours("compact", "--config", tuning, "--lake", self.lake)
            stamp.write_text(json.dumps(wanted))
        self.glob = str(self.lake / "events" / "**" / "*.parquet")
        self.files = sorted(glob.glob(self.glob, recursive=True))
        rows = self.rows_of(self.files)
        if rows != self.given.events:
            sys.exit(f"the segments have {rows} rows, not {self.given.events}")
        tenant, _ = self.worker("pyarrow", "largest tenant", files=self.files)
        self.filter = WEEK | {"tenant": tenant, "type_prefix": TYPE_PREFIX}
        wanted, _ = self.worker("pyarrow", "filtered", files=self.files, filter=self.filter)
        self.expected = dict.fromkeys(TASKS, self.given.events) | {"filtered": wanted}
        self.bytes = sum(os.path.getsize(file) for file in self.files)
        size = f"{len(self.files)} files, {self.bytes / 1e6:.0f} MB"
        print(f"{self.given.events:,} events in {size}; filtered: {wanted:,} of {tenant}",
              file=sys.stderr)

    def rows_of(self, files):
        return self.worker("pyarrow", "rows", files=[str(file) for file in files])[0]

    # Runs

    def measure(self, contestant, task, scratch):
        """One run; answers what it took, after its output was counted."""
        folder = self.given.work if task == "ingest" else scratch
        suffix = {"ndjson": "ndjson", "parquet": "parquet", "ingest": "parquet"}.get(task, "csv")
        out = folder / f"out.{suffix}"
        fresh = self.given.work / "ingest-lake"
        remove(out, fresh)
        os.sync()  # nobody pays for what the one before left to be written
        try:
            if contestant != OURS:
                job = {"threads": self.given.threads, "files": self.files, "glob": self.glob,
                       "filter": self.filter, "out": str(out), "input": str(scratch / "in.ndjson")}
                took = self.worker(contestant, task, **job)[1]
            elif task == "ingest":
                took = self.ours("import", scratch / "in.ndjson", "--lake", fresh)[1]
            else:
                flags = self.filter_flags() if task == "filtered" else []
                took = self.ours("export", "--lake", self.lake, "--format", suffix, *flags,
                                 "-o", out)[1]
            rows, size = self.result(contestant, task, out, fresh)
            if rows != self.expected[task]:
                raise Failed(f"{rows} rows instead of {self.expected[task]}")
        finally:
            remove(out, fresh)
        return {"work_s": took["wall_s"]} | took | {"bytes": size}

    def filter_flags(self):
        wanted = self.filter
        return ["--from", wanted["from"], "--to", wanted["to"], "--tenant-id", wanted["tenant"],
                "--type", wanted["type_prefix"] + "*"]

    def result(self, contestant, task, out, fresh):
        if task == "ingest" and contestant == OURS:
            status = json.loads(self.ours("status", "--json", "--lake", fresh)[0])
            return status["events"] - status["hot_events"], status["segment_bytes"]
        size = out.stat().st_size
        if out.suffix == ".parquet":
            return self.rows_of([out]), size
        return count_lines(out) - (out.suffix == ".csv"), size  # the header is no event

    def task(self, task, scratch):
        """All rounds of a task: the contestants take turns, each round begun by another."""
        if task == "ingest":
            names = ",".join(contestants.columns())
            self.ours("export", "--lake", self.lake, "--format", "ndjson", "--columns", names,
                      "-o", scratch / "in.ndjson")
        field = [OURS, *self.given.peers]
        runs, failed = {name: [] for name in field}, {}
        for number in range(self.given.runs):
            turn = number % len(field)
            for name in field[turn:] + field[:turn]:
                if name in failed:
                    continue
                try:
                    runs[name].append(self.measure(name, task, scratch))
                except Failed as reason:
                    failed[name] = str(reason)
                    print(f"{task}: {name} failed: {reason}", file=sys.stderr)
            print(f"{task}: round {number + 1} of {self.given.runs}", file=sys.stderr)
        remove(scratch / "in.ndjson")
        return [self.summary(task, name, runs[name], failed.get(name)) for name in field]

    def summary(self, task, name, runs, failed):
        row = {"task": task, "contestant": name, "version": self.versions.get(name),
               "rows": self.expected[task], "failed": failed, "runs": runs}
        if runs and not failed:
            row["median"] = {key: statistics.median(run[key] for run in runs) for key in runs[0]}
        return row


def remove(*paths):
    for path in paths:
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)


def count_lines(path):
    """Line ends that end a row: those between quotes of a CSV cell do not."""
    is_csv, lines, quoted = str(path).endswith(".csv"), 0, False
    with open(path, "rb", buffering=0) as file:
        while block := file.read(1 << 20):
            if not is_csv:
                lines += block.count(b"\n")
                continue
            for part in block.split(b'"'):
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


def table(rows):
    head = ["task", "contestant", "time", "× ours", "process", "cpu", "memory", "output"]
    lines = [head, ["---"] * 2 + ["---:"] * 6]
    ours = {row["task"]: row["median"]["work_s"] for row in rows
            if row["contestant"] == OURS and "median" in row}
    for row in rows:
        name = f"{row['contestant']} {row['version'] or ''}".strip()
        if "median" not in row:
            lines.append([row["task"], name, f"failed: {row['failed']}"] + [""] * 5)
            continue
        of = row["median"]
        ratio = f"{of['work_s'] / ours[row['task']]:.2f}" if row["task"] in ours else "–"
        lines.append([row["task"], name, f"{of['work_s']:.2f} s", ratio, f"{of['wall_s']:.2f} s",
                      f"{of['cpu_s']:.2f} s", f"{of['rss_mib']:.0f} MiB",
                      f"{of['bytes'] / 1e6:.1f} MB"])
    widths = [max(len(line[column]) for line in lines) for column in range(len(head))]
    for line in lines:
        cells = (cell.ljust(width) for cell, width in zip(line, widths))
        print("| " + " | ".join(cells) + " |")


def main():
    given = arguments()
    bench = Bench(given)
    try:
        bench.prepare()
    except Failed as reason:
        sys.exit(f"cannot prepare: {reason}")
    parent = scratch_parent(given)
    with tempfile.TemporaryDirectory(prefix="auditlake-peers-", dir=parent) as scratch:
        rows = [row for task in given.tasks for row in bench.task(task, Path(scratch))]
    table(rows)
    if given.json:
        facts = {"events": given.events, "threads": given.threads, "runs": given.runs,
                 "files": len(bench.files), "bytes": bench.bytes, "filter": bench.filter,
                 "machine": platform.machine(), "scratch": str(parent),
                 "results": rows}
        given.json.write_text(json.dumps(facts, indent=1) + "\n")
    if any(row["contestant"] == OURS and row["failed"] for row in rows):
        sys.exit("a run of auditlake failed")


if __name__ == "__main__":
    main()
