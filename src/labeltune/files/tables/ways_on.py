"""What to do about rows that are refused, by what is wrong with them."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["way_on"]

_WAYS_ON = {
    "nul_byte": "take NUL bytes out: tr -d '\\000' < FILE > OTHER",
    "broken_quotes": 'close the quote, or write it twice within quotes (""); where quotes are signs of the '
    "texts, give --quote none",
    "ragged_row": "mend these rows in the program that wrote the table, or take them out",
    "no_label": "label these rows, or take them out; labeltune convert FILE --on-error skip passes over them",
}


def way_on(codes: Iterable[str]) -> str | None:
    """A hint for findings with these codes, if all of them are mended in one way."""
    ways = {_WAYS_ON.get(code) for code in codes}
    return ways.pop() if len(ways) == 1 else None
