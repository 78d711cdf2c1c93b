"""What the interval of each metric needs to know: its bias where labels have few rows, and what it rests on.

Macro-F1 counts a label that is in neither truth nor prediction as 0, in the figure. A resample that does not
draw a label says nothing of it: there the mean runs over the labels that it holds.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING

import numpy as np

from labeltune.evaluation.metrics.intervals import Estimate, evened_rows
from labeltune.evaluation.metrics.scores import label_scores, ratio

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from labeltune.evaluation.metrics.patterns import FloatArray
    from labeltune.evaluation.metrics.scores import Metric, Totals

__all__ = ["RESAMPLED", "estimate_of"]


def estimate_of(name: str, figure: float, totals: Totals) -> Estimate:
    """The estimate of a metric that was measured on `totals` of the data themselves."""
    make = _ESTIMATES.get(name, _mean)
    return make(figure, totals)


def _macro_f1_there(totals: Totals) -> FloatArray:
    """The mean F1 of the labels that occur, in truth or prediction; NaN where none does."""
    there = (totals.true + totals.pred) > 0
    count = there.sum(axis=-1)
    total = label_scores(totals).f1.sum(axis=-1)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)


RESAMPLED: Mapping[str, Metric] = MappingProxyType(
    {"macro_f1": _macro_f1_there, "path_macro_f1": _macro_f1_there}
)
"""Metrics that are measured differently on a resample, for their interval."""


def _mean(figure: float, totals: Totals) -> Estimate:
    """A mean over rows, or a ratio of two: without bias, or nearly."""
    return Estimate(figure, float(totals.rows), centre=figure)


def _macro_f1(figure: float, totals: Totals) -> Estimate:
    """The F1 of a label is 2 J / (1 + J) of its Jaccard index J, a share of the u rows that it is on.

    The curve bends down, so that the mean over samples lies below: by -2 J (1 - J) / (u (1 + J)³), its second
    derivative times half the variance of J (the delta method). J is taken towards the mean of all by one row,
    or a label of one row would have no variance.
    """
    union = totals.true + totals.pred - totals.tp
    there = union > 0
    rows = float(totals.rows)
    if not there.any():
        return Estimate(figure, rows, centre=figure)
    share = _tempered(totals.tp[there], union[there])
    bias = -2 * share * (1 - share) / ((1 + share) ** 3 * union[there])
    centre = float(_macro_f1_there(totals) - bias.mean())
    return Estimate(figure, evened_rows(union, rows), centre=centre)


def _tempered(hits: FloatArray, trials: FloatArray) -> FloatArray:
    """Shares of each label, drawn towards the mean of all by the weight of one trial."""
    mean = (float((hits / trials).sum()) + 0.5) / (len(hits) + 1)
    tempered: FloatArray = (hits + mean) / (trials + 1)
    return tempered


def _weighted_f1(figure: float, totals: Totals) -> Estimate:
    """The delta method again, on h = 2 k (k + a) / (2 k + a + b) of each label with k true positives, a false
    negatives and b false positives, each with the variance of a count: half of k h_kk + a h_aa + b h_bb.
    """
    union = totals.true + totals.pred - totals.tp
    there = union > 0
    if not there.any():
        return _mean(figure, totals)
    tp, true, pred = totals.tp[there], totals.true[there], totals.pred[there]
    share = _tempered(tp, union[there])
    k, rest = share * (union[there] + 1), 1 - (share * (union[there] + 1) - tp)
    a, b = true - tp + rest / 2, pred - tp + rest / 2
    under = 2 * k + a + b
    over = 2 * k * (k + a)
    curve_k = 4 / under - 4 * (4 * k + 2 * a) / under**2 + 8 * over / under**3
    curve_a = -4 * k / under**2 + 2 * over / under**3
    curve_b = 2 * over / under**3
    bias = float((k * curve_k + a * curve_a + b * curve_b).sum()) / 2
    support = float(totals.true.sum())
    return Estimate(figure, float(totals.rows), centre=figure - (bias / support if support else 0.0))


def _balanced_accuracy(figure: float, totals: Totals) -> Estimate:
    return Estimate(figure, evened_rows(totals.true, float(totals.rows)), centre=figure)


def _agreement(figure: float, totals: Totals) -> Estimate:
    """One more wrong row costs kappa, and mcc likewise, as much as it is worth with nothing right."""
    rows = float(totals.rows)
    chance = float((totals.true * totals.pred).sum()) / rows**2
    return Estimate(figure, rows, centre=figure, lowest=-float(ratio(chance, 1 - chance)), floor=-1.0)


def _hamming_loss(figure: float, totals: Totals) -> Estimate:
    """A wrong row is wrong in as many places as it has labels and its answer has, at least in one."""
    rows = float(totals.rows)
    places = totals.true.shape[-1]
    wrong = max(1.0, float((totals.true + totals.pred).sum()) / rows)
    return Estimate(figure, rows, centre=figure, highest=min(1.0, wrong / places))


_ESTIMATES: Mapping[str, Callable[[float, Totals], Estimate]] = MappingProxyType(
    {
        "macro_f1": _macro_f1,
        "path_macro_f1": _macro_f1,
        "weighted_f1": _weighted_f1,
        "balanced_accuracy": _balanced_accuracy,
        "kappa": _agreement,
        "mcc": _agreement,
        "hamming_loss": _hamming_loss,
    }
)
