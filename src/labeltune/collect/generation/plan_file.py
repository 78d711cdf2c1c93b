"""`plan.toml`: the plan as people read and edit it."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from labeltune.collect.generation.plan import Cell, WritingPlan, label_name
from labeltune.errors import SettingsError, did_you_mean
from labeltune.files.writing import atomic_write
from labeltune.task.labels import illegal_pair
from labeltune.task.toml_lines import key_lines
from labeltune.task.writing import toml

if TYPE_CHECKING:
    from labeltune.task import Task
    from labeltune.task.labels import Labels

__all__ = ["read_plan", "write_plan"]

_VERSION = 1
_NUMBERS: dict[str, tuple[type, float, float]] = {
    "to": (int, 1, 1_000_000),
    "per_request": (int, 1, 50),
    "seeds": (int, 0, 50),
    "siblings": (float, 0, 1),
    "temperature": (float, 0, 2),
}
"""Each number, and from what to what it may be."""
_KEYS = ("version", *_NUMBERS, "vary", "cell")

_HEAD = """\
# What `generate` writes. It was proposed once and is yours: what stands here is what is asked for.
version = {version}
# The rows that each label should come to; `texts` below says what that takes.
to = {to}
# Texts for each request, and rows of the training part that it shows.
per_request = {per_request}
seeds = {seeds}
# The share of requests that show two combinations of labels that are mistaken for each other.
siblings = {siblings}
temperature = {temperature}

# In what texts differ besides their labels: each request draws one value of each.
[vary]
"""


def write_plan(path: str, task: Task, plan: WritingPlan) -> None:
    """Write the plan's file. Raises `DiskError`."""
    numbers = {name: getattr(plan, name) for name in _NUMBERS}
    lines = [_HEAD.format(version=_VERSION, **numbers).rstrip("\n")]
    lines += [f"{toml(name)} = {toml(list(values))}" for name, values in plan.vary.items()]
    for cell in plan.cells:
        labels = ", ".join(
            f"{toml(field.name)} = {toml(own[0] if field.type == 'single' else list(own))}"
            for field, own in zip(task.fields, cell.labels, strict=True)
        )
        lines += ["", "[[cell]]", f"labels = {{ {labels} }}", f"texts = {cell.texts}"]
    with atomic_write(path) as handle:
        handle.write(("\n".join(lines) + "\n").encode())


def read_plan(path: str, task: Task) -> WritingPlan:
    """Read a plan's file. Raises `SettingsError`, with the line, for what is wrong in it."""
    try:
        content = Path(path).read_bytes().decode().removeprefix("\ufeff")
        document = tomllib.loads(content)
    except OSError as error:
        raise SettingsError(f"{path}: cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise SettingsError(f"{path}: not valid TOML: {error}") from error
    return _Reader(path, document, task, content).plan()


class _Reader:
    def __init__(self, path: str, document: dict[str, Any], task: Task, content: str) -> None:
        self._path, self._document, self._task = path, document, task
        self._lines = key_lines(content)

    def plan(self) -> WritingPlan:
        document = self._document
        for key in document:
            if key not in _KEYS:
                self._fail(f'unknown key "{key}"{did_you_mean(key, _KEYS)}', key)
        if document.get("version") != _VERSION:
            self._fail(f"version: expected {_VERSION}", "version")
        numbers = {name: self._number(name) for name in _NUMBERS if name in document}
        if "to" not in numbers:
            self._fail("to is missing")
        return WritingPlan(cells=self._cells(), vary=self._vary(), **numbers)

    def _number(self, name: str) -> Any:
        kind, low, high = _NUMBERS[name]
        value = self._document[name]
        is_number = isinstance(value, (int, float) if kind is float else int) and not isinstance(value, bool)
        if not is_number or not low <= value <= high:
            self._fail(f"{name}: expected a number from {low:g} to {high:g}", name)
        return value

    def _vary(self) -> dict[str, tuple[str, ...]]:
        vary = self._document.get("vary", {})
        if not isinstance(vary, dict):
            self._fail("vary is written as [vary]", "vary")
        for name, values in vary.items():
            good = isinstance(values, list) and values and all(_says(value) for value in values)
            if not good or not _says(name):
                self._fail(f'vary: "{name}": expected a list of words, at least one', "vary", name)
        return {name: tuple(values) for name, values in vary.items()}

    def _cells(self) -> tuple[Cell, ...]:
        listed = self._document.get("cell", [])
        if not isinstance(listed, list) or not all(isinstance(item, dict) for item in listed):
            self._fail("cells are written as [[cell]]", "cell")
        found: dict[Labels, Cell] = {}
        for place, item in enumerate(listed):
            at = ("cell", place)
            for key in item:
                if key not in ("labels", "texts"):
                    self._fail(f'unknown key "{key}"{did_you_mean(key, ("labels", "texts"))}', *at, key)
            texts = item.get("texts")
            if not isinstance(texts, int) or isinstance(texts, bool) or texts < 0:
                self._fail("texts: expected a whole number", *at, "texts")
            labels = self._labels(item.get("labels"), at)
            if labels in found:
                self._fail(f"{label_name(labels)} stands there twice", *at, "labels")
            found[labels] = Cell(labels, texts)
        return tuple(found.values())

    def _labels(self, told: Any, at: tuple[str, int]) -> Labels:
        if not isinstance(told, dict) or {*told} != {field.name for field in self._task.fields}:
            names = ", ".join(f'{toml(field.name)} = "…"' for field in self._task.fields)
            self._fail(f"labels: expected {{ {names} }}", *at, "labels")
        chosen: list[tuple[str, ...]] = []
        for field in self._task.fields:
            value = told[field.name]
            own = [value] if field.type == "single" else value
            if not isinstance(own, list):
                self._fail(f"labels: {field.name}: expected a list", *at, "labels")
            for label in own:
                if label not in field.labels:
                    meant = did_you_mean(str(label), field.labels)
                    self._fail(f'"{label}" is not a label of "{field.name}"{meant}', *at, "labels")
            chosen.append(tuple(label for label in field.labels if label in own))
        labels = tuple(chosen)
        if illegal_pair(self._task, labels) is not None:
            self._fail(f"{label_name(labels)}: the task does not allow this pair", *at, "labels")
        return labels

    def _fail(self, message: str, *key: str | int) -> NoReturn:
        for length in range(len(key), 0, -1):
            if key[:length] in self._lines:
                raise SettingsError(f"{self._path}:{self._lines[key[:length]]}: {message}")
        raise SettingsError(f"{self._path}: {message}")


def _says(value: Any) -> bool:
    return isinstance(value, str) and bool(value.strip()) and len(value.splitlines()) == 1
