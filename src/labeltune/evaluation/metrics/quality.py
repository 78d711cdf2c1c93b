"""All the figures of one set of predictions: metrics, intervals, and the scores of each label."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from labeltune.evaluation.metrics.intervals import Interval, clopper_pearson, percentile_interval, resamples
from labeltune.evaluation.metrics.patterns import find_patterns
from labeltune.evaluation.metrics.scores import (
    CLASS_METRICS,
    HIERARCHICAL_METRICS,
    PATH_METRICS,
    VECTOR_METRICS,
    Averages,
    LabelScores,
    Pairs,
    Totals,
    averages,
    co_occurrence,
    confusion,
    label_scores,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from labeltune.evaluation.metrics.patterns import FloatArray, IntArray, Patterns
    from labeltune.evaluation.metrics.scores import Metric

__all__ = [
    "BOOTSTRAP",
    "PROPORTIONS",
    "SEED",
    "FieldQuality",
    "Level",
    "Quality",
    "Shape",
    "measure",
    "metrics_of_vector",
    "pattern_pairs",
]

BOOTSTRAP = 1000
"""How many resamples the intervals come from, unless said otherwise."""
SEED = 42
"""The seed of the resamples, unless said otherwise."""


@dataclass(frozen=True, slots=True)
class Shape:
    """One field as the metrics need it: where its labels stand in the vector, and what stands above it."""

    name: str
    labels: tuple[str, ...]
    part: slice
    single: bool
    paths: tuple[tuple[int, ...], ...] = ()
    """the legal paths to this field's labels, each as columns of the label vector from the top down"""


PROPORTIONS = ("exact_match", "accuracy", "path_accuracy")
"""Metrics that are nothing but a share of the rows."""


@dataclass(frozen=True, slots=True)
class Level:
    """Figures with their intervals at `intervals.LEVEL`."""

    metrics: Mapping[str, float]
    intervals: Mapping[str, Interval] = field(default_factory=dict)
    """of every metric, from the bootstrap; empty without one"""
    exact: Mapping[str, Interval] = field(default_factory=dict)
    """of `PROPORTIONS`, Clopper–Pearson: these hold what they promise where few rows, or all, are right"""

    def interval(self, name: str) -> Interval | None:
        """The one to show: exact for a proportion, else the bootstrap's."""
        return self.exact.get(name) or self.intervals.get(name)


@dataclass(frozen=True, slots=True)
class FieldQuality(Level):
    """The figures of one field."""

    shape: Shape = field(kw_only=True)
    scores: LabelScores = field(kw_only=True)
    """(n_labels,) each"""
    score_intervals: Mapping[str, tuple[FloatArray, FloatArray]] = field(kw_only=True)
    """`precision`, `recall`: Clopper–Pearson; `f1`: bootstrap. Low and high, (n_labels,) each"""
    averages: Mapping[str, Averages] = field(kw_only=True)
    totals: Totals = field(kw_only=True)
    """(n_labels,) each: how often each label was there, was predicted, and both"""
    confusion: IntArray = field(kw_only=True)
    """Rows by true label (lines) and predicted label (columns). A single field has one column more, for no
    valid answer; in a multi field a row counts once for each pair of its labels."""


@dataclass(frozen=True, slots=True)
class Quality(Level):
    """The figures of one set of predictions, over the whole label vector and for each field."""

    rows: int = field(kw_only=True)
    invalid: int = field(kw_only=True)
    invalid_interval: Interval = field(kw_only=True)
    fields: tuple[FieldQuality, ...] = field(kw_only=True)
    bootstrap: int = field(kw_only=True)
    seed: int = field(kw_only=True)

    @property
    def invalid_rate(self) -> float:
        """The share of rows without a valid answer."""
        return self.invalid / self.rows


def pattern_pairs(pairs: Pairs) -> tuple[Pairs, Patterns]:
    """The distinct lines of `pairs`, and the patterns they are."""
    patterns = find_patterns([pairs.true, pairs.pred, pairs.valid[:, None]])
    return pairs[patterns.first], patterns


@dataclass(frozen=True, slots=True)
class _View:
    """Part of the label vector, or something derived from it, with what is measured on it."""

    pairs: Pairs
    metrics: Mapping[str, Metric]


def measure(
    pairs: Pairs,
    patterns: Patterns,
    shapes: Sequence[Shape],
    *,
    bootstrap: int = BOOTSTRAP,
    seed: int = SEED,
) -> Quality:
    """Measure predictions given as one line of `pairs` per pattern, all fields side by side.

    With `bootstrap=0` there are no intervals but those of proportions. There must be at least one row.
    """
    whole = _View(pairs, metrics_of_vector(shapes))
    views = [list(_views(pairs, shape)) for shape in shapes]
    drawn = _Draws()
    if bootstrap:
        for weights in resamples(patterns, count=bootstrap, seed=seed):
            drawn.add("", whole, weights)
            for shape, parts in zip(shapes, views, strict=True):
                for part in parts:
                    drawn.add(shape.name, part, weights)
    rows = patterns.rows
    points = _points(whole, patterns)
    invalid = int(patterns.counts[~pairs.valid].sum())
    low, high = clopper_pearson(invalid, rows)
    return Quality(
        metrics=points,
        intervals=drawn.intervals(""),
        exact=_exact(points, rows),
        rows=rows,
        invalid=invalid,
        invalid_interval=Interval(float(low), float(high)),
        fields=tuple(
            _measure_field(shape, parts, patterns, drawn) for shape, parts in zip(shapes, views, strict=True)
        ),
        bootstrap=bootstrap,
        seed=seed,
    )


def metrics_of_vector(shapes: Sequence[Shape]) -> Mapping[str, Metric]:
    """What is measured on the whole vector; with exactly one single field, its own metrics too."""
    singles = [shape for shape in shapes if shape.single]
    if len(singles) != 1:
        return VECTOR_METRICS
    part = singles[0].part
    return {**VECTOR_METRICS, **{name: _restricted(metric, part) for name, metric in CLASS_METRICS.items()}}


def _restricted(metric: Metric, part: slice) -> Metric:
    """The metric of some of the labels, computed from the totals of all."""

    def restricted(totals: Totals) -> FloatArray:
        return metric(totals.columns(part))

    return restricted


def _views(pairs: Pairs, shape: Shape) -> Iterator[_View]:
    """What is measured of one field, its own labels first."""
    own = pairs.columns(shape.part)
    metrics = {**VECTOR_METRICS, **CLASS_METRICS} if shape.single else VECTOR_METRICS
    yield _View(own, {**metrics, _LABEL_F1: _label_f1})
    if not shape.paths:
        return
    depth = len(shape.paths[0])
    levels = [list(dict.fromkeys(path[:length] for path in shape.paths)) for length in range(1, depth + 1)]
    yield _View(_on_paths(pairs, levels[-1]), PATH_METRICS)
    ancestors = [_on_paths(pairs, level) for level in levels]
    yield _View(
        Pairs(
            np.hstack([level.true for level in ancestors]),
            np.hstack([level.pred for level in ancestors]),
            pairs.valid,
        ),
        HIERARCHICAL_METRICS,
    )


_LABEL_F1 = "the F1 of each label"


def _label_f1(totals: Totals) -> FloatArray:
    return label_scores(totals).f1


def _on_paths(pairs: Pairs, paths: Sequence[tuple[int, ...]]) -> Pairs:
    """Whether each line shows each path: every label on the way down."""
    return Pairs(
        np.column_stack([pairs.true[:, path].all(axis=1) for path in paths]),
        np.column_stack([pairs.pred[:, path].all(axis=1) for path in paths]),
        pairs.valid,
    )


def _points(view: _View, patterns: Patterns) -> dict[str, float]:
    totals = Totals.of_rows(view.pairs, patterns.counts, patterns.inverse)
    return {name: float(metric(totals)) for name, metric in view.metrics.items() if name != _LABEL_F1}


def _exact(metrics: Mapping[str, float], rows: int) -> dict[str, Interval]:
    """The exact interval of each proportion among `metrics`."""
    ends = {
        name: clopper_pearson(round(metrics[name] * rows), rows) for name in PROPORTIONS if name in metrics
    }
    return {name: Interval(float(low), float(high)) for name, (low, high) in ends.items()}


def _measure_field(shape: Shape, views: Sequence[_View], patterns: Patterns, drawn: _Draws) -> FieldQuality:
    own = views[0].pairs
    totals = Totals.of_rows(own, patterns.counts, patterns.inverse)
    metrics: dict[str, float] = {}
    for view in views:
        metrics |= _points(view, patterns)
    label_intervals = {
        "precision": clopper_pearson(totals.tp, totals.pred),
        "recall": clopper_pearson(totals.tp, totals.true),
    }
    if (f1 := drawn.label_f1(shape.name)) is not None:
        label_intervals["f1"] = f1
    return FieldQuality(
        metrics=metrics,
        intervals=drawn.intervals(shape.name),
        exact=_exact(metrics, patterns.rows),
        shape=shape,
        scores=label_scores(totals),
        score_intervals=label_intervals,
        averages=averages(totals),
        totals=totals,
        confusion=(confusion if shape.single else co_occurrence)(own, patterns.counts),
    )


class _Draws:
    """What was measured on the resamples: values by field ("" is the whole vector) and metric."""

    def __init__(self) -> None:
        self._blocks: dict[str, dict[str, list[FloatArray]]] = {}

    def add(self, name: str, view: _View, weights: IntArray) -> None:
        totals = Totals.of(view.pairs, weights)
        blocks = self._blocks.setdefault(name, {})
        for metric_name, metric in view.metrics.items():
            blocks.setdefault(metric_name, []).append(metric(totals))

    def intervals(self, name: str) -> dict[str, Interval]:
        return {
            metric_name: Interval(*(float(end) for end in percentile_interval(np.concatenate(blocks))))
            for metric_name, blocks in self._blocks.get(name, {}).items()
            if metric_name != _LABEL_F1
        }

    def label_f1(self, name: str) -> tuple[FloatArray, FloatArray] | None:
        if name not in self._blocks:
            return None
        low, high = percentile_interval(np.concatenate(self._blocks[name][_LABEL_F1]))
        return low, high
