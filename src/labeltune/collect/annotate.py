"""The use case: label the rows of a table that have no label with a model that was not tuned on the task.

What is asked goes through the one sender and journal of `prediction`; here are the prompt and the tables.
"""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from labeltune.collect.annotated_rows import AnnotatedRows, added_columns, refuse_other_sources
from labeltune.collect.asking import LabelPrompt
from labeltune.collect.labelled import MOST, balanced, is_labelled, read_labelled
from labeltune.collect.options import DEFAULT_OUTPUT, AnnotateOptions, beside
from labeltune.collect.sampling import Sample
from labeltune.collect.shots import Shots
from labeltune.collect.unseen import is_test_part
from labeltune.errors import SettingsError
from labeltune.files.tables import open_table, table_writer
from labeltune.files.writing import STANDARD_STREAM, same_file
from labeltune.prediction.asking import ask_rows, check_output, preview_rows
from labeltune.prediction.options import PredictOptions
from labeltune.prediction.outcome import Outcome
from labeltune.prediction.plan import Job
from labeltune.prediction.story import Silence
from labeltune.task.chat import Renderer
from labeltune.tuning.ledger import STATE_FOLDER

if TYPE_CHECKING:
    import os
    from collections.abc import Iterator

    from labeltune.collect.labelled import Labelled
    from labeltune.prediction.asking import Asked, Preview
    from labeltune.prediction.plan import Plan
    from labeltune.prediction.story import Story
    from labeltune.providers import Provider
    from labeltune.task import Task

__all__ = ["Annotated", "annotate", "preview"]

_ASKING = PredictOptions()
_DEFAULT = AnnotateOptions()


@dataclass(frozen=True, slots=True, kw_only=True)
class Annotated(Outcome):
    """What a run did, and to which rows.

    `labelled`: rows that the model labelled in `output`; `had_labels`: rows there that had labels before;
    `review`: rows in the file of that name, of which `problems` says why some have no answer.
    """

    review_file: str | None
    sample_file: str | None
    labelled: int
    had_labels: int
    review: int
    examples: int


def annotate(  # noqa: PLR0913  # what predict takes, and how rows are labelled
    data: str,
    *,
    task: Task,
    model: str,
    provider: Provider,
    output: str = DEFAULT_OUTPUT,
    options: AnnotateOptions = _DEFAULT,
    asking: PredictOptions = _ASKING,
    story: Story | None = None,
    state: str | os.PathLike[str] = STATE_FOLDER,
) -> Annotated:
    """Label the rows of a table that have no label, and write all rows to `output`.

    Rows whose answer is not valid, or less sure than `options.review_below`, go to the file `beside` it,
    without a label. The same call again goes on where the first stopped. Raises the errors of this package;
    the outputs are then as they were before.
    """
    _check(data, output, options, asking)
    job, examples = _job(data, task, model, provider, output, options, asking, story or Silence(), state)
    check_output(job)
    outputs = [output, beside(output, "review"), *([beside(output, "sample")] if options.sample else [])]
    return ask_rows(
        job,
        open_table(data, asking.read, task=task),
        partial(_write, options=options, examples=len(examples)),
        begin=_header,
        outputs=outputs,
    )


def preview(
    data: str,
    *,
    task: Task,
    model: str,
    provider: Provider,
    output: str = DEFAULT_OUTPUT,
    options: AnnotateOptions = _DEFAULT,
    asking: PredictOptions = _ASKING,
    state: str | os.PathLike[str] = STATE_FOLDER,
) -> Preview:
    """What `annotate` would send, without sending anything or needing a key."""
    _check(data, output, options, asking)
    job, _ = _job(data, task, model, provider, output, options, asking, Silence(), state)
    return preview_rows(job, open_table(data, asking.read, task=task), _header)


def _check(data: str, output: str, options: AnnotateOptions, asking: PredictOptions) -> None:
    if STANDARD_STREAM in (data, output):
        raise SettingsError(
            "annotate reads its table more than once and writes others beside its output: '-' will not do",
            hint="give files",
        )
    if options.review_below is not None and not asking.confidence:
        raise SettingsError("--review-below needs log-probabilities, and --no-confidence asks for none")
    for own in ("review", "sample"):
        if same_file(data, beside(output, own)):
            raise SettingsError(
                f"{data}: would be overwritten: it is where {own} rows go", hint="give another -o"
            )


def _job(  # noqa: PLR0913, PLR0917  # what both ways of calling have in common
    data: str,
    task: Task,
    model: str,
    provider: Provider,
    output: str,
    options: AnnotateOptions,
    asking: PredictOptions,
    story: Story,
    state: str | os.PathLike[str],
) -> tuple[Job, list[Labelled]]:
    examples = _examples(data, task, options, asking)
    if len(examples) == MOST:
        story.note(f"{MOST:,} of the labelled rows serve as examples, rare labels first")
    shots = Shots(examples, options.shots, options.pick, seed=options.seed)
    shots.prepare(_texts(data, task, asking))
    about = f"annotate, {min(options.shots, len(examples))} examples {shots.name}"
    manner = LabelPrompt(task, shots, examples if options.shots else [], about=about)
    return Job(data, task, model, provider, output, asking, story, Path(state), manner), examples


def _examples(data: str, task: Task, options: AnnotateOptions, asking: PredictOptions) -> list[Labelled]:
    """The labelled rows of the file of examples, and those of the table itself, but if it is a test part."""
    what = "examples"
    found = [] if options.examples is None else read_labelled(options.examples, task, asking.read, what=what)
    if not is_test_part(data):
        found += read_labelled(data, task, asking.read, what=what, required=False)
    return balanced(found, MOST, seed=options.seed)


def _texts(data: str, task: Task, asking: PredictOptions) -> Iterator[str]:
    """The texts that are asked about."""
    with open_table(data, asking.read, task=task) as table:
        text = Renderer(task, table.header, source=table.source).text
        # What is wrong with rows is told where they are asked about.
        table.on_bad = lambda *_: None
        for _, values in islice(table, asking.limit):
            if not is_labelled(task, table.header, values):
                yield text(values)


def _header(plan: Plan) -> list[str]:
    """The columns of the output."""
    refuse_other_sources(plan.job.task, plan.table)
    return added_columns(plan.job.task, plan.table)


def _write(asked: Asked, *, options: AnnotateOptions, examples: int) -> Annotated:
    job, plan = asked.job, asked.plan
    header = added_columns(job.task, plan.table)
    rows = AnnotatedRows(job.task, plan.table.header, header, job.model, options.review_below)
    sample = Sample(job.task, plan.table.header, options.sample, seed=options.seed)
    review = beside(job.output, "review")
    with table_writer(review, rows.review_header) as to_review:
        with (
            table_writer(job.output, header, like=plan.table) as to_output,
            closing(plan.beside(asked.journal.results(plan.name))) as answered,
        ):
            for values, _, result in answered:
                row, is_reviewed = rows.row(values, result)
                (to_review if is_reviewed else to_output)(row)
                if rows.last_is_new:
                    sample.offer(values)
        asked.wrote(job.output)
    asked.wrote(review)
    sheet = sample.write(beside(job.output, "sample"))
    if sheet is not None:
        asked.wrote(sheet)
    return Annotated(
        output=job.output,
        review_file=review if rows.reviewed else None,
        sample_file=sheet,
        rows=rows.total,
        labelled=rows.labelled,
        had_labels=rows.had_labels,
        review=rows.reviewed,
        problems=dict(rows.problems.most_common()),
        examples=examples,
        **asked.sums(),
    )
