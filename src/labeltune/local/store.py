"""What the local provider keeps: one SQLite database and the bytes beside it.

    labeltune.db          everything that has an id
    files/ID              the bytes of a file
    incoming/             uploads that are not complete yet
    models/JOB/step-N/    what an engine saved after step N
    worker.lock, worker.log

Only ids made here become path names. The folder is private (0700) and so are the files (0600). Several
processes may use one folder: writes are short transactions, and a file's bytes are in place before its row.
"""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
import sqlite3
import string
import threading
import time
import weakref
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from labeltune.errors import DiskError, SettingsError
from labeltune.files.write_ahead import use_write_ahead_log
from labeltune.files.writing import make_private_file

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Row", "Store", "default_directory", "new_id", "now"]

Row = dict[str, Any]

SCHEMA_VERSION = 2

_DATABASE = "labeltune.db"
_BALLAST = "ballast"
_BALLAST_BYTES = 1 << 20
_BUSY_MS = 10_000

_SCHEMA = """
CREATE TABLE files (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, purpose TEXT NOT NULL,
    filename TEXT NOT NULL, bytes INTEGER NOT NULL, sha256 TEXT NOT NULL, created_at INTEGER NOT NULL,
    expires_at INTEGER, status TEXT NOT NULL, status_details TEXT
) STRICT;
CREATE TABLE uploads (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, purpose TEXT NOT NULL,
    filename TEXT NOT NULL, bytes INTEGER NOT NULL, created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL, keep_seconds INTEGER, status TEXT NOT NULL, file_id TEXT
) STRICT;
CREATE TABLE parts (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, upload_id TEXT NOT NULL,
    bytes INTEGER NOT NULL, created_at INTEGER NOT NULL
) STRICT;
CREATE TABLE jobs (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, created_at INTEGER NOT NULL,
    model TEXT NOT NULL, suffix TEXT, training_file TEXT NOT NULL, validation_file TEXT,
    seed INTEGER NOT NULL, asked TEXT NOT NULL, hyperparameters TEXT NOT NULL, metadata TEXT,
    status TEXT NOT NULL, error TEXT, fine_tuned_model TEXT, finished_at INTEGER,
    estimated_finish INTEGER, trained_tokens INTEGER, result_file TEXT, saved_step INTEGER,
    attempts INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE INDEX jobs_by_status ON jobs (status);
CREATE TABLE events (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, job_id TEXT NOT NULL,
    created_at INTEGER NOT NULL, level TEXT NOT NULL, type TEXT NOT NULL, message TEXT NOT NULL,
    data TEXT, step INTEGER
) STRICT;
CREATE INDEX events_of_job ON events (job_id, seq);
CREATE TABLE checkpoints (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, job_id TEXT NOT NULL,
    created_at INTEGER NOT NULL, step INTEGER NOT NULL, metrics TEXT NOT NULL
) STRICT;
CREATE INDEX checkpoints_of_job ON checkpoints (job_id, seq);
CREATE TABLE models (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL UNIQUE, engine TEXT NOT NULL,
    job_id TEXT NOT NULL, step INTEGER NOT NULL, created_at INTEGER NOT NULL
) STRICT;
CREATE TABLE batches (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, created_at INTEGER NOT NULL,
    endpoint TEXT NOT NULL, completion_window TEXT NOT NULL, input_file_id TEXT NOT NULL,
    keep_seconds INTEGER, model TEXT, metadata TEXT, status TEXT NOT NULL, errors TEXT,
    output_file_id TEXT, error_file_id TEXT, total INTEGER NOT NULL DEFAULT 0,
    completed INTEGER NOT NULL DEFAULT 0, failed INTEGER NOT NULL DEFAULT 0,
    input_tokens INTEGER NOT NULL DEFAULT 0, output_tokens INTEGER NOT NULL DEFAULT 0,
    expires_at INTEGER NOT NULL, in_progress_at INTEGER, finalizing_at INTEGER, completed_at INTEGER,
    failed_at INTEGER, expired_at INTEGER, cancelling_at INTEGER, cancelled_at INTEGER,
    attempts INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE INDEX batches_by_status ON batches (status);
CREATE TABLE worker (
    one INTEGER PRIMARY KEY CHECK (one = 1), pid INTEGER NOT NULL, heartbeat REAL NOT NULL
) STRICT;
CREATE TABLE cards (job_id TEXT PRIMARY KEY, card TEXT NOT NULL) STRICT;
"""

_UPGRADES = {1: "CREATE TABLE cards (job_id TEXT PRIMARY KEY, card TEXT NOT NULL) STRICT"}
"""What makes a database of a version one of the next."""

_ALPHABET = (string.ascii_letters + string.digits).encode()
_LETTERS = bytes(_ALPHABET[byte % len(_ALPHABET)] for byte in range(256))
"""What each random byte becomes; an eighth of the letters come a little more often, which harms no id."""


def default_directory() -> Path:
    """`LABELTUNE_HOME`, or the platform's folder for a user's data.

    Raises `DiskError` where the latter cannot be known: without HOME and an entry in the list of users.
    """
    home = os.environ.get("LABELTUNE_HOME")
    if home:
        if not home.isprintable():
            raise SettingsError(f"LABELTUNE_HOME names {home!r}", hint="set it again without the line end")
        return Path(home)
    import platformdirs

    try:
        return Path(platformdirs.user_data_dir("labeltune", appauthor=False))
    except RuntimeError as error:
        raise DiskError(
            f"the local provider has no place for its files: {error}",
            hint="set LABELTUNE_HOME to a folder that may be written",
        ) from error


def now() -> int:
    """Seconds since the epoch, as the protocol writes times."""
    return int(time.time())


def new_id(prefix: str, length: int = 24) -> str:
    """A fresh id; letters and digits only, so that it is a name of a file everywhere."""
    return prefix + secrets.token_bytes(length).translate(_LETTERS).decode()


class Store:
    """The directory of a local provider. Methods may be called from any thread."""

    def __init__(self, directory: Path, *, check: bool = True) -> None:
        """Open the directory, making it if need be; `check` looks at every page of the database.

        Raises `DiskError` if it cannot be written or is damaged, `SettingsError` if a newer version made it.
        """
        self.directory = directory.resolve()
        self.files = self.directory / "files"
        self.incoming = self.directory / "incoming"
        self.models = self.directory / "models"
        database = self.directory / _DATABASE
        try:
            for folder in (self.directory, self.files, self.incoming, self.models):
                folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            self.directory.chmod(0o700)
            # SQLite gives its side files the permissions of the database: private before it is opened.
            make_private_file(database)
        except OSError as error:
            raise DiskError(
                f"{directory}: cannot be used: {os.strerror(error.errno or 0)}",
                hint="choose another directory (LABELTUNE_HOME)",
            ) from error
        self._lock = threading.RLock()
        self._connection = sqlite3.connect(
            database, timeout=_BUSY_MS / 1000, isolation_level=None, check_same_thread=False
        )
        # An app in this process is not told when it is no longer needed.
        weakref.finalize(self, self._connection.close)
        self._connection.row_factory = _as_dict
        with self._translated():
            self._open(check=check)

    def _open(self, *, check: bool) -> None:
        use_write_ahead_log(self._connection, patience=_BUSY_MS / 1000)
        self._connection.execute("PRAGMA synchronous = FULL")
        if check and self._connection.execute("PRAGMA quick_check(1)").fetchone()["quick_check"] != "ok":
            raise sqlite3.DatabaseError("quick_check failed")
        with self.transaction():
            version = self._connection.execute("PRAGMA user_version").fetchone()["user_version"]
            if version > SCHEMA_VERSION:
                raise SettingsError(
                    f"{self.directory}: made by a newer version of labeltune (schema {version})",
                    hint="upgrade labeltune, or choose another directory",
                )
            if version < SCHEMA_VERSION:
                statements = _SCHEMA.split(";\n") if version == 0 else _upgrades(version)
                for statement in filter(str.strip, statements):
                    self._connection.execute(statement)
                self._connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
        self.lay_ballast()

    def close(self) -> None:
        """Close the database."""
        with self._lock:
            self._connection.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All writes inside are made together or not at all."""
        with self._lock, self._translated():
            if self._is_open():
                yield
                return
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield
                self._connection.execute("COMMIT")
            except BaseException:
                # A full disk has rolled back already.
                if self._is_open():
                    self._connection.execute("ROLLBACK")
                raise

    def _is_open(self) -> bool:
        return self._connection.in_transaction

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.OperationalError as error:
            if error.sqlite_errorname in {
                "SQLITE_FULL",
                "SQLITE_IOERR_WRITE",
                "SQLITE_READONLY",
                "SQLITE_CANTOPEN",
            }:
                raise DiskError(
                    f"{self.directory}: cannot be written: {error}", hint="free some space"
                ) from error
            raise
        except sqlite3.DatabaseError as error:
            if error.__class__ is not sqlite3.DatabaseError:
                raise
            raise DiskError(
                f"{self.directory / _DATABASE}: the database is damaged: {error}",
                hint="move the directory away, or restore it from a backup",
            ) from error

    def write(self, sql: str, *values: object) -> int:
        """Run one statement; returns how many rows it changed."""
        with self.transaction():
            return self._connection.execute(sql, values).rowcount

    def insert(self, table: str, row: Row) -> None:
        """Insert a row. Table and columns are names of this package, never of a request."""
        columns, marks = ", ".join(row), ", ".join("?" * len(row))
        self.write(f"INSERT INTO {table} ({columns}) VALUES ({marks})", *row.values())  # noqa: S608  (see above)

    def row(self, sql: str, *values: object) -> Row | None:
        """The first row of a query."""
        with self._lock, self._translated():
            found: Row | None = self._connection.execute(sql, values).fetchone()
            return found

    def rows(self, sql: str, *values: object) -> list[Row]:
        """All rows of a query."""
        with self._lock, self._translated():
            return self._connection.execute(sql, values).fetchall()

    def page(
        self,
        query: str,
        values: tuple[object, ...] = (),
        *,
        after: int | None,
        limit: int,
        newest_first: bool = True,
    ) -> tuple[list[Row], bool]:
        """The next `limit` rows of `query`, which ends in a WHERE clause, and whether there are more.

        `after` is the `seq` of the last row of the page before.
        """
        sign, order = ("<", "DESC") if newest_first else (">", "ASC")
        if after is not None:
            query += f" AND seq {sign} ?"
            values = (*values, after)
        found = self.rows(f"{query} ORDER BY seq {order} LIMIT ?", *values, limit + 1)
        return found[:limit], len(found) > limit

    def model_folder(self, job_id: str, step: int) -> Path:
        """Where an engine saves after a step."""
        return self.models / job_id / f"step-{step}"

    def lay_ballast(self) -> None:
        """Set aside a little space, so that a full disk can still be told to those who ask."""
        ballast = self.directory / _BALLAST
        with contextlib.suppress(OSError):
            if not ballast.exists() or ballast.stat().st_size < _BALLAST_BYTES:
                ballast.touch(mode=0o600)
                ballast.write_bytes(bytes(_BALLAST_BYTES))

    def drop_ballast(self) -> None:
        """Give the space set aside back."""
        with contextlib.suppress(OSError):
            (self.directory / _BALLAST).unlink()


def disk_is_full(error: BaseException) -> bool:
    """Whether an error, or what caused it, is the disk or a quota being used up."""
    if isinstance(error, OSError) and error.errno in {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}:
        return True
    if isinstance(error, sqlite3.OperationalError) and error.sqlite_errorname == "SQLITE_FULL":
        return True
    return error.__cause__ is not None and disk_is_full(error.__cause__)


def _upgrades(version: int) -> list[str]:
    return [_UPGRADES[older] for older in range(version, SCHEMA_VERSION)]


def _as_dict(cursor: sqlite3.Cursor, values: tuple[Any, ...]) -> Row:
    return {column[0]: value for column, value in zip(cursor.description, values, strict=True)}
