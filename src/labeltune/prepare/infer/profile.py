"""What one pass over the rows shows of each column."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from functools import cached_property
from itertools import islice, pairwise
from typing import TYPE_CHECKING

from labeltune.errors import DataError
from labeltune.prepare.infer.names import Hint, hint_of
from labeltune.prepare.infer.values import FLAG_PAIRS, Sort, count_words, is_number, sort_of
from labeltune.task.cells import LIST_DELIMITER, list_items, nfc
from labeltune.task.label_cells import flag_spelling
from labeltune.task.provenance import holds_provenance

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from labeltune.files.tables import Table

__all__ = ["MOSTLY_EMPTY", "MOST_VALUES", "SEVERAL_WORDS", "Column", "Profile", "read_profile"]

MOST_LABELS = 500
"""A column of more distinct values than this is not taken for labels, unless its name says so."""

MOST_VALUES = 10_000
"""Distinct values of a column that are kept: combinations of joined labels, or labels that were asked for."""

LONGEST_LABEL = 500
"""A column with a longer value, in characters, holds no labels."""

SAMPLE = 1_000
"""Distinct values of a column that are looked at to tell what sort they are."""

ROWS_A_LABEL = 2
"""How many rows each label has on average, at least, in a column that is not called one."""

SEVERAL_WORDS = 2
"""Words of a text, on average, at least: what tells a text from a name or a code."""

MOSTLY_EMPTY = 0.5
"""A column without a value in a larger share of the rows is taken only if there is no other."""

NEARLY_EMPTY = 0.05
"""A column with values in a smaller share of the rows tells nothing."""

_BATCH = 4_096

DELIMITERS = ("|", ";", ",", "\n", "#", "/", "+", "&")
_OFTEN_PROSE = frozenset("\n#/+&")
"""Signs that often stand within a label: they join labels only where most parts stand alone, too."""


@dataclass
class Column:
    """A column; what it shows is complete when the pass is over."""

    name: str
    position: int
    rows: int = 0
    filled: int = 0
    characters: int = 0
    counts: Counter[str] | None = field(default_factory=Counter)
    """How often each value occurs; None once there are too many distinct ones to be labels."""
    sample: tuple[str, ...] = ()
    """The first distinct values that are not empty."""
    share: float = 1.0
    """Distinct values out of those that are not empty, as far as they were counted."""

    def add(self, values: tuple[str, ...]) -> None:
        """Count the values of some more rows."""
        self.rows += len(values)
        if self.counts is None:
            self._total(values)
            return
        self.counts.update(values)
        if len(self.counts) > MOST_VALUES or max(map(len, values)) > LONGEST_LABEL:
            self.finish()
            self.counts = None

    def finish(self) -> None:
        """Sum up what was counted."""
        if self.counts is None:
            return
        for value, count in self.counts.items():
            if value.strip():
                self.filled += count
                self.characters += count * len(value)
        filled = [value for value in self.counts if value.strip()]
        self.sample = tuple(filled[:SAMPLE])
        self.share = len(filled) / self.filled if self.filled else 1.0

    def _total(self, values: tuple[str, ...]) -> None:
        filled = [value for value in values if value and not value.isspace()]
        self.filled += len(filled)
        self.characters += sum(map(len, filled))

    # what the values are

    @cached_property
    def hint(self) -> Hint:
        """What the name hints at."""
        return hint_of(self.name)

    @cached_property
    def is_provenance(self) -> bool:
        """Whether it tells where rows and their labels come from, and so is neither text nor labels."""
        return holds_provenance(self.name, self.counts)

    @cached_property
    def sort(self) -> Sort:
        """What sort of values these are."""
        return sort_of(self.sample)

    @cached_property
    def labels(self) -> list[str]:
        """The distinct values, without space around them and without the empty one; numbers by their size."""
        labels = {nfc(value.strip()) for value in self.counts or ()} - {""}
        if all(map(is_number, labels)):
            return sorted(labels, key=lambda label: (_size(label), label))
        return sorted(labels)

    @property
    def mean_length(self) -> float:
        """Characters of a value, on average."""
        return self.characters / self.filled if self.filled else 0.0

    @cached_property
    def mean_words(self) -> float:
        """Words of a value, on average."""
        return sum(map(count_words, self.sample)) / len(self.sample) if self.sample else 0.0

    @property
    def emptiness(self) -> float:
        """The share of the rows in which nothing stands."""
        return 1 - self.filled / self.rows if self.rows else 1.0

    @property
    def is_nearly_empty(self) -> bool:
        """Whether hardly any row has a value."""
        return self.filled < NEARLY_EMPTY * self.rows

    @property
    def is_unique(self) -> bool:
        """Whether every row has a value of its own, as far as they were counted."""
        return self.filled == self.rows and self.share == 1

    @property
    def is_varied(self) -> bool:
        """Whether most values occur once, or there are more than labels could be."""
        return self.counts is None or self.share > 1 / ROWS_A_LABEL or len(self.labels) > MOST_LABELS

    @property
    def is_text(self) -> bool:
        """Whether most values are texts of their own, of several words."""
        return self.sort == "words" and self.is_varied and self.mean_words >= SEVERAL_WORDS

    @cached_property
    def is_counter(self) -> bool:
        """Whether the values count the rows."""
        if self.sort != "whole numbers" or not self.is_unique:
            return False
        numbers = [_size(value) for value in self.sample]
        return len(numbers) > 2 and all(b - a == 1 for a, b in pairwise(numbers))

    # how it may hold labels

    @cached_property
    def has_few_values(self) -> bool:
        """Whether there are labels enough and rows enough for each; a name that says so makes up for some."""
        distinct = len(self.labels)
        if self.hint == "label" and self.counts is not None:
            return 2 <= distinct < self.filled and (not self.is_varied or self.mean_words < _SENTENCE)
        return 2 <= distinct <= min(MOST_LABELS, self.filled // ROWS_A_LABEL)

    @cached_property
    def flag_pairs(self) -> list[tuple[str, str]]:
        """Those of `FLAG_PAIRS` with which the column can say yes or no."""
        found = {flag_spelling(value) for value in self.counts or ()}
        if self.counts is None or len(found) > 3 or not found - {""}:
            return []
        return [
            (yes, no)
            for yes, no in FLAG_PAIRS
            if (found == {yes, ""} if no == "" else found - {""} <= {yes, no})
        ]

    @cached_property
    def lists(self) -> list[list[str]] | None:
        """The labels of each distinct value, if all values are lists, such as `["a", "b"]`.

        A value that stands alone and in lists as well is a list of one.
        """
        cells = {value.strip(): list_items(value) for value in self.counts or () if value.strip()}
        found = [cell for cell in cells.values() if cell is not None]
        distinct = {label for labels in found for label in labels}
        alone = [value for value, cell in cells.items() if cell is None]
        if not 0 < len(distinct) <= MOST_LABELS or not distinct.issuperset(alone):
            return None
        return [*found, *([value] for value in alone)]

    @cached_property
    def holds_flag_lists(self) -> bool:
        """Whether all values are lists of 0 and 1 of one length: a place for each label, without its name."""
        lists = self.lists or []
        return (
            len({len(items) for items in lists}) == 1
            and len(lists[0]) > 1
            and {item for items in lists for item in items} <= _FLAGS
        )

    @cached_property
    def holds_word_lists(self) -> bool:
        """Whether the values are texts taken apart: a list of many words, another one in most rows."""
        lists = [items for items in map(list_items, self.sample[:_LISTS_LOOKED_AT]) if items is not None]
        return (
            2 * len(lists) > len(self.sample[:_LISTS_LOOKED_AT])
            and self.hint != "label"
            and self.is_varied
            and sum(map(len, lists)) >= _MANY_WORDS * len(lists)
        )

    @cached_property
    def delimiter(self) -> str | None:
        """What joins labels here: its parts recur in more combinations than there are parts."""
        if self.lists is not None:
            return LIST_DELIMITER
        cells = [value.strip() for value in self.counts or () if value.strip()]
        if self.sort not in ("words", "codes"):
            return None
        return next((_as_written(sign, cells) for sign in DELIMITERS if self._joins(sign, cells)), None)

    def _joins(self, sign: str, cells: list[str]) -> bool:
        if not any(sign in cell for cell in cells):
            return False
        parts: set[str] = set()
        for cell in cells:
            pieces = [piece.strip() for piece in cell.split(sign)]
            parts.update(pieces)
            # `a || b` and `a |` are prose, not labels.
            if "" in pieces or len(parts) > min(MOST_LABELS, self.filled // ROWS_A_LABEL):
                return False
        if sign in _OFTEN_PROSE and len(parts & set(cells)) * 2 < len(parts):
            return False
        return len(parts) < len(cells) + (sign not in ",/&+")


_FLAGS = frozenset({"0", "1", "0.0", "1.0", "0.", "1."})
_MANY_WORDS = 5
"""Items of a list, on average, of which on would take a text apart rather than label it."""
_LISTS_LOOKED_AT = 100

_SENTENCE = 4
"""Words of a value: labels that hardly recur have fewer, on average."""


def _size(number: str) -> float:
    try:
        return float(number.replace(",", ".").rstrip("% "))
    except ValueError:
        return 0.0


def _as_written(sign: str, cells: list[str]) -> str:
    """The delimiter with the space that stands around it wherever it joins, so that labels have none."""
    joined = [cell for cell in cells if sign in cell]
    for spaced in (f" {sign} ", f"{sign} ", f"\r{sign}"):
        if all(cell.count(sign) == cell.count(spaced) for cell in joined):
            pieces = [piece for cell in joined for piece in cell.split(spaced)]
            return spaced if all(piece == piece.strip() for piece in pieces) else sign
    return sign


@dataclass(frozen=True)
class Profile:
    """The columns of a table, by name, and what was noticed of its rows."""

    source: str
    columns: dict[str, Column]
    rows: int
    repeats_header: bool
    """Whether the header stands among the rows again, as where files were put one after the other."""
    structured: tuple[str, ...] = ()
    """Columns that hold objects, and were passed over."""


def read_profile(table: Table, asked_for: Collection[str] = ()) -> Profile:
    """Look at every row once. Raises `DataError` for rows that cannot be read.

    Columns without a name are passed over unless they are asked for, and those that hold objects; such a one
    that is asked for is a `DataError`.
    """
    columns = {name: Column(name, position) for position, name in enumerate(table.header)}
    header, repeats, rows = list(table.header), False, 0
    marked = [f"\ufeff{header[0]}", *header[1:]] if header else header
    for batch in _batches(table):
        rows += len(batch)
        repeats = repeats or header in batch or marked in batch
        for column, values in zip(columns.values(), zip(*batch, strict=True), strict=True):
            column.add(values)
    for column in columns.values():
        column.finish()
    if nested := next((name for name in asked_for if name in table.structured), None):
        raise DataError(f'{table.source}: column "{nested}" holds objects, neither text nor labels')
    for name in (table.unnamed | table.structured).difference(asked_for):
        del columns[name]
    structured = tuple(name for name in table.header if name in table.structured)
    return Profile(table.source, columns, rows, repeats, structured)


def _batches(table: Table) -> Iterator[list[list[str]]]:
    rows = (values for _, values in table)
    while batch := list(islice(rows, _BATCH)):
        yield batch
