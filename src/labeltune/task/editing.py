"""A task file edited in place: what is added stands where it belongs, and nothing else changes."""

from __future__ import annotations

from dataclasses import replace
from types import MappingProxyType
from typing import TYPE_CHECKING

from labeltune.errors import SettingsError
from labeltune.task.reading import parse_task
from labeltune.task.toml_lines import key_lines
from labeltune.task.writing import toml

if TYPE_CHECKING:
    from collections.abc import Mapping

    from labeltune.task.model import Task
    from labeltune.task.toml_lines import Key

__all__ = ["with_descriptions"]


def with_descriptions(content: str, sentences: Mapping[str, Mapping[str, str]], *, source: str) -> str:
    """The content of a task file with sentences for labels, by field; those that it has already stay.

    The result is read back and compared. Raises `SettingsError` where the file is written in a way that
    nothing can be put into it without rewriting it.
    """
    plain = content.removeprefix("\ufeff")
    before = parse_task(plain, source=source)
    lines = content.split("\n")
    end = "\r" if content.count("\r\n") * 2 > len(lines) else ""
    # From the last field to the first: lines above stay where they are.
    for index in range(len(before.fields) - 1, -1, -1):
        field = before.fields[index]
        added = {
            label: sentence
            for label, sentence in sentences.get(field.name, {}).items()
            if label not in field.describe
        }
        if added:
            place, is_new = _place(key_lines(plain), len(lines), lines, index)
            block = ["", "[field.describe]"] if is_new else []
            block += [f"{toml(label)} = {toml(sentence)}" for label, sentence in added.items()]
            lines[place:place] = [line + end for line in block]
    written = "\n".join(lines)
    _check(before, written, sentences, source)
    return written


def _place(keys: Mapping[Key, int], total: int, lines: list[str], index: int) -> tuple[int, bool]:
    """How many lines stand before what is added to a field, and whether it has no `[field.describe]` yet."""
    own = ("field", index)
    table = (*own, "describe")
    begin = keys.get(table, keys.get(own, 0))
    # What belongs to the table, or to the field and its tables, ends where something else begins.
    scope = table if table in keys else own
    after = [line for key, line in keys.items() if line > begin and key[: len(scope)] != scope]
    end = min(after, default=total + 1) - 1
    while end > begin and (not lines[end - 1].strip() or lines[end - 1].lstrip().startswith("#")):
        end -= 1
    return end, table not in keys


def _check(before: Task, written: str, sentences: Mapping[str, Mapping[str, str]], source: str) -> None:
    """Raise unless the file says what it said, and the sentences."""
    fields = tuple(
        replace(field, describe=MappingProxyType({**sentences.get(field.name, {}), **field.describe}))
        for field in before.fields
    )
    try:
        after = parse_task(written.removeprefix("\ufeff"), source=source)
    except SettingsError:
        after = None
    if after != replace(before, fields=fields):
        raise SettingsError(
            f"{source}: is written in a way that nothing can be put into it without rewriting it",
            hint="write each field as [[field]], its keys on lines of their own, and no describe = { … }; "
            "or write [field.describe] yourself",
        )
