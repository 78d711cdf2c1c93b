"""Linear models fitted by mini-batches: dual-free stochastic dual coordinate ascent.

For targets y, a score z = x·w and the logistic loss φ (softmax over the labels of a choice, one sigmoid per
label of a subset) it minimises  C · Σ φ(x_i·w, y_i) + |w|²/2  (Shalev-Shwartz, "SDCA without Duality,
Regularization, and Individual Convexity", ICML 2016). Every example keeps its own share a_i of the solution,
w = C · Σ x_i a_i, and a step with the examples of one mini-batch is

    d_i = φ'(x_i·w) + a_i        a_i ← a_i - (η/C)·d_i        w ← w - η · Σ x_i d_i

It needs no schedule: the steps shrink to nothing by themselves where the solution is.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import scipy.sparse as sp

from labeltune.local.engines.linear.features import values_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from labeltune.local.engines.common.class_weight import ClassWeights
    from labeltune.local.engines.common.layout import Layout

    Floats = NDArray[np.float32]

__all__ = ["BIAS", "MiniBatch", "Optimiser", "likeness_of", "prior_scores"]

BIAS = 0.1
"""The value of the one feature that every text has. Rows have length 1 without it."""

_STRENGTH = {"choice": 30.0, "subset": 2.0}
"""C at a learning-rate multiplier of 1: what the loss of one example counts against |w|²/2."""
_RATE = {"choice": 1.5, "subset": 2.0}
"""η; it is never more than C."""
_LIKENESS = 4.0
"""From this likeness of the texts of a mini-batch on, η is made smaller: their steps add up."""


@dataclass(frozen=True, slots=True)
class MiniBatch:
    """Some examples, with only those features that occur among them.

    Counts and places are kept in the smallest integers that hold them: all batches together are most of what
    a training keeps in memory.
    """

    rows: NDArray[np.int64]
    """Numbers of the examples, shape (b,)."""
    columns: NDArray[np.int32]
    """Numbers of the features, rising, shape (u,)."""
    counts: NDArray[Any]
    """How often a feature occurs in an example, one example after the other."""
    places: NDArray[Any]
    """Where the feature of each count stands in `columns`."""
    bounds: NDArray[np.int32]
    """Where the counts of each example begin and end, shape (b + 1,)."""

    @classmethod
    def of(cls, rows: NDArray[np.int64], counts: sp.csr_matrix) -> MiniBatch:
        """The batch of the examples `rows`, given the counts of all features, columns rising."""
        present = np.zeros(counts.shape[1], dtype=np.bool_)
        present[counts.indices] = True
        columns = np.flatnonzero(present).astype(np.int32)
        place = np.empty(counts.shape[1], dtype=np.int32)
        place[columns] = np.arange(len(columns))
        return cls(
            rows,
            columns,
            _small(counts.data, int(counts.data.max(initial=0))),
            _small(place[counts.indices], len(columns)),
            counts.indptr.astype(np.int32),
        )

    def x(self) -> sp.csr_matrix:
        """The value of each feature in each example, shape (b, u)."""
        return self.matrix(values_of(self.counts))

    def matrix(self, values: NDArray[Any]) -> sp.csr_matrix:
        """A matrix of other values in the same places."""
        shape = (len(self.rows), len(self.columns))
        return sp.csr_matrix((values, self.places.astype(np.int32), self.bounds), shape=shape)


def _small(numbers: NDArray[Any], largest: int) -> NDArray[Any]:
    return numbers.astype(np.min_scalar_type(largest))


def likeness_of(batch: MiniBatch, scales: Floats, lengths: Floats) -> float:
    """The largest eigenvalue of the Gram matrix of a batch's weighted rows of length 1.

    It is 1 if no two texts have a feature in common, and the size of the batch if all are the same. By power
    iteration. `scales` (features,) and `lengths` (n,) are those of one model.
    """
    weighted = batch.x().multiply(scales[batch.columns]).tocsr()
    shrink = 1 / np.maximum(lengths[batch.rows], 1e-12)
    vector = np.full(len(batch.rows), len(batch.rows) ** -0.5)
    size = 0.0
    for _ in range(20):
        vector = shrink * (weighted @ (weighted.T @ (shrink * vector)))
        size = float(np.sqrt((vector * vector).sum()))
        if size == 0:
            return 1.0
        vector /= size
    return max(1.0, size)


class Optimiser:
    """Fits m models of k outputs side by side on the same mini-batches.

    The models differ in the examples they may see and in the weights of the features: the first is the one
    that is wanted, the others are its cross-validation. One pass over a sparse row serves them all.

    - `targets`: bool (n, k); `seen`: bool (n, m), which example is for which model.
    - `scales`: float (features, m), the weight of each feature in each model.
    - `lengths`: float (n, m), the length of each example's row after weighting.
    - `class_weights`: what each example counts, if not all the same. Scores are given with their tilt taken
      off again.
    - `multiplier`: how much more than usual an example counts; it scales C.
    - `likeness`: the largest eigenvalue of a mini-batch's Gram matrix, see `likeness_of`.
    """

    def __init__(
        self,
        layout: Layout,
        *,
        targets: NDArray[np.bool_],
        seen: NDArray[np.bool_],
        scales: Floats,
        lengths: Floats,
        class_weights: ClassWeights | None,
        multiplier: float,
        likeness: float,
    ) -> None:
        n, m = seen.shape
        k = layout.n_outputs
        self._layout = layout
        self._targets = targets
        self._seen = seen
        self._squared_scales = scales * scales
        self._shrink = (1 / np.maximum(lengths, 1e-12)).astype(np.float32)
        self._shrink[lengths == 0] = 0
        strength = layout.per_output(_STRENGTH) * np.float32(multiplier)
        rate = layout.per_output(_RATE) * np.float32(min(1.0, _LIKENESS / likeness))
        self._strength, self._usual_rate = strength, rate
        self._weights = None if class_weights is None else class_weights.weights
        self._tilt = np.zeros(k, dtype=np.float32) if class_weights is None else class_weights.tilt
        self._prior = prior_scores(layout, targets, seen)
        self.weights = np.zeros((len(scales), m, k), dtype=np.float32)
        self.bias = np.zeros((m, k), dtype=np.float32)
        self.shares = np.zeros((n, m, k), dtype=np.float32)

    def intercepts(self) -> Floats:
        """The scores of a text without any known feature, shape (m, k)."""
        # Learning begins at the prior plus the tilt, which is then taken off: the prior it is.
        return self._prior + np.float32(BIAS) * self.bias

    def _rates(self, rows: NDArray[np.int64]) -> tuple[Floats, Floats]:
        """η for examples, and its part of what they count, shape (b or 1, 1, k) both."""
        counts = self._strength[None, None, :]
        if self._weights is not None:
            counts = counts * self._weights[rows][:, None, :]
        rate = np.minimum(self._usual_rate, counts)
        return rate, rate / counts

    def scores(self, batch: MiniBatch) -> Floats:
        """Scores of a batch's examples by every model, shape (b, m, k)."""
        return self._scores(batch, batch.x(), self._weights_of(batch))

    def _weights_of(self, batch: MiniBatch) -> Floats:
        """The weights of a batch's features, copied, shape (u, m·k)."""
        # `take` copies rows three times as fast as an array of numbers between brackets does.
        return self._flat().take(batch.columns, axis=0)

    def _flat(self) -> Floats:
        """The weights themselves, seen as of shape (features, m·k)."""
        return self.weights.reshape(len(self.weights), -1)

    def _scores(self, batch: MiniBatch, x: sp.csr_matrix, weights: Floats) -> Floats:
        _, m, k = self.weights.shape
        z = (x @ weights).reshape(-1, m, k)
        z *= self._shrink[batch.rows][:, :, None]
        z += self.intercepts()
        return np.asarray(z, dtype=np.float32)

    def step(self, batch: MiniBatch) -> Floats:
        """Learn from a batch. Returns the first model's scores before it did, shape (b, k)."""
        _, m, k = self.weights.shape
        rows, x, weights = batch.rows, batch.x(), self._weights_of(batch)
        scores = self._scores(batch, x, weights)
        probabilities = self._layout.probabilities(scores + self._tilt)
        d = probabilities - self._targets[rows][:, None, :] + self.shares[rows]
        d *= self._seen[rows][:, :, None]
        rate, share_rate = self._rates(rows)
        self.shares[rows] -= share_rate * d
        d *= rate
        self.bias -= BIAS * d.sum(axis=0)
        d *= self._shrink[rows][:, :, None]
        gradient = x.T @ d.reshape(-1, m * k)
        gradient *= self._squared_scales.take(batch.columns, axis=0).repeat(k, axis=1)
        weights -= gradient
        self._flat()[batch.columns] = weights
        return scores[:, 0]


def prior_scores(layout: Layout, targets: NDArray[np.bool_], seen: NDArray[np.bool_]) -> Floats:
    """The scores that give every label the probability it has among each model's examples, shape (m, k)."""
    priors = np.empty((seen.shape[1], layout.n_outputs), dtype=np.float32)
    for model, rows in enumerate(seen.T):
        share = (targets[rows].sum(axis=0) + 0.5) / (rows.sum() + 1)
        for part, kind in zip(layout.slices, layout.kinds, strict=True):
            odds = share[part] if kind == "choice" else share[part] / (1 - share[part])
            priors[model, part] = np.log(odds)
    return priors
