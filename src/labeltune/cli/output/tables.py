"""Tables as a terminal shows them: rows of values, and grids of figures with bars."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import accumulate
from typing import TYPE_CHECKING, Literal

from labeltune.cli.output.text import as_text, visible

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console
    from rich.table import Table

__all__ = ["Bar", "Grid", "Line", "grid_as_table", "rows_as_table"]

_SHADES, _PLAIN_SHADES = "█▓░", "#=-"
_WIDE, _WIDE_BAR, _NARROW_BAR = 100, 24, 10


@dataclass(frozen=True, slots=True)
class Bar:
    """A share of 1 to be drawn, and the interval that it is known to lie in."""

    value: float
    low: float
    high: float

    def drawn(self, width: int, shades: str) -> str:
        """Dark up to `low`, lighter to `value`, lightest to `high`: so many characters in all."""
        places = (round(width * min(max(end, 0.0), 1.0)) for end in (self.low, self.value, self.high))
        ends = list(accumulate(places, max))  # the interval of a resampled figure need not hold it
        starts = [0, *ends[:2]]
        shown = "".join(shade * (end - start) for shade, start, end in zip(shades, starts, ends, strict=True))
        return shown.ljust(width)


@dataclass(frozen=True, slots=True)
class Line:
    """A line of a result, and how it is meant; only a terminal with colours tells them apart."""

    text: str
    tone: Literal["lead", "good", "bad", "soft"]

    @property
    def style(self) -> str:
        """As Rich has it."""
        return {"lead": "bold", "good": "green", "bad": "bold red", "soft": "dim"}[self.tone]


@dataclass(frozen=True, slots=True)
class Grid:
    """A table of a result as a terminal shows it: names at the left, figures at the right, bars."""

    columns: tuple[str, ...]
    rows: tuple[tuple[str | Bar, ...], ...]
    title: str = ""


def rows_as_table(columns: Sequence[str], rows: Sequence[Sequence[object]], title: str) -> Table:
    """A table whose columns of numbers stand at the right."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(
        title=Text(visible(title)) if title else None,
        title_justify="left",
        box=box.SIMPLE_HEAD,
        pad_edge=False,
    )
    for position, column in enumerate(columns):
        numeric = all(isinstance(row[position], int | float) for row in rows)
        table.add_column(Text(visible(column)), justify="right" if numeric else "left")
    for row in rows:
        table.add_row(*(Text(visible(as_text(value))) for value in row))
    return table


def grid_as_table(grid: Grid, console: Console) -> Table:
    """The grid, as wide as the console lets its bars be."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    shades = _SHADES if (console.encoding or "").lower().startswith("utf") else _PLAIN_SHADES
    width = _WIDE_BAR if console.width >= _WIDE else _NARROW_BAR
    table = Table(
        title=Text(visible(grid.title), style="bold") if grid.title else None,
        title_justify="left",
        box=box.SIMPLE_HEAD,
        pad_edge=False,
        padding=(0, 1),
    )
    for position, column in enumerate(grid.columns):
        bars = any(isinstance(row[position], Bar) for row in grid.rows)
        table.add_column(
            Text(visible(column)),
            justify="left" if position == 0 or bars else "right",
            overflow="fold",
            no_wrap=position > 0,
        )
    for row in grid.rows:
        table.add_row(
            *(
                Text(cell.drawn(width, shades), style="cyan") if isinstance(cell, Bar) else visible(cell)
                for cell in row
            )
        )
    return table
