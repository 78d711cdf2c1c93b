"""`labeltune runs`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from labeltune.cli import output
from labeltune.cli.formats import aligned, entry, moment, score, whole
from labeltune.cli.options import JsonOption, QuietOption, StateOption
from labeltune.defaults import DEFAULT_STATE
from labeltune.wording import counted

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
    text = "\n".join(aligned([_row(run, HEADLINE) for run in found]))
    out.show({"runs": [run.document() for run in found]}, text, [_entry(run, HEADLINE) for run in found])


def _row(run: Run, metric: str) -> tuple[str, ...]:
    """All that there is, for a line of any length."""
    return (
        run.model or run.job or "",
        moment(run.at),
        run.data or "",
        whole(run.rows),
        run.task or "",
        run.base_model or "",
        score(run.evaluated, metric),
        _usd(run),
    )


def _entry(run: Run, metric: str) -> str:
    """The same for a terminal."""
    scored = score(run.evaluated, metric)
    of = (
        ""
        if run.evaluated is None
        else f" on {counted(run.evaluated.rows, 'row')} of {run.evaluated.predictions}"
    )
    rows = "" if run.rows is None else f", {counted(run.rows, 'row')}"
    return entry(
        run.model or run.job or "",
        moment(run.at)[:-3],
        run.base_model or "",
        f"{run.data}{rows}" if run.data else "",
        f"task {run.task}" if run.task else "",
        f"macro-F1 {scored}{of}" if scored else "",
        f"{_usd(run)} USD" if run.usd is not None else "",
    )


def _usd(run: Run) -> str:
    return "" if run.usd is None else f"{run.usd:.2f}"
