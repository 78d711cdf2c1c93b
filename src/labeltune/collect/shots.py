"""Which examples a row is asked with: near it or drawn, and no label twice before another has its turn."""

from __future__ import annotations

import hashlib
from itertools import islice
from typing import TYPE_CHECKING, Literal

import numpy as np

from labeltune.collect.nearness import open_nearness

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

    from labeltune.collect.labelled import Labelled

__all__ = ["Pick", "Shots"]

Pick = Literal["near", "random"]

_TOGETHER = 256
"""Texts are compared so many at a time."""
_DIGITS = 4


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

    def prepare(self, texts: Iterable[str]) -> None:
        """Choose for many texts: together they take a fraction of the time that each takes alone."""
        if not self._count:
            return
        unknown = (text for text in texts if _digest(text) not in self._known)
        while some := list(dict.fromkeys(islice(unknown, _TOGETHER))):
            self._choose(some)

    def of(self, text: str) -> list[Labelled]:
        """The examples for a text."""
        if not self._count:
            return []
        digest = _digest(text)
        if digest not in self._known:
            self._choose([text])
        return [self._rows[place] for place in self._known[digest]]

    def _choose(self, texts: Sequence[str]) -> None:
        """Choose for some texts, and keep what was chosen."""
        near = None if self._near is None else self._near.to(texts)
        for number, text in enumerate(texts):
            digest = _digest(text)
            if near is None:
                drawn = np.random.default_rng([self._seed, int.from_bytes(digest, "big")])
                order = drawn.permutation(len(self._rows))
            else:
                # Rounded: the last bits of a sum depend on what else is computed with it.
                order = np.argsort(-near[number].round(_DIGITS), kind="stable")
            self._known[digest] = self._in_turns(order)

    def _in_turns(self, order: NDArray[np.int64]) -> NDArray[np.int32]:
        """The first of an order, labels taking turns; the first one last."""
        kinds = self._kinds[order]
        together = np.argsort(kinds, kind="stable")
        sizes = np.bincount(kinds)
        turns = np.empty(len(order), np.int64)
        turns[together] = np.arange(len(order)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
        chosen = np.lexsort((np.arange(len(order)), turns))[: self._count]
        return order[chosen][::-1].astype(np.int32)


def _digest(text: str) -> bytes:
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).digest()
