"""A peer that is a Python library: each run is a process of contestants.py."""

import json
import sys
from pathlib import Path

from contestants import MISSING, TASKS

SCRIPT = Path(__file__).with_name("contestants.py")


def work(processes, peer, task, **job):
    """One task by one library; answers what it said, and what it took."""
    command = [sys.executable, SCRIPT, peer, task]
    text, took = processes.run(command, json.dumps(job), unable=MISSING)
    answer = json.loads(text.splitlines()[-1])
    # The peer's clock: without the start of the interpreter and the library.
    return answer, took | {"work_s": answer["seconds"]}


class Library:
    tasks = TASKS

    def __init__(self, name, bench):
        self.name, self.bench, self.version = name, bench, None

    def start(self):
        pass  # each run starts a process of its own

    def stop(self):
        pass

    def run(self, task, out):
        lake = self.bench.lake
        job = {"threads": self.bench.given.threads, "files": lake.files,
               "filter": lake.filter, "out": str(out), "input": str(self.bench.input)}
        answer, took = work(self.bench.processes, self.name, task, **job)
        self.version = answer["version"]
        return took, self.bench.count(out), out.stat().st_size
