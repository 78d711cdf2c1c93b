"""What the rows of a part say, as little as adding up needs: no text, and no id as it stands."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, cast

import numpy as np

from labeltune.evaluation.reading import block_pieces, row_pieces
from labeltune.files.tables import UnusualTableError

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

    from labeltune.evaluation.metrics.patterns import BoolArray, IntArray
    from labeltune.evaluation.predictions import Predictions
    from labeltune.files.tables import Table
    from labeltune.task import Task

__all__ = ["Key", "PartPieces", "Piece", "key_everywhere", "table_pieces"]

Key = Callable[[str], int]
"""A number of 63 bits for an id, which other ids seldom have: `hash` within a process."""
_PRIME = (1 << 61) - 1
_NOTHING = np.zeros(0, dtype=np.int64)


@dataclass(frozen=True, slots=True)
class Piece:
    """Rows of a part that follow each other."""

    said: Predictions
    """without lines, digests and ids"""
    keys: IntArray | None
    """(n_rows,) the key of each id; None where rows have none"""

    @classmethod
    def of(cls, read: Predictions, key: Key) -> Piece:
        """Of rows as they were read."""
        said = replace(read, lines=_NOTHING, texts=_NOTHING, ids=None, place=None)
        return cls(said, None if read.ids is None else np.fromiter(map(key, read.ids), np.int64, read.rows))

    @property
    def rows(self) -> int:
        """How many rows there are."""
        return self.said.rows

    def packed(self) -> Piece:
        """The same, its patterns' numbers in as few bytes as they need."""
        patterns = self.said.patterns
        numbers = patterns.inverse.astype(np.min_scalar_type(len(patterns.counts)))
        return replace(self, said=replace(self.said, patterns=replace(patterns, inverse=numbers)))

    def unpacked(self) -> Piece:
        """The same again; what is kept of it is a copy, and lets go of what it came in."""
        said, keys = self.said, self.keys
        numbers = said.patterns.inverse.astype(np.int64)
        shares = None if said.probabilities is None else said.probabilities.copy()
        patterns = replace(said.patterns, inverse=numbers)
        kept = replace(said, patterns=patterns, probabilities=shares)
        return Piece(kept, None if keys is None else keys.copy())


@dataclass(frozen=True, slots=True)
class PartPieces:
    """A part that another process has read."""

    pieces: tuple[Piece, ...]
    marked: bool
    """whether signs were put before its formulas, see `Table.marked`"""
    human: BoolArray | None
    """(n_rows,) which rows people vouch for; None if it does not tell"""


def table_pieces(table: Table, task: Task, key: Key) -> Iterator[Piece | None]:
    """A part in pieces: in blocks, or row by row where it asks for it. None says that what came before it is
    void, and comes again.
    """
    if not table.header:
        return
    for read in (block_pieces, row_pieces):
        try:
            with closing(cast("Generator[Predictions]", read(table, task))) as pieces:
                for piece in pieces:
                    yield Piece.of(piece, key)
        except UnusualTableError:
            yield None
            continue
        return


def key_everywhere(name: str) -> int:
    """A key that is the same in every process, which `hash` is not, and takes five times as long."""
    return int.from_bytes(name.encode("utf-8", "surrogatepass"), "little") % _PRIME
