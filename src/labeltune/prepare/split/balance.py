"""How alike the parts of a split are: rows and shares of each label."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from labeltune.prepare.stratify.integer_arrays import Ints

__all__ = ["Balance", "LabelBalance", "balance_of"]

RARE = 2
"""A label of no more rows than this cannot be in three parts."""


@dataclass(frozen=True, slots=True)
class LabelBalance:
    """One label: its rows in the file, and its rows and its share of the rows in each part."""

    label: str
    rows: int
    share: float
    counts: tuple[int, ...]
    shares: tuple[float, ...]
    deviation: float
    """The largest difference between its share of a part and its share of the file."""


@dataclass(frozen=True, slots=True)
class Balance:
    """All labels that occur, in their order, with the parts named `parts`."""

    parts: tuple[str, ...]
    labels: tuple[LabelBalance, ...]

    @property
    def max_deviation(self) -> float:
        """The largest deviation of any label."""
        return max((label.deviation for label in self.labels), default=0.0)

    @property
    def rare(self) -> dict[str, int]:
        """The labels that occur once or twice, with their rows."""
        return {label.label: label.rows for label in self.labels if label.rows <= RARE}

    def absent(self, part: int) -> list[str]:
        """The labels that a part has no row of, rare ones left aside."""
        return [label.label for label in self.labels if not label.counts[part] and label.rows > RARE]

    def worst(self, count: int) -> list[LabelBalance]:
        """The labels that are furthest off, those first."""
        return sorted(self.labels, key=lambda label: -label.deviation)[:count]


def balance_of(
    names: tuple[str, ...], parts: tuple[str, ...], whole: Ints, counts: Ints, sizes: Ints, *, n_rows: int
) -> Balance:
    """The balance of a file's parts.

    `whole` int64 (n_labels,) counts the labels `names` in its `n_rows` rows; `counts` int64 (n_parts,
    n_labels) does in the `parts`, whose rows are `sizes` int64 (n_parts,).
    """
    shares = counts / np.maximum(sizes, 1)[:, None]
    labels = []
    for place, (name, rows) in enumerate(zip(names, whole.tolist(), strict=True)):
        if rows:
            share, own = rows / n_rows, tuple(shares[:, place].tolist())
            off = max(abs(one - share) for one in own)
            labels.append(LabelBalance(name, rows, share, tuple(counts[:, place].tolist()), own, off))
    return Balance(parts, tuple(labels))
