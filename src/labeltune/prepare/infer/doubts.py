"""What of a column's labels is likely a slip, of people who label or of programs that write tables."""

from __future__ import annotations

from typing import TYPE_CHECKING

from labeltune.prepare.infer.alike import alike
from labeltune.prepare.infer.telling import listed, shortened
from labeltune.prepare.infer.values import is_nested
from labeltune.wording import pasted

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from labeltune.prepare.infer.profile import Column

__all__ = ["doubts_of"]

_QUOTES = ('""', "''", "“”", "„“", "‘’", "«»", "``")
_STRAYS = 3
"""More labels of one row are rare ones, no slips."""
_COMMON = 10
"""Rows of another label, on average, beside which one of a single row is looked at."""


def doubts_of(labels: Sequence[str], column: Column, source: str) -> Iterator[str]:
    """Sentences about labels that should be looked at, each without the column's name."""
    for group in alike(labels):
        yield f"are these one label? {listed(group)}"
    if len(labels) > 1 and any(all(_stands_in(pair, label) for label in labels) for pair in _QUOTES):
        yield (
            "every label stands in quotes, which answers will have, too: CSV has double ones, without "
            "a space before them"
        )
    if strays := _strays(labels, column):
        yield (
            f"in one row only: {listed(strays)}; a slip, or a line that is no row, as of totals or a second "
            "header?"
        )
    if nested := [label for label in labels if is_nested(label) and label not in strays]:
        yield (
            f"some labels are nested data, such as {shortened(nested[0])}: labeltune import {pasted(source)} "
            "takes apart what other tools write"
        )


def _stands_in(pair: str, label: str) -> bool:
    return len(label) > 2 and label.startswith(pair[0]) and label.endswith(pair[1])


def _strays(labels: Sequence[str], column: Column) -> list[str]:
    """The labels that stand in one row, beside common ones."""
    counts: Mapping[str, int] = column.counts or {}
    strays = [label for label in labels if counts.get(label) == 1 and label != column.name]
    others = len(labels) - len(strays)
    is_few = 0 < len(strays) <= min(_STRAYS, others)
    return strays if is_few and column.filled - len(strays) >= _COMMON * others else []
