"""One run through batches: create what the provider takes, collect what is over, ask again what is lost."""

from __future__ import annotations

import asyncio
import time
from contextlib import closing
from typing import TYPE_CHECKING

from labeltune.errors import BudgetError, RemoteError, SettingsError
from labeltune.files.writing import disk_errors
from labeltune.prediction.batch.asking_again import AskingAgain
from labeltune.prediction.batch.collecting import Collector
from labeltune.prediction.batch.creating import Creator
from labeltune.prediction.batch.failures import errors_of, failure_of
from labeltune.prediction.batch.files import UPLOAD, temporary, write_input_file
from labeltune.prediction.batch.queue import QUEUE_CODES, Queue
from labeltune.prediction.batch.watching import Watched, Watcher
from labeltune.prediction.costs import check_budget
from labeltune.prediction.fingerprint import refuse_other_task
from labeltune.prediction.sending import Sent
from labeltune.providers import connect, run
from labeltune.tuning.ledger import open_ledger
from labeltune.tuning.upload import TRANSFER_TIMEOUT, Uploader
from labeltune.wording import counted

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator
    from pathlib import Path

    from openai.types import Batch

    from labeltune.errors import LabeltuneError
    from labeltune.prediction.costs import Rate
    from labeltune.prediction.journal import BatchEntry, Journal
    from labeltune.prediction.plan import Ask, Asking, Job

__all__ = ["Batches", "ask_in_batches"]


def ask_in_batches(job: Job, plan: Asking, journal: Journal, rate: Rate | None) -> Sent:
    """Collect the batches of earlier calls, ask what is left in new ones, and wait for them all.

    Ctrl-C leaves them running: the same call again comes back for their answers. Raises the errors of this
    package; what was collected until then is in the journal.
    """
    unanswered = journal.batches.unanswered(plan.name)
    if not (unanswered or plan.left(journal) or journal.batches.open()):
        return Sent(usd=None if rate is None else 0.0)

    async def work() -> Sent:
        with open_ledger(job.state) as ledger:
            async with connect(job.provider, timeout=TRANSFER_TIMEOUT) as client:
                uploader = Uploader(client, job.provider, ledger)
                return await Batches(uploader, job, plan, journal, rate).run()

    return run(work())


class Batches:
    """Carries out one plan."""

    def __init__(
        self,
        uploader: Uploader,
        job: Job,
        plan: Asking,
        journal: Journal,
        rate: Rate | None,
        *,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._job, self._plan, self._journal, self._rate = job, plan, journal, rate
        self._client, self._story = uploader.client, job.story
        self.sent = Sent(usd=None if rate is None else 0.0)
        self._creator = Creator(uploader, job, journal, sleep=sleep)
        self._queue = Queue(job, sleep=sleep)
        self._watcher = Watcher(self._client, job.provider, job.story, sleep=sleep, now=now)
        self._collector = Collector(self._client, job, journal, self.sent, rate, sleep=sleep)
        self._again = AskingAgain(job, plan, journal, rate)
        self._open: list[Watched] = []
        self._failure: LabeltuneError | None = None

    async def run(self) -> Sent:
        """See `ask_in_batches`."""
        try:
            async for entry in self._creator.adopt():
                self._open.append(Watched(entry))
            left = self._plan.left(self._journal)
            if left and self._job.manner is None and not self._job.options.accept_changes:
                await refuse_other_task(
                    self._client, self._job.provider, self._job.model, self._job.task, state=self._job.state
                )
            running = sum(self._journal.batches.size(watched.entry.id) for watched in self._open)
            self._story.begin(left + running)
            while await self._step():
                pass
        except BaseException:
            for watched in self._open:
                self._story.note(f"{watched.id} goes on without us; the same command collects its answers")
            raise
        if self._failure is not None:
            raise self._failure
        return self.sent

    async def _step(self) -> bool:
        """Do what is next. False if nothing is left to do."""
        if self._failure is None:
            await self._fill()
        if self._open:
            await self._collect_next()
        elif self._failure is not None:
            return False
        elif self._queue.full:
            await self._queue.wait()
        else:
            return self._again.offer()
        return True

    # asked

    async def _fill(self) -> None:
        """Create batches for what is not asked yet, until the provider takes no more."""
        left = 0 if self._queue.full else self._plan.left(self._journal)
        try:
            tokens, limit = self._plan.estimate(left), self._job.options.max_cost
            spent = self.sent.usd or 0.0
            check_budget(self._rate, tokens, limit, left, model=self._job.model, spent=spent)
        except BudgetError:
            if self._open:
                return
            raise
        with closing(self._plan.asks(self._journal)) as rows:
            asks: Iterator[Ask] = rows
            while left and not self._queue.full:
                with temporary(self._journal.path.with_suffix(UPLOAD)) as path:
                    with disk_errors(path), path.open("wb") as handle:
                        requests, asks = write_input_file(handle, asks, most_requests=self._queue.most)
                    if not requests:
                        return
                    await self._create(requests, path)

    async def _create(self, requests: list[int], path: Path) -> None:
        alone = not self._open
        entry = await self._creator.create(requests, path)
        if entry.batch is None:
            await self._put_back(entry, alone=alone)
            return
        self._open.append(Watched(entry, alone=alone))
        self._story.note(f"created batch {entry.batch} of {counted(len(requests), 'request')}")

    async def _put_back(self, entry: BatchEntry, *, alone: bool) -> None:
        """The provider's queue is full: the requests wait until another batch has ended."""
        self._journal.batches.drop(entry.id)
        self._queue.turned_away(alone=alone)
        await self._creator.delete_file(entry)

    # over

    async def _collect_next(self) -> None:
        """Wait until a batch is over, and take what it brought."""
        watched, remote = await self._watcher.next_ended(self._open)
        if remote is not None and watched.status == "failed":
            self._open.remove(watched)
            await self._failed(watched, remote)
            return
        if remote is None:
            self._lose(watched, None, f"{watched.id} is gone from {self._job.provider.host}")
        else:
            await self._collect(watched, remote)
        self._open.remove(watched)
        self._queue.moved_on()

    async def _collect(self, watched: Watched, remote: Batch) -> None:
        try:
            await self._collector.collect(watched.entry, remote)
        except SettingsError as error:
            self._failure = self._failure or error
        except RemoteError as error:
            self._lose(watched, remote, str(error))

    async def _failed(self, watched: Watched, remote: Batch) -> None:
        """The provider refused the batch whole: nothing of it was asked, and nothing is billed."""
        entry = watched.entry
        errors = errors_of(remote)
        if {error.code for error in errors} & QUEUE_CODES:
            await self._put_back(entry, alone=watched.alone)
            return
        named = await self._collector.digests_at(entry, {error.line for error in errors if error.line})
        failure = failure_of(self._plan, self._journal, remote.id, errors, named)
        self._journal.batches.drop(entry.id)
        self._failure = self._failure or failure

    def _lose(self, watched: Watched, remote: Batch | None, said: str) -> None:
        """Its answers are gone: they are asked for again, or the run ends with an error."""
        failure = self._again.lost(watched.entry, remote, said)
        self._failure = self._failure or failure
