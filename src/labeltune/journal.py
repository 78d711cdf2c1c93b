"""The journal of a prediction run: what was asked, what is being asked, and every answer, as it came.

    todo ──▶ sent ──▶ done      an answer, kept raw
      ▲        ├────▶ failed    refused for good: asking again would bring the same
      └────────┤                (not billed: rate limit, server error; it waits for its turn again)
               └────▶ unknown   the answer was lost on its way; it may have been billed

One SQLite file per run. `sent` is on the disk before the request leaves, and an answer is on the disk before
its place in flight is free for another request; so after `kill -9` or a power cut the rows in `sent` are
exactly those whose answers may have been paid for and lost. A request is known by the hash of its content:
rows may be added or reordered, and equal requests are asked once.

The file holds hashes of what was asked, never the text, and the answers.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import socket
import sqlite3
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from labeltune import __version__
from labeltune.errors import ConflictError, DiskError, LabeltuneError, SettingsError
from labeltune.files import disk_errors, make_private_file, make_private_folder

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

__all__ = [
    "BatchEntry",
    "Changes",
    "EarlierRun",
    "Journal",
    "Pending",
    "Result",
    "State",
    "latest_run",
    "open_journal",
    "recover_journal",
]

SCHEMA = 1
"""The version of the tables, kept as SQLite's `user_version`."""

BALLAST_BYTES = 32 << 20
"""Room kept beside the journal, freed when the disk is full so that answers in flight can still be saved."""

QUICK_SECONDS = 0.001
"""A disk whose last commit took less is not worth a thread: handing over costs more than the commit."""

GROUP_SECONDS = 0.002
"""How long a commit waits for others to join it: a flush to the disk costs the same for one row as for
many.
"""

_CHUNK = 512

State = Literal["todo", "sent", "done", "failed", "unknown"]
_STATES: tuple[State, ...] = ("todo", "sent", "done", "failed", "unknown")
_TODO, _SENT, _DONE, _FAILED, _UNKNOWN = range(5)

_TABLES = """
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
    output_tokens INTEGER NOT NULL
);
CREATE TABLE inputs (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, turn INTEGER NOT NULL DEFAULT 0);
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
_SET_STATE = "UPDATE requests SET state = ? WHERE id = ?"
_SEND = "UPDATE requests SET state = ?, batch = NULL WHERE id = ?"
_KEEP_ANSWER = "INSERT OR REPLACE INTO answers VALUES (?, ?, ?, ?, ?)"

_Operation = tuple[str, tuple[Any, ...]]


@dataclass(frozen=True, slots=True)
class Changes:
    """How a table differs from what it was when it was last predicted.

    `changed` rows are gone and others stand in their place; `new` ones came in addition, `gone` ones have no
    replacement. The order of rows does not count.
    """

    changed: int = 0
    new: int = 0
    gone: int = 0


@dataclass(frozen=True, slots=True)
class Pending:
    """A row's request: its id and hash in the journal (None for a row that is not asked), its state, and
    whether it is or was last asked in a batch.
    """

    position: int
    request: int | None
    digest: bytes | None
    state: State
    in_batch: bool


@dataclass(frozen=True, slots=True)
class Result:
    """What is known about a row: its request's hash and state (None for a row that is not asked), the kind
    of failure, and the reply's bytes.
    """

    digest: bytes | None
    state: State | None
    kind: str = ""
    raw: bytes = b""


@dataclass(frozen=True, slots=True)
class BatchEntry:
    """A batch that was meant to be created; `key` travels as its metadata."""

    id: int
    key: str
    file: str | None
    batch: str | None


@dataclass(frozen=True, slots=True)
class EarlierRun:
    """A run that once predicted the same table: where its journal is, and what its settings were."""

    path: Path
    settings: dict[str, Any]
    turn: int


def latest_run(folder: Path, pattern: str, name: str) -> EarlierRun | None:
    """The run that last predicted the table `name`, of all journals in `folder`; those that cannot be read do
    not count. Nothing is changed, and no lock is taken.
    """
    latest: EarlierRun | None = None
    for path in sorted(folder.glob(pattern)):
        with (
            contextlib.suppress(sqlite3.Error, ValueError),
            contextlib.closing(_read_only(path)) as connection,
        ):
            row = connection.execute(
                "SELECT settings, turn FROM about, inputs WHERE name = ?", (name,)
            ).fetchone()
            if row is not None and (latest is None or row[1] > latest.turn):
                latest = EarlierRun(path, json.loads(row[0]), row[1])
    return latest


def _read_only(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)


@contextmanager
def open_journal(path: Path, settings: Mapping[str, Any] | None = None) -> Iterator[Journal]:
    """The journal at `path`, made if need be, locked while the block runs.

    `settings` say what the run is; a new journal keeps them. Raises `ConflictError` while another process
    holds the run, `DiskError` where it cannot be written or is damaged, `SettingsError` if a newer version
    made it.
    """
    make_private_folder(path.parent)
    with _lock(path), _database_errors(path):
        make_private_file(path)
        # Slow commits are made in a thread, so that the disk never holds up the network.
        connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        ballast = path.with_suffix(".ballast")
        try:
            _prepare(connection, path, settings or {})
            _lay_ballast(ballast)
            yield Journal(connection, path, ballast)
        finally:
            connection.close()
            ballast.unlink(missing_ok=True)


class Journal:
    """An open journal; made by `open_journal`.

    The coroutines are for one event loop: they join the next group commit and return when it is on the disk.
    """

    def __init__(self, connection: sqlite3.Connection, path: Path, ballast: Path) -> None:
        self._connection = connection
        self.path = path
        self._ballast = ballast
        self._waiting: list[_Operation] = []
        self._group: asyncio.Future[None] | None = None
        self._writing = False
        self._began = 0.0
        self._commit_seconds = 0.0
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="journal")
        self.full = False
        """Whether the disk was full: what is in flight can be saved, more must not be asked."""

    @property
    def settings(self) -> dict[str, Any]:
        """What the run was begun with."""
        document: dict[str, Any] = json.loads(self._one("SELECT settings FROM about")[0])
        return document

    @property
    def write_ahead(self) -> bool:
        """False on file systems that cannot keep a write-ahead log (shared folders of a network)."""
        return bool(self._one("PRAGMA journal_mode")[0] == "wal")

    # ------------------------------------------------------------------------------------------------- the
    # plan

    def plan(self, name: str, hashes: Iterable[bytes | None], *, accept: bool, turn: int = 1) -> Changes:
        """Enter the rows of the table `name`: the hash of each row's request, None for one that is not asked.

        Returns how the table differs from when it was last planned. If rows changed and `accept` is false,
        the journal stays as it was. Of all journals with such a table, the one with the highest `turn` was
        last.
        """
        with self._transaction() as done:
            old = self._input(name)
            new = self._input("")
            self._enter(new, hashes)
            changes = self._compare(old, new)
            if changes.changed and not accept:
                return changes
            self._execute("DELETE FROM rows WHERE input = ?", old)
            self._execute("DELETE FROM inputs WHERE id = ?", old)
            self._execute("UPDATE inputs SET name = ?, turn = ? WHERE id = ?", name, turn, new)
            done()
        return changes

    def settle_lost(self) -> int:
        """Requests that a killed process left `sent` are `unknown`; returns how many those are.

        Those in a batch are not lost: the provider still has them.
        """
        settled = self._execute(
            "UPDATE requests SET state = ? WHERE state = ? AND batch IS NULL", _UNKNOWN, _SENT
        )
        return settled.rowcount

    @property
    def highest_request(self) -> int:
        """The highest id of a request; 0 if there is none."""
        return int(self._one("SELECT coalesce(max(id), 0) FROM requests")[0])

    def _input(self, name: str) -> int:
        self._execute("INSERT OR IGNORE INTO inputs (name) VALUES (?)", name)
        return int(self._one("SELECT id FROM inputs WHERE name = ?", name)[0])

    def _enter(self, input_: int, hashes: Iterable[bytes | None]) -> None:
        numbered = enumerate(hashes)
        while chunk := list(islice(numbered, _CHUNK)):
            asked = [(digest,) for _, digest in chunk if digest is not None]
            self._connection.executemany("INSERT OR IGNORE INTO requests (hash) VALUES (?)", asked)
            self._connection.executemany(
                "INSERT INTO rows VALUES (?, ?, (SELECT id FROM requests WHERE hash = ?))",
                ((input_, position, digest) for position, digest in chunk),
            )

    def _compare(self, old: int, new: int) -> Changes:
        if not self._one("SELECT EXISTS (SELECT 1 FROM rows WHERE input = ?)", old)[0]:
            return Changes()
        came, went = self._one(
            "SELECT total(max(balance, 0)), total(max(-balance, 0)) FROM ("
            " SELECT sum(CASE input WHEN ?1 THEN 1 ELSE -1 END) AS balance FROM rows"
            " WHERE input IN (?1, ?2) GROUP BY request HAVING balance <> 0)",
            new,
            old,
        )
        changed = int(min(came, went))
        return Changes(changed, int(came) - changed, int(went) - changed)

    # --------------------------------------------------------------------------------------------------
    # reading

    def counts(self, name: str) -> dict[State, int]:
        """How many distinct requests of the table `name` are in each state."""
        counts: dict[State, int] = dict.fromkeys(_STATES, 0)
        found = self._execute(
            "SELECT state, count(*) FROM requests WHERE id IN"
            " (SELECT request FROM rows JOIN inputs ON inputs.id = input WHERE name = ?) GROUP BY state",
            name,
        )
        for state, count in found:
            counts[_STATES[state]] = count
        return counts

    def pending(self, name: str) -> Iterator[Pending]:
        """The rows of the table `name`, in order, each with its request's state at about that time."""
        input_, position = self._input(name), -1
        while True:
            chunk = self._execute(
                "SELECT position, request, hash, state, batch FROM rows"
                " LEFT JOIN requests ON requests.id = request"
                " WHERE input = ? AND position > ? ORDER BY position LIMIT ?",
                input_,
                position,
                _CHUNK,
            ).fetchall()
            if not chunk:
                return
            for position, request, digest, state, batch in chunk:
                yield Pending(position, request, digest, _STATES[state or 0], batch is not None)
            position = chunk[-1][0]

    def results(self, name: str) -> Iterator[Result]:
        """What is known about each row of the table `name`, in order."""
        input_, position = self._input(name), -1
        while True:
            chunk = self._execute(
                "SELECT position, hash, state, kind, raw FROM rows"
                " LEFT JOIN requests ON requests.id = rows.request"
                " LEFT JOIN answers ON answers.request = requests.id"
                " WHERE input = ? AND position > ? ORDER BY position LIMIT ?",
                input_,
                position,
                _CHUNK,
            ).fetchall()
            if not chunk:
                return
            position = chunk[-1][0]
            for _, digest, state, kind, raw in chunk:
                yield Result(digest, None if state is None else _STATES[state], kind or "", raw or b"")

    def tokens(self) -> tuple[int, int]:
        """Tokens read and written in all answers of this journal, as the provider counted them."""
        read, written = self._one("SELECT total(input_tokens), total(output_tokens) FROM answers")
        return int(read), int(written)

    @property
    def answered(self) -> bool:
        """Whether any request has an answer."""
        return bool(self._one("SELECT EXISTS (SELECT 1 FROM requests WHERE state = ?)", _DONE)[0])

    def request_hash(self, request: int) -> bytes:
        """The hash of a request."""
        return bytes(self._one("SELECT hash FROM requests WHERE id = ?", request)[0])

    def find(self, digest: bytes) -> tuple[int, State, int | None] | None:
        """The request of that hash: its id, state and batch."""
        row = self._one("SELECT id, state, batch FROM requests WHERE hash = ?", digest)
        return None if row is None else (row[0], _STATES[row[1]], row[2])

    # -------------------------------------------------------------------------------- changes of a request's
    # state

    async def sent(self, request: int) -> None:
        """The request leaves when this returns; whichever batch it was in before has nothing more to say."""
        self._put(_SEND, _SENT, request)
        await self.flush()

    def put_back(self, request: int) -> None:
        """The request was not taken up, and nothing billed: it is to be asked again."""
        self._put(_SET_STATE, _TODO, request)

    def done(self, request: int, raw: bytes, *, input_tokens: int = 0, output_tokens: int = 0) -> None:
        """An answer came; kept with the next commit, which any `sent` or `flush` awaits."""
        self._put(_KEEP_ANSWER, request, "", raw, input_tokens, output_tokens)
        self._put(_SET_STATE, _DONE, request)

    def failed(self, request: int, kind: str, raw: bytes) -> None:
        """A refusal came that asking again would not change; `kind` names it."""
        self._put(_KEEP_ANSWER, request, kind, raw, 0, 0)
        self._put(_SET_STATE, _FAILED, request)

    def unknown(self, request: int, kind: str, raw: bytes = b"") -> None:
        """The answer was lost, and may have been billed; `raw` is what came of it."""
        self._put(_KEEP_ANSWER, request, kind, raw, 0, 0)
        self._put(_SET_STATE, _UNKNOWN, request)

    def _put(self, statement: str, *values: Any) -> None:
        self._waiting.append((statement, values))

    async def flush(self) -> None:
        """Wait until everything put so far is on the disk. Raises `DiskError` if it cannot be."""
        if self._group is None:
            loop = asyncio.get_running_loop()
            self._group = loop.create_future()
            if not self._writing:
                loop.call_later(0.0 if self._quick else GROUP_SECONDS, self._write_group)
        # One caller's cancellation must not take the commit away from the others.
        await asyncio.shield(self._group)

    @property
    def _quick(self) -> bool:
        return self._commit_seconds < QUICK_SECONDS

    def _write_group(self) -> None:
        """Write what waits, in one transaction; a slow disk is waited for in the thread."""
        operations, group = self._waiting, self._group
        assert group is not None
        self._waiting, self._group, self._writing = [], None, True
        loop = asyncio.get_running_loop()
        self._began = loop.time()
        try:
            self._apply(operations)
            if self._quick:
                self._commit()
        except sqlite3.Error as error:
            self._finish_group(operations, group, error)
            return
        if not self._connection.in_transaction:
            self._finish_group(operations, group, None)
            return
        commit = loop.run_in_executor(self._thread, self._commit)
        commit.add_done_callback(lambda future: self._finish_group(operations, group, future.exception()))

    def _commit(self) -> None:
        began = time.perf_counter()
        self._connection.commit()
        self._commit_seconds = time.perf_counter() - began

    def _apply(self, operations: list[_Operation]) -> None:
        self._execute("BEGIN IMMEDIATE")
        for statement, values in operations:
            self._connection.execute(statement, values)

    def _finish_group(
        self, operations: list[_Operation], group: asyncio.Future[None], error: BaseException | None
    ) -> None:
        if error is not None:
            error = self._save_on_full_disk(operations, error)
        self._writing = False
        if error is None:
            group.set_result(None)
        else:
            group.set_exception(_translated(self.path, error))
            group.exception()  # it may be that nobody waits for this group
        if self._group is not None:
            # Those who came while a slow disk was writing have waited for each other already.
            loop = asyncio.get_running_loop()
            pause = 0.0 if self._quick else GROUP_SECONDS
            loop.call_at(max(self._began + pause, loop.time()), self._write_group)

    def _save_on_full_disk(self, operations: list[_Operation], error: BaseException) -> BaseException | None:
        """Free the ballast and write the group once more; returns what still went wrong."""
        if self._connection.in_transaction:
            self._connection.rollback()
        if not _is_full(error) or self.full:
            return error
        self.full = True
        self._ballast.unlink(missing_ok=True)
        try:
            self._apply(operations)
            self._connection.commit()
        except sqlite3.Error as again:
            if self._connection.in_transaction:
                self._connection.rollback()
            return again
        return None

    # --------------------------------------------------------------------------------------------------
    # batches

    def intend_batch(self, key: str, requests: Iterable[int]) -> int:
        """Write down that a batch of these requests is about to be created."""
        with self._transaction() as done:
            self._execute("INSERT INTO batches (key) VALUES (?)", key)
            batch = int(self._one("SELECT id FROM batches WHERE key = ?", key)[0])
            self._connection.executemany(
                "UPDATE requests SET batch = ?, state = ? WHERE id = ?",
                ((batch, _SENT, request) for request in requests),
            )
            done()
        return batch

    def record_batch(self, batch: int, *, file: str | None, remote: str | None) -> None:
        """The provider has the input file, or the batch itself."""
        self._execute("UPDATE batches SET file = ?, batch = ? WHERE id = ?", file, remote, batch)

    def drop_batch(self, batch: int) -> None:
        """There is no such batch: its requests wait for their turn again."""
        with self._transaction() as done:
            self._execute(
                "UPDATE requests SET state = ?, batch = NULL WHERE batch = ? AND state = ?",
                _TODO,
                batch,
                _SENT,
            )
            self._execute("DELETE FROM batches WHERE id = ?", batch)
            done()

    def collected(self, batch: int, kind: str) -> None:
        """All that the batch brought is in the journal; what it did not bring is unknown, of that kind."""
        with self._transaction() as done:
            self._execute(
                "INSERT OR REPLACE INTO answers SELECT id, ?, x'', 0, 0 FROM requests"
                " WHERE batch = ? AND state = ?",
                kind,
                batch,
                _SENT,
            )
            self._execute(
                "UPDATE requests SET state = ? WHERE batch = ? AND state = ?", _UNKNOWN, batch, _SENT
            )
            self._execute("UPDATE batches SET collected = 1 WHERE id = ?", batch)
            done()

    def open_batches(self) -> list[BatchEntry]:
        """Batches whose results are not all in the journal, oldest first."""
        found = self._execute("SELECT id, key, file, batch FROM batches WHERE NOT collected ORDER BY id")
        return [BatchEntry(*row) for row in found]

    def size_of_batch(self, batch: int) -> int:
        """How many requests of a batch are not known to have ended."""
        found = self._one("SELECT count(*) FROM requests WHERE batch = ? AND state = ?", batch, _SENT)
        return int(found[0])

    def ended_in_batches(self, name: str) -> dict[str, int]:
        """How many requests of the table `name` a batch did not answer, by the kind of their end."""
        found = self._execute(
            "SELECT kind, count(*) FROM requests JOIN answers ON request = requests.id"
            " WHERE state = ? AND batch IS NOT NULL AND requests.id IN"
            " (SELECT rows.request FROM rows JOIN inputs ON inputs.id = input WHERE name = ?)"
            " GROUP BY kind ORDER BY kind",
            _UNKNOWN,
            name,
        )
        return dict(found.fetchall())

    def ask_again(self, name: str) -> None:
        """Put the requests of the table `name` that a batch did not answer back to be asked."""
        self._execute(
            "UPDATE requests SET state = ?, batch = NULL"
            " WHERE state = ? AND batch IS NOT NULL AND id IN"
            " (SELECT rows.request FROM rows JOIN inputs ON inputs.id = input WHERE name = ?)",
            _TODO,
            _UNKNOWN,
            name,
        )

    def positions_of(self, name: str, request: int) -> list[int]:
        """The rows of the table `name` that share a request, counted from 0."""
        found = self._execute(
            "SELECT position FROM rows JOIN inputs ON inputs.id = input WHERE name = ? AND request = ?"
            " ORDER BY position",
            name,
            request,
        )
        return [position for (position,) in found]

    @contextmanager
    def saving(self) -> Iterator[None]:
        """Write what the block puts, in one transaction, at once; for code without an event loop."""
        assert not self._waiting
        yield
        operations, self._waiting = self._waiting, []
        try:
            self._apply(operations)
            self._connection.commit()
        except sqlite3.Error as error:
            problem = self._save_on_full_disk(operations, error)
            if problem is not None:
                raise _translated(self.path, problem) from error

    # -----------------------------------------------------------------------------------------------
    # statements

    def _execute(self, statement: str, *values: Any) -> sqlite3.Cursor:
        return self._connection.execute(statement, values)

    def _one(self, statement: str, *values: Any) -> Any:
        return self._execute(statement, *values).fetchone()

    @contextmanager
    def _transaction(self) -> Iterator[Any]:
        """A transaction that is kept only if the block calls what it is given."""
        self._execute("BEGIN IMMEDIATE")
        try:
            yield self._connection.commit
        finally:
            if self._connection.in_transaction:
                self._connection.rollback()


# -----------------------------------------------------------------------------------------------------
# opening


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


def _prepare(connection: sqlite3.Connection, path: Path, settings: Mapping[str, Any]) -> None:
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    if version > SCHEMA:
        # Nothing has been written yet: a newer version's journal stays as it is.
        made_by = connection.execute("SELECT made_by FROM about").fetchone()[0]
        raise SettingsError(
            f"{path}: made by labeltune {made_by}, this is {__version__}", hint="use that version"
        )
    problem = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
    if problem != "ok":
        raise _damaged(path, problem)
    with contextlib.suppress(sqlite3.OperationalError):
        # Shared folders of a network refuse it; then SQLite's rollback journal does the same, slower.
        connection.execute("PRAGMA journal_mode = WAL").fetchone()
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA temp_store = FILE")
    if version == 0:
        connection.execute("BEGIN IMMEDIATE")
        for statement in filter(str.strip, _TABLES.split(";")):
            connection.execute(statement)
        described = json.dumps(dict(settings), ensure_ascii=False, sort_keys=True)
        connection.execute("INSERT INTO about VALUES (?, ?)", (__version__, described))
        connection.execute(f"PRAGMA user_version = {SCHEMA}")
        connection.execute("COMMIT")


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
        with open_journal(path, json.loads(settings[0][0]) if settings else {}) as journal:
            new = journal._connection  # noqa: SLF001  # of this module's own class
            new.execute("BEGIN IMMEDIATE")
            for row in _readable(old, "SELECT id, hash, state, batch FROM requests ORDER BY id"):
                new.execute("INSERT OR IGNORE INTO requests VALUES (?, ?, ?, ?)", row)
            for row in _readable(old, "SELECT request, kind, raw, input_tokens, output_tokens FROM answers"):
                if row[1] or _is_json(row[2]):
                    new.execute(_KEEP_ANSWER, row)
                    kept += 1
            for row in _readable(old, "SELECT id, key, file, batch, collected FROM batches"):
                new.execute("INSERT OR IGNORE INTO batches VALUES (?, ?, ?, ?, ?)", row)
            # An answer without its request, or a request without its answer, is as good as not asked.
            new.execute(
                "UPDATE requests SET state = ? WHERE state IN (?, ?)"
                " AND id NOT IN (SELECT request FROM answers)",
                (_TODO, _DONE, _FAILED),
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
        json.loads(raw)
    except (ValueError, TypeError):
        return False
    return True


@contextmanager
def _database_errors(path: Path) -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:
        raise _translated(path, error) from error


def _is_full(error: BaseException) -> bool:
    return isinstance(error, sqlite3.OperationalError) and (
        error.sqlite_errorcode & 0xFF in (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR)
    )


def _translated(path: Path, error: BaseException) -> LabeltuneError:
    """SQLite's refusals as ours."""
    if isinstance(error, LabeltuneError):
        return error
    if _is_full(error):
        return DiskError(
            f"{path}: cannot be written: {error}",
            hint="free some space, then run the same command again",
        )
    if isinstance(error, sqlite3.OperationalError) and "locked" in str(error):
        return ConflictError(f"{path}: {error} by another process", hint="wait for it, then run it again")
    if isinstance(error, sqlite3.OperationalError):
        return DiskError(f"{path}: {error}", hint="check its permissions and the disk")
    return _damaged(path, str(error))


def _damaged(path: Path, reason: str) -> LabeltuneError:
    return DiskError(
        f"{path}: quick_check failed, the file is damaged: {reason}",
        hint="the same command with --recover keeps a copy and every answer that can still be read",
    )
