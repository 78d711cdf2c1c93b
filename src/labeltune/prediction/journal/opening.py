"""A journal opened, for one process at a time; and what can be saved of a damaged one."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import sqlite3
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from labeltune.errors import ConflictError
from labeltune.files.writing import disk_errors, make_private_file
from labeltune.prediction.journal.database import Database
from labeltune.prediction.journal.failures import database_errors
from labeltune.prediction.journal.journal import Journal
from labeltune.prediction.journal.model import DONE, FAILED, TODO
from labeltune.prediction.journal.tables import KEEP_ANSWER, prepare
from labeltune.prediction.replies import read_json
from labeltune.tuning.ledger import make_state_folder

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

__all__ = ["open_journal", "recover_journal"]

BALLAST_BYTES = 32 << 20
"""Room kept beside the journal, freed when the disk is full so that answers in flight can still be saved."""


@contextmanager
def open_journal(path: Path, settings: Mapping[str, Any] | None = None) -> Iterator[Journal]:
    """The journal at `path`, made if need be, locked while the block runs.

    `settings` say what the run is; a new journal keeps them. Raises `ConflictError` while another process
    holds the run, `DiskError` where it cannot be written or is damaged, `SettingsError` if a newer version
    made it.
    """
    with _open(path, settings or {}) as (connection, ballast):
        yield Journal(Database(connection, path), ballast)


@contextmanager
def _open(path: Path, settings: Mapping[str, Any]) -> Iterator[tuple[sqlite3.Connection, Path]]:
    make_state_folder(path.parent)
    with _lock(path), database_errors(path):
        make_private_file(path)
        # Slow commits are made in a thread, so that the disk never holds up the network.
        connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        ballast = path.with_suffix(".ballast")
        try:
            prepare(connection, path, settings)
            _lay_ballast(ballast)
            yield connection, ballast
        finally:
            connection.close()
            ballast.unlink(missing_ok=True)


@contextmanager
def _lock(path: Path) -> Iterator[None]:
    """Keep other processes out. The operating system holds the lock, so a killed process keeps none."""
    from filelock import FileLock, Timeout

    lock = FileLock(path.with_suffix(".lock"), timeout=0, mode=0o600)
    owner = path.with_suffix(".owner")
    try:
        with disk_errors(path):
            lock.acquire()
    except Timeout:
        with contextlib.suppress(OSError):
            raise ConflictError(
                f"{owner.read_text()} holds this run ({path})",
                hint="wait for it, or stop it; then run the same command again",
            ) from None
        raise ConflictError(f"another process holds this run ({path})") from None
    try:
        with disk_errors(path):
            owner.write_text(f"pid {os.getpid()} on host {socket.gethostname()}")
        yield
    finally:
        owner.unlink(missing_ok=True)
        lock.release()


def _lay_ballast(path: Path) -> None:
    """Take the room before the first paid call: a disk that is full already is told now."""
    with disk_errors(path), path.open("wb") as handle:
        if hasattr(os, "posix_fallocate"):
            os.posix_fallocate(handle.fileno(), 0, BALLAST_BYTES)
        else:
            handle.write(bytes(BALLAST_BYTES))


def recover_journal(path: Path) -> tuple[Path, int]:
    """Rebuild a damaged journal from the rows that can still be read.

    Returns where the damaged file was put and how many answers were kept. Requests whose state cannot be
    read are forgotten.
    """
    damaged = path.with_suffix(".damaged")
    with _lock(path):
        for suffix in ("", "-wal", "-shm"):
            with contextlib.suppress(FileNotFoundError):
                Path(f"{path}{suffix}").replace(f"{damaged}{suffix}")
    old = sqlite3.connect(damaged, isolation_level=None)
    kept = 0
    try:
        settings = _readable(old, "SELECT settings FROM about")
        with _open(path, json.loads(settings[0][0]) if settings else {}) as (new, _):
            new.execute("BEGIN IMMEDIATE")
            for row in _readable(old, "SELECT id, hash, state, batch FROM requests ORDER BY id"):
                new.execute("INSERT OR IGNORE INTO requests VALUES (?, ?, ?, ?)", row)
            for row in _readable(old, "SELECT * FROM answers"):
                if row[1] or _is_json(row[2]):
                    # The first version did not keep how long an answer took.
                    new.execute(KEEP_ANSWER, (*row, None)[:6])
                    kept += 1
            for row in _readable(old, "SELECT id, key, file, batch, collected FROM batches"):
                new.execute("INSERT OR IGNORE INTO batches VALUES (?, ?, ?, ?, ?)", row)
            # An answer without its request, or a request without its answer, is as good as not asked.
            new.execute(
                "UPDATE requests SET state = ? WHERE state IN (?, ?)"
                " AND id NOT IN (SELECT request FROM answers)",
                (TODO, DONE, FAILED),
            )
            new.execute("DELETE FROM answers WHERE request NOT IN (SELECT id FROM requests)")
            new.execute("COMMIT")
    finally:
        old.close()
    return damaged, kept


def _readable(connection: sqlite3.Connection, query: str) -> list[tuple[Any, ...]]:
    """The rows up to the damage."""
    rows: list[tuple[Any, ...]] = []
    with contextlib.suppress(sqlite3.DatabaseError):
        cursor = connection.execute(query)
        while chunk := cursor.fetchmany(1):
            rows += chunk
    return rows


def _is_json(raw: bytes) -> bool:
    try:
        read_json(raw)
    except (ValueError, TypeError):
        return False
    return True
