"""Rows that stay together, and what they add to the co-occurrence matrix of a part."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from labeltune.prepare.stratify.integer_arrays import hashed, ranges, sums

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from labeltune.prepare.stratify.combinations import Combinations
    from labeltune.prepare.stratify.integer_arrays import Ints

__all__ = ["MAX_LABELS_WITH_PAIRS", "Bundles"]

MAX_LABELS_WITH_PAIRS = 1024
"""With more labels than this only they are balanced, not their pairs: the matrix would be too large."""


@dataclass(frozen=True, slots=True)
class Bundles:
    """Rows that stay together; without groups, each row is a bundle.

    Bundle b has the rows whose combinations are `codes[starts[b] : starts[b + 1]]`. `kinds` int64
    (n_bundles,), counted from 0, is the same for bundles that can stand for one another. `with_pairs` tells
    whether pairs of labels are counted, or labels alone.
    """

    combinations: Combinations
    codes: Ints
    starts: Ints
    kinds: Ints
    with_pairs: bool

    @classmethod
    def of(cls, combinations: Combinations, groups: Ints | None) -> Bundles:
        """The bundles of rows with the same group, int64 (n_rows,) counted from 0 without a gap."""
        codes = combinations.codes
        most = int(np.diff(combinations.starts).max(initial=0))
        with_pairs = most > 1 and combinations.n_labels <= MAX_LABELS_WITH_PAIRS
        if groups is None:
            return cls(combinations, codes, np.arange(len(codes) + 1), codes, with_pairs)
        codes = codes[np.argsort(groups, kind="stable")]
        starts = np.concatenate([[0], np.cumsum(np.bincount(groups))])
        # A sum of hashes is a hash of a multiset: equal where two bundles have the same rows.
        marks = np.add.reduceat(hashed(codes.astype(np.uint64)), starts[:-1])
        kinds = np.unique(marks, return_inverse=True)[1]
        return cls(combinations, codes, starts, kinds, with_pairs)

    @property
    def weights(self) -> Ints:
        """The number of rows of each bundle."""
        return np.diff(self.starts)

    @property
    def label_cells(self) -> NDArray[np.bool_]:
        """Of all cells, those that count a label and not a pair."""
        n = self.combinations.n_labels
        return np.eye(n, dtype=np.bool_).ravel() if self.with_pairs else np.ones(n, np.bool_)

    def cells(self, bundles: Ints) -> tuple[Ints, Ints]:
        """The cells to which `bundles` add one, bundle after bundle, and how many belong to each.

        With pairs, the labels i ≤ j of a row meet in the cell i * n_labels + j. Without, label i has cell i.
        """
        of = self.combinations
        codes = self.codes[ranges(self.starts[bundles], self.starts[bundles + 1])]
        starts, ends = of.starts[codes], of.starts[codes + 1]
        per_row = ends - starts
        at = ranges(starts, ends)
        cells = of.labels[at]
        if self.with_pairs:
            until = np.repeat(ends, per_row)
            cells = np.repeat(cells * of.n_labels, until - at) + of.labels[ranges(at, until)]
            per_row = per_row * (per_row + 1) // 2
        return cells, sums(per_row, self.starts[bundles + 1] - self.starts[bundles])
