"""The use case: read the table, plan what to ask, ask it, write the predictions."""

from __future__ import annotations

import hashlib
import json
import os
import signal
from contextlib import closing
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from labeltune.chat import Renderer
from labeltune.errors import BudgetError, ConflictError, DiskError, SettingsError
from labeltune.files import STANDARD_STREAM, sweep_leftovers
from labeltune.journal import latest_run, open_journal, recover_journal
from labeltune.labels import longest_answer
from labeltune.ledger import STATE_FOLDER
from labeltune.predict.costs import CHARACTERS_PER_TOKEN, rate_of
from labeltune.predict.export import Export, added_columns, refuse_collisions
from labeltune.predict.fingerprint import refuse_other_task
from labeltune.predict.options import DEFAULT_OUTPUT, PredictOptions
from labeltune.predict.requests import request_form
from labeltune.predict.sending import Ask, Sender, Sent
from labeltune.predict.story import Silence
from labeltune.providers import run as run_coroutine
from labeltune.providers.channel import open_channel
from labeltune.tables import open_table, write_table
from labeltune.tables.writing import WRITERS

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Mapping, Sequence

    from labeltune.journal import Changes, Journal
    from labeltune.predict.costs import Rate
    from labeltune.predict.requests import RequestForm
    from labeltune.predict.story import Story
    from labeltune.providers import Provider
    from labeltune.tables import Source, Table
    from labeltune.task import Task

__all__ = ["Predicted", "Preview", "predict", "preview"]

_DEFAULT = PredictOptions()
PATH = "/chat/completions"
JOURNALS = "predict-*.db"
STREAM = "-"
"""What standard input goes by in the journal: it has no name that ties one call to the next."""


@dataclass(frozen=True, slots=True)
class Predicted:
    """What a run did. Counts are of rows, but for `asked`, which counts distinct requests.

    `kept`: requests whose answers were on the disk already. `maybe_billed`: requests whose answers were lost
    by a killed process. `usd` is what this run spent, None where prices are not known.
    """

    output: str
    rows: int
    problems: Mapping[str, int]
    asked: int
    kept: int
    maybe_billed: int
    resent: int
    input_tokens: int
    output_tokens: int
    usd: float | None
    rejections: Mapping[str, int] = field(default_factory=dict)

    @property
    def invalid(self) -> int:
        """Rows without a valid answer."""
        return sum(self.problems.values())


@dataclass(frozen=True, slots=True)
class Preview:
    """What a run would do: the first request, with the key masked, and how much there is to ask."""

    url: str
    headers: Mapping[str, str]
    body: Mapping[str, Any] | None
    rows: int
    requests: int
    input_tokens: int
    output_tokens: int
    usd: float | None


@dataclass(frozen=True, slots=True)
class _Job:
    """Everything that one call was given."""

    data: Source
    task: Task
    model: str
    provider: Provider
    output: str
    options: PredictOptions
    story: Story
    state: Path
    table: Mapping[str, Any]

    @property
    def form(self) -> RequestForm:
        return request_form(self.task, self.model, self.provider, confidence=self.options.confidence)

    @property
    def settings(self) -> dict[str, Any]:
        """What makes a run another one."""
        return {
            "task": self.task.fingerprint,
            "model": self.model,
            "provider": self.provider.identity,
            "request": {name: value for name, value in self.form.settings.items() if name != "model"},
        }

    @property
    def name(self) -> str | None:
        """Which table goes where: what ties one call to the next. None for a stream, which has no name."""
        if not isinstance(self.data, str | os.PathLike) or os.fspath(self.data) == STANDARD_STREAM:
            return None
        return f"{Path(self.data).absolute()}\n{Path(self.output).absolute()}"

    @property
    def journal(self) -> Path:
        canonical = json.dumps(self.settings, sort_keys=True, ensure_ascii=True)
        return self.state / f"predict-{hashlib.sha256(canonical.encode()).hexdigest()[:16]}.db"


def predict(
    data: Source,
    *,
    task: Task,
    model: str,
    provider: Provider,
    output: str = DEFAULT_OUTPUT,
    options: PredictOptions = _DEFAULT,
    story: Story | None = None,
    state: str | os.PathLike[str] = STATE_FOLDER,
    **table: Any,
) -> Predicted:
    """Ask the model about every row of a table and write the rows with its predictions to `output`.

    The same call again goes on where the first stopped: an answer that is on the disk is never asked for
    again.
    `table` is handed to `tables.open_table`. A signal that stops it is raised again once what is in flight
    has been saved. Raises the errors of this package; `output` is then as it was before.
    """
    job = _Job(data, task, model, provider, output, options, story or Silence(), Path(state), table)
    _check_output(job)
    with open_table(data, **table) as rows:
        plan = _Plan(job, rows)
        if options.recover and job.journal.exists():
            damaged, kept = recover_journal(job.journal)
            job.story.warn(f"{kept:,} answers were read from the damaged journal; it is kept as {damaged}")
        with open_journal(job.journal, job.settings) as journal:
            before = _prepare(job, plan, journal)
            sent = _ask(job, plan, journal, before)
            if sent.stopped_by is None:
                return _write(job, plan, journal, before, sent)
    if sent.dropped:
        job.story.warn(f"{sent.dropped:,} answers dropped, maybe billed")
    # With the handlers of before: the process ends as it would have without us, only later.
    signal.raise_signal(sent.stopped_by)
    raise KeyboardInterrupt


def preview(
    data: Source,
    *,
    task: Task,
    model: str,
    provider: Provider,
    output: str = DEFAULT_OUTPUT,
    options: PredictOptions = _DEFAULT,
    **table: Any,
) -> Preview:
    """What `predict` would send, without sending anything or needing a key."""
    job = _Job(data, task, model, provider, output, options, Silence(), STATE_FOLDER, table)
    with open_table(data, **table) as rows:
        plan = _Plan(job, rows)
        hashes = {digest for digest in plan.hashes() if digest is not None}
        with closing(plan.rows()) as shown:
            asked = (values for _, values in shown if plan.renderer.text(values))
            first = next((plan.messages(values) for values in asked), None)
    rate = rate_of(model, provider, batch=options.batch)
    read, written = plan.estimate(len(hashes))
    return Preview(
        url=f"{provider.base_url.rstrip('/')}{PATH}",
        headers={"Authorization": "Bearer [masked]", "Content-Type": "application/json"},
        body=None if first is None else job.form.body(first),
        rows=plan.total,
        requests=len(hashes),
        input_tokens=read,
        output_tokens=written,
        usd=None if rate is None else rate.usd(read, written),
    )


# ---------------------------------------------------------------------------------------------------- before
# asking


def _check_output(job: _Job) -> None:
    """Raise before the first paid call what writing the output would raise after the last."""
    if job.output == STANDARD_STREAM:
        return
    path = Path(job.output)
    ending = Path(path.name.lower().removesuffix(".gz")).suffix
    if ending not in WRITERS:
        raise SettingsError(
            f"{path}: predictions are not written as {ending or 'files without an ending'}",
            hint=f"known are {', '.join(WRITERS)}",
        )
    given = Path(job.data) if isinstance(job.data, str | os.PathLike) else None
    if given is not None and path.exists() and given.exists() and path.samefile(given):
        raise SettingsError(f"{path}: is the input, which is never overwritten", hint="give another --output")
    folder = Path(os.path.realpath(path)).parent
    if not folder.is_dir():
        raise DiskError(
            f"{path}: cannot be written: {folder} is not a folder", hint="make it, or choose another"
        )
    if path.is_dir() or not os.access(folder, os.W_OK | os.X_OK):
        raise DiskError(
            f"{path}: cannot be written: no permission, or a folder", hint="choose another --output"
        )
    sweep_leftovers(folder)


class _Plan:
    """The rows of the table as requests, read as often as wanted."""

    def __init__(self, job: _Job, table: Table) -> None:
        self._table, self._limit = table, job.options.limit
        refuse_collisions(
            table.header,
            added_columns(job.task, probabilities=job.options.probabilities),
            source=table.source,
        )
        self.header = table.header
        self.renderer = Renderer(job.task, table.header, source=table.source)
        self.messages = self.renderer.messages
        self.form = job.form
        self.total = 0
        self._asked = 0
        self._characters = 0
        self._answer = len(longest_answer(job.task))

    def rows(self) -> Generator[tuple[int, Sequence[str]]]:
        """The rows that are predicted. Raises `DataError` with all that is wrong with any of them."""
        with closing(cast("Generator[tuple[int, list[str]]]", iter(self._table))) as rows:
            yield from islice(rows, self._limit)
        # A table that is read to its end has raised them itself.
        self._table.raise_findings()

    def hashes(self) -> Iterator[bytes | None]:
        """What each row's request is known by; None for a row without a text, which is not asked."""
        self.total = self._asked = self._characters = 0
        for _, values in self.rows():
            self.total += 1
            if not self.renderer.text(values):
                yield None
                continue
            messages = self.messages(values)
            self._asked += 1
            self._characters += sum(len(message["content"]) for message in messages)
            yield self.form.hash(messages)

    def estimate(self, requests: int) -> tuple[int, int]:
        """About how many tokens so many requests read and write."""
        each = self._characters / max(self._asked, 1)
        return (
            round(requests * each / CHARACTERS_PER_TOKEN),
            round(requests * self._answer / CHARACTERS_PER_TOKEN),
        )

    def asks(self, journal: Journal, name: str, *, resend: int) -> Generator[Ask]:
        """The requests that are still to be asked, in the order of the rows, each once."""
        taken = bytearray(journal.highest_request + 1)
        with closing(self.rows()) as rows:
            for (_, values), pending in zip(rows, journal.pending(name), strict=True):
                request = pending.request
                if request is None or taken[request]:
                    continue
                taken[request] = 1
                if pending.state == "todo" or (pending.state == "unknown" and resend > 0):
                    body = self.form.encode(self.messages(values))
                    yield Ask(request, body, lost_before=pending.state == "unknown")


def _enter(job: _Job, plan: _Plan, journal: Journal) -> str:
    """Enter the table into the journal; returns the name it goes by there.

    Raises `ConflictError` if it is not what it was when it was last predicted.
    """
    name, accept = job.name or STREAM, job.options.accept_changes or job.name is None
    earlier = latest_run(job.state, JOURNALS, name)
    if earlier is not None and earlier.path != job.journal and not accept:
        raise ConflictError(
            f"{job.output}: this run used {_difference(earlier.settings, job.settings)}",
            hint="another --output begins a run of its own; --accept-changes begins it here",
        )
    turn = 1 if earlier is None else earlier.turn + (earlier.path != job.journal)
    changes = journal.plan(name, plan.hashes(), accept=accept, turn=turn)
    if changes.changed and not accept:
        raise ConflictError(
            f"{_source(job)}: {_said(changes)} since it was last predicted into {job.output}",
            hint="--accept-changes asks only those",
        )
    return name


def _source(job: _Job) -> str:
    """The table's name, for messages."""
    return os.fspath(job.data) if isinstance(job.data, str | os.PathLike) else "the table"


def _said(changes: Changes) -> str:
    pieces = [f"{changes.changed:,} row{'s' * (changes.changed != 1)} changed"]
    pieces += [f"{changes.new:,} new"] if changes.new else []
    pieces += [f"{changes.gone:,} gone"] if changes.gone else []
    return ", ".join(pieces)


def _difference(old: Mapping[str, Any], new: Mapping[str, Any]) -> str:
    """What an earlier run used that this one does not."""
    pieces = [
        f"{name} {old.get(name)!s}, not {new[name]!s}"
        for name in ("model", "provider", "task")
        if old.get(name) != new[name]
    ]
    return " and ".join(pieces) or f"the request settings {json.dumps(old.get('request'))}"


# ---------------------------------------------------------------------------------------------------- asking


@dataclass(frozen=True, slots=True)
class _Before:
    """What the journal held when the run began, by the name that the table goes by there."""

    name: str
    kept: int
    lost: int
    to_ask: int


def _prepare(job: _Job, plan: _Plan, journal: Journal) -> _Before:
    """Enter the table, and tell what is known of it already."""
    if not journal.write_ahead:
        job.story.warn(f"{journal.path}: no write-ahead log on this file system; a slower journal is kept")
    lost = journal.settle_lost()
    name = _enter(job, plan, journal)
    counts = journal.counts(name)
    kept = counts["done"] + counts["failed"]
    if kept or lost:
        job.story.note(f"{kept:,} answers kept, {lost:,} maybe billed")
    return _Before(name, kept, lost, counts["todo"] + (counts["unknown"] if job.options.resend else 0))


def _ask(job: _Job, plan: _Plan, journal: Journal, before: _Before) -> Sent:
    """Ask what is not answered yet."""
    rate = rate_of(job.model, job.provider, batch=job.options.batch)
    _check_budget(job, plan, before.to_ask, rate)
    if job.options.batch:
        from labeltune.predict.batch import ask_in_batches

        return ask_in_batches(job, plan, journal, before.name, rate)
    if not before.to_ask:
        return Sent(usd=None if rate is None else 0.0)
    return run_coroutine(_send(job, plan, journal, before, rate))


def _check_budget(job: _Job, plan: _Plan, requests: int, rate: Rate | None) -> None:
    limit = job.options.max_cost
    if limit is None or not requests:
        return
    if rate is None:
        raise BudgetError(
            f"--max-cost: the price of {job.model} is not known, so it cannot be kept",
            hint="leave --max-cost out, or use --limit to ask a few rows",
        )
    estimate = rate.usd(*plan.estimate(requests))
    if estimate > limit:
        raise BudgetError(
            f"estimate ${estimate:,.2f} > limit ${limit:,.2f} for {requests:,} requests; nothing was sent",
            hint="raise --max-cost, or ask fewer rows with --limit",
        )


async def _send(job: _Job, plan: _Plan, journal: Journal, before: _Before, rate: Rate | None) -> Sent:
    options = job.options
    async with open_channel(job.provider, PATH, connections=options.concurrency) as (channel, client):
        if not options.accept_changes:
            await refuse_other_task(client, job.provider, job.model, job.task, state=job.state)
        job.story.begin(before.to_ask)
        sender = Sender(channel, journal, job.provider, options, rate=rate, story=job.story)
        with closing(plan.asks(journal, before.name, resend=options.resend)) as asks:
            return await sender.run(asks)


# ---------------------------------------------------------------------------------------------- after asking


def _write(job: _Job, plan: _Plan, journal: Journal, before: _Before, sent: Sent) -> Predicted:
    probabilities = job.options.probabilities
    export = Export(job.task, probabilities)
    header = [*plan.header, *added_columns(job.task, probabilities=probabilities)]
    write_table(job.output, header, export.table(plan.rows(), journal.results(before.name)))
    return Predicted(
        output=job.output,
        rows=export.rows,
        problems=dict(export.problems.most_common()),
        asked=sent.asked,
        kept=before.kept,
        maybe_billed=before.lost,
        resent=sent.resent,
        input_tokens=sent.input_tokens,
        output_tokens=sent.output_tokens,
        usd=sent.usd,
        rejections=dict(sent.rejections),
    )
