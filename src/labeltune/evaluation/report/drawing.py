"""Where things stand in the page's drawings: numbers and short strings; the template writes the SVG."""

from __future__ import annotations

import math
import unicodedata
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from labeltune.evaluation.report.table import UNANSWERED

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from labeltune.evaluation.metrics.calibration import Bin
    from labeltune.evaluation.metrics.quality import FieldQuality
    from labeltune.evaluation.report.model import Curve

__all__ = ["Cell", "Chart", "HeatMap", "Line", "Tick", "heat_map", "lines_chart", "reliability_points"]

WIDTH, HEIGHT = 300, 200
"""The inside of a chart, in its own units."""

MAX_CELLS = 6_000
"""How many cells of a heat map are drawn; the others hold the smallest counts."""
_NUMBERED = 30
"""Up to how many labels a cell shows its count."""
_NAME_LENGTH = 28
_LETTER = 6.7
"""How wide a letter of a name is, at most on average."""
_PALE, _FULL = 0.55, 0.85
"""Opacities at which the ink on a cell changes, in the dark and in the light."""


@dataclass(frozen=True, slots=True)
class Tick:
    """A mark on an axis."""

    at: float
    text: str


@dataclass(frozen=True, slots=True)
class Line:
    """A line of a chart: its name, its place among the colours, and its points."""

    name: str
    colour: int
    points: str


@dataclass(frozen=True, slots=True)
class Chart:
    """A chart of lines with its axes."""

    title: str
    lines: tuple[Line, ...]
    x_ticks: tuple[Tick, ...]
    y_ticks: tuple[Tick, ...]


def lines_chart(
    title: str,
    curves: Mapping[str, Curve],
    *,
    x_range: tuple[float, float] | None = None,
    y_range: tuple[float, float] | None = None,
) -> Chart:
    """Lines in one frame; ranges are those of the data unless they are given."""
    x_low, x_high = x_range or _range([curve.x for curve in curves.values()])
    y_low, y_high = y_range or _range([curve.y for curve in curves.values()])

    def place_x(x: float) -> float:
        return WIDTH * (x - x_low) / (x_high - x_low)

    def place_y(y: float) -> float:
        return HEIGHT * (1 - (y - y_low) / (y_high - y_low))

    return Chart(
        title=title,
        lines=tuple(
            Line(
                name,
                place % 8,
                " ".join(
                    f"{place_x(x):.1f},{place_y(y):.1f}"
                    for x, y in zip(curve.x.tolist(), curve.y.tolist(), strict=True)
                ),
            )
            for place, (name, curve) in enumerate(curves.items())
        ),
        x_ticks=tuple(Tick(place_x(at), f"{at:g}") for at in _ticks(x_low, x_high)),
        y_ticks=tuple(Tick(place_y(at), f"{at:g}") for at in _ticks(y_low, y_high)),
    )


def _range(values: Sequence[np.ndarray[tuple[int, ...], np.dtype[np.float64]]]) -> tuple[float, float]:
    low, high = min(float(one.min()) for one in values), max(float(one.max()) for one in values)
    return (low, high) if high > low else (low - 0.5, high + 0.5)


def _ticks(low: float, high: float) -> list[float]:
    """Four to eight round numbers between two."""
    step = 10 ** math.floor(math.log10(high - low))
    while (high - low) / step < 4:
        step /= 2
    first = math.ceil(low / step - 1e-9)
    return [round(number * step, 10) for number in range(first, math.floor(high / step + 1e-9) + 1)]


@dataclass(frozen=True, slots=True)
class ReliabilityPoint:
    """A bin in the reliability diagram; its area stands for its rows."""

    x: float
    y: float
    radius: float
    text: str


def reliability_points(bins: Sequence[Bin]) -> tuple[ReliabilityPoint, ...]:
    """Mean confidence against accuracy of each bin."""
    most = max(one.rows for one in bins)
    return tuple(
        ReliabilityPoint(
            round(WIDTH * one.confidence, 1),
            round(HEIGHT * (1 - one.accuracy), 1),
            round(3 + 7 * math.sqrt(one.rows / most), 1),
            f"{one.rows:,} answers, confidence {one.confidence:.3f}, right {one.accuracy:.3f}",
        )
        for one in bins
    )


@dataclass(frozen=True, slots=True)
class Cell:
    """A cell of a heat map that is not empty."""

    row: int
    column: int
    count: int
    strength: str
    """an opacity that grows with the root of its share of the line: small confusions are to be seen too"""
    tone: str
    """which colour a number on it can be read in: `pale`, `middle`, `full`"""


@dataclass(frozen=True, slots=True)
class HeatMap:
    """A field's confusion, ready to draw; lines are the truth, columns what was predicted."""

    rows: tuple[str, ...]
    columns: tuple[str, ...]
    short_rows: tuple[str, ...]
    short_columns: tuple[str, ...]
    cells: tuple[Cell, ...]
    left_out: int
    side: int
    margin: int
    numbered: bool
    exclusive: bool
    """whether a row has one label, so that what is beside the diagonal is wrong"""


def heat_map(field: FieldQuality) -> HeatMap:
    """The heat map of one field."""
    rows, counts = field.shape.labels, field.confusion
    unanswered = counts.shape[1] > len(rows) and bool(counts[:, -1].any())
    last = (UNANSWERED,) if unanswered else ()
    columns = (*rows, *last)
    shares = counts / np.maximum(field.scores.support[:, None], 1)
    there = np.argwhere(counts > 0)
    order = np.argsort(-counts[counts > 0], kind="stable")
    names = (*(_short(name) for name in rows),)
    few = len(rows) <= _NUMBERED
    return HeatMap(
        rows=rows,
        columns=columns,
        short_rows=names,
        short_columns=(*names, *last),
        cells=tuple(
            _cell(row, column, int(counts[row, column]), float(shares[row, column]))
            for row, column in there[order][:MAX_CELLS].tolist()
        ),
        left_out=max(0, len(there) - MAX_CELLS),
        side=34 if few else 16,
        margin=14 + math.ceil(_LETTER * max(_width(name) for name in (*names, *last))),
        numbered=few,
        exclusive=field.shape.single,
    )


def _cell(row: int, column: int, count: int, share: float) -> Cell:
    strength = 0.05 + 0.95 * math.sqrt(share)
    tone = "pale" if strength < _PALE else "full" if strength > _FULL else "middle"
    return Cell(row, column, count, f"{strength:.2f}", tone)


def _short(name: str) -> str:
    return name if len(name) <= _NAME_LENGTH else name[: _NAME_LENGTH - 1] + "…"


def _width(name: str) -> int:
    """In letters; the signs of East Asian scripts are as wide as two."""
    return sum(2 if unicodedata.east_asian_width(sign) in "WF" else 1 for sign in name)
