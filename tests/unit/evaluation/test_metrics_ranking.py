"""Intervals of average precision and ROC AUC: those of the textbook, whatever the number of rows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from labeltune.evaluation.metrics.intervals import percentile_interval
from labeltune.evaluation.metrics.paired import compare_ranking
from labeltune.evaluation.metrics.ranking import (
    MAX_STEPS,
    RANKING_METRICS,
    UNITS,
    find_steps,
    measure_ranking,
    ranking,
    recall_precision,
)

if TYPE_CHECKING:
    from labeltune.evaluation.metrics.patterns import BoolArray, FloatArray

RATES = np.array([0.3, 0.05])


def scored(rows: int, seed: int, *, skill: float = 1.5) -> tuple[BoolArray, FloatArray]:
    """Truth and probabilities of two labels, one of them rare."""
    generator = np.random.default_rng(seed)
    true = generator.random((rows, 2)) < RATES
    return true, 1 / (1 + np.exp(2 - generator.normal(size=(rows, 2)) - skill * true))


def drawn_scores(true: BoolArray, shares: FloatArray, count: int, seed: int) -> FloatArray:
    """Scikit-learn's scores of rows drawn with replacement, (count, 2 metrics, n_labels)."""
    generator = np.random.default_rng(seed)
    values = []
    for _ in range(count):
        rows = generator.integers(0, len(true), len(true))
        each = ranking(true[rows], shares[rows])
        values.append([[one.value(name) for one in each] for name in RANKING_METRICS])
    return np.array(values, dtype=np.float64)


@pytest.mark.parametrize("rows", [400, 12_000], ids=["rows", "groups of rows, merged steps"])
def test_intervals_are_those_of_rows_drawn_with_replacement(rows: int) -> None:
    true, shares = scored(rows, seed=1)
    assert rows < UNITS or true.sum(axis=0).min() > MAX_STEPS
    average, each = measure_ranking(true, shares, bootstrap=1000, seed=42)
    drawn = drawn_scores(true, shares, 300, seed=7)
    for metric, name in enumerate(RANKING_METRICS):
        values = drawn[:, metric]
        for one, its in ((average, values.mean(axis=1)), *zip(each, values.T, strict=True)):
            low, high = percentile_interval(its)
            interval = one.intervals[name]
            # 300 draws know their ends to about a tenth of the width; one row more widens it, never by
            # more than its own weight.
            off = (high - low) / 6
            weight = 4 / true.sum(axis=0).min()
            assert low - off - weight < interval.low < low + off
            assert high - off < interval.high < high + off + weight
            assert interval.low < (one.value(name) or 0) < interval.high


def test_the_order_of_many_rows_changes_no_interval() -> None:
    true, shares = scored(UNITS + 500, seed=2)
    shares = shares.round(2)
    order = np.random.default_rng(3).permutation(len(true))
    one, other = (
        measure_ranking(true[rows], shares[rows], bootstrap=20, seed=1)[0].intervals
        for rows in (np.arange(len(true)), order)
    )
    for name, interval in one.items():
        ends = (other[name].low, other[name].high)
        assert (interval.low, interval.high) == pytest.approx(ends, abs=1e-12)


def test_the_seed_decides() -> None:
    true, shares = scored(200, seed=4)
    one, again, other = (measure_ranking(true, shares, bootstrap=50, seed=seed) for seed in (1, 1, 2))
    assert one == again
    assert one[0].intervals != other[0].intervals


@pytest.mark.parametrize(
    ("true", "intervals"),
    [
        ([[True]], 0),
        ([[False], [False]], 0),
        ([[True], [True]], 0),
        ([[True, False], [False, False]], 1),
    ],
    ids=["one row", "on no row", "on all rows", "one of two labels"],
)
def test_what_is_not_defined_has_no_interval(true: Any, intervals: int) -> None:
    true = np.array(true)
    average, each = measure_ranking(true, np.full(true.shape, 0.5), bootstrap=100, seed=1)
    assert [bool(one.intervals) for one in each] == [bool(intervals), False][: true.shape[1]]
    assert (average.average_precision is not None) == bool(average.intervals) == bool(intervals)
    if intervals:
        # Only the draws that hold both rows say anything, and there each is half of the rows.
        area = each[0].intervals["roc_auc"]
        assert area.low < 0.2
        assert area.high > 0.8
    assert recall_precision(np.ones(3, dtype=bool), np.ones(3)) is None


def test_without_resamples_there_are_no_intervals() -> None:
    average, each = measure_ranking(*scored(50, seed=5), bootstrap=0, seed=1)
    assert average.average_precision is not None
    assert not any(one.intervals for one in (average, *each))


def test_steps_are_few_and_keep_the_order() -> None:
    true, shares = scored(20_000, seed=6)
    steps = find_steps(true[:, 0], shares[:, 0])
    assert steps.count == 2 * MAX_STEPS + 1
    order = np.argsort(-shares[:, 0])
    assert (np.diff(steps.of_row[order]) >= 0).all()
    with_it = np.bincount(steps.of_row[true[:, 0]], minlength=steps.count)
    assert not with_it[0::2].any()
    assert with_it[1::2].max() <= true[:, 0].sum() / MAX_STEPS + 1


def test_rankings_are_compared_on_the_same_resamples() -> None:
    """What both probabilities do alike cancels out."""
    true, shares = scored(500, seed=8)
    nearly = shares + 0.02 * np.random.default_rng(9).random(shares.shape)
    worse = scored(500, seed=8, skill=0.5)[1]
    same = compare_ranking(true, shares, shares, bootstrap=200, seed=1)
    assert [(one.difference, one.low, one.high, one.p) for one in same.values()] == [(0, 0, 0, 1)] * 2
    alone = measure_ranking(true, shares, bootstrap=200, seed=1)[0].intervals
    for name, one in compare_ranking(true, shares, nearly, bootstrap=200, seed=1).items():
        assert one.high - one.low < (alone[name].high - alone[name].low) / 3
    for one in compare_ranking(true, shares, worse, bootstrap=200, seed=1).values():
        assert 0 < one.low < one.difference < one.high
        assert one.p == pytest.approx(2 / 201)
    assert compare_ranking(np.ones((3, 1), bool), shares[:3, :1], shares[:3, :1], bootstrap=9, seed=1) == {}
