"""The use case: read the table, plan what to ask, ask it, write the predictions."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from labeltune.errors import SettingsError
from labeltune.files.parts import refuse_place
from labeltune.files.tables import neutralise, open_table, write_table
from labeltune.prediction.asking import Preview, ask_rows, check_output, preview_rows
from labeltune.prediction.confidence import check_probabilities
from labeltune.prediction.export import Export, has_labels, output_header, thresholds_of
from labeltune.prediction.options import DEFAULT_OUTPUT, PredictOptions
from labeltune.prediction.outcome import Outcome
from labeltune.prediction.plan import Job, Plan
from labeltune.prediction.spreadsheet import refuse_exact_formats
from labeltune.prediction.story import Silence
from labeltune.tuning.ledger import STATE_FOLDER

if TYPE_CHECKING:
    import os

    from labeltune.files.tables import Source
    from labeltune.files.threshold_file import Thresholds
    from labeltune.prediction.asking import Asked
    from labeltune.prediction.story import Story
    from labeltune.providers import Provider
    from labeltune.task import Task

__all__ = ["Predicted", "Preview", "predict", "preview"]

_DEFAULT = PredictOptions()


@dataclass(frozen=True, slots=True, kw_only=True)
class Predicted(Outcome):
    """What a run did, and what else its predictions are."""

    thinking: int
    """Rows with a problem whose model thought before it answered."""
    labelled: bool = True
    """Whether the table has the task's labels, too, so that the predictions can be measured."""
    unsure: int = 0
    """Rows whose answer is valid, and too doubtful by the thresholds."""


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
    for name in ("shard", "distributed", "workers"):
        if getattr(options, name) is not None:
            raise SettingsError(
                f"--{name} is for folders of tables", hint="name a folder or a glob: IN/ -o OUT/"
            )
    if options.spreadsheet:
        refuse_exact_formats(output)
    refuse_place(output)
    check_output(job)
    if options.probabilities:
        check_probabilities(task, confidence=options.confidence)
    thresholds = thresholds_of(options, task)
    return ask_rows(
        job,
        open_table(data, options.read, task=task),
        partial(_write, thresholds=thresholds),
        begin=_header,
    )


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
    return preview_rows(job, open_table(data, options.read, task=task), _header)


def _header(plan: Plan) -> list[str]:
    """The columns of the output."""
    job, table = plan.job, plan.table
    return output_header(job.task, table.header, job.options, source=table.source)


# ---------------------------------------------------------------------------------------------- after asking


def _write(asked: Asked, thresholds: Thresholds | None) -> Predicted:
    job, plan, journal = asked.job, asked.plan, asked.journal
    header = _header(plan)
    probabilities = job.options.probabilities
    export = Export(job.task, probabilities, thresholds)
    with closing(plan.beside(journal.results(plan.name))) as answered:
        rows = export.table(answered)
        if job.options.spreadsheet:
            write_table(job.output, neutralise(header), map(neutralise, rows))
        else:
            write_table(job.output, header, rows, like=plan.table)
    asked.wrote(job.output)
    for warning in export.warnings():
        job.story.warn(warning)
    return Predicted(
        output=job.output,
        rows=export.rows,
        problems=dict(export.problems.most_common()),
        thinking=export.thinking,
        labelled=has_labels(job.task, plan.table.header),
        unsure=export.unsure,
        **asked.sums(),
    )
