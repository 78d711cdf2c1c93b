"""Text files of other tools that are no tables: known by their first lines, with the way to make one."""

from __future__ import annotations

import re
from dataclasses import dataclass

__all__ = ["Foreign", "recognise"]

_FEWEST, _SHARE = 3, 0.9


@dataclass(frozen=True, slots=True)
class Foreign:
    """A format that is not read: what it is called, what a line of it looks like, and what splits a line."""

    name: str
    line: str
    pattern: str
    """An extended regular expression of `sed`, and of Python: the labels are its groups, a text follows."""


_FORMATS = (
    Foreign("fastText's format", "__label__X text", r"^__label__([^ ]+) +"),
    Foreign("the format of TREC's questions", "LABEL:sub text", r"^([A-Za-z_]+):([A-Za-z_]+) +"),
)


def recognise(sample: str) -> Foreign | None:
    """The format that nearly all lines of a text have, the first among them; None if it is none of ours."""
    lines = [line for line in sample.split("\n")[:-1] or [sample] if line.strip()][:200]
    if len(lines) < _FEWEST:
        return None
    for format in _FORMATS:
        pattern = re.compile(format.pattern)
        if pattern.match(lines[0]) and sum(map(bool, map(pattern.match, lines))) >= _SHARE * len(lines):
            return format
    return None


def as_table(format: Foreign, name: str) -> str:
    """The command that makes a table of such a file, and what to do with it; for a hint."""
    groups = re.compile(format.pattern).groups
    labels = "".join(f"\\{number}\\t" for number in range(1, groups + 1))
    return (
        f"make a table of it: sed -E 's/{format.pattern}/{labels}/' {name} > data.tsv; then: "
        "labeltune init data.tsv --no-header"
    )
