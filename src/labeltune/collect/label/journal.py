"""The journal of a labelling: every answer, on the disk before the page shows the next row.

One SQLite file for each output, in the folder of state. Several processes may write it at once: an event is
added in a transaction that nobody else writes in, after what the others have added has been read.
"""

from __future__ import annotations

import json
import sqlite3
import threading
from contextlib import closing, contextmanager
from dataclasses import replace
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from labeltune.collect.label.events import Event
from labeltune.collect.label.standing import Standing
from labeltune.errors import DiskError, SettingsError
from labeltune.files.write_ahead import use_write_ahead_log
from labeltune.files.writing import make_private_file
from labeltune.prediction.journal.failures import is_full, translated
from labeltune.tuning.ledger import make_state_folder
from labeltune.version import __version__

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from labeltune.task.labels import Labels

__all__ = ["Journal", "journal_path", "open_journal"]

SCHEMA = 1
"""The version of the tables, kept as SQLite's `user_version`."""
FOLDER = "label"
BUSY_SECONDS = 5.0

_TABLES = """
CREATE TABLE about (made_by TEXT NOT NULL, data TEXT NOT NULL);
CREATE TABLE events (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    request TEXT NOT NULL UNIQUE,
    kind TEXT NOT NULL,
    annotator TEXT NOT NULL,
    row TEXT NOT NULL,
    labels TEXT,
    at REAL NOT NULL,
    seconds REAL,
    sample TEXT NOT NULL,
    undoes TEXT NOT NULL
);
CREATE TABLE written (sha256 TEXT PRIMARY KEY) WITHOUT ROWID;
CREATE TABLE rounds (id INTEGER PRIMARY KEY AUTOINCREMENT, found TEXT NOT NULL);
"""
_COLUMNS = "request, kind, annotator, row, labels, at, seconds, sample, undoes, id"


def journal_path(state: Path, output: Path) -> Path:
    """Where the journal of the table that is written to `output` stands."""
    name = sha256(str(output.absolute()).encode()).hexdigest()[:16]
    return state / FOLDER / f"{name}.db"


@contextmanager
def open_journal(path: Path, data: str) -> Iterator[Journal]:
    """The journal at `path`, made if need be; `data` says of which table it is.

    Raises `DiskError` where it cannot be written or is damaged, `SettingsError` if a newer version made it,
    `ConflictError` while another process keeps it locked.
    """
    make_state_folder(path.parent.parent)
    make_state_folder(path.parent)
    make_private_file(path)
    with _errors(path):
        connection = sqlite3.connect(
            path, isolation_level=None, check_same_thread=False, timeout=BUSY_SECONDS
        )
    with closing(connection):
        with _errors(path):
            _prepare(connection, path, data)
        journal = Journal(connection, path)
        journal.catch_up()
        yield journal


class Journal:
    """An open journal, and what stands of it. May be used by several threads."""

    def __init__(self, connection: sqlite3.Connection, path: Path) -> None:
        self._connection = connection
        self.lock = threading.RLock()
        """Held while `standing` changes: for threads that read it."""
        self.path = path
        self.standing = Standing()

    @property
    def data(self) -> str:
        """The table that this journal was begun with."""
        with self.lock, _errors(self.path):
            return str(self._connection.execute("SELECT data FROM about").fetchone()[0])

    def catch_up(self) -> None:
        """Take in what other processes have added."""
        with self.lock, _errors(self.path):
            self._read()

    def add(self, make: Callable[[Standing], Event | None]) -> Event | None:
        """Add the event that `make` makes of what stands; on the disk when this returns.

        Nothing is added if it makes None, or an event whose request is there already. Raises `DiskError` if
        the disk does not take it: then it is not in the journal.
        """
        with self.lock, _errors(self.path), self._transaction():
            self._read()
            event = make(self.standing)
            if event is None or self.standing.knows(event.request):
                return event
            cursor = self._connection.execute(
                f"INSERT INTO events ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, NULL)",  # noqa: S608
                _cells(event),
            )
            kept = replace(event, id=int(cursor.lastrowid or 0))
            self._connection.commit()
            self.standing.apply(kept)
            return kept

    def wrote(self, digest: str) -> None:
        """The output is about to be these bytes."""
        with self.lock, _errors(self.path), self._transaction():
            self._connection.execute("INSERT OR IGNORE INTO written VALUES (?)", (digest,))
            self._connection.commit()

    def has_written(self, digest: str) -> bool:
        """Whether these bytes were written as the output."""
        with self.lock, _errors(self.path):
            found = self._connection.execute("SELECT 1 FROM written WHERE sha256 = ?", (digest,))
            return found.fetchone() is not None

    def add_round(self, found: dict[str, Any]) -> None:
        """Keep what a round of training found."""
        with self.lock, _errors(self.path), self._transaction():
            self._connection.execute("INSERT INTO rounds (found) VALUES (?)", (json.dumps(found),))
            self._connection.commit()

    def rounds(self) -> list[dict[str, Any]]:
        """What rounds of training found, the first one first."""
        with self.lock, _errors(self.path):
            found = self._connection.execute("SELECT found FROM rounds ORDER BY id")
            return [json.loads(text) for (text,) in found]

    def _read(self) -> None:
        """Take in events that are not in `standing` yet."""
        found = self._connection.execute(
            f"SELECT {_COLUMNS} FROM events WHERE id > ? ORDER BY id",  # noqa: S608
            (self.standing.last,),
        )
        for row in found:
            self.standing.apply(_event(row))

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        """A transaction that nobody else writes in; taken back unless the block commits it."""
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            yield
        finally:
            if self._connection.in_transaction:
                self._connection.rollback()


def _prepare(connection: sqlite3.Connection, path: Path, data: str) -> None:
    use_write_ahead_log(connection, patience=BUSY_SECONDS)
    connection.execute("PRAGMA synchronous = FULL")
    problem = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
    if problem != "ok":
        raise _damaged(path, problem)
    connection.execute("BEGIN IMMEDIATE")
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    if version > SCHEMA:
        made_by = connection.execute("SELECT made_by FROM about").fetchone()[0]
        raise SettingsError(
            f"{path}: made by labeltune {made_by}, this is {__version__}", hint="use that version"
        )
    if version == 0:
        for statement in filter(str.strip, _TABLES.split(";")):
            connection.execute(statement)
        connection.execute("INSERT INTO about VALUES (?, ?)", (__version__, data))
        connection.execute(f"PRAGMA user_version = {SCHEMA}")
    connection.commit()


@contextmanager
def _errors(path: Path) -> Iterator[None]:
    """SQLite's refusals as ours."""
    try:
        yield
    except sqlite3.Error as error:
        if is_full(error):
            raise DiskError(
                f"{path}: cannot be written: {error}", hint="free some space, then answer again"
            ) from error
        if isinstance(error, sqlite3.OperationalError):
            raise translated(path, error) from error
        raise _damaged(path, str(error)) from error


def _damaged(path: Path, reason: str) -> DiskError:
    return DiskError(
        f"{path}: quick_check failed, the file is damaged: {reason}",
        hint="move it away to begin anew; the output has the answers that were written last",
    )


def _cells(event: Event) -> tuple[Any, ...]:
    labels = None if event.labels is None else json.dumps(event.labels, ensure_ascii=False)
    return (
        event.request,
        event.kind,
        event.annotator,
        event.row,
        labels,
        event.at,
        event.seconds,
        event.sample,
        event.undoes,
    )


def _event(row: tuple[Any, ...]) -> Event:
    request, kind, annotator, key, labels, at, seconds, sample, undoes, number = row
    return Event(
        request=request,
        kind=kind,
        annotator=annotator,
        row=key,
        labels=None if labels is None else _labels(labels),
        at=at,
        seconds=seconds,
        sample=sample,
        undoes=undoes,
        id=number,
    )


def _labels(text: str) -> Labels:
    return tuple(map(tuple, json.loads(text)))
