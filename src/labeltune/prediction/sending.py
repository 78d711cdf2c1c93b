"""The one loop that sends requests: each row once, and what can go wrong in between."""

from __future__ import annotations

import asyncio
import signal
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from labeltune.errors import BudgetError, DiskError, LabeltuneError
from labeltune.prediction.pace import CANARY, Pace
from labeltune.prediction.refusals import all_rejected, is_about_the_row
from labeltune.prediction.replies import BAD_RESPONSE, REJECTED, is_completion, usage_of
from labeltune.prediction.signals import stop_signals
from labeltune.prediction.traffic import Traffic
from labeltune.wording import counted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from labeltune.prediction.costs import Rate
    from labeltune.prediction.options import PredictOptions
    from labeltune.prediction.plan import Ask
    from labeltune.prediction.replies import Reply
    from labeltune.prediction.story import Story
    from labeltune.providers import Provider
    from labeltune.providers.channel import Channel

__all__ = ["GRACE_SECONDS", "Keeper", "Sender", "Sent"]

GRACE_SECONDS = 20.0
"""How long SIGTERM and SIGHUP wait for answers in flight."""

ROW_ERRORS = 25
"""A request that meets so many server errors, while others are answered, is the reason for them."""

ROW_PAGES = 2
"""A request that is answered so often by a page, while others are answered, meets a firewall."""


class Keeper(Protocol):
    """Keeps what becomes of requests: the journal, or what holds answers until their rows are written."""

    @property
    def full(self) -> bool:
        """Whether the disk was full: what is in flight can be saved, more must not be asked."""
        ...

    @property
    def answered(self) -> bool:
        """Whether any request has an answer."""
        ...

    async def sent(self, request: int) -> None:
        """The request leaves when this returns."""
        ...

    def put_back(self, request: int) -> None:
        """The request was not taken up, and nothing billed: it is to be asked again."""
        ...

    def done(
        self,
        request: int,
        raw: bytes,
        *,
        input_tokens: int = 0,
        output_tokens: int = 0,
        seconds: float | None = None,
    ) -> None:
        """An answer came, after so many seconds."""
        ...

    def failed(self, request: int, kind: str, raw: bytes) -> None:
        """A refusal came that asking again would not change; `kind` names it."""
        ...

    def unknown(self, request: int, kind: str, raw: bytes = b"") -> None:
        """The answer was lost, and may have been billed; `raw` is what came of it."""
        ...

    async def flush(self) -> None:
        """Wait until all changes so far are on the disk."""
        ...


@dataclass(slots=True)
class Sent:
    """What one call sent, and what came of it."""

    answers: int = 0
    resent: int = 0
    unknown: int = 0
    rejections: dict[str, int] = field(default_factory=dict)
    """How many were refused for good, by code."""
    input_tokens: int = 0
    output_tokens: int = 0
    usd: float | None = None
    dropped: int = 0
    """Requests in flight whose answers were not waited for."""
    stopped_by: int | None = None
    """The signal that ended it."""

    def count(self, read: int, written: int, rate: Rate | None) -> None:
        """An answer came, which read and wrote so many tokens."""
        self.answers += 1
        self.input_tokens += read
        self.output_tokens += written
        if rate is not None:
            self.usd = rate.usd(self.input_tokens, self.output_tokens)

    @property
    def asked(self) -> int:
        """Requests that are over."""
        return self.answers + self.unknown + sum(self.rejections.values())


@dataclass(slots=True)
class _Try:
    """A request's tries: how often it may still be lost, whether it was, how often the server failed, and how
    often a page came.
    """

    chances: int
    lost: bool
    errors: int = 0
    pages: int = 0


class Sender:
    """Sends requests through a channel, at a pace, with every step in the journal."""

    def __init__(
        self,
        channel: Channel,
        journal: Keeper,
        provider: Provider,
        options: PredictOptions,
        *,
        rate: Rate | None,
        story: Story,
        on_over: Callable[[Ask], object] | None = None,
    ) -> None:
        """`on_over` is told of each request that leaves the loop, whatever came of it."""
        self._journal, self._options, self._rate, self._story = journal, options, rate, story
        loop = asyncio.get_running_loop()
        self._now = loop.time
        self._on_over = on_over
        self._pace = Pace(options.concurrency, loop.time, deadline=options.timeout)
        self._traffic = Traffic(
            channel,
            provider,
            self._pace,
            deadline=options.timeout,
            max_wait=options.max_wait,
            stop=self.stop,
            story=story,
            has_answered=journal.answered,
        )
        self.sent = Sent(usd=None if rate is None else 0.0)
        self._stop: LabeltuneError | None = None
        self._workers: list[asyncio.Task[None]] = []
        self._begun = 0
        self._refusals: list[tuple[Ask, Reply, bytes]] = []
        self._proved = loop.create_future()

    async def run(self, asks: Iterator[Ask]) -> Sent:
        """Send all; returns when every answer is on the disk.

        Stops early, once the answers in flight have come, for what would stop every further row: raises
        `AccessError`, `BudgetError`, `TemporaryError`, `SettingsError` (every request is refused) or
        `DiskError`. After a signal it returns, with `stopped_by` set.
        """
        with stop_signals(self._on_signal):
            count = self._options.concurrency
            self._workers = [asyncio.create_task(self._work(asks)) for _ in range(count)]
            watch = asyncio.create_task(self._traffic.watch())
            try:
                await self._join()
            finally:
                watch.cancel()
                self._enter_refusals()
                await self._journal.flush()
        if self._stop is not None:
            raise self._stop
        return self.sent

    async def _join(self) -> None:
        """Wait for the workers. A cancellation from outside stops cleanly, a second one drops answers."""
        cancelled: asyncio.CancelledError | None = None
        while True:
            everyone = asyncio.gather(*self._workers, return_exceptions=True)
            try:
                ended = await asyncio.shield(everyone)
                break
            except asyncio.CancelledError as error:
                if cancelled is not None:
                    self._drop()
                cancelled = error
                self._close()
        for end in ended:
            if isinstance(end, Exception):
                raise end
        if cancelled is not None:
            raise cancelled

    # ------------------------------------------------------------------------------------------- stopping

    def stop(self, reason: LabeltuneError) -> None:
        """Send nothing more; `reason` is raised when what is in flight has come back."""
        if self._stop is None:
            self._stop = reason
        self._close()

    def _close(self) -> None:
        self._pace.close()
        self._prove()

    def _drop(self) -> None:
        """Do not wait for what is in flight: those rows stay `sent` in the journal."""
        self.sent.dropped += self._pace.in_flight
        for worker in self._workers:
            worker.cancel()

    def _on_signal(self, signum: int) -> None:
        if self.sent.stopped_by is not None:
            if not self.sent.dropped:
                self._drop()
            return
        self.sent.stopped_by = signum
        self._close()
        again = " (Ctrl-C again to drop them)" if signum == signal.SIGINT else ""
        self._story.note(f"stopping: waiting for {counted(self._pace.in_flight, 'answer')}{again}")
        if signum != signal.SIGINT:
            asyncio.get_running_loop().call_later(GRACE_SECONDS, self._drop)

    # -------------------------------------------------------------------------------------------- working

    async def _work(self, asks: Iterator[Ask]) -> None:
        try:
            await self._work_on(asks)
        except BaseException:
            # A table that changed meanwhile, or a bug of ours: the others must not wait for this one.
            self._close()
            raise

    async def _work_on(self, asks: Iterator[Ask]) -> None:
        while not self._pace.closed:
            if self._begun >= CANARY and not self._proved.done():
                # Shielded: one worker's cancellation is not the others'.
                await asyncio.shield(self._proved)
                continue
            ask = next(asks, None)
            if ask is None:
                self._prove()  # there is nothing left to be careful with
                return
            self._begun += 1
            await self._ask(ask)
            self._end_one()
            if self._on_over is not None:
                self._on_over(ask)

    def _end_one(self) -> None:
        """A row is over: when the first ones are, it is known whether any can be answered."""
        others = self.sent.answers + self.sent.unknown
        if self._proved.done() or len(self._refusals) + others < CANARY:
            return
        if others:
            self._prove()
            return
        # What is wrong is not the rows: they wait for a run that is mended.
        refusal = self._refusals[0][1]
        for ask, _, _ in self._refusals:
            self._journal.put_back(ask.request)
        self._refusals.clear()
        self.stop(all_rejected(refusal) if refusal.verdict == "rejected" else self._traffic.no_chat(refusal))

    def _prove(self) -> None:
        """The rows after the first may go."""
        if not self._proved.done():
            self._proved.set_result(None)

    async def _ask(self, ask: Ask) -> None:
        """Send a request until it is answered, refused for good, lost for good, or the run stops."""
        tries = _Try(self._options.resend + (not ask.lost_before), ask.lost_before)
        try:
            while await self._pace.enter():
                try:
                    await self._journal.sent(ask.request)
                    if self._journal.full:
                        self._put_back(ask, tries)
                        self.stop(_disk_full(self.sent.answers))
                        return
                    left = self._now()
                    reply, raw = await self._traffic.post(ask.body)
                    if self._settle(ask, tries, reply, raw, self._now() - left):
                        return
                finally:
                    self._pace.leave()
        except DiskError as error:
            self.stop(error)
            return
        if tries.lost:
            self._put_back(ask, tries)

    def _settle(self, ask: Ask, tries: _Try, reply: Reply, raw: bytes, seconds: float) -> bool:
        """Write down what a reply, which came after so many seconds, means for its row. False if it is to be
        sent again.
        """
        match reply.verdict:
            case "bad_response" if not (self._proved.done() or is_completion(reply.document)):
                self._refusals.append((ask, reply, raw))
            case "answer" | "bad_response":
                self._answered(ask, reply, raw, seconds)
            case "rejected" if is_about_the_row(reply):
                # It says nothing about the other rows: another one goes first in its place.
                self._begun -= 1
                self._refused(ask, reply, raw)
            case "rejected":
                self._refusals.append((ask, reply, raw))
                if self._proved.done():
                    self._enter_refusals()
            case "lost":
                tries.chances, tries.lost = tries.chances - 1, True
                if tries.chances > 0:
                    self.sent.resent += 1
                    return False
                self._give_up_row(ask, "lost", raw)
            case "server_error" if tries.errors + 1 >= ROW_ERRORS and not self._pace.broken:
                self._give_up_row(ask, "server_error", raw)
            case "foreign" if tries.pages + 1 >= ROW_PAGES and self.sent.answers:
                self._give_up_row(ask, "foreign", raw)
            case _:
                tries.errors += reply.verdict == "server_error"
                tries.pages += reply.verdict == "foreign"
                self._put_back(ask, tries)
                return False
        self._story.advance(1, **({"usd": self.sent.usd} if self.sent.usd else {}))
        return True

    def _answered(self, ask: Ask, reply: Reply, raw: bytes, seconds: float | None) -> None:
        read, written = usage_of(reply.document)
        if reply.verdict == "answer":
            seconds = None if seconds is None else round(seconds, 4)
            self._journal.done(ask.request, raw, input_tokens=read, output_tokens=written, seconds=seconds)
            self._prove()
        else:
            self._traffic.tell_bad(reply)
            self._journal.failed(ask.request, BAD_RESPONSE, raw)
        self.sent.count(read, written, self._rate)
        if self._journal.full:
            self.stop(_disk_full(self.sent.answers))
        if self.sent.usd is not None:
            self._check_cost(self.sent.usd)

    def _check_cost(self, usd: float) -> None:
        limit = self._options.max_cost
        if limit is not None and usd > limit:
            self.stop(
                BudgetError(
                    f"spent ${usd:.2f} of --max-cost ${limit:.2f}; all answers are kept",
                    hint="the same command with a higher --max-cost goes on",
                )
            )

    def _put_back(self, ask: Ask, tries: _Try) -> None:
        """The request was not taken up this time; if an answer was lost before, it may still be billed."""
        if tries.lost:
            self._journal.unknown(ask.request, "lost")
        else:
            self._journal.put_back(ask.request)

    def _give_up_row(self, ask: Ask, kind: str, raw: bytes) -> None:
        self._journal.unknown(ask.request, kind, raw)
        self.sent.unknown += 1

    def _enter_refusals(self) -> None:
        """Write down the rows that were refused, or got no answer; not before it is known that not every row
        is.
        """
        for ask, reply, raw in self._refusals:
            if reply.verdict == "rejected":
                self._refused(ask, reply, raw)
            else:
                self._answered(ask, reply, raw, None)
        self._refusals.clear()

    def _refused(self, ask: Ask, reply: Reply, raw: bytes) -> None:
        self._journal.failed(ask.request, REJECTED, raw)
        self.sent.rejections[reply.code] = self.sent.rejections.get(reply.code, 0) + 1


def _disk_full(answers: int) -> DiskError:
    return DiskError(
        f"disk full; stopped; {counted(answers, 'answer is', 'answers are')} saved",
        hint="free some space, then run the same command again",
    )
