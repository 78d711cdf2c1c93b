"""Which wrong rows a report shows, found while rows go by."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from labeltune.evaluation.metrics.patterns import BoolArray, FloatArray, IntArray

__all__ = ["WrongRows"]

_COLUMNS = 4


@dataclass(frozen=True, slots=True)
class WrongRows:
    """The wrong rows that `rows.pick_errors` picks of one table, or nearly: of too many, the surest fill a
    quarter of the room, and the first when their patterns take turns the rest.

    A row's turn is how many rows with its pattern stand before it, whatever follows: one that is not among
    the first of the rows so far is not among the first of all.
    """

    table: IntArray
    """(n_kept, 4) each row's turn, the number of its pattern, its part and its place there"""
    surest: FloatArray
    """(n_kept, 3) confidence, part and place there of the wrong rows that were answered most surely"""
    count: int
    """how many are picked"""
    wrong: int = 0
    """how many there are"""

    @classmethod
    def empty(cls, count: int) -> WrongRows:
        """Of no rows yet; at most so many are picked."""
        return cls(np.empty((0, _COLUMNS), dtype=np.int64), np.empty((0, 3)), count)

    def plus(
        self,
        codes: IntArray,
        wrong: BoolArray,
        before: IntArray,
        confidence: FloatArray | None,
        *,
        part: int,
        first: int,
        ranks: IntArray,
    ) -> WrongRows:
        """With the rows that follow.

        `codes` (n_rows,) are the numbers of their patterns, `wrong` and `before` (n_patterns,) which patterns
        are wrong, and how many rows showed each before; `confidence` (n_rows,); `first` is the place in its
        part of the first row.
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
        crowded = len(both) > 8 * self.count
        table = _first(both, ranks, 2 * self.count) if crowded else both
        surest = self._surest(rows, confidence, part=part, first=first)
        return WrongRows(table, surest, self.count, self.wrong + len(rows))

    def _surest(self, rows: IntArray, confidence: FloatArray | None, *, part: int, first: int) -> FloatArray:
        if confidence is None:
            return self.surest
        more = np.column_stack([confidence[rows], np.full(len(rows), part), first + rows])
        both = np.concatenate([self.surest, more[~np.isnan(more[:, 0])]])
        return both[np.argsort(-both[:, 0], kind="stable")[: self.count // 4]]

    def picked(self, ranks: IntArray) -> list[tuple[int, int]]:
        """The part and the place there of each, in the order of the rows; `ranks` is that of the patterns."""
        if self.wrong <= self.count:
            return sorted((part, place) for part, place in self.table[:, 2:].tolist())
        surest = {(int(part), int(place)) for _, part, place in self.surest.tolist()}
        is_other = np.array([row not in surest for row in map(tuple, self.table[:, 2:].tolist())], np.bool_)
        others = _first(_in_turn(self.table[is_other]), ranks, self.count - len(surest))[:, 2:]
        return sorted([*surest, *((part, place) for part, place in others.tolist())])


def _in_turn(table: IntArray) -> IntArray:
    """The rows with the turns that they have among themselves."""
    order = np.lexsort((table[:, 3], table[:, 2], table[:, 1]))
    kinds = table[order, 1]
    starts = np.flatnonzero(np.append(True, kinds[1:] != kinds[:-1])) if len(kinds) else kinds
    turns = np.arange(len(kinds)) - np.repeat(starts, np.diff(np.append(starts, len(kinds))))
    return np.column_stack([turns, table[order, 1:]])


def _first(table: IntArray, ranks: IntArray, count: int) -> IntArray:
    order = np.lexsort((table[:, 3], table[:, 2], ranks[table[:, 1]], table[:, 0]))
    return table[order[:count]]
