"""`labeltune thresholds`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from labeltune.cli import output
from labeltune.cli.hints import pasted, task_words
from labeltune.cli.options import JsonOption, QuietOption, TaskOption
from labeltune.cli.reading import reads_tables
from labeltune.defaults import DEFAULT_TASK_FILE
from labeltune.errors import SettingsError
from labeltune.files.writing import STANDARD_STREAM

if TYPE_CHECKING:
    from labeltune.task import ReadOptions

__all__ = ["thresholds"]

DEFAULT_OUTPUT = "thresholds.toml"


@reads_tables
def thresholds(
    validation_predictions: Annotated[
        str,
        typer.Argument(
            metavar="VALIDATION_PREDICTIONS",
            help="What `predict --probabilities` wrote for data that nothing is reported on.",
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
    *,
    read: ReadOptions,
    json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Choose for each label the probability from which it is predicted."""
    out = output.configure(json_mode=json, quiet=quiet)
    from labeltune.task import read_task

    if json and out_file == STANDARD_STREAM:
        raise SettingsError("--json and --output - would both write to standard output")
    definition = read_task(task)

    from labeltune.evaluation.output_paths import check_outputs
    from labeltune.evaluation.thresholds import tune_thresholds
    from labeltune.files.threshold_file import write_thresholds

    check_outputs([validation_predictions, definition.source], [out_file])
    tuning = tune_thresholds(validation_predictions, definition, min_precision=min_precision, read=read)
    write_thresholds(out_file, tuning.thresholds)
    for field, choices in tuning.choices.items():
        out.table(
            ["label", "threshold", "precision", "recall", "F1"],
            [[label, one.threshold, one.precision, one.recall, one.f1] for label, one in choices.items()],
            title=f"{field}, on the rows they were chosen on",
        )
    levels = {
        field: {label: None if one.never else one.threshold for label, one in choices.items()}
        for field, choices in tuning.choices.items()
    }
    out.result(
        {
            "output": out_file,
            "objective": tuning.thresholds.objective,
            "rows": tuning.thresholds.tuned_on.rows,
            "fields": levels,
        },
        *([] if out_file == STANDARD_STREAM else [out_file]),
    )
    if out_file != STANDARD_STREAM:
        out.hint(f"labeltune evaluate PREDICTIONS --thresholds {pasted(out_file)}{task_words(task)}")
