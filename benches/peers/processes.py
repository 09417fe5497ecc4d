"""Processes: run to their end or kept running, and what the kernel says that they took.

Nothing but the standard library, and little of it: a child's peak memory is never less than that
of the process it was started from.
"""

import os
import subprocess
import tempfile
import threading
import time
from contextlib import contextmanager

TICKS_PER_S = os.sysconf("SC_CLK_TCK")


class Failed(Exception):
    """A run that gave no result, and why."""


class Unable(Failed):
    """A contestant that is not there, or has nothing for a task; no fault of anybody."""


class Processes:
    """Starts every process of a comparison: in one folder, on the same processors."""

    def __init__(self, folder, threads, timeout):
        self.folder, self.timeout = folder, timeout
        available = sorted(os.sched_getaffinity(0))
        self.processors = available[:threads]
        # Children inherit it: nobody gets more than the others.
        os.sched_setaffinity(0, self.processors)
        self.environment = {
            name: value for name, value in os.environ.items() if not name.startswith("AUDITLAKE_")
        } | {
            "AUDITLAKE_LOG": "warn",
            "LC_ALL": "C.UTF-8",
            "POLARS_MAX_THREADS": str(threads),
            "TOKIO_WORKER_THREADS": str(threads),
        }

    def start(self, command, **options):
        """Starts a process that the caller has to end."""
        return subprocess.Popen([str(part) for part in command], cwd=self.folder,
                                env=self.environment, **options)

    def run(self, command, stdin="", discard=False, unable=None):
        """Runs a process to its end; answers its output, unless discarded, and what it took.

        The exit code `unable` says that the contestant is not there.
        """
        with tempfile.TemporaryFile() as taken, tempfile.TemporaryFile() as out, \
                tempfile.TemporaryFile() as err:
            taken.write(stdin.encode())
            taken.seek(0)
            started = time.perf_counter()
            process = self.start(command, stdin=taken, stderr=err,
                                 stdout=subprocess.DEVNULL if discard else out)
            with deadline(process, self.timeout) as late:
                _, status, usage = os.wait4(process.pid, 0)
                wall = time.perf_counter() - started
                # wait4 has reaped it; the object must not try to.
                process.returncode = code = os.waitstatus_to_exitcode(status)
                timed_out = not late.is_alive()
            out.seek(0)
            err.seek(0)
            text, complaint = out.read().decode(), err.read().decode(errors="replace").strip()
        if code != 0:
            reason = self.reason(code, complaint, timed_out)
            raise Unable(reason) if code == unable else Failed(reason)
        cpu = usage.ru_utime + usage.ru_stime
        return text, {"wall_s": wall, "cpu_s": cpu, "rss_mib": usage.ru_maxrss / 1024}

    def reason(self, code, complaint, timed_out):
        last = complaint.splitlines()[-1][:160] if complaint else "it said nothing"
        if timed_out:
            return f"no end within {self.timeout} s"
        if code == -9:
            return "killed (out of memory?)"
        return f"signal {-code}: {last}" if code < 0 else last

    def first_byte(self, command):
        """Seconds from a process's start to its first byte; the others are not waited for."""
        started = time.perf_counter()
        with self.start(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                        stderr=subprocess.DEVNULL) as process:
            with deadline(process, self.timeout):
                came = os.read(process.stdout.fileno(), 1)
                seconds = time.perf_counter() - started
            process.kill()
        if not came:
            raise Failed("it ended before its first byte")
        return seconds


@contextmanager
def deadline(process, seconds):
    """Kills a process that is not waited for to its end: in time, or because we were stopped."""
    late = threading.Timer(seconds, process.kill)
    late.daemon = True  # or the interpreter would wait for it, had its start been interrupted
    try:
        late.start()
        yield late
    except BaseException:
        process.kill()
        raise
    finally:
        late.cancel()


def end(process, ask, patience_s=60):
    """Asks a process that was started to end, and makes it when it does not."""
    if process.poll() is None:
        process.send_signal(ask)
    try:
        process.wait(patience_s)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


# A living process: it cannot be waited for, so its figures are read before and after.

def cpu_s(pid):
    """User and system time of a process, all its threads, those that have ended too."""
    user, system, *_ = times(pid)
    return (user + system) / TICKS_PER_S


def family_cpu_s(pid):
    """The same with its children, those that have ended too."""
    while True:
        children = children_of(pid)
        try:
            ticks = sum(times(pid)) + sum(sum(times(child)[:2]) for child in children)
        except (FileNotFoundError, ProcessLookupError):
            continue
        # A child that ended meanwhile would be counted twice.
        if children == children_of(pid):
            return ticks / TICKS_PER_S


def times(pid):
    """utime, stime, cutime and cstime, in ticks."""
    with open(f"/proc/{pid}/stat") as file:
        # They are counted from behind the name, which may hold anything.
        return [int(field) for field in file.read().rpartition(")")[2].split()[11:15]]


def children_of(pid):
    with open(f"/proc/{pid}/task/{pid}/children") as file:
        return file.read().split()


def forget_peak(pid):
    """From here on the peak of resident memory is that of what comes."""
    with open(f"/proc/{pid}/clear_refs", "w") as file:
        file.write("5")


def peak_mib(pid):
    with open(f"/proc/{pid}/status") as file:
        lines = dict(line.split(":", 1) for line in file)
    return int(lines["VmHWM"].split()[0]) / 1024
