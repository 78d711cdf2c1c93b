"""Probabilities that can be believed, and thresholds that serve F1."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from labeltune.local.engines.common.subsets import Counts, fit_subset

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from labeltune.local.engines.common.layout import Layout

    Floats = NDArray[np.float64]
    Bools = NDArray[np.bool_]

__all__ = [
    "calibrated_loss",
    "decisions",
    "likeliest_sum",
    "platt",
    "probabilities_and_losses",
    "temperature",
    "thresholds",
]

_FLATTEST = 0.05
"""Scores of one model count at least so much."""
_LARGEST = 30.0
"""In a sum of scores none counts more than so much."""
_PRIOR_POSITIVES = 20.0
"""A label's own best threshold counts half where it had so many examples; below, the common one prevails."""
_PRIOR_NAMED = 100.0
"""The common threshold counts half where so many labels were named; below, that of even odds prevails."""


def decisions(
    layout: Layout,
    scores: Floats,
    targets: Bools,
    tilt: NDArray[np.float32] | None = None,
    *,
    together: bool = True,
) -> list[dict[str, Any]]:
    """For each head what makes its scores probabilities and its probabilities decisions.

    `scores` and `targets` (n, labels), of examples that were held out. `tilt` (labels,) is what decisions
    lean by, where rare labels counted more (`class_weight.ClassWeights`); probabilities know nothing of it.
    `together`: the labels of a subset are scored without regard to each other, and how many hold is counted
    besides (`subsets`); not so where each is scored given others, or where decisions lean.
    """
    found: list[dict[str, Any]] = []
    for part, kind in zip(layout.slices, layout.kinds, strict=True):
        z, y = scores[:, part], targets[:, part]
        if tilt is not None:
            found.append(_leaning(kind, z, y, tilt[part].astype(np.float64)))
        elif kind == "choice":
            found.append({"slope": temperature(z, y.argmax(axis=1)), "offset": 0.0, "thresholds": []})
        else:
            found.append(_subset(z, y, together=together and len(z) > 0 and z.shape[1] > 1))
    return found


def _subset(z: Floats, y: Bools, *, together: bool) -> dict[str, Any]:
    slope, offset = platt(z, y)
    calibrated = slope * z + offset
    if not together:
        tuned = thresholds(_sigmoid(calibrated), y).tolist()
        return {"slope": slope, "offset": offset, "thresholds": tuned}
    fitted = fit_subset(calibrated, y)
    own, added, counts = fitted["slope"], fitted["offset"], Counts.of(fitted)
    _, p = counts.probabilities(own * calibrated + added)
    return {
        "slope": (own * slope).tolist(),
        "offset": (own * offset + added).tolist(),
        "thresholds": thresholds(p, y).tolist(),
        "none": counts.none,
        "alone": counts.alone,
    }


def _leaning(kind: str, z: Floats, y: Bools, tilt: Floats) -> dict[str, Any]:
    """Honest probabilities, and decisions as if every label were as common as the others.

    A model that fits its examples without a fault learns next to nothing of a tilt, another all of it: how
    much there is to be put back is fitted beside the slope.
    """
    slope, share, added = likeliest_sum(kind, z, np.broadcast_to(tilt, z.shape), y, bounds=(-2.0, 2.0))
    offset = share * tilt + added
    decision: dict[str, Any] = {"slope": slope, "offset": offset.tolist(), "thresholds": []}
    if kind == "choice":
        return {**decision, "leaning": tilt.tolist()}
    # Thresholds are tuned where the odds of every label are even, and brought back.
    even = thresholds(_sigmoid(slope * z + offset + tilt), y)
    return {**decision, "thresholds": _sigmoid(_logit(even) - tilt).tolist()}


def likeliest_sum(
    kind: str, first: Floats, second: Floats, y: Bools, *, bounds: tuple[float, float]
) -> tuple[float, float, float]:
    """a, b and c for which a·first + b·second + c are the likeliest scores; b within bounds, a from
    `_FLATTEST` on: where nothing can be told, the first scores still know which labels are common.

    Scores and targets are (n, labels). Of a choice, c is 0: softmax does not see it.
    """
    # Whoever only answers need not wait for it.
    from scipy.optimize import minimize

    def loss(numbers: Floats) -> tuple[float, Floats]:
        a, b, c = numbers
        p, losses = probabilities_and_losses(kind, a * first + b * second + c, y)
        over = (p - y) / len(y)
        slopes = np.array([float((over * first).sum()), float((over * second).sum()), float(over.sum())])
        # A hair of a penalty: where all are right, the numbers would grow without end.
        return float(losses.mean()) + 1e-4 * float(numbers @ numbers), slopes + 2e-4 * numbers

    added = 0.0 if kind == "choice" else _LARGEST
    limits = [(_FLATTEST, _LARGEST), bounds, (-added, added)]
    begin = np.array([0.5 if bounds[1] else 1.0, min(0.5, bounds[1]), 0.0])
    a, b, c = minimize(loss, begin, jac=True, method="L-BFGS-B", bounds=limits).x.tolist()
    return a, b, c


def probabilities_and_losses(kind: str, z: Floats, y: Bools) -> tuple[Floats, Floats]:
    """Probabilities (n, labels) of scores, and the loss of each example in nats, (n,)."""
    if kind == "choice":
        z = z - z.max(axis=1, keepdims=True)
        e = np.exp(z)
        total = e.sum(axis=1)
        return e / total[:, None], np.log(total) - z[np.arange(len(y)), y.argmax(axis=1)]
    return _sigmoid(z), np.logaddexp(0, np.where(y, -z, z)).sum(axis=1)


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
    low, high = np.log(_FLATTEST), np.log(20.0)
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
