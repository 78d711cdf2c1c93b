"""How well the probability of a label ranks rows, and how far that can be trusted.

Scores are sorted once. What average precision and ROC AUC need to know of a row is on which *step* it stands
(rows of equal probability share one) and whether it has the label; a bootstrap resample is then nothing but
other weights over steps, and one product of matrices measures all resamples of a label.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from labeltune.evaluation.metrics.intervals import (
    Estimate,
    Interval,
    bootstrap_interval,
    evened_rows,
    resamples,
)
from labeltune.evaluation.metrics.patterns import Patterns

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from labeltune.evaluation.metrics.patterns import BoolArray, FloatArray, IntArray

__all__ = [
    "RANKING_METRICS",
    "UNITS",
    "Ranking",
    "RankingDraws",
    "Steps",
    "find_steps",
    "macro",
    "measure_ranking",
    "ranking",
    "ranking_draws",
    "recall_precision",
    "step_scores",
]

RANKING_METRICS = ("average_precision", "roc_auc")

UNITS = 4_000
"""How many things are drawn from at most: above so many rows these are random groups of rows.

With G groups the width of an interval is known to about 1 / √(2 G), 1.1 %; that there are 1,000 resamples and
not infinitely many moves its ends by about 4 %.
"""
MAX_STEPS = 500
"""How many steps hold rows with the label at most; neighbours are merged to about as many rows each."""

_StepArray = NDArray[np.int16]
_WeightArray = NDArray[np.floating[Any]]
_WEIGHT = np.float32
"""Whole numbers up to 16 million are exact in it, and it takes a quarter of the time of float64."""


@dataclass(frozen=True, slots=True)
class Ranking:
    """How well a probability ranks rows; None where a label is on all rows or on none."""

    average_precision: float | None
    roc_auc: float | None
    intervals: Mapping[str, Interval] = field(default_factory=dict)
    """of `RANKING_METRICS`, from the bootstrap; empty without one"""

    def value(self, name: str) -> float | None:
        """One of `RANKING_METRICS`."""
        return self.average_precision if name == "average_precision" else self.roc_auc

    @property
    def figures(self) -> Mapping[str, tuple[float, Interval | None]]:
        """Those that are defined, each with its interval."""
        values = ((name, self.value(name)) for name in RANKING_METRICS)
        return {name: (value, self.intervals.get(name)) for name, value in values if value is not None}


def ranking(true: BoolArray, probability: FloatArray) -> tuple[Ranking, ...]:
    """The ranking of each label, from scikit-learn; both arrays (n_rows, n_labels)."""
    from sklearn.metrics import average_precision_score, roc_auc_score

    result = []
    for place in range(true.shape[1]):
        here, shares = true[:, place], probability[:, place]
        if here.all() or not here.any():
            result.append(Ranking(None, None))
            continue
        result.append(
            Ranking(float(average_precision_score(here, shares)), float(roc_auc_score(here, shares)))
        )
    return tuple(result)


def macro(rankings: Sequence[Ranking]) -> Ranking:
    """The mean over the labels that have a ranking, without intervals."""
    values = [(one.average_precision, one.roc_auc) for one in rankings if one.average_precision is not None]
    if not values:
        return Ranking(None, None)
    precision, area = np.array(values, dtype=np.float64).mean(axis=0).tolist()
    return Ranking(precision, area)


def measure_ranking(
    true: BoolArray, probability: FloatArray, *, bootstrap: int, seed: int
) -> tuple[Ranking, tuple[Ranking, ...]]:
    """The macro average and the ranking of each label, with intervals; both arrays (n_rows, n_labels).

    A resample in which a label is on no row, or on all, says nothing of it, and is left out of its interval;
    of the macro average, that label is left out.
    """
    points = ranking(true, probability)
    average = macro(points)
    if not bootstrap or average.average_precision is None:
        return average, points
    [draws] = ranking_draws(true, [(probability, points)], bootstrap=bootstrap, seed=seed)
    grounds = [_grounds(one) for one in true.T]
    known = [ground for ground, one in zip(grounds, points, strict=True) if one.roc_auc is not None]
    whole = {
        name: (
            evened_rows(np.array([one[name][0] for one in known]), float(len(true))),
            float(np.mean([one[name][1] for one in known])),
        )
        for name in RANKING_METRICS
    }
    return (
        _with_intervals(average, draws.mean(), -1, whole, seed),
        tuple(_with_intervals(one, draws, place, grounds[place], seed) for place, one in enumerate(points)),
    )


def _grounds(true: BoolArray) -> dict[str, tuple[float, float]]:
    """By metric, how many rows it rests on, and what rows ranked by chance would give it.

    Both are means over the rows that have the label; the area is one over those that have it not, too.
    """
    count, rows = int(true.sum()), len(true)
    return {
        "average_precision": (float(count), count / rows),
        "roc_auc": (float(min(count, rows - count)), 0.5),
    }


@dataclass(frozen=True, slots=True)
class RankingDraws:
    """What was measured on resamples, (n_resamples, n_labels) each; NaN where a label has no ranking."""

    average_precision: FloatArray
    roc_auc: FloatArray

    def value(self, name: str) -> FloatArray:
        """One of `RANKING_METRICS`."""
        return self.average_precision if name == "average_precision" else self.roc_auc

    def mean(self) -> RankingDraws:
        """Over labels, (n_resamples, 1) each."""
        return RankingDraws(_mean(self.average_precision), _mean(self.roc_auc))


def _mean(values: FloatArray) -> FloatArray:
    """The mean of each line's numbers, NaN where it has none; (n, m) to (n, 1)."""
    known = ~np.isnan(values)
    count = known.sum(axis=1, keepdims=True)
    total = np.where(known, values, 0.0).sum(axis=1, keepdims=True)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)


def _with_intervals(
    point: Ranking, draws: RankingDraws, place: int, grounds: Mapping[str, tuple[float, float]], seed: int
) -> Ranking:
    """The same with its intervals, where it is defined and some resamples say something of it.

    The row more at the low end is one that is ranked by chance, or last where the figure is no better.
    """
    found = {}
    for name, (value, _) in point.figures.items():
        column = draws.value(name)[:, place]
        if not np.isnan(column).all():
            rows, chance = grounds[name]
            estimate = Estimate(value, rows, lowest=chance if value > chance else 0.0)
            found[name] = bootstrap_interval(column, estimate, seed=seed)
    return Ranking(point.average_precision, point.roc_auc, found)


# --- resamples ----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Steps:
    """The rows of one label from the highest probability down."""

    of_row: _StepArray
    """(n_rows,) an even number where no row of the step has the label"""
    count: int


def find_steps(true: BoolArray, probability: FloatArray, *, most: int = MAX_STEPS) -> Steps:
    """Find the step of each row; both arrays (n_rows,).

    Rows without the label between two that have it share a step, for where they stand among themselves
    changes nothing. Where more than `most` probabilities occur on rows with the label, neighbours are merged.
    """
    _, tied = np.unique(-probability, return_inverse=True)
    positives = np.bincount(tied, weights=true).astype(np.int64)
    has = positives > 0
    above: IntArray = np.cumsum(has) - has
    held = int(has.sum())
    if held > most:
        above = (np.cumsum(positives) - positives) * most // int(positives.sum())
        held = most
    # Rows without the label stand above the next that have it, unless those above and below are merged.
    before = np.maximum.accumulate(np.concatenate([[-1], np.where(has, above, -1)[:-1]]))
    steps = 2 * above + (has | (before == above))
    return Steps(steps[tied].astype(np.int16), 2 * held + 1)


def step_scores(positive: _WeightArray, negative: _WeightArray) -> tuple[FloatArray, FloatArray]:
    """Average precision and ROC AUC of weights by step, (n_steps, n) each; (n,), NaN where undefined."""
    hits, misses = positive.cumsum(axis=0), negative.cumsum(axis=0)
    said = hits + misses
    precision = np.divide(hits, said, out=np.zeros_like(said), where=said > 0)
    there, absent = hits[-1].astype(np.float64), misses[-1].astype(np.float64)
    defined = (there > 0) & (absent > 0)
    below = misses[-1] - misses + negative / 2
    return (
        _divided((positive * precision).sum(axis=0, dtype=np.float64), there, defined),
        _divided((positive * below).sum(axis=0, dtype=np.float64), there * absent, defined),
    )


def _divided(numerator: FloatArray, denominator: FloatArray, defined: BoolArray) -> FloatArray:
    return np.divide(numerator, denominator, out=np.full_like(numerator, np.nan), where=defined)


def ranking_draws(
    true: BoolArray,
    ranked: Sequence[tuple[FloatArray, Sequence[Ranking]]],
    *,
    bootstrap: int,
    seed: int,
) -> list[RankingDraws]:
    """Measure the same resamples of the rows by each of several probabilities, with their own rankings.

    `true` and each of the probabilities are (n_rows, n_labels).
    """
    labels = range(true.shape[1])
    steps = [
        [find_steps(true[:, place], probability[:, place]) for place in labels] for probability, _ in ranked
    ]
    units = _units([one.of_row for each in steps for one in each], true, seed=seed)
    blocks = list(_blocks(true, steps, units, bootstrap=bootstrap, seed=seed))
    results = []
    for number, (_, points) in enumerate(ranked):
        precision, area = (np.concatenate([block[number][which] for block in blocks]) for which in (0, 1))
        whole = np.ones((int(units.max()) + 1, 1), dtype=_WEIGHT)
        for place, point in enumerate(points):
            # Merging steps moves the figure itself, so only the spread about it is taken from them.
            merged = _measure(true[:, place], steps[number][place], units, whole)
            for values, exact, (about,) in zip(
                (precision, area), (point.average_precision, point.roc_auc), merged, strict=True
            ):
                if exact is not None:
                    values[:, place] = np.clip(values[:, place] + (exact - about), 0, 1)
        results.append(RankingDraws(precision, area))
    return results


def _units(keys: Sequence[_StepArray], true: BoolArray, *, seed: int) -> IntArray:
    """The unit of each row, (n_rows,): a number of its own, or that of a random group of rows.

    Rows are numbered by what is known of them, so that their order in the file changes nothing.
    """
    order = np.lexsort([*keys, *true.T])
    rows = len(order)
    units = np.empty(rows, dtype=np.int64)
    numbers = np.arange(rows)
    if rows > UNITS:
        numbers = np.random.default_rng(seed).permutation(rows) % UNITS
    units[order] = numbers
    return units


def _blocks(
    true: BoolArray, steps: Sequence[Sequence[Steps]], units: IntArray, *, bootstrap: int, seed: int
) -> Iterator[list[tuple[FloatArray, FloatArray]]]:
    """Average precision and ROC AUC, (k, n_labels) each, of every block of resamples and each of `steps`."""
    count = int(units.max()) + 1
    each = np.arange(count)
    patterns = Patterns(first=each, counts=np.ones(count, dtype=np.int64), inverse=each)
    for weights in resamples(patterns, count=bootstrap, seed=seed):
        columns = np.ascontiguousarray(weights.T, dtype=_WEIGHT)
        block = []
        for ranked in steps:
            measured = [_measure(true[:, place], one, units, columns) for place, one in enumerate(ranked)]
            precision, area = (np.column_stack([scores[which] for scores in measured]) for which in (0, 1))
            block.append((precision, area))
        yield block


def _measure(
    true: BoolArray, steps: Steps, units: IntArray, weights: _WeightArray
) -> tuple[FloatArray, FloatArray]:
    """Average precision and ROC AUC of one label under weights of the units, (n_units, n_resamples)."""
    from scipy.sparse import csr_matrix

    cells = 2 * steps.of_row.astype(np.int64) + true
    ones = np.ones(len(cells), dtype=_WEIGHT)
    sums = csr_matrix((ones, (cells, units)), shape=(2 * steps.count, len(weights))) @ weights
    return step_scores(sums[1::2], sums[0::2])


# --- curves -------------------------------------------------------------------------------------

CURVE_POINTS = 200
"""A curve on a page needs no more."""


def recall_precision(true: BoolArray, probability: FloatArray) -> tuple[FloatArray, FloatArray] | None:
    """Recall and precision of one label at every threshold, thinned out; None if no row has it, or all."""
    from sklearn.metrics import precision_recall_curve

    if true.all() or not true.any():
        return None
    precision, recall, _ = precision_recall_curve(true, probability, drop_intermediate=True)
    kept = np.unique(np.linspace(0, len(recall) - 1, CURVE_POINTS).round().astype(np.int64))
    return recall[kept], precision[kept]
