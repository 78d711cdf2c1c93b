"""What a split needs to know of each row: its labels, and which rows must stay together.

A table and a chat file are read alike: once for this, and once more when their rows are copied.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from array import array
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from labeltune.prepare.duplicates import TOO_MANY, duplicate_groups, merged

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
    from pathlib import Path

    from labeltune.files.sources import ByteSource
    from labeltune.files.tables.copying import Route
    from labeltune.files.tables.row_writer import Handle
    from labeltune.prepare.split.options import SplitOptions
    from labeltune.prepare.split.synthetic import Bools, SyntheticRows
    from labeltune.prepare.stratify import Combinations
    from labeltune.prepare.stratify.integer_arrays import Ints

    Progress = Callable[[int, int], object]
    """Is told how many bytes of how many have been read."""
    Row = tuple[Hashable, str, str]
    """The labels of a row, its text, and its group, which is empty if it has none."""

__all__ = ["PROGRESS_MASK", "Input", "Known", "Progress"]

PROGRESS_MASK = 0x3FFF
"""Progress is told each time that this many rows and one more are read."""


@dataclass(frozen=True, slots=True)
class Known:
    """The rows of a file as far as a split looks at them, in order.

    `labels` are the names of the labels of `combinations`. `groups`, int64 (n_rows,) counted from 0 without a
    gap, tells which rows stay together; None if every row may go its own way. `duplicates` is how many rows
    are kept together with one that has the same text. `warnings` say what was not looked at.
    """

    combinations: Combinations
    labels: tuple[str, ...]
    groups: Ints | None
    duplicates: int
    warnings: tuple[str, ...] = ()
    synthetic: Bools | None = None
    """Which rows a model wrote, bool (n_rows,); None if there are none."""

    @property
    def n_rows(self) -> int:
        """How many rows there are."""
        return len(self.combinations.codes)


class Input(ABC):
    """A file whose rows are to be put in parts."""

    def __init__(self, source: ByteSource | None, name: str, ending: str) -> None:
        self._source = source
        self.name = name
        self.ending = ending
        """What the names of the parts end with, `.gz` left aside."""
        self._synthetic: SyntheticRows | None = None

    @abstractmethod
    def _rows(self) -> Iterator[Row]: ...

    @abstractmethod
    def _combinations(self, sets: list[Hashable], codes: Ints) -> tuple[Combinations, tuple[str, ...]]:
        """The label sets that occur, and which of them each row has; with the labels' names."""

    @abstractmethod
    def copy(self, routes: Iterable[Route], files: Sequence[Handle]) -> None:
        """Copy each row as it is to the files whose positions its route names."""

    def messages(self) -> tuple[Sequence[str], Sequence[str]]:
        """Notes and warnings of the reader."""
        return (), ()

    def _compared(self, texts: Iterable[str]) -> Iterable[str]:
        """The texts as they are compared with each other."""
        return texts

    def read(self, options: SplitOptions, progress: Progress | None) -> Known:
        """Read all rows. Raises `DataError` with every row that is bad, or has labels that are none."""
        codes, groups = array("q"), array("q")
        sets: dict[Hashable, int] = {}
        texts = self._noted(sets, codes, None if options.group is None else groups, progress)
        every, duplicates = [], 0
        warnings: list[str] = []
        if options.keep_duplicates_together:
            found = duplicate_groups(
                self._compared(texts),
                on_too_many=lambda: warnings.append(
                    f"{TOO_MANY}: rows of equal texts stay together, similar ones were not looked for"
                ),
            )
            alike = np.array(found, np.int64)
            duplicates = len(alike) - int(alike.max(initial=-1)) - 1
            every.append(alike)
        for _ in texts:
            pass
        if options.group is not None:
            every.append(np.array(groups, np.int64))
        synthetic = self._synthetic
        marks = None if synthetic is None else synthetic.marks
        if synthetic is not None and marks is not None:
            every.append(synthetic.links())
            if synthetic.lost:
                warnings.append(f"{synthetic.lost:,} seeds of synthetic rows are no rows of {self.name}")
        combinations, names = self._combinations(list(sets), np.array(codes, np.int64))
        return Known(combinations, names, _together(every), duplicates, tuple(warnings), marks)

    def _noted(
        self,
        sets: dict[Hashable, int],
        codes: array[int],
        groups: array[int] | None,
        progress: Progress | None,
    ) -> Iterator[str]:
        """The texts of the rows; on the way label sets are numbered, and groups, if they count."""
        known: dict[Hashable, int] = {}
        for number, (labels, text, group) in enumerate(self._rows(), 1):
            codes.append(sets.setdefault(labels, len(sets)))
            if groups is not None:
                # A row without a group is not in one with the others that have none.
                groups.append(known.setdefault(group or number, len(known)))
            if progress is not None and not number & PROGRESS_MASK:
                progress(*self.progress)
            yield text

    @property
    def path(self) -> Path | None:
        """Where the bytes are read from."""
        return None if self._source is None else self._source.path

    @property
    def progress(self) -> tuple[int, int]:
        """How many bytes of how many have been read in the present pass."""
        return (0, 0) if self._source is None else (self._source.position, self._source.size)

    def check_unchanged(self) -> None:
        """Raise `ConflictError` if the file is no longer the one that was opened."""
        if self._source is not None:
            self._source.check_unchanged()

    def close(self) -> None:
        """Let go of what is open."""
        if self._source is not None:
            self._source.close()


def _together(every: list[Ints]) -> Ints | None:
    """Rows that stay together because one of the groupings says so; None if there are none."""
    if not every:
        return None
    groups = every[0] if len(every) == 1 else np.array(merged(*(own.tolist() for own in every)), np.int64)
    return groups if int(groups.max(initial=-1)) + 1 < len(groups) else None
