"""Features of a text: how often its words, word pairs and pieces of words occur."""

from __future__ import annotations

import re
from itertools import pairwise
from sys import getsizeof
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

__all__ = [
    "CACHED_BYTES",
    "CACHED_LENGTH",
    "WORD",
    "Features",
    "PieceCache",
    "Vocabulary",
    "pieces_of",
    "pieces_with_starts",
    "plain",
    "values_of",
    "words_of",
]

Features = tuple["NDArray[np.int32]", "NDArray[np.float32]"]
"""Feature numbers, rising, and the value of each: 1 + ln(count)."""

WORD = re.compile(r"\w+|[^\w\s]")
_SHORTEST, _LONGEST = 2, 4
CACHED_LENGTH = 40
"""Only of tokens not longer than that the pieces are remembered."""
CACHED_BYTES = 32 << 20
"""How much memory is taken by the tokens that are remembered: some 100,000 of usual length."""
_ENTRY_BYTES = 72
"""What a place in a dict takes at most, as it doubles."""

K = TypeVar("K", str, int)


class PieceCache(dict[K, list[int]]):
    """The numbers of the pieces of tokens that were met, up to `CACHED_BYTES`; those of later ones are found
    anew each time, so that texts with ever new words take no more memory.
    """

    def __init__(self) -> None:
        super().__init__()
        self._room = CACHED_BYTES

    def keep(self, token: K, numbers: list[int]) -> None:
        """Remember a token, if there is room."""
        size = getsizeof(token) + getsizeof(numbers) + _ENTRY_BYTES
        if size <= self._room:
            self._room -= size
            self[token] = numbers


class Vocabulary:
    """The numbers of the features: words and pairs of neighbours first, then pieces of words.

    A word is a run of letters and digits or a single sign; a piece is 2 to 4 characters of what stands
    between white space, with one space at either end, so that beginnings and ends of words are pieces of
    their own. Case is ignored.
    """

    def __init__(self, words: Sequence[str], pieces: Sequence[str]) -> None:
        self._words = {word: number for number, word in enumerate(words)}
        self._pieces = {piece: number for number, piece in enumerate(pieces, start=len(self._words))}
        self._of_token: PieceCache[str] = PieceCache()

    def __len__(self) -> int:
        return len(self._words) + len(self._pieces)

    @property
    def n_words(self) -> int:
        """How many features are words or pairs; the pieces follow them."""
        return len(self._words)

    @property
    def words(self) -> Mapping[str, int]:
        """The numbers of words and pairs; a pair has a space between its words."""
        return self._words

    @property
    def pieces(self) -> Mapping[str, int]:
        """The numbers of pieces."""
        return self._pieces

    def features(self, text: str) -> Features:
        """The known features of a text."""
        lowered = plain(text)
        word_numbers = self._words
        words = words_of(lowered)
        words += [f"{left} {right}" for left, right in pairwise(words)]
        found = [word_numbers[word] for word in words if word in word_numbers]
        of_token = self._of_token
        for token in lowered.split():
            numbers = of_token.get(token)
            if numbers is None:
                piece_numbers = self._pieces
                numbers = [piece_numbers[piece] for piece in pieces_of(token) if piece in piece_numbers]
                if len(token) <= CACHED_LENGTH:
                    of_token.keep(token, numbers)
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


def values_of(counts: NDArray[Any]) -> NDArray[np.float32]:
    """What features count that occur so often, each at least once."""
    return _ONE_PLUS_LOG.take(counts, mode="clip")


def _counted(found: NDArray[np.int32]) -> Features:
    """Each number once, rising, with its value; `numpy.unique` takes twice as long for so few."""
    found.sort()
    first = np.empty(len(found) + 1, dtype=np.bool_)
    first[0] = first[-1] = True
    np.not_equal(found[1:], found[:-1], out=first[1:-1])
    starts = np.flatnonzero(first)
    counts = starts[1:] - starts[:-1]
    return found[starts[:-1]], values_of(counts)


def plain(text: str) -> str:
    """A text as its features see it."""
    # A lone surrogate cannot be written as UTF-8, and a vocabulary has to be.
    return text.encode("utf-8", "replace").decode("utf-8").lower()


def words_of(lowered: str) -> list[str]:
    """The words of a text."""
    return WORD.findall(lowered)


def pieces_with_starts(token: str) -> list[tuple[str, int]]:
    """The pieces of a token, and the character that each begins with; -1 is the space before the token."""
    length = len(token) + 2
    starts = (
        start - 1
        for size in range(_SHORTEST, min(_LONGEST, length) + 1)
        for start in range(length - size + 1)
    )
    return list(zip(pieces_of(token), starts, strict=True))


def pieces_of(token: str) -> list[str]:
    """The pieces of what stands between white space."""
    padded = f" {token} "
    length = len(padded)
    return [
        padded[start : start + size]
        for size in range(_SHORTEST, min(_LONGEST, length) + 1)
        for start in range(length - size + 1)
    ]
