"""Lines of a label and a text: the questions of TREC (`ABBR:exp What …`), ATIS (`atis_flight …`)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from labeltune.collect.exchange.items import Item
from labeltune.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from labeltune.collect.exchange.given import Given, Sample
    from labeltune.collect.exchange.items import Tally

__all__ = ["read", "recognise"]

_LEVEL = ":"
_FEWEST = 4
"""Lines from which a format as plain as this is told."""
_IN_TABLES = frozenset(',;|"=<>{}()')
_FASTTEXT = "__label__"


def recognise(sample: Sample) -> str | None:
    """Lines whose first words recur, and are no words of a table."""
    lines = [line for line in sample.lines if line.strip()]
    firsts = [_parted(line)[0] for line in lines]
    if len(lines) < _FEWEST or sample.kind != "text" or not all(_parted(line)[1] for line in lines):
        return None
    distinct = {*firsts}
    if not 2 <= len(distinct) <= len(lines) // 2:
        return None
    if any(_IN_TABLES & {*first} or first.startswith(_FASTTEXT) for first in distinct):
        return None
    shown = ", ".join(sorted(distinct)[:3])
    return f"each line begins with one of {len(distinct)} words, such as {shown}"


def _parted(line: str) -> tuple[str, str]:
    """The label, and the text behind the first space or tab."""
    place = next((at for at, sign in enumerate(line) if sign in " \t"), len(line))
    return line[:place], line[place + 1 :]


def read(given: Given, tally: Tally) -> Iterator[Item]:
    """An item for each line that is not empty; `:` in a label parts its levels."""
    if given.is_json:
        raise DataError(
            f"{given.path}:1: expected lines of a label and a text, found JSON",
            hint="leave --from out, or name the format that the file has",
        )
    for where, line in given.lines():
        if not line.strip():
            continue
        tally.records += 1
        label, text = _parted(line)
        path = tuple(step for step in label.split(_LEVEL) if step)
        yield Item(where, {"text": text}, {"label": (path,) if path else ()})
