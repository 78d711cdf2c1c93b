"""Predictions through the provider's batches: half the price, within a day.

A batch is created exactly once: the journal holds the intent before its file goes up, and the file's id
before the request leaves that creates the batch. So after a crash the provider is asked whether it has the
batch; a batch that runs is waited for, by whichever process is there; and what it brought is downloaded as
often as need be, for that costs nothing.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import time
from contextlib import closing
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

from labeltune.errors import BudgetError, LabeltuneError, RemoteError, SettingsError, TemporaryError
from labeltune.files.writing import disk_errors
from labeltune.prediction.collecting import Collector
from labeltune.prediction.costs import check_budget
from labeltune.prediction.failed_batch import failure_of
from labeltune.prediction.fingerprint import refuse_other_task
from labeltune.prediction.journal import BatchEntry
from labeltune.prediction.sending import Sent
from labeltune.prediction.shards import ENDPOINT, MOST_REQUESTS, PART, SHARD, temporary, write_shard
from labeltune.providers import START_PATIENCE, api_errors, connect, persist, run
from labeltune.tuning.jobs import WATCH_PATIENCE
from labeltune.tuning.ledger import open_ledger
from labeltune.tuning.upload import TRANSFER_TIMEOUT, UPLOAD_PATIENCE, Uploader

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator
    from pathlib import Path

    from openai.types import Batch, FileObject

    from labeltune.prediction.costs import Rate
    from labeltune.prediction.journal import Journal
    from labeltune.prediction.plan import Ask, Job, Plan

__all__ = ["FINAL", "METADATA_KEY", "Batches", "ask_in_batches"]

FINAL = ("completed", "failed", "expired", "cancelled")
"""The statuses that a batch keeps. The set of statuses is open: an unknown one is not final."""

METADATA_KEY = "labeltune_batch"
"""Under which a batch's metadata holds the key that its intent has in the journal."""

LOOKUPS = (0.5, 1.5, 4.0)
"""Seconds before each look for a batch whose creation was not answered."""

CANCELLING_SECONDS = 600.0
"""How long a batch may take to be cancelled."""

QUEUE_CODES = frozenset({"token_limit_exceeded", "enqueued_token_limit_exceeded", "batch_limit_exceeded"})
"""Why a batch fails that may be created again when others have ended."""

KEPT_SECONDS = 30 * 24 * 3600
"""How long a provider keeps the output files of batches."""

LEAST_REQUESTS = 500
"""Shards are not made smaller than this to fit into a queue."""

_PAGE = 100


@dataclass(slots=True)
class _Watched:
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
        assert self.entry.batch is not None
        return self.entry.batch


def ask_in_batches(job: Job, plan: Plan, journal: Journal, rate: Rate | None) -> Sent:
    """Collect the batches of earlier calls, ask what is left in new ones, and wait for them all.

    Ctrl-C leaves them running: the same call again comes back for their answers. Raises the errors of this
    package; what was collected until then is in the journal.
    """
    ended = journal.ended_in_batches(plan.name)
    if not (ended or plan.left(journal) or journal.open_batches()):
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
        plan: Plan,
        journal: Journal,
        rate: Rate | None,
        *,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self.client, self._uploader = uploader.client, uploader
        self._job, self._plan, self._journal, self._rate = job, plan, journal, rate
        self._provider, self._story = job.provider, job.story
        self._sleep, self._now = sleep, now
        self.sent = Sent(usd=None if rate is None else 0.0)
        self._collector = Collector(self.client, job, journal, self.sent, rate, sleep=sleep)
        self._open: list[_Watched] = []
        self._most = MOST_REQUESTS
        self._queue_full = False
        self._waited = 0.0
        self._offered = False
        self._failure: LabeltuneError | None = None

    async def run(self) -> Sent:
        """See `ask_in_batches`."""
        try:
            await self._adopt()
            left = self._plan.left(self._journal)
            if left and not self._job.options.accept_changes:
                await refuse_other_task(
                    self.client, self._provider, self._job.model, self._job.task, state=self._job.state
                )
            running = sum(self._journal.size_of_batch(watched.entry.id) for watched in self._open)
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
        elif self._queue_full:
            await self._wait_for_the_queue()
        else:
            return self._offer()
        return True

    # created, once

    async def _adopt(self) -> None:
        """Find the batches of a call that did not see their end, and drop the files that it left."""
        for ending in (SHARD, PART):
            self._journal.path.with_suffix(ending).unlink(missing_ok=True)
        for entry in self._journal.open_batches():
            found = entry.batch
            if found is None and entry.file is not None:
                # A command was stopped between its request and the answer.
                remote = await self._look_up(entry)
                found = None if remote is None else remote.id
            if found is None:
                self._journal.drop_batch(entry.id)
                continue
            self._journal.record_batch(entry.id, file=entry.file, remote=found)
            self._story.note(f"batch {found} belongs to this run")
            self._open.append(_Watched(replace(entry, batch=found)))

    async def _fill(self) -> None:
        """Create batches for what is not asked yet, until the provider takes no more."""
        left = 0 if self._queue_full else self._plan.left(self._journal)
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
            while left and not self._queue_full:
                with temporary(self._journal.path.with_suffix(SHARD)) as path:
                    with disk_errors(path), path.open("wb") as handle:
                        requests, asks = write_shard(handle, asks, most_requests=self._most)
                    if not requests:
                        return
                    await self._create(requests, path)

    async def _create(self, requests: list[int], path: Path) -> None:
        key = secrets.token_hex(16)
        batch = self._journal.intend_batch(key, requests)
        try:
            file = await self._upload(path, key)
        except LabeltuneError:
            self._journal.drop_batch(batch)
            raise
        self._journal.record_batch(batch, file=file.id, remote=None)
        entry = BatchEntry(batch, key, file.id, None)
        try:
            remote = await self._create_once(entry)
        except LabeltuneError as error:
            if not isinstance(error, TemporaryError):
                self._journal.drop_batch(batch)
            raise
        if remote is None:
            await self._put_back(entry, alone=not self._open)
            return
        self._journal.record_batch(batch, file=file.id, remote=remote.id)
        self._open.append(_Watched(replace(entry, batch=remote.id), alone=not self._open))
        self._story.note(f"created batch {remote.id} of {len(requests):,} requests")

    async def _upload(self, path: Path, key: str) -> FileObject:
        async def send() -> FileObject:
            with path.open("rb") as handle:
                name = f"{path.stem}-{key[:12]}.jsonl"
                return await self.client.files.create(
                    file=(name, handle, "application/jsonl"), purpose="batch"
                )

        file = await persist(send, self._provider, patience=UPLOAD_PATIENCE, sleep=self._sleep)
        return await self._uploader.wait_until_processed(file)

    async def _create_once(self, entry: BatchEntry) -> Batch | None:
        """The batch; None if the provider takes no more for now. Never sent again where it may be there."""
        assert entry.file is not None
        about: dict[str, Any] = {"metadata": {METADATA_KEY: entry.key}} if self._provider.metadata else {}
        try:
            with api_errors(self._provider):
                return await self.client.batches.create(
                    endpoint=ENDPOINT, input_file_id=entry.file, completion_window="24h", **about
                )
        except TemporaryError as error:
            if _status_of(error) in (429, 503):
                return None
            failure = error
        self._story.warn(f"{failure}; looking whether the batch was created")
        for delay in LOOKUPS:
            await self._sleep(delay)
            remote = await self._look_up(entry)
            if remote is not None:
                return remote
        raise TemporaryError(
            f"{failure}\nIt is not known whether the batch was created.",
            hint="run the same command again: it looks for the batch before it creates one",
        )

    async def _look_up(self, entry: BatchEntry) -> Batch | None:
        """The batch of an intent: no other has its file, nor its key."""

        async def search() -> Batch | None:
            async for remote in self.client.batches.list(limit=_PAGE):
                key = (remote.metadata or {}).get(METADATA_KEY)
                if remote.input_file_id == entry.file or key == entry.key:
                    return remote
            return None

        return await persist(search, self._provider, patience=START_PATIENCE, sleep=self._sleep)

    async def _put_back(self, entry: BatchEntry, *, alone: bool) -> None:
        """The provider's queue is full: the requests wait until another batch has ended."""
        self._journal.drop_batch(entry.id)
        if not self._queue_full:
            self._queue_full = True
            self._story.note(f"{self._provider.host} takes no more batches for now: waiting")
        if alone:
            # It may be that not even one of this size fits.
            self._most = max(self._most // 2, LEAST_REQUESTS)
        with contextlib.suppress(LabeltuneError), api_errors(self._provider):
            await self.client.files.delete(entry.file or "")

    async def _wait_for_the_queue(self) -> None:
        """Other people's batches are in the queue."""
        if self._waited >= self._job.options.max_wait:
            raise TemporaryError(
                f"{self._provider.host}: its queue of batches is full, for {self._waited:,.0f} s",
                hint="run the same command again later, or with a longer --max-wait",
            )
        shortest, longest = self._provider.poll_seconds
        pause = min(max(self._waited / 2, shortest), longest, self._job.options.max_wait - self._waited)
        await self._sleep(pause)
        self._waited += pause
        self._queue_full = False

    # waited for

    async def _collect_next(self) -> None:
        """Wait until a batch is over, and take what it brought."""
        watched, remote = await self._next_ended()
        if remote is not None and watched.status == "failed":
            self._open.remove(watched)
            await self._failed(watched, remote)
            return
        if remote is None:
            self._lose(watched, None, f"{watched.id} is gone from {self._provider.host}")
        else:
            await self._collect(watched, remote)
        self._open.remove(watched)
        self._queue_full, self._waited = False, 0.0

    async def _collect(self, watched: _Watched, remote: Batch) -> None:
        try:
            await self._collector.collect(watched.entry, remote)
        except SettingsError as error:
            self._failure = self._failure or error
        except RemoteError as error:
            self._lose(watched, remote, str(error))

    async def _next_ended(self) -> tuple[_Watched, Batch | None]:
        """The next batch that is over, and how it stands; None if the provider has it no more."""
        shortest, longest = self._provider.poll_seconds
        pause = shortest
        while True:
            moved = False
            for watched in self._open:
                retrieve = partial(self.client.batches.retrieve, watched.id)
                try:
                    remote = await persist(
                        retrieve, self._provider, patience=WATCH_PATIENCE, sleep=self._sleep
                    )
                except RemoteError:
                    return watched, None
                moved = self._moved(watched, remote) or moved
                if watched.status in FINAL:
                    return watched, remote
            pause = shortest if moved else min(1.5 * pause, longest)
            await self._sleep(pause)

    def _moved(self, watched: _Watched, remote: Batch) -> bool:
        """Tell what is new about a batch; whether anything is."""
        status, counts = str(remote.status), remote.request_counts
        over = 0 if counts is None else (counts.completed or 0) + (counts.failed or 0)
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

    # over without an answer

    async def _failed(self, watched: _Watched, remote: Batch) -> None:
        """The provider refused the batch whole: nothing of it was asked, and nothing is billed."""
        entry = watched.entry
        errors = list((remote.errors and remote.errors.data) or ())
        if {error.code for error in errors} & QUEUE_CODES:
            await self._put_back(entry, alone=watched.alone)
            return
        named = await self._collector.digests_at(entry, {error.line for error in errors if error.line})
        failure = failure_of(self._job, self._plan, self._journal, remote.id, errors, named)
        self._journal.drop_batch(entry.id)
        self._failure = self._failure or failure

    def _lose(self, watched: _Watched, remote: Batch | None, said: str) -> None:
        """Its answers are gone: to ask again costs again, which takes a yes."""
        requests = self._journal.size_of_batch(watched.entry.id)
        deleted = None if remote is None else _deletion(remote)
        if deleted is not None:
            said = f"{watched.id}: its {requests:,} answers were deleted {deleted}"
        if self._agreed(said, requests):
            self._journal.drop_batch(watched.entry.id)
        elif self._failure is None:
            self._failure = RemoteError(said, hint=self._way_on(requests))

    def _offer(self) -> bool:
        """Offer to ask again what batches did not answer, once in a run; whether it was accepted."""
        ended = self._journal.ended_in_batches(self._plan.name)
        if self._offered or not ended:
            return False
        self._offered = True
        kinds = ", ".join(f"{count:,} {kind}" for kind, count in ended.items())
        said = f"{self._journal.counts(self._plan.name)['done']:,} answers kept, {kinds}"
        requests = sum(ended.values())
        if not self._agreed(said, requests):
            self._story.warn(f"{said}; {self._way_on(requests)}")
            return False
        self._journal.ask_again(self._plan.name)
        return True

    def _agreed(self, said: str, requests: int) -> bool:
        if self._job.options.yes:
            self._story.note(f"{said}; asking for {requests:,} again{self._price(requests)}")
            return True
        try:
            return self._story.confirm(f"{said}. Ask for {requests:,} again{self._price(requests)}?")
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


def _status_of(error: TemporaryError) -> int | None:
    """The status with which the provider refused, if it answered at all."""
    status = getattr(error.__cause__, "status_code", None)
    return status if isinstance(status, int) else None
