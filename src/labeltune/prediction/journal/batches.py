"""The journal's batches: meant to be created, created, and collected."""

from __future__ import annotations

from typing import TYPE_CHECKING

from labeltune.prediction.journal.model import SENT, STATES, TODO, UNKNOWN, BatchEntry

if TYPE_CHECKING:
    from collections.abc import Iterable

    from labeltune.prediction.journal.database import Database
    from labeltune.prediction.journal.model import State

__all__ = ["BatchTable"]


class BatchTable:
    """The batches of one journal. Each change is on the disk when its method returns."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def intend(self, key: str, requests: Iterable[int]) -> int:
        """Write down that a batch of these requests is about to be created; returns its id here."""
        with self._database.transaction() as done:
            self._database.execute("INSERT INTO batches (key) VALUES (?)", key)
            batch = int(self._database.one("SELECT id FROM batches WHERE key = ?", key)[0])
            self._database.execute_many(
                "UPDATE requests SET batch = ?, state = ? WHERE id = ?",
                ((batch, SENT, request) for request in requests),
            )
            done()
        return batch

    def record(self, batch: int, *, file: str | None, remote: str | None) -> None:
        """The provider has the input file, or the batch itself."""
        self._database.execute("UPDATE batches SET file = ?, batch = ? WHERE id = ?", file, remote, batch)

    def drop(self, batch: int) -> None:
        """There is no such batch: its requests wait for their turn again."""
        with self._database.transaction() as done:
            self._database.execute(
                "UPDATE requests SET state = ?, batch = NULL WHERE batch = ? AND state = ?",
                TODO,
                batch,
                SENT,
            )
            self._database.execute("DELETE FROM batches WHERE id = ?", batch)
            done()

    def collected(self, batch: int, kind: str) -> None:
        """All that the batch brought is in the journal; what it did not bring is unknown, of that kind."""
        with self._database.transaction() as done:
            self._database.execute(
                "INSERT OR REPLACE INTO answers SELECT id, ?, x'', 0, 0, NULL FROM requests"
                " WHERE batch = ? AND state = ?",
                kind,
                batch,
                SENT,
            )
            self._database.execute(
                "UPDATE requests SET state = ? WHERE batch = ? AND state = ?", UNKNOWN, batch, SENT
            )
            self._database.execute("UPDATE batches SET collected = 1 WHERE id = ?", batch)
            done()

    def open(self) -> list[BatchEntry]:
        """Batches whose results are not all in the journal, oldest first."""
        found = self._database.execute(
            "SELECT id, key, file, batch FROM batches WHERE NOT collected ORDER BY id"
        )
        return [BatchEntry(*row) for row in found]

    def requests(self, batch: int) -> dict[bytes, tuple[int, State]]:
        """The requests of a batch by their hash: each one's id and state."""
        found = self._database.execute("SELECT hash, id, state FROM requests WHERE batch = ?", batch)
        return {digest: (request, STATES[state]) for digest, request, state in found}

    def size(self, batch: int) -> int:
        """How many requests of a batch are not known to have ended."""
        found = self._database.one("SELECT count(*) FROM requests WHERE batch = ? AND state = ?", batch, SENT)
        return int(found[0])

    def unanswered(self, name: str) -> dict[str, int]:
        """How many requests of the table `name` a batch did not answer, by the kind of their end."""
        found = self._database.execute(
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
        self._database.execute(
            "UPDATE requests SET state = ?, batch = NULL"
            " WHERE state = ? AND batch IS NOT NULL AND id IN"
            " (SELECT rows.request FROM rows JOIN inputs ON inputs.id = input WHERE name = ?)",
            TODO,
            UNKNOWN,
            name,
        )
