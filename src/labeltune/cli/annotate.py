"""`labeltune annotate`."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from labeltune.cli import output
from labeltune.cli.annotate_view import show_agreement, show_annotated, show_described
from labeltune.cli.defaults import provider_of
from labeltune.cli.options import (
    DataArgument,
    JsonOption,
    ProviderOption,
    QuietOption,
    SeedOption,
    StateOption,
    TaskOption,
)
from labeltune.cli.predict_view import show_preview
from labeltune.cli.progress import RowStory
from labeltune.cli.sending import ROWS, DryRunOption, sends_requests
from labeltune.collect.options import DEFAULT_OUTPUT, AnnotateOptions
from labeltune.defaults import DEFAULT_STATE, DEFAULT_TASK_FILE
from labeltune.errors import ExitCode, SettingsError

if TYPE_CHECKING:
    from labeltune.cli.output import Output
    from labeltune.prediction.options import PredictOptions

__all__ = ["TeacherOption", "annotate", "teacher_of"]

_DEFAULT = AnnotateOptions()


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
    if told is None or not told.strip():
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


@sends_requests(*ROWS)
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
    *,
    asking: PredictOptions,
    dry_run: DryRunOption = False,
    seed: SeedOption = _DEFAULT.seed,
    json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Label the rows without labels with a model that was not tuned; the same command again goes on."""
    sink = output.configure(json_mode=json, quiet=quiet)
    from labeltune.task import read_task

    definition = read_task(task)
    if checked is not None:
        from labeltune.evaluation.checked_sample import check_sample

        show_agreement(sink, check_sample(data, checked, task=definition, read=asking.read), data)
        return
    call: dict[str, Any] = {
        "model": teacher_of(model),
        "provider": provider_of(provider, definition),
        "asking": asking,
        "state": state,
    }
    if describe:
        if dry_run:
            raise SettingsError("--describe asks once for each field: there is no --dry-run of it")
        _describe(sink, data, task, out, examples=examples, seed=seed, **call)
        return
    call |= {
        "task": definition,
        "output": DEFAULT_OUTPUT if out is None else out,
        "options": AnnotateOptions(
            examples=examples,
            shots=shots,
            pick=pick.value,
            review_below=review_below,
            sample=sample,
            seed=seed,
        ),
    }
    from labeltune.collect.annotate import annotate as run
    from labeltune.collect.annotate import preview

    if dry_run:
        show_preview(sink, preview(data, **call))
        return
    with RowStory(sink, yes=asking.yes, what="asking") as story:
        done = run(data, story=story, **call)
    show_annotated(sink, done, call["model"], task)
    if done.invalid:
        raise typer.Exit(ExitCode.INVALID_ANSWERS)


def _describe(sink: Output, data: str, task: Path, out: str | None, **call: Any) -> None:
    """Have sentences for the labels proposed, and write them into the task file."""
    from labeltune.collect.describe import describe as propose

    with RowStory(sink, yes=call["asking"].yes, what="asking") as story:
        described = propose(data, task=task, output=out, story=story, **call)
    show_described(sink, described, str(task) if out is None else out)
