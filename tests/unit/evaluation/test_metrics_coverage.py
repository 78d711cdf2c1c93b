"""Whether intervals hold the true value as often as they say, on test sets drawn from processes that are known.

Small, seeded simulations with wide bounds; `benchmarks/coverage.py` measures the same on larger ones.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from labeltune.evaluation.metrics.calibration import calibration_error, calibration_interval, reliability
from labeltune.evaluation.metrics.intervals import clopper_pearson, percentile_interval, resamples
from labeltune.evaluation.metrics.paired import compare_paired
from labeltune.evaluation.metrics.patterns import one_hot
from labeltune.evaluation.metrics.quality import Shape, measure, pattern_pairs
from labeltune.evaluation.metrics.ranking import RANKING_METRICS, measure_ranking
from labeltune.evaluation.metrics.scores import CLASS_METRICS, VECTOR_METRICS, Pairs, Totals
from labeltune.evaluation.report.document import report_document
from labeltune.evaluation.report.markdown import format_markdown
from labeltune.evaluation.report.model import Report
from labeltune.evaluation.report.page import format_html
from labeltune.evaluation.report.text import format_text

if TYPE_CHECKING:
    from labeltune.evaluation.metrics.patterns import FloatArray, IntArray
    from labeltune.evaluation.metrics.quality import Quality

METRICS = {**VECTOR_METRICS, **CLASS_METRICS}


def process(n_labels: int, seed: int, power: float) -> FloatArray:
    """How likely each pair of true and predicted label is: frequent and rare labels, none as good as another."""
    generator = np.random.default_rng(seed)
    share = np.arange(1, n_labels + 1.0) ** -power
    share /= share.sum()
    recall = generator.beta(9, 3, n_labels)
    table: FloatArray = generator.dirichlet(np.full(n_labels, 0.3), n_labels) * np.sqrt(share)
    np.fill_diagonal(table, 0)
    table *= (share * (1 - recall) / table.sum(axis=1))[:, None]
    np.fill_diagonal(table, share * recall)
    return table


def single(true: IntArray, pred: IntArray, n_labels: int) -> Pairs:
    return Pairs(one_hot(true, n_labels), one_hot(pred, n_labels), np.ones(len(true), dtype=bool))


def shape(n_labels: int, *, single: bool = True) -> Shape:
    labels = tuple(f"label {place}" for place in range(n_labels))
    return Shape("field", labels, slice(0, n_labels), single=single)


def coverage(n_labels: int, rows: int, power: float, sets: int) -> tuple[dict[str, float], float]:
    """How often each metric's interval held the true value, and how often plain percentiles did for macro-F1."""
    every = np.divmod(np.arange(n_labels**2), n_labels)
    held = dict.fromkeys(METRICS, 0)
    plain = 0
    for seed in range(sets):
        table = process(n_labels, seed // 5, power)
        totals = Totals.of(single(*every, n_labels), table.ravel())
        truth = {name: float(metric(totals)) for name, metric in METRICS.items()}
        codes = np.random.default_rng([seed, 1]).choice(n_labels**2, rows, p=table.ravel())
        lines, patterns = pattern_pairs(single(*np.divmod(codes, n_labels), n_labels))
        quality = measure(lines, patterns, [shape(n_labels)], bootstrap=200)
        for name, interval in quality.intervals.items():
            held[name] += interval.low <= truth[name] <= interval.high
        drawn = np.concatenate(list(resamples(patterns, count=200, seed=1)))
        low, high = percentile_interval(METRICS["macro_f1"](Totals.of(lines, drawn)))
        plain += low <= truth["macro_f1"] <= high
    return {name: count / sets for name, count in held.items()}, plain / sets


@pytest.mark.parametrize(
    ("n_labels", "rows", "power", "worst_plain"),
    [(6, 200, 1.0, 1.0), (30, 180, 0.8, 0.5)],
    ids=["few labels", "few rows of many labels"],
)
def test_intervals_hold_the_true_value_as_often_as_they_say(
    n_labels: int, rows: int, power: float, worst_plain: float
) -> None:
    """95 %, of 40 test sets give or take 10 %. Percentiles as they are would fail where labels have few rows."""
    found, plain = coverage(n_labels, rows, power, sets=40)
    assert min(found.values()) >= 0.85, found
    assert plain <= worst_plain


@pytest.mark.parametrize("wrong", [0.0, 0.12], ids=["calibrated", "too sure"])
def test_the_interval_of_the_calibration_error_holds_the_true_one(wrong: float) -> None:
    held = resampled = 0
    for seed in range(40):
        generator = np.random.default_rng(seed)
        sure = 0.15 + 0.85 * generator.random(200)
        bins = reliability(sure, generator.random(200) < sure - wrong)
        interval = calibration_interval(bins, bootstrap=200, seed=1)
        assert interval is not None
        assert interval.low <= calibration_error(bins) <= interval.high
        held += interval.low <= wrong <= interval.high
        # What was drawn from the rows as they are carried the bias of the estimator twice.
        rows = np.array([one.rows for one in bins])
        hits = generator.binomial(rows, [one.accuracy for one in bins], size=(200, len(bins)))
        gaps = np.abs(hits - rows * [one.confidence for one in bins]).sum(axis=1) / 200
        resampled += np.quantile(gaps, 0.025) <= wrong
    assert held >= 34
    assert resampled < held
    assert calibration_interval(bins, bootstrap=0, seed=1) is None


def test_equal_models_are_seldom_said_to_differ() -> None:
    """The false alarms of comparisons, which had been right: about 1 in 20."""
    alarms = 0
    for seed in range(40):
        table = process(20, seed, 0.8)
        generator = np.random.default_rng([seed, 2])
        true = generator.choice(20, 200, p=table.sum(axis=1))
        steps = (table / table.sum(axis=1, keepdims=True)).cumsum(axis=1)[true]
        ours, other = (
            (single(true, (generator.random((200, 1)) > steps).sum(axis=1).clip(0, 19), 20), np.arange(200))
            for _ in range(2)
        )
        metrics = {"macro_f1": VECTOR_METRICS["macro_f1"]}
        one = compare_paired(ours, other, metrics, bootstrap=100, seed=1).differences["macro_f1"]
        alarms += one.low > 0 or one.high < 0
    assert alarms <= 5


def all_alike(n_labels: int, rows: int, *, right: bool, multi: bool) -> Quality:
    true = np.arange(rows) % n_labels
    pred = true if right else (true + 1) % n_labels
    pairs = single(true, pred, n_labels)
    return measure(*pattern_pairs(pairs), [shape(n_labels, single=not multi)])


@pytest.mark.parametrize("multi", [False, True], ids=["single", "multi"])
@pytest.mark.parametrize(("n_labels", "rows"), [(30, 60), (2, 60), (6, 60), (1, 60), (3, 3)])
def test_data_04_a_perfect_figure_has_an_interval_that_holds_it_and_is_not_certain(
    n_labels: int, rows: int, *, multi: bool
) -> None:
    """All right: no resample varies, and yet 60 rows are not all rows."""
    quality = all_alike(n_labels, rows, right=True, multi=multi)
    exact = clopper_pearson(rows, rows)[0]
    for level in (quality, *quality.fields):
        for name, interval in level.intervals.items():
            value = level.metrics[name]
            assert interval.low <= value <= interval.high
            if name == "hamming_loss":
                assert interval.low == value == 0 < interval.high
            elif value == 1:  # kappa and mcc of one label are 0
                assert interval.high == 1
                if name not in ("kappa", "mcc"):
                    # As sure as the share of right rows is; of 3 rows Wilson's end is not quite that.
                    assert interval.low == pytest.approx(float(exact), abs=0.01 if rows > 3 else 0.03)
            assert interval.low < interval.high
    low, high = quality.fields[0].score_intervals["f1"]
    assert (high == 1).all()
    assert (low < 1).all()


@pytest.mark.parametrize("multi", [False, True], ids=["single", "multi"])
def test_data_04_what_is_never_right_is_not_certain_either(*, multi: bool) -> None:
    quality = all_alike(6, 60, right=False, multi=multi)
    for level in (quality, *quality.fields):
        for name, interval in level.intervals.items():
            assert interval.low <= level.metrics[name] <= interval.high
            assert interval.low < interval.high, name
            if level.metrics[name] == 0:
                assert interval.low == 0
                assert interval.high == pytest.approx(0.06, abs=0.03), name
    low, high = quality.fields[0].score_intervals["f1"]
    assert (low == 0).all()
    assert (high > 0).all()


def test_a_perfect_ranking_is_not_certain() -> None:
    true = np.arange(60) % 4 == 0
    columns = np.column_stack([true, ~true])
    average, each = measure_ranking(columns, np.where(columns, 0.9, 0.1), bootstrap=200, seed=1)
    for one in (average, *each):
        for name in RANKING_METRICS:
            assert one.value(name) == 1
            assert 0.6 < one.intervals[name].low < one.intervals[name].high == 1


def test_the_f1_of_a_label_is_that_of_its_share_by_hand() -> None:
    """2 of 3 rows on which it is true or predicted are both."""
    true, pred = np.array([0, 0, 1, 1]), np.array([0, 0, 0, 1])
    low, high = measure(*pattern_pairs(single(true, pred, 3)), [shape(3)]).fields[0].score_intervals["f1"]
    ends = [float(end) for end in clopper_pearson(2, 3)]
    assert [low[0], high[0]] == pytest.approx([2 * end / (1 + end) for end in ends])
    # A label on no row: nothing is known.
    assert [low[2], high[2]] == [0, 1]


@pytest.mark.parametrize(("each", "told"), [(2, True), (12, False)], ids=["few rows", "enough"])
def test_data_04_every_form_says_when_there_are_too_few_rows(each: int, *, told: bool) -> None:
    quality = all_alike(30, 30 * each, right=True, multi=False)
    report = Report(source="p.csv", quality=quality)
    document = report_document(report)
    said = "can be too narrow for so few"
    assert any(said in warning for warning in document["warnings"]) == told
    assert document["interval_method"]["few_rows"] == (["field"] if told else [])
    for text in (format_text(report), format_markdown(report), format_html(report)):
        assert (said in " ".join(text.replace("\\", "").split())) == told


def test_the_same_seed_gives_the_same_intervals() -> None:
    generator = np.random.default_rng(3)
    codes = generator.integers(0, 5, (2, 80))
    lines, patterns = pattern_pairs(single(codes[0], codes[1], 5))
    one, again, other = (
        measure(lines, patterns, [shape(5)], bootstrap=100, seed=seed).intervals for seed in (1, 1, 2)
    )
    assert one == again
    assert one != other
