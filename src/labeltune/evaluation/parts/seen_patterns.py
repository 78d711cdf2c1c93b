"""The patterns of all pieces, each with a number of its own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from labeltune.evaluation.metrics.patterns import find_patterns
from labeltune.evaluation.metrics.scores import Pairs

if TYPE_CHECKING:
    from collections.abc import Sequence

    from labeltune.evaluation.metrics.patterns import FloatArray, IntArray
    from labeltune.evaluation.parts.row_codes import RowCodes

__all__ = ["SeenPatterns", "SpooledPatterns"]


class SeenPatterns:
    """Numbers patterns in the order in which they are first seen."""

    def __init__(self, n_labels: int) -> None:
        self._numbers: dict[bytes, int] = {}
        self._lines: list[bytes] = []
        self._labels = n_labels

    def __len__(self) -> int:
        return len(self._lines)

    def numbers(self, pairs: Pairs) -> IntArray:
        """(n_lines,) the number of each line."""
        lines = np.column_stack([pairs.true, pairs.pred, pairs.valid]).view(np.uint8)
        found = np.empty(len(lines), dtype=np.int64)
        for place, line in enumerate(map(bytes, lines)):
            number = self._numbers.get(line)
            if number is None:
                number = self._numbers[line] = len(self._lines)
                self._lines.append(line)
            found[place] = number
        return found

    def pairs(self) -> Pairs:
        """Truth and prediction of each, by number."""
        width = 2 * self._labels + 1
        lines = np.frombuffer(b"".join(self._lines), dtype=np.bool_).reshape(-1, width)
        return Pairs(lines[:, : self._labels], lines[:, self._labels : -1], lines[:, -1])

    def ranks(self) -> IntArray:
        """(n_patterns,) the place of each in the order that patterns have, whoever finds them."""
        pairs = self.pairs()
        return find_patterns([pairs.true, pairs.pred, pairs.valid[:, None]]).inverse


@dataclass(frozen=True, slots=True)
class SpooledPatterns:
    """`CountedPatterns` of rows whose codes are kept elsewhere."""

    counts: IntArray
    """(n_patterns,)"""
    places: IntArray
    """(n_codes,) the pattern of each code"""
    codes: RowCodes

    @property
    def rows(self) -> int:
        """How many rows there are."""
        return self.codes.rows

    def add_up(self, columns: Sequence[FloatArray]) -> list[float]:
        """See `CountedPatterns.add_up`."""
        return self.codes.add_up([column[self.places] for column in columns])
