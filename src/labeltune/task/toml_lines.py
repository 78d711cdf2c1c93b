"""On which line of a TOML file a key stands: `tomllib` does not tell, and an error message should."""

from __future__ import annotations

import re

__all__ = ["Key", "key_lines"]

Key = tuple[str | int, ...]
"""A path to a key: `("field", 1, "labels")` is `labels` in the second `[[field]]`."""

_BARE_OR_QUOTED = r'(?:[A-Za-z0-9_-]+|"(?:[^"\\]|\\.)*"|\'[^\']*\')'
_DOTTED = rf"{_BARE_OR_QUOTED}(?:\s*\.\s*{_BARE_OR_QUOTED})*"
_TABLE = re.compile(rf"\s*(\[\[?)\s*({_DOTTED})\s*\]\]?")
_ASSIGNMENT = re.compile(rf"\s*({_DOTTED})\s*=\s*(.*)", re.DOTALL)
_PART = re.compile(_BARE_OR_QUOTED)


def key_lines(content: str) -> dict[Key, int]:
    """Map each key of a valid TOML document, by its path, to its line (from 1).

    Inline tables are not entered: their keys are at the line of the table's own key.
    """
    lines: dict[Key, int] = {}
    counts: dict[Key, int] = {}
    table: Key = ()
    closing: str | None = None  # the delimiter of the multi-line string we are in
    depth = 0  # of brackets, in a value that spans lines
    for number, line in enumerate(content.split("\n"), start=1):
        value = line
        if closing is None and depth == 0:
            if header := _TABLE.match(line):
                table = _resolve(_parts(header[2]), counts, opens=header[1] == "[[")
                lines.setdefault(table, number)
                continue
            assignment = _ASSIGNMENT.match(line)
            if not assignment:
                continue
            lines.setdefault(table + _parts(assignment[1]), number)
            value = assignment[2]
        closing, depth = _scan(value, closing, depth)
    return lines


def _parts(dotted: str) -> Key:
    return tuple(part.strip("\"'") if part[0] in "\"'" else part for part in _PART.findall(dotted))


def _resolve(path: Key, counts: dict[Key, int], *, opens: bool) -> Key:
    """The path with the current index after every name that is an array of tables."""
    resolved: Key = ()
    for position, part in enumerate(path):
        resolved += (part,)
        if opens and position == len(path) - 1:
            counts[resolved] = counts.get(resolved, -1) + 1
        if resolved in counts:
            resolved += (counts[resolved],)
    return resolved


_VALUE_TOKEN = re.compile(r'"""|\'\'\'|"(?:[^"\\]|\\.)*"|\'[^\']*\'|\\.|[\[\]{}#]')


def _scan(value: str, closing: str | None, depth: int) -> tuple[str | None, int]:
    """Follow strings and brackets through one line; returns the state at its end."""
    position = 0
    while position < len(value):
        if closing is not None:
            end = value.find(closing, position)
            if end < 0:
                return closing, depth
            position, closing = end + 3, None
            continue
        token = _VALUE_TOKEN.search(value, position)
        if token is None or token[0] == "#":
            break
        position = token.end()
        if token[0] in ('"""', "'''"):
            closing = token[0]
        elif token[0] in ("[", "{"):
            depth += 1
        elif token[0] in ("]", "}"):
            depth -= 1
    return closing, depth
