"""auditlake, in the two ways that an export leaves it: to a file, and over HTTP."""

import json
import re
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from urllib.parse import urlencode

from contestants import TASKS
from processes import Failed, cpu_s, deadline, end, forget_peak, peak_mib

FETCH = Path(__file__).with_name("fetch.py")
START_S = 60
# What chunks add to a body, at most; a body that is longer is not the one that was counted.
FRAMING = 0.01


class Cli:
    name = "auditlake"
    tasks = TASKS

    def __init__(self, bench):
        self.bench, self.version = bench, None

    def start(self):
        self.version = self.ours("--version")[0].split()[-1]

    def stop(self):
        pass  # each run is a process that ends

    def ours(self, *command):
        return self.bench.processes.run([self.bench.given.auditlake, *command])

    def run(self, task, out):
        if task == "ingest":
            return self.ingest()
        command = self.bench.lake.export(task, out.suffix[1:])
        took = self.bench.processes.run([*command, "-o", out])[1]
        rows, size = self.bench.count(out), out.stat().st_size
        # Of a process of its own: a file has no first byte that anybody waits for.
        first = self.bench.processes.first_byte(command)
        return took | {"work_s": took["wall_s"], "first_byte_s": first}, rows, size

    def ingest(self):
        fresh = self.bench.fresh_lake
        took = self.ours("import", self.bench.input, "--lake", fresh)[1]
        status = json.loads(self.ours("status", "--json", "--lake", fresh)[0])
        rows, size = status["events"] - status["hot_events"], status["segment_bytes"]
        return took | {"work_s": took["wall_s"]}, rows, size


class Http:
    """A server on loopback that runs all the time, and a client that throws away what it gets."""

    name = "auditlake-http"
    tasks = [task for task in TASKS if task != "ingest"]

    def __init__(self, bench):
        self.bench, self.version = bench, None
        self.process, self.counted = None, {}

    def start(self):
        given, lake = self.bench.given, self.bench.lake
        self.version = self.bench.processes.run([given.auditlake, "--version"])[0].split()[-1]
        with open(given.work / "serve.log", "w") as log:
            self.process = self.bench.processes.start(
                [given.auditlake, "serve", "--lake", lake.folder, "--listen", "127.0.0.1:0"],
                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=log, text=True)
        with deadline(self.process, START_S):
            self.port = self.listening()
        if not lake.key_file.exists():
            raise Failed(f"its key was shown before, but is not in {lake.key_file.name}")
        self.key = lake.key_file.read_text()
        self.wait_ready()

    def listening(self):
        """Reads what the server prints at its start, up to the port."""
        for line in self.process.stdout:
            if key := re.search(r"alk_\w+", line):
                self.bench.lake.key_file.write_text(key[0])
                self.bench.lake.key_file.chmod(0o600)
            if port := re.search(r"http://127\.0\.0\.1:(\d+)", line):
                return int(port[1])
        raise Failed("the server did not start; serve.log says why")

    def wait_ready(self):
        request = b"GET /readyz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
        until = time.monotonic() + START_S
        while time.monotonic() < until:
            with socket.create_connection(("127.0.0.1", self.port), START_S) as connection:
                connection.sendall(request)
                if b" 200 " in connection.recv(64):
                    return
            time.sleep(0.05)
        raise Failed("the server is not ready; serve.log says why")

    def stop(self):
        if self.process:
            end(self.process, signal.SIGTERM)
            self.process.stdout.close()

    def run(self, task, out):
        format = out.suffix[1:]
        filter = self.bench.lake.parameters(task)
        path = "/v1/events/export?" + urlencode({"format": format} | filter)
        if task not in self.counted:
            # What goes to nowhere cannot be counted; so once, outside the clock, to a file.
            self.fetch(path, out)
            self.counted[task] = self.bench.count(out), out.stat().st_size
            out.unlink()
        rows, size = self.counted[task]
        pid = self.process.pid
        forget_peak(pid)
        before = cpu_s(pid)
        answer, wall = self.fetch(path)
        took = {"wall_s": wall, "cpu_s": cpu_s(pid) - before, "rss_mib": peak_mib(pid)}
        if not size <= answer["bytes"] <= size * (1 + FRAMING) + 1000:
            raise Failed(f"{answer['bytes']} bytes with chunk heads, {size} bytes in a file")
        took |= {"work_s": answer["seconds"], "first_byte_s": answer["first_byte_s"]}
        return took, rows, size

    def fetch(self, path, *out):
        command = [sys.executable, FETCH, self.port, path, *out]
        text, took = self.bench.processes.run(command, self.key)
        return json.loads(text), took["wall_s"]
