"""Every metric as a function of weighted sums, so that a resample is measured as the data are.

Shapes: n_patterns lines, n_labels columns in task order. Weights have the shape (…, n_patterns):
(n_patterns,) for the data themselves, (n_resamples, n_patterns) for a bootstrap; what comes out has the
leading shape of the weights.
Zero division is 0 everywhere. The formulas are written out in docs/explanation/metrics.md.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from labeltune.evaluation.metrics.patterns import BoolArray, CountedPatterns, FloatArray, IntArray

__all__ = [
    "CLASS_METRICS",
    "HIERARCHICAL_METRICS",
    "PATH_METRICS",
    "VECTOR_METRICS",
    "Averages",
    "LabelScores",
    "Metric",
    "Pairs",
    "Totals",
    "averages",
    "co_occurrence",
    "confusion",
    "label_scores",
    "ratio",
]


@dataclass(frozen=True, slots=True)
class Pairs:
    """Truth and prediction side by side, one line per pattern (or per row)."""

    true: BoolArray
    """(n_patterns, n_labels)"""
    pred: BoolArray
    """(n_patterns, n_labels); all False where the answer was invalid"""
    valid: BoolArray
    """(n_patterns,) whether the answer was valid"""

    def __getitem__(self, lines: Any) -> Pairs:
        return Pairs(self.true[lines], self.pred[lines], self.valid[lines])

    def columns(self, part: slice) -> Pairs:
        """The same lines, some of the labels."""
        return Pairs(self.true[:, part], self.pred[:, part], self.valid)

    @property
    def right(self) -> BoolArray:
        """(n_patterns,) where the whole vector is right; an invalid answer never is."""
        matches: BoolArray = (self.true == self.pred).all(axis=1) & self.valid
        return matches


@dataclass(frozen=True, slots=True)
class Totals:
    """Weighted sums over lines: all that the metrics need to know."""

    rows: FloatArray
    tp: FloatArray
    """(…, n_labels) how often the label was there and predicted"""
    true: FloatArray
    """(…, n_labels) how often it was there"""
    pred: FloatArray
    """(…, n_labels) how often it was predicted"""
    right: FloatArray
    precision: FloatArray
    """the sum of each line's own precision; likewise the next three"""
    recall: FloatArray
    f1: FloatArray
    jaccard: FloatArray

    @classmethod
    def of(cls, pairs: Pairs, weights: IntArray | FloatArray) -> Totals:
        """Add up `pairs` under weights of shape (…, n_patterns)."""
        weights = weights.astype(np.float64)
        lines = _line_scores(pairs)
        sums = weights @ np.column_stack([pairs.right, *lines])
        return cls(
            rows=weights.sum(axis=-1),
            tp=weights @ (pairs.true & pairs.pred),
            true=weights @ pairs.true,
            pred=weights @ pairs.pred,
            right=sums[..., 0],
            precision=sums[..., 1],
            recall=sums[..., 2],
            f1=sums[..., 3],
            jaccard=sums[..., 4],
        )

    def columns(self, part: slice) -> Totals:
        """The same, `tp`, `true` and `pred` of some of the labels only."""
        return replace(self, tp=self.tp[..., part], true=self.true[..., part], pred=self.pred[..., part])

    @classmethod
    def of_rows(cls, pairs: Pairs, patterns: CountedPatterns) -> Totals:
        """The totals of the data themselves, the lines' own scores added up in the order of the rows.

        A sum of floats depends on its order in the last digit. In this one it is scikit-learn's own sum, and
        a rounded figure cannot come out differently.
        """
        precision, recall, f1, jaccard = map(np.asarray, patterns.add_up(_line_scores(pairs)))
        totals = cls.of(pairs, patterns.counts)
        return replace(totals, precision=precision, recall=recall, f1=f1, jaccard=jaccard)


def _line_scores(pairs: Pairs) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
    """Precision, recall, F1 and Jaccard index of each line (n_patterns,)."""
    both = (pairs.true & pairs.pred).sum(axis=1)
    true, pred = pairs.true.sum(axis=1), pairs.pred.sum(axis=1)
    return (
        ratio(both, pred),
        ratio(both, true),
        ratio(2 * both, true + pred),
        ratio(both, true + pred - both),
    )


def ratio(numerator: Any, denominator: Any) -> FloatArray:
    """Divide, 0 where the denominator is 0."""
    numerator = np.asarray(numerator, dtype=np.float64)
    denominator = np.asarray(denominator, dtype=np.float64)
    result = np.zeros(np.broadcast_shapes(numerator.shape, denominator.shape))
    np.divide(numerator, denominator, out=result, where=denominator != 0)
    return result


# --- per label ----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class LabelScores:
    """Scores of each label, all of shape (…, n_labels)."""

    precision: FloatArray
    recall: FloatArray
    f1: FloatArray
    support: FloatArray


def label_scores(totals: Totals) -> LabelScores:
    """Precision, recall, F1 and support of each label."""
    return LabelScores(
        precision=ratio(totals.tp, totals.pred),
        recall=ratio(totals.tp, totals.true),
        f1=ratio(2 * totals.tp, totals.true + totals.pred),
        support=totals.true,
    )


@dataclass(frozen=True, slots=True)
class Averages:
    """One averaged line of a report."""

    precision: FloatArray
    recall: FloatArray
    f1: FloatArray


def averages(totals: Totals) -> Mapping[str, Averages]:
    """The `micro`, `macro`, `weighted` and `samples` averages of precision, recall and F1."""
    labels = label_scores(totals)
    tp, true, pred = totals.tp.sum(axis=-1), totals.true.sum(axis=-1), totals.pred.sum(axis=-1)
    return {
        "micro": Averages(ratio(tp, pred), ratio(tp, true), ratio(2 * tp, true + pred)),
        "macro": Averages(
            labels.precision.mean(axis=-1), labels.recall.mean(axis=-1), labels.f1.mean(axis=-1)
        ),
        "weighted": Averages(
            _weighted(labels.precision, labels.support),
            _weighted(labels.recall, labels.support),
            _weighted(labels.f1, labels.support),
        ),
        "samples": Averages(
            totals.precision / totals.rows, totals.recall / totals.rows, totals.f1 / totals.rows
        ),
    }


def _weighted(scores: FloatArray, support: FloatArray) -> FloatArray:
    return ratio((scores * support).sum(axis=-1), support.sum(axis=-1))


# --- metrics ------------------------------------------------------------------------------------

Metric = Callable[[Totals], "FloatArray"]
"""What is measured on totals; of the leading shape of their weights."""


def _exact_match(totals: Totals) -> FloatArray:
    return totals.right / totals.rows


def _micro_precision(totals: Totals) -> FloatArray:
    return ratio(totals.tp.sum(axis=-1), totals.pred.sum(axis=-1))


def _micro_recall(totals: Totals) -> FloatArray:
    return ratio(totals.tp.sum(axis=-1), totals.true.sum(axis=-1))


def _micro_f1(totals: Totals) -> FloatArray:
    return ratio(2 * totals.tp.sum(axis=-1), (totals.true + totals.pred).sum(axis=-1))


def _macro_f1(totals: Totals) -> FloatArray:
    mean: FloatArray = label_scores(totals).f1.mean(axis=-1)
    return mean


def _weighted_f1(totals: Totals) -> FloatArray:
    return _weighted(label_scores(totals).f1, totals.true)


def _samples_f1(totals: Totals) -> FloatArray:
    return totals.f1 / totals.rows


def _hamming_loss(totals: Totals) -> FloatArray:
    wrong = (totals.true + totals.pred - 2 * totals.tp).sum(axis=-1)
    return ratio(wrong, totals.rows * totals.tp.shape[-1])


def _jaccard(totals: Totals) -> FloatArray:
    return totals.jaccard / totals.rows


VECTOR_METRICS: Mapping[str, Metric] = MappingProxyType(
    {
        "exact_match": _exact_match,
        "micro_f1": _micro_f1,
        "macro_f1": _macro_f1,
        "weighted_f1": _weighted_f1,
        "samples_f1": _samples_f1,
        "hamming_loss": _hamming_loss,
        "jaccard": _jaccard,
    }
)
"""Metrics of any label vector."""


def _accuracy(totals: Totals) -> FloatArray:
    return ratio(totals.tp.sum(axis=-1), totals.rows)


def _balanced_accuracy(totals: Totals) -> FloatArray:
    """The mean recall of the labels that occur."""
    there = totals.true > 0
    return ratio((label_scores(totals).recall * there).sum(axis=-1), there.sum(axis=-1))


def _margins(totals: Totals) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Σ t·p, Σ t² and Σ p² over the classes, "no answer" being one more class that is never true."""
    unanswered = totals.rows - totals.pred.sum(axis=-1)
    return (
        (totals.true * totals.pred).sum(axis=-1),
        (totals.true**2).sum(axis=-1),
        (totals.pred**2).sum(axis=-1) + unanswered**2,
    )


def _kappa(totals: Totals) -> FloatArray:
    """Cohen's kappa (1960)."""
    chance = _margins(totals)[0] / totals.rows
    return ratio(totals.tp.sum(axis=-1) - chance, totals.rows - chance)


def _mcc(totals: Totals) -> FloatArray:
    """Matthews' correlation for several classes, R_K of Gorodkin (2004)."""
    both, true, pred = _margins(totals)
    rows = totals.rows
    covariance = totals.tp.sum(axis=-1) * rows - both
    return ratio(covariance, np.sqrt((rows**2 - pred) * (rows**2 - true)))


CLASS_METRICS: Mapping[str, Metric] = MappingProxyType(
    {
        "accuracy": _accuracy,
        "balanced_accuracy": _balanced_accuracy,
        "kappa": _kappa,
        "mcc": _mcc,
    }
)
"""Metrics of one single field, whose vector is one-hot."""


PATH_METRICS: Mapping[str, Metric] = MappingProxyType(
    {"path_accuracy": _accuracy, "path_macro_f1": _macro_f1}
)
"""Metrics of a field below others, measured on whole paths: one-hot over the legal ones."""

HIERARCHICAL_METRICS: Mapping[str, Metric] = MappingProxyType(
    {
        "hierarchical_precision": _micro_precision,
        "hierarchical_recall": _micro_recall,
        "hierarchical_f1": _micro_f1,
    }
)
"""Metrics of vectors that hold a path and everything above it (Kiritchenko and others 2005)."""


def confusion(pairs: Pairs, counts: IntArray) -> IntArray:
    """Count true against predicted labels of a single field.

    (n_labels, n_labels + 1): lines are the truth, the last column are rows without a valid answer.
    """
    n_labels = pairs.true.shape[1]
    table = np.zeros((n_labels, n_labels + 1), dtype=np.int64)
    predicted = np.where(pairs.pred.any(axis=1), pairs.pred.argmax(axis=1), n_labels)
    np.add.at(table, (pairs.true.argmax(axis=1), predicted), counts)
    return table


def co_occurrence(pairs: Pairs, counts: IntArray) -> IntArray:
    """Count the rows on which a label was true (lines) while a label was predicted (columns).

    (n_labels, n_labels); the diagonal are the true positives.
    """
    true: IntArray = pairs.true * counts[:, None]
    together: IntArray = true.T @ pairs.pred
    return together
