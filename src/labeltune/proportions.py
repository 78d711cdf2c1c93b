"""The proportion that makes a count of successes just likely enough, an end of Clopper–Pearson's interval;
and how likely counts are for a known proportion.

`scipy.special.betaincinv` is the same to 12 places and more, `betainc` to 11. Importing them costs an eighth
of what the evaluation of a million rows does, of which these few numbers are the smallest part.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["Tail", "low_end"]

_NEAR = 1e-8
"""As near to the tail's logarithm, one more of Newton's steps leaves no error that a float could show."""

_MOST_STEPS = 50
"""Some six are taken."""

_DEVIATIONS, _MORE = 12, 60
"""So many standard deviations and counts away from the mean, what is left of a tail is below 1e-30."""


class Tail:
    """How likely `trials` have so many successes or more, each of them with the probability `share`.

    All counts near the mean are worked out at once, each probability from the one before.
    """

    def __init__(self, trials: int, share: float) -> None:
        mean = trials * share
        reach = _DEVIATIONS * math.sqrt(mean * (1 - share)) + _MORE
        self._first = max(0, int(mean - reach))
        counts = np.arange(self._first, min(trials, int(mean + reach)) + 1)
        ratios = (trials - counts[:-1]) / counts[1:] * (share / (1 - share))
        logs = np.append(0.0, np.cumsum(np.log(ratios)))
        sums = np.exp(logs - logs.max())[::-1].cumsum()[::-1]
        self._chances = np.append(sums / sums[0], 0.0)

    def at_least(self, successes: NDArray[np.int64]) -> NDArray[np.float64]:
        """The probabilities of at least so many, of the same shape; 1 or 0 far from the mean."""
        chances: NDArray[np.float64] = self._chances.take(successes - self._first, mode="clip")
        return chances


@lru_cache(maxsize=4096)
def low_end(successes: int, trials: int, tail: float) -> float:
    """The proportion at which so many successes or more, at least 1, have the probability `tail`.

    Newton's method for the logarithm of that probability in the log-odds. It is concave there, for the
    logistic beta distribution is log-concave: after the first step the root is approached from below.
    """
    k, n = successes, trials
    if k == n:
        return float(tail ** (1 / n))
    # The terms of the sum beyond the first, relative to it: ten standard deviations, more where they are few.
    steps = np.arange(min(n - k, int(10 * math.sqrt(k * (n - k) / n)) + 60))
    ratios = (n - k - steps) / (k + 1 + steps)
    p = k / (n + 1)
    for _ in range(_MOST_STEPS):
        terms = 1.0 + float(np.cumprod(ratios * (p / (1 - p))).sum())
        off = _log_binomial(k, n, p) + math.log(terms) - math.log(tail)
        log_odds = math.log(p) - math.log1p(-p) - off * terms / (k * (1 - p))
        p = 1 / (1 + math.exp(-log_odds))
        if abs(off) < _NEAR:
            break
    return p


def _log_binomial(k: int, n: int, p: float) -> float:
    """The logarithm of the probability of k of n, 0 < k < n, without the cancellation of large factorials
    (Loader 2000, "Fast and accurate computation of binomial probabilities").
    """
    rest = n - k
    return (
        _stirling_error(n)
        - _stirling_error(k)
        - _stirling_error(rest)
        - _deviance(k, n * p)
        - _deviance(rest, n * (1 - p))
        + 0.5 * math.log(n / (2 * math.pi * k * rest))
    )


def _stirling_error(n: int) -> float:
    """By how much log n! is more than Stirling's formula gives."""
    if n < 16:
        return math.lgamma(n + 1) - (n + 0.5) * math.log(n) + n - 0.5 * math.log(2 * math.pi)
    square = n * n
    return (1 / 12 - (1 / 360 - (1 / 1260 - (1 / 1680 - 1 / 1188 / square) / square) / square) / square) / n


def _deviance(count: int, expected: float) -> float:
    """`count · log(count / expected) + expected - count`, which is small where the two are near."""
    more = (count - expected) / expected
    return count * math.log1p(more) - expected * more
