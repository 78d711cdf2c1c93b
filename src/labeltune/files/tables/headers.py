"""The names of a table's columns: those of its header, and those that columns without a name get."""

from __future__ import annotations

from collections import Counter
from operator import itemgetter
from typing import TYPE_CHECKING

from labeltune.errors import DataError, Where
from labeltune.files.findings import Findings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

__all__ = [
    "column_names",
    "holds_texts",
    "name_columns",
    "names_itself",
    "refuse_title",
    "refuse_width",
    "tell_texts",
    "tell_unnamed",
]

_PREFIX = "column_"
_LISTED = 5
_WORDS = 3
"""So many words, on average, make a text of what stands under no name."""
_SAME_WIDTH = 3
"""So many rows at least must all be wider than the header to blame it instead of them."""
_MOST = 0.6
"""The share of the rows that are as wide as each other below what may be a title."""
_ROWS_BELOW = "the first line names the columns, each further line is a row"


def column_names(width: int) -> tuple[str, ...]:
    """What the columns of a table without a header are called: `column_1`, `column_2` and so on."""
    return tuple(f"{_PREFIX}{number}" for number in range(1, width + 1))


def names_itself(row: Sequence[str]) -> bool:
    """Whether a first row is the header that a table without one got when it was written again."""
    return len(row) > 0 and tuple(row[:2]) == column_names(min(len(row), 2))


def name_columns(source: str, line: int | None, header: Sequence[str]) -> tuple[tuple[str, ...], list[int]]:
    """The header, with a name for each column, and the numbers, from 1, of those that had none.

    They are called by their number. Raises `DataError` where two columns have one name, or none has any;
    `line` is None for formats in which the names stand in no line.
    """
    names = [name if name.strip() else "" for name in header]
    if not any(names):
        what = "no column has a name in the header" if names else "no columns"
        raise DataError(
            f"{Where(source, line)}: {what}",
            hint="a table needs a text and its labels; one without names of columns is read with --no-header",
        )
    _refuse_unusable(source, line, names)
    unnamed = [place for place, name in enumerate(names, 1) if not name]
    for number in unnamed:
        made = f"{_PREFIX}{number}"
        while made in names:
            made += "_"
        names[number - 1] = made
    return tuple(names), unnamed


def _refuse_unusable(source: str, line: int | None, names: Sequence[str]) -> None:
    findings = Findings(source)
    seen: dict[str, int] = {}
    for number, name in enumerate(names, 1):
        if name and name in seen:
            findings.add(
                "duplicate_column", line, f'columns {seen[name]} and {number} are both called "{name}"'
            )
        elif not _is_whole(name):
            findings.add(
                "bad_column", line, f"the name of column {number} holds half a character (a lone surrogate)"
            )
        seen.setdefault(name, number)
    findings.raise_if_any(
        hint="give each column a name of its own; one whose first row is no header is read with --no-header"
    )


def _is_whole(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def refuse_width(
    source: str,
    line: int,
    header: Sequence[str],
    rows: Sequence[tuple[int, Sequence[str]]],
    odd: Callable[[], str | None],
) -> None:
    """Raise `DataError` where rows have more values than the header, and all as many; below one name, most.

    `rows` are some of those that follow, each with its line: the fault is in the header, not in each of them,
    or, as `odd()` says, in the quotes of all.
    """
    widths = Counter(len(row) for _, row in rows)
    width, often = max(widths.items(), key=itemgetter(1), default=(0, 0))
    is_one = len(header) == 1
    if often < _SAME_WIDTH or width <= len(header) or often < len(rows) * (_MOST if is_one else 1):
        return
    columns = f"{len(header)} column{'s' * (not is_one)}"
    every = "every row has" if often == len(rows) else "most rows have"
    why, hint = "a name is missing in it, or it is no header (--no-header)", _ROWS_BELOW
    if told := odd():
        why, hint = "values are not quoted as CSV has it", told
    elif is_one:
        why = "is it a comment or a title, or the separator another one (--sep)?"
        begins = next(number for number, row in rows if len(row) == width)
        hint = (
            f"if line {begins} names the columns, take out what stands above: tail -n +{begins} FILE > OTHER"
        )
    elif width == len(header) + 1 and not any(row[-1] for _, row in rows):
        why = "each ends with a separator, and the header does not"
        hint = "let the header end with the separator, too: such a column is passed over"
    raise DataError(f"{source}:{line}: the header has {columns}, and {every} {width}: {why}", hint=hint)


def refuse_title(source: str, line: int, header: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Raise `DataError` if the first row is a title rather than a header: it names one column of several.

    `rows` are some of those that follow. A first column without a name beside a named one is an index, and
    columns without a value are none.
    """
    named = {place for place, name in enumerate(header) if name.strip()}
    filled = {place for row in rows for place, value in enumerate(row[: len(header)]) if value.strip()}
    bare = filled - named
    if len(named) == 1 and bare and bare != {0}:
        title = header[min(named)].strip()
        raise DataError(
            f'{source}:{line}: the header names only "{title}", and column {min(bare) + 1} has no name',
            hint="is the first row a title? Take it out, so that the first row names the columns; a table "
            "without names of columns is read with --no-header",
        )


def holds_texts(rows: Sequence[Sequence[str]], number: int) -> bool:
    """Whether column `number`, from 1, holds texts in most of some rows: several words on average."""
    words = [len(row[number - 1].split()) for row in rows if len(row) >= number and row[number - 1].strip()]
    return 2 * len(words) > len(rows) and sum(words) >= _WORDS * len(words)


def tell_texts(names: Sequence[str]) -> str:
    """A sentence on columns of texts without a name, by the names that they got."""
    listed = ", ".join(f'"{name}"' for name in names)
    return (
        f"a column of texts has no name: {listed} here"
        if len(names) == 1
        else (f"columns of texts have no names: {listed} here")
    )


def tell_unnamed(unnamed: Sequence[int], first: str | None) -> str:
    """A sentence on columns without a name; `first` is the first place under them that holds a value."""
    if list(unnamed) == [1] and first:
        return (
            "column 1 has no name, like the index that pandas writes without index=False: "
            f'"{_PREFIX}1" here, and passed over'
        )
    numbers = ", ".join(map(str, unnamed[:_LISTED])) + (", …" if len(unnamed) > _LISTED else "")
    have = "columns {} have" if len(unnamed) > 1 else "column {} has"
    values = f" ({first} holds a value)" if first else " and no value"
    return f"{have.format(numbers)} no name{values}: passed over"
