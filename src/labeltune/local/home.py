"""The folder of the local provider, looked at from outside: nothing is made, changed or started."""

from __future__ import annotations

import contextlib
import sqlite3
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from labeltune.files.write_ahead import open_read_only
from labeltune.files.writing import is_running
from labeltune.local.cards import bytes_below
from labeltune.local.launcher import ACTIVE_BATCH, ACTIVE_JOB, STALLED_S

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["Home", "bytes_of_home", "ids_of_home", "look_at_home"]

_DATABASE = "labeltune.db"
_IDS = {
    "models": "SELECT models.name, jobs.model FROM models JOIN jobs ON jobs.id = models.job_id"
    " WHERE jobs.status = 'succeeded' ORDER BY models.seq DESC",
    "jobs": "SELECT id, status FROM jobs ORDER BY seq DESC",
    "files": "SELECT id, filename FROM files ORDER BY seq DESC",
}
"""By kind of thing: each id with a word about it, newest first."""


@dataclass(frozen=True, slots=True)
class Home:
    """A local provider's folder: its bytes, its worker and what it has to do."""

    exists: bool
    bytes: int
    worker: int | None
    """the process id of the worker that runs, if one does"""
    waiting: int
    """jobs and batches that a worker has something to do about"""
    problem: str | None = None


def bytes_of_home(directory: Path) -> int:
    """The bytes of all that is kept there; 0 if it is not there."""
    return bytes_below(directory)


def look_at_home(directory: Path, database: str = _DATABASE) -> Home:
    """What stands in the folder; `problem` says what is wrong with it."""
    if not directory.is_dir():
        wrong = f"{directory}: is no folder" if directory.exists() else None
        return Home(exists=False, bytes=0, worker=None, waiting=0, problem=wrong)
    held = bytes_of_home(directory)
    path = directory / database
    if not path.exists():
        return Home(exists=True, bytes=held, worker=None, waiting=0)
    try:
        with contextlib.closing(open_read_only(path)) as opened:
            problem = _problem(opened)
            worker, waiting = _worker(opened), _waiting(opened)
    except sqlite3.Error as error:
        return Home(True, held, None, 0, f"{path}: cannot be read: {error}")
    return Home(True, held, worker, waiting, None if problem is None else f"{path}: is damaged: {problem}")


def ids_of_home(directory: Path, kind: str) -> list[tuple[str, str]]:
    """The ids of "models", "jobs" or "files", each with a word about it; none if they cannot be read."""
    try:
        with contextlib.closing(open_read_only(directory / _DATABASE)) as opened:
            return opened.execute(_IDS[kind]).fetchall()
    except sqlite3.Error:
        return []


def _problem(opened: sqlite3.Connection) -> str | None:
    found = opened.execute("PRAGMA quick_check(1)").fetchone()[0]
    return None if found == "ok" else str(found)


def _worker(opened: sqlite3.Connection) -> int | None:
    row = opened.execute("SELECT pid, heartbeat FROM worker").fetchone()
    beats = row is not None and time.time() - row[1] < STALLED_S and is_running(row[0])
    return int(row[0]) if beats else None


def _waiting(opened: sqlite3.Connection) -> int:
    count = 0
    for table, statuses in (("jobs", ACTIVE_JOB), ("batches", ACTIVE_BATCH)):
        marks = ", ".join("?" * len(statuses))
        query = f"SELECT count(*) FROM {table} WHERE status IN ({marks})"  # noqa: S608  (names of this package)
        count += opened.execute(query, statuses).fetchone()[0]
    return count
