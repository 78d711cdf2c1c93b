"""`labeltune runs`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from labeltune.cli import output
from labeltune.cli.formats import aligned, counted, day, moment, score
from labeltune.cli.options import JsonOption, QuietOption, StateOption
from labeltune.cli.output import Grid
from labeltune.defaults import DEFAULT_STATE

if TYPE_CHECKING:
    from labeltune.tuning.runs import Run

__all__ = ["runs"]

LIMIT = 20


def runs(
    limit: Annotated[
        int, typer.Option("--limit", metavar="N", min=1, help="How many, newest first.")
    ] = LIMIT,
    state: StateOption = Path(DEFAULT_STATE),
    json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """List what was trained and evaluated in this folder: data, model, scores and cost."""
    out = output.configure(json_mode=json, quiet=quiet)
    from labeltune.tuning.runs import HEADLINE, list_runs

    found = list_runs(state, limit=limit)
    if not found:
        out.note(f"nothing was trained or evaluated in this folder: {state} knows of nothing")
        out.result({"runs": []})
        return
    rows = [_row(run, HEADLINE) for run in found]
    grid = Grid(
        ("model", "when", "data", "rows", "macro-F1", "USD"),
        tuple(_short(run, HEADLINE) for run in found),
    )
    out.show({"runs": [run.document() for run in found]}, "\n".join(aligned(rows)), [grid])


def _row(run: Run, metric: str) -> tuple[str, ...]:
    """All that there is, for a line of any length."""
    return (
        run.model or run.job or "",
        moment(run.at),
        run.data or "",
        counted(run.rows),
        run.task or "",
        run.base_model or "",
        score(run.evaluated, metric),
        _usd(run),
    )


def _short(run: Run, metric: str) -> tuple[str, ...]:
    """What fits beside the model on a terminal."""
    named = run.model or f"{run.base_model}: {run.job}"
    return (
        named,
        day(run.at),
        Path(run.data or "").name,
        counted(run.rows),
        score(run.evaluated, metric),
        _usd(run),
    )


def _usd(run: Run) -> str:
    return "" if run.usd is None else f"{run.usd:.2f}"
