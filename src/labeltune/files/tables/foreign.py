"""Text files of other tools that are no tables: known by their first lines, with the way to make one."""

from __future__ import annotations

import re
from dataclasses import dataclass

from labeltune.wording import pasted

__all__ = ["Foreign", "recognise"]

_FEWEST, _SHARE = 3, 0.9


@dataclass(frozen=True, slots=True)
class Foreign:
    """A format that is not read: what it is called, what a line of it looks like, and how it is read."""

    name: str
    line: str
    pattern: str
    """A regular expression: what stands before the text."""
    word: str
    """The name that `import --from` takes."""


_FORMATS = (
    Foreign("fastText's format", "__label__X text", r"__label__[^ ]+ +", "fasttext"),
    Foreign("the format of TREC's questions", "LABEL:sub text", r"[A-Za-z_]+:[A-Za-z_]+ +", "label-text"),
)


def recognise(sample: str) -> Foreign | None:
    """The format that nearly all lines of a text have, the first or second among them; None if it is none."""
    lines = [line for line in sample.split("\n")[:-1] or [sample] if line.strip()][:200]
    if len(lines) < _FEWEST:
        return None
    for format in _FORMATS:
        pattern = re.compile(format.pattern)
        # Above them may stand the name of the only column.
        named = not pattern.match(lines[0]) and len(lines) > _FEWEST
        found = [pattern.match(line) is not None for line in lines[named:]]
        if found[0] and sum(found) >= _SHARE * len(found):
            return format
    return None


def as_table(format: Foreign, name: str) -> str:
    """The command that makes a table of such a file, and what to do with it; for a hint."""
    return f"labeltune import {pasted(name)} --from {format.word} makes a table of it"
