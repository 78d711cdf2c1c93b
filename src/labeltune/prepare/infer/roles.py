"""Which column is the text, and which names a row."""

from __future__ import annotations

from typing import TYPE_CHECKING

from labeltune.errors import DataError
from labeltune.prepare.infer.names import names_an_id
from labeltune.prepare.infer.profile import MOSTLY_EMPTY, SEVERAL_WORDS
from labeltune.prepare.infer.reasons import JOIN_WORDS, told_structured
from labeltune.wording import pasted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from labeltune.prepare.infer.profile import Column, Profile
    from labeltune.prepare.infer.wishes import Wishes

__all__ = ["choose_id", "choose_text"]


def choose_text(profile: Profile, wishes: Wishes) -> tuple[tuple[str, ...], list[str]]:
    """The text column or columns, and others that hold text as well. Raises `DataError` if none does."""
    if wishes.text:
        return wishes.text, []
    taken = {*wishes.labels, *wishes.ignore, wishes.id}
    free = [
        column for column in profile.columns.values() if column.name not in taken and _may_be_text(column)
    ]
    if not free:
        if profile.structured:
            raise DataError(
                f"{profile.source}: no column holds text: {told_structured(profile)}",
                hint="a row is an object of texts and numbers; "
                f"labeltune import {pasted(profile.source)} makes a table of what other tools write",
            )
        lists = any(column.holds_word_lists for column in profile.columns.values())
        raise DataError(
            f"{profile.source}: no column holds text",
            hint=JOIN_WORDS if lists else "name it with --text COLUMN",
        )
    best = max(free, key=_as_text)
    others = [
        column.name
        for column in free
        if column is not best and _reads_as_text(column) and _reads_as_text(best)
    ]
    return (best.name,), others


def _may_be_text(column: Column) -> bool:
    measured = column.sort in ("numbers", "whole numbers", "dates")
    return (
        column.filled > 0
        and not measured
        and not column.is_provenance
        and column.lists is None
        and not column.holds_word_lists
        and not (column.rows > 1 and _constant(column))
    )


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
    """Whether most rows have a text of their own here."""
    return column.is_text and column.emptiness <= MOSTLY_EMPTY


def _constant(column: Column) -> bool:
    return column.counts is not None and len(column.labels) == 1 and column.emptiness == 0


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
