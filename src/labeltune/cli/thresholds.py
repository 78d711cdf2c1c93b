"""`labeltune thresholds`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from labeltune.cli import output
from labeltune.cli.hints import task_words
from labeltune.cli.options import JsonOption, QuietOption, TaskOption
from labeltune.cli.reading import reads_tables
from labeltune.defaults import DEFAULT_TASK_FILE
from labeltune.files.writing import STANDARD_STREAM
from labeltune.wording import counted, pasted

if TYPE_CHECKING:
    from labeltune.cli.output import Output
    from labeltune.evaluation.thresholds import Tuning
    from labeltune.task import ReadOptions

__all__ = ["thresholds"]

DEFAULT_OUTPUT = "thresholds.toml"


@reads_tables
def thresholds(
    validation_predictions: Annotated[
        str,
        typer.Argument(
            metavar="VALIDATION_PREDICTIONS",
            help="What `predict` wrote for validation rows; with --probabilities for multi fields.",
        ),
    ],
    task: TaskOption = Path(DEFAULT_TASK_FILE),
    out_file: Annotated[str, typer.Option("--output", "-o", metavar="F", help="The file.")] = DEFAULT_OUTPUT,
    min_precision: Annotated[
        float | None,
        typer.Option(
            min=0, max=1, metavar="X", help="Ask for a precision of at least X instead of the best F1."
        ),
    ] = None,
    accuracy: Annotated[
        float | None,
        typer.Option(
            min=0,
            max=1,
            metavar="X",
            help="Call answers of single fields unsure so that X of the others are right (0.95).",
        ),
    ] = None,
    *,
    read: ReadOptions,
    json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Choose the probability from which a label is predicted, and the confidence that answers need."""
    out = output.configure(json_mode=json, quiet=quiet)
    from labeltune.task import read_task

    out.claim_stdout(out_file)
    definition = read_task(task)

    from labeltune.evaluation.output_paths import check_outputs
    from labeltune.evaluation.thresholds import tune_thresholds
    from labeltune.files.threshold_file import write_thresholds

    check_outputs([validation_predictions, definition.source], [out_file])
    tuning = tune_thresholds(
        validation_predictions, definition, min_precision=min_precision, accuracy=accuracy, read=read
    )
    write_thresholds(out_file, tuning.thresholds)
    _tell(out, tuning)
    out.written(_document(out_file, tuning), out_file)
    if out_file != STANDARD_STREAM:
        out.hint(f"labeltune evaluate PREDICTIONS --thresholds {pasted(out_file)}{task_words(task)}")


def _tell(out: Output, tuning: Tuning) -> None:
    for field, choices in tuning.choices.items():
        out.table(
            ["label", "threshold", "precision", "recall", "F1"],
            [[label, one.threshold, one.precision, one.recall, one.f1] for label, one in choices.items()],
            title=f"{field}, on the rows they were chosen on",
        )
    if (promise := tuning.promise) is not None:
        are = counted(promise.rows, "row is", "rows are")
        out.note(
            f"unsure below {promise.below:g}: {promise.sure:,} of {are} sure ({promise.coverage:.1%}), "
            f"{promise.right / promise.sure:.1%} of them right (on these rows)"
        )
        out.note(
            f"on new rows like these, at least {promise.accuracy:.4g} of the sure answers are right, "
            f"with probability {promise.probability:g}"
        )


def _document(out_file: str, tuning: Tuning) -> dict[str, Any]:
    promise = tuning.promise
    levels = {
        field: {label: None if one.never else one.threshold for label, one in choices.items()}
        for field, choices in tuning.choices.items()
    }
    return {
        "output": out_file,
        "objective": tuning.thresholds.objective,
        "rows": tuning.thresholds.tuned_on.rows,
        "fields": levels,
        "unsure": None
        if promise is None
        else {
            "below": promise.below,
            "accuracy": promise.accuracy,
            "probability": promise.probability,
            "rows": promise.rows,
            "sure": promise.sure,
            "right": promise.right,
            "interval": {"low": promise.interval.low, "high": promise.interval.high},
        },
    }
