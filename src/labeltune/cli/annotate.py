"""`labeltune annotate`."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from labeltune.cli import output
from labeltune.cli.defaults import provider_of
from labeltune.cli.hints import task_words
from labeltune.cli.options import (
    DataArgument,
    JsonOption,
    MaxCostOption,
    ProviderOption,
    QuietOption,
    SeedOption,
    StateOption,
    TaskOption,
    YesOption,
)
from labeltune.cli.predict import (
    AcceptChangesOption,
    BatchOption,
    ConcurrencyOption,
    ConfidenceOption,
    DryRunOption,
    ForceOption,
    LimitOption,
    MaxWaitOption,
    RecoverOption,
    ResendOption,
    TimeoutOption,
)
from labeltune.cli.predict_view import show_preview, warn_of_problems, warn_of_rejections, warn_of_resent
from labeltune.cli.progress import RowStory
from labeltune.cli.reading import reads_tables
from labeltune.collect.options import DEFAULT_OUTPUT, AnnotateOptions
from labeltune.defaults import DEFAULT_STATE, DEFAULT_TASK_FILE
from labeltune.errors import ExitCode, SettingsError
from labeltune.files.writing import STANDARD_STREAM
from labeltune.prediction.options import PredictOptions
from labeltune.wording import counted, pasted

if TYPE_CHECKING:
    from labeltune.cli.output import Output
    from labeltune.collect.annotate import Annotated as Done
    from labeltune.collect.describe import Described
    from labeltune.evaluation.checked_sample import Agreement
    from labeltune.task import ReadOptions

__all__ = ["TeacherOption", "annotate", "teacher_of"]

_DEFAULT = AnnotateOptions()
_ASKING = PredictOptions()
_SHOWN = 20
"""Disagreements are listed; the document has all."""


class Pick(StrEnum):
    """How examples are chosen."""

    near = "near"
    random = "random"


TeacherOption = Annotated[
    str | None,
    typer.Option("--model", "-m", metavar="M", help="The large model, which was not tuned on the task."),
]


def teacher_of(told: str | None) -> str:
    """The model that was told. That of the task's `[defaults]` is the one that is tuned, and no teacher."""
    if told is None:
        raise SettingsError(
            "no model: --model says which one is asked",
            hint="a large model that was not tuned on the task; the one under [defaults] is not meant",
        )
    return told


OutputOption = Annotated[
    str | None,
    typer.Option(
        "--output",
        "-o",
        metavar="FILE",
        help="Where the labelled rows go, by default annotated.csv; rows for people go to FILE.review.csv "
        "beside it. With --describe: where the task goes, by default where it is; - for standard output.",
    ),
]
ExamplesOption = Annotated[
    str | None,
    typer.Option(
        metavar="FILE", help="A table of labelled rows to show the model, besides those of DATA itself."
    ),
]
ShotsOption = Annotated[int, typer.Option(min=0, max=500, metavar="N", help="Examples in each prompt.")]
PickOption = Annotated[
    Pick,
    typer.Option(
        metavar="near|random", help="Which examples: those nearest to the row, or any; labels take turns."
    ),
]
ReviewOption = Annotated[
    float | None,
    typer.Option(
        min=0, max=1, metavar="C", help="Rows with less confidence than this go to the file for people."
    ),
]
SampleOption = Annotated[
    int,
    typer.Option(
        min=0, metavar="N", help="Write a sheet of N random labelled rows for people to label again."
    ),
]
CheckedOption = Annotated[
    str | None,
    typer.Option(
        metavar="SHEET",
        help="The sheet, filled in: tell how far people agree with the labels of DATA, and ask nothing.",
    ),
]
DescribeOption = Annotated[
    bool,
    typer.Option(
        "--describe", help="Have the model propose a sentence for each label, written into the task file."
    ),
]


@reads_tables
def annotate(
    data: DataArgument,
    model: TeacherOption = None,
    out: OutputOption = None,
    examples: ExamplesOption = _DEFAULT.examples,
    shots: ShotsOption = _DEFAULT.shots,
    pick: PickOption = Pick.near,
    review_below: ReviewOption = _DEFAULT.review_below,
    sample: SampleOption = _DEFAULT.sample,
    checked: CheckedOption = None,
    describe: DescribeOption = False,
    task: TaskOption = Path(DEFAULT_TASK_FILE),
    provider: ProviderOption = None,
    state: StateOption = Path(DEFAULT_STATE),
    batch: BatchOption = _ASKING.batch,
    concurrency: ConcurrencyOption = _ASKING.concurrency,
    resend: ResendOption = _ASKING.resend,
    limit: LimitOption = _ASKING.limit,
    timeout: TimeoutOption = _ASKING.timeout,
    max_wait: MaxWaitOption = _ASKING.max_wait,
    max_cost: MaxCostOption = _ASKING.max_cost,
    confidence: ConfidenceOption = _ASKING.confidence,
    accept_changes: AcceptChangesOption = _ASKING.accept_changes,
    recover: RecoverOption = _ASKING.recover,
    force: ForceOption = _ASKING.force,
    dry_run: DryRunOption = False,
    seed: SeedOption = _DEFAULT.seed,
    *,
    read: ReadOptions,
    yes: YesOption = False,
    json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Label the rows without labels with a model that was not tuned; the same command again goes on."""
    sink = output.configure(json_mode=json, quiet=quiet)
    from labeltune.task import read_task

    definition = read_task(task)
    if checked is not None:
        from labeltune.evaluation.checked_sample import check_sample

        _show_agreement(sink, check_sample(data, checked, task=definition, read=read), data)
        return
    asked = teacher_of(model)
    where = provider_of(provider, definition)
    asking = PredictOptions(
        concurrency=concurrency,
        resend=resend,
        timeout=timeout,
        max_wait=max_wait,
        max_cost=max_cost,
        limit=limit,
        confidence=confidence,
        accept_changes=accept_changes,
        batch=batch,
        yes=yes,
        recover=recover,
        force=force,
        read=read,
    )
    if describe:
        if dry_run:
            raise SettingsError("--describe asks once for each field: there is no --dry-run of it")
        from labeltune.collect.describe import describe as propose

        with RowStory(sink, yes=yes, what="asking") as story:
            described = propose(
                data, task=task, model=asked, provider=where, output=out, examples=examples,
                asking=asking, seed=seed, story=story, state=state,
            )  # fmt: skip
        _show_described(sink, described, task, out)
        return
    options = AnnotateOptions(
        examples=examples, shots=shots, pick=pick.value, review_below=review_below, sample=sample, seed=seed
    )
    from labeltune.collect.annotate import annotate as run
    from labeltune.collect.annotate import preview

    target = DEFAULT_OUTPUT if out is None else out
    if dry_run:
        shown = preview(
            data, task=definition, model=asked, provider=where, output=target, options=options,
            asking=asking, state=state,
        )  # fmt: skip
        show_preview(sink, shown)
        return
    with RowStory(sink, yes=yes, what="asking") as story:
        done = run(
            data, task=definition, model=asked, provider=where, output=target, options=options,
            asking=asking, story=story, state=state,
        )  # fmt: skip
    _show(sink, done, asked, task)
    if done.invalid:
        raise typer.Exit(ExitCode.INVALID_ANSWERS)


def _show(sink: Output, done: Done, model: str, task: Path) -> None:
    spent = "" if not done.usd else f", ${done.usd:,.2f}"
    had = f", {done.had_labels:,} had labels" if done.had_labels else ""
    sink.note(f"{counted(done.rows, 'row')}: {done.labelled:,} labelled by {model}{had}{spent}")
    if not done.examples:
        sink.warn("no examples: the model was told the labels alone (--examples names labelled rows)")
    warn_of_resent(sink, done)
    warn_of_problems(sink, done.problems)
    if done.review_file:
        sink.note(f"{counted(done.review, 'row is', 'rows are')} for people to label: {done.review_file}")
    warn_of_rejections(sink, done.rejections)
    if done.sample_file:
        sink.hint(
            f"fill in {pasted(done.sample_file)}, then: labeltune annotate {pasted(done.output)} --checked "
            f"{pasted(done.sample_file)}{task_words(task)}"
        )
    elif done.labelled:
        sink.hint("--sample 100 writes a sheet that tells how far these labels can be relied on")
    sink.result(
        {
            "output": done.output,
            "review": done.review_file,
            "sample": done.sample_file,
            "model": model,
            "rows": done.rows,
            "labelled": done.labelled,
            "had_labels": done.had_labels,
            "for_review": done.review,
            "problems": dict(done.problems),
            "examples": done.examples,
            "asked": done.asked,
            "kept": done.kept,
            "maybe_billed": done.maybe_billed,
            "resent": done.resent,
            "rejections": dict(done.rejections),
            "tokens": {"input": done.input_tokens, "output": done.output_tokens},
            "usd": done.usd,
        },
        done.output,
    )


def _show_agreement(sink: Output, found: Agreement, data: str) -> None:
    low, high = found.interval.low, found.interval.high
    if found.unchecked:
        left = counted(found.unchecked, "row of the sheet is", "rows of the sheet are")
        sink.warn(f"{left} not filled in; those that are may be the easy ones")
    lines = [
        f"{found.agreed:,} of {found.checked:,} rows have the model's labels: {found.share:.3f}",
        f"of all rows that the model labelled in {data}: {low:.3f} to {high:.3f} (95 %)",
    ]
    if len(found.fields) > 1:
        lines += [
            f"{name}: {count:,} of {found.checked:,} ({interval.low:.3f} to {interval.high:.3f})"
            for name, (count, interval) in found.fields.items()
        ]
    lines += [
        f"line {one.line}: model {one.model}, person {one.person}" for one in found.disagreements[:_SHOWN]
    ]
    if len(found.disagreements) > _SHOWN:
        lines.append(f"… and {len(found.disagreements) - _SHOWN:,} more")
    sink.result(
        {
            "checked": found.checked,
            "agreed": found.agreed,
            "unchecked": found.unchecked,
            "share": found.share,
            "interval": [low, high],
            "fields": {
                name: {"agreed": count, "interval": [interval.low, interval.high]}
                for name, (count, interval) in found.fields.items()
            },
            "disagreements": [
                {"line": one.line, "text": one.text, "model": one.model, "person": one.person}
                for one in found.disagreements
            ],
        },
        *lines,
    )


def _show_described(sink: Output, done: Described, task: Path, out: str | None) -> None:
    written = sum(map(len, done.sentences.values()))
    target = str(task) if out is None else out
    if done.missing:
        sink.warn(
            f"no sentence for {counted(len(done.missing), 'label')}: {', '.join(done.missing[:_SHOWN])}"
        )
    sink.note(
        f"{counted(written, 'label')} described by a model, which has seen a few examples: read and mend them"
    )
    sink.result(
        {"output": target, "sentences": {name: dict(found) for name, found in done.sentences.items()}},
        done.content.rstrip("\n") if target == STANDARD_STREAM else target,
    )
