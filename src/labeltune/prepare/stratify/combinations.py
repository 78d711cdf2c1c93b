"""Which labels each row has, and how far the parts of a split are from the whole."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from labeltune.prepare.stratify.integer_arrays import distinct_rows

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from labeltune.prepare.stratify.integer_arrays import Ints

__all__ = ["Combinations", "deviation"]


@dataclass(frozen=True, slots=True)
class Combinations:
    """Which labels each row has, each distinct combination once.

    `codes` int64 (n_rows,) names the combination of each row. Combination c has the labels
    `labels[starts[c] : starts[c + 1]]`, ascending, out of `n_labels`.
    """

    codes: Ints
    starts: Ints
    labels: Ints
    n_labels: int

    @classmethod
    def of_vectors(cls, vectors: NDArray[np.bool_], codes: Ints | None = None) -> Combinations:
        """From label vectors, bool (n_rows, n_labels); or one per combination, with the rows' `codes`."""
        if codes is None:
            first, codes = distinct_rows(vectors)
            vectors = vectors[first]
        owner, labels = np.nonzero(vectors)
        starts = np.zeros(len(vectors) + 1, np.int64)
        np.cumsum(np.bincount(owner, minlength=len(vectors)), out=starts[1:])
        return cls(codes, starts, labels, vectors.shape[1])

    @classmethod
    def of_classes(cls, classes: Ints) -> Combinations:
        """From the only label of each row, int64 (n_rows,), counted from 0."""
        starts = np.arange(int(classes.max(initial=-1)) + 2)
        return cls(classes, starts, starts[:-1], len(starts) - 1)

    def counts(self, parts: Ints, n_parts: int) -> Ints:
        """How many rows of each part have each label, int64 (n_parts, n_labels); a part below 0 is none."""
        n = len(self.starts) - 1
        inside = parts >= 0
        rows = np.bincount(parts[inside] * n + self.codes[inside], minlength=n_parts * n).reshape(n_parts, n)
        per_label = np.repeat(rows, np.diff(self.starts), axis=1)
        return np.stack([np.bincount(self.labels, row, self.n_labels) for row in per_label]).astype(np.int64)


def deviation(combinations: Combinations, parts: Ints, n_parts: int) -> float:
    """The largest difference between a label's share of a part's rows and its share of all rows."""
    sizes = np.bincount(parts[parts >= 0], minlength=n_parts)
    whole = combinations.counts(np.zeros_like(parts), 1)[0] / max(len(parts), 1)
    shares = combinations.counts(parts, n_parts)[sizes > 0] / sizes[sizes > 0, None]
    return float(np.abs(shares - whole).max(initial=0.0))
