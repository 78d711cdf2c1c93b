"""`labeltune evaluate`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from labeltune.cli import output
from labeltune.cli.options import JsonOption, QuietOption, SeedOption, TaskOption
from labeltune.errors import GateError
from labeltune.task import DEFAULT_TASK_FILE, read_task

__all__ = ["evaluate"]

_BOOTSTRAP, _SEED = 1000, 42
"""`BOOTSTRAP` and `SEED` of `metrics.quality`, whose import would bring numpy; a test compares them."""


def evaluate(
    predictions: Annotated[
        str, typer.Argument(metavar="PREDICTIONS", help="A table that predict wrote; - for standard input.")
    ],
    task: TaskOption = Path(DEFAULT_TASK_FILE),
    fail_under: Annotated[
        list[str] | None,
        typer.Option(metavar="METRIC=X", help="End with exit code 11 if METRIC or FIELD.METRIC is below X."),
    ] = None,
    fail_over: Annotated[
        list[str] | None,
        typer.Option(metavar="METRIC=X", help="End with exit code 11 if it is above X."),
    ] = None,
    bootstrap: Annotated[
        int,
        typer.Option(min=0, max=1_000_000, help="How many resamples the intervals come from; 0 for none."),
    ] = _BOOTSTRAP,
    seed: SeedOption = _SEED,
    json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Compare predictions with the labels of the same table, and report how good they are."""
    out = output.configure(json_mode=json, quiet=quiet)
    definition = read_task(task)

    from labeltune.evaluate import EvaluateOptions, Gate
    from labeltune.evaluate import evaluate as run
    from labeltune.report.document import report_document
    from labeltune.report.text import format_text

    gates = [Gate.parse(text, "under") for text in fail_under or ()]
    gates += [Gate.parse(text, "over") for text in fail_over or ()]
    report = run(predictions, definition, EvaluateOptions(bootstrap=bootstrap, seed=seed, gates=tuple(gates)))
    out.result(report_document(report), output.visible(format_text(report)))
    failed = [gate for gate in report.gates if not gate.passed]
    for gate in report.gates:
        if gate.passed:
            out.note(str(gate))
    if failed:
        raise GateError("\n".join(str(gate) for gate in failed))
