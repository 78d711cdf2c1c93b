"""`labeltune baseline`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from labeltune.cli import output
from labeltune.cli.hints import task_words
from labeltune.cli.options import (
    JsonOption,
    PredictionsOption,
    ProbabilitiesOption,
    QuietOption,
    StateOption,
    TaskOption,
)
from labeltune.cli.predict_view import warn_of_problems
from labeltune.cli.progress import JobStory, RowStory
from labeltune.cli.reading import reads_tables
from labeltune.defaults import DEFAULT_STATE, DEFAULT_TASK_FILE
from labeltune.errors import ExitCode
from labeltune.files.writing import STANDARD_STREAM
from labeltune.wording import counted, pasted

if TYPE_CHECKING:
    from labeltune.cli.output import Output
    from labeltune.studies.baseline import Baseline
    from labeltune.task import ReadOptions

__all__ = ["baseline"]

_OUTPUT = "baseline.csv"
"""`baseline.DEFAULT_OUTPUT`, whose module is imported when it is needed; a test compares them."""


@reads_tables
def baseline(
    training: Annotated[str, typer.Argument(metavar="TRAIN", help="The table to train on.")],
    test: Annotated[str, typer.Argument(metavar="TEST", help="The table whose rows are predicted.")],
    out: PredictionsOption = _OUTPUT,
    task: TaskOption = Path(DEFAULT_TASK_FILE),
    state: StateOption = Path(DEFAULT_STATE),
    probabilities: ProbabilitiesOption = False,
    new_job: Annotated[
        bool, typer.Option("--new-job", help="Train again even where this command trained before.")
    ] = False,
    *,
    read: ReadOptions,
    json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Train the linear model on this machine and predict with it: what an expensive model has to beat."""
    from labeltune.task import read_task

    sink = output.configure(json_mode=json, quiet=quiet)
    sink.claim_stdout(out)
    definition = read_task(task)

    from labeltune.providers import resolve_provider
    from labeltune.studies.baseline import PROVIDER
    from labeltune.studies.baseline import baseline as run

    with _Story(sink, resolve_provider(PROVIDER)) as story:
        done = run(
            training,
            test,
            task=definition,
            output=out,
            probabilities=probabilities,
            new_job=new_job,
            state=state,
            read=read,
            story=story,
        )
    _show(sink, done, task)
    if done.predicted.invalid:
        raise typer.Exit(ExitCode.INVALID_ANSWERS)


class _Story(JobStory, RowStory):
    """Tells of the training, then of the predictions."""

    def __exit__(self, *_: object) -> None:
        super().__exit__()
        self._open.close()


def _show(sink: Output, done: Baseline, task: Path) -> None:
    predicted = done.predicted
    valid = predicted.rows - predicted.invalid
    sink.note(f"{counted(predicted.rows, 'row')}, {valid:,} with a valid answer, in {done.seconds:.1f} s")
    warn_of_problems(sink, predicted.problems)
    if predicted.output != STANDARD_STREAM:
        sink.hint(f"labeltune evaluate PREDICTIONS --compare {pasted(predicted.output)}{task_words(task)}")
    sink.written(
        {
            "output": predicted.output,
            "model": done.trained.model,
            "job_id": done.trained.job_id,
            "reused": done.trained.reused,
            "trained_on": done.trained_on,
            "left_out": dict(done.left_out),
            "rows": predicted.rows,
            "valid": valid,
            "invalid": predicted.invalid,
            "problems": dict(predicted.problems),
            "seconds": done.seconds,
        },
        predicted.output,
    )
