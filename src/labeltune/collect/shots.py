"""Which examples a row is asked with: near it or drawn, and no label twice before another has its turn."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Literal

import numpy as np

from labeltune.collect.nearness import open_nearness

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from labeltune.collect.labelled import Labelled

__all__ = ["Pick", "Shots"]

Pick = Literal["near", "random"]


class Shots:
    """Chooses examples, the same for the same text.

    Examples of the same labels take turns: of the nearest of each combination of labels come the nearest,
    then of the second nearest, and so on. The nearest stands last, just before what is asked.
    """

    def __init__(self, rows: Sequence[Labelled], count: int, pick: Pick, *, seed: int) -> None:
        self._rows, self._count, self._seed = rows, min(count, len(rows)), seed
        kinds: dict[object, int] = {}
        self._kinds = np.array([kinds.setdefault(row.labels, len(kinds)) for row in rows], np.int64)
        self._near = open_nearness([row.text for row in rows]) if pick == "near" and self._count else None
        self._known: dict[bytes, NDArray[np.int32]] = {}
        self.name = "random" if self._near is None else f"near by {self._near.name}"
        """How they are chosen."""

    def of(self, text: str) -> list[Labelled]:
        """The examples for a text."""
        if not self._count:
            return []
        digest = hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).digest()
        places = self._known.get(digest)
        if places is None:
            places = self._known[digest] = self._choose(text, digest)
        return [self._rows[place] for place in places]

    def _choose(self, text: str, digest: bytes) -> NDArray[np.int32]:
        if self._near is None:
            drawn = np.random.default_rng([self._seed, int.from_bytes(digest, "big")])
            order = drawn.permutation(len(self._rows))
        else:
            order = np.argsort(-self._near.to(text), kind="stable")
        kinds = self._kinds[order]
        together = np.argsort(kinds, kind="stable")
        sizes = np.bincount(kinds)
        turns = np.empty(len(order), np.int64)
        turns[together] = np.arange(len(order)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
        chosen = np.lexsort((np.arange(len(order)), turns))[: self._count]
        return order[chosen][::-1].astype(np.int32)
