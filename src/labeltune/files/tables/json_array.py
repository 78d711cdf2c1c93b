"""JSON that is one document: an array of objects, or an object that holds one."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, ClassVar

from labeltune.errors import DataError
from labeltune.files.json_faults import PYTHON_DICT, is_python_dict
from labeltune.files.tables.json_rows import JsonTable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from labeltune.files.sources import ByteSource
    from labeltune.files.tables.reading import Reading

__all__ = ["JsonArrayTable", "is_one_document", "is_one_key", "is_one_table", "may_hold_rows"]

_SPACE = re.compile(r"\s*")
_DECODER = json.JSONDecoder()
_LISTED = 5
_TEXT = r'"(?:[^"\\]|\\.)*"'
_ROWS_BEGIN = re.compile(rf"\{{\s*(?:{_TEXT}\s*:\s*(?:{_TEXT}|[\w.+-]+)\s*,\s*)*{_TEXT}\s*:\s*\[\s*\{{")


class JsonArrayTable(JsonTable):
    """A table that is a JSON array of objects, or stands as one under a key of a JSON object.

    It is held in memory. A row's line is the one on which its object begins.
    """

    format: ClassVar[str] = "json"
    _rows_hint = "each object of the array is one row"

    def __init__(self, source: ByteSource, reading: Reading) -> None:
        self._text: str | None = None
        self._start = 0
        super().__init__(source, reading)

    def _objects(self) -> Iterator[tuple[int, bytes]]:
        text = self._whole()
        at, line, counted = self._start, 1, 0
        while True:
            at = _past_space(text, at)
            if at >= len(text):
                raise self._invalid("the array does not end", at)
            if text[at] == "]":
                self._refuse_more(at + 1)
                return
            _, end = self._value(at)
            line, counted = line + text.count("\n", counted, at), at
            yield line, text[at:end].encode(errors="surrogatepass")
            at = _past_space(text, end)
            if text[at : at + 1] == ",":
                at += 1
            elif at < len(text) and text[at] != "]":
                raise self._invalid('expected "," or "]"', at)

    def _whole(self) -> str:
        """The text; the first time, `_start` is set behind the bracket that opens the rows."""
        if self._text is None:
            with self._utf8() as stream:
                content = stream.read()
            try:
                self._text = content.decode().removeprefix("\ufeff")
            except UnicodeDecodeError as error:
                line = content.count(b"\n", 0, error.start) + 1
                offset, likely = self._first_bad_byte()
                raise DataError(
                    f"{self.source}:{line}: byte 0x{content[error.start]:02x} is not UTF-8 (byte offset "
                    f"{offset:,} of the file); {likely}"
                ) from error
            start = _past_space(self._text, 0)
            self._start = start + 1 if self._text[start : start + 1] == "[" else self._nested(start)
        return self._text

    def _nested(self, at: int) -> int:
        """The place behind the bracket of the only array of objects in an object."""
        text = self._text or ""
        if text[at : at + 1] != "{":
            raise self._invalid("expected an array of objects", at)
        members: dict[str, tuple[int, Any]] = {}
        at = _past_space(text, at + 1)
        while text[at : at + 1] == '"':
            key, at = self._value(at)
            at = _past_space(text, at)
            if text[at : at + 1] != ":":
                raise self._invalid('expected ":"', at)
            start = _past_space(text, at + 1)
            value, at = self._value(start)
            members[key] = start, value
            at = _past_space(text, at)
            at = _past_space(text, at + 1) if text[at : at + 1] == "," else at
        if text[at : at + 1] != "}":
            raise self._invalid('expected "}"', at)
        tables = [key for key, (_, value) in members.items() if _is_rows(value)]
        if len(tables) != 1:
            raise self._no_table(members, tables)
        self.notes.append(f'{self.source}: the rows are those of "{tables[0]}"')
        return members[tables[0]][0] + 1

    def _no_table(self, members: dict[str, tuple[int, Any]], tables: list[str]) -> DataError:
        named = ", ".join(f'"{key}"' for key in [*members][:_LISTED]) + (
            ", …" if len(members) > _LISTED else ""
        )
        if tables:
            hint = f"write each in a file of its own: jq '.\"{tables[0]}\"' {self.source} > {tables[0]}.json"
        else:
            hint = (
                'a table is an array of objects, [{"text": "…", "label": "…"}, …], or one object on each line'
            )
        return DataError(
            f"{self.source}: this is one JSON object, not a table: it holds {named or 'nothing'}", hint=hint
        )

    def _value(self, at: int) -> tuple[Any, int]:
        try:
            return _DECODER.raw_decode(self._text or "", at)
        except json.JSONDecodeError as error:
            if is_python_dict(error.doc, error.pos):
                raise DataError(f"{self.source}: not valid JSON: {PYTHON_DICT}") from error
            raise self._invalid(error.msg.removesuffix(" at"), error.pos) from error
        except RecursionError:
            raise self._invalid("nested too deep", at) from None

    def _refuse_more(self, at: int) -> None:
        text = self._text or ""
        if text[0 : _past_space(text, 0) + 1].strip() == "[" and _past_space(text, at) < len(text):
            raise self._invalid("something follows the array", _past_space(text, at))

    def _invalid(self, what: str, at: int) -> DataError:
        text = self._text or ""
        line = text.count("\n", 0, at) + 1
        column = at - (text.rfind("\n", 0, at) + 1) + 1
        return DataError(f"{self.source}:{line}: not valid JSON: {what} at character {column}")


def _past_space(text: str, at: int) -> int:
    match = _SPACE.match(text, at)
    return at if match is None else match.end()


def _is_rows(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(item, dict) for item in value)


def is_one_document(head: bytes) -> bool:
    """Whether JSON that begins so is one document rather than one object on each line."""
    text = _bare(head)
    if not text.startswith("{"):
        return True
    line = text.partition("\n")[0]
    try:
        return not isinstance(json.loads(line), dict)
    except (ValueError, RecursionError):
        # A first line that is cut off, or holds a fault, is a row; one that ends within an object is not.
        return len(line) < len(text) and not line.rstrip().endswith(("}", "},"))


def is_one_table(head: bytes) -> bool:
    """Whether one line of JSON is an object that holds a table rather than a row. A record is neither."""
    try:
        document = json.loads(_bare(head))
    except (ValueError, RecursionError):
        return False
    if not isinstance(document, dict) or "messages" in document:
        return False
    return any(map(_is_rows, document.values()))


def may_hold_rows(head: bytes) -> bool:
    """Whether an object begins with a key under which objects stand, perhaps after keys of plain values."""
    return _ROWS_BEGIN.match(_bare(head)) is not None


def is_one_key(head: bytes) -> bool:
    """Whether the only line of JSON is an object with one key, under which the rows of a table stand."""
    return is_one_table(head) and len(json.loads(_bare(head))) == 1


def _bare(head: bytes) -> str:
    return head.decode(errors="replace").lstrip("\ufeff \t\r\n")
