"""Opening what is checked: a table or a chat file, whichever it is."""

from __future__ import annotations

import codecs
from itertools import chain, islice
from typing import TYPE_CHECKING, Any

import orjson

from labeltune.errors import SettingsError
from labeltune.files.chat_form import decoded_head
from labeltune.files.jsonl import LONGEST_RECORD, ChatFile
from labeltune.files.sources import ByteSource
from labeltune.files.tables import open_table
from labeltune.prepare.check.chat_part import ChatPart
from labeltune.prepare.check.table_part import TablePart
from labeltune.task.records import MAX_BYTES
from labeltune.wording import pasted

if TYPE_CHECKING:
    import os
    from collections.abc import Iterator

    from labeltune.prepare.check.options import CheckOptions
    from labeltune.prepare.check.part import Part
    from labeltune.prepare.check.setting import Setting
    from labeltune.task import Task

__all__ = ["is_chat", "open_part"]

_CHAT_ENDINGS = (".jsonl", ".ndjson", ".json", "")
_SNIFFED = 20


def open_part(path: str | os.PathLike[str], role: str, setting: Setting, options: CheckOptions) -> Part:
    """Open a table or a chat file, whichever it is.

    Raises `SettingsError` if there is no such file, or a table without a task; `DataError` for a table
    without a usable header or without the task's columns.
    """
    source = ByteSource(path)
    try:
        if options.read.format is None and is_chat(source, setting.task):
            size = source.path.stat().st_size
            if size > MAX_BYTES:
                message = f"{size:,} bytes, more than {MAX_BYTES:,} (512 MB)"
                setting.log.add("too_large", message, source.name)
            return ChatPart(ChatFile(source), role, setting)
        return _open_table(source, role, setting, options)
    except BaseException:
        source.close()
        raise


def _open_table(source: ByteSource, role: str, setting: Setting, options: CheckOptions) -> TablePart:
    if setting.task is None:
        raise SettingsError(
            f"{source.name}: a table is checked with its task, and there is no task file",
            hint=f"labeltune init {pasted(source.name)} proposes one, or name it with --task",
        )
    return TablePart(open_table(source, options.read, task=setting.task), role, setting, setting.task)


def is_chat(source: ByteSource, task: Task | None) -> bool:
    """Whether the lines are records rather than rows: told by the first lines that are JSON objects."""
    if source.ending not in _CHAT_ENDINGS:
        return False
    text, encoding = decoded_head(source.head())
    if encoding != "utf-8" or text.lstrip().startswith("[") or source.ending == ".json":
        # No line of it is an object by itself, or may not be: the names of keys must do.
        named = () if task is None else task.text
        has_text = any(f'"{column}"' in text for column in named)
        return '"messages"' in text or not (has_text or (task is not None and source.ending == ".json"))
    with source.open() as stream:
        lines = chain([stream.readline(LONGEST_RECORD).removeprefix(codecs.BOM_UTF8)], _more(stream))
        json_like = False
        for line in islice((line for line in lines if not line.isspace() and line), _SNIFFED):
            json_like = json_like or line.lstrip()[:1] in (b"{", b"[")
            try:
                row = orjson.loads(line)
            except orjson.JSONDecodeError:
                continue
            if isinstance(row, dict):
                return "messages" in row or task is None or not any(column in row for column in task.text)
    return bool(source.ending) or json_like


def _more(stream: Any) -> Iterator[bytes]:
    return iter(lambda: stream.readline(LONGEST_RECORD), b"")
