"""The use case: read the table, plan what to ask, ask it, write the predictions."""

from __future__ import annotations

import json
import os
import signal
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from labeltune.errors import ConflictError, DiskError, SettingsError
from labeltune.files.tables import neutralise, open_table, write_table
from labeltune.files.tables.writing import WRITERS
from labeltune.files.writing import STANDARD_STREAM, same_file, sha256_of, sweep_leftovers
from labeltune.prediction.batch.batches import ask_in_batches
from labeltune.prediction.confidence import check_probabilities
from labeltune.prediction.costs import check_budget, rate_of
from labeltune.prediction.export import Export, has_labels, thresholds_of
from labeltune.prediction.fingerprint import refuse_other_task
from labeltune.prediction.journal import latest_run, open_journal, recover_journal, written_into
from labeltune.prediction.options import DEFAULT_OUTPUT, PredictOptions
from labeltune.prediction.plan import PATH, Job, Plan
from labeltune.prediction.sending import Sender, Sent
from labeltune.prediction.spreadsheet import refuse_exact_formats
from labeltune.prediction.story import Silence
from labeltune.providers import run as run_coroutine
from labeltune.providers.channel import open_channel
from labeltune.tuning.ledger import STATE_FOLDER
from labeltune.wording import counted

if TYPE_CHECKING:
    from collections.abc import Mapping

    from labeltune.files.tables import Source
    from labeltune.files.threshold_file import Thresholds
    from labeltune.prediction.costs import Rate
    from labeltune.prediction.journal import Changes, Journal
    from labeltune.prediction.story import Story
    from labeltune.providers import Provider
    from labeltune.task import Task

__all__ = ["MASKED_HEADERS", "Predicted", "Preview", "predict", "preview"]

_DEFAULT = PredictOptions()

MASKED_HEADERS = {"Authorization": "Bearer [masked]", "Content-Type": "application/json"}
"""What goes with a request, as it is shown."""


@dataclass(frozen=True, slots=True)
class Predicted:
    """What a run did. Counts are of rows, but for `asked`, which counts distinct requests.

    `kept`: requests whose answers were on the disk already. `maybe_billed`: requests whose answers were lost
    by a killed process. `usd` is what this run spent, None where prices are not known.
    """

    output: str
    rows: int
    problems: Mapping[str, int]
    thinking: int
    """Rows with a problem whose model thought before it answered."""
    asked: int
    kept: int
    maybe_billed: int
    resent: int
    input_tokens: int
    output_tokens: int
    usd: float | None
    free: bool = False
    """Whether nothing of it is billed: the provider is this machine, or a server of the user's own."""
    rejections: Mapping[str, int] = field(default_factory=dict)
    labelled: bool = True
    """Whether the table has the task's labels, too, so that the predictions can be measured."""
    unsure: int = 0
    """Rows whose answer is valid, and too doubtful by the thresholds."""

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
) -> Predicted:
    """Ask the model about every row of a table and write the rows with its predictions to `output`.

    The same call again goes on where the first stopped: an answer that is on the disk is never asked for
    again.
    A signal that stops it is raised again once what is in flight
    has been saved. Raises the errors of this package; `output` is then as it was before.
    """
    job = Job(data, task, model, provider, output, options, story or Silence(), Path(state))
    _check_output(job)
    if job.options.probabilities:
        check_probabilities(job.task, confidence=job.options.confidence)
    thresholds = thresholds_of(options, task)
    with open_table(data, options.read, task=task) as rows:
        plan = Plan(job, rows)
        if options.recover and job.journal.exists():
            damaged, kept = recover_journal(job.journal)
            job.story.warn(
                f"{counted(kept, 'answer was', 'answers were')} read from the damaged journal; "
                f"it is kept as {damaged}"
            )
        with open_journal(job.journal, job.settings) as journal:
            _protect_output(job)
            before = _prepare(job, plan, journal)
            sent = _ask(job, plan, journal, before)
            if sent.stopped_by is None:
                return _write(job, plan, journal, before, sent, thresholds)
    if sent.dropped:
        job.story.warn(
            f"{counted(sent.dropped, 'answer')} dropped{'' if provider.free else ', maybe billed'}"
        )
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
    state: str | os.PathLike[str] = STATE_FOLDER,
) -> Preview:
    """What `predict` would send, without sending anything or needing a key."""
    job = Job(data, task, model, provider, output, options, Silence(), Path(state))
    with open_table(data, options.read, task=task) as rows:
        plan = Plan(job, rows)
        hashes = {digest for digest in plan.hashes() if digest is not None}
        body = plan.first_body()
    rate = rate_of(model, provider, batch=options.batch)
    read, written = plan.estimate(len(hashes))
    return Preview(
        url=f"{provider.base_url.rstrip('/')}{PATH}",
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


def _check_output(job: Job) -> None:
    """Raise before the first paid call what writing the output would raise after the last."""
    for name in ("shard", "distributed", "workers"):
        if getattr(job.options, name) is not None:
            raise SettingsError(
                f"--{name} is for folders of tables", hint="name a folder or a glob: IN/ -o OUT/"
            )
    if job.options.spreadsheet:
        refuse_exact_formats(job.output)
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


def _protect_output(job: Job) -> None:
    """Raise `ConflictError` where the output is not what this command left there.

    Once the journal is open, for one that is damaged knows of nothing; who mends it is past that question.
    """
    path = Path(job.output)
    if job.options.force or job.options.recover or job.output == STANDARD_STREAM or not path.exists():
        return
    written = written_into(job.state, str(path.absolute()))
    owner = written.get(sha256_of(path))
    if owner == (job.name or job.stream_name):
        return
    if owner is not None:
        table = os.path.relpath(owner.partition("\n")[0]) if owner.startswith(os.sep) else "another table"
        what = f"holds the predictions of {table}"
    elif job.name in written.values():
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
        job.story.note(
            f"{job.source}: {counted(changes.changed + changes.new, 'row is', 'rows are')} new "
            "since it was last predicted"
        )


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
    """What the journal held when the run began."""

    kept: int
    lost: int
    to_ask: int


def _prepare(job: Job, plan: Plan, journal: Journal) -> _Before:
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
    return _Before(kept, lost, plan.left(journal))


def _ask(job: Job, plan: Plan, journal: Journal, before: _Before) -> Sent:
    """Ask what is not answered yet."""
    rate = rate_of(job.model, job.provider, batch=job.options.batch)
    if job.options.batch:
        return ask_in_batches(job, plan, journal, rate)
    check_budget(rate, plan.estimate(before.to_ask), job.options.max_cost, before.to_ask, model=job.model)
    if not before.to_ask:
        return Sent(usd=None if rate is None else 0.0)
    return run_coroutine(_send(job, plan, journal, before, rate))


async def _send(job: Job, plan: Plan, journal: Journal, before: _Before, rate: Rate | None) -> Sent:
    options = job.options
    async with open_channel(job.provider, PATH, connections=options.concurrency) as (channel, client):
        if not options.accept_changes:
            await refuse_other_task(client, job.provider, job.model, job.task, state=job.state)
        job.story.begin(before.to_ask)
        sender = Sender(channel, journal, job.provider, options, rate=rate, story=job.story)
        with closing(plan.asks(journal)) as asks:
            return await sender.run(asks)


# ---------------------------------------------------------------------------------------------- after asking


def _write(
    job: Job, plan: Plan, journal: Journal, before: _Before, sent: Sent, thresholds: Thresholds | None
) -> Predicted:
    probabilities = job.options.probabilities
    export = Export(job.task, probabilities, thresholds)
    with closing(plan.beside(journal.results(plan.name))) as answered:
        rows = export.table(answered)
        if job.options.spreadsheet:
            write_table(job.output, neutralise(plan.header), map(neutralise, rows))
        else:
            write_table(job.output, plan.header, rows, like=plan.table)
    if job.output != STANDARD_STREAM:
        journal.wrote(plan.name, sha256_of(job.output))
    for warning in export.warnings():
        job.story.warn(warning)
    return Predicted(
        output=job.output,
        rows=export.rows,
        problems=dict(export.problems.most_common()),
        thinking=export.thinking,
        asked=sent.asked,
        kept=before.kept,
        maybe_billed=before.lost,
        resent=sent.resent,
        input_tokens=sent.input_tokens,
        output_tokens=sent.output_tokens,
        usd=sent.usd,
        free=job.provider.free,
        rejections=dict(sent.rejections),
        labelled=has_labels(job.task, plan.table.header),
        unsure=export.unsure,
    )
