"""Chat: from a row of a table to messages, and from an example to a record.

The same `Renderer` makes the training records and the prompts for prediction, so they cannot differ.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import orjson

from labeltune.errors import SettingsError, did_you_mean
from labeltune.task.columns import require_columns
from labeltune.task.template import LabelsSlot, TextSlot

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from labeltune.task import Task
    from labeltune.task.template import Template

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
        text_part = tuple(header.index(column) for column in task.text)
        self._text_part = text_part
        self.text = _joiner(text_part)
        """The text of a row's values: what `{text}` stands for. Empty if the row has none."""
        self._system = _compile(task, task.system_template, header, "system")
        self._user = _compile(task, task.user_template, header, "user")
        self.record_line = _line_maker(self._system, self._user, text_part)
        r"""`(values, text, answer) →` the record as a line of a chat file, ended by `\n`.

        `text` is that of the values, which every caller has looked at; the answer comes as a JSON string. The
        bytes are those of `json.dumps(record, ensure_ascii=False)`. Raises `TypeError` (from orjson) if a
        value holds a lone surrogate.
        """

    def messages(self, values: Sequence[str]) -> list[Message]:
        """The messages of a row, without the answer: system, if the task has one, and user."""
        user = {"role": "user", "content": _render(values, self._user)}
        if not self._system:
            return [user]
        return [{"role": "system", "content": _render(values, self._system)}, user]

    def place_of_text(self, values: Sequence[str]) -> tuple[int, int] | None:
        """Where `{text}` stands first in the messages of a row: the message's number and the character that
        it begins with.
        """
        messages = [self._system, self._user] if self._system else [self._user]
        for number, parts in enumerate(messages):
            if self._text_part in parts:
                return number, len(_render(values, parts[: parts.index(self._text_part)]))
        return None

    def record(self, values: Sequence[str], answer: str) -> dict[str, list[Message]]:
        """One training record."""
        return {"messages": [*self.messages(values), {"role": "assistant", "content": answer}]}


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


# Tables of millions of rows are rendered by the two functions below: what does not vary is worked out once,
# and the functions returned do no more for a row than they must.

_BEFORE_SYSTEM = b'{"messages": [{"role": "system", "content": "'
_BEFORE_USER = b'{"role": "user", "content": "'
_BEFORE_ANSWER = b'"}, {"role": "assistant", "content": '
_END = b"}]}\n"


def _joiner(positions: tuple[int, ...]) -> Callable[[Sequence[str]], str]:
    if len(positions) > 1:
        return lambda values: _join(values, positions)
    only = positions[0]
    return lambda values: values[only].strip()


def _line_maker(
    system: list[_Part], user: list[_Part], text_part: tuple[int, ...]
) -> Callable[[Sequence[str], str, bytes], bytes]:
    """Fixed parts become fragments of JSON; only what varies is escaped row by row."""
    opening = [_BEFORE_SYSTEM, *map(_json_part, system), b'"}, '] if system else [b'{"messages": [']
    fixed, varying = [b""], []
    for piece in [*opening, _BEFORE_USER, *map(_json_part, user), _BEFORE_ANSWER]:
        if isinstance(piece, bytes):
            fixed[-1] += piece
        else:
            varying.append(piece)
            fixed.append(b"")
    dumps = orjson.dumps
    if varying == [text_part]:
        before, after = fixed
        return lambda _, text, answer: b"".join((before, dumps(text)[1:-1], after, answer, _END))

    def line(values: Sequence[str], text: str, answer: bytes) -> bytes:
        pieces = [fixed[0]]
        for part, after in zip(varying, fixed[1:], strict=True):
            value = text if part == text_part else _join(values, part)
            pieces += (dumps(value)[1:-1], after)
        return b"".join((*pieces, answer, _END))

    return line


def _json_part(part: _Part) -> bytes | tuple[int, ...]:
    """A fixed string's JSON without the quotes around it; what varies stays what it is."""
    return orjson.dumps(part)[1:-1] if isinstance(part, str) else part
