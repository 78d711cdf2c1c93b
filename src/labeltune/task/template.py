"""Prompt templates: `{text}`, `{labels}`, `{labels:FIELD}` and `{column}`; `{{` and `}}` are braces."""

from __future__ import annotations

import re
from dataclasses import dataclass

__all__ = ["ColumnSlot", "LabelsSlot", "Template", "TemplateError", "TextSlot", "parse_template"]


@dataclass(frozen=True, slots=True)
class TextSlot:
    """`{text}`: the text columns, joined with a blank line."""


@dataclass(frozen=True, slots=True)
class LabelsSlot:
    """`{labels}` or `{labels:FIELD}`: labels, written as `['a', 'b']`."""

    field: str | None = None


@dataclass(frozen=True, slots=True)
class ColumnSlot:
    """`{name}`: the value of a column."""

    column: str


Template = tuple[str | TextSlot | LabelsSlot | ColumnSlot, ...]


class TemplateError(ValueError):
    """A brace that neither opens a placeholder nor is doubled."""


_TOKEN = re.compile(r"\{\{|\}\}|\{([^{}]*)\}|[{}]")


def parse_template(text: str) -> Template:
    """Split a template into its fixed and varying parts. Raises `TemplateError`."""
    parts: list[str | TextSlot | LabelsSlot | ColumnSlot] = []
    literal, position = "", 0
    for match in _TOKEN.finditer(text):
        literal += text[position : match.start()]
        position = match.end()
        if match[0] in ("{{", "}}"):
            literal += match[0][0]
            continue
        if match[1] is None:
            raise TemplateError(f'a single "{match[0]}" at character {match.start() + 1}')
        if literal:
            parts.append(literal)
            literal = ""
        parts.append(_slot(match[1]))
    literal += text[position:]
    if literal:
        parts.append(literal)
    return tuple(parts)


def _slot(name: str) -> TextSlot | LabelsSlot | ColumnSlot:
    if not name.strip():
        raise TemplateError("an empty placeholder {}")
    if name == "text":
        return TextSlot()
    if name == "labels":
        return LabelsSlot()
    if name.startswith("labels:"):
        return LabelsSlot(name.removeprefix("labels:"))
    return ColumnSlot(name)
