"""How far people agree on labels: percent, Cohen's kappa, Krippendorff's alpha, for values without an order.

Units are what is labelled, here texts. Any number of people may have labelled any of them; what nobody else
labelled says nothing about agreement, and counts nowhere.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from labeltune.evaluation.metrics.intervals import Estimate, Interval, bootstrap_interval

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    FloatArray = NDArray[np.float64]
    IntArray = NDArray[np.int64]

__all__ = [
    "MISSING",
    "Alpha",
    "Pair",
    "alphas_of_labels",
    "compare_pair",
    "krippendorff_alpha",
    "percent_agreement",
]

MISSING = -1
"""The code of an answer that was not given."""

_CELLS = 1 << 22
"""How many weights are held at once: 32 MiB."""


@dataclass(frozen=True, slots=True)
class Alpha:
    """Krippendorff's alpha; None where only one value was given, so that chance alone explains all."""

    value: float | None
    interval: Interval | None
    """at 95 %, from resampled units; None without resamples"""


@dataclass(frozen=True, slots=True)
class Pair:
    """Two people on the units that both labelled."""

    units: int
    percent: float | None
    """the share on which they agree, 0 to 1; None without common units"""
    kappa: float | None
    """Cohen's kappa; None where chance alone explains all"""


def compare_pair(one: IntArray, other: IntArray) -> Pair:
    """Two people's codes of the same units, (n_units,) each, `MISSING` where there is none.

    Kappa is (p_o - p_e) / (1 - p_e), with p_e the agreement of people who label at random, each as often as
    they do (Cohen 1960, A coefficient of agreement for nominal scales).
    """
    both = (one != MISSING) & (other != MISSING)
    one, other = one[both], other[both]
    if not one.size:
        return Pair(0, None, None)
    observed = float((one == other).mean())
    size = int(max(one.max(), other.max())) + 1
    shares = [np.bincount(codes, minlength=size) / codes.size for codes in (one, other)]
    expected = float(shares[0] @ shares[1])
    kappa = None if np.isclose(expected, 1) else (observed - expected) / (1 - expected)
    return Pair(int(one.size), observed, kappa)


def percent_agreement(counts: IntArray) -> float | None:
    """The share of pairs of answers to one unit that agree, 0 to 1; None if no unit has two answers.

    `counts` (n_units, n_values): how many people gave a unit each value.
    """
    answers = counts.sum(axis=1)
    pairs = float((answers * (answers - 1)).sum())
    return float((counts * (counts - 1)).sum()) / pairs if pairs else None


def krippendorff_alpha(counts: IntArray, *, bootstrap: int, seed: int) -> Alpha:
    """Alpha of nominal values, 1 - D_o / D_e (Krippendorff 2011, Computing Krippendorff's Alpha-Reliability).

    `counts` (n_units, n_values): how many people gave a unit each value; missing answers are not in it.
    The interval is the percentile one of `bootstrap` resamples of units (Zapf et al. 2016, Measuring
    inter-rater reliability for nominal data), moved as `bootstrap_interval` says.
    """
    return _alphas(counts, counts.sum(axis=1), together=True, bootstrap=bootstrap, seed=seed)[0]


def alphas_of_labels(given: IntArray, answers: IntArray, *, bootstrap: int, seed: int) -> list[Alpha]:
    """Alpha of each label against all others: whether it was given or not.

    `given` (n_units, n_labels) is how many people gave a unit each label, `answers` (n_units,) how many
    answered at all.
    """
    return _alphas(given, answers, together=False, bootstrap=bootstrap, seed=seed)


def _alphas(given: IntArray, answers: IntArray, *, together: bool, bootstrap: int, seed: int) -> list[Alpha]:
    paired = answers > 1
    given, answers = given[paired], answers[paired]
    if not given.size:
        return [Alpha(None, None)] * (1 if together else given.shape[1])
    rows, frequency = np.unique(np.column_stack([answers, given]), axis=0, return_counts=True)
    parts = _Parts(rows[:, 1:], rows[:, 0], together=together)
    values, expected = parts.alphas(frequency[np.newaxis].astype(np.float64))
    drawn = [parts.alphas(weights)[0] for weights in _resamples(frequency, bootstrap, seed)]
    resampled = np.concatenate(drawn) if drawn else np.empty((0, values.shape[1]))
    return [
        _alpha(values[0, column], expected[0, column], resampled[:, column], len(answers), seed)
        for column in range(values.shape[1])
    ]


def _alpha(value: float, expected: float, resampled: FloatArray, units: int, seed: int) -> Alpha:
    if np.isnan(value):
        return Alpha(None, None)
    if not resampled.size:
        return Alpha(float(value), None)
    # One more unit on which nobody agrees has a disagreement of 1.
    estimate = Estimate(float(value), units, lowest=max(-1.0, 1 - 1 / expected), floor=-1.0)
    return Alpha(float(value), bootstrap_interval(resampled, estimate, seed=seed))


class _Parts:
    """What each kind of unit adds to observed and expected disagreement."""

    def __init__(self, given: IntArray, answers: IntArray, *, together: bool) -> None:
        self._given, self._answers = given.astype(np.float64), answers.astype(np.float64)
        self._together = together
        others = self._answers[:, np.newaxis] - self._given
        self._differ = self._given * others / (self._answers - 1)[:, np.newaxis]

    def alphas(self, weights: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Alpha and expected disagreement, (n_resamples, n_alphas), of weights (n_resamples, n_kinds)."""
        total = (weights @ self._answers)[:, np.newaxis]
        each = weights @ self._given
        observed = weights @ self._differ / total
        expected = each * (total - each) / (total * (total - 1))
        if self._together:
            observed, expected = (array.sum(axis=1, keepdims=True) for array in (observed, expected))
        else:
            observed, expected = 2 * observed, 2 * expected  # given for not given, and the other way round
        with np.errstate(divide="ignore", invalid="ignore"):
            values = np.where(expected > 0, 1 - observed / expected, np.nan)
        return values, expected


def _resamples(frequency: Any, count: int, seed: int) -> Iterator[FloatArray]:
    """Weights of `count` resamples of units, in blocks (k, n_kinds)."""
    generator = np.random.default_rng(seed)
    units = int(frequency.sum())
    block = max(1, _CELLS // len(frequency))
    for start in range(0, count, block):
        size = min(block, count - start)
        yield generator.multinomial(units, frequency / units, size=size).astype(np.float64)
