"""Swaps: two bundles of two parts change places where that brings both parts closer to the whole."""

from __future__ import annotations

from itertools import combinations, cycle, islice
from typing import TYPE_CHECKING

import numpy as np

from labeltune.prepare.stratify.integer_arrays import ranges, smallest, sums

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from labeltune.prepare.stratify.dealing import Dealing
    from labeltune.prepare.stratify.integer_arrays import Ints

__all__ = ["swap"]

_CANDIDATES = 4000
"""How many bundles may change places: those dealt last, which are the lightest, and some placed by quota."""
_PIECE = 64
"""How many cells are multiplied at a time."""
_ROUNDS = ((2, 32), (32, 32), (512, 32), (16384, 128))
"""How much more than a pair's the deviation of a label counts, round by round; and how many of the most
promising bundles of each part are compared with each other."""
_MAX_SWAPS = 500
"""The most attempts in one round."""


def swap(dealing: Dealing) -> int:
    """Improve what has been dealt, in place, until no swap lowers the squared deviations.

    Returns how many were tried.
    """
    candidates = _Candidates(dealing)
    tried = sum(candidates.round(worth, compared) for worth, compared in _ROUNDS)
    dealing.placed[candidates.bundles] = candidates.parts
    dealing.need[:, candidates.distinct] = -candidates.surplus
    return tried


class _Candidates:
    """Bundles that may change places. Cells are numbered anew: only those occur that one of them adds to.

    Candidate c adds `times[starts[c] : starts[c + 1]]` to `cells[starts[c] : starts[c + 1]]`.
    """

    def __init__(self, dealing: Dealing) -> None:
        self.bundles = dealing.candidates[:_CANDIDATES]
        self.weights = dealing.bundles.weights[self.bundles]
        self.parts = dealing.placed[self.bundles]
        self.room, self.urgency, self.n_rows = dealing.room, dealing.urgency, dealing.n_rows
        cells, per_bundle = dealing.bundles.cells(self.bundles)
        self.distinct, cells = np.unique(cells, return_inverse=True)
        owner = np.repeat(np.arange(len(self.bundles)), per_bundle)
        entries, self.times = np.unique(owner * len(self.distinct) + cells, return_counts=True)
        owner, self.cells = np.divmod(entries, max(len(self.distinct), 1))
        self.lengths = np.bincount(owner, minlength=len(self.bundles))
        self.starts = np.concatenate([[0], np.cumsum(self.lengths)])
        self.surplus = -dealing.need[:, self.distinct]
        self.is_label = dealing.label_cells[self.distinct]

    def round(self, worth: int, compared: int) -> int:
        """Swap until no two parts have a swap that helps, with labels `worth` times as much as pairs."""
        worths = np.where(self.is_label, worth, 1)
        squares = sums(worths[self.cells] * self.times**2, self.lengths)
        pairs = list(combinations(range(len(self.urgency)), 2))
        idle = tried = 0
        for one, two in islice(cycle(pairs), _MAX_SWAPS):
            tried += 1
            idle = 0 if self._swap_one(one, two, worths, squares, compared) else idle + 1
            if idle == len(pairs):
                break
        return tried

    def _swap_one(self, one: int, two: int, worths: Ints, squares: Ints, compared: int) -> bool:
        """Make the best swap between two parts; False if none lowers the squared deviations.

        With d the surplus and u the urgency of a part, moving x out of `one` and y into it changes the sum of
        both u·d² by (u1 + u2)·(y - x)² + 2·(u1·d1 - u2·d2)·(y - x).
        """
        both = self.urgency[one] + self.urgency[two]
        pull = self.urgency[one] * self.surplus[one] - self.urgency[two] * self.surplus[two]
        pull = np.rint(pull * (worths / self.n_rows)).astype(np.int64)
        pulls = 2 * sums(pull[self.cells] * self.times, self.lengths)
        leave, enter = both * squares - pulls, both * squares + pulls
        xs, ys = np.flatnonzero(self.parts == one), np.flatnonzero(self.parts == two)
        xs, ys = xs[smallest(leave[xs], compared)], ys[smallest(enter[ys], compared)]
        if not len(xs) or not len(ys):
            return False
        changes = leave[xs, None] + enter[ys] - 2 * both * self._products(xs, ys, worths)
        changes[self._worsens_sizes(one, two, xs, ys)] = 0
        best = int(changes.argmin())
        x, y = xs[best // len(ys)], ys[best % len(ys)]
        # Less than this may come from rounding, and would go round in circles.
        if changes.flat[best] > -both // 64:
            return False
        self._move(x, one, two)
        self._move(y, two, one)
        return True

    def _products(self, xs: Ints, ys: Ints, worths: Ints) -> Ints:
        """The inner product of each x with each y, int64 (n_xs, n_ys)."""
        rows = np.concatenate([xs, ys])
        at = ranges(self.starts[rows], self.starts[rows + 1])
        cells, columns = np.unique(self.cells[at], return_inverse=True)
        dense = np.zeros((len(rows), len(cells)))
        dense[np.repeat(np.arange(len(rows)), self.lengths[rows]), columns] = self.times[at]
        left, right = dense[: len(xs)] * worths[cells], dense[len(xs) :]
        # In pieces too small for threads, whose waiting for each other would cost more than the product.
        products = np.zeros((len(xs), len(ys)))
        for start in range(0, len(cells), _PIECE):
            piece = slice(start, start + _PIECE)
            products += left[:, piece] @ right[:, piece].T
        return products.astype(np.int64)

    def _worsens_sizes(self, one: int, two: int, xs: Ints, ys: Ints) -> NDArray[np.bool_]:
        more = self.weights[xs, None] - self.weights[ys]
        before = abs(self.room[one]) + abs(self.room[two])
        worse: NDArray[np.bool_] = np.abs(self.room[one] + more) + np.abs(self.room[two] - more) > before
        return worse

    def _move(self, candidate: int, source: int, target: int) -> None:
        at = slice(self.starts[candidate], self.starts[candidate + 1])
        change = self.times[at] * self.n_rows
        self.surplus[source, self.cells[at]] -= change
        self.surplus[target, self.cells[at]] += change
        self.parts[candidate] = target
        self.room[source] += self.weights[candidate]
        self.room[target] -= self.weights[candidate]
