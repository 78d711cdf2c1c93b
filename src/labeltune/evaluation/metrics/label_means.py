"""The interval of a mean over labels, macro-F1 or balanced accuracy, in which rows of rare labels weigh most.

A label with three rows, all right, is not certain, and draws from these rows cannot say how uncertain it is;
the other labels can. What a share of hits may be is read off all labels together, as a beta distribution, and
for each of them off that and its own rows (empirical Bayes, Robbins 1956). Only its bias and variance come
from there. The figure itself stays what was measured: labels with few rows may well be worse than others, and
are not drawn towards them. How often this holds the true value is in docs/decisions/0014-intervals.md.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from types import MappingProxyType
from typing import TYPE_CHECKING

import numpy as np

from labeltune.evaluation.metrics.intervals import Z_LEVEL, Interval, evened_rows

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from labeltune.evaluation.metrics.patterns import BoolArray, FloatArray, IntArray
    from labeltune.evaluation.metrics.scores import Pairs, Totals

__all__ = ["LABEL_MEANS", "Sample", "exact_moments"]

_EXACT = 40
"""Up to so many rows the moments of a label's F1 are summed up; beyond, the delta method is as near."""

_STRENGTHS = (0.5, 30.0)
"""How many rows the other labels may weigh in what is thought of one: where all look alike, not more."""

_TERMS = 40
"""Of a series whose terms fall by half or more."""


@dataclass(frozen=True, slots=True)
class _Beta:
    """What the share of hits of a label may be, a beta distribution."""

    mean: float
    strength: float
    """the sum of both of its parameters: how many rows it is worth"""

    @property
    def hits(self) -> float:
        return self.mean * self.strength

    @property
    def misses(self) -> float:
        return (1 - self.mean) * self.strength

    @property
    def variance(self) -> float:
        return self.mean * (1 - self.mean) / (self.strength + 1)


@dataclass(frozen=True, slots=True)
class Sample:
    """What was measured."""

    totals: Totals
    """the sums of the next two"""
    pairs: Pairs
    """one line per pattern"""
    counts: IntArray
    """(n_patterns,) how many rows show it"""


def _macro_f1(figure: float, sample: Sample) -> Interval:
    """F1 is 2 J / (1 + J), J being the share that is right of the TP + FP + FN rows that a label is on: a
    binomial number of them is.
    """
    totals = sample.totals
    trials = totals.true + totals.pred - totals.tp
    there = trials > 0
    if not there.any():
        return Interval(0.0, 1.0)
    hits, trials = totals.tp[there], trials[there]
    rows = evened_rows(trials, float(totals.rows))
    common = _common(hits, trials, rows)
    bias, variance, expected = _f1_moments(hits, trials, common)
    spread = float(variance.sum()) + _shared(expected, there, hits + trials, sample)
    # The slope of F1 at the mean share: absent labels are as far from the others as these from each other.
    slope = 2 / (1 + common.mean) ** 2
    centre = float((2 * hits / (hits + trials) - bias).mean())
    absent = _absent(there, common) * slope**2
    return _wilson(figure, centre, max(0.0, spread) / len(trials) ** 2 + absent, rows)


def _balanced_accuracy(figure: float, sample: Sample) -> Interval:
    """The recalls of labels are independent, given how often each of them is true."""
    totals = sample.totals
    there = totals.true > 0
    if not there.any():
        return Interval(0.0, 1.0)
    hits, trials = totals.tp[there], totals.true[there]
    rows = evened_rows(trials, float(totals.rows))
    common = _common(hits, trials, rows)
    right, wrong = hits + common.hits, trials - hits + common.misses
    both = right + wrong
    variance = right * wrong / (both * (both + 1)) / trials
    return _wilson(figure, figure, float(variance.sum()) / len(trials) ** 2 + _absent(there, common), rows)


LABEL_MEANS: Mapping[str, Callable[[float, Sample], Interval]] = MappingProxyType(
    {"macro_f1": _macro_f1, "path_macro_f1": _macro_f1, "balanced_accuracy": _balanced_accuracy}
)
"""The interval of each mean over labels, from the figure and what was measured."""


def _absent(there: BoolArray, common: _Beta) -> float:
    """What labels that are on no row add to the variance of the mean over all labels."""
    return float((~there).sum()) * common.variance / len(there) ** 2


def _common(hits: FloatArray, trials: FloatArray, rows: float) -> _Beta:
    """What all labels say of one, by the moments of their shares (Kleinman 1973), with half a miss in one row
    more, and with one label more whose share may be anything.
    """
    shares = hits / trials
    mean = (float(shares.mean()) * rows + 0.5) / (rows + 1)
    most = mean * (1 - mean)
    between = float(((shares - mean) ** 2 - most / trials).sum()) + most / 3
    between /= float((1 - 1 / trials).sum()) + 1
    low, high = _STRENGTHS
    return _Beta(mean, min(high, max(low, most / between - 1)) if between > 0 else high)


def _f1_moments(
    hits: FloatArray, trials: FloatArray, common: _Beta
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Bias and variance of the F1 of each label, and what it is expected to be, (n_labels,) each."""
    right, wrong = hits + common.hits, trials - hits + common.misses
    share = right / (right + wrong)
    expected = 2 * share / (1 + share)
    bias = -2 * share * (1 - share) / ((1 + share) ** 3 * trials)
    variance = 4 * share * (1 - share) / ((1 + share) ** 4 * trials)
    for count in np.unique(trials[trials <= _EXACT]).astype(int).tolist():
        these = trials == count
        bias[these], variance[these] = exact_moments(count, right[these], wrong[these])
    return bias, variance, expected


def exact_moments(trials: int, right: FloatArray, wrong: FloatArray) -> tuple[FloatArray, FloatArray]:
    """The bias and the variance of the F1 of `trials` rows, (n,) each: their means over the shares J that a
    beta distribution with these parameters has.

    The mean of J^i (1 - J)^(d - i) is a ratio of rising factorials, so that the mean F1, a sum of such terms
    over binomial counts, and the square of that mean are sums of them, too.
    """
    first, second, squared = _coefficients(trials)
    ups = _rising(right, 2 * trials)
    downs = _rising(wrong, max(2 * trials, _TERMS))
    both = _rising(right + wrong, max(2 * trials, _TERMS))

    def mean(terms: FloatArray) -> FloatArray:
        degree = len(terms) - 1
        found: FloatArray = (ups[:, : degree + 1] * downs[:, degree::-1]) @ terms / both[:, degree]
        return found

    # 2 J / (1 + J) = 1 - w / 2 - w² / 4 - …, where w = 1 - J.
    powers = 0.5 ** np.arange(1, _TERMS + 1)
    true = 1 - (downs[:, 1 : _TERMS + 1] / both[:, 1 : _TERMS + 1]) @ powers
    return mean(first) - true, mean(second) - mean(squared)


@lru_cache(maxsize=_EXACT)
def _coefficients(trials: int) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Of the mean F1, the mean of its square and the square of its mean, by powers of the share."""
    hits = np.arange(trials + 1.0)
    f1 = 2 * hits / (trials + hits)
    ways = np.array([float(math.comb(trials, each)) for each in range(trials + 1)])
    return ways * f1, ways * f1**2, np.convolve(ways * f1, ways * f1)


def _rising(starts: FloatArray, count: int) -> FloatArray:
    """1, s, s (s + 1), … with `count` factors at the most, (n, count + 1)."""
    factors = np.column_stack([np.ones(len(starts)), starts[:, None] + np.arange(count)])
    products: FloatArray = np.cumprod(factors, axis=1, dtype=np.float64)
    return products


def _shared(expected: FloatArray, there: BoolArray, size: FloatArray, sample: Sample) -> float:
    """Twice the sum of the covariances of labels: a row that is wrong is a miss of two of them or more.

    From the influence that a row has on the F1 of each of its labels: one in 2 TP + FP + FN, times 2 (1 - F1)
    for a hit and times -F1 for a miss.
    """
    hit, miss = np.zeros(len(there)), np.zeros(len(there))
    hit[there], miss[there] = 2 * (1 - expected) / size, -expected / size
    hits, misses = sample.pairs.true & sample.pairs.pred, sample.pairs.true ^ sample.pairs.pred
    of_rows = hits @ hit + misses @ miss
    of_labels = hits @ hit**2 + misses @ miss**2
    return float(((of_rows**2 - of_labels) * sample.counts).sum())


def _wilson(figure: float, centre: float, variance: float, rows: float) -> Interval:
    """Wilson's interval (1927) for a share of as many rows as would vary as much: the effective sample size
    that Korn and Graubard (1998) take for shares in a survey.

    It is never surer than one more row leaves it that is as unlike the others as can be. Where all of `rows`
    are right this gives nearly Clopper and Pearson's end.
    """
    centre = min(1.0, max(0.0, centre))
    away = (centre * rows + 1) / (rows + 2)  # from 0 and 1, where nothing could vary
    variance = max(variance, (max(centre, 1 - centre) / rows) ** 2)
    square = Z_LEVEL**2 * variance / (away * (1 - away))  # z² / n
    middle = (centre + square / 2) / (1 + square)
    reach = math.sqrt(square * centre * (1 - centre) + square**2 / 4) / (1 + square)
    return Interval(max(0.0, min(figure, middle - reach)), min(1.0, max(figure, middle + reach)))
