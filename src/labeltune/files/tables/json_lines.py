"""JSON Lines: one object per line, all with the keys of the first; numbers stay as they are written."""

from __future__ import annotations

import codecs
import json
from typing import TYPE_CHECKING, Any, ClassVar, NoReturn

from labeltune.errors import DataError, SettingsError, did_you_mean
from labeltune.files.findings import Findings
from labeltune.files.tables.cells import row_of_text
from labeltune.files.tables.table import check_header
from labeltune.files.tables.text_lines import LONGEST_LINE
from labeltune.files.tables.text_table import TextTable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from labeltune.files.sources import ByteSource
    from labeltune.files.tables.table import ReadOptions

__all__ = ["JsonLinesTable"]


class JsonLinesTable(TextTable):
    """A table of JSON objects; the first one's keys are the columns."""

    format: ClassVar[str] = "jsonl"

    def __init__(self, source: ByteSource, options: ReadOptions) -> None:
        super().__init__(source, options.encoding)
        if options.separator is not None:
            raise SettingsError(f"{self.source}: --sep is for CSV; this is JSON Lines")
        for line, content in self._lines():
            try:
                first = _parse(content)
            except ValueError as error:
                raise DataError(
                    f"{self.source}:{line}: {error}",
                    hint='each line is one row, such as {"text": "…", "label": "…"}',
                ) from error
            self.header = check_header(self.source, line, tuple(first))
            return
        raise self._no_rows()

    def _lines(self) -> Iterator[tuple[int, bytes]]:
        """The lines that hold something, as they are but for a byte order mark."""
        with self._utf8() as stream:
            for line, content in enumerate(iter(lambda: stream.readline(LONGEST_LINE + 1), b""), 1):
                if len(content) > LONGEST_LINE:
                    raise self._endless()
                bare = content.removeprefix(codecs.BOM_UTF8) if line == 1 else content
                if bare and not bare.isspace():
                    yield line, bare

    def _rows(self) -> Iterator[tuple[int, list[str]]]:
        return ((line, values) for line, values, _ in self._records())

    def raw(self) -> Iterator[tuple[int, bytes]]:
        """See `Table.raw`."""
        self._findings = Findings(self.source, self.on_bad)
        return ((line, self._as_written(content)) for line, _, content in self._records())

    @property
    def header_bytes(self) -> bytes:
        """Nothing but the byte order mark, if there is one: each row names its columns."""
        return self._mark

    def _records(self) -> Iterator[tuple[int, list[str], bytes]]:
        any_row = False
        for line, content in self._lines():
            any_row = True
            try:
                document = _parse(content)
                if tuple(document) != self.header:
                    document = self._in_order(document)
                values = row_of_text(document.values(), self.header)
            except ValueError as error:
                self.reject("bad_json", line, str(error), (content.decode(errors="replace").strip(),))
                continue
            yield line, values, content
        self._finish(any_row=any_row)

    def _in_order(self, document: dict[str, Any]) -> dict[str, Any]:
        for key in document:
            if key not in self.header:
                raise ValueError(f'key "{key}" is not in the first row{did_you_mean(key, self.header)}')
        missing = [key for key in self.header if key not in document]
        if missing:
            raise ValueError(f'no key "{missing[0]}", which the first row has')
        return {key: document[key] for key in self.header}


def _parse(content: bytes) -> dict[str, Any]:
    """The object that a line holds; numbers as the text they are. Raises `ValueError` with a sentence."""
    try:
        text = content.decode()
    except UnicodeDecodeError as error:
        raise ValueError(
            f"byte 0x{content[error.start]:02x} at byte {error.start + 1} is not UTF-8"
        ) from error
    try:
        document = _DECODER.decode(text)
    except json.JSONDecodeError as error:
        what = error.msg.removesuffix(" at")
        raise ValueError(f"not valid JSON: {what} at character {error.pos + 1}") from error
    except RecursionError:
        raise ValueError("not valid JSON: nested too deep") from None
    if not isinstance(document, dict):
        raise ValueError('expected a JSON object, such as {"text": "…", "label": "…"}')  # noqa: TRY004  # bad data
    return document


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"not valid JSON: {name}")


def _distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    document = dict(pairs)
    if len(document) != len(pairs):
        keys = [key for key, _ in pairs]
        raise ValueError(f'key "{next(key for key in keys if keys.count(key) > 1)}" stands there twice')
    return document


# Numbers stay the text they are written as: 01 is no JSON, but 1.0 and 1e5 are.
_DECODER = json.JSONDecoder(
    parse_int=str, parse_float=str, parse_constant=_no_constant, object_pairs_hook=_distinct
)
