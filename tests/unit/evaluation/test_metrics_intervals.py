"""Intervals, paired comparisons, thresholds and calibration against other libraries' and counted by hand."""

from __future__ import annotations

import numpy as np
import pytest

from labeltune.evaluation.metrics.calibration import (
    CoverageSums,
    Loss,
    calibration_error,
    class_losses,
    reliability,
)
from labeltune.evaluation.metrics.intervals import clopper_pearson, percentile_interval, resamples
from labeltune.evaluation.metrics.paired import Difference, compare_paired, holm, rows_needed
from labeltune.evaluation.metrics.patterns import class_codes, find_patterns
from labeltune.evaluation.metrics.quality import Shape, measure, pattern_pairs
from labeltune.evaluation.metrics.scores import VECTOR_METRICS, Pairs, Totals
from labeltune.evaluation.metrics.tuning import DEFAULT_THRESHOLD, choose_threshold
from labeltune.proportions import Tail


def random_pairs(rows: int, labels: int, seed: int, noise: float = 0.2) -> Pairs:
    generator = np.random.default_rng(seed)
    true = generator.random((rows, labels)) < 0.3
    pred = true ^ (generator.random((rows, labels)) < noise)
    return Pairs(true, pred, np.ones(rows, dtype=bool))


def test_nothing_is_known_of_a_proportion_without_trials() -> None:
    assert [float(end) for end in clopper_pearson(0, 0)] == [0.0, 1.0]


@pytest.mark.parametrize("trials", [1, 2, 3, 15, 16, 17, 100, 4_096, 10**6, 10**8])
def test_exact_intervals_are_scipys_to_12_places(trials: int) -> None:
    from scipy.special import betaincinv

    near = [*range(4), trials // 7, trials // 2, *range(trials - 3, trials + 1)]
    k = np.array(sorted({count for count in near if 0 <= count <= trials}))
    low, high = clopper_pearson(k, trials)
    assert (low[0], high[-1]) == (0.0, 1.0)
    expected = betaincinv(k[1:], trials - k[1:] + 1, 0.025)
    np.testing.assert_allclose(low[1:], expected, rtol=1e-12, atol=0)
    expected = betaincinv(k[:-1] + 1, trials - k[:-1], 0.975)
    np.testing.assert_allclose(high[:-1], expected, rtol=0, atol=1e-12)
    shaped = clopper_pearson(k.reshape(1, -1), trials)
    assert [end.shape for end in shaped] == [(1, len(k))] * 2


@pytest.mark.parametrize("share", [0.05, 0.5, 0.95, 0.9999])
@pytest.mark.parametrize("trials", [1, 59, 1_000, 10**6, 10**7])
def test_tails_are_scipys_to_11_places(trials: int, share: float) -> None:
    from scipy.special import betainc

    counts = np.array([0, *(trials * share + np.linspace(-9, 9, 99) * np.sqrt(trials)), trials]).astype(int)
    counts = counts.clip(0, trials).reshape(1, -1)
    expected = np.where(counts > 0, betainc(np.maximum(counts, 0.5), trials - counts + 1.0, share), 1)
    found = Tail(trials, share).at_least(counts)
    np.testing.assert_allclose(found, expected, rtol=1e-11, atol=1e-25)


@pytest.mark.parametrize(("rows", "labels"), [(3_000, 3), (300, 12)], ids=["multinomial", "by row"])
def test_resamples_are_those_of_rows(rows: int, labels: int) -> None:
    """The interval is that of the textbook: rows drawn with replacement, scikit-learn's score of each draw."""
    from sklearn.metrics import f1_score

    pairs = random_pairs(rows, labels, seed=1)
    distinct, patterns = pattern_pairs(pairs)
    drawn = np.concatenate(list(resamples(patterns, count=200, seed=3)))
    assert drawn.shape == (200, len(patterns.counts))
    assert (drawn.sum(axis=1) == rows).all()
    ours = percentile_interval(VECTOR_METRICS["macro_f1"](Totals.of(distinct, drawn)))
    generator = np.random.default_rng(4)
    scores = []
    for _ in range(200):
        rows_drawn = generator.integers(0, rows, rows)
        scores.append(
            f1_score(pairs.true[rows_drawn], pairs.pred[rows_drawn], average="macro", zero_division=0)
        )
    width = np.subtract(*percentile_interval(np.array(scores))[::-1])
    np.testing.assert_allclose(ours, percentile_interval(np.array(scores)), atol=width / 3)


def test_intervals_do_not_depend_on_the_order_of_rows() -> None:
    pairs = random_pairs(500, 4, seed=5)
    shape = Shape("f", tuple("abcd"), slice(0, 4), single=False)
    first = measure(*pattern_pairs(pairs), [shape], bootstrap=50)
    again = measure(*pattern_pairs(pairs[np.random.default_rng(1).permutation(500)]), [shape], bootstrap=50)
    assert first.intervals == again.intervals
    assert measure(*pattern_pairs(pairs), [shape], bootstrap=50, seed=1).intervals != first.intervals


def test_an_invalid_answer_is_never_an_exact_match() -> None:
    nothing = np.zeros((2, 3), dtype=bool)
    quality = measure(
        *pattern_pairs(Pairs(nothing, nothing, np.array([True, False]))),
        [Shape("f", tuple("abc"), slice(0, 3), single=False)],
        bootstrap=0,
    )
    assert quality.metrics["exact_match"] == 0.5
    assert (quality.invalid, quality.intervals) == (1, {})


def test_holm() -> None:
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([]) == []


def test_a_paired_comparison_sees_what_two_intervals_do_not() -> None:
    ours = random_pairs(2_000, 3, seed=7, noise=0.2)
    # The same predictions, a few more of them wrong.
    worse = ours.pred.copy()
    worse[:60, 0] = ~ours.true[:60, 0]
    other = Pairs(ours.true, worse, ours.valid)
    everyone = np.arange(2_000)
    result = compare_paired((ours, everyone), (other, everyone), VECTOR_METRICS, bootstrap=300, seed=1)
    one = result.differences["exact_match"]
    assert one.difference == pytest.approx((result.won - result.lost) / 2_000)
    assert one.low > 0
    assert one.p < 0.05
    assert result.lost == 0
    assert result.differences["hamming_loss"].difference < 0


def test_predictions_compared_with_themselves() -> None:
    ours, everyone = random_pairs(50, 3, seed=7), np.arange(50)
    result = compare_paired((ours, everyone), (ours, everyone), VECTOR_METRICS, bootstrap=20, seed=1)
    assert (result.won, result.lost, result.p) == (0, 0, 1.0)
    assert result.differences["macro_f1"] == Difference(0.0, 0.0, 0.0, 1.0)


def test_rows_needed() -> None:
    # A difference of one standard error on 100 rows: (1.96 + 0.84)² times as many.
    assert rows_needed(Difference(0.01, 0.01 - 0.0196, 0.01 + 0.0196, 0.3), 100) == 785
    assert rows_needed(Difference(0.0, -0.01, 0.01, 1.0), 100) is None


def test_one_certain_error_is_not_infinite() -> None:
    loss = Loss.of(class_losses(np.array([[True, False]]), np.array([[0.0, 1.0]]))[0], 37.0)
    assert loss.mean == pytest.approx(36.04, abs=0.01)
    assert loss.interval is None


def test_a_difference_of_means_is_that_of_rows() -> None:
    """Against rows drawn with replacement, and a p-value of 5 % where an end of the interval is 0."""
    generator = np.random.default_rng(1)
    values = generator.exponential(1.0, 400) - 0.9
    found = Difference.of_rows(values)
    drawn = values[generator.integers(0, 400, (4000, 400))].mean(axis=1)
    assert [found.low, found.high] == pytest.approx(percentile_interval(drawn), abs=0.02)
    assert found.difference == pytest.approx(values.mean())
    edge = Difference.of_rows(values - found.low)
    assert [edge.low, edge.p] == pytest.approx([0, 0.05], abs=1e-4)
    assert Difference.of_rows(np.zeros(3)) == Difference(0, 0, 0, 1.0)
    assert Difference.of_rows(np.ones(3)).p == 0


def test_intervals_of_means_are_those_of_rows() -> None:
    """Against rows drawn with replacement."""
    losses = np.random.default_rng(5).random(800) ** 2
    drawn = np.random.default_rng(6).integers(0, 800, (500, 800))
    low, high = percentile_interval(losses[drawn].mean(axis=1))
    interval = Loss.of(losses, 1.0).interval
    assert interval is not None
    assert (interval.low, interval.high) == pytest.approx((low, high), abs=(high - low) / 4)


@pytest.mark.parametrize(("loss", "largest"), [(0.0, 1.0), (0.25, 1.0), (0.0, 36.0)])
def test_losses_that_are_all_alike_leave_room_for_others(loss: float, largest: float) -> None:
    interval = Loss.of(np.full(60, loss), largest).interval
    assert interval is not None
    assert interval.low <= loss < interval.high
    # Clopper and Pearson's end for none of 60 rows being wholly wrong.
    assert interval.high == pytest.approx(loss + clopper_pearson(0, 60)[1] * (largest - loss))


def test_calibration_error_by_hand() -> None:
    confidence = np.array([0.95, 0.95, 0.55, 1.0])
    bins = reliability(confidence, np.array([True, False, True, True]), bins=10)
    assert [(one.rows, one.confidence, one.accuracy) for one in bins] == [
        (1, 0.55, 1.0),
        (3, pytest.approx(2.9 / 3), pytest.approx(2 / 3)),
    ]
    assert calibration_error(bins) == pytest.approx((0.45 + 3 * (2.9 / 3 - 2 / 3)) / 4)


def test_coverage_sends_rows_without_a_confidence_to_review() -> None:
    confidence, right = np.array([0.9, 0.6, np.nan]), np.array([True, False, False])
    [line] = CoverageSums.empty([0.8]).plus(confidence, right).table()
    assert (line.kept, line.review, line.accuracy, line.errors_found) == (1, 2, 1.0, 2)
    [line] = CoverageSums.empty([1.0]).plus(confidence, right).table()
    assert (line.kept, line.accuracy) == (0, None)


def test_the_best_threshold_is_found() -> None:
    """Against trying every cut."""
    from sklearn.metrics import f1_score

    generator = np.random.default_rng(9)
    for _ in range(20):
        true = generator.random(30) < 0.4
        shares = (0.3 * true + generator.random(30) * 0.7).round(2)
        true[0] = True
        choice = choose_threshold(true, shares)
        best = max(f1_score(true, shares >= cut) for cut in np.unique(shares))
        assert choice.f1 == pytest.approx(best)
        assert f1_score(true, shares >= choice.threshold) == pytest.approx(best)


def test_a_precision_that_is_asked_for() -> None:
    true = np.array([True, False, True, False])
    shares = np.array([0.9, 0.8, 0.7, 0.1])
    assert choose_threshold(true, shares, min_precision=0.6).recall == 1.0
    assert choose_threshold(true, shares, min_precision=0.9).recall == 0.5
    hopeless = choose_threshold(~true, np.array([0.9, 0.1, 0.8, 0.2]), min_precision=0.9)
    assert hopeless.never
    assert choose_threshold(np.zeros(4, dtype=bool), shares).threshold == DEFAULT_THRESHOLD


def test_patterns_of_more_labels_than_a_word_has_bits() -> None:
    generator = np.random.default_rng(0)
    matrix = np.repeat(generator.random((7, 300)) < 0.5, 9, axis=0)
    patterns = find_patterns([matrix])
    assert patterns.counts.tolist() == [9] * 7
    np.testing.assert_array_equal(matrix[patterns.first][patterns.inverse], matrix)


def test_class_codes() -> None:
    assert class_codes(["b", "x", "a"], ["a", "b"]).tolist() == [1, -1, 0]
