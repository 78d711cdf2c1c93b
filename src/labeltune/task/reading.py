"""Task files: read, with the line of whatever is wrong in one."""

from __future__ import annotations

import tomllib
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, cast, get_args

from labeltune.defaults import DEFAULT_TASK_FILE
from labeltune.errors import SettingsError, did_you_mean
from labeltune.task.model import Task
from labeltune.task.parts import (
    DEFAULT_SEPARATOR,
    VERSION,
    AnswerFormat,
    Defaults,
    Field,
    FieldType,
    Format,
    Prompt,
)
from labeltune.task.read_options import (
    QUOTES,
    SEPARATORS_TOLD,
    Quote,
    ReadOptions,
    encoding_named,
    separator_named,
)
from labeltune.task.toml_lines import key_lines

if TYPE_CHECKING:
    import os
    from collections.abc import Mapping
    from typing import Any, NoReturn

    from labeltune.task.toml_lines import Key

__all__ = ["parse_task", "read_task", "task_if_there"]


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


_FIELD_KEYS = (
    "name",
    "type",
    "labels",
    "column",
    "columns",
    "delimiter",
    "yes",
    "no",
    "empty",
    "parent",
    "children",
    "describe",
)


_READ_KEYS = ("encoding", "separator", "quote", "header", "strip", "sheet")


class _Reader:
    """Turns a TOML document into a `Task`; every error names the line."""

    def __init__(self, document: dict[str, Any], source: str, lines: Mapping[Key, int]) -> None:
        self.document, self.source, self.lines = document, source, lines

    def task(self) -> Task:
        document = self.document
        self.known_keys(document, ("version", "text", "id", "field", "prompt", "answer", "read", "defaults"))
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
            read=self.read(),
            defaults=self.defaults(),
            source=self.source,
            lines=self.lines,
        )

    def field(self, item: dict[str, Any], index: int) -> Field:
        at = ("field", index)
        self.known_keys(item, _FIELD_KEYS, *at)
        yes, no = (self.get(item, key, str, *at, optional=True) for key in ("yes", "no"))
        children = self.get(item, "children", dict, *at, optional=True) or {}
        describe = self.get(item, "describe", dict, *at, optional=True) or {}
        return Field(
            name=self.get(item, "name", str, *at),
            type=cast("FieldType", self.choice(item, "type", get_args(FieldType), *at)),
            labels=self.strings(item, "labels", *at),
            column=self.get(item, "column", str, *at, optional=True),
            columns=self.strings(item, "columns", *at, optional=True),
            delimiter=self.get(item, "delimiter", str, *at, optional=True),
            yes="1" if yes is None else yes,
            no="0" if no is None else no,
            empty=self.get(item, "empty", str, *at, optional=True),
            parent=self.get(item, "parent", str, *at, optional=True),
            children=MappingProxyType(
                {key: self.strings(children, key, *at, "children") for key in children}
            ),
            describe=MappingProxyType(
                {label: self.get(describe, label, str, *at, "describe") for label in describe}
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

    def read(self) -> ReadOptions:
        item = self.get(self.document, "read", dict, optional=True) or {}
        self.known_keys(item, _READ_KEYS, "read")
        quote = None if "quote" not in item else self.choice(item, "quote", QUOTES, "read")
        encoding = self.get(item, "encoding", str, "read", optional=True)
        if encoding is not None and encoding_named(encoding) is None:
            self.fail(f'encoding = "{encoding}" is no encoding of text', "read", "encoding")
        separator = self.get(item, "separator", str, "read", optional=True)
        if separator is not None and separator_named(separator) is None:
            self.fail(f"separator must be {SEPARATORS_TOLD}", "read", "separator")
        return ReadOptions(
            encoding=encoding,
            separator=separator,
            quote=cast("Quote | None", quote),
            header=self.get(item, "header", bool, "read", optional=True),
            sheet=self.get(item, "sheet", str, "read", optional=True),
            strip=self.get(item, "strip", bool, "read", optional=True),
        )

    def defaults(self) -> Defaults:
        item = self.get(self.document, "defaults", dict, optional=True) or {}
        self.known_keys(item, ("provider", "model"), "defaults")
        return Defaults(self.word(item, "provider", "defaults"), self.word(item, "model", "defaults"))

    def word(self, item: dict[str, Any], key: str, *at: str | int) -> str | None:
        """A string that says something, or None if the key is not there."""
        value: str | None = self.get(item, key, str, *at, optional=True)
        if value is not None and (not value.strip() or value != value.strip() or not value.isprintable()):
            self.fail(f"{key} must be a name, without space around it", *at, key)
        return value

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
        if not isinstance(value, kind) or isinstance(value, bool) != (kind is bool):
            names = {
                str: "a string",
                int: "a whole number",
                bool: "true or false",
                list: "a list",
                dict: "a table",
            }
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
