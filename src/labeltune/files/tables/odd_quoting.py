"""Quoting that is not CSV's, known by the look of some lines: what is behind rows that cannot be read."""

from __future__ import annotations

import re

from labeltune.files.tables.separators import shown

__all__ = ["odd_quoting"]

_ESCAPED = (
    r"quotes within values stand as \" here, as Spark and MySQL write them, and CSV has them twice: "
    r"""sed 's/\\"/""/g' FILE > OTHER"""
)
_MOSTLY = 0.5
"""The share of the lines that must look odd."""


def odd_quoting(sample: str, separator: str) -> str | None:
    """What is odd about the quotes of a table that begins with `sample`, and the way on; None if nothing is.

    Only for tables in which rows are refused: in one that can be read, all this may be text.
    """
    lines = [line for line in sample.splitlines() if line.strip()]
    start, end = rf"(?:^|{re.escape(separator)})", rf"(?:{re.escape(separator)}|$)"
    if any(re.search(rf'\\"(?!"|{end})', line) for line in lines):
        return _ESCAPED
    if _most(lines, rf'{start}[ \t]+"[^"]*"|"[ \t]+{end}'):
        return (
            f'a space stands between "{shown(separator)}" and quotes, which are CSV\'s only right beside it: '
            "write the table without such space"
        )
    for opening, closing in ("''", "“”", "„“", "‘’", "«»"):
        if _most(lines, rf"{start}{opening}[^{closing}]*{closing}{end}"):
            return f'values stand in {opening}{closing}, and those of CSV are "": write the table with those'
    return None


def _most(lines: list[str], pattern: str) -> bool:
    found = re.compile(pattern)
    return bool(lines) and sum(found.search(line) is not None for line in lines) > _MOSTLY * len(lines)
