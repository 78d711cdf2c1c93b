"""So many of so many, and how the share is said."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from labeltune.evaluation.metrics.intervals import Interval

__all__ = ["Share", "per_cent"]

_MANY = 1_000
"""From so many rows on a share is said to a tenth of a per cent: fewer do not know it."""


@dataclass(frozen=True, slots=True)
class Share:
    """So many of so many rows, with the exact interval of their share."""

    count: int
    of: int
    interval: Interval

    @property
    def value(self) -> float:
        """From 0 to 1."""
        return self.count / self.of


def per_cent(value: float, rows: int) -> str:
    """A share of so many rows as a person says it, without the sign; never 0 or 100 where it is not."""
    places = 1 if rows >= _MANY else 0
    while places < 6 and 0 < value < 1 and float(f"{100 * value:.{places}f}") in (0, 100):
        places += 1
    return f"{100 * value:.{places}f}"
