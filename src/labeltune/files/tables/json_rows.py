"""Tables whose rows are JSON objects: what JSON Lines and JSON arrays have in common."""

from __future__ import annotations

import json
import math
from abc import abstractmethod
from collections import Counter
from typing import TYPE_CHECKING, Any, ClassVar, NoReturn

import orjson

from labeltune.errors import DataError, did_you_mean
from labeltune.files.findings import Findings
from labeltune.files.json_faults import json_fault
from labeltune.files.tables.cells import Typed, row_of_text
from labeltune.files.tables.headers import name_columns
from labeltune.files.tables.text_table import TextTable
from labeltune.wording import counted

if TYPE_CHECKING:
    from collections.abc import Iterator

    from labeltune.files.sources import ByteSource
    from labeltune.files.tables.reading import Reading

__all__ = ["JsonTable"]


class JsonTable(TextTable):
    """A table of JSON objects; the columns are all keys that occur; one that is not there is nothing."""

    takes: ClassVar[frozenset[str]] = frozenset({"encoding"})

    def __init__(self, source: ByteSource, reading: Reading) -> None:
        super().__init__(source, reading)
        self._first: frozenset[str] = frozenset()
        """The keys of the first row."""
        line, columns = self._columns()
        # Without a row there are no names: `may_be_empty`.
        self.header, unnamed = name_columns(self.source, line, tuple(columns)) if line else ((), ())
        self._keys = tuple(columns)
        self.unnamed = frozenset(self.header[number - 1] for number in unnamed)

    @abstractmethod
    def _objects(self) -> Iterator[tuple[int, bytes]]:
        """The rows as the bytes they are, each with the line on which it begins."""

    def _columns(self) -> tuple[int, dict[str, None]]:
        """The first line, and the keys of all rows in the order in which they first stand there; 0, and none,
        of a table without rows that may be empty.
        """
        columns: dict[str, None] = {}
        first = 0
        for line, content in self._objects():
            if not first:
                first, document = line, self._first_row(line, content)
                self._first = frozenset(document)
            else:
                try:
                    document = orjson.loads(content)
                except orjson.JSONDecodeError:
                    continue  # told when the rows are read
            if isinstance(document, dict) and not document.keys() <= columns.keys():
                columns.update(dict.fromkeys(document))
        if not first and not self.may_be_empty:
            raise self._no_rows()
        return first, columns

    def _first_row(self, line: int, content: bytes) -> dict[str, Any]:
        try:
            return self._parse(content)
        except ValueError as error:
            raise DataError(
                f"{self.source}:{line}: {error}",
                hint='each line is one row, such as {"text": "…", "label": "…"}',
            ) from error

    def _rows(self) -> Iterator[tuple[int, list[str]]]:
        return ((line, values) for line, values, _ in self._records())

    def raw(self) -> Iterator[tuple[int, bytes]]:
        """See `Table.raw`."""
        self._findings = Findings(self.source, self.on_bad)
        return ((line, self._as_written(content)) for line, _, content in self._records())

    def _records(self) -> Iterator[tuple[int, list[str], bytes]]:
        rows, missing = 0, Counter[str]()
        for line, content in self._objects():
            rows += 1
            try:
                document = self._parse(content)
                if tuple(document) != self._keys:
                    document = self._in_order(document, missing)
                values = row_of_text(document.values(), self.header, passed_over=self._may_pass)
            except ValueError as error:
                self.reject("bad_json", line, str(error), (content.decode(errors="replace").strip(),))
                continue
            yield line, values, content
        for key, count in missing.items():
            self._note(
                f"{self.source}: {count:,} of {counted(rows, 'row has', 'rows have')} no key "
                f'"{key}", which is read as empty there'
            )
        self._finish(any_row=rows > 0)

    def _in_order(self, document: dict[str, Any], missing: Counter[str]) -> dict[str, Any]:
        """The values of all columns. Raises `ValueError` for a key that another one is a misspelling of."""
        lacking = [key for key in self._keys if key not in document]
        missing.update(lacking)
        lost = self._first.intersection(lacking)
        if lost:
            for key in document:
                if key not in self._first and (meant := did_you_mean(key, lost)):
                    raise ValueError(f'key "{key}" is not in the first row{meant}')
        return {key: document.get(key) for key in self._keys}

    def _parse(self, content: bytes) -> dict[str, Any]:
        """The object in some bytes; numbers as the text they are. Raises `ValueError` with a sentence."""
        try:
            text = content.decode()
        except UnicodeDecodeError as error:
            message = f"byte 0x{content[error.start]:02x} at byte {error.start + 1} is not UTF-8"
            if not self._findings.total:
                message += f"; {self._first_bad_byte()[1]}"
            raise ValueError(message) from error
        try:
            document = DECODER.decode(text)
        except json.JSONDecodeError as error:
            what = json_fault(error.msg.removesuffix(" at"), text, error.pos)
            raise ValueError(f"not valid JSON: {what}") from error
        except RecursionError:
            raise ValueError("not valid JSON: nested too deep") from None
        if not isinstance(document, dict):
            raise ValueError('expected a JSON object, such as {"text": "…", "label": "…"}')  # noqa: TRY004  # bad data
        return document


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"not valid JSON: {name}; write null where there is no value")


def _distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    document = dict(pairs)
    if len(document) != len(pairs):
        keys = [key for key, _ in pairs]
        raise ValueError(f'key "{next(key for key in keys if keys.count(key) > 1)}" stands there twice')
    return document


_MOST_DIGITS = 4_000
"""Of whole numbers that Python reads; longer ones stay text."""


def _whole_number(text: str) -> str:
    return Typed(text, int(text)) if len(text) <= _MOST_DIGITS else text


def _number(text: str) -> str:
    value = float(text)
    return Typed(text, value) if math.isfinite(value) else text


# Numbers keep the text they are written as, beside their value: 01 is no JSON, but 1.0 and 1e5 are.
DECODER = json.JSONDecoder(
    parse_int=_whole_number, parse_float=_number, parse_constant=_no_constant, object_pairs_hook=_distinct
)
