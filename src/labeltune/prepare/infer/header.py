"""Whether the first line names the columns, or is a row like the others."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from labeltune.errors import DataError
from labeltune.prepare.infer.names import is_known_name
from labeltune.prepare.infer.telling import shortened
from labeltune.prepare.infer.values import count_words, sort_of

if TYPE_CHECKING:
    from labeltune.files.tables import Table
    from labeltune.prepare.infer.profile import Column, Profile

__all__ = ["doubt_of_header"]

_FORMATS_WITH_A_LINE_OF_NAMES = ("csv", "tsv", "excel")
_LONG = 5
"""Words of a cell that is a text and no name."""


@dataclass(frozen=True)
class _Evidence:
    """What speaks for a first line that is a row."""

    labels: list[str] = field(default_factory=list)
    numbers: list[str] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)


def doubt_of_header(table: Table, profile: Profile) -> str | None:
    """What makes the first line look like a row, as a sentence; None if nothing does.

    Raises `DataError` if it certainly is one: a label or a number where the column has such ones, and not one
    cell that reads as the name of a column. Formats whose columns have names of their own are not doubted.
    """
    if table.format not in _FORMATS_WITH_A_LINE_OF_NAMES or profile.repeats_header:
        return None
    if list(table.header) == [str(number) for number in range(len(table.header))]:
        return None  # what pandas calls columns without a name
    evidence = _look(list(profile.columns.values()))
    named = any(is_known_name(name) and not _is_value_of(profile, name) for name in table.header)
    # Beside other names, years and numbers are names of columns, and a question may be one.
    reasons = evidence.labels if named else [*evidence.labels, *evidence.numbers, *evidence.texts]
    if not reasons:
        return None
    sentence = f"the first line looks like a row and not like the names of columns: {'; '.join(reasons)}"
    if not named and (evidence.labels or evidence.numbers):
        raise DataError(
            f"{table.source}:1: {sentence}",
            hint="give --no-header if it is a row: the columns are then column_1, column_2 and so on; "
            "give --header if it does name the columns",
        )
    return f"{sentence}; if it is one, give --no-header"


def _is_value_of(profile: Profile, name: str) -> bool:
    """Whether a name is a value of its own column, or a code such as `user12` like those below it."""
    column = profile.columns.get(name)
    if column is None:
        return False
    is_code = column.sort == "codes" == sort_of([name]) and column.is_varied
    return is_code or _times(column, name.strip()) > 0


def _look(columns: list[Column]) -> _Evidence:
    evidence = _Evidence()
    for column in columns:
        name = column.name.strip()
        if column.sort in ("whole numbers", "numbers", "dates", "URLs") and sort_of([name]) == column.sort:
            evidence.numbers.append(f'"{name}" stands above {column.sort}')
        elif times := _times(column, name):
            evidence.labels.append(
                f'"{name}" is also a value of its column, in {times:,} row{"s" * (times > 1)}'
            )
        elif count_words(name) >= _LONG and column.mean_words >= _LONG // 2:
            evidence.texts.append(f'"{shortened(name)}" is as long as the texts below it')
    return evidence


def _times(column: Column, name: str) -> int:
    """In how many rows of a column of few values the name is one of them."""
    if column.counts is None or column.is_varied:
        return 0
    return sum(count for value, count in column.counts.items() if value.strip() == name)
