"""What the interval of a resampled metric needs to know: its bias where rows are few, and what it rests on.

Means over labels are not resampled: see `label_means`.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING

from labeltune.evaluation.metrics.intervals import Estimate
from labeltune.evaluation.metrics.scores import ratio

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from labeltune.evaluation.metrics.patterns import FloatArray
    from labeltune.evaluation.metrics.scores import Totals

__all__ = ["estimate_of"]


def estimate_of(name: str, figure: float, totals: Totals) -> Estimate:
    """The estimate of a metric that was measured on `totals` of the data themselves."""
    make = _ESTIMATES.get(name, _mean)
    return make(figure, totals)


def _mean(figure: float, totals: Totals) -> Estimate:
    """A mean over rows, or a ratio of two: without bias, or nearly."""
    return Estimate(figure, float(totals.rows), centre=figure)


def _tempered(hits: FloatArray, trials: FloatArray) -> FloatArray:
    """Shares of each label, drawn towards the mean of all by the weight of one trial."""
    mean = (float((hits / trials).sum()) + 0.5) / (len(hits) + 1)
    tempered: FloatArray = (hits + mean) / (trials + 1)
    return tempered


def _weighted_f1(figure: float, totals: Totals) -> Estimate:
    """The bias of a curve by its second derivatives (the delta method): of h = 2 k (k + a) / (2 k + a + b)
    for a label with k true positives, a false negatives and b false positives, each with the variance of a
    count, it is half of k h_kk + a h_aa + b h_bb.
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
        "weighted_f1": _weighted_f1,
        "kappa": _agreement,
        "mcc": _agreement,
        "hamming_loss": _hamming_loss,
    }
)
