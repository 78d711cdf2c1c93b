"""The intervals of means over labels: their moments against drawn rows, and how often they hold the true value."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from labeltune.evaluation.metrics.intervals import percentile_interval, resamples
from labeltune.evaluation.metrics.label_means import LABEL_MEANS, Sample, exact_moments
from labeltune.evaluation.metrics.patterns import one_hot
from labeltune.evaluation.metrics.quality import pattern_pairs
from labeltune.evaluation.metrics.scores import CLASS_METRICS, VECTOR_METRICS, Pairs, Totals

if TYPE_CHECKING:
    from labeltune.evaluation.metrics.intervals import Interval
    from labeltune.evaluation.metrics.patterns import IntArray

METRICS = {**VECTOR_METRICS, **CLASS_METRICS}


def interval_of(name: str, pairs: Pairs) -> Interval:
    lines, patterns = pattern_pairs(pairs)
    totals = Totals.of(lines, patterns.counts)
    return LABEL_MEANS[name](float(METRICS[name](totals)), Sample(totals, lines, patterns.counts))


def single(codes: IntArray, n_labels: int) -> Pairs:
    true, pred = np.divmod(codes, n_labels)
    return Pairs(one_hot(true, n_labels), one_hot(pred, n_labels), np.ones(len(codes), dtype=bool))


@pytest.mark.parametrize(("trials", "right", "wrong"), [(1, 2.0, 1.0), (3, 0.3, 2.0), (40, 30.0, 9.0)])
def test_bias_and_variance_are_those_of_drawn_rows(trials: int, right: float, wrong: float) -> None:
    """Means over shares from the beta distribution, of what binomial counts of a share give."""
    bias, variance = exact_moments(trials, np.array([right]), np.array([wrong]))
    generator = np.random.default_rng(trials)
    shares = generator.beta(right, wrong, (20_000, 1))
    hits = generator.binomial(trials, shares, size=(20_000, 60))
    f1 = 2 * hits / (trials + hits)
    true = 2 * shares / (1 + shares)
    assert bias[0] == pytest.approx((f1 - true).mean(), abs=0.002)
    assert variance[0] == pytest.approx(f1.var(axis=1, ddof=1).mean(), rel=0.02)


@pytest.mark.parametrize("multi", [False, True], ids=["single", "multi"])
def test_of_many_rows_it_is_the_bootstraps(*, multi: bool) -> None:
    """What labels have in common is in it: in the multi field a row that is hard is so for all of its labels."""
    generator = np.random.default_rng(7)
    rows, n_labels = 4000, 5
    if multi:
        true = generator.random((rows, n_labels)) < 0.4
        hard = generator.random((rows, 1)) < 0.25
        pairs = Pairs(
            true, true ^ (hard & (generator.random((rows, n_labels)) < 0.8)), np.ones(rows, dtype=bool)
        )
    else:
        true, said = generator.integers(0, n_labels, (2, rows))
        said = np.where(generator.random(rows) < 0.6, true, said)
        pairs = single(true * n_labels + said, n_labels)
    lines, patterns = pattern_pairs(pairs)
    draws = np.concatenate(list(resamples(patterns, count=2000, seed=1)))
    for name in ("macro_f1",) if multi else ("macro_f1", "balanced_accuracy"):
        low, high = percentile_interval(METRICS[name](Totals.of(lines, draws)))
        ours = interval_of(name, pairs)
        assert [ours.low, ours.high] == pytest.approx([low, high], abs=(high - low) * 0.08)


@pytest.mark.parametrize("recall", [0.5, 0.93], ids=["poor", "good"])
def test_they_hold_the_true_value_of_good_and_poor_models(recall: float) -> None:
    """95 %, of 200 test sets give or take 5 %; half of the labels have fewer than 5 of the 160 rows."""
    n_labels = 20
    share = 1 / np.arange(1, n_labels + 1)
    held = {"macro_f1": 0, "balanced_accuracy": 0}
    for seed in range(200):
        generator = np.random.default_rng([seed, 5])
        recalls = generator.beta(12 * recall, 12 * (1 - recall), n_labels)
        table = generator.dirichlet(np.full(n_labels, 0.3), n_labels) * np.sqrt(share)
        np.fill_diagonal(table, 0)
        table *= (share * (1 - recalls) / table.sum(axis=1))[:, None]
        np.fill_diagonal(table, share * recalls)
        table /= table.sum()
        process = Totals.of(single(np.arange(n_labels**2), n_labels), table.ravel())
        pairs = single(generator.choice(n_labels**2, 160, p=table.ravel()), n_labels)
        for name in held:
            interval = interval_of(name, pairs)
            held[name] += interval.low <= float(METRICS[name](process)) <= interval.high
    assert min(held.values()) >= 180, held


def test_without_a_row_of_any_label_nothing_is_known() -> None:
    nothing = np.zeros((3, 2), dtype=bool)
    interval = interval_of("macro_f1", Pairs(nothing, nothing, np.ones(3, dtype=bool)))
    assert (interval.low, interval.high) == (0, 1)
    nobody = interval_of("balanced_accuracy", Pairs(nothing, nothing, np.zeros(3, dtype=bool)))
    assert (nobody.low, nobody.high) == (0, 1)
