"""Tables as a terminal shows them: rows of values, and grids of figures with bars."""

from __future__ import annotations

from dataclasses import dataclass, replace
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
_BETWEEN = 3
"""Signs between two columns."""


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
    names: int = 1
    """how many columns at the left hold names, which are folded where there is no room"""

    def without_bars(self) -> Grid:
        """The same for a narrow terminal: a bar says nothing that its figures do not."""
        kept = [place for place, _ in enumerate(self.columns) if not self.has_bars(place)]
        return replace(
            self,
            columns=tuple(self.columns[place] for place in kept),
            rows=tuple(tuple(row[place] for place in kept) for row in self.rows),
        )

    def has_bars(self, place: int) -> bool:
        """Whether a column holds bars."""
        return any(isinstance(row[place], Bar) for row in self.rows)

    def fits(self, width: int) -> bool:
        """Whether a line so wide has room for the longest names, an empty sign at each end."""
        widths = [self._width(place) for place in range(len(self.columns))]
        return sum(widths) + _BETWEEN * (len(widths) - 1) + 2 <= width

    def _width(self, place: int) -> int:
        from rich.cells import cell_len

        cells = (row[place] for row in self.rows)
        widths = (_NARROW_BAR if isinstance(cell, Bar) else cell_len(cell) for cell in cells)
        return max(len(self.columns[place]), *widths)


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

    if not grid.fits(console.width):
        grid = grid.without_bars()
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
        name = position < grid.names
        table.add_column(
            Text(visible(column)),
            justify="left" if name or grid.has_bars(position) else "right",
            overflow="fold",
            no_wrap=not name,
        )
    for row in grid.rows:
        table.add_row(
            *(
                Text(cell.drawn(width, shades), style="cyan") if isinstance(cell, Bar) else visible(cell)
                for cell in row
            )
        )
    return table
