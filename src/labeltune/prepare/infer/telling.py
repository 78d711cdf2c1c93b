"""Sentences about what was taken, what else could be, and the options that say so."""

from __future__ import annotations

from typing import TYPE_CHECKING

from labeltune.wording import counted, pasted

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from labeltune.prepare.infer.profile import Column

__all__ = ["all_of", "listed", "other_labels", "quoted", "shortened", "text_taken", "what_was_left_out"]

_SHOWN = 8
"""How many columns a sentence names."""
_LABELS_SHOWN = 6


def text_taken(column: Column, others: Sequence[Column]) -> str:
    """Which column is the text, and how others that hold text could be taken with it."""
    said = f'text: column "{column.name}", average {column.mean_length:.0f} characters'
    if not others:
        return said
    options = _options("--text", sorted([column, *others], key=lambda one: one.position))
    return f"{said}; {all_of([quoted(one.name) for one in others])} would do, too: {options} joins them"


def other_labels(taken: Sequence[Column], also: Sequence[Column]) -> str:
    """Which other columns could be meant as labels, and how to take the first of them with those taken."""
    named = all_of([f"{quoted(column.name)} ({counted(len(column.labels), 'value')})" for column in also])
    if len(taken) >= _SHOWN:
        return f"{named} could be labels, too; --label COLUMN for each column of labels says which are"
    return f"{named} could be labels, too: {_options('--label', [*taken, also[0]])}"


def what_was_left_out(reasons: Mapping[str, str]) -> str:
    """The columns that were not taken, each with the reason."""
    by_reason: dict[str, list[str]] = {}
    for name, why in reasons.items():
        by_reason.setdefault(why, []).append(quoted(name))
    shown = "; ".join(f"{all_of(names)} ({why})" for why, names in by_reason.items())
    return f"left out: {shown}. --text COLUMN and --label COLUMN take one all the same"


def shortened(text: str, most: int = 40) -> str:
    """The beginning of a text on one line, for a message."""
    text = " ".join(text.split())
    return text if len(text) <= most else f"{text[:most].rstrip()}…"


def listed(values: Sequence[str], most: int = _LABELS_SHOWN) -> str:
    """The first labels, for a message."""
    written = [" ".join(value.split()) for value in values[:most]]
    shown = ", ".join(f'"{value}"' if "," in value else value for value in written)
    return f"{shown}, …" if len(values) > most else shown


def quoted(name: str) -> str:
    """A column's name as it stands in messages."""
    return f'"{name}"'


def all_of(names: Sequence[str]) -> str:
    """The names in a sentence; of many, the first and the number of the rest."""
    if len(names) > _SHOWN:
        names = [*names[: _SHOWN - 1], f"{len(names) - _SHOWN + 1} more"]
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def _options(option: str, columns: Sequence[Column]) -> str:
    return " ".join(f"{option} {pasted(column.name)}" for column in columns)
