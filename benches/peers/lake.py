"""The lake that everybody reads, and what has to come out of it."""

import glob
import json
import os
import shutil
import sys

from contestants import TASKS
from library import work

# The sample's quarter begins on 2026-01-01; this is a whole week in the middle of it.
WEEK = {"from": "2026-02-02T00:00:00+00:00", "to": "2026-02-09T00:00:00+00:00"}
# Where the quarter ends.
QUARTER_END = "2026-04-01T00:00:00+00:00"
QUARTER_DAYS = 90
TYPE_PREFIX = "data."
TUNING = "[tuning]\nremoval_grace_ms = 0\n"


def make(processes, auditlake, events, folder):
    """A lake of so many sample events, without the exports that quickstart makes of them."""
    print(f"making a lake of {events:,} events …", file=sys.stderr)
    processes.run([auditlake, "quickstart", "--events", events, "--no-serve", "--lake", folder])
    shutil.rmtree(folder / "exports" / "quickstart", ignore_errors=True)


class Lake:
    def __init__(self, given, processes):
        self.events, self.processes = given.events, processes
        self.work, self.auditlake = given.work, given.auditlake
        self.folder = given.work / "lake"
        # Shown once, by the first server on the lake.
        self.key_file = given.work / "lake.key"

    def prepare(self):
        """Makes the lake, or takes the one that is there, and says how many rows a task has."""
        stamp, wanted = self.work / "lake.json", {"events": self.events}
        if not (stamp.exists() and json.loads(stamp.read_text()) == wanted):
            if self.folder.exists():
                sys.exit(f"{self.folder} does not have {self.events} events; remove it first")
            self.key_file.unlink(missing_ok=True)
            make(self.processes, self.auditlake, self.events, self.folder)
            # Segments that were merged stay for a while, and a peer would read them twice.
            tuning = self.work / "compact.toml"
            tuning.write_text(TUNING)
            self.processes.run([self.auditlake, "compact", "--config", tuning,
                                "--lake", self.folder])
            stamp.write_text(json.dumps(wanted))
        # Once, before a server adds events of its own: everybody reads the same files.
        self.files = self.segments()
        rows = self.rows_of(self.files)
        if rows != self.events:
            sys.exit(f"the segments have {rows} rows, not {self.events}")
        tenant = self.ask("largest tenant", files=self.files)
        self.filter = WEEK | {"tenant": tenant, "type_prefix": TYPE_PREFIX}
        wanted = self.ask("filtered", files=self.files, filter=self.filter)
        self.expected = dict.fromkeys(TASKS, self.events) | {"filtered": wanted}
        self.bytes = sum(os.path.getsize(file) for file in self.files)
        size = f"{len(self.files)} files, {self.bytes / 1e6:.0f} MB"
        print(f"{self.events:,} events in {size}; filtered: {wanted:,} of {tenant}",
              file=sys.stderr)

    def segments(self):
        """The files of the sample's quarter."""
        # Servers of calls before have left events of their own, in segments of the days they ran.
        end = f"day={QUARTER_END[:10]}"  # names of days compare as text
        files = glob.glob(str(self.folder / "events" / "day=*" / "*.parquet"))
        return sorted(file for file in files if os.path.basename(os.path.dirname(file)) < end)

    def rows_of(self, files):
        """The rows of Parquet files, as somebody else reads them."""
        return self.ask("rows", files=[str(file) for file in files])

    def ask(self, question, **job):
        """What somebody who is no contestant finds in Parquet files."""
        return work(self.processes, "pyarrow", question, **job)[0]["answer"]

    def parameters(self, task):
        """What a task asks of us, as the API and the command line name it. Exports over HTTP are
        events of the lake themselves; the end of the sample's quarter leaves them out."""
        if task != "filtered":
            return {"to": QUARTER_END}
        wanted = self.filter
        return {"from": wanted["from"], "to": wanted["to"], "tenant_id": wanted["tenant"],
                "type": wanted["type_prefix"] + "*"}

    def export(self, task, format):
        """The command that exports what a task asks for."""
        flags = [part for name, value in self.parameters(task).items()
                 for part in ("--" + name.replace("_", "-"), value)]
        return [self.auditlake, "export", "--lake", self.folder, "--format", format, *flags]
