"""Which row comes next.

Of the order `uncertain`, a share of the rows is the random sample: a row is in it or not by a hash of what
it says, and is never asked for being uncertain. So what is answered of them is a plain random sample of the
table, whatever the model led people to look at beside it, and whichever rows come to the table or go.
"""

from __future__ import annotations

from hashlib import blake2b
from typing import TYPE_CHECKING, Literal

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from numpy.typing import NDArray

    Integers = NDArray[np.int64]

__all__ = ["GIVEN", "RANDOM", "UNCERTAIN", "Order", "OrderName"]

OrderName = Literal["uncertain", "random", "given"]
UNCERTAIN: Literal["uncertain"] = "uncertain"
RANDOM: Literal["random"] = "random"
GIVEN: Literal["given"] = "given"

_PERSON = b"labeltune.label"
"""Sets these hashes apart from all others of the same words."""


class Order:
    """The order of rows known by `keys`: arrays of their places, which are read from the front.

    `share` of them, 0 to 1, is the random sample.
    """

    def __init__(self, name: OrderName, keys: Sequence[str], share: float) -> None:
        self.name, self.share = name, share
        draws = np.array([_draw(key) for key in keys], dtype=np.uint64)
        by_chance: Integers = np.argsort(draws, kind="stable")
        if name == GIVEN:
            self._random = np.zeros(len(keys), dtype=np.bool_)
            self._streams: dict[str, Integers] = {GIVEN: np.arange(len(keys))}
        else:
            self._random = np.ones(len(keys), dtype=np.bool_) if name == RANDOM else _below(draws, share)
            drawn = self._random[by_chance]
            self._streams = {RANDOM: by_chance[drawn], UNCERTAIN: by_chance[~drawn]}
        self._marks: dict[tuple[str, str], int] = {}

    def sample(self, place: int) -> str:
        """Why a row is asked."""
        if self.name == GIVEN:
            return GIVEN
        return RANDOM if self._random[place] else UNCERTAIN

    def rank(self, margins: NDArray[np.float32]) -> None:
        """Put the rows with the smallest margin (n_rows,) between the two best labels first.

        Rows that nothing is known of (NaN) come last.
        """
        if self.name == UNCERTAIN:
            rows = self._streams[UNCERTAIN]
            self._streams[UNCERTAIN] = rows[np.argsort(margins[rows], kind="stable")]
            self.start_over()

    def start_over(self) -> None:
        """Look at all rows again: some may be asked that were passed before."""
        self._marks.clear()

    def next(
        self, reader: str, free: Callable[[int, str], bool], done: dict[str, int]
    ) -> Iterator[tuple[int, str]]:
        """The rows for a reader, each with its sample: those that are `free`, in turn.

        `done` counts what the reader has had of each sample, and is counted on.
        """
        while True:
            found = next(
                (
                    (place, sample)
                    for sample in self._wanted(done)
                    if (place := self._take(reader, sample, free)) is not None
                ),
                None,
            )
            if found is None:
                return
            done[found[1]] = done.get(found[1], 0) + 1
            yield found

    def _wanted(self, done: dict[str, int]) -> list[str]:
        """The samples, the one whose turn it is first."""
        drawn, others = done.get(RANDOM, 0), done.get(UNCERTAIN, 0)
        if RANDOM in self._streams and drawn + 1 <= self.share * (drawn + others + 1) + 1e-9:
            return [RANDOM, UNCERTAIN]
        return list(reversed(self._streams))

    def _take(self, reader: str, sample: str, free: Callable[[int, str], bool]) -> int | None:
        """The next free row of a sample. What was not free is not looked at again until `start_over`."""
        rows = self._streams[sample]
        at = self._marks.get((reader, sample), 0)
        while at < len(rows):
            place = int(rows[at])
            at += 1
            if free(place, sample):
                self._marks[reader, sample] = at
                return place
        self._marks[reader, sample] = at
        return None


def _draw(key: str) -> int:
    """A number below 2⁶⁴ by chance, the same for the same key for ever."""
    return int.from_bytes(blake2b(key.encode(), digest_size=8, person=_PERSON).digest())


def _below(draws: NDArray[np.uint64], share: float) -> NDArray[np.bool_]:
    found: NDArray[np.bool_] = draws / 2.0**64 < share
    return found
