"""Chat: from a row of a table to messages, and from an example to a record.

The same `Renderer` makes the training records and the prompts for prediction, so they cannot differ.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import orjson

from labeltune.errors import SettingsError, did_you_mean
from labeltune.labels import require_columns
from labeltune.template import LabelsSlot, TextSlot

if TYPE_CHECKING:
    from collections.abc import Sequence

    from labeltune.task import Task
    from labeltune.template import Template

__all__ = ["Message", "Renderer", "labels_literal"]

Message = dict[str, Any]

TEXT_JOINER = "\n\n"
"""What stands between the text columns: a blank line."""

_Part = str | tuple[int, ...]
"""A fixed string, or the positions of columns whose stripped values are joined."""


class Renderer:
    """Renders the rows of one table as messages.

    Values are inserted as they are, stripped at both ends, and never parsed again; empty text columns leave
    no blank line behind. Raises `DataError` when the table lacks a text column, and `SettingsError` when a
    placeholder names no column.
    """

    def __init__(self, task: Task, header: Sequence[str], *, source: str = "table") -> None:
        require_columns(task.text, header, source=source)
        self._text = tuple(header.index(column) for column in task.text)
        self._system = _compile(task, task.system_template, header, "system")
        self._user = _compile(task, task.user_template, header, "user")
        self._before_user = b'"}, {"role": "user", "content": "'
        if not self._system:
            self._before_user = b'{"messages": [{"role": "user", "content": "'
        self._system_json = [_json_inner(part) if isinstance(part, str) else part for part in self._system]
        self._user_json = [_json_inner(part) if isinstance(part, str) else part for part in self._user]

    def text(self, values: Sequence[str]) -> str:
        """The text of a row: what `{text}` stands for. Empty if the row has none."""
        return _join(values, self._text)

    def messages(self, values: Sequence[str]) -> list[Message]:
        """The messages of a row, without the answer: system, if the task has one, and user."""
        user = {"role": "user", "content": _render(values, self._user)}
        if not self._system:
            return [user]
        return [{"role": "system", "content": _render(values, self._system)}, user]

    def record(self, values: Sequence[str], answer: str) -> dict[str, list[Message]]:
        """One training record."""
        return {"messages": [*self.messages(values), {"role": "assistant", "content": answer}]}

    def record_line(self, values: Sequence[str], answer_json: bytes) -> bytes:
        r"""The record as a line of a chat file, ended by `\n`; `answer_json` is the answer as a JSON string.

        The bytes are those of `json.dumps(record, ensure_ascii=False)`, made from fixed fragments.
        Raises `TypeError` (from orjson) if a value holds a lone surrogate.
        """
        pieces: list[bytes] = []
        if self._system:
            pieces.append(b'{"messages": [{"role": "system", "content": "')
            pieces.extend(_render_json(values, self._system_json))
        pieces.append(self._before_user)
        pieces.extend(_render_json(values, self._user_json))
        pieces += (b'"}, {"role": "assistant", "content": ', answer_json, b"}]}\n")
        return b"".join(pieces)


def _compile(task: Task, template: Template, header: Sequence[str], key: str) -> list[_Part]:
    """Fixed parts joined, labels written out, columns looked up."""
    parts: list[_Part] = []
    for slot in template:
        part: _Part
        if isinstance(slot, str):
            part = slot
        elif isinstance(slot, LabelsSlot):
            part = labels_literal(task.labels if slot.field is None else task.field(slot.field).labels)
        elif isinstance(slot, TextSlot):
            part = tuple(header.index(column) for column in task.text)
        elif slot.column in header:
            part = (header.index(slot.column),)
        else:
            raise SettingsError(
                f"{task.where('prompt', key)}: placeholder {{{slot.column}}} names no column"
                f"{did_you_mean(slot.column, header)}",
                hint=f"the table has: {', '.join(header)}",
            )
        if isinstance(part, str) and parts and isinstance(parts[-1], str):
            parts[-1] += part
        else:
            parts.append(part)
    return parts


def labels_literal(labels: Sequence[str]) -> str:
    """Labels as `{labels}` writes them: `['a', 'b']`, the way Python writes a list of strings."""
    return repr(list(labels))


def _join(values: Sequence[str], positions: tuple[int, ...]) -> str:
    if len(positions) == 1:
        return values[positions[0]].strip()
    return TEXT_JOINER.join(text for position in positions if (text := values[position].strip()))


def _render(values: Sequence[str], parts: list[_Part]) -> str:
    return "".join(part if isinstance(part, str) else _join(values, part) for part in parts)


def _json_inner(text: str) -> bytes:
    """A string's JSON without the quotes around it."""
    return orjson.dumps(text)[1:-1]


def _render_json(values: Sequence[str], parts: list[bytes | tuple[int, ...]]) -> list[bytes]:
    return [part if isinstance(part, bytes) else _json_inner(_join(values, part)) for part in parts]
