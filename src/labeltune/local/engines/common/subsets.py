"""How probable a set of labels is: each label by its score, and the set by how many labels it has.

Were labels independent, a set S would have the probability  Π p (labels in S) · Π (1 - p) (others). Where
people mostly name one label, that says too little of sets of one and too much of all others. Here a set
counts `none` times as much if it is empty and `alone` times if it has one label:

    P(S) = g(|S|) · Π p · Π (1 - p) / Z,   g(0) = none, g(1) = alone, g(2…) = 1

Z and the probability of each label then need no sum over sets: a label that holds is alone if none of the
others holds. With `none` and `alone` of 1 the labels are independent.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Bools = NDArray[np.bool_]

__all__ = ["INDEPENDENT", "LARGEST", "LEAST_SHARE", "Counts", "fit_subset", "logit"]

LARGEST = 30.0
"""No score of a label counts as more than so much, nor as less than its negative."""
LEAST_SHARE = 1e-15
"""In a logit no probability is nearer to 0 or 1."""
_OWN = 10.0
"""What it costs if a label's own slope or offset is 1 away from the one of all labels, in nats of all rows: a
label of few examples stays near it."""
_COUNTED = 1.0
"""The same for the logarithms of `none` and `alone`."""
_ENOUGH_SCORES = 600_000
"""More would say the same,"""
_ENOUGH_ROWS = 2_000
"""if there are so many rows."""
_MOST_LOG = 12.0


@dataclass(frozen=True, slots=True)
class Counts:
    """How much sets of no label and of one count, against larger ones."""

    none: float = 1.0
    alone: float = 1.0

    @classmethod
    def of(cls, decision: Mapping[str, Any]) -> Counts:
        """Those of a decision that `calibration.decisions` made."""
        return cls(decision.get("none", 1.0), decision.get("alone", 1.0))

    def probabilities(self, z: Floats) -> tuple[Floats, Floats]:
        """Of each label, if labels were independent, and as it is; `z` and both are float (n, labels)."""
        p, without, _, _, total = self.parts(z)
        if self == INDEPENDENT:
            return p, p  # to the last bit
        return p, np.minimum(p * (1 + (self.alone - 1) * without) / total[:, None], 1.0)

    def of_next(self, before: int, p: Floats) -> Floats:
        """What each next label of a list counts, and its end as the last one, (labels + 1,).

        `before` labels stand in the list; `p` are the probabilities of those that may come, if independent.
        """
        if before > 1 or self == INDEPENDENT:
            return np.ones(len(p) + 1)
        if before == 1:
            return np.append(np.ones(len(p)), self.alone)
        nothing_behind = np.append(np.cumprod((1 - p)[:0:-1])[::-1], 1.0)[: len(p)]
        return np.append(1 + (self.alone - 1) * nothing_behind, self.none)

    def parts(self, z: Floats) -> tuple[Floats, Floats, Floats, Floats, Floats]:
        """p, the probability that no other label holds, both (n, labels); that none holds, that one does, and
        Z, (n,).
        """
        z = np.clip(z, -LARGEST, LARGEST)
        p, absent = 1 / (1 + np.exp(-z)), -np.logaddexp(0, z)
        all_absent = absent.sum(axis=1, keepdims=True)
        without = np.exp(all_absent - absent)
        empty, single = np.exp(all_absent[:, 0]), (p * without).sum(axis=1)
        total = self.none * empty + self.alone * single + np.maximum(1 - empty - single, 0)
        return p, without, empty, single, total


INDEPENDENT = Counts()


def logit(p: Floats) -> Floats:
    """ln(p / (1 - p))."""
    inside = np.clip(p, LEAST_SHARE, 1 - LEAST_SHARE)
    return np.asarray(np.log(inside) - np.log(1 - inside))


def fit_subset(z: Floats, y: Bools) -> dict[str, Any]:
    """The likeliest slope and offset of each label, `none` and `alone`, as they stand in a decision.

    `z` and `y` (n, labels): scores of examples that were held out, calibrated for all labels together, and
    what holds. What is fitted stays near that: see `_OWN`.
    """
    # Whoever only answers need not wait for it.
    from scipy.optimize import minimize

    n, k = z.shape
    every = -(-n // max(_ENOUGH_ROWS, _ENOUGH_SCORES // k))
    z, y = z[::every], y[::every]
    held = y.sum(axis=1)
    shares = np.array([(held == 0).mean(), (held == 1).mean()])
    costs = np.concatenate([np.full(2 * k, _OWN), np.full(2, _COUNTED)]) / n
    start = np.concatenate([np.ones(k), np.zeros(k + 2)])

    def loss(numbers: Floats) -> tuple[float, Floats]:
        own = numbers[:k] * z + numbers[k:-2]
        counts = Counts(*np.exp(numbers[-2:]).tolist())
        p, without, empty, single, total = counts.parts(own)
        over = (p * (1 + (counts.alone - 1) * without) / total[:, None] - y) / len(z)
        losses = np.logaddexp(0, np.where(y, -own, own)).sum(axis=1) + np.log(total)
        expected = [(counts.none * empty / total).mean(), (counts.alone * single / total).mean()]
        slopes = np.concatenate([(over * z).sum(axis=0), over.sum(axis=0), np.array(expected) - shares])
        away = numbers - start
        value = float(losses.mean() - shares @ numbers[-2:] + costs @ away**2)
        return value, slopes + 2 * costs * away

    limits = [(0.05, LARGEST)] * k + [(-LARGEST, LARGEST)] * k + [(-_MOST_LOG, _MOST_LOG)] * 2
    found = minimize(loss, start, jac=True, method="L-BFGS-B", bounds=limits, options={"maxiter": 200}).x
    none, alone = np.exp(found[-2:]).tolist()
    return {"slope": found[:k], "offset": found[k:-2], "none": none, "alone": alone}
