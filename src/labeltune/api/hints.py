"""Errors in Python's words: options are parameters, commands are calls."""

from __future__ import annotations

import re
from functools import wraps
from typing import TYPE_CHECKING, ParamSpec, TypeVar

from labeltune.errors import LabeltuneError

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["in_python", "speaks_python"]

P = ParamSpec("P")
T = TypeVar("T")

_OPTION = re.compile(r"--(?:no-)?([a-z][a-z-]*)(?:[ =]([A-Z]+|'[^']*'|[\w.]+))?")
_WORD = r"--[a-z-]+(?: [^\s,;-][^\s,;]*)?|[A-Z][A-Z_]*…?|[^\s,;]*[./][^\s,;]+"
_COMMAND = re.compile(rf"\blabeltune (init|split|check|train|predict|classify|evaluate)((?: (?:{_WORD}))*)")


def speaks_python(function: Callable[P, T]) -> Callable[P, T]:
    """Errors say what to do next in Python's words, and in the traceback."""

    @wraps(function)
    def call(*args: P.args, **kwargs: P.kwargs) -> T:
        try:
            return function(*args, **kwargs)
        except LabeltuneError as error:
            if error.hint and not getattr(error, "__notes__", None):
                error.hint = in_python(error.hint)
                error.add_note(f"→ {error.hint}")
            raise

    return call


def in_python(hint: str) -> str:
    """A hint with options as parameters, and commands as calls."""
    hint = _COMMAND.sub(lambda found: f"lt.{found[1]}({_arguments(found[2])})", hint)
    return _OPTION.sub(lambda found: _parameter(found[1], found[2]), hint)


def _arguments(words: str) -> str:
    rest = words.split()
    named, given = [], []
    while rest:
        word = rest.pop(0)
        if word.startswith("--"):
            named.append(_parameter(word[2:], rest.pop(0) if rest and not rest[0].startswith("-") else None))
        else:
            given.append(word if word.isupper() else repr(word))
    return ", ".join([*given, *named])


def _parameter(name: str, value: str | None) -> str:
    shown = "…" if value is None or value.isupper() else repr(value.strip("'"))
    return f"{name.replace('-', '_')}={shown}"
