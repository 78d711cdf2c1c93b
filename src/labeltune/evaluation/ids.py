"""The ids of a table's rows, which most reports never show."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, overload

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

    from labeltune.files.tables.row_blocks import Keys, RowBlock

__all__ = ["Ids"]


class Ids(Sequence[str]):
    """(n_rows,) The ids, kept in lines of UTF-8 where they came so, until one is asked for."""

    def __init__(self) -> None:
        self._texts: list[str] = []
        self._lines: list[bytes] = []
        """of rows that follow those of `_texts`"""
        self._keys: list[Keys] = []
        """one for each line; lines with different keys differ"""

    def append(self, text: str) -> None:
        """Take the id of one row."""
        self._all().append(text)

    def add_block(self, block: RowBlock, column: int) -> None:
        """Take the ids of many rows."""
        bare = block.bare_lines(column)
        if bare is None:
            self._all().extend(block.texts(column))
        else:
            self._lines.append(bare[0])
            self._keys.append(bare[1])

    def repeated(self) -> list[str]:
        """Those that occur more than once, in the order of the file."""
        if not self._texts and self._keys:
            keys = np.sort(np.concatenate(self._keys))
            if not (keys[1:] == keys[:-1]).any():
                return []
        ids = self._all()
        if len(set(ids)) == len(ids):  # found far sooner than which
            return []
        return [name for name, count in Counter(ids).items() if count > 1]

    def _all(self) -> list[str]:
        """All of them as texts, which they are from now on."""
        for lines in self._lines:
            self._texts += lines.decode().split("\n")[:-1]
        self._lines.clear()
        self._keys.clear()
        return self._texts

    def __len__(self) -> int:
        return len(self._texts) + sum(map(len, self._keys))

    @overload
    def __getitem__(self, row: int) -> str: ...
    @overload
    def __getitem__(self, row: slice) -> list[str]: ...
    def __getitem__(self, row: int | slice) -> str | list[str]:
        return self._all()[row]

    def __iter__(self) -> Iterator[str]:
        return iter(self._all())
