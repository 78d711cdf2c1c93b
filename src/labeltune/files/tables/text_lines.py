"""Lines of text from bytes: split where a table's lines end, decoded with bad bytes noticed, not lost."""

from __future__ import annotations

import codecs
import re
from io import BytesIO, RawIOBase
from itertools import chain, repeat
from typing import TYPE_CHECKING, Protocol

from labeltune.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import Any

__all__ = ["LONGEST_LINE", "Alarm", "ByteLines", "EndlessLineError", "Transcoder", "alarm", "decoded"]

LONGEST_LINE = 1 << 24
"""A line of more bytes than this is not one of a table, and would cost memory without end."""

_CHUNK = 1 << 18
_ESCAPE = "labeltune-escape"
_LONE_RETURN = re.compile(rb"\r(?!\n)")


class Alarm:
    """Counts what no good text holds: bytes that do not decode, and NUL.

    Bytes are looked at in bulk, at the speed of C. Whoever reads rows compares `count` with what it was
    before the first byte was read, and looks at each row only if it changed.
    """

    count = 0


alarm = Alarm()
"""Shared by all tables: a count that another table raised costs a second look, nothing else."""


def _escape(error: UnicodeError) -> tuple[str | bytes, int]:
    alarm.count += 1
    return codecs.lookup_error("surrogateescape")(error)


class Readable(Protocol):
    """What bytes are read from."""

    def read(self, size: int, /) -> bytes:
        """At most `size` bytes; none at the end."""
        ...


class EndlessLineError(Exception):
    """A line of more than `LONGEST_LINE` bytes."""


class ByteLines:
    r"""The lines of a stream with their ends: `\n`, `\r\n`, or a `\r` that stands alone.

    A UTF-8 byte order mark at the start is left out.
    """

    def __init__(self, stream: Readable) -> None:
        self._stream = stream
        self.cut = False
        """Whether the last line was reached, and has no end: the file may not be whole."""

    def batches(self) -> Iterator[Iterable[bytes]]:
        """The lines, many at a time. Raises `EndlessLineError`."""
        rest = b""
        first = True
        while chunk := self._stream.read(_CHUNK):
            if first:
                chunk, first = chunk.removeprefix(codecs.BOM_UTF8), False
            if b"\0" in chunk:
                alarm.count += 1
            text = rest + chunk
            if b"\r" in text and _LONE_RETURN.search(text):
                lines = text.splitlines(keepends=True)
                rest = lines.pop()  # it may go on, and a "\n" may follow its "\r"
                yield lines
            else:
                cut = text.rfind(b"\n") + 1
                rest = text[cut:]
                yield BytesIO(text[:cut])
            if len(rest) > LONGEST_LINE:
                raise EndlessLineError
        self.cut = bool(rest) and not rest.endswith((b"\r", b"\n"))
        yield rest.splitlines(keepends=True)


def decoded(batches: Iterable[Iterable[bytes]]) -> Iterator[str]:
    """The lines as text, bytes that are not UTF-8 as lone surrogates; each of those raises the alarm."""
    codecs.register_error(_ESCAPE, _escape)
    return chain.from_iterable(
        map(bytes.decode, lines, repeat("utf-8"), repeat(_ESCAPE)) for lines in batches
    )


class Transcoder(RawIOBase):
    """Reads a stream in another encoding as UTF-8; what does not decode becomes bytes that are not UTF-8."""

    def __init__(self, stream: Readable, encoding: str, name: str) -> None:
        super().__init__()
        self._stream, self._encoding, self._name = stream, encoding, name
        # What of UTF-16 and UTF-32 cannot be text are lone surrogates; of other encodings, single bytes.
        errors = "surrogatepass" if encoding.startswith(("utf-16", "utf-32")) else "surrogateescape"
        self._decoder = codecs.getincrementaldecoder(encoding)(errors)
        self._ready = b""
        self._lines = 0
        self._ended = False

    def readable(self) -> bool:
        """It is for reading."""
        return True

    def readinto(self, buffer: Any, /) -> int:
        """Fill the buffer as far as there is something. Raises `DataError` for what cannot be read on."""
        while not self._ready and not self._ended:
            chunk = self._stream.read(_CHUNK)
            self._ended = not chunk
            self._ready = self._decode(chunk).encode("utf-8", "surrogatepass")
        taken = self._ready[: len(buffer)]
        buffer[: len(taken)] = taken
        self._ready = self._ready[len(taken) :]
        return len(taken)

    def _decode(self, chunk: bytes) -> str:
        try:
            text = self._decoder.decode(chunk, self._ended)
        except UnicodeError as error:
            line, reason = self._lines + 1, str(error)
            if isinstance(error, UnicodeDecodeError):
                reason = error.reason
                good = error.object[: error.start].decode(self._encoding, "replace")
                line += good.count("\n")
            raise DataError(
                f"{self._name}:{line}: not {self._encoding}: {reason}",
                hint="is the file whole? If it is, name its encoding with --encoding",
            ) from error
        self._lines += text.count("\n")
        return text
