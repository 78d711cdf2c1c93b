"""The open journal: the rows that are planned, what is known of them, the changes of a request's state."""

from __future__ import annotations

import json
from contextlib import contextmanager
from itertools import islice
from typing import TYPE_CHECKING, Any

from labeltune.prediction.journal.batches import BatchTable
from labeltune.prediction.journal.commits import GroupCommit
from labeltune.prediction.journal.model import (
    DONE,
    FAILED,
    SENT,
    STATES,
    TODO,
    UNKNOWN,
    Changes,
    Pending,
    Result,
)
from labeltune.prediction.journal.tables import KEEP_ANSWER, SEND, SET_STATE

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from labeltune.prediction.journal.database import Database
    from labeltune.prediction.journal.model import State

__all__ = ["Journal"]

_CHUNK = 512


class Journal:
    """An open journal; made by `open_journal`.

    The coroutines are for one event loop: they join the next group commit and return when it is on the disk.
    """

    def __init__(self, database: Database, ballast: Path) -> None:
        self._database = database
        self._commits = GroupCommit(database, ballast)
        self.path = database.path
        self.batches = BatchTable(database)

    @property
    def full(self) -> bool:
        """Whether the disk was full: what is in flight can be saved, more must not be asked."""
        return self._commits.full

    @property
    def settings(self) -> dict[str, Any]:
        """What the run was begun with."""
        document: dict[str, Any] = json.loads(self._database.one("SELECT settings FROM about")[0])
        return document

    @property
    def write_ahead(self) -> bool:
        """False on file systems that cannot keep a write-ahead log (shared folders of a network)."""
        return bool(self._database.one("PRAGMA journal_mode")[0] == "wal")

    # the plan

    def plan(self, name: str, hashes: Iterable[bytes | None], *, accept: bool, turn: int = 1) -> Changes:
        """Enter the rows of the table `name`: the hash of each row's request, None for one that is not asked.

        Returns how the table differs from when it was last planned. If it was edited and `accept` is false,
        the journal stays as it was. Of all journals with such a table, the one with the highest `turn` was
        last.
        """
        with self._database.transaction() as done:
            old = self._input(name)
            new = self._input("")
            self._enter(new, hashes)
            changes = self._compare(old, new)
            if changes.edited and not accept:
                return changes
            (written,) = self._database.one("SELECT written FROM inputs WHERE id = ?", old)
            self._database.execute("DELETE FROM rows WHERE input = ?", old)
            self._database.execute("DELETE FROM inputs WHERE id = ?", old)
            self._database.execute(
                "UPDATE inputs SET name = ?, turn = ?, written = ? WHERE id = ?", name, turn, written, new
            )
            done()
        return changes

    def settle_lost(self) -> int:
        """Requests that a killed process left `sent` are `unknown`; returns how many those are.

        Those in a batch are not lost: the provider still has them.
        """
        settled = self._database.execute(
            "UPDATE requests SET state = ? WHERE state = ? AND batch IS NULL", UNKNOWN, SENT
        )
        return settled.rowcount

    @property
    def highest_request(self) -> int:
        """The highest id of a request; 0 if there is none."""
        return int(self._database.one("SELECT coalesce(max(id), 0) FROM requests")[0])

    def _input(self, name: str) -> int:
        self._database.execute("INSERT OR IGNORE INTO inputs (name) VALUES (?)", name)
        return int(self._database.one("SELECT id FROM inputs WHERE name = ?", name)[0])

    def _enter(self, input_: int, hashes: Iterable[bytes | None]) -> None:
        numbered = enumerate(hashes)
        while chunk := list(islice(numbered, _CHUNK)):
            asked = [(digest,) for _, digest in chunk if digest is not None]
            self._database.execute_many("INSERT OR IGNORE INTO requests (hash) VALUES (?)", asked)
            self._database.execute_many(
                "INSERT INTO rows VALUES (?, ?, (SELECT id FROM requests WHERE hash = ?))",
                ((input_, position, digest) for position, digest in chunk),
            )

    def _compare(self, old: int, new: int) -> Changes:
        if not self._database.one("SELECT EXISTS (SELECT 1 FROM rows WHERE input = ?)", old)[0]:
            return Changes()
        came, went = self._database.one(
            "SELECT total(max(balance, 0)), total(max(-balance, 0)) FROM ("
            " SELECT sum(CASE input WHEN ? THEN 1 ELSE -1 END) AS balance FROM rows"
            " WHERE input IN (?, ?) GROUP BY request HAVING balance <> 0)",
            new,
            new,
            old,
        )
        changed = int(min(came, went))
        in_place, before = self._database.one(
            "SELECT count(now.position), count(*) FROM rows AS past LEFT JOIN rows AS now"
            " ON now.input = ? AND now.position = past.position AND now.request IS past.request"
            " WHERE past.input = ?",
            new,
            old,
        )
        edited = changed > 0 and 2 * in_place >= before
        return Changes(changed, int(came) - changed, int(went) - changed, edited)

    def wrote(self, name: str, sha256: str) -> None:
        """What goes by `name`, a table's predictions or a file beside them, was written with this hash."""
        self._database.execute("INSERT OR IGNORE INTO inputs (name) VALUES (?)", name)
        self._database.execute("UPDATE inputs SET written = ? WHERE name = ?", sha256, name)

    # what is known

    def counts(self, name: str) -> dict[State, int]:
        """How many distinct requests of the table `name` are in each state."""
        counts: dict[State, int] = dict.fromkeys(STATES, 0)
        found = self._database.execute(
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
            for _, request, digest, state, batch in chunk:
                yield Pending(request, digest, STATES[state or 0], batch is not None)

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
        while chunk := self._database.execute(
            f"{query} WHERE input = ? AND position > ? ORDER BY position LIMIT ?", input_, position, _CHUNK
        ).fetchall():
            yield chunk
            position = chunk[-1][0]

    def tokens(self) -> tuple[int, int]:
        """Tokens read and written in all answers of this journal, as the provider counted them."""
        read, written = self._database.one("SELECT total(input_tokens), total(output_tokens) FROM answers")
        return int(read), int(written)

    @property
    def answered(self) -> bool:
        """Whether any request has an answer."""
        return bool(self._database.one("SELECT EXISTS (SELECT 1 FROM requests WHERE state = ?)", DONE)[0])

    def find(self, digest: bytes) -> int | None:
        """The request of that hash."""
        row = self._database.one("SELECT id FROM requests WHERE hash = ?", digest)
        return None if row is None else row[0]

    def positions_of(self, name: str, request: int) -> list[int]:
        """The rows of the table `name` that share a request, counted from 0."""
        found = self._database.execute(
            "SELECT position FROM rows JOIN inputs ON inputs.id = input WHERE name = ? AND request = ?"
            " ORDER BY position",
            name,
            request,
        )
        return [position for (position,) in found]

    # changes of a request's state

    async def sent(self, request: int) -> None:
        """The request leaves when this returns; whichever batch it was in before has nothing more to say."""
        self._commits.put(SEND, SENT, request)
        await self._commits.flush()

    def put_back(self, request: int) -> None:
        """The request was not taken up, and nothing billed: it is to be asked again."""
        self._commits.put(SET_STATE, TODO, request)

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
        self._commits.put(KEEP_ANSWER, request, "", raw, input_tokens, output_tokens, seconds)
        self._commits.put(SET_STATE, DONE, request)

    def failed(self, request: int, kind: str, raw: bytes) -> None:
        """A refusal came that asking again would not change; `kind` names it."""
        self._commits.put(KEEP_ANSWER, request, kind, raw, 0, 0, None)
        self._commits.put(SET_STATE, FAILED, request)

    def unknown(self, request: int, kind: str, raw: bytes = b"") -> None:
        """The answer was lost, and may have been billed; `raw` is what came of it."""
        self._commits.put(KEEP_ANSWER, request, kind, raw, 0, 0, None)
        self._commits.put(SET_STATE, UNKNOWN, request)

    async def flush(self) -> None:
        """Wait until all changes so far are on the disk. Raises `DiskError` if they cannot be."""
        await self._commits.flush()

    @contextmanager
    def saving(self) -> Iterator[None]:
        """Write the changes of the block, in one transaction, at once; for code without an event loop.

        Raises `DiskError` if they cannot be written.
        """
        assert self._commits.nothing_waits
        yield
        self._commits.write_now()
