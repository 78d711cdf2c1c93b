"""Logistic regression over sentence vectors, with its cross-validation beside it.

It minimises  C · Σ c_i φ(x_i·w + b, y_i) + |w|²/2  as the engine `linear` does (softmax over the labels of a
choice, one sigmoid per label of a subset), by L-BFGS in rounds: between two rounds the weights are all there
is to save.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.optimize import minimize
from threadpoolctl import threadpool_limits

from labeltune.local.engines.common.calibration import calibrated_loss
from labeltune.local.engines.common.class_weight import ClassWeights
from labeltune.local.engines.linear.fitting import folds_of
from labeltune.local.engines.linear.optimiser import prior_scores

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from labeltune.local.engines.common.layout import Layout

    Floats = NDArray[np.float32]
    Bools = NDArray[np.bool_]

__all__ = ["ROUNDS", "Head", "choose_strength"]

ROUNDS = 10
"""So many rounds come to the optimum, or so near that it makes no difference."""
_ITERATIONS = 10

_STRENGTHS = (10.0, 3.0, 30.0)
"""C; those that are tried, the usual first."""
_BETTER = 0.003
"""Another one has to lower the loss by so much."""
_LEAST = 60
"""With fewer examples nothing is tried: the differences would be chance."""
_MOST = 3_000
_TRIAL_FOLDS = 3
_TRIAL_ROUNDS = 4


class Head:
    """1 + folds models over the same vectors; the first is the one that is wanted.

    - `vectors`: float (n, d); `targets`: bool (n, k); `seen`: bool (n, 1 + folds), see `Fitting`.
    - `class_weights`: what each example counts, if not all the same; scores are without its tilt.

    Inside, vectors are centred and of mean square length 1, which is what C is for.
    """

    def __init__(
        self,
        layout: Layout,
        vectors: Floats,
        *,
        targets: Bools,
        seen: Bools,
        class_weights: ClassWeights | None,
        strength: float,
    ) -> None:
        self._layout, self._targets, self._seen = layout, targets, seen
        self._class_weights, self._strength = class_weights, strength
        self._centre = vectors.mean(axis=0)
        centred = vectors - self._centre
        self._scale = np.float32(1 / np.sqrt(max(float((centred * centred).sum(axis=1).mean()), 1e-12)))
        self._x = centred * self._scale
        self._tilt = 0 if class_weights is None else class_weights.tilt
        # Weights, and the intercepts as the last row of each model.
        self.weights = np.zeros((seen.shape[1], vectors.shape[1] + 1, layout.n_outputs), dtype=np.float32)
        self.weights[:, -1] = prior_scores(layout, targets, seen)

    @property
    def n_models(self) -> int:
        """1 + folds."""
        return len(self.weights)

    def improve(self, model: int) -> None:
        """One round for one of the models."""
        rows: Any = self._seen[:, model]
        if rows.all():
            rows = slice(None)  # no copy
        counts = None if self._class_weights is None else self._class_weights.weights[rows]
        begin = self.weights[model].astype(np.float64)
        begin[-1] += self._tilt
        objective = _Objective(
            self._layout, self._x[rows], self._targets[rows].astype(np.float32), counts, self._strength
        )
        # On one thread: the same bytes however many cores there are, and no waiting of threads for each other
        # where the matrices are small or the machine is busy.
        with threadpool_limits(1, user_api="blas"):
            found = minimize(
                objective, begin.ravel(), jac=True, method="L-BFGS-B", options={"maxiter": _ITERATIONS}
            )
        end = found.x.reshape(begin.shape)
        end[-1] -= self._tilt
        self.weights[model] = end

    def held_out(self, fold: NDArray[np.int64]) -> Floats:
        """Scores of the first examples, each by the model whose number stands in `fold`, (len(fold), k)."""
        scores = np.empty((len(fold), self._layout.n_outputs), dtype=np.float32)
        for model in np.unique(fold).tolist():
            rows = np.flatnonzero(fold == model)
            scores[rows] = self._x[rows] @ self.weights[model, :-1] + self.weights[model, -1]
        return scores

    def of_rows(self, rows: NDArray[np.int64]) -> Floats:
        """Scores of some examples by the model that is wanted."""
        return np.asarray(self._x[rows] @ self.weights[0, :-1] + self.weights[0, -1])

    def of_vectors(self, vectors: Floats) -> Floats:
        """Scores of other vectors."""
        weights, intercepts = self.plain()
        return vectors @ weights + intercepts

    def plain(self) -> tuple[Floats, Floats]:
        """Weights (d, k) and intercepts (k,) for vectors as they are."""
        weights = self.weights[0, :-1] * self._scale
        return weights, np.asarray(self.weights[0, -1] - self._centre @ weights, dtype=np.float32)


class _Objective:
    """The loss and its slope at weights, flat; the intercepts are the last k."""

    def __init__(self, layout: Layout, x: Floats, y: Floats, counts: Floats | None, strength: float) -> None:
        self._layout, self._x, self._y = layout, x, y
        self._counts, self._strength = counts, strength

    def __call__(self, flat: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        w = flat.astype(np.float32).reshape(-1, self._layout.n_outputs)
        p = self._layout.probabilities(self._x @ w[:-1] + w[-1])
        loss = self._strength * self._loss(p) + float(flat[: -w.shape[1]] @ flat[: -w.shape[1]]) / 2
        p -= self._y
        if self._counts is not None:
            p *= self._counts
        p *= np.float32(self._strength)
        slope = np.concatenate([(self._x.T @ p).ravel(), p.sum(axis=0)]).astype(np.float64)
        slope[: -w.shape[1]] += flat[: -w.shape[1]]
        return loss, slope

    def _loss(self, p: Floats) -> float:
        total = 0.0
        for part, kind in zip(self._layout.slices, self._layout.kinds, strict=True):
            q, y = p[:, part], self._y[:, part]
            if kind == "choice":
                losses = -np.log(np.maximum((q * y).sum(axis=1), 1e-30))
                counts: Any = 1 if self._counts is None else self._counts[:, part.start]
            else:
                losses = -np.log(np.maximum(np.where(y > 0, q, 1 - q), 1e-30))
                counts = 1 if self._counts is None else self._counts[:, part]
            total += float((losses * counts).sum(dtype=np.float64))
        return total


def choose_strength(layout: Layout, vectors: Floats, targets: Bools, *, balanced: bool, seed: int) -> float:
    """C, by cross-validation on a sample."""
    n = len(vectors)
    if n < _LEAST:
        return _STRENGTHS[0]
    rows = np.random.default_rng([seed, 4]).permutation(n)[:_MOST]
    x, y = vectors[rows], targets[rows]
    fold = folds_of(y, _TRIAL_FOLDS, seed)
    # No model that has seen everything: nobody asks it.
    seen = np.stack([fold != number for number in range(1, _TRIAL_FOLDS + 1)], axis=1)
    losses = {}
    for strength in _STRENGTHS:
        weights = ClassWeights.balanced(layout, y) if balanced else None
        head = Head(layout, x, targets=y, seen=seen, class_weights=weights, strength=strength)
        for turn in range(_TRIAL_ROUNDS * head.n_models):
            head.improve(turn % head.n_models)
        losses[strength] = calibrated_loss(layout, head.held_out(fold - 1).astype(np.float64), y)
    best = min(losses.values())
    return next(strength for strength in _STRENGTHS if losses[strength] <= best * (1 + _BETTER))
