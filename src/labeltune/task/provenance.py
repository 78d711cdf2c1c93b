"""Where a row and its labels come from: columns that every command knows by their names, spelled only here.

No command needs them. They are never text and never labels unless someone says so, and tell `split`, `check`
and `evaluate` which rows a model wrote: a score on such rows says how well models agree with each other.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

from labeltune.task.cells import list_items

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

__all__ = [
    "ANNOTATED",
    "ANNOTATOR",
    "HUMAN",
    "PROVENANCE",
    "SEEDS",
    "SOURCE",
    "SYNTHETIC",
    "TEACHER",
    "VERIFIED",
    "holds_provenance",
    "is_human",
    "is_synthetic",
    "is_verified",
    "seeds_cell",
    "seeds_of",
]

SOURCE = "source"
"""`HUMAN`, `ANNOTATED` or `SYNTHETIC`. A table may say anything else here: that tells nothing."""
TEACHER = "teacher"
"""The model that gave the labels or wrote the text."""
ANNOTATOR = "annotator"
"""Who gave the labels, person or model."""
VERIFIED = "verified"
"""Whether a person has looked at the row and found it right: `yes`, else `no` or nothing."""
SEEDS = "seeds"
"""The rows that a synthetic one was made after: their ids, or their lines where the task has no id."""

PROVENANCE = (SOURCE, TEACHER, ANNOTATOR, VERIFIED, SEEDS)

HUMAN, ANNOTATED, SYNTHETIC = "human", "annotated", "synthetic"
"""A person labelled it; a model labelled it; a model wrote it, and its labels with it."""

_YES = frozenset({"yes", "true", "1"})
_BETWEEN_SEEDS = re.compile(r"[\s,;|]+")


def holds_provenance(name: str, values: Iterable[str] | None) -> bool:
    """Whether a column of this name and these values tells where rows come from.

    `source` is what many tables call something else: there the values must be known ones. None stands for
    too many values.
    """
    if name != SOURCE:
        return name in PROVENANCE
    known = {HUMAN, ANNOTATED, SYNTHETIC, ""}
    return values is not None and all(value.strip().casefold() in known for value in values)


def is_synthetic(cell: str) -> bool:
    """Whether the cell of `SOURCE` says that a model wrote the text of its row."""
    return cell.strip().casefold() == SYNTHETIC


def is_human(source: str, verified: str = "") -> bool:
    """Whether people vouch for a row's labels: nobody says otherwise, or one of them has looked at it."""
    return source.strip().casefold() not in (ANNOTATED, SYNTHETIC) or is_verified(verified)


def is_verified(cell: str) -> bool:
    """Whether the cell of `VERIFIED` says yes."""
    return cell.strip().casefold() in _YES


def seeds_cell(seeds: Iterable[object]) -> str:
    """The cell of `SEEDS`: ids or lines with a space between them, or a JSON list where an id has one."""
    named = [str(seed) for seed in seeds]
    joined = " ".join(named)
    return joined if list(seeds_of(joined)) == named else json.dumps(named, ensure_ascii=False)


def seeds_of(cell: str) -> Sequence[str]:
    """The ids or lines that a cell of `SEEDS` names: a list, or words with space or a sign between them."""
    items = list_items(cell)
    return items if items is not None else [seed for seed in _BETWEEN_SEEDS.split(cell) if seed]
