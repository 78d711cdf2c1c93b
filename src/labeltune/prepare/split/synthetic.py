"""Rows that a model wrote: they go with the rows that they were made after, and measure nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from labeltune.errors import DataError
from labeltune.prepare.duplicates import merged
from labeltune.prepare.stratify import NO_PART, Combinations, stratify
from labeltune.task.provenance import SEEDS, SOURCE, is_synthetic, seeds_of
from labeltune.wording import counted

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from labeltune.prepare.stratify.integer_arrays import Ints

    Bools = NDArray[np.bool_]

__all__ = ["SyntheticRows", "fold_parts", "is_measured", "parts_apart"]

_MEASURED = frozenset(
    {"test", "testing", "validation", "valid", "val", "dev", "devel", "eval", "evaluation", "holdout"}
)
"""Parts of these names measure something, or choose by it."""


def is_measured(name: str) -> bool:
    """Whether a part of this name must hold what people wrote."""
    return name.casefold() in _MEASURED


class SyntheticRows:
    """Takes note of the rows of a table that a model wrote, and of the rows that they were made after."""

    def __init__(self, header: Sequence[str], id_column: str | None) -> None:
        self._source = header.index(SOURCE) if SOURCE in header else None
        self._seeds = header.index(SEEDS) if SEEDS in header else None
        self._id = header.index(id_column) if id_column is not None and id_column in header else None
        self._rows: dict[str, int] = {}
        """By id, or by line where there are no ids."""
        self._seeds_of: dict[int, Sequence[str]] = {}
        self._n = 0
        self.lost = 0
        """Seeds that are no rows of the table, once `links` was asked for."""

    def add(self, line: int, values: Sequence[str]) -> None:
        """The next row."""
        row, self._n = self._n, self._n + 1
        if self._source is None:
            return
        self._rows.setdefault(str(line) if self._id is None else values[self._id].strip(), row)
        if is_synthetic(values[self._source]):
            self._seeds_of[row] = () if self._seeds is None else seeds_of(values[self._seeds])

    @property
    def marks(self) -> Bools | None:
        """Which rows a model wrote, bool (n_rows,); None if there are none."""
        if not self._seeds_of:
            return None
        marks = np.zeros(self._n, np.bool_)
        marks[list(self._seeds_of)] = True
        return marks

    def links(self) -> Ints:
        """The group of each row, int64 (n_rows,): rows that were made one after the other share one."""
        found = [
            [self._rows[seed] for seed in seeds if seed in self._rows] for seeds in self._seeds_of.values()
        ]
        self.lost = sum(map(len, self._seeds_of.values())) - sum(map(len, found))
        every = list(range(self._n))
        groupings = [every]
        for place in range(max(map(len, found), default=0)):
            own = every.copy()
            for row, seeds in zip(self._seeds_of, found, strict=True):
                if place < len(seeds):
                    own[row] = seeds[place]
            groupings.append(own)
        return np.array(merged(*groupings), np.int64)


def parts_apart(
    combinations: Combinations,
    sizes: Mapping[str, int],
    synthetic: Bools,
    groups: Ints | None,
    *,
    seed: int,
    source: str,
) -> Ints:
    """The part of each row, int64 (n_rows,), as `stratify` has it; no measured part has a synthetic row.

    Synthetic rows and those that stay with them are dealt out among the other parts first. Raises `DataError`
    if they do not fit there.
    """
    own_groups = np.arange(len(synthetic)) if groups is None else groups
    bound = np.isin(own_groups, own_groups[synthetic])
    free = np.array([not is_measured(name) for name in sizes])
    wanted = np.array([*sizes.values()], np.int64)
    room, needed = int(wanted[free].sum()), int(bound.sum())
    if needed > room:
        names = ", ".join(f'"{name}"' for name in sizes if not is_measured(name)) or "none of the parts"
        raise DataError(
            f"{source}: {needed:,} synthetic rows and rows that stay with them go into {names}, where "
            f"{counted(room, 'row has', 'rows have')} room",
            hint="give --sizes with more room there; --synthetic-anywhere lets them into parts that measure",
        )
    parts = np.full(len(synthetic), NO_PART, np.int64)
    share = _shares(wanted * free, needed)
    parts[bound] = _dealt(combinations, share, bound, own_groups, seed)
    taken = np.bincount(parts[bound], minlength=len(wanted))
    rest = _within(np.maximum(wanted - taken, 0), int((~bound).sum()))
    parts[~bound] = _dealt(combinations, rest, ~bound, own_groups, seed)
    return parts


def fold_parts(
    combinations: Combinations, folds: int, synthetic: Bools, groups: Ints | None, *, seed: int
) -> Ints:
    """The fold of each row, int64 (n_rows,); of a synthetic one `folds` more, as no fold is measured by it.

    Folds are made of the other rows, and a synthetic one goes with those that it stays with.
    """
    own_groups = np.arange(len(synthetic)) if groups is None else groups
    n = int((~synthetic).sum())
    sizes = np.array([(n + fold) // folds for fold in range(folds)][::-1], np.int64)
    parts = np.empty(len(synthetic), np.int64)
    parts[~synthetic] = _dealt(combinations, sizes, ~synthetic, own_groups, seed)
    fold_of = np.full(int(own_groups.max()) + 1, NO_PART, np.int64)
    fold_of[own_groups[~synthetic]] = parts[~synthetic]
    of_groups = np.where(fold_of == NO_PART, np.arange(len(fold_of)) % folds, fold_of)
    parts[synthetic] = of_groups[own_groups[synthetic]] + folds
    return parts


def _dealt(combinations: Combinations, sizes: Ints, rows: Bools, groups: Ints, seed: int) -> Ints:
    """The parts of some rows, where a part may get none."""
    used = np.flatnonzero(sizes)
    if not len(used):
        return np.full(int(rows.sum()), NO_PART, np.int64)
    some = Combinations(
        combinations.codes[rows], combinations.starts, combinations.labels, combinations.n_labels
    )
    own = np.unique(groups[rows], return_inverse=True)[1].astype(np.int64)
    together = own if int(own.max()) + 1 < len(own) else None
    found = stratify(some, sizes[used].tolist(), seed=seed, groups=together)
    return np.where(found == NO_PART, NO_PART, used[found])


def _shares(sizes: Ints, rows: int) -> Ints:
    """So many rows in parts as large, one to the other, as these sizes."""
    total = int(sizes.sum())
    shares = sizes * rows // max(total, 1)
    lacking = np.argsort(-(sizes * rows % max(total, 1)), kind="stable")
    shares[lacking[: rows - int(shares.sum())]] += 1
    return shares


def _within(sizes: Ints, rows: int) -> Ints:
    """The sizes, made smaller where there are fewer rows: groups may have filled other parts too far."""
    return _shares(sizes, rows) if int(sizes.sum()) > rows else sizes
