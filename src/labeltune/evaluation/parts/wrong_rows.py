"""Which wrong rows a report shows, found while rows go by."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from labeltune.evaluation.metrics.patterns import BoolArray, IntArray

__all__ = ["WrongRows"]

_COLUMNS = 4


@dataclass(frozen=True, slots=True)
class WrongRows:
    """The first wrong rows when their patterns take turns, as `rows.pick_errors` picks them of one table.

    A row's turn is how many rows with its pattern stand before it, whatever follows: one that is not among
    the first of the rows so far is not among the first of all.
    """

    table: IntArray
    """(n_kept, 4) each row's turn, the number of its pattern, its part and its place there"""
    count: int
    """how many are picked"""

    @classmethod
    def empty(cls, count: int) -> WrongRows:
        """Of no rows yet; at most so many are picked."""
        return cls(np.empty((0, _COLUMNS), dtype=np.int64), count)

    def plus(
        self, codes: IntArray, wrong: BoolArray, before: IntArray, *, part: int, first: int, ranks: IntArray
    ) -> WrongRows:
        """With the rows that follow.

        `codes` (n_rows,) are the numbers of their patterns, `wrong` and `before` (n_patterns,) which patterns
        are wrong, and how many rows showed each before; `first` is the place in its part of the first row.
        """
        rows = np.flatnonzero(wrong[codes])
        order = rows[np.argsort(codes[rows], kind="stable")]
        kinds = codes[order]
        starts = np.flatnonzero(np.append(True, kinds[1:] != kinds[:-1])) if len(kinds) else kinds
        within = np.arange(len(kinds)) - np.repeat(starts, np.diff(np.append(starts, len(kinds))))
        turns = before[kinds] + within
        more = np.column_stack([turns, kinds, np.full(len(kinds), part), first + order])
        both = np.concatenate([self.table, more[turns < self.count]])
        # Sorting pays after a while only.
        crowded = len(both) > 4 * self.count
        return WrongRows(_first(both, ranks, self.count) if crowded else both, self.count)

    def picked(self, ranks: IntArray) -> list[tuple[int, int]]:
        """The part and the place there of each, in the order of the rows; `ranks` is that of the patterns."""
        chosen = _first(self.table, ranks, self.count)[:, 2:]
        return [(part, place) for part, place in sorted(map(tuple, chosen.tolist()))]


def _first(table: IntArray, ranks: IntArray, count: int) -> IntArray:
    order = np.lexsort((table[:, 3], table[:, 2], ranks[table[:, 1]], table[:, 0]))
    return table[order[:count]]
