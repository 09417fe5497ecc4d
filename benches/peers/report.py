"""What a run is told in: tables for people, and all of it as JSON."""

import json
import os
import platform
import shlex
import sys
import time
from pathlib import Path

import memory
import targets

ROOT = Path(__file__).resolve().parents[2]
COLUMNS = ["task", "contestant", "time", "× ours", "process", "first byte", "cpu", "memory",
           "output"]


def machine(processors):
    model = next((value for value in read("/proc/cpuinfo", "model name")), platform.machine())
    memory_kib = int(next(read("/proc/meminfo", "MemTotal")).split()[0])
    return {"cpu": model, "processors": os.cpu_count(), "used": len(processors),
            "memory_gib": round(memory_kib / (1 << 20), 1),
            "kernel": f"{platform.system()} {platform.release()}",
            "python": platform.python_version()}


def read(path, wanted):
    with open(path) as file:
        for line in file:
            name, _, value = line.partition(":")
            if name.strip() == wanted:
                yield value.strip()


def command():
    """How to run it again, from the root of the repository."""
    words = [word.removeprefix(f"{ROOT}/") for word in sys.argv[1:]]
    return shlex.join(["python", "benches/peers/peers.py", *words])


def facts(bench, rows, peaks):
    given, lake = bench.given, bench.lake
    told = {"date": time.strftime("%Y-%m-%d", time.gmtime()), "command": command(),
            "machine": machine(bench.processes.processors), "threads": given.threads,
            "runs": given.runs, "scratch": str(bench.scratch_parent)}
    if rows:
        told |= {"events": given.events, "files": len(lake.files), "bytes": lake.bytes,
                 "filter": lake.filter, "versions": bench.versions(), "results": rows,
                 "targets": targets.judge(rows)}
    if peaks:
        told["memory"] = peaks
    return told


def tables(told):
    parts = []
    if "results" in told:
        parts += [aligned(results(told["results"])), "## Targets",
                  aligned(targets.cells(told["targets"])),
                  "What planning over 100,000 segments takes is not measured here."]
    if "memory" in told:
        parts += ["## Memory and size", aligned(memory.cells(told["memory"])),
                  memory.verdict(told["memory"])]
    return "\n\n".join(parts) + "\n"


def markdown(told):
    of = told["machine"]
    used = f"{of['used']} of {of['processors']} processors"
    facts = [
        f"- date: {told['date']}",
        f"- machine: {of['cpu']}, {used}, {of['memory_gib']} GiB, {of['kernel']}",
        f"- outputs in: {told['scratch']}",
        f"- command: `{told['command']}`",
    ]
    if "results" in told:
        versions = ", ".join(f"{name} {of}" for name, of in told["versions"].items() if of)
        lake = f"{told['events']:,} events, {told['files']} files, {told['bytes'] / 1e6:.0f} MB"
        facts += [f"- versions: {versions}, Python {of['python']}", f"- lake: {lake}",
                  f"- figures: medians of {told['runs']} rounds, {told['threads']} threads"]
    title = "# auditlake beside other engines" if "results" in told else "# auditlake's memory"
    return "\n\n".join([title, "\n".join(facts), tables(told)])


def write(told, json_file, report_file):
    print(tables(told), end="")
    if json_file:
        json_file.write_text(json.dumps(told, indent=1, ensure_ascii=False) + "\n")
    if report_file:
        report_file.write_text(markdown(told))


def results(rows):
    yield COLUMNS
    yield ["---"] * 2 + ["---:"] * (len(COLUMNS) - 2)
    ours = {row["task"]: row["median"]["work_s"] for row in rows
            if row["contestant"] == targets.OURS[0] and "median" in row}
    for row in rows:
        name = f"{row['contestant']} {row['version'] or ''}".strip()
        if "median" not in row:
            yield [row["task"], name, row["failed"]] + [""] * (len(COLUMNS) - 3)
            continue
        of = row["median"]
        ratio = f"{of['work_s'] / ours[row['task']]:.2f}" if row["task"] in ours else "–"
        first = f"{of['first_byte_s'] * 1000:.1f} ms" if "first_byte_s" in of else "–"
        yield [row["task"], name, seconds(of["work_s"]), ratio, seconds(of["wall_s"]), first,
               seconds(of["cpu_s"]), f"{of['rss_mib']:.0f} MiB", f"{of['bytes'] / 1e6:.1f} MB"]


def seconds(value):
    """What takes milliseconds needs them to be compared."""
    return f"{value:.2f} s" if value >= 1 else f"{value:.3f} s"


def aligned(lines):
    lines = list(lines)
    widths = [max(len(line[column]) for line in lines) for column in range(len(lines[0]))]
    return "\n".join(
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(line, widths)) + " |"
        for line in lines)
