"""Features of a text: how often its words, word pairs and pieces of words occur."""

from __future__ import annotations

import re
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from numpy.typing import NDArray

__all__ = ["Features", "Vocabulary"]

Features = tuple["NDArray[np.int32]", "NDArray[np.float32]"]
"""Feature numbers, rising, and the value of each: 1 + ln(count)."""

_WORD = re.compile(r"\w+|[^\w\s]")
_SHORTEST, _LONGEST = 2, 4
_CACHED_LENGTH = 40
_CACHED_TOKENS = 200_000
_CHUNK = 2_000


class Vocabulary:
    """The numbers of the features: words and pairs of neighbours first, then pieces of words.

    A word is a run of letters and digits or a single sign; a piece is 2 to 4 characters of what stands
    between white space, with one space at either end, so that beginnings and ends of words are pieces of
    their own. Case is ignored.
    """

    def __init__(self, words: Sequence[str], pieces: Sequence[str]) -> None:
        self._words = {word: number for number, word in enumerate(words)}
        self._pieces = {piece: number for number, piece in enumerate(pieces, start=len(self._words))}
        self._of_token: dict[str, list[int]] = {}

    def __len__(self) -> int:
        return len(self._words) + len(self._pieces)

    @property
    def n_words(self) -> int:
        """How many features are words or pairs; the pieces follow them."""
        return len(self._words)

    @classmethod
    def of(cls, texts: Iterable[str], *, rows: int, largest: int) -> Vocabulary:
        """The features that occur in at least `rows` texts; of more than `largest` the commonest."""
        words: dict[str, int] = {}
        pieces: dict[str, int] = {}
        in_words, in_pieces = _RowCounter(), _RowCounter()
        of_token: dict[str, list[int]] = {}
        for text in texts:
            lowered = _plain(text)
            in_words.add([words.setdefault(word, len(words)) for word in _words_and_pairs(lowered)])
            found: list[int] = []
            for token in lowered.split():
                numbers = of_token.get(token)
                if numbers is None:
                    numbers = [pieces.setdefault(piece, len(pieces)) for piece in _pieces(token)]
                    if len(token) <= _CACHED_LENGTH:
                        of_token[token] = numbers
                found += numbers
            in_pieces.add(found)
        counts = np.concatenate([in_words.total(len(words)), in_pieces.total(len(pieces))])
        kept = counts >= rows
        if kept.sum() > largest:
            commonest = np.argsort(-counts, kind="stable")[:largest]
            few = np.zeros_like(kept)
            few[commonest] = True
            kept &= few
        kept_words, kept_pieces = kept[: len(words)].tolist(), kept[len(words) :].tolist()
        return cls(
            [word for word, keep in zip(words, kept_words, strict=True) if keep],
            [piece for piece, keep in zip(pieces, kept_pieces, strict=True) if keep],
        )

    def features(self, text: str) -> Features:
        """The known features of a text."""
        lowered = _plain(text)
        word_numbers = self._words
        found = [word_numbers[word] for word in _words_and_pairs(lowered) if word in word_numbers]
        of_token = self._of_token
        for token in lowered.split():
            numbers = of_token.get(token)
            if numbers is None:
                piece_numbers = self._pieces
                numbers = [piece_numbers[piece] for piece in _pieces(token) if piece in piece_numbers]
                if len(token) <= _CACHED_LENGTH and len(of_token) < _CACHED_TOKENS:
                    of_token[token] = numbers
            found += numbers
        return _counted(np.array(found, dtype=np.int32))

    def to_json(self) -> dict[str, list[str]]:
        """The features in the order of their numbers, as JSON values."""
        return {"words": list(self._words), "pieces": list(self._pieces)}

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Vocabulary:
        """The inverse of `to_json`."""
        return cls(values["words"], values["pieces"])


_ONE_PLUS_LOG = np.concatenate([[0.0], 1 + np.log(np.arange(1, 10_000))]).astype(np.float32)


def _counted(found: NDArray[np.int32]) -> Features:
    """Each number once, rising, with its value; `numpy.unique` takes twice as long for so few."""
    found.sort()
    first = np.empty(len(found) + 1, dtype=np.bool_)
    first[0] = first[-1] = True
    np.not_equal(found[1:], found[:-1], out=first[1:-1])
    starts = np.flatnonzero(first)
    counts = starts[1:] - starts[:-1]
    return found[starts[:-1]], _ONE_PLUS_LOG[np.minimum(counts, len(_ONE_PLUS_LOG) - 1)]


class _RowCounter:
    """In how many rows each number occurs, counted a chunk of rows at a time."""

    def __init__(self) -> None:
        self._rows: list[NDArray[np.int32]] = []
        self._counts = np.zeros(0, dtype=np.int64)

    def add(self, numbers: list[int]) -> None:
        self._rows.append(np.fromiter(set(numbers), dtype=np.int32))
        if len(self._rows) >= _CHUNK:
            self._sum()

    def total(self, size: int) -> NDArray[np.int64]:
        self._sum()
        return np.pad(self._counts, (0, size - len(self._counts)))

    def _sum(self) -> None:
        if self._rows:
            counts = np.bincount(np.concatenate(self._rows), minlength=len(self._counts))
            counts[: len(self._counts)] += self._counts
            self._counts = counts
            self._rows = []


def _plain(text: str) -> str:
    # A lone surrogate cannot be written as UTF-8, and a vocabulary has to be.
    return text.encode("utf-8", "replace").decode("utf-8").lower()


def _words_and_pairs(lowered: str) -> list[str]:
    words = _WORD.findall(lowered)
    return words + [f"{left} {right}" for left, right in pairwise(words)]


def _pieces(token: str) -> list[str]:
    padded = f" {token} "
    length = len(padded)
    return [
        padded[start : start + size]
        for size in range(_SHORTEST, min(_LONGEST, length) + 1)
        for start in range(length - size + 1)
    ]
