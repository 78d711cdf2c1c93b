"""The task: text columns, fields, prompt and answer format, written once in `task.toml`.

Everything that convert, check, predict and evaluate need to agree on stands here, so it cannot drift between
them; `Task.fingerprint` travels with jobs and predictions to prove it.
"""

from __future__ import annotations

import hashlib
import json
import tomllib
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Literal, cast, get_args

from labeltune.defaults import DEFAULT_TASK_FILE
from labeltune.errors import SettingsError, did_you_mean
from labeltune.template import ColumnSlot, LabelsSlot, TemplateError, parse_template
from labeltune.toml_lines import Key, key_lines

if TYPE_CHECKING:
    import os
    from collections.abc import Iterable, Mapping
    from typing import Any, NoReturn

    from labeltune.template import Template

__all__ = [
    "DEFAULT_TASK_FILE",
    "AnswerFormat",
    "Field",
    "FieldType",
    "Format",
    "Prompt",
    "Task",
    "format_task",
    "parse_task",
    "read_task",
    "task_if_there",
]

VERSION = 1
DEFAULT_SEPARATOR = ","

FieldType = Literal["single", "multi"]
Format = Literal["label", "list", "json", "flags"]


@dataclass(frozen=True)
class Field:
    """One question about the text.

    `single`: exactly one label, in `column`. `multi`: any subset of its labels, as one 0/1 column per label
    (`columns`, in the order of `labels`) or joined by `delimiter` in `column`. With `parent`, `children` maps
    each label of the parent field to the labels that may stand under it.
    """

    name: str
    type: FieldType
    labels: tuple[str, ...]
    column: str | None = None
    columns: tuple[str, ...] = ()
    delimiter: str | None = None
    parent: str | None = None
    children: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

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
class Task:
    """What is being classified. Made by `read_task`, `parse_task` or `infer.propose_task`; checked when made.

    Raises `SettingsError` when its parts contradict each other.
    """

    text: tuple[str, ...]
    fields: tuple[Field, ...]
    prompt: Prompt
    answer: AnswerFormat
    id: str | None = None
    source: str = field(default=DEFAULT_TASK_FILE, compare=False)
    lines: Mapping[Key, int] = field(default_factory=dict, compare=False, repr=False)

    def __post_init__(self) -> None:
        _Checker(self).check()

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

        The column that names a row, the order of keys in the file and its comments do not count.
        """
        content = _as_document(self)
        content.pop("id", None)
        canonical = json.dumps(content, sort_keys=True, ensure_ascii=True)
        return hashlib.sha256(canonical.encode()).hexdigest()[:16]

    def where(self, *key: str | int) -> str:
        """`FILE:LINE` of a key of the task file, as far as it is known; for messages."""
        for length in range(len(key), 0, -1):
            line = self.lines.get(key[:length])
            if line is not None:
                return f"{self.source}:{line}"
        return self.source


class _Checker:
    """Finds contradictions between the parts of a task; every error names the line."""

    def __init__(self, task: Task) -> None:
        self.task = task

    def check(self) -> None:
        task = self.task
        if not task.text:
            self.fail("text names no column; give at least one", "text")
        self.no_repeats(task.text, "text", "text")
        if not task.fields:
            self.fail("there is no [[field]]; give at least one")
        self.no_repeats([field_.name for field_ in task.fields], "the fields' names", "field")
        for index, field_ in enumerate(task.fields):
            self.check_field(index, field_)
        self.no_repeats(task.label_columns, "the fields' columns", "field")
        self.check_answer()
        self.check_prompt()

    def fail(self, message: str, *key: str | int, hint: str | None = None) -> NoReturn:
        raise SettingsError(f"{self.task.where(*key)}: {message}", hint=hint)

    def no_repeats(self, values: Iterable[str], what: str, *key: str | int) -> None:
        seen = set()
        for value in values:
            if not value.strip():
                self.fail(f"{what}: an empty name", *key)
            if value in seen:
                self.fail(f'{what}: "{value}" stands there twice', *key)
            seen.add(value)

    def check_field(self, index: int, field_: Field) -> None:
        at = ("field", index)
        if not field_.labels:
            self.fail(f'field "{field_.name}" has no labels', *at, "labels")
        self.no_repeats(field_.labels, f'labels of field "{field_.name}"', *at, "labels")
        for label in field_.labels:
            if label != label.strip():
                self.fail(f'label "{label}" begins or ends with space', *at, "labels")
        clash = next((c for c in field_.source_columns if c in self.task.text), None)
        if clash is not None:
            self.fail(f'column "{clash}" is both a text column and holds labels of "{field_.name}"', *at)
        if field_.type == "single":
            self.check_single(index, field_)
        else:
            self.check_multi(index, field_)

    def check_single(self, index: int, field_: Field) -> None:
        at = ("field", index)
        if field_.column is None or field_.columns or field_.delimiter is not None:
            self.fail(
                f'field "{field_.name}" is single: it needs column, and neither columns nor delimiter', *at
            )
        if field_.parent is None:
            if field_.children:
                self.fail(f'field "{field_.name}" has children but no parent', *at, "children")
            return
        parent = next((f for f in self.task.fields[:index] if f.name == field_.parent), None)
        if parent is None or parent.type != "single":
            self.fail(f'parent "{field_.parent}" is not a single field before this one', *at, "parent")
        if not field_.children:
            self.fail(
                f'field "{field_.name}" has a parent: [field.children] must map each of its labels to theirs',
                *at,
            )
        for upper, lowers in field_.children.items():
            self.check_known(upper, parent.labels, f'"{parent.name}"', *at, "children")
            for lower in lowers:
                self.check_known(lower, field_.labels, f'"{field_.name}"', *at, "children", upper)
        orphan = next((x for x in field_.labels if not any(x in v for v in field_.children.values())), None)
        if orphan is not None:
            self.fail(f'label "{orphan}" stands under no label of "{parent.name}"', *at, "children")

    def check_known(self, label: str, labels: tuple[str, ...], of: str, *key: str | int) -> None:
        if label not in labels:
            self.fail(f'"{label}" is not a label of {of}{did_you_mean(label, labels)}', *key)

    def check_multi(self, index: int, field_: Field) -> None:
        at = ("field", index)
        if field_.parent is not None or field_.children:
            self.fail(f'field "{field_.name}" is multi: only single fields have a parent', *at)
        if (field_.column is None) == (not field_.columns):
            self.fail(f'field "{field_.name}" needs either columns or column with a delimiter', *at)
        if field_.columns and len(field_.columns) != len(field_.labels):
            self.fail(
                f'field "{field_.name}" has {len(field_.labels)} labels but {len(field_.columns)} columns',
                *at,
                "columns",
            )
        if (field_.column is None) != (field_.delimiter is None) or field_.delimiter == "":
            self.fail(f'field "{field_.name}": a delimiter is needed with column, and only there', *at)
        if field_.delimiter is not None:
            bad = next((x for x in field_.labels if field_.delimiter in x), None)
            if bad is not None:
                self.fail(f'label "{bad}" contains the delimiter "{field_.delimiter}"', *at, "labels")

    def check_answer(self) -> None:
        fields, answer = self.task.fields, self.task.answer
        if answer.format not in get_args(Format):
            self.fail(f'no answer format "{answer.format}"{did_you_mean(answer.format, get_args(Format))}')
        wanted: FieldType | None = {"label": "single", "list": "multi", "flags": "multi"}.get(answer.format)  # type: ignore[assignment]  # the values are field types
        if wanted is not None and (len(fields) != 1 or fields[0].type != wanted):
            self.fail(
                f'format = "{answer.format}" answers exactly one {wanted} field',
                "answer",
                "format",
                hint='several fields need format = "json"',
            )
        if answer.format == "list":
            self.check_list(fields[0], answer)
            return
        for key, value, default in (
            ("separator", answer.separator, DEFAULT_SEPARATOR),
            ("none", answer.none, ""),
        ):
            if value != default:
                self.fail(f'{key} belongs to format = "list" only', "answer", key)

    def check_list(self, field_: Field, answer: AnswerFormat) -> None:
        if not answer.separator:
            self.fail("the separator is empty", "answer", "separator")
        core = answer.separator.strip() or answer.separator
        for label in (*field_.labels, answer.none):
            if core in label:
                self.fail(f'"{label}" contains the separator "{core}"', "answer", "separator")
        if answer.none != answer.none.strip():
            self.fail("none begins or ends with space", "answer", "none")
        if answer.none.casefold() in {label.casefold() for label in field_.labels}:
            self.fail(f'none = "{answer.none}" is also a label', "answer", "none")

    def check_prompt(self) -> None:
        task = self.task
        for key, text in (("system", task.prompt.system), ("user", task.prompt.user)):
            try:
                template = parse_template(text)
            except TemplateError as error:
                self.fail(f"{key}: {error}", "prompt", key, hint="write {{ and }} for braces")
            for slot in template:
                if isinstance(slot, LabelsSlot) and slot.field is not None:
                    names = [field_.name for field_ in task.fields]
                    if slot.field not in names:
                        self.fail(
                            f"{key}: {{labels:{slot.field}}} names no field{did_you_mean(slot.field, names)}",
                            "prompt",
                            key,
                        )
                if isinstance(slot, ColumnSlot) and slot.column in task.label_columns:
                    self.fail(f"{key}: {{{slot.column}}} would tell the model the label", "prompt", key)
        if not any(not isinstance(slot, str | LabelsSlot) for slot in parse_template(task.prompt.user)):
            self.fail(
                "user: no placeholder for the text, so every prompt would be the same",
                "prompt",
                "user",
                hint="put {text} where the text belongs",
            )


# ---------------------------------------------------------------------------------------------------- reading


def read_task(path: str | os.PathLike[str]) -> Task:
    """Read a task file. Raises `SettingsError`, with the line, if it is missing or wrong in any way."""
    name = str(path)
    try:
        content = Path(path).read_bytes().decode()
    except FileNotFoundError as error:
        raise SettingsError(
            f"{name}: there is no such task file",
            hint="labeltune init DATA proposes one, or name it with --task",
        ) from error
    except UnicodeDecodeError as error:
        raise SettingsError(f"{name}: not UTF-8 at byte {error.start}") from error
    except OSError as error:
        raise SettingsError(f"{name}: cannot be read: {error.strerror}") from error
    return parse_task(content.removeprefix("\ufeff"), source=name)


def task_if_there(path: str | os.PathLike[str]) -> Task | None:
    """The task, or None where only the default file is meant and there is none: chat files need no task."""
    if Path(path) == Path(DEFAULT_TASK_FILE) and not Path(path).exists():
        return None
    return read_task(path)


def parse_task(content: str, *, source: str = DEFAULT_TASK_FILE) -> Task:
    """Parse the content of a task file; `source` is its name in messages. Raises `SettingsError`."""
    # TOML knows LF and CRLF line ends, and tomllib wants to see them as they are.
    try:
        document = tomllib.loads(content)
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(f"{source}: not valid TOML: {error}") from error
    return _Reader(document, source, key_lines(content)).task()


class _Reader:
    """Turns a TOML document into a `Task`; every error names the line."""

    def __init__(self, document: dict[str, Any], source: str, lines: Mapping[Key, int]) -> None:
        self.document, self.source, self.lines = document, source, lines

    def task(self) -> Task:
        document = self.document
        self.known_keys(document, ("version", "text", "id", "field", "prompt", "answer"))
        version = self.get(document, "version", int)
        if version != VERSION:
            self.fail(
                f"version = {version} is not known; this labeltune reads version = {VERSION}", "version"
            )
        fields = self.get(document, "field", list)
        if not all(isinstance(item, dict) for item in fields):
            self.fail("field is written as [[field]]", "field")
        return Task(
            text=self.strings(document, "text"),
            fields=tuple(self.field(item, index) for index, item in enumerate(fields)),
            prompt=self.prompt(),
            answer=self.answer(),
            id=self.get(document, "id", str, optional=True),
            source=self.source,
            lines=self.lines,
        )

    def field(self, item: dict[str, Any], index: int) -> Field:
        at = ("field", index)
        self.known_keys(
            item, ("name", "type", "labels", "column", "columns", "delimiter", "parent", "children"), *at
        )
        children = self.get(item, "children", dict, *at, optional=True) or {}
        return Field(
            name=self.get(item, "name", str, *at),
            type=cast("FieldType", self.choice(item, "type", get_args(FieldType), *at)),
            labels=self.strings(item, "labels", *at),
            column=self.get(item, "column", str, *at, optional=True),
            columns=self.strings(item, "columns", *at, optional=True),
            delimiter=self.get(item, "delimiter", str, *at, optional=True),
            parent=self.get(item, "parent", str, *at, optional=True),
            children=MappingProxyType(
                {key: self.strings(children, key, *at, "children") for key in children}
            ),
        )

    def prompt(self) -> Prompt:
        item = self.get(self.document, "prompt", dict, optional=True) or {}
        self.known_keys(item, ("system", "user"), "prompt")
        default = Prompt()
        system = self.get(item, "system", str, "prompt", optional=True)
        user = self.get(item, "user", str, "prompt", optional=True)
        return Prompt(
            system=default.system if system is None else system, user=default.user if user is None else user
        )

    def answer(self) -> AnswerFormat:
        item = self.get(self.document, "answer", dict)
        self.known_keys(item, ("format", "separator", "none"), "answer")
        separator = self.get(item, "separator", str, "answer", optional=True)
        return AnswerFormat(
            format=cast("Format", self.choice(item, "format", get_args(Format), "answer")),
            separator=DEFAULT_SEPARATOR if separator is None else separator,
            none=self.get(item, "none", str, "answer", optional=True) or "",
        )

    def fail(self, message: str, *key: str | int) -> NoReturn:
        for length in range(len(key), 0, -1):
            if key[:length] in self.lines:
                raise SettingsError(f"{self.source}:{self.lines[key[:length]]}: {message}")
        raise SettingsError(f"{self.source}: {message}")

    def known_keys(self, item: dict[str, Any], known: tuple[str, ...], *at: str | int) -> None:
        for key in item:
            if key not in known:
                self.fail(
                    f'unknown key "{key}"{did_you_mean(key, known)}; known here: {", ".join(known)}', *at, key
                )

    def get(self, item: dict[str, Any], key: str, kind: type, *at: str | int, optional: bool = False) -> Any:
        if key not in item:
            if optional:
                return None
            place = f"[{at[0]}]: " if at else ""
            self.fail(f"{place}{key} is missing", *at)
        value = item[key]
        if not isinstance(value, kind) or isinstance(value, bool):
            names = {str: "a string", int: "a whole number", list: "a list", dict: "a table"}
            self.fail(f"{key} must be {names[kind]}", *at, key)
        return value

    def strings(
        self, item: dict[str, Any], key: str, *at: str | int, optional: bool = False
    ) -> tuple[str, ...]:
        values = self.get(item, key, list, *at, optional=optional) or []
        if not all(isinstance(value, str) for value in values):
            self.fail(f"{key} must be a list of strings", *at, key)
        return tuple(values)

    def choice(self, item: dict[str, Any], key: str, choices: tuple[str, ...], *at: str | int) -> str:
        value = str(self.get(item, key, str, *at))
        if value not in choices:
            listed = ", ".join(f'"{choice}"' for choice in choices)
            self.fail(f'{key} = "{value}" is not one of {listed}{did_you_mean(value, choices)}', *at, key)
        return value


# ---------------------------------------------------------------------------------------------------- writing


def _as_document(task: Task) -> dict[str, Any]:
    """The task as the TOML document that is read back to an equal one, keys in the order of the contract."""
    document: dict[str, Any] = {"version": VERSION, "text": list(task.text)}
    if task.id is not None:
        document["id"] = task.id
    document["field"] = [_field_document(field_) for field_ in task.fields]
    document["prompt"] = {"system": task.prompt.system, "user": task.prompt.user}
    document["answer"] = {"format": task.answer.format}
    if task.answer.format == "list":
        document["answer"] |= {"separator": task.answer.separator, "none": task.answer.none}
    return document


def _field_document(field_: Field) -> dict[str, Any]:
    document: dict[str, Any] = {"name": field_.name, "type": field_.type}
    if field_.column is not None:
        document["column"] = field_.column
    if field_.columns:
        document["columns"] = list(field_.columns)
    if field_.delimiter is not None:
        document["delimiter"] = field_.delimiter
    document["labels"] = list(field_.labels)
    if field_.parent is not None:
        document["parent"] = field_.parent
        document["children"] = {upper: list(lowers) for upper, lowers in field_.children.items()}
    return document


def format_task(task: Task) -> str:
    """The content of a task file that `parse_task` reads back to an equal task."""
    document = _as_document(task)
    lines = [f"{key} = {_toml(document[key])}" for key in ("version", "text", "id") if key in document]
    for item in document["field"]:
        children = item.pop("children", None)
        lines += ["", "[[field]]", *(f"{key} = {_toml(value)}" for key, value in item.items())]
        if children is not None:
            lines += [
                "[field.children]",
                *(f"{_toml(key)} = {_toml(value)}" for key, value in children.items()),
            ]
    for table in ("prompt", "answer"):
        lines += ["", f"[{table}]", *(f"{key} = {_toml(value)}" for key, value in document[table].items())]
    return "\n".join(lines) + "\n"


_WIDTH = 100


def _toml(value: str | int | list[str]) -> str:
    """A value as TOML; a basic string takes the escapes of JSON, and DEL besides."""
    if isinstance(value, list):
        items = [_toml(item) for item in value]
        joined = f"[{', '.join(items)}]"
        return joined if len(joined) <= _WIDTH else "[\n" + "".join(f"  {item},\n" for item in items) + "]"
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
