"""Answers that were paid for and did not come: to ask again costs again, which takes a yes."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from labeltune.errors import RemoteError, SettingsError
from labeltune.wording import counted

if TYPE_CHECKING:
    from openai.types import Batch

    from labeltune.prediction.costs import Rate
    from labeltune.prediction.journal import BatchEntry, Journal
    from labeltune.prediction.plan import Asking, Job

__all__ = ["AskingAgain"]

KEPT_SECONDS = 30 * 24 * 3600
"""How long a provider keeps the output files of batches."""


class AskingAgain:
    """Asks whether to ask again, with the number of requests and what they cost."""

    def __init__(self, job: Job, plan: Asking, journal: Journal, rate: Rate | None) -> None:
        self._job, self._plan, self._journal, self._rate = job, plan, journal, rate
        self._offered = False

    def lost(self, entry: BatchEntry, remote: Batch | None, said: str) -> RemoteError | None:
        """The answers of a batch are gone, as `said`: its requests wait for their turn again, or else the
        error that says so.
        """
        requests = self._journal.batches.size(entry.id)
        deleted = None if remote is None else _deletion(remote)
        if deleted is not None:
            said = f"{entry.batch}: its {counted(requests, 'answer was', 'answers were')} deleted {deleted}"
        if not self._agreed(said, requests):
            return RemoteError(said, hint=self._way_on(requests))
        self._journal.batches.drop(entry.id)
        return None

    def offer(self) -> bool:
        """Offer to ask again what batches did not answer, once in a run; whether it was accepted."""
        unanswered = self._journal.batches.unanswered(self._plan.name)
        if self._offered or not unanswered:
            return False
        self._offered = True
        kinds = ", ".join(f"{count:,} {kind}" for kind, count in unanswered.items())
        kept = counted(self._journal.counts(self._plan.name)["done"], "answer")
        said = f"{kept} kept, {kinds}"
        requests = sum(unanswered.values())
        if not self._agreed(said, requests):
            self._job.story.warn(f"{said}; {self._way_on(requests)}")
            return False
        self._journal.batches.ask_again(self._plan.name)
        return True

    def _agreed(self, said: str, requests: int) -> bool:
        if self._job.options.yes:
            self._job.story.note(f"{said}; asking for {requests:,} again{self._price(requests)}")
            return True
        try:
            return self._job.story.confirm(f"{said}. Ask for {requests:,} again{self._price(requests)}?")
        except SettingsError:
            return False  # there is nobody to ask

    def _way_on(self, requests: int) -> str:
        return f"--yes asks for {requests:,} again{self._price(requests)}"

    def _price(self, requests: int) -> str:
        usd = 0.0 if self._rate is None else self._rate.usd(*self._plan.estimate(requests))
        return f", for about ${usd:,.2f}" if usd else ""


def _deletion(remote: Batch) -> str | None:
    """When the answers of a batch were deleted, as far as it is known."""
    ended = remote.completed_at or remote.expired_at or remote.cancelled_at
    if ended is None:
        return None
    deleted = ended + KEPT_SECONDS
    if deleted > time.time():
        return f"before their time, {time.strftime('%Y-%m-%d', time.gmtime(deleted))}"
    return f"on {time.strftime('%Y-%m-%d', time.gmtime(deleted))}, 30 days after it ended"
