"""Which columns hold labels."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from labeltune.prepare.infer.names import stem_of_numbered
from labeltune.prepare.infer.profile import MOSTLY_EMPTY
from labeltune.prepare.infer.reasons import no_labels, why_not

if TYPE_CHECKING:
    from collections.abc import Iterable

    from labeltune.prepare.infer.profile import Column, Profile
    from labeltune.prepare.infer.wishes import Wishes

__all__ = ["LabelColumns", "choose_labels"]

MANY_FLAGS = 3
"""So many columns that say yes or no are labels, whatever other columns there are."""


@dataclass
class LabelColumns:
    """The columns that hold labels: flags of one field, and others that are a field each."""

    flags: list[Column] = field(default_factory=list)
    pair: tuple[str, str] = ("1", "0")
    """What stands in a flag where it says yes and no, case folded."""
    others: list[Column] = field(default_factory=list)
    also: list[str] = field(default_factory=list)
    """Columns that could be meant as well."""
    series: list[str] = field(default_factory=list)
    """Columns that hold one list of labels between them."""
    parallel: list[str] = field(default_factory=list)
    """Those of them that were taken for want of others: what several people said, perhaps."""

    @property
    def names(self) -> set[str]:
        """The columns that were taken."""
        return {column.name for column in (*self.flags, *self.others)}


def choose_labels(profile: Profile, wishes: Wishes, taken: Iterable[str | None]) -> LabelColumns:
    """The columns of labels that were asked for, or else those that look most like it.

    `taken` are columns that something else is known of. Raises `DataError` if there is none.
    """
    if wishes.labels:
        return _asked_for([profile.columns[name] for name in wishes.labels])
    busy = {*taken, *wishes.ignore}
    free = [c for c in profile.columns.values() if c.name not in busy and why_not(c) is None]
    if wishes.delimiter:
        free = [c for c in free if any(wishes.delimiter in value for value in c.counts or ())] or free
    found = LabelColumns(series=_series(free))
    flags, found.pair = _family(free, [c for c in profile.columns.values() if c.name not in busy])
    names = {column.name for column in flags}
    singles = [c for c in free if c.name not in names and (_is_delimited(c, wishes) or c.has_few_values)]
    ranks = {c.name: _rank(c) if c.name not in found.series else 0 for c in singles}
    if flags:
        ranks |= dict.fromkeys(names, _rank_of_flags(flags))
    if not ranks:
        raise no_labels(profile, busy)
    best = max(ranks.values())
    found.flags = [column for column in flags if ranks[column.name] == best]
    found.others = [column for column in singles if ranks[column.name] == best]
    found.parallel = [name for name in found.series if name in found.names]
    found.series = [name for name in found.series if name not in found.names]
    also = [
        c for c in (*flags, *singles) if c.name not in {*found.names, *found.series} and c.hint != "other"
    ]
    found.also = [column.name for column in sorted(also, key=lambda column: -ranks[column.name])]
    return found


def _asked_for(columns: list[Column]) -> LabelColumns:
    pairs = [pair for pair in columns[0].flag_pairs if all(pair in c.flag_pairs for c in columns[1:])]
    flags = [column for column in columns if column.flag_pairs]
    if len(flags) < len(columns):
        pairs = (
            [pair for pair in flags[0].flag_pairs if all(pair in c.flag_pairs for c in flags)]
            if flags
            else []
        )
    if len(flags) < 2 or not pairs:  # one column that says yes or no is a single field
        return LabelColumns(others=columns)
    return LabelColumns(flags, pairs[0], [column for column in columns if column not in flags])


def _family(free: list[Column], columns: list[Column]) -> tuple[list[Column], tuple[str, str]]:
    """The largest group of columns that say yes and no in the same words, and these; none of a single one."""
    by_pair: dict[tuple[str, str], list[Column]] = defaultdict(list)
    for column in free:
        for pair in column.flag_pairs:
            by_pair[pair].append(column)
    best: list[Column] = []
    best_pair = ("1", "0")
    for pair, members in by_pair.items():
        varied = [column for column in members if len(column.labels) > 1 or pair[1] == ""]
        called = [column for column in varied if column.hint == "label"]
        # One that is called a label among others that are not is a question of its own.
        if len(called) * 2 <= len(varied):
            varied = [column for column in varied if column.hint != "label"]
        family = [*varied, *_neighbours(pair, varied, columns)]
        if len(family) > max(1, len(best)):
            best, best_pair = sorted(family, key=lambda column: column.position), pair
    return best, best_pair


def _neighbours(pair: tuple[str, str], members: list[Column], columns: list[Column]) -> list[Column]:
    """Columns that say no in every row, next to others that say both: a label that no row has yet."""
    found: list[Column] = []
    places = {column.position for column in members}
    silent = [c for c in columns if not c.is_provenance and c.labels == [pair[1]] and not c.emptiness]
    never = [c for c in silent if pair in c.flag_pairs]
    grows = bool(members)
    while grows:
        near = [c for c in never if c not in found and {c.position - 1, c.position + 1} & places]
        found += near
        places |= {column.position for column in near}
        grows = bool(near)
    return found


def _is_delimited(column: Column, wishes: Wishes) -> bool:
    return bool(wishes.delimiter or column.delimiter)


def _rank(column: Column) -> int:
    """How much a column of few values looks like labels: by its name, by what its values are."""
    by_hint = {"label": 3, "none": 2, "other": 0}[column.hint]
    if by_hint == 2 and (column.sort == "whole numbers" or column.flag_pairs):
        by_hint = 1
    if column.hint != "label" and column.emptiness > MOSTLY_EMPTY:
        return 0
    # Broken numbers are ratings where nothing else is a label, and else a score beside it.
    return by_hint - (column.sort == "numbers")


def _rank_of_flags(flags: list[Column]) -> int:
    if all(column.hint == "other" for column in flags):
        return 0
    return 3 if len(flags) >= MANY_FLAGS or all(column.hint == "label" for column in flags) else 2


def _series(columns: list[Column]) -> list[str]:
    """Columns such as tag_1, tag_2 with labels in common: one list of labels, spread over them."""
    by_stem: dict[str, list[Column]] = defaultdict(list)
    for column in columns:
        stem = stem_of_numbered(column.name)
        if stem is not None and column.sort == "words" and column.labels:
            by_stem[stem].append(column)
    return [
        column.name
        for members in by_stem.values()
        for column in members
        if any(set(column.labels) & set(other.labels) for other in members if other is not column)
    ]
