"""All the figures of one set of predictions: metrics, intervals, and the scores of each label."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from labeltune.evaluation.metrics.estimates import estimate_of
from labeltune.evaluation.metrics.intervals import (
    Interval,
    bootstrap_interval,
    clopper_pearson,
    exact_interval,
    f1_interval,
    resamples,
)
from labeltune.evaluation.metrics.label_means import LABEL_MEANS, Sample
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

    from labeltune.evaluation.metrics.patterns import CountedPatterns, FloatArray, IntArray, Patterns
    from labeltune.evaluation.metrics.scores import Metric

__all__ = [
    "BOOTSTRAP",
    "FEW_ROWS",
    "MEANS_OVER_LABELS",
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


FEW_ROWS = 5
"""On how many rows a label should be, at the least, for its part in a mean over labels to be bounded well."""
FEW_ROWS_SHARE = 0.25
"""How many of the labels may be on fewer."""

MEANS_OVER_LABELS = ("macro_f1", "balanced_accuracy", "path_macro_f1")
"""Metrics in which a label of one row weighs as much as one of a thousand."""

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
    """`precision`, `recall` and `f1`, exact: low and high, (n_labels,) each"""
    averages: Mapping[str, Averages] = field(kw_only=True)
    totals: Totals = field(kw_only=True)
    """(n_labels,) each: how often each label was there, was predicted, and both"""
    confusion: IntArray = field(kw_only=True)
    """Rows by true label (lines) and predicted label (columns). A single field has one column more, for no
    valid answer; in a multi field a row counts once for each pair of its labels."""

    @property
    def few_rows(self) -> bool:
        """Whether a quarter of the labels or more are on so few rows that the interval of a mean over labels
        can be too narrow.
        """
        return float((self.scores.support < FEW_ROWS).mean()) >= FEW_ROWS_SHARE


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
    draws: dict[str, list[FloatArray]] = field(default_factory=dict)
    """what was measured on the resamples, by metric and block; empty without them"""

    def draw(self, weights: IntArray) -> None:
        """Measure a block of resamples."""
        totals = Totals.of(self.pairs, weights)
        for name, metric in self.metrics.items():
            if name not in LABEL_MEANS:
                self.draws.setdefault(name, []).append(metric(totals))

    def measured(self, sample: Sample, seed: int) -> tuple[dict[str, float], dict[str, Interval]]:
        """The metrics of the data, and their intervals if there are resamples."""
        points = {name: float(metric(sample.totals)) for name, metric in self.metrics.items()}
        if not self.draws:
            return points, {}
        return points, {name: self._interval(name, point, sample, seed) for name, point in points.items()}

    def _interval(self, name: str, point: float, sample: Sample, seed: int) -> Interval:
        if name in LABEL_MEANS:
            return LABEL_MEANS[name](point, sample)
        estimate = estimate_of(name, point, sample.totals)
        return bootstrap_interval(np.concatenate(self.draws[name]), estimate, seed=seed)


def measure(
    pairs: Pairs,
    patterns: CountedPatterns,
    shapes: Sequence[Shape],
    *,
    bootstrap: int = BOOTSTRAP,
    seed: int = SEED,
) -> Quality:
    """Measure predictions given as one line of `pairs` per pattern, all fields side by side.

    With `bootstrap=0` there are no intervals but the exact ones. There must be at least one row.
    """
    views = [list(_views(pairs, shape)) for shape in shapes]
    # A field that is alone is the whole vector: what it gave is not measured again.
    whole = views[0][:1] if len(shapes) == 1 else list(_whole(pairs, shapes))
    if bootstrap:
        drawn = [view for parts in views for view in parts] + (whole if len(shapes) > 1 else [])
        for weights in resamples(patterns, count=bootstrap, seed=seed):
            for view in drawn:
                view.draw(weights)
    points, intervals, _ = _measured(whole, patterns, seed)
    rows = patterns.rows
    invalid = int(patterns.counts[~pairs.valid].sum())
    return Quality(
        metrics=points,
        intervals=intervals,
        exact=_exact(points, rows),
        rows=rows,
        invalid=invalid,
        invalid_interval=exact_interval(invalid, rows),
        fields=tuple(
            _measure_field(shape, parts, patterns, seed) for shape, parts in zip(shapes, views, strict=True)
        ),
        bootstrap=bootstrap,
        seed=seed,
    )


def _measured(
    views: Sequence[_View], patterns: CountedPatterns, seed: int
) -> tuple[dict[str, float], dict[str, Interval], Totals]:
    """Figures and intervals of several views side by side, and the totals of the first."""
    points: dict[str, float] = {}
    intervals: dict[str, Interval] = {}
    every = [Totals.of_rows(view.pairs, patterns) for view in views]
    for view, totals in zip(views, every, strict=True):
        sample = Sample(totals, view.pairs, patterns.counts)
        more_points, more_intervals = view.measured(sample, seed)
        points |= more_points
        intervals |= more_intervals
    return points, intervals, every[0]


def _whole(pairs: Pairs, shapes: Sequence[Shape]) -> Iterator[_View]:
    """What is measured on the vector of several fields."""
    yield _View(pairs, VECTOR_METRICS)
    singles = [shape for shape in shapes if shape.single]
    if len(singles) == 1:
        yield _View(pairs.columns(singles[0].part), CLASS_METRICS)


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
    yield _View(own, metrics)
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


def _on_paths(pairs: Pairs, paths: Sequence[tuple[int, ...]]) -> Pairs:
    """Whether each line shows each path: every label on the way down."""
    return Pairs(
        np.column_stack([pairs.true[:, path].all(axis=1) for path in paths]),
        np.column_stack([pairs.pred[:, path].all(axis=1) for path in paths]),
        pairs.valid,
    )


def _exact(metrics: Mapping[str, float], rows: int) -> dict[str, Interval]:
    """The exact interval of each proportion among `metrics`."""
    return {
        name: exact_interval(round(metrics[name] * rows), rows) for name in PROPORTIONS if name in metrics
    }


def _measure_field(
    shape: Shape, views: Sequence[_View], patterns: CountedPatterns, seed: int
) -> FieldQuality:
    own = views[0].pairs
    metrics, intervals, totals = _measured(views, patterns, seed)
    return FieldQuality(
        metrics=metrics,
        intervals=intervals,
        exact=_exact(metrics, patterns.rows),
        shape=shape,
        scores=label_scores(totals),
        score_intervals={
            "precision": clopper_pearson(totals.tp, totals.pred),
            "recall": clopper_pearson(totals.tp, totals.true),
            "f1": f1_interval(totals.tp, totals.true, totals.pred),
        },
        averages=averages(totals),
        totals=totals,
        confusion=(confusion if shape.single else co_occurrence)(own, patterns.counts),
    )
