"""PostgreSQL: a cluster of its own, with the same events in an ordinary table.

The cluster lies beside the lake and is kept like it. Statements are timed by psql, so that
neither its start nor the connection counts; the processor time is that of all the server's
processes.
"""

import csv
import glob
import json
import os
import pwd
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from contestants import EVENT, TASKS, TIME, columns, condition, quoted
from processes import Failed, Unable, end, family_cpu_s

PROGRAMS = "/usr/lib/postgresql/*/bin/postgres"
# Nobody may run a server as root; Debian's package brings this user.
SERVANT = "postgres"
START_S = 60
TYPES = {"seq": "bigint", "occurred_at": "timestamptz", "recorded_at": "timestamptz"}
# A line as it is: quotes and separators that no JSON has in it.
LINES = r"(FORMAT csv, QUOTE e'\x01', DELIMITER e'\x02')"
PEAK = r"SELECT 'peak ' || substring(pg_read_file('/proc/self/status') FROM 'VmHWM:\s+(\d+)');"


class Postgres:
    name = "postgresql"
    tasks = TASKS

    def __init__(self, bench):
        self.bench, self.version, self.server = bench, None, None
        self.data = bench.given.work / "postgres"

    # The cluster

    def start(self):
        found = sorted(glob.glob(PROGRAMS), key=lambda path: float(path.split("/")[4]))
        if not found:
            raise Unable("not installed")
        self.programs = Path(found[-1]).parent
        self.servant = self.as_servant()
        self.sockets = tempfile.TemporaryDirectory(prefix="auditlake-peers-")
        self.hand_over(self.sockets.name)
        stamp = self.bench.given.work / "postgres.json"
        wanted = {"events": self.bench.given.events, "programs": str(self.programs)}
        loaded = stamp.exists() and json.loads(stamp.read_text()) == wanted
        if not loaded:
            stamp.unlink(missing_ok=True)
            self.make()
        self.run_server()
        self.version = self.psql("SHOW server_version;")[0].split()[0]
        if not loaded:
            self.load()
            stamp.write_text(json.dumps(wanted))

    def as_servant(self):
        if os.geteuid() != 0:
            return {}
        try:
            pwd.getpwnam(SERVANT)
        except KeyError:
            raise Unable(f"needs a user {SERVANT}, or not to be run by root") from None
        return {"user": SERVANT, "group": SERVANT, "extra_groups": []}

    def hand_over(self, path):
        if self.servant:
            shutil.chown(path, SERVANT, SERVANT)

    def make(self):
        if self.data.exists():
            shutil.rmtree(self.data)
        self.data.mkdir(mode=0o700)
        self.hand_over(self.data)
        command = [self.programs / "initdb", "-D", self.data, "-A", "trust", "-U", SERVANT,
                   "--locale=C", "--encoding=UTF8"]
        with self.bench.processes.start(command, stdout=subprocess.DEVNULL, text=True,
                                        stderr=subprocess.PIPE, **self.servant) as process:
            complaint = process.stderr.read().strip()
        if process.returncode != 0:
            raise Failed("initdb: " + (complaint.splitlines() or ["it said nothing"])[-1])

    def run_server(self):
        given = self.bench.given
        settings = {
            "listen_addresses": "", "unix_socket_directories": self.sockets.name,
            "shared_buffers": "1GB", "max_parallel_workers_per_gather": given.threads - 1,
            "timezone": "UTC", "statement_timeout": f"{given.timeout}s",
            # As on a server that takes much data; and nothing that wakes up while others run.
            "wal_level": "minimal", "max_wal_senders": 0, "max_wal_size": "8GB",
            "autovacuum": "off",
        }
        options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        with open(given.work / "postgres.log", "w") as log:
            self.server = self.bench.processes.start(
                [self.programs / "postgres", "-D", self.data, *options],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, **self.servant)
        until = time.monotonic() + START_S
        while True:
            try:
                self.psql("SELECT 1;")
                return
            except Failed:
                if self.server.poll() is not None or time.monotonic() > until:
                    raise Failed("the server did not start; postgres.log says why") from None
            time.sleep(0.1)

    def stop(self):
        if self.server:
            end(self.server, signal.SIGINT)  # "fast": it waits for no client

    def psql(self, script):
        variables = ["-v", "ON_ERROR_STOP=1", "-v", "VERBOSITY=terse"]
        command = [self.programs / "psql", "-XqAt", *variables, "-h", self.sockets.name,
                   "-U", SERVANT, "-d", "postgres", "-f", "-"]
        return self.bench.processes.run(command, script)

    # The table

    def load(self):
        """The lake's events, with the index that an operator would have."""
        print("loading PostgreSQL …", file=sys.stderr)
        source = self.bench.scratch / "events.csv"
        self.bench.processes.run([*self.bench.lake.export("csv", "csv"),
                                  "--csv-safe", "false", "-o", source])
        with open(source, newline="") as file:
            names = next(csv.reader(file))
        # In one transaction, so that the rows need not go through the log.
        self.psql(f"BEGIN; {create('events', names)}"
                  f"COPY events FROM {quoted(source)} (FORMAT csv, HEADER); COMMIT;"
                  f"{index('events')} VACUUM ANALYZE events; CHECKPOINT;")
        source.unlink()

    # Runs

    def run(self, task, out):
        if task == "parquet":
            raise Unable("has no Parquet")
        if task == "ingest":
            return self.ingest()
        source, options = "SELECT * FROM events", "(FORMAT csv, HEADER)"
        if task == "ndjson":
            source, options = "SELECT row_to_json(e) FROM events e", LINES
        elif task == "filtered":
            instant = lambda text: f"TIMESTAMPTZ {quoted(text)}"
            source += " WHERE " + condition(self.bench.lake.filter, instant)
        # The server writes it, and could not make a file in this folder.
        out.touch()
        self.hand_over(out)
        took = self.timed(f"COPY ({source}) TO {quoted(out)} {options};")
        return took, self.bench.count(out), out.stat().st_size

    def ingest(self):
        """Into a table that is there, has its index, and keeps what it takes through a crash."""
        names = list(columns())
        self.psql("DROP TABLE IF EXISTS ingested;" + create("ingested", names)
                  + index("ingested") + "CHECKPOINT;")
        took = self.timed(f"""
            CREATE TEMP TABLE staging (line jsonb);
            COPY staging FROM {quoted(self.bench.input)} {LINES};
            INSERT INTO ingested SELECT {", ".join(extracted())} FROM staging;""")
        answer = self.psql("SELECT count(*), pg_total_relation_size('ingested') FROM ingested;"
                           "DROP TABLE ingested; CHECKPOINT;")[0]
        rows, size = answer.split("|")
        return took, int(rows), int(size)

    def timed(self, statements):
        before = family_cpu_s(self.server.pid)
        text, took = self.psql(f"\\timing on\n{statements}\n\\timing off\n{PEAK}")
        cpu = family_cpu_s(self.server.pid) - before
        work = sum(float(ms) for ms in re.findall(r"^Time: ([\d.]+) ms", text, re.MULTILINE))
        # That of the backend, with as much of the shared memory as it touched.
        peak = int(re.search(r"^peak (\d+)", text, re.MULTILINE)[1])
        return {"work_s": work / 1000, "wall_s": took["wall_s"], "cpu_s": cpu,
                "rss_mib": peak / 1024}


def create(table, names):
    typed = ", ".join(f"{name} {TYPES.get(name, 'text')}" for name in names)
    return f"CREATE TABLE {table} ({typed});"


def index(table):
    return f"CREATE INDEX ON {table} (tenant_id, occurred_at);"


def extracted():
    """The columns of an event, out of its line."""
    for key, kind in EVENT:
        if isinstance(kind, list):
            yield from (f"line->'{key}'->>'{part}'" for part in kind)
        else:
            yield f"(line->>'{key}')::timestamptz" if kind == TIME else f"line->>'{key}'"
