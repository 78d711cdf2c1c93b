"""Chat files: one record per line; read with line numbers, written whole or not at all."""

from __future__ import annotations

import codecs
import re
from io import BytesIO
from itertools import chain
from typing import TYPE_CHECKING, Any

import orjson

from labeltune.errors import DataError
from labeltune.files.chat_form import decoded_head, misform
from labeltune.files.findings import Findings
from labeltune.files.json_faults import json_fault
from labeltune.files.sources import ByteSource

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from typing import Self

    from labeltune.errors import Finding

__all__ = ["LONGEST_RECORD", "ChatFile", "Record", "is_chat_file"]

Record = dict[str, Any]

LONGEST_RECORD = 1 << 26
"""Bytes. A longer line is no record that any provider takes, and would cost memory without end."""

_CHUNK = 1 << 18
_BEGINS_RECORDS = re.compile(r"""\s*\[?\s*\{\s*(["'])messages\1\s*:""")


class ChatFile:
    r"""The records of a chat file, read one by one, as often as wanted; `-` is standard input.

    Lines end with `\n` and nothing else; blank ones are passed over. Iterating yields `(line, record)` for
    each line that is a JSON object; the others are kept in `findings` and raised together as a `DataError` at
    the end, or handed to `on_bad`, if it is set, with the line's text. What a record must look like is not
    looked at here. Close it, or use it with `with`.
    """

    def __init__(self, source: str | os.PathLike[str] | ByteSource) -> None:
        self._source = source if isinstance(source, ByteSource) else ByteSource(source)
        self.source = self._source.name
        self.on_bad: Callable[[Finding, Sequence[str]], None] | None = None
        self.mends_commas = False
        """Whether a comma behind a record is taken off, and told in `commas` instead of refused."""
        self.commas: list[int] = []
        """The lines with such a comma, of those read so far."""
        self._findings = Findings(self.source)

    @property
    def has_mark(self) -> bool:
        """Whether the file begins with a byte order mark."""
        return self._source.head().startswith(codecs.BOM_UTF8)

    @property
    def findings(self) -> list[Finding]:
        """What is wrong with lines read so far: the first twenty."""
        return self._findings.first

    def reject(self, code: str, line: int, message: str) -> None:
        """Report a record as bad; for users of the file that find fault with it."""
        self._findings.add(code, line, message)

    def raise_findings(self) -> None:
        """Raise the findings, if there are any and `on_bad` is not set. Iterating does it at the end."""
        self._findings.raise_if_any()

    def __iter__(self) -> Iterator[tuple[int, Record]]:
        for line, content in self.lines():
            record = self.record(line, content)
            if record is not None:
                yield line, record

    def raw(self) -> Iterator[tuple[int, bytes]]:
        """The same records as the bytes they are, with their line ends; the last may lack its own."""
        for line, content in self.lines():
            if self.record(line, content) is not None:
                yield line, content if line not in self.commas[-1:] else _without_comma(content)

    def lines(self) -> Iterator[tuple[int, bytes]]:
        """The lines that are not blank, with their ends, for those who have not all read by `record`."""
        self._findings = Findings(self.source, self.on_bad)
        self.commas = []
        if (fault := misform(self._source)) is not None:
            self._findings.add(fault[0], None, fault[1])
            self.raise_findings()
            return
        any_line = False
        for line, content in enumerate(chain.from_iterable(self._chunks()), 1):
            if len(content) > LONGEST_RECORD:
                raise DataError(
                    f"{self.source}:{line}: a line of more than {LONGEST_RECORD:,} bytes",
                    hint="each line is one record; is this a chat file?",
                )
            if not content.isspace():
                any_line = True
                yield line, content
        self._source.check_unchanged()
        if not any_line:
            raise DataError(f"{self.source}: no records", hint="each line is one record")
        if self.commas and not self.mends_commas:
            more = len(self.commas) - 1
            others = f", and behind {more:,} more" if more else ""
            self._findings.add(
                "stray_comma",
                self.commas[0],
                f"a comma behind the record{others}: nothing stands between lines",
            )
        self.raise_findings()

    def record(self, line: int, content: bytes) -> Record | None:
        """The record on a line; None, and a finding, if it holds none."""
        try:
            record = orjson.loads(content)
        except orjson.JSONDecodeError as error:
            record = _loads(_without_comma(content))
            if not isinstance(record, dict):
                self._refuse("bad_json", line, f"not valid JSON: {_reason(error, content)}", content)
                return None
            self.commas.append(line)
        if not isinstance(record, dict):
            self._refuse("bad_record", line, 'expected an object, {"messages": […]}', content)
            return None
        return record

    def _chunks(self) -> Iterator[Iterable[bytes]]:
        """All lines, many at a time; the last is one that is too long, if there is such a line."""
        with self._source.open() as stream:
            rest = stream.read(_CHUNK).removeprefix(codecs.BOM_UTF8)
            while chunk := stream.read(_CHUNK):
                cut = chunk.rfind(b"\n") + 1
                if cut:
                    yield BytesIO(rest + chunk[:cut])
                    rest = b""
                rest += chunk[cut:]
                if len(rest) > LONGEST_RECORD + _CHUNK:
                    break
            yield BytesIO(rest)

    def _refuse(self, code: str, line: int, message: str, content: bytes) -> None:
        self._findings.add(code, line, message, (content.decode(errors="replace").rstrip("\n"),))

    def sha256(self) -> str:
        """The SHA-256 of the file's bytes."""
        return self._source.sha256()

    def close(self) -> None:
        """Let go of what is open."""
        self._source.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _without_comma(content: bytes) -> bytes:
    """A line without the comma at its end, if there is one."""
    bare = content.rstrip()
    return bare[:-1] + content[len(bare) :] if bare.endswith(b",") else content


def _loads(content: bytes) -> Any:
    try:
        return orjson.loads(content)
    except orjson.JSONDecodeError:
        return None


def _reason(error: orjson.JSONDecodeError, content: bytes) -> str:
    message = error.msg[:1].lower() + error.msg[1:]
    return json_fault(message, content.decode("utf-8", "replace"), error.pos)


def is_chat_file(path: str | os.PathLike[str] | ByteSource) -> bool:
    """Whether the first line that is not blank begins a record: an object with `messages`.

    So does a chat file that is written otherwise, as an array or in UTF-16, and is to be told so.
    """
    if not isinstance(path, ByteSource):
        with ByteSource(path) as source:
            return is_chat_file(source)
    if _BEGINS_RECORDS.match(decoded_head(path.head())[0]):
        return True
    with path.open() as stream:
        line = stream.readline(LONGEST_RECORD).removeprefix(codecs.BOM_UTF8)
        while line.isspace():
            line = stream.readline(LONGEST_RECORD)
    try:
        record = orjson.loads(line)
    except orjson.JSONDecodeError:
        return False
    return isinstance(record, dict) and "messages" in record
