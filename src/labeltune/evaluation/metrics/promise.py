"""Choosing the confidence from which answers can be promised to be right to some share.

Why the choice is as it is, and how often it keeps its promise, is in docs/decisions/0022-unsure-answers.md.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from labeltune.evaluation.metrics.intervals import LEVEL, Interval, exact_interval
from labeltune.evaluation.metrics.tuning import between
from labeltune.proportions import Tail

if TYPE_CHECKING:
    from collections.abc import Sequence

    from labeltune.evaluation.metrics.patterns import BoolArray, FloatArray, IntArray

__all__ = ["STEP", "Promise", "Ranking", "choose_promise", "fewest_rows", "promise_of"]

STEP = 1.02
"""A cut is looked at that keeps about so many times as many rows as the one before: looks have a price."""
_WALKS = 20_000
"""Simulated files without any cut that keeps the promise; the 5 % of them are known to 3 % of themselves."""
_BLOCK = 2_000
"""So many at once, which bounds memory."""
_SEED = 42


@dataclass(frozen=True, slots=True)
class Promise:
    """A limit, and what the rows at or above it score on the rows that it was chosen on."""

    below: float
    """answers of a lower confidence are unsure"""
    accuracy: float
    """what is promised of the others"""
    probability: float
    """with which the promise is kept on new rows"""
    rows: int
    """that it was chosen on, those without a confidence included"""
    sure: int
    """how many of them are at or above the limit"""
    right: int
    """how many of those are right"""

    @property
    def coverage(self) -> float:
        """The share of rows that are sure."""
        return self.sure / self.rows

    @property
    def interval(self) -> Interval:
        """Of the accuracy of the sure rows, exact; on the rows of the choice it is a little too good."""
        return exact_interval(self.right, self.sure)


@dataclass(frozen=True, slots=True)
class Ranking:
    """The confidences of rows in order, without those (NaN) of rows that have none."""

    rows: int
    """how many rows there are, those without a confidence included"""
    confidence: FloatArray
    """(n_known,) falling"""
    right: FloatArray
    """(n_right,) those of the right rows, rising"""

    @classmethod
    def of(cls, confidence: FloatArray, right: BoolArray) -> Ranking:
        """Rank rows, both arrays (n_rows,)."""
        known = ~np.isnan(confidence)
        hits, misses = np.sort(confidence[known & right]), np.sort(confidence[known & ~right])
        both = np.concatenate([misses, hits])
        both.sort(kind="stable")  # merges two rising halves; another sort of all takes as long as the first
        return cls(len(confidence), both[::-1], hits)

    def hits(self, kept: IntArray) -> IntArray:
        """How many are right of so many rows, if all rows are kept that are as sure as the last of these."""
        return len(self.right) - np.searchsorted(self.right, self.confidence[kept - 1])


def fewest_rows(accuracy: float) -> int:
    """How many sure rows show an accuracy if all of them are right: 59 for 0.95."""
    return math.ceil(math.log(1 - LEVEL) / math.log(accuracy))


def choose_promise(
    confidence: FloatArray, right: BoolArray, *, accuracy: float, step: float = STEP
) -> Promise | None:
    """The lowest limit whose rows keep `accuracy` (between 0 and 1) on new rows, with probability `LEVEL`.

    Both arrays (n_rows,); a row without a confidence (NaN) is never sure. See `promise_of`.
    """
    return promise_of(Ranking.of(confidence, right), accuracy=accuracy, step=step)


def promise_of(ranking: Ranking, *, accuracy: float, step: float = STEP) -> Promise | None:
    """The same, of rows that were ranked before.

    A cut passes if so many right rows above it were unlikely (exact binomial, one-sided) from rows that are
    right less often than promised. As that is asked of many cuts, how unlikely is set by simulation: of files
    on which every cut falls just short, 1 - `LEVEL` get a limit. None where no cut passes. A larger `step`
    looks at fewer cuts, which is quicker.
    """
    ranked = ranking.confidence
    kept = _cuts(ranked, accuracy, step)
    if not kept.size:
        return None
    cuts, hits = tuple(kept.tolist()), ranking.hits(kept)
    chance = _chance(hits, _tails(cuts, accuracy))
    # Of many looks the least likely must be less so than a single one: what is not needs no simulation.
    if chance.min() > 2 * (1 - LEVEL) or not (passed := chance <= _level(cuts, accuracy)).any():
        return None
    sure = int(kept[passed][-1])
    below = float(ranked[sure]) if sure < len(ranked) else 0.0
    return Promise(
        below=between(below, float(ranked[sure - 1])),
        accuracy=accuracy,
        probability=LEVEL,
        rows=ranking.rows,
        sure=sure,
        right=int(hits[passed][-1]),
    )


def _cuts(ranked: FloatArray, accuracy: float, step: float) -> IntArray:
    """How many rows each cut that is looked at keeps, rising; they do not depend on which rows are right.

    Rows of equal confidence stand or fall together.
    """
    least, rows = fewest_rows(accuracy), len(ranked)
    if rows < least:
        return np.array([], dtype=np.int64)
    steps = np.arange(1 + math.log(rows / least) / math.log(step))
    wanted = np.append(np.ceil(least * step**steps), rows).astype(np.int64)
    ends = np.append(np.flatnonzero(ranked[1:] != ranked[:-1]) + 1, rows)
    places = np.searchsorted(ends, wanted[wanted <= rows], side="right") - 1
    kept: IntArray = np.unique(ends[places[places >= 0]])
    return kept[kept >= least]


def _tails(kept: Sequence[int], accuracy: float) -> list[Tail]:
    """(n_cuts,) how likely so many hits are among the rows that each cut keeps, if that share is right."""
    return [Tail(rows, accuracy) for rows in kept]


def _chance(hits: IntArray, tails: Sequence[Tail]) -> FloatArray:
    """(…, n_cuts) how likely at least so many hits (…, n_cuts) of each cut are."""
    return np.stack([tail.at_least(hits[..., cut]) for cut, tail in enumerate(tails)], axis=-1)


@lru_cache(maxsize=64)
def _level(kept: tuple[int, ...], accuracy: float) -> float:
    """The chance at which a cut just passes, so that no more than 1 - `LEVEL` of the simulated files have one
    that does.

    In these each row is right with the probability promised, whatever its confidence: the edge of what may
    not pass, and where the many looks mislead most.
    """
    generator = np.random.default_rng(_SEED)
    rows, tails = np.diff(kept, prepend=0), _tails(kept, accuracy)
    least = []
    for _ in range(0, _WALKS, _BLOCK):
        right = generator.binomial(rows, accuracy, size=(_BLOCK, len(rows)))
        least.append(_chance(right.cumsum(axis=1), tails).min(axis=1))
    ranked = np.sort(np.concatenate(least))
    # Of few rows many files have the very same chance: all of them pass, or none does.
    passing = ranked[ranked < ranked[int((1 - LEVEL) * _WALKS)]]
    return float(passing[-1]) if passing.size else 0.0
