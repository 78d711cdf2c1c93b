"""Batches that are not over: looked at until the next one is."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from labeltune.errors import RemoteError, TemporaryError
from labeltune.providers import persist
from labeltune.providers.lenient import batch_status, whole_number
from labeltune.tuning.watching import WATCH_PATIENCE

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from openai import AsyncOpenAI
    from openai.types import Batch

    from labeltune.prediction.journal import BatchEntry
    from labeltune.prediction.story import Story
    from labeltune.providers import Provider

__all__ = ["FINAL", "Watched", "Watcher", "each_once"]

FINAL = ("completed", "failed", "expired", "cancelled")
"""The statuses that a batch keeps. The set of statuses is open: an unknown one is not final."""

CANCELLING_SECONDS = 600.0
"""How long a batch may take to be cancelled."""


@dataclass(slots=True)
class Watched:
    """A batch that is not over: what it was when it was last looked at.

    `alone`: no other batch of this run was in the provider's queue when it was created.
    """

    entry: BatchEntry
    alone: bool = True
    status: str = ""
    over: int = 0
    cancelling_since: float | None = None

    @property
    def id(self) -> str:
        """The provider's id for it."""
        assert self.entry.batch is not None
        return self.entry.batch


def each_once(story: Story) -> Callable[[TemporaryError], None]:
    """Tells of failures after which the same is asked again, for half an hour: none should sit through it
    without a word.
    """
    told: set[str] = set()

    def tell(error: TemporaryError) -> None:
        if str(error) not in told:
            told.add(str(error))
            story.warn(f"{error}; trying again")

    return tell


class Watcher:
    """Looks at batches through one client. Reads only, so every call may be repeated."""

    def __init__(
        self,
        client: AsyncOpenAI,
        provider: Provider,
        story: Story,
        *,
        sleep: Callable[[float], Awaitable[None]],
        now: Callable[[], float],
    ) -> None:
        self._client, self._provider, self._story = client, provider, story
        self._sleep, self._now = sleep, now
        self._tell = each_once(story)

    async def next_ended(self, batches: Sequence[Watched]) -> tuple[Watched, Batch | None]:
        """The next batch that is over, and how it stands; None if the provider has it no more."""
        shortest, longest = self._provider.poll_seconds
        pause = shortest
        while True:
            moved = False
            for watched in batches:
                retrieve = partial(self._client.batches.retrieve, watched.id)
                try:
                    remote = await persist(
                        retrieve,
                        self._provider,
                        patience=WATCH_PATIENCE,
                        sleep=self._sleep,
                        on_failure=self._tell,
                    )
                except RemoteError:
                    return watched, None
                moved = self.moved(watched, remote) or moved
                if watched.status in FINAL:
                    return watched, remote
            pause = shortest if moved else min(1.5 * pause, longest)
            await self._sleep(pause)

    def moved(self, watched: Watched, remote: Batch) -> bool:
        """Tell what is new about a batch; whether anything is.

        Raises `TemporaryError` for one that is being cancelled without end.
        """
        status, counts = batch_status(remote.status), remote.request_counts
        over = sum(whole_number(getattr(counts, name, None)) or 0 for name in ("completed", "failed"))
        moved = status != watched.status or over > watched.over
        if status != watched.status:
            self._story.note(f"{watched.id}: {status}")
            watched.cancelling_since = self._now() if status == "cancelling" else None
        self._story.advance(max(over - watched.over, 0))
        watched.status, watched.over = status, max(over, watched.over)
        since = watched.cancelling_since
        if since is not None and self._now() - since > CANCELLING_SECONDS:
            raise TemporaryError(
                f"{watched.id}: status 'cancelling' (not final) for {CANCELLING_SECONDS / 60:.0f} minutes",
                hint="run the same command again later: it collects what was answered",
            )
        return moved
