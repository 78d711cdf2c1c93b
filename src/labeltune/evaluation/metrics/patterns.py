"""Rows counted by what happened to them: each distinct combination of truth and prediction once.

A million rows over six labels hold a few hundred distinct pairs of label vectors. Everything that is
measured here is measured on those pairs, weighted by how often each occurs; a bootstrap resample is then
nothing but other weights.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

__all__ = [
    "BoolArray",
    "CountedPatterns",
    "FloatArray",
    "IntArray",
    "Patterns",
    "class_codes",
    "find_patterns",
    "one_hot",
]

BoolArray = NDArray[np.bool_]
IntArray = NDArray[np.int64]
FloatArray = NDArray[np.float64]

_WORD_BITS = 16
_TABLE_SLACK = 1 << 20


class CountedPatterns(Protocol):
    """What the metrics need to know of the rows, wherever these are kept."""

    @property
    def counts(self) -> IntArray:
        """(n_patterns,) how many rows show each pattern."""
        ...

    @property
    def rows(self) -> int:
        """How many rows there are, n."""
        ...

    def add_up(self, columns: Sequence[FloatArray]) -> list[float]:
        """The sums over the rows of figures that each pattern has, (n_patterns,) each, in the rows' order.

        A sum of floats depends on its order in the last digit: this is the one that `numpy.sum` takes.
        """
        ...


@dataclass(frozen=True, slots=True)
class Patterns:
    """The distinct combinations among n rows, in an order that does not depend on the order of the rows."""

    first: IntArray
    """(n_patterns,) a row that shows the pattern"""
    counts: IntArray
    """(n_patterns,) how many rows show it"""
    inverse: IntArray
    """(n,) the pattern of each row"""

    @property
    def rows(self) -> int:
        """How many rows there are, n."""
        return len(self.inverse)

    def add_up(self, columns: Sequence[FloatArray]) -> list[float]:
        """See `CountedPatterns.add_up`."""
        return [float(column[self.inverse].sum()) for column in columns]


def find_patterns(columns: Sequence[NDArray[Any]], counts: IntArray | None = None) -> Patterns:
    """Find the distinct combinations of what stands side by side in `columns`.

    A column is a bool matrix (n, k) or a vector (n,) of integers from -1 (such as class codes, -1 for none).
    `counts`, if given, says that line i stands for that many rows; `inverse` is still by line.
    """
    codes: IntArray | None = None
    size = 1
    for words, width in _words(columns):
        if codes is None:
            codes, size = words, width
        else:
            if size > _TABLE_SLACK:
                codes, size = _compress(codes, size)
            codes, size = codes * width + words, size * width
    if codes is None:
        raise ValueError("no columns to find patterns in")
    codes, size = _compress(codes, size)
    first = np.empty(size, dtype=np.int64)
    first[codes[::-1]] = np.arange(len(codes) - 1, -1, -1)
    weights = np.bincount(codes, weights=counts, minlength=size).astype(np.int64)
    return Patterns(first=first, counts=weights, inverse=codes)


def _words(columns: Iterable[NDArray[Any]]) -> Iterable[tuple[IntArray, int]]:
    """Each column as vectors of small whole numbers, with the number of values they can take."""
    for column in columns:
        if column.ndim == 1:
            yield column.astype(np.int64) + 1, (int(column.max()) + 2 if column.size else 1)
            continue
        for start in range(0, column.shape[1], _WORD_BITS):
            part = column[:, start : start + _WORD_BITS]
            word = np.zeros(len(part), dtype=np.uint16)
            for bit in range(part.shape[1]):
                word |= part[:, bit].astype(np.uint16) << np.uint16(bit)
            yield word.astype(np.int64), 1 << part.shape[1]


def _compress(codes: IntArray, size: int) -> tuple[IntArray, int]:
    """Renumber whole numbers below `size` to 0, 1, … in the same order, leaving no number unused."""
    if size <= 4 * len(codes) + _TABLE_SLACK:
        used = np.bincount(codes, minlength=size) > 0
        numbers = np.cumsum(used) - 1
        return numbers[codes], int(used.sum())
    values, inverse = np.unique(codes, return_inverse=True)
    return inverse.astype(np.int64), len(values)


def class_codes(values: Iterable[str], labels: Sequence[str]) -> IntArray:
    """Labels as their places in `labels`, -1 for anything else."""
    places: Mapping[str, int] = {label: place for place, label in enumerate(labels)}
    return np.array([places.get(value, -1) for value in values], dtype=np.int64)


def one_hot(codes: IntArray, n_labels: int) -> BoolArray:
    """Class codes (n,) as a bool matrix (n, n_labels); a code of -1 is a line without a label."""
    matrix = np.zeros((len(codes), n_labels), dtype=np.bool_)
    given = codes >= 0
    matrix[np.flatnonzero(given), codes[given]] = True
    return matrix
