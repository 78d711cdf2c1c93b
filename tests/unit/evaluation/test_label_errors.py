from __future__ import annotations

import numpy as np
import pytest

from labeltune.evaluation.metrics.label_errors import confidently_other, label_confidence, self_confidence


def process(seed: int, *, n: int = 600, k: int = 5) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities, and labels of which one in ten is another than was meant."""
    rng = np.random.default_rng(seed)
    true = rng.integers(0, k, n)
    scores = rng.normal(size=(n, k)) + 3 * np.eye(k)[true]
    given = np.where(rng.random(n) < 0.1, (true + rng.integers(1, k, n)) % k, true)
    e = np.exp(scores)
    return e / e.sum(axis=1, keepdims=True), given


def test_by_hand() -> None:
    probabilities = np.array([[0.9, 0.1], [0.7, 0.3], [0.2, 0.8], [0.85, 0.15]])
    given = np.array([0, 0, 1, 1])
    assert self_confidence(probabilities, given).tolist() == [0.9, 0.7, 0.8, 0.15]
    # Thresholds: 0.8 and 0.475. The last row is confidently a 0, and labelled 1.
    assert confidently_other(probabilities, given).tolist() == [False, False, False, True]


def test_a_label_without_rows_is_never_confidently_there() -> None:
    probabilities = np.array([[0.3, 0.1, 0.6], [0.2, 0.3, 0.5]])
    assert confidently_other(probabilities, np.array([0, 1])).tolist() == [False, False]


def test_a_multi_label_is_doubted_both_ways() -> None:
    probabilities = np.array([[0.9, 0.2]])
    found = label_confidence(probabilities, np.array([[False, False]]))
    assert np.allclose(found, [[0.1, 0.8]])


@pytest.mark.parametrize("seed", range(5))
def test_as_the_peer_has_it(seed: int) -> None:
    count = pytest.importorskip("cleanlab.count")
    rank = pytest.importorskip("cleanlab.rank")
    probabilities, given = process(seed)
    scores = rank.get_label_quality_scores(given, probabilities, method="self_confidence")
    assert np.allclose(self_confidence(probabilities, given), scores)
    assert confidently_other(probabilities, given).sum() == count.num_label_issues(given, probabilities)


def test_a_row_whose_own_label_is_the_likeliest_does_not_count() -> None:
    # Of a rare label 0.3 is much, and still not more likely than the label that the first row has.
    probabilities = np.array([[0.7, 0.3], [0.9, 0.1], [0.95, 0.05], [0.8, 0.2]])
    assert not confidently_other(probabilities, np.array([0, 0, 0, 1]))[0]
