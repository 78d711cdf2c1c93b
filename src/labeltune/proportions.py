"""The proportion that makes a count of successes just likely enough: an end of Clopper–Pearson's interval.

`scipy.special.betaincinv` is the same to 12 places and more. Importing it costs an eighth of what the
evaluation of a million rows does, of which these few numbers are the smallest part.
"""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np

__all__ = ["low_end"]

_NEAR = 1e-8
"""As near to the tail's logarithm, one more of Newton's steps leaves no error that a float could show."""

_MOST_STEPS = 50
"""Some six are taken."""


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
