"""What confidences and probabilities are worth, where a file of predictions has them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from labeltune.evaluation.metrics.calibration import (
    COVERAGE_LIMITS,
    LOSSES,
    BinSums,
    CoverageSums,
    Loss,
    binary_losses,
    calibration_error,
    calibration_interval,
    class_losses,
    largest_losses,
)
from labeltune.evaluation.metrics.paired import Difference, compare_ranking
from labeltune.evaluation.metrics.ranking import UNITS, measure_ranking, recall_precision
from labeltune.evaluation.report.model import Calibration, Curve, FieldProbabilities

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from labeltune.evaluation.metrics.patterns import BoolArray, FloatArray, IntArray
    from labeltune.evaluation.metrics.quality import Shape
    from labeltune.evaluation.predictions import Predictions

__all__ = [
    "ConfidenceSums",
    "ProbabilityCounts",
    "compare_probabilities",
    "measure_confidence",
    "measure_probabilities",
    "probabilities_by_field",
    "probability_warnings",
]


@dataclass(frozen=True, slots=True)
class ConfidenceSums:
    """What calibration and coverage add up. Rows may come in pieces: the figures are those of all."""

    bins: BinSums
    coverage: CoverageSums

    @classmethod
    def empty(cls, limits: Iterable[float] = ()) -> ConfidenceSums:
        """Of no rows yet; the coverage table gets a line for each of `limits`, besides its own."""
        return cls(BinSums.empty(), CoverageSums.empty((*COVERAGE_LIMITS, *limits)))

    def plus(self, predictions: Predictions) -> ConfidenceSums:
        """With these rows."""
        right = predictions.pairs.right[predictions.patterns.inverse]
        valid = predictions.pairs.valid[predictions.patterns.inverse]
        confidence = predictions.confidence
        if confidence is None:
            confidence = np.full(predictions.rows, np.nan)
        known = ~np.isnan(confidence) & valid
        return ConfidenceSums(
            self.bins.plus(confidence[known], right[known]),
            self.coverage.plus(np.where(valid, confidence, np.nan), right),
        )

    def measured(self, *, bootstrap: int, seed: int) -> Calibration | None:
        """Calibration and the coverage table; None without confidences."""
        bins = self.bins.bins()
        if not bins:
            return None
        return Calibration(
            rows=int(self.bins.counts.sum()),
            error=calibration_error(bins),
            interval=calibration_interval(bins, bootstrap=bootstrap, seed=seed),
            bins=bins,
            coverage=self.coverage.table(),
        )


def measure_confidence(
    predictions: Predictions, limits: Iterable[float] = (), *, bootstrap: int, seed: int
) -> Calibration | None:
    """Calibration and the coverage table, with a line for each of `limits`; None without confidences."""
    if predictions.confidence is None:
        return None
    return ConfidenceSums.empty(limits).plus(predictions).measured(bootstrap=bootstrap, seed=seed)


def measure_probabilities(
    predictions: Predictions, shapes: Sequence[Shape], *, bootstrap: int, seed: int
) -> Mapping[str, FieldProbabilities]:
    """By field; without those that no row has the probabilities of. Rows that lack one are left out."""
    if predictions.probabilities is None:
        return {}
    return probabilities_by_field(
        predictions.pairs.true,
        predictions.patterns.inverse,
        predictions.probabilities,
        shapes,
        bootstrap=bootstrap,
        seed=seed,
    )


def probabilities_by_field(
    true: BoolArray,
    inverse: IntArray,
    probabilities: FloatArray,
    shapes: Sequence[Shape],
    *,
    bootstrap: int,
    seed: int,
) -> Mapping[str, FieldProbabilities]:
    """The same from the true labels of patterns, (n_patterns, n_labels), and the pattern of each row."""
    found = {}
    for shape in shapes:
        known: BoolArray = np.isfinite(probabilities[:, shape.part].sum(axis=1))
        if known.any():
            there, shares = true[inverse[known], shape.part], probabilities[known, shape.part]
            found[shape.name] = _field(shape, there, shares, bootstrap=bootstrap, seed=seed)
    return found


def _known(predictions: Predictions, shape: Shape) -> BoolArray:
    """(n_rows,) which rows have the probability of every label of a field."""
    if predictions.probabilities is None:
        return np.zeros(predictions.rows, dtype=np.bool_)
    known: BoolArray = np.isfinite(predictions.probabilities[:, shape.part].sum(axis=1))
    return known


def probability_warnings(predictions: Predictions, shapes: Sequence[Shape]) -> list[str]:
    """Of which fields there are probabilities, but not on every row with a valid answer."""
    if predictions.probabilities is None:
        return []
    return ProbabilityCounts.of(predictions, shapes).warnings(predictions.source, shapes)


@dataclass(frozen=True, slots=True)
class ProbabilityCounts:
    """How many valid answers there are, and how many have all probabilities of each field."""

    valid: int
    known: IntArray
    """(n_fields,)"""

    @classmethod
    def of(cls, predictions: Predictions, shapes: Sequence[Shape]) -> ProbabilityCounts:
        """Of some rows."""
        valid = predictions.pairs.valid[predictions.patterns.inverse]
        known = [int((_known(predictions, shape) & valid).sum()) for shape in shapes]
        return cls(int(valid.sum()), np.array(known, dtype=np.int64))

    def __add__(self, other: ProbabilityCounts) -> ProbabilityCounts:
        return ProbabilityCounts(self.valid + other.valid, self.known + other.known)

    def warnings(self, source: str, shapes: Sequence[Shape]) -> list[str]:
        """A sentence for each field that not every valid answer has the probabilities of."""
        said = []
        for shape, known in zip(shapes, self.known.tolist(), strict=True):
            if known == self.valid:
                continue
            have = f"only {known:,} of {self.valid:,} valid answers have" if known else "no valid answer has"
            then = "figures on probabilities are about those" if known else "probabilities are not measured"
            why = (
                "" if shape.single else " (a list tells that of the labels in it, answers as flags tell all)"
            )
            said.append(f"{source}: {have} the probability of every label of {shape.name}{why}: {then}")
        return said


def _field(
    shape: Shape, true: BoolArray, probabilities: FloatArray, *, bootstrap: int, seed: int
) -> FieldProbabilities:
    log_loss, brier = map(
        Loss.of,
        _losses(shape, true, probabilities),
        largest_losses(true.shape[1], single=shape.single),
    )
    curves = [recall_precision(true[:, place], probabilities[:, place]) for place in range(true.shape[1])]
    average, rankings = measure_ranking(true, probabilities, bootstrap=bootstrap, seed=seed)
    return FieldProbabilities(
        rows=len(true),
        log_loss=log_loss,
        brier=brier,
        macro=average,
        ranking=rankings,
        groups=UNITS if bootstrap and len(true) > UNITS else None,
        curves=tuple(None if curve is None else Curve(*curve) for curve in curves),
    )


def _losses(shape: Shape, true: BoolArray, probabilities: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Of each row, (n_rows,), in the order of `LOSSES`."""
    return (class_losses if shape.single else binary_losses)(true, probabilities)


def compare_probabilities(
    ours: Predictions,
    other: Predictions,
    order: IntArray,
    shapes: Sequence[Shape],
    *,
    bootstrap: int,
    seed: int,
) -> Mapping[str, Difference]:
    """How much better ours rank rows, and how much more ours lose, by `METRIC`, or by `FIELD.METRIC` where
    there are several fields.

    `order` says where each of our rows stands in the other file. Empty where a file has no probabilities;
    rows that lack one in either are left out.
    """
    if ours.probabilities is None or other.probabilities is None:
        return {}
    found: dict[str, Difference] = {}
    for shape in shapes:
        known = _known(ours, shape) & _known(other, shape)[order]
        if known.any():
            true = ours.pairs.true[ours.patterns.inverse[known], shape.part]
            mine = ours.probabilities[known, shape.part]
            theirs = other.probabilities[order[known], shape.part]
            one = compare_ranking(true, mine, theirs, bootstrap=bootstrap, seed=seed)
            losses = zip(_losses(shape, true, mine), _losses(shape, true, theirs), strict=True)
            if len(true) > 1:
                one |= {
                    name: Difference.of_rows(here - there)
                    for name, (here, there) in zip(LOSSES, losses, strict=True)
                }
            prefix = "" if len(shapes) == 1 else f"{shape.name}."
            found |= {prefix + name: difference for name, difference in one.items()}
    return found
