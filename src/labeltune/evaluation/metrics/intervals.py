"""How far a figure can be trusted: the bootstrap for any metric, Clopper–Pearson for a plain proportion."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

    from labeltune.evaluation.metrics.patterns import FloatArray, IntArray, Patterns

__all__ = ["LEVEL", "Z_LEVEL", "Interval", "clopper_pearson", "percentile_interval", "resamples"]

LEVEL = 0.95
"""The level of every interval."""
Z_LEVEL = 1.959964
"""The normal quantile of a two-sided interval at that level."""

_CELLS = 1 << 22
"""How many weights are held at once: 32 MiB."""

_INDEXING_PAYS = 11
"""One binomial draw costs as much as about this many drawn row numbers."""


@dataclass(frozen=True, slots=True)
class Interval:
    """A confidence interval at `LEVEL`."""

    low: float
    high: float


def resamples(patterns: Patterns, *, count: int, seed: int) -> Iterator[IntArray]:
    """Draw `count` bootstrap resamples as weights over the patterns, in blocks of shape (k, n_patterns).

    Drawing n rows with replacement and counting their patterns is one draw from a multinomial distribution,
    so rows need not be drawn at all; where nearly every row is a pattern of its own, drawing them is quicker.
    """
    generator = np.random.default_rng(seed)
    rows, size = patterns.rows, len(patterns.counts)
    shares = patterns.counts / rows
    # The rows by pattern, so that their order in the file changes nothing.
    in_order = np.repeat(np.arange(size), patterns.counts)
    block = max(1, min(count, _CELLS // size))
    for start in range(0, count, block):
        wanted = min(block, count - start)
        if size * _INDEXING_PAYS <= rows:
            yield generator.multinomial(rows, shares, size=wanted)
        else:
            drawn = (in_order[generator.integers(0, rows, rows)] for _ in range(wanted))
            yield np.stack([np.bincount(codes, minlength=size) for codes in drawn])


def percentile_interval(values: FloatArray) -> Any:
    """The percentile interval (Efron 1979) of values (n_resamples, …): low and high, each of shape (…)."""
    tail = (1 - LEVEL) / 2
    return np.quantile(values, [tail, 1 - tail], axis=0)


def clopper_pearson(successes: Any, trials: Any) -> tuple[FloatArray, FloatArray]:
    """The exact interval of a proportion (Clopper and Pearson 1934), for numbers or arrays of them.

    Without a trial nothing is known: 0 to 1.
    """
    from scipy.special import betaincinv

    k = np.asarray(successes, dtype=np.float64)
    n = np.asarray(trials, dtype=np.float64)
    tail = (1 - LEVEL) / 2
    # The arguments of the excluded ends are replaced: the beta distribution has no parameter 0.
    low = np.where(k > 0, betaincinv(np.maximum(k, 0.5), n - k + 1, tail), 0.0)
    high = np.where(k < n, betaincinv(k + 1, np.maximum(n - k, 0.5), 1 - tail), 1.0)
    return low, high
