"""Changes that wait for the disk, and the commits that many of them share."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from labeltune.prediction.journal.failures import is_full, translated

if TYPE_CHECKING:
    from pathlib import Path

    from labeltune.prediction.journal.database import Database

__all__ = ["GroupCommit"]

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

_Operation = tuple[str, tuple[Any, ...]]


class GroupCommit:
    """Keeps changes until they are written together, in the order in which they were put.

    `flush` is for one event loop: its callers join the next group and return when it is on the disk.
    """

    def __init__(self, database: Database, ballast: Path) -> None:
        self._database = database
        self._ballast = ballast
        self._waiting: list[_Operation] = []
        self._group: asyncio.Future[None] | None = None
        self._writing = False
        self._began = 0.0
        self._commit_seconds = 0.0
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="journal")
        self.full = False
        """Whether the disk was full: what is in flight can be saved, more must not be asked."""

    def put(self, statement: str, *values: Any) -> None:
        """Let a change wait for the next commit."""
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

    def write_now(self) -> None:
        """Write what waits, in one transaction, at once; for code without an event loop.

        Raises `DiskError` if it cannot be.
        """
        operations, self._waiting = self._waiting, []
        try:
            self._apply(operations)
            self._database.commit()
        except sqlite3.Error as error:
            problem = self._save_on_full_disk(operations, error)
            if problem is not None:
                raise translated(self._database.path, problem) from error

    @property
    def nothing_waits(self) -> bool:
        """Whether all that was put has been taken to be written."""
        return not self._waiting

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
        if not self._database.in_transaction:
            self._finish_group(operations, group, None)
            return
        commit = loop.run_in_executor(self._thread, self._commit)
        commit.add_done_callback(lambda future: self._finish_group(operations, group, future.exception()))

    def _commit(self) -> None:
        began = time.perf_counter()
        self._database.commit()
        self._commit_seconds = time.perf_counter() - began

    def _apply(self, operations: list[_Operation]) -> None:
        self._database.begin()
        for statement, values in operations:
            self._database.execute(statement, *values)

    def _finish_group(
        self, operations: list[_Operation], group: asyncio.Future[None], error: BaseException | None
    ) -> None:
        if error is not None:
            error = self._save_on_full_disk(operations, error)
        self._writing = False
        if error is None:
            group.set_result(None)
        else:
            group.set_exception(translated(self._database.path, error))
            group.exception()  # it may be that nobody waits for this group
        if self._group is not None:
            # Those who came while a slow disk was writing have waited for each other already.
            loop = asyncio.get_running_loop()
            pause = 0.0 if self._quick else GROUP_SECONDS
            loop.call_at(max(self._began + pause, loop.time()), self._write_group)

    def _save_on_full_disk(self, operations: list[_Operation], error: BaseException) -> BaseException | None:
        """Free the ballast and write the group once more; returns what still went wrong."""
        self._database.roll_back()
        if not is_full(error) or self.full:
            return error
        self.full = True
        self._ballast.unlink(missing_ok=True)
        try:
            self._apply(operations)
            self._database.commit()
        except sqlite3.Error as again:
            self._database.roll_back()
            return again
        return None
