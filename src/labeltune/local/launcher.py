"""Who runs the jobs: one worker process per directory, started when there is something to do.

An operating-system lock says who the worker is. It is released by the kernel however the worker ends, so a
killed one is noticed by the next request that looks at an unfinished job. One that is alive but stands still
is known by its heartbeat, and killed.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from filelock import FileLock, Timeout

if TYPE_CHECKING:
    from collections.abc import Iterable

    from labeltune.local.store import Row, Store

__all__ = ["ACTIVE_BATCH", "ACTIVE_JOB", "Launcher", "active", "worker_lock"]

ACTIVE_JOB = ("pausing", "running", "validating_files", "queued")
"""The statuses of a job that a worker has something to do about, the most urgent first."""

ACTIVE_BATCH = ("cancelling", "in_progress", "finalizing", "validating")
"""The same of a batch."""

STALLED_S = 120.0
"""A worker beats several times a second; one that has not for so long does nothing any more."""

_LOG = "worker.log"
_LOG_BYTES = 1 << 20
_TOLD = ("RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")
_TOLD_PREFIXES = ("LOCAL_RANK", "LOCAL_WORLD_SIZE", "GROUP_", "ROLE_", "TORCHELASTIC_")

_LOOK_EVERY_S = 0.5
_STARTING_S = 20.0

# Workers outlive the app that started them, but are its children: they are kept here to be reaped.
_children: list[subprocess.Popen[bytes]] = []


def worker_lock(directory: Path) -> FileLock:
    """The lock that makes a process the worker of a directory."""
    return FileLock(directory / "worker.lock", mode=0o600)


def active(store: Store) -> list[Row]:
    """Id and status of the jobs and batches that a worker has something to do about."""
    return [
        *_with_status(store, "jobs", ACTIVE_JOB),
        *_with_status(store, "batches", ACTIVE_BATCH),
    ]


def _with_status(store: Store, table: str, statuses: tuple[str, ...]) -> list[Row]:
    marks = ", ".join("?" * len(statuses))
    query = f"SELECT id, status FROM {table} WHERE status IN ({marks}) ORDER BY seq"  # noqa: S608  (our names)
    return store.rows(query, *statuses)


class Launcher:
    """Sees to it that a worker runs while there is work."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._looked = float("-inf")
        self._started: subprocess.Popen[bytes] | None = None
        self._started_at = 0.0

    def look_after(self, rows: Iterable[Row]) -> None:
        """Wake the worker if one of the jobs or batches needs it and it is not there."""
        if any(row["status"] in (*ACTIVE_JOB, *ACTIVE_BATCH) for row in rows):
            at = time.monotonic()
            if at - self._looked >= _LOOK_EVERY_S:
                self._looked = at
                self.wake()

    def look_for_work(self) -> None:
        """Wake the worker if a killed one left something behind."""
        self.look_after(active(self._store))

    def wake(self) -> None:
        """Start a worker unless there is one."""
        _children[:] = [child for child in _children if child.poll() is None]
        try:
            with worker_lock(self._store.directory).acquire(blocking=False):
                pass
        except Timeout:
            self._end_stalled()
            return
        starting = self._started is not None and self._started.poll() is None
        if starting and time.monotonic() - self._started_at < _STARTING_S:
            return
        self._started = _start(self._store.directory)
        self._started_at = time.monotonic()
        _children.append(self._started)

    def _end_stalled(self) -> None:
        """Kill a worker that holds the lock but has not beaten for long: stopped, or hanging."""
        row = self._store.row("SELECT pid, heartbeat FROM worker")
        stalled = row is not None and time.time() - row["heartbeat"] > STALLED_S
        # The number may be another process's by now: nothing is killed that does not say it is our worker.
        if row is not None and stalled and _is_worker(row["pid"], self._store.directory):
            with contextlib.suppress(ProcessLookupError):
                os.kill(row["pid"], signal.SIGKILL)


def _is_worker(pid: int, directory: Path) -> bool:
    """Whether a process is the worker of a directory; False where that cannot be told."""
    try:
        command = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except OSError:
        return False
    return command[:-1] == [os.fsencode(part) for part in worker_command(directory)]


def _start(directory: Path) -> subprocess.Popen[bytes]:
    """Start a worker in a session of its own: it outlives this process, its terminal and its Ctrl-C."""
    log = directory / _LOG
    if log.exists() and log.stat().st_size > _LOG_BYTES:
        log.replace(log.with_suffix(".log.1"))
    descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    try:
        return subprocess.Popen(  # noqa: S603  (our own command line, no shell)
            worker_command(directory),
            stdin=subprocess.DEVNULL,
            stdout=descriptor,
            stderr=descriptor,
            cwd=directory,
            env=_own_environment(),
            start_new_session=True,
        )
    finally:
        os.close(descriptor)


def _own_environment() -> dict[str, str]:
    """The environment without what torchrun tells the processes that it starts: a worker is none of them."""
    found = dict(os.environ)
    if "TORCHELASTIC_RUN_ID" in found:
        for name in list(found):
            if name in _TOLD or name.startswith(_TOLD_PREFIXES):
                del found[name]
    return found


def worker_command(directory: Path) -> list[str]:
    """The command line of a worker. `-P`: the directory it runs in is no place to import from."""
    return [sys.executable, "-P", "-m", "labeltune.local.worker", os.fspath(directory)]
