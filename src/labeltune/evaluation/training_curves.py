"""How a job went, from its events or from the file of figures that it leaves behind."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any

import numpy as np

from labeltune.errors import DataError
from labeltune.evaluation.report.model import Curve, Training
from labeltune.files.sources import ByteSource
from labeltune.files.tables import open_table

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["read_training"]

STEP, TOTAL = "step", "total_steps"
_EVENTS_HINT = "labeltune jobs events JOB --json writes what is expected, or give the job's result file"

_Points = dict[str, list[tuple[float, float]]]


def read_training(path: str) -> Training:
    """Read what `labeltune jobs events JOB --json` printed, or a job's result file.

    The latter is a table of numbers by `step`, cells left empty where nothing was measured. Raises
    `DataError` for anything else, and where there is no figure at all.
    """
    with ByteSource(path) as source:
        points = _from_events(source) if source.head().lstrip()[:1] == b"{" else _from_table(source)
        if not points:
            raise DataError(f"{source.name}: there are no figures by step", hint=_EVENTS_HINT)
        series = {name: Curve(*np.array(sorted(pairs)).T) for name, pairs in points.items()}
        return Training(source.name, series)


def _from_events(source: ByteSource) -> _Points:
    points: _Points = {}
    with source.open() as stream:
        content = stream.read()
    try:
        events: list[dict[str, Any]] = json.loads(content)["events"]
        for event in events:
            metrics: Mapping[str, Any] = event["metrics"]
            if STEP in metrics:
                _add(points, {name: value for name, value in metrics.items() if name != TOTAL})
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise DataError(f"{source.name}: these are no events of a job: {error}", hint=_EVENTS_HINT) from error
    return points


def _from_table(source: ByteSource) -> _Points:
    points: _Points = {}
    with open_table(source) as table:
        if STEP not in table.header:
            raise DataError(f'{source.name}:1: there is no column "{STEP}"', hint=_EVENTS_HINT)
        for line, values in table:
            cells = {name: cell for name, cell in zip(table.header, values, strict=True) if cell.strip()}
            try:
                _add(points, cells)
            except (ValueError, KeyError) as error:
                table.reject("bad_number", line, f"expected numbers by {STEP}: {error}", values)
    return points


def _add(points: _Points, figures: Mapping[str, Any]) -> None:
    """Enter the figures of one step. Raises `ValueError`, `TypeError` or `KeyError`."""
    step = float(figures[STEP])
    for name, value in figures.items():
        # A loss that is not a number has no place on a curve.
        if name != STEP and math.isfinite(number := float(value)):
            points.setdefault(name, []).append((step, number))
