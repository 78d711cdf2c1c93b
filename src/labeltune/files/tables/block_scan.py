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

_QUOTE, _LINE_END, _RETURN = b'"\n\r'
_LARGE = 1 << 24
_DECODED = 1 << 14
"""Bytes decoded at once, to see whether they are UTF-8: what they become stays near the processor."""


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
            if b"\0" in chunk or len(rest) + len(chunk) > LONGEST_VALUE:
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
        marks = text == _QUOTE
        marks |= text == self._separator
        marks |= text == _LINE_END
        places = np.flatnonzero(marks)
        kinds = text[places]
        quotes, breaks = kinds == _QUOTE, kinds == _LINE_END
        # Within quotes is what an odd number of them stands before.
        inside = np.bitwise_xor.accumulate(quotes.view(np.uint8)) != 0
        outer = ~(inside | quotes)
        stops, line_ends = places[outer], np.flatnonzero(breaks[outer])
        if not len(line_ends):
            return None, data[: -len(PADDING)]
        stops = self._rows(stops[: line_ends[-1] + 1], line_ends)
        end = int(stops[-1, -1]) + 1
        self._check_utf8(data, end)
        held = slice(int(np.searchsorted(places, end)))
        within = places[held][inside[held] & breaks[held]]
        own = places[held][quotes[held]]
        self._check_quotes(text, own, inside[held][quotes[held]])
        if b"\r" in data:
            within = np.concatenate([within, self._lone_returns(text[:end], own)])
        block = RowBlock(data, stops, self._lines(stops[:, -1], within))
        return block, data[end : -len(PADDING)]

    @staticmethod
    def _check_utf8(data: bytes, end: int) -> None:
        if data.isascii():
            return
        bare, start = memoryview(data), 0
        try:
            while start < end:
                stop = min(start + _DECODED, end)
                start += codecs.utf_8_decode(bare[start:stop], "strict", stop == end)[1]
        except UnicodeDecodeError as error:
            raise UnusualTableError from error

    def _rows(self, stops: Ints, line_ends: Ints) -> Ints:
        """(n_rows, width) what ends each cell; `line_ends` are those of the stops that end lines."""
        expected = np.arange(self._width - 1, len(stops), self._width)
        if len(line_ends) != len(expected) or (line_ends != expected).any():
            raise UnusualTableError
        rows: Ints = stops.reshape(-1, self._width)
        return rows

    def _check_quotes(self, text: NDArray[np.uint8], quotes: Ints, opening: NDArray[np.bool_]) -> None:
        """Quotes open a cell where it begins and close it where it ends; within, two stand for one."""
        before = text[quotes[opening] - 1]  # the first byte of all has the padding before it
        good = (before == self._separator) | (before == _LINE_END) | (before == _QUOTE)
        good |= quotes[opening] == 0
        closing = quotes[~opening]
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
    np.empty(_LARGE, np.uint8).resize(0)
