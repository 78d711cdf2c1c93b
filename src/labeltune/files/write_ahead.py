"""The write-ahead log of SQLite's files that several processes open."""

from __future__ import annotations

import sqlite3
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["open_read_only", "use_write_ahead_log"]

_PAUSE_S = 0.02


def use_write_ahead_log(connection: sqlite3.Connection, *, patience: float) -> None:
    """Keep a write-ahead log where the file system has it; shared folders of a network often do not, and
    SQLite's rollback journal does the same there, slower.

    A new file is switched by one process alone, and SQLite's own time-out does not make another one wait for
    it. Raises `sqlite3.OperationalError` if it is locked for `patience` seconds.
    """
    deadline = time.monotonic() + patience
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL").fetchone()
            connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
        except sqlite3.OperationalError as error:
            if "locked" not in str(error):
                connection.execute("PRAGMA journal_mode = DELETE").fetchone()
                return
            if time.monotonic() >= deadline:
                raise
            time.sleep(_PAUSE_S)
        else:
            return


def open_read_only(path: Path) -> sqlite3.Connection:
    """A database as it is, not made if it is not there. Raises `sqlite3.Error` if it cannot be read."""
    return sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)
