"""The values of a JSON file, one by one, in constant memory: of JSON Lines, or of one large array."""

from __future__ import annotations

import codecs
import json
import re
from typing import TYPE_CHECKING, Any

import orjson

from labeltune.errors import DataError
from labeltune.files.utf8 import decoded, head_text, utf8

if TYPE_CHECKING:
    from collections.abc import Iterator
    from io import BufferedIOBase

    from labeltune.files.sources import ByteSource

__all__ = ["LONGEST_ITEM", "is_json", "json_items"]

LONGEST_ITEM = 1 << 26
"""Bytes of a line, or signs of a value. A longer one is no row, and would cost memory without end."""

_CHUNK = 1 << 18
_SPACE = re.compile(r"[ \t\r\n]*")
_DECODER = json.JSONDecoder()
_CUT_OFF = "the file seems to be cut off here: export it again"


def is_json(source: ByteSource, encoding: str | None = None) -> bool:
    """Whether a file begins as JSON objects or arrays do."""
    return re.match(r'\s*(\{\s*["}]|\[\s*[\[{"\d\]-])', head_text(source, encoding)) is not None


def json_items(source: ByteSource, encoding: str | None = None) -> Iterator[tuple[int, Any]]:
    """The values of JSON Lines, or the items of the one array that the file is, each with its line.

    An object over several lines is one value. Raises `DataError`, with the line, for what is no JSON, not of
    the encoding, or cut off.
    """
    read = _lines if _one_value_a_line(head_text(source, encoding)) else _array_or_values
    with utf8(source, encoding) as stream:
        yield from read(source, stream)
    source.check_unchanged()


def _one_value_a_line(head: str) -> bool:
    """Whether each line is a value: the first one is whole, and not the array that is the whole file."""
    first, newline, rest = head.lstrip().partition("\n")
    if first.startswith("[") and not rest.strip():
        return False
    try:
        json.loads(first)
    except RecursionError:
        return False
    except ValueError:
        # A line longer than what was looked at, or with a fault of its own, which is told with its line.
        return first.startswith("{") and (not newline or first.rstrip().endswith(("}", "},")))
    return True


def _lines(source: ByteSource, stream: BufferedIOBase) -> Iterator[tuple[int, Any]]:
    for line, content in enumerate(iter(lambda: stream.readline(LONGEST_ITEM + 1), b""), 1):
        if len(content) > LONGEST_ITEM:
            raise DataError(
                f"{source.name}:{line}: a line of more than {LONGEST_ITEM:,} bytes",
                hint="each line is one JSON value",
            )
        if not content.isspace():
            yield line, _loaded(source, line, content)


def _loaded(source: ByteSource, line: int, content: bytes) -> Any:
    try:
        return orjson.loads(content)
    except orjson.JSONDecodeError as error:
        decoded(content, source, line)
        message = error.msg[:1].lower() + error.msg[1:]
        cut = not content.endswith(b"\n") and error.pos + 1 >= len(content.decode().rstrip())
        raise DataError(
            f"{source.name}:{line}: not valid JSON: {message} at character {error.pos + 1}",
            hint=_CUT_OFF if cut else "mend the line",
        ) from error


def _array_or_values(source: ByteSource, stream: BufferedIOBase) -> Iterator[tuple[int, Any]]:
    """The items of an array, or values that stand one after the other."""
    pieces = _Pieces(source, stream)
    in_array = pieces.take("[")
    while pieces.next_sign():
        if in_array and pieces.take("]"):
            if pieces.next_sign():
                raise pieces.refused("something follows the array: expected the end of the file")
            return
        yield pieces.value()
        if in_array and not pieces.take(",") and pieces.next_sign() not in ("]", ""):
            raise pieces.refused('expected "," or "]" between two items')
    if in_array:
        raise pieces.refused("the array does not end", hint=_CUT_OFF)


class _Pieces:
    """JSON read value by value: no more of the text is held than the one that is read."""

    def __init__(self, source: ByteSource, stream: BufferedIOBase) -> None:
        self._source, self._stream = source, stream
        self._decoder = codecs.getincrementaldecoder("utf-8")()
        self._text, self._at, self._line, self._ended = "", 0, 1, False

    def next_sign(self) -> str:
        """The next sign that is no space, which is passed over; nothing at the end."""
        while True:
            found = _SPACE.match(self._text, self._at)
            self._pass(self._at if found is None else found.end())
            if self._at < len(self._text) or not self._read():
                return self._text[self._at : self._at + 1]

    def take(self, sign: str) -> bool:
        """Pass over this sign, if it comes next."""
        found = self.next_sign() == sign
        self._at += found
        return found

    def value(self) -> tuple[int, Any]:
        """The object or array that comes next, with its line."""
        if self.next_sign() not in ("{", "["):
            raise self.refused("expected an object or an array")
        while True:
            try:
                value, end = _DECODER.raw_decode(self._text, self._at)
            except json.JSONDecodeError as error:
                # It may only go on behind what was read.
                if not self._read():
                    raise self._broken(error) from error
            except RecursionError:
                raise self.refused("nested too deep") from None
            else:
                line = self._line
                self._pass(end)
                return line, value

    def _read(self) -> bool:
        """Read on; what was passed is let go. Each time as much as is held."""
        if len(self._text) - self._at > LONGEST_ITEM:
            raise self.refused(f"a value of more than {LONGEST_ITEM:,} signs, or one that does not end")
        chunk = self._stream.read(max(_CHUNK, len(self._text) - self._at))
        held = self._text[self._at :]
        try:
            self._text, self._at = held + self._decoder.decode(chunk, final=not chunk), 0
        except UnicodeDecodeError as error:
            line = self._line + held.count("\n") + error.object.count(b"\n", 0, error.start)
            decoded(error.object[error.start :], self._source, line)
            raise
        return bool(chunk)

    def _pass(self, end: int) -> None:
        self._line += self._text.count("\n", self._at, end)
        self._at = end

    def _broken(self, error: json.JSONDecodeError) -> DataError:
        self._pass(error.pos)
        cut = error.pos >= len(self._text.rstrip()) or "Unterminated" in error.msg
        message = error.msg[:1].lower() + error.msg[1:].removesuffix(" at")
        return self.refused(message, hint=_CUT_OFF if cut else None)

    def refused(self, what: str, *, hint: str | None = None) -> DataError:
        """The error of what stands at the place that was reached."""
        return DataError(f"{self._source.name}:{self._line}: not valid JSON: {what}", hint=hint)
