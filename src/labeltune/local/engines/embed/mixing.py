"""Two models' scores as one: how much each counts is fitted on examples that neither has seen."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from labeltune.local.engines.common.layout import Layout

    Floats = NDArray[np.float64]
    Bools = NDArray[np.bool_]

__all__ = ["Mix"]

_MOST = 30.0
_ERRORS = 1.0
"""The second model counts if it lowers the loss by so many standard errors; else the gain may be chance."""


@dataclass(frozen=True, slots=True)
class Mix:
    """For each head what the two models' scores count, and what is added: z = a·first + b·second + c.

    Of a choice that is the average of log-probabilities with any weight, at any temperature, since softmax
    does not see what is added to all labels; of a subset that of logits, as Platt scales them.
    """

    parts: tuple[tuple[float, float, float], ...]

    @classmethod
    def half(cls, layout: Layout) -> Mix:
        """Both count the same."""
        return cls(((0.5, 0.5, 0.0),) * len(layout.slices))

    @classmethod
    def fit(cls, layout: Layout, first: Floats, second: Floats, targets: Bools) -> Mix:
        """The likeliest of held-out examples: scores and targets (n, labels). No model counts below 0, and
        the second one nothing where it may be chance that it helps.
        """
        parts = []
        for part, kind in zip(layout.slices, layout.kinds, strict=True):
            pair, y = (first[:, part], second[:, part]), targets[:, part]
            both, alone = _fitted(kind, pair, y, most=_MOST), _fitted(kind, pair, y, most=0.0)
            gain = _losses(kind, pair, y, alone) - _losses(kind, pair, y, both)
            error = float(gain.std()) / np.sqrt(len(gain))
            parts.append(both if float(gain.mean()) > _ERRORS * error else alone)
        return cls(tuple(parts))

    def scores(self, layout: Layout, first: NDArray[Any], second: NDArray[Any]) -> Floats:
        """The scores of both as one, (n, labels)."""
        mixed = np.empty(first.shape, dtype=np.float64)
        for part, (a, b, c) in zip(layout.slices, self.parts, strict=True):
            mixed[:, part] = a * first[:, part] + b * second[:, part] + c
        return mixed

    def to_json(self) -> list[list[float]]:
        """The numbers."""
        return [list(part) for part in self.parts]

    @classmethod
    def from_json(cls, values: Sequence[Sequence[float]]) -> Mix:
        """The inverse of `to_json`."""
        return cls(tuple((a, b, c) for a, b, c in values))


def _fitted(
    kind: str, pair: tuple[Floats, Floats], y: Bools, *, most: float
) -> tuple[float, float, float]:
    """The numbers of the least loss, the second model's between 0 and `most`."""
    from scipy.optimize import minimize

    def loss(numbers: Floats) -> tuple[float, Floats]:
        return _mean_loss(kind, pair, y, numbers)

    added = 0.0 if kind == "choice" else _MOST
    begin = np.array([1.0, min(1.0, most), 0.0]) / (1 if most == 0 else 2)
    found = minimize(
        loss, begin, jac=True, method="L-BFGS-B", bounds=[(0.0, _MOST), (0.0, most), (-added, added)]
    )
    a, b, c = found.x.tolist()
    return a, b, c


def _mean_loss(
    kind: str, pair: tuple[Floats, Floats], y: Bools, numbers: Floats
) -> tuple[float, Floats]:
    """Nats per example, and the slope by each number."""
    a, b, c = numbers
    p, loss = _probabilities_and_losses(kind, a * pair[0] + b * pair[1] + c, y)
    over = (p - y) / len(y)
    slopes = np.array([float((over * pair[0]).sum()), float((over * pair[1]).sum()), float(over.sum())])
    # A hair of a penalty: where all are right, the numbers would grow without end.
    return float(loss.mean()) + 1e-4 * float(numbers @ numbers), slopes + 2e-4 * numbers


def _losses(
    kind: str, pair: tuple[Floats, Floats], y: Bools, numbers: tuple[float, float, float]
) -> Floats:
    a, b, c = numbers
    return _probabilities_and_losses(kind, a * pair[0] + b * pair[1] + c, y)[1]


def _probabilities_and_losses(kind: str, z: Floats, y: Bools) -> tuple[Floats, Floats]:
    """Probabilities (n, labels) and the loss of each example, (n,)."""
    if kind == "choice":
        z = z - z.max(axis=1, keepdims=True)
        e = np.exp(z)
        total = e.sum(axis=1)
        return e / total[:, None], np.log(total) - z[np.arange(len(y)), y.argmax(axis=1)]
    p = 1 / (1 + np.exp(-np.clip(z, -30, 30)))
    return p, np.logaddexp(0, np.where(y, -z, z)).sum(axis=1)
