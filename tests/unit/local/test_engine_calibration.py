"""Thresholds of the linear engine: for F1, but not at the price of naming everything."""

from __future__ import annotations

import numpy as np

from labeltune.local.engines.common.calibration import likeliest_sum, thresholds


def test_few_examples_do_not_make_every_label_hold() -> None:
    rng = np.random.default_rng(0)
    # Probabilities near each label's share, as a model gives that knows little.
    share = np.array([0.9, 0.5, 0.4, 0.1, 0.1, 0.05])
    holds = rng.random((25, 6)) < share
    p = np.clip(share + rng.normal(0, 0.02, (25, 6)), 0.01, 0.99)
    named = p >= thresholds(p, holds)
    assert named[:, 0].all()
    assert not named[:, 5].any()
    assert named.mean() < 0.7


def test_many_examples_get_the_threshold_of_the_best_f1() -> None:
    rng = np.random.default_rng(1)
    p = rng.random((20_000, 2)) * 0.4
    holds = rng.random((20_000, 2)) < p
    found = thresholds(p, holds)

    def f1(threshold: float, label: int) -> float:
        named = p[:, label] >= threshold
        both = float((named & holds[:, label]).sum())
        return 2 * both / float(named.sum() + holds[:, label].sum())

    for label in range(2):
        best = max(f1(threshold, label) for threshold in np.linspace(0.01, 0.39, 39))
        assert f1(float(found[label]), label) > 0.99 * best


def test_where_nothing_can_be_told_the_first_scores_still_say_which_label_is_common() -> None:
    """Held-out examples may speak against a model by chance; with no score the first label would be named."""
    y = np.repeat(np.eye(3, dtype=np.bool_)[[2, 1, 0]], [26, 8, 6], axis=0)
    first = np.log([0.15, 0.2, 0.65]) - 1.5 * y
    a, b, c = likeliest_sum("choice", first, np.zeros_like(first), y, bounds=(0.0, 30.0))
    assert (a * first + b * 0 + c).mean(axis=0).argmax() == 2
