"""The table that items make: which columns there are, and what stands in them.

Everything that one person said of one text is a row. A field whose texts have one label each is a column of
labels; one with several is a column of lists; a taxonomy with one path for each text is a column for each
level, named `topic` and `sub_topic`.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from labeltune.errors import DataError
from labeltune.files.tables.cells import Typed, cell_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from labeltune.collect.exchange.items import Item, Path, Tally

__all__ = ["ANNOTATOR", "ID", "Shape"]

ID, ANNOTATOR = "id", "annotator"
"""The columns that tie the rows of one text together, and say who labelled it."""

_LEVELS = " > "
"""What joins the levels of a path, where a text has several."""
_MOST_COLUMNS = 200
"""Columns of what else is known; more are the keys of something that is no table."""
_MOST_REMEMBERED = 4096
"""Texts that are held against all that come after; an export of any size takes no more memory."""


@dataclass(slots=True)
class _FieldShape:
    most: int = 0
    """labels of one text"""
    depth: int = 1
    """levels of a label"""

    @property
    def is_list(self) -> bool:
        return self.most > 1


@dataclass(slots=True)
class Shape:
    """What all items of an import have, and how it stands in a table."""

    texts: dict[str, None] = field(default_factory=dict)
    fields: dict[str, _FieldShape] = field(default_factory=dict)
    extra: dict[str, str] = field(default_factory=dict)
    """The columns of what else is known, by the names that the items have for it."""
    people: bool = False
    shared: bool = False
    """Whether two people labelled one text, as far as a look at the first ones tells."""
    ids: bool = False
    nul: Item | None = None
    """The first item with a NUL, which text tables cannot hold."""
    _labelled_by: dict[int, str] = field(default_factory=dict)
    """By the hash of a text who labelled it first."""

    def add(self, item: Item, tally: Tally) -> None:
        """Take an item into account."""
        self.texts.update(dict.fromkeys(item.texts))
        for name, paths in item.labels.items():
            shape = self.fields.setdefault(name, _FieldShape())
            shape.most = max(shape.most, len(paths))
            shape.depth = max([shape.depth, *map(len, paths)])
        if item.annotator:
            self.people = True
            self._look_for_others(item)
        self.ids = self.ids or bool(item.id)
        for name in item.extra:
            if name not in self.extra and len(self.extra) < _MOST_COLUMNS:
                self.extra[name] = name
            elif name not in self.extra:
                tally.lose(f"keys beyond the first {_MOST_COLUMNS}")
        if self.nul is None and _has_nul(item):
            self.nul = item

    def _look_for_others(self, item: Item) -> None:
        text = hash(tuple(item.texts.values()))
        first = self._labelled_by.get(text)
        if first is None and len(self._labelled_by) < _MOST_REMEMBERED:
            self._labelled_by[text] = item.annotator
        self.shared = self.shared or first not in (None, item.annotator)

    def finish(self) -> None:
        """Name the columns of what else is known so that each name stands once."""
        taken = {
            ID,
            ANNOTATOR,
            *self.texts,
            *(name for names in self.label_columns.values() for name in names),
        }
        for name in self.extra:
            column = name
            while column in taken:
                column = f"meta_{column}"
            taken.add(column)
            self.extra[name] = column

    @property
    def has_ids(self) -> bool:
        """Whether rows have an id: their own, or one made of the text, so that people's rows are tied."""
        return self.ids or self.people

    @property
    def label_columns(self) -> dict[str, tuple[str, ...]]:
        """The columns of each field, the uppermost level first."""
        busy = {*self.texts, ID, ANNOTATOR}
        columns: dict[str, tuple[str, ...]] = {}
        for name, shape in self.fields.items():
            own = f"label_{name}" if name in busy else name
            depth = 1 if shape.is_list else shape.depth
            columns[name] = tuple("sub_" * level + own for level in range(depth))
        return columns

    @property
    def header(self) -> tuple[str, ...]:
        """All columns."""
        labels = (column for columns in self.label_columns.values() for column in columns)
        first = ([ID] if self.has_ids else []) + ([ANNOTATOR] if self.people else [])
        return (*first, *self.texts, *labels, *self.extra.values())

    def row(self, item: Item) -> list[str]:
        """The cells of an item. Raises `DataError` for a value that no text stands for."""
        cells: list[str] = []
        try:
            if self.has_ids:
                cells.append(cell_text(item.id or _made_id(item)))
            if self.people:
                cells.append(cell_text(item.annotator))
            cells += [cell_text(item.texts.get(name, "")) for name in self.texts]
            for name, shape in self.fields.items():
                cells += _label_cells(item.labels.get(name, ()), shape)
            cells += [cell_text(item.extra.get(name)) for name in self.extra]
        except ValueError as error:
            raise DataError(f"{item.where}: {error}") from error
        return cells


def _label_cells(paths: Sequence[Path], shape: _FieldShape) -> list[str]:
    if shape.is_list:
        names = [cell_text(_LEVELS.join(path)) for path in paths]
        return [Typed(json.dumps(names, ensure_ascii=False), names)] if names else [cell_text([])]
    path = paths[0][: shape.depth] if paths else ()
    return [cell_text(step) for step in path] + [""] * (shape.depth - len(path))


def _made_id(item: Item) -> str:
    return hashlib.sha256("\0".join(item.texts.values()).encode("utf-8", "replace")).hexdigest()[:16]


def _has_nul(item: Item) -> bool:
    return any("\0" in text for text in _strings(item))


def _strings(item: Item) -> Iterable[str]:
    yield from item.texts.values()
    yield from (step for paths in item.labels.values() for path in paths for step in path)
    yield from (value for value in item.extra.values() if isinstance(value, str))
