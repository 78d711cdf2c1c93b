"""Paths, probabilities, calibration, intervals and tests, each against its source on 200 random cases."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from labeltune.evaluation.metrics.calibration import (
    BINS,
    CoverageSums,
    binary_losses,
    calibration_error,
    class_losses,
    reliability,
)
from labeltune.evaluation.metrics.intervals import clopper_pearson
from labeltune.evaluation.metrics.paired import holm, mcnemar_p
from labeltune.evaluation.metrics.patterns import one_hot
from labeltune.evaluation.metrics.quality import Shape, measure, pattern_pairs
from labeltune.evaluation.metrics.scores import (
    CLASS_METRICS,
    HIERARCHICAL_METRICS,
    PATH_METRICS,
    VECTOR_METRICS,
    Pairs,
)

CASES = settings(max_examples=200, deadline=None, derandomize=True)
Path_ = tuple[int, ...]

TREES = {
    "two levels": ((0, 0), (0, 1), (1, 0), (1, 2), (2, 3)),
    "three levels": ((0, 0, 0), (0, 0, 1), (0, 1, 2), (1, 1, 0), (1, 2, 3), (1, 2, 1)),
}
"""The legal paths, each a label of every level; a label may have several parents."""


@st.composite
def paths(draw: st.DrawFn) -> tuple[tuple[Path_, ...], list[Path_], list[Path_ | None]]:
    """A tree, the true path of each row, and the predicted one, None for no valid answer."""
    tree = TREES[draw(st.sampled_from(sorted(TREES)))]
    row = st.tuples(st.sampled_from(tree), st.sampled_from((None, *tree)), st.booleans())
    rows = draw(st.lists(row, min_size=1, max_size=40))
    return tree, [true for true, _, _ in rows], [true if same else said for true, said, same in rows]


def fields_of(tree: tuple[Path_, ...]) -> list[Shape]:
    """The levels as fields, side by side in the vector."""
    sizes = [1 + max(path[level] for path in tree) for level in range(len(tree[0]))]
    starts = np.cumsum([0, *sizes]).tolist()
    return [
        Shape(
            name=f"level {level}",
            labels=tuple(f"{level}.{place}" for place in range(size)),
            part=slice(starts[level], starts[level] + size),
            single=True,
            paths=tuple(
                dict.fromkeys(
                    tuple(starts[place] + label for place, label in enumerate(path[: level + 1]))
                    for path in tree
                )
            )
            if level
            else (),
        )
        for level, size in enumerate(sizes)
    ]


def vectors(shapes: list[Shape], rows: list[Any]) -> Any:
    return np.hstack(
        [
            one_hot(np.array([-1 if row is None else row[level] for row in rows]), len(shape.labels))
            for level, shape in enumerate(shapes)
        ]
    )


@CASES
@given(paths())
def test_path_and_hierarchical_metrics(case: Any) -> None:
    """Paths as classes of scikit-learn; hierarchical ones as Kiritchenko and others define them, on sets."""
    from sklearn.metrics import accuracy_score, f1_score

    tree, true, pred = case
    shapes = fields_of(tree)
    valid = np.array([path is not None for path in pred])
    pairs = Pairs(vectors(shapes, true), vectors(shapes, pred), valid)
    quality = measure(*pattern_pairs(pairs), shapes, bootstrap=0)
    for depth, field in enumerate(quality.fields[1:], start=2):
        legal = sorted({path[:depth] for path in tree})
        codes = {path: place for place, path in enumerate(legal)}
        wanted = [codes[path[:depth]] for path in true]
        said = [-1 if path is None else codes[path[:depth]] for path in pred]
        both = above = below = 0
        for one, other in zip(true, pred, strict=True):
            here = {one[:length] for length in range(1, depth + 1)}
            there = set() if other is None else {other[:length] for length in range(1, depth + 1)}
            both, above, below = both + len(here & there), above + len(there), below + len(here)
        precision, recall = both / above if above else 0.0, both / below
        labels: Any = list(range(len(legal)))
        expected = {
            "path_accuracy": accuracy_score(wanted, said),
            "path_macro_f1": f1_score(wanted, said, labels=labels, average="macro", zero_division=0),
            "hierarchical_precision": precision,
            "hierarchical_recall": recall,
            "hierarchical_f1": 2 * precision * recall / (precision + recall) if both else 0.0,
        }
        assert expected.keys() == {*PATH_METRICS, *HIERARCHICAL_METRICS}
        for name, value in expected.items():
            assert field.metrics[name] == pytest.approx(value, abs=1e-12), name


@settings(CASES, max_examples=60)
@given(paths(), st.randoms(use_true_random=False))
def test_no_figure_depends_on_the_order_of_rows(case: Any, random: Any) -> None:
    """Metrics, intervals and scores of labels, of every kind of field at once."""
    tree, true, pred = case
    shapes = fields_of(tree)
    order = list(range(len(true)))
    random.shuffle(order)
    qualities = [
        measure(
            *pattern_pairs(
                Pairs(
                    vectors(shapes, [true[row] for row in rows]),
                    vectors(shapes, [pred[row] for row in rows]),
                    np.array([pred[row] is not None for row in rows]),
                )
            ),
            shapes,
            bootstrap=5,
        )
        for rows in (range(len(true)), order)
    ]
    first, again = ([quality, *quality.fields] for quality in qualities)
    for one, other in zip(first, again, strict=True):
        assert one.metrics == pytest.approx(other.metrics, abs=1e-12)
        assert one.exact == other.exact
        for name, interval in one.intervals.items():
            ends = (other.intervals[name].low, other.intervals[name].high)
            assert (interval.low, interval.high) == pytest.approx(ends, abs=1e-12)


@settings(CASES, max_examples=100)
@given(paths(), st.sampled_from([1, 7, 40]), st.integers(0, 9))
def test_every_interval_holds_its_figure_within_what_the_metric_can_be(
    case: Any, bootstrap: int, seed: int
) -> None:
    """Of every kind of field, with labels on no row, invalid answers, and one row alone."""
    tree, true, pred = case
    shapes = fields_of(tree)
    pairs = Pairs(vectors(shapes, true), vectors(shapes, pred), np.array([one is not None for one in pred]))
    quality = measure(*pattern_pairs(pairs), shapes, bootstrap=bootstrap, seed=seed)
    for level in (quality, *quality.fields):
        assert level.intervals.keys() == level.metrics.keys()
        for name, value in level.metrics.items():
            interval = level.intervals[name]
            least = -1 if name in ("kappa", "mcc") else 0
            assert least <= interval.low <= value <= interval.high <= 1, name
            assert interval.low < interval.high, name
    for field in quality.fields:
        for name, (low, high) in field.score_intervals.items():
            values = getattr(field.scores, name)
            assert (low <= values + 1e-12).all()
            assert (values <= high + 1e-12).all()
            assert (low < high).all()


@CASES
@given(st.integers(0, 2**32), st.randoms(use_true_random=False))
def test_no_metric_of_classes_depends_on_the_order_of_labels(seed: int, random: Any) -> None:
    generator = np.random.default_rng(seed)
    true, pred = generator.integers(0, 5, 30), generator.integers(-1, 5, 30)
    order = list(range(5))
    random.shuffle(order)
    renamed = np.array([*order, -1])  # the last place is that of -1
    figures = []
    for one, other in ((true, pred), (renamed[true], renamed[pred])):
        pairs = Pairs(one_hot(one, 5), one_hot(other, 5), other >= 0)
        shape = Shape("f", tuple("abcde"), slice(0, 5), single=True)
        figures.append(measure(*pattern_pairs(pairs), [shape], bootstrap=0).metrics)
    assert figures[0].keys() == {*VECTOR_METRICS, *CLASS_METRICS}
    assert figures[0] == pytest.approx(figures[1], abs=1e-12)


@st.composite
def probabilities(draw: st.DrawFn) -> tuple[Any, Any]:
    """Truth and probability, both (n_rows, n_labels): with ties, certain ones, and labels on no row or all."""
    generator = np.random.default_rng(draw(st.integers(0, 2**32)))
    shape = (draw(st.integers(2, 40)), draw(st.integers(1, 4)))
    shares = generator.random(shape).round(draw(st.sampled_from([1, 2, 15])))
    return generator.random(shape) < draw(st.sampled_from([0.0, 0.3, 0.6, 1.0])), shares


@CASES
@given(probabilities())
def test_losses_of_a_multi_field_are_means_of_scikit_learns(case: Any) -> None:
    from sklearn.metrics import brier_score_loss, log_loss

    true, shares = case
    both: Any = [False, True]
    columns = range(true.shape[1])
    expected = (
        np.mean([log_loss(true[:, place], shares[:, place], labels=both) for place in columns]),
        np.mean([brier_score_loss(true[:, place], shares[:, place], labels=both) for place in columns]),
    )
    assert [loss.mean() for loss in binary_losses(true, shares)] == pytest.approx(expected, abs=1e-12)


@CASES
@given(st.integers(0, 2**32), st.integers(2, 6), st.integers(1, 40))
def test_losses_of_a_single_field_are_scikit_learns(seed: int, n_labels: int, rows: int) -> None:
    from sklearn.metrics import brier_score_loss, log_loss

    generator = np.random.default_rng(seed)
    codes = generator.integers(0, n_labels, rows)
    shares = generator.dirichlet(np.full(n_labels, 0.2), rows)
    labels: Any = list(range(n_labels))
    brier: Any = shares if n_labels > 2 else shares[:, 1]
    expected = (log_loss(codes, shares, labels=labels), brier_score_loss(codes, brier, labels=labels))
    # A model that leaves out the least likely labels is not punished for the part that is missing.
    losses = class_losses(one_hot(codes, n_labels), 0.8 * shares)
    assert [loss.mean() for loss in losses] == pytest.approx(expected, abs=1e-9)


@CASES
@given(st.lists(st.tuples(st.floats(0, 1), st.booleans()), min_size=1, max_size=60), st.floats(0, 1))
def test_calibration_and_coverage_are_what_their_definitions_count(rows: Any, limit: float) -> None:
    confidence, right = np.array([row[0] for row in rows]), np.array([row[1] for row in rows])
    error = 0.0
    for place in range(BINS):
        inside = [row for row in rows if min(int(row[0] * BINS), BINS - 1) == place]
        if inside:
            gap = sum(row[1] for row in inside) / len(inside) - sum(row[0] for row in inside) / len(inside)
            error += len(inside) / len(rows) * abs(gap)
    assert calibration_error(reliability(confidence, right)) == pytest.approx(error, abs=1e-9)
    [line] = CoverageSums.empty([limit]).plus(confidence, right).table()
    kept = [row for row in rows if row[0] >= limit]
    assert (line.kept, line.review) == (len(kept), len(rows) - len(kept))
    assert line.accuracy == (sum(row[1] for row in kept) / len(kept) if kept else None)
    assert line.errors_found == sum(not row[1] for row in rows) - sum(not row[1] for row in kept)


@CASES
@given(st.integers(0, 300), st.integers(0, 300))
def test_exact_intervals_and_the_sign_test_are_scipys(one: int, other: int) -> None:
    from scipy.stats import binomtest

    low, high = clopper_pearson(one, one + other)
    if one + other == 0:
        assert (float(low), float(high), mcnemar_p(one, other)) == (0.0, 1.0, 1.0)
        return
    expected = binomtest(one, one + other)
    interval = expected.proportion_ci(method="exact")
    assert (float(low), float(high)) == pytest.approx((interval.low, interval.high), abs=1e-9)
    assert mcnemar_p(one, other) == pytest.approx(expected.pvalue, abs=1e-9)


@CASES
@given(st.lists(st.floats(0, 1), max_size=8))
def test_holm_is_step_down_bonferroni(p_values: list[float]) -> None:
    adjusted = holm(p_values)
    for p, mine in zip(p_values, adjusted, strict=True):
        smaller = [other for other in p_values if other <= p]
        # Holm's definition: the largest of (m - j + 1) p over the p-values up to this one.
        expected = max(min(1.0, (len(p_values) - sorted(p_values).index(other)) * other) for other in smaller)
        assert mine == pytest.approx(expected, abs=1e-12)
        assert mine >= p or math.isclose(mine, p)
