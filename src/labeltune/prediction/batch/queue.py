"""The provider's queue of batches: whether it takes another one, and how large one may be."""

from __future__ import annotations

from typing import TYPE_CHECKING

from labeltune.errors import TemporaryError
from labeltune.prediction.batch.files import MOST_REQUESTS

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from labeltune.prediction.plan import Job

__all__ = ["LEAST_REQUESTS", "QUEUE_CODES", "Queue"]

QUEUE_CODES = frozenset({"token_limit_exceeded", "enqueued_token_limit_exceeded", "batch_limit_exceeded"})
"""Why a batch fails that may be created again when others have ended."""

LEAST_REQUESTS = 500
"""Batches are not made smaller than this to fit into a queue."""


class Queue:
    """What is known of it: `full`, and the `most` requests that a batch of ours has."""

    def __init__(self, job: Job, *, sleep: Callable[[float], Awaitable[None]]) -> None:
        self._job, self._sleep = job, sleep
        self.full = False
        self.most = MOST_REQUESTS
        self._waited = 0.0

    def turned_away(self, *, alone: bool) -> None:
        """It took no more; `alone`: although no other batch of this run was in it."""
        if not self.full:
            self.full = True
            self._job.story.note(f"{self._job.provider.host} takes no more batches for now: waiting")
        if alone:
            # It may be that not even one of this size fits.
            self.most = max(self.most // 2, LEAST_REQUESTS)

    def moved_on(self) -> None:
        """A batch of this run is over: there may be room again."""
        self.full, self._waited = False, 0.0

    async def wait(self) -> None:
        """Other people's batches are in the queue. Raises `TemporaryError` after `max_wait` seconds."""
        longest_wait = self._job.options.max_wait
        if self._waited >= longest_wait:
            raise TemporaryError(
                f"{self._job.provider.host}: its queue of batches is full, for {self._waited:,.0f} s",
                hint="run the same command again later, or with a longer --max-wait",
            )
        shortest, longest = self._job.provider.poll_seconds
        pause = min(max(self._waited / 2, shortest), longest, longest_wait - self._waited)
        await self._sleep(pause)
        self._waited += pause
        self.full = False
