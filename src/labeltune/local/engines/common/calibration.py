"""Probabilities that can be believed, and thresholds that serve F1."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from labeltune.local.engines.common.layout import Layout

    Floats = NDArray[np.float64]
    Bools = NDArray[np.bool_]

__all__ = ["calibrated_loss", "decisions", "platt", "temperature", "thresholds"]

_PRIOR_POSITIVES = 20.0
"""A label's own best threshold counts half where it had so many examples; below, the common one prevails."""
_PRIOR_NAMED = 100.0
"""The common threshold counts half where so many labels were named; below, that of even odds prevails."""


def decisions(
    layout: Layout, scores: Floats, targets: Bools, tilt: NDArray[np.float32] | None = None
) -> list[dict[str, Any]]:
    """For each head what makes its scores probabilities and its probabilities decisions.

    `scores` and `targets` (n, labels), of examples that were held out. `tilt` (labels,) is what decisions
    lean by, where rare labels counted more (`class_weight.ClassWeights`); probabilities know nothing of it.
    """
    found: list[dict[str, Any]] = []
    for part, kind in zip(layout.slices, layout.kinds, strict=True):
        z, y = scores[:, part], targets[:, part]
        leaning = np.zeros(z.shape[1]) if tilt is None else tilt[part].astype(np.float64)
        if kind == "choice":
            slope = temperature(z, y.argmax(axis=1))
            decision: dict[str, Any] = {"slope": slope, "offset": 0.0, "thresholds": []}
            if tilt is not None:
                decision["leaning"] = (slope * leaning).tolist()
        else:
            slope, offset = platt(z, y)
            # Tuned where the odds of every label are even, and brought back: a rare one is named sooner.
            even = thresholds(_sigmoid(slope * (z + leaning) + offset), y)
            tuned = even if tilt is None else _sigmoid(_logit(even) - slope * leaning)
            decision = {"slope": slope, "offset": offset, "thresholds": tuned.tolist()}
        found.append(decision)
    return found


def calibrated_loss(layout: Layout, scores: Floats, targets: Bools) -> float:
    """Mean loss per example in nats once the scores are calibrated on themselves, by two numbers per head."""
    loss = 0.0
    for part, kind in zip(layout.slices, layout.kinds, strict=True):
        z, y = scores[:, part], targets[:, part]
        if kind == "choice":
            chosen = y.argmax(axis=1)
            loss += _softmax_loss(temperature(z, chosen) * z, chosen)
        else:
            slope, offset = platt(z, y)
            p = _sigmoid(slope * z + offset)
            loss -= float(np.log(np.where(y, p, 1 - p)).sum(axis=1).mean())
    return loss


def _sigmoid(z: Floats) -> Floats:
    return np.asarray(1 / (1 + np.exp(-np.clip(z, -30, 30))))


def _softmax_loss(z: Floats, chosen: NDArray[np.intp]) -> float:
    z = z - z.max(axis=1, keepdims=True)
    return float((np.log(np.exp(z).sum(axis=1)) - z[np.arange(len(chosen)), chosen]).mean())


def temperature(scores: Floats, chosen: NDArray[np.intp]) -> float:
    """The factor on the scores that makes softmax likeliest for the labels chosen.

    `scores` (n, labels), `chosen` (n,). Guo et al., "On Calibration of Modern Neural Networks", ICML 2017;
    here the inverse temperature is returned. Golden-section search over its logarithm, where the loss is
    convex enough.
    """

    def loss(log_factor: float) -> float:
        return _softmax_loss(scores * np.exp(log_factor), chosen)

    golden = (np.sqrt(5) - 1) / 2
    low, high = np.log(0.05), np.log(20.0)
    left, right = high - golden * (high - low), low + golden * (high - low)
    loss_left, loss_right = loss(left), loss(right)
    for _ in range(30):
        if loss_left < loss_right:
            high, right, loss_right = right, left, loss_left
            left = high - golden * (high - low)
            loss_left = loss(left)
        else:
            low, left, loss_left = left, right, loss_right
            right = low + golden * (high - low)
            loss_right = loss(right)
    return float(np.exp((low + high) / 2))


def platt(scores: Floats, holds: Bools) -> tuple[float, float]:
    """Slope and offset that make sigmoids of the scores likeliest, the same for all labels of a subset.

    `scores` and `holds` (n, labels). Platt, "Probabilistic Outputs for Support Vector Machines", 1999, by
    Newton's method, held near slope 1 and offset 0 by one made-up observation each.
    """
    z, y = scores.ravel(), holds.ravel().astype(np.float64)
    slope, offset = 1.0, 0.0
    for _ in range(25):
        p = _sigmoid(slope * z + offset)
        w = p * (1 - p)
        g = np.array([((p - y) * z).sum() + (slope - 1), (p - y).sum() + offset])
        h = np.array([[(w * z * z).sum() + 1, (w * z).sum()], [(w * z).sum(), w.sum() + 1]])
        determinant = h[0, 0] * h[1, 1] - h[0, 1] ** 2
        move = np.array([h[1, 1] * g[0] - h[0, 1] * g[1], h[0, 0] * g[1] - h[0, 1] * g[0]]) / determinant
        slope, offset = slope - float(move[0]), offset - float(move[1])
        if float(np.abs(move).max()) < 1e-9:
            break
    return max(slope, 0.05), offset


def thresholds(probabilities: Floats, holds: Bools) -> Floats:
    """For each label the probability from which on it is named, shape (labels,), tuned for F1.

    Of rare labels the best threshold is mostly chance: it is drawn towards the one that is best for all
    labels together, the more the fewer examples there are.
    """
    common = _best_common(probabilities, holds)
    positives = holds.sum(axis=0)
    own = np.array(
        [
            _best(probabilities[:, label], holds[:, label]) if positives[label] else common
            for label in range(holds.shape[1])
        ]
    )
    trust = positives / (positives + _PRIOR_POSITIVES)
    found = trust * _logit(own) + (1 - trust) * _logit(np.full_like(own, common))
    return np.asarray(1 / (1 + np.exp(-found)), dtype=np.float64)


def _best(p: Floats, y: Bools) -> float:
    """The threshold of the highest F1, halfway between two neighbours."""
    order = np.argsort(-p, kind="stable")
    hits = np.cumsum(y[order])
    f1 = 2 * hits / (np.arange(1, len(p) + 1) + y.sum())
    # Equal probabilities cannot be told apart by a threshold.
    f1[:-1][p[order][:-1] == p[order][1:]] = -1
    place = int(f1.argmax())
    above = p[order[place]]
    below = p[order[place + 1]] if place + 1 < len(p) else 0.0
    return float((above + below) / 2)


def _best_common(probabilities: Floats, holds: Bools) -> float:
    """The one threshold of the highest mean F1 over the labels that occur, drawn towards even odds.

    Where there are few examples to learn from, naming every label would often score best on them.
    """
    seen = holds.any(axis=0)
    if not seen.any():
        return 0.5
    candidates = np.linspace(0.02, 0.7, 69)
    scores = []
    for candidate in candidates:
        named = probabilities[:, seen] >= candidate
        hits = (named & holds[:, seen]).sum(axis=0)
        scores.append((2 * hits / (named.sum(axis=0) + holds[:, seen].sum(axis=0))).mean())
    named_in_all = float(holds.sum())
    trust = named_in_all / (named_in_all + _PRIOR_NAMED)
    return float(_sigmoid(trust * _logit(candidates[[int(np.argmax(scores))]]))[0])


def _logit(p: Floats) -> Floats:
    q = np.clip(p, 1e-6, 1 - 1e-6)
    return np.asarray(np.log(q / (1 - q)))
