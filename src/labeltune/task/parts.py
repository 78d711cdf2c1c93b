"""The parts of a task: its fields, its prompt, and how an answer is spelled."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = [
    "DEFAULT_SEPARATOR",
    "NO_DEFAULTS",
    "VERSION",
    "AnswerFormat",
    "Defaults",
    "Field",
    "FieldType",
    "Format",
    "Prompt",
]

VERSION = 1
"""Of the task file."""

DEFAULT_SEPARATOR = ","

FieldType = Literal["single", "multi"]
Format = Literal["label", "list", "json", "flags"]


@dataclass(frozen=True)
class Field:
    """One question about the text.

    `single`: exactly one label, in `column`. `multi`: any subset of its labels, as one 0/1 column per label
    (`columns`, in the order of `labels`) or joined by `delimiter` in `column`, `cells.LIST_DELIMITER` being
    lists. `yes` and `no` are what stands in `columns` where a label applies and where it does not, if that is
    not 1 and 0; an empty `no` is an empty cell. `empty` is the label that an empty cell of a single field
    means, if it means one. With `parent`, `children` maps each label of the parent field
    to the labels that may stand under it. `describe` says in a sentence what a label means, for models and
    people that were not trained on it.
    """

    name: str
    type: FieldType
    labels: tuple[str, ...]
    column: str | None = None
    columns: tuple[str, ...] = ()
    delimiter: str | None = None
    yes: str = "1"
    no: str = "0"
    empty: str | None = None
    parent: str | None = None
    children: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    describe: Mapping[str, str] = field(default_factory=dict)

    @property
    def source_columns(self) -> tuple[str, ...]:
        """The columns of the table that hold this field's labels."""
        return self.columns if self.column is None else (self.column,)


@dataclass(frozen=True)
class Prompt:
    """The system and user messages, with placeholders; an empty system message is left out."""

    system: str = ""
    user: str = "{text}"


@dataclass(frozen=True)
class AnswerFormat:
    """How labels are spelled in an answer.

    `none` is what the format `list` answers when no label applies; if it is empty, rows without a label are
    left out of training.
    """

    format: Format
    separator: str = DEFAULT_SEPARATOR
    none: str = ""


@dataclass(frozen=True)
class Defaults:
    """What commands take where neither an option nor the environment says it."""

    provider: str | None = None
    model: str | None = None


NO_DEFAULTS = Defaults()
