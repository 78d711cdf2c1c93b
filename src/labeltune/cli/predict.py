"""`labeltune predict`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from labeltune.cli import output
from labeltune.cli.defaults import model_of, provider_of
from labeltune.cli.options import (
    JsonOption,
    ModelOption,
    PredictionsOption,
    ProviderOption,
    QuietOption,
    StateOption,
    TablesArgument,
    TaskOption,
)
from labeltune.cli.progress import RowStory
from labeltune.cli.sending import PREDICTIONS, DryRunOption, sends_requests
from labeltune.defaults import DEFAULT_STATE, DEFAULT_TASK_FILE
from labeltune.errors import ExitCode
from labeltune.prediction.options import DEFAULT_OUTPUT

if TYPE_CHECKING:
    from labeltune.cli.output import Output
    from labeltune.prediction.options import PredictOptions

__all__ = ["predict"]


@sends_requests(*PREDICTIONS)
def predict(
    data: TablesArgument,
    model: ModelOption = None,
    out: PredictionsOption = DEFAULT_OUTPUT,
    task: TaskOption = Path(DEFAULT_TASK_FILE),
    provider: ProviderOption = None,
    state: StateOption = Path(DEFAULT_STATE),
    *,
    asking: PredictOptions,
    dry_run: DryRunOption = False,
    json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Ask a model about every row of a table, or of a folder of tables; run again, it goes on where it
    stopped.
    """
    sink = output.configure(json_mode=json, quiet=quiet)
    if not dry_run:
        sink.claim_stdout(out)
    _predict(
        sink, data, model, asking, task=task, provider=provider, output=out, state=state, dry_run=dry_run
    )


def _predict(
    sink: Output,
    data: str,
    model: str | None,
    options: PredictOptions,
    *,
    task: Path,
    provider: str | None,
    dry_run: bool,
    **call: Any,
) -> None:
    """Predict and tell how it went; with `dry_run` show what would be asked."""
    from labeltune.files.parts import names_parts
    from labeltune.task import read_task

    definition = read_task(task)
    model = model_of(model, definition, what="which one is asked: what train printed")
    call |= {"task": definition, "model": model, "options": options}
    call["provider"] = provider_of(provider, definition)
    if names_parts(data):
        _predict_parts(sink, data, task, dry_run=dry_run, **call)
        return
    from labeltune.cli.predict_view import show_predicted, show_preview
    from labeltune.prediction.predict import predict as run
    from labeltune.prediction.predict import preview

    if dry_run:
        show_preview(sink, preview(data, **call))
        return
    with RowStory(sink, yes=options.yes) as story:
        done = run(data, story=story, **call)
    show_predicted(sink, done, model, task, batch=options.batch)
    if done.invalid:
        raise typer.Exit(ExitCode.INVALID_ANSWERS)


def _predict_parts(sink: Output, data: str, path: Path, /, *, dry_run: bool, **call: Any) -> None:
    """The same for a folder or glob of tables."""
    from labeltune.cli.predict_view import show_parts, show_preview
    from labeltune.prediction.parts import predict_parts, preview_parts

    options: PredictOptions = call["options"]
    with RowStory(sink, yes=options.yes) as story:
        if dry_run:
            shown = preview_parts(data, story=story, **call)
        else:
            done = predict_parts(data, story=story, **call)
    if dry_run:
        show_preview(sink, shown)
        return
    show_parts(sink, done, call["model"], path, batch=options.batch)
    done.raise_refused()
    if done.invalid:
        raise typer.Exit(ExitCode.INVALID_ANSWERS)
