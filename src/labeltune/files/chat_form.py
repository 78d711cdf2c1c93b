"""What a chat file is instead, where it is not one record on each line: told once, for the whole file."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

from labeltune.files.byte_marks import UTF8, mark_of
from labeltune.files.json_faults import PYTHON_DICT

if TYPE_CHECKING:
    from labeltune.files.sources import ByteSource

__all__ = ["NOT_LINES", "NOT_UTF8", "decoded_head", "misform"]

NOT_UTF8, NOT_LINES = "not_utf8", "not_lines"
"""The codes of such findings."""

_ENDS_WITHIN = re.compile(r"[\[{,:]\s*$")
_ARRAY = re.compile(r"\[\s*(\{|\Z)")
_PYTHON = re.compile(r"\{\s*'")


def misform(source: ByteSource) -> tuple[str, str] | None:
    """Why no line of the file can be a record: a finding's code and a sentence; None if lines may be."""
    head = source.head()
    text, encoding = decoded_head(head)
    if encoding != "utf-8":
        name = encoding[:6].upper()
        return NOT_UTF8, (
            f"is {name}, which no provider reads (Windows PowerShell's > writes that); write it with "
            "`labeltune convert DATA -o FILE`, or save it as UTF-8"
        )
    bare = text.lstrip()
    if _is_array(bare):
        return NOT_LINES, f"this is a JSON array; write one record on each line: jq -c '.[]' {source.name}"
    if bare.startswith("{") and _spans_lines(bare):
        return NOT_LINES, (
            f"the objects stand over several lines; write one record on each line: jq -c . {source.name}"
        )
    if _PYTHON.match(bare):
        return NOT_LINES, PYTHON_DICT
    return None


def decoded_head(head: bytes) -> tuple[str, str]:
    """The start of a text without its byte order mark, and its encoding, UTF-8 if it is no other surely."""
    found = mark_of(head)
    if found is not None:
        mark, encoding = found
        return head[len(mark) :].decode(encoding, "replace" if encoding == UTF8 else "ignore"), encoding
    # Without a mark, the first signs of JSON tell: all of them are ASCII.
    for place, encoding in ((1, "utf-16-le"), (0, "utf-16-be")):
        if len(head) > 3 and head[place] == head[place + 2] == 0 and head[1 - place] and head[3 - place]:
            return head.decode(encoding, "ignore"), encoding
    return head.decode(UTF8, "replace"), UTF8


def _is_array(text: str) -> bool:
    """Whether a text is one array of objects rather than one on each line."""
    if not _ARRAY.match(text):
        return False
    try:
        _, end = json.JSONDecoder().raw_decode(text)
    except (ValueError, RecursionError):
        return True
    return not text[end:].strip()


def _spans_lines(text: str) -> bool:
    """Whether the object with which a text begins ends on another line."""
    line, _, rest = text.partition("\n")
    if _is_object(rest.partition("\n")[0]):
        return False  # the first line is broken, and the next one is a record
    try:
        _, end = json.JSONDecoder().raw_decode(text)
    except (ValueError, RecursionError):
        # It may be longer than what was looked at; a line that ends where a value must follow goes on.
        return _ENDS_WITHIN.search(line) is not None and not line.rstrip().endswith(("}", "},"))
    return end > len(line)


def _is_object(line: str) -> bool:
    try:
        return isinstance(json.loads(line), dict)
    except (ValueError, RecursionError):
        return False
