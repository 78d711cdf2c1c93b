"""The journal's file as statements are made on it."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

__all__ = ["Database"]


class Database:
    """An open SQLite file in which each statement is a transaction of its own, but for `transaction`."""

    def __init__(self, connection: sqlite3.Connection, path: Path) -> None:
        self._connection = connection
        self.path = path

    def execute(self, statement: str, *values: Any) -> sqlite3.Cursor:
        """Make one statement."""
        return self._connection.execute(statement, values)

    def execute_many(self, statement: str, values: Iterable[tuple[Any, ...]]) -> None:
        """Make one statement with each of these values, within a transaction that is open."""
        self._connection.executemany(statement, values)

    def one(self, statement: str, *values: Any) -> Any:
        """The first row that a statement finds; None if it finds none."""
        return self.execute(statement, *values).fetchone()

    @contextmanager
    def transaction(self) -> Iterator[Callable[[], None]]:
        """A transaction that is kept only if the block calls what it is given."""
        self.begin()
        try:
            yield self.commit
        finally:
            self.roll_back()

    def begin(self) -> None:
        """Begin a transaction, and keep others from writing."""
        self.execute("BEGIN IMMEDIATE")

    def commit(self) -> None:
        """Put the transaction on the disk; may be called in another thread."""
        self._connection.commit()

    def roll_back(self) -> None:
        """Take back the transaction, if one is open."""
        if self._connection.in_transaction:
            self._connection.rollback()

    @property
    def in_transaction(self) -> bool:
        """Whether a transaction is open."""
        return self._connection.in_transaction
