"""Parts predicted by one sender, or by batches, with one journal and one budget: nothing is paid for twice.

The rows of all parts are one plan, so that none waits for the end of another part; a part is committed
once all its answers are in the journal.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from contextlib import closing, suppress
from typing import TYPE_CHECKING

from labeltune.errors import DiskError, LabeltuneError
from labeltune.files.parts import local_file
from labeltune.prediction.batch.batches import ask_in_batches
from labeltune.prediction.costs import check_budget, rate_of
from labeltune.prediction.export import Export, has_labels, thresholds_of
from labeltune.prediction.fingerprint import refuse_other_task
from labeltune.prediction.journal import open_journal, recover_journal
from labeltune.prediction.parts.one import part_writer
from labeltune.prediction.parts.plan import PartsPlan, header_of
from labeltune.prediction.parts.work import PartsStory
from labeltune.prediction.plan import PATH
from labeltune.prediction.sending import Sender, Sent
from labeltune.providers import run as run_coroutine
from labeltune.providers.channel import open_channel
from labeltune.wording import counted

if TYPE_CHECKING:
    from labeltune.files.parts import Part
    from labeltune.prediction.costs import Rate
    from labeltune.prediction.journal import Journal
    from labeltune.prediction.parts.plan import Span
    from labeltune.prediction.parts.work import PartsWork
    from labeltune.prediction.plan import Ask

__all__ = ["predict_journaled"]

_ROWS_AT_ONCE = 256
"""So many rows of a part are written before the network is looked at again."""


def predict_journaled(work: PartsWork, pending: list[Part]) -> None:
    """Ask what is left of these parts and commit each that is complete; refused ones are told.

    Raises the errors of this package, with every answer in the journal and every complete part committed. A
    signal ends it, with `stopped_by`.
    """
    job = work.job
    if not pending:
        return
    if job.options.recover and job.journal.exists():
        damaged, kept = recover_journal(job.journal)
        job.story.warn(
            f"{counted(kept, 'answer was', 'answers were')} read from the damaged journal; "
            f"it is kept as {damaged}"
        )
    with open_journal(job.journal, job.settings) as journal:
        plan = PartsPlan(job, work.listing.place, pending, refuse=work.refuse)
        _Journaled(work, plan, journal).run()


class _Journaled:
    def __init__(self, work: PartsWork, plan: PartsPlan, journal: Journal) -> None:
        self._work, self._plan, self._journal = work, plan, journal
        self._job, self._story = work.job, work.job.story
        self._committed: set[str] = set()

    def run(self) -> None:
        left = self._prepare()
        rate = rate_of(self._job.model, self._job.provider, batch=self._job.options.batch)
        try:
            sent = self._ask(left, rate)
        except DiskError:
            raise
        except LabeltuneError:
            self._commit_complete()
            raise
        self._work.sent.append(sent)
        self._work.stopped_by = sent.stopped_by
        if sent.stopped_by is None:
            self._commit_complete()
        elif sent.dropped:
            billed = "" if self._job.provider.free else ", maybe billed"
            self._story.warn(f"{counted(sent.dropped, 'answer')} dropped{billed}")

    def _prepare(self) -> int:
        """Enter the rows, and tell what is known of them already; returns how many requests are left."""
        journal, plan = self._journal, self._plan
        if not journal.write_ahead:
            self._story.warn(
                f"{journal.path}: no write-ahead log on this file system; a slower journal is kept"
            )
        self._work.lost = journal.settle_lost()
        # What changed among the inputs the manifest has told already.
        with closing(plan.hashes()) as hashes:
            journal.plan(plan.name, hashes, accept=True)
        counts = journal.counts(plan.name)
        self._work.kept = counts["done"] + counts["failed"]
        if self._work.kept or self._work.lost:
            lost = "lost" if self._job.provider.free else "maybe billed"
            self._story.note(f"{counted(self._work.kept, 'answer')} kept, {self._work.lost:,} {lost}")
        if counts["sent"] and not self._job.options.batch:
            self._story.warn(
                f"{counted(counts['sent'], 'request is', 'requests are')} in batches: "
                "--batch collects the answers"
            )
        return plan.left(journal)

    def _ask(self, left: int, rate: Rate | None) -> Sent:
        job = self._job
        if job.options.batch:
            return ask_in_batches(job, self._plan, self._journal, rate)
        check_budget(rate, self._plan.estimate(left), job.options.max_cost, left, model=job.model)
        if not left:
            return Sent(usd=None if rate is None else 0.0)
        return run_coroutine(self._send(left, rate))

    async def _send(self, left: int, rate: Rate | None) -> Sent:
        job = self._job
        story = PartsStory(job.story, len(self._plan.spans))
        async with open_channel(job.provider, PATH, connections=job.options.concurrency) as (channel, client):
            if not job.options.accept_changes:
                await refuse_other_task(client, job.provider, job.model, job.task, state=job.state)
            story.begin(left)
            over = _Over()
            self._plan.on_asked = over.asked
            sender = Sender(
                channel, self._journal, job.provider, job.options, rate=rate, story=story, on_over=over.ended
            )
            committing = asyncio.create_task(self._commit_as_they_end(over, sender, story))
            try:
                with closing(self._plan.asks(self._journal)) as asks:
                    return await sender.run(asks)
            finally:
                committing.cancel()
                with suppress(asyncio.CancelledError):
                    await committing

    # committed

    async def _commit_as_they_end(self, over: _Over, sender: Sender, story: PartsStory) -> None:
        """Commit parts while others are asked; what cannot be written stops the sender."""
        late: list[Span] = []
        try:
            while True:
                late.append(await over.spans.get())
                await self._journal.flush()
                # An equal row of another part may be in flight yet: then the part's turn comes again.
                ready = [span for span in late if not self._is_open(span)]
                late = [span for span in late if span not in ready]
                for span in ready:
                    story.next_part()
                    await self._commit(span)
        except LabeltuneError as error:
            sender.stop(error)

    def _commit_complete(self) -> None:
        """Commit every part that is complete by now and not committed yet."""
        spans = [span for span in self._plan.spans if span.part.input not in self._committed]
        ready = [span for span in spans if not self._is_open(span)]

        async def commit() -> None:
            for span in ready:
                await self._commit(span)

        run_coroutine(commit())

    def _is_open(self, span: Span) -> bool:
        return self._journal.unsettled(self._plan.name, span.start, span.stop)

    async def _commit(self, span: Span) -> None:
        """Write a part from the journal, a few rows at a time, and put it in its place."""
        job = self._job
        export = Export(job.task, job.options.probabilities, thresholds_of(job.options, job.task))
        with local_file(self._work.run.scratch, span.part) as local:
            with (
                self._plan.opened(span.part, span.stop - span.start) as plan,
                closing(self._plan.answered(plan, span, self._journal)) as rows,
                part_writer(local, header_of(plan), plan.table, job.options) as write,
            ):
                for row in export.table(rows):
                    write(row)
                    if not export.rows % _ROWS_AT_ONCE:
                        await asyncio.sleep(0)
                labelled = has_labels(job.task, plan.table.header)
            complete = not (span.cut or export.problems["unknown"])
            self._work.run.commit(span.part, local, export.counts(), complete=complete)
        self._committed.add(span.part.input)
        self._work.add(export, labelled=labelled)


class _Over:
    """Which parts have nothing more in flight, as far as their own requests tell."""

    def __init__(self) -> None:
        self.spans: asyncio.Queue[Span] = asyncio.Queue()
        self._part_of: dict[int, Span] = {}
        self._in_flight: Counter[Span] = Counter()
        self._ended: set[Span] = set()

    def asked(self, span: Span, ask: Ask | None) -> None:
        """A request of a part is about to leave; None: the part has no more."""
        if ask is None:
            self._ended.add(span)
            self._look(span)
        else:
            self._part_of[ask.request] = span
            self._in_flight[span] += 1

    def ended(self, ask: Ask) -> None:
        """A request is over."""
        span = self._part_of.pop(ask.request)
        self._in_flight[span] -= 1
        self._look(span)

    def _look(self, span: Span) -> None:
        if span in self._ended and not self._in_flight[span]:
            self._ended.discard(span)
            del self._in_flight[span]
            self.spans.put_nowait(span)
