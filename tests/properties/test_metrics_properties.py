"""The metrics against scikit-learn's on random cases, and what must not change them."""

from __future__ import annotations

import re
import warnings
from dataclasses import fields
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from labeltune.evaluation.metrics.patterns import find_patterns, one_hot
from labeltune.evaluation.metrics.quality import FieldQuality, Shape, measure, pattern_pairs
from labeltune.evaluation.metrics.scores import (
    CLASS_METRICS,
    VECTOR_METRICS,
    Pairs,
    Totals,
    averages,
    confusion,
    label_scores,
)
from labeltune.evaluation.report.table import classification_table

CASES = settings(max_examples=200, deadline=None, derandomize=True)


@st.composite
def matrices(draw: st.DrawFn, min_labels: int = 2) -> tuple[Any, Any]:
    """Truth and prediction, bool (n_rows, n_labels), from sparse to dense and from equal to unrelated."""
    generator = np.random.default_rng(draw(st.integers(0, 2**32)))
    shape = (draw(st.integers(1, 60)), draw(st.integers(min_labels, 20)))
    true = generator.random(shape) < draw(st.sampled_from([0.0, 0.1, 0.5, 1.0]))
    return true, true ^ (generator.random(shape) < draw(st.sampled_from([0.0, 0.1, 0.5, 1.0])))


@st.composite
def classes(draw: st.DrawFn) -> tuple[Any, Any, int]:
    """True and predicted class codes (n_rows,), -1 for no valid answer, and the number of classes."""
    generator = np.random.default_rng(draw(st.integers(0, 2**32)))
    n_rows, n_labels = draw(st.integers(1, 60)), draw(st.integers(2, 12))
    true = generator.integers(0, draw(st.integers(1, n_labels)), n_rows)
    other = generator.integers(draw(st.sampled_from([-1, 0])), n_labels, n_rows)
    pred = np.where(generator.random(n_rows) < draw(st.sampled_from([0.0, 0.3, 1.0])), other, true)
    return true, pred, n_labels


def totals_of(pairs: Pairs) -> Totals:
    patterns = find_patterns([pairs.true, pairs.pred, pairs.valid[:, None]])
    return Totals.of_rows(pairs[patterns.first], patterns)


def pairs_of(true: Any, pred: Any) -> Pairs:
    return Pairs(true, pred, np.ones(len(true), dtype=bool))


@CASES
@given(matrices())
def test_vector_metrics_are_those_of_scikit_learn(case: tuple[Any, Any]) -> None:
    from sklearn import metrics

    true, pred = case
    totals = totals_of(pairs_of(true, pred))
    given_zero: dict[str, Any] = {"zero_division": 0}
    expected = {
        "exact_match": metrics.accuracy_score(true, pred),
        "micro_f1": metrics.f1_score(true, pred, average="micro", **given_zero),
        "macro_f1": metrics.f1_score(true, pred, average="macro", **given_zero),
        "weighted_f1": metrics.f1_score(true, pred, average="weighted", **given_zero),
        "samples_f1": metrics.f1_score(true, pred, average="samples", **given_zero),
        "hamming_loss": metrics.hamming_loss(true, pred),
        "jaccard": metrics.jaccard_score(true, pred, average="samples", **given_zero),
    }
    assert expected.keys() == VECTOR_METRICS.keys()
    for name, metric in VECTOR_METRICS.items():
        assert float(metric(totals)) == pytest.approx(expected[name], abs=1e-12), name


@CASES
@given(matrices())
def test_label_scores_and_averages_are_those_of_scikit_learn(case: tuple[Any, Any]) -> None:
    from sklearn.metrics import precision_recall_fscore_support

    true, pred = case
    totals = totals_of(pairs_of(true, pred))
    scores = label_scores(totals)
    precision, recall, f1, support = precision_recall_fscore_support(true, pred, zero_division=0)
    # To the last digit, so that no rounded figure of a report can differ.
    np.testing.assert_array_equal(scores.precision, precision)
    np.testing.assert_array_equal(scores.recall, recall)
    np.testing.assert_array_equal(scores.f1, f1)
    np.testing.assert_array_equal(scores.support, support)
    for name, line in averages(totals).items():
        expected = precision_recall_fscore_support(true, pred, average=name, zero_division=0)[:3]
        actual = (float(line.precision), float(line.recall), float(line.f1))
        assert actual == pytest.approx(expected, abs=1e-15), name


@CASES
@given(classes())
def test_class_metrics_are_those_of_scikit_learn(case: tuple[Any, Any, int]) -> None:
    from sklearn import metrics

    true, pred, n_labels = case
    totals = totals_of(Pairs(one_hot(true, n_labels), one_hot(pred, n_labels), pred >= 0))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = {
            "accuracy": metrics.accuracy_score(true, pred),
            "balanced_accuracy": metrics.balanced_accuracy_score(true, pred),
            "kappa": metrics.cohen_kappa_score(true, pred, replace_undefined_by=0.0),
            "mcc": metrics.matthews_corrcoef(true, pred),
        }
    assert expected.keys() == CLASS_METRICS.keys()
    for name, metric in CLASS_METRICS.items():
        assert float(metric(totals)) == pytest.approx(expected[name], abs=1e-12), name


@CASES
@given(classes())
def test_the_confusion_is_that_of_scikit_learn(case: tuple[Any, Any, int]) -> None:
    from sklearn.metrics import confusion_matrix

    true, pred, n_labels = case
    pairs = Pairs(one_hot(true, n_labels), one_hot(pred, n_labels), pred >= 0)
    expected = confusion_matrix(true, pred, labels=[*range(n_labels), -1])[:n_labels]
    np.testing.assert_array_equal(confusion(pairs, np.ones(len(true), dtype=np.int64)), expected)


@CASES
@given(matrices(min_labels=1), st.randoms(use_true_random=False))
def test_neither_the_order_of_rows_nor_that_of_labels_matters(case: tuple[Any, Any], random: Any) -> None:
    true, pred = case
    rows, labels = list(range(true.shape[0])), list(range(true.shape[1]))
    random.shuffle(rows)
    random.shuffle(labels)
    before = totals_of(pairs_of(true, pred))
    after = totals_of(pairs_of(true[rows][:, labels], pred[rows][:, labels]))
    for name, metric in VECTOR_METRICS.items():
        assert float(metric(after)) == pytest.approx(float(metric(before)), abs=1e-12), name
    np.testing.assert_array_equal(label_scores(after).f1, label_scores(before).f1[labels])


@CASES
@given(matrices(min_labels=1))
def test_patterns_say_the_same_as_rows(case: tuple[Any, Any]) -> None:
    true, pred = case
    patterns = find_patterns([true, pred])
    distinct = np.unique(np.hstack([true, pred]), axis=0)
    assert len(patterns.counts) == len(distinct)
    assert patterns.counts.sum() == len(true)
    np.testing.assert_array_equal(true[patterns.first][patterns.inverse], true)
    np.testing.assert_array_equal(pred[patterns.first][patterns.inverse], pred)
    np.testing.assert_array_equal(np.bincount(patterns.inverse), patterns.counts)


@CASES
@given(matrices(min_labels=1), st.integers(0, 2**32))
def test_weights_say_the_same_as_repeated_rows(case: tuple[Any, Any], seed: int) -> None:
    true, pred = case
    pairs = pairs_of(true, pred)
    weights = np.random.default_rng(seed).integers(0, 4, len(true))
    repeated = pairs[np.repeat(np.arange(len(true)), weights)]
    weighted = Totals.of(pairs, np.stack([weights, weights]))
    for field in fields(Totals):
        expected = getattr(Totals.of(repeated, np.ones(len(repeated.valid), dtype=np.int64)), field.name)
        np.testing.assert_allclose(getattr(weighted, field.name)[1], expected, err_msg=field.name)


def quality_of(pairs: Pairs, n_labels: int, *, single: bool) -> FieldQuality:
    labels = tuple(f"label {'x' * (place % 4)}{place}" for place in range(n_labels))
    shape = Shape("field", labels, slice(0, n_labels), single=single)
    return measure(*pattern_pairs(pairs), [shape], bootstrap=0).fields[0]


@CASES
@given(matrices())
def test_the_table_of_a_multi_field_is_scikit_learns(case: tuple[Any, Any]) -> None:
    from sklearn.metrics import classification_report

    true, pred = case
    field = quality_of(pairs_of(true, pred), true.shape[1], single=False)
    expected = classification_report(true, pred, target_names=list(field.shape.labels), zero_division=0)
    assert classification_table(field) == expected


@CASES
@given(classes())
def test_the_table_of_a_single_field_is_scikit_learns(case: tuple[Any, Any, int]) -> None:
    from sklearn.metrics import classification_report

    true, pred, n_labels = case
    pairs = Pairs(one_hot(true, n_labels), one_hot(pred, n_labels), pred >= 0)
    field = quality_of(pairs, n_labels, single=True)
    labels: Any = list(range(n_labels))
    expected = classification_report(
        true, pred, labels=labels, target_names=list(field.shape.labels), zero_division=0
    )
    # Where no row is right, scikit-learn counts the support in floats.
    expected = re.sub(r"(?m) (\d+)\.0$", r"   \1", expected)
    ours = classification_table(field)
    if (pred < 0).any():
        # Here scikit-learn gives up the accuracy for a micro average; the other lines are the same.
        kept = [line for line in ours.splitlines() if "accuracy" not in line]
        assert kept == [line for line in expected.splitlines() if "micro avg" not in line]
    else:
        assert ours == expected
