"""Average precision and ROC AUC, weighted or not, against scikit-learn's on 200 random cases."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from labeltune.evaluation.metrics.ranking import (
    RANKING_METRICS,
    find_steps,
    measure_ranking,
    ranking,
    step_scores,
)

CASES = settings(max_examples=200, deadline=None, derandomize=True)


@st.composite
def ranked(draw: st.DrawFn) -> tuple[Any, Any]:
    """Truth and probabilities (n_rows, n_labels), with few and many ties; a label may be on no row, or on all."""
    rows, labels = draw(st.integers(1, 40)), draw(st.integers(1, 4))
    generator = np.random.default_rng(draw(st.integers(0, 2**32)))
    true = generator.random((rows, labels)) < draw(st.sampled_from([0.0, 0.1, 0.5, 0.9, 1.0]))
    return true, generator.random((rows, labels)).round(draw(st.sampled_from([0, 1, 2, 16])))


@CASES
@given(ranked())
def test_rankings_are_scikit_learns(case: Any) -> None:
    from sklearn.metrics import average_precision_score, roc_auc_score

    true, shares = case
    for place, one in enumerate(ranking(true, shares)):
        here, said = true[:, place], shares[:, place]
        if here.all() or not here.any():
            assert (one.average_precision, one.roc_auc) == (None, None)
            continue
        assert one.average_precision == average_precision_score(here, said)
        assert one.roc_auc == roc_auc_score(here, said)


@CASES
@given(ranked(), st.integers(0, 2**32))
def test_weighted_rankings_are_scikit_learns(case: Any, seed: int) -> None:
    """What is measured on a resample; weights of 0 may take the label, or what lacks it, out of all rows."""
    from sklearn.metrics import average_precision_score, roc_auc_score

    true, shares = case[0][:, 0], case[1][:, 0]
    weights = np.random.default_rng(seed).integers(0, 3, len(true))
    steps = find_steps(true, shares)
    assert steps.of_row.max() < steps.count
    sums: list[Any] = [
        np.bincount(steps.of_row, weights=weights * which, minlength=steps.count)[:, None]
        for which in (true, ~true)
    ]
    precision, area = step_scores(*sums)
    drawn = true[weights > 0]
    if drawn.all() or not drawn.any():
        assert np.isnan([precision, area]).all()
        return
    expected = average_precision_score(true, shares, sample_weight=weights)
    assert precision[0] == pytest.approx(expected, abs=1e-12)
    assert area[0] == pytest.approx(roc_auc_score(true, shares, sample_weight=weights), abs=1e-12)


@settings(CASES, max_examples=60)
@given(ranked(), st.randoms(use_true_random=False))
def test_intervals_of_rankings_do_not_depend_on_the_order_of_rows(case: Any, random: Any) -> None:
    true, shares = case
    order = list(range(len(true)))
    random.shuffle(order)
    (average, each), (again, every) = (
        measure_ranking(true[rows], shares[rows], bootstrap=20, seed=3)
        for rows in (slice(None), np.array(order))
    )
    for one, other in zip((average, *each), (again, *every), strict=True):
        assert one.intervals.keys() == other.intervals.keys()
        for name, interval in one.intervals.items():
            ends = (other.intervals[name].low, other.intervals[name].high)
            assert (interval.low, interval.high) == pytest.approx(ends, abs=1e-12)


@settings(CASES, max_examples=60)
@given(ranked(), st.randoms(use_true_random=False))
def test_rankings_do_not_depend_on_the_order_of_labels(case: Any, random: Any) -> None:
    true, shares = case
    order = list(range(true.shape[1]))
    random.shuffle(order)
    average, each = measure_ranking(true, shares, bootstrap=5, seed=3)
    again, every = measure_ranking(true[:, order], shares[:, order], bootstrap=5, seed=3)
    assert again.average_precision == pytest.approx(average.average_precision, abs=1e-12)
    for place, one in zip(order, every, strict=True):
        assert [one.value(name) for name in RANKING_METRICS] == [
            each[place].value(name) for name in RANKING_METRICS
        ]
