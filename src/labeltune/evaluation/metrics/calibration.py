"""Whether confidences and probabilities can be believed, and what a limit on them buys."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from labeltune.evaluation.metrics.intervals import (
    LEVEL,
    Z_LEVEL,
    Interval,
    exact_interval,
    unlike_share,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from labeltune.evaluation.metrics.patterns import BoolArray, FloatArray, IntArray

__all__ = [
    "LOSSES",
    "Bin",
    "BinSums",
    "Coverage",
    "CoverageSums",
    "Loss",
    "binary_losses",
    "calibration_error",
    "calibration_interval",
    "class_losses",
    "largest_losses",
    "reliability",
]

BINS = 15
"""As Guo and others (2017)."""
COVERAGE_LIMITS = (0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99)


@dataclass(frozen=True, slots=True)
class Bin:
    """Rows of about the same confidence: how sure the model was, and how often it was right."""

    low: float
    high: float
    rows: int
    confidence: float
    accuracy: float


@dataclass(frozen=True, slots=True)
class BinSums:
    """What is added up in each bin, (n_bins,) each. Rows may come in pieces: the sums are those of all."""

    counts: IntArray
    sure: FloatArray
    hits: IntArray

    @classmethod
    def empty(cls, bins: int = BINS) -> BinSums:
        """Of no rows yet, in so many bins of equal width."""
        return cls(np.zeros(bins, np.int64), np.zeros(bins), np.zeros(bins, np.int64))

    def plus(self, confidence: FloatArray, right: BoolArray) -> BinSums:
        """With these rows, (n_rows,) each."""
        bins = len(self.counts)
        places = np.minimum((confidence * bins).astype(np.int64), bins - 1)
        # One float is added after the other, those of before first: pieces give the sum of the whole.
        carried = np.concatenate([np.arange(bins), places])
        weights = np.concatenate([self.sure, confidence])
        sure = np.bincount(carried, weights=weights, minlength=bins).astype(np.float64)
        return BinSums(
            self.counts + np.bincount(places, minlength=bins),
            sure,
            self.hits + np.bincount(places[right], minlength=bins),
        )

    def bins(self) -> tuple[Bin, ...]:
        """Those that hold rows."""
        width = len(self.counts)
        return tuple(
            Bin(
                place / width,
                (place + 1) / width,
                int(self.counts[place]),
                float(self.sure[place] / self.counts[place]),
                float(self.hits[place] / self.counts[place]),
            )
            for place in np.flatnonzero(self.counts).tolist()
        )


def reliability(confidence: FloatArray, right: BoolArray, *, bins: int = BINS) -> tuple[Bin, ...]:
    """Rows by confidence in bins of equal width, empty bins left out; both arrays (n_rows,)."""
    return BinSums.empty(bins).plus(confidence, right).bins()


def calibration_error(bins: Sequence[Bin]) -> float:
    """The expected calibration error (Naeini and others 2015): the mean gap, bins weighted by rows."""
    rows = sum(one.rows for one in bins)
    return sum(one.rows * abs(one.accuracy - one.confidence) for one in bins) / rows


def calibration_interval(bins: Sequence[Bin], *, bootstrap: int, seed: int) -> Interval | None:
    """The interval of `calibration_error`, None without resamples.

    Chance alone opens a gap in every bin, so that the measured error is larger than the true one, and that of
    a resample larger still. Therefore the question is turned round: which true errors would make the measured
    one likely? The gaps are scaled, all by one factor from 0 (a calibrated model) up, and the ends are the
    errors whose resamples exceed the measured error, or fall short of it, with 2.5 % (inversion of a test, as
    Clopper and Pearson invert the binomial; with the factor 0 it is the consistency resampling of Bröcker and
    Smith 2007). It always holds the figure.
    """
    if not bootstrap:
        return None
    scaled = _ScaledGaps.of(bins, bootstrap, seed)
    error = calibration_error(bins)
    tail = (1 - LEVEL) / 2
    low = scaled.error(scaled.factor(error, 1 - tail))
    high = scaled.error(scaled.factor(error, tail))
    # However alike those seen are, some rows may be unlike them and all wrong.
    high = max(high, error + (1 - error) * unlike_share(scaled.rows))
    return Interval(min(low, error), high)


_MOST = 4.0
"""The largest factor that is tried: beyond it next to every bin is as wrong as it can be."""
_STEP = 1e-3
"""How closely a factor is found."""


@dataclass(frozen=True, slots=True)
class _ScaledGaps:
    """Bins whose gaps between accuracy and confidence are so many times as wide."""

    shares: FloatArray
    """(n_bins,) of the rows"""
    confidence: FloatArray
    gaps: FloatArray
    drawn: IntArray
    """(n_resamples, n_bins) the rows of each bin; a bin's mean confidence stays, for it can hardly move"""
    seed: int

    @classmethod
    def of(cls, bins: Sequence[Bin], bootstrap: int, seed: int) -> _ScaledGaps:
        rows = np.array([one.rows for one in bins], dtype=np.int64)
        shares = rows / rows.sum()
        confidence = np.array([one.confidence for one in bins])
        accuracy = np.array([one.accuracy for one in bins])
        drawn = np.random.default_rng(seed).multinomial(int(rows.sum()), shares, size=bootstrap)
        return cls(shares, confidence, accuracy - confidence, drawn, seed)

    @property
    def rows(self) -> int:
        return int(self.drawn[0].sum())

    def accuracy(self, factor: float) -> FloatArray:
        return np.clip(self.confidence + factor * self.gaps, 0.0, 1.0)

    def error(self, factor: float) -> float:
        """The true error of rows with these gaps."""
        return float(self.shares @ np.abs(self.accuracy(factor) - self.confidence))

    def quantile(self, factor: float, share: float) -> float:
        """Of the errors that are measured on resamples of such rows."""
        # Every factor has the same stream, so that what comes out moves with the factor.
        hits = np.random.default_rng([self.seed, 1]).binomial(self.drawn, self.accuracy(factor))
        errors = np.abs(hits - self.drawn * self.confidence).sum(axis=1) / self.rows
        return float(np.quantile(errors, share))

    def factor(self, error: float, share: float) -> float:
        """The factor whose resamples have `error` at a quantile; 0 or the most where none has it."""
        low, high = 0.0, _MOST
        if self.quantile(low, share) >= error:
            return low
        if self.quantile(high, share) <= error:
            return high
        # By halves: scipy's finder of roots takes longer to import than this takes.
        while high - low > _STEP:
            middle = (low + high) / 2
            if self.quantile(middle, share) < error:
                low = middle
            else:
                high = middle
        return high


@dataclass(frozen=True, slots=True)
class Coverage:
    """What it brings to let a person look at rows whose confidence is below `limit`."""

    limit: float
    kept: int
    review: int
    accuracy: float | None
    """of the rows kept; None if there are none"""
    interval: Interval | None
    """of the accuracy, exact"""
    errors_found: int
    """wrong rows among those to review"""


@dataclass(frozen=True, slots=True)
class CoverageSums:
    """How many rows, and right ones, there are in all and at each limit. Rows may come in pieces."""

    limits: tuple[float, ...]
    kept: IntArray
    """(n_limits,)"""
    hits: IntArray
    """(n_limits,) right ones of those kept"""
    rows: int = 0
    right: int = 0

    @classmethod
    def empty(cls, limits: Sequence[float] = COVERAGE_LIMITS) -> CoverageSums:
        """Of no rows yet."""
        chosen = tuple(sorted(set(limits)))
        return cls(chosen, np.zeros(len(chosen), np.int64), np.zeros(len(chosen), np.int64))

    def plus(self, confidence: FloatArray, right: BoolArray) -> CoverageSums:
        """With these rows, (n_rows,) each. One without a confidence (NaN) is always for review."""
        kept = [confidence >= limit for limit in self.limits]  # false for NaN
        return CoverageSums(
            self.limits,
            self.kept + np.array([one.sum() for one in kept], dtype=np.int64),
            self.hits + np.array([(right & one).sum() for one in kept], dtype=np.int64),
            self.rows + len(right),
            self.right + int(right.sum()),
        )

    def table(self) -> tuple[Coverage, ...]:
        """Coverage and accuracy at each limit."""
        return tuple(
            Coverage(
                limit=limit,
                kept=kept,
                review=self.rows - kept,
                accuracy=hits / kept if kept else None,
                interval=exact_interval(hits, kept) if kept else None,
                errors_found=self.rows - self.right - (kept - hits),
            )
            for limit, kept, hits in zip(self.limits, self.kept.tolist(), self.hits.tolist(), strict=True)
        )


@dataclass(frozen=True, slots=True)
class Loss:
    """A mean over rows, with its interval by the normal distribution; None where there is one row only."""

    mean: float
    interval: Interval | None

    @classmethod
    def of(cls, values: FloatArray, largest: float) -> Loss:
        """From the loss of each row, (n_rows,), and the largest that a row can have.

        Where all rows have the same, their spread says nothing: some unlike them may not have been seen.
        """
        mean = float(values.mean())
        if len(values) < 2:
            return cls(mean, None)
        if np.ptp(values) == 0:
            unlike = unlike_share(len(values))
            return cls(mean, Interval(mean * (1 - unlike), mean + unlike * (largest - mean)))
        reach = Z_LEVEL * float(values.std(ddof=1)) / math.sqrt(len(values))
        return cls(mean, Interval(max(0.0, mean - reach), mean + reach))


LOSSES = ("log_loss", "brier")
"""Less is better."""


def largest_losses(n_labels: int, *, single: bool) -> tuple[float, float]:
    """The largest that a row can have, in the order of `LOSSES`."""
    return -math.log(np.finfo(np.float64).eps), 2.0 if single and n_labels > 2 else 1.0


def class_losses(true: BoolArray, probability: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Log loss and Brier score of each row of a single field, (n_rows,); the arrays are (n_rows, n_labels),
    `true` one-hot.

    Probabilities are divided by their sum. The Brier score (1950) is summed over the labels, and halved where
    there are only two.
    """
    total = probability.sum(axis=1, keepdims=True)
    shares = np.where(total > 0, probability / np.where(total > 0, total, 1), 1 / probability.shape[1])
    brier = ((shares - true) ** 2).sum(axis=1)
    return -np.log(_clipped(shares[true])), brier / 2 if true.shape[1] == 2 else brier


def binary_losses(true: BoolArray, probability: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Log loss and Brier score of each row of a multi field, (n_rows,): of each label as a yes or no, and the
    mean over labels.
    """
    said = np.where(true, probability, 1 - probability)
    return -np.log(_clipped(said)).mean(axis=1), ((probability - true) ** 2).mean(axis=1)


def _clipped(probability: FloatArray) -> FloatArray:
    """Away from 0 by the smallest step from 1, so that one certain error does not outweigh everything."""
    return np.maximum(probability, np.finfo(np.float64).eps)
