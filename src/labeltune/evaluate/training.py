"""How a job went, from the file of figures that it leaves behind."""

from __future__ import annotations

import math

import numpy as np

from labeltune.labels import require_columns
from labeltune.report.model import Curve, Training
from labeltune.tables import open_table

__all__ = ["read_training"]

STEP = "step"


def read_training(path: str) -> Training:
    """Read a job's result file: a table of numbers by `step`, cells left empty where nothing was measured.

    Raises `DataError` for cells that are no numbers.
    """
    points: dict[str, list[tuple[float, float]]] = {}
    with open_table(path) as table:
        require_columns([STEP], table.header, source=table.source)
        for line, values in table:
            try:
                _add(points, dict(zip(table.header, values, strict=True)))
            except ValueError as error:
                table.reject("bad_number", line, f"expected numbers: {error}", values)
    return Training(table.source, {name: Curve(*np.array(pairs).T) for name, pairs in points.items()})


def _add(points: dict[str, list[tuple[float, float]]], cells: dict[str, str]) -> None:
    step = float(cells.pop(STEP))
    for name, cell in cells.items():
        # A loss that is not a number has no place on a curve.
        if cell.strip() and math.isfinite(value := float(cell)):
            points.setdefault(name, []).append((step, value))
