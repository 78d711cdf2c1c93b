"""Which of some texts are nearest to another one, by what the local engines know of texts.

Sentence vectors where the extra `embed` is installed; else the words, pairs and pieces of words of `linear`,
weighted by how few texts have them (Spärck Jones 1972). Both compare by the cosine.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Protocol

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Floats = NDArray[np.float32]

__all__ = ["Nearness", "open_nearness"]


class Nearness(Protocol):
    """Knows some texts."""

    name: str
    """By what texts are compared."""

    def to(self, texts: Sequence[str]) -> Floats:
        """How near each of the known texts is to each of these, (n_texts, n_known), at most 1."""
        ...


class _Vectors:
    """By sentence vectors."""

    name = "embed"

    def __init__(self, texts: Sequence[str]) -> None:
        from labeltune.local.engines import Base
        from labeltune.local.engines.embed.sources import describe, find_folder
        from labeltune.local.engines.embed.vectors import Vectors

        folder = find_folder(Base("embed"))
        assert folder is not None  # the extra's own vectors are on the disk
        self._vectors = Vectors(describe(folder, own=True))
        self._known = self._vectors.of(texts)

    def to(self, texts: Sequence[str]) -> Floats:
        near: Floats = self._vectors.of(texts) @ self._known.T
        return near


class _Words:
    """By words and pieces of words."""

    name = "linear"

    def __init__(self, texts: Sequence[str]) -> None:
        from scipy.sparse import csc_array

        from labeltune.local.engines.linear.features import Vocabulary, pieces_of, plain, words_of

        words: dict[str, None] = {}
        pieces: dict[str, None] = {}
        for lowered in map(plain, texts):
            own = words_of(lowered)
            words |= dict.fromkeys([*own, *(f"{left} {right}" for left, right in pairwise(own))])
            for token in lowered.split():
                pieces |= dict.fromkeys(pieces_of(token))
        self._vocabulary = Vocabulary(list(words), list(pieces))
        found = [self._vocabulary.features(text) for text in texts]
        counts = np.bincount(
            np.concatenate([numbers for numbers, _ in found]), minlength=len(self._vocabulary)
        )
        self._rarity = (np.log((1 + len(texts)) / (1 + counts)) + 1).astype(np.float32)
        weighted = [self._weighted(numbers, values) for numbers, values in found]
        starts = np.cumsum([0, *(len(numbers) for numbers, _ in found)])
        rows = np.repeat(np.arange(len(texts)), np.diff(starts))
        cells = (np.concatenate(weighted), (rows, np.concatenate([numbers for numbers, _ in found])))
        self._known = csc_array(cells, shape=(len(texts), len(self._vocabulary)))

    def _weighted(self, numbers: NDArray[np.int32], values: Floats) -> Floats:
        weighted: Floats = values * self._rarity[numbers]
        return weighted / max(float(np.sqrt(weighted @ weighted)), 1e-12)

    def to(self, texts: Sequence[str]) -> Floats:
        return np.stack([self._to(text) for text in texts])

    def _to(self, text: str) -> Floats:
        numbers, values = self._vocabulary.features(text)
        near: Floats = self._known[:, numbers] @ self._weighted(numbers, values)
        return near


def open_nearness(texts: Sequence[str]) -> Nearness:
    """What tells how near other texts are to these, of which there is at least one."""
    from labeltune.local.engines.embed.extra import is_installed

    return _Vectors(texts) if is_installed() else _Words(texts)
