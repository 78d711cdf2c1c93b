"""Kappa and alpha against other implementations, and what they are where nothing can be said."""

from __future__ import annotations

from typing import Any

import krippendorff
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from numpy.typing import NDArray
from sklearn.metrics import cohen_kappa_score

from labeltune.evaluation.metrics.agreement import (
    MISSING,
    alphas_of_labels,
    compare_pair,
    krippendorff_alpha,
    percent_agreement,
)

Codes = NDArray[np.int64]
answers = arrays(
    np.int64, array_shapes(min_dims=2, max_dims=2, min_side=2, max_side=12), elements=st.integers(MISSING, 3)
)  # fmt: skip


def counts(codes: Codes) -> Codes:
    """(n_units, n_values) of codes (n_people, n_units)."""
    return np.stack([(codes == code).sum(axis=0) for code in range(4)], axis=1).astype(np.int64)


def theirs(codes: Codes) -> float | None:
    try:
        with np.errstate(all="ignore"):
            values = np.where(codes == MISSING, np.nan, codes)
            return float(krippendorff.alpha(values, level_of_measurement="nominal"))
    except ValueError:  # one value only, or no pair of answers
        return None


@given(answers)
@settings(max_examples=300)
def test_alpha_is_that_of_another_implementation(codes: Codes) -> None:
    ours, other = krippendorff_alpha(counts(codes), bootstrap=0, seed=1).value, theirs(codes)
    if other is None or np.isnan(other):
        assert ours is None
    else:
        assert ours == pytest.approx(other)


@given(answers)
def test_alpha_of_a_label_is_that_of_its_yes_and_no(codes: Codes) -> None:
    given_, answered = counts(codes), (codes != MISSING).sum(axis=0)
    for label, alpha in enumerate(alphas_of_labels(given_, answered, bootstrap=0, seed=1)):
        other = theirs(np.where(codes == MISSING, MISSING, codes == label))
        assert alpha.value == (None if other is None or np.isnan(other) else pytest.approx(other))


@given(answers)
def test_kappa_is_that_of_scikit_learn(codes: Codes) -> None:
    one, other = codes[:2]
    both = (one != MISSING) & (other != MISSING)
    pair = compare_pair(one, other)
    assert pair.units == both.sum()
    if not both.any():
        assert (pair.percent, pair.kappa) == (None, None)
        return
    assert pair.percent == pytest.approx((one[both] == other[both]).mean())
    with np.errstate(all="ignore"):
        expected = _kappa(one[both], other[both])
    assert pair.kappa == (None if np.isnan(expected) else pytest.approx(expected))


def _kappa(one: Codes, other: Codes) -> float:
    if len({*one.tolist(), *other.tolist()}) == 1:
        return float("nan")
    return float(cohen_kappa_score(one, other))


def test_the_example_of_krippendorff_s_paper() -> None:
    """Computing Krippendorff's Alpha-Reliability (2011), C: four observers, missing data, nominal: 0.743."""
    missing = MISSING
    codes = np.array(
        [
            [1, 2, 3, 3, 2, 1, 4, 1, 2, missing, missing, missing],
            [1, 2, 3, 3, 2, 2, 4, 1, 2, 5, missing, 3],
            [missing, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, missing],
            [1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, missing],
        ]
    )
    table = np.stack([(codes == code).sum(axis=0) for code in range(1, 6)], axis=1).astype(np.int64)
    alpha = krippendorff_alpha(table, bootstrap=1000, seed=1)
    assert alpha.value == pytest.approx(0.743, abs=0.0005)
    assert alpha.interval is not None
    assert alpha.interval.low < 0.743 < alpha.interval.high <= 1


def test_percent_counts_pairs_of_answers() -> None:
    assert percent_agreement(np.array([[3, 0], [1, 1], [1, 0]])) == pytest.approx(6 / 8)
    assert percent_agreement(np.array([[1, 0], [0, 1]])) is None


def drawn(alpha_share: float, seed: int, *, units: int) -> Codes:
    rng = np.random.default_rng(seed)
    true = rng.integers(0, 3, units)
    return np.stack(
        [np.where(rng.random(units) < alpha_share, true, rng.integers(0, 3, units)) for _ in range(3)]
    )


def test_intervals_hold_the_true_alpha_about_as_often_as_they_say() -> None:
    """Answers of people who know the label with probability s and guess else: the true alpha is s squared."""
    held = 0
    for seed in range(200):
        alpha = krippendorff_alpha(counts(drawn(0.8, seed, units=80)), bootstrap=300, seed=seed)
        assert alpha.interval is not None
        held += alpha.interval.low <= 0.64 <= alpha.interval.high
    assert 180 <= held <= 200


def test_perfect_agreement_on_few_units_is_not_certain() -> None:
    alpha = krippendorff_alpha(np.array([[2, 0], [0, 2]] * 5), bootstrap=500, seed=3)
    assert alpha.value == 1
    assert alpha.interval is not None
    assert alpha.interval.low < 0.7
    assert alpha.interval.high == 1


@pytest.mark.parametrize("table", [[[2, 0], [3, 0]], [[1, 0], [0, 1]], [[0, 0]]])
def test_where_nothing_can_be_said(table: Any) -> None:
    alpha = krippendorff_alpha(np.array(table), bootstrap=100, seed=1)
    assert (alpha.value, alpha.interval) == (None, None)


def test_the_same_seed_gives_the_same_interval() -> None:
    table = counts(drawn(0.7, 5, units=50))
    one, other, third = (krippendorff_alpha(table, bootstrap=200, seed=seed) for seed in (7, 7, 8))
    assert one == other
    assert one != third
