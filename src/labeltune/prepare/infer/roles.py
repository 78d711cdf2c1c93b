"""Which column is the text, which names a row, which hold labels, and why the others do not."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from labeltune.errors import DataError
from labeltune.prepare.infer.names import names_an_id, numbered

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from labeltune.prepare.infer.profile import Column, Profile
    from labeltune.prepare.infer.wishes import Wishes

__all__ = ["LabelColumns", "choose_id", "choose_labels", "choose_text", "left_out", "quoted", "shortened"]

SEVERAL_WORDS = 2
"""Words of a text, on average, at least: what tells a text from a name or a code."""

MANY_FLAGS = 3
"""So many columns that say yes or no are labels, whatever other columns there are."""

MOST_NUMBERS = 20
"""Whole numbers of more distinct values measure something, unless the column is called a label."""

MOSTLY_EMPTY = 0.5

PARTS = frozenset(
    {"train", "training", "test", "testing", "val", "valid", "validation", "dev", "devel", "eval", "holdout"}
)
"""Values of a column that says in which part a row is."""


# ---------------------------------------------------------------------------------------------------- text


def choose_text(profile: Profile, wishes: Wishes) -> tuple[tuple[str, ...], list[str]]:
    """The text column or columns, and others that hold text as well. Raises `DataError` if none does."""
    if wishes.text:
        return wishes.text, []
    taken = {*wishes.labels, *wishes.ignore, wishes.id}
    free = [
        column for column in profile.columns.values() if column.name not in taken and _may_be_text(column)
    ]
    if not free:
        raise DataError(f"{profile.source}: no column holds text", hint="name it with --text COLUMN")
    best = max(free, key=_as_text)
    others = [
        column.name
        for column in free
        if column is not best and _reads_as_text(column) and _reads_as_text(best)
    ]
    return (best.name,), others


def _may_be_text(column: Column) -> bool:
    measured = column.sort in ("numbers", "whole numbers", "dates")
    return column.filled > 0 and not measured and not (column.rows > 1 and _constant(column))


def _as_text(column: Column) -> tuple[object, ...]:
    """How well a column would do as the text: the longest of those that are texts at all."""
    return (
        not column.is_nearly_empty and column.emptiness <= MOSTLY_EMPTY,
        _reads_as_text(column),
        column.mean_words >= SEVERAL_WORDS and column.hint != "label",
        column.is_varied,
        not names_an_id(column.name),
        column.hint != "label",
        column.mean_length,
    )


def _reads_as_text(column: Column) -> bool:
    """Whether most values are texts of their own, of several words."""
    return (
        column.sort == "words"
        and column.is_varied
        and column.mean_words >= SEVERAL_WORDS
        and column.emptiness <= MOSTLY_EMPTY
    )


def _constant(column: Column) -> bool:
    return column.counts is not None and len(column.labels) == 1 and column.emptiness == 0


# ------------------------------------------------------------------------------------------------------ id


def choose_id(profile: Profile, wishes: Wishes, text: Sequence[str]) -> str | None:
    """The column that names a row: the first that is called so and has its own value in every row."""
    if wishes.id:
        return wishes.id
    taken = {*text, *wishes.labels, *wishes.ignore}
    return next(
        (
            column.name
            for column in profile.columns.values()
            if column.name not in taken and column.is_unique and names_an_id(column.name)
        ),
        None,
    )


# -------------------------------------------------------------------------------------------------- labels


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
        raise _no_labels(profile, busy)
    best = max(ranks.values())
    found.flags = [column for column in flags if ranks[column.name] == best]
    found.others = [column for column in singles if ranks[column.name] == best]
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
    never = [c for c in columns if pair in c.flag_pairs and c.labels == [pair[1]] and not c.emptiness]
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
    return by_hint


def _rank_of_flags(flags: list[Column]) -> int:
    if all(column.hint == "other" for column in flags):
        return 0
    return 3 if len(flags) >= MANY_FLAGS or all(column.hint == "label" for column in flags) else 2


def _series(columns: list[Column]) -> list[str]:
    """Columns such as tag_1, tag_2 with labels in common: one list of labels, spread over them."""
    by_stem: dict[str, list[Column]] = defaultdict(list)
    for column in columns:
        found = numbered(column.name)
        if found and column.sort == "words" and column.labels:
            by_stem[found[0]].append(column)
    return [
        column.name
        for members in by_stem.values()
        for column in members
        if any(set(column.labels) & set(other.labels) for other in members if other is not column)
    ]


# ------------------------------------------------------------------------------------------------ left out


def why_not(column: Column) -> str | None:
    """Why a column holds no labels, whatever its name; None if it may."""
    if column.filled and column.emptiness and any(no == "" for _, no in column.flag_pairs):
        return None
    return next((reason(column) for holds, reason in _AGAINST if holds(column)), None)


def _is_one_value(column: Column) -> bool:
    return column.counts is not None and len(column.labels) == 1


def _measures(column: Column) -> bool:
    """Whether numbers are no labels: broken ones, or many, unless they are called labels."""
    called = column.hint == "label"
    if column.sort == "numbers":
        return not (called and len(column.labels) <= MOST_NUMBERS and column.has_few_values)
    return column.sort == "whole numbers" and not called and len(column.labels) > MOST_NUMBERS


def _one_value(column: Column) -> str:
    value = shortened(column.labels[0])
    return f'nothing but "{value}"' if column.emptiness else f'"{value}" in every row'


_AGAINST: tuple[tuple[Callable[[Column], bool], Callable[[Column], str]], ...] = (
    (lambda column: not column.filled, lambda _: "empty"),
    (_is_one_value, _one_value),
    (
        lambda column: column.is_nearly_empty,
        lambda column: f"nearly empty: {column.filled:,} of {column.rows:,} rows",
    ),
    (lambda column: column.is_counter, lambda _: "a counter"),
    (lambda column: names_an_id(column.name), lambda _: "ids"),
    (lambda column: column.sort in ("dates", "URLs", "nested data"), lambda column: column.sort),
    (_measures, lambda _: "numbers"),
    (
        lambda column: bool(column.labels) and {label.casefold() for label in column.labels} <= PARTS,
        lambda _: "the part that a row is in",
    ),
)
"""What speaks against a column of labels, and how that is told."""


def left_out(profile: Profile, taken: Iterable[str | None], chosen: LabelColumns) -> dict[str, str]:
    """The columns that are neither text nor id nor labels, each with the reason."""
    used = {*taken, *chosen.names, *chosen.also, *chosen.series}
    return {
        column.name: why_not(column) or _why_no_labels(column)
        for column in profile.columns.values()
        if column.name not in used
    }


def _why_no_labels(column: Column) -> str:
    """The reason for a column that `why_not` has nothing against."""
    if column.sort == "codes" and column.is_varied:
        return "ids"
    if column.mean_words >= SEVERAL_WORDS and column.is_varied:
        return "text"
    if not column.has_few_values:
        return "numbers" if column.sort == "whole numbers" else "too many values for labels"
    return "by its name no label"


def _no_labels(profile: Profile, busy: set[str | None]) -> DataError:
    reasons = [
        f"{quoted(column.name)} ({why_not(column) or _why_no_labels(column)})"
        for column in profile.columns.values()
        if column.name not in busy
    ]
    seen = f"; looked at {', '.join(reasons[:6])}" if reasons else ""
    return DataError(
        f"{profile.source}: no column looks like labels: neither 0 and 1, nor few distinct values{seen}",
        hint="name them with --label COLUMN",
    )


def shortened(text: str, most: int = 40) -> str:
    """The beginning of a text on one line, for a message."""
    text = " ".join(text.split())
    return text if len(text) <= most else f"{text[:most].rstrip()}…"


def quoted(name: str) -> str:
    """A column's name as it stands in messages."""
    return f'"{name}"'
