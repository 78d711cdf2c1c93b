"""The open journal: the plan, the changes of a request's state, the batches."""

from __future__ import annotations

import asyncio
import json
import sqlite3
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import islice
from typing import TYPE_CHECKING, Any

from labeltune.prediction.journal.failures import is_full, translated
from labeltune.prediction.journal.model import (
    DONE,
    FAILED,
    SENT,
    STATES,
    TODO,
    UNKNOWN,
    BatchEntry,
    Changes,
    Pending,
    Result,
)
from labeltune.prediction.journal.tables import KEEP_ANSWER, SEND, SET_STATE

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from labeltune.prediction.journal.model import State

__all__ = ["Journal"]

QUICK_SECONDS = 0.001
"""A disk whose last commit took less is not worth a thread: handing over costs more than the commit."""

QUICK_CHANGES = 6
"""On such a disk a group is written as soon as it has so many changes; a row makes three from one request to
the next.
"""

GROUP_SECONDS = 0.002
"""How long a commit waits for others to join it: a flush to the disk costs the same for one row as for
many.
"""

_CHUNK = 512

_Operation = tuple[str, tuple[Any, ...]]


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
            "UPDATE requests SET state = ? WHERE state = ? AND batch IS NULL", UNKNOWN, SENT
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
        counts: dict[State, int] = dict.fromkeys(STATES, 0)
        found = self._execute(
            "SELECT state, count(*) FROM requests WHERE id IN"
            " (SELECT request FROM rows JOIN inputs ON inputs.id = input WHERE name = ?) GROUP BY state",
            name,
        )
        for state, count in found:
            counts[STATES[state]] = count
        return counts

    def pending(self, name: str) -> Iterator[Pending]:
        """The rows of the table `name`, in order, each with its request's state at about that time."""
        query = (
            "SELECT position, request, hash, state, batch FROM rows"
            " LEFT JOIN requests ON requests.id = request"
        )
        for chunk in self._in_order(query, name):
            for position, request, digest, state, batch in chunk:
                yield Pending(position, request, digest, STATES[state or 0], batch is not None)

    def results(self, name: str) -> Iterator[Result]:
        """What is known about each row of the table `name`, in order."""
        query = (
            "SELECT position, hash, state, kind, raw FROM rows"
            " LEFT JOIN requests ON requests.id = rows.request"
            " LEFT JOIN answers ON answers.request = requests.id"
        )
        for chunk in self._in_order(query, name):
            for _, digest, state, kind, raw in chunk:
                yield Result(digest, None if state is None else STATES[state], kind or "", raw or b"")

    def _in_order(self, query: str, name: str) -> Iterator[list[Any]]:
        """What the query, whose first column is the position, finds for the rows of the table `name`: some
        rows at a time, so that no cursor stays open while the journal is written to.
        """
        input_, position = self._input(name), -1
        while chunk := self._execute(
            f"{query} WHERE input = ? AND position > ? ORDER BY position LIMIT ?", input_, position, _CHUNK
        ).fetchall():
            yield chunk
            position = chunk[-1][0]

    def tokens(self) -> tuple[int, int]:
        """Tokens read and written in all answers of this journal, as the provider counted them."""
        read, written = self._one("SELECT total(input_tokens), total(output_tokens) FROM answers")
        return int(read), int(written)

    @property
    def answered(self) -> bool:
        """Whether any request has an answer."""
        return bool(self._one("SELECT EXISTS (SELECT 1 FROM requests WHERE state = ?)", DONE)[0])

    def find(self, digest: bytes) -> int | None:
        """The request of that hash."""
        row = self._one("SELECT id FROM requests WHERE hash = ?", digest)
        return None if row is None else row[0]

    # -------------------------------------------------------------------------------- changes of a request's
    # state

    async def sent(self, request: int) -> None:
        """The request leaves when this returns; whichever batch it was in before has nothing more to say."""
        self._put(SEND, SENT, request)
        await self.flush()

    def put_back(self, request: int) -> None:
        """The request was not taken up, and nothing billed: it is to be asked again."""
        self._put(SET_STATE, TODO, request)

    def done(
        self,
        request: int,
        raw: bytes,
        *,
        input_tokens: int = 0,
        output_tokens: int = 0,
        seconds: float | None = None,
    ) -> None:
        """An answer came, after so many seconds; kept with the next commit, which any `sent` or `flush`
        awaits.
        """
        self._put(KEEP_ANSWER, request, "", raw, input_tokens, output_tokens, seconds)
        self._put(SET_STATE, DONE, request)

    def failed(self, request: int, kind: str, raw: bytes) -> None:
        """A refusal came that asking again would not change; `kind` names it."""
        self._put(KEEP_ANSWER, request, kind, raw, 0, 0, None)
        self._put(SET_STATE, FAILED, request)

    def unknown(self, request: int, kind: str, raw: bytes = b"") -> None:
        """The answer was lost, and may have been billed; `raw` is what came of it."""
        self._put(KEEP_ANSWER, request, kind, raw, 0, 0, None)
        self._put(SET_STATE, UNKNOWN, request)

    def _put(self, statement: str, *values: Any) -> None:
        self._waiting.append((statement, values))

    async def flush(self) -> None:
        """Wait until everything put so far is on the disk. Raises `DiskError` if it cannot be."""
        if self._group is None:
            loop = asyncio.get_running_loop()
            self._group = loop.create_future()
            if not self._writing:
                loop.call_later(0.0 if self._quick else GROUP_SECONDS, self._write_group)
        group = self._group
        if self._quick and len(self._waiting) >= QUICK_CHANGES:
            # All that has come back in one turn of the loop would leave, and come back, together.
            self._write_group()
        # One caller's cancellation must not take the commit away from the others.
        await asyncio.shield(group)

    @property
    def _quick(self) -> bool:
        return self._commit_seconds < QUICK_SECONDS

    def _write_group(self) -> None:
        """Write what waits, in one transaction; a slow disk is waited for in the thread."""
        operations, group = self._waiting, self._group
        if group is None or self._writing:
            return  # written already, or as soon as what is being written is on the disk
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
            group.set_exception(translated(self.path, error))
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
        if not is_full(error) or self.full:
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
                ((batch, SENT, request) for request in requests),
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
                TODO,
                batch,
                SENT,
            )
            self._execute("DELETE FROM batches WHERE id = ?", batch)
            done()

    def collected(self, batch: int, kind: str) -> None:
        """All that the batch brought is in the journal; what it did not bring is unknown, of that kind."""
        with self._transaction() as done:
            self._execute(
                "INSERT OR REPLACE INTO answers SELECT id, ?, x'', 0, 0, NULL FROM requests"
                " WHERE batch = ? AND state = ?",
                kind,
                batch,
                SENT,
            )
            self._execute("UPDATE requests SET state = ? WHERE batch = ? AND state = ?", UNKNOWN, batch, SENT)
            self._execute("UPDATE batches SET collected = 1 WHERE id = ?", batch)
            done()

    def open_batches(self) -> list[BatchEntry]:
        """Batches whose results are not all in the journal, oldest first."""
        found = self._execute("SELECT id, key, file, batch FROM batches WHERE NOT collected ORDER BY id")
        return [BatchEntry(*row) for row in found]

    def requests_of_batch(self, batch: int) -> dict[bytes, tuple[int, State]]:
        """The requests of a batch by their hash: each one's id and state."""
        found = self._execute("SELECT hash, id, state FROM requests WHERE batch = ?", batch)
        return {digest: (request, STATES[state]) for digest, request, state in found}

    def size_of_batch(self, batch: int) -> int:
        """How many requests of a batch are not known to have ended."""
        found = self._one("SELECT count(*) FROM requests WHERE batch = ? AND state = ?", batch, SENT)
        return int(found[0])

    def ended_in_batches(self, name: str) -> dict[str, int]:
        """How many requests of the table `name` a batch did not answer, by the kind of their end."""
        found = self._execute(
            "SELECT kind, count(*) FROM requests JOIN answers ON request = requests.id"
            " WHERE state = ? AND batch IS NOT NULL AND requests.id IN"
            " (SELECT rows.request FROM rows JOIN inputs ON inputs.id = input WHERE name = ?)"
            " GROUP BY kind ORDER BY kind",
            UNKNOWN,
            name,
        )
        return dict(found.fetchall())

    def ask_again(self, name: str) -> None:
        """Put the requests of the table `name` that a batch did not answer back to be asked."""
        self._execute(
            "UPDATE requests SET state = ?, batch = NULL"
            " WHERE state = ? AND batch IS NOT NULL AND id IN"
            " (SELECT rows.request FROM rows JOIN inputs ON inputs.id = input WHERE name = ?)",
            TODO,
            UNKNOWN,
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
                raise translated(self.path, problem) from error

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
