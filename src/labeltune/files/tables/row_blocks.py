"""Rows many at a time: where the cells of a block of text are, and what they hold, found by array arithmetic.

Cells become text only where they are asked for; equal ones are looked at once.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
import orjson
from numpy.typing import NDArray

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

__all__ = ["PADDING", "Ints", "Keys", "RowBlock", "Written"]

Ints = NDArray[np.int64]
Keys = NDArray[np.uint64]
Span = tuple[Ints, Ints]
"""(n_rows,) where something begins and ends in a block's bytes."""
Written = tuple[bytes, ...]
"""The bytes of some cells of a row. Where they are equal, the values are."""

_WORD = 8
PADDING = bytes(_WORD)
"""What a block's bytes end with, so that the last cells can be read by words, too."""

_PLACE_BITS = 16
_LONGEST_BY_WORDS = 128
_LONGEST_NUMBER = 24
_NUL = b"\0"
_QUOTE, _LINE_END, _RETURN, _COMMA = b'"\n\r,'
_NULL_TEXT = b"null"
_NULL = int.from_bytes(_NULL_TEXT, "little")
_NUMERIC = b"0123456789.eE+-," + _NULL_TEXT
_MULTIPLIER = 0x9E3779B97F4A7C15
"""Spreads the bits of a word (Knuth 1998, 6.4: the golden ratio)."""
_MASKS = np.array([(1 << 8 * size) - 1 for size in range(_WORD + 1)], dtype="<u8")
"""What leaves the first 0, 1, … 8 bytes of a word."""


@dataclass(frozen=True)
class RowBlock:
    """Some rows of a table, in the order of the file; every one of them good."""

    data: bytes
    """the rows as they are written, in UTF-8, then what follows them, which ends with `PADDING`"""
    stops: Ints
    """(n_rows, n_columns) the place of the separator or line end that follows each cell"""
    lines: Ints
    """(n_rows,) the line each row begins on"""
    _bytes: NDArray[np.uint8] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_bytes", np.frombuffer(self.data, np.uint8))

    def __len__(self) -> int:
        return len(self.lines)

    @cached_property
    def _row_starts(self) -> Ints:
        return np.concatenate([[0], self.stops[:-1, -1] + 1])

    @cached_property
    def _row_ends(self) -> Ints:
        """Where the last cells end, before the line ends of one or two bytes."""
        line_ends = self.stops[:, -1]
        ends: Ints = line_ends - (self._bytes[line_ends - 1] == _RETURN)
        return ends

    def _span(self, first: int, last: int) -> Span:
        """Where the written cells from one column to another begin and end."""
        starts = self.stops[:, first - 1] + 1 if first else self._row_starts
        ends = self.stops[:, last] if last + 1 < self.stops.shape[1] else self._row_ends
        return starts, ends

    # cells as text

    def row(self, row: int) -> list[str]:
        """The values of a row, one for each column."""
        stops = [*self.stops[row, :-1].tolist(), int(self._row_ends[row])]
        starts = [int(self._row_starts[row]), *(stop + 1 for stop in stops[:-1])]
        return [_value(self.data[start:end]).decode() for start, end in zip(starts, stops, strict=True)]

    def text(self, row: int, column: int) -> str:
        """The value of one cell."""
        stops = self.stops[row]
        start = stops[column - 1] + 1 if column else self._row_starts[row]
        end = stops[column] if column + 1 < len(stops) else self._row_ends[row]
        return _value(self.data[start:end]).decode()

    def values(self, column: int) -> list[bytes]:
        """The values of a column, in UTF-8."""
        starts, ends = self._span(column, column)
        data = self.data
        cells = [data[start:end] for start, end in zip(starts.tolist(), ends.tolist(), strict=True)]
        for place in np.flatnonzero(self._bytes[starts] == _QUOTE).tolist():
            cells[place] = _value(cells[place])
        return cells

    def texts(self, column: int) -> list[str]:
        """The values of a column."""
        bare = self.bare_lines(column)
        if bare is None:
            return list(map(bytes.decode, self.values(column)))
        return bare[0].decode().split("\n")[:-1]

    def bare_lines(self, column: int) -> tuple[bytes, Keys] | None:
        """The values of a column, a line each, and a key of each: where it differs, they differ.

        None if one is quoted, or they are long.
        """
        starts, ends = self._span(column, column)
        if int((ends - starts).max()) > _LONGEST_BY_WORDS or (self._bytes[starts] == _QUOTE).any():
            return None
        # Between quotes only can a value hold a line end.
        words = self._words(starts, ends)
        return _ended(words, _LINE_END), _keys(words)

    # cells as a whole

    def texts_beginning(self, column: int, signs: bytes) -> list[str]:
        """The values of a column that begin with one of these bytes, and perhaps others."""
        starts, _ = self._span(column, column)
        first = self._bytes[starts]
        quoted = np.flatnonzero(first == _QUOTE)
        first[quoted] = self._bytes[starts[quoted] + 1]
        wanted = np.zeros(256, dtype=np.bool_)
        wanted[list(signs)] = True
        return [self.text(row, column) for row in np.flatnonzero(wanted[first]).tolist()]

    def distinct(self, columns: Sequence[int]) -> tuple[list[Written], Ints, Ints]:
        """Each combination of cells in some columns, in the order in which they first stand there.

        Returns how they are written, their first rows, (n_distinct,), and which of them each row is like,
        (n_rows,).
        """
        spans = [self._span(first, last) for first, last in _runs(columns)]
        first, inverse = self._by_words(spans) or self._by_bytes(spans)
        ranges = [(starts[first].tolist(), ends[first].tolist()) for starts, ends in spans]
        return list(self._cells(ranges)), first, inverse

    def _by_words(self, spans: Sequence[Span]) -> tuple[Ints, Ints] | None:
        """The first rows and which of them each row is like; None if it is not found this way."""
        if any(int((ends - starts).max()) > _LONGEST_BY_WORDS for starts, ends in spans):
            return None
        words = [word for starts, ends in spans for word in self._words(starts, ends)]
        keys = _keys(words)
        first, inverse = _few(keys) or _in_order(keys)
        # Two combinations could share a key.
        return (first, inverse) if all((word == word[first][inverse]).all() for word in words) else None

    def _by_bytes(self, spans: Sequence[Span]) -> tuple[Ints, Ints]:
        known: dict[Written, int] = {}
        ranges = [(starts.tolist(), ends.tolist()) for starts, ends in spans]
        return _in_order(np.array([known.setdefault(own, len(known)) for own in self._cells(ranges)]))

    def _cells(self, ranges: Sequence[tuple[list[int], list[int]]]) -> Iterator[Written]:
        """What is written from starts to ends, side by side."""
        data = self.data
        return zip(
            *([data[start:end] for start, end in zip(*own, strict=True)] for own in ranges), strict=True
        )

    def numbers(self, column: int) -> NDArray[np.float64] | None:
        """(n_rows,) the numbers of a column, NaN where a cell is empty.

        None if there is a cell that holds another thing, or a number as JSON does not write it.
        """
        starts, ends = self._span(column, column)
        if int((ends - starts).max()) > _LONGEST_NUMBER:
            return None
        words = self._words(starts, ends)
        empty = starts == ends
        words[0, empty] = _NULL
        cells = _ended(words, _COMMA)
        if cells.translate(None, _NUMERIC) or cells.count(_NULL_TEXT) != np.count_nonzero(empty):
            return None
        try:
            found = orjson.loads(b"[" + cells[:-1] + b"]")
        except orjson.JSONDecodeError:
            return None
        return np.array(found, dtype=np.float64)

    def _words(self, starts: Ints, ends: Ints) -> NDArray[np.uint64]:
        """(n_words, n_rows) what stands there, eight bytes at a time, zeros after its end."""
        every: NDArray[np.uint64] = np.ndarray(
            len(self.data) - _WORD + 1, dtype="<u8", buffer=self.data, strides=(1,)
        )
        lengths = ends - starts
        count = max(1, -(-int(lengths.max()) // _WORD))
        words = np.empty((count, len(starts)), dtype="<u8")
        for place in range(count):
            left = lengths - place * _WORD
            words[place] = every[np.minimum(starts + place * _WORD, len(every) - 1)]
            words[place] &= _MASKS.take(left, mode="clip")
        return words


def _value(cell: bytes) -> bytes:
    """What a cell that is written like this holds."""
    return cell[1:-1].replace(b'""', b'"') if cell[:1] == b'"' else cell


def _runs(columns: Sequence[int]) -> list[tuple[int, int]]:
    """The first and last of columns that stand side by side."""
    ordered = sorted(set(columns))
    gaps = [(one, other) for one, other in pairwise(ordered) if other > one + 1]
    return list(
        zip(
            [ordered[0], *(other for _, other in gaps)], [*(one for one, _ in gaps), ordered[-1]], strict=True
        )
    )


def _ended(words: NDArray[np.uint64], sign: int) -> bytes:
    """What stands in words (n_words, n_rows), row by row, without zeros and with a sign after each row."""
    signs = np.full((1, words.shape[1]), sign, dtype=words.dtype)
    return np.concatenate([words, signs]).T.tobytes().translate(None, _NUL)


def _keys(words: Sequence[NDArray[np.uint64]] | NDArray[np.uint64]) -> Keys:
    """Words side by side made one, equal for equal ones however many zeros follow, its bits well spread."""
    keys, factor = words[0] * np.uint64(_MULTIPLIER), _MULTIPLIER
    for word in words[1:]:
        factor = factor * _MULTIPLIER % (1 << 64)
        keys += word * np.uint64(factor)
    return keys


def _few(keys: Keys) -> tuple[Ints, Ints] | None:
    """The same as `_in_order`, sooner; None where two keys fall on one place, as many would."""
    places = keys >> np.uint64(64 - _PLACE_BITS)
    rows = np.arange(len(keys))
    firsts = np.empty(1 << _PLACE_BITS, dtype=np.int64)
    firsts[places[::-1]] = rows[::-1]
    like = firsts[places]
    if (keys[like] != keys).any():
        return None
    is_first = like == rows
    return np.flatnonzero(is_first), (np.cumsum(is_first) - 1)[like]


def _in_order(keys: NDArray[Any]) -> tuple[Ints, Ints]:
    """Where each distinct key stands first, in that order, and which of them each key is."""
    _, first, inverse = np.unique(keys, return_index=True, return_inverse=True)
    order = np.argsort(first)
    number = np.empty(len(order), dtype=np.int64)
    number[order] = np.arange(len(order))
    return first[order], number[inverse]
