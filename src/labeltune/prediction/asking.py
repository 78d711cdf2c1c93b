"""Asking about every row of a table, whoever asks and however: the journal, the budget, the loop, signals.

What asks in another manner than `predict` (see `manner`) makes a `Job` and writes what came of it itself.
"""

from __future__ import annotations

import json
import os
import signal
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from labeltune.errors import ConflictError, DiskError, SettingsError
from labeltune.files.tables.writing import WRITERS
from labeltune.files.writing import STANDARD_STREAM, refuse_unsayable, same_file, sha256_of, sweep_leftovers
from labeltune.prediction.batch.batches import ask_in_batches
from labeltune.prediction.costs import check_budget, rate_of
from labeltune.prediction.fingerprint import refuse_other_task
from labeltune.prediction.journal import latest_run, open_journal, recover_journal, written_into
from labeltune.prediction.plan import PATH, Plan
from labeltune.prediction.sending import Sender, Sent
from labeltune.providers import run as run_coroutine
from labeltune.providers.channel import open_channel
from labeltune.wording import counted

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from contextlib import AbstractContextManager

    from labeltune.files.tables import Table
    from labeltune.prediction.costs import Rate
    from labeltune.prediction.journal import Changes, Journal
    from labeltune.prediction.plan import Job

__all__ = [
    "MASKED_HEADERS",
    "Asked",
    "Before",
    "Preview",
    "ask_rows",
    "check_output",
    "note_written",
    "preview_rows",
    "protect_output",
]

T = TypeVar("T")

MASKED_HEADERS = {"Authorization": "Bearer [masked]", "Content-Type": "application/json"}
"""What goes with a request, as it is shown."""


@dataclass(frozen=True, slots=True)
class Before:
    """What the journal held when the run began."""

    kept: int
    lost: int
    to_ask: int


@dataclass(frozen=True, slots=True)
class Asked:
    """Every row has its answer, or a reason why not: `plan.beside(journal.results(plan.name))` has them."""

    job: Job
    plan: Plan
    journal: Journal
    before: Before
    sent: Sent

    def wrote(self, path: str) -> None:
        """Keep in the journal what was written to an output, so that nobody's edits of it are lost."""
        _wrote(self.job, self.journal, path)

    def sums(self) -> dict[str, Any]:
        """What an `Outcome` says of the requests, by its fields."""
        return {
            "asked": self.sent.asked,
            "kept": self.before.kept,
            "maybe_billed": self.before.lost,
            "resent": self.sent.resent,
            "input_tokens": self.sent.input_tokens,
            "output_tokens": self.sent.output_tokens,
            "usd": self.sent.usd,
            "free": self.job.provider.free,
            "rejections": dict(self.sent.rejections),
        }


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


def ask_rows(
    job: Job,
    opened: AbstractContextManager[Table],
    write: Callable[[Asked], T],
    *,
    begin: Callable[[Plan], object] = lambda _: None,
    outputs: Sequence[str] | None = None,
) -> T:
    """Ask about every row of a table that is being opened, and have `write` make of the answers what it will.

    `begin` is called before anything is sent, to refuse what could not be written. `outputs`, by default the
    job's, are not replaced if they hold what this table's runs did not leave there.
    The same call again goes on where the first stopped: an answer that is on the disk is never asked for
    again.
    A signal that stops it is raised again once what is in flight has been saved. Raises the errors of this
    package.
    """
    with opened as rows:
        plan = Plan(job, rows)
        begin(plan)
        if job.options.recover and job.journal.exists():
            damaged, kept = recover_journal(job.journal)
            job.story.warn(
                f"{counted(kept, 'answer was', 'answers were')} read from the damaged journal; "
                f"it is kept as {damaged}"
            )
        with open_journal(job.journal, job.settings) as journal:
            for output in [job.output] if outputs is None else outputs:
                protect_output(job, output)
            before = _prepare(job, plan, journal)
            sent = _ask(job, plan, journal, before)
            if sent.stopped_by is None:
                return write(Asked(job, plan, journal, before, sent))
    if sent.dropped:
        job.story.warn(
            f"{counted(sent.dropped, 'answer')} dropped{'' if job.provider.free else ', maybe billed'}"
        )
    # With the handlers of before: the process ends as it would have without us, only later.
    signal.raise_signal(sent.stopped_by)
    raise KeyboardInterrupt


def preview_rows(
    job: Job, opened: AbstractContextManager[Table], begin: Callable[[Plan], object] = lambda _: None
) -> Preview:
    """What `ask_rows` would send, without sending anything or needing a key."""
    with opened as rows:
        plan = Plan(job, rows)
        begin(plan)
        hashes = {digest for digest in plan.hashes() if digest is not None}
        body = plan.first_body()
    rate = rate_of(job.model, job.provider, batch=job.options.batch)
    read, written = plan.estimate(len(hashes))
    return Preview(
        url=f"{job.provider.base_url.rstrip('/')}{PATH}",
        headers=MASKED_HEADERS,
        body=body,
        rows=plan.total,
        requests=len(hashes),
        input_tokens=read,
        output_tokens=written,
        usd=None if rate is None else rate.usd(read, written),
    )


# ---------------------------------------------------------------------------------------------------- before
# asking


def note_written(job: Job, paths: Sequence[str]) -> None:
    """The same as `Asked.wrote`, for outputs that are written when all is asked and the journal closed."""
    with open_journal(job.journal, job.settings) as journal:
        for path in paths:
            _wrote(job, journal, path)


def _wrote(job: Job, journal: Journal, path: str) -> None:
    if path != STANDARD_STREAM:
        journal.wrote(_name_of(job, path), sha256_of(path))


def _name_of(job: Job, path: str) -> str:
    """What a table that is written to `path` goes by in the journal."""
    if path == job.output:
        return job.name or job.stream_name
    return replace(job, output=path).name or replace(job, output=path).stream_name


def check_output(job: Job) -> None:
    """Raise before the first paid call what writing the output would raise after the last."""
    refuse_unsayable(job.data, job.output)
    if job.output == STANDARD_STREAM:
        return
    path = Path(job.output)
    ending = Path(path.name.lower().removesuffix(".gz")).suffix
    if ending not in WRITERS:
        raise SettingsError(
            f"{path}: predictions are not written as {ending or 'files without an ending'}",
            hint=f"known are {', '.join(WRITERS)}",
        )
    if isinstance(job.data, str | os.PathLike) and same_file(job.data, path):
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


def protect_output(job: Job, output: str) -> None:
    """Raise `ConflictError` where an output is not what this command left there.

    Once the journal is open, for one that is damaged knows of nothing; who mends it is past that question.
    """
    path = Path(output)
    if job.options.force or job.options.recover or output == STANDARD_STREAM or not path.exists():
        return
    written = written_into(job.state, str(path.absolute()))
    owner = written.get(sha256_of(path))
    name = _name_of(job, output)
    if owner == name:
        return
    if owner is not None:
        table = os.path.relpath(owner.partition("\n")[0]) if owner.startswith(os.sep) else "another table"
        what = f"holds the predictions of {table}"
    elif name in written.values():
        what = "was edited since it was written"
    else:
        what = "was not written by this command"
    raise ConflictError(f"{path}: {what}", hint="-o names another output; --force replaces this one")


def _enter(job: Job, plan: Plan, journal: Journal) -> None:
    """Enter the table into the journal.

    Raises `ConflictError` if it is not what it was when it was last predicted.
    """
    name, accept = plan.name, job.options.accept_changes or job.name is None
    earlier = latest_run(job.state, name)
    # A run of which nothing came has nothing that another one could contradict.
    if earlier is not None and earlier.answered and earlier.path != job.journal and not accept:
        raise ConflictError(
            f"{job.output}: this run used {_difference(earlier.settings, job.settings)}",
            hint="another --output begins a run of its own; --accept-changes begins it here",
        )
    turn = 1 if earlier is None else earlier.turn + (earlier.path != job.journal)
    with closing(plan.hashes()) as hashes:
        changes = journal.plan(name, hashes, accept=accept, turn=turn)
    if changes.edited and not accept:
        raise ConflictError(
            f"{job.source}: {_said(changes)} since it was last predicted into {job.output}",
            hint="--accept-changes asks only those",
        )
    if changes.changed and earlier is not None:
        new = changes.changed + changes.new
        if job.manner is None:
            said = f"{counted(new, 'row is', 'rows are')} new since it was last predicted"
        else:
            said = f"{counted(new, 'request is', 'requests are')} new"
        job.story.note(f"{job.source}: {said}")


def _said(changes: Changes) -> str:
    pieces = [f"{changes.changed:,} row{'s' * (changes.changed != 1)} changed"]
    pieces += [f"{changes.new:,} new"] if changes.new else []
    pieces += [f"{changes.gone:,} gone"] if changes.gone else []
    return ", ".join(pieces)


def _difference(old: Mapping[str, Any], new: Mapping[str, Any]) -> str:
    """What an earlier run used that this one does not."""
    pieces = [
        f"{name} {old.get(name)!s}, not {new.get(name)!s}"
        for name in ("model", "provider", "task", "prompt")
        if old.get(name) != new.get(name)
    ]
    return " and ".join(pieces) or f"the request settings {json.dumps(old.get('request'))}"


# ---------------------------------------------------------------------------------------------------- asking


def _prepare(job: Job, plan: Plan, journal: Journal) -> Before:
    """Enter the table, and tell what is known of it already."""
    if not journal.write_ahead:
        job.story.warn(f"{journal.path}: no write-ahead log on this file system; a slower journal is kept")
    lost = journal.settle_lost()
    _enter(job, plan, journal)
    counts = journal.counts(plan.name)
    kept = counts["done"] + counts["failed"]
    if kept or lost:
        job.story.note(
            f"{counted(kept, 'answer')} kept, {lost:,} {'lost' if job.provider.free else 'maybe billed'}"
        )
    if counts["sent"] and not job.options.batch:
        job.story.warn(
            f"{counted(counts['sent'], 'request is', 'requests are')} in batches: "
            "--batch collects the answers"
        )
    return Before(kept, lost, plan.left(journal))


def _ask(job: Job, plan: Plan, journal: Journal, before: Before) -> Sent:
    """Ask what is not answered yet."""
    rate = rate_of(job.model, job.provider, batch=job.options.batch)
    if job.options.batch:
        return ask_in_batches(job, plan, journal, rate)
    check_budget(rate, plan.estimate(before.to_ask), job.options.max_cost, before.to_ask, model=job.model)
    if not before.to_ask:
        return Sent(usd=None if rate is None else 0.0)
    return run_coroutine(_send(job, plan, journal, before, rate))


async def _send(job: Job, plan: Plan, journal: Journal, before: Before, rate: Rate | None) -> Sent:
    options = job.options
    async with open_channel(job.provider, PATH, connections=options.concurrency) as (channel, client):
        if job.manner is None and not options.accept_changes:
            await refuse_other_task(client, job.provider, job.model, job.task, state=job.state)
        job.story.begin(before.to_ask)
        sender = Sender(channel, journal, job.provider, options, rate=rate, story=job.story)
        with closing(plan.asks(journal)) as asks:
            return await sender.run(asks)
