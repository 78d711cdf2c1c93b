"""Tables of delimited text found row by row without reading them row by row: quotes, separators and line ends
of many rows at once.

Only what is plainly good is read this way. Whatever is not, be it a fault or merely rare, is left to the
reader of single rows, which knows what to say about it: so there is one place that judges rows.
"""

from __future__ import annotations

import codecs
from typing import TYPE_CHECKING

import numpy as np

from labeltune.files.tables.csv_records import LONGEST_VALUE
from labeltune.files.tables.row_blocks import PADDING, RowBlock
from labeltune.files.tables.table import UnusualTableError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from numpy.typing import NDArray

    from labeltune.files.tables.row_blocks import Ints

__all__ = ["BlockScan"]

_NUL, _QUOTE, _LINE_END, _RETURN, _SPACE = b'\0"\n\r '
_LARGE = 1 << 24
_DECODED = 1 << 14
_FEW, _SAMPLED = 16, 61
_LAST_ASCII = 0x7F


class BlockScan:
    """Finds the rows of one table.

    `line` is the last one before the rows; each row has `width` cells. Raises `UnusualTableError` for a
    separator of several bytes, and a table of one column, in which a blank line is no row.
    """

    def __init__(self, separator: str, width: int, line: int) -> None:
        if not separator.isascii() or width < 2:
            raise UnusualTableError
        self._separator, self._width, self._line = ord(separator), width, line
        self.cut = False
        """Whether the end was reached, and the last line has no line end."""

    def blocks(self, chunks: Iterable[bytes]) -> Iterator[RowBlock]:
        """The rows in pieces of text, in blocks. Raises `UnusualTableError`, perhaps after some blocks."""
        _let_memory_be_kept()
        rest, any_row = b"", False
        for chunk in chunks:
            if len(rest) + len(chunk) > LONGEST_VALUE:
                raise UnusualTableError
            block, rest = self._block(b"".join((rest, chunk, PADDING)))
            if block is not None:
                any_row = True
                yield block
        if rest:
            # A quote may be open, or the last line end a "\r", which stands alone.
            if rest.endswith((b"\n", b"\r")):
                raise UnusualTableError
            block, rest = self._block(rest + b"\n" + PADDING)
            if block is None or rest:
                raise UnusualTableError
            self.cut = any_row = True
            yield block
        if not any_row:
            raise UnusualTableError

    def _block(self, data: bytes) -> tuple[RowBlock | None, bytes]:
        """The whole rows with which a piece of padded text begins, and the text that is left."""
        text = np.frombuffer(data, np.uint8)
        many = bool(np.mean(text[::_SAMPLED] > _LAST_ASCII) * _FEW > 1)
        places = self._marks(text, own_only=many)
        kinds = text.take(places)
        breaks = kinds == _LINE_END
        # Within quotes is what an odd number of them stands before.
        turns = np.flatnonzero(kinds == _QUOTE)
        outside = np.repeat(np.arange(len(turns) + 1) % 2 == 0, np.diff(turns, prepend=0, append=len(kinds)))
        row_ends = breaks & outside
        count = row_ends.tobytes().rfind(b"\1") + 1
        if not count:
            return None, data[: -len(PADDING)]
        places, kinds, breaks, outside = places[:count], kinds[:count], breaks[:count], outside[:count]
        end = int(places[-1]) + 1

        def holds(sign: int) -> bool:
            return data.find(sign, 0, end) >= 0 if many else bool((kinds == sign).any())

        if many:
            _check_utf8_by_pieces(data, end)
        elif (beyond := np.flatnonzero(kinds > _LAST_ASCII)).size:
            _check_utf8(places.take(beyond), kinds.take(beyond))
        if holds(_NUL):
            raise UnusualTableError
        stops = self._stops(text, places[(breaks | (kinds == self._separator)) & outside], row_ends)
        within, own = places[breaks & ~outside], places[turns[: np.searchsorted(turns, count)]]
        self._check_quotes(text, own)
        if holds(_RETURN):
            within = np.concatenate([within, self._lone_returns(text[:end], own)])
        return RowBlock(data, stops, self._lines(stops[:, -1], within)), data[end : -len(PADDING)]

    def _marks(self, text: NDArray[np.uint8], *, own_only: bool) -> Ints:
        """Where quotes, separators, line ends and, unless `own_only`, signs of control and beyond ASCII are.

        As signed numbers, all of these are below a space.
        """
        marks = text == _LINE_END if own_only else text.view(np.int8) < _SPACE
        marks |= text == _QUOTE
        marks |= text == self._separator
        return np.flatnonzero(marks)

    def _stops(self, text: NDArray[np.uint8], found: Ints, row_ends: NDArray[np.bool_]) -> Ints:
        """(n_rows, width) what ends each cell, if every row has as many as it should."""
        if len(found) % self._width:
            raise UnusualTableError
        stops: Ints = found.reshape(-1, self._width)
        if np.count_nonzero(row_ends) != len(stops) or (text[stops[:, -1]] != _LINE_END).any():
            raise UnusualTableError
        return stops

    def _check_quotes(self, text: NDArray[np.uint8], quotes: Ints) -> None:
        """Quotes open a cell where it begins and close it where it ends; within, two stand for one."""
        opening, closing = quotes[::2], quotes[1::2]
        before = text[opening - 1]  # the first byte of all has the padding before it
        good = (before == self._separator) | (before == _LINE_END) | (before == _QUOTE) | (opening == 0)
        after = text[closing + 1]
        closed = (after == self._separator) | (after == _LINE_END) | (after == _QUOTE)
        closed |= (after == _RETURN) & (text[closing + 2] == _LINE_END)
        if not (good.all() and closed.all()):
            raise UnusualTableError

    @staticmethod
    def _lone_returns(text: NDArray[np.uint8], quotes: Ints) -> Ints:
        r"""Where a `\r` stands alone within quotes, and so ends a line but no row."""
        returns = np.flatnonzero(text == _RETURN)
        lone: Ints = returns[text[returns + 1] != _LINE_END]
        if (np.searchsorted(quotes, lone) % 2 == 0).any():
            raise UnusualTableError
        return lone

    def _lines(self, row_ends: Ints, within: Ints) -> Ints:
        """(n_rows,) the line each row begins on; some lines end within rows."""
        more = np.bincount(np.searchsorted(row_ends, within), minlength=len(row_ends))
        lasts: Ints = self._line + np.cumsum(more + 1)
        firsts: Ints = np.concatenate([[self._line], lasts[:-1]]) + 1
        self._line = int(lasts[-1])
        return firsts


def _let_memory_be_kept() -> None:
    """Free something large, which costs nothing, for it was never touched.

    The GNU C library gives memory back to the system, to be mapped again page by page, unless pieces as large
    were freed before; a third of the time would go into that.
    """
    large = np.empty(_LARGE, np.uint8)
    del large


def _check_utf8(places: Ints, signs: NDArray[np.uint8]) -> None:
    """Whether bytes beyond ASCII that stand at these places are UTF-8; what stood between ends a sign."""
    apart = np.flatnonzero(np.diff(places) > 1) + 1
    try:
        np.insert(signs, apart, _LINE_END).tobytes().decode()
    except UnicodeDecodeError as error:
        raise UnusualTableError from error


def _check_utf8_by_pieces(data: bytes, end: int) -> None:
    """The same for many of them: decoded, in pieces, for what they become is to stay near the processor."""
    bare, start = memoryview(data), 0
    try:
        while start < end:
            stop = min(start + _DECODED, end)
            start += codecs.utf_8_decode(bare[start:stop], "strict", stop == end)[1]
    except UnicodeDecodeError as error:
        raise UnusualTableError from error
