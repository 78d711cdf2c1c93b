"""The tables of a journal, and a file made ready to hold them."""

from __future__ import annotations

import contextlib
import json
import sqlite3
from typing import TYPE_CHECKING, Any

from labeltune.errors import SettingsError
from labeltune.prediction.journal.failures import damaged
from labeltune.version import __version__

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

__all__ = ["KEEP_ANSWER", "SCHEMA", "SEND", "SET_STATE", "prepare"]

SCHEMA = 3
"""The version of the tables, kept as SQLite's `user_version`."""

TABLES = """
CREATE TABLE about (made_by TEXT NOT NULL, settings TEXT NOT NULL);
CREATE TABLE requests (
    id INTEGER PRIMARY KEY,
    hash BLOB NOT NULL UNIQUE,
    state INTEGER NOT NULL DEFAULT 0,
    batch INTEGER
);
CREATE TABLE answers (
    request INTEGER PRIMARY KEY,
    kind TEXT NOT NULL,
    raw BLOB NOT NULL,
    input_tokens INTEGER NOT NULL,
    output_tokens INTEGER NOT NULL,
    seconds REAL
);
CREATE TABLE inputs (
    id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, turn INTEGER NOT NULL DEFAULT 0, written TEXT
);
CREATE TABLE rows (
    input INTEGER NOT NULL,
    position INTEGER NOT NULL,
    request INTEGER,
    PRIMARY KEY (input, position)
) WITHOUT ROWID;
CREATE TABLE batches (
    id INTEGER PRIMARY KEY,
    key TEXT NOT NULL UNIQUE,
    file TEXT,
    batch TEXT,
    collected INTEGER NOT NULL DEFAULT 0
);
"""

# Columns of two small tables: a commit of many rows touches few pages, for ids are given in the order of
# asking.
SET_STATE = "UPDATE requests SET state = ? WHERE id = ?"
SEND = "UPDATE requests SET state = ?, batch = NULL WHERE id = ?"
KEEP_ANSWER = "INSERT OR REPLACE INTO answers VALUES (?, ?, ?, ?, ?, ?)"


def prepare(connection: sqlite3.Connection, path: Path, settings: Mapping[str, Any]) -> None:
    """Make an opened file a journal of this version, or raise why it cannot be one."""
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    if version > SCHEMA:
        # Nothing has been written yet: a newer version's journal stays as it is.
        made_by = connection.execute("SELECT made_by FROM about").fetchone()[0]
        raise SettingsError(
            f"{path}: made by labeltune {made_by}, this is {__version__}", hint="use that version"
        )
    problem = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
    if problem != "ok":
        raise damaged(path, problem)
    with contextlib.suppress(sqlite3.OperationalError):
        # Shared folders of a network refuse it; then SQLite's rollback journal does the same, slower.
        connection.execute("PRAGMA journal_mode = WAL").fetchone()
    _upgrade(connection)
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA temp_store = FILE")
    if version == 0:
        connection.execute("BEGIN IMMEDIATE")
        for statement in filter(str.strip, TABLES.split(";")):
            connection.execute(statement)
        described = json.dumps(dict(settings), ensure_ascii=False, sort_keys=True)
        connection.execute("INSERT INTO about VALUES (?, ?)", (__version__, described))
        connection.execute(f"PRAGMA user_version = {SCHEMA}")
        connection.execute("COMMIT")


def _upgrade(connection: sqlite3.Connection) -> None:
    """Bring the tables of an earlier version up to this one; a file without tables stays as it is."""
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    if not 0 < version < SCHEMA:
        return
    connection.execute("BEGIN IMMEDIATE")
    if version < 2:
        connection.execute("ALTER TABLE answers ADD COLUMN seconds REAL")
    connection.execute("ALTER TABLE inputs ADD COLUMN written TEXT")
    connection.execute(f"PRAGMA user_version = {SCHEMA}")
    connection.execute("COMMIT")
