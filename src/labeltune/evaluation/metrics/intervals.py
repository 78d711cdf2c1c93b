"""How far a figure can be trusted: the bootstrap for any metric, Clopper–Pearson for what is a proportion.

How these came to be chosen, and how often they hold the true value, is in docs/decisions/0014-intervals.md.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from labeltune.proportions import low_end

if TYPE_CHECKING:
    from collections.abc import Iterator

    from labeltune.evaluation.metrics.patterns import FloatArray, IntArray, Patterns

__all__ = [
    "LEVEL",
    "Z_LEVEL",
    "Estimate",
    "Interval",
    "bootstrap_interval",
    "clopper_pearson",
    "evened_rows",
    "exact_interval",
    "f1_interval",
    "percentile_interval",
    "resamples",
    "share_of_one_more",
    "unlike_share",
]

LEVEL = 0.95
"""The level of every interval."""
Z_LEVEL = 1.959964
"""The normal quantile of a two-sided interval at that level."""

_CELLS = 1 << 22
"""How many weights are held at once: 32 MiB."""

_INDEXING_PAYS = 11
"""One binomial draw costs as much as about this many drawn row numbers."""


@dataclass(frozen=True, slots=True)
class Interval:
    """A confidence interval at `LEVEL`."""

    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Estimate:
    """A figure, and what its interval needs to know besides the resamples."""

    figure: float
    rows: float
    """how many rows it rests on: one more would weigh 1 in so many"""
    centre: float | None = None
    """the figure without the bias of its estimator, which the resamples are moved to; None leaves them"""
    lowest: float = 0.0
    """what one more row would be worth at the least: all wrong"""
    highest: float = 1.0
    """and at the most: all right"""
    floor: float = 0.0
    """the least that the metric can be; the most is 1"""


def resamples(patterns: Patterns, *, count: int, seed: int) -> Iterator[IntArray]:
    """Draw `count` bootstrap resamples as weights over the patterns, in blocks of shape (k, n_patterns).

    Drawing n rows with replacement and counting their patterns is one draw from a multinomial distribution,
    so rows need not be drawn at all; where nearly every row is a pattern of its own, drawing them is quicker.
    """
    generator = np.random.default_rng(seed)
    rows, size = patterns.rows, len(patterns.counts)
    shares = patterns.counts / rows
    # The rows by pattern, so that their order in the file changes nothing.
    in_order = np.repeat(np.arange(size), patterns.counts)
    block = max(1, min(count, _CELLS // size))
    for start in range(0, count, block):
        wanted = min(block, count - start)
        if size * _INDEXING_PAYS <= rows:
            yield generator.multinomial(rows, shares, size=wanted)
        else:
            drawn = (in_order[generator.integers(0, rows, rows)] for _ in range(wanted))
            yield np.stack([np.bincount(codes, minlength=size) for codes in drawn])


def percentile_interval(values: FloatArray) -> Any:
    """The percentile interval (Efron 1979) of values (n_resamples, …): low and high, each of shape (…)."""
    tail = (1 - LEVEL) / 2
    return np.quantile(values, [tail, 1 - tail], axis=0)


def share_of_one_more(rows: float, count: int, *, seed: int) -> FloatArray:
    """The share that a row which nobody drew has of each of `count` resamples, (count,).

    As in the Bayesian bootstrap (Rubin 1981): beta(1, rows), evenly spread over its quantiles.
    """
    # A stream of its own: the resamples of a seed stay what they are.
    places = np.random.default_rng([seed, 1]).permutation(count)
    shares: FloatArray = 1 - ((places + 0.5) / count) ** (1 / rows)
    return shares


def bootstrap_interval(values: FloatArray, estimate: Estimate, *, seed: int) -> Interval:
    """The interval of a figure from its values on resamples (n_resamples,), NaN where it has none.

    Percentiles, once the resamples are moved from their own mean to the centre: what resampling loses once
    more, as the data lost it, is not taken off twice. At the low end each resample has one row more, all
    wrong, and at the high end one all right, which is what Clopper and Pearson (1934) do to a proportion: of
    what came out perfect the interval is theirs. It always holds the figure.
    """
    values = values[~np.isnan(values)]
    if not values.size:
        values = np.array([estimate.figure])
    if estimate.centre is not None:
        values = values - values.mean() + estimate.centre
    more = share_of_one_more(estimate.rows, len(values), seed=seed)
    low = float(percentile_interval(values + more * (estimate.lowest - values))[0])
    high = float(percentile_interval(values + more * (estimate.highest - values))[1])
    return Interval(max(estimate.floor, min(low, estimate.figure)), min(1.0, max(high, estimate.figure)))


def evened_rows(counts: FloatArray, rows: float) -> float:
    """How many rows a mean over labels rests on, where each label's own figure rests on `counts` of them.

    Each label weighs the same, so that of few rows each row weighs more: the rows of a sample that has all
    labels alike and is as uncertain. Never more than there are.
    """
    counts = counts[counts > 0]
    return min(rows, len(counts) ** 2 / float((1 / counts).sum())) if counts.size else rows


def unlike_share(rows: int) -> float:
    """How large a share of all rows can be unlike those seen, though all of these are alike.

    The high end of Clopper and Pearson's interval for none of `rows`, one-sided at each end as it is.
    """
    return 1.0 - float(((1 - LEVEL) / 2) ** (1 / rows))


def f1_interval(tp: FloatArray, true: FloatArray, pred: FloatArray) -> tuple[FloatArray, FloatArray]:
    """The exact interval of the F1 of labels, (n_labels,) each.

    Of the rows on which a label is true or predicted, TP + FP + FN, a binomial number is both: their share J
    has Clopper and Pearson's interval, and F1 = 2 J / (1 + J) rises with it.
    """
    low, high = clopper_pearson(tp, true + pred - tp)
    return 2 * low / (1 + low), 2 * high / (1 + high)


def exact_interval(successes: int, trials: int) -> Interval:
    """See `clopper_pearson`, for one proportion."""
    low, high = clopper_pearson(successes, trials)
    return Interval(float(low), float(high))


def clopper_pearson(successes: Any, trials: Any) -> tuple[FloatArray, FloatArray]:
    """The exact interval of a proportion (Clopper and Pearson 1934), for numbers or arrays of them.

    Without a trial nothing is known: 0 to 1.
    """
    both = np.broadcast_arrays(np.asarray(successes), np.asarray(trials))
    tail = (1 - LEVEL) / 2
    ends = [
        # Failures are successes of the other kind: the high end is the low end of their share.
        (low_end(k, n, tail) if k > 0 else 0.0, 1 - low_end(n - k, n, tail) if k < n else 1.0)
        for k, n in zip(*(each.astype(np.int64).ravel().tolist() for each in both), strict=True)
    ]
    low, high = np.moveaxis(np.array(ends, dtype=np.float64).reshape(*both[0].shape, 2), -1, 0)
    return low, high
