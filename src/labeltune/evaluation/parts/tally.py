"""What is added up of the pieces of many parts: all that a report needs of the rows."""

from __future__ import annotations

import copy
from collections import Counter
from typing import TYPE_CHECKING

import numpy as np

from labeltune.evaluation.confidence import ConfidenceSums, ProbabilityCounts
from labeltune.evaluation.metrics.patterns import find_patterns
from labeltune.evaluation.parts.row_codes import RowCodes
from labeltune.evaluation.parts.seen_patterns import SeenPatterns, SpooledPatterns
from labeltune.evaluation.parts.wrong_rows import WrongRows
from labeltune.evaluation.rows import SHOWN_ERRORS

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Self

    from labeltune.evaluation.metrics.patterns import FloatArray, IntArray
    from labeltune.evaluation.metrics.quality import Shape
    from labeltune.evaluation.metrics.scores import Pairs
    from labeltune.evaluation.parts.pieces import Piece
    from labeltune.evaluation.predictions import Predictions

__all__ = ["MOST_CONFIDENCES", "MOST_IDS", "MOST_PROBABILITIES", "Tally"]

MOST_PROBABILITIES = 50_000_000
"""Of how many probabilities the ranking is measured: more would take over a gigabyte."""
MOST_CONFIDENCES = 10_000_000
"""Of how many rows the confidences are put in order."""
MOST_IDS = 10_000_000
"""Among how many ids those are looked for that repeat."""


class Tally:
    """Adds up pieces. A part that turns out to be read otherwise is taken back whole: `mark`, `back_to`.

    What it holds does not grow with the rows, but for probabilities, confidences and keys of ids, all
    bounded, and four bytes a row in a temporary file. Use it with `with`.
    """

    def __init__(self, shapes: Sequence[Shape], n_labels: int, *, errors: bool) -> None:
        self._shapes, self._errors = shapes, errors
        self.seen = SeenPatterns(n_labels)
        self.codes = RowCodes()
        self.problems: Counter[str] = Counter()
        self.confidences = ConfidenceSums.empty()
        self.has_confidences = False
        self.told = ProbabilityCounts(0, np.zeros(len(shapes), dtype=np.int64))
        self.has_probabilities = False
        self.lacks: tuple[str, ...] = ()
        self.too_many_probabilities = self.too_many_confidences = self.too_many_ids = False
        self._counts = self._unsure = np.zeros(0, dtype=np.int64)
        self._wrong = WrongRows.empty(SHOWN_ERRORS)
        self._shares: tuple[FloatArray, ...] = ()
        self._sureness: tuple[FloatArray, ...] = ()
        self._ids: tuple[IntArray, ...] = ()
        self._n_labels = n_labels

    def mark(self) -> Tally:
        """What has been added up so far."""
        kept = copy.copy(self)
        kept.problems = self.problems.copy()
        return kept

    def back_to(self, mark: Tally) -> None:
        """Forget what came after a mark. Patterns that were seen keep their numbers."""
        rows = mark._rows
        self.__dict__.update(mark.mark().__dict__)
        self.codes.cut(rows)

    @property
    def _rows(self) -> int:
        return int(self._counts.sum())

    def add(self, taken: Piece, *, part: int, first: int) -> None:
        """Take a piece: of which part, and the place there of its first row."""
        piece = taken.said
        used = np.flatnonzero(piece.patterns.counts)
        numbers = np.full(len(piece.patterns.counts), -1, dtype=np.int64)
        numbers[used] = self.seen.numbers(piece.pairs[used])
        codes = numbers[piece.patterns.inverse]
        before = _padded(self._counts, len(self.seen))
        if self._errors:
            self._add_wrong(piece, codes, before, part=part, first=first)
        self._counts = before + np.bincount(codes, minlength=len(before))
        self._unsure = _padded(self._unsure, len(before)) + np.bincount(
            codes[piece.unsure], minlength=len(before)
        )
        self.codes.append(codes)
        self.problems.update(piece.problems)
        self.confidences = self.confidences.plus(piece)
        self.has_confidences |= piece.confidence is not None
        self.told += ProbabilityCounts.of(piece, self._shapes)
        self._add_shares(piece)
        self._add_sureness(piece)
        self._add_ids(taken.keys)

    def _add_wrong(
        self, piece: Predictions, codes: IntArray, before: IntArray, *, part: int, first: int
    ) -> None:
        wrong = ~self.seen.pairs().right
        self._wrong = self._wrong.plus(
            codes, wrong, before, piece.confidence, part=part, first=first, ranks=self.seen.ranks()
        )

    def _add_shares(self, piece: Predictions) -> None:
        self.lacks = self.lacks or piece.lacks
        self.has_probabilities |= piece.probabilities is not None
        if self._rows * self._n_labels > MOST_PROBABILITIES:
            self.too_many_probabilities |= self.has_probabilities
            self._shares = ()
            return
        shares = piece.probabilities
        if shares is None:
            shares = np.full((piece.rows, self._n_labels if self.has_probabilities else 0), np.nan)
        self._shares = (*self._shares, shares)

    def _add_sureness(self, piece: Predictions) -> None:
        if self._rows > MOST_CONFIDENCES:
            self.too_many_confidences |= self.has_confidences
            self._sureness = ()
            return
        if piece.confidence is None:
            sureness = np.full(piece.rows, np.nan)
        else:
            sureness = np.where(piece.pairs.valid[piece.patterns.inverse], piece.confidence, np.nan)
        self._sureness = (*self._sureness, sureness)

    def _add_ids(self, keys: IntArray | None) -> None:
        if keys is None:
            return
        if self._rows > MOST_IDS:
            self.too_many_ids, self._ids = True, ()
            return
        self._ids = (*self._ids, keys)

    # all of it

    def patterns(self) -> tuple[Pairs, SpooledPatterns, IntArray]:
        """Each pattern that rows show, how many, and how many of those are unsure, in the usual order."""
        size = len(self.seen)
        counts, unsure = _padded(self._counts, size), _padded(self._unsure, size)
        # One that only a piece showed that was taken back is none.
        used = np.flatnonzero(counts)
        pairs = self.seen.pairs()[used]
        found = find_patterns([pairs.true, pairs.pred, pairs.valid[:, None]], counts=counts[used])
        places = np.full(size, -1, dtype=np.int64)
        places[used] = found.inverse
        spooled = SpooledPatterns(found.counts, places, self.codes)
        return pairs[found.first], spooled, unsure[used][found.first]

    def probabilities(self) -> tuple[IntArray, FloatArray] | None:
        """The code of each row, and its probabilities, (n_rows, n_labels); None without, or with too many."""
        if not self.has_probabilities or self.too_many_probabilities:
            return None
        none = np.nan
        shares = [one if one.shape[1] else np.full((len(one), self._n_labels), none) for one in self._shares]
        return self.codes.all(), np.concatenate(shares)

    def sureness(self) -> FloatArray | None:
        """(n_rows,) the confidence of valid answers, NaN of others; None without any, or with too many."""
        if not self.has_confidences or self.too_many_confidences:
            return None
        return np.concatenate(self._sureness)

    def repeated_ids(self) -> frozenset[int]:
        """The keys of ids that may occur more than once."""
        if not self._ids:
            return frozenset()
        keys = np.sort(np.concatenate(self._ids))
        return frozenset(keys[1:][keys[1:] == keys[:-1]].tolist())

    def wrong_rows(self) -> list[tuple[int, int]]:
        """The part and the place there of each wrong row that is shown."""
        return self._wrong.picked(self.seen.ranks()) if self._errors else []

    def close(self) -> None:
        """Let go of the temporary file."""
        self.codes.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _padded(numbers: IntArray, size: int) -> IntArray:
    return np.concatenate([numbers, np.zeros(size - len(numbers), dtype=np.int64)])
