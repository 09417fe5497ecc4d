"""Whether the memory of an export depends on its size: the same exports of ever larger lakes."""

import shutil
import statistics
import sys

import lake
from processes import Failed
from targets import MEMORY_MIB

FORMATS = ["csv", "ndjson", "parquet"]
# How far the peaks of a format may lie from their middle, whatever the size.
SPREAD = 0.10
# Generous: the lake, and what quickstart exports of it.
DISK_BYTES_PER_EVENT = 1800


def measure(given, processes):
    """Peaks of resident memory by size and format, of our command line, to nowhere."""
    peaks = []
    for events in given.memory:
        folder = given.work / "memory-lake"
        remove(folder)
        if shutil.disk_usage(given.work).free < events * DISK_BYTES_PER_EVENT:
            raise Failed(f"{events:,} events need more disk than {given.work} has")
        try:
            lake.make(processes, given.auditlake, events, folder)
            for format in FORMATS:
                command = [given.auditlake, "export", "--lake", folder, "--format", format]
                runs = [processes.run(command, discard=True)[1] for _ in range(given.runs)]
                peaks.append({"events": events, "format": format, "runs": runs,
                              "rss_mib": statistics.median(run["rss_mib"] for run in runs)})
            print(f"memory: {events:,} events done", file=sys.stderr)
        finally:
            remove(folder)
    return peaks


def remove(folder):
    if folder.exists():
        shutil.rmtree(folder)


def spread(peaks, format):
    """How far the farthest median lies from the middle of the least and the greatest."""
    medians = [peak["rss_mib"] for peak in peaks if peak["format"] == format]
    return (max(medians) - min(medians)) / (max(medians) + min(medians))


def cells(peaks):
    sizes = list(dict.fromkeys(peak["events"] for peak in peaks))
    # All span the same quarter: what grows with the lake are its days.
    density = lambda size: f"{size / lake.QUARTER_DAYS:,.0f} a day"
    yield ["export", *(f"{size:,} events, {density(size)}" for size in sizes), "spread"]
    yield ["---"] + ["---:"] * (len(sizes) + 1)
    for format in FORMATS:
        row = [format]
        for size in sizes:
            runs = [run["rss_mib"] for peak in peaks for run in peak["runs"]
                    if (peak["events"], peak["format"]) == (size, format)]
            row.append(f"{statistics.median(runs):.0f} MiB ({min(runs):.0f} – {max(runs):.0f})")
        yield row + [f"± {spread(peaks, format) * 100:.1f} %"]


def verdict(peaks):
    greatest = max(run["rss_mib"] for peak in peaks for run in peak["runs"])
    widest = max(FORMATS, key=lambda format: spread(peaks, format))
    by = spread(peaks, widest)
    says = lambda met: "met" if met else "missed"
    return (f"Peaks within ± {SPREAD * 100:.0f} % at any size: {says(by <= SPREAD)} "
            f"(± {by * 100:.1f} %, {widest}).\n"
            f"At most {MEMORY_MIB} MiB: {says(greatest <= MEMORY_MIB)} ({greatest:.0f} MiB).")
