"""Dealing out what the quota left over: each part takes what it lacks most."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from labeltune.prepare.stratify.integer_arrays import shuffled, sums

if TYPE_CHECKING:
    from labeltune.prepare.stratify.bundles import Bundles
    from labeltune.prepare.stratify.integer_arrays import Ints

__all__ = ["URGENCY", "Dealing"]

URGENCY = 1 << 20
"""The weight of a squared deviation in the smallest part: weights are integers."""

_BATCH_SHARE = 32
"""A batch is one in this many of the bundles that are left."""
_LABEL_WORTH = 4
"""How much more than a pair's the deviation of a label counts."""
_FINE = 1 << 10
"""Gains are integers in units of one row divided by this."""


class Dealing:
    """The bundles that the quota left over, and what the parts still need.

    `placed` int64 (n_bundles,): the part of each bundle, filled in here for the bundles of `pool`.
    `room` int64 (n_parts,): how many rows each part still takes.
    `need` int64 (n_parts, n_cells): what each part still lacks in each cell, in units of 1/n_rows.
    `urgency` int64 (n_parts,): how much a squared deviation of one row counts in each part.
    """

    def __init__(
        self, bundles: Bundles, sizes: Ints, placed: Ints, pool: Ints, samples: Ints, seed: int
    ) -> None:
        self.bundles, self.sizes, self.placed = bundles, sizes, placed.copy()
        self.n_rows, self.n_parts = len(bundles.codes), len(sizes)
        weights = bundles.weights
        # The heaviest first: as long as there are light ones, the sizes can still be met.
        self.pool = pool[shuffled(weights[pool].max() - weights[pool], seed)]
        self.weights = weights[self.pool]
        self.candidates = np.concatenate([self.pool[::-1], samples])
        self.label_cells = bundles.label_cells
        inside = placed >= 0
        taken = np.bincount(placed[inside], weights[inside], self.n_parts)
        self.room = sizes - taken.astype(np.int64)
        self.need = self._need(sizes)
        # A row more or less changes the shares of a small part more than those of a large one.
        self.urgency = np.maximum(1, (URGENCY * (sizes.min() / sizes) ** 2).astype(np.int64))

    def _need(self, sizes: Ints) -> Ints:
        kinds, first = np.unique(self.bundles.kinds[self.pool], return_index=True)
        in_kind = np.bincount(self.bundles.kinds)[kinds]
        cells, per_kind = self.bundles.cells(self.pool[first])
        rests = (in_kind * size % self.n_rows for size in sizes)
        counts = [np.bincount(cells, np.repeat(rest, per_kind), len(self.label_cells)) for rest in rests]
        return np.stack(counts).astype(np.int64)

    def deal(self) -> None:
        """Give every bundle of the pool a part."""
        start, left = 0, int(self.weights.sum())
        while start < len(self.pool):
            size = max(1, (len(self.pool) - start) // _BATCH_SHARE)
            # The part with the most room gets what the others do not take, which may be the whole batch.
            while size > 1 and self.weights[start : start + size].sum() > self.room.max():
                size //= 2
            batch = slice(start, start + size)
            weights = self.weights[batch]
            cells, per_bundle = self.bundles.cells(self.pool[batch])
            gains = self._gains(cells, per_bundle, left)
            parts = self._choose(gains, cells, weights) if size == 1 else self._share(gains, weights, left)
            self.placed[self.pool[batch]] = parts
            np.subtract.at(self.need, (np.repeat(parts, per_bundle), cells), self.n_rows)
            self.room -= np.bincount(parts, weights, self.n_parts).astype(np.int64)
            left -= int(weights.sum())
            start += size

    def worst(self) -> tuple[float, float]:
        """The largest deviation of a label's share of a part from its share of all rows, and of a pair's."""
        off = np.abs(self.need) / (self.n_rows * self.sizes[:, None])
        return off[:, self.label_cells].max(initial=0.0), off[:, ~self.label_cells].max(initial=0.0)

    def _gains(self, cells: Ints, per_bundle: Ints, left: int) -> Ints:
        """How much more a part needs a bundle than it needs an average one, int64 (n_parts, n_bundles)."""
        worth = np.where(self.label_cells[cells], _LABEL_WORTH, 1) * (_FINE / self.n_rows)
        average = self.need.sum(axis=0)[cells]
        shares = np.maximum(self.room, 0) / left
        needs = [
            (need[cells] - average * share) * worth for need, share in zip(self.need, shares, strict=True)
        ]
        return np.stack([sums(np.rint(need).astype(np.int64), per_bundle) for need in needs])

    def _share(self, gains: Ints, weights: Ints, left: int) -> Ints:
        """The part of each bundle of a batch; the one with the least room is the first to choose."""
        *others, roomiest = np.argsort(self.room, kind="stable")
        parts = np.full(len(weights), roomiest)
        free = np.arange(len(weights))
        for part in others:
            due = (2 * max(self.room[part], 0) * weights.sum() + left) // (2 * left)
            best = free[np.argsort(-gains[part, free], kind="stable")]
            parts[best[np.cumsum(weights[best]) <= due]] = part
            free = free[parts[free] == roomiest]
        return parts

    def _choose(self, gains: Ints, cells: Ints, weights: Ints) -> Ints:
        """The part of a single bundle: where there is room for it and the squared deviations fall most."""
        fits = np.flatnonzero(self.room >= weights[0])
        if not len(fits):
            return np.array([self.room.argmax()])
        distinct, times = np.unique(cells, return_counts=True)
        squares = (np.where(self.label_cells[distinct], _LABEL_WORTH, 1) * times**2).sum() * _FINE
        falls = self.urgency[fits] * (2 * gains[fits, 0] - squares)
        best = fits[falls == falls.max()]
        return np.array([best[self.room[best].argmax()]])
