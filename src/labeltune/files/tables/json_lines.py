"""JSON Lines: one object per line; numbers stay as they are written."""

from __future__ import annotations

import codecs
from typing import TYPE_CHECKING, ClassVar

from labeltune.files.tables.json_rows import JsonTable
from labeltune.files.tables.text_lines import LONGEST_LINE

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["JsonLinesTable"]


class JsonLinesTable(JsonTable):
    """A table of JSON objects, one on each line."""

    format: ClassVar[str] = "jsonl"
    _rows_hint = "each line is one row, a JSON object"

    def _objects(self) -> Iterator[tuple[int, bytes]]:
        """The lines that hold something, as they are but for a byte order mark."""
        with self._utf8() as stream:
            for line, content in enumerate(iter(lambda: stream.readline(LONGEST_LINE + 1), b""), 1):
                if len(content) > LONGEST_LINE:
                    raise self._endless()
                bare = content.removeprefix(codecs.BOM_UTF8) if line == 1 else content
                if bare and not bare.isspace():
                    yield line, bare

    @property
    def header_bytes(self) -> bytes:
        """Nothing but the byte order mark, if there is one: each row names its columns."""
        return self.mark
