"""The worker: a process of its own that runs the jobs of one directory, in order, one at a time.

    python -m labeltune.local.worker DIRECTORY [IDLE_SECONDS]

It owns nothing that is not on disk. Killed at any moment, the next worker goes on from the last checkpoint;
a job that brings its worker down again and again fails with a reason.
"""

from __future__ import annotations

import contextlib
import gc
import logging
import os
import signal
import sqlite3
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

from filelock import Timeout

from labeltune.errors import LabeltuneError
from labeltune.local.batch_answers import answer_batch
from labeltune.local.launcher import ACTIVE_BATCH, ACTIVE_JOB, active, worker_command, worker_lock
from labeltune.local.store import Store
from labeltune.local.sweep import sweep
from labeltune.local.training import train, validate

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType

    from labeltune.local.store import Row

__all__ = ["Supervisor", "main"]

IDLE_S = 3.0
"""A worker without work ends after so long: starting another costs less than keeping one."""

_LOOK_EVERY_S = 0.1
_LISTEN_EVERY_S = 0.2
_BEAT_EVERY_S = 1.0
_GRACE_S = 0.5
"""How long a cancelled job may go on to its next step before the process is replaced. With a look before and
one after it, that is within a second of the order."""

_log = logging.getLogger("labeltune.local.worker")


class Supervisor(threading.Thread):
    """A thread beside the work: beats, and hears of orders while the work computes.

    A training may compute for long before its first step and between two. If its job is cancelled meanwhile,
    the process starts itself anew (`start_anew`): nothing is lost by it, since everything is on disk.
    """

    def __init__(
        self,
        store: Store,
        *,
        start_anew: Callable[[Path], None],
        sleep: Callable[[float], None] = time.sleep,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__(name="supervisor", daemon=True)
        self._store = store
        self._start_anew, self._sleep, self._now = start_anew, sleep, now
        self._job: str | None = None
        self._status = ""
        self._lock = threading.Lock()
        self.leaving = False

    def watch(self, job_id: str | None) -> None:
        """Look after a job from now on, or after none."""
        with self._lock:
            self._job, self._status = job_id, ""

    def order(self) -> str:
        """The status of the watched job as others last set it; `leaving` if the process is to end."""
        return "leaving" if self.leaving else self._status

    def run(self) -> None:
        """Listen and beat for ever."""
        beat_at = cancelled_at = float("-inf")
        while True:
            at = self._now()
            # A full disk or a busy database stops the beat, not the work.
            with contextlib.suppress(LabeltuneError, sqlite3.Error):
                self._listen()
                if at - beat_at >= _BEAT_EVERY_S:
                    self._store.write(
                        "INSERT OR REPLACE INTO worker VALUES (1, ?, ?)", os.getpid(), time.time()
                    )
                    beat_at = at
            if self._status != "cancelled":
                cancelled_at = at
            elif at - cancelled_at > _GRACE_S:
                self._leave_job()
            self._sleep(_LISTEN_EVERY_S)

    def _listen(self) -> None:
        with self._lock:
            row = self._store.row("SELECT status FROM jobs WHERE id = ?", self._job)
            self._status = "" if row is None else row["status"]

    def _leave_job(self) -> None:
        with self._lock:
            if self._job is not None:
                _log.info("%s: cancelled amid its work, starting anew", self._job)
                self._start_anew(self._store.directory)


def _become_another(directory: Path) -> None:
    """Replace this process by a fresh worker."""
    command = worker_command(directory)
    os.execv(command[0], command)  # noqa: S606  (our own command line, no shell)


def main(directory: Path, idle_s: float = IDLE_S) -> None:
    """Run what there is to run; ends after `idle_s` without work, or if another worker runs."""
    os.umask(0o077)
    # Whatever an engine keeps beside its models belongs to this directory.
    os.environ["LABELTUNE_HOME"] = os.fspath(directory)
    # Millions of small objects live until their file is read or answered: looking for cycles among them, as
    # often as usual, costs an eighth of the time and finds nothing.
    gc.set_threshold(100_000, 20, 20)
    logging.basicConfig(
        level=logging.INFO, stream=sys.stderr, format="%(asctime)s %(process)d %(levelname)s %(message)s"
    )
    store = Store(directory)
    # A connection of its own: it must not wait for the work's.
    supervisor = Supervisor(Store(directory, check=False), start_anew=_become_another)

    def leave(_signal: int, _frame: FrameType | None) -> None:
        supervisor.leaving = True

    signal.signal(signal.SIGTERM, leave)
    while not supervisor.leaving:
        try:
            # A launcher holds the lock for a moment to see whether there is a worker.
            with worker_lock(directory).acquire(timeout=1, poll_interval=0.02):
                _log.info("worker begins")
                if not supervisor.is_alive():
                    supervisor.start()
                sweep(store)
                _run(store, supervisor, idle_s)
                _log.info("worker ends")
        except Timeout:
            return
        # What was created after the last look, while the lock was held, would wait for ever.
        if not active(store):
            return


def _run(store: Store, supervisor: Supervisor, idle_s: float) -> None:
    """Work until there has been nothing to do for a while, or the process is told to leave."""
    idle_since = time.monotonic()
    while not supervisor.leaving and time.monotonic() - idle_since < idle_s:
        if _work(store, supervisor):
            idle_since = time.monotonic()
        else:
            time.sleep(_LOOK_EVERY_S)


def _work(store: Store, supervisor: Supervisor) -> bool:
    """Do the next thing; False if there is nothing.

    Batches come first, since they are short; then what a dead worker was doing; then validation, so that a
    bad file is told of before the queue is through; then the queue.
    """
    for status in ACTIVE_BATCH:
        batch = store.row("SELECT * FROM batches WHERE status = ? ORDER BY seq LIMIT 1", status)
        if batch is not None:
            _log.info("%s: %s", batch["id"], status)
            answer_batch(store, batch)
            return True
    for status in ACTIVE_JOB:
        job = store.row("SELECT * FROM jobs WHERE status = ? ORDER BY seq LIMIT 1", status)
        if job is not None:
            _log.info("%s: %s", job["id"], status)
            _advance(store, job, supervisor)
            return True
    return False


def _advance(store: Store, job: Row, supervisor: Supervisor) -> None:
    supervisor.watch(job["id"])
    try:
        if job["status"] == "validating_files":
            validate(store, job)
        else:
            train(store, job, supervisor.order)
    finally:
        supervisor.watch(None)


if __name__ == "__main__":
    main(Path(sys.argv[1]), *map(float, sys.argv[2:]))
