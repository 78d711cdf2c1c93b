"""From the cells of a table to labels: how labels stand in columns."""

from __future__ import annotations

import json
from functools import lru_cache
from operator import itemgetter
from typing import TYPE_CHECKING

from labeltune.errors import did_you_mean
from labeltune.task.cells import LIST_DELIMITER, list_items, nfc
from labeltune.task.columns import require_columns
from labeltune.task.labels import illegal_pair

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from labeltune.task import Field, Task
    from labeltune.task.labels import Labels

__all__ = ["LabelCellError", "LabelReader", "flag_spelling", "stripped", "written_labels"]


class LabelCellError(ValueError):
    """A cell that holds no label of the task: `code`, the column, and a sentence without the place."""

    def __init__(self, code: str, column: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.column = column


class LabelReader:
    """Reads the labels of rows of one table.

    Cells are taken as they are written; with `strip`, space around labels is taken off. Results are cached by
    the cells' text, so a table of few distinct label sets costs one look-up a row.
    Raises `DataError` when made for a table that lacks a label column.
    """

    def __init__(
        self, task: Task, header: Sequence[str], *, source: str = "table", strip: bool = False
    ) -> None:
        require_columns(task.label_columns, header, source=source)
        self._task = task
        self._strip = strip
        positions = [header.index(column) for column in task.label_columns]
        pick = itemgetter(*positions)
        # itemgetter of one position returns the value itself, not a tuple of one.
        self.cells: Callable[[Sequence[str]], tuple[str, ...]] = (
            pick if len(positions) > 1 else lambda values: (pick(values),)
        )
        """The label cells of a row's values, in the order of `task.label_columns`."""
        self.parse = lru_cache(maxsize=65_536)(self._parse)
        """The labels that such cells hold. Raises `LabelCellError`."""

    def read(self, values: Sequence[str]) -> Labels:
        """The labels of one row. Raises `LabelCellError` for the first cell that holds none."""
        return self.parse(self.cells(values))

    def _parse(self, cells: tuple[str, ...]) -> Labels:
        result: list[tuple[str, ...]] = []
        start = 0
        for field in self._task.fields:
            own = cells[start : start + len(field.source_columns)]
            start += len(own)
            result.append(self._field(field, own))
        labels = tuple(result)
        pair = illegal_pair(self._task, labels)
        if pair is not None:
            child, upper, lower = pair
            parent = self._task.field(child.parent or "")
            raise LabelCellError(
                "illegal_pair",
                child.column or child.name,
                f'"{lower}" does not stand under "{upper}" in task.toml '
                f"({child.name} under {parent.name}: {', '.join(child.children.get(upper, ())) or 'none'})",
            )
        return labels

    def _field(self, field: Field, cells: tuple[str, ...]) -> tuple[str, ...]:
        if field.columns:
            return tuple(
                label
                for label, column, cell in zip(field.labels, field.columns, cells, strict=True)
                if _flag(cell, column, field)
            )
        column, cell = field.column or "", cells[0]
        if field.delimiter is None:
            return (self._label(field, _only_item(field, cell, column), column),)
        if not cell.strip():
            return ()
        found = {self._label(field, part, column) for part in _parts(field, cell)}
        return tuple(label for label in field.labels if label in found)

    def _label(self, field: Field, text: str, column: str) -> str:
        label = text.strip() if self._strip else text
        if label in field.labels:
            return label
        if composed := _by_nfc(field.labels).get(nfc(label)):
            return composed
        if not label.strip() and field.empty is not None:
            return field.empty
        if not label.strip():
            raise LabelCellError("no_label", column, f'no label in column "{column}"')
        if nfc(label.strip()) in _by_nfc(field.labels):
            raise LabelCellError(
                "spaced_label",
                column,
                f'label "{label}" has space around it; --strip takes it off',
            )
        raise LabelCellError(
            "unknown_label",
            column,
            f'label "{label}" is not in task.toml{_meant(label, field.labels)}',
        )


@lru_cache(maxsize=64)
def _by_nfc(labels: tuple[str, ...]) -> dict[str, str]:
    return {nfc(label): label for label in labels}


def _only_item(field: Field, cell: str, column: str) -> str:
    """The label of a single field's cell: its text, or what a list of one label holds."""
    items = None if cell in field.labels else list_items(cell)
    if items is None:
        return cell
    if len(items) > 1:
        raise LabelCellError(
            "several_labels",
            column,
            f'column "{column}" holds a list of {len(items)} labels, and the field is single: expected one',
        )
    return items[0] if items else ""


def _parts(field: Field, cell: str) -> list[str]:
    """The labels of a multi field's cell: a list's items, or what the delimiter joins."""
    items = None if cell in field.labels else list_items(cell)
    if items is not None:
        return items
    if field.delimiter in (None, LIST_DELIMITER):
        return [cell]
    return cell.split(field.delimiter)


def stripped(field: Field, cell: str) -> str:
    """The cell of a field's `column` with the space around its labels taken off; a list stays as it is."""
    if list_items(cell) is not None:
        return cell
    if field.delimiter in (None, LIST_DELIMITER):
        return cell.strip()
    return field.delimiter.join(part.strip() for part in cell.split(field.delimiter))


def _meant(label: str, labels: tuple[str, ...]) -> str:
    """Which label may be meant. pandas makes 1.0 of 1 where other cells of the column are empty."""
    if label.endswith(".0") and label[:-2] in labels:
        return (
            f' (did you mean "{label[:-2]}"? pandas writes that where cells are empty: read with dtype=str)'
        )
    return did_you_mean(label, labels)


_NUMBERS_AS_FLOATS = {"0.0": "0", "1.0": "1"}
"""What pandas makes of 0 and 1 in a column with an empty cell: nothing is lost by it."""


def _flag(cell: str, column: str, field: Field) -> bool:
    flag = flag_spelling(cell)
    no, yes = flag_spelling(field.no), flag_spelling(field.yes)
    if flag not in (no, yes):
        either = f"{field.no or 'nothing'} or {field.yes}"
        raise LabelCellError("bad_flag", column, f'column "{column}" holds "{cell}", expected {either}')
    return flag == yes


def written_labels(task: Task, labels: Labels) -> list[str]:
    """The cells that `LabelReader` reads these labels from, in the order of `task.label_columns`."""
    cells: list[str] = []
    for field, found in zip(task.fields, labels, strict=True):
        if field.columns:
            cells += [field.yes if label in found else field.no for label in field.labels]
        elif field.delimiter is None:
            cells.append(found[0])
        elif field.delimiter == LIST_DELIMITER:
            cells.append(json.dumps(list(found), ensure_ascii=False))
        else:
            cells.append(field.delimiter.join(found))
    return cells


def flag_spelling(flag: str) -> str:
    """A flag without what does not matter: space around it, case, and a float's `.0`."""
    flag = flag.strip().casefold()
    return _NUMBERS_AS_FLOATS.get(flag, flag)
