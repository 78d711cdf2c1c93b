"""Values of listings, as people read them."""

from __future__ import annotations

import shutil
import textwrap
import time
from typing import TYPE_CHECKING

from labeltune.wording import sized

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from labeltune.tuning.ledger import EvaluationEntry

__all__ = ["aligned", "entry", "moment", "score", "size", "whole"]


def moment(timestamp: float | str | None) -> str:
    """The local date and time of day; what is no time, as it is."""
    try:
        return "" if not timestamp else time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(float(timestamp)))
    except (TypeError, ValueError, OverflowError, OSError):  # a server's own way to tell it
        return str(timestamp)


def size(count: int | None) -> str:
    """Bytes in the largest unit that makes at least one of them; nothing for None."""
    return "" if count is None else sized(count)


def whole(number: int | None) -> str:
    """A number with its thousands apart; nothing for None."""
    return "" if number is None else f"{number:,}"


def score(evaluated: EvaluationEntry | None, metric: str) -> str:
    """A metric with its interval; nothing where there is none."""
    if evaluated is None or metric not in evaluated.metrics:
        return ""
    interval = evaluated.intervals.get(metric)
    spread = "" if interval is None else f" ({interval['low']:.3f}–{interval['high']:.3f})"
    return f"{evaluated.metrics[metric]:.3f}{spread}"


def entry(name: str, *facts: str) -> str:
    """A thing for a terminal: its name on a line of its own, below it what is known, as wide as fits."""
    width = shutil.get_terminal_size().columns - 1
    known = " · ".join(filter(None, facts))
    lines = textwrap.wrap(
        known, width, initial_indent="    ", subsequent_indent="    ", break_long_words=False
    )
    return "\n".join([name, *lines])


def aligned(rows: Sequence[Sequence[str]]) -> Iterable[str]:
    """Rows of cells as lines with columns of one width each, two spaces apart; empty cells are dashes."""
    shown = [[cell or "-" for cell in row] for row in rows]
    widths = [max(len(row[place]) for row in shown) for place in range(len(shown[0]))] if shown else []
    for row in shown:
        yield "  ".join([*map(str.ljust, row[:-1], widths), row[-1]])
