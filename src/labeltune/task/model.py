"""The task: text columns, fields, prompt and answer format, written once in `task.toml`.

Everything that convert, check, predict and evaluate need to agree on stands here, so it cannot drift between
them; `Task.fingerprint` travels with jobs and predictions to prove it.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, field
from functools import cached_property
from types import MappingProxyType
from typing import TYPE_CHECKING

from labeltune.defaults import DEFAULT_TASK_FILE
from labeltune.task.parts import NO_DEFAULTS, VERSION
from labeltune.task.read_options import NOTHING_TOLD
from labeltune.task.rules import check_parts
from labeltune.task.template import ColumnSlot, parse_template

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from labeltune.task.parts import AnswerFormat, Defaults, Field, Prompt
    from labeltune.task.read_options import ReadOptions
    from labeltune.task.template import Template
    from labeltune.task.toml_lines import Key

__all__ = ["Task"]


@dataclass(frozen=True)
class Task:
    """What is being classified. Made by `read_task`, `parse_task` or `infer.propose_task`; checked when made.

    Raises `SettingsError` when its parts contradict each other.
    """

    text: tuple[str, ...]
    fields: tuple[Field, ...]
    prompt: Prompt
    answer: AnswerFormat
    id: str | None = None
    read: ReadOptions = NOTHING_TOLD
    """How its tables are read, where no option says otherwise."""
    defaults: Defaults = NO_DEFAULTS
    source: str = field(default=DEFAULT_TASK_FILE, compare=False)
    lines: Mapping[Key, int] = field(default_factory=dict, compare=False, repr=False)

    def __post_init__(self) -> None:
        check_parts(
            text=self.text, fields=self.fields, prompt=self.prompt, answer=self.answer, where=self.where
        )

    @cached_property
    def columns(self) -> frozenset[str]:
        """Every column of the table that the task names."""
        slots = (*self.system_template, *self.user_template)
        placed = (slot.column for slot in slots if isinstance(slot, ColumnSlot))
        return frozenset([*self.text, *self.label_columns, *placed, *filter(None, [self.id])])

    @cached_property
    def system_template(self) -> Template:
        """The system message, parsed."""
        return parse_template(self.prompt.system)

    @cached_property
    def user_template(self) -> Template:
        """The user message, parsed."""
        return parse_template(self.prompt.user)

    @cached_property
    def labels(self) -> tuple[str, ...]:
        """All labels of all fields, in task order: the order of every label vector. Length n_labels."""
        return tuple(label for field_ in self.fields for label in field_.labels)

    @cached_property
    def slices(self) -> Mapping[str, slice]:
        """Where each field's labels stand in a label vector."""
        result, start = {}, 0
        for field_ in self.fields:
            result[field_.name] = slice(start, start + len(field_.labels))
            start += len(field_.labels)
        return MappingProxyType(result)

    @cached_property
    def label_columns(self) -> tuple[str, ...]:
        """The columns of the table that hold labels, in task order."""
        return tuple(column for field_ in self.fields for column in field_.source_columns)

    def field(self, name: str) -> Field:
        """The field of that name. Raises `KeyError`."""
        for field_ in self.fields:
            if field_.name == name:
                return field_
        raise KeyError(name)

    @cached_property
    def fingerprint(self) -> str:
        """A hash of everything that changes records or decoding: 16 hexadecimal digits.

        The column that names a row, how tables are read, the defaults of commands, what labels are described
        by, the order of keys in the file and its comments do not count.
        """
        content = self.document()
        for name in ("id", "read", "defaults"):
            content.pop(name, None)
        for field_ in content["field"]:
            field_.pop("describe", None)
        canonical = json.dumps(content, sort_keys=True, ensure_ascii=True)
        return hashlib.sha256(canonical.encode()).hexdigest()[:16]

    def document(self) -> dict[str, Any]:
        """The task as a TOML document that is read back to an equal one, keys in the reference's order."""
        document: dict[str, Any] = {"version": VERSION, "text": list(self.text)}
        if self.id is not None:
            document["id"] = self.id
        document["field"] = [_field_document(field_) for field_ in self.fields]
        document["prompt"] = {"system": self.prompt.system, "user": self.prompt.user}
        document["answer"] = {"format": self.answer.format}
        if self.answer.format == "list":
            document["answer"] |= {"separator": self.answer.separator, "none": self.answer.none}
        if read := self.read.said():
            document["read"] = read
        if defaults := {name: value for name, value in asdict(self.defaults).items() if value is not None}:
            document["defaults"] = defaults
        return document

    def where(self, *key: str | int) -> str:
        """`FILE:LINE` of a key of the task file, as far as it is known; for messages."""
        for length in range(len(key), 0, -1):
            line = self.lines.get(key[:length])
            if line is not None:
                return f"{self.source}:{line}"
        return self.source


def _field_document(field_: Field) -> dict[str, Any]:
    document: dict[str, Any] = {"name": field_.name, "type": field_.type}
    if field_.column is not None:
        document["column"] = field_.column
    if field_.columns:
        document["columns"] = list(field_.columns)
    if (field_.yes, field_.no) != ("1", "0"):
        document |= {"yes": field_.yes, "no": field_.no}
    if field_.delimiter is not None:
        document["delimiter"] = field_.delimiter
    document["labels"] = list(field_.labels)
    if field_.empty is not None:
        document["empty"] = field_.empty
    if field_.parent is not None:
        document["parent"] = field_.parent
        document["children"] = {upper: list(lowers) for upper, lowers in field_.children.items()}
    if field_.describe:
        document["describe"] = dict(field_.describe)
    return document
