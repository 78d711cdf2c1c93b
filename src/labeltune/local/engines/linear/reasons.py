"""Why a linear model decided: what each word of a text adds to the score of a label.

A score is a sum over features. What a feature adds, its weight times its value, is divided evenly among the
places where it occurs: a word's share is the word's, that of a pair half of each word's, that of a piece goes
to the characters that it covers, and with them to the words that they are in. So the words add up to what
the features do.
"""

from __future__ import annotations

import re
import unicodedata
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from labeltune.local.engines.linear.features import WORD, pieces_with_starts, plain

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from labeltune.local.engines.linear.features import Vocabulary

    Floats = NDArray[np.float64]
    Span = tuple[int, int]

__all__ = ["word_shares"]

_TOKEN = re.compile(r"\S+")
_DIGITS = 9
"""Less is what is left of adding up."""
_LONG = 20
"""A word of more characters is cut where its characters change sides: compounds, and scripts that put no
space between words."""


def word_shares(
    vocabulary: Vocabulary, text: str, numbers: NDArray[np.int32], added: Floats
) -> dict[Span, Floats]:
    """The words of a text, as the characters where each begins and ends, and what each adds to each score.

    `numbers` are those of the text's features, rising, as `Vocabulary.features` gives them; `added` is what
    each feature adds to each score, float (features, directions).
    """
    lowered = plain(text)
    of_characters = _of_characters(vocabulary, lowered, numbers, added)
    original = _original(text, lowered)
    found: dict[Span, Floats] = {}
    for word in WORD.finditer(lowered):
        for begin, end in _cut(word.span(), lowered, of_characters):
            span = (original[begin], original[end - 1] + 1)
            found[span] = found.get(span, 0) + of_characters[begin:end].sum(axis=0)
    return found


def _of_characters(vocabulary: Vocabulary, lowered: str, numbers: NDArray[np.int32], added: Floats) -> Floats:
    """What each character adds, (characters, directions)."""
    places = [*_word_places(vocabulary, lowered), *_piece_places(vocabulary, lowered)]
    row = np.searchsorted(numbers, np.array([number for number, _ in places], dtype=np.int64))
    # Each occurrence of a feature adds the same part of it, and each character the same part of that.
    share = added / np.maximum(np.bincount(row, minlength=len(numbers)), 1)[:, None]
    spans = [
        (begin, end, owner, 1 / (len(spans) * (end - begin)))
        for owner, (_, spans) in zip(row.tolist(), places, strict=True)
        for begin, end in spans
    ]
    table = np.array(spans, dtype=np.float64).reshape(-1, 4)
    begins, ends, owners = table[:, :3].astype(np.int64).T
    each = share[owners] * table[:, 3:]
    steps = np.zeros((len(lowered) + 1, added.shape[1]))
    np.add.at(steps, begins, each)
    np.add.at(steps, ends, -each)
    return np.cumsum(steps[:-1], axis=0)


def _word_places(vocabulary: Vocabulary, lowered: str) -> Iterator[tuple[int, list[Span]]]:
    """The features that are words or pairs, each time they occur, and where."""
    found = [(match.group(), match.span()) for match in WORD.finditer(lowered)]
    for word, span in found:
        if (number := vocabulary.words.get(word)) is not None:
            yield number, [span]
    for (left, first), (right, second) in pairwise(found):
        if (number := vocabulary.words.get(f"{left} {right}")) is not None:
            yield number, [first, second]


def _piece_places(vocabulary: Vocabulary, lowered: str) -> Iterator[tuple[int, list[Span]]]:
    """The features that are pieces, each time they occur, and where; spaces are no place."""
    known: dict[str, list[tuple[int, int, int]]] = {}
    for match in _TOKEN.finditer(lowered):
        token, at = match.group(), match.start()
        found = known.get(token)
        if found is None:
            found = known[token] = [
                (number, max(start, 0), min(start + len(piece), len(token)))
                for piece, start in pieces_with_starts(token)
                if (number := vocabulary.pieces.get(piece)) is not None
            ]
        for number, begin, end in found:
            yield number, [(at + begin, at + end)]


def _cut(span: Span, text: str, of_characters: Floats) -> Iterator[Span]:
    """A word as it is, or in parts that speak for one side each."""
    begin, end = span
    wide = any(unicodedata.east_asian_width(character) in "WF" for character in text[begin:end])
    if end - begin > _LONG or wide:
        signs = np.sign(of_characters[begin:end, 0].round(_DIGITS))
        for place in (np.flatnonzero(signs[1:] != signs[:-1]) + begin + 1).tolist():
            yield begin, place
            begin = place
    yield begin, end


def _original(text: str, lowered: str) -> Sequence[int]:
    """For each character of a text in lower case the number of the one that it comes from."""
    if len(text) == len(lowered):
        return range(len(text))
    found: list[int] = np.repeat(np.arange(len(text)), [len(one.lower()) for one in text]).tolist()
    return found
