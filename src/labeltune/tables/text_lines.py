"""Lines of text from bytes: split where a table's lines end, decoded with bad bytes noticed, not lost."""

from __future__ import annotations

import codecs
from io import BytesIO
from itertools import chain, repeat
from typing import TYPE_CHECKING, Protocol

from labeltune.errors import DataError, SettingsError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

__all__ = [
    "LONGEST_LINE",
    "MARKS",
    "Alarm",
    "Transcoder",
    "alarm",
    "byte_lines",
    "decoded",
    "find_encoding",
    "known_encoding",
]

LONGEST_LINE = 1 << 24
"""A line of more bytes than this is not one of a table, and would cost memory without end."""

_CHUNK = 1 << 18
MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),  # before UTF-16, whose mark it begins with
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_ESCAPE = "labeltune-escape"


class Alarm:
    """Counts what no good text holds: bytes that do not decode, and NUL.

    Bytes are looked at in bulk, at the speed of C. Whoever reads rows compares `count` with what it was and
    looks at each row only if it changed.
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


def byte_lines(stream: Readable, name: str) -> Iterator[Iterable[bytes]]:
    r"""Batches of the lines of a stream with their ends: `\n`, `\r\n`, or a `\r` that stands alone.

    A UTF-8 byte order mark at the start is left out. Raises `DataError` for a line without end.
    """
    rest = b""
    first = True
    while chunk := stream.read(_CHUNK):
        if first:
            chunk, first = chunk.removeprefix(codecs.BOM_UTF8), False
        if b"\0" in chunk:
            alarm.count += 1
        text = rest + chunk
        if b"\r" in text and text.count(b"\r") != text.count(b"\r\n"):
            lines = text.splitlines(keepends=True)
            rest = lines.pop()  # it may go on, and a "\n" may follow its "\r"
            yield lines
        else:
            cut = text.rfind(b"\n") + 1
            rest = text[cut:]
            yield BytesIO(text[:cut])
        if len(rest) > LONGEST_LINE:
            raise DataError(f"{name}: a line of more than {LONGEST_LINE:,} bytes; this is not a table")
    yield rest.splitlines(keepends=True)


def decoded(batches: Iterable[Iterable[bytes]]) -> Iterator[str]:
    """The lines as text, bytes that are not UTF-8 as lone surrogates; each of those raises the alarm."""
    codecs.register_error(_ESCAPE, _escape)
    return chain.from_iterable(
        map(bytes.decode, lines, repeat("utf-8"), repeat(_ESCAPE)) for lines in batches
    )


def known_encoding(encoding: str) -> str:
    """The encoding's own name. Raises `SettingsError` if there is no such encoding of text."""
    try:
        b"a,b".decode(encoding)
        return codecs.lookup(encoding).name
    except (LookupError, ValueError) as error:
        raise SettingsError(
            f"--encoding {encoding}: no such encoding of text", hint="known are utf-8, utf-16, cp1252, …"
        ) from error


def find_encoding(head: bytes) -> str | None:
    """The encoding that a byte order mark at the start tells."""
    for mark, encoding in MARKS:
        if head.startswith(mark):
            return encoding
    return None


class Transcoder:
    """Reads a stream in another encoding as UTF-8; what does not decode becomes bytes that are not UTF-8."""

    def __init__(self, stream: Readable, encoding: str, name: str) -> None:
        self._stream, self._encoding, self._name = stream, encoding, name
        # What of UTF-16 and UTF-32 cannot be text are lone surrogates; of other encodings, single bytes.
        errors = "surrogatepass" if encoding.startswith(("utf-16", "utf-32")) else "surrogateescape"
        self._decoder = codecs.getincrementaldecoder(encoding)(errors)

    def read(self, size: int, /) -> bytes:
        """The next bytes; none only where the stream has ended."""
        text, ended = "", False
        while not text and not ended:
            chunk = self._stream.read(size)
            ended = not chunk
            try:
                text = self._decoder.decode(chunk, ended)
            except UnicodeError as error:
                raise DataError(
                    f"{self._name}: not {self._encoding}: {error}",
                    hint="name the encoding that the file was written in with --encoding",
                ) from error
        return text.encode("utf-8", "surrogatepass")
