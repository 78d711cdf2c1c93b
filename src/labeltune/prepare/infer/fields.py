"""From columns of labels to the fields of a task."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from operator import itemgetter
from typing import TYPE_CHECKING

from labeltune.errors import DataError
from labeltune.prepare.infer.doubts import doubts_of
from labeltune.prepare.infer.profile import MOST_VALUES
from labeltune.prepare.infer.reasons import NAME_FLAGS
from labeltune.prepare.infer.telling import listed
from labeltune.task import Field
from labeltune.task.cells import LIST_DELIMITER, list_items, nfc
from labeltune.wording import counted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from labeltune.files.tables import Table
    from labeltune.prepare.infer.label_columns import LabelColumns
    from labeltune.prepare.infer.profile import Column

__all__ = ["Fields", "make_fields"]

_SHARED = 4
"""One in so many labels of a field may stand under several labels of the field that it refines."""


@dataclass
class Fields:
    """The fields of a task, with what was concluded and what should be looked at."""

    fields: tuple[Field, ...] = ()
    conclusions: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    twins: dict[str, str] = field(default_factory=dict)
    """Columns that were left out since another one says the same, and which."""
    lacks: bool = False
    """Whether rows have no label where each needs one."""
    strips: bool = False
    """Whether labels have space around them, which is to be taken off."""


def make_fields(table: Table, chosen: LabelColumns, also: Sequence[Column], delimiter: str | None) -> Fields:
    """A field of the flags, and one of each other column, each after the one that it refines.

    `also` are columns that are taken only if they refine one that was chosen, or are refined by it. Raises
    `DataError` for a column that was asked for and holds no labels.
    """
    made = Fields()
    fields: list[Field] = []
    if chosen.flags:
        taken = {column.name for column in chosen.others}
        fields.append(_flag_field(made, chosen, name="flags" if "labels" in taken else "labels"))
    singles: list[Column] = []
    for column in chosen.others:
        sign = delimiter or column.delimiter
        if sign is None:
            singles.append(column)
        else:
            fields.append(_delimited_field(made, table.source, column, sign))
    fields += _refined(made, table, singles, also)
    made.fields = tuple(fields)
    return made


# ------------------------------------------------------------------------------------------- several labels


def _flag_field(made: Fields, chosen: LabelColumns, *, name: str) -> Field:
    flags = chosen.flags
    names = tuple(column.name for column in flags)
    yes, no = (_spelling(flags, word) for word in chosen.pair)
    says = f"{yes} or {no}" if no else f"{yes} or nothing"
    if chosen.pair == ("1", "0"):
        says, yes, no = "0 or 1", "1", "0"
    made.conclusions.append(
        f"{name}: one multi field of the {len(names)} columns that hold {says}: {listed(names)}"
    )
    for column in flags:
        if len(column.labels) == 1 and not column.emptiness:
            made.warnings.append(f'column "{column.name}" holds {column.labels[0]} in every row')
        if no and column.emptiness:
            made.lacks = True
            made.warnings.append(
                f'column "{column.name}" is empty in {counted(column.rows - column.filled, "row")}, neither '
                f"{yes} nor {no}: fill them, or convert --on-error skip leaves them out"
            )
    return Field(name, "multi", names, columns=names, yes=yes, no=no)


def _spelling(flags: Sequence[Column], word: str) -> str:
    """The word as most columns write it."""
    spelled = Counter[str]()
    for column in flags:
        for value, count in (column.counts or {}).items():
            if value.strip().casefold() == word:
                spelled[value.strip()] += count
    return spelled.most_common(1)[0][0] if word and spelled else word


def _delimited_field(made: Fields, source: str, column: Column, delimiter: str) -> Field:
    if delimiter == LIST_DELIMITER and column.holds_flag_lists:
        raise DataError(
            f'{source}: column "{column.name}" holds lists of 0 and 1, a place for each label, and no '
            "names of labels",
            hint=NAME_FLAGS,
        )
    # Counted afresh: a delimiter that was asked for may be none of ours.
    cells = [cell for cell in _values(source, column) if cell.strip()]
    in_lists = delimiter == LIST_DELIMITER
    pieces = [_items(cell) if in_lists else cell.split(delimiter) for cell in cells]
    parts = {part for cell in pieces for part in cell}
    labels = tuple(sorted({nfc(part.strip()) for part in parts} - {""}))
    if in_lists and all(len(cell) == 1 for cell in pieces):
        made.conclusions.append(
            f"{column.name}: a single field of {counted(len(labels), 'label')}, each in a list of its own: "
            f"{listed(labels)}"
        )
        _look_at(made, source, column, labels, parts)
        _tell_empty(made, [column], [])
        return Field(column.name, "single", labels, column=column.name)
    shown = {"\n": "line breaks", "\r\n": "line breaks"}.get(delimiter, f'"{delimiter}"')
    joined = "in lists" if in_lists else f"joined by {shown}"
    made.conclusions.append(
        f"{column.name}: a multi field, {counted(len(labels), 'label')} {joined}: {listed(labels)}"
    )
    _look_at(made, source, column, labels, parts)
    return Field(column.name, "multi", labels, column=column.name, delimiter=delimiter)


def _items(cell: str) -> list[str]:
    """The labels of a list; a label that stands alone among lists is a list of one."""
    items = list_items(cell)
    return [cell] if items is None else items


# ----------------------------------------------------------------------------------------------- one label


def _single_field(made: Fields, source: str, column: Column) -> Field:
    values = _values(source, column)
    labels = column.labels
    if not labels or len(labels) > MOST_VALUES:
        raise DataError(f'{source}: column "{column.name}" holds no labels')
    _look_at(made, source, column, labels, values)
    return Field(column.name, "single", tuple(labels), column=column.name)


def _look_at(
    made: Fields, source: str, column: Column, labels: Iterable[str], written: Iterable[str]
) -> None:
    if any(value != value.strip() for value in written if value.strip()):
        made.strips = True
        made.warnings.append(
            f'column "{column.name}": some labels have space around them, which all commands take off '
            "(strip = true under [read])"
        )
    made.warnings += [f'column "{column.name}": {told}' for told in doubts_of(list(labels), column, source)]


def _values(source: str, column: Column) -> Iterable[str]:
    if column.counts is None:
        raise DataError(
            f'{source}: column "{column.name}" holds no labels: more than {MOST_VALUES:,} distinct values, '
            "or a very long one"
        )
    return column.counts


# ------------------------------------------------------------------------------------- parents and children


def _refined(made: Fields, table: Table, singles: list[Column], also: Sequence[Column]) -> list[Field]:
    """The single fields, each after the one it refines, and with the pairs that occur."""
    columns = [*singles, *(also if singles else ())]
    if len(columns) > 1:
        seen = _Seen(table, columns)
        columns = _without_twins(made, seen, singles)
        columns += [column for column in also if any(seen.exactly_refines(column, one) for one in columns)]
    chosen = [_single_field(made, table.source, column) for column in columns]
    for column, field_ in zip(columns, chosen, strict=True):
        made.conclusions.append(
            f"{column.name}: a single field of {counted(len(field_.labels), 'label')}: "
            f"{listed(field_.labels)}"
        )
    final = chosen if len(chosen) < 2 else _in_levels(made, seen, chosen)
    _tell_empty(made, columns, final)
    return final


def _tell_empty(made: Fields, columns: Sequence[Column], fields: Sequence[Field]) -> None:
    """Empty cells of fields for which they are no label of their own."""
    meant = {field_.name for field_ in fields if field_.empty is not None}
    for column in columns:
        empty = column.rows - column.filled
        if empty and column.name not in meant:
            made.lacks = True
            made.warnings.append(
                f'column "{column.name}" is empty in {counted(empty, "row")}: no label there; '
                "convert --on-error skip leaves them out"
            )


class _Seen:
    """Which values occur together in columns of a table."""

    def __init__(self, table: Table, columns: Sequence[Column]) -> None:
        self._places = {column.name: place for place, column in enumerate(columns)}
        pick: Callable[[Sequence[str]], tuple[str, ...]] = itemgetter(
            *(column.position for column in columns)
        )
        rows = {pick(values) for _, values in table}
        self._rows = {tuple(value.strip() for value in row) for row in rows}

    def pairs(self, upper: str, lower: str) -> set[tuple[str, str]]:
        """The values of two columns that stand in one row."""
        above, below = self._places[upper], self._places[lower]
        return {(row[above], row[below]) for row in self._rows if row[above] and row[below]}

    def without(self, upper: str, lower: str) -> set[str]:
        """The values of one column beside which nothing stands in the other."""
        above, below = self._places[upper], self._places[lower]
        return {row[above] for row in self._rows if row[above] and not row[below]}

    def are_twins(self, one: Column, other: Column) -> bool:
        """Whether each value of one column always stands with the same value of the other."""
        together = len(self.pairs(one.name, other.name))
        return together == len(one.labels) == len(other.labels)

    def exactly_refines(self, one: Column, other: Column) -> bool:
        """Whether the labels of one column stand under those of the other, or the other way round."""
        upper, lower = sorted((one, other), key=lambda column: len(column.labels))
        together = len(self.pairs(upper.name, lower.name))
        return len(lower.labels) > len(upper.labels) > 1 and together == len(lower.labels)


def _without_twins(made: Fields, seen: _Seen, columns: list[Column]) -> list[Column]:
    """The columns without those that say the same as another one in numbers or codes: words are kept."""
    kept: list[Column] = []
    for column in columns:
        twin = next((other for other in kept if seen.are_twins(column, other)), None)
        if twin is None:
            kept.append(column)
            continue
        spoken, silent = sorted((twin, column), key=lambda one: one.sort != "words")
        kept[kept.index(twin)] = spoken
        made.twins[silent.name] = f'says what "{spoken.name}" says'
    return kept


def _in_levels(made: Fields, seen: _Seen, fields: list[Field]) -> list[Field]:
    # The coarsest first; a parent stands before its children.
    order = sorted(fields, key=lambda field_: len(field_.labels))
    result: list[Field] = []
    for place, lower in enumerate(order):
        field_ = lower
        for upper in reversed(order[:place]):
            pairs = seen.pairs(upper.name, lower.name)
            if _refines(pairs, upper, lower):
                children = {
                    label: tuple(x for x in lower.labels if (label, x) in pairs) for label in upper.labels
                }
                field_ = replace(lower, parent=upper.name, children=children)
                field_ = _with_empty(made, field_, seen.without(upper.name, lower.name))
                made.conclusions.append(f'{lower.name}: refines "{upper.name}", {len(pairs)} pairs')
                break
        result.append(field_)
    return fields if all(field_.parent is None for field_ in result) else result


def _with_empty(made: Fields, lower: Field, without: set[str]) -> Field:
    """The field with a label for empty cells, where some labels of its parent have none below them.

    `without` are the parent's labels beside which a cell is empty. Beside one that has labels below it, an
    empty cell is a label that is missing.
    """
    alone = [label for label, below in lower.children.items() if not below]
    if not alone:
        return lower
    word = next(
        word for word in ("none", "nothing", "(none)", f"no {lower.name}") if word not in lower.labels
    )
    if lost := sorted(without.difference(alone)):
        made.warnings.append(
            f'column "{lower.name}" is empty in some rows of {listed(lost)}, too: they have no label; '
            "convert --on-error skip leaves them out"
        )
    made.conclusions.append(
        f'{lower.name}: an empty cell is the label "{word}" (empty = "{word}"), for {listed(alone)}'
    )
    children = {label: below or (word,) for label, below in lower.children.items()}
    return replace(lower, labels=(*lower.labels, word), children=children, empty=word)


def _refines(pairs: set[tuple[str, str]], upper: Field, lower: Field) -> bool:
    """Whether the lower field's labels stand under the upper's: nearly each of them under one only."""
    shared = len(pairs) - len(lower.labels)
    return len(lower.labels) > len(upper.labels) > 1 and 0 <= shared <= len(lower.labels) // _SHARED
