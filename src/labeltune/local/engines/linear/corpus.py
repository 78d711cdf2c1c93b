"""Many texts at once: taken apart once, their features counted by products of sparse matrices."""

from __future__ import annotations

from array import array
from itertools import chain
from typing import TYPE_CHECKING, Any

import numpy as np
import scipy.sparse as sp

from labeltune.local.engines.linear.features import (
    CACHED_LENGTH,
    PieceCache,
    Vocabulary,
    pieces_of,
    plain,
    words_of,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from numpy.typing import NDArray

    Ints = NDArray[np.int64]

__all__ = ["CHUNK", "Corpus", "FeatureCounts"]

CHUNK = 1_000
"""Texts whose features are counted together."""


class _Parts:
    """The parts of each text, of one kind, as numbers."""

    def __init__(self) -> None:
        self.number: dict[str, int] = {}
        """By part, in the order of appearance."""
        self._of_all = array("i")
        self._ends = array("q", [0])

    def add(self, parts: list[str]) -> None:
        """Add the next text."""
        number = self.number
        self._of_all.extend([number.setdefault(part, len(number)) for part in parts])
        self._ends.append(len(self._of_all))

    def of(self, texts: Ints) -> tuple[Ints, Ints]:
        """The parts of some texts, one text after the other, and where each text's begin and end,
        (texts + 1,).
        """
        ends = np.frombuffer(self._ends, dtype=np.int64)
        begin, length = ends[texts], ends[texts + 1] - ends[texts]
        bounds = np.concatenate([[0], np.cumsum(length)])
        places = np.arange(bounds[-1]) + np.repeat(begin - bounds[:-1], length)
        return np.frombuffer(self._of_all, dtype=np.intc)[places].astype(np.int64), bounds


class Corpus:
    """Texts, each as its words and as what stands between white space."""

    def __init__(self, texts: Iterable[str]) -> None:
        self.words, self.tokens = _Parts(), _Parts()
        self._n = 0
        for text in texts:
            lowered = plain(text)
            self.words.add(words_of(lowered))
            self.tokens.add(lowered.split())
            self._n += 1

    def __len__(self) -> int:
        return self._n

    def pairs(self, words: Ints, bounds: Ints) -> tuple[Ints, Ints]:
        """A number for each pair of neighbours in texts, and the text of each; shape (pairs,) both."""
        row = np.repeat(np.arange(len(bounds) - 1), np.diff(bounds))
        together = row[1:] == row[:-1]
        return (words[:-1] * len(self.words.number) + words[1:])[together], row[1:][together]

    def vocabulary(self, n: int, *, rows: int, largest: int) -> Vocabulary:
        """The features that occur in at least `rows` of the first `n` texts; of more than `largest` the
        commonest.
        """
        n_words = len(self.words.number)
        in_words = np.zeros(n_words, dtype=np.int64)
        pieces: dict[str, int] = {}
        in_pieces = np.zeros(0, dtype=np.int64)
        every_pair = []
        takes = _TokenPieces(self.tokens, lambda piece: pieces.setdefault(piece, len(pieces)))
        for texts in _chunks(np.arange(n)):
            words, bounds = self.words.of(texts)
            row = np.repeat(np.arange(len(texts)), np.diff(bounds))
            in_words += np.bincount(_once(row, words, n_words)[1], minlength=n_words)
            codes, row = self.pairs(words, bounds)
            every_pair.append(_once(row, codes, n_words * n_words)[1])
            counted = takes.counts(texts, lambda: len(pieces))
            in_pieces = np.pad(in_pieces, (0, len(pieces) - len(in_pieces)))
            in_pieces += np.bincount(counted.indices, minlength=len(pieces))
        pairs, in_pairs = np.unique(np.concatenate([[], *every_pair]).astype(np.int64), return_counts=True)
        del every_pair
        pairs, in_pairs = pairs[in_pairs >= rows], in_pairs[in_pairs >= rows]
        counts = np.concatenate([in_words, in_pairs, in_pieces])
        kept = counts >= rows
        if kept.sum() > largest:
            few = np.zeros_like(kept)
            few[np.argsort(-counts, kind="stable")[:largest]] = True
            kept &= few
        of_words, of_pairs, of_pieces = np.split(kept, [n_words, n_words + len(pairs)])
        names = list(self.words.number)
        return Vocabulary(
            [names[word] for word in np.flatnonzero(of_words).tolist()]
            + [f"{names[code // n_words]} {names[code % n_words]}" for code in pairs[of_pairs].tolist()],
            [piece for piece, keep in zip(pieces, of_pieces.tolist(), strict=True) if keep],
        )


class FeatureCounts:
    """How often the features of a vocabulary occur in the texts of a corpus."""

    def __init__(self, corpus: Corpus, vocabulary: Vocabulary) -> None:
        self._corpus = corpus
        self._n = len(vocabulary)
        words = corpus.words.number
        self._of_word = np.array([vocabulary.words.get(word, -1) for word in words], dtype=np.int64)
        coded = [
            (words[left] * len(words) + words[right], number)
            for feature, number in vocabulary.words.items()
            for left, _, right in [feature.partition(" ")]
            if right and left in words and right in words
        ]
        table = np.array(sorted(coded), dtype=np.int64).reshape(-1, 2)
        self._pairs, self._of_pair = table[:, 0], table[:, 1]
        self._takes = _TokenPieces(corpus.tokens, vocabulary.pieces.get)

    def of(self, texts: Ints) -> sp.csr_matrix:
        """The counts in some texts, int (texts, features), the columns of each row rising."""
        words, bounds = self._corpus.words.of(texts)
        row = np.repeat(np.arange(len(texts)), np.diff(bounds))
        codes, row_of_pair = self._corpus.pairs(words, bounds)
        place = np.searchsorted(self._pairs, codes)
        known = place < len(self._pairs)
        known[known] = self._pairs[place[known]] == codes[known]
        columns = np.concatenate([self._of_word[words], self._of_pair[place[known]]])
        rows = np.concatenate([row, row_of_pair[known]])[columns >= 0]
        columns = columns[columns >= 0]
        ones = np.ones(len(columns), dtype=np.int32)
        found = sp.csr_matrix((ones, (rows, columns)), shape=(len(texts), self._n))
        found += self._takes.counts(texts, lambda: self._n)
        found.sort_indices()
        return found


class _TokenPieces:
    """The pieces of tokens, as `number` has them; it gives None for one that does not count."""

    def __init__(self, tokens: _Parts, number: Callable[[str], int | None]) -> None:
        self._tokens, self._number = tokens, number
        self._names = list(tokens.number)
        self._known: PieceCache[int] = PieceCache()

    def counts(self, texts: Ints, n_pieces: Callable[[], int]) -> sp.csr_matrix:
        """How often each piece is in each text, int (texts, pieces)."""
        tokens, bounds = self._tokens.of(texts)
        distinct, inverse = np.unique(tokens, return_inverse=True)
        pieces = [self._of(token) for token in distinct.tolist()]
        of_token = _csr(
            np.fromiter(chain.from_iterable(pieces), dtype=np.int32),
            np.cumsum([0, *map(len, pieces)]),
            n_pieces(),
        )
        return _csr(inverse, bounds, len(distinct)) @ of_token

    def _of(self, token: int) -> list[int]:
        found = self._known.get(token)
        if found is None:
            name = self._names[token]
            numbers = map(self._number, pieces_of(name))
            found = [number for number in numbers if number is not None]
            if len(name) <= CACHED_LENGTH:
                self._known.keep(token, found)
        return found


def _chunks(texts: Ints) -> Iterator[Ints]:
    return (texts[start : start + CHUNK] for start in range(0, len(texts), CHUNK))


def _once(rows: Ints, numbers: Ints, n: int) -> tuple[Ints, Ints]:
    """Each number of each row once; the numbers are below `n`."""
    return np.divmod(np.unique(rows * n + numbers), n)


def _csr(columns: NDArray[Any], bounds: Ints, width: int) -> sp.csr_matrix:
    """A matrix of ones; a column that comes twice in a row counts twice."""
    ones = np.ones(len(columns), dtype=np.int32)
    return sp.csr_matrix((ones, columns, bounds), shape=(len(bounds) - 1, width))
