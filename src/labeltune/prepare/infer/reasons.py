"""Why a column is not taken for labels."""

from __future__ import annotations

from typing import TYPE_CHECKING

from labeltune.errors import DataError
from labeltune.prepare.infer.names import names_an_id
from labeltune.prepare.infer.telling import all_of, quoted, shortened
from labeltune.wording import pasted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from labeltune.prepare.infer.profile import Column, Profile

__all__ = ["JOIN_WORDS", "NAME_FLAGS", "left_out", "no_labels", "told_structured", "why_not"]

MOST_NUMBERS = 20
"""Whole numbers of more distinct values measure something, unless the column is called a label."""

NAME_FLAGS = "write a column of 0 and 1 for each label, called like the label"
JOIN_WORDS = "write each list of words as one text, joined by a space"

_WHOLE_LINES = (
    "each line stands in quotes as a whole, so that it is one value; take them off: "
    """sed 's/^"//; s/"$//; s/""/"/g' FILE > OTHER"""
)

_PROVENANCE = "where a row comes from"

PARTS = frozenset(
    {"train", "training", "test", "testing", "val", "valid", "validation", "dev", "devel", "eval", "holdout"}
)
"""Values of a column that says in which part a row is."""


def why_not(column: Column) -> str | None:
    """Why a column holds no labels, whatever its name; None if it may."""
    is_told = column.is_provenance
    if not is_told and column.filled and column.emptiness and any(no == "" for _, no in column.flag_pairs):
        return None
    found = (reason(column) for holds, reason in _AGAINST if holds(column))
    return next(found, _PROVENANCE if is_told else None)


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
    (
        lambda column: column.sort in ("dates", "URLs", "nested data") and column.lists is None,
        lambda column: column.sort,
    ),
    (lambda column: column.holds_flag_lists, lambda _: "lists of 0 and 1, a place for each label"),
    (lambda column: column.holds_word_lists, lambda _: "lists of words"),
    (_measures, lambda _: "numbers"),
    (
        lambda column: bool(column.labels) and {label.casefold() for label in column.labels} <= PARTS,
        lambda _: "the part that a row is in",
    ),
)
"""What speaks against a column of labels, and how that is told."""


def left_out(profile: Profile, used: Iterable[str | None]) -> dict[str, str]:
    """The columns that are not used, each with the reason why it holds no labels."""
    passed = {*used}
    return {
        column.name: why_not(column) or _by_default(column)
        for column in profile.columns.values()
        if column.name not in passed
    }


def _by_default(column: Column) -> str:
    """The reason for a column that `why_not` has nothing against."""
    if _is_one_value(column):
        return _one_value(column)
    if column.sort == "codes" and column.is_varied:
        return "ids"
    if column.is_text:
        return "text"
    if not column.has_few_values:
        return "numbers" if column.sort == "whole numbers" else "too many values for labels"
    return "by its name no label"


def no_labels(profile: Profile, busy: Iterable[str | None]) -> DataError:
    """The error of a table without labels; `busy` are columns that something else is known of."""
    reasons = [f"{quoted(name)} ({why})" for name, why in left_out(profile, busy).items()]
    seen = f"; looked at {all_of(reasons)}" if reasons else ""
    return DataError(
        f"{profile.source}: no column looks like labels: neither 0 and 1, nor few distinct values{seen}",
        hint=_way_to_labels(profile),
    )


def _way_to_labels(profile: Profile) -> str:
    if profile.structured:
        return (
            f"{told_structured(profile)}: write them as texts, or labeltune import {pasted(profile.source)} "
            "makes a table of what other tools write"
        )
    if any(column.holds_word_lists for column in profile.columns.values()):
        return JOIN_WORDS
    if any(column.holds_flag_lists for column in profile.columns.values()):
        return NAME_FLAGS
    if len(profile.columns) == 1 and any(sign in only for sign in ",;\t|" for only in profile.columns):
        return _WHOLE_LINES
    if len(profile.columns) == 1:
        return (
            "the table has one column: if another sign than , ; | or a tab stands between columns, name it "
            "with --sep; rows without labels get them by labeltune label DATA, once task.toml names the "
            "labels"
        )
    return "name them with --label COLUMN"


def told_structured(profile: Profile) -> str:
    """Which columns hold objects."""
    names = all_of([quoted(name) for name in profile.structured])
    return (
        f"column {names} holds objects" if len(profile.structured) == 1 else f"columns {names} hold objects"
    )
