"""Two sets of predictions for the same rows: how far apart, and whether that can be chance."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from labeltune.evaluation.metrics.intervals import Z_LEVEL, percentile_interval, resamples
from labeltune.evaluation.metrics.patterns import find_patterns
from labeltune.evaluation.metrics.ranking import RANKING_METRICS, macro, ranking, ranking_draws
from labeltune.evaluation.metrics.scores import Totals

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from labeltune.evaluation.metrics.patterns import BoolArray, FloatArray, IntArray
    from labeltune.evaluation.metrics.scores import Metric, Pairs

__all__ = [
    "Difference",
    "PairedResult",
    "compare_paired",
    "compare_ranking",
    "holm",
    "mcnemar_p",
    "rows_needed",
]

_Z_POWER = 0.841621
"""The normal quantile of a power of 80 %."""


@dataclass(frozen=True, slots=True)
class Difference:
    """One metric of ours minus that of the other, with its bootstrap interval and two-sided p-value."""

    difference: float
    low: float
    high: float
    p: float

    @classmethod
    def of(cls, point: float, values: FloatArray) -> Difference:
        """From the differences measured on resamples, (n_resamples,)."""
        low, high = percentile_interval(values)
        # One more than counted on either side: it is never 0 (Davison and Hinkley 1997).
        tail = (1 + min(int((values <= 0).sum()), int((values >= 0).sum()))) / (1 + len(values))
        return cls(point, float(low), float(high), min(1.0, 2 * tail))

    @classmethod
    def of_rows(cls, values: FloatArray) -> Difference:
        """From the difference in each of two rows or more, (n_rows,): their mean, with the interval and the
        p-value of a normal distribution.
        """
        mean = float(values.mean())
        error = float(values.std(ddof=1)) / math.sqrt(len(values))
        if error == 0:
            return cls(mean, mean, mean, 1.0 if mean == 0 else 0.0)
        reach = Z_LEVEL * error
        return cls(mean, mean - reach, mean + reach, math.erfc(abs(mean) / error / math.sqrt(2)))


@dataclass(frozen=True, slots=True)
class PairedResult:
    """What the pairs of predictions show."""

    rows: int
    differences: Mapping[str, Difference]
    won: int
    """rows right in ours and wrong in the other"""
    lost: int
    """the reverse"""
    p: float
    """exact McNemar on whole rows right or wrong"""


def compare_paired(
    ours: tuple[Pairs, IntArray],
    other: tuple[Pairs, IntArray],
    metrics: Mapping[str, Metric],
    *,
    bootstrap: int,
    seed: int,
) -> PairedResult:
    """Compare two sets of predictions, each given as lines and the line of every row, rows in the same order.

    The same resamples of rows are measured in both, so what makes a row hard for both cancels out.
    """
    patterns = find_patterns([ours[1], other[1]])
    mine, theirs = ours[0][ours[1][patterns.first]], other[0][other[1][patterns.first]]
    points = _differences(mine, theirs, metrics, patterns.counts)
    blocks = [
        _differences(mine, theirs, metrics, weights)
        for weights in resamples(patterns, count=bootstrap, seed=seed)
    ]
    differences = {
        name: Difference.of(float(point), np.concatenate([block[name] for block in blocks]))
        for name, point in points.items()
    }
    won = int(patterns.counts[mine.right & ~theirs.right].sum())
    lost = int(patterns.counts[~mine.right & theirs.right].sum())
    return PairedResult(patterns.rows, differences, won, lost, mcnemar_p(won, lost))


def _differences(
    mine: Pairs, theirs: Pairs, metrics: Mapping[str, Metric], weights: IntArray
) -> dict[str, FloatArray]:
    own, other = Totals.of(mine, weights), Totals.of(theirs, weights)
    return {name: metric(own) - metric(other) for name, metric in metrics.items()}


def compare_ranking(
    true: BoolArray, mine: FloatArray, theirs: FloatArray, *, bootstrap: int, seed: int
) -> dict[str, Difference]:
    """Compare the rankings of one field by two sets of probabilities, all (n_rows, n_labels).

    The macro averages, on the same resamples; empty where no label has a ranking.
    """
    points = [ranking(true, probability) for probability in (mine, theirs)]
    averages = [macro(rankings) for rankings in points]
    own, other = (
        draws.mean()
        for draws in ranking_draws(
            true, list(zip((mine, theirs), points, strict=True)), bootstrap=bootstrap, seed=seed
        )
    )
    found = {}
    for name in RANKING_METRICS:
        here, there = (average.value(name) for average in averages)
        values = (own.value(name) - other.value(name))[:, 0]
        values = values[~np.isnan(values)]
        if here is not None and there is not None and values.size:
            found[name] = Difference.of(here - there, values)
    return found


def mcnemar_p(won: int, lost: int) -> float:
    """The exact two-sided p-value of McNemar's test (1947): a fair coin thrown for the rows that differ."""
    from scipy.special import bdtr

    if won == lost:
        return 1.0
    return min(1.0, 2 * float(bdtr(min(won, lost), won + lost, 0.5)))


def holm(p_values: Sequence[float]) -> list[float]:
    """Adjust p-values for being several (Holm 1979), in the order given."""
    adjusted = [0.0] * len(p_values)
    highest = 0.0
    for rank, place in enumerate(sorted(range(len(p_values)), key=p_values.__getitem__)):
        highest = max(highest, min(1.0, (len(p_values) - rank) * p_values[place]))
        adjusted[place] = highest
    return adjusted


def rows_needed(difference: Difference, rows: int, *, beyond: float = 0.0) -> int | None:
    """How many rows show in four cases of five that a difference of this size is not `beyond`; None if it is.

    The standard error is read off the interval and shrinks with the root of the number of rows.
    """
    error = (difference.high - difference.low) / (2 * Z_LEVEL)
    distance = difference.difference - beyond
    if distance == 0 or error == 0:
        return None
    return math.ceil(rows * ((Z_LEVEL + _Z_POWER) * error / distance) ** 2)
